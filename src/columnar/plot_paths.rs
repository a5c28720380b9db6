//! Where agents went: paths in order, and how often plume-nav-sim's agents were on each cell of their grid.
//!
//! Memory is bounded: if there are too many points, long paths are thinned out and later on fewer episodes are followed,
//! in both cases evenly. Nothing is drawn here.

use std::collections::HashMap;

use crate::columnar::powers::PowerOfTwo;

/// The most points kept over all paths.
// 8 MiB.
pub(super) const PATH_POINTS: usize = 1 << 19;
/// The most paths that are kept of a declared run; a picture has room for far fewer.
const PATHS: usize = 4096;
/// A path of more points than this is thinned out before any other is left out: more than a picture has pixels.
const LONG_PATH: usize = 4096;
/// The most distinct cells counted.
// As many as a grid of 1024 by 1024 has.
const CELLS: usize = 1 << 20;

/// The path of an episode's agent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AgentPath {
    /// The episode, as an index into [`PlotData::episodes`](super::PlotData).
    pub episode: usize,
    /// Its points in order. On plume-nav-sim's grid cells, without repeats; else every n-th row's, and NaN if it has none.
    pub points: Vec<(f64, f64)>,
    /// The last point that is known.
    pub last: Option<(f64, f64)>,
    /// How many rows it has.
    pub rows: u64,
}

/// A coordinate of paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathAxis {
    /// The column's name.
    pub name: String,
    /// Its unit.
    pub unit: Option<String>,
}

/// The number of steps that ended on each cell.
pub type CellVisits = HashMap<(i32, i32), u64>;

/// Collects paths.
#[derive(Debug)]
pub(super) struct PathCollector {
    /// Points are cells of plume-nav-sim's grid.
    is_grid: bool,
    paths: Vec<AgentPath>,
    points: usize,
    keep_every: PowerOfTwo,
    stride: PowerOfTwo,
    visits: CellVisits,
    stay_cell: (i32, i32),
    stay_length: u64,
}

impl PathCollector {
    pub fn new(is_grid: bool) -> Self {
        Self {
            is_grid,
            paths: Vec::new(),
            points: 0,
            keep_every: PowerOfTwo::default(),
            stride: PowerOfTwo::default(),
            visits: CellVisits::new(),
            stay_cell: (0, 0),
            stay_length: 0,
        }
    }

    /// Notes that the next episode begins.
    pub fn open_episode(&mut self, episode: usize) {
        if self.keep_every.divides(episode as u64) {
            self.paths.push(AgentPath { episode, ..AgentPath::default() });
            if !self.is_grid && self.paths.len() > PATHS {
                self.drop_paths();
            }
        }
    }

    /// Adds an episode's next position.
    pub fn add_row(&mut self, episode: usize, x: f64, y: f64) {
        if self.is_grid {
            self.add_cell(episode, (clamp_cell(x), clamp_cell(y)))
        } else {
            self.add_point(episode, x, y)
        }
    }

    fn add_cell(&mut self, episode: usize, cell: (i32, i32)) {
        // For speed: an agent often turns on the spot, and its stay is one look-up.
        if self.stay_length > 0 && self.stay_cell == cell {
            self.stay_length += 1;
        } else {
            self.count_stay();
            (self.stay_cell, self.stay_length) = (cell, 1);
        }
        let point = (f64::from(cell.0), f64::from(cell.1));
        let Some(path) = self.path_of(episode).filter(|path| path.points.last() != Some(&point)) else { return };
        path.points.push(point);
        path.last = Some(point);
        self.points += 1;
        if self.points <= PATH_POINTS {
            return;
        }
        if self.paths.len() > 1 {
            self.drop_paths();
        } else if let Some(path) = self.paths.last_mut() {
            // A single endless episode: keep every other cell.
            thin_out(&mut path.points, 1);
            self.count_points();
        }
    }

    fn add_point(&mut self, episode: usize, x: f64, y: f64) {
        let is_known = x.is_finite() && y.is_finite();
        let stride = self.stride;
        let Some(path) = self.path_of(episode) else { return };
        path.rows += 1;
        if is_known {
            path.last = Some((x, y));
        }
        if !stride.divides(path.rows - 1) {
            return;
        }
        path.points.push(if is_known { (x, y) } else { (f64::NAN, f64::NAN) });
        let is_long = path.points.len() > LONG_PATH;
        self.points += 1;
        if self.points <= PATH_POINTS {
            return;
        }
        if is_long || self.paths.len() == 1 {
            // All paths share one stride, so that every point keeps its row.
            self.stride.double();
            self.paths.iter_mut().for_each(|path| thin_out(&mut path.points, 0));
            self.count_points();
        } else {
            self.drop_paths();
        }
    }

    fn path_of(&mut self, episode: usize) -> Option<&mut AgentPath> {
        if !self.keep_every.divides(episode as u64) {
            return None;
        }
        self.paths.get_mut(usize::try_from(self.keep_every.quotient(episode as u64)).ok()?)
    }

    /// Drops every other kept path; later episodes follow the same rule.
    fn drop_paths(&mut self) {
        self.keep_every.double();
        let every = self.keep_every;
        self.paths.retain(|path| every.divides(path.episode as u64));
        self.count_points();
    }

    fn count_points(&mut self) {
        self.points = self.paths.iter().map(|path| path.points.len()).sum();
    }

    fn count_stay(&mut self) {
        let (cell, times) = (self.stay_cell, self.stay_length);
        if times == 0 {
            return;
        }
        if self.visits.len() < CELLS {
            *self.visits.entry(cell).or_default() += times;
        // Beyond the limit no cell is added; known cells still count.
        } else if let Some(n) = self.visits.get_mut(&cell) {
            *n += times;
        }
    }

    /// Returns the paths and visits.
    pub fn finish(mut self) -> (Vec<AgentPath>, CellVisits) {
        self.count_stay();
        (self.paths, self.visits)
    }
}

/// Keeps every other point: the first, or the second, and so on.
fn thin_out(points: &mut Vec<(f64, f64)>, first: usize) {
    let mut at = 0_usize;
    points.retain(|_| {
        at += 1;
        (at - 1) % 2 == first
    });
}

/// Saturates: a cell far away is drawn at the border.
#[allow(clippy::cast_possible_truncation)]
fn clamp_cell(cell: f64) -> i32 {
    cell as i32
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_path_is_thinned_out_evenly() {
        let mut collector = PathCollector::new(false);
        let rows = 3 * PATH_POINTS;
        for episode in [0, 1] {
            collector.open_episode(episode);
        }
        for row in 0..rows {
            collector.add_row(0, row as f64, 0.5);
            collector.add_row(1, -(row as f64), 0.5);
        }
        let (paths, visits) = collector.finish();
        assert!(paths.len() == 2 && visits.is_empty());
        for path in paths {
            let step = path.points[1].0 - path.points[0].0;
            assert!(step.abs() >= 8.0 && path.points[0] == (0.0, 0.5));
            assert!(path.points.windows(2).all(|pair| pair[1].0 - pair[0].0 == step));
            assert_eq!(path.last.unwrap().0.abs(), (rows - 1) as f64);
        }
    }

    #[test]
    fn a_position_that_is_not_known_is_a_gap() {
        let mut collector = PathCollector::new(false);
        collector.open_episode(0);
        for (x, y) in [(1.0, 2.0), (f64::NAN, 3.0), (f64::INFINITY, 3.0), (4.0, 5.0), (4.0, f64::NAN)] {
            collector.add_row(0, x, y);
        }
        let path = &collector.finish().0[0];
        let known: Vec<bool> = path.points.iter().map(|point| point.0.is_finite()).collect();
        assert_eq!(known, [true, false, false, true, false]);
        assert_eq!(path.last, Some((4.0, 5.0)));
    }

    #[test]
    fn many_episodes_leave_out_paths_evenly() {
        let mut collector = PathCollector::new(false);
        for episode in 0..3 * PATHS {
            collector.open_episode(episode);
            collector.add_row(episode, 0.0, 0.0);
        }
        let (paths, _) = collector.finish();
        assert!(paths.len() <= PATHS && paths.windows(2).all(|pair| pair[1].episode - pair[0].episode == 4));
    }
}

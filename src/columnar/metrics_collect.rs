//! Collects curves, paths and visits from step rows, in one pass and bounded memory.
//!
//! A curve is sampled at steps 1, 1+k, 1+2k, …; k doubles whenever the longest episode outgrows the samples, so a
//! sampled value is always exact at its step. An episode that has ended keeps its last value: a quartile is over all
//! episodes at every step, not only over the longest ones. Nothing is drawn here.

use std::collections::HashMap;

/// The most samples on a curve.
// About one sample per pixel of a chart.
const SAMPLES: usize = 512;
/// The most points kept over all paths.
// 4 MiB, at 8 bytes a cell.
const PATH_POINTS: usize = 1 << 19;
/// The most distinct cells counted.
// As many as a grid of 1024 by 1024 has.
const CELLS: usize = 1 << 20;

/// The columns of step rows that plots need; all of one length, in file order.
#[derive(Debug, Clone, Copy)]
pub struct StepColumns<'a> {
    /// The index of the segment.
    pub episode_index: &'a [i64],
    /// Reward of the step.
    pub reward: &'a [f64],
    /// Distance to the goal after the step.
    pub distance: &'a [f64],
    /// The agent's column after the step.
    pub x: &'a [i64],
    /// The agent's row after the step.
    pub y: &'a [i64],
    /// Whether the goal was reached by the step.
    pub terminated: &'a [bool],
    /// Whether the step was the last allowed.
    pub truncated: &'a [bool],
}

/// The facts of an episode for plots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlotEpisode {
    /// The index of its segment.
    pub index: i64,
    /// The number of its steps.
    pub steps: u64,
    /// Whether its last step reached the goal.
    pub terminated: bool,
    /// Whether its last step was the last allowed.
    pub truncated: bool,
    /// Sum of its finite rewards.
    pub reward: f64,
    /// The last finite distance to the goal.
    pub distance: Option<f64>,
}

/// The path of an episode's agent: its cells in order, without repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPath {
    /// The episode, as an index into [`PlotData::episodes`].
    pub episode: usize,
    /// Column and row of each cell.
    pub cells: Vec<(i32, i32)>,
}

/// The number of steps that ended on each cell.
pub type CellVisits = HashMap<(i32, i32), u64>;

/// Median and quartiles over episodes, at one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuartileBand {
    /// The step, from 1.
    pub step: u64,
    /// First quartile.
    pub low: f64,
    /// Median.
    pub mid: f64,
    /// Third quartile.
    pub high: f64,
}

/// A quantity over steps.
pub type BandCurve = Vec<QuartileBand>;

/// The data of a run's plots.
#[derive(Debug, Clone, Default)]
pub struct PlotData {
    /// All episodes, in file order.
    pub episodes: Vec<PlotEpisode>,
    /// Distance to the goal.
    pub distance: BandCurve,
    /// Reward summed since the episode's start.
    pub reward: BandCurve,
    /// The paths of all episodes, or of every n-th if there are too many points to keep.
    pub paths: Vec<AgentPath>,
    /// Visits of cells.
    pub visits: CellVisits,
}

/// Collects a [`PlotData`], batch by batch.
#[derive(Debug)]
pub struct PlotCollector {
    episodes: Vec<PlotEpisode>,
    samples: Vec<EpisodeSamples>,
    stride: u64,
    paths: Vec<AgentPath>,
    path_points: usize,
    keep_every: usize,
    visits: CellVisits,
}

/// Two curves' values of one episode, at the sampled steps.
#[derive(Debug, Default)]
struct EpisodeSamples {
    distance: Vec<f64>,
    reward: Vec<f64>,
}

impl Default for PlotCollector {
    fn default() -> Self {
        Self {
            episodes: Vec::new(),
            samples: Vec::new(),
            stride: 1,
            paths: Vec::new(),
            path_points: 0,
            keep_every: 1,
            visits: CellVisits::new(),
        }
    }
}

impl PlotCollector {
    /// Adds a batch of step rows. Columns of unequal length are read as far as the shortest.
    pub fn add_steps(&mut self, rows: StepColumns<'_>) {
        let numbers = rows.reward.iter().zip(rows.distance);
        let cells = rows.x.iter().zip(rows.y);
        let ends = rows.terminated.iter().zip(rows.truncated);
        let mut run_cell = (0, 0);
        let mut run_length = 0;
        for (((index, (reward, distance)), (x, y)), (terminated, truncated)) in
            rows.episode_index.iter().zip(numbers).zip(cells).zip(ends)
        {
            let cell = (clamp_cell(*x), clamp_cell(*y));
            if self.episodes.last().is_none_or(|e| e.index != *index) {
                self.open_episode(*index);
            }
            self.add_value(*reward, *distance, *terminated, *truncated);
            self.add_cell(cell);
            // For speed: an agent often turns on the spot, and its stay is one look-up.
            if run_length > 0 && run_cell == cell {
                run_length += 1;
            } else {
                self.count_visit(run_cell, run_length);
                (run_cell, run_length) = (cell, 1);
            }
        }
        self.count_visit(run_cell, run_length);
    }

    fn open_episode(&mut self, index: i64) {
        let episode = self.episodes.len();
        self.episodes.push(PlotEpisode {
            index,
            steps: 0,
            terminated: false,
            truncated: false,
            reward: 0.0,
            distance: None,
        });
        self.samples.push(EpisodeSamples::default());
        if episode.is_multiple_of(self.keep_every) {
            self.paths.push(AgentPath { episode, cells: Vec::new() });
        }
    }

    fn add_value(&mut self, reward: f64, distance: f64, terminated: bool, truncated: bool) {
        let (Some(episode), Some(samples)) = (self.episodes.last_mut(), self.samples.last_mut()) else { return };
        episode.steps += 1;
        (episode.terminated, episode.truncated) = (terminated, truncated);
        if reward.is_finite() {
            episode.reward += reward;
        }
        if distance.is_finite() {
            episode.distance = Some(distance);
        }
        if (episode.steps - 1).is_multiple_of(self.stride) {
            samples.distance.push(distance);
            // The sum so far, not the reward of the step.
            samples.reward.push(episode.reward);
            if samples.distance.len() > SAMPLES {
                // All episodes share one stride, so that their samples are at the same steps.
                self.stride *= 2;
                self.samples.iter_mut().for_each(EpisodeSamples::thin_out);
            }
        }
    }

    fn add_cell(&mut self, cell: (i32, i32)) {
        let episode = self.episodes.len().saturating_sub(1);
        let Some(path) = self.paths.last_mut().filter(|p| p.episode == episode) else { return };
        if path.cells.last() == Some(&cell) {
            return;
        }
        path.cells.push(cell);
        self.path_points += 1;
        if self.path_points <= PATH_POINTS {
            return;
        }
        if self.paths.len() > 1 {
            // Every other kept path goes, and later episodes follow the same rule.
            self.keep_every *= 2;
            let every = self.keep_every;
            self.paths.retain(|p| p.episode.is_multiple_of(every));
        } else if let Some(path) = self.paths.last_mut() {
            // A single endless episode: keep every other cell.
            let mut n = 0_usize;
            path.cells.retain(|_| {
                n += 1;
                n.is_multiple_of(2)
            });
        }
        self.path_points = self.paths.iter().map(|p| p.cells.len()).sum();
    }

    fn count_visit(&mut self, cell: (i32, i32), times: u64) {
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

    /// Returns the data of all rows added.
    #[must_use]
    pub fn finish(self) -> PlotData {
        let width = self.samples.iter().map(|s| s.distance.len()).max().unwrap_or(0);
        let last = |e: &PlotEpisode| e.distance.unwrap_or(f64::NAN);
        let distance = build_curve(width, self.stride, &self.samples, &self.episodes, |s| &s.distance, last);
        let reward = build_curve(width, self.stride, &self.samples, &self.episodes, |s| &s.reward, |e| e.reward);
        PlotData { episodes: self.episodes, distance, reward, paths: self.paths, visits: self.visits }
    }
}

impl EpisodeSamples {
    fn thin_out(&mut self) {
        for values in [&mut self.distance, &mut self.reward] {
            let mut at = 0_usize;
            values.retain(|_| {
                at += 1;
                // Keeps the first, third, …: exactly the samples at twice the stride.
                at % 2 == 1
            });
        }
    }
}

fn build_curve(
    width: usize,
    stride: u64,
    samples: &[EpisodeSamples],
    episodes: &[PlotEpisode],
    of: impl Fn(&EpisodeSamples) -> &Vec<f64>,
    last: impl Fn(&PlotEpisode) -> f64,
) -> BandCurve {
    let mut column = Vec::with_capacity(samples.len());
    let mut out = Vec::with_capacity(width);
    for at in 0..width {
        column.clear();
        let values = samples.iter().zip(episodes).map(|(s, e)| of(s).get(at).copied().unwrap_or_else(|| last(e)));
        column.extend(values.filter(|v| v.is_finite()));
        if let Some((low, mid, high)) = quartiles_of(&mut column) {
            out.push(QuartileBand { step: 1 + at as u64 * stride, low, mid, high });
        }
    }
    out
}

/// Returns the quartiles by linear interpolation, the default of NumPy and pandas.
fn quartiles_of(values: &mut [f64]) -> Option<(f64, f64, f64)> {
    values.sort_unstable_by(f64::total_cmp);
    Some((quantile_of(values, 0.25)?, quantile_of(values, 0.5)?, quantile_of(values, 0.75)?))
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn quantile_of(sorted: &[f64], q: f64) -> Option<f64> {
    let at = q * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted.get(at.floor() as usize)?, sorted.get(at.ceil() as usize)?);
    Some(low + (high - low) * (at - at.floor()))
}

fn clamp_cell(cell: i64) -> i32 {
    i32::try_from(cell).unwrap_or(if cell < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn feed_collector(collector: &mut PlotCollector, index: i64, values: &[f64], ends: bool) {
        let n = values.len();
        let mut terminated = vec![false; n];
        terminated[n - 1] = ends;
        let x: Vec<i64> = (0..n as i64).collect();
        collector.add_steps(StepColumns {
            episode_index: &vec![index; n],
            reward: values,
            distance: values,
            x: &x,
            y: &vec![0; n],
            terminated: &terminated,
            truncated: &vec![false; n],
        });
    }

    #[test]
    fn quartiles_are_over_all_episodes_also_after_one_ended() {
        let mut collector = PlotCollector::default();
        feed_collector(&mut collector, 0, &[5.0], true);
        feed_collector(&mut collector, 1, &[1.0, 2.0, 3.0], false);
        let plot_data = collector.finish();
        let mids: Vec<f64> = plot_data.distance.iter().map(|b| b.mid).collect();
        assert_eq!(mids, [3.0, 3.5, 4.0]);
        assert_eq!(plot_data.distance[0].low, 2.0);
        let sums: Vec<f64> = plot_data.reward.iter().map(|b| b.high).collect();
        assert_eq!(sums, [4.0, 4.5, 5.75]);
        assert!(plot_data.episodes[0].terminated && !plot_data.episodes[1].terminated);
    }

    #[test]
    fn a_long_episode_is_sampled_at_exact_steps() {
        let mut collector = PlotCollector::default();
        let values: Vec<f64> = (1..=10_000).map(f64::from).collect();
        feed_collector(&mut collector, 0, &[0.0; 3], false);
        feed_collector(&mut collector, 1, &values, false);
        let plot_data = collector.finish();
        assert!(plot_data.distance.len() <= SAMPLES && plot_data.distance.len() > SAMPLES / 2);
        // Two episodes, one of them at 0: the median is half the other's value at that very step.
        for band in plot_data.distance.iter().skip(3) {
            assert_eq!(band.mid * 2.0, band.step as f64);
        }
    }

    #[test]
    fn nan_and_far_away_cells_do_no_harm() {
        let mut collector = PlotCollector::default();
        collector.add_steps(StepColumns {
            episode_index: &[0, 0],
            reward: &[f64::NAN, 1.0],
            distance: &[f64::INFINITY, f64::NAN],
            x: &[i64::MAX, i64::MIN],
            y: &[0, 0],
            terminated: &[false, true],
            truncated: &[false, false],
        });
        let plot_data = collector.finish();
        assert!(plot_data.distance.is_empty());
        assert_eq!(plot_data.episodes[0].reward, 1.0);
        assert_eq!(plot_data.visits.len(), 2);
    }

    #[test]
    fn too_many_paths_thin_out_evenly() {
        let mut collector = PlotCollector::default();
        let values = vec![0.0; PATH_POINTS / 4];
        for index in 0..16 {
            feed_collector(&mut collector, index, &values, true);
        }
        let kept_episodes: Vec<usize> = collector.finish().paths.iter().map(|p| p.episode).collect();
        assert_eq!(kept_episodes, [0, 4, 8, 12]);
    }
}

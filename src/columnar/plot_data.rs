//! Collects a run's plot data from its step rows, in one pass and bounded memory.
//!
//! What there is to draw follows from the run's schema: its `plot`, its reward, its discrete actions. Rows of several
//! episodes can interleave: each goes to the episode of its index. Curves are in `plot_curves`, paths in `plot_paths`,
//! actions in `plot_actions`. Nothing is drawn here.

use crate::columnar::metrics::SUCCESS;
use crate::columnar::planned::{PlannedColumn, PlannedColumns};
use crate::columnar::plot_actions::ActionShares;
use crate::columnar::plot_curves::{CurveCollector, LineCurve};
use crate::columnar::plot_paths::{AgentPath, CellVisits, PathAxis, PathCollector};
use crate::run::schema::{Column, RunSchema, Storage};

/// The most lines that are collected; a picture of more is no picture.
const LINES: usize = 8;
/// The most actions that are discrete.
const ACTIONS: i64 = 16;
/// The column of actions.
const ACTION: &str = "action";
/// The largest integer up to which every integer is a float: 2⁵³.
const EXACT: i64 = 1 << 53;

/// The columns of step rows that plots need; all of one length, in file order.
#[derive(Debug, Clone, Copy)]
pub struct StepColumns<'a> {
    /// The index of the episode.
    pub episode_index: &'a [i64],
    /// The step; 0 is the state after a reset.
    pub step: &'a [i64],
    /// Whether the episode reached its end by the step.
    pub terminated: &'a [bool],
    /// Whether the episode was cut off after the step.
    pub truncated: &'a [bool],
    /// The columns of [`PlotCollector::columns`], in that order; a value that is absent is a NaN.
    pub numbers: &'a [Vec<f64>],
}

/// The facts of an episode for plots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlotEpisode {
    /// Its index in the run.
    pub index: i64,
    /// The number of its steps.
    pub steps: u64,
    /// Whether its last step reached its end.
    pub terminated: bool,
    /// Whether it was cut off after its last step.
    pub truncated: bool,
    /// Whether it succeeded; `None` if the run does not say so. For plume-nav-sim's runs `terminated` says it.
    pub success: Option<bool>,
    /// Sum of its finite rewards.
    pub reward: f64,
    /// The last finite value of the run's first line: of plume-nav-sim's runs, the distance to the goal.
    pub line_end: Option<f64>,
}

/// The data of a run's plots. What the run lacks is empty or absent.
#[derive(Debug, Clone, Default)]
pub struct PlotData {
    /// Whether the run is plume-nav-sim's, which has a map.
    pub is_plume: bool,
    /// Whether the run says which episodes succeeded.
    pub has_success: bool,
    /// All episodes, in the order of their first rows.
    pub episodes: Vec<PlotEpisode>,
    /// The lines of the schema's `plot`; of plume-nav-sim's runs, the distance to the goal.
    pub lines: Vec<LineCurve>,
    /// How many more lines the schema names.
    pub more_lines: usize,
    /// Reward summed since the episode's start.
    pub reward: Option<LineCurve>,
    /// The two coordinates of paths, if the schema's `plot` has a `path`.
    pub axes: Option<[PathAxis; 2]>,
    /// The paths of all episodes, or of every n-th if there are too many points to keep.
    pub paths: Vec<AgentPath>,
    /// Visits of cells, of plume-nav-sim's runs.
    pub visits: CellVisits,
    /// Discrete actions.
    pub actions: Option<ActionShares>,
    /// Whether the run has actions that are too many, or no whole numbers.
    pub has_other_actions: bool,
}

/// Collects a [`PlotData`], batch by batch.
#[derive(Debug)]
pub struct PlotCollector {
    columns: Vec<PlannedColumn>,
    /// Places in `columns`.
    lines: Vec<usize>,
    reward: Option<usize>,
    path: Option<(usize, usize)>,
    action: Option<usize>,
    /// What is known before the first row.
    data: PlotData,
    /// The episode of the last row, as an index into `episodes`.
    current: usize,
    /// The step of an episode's first row.
    first_step: u64,
    curves: CurveCollector,
    paths: PathCollector,
    actions: Option<ActionShares>,
    successes: Vec<(i64, bool)>,
    /// One row's values for the curves; kept for its memory.
    values: Vec<f64>,
}

impl PlotCollector {
    /// Makes a collector for runs with this schema.
    #[must_use]
    pub fn new(schema: &RunSchema) -> Self {
        let mut columns = PlannedColumns::new(&schema.steps);
        let lines: Vec<usize> =
            schema.plot.lines.iter().take(LINES).filter_map(|index| columns.place(*index)).collect();
        let reward = columns.place_named("reward");
        let path = schema.plot.path.and_then(|(x, y)| columns.place(x).zip(columns.place(y)));
        let range = schema.steps.columns.iter().find(|column| column.name == ACTION).and_then(discrete_range);
        let action = range.filter(|_| !schema.is_plume()).and_then(|_| columns.place_named(ACTION));
        let has_actions = schema.steps.find(ACTION).is_some();
        let columns = columns.finish();
        let line_of = |place: usize| {
            let column = columns.get(place);
            let (name, unit) = column.map(|column| (column.name.clone(), column.unit.clone())).unwrap_or_default();
            LineCurve { name, unit, curve: Vec::new() }
        };
        let axis_of = |place: usize| {
            let LineCurve { name, unit, .. } = line_of(place);
            PathAxis { name, unit }
        };
        let data = PlotData {
            is_plume: schema.is_plume(),
            has_success: schema.is_plume() || schema.episodes.find(SUCCESS).is_some(),
            lines: lines.iter().map(|place| line_of(*place)).collect(),
            more_lines: schema.plot.lines.len().saturating_sub(LINES),
            reward: reward.map(line_of),
            axes: path.map(|(x, y)| [axis_of(x), axis_of(y)]),
            has_other_actions: has_actions && range.is_none() && !schema.is_plume(),
            ..PlotData::default()
        };
        let curves = lines.len() + usize::from(reward.is_some());
        let first_step = u64::from(!schema.reset_rows);
        Self {
            curves: CurveCollector::new(curves, first_step, schema.is_plume()),
            first_step,
            paths: PathCollector::new(schema.is_plume()),
            actions: action.and(range).map(|(first, last)| ActionShares::new(first, last)),
            columns,
            lines,
            reward,
            path,
            action,
            data,
            current: 0,
            successes: Vec::new(),
            values: Vec::new(),
        }
    }

    /// The step columns whose values are needed.
    #[must_use]
    pub fn columns(&self) -> &[PlannedColumn] {
        &self.columns
    }

    /// Adds a batch of step rows. Columns of unequal length are read as far as the shortest.
    pub fn add_steps(&mut self, rows: StepColumns<'_>) {
        let ends = rows.terminated.iter().zip(rows.truncated);
        // For speed: each column is looked up once.
        let column = |place: usize| rows.numbers.get(place).map_or(&[][..], Vec::as_slice);
        let lines: Vec<&[f64]> = self.lines.iter().map(|place| column(*place)).collect();
        let (reward, action) = (self.reward.map(column), self.action.map(column));
        let path = self.path.map(|(x, y)| (column(x), column(y)));
        for (row, ((index, step), (terminated, truncated))) in
            rows.episode_index.iter().zip(rows.step).zip(ends).enumerate()
        {
            if !self.find_episode(*index) {
                continue;
            }
            let number = |column: &[f64]| column.get(row).copied().unwrap_or(f64::NAN);
            let is_reset = *step == 0 && !self.data.is_plume;
            let Some(episode) = self.data.episodes.get_mut(self.current) else { continue };
            self.values.clear();
            self.values.extend(lines.iter().map(|line| number(line)));
            if let Some(first) = self.values.first().filter(|value| value.is_finite()) {
                episode.line_end = Some(*first);
            }
            if !is_reset {
                episode.steps += 1;
                (episode.terminated, episode.truncated) = (*terminated, *truncated);
            }
            if let Some(reward) = reward {
                let value = number(reward);
                if value.is_finite() && !is_reset {
                    episode.reward += value;
                }
                // The sum so far, not the reward of the step.
                self.values.push(if is_reset { f64::NAN } else { episode.reward });
            }
            let at = if self.data.is_plume { Some(episode.steps - 1) } else { place_of(*step, self.first_step) };
            if let (Some(actions), Some(action), false) = (&mut self.actions, action, is_reset) {
                actions.add_action(episode.steps, number(action));
            }
            if let Some(at) = at {
                self.curves.add_row(self.current, at, &self.values);
            }
            if let Some((x, y)) = path {
                self.paths.add_row(self.current, number(x), number(y));
            }
        }
    }

    /// Notes whether an episode succeeded.
    pub fn add_success(&mut self, episode_index: i64, success: bool) {
        self.successes.push((episode_index, success));
    }

    /// Makes the episode of this index the current one; false if it cannot be one of this run.
    fn find_episode(&mut self, index: i64) -> bool {
        let episodes = &self.data.episodes;
        if episodes.get(self.current).is_some_and(|episode| episode.index == index) {
            return true;
        }
        // Indices are given in the order of first rows, so that a new one is larger than all before.
        if episodes.last().is_none_or(|last| last.index < index) {
            self.current = episodes.len();
            self.open_episode(index);
            return true;
        }
        match episodes.binary_search_by_key(&index, |episode| episode.index) {
            Ok(at) => {
                self.current = at;
                true
            }
            Err(_) => false,
        }
    }

    fn open_episode(&mut self, index: i64) {
        self.data.episodes.push(PlotEpisode {
            index,
            steps: 0,
            terminated: false,
            truncated: false,
            success: None,
            reward: 0.0,
            line_end: None,
        });
        self.curves.open_episode(self.current);
        if self.path.is_some() {
            self.paths.open_episode(self.current);
        }
    }

    /// Returns the data of all rows added.
    #[must_use]
    pub fn finish(self) -> PlotData {
        let mut data = self.data;
        let mut curves = self.curves.finish().into_iter();
        for line in data.lines.iter_mut().chain(&mut data.reward) {
            line.curve = curves.next().unwrap_or_default();
        }
        for episode in data.episodes.iter_mut().filter(|_| data.is_plume) {
            episode.success = Some(episode.terminated);
        }
        for (index, success) in self.successes {
            if let Ok(at) = data.episodes.binary_search_by_key(&index, |episode| episode.index)
                && let Some(episode) = data.episodes.get_mut(at)
            {
                episode.success = Some(success);
            }
        }
        (data.paths, data.visits) = self.paths.finish();
        data.actions = self.actions;
        data
    }
}

/// The place of a step among an episode's rows, from 0; `None` for a step before the first.
fn place_of(step: i64, first_step: u64) -> Option<u64> {
    u64::try_from(step).ok()?.checked_sub(first_step)
}

/// The range of a column of few integers.
fn discrete_range(column: &Column) -> Option<(i64, i64)> {
    if column.shape.is_some() || column.storage() != Storage::Int {
        return None;
    }
    let (first, last) = column.int_bounds();
    let is_few = last.checked_sub(first).is_some_and(|range| range < ACTIONS);
    (is_few && first > -EXACT && last < EXACT).then_some((first, last))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::columnar::plot_curves::SAMPLES;
    use crate::columnar::plot_paths::PATH_POINTS;

    fn plume() -> PlotCollector {
        let collector = PlotCollector::new(&RunSchema::plume());
        let names: Vec<&str> = collector.columns().iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["distance_to_goal", "reward", "agent_x", "agent_y"]);
        collector
    }

    fn feed_collector(collector: &mut PlotCollector, index: i64, values: &[f64], ends: bool) {
        let n = values.len();
        let mut terminated = vec![false; n];
        terminated[n - 1] = ends;
        let x: Vec<f64> = (0..n).map(|x| x as f64).collect();
        collector.add_steps(StepColumns {
            episode_index: &vec![index; n],
            step: &(1..=n as i64).collect::<Vec<_>>(),
            terminated: &terminated,
            truncated: &vec![false; n],
            numbers: &[values.to_vec(), values.to_vec(), x, vec![0.0; n]],
        });
    }

    #[test]
    fn quartiles_are_over_all_episodes_also_after_one_ended() {
        let mut collector = plume();
        feed_collector(&mut collector, 0, &[5.0], true);
        feed_collector(&mut collector, 1, &[1.0, 2.0, 3.0], false);
        let plot_data = collector.finish();
        let mids: Vec<f64> = plot_data.lines[0].curve.iter().map(|b| b.mid).collect();
        assert_eq!(mids, [3.0, 3.5, 4.0]);
        assert_eq!(plot_data.lines[0].curve[0].low, 2.0);
        let sums: Vec<f64> = plot_data.reward.unwrap().curve.iter().map(|b| b.high).collect();
        assert_eq!(sums, [4.0, 4.5, 5.75]);
        assert!(plot_data.episodes[0].terminated && !plot_data.episodes[1].terminated);
        assert_eq!(plot_data.episodes[0].success, Some(true));
    }

    #[test]
    fn a_long_episode_is_sampled_at_exact_steps() {
        let mut collector = plume();
        let values: Vec<f64> = (1..=10_000).map(f64::from).collect();
        feed_collector(&mut collector, 0, &[0.0; 3], false);
        feed_collector(&mut collector, 1, &values, false);
        let curve = &collector.finish().lines[0].curve;
        assert!(curve.len() <= SAMPLES && curve.len() > SAMPLES / 2);
        // Two episodes, one of them at 0: the median is half the other's value at that very step.
        for band in curve.iter().skip(3) {
            assert_eq!(band.mid * 2.0, band.step as f64);
        }
    }

    #[test]
    fn nan_and_far_away_cells_do_no_harm() {
        let mut collector = plume();
        collector.add_steps(StepColumns {
            episode_index: &[0, 0],
            step: &[1, 2],
            terminated: &[false, true],
            truncated: &[false, false],
            numbers: &[vec![f64::INFINITY, f64::NAN], vec![f64::NAN, 1.0], vec![9.3e18, -9.3e18], vec![0.0; 2]],
        });
        let plot_data = collector.finish();
        assert!(plot_data.lines[0].curve.is_empty());
        assert_eq!(plot_data.episodes[0].reward, 1.0);
        assert_eq!(plot_data.visits.len(), 2);
        assert_eq!(plot_data.paths[0].points, [(f64::from(i32::MAX), 0.0), (f64::from(i32::MIN), 0.0)]);
    }

    #[test]
    fn too_many_paths_thin_out_evenly() {
        let mut collector = plume();
        let values = vec![0.0; PATH_POINTS / 4];
        for index in 0..16 {
            feed_collector(&mut collector, index, &values, true);
        }
        let kept_episodes: Vec<usize> = collector.finish().paths.iter().map(|p| p.episode).collect();
        assert_eq!(kept_episodes, [0, 4, 8, 12]);
    }

    #[test]
    fn a_declared_run_has_what_its_schema_says() {
        let schema = RunSchema::parse(
            br#"{"format": 1, "reset_rows": true,
                 "steps": {"x": {"dtype": "float32", "unit": "m"}, "action": {"dtype": "int8", "min": -1, "max": 1},
                           "reward": {"dtype": "float64"}},
                 "episodes": {"success": {"dtype": "bool"}}, "plot": {"path": ["x", "reward"], "lines": ["x"]}}"#,
        )
        .unwrap();
        let mut collector = PlotCollector::new(&schema);
        let names: Vec<&str> = collector.columns().iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["x", "reward", "action"]);
        // Two episodes in turns; the second is not the first again when its rows come back.
        let nan = f64::NAN;
        collector.add_steps(StepColumns {
            episode_index: &[0, 1, 0, 1, 0, 1],
            step: &[0, 0, 1, 1, 2, 2],
            terminated: &[false, false, false, false, true, false],
            truncated: &[false, false, false, false, false, true],
            numbers: &[
                vec![0.0, 10.0, 1.0, 11.0, 2.0, 12.0],
                vec![nan, nan, 1.0, 2.0, 1.0, 2.0],
                vec![nan, nan, -1.0, 0.0, 1.0, 0.0],
            ],
        });
        collector.add_success(1, true);
        collector.add_success(0, false);
        // No episode of this run.
        collector.add_success(7, true);
        let data = collector.finish();
        let facts: Vec<_> =
            data.episodes.iter().map(|e| (e.steps, e.terminated, e.success, e.reward, e.line_end)).collect();
        assert_eq!(facts, [(2, true, Some(false), 2.0, Some(2.0)), (2, false, Some(true), 4.0, Some(12.0))]);
        let mids = |line: &LineCurve| line.curve.iter().map(|band| (band.step, band.mid)).collect::<Vec<_>>();
        assert_eq!(mids(&data.lines[0]), [(0, 5.0), (1, 6.0), (2, 7.0)]);
        assert_eq!(mids(data.reward.as_ref().unwrap()), [(1, 1.5), (2, 3.0)]);
        assert_eq!(data.actions.unwrap().parts, [[1, 1, 0], [0, 1, 1]]);
        assert_eq!(data.axes.unwrap()[0], PathAxis { name: "x".into(), unit: Some("m".into()) });
        assert_eq!(data.paths[1].points.len(), 3);
        assert!(data.has_success && !data.is_plume && data.visits.is_empty());
    }

    #[test]
    fn what_a_run_lacks_is_absent() {
        let schema = RunSchema::parse(br#"{"format": 1, "steps": {"action": {"dtype": "int8"}}}"#).unwrap();
        let mut collector = PlotCollector::new(&schema);
        collector.add_steps(StepColumns {
            episode_index: &[0],
            step: &[1],
            terminated: &[true],
            truncated: &[false],
            numbers: &[],
        });
        let data = collector.finish();
        assert!(data.lines.is_empty() && data.reward.is_none() && data.axes.is_none() && data.paths.is_empty());
        // An int8 has more values than a picture has colours.
        assert!(data.actions.is_none() && data.has_other_actions && !data.has_success);
        assert_eq!((data.episodes.len(), data.episodes[0].success), (1, None));
    }
}

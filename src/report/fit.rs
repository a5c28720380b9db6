//! Fits curves and paths into the room that the rest of a page leaves: first fewer samples, then fewer curves, then medians
//! without quartiles, then none.

use crate::report::data::{CurveData, PathsData};
use crate::report::facts::RunFacts;
use crate::report::thin::{LeftOutParts, Limits, count_thinned, mean_width, pick_evenly, thin_curve, thin_path};

/// What fitting left out, as sentences for the reader.
pub type FitNotes = Vec<String>;

/// What is kept of each run's curves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CurvePlan {
    curves: usize,
    samples: usize,
    has_bands: bool,
}

/// What is kept of each run's paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PathPlan {
    lines: usize,
    points: usize,
}

/// Samples of a curve, most first.
const SAMPLES: [usize; 10] = [512, 256, 128, 96, 64, 48, 32, 24, 16, 12];
/// Fewer samples than this only if fewer curves would not fit either.
const GOOD_SAMPLES: usize = 24;
/// Paths and points of each, the best first.
const PATHS: [(usize, usize); 11] =
    [(16, 256), (8, 256), (8, 128), (6, 96), (4, 64), (4, 32), (3, 24), (2, 24), (2, 16), (1, 16), (1, 12)];

/// Leaves of each run's curves and paths what fits into so many bytes. `before` says what reading them left out already.
pub fn fit_into(runs: &mut [RunFacts], room: usize, limits: &Limits, before: LeftOutParts) -> FitNotes {
    let mut notes = Vec::new();
    let has_paths = runs.iter().any(|run| run.paths.is_some());
    // Two thirds at least, for curves are what runs are compared by; more if paths need less.
    let path_sizes: Vec<PathsSize> =
        runs.iter().filter_map(|run| run.paths.as_ref()).map(PathsSize::of_paths).collect();
    let all_paths = PathPlan { lines: usize::MAX, points: usize::MAX };
    let curve_room = room - sum_paths(&path_sizes, all_paths).min(room / 3);
    let curve_sizes: Vec<Vec<CurveSize>> =
        runs.iter().map(|run| run.curves.iter().map(CurveSize::of_curve).collect()).collect();
    let plan = plan_curves(&curve_sizes, curve_room);
    let curve_bytes = sum_curves(&curve_sizes, plan);
    apply_curve_plan(runs, plan, limits, before, &mut notes);
    if has_paths {
        let plan = plan_paths(&path_sizes, room.saturating_sub(curve_bytes));
        apply_path_plan(runs, plan, limits, before, &mut notes);
    }
    notes
}

/// How much JSON a curve takes.
struct CurveSize {
    names: usize,
    samples: usize,
    /// Of a number.
    width: usize,
}

impl CurveSize {
    fn of_curve(curve: &CurveData) -> Self {
        // The names and marks of a curve in JSON.
        let names = 100 + curve.name.len() + curve.unit.as_ref().map_or(4, String::len);
        Self { names, samples: curve.mid.len(), width: mean_width(&curve.mid) }
    }
}

/// How much JSON the paths of a run take.
struct PathsSize {
    /// The points of each path.
    points: Vec<usize>,
    /// Of a number.
    width: usize,
}

impl PathsSize {
    fn of_paths(paths: &PathsData) -> Self {
        let width = paths.lines.first().map_or(0, |line| mean_width(&line.x).max(mean_width(&line.y)));
        Self { points: paths.lines.iter().map(|line| line.x.len()).collect(), width }
    }
}

fn plan_curves(sizes: &[Vec<CurveSize>], room: usize) -> CurvePlan {
    let most = sizes.iter().map(Vec::len).max().unwrap_or(0);
    let fits = |plan: &CurvePlan| sum_curves(sizes, *plan) <= room;
    let plans = |curves: usize, has_bands: bool, least: usize| {
        let samples = SAMPLES.into_iter().filter(move |samples| *samples >= least);
        samples.map(move |samples| CurvePlan { curves, samples, has_bands })
    };
    let least = SAMPLES[SAMPLES.len() - 1];
    let ways = plans(most, true, GOOD_SAMPLES)
        .chain(plans(most.min(2), true, GOOD_SAMPLES))
        .chain(plans(most, true, least))
        .chain(plans(most.min(2), true, least))
        .chain(plans(most.min(2), false, least))
        .chain(plans(most.min(1), false, least));
    let none = CurvePlan { curves: 0, samples: least, has_bands: false };
    ways.into_iter().find(fits).unwrap_or(none)
}

fn sum_curves(sizes: &[Vec<CurveSize>], plan: CurvePlan) -> usize {
    let lists = if plan.has_bands { 3 } else { 1 };
    let size = |curve: &CurveSize| curve.names + count_thinned(curve.samples, plan.samples) * lists * curve.width;
    sizes.iter().flat_map(|curves| curves.iter().take(plan.curves)).map(size).sum()
}

fn apply_curve_plan(
    runs: &mut [RunFacts],
    plan: CurvePlan,
    limits: &Limits,
    before: LeftOutParts,
    notes: &mut FitNotes,
) {
    let (mut fewer_samples, mut fewer_curves, mut fewer_bands) = (before.samples, before.lines, false);
    for run in runs.iter_mut() {
        fewer_curves |= run.curves.len() > plan.curves;
        run.curves.truncate(plan.curves);
        for curve in &mut run.curves {
            fewer_samples |= thin_curve(curve, plan.samples);
            if !plan.has_bands {
                fewer_bands = true;
                (curve.low, curve.high) = (Vec::new(), Vec::new());
            }
        }
    }
    let most = runs.iter().map(|run| run.curves.len()).max().unwrap_or(0);
    if fewer_curves {
        notes.push(match most {
            0 => "There is no room for curves: the page has too many runs.".to_owned(),
            1 => "Of each run one curve is kept, the reward if it has one.".to_owned(),
            most => format!("Of each run the first {most} curves are kept, the reward first."),
        });
    }
    if fewer_bands {
        notes.push("Curves are medians over a run's episodes, without quartiles.".into());
    }
    if fewer_samples && most > 0 {
        notes.push(format!("Curves are thinned to at most {} points each.", plan.samples.min(limits.samples)));
    }
}

fn plan_paths(sizes: &[PathsSize], room: usize) -> Option<PathPlan> {
    let plans = PATHS.into_iter().map(|(lines, points)| PathPlan { lines, points });
    plans.into_iter().find(|plan| sum_paths(sizes, *plan) <= room)
}

fn sum_paths(sizes: &[PathsSize], plan: PathPlan) -> usize {
    let size = |paths: &PathsSize| {
        let lines = pick_evenly(&paths.points, plan.lines);
        // The names and marks of JSON.
        120 + lines.map(|points| 60 + count_thinned(*points, plan.points) * 2 * paths.width).sum::<usize>()
    };
    sizes.iter().map(size).sum()
}

fn apply_path_plan(
    runs: &mut [RunFacts],
    plan: Option<PathPlan>,
    limits: &Limits,
    before: LeftOutParts,
    notes: &mut FitNotes,
) {
    let Some(plan) = plan else {
        runs.iter_mut().for_each(|run| run.paths = None);
        notes.push("There is no room for paths: the page has too many runs.".into());
        return;
    };
    let (mut fewer_lines, mut fewer_points) = (before.paths, before.points);
    for paths in runs.iter_mut().filter_map(|run| run.paths.as_mut()) {
        let lines = pick_evenly(&paths.lines, plan.lines).cloned().collect();
        paths.lines = lines;
        fewer_lines |= paths.lines.len() < paths.of;
        for line in &mut paths.lines {
            fewer_points |= thin_path(line, plan.points);
        }
    }
    if fewer_lines {
        let most = runs.iter().filter_map(|run| run.paths.as_ref()).map(|paths| paths.lines.len()).max();
        notes.push(match most {
            Some(1) => "Of each run the path of one episode is kept.".to_owned(),
            most => format!("Of each run the paths of at most {} episodes are kept.", most.unwrap_or(0)),
        });
    }
    if fewer_points {
        notes.push(format!("Paths are thinned to at most {} points each.", plan.points.min(limits.points)));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::report::data::{AxisData, Num, PathData};

    fn runs(count: usize, curves: usize, samples: usize) -> Vec<RunFacts> {
        let numbers = |count: usize| (0..count).map(|at| Num(Some(at as f64 + 0.5))).collect::<Vec<_>>();
        let curve = |at: usize| CurveData {
            name: format!("c{at}"),
            unit: None,
            first: 1,
            stride: 1,
            last: samples as u64,
            low: numbers(samples),
            mid: numbers(samples),
            high: numbers(samples),
        };
        let axis = |name: &str| AxisData { name: name.into(), unit: None };
        let line = |episode: i64| PathData { episode, succeeded: None, x: numbers(200), y: numbers(200) };
        let paths = || PathsData { x: axis("x"), y: axis("y"), of: 16, lines: (0..16).map(line).collect() };
        let run =
            |_| RunFacts { curves: (0..curves).map(curve).collect(), paths: Some(paths()), ..RunFacts::default() };
        (0..count).map(run).collect()
    }

    fn size(runs: &[RunFacts]) -> usize {
        let json = |run: &RunFacts| serde_json::to_string(&(&run.curves, &run.paths)).unwrap().len();
        runs.iter().map(json).sum()
    }

    #[test]
    fn what_is_kept_fits() {
        for room in [4_000_000, 1_000_000, 300_000, 100_000, 40_000, 12_000, 3_000, 0] {
            let mut all = runs(100, 5, 512);
            let notes = fit_into(&mut all, room, &Limits::for_runs(1), LeftOutParts::default());
            // Empty lists and `null` are what any run has.
            assert!(size(&all) <= room + 100 * 10, "{room}: {} {notes:?}", size(&all));
            // One curve of 12 medians takes more than the smallest of these rooms.
            assert!(size(&all) >= room / 4 || room < 40_000, "{room}: {} {notes:?}", size(&all));
            let kept = |notes: &[String], word: &str| notes.iter().any(|note| note.contains(word));
            assert!(kept(&notes, "Curves are thinned") || kept(&notes, "no room for curves"), "{notes:?}");
            let curve = all[0].curves.first().map_or(0, |curve| curve.mid.len());
            assert!(curve == 0 || curve >= 11, "{curve}");
        }
    }

    #[test]
    fn what_fits_is_kept_whole_and_nothing_is_noted() {
        let mut all = runs(2, 3, 64);
        for run in &mut all {
            run.paths.as_mut().unwrap().of = 16;
        }
        let before = size(&all);
        assert_eq!(fit_into(&mut all, 10_000_000, &Limits::for_runs(1), LeftOutParts::default()), Vec::<String>::new());
        assert_eq!(size(&all), before);
    }
}

//! How much of curves, paths, episodes and texts a page has room for. Thinning is even and depends on nothing but the data;
//! what was left out is noted, for the reader to know.

use serde::Serialize;

use crate::columnar::{AgentPath, LineCurve, PlotData, QuartileBand};
use crate::report::data::{AxisData, CurveData, Num, PathData, PathsData};

/// The most that is kept of each run when it is read, by how many runs there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Samples of a curve.
    pub samples: usize,
    /// Curves beside the reward.
    pub lines: usize,
    /// Paths.
    pub paths: usize,
    /// Points of a path.
    pub points: usize,
    /// Episodes.
    pub episodes: usize,
    /// Keys of the configuration.
    pub config_keys: usize,
    /// Characters of a text that no command needs whole.
    pub text: usize,
}

impl Limits {
    /// The longest name of a key, tag or metric that is kept whole, in characters.
    pub const NAME: usize = 4096;

    /// The limits for so many runs.
    #[must_use]
    pub fn for_runs(runs: usize) -> Self {
        let share = |total: usize, least: usize, most: usize| (total / runs.max(1)).clamp(least, most);
        Self {
            samples: share(128_000, 16, 512),
            lines: share(4_000, 1, 8),
            paths: share(8_000, 1, 16),
            points: share(64_000, 16, 256),
            episodes: share(20_000, 5, 2_000),
            config_keys: share(1_000_000, 50, 1_000),
            text: share(100_000, 200, 1_000),
        }
    }
}

/// The size that a page of so many runs should not exceed, in bytes: below 5 MB for 1,000 and 15 MB for 10,000.
#[must_use]
pub fn target_size(runs: usize) -> usize {
    (3_800_000 + 1_080 * runs).min(14_700_000)
}

/// What was left out of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOutParts {
    /// Characters of texts.
    pub texts: bool,
    /// Samples of curves.
    pub samples: bool,
    /// Curves.
    pub lines: bool,
    /// Paths.
    pub paths: bool,
    /// Points of paths.
    pub points: bool,
    /// Episodes.
    pub episodes: bool,
    /// Metrics.
    pub metrics: bool,
    /// Keys of the configuration.
    pub config_keys: usize,
}

impl LeftOutParts {
    /// Adds what was left out of another run.
    pub fn add(&mut self, other: Self) {
        self.texts |= other.texts;
        self.samples |= other.samples;
        self.lines |= other.lines;
        self.paths |= other.paths;
        self.points |= other.points;
        self.episodes |= other.episodes;
        self.metrics |= other.metrics;
        self.config_keys += other.config_keys;
    }

    /// A text, cut if it has more than so many characters.
    pub fn cut_text(&mut self, text: &str, most: usize) -> String {
        match text.char_indices().nth(most) {
            None => text.to_owned(),
            Some((end, _)) => {
                self.texts = true;
                format!("{}…", text.get(..end).unwrap_or_default())
            }
        }
    }
}

/// The curves of a run: the reward first.
pub fn make_curves(plot_data: &PlotData, limits: &Limits, left_out: &mut LeftOutParts) -> Vec<CurveData> {
    left_out.lines |= plot_data.lines.len() > limits.lines || plot_data.more_lines > 0;
    // A line of the same name is of each step, not summed.
    let rename = |name: &str| if name == "reward" { "reward of a step".to_owned() } else { name.to_owned() };
    let lines = plot_data.lines.iter().take(limits.lines).map(|line| (rename(&line.name), line));
    let reward = plot_data.reward.iter().map(|line| ("reward".to_owned(), line));
    let mut curves = Vec::new();
    for (name, LineCurve { unit, curve, .. }) in reward.chain(lines) {
        let name = left_out.cut_text(&name, Limits::NAME);
        let unit = unit.as_deref().map(|unit| left_out.cut_text(unit, limits.text));
        if let Some(mut made) = make_curve(name, unit, curve) {
            // The collector doubles the distance whenever there are 512: more than half of them and a distance are its work.
            left_out.samples |= made.stride > 1 && made.mid.len() > 256;
            left_out.samples |= thin_curve(&mut made, limits.samples);
            curves.push(made);
        }
    }
    curves
}

fn make_curve(name: String, unit: Option<String>, bands: &[QuartileBand]) -> Option<CurveData> {
    let (first, last) = (bands.first()?.step, bands.last()?.step);
    // Steps at which no episode has a value are not in the bands: the distance of two samples divides all others.
    let distances = bands.iter().zip(bands.iter().skip(1)).map(|(a, b)| b.step.saturating_sub(a.step));
    let stride = distances.reduce(greatest_divisor).unwrap_or(1).max(1);
    let mut curve = CurveData { name, unit, first, stride, last, low: Vec::new(), mid: Vec::new(), high: Vec::new() };
    for band in bands {
        // No more than a curve has samples: the collector's distance is a divisor of this one.
        let at = usize::try_from((band.step - first) / stride).unwrap_or(usize::MAX);
        while curve.mid.len() < at {
            push_sample(&mut curve, [Num::UNKNOWN; 3]);
        }
        push_sample(&mut curve, [band.low, band.mid, band.high].map(Num::rounded));
    }
    Some(curve)
}

fn push_sample(curve: &mut CurveData, [low, mid, high]: [Num; 3]) {
    curve.low.push(low);
    curve.mid.push(mid);
    curve.high.push(high);
}

fn greatest_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_divisor(b, a % b) }
}

/// Keeps at most so many samples of a curve, at least 2, the first and the last among them; returns whether any was left out.
pub fn thin_curve(curve: &mut CurveData, most: usize) -> bool {
    let count = curve.mid.len();
    if count <= most {
        return false;
    }
    let every = (count - 1).div_ceil(most.max(2) - 1);
    let to_last = curve.stride.saturating_mul(count as u64 - 1).saturating_add(curve.first);
    // The last sample of a curve that was thinned before can be off the others' distance.
    let regular = if to_last == curve.last { count } else { count - 1 };
    for values in [&mut curve.low, &mut curve.mid, &mut curve.high] {
        *values = thin_list(values, every, regular);
    }
    curve.stride = curve.stride.saturating_mul(every as u64);
    true
}

/// How many of so many samples or points are left if at most `most` are kept.
#[must_use]
pub fn count_thinned(count: usize, most: usize) -> usize {
    if count <= most {
        return count;
    }
    let every = (count - 1).div_ceil(most.max(2) - 1);
    (count - 1) / every + 1 + usize::from(!(count - 1).is_multiple_of(every))
}

/// Every n-th of the first values, and the last one.
fn thin_list<T: Copy>(values: &[T], every: usize, regular: usize) -> Vec<T> {
    let last = values.len().saturating_sub(1);
    let mut places: Vec<usize> = (0..regular.min(values.len())).step_by(every.max(1)).collect();
    if places.last() != Some(&last) {
        places.push(last);
    }
    places.into_iter().filter_map(|at| values.get(at).copied()).collect()
}

/// The paths of a run's episodes; `None` if it has none.
pub fn make_paths(plot_data: &PlotData, limits: &Limits, left_out: &mut LeftOutParts) -> Option<PathsData> {
    let axes = plot_data.axes.clone()?;
    let [x, y] = axes.map(|axis| AxisData {
        name: left_out.cut_text(&axis.name, Limits::NAME),
        unit: axis.unit.as_deref().map(|unit| left_out.cut_text(unit, limits.text)),
    });
    let of = plot_data.episodes.len();
    let lines: Vec<PathData> = pick_evenly(&plot_data.paths, limits.paths)
        .filter_map(|path| make_path(path, plot_data, limits.points, left_out))
        .collect();
    left_out.paths |= lines.len() < of;
    (!lines.is_empty()).then_some(PathsData { x, y, of, lines })
}

fn make_path(path: &AgentPath, plot_data: &PlotData, most: usize, left_out: &mut LeftOutParts) -> Option<PathData> {
    let episode = plot_data.episodes.get(path.episode)?;
    let mut points = path.points.clone();
    // A long path has every n-th point: its end is known all the same.
    points.extend(path.last.filter(|last| points.last() != Some(last)));
    let number = |value: f64| if value.is_finite() { Num::rounded(value) } else { Num::UNKNOWN };
    let mut line = PathData {
        episode: episode.index,
        succeeded: episode.success,
        x: points.iter().map(|point| number(point.0)).collect(),
        y: points.iter().map(|point| number(point.1)).collect(),
    };
    left_out.points |= thin_path(&mut line, most);
    Some(line)
}

/// Keeps at most so many points of a path, at least 2; returns whether any was left out.
pub fn thin_path(path: &mut PathData, most: usize) -> bool {
    let count = path.x.len();
    if count <= most {
        return false;
    }
    let every = (count - 1).div_ceil(most.max(2) - 1);
    path.x = thin_list(&path.x, every, count);
    path.y = thin_list(&path.y, every, count);
    true
}

/// At most so many items, spread evenly, the first among them.
pub fn pick_evenly<T>(items: &[T], most: usize) -> impl Iterator<Item = &T> {
    let count = items.len();
    let picked = count.min(most);
    (0..picked).filter_map(move |at| items.get(at * count / picked.max(1)))
}

/// How many bytes of JSON values take on average, with the comma behind each; rounded up.
pub fn mean_width<T: Serialize>(values: &[T]) -> usize {
    // Enough of them for a mean.
    let sample: Vec<&T> = pick_evenly(values, 64).collect();
    let bytes = serde_json::to_string(&sample).map_or(0, |text| text.len());
    bytes.div_ceil(sample.len().max(1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn curve(steps: impl Iterator<Item = u64>) -> CurveData {
        #[allow(clippy::cast_precision_loss)]
        let band = |step| QuartileBand { step, low: step as f64 - 1.0, mid: step as f64, high: step as f64 + 1.0 };
        make_curve("c".into(), None, &steps.map(band).collect::<Vec<_>>()).unwrap()
    }

    /// Each sample's step, as a reader finds it.
    fn steps(curve: &CurveData) -> Vec<u64> {
        let count = curve.mid.len() as u64;
        (0..count).map(|at| if at + 1 == count { curve.last } else { curve.first + at * curve.stride }).collect()
    }

    #[test]
    fn a_thinned_curve_has_every_sample_at_its_step() {
        for count in [2, 3, 40, 511, 512] {
            for most in [512, 100, 33, 12, 2] {
                let mut thinned = curve((0..count).map(|at| 1 + 8 * at));
                let is_thinned = thin_curve(&mut thinned, most);
                assert_eq!(thinned.mid.len(), count_thinned(usize::try_from(count).unwrap(), most));
                assert_eq!(is_thinned, count > most as u64);
                // Once more, as for a page of many runs.
                thin_curve(&mut thinned, 7);
                assert!(thinned.mid.len() <= most.clamp(2, 7), "{count} {most}: {}", thinned.mid.len());
                #[allow(clippy::cast_precision_loss)]
                let expected: Vec<Num> = steps(&thinned).iter().map(|step| Num(Some(*step as f64))).collect();
                assert_eq!(thinned.mid, expected, "{count} {most}");
                assert_eq!(thinned.low.len(), thinned.high.len());
            }
        }
    }

    #[test]
    fn steps_without_a_value_are_gaps() {
        let found = curve([4, 8, 20].into_iter());
        assert_eq!((found.first, found.stride, found.last), (4, 4, 20));
        let known: Vec<bool> = found.mid.iter().map(|value| *value != Num::UNKNOWN).collect();
        assert_eq!(known, [true, true, false, false, true]);
        let one = curve([7].into_iter());
        assert_eq!((one.first, one.stride, one.last, one.mid.len()), (7, 1, 7, 1));
    }

    #[test]
    fn items_are_picked_evenly() {
        let items: Vec<usize> = (0..10).collect();
        assert_eq!(pick_evenly(&items, 3).copied().collect::<Vec<_>>(), [0, 3, 6]);
        assert_eq!(pick_evenly(&items, 99).count(), 10);
        assert_eq!(pick_evenly(&items[..0], 3).count(), 0);
        assert_eq!((mean_width(&items), mean_width(&items[..0])), (3, 2));
    }

    #[test]
    fn texts_are_cut_at_characters() {
        let mut left_out = LeftOutParts::default();
        assert_eq!(left_out.cut_text("日本語", 3), "日本語");
        assert!(!left_out.texts);
        assert_eq!(left_out.cut_text("日本語x", 3), "日本語…");
        assert!(left_out.texts);
    }
}

//! Quantities over steps: median and quartiles over episodes, in bounded memory.
//!
//! A curve is sampled at steps 1, 1+k, 1+2k, … (from 0 if the state after a reset is recorded); k doubles whenever the
//! longest episode outgrows the samples, so a sampled value is always exact at its step. An episode that has ended keeps
//! its last value: a quartile is over all episodes at every step, not only over the longest ones.

use crate::columnar::powers::PowerOfTwo;

/// The most samples on a curve.
// About one sample per pixel of a chart.
pub(super) const SAMPLES: usize = 512;
/// The most values kept over all episodes and curves of a declared run; beyond that, every other episode is left out.
// 16 MiB. At 512 samples it is 4096 episodes of one curve, of which quartiles are as good as of all.
const VALUES: usize = 1 << 21;

/// Median and quartiles over episodes, at one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuartileBand {
    /// The step, from 1; 0 is the state after a reset.
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

/// A column over steps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LineCurve {
    /// The column's name.
    pub name: String,
    /// Its unit.
    pub unit: Option<String>,
    /// Its values.
    pub curve: BandCurve,
}

/// Collects the curves of a run.
#[derive(Debug)]
pub(super) struct CurveCollector {
    /// The number of curves.
    curves: usize,
    /// The step of the first sample.
    first_step: u64,
    stride: PowerOfTwo,
    keep_every: PowerOfTwo,
    most_values: usize,
    values: usize,
    episodes: Vec<EpisodeSamples>,
}

/// The curves' values of one episode at the sampled steps, a step after the other.
#[derive(Debug, Default)]
struct EpisodeSamples {
    values: Vec<f64>,
    last: Vec<f64>,
}

impl CurveCollector {
    /// Makes a collector of so many curves. Of plume-nav-sim's runs every episode is kept, because the metrics files that
    /// git has of them must not change.
    pub fn new(curves: usize, first_step: u64, keeps_all: bool) -> Self {
        let most_values = if keeps_all { usize::MAX } else { VALUES };
        Self {
            curves,
            first_step,
            stride: PowerOfTwo::default(),
            keep_every: PowerOfTwo::default(),
            most_values,
            values: 0,
            episodes: Vec::new(),
        }
    }

    /// Notes that the next episode begins.
    pub fn open_episode(&mut self, episode: usize) {
        if self.keep_every.divides(episode as u64) {
            self.episodes.push(EpisodeSamples { last: vec![f64::NAN; self.curves], ..EpisodeSamples::default() });
        }
    }

    /// Adds a row of an episode: its place among the rows, from 0, and a value for each curve.
    pub fn add_row(&mut self, episode: usize, at: u64, values: &[f64]) {
        if self.curves == 0 || !self.keep_every.divides(episode as u64) {
            return;
        }
        let Ok(episode) = usize::try_from(self.keep_every.quotient(episode as u64)) else { return };
        let Some(samples) = self.episodes.get_mut(episode) else { return };
        for (last, value) in samples.last.iter_mut().zip(values).filter(|(_, value)| value.is_finite()) {
            *last = *value;
        }
        while self.stride.divides(at) && self.stride.quotient(at) >= SAMPLES as u64 {
            // All episodes share one stride, so that their samples are at the same steps.
            self.stride.double();
            self.episodes.iter_mut().for_each(|samples| samples.thin_out(self.curves));
            self.count_values();
        }
        if !self.stride.divides(at) {
            return;
        }
        // Less than `SAMPLES`.
        let place = usize::try_from(self.stride.quotient(at)).unwrap_or(0) * self.curves;
        let Some(samples) = self.episodes.get_mut(episode) else { return };
        let known = samples.values.len();
        if place < known {
            return;
        }
        // Rows that are missing, because a finding was ignored.
        samples.values.resize(place, f64::NAN);
        samples.values.extend_from_slice(values);
        self.values += samples.values.len() - known;
        if self.values > self.most_values && self.episodes.len() > 1 {
            self.drop_episodes();
        }
    }

    /// Drops every other kept episode; later ones follow the same rule.
    fn drop_episodes(&mut self) {
        self.keep_every.double();
        let mut at = 0_usize;
        self.episodes.retain(|_| {
            at += 1;
            // Keeps the first, third, …: the episodes whose number is a multiple.
            at % 2 == 1
        });
        self.count_values();
    }

    fn count_values(&mut self) {
        self.values = self.episodes.iter().map(|samples| samples.values.len()).sum();
    }

    /// Returns the curves.
    pub fn finish(&self) -> Vec<BandCurve> {
        let width = self.episodes.iter().map(|samples| samples.values.len() / self.curves.max(1)).max().unwrap_or(0);
        (0..self.curves).map(|curve| self.build_curve(curve, width)).collect()
    }

    fn build_curve(&self, curve: usize, width: usize) -> BandCurve {
        let mut column = Vec::with_capacity(self.episodes.len());
        let mut out = Vec::with_capacity(width);
        for at in 0..width {
            column.clear();
            let values = self.episodes.iter().filter_map(|samples| {
                let sampled = samples.values.get(at * self.curves + curve).copied();
                sampled.or_else(|| samples.last.get(curve).copied())
            });
            column.extend(values.filter(|value| value.is_finite()));
            if let Some((low, mid, high)) = quartiles_of(&mut column) {
                out.push(QuartileBand { step: self.first_step + self.stride.product(at as u64), low, mid, high });
            }
        }
        out
    }
}

impl EpisodeSamples {
    fn thin_out(&mut self, curves: usize) {
        let mut at = 0_usize;
        self.values.retain(|_| {
            at += 1;
            // Keeps the first, third, …: exactly the samples at twice the stride.
            ((at - 1) / curves).is_multiple_of(2)
        });
    }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn too_many_values_leave_out_every_other_episode() {
        let mut collector = CurveCollector::new(1, 1, false);
        let episodes = VALUES / SAMPLES + 500;
        for episode in 0..episodes {
            collector.open_episode(episode);
            for at in 0..SAMPLES {
                collector.add_row(episode, at as u64, &[episode as f64]);
            }
        }
        assert!(collector.values <= VALUES && collector.values > VALUES / 4);
        let curve = &collector.finish()[0];
        assert_eq!(curve.len(), SAMPLES);
        // The median episode is still the middle one.
        let middle = episodes as f64 / 2.0;
        assert!(curve.iter().all(|band| (band.mid - middle).abs() < 4.0), "{:?}", curve[0]);
    }

    #[test]
    fn rows_of_open_episodes_can_interleave() {
        let mut collector = CurveCollector::new(2, 0, false);
        collector.open_episode(0);
        collector.open_episode(1);
        for step in 0..3_u32 {
            for episode in 0..2 {
                let value = f64::from(step) + 10.0 * episode as f64;
                // The second curve has no value after a reset.
                collector.add_row(episode, step.into(), &[value, if step == 0 { f64::NAN } else { value }]);
            }
        }
        collector.add_row(1, 3, &[f64::NAN, 40.0]);
        let [both, one]: [BandCurve; 2] = collector.finish().try_into().unwrap();
        let mids = |curve: &BandCurve| curve.iter().map(|band| (band.step, band.mid)).collect::<Vec<_>>();
        assert_eq!(mids(&both), [(0, 5.0), (1, 6.0), (2, 7.0), (3, 2.0)]);
        assert_eq!(mids(&one), [(1, 6.0), (2, 7.0), (3, 21.0)]);
    }

    #[test]
    fn missing_rows_and_steps_beyond_any_number_do_no_harm() {
        let mut collector = CurveCollector::new(1, 1, false);
        collector.open_episode(0);
        for (at, value) in [(0, 1.0), (3, 4.0), (2, 9.0), (1 << 62, 5.0), (u64::MAX, 6.0)] {
            collector.add_row(0, at, &[value]);
        }
        let curve = &collector.finish()[0];
        assert!(curve.len() <= SAMPLES && curve[0] == QuartileBand { step: 1, low: 1.0, mid: 1.0, high: 1.0 });
    }
}

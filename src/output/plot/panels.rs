//! Which charts a picture has, and why others are left out: one that shows the same value everywhere, or none, only takes the
//! room of those that say something.

use std::collections::BTreeSet;

use super::axes::with_minus;
use super::{EpisodeEnd, shorten_title};
use crate::columnar::{ActionShares, LineCurve, PlotData, QuartileBand};
use crate::output::human;
use crate::support::text::format_plural;

/// So small a part of the largest value is noise of calculation: floats have 16 digits, and sums lose some.
const NOISE: f64 = 1e-12;

/// A chart beside the trajectories.
pub enum PlotPanel<'a> {
    Reward(LineCurve),
    Line(LineCurve),
    Lengths,
    Actions(&'a ActionShares),
}

/// What a picture shows.
pub struct ChosenPanels<'a> {
    pub panels: Vec<PlotPanel<'a>>,
    /// Whether trajectories are drawn; plume-nav-sim's always are, for their plume.
    pub has_paths: bool,
    /// What is not drawn, each with the reason.
    pub left_out: Vec<String>,
}

impl<'a> ChosenPanels<'a> {
    /// Chooses the charts for what a run has.
    pub fn choose(plot_data: &'a PlotData) -> Self {
        let mut chosen = Self { panels: Vec::new(), has_paths: true, left_out: Vec::new() };
        if !plot_data.is_plume {
            chosen.choose_paths(plot_data);
        }
        let reward = plot_data.reward.as_ref().and_then(|line| chosen.choose_line(line, "reward"));
        let lines = plot_data.lines.iter().filter_map(|line| chosen.choose_line(line, &line.name)).collect::<Vec<_>>();
        let (reward, lines) = (reward.map(PlotPanel::Reward), lines.into_iter().map(PlotPanel::Line));
        if plot_data.is_plume {
            // The distance to the goal is the run's own measure of success.
            chosen.panels.extend(lines.chain(reward));
        } else {
            chosen.panels.extend(reward.into_iter().chain(lines));
        }
        chosen.choose_lengths(plot_data);
        chosen.choose_actions(plot_data);
        if plot_data.more_lines > 0 {
            let more = format_plural(plot_data.more_lines as u64, "more line");
            chosen.left_out.push(format!("{more} of the schema (a picture has room for {})", plot_data.lines.len()));
        }
        chosen
    }

    fn choose_paths(&mut self, plot_data: &PlotData) {
        let Some(axes) = &plot_data.axes else {
            self.has_paths = false;
            if plot_data.lines.is_empty() {
                self.left_out.push("paths and columns (schema.json names none under `plot`)".into());
            }
            return;
        };
        let known = || {
            let points = plot_data.paths.iter().flat_map(|path| path.points.iter().chain(&path.last));
            points.filter(|(x, y)| x.is_finite() && y.is_finite())
        };
        let first = known().next();
        self.has_paths = first.is_some_and(|first| known().any(|point| point != first));
        if self.has_paths {
            return;
        }
        let [x, y] = axes.each_ref().map(|axis| shorten_title(&axis.name, 28));
        let why = match first {
            Some(_) => "no agent moves".to_owned(),
            None => format!("no row has both {x} and {y}"),
        };
        self.left_out.push(format!("trajectories ({why})"));
    }

    /// A line without noise; none if it has no values, or the same everywhere.
    fn choose_line(&mut self, line: &LineCurve, name: &str) -> Option<LineCurve> {
        let name = shorten_title(name, 28);
        let line = without_noise(line);
        let values = || line.curve.iter().flat_map(|band| [band.low, band.mid, band.high]);
        let Some(first) = values().next() else {
            self.left_out.push(format!("{name} (no values)"));
            return None;
        };
        let (low, high) = values().fold((first, first), |(low, high), value| (low.min(value), high.max(value)));
        if high - low > NOISE * low.abs().max(high.abs()) {
            return Some(line);
        }
        let unit = human::format_unit(line.unit.as_deref());
        self.left_out.push(format!("{name} (always {}{unit})", with_minus(&human::format_number(first))));
        None
    }

    fn choose_lengths(&mut self, plot_data: &PlotData) {
        let lengths: BTreeSet<u64> = plot_data.episodes.iter().map(|episode| episode.steps).collect();
        let ends = plot_data.episodes.iter().map(|episode| EpisodeEnd::of(episode, plot_data));
        let ends: BTreeSet<&str> = ends.map(EpisodeEnd::name).collect();
        // Bars show how each episode ended, too; if there are many, the legend says as much.
        let has_ends = ends.len() > 1 && plot_data.episodes.len() <= super::charts::BARS;
        let why = match (plot_data.episodes.len(), lengths.first()) {
            (0, _) | (_, None) => "no episode".to_owned(),
            (1, Some(steps)) => format!("one episode, {}", format_plural(*steps, "step")),
            (_, Some(steps)) if lengths.len() == 1 && !has_ends => format!("all {}", format_plural(*steps, "step")),
            _ => return self.panels.push(PlotPanel::Lengths),
        };
        self.left_out.push(format!("episode lengths ({why})"));
    }

    fn choose_actions(&mut self, plot_data: &'a PlotData) {
        if plot_data.has_other_actions {
            self.left_out.push("actions (more than 16, or no whole numbers)".into());
        }
        let Some(shares) = &plot_data.actions else { return };
        let taken = |action: usize| shares.parts.iter().any(|counts| counts.get(action).is_some_and(|n| *n > 0));
        let taken: Vec<usize> = (0..shares.actions).filter(|action| taken(*action)).collect();
        match taken.as_slice() {
            [] => self.left_out.push("actions (no values)".into()),
            [only] => {
                let action = i64::try_from(*only).unwrap_or(0).saturating_add(shares.first).to_string();
                self.left_out.push(format!("actions (always {})", with_minus(&action)));
            }
            _ => self.panels.push(PlotPanel::Actions(shares)),
        }
    }
}

/// Values that are nothing but noise beside the line's largest are 0. Without a unit, so is what is as small by itself: a sum
/// of rewards that should be 0.
fn without_noise(line: &LineCurve) -> LineCurve {
    let values = line.curve.iter().flat_map(|band| [band.low, band.mid, band.high]);
    let largest = values.filter(|value| value.is_finite()).map(f64::abs).fold(0.0, f64::max);
    let least = if line.unit.is_none() { NOISE.max(largest * NOISE) } else { largest * NOISE };
    let clean = |value: f64| if value.abs() < least { 0.0 } else { value };
    let clean_band = |band: &QuartileBand| QuartileBand {
        step: band.step,
        low: clean(band.low),
        mid: clean(band.mid),
        high: clean(band.high),
    };
    LineCurve { curve: line.curve.iter().map(clean_band).collect(), ..line.clone() }
}

/// A sum of rewards, of which noise of calculation is 0.
#[must_use]
pub fn clean_reward(value: f64) -> f64 {
    if value.abs() < NOISE { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columnar::{AgentPath, PathAxis, PlotEpisode};

    fn line(name: &str, unit: Option<&str>, values: &[f64]) -> LineCurve {
        let bands = (1..).zip(values).map(|(step, mid)| QuartileBand { step, low: *mid, mid: *mid, high: *mid });
        LineCurve { name: name.into(), unit: unit.map(str::to_owned), curve: bands.collect() }
    }

    fn episode(index: i64, steps: u64, terminated: bool) -> PlotEpisode {
        PlotEpisode { index, steps, terminated, truncated: !terminated, success: None, reward: 0.0, line_end: None }
    }

    #[test]
    fn what_says_nothing_is_left_out_with_the_reason() {
        let axis = PathAxis { name: "x".into(), unit: None };
        let still = AgentPath { points: vec![(1.0, 2.0); 3], last: Some((1.0, 2.0)), ..AgentPath::default() };
        let mut shares = ActionShares { first: -1, actions: 3, width: 1, parts: vec![vec![4, 0, 0]] };
        let mut data = PlotData {
            episodes: vec![episode(0, 50, true), episode(1, 50, true)],
            lines: vec![
                line("v", Some("m/s"), &[-0.5, -0.5]),
                line("w", None, &[]),
                line("noise", None, &[1e-16, -2e-16]),
                line("charge", Some("C"), &[1e-19, 3e-19]),
            ],
            more_lines: 2,
            reward: Some(line("reward", None, &[0.0, -1e-16])),
            axes: Some([axis.clone(), axis]),
            paths: vec![still],
            actions: Some(shares.clone()),
            ..PlotData::default()
        };
        let chosen = ChosenPanels::choose(&data);
        let [PlotPanel::Line(charge)] = chosen.panels.as_slice() else { panic!("more than the charge is drawn") };
        assert!(charge.name == "charge" && !chosen.has_paths);
        assert_eq!(
            chosen.left_out,
            [
                "trajectories (no agent moves)",
                "reward (always 0)",
                "v (always \u{2212}0.5 m/s)",
                "w (no values)",
                "noise (always 0)",
                "episode lengths (all 50 steps)",
                "actions (always \u{2212}1)",
                "2 more lines of the schema (a picture has room for 4)",
            ]
        );
        // How episodes ended is worth their bars; two actions are worth a chart.
        data.episodes[1].terminated = false;
        data.episodes[1].truncated = true;
        shares.parts[0][2] = 1;
        data.actions = Some(shares);
        let chosen = ChosenPanels::choose(&data);
        assert!(matches!(chosen.panels[1..], [PlotPanel::Lengths, PlotPanel::Actions(_)]), "{:?}", chosen.left_out);
    }

    #[test]
    fn noise_beside_larger_values_is_zero() {
        let clean = without_noise(&line("x", Some("m"), &[-1e-16, 2.0]));
        assert_eq!(clean.curve.iter().map(|band| band.low).collect::<Vec<_>>(), [0.0, 2.0]);
        assert_eq!([1e-13, -1e-13, 0.1].map(clean_reward), [0.0, 0.0, 0.1]);
    }
}

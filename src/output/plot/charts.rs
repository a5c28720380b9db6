//! The charts of plume-nav-sim's runs, distance and reward over steps (median and quartiles over episodes), and the lengths
//! of episodes, which every run has.

use super::{EpisodeEnd, RunPlot, shorten_title};
use crate::columnar::{BandCurve, LineCurve, PlotData};
use crate::output::plot::axes::{CountedAxes, PlotAxis, PlotChart};
use crate::output::plot::scene::{PlotScene, Rect, SceneShape, solid_paint, solid_stroke, translucent_paint};
use crate::support::visible::escape_control;

/// The most episodes that get a bar each; more are shown as a histogram.
pub const BARS: usize = 80;

/// Draws the distance to the goal over steps.
pub fn draw_distance(scene: &mut PlotScene, area: Rect, picture: &RunPlot<'_>, line: &LineCurve) {
    // A radius below 0.05 cells would look like the axis itself.
    let radius = picture.grid.goal_radius.filter(|r| *r >= 0.05);
    let chart = PlotChart {
        area,
        x: steps_axis(&line.curve),
        y: PlotAxis::spanning(line.curve.iter().flat_map(|b| [b.low, b.high]).chain([0.0])),
        title: "Distance to goal",
        note: curve_note(picture.plot_data),
        x_label: "step",
        y_label: "distance (cells)",
        counts: CountedAxes::Horizontal,
    };
    chart.draw_frame(scene);
    draw_band(scene, &chart, &line.curve);
    if let Some(radius) = radius {
        chart.draw_level(scene, radius, "goal radius");
    }
}

/// Draws the reward since the episode's start, over steps.
pub fn draw_reward(scene: &mut PlotScene, area: Rect, picture: &RunPlot<'_>, line: &LineCurve) {
    let chart = PlotChart {
        area,
        x: steps_axis(&line.curve),
        y: PlotAxis::spanning(line.curve.iter().flat_map(|b| [b.low, b.high])),
        title: "Reward so far",
        note: curve_note(picture.plot_data),
        x_label: "step",
        y_label: "reward",
        counts: CountedAxes::Horizontal,
    };
    chart.draw_frame(scene);
    draw_band(scene, &chart, &line.curve);
}

/// What is drawn of several episodes.
pub fn curve_note(plot_data: &PlotData) -> &'static str {
    if plot_data.episodes.len() > 1 { "median and quartiles over episodes" } else { "" }
}

/// The label of an axis: a column's name, and its unit. Both are the recorder's text.
pub fn axis_label(name: &str, unit: Option<&str>) -> String {
    let name = shorten_title(&escape_control(name), 28);
    match unit.map(|unit| shorten_title(&escape_control(unit), 24)) {
        Some(unit) if !unit.is_empty() => format!("{name} ({unit})"),
        _ => name,
    }
}

#[allow(clippy::cast_precision_loss)]
fn steps_axis(curve: &BandCurve) -> PlotAxis {
    let last = curve.last().map_or(1, |b| b.step) as f64;
    PlotAxis { low: 1.0, high: last.max(2.0) }
}

/// Draws the quartiles as a band, and the median as a line in it.
#[allow(clippy::cast_precision_loss)]
pub fn draw_band(scene: &mut PlotScene, chart: &PlotChart<'_>, curve: &BandCurve) {
    const RGB: u32 = 0x00_72_B2;
    let along = |value: fn(&crate::columnar::QuartileBand) -> f64| {
        curve.iter().map(move |b| chart.point_at(b.step as f64, value(b)))
    };
    let mut outline: Vec<_> = along(|b| b.high).collect();
    outline.extend(along(|b| b.low).collect::<Vec<_>>().into_iter().rev());
    // A single sample has no area.
    if outline.len() > 2 {
        scene.push_shape(SceneShape::Area(outline, translucent_paint(RGB, 0.2)));
    }
    let middle: Vec<_> = along(|b| b.mid).collect();
    match middle.as_slice() {
        [] => {}
        [only] => {
            scene.push_shape(SceneShape::Circle { at: *only, r: 3.0, fill: Some(solid_paint(RGB)), stroke: None })
        }
        _ => scene.push_shape(SceneShape::Line(middle, solid_stroke(solid_paint(RGB), 2.2))),
    }
}

/// Draws the steps of each episode; a histogram if there are many.
pub fn draw_lengths(scene: &mut PlotScene, area: Rect, plot_data: &PlotData) {
    let few = plot_data.episodes.len() <= BARS;
    if few { draw_bars(scene, area, plot_data) } else { draw_histogram(scene, area, plot_data) }
}

#[allow(clippy::cast_precision_loss)]
fn draw_bars(scene: &mut PlotScene, area: Rect, plot_data: &PlotData) {
    let episodes = &plot_data.episodes;
    let n = episodes.len().max(1) as f64;
    let y = PlotAxis::spanning(episodes.iter().map(|e| e.steps as f64).chain([0.0]));
    let x = PlotAxis { low: 0.5, high: n + 0.5 };
    let chart = PlotChart {
        area,
        x,
        y,
        title: "Episode lengths",
        note: "",
        x_label: "episode",
        y_label: "steps",
        counts: CountedAxes::Both,
    };
    chart.draw_frame(scene);
    for (i, episode) in episodes.iter().enumerate() {
        let (left, top) = chart.point_at(i as f64 + 0.6, episode.steps as f64);
        let (right, bottom) = chart.point_at(i as f64 + 1.4, 0.0);
        // A very short episode must still be visible.
        let top = top.min(bottom - 1.5);
        // At most 48 pixels wide, even if there are few bars.
        let half = ((right - left) / 2.0).min(24.0);
        let middle = f32::midpoint(left, right);
        let bar = Rect { x: middle - half, y: top, w: 2.0 * half, h: bottom - top };
        scene.push_shape(SceneShape::Rect(bar, solid_paint(EpisodeEnd::of(episode, plot_data).color())));
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn draw_histogram(scene: &mut PlotScene, area: Rect, plot_data: &PlotData) {
    let episodes = &plot_data.episodes;
    // About 12 pixels for each bar.
    const BINS: usize = 40;
    let longest = episodes.iter().map(|e| e.steps).max().unwrap_or(0).max(1) as f64;
    let bins = BINS.min(longest as usize).max(1);
    let mut counts = vec![[0_u32; EpisodeEnd::ALL.len()]; bins];
    for episode in episodes {
        let at = ((episode.steps.max(1) - 1) as f64 / longest * bins as f64) as usize;
        let end = EpisodeEnd::ALL.iter().position(|e| *e == EpisodeEnd::of(episode, plot_data)).unwrap_or(0);
        if let Some(count) = counts.get_mut(at.min(bins - 1)).and_then(|c| c.get_mut(end)) {
            *count += 1;
        }
    }
    let most = counts.iter().map(|c| c.iter().sum::<u32>()).max().unwrap_or(1);
    let y = PlotAxis::spanning([0.0, f64::from(most)]);
    let x = PlotAxis { low: 0.0, high: longest };
    let chart = PlotChart {
        area,
        x,
        y,
        title: "Episode lengths",
        note: "",
        x_label: "steps",
        y_label: "episodes",
        counts: CountedAxes::Both,
    };
    chart.draw_frame(scene);
    let width = area.w / bins as f32;
    for (i, count) in counts.iter().enumerate() {
        let mut below = 0.0;
        // One bar per bin, stacked by outcome.
        for (end, n) in EpisodeEnd::ALL.iter().zip(count).filter(|(_, n)| **n > 0) {
            let (_, bottom) = chart.point_at(0.0, below);
            below += f64::from(*n);
            let (_, top) = chart.point_at(0.0, below);
            let bar = Rect { x: area.x + i as f32 * width + 0.5, y: top, w: width - 1.0, h: bottom - top };
            scene.push_shape(SceneShape::Rect(bar, solid_paint(end.color())));
        }
    }
}

//! The picture of a run that declares its columns: a chart for what it has, none for what it lacks.
//!
//! Trajectories take the left half of two rows; the charts fill the rest, row by row. Charts over steps have one axis of
//! steps, so that they can be compared from above to below.

use super::charts::{axis_label, curve_note, draw_band, draw_lengths};
use super::map::draw_end_legend;
use super::panels::{ChosenPanels, PlotPanel};
use super::paths::draw_paths;
use super::{RunPlot, shorten_title, titled_scene};
use crate::columnar::{ActionShares, LineCurve, PlotData};
use crate::output::plot::axes::{CountedAxes, PlotAxis, PlotChart, SOFT, tick_label};
use crate::output::plot::scene::{PlotScene, Rect, SceneShape, SceneText, solid_paint};

/// The left edges of both columns of charts.
const LEFT: [f32; 2] = [100.0, 690.0];
const WIDTH: f32 = 470.0;
/// The top of the first chart's area.
const TOP: f32 = 165.0;
const HEIGHT: f32 = 170.0;
/// From a chart's top to that of the one below it.
const PITCH: f32 = 250.0;
/// The most and the fewest parts of an episode whose actions are shown apart, and how many actions a part needs: shares
/// of fewer are noise.
const ACTION_PARTS: (usize, usize) = (5, 30);
const ACTIONS_IN_PART: u64 = 12;

/// The colours of actions: Okabe and Ito's, then lighter ones of the same hues.
const ACTION_COLORS: [u32; 16] = [
    0x00_72_B2, 0xE6_9F_00, 0x00_9E_73, 0xCC_79_A7, 0x56_B4_E9, 0xD5_5E_00, 0xF0_E4_42, 0x8A_8F_98, 0x7F_B8_D8,
    0xF2_CF_80, 0x80_CE_B9, 0xE5_BC_D3, 0xAA_D9_F4, 0xEA_AE_80, 0xF7_F1_A0, 0xC9_CE_D4,
];

/// Makes the picture.
pub fn compose_charts(picture: &RunPlot<'_>, chosen: ChosenPanels<'_>) -> PlotScene {
    let plot_data = picture.plot_data;
    let axes = plot_data.axes.as_ref().filter(|_| chosen.has_paths);
    // Both columns of a row, but trajectories are at the left of the first two.
    let slots =
        (0..).flat_map(|row| [(row, 0), (row, 1)]).filter(|(row, side)| axes.is_none() || *row > 1 || *side == 1);
    let placed: Vec<(PlotPanel<'_>, (u8, usize))> = chosen.panels.into_iter().zip(slots).collect();
    let rows = placed.iter().map(|(_, (row, _))| row + 1).max().unwrap_or(0).max(if axes.is_some() { 2 } else { 0 });

    let mut scene = titled_scene(picture, TOP + f32::from(rows) * PITCH - 25.0, &chosen.left_out);
    draw_end_legend(&mut scene, (40.0, 104.0), plot_data);
    if let Some(axes) = axes {
        draw_paths(&mut scene, Rect { x: LEFT[0], y: TOP, w: WIDTH, h: PITCH + HEIGHT }, plot_data, axes);
    }
    for (panel, (row, side)) in placed {
        let x = LEFT.get(side).copied().unwrap_or_default();
        let area = Rect { x, y: TOP + f32::from(row) * PITCH, w: WIDTH, h: HEIGHT };
        match panel {
            PlotPanel::Reward(line) => draw_line(&mut scene, area, plot_data, "Reward so far", &line),
            PlotPanel::Line(line) => draw_line(&mut scene, area, plot_data, &line.name, &line),
            PlotPanel::Lengths => draw_lengths(&mut scene, area, plot_data),
            PlotPanel::Actions(shares) => draw_actions(&mut scene, area, plot_data, shares),
        }
    }
    scene
}

fn draw_line(scene: &mut PlotScene, area: Rect, plot_data: &PlotData, title: &str, line: &LineCurve) {
    let y = PlotAxis::spanning(line.curve.iter().flat_map(|band| [band.low, band.high]));
    let (title, y_label) = (shorten_title(title, 28), axis_label(&line.name, line.unit.as_deref()));
    let note = curve_note(plot_data);
    let chart = PlotChart {
        area,
        x: steps_axis(plot_data),
        y,
        title: &title,
        note,
        x_label: "step",
        y_label: &y_label,
        counts: CountedAxes::Horizontal,
    };
    chart.draw_frame(scene);
    draw_band(scene, &chart, &line.curve);
}

/// The steps of the longest episode, with the state after a reset if that is drawn.
#[allow(clippy::cast_precision_loss)]
fn steps_axis(plot_data: &PlotData) -> PlotAxis {
    let curves = plot_data.reward.iter().chain(&plot_data.lines);
    let first = curves.filter_map(|line| line.curve.first()).map(|band| band.step).min().unwrap_or(1);
    let last = plot_data.episodes.iter().map(|episode| episode.steps).max().unwrap_or(1);
    PlotAxis { low: first as f64, high: last.max(first + 1) as f64 }
}

/// Draws which share of the episodes that were still going took which action: a bar for each part of an episode.
#[allow(clippy::cast_precision_loss)]
fn draw_actions(scene: &mut PlotScene, area: Rect, plot_data: &PlotData, shares: &ActionShares) {
    let actions: u64 = shares.parts.iter().flatten().sum();
    let (fewest, most) = ACTION_PARTS;
    let shares = shares.in_parts(usize::try_from(actions / ACTIONS_IN_PART).unwrap_or(most).clamp(fewest, most));
    let y = PlotAxis { low: 0.0, high: 100.0 };
    let x = steps_axis(plot_data);
    // A bar is as wide as its steps: half a step around the first and the last.
    let x = PlotAxis { low: x.low - 0.5, high: x.high + 0.5 };
    let chart = PlotChart {
        area,
        x,
        y,
        title: "Actions",
        note: "",
        x_label: "step",
        y_label: "share (%)",
        counts: CountedAxes::Horizontal,
    };
    chart.draw_frame(scene);
    for (part, counts) in shares.parts.iter().enumerate() {
        let all: u64 = counts.iter().sum();
        if all == 0 {
            continue;
        }
        let first = part as f64 * shares.width as f64 + 0.5;
        let (left, _) = chart.point_at(first, 0.0);
        let (right, _) = chart.point_at((first + shares.width as f64).min(x.high), 0.0);
        let mut below = 0.0;
        for (color, n) in ACTION_COLORS.iter().zip(counts).filter(|(_, n)| **n > 0) {
            let (_, bottom) = chart.point_at(x.low, below);
            below += *n as f64 / all as f64 * 100.0;
            let (_, top) = chart.point_at(x.low, below);
            let bar = Rect { x: left, y: top, w: (right - left - 0.6).max(0.6), h: bottom - top };
            scene.push_shape(SceneShape::Rect(bar, solid_paint(*color)));
        }
    }
    draw_action_legend(scene, area, &shares);
}

/// Draws the colour of each action above the chart, from the right.
#[allow(clippy::cast_precision_loss)]
fn draw_action_legend(scene: &mut PlotScene, area: Rect, shares: &ActionShares) {
    let labels: Vec<String> = (shares.first..).take(shares.actions).map(|action| tick_label(action as f64)).collect();
    let longest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(1);
    // 16 actions with long numbers have no room: the first and the last tell the others.
    let (pitch, every) = match 20.0 + 7.0 * longest as f32 {
        wide if wide * labels.len() as f32 <= area.w - 80.0 => (wide, 1),
        _ => (14.0, labels.len().saturating_sub(1).max(1)),
    };
    let tail = if every > 1 { 7.0 * longest as f32 } else { 0.0 };
    let mut x = area.right() - pitch * labels.len() as f32 - tail;
    if every > 1 {
        x -= 4.0;
    }
    for (at, (label, color)) in labels.iter().zip(ACTION_COLORS).enumerate() {
        let swatch = Rect { x, y: area.y - 24.0, w: 11.0, h: 11.0 };
        scene.push_shape(SceneShape::Rect(swatch, solid_paint(color)));
        let is_last = at + 1 == labels.len();
        if every == 1 || is_last {
            scene.push_text(SceneText::new((x + 14.0, area.y - 14.0), 12.0, SOFT, label));
        } else if at == 0 {
            let text = SceneText::new((x - 4.0, area.y - 14.0), 12.0, SOFT, label);
            scene.push_text(text.with_anchor(crate::output::plot::scene::TextAnchor::End));
        }
        x += pitch;
    }
}

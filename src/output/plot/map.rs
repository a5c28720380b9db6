//! The map of trajectories: the plume's grid seen from above, y upwards.
//!
//! Few episodes are drawn as paths; many as a map of how often each cell was visited, with some paths over it. The
//! plume is drawn from the configuration, not from measured concentrations.

use super::{EpisodeEnd, RunPlot};
use crate::columnar::{AgentPath, CellVisits, PlotData, PlumeGrid};
use crate::output::plot::axes::{CountedAxes, GRID, INK, PlotAxis, PlotChart, SOFT};
use crate::output::plot::scene::{
    PlotScene, Rect, SceneShape, SceneText, Stroke, TextAnchor, solid_paint, solid_stroke, translucent_paint,
};

/// The most paths that are all drawn; more would cover each other.
const ALL_PATHS: usize = 30;
/// The number of paths drawn over a map of visits.
const SOME_PATHS: usize = 8;
/// The approximate number of points of all drawn paths.
const MAP_POINTS: usize = 2500;
/// The most cells of the visit map in each direction.
const BINS: u32 = 90;

/// Draws the map into a square at the top of the given area, the legend below.
pub fn draw_map(scene: &mut PlotScene, area: Rect, picture: &RunPlot<'_>) {
    let plot_data = picture.plot_data;
    let (x, y) = map_extent(picture);
    let square = square_area(area, x, y);
    let many = plot_data.episodes.len() > ALL_PATHS;
    let shown = choose_paths(&plot_data.paths, if many { SOME_PATHS } else { ALL_PATHS });
    let grid = plausible_grid(picture);
    let note = if many {
        format!("visits of {} episodes, {} paths", plot_data.episodes.len(), shown.len())
    } else {
        String::new()
    };
    let chart = PlotChart {
        area: square,
        x,
        y,
        title: "Trajectories",
        note: &note,
        x_label: "x (cells)",
        y_label: "y (cells)",
        counts: CountedAxes::Both,
    };
    scene.push_shape(SceneShape::Rect(square, solid_paint(0xFB_FC_FD)));
    scene.push_shape(SceneShape::Clip(square));
    if many {
        draw_visits(scene, &chart, &plot_data.visits);
    } else {
        draw_plume(scene, &chart, grid);
    }
    draw_goal(scene, &chart, grid);
    scene.push_shape(SceneShape::EndClip);
    draw_border(scene, &chart);
    scene.push_shape(SceneShape::Clip(Rect {
        // A margin of 6 pixels, so that markers on the border stay complete.
        x: square.x - 6.0,
        y: square.y - 6.0,
        w: square.w + 12.0,
        h: square.h + 12.0,
    }));
    for path in shown {
        if let Some(episode) = plot_data.episodes.get(path.episode) {
            draw_trajectory(scene, &chart, path, EpisodeEnd::of(episode, plot_data), many);
        }
    }
    draw_source(scene, &chart, grid);
    scene.push_shape(SceneShape::EndClip);
    draw_legend(scene, (40.0, square.bottom() + 62.0), &RunPlot { grid, ..*picture }, many);
}

/// What of the configuration is not on the map, with the reason.
pub fn describe_left_out(picture: &RunPlot<'_>) -> Option<String> {
    let why = match (picture.grid.source, plausible_grid(picture).source) {
        (None, _) => "the configuration names no source",
        (Some(_), None) => "the recorded distances are not those to the configured source",
        (Some(_), Some(_)) => return None,
    };
    Some(format!("plume and goal ({why})"))
}

/// Returns the grid, without its source if the recorded distances contradict it: a recorder can write a configuration
/// that the environment did not use, and a wrong goal on a map is worse than none.
fn plausible_grid(picture: &RunPlot<'_>) -> PlumeGrid {
    let Some((x, y)) = picture.grid.source else { return picture.grid };
    let plot_data = picture.plot_data;
    let ends = plot_data.paths.iter().filter_map(|path| {
        let cell = path.points.last()?;
        let recorded_distance = plot_data.episodes.get(path.episode)?.line_end?;
        let path_distance = (cell.0 - x).hypot(cell.1 - y);
        // Three quarters of a cell: rounding of positions to cells, and other measures of distance, stay below.
        Some((recorded_distance - path_distance).abs() < 0.75)
    });
    let (fit, all) = ends.fold((0, 0), |(fit, all), ok| (fit + usize::from(ok), all + 1));
    // Half of the paths must agree.
    if fit * 2 >= all { picture.grid } else { PlumeGrid { source: None, sigma: None, ..picture.grid } }
}

/// Returns the cells to show: the configured grid, else the visited cells.
fn map_extent(picture: &RunPlot<'_>) -> (PlotAxis, PlotAxis) {
    if let Some((w, h)) = picture.grid.size {
        return (PlotAxis { low: -0.5, high: w - 0.5 }, PlotAxis { low: -0.5, high: h - 0.5 });
    }
    let cells = || picture.plot_data.visits.keys();
    let over = |values: Vec<f64>| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if low > high { PlotAxis { low: -0.5, high: 9.5 } } else { PlotAxis { low: low - 0.5, high: high + 0.5 } }
    };
    let source = picture.grid.source;
    (
        over(cells().map(|c| f64::from(c.0)).chain(source.map(|s| s.0)).collect()),
        over(cells().map(|c| f64::from(c.1)).chain(source.map(|s| s.1)).collect()),
    )
}

/// Returns the largest rectangle with the grid's proportions, at most 1:4.
#[allow(clippy::cast_possible_truncation)]
fn square_area(area: Rect, x: PlotAxis, y: PlotAxis) -> Rect {
    let ratio = (((y.high - y.low) / (x.high - x.low)) as f32).clamp(0.25, 4.0);
    let most = area.w.min(area.h);
    let (w, h) = if ratio <= 1.0 { (most, most * ratio) } else { (most / ratio, most) };
    Rect { x: area.x, y: area.y, w, h }
}

/// Draws the plume's concentration as 24 rings, up to 2.4 sigma.
#[allow(clippy::cast_possible_truncation)]
fn draw_plume(scene: &mut PlotScene, chart: &PlotChart<'_>, grid: PlumeGrid) {
    let (Some((x, y)), Some(sigma)) = (grid.source, grid.sigma) else { return };
    let at = chart.point_at(x, y);
    let cell = cell_width(chart);
    // 24 rings of 2.1 % opacity each add up to 40 % at the source.
    let rings: u8 = 24;
    for i in (1..=rings).rev() {
        let r = f64::from(i) / f64::from(rings) * 2.4 * sigma;
        let r = (r as f32 * cell).min(20_000.0);
        scene.push_shape(SceneShape::Circle { at, r, fill: Some(translucent_paint(0x00_9E_73, 0.021)), stroke: None });
    }
}

/// Draws the visits of each cell, on a logarithmic colour scale.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
fn draw_visits(scene: &mut PlotScene, chart: &PlotChart<'_>, visits: &CellVisits) {
    let bins = |axis: PlotAxis| ((axis.high - axis.low).round().clamp(1.0, f64::from(BINS))) as usize;
    let (nx, ny) = (bins(chart.x), bins(chart.y));
    let mut counts = vec![0_u64; nx * ny];
    for (cell, n) in visits {
        let (u, v) = (chart.x.position_of(f64::from(cell.0)), chart.y.position_of(f64::from(cell.1)));
        if (0.0..1.0).contains(&u) && (0.0..1.0).contains(&v) {
            let (i, j) = ((u * nx as f32) as usize, (v * ny as f32) as usize);
            if let Some(count) = counts.get_mut(j * nx + i) {
                *count += n;
            }
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let least = counts.iter().copied().filter(|n| *n > 0).min().unwrap_or(1);
    // At least one unit of the logarithm, so that equal counts do not divide by zero.
    let (low, high) = ((least as f32).ln(), (most as f32).ln().max((least as f32).ln() + 1.0));
    let (w, h) = (chart.area.w / nx as f32, chart.area.h / ny as f32);
    for (at, n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
        let (i, j) = (at % nx, at / nx);
        let rect = Rect {
            x: chart.area.x + i as f32 * w,
            y: chart.area.bottom() - (j + 1) as f32 * h,
            // Cells overlap a little, or viewers of SVG show seams between them.
            w: w + 0.2,
            h: h + 0.2,
        };
        scene.push_shape(SceneShape::Rect(rect, solid_paint(visit_color(((*n as f32).ln() - low) / (high - low)))));
    }
}

/// Returns the colour for 0 to 1: one hue, evenly darker, so that it works without colour vision and under paths. A plume is
/// green, so visits are purple.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn visit_color(t: f32) -> u32 {
    const STOPS: [[f32; 3]; 4] =
        [[245.0, 241.0, 247.0], [222.0, 208.0, 229.0], [180.0, 150.0, 195.0], [112.0, 72.0, 138.0]];
    let t = t.clamp(0.0, 1.0) * 3.0;
    let i = (t as usize).min(2);
    let part = t - i as f32;
    STOPS[i].iter().zip(STOPS[i + 1]).fold(0, |rgb, (a, b)| (rgb << 8) | (a + (b - a) * part).round() as u32)
}

/// Draws the circle within which the goal counts as reached.
#[allow(clippy::cast_possible_truncation)]
fn draw_goal(scene: &mut PlotScene, chart: &PlotChart<'_>, grid: PlumeGrid) {
    let (Some((x, y)), Some(radius)) = (grid.source, grid.goal_radius) else { return };
    let r = (radius as f32 * cell_width(chart)).min(20_000.0);
    // Smaller than the cross of the source: not visible.
    if r < 3.0 {
        return;
    }
    let dashed = Stroke { paint: translucent_paint(INK, 0.7), width: 1.2, dash: 4.0 };
    scene.push_shape(SceneShape::Circle {
        at: chart.point_at(x, y),
        r,
        fill: Some(translucent_paint(0xFF_FF_FF, 0.35)),
        stroke: Some(dashed),
    });
}

/// Draws a cross at the source.
fn draw_source(scene: &mut PlotScene, chart: &PlotChart<'_>, grid: PlumeGrid) {
    let Some((x, y)) = grid.source else { return };
    let at = chart.point_at(x, y);
    for (width, paint) in [(6.0, solid_paint(0xFF_FF_FF)), (2.6, solid_paint(INK))] {
        for (dx, dy) in [(7.0, 0.0), (0.0, 7.0)] {
            scene.push_shape(SceneShape::Line(
                vec![(at.0 - dx, at.1 - dy), (at.0 + dx, at.1 + dy)],
                solid_stroke(paint, width),
            ));
        }
    }
}

fn draw_trajectory(scene: &mut PlotScene, chart: &PlotChart<'_>, path: &AgentPath, end: EpisodeEnd, many: bool) {
    let points: Vec<_> = path.points.iter().map(|(x, y)| chart.point_at(*x, *y)).collect();
    let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) else { return };
    if points.len() > 1 {
        let stroke = solid_stroke(translucent_paint(end.color(), 0.9), if many { 1.3 } else { 1.7 });
        scene.push_shape(SceneShape::Line(points, stroke));
    }
    draw_ends(scene, first, last, end);
}

/// Draws the start of a path as a ring, and its end in the marker of its outcome.
pub fn draw_ends(scene: &mut PlotScene, first: (f32, f32), last: (f32, f32), end: EpisodeEnd) {
    let (paint, white) = (solid_paint(end.color()), solid_paint(0xFF_FF_FF));
    scene.push_shape(SceneShape::Circle {
        at: first,
        r: 3.6,
        fill: Some(white),
        stroke: Some(solid_stroke(paint, 1.6)),
    });
    if end.is_disc() {
        scene.push_shape(SceneShape::Circle {
            at: last,
            r: 4.6,
            fill: Some(paint),
            stroke: Some(solid_stroke(white, 1.2)),
        });
    } else {
        // A square: different from a disc even without colour.
        let r = Rect { x: last.0 - 4.0, y: last.1 - 4.0, w: 8.0, h: 8.0 };
        let around = Rect { x: r.x - 1.2, y: r.y - 1.2, w: r.w + 2.4, h: r.h + 2.4 };
        scene.push_shape(SceneShape::Rect(around, white));
        scene.push_shape(SceneShape::Rect(r, paint));
    }
}

fn draw_border(scene: &mut PlotScene, chart: &PlotChart<'_>) {
    let a = chart.area;
    scene.push_text(SceneText::new((a.x, a.y - 14.0), 15.0, INK, chart.title).with_bold());
    scene.push_text(SceneText::new((a.right(), a.y - 14.0), 12.0, SOFT, chart.note).with_anchor(TextAnchor::End));
    let corners = vec![(a.x, a.y), (a.right(), a.y), (a.right(), a.bottom()), (a.x, a.bottom()), (a.x, a.y)];
    scene.push_shape(SceneShape::Line(corners, solid_stroke(solid_paint(0xC9_CE_D4), 1.0)));
    for tick in chart.x.tick_values(6).into_iter().filter(|t| t.fract() == 0.0) {
        let (x, _) = chart.point_at(tick, chart.y.low);
        scene.push_shape(SceneShape::Line(
            vec![(x, a.bottom()), (x, a.bottom() + 4.0)],
            solid_stroke(solid_paint(GRID), 1.0),
        ));
        let text = super::axes::tick_label(tick);
        scene.push_text(SceneText::new((x, a.bottom() + 18.0), 12.0, SOFT, text).with_anchor(TextAnchor::Middle));
    }
    for tick in chart.y.tick_values(6).into_iter().filter(|t| t.fract() == 0.0) {
        let (_, y) = chart.point_at(chart.x.low, tick);
        let text = super::axes::tick_label(tick);
        scene.push_text(SceneText::new((a.x - 8.0, y + 4.0), 12.0, SOFT, text).with_anchor(TextAnchor::End));
    }
    let x_label = SceneText::new((a.right(), a.bottom() + 34.0), 12.0, SOFT, chart.x_label);
    scene.push_text(x_label.with_anchor(TextAnchor::End));
    let y_label = SceneText::new((a.x - 48.0, a.y + a.h / 2.0), 12.0, SOFT, chart.y_label);
    scene.push_text(SceneText { up: true, ..y_label.with_anchor(TextAnchor::Middle) });
}

/// Draws the legend of colours and markers, with the number of episodes of each.
#[allow(clippy::cast_precision_loss)]
fn draw_legend(scene: &mut PlotScene, at: (f32, f32), picture: &RunPlot<'_>, many: bool) {
    draw_end_legend(scene, at, picture.plot_data);
    let (mut x, y) = (at.0, at.1 + 24.0);
    scene.push_shape(SceneShape::Circle {
        at: (x + 9.0, y - 4.0),
        r: 3.6,
        fill: None,
        stroke: Some(solid_stroke(solid_paint(SOFT), 1.6)),
    });
    scene.push_text(SceneText::new((x + 24.0, y), 13.0, SOFT, "start"));
    x += 78.0;
    if picture.grid.source.is_some() {
        for (dx, dy) in [(5.0, 0.0), (0.0, 5.0)] {
            let arms = vec![(x + 9.0 - dx, y - 4.0 - dy), (x + 9.0 + dx, y - 4.0 + dy)];
            scene.push_shape(SceneShape::Line(arms, solid_stroke(solid_paint(INK), 2.2)));
        }
        let what = if picture.grid.goal_radius.is_some() { "source, goal radius dashed" } else { "source" };
        scene.push_text(SceneText::new((x + 24.0, y), 13.0, SOFT, what));
        x += 54.0 + what.len() as f32 * 6.4;
    }
    let ground = if many { "darker: visited more often (log scale)" } else { "shade: plume" };
    if many || picture.grid.sigma.is_some() {
        let swatch = Rect { x, y: y - 11.0, w: 16.0, h: 13.0 };
        scene.push_shape(SceneShape::Rect(swatch, solid_paint(if many { 0xB4_96_C3 } else { 0xB9_E0_D3 })));
        scene.push_text(SceneText::new((x + 24.0, y), 13.0, SOFT, ground));
    }
}

/// Draws how episodes ended, with the number of each, in a line.
#[allow(clippy::cast_precision_loss)]
pub fn draw_end_legend(scene: &mut PlotScene, at: (f32, f32), plot_data: &PlotData) {
    let (mut x, y) = at;
    for end in EpisodeEnd::ALL {
        let n = plot_data.episodes.iter().filter(|e| EpisodeEnd::of(e, plot_data) == end).count();
        if n == 0 {
            continue;
        }
        let paint = solid_paint(end.color());
        scene.push_shape(SceneShape::Line(vec![(x, y - 4.0), (x + 18.0, y - 4.0)], solid_stroke(paint, 2.0)));
        if end.is_disc() {
            scene.push_shape(SceneShape::Circle { at: (x + 18.0, y - 4.0), r: 4.4, fill: Some(paint), stroke: None });
        } else {
            scene.push_shape(SceneShape::Rect(Rect { x: x + 14.0, y: y - 8.0, w: 8.0, h: 8.0 }, paint));
        }
        let text = format!("{} ({n})", end.name());
        // An estimate of the width: SVG text is measured by the viewer.
        let width = text.chars().count() as f32 * 6.7;
        scene.push_text(SceneText::new((x + 30.0, y), 13.0, INK, text));
        x += 48.0 + width;
    }
}

/// Returns at most `most` paths, evenly spread over the run; fewer if they are long.
fn choose_paths(paths: &[AgentPath], most: usize) -> Vec<&AgentPath> {
    let points: usize = paths.iter().map(|p| p.points.len()).sum();
    // The mean length of a path.
    let usual = (points / paths.len().max(1)).max(1);
    let most = most.min((MAP_POINTS / usual).max(2));
    let every = paths.len().div_ceil(most).max(1);
    paths.iter().step_by(every).collect()
}

#[allow(clippy::cast_possible_truncation)]
fn cell_width(chart: &PlotChart<'_>) -> f32 {
    chart.area.w / (chart.x.high - chart.x.low) as f32
}

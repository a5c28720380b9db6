//! Trajectories of a declared run, in any two coordinates. Both axes have one scale, so that a circle is a circle.

use super::EpisodeEnd;
use super::charts::axis_label;
use super::map::draw_ends;
use crate::columnar::{AgentPath, PathAxis, PlotData};
use crate::output::plot::axes::{LARGEST, PlotAxis, PlotChart};
use crate::output::plot::scene::{PlotScene, Rect, SceneShape, solid_stroke, translucent_paint};

/// The most paths that are drawn; more would cover each other.
const SHOWN_PATHS: usize = 30;
/// The most points of all drawn paths.
const SHOWN_POINTS: usize = 16_000;
/// A chart of a straight line is not narrower than this, in pixels.
const NARROW: f32 = 130.0;

/// Draws the paths into the area, or as much of it as their proportions need.
pub fn draw_paths(scene: &mut PlotScene, area: Rect, plot_data: &PlotData, axes: &[PathAxis; 2]) {
    let every = plot_data.paths.len().div_ceil(SHOWN_PATHS).max(1);
    let shown: Vec<&AgentPath> = plot_data.paths.iter().step_by(every).filter(|path| path.last.is_some()).collect();
    let (area, x, y) = fit_axes(area, &shown);
    let note = if shown.len() < plot_data.episodes.len() {
        format!("{} of {} episodes; ring: start", shown.len(), plot_data.episodes.len())
    } else {
        "ring: start".to_owned()
    };
    let [x_label, y_label] = axes.each_ref().map(|axis| axis_label(&axis.name, axis.unit.as_deref()));
    let chart = PlotChart {
        area,
        x,
        y,
        title: "Trajectories",
        note: &note,
        x_label: &x_label,
        y_label: &y_label,
        ..PlotChart::default()
    };
    chart.draw_frame(scene);
    // A margin of 6 pixels, so that markers on the border stay complete.
    let clip = Rect { x: area.x - 6.0, y: area.y - 6.0, w: area.w + 12.0, h: area.h + 12.0 };
    scene.push_shape(SceneShape::Clip(clip));
    let most = SHOWN_POINTS / shown.len().max(1);
    // Many paths cover each other.
    let alpha = if shown.len() > 8 { 0.55 } else { 0.9 };
    for path in shown {
        let Some(end) = plot_data.episodes.get(path.episode).map(|episode| EpisodeEnd::of(episode, plot_data)) else {
            continue;
        };
        for stretch in pixel_stretches(path, &chart, most) {
            let stroke = solid_stroke(translucent_paint(end.color(), alpha), 1.6);
            scene.push_shape(SceneShape::Line(stretch, stroke));
        }
        let first = path.points.iter().find(|(x, _)| x.is_finite()).or(path.last.as_ref());
        if let (Some(first), Some(last)) = (first, path.last) {
            draw_ends(scene, chart.point_at(first.0, first.1), chart.point_at(last.0, last.1), end);
        }
    }
    scene.push_shape(SceneShape::EndClip);
}

/// Returns the part of the area that the paths need, and its axes: one scale for both.
#[allow(clippy::cast_possible_truncation)]
fn fit_axes(area: Rect, paths: &[&AgentPath]) -> (Rect, PlotAxis, PlotAxis) {
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for (x, y) in paths.iter().flat_map(|path| path.points.iter().chain(&path.last)).filter(|(x, _)| x.is_finite()) {
        for ((low, high), value) in low.iter_mut().zip(&mut high).zip([*x, *y]) {
            let value = value.clamp(-LARGEST, LARGEST);
            (*low, *high) = (low.min(value), high.max(value));
        }
    }
    let [low_x, low_y] = low;
    let [high_x, high_y] = high;
    // A margin of 4 % of the longer side.
    let margin = (high_x - low_x).max(high_y - low_y) * 0.04;
    let (wide, tall) = (high_x - low_x + 2.0 * margin, high_y - low_y + 2.0 * margin);
    // Of one pixel. An agent that does not move has any scale, but one that floats can tell apart.
    let smallest =
        [low_x, low_y, high_x, high_y].into_iter().fold(1e-9, |most: f64, value| most.max(value.abs() * 1e-12));
    let scale = (wide / f64::from(area.w)).max(tall / f64::from(area.h)).max(smallest);
    let w = ((wide / scale) as f32).clamp(NARROW, area.w);
    let h = ((tall / scale) as f32).clamp(NARROW, area.h);
    let around = |low: f64, high: f64, pixels: f32| {
        let (middle, half) = (low + (high - low) / 2.0, scale * f64::from(pixels) / 2.0);
        PlotAxis { low: middle - half, high: middle + half }
    };
    (Rect { w, h, ..area }, around(low_x, high_x, w), around(low_y, high_y, h))
}

/// Returns a path in pixels, in stretches without gaps. Points that fall on the same pixel are left out, and if there are
/// still too many, every n-th is kept.
fn pixel_stretches(path: &AgentPath, chart: &PlotChart<'_>, most: usize) -> Vec<Vec<(f32, f32)>> {
    let mut stretches = Vec::new();
    // A gap ends a stretch.
    for known in path.points.split(|(x, _)| !x.is_finite()) {
        let mut pixels: Vec<(f32, f32)> = Vec::new();
        for (x, y) in known {
            let at = chart.point_at(*x, *y);
            let is_near = |last: &(f32, f32)| (last.0 - at.0).hypot(last.1 - at.1) < 0.5;
            if !pixels.last().is_some_and(is_near) {
                pixels.push(at);
            }
        }
        let every = pixels.len().div_ceil(most.max(2)).max(1);
        let last = pixels.last().copied();
        let mut stretch: Vec<(f32, f32)> = pixels.into_iter().step_by(every).collect();
        stretch.extend(last.filter(|last| stretch.last() != Some(last)));
        if stretch.len() > 1 {
            stretches.push(stretch);
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(points: &[(f64, f64)]) -> AgentPath {
        let last = points.iter().rev().find(|(x, _)| x.is_finite()).copied();
        AgentPath { points: points.to_vec(), last, ..AgentPath::default() }
    }

    #[test]
    fn both_axes_have_one_scale_whatever_the_range() {
        let area = Rect { x: 0.0, y: 0.0, w: 470.0, h: 420.0 };
        for points in [
            vec![(0.0, 0.0), (1.0, 0.5)],
            vec![(-1e-6, 4.0), (1e-6, 4.000_001)],
            vec![(0.0, 0.0), (1000.0, 1.0)],
            vec![(1e9, -1e9), (1e9 + 0.5, -1e9 + 3.0)],
            vec![(5.0, 5.0)],
            vec![(f64::MAX, f64::MIN), (f64::MIN, 0.0), (f64::NAN, f64::NAN)],
        ] {
            let (rect, x, y) = fit_axes(area, &[&path(&points)]);
            assert!(rect.w <= area.w && rect.h <= area.h && rect.w >= NARROW && rect.h >= NARROW);
            let scales = [(x.high - x.low) / f64::from(rect.w), (y.high - y.low) / f64::from(rect.h)];
            assert!((scales[0] / scales[1] - 1.0).abs() < 1e-3, "{points:?}: {scales:?}");
            for (a, b) in points.iter().filter(|(a, _)| a.is_finite() && a.abs() < LARGEST) {
                assert!((0.0..=1.0).contains(&x.position_of(*a)) && (0.0..=1.0).contains(&y.position_of(*b)));
            }
        }
    }

    #[test]
    fn a_gap_is_not_drawn_and_a_long_path_has_few_points() {
        let area = Rect { x: 0.0, y: 0.0, w: 400.0, h: 400.0 };
        let axis = PlotAxis { low: 0.0, high: 8.0 };
        let chart = PlotChart { area, x: axis, y: axis, title: "", ..PlotChart::default() };
        let gap = (f64::NAN, f64::NAN);
        let stretches = pixel_stretches(&path(&[(0.0, 0.0), (1.0, 0.0), gap, (4.0, 4.0), (5.0, 4.0)]), &chart, 100);
        assert_eq!(stretches, [[(0.0, 400.0), (50.0, 400.0)], [(200.0, 200.0), (250.0, 200.0)]]);
        let zigzag: Vec<(f64, f64)> = (0..100_000).map(|i| (f64::from(i % 11), f64::from(i % 7))).collect();
        let drawn = pixel_stretches(&path(&zigzag), &chart, 500);
        assert!(drawn.len() == 1 && drawn[0].len() <= 501);
    }
}

//! Distance and reward over steps (median and quartiles across episodes), and how long episodes were.

use super::{End, Picture};
use crate::columnar::{Curve, Episode};
use crate::output::plot::axes::{Axis, Chart};
use crate::output::plot::scene::{Rect, Scene, Shape, clear, line, solid};

/// Up to so many episodes get a bar each; above, lengths are binned.
const BARS: usize = 80;

/// Distance to the goal over steps.
pub fn distance(scene: &mut Scene, area: Rect, picture: &Picture<'_>) {
    let curve = &picture.trace.distance;
    let radius = picture.grid.goal_radius.filter(|r| *r >= 0.05);
    let y = Axis::over(curve.iter().flat_map(|b| [b.low, b.high]).chain([0.0]));
    let chart =
        Chart { area, x: steps_axis(curve), y, title: "Distance to goal", note: note(picture), x_label: "step" };
    chart.frame(scene);
    band(scene, &chart, curve);
    if let Some(radius) = radius {
        chart.level(scene, radius, "goal radius");
    }
}

/// Reward summed since the episode's start, over steps.
pub fn reward(scene: &mut Scene, area: Rect, picture: &Picture<'_>) {
    let curve = &picture.trace.reward;
    let y = Axis::over(curve.iter().flat_map(|b| [b.low, b.high]));
    let chart = Chart { area, x: steps_axis(curve), y, title: "Reward so far", note: note(picture), x_label: "step" };
    chart.frame(scene);
    band(scene, &chart, curve);
}

fn note(picture: &Picture<'_>) -> &'static str {
    if picture.trace.episodes.len() > 1 { "median and quartiles over episodes" } else { "" }
}

#[allow(clippy::cast_precision_loss)]
fn steps_axis(curve: &Curve) -> Axis {
    let last = curve.last().map_or(1, |b| b.step) as f64;
    Axis { low: 1.0, high: last.max(2.0) }
}

#[allow(clippy::cast_precision_loss)]
fn band(scene: &mut Scene, chart: &Chart<'_>, curve: &Curve) {
    const RGB: u32 = 0x00_72_B2;
    let along =
        |value: fn(&crate::columnar::Band) -> f64| curve.iter().map(move |b| chart.point(b.step as f64, value(b)));
    let mut outline: Vec<_> = along(|b| b.high).collect();
    outline.extend(along(|b| b.low).collect::<Vec<_>>().into_iter().rev());
    if outline.len() > 2 {
        scene.add(Shape::Area(outline, clear(RGB, 0.2)));
    }
    let middle: Vec<_> = along(|b| b.mid).collect();
    match middle.as_slice() {
        [] => {}
        [only] => scene.add(Shape::Circle { at: *only, r: 3.0, fill: Some(solid(RGB)), stroke: None }),
        _ => scene.add(Shape::Line(middle, line(solid(RGB), 2.2))),
    }
}

/// How many steps each episode took; a histogram where there are many.
pub fn lengths(scene: &mut Scene, area: Rect, picture: &Picture<'_>) {
    let episodes = &picture.trace.episodes;
    if episodes.len() <= BARS { bars(scene, area, episodes) } else { histogram(scene, area, episodes) }
}

#[allow(clippy::cast_precision_loss)]
fn bars(scene: &mut Scene, area: Rect, episodes: &[Episode]) {
    let n = episodes.len().max(1) as f64;
    let y = Axis::over(episodes.iter().map(|e| e.steps as f64).chain([0.0]));
    let x = Axis { low: 0.5, high: n + 0.5 };
    let chart = Chart { area, x, y, title: "Episode lengths", note: "steps", x_label: "episode" };
    chart.frame(scene);
    for (i, episode) in episodes.iter().enumerate() {
        let (left, top) = chart.point(i as f64 + 0.6, episode.steps as f64);
        let (right, bottom) = chart.point(i as f64 + 1.4, 0.0);
        // A very short episode still shows.
        let top = top.min(bottom - 1.5);
        let half = ((right - left) / 2.0).min(24.0);
        let middle = f32::midpoint(left, right);
        let bar = Rect { x: middle - half, y: top, w: 2.0 * half, h: bottom - top };
        scene.add(Shape::Rect(bar, solid(End::of(episode).rgb())));
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn histogram(scene: &mut Scene, area: Rect, episodes: &[Episode]) {
    const BINS: usize = 40;
    let longest = episodes.iter().map(|e| e.steps).max().unwrap_or(0).max(1) as f64;
    let bins = BINS.min(longest as usize).max(1);
    let mut counts = vec![[0_u32; 3]; bins];
    for episode in episodes {
        let at = ((episode.steps.max(1) - 1) as f64 / longest * bins as f64) as usize;
        let end = End::ALL.iter().position(|e| *e == End::of(episode)).unwrap_or(0);
        if let Some(count) = counts.get_mut(at.min(bins - 1)).and_then(|c| c.get_mut(end)) {
            *count += 1;
        }
    }
    let most = counts.iter().map(|c| c.iter().sum::<u32>()).max().unwrap_or(1);
    let y = Axis::over([0.0, f64::from(most)]);
    let x = Axis { low: 0.0, high: longest };
    let chart = Chart { area, x, y, title: "Episode lengths", note: "episodes", x_label: "steps" };
    chart.frame(scene);
    let width = area.w / bins as f32;
    for (i, count) in counts.iter().enumerate() {
        let mut below = 0.0;
        for (end, n) in End::ALL.iter().zip(count).filter(|(_, n)| **n > 0) {
            let (_, bottom) = chart.point(0.0, below);
            below += f64::from(*n);
            let (_, top) = chart.point(0.0, below);
            let bar = Rect { x: area.x + i as f32 * width + 0.5, y: top, w: width - 1.0, h: bottom - top };
            scene.add(Shape::Rect(bar, solid(end.rgb())));
        }
    }
}

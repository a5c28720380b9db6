//! Axes: round ticks, a number's short form, and the frame of a chart.

use crate::output::plot::scene::{Anchor, Rect, Scene, Shape, Stroke, Text, clear, line, solid};

/// Ink of titles.
pub const INK: u32 = 0x1F_23_28;
/// Ink of labels.
pub const SOFT: u32 = 0x59_63_6E;
/// Ink of grid lines.
pub const GRID: u32 = 0xE3_E6_EA;

/// Values from `low` to `high` on a length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    /// The value at the start.
    pub low: f64,
    /// The value at the end.
    pub high: f64,
}

impl Axis {
    /// An axis that holds all finite values, with room where they do not differ, and round ends.
    pub fn over(values: impl IntoIterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|v| v.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            return Self { low: 0.0, high: 1.0 };
        }
        if high - low <= f64::EPSILON * high.abs().max(1.0) {
            let room = if high == 0.0 { 1.0 } else { high.abs() * 0.5 };
            return Self { low: low - room, high: high + room };
        }
        let step = step(high - low, 4);
        Self { low: (low / step).floor() * step, high: (high / step).ceil() * step }
    }

    /// Where a value lies, 0 to 1 (outside for a value beyond the ends).
    #[allow(clippy::cast_possible_truncation)]
    pub fn at(&self, value: f64) -> f32 {
        ((value - self.low) / (self.high - self.low)) as f32
    }

    /// Round values on the axis, about `count` of them.
    pub fn ticks(&self, count: u32) -> Vec<f64> {
        let step = step(self.high - self.low, count);
        let first = (self.low / step).ceil();
        (0..=2 * count)
            .map(|i| (first + f64::from(i)) * step)
            .take_while(|t| *t <= self.high + step * 1e-9)
            .map(|t| if t.abs() < step * 1e-9 { 0.0 } else { t })
            .collect()
    }
}

/// The round step (1, 2 or 5 times a power of ten) that cuts a span into about `count` parts.
fn step(span: f64, count: u32) -> f64 {
    let raw = span / f64::from(count.max(1));
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= raw * 0.999);
    step.filter(|s| s.is_finite() && *s > 0.0).unwrap_or(1.0)
}

/// A number as a person reads it on an axis: `1 000`, `20k`, `−0.5`.
pub fn number(value: f64) -> String {
    let size = value.abs();
    let text = if size >= 1e6 {
        format!("{}M", trim(format!("{:.2}", value / 1e6)))
    } else if size >= 1e4 {
        format!("{}k", trim(format!("{:.1}", value / 1e3)))
    } else if size >= 100.0 || size == 0.0 {
        trim(format!("{value:.1}"))
    } else if size >= 1e-3 {
        trim(format!("{value:.3}"))
    } else {
        format!("{value:.1e}")
    };
    text.replace('-', "\u{2212}")
}

fn trim(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A chart: a title over a plotting area with axes.
#[derive(Debug, Clone, Copy)]
pub struct Chart<'a> {
    /// The plotting area.
    pub area: Rect,
    /// Across.
    pub x: Axis,
    /// Up.
    pub y: Axis,
    /// What it shows.
    pub title: &'a str,
    /// How to read it, small, after the title.
    pub note: &'a str,
    /// What the x axis counts.
    pub x_label: &'a str,
}

impl Chart<'_> {
    /// Where a point of the chart lies in the picture.
    pub fn point(&self, x: f64, y: f64) -> (f32, f32) {
        (self.area.x + self.x.at(x) * self.area.w, self.area.bottom() - self.y.at(y) * self.area.h)
    }

    /// Draws title, grid, ticks and labels.
    pub fn frame(&self, scene: &mut Scene) {
        let a = self.area;
        scene.text(Text::new((a.x, a.y - 14.0), 15.0, INK, self.title).bold());
        scene.text(Text::new((a.right(), a.y - 14.0), 12.0, SOFT, self.note).anchor(Anchor::End));
        for tick in self.y.ticks(4) {
            let (_, y) = self.point(self.x.low, tick);
            scene.add(Shape::Line(vec![(a.x, y), (a.right(), y)], line(solid(GRID), 1.0)));
            scene.text(Text::new((a.x - 8.0, y + 4.0), 12.0, SOFT, number(tick)).anchor(Anchor::End));
        }
        for tick in self.x.ticks(6) {
            let (x, _) = self.point(tick, self.y.low);
            scene.add(Shape::Line(vec![(x, a.bottom()), (x, a.bottom() + 4.0)], line(clear(SOFT, 0.6), 1.0)));
            scene.text(Text::new((x, a.bottom() + 18.0), 12.0, SOFT, number(tick)).anchor(Anchor::Middle));
        }
        scene.add(Shape::Line(vec![(a.x, a.bottom()), (a.right(), a.bottom())], line(clear(SOFT, 0.6), 1.0)));
        scene.text(Text::new((a.right(), a.bottom() + 34.0), 12.0, SOFT, self.x_label).anchor(Anchor::End));
    }

    /// Draws a dashed level with a label at its right end.
    pub fn level(&self, scene: &mut Scene, value: f64, label: &str) {
        if value < self.y.low || value > self.y.high {
            return;
        }
        let (_, y) = self.point(self.x.low, value);
        let dashed = Stroke { paint: clear(INK, 0.55), width: 1.0, dash: 5.0 };
        scene.add(Shape::Line(vec![(self.area.x, y), (self.area.right(), y)], dashed));
        scene.text(Text::new((self.area.right() - 4.0, y - 5.0), 11.5, SOFT, label).anchor(Anchor::End));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_round_ends_and_holds_its_values() {
        assert_eq!(Axis::over([0.3, 9.7]), Axis { low: 0.0, high: 10.0 });
        assert_eq!(Axis::over([f64::NAN]), Axis { low: 0.0, high: 1.0 });
        let flat = Axis::over([3.0, 3.0]);
        assert!(flat.low < 3.0 && flat.high > 3.0);
    }

    #[test]
    fn ticks_are_few_and_round() {
        assert_eq!(Axis { low: 0.0, high: 1000.0 }.ticks(5), [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]);
        assert_eq!(Axis { low: -1.0, high: 1.0 }.ticks(4), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert!(Axis { low: 1e300, high: 1.1e300 }.ticks(4).len() < 12);
        assert!(Axis { low: 0.0, high: f64::MIN_POSITIVE }.ticks(4).len() < 12);
    }

    #[test]
    fn numbers_are_short_to_read() {
        let said = [0.0, -0.5, 1234.0, 20_000.0, 3_500_000.0, 0.000_01].map(number);
        assert_eq!(said, ["0", "−0.5", "1234", "20k", "3.5M", "1.0e−5"]);
    }
}

//! Axes: round ticks, short numbers, and the frame of a chart. What a chart shows is in `charts` and `map`.

use crate::output::plot::scene::{
    PlotScene, Rect, SceneShape, SceneText, Stroke, TextAnchor, solid_paint, solid_stroke, translucent_paint,
};

/// The colour of titles.
pub const INK: u32 = 0x1F_23_28;
/// The colour of labels.
pub const SOFT: u32 = 0x59_63_6E;
/// The colour of grid lines.
pub const GRID: u32 = 0xE3_E6_EA;

/// The largest number on an axis.
pub const LARGEST: f64 = 1e300;

/// A linear axis from `low` to `high`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PlotAxis {
    /// The value at the start.
    pub low: f64,
    /// The value at the end.
    pub high: f64,
}

impl PlotAxis {
    /// Makes an axis that contains all finite values, with round ends; equal values get room on both sides.
    pub fn spanning(values: impl IntoIterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        // Beyond the limit, the length of the axis would not be a number.
        for value in values.into_iter().filter(|v| v.is_finite()).map(|v| v.clamp(-LARGEST, LARGEST)) {
            (low, high) = (low.min(value), high.max(value));
        }
        // No finite value at all.
        if low > high {
            return Self { low: 0.0, high: 1.0 };
        }
        // All values are equal.
        if high - low <= f64::EPSILON * high.abs().max(1.0) {
            let room = if high == 0.0 { 1.0 } else { high.abs() * 0.5 };
            return Self { low: low - room, high: high + room };
        }
        let step = tick_step(high - low, 4);
        Self { low: (low / step).floor() * step, high: (high / step).ceil() * step }
    }

    /// Returns a value's position on the axis, 0 to 1; outside of that for a value beyond the ends.
    #[allow(clippy::cast_possible_truncation)]
    pub fn position_of(&self, value: f64) -> f32 {
        ((value - self.low) / (self.high - self.low)) as f32
    }

    /// Returns about `count` round values on the axis.
    pub fn tick_values(&self, count: u32) -> Vec<f64> {
        let step = tick_step(self.high - self.low, count);
        let first = (self.low / step).ceil();
        (0..=2 * count)
            .map(|i| (first + f64::from(i)) * step)
            // 1e-9 of a step: rounding must not drop the last tick, nor print a zero as `-0`.
            .take_while(|t| *t <= self.high + step * 1e-9)
            .map(|t| if t.abs() < step * 1e-9 { 0.0 } else { t })
            .collect()
    }
}

/// Returns the round step (1, 2 or 5 times a power of ten) that divides a span into about `count` parts.
fn tick_step(span: f64, count: u32) -> f64 {
    // 0.999: rounding must not choose the next larger step.
    let raw = span / f64::from(count.max(1));
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= raw * 0.999);
    step.filter(|s| s.is_finite() && *s > 0.0).unwrap_or(1.0)
}

/// Formats a number for an axis: `1000`, `20k`, `−0.5`.
pub fn tick_label(value: f64) -> String {
    let size = value.abs();
    let text = if size >= 1e12 {
        format!("{value:.2e}")
    } else if size >= 1e6 {
        format!("{}M", trim_zeros(format!("{:.2}", value / 1e6)))
    } else if size >= 1e4 {
        format!("{}k", trim_zeros(format!("{:.1}", value / 1e3)))
    } else if size >= 100.0 || size == 0.0 {
        trim_zeros(format!("{value:.1}"))
    } else if size >= 1e-3 {
        trim_zeros(format!("{value:.3}"))
    } else {
        format!("{value:.1e}")
    };
    with_minus(&text)
}

/// A number with a minus sign instead of the hyphen.
pub fn with_minus(number: &str) -> String {
    number.replace('-', "\u{2212}")
}

/// Formats the ticks of an axis. If short numbers do not tell them apart, because their differences are small beside
/// themselves, the labels are differences from the first one, and the second value says so.
fn tick_labels(ticks: &[f64]) -> (Vec<String>, String) {
    let labels: Vec<String> = ticks.iter().map(|tick| tick_label(*tick)).collect();
    let is_same = labels.windows(2).any(|pair| pair.first() == pair.last());
    let Some(first) = ticks.first().filter(|_| is_same) else { return (labels, String::new()) };
    let differences = ticks.iter().map(|tick| format!("+{}", tick_label(tick - first))).collect();
    // Without an exponent, 1e300 has 301 digits.
    let is_short = *first == 0.0 || (1e-4..1e15).contains(&first.abs());
    let first = if is_short { first.to_string() } else { format!("{first:e}") };
    (differences, format!(", from {}", with_minus(&first)))
}

fn trim_zeros(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The axes of a chart that count something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CountedAxes {
    /// Neither.
    #[default]
    Neither,
    /// The horizontal one: steps, episodes.
    Horizontal,
    /// Both.
    Both,
}

/// A chart: a title over a plotting area with axes.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlotChart<'a> {
    /// The plotting area.
    pub area: Rect,
    /// The horizontal axis.
    pub x: PlotAxis,
    /// The vertical axis.
    pub y: PlotAxis,
    /// The title.
    pub title: &'a str,
    /// A note in small letters, at the right of the title.
    pub note: &'a str,
    /// The label of the horizontal axis.
    pub x_label: &'a str,
    /// The label of the vertical axis, beside it.
    pub y_label: &'a str,
    /// Which axes count, so that between whole numbers there is nothing.
    pub counts: CountedAxes,
}

impl PlotChart<'_> {
    /// Returns the pixel position of a point of the chart.
    pub fn point_at(&self, x: f64, y: f64) -> (f32, f32) {
        (self.area.x + self.x.position_of(x) * self.area.w, self.area.bottom() - self.y.position_of(y) * self.area.h)
    }

    /// Draws title, grid, ticks and labels.
    pub fn draw_frame(&self, scene: &mut PlotScene) {
        let a = self.area;
        scene.push_text(SceneText::new((a.x, a.y - 14.0), 15.0, INK, self.title).with_bold());
        scene.push_text(SceneText::new((a.right(), a.y - 14.0), 12.0, SOFT, self.note).with_anchor(TextAnchor::End));
        // A tick for each 45 pixels.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let mut ticks = self.y.tick_values(((a.h / 45.0) as u32).max(4));
        ticks.retain(|tick| self.counts != CountedAxes::Both || tick.fract() == 0.0);
        let (labels, y_base) = tick_labels(&ticks);
        for (tick, label) in ticks.into_iter().zip(labels) {
            let (_, y) = self.point_at(self.x.low, tick);
            scene.push_shape(SceneShape::Line(vec![(a.x, y), (a.right(), y)], solid_stroke(solid_paint(GRID), 1.0)));
            scene.push_text(SceneText::new((a.x - 8.0, y + 4.0), 12.0, SOFT, label).with_anchor(TextAnchor::End));
        }
        let mut ticks = self.x.tick_values(6);
        ticks.retain(|tick| self.counts == CountedAxes::Neither || tick.fract() == 0.0);
        let (labels, x_base) = tick_labels(&ticks);
        for (tick, label) in ticks.into_iter().zip(labels) {
            let (x, _) = self.point_at(tick, self.y.low);
            scene.push_shape(SceneShape::Line(
                vec![(x, a.bottom()), (x, a.bottom() + 4.0)],
                solid_stroke(translucent_paint(SOFT, 0.6), 1.0),
            ));
            scene.push_text(SceneText::new((x, a.bottom() + 18.0), 12.0, SOFT, label).with_anchor(TextAnchor::Middle));
        }
        scene.push_shape(SceneShape::Line(
            vec![(a.x, a.bottom()), (a.right(), a.bottom())],
            solid_stroke(translucent_paint(SOFT, 0.6), 1.0),
        ));
        let x_label = format!("{}{x_base}", self.x_label);
        scene.push_text(
            SceneText::new((a.right(), a.bottom() + 34.0), 12.0, SOFT, x_label).with_anchor(TextAnchor::End),
        );
        let y_label = format!("{}{y_base}", self.y_label);
        if !y_label.is_empty() {
            let middle = a.y + a.h / 2.0;
            let text = SceneText::new((a.x - 58.0, middle), 12.0, SOFT, y_label).with_anchor(TextAnchor::Middle);
            scene.push_text(SceneText { up: true, ..text });
        }
    }

    /// Draws a dashed horizontal line with a label at its right end; nothing if it is outside of the chart.
    pub fn draw_level(&self, scene: &mut PlotScene, value: f64, label: &str) {
        // Outside of the chart it would be drawn over others.
        if value < self.y.low || value > self.y.high {
            return;
        }
        let (_, y) = self.point_at(self.x.low, value);
        let dashed = Stroke { paint: translucent_paint(INK, 0.55), width: 1.0, dash: 5.0 };
        scene.push_shape(SceneShape::Line(vec![(self.area.x, y), (self.area.right(), y)], dashed));
        scene.push_text(
            SceneText::new((self.area.right() - 4.0, y - 5.0), 11.5, SOFT, label).with_anchor(TextAnchor::End),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_round_ends_and_holds_its_values() {
        assert_eq!(PlotAxis::spanning([0.3, 9.7]), PlotAxis { low: 0.0, high: 10.0 });
        assert_eq!(PlotAxis::spanning([f64::NAN]), PlotAxis { low: 0.0, high: 1.0 });
        let flat = PlotAxis::spanning([3.0, 3.0]);
        assert!(flat.low < 3.0 && flat.high > 3.0);
    }

    #[test]
    fn ticks_are_few_and_round() {
        assert_eq!(PlotAxis { low: 0.0, high: 1000.0 }.tick_values(5), [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]);
        assert_eq!(PlotAxis { low: -1.0, high: 1.0 }.tick_values(4), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert!(PlotAxis { low: 1e300, high: 1.1e300 }.tick_values(4).len() < 12);
        assert!(PlotAxis { low: 0.0, high: f64::MIN_POSITIVE }.tick_values(4).len() < 12);
    }

    #[test]
    fn numbers_are_short_to_read() {
        let text = [0.0, -0.5, 1234.0, 20_000.0, 3_500_000.0, 0.000_01].map(tick_label);
        assert_eq!(text, ["0", "−0.5", "1234", "20k", "3.5M", "1.0e−5"]);
    }

    #[test]
    fn axes_that_count_have_whole_numbers_alone() {
        let axis = PlotAxis { low: 0.0, high: 1.5 };
        let labels = |counts| {
            let area = Rect { x: 0.0, y: 0.0, w: 400.0, h: 200.0 };
            let mut scene = PlotScene::new(500.0, 300.0, "");
            PlotChart { area, x: axis, y: axis, counts, ..PlotChart::default() }.draw_frame(&mut scene);
            let texts = scene.shapes.iter().filter_map(|shape| match shape {
                SceneShape::Text(text) if !text.text.is_empty() => Some(text.text.clone()),
                _ => None,
            });
            texts.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(CountedAxes::Both), "0 1 0 1");
        assert_eq!(labels(CountedAxes::Horizontal), "0 0.5 1 1.5 0 1");
    }

    #[test]
    fn ticks_that_differ_little_are_told_apart() {
        assert_eq!(tick_labels(&[0.0, 0.5, 1.0]), (vec!["0".into(), "0.5".into(), "1".into()], String::new()));
        let (labels, base) = tick_labels(&[-1_795_740_004.5, -1_795_740_004.0]);
        assert_eq!((labels, base.as_str()), (vec!["+0".into(), "+0.5".into()], ", from −1795740004.5"));
        let huge = PlotAxis::spanning([f64::MAX, f64::MIN]);
        assert!(huge.low.is_finite() && huge.high - huge.low < f64::INFINITY && huge.position_of(0.0) == 0.5);
    }
}

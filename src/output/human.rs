//! Numbers, sizes and times in the form that people read. Machines get the plain values (`output::json`).

use jiff::Timestamp;

use crate::output::table::shorten_text;
use crate::support::text::{format_count, format_plural};
use crate::support::visible::escape_control;

/// How many runs there are, and of what, from names such as `nav/r1`: `60 runs of sweep`, `7 runs of 4 experiments`.
#[must_use]
pub fn describe_runs<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut count = 0;
    let mut experiments = std::collections::BTreeSet::new();
    for name in names {
        count += 1;
        experiments.insert(name.split('/').next().unwrap_or(name));
    }
    let of = match experiments.len() {
        0 => return format_plural(count, "run"),
        1 | 2 => experiments.into_iter().collect::<Vec<_>>().join(" and "),
        many => format_plural(many as u64, "experiment"),
    };
    format!("{} of {of}", format_plural(count, "run"))
}

/// A measured number with about four significant digits: `-0.5`, `11.18`, `1234`.
#[must_use]
pub fn format_number(value: f64) -> String {
    let size = value.abs();
    let text = if !value.is_finite() {
        return value.to_string();
    } else if size >= 1e7 || (size > 0.0 && size < 1e-4) {
        return format!("{value:.3e}");
    } else if size >= 1000.0 {
        format!("{value:.0}")
    } else if size >= 100.0 {
        format!("{value:.1}")
    } else if size >= 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    };
    // Zeros at the end say nothing: `0.5`, not `0.500`.
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.to_owned() }
}

/// A unit behind a number, with the space between them; nothing for none. It is a recorder's text.
#[must_use]
pub fn format_unit(unit: Option<&str>) -> String {
    unit.map(|unit| format!(" {}", shorten_text(&escape_control(unit), 16))).unwrap_or_default()
}

/// A share (0 to 1) in per cent: `25%`.
#[must_use]
pub fn format_percent(share: f64) -> String {
    let value = share * 100.0;
    // One decimal below ten per cent, where it matters.
    if value == 0.0 || (9.95..=100.0).contains(&value) { format!("{value:.0}%") } else { format!("{value:.1}%") }
}

/// How much larger or smaller the second number is: `+12%`, or `-0.3` if one is zero or the signs differ; empty if it is the
/// same.
#[must_use]
pub fn format_change(before: f64, after: f64) -> String {
    let difference = after - before;
    if difference == 0.0 || !difference.is_finite() {
        return String::new();
    }
    let percent = difference / before.abs() * 100.0;
    // Beyond these a share says little: nearly nothing is left, or it is more than ten times as much.
    if before * after > 0.0 && percent > -99.5 && percent < 900.0 && percent.abs() >= 0.05 {
        let text = if percent.abs() < 9.95 { format!("{percent:+.1}") } else { format!("{percent:+.0}") };
        return format!("{}%", text.strip_suffix(".0").unwrap_or(&text));
    }
    format_signed(difference)
}

/// How much a share (0 to 1) changed, in points of its percentage: `+25 pts`; empty if it is the same.
#[must_use]
pub fn format_points(before: f64, after: f64) -> String {
    let points = (after - before) * 100.0;
    if points == 0.0 || !points.is_finite() {
        return String::new();
    }
    let text = if points.abs() < 9.95 { format!("{points:+.1}") } else { format!("{points:+.0}") };
    format!("{} pts", text.strip_suffix(".0").unwrap_or(&text))
}

/// A difference with its sign; one of counts with their commas.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn format_signed(value: f64) -> String {
    let sign = if value > 0.0 { "+" } else { "-" };
    let size = value.abs();
    let is_count = size.fract() == 0.0 && size < 1e15;
    format!("{sign}{}", if is_count { format_count(size as u64) } else { format_number(size) })
}

/// A time in ISO 8601: `2026-11-24T02:15:50Z`.
#[must_use]
pub fn format_iso(seconds: i64) -> String {
    format_zoned(seconds, "%Y-%m-%dT%H:%M:%SZ")
}

fn format_zoned(seconds: i64, format: &str) -> String {
    match Timestamp::from_second(seconds) {
        Ok(time) => time.strftime(format).to_string(),
        Err(_) => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let text = [0.0, -0.5, 11.180_339, 1234.5, 1e-7, -0.000_000_1, f64::NAN].map(format_number);
        assert_eq!(text, ["0", "-0.5", "11.18", "1234", "1.000e-7", "-1.000e-7", "NaN"]);
        assert_eq!([0.0, 0.25, 0.0333, 1.0].map(format_percent), ["0%", "25%", "3.3%", "100%"]);
    }

    #[test]
    fn changes_are_shares_or_differences() {
        let changes = [
            (100.0, 112.0),
            (200.0, 199.0),
            (-2.0, -1.0),
            (0.0, -0.3),
            (-1.0, 2.5),
            (5.0, 1e-7),
            (1.0, 200.0),
            (1000.0, 1000.1),
            (256.0, 4834.0),
            (3.0, 3.0),
            (f64::NAN, 1.0),
        ];
        let texts = changes.map(|(before, after)| format_change(before, after));
        assert_eq!(texts, ["+12%", "-0.5%", "+50%", "-0.3", "+3.5", "-5", "+199", "+0.1", "+4,578", "", ""]);
        assert_eq!(
            [(0.25, 0.9), (0.5, 0.5), (1.0, 0.0)].map(|(a, b)| format_points(a, b)),
            ["+65 pts", "", "-100 pts"]
        );
    }

    #[test]
    fn runs_are_counted_by_experiment() {
        let text = describe_runs(["nav/a", "sweep/a", "nav/b", "sweep/b"]);
        assert_eq!(text, "4 runs of nav and sweep");
        assert_eq!(describe_runs(["a/x", "b/x", "c/x"]), "3 runs of 3 experiments");
    }
}

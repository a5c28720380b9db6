//! Numbers, sizes and times in the form that people read. Machines get the plain values (`output::json`).

use jiff::Timestamp;

use crate::output::table::shorten_text;
use crate::support::visible::escape_control;

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

/// An optional number; `-` for none.
#[must_use]
pub fn format_optional(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), format_number)
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
}

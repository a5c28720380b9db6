//! A curve in one line of text, of Unicode block characters.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Renders the values as bars of eight heights; means squeeze them into at most `width` characters. `None` if there are
/// fewer than two finite values.
#[must_use]
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn render_sparkline(values: &[f64], width: usize) -> Option<String> {
    let values: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    // A single value is no curve.
    if values.len() < 2 || width == 0 {
        return None;
    }
    let columns = width.min(values.len());
    let means: Vec<f64> = (0..columns)
        .filter_map(|i| {
            // Integer bounds: each value is in exactly one part.
            let part = values.get(i * values.len() / columns..(i + 1) * values.len() / columns)?;
            Some(part.iter().sum::<f64>() / part.len() as f64)
        })
        .collect();
    let low = means.iter().copied().fold(f64::INFINITY, f64::min);
    let high = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bar = |v: f64| {
        // A flat line is drawn at half height.
        let height = if high > low { (v - low) / (high - low) * 7.0 } else { 3.0 };
        BARS[(height.round() as usize).min(7)]
    };
    Some(means.into_iter().map(bar).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rises_and_falls_show() {
        assert_eq!(render_sparkline(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 8).unwrap(), "▁▂▃▄▅▆▇█");
        assert_eq!(render_sparkline(&[5.0, 5.0], 8).unwrap(), "▄▄");
        assert_eq!(render_sparkline(&[f64::NAN, 1.0], 8), None);
        let long: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(render_sparkline(&long, 40).unwrap().chars().count(), 40);
    }
}

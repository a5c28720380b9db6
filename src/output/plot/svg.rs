//! Writes a [`PlotScene`] as SVG text. Deterministic: two decimals, ids by order only. No script, no style sheet, no
//! external reference.

use std::fmt::Write;

use crate::output::plot::scene::{Paint, PlotScene, SceneShape, SceneText, Stroke, TextAnchor};

/// Returns the picture as an SVG document.
pub fn write_items(scene: &PlotScene) -> String {
    let (w, h) = (scene.width, scene.height);
    // Writing to a string cannot fail, here and below.
    let mut out = String::with_capacity(64 * 1024);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\" \
         font-family=\"Ubuntu, 'DejaVu Sans', 'Helvetica Neue', Arial, sans-serif\">\n<title>{}</title>\n",
        escape_xml(&scene.title)
    );
    let mut clips = 0;
    for shape in &scene.shapes {
        match shape {
            SceneShape::Rect(r, paint) => {
                let _ = write!(
                    out,
                    "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}/>",
                    format_number(r.x),
                    format_number(r.y),
                    format_number(r.w),
                    format_number(r.h),
                    fill_attribute(Some(*paint))
                );
            }
            SceneShape::Circle { at, r, fill: inside, stroke: outline } => {
                let _ = write!(
                    out,
                    "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}{}/>",
                    format_number(at.0),
                    format_number(at.1),
                    format_number(*r),
                    fill_attribute(*inside),
                    outline.map(stroke_attribute).unwrap_or_default()
                );
            }
            SceneShape::Line(points, style) => {
                let _ = write!(
                    out,
                    "<path d=\"{}\" fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"{}\"{}/>",
                    points_attribute(points),
                    if style.dash > 0.0 { "butt" } else { "round" },
                    stroke_attribute(*style)
                );
            }
            SceneShape::Area(points, paint) => {
                let _ = write!(out, "<path d=\"{}Z\"{}/>", points_attribute(points), fill_attribute(Some(*paint)));
            }
            SceneShape::Text(text) => write_text(&mut out, text),
            SceneShape::Clip(r) => {
                clips += 1;
                let _ = write!(
                    out,
                    "<clipPath id=\"c{clips}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>\
                     <g clip-path=\"url(#c{clips})\">",
                    format_number(r.x),
                    format_number(r.y),
                    format_number(r.w),
                    format_number(r.h)
                );
            }
            SceneShape::EndClip => out.push_str("</g>"),
        }
        out.push('\n');
    }
    out.push_str("</svg>\n");
    out
}

fn write_text(out: &mut String, text: &SceneText) {
    let anchor = match text.anchor {
        TextAnchor::Start => "start",
        TextAnchor::Middle => "middle",
        TextAnchor::End => "end",
    };
    let turn = if text.up {
        format!(" transform=\"rotate(-90 {} {})\"", format_number(text.x), format_number(text.y))
    } else {
        String::new()
    };
    let weight = if text.bold { " font-weight=\"600\"" } else { "" };
    let _ = write!(
        out,
        "<text x=\"{}\" y=\"{}\" font-size=\"{}\" text-anchor=\"{anchor}\"{weight} fill=\"#{:06x}\"{turn}>{}</text>",
        format_number(text.x),
        format_number(text.y),
        format_number(text.size),
        text.rgb,
        escape_xml(&text.text)
    );
}

/// Formats a number with at most two decimals.
fn format_number(value: f32) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn fill_attribute(paint: Option<Paint>) -> String {
    match paint {
        None => " fill=\"none\"".into(),
        Some(p) if p.alpha >= 1.0 => format!(" fill=\"#{:06x}\"", p.rgb),
        Some(p) => format!(" fill=\"#{:06x}\" fill-opacity=\"{}\"", p.rgb, format_number(p.alpha)),
    }
}

fn stroke_attribute(style: Stroke) -> String {
    let mut out = format!(" stroke=\"#{:06x}\" stroke-width=\"{}\"", style.paint.rgb, format_number(style.width));
    // Defaults are left out, which keeps the file small.
    if style.paint.alpha < 1.0 {
        let _ = write!(out, " stroke-opacity=\"{}\"", format_number(style.paint.alpha));
    }
    if style.dash > 0.0 {
        let _ = write!(out, " stroke-dasharray=\"{}\"", format_number(style.dash));
    }
    out
}

fn points_attribute(points: &[(f32, f32)]) -> String {
    let mut out = String::with_capacity(points.len() * 12);
    for (i, (x, y)) in points.iter().enumerate() {
        let _ = write!(out, "{}{} {}", if i == 0 { 'M' } else { 'L' }, format_number(*x), format_number(*y));
    }
    out
}

fn escape_xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // XML 1.0 cannot hold these two; the scene has escaped control characters already.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_out_of_its_text() {
        let mut scene = PlotScene::new(10.0, 10.0, "<a> & \u{1}\u{ffff}");
        scene.push_text(SceneText::new((0.0, 0.0), 10.0, 0, "</text><script>"));
        let svg = write_items(&scene);
        assert!(
            svg.contains("&lt;/text&gt;&lt;script&gt;")
                && svg.contains("<title>&lt;a&gt; &amp; \\u{1}\u{fffd}</title>")
        );
        assert!(!svg.contains("<script"));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            (format_number(1.0).as_str(), format_number(0.125).as_str(), format_number(10.5).as_str()),
            ("1", "0.12", "10.5")
        );
    }
}

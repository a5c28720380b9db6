//! A [`Scene`] as SVG text. Deterministic: two decimals, no ids that depend on anything but order.

use std::fmt::Write;

use crate::output::plot::scene::{Anchor, Paint, Scene, Shape, Stroke, Text};

/// The picture as an SVG document.
pub fn write(scene: &Scene) -> String {
    let (w, h) = (scene.width, scene.height);
    let mut out = String::with_capacity(64 * 1024);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\" \
         font-family=\"Ubuntu, 'DejaVu Sans', 'Helvetica Neue', Arial, sans-serif\">\n<title>{}</title>\n",
        escaped(&scene.title)
    );
    let mut clips = 0;
    for shape in &scene.shapes {
        match shape {
            Shape::Rect(r, paint) => {
                let _ = write!(
                    out,
                    "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}/>",
                    n(r.x),
                    n(r.y),
                    n(r.w),
                    n(r.h),
                    fill(Some(*paint))
                );
            }
            Shape::Circle { at, r, fill: inside, stroke: outline } => {
                let _ = write!(
                    out,
                    "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}{}/>",
                    n(at.0),
                    n(at.1),
                    n(*r),
                    fill(*inside),
                    outline.map(stroke).unwrap_or_default()
                );
            }
            Shape::Line(points, style) => {
                let _ = write!(
                    out,
                    "<path d=\"{}\" fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"{}\"{}/>",
                    path(points),
                    if style.dash > 0.0 { "butt" } else { "round" },
                    stroke(*style)
                );
            }
            Shape::Area(points, paint) => {
                let _ = write!(out, "<path d=\"{}Z\"{}/>", path(points), fill(Some(*paint)));
            }
            Shape::Text(text) => write_text(&mut out, text),
            Shape::Clip(r) => {
                clips += 1;
                let _ = write!(
                    out,
                    "<clipPath id=\"c{clips}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>\
                     <g clip-path=\"url(#c{clips})\">",
                    n(r.x),
                    n(r.y),
                    n(r.w),
                    n(r.h)
                );
            }
            Shape::EndClip => out.push_str("</g>"),
        }
        out.push('\n');
    }
    out.push_str("</svg>\n");
    out
}

fn write_text(out: &mut String, text: &Text) {
    let anchor = match text.anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let turn = if text.up { format!(" transform=\"rotate(-90 {} {})\"", n(text.x), n(text.y)) } else { String::new() };
    let weight = if text.bold { " font-weight=\"600\"" } else { "" };
    let _ = write!(
        out,
        "<text x=\"{}\" y=\"{}\" font-size=\"{}\" text-anchor=\"{anchor}\"{weight} fill=\"#{:06x}\"{turn}>{}</text>",
        n(text.x),
        n(text.y),
        n(text.size),
        text.rgb,
        escaped(&text.text)
    );
}

/// A number with at most two decimals.
fn n(value: f32) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn fill(paint: Option<Paint>) -> String {
    match paint {
        None => " fill=\"none\"".into(),
        Some(p) if p.alpha >= 1.0 => format!(" fill=\"#{:06x}\"", p.rgb),
        Some(p) => format!(" fill=\"#{:06x}\" fill-opacity=\"{}\"", p.rgb, n(p.alpha)),
    }
}

fn stroke(style: Stroke) -> String {
    let mut out = format!(" stroke=\"#{:06x}\" stroke-width=\"{}\"", style.paint.rgb, n(style.width));
    if style.paint.alpha < 1.0 {
        let _ = write!(out, " stroke-opacity=\"{}\"", n(style.paint.alpha));
    }
    if style.dash > 0.0 {
        let _ = write!(out, " stroke-dasharray=\"{}\"", n(style.dash));
    }
    out
}

fn path(points: &[(f32, f32)]) -> String {
    let mut out = String::with_capacity(points.len() * 12);
    for (i, (x, y)) in points.iter().enumerate() {
        let _ = write!(out, "{}{} {}", if i == 0 { 'M' } else { 'L' }, n(*x), n(*y));
    }
    out
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // XML has no way to write these; a scene's words hold no control character.
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
        let mut scene = Scene::new(10.0, 10.0, "<a> & \u{1}\u{ffff}");
        scene.text(Text::new((0.0, 0.0), 10.0, 0, "</text><script>"));
        let svg = write(&scene);
        assert!(
            svg.contains("&lt;/text&gt;&lt;script&gt;")
                && svg.contains("<title>&lt;a&gt; &amp; \\u{1}\u{fffd}</title>")
        );
        assert!(!svg.contains("<script"));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!((n(1.0).as_str(), n(0.125).as_str(), n(10.5).as_str()), ("1", "0.12", "10.5"));
    }
}

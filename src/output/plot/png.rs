//! Writes a [`PlotScene`] as PNG, at twice its size so that it is sharp on a dense screen.
//!
//! Text is drawn with a font inside the program: a server without fonts gives the same picture, byte for byte. Text is
//! placed glyph by glyph, without kerning or ligatures.

use tiny_skia::{
    FillRule, LineCap, LineJoin, Mask, Paint as SkiaPaint, Path, PathBuilder, Pixmap, Rect as SkiaRect,
    Stroke as SkiaStroke, StrokeDash, Transform,
};
use ttf_parser::{Face, OutlineBuilder};

use crate::output::plot::scene::{Paint, PlotScene, Rect, SceneShape, SceneText, Stroke, TextAnchor};

const SCALE: f32 = 2.0;

/// Returns the picture as PNG bytes; `None` if there is no memory for it.
pub fn write_png(scene: &PlotScene) -> Option<Vec<u8>> {
    let mut canvas = PngCanvas::new(scene)?;
    for shape in &scene.shapes {
        canvas.draw_shape(shape);
    }
    canvas.pixels.encode_png().ok()
}

struct PngCanvas {
    pixels: Pixmap,
    clip: Option<Mask>,
    face: Option<Face<'static>>,
}

impl PngCanvas {
    fn new(scene: &PlotScene) -> Option<Self> {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let pixels = Pixmap::new((scene.width * SCALE) as u32, (scene.height * SCALE) as u32)?;
        let face = Face::parse(epaint_default_fonts::UBUNTU_LIGHT, 0).ok();
        Some(Self { pixels, clip: None, face })
    }

    fn draw_shape(&mut self, shape: &SceneShape) {
        match shape {
            SceneShape::Rect(r, paint) => {
                if let Some(rect) = SkiaRect::from_xywh(r.x, r.y, r.w, r.h) {
                    // No anti-aliasing, so that the cells of a map meet without a seam.
                    let mut paint = skia_paint(*paint);
                    paint.anti_alias = false;
                    self.pixels.fill_rect(rect, &paint, scale_transform(), self.clip.as_ref());
                }
            }
            SceneShape::Circle { at, r, fill, stroke } => {
                if let Some(path) = PathBuilder::from_circle(at.0, at.1, *r) {
                    if let Some(paint) = fill {
                        self.fill_path(&path, *paint, scale_transform());
                    }
                    if let Some(style) = stroke {
                        self.stroke_path(&path, *style);
                    }
                }
            }
            SceneShape::Line(points, style) => {
                if let Some(path) = polygon_path(points, false) {
                    self.stroke_path(&path, *style);
                }
            }
            SceneShape::Area(points, paint) => {
                if let Some(path) = polygon_path(points, true) {
                    self.fill_path(&path, *paint, scale_transform());
                }
            }
            SceneShape::Text(text) => self.draw_text(text),
            SceneShape::Clip(rect) => self.clip = self.clip_mask(*rect),
            SceneShape::EndClip => self.clip = None,
        }
    }

    fn clip_mask(&self, r: Rect) -> Option<Mask> {
        let mut mask = Mask::new(self.pixels.width(), self.pixels.height())?;
        let path = PathBuilder::from_rect(SkiaRect::from_xywh(r.x, r.y, r.w, r.h)?);
        mask.fill_path(&path, FillRule::Winding, true, scale_transform());
        Some(mask)
    }

    fn fill_path(&mut self, path: &Path, paint: Paint, transform: Transform) {
        self.pixels.fill_path(path, &skia_paint(paint), FillRule::Winding, transform, self.clip.as_ref());
    }

    fn stroke_path(&mut self, path: &Path, style: Stroke) {
        let dashed = style.dash > 0.0;
        let stroke = SkiaStroke {
            width: style.width,
            // Round caps would close the gaps of a dashed line.
            line_cap: if dashed { LineCap::Butt } else { LineCap::Round },
            line_join: LineJoin::Round,
            dash: if dashed { StrokeDash::new(vec![style.dash, style.dash], 0.0) } else { None },
            ..SkiaStroke::default()
        };
        self.pixels.stroke_path(path, &skia_paint(style.paint), &stroke, scale_transform(), self.clip.as_ref());
    }

    fn draw_text(&mut self, text: &SceneText) {
        // The font is part of the program, so parsing it does not fail.
        let Some(face) = self.face.clone() else { return };
        let unit = text.size / f32::from(face.units_per_em());
        let mut glyphs = GlyphOutline { path: PathBuilder::new(), x: 0.0 };
        for c in text.text.chars() {
            // A character without a glyph is drawn as a question mark.
            let Some(id) = face.glyph_index(c).or_else(|| face.glyph_index('?')) else { continue };
            face.outline_glyph(id, &mut glyphs);
            glyphs.x += f32::from(face.glyph_hor_advance(id).unwrap_or(0));
        }
        let width = glyphs.x * unit;
        let back = match text.anchor {
            TextAnchor::Start => 0.0,
            TextAnchor::Middle => -width / 2.0,
            TextAnchor::End => -width,
        };
        let Some(path) = glyphs.path.finish() else { return };
        // In font units y points up, in pixels down.
        let mut transform = Transform::from_scale(unit, -unit).post_translate(back, 0.0);
        if text.up {
            transform = transform.post_rotate(-90.0);
        }
        transform = transform.post_translate(text.x, text.y).post_scale(SCALE, SCALE);
        self.fill_path(&path, Paint { rgb: text.rgb, alpha: 1.0 }, transform);
        // The font is a light one: a hair line around it is easier to read, a thicker line is bold.
        let weight = if text.bold { 0.065 } else { 0.022 };
        let stroke = SkiaStroke { width: weight * f32::from(face.units_per_em()), ..SkiaStroke::default() };
        self.pixels.stroke_path(
            &path,
            &skia_paint(Paint { rgb: text.rgb, alpha: 1.0 }),
            &stroke,
            transform,
            self.clip.as_ref(),
        );
    }
}

fn scale_transform() -> Transform {
    Transform::from_scale(SCALE, SCALE)
}

fn skia_paint(paint: Paint) -> SkiaPaint<'static> {
    let [_, r, g, b] = paint.rgb.to_be_bytes();
    let mut out = SkiaPaint::default();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    out.set_color_rgba8(r, g, b, (paint.alpha.clamp(0.0, 1.0) * 255.0).round() as u8);
    out.anti_alias = true;
    out
}

fn polygon_path(points: &[(f32, f32)], close: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (i, (x, y)) in points.iter().enumerate() {
        if i == 0 {
            path.move_to(*x, *y);
        } else {
            path.line_to(*x, *y);
        }
    }
    if close {
        path.close();
    }
    path.finish()
}

/// The outlines of glyphs, one after the other, in font units.
struct GlyphOutline {
    path: PathBuilder,
    x: f32,
}

impl OutlineBuilder for GlyphOutline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.path.move_to(self.x + x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.path.line_to(self.x + x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.path.quad_to(self.x + x1, y1, self.x + x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.path.cubic_to(self.x + x1, y1, self.x + x2, y2, self.x + x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

//! A picture as a flat list of shapes, in pixels from the top left. Both writers (SVG, PNG) draw the same list. All
//! text is escaped here.

use std::fmt::Display;

use crate::support::visible::escape_control;

/// A colour and its opacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paint {
    /// `0xRRGGBB`.
    pub rgb: u32,
    /// Opacity, 0 to 1.
    pub alpha: f32,
}

/// Makes an opaque colour.
pub const fn solid_paint(rgb: u32) -> Paint {
    Paint { rgb, alpha: 1.0 }
}

/// Makes a translucent colour.
pub const fn translucent_paint(rgb: u32, alpha: f32) -> Paint {
    Paint { rgb, alpha }
}

/// A rectangle.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rect {
    /// Left.
    pub x: f32,
    /// Top.
    pub y: f32,
    /// Width.
    pub w: f32,
    /// Height.
    pub h: f32,
}

impl Rect {
    /// The right edge.
    pub fn right(&self) -> f32 {
        self.x + self.w
    }

    /// The bottom edge.
    pub fn bottom(&self) -> f32 {
        self.y + self.h
    }
}

/// The style of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke {
    /// Its colour.
    pub paint: Paint,
    /// Its width.
    pub width: f32,
    /// Dash and gap lengths; 0 for an unbroken line.
    pub dash: f32,
}

/// Makes the style of an unbroken line.
pub const fn solid_stroke(paint: Paint, width: f32) -> Stroke {
    Stroke { paint, width, dash: 0.0 }
}

/// The point of a text that is at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextAnchor {
    /// At its start.
    Start,
    /// In its middle.
    Middle,
    /// At its end.
    End,
}

/// A line of text, on its baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneText {
    /// Anchor point.
    pub x: f32,
    /// Baseline.
    pub y: f32,
    /// Font size.
    pub size: f32,
    /// The point of the text that is at `x`.
    pub anchor: TextAnchor,
    /// Its colour.
    pub rgb: u32,
    /// Whether it reads bottom to top.
    pub up: bool,
    /// Whether it is set in bold.
    pub bold: bool,
    /// The text, escaped.
    pub text: String,
}

/// A shape.
#[derive(Debug, Clone, PartialEq)]
pub enum SceneShape {
    /// A filled rectangle.
    Rect(Rect, Paint),
    /// A circle with fill and outline.
    Circle {
        /// Centre.
        at: (f32, f32),
        /// Radius.
        r: f32,
        /// Inside.
        fill: Option<Paint>,
        /// Outline.
        stroke: Option<Stroke>,
    },
    /// A line through points.
    Line(Vec<(f32, f32)>, Stroke),
    /// A filled polygon.
    Area(Vec<(f32, f32)>, Paint),
    /// Text.
    Text(SceneText),
    /// All shapes up to the matching [`SceneShape::EndClip`] are cut off at this rectangle.
    Clip(Rect),
    /// Ends a clip.
    EndClip,
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotScene {
    /// Width in pixels.
    pub width: f32,
    /// Height in pixels.
    pub height: f32,
    /// A description for readers who cannot see the picture.
    pub title: String,
    /// The shapes, back to front.
    pub shapes: Vec<SceneShape>,
}

impl PlotScene {
    /// Makes an empty white picture.
    pub fn new(width: f32, height: f32, title: impl Display) -> Self {
        let ground = SceneShape::Rect(Rect { x: 0.0, y: 0.0, w: width, h: height }, solid_paint(0xFF_FF_FF));
        Self { width, height, title: escape_control(title), shapes: vec![ground] }
    }

    /// Adds a shape in front.
    pub fn push_shape(&mut self, shape: SceneShape) {
        self.shapes.push(shape);
    }

    /// Adds text in front.
    pub fn push_text(&mut self, text: SceneText) {
        self.push_shape(SceneShape::Text(text));
    }
}

impl SceneText {
    /// Makes text that starts at a point.
    pub fn new(at: (f32, f32), size: f32, rgb: u32, text: impl Display) -> Self {
        let text = escape_control(text);
        Self { x: at.0, y: at.1, size, anchor: TextAnchor::Start, rgb, up: false, bold: false, text }
    }

    /// Sets the anchor.
    pub fn with_anchor(self, anchor: TextAnchor) -> Self {
        Self { anchor, ..self }
    }

    /// Sets bold type.
    pub fn with_bold(self) -> Self {
        Self { bold: true, ..self }
    }
}

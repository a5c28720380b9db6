//! A run as a picture: trajectories over the plume's grid, distance and reward over steps, episode lengths.
//!
//! Colours are Okabe and Ito's, which people with any colour vision tell apart; an outcome is told by colour and by its
//! marker. The same run gives the same picture, byte for byte, on every machine.

mod axes;
mod charts;
mod map;
mod png;
mod scene;
mod svg;

use crate::columnar::{Episode, Grid, Trace};
use crate::support::visible::visible;
use axes::{INK, SOFT};
use scene::{Rect, Scene, Text};

/// What to draw.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// The run, as `experiment/run_id`.
    pub title: &'a str,
    /// Its key figures in a line.
    pub subtitle: &'a str,
    /// The world it took place in.
    pub grid: Grid,
    /// What happened.
    pub trace: &'a Trace,
}

/// How an episode ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Reached,
    OutOfSteps,
    Unfinished,
}

impl End {
    const ALL: [Self; 3] = [Self::Reached, Self::OutOfSteps, Self::Unfinished];

    fn of(episode: &Episode) -> Self {
        match (episode.terminated, episode.truncated) {
            (true, _) => Self::Reached,
            (false, true) => Self::OutOfSteps,
            (false, false) => Self::Unfinished,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Reached => "reached the goal",
            Self::OutOfSteps => "ran out of steps",
            Self::Unfinished => "unfinished",
        }
    }

    /// Okabe and Ito: blue, vermilion; grey.
    fn rgb(self) -> u32 {
        match self {
            Self::Reached => 0x00_72_B2,
            Self::OutOfSteps => 0xD5_5E_00,
            Self::Unfinished => 0x8A_8F_98,
        }
    }
}

/// The picture as an SVG document.
#[must_use]
pub fn svg(picture: &Picture<'_>) -> String {
    svg::write(&compose(picture))
}

/// The picture as PNG bytes; `None` where there is no memory for it.
#[must_use]
pub fn png(picture: &Picture<'_>) -> Option<Vec<u8>> {
    png::write(&compose(picture))
}

fn compose(picture: &Picture<'_>) -> Scene {
    let mut scene = Scene::new(1200.0, 840.0, format!("Run {}: {}", picture.title, picture.subtitle));
    scene.text(Text::new((40.0, 46.0), 24.0, INK, shortened(&visible(picture.title), 80)).bold());
    scene.text(Text::new((40.0, 72.0), 14.0, SOFT, shortened(&visible(picture.subtitle), 150)));
    map::draw(&mut scene, Rect { x: 40.0, y: 130.0, w: 540.0, h: 600.0 }, picture);
    charts::distance(&mut scene, Rect { x: 670.0, y: 130.0, w: 490.0, h: 170.0 }, picture);
    charts::reward(&mut scene, Rect { x: 670.0, y: 380.0, w: 490.0, h: 170.0 }, picture);
    charts::lengths(&mut scene, Rect { x: 670.0, y: 630.0, w: 490.0, h: 150.0 }, picture);
    scene
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

//! A run as a picture: trajectories on the plume's grid, distance and reward over steps, episode lengths.
//!
//! Colours are Okabe and Ito's, which people with any colour vision can tell apart; an outcome also has its own marker.
//! The same run gives the same picture, byte for byte, on every machine. No file is written here.

mod axes;
mod charts;
mod map;
mod png;
mod scene;
mod svg;

use crate::columnar::{PlotData, PlotEpisode, PlumeGrid};
use crate::support::visible::escape_control;
use axes::{INK, SOFT};
use scene::{PlotScene, Rect, SceneText};

/// The content of the picture.
#[derive(Debug, Clone, Copy)]
pub struct RunPlot<'a> {
    /// The run, as `experiment/run_id`.
    pub title: &'a str,
    /// Its metrics in one line.
    pub subtitle: &'a str,
    /// The simulated grid.
    pub grid: PlumeGrid,
    /// The data to draw.
    pub plot_data: &'a PlotData,
}

/// How an episode ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EpisodeEnd {
    Reached,
    OutOfSteps,
    Unfinished,
}

impl EpisodeEnd {
    const ALL: [Self; 3] = [Self::Reached, Self::OutOfSteps, Self::Unfinished];

    fn of(episode: &PlotEpisode) -> Self {
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

    /// Okabe and Ito's blue and vermilion, and grey.
    fn color(self) -> u32 {
        match self {
            Self::Reached => 0x00_72_B2,
            Self::OutOfSteps => 0xD5_5E_00,
            Self::Unfinished => 0x8A_8F_98,
        }
    }
}

/// Renders the picture as an SVG document.
#[must_use]
pub fn render_svg(picture: &RunPlot<'_>) -> String {
    svg::write_items(&compose_scene(picture))
}

/// Renders the picture as PNG bytes; `None` if there is no memory for it.
#[must_use]
pub fn render_png(picture: &RunPlot<'_>) -> Option<Vec<u8>> {
    png::write_png(&compose_scene(picture))
}

fn compose_scene(picture: &RunPlot<'_>) -> PlotScene {
    // The layout: the map at the left, three charts in a column at the right.
    let mut scene = PlotScene::new(1200.0, 840.0, format!("Run {}: {}", picture.title, picture.subtitle));
    scene.push_text(
        SceneText::new((40.0, 46.0), 24.0, INK, shorten_title(&escape_control(picture.title), 80)).with_bold(),
    );
    scene.push_text(SceneText::new((40.0, 72.0), 14.0, SOFT, shorten_title(&escape_control(picture.subtitle), 150)));
    map::draw_map(&mut scene, Rect { x: 40.0, y: 130.0, w: 540.0, h: 600.0 }, picture);
    charts::draw_distance(&mut scene, Rect { x: 670.0, y: 130.0, w: 490.0, h: 170.0 }, picture);
    charts::draw_reward(&mut scene, Rect { x: 670.0, y: 380.0, w: 490.0, h: 170.0 }, picture);
    charts::draw_lengths(&mut scene, Rect { x: 670.0, y: 630.0, w: 490.0, h: 150.0 }, picture);
    scene
}

fn shorten_title(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

//! A run as a picture: what its schema names for plots, reward over steps, episode lengths, actions. A run of
//! plume-nav-sim has its trajectories on the plume's grid.
//!
//! Colours are Okabe and Ito's, which people with any colour vision can tell apart; an outcome also has its own marker.
//! The same run gives the same picture, byte for byte, on every machine. No file is written here.

mod axes;
mod charts;
mod declared_run;
mod map;
mod paths;
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

/// How an episode ended. Only a run that says so has episodes that succeeded or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EpisodeEnd {
    /// At the goal of plume-nav-sim.
    Reached,
    OutOfSteps,
    Succeeded,
    NotSucceeded,
    Terminated,
    Truncated,
    Unfinished,
}

impl EpisodeEnd {
    const ALL: [Self; 7] = [
        Self::Reached,
        Self::OutOfSteps,
        Self::Succeeded,
        Self::NotSucceeded,
        Self::Terminated,
        Self::Truncated,
        Self::Unfinished,
    ];

    fn of(episode: &PlotEpisode, plot_data: &PlotData) -> Self {
        match (plot_data.is_plume, episode.success, episode.terminated, episode.truncated) {
            (true, _, true, _) => Self::Reached,
            (true, _, false, true) => Self::OutOfSteps,
            (false, Some(true), ..) => Self::Succeeded,
            (false, Some(false), ..) => Self::NotSucceeded,
            (false, None, true, _) => Self::Terminated,
            (false, None, false, true) => Self::Truncated,
            (_, _, false, false) => Self::Unfinished,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Reached => "reached the goal",
            Self::OutOfSteps => "ran out of steps",
            Self::Succeeded => "succeeded",
            Self::NotSucceeded => "did not succeed",
            Self::Terminated => "terminated",
            Self::Truncated => "truncated",
            Self::Unfinished => "unfinished",
        }
    }

    /// Okabe and Ito's colours: blue and vermilion for good and bad, sky blue and orange for neither, and grey.
    fn color(self) -> u32 {
        match self {
            Self::Reached | Self::Succeeded => 0x00_72_B2,
            Self::OutOfSteps | Self::NotSucceeded => 0xD5_5E_00,
            Self::Terminated => 0x56_B4_E9,
            Self::Truncated => 0xE6_9F_00,
            Self::Unfinished => 0x8A_8F_98,
        }
    }

    /// Whether the end of a path is a disc; the others' is a square.
    fn is_disc(self) -> bool {
        matches!(self, Self::Reached | Self::Succeeded | Self::Terminated)
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
    if !picture.plot_data.is_plume {
        return declared_run::compose_charts(picture);
    }
    // The layout: the map at the left, three charts in a column at the right.
    let mut scene = titled_scene(picture, 840.0);
    map::draw_map(&mut scene, Rect { x: 40.0, y: 130.0, w: 540.0, h: 600.0 }, picture);
    charts::draw_distance(&mut scene, Rect { x: 670.0, y: 130.0, w: 490.0, h: 170.0 }, picture);
    charts::draw_reward(&mut scene, Rect { x: 670.0, y: 380.0, w: 490.0, h: 170.0 }, picture);
    charts::draw_lengths(&mut scene, Rect { x: 670.0, y: 630.0, w: 490.0, h: 150.0 }, picture.plot_data);
    scene
}

fn titled_scene(picture: &RunPlot<'_>, height: f32) -> PlotScene {
    let mut scene = PlotScene::new(1200.0, height, format!("Run {}: {}", picture.title, picture.subtitle));
    scene.push_text(
        SceneText::new((40.0, 46.0), 24.0, INK, shorten_title(&escape_control(picture.title), 80)).with_bold(),
    );
    scene.push_text(SceneText::new((40.0, 72.0), 14.0, SOFT, shorten_title(&escape_control(picture.subtitle), 150)));
    scene
}

fn shorten_title(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

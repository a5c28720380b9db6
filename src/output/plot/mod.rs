//! A run as a picture: what its schema names for plots, reward over steps, episode lengths, actions. A run of
//! plume-nav-sim has its trajectories on the plume's grid.
//!
//! Colours are Okabe and Ito's, which people with any colour vision can tell apart; an outcome also has its own marker.
//! The same run gives the same picture, byte for byte, on every machine. No file is written here.

mod axes;
mod charts;
mod declared_run;
mod map;
mod panels;
mod paths;
mod png;
mod scene;
mod svg;

use crate::columnar::{PlotData, PlotEpisode, PlumeGrid};
use crate::output::wrap::wrap_hanging;
use crate::support::visible::escape_control;
use axes::{INK, SOFT};
use panels::{ChosenPanels, PlotPanel};
use scene::{PlotScene, Rect, SceneText, TextAnchor};

pub use axes::with_minus;
pub use panels::clean_reward;

/// The colour of a mark: a red that is also dark.
const MARK: u32 = 0xB4_23_18;

/// The content of the picture.
#[derive(Debug, Clone, Copy)]
pub struct RunPlot<'a> {
    /// The run, as `experiment/run_id`.
    pub title: &'a str,
    /// Its metrics in one line.
    pub subtitle: &'a str,
    /// What a reader must know before all else: that the run is invalid, or was interrupted.
    pub mark: Option<&'a str>,
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

/// What the picture does not show of a run, each with the reason.
#[must_use]
pub fn describe_left_out(picture: &RunPlot<'_>) -> Vec<String> {
    choose_panels(picture).left_out
}

fn choose_panels<'a>(picture: &RunPlot<'a>) -> ChosenPanels<'a> {
    let mut chosen = ChosenPanels::choose(picture.plot_data);
    if picture.plot_data.is_plume {
        chosen.left_out.extend(map::describe_left_out(picture));
    }
    chosen
}

fn compose_scene(picture: &RunPlot<'_>) -> PlotScene {
    let chosen = choose_panels(picture);
    if !picture.plot_data.is_plume {
        return declared_run::compose_charts(picture, chosen);
    }
    // The layout: the map at the left, at most three charts in a column at the right.
    let mut scene = titled_scene(picture, 840.0, &chosen.left_out);
    map::draw_map(&mut scene, Rect { x: 76.0, y: 130.0, w: 510.0, h: 600.0 }, picture);
    for (row, panel) in (0_u8..).zip(&chosen.panels) {
        let area = Rect { x: 690.0, y: 130.0 + 250.0 * f32::from(row), w: 470.0, h: 160.0 };
        match panel {
            PlotPanel::Line(line) => charts::draw_distance(&mut scene, area, picture, line),
            PlotPanel::Reward(line) => charts::draw_reward(&mut scene, area, picture, line),
            PlotPanel::Lengths => charts::draw_lengths(&mut scene, area, picture.plot_data),
            // These runs have no chart of actions.
            PlotPanel::Actions(_) => {}
        }
    }
    scene
}

/// A picture with its head, and at the bottom what it does not show. `height` is that of all above the bottom.
fn titled_scene(picture: &RunPlot<'_>, height: f32, left_out: &[String]) -> PlotScene {
    const LINE: f32 = 18.0;
    let bottom = match left_out {
        [] => Vec::new(),
        left_out => wrap_hanging(&format!("Not drawn: {}", left_out.join(", ")), 160, 2),
    };
    let lines = u8::try_from(bottom.len()).unwrap_or(u8::MAX);
    let mark = picture.mark.map(|mark| format!(" ({mark})")).unwrap_or_default();
    let title = format!("Run {}: {}{mark}", picture.title, picture.subtitle);
    let below = if lines > 0 { f32::from(lines) * LINE + 6.0 } else { 0.0 };
    let mut scene = PlotScene::new(1200.0, height + below, title);
    let room = if picture.mark.is_some() { 54 } else { 80 };
    scene.push_text(
        SceneText::new((40.0, 46.0), 24.0, INK, shorten_title(&escape_control(picture.title), room)).with_bold(),
    );
    if let Some(mark) = picture.mark {
        let text = SceneText::new((1160.0, 46.0), 15.0, MARK, shorten_title(&escape_control(mark), 46));
        scene.push_text(text.with_bold().with_anchor(TextAnchor::End));
    }
    scene.push_text(SceneText::new((40.0, 72.0), 14.0, SOFT, shorten_title(&escape_control(picture.subtitle), 150)));
    for (at, line) in (0_u8..).zip(bottom) {
        scene.push_text(SceneText::new((40.0, height + 6.0 + f32::from(at) * LINE), 12.0, SOFT, line));
    }
    scene
}

fn shorten_title(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

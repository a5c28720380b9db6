//! `capture-hook show`: one run, whole.

use anstyle::{AnsiColor, Style};

use super::complete;
use crate::app::{App, Outcome};
use crate::columnar::{Curve, KeyFigures};
use crate::dataset::location::Place;
use crate::error::Error;
use crate::formats::json::Value;
use crate::history::Change;
use crate::history::catalog::{Catalog, Target};
use crate::history::summary::{Depth, Summary};
use crate::output::json::{Seeds, Show, ShowFile, ShowHistory, ShowValidation};
use crate::output::table::shortened;
use crate::output::{Text, human, sparkline};
use crate::project::Project;
use crate::support::visible::visible;
use crate::validate::{Ignored, SeedSummary};

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook show latest                  the run that began last
  capture-hook show nav/r1
  capture-hook show capture/nav/r1@v2       a tag: the data as that commit has it
  capture-hook show results/nav/r1          a directory
  capture-hook show latest:nav --json | jq .figures")]
pub struct Args {
    /// The run or its tag: a path, experiment/run_id, a run id or a unique start of one, latest, latest:EXPERIMENT.
    #[arg(value_name = "RUN|TAG", default_value = "latest", add = complete::runs_and_tags())]
    run: String,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let project = app.project()?;
    let catalog = project.catalog()?;
    let target = project.resolve_run(&catalog, &app.cwd, &args.run)?;
    let place = project.locate(&catalog, &target)?;
    let depth = if app.ui.json() { Depth::Figures } else { Depth::Trace };
    let bar = app.ui.progress("reading the run", None);
    let summary = project.summary(&place, depth, &bar)?;
    drop(bar);
    let shown = facts(&project, &catalog, &target, &place, &summary);
    if app.ui.json() {
        app.ui.data_json(&shown);
    } else {
        let pager = project.repo.config("core.pager")?;
        app.ui.page(&text(&shown, &summary), &app.env, pager.as_deref());
    }
    Ok(Outcome::Done)
}

fn facts(project: &Project, catalog: &Catalog, target: &Target, place: &Place, summary: &Summary) -> Show {
    let meta = summary.meta.as_ref();
    let strict = |key: &str| meta.and_then(|m| m.raw.get(key)).filter(|v| !v.is_null()).map(Value::to_strict);
    let change = match &target.commit {
        Some(commit) => catalog.history.changes.iter().find(|change| change.commit.id == *commit),
        None => catalog.history.newest(&target.key),
    };
    Show {
        run: target.key.to_string(),
        experiment: target.key.experiment().into(),
        run_id: target.key.run_id().into(),
        source: place.words(),
        path: place.dir().map(|dir| dir.strip_prefix(&project.root).unwrap_or(dir).to_string_lossy().into_owned()),
        start_time: meta.map(|m| m.start_time.clone()),
        schema_version: meta.map(|m| m.schema_version.clone()),
        package_version: meta.and_then(|m| m.package_version.clone()),
        git_sha: meta.and_then(|m| m.git_sha.clone()),
        base_seed: meta.and_then(|m| m.base_seed),
        seeds: summary.seeds.map(seeds),
        config_hash: summary.config_hash.clone(),
        env_config: meta.map(|m| m.env_config.to_strict()),
        system: strict("system"),
        history: change.map(|change| history(catalog, target, change)),
        validation: summary.verdict.as_ref().map(|verdict| ShowValidation {
            ok: verdict.ok,
            errors: verdict.errors.clone(),
            warnings: verdict.warnings.clone(),
            ignored: verdict.ignored.clone(),
        }),
        figures: summary.figures.clone(),
        files: summary.files.iter().map(|(path, bytes)| ShowFile { path: path.clone(), bytes: *bytes }).collect(),
    }
}

fn history(catalog: &Catalog, target: &Target, change: &Change) -> ShowHistory {
    ShowHistory {
        commit: change.commit.id.to_string(),
        committed_at: human::iso(change.commit.time),
        author: change.commit.author.clone(),
        subject: change.commit.subject(),
        data_version: change.locked.version.to_string(),
        tags: catalog.history.tags_of(&target.key).iter().map(|tag| tag.tag.name.clone()).collect(),
    }
}

fn seeds(seeds: SeedSummary) -> Seeds {
    Seeds { unique_count: seeds.unique_count, min: seeds.min, max: seeds.max }
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

fn text(show: &Show, summary: &Summary) -> Text {
    let mut out = Text::new();
    out.styled(BOLD, &show.run).end_line();
    let mut line = |name: &str, value: Text| {
        if !value.is_empty() {
            out.add("  ").styled(DIM, format!("{name:<15} ")).append(&value).end_line();
        }
    };
    line("started", show.start_time.as_deref().unwrap_or_default().into());
    line("recorder", recorder(show).into());
    line("where", show.path.as_deref().unwrap_or("DVC's cache").into());
    line("validation", show.validation.as_ref().map(validation).unwrap_or_default());
    if let Some(history) = &show.history {
        let commit = history.commit.get(..9).unwrap_or(&history.commit);
        let day = history.committed_at.get(..10).unwrap_or_default();
        let mut said = Text::from(format!("{commit}  {}  ", history.subject));
        said.styled(DIM, format!("({}, {day})", history.author));
        line("commit", said);
        line("tags", history.tags.join(", ").into());
        line("data version", history.data_version.as_str().into());
    } else {
        line("commit", dim("none yet"));
    }
    line("configuration", show.config_hash.as_ref().map(|hash| short_hash(hash)).unwrap_or_default().into());
    for (key, value) in config_lines(summary) {
        let mut setting = Text::from(key);
        setting.add(" ").styled(DIM, "=").add(format!(" {value}"));
        line("", setting);
    }
    line("seeds", show.seeds.as_ref().map(seed_text).unwrap_or_default().into());
    if let Some(figures) = &show.figures {
        figure_lines(figures, &mut |name, value| line(name, value.into()));
    }
    if let Some(trace) = &summary.trace {
        line("distance", curve(&trace.distance).into());
        line("reward so far", curve(&trace.reward).into());
    }
    let bytes: u64 = show.files.iter().filter_map(|file| file.bytes).sum();
    line("files", format!("{}, {}", show.files.len(), human::bytes(bytes)).into());
    out
}

fn dim(words: &str) -> Text {
    let mut text = Text::new();
    text.styled(DIM, words);
    text
}

/// As much of a hash as a line of 80 columns has room for, and more than anyone compares; `--json` has all of it.
fn short_hash(hash: &str) -> String {
    const DIGITS: usize = 48;
    hash.get(..DIGITS).map_or_else(|| format!("sha256:{hash}"), |start| format!("sha256:{start}…"))
}

fn recorder(show: &Show) -> String {
    let mut parts = Vec::new();
    if let Some(version) = &show.package_version {
        parts.push(format!("package {version}"));
    }
    if let Some(schema) = &show.schema_version {
        parts.push(format!("schema {schema}"));
    }
    if let Some(sha) = &show.git_sha {
        parts.push(format!("code {sha}"));
    }
    parts.join(", ")
}

fn validation(verdict: &ShowValidation) -> Text {
    const GOOD: Style = AnsiColor::Green.on_default();
    const BAD: Style = AnsiColor::Red.on_default();
    let mut text = Text::new();
    match verdict.ok {
        true => text.styled(GOOD, "valid"),
        false => text.styled(BAD, "invalid"),
    };
    if !verdict.errors.is_empty() {
        text.add(format!(": {}", verdict.errors.join(", ")));
    }
    if !verdict.warnings.is_empty() {
        text.add(format!(" (warnings: {})", verdict.warnings.join(", ")));
    }
    if let Some(ignored) = Ignored::words(&verdict.ignored) {
        text.add("; ").styled(AnsiColor::Yellow.on_default(), ignored);
    }
    text
}

/// The configuration, a key a line; at most so many that the rest of the page still shows.
fn config_lines(summary: &Summary) -> Vec<(String, String)> {
    const MOST: usize = 16;
    let Some(meta) = &summary.meta else { return Vec::new() };
    let mut all = crate::history::compare::flat(&meta.env_config);
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    let mut lines: Vec<(String, String)> = all
        .into_iter()
        .map(|(key, value)| {
            let value = shortened(&visible(value.canonical()), 48);
            (shortened(&visible(key), 40), value)
        })
        .collect();
    if more > 0 {
        lines.push(("…".into(), format!("{more} more: --json has them all")));
    }
    lines
}

fn seed_text(seeds: &Seeds) -> String {
    match (seeds.unique_count, seeds.min == seeds.max) {
        (1, _) | (_, true) => seeds.min.to_string(),
        (n, _) => format!("{} different, {} to {}", human::count(n), seeds.min, seeds.max),
    }
}

fn figure_lines(figures: &KeyFigures, line: &mut impl FnMut(&str, String)) {
    let episodes = human::plural(figures.episodes, "episode");
    let steps = human::plural(figures.steps, "step");
    let mean = figures.mean_steps.map(|n| format!(", {} an episode", human::number(n))).unwrap_or_default();
    line("episodes", format!("{episodes}, {steps}{mean}"));
    if let Some(rate) = figures.success_rate {
        let n = human::count(figures.successes);
        line("success", format!("{} ({n} of {} reached the goal)", human::percent(rate), figures.episodes));
    }
    if let (Some(mean), Some(best)) = (figures.mean_reward, figures.max_reward) {
        line("reward", format!("{} mean, {} best", human::number(mean), human::number(best)));
    }
    if let (Some(mean), Some(best)) = (figures.mean_final_distance, figures.min_final_distance) {
        line("final distance", format!("{} mean, {} nearest", human::number(mean), human::number(best)));
    }
}

/// A curve's median in a line, with its first and last value.
fn curve(curve: &Curve) -> String {
    let values: Vec<f64> = curve.iter().map(|band| band.mid).collect();
    let (Some(first), Some(last), Some(line)) = (values.first(), values.last(), sparkline(&values, 32)) else {
        return String::new();
    };
    format!("{line}  {} → {} (median)", human::number(*first), human::number(*last))
}

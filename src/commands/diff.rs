//! `capture-hook diff`: two runs, key by key.

use anstyle::{AnsiColor, Style};
use serde_json::Value as Strict;

use super::complete;
use crate::app::{App, Outcome};
use crate::columnar::KeyFigures;
use crate::error::Error;
use crate::formats::json::{Object, Value};
use crate::history::catalog::Catalog;
use crate::history::compare::{Difference, differences};
use crate::history::summary::{Depth, Summary};
use crate::output::json::{Diff, DiffFigures, DiffKey, DiffSeeds, Seeds};
use crate::output::table::{Column, Table, shortened, styled};
use crate::output::{Text, human};
use crate::project::Project;
use crate::support::visible::visible;

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook diff nav/r1 nav/r2
  capture-hook diff capture/nav/r1 capture/nav/r1@v2       the same run, recorded twice
  capture-hook diff nav/r1 latest --json | jq .config")]
pub struct Args {
    /// A run or its tag.
    #[arg(value_name = "A", add = complete::runs_and_tags())]
    a: String,
    /// Another.
    #[arg(value_name = "B", add = complete::runs_and_tags())]
    b: String,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let project = app.project()?;
    let catalog = project.catalog()?;
    let (name_a, a) = read(app, &project, &catalog, &args.a)?;
    let (name_b, b) = read(app, &project, &catalog, &args.b)?;
    let config = |summary: &Summary| {
        summary.meta.as_ref().map_or_else(|| Value::from(Object::new()), |meta| meta.env_config.clone())
    };
    let seeds = |s: &Summary| s.seeds.map(|s| Seeds { unique_count: s.unique_count, min: s.min, max: s.max });
    let (seeds_a, seeds_b) = (seeds(&a), seeds(&b));
    let diff = Diff {
        same_config: a.config_hash.is_some() && a.config_hash == b.config_hash,
        config: differences(&config(&a), &config(&b)).into_iter().map(key).collect(),
        seeds: DiffSeeds { same: seeds_a == seeds_b, a: seeds_a, b: seeds_b },
        metadata: differences(&metadata(&a), &metadata(&b)).into_iter().map(key).collect(),
        figures: DiffFigures { a: a.figures, b: b.figures },
        a: name_a,
        b: name_b,
    };
    if app.ui.json() {
        app.ui.data_json(&diff);
    } else {
        let pager = project.repo.config("core.pager")?;
        app.ui.page(&text(&diff, app.ui.width()), &app.env, pager.as_deref());
    }
    Ok(Outcome::Done)
}

fn read(app: &App, project: &Project, catalog: &Catalog, query: &str) -> Result<(String, Summary), Error> {
    let target = project.resolve_run(catalog, &app.cwd, query)?;
    let place = project.locate(catalog, &target)?;
    let bar = app.ui.progress("reading the run", None);
    let name = match &target.commit {
        // Two versions of one run are told apart by what was typed.
        Some(_) => query.to_owned(),
        None => target.key.to_string(),
    };
    Ok((name, project.summary(&place, Depth::Figures, &bar)?))
}

/// What is worth comparing beside the configuration.
fn metadata(summary: &Summary) -> Value {
    let raw = summary.meta.as_ref().map(|meta| &meta.raw);
    ["schema_version", "package_version", "git_sha", "base_seed", "system"]
        .into_iter()
        .filter_map(|key| Some((key, raw?.get(key)?.clone())))
        .collect::<Object>()
        .into()
}

fn key(difference: Difference) -> DiffKey {
    let strict = |value: &Option<Value>| value.as_ref().map_or(Strict::Null, Value::to_strict);
    DiffKey {
        key: difference.key,
        a: strict(&difference.a),
        b: strict(&difference.b),
        in_a: difference.a.is_some(),
        in_b: difference.b.is_some(),
    }
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();

fn text(diff: &Diff, width: usize) -> Text {
    let mut out = Text::new();
    out.add("A  ").styled(BOLD, &diff.a).end_line();
    out.add("B  ").styled(BOLD, &diff.b).end_line();
    out.end_line();
    let mut table = Table::new([Column::Left(""), Column::Left(""), Column::Shrink("A"), Column::Shrink("B")]);
    if diff.config.is_empty() {
        table.row(["configuration".into(), "".into(), styled("the same", GREEN), "".into()]);
    }
    for (section, keys) in [("configuration", &diff.config), ("metadata", &diff.metadata)] {
        for (at, key) in keys.iter().enumerate() {
            let value = |value: &Strict, there: bool| {
                if there { value_text(value).into() } else { styled("(none)", DIM) }
            };
            let section = if at == 0 { section } else { "" };
            let name = shortened(&visible(&key.key), 32);
            table.row([section.into(), name.into(), value(&key.a, key.in_a), value(&key.b, key.in_b)]);
        }
    }
    let seeds = |seeds: &Option<Seeds>| match seeds {
        None => "(none)".to_owned(),
        Some(s) if s.min == s.max => s.min.to_string(),
        Some(s) => format!("{} to {} ({})", s.min, s.max, s.unique_count),
    };
    if diff.seeds.same {
        table.row(["seeds".into(), "".into(), styled(format!("the same: {}", seeds(&diff.seeds.a)), GREEN)]);
    } else {
        table.row(["seeds".into(), "".into(), seeds(&diff.seeds.a).into(), seeds(&diff.seeds.b).into()]);
    }
    for (at, (name, of)) in FIGURES.iter().enumerate() {
        let value = |figures: &Option<KeyFigures>| figures.as_ref().map_or_else(|| "-".into(), of);
        let (a, b) = (value(&diff.figures.a), value(&diff.figures.b));
        let section = if at == 0 { "figures" } else { "" };
        table.row([section.into(), (*name).into(), a.into(), b.into()]);
    }
    out.append(&table.render(width));
    out
}

type Figure = (&'static str, fn(&KeyFigures) -> String);

const FIGURES: &[Figure] = &[
    ("episodes", |f| human::count(f.episodes)),
    ("steps", |f| human::count(f.steps)),
    ("success", |f| f.success_rate.map_or_else(|| "-".into(), human::percent)),
    ("mean reward", |f| human::maybe(f.mean_reward)),
    ("best reward", |f| human::maybe(f.max_reward)),
    ("mean steps", |f| human::maybe(f.mean_steps)),
    ("mean final distance", |f| human::maybe(f.mean_final_distance)),
];

fn value_text(value: &Strict) -> String {
    match value {
        Strict::String(text) => text.clone(),
        other => other.to_string(),
    }
}

//! `capture-hook diff`: two runs, key by key.

use anstyle::{AnsiColor, Style};
use serde_json::Value as Strict;

use super::complete;
use crate::app::{App, CommandOutcome};
use crate::columnar::RunMetrics;
use crate::error::Error;
use crate::formats::json::{JsonObject, JsonValue};
use crate::history::catalog::{self, Catalog};
use crate::history::compare::{ValueDifference, compare_values};
use crate::history::summary::{self, RunSummary, SummaryDepth};
use crate::output::json::{DiffJson, DiffKeyJson, DiffMetricsJson, DiffSeedsJson, SeedsJson};
use crate::output::table::{Column, TextTable, shorten_text, styled_cell};
use crate::output::{StyledText, human};
use crate::project::Project;
use crate::support::text::format_count;
use crate::support::visible::escape_control;

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook diff nav/r1 nav/r2
  capture-hook diff capture/nav/r1 capture/nav/r1@v2       the same run, recorded twice
  capture-hook diff nav/r1 latest --json | jq .config")]
pub struct Args {
    /// A run or its tag.
    #[arg(value_name = "A", add = complete::run_and_tag_candidates())]
    a: String,
    /// Another.
    #[arg(value_name = "B", add = complete::run_and_tag_candidates())]
    b: String,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project = app.open_project()?;
    let catalog = catalog::load_catalog(&project)?;
    let (name_a, a) = read_summary(app, &project, &catalog, &args.a)?;
    let (name_b, b) = read_summary(app, &project, &catalog, &args.b)?;
    let config = |summary: &RunSummary| {
        summary.meta.as_ref().map_or_else(|| JsonValue::from(JsonObject::new()), |meta| meta.env_config.clone())
    };
    let seeds = |s: &RunSummary| s.seeds.map(|s| SeedsJson { unique_count: s.unique_count, min: s.min, max: s.max });
    let (seeds_a, seeds_b) = (seeds(&a), seeds(&b));
    let diff = DiffJson {
        // Two runs without a hash are not known to be the same.
        same_config: a.config_hash.is_some() && a.config_hash == b.config_hash,
        config: compare_values(&config(&a), &config(&b)).into_iter().map(diff_key).collect(),
        seeds: DiffSeedsJson { same: seeds_a == seeds_b, a: seeds_a, b: seeds_b },
        metadata: compare_values(&comparable_metadata(&a), &comparable_metadata(&b))
            .into_iter()
            .map(diff_key)
            .collect(),
        metrics: DiffMetricsJson { a: a.metrics, b: b.metrics },
        a: name_a,
        b: name_b,
    };
    if app.ui.json() {
        app.ui.print_json(&diff);
    } else {
        let pager = project.repo.config_value("core.pager")?;
        app.ui.page_text(&render_text(&diff, app.ui.terminal_width()), &app.env, pager.as_deref());
    }
    Ok(CommandOutcome::Done)
}

fn read_summary(app: &App, project: &Project, catalog: &Catalog, query: &str) -> Result<(String, RunSummary), Error> {
    let target = catalog::resolve_query(project, catalog, &app.cwd, query)?;
    let location = catalog::locate_run(project, catalog, &target)?;
    let bar = app.ui.progress("reading the run", None);
    let name = match &target.commit {
        // The run's name does not distinguish two of its versions, so what was typed is shown.
        Some(_) => query.to_owned(),
        None => target.key.to_string(),
    };
    Ok((name, summary::summarize_run(project, &location, SummaryDepth::Metrics, &bar)?))
}

/// What is worth comparing beside the configuration.
fn comparable_metadata(summary: &RunSummary) -> JsonValue {
    let raw = summary.meta.as_ref().map(|meta| &meta.raw);
    ["schema_version", "package_version", "git_sha", "base_seed", "system"]
        .into_iter()
        .filter_map(|key| Some((key, raw?.get(key)?.clone())))
        .collect::<JsonObject>()
        .into()
}

fn diff_key(difference: ValueDifference) -> DiffKeyJson {
    let strict = |value: &Option<JsonValue>| value.as_ref().map_or(Strict::Null, JsonValue::to_strict);
    DiffKeyJson {
        key: difference.key,
        a: strict(&difference.a),
        b: strict(&difference.b),
        // A key whose value is null is not the same as a key that is absent: both are `null` above.
        in_a: difference.a.is_some(),
        in_b: difference.b.is_some(),
    }
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();

fn render_text(diff: &DiffJson, width: usize) -> StyledText {
    let mut out = StyledText::new();
    out.push_str("A  ").push_styled(BOLD, &diff.a).end_line();
    out.push_str("B  ").push_styled(BOLD, &diff.b).end_line();
    out.end_line();
    let mut table = TextTable::new([Column::Left(""), Column::Left(""), Column::Shrink("A"), Column::Shrink("B")]);
    if diff.config.is_empty() {
        table.push_row(["configuration".into(), "".into(), styled_cell("the same", GREEN), "".into()]);
    }
    for (section, keys) in [("configuration", &diff.config), ("metadata", &diff.metadata)] {
        for (at, key) in keys.iter().enumerate() {
            let value = |value: &Strict, is_present: bool| {
                if is_present { value_text(value).into() } else { styled_cell("(none)", DIM) }
            };
            let section = if at == 0 { section } else { "" };
            let name = shorten_text(&escape_control(&key.key), 32);
            table.push_row([section.into(), name.into(), value(&key.a, key.in_a), value(&key.b, key.in_b)]);
        }
    }
    let seeds = |seeds: &Option<SeedsJson>| match seeds {
        None => "(none)".to_owned(),
        Some(s) if s.min == s.max => s.min.to_string(),
        Some(s) => format!("{} to {} ({})", s.min, s.max, s.unique_count),
    };
    if diff.seeds.same {
        table.push_row(["seeds".into(), "".into(), styled_cell(format!("the same: {}", seeds(&diff.seeds.a)), GREEN)]);
    } else {
        table.push_row(["seeds".into(), "".into(), seeds(&diff.seeds.a).into(), seeds(&diff.seeds.b).into()]);
    }
    for (at, (name, value_of)) in METRIC_COLUMNS.iter().enumerate() {
        let value = |metrics: &Option<RunMetrics>| metrics.as_ref().map_or_else(|| "-".into(), value_of);
        let (a, b) = (value(&diff.metrics.a), value(&diff.metrics.b));
        let section = if at == 0 { "metrics" } else { "" };
        table.push_row([section.into(), (*name).into(), a.into(), b.into()]);
    }
    out.push_text(&table.render_text(width));
    out
}

type MetricColumn = (&'static str, fn(&RunMetrics) -> String);

const METRIC_COLUMNS: &[MetricColumn] = &[
    ("episodes", |f| format_count(f.episodes)),
    ("steps", |f| format_count(f.steps)),
    ("success", |f| f.success_rate.map_or_else(|| "-".into(), human::format_percent)),
    ("mean reward", |f| human::format_optional(f.mean_reward)),
    ("best reward", |f| human::format_optional(f.max_reward)),
    ("mean steps", |f| human::format_optional(f.mean_steps)),
    ("mean final distance", |f| human::format_optional(f.mean_final_distance)),
];

fn value_text(value: &Strict) -> String {
    match value {
        Strict::String(text) => text.clone(),
        other => other.to_string(),
    }
}

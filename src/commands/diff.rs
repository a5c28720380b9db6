//! `capture-hook diff`: two runs or more, key by key.

mod many;
mod metric_rows;

use anstyle::{AnsiColor, Style};
use serde_json::Value as Strict;

use metric_rows::metric_rows;

use super::complete;
use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::formats::json::{JsonObject, JsonValue};
use crate::history::catalog::{self, Catalog};
use crate::history::commit_facts;
use crate::history::compare::{ColumnDifference, ValueDifference, compare_schemas, compare_values};
use crate::history::summary::{self, RunSummary, SummaryDepth};
use crate::output::json::{DiffColumnJson, DiffJson, DiffKeyJson, DiffMetricsJson, DiffSeedsJson, SeedsJson};
use crate::output::table::{ColumnStyle, TextTable, WIDTH, shorten_text, styled_cell};
use crate::output::{StyledText, human, wrap_hanging};
use crate::project::dir::ProjectDir;
use crate::project::{Project, ProjectError};
use crate::support::text::format_plural;
use crate::support::visible::escape_control;

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook diff nav/r1 nav/r2
  capture-hook diff nav/r1 nav/r2 nav/r3                   a column for each run
  capture-hook diff capture/nav/r1 capture/nav/r1@v2       the same run, recorded twice
  capture-hook diff nav/r1 latest --json | jq .config

For numbers, CHANGE is how much larger or smaller B is.")]
pub struct Args {
    /// A run or its tag.
    #[arg(value_name = "A", add = complete::run_and_tag_candidates())]
    a: String,
    /// Another.
    #[arg(value_name = "B", add = complete::run_and_tag_candidates())]
    b: String,
    /// More runs.
    #[arg(value_name = "RUN", add = complete::run_and_tag_candidates())]
    more: Vec<String>,
    /// Show fields, too, that differ from one start of the program to the next: process, host, times.
    #[arg(long)]
    all: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project = app.open_project()?;
    let wait = app.ui.wait("reading the history");
    let catalog = catalog::load_catalog(&project)?;
    drop(wait);
    let (name_a, a) = read_summary(app, &project, &catalog, &args.a)?;
    let (name_b, b) = read_summary(app, &project, &catalog, &args.b)?;
    let pager = project.repo.config_value("core.pager")?;
    if !args.more.is_empty() {
        let mut all = vec![(name_a, a), (name_b, b)];
        for query in &args.more {
            all.push(read_summary(app, &project, &catalog, query)?);
        }
        let diff = many::compare_runs(&all);
        if app.ui.json() {
            app.ui.print_json(&diff);
        } else {
            let noise = noise_among(diff.metadata.iter().flatten().map(|key| &key.key), args.all);
            app.ui.page_text(&many::render_text(&diff, &noise, app.ui.terminal_width()), &app.env, pager.as_deref());
        }
        return Ok(CommandOutcome::Done);
    }
    let (seeds_a, seeds_b) = (seeds_json(&a), seeds_json(&b));
    let compare = |of: fn(&RunSummary) -> Option<JsonValue>| -> Option<Vec<DiffKeyJson>> {
        Some(compare_values(&of(&a)?, &of(&b)?).into_iter().map(diff_key).collect())
    };
    let diff = DiffJson {
        same_config: a.config_hash.as_ref().zip(b.config_hash.as_ref()).map(|(a, b)| a == b),
        config: compare(env_config),
        seeds: DiffSeedsJson {
            same: (has_metadata(&a) && has_metadata(&b)).then(|| seeds_a == seeds_b),
            a: seeds_a,
            b: seeds_b,
        },
        metadata: compare(comparable_metadata),
        schema: schema_changes(&a, &b),
        metrics: DiffMetricsJson { a: a.metrics, b: b.metrics },
        a: name_a,
        b: name_b,
    };
    if app.ui.json() {
        app.ui.print_json(&diff);
    } else {
        let noise = noise_among(diff.metadata.iter().flatten().map(|key| &key.key), args.all);
        app.ui.page_text(&render_text(&diff, &noise, app.ui.terminal_width()), &app.env, pager.as_deref());
    }
    Ok(CommandOutcome::Done)
}

fn read_summary(app: &App, project: &Project, catalog: &Catalog, query: &str) -> Result<(String, RunSummary), Error> {
    let target = catalog::resolve_query(project, catalog, &app.cwd, query)?;
    let location = match catalog::locate_run(project, catalog, &target) {
        // What git knows is compared.
        Err(ProjectError::RunNotHere { .. }) => None,
        location => Some(location?),
    };
    let bar = app.ui.progress("reading the run", None);
    let name = match &target.commit {
        // The run's name does not distinguish two of its versions, so what was typed is shown.
        Some(_) => query.to_owned(),
        None => target.key.to_string(),
    };
    let summary = match &location {
        Some(location) => {
            summary::summarize_run(&ProjectDir::of_project(project)?, location, SummaryDepth::Metrics, &bar)?
        }
        None => commit_facts::summarize_from_git(project, catalog, &target),
    };
    if let (None, false, Some(fetch)) = (&location, app.ui.json(), catalog.history.fetch_command(&target.key)) {
        app.ui.warn(&format!("the data of {name} is not in this clone: only what git knows of it is compared"));
        app.ui.hint(&format!("fetch its data with `{fetch}`"));
    }
    Ok((name, summary))
}

/// A run's configuration, if it is known.
fn env_config(summary: &RunSummary) -> Option<JsonValue> {
    summary.meta.as_ref().map(|meta| meta.env_config.clone())
}

/// Whether the run's own files were read. Else it is not known that it has no seeds.
fn has_metadata(summary: &RunSummary) -> bool {
    summary.meta.is_some()
}

fn seeds_json(summary: &RunSummary) -> Option<SeedsJson> {
    summary.seeds.map(|s| SeedsJson { unique_count: s.unique_count, min: s.min, max: s.max })
}

/// What is worth comparing beside the configuration, if it is known.
fn comparable_metadata(summary: &RunSummary) -> Option<JsonValue> {
    let raw = &summary.meta.as_ref()?.raw;
    let members = ["schema_version", "package_version", "git_sha", "base_seed", "system"]
        .into_iter()
        .filter_map(|key| Some((key, raw.get(key)?.clone())));
    Some(members.collect::<JsonObject>().into())
}

/// Whether configurations of which the keys are not known are the same, by their hashes.
fn same_config_text(same_config: Option<bool>) -> &'static str {
    match same_config {
        Some(true) => "the same, by its hash",
        Some(false) => "differs, by its hash; the keys are unknown here",
        None => "unknown",
    }
}

/// The columns that differ; `None` if neither run declares columns, or if it is not known which it has.
fn schema_changes(a: &RunSummary, b: &RunSummary) -> Option<Vec<DiffColumnJson>> {
    let (a, b) = (a.schema.as_ref()?, b.schema.as_ref()?);
    if a.is_plume() && b.is_plume() {
        return None;
    }
    let column = |ColumnDifference { stream, column, a, b }| DiffColumnJson { stream: stream.stem(), column, a, b };
    Some(compare_schemas(a, b).into_iter().map(column).collect())
}

/// Of these keys of metadata, those that say nothing about a run; none if all are asked for.
fn noise_among<'a>(keys: impl Iterator<Item = &'a String>, all: bool) -> Vec<String> {
    const NOISE: [&str; 9] =
        ["pid", "ppid", "hostname", "host", "node", "time", "start_time", "timestamp", "boot_time"];
    let is_noise = |key: &&String| key.strip_prefix("system.").is_some_and(|name| NOISE.contains(&name));
    keys.filter(|_| !all).filter(is_noise).cloned().collect()
}

/// Says which fields are left out; nothing if none is.
fn push_noise_line(out: &mut StyledText, noise: &[String], width: usize) {
    if noise.is_empty() {
        return;
    }
    let fields = format_plural(noise.len() as u64, "field");
    let what = if noise.len() == 1 { "it" } else { "them" };
    let text = format!("{fields} left out as noise ({}): --all shows {what}", noise.join(", "));
    for line in wrap_hanging(&text, width.min(WIDTH), 2) {
        out.push_styled(DIM, line).end_line();
    }
}

/// The change of a number of the configuration, in words. Numbers that only name something have none.
fn describe_change(key: &DiffKeyJson) -> String {
    let name = key.key.rsplit('.').next().unwrap_or(&key.key);
    match (key.a.as_f64(), key.b.as_f64()) {
        (Some(before), Some(after)) if !name.contains("seed") => human::format_change(before, after),
        _ => String::new(),
    }
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

fn render_text(diff: &DiffJson, noise: &[String], width: usize) -> StyledText {
    let mut out = StyledText::new();
    out.push_str("A  ").push_styled(BOLD, &diff.a).end_line();
    out.push_str("B  ").push_styled(BOLD, &diff.b).end_line();
    out.end_line();
    let mut table = TextTable::new([
        ColumnStyle::Left(""),
        ColumnStyle::ShrinkStart(""),
        ColumnStyle::Shrink("A"),
        ColumnStyle::Shrink("B"),
        ColumnStyle::Right("CHANGE"),
    ]);
    match &diff.config {
        Some(config) if config.is_empty() => {
            table.push_row(["config".into(), "".into(), styled_cell("the same", GREEN), "".into()]);
        }
        Some(_) => {}
        None => table.push_note(["config".into(), "".into(), same_config_text(diff.same_config).into()]),
    }
    for (section, keys, is_config) in [("config", &diff.config, true), ("metadata", &diff.metadata, false)] {
        for (at, key) in keys.iter().flatten().filter(|key| is_config || !noise.contains(&key.key)).enumerate() {
            let value = |value: &Strict, is_present: bool| {
                if is_present { value_text(value).into() } else { styled_cell("(none)", DIM) }
            };
            let section = if at == 0 { section } else { "" };
            let name = shorten_text(&escape_control(&key.key), 32);
            let change = if is_config { describe_change(key) } else { String::new() };
            let values = [value(&key.a, key.in_a), value(&key.b, key.in_b), change.into()];
            table.push_row([section.into(), name.into()].into_iter().chain(values));
        }
    }
    add_schema_rows(&mut table, diff.schema.as_deref());
    let (seeds_a, seeds_b) = (seeds_text(diff.seeds.a.as_ref()), seeds_text(diff.seeds.b.as_ref()));
    if diff.seeds.same == Some(true) {
        table.push_row(["seeds".into(), "".into(), styled_cell(format!("the same: {seeds_a}"), GREEN)]);
    } else {
        table.push_row(["seeds".into(), "".into(), seeds_a.into(), seeds_b.into()]);
    }
    for (at, row) in metric_rows(&[diff.metrics.a.as_ref(), diff.metrics.b.as_ref()]).into_iter().enumerate() {
        let section = if at == 0 { "metrics" } else { "" };
        let cells = [section.into(), shorten_text(&row.name, 32).into()];
        let change = row.describe_change();
        table.push_row(cells.into_iter().chain(row.texts.into_iter().chain([change]).map(Into::into)));
    }
    out.push_text(&table.render_text(width));
    if !noise.is_empty() {
        out.end_line();
    }
    push_noise_line(&mut out, noise, width);
    out
}

fn add_schema_rows(table: &mut TextTable<'_>, columns: Option<&[DiffColumnJson]>) {
    /// More are another simulator's; `--json` has them all.
    const MOST: usize = 24;
    let Some(columns) = columns else { return };
    if columns.is_empty() {
        table.push_row(["schema".into(), "".into(), styled_cell("the same columns", GREEN)]);
    }
    for (at, DiffColumnJson { stream, column, a, b }) in columns.iter().take(MOST).enumerate() {
        // A unit is the recorder's text.
        let kind = |kind: &Option<String>| match kind {
            Some(kind) => shorten_text(&escape_control(kind), 40).into(),
            None => styled_cell("(none)", DIM),
        };
        let section = if at == 0 { "schema" } else { "" };
        let name = shorten_text(&format!("{stream}.{column}"), 32);
        table.push_row([section.into(), name.into(), kind(a), kind(b)]);
    }
    let more = columns.len().saturating_sub(MOST);
    if more > 0 {
        table.push_row(["".into(), "…".into(), format!("{more} more: --json has them all").into()]);
    }
}

fn seeds_text(seeds: Option<&SeedsJson>) -> String {
    match seeds {
        None => "-".to_owned(),
        Some(s) if s.min == s.max => s.min.to_string(),
        Some(s) => format!("{} to {} ({})", s.min, s.max, s.unique_count),
    }
}

fn value_text(value: &Strict) -> String {
    match value {
        Strict::String(text) => text.clone(),
        other => other.to_string(),
    }
}

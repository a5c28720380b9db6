//! `capture-hook diff`: two runs, key by key.

use anstyle::{AnsiColor, Style};
use serde_json::Value as Strict;

use super::complete;
use crate::app::{App, CommandOutcome};
use crate::columnar::{FigureSet, RunMetrics};
use crate::error::Error;
use crate::formats::json::{JsonObject, JsonValue};
use crate::history::catalog::{self, Catalog};
use crate::history::compare::{ColumnDifference, ValueDifference, compare_schemas, compare_values};
use crate::history::summary::{self, RunSummary, SummaryDepth};
use crate::output::json::{DiffColumnJson, DiffJson, DiffKeyJson, DiffMetricsJson, DiffSeedsJson, SeedsJson};
use crate::output::table::{ColumnStyle, TextTable, shorten_text, styled_cell};
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
        schema: schema_changes(&a, &b),
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

/// The columns that differ; `None` if neither run declares columns, or if it is not known which it has.
fn schema_changes(a: &RunSummary, b: &RunSummary) -> Option<Vec<DiffColumnJson>> {
    let (a, b) = (a.schema.as_ref()?, b.schema.as_ref()?);
    if a.is_plume() && b.is_plume() {
        return None;
    }
    let column = |ColumnDifference { stream, column, a, b }| DiffColumnJson { stream: stream.stem(), column, a, b };
    Some(compare_schemas(a, b).into_iter().map(column).collect())
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
    let mut table = TextTable::new([
        ColumnStyle::Left(""),
        ColumnStyle::Left(""),
        ColumnStyle::Shrink("A"),
        ColumnStyle::Shrink("B"),
    ]);
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
    add_schema_rows(&mut table, diff.schema.as_deref());
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
    for (at, [name, a, b]) in metric_rows(&diff.metrics).into_iter().enumerate() {
        let section = if at == 0 { "metrics" } else { "" };
        table.push_row([section.into(), shorten_text(&name, 32).into(), a.into(), b.into()]);
    }
    out.push_text(&table.render_text(width));
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

/// A name and both runs' values for each metric that at least one run has.
fn metric_rows(metrics: &DiffMetricsJson) -> Vec<[String; 3]> {
    let both = [&metrics.a, &metrics.b];
    let mut rows = Vec::new();
    for MetricColumn { name, is_shown, value_of } in METRIC_COLUMNS {
        let mut known = both.iter().filter_map(|metrics| metrics.as_ref()).peekable();
        // If no metrics can be read, the names say what is missing.
        if known.peek().is_none() || known.any(|metrics| is_shown(metrics.figures)) {
            let value = |metrics: &Option<RunMetrics>| metrics.as_ref().map_or_else(|| "-".into(), value_of);
            rows.push([(*name).to_owned(), value(&metrics.a), value(&metrics.b)]);
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for metric in both.iter().filter_map(|metrics| metrics.as_ref()?.declared.as_ref()).flatten() {
        if !names.contains(&metric.name.as_str()) {
            names.push(&metric.name);
        }
    }
    for name in names {
        let value = |metrics: &Option<RunMetrics>| {
            let mut declared = metrics.iter().filter_map(|metrics| metrics.declared.as_ref()).flatten();
            let metric = declared.find(|metric| metric.name == name);
            let value = metric.and_then(|metric| Some((metric.value?, human::format_unit(metric.unit.as_deref()))));
            value.map_or_else(|| "-".into(), |(value, unit)| format!("{}{unit}", human::format_number(value)))
        };
        rows.push([name.to_owned(), value(&metrics.a), value(&metrics.b)]);
    }
    rows
}

/// A metric that every run has, or none of its kind.
struct MetricColumn {
    name: &'static str,
    is_shown: fn(FigureSet) -> bool,
    value_of: fn(&RunMetrics) -> String,
}

const METRIC_COLUMNS: &[MetricColumn] = &[
    MetricColumn { name: "episodes", is_shown: |_| true, value_of: |f| format_count(f.episodes) },
    MetricColumn { name: "steps", is_shown: |_| true, value_of: |f| format_count(f.steps) },
    MetricColumn {
        name: "success",
        is_shown: |figures| figures.success,
        value_of: |f| f.success_rate.map_or_else(|| "-".into(), human::format_percent),
    },
    MetricColumn {
        name: "mean reward",
        is_shown: |figures| figures.reward,
        value_of: |f| human::format_optional(f.mean_reward),
    },
    MetricColumn {
        name: "best reward",
        is_shown: |figures| figures.reward,
        value_of: |f| human::format_optional(f.max_reward),
    },
    MetricColumn { name: "mean steps", is_shown: |_| true, value_of: |f| human::format_optional(f.mean_steps) },
    MetricColumn {
        name: "mean final distance",
        is_shown: |figures| figures.final_distance,
        value_of: |f| human::format_optional(f.mean_final_distance),
    },
];

fn value_text(value: &Strict) -> String {
    match value {
        Strict::String(text) => text.clone(),
        other => other.to_string(),
    }
}

//! `capture-hook schema show`: the columns of a run, as a table.

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::history::named_schema::find_schema;
use crate::output::StyledText;
use crate::output::json::{SchemaColumnJson, SchemaShowJson};
use crate::output::table::{ColumnStyle, TextTable};

/// Arguments of `schema show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook schema show cartpole/r1
  capture-hook schema show capture/cartpole/r1@v2      a tag: the schema as that commit has it
  capture-hook schema show schemas/cartpole.json       a file
  capture-hook --json schema show latest | jq '.steps[].column'")]
pub struct Args {
    /// The run, its tag, or a schema's file.
    #[arg(value_name = "RUN", default_value = "latest", add = crate::commands::complete::run_and_tag_candidates())]
    run: String,
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Runs the command.
pub(super) fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let found = find_schema(&app.cwd, &app.env, &args.run)?;
    let shown = SchemaShowJson::of_schema(&found.name, found.is_declared, &found.schema);
    if app.ui.json() {
        app.ui.print_json(&shown);
    } else {
        app.ui.print_text(&render_text(&shown, app.ui.table_width()));
    }
    Ok(CommandOutcome::Done)
}

fn render_text(shown: &SchemaShowJson, width: usize) -> StyledText {
    let mut out = StyledText::new();
    out.push_styled(BOLD, &shown.of);
    let what = if shown.declared {
        shown.name.as_deref()
    } else {
        Some("built in: plume-nav-sim, schema versions 0.1 and 1.0.0")
    };
    if let Some(what) = what {
        if shown.of.width() + 2 + what.width() > width {
            out.end_line();
        }
        out.push_str("  ").push_styled(DIM, what);
    }
    out.end_line();
    if let Some(description) = &shown.description {
        out.push_str(description).end_line();
    }
    if shown.reset_rows {
        out.push_str("step 0 is the state after reset(): any column can be absent there").end_line();
    }
    for (name, columns) in [("STEPS", &shown.steps), ("EPISODES", &shown.episodes)] {
        if columns.is_empty() {
            continue;
        }
        out.end_line();
        let title = if name == "STEPS" { ColumnStyle::Left("STEPS") } else { ColumnStyle::Left("EPISODES") };
        let heads = [
            title,
            ColumnStyle::Left("TYPE"),
            ColumnStyle::Left("UNIT"),
            ColumnStyle::Spare("PATH"),
            ColumnStyle::Shrink("RULES"),
        ];
        let mut table = TextTable::new(heads.into_iter().chain([ColumnStyle::Shrink("WHAT IT IS")]));
        for column in columns {
            // A path that is the name says nothing new.
            let path = if column.path == column.column { "" } else { &column.path };
            table.push_row([
                column.column.as_str().into(),
                type_text(column).into(),
                column.unit.as_deref().unwrap_or_default().into(),
                path.into(),
                rules_text(column).into(),
                column.description.as_deref().unwrap_or_default().into(),
            ]);
        }
        out.push_text(&table.render_text(width));
    }
    out
}

fn type_text(column: &SchemaColumnJson) -> String {
    let sizes = column.shape.as_ref().map(|sizes| sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    format!("{}{}", column.dtype, sizes.map(|sizes| format!("[{sizes}]")).unwrap_or_default())
}

/// A bound with as few digits as the column's type needs.
#[allow(clippy::cast_possible_truncation)]
fn bound_text(dtype: &str, bound: &serde_json::Number) -> String {
    match bound.as_f64().filter(|_| bound.is_f64()) {
        Some(float) if dtype == "float32" => (float as f32).to_string(),
        Some(float) => float.to_string(),
        None => bound.to_string(),
    }
}

fn rules_text(column: &SchemaColumnJson) -> String {
    let mut rules = Vec::new();
    if column.nullable {
        rules.push("nullable".to_owned());
    }
    let bound = |bound: &Option<serde_json::Number>| bound.as_ref().map(|bound| bound_text(column.dtype, bound));
    match (bound(&column.min), bound(&column.max)) {
        (Some(min), Some(max)) => rules.push(format!("{min} to {max}")),
        (Some(min), None) => rules.push(format!("from {min}")),
        (None, Some(max)) => rules.push(format!("up to {max}")),
        (None, None) => {}
    }
    if !column.finite {
        rules.push("NaN allowed".into());
    }
    if !column.allowed.is_empty() {
        rules.push(column.allowed.join("|"));
    }
    rules.extend(column.equals.as_ref().map(|equals| format!("= {equals}")));
    if !column.metrics.is_empty() {
        rules.push(format!("metrics: {}", column.metrics.join(" ")));
    }
    rules.join(", ")
}

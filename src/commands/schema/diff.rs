//! `capture-hook schema diff`: two schemas, column by column. They disagree if a column that both have is of another dtype,
//! shape or unit.

use anstyle::{AnsiColor, Style};

use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::history::named_schema::find_schema;
use crate::output::StyledText;
use crate::output::json::{ColumnState, SchemaColumnJson, SchemaDiffColumnJson, SchemaDiffJson};
use crate::output::table::{ColumnStyle, TextTable, styled_cell};
use crate::run::layout::RunStream;
use crate::run::schema::{RunSchema, describe_type, has_same_type};

/// Arguments of `schema diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The exit code is 1 if a column that both have is of another dtype, shape or unit: two such runs cannot
be in one experiment. Columns that only one has, another path, range or rule are fine.

Examples:
  capture-hook schema diff cartpole/r1 cartpole/r2
  capture-hook schema diff schemas/cartpole.json results/cartpole/r3")]
pub struct Args {
    /// A run, its tag, or a schema's file.
    #[arg(value_name = "A", add = crate::commands::complete::run_and_tag_candidates())]
    a: String,
    /// Another.
    #[arg(value_name = "B", add = crate::commands::complete::run_and_tag_candidates())]
    b: String,
}

const RED: Style = AnsiColor::Red.on_default();
const DIM: Style = Style::new().dimmed();

/// Runs the command.
pub(super) fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let a = find_schema(&app.cwd, &app.env, &args.a)?;
    let b = find_schema(&app.cwd, &app.env, &args.b)?;
    let columns = |stream| compare_columns(&a.schema, &b.schema, stream);
    let (steps, episodes) = (columns(RunStream::Steps), columns(RunStream::Episodes));
    let agree = steps.iter().chain(&episodes).all(|column| column.json.state != ColumnState::Differs);
    if app.ui.json() {
        let json = |columns: Vec<ComparedColumn>| columns.into_iter().map(|column| column.json).collect();
        app.ui.print_json(&SchemaDiffJson {
            a: a.name,
            b: b.name,
            agree,
            steps: json(steps),
            episodes: json(episodes),
        });
    } else {
        let text = render_text([&a.name, &b.name], [&steps, &episodes], agree, app.ui.table_width());
        app.ui.print_text(&text);
    }
    Ok(if agree { CommandOutcome::Done } else { CommandOutcome::CheckFailed })
}

/// A column of two schemas, with its type in each.
struct ComparedColumn {
    json: SchemaDiffColumnJson,
    types: [Option<String>; 2],
}

fn compare_columns(a: &RunSchema, b: &RunSchema, stream: RunStream) -> Vec<ComparedColumn> {
    let (of_a, of_b) = (a.stream(stream), b.stream(stream));
    let in_a = of_a.columns.iter().map(|column| column.name.as_str());
    let only_b = of_b.columns.iter().map(|column| column.name.as_str()).filter(|name| of_a.find(name).is_none());
    in_a.chain(only_b)
        .map(|name| {
            let column_a = of_a.columns.iter().find(|column| column.name == name);
            let column_b = of_b.columns.iter().find(|column| column.name == name);
            let json_a = column_a.map(|column| SchemaColumnJson::of_column(column, &a.steps));
            let json_b = column_b.map(|column| SchemaColumnJson::of_column(column, &b.steps));
            let state = match (column_a, column_b) {
                (Some(x), Some(y)) if !has_same_type(x, y) => ColumnState::Differs,
                (Some(_), Some(_)) if json_a == json_b => ColumnState::Same,
                (Some(_), Some(_)) => ColumnState::Changed,
                (Some(_), None) => ColumnState::OnlyA,
                (None, _) => ColumnState::OnlyB,
            };
            ComparedColumn {
                json: SchemaDiffColumnJson { column: name.to_owned(), state, a: json_a, b: json_b },
                types: [column_a.map(describe_type), column_b.map(describe_type)],
            }
        })
        .collect()
}

/// What differs in two columns of one type.
fn changed_keys(column: &SchemaDiffColumnJson) -> String {
    let (Some(a), Some(b)) = (&column.a, &column.b) else { return String::new() };
    let keys = [
        ("path", a.path != b.path),
        ("nullable", a.nullable != b.nullable),
        ("range", a.min != b.min || a.max != b.max),
        ("finite", a.finite != b.finite),
        ("enum", a.allowed != b.allowed),
        ("equals", a.equals != b.equals),
        ("metrics", a.metrics != b.metrics),
        ("description", a.description != b.description),
    ];
    keys.iter().filter(|(_, differs)| *differs).map(|(key, _)| *key).collect::<Vec<_>>().join(", ")
}

fn render_text(names: [&str; 2], streams: [&[ComparedColumn]; 2], agree: bool, width: usize) -> StyledText {
    let mut out = StyledText::new();
    for (mark, name) in ["A", "B"].into_iter().zip(names) {
        out.push_str(format!("{mark}  {}", name)).end_line();
    }
    for (stream, columns) in ["STEPS", "EPISODES"].into_iter().zip(streams) {
        let shown: Vec<&ComparedColumn> = columns.iter().filter(|c| c.json.state != ColumnState::Same).collect();
        if shown.is_empty() {
            continue;
        }
        out.end_line();
        let title = if stream == "STEPS" { ColumnStyle::Left("STEPS") } else { ColumnStyle::Left("EPISODES") };
        let mut table =
            TextTable::new([title, ColumnStyle::Left("A"), ColumnStyle::Left("B"), ColumnStyle::Left("HOW")]);
        for column in shown {
            let cell = |text: &Option<String>| match text {
                Some(text) => text.as_str().into(),
                None => styled_cell("(none)", DIM),
            };
            let how = match column.json.state {
                ColumnState::Differs => styled_cell("does not agree", RED),
                ColumnState::Changed => styled_cell(format!("other {}", changed_keys(&column.json)), DIM),
                ColumnState::OnlyA => styled_cell("only in A", DIM),
                _ => styled_cell("only in B", DIM),
            };
            let [a, b] = &column.types;
            table.push_row([column.json.column.as_str().into(), cell(a), cell(b), how]);
        }
        out.push_text(&table.render_text(width));
    }
    out.end_line();
    let same = streams.iter().flat_map(|columns| columns.iter()).filter(|c| c.json.state == ColumnState::Same).count();
    let verdict = if agree { "the schemas agree" } else { "the schemas do not agree" };
    out.push_str(format!("{verdict}; {same} columns are declared alike")).end_line();
    out
}

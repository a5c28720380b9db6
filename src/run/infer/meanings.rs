//! Names that mean something: those that the format gives a meaning, and plume-nav-sim's fields, whose columns keep the
//! names that they have in plume-nav-sim's own runs.

use super::columns::{DraftColumn, FieldColumns};
use super::notes::{Notes, list_few};
use super::observe::SeenObjects;
use crate::formats::json::{JsonObject, JsonValue};
use crate::run::layout::RunStream;
use crate::run::schema::{ColumnType, EPISODE_MEANINGS, PathStep, RESERVED, STEP_MEANINGS};

/// Gives the columns of steps the meaning of their names.
pub(super) fn apply_to_steps(fields: &mut [FieldColumns], rows: &SeenObjects, notes: &mut Notes) {
    fit_names(fields, RunStream::Steps, &STEP_MEANINGS, notes);
    rename_position(fields, "agent_position", "agent");
    let distances = rows.get("distance_to_goal").and_then(|seen| seen.least);
    if let Some(column) = find_column_mut(fields, "distance_to_goal")
        && distances.is_some_and(|least| least >= 0.0)
        && is_number(column)
    {
        column.kind = ColumnType::Float64;
        column.more.push(("min", JsonValue::from(0_i64)));
    }
    if let Some(column) = find_column_mut(fields, "observation_summary")
        && column.shape.is_some()
        && matches!(column.kind, ColumnType::Int64 | ColumnType::Float64)
    {
        column.kind = ColumnType::Float64;
        column.shape = Some(JsonValue::Array(vec![JsonValue::from(-1_i64)]));
        column.is_non_finite = true;
        column.nullable = true;
    }
    if find_column(fields, "reward").is_none() {
        notes.add_check("no column `reward`: episodes get no `total_reward`".into());
    }
    if rows.get("total_reward").is_some() {
        notes.add_check("`total_reward` of steps is not declared: it is a field of episodes".into());
    }
}

/// Gives the columns of episodes the meaning of their names.
pub(super) fn apply_to_episodes(
    fields: &mut [FieldColumns],
    steps: &[FieldColumns],
    rows: &SeenObjects,
    notes: &mut Notes,
) {
    fit_names(fields, RunStream::Episodes, &EPISODE_MEANINGS, notes);
    rename_position(fields, "final_position", "final");
    for (name, source) in
        [("final_x", "agent_x"), ("final_y", "agent_y"), ("final_distance_to_goal", "distance_to_goal")]
    {
        let step = find_column(steps, source).filter(|step| step.shape.is_none()).map(|step| step.kind);
        let Some(column) = find_column_mut(fields, name).filter(|column| is_number(column)) else { continue };
        match (step, column.kind) {
            (Some(ColumnType::Float64), _) => column.kind = ColumnType::Float64,
            (Some(ColumnType::Int64), ColumnType::Int64) => {}
            _ => continue,
        }
        column.more.push(("equals", format!("last({source})").into()));
        if name == "final_distance_to_goal" {
            column.more.push(("metrics", JsonValue::Array(vec!["mean".into(), "min".into()])));
        }
    }
    let total = rows.get("total_reward");
    let has_reward = find_column(steps, "reward").is_some();
    match total {
        Some(seen) if has_reward && (seen.count == 0 || seen.ints + seen.floats < seen.count) => {
            notes.add_fault("`total_reward` of episodes is not a number in every row: it is the sum of `reward`".into())
        }
        Some(_) if !has_reward => {
            notes.add_check("`total_reward` of episodes is not declared: it needs a column `reward` of steps".into())
        }
        None if has_reward && rows.count > 0 => {
            notes.add_fault("`total_reward` of episodes is missing: write the sum of `reward`".into());
        }
        _ => {}
    }
    if rows.count > 0 && find_column(fields, "success").is_none() {
        notes.add_check("no column `success` of episodes: no success rate is shown".into());
    }
}

/// Makes columns whose name has a fixed meaning fit it, else gives them another name.
fn fit_names(fields: &mut [FieldColumns], stream: RunStream, meanings: &[(&str, ColumnType)], notes: &mut Notes) {
    let mut in_use: Vec<String> =
        fields.iter().flat_map(|field| &field.columns).map(|column| column.name.to_ascii_lowercase()).collect();
    in_use.extend(RESERVED.iter().chain(meanings.iter().map(|(name, _)| name)).map(|name| (*name).to_owned()));
    let mut renamed = Vec::new();
    for column in fields.iter_mut().flat_map(|field| &mut field.columns) {
        let meaning = meanings.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column.name));
        let fits = match meaning {
            None => !RESERVED.iter().any(|name| name.eq_ignore_ascii_case(&column.name)),
            Some((name, kind)) => {
                // A whole number is a number, too.
                if *kind == ColumnType::Float64 && is_number(column) {
                    column.kind = ColumnType::Float64;
                }
                let can_be_null = *name != "agent" || !column.nullable;
                column.name == *name && column.kind == *kind && column.shape.is_none() && can_be_null
            }
        };
        if fits {
            continue;
        }
        let mut name = format!("{}_value", column.name);
        while in_use.contains(&name.to_ascii_lowercase()) {
            name.push('_');
        }
        in_use.push(name.to_ascii_lowercase());
        let wanted = meaning.map(|(name, kind)| format!(" (`{name}` is one {})", kind.as_str())).unwrap_or_default();
        renamed.push(format!("`{}` as `{name}`{wanted}", column.name));
        column.name = name;
    }
    if !renamed.is_empty() {
        notes.add_check(format!(
            "names with a fixed meaning, declared otherwise in {}: {}",
            stream.stem(),
            list_few(&renamed)
        ));
    }
}

/// Names `agent_position.x` as plume-nav-sim's runs do: `agent_x`.
fn rename_position(fields: &mut [FieldColumns], field: &str, short: &str) {
    for axis in ["x", "y"] {
        let name = format!("{short}_{axis}");
        let mut names = fields.iter().flat_map(|field| &field.columns).map(|column| &column.name);
        if names.any(|other| other.eq_ignore_ascii_case(&name)) {
            continue;
        }
        let path = [PathStep::Key(field.to_owned()), PathStep::Key(axis.to_owned())];
        let column = fields.iter_mut().flat_map(|field| &mut field.columns).find(|column| column.path == path);
        if let Some(column) = column {
            column.name = name;
        }
    }
}

/// What to draw: a path over columns that are called like coordinates.
pub(super) fn plot_of(steps: &[FieldColumns]) -> Option<JsonValue> {
    let is_drawn = |name: &str| find_column(steps, name).is_some_and(is_number);
    let path = [["agent_x", "agent_y"], ["x", "y"]].into_iter().find(|path| path.iter().all(|name| is_drawn(name)));
    let line = Some("distance_to_goal").filter(|name| is_drawn(name));
    if path.is_none() && line.is_none() {
        return None;
    }
    let names = |names: &[&str]| JsonValue::Array(names.iter().map(|name| JsonValue::from(*name)).collect());
    let mut plot = JsonObject::new();
    if let Some(path) = path {
        plot.insert("path", names(&path));
    }
    if let Some(line) = line {
        plot.insert("lines", names(&[line]));
    }
    Some(plot.into())
}

fn is_number(column: &DraftColumn) -> bool {
    column.shape.is_none() && matches!(column.kind, ColumnType::Int64 | ColumnType::Float64)
}

fn find_column<'a>(fields: &'a [FieldColumns], name: &str) -> Option<&'a DraftColumn> {
    fields.iter().flat_map(|field| &field.columns).find(|column| column.name == name)
}

fn find_column_mut<'a>(fields: &'a mut [FieldColumns], name: &str) -> Option<&'a mut DraftColumn> {
    fields.iter_mut().flat_map(|field| &mut field.columns).find(|column| column.name == name)
}

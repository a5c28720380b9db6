//! What only all columns together tell: names, fixed meanings, `equals`, `plot`, and the columns that follow from others.

use super::column::{Column, ColumnType, Equals, EqualsFunction, Storage};
use super::error::{Result, SchemaError, check_keys};
use super::tree::CoreFields;
use super::{PlotColumns, RunSchema, StreamSchema};
use crate::formats::json::JsonValue;

/// A column, and its `equals` as written.
pub(super) struct EpisodeDraft {
    pub column: Column,
    pub equals: Option<String>,
}

/// Names that the parquet files or the rows use already, in either stream.
pub(in crate::run) const RESERVED: [&str; 11] = [
    "schema_version",
    "experiment",
    "run_id",
    "episode_id",
    "episode_index",
    "step",
    "terminated",
    "truncated",
    "total_steps",
    "total_reward",
    "extra",
];

/// Names with a fixed meaning in steps, and their type.
pub(in crate::run) const STEP_MEANINGS: [(&str, ColumnType); 4] = [
    ("reward", ColumnType::Float64),
    ("ts", ColumnType::Float64),
    ("seed", ColumnType::Int64),
    ("agent", ColumnType::String),
];

/// Names with a fixed meaning in episodes, and their type.
pub(in crate::run) const EPISODE_MEANINGS: [(&str, ColumnType); 3] =
    [("success", ColumnType::Bool), ("duration_ms", ColumnType::Float64), ("agent", ColumnType::String)];

/// Makes a schema of the declared columns.
pub(super) fn join_streams(steps: Vec<Column>, episodes: Vec<EpisodeDraft>) -> Result<RunSchema> {
    check_names(&steps, "steps", &STEP_MEANINGS)?;
    let core = CoreFields { count_name: "step", count_least: 1, needs_run_id: false };
    check_paths(&steps, "steps", &core)?;
    let steps = StreamSchema::of_columns(steps, &core).map_err(|(name, why)| path_error("steps", &name, &why))?;

    let mut columns = Vec::with_capacity(episodes.len() + 2);
    for EpisodeDraft { mut column, equals } in episodes {
        let place = format!("the column `{}` of episodes", column.name);
        column.equals = equals.map(|text| parse_equals(&text, &column, &steps, &place)).transpose()?;
        // Without a bound, a negative time is a clock that was set back.
        column.is_elapsed = column.name == "duration_ms" && column.bounds.is_none();
        columns.push(column);
    }
    check_names(&columns, "episodes", &EPISODE_MEANINGS)?;
    let core = CoreFields { count_name: "total_steps", count_least: 0, needs_run_id: false };
    check_paths(&columns, "episodes", &core)?;
    // What every summary has because of the steps' columns.
    if steps.find("agent").is_some() && !columns.iter().any(|column| column.name == "agent") {
        columns.insert(0, Column::new("agent", ColumnType::String));
    }
    if let Some(column) = steps.find("reward") {
        let equals = Some(Equals { function: EqualsFunction::Sum, column });
        columns.insert(0, Column { equals, ..Column::new("total_reward", ColumnType::Float64) });
    }
    let episodes =
        StreamSchema::of_columns(columns, &core).map_err(|(name, why)| path_error("episodes", &name, &why))?;
    Ok(RunSchema {
        name: None,
        description: None,
        steps,
        episodes,
        reset_rows: false,
        plot: PlotColumns::default(),
        text: String::new(),
        is_plume: false,
    })
}

fn path_error(stream: &str, name: &str, why: &str) -> SchemaError {
    SchemaError::invalid(format!("`path` of the column `{name}` of {stream}"), format!("does not fit: {why}"))
}

fn check_names(columns: &[Column], stream: &str, meanings: &[(&str, ColumnType)]) -> Result<()> {
    for (index, column) in columns.iter().enumerate() {
        let place = format!("the column `{}` of {stream}", column.name);
        // DuckDB does not tell `X` from `x`.
        let is_like = |name: &&&str| name.eq_ignore_ascii_case(&column.name);
        if let Some(name) = RESERVED.iter().find(is_like) {
            return Err(SchemaError::invalid(place, format!("has the name of a field that every row has: `{name}`")));
        }
        let earlier = columns.get(..index).unwrap_or_default().iter();
        if let Some(same) = earlier.map(|other| &other.name).find(|name| name.eq_ignore_ascii_case(&column.name)) {
            let why = format!("differs from `{same}` in upper and lower case alone, which DuckDB does not tell apart");
            return Err(SchemaError::invalid(place, why));
        }
        let Some((name, kind)) = meanings.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column.name)) else {
            continue;
        };
        if *name != column.name {
            return Err(SchemaError::invalid(place, format!("is written `{name}`")));
        }
        if column.kind != *kind || column.shape.is_some() {
            let why = format!("has a fixed meaning: it is one {}; give another column another name", kind.as_str());
            return Err(SchemaError::invalid(place, why));
        }
        if *name == "agent" && column.nullable {
            return Err(SchemaError::invalid(place, "distinguishes episodes, so it cannot be nullable"));
        }
    }
    Ok(())
}

/// Refuses a path that begins at a field of the format.
fn check_paths(columns: &[Column], stream: &str, core: &CoreFields) -> Result<()> {
    for column in columns {
        let field = column.path.field();
        let is_core = core.names().iter().any(|(name, _)| *name == field) || field == "total_reward";
        if is_core {
            let why = format!("begins at `{field}`, which is a field of every row");
            return Err(SchemaError::invalid(format!("`path` of the column `{}` of {stream}", column.name), why));
        }
    }
    Ok(())
}

/// Reads `sum(reward)`.
fn parse_equals(text: &str, column: &Column, steps: &StreamSchema, place: &str) -> Result<Equals> {
    let place = format!("`equals` of {place}");
    let invalid = |why: String| SchemaError::invalid(place.clone(), why);
    let parts = text.strip_suffix(')').and_then(|text| text.split_once('('));
    let function = parts.and_then(|(name, _)| EqualsFunction::ALL.into_iter().find(|f| f.as_str() == name));
    let (Some(function), Some((_, source))) = (function, parts) else {
        let all = EqualsFunction::ALL.map(EqualsFunction::as_str).join(", ");
        return Err(invalid(format!(
            "is `{}`; write one of {all} with a step column, as in `last(x)`",
            text.escape_debug()
        )));
    };
    let Some(index) = steps.find(source) else {
        return Err(invalid(format!("names `{}`, which is no column of steps", source.escape_debug())));
    };
    let Some(from) = steps.column(index) else { return Err(invalid("names no column of steps".into())) };
    if from.shape.is_some() || column.shape.is_some() {
        return Err(invalid("is for columns of one value, not for lists".into()));
    }
    let (own, its) = (column.storage(), from.storage());
    let is_numeric = |storage| matches!(storage, Storage::Int | Storage::Float);
    let fits = match function {
        EqualsFunction::Sum => is_numeric(its) && (own == Storage::Float || own == its),
        EqualsFunction::Mean => is_numeric(its) && own == Storage::Float,
        EqualsFunction::Min | EqualsFunction::Max => is_numeric(its) && own == its,
        EqualsFunction::First | EqualsFunction::Last => {
            own == its && (own != Storage::Text || column.kind == from.kind)
        }
        EqualsFunction::Any => its == Storage::Bool && own == Storage::Bool,
    };
    if !fits {
        let why =
            format!("is {text}, but {} of {} is no {}", function.as_str(), from.kind.as_str(), column.kind.as_str());
        return Err(invalid(why));
    }
    Ok(Equals { function, column: index })
}

/// Reads `plot`.
pub(super) fn plot_columns(plot: Option<&JsonValue>, steps: &StreamSchema) -> Result<PlotColumns> {
    let Some(plot) = plot else { return Ok(PlotColumns::default()) };
    let Some(object) = plot.as_object() else {
        return Err(SchemaError::invalid("`plot`", format!("is {} instead of an object", plot.kind())));
    };
    check_keys(object, "`plot`", &["path", "lines"])?;
    let number = |item: &JsonValue, key: &str| {
        let name = item.as_str().unwrap_or_default();
        let found = steps.find(name).filter(|index| steps.column(*index).is_some_and(Column::is_number));
        found.ok_or_else(|| {
            let why = format!("names `{}`, which is no column of numbers of steps", name.escape_debug());
            SchemaError::invalid(format!("`{key}` of `plot`"), why)
        })
    };
    let path = match object.get("path") {
        None => None,
        Some(value) => match value.as_array() {
            Some([x, y]) => Some((number(x, "path")?, number(y, "path")?)),
            _ => return Err(SchemaError::invalid("`path` of `plot`", "is not a list of two columns")),
        },
    };
    let lines = match object.get("lines").map(|value| value.as_array()) {
        None => Vec::new(),
        Some(Some(items)) => items.iter().map(|item| number(item, "lines")).collect::<Result<_>>()?,
        Some(None) => return Err(SchemaError::invalid("`lines` of `plot`", "is not a list of columns")),
    };
    Ok(PlotColumns { path, lines })
}

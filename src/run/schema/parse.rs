//! Reads `schema.json`. Every key must be known, so that a misspelt one is not taken for a wish that is followed.

use super::RunSchema;
use super::check;
use super::check::EpisodeDraft;
use super::column::{Bounds, Column, ColumnType, MetricKind, Storage};
use super::error::{MAX_COLUMNS, MAX_ELEMENTS, MAX_SCHEMA_BYTES, Result, SchemaError, check_keys};
use super::path::ValuePath;
use crate::formats::json;
use crate::formats::json::{JsonObject, JsonValue, ParseError};
use crate::run::meta::LineColumn;
use crate::support::text::find_near;

/// The format of the declaration that is read here.
const FORMAT: i64 = 1;

const TOP_KEYS: [&str; 7] = ["format", "name", "description", "reset_rows", "steps", "episodes", "plot"];
const STEP_KEYS: [&str; 10] =
    ["dtype", "shape", "path", "nullable", "min", "max", "finite", "enum", "unit", "description"];
const EPISODE_KEYS: [&str; 12] =
    ["dtype", "shape", "path", "nullable", "min", "max", "finite", "enum", "unit", "description", "equals", "metrics"];

pub(super) fn parse_schema(bytes: &[u8]) -> Result<RunSchema> {
    if bytes.len() > MAX_SCHEMA_BYTES {
        return Err(SchemaError::TooLarge);
    }
    let raw = json::parse(bytes).map_err(|ParseError { offset, reason }| SchemaError::Parse {
        reason,
        at: LineColumn::at_offset(bytes, offset),
    })?;
    let Some(top) = raw.as_object() else {
        return Err(SchemaError::invalid("the declaration", format!("is {} instead of an object", raw.kind())));
    };
    check_keys(top, "the declaration", &TOP_KEYS)?;
    match top.get("format") {
        Some(JsonValue::Int(FORMAT)) => {}
        Some(JsonValue::Int(newer)) if *newer > FORMAT => {
            return Err(SchemaError::invalid("`format`", format!("is {newer}; a newer capture-hook can read it")));
        }
        Some(other) => {
            let shown = other.to_canonical();
            return Err(SchemaError::invalid("`format`", format!("is {shown}; {FORMAT} can be read")));
        }
        None => return Err(SchemaError::invalid("`format`", format!("is missing: write \"format\": {FORMAT}"))),
    }
    if top.get("steps").is_none() {
        return Err(SchemaError::invalid("`steps`", "is missing: it declares the columns of a step"));
    }
    let steps = parse_columns(top, "steps", &STEP_KEYS)?.into_iter().map(|draft| draft.column).collect();
    let episodes = parse_columns(top, "episodes", &EPISODE_KEYS)?;
    let reset_rows = optional_bool(top, "reset_rows", "`reset_rows`")?.unwrap_or(false);
    // JSON that was parsed is UTF-8.
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut schema = RunSchema {
        name: optional_text(top, "name", "`name`")?,
        description: optional_text(top, "description", "`description`")?,
        reset_rows,
        text,
        is_plume: false,
        ..check::join_streams(steps, episodes)?
    };
    schema.steps.count_least = i64::from(!reset_rows);
    let plot = check::plot_columns(top.get("plot"), &schema.steps)?;
    Ok(RunSchema { plot, ..schema })
}

fn parse_columns(top: &JsonObject, stream: &str, known: &[&'static str]) -> Result<Vec<EpisodeDraft>> {
    let columns = match top.get(stream) {
        None => return Ok(Vec::new()),
        Some(JsonValue::Object(columns)) => columns,
        Some(other) => {
            return Err(SchemaError::invalid(
                format!("`{stream}`"),
                format!("is {} instead of an object", other.kind()),
            ));
        }
    };
    if columns.len() > MAX_COLUMNS {
        let why = format!("declares {} columns; {MAX_COLUMNS} are the most", columns.len());
        return Err(SchemaError::invalid(format!("`{stream}`"), why));
    }
    columns
        .iter()
        .map(|(name, value)| {
            let name = name.to_string();
            let place = format!("the column `{}` of {stream}", name.escape_debug());
            let Some(object) = value.as_object() else {
                return Err(SchemaError::invalid(place, format!("is {} instead of an object", value.kind())));
            };
            check_keys(object, &place, known)?;
            parse_column(&name, object, &place, stream == "episodes")
        })
        .collect()
}

fn parse_column(name: &str, object: &JsonObject, place: &str, is_episode: bool) -> Result<EpisodeDraft> {
    let invalid = |why: String| SchemaError::invalid(place, why);
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(invalid("needs a name of letters, digits and `_`".into()));
    }
    let kind = parse_dtype(object, place)?;
    if kind == ColumnType::File && !is_episode {
        return Err(invalid("is a `file`, which only an episode can have".into()));
    }
    let shape = object.get("shape").map(|shape| parse_shape(shape, kind).map_err(invalid)).transpose()?;
    let path = match object.get("path") {
        None => ValuePath::of_name(name),
        Some(path) => {
            ValuePath::from_json(path).map_err(|why| SchemaError::invalid(format!("`path` of {place}"), why))?
        }
    };
    let allowed = parse_enum(object, kind, place)?;
    let finite = optional_bool(object, "finite", &format!("`finite` of {place}"))?;
    if finite.is_some() && kind.storage() != Storage::Float {
        return Err(invalid(format!("is {}, which is always finite: remove `finite`", kind.as_str())));
    }
    let metrics = parse_metrics(object, place)?;
    let column = Column {
        shape,
        path,
        nullable: optional_bool(object, "nullable", &format!("`nullable` of {place}"))?.unwrap_or(false),
        bounds: parse_bounds(object, kind, place)?,
        finite: finite.unwrap_or(true),
        allowed,
        unit: optional_text(object, "unit", &format!("`unit` of {place}"))?,
        description: optional_text(object, "description", &format!("`description` of {place}"))?,
        metrics,
        ..Column::new(name, kind)
    };
    let is_figure = column.is_number() || column.kind == ColumnType::Bool && column.shape.is_none();
    if !column.metrics.is_empty() && !is_figure {
        return Err(invalid("has `metrics`, but is not one number".into()));
    }
    let equals = optional_text(object, "equals", &format!("`equals` of {place}"))?;
    Ok(EpisodeDraft { column, equals })
}

fn parse_dtype(object: &JsonObject, place: &str) -> Result<ColumnType> {
    let Some(value) = object.get("dtype") else {
        return Err(SchemaError::invalid(place, "has no `dtype`"));
    };
    let shown = value.as_str().map_or_else(|| value.to_canonical(), str::to_owned);
    let found = ColumnType::ALL.into_iter().find(|kind| value.as_str() == Some(kind.as_str()));
    found.ok_or_else(|| {
        let near = find_near(&shown, ColumnType::ALL.iter().map(|kind| (kind.as_str(), kind.as_str())));
        let hint = match near.first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the types are {}", ColumnType::ALL.map(ColumnType::as_str).join(", ")),
        };
        SchemaError::invalid(place, format!("has the unknown dtype `{}`; {hint}", shown.escape_debug()))
    })
}

fn parse_shape(value: &JsonValue, kind: ColumnType) -> std::result::Result<Vec<usize>, String> {
    if matches!(kind, ColumnType::Json | ColumnType::File) {
        return Err(format!("has a `shape`, but a {} has none", kind.as_str()));
    }
    let wrong = || "has a `shape` that is not a list of sizes, such as [4], [7, 7, 3] or [-1]".to_owned();
    let items = value.as_array().filter(|items| !items.is_empty()).ok_or_else(wrong)?;
    if matches!(items, [JsonValue::Int(-1)]) {
        return Ok(Vec::new());
    }
    let size = |item: &JsonValue| match item {
        JsonValue::Int(size) if *size >= 1 => usize::try_from(*size).map_err(|_| wrong()),
        _ => Err(wrong()),
    };
    let sizes: Vec<usize> = items.iter().map(size).collect::<std::result::Result<_, _>>()?;
    let elements = sizes.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    match elements {
        // Each size of 1 nests one level deeper without more elements.
        Some(n) if n <= MAX_ELEMENTS && sizes.len() <= 16 => Ok(sizes),
        _ => Err(format!(
            "has a `shape` of more than {MAX_ELEMENTS} elements or 16 dimensions: put such values into a `file`"
        )),
    }
}

fn parse_enum(object: &JsonObject, kind: ColumnType, place: &str) -> Result<Vec<String>> {
    let Some(value) = object.get("enum") else { return Ok(Vec::new()) };
    if kind != ColumnType::String {
        return Err(SchemaError::invalid(place, format!("has an `enum`, but is {} instead of string", kind.as_str())));
    }
    let wrong = || SchemaError::invalid(format!("`enum` of {place}"), "is not a list of different texts");
    let items = value.as_array().filter(|items| !items.is_empty()).ok_or_else(wrong)?;
    let texts: Vec<String> =
        items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect::<Result<_>>()?;
    let mut sorted: Vec<&String> = texts.iter().collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(wrong());
    }
    Ok(texts)
}

fn parse_metrics(object: &JsonObject, place: &str) -> Result<Vec<MetricKind>> {
    let Some(value) = object.get("metrics") else { return Ok(Vec::new()) };
    let wrong = || SchemaError::invalid(format!("`metrics` of {place}"), "is not a list of mean, min and max");
    let items = value.as_array().ok_or_else(wrong)?;
    let kind = |item: &JsonValue| {
        MetricKind::ALL.into_iter().find(|kind| item.as_str() == Some(kind.as_str())).ok_or_else(wrong)
    };
    let mut kinds: Vec<MetricKind> = items.iter().map(kind).collect::<Result<_>>()?;
    kinds.sort_unstable();
    if kinds.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(wrong());
    }
    Ok(kinds)
}

#[allow(clippy::cast_possible_truncation)]
fn parse_bounds(object: &JsonObject, kind: ColumnType, place: &str) -> Result<Option<Bounds>> {
    let (min, max) = (object.get("min"), object.get("max"));
    if min.is_none() && max.is_none() {
        return Ok(None);
    }
    let bounds = if let Some((least, most)) = kind.int_range() {
        let bound = |key: &str, value: Option<&JsonValue>, default: i64| match value {
            None => Ok(default),
            Some(value) => value.as_i64().filter(|int| (least..=most).contains(int)).ok_or_else(|| {
                SchemaError::invalid(
                    format!("`{key}` of {place}"),
                    format!("is not an integer that {} holds", kind.as_str()),
                )
            }),
        };
        Bounds::Int { min: bound("min", min, least)?, max: bound("max", max, most)? }
    } else if kind.storage() == Storage::Float {
        let bound = |key: &str, value: Option<&JsonValue>, default: f64| match value {
            None => Ok(default),
            Some(value) => {
                let float = value.as_f64().map(|float| {
                    // Bounds are compared in the precision of the values.
                    if kind == ColumnType::Float32 { f64::from(float as f32) } else { float }
                });
                float.filter(|float| float.is_finite()).ok_or_else(|| {
                    SchemaError::invalid(
                        format!("`{key}` of {place}"),
                        format!("is not a number that {} holds", kind.as_str()),
                    )
                })
            }
        };
        Bounds::Float { min: bound("min", min, f64::NEG_INFINITY)?, max: bound("max", max, f64::INFINITY)? }
    } else {
        return Err(SchemaError::invalid(place, format!("has a range, but is {} instead of a number", kind.as_str())));
    };
    let is_empty = match bounds {
        Bounds::Int { min, max } => min > max,
        Bounds::Float { min, max } => min > max,
    };
    if is_empty {
        return Err(SchemaError::invalid(place, "has a `min` above its `max`"));
    }
    Ok(Some(bounds))
}

fn optional_bool(object: &JsonObject, key: &str, place: &str) -> Result<Option<bool>> {
    match object.get(key) {
        None => Ok(None),
        Some(JsonValue::Bool(value)) => Ok(Some(*value)),
        Some(other) => Err(SchemaError::invalid(place, format!("is {} instead of true or false", other.kind()))),
    }
}

fn optional_text(object: &JsonObject, key: &str, place: &str) -> Result<Option<String>> {
    match object.get(key) {
        None => Ok(None),
        Some(value) => match value.as_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None if matches!(value, JsonValue::Text(_)) => Err(SchemaError::invalid(place, "holds a lone surrogate")),
            None => Err(SchemaError::invalid(place, format!("is {} instead of a text", value.kind()))),
        },
    }
}

//! Makes columns of what was seen at each place of the rows.

use std::collections::HashSet;

use super::notes::{Notes, show_path};
use super::observe::{MAX_ITEMS, Seen, SeenLists, SeenObjects};
use crate::formats::json::{JsonObject, JsonValue};
use crate::run::layout::RunStream;
use crate::run::schema::{ColumnType, EPISODE_MEANINGS, MAX_ELEMENTS, PathStep, STEP_MEANINGS};

/// A column of the schema that is being made.
#[derive(Debug, Clone)]
pub(super) struct DraftColumn {
    pub name: String,
    pub kind: ColumnType,
    pub shape: Option<JsonValue>,
    pub path: Vec<PathStep>,
    pub nullable: bool,
    /// Whether `NaN`, infinities, or null as an element were seen.
    pub is_non_finite: bool,
    /// Further members, in the order in which they are written: `min`, `equals`, `metrics`.
    pub more: Vec<(&'static str, JsonValue)>,
}

/// The columns that one field of the rows becomes.
#[derive(Debug)]
pub(super) struct FieldColumns {
    pub field: String,
    pub columns: Vec<DraftColumn>,
}

/// Makes the columns of all fields of a stream's rows but those of the format, with names that are not `taken`.
pub(super) fn draft_columns(
    rows: &SeenObjects,
    stream: RunStream,
    core: &[&str],
    taken: &[FieldColumns],
    notes: &mut Notes,
) -> Vec<FieldColumns> {
    let taken = taken.iter().flat_map(|field| &field.columns);
    let names = taken.map(|column| column.name.to_ascii_lowercase()).collect();
    let mut drafter = Drafter { stream, notes, names };
    let mut fields = Vec::new();
    for (field, seen) in rows.members.iter().filter(|(field, _)| !core.contains(&field.as_str())) {
        let path = vec![PathStep::Key(field.clone())];
        let columns = drafter.columns_of(path, seen, rows.is_optional(seen));
        fields.push(FieldColumns { field: field.clone(), columns });
    }
    fields
}

struct Drafter<'a> {
    stream: RunStream,
    notes: &'a mut Notes,
    /// The names in use, in lower case: DuckDB does not tell `X` from `x`.
    names: HashSet<String>,
}

/// What a place can be declared as.
enum Shape {
    /// A value of this type.
    Scalar(ColumnType),
    /// A list of elements of this type; empty sizes: of any length.
    List(ColumnType, Vec<usize>),
    /// An object whose members are columns.
    Members,
    /// A list whose elements are columns.
    Items,
    /// Something that is kept as JSON, and why.
    Json(&'static str),
}

impl Drafter<'_> {
    fn columns_of(&mut self, path: Vec<PathStep>, seen: &Seen, nullable: bool) -> Vec<DraftColumn> {
        let shape = find_shape(seen);
        match shape {
            Shape::Members | Shape::Items => self.columns_inside(&path, seen, nullable),
            Shape::Json(why) => {
                self.notes.add_json(self.stream, &path, why);
                vec![self.column(path, seen, nullable, ColumnType::Json, None)]
            }
            Shape::Scalar(kind) => vec![self.column(path, seen, nullable, kind, None)],
            Shape::List(kind, sizes) => vec![self.column(path, seen, nullable, kind, Some(sizes))],
        }
    }

    fn columns_inside(&mut self, path: &[PathStep], seen: &Seen, nullable: bool) -> Vec<DraftColumn> {
        let mut columns = Vec::new();
        let below = |step: PathStep| path.iter().cloned().chain([step]).collect::<Vec<_>>();
        if let Some(objects) = &seen.objects {
            for (key, member) in &objects.members {
                let optional = nullable || objects.is_optional(member);
                columns.extend(self.columns_of(below(PathStep::Key(key.clone())), member, optional));
            }
        } else if let Some(lists) = &seen.lists {
            for (index, item) in lists.items.iter().enumerate() {
                columns.extend(self.columns_of(below(PathStep::Index(index)), item, nullable || item.nulls > 0));
            }
        }
        columns
    }

    fn column(
        &mut self,
        path: Vec<PathStep>,
        seen: &Seen,
        nullable: bool,
        kind: ColumnType,
        sizes: Option<Vec<usize>>,
    ) -> DraftColumn {
        let element = match (&sizes, &seen.lists) {
            (Some(sizes), Some(lists)) => innermost(lists, sizes.len()),
            _ => seen,
        };
        let is_float = kind == ColumnType::Float64;
        let is_non_finite = is_float && (element.non_finite > 0 || (sizes.is_some() && element.nulls > 0));
        let finite = element.floats - element.non_finite;
        if is_float && element.has_fraction && element.single == finite && !has_meaning(&path) {
            self.notes.add_single(self.stream, &path);
        }
        let shape = sizes.map(|sizes| match sizes.is_empty() {
            true => vec![JsonValue::from(-1_i64)],
            false => sizes.iter().map(|size| JsonValue::from(*size as u64)).collect(),
        });
        DraftColumn {
            name: self.name_of(&path),
            kind,
            shape: shape.map(JsonValue::from),
            path,
            nullable: nullable || seen.nulls > 0,
            is_non_finite,
            more: Vec::new(),
        }
    }

    /// A name of letters, digits and `_` that no other column has.
    fn name_of(&mut self, path: &[PathStep]) -> String {
        let name = column_name(path);
        let mut unique = name.clone();
        let mut number = 2;
        while !self.names.insert(unique.to_ascii_lowercase()) {
            unique = format!("{name}_{number}");
            number += 1;
        }
        unique
    }
}

/// Whether a field's name decides its type.
fn has_meaning(path: &[PathStep]) -> bool {
    let meanings = || STEP_MEANINGS.iter().chain(&EPISODE_MEANINGS);
    matches!(path, [PathStep::Key(key)] if meanings().any(|(name, _)| name == key))
}

/// The name that a path gives a column: its steps, joined with `_`.
pub(super) fn column_name(path: &[PathStep]) -> String {
    let steps: Vec<String> = path
        .iter()
        .map(|step| match step {
            PathStep::Key(key) => key.clone(),
            PathStep::Index(index) => index.to_string(),
        })
        .collect();
    let to_safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = steps.join("_").chars().map(to_safe).collect();
    match name.bytes().all(|b| b == b'_') {
        true => "column".into(),
        false => name,
    }
}

/// What the elements of nested lists are, so many levels down.
fn innermost(lists: &SeenLists, levels: usize) -> &Seen {
    let mut element = &lists.element;
    for _ in 1..levels {
        let Some(inner) = &element.lists else { return element };
        element = &inner.element;
    }
    element
}

fn find_shape(seen: &Seen) -> Shape {
    match seen.kinds() {
        0 => return Shape::Json("is null in every row"),
        1 => {}
        _ => return Shape::Json("holds values of several types"),
    }
    if seen.deep > 0 {
        return Shape::Json("is nested too deeply");
    }
    if let Some(objects) = &seen.objects {
        return match objects {
            objects if objects.members.is_empty() && !objects.has_odd_keys => Shape::Json("is always an empty object"),
            objects if objects.has_fixed_keys() => Shape::Members,
            _ => Shape::Json("is an object whose keys vary"),
        };
    }
    match &seen.lists {
        Some(lists) => find_list_shape(lists),
        None => find_scalar(seen).map_or(Shape::Json("holds integers beyond 64 bits"), Shape::Scalar),
    }
}

/// The type of values that are neither lists nor objects; `None` if no type holds them.
fn find_scalar(seen: &Seen) -> Option<ColumnType> {
    match seen {
        seen if seen.big_ints > 0 => None,
        seen if seen.bools > 0 => Some(ColumnType::Bool),
        seen if seen.texts > 0 => Some(ColumnType::String),
        // Whole everywhere.
        seen if seen.floats == 0 => Some(ColumnType::Int64),
        _ => Some(ColumnType::Float64),
    }
}

fn find_list_shape(lists: &SeenLists) -> Shape {
    if lists.longest == 0 {
        return Shape::Json("is always an empty list");
    }
    if let Some((kind, sizes)) = find_sizes(lists) {
        let elements = sizes.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        let elements = if sizes.is_empty() { Some(lists.longest) } else { elements };
        return match elements {
            Some(elements) if elements <= MAX_ELEMENTS => Shape::List(kind, sizes),
            _ => Shape::Json("has more elements than a column can hold"),
        };
    }
    let is_tuple = lists.shortest == lists.longest && lists.longest <= MAX_ITEMS && lists.items.len() == lists.longest;
    let is_item = |item: &Seen| match find_shape(item) {
        Shape::Json(_) => false,
        // A ragged list is no tuple.
        Shape::List(_, sizes) => !sizes.is_empty(),
        _ => true,
    };
    if is_tuple && lists.items.iter().all(is_item) {
        return Shape::Items;
    }
    Shape::Json("is a list of varying types or sizes")
}

/// The type of the innermost elements and the size of each level; no sizes for a list of varying length.
fn find_sizes(lists: &SeenLists) -> Option<(ColumnType, Vec<usize>)> {
    let element = &lists.element;
    if element.kinds() != 1 || element.deep > 0 || element.objects.is_some() {
        return None;
    }
    let is_fixed = lists.shortest == lists.longest;
    if let Some(inner) = &element.lists {
        let (kind, sizes) = find_sizes(inner)?;
        // Of several levels, none can vary.
        let can_nest = is_fixed && element.nulls == 0 && !sizes.is_empty();
        return can_nest.then(|| (kind, [&[lists.longest], sizes.as_slice()].concat()));
    }
    let kind = match find_scalar(element)? {
        // Null as an element is a value of floats alone.
        ColumnType::Int64 if element.nulls > 0 => ColumnType::Float64,
        kind if element.nulls > 0 && kind != ColumnType::Float64 => return None,
        kind => kind,
    };
    Some((kind, if is_fixed { vec![lists.longest] } else { Vec::new() }))
}

impl DraftColumn {
    /// The column as it stands in a declaration.
    pub fn to_json(&self) -> JsonObject {
        let mut object = JsonObject::new().with_member("dtype", self.kind.as_str());
        if let Some(shape) = &self.shape {
            object.insert("shape", shape.clone());
        }
        if let Some(path) = path_member(&self.name, &self.path) {
            object.insert("path", path);
        }
        if self.nullable {
            object.insert("nullable", true);
        }
        if self.is_non_finite {
            object.insert("finite", false);
        }
        for (key, value) in &self.more {
            object.insert(*key, value.clone());
        }
        object
    }
}

/// The value of `path`; `None` if the column's name says it.
fn path_member(name: &str, path: &[PathStep]) -> Option<JsonValue> {
    let is_plain = |step: &PathStep| match step {
        PathStep::Key(key) => !key.contains(['.', '[']),
        PathStep::Index(_) => true,
    };
    match path {
        [PathStep::Key(key)] if key == name => None,
        path if path.iter().all(is_plain) => Some(show_path(path).into()),
        path => Some(JsonValue::Array(
            path.iter()
                .map(|step| match step {
                    PathStep::Key(key) => key.as_str().into(),
                    PathStep::Index(index) => JsonValue::from(*index as u64),
                })
                .collect(),
        )),
    }
}

//! The objects and arrays of a row that hold columns, as a tree; made once from the columns' paths.

use super::column::Column;
use super::path::{PathStep, write_steps};
use super::slot::FieldSlot;
use super::{CellCounts, CellPlace, Storage, StreamSchema};

/// What stands at a place of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::run) enum PathTree {
    /// A field's value.
    Leaf(FieldSlot),
    /// An object or array with columns inside, as an index.
    Container(usize),
}

/// An object or array with columns inside.
#[derive(Debug, Clone)]
pub(in crate::run) struct Container {
    /// Its name for messages; empty for the row itself.
    pub name: String,
    pub kind: ContainerKind,
    /// Whether it can be absent or null, because all columns inside can.
    pub is_optional: bool,
    /// What it must be, for messages: `an object with x and y`.
    pub expected: String,
}

/// The members of an object, or the elements of an array.
#[derive(Debug, Clone)]
pub(in crate::run) enum ContainerKind {
    Object(Vec<(String, PathTree)>),
    Array(Vec<PathTree>),
}

/// The format's own fields of a stream.
pub(super) struct CoreFields {
    pub count_name: &'static str,
    pub count_least: i64,
    pub needs_run_id: bool,
}

impl CoreFields {
    /// The names of the fields, with their slots.
    pub fn names(&self) -> [(&'static str, FieldSlot); 6] {
        [
            ("run_id", FieldSlot::RUN_ID),
            ("episode_id", FieldSlot::EPISODE_ID),
            ("schema_version", FieldSlot::SCHEMA),
            (self.count_name, FieldSlot::COUNT),
            ("terminated", FieldSlot::TERMINATED),
            ("truncated", FieldSlot::TRUNCATED),
        ]
    }
}

impl StreamSchema {
    /// A stream without columns.
    pub(super) fn empty(core: &CoreFields) -> Self {
        let root = core.names().into_iter().map(|(name, slot)| (name.to_owned(), PathTree::Leaf(slot))).collect();
        let kind = ContainerKind::Object(root);
        Self {
            columns: Vec::new(),
            places: Vec::new(),
            counts: CellCounts::default(),
            containers: vec![Container { name: String::new(), kind, is_optional: true, expected: String::new() }],
            order: core.names().iter().map(|(_, slot)| *slot).collect(),
            outer: Vec::new(),
            count_name: core.count_name,
            count_least: core.count_least,
            needs_run_id: core.needs_run_id,
        }
    }

    /// Makes a stream's schema of its columns. Fails with the column's name and why its path does not fit.
    pub(super) fn of_columns(columns: Vec<Column>, core: &CoreFields) -> Result<Self, (String, String)> {
        let mut tree = TreeMaker { containers: Vec::new() };
        let root: Vec<_> =
            core.names().into_iter().map(|(name, slot)| (name.to_owned(), PathTree::Leaf(slot))).collect();
        tree.add_container(&[], ContainerKind::Object(root));
        let mut outer = Vec::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            let around = tree.add_column(index, column).map_err(|why| (column.name.clone(), why))?;
            outer.push(around);
        }
        tree.check_arrays(&columns)?;
        tree.describe_containers(&columns, &outer);
        let mut counts = CellCounts::default();
        let places = columns.iter().map(|column| place_of(column, &mut counts)).collect();
        let of_columns = (0..columns.len()).map(FieldSlot::of_column);
        let order = core.names().into_iter().map(|(_, slot)| slot).chain(of_columns);
        Ok(Self {
            order: order.collect(),
            containers: tree.containers,
            columns,
            places,
            counts,
            outer,
            count_name: core.count_name,
            count_least: core.count_least,
            needs_run_id: core.needs_run_id,
        })
    }
}

fn place_of(column: &Column, counts: &mut CellCounts) -> CellPlace {
    let next = |count: &mut usize| {
        *count += 1;
        *count - 1
    };
    if column.shape.is_some() {
        CellPlace::List(next(&mut counts.lists))
    } else if column.storage() == Storage::Text {
        CellPlace::Text(next(&mut counts.texts))
    } else {
        CellPlace::Scalar(next(&mut counts.scalars))
    }
}

struct TreeMaker {
    containers: Vec<Container>,
}

impl TreeMaker {
    fn add_container(&mut self, steps: &[PathStep], kind: ContainerKind) -> usize {
        let mut name = String::new();
        // Writing to a text cannot fail.
        let _ = write_steps(&mut name, steps);
        self.containers.push(Container { name, kind, is_optional: true, expected: String::new() });
        self.containers.len() - 1
    }

    /// Adds a column's path; returns the containers around its value.
    fn add_column(&mut self, index: usize, column: &Column) -> Result<Vec<usize>, String> {
        let steps = column.path.steps();
        let (mut at, mut around) = (0, Vec::new());
        for (depth, step) in steps.iter().enumerate() {
            let is_last = depth + 1 == steps.len();
            match (self.find_child(at, step)?, is_last) {
                (Some(PathTree::Container(next)), false) => at = next,
                (Some(_), _) => {
                    return Err(format!("the value at `{}` is another column's, or a field of every row", column.path));
                }
                (None, true) => {
                    self.add_child(at, step, PathTree::Leaf(FieldSlot::of_column(index)));
                    return Ok(around);
                }
                (None, false) => {
                    let kind = match steps.get(depth + 1) {
                        Some(PathStep::Index(_)) => ContainerKind::Array(Vec::new()),
                        _ => ContainerKind::Object(Vec::new()),
                    };
                    let next = self.add_container(steps.get(..=depth).unwrap_or_default(), kind);
                    self.add_child(at, step, PathTree::Container(next));
                    at = next;
                }
            }
            around.push(at);
        }
        Ok(around)
    }

    /// Returns what stands at a step of a container. Fails if the container is an object and the step an index, or the
    /// other way around.
    fn find_child(&self, at: usize, step: &PathStep) -> Result<Option<PathTree>, String> {
        let mixed = |name: &str| Err(format!("`{name}` would be both an object and a list"));
        match (self.containers.get(at).map(|container| (&container.kind, container.name.as_str())), step) {
            (Some((ContainerKind::Object(members), _)), PathStep::Key(key)) => {
                Ok(members.iter().find(|(name, _)| name == key).map(|(_, tree)| *tree))
            }
            (Some((ContainerKind::Array(elements), _)), PathStep::Index(index)) => {
                Ok(elements.get(*index).copied().filter(|tree| *tree != HOLE))
            }
            (Some((_, name)), _) => mixed(name),
            (None, _) => Ok(None),
        }
    }

    fn add_child(&mut self, at: usize, step: &PathStep, child: PathTree) {
        match (self.containers.get_mut(at).map(|container| &mut container.kind), step) {
            (Some(ContainerKind::Object(members)), PathStep::Key(key)) => members.push((key.clone(), child)),
            (Some(ContainerKind::Array(elements)), PathStep::Index(index)) => {
                if elements.len() <= *index && *index < super::MAX_ELEMENTS {
                    elements.resize(index + 1, HOLE);
                }
                if let Some(element) = elements.get_mut(*index) {
                    *element = child;
                }
            }
            _ => {}
        }
    }

    /// Fails if an element of an array is named by no column: a row could never fit.
    fn check_arrays(&self, columns: &[Column]) -> Result<(), (String, String)> {
        for container in &self.containers {
            let ContainerKind::Array(elements) = &container.kind else { continue };
            let Some(hole) = elements.iter().position(|element| *element == HOLE) else { continue };
            let starts = |column: &&Column| column.path.to_string().starts_with(&container.name);
            let column = columns.iter().find(starts).map(|column| column.name.clone()).unwrap_or_default();
            return Err((column, format!("no column names `{}[{hole}]`: name every element, or none", container.name)));
        }
        let too_far = |column: &&Column| {
            column.path.steps().iter().any(|step| matches!(step, PathStep::Index(i) if *i >= super::MAX_ELEMENTS))
        };
        match columns.iter().find(too_far) {
            Some(column) => Err((column.name.clone(), format!("an index is {} at most", super::MAX_ELEMENTS - 1))),
            None => Ok(()),
        }
    }

    /// Says for each container whether it can be absent, and what it must be.
    fn describe_containers(&mut self, columns: &[Column], outer: &[Vec<usize>]) {
        for (column, around) in columns.iter().zip(outer) {
            for at in around.iter().filter(|_| !column.nullable) {
                if let Some(container) = self.containers.get_mut(*at) {
                    container.is_optional = false;
                }
            }
        }
        for container in &mut self.containers {
            container.expected = match &container.kind {
                ContainerKind::Array(elements) => format!("a list of {} values", elements.len()),
                ContainerKind::Object(members) => {
                    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
                    match names.as_slice() {
                        [] => "an object".into(),
                        [one] => format!("an object with {one}"),
                        [most @ .., last] => format!("an object with {} and {last}", most.join(", ")),
                    }
                }
            };
        }
    }
}

/// An element of an array that no column names yet: the slot of no field.
const HOLE: PathTree = PathTree::Container(usize::MAX);

//! Which single-precision floats are written as doubles: those whose column is `float64`. All others get the shortest
//! digits that read back as the same single-precision number, which is a third of the text.

use capture_hook::run::schema::{ColumnType, PathStep, StreamSchema};

/// How single-precision floats are written, at a place of a row.
#[derive(Clone, Copy)]
pub enum FloatWidth<'a> {
    /// As doubles, with the digits of the double of the same value.
    Double,
    /// With the shortest digits.
    Single,
    /// As the columns inside say.
    Inside(&'a FloatTree),
}

/// The places of a row that hold `float64` columns.
#[derive(Debug, Default)]
pub struct FloatTree {
    is_double: bool,
    keys: Vec<(String, FloatTree)>,
    items: Vec<(usize, FloatTree)>,
}

impl FloatTree {
    /// Makes the tree of a stream's columns.
    pub fn of_stream(stream: &StreamSchema) -> Self {
        let mut tree = Self::default();
        for column in stream.columns.iter().filter(|column| column.kind == ColumnType::Float64) {
            tree.add_column(column.path.steps());
        }
        tree
    }

    fn add_column(&mut self, steps: &[PathStep]) {
        let inside = match steps.first() {
            None => {
                self.is_double = true;
                return;
            }
            Some(PathStep::Key(key)) => find_or_add(&mut self.keys, key.clone()),
            Some(PathStep::Index(index)) => find_or_add(&mut self.items, *index),
        };
        if let Some(inside) = inside {
            inside.add_column(steps.get(1..).unwrap_or_default());
        }
    }

    fn width(&self) -> FloatWidth<'_> {
        if self.is_double { FloatWidth::Double } else { FloatWidth::Inside(self) }
    }
}

impl<'a> FloatWidth<'a> {
    /// The width in a member of an object.
    pub fn of_member(self, key: &str) -> Self {
        let Self::Inside(tree) = self else { return self };
        tree.keys.iter().find(|(known, _)| known == key).map_or(Self::Single, |(_, inside)| inside.width())
    }

    /// The width in an element of an array.
    pub fn of_item(self, index: usize) -> Self {
        let Self::Inside(tree) = self else { return self };
        tree.items.iter().find(|(known, _)| *known == index).map_or(Self::Single, |(_, inside)| inside.width())
    }

    /// Whether a float at this place is written as a double.
    pub fn is_double(self) -> bool {
        matches!(self, Self::Double)
    }

    /// The width of a whole row.
    pub fn of_row(tree: Option<&'a FloatTree>) -> Self {
        tree.map_or(Self::Double, FloatWidth::Inside)
    }
}

/// How deep a value lies in its row, and how floats are written there.
#[derive(Clone, Copy)]
pub(super) struct RowPlace<'a> {
    pub(super) depth: usize,
    pub(super) floats: FloatWidth<'a>,
}

impl<'a> RowPlace<'a> {
    pub(super) fn of_row(floats: FloatWidth<'a>) -> Self {
        Self { depth: 0, floats }
    }

    pub(super) fn inside(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    pub(super) fn in_member(self, key: &str) -> Self {
        Self { depth: self.depth + 1, floats: self.floats.of_member(key) }
    }

    pub(super) fn in_item(self, index: usize) -> Self {
        Self { depth: self.depth + 1, floats: self.floats.of_item(index) }
    }
}

/// The node of a key, which is added if it is not there.
fn find_or_add<K: PartialEq>(nodes: &mut Vec<(K, FloatTree)>, key: K) -> Option<&mut FloatTree> {
    let at = nodes.iter().position(|(known, _)| *known == key).unwrap_or(nodes.len());
    if at == nodes.len() {
        nodes.push((key, FloatTree::default()));
    }
    nodes.get_mut(at).map(|(_, node)| node)
}

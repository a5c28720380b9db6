//! What the rows do not tell, and what in them is not as the format asks: said to the user, who edits the schema.

use crate::run::layout::RunStream;
use crate::run::schema::PathStep;

/// How much a note matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// The run stays invalid, whatever the schema says.
    Fault,
    /// To be looked at: the rows do not tell.
    Check,
}

/// Something that the user has to know about an inferred schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InferNote {
    /// How much it matters.
    pub kind: NoteKind,
    /// In words, one line; names from the rows are escaped.
    pub text: String,
}

/// The notes so far.
#[derive(Debug, Default)]
pub(super) struct Notes {
    list: Vec<InferNote>,
    /// Places that are kept as JSON, each with the reason.
    json: Vec<(String, &'static str)>,
    /// Places whose floats all fit single precision.
    single: Vec<String>,
}

/// How many places a note names.
const SHOWN: usize = 6;

impl Notes {
    pub fn add_fault(&mut self, text: String) {
        self.list.push(InferNote { kind: NoteKind::Fault, text });
    }

    pub fn add_check(&mut self, text: String) {
        self.list.push(InferNote { kind: NoteKind::Check, text });
    }

    pub fn add_json(&mut self, stream: RunStream, path: &[PathStep], why: &'static str) {
        self.json.push((place(stream, path), why));
    }

    pub fn add_single(&mut self, stream: RunStream, path: &[PathStep]) {
        self.single.push(place(stream, path));
    }

    /// All notes, faults first.
    pub fn finish(mut self) -> Vec<InferNote> {
        for (place, why) in self.json.iter().take(SHOWN) {
            let text = format!("{place} {why}: declared as `json`, which is kept as text and not checked");
            self.list.push(InferNote { kind: NoteKind::Check, text });
        }
        if self.json.len() > SHOWN {
            let text = format!("{} more values are declared as `json`", self.json.len() - SHOWN);
            self.list.push(InferNote { kind: NoteKind::Check, text });
        }
        if !self.single.is_empty() {
            let text = format!(
                "every number of {} fits single precision exactly: `float32` takes half the space",
                list_few(&self.single)
            );
            self.list.push(InferNote { kind: NoteKind::Check, text });
        }
        self.list.sort_by_key(|note| note.kind == NoteKind::Check);
        self.list
    }
}

fn place(stream: RunStream, path: &[PathStep]) -> String {
    format!("`{}` of {}", show_path(path).escape_debug(), stream.stem())
}

/// The first few names of a list.
pub(super) fn list_few(names: &[String]) -> String {
    let shown = names.get(..SHOWN.min(names.len())).unwrap_or_default().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A path as messages and declarations write it: `observation.x[2]`.
pub(super) fn show_path(path: &[PathStep]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            PathStep::Key(key) if text.is_empty() => text.push_str(key),
            PathStep::Key(key) => text.extend([".", key]),
            PathStep::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

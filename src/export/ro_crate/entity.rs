//! Entities of a crate: objects with an `@id`, in the order of their ids, written once each.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::support::percent::percent_encode;

/// An entity: its `@id`, its `@type` and its other members.
pub(super) struct Entity {
    id: String,
    members: Map<String, Value>,
}

impl Entity {
    /// Makes an entity without members.
    pub(super) fn new(id: impl Into<String>, kind: &str) -> Self {
        let id = id.into();
        let mut members = Map::new();
        members.insert("@id".into(), id.as_str().into());
        members.insert("@type".into(), kind.into());
        Self { id, members }
    }

    /// Adds a member.
    pub(super) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.members.insert(key.into(), value.into());
        self
    }

    /// Adds a member if there is a value.
    pub(super) fn with_some(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Adds references to other entities, each once; no member if there is none. A single one is no array: RO-Crate
    /// recommends that.
    pub(super) fn with_refs<T: AsRef<str>>(self, key: &str, ids: impl IntoIterator<Item = T>) -> Self {
        let mut seen = BTreeSet::new();
        let mut refs: Vec<Value> = Vec::new();
        for id in ids {
            if seen.insert(id.as_ref().to_owned()) {
                refs.push(Value::Object(Map::from_iter([("@id".to_owned(), id.as_ref().into())])));
            }
        }
        if refs.len() > 1 {
            return self.with(key, refs);
        }
        self.with_some(key, refs.pop())
    }

    /// The entity as indented JSON.
    pub(super) fn to_text(&self) -> String {
        // A map of values is always JSON.
        serde_json::to_string_pretty(&self.members).unwrap_or_default()
    }
}

/// The entities of a crate but its descriptor and its root, in the order of their ids.
#[derive(Default)]
pub(super) struct EntityGraph(BTreeMap<String, Entity>);

impl EntityGraph {
    /// Adds an entity. If there is one of this id, that stays.
    pub(super) fn add(&mut self, entity: Entity) {
        self.0.entry(entity.id.clone()).or_insert(entity);
    }

    /// Adds the entities of another graph.
    pub(super) fn extend(&mut self, other: Self) {
        other.0.into_values().for_each(|entity| self.add(entity));
    }

    /// All entities.
    pub(super) fn into_entities(self) -> impl Iterator<Item = Entity> {
        self.0.into_values()
    }
}

/// The id of a file or folder: its path in the export, with every byte escaped but unreserved ones (RFC 3986) and `/`.
pub(super) fn encode_path(path: &str) -> String {
    percent_encode(path, |_, c| !(c.is_ascii_alphanumeric() || "-._~/".contains(c)))
}

/// The id of something with an address of its own: the address, without the characters that no IRI has.
pub(super) fn encode_address(address: &str) -> String {
    percent_encode(address.trim(), |_, c| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c))
}

/// The id of a commit, as Software Heritage names it.
pub(super) fn commit_id(sha1: &str) -> String {
    format!("swh:1:rev:{sha1}")
}

/// A moment as the profile's shapes take it: `Z`, microseconds and other offsets are refused.
pub(super) fn format_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string()
}

//! The fields of a line that the schema does not know: kept as one JSON object.

use super::parser::RowParser;
use super::text::push_member;
use super::{ParsedRow, RowFault};
use crate::formats::json;
use crate::formats::json::scanner::TokenKind;
use crate::run::schema::{ContainerKind, PathTree, StreamSchema};

impl RowParser {
    /// Closes the object of unknown fields. If a key is there twice, the last one counts, as in Python.
    pub(super) fn finish_extra(&mut self, stream: &StreamSchema, row: &mut ParsedRow) {
        if self.unknown.len() > 1 && self.has_duplicate_key(&row.extra) {
            self.irregular = true;
            self.drop_duplicate_keys(row);
        }
        for (key, _) in &self.unknown {
            row.faults.push(RowFault::Unknown(key.clone()));
        }
        if let Some(ContainerKind::Object(members)) = stream.containers.first().map(|container| &container.kind) {
            for (name, child) in members {
                if let PathTree::Container(at) = child {
                    self.push_extra_of(*at, name, stream, &mut row.extra, &mut row.faults);
                }
            }
        }
        if !row.extra.is_empty() {
            row.extra.push('}');
        }
    }

    /// Adds the unknown members of a container, and of those in it, as a member of `out`.
    fn push_extra_of(&self, at: usize, key: &str, stream: &StreamSchema, out: &mut String, faults: &mut Vec<RowFault>) {
        let (Some(container), Some(Some(found))) = (stream.containers.get(at), self.containers.get(at)) else { return };
        let ContainerKind::Object(members) = &container.kind else { return };
        if found.kind != TokenKind::Object {
            return;
        }
        let mut object = found.extra.clone();
        for key in &found.unknown {
            faults.push(RowFault::UnknownInside(format!("\"{}.{}", container.name, key.trim_start_matches('"'))));
        }
        for (name, child) in members {
            if let PathTree::Container(inner) = child {
                self.push_extra_of(*inner, name, stream, &mut object, faults);
            }
        }
        if object.is_empty() {
            return;
        }
        object.push('}');
        let mut text = Vec::new();
        json::write_str(&mut text, key);
        let key = 0..text.len();
        text.extend_from_slice(object.as_bytes());
        push_member(out, &text, &key, &(key.end..text.len()));
    }

    fn has_duplicate_key(&self, extra: &str) -> bool {
        let mut keys: Vec<&str> = self.unknown.iter().filter_map(|(key, _)| extra.get(key.clone())).collect();
        keys.sort_unstable();
        keys.windows(2).any(|pair| pair.first() == pair.last())
    }

    fn drop_duplicate_keys(&mut self, row: &mut ParsedRow) {
        let old = std::mem::take(&mut row.extra);
        let keys_and_values = std::mem::take(&mut self.unknown);
        let key = |i: usize| keys_and_values.get(i).and_then(|(key, _)| old.get(key.clone())).unwrap_or_default();
        // Sorts indices by key, keeps the last of each key, then restores the order.
        let mut order: Vec<usize> = (0..keys_and_values.len()).collect();
        order.sort_by_key(|&i| (key(i), i));
        let mut last: Vec<usize> = order
            .iter()
            .zip(order.iter().skip(1).map(Some).chain([None]))
            .filter(|(i, next)| next.is_none_or(|next| key(**i) != key(*next)))
            .map(|(i, _)| *i)
            .collect();
        last.sort_unstable();
        for i in last {
            if let Some((key, value)) = keys_and_values.get(i) {
                self.unknown.push(push_member(&mut row.extra, old.as_bytes(), key, value));
            }
        }
    }
}

//! The fields that every row of the format has, and what in the rows differs from that.

use super::notes::Notes;
use crate::formats::json::{JsonObject, JsonValue};
use crate::run::layout::RunStream;
use crate::run::schema::SchemaVersion;
use crate::support::text::format_count;

/// The format's own fields of a step.
pub(super) const STEP_FIELDS: &[&str] =
    &["run_id", "episode_id", "schema_version", "step", "terminated", "truncated", "total_reward"];
/// The format's own fields of an episode.
pub(super) const EPISODE_FIELDS: &[&str] =
    &["run_id", "episode_id", "schema_version", "total_steps", "terminated", "truncated", "total_reward"];

/// What a row's field must be.
#[derive(Clone, Copy)]
enum Expected {
    Text,
    Count,
    Bool,
}

/// What was found wrong in one field.
#[derive(Debug, Clone, Default)]
struct CoreFault {
    absent: u64,
    wrong: u64,
    /// What stands there instead, as messages name it.
    found: &'static str,
}

/// Counts the rows whose own fields are not as the format asks.
#[derive(Debug, Default)]
pub(super) struct CoreChecks {
    rows: u64,
    faults: [CoreFault; 4],
    other_versions: u64,
    objects: u64,
}

fn fields_of(stream: RunStream) -> [(&'static str, Expected); 4] {
    let count = if stream == RunStream::Steps { "step" } else { "total_steps" };
    [
        ("episode_id", Expected::Text),
        (count, Expected::Count),
        ("terminated", Expected::Bool),
        ("truncated", Expected::Bool),
    ]
}

impl CoreChecks {
    pub fn observe(&mut self, row: &JsonObject, stream: RunStream) {
        self.rows += 1;
        for ((name, expected), fault) in fields_of(stream).iter().zip(&mut self.faults) {
            match row.get(name) {
                None | Some(JsonValue::Null) => fault.absent += 1,
                Some(value) if expected.is_met_by(value) => {}
                Some(value) => {
                    fault.wrong += 1;
                    fault.found = value.kind();
                }
            }
        }
        self.objects += u64::from(matches!(row.get("terminated"), Some(JsonValue::Object(_))));
        let is_other = row.get("schema_version").is_some_and(|v| v.as_str() != Some(SchemaVersion::V2.as_str()));
        self.other_versions += u64::from(is_other);
    }

    pub fn finish(&self, stream: RunStream, notes: &mut Notes) {
        let stem = stream.stem();
        let rows_text = |count: u64| match count == self.rows {
            true => "every row".to_owned(),
            false => format!("{} of {} rows", format_count(count), format_count(self.rows)),
        };
        for ((name, expected), fault) in fields_of(stream).iter().zip(&self.faults) {
            let wanted = expected.text();
            if fault.absent > 0 {
                notes.add_fault(format!(
                    "`{name}` of {stem} is missing in {}: each has it, {wanted}",
                    rows_text(fault.absent)
                ));
            }
            if fault.wrong > 0 {
                let rows = rows_text(fault.wrong);
                notes.add_fault(format!("`{name}` of {stem} is {} in {rows} instead of {wanted}", fault.found));
            }
        }
        if self.objects > 0 && stream == RunStream::Steps {
            notes.add_fault(
                "with several agents, write a row for each, named in a field `agent`, and a summary for each".into(),
            );
        }
        if self.other_versions > 0 {
            let rows = rows_text(self.other_versions);
            notes.add_fault(format!("`schema_version` of {stem} is not \"2\" in {rows}: leave it out of the rows"));
        }
    }
}

impl Expected {
    fn is_met_by(self, value: &JsonValue) -> bool {
        match self {
            Self::Text => value.as_str().is_some(),
            Self::Count => matches!(value, JsonValue::Int(0..)),
            Self::Bool => matches!(value, JsonValue::Bool(_)),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Count => "a whole number",
            Self::Bool => "true or false",
        }
    }
}

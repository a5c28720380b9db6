//! `.git/capture-hook/last.json`: the result of the last event that had something to do.

use std::path::Path;

use serde::Serialize;

use crate::support::fs;
use crate::support::visible::escape_control_json;

/// The file's name in the state directory.
pub const FILE: &str = "last.json";

/// What an event left.
#[derive(Debug, Serialize)]
pub struct LastEvent<'a> {
    /// The event.
    pub event: &'a str,
    /// When, in UTC.
    pub time: String,
    /// Whether it succeeded.
    pub ok: bool,
    /// What failed.
    pub error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Writes it. A failure to do so is ignored.
pub fn write_last_event(dir: &Path, event: &str, error: Option<&crate::error::Error>) {
    let message = error
        .map(|error| std::iter::once(error.to_string()).chain(error.cause_messages()).collect::<Vec<_>>().join(": "));
    let last_event = LastEvent {
        event,
        time: jiff::Timestamp::now().to_string(),
        ok: error.is_none(),
        error: message,
        hint: error.filter(|e| !e.hints().is_empty()).map(|e| e.hints().join("\n")),
    };
    if let Ok(text) = serde_json::to_string_pretty(&last_event) {
        let bytes = escape_control_json(&text);
        let _ = fs::create_shared_dir(dir).and_then(|_| fs::write_shared(&dir.join(FILE), bytes.as_bytes()));
    }
}

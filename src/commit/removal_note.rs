//! The note of a removal that is under way: by it the hooks of its commit know that the runs leave on purpose.

use crate::dvc::hash::DataVersion;
use crate::error::Error;
use crate::project::{self, Project, ProjectError};
use crate::support::fs;
use crate::support::percent::{percent_decode, percent_encode};
use crate::support::visible::is_hidden;

/// Its file, in the working tree's git directory.
const REMOVAL_NOTE: &str = "capture-hook-removing";

/// What the hooks of the commit of a removal must know: that it is one, and why.
pub(super) struct RemovalNote<'a> {
    /// The data version that holds the runs.
    pub old: DataVersion,
    /// The one that lacks them.
    pub new: DataVersion,
    /// Why, in the user's words.
    pub reason: Option<&'a str>,
}

/// Does some work while the note is there.
pub(super) fn with_note<T>(
    project: &Project,
    note: Option<&RemovalNote<'_>>,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let Some(RemovalNote { old, new, reason }) = note else { return work() };
    let path = project::mark_path(project, REMOVAL_NOTE);
    let reason = percent_encode(reason.unwrap_or_default(), |_, c| c == '%' || is_hidden(c));
    fs::write_atomic(&path, format!("{old}\n{new}\n{reason}\n").as_bytes())?;
    let result = work();
    fs::remove_all(&path)?;
    result
}

/// If exactly this change of the data version is a removal on purpose: its reason, which may be empty.
pub(super) fn read_removal_reason(
    project: &Project,
    old: DataVersion,
    new: DataVersion,
) -> Result<Option<String>, ProjectError> {
    let text = fs::read_optional(&project::mark_path(project, REMOVAL_NOTE))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines();
    // The note of a removal that was killed says nothing about any other commit.
    let is_this = lines.next() == Some(&old.to_string()) && lines.next() == Some(&new.to_string());
    Ok(if is_this { Some(lines.next().and_then(percent_decode).unwrap_or_default()) } else { None })
}

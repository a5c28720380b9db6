//! Where a report goes: another one is replaced, any other file stays.

use std::io::Read;
use std::path::Path;

use crate::report::error::ReportError;
use crate::report::page::{START, is_report};
use crate::support::fs;
use crate::support::fs::At;

/// An error if a file that is no report is at the destination. `shown` names it as the user typed it.
pub fn check_destination(path: &Path, shown: &Path) -> Result<(), ReportError> {
    let Some(file) = fs::open_optional(path)? else { return Ok(()) };
    let mut start = Vec::with_capacity(START);
    file.take(START as u64).read_to_end(&mut start).at("read", path)?;
    // An empty file holds nothing to lose.
    if start.is_empty() || is_report(&start) {
        return Ok(());
    }
    Err(ReportError::DestinationTaken { path: shown.to_path_buf() })
}

//! Checks single rows by the rules of a scan, for the recorder that writes them.
//!
//! Only rules about one row alone: its place among the others, and whether a summary fits its steps, only a scan can
//! tell.

use std::sync::Arc;

use super::{ValidateOptions, ValidationFinding};
use crate::run::fast::FastParser;
use crate::run::layout::RunStream;
use crate::run::row::{FieldSlot, ParsedRow};
use crate::run::schema::RunSchema;
use crate::validate::code::{Code, Severity};
use crate::validate::findings::{FindingCollector, LineRef};
use crate::validate::rows::{report_bad_line, report_faults, report_too_long, too_long};

/// A rule that a row breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BrokenRule {
    /// The rule's code.
    pub code: Code,
    /// How the row breaks it.
    pub message: String,
}

impl From<ValidationFinding> for BrokenRule {
    fn from(finding: ValidationFinding) -> Self {
        Self { code: finding.code, message: finding.message }
    }
}

/// Checks the rows of one run, one by one.
#[derive(Debug)]
pub struct RowChecker {
    options: ValidateOptions,
    run_id: String,
    schema: Arc<RunSchema>,
    steps: (FastParser, ParsedRow),
    episodes: (FastParser, ParsedRow),
}

impl RowChecker {
    /// Makes a checker for a run of this id and these columns. The options tell which findings are errors.
    #[must_use]
    pub fn new(run_id: &str, schema: Arc<RunSchema>, options: ValidateOptions) -> Self {
        let reader = |stream| (FastParser::new(Arc::clone(&schema), stream), ParsedRow::default());
        let (steps, episodes) = (reader(RunStream::Steps), reader(RunStream::Episodes));
        Self { options, run_id: run_id.to_owned(), steps, episodes, schema }
    }

    /// Checks a line of a stream; fails with the first rule that it breaks.
    pub fn check_line(&mut self, stream: RunStream, line: &[u8]) -> Result<(), BrokenRule> {
        let (parser, row) = match stream {
            RunStream::Steps => &mut self.steps,
            RunStream::Episodes => &mut self.episodes,
        };
        // Before parsing, like the scan.
        let read = if too_long(line) { None } else { Some(parser.parse(line, row)) };
        // For speed: a good row, nearly every one, needs no findings.
        let is_own = |row: &ParsedRow| row.run_id == self.run_id || !row.present.contains(FieldSlot::RUN_ID);
        if read == Some(Ok(())) && row.faults.is_empty() && is_own(row) {
            return Ok(());
        }
        let mut findings = FindingCollector::new(&self.options);
        match read {
            None => report_too_long(LineRef::default(), &mut findings),
            Some(Err(bad)) => report_bad_line(&bad, LineRef::default(), &mut findings),
            Some(Ok(())) => {
                report_faults(row, Some(&self.run_id), self.schema.row_versions(), LineRef::default(), &mut findings);
            }
        }
        let mut collected = findings.finish().findings.into_iter();
        collected.find(|finding| finding.severity == Severity::Error).map_or(Ok(()), |finding| Err(finding.into()))
    }
}

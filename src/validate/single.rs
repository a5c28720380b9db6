//! Single rows, judged as a scan judges them: for whoever writes them.
//!
//! Only what a row says of itself: its place among the others, and what a summary says of steps, a scan judges.

use super::{ValidateOptions, ValidationFinding};
use crate::run::fast::FastParser;
use crate::run::layout::RunStream;
use crate::run::row::ParsedRow;
use crate::validate::code::{Code, Severity};
use crate::validate::findings::{FindingCollector, LineRef};
use crate::validate::rows::{report_bad_line, report_faults, report_too_long, too_long};

/// A rule that a row breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BrokenRule {
    /// Which.
    pub code: Code,
    /// How, in words.
    pub message: String,
}

impl From<ValidationFinding> for BrokenRule {
    fn from(finding: ValidationFinding) -> Self {
        Self { code: finding.code, message: finding.message }
    }
}

/// Judges the rows of a run, one by one.
#[derive(Debug)]
pub struct RowChecker {
    options: ValidateOptions,
    run_id: String,
    steps: (FastParser, ParsedRow),
    episodes: (FastParser, ParsedRow),
}

impl RowChecker {
    /// For a run of this id. The options say what is an error.
    #[must_use]
    pub fn new(run_id: &str, options: ValidateOptions) -> Self {
        let reader = |stream| (FastParser::new(stream), ParsedRow::default());
        let (steps, episodes) = (reader(RunStream::Steps), reader(RunStream::Episodes));
        Self { options, run_id: run_id.to_owned(), steps, episodes }
    }

    /// Judges a line of a stream: the first rule that it breaks.
    pub fn check_line(&mut self, stream: RunStream, line: &[u8]) -> Result<(), BrokenRule> {
        let (parser, row) = match stream {
            RunStream::Steps => &mut self.steps,
            RunStream::Episodes => &mut self.episodes,
        };
        let read = if too_long(line) { None } else { Some(parser.parse(line, row)) };
        if read == Some(Ok(())) && row.faults.is_empty() && row.run_id == self.run_id {
            return Ok(());
        }
        let mut findings = FindingCollector::new(&self.options);
        match read {
            None => report_too_long(LineRef::default(), &mut findings),
            Some(Err(bad)) => report_bad_line(&bad, LineRef::default(), &mut findings),
            Some(Ok(())) => report_faults(row, Some(&self.run_id), LineRef::default(), &mut findings),
        }
        let mut collected = findings.finish().findings.into_iter();
        collected.find(|finding| finding.severity == Severity::Error).map_or(Ok(()), |finding| Err(finding.into()))
    }
}

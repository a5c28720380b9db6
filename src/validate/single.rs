//! Single rows, judged as a scan judges them: for whoever writes them.
//!
//! Only what a row says of itself: its place among the others, and what a summary says of steps, a scan judges.

use super::{Finding, Options};
use crate::run::fast::FastParser;
use crate::run::layout::Stream;
use crate::run::row::Row;
use crate::validate::code::{Code, Severity};
use crate::validate::findings::{Collector, Place};
use crate::validate::rows::{tell_bad_line, tell_faults, tell_too_long, too_long};

/// A rule that a row breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BrokenRule {
    /// Which.
    pub code: Code,
    /// How, in words.
    pub message: String,
}

impl From<Finding> for BrokenRule {
    fn from(finding: Finding) -> Self {
        Self { code: finding.code, message: finding.message }
    }
}

/// Judges the rows of a run, one by one.
#[derive(Debug)]
pub struct RowJudge {
    options: Options,
    run_id: String,
    steps: (FastParser, Row),
    episodes: (FastParser, Row),
}

impl RowJudge {
    /// For a run of this id. The options say what is an error.
    #[must_use]
    pub fn new(run_id: &str, options: Options) -> Self {
        let reader = |stream| (FastParser::new(stream), Row::default());
        let (steps, episodes) = (reader(Stream::Steps), reader(Stream::Episodes));
        Self { options, run_id: run_id.to_owned(), steps, episodes }
    }

    /// Judges a line of a stream: the first rule that it breaks.
    pub fn judge(&mut self, stream: Stream, line: &[u8]) -> Result<(), BrokenRule> {
        let (parser, row) = match stream {
            Stream::Steps => &mut self.steps,
            Stream::Episodes => &mut self.episodes,
        };
        let read = if too_long(line) { None } else { Some(parser.parse(line, row)) };
        if read == Some(Ok(())) && row.faults.is_empty() && row.run_id == self.run_id {
            return Ok(());
        }
        let mut findings = Collector::new(&self.options);
        match read {
            None => tell_too_long(Place::default(), &mut findings),
            Some(Err(bad)) => tell_bad_line(&bad, Place::default(), &mut findings),
            Some(Ok(())) => tell_faults(row, Some(&self.run_id), Place::default(), &mut findings),
        }
        let mut told = findings.finish().findings.into_iter();
        told.find(|finding| finding.severity == Severity::Error).map_or(Ok(()), |finding| Err(finding.into()))
    }
}

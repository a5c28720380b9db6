//! The place in a stream while it is read, line by line.

use std::sync::Arc;

use crate::run::fast::FastParser;
use crate::run::gzip::GzipDamage;
use crate::run::layout::RunStream;
use crate::run::reader::LineSource;
use crate::run::row::ParsedRow;
use crate::run::schema::RunSchema;
use crate::validate::code::Code;
use crate::validate::findings::{FileId, FindingCollector, LineRef};

/// Where a file is named for the first time.
pub(super) struct NamedFile {
    pub file: FileId,
    pub line: u64,
    pub column: usize,
}

/// The current place in a stream.
pub(super) struct StreamReader {
    pub parser: FastParser,
    pub row: ParsedRow,
    pub file: usize,
    pub line: u64,
    pub rows_before: u64,
}

impl StreamReader {
    pub fn new(schema: &Arc<RunSchema>, stream: RunStream) -> Self {
        let parser = FastParser::new(Arc::clone(schema), stream);
        Self { parser, row: ParsedRow::default(), file: 0, line: 0, rows_before: 0 }
    }
}

/// The episodes' stream, read one line at a time.
pub(super) struct SummaryLines<'a> {
    pub source: LineSource<'a>,
    pub reading: StreamReader,
    pub block: Vec<u8>,
    pub at: usize,
    pub done: bool,
}

impl<'a> SummaryLines<'a> {
    pub fn new(source: LineSource<'a>, reading: StreamReader) -> Self {
        Self { source, reading, block: Vec::new(), at: 0, done: false }
    }

    /// Returns the range of the next line in the block.
    pub fn next_line(&mut self) -> Option<(usize, usize)> {
        let rest = self.block.get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = self.at + memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let start = std::mem::replace(&mut self.at, end);
        Some((start, end))
    }
}

pub(super) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}

pub(super) fn report_damage(damage: &GzipDamage, file: FileId, findings: &mut FindingCollector<'_>) {
    let line_ref = LineRef { file: Some(file), hard: true, ..LineRef::default() };
    match damage {
        GzipDamage::Truncated { bytes, inside } => findings.add_finding(Code::TruncatedGzip, line_ref, || {
            format!("the file ends at byte {bytes}, inside {inside}; everything before it was read")
        }),
        GzipDamage::Corrupt { offset, what } => {
            findings.mark_corrupt(file);
            findings.add_finding(Code::CorruptGzip, line_ref, || {
                format!("{what}, near byte {offset}; the rest of this file was not read")
            });
        }
    }
}

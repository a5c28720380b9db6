//! Rows read fast.

use super::layout::Stream;
use super::row::{BadLine, Row, RowParser};

/// Reads the rows of a stream.
#[derive(Debug)]
pub struct FastParser {
    general: RowParser,
}

impl FastParser {
    /// A reader of this stream's rows.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self { general: RowParser::new(stream) }
    }

    /// Reads one line (with or without its line break). An `Ok` row may have faults.
    pub fn parse(&mut self, line: &[u8], row: &mut Row) -> Result<(), BadLine> {
        self.general.parse(line, row)
    }
}

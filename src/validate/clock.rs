//! The rule for time: a step is not earlier than the one before it, over the whole run.

use crate::run::row::{FieldSlot, ParsedRow};
use crate::run::schema::{CellPlace, RunSchema};
use crate::validate::code::Code;
use crate::validate::findings::{FileId, FindingCollector, LineRef};
use crate::validate::rows::id_of;

/// Compares each step's `ts` with the one before.
#[derive(Debug)]
pub(super) struct Clock {
    ts: Option<(FieldSlot, usize)>,
    time: f64,
}

impl Clock {
    pub fn new(schema: &RunSchema) -> Self {
        let place = |index: usize| match schema.steps.place(index)? {
            CellPlace::Scalar(at) => Some((FieldSlot::of_column(index), at)),
            _ => None,
        };
        Self { ts: schema.steps.find("ts").and_then(place), time: f64::NEG_INFINITY }
    }

    /// Warns if a row is earlier than the one before.
    #[inline]
    pub fn check_row(&mut self, row: &ParsedRow, file: FileId, line: u64, findings: &mut FindingCollector<'_>) {
        let Some((_, at)) = self.ts.filter(|(slot, _)| row.is_good(*slot)) else { return };
        let time = row.float(at);
        if time < self.time {
            let line_ref = LineRef { file: Some(file), line: Some(line), episode: id_of(row), ..LineRef::default() };
            let before = self.time;
            findings.add_finding(Code::TimeGoesBack, line_ref, || {
                format!("ts is {time}, {} s earlier than the step before", before - time)
            });
        }
        self.time = time;
    }
}

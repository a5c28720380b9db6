//! Batches of rows for the sink. A row's numbers are kept as they come, row by row, and become columns when the batch is
//! full: one loop per column instead of one look-up per value.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{RowSink, SinkError};
use crate::run::layout::RunStream;
use crate::run::row::{FieldSlot, ParsedRow, SlotSet};
use crate::run::rows::{ColumnValues, EpisodeRows, EpisodeSpan, StepRows, Values, empty_columns};
use crate::run::schema::{CellPlace, RunSchema, SchemaVersion};

/// The most rows in a batch.
const BATCH_ROWS: usize = 8192;

/// List values and text bytes after which a batch is passed on early: it bounds memory for rows with long lists.
const BATCH_VALUES: usize = 512 << 10;

/// The columns of rows on their way into a batch.
struct RowCells {
    schema: Arc<RunSchema>,
    stream: RunStream,
    /// All rows' bools and numbers, row by row.
    scalars: Vec<u64>,
    /// The rows that lack a column, and what they have.
    incomplete: Vec<(usize, SlotSet)>,
    /// The slots of all columns.
    all: SlotSet,
    /// The columns that are lists or texts.
    long_columns: Vec<(usize, CellPlace)>,
    rows: usize,
    /// List values and text bytes.
    long: usize,
}

impl RowCells {
    fn new(schema: Arc<RunSchema>, stream: RunStream) -> Self {
        let own = schema.stream(stream);
        let mut all = SlotSet::default();
        (0..own.columns.len()).for_each(|index| all.insert(FieldSlot::of_column(index)));
        let places = (0..own.columns.len()).filter_map(|index| Some((index, own.place(index)?)));
        let long_columns = places.filter(|(_, place)| !matches!(place, CellPlace::Scalar(_))).collect();
        let (scalars, incomplete) = (Vec::new(), Vec::new());
        Self { schema, stream, scalars, incomplete, all, long_columns, rows: 0, long: 0 }
    }

    /// Adds a row; lists and texts go into the columns at once.
    #[inline]
    fn push(&mut self, row: &ParsedRow, columns: &mut Vec<ColumnValues>) {
        let own = self.schema.stream(self.stream);
        if columns.len() != own.columns.len() {
            *columns = empty_columns(own);
        }
        self.scalars.extend_from_slice(&row.scalars);
        if !row.present.covers(self.all) {
            self.incomplete.push((self.rows, row.present));
        }
        self.rows += 1;
        for (index, place) in &self.long_columns {
            let Some(column) = columns.get_mut(*index) else { continue };
            let is_present = row.present.contains(FieldSlot::of_column(*index));
            match place {
                CellPlace::List(at) => {
                    if let Some(list) = row.lists.get(*at).filter(|_| is_present) {
                        column.values.extend_from(list);
                        self.long += list.len();
                    }
                    let end = column.values.len();
                    column.ends.get_or_insert_default().push(end);
                }
                CellPlace::Text(at) => {
                    let text = row.texts.get(*at).filter(|_| is_present).map_or("", String::as_str);
                    self.long += text.len();
                    if let Values::Text(texts) = &mut column.values {
                        texts.push(text);
                    }
                }
                CellPlace::Scalar(_) => {}
            }
        }
    }

    /// Moves all rows into the columns.
    fn fill_columns(&mut self, columns: &mut [ColumnValues]) {
        let own = self.schema.stream(self.stream);
        let width = own.counts().scalars.max(1);
        for (index, column) in columns.iter_mut().enumerate() {
            let slot = FieldSlot::of_column(index);
            column.valid.clear();
            if self.incomplete.iter().any(|(_, present)| !present.contains(slot)) {
                column.valid.resize(self.rows, true);
                for (row, present) in &self.incomplete {
                    if let Some(valid) = column.valid.get_mut(*row) {
                        *valid = present.contains(slot);
                    }
                }
            }
            let Some(CellPlace::Scalar(at)) = own.place(index) else { continue };
            let bits = self.scalars.chunks_exact(width).filter_map(|row| row.get(at).copied());
            match &mut column.values {
                Values::Bool(values) => values.extend(bits.map(|bits| bits != 0)),
                Values::Int(values) => values.extend(bits.map(u64::cast_signed)),
                Values::Float(values) => values.extend(bits.map(f64::from_bits)),
                Values::Text(_) => {}
            }
            // A null has the default value, whatever the parser left there.
            for (row, _) in self.incomplete.iter().filter(|(_, present)| !present.contains(slot)) {
                clear_value(&mut column.values, *row);
            }
        }
        self.scalars.clear();
        self.incomplete.clear();
        (self.rows, self.long) = (0, 0);
    }
}

fn clear_value(values: &mut Values, row: usize) {
    match values {
        Values::Bool(values) => values.get_mut(row).into_iter().for_each(|value| *value = false),
        Values::Int(values) => values.get_mut(row).into_iter().for_each(|value| *value = 0),
        Values::Float(values) => values.get_mut(row).into_iter().for_each(|value| *value = 0.0),
        Values::Text(_) => {}
    }
}

/// Step rows on their way to the sink.
pub(super) struct StepBatch {
    rows: StepRows,
    cells: RowCells,
    version: SchemaVersion,
}

impl StepBatch {
    pub fn new(schema: Arc<RunSchema>, version: SchemaVersion) -> Self {
        Self { rows: StepRows::default(), cells: RowCells::new(schema, RunStream::Steps), version }
    }

    pub fn push(&mut self, row: &ParsedRow, index: i64, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        let rows = &mut self.rows;
        match rows.episodes.last_mut() {
            // For speed: an episode's id is copied once, not per row.
            Some(span) if span.episode_index == index => span.rows += 1,
            _ => rows.episodes.push(EpisodeSpan { episode_id: row.episode_id.clone(), episode_index: index, rows: 1 }),
        }
        rows.schema_version.push(row.schema.unwrap_or(self.version));
        rows.step.push(row.count);
        rows.terminated.push(row.terminated);
        rows.truncated.push(row.truncated);
        self.cells.push(row, &mut rows.columns);
        rows.extra.push(&row.extra);
        let full = rows.len() >= BATCH_ROWS || self.cells.long + rows.extra.bytes.len() >= BATCH_VALUES;
        if full { self.flush(sink) } else { Ok(()) }
    }

    pub fn flush(&mut self, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        if !self.rows.is_empty() {
            self.cells.fill_columns(&mut self.rows.columns);
            self.rows = sink.take_steps(std::mem::take(&mut self.rows))?;
            self.rows.clear();
        }
        Ok(())
    }
}

/// An episode's row that waits for its steps, or for an earlier row that waits.
struct WaitingEpisode {
    row: ParsedRow,
    index: Option<i64>,
    is_matched: bool,
}

/// Episode rows on their way to the sink, in file order.
pub(super) struct EpisodeBatch {
    rows: EpisodeRows,
    cells: RowCells,
    version: SchemaVersion,
    waiting: VecDeque<WaitingEpisode>,
    /// The number of the first waiting row.
    first: u64,
}

impl EpisodeBatch {
    pub fn new(schema: Arc<RunSchema>, version: SchemaVersion) -> Self {
        let cells = RowCells::new(schema, RunStream::Episodes);
        Self { rows: EpisodeRows::default(), cells, version, waiting: VecDeque::new(), first: 0 }
    }

    /// Takes a row; returns its number.
    pub fn push(&mut self, row: &ParsedRow) -> u64 {
        // A copy, because the parser uses its row again for the next line.
        let row = row.clone();
        self.waiting.push_back(WaitingEpisode { row, index: None, is_matched: false });
        self.first + self.waiting.len() as u64 - 1
    }

    /// Sets the segment to which the row with this number belongs; passes on the rows that are ready.
    pub fn set_index(&mut self, number: u64, index: u64, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(record) = at.and_then(|at| self.waiting.get_mut(at)) {
            record.index = i64::try_from(index).ok();
            record.is_matched = true;
        }
        // In file order: a matched row behind one that waits must wait, too.
        while self.waiting.front().is_some_and(|r| r.is_matched) {
            self.pop_first(sink)?;
        }
        Ok(())
    }

    fn pop_first(&mut self, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        let Some(WaitingEpisode { row, index, .. }) = self.waiting.pop_front() else { return Ok(()) };
        self.first += 1;
        let rows = &mut self.rows;
        rows.schema_version.push(row.schema.unwrap_or(self.version));
        rows.episode_id.push(&row.episode_id);
        rows.episode_index.push(index);
        rows.terminated.push(row.terminated);
        rows.truncated.push(row.truncated);
        rows.total_steps.push(row.count);
        self.cells.push(&row, &mut rows.columns);
        rows.extra.push(&row.extra);
        let full = rows.len() >= BATCH_ROWS || self.cells.long + rows.extra.bytes.len() >= BATCH_VALUES;
        if full { self.flush(sink) } else { Ok(()) }
    }

    fn flush(&mut self, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        if !self.rows.is_empty() {
            self.cells.fill_columns(&mut self.rows.columns);
            self.rows = sink.take_episodes(std::mem::take(&mut self.rows))?;
            self.rows.clear();
        }
        Ok(())
    }

    /// Passes on all waiting rows; there are no further matches.
    pub fn finish(&mut self, sink: &mut dyn RowSink) -> Result<(), SinkError> {
        while !self.waiting.is_empty() {
            self.pop_first(sink)?;
        }
        self.flush(sink)
    }
}

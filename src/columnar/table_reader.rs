//! Reads the rows of a [`RunTable`] in order, by several threads that are some row groups ahead of whoever takes them.
//!
//! Memory is bounded by a few row groups, however large the table is. Dropping the reader ends its threads.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchReader, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use arrow::error::ArrowError;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use parquet::file::metadata::ParquetMetaData;

use crate::columnar::ColumnarError;
use crate::columnar::file::ParquetFile;
use crate::columnar::file_parts::FileParts;
use crate::columnar::table_files::{EXPERIMENT_COLUMN, PlannedFile, RUN_ID_COLUMN, RunTable, TableError, TextLayout};
use crate::error::Explain;

/// The most threads that read ahead: each holds a row group.
const MOST_THREADS: usize = 4;
/// How often it is asked whether to stop.
const PATIENCE: Duration = Duration::from_millis(50);
/// About how many bytes a batch has.
const BATCH_BYTES: u64 = 8 << 20;
/// The least and the most rows of a batch.
const BATCH_ROWS: (u64, u64) = (1 << 10, 1 << 16);

/// Rows of a row group; `None` is its end, without which it is not whole.
type Rows = Result<Option<RecordBatch>, TableError>;

/// The rows of a table, batch by batch. An error ends it.
pub struct TableReader {
    schema: SchemaRef,
    shared: Arc<Shared>,
    /// The row group whose rows are passed on now.
    current: Option<Receiver<Rows>>,
    /// Called between batches, and while waiting for one; true stops the reading.
    is_interrupted: Box<dyn FnMut() -> bool + Send>,
    asked: Instant,
    process: u32,
    /// Whether no thread could be started.
    is_dead: bool,
    is_over: bool,
}

/// What the threads share with the reader.
struct Shared {
    table: Arc<RunTable>,
    /// The table's columns, with texts in the layout.
    schema: SchemaRef,
    texts: TextLayout,
    state: Mutex<ReadState>,
    /// A row group was taken, begun, or there is no need for more.
    changed: Condvar,
    /// The most row groups that may be ready or in work beside the one that is passed on.
    ahead: usize,
}

#[derive(Default)]
struct ReadState {
    /// The next row group: its file and its number there.
    next: (usize, usize),
    /// Row groups in work or ready, in order.
    begun: VecDeque<Receiver<Rows>>,
    is_stopped: bool,
}

impl ReadState {
    /// The next row group that nothing works on. Files without rows have none.
    fn next_group(&mut self, table: &RunTable) -> Option<(usize, usize)> {
        while self.next.1 >= table.files.get(self.next.0)?.groups {
            self.next = (self.next.0 + 1, 0);
        }
        Some(self.next)
    }
}

impl TableReader {
    /// Begins at the first row. `is_interrupted` is asked now and then whether to stop.
    #[must_use]
    pub fn new(table: &Arc<RunTable>, texts: TextLayout, is_interrupted: Box<dyn FnMut() -> bool + Send>) -> Self {
        let groups: usize = table.files.iter().map(|file| file.groups).sum();
        // Two at least: one reads while the other decodes.
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, MOST_THREADS).min(groups);
        let schema = table.schema_with(texts);
        let shared = Arc::new(Shared {
            table: Arc::clone(table),
            schema: Arc::clone(&schema),
            texts,
            state: Mutex::default(),
            changed: Condvar::new(),
            ahead: threads + 1,
        });
        let started = (0..threads).filter(|_| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().spawn(move || shared.read_groups()).is_ok()
        });
        // One is enough; a system that starts none is found out when rows are asked for.
        let is_dead = started.count() == 0 && groups > 0;
        Self {
            schema,
            shared,
            current: None,
            is_interrupted,
            asked: Instant::now(),
            process: std::process::id(),
            is_dead,
            is_over: false,
        }
    }

    /// The next rows; `None` after the last, or after an error.
    pub fn next_rows(&mut self) -> Option<Result<RecordBatch, TableError>> {
        if self.is_over {
            return None;
        }
        let next = self.wait_for_rows();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }

    fn wait_for_rows(&mut self) -> Option<Result<RecordBatch, TableError>> {
        // Threads do not survive a fork.
        if self.process != std::process::id() {
            return Some(Err(TableError::Forked));
        }
        if self.is_dead {
            return Some(Err(TableError::Ended));
        }
        loop {
            if self.asked.elapsed() >= PATIENCE {
                if (self.is_interrupted)() {
                    return Some(Err(TableError::Interrupted));
                }
                self.asked = Instant::now();
            }
            let Some(batches) = &self.current else {
                self.current = self.shared.take_begun()?;
                continue;
            };
            match batches.recv_timeout(PATIENCE) {
                Ok(Ok(Some(batch))) => return Some(Ok(batch)),
                Ok(Ok(None)) => self.current = None,
                Ok(Err(error)) => return Some(Err(error)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Some(Err(TableError::Ended)),
            }
        }
    }
}

/// All numbers of a column of a table, as doubles; nothing if its values are no numbers.
pub fn read_numbers(table: &Arc<RunTable>, column: &str) -> Result<Vec<Option<f64>>, TableError> {
    let mut numbers = Vec::new();
    let mut reader = TableReader::new(table, TextLayout::Plain, Box::new(|| false));
    while let Some(batches) = reader.next_rows() {
        let batch = batches?;
        let values = batch.column_by_name(column).and_then(|values| cast(values, &DataType::Float64).ok());
        numbers.extend(values.iter().flat_map(|values| values.as_primitive::<Float64Type>().iter()));
    }
    Ok(numbers)
}

/// An error with its code and what to do, for readers that pass on nothing but a text.
fn describe(error: &TableError) -> String {
    let explained = error.explain();
    let hints = explained.hints.iter().map(|hint| format!("; {hint}")).collect::<String>();
    crate::support::visible::escape_control(format!("{error}{hints} [{}]", explained.code))
}

impl Iterator for TableReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_rows().map(|rows| rows.map_err(|error| ArrowError::ExternalError(describe(&error).into())))
    }
}

impl RecordBatchReader for TableReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Drop for TableReader {
    fn drop(&mut self) {
        // After a fork the threads are the other process's, and the lock may be held for ever.
        if self.process == std::process::id() {
            self.shared.lock().is_stopped = true;
            self.shared.changed.notify_all();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, ReadState> {
        // Nothing is left half done under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next row group in order: none if none has been begun for a while. `None` after the last one.
    #[allow(clippy::option_option)]
    fn take_begun(&self) -> Option<Option<Receiver<Rows>>> {
        let mut state = self.lock();
        if state.begun.is_empty() && state.next_group(&self.table).is_some() {
            state = self.changed.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner).0;
        }
        let taken = state.begun.pop_front();
        let is_over = taken.is_none() && state.next_group(&self.table).is_none();
        drop(state);
        self.changed.notify_all();
        (!is_over).then_some(taken)
    }

    /// Takes the next row group that nothing works on; `None` if there is none, or none is needed any more.
    fn begin_group(&self) -> Option<(usize, usize, Sender<Rows>)> {
        let mut state = self.lock();
        while !state.is_stopped && state.begun.len() >= self.ahead {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let (file, group) = state.next_group(&self.table).filter(|_| !state.is_stopped)?;
        state.next = (file, group + 1);
        let (sender, receiver) = unbounded();
        state.begun.push_back(receiver);
        drop(state);
        self.changed.notify_all();
        Some((file, group, sender))
    }

    /// The work of one thread.
    fn read_groups(&self) {
        let mut opened: Option<(usize, GroupSource)> = None;
        while let Some((index, group, sender)) = self.begin_group() {
            let Some(planned) = self.table.files.get(index) else { break };
            let source = match opened.take() {
                Some((last, source)) if last == index => Ok(source),
                _ => GroupSource::open(planned, self.texts),
            };
            let sent = source.and_then(|source| {
                source.read_group(planned, group, &self.schema, &sender)?;
                Ok(source)
            });
            match sent {
                Ok(source) => opened = Some((index, source)),
                Err(error) => {
                    // A reader that was dropped does not take it.
                    let _ = sender.send(Err(error));
                }
            }
        }
    }
}

/// An open file, its footer, and how its columns are read.
struct GroupSource {
    file: File,
    footer: Arc<ParquetMetaData>,
    mask: ProjectionMask,
    levels: FieldLevels,
}

impl GroupSource {
    fn open(planned: &PlannedFile, texts: TextLayout) -> Result<Self, TableError> {
        let file = planned.open()?;
        let footer = planned.footer(&file)?;
        let schema = footer.file_metadata().schema_descr();
        let mask = ProjectionMask::roots(schema, planned.layout.read.iter().copied());
        let fields = planned.layout.fields_with(texts);
        let levels = parquet_to_arrow_field_levels(schema, mask.clone(), Some(&fields))
            .map_err(|error| unreadable(planned, error))?;
        Ok(Self { file, mask, levels, footer })
    }

    fn read_group(
        &self,
        planned: &PlannedFile,
        group: usize,
        schema: &SchemaRef,
        sender: &Sender<Rows>,
    ) -> Result<(), TableError> {
        let facts = self.footer.row_groups().get(group);
        let facts = facts.ok_or_else(|| unreadable(planned, "a row group is missing"))?;
        let (parts, bytes) =
            FileParts::read(&self.file, facts, &self.mask).map_err(|error| unreadable(planned, error))?;
        // The bytes are in memory now: what was read is what was verified, if the file is still the same.
        planned.check_unchanged(&self.file)?;
        let reader = ParquetFile::of_group(parts, Arc::clone(&self.footer), group)
            .read_levels(&self.levels, batch_rows(facts.num_rows(), bytes))
            .map_err(|error| unreadable(planned, error))?;
        let mut rows = 0;
        for batch in reader {
            let batch = batch.map_err(|error| unreadable(planned, error))?;
            rows += batch.num_rows();
            let batch = fit_batch(planned, &batch, schema).map_err(|error| unreadable(planned, error))?;
            if sender.send(Ok(Some(batch))).is_err() {
                return Ok(());
            }
        }
        if u64::try_from(facts.num_rows()).ok() != Some(rows as u64) {
            return Err(unreadable(planned, format!("a row group of {} rows has {rows}", facts.num_rows())));
        }
        // A reader that was dropped does not take it.
        let _ = sender.send(Ok(None));
        Ok(())
    }
}

fn unreadable(planned: &PlannedFile, error: impl std::fmt::Display) -> TableError {
    ColumnarError::Unreadable { path: planned.file.path.clone(), message: error.to_string() }.into()
}

/// How many rows a batch has of a row group of so many rows and bytes: all batches have about as many, for each costs the memory
/// of the largest.
fn batch_rows(rows: i64, bytes: u64) -> usize {
    let rows = u64::try_from(rows).unwrap_or(0).max(1);
    let most = (BATCH_BYTES / (bytes / rows).max(1)).clamp(BATCH_ROWS.0, BATCH_ROWS.1);
    usize::try_from(rows.div_ceil(rows.div_ceil(most))).unwrap_or(1)
}

/// A file's batch as the table's.
fn fit_batch(planned: &PlannedFile, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let rows = batch.num_rows();
    let columns = schema.fields().iter().zip(&planned.layout.places).map(|(field, place)| {
        let Some(column) = place.map(|place| batch.column(place)) else {
            let name = match field.name().as_str() {
                EXPERIMENT_COLUMN => planned.file.run.experiment(),
                RUN_ID_COLUMN => planned.file.run.run_id(),
                _ => return Ok(new_null_array(field.data_type(), rows)),
            };
            let names = StringArray::from_iter_values(std::iter::repeat_n(name, rows));
            return cast(&names, field.data_type());
        };
        if column.data_type() == field.data_type() { Ok(Arc::clone(column)) } else { cast(column, field.data_type()) }
    });
    let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;

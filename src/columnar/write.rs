//! Writes `steps.parquet` and `episodes.parquet`: row groups of whole batches, column by column. Rows of an unfinished
//! row group are in memory; a file is valid only after `finish`.

use std::io::Write;
use std::sync::Arc;

use parquet::errors::{ParquetError, Result};
use parquet::file::writer::SerializedFileWriter;

use crate::columnar::chunk::{ChunkBuffer, ColumnChunk};
use crate::columnar::footer::TypeOrderWriter;
use crate::columnar::runs::RunColumn;
use crate::columnar::schema::TableLayout;
use crate::run::RunKey;
use crate::run::layout::RunStream;
use crate::run::rows::{ColumnValues, EpisodeRows, StepRows};
use crate::run::schema::{RunSchema, SchemaVersion, TableColumn, TableSource};

/// Rows after which a batch ends the row group: enough for readers to work in bulk and in parallel, few enough to hold
/// in memory.
const GROUP_ROWS: usize = 256 << 10;
/// Bytes of lists and texts after which a batch ends the row group, too: rows with long lists must not fill the memory.
const GROUP_BYTES: usize = 16 << 20;

/// A parquet file being written.
struct ParquetTable<W: Write> {
    key: RunKey,
    schema: Arc<RunSchema>,
    stream: RunStream,
    layout: TableLayout,
    file: SerializedFileWriter<TypeOrderWriter<W>>,
    columns: Option<Vec<TableWriter>>,
    rows: usize,
    bytes: usize,
    buffer: ChunkBuffer,
}

/// A column of one row group.
enum TableWriter {
    /// Of texts that change rarely.
    Texts(RunColumn<Box<str>>),
    /// Of integers that change rarely.
    Ints(RunColumn<i64>),
    /// Any other.
    Chunk(Box<ColumnChunk>),
}

impl<W: Write + Send> ParquetTable<W> {
    fn new(key: &RunKey, schema: &Arc<RunSchema>, stream: RunStream, out: W) -> Result<Self> {
        let layout = TableLayout::new(schema, stream)?;
        let out = TypeOrderWriter::new(out, &layout.descriptor);
        let root = layout.descriptor.root_schema_ptr();
        let file = SerializedFileWriter::new(out, root, Arc::clone(&layout.properties))?;
        let (schema, buffer) = (Arc::clone(schema), ChunkBuffer::default());
        Ok(Self { key: key.clone(), schema, stream, layout, file, columns: None, rows: 0, bytes: 0, buffer })
    }

    /// Writes rows, column by column; `write` gets each column with its source and writer.
    fn write(
        &mut self,
        count: usize,
        bytes: usize,
        mut write: impl FnMut(&Self, &TableColumn, &mut TableWriter, &mut ChunkBuffer) -> Result<()>,
    ) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        // Made with the first batch: a run without rows has no row group.
        let mut columns = self.columns.take().unwrap_or_else(|| self.start_group());
        let mut buffer = std::mem::take(&mut self.buffer);
        for (column, writer) in self.layout.columns.iter().zip(&mut columns) {
            write(self, column, writer, &mut buffer)?;
        }
        (self.columns, self.buffer) = (Some(columns), buffer);
        self.rows += count;
        self.bytes += bytes;
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES { self.finish_group() } else { Ok(()) }
    }

    fn start_group(&self) -> Vec<TableWriter> {
        let TableLayout { columns, descriptor, properties } = &self.layout;
        let is_steps = self.stream == RunStream::Steps;
        let writer = |(i, column): (usize, &TableColumn)| {
            let leaf = descriptor.column(i);
            match column.source {
                TableSource::SchemaVersion | TableSource::Experiment | TableSource::RunId => {
                    TableWriter::Texts(RunColumn::new(leaf))
                }
                TableSource::EpisodeId if is_steps => TableWriter::Texts(RunColumn::new(leaf)),
                TableSource::EpisodeIndex if is_steps => TableWriter::Ints(RunColumn::new(leaf)),
                _ => TableWriter::Chunk(Box::new(ColumnChunk::new(leaf, Arc::clone(properties)))),
            }
        };
        columns.iter().enumerate().map(writer).collect()
    }

    fn finish_group(&mut self) -> Result<()> {
        if let Some(columns) = self.columns.take() {
            let mut group = self.file.next_row_group()?;
            for column in columns {
                match column {
                    TableWriter::Texts(texts) => texts.append_to(&mut group)?,
                    TableWriter::Ints(ints) => ints.append_to(&mut group)?,
                    TableWriter::Chunk(chunk) => chunk.append_to(&mut group)?,
                }
            }
            group.close()?;
        }
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    fn finish(mut self) -> Result<W> {
        // The last row group, however small.
        self.finish_group()?;
        self.file.into_inner()?.finish()
    }

    /// Writes a declared column, or one that the run does not declare.
    fn write_declared(
        &self,
        column: &TableColumn,
        rows: usize,
        columns: &[ColumnValues],
        chunk: &mut ColumnChunk,
        buffer: &mut ChunkBuffer,
    ) -> Result<()> {
        match column.source {
            TableSource::Undeclared(kind) => chunk.write_nulls(rows, kind, buffer),
            TableSource::Column(index) => {
                let declared = self.schema.stream(self.stream).column(index);
                let (Some(declared), Some(values)) = (declared, columns.get(index)) else { return Err(lacks_column()) };
                chunk.write_column(declared, column.is_nullable, rows, values, buffer)
            }
            _ => Err(lacks_column()),
        }
    }
}

fn lacks_column() -> ParquetError {
    ParquetError::General("a batch lacks a column of its schema".into())
}

/// `steps.parquet`, being written.
pub struct StepsFile<W: Write + Send>(ParquetTable<W>);

impl<W: Write + Send> StepsFile<W> {
    /// Begins the file of a run.
    pub fn new(key: &RunKey, schema: &Arc<RunSchema>, out: W) -> Result<Self> {
        ParquetTable::new(key, schema, RunStream::Steps, out).map(Self)
    }

    /// Adds a batch.
    pub fn write(&mut self, rows: &StepRows) -> Result<()> {
        self.0.write(rows.len(), rows.long_bytes(), |table, column, writer, buffer| match (writer, column.source) {
            (TableWriter::Texts(texts), TableSource::EpisodeId) => {
                rows.episodes.iter().try_for_each(|span| texts.push(span.episode_id.as_str(), span.rows))
            }
            (TableWriter::Texts(texts), source) => push_run_text(texts, source, &table.key, &rows.schema_version),
            (TableWriter::Ints(ints), _) => {
                rows.episodes.iter().try_for_each(|span| ints.push(&span.episode_index, span.rows))
            }
            (TableWriter::Chunk(chunk), TableSource::Count) => chunk.write_ints(&rows.step),
            (TableWriter::Chunk(chunk), TableSource::Terminated) => chunk.write_bools(&rows.terminated),
            (TableWriter::Chunk(chunk), TableSource::Truncated) => chunk.write_bools(&rows.truncated),
            (TableWriter::Chunk(chunk), TableSource::Extra) => chunk.write_optional_texts(&rows.extra, buffer),
            (TableWriter::Chunk(chunk), _) => table.write_declared(column, rows.len(), &rows.columns, chunk, buffer),
        })
    }

    /// Completes the file.
    pub fn finish(self) -> Result<W> {
        self.0.finish()
    }
}

/// `episodes.parquet`, being written.
pub struct EpisodesFile<W: Write + Send>(ParquetTable<W>);

impl<W: Write + Send> EpisodesFile<W> {
    /// Begins the file of a run.
    pub fn new(key: &RunKey, schema: &Arc<RunSchema>, out: W) -> Result<Self> {
        ParquetTable::new(key, schema, RunStream::Episodes, out).map(Self)
    }

    /// Adds a batch.
    pub fn write(&mut self, rows: &EpisodeRows) -> Result<()> {
        self.0.write(rows.len(), rows.long_bytes(), |table, column, writer, buffer| match (writer, column.source) {
            (TableWriter::Texts(texts), source) => push_run_text(texts, source, &table.key, &rows.schema_version),
            (TableWriter::Ints(_), _) => Err(lacks_column()),
            (TableWriter::Chunk(chunk), TableSource::EpisodeId) => chunk.write_texts(&rows.episode_id, buffer),
            (TableWriter::Chunk(chunk), TableSource::EpisodeIndex) => {
                chunk.write_optional_ints(&rows.episode_index, buffer)
            }
            (TableWriter::Chunk(chunk), TableSource::Count) => chunk.write_ints(&rows.total_steps),
            (TableWriter::Chunk(chunk), TableSource::Terminated) => chunk.write_bools(&rows.terminated),
            (TableWriter::Chunk(chunk), TableSource::Truncated) => chunk.write_bools(&rows.truncated),
            (TableWriter::Chunk(chunk), TableSource::Extra) => chunk.write_optional_texts(&rows.extra, buffer),
            (TableWriter::Chunk(chunk), _) => table.write_declared(column, rows.len(), &rows.columns, chunk, buffer),
        })
    }

    /// Completes the file.
    pub fn finish(self) -> Result<W> {
        self.0.finish()
    }
}

/// Adds the rows' schema version, experiment or run id, as runs of equal values.
fn push_run_text(
    column: &mut RunColumn<Box<str>>,
    source: TableSource,
    key: &RunKey,
    versions: &[SchemaVersion],
) -> Result<()> {
    match source {
        TableSource::Experiment => column.push(key.experiment(), versions.len()),
        TableSource::RunId => column.push(key.run_id(), versions.len()),
        _ => push_versions(column, versions),
    }
}

/// Adds the rows' schema versions, as runs: usually all are the same.
fn push_versions(column: &mut RunColumn<Box<str>>, versions: &[SchemaVersion]) -> Result<()> {
    versions.chunk_by(|a, b| a == b).try_for_each(|run| match run.first() {
        Some(version) => column.push(version.as_str(), run.len()),
        None => Ok(()),
    })
}

//! Writes `steps.parquet` and `episodes.parquet`: row groups of whole batches, column by column. Rows of an unfinished
//! row group are in memory; a file is valid only after `finish`.

use std::io::Write;
use std::sync::Arc;

use parquet::errors::Result;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor};

use super::schema;
use crate::columnar::chunk::{ChunkBuffer, ColumnChunk};
use crate::columnar::footer::TypeOrderWriter;
use crate::columnar::runs::RunColumn;
use crate::run::RunKey;
use crate::run::rows::{EpisodeRows, StepRows};
use crate::run::schema::SchemaVersion;

/// Rows after which a batch ends the row group: enough for readers to work in bulk and in parallel, few enough to hold
/// in memory.
const GROUP_ROWS: usize = 256 << 10;
/// Bytes of lists and texts after which a batch ends the row group, too: rows with long lists must not fill the memory.
const GROUP_BYTES: usize = 16 << 20;

/// The columns of one row group.
trait TableColumns: Sized {
    type Rows;
    fn table_schema() -> Result<Arc<SchemaDescriptor>>;
    fn new(schema: &SchemaDescriptor, properties: &WriterPropertiesPtr) -> Self;
    fn write(&mut self, key: &RunKey, rows: &Self::Rows, buffer: &mut ChunkBuffer) -> Result<()>;
    /// Returns the number of rows, and the bytes of their lists and texts.
    fn rows_and_bytes(rows: &Self::Rows) -> (usize, usize);
    fn append_to<W: Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()>;
}

/// A parquet file being written.
struct ParquetTable<C, W: Write> {
    key: RunKey,
    schema: SchemaDescPtr,
    properties: WriterPropertiesPtr,
    file: SerializedFileWriter<TypeOrderWriter<W>>,
    columns: Option<C>,
    rows: usize,
    bytes: usize,
    buffer: ChunkBuffer,
}

impl<C: TableColumns, W: Write + Send> ParquetTable<C, W> {
    fn new(key: &RunKey, out: W) -> Result<Self> {
        let (schema, properties) = (C::table_schema()?, schema::writer_properties()?);
        let out = TypeOrderWriter::new(out, &schema);
        let file = SerializedFileWriter::new(out, schema.root_schema_ptr(), Arc::clone(&properties))?;
        let buffer = ChunkBuffer::default();
        Ok(Self { key: key.clone(), schema, properties, file, columns: None, rows: 0, bytes: 0, buffer })
    }

    fn write(&mut self, rows: &C::Rows) -> Result<()> {
        let (count, bytes) = C::rows_and_bytes(rows);
        if count == 0 {
            return Ok(());
        }
        // Made with the first batch: a run without rows has no row group.
        let columns = self.columns.get_or_insert_with(|| C::new(&self.schema, &self.properties));
        columns.write(&self.key, rows, &mut self.buffer)?;
        self.rows += count;
        self.bytes += bytes;
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES { self.finish_group() } else { Ok(()) }
    }

    fn finish_group(&mut self) -> Result<()> {
        if let Some(columns) = self.columns.take() {
            let mut group = self.file.next_row_group()?;
            columns.append_to(&mut group)?;
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
}

/// `steps.parquet`, being written.
pub struct StepsFile<W: Write + Send>(ParquetTable<StepColumnWriters, W>);

impl<W: Write + Send> StepsFile<W> {
    /// Begins the file of a run.
    pub fn new(key: &RunKey, out: W) -> Result<Self> {
        ParquetTable::new(key, out).map(Self)
    }

    /// Adds a batch.
    pub fn write(&mut self, rows: &StepRows) -> Result<()> {
        self.0.write(rows)
    }

    /// Completes the file.
    pub fn finish(self) -> Result<W> {
        self.0.finish()
    }
}

/// `episodes.parquet`, being written.
pub struct EpisodesFile<W: Write + Send>(ParquetTable<EpisodeColumnWriters, W>);

impl<W: Write + Send> EpisodesFile<W> {
    /// Begins the file of a run.
    pub fn new(key: &RunKey, out: W) -> Result<Self> {
        ParquetTable::new(key, out).map(Self)
    }

    /// Adds a batch.
    pub fn write(&mut self, rows: &EpisodeRows) -> Result<()> {
        self.0.write(rows)
    }

    /// Completes the file.
    pub fn finish(self) -> Result<W> {
        self.0.finish()
    }
}

struct StepColumnWriters {
    schema_version: RunColumn<Box<str>>,
    experiment: RunColumn<Box<str>>,
    run_id: RunColumn<Box<str>>,
    episode_id: RunColumn<Box<str>>,
    episode_index: RunColumn<i64>,
    step: ColumnChunk,
    ts: ColumnChunk,
    action: ColumnChunk,
    reward: ColumnChunk,
    terminated: ColumnChunk,
    truncated: ColumnChunk,
    agent_x: ColumnChunk,
    agent_y: ColumnChunk,
    distance_to_goal: ColumnChunk,
    observation_summary: ColumnChunk,
    seed: ColumnChunk,
    extra: ColumnChunk,
}

impl TableColumns for StepColumnWriters {
    type Rows = StepRows;

    fn table_schema() -> Result<Arc<SchemaDescriptor>> {
        schema::steps_schema()
    }

    fn new(schema: &SchemaDescriptor, properties: &WriterPropertiesPtr) -> Self {
        let chunk = |i: usize| ColumnChunk::new(schema.column(i), Arc::clone(properties));
        Self {
            schema_version: RunColumn::new(schema.column(0)),
            experiment: RunColumn::new(schema.column(1)),
            run_id: RunColumn::new(schema.column(2)),
            episode_id: RunColumn::new(schema.column(3)),
            episode_index: RunColumn::new(schema.column(4)),
            step: chunk(5),
            ts: chunk(6),
            action: chunk(7),
            reward: chunk(8),
            terminated: chunk(9),
            truncated: chunk(10),
            agent_x: chunk(11),
            agent_y: chunk(12),
            distance_to_goal: chunk(13),
            observation_summary: chunk(14),
            seed: chunk(15),
            extra: chunk(16),
        }
    }

    fn write(&mut self, key: &RunKey, rows: &StepRows, buffer: &mut ChunkBuffer) -> Result<()> {
        push_versions(&mut self.schema_version, &rows.schema_version)?;
        self.experiment.push(key.experiment(), rows.len())?;
        self.run_id.push(key.run_id(), rows.len())?;
        for span in &rows.episodes {
            self.episode_id.push(span.episode_id.as_str(), span.rows)?;
            self.episode_index.push(&span.episode_index, span.rows)?;
        }
        self.step.write_ints(&rows.step)?;
        self.ts.write_floats(&rows.ts)?;
        self.action.write_ints(&rows.action)?;
        self.reward.write_floats(&rows.reward)?;
        self.terminated.write_bools(&rows.terminated)?;
        self.truncated.write_bools(&rows.truncated)?;
        self.agent_x.write_ints(&rows.agent_x)?;
        self.agent_y.write_ints(&rows.agent_y)?;
        self.distance_to_goal.write_floats(&rows.distance_to_goal)?;
        self.observation_summary.write_lists(&rows.observation_summary, buffer)?;
        self.seed.write_optional_ints(&rows.seed, buffer)?;
        self.extra.write_optional_texts(&rows.extra, buffer)
    }

    fn rows_and_bytes(rows: &StepRows) -> (usize, usize) {
        (rows.len(), rows.observation_summary.values.len() * size_of::<f64>() + rows.extra.bytes.len())
    }

    fn append_to<W: Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        self.schema_version.append_to(group)?;
        self.experiment.append_to(group)?;
        self.run_id.append_to(group)?;
        self.episode_id.append_to(group)?;
        self.episode_index.append_to(group)?;
        self.step.append_to(group)?;
        self.ts.append_to(group)?;
        self.action.append_to(group)?;
        self.reward.append_to(group)?;
        self.terminated.append_to(group)?;
        self.truncated.append_to(group)?;
        self.agent_x.append_to(group)?;
        self.agent_y.append_to(group)?;
        self.distance_to_goal.append_to(group)?;
        self.observation_summary.append_to(group)?;
        self.seed.append_to(group)?;
        self.extra.append_to(group)
    }
}

struct EpisodeColumnWriters {
    schema_version: RunColumn<Box<str>>,
    experiment: RunColumn<Box<str>>,
    run_id: RunColumn<Box<str>>,
    episode_id: ColumnChunk,
    episode_index: ColumnChunk,
    terminated: ColumnChunk,
    truncated: ColumnChunk,
    total_steps: ColumnChunk,
    total_reward: ColumnChunk,
    final_x: ColumnChunk,
    final_y: ColumnChunk,
    final_distance_to_goal: ColumnChunk,
    duration_ms: ColumnChunk,
    avg_step_time_ms: ColumnChunk,
    extra: ColumnChunk,
}

impl TableColumns for EpisodeColumnWriters {
    type Rows = EpisodeRows;

    fn table_schema() -> Result<Arc<SchemaDescriptor>> {
        schema::episodes_schema()
    }

    fn new(schema: &SchemaDescriptor, properties: &WriterPropertiesPtr) -> Self {
        let chunk = |i: usize| ColumnChunk::new(schema.column(i), Arc::clone(properties));
        Self {
            schema_version: RunColumn::new(schema.column(0)),
            experiment: RunColumn::new(schema.column(1)),
            run_id: RunColumn::new(schema.column(2)),
            episode_id: chunk(3),
            episode_index: chunk(4),
            terminated: chunk(5),
            truncated: chunk(6),
            total_steps: chunk(7),
            total_reward: chunk(8),
            final_x: chunk(9),
            final_y: chunk(10),
            final_distance_to_goal: chunk(11),
            duration_ms: chunk(12),
            avg_step_time_ms: chunk(13),
            extra: chunk(14),
        }
    }

    fn write(&mut self, key: &RunKey, rows: &EpisodeRows, buffer: &mut ChunkBuffer) -> Result<()> {
        push_versions(&mut self.schema_version, &rows.schema_version)?;
        self.experiment.push(key.experiment(), rows.len())?;
        self.run_id.push(key.run_id(), rows.len())?;
        self.episode_id.write_texts(&rows.episode_id, buffer)?;
        self.episode_index.write_optional_ints(&rows.episode_index, buffer)?;
        self.terminated.write_bools(&rows.terminated)?;
        self.truncated.write_bools(&rows.truncated)?;
        self.total_steps.write_ints(&rows.total_steps)?;
        self.total_reward.write_floats(&rows.total_reward)?;
        self.final_x.write_ints(&rows.final_x)?;
        self.final_y.write_ints(&rows.final_y)?;
        self.final_distance_to_goal.write_optional_floats(&rows.final_distance_to_goal, buffer)?;
        self.duration_ms.write_optional_floats(&rows.duration_ms, buffer)?;
        self.avg_step_time_ms.write_optional_floats(&rows.avg_step_time_ms, buffer)?;
        self.extra.write_optional_texts(&rows.extra, buffer)
    }

    fn rows_and_bytes(rows: &EpisodeRows) -> (usize, usize) {
        (rows.len(), rows.episode_id.bytes.len() + rows.extra.bytes.len())
    }

    fn append_to<W: Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        self.schema_version.append_to(group)?;
        self.experiment.append_to(group)?;
        self.run_id.append_to(group)?;
        self.episode_id.append_to(group)?;
        self.episode_index.append_to(group)?;
        self.terminated.append_to(group)?;
        self.truncated.append_to(group)?;
        self.total_steps.append_to(group)?;
        self.total_reward.append_to(group)?;
        self.final_x.append_to(group)?;
        self.final_y.append_to(group)?;
        self.final_distance_to_goal.append_to(group)?;
        self.duration_ms.append_to(group)?;
        self.avg_step_time_ms.append_to(group)?;
        self.extra.append_to(group)
    }
}

/// Adds the rows' schema versions, as runs: usually all are the same.
fn push_versions(column: &mut RunColumn<Box<str>>, versions: &[SchemaVersion]) -> Result<()> {
    versions.chunk_by(|a, b| a == b).try_for_each(|run| match run.first() {
        Some(version) => column.push(version.as_str(), run.len()),
        None => Ok(()),
    })
}

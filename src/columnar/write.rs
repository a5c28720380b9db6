//! `steps.parquet` and `episodes.parquet` under construction.

use std::io::Write;
use std::sync::Arc;

use parquet::errors::Result;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor};

use super::schema;
use crate::columnar::chunk::{Chunk, Scratch};
use crate::columnar::footer::TypeOrder;
use crate::columnar::runs::Runs;
use crate::run::RunKey;
use crate::run::rows::{EpisodeRows, StepRows};
use crate::run::schema::SchemaVersion;

/// A row group is ended by the batch that reaches so many rows: enough for readers to work in bulk and in parallel, few
/// enough to be held in memory.
const GROUP_ROWS: usize = 256 << 10;
/// A row group is also ended by the batch with which its variable part (lists, texts) reaches so many bytes.
const GROUP_BYTES: usize = 16 << 20;

/// The columns of one row group.
trait Columns: Sized {
    type Rows;
    fn schema() -> Result<Arc<SchemaDescriptor>>;
    fn new(schema: &SchemaDescriptor, properties: &WriterPropertiesPtr) -> Self;
    fn write(&mut self, key: &RunKey, rows: &Self::Rows, scratch: &mut Scratch) -> Result<()>;
    /// Rows, and bytes of their variable part.
    fn size(rows: &Self::Rows) -> (usize, usize);
    fn append_to<W: Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()>;
}

/// A parquet file under construction.
struct Table<C, W: Write> {
    key: RunKey,
    schema: SchemaDescPtr,
    properties: WriterPropertiesPtr,
    file: SerializedFileWriter<TypeOrder<W>>,
    columns: Option<C>,
    rows: usize,
    bytes: usize,
    scratch: Scratch,
}

impl<C: Columns, W: Write + Send> Table<C, W> {
    fn new(key: &RunKey, out: W) -> Result<Self> {
        let (schema, properties) = (C::schema()?, schema::properties()?);
        let out = TypeOrder::new(out, &schema);
        let file = SerializedFileWriter::new(out, schema.root_schema_ptr(), Arc::clone(&properties))?;
        let scratch = Scratch::default();
        Ok(Self { key: key.clone(), schema, properties, file, columns: None, rows: 0, bytes: 0, scratch })
    }

    fn write(&mut self, rows: &C::Rows) -> Result<()> {
        let (count, bytes) = C::size(rows);
        if count == 0 {
            return Ok(());
        }
        let columns = self.columns.get_or_insert_with(|| C::new(&self.schema, &self.properties));
        columns.write(&self.key, rows, &mut self.scratch)?;
        self.rows += count;
        self.bytes += bytes;
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES { self.end_group() } else { Ok(()) }
    }

    fn end_group(&mut self) -> Result<()> {
        if let Some(columns) = self.columns.take() {
            let mut group = self.file.next_row_group()?;
            columns.append_to(&mut group)?;
            group.close()?;
        }
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    fn finish(mut self) -> Result<W> {
        self.end_group()?;
        self.file.into_inner()?.finish()
    }
}

/// `steps.parquet` under construction.
pub struct StepsFile<W: Write + Send>(Table<StepColumns, W>);

impl<W: Write + Send> StepsFile<W> {
    /// An empty file of a run.
    pub fn new(key: &RunKey, out: W) -> Result<Self> {
        Table::new(key, out).map(Self)
    }

    /// Adds a batch.
    pub fn write(&mut self, rows: &StepRows) -> Result<()> {
        self.0.write(rows)
    }

    /// Ends the file.
    pub fn finish(self) -> Result<W> {
        self.0.finish()
    }
}

/// `episodes.parquet` under construction.
pub struct EpisodesFile<W: Write + Send>(Table<EpisodeColumns, W>);

impl<W: Write + Send> EpisodesFile<W> {
    /// An empty file of a run.
    pub fn new(key: &RunKey, out: W) -> Result<Self> {
        Table::new(key, out).map(Self)
    }

    /// Adds a batch.
    pub fn write(&mut self, rows: &EpisodeRows) -> Result<()> {
        self.0.write(rows)
    }

    /// Ends the file.
    pub fn finish(self) -> Result<W> {
        self.0.finish()
    }
}

struct StepColumns {
    schema_version: Runs<Box<str>>,
    experiment: Runs<Box<str>>,
    run_id: Runs<Box<str>>,
    episode_id: Runs<Box<str>>,
    episode_index: Runs<i64>,
    step: Chunk,
    ts: Chunk,
    action: Chunk,
    reward: Chunk,
    terminated: Chunk,
    truncated: Chunk,
    agent_x: Chunk,
    agent_y: Chunk,
    distance_to_goal: Chunk,
    observation_summary: Chunk,
    seed: Chunk,
    extra: Chunk,
}

impl Columns for StepColumns {
    type Rows = StepRows;

    fn schema() -> Result<Arc<SchemaDescriptor>> {
        schema::steps()
    }

    fn new(schema: &SchemaDescriptor, properties: &WriterPropertiesPtr) -> Self {
        let chunk = |i: usize| Chunk::new(schema.column(i), Arc::clone(properties));
        Self {
            schema_version: Runs::new(schema.column(0)),
            experiment: Runs::new(schema.column(1)),
            run_id: Runs::new(schema.column(2)),
            episode_id: Runs::new(schema.column(3)),
            episode_index: Runs::new(schema.column(4)),
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

    fn write(&mut self, key: &RunKey, rows: &StepRows, scratch: &mut Scratch) -> Result<()> {
        push_versions(&mut self.schema_version, &rows.schema_version)?;
        self.experiment.push(key.experiment(), rows.len())?;
        self.run_id.push(key.run_id(), rows.len())?;
        for span in &rows.episodes {
            self.episode_id.push(span.episode_id.as_str(), span.rows)?;
            self.episode_index.push(&span.episode_index, span.rows)?;
        }
        self.step.ints(&rows.step)?;
        self.ts.floats(&rows.ts)?;
        self.action.ints(&rows.action)?;
        self.reward.floats(&rows.reward)?;
        self.terminated.bools(&rows.terminated)?;
        self.truncated.bools(&rows.truncated)?;
        self.agent_x.ints(&rows.agent_x)?;
        self.agent_y.ints(&rows.agent_y)?;
        self.distance_to_goal.floats(&rows.distance_to_goal)?;
        self.observation_summary.lists(&rows.observation_summary, scratch)?;
        self.seed.optional_ints(&rows.seed, scratch)?;
        self.extra.optional_texts(&rows.extra, scratch)
    }

    fn size(rows: &StepRows) -> (usize, usize) {
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

struct EpisodeColumns {
    schema_version: Runs<Box<str>>,
    experiment: Runs<Box<str>>,
    run_id: Runs<Box<str>>,
    episode_id: Chunk,
    episode_index: Chunk,
    terminated: Chunk,
    truncated: Chunk,
    total_steps: Chunk,
    total_reward: Chunk,
    final_x: Chunk,
    final_y: Chunk,
    final_distance_to_goal: Chunk,
    duration_ms: Chunk,
    avg_step_time_ms: Chunk,
    extra: Chunk,
}

impl Columns for EpisodeColumns {
    type Rows = EpisodeRows;

    fn schema() -> Result<Arc<SchemaDescriptor>> {
        schema::episodes()
    }

    fn new(schema: &SchemaDescriptor, properties: &WriterPropertiesPtr) -> Self {
        let chunk = |i: usize| Chunk::new(schema.column(i), Arc::clone(properties));
        Self {
            schema_version: Runs::new(schema.column(0)),
            experiment: Runs::new(schema.column(1)),
            run_id: Runs::new(schema.column(2)),
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

    fn write(&mut self, key: &RunKey, rows: &EpisodeRows, scratch: &mut Scratch) -> Result<()> {
        push_versions(&mut self.schema_version, &rows.schema_version)?;
        self.experiment.push(key.experiment(), rows.len())?;
        self.run_id.push(key.run_id(), rows.len())?;
        self.episode_id.texts(&rows.episode_id, scratch)?;
        self.episode_index.optional_ints(&rows.episode_index, scratch)?;
        self.terminated.bools(&rows.terminated)?;
        self.truncated.bools(&rows.truncated)?;
        self.total_steps.ints(&rows.total_steps)?;
        self.total_reward.floats(&rows.total_reward)?;
        self.final_x.ints(&rows.final_x)?;
        self.final_y.ints(&rows.final_y)?;
        self.final_distance_to_goal.optional_floats(&rows.final_distance_to_goal, scratch)?;
        self.duration_ms.optional_floats(&rows.duration_ms, scratch)?;
        self.avg_step_time_ms.optional_floats(&rows.avg_step_time_ms, scratch)?;
        self.extra.optional_texts(&rows.extra, scratch)
    }

    fn size(rows: &EpisodeRows) -> (usize, usize) {
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

/// Adds the rows' schema versions, which are one and the same as a rule.
fn push_versions(column: &mut Runs<Box<str>>, versions: &[SchemaVersion]) -> Result<()> {
    versions.chunk_by(|a, b| a == b).try_for_each(|run| match run.first() {
        Some(version) => column.push(version.as_str(), run.len()),
        None => Ok(()),
    })
}

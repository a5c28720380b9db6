//! Writes the rows of a scan into parquet files, in a thread of its own or in the scan's.
//!
//! At most a few batches are between the threads, so memory does not grow with the run. The caller owns the directory
//! and removes it if the scan fails.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::{ColumnarError, EpisodesFile, StepsFile};
use crate::run::RunKey;
use crate::run::layout::{EPISODES_PARQUET, STEPS_PARQUET};
use crate::run::meta::RunMeta;
use crate::run::rows::{EpisodeRows, StepRows};
use crate::run::schema::RunSchema;
use crate::support::fs;
use crate::support::fs::At;
use crate::validate::{RowSink, SinkError};

/// The number of batches that can wait for the thread.
const MAX_WAITING_BATCHES: usize = 1;

/// Writes `steps.parquet` and `episodes.parquet` into a directory. The files are complete after [`ParquetSink::finish`].
pub struct ParquetSink {
    dir: PathBuf,
    one_thread: bool,
    running: Option<SinkState>,
}

enum SinkState {
    /// Rows are written on the calling thread.
    SameThread(Box<ParquetFiles>),
    /// Rows go to a thread of their own.
    Thread { batches: Sender<RowBatch>, used: Receiver<StepRows>, thread: JoinHandle<Result<(), ColumnarError>> },
}

enum RowBatch {
    Steps(StepRows),
    Episodes(EpisodeRows),
}

impl ParquetSink {
    /// Makes a sink that writes into `dir`, which must exist; on the scan's thread if `one_thread`, else on a thread of
    /// its own.
    #[must_use]
    pub fn new(dir: &Path, one_thread: bool) -> Self {
        Self { dir: dir.to_path_buf(), one_thread, running: None }
    }

    /// Completes the files and waits for them. Without [`RowSink::begin_run`] there are none.
    pub fn finish(self) -> Result<(), ColumnarError> {
        self.running.map_or(Ok(()), SinkState::finish)
    }

    fn send_batch(&mut self, batch: RowBatch) -> Result<Option<StepRows>, SinkError> {
        match &mut self.running {
            None => return Err("rows came before the run they belong to".into()),
            Some(SinkState::SameThread(files)) => return Ok(files.write(batch)?),
            Some(SinkState::Thread { batches, used, .. }) => {
                if batches.send(batch).is_ok() {
                    return Ok(used.try_recv().ok());
                }
            }
        }
        // The thread has ended early; joining it tells why.
        match self.running.take().map(SinkState::finish) {
            Some(Err(error)) => Err(error.into()),
            _ => Err(ColumnarError::Ended.into()),
        }
    }
}

impl SinkState {
    fn finish(self) -> Result<(), ColumnarError> {
        match self {
            Self::SameThread(files) => files.finish(),
            Self::Thread { batches, thread, .. } => {
                // Closing the channel ends the thread's loop.
                drop(batches);
                thread.join().map_err(|_| ColumnarError::Ended)?
            }
        }
    }
}

impl RowSink for ParquetSink {
    fn begin_run(&mut self, key: &RunKey, _: &RunMeta, schema: &Arc<RunSchema>) -> Result<(), SinkError> {
        // Other runs are written at the same time, each on its own thread.
        if self.one_thread {
            self.running = Some(SinkState::SameThread(Box::new(ParquetFiles::new(&self.dir, key, schema)?)));
            return Ok(());
        }
        let (batches, incoming) = bounded(MAX_WAITING_BATCHES);
        // It never holds more batches than are on the way.
        let (give_back, used) = unbounded();
        let (dir, key, schema) = (self.dir.clone(), key.clone(), Arc::clone(schema));
        let thread = std::thread::Builder::new()
            .name("parquet".into())
            .spawn(move || write_batches(&dir, &key, &schema, &incoming, &give_back))?;
        self.running = Some(SinkState::Thread { batches, used, thread });
        Ok(())
    }

    fn take_steps(&mut self, rows: StepRows) -> Result<StepRows, SinkError> {
        Ok(self.send_batch(RowBatch::Steps(rows))?.unwrap_or_default())
    }

    fn take_episodes(&mut self, rows: EpisodeRows) -> Result<EpisodeRows, SinkError> {
        self.send_batch(RowBatch::Episodes(rows))?;
        Ok(EpisodeRows::default())
    }
}

fn write_batches(
    dir: &Path,
    key: &RunKey,
    schema: &Arc<RunSchema>,
    incoming: &Receiver<RowBatch>,
    give_back: &Sender<StepRows>,
) -> Result<(), ColumnarError> {
    let mut files = ParquetFiles::new(dir, key, schema)?;
    for batch in incoming {
        if let Some(rows) = files.write(batch)? {
            // The receiver is gone if the scan is over; then the memory is not needed.
            let _ = give_back.send(rows);
        }
    }
    files.finish()
}

/// The two files being written.
struct ParquetFiles {
    steps: StepsFile<BufWriter<File>>,
    steps_path: PathBuf,
    episodes: EpisodesFile<BufWriter<File>>,
    episodes_path: PathBuf,
}

impl ParquetFiles {
    fn new(dir: &Path, key: &RunKey, schema: &Arc<RunSchema>) -> Result<Self, ColumnarError> {
        let (steps_path, episodes_path) = (dir.join(STEPS_PARQUET), dir.join(EPISODES_PARQUET));
        let open = |path: &Path| fs::create_new(path).map(BufWriter::new);
        let steps = StepsFile::new(key, schema, open(&steps_path)?)
            .map_err(|error| ColumnarError::write(&steps_path, error))?;
        let episodes = EpisodesFile::new(key, schema, open(&episodes_path)?)
            .map_err(|error| ColumnarError::write(&episodes_path, error))?;
        Ok(Self { steps, steps_path, episodes, episodes_path })
    }

    /// Writes rows; returns the used batch of steps.
    fn write(&mut self, batch: RowBatch) -> Result<Option<StepRows>, ColumnarError> {
        match batch {
            RowBatch::Steps(mut rows) => {
                self.steps.write(&rows).map_err(|error| ColumnarError::write(&self.steps_path, error))?;
                rows.clear();
                Ok(Some(rows))
            }
            RowBatch::Episodes(rows) => {
                self.episodes.write(&rows).map_err(|error| ColumnarError::write(&self.episodes_path, error))?;
                Ok(None)
            }
        }
    }

    fn finish(self) -> Result<(), ColumnarError> {
        let steps = self.steps.finish().map_err(|error| ColumnarError::write(&self.steps_path, error))?;
        let episodes = self.episodes.finish().map_err(|error| ColumnarError::write(&self.episodes_path, error))?;
        for (out, path) in [(steps, &self.steps_path), (episodes, &self.episodes_path)] {
            out.into_inner().map_err(std::io::IntoInnerError::into_error).at("write", path)?;
        }
        Ok(())
    }
}

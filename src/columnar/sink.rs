//! A scan's rows into parquet files, in a thread of its own.
//!
//! Batches move to the thread and back, at most a few at a time: memory does not grow with the run.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::{EpisodesFile, Error, StepsFile};
use crate::run::RunKey;
use crate::run::layout::{EPISODES_PARQUET, STEPS_PARQUET};
use crate::run::meta::RunMeta;
use crate::run::rows::{EpisodeRows, StepRows};
use crate::support::fs::At;
use crate::validate::{RowSink, SinkError};

/// How many batches may wait for the thread.
const WAITING: usize = 1;

/// Writes `steps.parquet` and `episodes.parquet` into a directory. The files are complete after [`ParquetSink::finish`].
pub struct ParquetSink {
    dir: PathBuf,
    running: Option<Running>,
}

struct Running {
    batches: Sender<Batch>,
    used: Receiver<StepRows>,
    thread: JoinHandle<Result<(), Error>>,
}

enum Batch {
    Steps(StepRows),
    Episodes(EpisodeRows),
}

impl ParquetSink {
    /// A sink that writes into `dir`, which must be there.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), running: None }
    }

    /// Ends the files and waits for them. Without a run ([`RowSink::begin`] was never called) there are none.
    pub fn finish(self) -> Result<(), Error> {
        self.running.map_or(Ok(()), Running::join)
    }

    fn send(&mut self, batch: Batch) -> Result<Option<StepRows>, SinkError> {
        let Some(running) = &self.running else { return Err("rows came before the run they belong to".into()) };
        if running.batches.send(batch).is_ok() {
            return Ok(running.used.try_recv().ok());
        }
        // The thread has ended early: it says why.
        match self.running.take().map(Running::join) {
            Some(Err(error)) => Err(error.into()),
            _ => Err(Error::Ended.into()),
        }
    }
}

impl Running {
    fn join(self) -> Result<(), Error> {
        drop(self.batches);
        self.thread.join().map_err(|_| Error::Ended)?
    }
}

impl RowSink for ParquetSink {
    fn begin(&mut self, key: &RunKey, _: &RunMeta) -> Result<(), SinkError> {
        let (batches, incoming) = bounded(WAITING);
        let (give_back, used) = unbounded();
        let (dir, key) = (self.dir.clone(), key.clone());
        let thread = std::thread::Builder::new()
            .name("parquet".into())
            .spawn(move || write(&dir, &key, &incoming, &give_back))?;
        self.running = Some(Running { batches, used, thread });
        Ok(())
    }

    fn steps(&mut self, rows: StepRows) -> Result<StepRows, SinkError> {
        Ok(self.send(Batch::Steps(rows))?.unwrap_or_default())
    }

    fn episodes(&mut self, rows: EpisodeRows) -> Result<EpisodeRows, SinkError> {
        self.send(Batch::Episodes(rows))?;
        Ok(EpisodeRows::default())
    }
}

fn write(dir: &Path, key: &RunKey, incoming: &Receiver<Batch>, give_back: &Sender<StepRows>) -> Result<(), Error> {
    let (steps_path, episodes_path) = (dir.join(STEPS_PARQUET), dir.join(EPISODES_PARQUET));
    let open = |path: &Path| File::create_new(path).at("create", path).map(BufWriter::new);
    let steps_failed = |error| Error::parquet(&steps_path, error);
    let episodes_failed = |error| Error::parquet(&episodes_path, error);
    let mut steps = StepsFile::new(key, open(&steps_path)?).map_err(steps_failed)?;
    let mut episodes = EpisodesFile::new(key, open(&episodes_path)?).map_err(episodes_failed)?;
    for batch in incoming {
        match batch {
            Batch::Steps(mut rows) => {
                steps.write(&rows).map_err(steps_failed)?;
                rows.clear();
                // Nobody needs the memory if the scan is over.
                let _ = give_back.send(rows);
            }
            Batch::Episodes(rows) => episodes.write(&rows).map_err(episodes_failed)?,
        }
    }
    let steps = steps.finish().map_err(steps_failed)?;
    let episodes = episodes.finish().map_err(episodes_failed)?;
    for (out, path) in [(steps, &steps_path), (episodes, &episodes_path)] {
        out.into_inner().map_err(std::io::IntoInnerError::into_error).at("write", path)?;
    }
    Ok(())
}

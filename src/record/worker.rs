//! The thread that compresses and writes, so that recording a step costs its formatting and no more.
//!
//! Rows wait in memory, at most a few MiB: a simulation that outruns the compressor is slowed down, not swapped out. A
//! sync makes steps and episodes consistent: it cuts both at one moment, and waits a little for an episode's summary where
//! its last step is there already, so that a run that is killed is left valid.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::RecordError;
use crate::record::shards::ShardWriter;
use crate::support::fs::FsError;

/// As many waiting bytes wake the thread before its time.
const CHUNK: usize = 128 << 10;
/// As many waiting bytes make a recording thread wait.
const MAX_WAITING: usize = 4 << 20;

/// Rows on their way to the files.
#[derive(Default)]
struct WorkerState {
    steps: Vec<u8>,
    episodes: Vec<u8>,
    /// The last step ended its episode, and the episode's summary has not come yet.
    summary_due: bool,
    /// How many flushes were asked for, and how many are done.
    flush_requested: u64,
    flush_done: u64,
    closed: bool,
    failed: bool,
    failure: Option<FsError>,
}

impl WorkerState {
    fn waiting_bytes(&self) -> usize {
        self.steps.len() + self.episodes.len()
    }
}

#[derive(Default)]
struct WorkerShared {
    state: Mutex<WorkerState>,
    /// Rows, a flush or the end: something to do for the thread.
    work: Condvar,
    /// Room, a flush done, or a failure: something to see for the others.
    changed: Condvar,
}

impl WorkerShared {
    fn lock_state(&self) -> MutexGuard<'_, WorkerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to the thread.
pub(super) struct RecordWorker {
    shared: Arc<WorkerShared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What to do where the thread is so far behind that there is no room for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitMode {
    /// Wait until there is.
    ForRoom,
    /// Give up.
    Never,
}

/// Which file a row belongs to, and what it means for the episode.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RowKind {
    Step { ends_episode: bool },
    Episode,
}

impl RecordWorker {
    pub(super) fn start_thread(
        steps: ShardWriter,
        episodes: ShardWriter,
        flush_every: Duration,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(WorkerShared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("record".into()).spawn(move || {
            let mut files = WorkerFiles { steps, episodes, flush_every, synced: Instant::now(), dirty: false };
            if let Err(error) = files.run(&theirs).and_then(|()| files.finish()) {
                let mut state = theirs.lock_state();
                state.failed = true;
                state.failure = Some(error);
                state.steps = Vec::new();
                state.episodes = Vec::new();
            }
            theirs.changed.notify_all();
        })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Adds one row, a line with its end; or `false` where there is no room and the caller would not wait.
    pub(super) fn append_if(&self, wait: WaitMode, row: RowKind, line: &[u8]) -> Result<bool, RecordError> {
        let mut state = self.shared.lock_state();
        while state.waiting_bytes() >= MAX_WAITING && !state.failed && !state.closed {
            if wait == WaitMode::Never {
                return Ok(false);
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Self::check_usable(&mut state)?;
        let before = state.waiting_bytes();
        match row {
            RowKind::Step { ends_episode } => {
                state.steps.extend_from_slice(line);
                state.summary_due = ends_episode;
            }
            RowKind::Episode => {
                state.episodes.extend_from_slice(line);
                state.summary_due = false;
            }
        }
        let after = state.waiting_bytes();
        drop(state);
        // The thread sleeps without an end while there is nothing, else until its next sync or a full chunk.
        if before == 0 || (before < CHUNK && after >= CHUNK) {
            self.shared.work.notify_one();
        }
        Ok(true)
    }

    /// Waits until every row so far is in the files.
    pub(super) fn flush(&self) -> Result<(), RecordError> {
        let mut state = self.shared.lock_state();
        Self::check_usable(&mut state)?;
        state.flush_requested += 1;
        let mine = state.flush_requested;
        self.shared.work.notify_one();
        while state.flush_done < mine && !state.failed && !state.closed {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.failed { Self::check_usable(&mut state) } else { Ok(()) }
    }

    /// Writes what is left and ends the files. A second call does nothing.
    pub(super) fn close_files(&self) -> Result<(), RecordError> {
        self.shared.lock_state().closed = true;
        self.shared.work.notify_one();
        self.shared.changed.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            return Err(RecordError::Failed);
        }
        let mut state = self.shared.lock_state();
        match (state.failure.take(), state.failed) {
            (Some(failure), _) => Err(failure.into()),
            (None, true) => Err(RecordError::Failed),
            (None, false) => Ok(()),
        }
    }

    fn check_usable(state: &mut WorkerState) -> Result<(), RecordError> {
        match state.failure.take() {
            Some(failure) => Err(failure.into()),
            None if state.failed => Err(RecordError::Failed),
            None if state.closed => Err(RecordError::Closed),
            None => Ok(()),
        }
    }
}

impl Drop for RecordWorker {
    fn drop(&mut self) {
        // A recorder that was dropped without `finalize` still leaves whole files.
        let _ = self.close_files();
    }
}

/// The thread's side.
struct WorkerFiles {
    steps: ShardWriter,
    episodes: ShardWriter,
    flush_every: Duration,
    synced: Instant,
    /// Rows were written since the last sync.
    dirty: bool,
}

impl WorkerFiles {
    fn run(&mut self, shared: &WorkerShared) -> Result<(), FsError> {
        let (mut steps, mut episodes) = (Vec::new(), Vec::new());
        loop {
            let mut state = shared.lock_state();
            loop {
                let left = self.flush_every.saturating_sub(self.synced.elapsed());
                if state.closed || state.flush_requested > state.flush_done || state.waiting_bytes() >= CHUNK {
                    break;
                }
                if !self.dirty && state.waiting_bytes() == 0 {
                    state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                    // Rows that come after a pause wait a whole interval for company.
                    self.synced = Instant::now();
                } else if !left.is_zero() {
                    state = shared.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                } else {
                    break;
                }
            }
            std::mem::swap(&mut steps, &mut state.steps);
            std::mem::swap(&mut episodes, &mut state.episodes);
            let (closed, flush_requested, summary_due) = (state.closed, state.flush_requested, state.summary_due);
            let flush = flush_requested > state.flush_done;
            drop(state);
            shared.changed.notify_all();

            self.dirty |= !steps.is_empty() || !episodes.is_empty();
            self.steps.write(&steps)?;
            self.episodes.write(&episodes)?;
            steps.clear();
            episodes.clear();
            if closed {
                return Ok(());
            }
            let age = self.synced.elapsed();
            if flush || age >= self.flush_every && (!summary_due || age >= self.flush_every.saturating_mul(2)) {
                // The two writes come close together: a kill between them leaves an episode without its summary.
                self.steps.compress_all()?;
                self.episodes.compress_all()?;
                self.steps.write_compressed()?;
                self.episodes.write_compressed()?;
                self.synced = Instant::now();
                self.dirty = false;
                shared.lock_state().flush_done = flush_requested;
                shared.changed.notify_all();
            } else if age >= self.flush_every {
                // A summary is due: it comes in microseconds, as a rule.
                std::thread::sleep(self.flush_every.min(Duration::from_millis(1)));
            }
        }
    }

    fn finish(self) -> Result<(), FsError> {
        self.steps.finish()?;
        self.episodes.finish()
    }
}

//! The thread that compresses and writes, so that recording a step costs only its formatting.
//!
//! Waiting rows are in memory, a few MiB at most: a simulation that is faster than the compressor is slowed down. A
//! sync keeps steps and episodes consistent: it takes both at one moment, and waits a little for the summary of an
//! episode whose last step has come, so that a killed process leaves a valid run. Rows are not looked at here.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::RecordError;
use crate::record::shards::ShardWriter;
use crate::support::fs::FsError;

/// Waiting bytes that wake the thread before the next sync.
const CHUNK: usize = 128 << 10;
/// Waiting bytes at which a recording thread must wait.
const MAX_WAITING: usize = 4 << 20;
/// Compressed bytes at which a sync is made before its time.
const MAX_COMPRESSED: usize = 256 << 10;

/// Rows that wait for the thread, and its state.
#[derive(Default)]
struct WorkerState {
    steps: Vec<u8>,
    episodes: Vec<u8>,
    /// The number of episodes that have ended and whose summary has not come yet.
    summaries_due: usize,
    /// The number of flushes asked for, and below, of those done.
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
    /// Wakes the thread: rows, a flush, or the end.
    work: Condvar,
    /// Wakes the callers: room, a finished flush, or a failure.
    changed: Condvar,
}

impl WorkerShared {
    fn lock_state(&self) -> MutexGuard<'_, WorkerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The callers' side of the thread.
pub(super) struct RecordWorker {
    shared: Arc<WorkerShared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What to do if there is no room for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitMode {
    /// Wait until there is room.
    ForRoom,
    /// Give up.
    Never,
}

/// The file of a row, and whether it ends its episode.
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
                // Nothing is written any more: free the rows.
                state.steps = Vec::new();
                state.episodes = Vec::new();
            }
            theirs.changed.notify_all();
        })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Adds one row, a line with its line break; `false` if there is no room and the caller does not wait.
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
                state.summaries_due += usize::from(ends_episode);
            }
            RowKind::Episode => {
                state.episodes.extend_from_slice(line);
                state.summaries_due = state.summaries_due.saturating_sub(1);
            }
        }
        let after = state.waiting_bytes();
        drop(state);
        // Only these two changes matter to the thread: it sleeps until the first row, then until a sync or a full chunk.
        if before == 0 || (before < CHUNK && after >= CHUNK) {
            self.shared.work.notify_one();
        }
        Ok(true)
    }

    /// Waits until all rows so far are in the files.
    pub(super) fn flush(&self) -> Result<(), RecordError> {
        let mut state = self.shared.lock_state();
        Self::check_usable(&mut state)?;
        state.flush_requested += 1;
        // Later flushes of other threads do not matter to this one.
        let mine = state.flush_requested;
        self.shared.work.notify_one();
        while state.flush_done < mine && !state.failed && !state.closed {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.failed { Self::check_usable(&mut state) } else { Ok(()) }
    }

    /// Writes the remaining rows and closes the files. A second call does nothing.
    pub(super) fn close_files(&self) -> Result<(), RecordError> {
        // First: a caller that waits for room must see it and give up.
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
        // Dropped without `finalize`: the files are still closed; a drop cannot report a failure.
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
                    // After a pause the first row waits a whole interval, so that more rows share its sync.
                    self.synced = Instant::now();
                } else if !left.is_zero() {
                    state = shared.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                } else {
                    break;
                }
            }
            // Swapped under the lock, compressed without it: callers wait as little as possible.
            std::mem::swap(&mut steps, &mut state.steps);
            std::mem::swap(&mut episodes, &mut state.episodes);
            let (closed, flush_requested, is_due) = (state.closed, state.flush_requested, state.summaries_due > 0);
            let flush = flush_requested > state.flush_done;
            drop(state);
            shared.changed.notify_all();

            self.dirty |= !steps.is_empty() || !episodes.is_empty();
            let steps_rotated = self.steps.write(&steps)?;
            let episodes_rotated = self.episodes.write(&episodes)?;
            steps.clear();
            episodes.clear();
            if closed {
                return Ok(());
            }
            let age = self.synced.elapsed();
            let compressed = self.steps.waiting_bytes() + self.episodes.waiting_bytes();
            let is_time = age >= self.flush_every || compressed > MAX_COMPRESSED;
            // A summary that is due is waited for, but not for ever: a program can write none.
            let is_late = age >= self.flush_every.saturating_mul(2) || compressed > 2 * MAX_COMPRESSED;
            // An ended shard is in its file already, so the rest follows at once.
            if flush || steps_rotated || episodes_rotated || is_time && (!is_due || is_late) {
                // Both are compressed first, so that the two writes are close together: a kill between them leaves an
                // episode without its summary.
                self.steps.compress_all()?;
                self.episodes.compress_all()?;
                self.steps.write_compressed()?;
                self.episodes.write_compressed()?;
                self.synced = Instant::now();
                self.dirty = false;
                let mut state = shared.lock_state();
                state.flush_done = flush_requested;
                if is_late {
                    state.summaries_due = 0;
                }
                drop(state);
                shared.changed.notify_all();
            } else if age >= self.flush_every {
                // The summary of a finished episode usually comes within microseconds.
                std::thread::sleep(self.flush_every.min(Duration::from_millis(1)));
            }
        }
    }

    fn finish(self) -> Result<(), FsError> {
        self.steps.finish()?;
        self.episodes.finish()
    }
}

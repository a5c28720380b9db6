//! The thread that compresses and writes, so that recording a step costs its formatting and no more.
//!
//! Rows wait in memory, at most a few MiB: a simulation that outruns the compressor is slowed down, not swapped out. A
//! sync makes steps and episodes consistent: it cuts both at one moment, and waits a little for an episode's summary where
//! its last step is there already, so that a run that is killed is left valid.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Error;
use crate::record::shards::Shards;
use crate::support::fs::FsError;

/// As many waiting bytes wake the thread before its time.
const CHUNK: usize = 128 << 10;
/// As many waiting bytes make a recording thread wait.
const MOST: usize = 4 << 20;

/// Rows on their way to the files.
#[derive(Default)]
struct State {
    steps: Vec<u8>,
    episodes: Vec<u8>,
    /// The last step ended its episode, and the episode's summary has not come yet.
    summary_due: bool,
    /// How many flushes were asked for, and how many are done.
    asked: u64,
    done: u64,
    closed: bool,
    failed: bool,
    failure: Option<FsError>,
}

impl State {
    fn waiting(&self) -> usize {
        self.steps.len() + self.episodes.len()
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Rows, a flush or the end: something to do for the thread.
    work: Condvar,
    /// Room, a flush done, or a failure: something to see for the others.
    news: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to the thread.
pub(super) struct Worker {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What to do where the thread is so far behind that there is no room for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Wait until there is.
    ForRoom,
    /// Give up.
    Never,
}

/// Which file a row belongs to, and what it means for the episode.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    Step { ends_episode: bool },
    Episode,
}

impl Worker {
    pub(super) fn start(steps: Shards, episodes: Shards, flush_every: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("record".into()).spawn(move || {
            let mut files = Files { steps, episodes, flush_every, synced: Instant::now(), dirty: false };
            if let Err(error) = files.run(&theirs).and_then(|()| files.finish()) {
                let mut state = theirs.lock();
                state.failed = true;
                state.failure = Some(error);
                state.steps = Vec::new();
                state.episodes = Vec::new();
            }
            theirs.news.notify_all();
        })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Adds one row, a line with its end; or `false` where there is no room and the caller would not wait.
    pub(super) fn append_if(&self, wait: Wait, row: Row, line: &[u8]) -> Result<bool, Error> {
        let mut state = self.shared.lock();
        while state.waiting() >= MOST && !state.failed && !state.closed {
            if wait == Wait::Never {
                return Ok(false);
            }
            state = self.shared.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Self::usable(&mut state)?;
        let before = state.waiting();
        match row {
            Row::Step { ends_episode } => {
                state.steps.extend_from_slice(line);
                state.summary_due = ends_episode;
            }
            Row::Episode => {
                state.episodes.extend_from_slice(line);
                state.summary_due = false;
            }
        }
        let after = state.waiting();
        drop(state);
        // The thread sleeps without an end while there is nothing, else until its next sync or a full chunk.
        if before == 0 || (before < CHUNK && after >= CHUNK) {
            self.shared.work.notify_one();
        }
        Ok(true)
    }

    /// Waits until every row so far is in the files.
    pub(super) fn flush(&self) -> Result<(), Error> {
        let mut state = self.shared.lock();
        Self::usable(&mut state)?;
        state.asked += 1;
        let mine = state.asked;
        self.shared.work.notify_one();
        while state.done < mine && !state.failed && !state.closed {
            state = self.shared.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.failed { Self::usable(&mut state) } else { Ok(()) }
    }

    /// Writes what is left and ends the files. A second call does nothing.
    pub(super) fn close(&self) -> Result<(), Error> {
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
        self.shared.news.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            return Err(Error::Failed);
        }
        let mut state = self.shared.lock();
        match (state.failure.take(), state.failed) {
            (Some(failure), _) => Err(failure.into()),
            (None, true) => Err(Error::Failed),
            (None, false) => Ok(()),
        }
    }

    fn usable(state: &mut State) -> Result<(), Error> {
        match state.failure.take() {
            Some(failure) => Err(failure.into()),
            None if state.failed => Err(Error::Failed),
            None if state.closed => Err(Error::Closed),
            None => Ok(()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A recorder that was dropped without `finalize` still leaves whole files.
        let _ = self.close();
    }
}

/// The thread's side.
struct Files {
    steps: Shards,
    episodes: Shards,
    flush_every: Duration,
    synced: Instant,
    /// Rows were written since the last sync.
    dirty: bool,
}

impl Files {
    fn run(&mut self, shared: &Shared) -> Result<(), FsError> {
        let (mut steps, mut episodes) = (Vec::new(), Vec::new());
        loop {
            let mut state = shared.lock();
            loop {
                let left = self.flush_every.saturating_sub(self.synced.elapsed());
                if state.closed || state.asked > state.done || state.waiting() >= CHUNK {
                    break;
                }
                if !self.dirty && state.waiting() == 0 {
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
            let (closed, asked, summary_due) = (state.closed, state.asked, state.summary_due);
            let flush = asked > state.done;
            drop(state);
            shared.news.notify_all();

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
                shared.lock().done = asked;
                shared.news.notify_all();
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

//! Long work with the GIL released, which Ctrl-C ends for the caller at once; and progress, on a terminal alone.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use capture_hook::project::Reporter;
use capture_hook::support::progress::{NoProgress, Progress};
use capture_hook::support::text::format_bytes;
use capture_hook::support::visible::escape_control;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// How often it is asked whether Ctrl-C was pressed.
const PATIENCE: Duration = Duration::from_millis(50);
/// Shorter work shows nothing.
const UNSHOWN: Duration = Duration::from_millis(500);
/// How often a line is drawn anew.
const REDRAW: Duration = Duration::from_millis(100);

/// The thread in which Python handles signals, if it is known.
static MAIN_THREAD: OnceLock<ThreadId> = OnceLock::new();

/// Notes the main thread, if this is the one; called when the module is imported.
pub fn note_main_thread(py: Python<'_>) -> PyResult<()> {
    let threading = py.import("threading")?;
    if threading.call_method0("current_thread")?.is(&threading.call_method0("main_thread")?) {
        // It stays the main thread.
        let _ = MAIN_THREAD.set(std::thread::current().id());
    }
    Ok(())
}

/// Does work in a thread of its own while this one waits, so that a signal handler that raises, such as Ctrl-C's, ends the call.
/// The work should then stop by itself when its flag is set.
pub fn wait_for<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
) -> PyResult<T> {
    let is_cancelled = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = sync_channel(1);
    let flag = Arc::clone(&is_cancelled);
    std::thread::Builder::new().spawn(move || {
        // After an interrupt it is not taken.
        let _ = sender.send(work(&flag));
    })?;
    let receiver = Mutex::new(receiver);
    loop {
        let received = py.detach(|| receiver.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(PATIENCE));
        match received {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Timeout) => {
                if let Err(error) = py.check_signals() {
                    is_cancelled.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
            Err(RecvTimeoutError::Disconnected) => return Err(PyRuntimeError::new_err("the work ended with a panic")),
        }
    }
}

/// Whether a signal handler wants to raise, such as Ctrl-C's. Asked by code that a library calls back, and that cannot raise:
/// the interrupt is made once more, for Python to raise after it. Only the main thread is ever interrupted.
pub fn is_interrupted() -> bool {
    if MAIN_THREAD.get() != Some(&std::thread::current().id()) {
        return false;
    }
    let asked = Python::try_attach(|py| match py.check_signals() {
        Ok(()) => false,
        Err(_) => {
            // Without it, the library's own error is all that is raised.
            let _ = py.import("_thread").and_then(|thread| thread.call_method0("interrupt_main"));
            true
        }
    });
    // An interpreter that is ending raises nothing any more.
    asked.unwrap_or(false)
}

/// Writes to stderr, if that is a terminal.
pub struct TerminalReporter {
    is_terminal: bool,
}

impl TerminalReporter {
    /// For this process.
    #[expect(clippy::disallowed_methods, reason = "this is the module's `Reporter`")]
    pub fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal() }
    }

    fn show(&self, line: &str) {
        if self.is_terminal {
            // A terminal that is gone shows nothing.
            let _ = writeln!(std::io::stderr(), "capture-hook: {}", escape_control(line));
        }
    }
}

impl Reporter for TerminalReporter {
    fn show_status(&self, line: &str) {
        self.show(line);
    }

    fn show_warning(&self, line: &str) {
        self.show(&format!("warning: {line}"));
    }

    fn show_hint(&self, line: &str) {
        self.show(&format!("hint: {line}"));
    }

    fn relay_line(&self, line: &str) {
        self.show(line);
    }

    fn start_progress(&self, what: &str, _: Option<u64>) -> Box<dyn Progress> {
        if !self.is_terminal {
            return Box::new(NoProgress);
        }
        let now = Instant::now();
        Box::new(ProgressLine { what: what.to_owned(), begun: now, bytes: AtomicU64::new(0), drawn: Mutex::new(None) })
    }
}

/// One line that is drawn again and again, and removed at the end.
struct ProgressLine {
    what: String,
    begun: Instant,
    bytes: AtomicU64,
    drawn: Mutex<Option<Instant>>,
}

impl Progress for ProgressLine {
    fn advance_by(&self, n: u64) {
        let bytes = self.bytes.fetch_add(n, Ordering::Relaxed) + n;
        if self.begun.elapsed() < UNSHOWN {
            return;
        }
        // Another thread is drawing.
        let Ok(mut drawn) = self.drawn.try_lock() else { return };
        if drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW) {
            *drawn = Some(Instant::now());
            let _ = write!(std::io::stderr(), "\rcapture-hook: {} {}\x1b[K", self.what, format_bytes(bytes));
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.drawn.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

//! A program that is started once, stays, and takes requests on its standard input.
//!
//! It runs like any other [`Cmd`], in a thread of its own. A signal that asks us to stop ends it, and also us if no code
//! waits for a program: then the signal would have ended us without that program, too.

use std::io::PipeReader;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Cmd, ProcessError, ProcessOutput};
use crate::support::env::Env;
use crate::support::stderr_events::StderrEvent;

/// How many programs and answers are waited for in this process. A signal is for the whole process, and so is this.
static AWAITED: AtomicUsize = AtomicUsize::new(0);

/// Code waits for a program or an answer as long as this exists, and notices when that is interrupted.
pub struct AwaitedCall(());

impl AwaitedCall {
    /// The wait begins.
    #[must_use]
    pub fn begin() -> Self {
        AWAITED.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for AwaitedCall {
    fn drop(&mut self) {
        AWAITED.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Cmd {
    /// Runs the program until its input, from the other side of `requests`, ends; passes its standard error on as it comes.
    /// Nothing is logged: the code that sends requests logs each of them, and holds an [`AwaitedCall`] until the answer.
    pub fn run_persistent(
        &self,
        env: &Env,
        requests: PipeReader,
        on_event: &mut dyn FnMut(StderrEvent<'_>),
    ) -> Result<ProcessOutput, ProcessError> {
        self.run_unlogged(env, Some(on_event), Some(requests))
    }

    /// Adds a line to the log of calls for this call, which a persistent program did. The line says so unless that program
    /// was started for it.
    pub fn log_request(&self, env: &Env, took: Duration, result: &Result<ProcessOutput, ProcessError>, is_start: bool) {
        env.calls().add(|| {
            let line = self.logged(took, result);
            if is_start { line } else { format!("{line} in the same process") }
        });
    }
}

/// Ends this process by a signal that no code waits for a program to notice.
pub(super) fn end_unless_awaited(signal: i32) {
    if AWAITED.load(Ordering::SeqCst) == 0 {
        // A signal without a default handler does not come here; then this process goes on.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
}

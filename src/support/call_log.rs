//! The log of called programs that `-v` prints: one line for each call that has ended.
//!
//! It is a part of the environment that programs are started in (`support::env`), so every call reaches it without a
//! global. Without a listener no line is built. It does not write anything itself.

use std::fmt;
use std::sync::Arc;

type Listener = dyn Fn(&str) + Send + Sync;

/// Receives one line for each call of a program that has ended.
#[derive(Clone, Default)]
pub struct CallLog(Option<Arc<Listener>>);

impl CallLog {
    /// Makes a log whose lines go to `listener`, which any thread can call.
    pub fn to(listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Passes on a line, which is built only if there is a listener.
    pub(super) fn add(&self, line: impl FnOnce() -> String) {
        if let Some(listener) = &self.0 {
            listener(&line());
        }
    }
}

impl fmt::Debug for CallLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "CallLog(on)" } else { "CallLog(off)" })
    }
}

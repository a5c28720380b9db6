//! Who is told, under `-v`, which programs are called: a line for each call that has ended.
//!
//! It is a part of the environment that programs are started in (`support::env`), so that no call is without it, and nothing is
//! global. Without a listener no line is made.

use std::fmt;
use std::sync::Arc;

type Listener = dyn Fn(&str) + Send + Sync;

/// Takes a line for each call of a program.
#[derive(Clone, Default)]
pub struct CallLog(Option<Arc<Listener>>);

impl CallLog {
    /// A log whose lines go to `listener`, from any thread.
    pub fn to(listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Passes on a line, which is made only if somebody listens.
    pub(super) fn add(&self, line: impl FnOnce() -> String) {
        if let Some(listener) = &self.0 {
            listener(&line());
        }
    }
}

impl fmt::Debug for CallLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "CallLog(listened to)" } else { "CallLog(off)" })
    }
}

//! How long work reports its progress, without knowing who shows it. It draws nothing itself.

/// Receives the progress of one piece of work. Called from several threads.
pub trait Progress: Sync {
    /// `n` more units (bytes of input, unless the work says otherwise) are done.
    fn advance_by(&self, n: u64);

    /// One more item (a run) is done, of work that counts them. Default: nothing.
    fn count_item(&self) {}

    /// Shows the current progress line of a program that works for us. Default: nothing.
    fn show_note(&self, _words: &str) {}

    /// Whether such notes are shown at all.
    fn shows_notes(&self) -> bool {
        false
    }
}

/// Shows nothing.
pub struct NoProgress;

impl Progress for NoProgress {
    fn advance_by(&self, _: u64) {}
}

//! How a long piece of work says how far it is, without knowing who listens.

/// Receives the progress of one piece of work. Called from several threads.
pub trait Progress: Sync {
    /// `n` more units (bytes of input, unless the work says otherwise) are done.
    fn advance_by(&self, n: u64);

    /// What a program that works for us shows of its own progress just now: a line of its words.
    fn show_note(&self, _words: &str) {}

    /// Whether such notes are shown to anybody.
    fn shows_notes(&self) -> bool {
        false
    }
}

/// Nobody listens.
pub struct NoProgress;

impl Progress for NoProgress {
    fn advance_by(&self, _: u64) {}
}

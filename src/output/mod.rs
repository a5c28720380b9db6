//! What the user sees: data to stdout, everything else to stderr, in human and in JSON form.
//!
//! Knows domain types only; decides nothing.

mod ui;

pub use ui::{Bar, ColorWhen, Ui, UiOptions};

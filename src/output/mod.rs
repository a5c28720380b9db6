//! What the user sees: data to stdout, everything else to stderr, in human and in JSON form.
//!
//! Knows domain types only; decides nothing.

pub mod human;
pub mod json;
mod pager;
mod pick;
pub mod plot;
mod sparkline;
pub mod table;
mod text;
mod ui;
pub mod validation;

pub use pick::{PickOutcome, pick_line};
pub use sparkline::render_sparkline;
pub use text::StyledText;
pub use ui::{ColorWhen, ProgressBar, Ui, UiOptions};

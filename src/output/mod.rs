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

pub use pick::{Choice, pick};
pub use sparkline::sparkline;
pub use text::Text;
pub use ui::{Bar, ColorWhen, Ui, UiOptions};

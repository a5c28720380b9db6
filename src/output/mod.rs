//! What the user sees: results on stdout, everything else on stderr, for people and as JSON. Knows the types of the
//! rooms below and decides nothing.

mod confirm;
pub mod help;
pub mod human;
pub mod json;
mod lines;
mod pager;
mod pick;
pub mod plot;
mod progress;
mod sparkline;
pub mod table;
mod text;
mod ui;
pub mod validation;
mod wrap;

pub use confirm::{Confirmation, confirm};
pub use pick::{PickOutcome, pick_line};
pub use sparkline::render_sparkline;
pub use text::StyledText;
pub use ui::{ColorWhen, Ui, UiOptions};
pub use wrap::wrap_hanging;

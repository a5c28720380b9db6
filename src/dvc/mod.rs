//! DVC: its files read and written natively, and its program where that must be asked.
//!
//! `lock`, `listing`, `cache`, `settings` and `stage` read what DVC 3 writes, each naming its source. Whatever they do not
//! understand they say, and the caller lets DVC decide.

pub mod absent;
mod autostage;
pub mod cache;
pub mod checkout;
pub mod closure;
pub mod delta;
pub mod engine;
pub mod fetch;
pub mod guard;
pub mod ignore;
pub mod ini;
pub mod interpreter;
pub mod link;
pub mod listing;
pub mod lock;
pub mod lock_text;
pub mod merge;
pub mod plugin;
pub mod program;
pub mod project_lock;
pub mod reason;
pub mod scratch;
pub mod settings;
pub mod stage;
pub mod text;
pub mod unfinished;
pub mod version;

pub use version::{DataVersion, Oid};

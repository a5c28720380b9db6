//! DVC: its files read and written natively, and its program for what only that can do.
//!
//! `lockfile`, `file_list`, `cache`, `settings` and `stage` read what DVC 3 writes, each naming its source. Whatever
//! they do not understand they report, and the caller lets DVC decide.

pub mod absent;
mod autostage;
mod bars;
pub mod cache;
pub mod checkout;
pub mod file_list;
pub mod guard;
pub mod hash;
pub mod ignore;
pub mod interpreter;
pub mod leftovers;
pub mod link;
pub mod lockfile;
pub mod lockfile_text;
pub mod mutex;
pub mod named_objects;
pub mod object_store;
pub mod plugin;
pub mod present;
pub mod program;
pub mod project;
pub mod reason;
pub mod remote;
pub mod session;
pub mod settings;
pub mod stage;
pub mod store;
pub mod stored_objects;
pub mod temp_project;

pub use hash::{DataVersion, DvcHash};
pub use project::DvcProject;

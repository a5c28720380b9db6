//! capture-hook: every simulation run a versioned, validated, findable dataset.
//!
//! The library behind the `capture-hook` command and the Python module. ARCHITECTURE.md says which room may import which.

// Tests make the files that they need.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod columnar;
pub mod commit;
pub mod dataset;
pub mod dvc;
pub mod error;
pub mod export;
pub mod formats;
pub mod git;
pub mod history;
pub mod ingest;
pub mod inspect;
pub mod load;
pub mod manifest;
pub mod project;
pub mod record;
pub mod run;
pub mod setup;
pub mod support;
pub mod sync;
pub mod validate;

#[cfg(feature = "cli")]
pub(crate) mod app;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub(crate) mod commands;
#[cfg(feature = "cli")]
pub(crate) mod hooks;
#[cfg(feature = "cli")]
pub(crate) mod output;
#[cfg(feature = "cli")]
pub mod report;

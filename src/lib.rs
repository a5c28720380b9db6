//! capture-hook: every simulation run a versioned, validated, findable dataset.
//!
//! The library behind the `capture-hook` command and the Python module. ARCHITECTURE.md says which room may import which.

// Tests make the files that they need.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod columnar;
pub mod config;
pub mod dvc;
pub mod error;
pub mod figures;
pub mod git;
pub mod ingest;
pub mod manifest;
pub mod params;
pub mod provenance;
pub mod record;
pub mod run;
pub mod support;
pub mod validate;

#[cfg(feature = "cli")]
pub mod app;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod commands;
#[cfg(feature = "cli")]
pub mod hooks;
#[cfg(feature = "cli")]
pub mod output;
#[cfg(feature = "cli")]
pub mod project;

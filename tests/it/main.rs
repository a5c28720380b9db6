//! One integration binary on real git and real DVC. `env` makes the environment that each test runs in; every other
//! module tests one subject as a user meets it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, clippy::disallowed_methods)]

mod commit;
mod damage;
mod docs;
mod engine;
mod env;
mod faults;
mod field_clones;
mod field_data;
mod field_git;
mod field_history;
mod field_include;
mod field_merges;
mod field_pipeline;
mod field_recorders;
mod field_remotes;
mod field_runs;
mod field_setups;
mod field_stops;
mod field_tags;
mod find;
mod hard_cases;
mod histories;
mod hooks;
mod ingest;
mod install;
mod json;
mod layers;
mod limits;
mod managers;
mod merging;
mod odd;
mod others;
mod params;
mod pins;
mod push;
mod python;
mod readme;
mod record;
mod rewrite;
mod s3;
mod safety;
mod select;
mod share;
mod stranger_paths;
mod stranger_programs;
mod stranger_readers;
mod stranger_screens;
mod sync;
mod terminal_children;
mod tools;
mod validate;
mod verbose;
mod views;

//! Why a revision's dataset, or a run of it, cannot be read.

use std::path::PathBuf;

use crate::columnar::TableError;
use crate::dataset::get::GetError;
use crate::dvc::remote::fetch::FetchError;
use crate::error::ExitKind::{CheckFailed, Program, Setup, Usage};
use crate::error::{Explain, Explanation};
use crate::history::committed::CommittedRunError;
use crate::project::ProjectError;
use crate::run::RunKey;
use crate::support::fs::FsError;
use crate::support::process::shell_quote;
use crate::support::text::format_plural;

/// Why the dataset of a revision cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It holds no such run.
    #[error("there is no run `{}` in the dataset of `{}`", name.escape_debug(), rev.escape_debug())]
    NoSuchRun {
        /// As given.
        name: String,
        /// The revision.
        rev: String,
        /// Names near it, best first.
        near: Vec<String>,
    },
    /// Several runs have the name.
    #[error("`{}` names {}: {}", name.escape_debug(), format_plural(runs.len() as u64, "run"), join_names(runs))]
    Ambiguous {
        /// As given.
        name: String,
        /// Their names.
        runs: Vec<String>,
    },
    /// The data version holds the run without a file that every run has.
    #[error("{run} has no {file} in this data version")]
    NoFile {
        /// The run.
        run: RunKey,
        /// The file.
        file: String,
    },
    /// A file's bytes are not those that were committed.
    #[error("{file} is damaged: the MD5 of {} is {found}, the committed one is {expected}", path.display())]
    Damaged {
        /// The file, relative to the dataset.
        file: String,
        /// Where its bytes are.
        path: PathBuf,
        /// Their MD5.
        found: String,
        /// The one that was committed.
        expected: String,
    },
    /// Files were erased on purpose.
    #[error(
        "the data of {run} was erased on purpose: {why}{}",
        if *others > 0 { format!("; and that of {}", format_plural(*others as u64, "other run")) } else { String::new() }
    )]
    Erased {
        /// The run.
        run: RunKey,
        /// Why, and where that is written down.
        why: String,
        /// How many other runs of those that are asked for were erased, too.
        others: usize,
    },
    /// Files are not in this clone, and could not be fetched.
    #[error("{} of {} not in this clone, and cannot be fetched: {source}", format_plural(*files as u64, "file"), are_runs(*runs))]
    NotFetched {
        /// How many files.
        files: usize,
        /// Of how many runs.
        runs: usize,
        /// The command that fetches them.
        command: String,
        /// Why not.
        source: Box<GetError>,
    },
    /// What was read is not what the run should hold.
    #[error("{file} of {run} cannot be read: {why}")]
    Unreadable {
        /// The run.
        run: RunKey,
        /// The file.
        file: String,
        /// Why not.
        why: String,
    },
    /// The caller does not wait for it any more.
    #[error("interrupted")]
    Interrupted,
    /// Rows as a table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The revision.
    #[error(transparent)]
    Revision(#[from] CommittedRunError),
    /// The file list.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A run's folder.
    #[error(transparent)]
    Get(#[from] GetError),
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// `3 runs are`, `1 run is`.
fn are_runs(runs: usize) -> String {
    format!("{} {}", format_plural(runs as u64, "run"), if runs == 1 { "is" } else { "are" })
}

fn join_names(names: &[String]) -> String {
    // More names would hide the rest of the message.
    const MOST: usize = 8;
    let mut texts: Vec<String> = names.iter().take(MOST).map(|name| name.escape_debug().to_string()).collect();
    if names.len() > MOST {
        texts.push(format!("and {} more", names.len() - MOST));
    }
    texts.join(", ")
}

impl Explain for LoadError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoSuchRun { near, .. } => {
                let names: Vec<String> = near.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
                let suggestion = (!names.is_empty()).then(|| format!("did you mean {}?", names.join(" or ")));
                Setup.code("no_such_run").hints(suggestion).hint("list the runs with `capture-hook runs`")
            }
            Self::Ambiguous { .. } => Setup.code("ambiguous_run").hint("name it as experiment/run_id"),
            Self::NoFile { .. } | Self::Unreadable { .. } => {
                CheckFailed.code("run_unreadable").hint("see what is wrong with the data: `capture-hook verify`")
            }
            Self::Damaged { path, .. } => CheckFailed
                .code("data_damaged")
                .hint(format!("remove it, and read the run again, which fetches it: `rm -f {}`", shell_quote(path))),
            Self::Erased { run, .. } => CheckFailed
                .code("erased")
                .hint(format!("see what is still known of it: `capture-hook show {}`", shell_quote(run.to_string())))
                .hint("to read the others, name them: `erased` is null for them in `runs()`"),
            Self::NotFetched { command, source, .. } => {
                let mut explanation = source.explain();
                explanation.hints.insert(0, format!("fetch them once the remote can be reached: `{command}`"));
                explanation.hints.truncate(2);
                explanation
            }
            Self::Interrupted => Program.code("interrupted"),
            Self::Table(error) => error.explain(),
            Self::Revision(error) => error.explain(),
            Self::Fetch(error) => error.explain(),
            Self::Get(GetError::DestinationTaken { .. }) => {
                Usage.code("destination_taken").hint("name a directory that does not exist, or is empty")
            }
            Self::Get(error) => error.explain(),
            Self::Project(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

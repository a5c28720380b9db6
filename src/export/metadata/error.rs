//! Why it is not known what a dataset is, and which command helps.

use crate::error::ExitKind::{Setup, Usage};
use crate::error::{Explain, Explanation};
use crate::export::citation::{self, CitationError};
use crate::git::GitError;
use crate::project::ProjectError;
use crate::project::config::values::ValueError;
use crate::project::config::{ConfigError, FILE};
use crate::support::process::shell_quote;

/// A setting without which nothing can be exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingKey {
    /// The setting: `dataset.title`.
    pub key: &'static str,
    /// Whether it is set in the working tree alone.
    pub uncommitted: bool,
    /// More about it, to be read after the command that sets it.
    pub(super) note: Option<String>,
}

impl MissingKey {
    pub(super) fn new(key: &'static str) -> Self {
        Self { key, uncommitted: false, note: None }
    }
}

/// Why it is not known what the dataset is.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Settings that are missing.
    #[error("{}", describe_missing(missing))]
    Incomplete {
        /// Each of them, in the order of the settings.
        missing: Vec<MissingKey>,
    },
    /// A value on the command line.
    #[error("{flag}: {source}")]
    Flag {
        /// The option.
        flag: &'static str,
        /// What is wrong with its value.
        source: ValueError,
    },
    /// A part of `CITATION.cff` that is needed.
    #[error("{source}")]
    Citation {
        /// What is wrong with it.
        source: CitationError,
        /// The setting that makes it unnecessary.
        key: &'static str,
    },
    /// The settings as committed.
    #[error(transparent)]
    Settings(ConfigError),
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Git.
    #[error(transparent)]
    Git(#[from] GitError),
}

fn describe_missing(missing: &[MissingKey]) -> String {
    let join = |uncommitted: bool| {
        let keys: Vec<&str> = missing.iter().filter(|m| m.uncommitted == uncommitted).map(|m| m.key).collect();
        keys.join(", ")
    };
    match (join(false), join(true)) {
        (unset, uncommitted) if uncommitted.is_empty() => format!("not set: {unset}"),
        (unset, uncommitted) if unset.is_empty() => format!("set, but not committed: {uncommitted}"),
        (unset, uncommitted) => format!("not set: {unset}; set, but not committed: {uncommitted}"),
    }
}

/// The command that sets a key, with a value for people to replace.
fn command_to_set(key: &str) -> String {
    let example = match key {
        "dataset.license" => "CC-BY-4.0",
        "dataset.version" => "1.0.0",
        "dataset.creators" => "FAMILY, GIVEN (ORCID, INSTITUTE); …",
        "dataset.license_url" => "https://…",
        "dataset.title" => "TITLE",
        "dataset.description" => "WHAT IT IS",
        _ => "NAME",
    };
    format!("`capture-hook config set {key} {}`", shell_quote(example))
}

impl Explain for MetadataError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Incomplete { missing } => {
                let set = missing.iter().filter(|missing| !missing.uncommitted).map(|missing| {
                    let note = missing.note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
                    format!("set {}: {}{note}", missing.key, command_to_set(missing.key))
                });
                let commit = format!("commit the changes: exports read {FILE} and {} as HEAD has them", citation::FILE);
                Setup.code("dataset_incomplete").hints(set).hint(commit)
            }
            Self::Flag { .. } => Usage.code("invalid_value").hint("see the options: `capture-hook export --help`"),
            Self::Citation { key, .. } => Setup
                .code("invalid_citation")
                .hint("correct the file and commit it: exports read it as HEAD has it")
                .hint(format!("or say it in the settings: {}", command_to_set(key))),
            Self::Settings(error) => {
                error.explain().hint(format!("commit a correct {FILE}: exports read it as HEAD has it"))
            }
            Self::Project(error) => error.explain(),
            Self::Git(error) => error.explain(),
        }
    }
}

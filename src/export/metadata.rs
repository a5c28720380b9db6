//! What a dataset is: its title, licence, creators. From `[dataset]` in `capture-hook.toml`, then `CITATION.cff`.
//!
//! Both are read as committed in HEAD, so that two clones export the same; what the command line says wins. A licence is
//! never guessed, and nothing is taken from a git remote, whose address can hold a password.

mod error;
mod sources;

use jiff::civil::Date;

use crate::export::citation;
use crate::project::config::FILE;
use crate::project::config::values::{ValueError, check_url};
use crate::project::{GitTree, Project};

pub use error::{MetadataError, MissingKey};
use sources::MetadataSources;

/// What an export must know of the dataset as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetMetadata {
    /// Its title.
    pub title: String,
    /// What it is, in a sentence or more.
    pub description: String,
    /// Under which conditions others can use it.
    pub license: License,
    /// Its version, as semver has it.
    pub version: String,
    /// Its page.
    pub url: Option<String>,
    /// Its git repository.
    pub repository: Option<String>,
    /// Words to find it by.
    pub keywords: Vec<String>,
    /// Who publishes it.
    pub publisher: Option<Organization>,
    /// Who made it; at least one.
    pub creators: Vec<Creator>,
    /// What recorded its runs.
    pub simulator: Option<SimulatorPage>,
}

/// A licence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct License {
    /// Its SPDX identifier.
    pub id: String,
    /// Its name in full; the identifier if it is not known here.
    pub name: String,
    /// Its page.
    pub url: String,
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its name.
    pub name: String,
    /// Its page.
    pub url: Option<String>,
    /// Its address in the Research Organization Registry, in full: `https://ror.org/…`.
    pub ror: Option<String>,
}

/// A person who made the dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creator {
    /// The name in full.
    pub name: String,
    /// The given names.
    pub given: Option<String>,
    /// The family name.
    pub family: Option<String>,
    /// The ORCID address in full: `https://orcid.org/…`.
    pub orcid: Option<String>,
    /// Where the person works.
    pub affiliation: Option<Organization>,
    /// Compared with the author of a commit, and never written.
    pub email: Option<String>,
}

/// The page of the simulator that recorded the runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatorPage {
    /// The simulator's name.
    pub name: String,
    /// Its page.
    pub url: Option<String>,
}

/// What the command line says of the dataset.
#[derive(Debug, Clone, Default)]
pub struct MetadataFlags {
    /// `--title`
    pub title: Option<String>,
    /// `--description`
    pub description: Option<String>,
    /// `--license`, an SPDX identifier.
    pub license: Option<String>,
    /// `--creator`, each the text of one person or of several.
    pub creators: Vec<String>,
    /// `--dataset-version`
    pub version: Option<String>,
    /// `--date-published`, `YYYY-MM-DD`.
    pub date_published: Option<String>,
}

/// What is known of the dataset.
#[derive(Debug, Clone)]
pub struct CommittedMetadata {
    /// What the documents say.
    pub metadata: DatasetMetadata,
    /// The date that the command line gives instead of the newest commit's.
    pub date_published: Option<Date>,
    /// What the user must know: a line each.
    pub warnings: Vec<String>,
}

/// Reads what the dataset is. Fails with every key that is missing, and if a part of `CITATION.cff` is needed and cannot
/// be used.
pub fn read_dataset_metadata(project: &Project, flags: &MetadataFlags) -> Result<CommittedMetadata, MetadataError> {
    let head = project.repo.head()?.map(GitTree::Commit);
    let mut committed = MetadataSources::read(project, head.as_ref(), flags)?;
    let metadata = committed.assemble();
    // What is wrong with the working tree's files is for other commands to say.
    let changed =
        MetadataSources::read(project, Some(&GitTree::WorkTree), flags).and_then(|mut sources| sources.assemble());
    let date_published = flags.date_published.as_deref().map(check_date).transpose()?;
    match (metadata, changed) {
        (Ok(metadata), changed) => {
            let mut warnings = committed.warnings;
            if changed.ok().as_ref() != Some(&metadata) {
                warnings.push(format!(
                    "changes of {FILE} or {} that are not committed are left out: exports read both as HEAD has them",
                    citation::FILE
                ));
            }
            Ok(CommittedMetadata { metadata, date_published, warnings })
        }
        (Err(MetadataError::Incomplete { mut missing }), changed) => {
            for key in &mut missing {
                key.uncommitted = match &changed {
                    Ok(_) => true,
                    Err(MetadataError::Incomplete { missing: still }) => {
                        !still.iter().any(|still| still.key == key.key)
                    }
                    Err(_) => false,
                };
            }
            Err(MetadataError::Incomplete { missing })
        }
        (Err(error), _) => Err(error),
    }
}

/// Reads where others can clone the dataset's repository, if the committed files say so.
pub fn read_repository(project: &Project) -> Result<Option<String>, MetadataError> {
    let head = project.repo.head()?.map(GitTree::Commit);
    let flags = MetadataFlags::default();
    let sources = MetadataSources::read(project, head.as_ref(), &flags)?;
    // Without an address, a commit is named by its id alone: no reason to fail because of a citation.
    let cited = || sources.citation.as_ref()?.dataset_value("repository-code", check_url).ok()?;
    Ok(sources.settings.repository.clone().or_else(cited))
}

fn check_date(text: &str) -> Result<Date, MetadataError> {
    let date = Some(text).filter(|text| text.len() == "2026-11-27".len()).and_then(|text| text.parse().ok());
    date.ok_or_else(|| MetadataError::Flag {
        flag: "--date-published",
        source: ValueError { value: text.to_owned(), why: "is not a date such as 2026-11-27".into() },
    })
}

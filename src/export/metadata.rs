//! What a dataset is: its title, licence, creators. From `[dataset]` in `capture-hook.toml`, then `CITATION.cff`.

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

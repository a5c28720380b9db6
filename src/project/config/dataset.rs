//! `[dataset]`: what exports say of the dataset as a whole. Every key can be absent until something is exported.
//!
//! Each value is checked when the file is read, so that an error has its line; the rules are in `values`. An empty text
//! is the same as none.

use serde::{Deserialize, Deserializer};

use super::creators::CreatorConfig;
use super::licenses::check_license;
use super::values::{read_checked, read_keywords, read_line, read_ror, read_text, read_url, read_version};

/// `[dataset]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatasetConfig {
    /// Its title.
    #[serde(deserialize_with = "read_line")]
    pub title: Option<String>,
    /// What it is, in a sentence or more.
    #[serde(deserialize_with = "read_text")]
    pub description: Option<String>,
    /// The SPDX identifier of its licence.
    #[serde(deserialize_with = "read_license")]
    pub license: Option<String>,
    /// The page with the licence's terms.
    #[serde(deserialize_with = "read_url")]
    pub license_url: Option<String>,
    /// Its version, as semver has it.
    #[serde(deserialize_with = "read_version")]
    pub version: Option<String>,
    /// Its page.
    #[serde(deserialize_with = "read_url")]
    pub url: Option<String>,
    /// Where others can clone its git repository.
    #[serde(deserialize_with = "read_url")]
    pub repository: Option<String>,
    /// Words to find it by.
    #[serde(deserialize_with = "read_keywords")]
    pub keywords: Vec<String>,
    /// Who publishes it.
    pub publisher: PublisherConfig,
    /// Who made it.
    pub creators: Vec<CreatorConfig>,
    /// What recorded its runs.
    pub simulator: SimulatorConfig,
}

/// `publisher` of `[dataset]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PublisherConfig {
    /// The organisation's name.
    #[serde(deserialize_with = "read_line")]
    pub name: Option<String>,
    /// Its page.
    #[serde(deserialize_with = "read_url")]
    pub url: Option<String>,
    /// Its ROR, as an address.
    #[serde(deserialize_with = "read_ror")]
    pub ror: Option<String>,
}

/// `simulator` of `[dataset]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimulatorConfig {
    /// The simulator's name.
    #[serde(deserialize_with = "read_line")]
    pub name: Option<String>,
    /// Its page.
    #[serde(deserialize_with = "read_url")]
    pub url: Option<String>,
}

fn read_license<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    read_checked(from, check_license)
}

//! The places that say what a dataset is, as one commit or the working tree has them, and which of them wins.

use super::error::{MetadataError, MissingKey};
use super::{Creator, DatasetMetadata, License, MetadataFlags, Organization, SimulatorPage};
use crate::export::citation::{self, CitationError, CitationFile};
use crate::project::config::creators::{CreatorConfig, parse_creators};
use crate::project::config::dataset::DatasetConfig;
use crate::project::config::licenses::{check_license, find_license, suggest_license};
use crate::project::config::values::{ValueError, check_line, check_text, check_url, check_version};
use crate::project::{GitTree, Project, ProjectError};

/// The version of a dataset that names none.
const FIRST_VERSION: &str = "1.0.0";

/// The command line, the settings and the citation, in this order.
pub(super) struct MetadataSources<'a> {
    flags: &'a MetadataFlags,
    /// `[dataset]`
    pub settings: DatasetConfig,
    /// `CITATION.cff`, if it is there and can be read.
    pub citation: Option<CitationFile>,
    /// Why it cannot be read.
    fault: Option<CitationError>,
    /// What the user must know, a line each.
    pub warnings: Vec<String>,
}

/// A text of the dataset: where each source has it.
struct TextKey {
    key: &'static str,
    flag: &'static str,
    cited: &'static str,
    check: fn(&str) -> Result<String, ValueError>,
}

const TITLE: TextKey = TextKey { key: "dataset.title", flag: "--title", cited: "title", check: check_line };
const DESCRIPTION: TextKey =
    TextKey { key: "dataset.description", flag: "--description", cited: "abstract", check: check_text };
const VERSION: TextKey =
    TextKey { key: "dataset.version", flag: "--dataset-version", cited: "version", check: check_version };
const URL: TextKey = TextKey { key: "dataset.url", flag: "", cited: "url", check: check_url };
const REPOSITORY: TextKey = TextKey { key: "dataset.repository", flag: "", cited: "repository-code", check: check_url };
const LICENSE_URL: TextKey = TextKey { key: "dataset.license_url", flag: "", cited: "license-url", check: check_url };

impl<'a> MetadataSources<'a> {
    /// Reads the settings and the citation of a commit or of the working tree; without either, there are none.
    pub fn read(project: &Project, tree: Option<&GitTree>, flags: &'a MetadataFlags) -> Result<Self, MetadataError> {
        let mut sources =
            Self { flags, settings: DatasetConfig::default(), citation: None, fault: None, warnings: Vec::new() };
        let Some(tree) = tree else { return Ok(sources) };
        sources.settings = match project.read_config_at(tree) {
            Ok(config) => config.dataset,
            Err(ProjectError::Config(error)) => return Err(MetadataError::Settings(error)),
            Err(error) => return Err(error.into()),
        };
        let parsed = match project.read_file(tree, citation::FILE) {
            Ok(bytes) => bytes.map(|bytes| CitationFile::parse(&bytes)).transpose(),
            // A link, or a file that is too large.
            Err(ProjectError::Fs(error)) => {
                Err(CitationError { line: None, message: format!("cannot be read: {}", error.source) })
            }
            Err(error) => return Err(error.into()),
        };
        match parsed {
            Ok(file) => sources.citation = file,
            Err(fault) => sources.fault = Some(fault),
        }
        Ok(sources)
    }

    /// Puts together what is known. Fails with all that is missing.
    pub fn assemble(&mut self) -> Result<DatasetMetadata, MetadataError> {
        let mut missing = Vec::new();
        let title = self.find_text(&TITLE, self.flags.title.as_ref(), self.settings.title.as_ref())?;
        let description =
            self.find_text(&DESCRIPTION, self.flags.description.as_ref(), self.settings.description.as_ref())?;
        let version = self.find_text(&VERSION, self.flags.version.as_ref(), self.settings.version.as_ref())?;
        for (key, text) in [(TITLE.key, &title), (DESCRIPTION.key, &description)] {
            if text.is_none() {
                missing.push(MissingKey::new(key));
            }
        }
        let license = self.find_license(&mut missing)?;
        let creators: Vec<Creator> = self.find_creators()?.into_iter().map(Creator::from).collect();
        if creators.is_empty() {
            missing.push(MissingKey::new("dataset.creators"));
        }
        let publisher = &self.settings.publisher;
        let publisher = match &publisher.name {
            Some(name) => {
                Some(Organization { name: name.clone(), url: publisher.url.clone(), ror: publisher.ror.clone() })
            }
            None if publisher.url.is_some() || publisher.ror.is_some() => {
                missing.push(MissingKey::new("dataset.publisher.name"));
                None
            }
            None => None,
        };
        let simulator = &self.settings.simulator;
        if simulator.name.is_none() && simulator.url.is_some() {
            missing.push(MissingKey::new("dataset.simulator.name"));
        }
        let url = simulator.url.clone();
        let simulator = simulator.name.clone().map(|name| SimulatorPage { name, url });
        let (Some(title), Some(description), Some(license), true) = (title, description, license, missing.is_empty())
        else {
            return Err(MetadataError::Incomplete { missing });
        };
        Ok(DatasetMetadata {
            title,
            description,
            license,
            version: version.unwrap_or_else(|| FIRST_VERSION.to_owned()),
            url: self.find_text(&URL, None, self.settings.url.as_ref())?,
            repository: self.find_text(&REPOSITORY, None, self.settings.repository.as_ref())?,
            keywords: self.find_keywords()?,
            publisher,
            creators,
            simulator,
        })
    }

    /// A text from the first source that has it.
    fn find_text(
        &self,
        key: &TextKey,
        flag: Option<&String>,
        setting: Option<&String>,
    ) -> Result<Option<String>, MetadataError> {
        match (flag.map(|text| text.trim()).filter(|text| !text.is_empty()), setting, &self.citation) {
            (Some(text), ..) => {
                let checked = (key.check)(text);
                checked.map(Some).map_err(|source| MetadataError::Flag { flag: key.flag, source })
            }
            (None, Some(text), _) => Ok(Some(text.clone())),
            (None, None, Some(file)) => file
                .dataset_value(key.cited, key.check)
                .map_err(|source| MetadataError::Citation { source, key: key.key }),
            (None, None, None) => Ok(None),
        }
    }

    /// The licence, with its page. One that is not known here needs a page in the settings.
    fn find_license(&mut self, missing: &mut Vec<MissingKey>) -> Result<Option<License>, MetadataError> {
        const KEY: &str = "dataset.license";
        let flag = self.flags.license.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let id = match (flag, &self.settings.license, &self.citation) {
            (Some(text), ..) => {
                Some(check_license(text).map_err(|source| MetadataError::Flag { flag: "--license", source })?)
            }
            (None, Some(id), _) => Some(id.clone()),
            (None, None, Some(file)) => {
                let fail = |source| MetadataError::Citation { source, key: KEY };
                let ids = file.licenses(check_license).map_err(fail)?;
                if ids.len() > 1 {
                    self.warnings.push(format!("{} names {} licences: none is chosen", citation::FILE, ids.len()));
                }
                Some(ids).filter(|ids| ids.len() == 1).and_then(|ids| ids.into_iter().next())
            }
            (None, None, None) => None,
        };
        let Some(id) = id else {
            missing.push(MissingKey::new(KEY));
            return Ok(None);
        };
        // A page in the settings is of the licence there, which the command line can overrule.
        let is_overruled = self.settings.license.as_ref().is_some_and(|set| *set != id);
        let page = Some(&self.settings.license_url).filter(|_| !is_overruled).and_then(Option::as_ref);
        let known = find_license(&id);
        let url = match (page, flag.is_some() || self.settings.license.is_some()) {
            (Some(page), _) => Some(page.clone()),
            (None, true) => None,
            (None, false) => self.find_text(&LICENSE_URL, None, None)?,
        };
        let Some(url) = url.or_else(|| known.map(|known| known.url())) else {
            let near = suggest_license(&id).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let note = Some(format!("the licence `{}` is not known here{near}", id.escape_debug()));
            missing.push(MissingKey { note, ..MissingKey::new(LICENSE_URL.key) });
            return Ok(None);
        };
        Ok(Some(License { name: known.map_or_else(|| id.clone(), |known| known.name.to_owned()), id, url }))
    }

    /// Who made it. A citation that cannot be read is an error only if it must say so.
    fn find_creators(&mut self) -> Result<Vec<CreatorConfig>, MetadataError> {
        const KEY: &str = "dataset.creators";
        let fail = |source| MetadataError::Flag { flag: "--creator", source };
        let mut named = Vec::new();
        for text in &self.flags.creators {
            named.extend(parse_creators(text).map_err(fail)?);
        }
        if named.is_empty() {
            named.clone_from(&self.settings.creators);
        }
        match (named.is_empty(), &self.citation, &self.fault) {
            (true, _, Some(fault)) => Err(MetadataError::Citation { source: fault.clone(), key: KEY }),
            (true, Some(file), None) => file.authors().map_err(|source| MetadataError::Citation { source, key: KEY }),
            (false, _, Some(fault)) => {
                self.warnings.push(format!("{fault}; nothing is taken from it"));
                Ok(named)
            }
            (_, _, None) => Ok(named),
        }
    }

    fn find_keywords(&self) -> Result<Vec<String>, MetadataError> {
        match &self.citation {
            Some(file) if self.settings.keywords.is_empty() => {
                file.keywords().map_err(|source| MetadataError::Citation { source, key: "dataset.keywords" })
            }
            _ => Ok(self.settings.keywords.clone()),
        }
    }
}

impl From<CreatorConfig> for Creator {
    fn from(person: CreatorConfig) -> Self {
        let ror = person.ror;
        Self {
            name: person.name,
            given: person.given,
            family: person.family,
            orcid: person.orcid,
            affiliation: person.affiliation.map(|name| Organization { name, url: None, ror }),
            email: person.email,
        }
    }
}

//! What an export says of its runs: each fact once, taken from git, DVC and the run's own files.
//!
//! Facts only; each document in this room words them in its own way. Nothing here is read from a clock, a locale, a
//! directory's order or a git remote, so two clones have the same facts.

use std::sync::Arc;

use jiff::Timestamp;

use crate::dvc::hash::DataVersion;
use crate::export::metadata::DatasetMetadata;
use crate::formats::json::JsonValue;
use crate::git::Oid;
use crate::run::RunKey;
use crate::run::schema::RunSchema;
use crate::run::simulator::RunSimulator;

/// All that is exported at once.
#[derive(Debug)]
pub struct ExportSet {
    /// What the settings and CITATION.cff say of the dataset.
    pub metadata: DatasetMetadata,
    /// The runs, sorted by key; at least one.
    pub runs: Vec<ExportedRun>,
    /// Files of the runs' commits, sorted by path.
    pub provenance: Vec<ProvenanceFile>,
    /// The newest commit of the runs.
    pub latest_commit: ExportedCommit,
    /// The data version of that commit.
    pub latest_version: DataVersion,
    /// When the dataset counts as published: that commit's date, unless the user named another.
    pub published: Timestamp,
}

/// A file of the export that is not a run's own: a document, or a file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentFile {
    /// Its path in the export.
    pub path: String,
    /// What it is, in a line.
    pub description: String,
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// One run, as one data version holds it.
#[derive(Debug, Clone)]
pub struct ExportedRun {
    /// Its name. In the export, its files lie in the folder of this name.
    pub key: RunKey,
    /// The data version that holds it.
    pub version: DataVersion,
    /// The commit that introduced it. This is not the code that ran; only `simulator.git_sha` is.
    pub commit: ExportedCommit,
    /// The run tag of that commit, with `capture/`.
    pub tag: Option<String>,
    /// Its files, sorted by name.
    pub files: Vec<ExportedFile>,
    /// The columns of its rows.
    pub schema: Arc<RunSchema>,
    /// The version of the format of its rows, such as `0.1`.
    pub schema_version: String,
    /// The environment's configuration, an object.
    pub env_config: JsonValue,
    /// SHA-256 of the configuration, in hex, calculated from `env_config`.
    pub config_hash: String,
    /// The seed that the run's other seeds come from.
    pub base_seed: Option<i64>,
    /// What recorded the run.
    pub simulator: RunSimulator,
    /// When it began, if its `run.json` says so in a readable way.
    pub started: Option<Timestamp>,
    /// When its last step was, if that is not before `started`.
    pub ended: Option<Timestamp>,
    /// How many steps it has.
    pub steps: u64,
    /// How many episodes it has.
    pub episodes: u64,
    /// The version of capture-hook that wrote its manifest; this program's if a recorder wrote it, for then nothing
    /// names the one that ingested the run.
    pub checked_by: String,
    /// Whether the recorder wrote its manifest, not capture-hook.
    pub has_recorder_manifest: bool,
    /// A container image that `run.json` names by its digest: SHA-256, in hex.
    pub container_sha256: Option<String>,
}

/// The commit that introduced a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedCommit {
    /// Its id.
    pub id: Oid,
    /// The author's name.
    pub author: String,
    /// The author's address. It is compared with the creators' and never written.
    pub author_email: String,
    /// The committer's date.
    pub time: Timestamp,
}

/// A file of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedFile {
    /// Its path in the run's folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}

/// A file of a commit, as git has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenanceFile {
    /// The commit.
    pub commit: Oid,
    /// Its path in the project.
    pub name: String,
    /// Its path in the export, such as `provenance/dvc.lock`; `None` if the export only names its hash.
    pub path: Option<String>,
    /// The id of git's blob.
    pub blob: Oid,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl ExportSet {
    /// Whether a single run is exported.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.runs.len() == 1
    }
}

impl ExportedRun {
    /// The path of one of its files in an export.
    #[must_use]
    pub fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.key)
    }

    /// One of its files.
    #[must_use]
    pub fn find_file(&self, name: &str) -> Option<&ExportedFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// The SHA-256 of its manifest, in hex: what tells this run from every other. Without a manifest, the configuration's.
    #[must_use]
    pub fn identity(&self) -> &str {
        self.find_file("manifest.json").map_or(&self.config_hash, |file| &file.sha256)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod sample {
    //! A set for the tests of this room.

    use super::*;
    use crate::export::metadata::{Creator, License, Organization, SimulatorPage};
    use crate::formats::json;

    /// Runs with plausible facts; each key is `experiment/run_id`.
    pub fn sample_set(keys: &[&str]) -> ExportSet {
        let runs: Vec<ExportedRun> = keys.iter().map(|key| sample_run(key)).collect();
        ExportSet {
            metadata: sample_metadata(),
            provenance: vec![sample_provenance("dvc.lock"), sample_provenance("dvc.yaml")],
            latest_commit: runs[0].commit.clone(),
            latest_version: runs[0].version,
            published: runs[0].commit.time,
            runs,
        }
    }

    pub fn sample_metadata() -> DatasetMetadata {
        DatasetMetadata {
            title: "Plume navigation runs".into(),
            description: "Episodes of an agent that looks for the source of an odour plume on a grid.".into(),
            license: License {
                id: "CC-BY-4.0".into(),
                name: "Creative Commons Attribution 4.0 International".into(),
                url: "https://creativecommons.org/licenses/by/4.0/".into(),
            },
            version: "1.0.0".into(),
            url: Some("https://example.org/plume-runs".into()),
            repository: Some("https://example.org/plume-runs.git".into()),
            keywords: vec!["simulation".into()],
            publisher: Some(Organization {
                name: "Example Institute".into(),
                url: Some("https://example.org/".into()),
                ror: Some("https://ror.org/03f0f6041".into()),
            }),
            creators: vec![Creator {
                name: "Ada Example".into(),
                given: Some("Ada".into()),
                family: Some("Example".into()),
                orcid: Some("https://orcid.org/0000-0002-1825-0097".into()),
                affiliation: Some(Organization { name: "Example Institute".into(), url: None, ror: None }),
                email: Some("ada@example.org".into()),
            }],
            simulator: Some(SimulatorPage {
                name: "plume-nav-sim".into(),
                url: Some("https://pypi.org/project/plume-nav-sim/".into()),
            }),
        }
    }

    fn sample_provenance(name: &str) -> ProvenanceFile {
        ProvenanceFile {
            commit: Oid::parse(&"6".repeat(40)).unwrap(),
            name: name.into(),
            path: Some(format!("provenance/{name}")),
            blob: Oid::parse(&"b".repeat(40)).unwrap(),
            bytes: b"schema: '2.0'\n".to_vec(),
        }
    }

    pub fn sample_run(key: &str) -> ExportedRun {
        let file = |name: &str| ExportedFile {
            name: name.into(),
            bytes: 5,
            sha256: crate::support::text::to_hex(&<sha2::Sha256 as sha2::Digest>::digest(name)),
        };
        let names = [
            "DATASET_INDEX.json",
            "episodes.jsonl.gz",
            "episodes.parquet",
            "manifest.json",
            "run.json",
            "steps.jsonl.gz",
            "steps.parquet",
        ];
        let env_config = json::parse(br#"{"grid_size": [20, 20], "sigma": 20.0}"#).unwrap();
        ExportedRun {
            key: key.parse().unwrap(),
            version: "a39899ca078c8e67c0326f71fa1ffdf6.dir".parse().unwrap(),
            commit: ExportedCommit {
                id: Oid::parse(&"6".repeat(40)).unwrap(),
                author: "Ada".into(),
                author_email: "ada@example.org".into(),
                time: "2026-11-27T00:24:12Z".parse().unwrap(),
            },
            tag: None,
            files: names.map(file).to_vec(),
            schema: RunSchema::plume(),
            schema_version: "0.1".into(),
            config_hash: env_config.config_hash(),
            env_config,
            base_seed: Some(97),
            simulator: RunSimulator {
                name: Some("plume-nav-sim".into()),
                version: Some("0.1.0".into()),
                git_sha: None,
            },
            started: Some("2026-11-24T02:15:57.123456Z".parse().unwrap()),
            ended: Some("2026-11-24T02:15:57.523456Z".parse().unwrap()),
            steps: 151,
            episodes: 4,
            checked_by: "0.1.0".into(),
            has_recorder_manifest: false,
            container_sha256: None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_from_others_by_its_manifest_else_by_its_configuration() {
        let mut set = sample::sample_set(&["demo/r 1"]);
        assert!(set.is_single());
        let run = &mut set.runs[0];
        assert_eq!(run.path_of("run.json"), "demo/r 1/run.json");
        assert_eq!(run.identity(), run.find_file("manifest.json").unwrap().sha256);
        run.files.retain(|file| file.name != "manifest.json");
        assert_eq!(run.identity(), run.config_hash);
    }
}

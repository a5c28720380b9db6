//! Where a run's bytes lie: a directory, or objects in DVC's cache. Either way a file by its name.

use std::path::{Path, PathBuf};

use crate::columnar;
use crate::columnar::{ColumnarError, KeyFigures, Trace};
use crate::dvc::cache::Cache;
use crate::dvc::file_list::Entry;
use crate::dvc::hash::DataVersion;
use crate::formats::json;
use crate::formats::json::Value;
use crate::history::History;
use crate::project::{Project, ProjectError};
use crate::run::layout::{DATASET_INDEX, EPISODES_PARQUET, MANIFEST, RUN_JSON, STEPS_PARQUET};
use crate::run::{RunKey, open};
use crate::support::{fs, limits};

/// Where a run lies.
#[derive(Debug, Clone)]
pub enum Place {
    /// In a directory of recorder files: results, or any path.
    Recorded(PathBuf),
    /// In its folder in the workspace's dataset.
    Dataset(PathBuf),
    /// In DVC's cache, as a data version lists it.
    Cache {
        /// The cache.
        cache: Cache,
        /// The run's files, paths relative to the dataset.
        entries: Vec<Entry>,
        /// The run.
        key: RunKey,
    },
}

impl Place {
    /// A file of the run, where it is there.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        let path = match self {
            Self::Recorded(dir) | Self::Dataset(dir) => dir.join(name),
            Self::Cache { cache, entries, key } => {
                let relpath = format!("{key}/{name}");
                cache.path(entries.iter().find(|entry| entry.relpath == relpath)?.md5)
            }
        };
        path.is_file().then_some(path)
    }

    /// A small file's bytes, where it is there and can be read.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        match self {
            Self::Recorded(dir) => open::small_file(dir, name).ok()?,
            // A link leads into DVC's cache.
            Self::Dataset(_) | Self::Cache { .. } => fs::read_within(&self.file(name)?, limits::RUN_FILE).ok()?,
        }
    }

    /// A JSON file of the run (`run.json`, `manifest.json`), where it is there and can be read.
    #[must_use]
    pub fn json(&self, name: &str) -> Option<Value> {
        json::parse(&self.bytes(name)?).ok()
    }

    /// `run.json`.
    #[must_use]
    pub fn run_json(&self) -> Option<Value> {
        self.json(RUN_JSON)
    }

    /// `manifest.json`.
    #[must_use]
    pub fn manifest(&self) -> Option<Value> {
        self.json(MANIFEST)
    }

    /// `DATASET_INDEX.json`.
    #[must_use]
    pub fn index(&self) -> Option<Value> {
        self.json(DATASET_INDEX)
    }

    /// The directory, where the run lies in one.
    #[must_use]
    pub fn dir(&self) -> Option<&Path> {
        match self {
            Self::Recorded(dir) | Self::Dataset(dir) => Some(dir),
            Self::Cache { .. } => None,
        }
    }

    /// Key figures from parquet; `None` where there is none to trust: a recorder's own export is not checked against
    /// its JSON lines.
    #[must_use]
    pub fn parquet_figures(&self) -> Option<Result<KeyFigures, ColumnarError>> {
        let (steps, episodes) = self.parquet()?;
        Some(columnar::key_figures(&steps, &episodes))
    }

    /// The trace from parquet.
    #[must_use]
    pub fn parquet_trace(&self) -> Option<Result<Trace, ColumnarError>> {
        Some(columnar::trace(&self.parquet()?.0))
    }

    fn parquet(&self) -> Option<(PathBuf, PathBuf)> {
        if matches!(self, Self::Recorded(_)) {
            return None;
        }
        Some((self.file(STEPS_PARQUET)?, self.file(EPISODES_PARQUET)?))
    }

    /// In words.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::Recorded(_) => "results",
            Self::Dataset(_) => "dataset",
            Self::Cache { .. } => "cache",
        }
    }
}

impl Project {
    /// A run in a data version, where this clone's cache has its files; `None` where it has none of them.
    pub fn cached_run(
        &self,
        history: &History,
        version: DataVersion,
        key: &RunKey,
    ) -> Result<Option<Place>, ProjectError> {
        let Some(entries) = history.entries(version, key) else { return Ok(None) };
        let cache = self.cache()?;
        let any = entries.iter().any(|entry| cache.has(entry.md5));
        Ok(any.then(|| Place::Cache { cache, entries, key: key.clone() }))
    }
}

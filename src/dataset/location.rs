//! Where a run's bytes are: in a directory, or in objects in DVC's cache. Both are read by file name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::columnar;
use crate::columnar::{ColumnarError, PlotData, RunMetrics};
use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::formats::json;
use crate::formats::json::JsonValue;
use crate::run::layout::{DATASET_INDEX, EPISODES_PARQUET, MANIFEST, RUN_JSON, STEPS_PARQUET};
use crate::run::schema::{RunSchema, SCHEMA_JSON, SchemaVersion};
use crate::run::{RunKey, open};
use crate::support::{fs, limits};

/// Where a run lies.
#[derive(Debug, Clone)]
pub enum RunLocation {
    /// In a directory of recorder files: results, or any path.
    Recorded(PathBuf),
    /// In its folder in the workspace's dataset.
    Dataset(PathBuf),
    /// In DVC's cache, as a data version lists it.
    Cache {
        /// The cache.
        cache: Cache,
        /// The run's files, paths relative to the dataset.
        entries: Vec<FileEntry>,
        /// The run.
        key: RunKey,
    },
}

impl RunLocation {
    /// A file of the run, if it exists.
    #[must_use]
    pub fn find_file(&self, name: &str) -> Option<PathBuf> {
        let path = match self {
            Self::Recorded(dir) | Self::Dataset(dir) => dir.join(name),
            Self::Cache { cache, entries, key } => {
                let relpath = format!("{key}/{name}");
                cache.object_path(entries.iter().find(|entry| entry.relpath == relpath)?.md5)
            }
        };
        path.is_file().then_some(path)
    }

    /// A small file's bytes, if it exists and can be read.
    #[must_use]
    pub fn read_bytes(&self, name: &str) -> Option<Vec<u8>> {
        match self {
            // A file that cannot be read is treated like one that does not exist, as documented.
            Self::Recorded(dir) => open::read_small_file(dir, name).ok()?,
            // A link leads into DVC's cache.
            Self::Dataset(_) | Self::Cache { .. } => fs::read_within(&self.find_file(name)?, limits::RUN_FILE).ok()?,
        }
    }

    /// A JSON file of the run (`run.json`, `manifest.json`), if it exists and can be read.
    #[must_use]
    pub fn read_json(&self, name: &str) -> Option<JsonValue> {
        json::parse(&self.read_bytes(name)?).ok()
    }

    /// `run.json`.
    #[must_use]
    pub fn read_run_json(&self) -> Option<JsonValue> {
        self.read_json(RUN_JSON)
    }

    /// `manifest.json`.
    #[must_use]
    pub fn read_manifest(&self) -> Option<JsonValue> {
        self.read_json(MANIFEST)
    }

    /// `DATASET_INDEX.json`.
    #[must_use]
    pub fn read_index(&self) -> Option<JsonValue> {
        self.read_json(DATASET_INDEX)
    }

    /// The columns of the run's rows; `None` if it cannot be read what they are.
    #[must_use]
    pub fn read_schema(&self) -> Option<Arc<RunSchema>> {
        self.read_schema_of(&self.read_run_json()?)
    }

    /// The same, if the run's `run.json` is read already.
    #[must_use]
    pub fn read_schema_of(&self, run_json: &JsonValue) -> Option<Arc<RunSchema>> {
        let version = run_json.get("schema_version").and_then(JsonValue::as_str)?;
        let version = SchemaVersion::read(version.as_bytes())?;
        if !version.is_declared() {
            return Some(RunSchema::plume());
        }
        RunSchema::parse(&self.read_bytes(SCHEMA_JSON)?).ok().map(Arc::new)
    }

    /// The directory, if the run is in one.
    #[must_use]
    pub fn dir(&self) -> Option<&Path> {
        match self {
            Self::Recorded(dir) | Self::Dataset(dir) => Some(dir),
            Self::Cache { .. } => None,
        }
    }

    /// Key figures from parquet; `None` if there is no parquet to trust: a recorder's own export is not checked against
    /// its JSON lines.
    #[must_use]
    pub fn read_metrics(&self) -> Option<Result<RunMetrics, ColumnarError>> {
        let (steps, episodes) = self.parquet_files()?;
        Some(columnar::read_run_metrics(&steps, &episodes))
    }

    /// The trace from parquet.
    #[must_use]
    pub fn read_plot_data(&self) -> Option<Result<PlotData, ColumnarError>> {
        let (steps, episodes) = self.parquet_files()?;
        Some(columnar::read_plot_data(&steps, &episodes))
    }

    fn parquet_files(&self) -> Option<(PathBuf, PathBuf)> {
        if matches!(self, Self::Recorded(_)) {
            return None;
        }
        Some((self.find_file(STEPS_PARQUET)?, self.find_file(EPISODES_PARQUET)?))
    }

    /// In words.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Recorded(_) => "results",
            Self::Dataset(_) => "dataset",
            Self::Cache { .. } => "cache",
        }
    }
}

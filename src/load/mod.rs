//! The dataset of one revision, read without a checkout: its runs, tables of their rows, their folders.
//!
//! Bytes come from DVC's cache, from the workspace if they are the same there, else from the remote, into the cache. Each file
//! is verified before any of it is given out. The working tree, the index and `dvc.lock` stay as they are. What is noted in the
//! state directory only saves time.

mod columns;
mod commits;
mod error;
mod facts;
mod files;
pub(crate) mod known_facts;
mod read_facts;
mod run_dir;
mod schemas;
mod select;
mod versions;

pub use columns::{FIGURES, RunColumn, RunValues};
pub use error::LoadError;
pub use facts::{RunFacts, RunSource, SourceCommit};
pub use files::LoadContext;
pub use schemas::ExperimentColumn;

use std::path::{Path, PathBuf};

use crate::dataset::get::RunFiles;
use crate::dataset::runs::group_by_run;
use crate::dvc::hash::DataVersion;
use crate::git::Oid;
use crate::history::committed::find_version_at;
use crate::history::rebuilt;
use crate::project::{GitTree, Project};
use crate::run::RunKey;
use crate::support::env::Env;

/// The dataset of one revision. Holds no file open and no lock: each piece of work opens the project anew.
#[derive(Debug)]
pub struct LoadedVersion {
    /// The project's directory, absolute.
    root: PathBuf,
    /// The revision, as it was asked for.
    rev: String,
    commit: Oid,
    version: DataVersion,
    /// The dataset's directory at that commit, relative to the project.
    out_dir: String,
    /// Sorted by key.
    runs: Vec<RunFiles>,
}

impl LoadedVersion {
    /// The data version of a revision of the project at `cwd`. Its file list is fetched if this clone lacks it.
    pub fn open(cwd: &Path, env: &Env, rev: &str) -> Result<Self, LoadError> {
        let project = Project::open(cwd, env)?;
        let (commit, version) = find_version_at(&project, rev)?;
        let record = project.dataset_record(&GitTree::Commit(commit.clone()))?;
        let file_list = rebuilt::read_file_list(&project, &project.dvc()?, version)?;
        let mut runs: Vec<RunFiles> =
            group_by_run(&file_list).map(|run| RunFiles { key: run.key, entries: run.entries.to_vec() }).collect();
        // `a-b/r` comes before `a/r` in a list of paths.
        runs.sort_by(|a, b| a.key.cmp(&b.key));
        let out_dir = record.map_or_else(|| crate::dataset::stage::DEFAULT_OUT_DIR.to_owned(), |record| record.out_dir);
        Ok(Self { root: project.root.clone(), rev: rev.to_owned(), commit, version, out_dir, runs })
    }

    /// The project's directory, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The revision, as it was asked for.
    #[must_use]
    pub fn rev(&self) -> &str {
        &self.rev
    }

    /// The revision's commit.
    #[must_use]
    pub fn commit(&self) -> &Oid {
        &self.commit
    }

    /// The data version.
    #[must_use]
    pub fn version(&self) -> DataVersion {
        self.version
    }

    /// Its runs, sorted by name.
    #[must_use]
    pub fn runs(&self) -> &[RunFiles] {
        &self.runs
    }

    /// A run by its name.
    #[must_use]
    pub fn find_run(&self, key: &RunKey) -> Option<&RunFiles> {
        self.runs.get(self.runs.binary_search_by(|run| run.key.cmp(key)).ok()?)
    }

    /// The project, opened for one piece of work.
    fn open_project(&self, env: &Env) -> Result<Project, LoadError> {
        Ok(Project::open(&self.root, env)?)
    }
}

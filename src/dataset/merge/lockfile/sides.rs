//! What a merge of `dvc.lock` is handed, and what it gives.

use super::{MergeDecisions, MergeSide, RunChoice};
use crate::dataset::agreement::{RunDisagreement, UnknownSchema};
use crate::dvc::file_list::{FileList, FileListError};
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::lockfile::LockfileError;
use crate::run::RunKey;
use crate::run::schema::RunSchema;

/// The three versions and how to call the sides.
pub struct LockfileSides<'a> {
    /// The common ancestor; empty if there is none.
    pub base: &'a [u8],
    /// The current side.
    pub ours: &'a [u8],
    /// The other side.
    pub theirs: &'a [u8],
    /// The current side's name, for markers and messages: `HEAD`.
    pub ours_name: &'a str,
    /// The other side's.
    pub theirs_name: &'a str,
    /// How many characters a marker has.
    pub marker_size: usize,
    /// Whose selection stands.
    pub preferred: MergeSide,
    /// What was decided about what both changed.
    pub decisions: &'a MergeDecisions,
}

/// Something that both sides changed in different ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeConflict {
    /// A run's files.
    Run(RunKey),
    /// A file in the dataset that belongs to no run.
    File(String),
    /// Something else in a stage.
    Stage {
        /// The stage.
        name: String,
        /// What in it: `cmd`, a dependency, a parameter, an output.
        what: String,
    },
    /// The columns of two runs of one experiment, one of each side.
    Schema(RunDisagreement),
}

impl std::fmt::Display for MergeConflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run(key) => write!(f, "both sides changed run {key}"),
            Self::File(path) => write!(f, "both sides changed {path} in the dataset"),
            Self::Schema(conflict) => conflict.fmt(f),
            Self::Stage { name, what } => write!(f, "both sides changed {what} of stage {name}"),
        }
    }
}

/// A merged `dvc.lock`.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedLockfile {
    /// The file's bytes; with conflict markers if `conflicts` is not empty.
    pub bytes: Vec<u8>,
    /// What could not be merged.
    pub conflicts: Vec<MergeConflict>,
    /// Directories that are on neither side: to be put into the cache before the file is used.
    pub new_lists: Vec<FileList>,
    /// The runs that only one side added: ours, theirs.
    pub added: (Vec<RunKey>, Vec<RunKey>),
    /// The runs that one side removed and the other did not change: ours, theirs.
    pub removed: (Vec<RunKey>, Vec<RunKey>),
    /// Runs whose recorder files are the same on both sides, and what was made of them is not: ours stand.
    pub same_recordings: Vec<RunKey>,
    /// Runs that both sides changed and that a decision settles, each with what it was.
    pub decided_runs: Vec<(RunKey, RunChoice)>,
    /// Runs whose other side's files stand beside them, each with their new name.
    pub renamed_runs: Vec<(RunKey, RunKey)>,
    /// The selection that did not stand, with the side it came from.
    pub dropped_selection: Option<(String, MergeSide)>,
    /// Runs whose schemas could not be compared with those of the other side.
    pub unknown_schemas: Vec<UnknownSchema>,
}

/// A merge that cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// One of the three is not understood.
    #[error("{side}: {source}")]
    Lockfile {
        /// Whose.
        side: String,
        /// What is wrong.
        source: LockfileError,
    },
    /// A side's directory object cannot be fetched.
    #[error("cannot fetch the file list of data version {version}: {why}")]
    FileList {
        /// Which.
        version: DataVersion,
        /// Why not.
        why: String,
    },
    /// The merged directory is not a valid file list.
    #[error(transparent)]
    MergedList(#[from] FileListError),
    /// Text that cannot be put together.
    #[error("{0}")]
    Unmergeable(String),
}

/// Where listings and sizes come from.
pub trait MergeObjects {
    /// The listing of a data version, fetched if need be. The error says why it cannot be fetched.
    fn read_file_list(&mut self, version: DataVersion) -> Result<FileList, String>;
    /// The bytes that a file has, if that is known here.
    fn object_size(&mut self, hash: DvcHash) -> Option<u64>;
    /// A run's schema, if it is here. The error says why not.
    fn read_schema(&mut self, hash: DvcHash) -> Result<RunSchema, String>;
}

//! Settings of the stage under which DVC versions no run: it would do nothing, or keep no copy, and call that a
//! success.

use super::{ResolvedStage, STAGE};
use crate::dvc::stage::FILE;
use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};

/// Why DVC would not version a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnversionedDataset {
    /// `frozen: true`.
    #[error("the stage `{STAGE}` is frozen in {FILE}: DVC does not run it, so no run gets into the dataset")]
    Frozen,
    /// `cache: false` at the dataset.
    #[error(
        "`{out_dir}` has `cache: false` in {FILE}: DVC keeps no copy of it, so it can be neither pushed nor checked out"
    )]
    NotCached {
        /// The dataset's directory.
        out_dir: String,
    },
}

impl Explain for UnversionedDataset {
    fn explain(&self) -> Explanation {
        // `dvc unfreeze` refuses a stage with `${…}` in it.
        let take_out = |line| format!("remove `{line}` from {FILE}, `git add {FILE}`, then run the same command again");
        match self {
            Self::Frozen => Setup.code("stage_frozen").hint(take_out("frozen: true")),
            Self::NotCached { .. } => Setup.code("dataset_not_cached").hint(take_out("cache: false")),
        }
    }
}

impl ResolvedStage {
    /// Why DVC would version no run of this stage; `None` if it does.
    #[must_use]
    pub fn why_unversioned(&self) -> Option<UnversionedDataset> {
        let is_dataset = |path: &str| path.trim_end_matches('/') == self.out_dir;
        if self.stage.frozen {
            return Some(UnversionedDataset::Frozen);
        }
        let uncached = self.stage.outs.iter().any(|out| is_dataset(&out.path) && !out.cache);
        uncached.then(|| UnversionedDataset::NotCached { out_dir: self.out_dir.clone() })
    }
}

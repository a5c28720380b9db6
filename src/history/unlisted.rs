//! Runs that history holds and that this clone cannot name: only the file list of their commit does, and it is elsewhere.

use super::{DatasetCommit, History, parse_all_trailers};

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnlistedRuns {
    /// The commits that introduced them.
    pub commits: u64,
    /// The runs; `None` if a commit does not say how many.
    pub runs: Option<u64>,
}

impl History {
    /// The runs that no message and no tag names, of commits whose file list is not in this clone.
    #[must_use]
    pub fn count_unlisted(&self) -> UnlistedRuns {
        let mut found = UnlistedRuns { commits: 0, runs: Some(0) };
        // A list that is here and left out is reported with its reason.
        let is_elsewhere =
            |change: &&DatasetCommit| change.partial && !self.left_out.contains_key(&change.record.version);
        for change in self.dataset_commits.iter().filter(is_elsewhere) {
            match self.count_unnamed(change) {
                Some(0) => {}
                count => {
                    found.commits += 1;
                    found.runs = found.runs.zip(count).map(|(all, count)| all.saturating_add(count));
                }
            }
        }
        found
    }

    fn count_unnamed(&self, change: &DatasetCommit) -> Option<u64> {
        let trailers = parse_all_trailers(&change.commit.message).all_runs.into_iter();
        let counts = trailers.filter(|all| all.data == change.record.version).map(|all| all.count);
        if let Some(count) = counts.reduce(u64::saturating_add) {
            let own = self.tags_at(&change.commit.id).into_iter().filter(|tag| tag.record.is_some());
            return Some(count.saturating_sub(own.count() as u64));
        }
        // A merge introduces nothing of its own.
        let is_named = !change.introduced.is_empty() || !change.removed.is_empty() || change.commit.parents.len() > 1;
        is_named.then_some(0)
    }
}

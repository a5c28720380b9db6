//! The data versions that the history of a revision had.

use jiff::Timestamp;

use crate::git::CommitRange;
use crate::history;
use crate::load::columns::{RunColumn, RunValues};
use crate::load::{LoadContext, LoadError, LoadedVersion};
use crate::run::RunKey;

impl LoadedVersion {
    /// A row for each commit, reachable from the revision, that changed the dataset: newest first.
    pub fn list_versions(&self, context: &LoadContext<'_>) -> Result<Vec<RunColumn>, LoadError> {
        let project = self.open_project(context.env)?;
        let range = CommitRange { include: vec![self.commit.clone()], ..CommitRange::default() };
        let history = history::load_history_in(&project, &range)?;
        let commits = &history.dataset_commits;
        let texts = |of: &dyn Fn(&history::DatasetCommit) -> String| {
            RunValues::Texts(commits.iter().map(|change| Some(of(change))).collect())
        };
        let names = |runs: &[RunKey]| runs.iter().map(ToString::to_string).collect::<Vec<_>>();
        let times =
            commits.iter().map(|change| Timestamp::from_second(change.commit.time).ok().map(Timestamp::as_microsecond));
        let tags = commits.iter().map(|change| {
            let of_runs = history.tags_at(&change.commit.id).into_iter().map(|tag| &tag.tag.name);
            let of_all = history.version_tag_at(&change.commit.id).map(|tag| &tag.tag.name);
            of_runs.chain(of_all).cloned().collect::<Vec<_>>()
        });
        let columns = [
            ("commit", texts(&|change| change.commit.id.to_string())),
            ("committed_at", RunValues::Times(times.collect())),
            ("author", texts(&|change| change.commit.author.clone())),
            ("subject", texts(&|change| change.commit.subject())),
            ("data_version", texts(&|change| change.record.version.to_string())),
            ("introduced", RunValues::TextLists(commits.iter().map(|change| names(&change.introduced)).collect())),
            ("removed", RunValues::TextLists(commits.iter().map(|change| names(&change.removed)).collect())),
            ("complete", RunValues::Bools(commits.iter().map(|change| Some(!change.partial)).collect())),
            ("tags", RunValues::TextLists(tags.collect())),
        ];
        Ok(columns.map(|(name, values)| RunColumn { name: name.to_owned(), values }).to_vec())
    }
}

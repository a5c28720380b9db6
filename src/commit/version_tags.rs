//! The tag that stands for all runs of a commit, if they are more than `tag.max_runs`.

use crate::git::Oid;
use crate::history::run_records::read_run_records;
use crate::history::tags::version_tag_name;
use crate::history::trailers::version_tag_message;
use crate::history::{self, AllRunsTrailer};
use crate::project::{DatasetRecord, Project, ProjectError, Reporter};
use crate::run::RunKey;

/// A version tag that is to be made.
pub(super) struct VersionTagPlan {
    pub(super) name: String,
    pub(super) message: String,
    pub(super) record: AllRunsTrailer,
}

/// What the tag of a commit that introduces these runs says. It is worked out from the data; only what this clone has no
/// data for is as the commit's message says.
pub(super) fn plan_version_tag(
    project: &Project,
    commit: &Oid,
    dataset_record: &DatasetRecord,
    runs: &[RunKey],
    reporter: &dyn Reporter,
) -> Result<VersionTagPlan, ProjectError> {
    let mut record = read_run_records(project, dataset_record, runs, reporter)?.all_runs_trailer(dataset_record);
    if record.sha256.is_none() {
        let recorded = history::parse_all_trailers(&project.repo.read_commit(commit)?.message).all_runs;
        let same = recorded.into_iter().find(|recorded| recorded.data == record.data && recorded.count == record.count);
        record = same.unwrap_or(record);
    }
    let (name, message) = (version_tag_name(record.data), version_tag_message(&record));
    Ok(VersionTagPlan { name, message, record })
}

//! Tags of rewritten commits: they move to the commits that take their places.

use crate::commit::tags::{TagOutcome, hash_files, same_data, tag_commit};
use crate::git::{NewTag, Oid};
use crate::history::hashed_runs::RunHasher;
use crate::history::tags::{run_tags, version_tags, was_pushed};
use crate::history::trailers::version_tag_message;
use crate::history::{self, RunTag, VersionTag, introduced};
use crate::project::{DatasetRecord, GitTree, Project, ProjectError, Reporter};

/// Moves the run tags of a rewritten commit to its successor, and makes those that the successor lacks.
pub fn retag_commits(
    project: &Project,
    pairs: &[(Oid, Oid)],
    reporter: &dyn Reporter,
) -> Result<Vec<TagOutcome>, ProjectError> {
    let mut done = Vec::new();
    let mut mover = TagMover { project, reporter, hasher: RunHasher::new(project, reporter) };
    let (tags, version_tags) = (run_tags(project)?, version_tags(project)?);
    for (old, new) in pairs {
        let Some(dataset_record) = project.dataset_record(&GitTree::Commit(new.clone()))? else { continue };
        for tag in version_tags.iter().filter(|tag| tag.tag.commit.as_ref() == Some(old)) {
            done.push(mover.move_version_tag(tag, new, &dataset_record)?);
        }
        for tag in tags.iter().filter(|tag| tag.tag.commit.as_ref() == Some(old)) {
            done.push(mover.move_tag(tag, new, &dataset_record)?);
        }
    }
    let mut news: Vec<&Oid> = pairs.iter().map(|(_, new)| new).collect();
    news.dedup();
    for new in news {
        let made = tag_commit(project, new, &[], reporter)?;
        done.extend(made.into_iter().filter(|tagged| !matches!(tagged, TagOutcome::Kept { .. })));
    }
    Ok(done)
}

/// Moves run tags along with rewritten commits.
struct TagMover<'a> {
    project: &'a Project,
    reporter: &'a dyn Reporter,
    hasher: RunHasher<'a>,
}

impl TagMover<'_> {
    /// Moves a run tag to the commit that takes the place of its own, unless others may have it or the commit lacks the
    /// run.
    fn move_tag(
        &mut self,
        tag: &RunTag,
        commit: &Oid,
        dataset_record: &DatasetRecord,
    ) -> Result<TagOutcome, ProjectError> {
        let project = self.project;
        let name = tag.tag.name.clone();
        if was_pushed(project, &tag.tag)? {
            return Ok(TagOutcome::Left { tag: name });
        }
        let entries = project.file_lists()?.run_entries(dataset_record.version, &tag.name.run);
        if entries.is_some_and(|entries| entries.is_empty()) {
            return Ok(TagOutcome::Orphaned { tag: name });
        }
        let mut record = introduced::read_run_record(project, &tag.name.run, dataset_record)?;
        record.files = hash_files(&mut self.hasher, project, &record, dataset_record)?;
        // What this clone has no data for, the tag may know; of other data it knows nothing.
        if let Some(old) = &tag.record
            && same_data(project, tag, &record)?
        {
            record.fill_from(old);
        }
        let message = history::tag_message(&record);
        let moved = NewTag { name: &name, commit, message: &message, replace: true };
        Ok(match project.repo.create_tag(moved, &|line| self.reporter.show_status(line)) {
            Ok(()) => TagOutcome::Moved { tag: name },
            Err(error) => TagOutcome::Failed { tag: name, error },
        })
    }

    /// Moves a version tag to the commit that takes the place of its own. If that has another data version, the tag is
    /// removed, for its name would be wrong; the successor gets its own.
    fn move_version_tag(
        &self,
        tag: &VersionTag,
        commit: &Oid,
        dataset_record: &DatasetRecord,
    ) -> Result<TagOutcome, ProjectError> {
        let name = tag.tag.name.clone();
        let Some(object) = tag.tag.object.as_ref() else { return Ok(TagOutcome::Left { tag: name }) };
        if was_pushed(self.project, &tag.tag)? {
            return Ok(TagOutcome::Left { tag: name });
        }
        let notify = |line: &str| self.reporter.show_status(line);
        if tag.record.data != dataset_record.version {
            return Ok(match self.project.repo.remove_tag(&name, object, &notify) {
                Ok(()) => TagOutcome::Replaced { tag: name },
                Err(error) => TagOutcome::Failed { tag: name, error },
            });
        }
        let message = version_tag_message(&tag.record);
        let moved = NewTag { name: &name, commit, message: &message, replace: true };
        Ok(match self.project.repo.create_tag(moved, &notify) {
            Ok(()) => TagOutcome::Moved { tag: name },
            Err(error) => TagOutcome::Failed { tag: name, error },
        })
    }
}

//! Run tags: made for what a commit brings, moved with a commit that was rewritten, never taken from data they name.
//!
//! A run's tag that exists with the same data stays where it is; with other data the run gets the next number (`@v2`), as does a
//! run of the same name in another project of the repository. One that is left on a commit which nothing holds any more
//! (`git reset --soft`, `git replay`: no hook is told) moves to the commit that brings the same data. A tag that others may have
//! is not moved.

use crate::git::{GitError, NewTag, Oid, Tag};
use crate::history;
use crate::history::introduced;
use crate::history::{RunTrailers, TAG_PREFIX, TagName, parse_tag, tag_name};
use crate::project::{DatasetRecord, GitTree, Project, ProjectError, Reporter};
use crate::support::fs;

/// What became of one tag.
#[derive(Debug)]
pub enum TagOutcome {
    /// Made.
    Made {
        /// Its name.
        tag: String,
    },
    /// Was there, for the same data.
    Kept {
        /// Its name.
        tag: String,
    },
    /// Moved from a rewritten commit to its successor.
    Moved {
        /// Its name.
        tag: String,
    },
    /// Moved from a commit that nothing holds any more to one that brings the same data.
    CaughtUp {
        /// Its name.
        tag: String,
    },
    /// Left on a rewritten commit: others may have it.
    Left {
        /// Its name.
        tag: String,
    },
    /// Left on a rewritten commit: the successor does not hold the run.
    Orphaned {
        /// Its name.
        tag: String,
    },
    /// It could not be made, or moved.
    Failed {
        /// Its name.
        tag: String,
        /// Why not.
        error: GitError,
    },
}

/// What may be done for the runs of a commit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MissingTags {
    /// Tags that are missing are made.
    Make,
    /// They are left missing; those that were left behind are moved all the same.
    Skip,
}

/// A run tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunTag {
    /// What its name means.
    pub name: TagName,
    /// The tag.
    pub tag: Tag,
    /// The record in its message.
    pub record: Option<RunTrailers>,
}

impl Project {
    /// The run tags of this project.
    pub fn run_tags(&self) -> Result<Vec<RunTag>, ProjectError> {
        let mut own = Vec::new();
        for tag in self.all_run_tags()? {
            if self.is_own(&tag)? {
                own.push(tag);
            }
        }
        Ok(own)
    }

    /// Whether a run tag names data of this project: not that which another project of the repository has at its commit.
    fn is_own(&self, tag: &RunTag) -> Result<bool, ProjectError> {
        let (Some(record), Some(commit)) = (&tag.record, &tag.tag.commit) else { return Ok(true) };
        if self.other_prefixes()?.is_empty() || !self.knows_lockfile(commit) {
            return Ok(true);
        }
        Ok(self.data_version_at(commit)? == Some(record.data) || !self.is_of_other_project(record.data, commit)?)
    }

    /// The run tags of every project in the repository.
    fn all_run_tags(&self) -> Result<Vec<RunTag>, ProjectError> {
        let tags = self.repo.find_tags(TAG_PREFIX)?;
        let known = |tag: Tag| {
            let name = parse_tag(&tag.name, &tag.message)?;
            let record = history::parse_trailers(&tag.message).into_iter().find(|record| record.run == name.run);
            Some(RunTag { name, tag, record })
        };
        Ok(tags.into_iter().filter_map(known).collect())
    }

    /// Makes the tags for the runs that a commit brings, where they are missing. `rewritten` names commits whose tags are
    /// about to move here: a run tagged there is left to that.
    pub fn tag_commit(
        &self,
        commit: &Oid,
        rewritten: &[Oid],
        reporter: &dyn Reporter,
    ) -> Result<Vec<TagOutcome>, ProjectError> {
        let mut tags = self.all_run_tags()?;
        Ok(self.tag_runs(commit, &mut tags, (rewritten, MissingTags::Make), reporter)?.0)
    }

    /// The same for many commits, the oldest first.
    pub fn tag_commits(&self, commits: &[Oid], reporter: &dyn Reporter) -> Result<Vec<TagOutcome>, ProjectError> {
        self.tag_all(commits, MissingTags::Make, reporter)
    }

    /// Moves the tags that were left behind to those of these commits, the oldest first, that bring the same data.
    pub fn move_left_tags(&self, commits: &[Oid], reporter: &dyn Reporter) -> Result<Vec<TagOutcome>, ProjectError> {
        let done = self.tag_all(commits, MissingTags::Skip, reporter)?;
        Ok(done
            .into_iter()
            .filter(|tagged| matches!(tagged, TagOutcome::CaughtUp { .. } | TagOutcome::Failed { .. }))
            .collect())
    }

    fn tag_all(
        &self,
        commits: &[Oid],
        missing: MissingTags,
        reporter: &dyn Reporter,
    ) -> Result<Vec<TagOutcome>, ProjectError> {
        let mut tags = self.all_run_tags()?;
        let mut done = Vec::new();
        for commit in commits {
            let (tagged, go_on) = self.tag_runs(commit, &mut tags, (&[], missing), reporter)?;
            done.extend(tagged);
            if !go_on {
                break;
            }
        }
        Ok(done)
    }

    /// Says what became of the tags, and whether it is any use to go on: what keeps one tag from being made may keep all.
    fn tag_runs(
        &self,
        commit: &Oid,
        tags: &mut Vec<RunTag>,
        (rewritten, missing): (&[Oid], MissingTags),
        reporter: &dyn Reporter,
    ) -> Result<(Vec<TagOutcome>, bool), ProjectError> {
        let runs = introduced::diff_commit(self, commit)?.introduced;
        let mut done = Vec::new();
        let Some(dataset_record) = self.dataset_record(&GitTree::Commit(commit.clone()))?.filter(|_| !runs.is_empty())
        else {
            return Ok((done, true));
        };
        for run in &runs {
            let own: Vec<usize> = (0..tags.len()).filter(|at| tags[*at].name.run == *run).collect();
            let mut is_moving = false;
            let on_rewritten = |tag: &RunTag| tag.tag.commit.as_ref().is_some_and(|c| rewritten.contains(c));
            for tag in own.iter().map(|at| &tags[*at]).filter(|tag| on_rewritten(tag)) {
                is_moving |= self.is_own(tag)?;
            }
            if is_moving {
                continue;
            }
            let record = introduced::read_run_record_at(self, run, &dataset_record, commit)?;
            let version = match self.same_tag(commit, tags, &own, &record)? {
                SameTag::Stays(at) => {
                    done.push(TagOutcome::Kept { tag: tags[at].tag.name.clone() });
                    continue;
                }
                SameTag::LeftBehind(at) => tags[at].name.version,
                SameTag::None if missing == MissingTags::Skip => continue,
                SameTag::None => own.iter().map(|at| tags[*at].name.version).max().map_or(1, |v| v + 1),
            };
            let name = TagName { run: run.clone(), version };
            let tag = tag_name(&name);
            let old = tags.iter().position(|known| known.tag.name == tag);
            let message = history::tag_message(&record);
            let new = NewTag { name: &tag, commit, message: &message, replace: old.is_some() };
            if let Err(error) = self.repo.create_tag(new, &|line| reporter.show_status(line)) {
                let go_on = matches!(error, GitError::TagConflict { .. });
                done.push(TagOutcome::Failed { tag, error });
                if go_on {
                    continue;
                }
                return Ok((done, false));
            }
            done.push(match old {
                Some(_) => TagOutcome::CaughtUp { tag: tag.clone() },
                None => TagOutcome::Made { tag: tag.clone() },
            });
            let made = Tag { name: tag, commit: Some(commit.clone()), object: None, message: message.into_bytes() };
            let made = RunTag { name, tag: made, record: Some(record) };
            match old {
                Some(at) => tags[at] = made,
                None => tags.push(made),
            }
        }
        Ok((done, true))
    }

    /// The tag of a commit's run, among those of the run, that names the same data: one that stays, else one that was left
    /// behind.
    fn same_tag(
        &self,
        commit: &Oid,
        tags: &[RunTag],
        own: &[usize],
        record: &RunTrailers,
    ) -> Result<SameTag, ProjectError> {
        let mut left = SameTag::None;
        for at in own.iter().copied() {
            let Some(tag) = tags.get(at) else { continue };
            if !self.is_own(tag)? || !self.same_data(tag, record)? {
                continue;
            }
            if !self.is_left_behind(tag, Some(commit))? {
                return Ok(SameTag::Stays(at));
            }
            left = SameTag::LeftBehind(at);
        }
        Ok(left)
    }

    /// Whether a tag may move because its commit is held by nothing but run tags: it was made here, and nobody else can have
    /// it. Not where `from`, a commit that is held, reaches it.
    pub fn is_left_behind(&self, tag: &RunTag, from: Option<&Oid>) -> Result<bool, ProjectError> {
        let Some(commit) = &tag.tag.commit else { return Ok(false) };
        if let Some(from) = from
            && self.repo.has_ancestor(from, commit)?
        {
            return Ok(false);
        }
        Ok(!self.repo.is_held(commit, TAG_PREFIX)?
            && !self.was_pushed(&tag.tag)?
            && !self.repo.was_on_remote(commit)?
            && (self.repo.was_committed_here(commit) || self.repo.was_tagged_here(&tag.tag.name)))
    }

    /// Whether a tag names the same data of its run as this record does.
    fn same_data(&self, tag: &RunTag, record: &RunTrailers) -> Result<bool, ProjectError> {
        let tagged = match &tag.tag.commit {
            Some(commit) if self.knows_lockfile(commit) => self.dataset_record(&GitTree::Commit(commit.clone()))?,
            _ => None,
        };
        let version = tagged.map(|l: DatasetRecord| l.version).or_else(|| tag.record.as_ref().map(|r| r.data));
        if version == Some(record.data) {
            return Ok(true);
        }
        let mut file_lists = self.file_lists()?;
        if let Some(old) = version.and_then(|version| file_lists.run_entries(version, &record.run))
            && let Some(new) = file_lists.run_entries(record.data, &record.run)
        {
            return Ok(old == new);
        }
        // Without the listing of the tagged data, the manifest (which names every file's hash) decides.
        let old = tag.record.as_ref().and_then(|r| r.manifest.as_ref());
        Ok(old.is_some() && old == record.manifest.as_ref())
    }

    /// Moves the run tags of a rewritten commit to its successor, and makes those that the successor lacks.
    pub fn retag_commits(
        &self,
        pairs: &[(Oid, Oid)],
        reporter: &dyn Reporter,
    ) -> Result<Vec<TagOutcome>, ProjectError> {
        let mut done = Vec::new();
        let tags = self.run_tags()?;
        for (old, new) in pairs {
            let Some(dataset_record) = self.dataset_record(&GitTree::Commit(new.clone()))? else { continue };
            for tag in tags.iter().filter(|tag| tag.tag.commit.as_ref() == Some(old)) {
                let name = tag.tag.name.clone();
                if self.was_pushed(&tag.tag)? {
                    done.push(TagOutcome::Left { tag: name });
                    continue;
                }
                if self
                    .file_lists()?
                    .run_entries(dataset_record.version, &tag.name.run)
                    .is_some_and(|entries| entries.is_empty())
                {
                    done.push(TagOutcome::Orphaned { tag: name });
                    continue;
                }
                let mut record = introduced::read_run_record(self, &tag.name.run, &dataset_record)?;
                if let Some(old) = &tag.record {
                    record.config = record.config.or_else(|| old.config.clone());
                    record.manifest = record.manifest.or_else(|| old.manifest.clone());
                    record.steps = record.steps.or(old.steps);
                    record.episodes = record.episodes.or(old.episodes);
                }
                let message = history::tag_message(&record);
                let moved = NewTag { name: &name, commit: new, message: &message, replace: true };
                done.push(match self.repo.create_tag(moved, &|line| reporter.show_status(line)) {
                    Ok(()) => TagOutcome::Moved { tag: name },
                    Err(error) => TagOutcome::Failed { tag: name, error },
                });
            }
        }
        let mut news: Vec<&Oid> = pairs.iter().map(|(_, new)| new).collect();
        news.dedup();
        for new in news {
            let made = self.tag_commit(new, &[], reporter)?;
            done.extend(made.into_iter().filter(|tagged| !matches!(tagged, TagOutcome::Kept { .. })));
        }
        Ok(done)
    }

    /// Whether others may have this tag: it was handed to a push from here, or its commit is on a remote's branch.
    fn was_pushed(&self, tag: &Tag) -> Result<bool, ProjectError> {
        if let Some(object) = &tag.object
            && self.pushed_tags()?.contains(object)
        {
            return Ok(true);
        }
        match &tag.commit {
            Some(commit) => Ok(self.repo.is_on_remote(commit)?),
            None => Ok(false),
        }
    }

    /// The tag objects that pushes from here have carried.
    fn pushed_tags(&self) -> Result<Vec<Oid>, ProjectError> {
        let text = fs::read_optional(&self.state_dir().join(PUSHED))?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).lines().filter_map(Oid::parse).collect())
    }

    /// Notes tag objects that a push is about to carry: git keeps no trace of a pushed tag, and a tag that others may have
    /// must not move.
    pub fn note_pushed_tags(&self, objects: &[Oid]) -> Result<(), ProjectError> {
        let mut known = self.pushed_tags()?;
        let before = known.len();
        known.extend(objects.iter().cloned());
        known.sort();
        known.dedup();
        if known.len() == before {
            return Ok(());
        }
        let text: String = known.iter().map(|id| format!("{id}\n")).collect();
        fs::create_shared_dir(&self.state_dir())?;
        Ok(fs::write_shared(&self.state_dir().join(PUSHED), text.as_bytes())?)
    }
}

/// A tag of the same data, by its place among all.
enum SameTag {
    /// There is none.
    None,
    /// It stays where it is.
    Stays(usize),
    /// It was left behind, and moves.
    LeftBehind(usize),
}

/// The file in the state directory that lists pushed tag objects, one a line.
const PUSHED: &str = "pushed-tags";

//! Run tags: made for what a commit brings, moved with a commit that was rewritten, never taken from data they name.
//!
//! A run's tag that exists with the same data stays where it is; with other data the run gets the next number (`@v2`), as does a
//! run of the same name in another project of the repository. A tag that others may have is not moved.

use super::{Locked, Project, ProjectError, Source};
use crate::git::{NewTag, Oid, Tag};
use crate::provenance::{self, Record, TAG_PREFIX, TagName, parse_tag_name, tag_name};
use crate::support::fs;

/// What became of one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tagged {
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
}

/// A run tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunTag {
    /// What its name means.
    pub name: TagName,
    /// The tag.
    pub tag: Tag,
    /// The record in its message.
    pub record: Option<Record>,
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
        if self.others()?.is_empty() || !self.repo.has_object(commit) {
            return Ok(true);
        }
        Ok(self.version_at(commit)? == Some(record.data) || !self.is_of_another(record.data, commit)?)
    }

    /// The run tags of every project in the repository.
    fn all_run_tags(&self) -> Result<Vec<RunTag>, ProjectError> {
        let tags = self.repo.tags(TAG_PREFIX)?;
        let known = |tag: Tag| {
            let name = parse_tag_name(&tag.name)?;
            let record = provenance::parse(&tag.message).into_iter().find(|record| record.run == name.run);
            Some(RunTag { name, tag, record })
        };
        Ok(tags.into_iter().filter_map(known).collect())
    }

    /// Makes the tags for the runs that a commit brings, where they are missing. `rewritten` names commits whose tags are
    /// about to move here: a run tagged there is left to that.
    pub fn tag_commit(&self, commit: &Oid, rewritten: &[Oid]) -> Result<Vec<Tagged>, ProjectError> {
        self.tag_runs(commit, &mut self.all_run_tags()?, rewritten)
    }

    /// The same for many commits, the oldest first.
    pub fn tag_commits(&self, commits: &[Oid]) -> Result<Vec<Tagged>, ProjectError> {
        let mut tags = self.all_run_tags()?;
        let mut done = Vec::new();
        for commit in commits {
            done.extend(self.tag_runs(commit, &mut tags, &[])?);
        }
        Ok(done)
    }

    fn tag_runs(&self, commit: &Oid, tags: &mut Vec<RunTag>, rewritten: &[Oid]) -> Result<Vec<Tagged>, ProjectError> {
        let runs = self.brought_by(commit)?.runs;
        let Some(locked) = self.locked(&Source::Commit(commit.clone()))?.filter(|_| !runs.is_empty()) else {
            return Ok(Vec::new());
        };
        let mut done = Vec::new();
        for run in &runs {
            let own: Vec<&RunTag> = tags.iter().filter(|tag| tag.name.run == *run).collect();
            let mut moving = false;
            for tag in own.iter().filter(|tag| tag.tag.commit.as_ref().is_some_and(|c| rewritten.contains(c))) {
                moving |= self.is_own(tag)?;
            }
            if moving {
                continue;
            }
            let record = self.record(run, &locked)?;
            let mut same = None;
            for tag in &own {
                if self.is_own(tag)? && self.same_data(tag, &record)? {
                    same = Some(tag.tag.name.clone());
                    break;
                }
            }
            if let Some(tag) = same {
                done.push(Tagged::Kept { tag });
                continue;
            }
            let version = own.iter().map(|tag| tag.name.version).max().map_or(1, |v| v + 1);
            let name = TagName { run: run.clone(), version };
            let tag = tag_name(&name);
            let message = provenance::tag_message(&record);
            self.repo.make_tag(NewTag { name: &tag, commit, message: &message, replace: false })?;
            let made =
                Tag { name: tag.clone(), commit: Some(commit.clone()), object: None, message: message.into_bytes() };
            tags.push(RunTag { name, tag: made, record: Some(record) });
            done.push(Tagged::Made { tag });
        }
        Ok(done)
    }

    /// Whether a tag names the same data of its run as this record does.
    fn same_data(&self, tag: &RunTag, record: &Record) -> Result<bool, ProjectError> {
        let tagged = match &tag.tag.commit {
            Some(commit) if self.repo.has_object(commit) => self.locked(&Source::Commit(commit.clone()))?,
            _ => None,
        };
        let version = tagged.map(|l: Locked| l.version).or_else(|| tag.record.as_ref().map(|r| r.data));
        if version == Some(record.data) {
            return Ok(true);
        }
        let mut lists = self.lists()?;
        if let Some(old) = version.and_then(|version| lists.entries(version, &record.run))
            && let Some(new) = lists.entries(record.data, &record.run)
        {
            return Ok(old == new);
        }
        // Without the listing of the tagged data, the manifest (which names every file's hash) decides.
        let old = tag.record.as_ref().and_then(|r| r.manifest.as_ref());
        Ok(old.is_some() && old == record.manifest.as_ref())
    }

    /// Moves the run tags of a rewritten commit to its successor, and makes those that the successor lacks.
    pub fn retag(&self, pairs: &[(Oid, Oid)]) -> Result<Vec<Tagged>, ProjectError> {
        let mut done = Vec::new();
        let tags = self.run_tags()?;
        for (old, new) in pairs {
            let Some(locked) = self.locked(&Source::Commit(new.clone()))? else { continue };
            for tag in tags.iter().filter(|tag| tag.tag.commit.as_ref() == Some(old)) {
                let name = tag.tag.name.clone();
                if self.was_pushed(&tag.tag)? {
                    done.push(Tagged::Left { tag: name });
                    continue;
                }
                if self.lists()?.entries(locked.version, &tag.name.run).is_some_and(|entries| entries.is_empty()) {
                    done.push(Tagged::Orphaned { tag: name });
                    continue;
                }
                let mut record = self.record(&tag.name.run, &locked)?;
                if let Some(old) = &tag.record {
                    record.config = record.config.or_else(|| old.config.clone());
                    record.manifest = record.manifest.or_else(|| old.manifest.clone());
                    record.steps = record.steps.or(old.steps);
                    record.episodes = record.episodes.or(old.episodes);
                }
                let message = provenance::tag_message(&record);
                self.repo.make_tag(NewTag { name: &name, commit: new, message: &message, replace: true })?;
                done.push(Tagged::Moved { tag: name });
            }
        }
        let mut news: Vec<&Oid> = pairs.iter().map(|(_, new)| new).collect();
        news.dedup();
        for new in news {
            let made = self.tag_commit(new, &[])?;
            done.extend(made.into_iter().filter(|tagged| matches!(tagged, Tagged::Made { .. })));
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
            Some(commit) => Ok(self.repo.on_a_remote(commit)?),
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

/// The file in the state directory that lists pushed tag objects, one a line.
const PUSHED: &str = "pushed-tags";

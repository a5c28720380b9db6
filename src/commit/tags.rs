//! Run tags: made for what a commit brings, moved with a commit that was rewritten, never taken from data they name.
//!
//! A run's tag that exists with the same data stays where it is; with other data the run gets the next number (`@v2`), as does a
//! run of the same name in another project of the repository. One that is left on a commit which nothing holds any more
//! (`git reset --soft`, `git replay`: no hook is told) moves to the commit that brings the same data. A tag that others may have
//! is not moved.

use crate::git::{GitError, NewTag, Oid, Tag};
use crate::history;
use crate::history::{Record, TAG_PREFIX, TagName, parse_tag, tag_name};
use crate::project::{Hear, Locked, Project, ProjectError, Source};
use crate::support::fs;

/// What became of one tag.
#[derive(Debug)]
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
enum Missing {
    /// Tags that are missing are made.
    Made,
    /// They are left missing; those that were left behind are moved all the same.
    Left,
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
        if self.others()?.is_empty() || !self.knows(commit) {
            return Ok(true);
        }
        Ok(self.version_at(commit)? == Some(record.data) || !self.is_of_another(record.data, commit)?)
    }

    /// The run tags of every project in the repository.
    fn all_run_tags(&self) -> Result<Vec<RunTag>, ProjectError> {
        let tags = self.repo.tags(TAG_PREFIX)?;
        let known = |tag: Tag| {
            let name = parse_tag(&tag.name, &tag.message)?;
            let record = history::parse(&tag.message).into_iter().find(|record| record.run == name.run);
            Some(RunTag { name, tag, record })
        };
        Ok(tags.into_iter().filter_map(known).collect())
    }

    /// Makes the tags for the runs that a commit brings, where they are missing. `rewritten` names commits whose tags are
    /// about to move here: a run tagged there is left to that.
    pub fn tag_commit(&self, commit: &Oid, rewritten: &[Oid], hear: &dyn Hear) -> Result<Vec<Tagged>, ProjectError> {
        let mut tags = self.all_run_tags()?;
        Ok(self.tag_runs(commit, &mut tags, (rewritten, Missing::Made), hear)?.0)
    }

    /// The same for many commits, the oldest first.
    pub fn tag_commits(&self, commits: &[Oid], hear: &dyn Hear) -> Result<Vec<Tagged>, ProjectError> {
        self.tag_all(commits, Missing::Made, hear)
    }

    /// Moves the tags that were left behind to those of these commits, the oldest first, that bring the same data.
    pub fn move_left_tags(&self, commits: &[Oid], hear: &dyn Hear) -> Result<Vec<Tagged>, ProjectError> {
        let done = self.tag_all(commits, Missing::Left, hear)?;
        Ok(done
            .into_iter()
            .filter(|tagged| matches!(tagged, Tagged::CaughtUp { .. } | Tagged::Failed { .. }))
            .collect())
    }

    fn tag_all(&self, commits: &[Oid], missing: Missing, hear: &dyn Hear) -> Result<Vec<Tagged>, ProjectError> {
        let mut tags = self.all_run_tags()?;
        let mut done = Vec::new();
        for commit in commits {
            let (tagged, go_on) = self.tag_runs(commit, &mut tags, (&[], missing), hear)?;
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
        (rewritten, missing): (&[Oid], Missing),
        hear: &dyn Hear,
    ) -> Result<(Vec<Tagged>, bool), ProjectError> {
        let runs = self.brought_by(commit)?.runs;
        let mut done = Vec::new();
        let Some(locked) = self.locked(&Source::Commit(commit.clone()))?.filter(|_| !runs.is_empty()) else {
            return Ok((done, true));
        };
        for run in &runs {
            let own: Vec<usize> = (0..tags.len()).filter(|at| tags[*at].name.run == *run).collect();
            let mut moving = false;
            let on_rewritten = |tag: &RunTag| tag.tag.commit.as_ref().is_some_and(|c| rewritten.contains(c));
            for tag in own.iter().map(|at| &tags[*at]).filter(|tag| on_rewritten(tag)) {
                moving |= self.is_own(tag)?;
            }
            if moving {
                continue;
            }
            let record = self.record_at(run, &locked, commit)?;
            let version = match self.same_tag(commit, tags, &own, &record)? {
                Same::Stays(at) => {
                    done.push(Tagged::Kept { tag: tags[at].tag.name.clone() });
                    continue;
                }
                Same::Left(at) => tags[at].name.version,
                Same::None if missing == Missing::Left => continue,
                Same::None => own.iter().map(|at| tags[*at].name.version).max().map_or(1, |v| v + 1),
            };
            let name = TagName { run: run.clone(), version };
            let tag = tag_name(&name);
            let old = tags.iter().position(|known| known.tag.name == tag);
            let message = history::tag_message(&record);
            let new = NewTag { name: &tag, commit, message: &message, replace: old.is_some() };
            if let Err(error) = self.repo.make_tag(new, &|line| hear.status(line)) {
                let go_on = matches!(error, GitError::TagInTheWay { .. });
                done.push(Tagged::Failed { tag, error });
                if go_on {
                    continue;
                }
                return Ok((done, false));
            }
            done.push(match old {
                Some(_) => Tagged::CaughtUp { tag: tag.clone() },
                None => Tagged::Made { tag: tag.clone() },
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
    fn same_tag(&self, commit: &Oid, tags: &[RunTag], own: &[usize], record: &Record) -> Result<Same, ProjectError> {
        let mut left = Same::None;
        for at in own.iter().copied() {
            let Some(tag) = tags.get(at) else { continue };
            if !self.is_own(tag)? || !self.same_data(tag, record)? {
                continue;
            }
            if !self.is_left_behind(tag, Some(commit))? {
                return Ok(Same::Stays(at));
            }
            left = Same::Left(at);
        }
        Ok(left)
    }

    /// Whether a tag may move because its commit is held by nothing but run tags: it was made here, and nobody else can have
    /// it. Not where `from`, a commit that is held, reaches it.
    pub fn is_left_behind(&self, tag: &RunTag, from: Option<&Oid>) -> Result<bool, ProjectError> {
        let Some(commit) = &tag.tag.commit else { return Ok(false) };
        if let Some(from) = from
            && self.repo.reaches(from, commit)?
        {
            return Ok(false);
        }
        Ok(!self.repo.is_held(commit, TAG_PREFIX)?
            && !self.was_pushed(&tag.tag)?
            && !self.repo.was_on_a_remote(commit)?
            && (self.repo.was_committed_here(commit) || self.repo.was_tagged_here(&tag.tag.name)))
    }

    /// Whether a tag names the same data of its run as this record does.
    fn same_data(&self, tag: &RunTag, record: &Record) -> Result<bool, ProjectError> {
        let tagged = match &tag.tag.commit {
            Some(commit) if self.knows(commit) => self.locked(&Source::Commit(commit.clone()))?,
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
    pub fn retag(&self, pairs: &[(Oid, Oid)], hear: &dyn Hear) -> Result<Vec<Tagged>, ProjectError> {
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
                let message = history::tag_message(&record);
                let moved = NewTag { name: &name, commit: new, message: &message, replace: true };
                done.push(match self.repo.make_tag(moved, &|line| hear.status(line)) {
                    Ok(()) => Tagged::Moved { tag: name },
                    Err(error) => Tagged::Failed { tag: name, error },
                });
            }
        }
        let mut news: Vec<&Oid> = pairs.iter().map(|(_, new)| new).collect();
        news.dedup();
        for new in news {
            let made = self.tag_commit(new, &[], hear)?;
            done.extend(made.into_iter().filter(|tagged| !matches!(tagged, Tagged::Kept { .. })));
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

/// A tag of the same data, by its place among all.
enum Same {
    /// There is none.
    None,
    /// It stays where it is.
    Stays(usize),
    /// It was left behind, and moves.
    Left(usize),
}

/// The file in the state directory that lists pushed tag objects, one a line.
const PUSHED: &str = "pushed-tags";

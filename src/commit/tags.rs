//! Run tags: made for the runs that a commit introduces, moved with a rewritten commit, never taken from data that
//! they name.
//!
//! If a run's tag exists with the same data, it stays; with other data the run gets the next number (`@v2`), and so
//! does a run of the same name in another project of the repository. If a commit introduces more runs than `tag.max_runs`,
//! one tag stands for all of them (`captures/` and the data version), and each has its own only if the user asks. A tag whose commit is on no branch any more
//! (`git reset --soft`, `git replay`, which call no hook) moves to the commit that introduces the same data. A tag
//! that others can have is not moved.

use std::collections::HashMap;

use crate::commit::version_tags::{VersionTagPlan, plan_version_tag};
use crate::git::{GitError, NewTag, Oid, Tag};
use crate::history::hashed_runs::RunHasher;
use crate::history::run_files::RunEntries;
use crate::history::tags::{PUSHED_TAGS, all_run_tags, is_left_behind, is_own, pushed_tags, version_tags};
use crate::history::{self, RunTag, RunTrailers, VersionTag, introduced};
use crate::project::{DatasetRecord, GitTree, Project, ProjectError, Reporter, state};
use crate::run::RunKey;
use crate::run::tag_names::{TagName, tag_name};
use crate::support::fs;

/// The result for one tag.
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
    /// Moved from a commit that nothing holds any more to one that adds the same data.
    CaughtUp {
        /// Its name.
        tag: String,
    },
    /// Removed with a rewritten commit: the successor has another data version, and so another tag.
    Replaced {
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

impl TagOutcome {
    /// The tag's name.
    #[must_use]
    pub fn into_tag(self) -> String {
        match self {
            Self::Made { tag }
            | Self::Kept { tag }
            | Self::Moved { tag }
            | Self::CaughtUp { tag }
            | Self::Replaced { tag }
            | Self::Left { tag }
            | Self::Orphaned { tag }
            | Self::Failed { tag, .. } => tag,
        }
    }

    /// Says why the tag could not be made; `None` of any other outcome.
    #[must_use]
    pub fn failure_message(&self) -> Option<String> {
        match self {
            Self::Failed { tag, error } => Some(format!("cannot make the tag {tag}: {error}")),
            _ => None,
        }
    }
}

/// What may be done for the runs of a commit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MissingTags {
    /// Tags that are missing are made.
    Make,
    /// They are left missing; only those that were left behind are moved.
    Skip,
}

/// Makes the tags for the runs that a commit introduces, if they are missing. `rewritten` names commits whose tags are
/// about to move here: a run tagged there is left to that.
pub fn tag_commit(
    project: &Project,
    commit: &Oid,
    rewritten: &[Oid],
    reporter: &dyn Reporter,
) -> Result<Vec<TagOutcome>, ProjectError> {
    let mut writer = TagWriter::new(project, reporter, MissingTags::Make)?;
    writer.tag_runs(commit, rewritten)?;
    Ok(writer.outcomes)
}

/// The same for many commits, the oldest first.
pub fn tag_commits(
    project: &Project,
    commits: &[Oid],
    reporter: &dyn Reporter,
) -> Result<Vec<TagOutcome>, ProjectError> {
    let mut writer = TagWriter::new(project, reporter, MissingTags::Make)?;
    writer.tag_all(commits)?;
    Ok(writer.outcomes)
}

/// Makes the tags of single runs, each at a commit that holds it, however many runs the commit introduces.
pub fn tag_named_runs(
    project: &Project,
    runs: &[(RunKey, Oid)],
    reporter: &dyn Reporter,
) -> Result<Vec<TagOutcome>, ProjectError> {
    let mut writer = TagWriter::new(project, reporter, MissingTags::Make)?;
    for (run, commit) in runs {
        let record = project.dataset_record(&GitTree::Commit(commit.clone()))?;
        let Some(record) = record else { continue };
        let plan = writer.plan_tag(run, commit, &[], &record, MissingTags::Make)?;
        if writer.write_tags(commit, plan.into_iter().collect()) == AfterTag::Stop {
            break;
        }
    }
    Ok(writer.outcomes)
}

/// Moves the tags that were left behind to those of these commits, the oldest first, that add the same data.
pub fn move_left_tags(
    project: &Project,
    commits: &[Oid],
    reporter: &dyn Reporter,
) -> Result<Vec<TagOutcome>, ProjectError> {
    let mut writer = TagWriter::new(project, reporter, MissingTags::Skip)?;
    writer.tag_all(commits)?;
    writer.outcomes.retain(|tagged| matches!(tagged, TagOutcome::CaughtUp { .. } | TagOutcome::Failed { .. }));
    Ok(writer.outcomes)
}

/// Whether to continue after a tag: what prevents one may prevent all.
#[derive(PartialEq, Eq)]
enum AfterTag {
    GoOn,
    Stop,
}

/// How many new tags of a commit are made at once; fewer are made one by one.
const MANY_TAGS: usize = 4;

/// What is to be done for a run of a commit.
enum TagPlan {
    /// Its tag stays.
    Keep { tag: String },
    /// Its tag is made or moved.
    Write { name: TagName, tag: String, record: Box<RunTrailers>, message: String },
}

/// Makes and moves the tags of commits' runs.
struct TagWriter<'a> {
    project: &'a Project,
    reporter: &'a dyn Reporter,
    missing: MissingTags,
    /// The most runs of a commit that get a tag each.
    max_runs: u64,
    hasher: RunHasher<'a>,
    /// The version tags as they are now.
    version_tags: Vec<VersionTag>,
    /// The run tags as they are now.
    tags: Vec<RunTag>,
    /// Their places in `tags`, by run and by name.
    by_run: HashMap<RunKey, Vec<usize>>,
    by_name: HashMap<String, usize>,
    outcomes: Vec<TagOutcome>,
}

impl<'a> TagWriter<'a> {
    fn new(project: &'a Project, reporter: &'a dyn Reporter, missing: MissingTags) -> Result<Self, ProjectError> {
        let mut writer = Self {
            project,
            reporter,
            missing,
            max_runs: project.read_config()?.tag.max_runs,
            hasher: RunHasher::new(project, reporter),
            version_tags: version_tags(project)?,
            tags: Vec::new(),
            by_run: HashMap::new(),
            by_name: HashMap::new(),
            outcomes: Vec::new(),
        };
        all_run_tags(project)?.into_iter().for_each(|tag| writer.add_tag(tag));
        Ok(writer)
    }

    fn add_tag(&mut self, tag: RunTag) {
        self.by_run.entry(tag.name.run.clone()).or_default().push(self.tags.len());
        self.by_name.insert(tag.tag.name.clone(), self.tags.len());
        self.tags.push(tag);
    }

    fn tag_all(&mut self, commits: &[Oid]) -> Result<(), ProjectError> {
        for commit in commits {
            if self.tag_runs(commit, &[])? == AfterTag::Stop {
                break;
            }
        }
        Ok(())
    }

    fn tag_runs(&mut self, commit: &Oid, rewritten: &[Oid]) -> Result<AfterTag, ProjectError> {
        let runs = introduced::diff_commit(self.project, commit)?.introduced;
        let record = self.project.dataset_record(&GitTree::Commit(commit.clone()))?;
        let Some(dataset_record) = record.filter(|_| !runs.is_empty()) else { return Ok(AfterTag::GoOn) };
        let has_many = runs.len() as u64 > self.max_runs;
        let missing = if has_many { MissingTags::Skip } else { self.missing };
        let mut plans = Vec::new();
        let mut planned = Ok(());
        // Of many runs, only those that have a tag already are looked at.
        for run in runs.iter().filter(|run| !has_many || self.by_run.contains_key(*run)).collect::<Vec<_>>() {
            match self.plan_tag(run, commit, rewritten, &dataset_record, missing) {
                Ok(plan) => plans.extend(plan),
                Err(error) => {
                    planned = Err(error);
                    break;
                }
            }
        }
        // Also if a run could not be looked at: the runs before it get their tags.
        // Each may have its own from before, or because the user wanted it.
        let all_have_one = plans.len() == runs.len();
        let after = self.write_tags(commit, plans);
        planned?;
        if has_many && !all_have_one && after == AfterTag::GoOn {
            return self.tag_version(commit, rewritten, &dataset_record, &runs);
        }
        Ok(after)
    }

    /// Makes or moves the tag that stands for all runs of a commit.
    fn tag_version(
        &mut self,
        commit: &Oid,
        rewritten: &[Oid],
        dataset_record: &DatasetRecord,
        runs: &[RunKey],
    ) -> Result<AfterTag, ProjectError> {
        let known = self.version_tags.iter().position(|tag| tag.record.data == dataset_record.version);
        let old = known.and_then(|at| self.version_tags.get(at));
        // It is about to move with its commit.
        if old.is_some_and(|old| old.tag.commit.as_ref().is_some_and(|commit| rewritten.contains(commit))) {
            return Ok(AfterTag::GoOn);
        }
        let is_left = match old {
            Some(old) if !is_left_behind(self.project, &old.tag, Some(commit))? => {
                self.outcomes.push(TagOutcome::Kept { tag: old.tag.name.clone() });
                return Ok(AfterTag::GoOn);
            }
            Some(_) => true,
            None if self.missing == MissingTags::Skip => return Ok(AfterTag::GoOn),
            None => false,
        };
        let VersionTagPlan { name, message, record } =
            plan_version_tag(self.project, commit, dataset_record, runs, self.reporter)?;
        if let Err(after) = self.write_tag(NewTag { name: &name, commit, message: &message, replace: is_left }) {
            return Ok(after);
        }
        let tag = Tag { name: name.clone(), commit: Some(commit.clone()), object: None, message: message.into_bytes() };
        let made = VersionTag { tag, record };
        match known.and_then(|at| self.version_tags.get_mut(at)) {
            Some(old) => *old = made,
            None => self.version_tags.push(made),
        }
        let outcome = if is_left { TagOutcome::CaughtUp { tag: name } } else { TagOutcome::Made { tag: name } };
        self.outcomes.push(outcome);
        Ok(AfterTag::GoOn)
    }

    /// What is to be done for a run that a commit introduces; `None` if nothing.
    fn plan_tag(
        &mut self,
        run: &RunKey,
        commit: &Oid,
        rewritten: &[Oid],
        dataset_record: &DatasetRecord,
        missing: MissingTags,
    ) -> Result<Option<TagPlan>, ProjectError> {
        let own = self.by_run.get(run).cloned().unwrap_or_default();
        if self.is_moving(&own, rewritten)? {
            return Ok(None);
        }
        let mut record = introduced::read_run_record_at(self.project, run, dataset_record, commit)?;
        let version = match same_tag(self.project, commit, &self.tags, &own, &record)? {
            SameTag::Stays(at) => return Ok(Some(TagPlan::Keep { tag: self.tags[at].tag.name.clone() })),
            SameTag::LeftBehind(at) => self.tags[at].name.version,
            SameTag::None if missing == MissingTags::Skip => return Ok(None),
            SameTag::None => own.iter().map(|at| self.tags[*at].name.version).max().map_or(1, |v| v + 1),
        };
        // Only now: a tag that stays needs no run to be read.
        record.files = hash_files(&mut self.hasher, self.project, &record, dataset_record)?;
        if record.files.is_none() {
            introduced::fill_from_message(self.project, &mut record, commit)?;
        }
        let (name, message) = (TagName { run: run.clone(), version }, history::tag_message(&record));
        Ok(Some(TagPlan::Write { tag: tag_name(&name), name, record: Box::new(record), message }))
    }

    /// Whether one of these tags is on a rewritten commit, and so about to move.
    fn is_moving(&self, tags: &[usize], rewritten: &[Oid]) -> Result<bool, ProjectError> {
        let on_rewritten = |tag: &RunTag| tag.tag.commit.as_ref().is_some_and(|commit| rewritten.contains(commit));
        for tag in tags.iter().map(|at| &self.tags[*at]).filter(|tag| on_rewritten(tag)) {
            if is_own(self.project, tag)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn write_tags(&mut self, commit: &Oid, plans: Vec<TagPlan>) -> AfterTag {
        let new = plans.iter().filter_map(|plan| match plan {
            TagPlan::Write { tag, message, .. } if !self.by_name.contains_key(tag) => {
                Some((tag.as_str(), message.as_str()))
            }
            _ => None,
        });
        let new: Vec<(&str, &str)> = new.collect();
        // If this fails, nothing is made: then each is tried by itself, and says why it cannot be made.
        let made_at_once = new.len() >= MANY_TAGS && self.project.repo.create_tags_at_once(commit, &new);
        for plan in plans {
            match plan {
                TagPlan::Keep { tag } => self.outcomes.push(TagOutcome::Kept { tag }),
                TagPlan::Write { name, tag, record, message } => {
                    let old = self.by_name.get(&tag).copied();
                    if !(made_at_once && old.is_none()) {
                        let new = NewTag { name: &tag, commit, message: &message, replace: old.is_some() };
                        match self.write_tag(new) {
                            Ok(()) => {}
                            Err(AfterTag::GoOn) => continue,
                            Err(AfterTag::Stop) => return AfterTag::Stop,
                        }
                    }
                    self.outcomes.push(match old {
                        Some(_) => TagOutcome::CaughtUp { tag: tag.clone() },
                        None => TagOutcome::Made { tag: tag.clone() },
                    });
                    let made =
                        Tag { name: tag, commit: Some(commit.clone()), object: None, message: message.into_bytes() };
                    let made = RunTag { name, tag: made, record: Some(*record) };
                    match old {
                        Some(at) => self.tags[at] = made,
                        None => self.add_tag(made),
                    }
                }
            }
        }
        AfterTag::GoOn
    }

    /// Makes or moves one tag; notes why if that fails.
    fn write_tag(&mut self, new: NewTag<'_>) -> Result<(), AfterTag> {
        let made = self.project.repo.create_tag(new, &|line| self.reporter.show_status(line));
        made.map_err(|error| {
            let after = if matches!(error, GitError::TagConflict { .. }) { AfterTag::GoOn } else { AfterTag::Stop };
            self.outcomes.push(TagOutcome::Failed { tag: new.name.to_owned(), error });
            after
        })
    }
}

/// The hash of all files of a tag's run. It is not taken from the commit's message, which its author can edit after
/// `prepare-commit-msg`: a signed tag would then vouch for something false.
pub(super) fn hash_files(
    hasher: &mut RunHasher<'_>,
    project: &Project,
    record: &RunTrailers,
    dataset_record: &DatasetRecord,
) -> Result<Option<String>, ProjectError> {
    let Some(entries) = project.file_lists()?.run_entries(record.data, &record.run) else { return Ok(None) };
    let entries = RunEntries { run: record.run.clone(), entries };
    Ok(hasher.hash_runs(&dataset_record.out_dir, &[entries])?.pop().flatten())
}

/// The tag of a commit's run, among those of the run, that names the same data: one that stays, else one that was left
/// behind.
fn same_tag(
    project: &Project,
    commit: &Oid,
    tags: &[RunTag],
    own: &[usize],
    record: &RunTrailers,
) -> Result<SameTag, ProjectError> {
    let mut left = SameTag::None;
    for at in own.iter().copied() {
        let Some(tag) = tags.get(at) else { continue };
        if !is_own(project, tag)? || !same_data(project, tag, record)? {
            continue;
        }
        if !is_left_behind(project, &tag.tag, Some(commit))? {
            return Ok(SameTag::Stays(at));
        }
        left = SameTag::LeftBehind(at);
    }
    Ok(left)
}

/// Whether a tag names the same data of its run as this record does.
pub(super) fn same_data(project: &Project, tag: &RunTag, record: &RunTrailers) -> Result<bool, ProjectError> {
    let tagged = match &tag.tag.commit {
        Some(commit) if state::knows_lockfile(project, commit) => {
            project.dataset_record(&GitTree::Commit(commit.clone()))?
        }
        _ => None,
    };
    let version = tagged.map(|l: DatasetRecord| l.version).or_else(|| tag.record.as_ref().map(|r| r.data));
    if version == Some(record.data) {
        return Ok(true);
    }
    let mut file_lists = project.file_lists()?;
    if let Some(old) = version.and_then(|version| file_lists.run_entries(version, &record.run))
        && let Some(new) = file_lists.run_entries(record.data, &record.run)
    {
        return Ok(old == new);
    }
    // Without the listing of the tagged data, the manifest (which names every file's hash) decides.
    let old = tag.record.as_ref().and_then(|r| r.manifest.as_ref());
    Ok(old.is_some() && old == record.manifest.as_ref())
}

/// Notes tag objects that a push is about to carry: git keeps no trace of a pushed tag, and a tag that others may have
/// must not move.
pub fn note_pushed_tags(project: &Project, objects: &[Oid]) -> Result<(), ProjectError> {
    let mut known = pushed_tags(project)?;
    let before = known.len();
    known.extend(objects.iter().cloned());
    // `dedup` removes only neighbours.
    known.sort();
    known.dedup();
    if known.len() == before {
        return Ok(());
    }
    let text: String = known.iter().map(|id| format!("{id}\n")).collect();
    fs::create_shared_dir(&project.state_dir())?;
    Ok(fs::write_shared(&project.state_dir().join(PUSHED_TAGS), text.as_bytes())?)
}

/// A tag of the same data, by its place among all.
enum SameTag {
    /// No tag has the same data.
    None,
    /// It stays where it is.
    Stays(usize),
    /// It was left behind, and moves.
    LeftBehind(usize),
}

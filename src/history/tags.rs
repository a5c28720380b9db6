//! The run tags that exist: which data they name, and whether others can know them.

use super::trailers::{AllRunsTrailer, parse_all_trailers};
use super::{RunTrailers, parse_trailers};
use crate::dvc::hash::DataVersion;
use crate::git::{Oid, Tag};
use crate::project::{Project, ProjectError, state};
use crate::run::tag_names::{TAG_PREFIX, TagName, find_tag_name};
use crate::support::fs;

/// The file in the state directory that lists pushed tag objects, one a line.
pub const PUSHED_TAGS: &str = "pushed-tags";

/// The prefix of the tags that stand for all runs of a commit.
pub const VERSION_TAG_PREFIX: &str = "captures/";
/// How many digits of the data version are in such a tag's name.
const VERSION_DIGITS: usize = 12;

/// The name of the tag that stands for all runs of a commit, without `refs/tags/`.
#[must_use]
pub fn version_tag_name(version: DataVersion) -> String {
    let digits = version.to_string();
    format!("{VERSION_TAG_PREFIX}{}", digits.get(..VERSION_DIGITS).unwrap_or(&digits))
}

/// Whether a tag's name is one that we give, to a run or to a commit.
#[must_use]
pub fn is_own_name(tag: &str) -> bool {
    tag.starts_with(TAG_PREFIX) || tag.starts_with(VERSION_TAG_PREFIX)
}

/// A tag that stands for all runs of a commit, because they are too many to tag each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionTag {
    /// The tag.
    pub tag: Tag,
    /// The record in its message.
    pub record: AllRunsTrailer,
}

/// The version tags of this project. A tag of such a name that has another message is not ours.
pub fn version_tags(project: &Project) -> Result<Vec<VersionTag>, ProjectError> {
    version_tags_among(project, project.repo.find_tags(VERSION_TAG_PREFIX)?)
}

/// Those among tags of such names.
pub(super) fn version_tags_among(project: &Project, tags: Vec<Tag>) -> Result<Vec<VersionTag>, ProjectError> {
    let known = |tag: Tag| {
        let record = parse_all_trailers(&tag.message).all_runs.into_iter().next()?;
        (version_tag_name(record.data) == tag.name).then_some(VersionTag { tag, record })
    };
    let mut own = Vec::new();
    for tag in tags.into_iter().filter_map(known) {
        if is_of_project(project, &tag.tag, tag.record.data)? {
            own.push(tag);
        }
    }
    Ok(own)
}

/// A run tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunTag {
    /// Its name's parts: the run and the version.
    pub name: TagName,
    /// The tag.
    pub tag: Tag,
    /// The record in its message.
    pub record: Option<RunTrailers>,
}

/// The run tags of this project.
pub fn run_tags(project: &Project) -> Result<Vec<RunTag>, ProjectError> {
    run_tags_among(project, project.repo.find_tags(TAG_PREFIX)?)
}

/// Those among tags of such names.
pub(super) fn run_tags_among(project: &Project, tags: Vec<Tag>) -> Result<Vec<RunTag>, ProjectError> {
    let mut own = Vec::new();
    for tag in parse_run_tags(tags) {
        if is_own(project, &tag)? {
            own.push(tag);
        }
    }
    Ok(own)
}

/// Whether a run tag names data of this project: not that which another project of the repository has at its commit.
pub fn is_own(project: &Project, tag: &RunTag) -> Result<bool, ProjectError> {
    // Without a record, nothing ties the tag to another project.
    tag.record.as_ref().map_or(Ok(true), |record| is_of_project(project, &tag.tag, record.data))
}

/// Whether the data that a tag's message names is this project's at the tag's commit.
fn is_of_project(project: &Project, tag: &Tag, data: DataVersion) -> Result<bool, ProjectError> {
    let Some(commit) = &tag.commit else { return Ok(true) };
    if project.other_prefixes()?.is_empty() || !state::knows_lockfile(project, commit) {
        return Ok(true);
    }
    // This project first: two projects may name the same version at one commit.
    Ok(project.data_version_at(commit)? == Some(data) || !state::is_of_other_project(project, data, commit)?)
}

/// The run tags of every project in the repository.
pub fn all_run_tags(project: &Project) -> Result<Vec<RunTag>, ProjectError> {
    Ok(parse_run_tags(project.repo.find_tags(TAG_PREFIX)?))
}

fn parse_run_tags(tags: Vec<Tag>) -> Vec<RunTag> {
    let known = |tag: Tag| {
        let records = parse_trailers(&tag.message);
        let name = find_tag_name(&tag.name, records.iter().map(|record| record.run.clone()))?;
        let record = records.into_iter().find(|record| record.run == name.run);
        Some(RunTag { name, tag, record })
    };
    tags.into_iter().filter_map(known).collect()
}

/// Whether a tag may move because its commit is held by nothing but run tags: it was made here, and no other
/// clone can hold it. False if `from`, a commit that is held, reaches it.
pub fn is_left_behind(project: &Project, tag: &Tag, from: Option<&Oid>) -> Result<bool, ProjectError> {
    let Some(commit) = &tag.commit else { return Ok(false) };
    if let Some(from) = from
        && project.repo.has_ancestor(from, commit)?
    {
        return Ok(false);
    }
    // All of these must hold: a tag that others may have fetched is never moved.
    Ok(!project.repo.is_held(commit, is_own_name)?
        && !was_pushed(project, tag)?
        && !project.repo.was_on_remote(commit)?
        && (project.repo.was_committed_here(commit) || project.repo.was_tagged_here(&tag.name)))
}

/// Whether other clones may hold this tag: it was handed to a push from here, or its commit is on a remote's branch.
pub fn was_pushed(project: &Project, tag: &Tag) -> Result<bool, ProjectError> {
    if let Some(object) = &tag.object
        && pushed_tags(project)?.contains(object)
    {
        return Ok(true);
    }
    match &tag.commit {
        Some(commit) => Ok(project.repo.is_on_remote(commit)?),
        None => Ok(false),
    }
}

/// The tag objects that were pushed from here.
pub fn pushed_tags(project: &Project) -> Result<Vec<Oid>, ProjectError> {
    // No file yet: no push from here has carried a tag.
    let text = fs::read_optional(&project.state_dir().join(PUSHED_TAGS))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).lines().filter_map(Oid::parse).collect())
}

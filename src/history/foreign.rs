//! History of another project that was merged in without its data, for example by `git subtree`: its tree is in a
//! subdirectory here, but in its own commits the same file, `dvc.lock`, means another dataset.
//!
//! Such commits are left out: their runs are not this project's, and their data need not be on its remote. They are
//! the other parent's side of a merge that keeps the first parent's `dvc.lock`, if the other parent has a different
//! one and the two sides have no common root along first parents. In a shallow clone this is unknown, and all commits
//! count as this project's.

use std::collections::{HashMap, HashSet};

use crate::dvc::hash::DataVersion;
use crate::dvc::lockfile;
use crate::git::{CommitRange, Oid};
use crate::history::commit_reader::CommitReader;
use crate::project::{GitTree, Project, ProjectError, state};

/// Follows first parents to the first commit.
struct RootCommits<'r, 'p> {
    reader: &'r CommitReader<'p>,
    shallow_ends: HashSet<Oid>,
    known_roots: HashMap<Oid, Option<Oid>>,
}

impl<'r, 'p> RootCommits<'r, 'p> {
    fn new(reader: &'r CommitReader<'p>) -> Result<Self, ProjectError> {
        let shallow_ends = reader.project().repo.shallow_ends()?;
        Ok(Self { reader, shallow_ends, known_roots: HashMap::new() })
    }

    /// The first commit behind this one; `None` if it is not in this clone.
    fn root_of(&mut self, commit: &Oid) -> Result<Option<Oid>, ProjectError> {
        let mut passed = Vec::new();
        let mut current = commit.clone();
        let root = loop {
            if let Some(known) = self.known_roots.get(&current) {
                break known.clone();
            }
            passed.push(current.clone());
            // The end of a shallow clone looks like a first commit, and is not one.
            if self.shallow_ends.contains(&current) || !self.reader.has_commit(&current) {
                break None;
            }
            match self.reader.parents_of(&current)?.first() {
                Some(parent) => current = parent.clone(),
                None => break Some(current),
            }
        };
        // Kept for every commit on the path, or each question would walk history again.
        self.known_roots.extend(passed.into_iter().map(|id| (id, root.clone())));
        Ok(root)
    }
}

/// A merge that may have added another project's history, and the parent that holds that history.
type MergeEdge = (Oid, Oid);

/// Those of these commits that are another project's history.
pub fn find_foreign_commits(project: &Project, commits: &[Oid]) -> Result<HashSet<Oid>, ProjectError> {
    find_foreign(&CommitReader::new(project), commits)
}

/// The same, with commits that are read already.
pub(super) fn find_foreign(reader: &CommitReader<'_>, commits: &[Oid]) -> Result<HashSet<Oid>, ProjectError> {
    let project = reader.project();
    let edges = find_merges_of_other_lockfiles(reader, commits)?;
    // Most repositories have no such merge: then no history is followed.
    let Some(head) = project.repo.head()?.filter(|_| !edges.is_empty()) else { return Ok(HashSet::new()) };
    let mut roots = RootCommits::new(reader)?;
    let own_root = roots.root_of(&head)?;
    let (mut cut_edges, mut foreign_roots) = (HashSet::new(), HashSet::new());
    for (merge, parent) in edges {
        let root = roots.root_of(&parent)?;
        // All of this must be known: in doubt a commit counts as this project's, and nothing is hidden.
        if own_root.is_some() && root.is_some() && root != own_root && roots.root_of(&merge)? == own_root {
            foreign_roots.extend(root);
            cut_edges.insert((merge, parent));
        }
    }
    if cut_edges.is_empty() {
        return Ok(HashSet::new());
    }
    // Squashed, their history is one commit here; if it was fetched, it has the same `dvc.lock` in some commit.
    let mut lockfiles = HashSet::new();
    for (_, parent) in &cut_edges {
        lockfiles.extend(find_lockfile_blob(reader, parent)?.flatten());
    }
    for id in commits {
        let root = roots.root_of(id)?.filter(|root| Some(root) != own_root.as_ref() && !foreign_roots.contains(root));
        if let Some(root) = root
            && find_lockfile_blob(reader, id)?.flatten().is_some_and(|lockfile| lockfiles.contains(&lockfile))
        {
            foreign_roots.insert(root);
        }
    }
    // What is reached from this project's own ends without going in there is its own, whatever it began with.
    let mut todo = vec![head];
    for tip in project.repo.ref_tips()? {
        if roots.root_of(&tip)?.is_none_or(|root| !foreign_roots.contains(&root)) {
            todo.push(tip);
        }
    }
    let mut reached = HashSet::new();
    while let Some(commit) = todo.pop() {
        if reached.contains(&commit) || !reader.has_commit(&commit) {
            continue;
        }
        for parent in reader.parents_of(&commit)?.iter() {
            if !cut_edges.contains(&(commit.clone(), parent.clone())) {
                todo.push(parent.clone());
            }
        }
        reached.insert(commit);
    }
    Ok(commits.iter().filter(|commit| !reached.contains(commit)).cloned().collect())
}

/// Whether two commits are of histories that began apart, as far as this clone knows.
pub fn has_unrelated_history(project: &Project, one: &Oid, other: &Oid) -> Result<bool, ProjectError> {
    let reader = CommitReader::new(project);
    let mut roots = RootCommits::new(&reader)?;
    let (one, other) = (roots.root_of(one)?, roots.root_of(other)?);
    Ok(one.is_some() && other.is_some() && one != other)
}

/// The merges that keep `dvc.lock` as their first parent has it, though another parent has another one.
fn find_merges_of_other_lockfiles(reader: &CommitReader<'_>, commits: &[Oid]) -> Result<Vec<MergeEdge>, ProjectError> {
    let mut edges = Vec::new();
    for id in commits {
        let parents = reader.parents_of(id)?;
        let Some((first, others)) = parents.split_first().filter(|(_, others)| !others.is_empty()) else {
            continue;
        };
        let Some(own_lockfile) = find_lockfile_blob(reader, id)? else { continue };
        if find_lockfile_blob(reader, first)? != Some(own_lockfile.clone()) {
            continue;
        }
        for other in others {
            if find_lockfile_blob(reader, other)?
                .flatten()
                .is_some_and(|lockfile| Some(&lockfile) != own_lockfile.as_ref())
            {
                edges.push((id.clone(), other.clone()));
            }
        }
    }
    Ok(edges)
}

/// A commit's `dvc.lock`; `None` if this clone does not know it.
fn find_lockfile_blob(reader: &CommitReader<'_>, commit: &Oid) -> Result<Option<Option<Oid>>, ProjectError> {
    Ok(reader.lockfile_of(commit)?.map(|lockfile| lockfile.map(|entry| entry.id)))
}

/// The data versions that another project's history names, and no commit of this one's own. For a project in a
/// subdirectory, also those from the time when it was a repository of its own, with `dvc.lock` at another path.
pub fn find_foreign_versions(project: &Project) -> Result<HashSet<DataVersion>, ProjectError> {
    let reader = CommitReader::new(project);
    let commits =
        project.repo.walk_commits(&CommitRange { include: project.repo.ref_tips()?, ..CommitRange::default() })?;
    let foreign = find_foreign(&reader, &commits)?;
    let (mut their_versions, mut own_versions) = (HashSet::new(), HashSet::new());
    for id in &commits {
        let versions = if foreign.contains(id) { &mut their_versions } else { &mut own_versions };
        versions.extend(if state::knows_lockfile(project, id) { project.data_version_at(id)? } else { None });
    }
    their_versions.retain(|version| !own_versions.contains(version));
    their_versions.extend(find_versions_before_subtree_merge(&reader, &commits)?);
    Ok(their_versions)
}

/// The data versions of this project in a subdirectory from the time when it was a repository of its own.
fn find_versions_before_subtree_merge(
    reader: &CommitReader<'_>,
    commits: &[Oid],
) -> Result<HashSet<DataVersion>, ProjectError> {
    let project = reader.project();
    let mut versions = HashSet::new();
    let inner_prefixes: Vec<&str> =
        project.prefix.match_indices('/').map(|(at, _)| &project.prefix[at + 1..]).collect();
    let Some(head) = project.repo.head()?.filter(|_| !inner_prefixes.is_empty()) else { return Ok(versions) };
    let mut roots = RootCommits::new(reader)?;
    let Some(own_root) = roots.root_of(&head)? else { return Ok(versions) };
    for id in commits {
        if roots.root_of(id)?.is_none_or(|root| root == own_root) {
            continue;
        }
        for prefix in &inner_prefixes {
            if project.repo.knows_file(id, &format!("{prefix}{}", lockfile::FILE)) {
                // A lock that cannot be read names no version; other commits of that history may.
                let record = state::read_record_in(project, prefix, &GitTree::Commit(id.clone())).ok().flatten();
                versions.extend(record.map(|record| record.version));
            }
        }
    }
    Ok(versions)
}

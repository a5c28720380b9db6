//! History of another project that was merged in without its data, as `git subtree` does: its tree comes into a subdirectory
//! here, while in its own commits the same file, `dvc.lock`, means another dataset.
//!
//! Such commits are nobody's business here: no run of theirs is this project's, and their data need not be on its remote. A
//! merge brings them in where this project's `dvc.lock` stays what the first parent has, the other parent has another one, and
//! the two have nothing in common: their first commits, along first parents, are two. Where a clone is shallow this cannot
//! be told, and all counts as this project's own.

use std::collections::{HashMap, HashSet};

use crate::dvc::hash::DataVersion;
use crate::dvc::lockfile;
use crate::git::{Oid, Range};
use crate::project::{Project, ProjectError, Source};

/// Follows first parents to the first commit.
struct Roots<'p> {
    project: &'p Project,
    ends: HashSet<Oid>,
    known: HashMap<Oid, Option<Oid>>,
}

impl<'p> Roots<'p> {
    fn new(project: &'p Project) -> Result<Self, ProjectError> {
        Ok(Self { project, ends: project.repo.shallow_ends()?, known: HashMap::new() })
    }

    /// The first commit behind this one; `None` where it is not in this clone.
    fn of(&mut self, commit: &Oid) -> Result<Option<Oid>, ProjectError> {
        let mut passed = Vec::new();
        let mut at = commit.clone();
        let root = loop {
            if let Some(known) = self.known.get(&at) {
                break known.clone();
            }
            passed.push(at.clone());
            if self.ends.contains(&at) || !self.project.repo.has_object(&at) {
                break None;
            }
            match self.project.repo.parents(&at)?.into_iter().next() {
                Some(parent) => at = parent,
                None => break Some(at),
            }
        };
        self.known.extend(passed.into_iter().map(|id| (id, root.clone())));
        Ok(root)
    }
}

/// A merge that may have brought another project's history in, and the parent that did.
type Edge = (Oid, Oid);

impl Project {
    /// Those of these commits that are another project's history.
    pub fn foreign(&self, commits: &[Oid]) -> Result<HashSet<Oid>, ProjectError> {
        let edges = self.odd_merges(commits)?;
        let Some(head) = self.repo.head()?.filter(|_| !edges.is_empty()) else { return Ok(HashSet::new()) };
        let mut roots = Roots::new(self)?;
        let own = roots.of(&head)?;
        let (mut cut, mut theirs) = (HashSet::new(), HashSet::new());
        for (merge, parent) in edges {
            let root = roots.of(&parent)?;
            if own.is_some() && root.is_some() && root != own && roots.of(&merge)? == own {
                theirs.extend(root);
                cut.insert((merge, parent));
            }
        }
        if cut.is_empty() {
            return Ok(HashSet::new());
        }
        // Squashed, their history is one commit here; where it was fetched, it has the same `dvc.lock` in some commit.
        let mut locks = HashSet::new();
        for (_, parent) in &cut {
            locks.extend(self.lock_at(parent)?.flatten());
        }
        for id in commits {
            let root = roots.of(id)?.filter(|root| Some(root) != own.as_ref() && !theirs.contains(root));
            if let Some(root) = root
                && self.lock_at(id)?.flatten().is_some_and(|lock| locks.contains(&lock))
            {
                theirs.insert(root);
            }
        }
        // What is reached from this project's own ends without going in there is its own, whatever it began with.
        let mut todo = vec![head];
        for tip in self.repo.tips()? {
            if roots.of(&tip)?.is_none_or(|root| !theirs.contains(&root)) {
                todo.push(tip);
            }
        }
        let mut reached = HashSet::new();
        while let Some(commit) = todo.pop() {
            if reached.contains(&commit) || !self.repo.has_object(&commit) {
                continue;
            }
            for parent in self.repo.parents(&commit)? {
                if !cut.contains(&(commit.clone(), parent.clone())) {
                    todo.push(parent);
                }
            }
            reached.insert(commit);
        }
        Ok(commits.iter().filter(|commit| !reached.contains(commit)).cloned().collect())
    }

    /// Whether two commits are of histories that began apart, as far as this clone can tell.
    pub fn began_apart(&self, one: &Oid, other: &Oid) -> Result<bool, ProjectError> {
        let mut roots = Roots::new(self)?;
        let (one, other) = (roots.of(one)?, roots.of(other)?);
        Ok(one.is_some() && other.is_some() && one != other)
    }

    /// The merges that keep `dvc.lock` as their first parent has it, though another parent has another one.
    fn odd_merges(&self, commits: &[Oid]) -> Result<Vec<Edge>, ProjectError> {
        let mut edges = Vec::new();
        for id in commits {
            let parents = self.repo.parents(id)?;
            let Some((first, others)) = parents.split_first().filter(|(_, others)| !others.is_empty()) else {
                continue;
            };
            let Some(own) = self.lock_at(id)? else { continue };
            if self.lock_at(first)? != Some(own.clone()) {
                continue;
            }
            for other in others {
                if self.lock_at(other)?.flatten().is_some_and(|lock| Some(&lock) != own.as_ref()) {
                    edges.push((id.clone(), other.clone()));
                }
            }
        }
        Ok(edges)
    }

    /// A commit's `dvc.lock`; `None` where this clone cannot tell.
    fn lock_at(&self, commit: &Oid) -> Result<Option<Option<Oid>>, ProjectError> {
        let path = self.git_path(lockfile::FILE);
        Ok(if self.knows(commit) { Some(self.repo.entry_at(commit, &path)?.map(|entry| entry.id)) } else { None })
    }

    /// The data versions that another project's history names, and no commit of this one's own: here, or, of a project that
    /// came with such a history into a subdirectory, where that history itself has its `dvc.lock`.
    pub fn foreign_versions(&self) -> Result<HashSet<DataVersion>, ProjectError> {
        let commits = self.repo.walk(&Range { include: self.repo.tips()?, ..Range::default() })?;
        let foreign = self.foreign(&commits)?;
        let (mut theirs, mut own) = (HashSet::new(), HashSet::new());
        for id in &commits {
            let versions = if foreign.contains(id) { &mut theirs } else { &mut own };
            versions.extend(if self.knows(id) { self.version_at(id)? } else { None });
        }
        theirs.retain(|version| !own.contains(version));
        theirs.extend(self.versions_before_it_came(&commits)?);
        Ok(theirs)
    }

    /// The data versions of this project in a subdirectory from the time when it was a repository of its own.
    fn versions_before_it_came(&self, commits: &[Oid]) -> Result<HashSet<DataVersion>, ProjectError> {
        let mut versions = HashSet::new();
        let inner: Vec<&str> = self.prefix.match_indices('/').map(|(at, _)| &self.prefix[at + 1..]).collect();
        let Some(head) = self.repo.head()?.filter(|_| !inner.is_empty()) else { return Ok(versions) };
        let mut roots = Roots::new(self)?;
        let Some(own) = roots.of(&head)? else { return Ok(versions) };
        for id in commits {
            if roots.of(id)?.is_none_or(|root| root == own) {
                continue;
            }
            for prefix in &inner {
                if self.repo.knows_file(id, &format!("{prefix}{}", lockfile::FILE)) {
                    let locked = self.locked_in(prefix, &Source::Commit(id.clone())).ok().flatten();
                    versions.extend(locked.map(|locked| locked.version));
                }
            }
        }
        Ok(versions)
    }
}

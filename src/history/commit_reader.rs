//! Reads the commits of a history, each once: its parents and its `dvc.lock`, from the index of history if it has them.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::dvc::lockfile;
use crate::git::{Commit, GitEntry, ListedRef, Oid, Tag, TagObject, order_commits};
use crate::history::history_notes::{HistoryNotes, NotedCommit};
use crate::history::tags;
use crate::project::{DatasetRecord, Project, ProjectError, state};

/// A commit's `dvc.lock`; the outer `None` if this clone does not know it.
type KnownLockfile = Option<Option<GitEntry>>;

/// Where tags are among the refs.
const TAGS: &str = "refs/tags/";

/// The commits of a project's history.
pub struct CommitReader<'p> {
    project: &'p Project,
    /// Where a commit has the project's `dvc.lock`.
    lockfile: String,
    notes: Option<HistoryNotes>,
    parents: RefCell<HashMap<Oid, Rc<Vec<Oid>>>>,
    lockfiles: RefCell<HashMap<Oid, KnownLockfile>>,
    tags: RefCell<HashMap<Oid, Option<Rc<TagObject>>>>,
}

impl<'p> CommitReader<'p> {
    /// Reads everything from git.
    #[must_use]
    pub fn new(project: &'p Project) -> Self {
        Self {
            project,
            lockfile: project.git_path(lockfile::FILE),
            notes: None,
            parents: RefCell::default(),
            lockfiles: RefCell::default(),
            tags: RefCell::default(),
        }
    }

    /// Reads what the index of history has from there. An index that cannot be read is as good as none.
    #[must_use]
    pub fn with_notes(project: &'p Project) -> Self {
        Self { notes: HistoryNotes::load(project).ok(), ..Self::new(project) }
    }

    /// The project.
    #[must_use]
    pub fn project(&self) -> &'p Project {
        self.project
    }

    /// The index of history, if it is used.
    #[must_use]
    pub fn notes(&self) -> Option<&HistoryNotes> {
        self.notes.as_ref()
    }

    /// The index of history, for what else is to be noted; what was read is written to it.
    #[must_use]
    pub fn into_notes(self) -> Option<HistoryNotes> {
        if let Some(notes) = &self.notes {
            notes.save();
        }
        self.notes
    }

    /// The commits that these tips reach, children before parents.
    pub fn walk(&self, tips: &[Oid]) -> Result<Vec<Oid>, ProjectError> {
        if self.project.repo.is_read_by_lib() {
            return order_commits(tips, |id| Ok(self.parents_of(id)?.to_vec()));
        }
        // One call of git for all of them.
        let mut commits = Vec::new();
        for (id, parents) in self.project.repo.walk_with_parents(tips)? {
            self.parents.borrow_mut().insert(id.clone(), Rc::new(parents));
            commits.push(id);
        }
        Ok(commits)
    }

    /// The commits at the ends of history, HEAD first: see [`crate::git::Repo::ref_tips`]. A ref to a commit that others
    /// reach is no end, and costs no look at an object.
    pub fn find_tips(&self, refs: &[ListedRef]) -> Result<Vec<Oid>, ProjectError> {
        let mut tips: Vec<Oid> = Vec::new();
        let mut add = |commit: Oid| -> Result<(), ProjectError> {
            if !self.is_read(&commit) {
                self.read_ancestors(&commit)?;
                tips.push(commit);
            }
            Ok(())
        };
        if let Some(head) = self.project.repo.head()? {
            add(head)?;
        }
        for listed in refs {
            if let Some(commit) = self.peel(listed) {
                add(commit)?;
            }
        }
        Ok(tips)
    }

    /// Whether a commit was read already, so that this clone has it.
    fn is_read(&self, id: &Oid) -> bool {
        self.parents.borrow().contains_key(id)
    }

    /// Reads what a commit reaches.
    fn read_ancestors(&self, commit: &Oid) -> Result<(), ProjectError> {
        // Without libgit2, each commit read by itself would cost a process.
        if self.project.repo.is_read_by_lib() {
            let mut todo = vec![commit.clone()];
            while let Some(commit) = todo.pop() {
                if !self.is_read(&commit) {
                    let parents = self.parents_of(&commit)?;
                    todo.extend(parents.iter().filter(|parent| !self.is_read(parent)).cloned());
                }
            }
        }
        Ok(())
    }

    /// The commits that one reaches.
    pub fn ancestors_of(&self, commit: Option<Oid>) -> Result<HashSet<Oid>, ProjectError> {
        let tips: Vec<Oid> = commit.into_iter().collect();
        Ok(self.walk(&tips)?.into_iter().collect())
    }

    /// The commit that a ref leads to, if this clone has it.
    fn peel(&self, listed: &ListedRef) -> Option<Oid> {
        if let Some(known) = &listed.commit {
            return known.clone();
        }
        let has_commit = |id: &Oid| self.is_read(id) || self.project.repo.has_commit(id);
        if self.is_read(&listed.target) {
            return Some(listed.target.clone());
        }
        if let Some(peeled) = listed.peeled.as_ref().filter(|peeled| has_commit(peeled)) {
            return Some(peeled.clone());
        }
        let is_own = listed.name.strip_prefix(TAGS).is_some_and(tags::is_own_name);
        let tag = match self.find_noted_tag(&listed.target, is_own) {
            Some(tag) => Some(tag),
            None if self.project.repo.has_commit(&listed.target) => return Some(listed.target.clone()),
            None => self.read_tag(&listed.target, is_own),
        };
        tag.and_then(|tag| tag.commit.clone()).filter(has_commit)
    }

    /// The tag object that is noted.
    fn find_noted_tag(&self, id: &Oid, is_own: bool) -> Option<Rc<TagObject>> {
        if let Some(known) = self.tags.borrow().get(id) {
            return known.clone();
        }
        let noted = Rc::new(self.notes.as_ref()?.find_tag(id, is_own)?);
        if is_own {
            self.tags.borrow_mut().insert(id.clone(), Some(noted.clone()));
        }
        Some(noted)
    }

    /// A tag object; `None` if the object is something else. The message of other people's tags is not needed.
    fn read_tag(&self, id: &Oid, is_own: bool) -> Option<Rc<TagObject>> {
        if let Some(noted) = self.find_noted_tag(id, is_own) {
            return Some(noted);
        }
        let read = self.project.repo.read_tag_object(id).map(Rc::new);
        if let (Some(notes), Some(tag)) = (&self.notes, &read) {
            notes.note_tag(id, tag, is_own);
        }
        if is_own {
            self.tags.borrow_mut().insert(id.clone(), read.clone());
        }
        read
    }

    /// Our tags among these refs whose names begin so, sorted by name.
    pub fn read_own_tags(&self, refs: &[ListedRef], prefix: &str) -> Result<Vec<Tag>, ProjectError> {
        if !self.project.repo.is_read_by_lib() {
            // One call of git for all of them.
            return Ok(self.project.repo.find_tags(prefix)?);
        }
        let mut own = Vec::new();
        for listed in refs {
            let Some(name) = listed.name.strip_prefix(TAGS).filter(|name| name.starts_with(prefix)) else { continue };
            let commit = self.peel(listed);
            // A ref to the commit itself is no tag object.
            let is_object = commit.as_ref() != Some(&listed.target);
            let object = if is_object { self.read_tag(&listed.target, true) } else { None };
            own.push(Tag {
                name: name.to_owned(),
                commit,
                message: object.as_ref().map(|tag| tag.message.clone()).unwrap_or_default(),
                object: object.map(|_| listed.target.clone()),
            });
        }
        Ok(own)
    }

    /// A commit's parents, in order.
    pub fn parents_of(&self, id: &Oid) -> Result<Rc<Vec<Oid>>, ProjectError> {
        if let Some(known) = self.parents.borrow().get(id) {
            return Ok(known.clone());
        }
        if self.take_note(id) {
            return self.parents_of(id);
        }
        let parents = Rc::new(self.project.repo.commit_parents(id)?);
        self.parents.borrow_mut().insert(id.clone(), parents.clone());
        Ok(parents)
    }

    /// Takes over what the index has of a commit; false if that is nothing.
    fn take_note(&self, id: &Oid) -> bool {
        let Some(noted) = self.notes.as_ref().and_then(|notes| notes.find_commit(id)) else { return false };
        self.parents.borrow_mut().insert(id.clone(), Rc::new(noted.parents));
        self.lockfiles.borrow_mut().insert(id.clone(), Some(noted.lockfile));
        true
    }

    /// Whether this clone has the commit.
    #[must_use]
    pub fn has_commit(&self, id: &Oid) -> bool {
        self.is_read(id) || self.project.repo.has_object(id)
    }

    /// A commit's `dvc.lock`; `None` if this clone does not know it: beyond the ends of a shallow or partial one.
    pub fn lockfile_of(&self, id: &Oid) -> Result<KnownLockfile, ProjectError> {
        if let Some(known) = self.lockfiles.borrow().get(id) {
            return Ok(known.clone());
        }
        if !self.is_read(id) && self.take_note(id) {
            return self.lockfile_of(id);
        }
        let known = if state::knows_lockfile(self.project, id) {
            let lockfile = self.project.repo.entry_at(id, &self.lockfile)?;
            if let Some(notes) = &self.notes {
                let parents = self.parents_of(id)?.to_vec();
                notes.note_commit(id, &NotedCommit { parents, lockfile: lockfile.clone() });
            }
            Some(lockfile)
        } else {
            None
        };
        self.lockfiles.borrow_mut().insert(id.clone(), known.clone());
        Ok(known)
    }

    /// Which of these commits the index does not have.
    #[must_use]
    pub fn list_unknown(&self, commits: &[Oid]) -> Vec<Oid> {
        let lockfiles = self.lockfiles.borrow();
        commits.iter().filter(|id| !lockfiles.contains_key(*id)).cloned().collect()
    }

    /// What a commit's `dvc.lock` says; one that cannot be understood says nothing here (`check` reports it).
    pub fn record_of(&self, entry: &GitEntry) -> Result<Option<DatasetRecord>, ProjectError> {
        if let Some(notes) = &self.notes
            && entry.is_file()
            && !state::is_record_known(self.project, &entry.id)
        {
            match notes.find_record(&entry.id) {
                Some(record) => state::remember_record(self.project, entry.id.clone(), record),
                None => {
                    return match state::read_record_of(self.project, entry) {
                        Err(ProjectError::Lockfile(_)) => Ok(None),
                        Err(error) => Err(error),
                        Ok(record) => {
                            notes.note_record(&entry.id, record.as_ref());
                            Ok(record)
                        }
                    };
                }
            }
        }
        match state::read_record_of(self.project, entry) {
            Err(ProjectError::Lockfile(_)) => Ok(None),
            other => other,
        }
    }

    /// The facts of a commit.
    pub fn read_commit(&self, id: &Oid) -> Result<Commit, ProjectError> {
        let parents = self.parents_of(id)?;
        if let Some(noted) = self.notes.as_ref().and_then(|notes| notes.find_facts(id, &parents)) {
            return Ok(noted);
        }
        let commit = self.project.repo.read_commit(id)?;
        if let Some(notes) = &self.notes {
            notes.note_facts(&commit);
        }
        Ok(commit)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::git::{REF_PREFIXES, Repo};
    use crate::history::tags::VERSION_TAG_PREFIX;
    use crate::run::tag_names::TAG_PREFIX;
    use crate::support::env::Env;

    #[expect(clippy::disallowed_methods, reason = "the test's own git")]
    fn git(dir: &Path, args: &[&str]) -> String {
        let identity = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"];
        let output = Command::new("git").args(identity).args(args).current_dir(dir).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits, and refs of every kind to them and to other objects.
    fn make_repository(dir: &Path) {
        git(dir, &["init", "-q"]);
        for number in 0..6 {
            git(dir, &["commit", "-q", "--allow-empty", "-m", &format!("{number}")]);
        }
        git(dir, &["checkout", "-q", "-b", "side", "main~3"]);
        git(dir, &["commit", "-q", "--allow-empty", "-m", "side"]);
        git(dir, &["checkout", "-q", "--detach"]);
        for name in ["of-a-tag-alone", "of-an-annotated-tag"] {
            git(dir, &["commit", "-q", "--allow-empty", "-m", name]);
            git(dir, &["tag", "-a", "-m", name, &format!("annotated-{name}")]);
            git(dir, &["tag", &format!("light-{name}")]);
            git(dir, &["reset", "-q", "--hard", "side"]);
        }
        git(dir, &["checkout", "-q", "main"]);
        git(dir, &["tag", "-a", "-m", "Run\n\nCapture-Run: e/r", "capture/e/r", "main~1"]);
        git(dir, &["tag", "capture/e/light", "main~2"]);
        git(dir, &["tag", "-a", "-m", "of a tag", "capture/e/nested", "capture/e/r"]);
        git(dir, &["tag", "-a", "-m", "of a tree", "capture/e/tree", "main^{tree}"]);
        git(dir, &["tag", "captures/0123456789ab", "main^{tree}"]);
        git(dir, &["tag", "-a", "-m", "All", "captures/cdef01234567", "main"]);
        git(dir, &["update-ref", "refs/remotes/origin/main", "main~4"]);
        git(dir, &["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"]);
        git(dir, &["symbolic-ref", "refs/remotes/gone/HEAD", "refs/remotes/gone/main"]);
        // A ref to an object that is gone.
        let lost = format!("{}\n", "1".repeat(40));
        crate::support::fs::write_new(&dir.join(".git/refs/heads/lost"), lost.as_bytes()).unwrap();
        crate::support::fs::write_new(&dir.join(".git/refs/tags/lost"), lost.as_bytes()).unwrap();
    }

    fn project(dir: &Path) -> Project {
        let env = Env::from_vars([("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/nonexistent")]);
        Project::at(Repo::open(dir, &env).unwrap(), dir.to_path_buf(), &env)
    }

    /// What a reader finds is what git's own look at each ref finds.
    fn check(dir: &Path) {
        let project = project(dir);
        let repo = &project.repo;
        let reader = CommitReader::with_notes(&project);
        let refs = repo.list_refs(&REF_PREFIXES).unwrap();
        let tips = reader.find_tips(&refs).unwrap();
        let reached: BTreeSet<Oid> = reader.walk(&tips).unwrap().into_iter().collect();
        let all_tips = repo.ref_tips().unwrap();
        let plain = CommitReader::new(&project);
        assert_eq!(reached, plain.walk(&all_tips).unwrap().into_iter().collect());
        assert_eq!(reached.len(), 9);
        for prefix in [TAG_PREFIX, VERSION_TAG_PREFIX] {
            let own = reader.read_own_tags(&refs, prefix).unwrap();
            assert_eq!(own, repo.find_tags(prefix).unwrap());
            assert_eq!(own, plain.read_own_tags(&refs, prefix).unwrap());
            assert!(own.len() >= 2);
        }
        // As for a commit whose history is read.
        for id in &reached {
            reader.lockfile_of(id).unwrap();
        }
        reader.into_notes().unwrap();
    }

    #[test]
    fn refs_of_every_kind_lead_where_git_leads() {
        let dir = tempfile::tempdir().unwrap();
        make_repository(dir.path());
        // Loose, then with notes of that, then packed, then half of them loose again.
        check(dir.path());
        check(dir.path());
        git(dir.path(), &["pack-refs", "--all"]);
        check(dir.path());
        git(dir.path(), &["tag", "-f", "capture/e/light", "main"]);
        git(dir.path(), &["tag", "-f", "-a", "-m", "Other", "capture/e/r", "main"]);
        check(dir.path());
        crate::support::fs::remove_all(&dir.path().join(".git/capture-hook")).unwrap();
        check(dir.path());
    }
}

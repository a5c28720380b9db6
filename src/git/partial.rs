//! Clones that lack objects of their own history: partial ones (`--filter=tree:0`, `--filter=blob:none`) and shallow
//! ones.
//!
//! Git fetches a missing object of a partial clone when it is needed; libgit2 does not. A hook fetches nothing: what it
//! cannot read is unknown to it ([`Repo::knows_file`]). A command asks git, which fetches one object at a time; files
//! of many commits are fetched at once before ([`Repo::fetch_files`]).

use std::collections::BTreeSet;

use crate::git::error::GitError;
use crate::git::read::Oid;
use crate::git::repo::{Repo, read_only_env};
use crate::support::env::Env;
use crate::support::process::ProcessError;
use crate::support::prompts::PromptPolicy;

impl Repo {
    /// Reads an object by libgit2; by the program if libgit2 cannot read the repository, or if git may fetch the
    /// object.
    pub(super) fn read_object<T>(
        &self,
        by_lib: impl FnOnce(&git2::Repository) -> Result<T, git2::Error>,
        what: impl FnOnce() -> String,
        by_git: impl FnOnce(&Env) -> Result<T, ProcessError>,
    ) -> Result<T, GitError> {
        let Some(lib) = &self.lib else {
            let env = if self.may_fetch() { self.env().clone() } else { read_only_env(self.env()) };
            return Ok(by_git(&env)?);
        };
        match by_lib(lib) {
            Ok(object) => Ok(object),
            Err(_) if self.may_fetch() && self.promisor_remote().is_some() => Ok(by_git(self.env())?),
            Err(source) => Err(GitError::Read { what: what(), source }),
        }
    }

    /// Whether a command that the user typed runs; a hook must not fetch on its own.
    pub(super) fn may_fetch(&self) -> bool {
        *self.env().prompts() == PromptPolicy::OnTerminal && self.env().get("GIT_NO_LAZY_FETCH").is_none()
    }

    /// Returns the remote of a partial clone; `None` in any other clone.
    fn promisor_remote(&self) -> Option<String> {
        let output = self.query_git(["config", "-z", "--get-regexp", r"^remote\..*\.promisor$"]).ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split('\0').find_map(|setting| {
            let (key, value) = setting.split_once('\n')?;
            let name = key.strip_prefix("remote.")?.strip_suffix(".promisor")?;
            (value != "false").then(|| name.to_owned())
        })
    }

    /// Whether this clone can read a file of a commit: it has, or can fetch, the commit, its trees and the blob.
    #[must_use]
    pub fn knows_file(&self, commit: &Oid, path: &str) -> bool {
        self.has_object(commit)
            && match self.entry_at(commit, path) {
                Ok(Some(entry)) => self.has_object(&entry.id) || self.blob_size(&entry.id).is_ok(),
                // true, => No such file in the commit: that is known, too.
                Ok(None) => true,
                Err(_) => false,
            }
    }

    /// Fetches the missing objects of these files in these commits, all at once. What cannot be fetched fails later,
    /// when it is read.
    pub fn fetch_files(&self, commits: &[Oid], paths: &[String]) -> Result<(), GitError> {
        let Some(lib) = self.lib.as_ref().filter(|_| self.may_fetch()) else { return Ok(()) };
        let tree_id = |id: &Oid| lib.find_commit(id.to_git2()?).map(|commit| Oid::from(commit.tree_id()));
        let is_missing = |id: &Oid| !self.has_object(id);
        let trees: BTreeSet<Oid> = commits.iter().filter_map(|id| tree_id(id).ok()).filter(is_missing).collect();
        let remote = if trees.is_empty() { None } else { self.promisor_remote() };
        if let Some(remote) = &remote {
            // A fetch of a tree includes all trees below it.
            self.fetch_objects(remote, &trees)?;
        }
        let mut blobs = BTreeSet::new();
        for path in paths {
            let entries = commits
                .iter()
                .filter_map(|id| super::read::lib_entry_at(lib, &self.commit_trees, id, path).ok().flatten());
            blobs.extend(entries.map(|entry| entry.id).collect::<BTreeSet<_>>().into_iter().filter(is_missing));
        }
        match remote.or_else(|| if blobs.is_empty() { None } else { self.promisor_remote() }) {
            Some(remote) if !blobs.is_empty() => self.fetch_objects(&remote, &blobs),
            _ => Ok(()),
        }
    }

    /// Fetches objects by their ids, with the options that git itself uses for a missing object (`promisor-remote.c`).
    fn fetch_objects(&self, remote: &str, ids: &BTreeSet<Oid>) -> Result<(), GitError> {
        let mut args = vec!["-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "--no-tags"];
        args.extend(["--no-write-fetch-head", "--recurse-submodules=no", "--filter=blob:none", "--stdin", remote]);
        let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
        // It can ask for a password. A failed fetch is not reported here: reading the object fails with its own message.
        self.git_cmd(args).stdin(lines.into_bytes()).may_prompt().run(self.env())?;
        Ok(())
    }
}

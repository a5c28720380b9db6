//! Clones that lack objects of their own history: partial ones (`--filter=tree:0`, `--filter=blob:none`), shallow ones.
//!
//! Git fetches what a partial clone lacks when it is needed, libgit2 does not. A hook fetches nothing: what it cannot read is
//! unknown to it ([`Repo::knows_file`]). A command asks git, which may fetch, one object at a time: what is needed of many
//! commits is better fetched at once before ([`Repo::fetch_files`]).

use std::collections::BTreeSet;

use crate::git::error::GitError;
use crate::git::read::Oid;
use crate::git::repo::{Repo, read_only_env};
use crate::support::env::Env;
use crate::support::process::ProcessError;
use crate::support::prompts::PromptPolicy;

impl Repo {
    /// Reads an object: by libgit2; by the program where libgit2 cannot read the repository, or where git may fetch the object.
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

    /// Whether a command that the user typed is at work: a hook fetches nothing that nobody asked for.
    fn may_fetch(&self) -> bool {
        *self.env().prompts() == PromptPolicy::OnTerminal && self.env().get("GIT_NO_LAZY_FETCH").is_none()
    }

    /// The git remote that promises what a partial clone lacks; `None` where the clone is no partial one.
    fn promisor_remote(&self) -> Option<String> {
        let output = self.query_git(["config", "-z", "--get-regexp", r"^remote\..*\.promisor$"]).ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split('\0').find_map(|setting| {
            let (key, value) = setting.split_once('\n')?;
            let name = key.strip_prefix("remote.")?.strip_suffix(".promisor")?;
            (value != "false").then(|| name.to_owned())
        })
    }

    /// Whether this clone can tell what a file is in a commit: it has, or gets, the commit, its trees and the file.
    #[must_use]
    pub fn knows_file(&self, commit: &Oid, path: &str) -> bool {
        self.has_object(commit)
            && match self.entry_at(commit, path) {
                Ok(Some(entry)) => self.has_object(&entry.id) || self.blob_size(&entry.id).is_ok(),
                Ok(None) => true,
                Err(_) => false,
            }
    }

    /// Fetches what a partial clone lacks of these files in these commits, all at once. What cannot be had is left for those
    /// who read it to find out.
    pub fn fetch_files(&self, commits: &[Oid], paths: &[String]) -> Result<(), GitError> {
        let Some(lib) = self.lib.as_ref().filter(|_| self.may_fetch()) else { return Ok(()) };
        let tree_id = |id: &Oid| lib.find_commit(id.to_git2()?).map(|commit| Oid::from(commit.tree_id()));
        let is_missing = |id: &Oid| !self.has_object(id);
        let trees: BTreeSet<Oid> = commits.iter().filter_map(|id| tree_id(id).ok()).filter(is_missing).collect();
        let remote = if trees.is_empty() { None } else { self.promisor_remote() };
        if let Some(remote) = &remote {
            // With all trees below them.
            self.fetch_objects(remote, &trees)?;
        }
        let mut blobs = BTreeSet::new();
        for path in paths {
            let entries = commits.iter().filter_map(|id| super::read::lib_entry_at(lib, id, path).ok().flatten());
            blobs.extend(entries.map(|entry| entry.id).collect::<BTreeSet<_>>().into_iter().filter(is_missing));
        }
        match remote.or_else(|| if blobs.is_empty() { None } else { self.promisor_remote() }) {
            Some(remote) if !blobs.is_empty() => self.fetch_objects(&remote, &blobs),
            _ => Ok(()),
        }
    }

    /// Fetches objects by their ids, as git does by itself, one after the other, for what a partial clone lacks.
    fn fetch_objects(&self, remote: &str, ids: &BTreeSet<Oid>) -> Result<(), GitError> {
        let mut args = vec!["-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "--no-tags"];
        args.extend(["--no-write-fetch-head", "--recurse-submodules=no", "--filter=blob:none", "--stdin", remote]);
        let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
        // It may want a password. What it did not get, a reader misses.
        self.git_cmd(args).stdin(lines.into_bytes()).may_prompt().run(self.env())?;
        Ok(())
    }
}

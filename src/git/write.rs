//! Changes the index and tags, always by the git program, so that the user's settings, signing and hooks apply. No
//! commit is made here.

use std::path::PathBuf;

use crate::git::error::GitError;
use crate::git::locks::NotifyFn;
use crate::git::read::{GitEntry, Oid};
use crate::git::repo::Repo;
use crate::support::fs;

/// A commit of some paths only (`git commit -- PATH`, `-o`). Git builds it in a temporary index; the real index waits,
/// already written, as `index.lock` until the commit succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialCommit {
    /// The file that becomes the real index.
    pub real_index: PathBuf,
}

/// An annotated tag to make.
#[derive(Debug, Clone, Copy)]
pub struct NewTag<'a> {
    /// Its name without `refs/tags/`.
    pub name: &'a str,
    /// The commit that it points to.
    pub commit: &'a Oid,
    /// Its message, not cleaned up.
    pub message: &'a str,
    /// Whether to replace a tag of this name.
    pub replace: bool,
}

impl Repo {
    /// Returns the partial commit in progress, by the name of the index file.
    #[must_use]
    pub fn partial_commit(&self) -> Option<PartialCommit> {
        let name = self.index_file.file_name()?.to_str()?;
        let real_index = self.git_dir.join("index.lock");
        // Git names the temporary index `next-index-<pid>` (`builtin/commit.c`).
        (name.starts_with("next-index-") && real_index.exists()).then_some(PartialCommit { real_index })
    }

    /// Stages files of the working tree; paths are relative to its top. In a partial commit both the commit's index and
    /// the real one get them: else git would show the change as undone afterwards. Waits for another git.
    pub fn stage_files(&mut self, paths: &[String], notify: NotifyFn<'_>) -> Result<(), GitError> {
        if paths.is_empty() {
            return Ok(());
        }
        let args = ["--literal-pathspecs", "add", "--"].into_iter().map(str::to_owned);
        let add = self.git_cmd(args.chain(paths.iter().cloned()));
        self.retry_while_locked(notify, || add.run_checked(self.env()))?;
        if let Some(partial) = self.partial_commit() {
            let env = self.env().clone().with_var("GIT_INDEX_FILE", partial.real_index);
            self.retry_while_locked(notify, || add.run_checked(&env))?;
        }
        self.drop_index_cache();
        Ok(())
    }

    /// Restores the index's entries of some files; `None` removes a file from the index. Waits for another git.
    pub fn restore_entries(
        &mut self,
        before: &[(String, Option<GitEntry>)],
        notify: NotifyFn<'_>,
    ) -> Result<(), GitError> {
        self.drop_index_cache();
        let mut lines = String::new();
        for (path, entry) in before {
            if self.index_entry(path)? == *entry {
                continue;
            }
            // git-update-index(1): mode 0 removes the entry.
            let removed = GitEntry { id: Oid::null(), mode: 0 };
            let GitEntry { id, mode } = entry.as_ref().unwrap_or(&removed);
            lines.push_str(&format!("{mode:o} {id} 0\t{path}\0"));
        }
        if !lines.is_empty() {
            let call = self.git_cmd(["update-index", "-z", "--index-info"]).stdin(lines.into_bytes());
            self.retry_while_locked(notify, || call.run_checked(self.env()))?;
            self.drop_index_cache();
        }
        Ok(())
    }

    /// Makes an annotated tag, signed if the user's git signs tags. Waits for another git; leaves nothing behind if it
    /// fails.
    pub fn create_tag(&self, tag: NewTag<'_>, notify: NotifyFn<'_>) -> Result<(), GitError> {
        let mut args = vec!["tag", "-a", "--cleanup=verbatim", "-F", "-"];
        if tag.replace {
            // The reflog later distinguishes a moved tag from a fetched one (see `was_tagged_here`).
            args.extend(["-f", "--create-reflog"]);
        }
        args.extend(["--", tag.name, tag.commit.as_str()]);
        // A failed `git tag` keeps the message in TAG_EDITMSG; ours is of no use to the user.
        let edit_msg = self.git_dir.join("TAG_EDITMSG");
        let existed = edit_msg.exists();
        // Signing can ask for a passphrase.
        let call = self.git_cmd(args).stdin(tag.message.as_bytes().to_vec()).may_prompt();
        let Err(error) = self.retry_while_locked(notify, || call.run_checked(self.env())) else { return Ok(()) };
        if !existed {
            fs::remove_all(&edit_msg)?;
        }
        match self.conflicting_tag(tag.name)? {
            Some(by) => Err(GitError::TagConflict { tag: tag.name.to_owned(), by }),
            None => Err(error),
        }
    }

    /// Removes a tag of this clone, if it is this object still. Waits for another git.
    pub fn remove_tag(&self, name: &str, object: &Oid, notify: NotifyFn<'_>) -> Result<(), GitError> {
        let reference = format!("refs/tags/{name}");
        let call = self.git_cmd(["update-ref", "-d", &reference, object.as_str()]);
        self.retry_while_locked(notify, || call.run_checked(self.env())).map(drop)
    }

    /// Makes new annotated tags of one commit, each a name and a message, with as many calls of git as for one. False if
    /// that cannot be: git signs tags, or refuses one of these. Then no tag is made, and `create_tag` says why.
    #[must_use]
    pub fn create_tags_at_once(&self, commit: &Oid, tags: &[(&str, &str)]) -> bool {
        self.try_create_tags(commit, tags).is_some()
    }

    fn try_create_tags(&self, commit: &Oid, tags: &[(&str, &str)]) -> Option<()> {
        for key in ["tag.gpgSign", "tag.forceSignAnnotated"] {
            // A setting without a value is true, and can look empty.
            if self.config_value(key).ok()?.is_some_and(|value| !matches!(value.as_str(), "false" | "no" | "off" | "0"))
            {
                return None;
            }
        }
        let tagger = self.run_git(["var", "GIT_COMMITTER_IDENT"]).ok()?.stdout;
        let dir = fs::create_temp_dir(&fs::scratch_dir(), "capture-hook-tags-").ok()?;
        let mut paths = String::new();
        for (at, (name, message)) in tags.iter().enumerate() {
            let path = dir.path().join(at.to_string());
            let head = format!("object {commit}\ntype commit\ntag {name}\ntagger ");
            // The line of the tagger ends with a line break already.
            fs::write_new(&path, &[head.as_bytes(), &tagger, b"\n", message.as_bytes()].concat()).ok()?;
            paths.push_str(path.to_str().filter(|path| !path.contains('\n'))?);
            paths.push('\n');
        }
        // By git: it knows who may write in the directory of a shared repository.
        let write = ["hash-object", "-t", "tag", "-w", "--no-filters", "--stdin-paths"];
        let written = self.run_git_with(write, paths.into_bytes()).ok()?.stdout_text();
        let objects: Vec<Oid> = written.lines().filter_map(Oid::parse).collect();
        if objects.len() != tags.len() {
            return None;
        }
        let new = tags.iter().zip(objects);
        let changes: String = new.map(|((name, _), id)| format!("create refs/tags/{name}\0{id}\0")).collect();
        // As `git tag` notes it: `was_tagged_here` reads this.
        let why = format!("tag: tagging {}", commit.short());
        self.run_git_with(["update-ref", "-m", &why, "--stdin", "-z"], changes.into_bytes()).ok().map(drop)
    }

    /// Returns a tag that git cannot keep beside this one: one name is a directory of the other.
    fn conflicting_tag(&self, name: &str) -> Result<Option<String>, GitError> {
        let mut patterns = Vec::new();
        for (at, _) in name.match_indices('/') {
            patterns.push(format!("refs/tags/{}", name.get(..at).unwrap_or_default()));
        }
        // A pattern with a slash at its end matches refs below it; one without also matches the name itself.
        patterns.push(format!("refs/tags/{name}/"));
        let args = ["for-each-ref", "--format=%(refname)"].into_iter().map(str::to_owned);
        let output = self.query_git(args.chain(patterns.iter().cloned()))?.stdout_text();
        let conflicts =
            |full: &&str| patterns.iter().any(|a| full == a || (a.ends_with('/') && full.starts_with(a.as_str())));
        Ok(output.lines().find(conflicts).and_then(|full| full.strip_prefix("refs/tags/")).map(str::to_owned))
    }
}

//! What changes the index, a tag or a ref: always the git program.

use std::path::PathBuf;

use crate::git::error::GitError;
use crate::git::locks::Told;
use crate::git::read::{Entry, Oid};
use crate::git::repo::Repo;
use crate::support::fs;

/// A commit of some paths only (`git commit -- PATH`, `-o`): git builds it in a passing index, while the real index
/// waits, already written, as `index.lock` for the commit to go well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialCommit {
    /// The real index to be.
    pub real_index: PathBuf,
}

/// An annotated tag to make.
#[derive(Debug, Clone, Copy)]
pub struct NewTag<'a> {
    /// Its name without `refs/tags/`.
    pub name: &'a str,
    /// The commit that it names.
    pub commit: &'a Oid,
    /// Its message, kept as it is.
    pub message: &'a str,
    /// Whether a tag of this name is replaced.
    pub replace: bool,
}

impl Repo {
    /// The partial commit under way, as git's index file tells.
    #[must_use]
    pub fn partial_commit(&self) -> Option<PartialCommit> {
        let name = self.index_file.file_name()?.to_str()?;
        let real_index = self.git_dir.join("index.lock");
        (name.starts_with("next-index-") && real_index.exists()).then_some(PartialCommit { real_index })
    }

    /// Stages files as the working tree has them, paths relative to its top. In a partial commit both the commit's index
    /// and the real one get them: git would else show the change as undone afterwards. Waits for another git.
    pub fn stage(&mut self, paths: &[String], told: Told<'_>) -> Result<(), GitError> {
        if paths.is_empty() {
            return Ok(());
        }
        let fixed = ["--literal-pathspecs", "add", "--"].into_iter().map(str::to_owned);
        let add = self.cmd(fixed.chain(paths.iter().cloned()));
        self.patiently(told, || add.checked(self.env()))?;
        if let Some(partial) = self.partial_commit() {
            let env = self.env().clone().with("GIT_INDEX_FILE", partial.real_index);
            self.patiently(told, || add.checked(&env))?;
        }
        self.forget_index();
        Ok(())
    }

    /// Gives files of the index the entries that they had before; none takes a file out of it. Waits for another git.
    pub fn restore_entries(&mut self, before: &[(String, Option<Entry>)], told: Told<'_>) -> Result<(), GitError> {
        self.forget_index();
        let mut lines = String::new();
        for (path, entry) in before {
            if self.index_entry(path)? == *entry {
                continue;
            }
            let gone = Entry { id: Oid::null(), mode: 0 };
            let Entry { id, mode } = entry.as_ref().unwrap_or(&gone);
            lines.push_str(&format!("{mode:o} {id} 0\t{path}\0"));
        }
        if !lines.is_empty() {
            let call = self.cmd(["update-index", "-z", "--index-info"]).stdin(lines.into_bytes());
            self.patiently(told, || call.checked(self.env()))?;
            self.forget_index();
        }
        Ok(())
    }

    /// Makes an annotated tag: signed where the user's git signs tags. Waits for another git; leaves nothing where it fails.
    pub fn make_tag(&self, tag: NewTag<'_>, told: Told<'_>) -> Result<(), GitError> {
        let mut args = vec!["tag", "-a", "--cleanup=verbatim", "-F", "-"];
        if tag.replace {
            // A moved tag is told from one that was fetched by its log.
            args.extend(["-f", "--create-reflog"]);
        }
        args.extend(["--", tag.name, tag.commit.as_str()]);
        // Git keeps a message for the user to go on with, and this one is none of his.
        let left = self.git_dir.join("TAG_EDITMSG");
        let was_there = left.exists();
        // It may be signed.
        let call = self.cmd(args).stdin(tag.message.as_bytes().to_vec()).may_ask();
        let Err(error) = self.patiently(told, || call.checked(self.env())) else { return Ok(()) };
        if !was_there {
            fs::remove_all(&left)?;
        }
        match self.tag_in_the_way(tag.name)? {
            Some(by) => Err(GitError::TagInTheWay { tag: tag.name.to_owned(), by }),
            None => Err(error),
        }
    }

    /// A tag that git cannot keep together with one of this name: one is the other's directory.
    fn tag_in_the_way(&self, name: &str) -> Result<Option<String>, GitError> {
        let mut above = Vec::new();
        for (at, _) in name.match_indices('/') {
            above.push(format!("refs/tags/{}", name.get(..at).unwrap_or_default()));
        }
        // A pattern that ends with a slash matches what lies below, and one without the name itself, too.
        above.push(format!("refs/tags/{name}/"));
        let fixed = ["for-each-ref", "--format=%(refname)"].into_iter().map(str::to_owned);
        let listed = self.query(fixed.chain(above.iter().cloned()))?.text();
        let blocks =
            |full: &&str| above.iter().any(|a| full == a || (a.ends_with('/') && full.starts_with(a.as_str())));
        Ok(listed.lines().find(blocks).and_then(|full| full.strip_prefix("refs/tags/")).map(str::to_owned))
    }

    /// Whether the working tree or the index differs from HEAD in tracked files.
    pub fn dirty_paths(&self) -> Result<Vec<String>, GitError> {
        let output = self.query(["status", "--porcelain=v1", "-z", "--untracked-files=no"])?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.split('\0').filter_map(|line| line.get(3..)).map(str::to_owned).collect())
    }
}

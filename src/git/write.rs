//! What changes the index, a tag or a ref: always the git program.

use std::path::PathBuf;

use super::error::GitError;
use super::read::Oid;
use super::repo::Repo;

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
    /// and the real one get them: git would else show the change as undone afterwards.
    pub fn stage(&mut self, paths: &[String]) -> Result<(), GitError> {
        if paths.is_empty() {
            return Ok(());
        }
        let args = || {
            let fixed = ["--literal-pathspecs", "add", "--"].into_iter().map(str::to_owned);
            fixed.chain(paths.iter().cloned())
        };
        self.git(args())?;
        if let Some(partial) = self.partial_commit() {
            let env = self.env().clone().with("GIT_INDEX_FILE", partial.real_index);
            self.cmd(args()).checked(&env)?;
        }
        self.forget_index();
        Ok(())
    }

    /// Makes an annotated tag: signed where the user's git signs tags.
    pub fn make_tag(&self, tag: NewTag<'_>) -> Result<(), GitError> {
        let mut args = vec!["tag", "-a", "--cleanup=verbatim", "-F", "-"];
        if tag.replace {
            args.push("-f");
        }
        args.extend(["--", tag.name, tag.commit.as_str()]);
        // It may be signed.
        self.cmd(args).stdin(tag.message.as_bytes().to_vec()).may_ask().checked(self.env())?;
        Ok(())
    }

    /// Whether the working tree or the index differs from HEAD in tracked files.
    pub fn dirty_paths(&self) -> Result<Vec<String>, GitError> {
        let output = self.query(["status", "--porcelain=v1", "-z", "--untracked-files=no"])?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.split('\0').filter_map(|line| line.get(3..)).map(str::to_owned).collect())
    }
}

//! The working trees of a clone: the main one and those that `git worktree add` made. Read only.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::git::error::GitError;
use crate::git::read::Oid;
use crate::git::repo::Repo;

/// A working tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkTree {
    /// Its directory, absolute; it may be gone.
    pub path: PathBuf,
    /// The commit that is checked out there; `None` before the first one.
    pub head: Option<Oid>,
}

impl Repo {
    /// Returns all working trees of the clone. A bare repository itself does not count.
    pub fn list_work_trees(&self) -> Result<Vec<WorkTree>, GitError> {
        // Not `-z`, which git has since 2.36 only: a path with a line break is read as one that is gone.
        let args = ["worktree", "list", "--porcelain"];
        Ok(parse_work_trees(&self.git_cmd(args).run_checked(self.env())?.stdout))
    }
}

/// Each working tree is a paragraph.
fn parse_work_trees(output: &[u8]) -> Vec<WorkTree> {
    let mut trees: Vec<WorkTree> = Vec::new();
    for line in output.split(|byte| *byte == b'\n') {
        if let Some(path) = line.strip_prefix(b"worktree ") {
            trees.push(WorkTree { path: PathBuf::from(OsStr::from_bytes(path)), head: None });
        } else if let (Some(id), Some(tree)) = (line.strip_prefix(b"HEAD "), trees.last_mut()) {
            tree.head = Oid::parse(&String::from_utf8_lossy(id)).filter(|id| !id.is_null());
        } else if line == b"bare" {
            trees.pop();
        }
    }
    trees
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_trees_are_read_from_gits_list() {
        let id = "1".repeat(40);
        let null = "0".repeat(40);
        let output = format!(
            "worktree /r/bare\nbare\n\nworktree /r/a b\nHEAD {id}\nbranch refs/heads/x\n\nworktree /r/new\nHEAD {null}\n\n"
        );
        let trees = parse_work_trees(output.as_bytes());
        assert_eq!(
            trees,
            [WorkTree { path: "/r/a b".into(), head: Oid::parse(&id) }, WorkTree { path: "/r/new".into(), head: None }]
        );
    }
}

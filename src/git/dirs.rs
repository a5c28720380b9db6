//! The files in a directory of a commit. Read only.

use std::path::Path;

use crate::git::error::GitError;
use crate::git::read::{GitEntry, Oid};
use crate::git::repo::Repo;

/// A directory of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitDir {
    /// Its tree: equal trees hold equal files.
    pub id: Oid,
    /// The files in it, by name. Directories in it, and names that are no text, are left out.
    pub files: Vec<(String, GitEntry)>,
}

impl Repo {
    /// Returns a directory of a commit, with the files right in it; `None` if the commit has no such directory, or this
    /// clone lacks the commit.
    pub fn list_dir_at(&self, commit: &Oid, dir: &str) -> Result<Option<GitDir>, GitError> {
        if let Some(lib) = &self.lib
            && let Ok(found) = lib_dir_at(lib, commit, dir)
        {
            return Ok(found);
        }
        let tree = self.query_git(["rev-parse", "--verify", "--quiet", &format!("{commit}:{dir}")])?;
        let Some(id) = Some(tree).filter(|tree| tree.success()).and_then(|tree| Oid::parse(tree.stdout_text().trim()))
        else {
            return Ok(None);
        };
        let output = self.query_git(["ls-tree", "-z", "--full-tree", id.as_str()])?;
        // A file in the directory's place is no repository's.
        let lines = output.stdout.split(|byte| *byte == 0).filter(|_| output.success());
        let files = lines.filter_map(|line| {
            let (facts, name) = std::str::from_utf8(line).ok()?.split_once('\t')?;
            let mut words = facts.split(' ');
            let mode = u32::from_str_radix(words.next()?, 8).ok()?;
            words.next().filter(|kind| *kind == "blob")?;
            Some((name.to_owned(), GitEntry { id: Oid::parse(words.next()?)?, mode }))
        });
        Ok(Some(GitDir { files: files.collect(), id }))
    }
}

fn lib_dir_at(lib: &git2::Repository, commit: &Oid, dir: &str) -> Result<Option<GitDir>, git2::Error> {
    let tree = lib.find_commit(commit.to_git2()?)?.tree()?;
    let entry = match tree.get_path(Path::new(dir)) {
        Ok(entry) => entry,
        Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if entry.kind() != Some(git2::ObjectType::Tree) {
        return Ok(None);
    }
    let tree = lib.find_tree(entry.id())?;
    let files = tree.iter().filter(|entry| entry.kind() == Some(git2::ObjectType::Blob)).filter_map(|entry| {
        let name = std::str::from_utf8(entry.name_bytes()).ok()?.to_owned();
        Some((name, GitEntry { id: entry.id().into(), mode: u32::try_from(entry.filemode()).unwrap_or_default() }))
    });
    Ok(Some(GitDir { id: entry.id().into(), files: files.collect() }))
}

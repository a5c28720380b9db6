//! Whether git has ever put something at a path of the working tree: what is tracked now, what earlier positions of
//! HEAD held, submodules.
//!
//! Asked before a program in the working tree is run, or objects of a cache in it are trusted. Names are compared as
//! any file system could read them. An entry for a parent of the path counts, too: a tracked link leads to the path. A
//! file that a user or program put there is not noticed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::git::error::GitError;
use crate::git::read::Oid;
use crate::git::repo::Repo;
use crate::support::{fs, names};

impl Repo {
    /// Whether the index or HEAD holds this path (absolute), something below it, or a link in place of a parent.
    pub fn is_tracked(&self, path: &Path) -> Result<bool, GitError> {
        let Some(parts) = self.path_parts(path) else { return Ok(false) };
        if self.index_holds(&parts)? {
            return Ok(true);
        }
        let head: Vec<Oid> = self.head()?.into_iter().collect();
        self.commits_hold(&head, &parts)
    }

    /// Whether a commit at which HEAD was in this working tree holds the path, as [`Repo::is_tracked`] means it. Git
    /// removes a file when it moves to a commit without it, but not always (`git reset`, submodules).
    pub fn was_tracked(&self, path: &Path) -> Result<bool, GitError> {
        let Some(parts) = self.path_parts(path) else { return Ok(false) };
        self.commits_hold(&self.head_positions()?, &parts)
    }

    /// Returns the absolute paths of submodules, present and past: git leaves one behind when it moves to a commit
    /// without it.
    #[must_use]
    pub fn submodule_dirs(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut todo = vec![self.git_dir().join("modules")];
        if self.common_dir() != self.git_dir() {
            todo.push(self.common_dir().join("modules"));
        }
        while let Some(dir) = todo.pop() {
            // A module's name can hold slashes, and a module can have modules of its own.
            if dir.join("HEAD").exists() {
                let config = git2::Config::open(&dir.join("config"));
                if let Ok(tree) = config.and_then(|config| config.get_string("core.worktree")) {
                    let tree = dir.join(tree);
                    found.push(tree.canonicalize().unwrap_or(tree));
                }
                todo.push(dir.join("modules"));
                continue;
            }
            let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
            todo.extend(entries.filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path()));
        }
        found
    }

    /// Returns the tops of this repository's other working trees.
    #[must_use]
    pub fn other_work_trees(&self) -> Vec<PathBuf> {
        let common = self.common_dir();
        let main = common.parent().filter(|_| common.file_name().is_some_and(|name| name == ".git"));
        let linked = std::fs::read_dir(common.join("worktrees")).into_iter().flatten().flatten();
        let linked = linked.filter_map(|entry| {
            let bytes = fs::read_optional(&entry.path().join("gitdir")).ok()??;
            Path::new(String::from_utf8_lossy(&bytes).trim()).parent().map(Path::to_path_buf)
        });
        let own_top = self.work_tree.as_deref().and_then(|top| top.canonicalize().ok());
        let tops = main.map(Path::to_path_buf).into_iter().chain(linked);
        tops.filter_map(|top| top.canonicalize().ok()).filter(|top| Some(top) != own_top.as_ref()).collect()
    }

    /// Returns a path's names below the top of the working tree; `None` for a path outside of it.
    fn path_parts(&self, path: &Path) -> Option<Vec<String>> {
        let top = self.work_tree.as_deref()?;
        let inner = match path.strip_prefix(top) {
            Ok(inner) => inner,
            Err(_) => path.strip_prefix(top.canonicalize().ok()?).ok()?,
        };
        Some(inner.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect())
    }

    fn index_holds(&self, parts: &[String]) -> Result<bool, GitError> {
        let matches = |path: &[u8]| {
            let path = String::from_utf8_lossy(path);
            path.split('/').zip(parts).all(|(a, b)| names::is_same_name(a, b))
        };
        if let Some(index) = self.lib_index() {
            return Ok(index.iter().any(|entry| matches(&entry.path)));
        }
        let output = self.run_git(["ls-files", "-z", "--full-name"])?.stdout;
        Ok(output.split(|byte| *byte == 0).any(|path| !path.is_empty() && matches(path)))
    }

    /// Returns the paths of all tracked files, by the index.
    pub fn list_tracked_files(&self) -> Result<Vec<String>, GitError> {
        if let Some(index) = self.lib_index() {
            return Ok(index.iter().map(|entry| String::from_utf8_lossy(&entry.path).into_owned()).collect());
        }
        let output = self.run_git(["ls-files", "-z", "--full-name", "--", ":(top)"])?.stdout;
        let paths = output.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        Ok(paths.map(|path| String::from_utf8_lossy(path).into_owned()).collect())
    }

    fn commits_hold(&self, commits: &[Oid], parts: &[String]) -> Result<bool, GitError> {
        if let Some(lib) = &self.lib {
            let holds = |commit: &Oid| -> Result<bool, git2::Error> {
                tree_holds(lib, &lib.find_commit(commit.to_git2()?)?.tree()?, parts)
            };
            // A commit whose objects are gone cannot be read, and cannot be checked out either.
            return Ok(commits.iter().any(|commit| holds(commit).unwrap_or(false)));
        }
        let mut objects = String::new();
        for commit in commits {
            // One line per parent, too: a file or submodule in place of a parent covers the path.
            for end in 1..=parts.len() {
                objects.push_str(&format!("{commit}:{}\n", parts.get(..end).unwrap_or_default().join("/")));
            }
        }
        let kinds = self.run_git_with(["cat-file", "--batch-check=%(objecttype)"], objects.into_bytes())?.stdout_text();
        let mut lines = kinds.lines();
        Ok(commits.iter().any(|_| {
            let path_kinds: Vec<&str> = lines.by_ref().take(parts.len()).collect();
            let is_object = |kind: &str| matches!(kind, "blob" | "tree" | "commit");
            path_kinds.last().is_some_and(|kind| is_object(kind))
                || path_kinds.iter().any(|kind| *kind == "blob" || *kind == "commit")
        }))
    }

    /// Returns the commits at which HEAD was in this working tree, from its reflog.
    fn head_positions(&self) -> Result<Vec<Oid>, GitError> {
        let mut seen = HashSet::new();
        let mut positions: Vec<Oid> = self.head()?.into_iter().collect();
        match fs::read_optional(&self.git_dir().join("logs/HEAD"))? {
            Some(log) => {
                for line in String::from_utf8_lossy(&log).lines() {
                    positions.extend(line.split(' ').take(2).filter_map(Oid::parse));
                }
            }
            None => {
                let log = self.query_git(["reflog", "--format=%H", "HEAD"])?;
                positions.extend(log.stdout_text().lines().filter_map(Oid::parse));
            }
        }
        positions.retain(|id| !id.is_null() && seen.insert(id.clone()));
        Ok(positions)
    }
}

/// Whether a tree holds the path, or something that is not a directory in place of a parent.
fn tree_holds(lib: &git2::Repository, tree: &git2::Tree<'_>, parts: &[String]) -> Result<bool, git2::Error> {
    let Some((first, rest)) = parts.split_first() else { return Ok(true) };
    for entry in tree {
        if !names::is_same_name(&String::from_utf8_lossy(entry.name_bytes()), first) {
            continue;
        }
        let is_tree = entry.kind() == Some(git2::ObjectType::Tree);
        if rest.is_empty() || !is_tree || tree_holds(lib, &lib.find_tree(entry.id())?, rest)? {
            return Ok(true);
        }
    }
    Ok(false)
}

//! Reads entries of the index and of commits, blobs and commits.
//!
//! Paths are relative to the top of the working tree, with `/`. An entry is its object id, so "did this file change"
//! needs no content. A missing file is `None`; a missing object is an error.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::git::error::GitError;
use crate::git::repo::{CommitTrees, Repo};
use crate::support::text::to_hex;

/// An object id: lower-case hex, 40 digits (64 in a SHA-256 repository).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid(String);

impl Oid {
    /// Parses a full id; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The id with these bytes: 20, or 32 in a SHA-256 repository.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        matches!(bytes.len(), 20 | 32).then(|| Self(to_hex(bytes)))
    }

    /// The id's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let digit =
            |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or_default();
        // An id has hexadecimal digits only, and an even number of them.
        self.0.as_bytes().chunks(2).map(|pair| pair.iter().fold(0, |byte, hex| byte << 4 | digit(*hex))).collect()
    }

    /// Git's "no object": all zeros.
    #[must_use]
    pub fn null() -> Self {
        Self("0".repeat(40))
    }

    /// Whether it is git's "no object", all zeros.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first nine digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..9).unwrap_or(&self.0)
    }

    pub(super) fn to_git2(&self) -> Result<git2::Oid, git2::Error> {
        git2::Oid::from_str(&self.0)
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<git2::Oid> for Oid {
    fn from(oid: git2::Oid) -> Self {
        Self(oid.to_string())
    }
}

/// A file's entry in a tree or in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitEntry {
    /// The id of the blob.
    pub id: Oid,
    /// The file mode: `0o100644`, `0o100755`, `0o120000` for a link.
    pub mode: u32,
}

impl GitEntry {
    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }
}

/// The facts of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: Oid,
    /// Its parents, in order.
    pub parents: Vec<Oid>,
    /// Its message, raw.
    pub message: Vec<u8>,
    /// The time of the commit, in seconds since the Unix epoch.
    pub time: i64,
    /// The author's name.
    pub author: String,
    /// The author's e-mail address.
    pub author_email: String,
}

impl Commit {
    /// The message's first line.
    #[must_use]
    pub fn subject(&self) -> String {
        let line = self.message.split(|b| *b == b'\n').find(|line| !line.is_empty()).unwrap_or_default();
        String::from_utf8_lossy(line).trim().to_owned()
    }
}

impl Repo {
    /// The checked-out commit; `None` before the first one.
    pub fn head(&self) -> Result<Option<Oid>, GitError> {
        self.find_commit_id("HEAD")
    }

    /// Resolves a name to a commit, tags peeled; `None` if there is no such commit.
    pub fn find_commit_id(&self, rev: &str) -> Result<Option<Oid>, GitError> {
        // An option to git, not a name: refused for safety.
        if rev.starts_with('-') {
            return Ok(None);
        }
        if let Some(lib) = &self.lib {
            return Ok(lib.revparse_single(rev).and_then(|o| o.peel_to_commit()).ok().map(|c| c.id().into()));
        }
        let output =
            self.query_git(["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{rev}^{{commit}}")])?;
        Ok(if output.success() { Oid::parse(&output.stdout_text()) } else { None })
    }

    /// Resolves a name that the user typed to a commit; fails if there is none.
    pub fn resolve_commit(&self, rev: &str) -> Result<Oid, GitError> {
        // Only decides which hint is shown.
        let shallow = || !self.shallow_ends().unwrap_or_default().is_empty();
        self.find_commit_id(rev)?.ok_or_else(|| GitError::NoSuchRevision { rev: rev.to_owned(), shallow: shallow() })
    }

    /// Returns the commits at which a shallow clone's history ends; none in any other clone.
    pub fn shallow_ends(&self) -> Result<HashSet<Oid>, GitError> {
        let text = crate::support::fs::read_optional(&self.common_dir.join("shallow"))?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).lines().filter_map(Oid::parse).collect())
    }

    /// A commit's facts.
    pub fn read_commit(&self, id: &Oid) -> Result<Commit, GitError> {
        if let Some(lib) = &self.lib {
            let read = id.to_git2().and_then(|oid| lib.find_commit(oid));
            let commit = read.map_err(|source| GitError::Read { what: format!("commit {id}"), source })?;
            return Ok(Commit {
                id: id.clone(),
                parents: commit.parent_ids().map(Into::into).collect(),
                message: commit.message_bytes().to_vec(),
                time: commit.time().seconds(),
                author: String::from_utf8_lossy(commit.author().name_bytes()).into_owned(),
                author_email: String::from_utf8_lossy(commit.author().email_bytes()).into_owned(),
            });
        }
        // One field per line; the message is last, because it has lines of its own.
        let format = "--format=%P%n%ct%n%an%n%ae%n%B";
        let output =
            self.git_cmd(["log", "-1", "--no-show-signature", format, id.as_str(), "--"]).run_checked(self.env())?;
        let mut parts = output.stdout.splitn(5, |b| *b == b'\n');
        let mut line = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        let (parents, time, author, author_email) = (line(), line(), line(), line());
        Ok(Commit {
            id: id.clone(),
            parents: parents.split(' ').filter_map(Oid::parse).collect(),
            message: parts.next().unwrap_or_default().to_vec(),
            time: time.parse().unwrap_or_default(),
            author,
            author_email,
        })
    }

    /// A commit's parents, in order.
    pub fn commit_parents(&self, id: &Oid) -> Result<Vec<Oid>, GitError> {
        let Some(lib) = &self.lib else { return Ok(self.read_commit(id)?.parents) };
        let read = id.to_git2().and_then(|oid| lib.find_commit(oid));
        let commit = read.map_err(|source| GitError::Read { what: format!("commit {id}"), source })?;
        Ok(commit.parent_ids().map(Into::into).collect())
    }

    /// Returns a file's entry in a commit; `None` if the commit has no such file.
    pub fn entry_at(&self, commit: &Oid, path: &str) -> Result<Option<GitEntry>, GitError> {
        self.read_object(
            |lib| lib_entry_at(lib, &self.commit_trees, commit, path),
            || format!("{path} of commit {commit}"),
            |env| {
                let args = ["--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit.as_str(), "--", path];
                Ok(parse_tree_line(&self.git_cmd(args).run_checked(env)?.stdout))
            },
        )
    }

    /// Whether a commit has a directory at this path.
    pub fn has_dir_at(&self, commit: &Oid, path: &str) -> Result<bool, GitError> {
        self.read_object(
            |lib| match lib.find_commit(commit.to_git2()?)?.tree()?.get_path(Path::new(path)) {
                Ok(entry) => Ok(entry.kind() == Some(git2::ObjectType::Tree)),
                Err(error) if is_absent(&error) => Ok(false),
                Err(error) => Err(error),
            },
            || format!("{path} of commit {commit}"),
            |env| {
                let args = ["--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit.as_str(), "--", path];
                let entry = parse_tree_line(&self.git_cmd(args).run_checked(env)?.stdout);
                Ok(entry.is_some_and(|entry| entry.mode & 0o170_000 == 0o040_000))
            },
        )
    }

    /// Returns a file's entry in the index; `None` if it has none, or only entries of a conflict.
    pub fn index_entry(&self, path: &str) -> Result<Option<GitEntry>, GitError> {
        if let Some(index) = self.lib_index() {
            return Ok(index.get_path(Path::new(path), 0).map(|e| GitEntry { id: e.id.into(), mode: e.mode }));
        }
        let output = self.query_git(["--literal-pathspecs", "ls-files", "-s", "-z", "--full-name", "--", path])?;
        let mut lines = output.stdout.split(|byte| *byte == 0).filter_map(parse_index_line);
        Ok(lines.find(|(_, stage, name)| *stage == 0 && name == Path::new(path)).map(|(entry, ..)| entry))
    }

    /// Returns the index's entries in conflict, each with its stage: 1 the common ancestor, 2 the current side, 3 the
    /// other side. With `undone`, the conflicts that were resolved since, which `git checkout -m` restores.
    pub fn index_conflicts(&self, undone: bool) -> Result<Vec<(PathBuf, u8, GitEntry)>, GitError> {
        let which = if undone { "--resolve-undo" } else { "--unmerged" };
        let output = self.query_git(["ls-files", which, "-z", "--full-name"])?;
        let lines = output.stdout.split(|byte| *byte == 0).filter_map(parse_index_line);
        Ok(lines.map(|(entry, stage, path)| (path, stage, entry)).collect())
    }

    /// Returns the tracked files of this name (`.dvc/config`) in any directory. If the index is empty, as in a clone
    /// without a checkout, those in HEAD.
    pub fn tracked_files_named(&self, name: &str) -> Result<Vec<String>, GitError> {
        let has_name = |path: &[u8]| {
            let dir = path.strip_suffix(name.as_bytes());
            dir.is_some_and(|dir| dir.is_empty() || dir.ends_with(b"/"))
        };
        let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
        let split_paths =
            |output: Vec<u8>| output.split(|byte| *byte == 0).filter(|path| has_name(path)).map(text).collect();
        let (found, empty): (Vec<String>, bool) = match self.lib_index() {
            Some(index) => {
                let found = index.iter().filter(|entry| has_name(&entry.path)).map(|entry| text(&entry.path));
                (found.collect(), index.is_empty())
            }
            None => {
                let found: Vec<String> = split_paths(
                    self.query_git(["ls-files", "-z", "--full-name", "--", &format!(":(top,glob)**/{name}")])?.stdout,
                );
                let empty = found.is_empty() && self.query_git(["ls-files", "-z"])?.stdout.is_empty();
                (found, empty)
            }
        };
        if !empty || self.head()?.is_none() {
            return Ok(found);
        }
        Ok(split_paths(self.query_git(["ls-tree", "-r", "-z", "--name-only", "--full-tree", "HEAD"])?.stdout))
    }

    /// Whether the index holds a file below this directory.
    pub fn index_holds_below(&self, dir: &str) -> Result<bool, GitError> {
        if let Some(index) = self.lib_index() {
            return Ok(index.find_prefix(format!("{dir}/")).is_ok());
        }
        let output = self.query_git(["ls-files", "-z", "--full-name", "--", &format!(":(top,literal){dir}/")])?;
        Ok(!output.stdout.is_empty())
    }

    /// Whether git tracks this path: the file itself, or a link or another repository in place of one of its parents.
    /// Case is ignored, because some file systems ignore it.
    pub fn index_covers(&self, path: &str) -> Result<bool, GitError> {
        let path = path.as_bytes();
        let covers = |entry: &[u8]| {
            let start = path.get(..entry.len()).is_some_and(|start| start.eq_ignore_ascii_case(entry));
            start && matches!(path.get(entry.len()), None | Some(b'/'))
        };
        if let Some(index) = self.lib_index() {
            return Ok(index.iter().any(|entry| covers(&entry.path)));
        }
        let output = self.git_cmd(["ls-files", "-z", "--full-name", "--", ":(top)"]).run_checked(self.env())?;
        Ok(output.stdout.split(|byte| *byte == 0).any(|entry| !entry.is_empty() && covers(entry)))
    }

    /// A blob's bytes.
    pub fn read_blob(&self, id: &Oid) -> Result<Vec<u8>, GitError> {
        self.read_object(
            |lib| Ok(lib.find_blob(id.to_git2()?)?.content().to_vec()),
            || format!("blob {id}"),
            |env| Ok(self.git_cmd(["cat-file", "blob", id.as_str()]).run_checked(env)?.stdout),
        )
    }

    /// Returns a blob's size in bytes, unpacked.
    pub fn blob_size(&self, id: &Oid) -> Result<u64, GitError> {
        self.read_object(
            |lib| Ok(lib.odb()?.read_header(id.to_git2()?)?.0 as u64),
            || format!("blob {id}"),
            // `cat-file -s` prints a number; other output counts as too large to read.
            |env| {
                Ok(self
                    .git_cmd(["cat-file", "-s", id.as_str()])
                    .run_checked(env)?
                    .stdout_text()
                    .parse()
                    .unwrap_or(u64::MAX))
            },
        )
    }

    /// Returns the first parent of a path, or the first thing below it, that git tracks as a link or as another
    /// repository.
    pub fn tracked_link(&self, path: &Path) -> Result<Option<PathBuf>, GitError> {
        let Some(top) = self.work_tree.as_deref() else { return Ok(None) };
        let Ok(inner) = path.strip_prefix(top) else { return Ok(None) };
        let mut at = PathBuf::new();
        for name in inner.components() {
            at.push(name);
            let Some(text) = at.to_str() else { return Ok(None) };
            if self.index_entry(text)?.is_some_and(|entry| !entry.is_file()) {
                return Ok(Some(top.join(at)));
            }
        }
        Ok(self.index_below(&at)?.into_iter().find(|(entry, _)| !entry.is_file()).map(|(_, path)| top.join(path)))
    }

    /// Returns the index's entries below a directory.
    fn index_below(&self, dir: &Path) -> Result<Vec<(GitEntry, PathBuf)>, GitError> {
        let prefix = format!("{}/", dir.display());
        if let Some(index) = self.lib_index() {
            let Ok(first) = index.find_prefix(&prefix) else { return Ok(Vec::new()) };
            let rest = (first..index.len()).map_while(|at| index.get(at));
            let below = rest.take_while(|e| e.path.starts_with(prefix.as_bytes()));
            let entry = |e: git2::IndexEntry| {
                (GitEntry { id: e.id.into(), mode: e.mode }, PathBuf::from(OsStr::from_bytes(&e.path)))
            };
            return Ok(below.map(entry).collect());
        }
        let output =
            self.query_git(["ls-files", "-s", "-z", "--full-name", "--", &format!(":(top,literal){prefix}")])?;
        let lines = output.stdout.split(|byte| *byte == 0);
        Ok(lines.filter_map(parse_index_line).map(|(entry, _, path)| (entry, path)).collect())
    }

    /// Returns the index, read once; `None` if libgit2 cannot read it (a sparse or split index).
    pub(super) fn lib_index(&self) -> Option<&git2::Index> {
        self.lib.as_ref()?;
        self.index.get_or_init(|| git2::Index::open(&self.index_file).ok()).as_ref()
    }

    /// Forgets the index read so far. To be called after the git program has changed it.
    pub fn drop_index_cache(&mut self) {
        self.index.take();
    }
}

/// Parses a line of `git ls-files -s -z`: the entry, its stage (0 without a conflict), the path.
pub(super) fn parse_index_line(line: &[u8]) -> Option<(GitEntry, u8, PathBuf)> {
    let at = line.iter().position(|byte| *byte == b'\t')?;
    let facts = std::str::from_utf8(line.get(..at)?).ok()?;
    let path = PathBuf::from(OsStr::from_bytes(line.get(at + 1..)?));
    let words: Vec<&str> = facts.split(' ').collect();
    let [mode, id, stage] = words.as_slice() else { return None };
    let entry = GitEntry { id: Oid::parse(id)?, mode: u32::from_str_radix(mode, 8).ok()? };
    Some((entry, stage.parse().ok()?, path))
}

pub(super) fn lib_entry_at(
    lib: &git2::Repository,
    trees: &CommitTrees,
    commit: &Oid,
    path: &str,
) -> Result<Option<GitEntry>, git2::Error> {
    // Read once: the message of a commit of many runs is long.
    let commit = commit.to_git2()?;
    let known = trees.borrow().get(&commit).copied();
    let id = match known {
        Some(id) => id,
        None => lib.find_commit(commit)?.tree_id(),
    };
    trees.borrow_mut().insert(commit, id);
    let tree = lib.find_tree(id)?;
    match tree.get_path(Path::new(path)) {
        Ok(entry) if entry.kind() == Some(git2::ObjectType::Blob) => {
            Ok(Some(GitEntry { id: entry.id().into(), mode: u32::try_from(entry.filemode()).unwrap_or_default() }))
        }
        Ok(_) => Ok(None),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a name is not in the tree. Class `Odb` would be a missing object, which is an error.
fn is_absent(error: &git2::Error) -> bool {
    error.code() == git2::ErrorCode::NotFound && error.class() == git2::ErrorClass::Tree
}

/// Parses a line of `git ls-tree -z`.
fn parse_tree_line(output: &[u8]) -> Option<GitEntry> {
    let text = String::from_utf8_lossy(output).into_owned();
    let mut words = text.split(['\t', '\0']).next().unwrap_or_default().split(' ');
    match (words.next(), words.next(), words.next().and_then(Oid::parse)) {
        (Some(mode), Some("blob"), Some(id)) => {
            Some(GitEntry { id, mode: u32::from_str_radix(mode, 8).unwrap_or_default() })
        }
        _ => None,
    }
}

//! Every version of some files in history, in indexes and in working trees, found by their names. Read only.
//!
//! Git is asked for what differs between a commit and each parent: a version that no commit changed is its parent's. What a
//! user's settings would change in git's output is set for each call; grafts and replaced objects are passed over, because
//! they hide history that is there without them.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::FileType;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::git::error::GitError;
use crate::git::read::{GitEntry, Oid, parse_index_line};
use crate::git::repo::{Repo, read_only_env};
use crate::git::retained::WorkTreeDirs;
use crate::support::env::Env;

/// A version of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileVersion {
    /// A commit that has it; `None` of an index.
    pub commit: Option<Oid>,
    /// Its path from the top, as bytes.
    pub path: Vec<u8>,
    /// The file mode: `0o120000` for a link, `0o160000` for another repository.
    pub mode: u32,
    /// Its content.
    pub blob: Oid,
}

/// How many files' contents are in memory at once.
const BATCH: usize = 200;

impl Repo {
    /// Every version of the files that these pathspecs match, in the commits that `tips` reach and `without` do not. With
    /// `only_tips`, in these commits alone: what they changed.
    pub fn list_file_versions(
        &self,
        tips: &BTreeSet<Oid>,
        without: &BTreeSet<Oid>,
        only_tips: bool,
        pathspecs: &[&str],
    ) -> Result<Vec<FileVersion>, GitError> {
        if tips.is_empty() {
            return Ok(Vec::new());
        }
        let mut args =
            vec!["-c", "log.showRoot=true", "-c", "log.showSignature=false", "-c", "log.diffMerges=separate"];
        args.extend(["log", "--stdin", "--full-history", "-m", "--raw", "--no-abbrev", "--no-renames"]);
        args.extend([
            "--diff-filter=d",
            "-z",
            "--no-notes",
            "--no-color",
            "--no-show-signature",
            "--ignore-submodules=all",
        ]);
        args.push("--format=tformat:%x01%H");
        if only_tips {
            args.push("--no-walk=unsorted");
        }
        args.push("--");
        args.extend(pathspecs);
        let mut lines: String = tips.iter().map(|id| format!("{id}\n")).collect();
        lines.extend(without.iter().map(|id| format!("^{id}\n")));
        let output = self.git_cmd(args).stdin(lines.into_bytes()).run_checked(&self.history_env())?;
        let (mut versions, mut commit) = (BTreeSet::new(), None);
        let mut parts = output.stdout.split(|byte| *byte == 0);
        while let Some(part) = parts.next() {
            let part = part.trim_ascii_start();
            if let Some(id) = part.strip_prefix(b"\x01") {
                commit = Oid::parse(std::str::from_utf8(id).unwrap_or_default());
            } else if let Some(facts) = part.strip_prefix(b":") {
                let path = parts.next().unwrap_or_default().to_vec();
                let facts: Vec<&str> = std::str::from_utf8(facts).unwrap_or_default().split(' ').collect();
                let [_, mode, _, blob, _] = facts.as_slice() else { continue };
                let (Ok(mode), Some(blob)) = (u32::from_str_radix(mode, 8), Oid::parse(blob)) else { continue };
                versions.insert(FileVersion { commit: commit.clone(), path, mode, blob });
            }
        }
        Ok(versions.into_iter().collect())
    }

    /// The files below a tree, or the file itself, that refs name without a commit.
    pub fn list_tree_files(&self, object: &Oid) -> Result<Vec<FileVersion>, GitError> {
        let kind = self.git_cmd(["cat-file", "-t", object.as_str()]).run_checked(&self.history_env())?.stdout_text();
        if kind == "blob" {
            let (path, blob) = (Vec::new(), object.clone());
            return Ok(vec![FileVersion { commit: None, path, mode: 0o100_644, blob }]);
        }
        let cmd = self.git_cmd(["ls-tree", "-r", "-z", "--full-tree", object.as_str()]);
        let output = cmd.run_checked(&self.history_env())?;
        let parse_line = |line: &[u8]| {
            let at = line.iter().position(|byte| *byte == b'\t')?;
            let facts: Vec<&str> = std::str::from_utf8(line.get(..at)?).ok()?.split(' ').collect();
            let [mode, _, blob] = facts.as_slice() else { return None };
            let mode = u32::from_str_radix(mode, 8).ok()?;
            Some(FileVersion { commit: None, path: line.get(at + 1..)?.to_vec(), mode, blob: Oid::parse(blob)? })
        };
        Ok(output.stdout.split(|byte| *byte == 0).filter_map(parse_line).collect())
    }

    /// Every entry of a working tree's index, those of conflicts too.
    pub fn list_index_files(&self, tree: &WorkTreeDirs) -> Result<Vec<FileVersion>, GitError> {
        // The index that a hook of `git commit -o` gets is another one.
        let given = self.index_file.clone();
        let indexes = [tree.git_dir.join("index"), if tree.git_dir == self.git_dir { given } else { PathBuf::new() }];
        let indexes: BTreeSet<PathBuf> = indexes.into_iter().filter(|index| index.is_file()).collect();
        let mut versions = Vec::new();
        for index in indexes {
            let env = read_only_env(self.env()).with_var("GIT_INDEX_FILE", index);
            let output = self.cmd_in_tree(tree, &["ls-files", "-s", "-z", "--full-name"]).run_checked(&env)?;
            let entries = output.stdout.split(|byte| *byte == 0).filter_map(parse_index_line);
            versions.extend(entries.map(|(GitEntry { id, mode }, _, path)| {
                let path = path.as_os_str().as_bytes().to_vec();
                FileVersion { commit: None, path, mode, blob: id }
            }));
        }
        Ok(versions)
    }

    /// The files in a working tree that these pathspecs match, tracked or not, ignored or not; paths from its top. Fails if a
    /// directory cannot be listed, in which there could be others.
    pub fn list_present_files(&self, tree: &WorkTreeDirs, pathspecs: &[&str]) -> Result<Vec<PathBuf>, GitError> {
        let Some(work_tree) = &tree.work_tree else { return Ok(Vec::new()) };
        // DVC's own cache holds very many files, and none of these names.
        let exclude = "--exclude=**/.dvc/cache/";
        let args = [&["ls-files", "-z", "--full-name", "--cached", "--others", exclude, "--"], pathspecs].concat();
        let env = read_only_env(self.env()).with_var("GIT_INDEX_FILE", tree.git_dir.join("index"));
        let output = self.cmd_in_tree(tree, &args).run_checked(&env.with_var("LC_ALL", "C"))?;
        if let Some(dir) = find_unlisted(&output.stderr) {
            let dir = work_tree.join(OsStr::from_bytes(dir));
            return list_entries(&dir).and_then(|_| Err(not_listed(&dir, io::Error::other("git cannot list it"))));
        }
        let paths = output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty() && !path.ends_with(b"/"));
        let paths: BTreeSet<PathBuf> = paths.map(|path| PathBuf::from(OsStr::from_bytes(path))).collect();
        Ok(paths.into_iter().collect())
    }

    /// Reads the contents of files, each once; `each` gets `None` for one that this clone lacks and cannot fetch, and for one
    /// of more than `most_bytes`.
    pub fn read_blobs(
        &self,
        blobs: &BTreeSet<Oid>,
        most_bytes: u64,
        mut each: impl FnMut(&Oid, Option<&[u8]>),
    ) -> Result<(), GitError> {
        for chunk in Vec::from_iter(blobs).chunks(BATCH) {
            let lines = |ids: &[&Oid]| ids.iter().map(|id| format!("{id}\n")).collect::<String>().into_bytes();
            let format = "--batch-check=%(objectname) %(objecttype) %(objectsize)";
            let sizes = self.git_cmd(["cat-file", format]).stdin(lines(chunk)).run_checked(&self.history_env())?;
            let sizes = sizes.stdout_text();
            let is_small = |line: &str| {
                let (id, size) = line.split_once(" blob ")?;
                Oid::parse(id).filter(|_| size.parse::<u64>().is_ok_and(|size| size <= most_bytes))
            };
            let small: BTreeSet<Oid> = sizes.lines().filter_map(is_small).collect();
            chunk.iter().filter(|id| !small.contains(**id)).for_each(|id| each(id, None));
            let small: Vec<&Oid> = small.iter().collect();
            let output = self.git_cmd(["cat-file", "--batch"]).stdin(lines(&small)).run_checked(&self.history_env())?;
            let mut rest = output.stdout.as_slice();
            for id in small {
                // `<id> blob <size>`, a line break, the content, a line break.
                let content = rest.iter().position(|byte| *byte == b'\n').and_then(|end| {
                    let header = std::str::from_utf8(rest.get(..end)?).ok()?;
                    let size: usize = header.strip_prefix(id.as_str())?.strip_prefix(" blob ")?.parse().ok()?;
                    let content = rest.get(end + 1..)?.get(..size)?;
                    rest = rest.get(end + 1 + size + 1..)?;
                    Some(content)
                });
                each(id, content);
            }
        }
        Ok(())
    }

    fn cmd_in_tree(&self, tree: &WorkTreeDirs, args: &[&str]) -> crate::support::process::Cmd {
        let work_tree = tree.work_tree.as_ref().unwrap_or(&tree.git_dir);
        let option = |name: &str, path: &PathBuf| {
            let mut option = OsString::from(name);
            option.push(path);
            option
        };
        let mut words: Vec<OsString> = vec!["-c".into(), "core.bare=false".into()];
        words.extend([option("--git-dir=", &tree.git_dir), option("--work-tree=", work_tree)]);
        words.extend(args.iter().map(OsString::from));
        self.git_cmd(words).dir(work_tree)
    }

    /// The environment for reading history as it is. A command that the user typed may fetch what a partial clone lacks.
    fn history_env(&self) -> Env {
        let env = if self.may_fetch() { self.env().clone() } else { read_only_env(self.env()) };
        env.with_var("GIT_NO_REPLACE_OBJECTS", "1").with_var("GIT_GRAFT_FILE", "/dev/null").with_var("LC_ALL", "C")
    }
}

/// The first directory that `git ls-files` could not list: it warns of it, and succeeds (`dir.c`, `open_cached_dir`). One that
/// is gone meanwhile holds nothing.
fn find_unlisted(warnings: &[u8]) -> Option<&[u8]> {
    let mut lines = warnings.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let at = memchr::memmem::find(line, b"could not open directory '")?;
        let quoted = line.get(at..)?.splitn(2, |byte| *byte == b'\'').nth(1)?;
        if quoted.ends_with(b"': No such file or directory") {
            return None;
        }
        // A name can hold a line break: then it is not known which of all directories it is.
        Some(memchr::memmem::rfind(quoted, b"': ").and_then(|end| quoted.get(..end)).unwrap_or_default())
    })
}

/// What is in a directory, and of what kind; nothing if it does not exist. Fails if anything in it is not known.
pub fn list_entries(dir: &Path) -> Result<Vec<(PathBuf, FileType)>, GitError> {
    // What another program removes meanwhile is not there.
    let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let list = || -> io::Result<Vec<(PathBuf, FileType)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            match entry.file_type() {
                Ok(kind) => found.push((entry.path(), kind)),
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    };
    match list() {
        Err(error) if is_gone(&error) => Ok(Vec::new()),
        listed => listed.map_err(|error| not_listed(dir, error)),
    }
}

fn not_listed(dir: &Path, source: io::Error) -> GitError {
    GitError::NotListed { dir: dir.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_git_passes_over_is_found_in_its_warnings() {
        let warning = "warning: could not open directory 'a 'b': c/': Permission denied\n";
        let gone = "warning: could not open directory 'gone/': No such file or directory\n";
        let found =
            |warnings: &str| find_unlisted(warnings.as_bytes()).map(|dir| String::from_utf8_lossy(dir).into_owned());
        assert_eq!(found(warning).as_deref(), Some("a 'b': c/"));
        assert_eq!(found(&format!("warning: x\n{gone}{warning}{warning}")).as_deref(), Some("a 'b': c/"));
        assert_eq!(found("warning: could not open directory 'a\nb/': Permission denied\n").as_deref(), Some(""));
        assert_eq!(found(&format!("{gone}warning: unable to access 'x': Permission denied\n")), None);
    }
}

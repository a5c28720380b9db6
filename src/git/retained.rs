//! Everything that git keeps: the commits of every ref, of the HEADs, of operations in progress and of recent reflog entries,
//! in all working trees of the repository. Read only.
//!
//! Broader than a walk of branches and tags, because who deletes data by it must leave out nothing: every ref counts,
//! whatever its name, and every full id in the small files by which git remembers a merge, a rebase or a fetch.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::git::error::GitError;
use crate::git::read::Oid;
use crate::git::repo::{Repo, read_only_env};
use crate::support::fs;
use crate::support::process::ProcessOutput;

/// Git remembers no operation by a larger file in its directory.
const MOST_BYTES: u64 = 4 << 20;

/// A working tree and its git directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkTreeDirs {
    /// `.git`, or `.git/worktrees/NAME`.
    pub git_dir: PathBuf,
    /// Its files; `None` for a bare repository.
    pub work_tree: Option<PathBuf>,
}

/// What git keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetainedObjects {
    /// Commits. All that they reach is kept, too.
    pub commits: BTreeSet<Oid>,
    /// Trees and files that refs name directly.
    pub others: BTreeSet<Oid>,
    /// Commits that reflogs or operations name, and that git does not have any more.
    pub lost: BTreeSet<Oid>,
}

impl Repo {
    /// Every working tree: the main one and the linked ones. Fails if the files of one cannot be reached.
    pub fn find_work_tree_dirs(&self) -> Result<Vec<WorkTreeDirs>, GitError> {
        let mut trees = vec![WorkTreeDirs { git_dir: self.common_dir.clone(), work_tree: self.main_tree() }];
        let linked = self.common_dir.join("worktrees");
        for git_dir in list_dir(&linked)? {
            let Some(link) = fs::read_within(&git_dir.join("gitdir"), MOST_BYTES)? else { continue };
            let link = git_dir.join(String::from_utf8_lossy(&link).trim_end_matches(['\n', '\r']));
            let work_tree = link.parent().map(Path::to_path_buf).unwrap_or_default();
            trees.push(WorkTreeDirs { git_dir, work_tree: Some(work_tree) });
        }
        // This one can be known by its environment alone.
        let this = WorkTreeDirs { git_dir: self.git_dir.clone(), work_tree: self.work_tree.clone() };
        if !trees.contains(&this) {
            trees.push(this);
        }
        match trees.iter().filter_map(|tree| tree.work_tree.as_ref()).find(|dir| !dir.is_dir()) {
            Some(dir) => Err(GitError::WorkTreeGone { dir: dir.clone() }),
            None => Ok(trees),
        }
    }

    /// What git keeps. Entries of reflogs count from `since` on, in seconds since the Unix epoch; those of stashes always.
    pub fn find_retained(&self, since: i64) -> Result<RetainedObjects, GitError> {
        let refs = self.run_checked_query(&["for-each-ref", "--format=%(objectname)"])?;
        let required: BTreeSet<Oid> = refs.stdout_text().lines().filter_map(Oid::parse).collect();
        let mut named = self.reflog_ids(since)?;
        for tree in self.find_work_tree_dirs()? {
            named.extend(operation_ids(&tree.git_dir, since)?);
        }
        let trees = self.run_checked_query(&["worktree", "list", "--porcelain"])?;
        let heads = trees.stdout_text();
        named.extend(heads.lines().filter_map(|line| Oid::parse(line.strip_prefix("HEAD ")?)));
        named.retain(|id| !id.is_null() && !required.contains(id));
        let mut retained = RetainedObjects::default();
        self.sort_by_type(&required, &mut retained)?;
        if let Some(lost) = retained.lost.first() {
            return Err(GitError::BrokenRef { id: lost.to_string() });
        }
        self.sort_by_type(&named, &mut retained)?;
        Ok(retained)
    }

    /// Adds objects, tags peeled, to what is kept.
    pub fn sort_by_type(&self, ids: &BTreeSet<Oid>, retained: &mut RetainedObjects) -> Result<(), GitError> {
        if ids.is_empty() {
            return Ok(());
        }
        let lines: String = ids.iter().map(|id| format!("{id}^{{}}\n")).collect();
        let cmd = self.git_cmd(["cat-file", "--batch-check=%(objectname) %(objecttype)"]).stdin(lines.into_bytes());
        let output = cmd.run_checked(&read_only_env(self.env()))?;
        for line in output.stdout_text().lines() {
            match line.split_once(' ') {
                Some((id, "commit")) => retained.commits.extend(Oid::parse(id)),
                Some((id, "tree" | "blob")) => retained.others.extend(Oid::parse(id)),
                // `<id>^{} missing`
                Some((name, _)) => retained.lost.extend(name.strip_suffix("^{}").and_then(Oid::parse)),
                None => {}
            }
        }
        Ok(())
    }

    /// Both ids of each entry: what an entry replaced was there until its time.
    fn reflog_ids(&self, since: i64) -> Result<BTreeSet<Oid>, GitError> {
        let mut ids = BTreeSet::new();
        if self.common_dir.join("reftable").is_dir() {
            // Its logs are not files: all entries count, whatever their time.
            let output = self.run_checked_query(&["rev-list", "--reflog", "--no-walk", "--ignore-missing"])?;
            ids.extend(output.stdout_text().lines().filter_map(Oid::parse));
            let refs = self.run_checked_query(&["for-each-ref", "--include-root-refs", "--format=%(objectname)"])?;
            ids.extend(refs.stdout_text().lines().filter_map(Oid::parse));
        }
        let linked = list_dir(&self.common_dir.join("worktrees"))?;
        for dir in linked.into_iter().chain([self.common_dir.clone(), self.git_dir.clone()]) {
            for log in list_files(&dir.join("logs"))? {
                // The entries of a stash are its states, however old.
                let is_stash = log.file_name().is_some_and(|name| name == "stash");
                let text = fs::read_optional(&log)?.unwrap_or_default();
                for line in text.split(|byte| *byte == b'\n') {
                    let line = String::from_utf8_lossy(line);
                    let facts = line.split('\t').next().unwrap_or_default();
                    let words: Vec<&str> = facts.split(' ').collect();
                    let [old, new, .., time, _] = words.as_slice() else { continue };
                    // An entry whose time is not understood counts.
                    if is_stash || time.parse::<i64>().map_or(true, |time| time >= since) {
                        ids.extend([old, new].into_iter().filter_map(|id| Oid::parse(id)));
                    }
                }
            }
        }
        Ok(ids)
    }

    /// Every commit that is in this clone, reached or not. Takes time with the size of the repository.
    pub fn list_all_commits(&self) -> Result<BTreeSet<Oid>, GitError> {
        let format = "--batch-check=%(objecttype) %(objectname)";
        let output = self.run_checked_query(&["cat-file", "--batch-all-objects", "--unordered", format])?;
        Ok(output.stdout_text().lines().filter_map(|line| Oid::parse(line.strip_prefix("commit ")?)).collect())
    }

    /// Whether this clone borrows objects of another one: then a commit that nothing reaches here may be reached there.
    pub fn borrows_objects(&self) -> Result<bool, GitError> {
        let alternates = fs::read_within(&self.common_dir.join("objects/info/alternates"), MOST_BYTES)?;
        let by_env = self.env().get("GIT_ALTERNATE_OBJECT_DIRECTORIES").is_some_and(|dirs| !dirs.is_empty());
        Ok(by_env || alternates.is_some_and(|text| !text.trim_ascii().is_empty()))
    }

    /// The ids that a remote's refs have now, and their names. Asks the remote.
    pub fn list_remote_refs(&self, remote: &str) -> Result<Vec<(Oid, String)>, GitError> {
        let cmd = self.git_cmd(["ls-remote", "--quiet", "--", remote]).may_prompt();
        let output = cmd.run_checked(self.env())?.stdout_text();
        let parse_line = |line: &str| {
            let (id, name) = line.split_once('\t')?;
            Some((Oid::parse(id)?, name.to_owned()))
        };
        Ok(output.lines().filter_map(parse_line).collect())
    }

    /// The names of git's remotes.
    pub fn list_remotes(&self) -> Result<Vec<String>, GitError> {
        Ok(self.run_checked_query(&["remote"])?.stdout_text().lines().map(str::to_owned).collect())
    }

    /// Runs git for reading only; an exit code other than 0 is an error.
    pub(super) fn run_checked_query(&self, args: &[&str]) -> Result<ProcessOutput, GitError> {
        Ok(self.git_cmd(args.iter().copied()).run_checked(&read_only_env(self.env()))?)
    }
}

/// What git writes and never removes: like entries of reflogs, they count for a time.
const LEFT_BEHIND: [&str; 2] = ["ORIG_HEAD", "FETCH_HEAD"];

/// The ids in a git directory's own files: `MERGE_HEAD`, `rebase-merge/orig-head`, the refs of this working tree.
fn operation_ids(git_dir: &Path, since: i64) -> Result<BTreeSet<Oid>, GitError> {
    let mut files: Vec<PathBuf> = list_dir(git_dir)?;
    files.retain(|path| {
        // The index, packed refs and the like hold no operation; they can be large.
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_old = || LEFT_BEHIND.contains(&name) && changed_before(path, since);
        path.is_file() && (name.ends_with("HEAD") || name.ends_with("_REV") || name == "MERGE_AUTOSTASH") && !is_old()
    });
    for dir in ["rebase-merge", "rebase-apply", "sequencer", "refs"] {
        files.extend(list_files(&git_dir.join(dir))?);
    }
    let mut ids = BTreeSet::new();
    for file in files {
        let text = fs::read_within(&file, MOST_BYTES)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        ids.extend(text.split(|c: char| !c.is_ascii_hexdigit()).filter_map(Oid::parse));
    }
    Ok(ids)
}

/// Whether a file was written before a time; false if that is not known.
fn changed_before(path: &Path, since: i64) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.mtime() < since)
}

fn list_dir(dir: &Path) -> Result<Vec<PathBuf>, GitError> {
    use crate::support::fs::At;
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.at("list", dir)?,
    };
    let paths = entries.map(|entry| Ok(entry.at("list", dir)?.path()));
    paths.collect::<Result<Vec<PathBuf>, fs::FsError>>().map_err(GitError::from)
}

fn list_files(dir: &Path) -> Result<Vec<PathBuf>, GitError> {
    let (mut files, mut todo) = (Vec::new(), vec![dir.to_path_buf()]);
    while let Some(dir) = todo.pop() {
        for path in list_dir(&dir)? {
            // A link is followed by git, too; one to a directory could lead in a circle.
            if path.is_dir() && !path.is_symlink() { todo.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

//! Which objects a repository needs: those that any file of DVC's names, in any commit that git keeps, in any index and in
//! any working tree, of all DVC projects and stages in it.
//!
//! What is not understood counts as needed (`dvc::named_objects`); what cannot be read is an error or is named, so that
//! nothing is deleted by an incomplete answer. Each file is read once by its id in git and each list once by its hash: versions
//! that differ little cost little memory, because a set of hashes is all that is kept.

pub mod explained;
mod list_reader;
mod uncached;

pub use list_reader::{ListReader, each_listed_hash};

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::named_objects::{ListUse, NamedObjects, PATHSPECS, names_objects};
use crate::dvc::stored_objects::ObjectName;
use crate::error::ExitKind::{CheckFailed, Setup};
use crate::error::{Explain, Explanation};
use crate::git::{FileVersion, GitError, Oid, Repo, RetainedObjects, UNSHALLOW, WorkTreeDirs, list_entries};
use crate::project::{ProjectError, Reporter};
use crate::support::beneath::RootDir;
use crate::support::fs::FsError;
use crate::support::limits;
use crate::support::text::format_plural;
use crate::support::visible::escape_control;

/// Why it cannot be known which objects are needed.
#[derive(Debug, thiserror::Error)]
pub enum NeededError {
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A shallow clone.
    #[error("{} is a shallow clone: it does not know which data its older commits need", dir.display())]
    Shallow {
        /// The clone.
        dir: PathBuf,
    },
    /// A file that names objects, and cannot be read.
    #[error("cannot read {what}, so it is not known which data it needs")]
    Unreadable {
        /// Which.
        what: String,
    },
    /// Lists of directories that are nowhere.
    #[error(
        "the file list{} of {} cannot be found, in no cache and on no remote, so it is not known which files {} need{}{}",
        if *more > 0 { "s" } else { "" },
        if *more > 0 { format!("{list} ({path}{at}) and {}", format_plural(*more as u64, "other data version")) } else { format!("{list} ({path}{at})") },
        if *more > 0 { "they" } else { "it" },
        if *more > 0 { "" } else { "s" },
        why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default(),
    )]
    ListsLost {
        /// The first one.
        list: DataVersion,
        /// The file that names it.
        path: String,
        /// The commit, in words; empty without one.
        at: String,
        /// How many others there are.
        more: usize,
        /// Why DVC did not fetch them, if it was asked.
        why: Option<String>,
    },
}

impl Explain for NeededError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Project(error) => error.explain(),
            Self::Shallow { .. } => {
                Setup.code("shallow_clone").hint(format!("fetch the rest of its history with {UNSHALLOW}"))
            }
            Self::Unreadable { .. } => CheckFailed
                .code("needed_data_unknown")
                .hint("in a partial clone, fetch what is missing: `git fetch --refetch --no-filter`"),
            Self::ListsLost { list, more, .. } => {
                let explanation = CheckFailed
                    .code("file_list_lost")
                    .hint("fetch it, or have it pushed from a clone that has it: `capture-hook push --all`");
                let dots = if *more > 0 { " …" } else { "" };
                explanation.hint(format!(
                    "if no clone has it, nothing can check it out any more: leave it out with `--lost {list}`{dots}"
                ))
            }
        }
    }
}

impl From<GitError> for NeededError {
    fn from(error: GitError) -> Self {
        Self::Project(error.into())
    }
}

impl From<FsError> for NeededError {
    fn from(error: FsError) -> Self {
        Self::Project(error.into())
    }
}

/// What counts.
#[derive(Debug, Clone, Default)]
pub struct NeedScope {
    /// From when on entries of reflogs count, in seconds since the Unix epoch.
    pub since: i64,
    /// Commits that count in addition, such as those of a remote's refs now.
    pub also: BTreeSet<Oid>,
    /// Lists that are lost for good: their files are not needed for their sake.
    pub lost: BTreeSet<DataVersion>,
}

/// What a repository needs.
#[derive(Debug, Default)]
pub struct NeededObjects {
    /// Files.
    pub files: HashSet<DvcHash>,
    /// Lists of directories.
    pub lists: HashSet<DvcHash>,
    /// The commits that git keeps: the ends, not all that they reach.
    pub commits: BTreeSet<Oid>,
    /// How many versions of DVC's files name objects.
    pub named_by: usize,
    /// How many lists were read.
    pub lists_read: usize,
    /// Files of DVC's that cannot be parsed: every hash in their text counts.
    pub unparsed: BTreeSet<String>,
    /// How many commits reflogs name that git does not have any more.
    pub lost_commits: usize,
}

impl NeededObjects {
    /// Whether an object is needed.
    #[must_use]
    pub fn contains(&self, name: ObjectName) -> bool {
        if name.is_list { self.lists.contains(&name.hash) } else { self.files.contains(&name.hash) }
    }

    /// Adds what another repository needs.
    pub fn extend(&mut self, other: Self) {
        self.files.extend(other.files);
        self.lists.extend(other.lists);
        self.named_by += other.named_by;
        self.lists_read += other.lists_read;
        self.unparsed.extend(other.unparsed);
    }
}

/// The roots of all DVC projects in a repository's working trees, checked out now.
pub fn find_project_roots(repo: &Repo) -> Result<BTreeSet<PathBuf>, GitError> {
    let mut roots = BTreeSet::new();
    for tree in repo.find_work_tree_dirs()? {
        let Some(top) = &tree.work_tree else { continue };
        for config in repo.list_present_files(&tree, &[":(top,glob)**/.dvc/config"])? {
            let root = config.parent().and_then(Path::parent).unwrap_or(Path::new(""));
            roots.insert(top.join(root));
        }
    }
    Ok(roots)
}

/// Finds what a repository needs.
pub fn find_needed(
    repo: &Repo,
    scope: &NeedScope,
    lists: &ListReader<'_>,
    reporter: &dyn Reporter,
) -> Result<NeededObjects, NeededError> {
    if !repo.shallow_ends()?.is_empty() {
        return Err(NeededError::Shallow { dir: repo.common_dir().to_path_buf() });
    }
    let mut retained = repo.find_retained(scope.since)?;
    retained.commits.extend(scope.also.iter().cloned());
    let mut search = Search::new(repo, reporter);
    search.read_history(&retained)?;
    for tree in repo.find_work_tree_dirs()? {
        search.read_index(&tree)?;
        search.read_files(&tree)?;
    }
    for dir in lists.dirs() {
        search.read_run_cache(&dir.join("runs"))?;
    }
    let mut needed = search.read_lists(scope, lists)?;
    needed.lost_commits = retained.lost.len();
    needed.commits = retained.commits;
    Ok(needed)
}

/// Where a file of DVC's is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct FoundAt {
    commit: Option<Oid>,
    /// From the top of the working tree.
    path: String,
}

struct Search<'a> {
    repo: &'a Repo,
    reporter: &'a dyn Reporter,
    needed: NeededObjects,
    /// Lists of outputs: what names each, and the output's path as written there.
    outputs: BTreeMap<DataVersion, BTreeSet<(FoundAt, String)>>,
    /// Other lists, read if they are there.
    mentioned: BTreeSet<DataVersion>,
}

impl<'a> Search<'a> {
    fn new(repo: &'a Repo, reporter: &'a dyn Reporter) -> Self {
        let (needed, outputs, mentioned) = (NeededObjects::default(), BTreeMap::new(), BTreeSet::new());
        Self { repo, reporter, needed, outputs, mentioned }
    }

    fn read_history(&mut self, retained: &RetainedObjects) -> Result<(), NeededError> {
        let mut versions = self.repo.list_file_versions(&retained.commits, &BTreeSet::new(), false, &PATHSPECS)?;
        for object in &retained.others {
            let files = self.repo.list_tree_files(object)?;
            // A file that a ref names has no path.
            versions.extend(files.into_iter().filter(|file| file.path.is_empty() || names_objects(&file.path)));
        }
        self.read_versions(versions)
    }

    fn read_index(&mut self, tree: &WorkTreeDirs) -> Result<(), NeededError> {
        let mut versions = self.repo.list_index_files(tree)?;
        versions.retain(|version| names_objects(&version.path));
        self.read_versions(versions)
    }

    fn read_versions(&mut self, versions: Vec<FileVersion>) -> Result<(), NeededError> {
        let mut by_blob: BTreeMap<Oid, BTreeSet<FoundAt>> = BTreeMap::new();
        let mut links: BTreeSet<Oid> = BTreeSet::new();
        for version in versions {
            // Another repository in place of the file has objects of its own.
            if version.mode & 0o170_000 == 0o160_000 {
                continue;
            }
            if version.mode & 0o170_000 == 0o120_000 {
                links.insert(version.blob.clone());
            }
            let path = String::from_utf8_lossy(&version.path).into_owned();
            by_blob.entry(version.blob).or_default().insert(FoundAt { commit: version.commit, path });
        }
        let blobs: BTreeSet<Oid> = by_blob.keys().cloned().collect();
        let progress = self.reporter.start_counting("reading history", blobs.len() as u64, "file");
        let mut unreadable = None;
        self.repo.read_blobs(&blobs, limits::LOCKFILE, |id, bytes| {
            progress.count_item();
            let found = by_blob.get(id).cloned().unwrap_or_default();
            // A link's content is a path: what it leads to is found under its own name, or is not known.
            let readable = bytes.filter(|bytes| !links.contains(id) || names_objects(bytes));
            match (readable, found.first()) {
                (Some(bytes), _) => self.add_file(bytes, &found),
                (None, Some(first)) => unreadable = unreadable.take().or(Some(describe_place(first))),
                (None, None) => {}
            }
        })?;
        drop(progress);
        unreadable.map_or(Ok(()), |what| Err(NeededError::Unreadable { what }))
    }

    fn read_files(&mut self, tree: &WorkTreeDirs) -> Result<(), NeededError> {
        let Some(top) = &tree.work_tree else { return Ok(()) };
        for path in self.repo.list_present_files(tree, &PATHSPECS)? {
            if !names_objects(path.as_os_str().as_bytes()) {
                continue;
            }
            // A file that is tracked and deleted names nothing.
            let Some(bytes) = RootDir::new(top).read(&path, limits::LOCKFILE)? else { continue };
            let found = FoundAt { commit: None, path: path.to_string_lossy().into_owned() };
            self.add_file(&bytes, &BTreeSet::from([found]));
        }
        Ok(())
    }

    /// An entry of the run cache restores outputs without running the stage, if their objects are there.
    fn read_run_cache(&mut self, dir: &Path) -> Result<(), NeededError> {
        let mut todo = vec![dir.to_path_buf()];
        while let Some(dir) = todo.pop() {
            for (path, kind) in list_entries(&dir)? {
                if kind.is_dir() {
                    todo.push(path);
                } else if kind.is_file() {
                    let bytes = crate::support::fs::read_within(&path, limits::LOCKFILE)?.unwrap_or_default();
                    let named = NamedObjects::read(&bytes);
                    self.needed.files.extend(named.files);
                    self.mentioned.extend(named.lists.into_keys());
                }
            }
        }
        Ok(())
    }

    fn add_file(&mut self, bytes: &[u8], found: &BTreeSet<FoundAt>) {
        let named = NamedObjects::read(bytes);
        self.needed.named_by += usize::from(!named.files.is_empty());
        if !named.is_parsed && !named.files.is_empty() {
            self.needed.unparsed.extend(found.first().map(describe_place));
        }
        self.needed.files.extend(named.files);
        for (list, list_use) in named.lists {
            match list_use {
                ListUse::Mentioned => {
                    self.mentioned.insert(list);
                }
                ListUse::Output(out) => {
                    let places = found.iter().map(|found| (found.clone(), out.clone()));
                    self.outputs.entry(list).or_default().extend(places);
                }
            }
        }
    }

    fn read_lists(mut self, scope: &NeedScope, lists: &ListReader<'_>) -> Result<NeededObjects, NeededError> {
        let all: BTreeSet<DataVersion> = self.mentioned.iter().chain(self.outputs.keys()).copied().collect();
        let progress = self.reporter.start_counting("reading file lists", all.len() as u64, "list");
        let mut lost: Vec<DataVersion> = Vec::new();
        for list in all {
            self.needed.lists.insert(list.hash());
            let is_output = self.outputs.contains_key(&list);
            let bytes = if is_output { lists.read_bytes(list)? } else { lists.read_stored(list)? };
            let files = &mut self.needed.files;
            let read = bytes.map(|bytes| each_listed_hash(&bytes, |hash| _ = files.insert(hash)));
            match read {
                Some(Ok(())) => self.needed.lists_read += 1,
                None | Some(Err(_)) if is_output && !scope.lost.contains(&list) => lost.push(list),
                None | Some(Err(_)) => {}
            }
            progress.count_item();
        }
        drop(progress);
        let mut required = Vec::new();
        for list in lost {
            let places = self.outputs.remove(&list).unwrap_or_default();
            let mut kept = places.into_iter().filter(|(found, out)| !uncached::is_uncached(self.repo, found, out));
            required.extend(kept.next().map(|(found, _)| (list, found)));
        }
        match required.first() {
            None => Ok(self.needed),
            Some((list, found)) => {
                let at = found.commit.as_ref().map(|id| format!(" of commit {}", id.short())).unwrap_or_default();
                let path = escape_control(&found.path);
                Err(NeededError::ListsLost {
                    list: *list,
                    path,
                    at,
                    more: required.len() - 1,
                    why: lists.why_not_fetched(),
                })
            }
        }
    }
}

fn describe_place(found: &FoundAt) -> String {
    let path = escape_control(&found.path);
    found.commit.as_ref().map_or_else(|| path.clone(), |id| format!("{path} of commit {}", id.short()))
}

//! What uses the objects of runs that are to be erased, in anything that git keeps: every version of the runs' files, other
//! runs, and other outputs of DVC.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::EraseError;
use crate::dataset::record::DatasetRecord;
use crate::dataset::runs::{entries_of_run, run_of_path};
use crate::dvc::file_list::FileList;
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::lockfile::{self, Lockfile};
use crate::dvc::named_objects::{NamedObjects, PATHSPECS, names_objects};
use crate::error::Error;
use crate::git::{Oid, Repo};
use crate::history::erased::ErasedRuns;
use crate::history::needed::{ListReader, NeedScope, NeededError, find_project_roots};
use crate::project::{Project, ProjectError, Reporter};
use crate::run::RunKey;
use crate::support::beneath::RootDir;
use crate::support::limits;
use crate::support::visible::escape_control;
use crate::sync::gc::since_seconds;
use crate::sync::gc::sisters::Sisters;
use crate::sync::local_copies::RunCopies;

/// Everything that uses objects.
pub(super) struct DataUses<'p> {
    /// Data versions of this project's dataset.
    own: BTreeSet<DataVersion>,
    /// Lists of other outputs, with the file of DVC's that names each.
    others: BTreeMap<DataVersion, String>,
    /// Single objects that files of DVC's name, with one of these files.
    files: BTreeMap<DvcHash, String>,
    lists: ListReader<'p>,
}

impl<'p> DataUses<'p> {
    /// Reads every version of DVC's files: of all commits that refs and reflogs reach, of `also`, of indexes and of working
    /// trees.
    pub fn find(project: &'p Project, also: BTreeSet<Oid>, reporter: &dyn Reporter) -> Result<Self, Error> {
        let roots = find_project_roots(&project.repo)?;
        let lists = ListReader::of_projects(&roots, &project.env)?.with_dvc(project.dvc()?);
        Self::find_in(&project.repo, &project.git_path(lockfile::FILE), lists, also, reporter)
    }

    /// The same of any repository. `own_path` is the file that records the dataset.
    fn find_in(
        repo: &Repo,
        own_path: &str,
        lists: ListReader<'p>,
        also: BTreeSet<Oid>,
        reporter: &dyn Reporter,
    ) -> Result<Self, Error> {
        if !repo.shallow_ends()?.is_empty() {
            return Err(NeededError::Shallow { dir: repo.common_dir().to_path_buf() }.into());
        }
        let mut uses = Self { own: BTreeSet::new(), others: BTreeMap::new(), files: BTreeMap::new(), lists };
        uses.read_commits(repo, own_path, also, reporter)?;
        for tree in repo.find_work_tree_dirs()? {
            let Some(top) = &tree.work_tree else { continue };
            for path in repo.list_present_files(&tree, &PATHSPECS)? {
                let name = path.to_string_lossy().into_owned();
                if !names_objects(name.as_bytes()) {
                    continue;
                }
                if let Some(bytes) = RootDir::new(top).read(&path, limits::LOCKFILE)? {
                    uses.add_file(&name, &bytes, own_path);
                }
            }
        }
        Ok(uses)
    }

    fn read_commits(
        &mut self,
        repo: &Repo,
        own_path: &str,
        also: BTreeSet<Oid>,
        reporter: &dyn Reporter,
    ) -> Result<(), Error> {
        // Of the whole reflog: an amended commit can hold another version of the run.
        let mut retained = repo.find_retained(0)?;
        retained.commits.extend(also);
        let mut versions = repo.list_file_versions(&retained.commits, &BTreeSet::new(), false, &PATHSPECS)?;
        for object in &retained.others {
            versions.extend(repo.list_tree_files(object)?);
        }
        for tree in repo.find_work_tree_dirs()? {
            versions.extend(repo.list_index_files(&tree)?);
        }
        let mut paths: BTreeMap<Oid, String> = BTreeMap::new();
        for version in versions {
            // A link leads to a file that has a path of its own; another repository has its own objects.
            if names_objects(&version.path) && version.mode & 0o170_000 == 0o100_000 {
                let path = String::from_utf8_lossy(&version.path).into_owned();
                paths.entry(version.blob).or_insert(path);
            }
        }
        let blobs: BTreeSet<Oid> = paths.keys().cloned().collect();
        let progress = reporter.start_counting("reading history", blobs.len() as u64, "file");
        let mut unreadable = None;
        repo.read_blobs(&blobs, limits::LOCKFILE, |id, bytes| {
            progress.count_item();
            match (paths.get(id), bytes) {
                (Some(path), Some(bytes)) => self.add_file(path, bytes, own_path),
                (Some(path), None) => unreadable = Some(format!("{} ({})", escape_control(path), id.short())),
                (None, _) => {}
            }
        })?;
        drop(progress);
        unreadable.map_or(Ok(()), |what| Err(NeededError::Unreadable { what }.into()))
    }

    fn add_file(&mut self, path: &str, bytes: &[u8], own_path: &str) {
        let own = if path == own_path { Lockfile::parse(bytes).ok() } else { None };
        let own = own.and_then(|lockfile| DatasetRecord::from_lockfile(&lockfile)).map(|record| record.version);
        self.own.extend(own);
        let named = NamedObjects::read(bytes);
        for list in named.lists.into_keys().filter(|list| Some(*list) != own) {
            self.others.entry(list).or_insert_with(|| path.to_owned());
        }
        for hash in named.files {
            self.files.entry(hash).or_insert_with(|| path.to_owned());
        }
    }

    /// A list; a warning if it is nowhere, and so nothing can be said of it.
    fn read_own(&self, version: DataVersion, reporter: &dyn Reporter) -> Result<Option<FileList>, ProjectError> {
        let list = self.lists.read_list(version)?;
        if list.is_none() {
            reporter.show_warning(&format!("the file list of data version {version} is nowhere: it is left out"));
        }
        Ok(list)
    }

    /// Adds the versions of runs' files that only some of these data versions have.
    pub fn complete(&self, found: &mut [RunCopies], reporter: &dyn Reporter) -> Result<(), ProjectError> {
        for version in &self.own {
            let Some(list) = self.read_own(*version, reporter)? else { continue };
            for copies in &mut *found {
                let entries = entries_of_run(&list, &copies.run);
                // One data version is enough to name the files; most hold those that another one introduced.
                if !copies.variants.iter().any(|variant| variant.entries == entries) {
                    copies.add_version(*version, entries.to_vec());
                }
            }
        }
        Ok(())
    }

    /// Those of some objects that something has which is not erased, each with what that is.
    pub fn find_sharers(
        &self,
        runs: &BTreeSet<RunKey>,
        erased: &ErasedRuns,
        candidates: &BTreeSet<DvcHash>,
    ) -> Result<BTreeMap<DvcHash, String>, ProjectError> {
        let mut shared: BTreeMap<DvcHash, String> = BTreeMap::new();
        for version in &self.own {
            let Some(list) = self.lists.read_list(*version)? else { continue };
            for entry in list.entries().iter().filter(|entry| candidates.contains(&entry.md5)) {
                let run = run_of_path(&entry.relpath);
                let is_theirs = run.as_ref().is_some_and(|run| {
                    // What was erased before is gone, whatever it shared then.
                    runs.contains(run) || erased.find(run, entries_of_run(&list, run)).is_some()
                });
                if !is_theirs {
                    shared
                        .entry(entry.md5)
                        .or_insert_with(|| run.map_or_else(|| entry.relpath.clone(), |r| r.to_string()));
                }
            }
        }
        for (version, path) in &self.others {
            // A list that is nowhere is that of an input, or of data that cannot be checked out any more.
            let Some(list) = self.lists.read_list(*version)? else { continue };
            for entry in list.entries().iter().filter(|entry| candidates.contains(&entry.md5)) {
                shared.entry(entry.md5).or_insert_with(|| escape_control(path));
            }
        }
        for (hash, path) in self.files.iter().filter(|(hash, _)| candidates.contains(hash)) {
            shared.entry(*hash).or_insert_with(|| escape_control(path));
        }
        Ok(shared)
    }
}

/// What sister projects need of some objects.
#[derive(Debug, Default)]
pub(super) struct SisterUses {
    /// The objects, each with a project that needs it.
    pub shared: BTreeMap<DvcHash, String>,
    /// How many of them each project needs.
    pub counts: BTreeMap<PathBuf, usize>,
}

/// Finds what sister projects need of the objects of runs that are to be erased. In a clone of this project the runs count for
/// nothing, as here. Of a remote's objects, each clone must know all that its own git remotes have.
pub(super) fn find_sister_uses(
    project: &Project,
    runs: &BTreeSet<RunKey>,
    erased: &ErasedRuns,
    candidates: &BTreeSet<DvcHash>,
    reporter: &dyn Reporter,
) -> Result<SisterUses, Error> {
    let of_remote = project.dvc_settings()?.default_remote().is_some();
    let since = since_seconds(project.read_config()?.gc.keep);
    let scope = NeedScope { since, ..NeedScope::default() };
    let mut found = SisterUses::default();
    for sister in Sisters::read(project)?.projects {
        let unknown = |source| EraseError::SisterUnknown { dir: sister.dir.clone(), source: Box::new(source) };
        let needed = sister.find_needed(&scope, of_remote, reporter).map_err(unknown)?;
        let mut theirs: BTreeSet<DvcHash> =
            candidates.iter().filter(|hash| needed.files.contains(hash)).copied().collect();
        if !theirs.is_empty() && sister.is_clone_of(&project.repo)? {
            let own_path = project.git_path(lockfile::FILE);
            let uses = DataUses::find_in(&sister.repo, &own_path, sister.lists()?, BTreeSet::new(), reporter)?;
            theirs = uses.find_sharers(runs, erased, &theirs)?.into_keys().collect();
        }
        if !theirs.is_empty() {
            let name = format!("the sister project {}", escape_control(sister.dir.display()));
            found.counts.insert(sister.dir, theirs.len());
            found.shared.extend(theirs.into_iter().map(|hash| (hash, name.clone())));
        }
    }
    Ok(found)
}

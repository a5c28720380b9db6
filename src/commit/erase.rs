//! `erase`: removes the bytes of runs from workspace, cache and remote for good, and writes down what it did.
//!
//! First the plan, which asks the remote: if that cannot be asked, nothing is done and nothing is called erased. Then
//! one commit takes the runs out of the dataset, if HEAD has them, and adds a record of each (`history::erased`), so that
//! every clone knows that the bytes are gone on purpose. Then the bytes go: here, then on the remote, which is asked again
//! afterwards. An erasure that is interrupted ends when it is repeated: what is gone stays gone, what is left is removed.
//! Commits, tags and file lists stay, and so do recorders' directories, which are evidence.

mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use uses::{DataUses, find_sister_uses};

use super::remove::{RunChange, change_runs, commit_records, find_clean_dataset};
use crate::dvc::absent::AbsentRemote;
use crate::dvc::cache::Cache;
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::object_store::ObjectStore;
use crate::dvc::remote::look_up::ObjectSet;
use crate::dvc::remote::missing::RemoteError;
use crate::dvc::stored_objects::ObjectName;
use crate::error::ExitKind::{CheckFailed, Setup};
use crate::error::{Error, Explain, Explanation};
use crate::history::catalog::{self, Catalog};
use crate::history::erased::{ErasedRecord, ErasedRuns};
use crate::history::file_facts::LISTED_RUNS;
use crate::history::rebuilt;
use crate::load::known_facts::KNOWN_RUNS;
use crate::project::mutex::RepoMutex;
use crate::project::{Project, ProjectError, Reporter};
use crate::run::RunKey;
use crate::support::fs;
use crate::support::process::shell_quote;
use crate::support::progress::Progress;
use crate::support::text::format_plural;
use crate::support::visible::escape_control;
use crate::sync::gc::sisters::refuse_unfetched;
use crate::sync::gc::{GcError, SISTER_SETTING};
use crate::sync::local_copies::{
    RunCopies, RunFolder, RunVariant, find_run_folders, is_own_cache, remove_folders, remove_objects,
};
use crate::sync::sent;

/// Why runs are not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// No data version that this clone knows holds the run.
    #[error("no commit holds {run}")]
    NotCommitted {
        /// The run.
        run: RunKey,
    },
    /// The lists of the data versions that hold the run are nowhere.
    #[error("cannot find out which files {run} has: the file list of data version {version} is nowhere")]
    NoFileList {
        /// The run.
        run: RunKey,
        /// The data version.
        version: DataVersion,
    },
    /// The run's folder holds what no data version holds.
    #[error("{run} has files in the workspace that no data version holds: {}", files.join(", "))]
    LocalChanges {
        /// The run.
        run: RunKey,
        /// Files, relative to the dataset.
        files: Vec<String>,
    },
    /// The remote's directory does not exist any more, or is empty.
    #[error(transparent)]
    Absent(AbsentRemote),
    /// The remote could not be asked.
    #[error("cannot ask the remote, so nothing is erased, neither there nor here")]
    Remote(#[source] RemoteError),
    /// The remote did not remove everything.
    #[error("the record is committed, and this clone's copies are erased, but the remote still has {}", format_plural(*left as u64, "object"))]
    LeftOnRemote {
        /// How many objects.
        left: usize,
        /// Why, if DVC failed.
        #[source]
        source: Option<RemoteError>,
    },
    /// A sister project does not say what it needs.
    #[error("it is not known what the sister project {} needs, so nothing is erased", dir.display())]
    SisterUnknown {
        /// Its directory.
        dir: PathBuf,
        /// Why not.
        source: Box<GcError>,
    },
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

impl Explain for EraseError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NotCommitted { run } => Setup.code("not_committed").hint(format!(
                "it is in no data version; its directory is yours to remove: `rm -r {}`",
                shell_quote(format!("results/{run}"))
            )),
            Self::NoFileList { .. } => Setup
                .code("data_not_fetched")
                .hint("fetch the lists of all data versions with `capture-hook check`, and look at what it finds"),
            Self::LocalChanges { .. } => {
                CheckFailed.code("local_changes").hint("remove them, or move them away, then try again")
            }
            Self::Absent(absent) => Setup.code("remote_absent").hints(absent.hints()),
            Self::Remote(error) => error.explain(),
            Self::LeftOnRemote { source, .. } => source
                .as_ref()
                .map_or(CheckFailed.code("left_on_remote"), Explain::explain)
                .hint("run the same command again, once the remote can be written"),
            Self::SisterUnknown { dir, source } => {
                let mut explanation = source.explain();
                explanation.hints.truncate(1);
                let dir = shell_quote(dir);
                explanation.hint(format!(
                    "if it shares neither cache nor remote any more: `git config --unset --fixed-value {SISTER_SETTING} {dir}`"
                ))
            }
            Self::Project(error) => error.explain(),
        }
    }
}

/// What would be erased of one run.
#[derive(Debug, Clone)]
pub struct RunErasure {
    /// The run.
    pub run: RunKey,
    /// Whether HEAD's dataset holds it, so that it is removed first.
    pub in_dataset: bool,
    /// Its records, one for each version of its files.
    pub records: Vec<ErasedRecord>,
    /// Those of them that HEAD does not have yet.
    pub is_new: Vec<bool>,
    /// The objects that go.
    pub objects: BTreeSet<DvcHash>,
    /// The objects that stay, and what has them, too.
    pub shared: BTreeMap<DvcHash, String>,
    /// The folders in the workspaces of the clone's working trees.
    folders: Vec<RunFolder>,
    /// The recorder's directory, which stays.
    pub recorded: Option<String>,
}

/// What would be erased.
#[derive(Debug, Clone)]
pub struct ErasePlan {
    /// Each run.
    pub runs: Vec<RunErasure>,
    /// Objects that this clone's cache has.
    pub in_cache: BTreeSet<DvcHash>,
    /// Objects that the remote has.
    pub on_remote: BTreeSet<DvcHash>,
    /// The remote's name; `None` if none is set.
    pub remote: Option<String>,
    /// Whether other clones may use the cache.
    pub is_shared_cache: bool,
    /// How many objects of the runs stay, because a sister project needs them.
    pub kept_for_sisters: BTreeMap<PathBuf, usize>,
}

impl ErasePlan {
    /// Every object that goes.
    pub fn objects(&self) -> BTreeSet<DvcHash> {
        self.runs.iter().flat_map(|run| &run.objects).copied().collect()
    }

    /// How many folders of the workspace go.
    pub fn folders(&self) -> usize {
        self.runs.iter().map(|run| run.folders.len()).sum()
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        let is_recorded = |run: &RunErasure| !run.in_dataset && run.is_new.iter().all(|new| !new);
        self.in_cache.is_empty()
            && self.on_remote.is_empty()
            && self.folders() == 0
            && self.runs.iter().all(is_recorded)
    }
}

/// Finds what an erasure of these runs would do. Nothing is changed, but lists that are missing are fetched.
pub fn plan_erasure(
    project: &Project,
    catalog: &Catalog,
    runs: &BTreeSet<RunKey>,
    reason: Option<&str>,
    reporter: &dyn Reporter,
) -> Result<ErasePlan, Error> {
    if let Some(absent) = sent::find_absent_remote(project)? {
        return Err(EraseError::Absent(absent).into());
    }
    let history = &catalog.history;
    let head = project.repo.head()?;
    let head_version = head.as_ref().map(|head| project.data_version_at(head)).transpose()?.flatten();
    if let Some(version) = head_version {
        // Without it, it would not be known that the run must leave the dataset.
        rebuilt::ensure_file_list(project, &project.dvc()?, version)?;
    }
    let erased = ErasedRuns::load(project)?;
    let mut found: Vec<RunCopies> =
        runs.iter().map(|run| RunCopies::find(project, history, run)).collect::<Result<_, _>>()?;
    let remote = project.dvc_settings()?.default_remote().map(|remote| remote.name.clone());
    // What others have pushed to git since then can need the objects, or hold other versions of the runs.
    let pushed = if remote.is_some() { refuse_unfetched(&project.repo, reporter)? } else { BTreeSet::new() };
    let uses = DataUses::find(project, pushed, reporter)?;
    uses.complete(&mut found, reporter)?;
    if let Some(copies) = found.iter().find(|copies| copies.variants.is_empty()) {
        let run = copies.run.clone();
        return Err(match copies.unknown.first() {
            Some(version) => EraseError::NoFileList { run, version: *version },
            None => EraseError::NotCommitted { run },
        }
        .into());
    }
    let candidates: BTreeSet<DvcHash> = found.iter().flat_map(RunCopies::objects).collect();
    let sisters = find_sister_uses(project, runs, &erased, &candidates, reporter)?;
    let mut shared = uses.find_sharers(runs, &erased, &candidates)?;
    for (hash, sister) in sisters.shared {
        shared.entry(hash).or_insert(sister);
    }
    let (cache, out_dir) = (project.open_cache()?, catalog::find_dataset_dir(project)?);
    let mut plan = ErasePlan {
        runs: Vec::new(),
        in_cache: BTreeSet::new(),
        on_remote: BTreeSet::new(),
        remote,
        is_shared_cache: !is_own_cache(project, &cache)?,
        kept_for_sisters: sisters.counts,
    };
    for copies in &found {
        let folders = find_run_folders(project, &out_dir, copies)?;
        if let Some(changed) = folders.iter().find(|folder| !folder.local_changes.is_empty()) {
            let files = changed.local_changes.clone();
            return Err(EraseError::LocalChanges { run: copies.run.clone(), files }.into());
        }
        let own = copies.objects();
        let (stay, go): (BTreeSet<DvcHash>, BTreeSet<DvcHash>) =
            own.into_iter().partition(|hash| shared.contains_key(hash));
        let is_in_head = |record: &ErasedRecord| {
            let found = erased.find(&record.run, &record.entries());
            found.is_some_and(|found| found.in_head && found.record == *record)
        };
        let mut records = Vec::new();
        // Of a variant that another run has, too, nothing is erased.
        let is_erased = |variant: &&RunVariant| variant.entries.iter().any(|entry| !stay.contains(&entry.md5));
        for variant in copies.variants.iter().filter(is_erased) {
            if let Some(known) = erased.find(&copies.run, &variant.entries) {
                // Of another branch, perhaps: the same bytes are no conflict when the two merge.
                let mut record = known.record.clone();
                // What something else needed then and does not need now goes, too.
                record.files.iter_mut().for_each(|file| file.kept &= stay.contains(&file.md5));
                records.push(record);
                continue;
            }
            let mut record = ErasedRecord::new(&copies.run, &variant.entries, variant.versions.clone(), reason);
            for file in &mut record.files {
                file.bytes = cache.object_size(file.md5).or_else(|| size_on_remote(project, file.md5));
                file.kept = stay.contains(&file.md5);
            }
            records.push(record);
        }
        let is_new = records.iter().map(|record| !is_in_head(record)).collect();
        let recorded = catalog.get(&copies.run).and_then(|run| run.sources.recorded);
        plan.runs.push(RunErasure {
            run: copies.run.clone(),
            in_dataset: head_version.is_some_and(|version| history.holds_run(version, &copies.run) == Some(true)),
            records,
            is_new,
            objects: go,
            shared: stay.iter().filter_map(|hash| Some((*hash, shared.get(hash)?.clone()))).collect(),
            folders,
            recorded: recorded.map(|dir| dir.to_string()),
        });
    }
    let objects = plan.objects();
    plan.in_cache = objects.iter().filter(|hash| cache.has_object(**hash)).copied().collect();
    if plan.remote.is_some() {
        plan.on_remote = find_on_remote(project, &objects).map_err(EraseError::Remote)?;
    }
    Ok(plan)
}

fn size_on_remote(project: &Project, hash: DvcHash) -> Option<u64> {
    Cache::in_dir(project.dvc_settings().ok()?.default_remote()?.dir.as_ref()?).object_size(hash)
}

/// Those of some objects that the remote has.
fn find_on_remote(project: &Project, objects: &BTreeSet<DvcHash>) -> Result<BTreeSet<DvcHash>, RemoteError> {
    let asked = ObjectSet { files: objects.clone(), ..ObjectSet::default() };
    let dvc = project.dvc().map_err(|error| RemoteError::UnexpectedAnswer(error.to_string()))?;
    let absent = dvc.find_absent_on_remote(&asked)?;
    Ok(objects.difference(&absent.files).copied().collect())
}

/// What was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EraseOutcome {
    /// Whether a commit was made.
    pub is_committed: bool,
    /// How many objects were removed from this clone's cache.
    pub from_cache: usize,
    /// How many objects were removed from the remote, and are not there any more.
    pub from_remote: usize,
}

/// Erases what the plan says.
pub fn erase_runs(
    project: &mut Project,
    plan: &ErasePlan,
    reason: Option<&str>,
    message: Option<&str>,
    reporter: &dyn Reporter,
) -> Result<EraseOutcome, Error> {
    let records: Vec<(String, Vec<u8>)> = plan
        .runs
        .iter()
        .flat_map(|run| run.records.iter().zip(&run.is_new))
        .filter(|(_, is_new)| **is_new)
        .map(|(record, _)| (record.path(), record.to_bytes()))
        .collect();
    let held: Vec<RunKey> = plan.runs.iter().filter(|run| run.in_dataset).map(|run| run.run.clone()).collect();
    let subject = message.map_or_else(|| describe_erasure(plan), str::to_owned);
    if !held.is_empty() {
        find_clean_dataset(project)?;
        let message = Some(subject.as_str());
        change_runs(
            project,
            RunChange { runs: &held, files: Vec::new(), reason, message, records: &records },
            reporter,
        )?;
    } else if !records.is_empty() {
        commit_records(project, &records, &subject, reporter)?;
    }
    let out_dir = catalog::find_dataset_dir(project)?;
    let cache = project.open_cache()?;
    let from_cache = {
        let _alone = RepoMutex::acquire(&project.state_dir())?;
        // What was noted of the runs is made again from the files of the others.
        for notes in [LISTED_RUNS, KNOWN_RUNS] {
            fs::remove_all(&project.state_dir().join(notes.file))?;
        }
        // The commit's checkout removed those of this working tree already; one that is gone is no failure.
        for run in &plan.runs {
            remove_folders(&run.folders, &out_dir)?;
        }
        remove_objects(&cache, plan.in_cache.iter().copied())?
    };
    let from_remote = erase_on_remote(project, &plan.on_remote, reporter)?;
    Ok(EraseOutcome {
        is_committed: !held.is_empty() || !records.is_empty(),
        from_cache: from_cache.objects,
        from_remote,
    })
}

/// Removes objects from the remote, and makes sure that they are gone.
fn erase_on_remote(
    project: &Project,
    objects: &BTreeSet<DvcHash>,
    reporter: &dyn Reporter,
) -> Result<usize, EraseError> {
    if objects.is_empty() {
        return Ok(0);
    }
    let progress = reporter.start_counting("erasing on the remote", objects.len() as u64, "object");
    let removed = remove_from_remote(project, objects, progress.as_ref());
    drop(progress);
    // Whatever failed: what counts is what is there now.
    match find_on_remote(project, objects) {
        Ok(left) if left.is_empty() => Ok(objects.len()),
        Ok(left) => Err(EraseError::LeftOnRemote { left: left.len(), source: removed.err() }),
        Err(error) => Err(EraseError::LeftOnRemote { left: objects.len(), source: Some(error) }),
    }
}

fn remove_from_remote(
    project: &Project,
    objects: &BTreeSet<DvcHash>,
    progress: &dyn Progress,
) -> Result<(), RemoteError> {
    let dvc = project.dvc().map_err(|error| RemoteError::UnexpectedAnswer(error.to_string()))?;
    let remote = dvc.settings().default_remote().ok_or(RemoteError::NoRemote)?;
    let store = match &remote.dir {
        Some(dir) => ObjectStore::Dir(Cache::in_dir(dir)),
        None => ObjectStore::Remote { project: dvc, name: remote.name.clone() },
    };
    let names: Vec<ObjectName> = objects.iter().map(|hash| ObjectName::file(*hash)).collect();
    store.remove_objects(&names, progress)
}

/// A commit's first line.
fn describe_erasure(plan: &ErasePlan) -> String {
    match plan.runs.as_slice() {
        [run] => format!("Erase {}", escape_control(&run.run)),
        runs => format!("Erase {}", format_plural(runs.len() as u64, "run")),
    }
}

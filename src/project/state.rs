//! What is selected and which data version holds: in the index, in a commit, in the working tree.
//!
//! `params.yaml` and `dvc.yaml` say what is wanted, `dvc.lock` what DVC last made of it. Nothing here looks at the dataset,
//! so nothing grows with it.

use super::{Project, ProjectError, include};
use crate::dvc::hash::DataVersion;
use crate::dvc::lockfile::{Lock, LockError};
use crate::dvc::stage::{OUT_DIR, Resolved, Stage};
use crate::dvc::{lockfile, stage};
use crate::error::Explain;
use crate::formats::Value;
use crate::git::{Commit, Oid, Operation};
use crate::run::RunKey;
use crate::support::fs::{At, Refused};
use crate::support::limits;

/// The code of every error that says that conflict markers stand in a file.
const MERGE_CONFLICT: &str = "merge_conflict";
/// The setting in which `install` names the first of the merge drivers to git.
const DRIVER_SETTING: &str = "merge.capture-lock.driver";

/// Which state of the tracked files is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// What is staged: what a commit will hold.
    Index,
    /// A commit.
    Commit(Oid),
    /// The files as they lie there.
    WorkTree,
}

/// What `dvc.lock` says about the dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// The data version.
    pub version: DataVersion,
    /// The dataset's directory, relative to the project.
    pub out_dir: String,
    /// The run that was selected when DVC made it.
    pub run_dir: Option<String>,
    /// The dataset's size in bytes.
    pub size: Option<u64>,
    /// How many files it holds.
    pub nfiles: Option<u64>,
    /// The command that made it.
    pub cmd: String,
    /// Which files beside the recorder's were taken; `None` if the stage did not depend on that.
    pub include: Option<Vec<String>>,
}

impl Locked {
    /// What a lock file says; `None` where it knows no dataset.
    #[must_use]
    pub fn of(lock: &Lock) -> Option<Self> {
        let stage = lock.capture()?;
        let named = stage.param(OUT_DIR).and_then(Value::as_str).and_then(|dir| stage.out(dir));
        let item = named.or_else(|| stage.outs.iter().find(|item| item.version().is_some()))?;
        Some(Self {
            version: item.version()?,
            out_dir: item.path.trim_end_matches('/').to_owned(),
            run_dir: lock.run_dir().map(str::to_owned),
            size: item.size,
            nfiles: item.nfiles,
            cmd: match &stage.cmd {
                Value::Str(cmd) => cmd.clone(),
                other => other.to_string(),
            },
            include: include::recorded(&stage.params),
        })
    }
}

/// What is wanted and what is there.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The stage as `dvc.yaml` and the parameters give it; `None` where there is no stage.
    pub wanted: Option<Resolved>,
    /// What `dvc.lock` holds; `None` where nothing was ingested yet.
    pub locked: Option<Locked>,
    /// Which files beside the recorder's are wanted; `None` if the stage does not depend on that.
    pub include: Option<Vec<String>>,
}

impl State {
    /// The selected run's directory, relative to the project.
    #[must_use]
    pub fn run_dir(&self) -> Option<&str> {
        self.wanted.as_ref()?.run_dir.as_deref()
    }

    /// Whether the selected run is in the data version: `dvc.lock` was made from this selection, for this dataset, by this
    /// command. True where no run is selected.
    #[must_use]
    pub fn agrees(&self) -> bool {
        let Some(wanted) = &self.wanted else { return true };
        let Some(run_dir) = &wanted.run_dir else { return true };
        self.locked.as_ref().is_some_and(|locked| {
            locked.run_dir.as_ref() == Some(run_dir)
                && locked.out_dir == wanted.out_dir
                && locked.cmd == wanted.stage.command()
        })
    }

    /// Whether the data version was made with the wanted files beside the recorder's, as far as the stage depends on them.
    #[must_use]
    pub fn include_agrees(&self) -> bool {
        let locked = self.locked.as_ref().and_then(|locked| locked.include.as_ref());
        self.include.is_none() || self.locked.is_none() || locked == self.include.as_ref()
    }
}

impl Project {
    /// What is wanted and what is there, in one state of the tracked files.
    pub fn state(&self, source: &Source) -> Result<State, ProjectError> {
        let wanted = self.wanted(source)?;
        let include = match &wanted {
            Some(wanted) => self.include_of(source, &wanted.stage)?,
            None => None,
        };
        Ok(State { wanted, locked: self.locked(source)?, include })
    }

    /// The stage as `dvc.yaml` and the parameters give it, in one state of the tracked files; `None` where there is no stage.
    pub fn wanted(&self, source: &Source) -> Result<Option<Resolved>, ProjectError> {
        let Some(dvc_yaml) = self.file(source, stage::FILE)? else { return Ok(None) };
        let read = || -> Result<Option<Resolved>, ProjectError> {
            let Some(stage) = Stage::parse(&dvc_yaml)? else { return Ok(None) };
            let params = self.file(source, stage.params_file())?;
            Ok(Some(stage.resolve(params.as_deref())?))
        };
        read().map_err(|error| self.by_no_driver(error))
    }

    /// A conflict, told with the way out where git made it without the merge drivers; any other error as it is.
    fn by_no_driver(&self, error: ProjectError) -> ProjectError {
        let abort = match self.repo.operation() {
            _ if error.explain().code != MERGE_CONFLICT => None,
            Some(Operation::Merge) => Some("git merge --abort"),
            Some(Operation::Rebase) => Some("git rebase --abort"),
            Some(Operation::CherryPick) => Some("git cherry-pick --abort"),
            Some(Operation::Revert) => Some("git revert --abort"),
            Some(Operation::Bisect) | None => None,
        };
        match abort {
            Some(abort) if matches!(self.repo.config(DRIVER_SETTING), Ok(None)) => {
                ProjectError::NoDrivers { conflict: Box::new(error), abort }
            }
            _ => error,
        }
    }

    /// An error where DVC must not work on the stage: it follows links, so an output behind one would be removed and
    /// written elsewhere, and it reads what the stage depends on to the end, which a pipe or a device has not.
    pub fn check_stage_files(&self, wanted: &Resolved) -> Result<(), ProjectError> {
        let stage = &wanted.stage;
        self.files().check_dir(&wanted.out_dir)?;
        for out in &stage.outs {
            match self.files().kind(&out.path) {
                Err(error) if matches!(error.refused(), Some(Refused::Link(_))) => return Err(error.into()),
                // What else is odd about it, DVC says.
                _ => {}
            }
        }
        for file in stage.deps.iter().chain(stage.params.iter().map(|dep| &dep.file)) {
            let path = self.root.join(file);
            if std::fs::metadata(&path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
                return Err(Refused::NotRegular.into()).at("have DVC read", &path).map_err(Into::into);
            }
        }
        Ok(())
    }

    /// What `dvc.lock` says in one state of the tracked files; `None` where there is no such file, or no dataset in it.
    pub fn locked(&self, source: &Source) -> Result<Option<Locked>, ProjectError> {
        self.locked_in(&self.prefix, source)
    }

    /// Whether this clone can tell what `dvc.lock` is in a commit; not beyond the ends of a shallow or partial one.
    #[must_use]
    pub fn knows(&self, commit: &Oid) -> bool {
        self.repo.knows_file(commit, &self.git_path(lockfile::FILE))
    }

    /// Whether this clone can tell what `dvc.lock` was before a commit: it knows all its parents, or there are none anywhere.
    pub fn knows_parents(&self, commit: &Commit) -> Result<bool, ProjectError> {
        // A commit at which a shallow clone ends looks like one without parents.
        let is_cut = commit.parents.is_empty() && self.repo.shallow_ends()?.contains(&commit.id);
        Ok(!is_cut && commit.parents.iter().all(|parent| self.knows(parent)))
    }

    /// Whether a commit's `dvc.lock` of another project in the repository names this data version.
    pub fn is_of_another(&self, version: DataVersion, commit: &Oid) -> Result<bool, ProjectError> {
        for prefix in self.others()? {
            let locked = match self.locked_in(prefix, &Source::Commit(commit.clone())) {
                Err(ProjectError::Lock(_)) => None,
                other => other?,
            };
            if locked.is_some_and(|locked| locked.version == version) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the `dvc.lock` of the project with this prefix says; of the working tree, our own alone.
    pub(crate) fn locked_in(&self, prefix: &str, source: &Source) -> Result<Option<Locked>, ProjectError> {
        let path = format!("{prefix}{}", lockfile::FILE);
        let entry = match source {
            Source::Index => self.repo.index_entry(&path)?,
            Source::Commit(id) => self.repo.entry_at(id, &path)?,
            Source::WorkTree => {
                let Some(bytes) = self.file(source, lockfile::FILE)? else { return Ok(None) };
                let lock = Lock::parse(&bytes).map_err(|error| self.by_no_driver(error.into()))?;
                return Ok(Locked::of(&lock));
            }
        };
        let Some(entry) = entry else { return Ok(None) };
        if let Some(known) = self.locked.borrow().get(&entry.id) {
            return Ok(known.clone());
        }
        let refused = |why: String| Err(LockError::NotUnderstood { line: 1, message: why }.into());
        if !entry.is_file() {
            return refused("it is a link, and a repository's links are not followed".into());
        }
        if self.repo.blob_size(&entry.id)? > limits::LOCK {
            return refused(format!("it is larger than {} MiB", limits::LOCK >> 20));
        }
        let locked = Locked::of(&Lock::parse(&self.repo.blob(&entry.id)?)?);
        self.locked.borrow_mut().insert(entry.id, locked.clone());
        Ok(locked)
    }

    /// The data version of a commit, read leniently: a lock that cannot be understood has none.
    pub fn version_at(&self, commit: &Oid) -> Result<Option<DataVersion>, ProjectError> {
        match self.locked(&Source::Commit(commit.clone())) {
            Ok(locked) => Ok(locked.map(|l| l.version)),
            Err(ProjectError::Lock(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The run that a `run_dir` names, among the runs of a dataset: its last component is the run id, the one before it the
/// experiment, unless the run's own metadata said another (then the id alone decides, if it is the only one).
#[must_use]
pub fn run_of(run_dir: &str, runs: &[RunKey]) -> Option<RunKey> {
    let mut parts = run_dir.trim_end_matches('/').rsplit('/');
    let (run_id, experiment) = (parts.next()?, parts.next());
    let same_id: Vec<&RunKey> = runs.iter().filter(|key| key.run_id() == run_id).collect();
    let exact = same_id.iter().find(|key| Some(key.experiment()) == experiment);
    match (exact, same_id.as_slice()) {
        (Some(key), _) => Some((*key).clone()),
        (None, [only]) => Some((*only).clone()),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_run_directory_names_its_run() {
        let runs: Vec<RunKey> = ["demo/r1", "nav/r1", "nav/r2"].iter().map(|k| k.parse().unwrap()).collect();
        assert_eq!(run_of("results/nav/r1", &runs), Some(runs[1].clone()));
        assert_eq!(run_of("results/elsewhere/r2/", &runs), Some(runs[2].clone()));
        assert_eq!(run_of("results/elsewhere/r1", &runs), None);
        assert_eq!(run_of("r3", &runs), None);
    }
}

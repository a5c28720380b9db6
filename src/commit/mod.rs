//! Putting the selected run into the commit that is being made.
//!
//! Everything is judged from the index, the text that the commit will hold; the working tree is where DVC works, so the two
//! must agree about the selection before anything starts. An invalid run stops the commit with nothing changed; when DVC
//! fails or is interrupted, `dvc.lock` and the run's folder are put back. The dataset never loses a run on the way: what
//! HEAD's data version holds is in the workspace before DVC looks at it, and no other run differs afterwards.

mod committed;
mod ignored;
mod kept;
pub mod publish;
pub mod refused;
pub mod resolve;
mod staging;
mod stale;
pub mod tags;
pub mod transaction;

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

pub use refused::Stop;
pub use transaction::Undo;

use crate::dataset::diff::Delta;
use crate::dataset::native::EngineError;
use crate::dataset::{metrics_files, native};
use crate::dvc::file_list::{Listing, Refusal};
use crate::dvc::hash::DataVersion;
use crate::dvc::lockfile::{Lock, LockedStage};
use crate::dvc::remote::fetch;
use crate::dvc::stage::{Resolved, STAGE};
use crate::dvc::{leftovers, lockfile, stage};
use crate::git::{GitError, Operation};
use crate::project::config::Engine;
use crate::project::include::LooseFiles;
use crate::project::mutex::WorkLock;
use crate::project::{Hear, Locked, Project, ProjectError, Source, State, include, tell_ignored};
use crate::run::RunKey;
use crate::support::process::quoted;
use crate::sync::{Reach, Synced};
use crate::validate::Report;
use crate::{ingest, validate};

/// How long to wait for another DVC.
const PATIENCE: Duration = Duration::from_secs(60);
/// The command that hooks run without being told that it is trusted.
pub const TRUSTED_CMD: &str = "capture-hook ingest";
/// The setting, in `.git/config` alone, that trusts another one.
pub const TRUST_SETTING: &str = "capture-hook.stageCmd";
/// The one-off setting for a commit that drops runs from the dataset on purpose.
pub const ALLOW_LOSS: &str = "capture-hook.allowLoss";

/// A recorded run that is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its directory, relative to the project.
    pub run_dir: String,
    /// Its name in the dataset.
    pub key: RunKey,
    /// What validation found.
    pub report: Report,
}

/// What is to be done for a commit, after every reason to stop it was looked for.
#[derive(Debug)]
pub enum Prepared {
    /// Nothing.
    Nothing,
    /// The selected run is in the dataset: DVC's views are to show it.
    Views(Box<State>),
    /// The selected run is to be put into the dataset.
    Run(Box<Job>),
}

/// A run that is to be put into a commit.
#[derive(Debug)]
pub struct Job {
    staged: State,
    wanted: Resolved,
    run: Recorded,
    head: Option<Locked>,
}

/// Runs to put into the dataset.
#[derive(Clone, Copy)]
struct Ingest<'a> {
    /// What decides.
    staged: &'a State,
    wanted: &'a Resolved,
    /// The last one is the selected one.
    runs: &'a [Recorded],
    /// What HEAD holds.
    head: Option<&'a Locked>,
    /// Whether committed runs get derived files anew.
    force: bool,
}

/// What became of a commit's selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Promoted {
    /// There was nothing to do.
    Nothing,
    /// The run was put into the dataset, and `dvc.lock` into the commit.
    Ingested {
        /// The run.
        run: RunKey,
        /// What `dvc.lock` says now.
        locked: Locked,
    },
}

impl Project {
    /// Looks at what is staged: what there is to do for the commit, or why it stops. Changes nothing.
    pub fn prepare(&self, hear: &dyn Hear) -> Result<Prepared, Stop> {
        let staged = self.state(&Source::Index)?;
        let head = match self.repo.head()? {
            Some(id) => self.locked(&Source::Commit(id))?,
            None => None,
        };
        self.keeps_runs()?;
        self.nothing_refused(head.as_ref(), staged.locked.as_ref())?;
        let Some(wanted) = staged.wanted.clone() else { return Ok(Prepared::Nothing) };
        self.work_tree_agrees(&staged, &wanted)?;
        let Some(run_dir) = wanted.run_dir.clone() else { return Ok(Prepared::Nothing) };
        if staged.agrees() && !self.is_stale(&staged, &wanted, &run_dir, hear)? {
            return Ok(Prepared::Views(Box::new(staged)));
        }
        self.takes(&[lockfile::FILE])?;
        self.repo.await_head(&|line| hear.status(line))?;
        self.trusted(&wanted)?;
        self.other_stages_staged()?;
        let run = self.recorded(&run_dir, hear)?;
        Ok(Prepared::Run(Box::new(Job { staged, wanted, run, head })))
    }

    /// Sees to it that the selected run of the index is in the index's data version. What `undo` keeps is to be put back
    /// where that, or what the caller does after it, fails.
    pub fn promote(&mut self, prepared: Prepared, undo: &mut Undo, hear: &dyn Hear) -> Result<Promoted, Stop> {
        let Job { staged, wanted, run, head } = match prepared {
            Prepared::Nothing => return Ok(Promoted::Nothing),
            Prepared::Views(staged) => {
                self.views_follow(&staged, undo, hear)?;
                return Ok(Promoted::Nothing);
            }
            Prepared::Run(job) => *job,
        };
        let _alone = WorkLock::take(&self.state_dir())?;
        self.share_cache(hear)?;
        let runs = [run];
        let work = Ingest { staged: &staged, wanted: &wanted, runs: &runs, head: head.as_ref(), force: false };
        let locked = self.ingest(&work, undo, hear)?;
        self.stage_results(&wanted, undo, hear)?;
        // The data is in the commit: that a note of it cannot be written stops nothing.
        let before = head.or(staged.locked).map(|before| before.version);
        if let Err(error) = self.note_runs_added(before, locked.version).and_then(|()| self.forget_selected_anew()) {
            hear.warn(&error.to_string());
        }
        let [run] = runs;
        Ok(Promoted::Ingested { run: run.key, locked })
    }

    /// Puts these runs into the dataset as one data version, without touching the index; also where `dvc.lock` names them
    /// already, for their files may have changed since. The last one is the working tree's selected run. Others go with it
    /// only where the stage's command is ours ([`Project::puts_many`]). With `force`, committed runs get derived files anew.
    pub fn put(&self, runs: &[Recorded], force: bool, undo: &mut Undo, hear: &dyn Hear) -> Result<Locked, Stop> {
        let state = self.state(&Source::WorkTree)?;
        let head = match self.repo.head()? {
            Some(id) => self.locked(&Source::Commit(id))?,
            None => None,
        };
        let wanted = state.wanted.clone().ok_or(ProjectError::NoStage)?;
        self.trusted(&wanted)?;
        let _alone = WorkLock::take(&self.state_dir())?;
        let work = Ingest { staged: &state, wanted: &wanted, runs, head: head.as_ref(), force };
        self.ingest(&work, undo, hear)
    }

    /// Whether several runs can be put into the dataset at once: the stage's command does to one what is done here.
    pub fn puts_many(&self) -> Result<bool, Stop> {
        let wanted = self.state(&Source::WorkTree)?.wanted;
        Ok(wanted.is_some_and(|wanted| wanted.stage.command() == TRUSTED_CMD))
    }

    /// What is staged brings nothing to the dataset that no clone would check out. What a merged branch has, it has.
    fn nothing_refused(&self, head: Option<&Locked>, staged: Option<&Locked>) -> Result<(), Stop> {
        let Some(staged) = staged.filter(|staged| head.map(|head| head.version) != Some(staged.version)) else {
            return Ok(());
        };
        let mut olds: Vec<DataVersion> = head.into_iter().map(|head| head.version).collect();
        for merged in self.repo.merge_heads()? {
            olds.extend(self.version_at(&merged)?);
        }
        let refused = self.lists()?.change(staged.version, olds).delta.and_then(|mut delta| delta.refused.pop());
        refused.map_or(Ok(()), |refusal| Err(Stop::Refused { refusal }))
    }

    /// Whether the user says that runs may go, or undoes a commit.
    fn on_purpose(&self) -> Result<bool, GitError> {
        Ok(self.repo.config_bool(ALLOW_LOSS)? == Some(true) || self.repo.operation() == Some(Operation::Revert))
    }

    /// What the new data version holds differently from the old one; a stop where that cannot be known here.
    fn delta(&self, old: DataVersion, new: DataVersion) -> Result<Delta, Stop> {
        self.rebuild_lists([old, new], None)?;
        let mut lists = self.lists()?;
        let unknown = [old, new].into_iter().find(|version| lists.get(*version).is_none()).unwrap_or(new);
        lists.change(new, [old]).delta.ok_or_else(|| Stop::Unknown { version: unknown.to_string() })
    }

    /// Every run of the old data version but those that were put, or dropped on purpose, is in the new one, with the same
    /// files; and nothing has come that no clone checks out.
    fn others_kept(
        &self,
        old: DataVersion,
        new: DataVersion,
        put: &[Recorded],
        dropped: &[Refusal],
    ) -> Result<(), Stop> {
        let mut delta = self.delta(old, new)?;
        if let Some(refusal) = delta.refused.pop() {
            return Err(Stop::Refused { refusal });
        }
        delta.gone.retain(|run| dropped.iter().all(|refusal| refusal.path != run.to_string()));
        let mut lists = self.lists()?;
        let put: HashSet<&RunKey> = put.iter().map(|run| &run.key).collect();
        let others = |runs: BTreeSet<RunKey>| runs.into_iter().filter(|other| !put.contains(other)).collect::<Vec<_>>();
        let (lost, mut changed) = (others(delta.gone), others(delta.brought));
        // Another run may be new, too: several are put one after the other.
        changed.retain(|run| lists.entries(old, run).is_none_or(|entries| !entries.is_empty()));
        match (lost.is_empty(), changed.is_empty()) {
            (false, _) => Err(Stop::Lost { runs: lost }),
            (true, false) => Err(Stop::Changed { runs: changed }),
            (true, true) => Ok(()),
        }
    }

    /// DVC works on the working tree: it must want what is staged.
    fn work_tree_agrees(&self, staged: &State, wanted: &Resolved) -> Result<(), Stop> {
        let State { wanted: work, include, .. } = self.state(&Source::WorkTree)?;
        let selected = work.as_ref().and_then(|w| w.run_dir.clone());
        if selected != wanted.run_dir {
            self.sees(wanted.stage.params_file())?;
            return Err(Stop::Selection { staged: wanted.run_dir.clone(), work: selected });
        }
        if wanted.run_dir.is_some() && include != staged.include {
            return Err(Stop::Include);
        }
        match work {
            Some(work) if work.stage == wanted.stage && work.out_dir == wanted.out_dir => Ok(()),
            _ if wanted.run_dir.is_none() => Ok(()),
            _ => self.sees(stage::FILE).and(Err(Stop::Stage)),
        }
    }

    /// A cloned repository must not choose the command that a hook runs.
    fn trusted(&self, wanted: &Resolved) -> Result<(), Stop> {
        let cmd = wanted.stage.command();
        if cmd == TRUSTED_CMD || self.repo.local_config(TRUST_SETTING)?.as_deref() == Some(cmd.as_str()) {
            return Ok(());
        }
        Err(Stop::Untrusted { cmd })
    }

    /// `dvc.lock` is staged whole: what other stages changed in it must be staged already.
    fn other_stages_staged(&self) -> Result<(), Stop> {
        let read = |bytes: Option<Vec<u8>>| Lock::parse(&bytes.unwrap_or_default()).map_err(ProjectError::from);
        let work = read(self.file(&Source::WorkTree, lockfile::FILE)?)?;
        let staged = read(self.file(&Source::Index, lockfile::FILE)?)?;
        let others = |lock: &Lock| -> Vec<LockedStage> {
            let others = lock.stages.iter().filter(|stage| stage.name != STAGE).cloned();
            let mut others: Vec<LockedStage> = others.map(|stage| LockedStage { span: 0..0, ..stage }).collect();
            others.sort_by(|a, b| a.name.cmp(&b.name));
            others
        };
        if others(&work) == others(&staged) { Ok(()) } else { Err(Stop::OtherStages) }
    }

    /// A recorded run, validated; an invalid one is a reason to stop.
    pub fn recorded(&self, run_dir: &str, hear: &dyn Hear) -> Result<Recorded, Stop> {
        let report = self.valid(run_dir, hear)?;
        tell_ignored(&report, hear);
        match RunKey::new(&report.experiment, &report.run_id) {
            Ok(key) => Ok(Recorded { run_dir: run_dir.to_owned(), key, report }),
            Err(_) => Err(Stop::Invalid { report: Box::new(report) }),
        }
    }

    /// Validates a run; an invalid one is a reason to stop.
    pub fn valid(&self, run_dir: &str, hear: &dyn Hear) -> Result<Report, Stop> {
        let dir = self.root.join(run_dir);
        if !dir.is_dir() {
            return Err(Stop::NoRun { run_dir: run_dir.to_owned() });
        }
        let options = self.validation()?;
        let progress = hear.progress(&format!("validating {run_dir}"), None);
        let report = validate::check(&dir, run_dir, &options, progress.as_ref())?;
        if report.ok { Ok(report) } else { Err(Stop::Invalid { report: Box::new(report) }) }
    }

    fn ingest(&self, work: &Ingest<'_>, undo: &mut Undo, hear: &dyn Hear) -> Result<Locked, Stop> {
        let Ingest { staged, wanted, runs, head, force } = *work;
        let Some(selected) = runs.last() else { return Err(Stop::NothingSelected) };
        let not_locked = || Stop::NotLocked { run_dir: selected.run_dir.clone() };
        if let Some(why) = wanted.unversioned() {
            return Err(why.into());
        }
        self.check_stage_files(wanted)?;
        self.check_dataset_dir(&wanted.out_dir)?;
        let tracked = self.git_path(&wanted.out_dir);
        if self.repo.index_holds_below(&tracked)? {
            return Err(Stop::TrackedByGit { out_dir: tracked });
        }
        self.check_include(wanted, runs, hear)?;
        let before = head.or(staged.locked.as_ref());
        let moves = before.is_some_and(|locked| locked.out_dir != wanted.out_dir);
        // On purpose, a dataset may begin anew elsewhere.
        let before = before.filter(|_| !(moves && self.on_purpose().unwrap_or(false)));
        let native = !moves && self.within_native(wanted, runs, hear)?;
        if !native {
            self.dvc_takes()?;
        }
        let dropped = match before {
            // Nothing but the new run's folder is looked at, so nothing else need be in the workspace.
            Some(locked) if native => {
                self.bring_list(self.dvc_settings()?, locked.version)?;
                Vec::new()
            }
            Some(locked) => self.committed_runs(locked, wanted, &selected.key, hear)?,
            None => Vec::new(),
        };
        undo.keep_dataset(&wanted.out_dir, runs)?;
        for run in runs {
            let committed = before.map_or(Ok(Vec::new()), |locked| self.committed_files(locked.version, run))?;
            let ours = wanted.stage.command() == TRUSTED_CMD;
            // The stage's command does it, but for what it does not know of: what is committed, and `force`.
            if run == selected && !native && !(ours && (force || !committed.is_empty())) {
                continue;
            }
            self.ingest_here(wanted, run, force, hear)?;
            if let Some(locked) = before.filter(|_| !force && !committed.is_empty()) {
                self.keep_committed(locked.version, &committed, &wanted.out_dir, run, hear)?;
            }
        }
        if native {
            // Before dvc.lock, as in the stage's command: where it names the run, a commit need not do anything more.
            metrics_files::write(&self.root, &self.root.join(&wanted.out_dir), &selected.key)?;
            self.version_natively(wanted, runs)?;
        } else {
            hear.status("dvc repro -s capture_ingest");
            self.dvc()?.repro(STAGE, staged.agrees(), &wanted.stage.cmd)?;
        }
        let state = self.state(&Source::WorkTree)?;
        let locked = state.locked.clone().filter(|_| state.agrees());
        let locked = locked.ok_or_else(not_locked)?;
        for run in runs {
            self.all_versioned(&locked.out_dir, locked.version, run)?;
        }
        if let Some(before) = before {
            self.others_kept(before.version, locked.version, runs, &dropped)?;
        }
        Ok(locked)
    }

    /// Tells what lies beside the recorder's files and is not put into the dataset; an error if DVC would miss the setting.
    fn check_include(&self, wanted: &Resolved, runs: &[Recorded], hear: &dyn Hear) -> Result<(), Stop> {
        if self.is_include_missing(&wanted.stage)? {
            return Err(Stop::IncludeMissing);
        }
        let include = self.config()?.ingest.include;
        let mut loose = LooseFiles::default();
        for run in runs {
            loose.add(&self.root.join(&run.run_dir), &run.report, &include);
        }
        loose.tell(&include, hear);
        if !include.patterns().is_empty() && !include::is_dependency(&wanted.stage) {
            hear.warn("the stage does not depend on ingest.include, so DVC does not see when it changes");
            hear.hint("`capture-hook init` adds it to dvc.yaml");
        }
        Ok(())
    }

    /// Whether the native engine is chosen and can do this project's work as DVC would.
    fn within_native(&self, wanted: &Resolved, runs: &[Recorded], hear: &dyn Hear) -> Result<bool, Stop> {
        if self.config()?.engine != Engine::Native || wanted.stage.command() != TRUSTED_CMD {
            return Ok(false);
        }
        let runs: Vec<RunKey> = runs.iter().map(|run| run.key.clone()).collect();
        match native::is_within(&self.root, self.dvc_settings()?, wanted, &runs) {
            Ok(()) => Ok(true),
            Err(EngineError::Unsupported(why)) => {
                hear.status(&format!("engine = \"native\" leaves this to DVC: {why}"));
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts a run's folder into the dataset, as the stage's command does.
    fn ingest_here(&self, wanted: &Resolved, run: &Recorded, force: bool, hear: &dyn Hear) -> Result<(), Stop> {
        let request = ingest::Request {
            run_dir: self.root.join(&run.run_dir),
            shown_as: run.run_dir.clone(),
            out_dir: self.root.join(&wanted.out_dir),
            root: self.root.clone(),
            off_limits: self.off_limits()?,
            options: self.validation()?,
            force,
        };
        let progress = hear.progress(&format!("ingesting {}", run.key), None);
        ingest::ingest(&request, progress.as_ref())?;
        Ok(())
    }

    /// Versions runs that lie in the dataset without DVC, as DVC would.
    fn version_natively(&self, wanted: &Resolved, runs: &[Recorded]) -> Result<(), Stop> {
        let runs: Vec<RunKey> = runs.iter().map(|run| run.key.clone()).collect();
        native::version(&native::Work {
            root: &self.root,
            settings: self.dvc_settings()?,
            stage: wanted,
            runs: &runs,
            patience: PATIENCE,
        })?;
        Ok(())
    }

    /// Sees to it that the runs of the committed data version, all but `run`, are in the workspace. Gives those that no
    /// checkout takes, where the user says that runs may go.
    fn committed_runs(
        &self,
        locked: &Locked,
        wanted: &Resolved,
        run: &RunKey,
        hear: &dyn Hear,
    ) -> Result<Vec<Refusal>, Stop> {
        self.bring_list(self.dvc_settings()?, locked.version)?;
        let all = fetch::listing(&self.root, self.dvc_settings()?, locked.version, || self.dvc())?;
        let (listing, refused) = all.clone().without_refused();
        let may_go = !refused.is_empty() && self.on_purpose()?;
        leftovers::remove(&self.root, &wanted.out_dir, PATIENCE).map_err(EngineError::from)?;
        let missing = || self.first_missing(&listing, &wanted.out_dir, run);
        // A `git reset` tells nobody: runs of another version would slip into this one.
        let mut became = None;
        let moves = locked.out_dir != wanted.out_dir;
        if !moves && (!self.workspace_is_at(Some(locked.version))? || missing().is_some()) {
            hear.status("bringing the committed runs into the workspace first");
            became = Some(self.follow(locked, Reach::All, hear)?);
        }
        let Some(file) = missing() else {
            // Who committed them has them in the workspace.
            let gone = !may_go && self.first_missing(&all, &wanted.out_dir, run).is_some();
            return match refused.first().filter(|_| gone) {
                None => Ok(refused),
                Some(refusal) => Err(Stop::NotHere {
                    why: format!("no checkout takes {refusal}"),
                    advice: format!("to drop it from the dataset: `git -c {ALLOW_LOSS}=true commit`"),
                }),
            };
        };
        let (why, advice) = match became {
            _ if moves => (
                format!("{} is to be the dataset, and {file} is not in it", wanted.out_dir),
                format!(
                    "move the dataset there: `mv {} {}`; to begin anew: `git -c {ALLOW_LOSS}=true commit`",
                    quoted(&locked.out_dir),
                    quoted(&wanted.out_dir)
                ),
            ),
            Some(Synced::Missing { why } | Synced::Left { what: why }) => {
                (why, "bring them here: `capture-hook pull`, then run the same command again".into())
            }
            _ => (format!("something else is in the place of {file}"), "move it away, then `capture-hook pull`".into()),
        };
        Err(Stop::NotHere { why, advice })
    }

    /// The first file of a listing that is not in the workspace, `except` one run's.
    fn first_missing(&self, listing: &Listing, out_dir: &str, except: &RunKey) -> Option<String> {
        let root = self.root.join(out_dir);
        let prefix = format!("{except}/");
        let there = |path: &str| std::fs::metadata(root.join(path)).is_ok_and(|meta| meta.is_file());
        let mut files = listing.entries().iter().map(|entry| entry.relpath.as_str());
        files.find(|path| !path.starts_with(&prefix) && !there(path)).map(str::to_owned)
    }
}

//! How far the selected run is: recorded, valid, ingested, committed, tagged, pushed; whether the workspace holds the dataset;
//! and what to type next.

use std::path::Path;

use crate::commit::tags::RunTag;
use crate::dataset::get::RetrieveError;
use crate::dvc::stage::{Resolved, Unversioned};
use crate::error::Explain;
use crate::git::Oid;
use crate::history::catalog::Catalog;
use crate::project::held::Held;
use crate::project::{Project, ProjectError, Source, State};
use crate::run::RunKey;
use crate::run::layout::slash_hint;
use crate::support::process::quoted;
use crate::support::progress::Progress;
use crate::validate;
use crate::validate::Ignored;

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Done.
    Done,
    /// Still to do.
    Pending,
    /// It was looked at and found wanting.
    Failed,
    /// It cannot be told from here, or concerns nobody.
    Unknown,
}

impl Standing {
    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// One step of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// How it stands.
    pub standing: Standing,
    /// In words.
    pub detail: String,
}

/// The selected run's way.
#[derive(Debug, Default)]
pub struct Journey {
    /// The selected run, where its name is known.
    pub run: Option<RunKey>,
    /// What the parameters name.
    pub run_dir: Option<String>,
    /// The steps, in order; empty where no run is selected.
    pub steps: Vec<Step>,
    /// What to type next.
    pub next: Option<String>,
    /// What else wants attention.
    pub notes: Vec<String>,
}

impl Journey {
    /// Whether nothing is pending.
    #[must_use]
    pub fn done(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step.standing, Standing::Pending | Standing::Failed))
    }

    pub(crate) fn step(&mut self, name: &'static str, standing: Standing, detail: impl Into<String>) -> bool {
        self.steps.push(Step { name, standing, detail: detail.into() });
        standing == Standing::Done
    }

    /// The first thing to do wins.
    pub(crate) fn next(&mut self, command: impl Into<String>) {
        self.next.get_or_insert(command.into());
    }
}

impl Project {
    /// The selected run's way, read from the workspace, the index and history.
    pub fn journey(&self, catalog: &Catalog, progress: &dyn Progress) -> Result<Journey, RetrieveError> {
        let state = self.state(&Source::WorkTree)?;
        let mut way = Journey { run_dir: state.run_dir().map(str::to_owned), ..Journey::default() };
        way.notes = self.notes(catalog)?;
        if state.wanted.is_none() {
            return Err(ProjectError::NoStage.into());
        }
        let Some(run_dir) = way.run_dir.clone() else {
            let any = catalog.runs().any(|run| run.seen.recorded.is_some());
            way.next = Some(if any { "capture-hook select latest".into() } else { "capture-hook demo".into() });
            self.look_at_workspace(&mut way, &state, progress)?;
            return Ok(way);
        };
        way.run.clone_from(&catalog.selected);
        let name = way.run.as_ref().map_or_else(|| run_dir.clone(), ToString::to_string);
        let shell = quoted(&name);
        let dir = self.root.join(&run_dir);
        let recorded = dir.join(crate::run::layout::RUN_JSON).is_file();
        let ingested = state.agrees();
        self.look_at_run(&mut way, &dir, &run_dir, recorded, ingested, progress)?;
        let current = self.look_at_dataset(&mut way, &state, &run_dir)?;
        let committed = self.look_at_commit(&mut way, &state, current, &shell)?;
        self.look_at_tag(&mut way, catalog, committed.as_ref())?;
        let version = state.locked.as_ref().map(|locked| locked.version);
        self.look_at_remotes(&mut way, version, committed.as_ref())?;
        self.look_at_workspace(&mut way, &state, progress)?;
        Ok(way)
    }

    fn look_at_run(
        &self,
        way: &mut Journey,
        dir: &Path,
        run_dir: &str,
        recorded: bool,
        ingested: bool,
        progress: &dyn Progress,
    ) -> Result<(), RetrieveError> {
        if !recorded {
            // A clone does not have the recorder's files: the dataset is what is versioned.
            let (standing, detail) = if ingested {
                (Standing::Unknown, format!("{run_dir} is not in this clone; its data is committed"))
            } else {
                way.next("capture-hook select latest");
                way.notes.extend(slash_hint(run_dir));
                (Standing::Failed, format!("{run_dir} is not there"))
            };
            way.step("recorded", standing, detail);
            way.step("valid", Standing::Unknown, "nothing to validate here");
            return Ok(());
        }
        way.step("recorded", Standing::Done, run_dir);
        let options = self.validation()?;
        let report = validate::check(dir, run_dir, &options, progress).map_err(ProjectError::from)?;
        if report.ok {
            let (steps, episodes) = (report.steps.rows, report.episodes.rows);
            let mut remarks = Vec::new();
            if let Some(ignored) = Ignored::words(&report.ignored) {
                let codes: Vec<&str> = report.ignored.iter().map(|one| one.code.as_str()).collect();
                remarks.push(format!("ignored: {}", codes.join(", ")));
                way.notes.push(format!("the validation of {run_dir} {ignored}"));
            }
            if !report.warnings.is_empty() {
                let codes: Vec<&str> = report.warnings.iter().map(|code| code.as_str()).collect();
                remarks.push(format!("warnings: {}", codes.join(", ")));
            }
            let remarks = if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join("; ")) };
            let detail = format!("{steps} steps, {episodes} episodes{remarks}");
            way.step("valid", Standing::Done, detail);
        } else {
            let codes: Vec<&str> = report.errors.iter().map(|code| code.as_str()).collect();
            way.step("valid", Standing::Failed, codes.join(", "));
            way.next("capture-hook validate");
        }
        Ok(())
    }

    /// Looks whether the data version holds the selected run; false if it holds another one that was recorded there.
    fn look_at_dataset(&self, way: &mut Journey, state: &State, run_dir: &str) -> Result<bool, RetrieveError> {
        let unversioned = state.wanted.as_ref().and_then(Resolved::unversioned);
        if let Some(why) = unversioned.filter(|why| !state.agrees() || *why != Unversioned::Frozen) {
            way.step("ingested", Standing::Failed, why.to_string());
            way.next("capture-hook doctor");
            way.notes.extend(why.explain().hints);
            return Ok(false);
        }
        let Some(locked) = state.locked.as_ref().filter(|_| state.agrees()) else {
            let detail = match &state.locked {
                Some(locked) => format!("dvc.lock holds another selection ({})", locked.version),
                None => "dvc.lock holds no data version yet".into(),
            };
            way.step("ingested", Standing::Pending, detail);
            return Ok(true);
        };
        let held = self.held(locked.version, run_dir)?;
        if !state.include_agrees() && held != Held::NoRun {
            way.step("ingested", Standing::Pending, "it was ingested with other patterns than ingest.include holds");
            return Ok(false);
        }
        if let Some(lack) = held.lack() {
            way.step("ingested", Standing::Pending, lack);
            return Ok(false);
        }
        if held == Held::Unknown {
            let detail = format!("the list of files of {} is not in this clone", locked.version);
            way.step("ingested", Standing::Unknown, detail);
            way.next("capture-hook pull");
        } else {
            way.step("ingested", Standing::Done, format!("data version {}", locked.version));
        }
        Ok(true)
    }

    /// The commit at HEAD, where it holds the selection and the data version of the workspace.
    fn look_at_commit(
        &self,
        way: &mut Journey,
        state: &State,
        current: bool,
        shell: &str,
    ) -> Result<Option<Oid>, RetrieveError> {
        let publish = format!("capture-hook publish {shell}");
        if !current {
            way.step("committed", Standing::Pending, "no commit is known to hold it as it is recorded now");
            way.next(publish);
            return Ok(None);
        }
        let Some(head) = self.repo.head().map_err(ProjectError::from)? else {
            way.step("committed", Standing::Pending, "there is no commit yet");
            way.next(publish);
            return Ok(None);
        };
        let at_head = self.state(&Source::Commit(head.clone()));
        let same = at_head.is_ok_and(|at| {
            at.agrees()
                && at.run_dir() == state.run_dir()
                && at.locked.as_ref().map(|l| l.version) == state.locked.as_ref().map(|l| l.version)
        });
        if same {
            way.step("committed", Standing::Done, format!("HEAD is at {}", head.short()));
            return Ok(Some(head));
        }
        way.step("committed", Standing::Pending, "HEAD holds another selection or data version");
        way.next(publish);
        Ok(None)
    }

    fn look_at_tag(&self, way: &mut Journey, catalog: &Catalog, committed: Option<&Oid>) -> Result<(), RetrieveError> {
        let (Some(run), Some(head)) = (way.run.clone(), committed) else {
            way.step("tagged", Standing::Pending, "a commit is tagged when it is made");
            return Ok(());
        };
        let version = self.version_at(head)?;
        let history = &catalog.history;
        let names_it = |tag: &&RunTag| {
            let at = tag.tag.commit.as_ref().and_then(|commit| self.version_at(commit).ok().flatten());
            let at = at.or_else(|| tag.record.as_ref().map(|record| record.data));
            at.zip(version).is_some_and(|(at, version)| history.same(at, version, &run))
        };
        let mut left_behind = None;
        for tag in history.tags_of(&run).into_iter().rev().filter(names_it) {
            if !self.is_left_behind(tag, Some(head))? {
                way.step("tagged", Standing::Done, tag.tag.name.clone());
                return Ok(());
            }
            left_behind = Some(tag);
        }
        let detail = match left_behind {
            Some(tag) => format!("no branch holds the commit of {}", tag.tag.name),
            None => "no tag names this data of the run".into(),
        };
        way.step("tagged", Standing::Pending, detail);
        way.next("capture-hook tag");
        Ok(())
    }

    /// What else wants attention.
    fn notes(&self, catalog: &Catalog) -> Result<Vec<String>, ProjectError> {
        let mut notes = Vec::new();
        let new =
            catalog.runs().filter(|run| run.seen.recorded.is_some() && !run.seen.in_history && !run.seen.in_dataset);
        let new: Vec<RunKey> = new.map(|run| run.key).filter(|key| catalog.selected.as_ref() != Some(key)).collect();
        if let [only] = new.as_slice() {
            notes.push(format!(
                "{only} is recorded and in no commit: `capture-hook publish {}`",
                quoted(only.to_string())
            ));
        } else if !new.is_empty() {
            notes.push(format!("{} recorded runs are in no commit: `capture-hook runs --new`", new.len()));
        }
        notes.extend(catalog.left_out.iter().map(ToString::to_string));
        if !catalog.duplicates.0.is_empty() {
            notes.push(format!("{}: neither is taken", catalog.duplicates));
        }
        Ok(notes)
    }
}

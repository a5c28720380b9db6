//! How far the selected run is: recorded, valid, ingested, committed, tagged, pushed; whether the workspace holds the
//! dataset; and the next command.

mod pushed;
mod workspace;

use std::cell::Cell;
use std::panic::resume_unwind;

use crate::dataset::stage::{ResolvedStage, UnversionedDataset, is_selection};
use crate::dvc::hash::DataVersion;
use crate::error::Explain;
use crate::git::Oid;
use crate::history::catalog::{self, Catalog, CatalogRun};
use crate::history::listed_runs::{ListedRun, ListedState, list_runs};
use crate::history::new_runs::{self, ScanLimit};
use crate::history::removal::find_removed_selection;
use crate::history::{RunTag, tags};
use crate::inspect::status::workspace::{WorkspaceCheck, WorkspaceFacts};
use crate::project::held::{self, RunMatch};
use crate::project::removal_note::RemovalNote;
use crate::project::{self, DatasetState, GitTree, Project, ProjectError};
use crate::run::RunKey;
use crate::run::layout::slash_hint;
use crate::support::process::shell_quote;
use crate::support::progress::Progress;
use crate::sync::push::RemoteDataError;
use crate::validate;
use crate::validate::IgnoredFinding;

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Done.
    Done,
    /// Still to do.
    Pending,
    /// It was checked, and something is wrong.
    Failed,
    /// It is not known in this clone, or does not apply.
    Unknown,
}

impl StepState {
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

/// One step from the recording to the remotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusStep {
    /// Its name.
    pub name: &'static str,
    /// How it stands.
    pub state: StepState,
    /// In words.
    pub detail: String,
}

/// How far the selected run is.
#[derive(Debug, Default)]
pub struct RunStatus {
    /// The selected run, if its name is known.
    pub run: Option<RunKey>,
    /// What the parameters name.
    pub run_dir: Option<String>,
    /// What is known of the selected run, wherever its data is.
    pub known: Option<ListedRun>,
    /// The steps, in order; empty if no run is selected.
    pub steps: Vec<StatusStep>,
    /// What to type next.
    pub next: Option<String>,
    /// What else to look at.
    pub notes: Vec<String>,
}

impl RunStatus {
    /// Whether nothing is pending.
    #[must_use]
    pub fn is_done(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step.state, StepState::Pending | StepState::Failed))
    }

    pub(crate) fn add_step(&mut self, name: &'static str, state: StepState, detail: impl Into<String>) -> bool {
        self.steps.push(StatusStep { name, state, detail: detail.into() });
        state == StepState::Done
    }

    /// The first thing to do wins.
    pub(crate) fn suggest_next(&mut self, command: impl Into<String>) {
        self.next.get_or_insert(command.into());
    }
}

/// How far the selected run is, read from the workspace, the index and history.
pub fn read_status(project: &Project, progress: &dyn Progress) -> Result<RunStatus, RemoteDataError> {
    let state = project.dataset_state(&GitTree::WorkTree)?;
    let workspace_check = WorkspaceCheck::prepare(project, &state)?;
    // Looking at every file of the workspace takes as long as everything else, so that is done in the meantime.
    std::thread::scope(|scope| {
        let comparing = workspace_check.as_ref().map(|check| scope.spawn(|| check.compare(progress)));
        let compare = || -> Result<Option<WorkspaceFacts>, ProjectError> {
            let joined = comparing.map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            joined.transpose()
        };
        read_steps(project, state, compare, progress)
    })
}

/// Reads one step after another; the last is what `compare` found in the workspace.
fn read_steps(
    project: &Project,
    state: DatasetState,
    compare: impl FnOnce() -> Result<Option<WorkspaceFacts>, ProjectError>,
    progress: &dyn Progress,
) -> Result<RunStatus, RemoteDataError> {
    let catalog = catalog::load_catalog(project)?;
    let mut status = RunStatus { run_dir: state.run_dir().map(str::to_owned), ..RunStatus::default() };
    status.notes = list_notes(project, &catalog, progress)?;
    if state.stage.is_none() {
        return Err(ProjectError::NoStage.into());
    }
    status.notes.extend(find_uncommitted_change(project, &state)?);
    let record = state.record.clone();
    if let Some(run_dir) = status.run_dir.clone() {
        status.run.clone_from(&catalog.selected);
        let selected: Vec<CatalogRun> = status.run.as_ref().and_then(|run| catalog.get(run)).into_iter().collect();
        status.known = list_runs(project, &catalog, &selected, ScanLimit::NotedOnly, progress)?.pop();
        let name = status.run.as_ref().map_or_else(|| run_dir.clone(), ToString::to_string);
        let quoted_name = shell_quote(&name);
        let mut reader = StatusReader { project, progress, state, status };
        // The order matters: the first step that suggests a command decides what is next.
        reader.check_recording(&run_dir)?;
        let current = reader.check_ingested(&run_dir)?;
        let committed = reader.check_committed(current, &quoted_name)?;
        reader.check_tagged(&catalog, committed.as_ref())?;
        status = reader.status;
        let version = record.as_ref().map(|record| record.version);
        pushed::check_pushed(project, &mut status, version, committed.as_ref())?;
    } else {
        status.next = Some(new_runs::advise_selection(project)?);
    }
    // Last: what it suggests is used only if no step of the run suggested a command.
    if let (Some(record), Some(facts)) = (record, compare()?) {
        workspace::report_facts(project, &mut status, &record, &facts)?;
    }
    Ok(status)
}

/// Looks at one step after another.
struct StatusReader<'a> {
    project: &'a Project,
    progress: &'a dyn Progress,
    state: DatasetState,
    status: RunStatus,
}

impl StatusReader<'_> {
    fn check_recording(&mut self, run_dir: &str) -> Result<(), RemoteDataError> {
        let dir = self.project.root.join(run_dir);
        if !dir.join(crate::run::layout::RUN_JSON).is_file() {
            // A clone does not have the recorder's files: the dataset is what is versioned.
            let (step_state, detail) = if self.state.is_ingested() {
                (StepState::Unknown, format!("{run_dir} is not in this clone; its data is committed"))
            } else {
                self.status.suggest_next(new_runs::advise_selection(self.project)?);
                self.status.notes.extend(slash_hint(run_dir));
                (StepState::Failed, format!("{run_dir} does not exist"))
            };
            self.status.add_step("recorded", step_state, detail);
            self.status.add_step("valid", StepState::Unknown, "no data to validate in this clone");
            return Ok(());
        }
        self.status.add_step("recorded", StepState::Done, run_dir);
        let options = project::read_validation_options(self.project)?;
        let report = validate::validate_run(&dir, run_dir, &options, self.progress).map_err(ProjectError::from)?;
        if report.ok {
            let (steps, episodes) = (report.step_count(), report.episodes.rows);
            let mut remarks = Vec::new();
            if let Some(ignored) = IgnoredFinding::describe_all(&report.ignored) {
                let codes: Vec<&str> = report.ignored.iter().map(|one| one.code.as_str()).collect();
                remarks.push(format!("ignored: {}", codes.join(", ")));
                self.status.notes.push(format!("the validation of {run_dir} {ignored}"));
            }
            if !report.warnings.is_empty() {
                let codes: Vec<&str> = report.warnings.iter().map(|code| code.as_str()).collect();
                remarks.push(format!("warnings: {}", codes.join(", ")));
            }
            let remarks = if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join("; ")) };
            let detail = format!("{steps} steps, {episodes} episodes{remarks}");
            self.status.add_step("valid", StepState::Done, detail);
        } else {
            let codes: Vec<&str> = report.errors.iter().map(|code| code.as_str()).collect();
            self.status.add_step("valid", StepState::Failed, codes.join(", "));
            self.status.suggest_next(format!("capture-hook validate {}", shell_quote(run_dir)));
        }
        Ok(())
    }

    /// Looks whether the data version holds the selected run; false if it holds another one that was recorded there.
    fn check_ingested(&mut self, run_dir: &str) -> Result<bool, RemoteDataError> {
        let unversioned = self.state.stage.as_ref().and_then(ResolvedStage::why_unversioned);
        // A frozen stage does not matter if the selection is ingested. `cache: false` does: no data can be sent.
        if let Some(why) = unversioned.filter(|why| !self.state.is_ingested() || *why != UnversionedDataset::Frozen) {
            self.status.add_step("ingested", StepState::Failed, why.to_string());
            self.status.suggest_next("capture-hook doctor");
            self.status.notes.extend(why.explain().hints);
            return Ok(false);
        }
        let Some(record) = self.state.record.as_ref().filter(|_| self.state.is_ingested()) else {
            let detail = match &self.state.record {
                Some(record) => format!("dvc.lock holds another selection ({})", record.version),
                None => "dvc.lock holds no data version yet".into(),
            };
            self.status.add_step("ingested", StepState::Pending, detail);
            return Ok(true);
        };
        let run_match = held::match_recorded_run(self.project, record.version, run_dir)?;
        if !self.state.include_matches() && run_match != RunMatch::NoRun {
            self.status.add_step(
                "ingested",
                StepState::Pending,
                "it was ingested with other patterns than ingest.include has now",
            );
            return Ok(false);
        }
        if let Some(commit) = find_removed_selection(self.project, record.version, run_dir)? {
            let detail = format!("removed from the dataset by {}", commit.short());
            self.status.add_step("ingested", StepState::Unknown, detail);
            self.status.suggest_next("capture-hook select");
            return Ok(true);
        }
        if let Some(mismatch) = run_match.mismatch() {
            self.status.add_step("ingested", StepState::Pending, mismatch);
            return Ok(false);
        }
        if run_match == RunMatch::Unknown {
            let detail = format!("the file list of {} is not in this clone", record.version);
            self.status.add_step("ingested", StepState::Unknown, detail);
            // Pulling fetches the list, and then the step is known.
            self.status.suggest_next("capture-hook pull");
        } else {
            self.status.add_step("ingested", StepState::Done, format!("data version {}", record.version));
        }
        Ok(true)
    }

    /// The commit at HEAD, if it holds the selection and the data version of the workspace.
    fn check_committed(&mut self, current: bool, quoted_name: &str) -> Result<Option<Oid>, RemoteDataError> {
        let publish = format!("capture-hook publish {quoted_name}");
        if !current {
            self.status.add_step("committed", StepState::Pending, "no known commit holds it as it is recorded now");
            self.status.suggest_next(publish);
            return Ok(None);
        }
        let Some(head) = self.project.repo.head().map_err(ProjectError::from)? else {
            self.status.add_step("committed", StepState::Pending, "there is no commit yet");
            self.status.suggest_next(publish);
            return Ok(None);
        };
        let state_at_head = self.project.dataset_state(&GitTree::Commit(head.clone()));
        // A HEAD that cannot be read holds no selection; `check` says what is wrong with it.
        let same = state_at_head.is_ok_and(|head_state| {
            head_state.is_ingested()
                && head_state.run_dir() == self.state.run_dir()
                && head_state.record.as_ref().map(|l| l.version) == self.state.record.as_ref().map(|l| l.version)
        });
        if same {
            self.status.add_step("committed", StepState::Done, format!("HEAD is at {}", head.short()));
            return Ok(Some(head));
        }
        self.status.add_step("committed", StepState::Pending, "HEAD holds another selection or data version");
        self.status.suggest_next(publish);
        Ok(None)
    }

    fn check_tagged(&mut self, catalog: &Catalog, committed: Option<&Oid>) -> Result<(), RemoteDataError> {
        let (Some(run), Some(head)) = (self.status.run.clone(), committed) else {
            self.status.add_step("tagged", StepState::Pending, "it is tagged when it is committed");
            return Ok(());
        };
        let version = self.project.data_version_at(head)?;
        let history = &catalog.history;
        let is_unknown = Cell::new(false);
        let has_same_files = |at: DataVersion, version: DataVersion| {
            let is_same = history.has_same_files(at, version, &run);
            // A list that is not in this clone says nothing.
            let is_known = || [at, version].iter().all(|version| history.run_entries(*version, &run).is_some());
            is_unknown.set(is_unknown.get() || !is_same && !is_known());
            is_same
        };
        let names_it = |tag: &&RunTag| {
            // If the commit cannot be read, the record in the tag itself is used.
            let at = tag.tag.commit.as_ref().and_then(|commit| self.project.data_version_at(commit).ok().flatten());
            let at = at.or_else(|| tag.record.as_ref().map(|record| record.data));
            at.zip(version).is_some_and(|(at, version)| has_same_files(at, version))
        };
        let mut left_behind = None;
        // `tags_of` lists the lowest version first; the highest is the one to show.
        for tag in history.tags_of(&run).into_iter().rev().filter(names_it) {
            if !tags::is_left_behind(self.project, &tag.tag, Some(head))? {
                self.status.add_step("tagged", StepState::Done, tag.tag.name.clone());
                return Ok(());
            }
            left_behind = Some(tag);
        }
        // One tag can stand for all runs of the commit that introduced this one.
        let introduced = history.latest_commit(&run).and_then(|change| history.version_tag_at(&change.commit.id));
        if let Some(tag) = introduced
            && version.is_some_and(|version| has_same_files(tag.record.data, version))
            && !tags::is_left_behind(self.project, &tag.tag, Some(head))?
        {
            self.status.add_step("tagged", StepState::Done, tag.tag.name.clone());
            return Ok(());
        }
        if is_unknown.get() && left_behind.is_none() {
            let detail = "unknown: file lists that tell are not in this clone";
            self.status.add_step("tagged", StepState::Unknown, detail);
            return Ok(());
        }
        let detail = match left_behind {
            Some(tag) => format!("the commit of {} is on no branch", tag.tag.name),
            None => "no tag names this data of the run".into(),
        };
        self.status.add_step("tagged", StepState::Pending, detail);
        self.status.suggest_next("capture-hook tag");
        Ok(())
    }
}

/// What a removal or a restore of runs left that was killed; without a selection, any other change of the dataset: no step
/// shows it then.
fn find_uncommitted_change(project: &Project, state: &DatasetState) -> Result<Option<String>, ProjectError> {
    let Some(head) = project.repo.head()? else { return Ok(None) };
    // A HEAD that cannot be read holds no dataset; `check` says what is wrong with it.
    let Some(head) = project.dataset_record(&GitTree::Commit(head)).ok().flatten() else { return Ok(None) };
    let is_changed = state.record.as_ref().is_some_and(|record| record.version != head.version);
    let is_cleared = state.run_dir().is_none() && head.run_dir.as_deref().is_some_and(is_selection);
    if (is_changed || is_cleared)
        && RemovalNote::read_over(project, &head)?.is_some_and(|note| note.explains(state, &head))
    {
        let what =
            "runs that are being removed or restored are not committed; run the same command again, or `git commit -a`";
        return Ok(Some(what.into()));
    }
    let is_unnamed = is_changed && state.run_dir().is_none();
    Ok(is_unnamed.then(|| "dvc.lock holds another data version than HEAD, and is not committed".into()))
}

/// The most new runs that are looked at for whether they are invalid.
const MOST_LOOKED_AT: usize = 100;

/// What else to look at.
fn list_notes(project: &Project, catalog: &Catalog, progress: &dyn Progress) -> Result<Vec<String>, ProjectError> {
    let mut notes = Vec::new();
    let new = catalog
        .runs()
        .filter(|run| run.sources.recorded.is_some() && !run.sources.in_history && !run.sources.in_dataset)
        .filter(|run| catalog.selected.as_ref() != Some(&run.key));
    let new: Vec<CatalogRun> = new.collect();
    // One run is read now; of several, what is noted is enough, and of very many even that takes long.
    let limit = if new.len() == 1 { ScanLimit::Short } else { ScanLimit::NotedOnly };
    let listed = match new.len() {
        1..=MOST_LOOKED_AT => list_runs(project, catalog, &new, limit, progress)?,
        _ => Vec::new(),
    };
    let invalid_count = listed.iter().filter(|run| run.state() == ListedState::Invalid).count();
    if let [only] = new.as_slice() {
        let advice = new_runs::advise(invalid_count > 0, &only.key.to_string());
        let to = if invalid_count > 0 { "" } else { "to " };
        notes.push(format!("{} is recorded, but in no commit; {to}{advice}", only.key));
    } else if !new.is_empty() {
        let invalid = if invalid_count > 0 { format!(" ({invalid_count} invalid)") } else { String::new() };
        let count = new.len();
        notes.push(format!("{count} recorded runs are in no commit{invalid}; to list them: `capture-hook runs --new`"));
    }
    notes.extend(catalog.left_out.iter().map(ToString::to_string));
    if !catalog.duplicates.0.is_empty() {
        notes.push(format!("{}: cannot choose one", catalog.duplicates));
    }
    Ok(notes)
}

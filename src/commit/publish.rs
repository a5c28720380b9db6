//! Publish: makes a commit of runs by itself, without the user's `git commit`, and pushes it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::relayed_lines::RefTable;
use super::valid_run::report_ignored_in_runs;
use super::{CommitRefused, CommitTransaction, ValidRun, can_ingest_many, ingest_runs, staging, validate_runs};
use crate::dataset::runs::entries_of_run;
use crate::dvc::hash::DataVersion;
use crate::dvc::link::hash_file;
use crate::dvc::lockfile;
use crate::error::{Error, ExitKind};
use crate::git::{CommitRange, GitError};
use crate::history::file_facts::LISTED_RUNS;
use crate::history::new_runs::{NewRunReader, ScanLimit};
use crate::history::{self, rebuilt};
use crate::project::dir::ProjectDir;
use crate::project::mutex::RepoMutex;
use crate::project::{DatasetRecord, GitTree, Project, ProjectError, Reporter, workspace};
use crate::run::RunKey;
use crate::run::layout::RUN_JSON;
use crate::setup::worktree;
use crate::support::notes::Notes;
use crate::support::process::{Cmd, ProcessOutput, shell_quote};
use crate::support::stderr_events::StderrEvent;
use crate::support::text::FEW;
use crate::support::visible::escape_control;
use crate::sync::push_target::PushTarget;
use crate::validate::ValidationReport;

/// Runs to commit.
#[derive(Clone, Copy)]
pub struct PublishRequest<'a> {
    /// Where they were recorded.
    pub project_dir: &'a ProjectDir,
    /// Their directories, the one to select last.
    pub runs: &'a [PathBuf],
    /// What was found in those of them that were validated a moment ago. Putting one into the dataset validates it again.
    pub reports: &'a HashMap<PathBuf, ValidationReport>,
    /// The commit's message; without, one that names the runs.
    pub message: Option<&'a str>,
    /// Whether committed runs get derived files again.
    pub force: bool,
}

/// The result of a commit of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishOutcome {
    /// The runs.
    pub runs: Vec<RunKey>,
    /// What `dvc.lock` says now.
    pub record: DatasetRecord,
    /// Whether a commit was made; `false` if everything was committed already.
    pub committed: bool,
    /// What git and its hooks printed, line by line.
    pub printed: Vec<String>,
    /// The steps of all runs.
    pub steps: u64,
}

/// Recorded runs that are not committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRuns {
    /// Their directories, in the order in which they were recorded.
    pub runs: Vec<PathBuf>,
    /// What is left out, each in words.
    pub left_out: Vec<String>,
    /// What was removed from the dataset, each in words.
    pub removed: Vec<String>,
}

/// Puts these runs into the dataset and commits them through the user's hooks, all or none.
pub fn publish_runs(
    project: &mut Project,
    request: &PublishRequest<'_>,
    reporter: &dyn Reporter,
) -> Result<PublishOutcome, Error> {
    let params = request.project_dir.params_file()?;
    staging::check_committable(project, &[lockfile::FILE, &params])?;
    project.repo.await_head(&|line| reporter.show_status(line)).map_err(ProjectError::from)?;
    worktree::share_cache(project, reporter)?;
    // Before anything changes: a HEAD that moved shows that the commit was made.
    let head = project.repo.head().map_err(ProjectError::from)?;
    let runs = load_runs(project, request, reporter)?;
    // No other process of ours may see the work half done. Other working trees of the clone share the cache.
    let mutex = RepoMutex::acquire(&project.state_dir())?;
    let noted = workspace::WorkspaceNote::read(project)?;
    let mut transaction = CommitTransaction::new(project);
    transaction.keep_file(&params)?;
    transaction.keep_file(lockfile::FILE)?;
    transaction.keep_metrics_files()?;
    let (outcome, mutex) = match ingest_and_stage(project, request, &runs, &mut transaction, reporter) {
        Ok(ingested) => {
            // The hooks that `git commit` calls may need it.
            drop(mutex);
            (commit_ingested(project, request, &runs, ingested, reporter), None)
        }
        Err(error) => (Err(error), Some(mutex)),
    };
    // A commit that is made stays, whatever failed after it.
    if outcome.is_err() && project.repo.head().is_ok_and(|now| now == head) {
        // If another process keeps it, what was changed is put back without it.
        let _alone = mutex.or_else(|| RepoMutex::acquire(&project.state_dir()).ok());
        transaction.roll_back(&mut project.repo, reporter);
        if let Err(error) = noted.restore(project) {
            reporter.show_warning(&format!("cannot restore the note about the workspace: {error}"));
        }
    } else {
        transaction.finish();
    }
    outcome
}

/// What was put into the dataset and staged.
struct IngestedRuns {
    old_version: Option<DataVersion>,
    record: DatasetRecord,
    /// The paths to commit.
    paths: Vec<String>,
}

/// The runs, all of them checked and validated before the first one changes anything.
fn load_runs(project: &Project, request: &PublishRequest<'_>, reporter: &dyn Reporter) -> Result<Vec<ValidRun>, Error> {
    let PublishRequest { project_dir, runs, reports, .. } = *request;
    // What was validated a moment ago was looked at then.
    let named: Vec<&PathBuf> = runs.iter().filter(|run| !reports.contains_key(*run)).collect();
    project_dir.run_dirs(&named).into_iter().collect::<Result<Vec<_>, _>>()?;
    let run_dirs: Vec<String> = named.iter().map(|run| project_dir.relative_display(run)).collect();
    let mut validated = validate_runs(project, &run_dirs, reporter)?.into_iter();
    let recorded = runs.iter().map(|run| {
        let report = match reports.get(run) {
            Some(report) => report.clone(),
            // As many as were named.
            None => validated.next().ok_or(CommitRefused::NothingSelected)??,
        };
        ValidRun::from_report(&project_dir.relative_display(run), report)
    });
    let runs = recorded.collect::<Result<Vec<_>, CommitRefused>>()?;
    report_ignored_in_runs(&runs, reporter);
    Ok(runs)
}

fn ingest_and_stage(
    project: &mut Project,
    request: &PublishRequest<'_>,
    runs: &[ValidRun],
    transaction: &mut CommitTransaction,
    reporter: &dyn Reporter,
) -> Result<IngestedRuns, Error> {
    let PublishRequest { project_dir, force, .. } = *request;
    let old_version = project.dataset_record(&GitTree::WorkTree)?.map(|old_version| old_version.version);
    // All at once, however many: DVC looks at the whole dataset each time.
    let at_once = if can_ingest_many(project)? { runs.len().max(1) } else { 1 };
    let mut last = None;
    for (paths, runs) in request.runs.chunks(at_once).zip(runs.chunks(at_once)) {
        if let Some(selected) = paths.last() {
            project_dir.select_run(selected)?;
            last = Some(ingest_runs(project, runs, force, transaction, reporter)?);
        }
    }
    let record = last.ok_or(CommitRefused::NothingSelected)?;
    let paths = staging::stage_selection(project, transaction, reporter)?;
    Ok(IngestedRuns { old_version, record, paths })
}

fn commit_ingested(
    project: &Project,
    request: &PublishRequest<'_>,
    runs: &[ValidRun],
    ingested: IngestedRuns,
    reporter: &dyn Reporter,
) -> Result<PublishOutcome, Error> {
    let IngestedRuns { old_version, record, paths } = ingested;
    let steps = runs.iter().map(|run| run.report.step_count()).sum();
    let runs: Vec<RunKey> = runs.iter().map(|run| run.key.clone()).collect();
    // Before the commit: its hooks then know that the workspace needs no checkout.
    workspace::note_runs_added(project, old_version, record.version)?;
    let message = request.message.map_or_else(|| commit_subject(&runs), str::to_owned);
    // Of many runs, the caller says in one line what was done.
    let is_shown = |line: &str| runs.len() <= FEW || !line.starts_with("tagged ");
    let printed = commit_and_relay(project, &paths, &message, &mut |line| {
        if is_shown(line) {
            reporter.relay_line(line);
        }
    })?;
    Ok(PublishOutcome { runs, record, committed: printed.is_some(), printed: printed.unwrap_or_default(), steps })
}

/// Commits these paths and nothing else that is staged. Returns what git and its hooks printed; `None` if nothing
/// differs from HEAD.
pub(super) fn commit_paths(
    project: &Project,
    paths: &[String],
    message: &str,
    reporter: &dyn Reporter,
) -> Result<Option<Vec<String>>, Error> {
    commit_and_relay(project, paths, message, &mut |line| reporter.relay_line(line))
}

fn commit_and_relay(
    project: &Project,
    paths: &[String],
    message: &str,
    relay: &mut dyn FnMut(&str),
) -> Result<Option<Vec<String>>, Error> {
    // `--literal-pathspecs`: a `*` or `[` in a path is no pattern.
    let differs = ["--literal-pathspecs", "diff", "--cached", "--quiet", "HEAD", "--"].map(str::to_owned);
    // Without a first commit there is no `HEAD` to compare with.
    let unborn = project.repo.head()?.is_none();
    if !unborn && project.repo.query_git(differs.into_iter().chain(paths.iter().cloned()))?.success() {
        return Ok(None);
    }
    let commit = ["--literal-pathspecs", "commit", "-q", "-m", message, "--"].map(str::to_owned);
    Ok(Some(run_relayed(project, project.repo.git_cmd(commit.into_iter().chain(paths.iter().cloned())), relay)?))
}

/// Calls git, and relays and returns what it and its hooks print, line by line; the error of a failure does not repeat
/// it.
fn run_relayed(project: &Project, call: Cmd, relay: &mut dyn FnMut(&str)) -> Result<Vec<String>, GitError> {
    let mut printed = Vec::new();
    let mut take_event = |output_event: StderrEvent<'_>| {
        if let StderrEvent::Line(line) = output_event {
            relay(line);
            printed.push(line.to_owned());
        }
    };
    // A commit may be signed, and the remote may ask for a password.
    let call = call.may_prompt();
    let output = call.run_with_listener(project.repo.env(), &mut take_event)?;
    if output.success() {
        Ok(printed)
    } else {
        Err(call.to_error(&ProcessOutput { stderr: Vec::new(), ..output }).into())
    }
}

/// Pushes the checked-out branch with the tags on it. Of many refs, git's lines are not shown, and what was pushed is returned
/// in words.
pub fn push_branch(project: &Project, target: &PushTarget, reporter: &dyn Reporter) -> Result<Option<String>, Error> {
    let mut args = vec!["push".to_owned(), "--follow-tags".into()];
    match target {
        PushTarget::None => return Ok(None),
        PushTarget::Upstream => {}
        PushTarget::Remote(remote) => args.extend(["-u".into(), "--".into(), remote.clone(), "HEAD".into()]),
    }
    let mut table = RefTable::default();
    let pushed = run_relayed(project, project.repo.git_cmd(args), &mut |line| {
        if !table.take_line(line) {
            reporter.relay_line(line);
        }
    });
    let shown = table.finish(pushed.is_ok());
    shown.lines.iter().for_each(|line| reporter.relay_line(line));
    pushed.map_err(|error| {
        Error::from(error).hint("fix the cause, then run `git push --follow-tags`; commit and data are safe")
    })?;
    Ok(shown.summary)
}

/// What the checked-out commit needs that no git remote has yet.
pub fn unpushed_range(project: &Project) -> Result<CommitRange, ProjectError> {
    let include = project.repo.head()?.into_iter().collect();
    Ok(CommitRange { include, exclude: Vec::new(), exclude_refs: vec!["refs/remotes/*".into()] })
}

/// A commit's first line.
fn commit_subject(runs: &[RunKey]) -> String {
    match runs {
        [run] => format!("Capture {}", escape_control(run)),
        runs => {
            let mut experiments: Vec<&str> = runs.iter().map(RunKey::experiment).collect();
            experiments.dedup();
            format!("Capture {} runs of {}", runs.len(), escape_control(experiments.join(", ")))
        }
    }
}

/// The recorded runs that HEAD's data version does not hold.
pub fn new_runs(project: &Project, project_dir: &ProjectDir) -> Result<NewRuns, Error> {
    let head = match project.repo.head()? {
        Some(id) => project.dataset_record(&crate::project::GitTree::Commit(id))?,
        None => None,
    };
    let committed_files = match &head {
        Some(head) => rebuilt::read_file_list(project, &project.dvc()?, head.version)?,
        None => crate::dvc::file_list::FileList::default(),
    };
    let notes = Notes::load(&project.state_dir(), LISTED_RUNS);
    let reader = NewRunReader::new(project_dir, &notes, ScanLimit::Short)?;
    let is_invalid = |dir: &Path| reader.read_run(dir).is_some_and(|scanned| !scanned.verdict.ok);
    let found = project_dir.discover_runs()?;
    let left_out = found.left_out.iter().map(ToString::to_string).collect();
    let mut new = NewRuns { left_out, ..NewRuns::default() };
    let mut runs = project_dir.distinct_runs(found.runs)?;
    runs.retain(|run| {
        let Some(key) = run.key.as_ref().filter(|key| !entries_of_run(&committed_files, key).is_empty()) else {
            return true;
        };
        // The recorder writes when a run began: its `run.json` differs from one recording to another.
        let committed = committed_files.get(&format!("{key}/{RUN_JSON}")).map(|entry| entry.md5);
        // A file that cannot be read counts as different: the run is left out, and the user sees it.
        let recorded = hash_file(&run.dir.join(RUN_JSON)).ok().map(|(md5, _)| md5);
        if committed.is_some() && committed != recorded {
            let (dir, name) = (project_dir.relative_display(&run.dir), key.to_string());
            let advice = match is_invalid(&run.dir) {
                true => format!("it is invalid; see why: `capture-hook validate {}`", shell_quote(&dir)),
                false => format!("to replace that: `capture-hook publish {}`", shell_quote(&dir)),
            };
            new.left_out.push(format!("left out: {dir} differs from the committed {name}; {advice}"));
        }
        false
    });
    if head.is_some() && !runs.is_empty() {
        let history = history::load_history(project)?;
        runs.retain(|run| {
            let Some(removal) = run.key.as_ref().and_then(|key| history.removal_of(key)) else { return true };
            let (dir, commit) = (project_dir.relative_display(&run.dir), removal.change.commit.id.short().to_owned());
            let advice = match is_invalid(&run.dir) {
                true => format!("it is invalid; see why: `capture-hook validate {}`", shell_quote(&dir)),
                false => format!("to commit it again: `capture-hook publish {}`", shell_quote(&dir)),
            };
            new.removed.push(format!("left out: {dir} was removed by {commit}; {advice}"));
            false
        });
    }
    // Runs that began at the same moment are sorted by name, so that the order never varies.
    runs.sort_by(|a, b| (&a.start, &a.key).cmp(&(&b.start, &b.key)));
    let dirs: Vec<&PathBuf> = runs.iter().map(|run| &run.dir).collect();
    let named = project_dir.run_dirs(&dirs);
    for (run, named) in runs.iter().zip(named) {
        match named {
            Ok(_) => new.runs.push(run.dir.clone()),
            Err(error) => new.left_out.push(format!("left out: {error}")),
        }
    }
    Ok(new)
}

/// The error for a command that must not run in the middle of another operation.
pub fn refuse_during_operation(project: &Project) -> Result<(), Error> {
    match project.repo.current_operation() {
        None | Some(crate::git::GitOperation::Bisect) => Ok(()),
        Some(operation) => {
            let what = format!("{operation:?}").to_lowercase();
            Err(Error::new(ExitKind::Setup, "operation_under_way", format!("git is in the middle of a {what}"))
                .hint("finish or abort it first (see `git status`)"))
        }
    }
}

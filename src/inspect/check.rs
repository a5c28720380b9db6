//! `check`: what the hooks ensure, checked without hooks: commits, trailers and tags are right, and their data is on
//! the remote.

mod all_runs;
mod erased;
mod lost_runs;
mod recorded_anew;
mod run_files;
mod schemas;

use std::collections::{HashMap, HashSet};

use self::all_runs::AllRunsChecker;
pub use self::erased::ErasedFinding;
use self::erased::check_erased;
use self::lost_runs::{check_lost_runs, check_removed_trailers};
use self::recorded_anew::check_recorded_anew;
use self::run_files::FilesChecker;
use self::schemas::check_schemas;
use crate::dataset::runs::find_run_of_dir;
use crate::dvc::hash::DataVersion;
use crate::dvc::remote::missing::ADD_REMOTE_HINT;
use crate::dvc::{lockfile, stage};
use crate::git::{Commit, CommitRange, Oid, UNSHALLOW};
use crate::history;
use crate::history::fetched_lists::FileListFetcher;
use crate::history::{DatasetCommit, History, RunTag, RunTrailers, foreign, introduced, tags};
use crate::project::{GitTree, Project, ProjectError, Reporter, config, state};
use crate::run::RunKey;
use crate::support::process::shell_quote;
use crate::sync::push;
use crate::sync::push::RemoteDataError;
use crate::validate::IgnoredFinding;

/// The files that decide what a commit selects and holds.
const SELECTION_FILES: [&str; 4] = [lockfile::FILE, stage::FILE, stage::PARAMS_FILE, config::FILE];

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckSeverity {
    /// Something claims what is not so.
    Error,
    /// Worth a look.
    Warning,
}

/// Something that is claimed and is not so, or is worth a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFinding {
    /// How bad it is.
    pub severity: CheckSeverity,
    /// What it is about, stable.
    pub code: &'static str,
    /// The commit.
    pub commit: Option<Oid>,
    /// The tag.
    pub tag: Option<String>,
    /// The run.
    pub run: Option<RunKey>,
    /// In words.
    pub message: String,
}

/// What was looked at and found.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// Commits.
    pub commits: u64,
    /// Tags.
    pub tags: u64,
    /// Whether the remote was asked.
    pub remote: bool,
    /// Findings, oldest commit last.
    pub findings: Vec<CheckFinding>,
    /// Runs whose data is missing on purpose.
    pub erased: Vec<ErasedFinding>,
}

/// Proves the commits of a range and the run tags on them; with `remote`, that their data is on the DVC remote.
pub fn check_history(
    project: &Project,
    range: &CommitRange,
    remote: bool,
    reporter: &dyn Reporter,
) -> Result<CheckReport, RemoteDataError> {
    let mut report = CheckReport { remote, ..CheckReport::default() };
    let mut commits = project.repo.walk_commits(range).map_err(ProjectError::from)?;
    let selection_files = SELECTION_FILES.map(|file| project.git_path(file));
    // In a partial clone, one fetch for all commits, not one for each object that is read.
    project.repo.fetch_files(&commits, &selection_files).map_err(ProjectError::from)?;
    // Before lists are fetched: the remote of this project holds none of another project.
    let foreign = foreign::find_foreign_commits(project, &commits)?;
    if !foreign.is_empty() {
        reporter.show_status(&format!(
            "left out: {} commits of another project's history that was merged in",
            foreign.len()
        ));
    }
    commits.retain(|id| !foreign.contains(id));
    let mut file_lists = FileListFetcher::new(project, reporter)?;
    for id in &commits {
        file_lists.fetch_for(id)?;
    }
    // Once, after all fetches, and before history is loaded, which reads runs from the lists.
    file_lists.rebuild_missing()?;
    let history = history::load_history_in(project, range)?;
    let all_runs = AllRunsChecker::new(project, &history, reporter);
    let checker = HistoryChecker { project, history: &history, files: FilesChecker::new(project, reporter), all_runs };
    for tag in &history.tags {
        // Tags of other runs are not compared with a commit of the range.
        if history.dataset_commits.iter().any(|change| change.introduced.contains(&tag.name.run)) {
            file_lists.fetch_at(tag.tag.commit.as_ref())?;
        }
    }
    let ends = project.repo.shallow_ends().map_err(ProjectError::from)?;
    let changes: HashMap<&Oid, &DatasetCommit> = history.dataset_commits.iter().map(|c| (&c.commit.id, c)).collect();
    let mut seen = HashSet::new();
    for id in &commits {
        report.commits += 1;
        let commit = project.repo.read_commit(id).map_err(ProjectError::from)?;
        // What decides is in four files: the same four need no second look.
        if seen.insert(read_selection_ids(project, id)?) {
            report.findings.extend(checker.check_selection(id)?);
        }
        // Its parents are not in this clone: every run would look as if this commit introduced it.
        if ends.contains(id) {
            let message = format!("the clone is shallow: commits before this one were not checked; {UNSHALLOW}");
            report.findings.push(CheckFinding {
                severity: CheckSeverity::Warning,
                code: "shallow",
                commit: Some(id.clone()),
                tag: None,
                run: None,
                message,
            });
            continue;
        }
        checker.check_trailers(&commit, changes.get(id).copied(), &file_lists, &mut report.findings)?;
        let change = changes.get(id).copied();
        check_lost_runs(project, &commit, change, &mut file_lists, &mut report.findings)?;
        if let Some(change) = change {
            check_schemas(project, change, &mut report.findings)?;
            report.findings.extend(checker.check_ignored_findings(change)?);
        }
    }
    // Tags on commits outside of the range, foreign ones included, are left out.
    for tag in history.tags.iter().filter(|tag| tag.tag.commit.as_ref().is_some_and(|c| commits.contains(c))) {
        report.tags += 1;
        report.findings.extend(checker.check_tag(tag)?);
    }
    for tag in history.version_tags.iter().filter(|tag| tag.tag.commit.as_ref().is_some_and(|c| commits.contains(c))) {
        report.tags += 1;
        report.findings.extend(checker.all_runs.check_tag(tag)?);
    }
    // The workspace is compared only with HEAD's selection: no other commit selects what lies in it.
    if let Some(head) = project.repo.head().map_err(ProjectError::from)?.filter(|head| commits.contains(head)) {
        report.findings.extend(check_recorded_anew(project, &head)?);
    }
    if remote {
        checker.check_remote_data(&mut report)?;
    }
    Ok(report)
}

fn read_selection_ids(project: &Project, commit: &Oid) -> Result<Vec<Option<Oid>>, ProjectError> {
    let entry = |file| Ok(project.repo.entry_at(commit, &project.git_path(file))?.map(|entry| entry.id));
    SELECTION_FILES.iter().map(|file| entry(file)).collect()
}

/// Looks at commits and tags one by one.
struct HistoryChecker<'a> {
    project: &'a Project,
    history: &'a History,
    files: FilesChecker<'a>,
    all_runs: AllRunsChecker<'a>,
}

impl HistoryChecker<'_> {
    /// Whether `params.yaml` and `dvc.lock` of a commit agree.
    fn check_selection(&self, commit: &Oid) -> Result<Vec<CheckFinding>, ProjectError> {
        let new_finding = |code, message: String| CheckFinding {
            severity: CheckSeverity::Error,
            code,
            commit: Some(commit.clone()),
            tag: None,
            run: None,
            message,
        };
        let state = match self.project.dataset_state(&GitTree::Commit(commit.clone())) {
            Ok(state) => state,
            // A file of the commit that cannot be understood is a finding; if git itself fails, the check ends.
            Err(error @ (ProjectError::Lockfile(_) | ProjectError::Stage(_) | ProjectError::Config(_))) => {
                return Ok(vec![new_finding("unreadable", error.to_string())]);
            }
            Err(ProjectError::Fs(error)) if error.refusal().is_some() => {
                return Ok(vec![new_finding("unreadable", format!("{error}: {}", error.source))]);
            }
            Err(error) => return Err(error),
        };
        if state.is_ingested() {
            let message = "dvc.lock was made with other patterns than ingest.include in capture-hook.toml".into();
            let stale =
                CheckFinding { severity: CheckSeverity::Warning, ..new_finding("include_not_ingested", message) };
            return Ok(if state.include_matches() { Vec::new() } else { vec![stale] });
        }
        // A run is selected: without one, the state counts as ingested.
        let run_dir = state.run_dir().unwrap_or_default();
        let message = match &state.record {
            None => format!("params.yaml selects {run_dir}, but dvc.lock holds no data version"),
            Some(dataset_record) if dataset_record.run_dir.as_deref() != Some(run_dir) => format!(
                "params.yaml selects {run_dir}, but dvc.lock was made from {}",
                dataset_record.run_dir.as_deref().unwrap_or("no run")
            ),
            Some(_) => "dvc.lock was made by another command or for another directory than dvc.yaml names".into(),
        };
        let finding = new_finding("selection_not_ingested", message);
        Ok(vec![match self.find_later_ingest(commit, run_dir)? {
            Some(later) => {
                let message = format!("{}; {} ingested the run later", finding.message, later.short());
                CheckFinding { severity: CheckSeverity::Warning, message, ..finding }
            }
            None => finding,
        }])
    }

    /// The first later commit that holds the run of a directory which this one selects but does not hold.
    fn find_later_ingest(&self, commit: &Oid, run_dir: &str) -> Result<Option<Oid>, ProjectError> {
        let runs: Vec<RunKey> = self.history.all_runs().into_keys().collect();
        let run = find_run_of_dir(run_dir, &runs);
        // History is newest first; reversed, the first match is the oldest.
        for change in self.history.dataset_commits.iter().rev().filter(|change| change.commit.id != *commit) {
            let dataset_record = &change.record;
            let selected = dataset_record.run_dir.as_deref() == Some(run_dir);
            let holds = selected
                || run.as_ref().is_some_and(|run| self.history.holds_run(dataset_record.version, run) == Some(true));
            if holds && self.project.repo.has_ancestor(&change.commit.id, commit)? {
                return Ok(Some(change.commit.id.clone()));
            }
        }
        Ok(None)
    }

    /// Whether a commit's trailers name what it introduces, no more and no less.
    fn check_trailers(
        &self,
        commit: &Commit,
        change: Option<&DatasetCommit>,
        file_lists: &FileListFetcher<'_>,
        findings: &mut Vec<CheckFinding>,
    ) -> Result<(), ProjectError> {
        let parsed = history::parse_all_trailers(&commit.message);
        self.all_runs.check_trailers(commit, &parsed, change, findings)?;
        let records = parsed.runs;
        let mut push_finding = |weight, code, run: &RunKey, message: String| {
            let (commit, run) = (Some(commit.id.clone()), Some(run.clone()));
            findings.push(CheckFinding { severity: weight, code, commit, tag: None, run, message });
        };
        let dataset_record = match change {
            Some(change) => Some(change.record.clone()),
            None => history::read_readable_record(self.project, &commit.id)?,
        };
        for record in &records {
            // A repository can hold several projects: the trailer may be about another one's `dvc.lock`.
            if dataset_record.as_ref().map(|dataset_record| dataset_record.version) != Some(record.data)
                && state::is_of_other_project(self.project, record.data, &commit.id)?
            {
                continue;
            }
            // A squashed commit carries the trailers of what went into it: older versions may still be named.
            let Some(why) = dataset_record.as_ref().map_or_else(
                || Some("the commit holds no data version".to_owned()),
                |dataset_record| self.explain_false_record(record, dataset_record.version),
            ) else {
                continue;
            };
            push_finding(CheckSeverity::Error, "trailer_false", &record.run, why);
        }
        if let Some(record) = &dataset_record {
            check_removed_trailers(self.project, self.history, commit, record, findings)?;
        }
        let Some(change) = change else { return Ok(()) };
        if change.partial {
            for (version, why) in file_lists.missing_for(&commit.id)? {
                findings.push(CheckFinding {
                    severity: CheckSeverity::Warning,
                    code: "not_in_clone",
                    commit: Some(commit.id.clone()),
                    tag: None,
                    run: None,
                    message: format!(
                        "cannot find out which runs the commit introduces without the file list of {version}: {why}"
                    ),
                });
            }
        }
        let are_all_named = !parsed.all_runs.is_empty() || self.all_runs.check_named(change, &records, findings);
        // One tag can stand for all, and more runs than have a tag each need no finding each.
        let has_own_tag = |run: &RunKey| {
            self.history.tags_of(run).into_iter().any(|tag| self.tag_names_data(tag, change.record.version))
        };
        if self.all_runs.check_tagged(change, has_own_tag, findings)? {
            return Ok(());
        }
        let mut push_finding = |weight, code, run: &RunKey, message: String| {
            let (commit, run) = (Some(commit.id.clone()), Some(run.clone()));
            findings.push(CheckFinding { severity: weight, code, commit, tag: None, run, message });
        };
        for run in &change.introduced {
            if !are_all_named && !records.iter().any(|record| record.run == *run) {
                let message = "the commit introduces the run, but no trailer names it".into();
                push_finding(CheckSeverity::Warning, "trailer_missing", run, message);
            }
            let mut tags = self.history.tags_of(run);
            tags.retain(|tag| self.tag_names_data(tag, change.record.version));
            let mut left_behind = None;
            for tag in &tags {
                if !tags::is_left_behind(self.project, &tag.tag, Some(&commit.id))? {
                    left_behind = None;
                    break;
                }
                left_behind = Some(&tag.tag.name);
            }
            if let Some(tag) = left_behind {
                let message = format!("the commit of {tag} is on no branch; to move the tag: `capture-hook tag --all`");
                push_finding(CheckSeverity::Warning, "tag_missing", run, message);
            } else if tags.is_empty() {
                let message = "no tag names this data of the run; to make one: `capture-hook tag --all`".into();
                push_finding(CheckSeverity::Warning, "tag_missing", run, message);
            }
        }
        Ok(())
    }

    /// What validation ignored of the runs that a commit introduces: by their own record, else, as far as the commit's
    /// settings tell, what it may have ignored.
    fn check_ignored_findings(&self, change: &DatasetCommit) -> Result<Vec<CheckFinding>, ProjectError> {
        let commit = &change.commit.id;
        let mut findings = Vec::new();
        for run in &change.introduced {
            // Without the file list, no record is found, and the settings of the commit are looked at instead.
            let entries = self.history.run_entries(change.record.version, run).unwrap_or_default();
            let message = match introduced::read_ignored_findings(self.project, run, &change.record, &entries)? {
                Some(ignored) => {
                    IgnoredFinding::describe_all(&ignored).map(|ignored| format!("the run's validation {ignored}"))
                }
                None => match self.project.read_config_at(&GitTree::Commit(commit.clone()))?.validate.ignore {
                    codes if codes.is_empty() => None,
                    codes => Some(format!(
                        "{} of the commit ignores {}; this clone lacks the data to check whether the run has such findings",
                        config::FILE,
                        codes.join(", ")
                    )),
                },
            };
            findings.extend(message.map(|message| CheckFinding {
                severity: CheckSeverity::Warning,
                code: "findings_ignored",
                commit: Some(commit.clone()),
                tag: None,
                run: Some(run.clone()),
                message,
            }));
        }
        Ok(findings)
    }

    /// Why a record is not true of a data version; `None` if it is, or if this clone cannot know.
    fn explain_false_record(&self, record: &RunTrailers, version: DataVersion) -> Option<String> {
        if record.data != version && !self.history.has_same_files(record.data, version, &record.run) {
            return Some(format!("it names data version {}, the commit's is {version}", record.data));
        }
        let entries = self.history.run_entries(version, &record.run)?;
        if entries.is_empty() {
            return Some(format!("data version {version} does not hold the run"));
        }
        // A finding needs proof: data that cannot be read contradicts no trailer.
        let actual = introduced::read_record_of_files(self.project, &record.run, (version, None), &entries).ok()?;
        let differs = |recorded: &Option<String>, actual: &Option<String>| {
            // A hash that one side lacks cannot be compared, for example if the cache lacks the manifest.
            recorded.is_some() && actual.is_some() && recorded != actual
        };
        if differs(&record.manifest, &actual.manifest) {
            return Some("the manifest has another SHA-256".into());
        }
        if differs(&record.config, &actual.config) {
            return Some("the configuration has another hash".into());
        }
        let files = record.files.as_deref()?;
        self.files.is_false(&record.run, entries, files).then(|| "the run's files have another SHA-256".into())
    }

    fn tag_names_data(&self, tag: &RunTag, version: DataVersion) -> bool {
        let version_at_tag =
            // If the commit cannot be read, the record in the tag itself is used.
            tag.tag.commit.as_ref().and_then(|commit| self.project.data_version_at(commit).ok().flatten());
        let Some(version_at_tag) = version_at_tag.or_else(|| tag.record.as_ref().map(|record| record.data)) else {
            return false;
        };
        self.history.has_same_files(version_at_tag, version, &tag.name.run)
    }

    /// Whether a run's tag names a commit that holds the run, and says what is so.
    fn check_tag(&self, tag: &RunTag) -> Result<Option<CheckFinding>, ProjectError> {
        let new_finding = |message: String| {
            Some(CheckFinding {
                severity: CheckSeverity::Error,
                code: "tag_false",
                commit: tag.tag.commit.clone(),
                tag: Some(tag.tag.name.clone()),
                run: Some(tag.name.run.clone()),
                message,
            })
        };
        let Some(commit) = &tag.tag.commit else { return Ok(None) };
        let Some(version) = self.project.data_version_at(commit)? else {
            return Ok(new_finding("its commit holds no data version".into()));
        };
        // `None` means that this clone does not know, which is no proof against the tag.
        if self.history.holds_run(version, &tag.name.run) == Some(false) {
            return Ok(new_finding(format!("data version {version} of its commit does not hold the run")));
        }
        Ok(tag.record.as_ref().and_then(|record| self.explain_false_record(record, version)).and_then(new_finding))
    }

    fn check_remote_data(&self, report: &mut CheckReport) -> Result<(), RemoteDataError> {
        let mut commits: HashMap<DataVersion, &Oid> = HashMap::new();
        for change in &self.history.dataset_commits {
            // History is newest first, so that the oldest commit of a version stays.
            commits.insert(change.record.version, &change.commit.id);
        }
        let mut versions: Vec<DataVersion> = commits.keys().copied().collect();
        // The order of a hash map differs from run to run.
        versions.sort();
        let new_finding = |code, commit: Option<Oid>, message: String| CheckFinding {
            severity: CheckSeverity::Error,
            code,
            commit,
            tag: None,
            run: None,
            message,
        };
        let mut missing = match push::find_missing_on_remote(self.project, &versions) {
            Ok(Some(missing)) => missing,
            Ok(None) => {
                let message = format!("no DVC remote is set; {ADD_REMOTE_HINT}");
                report.findings.push(new_finding("data_missing", None, message));
                return Ok(());
            }
            // A finding and no error, so that the report on commits and tags still appears.
            Err(RemoteDataError::Absent(absent)) => {
                report.findings.push(new_finding(
                    "remote_absent",
                    None,
                    format!("{absent}: {}", absent.hints().join("; ")),
                ));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        check_erased(self.project, self.history, &versions, &mut missing, report)?;
        let missing_versions: Vec<DataVersion> = missing.keys().copied().collect();
        // If the cache lacks an object too, this clone cannot send it, and the advice differs.
        let missing_here = self.project.dvc()?.missing_in_cache(&missing_versions)?;
        for (version, missing_objects) in missing {
            let files = match missing_objects.files.as_slice() {
                [] => "its file list is not on the remote".to_owned(),
                [only] => format!("{only} is not on the remote"),
                [first, rest @ ..] => format!("{first} and {} more are not on the remote", rest.len()),
            };
            let commit = commits.get(&version).copied();
            let advice = match commit {
                Some(commit) if !missing_objects.is_missing_in(missing_here.get(&version)) => {
                    format!("run `capture-hook push {}`", shell_quote(commit.short()))
                }
                _ => "nor in this clone: run `capture-hook push --all` in the clone that has it".into(),
            };
            let message = format!("data version {version}: {files}; {advice}");
            report.findings.push(new_finding("data_missing", commit.cloned(), message));
        }
        Ok(())
    }
}

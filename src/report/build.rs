//! Makes a report: reads the runs and lays out the data of the page.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::dataset::location::RunLocation;
use crate::history::catalog;
use crate::history::erased::{ErasedRuns, FoundRecord};
use crate::history::summary::ValidationVerdict;
use crate::project::dir::ProjectDir;
use crate::project::{Project, ProjectError, Reporter};
use crate::report::config::{ConfigData, lay_out_config};
use crate::report::data::{
    CommitData, DetailData, FORMAT, HistoryData, ProvenanceData, ReportData, RunsData, StoredRequest, ValidationData,
};
use crate::report::error::ReportError;
use crate::report::facts::{RunFacts, RunSource, read_committed_run, read_run_dir};
use crate::report::fit::fit_into;
use crate::report::lineage::{LineageReader, RunLineage};
use crate::report::missing::MissingRun;
use crate::report::page::{data_size, empty_page_size, render_page};
use crate::report::rev_history::read_title;
use crate::report::select::{ReportRequest, RunVersion, Selection, select_runs};
use crate::report::table::{TableRun, list_columns};
use crate::report::thin::{LeftOutParts, Limits, target_size};
use crate::run::{RunKey, StartTime};
use crate::support::parallel;
use crate::support::process::shell_quote;
use crate::support::progress::Progress;
use crate::support::text::{format_count, format_plural};

/// The title of a dataset that has none.
const DEFAULT_TITLE: &str = "Simulation runs";

/// A report.
#[derive(Debug)]
pub struct MadeReport {
    /// The page.
    pub page: String,
    /// How many runs it shows.
    pub runs: usize,
    /// The runs whose data is missing.
    pub missing: Vec<MissingRun>,
    /// Whether the history ends in this clone before a commit that it needs.
    pub is_cut_off: bool,
    /// Of how many data versions this clone lacks the list of files, so that runs can be missing.
    pub lists_missing: usize,
}

/// A run on its way into the page.
struct ReadRun {
    key: RunKey,
    lineage: RunLineage,
    facts: RunFacts,
}

/// Makes the report that is asked for.
pub fn make_report(
    project: &Project,
    request: ReportRequest<'_>,
    reporter: &dyn Reporter,
) -> Result<MadeReport, ReportError> {
    let selection = select_runs(project, request)?;
    let limits = Limits::for_runs(selection.runs.len());
    let mut lineages = LineageReader::new(project, &selection.rev_history, limits);
    let mut runs = read_runs(project, &selection, &mut lineages, &limits, reporter)?;
    sort_newest_first(&mut runs);
    let mut notes = Vec::new();
    let places: BTreeMap<&RunKey, usize> = runs.iter().enumerate().map(|(at, run)| (&run.key, at)).collect();
    let is_all = request.runs.is_empty() && request.experiment.is_none();
    let history = lineages.list_versions(&places, is_all, &mut notes)?;
    let title = read_title(project, &selection.rev_history.commit).unwrap_or_else(|| DEFAULT_TITLE.to_owned());
    let lists_missing = lineages.lists_missing;
    let (commits, cut) = (lineages.table.commits, lineages.cut);
    let draft = PageDraft { title, stored: selection.stored, commits, history, notes, cut, limits };
    Ok(MadeReport { lists_missing, ..draft.make(runs) })
}

/// Makes the report of runs' directories that belong to no project: no commit of them is known.
pub fn make_lone_report(
    project_dir: &ProjectDir,
    runs: &BTreeMap<RunKey, RunLocation>,
    reporter: &dyn Reporter,
) -> Result<MadeReport, ReportError> {
    let limits = Limits::for_runs(runs.len());
    let progress = reporter.start_progress("reading runs", None);
    let asked: Vec<(&RunKey, &RunLocation)> = runs.iter().collect();
    let read = parallel::map(&asked, |(key, location)| {
        let facts = read_run_dir(project_dir, location, &limits, progress.as_ref())?;
        Ok(ReadRun { key: (*key).clone(), lineage: RunLineage::default(), facts })
    });
    let mut read = read.into_iter().collect::<Result<Vec<ReadRun>, ProjectError>>()?;
    sort_newest_first(&mut read);
    let draft = PageDraft {
        title: DEFAULT_TITLE.to_owned(),
        stored: StoredRequest { directories: true, ..StoredRequest::default() },
        commits: Vec::new(),
        history: Vec::new(),
        notes: vec!["The runs were read from directories: which commits introduced them is not known.".to_owned()],
        cut: LeftOutParts::default(),
        limits,
    };
    Ok(draft.make(read))
}

/// As `runs` lists them.
fn sort_newest_first(runs: &mut [ReadRun]) {
    runs.sort_by_cached_key(|run| {
        let start = run.facts.start_time.as_deref().map_or_else(StartTime::default, StartTime::new);
        (std::cmp::Reverse(start), run.key.clone())
    });
}

/// Reads every run, in the order of their names.
fn read_runs(
    project: &Project,
    selection: &Selection,
    lineages: &mut LineageReader<'_>,
    limits: &Limits,
    reporter: &dyn Reporter,
) -> Result<Vec<ReadRun>, ReportError> {
    let erased = ErasedRuns::load(project)?;
    let (mut sources, mut committed, mut recorded) = (Vec::new(), Vec::new(), Vec::new());
    for (key, version) in &selection.runs {
        match version {
            RunVersion::Committed(newest) => {
                let mut lineage = lineages.read_run(key, *newest)?;
                // By one thread: the history's cache of file lists is not shared between threads.
                let entries = selection.rev_history.history.run_entries(newest.version, key);
                let record = entries.as_deref().and_then(|entries| erased.find(key, entries));
                sources.push(RunSource {
                    key: key.clone(),
                    // Of another branch, a record would make the page differ from clone to clone.
                    erased: record.filter(|found| found.in_head).map(FoundRecord::describe),
                    entries,
                    record: lineage.record.take(),
                    fetch_command: lineage.fetch_command.take(),
                });
                committed.push(lineage);
            }
            RunVersion::Recorded(dir) => recorded.push((key.clone(), dir.clone())),
        }
    }
    let progress = reporter.start_progress("reading runs", None);
    let (cache, workspace) = (project.open_cache()?, project.root.join(catalog::find_dataset_dir(project)?));
    let done = AtomicUsize::new(0);
    let facts = parallel::map(&sources, |source| {
        let facts = read_committed_run(source, &cache, &workspace, limits);
        // Only shown: no order with other memory is needed.
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if progress.shows_notes() {
            progress.show_note(&format!("{} of {}", format_count(done as u64), format_count(sources.len() as u64)));
        }
        facts
    });
    let mut runs: Vec<ReadRun> = sources
        .into_iter()
        .zip(committed)
        .zip(facts)
        .map(|((source, lineage), facts)| ReadRun { key: source.key, lineage, facts })
        .collect();
    runs.extend(read_recordings(project, recorded, limits, progress.as_ref())?);
    Ok(runs)
}

fn read_recordings(
    project: &Project,
    recorded: Vec<(RunKey, PathBuf)>,
    limits: &Limits,
    progress: &dyn Progress,
) -> Result<Vec<ReadRun>, ProjectError> {
    let project_dir = ProjectDir::of_project(project)?;
    let mut runs = Vec::with_capacity(recorded.len());
    for (key, dir) in recorded {
        let facts = read_run_dir(&project_dir, &RunLocation::Recorded(dir), limits, progress)?;
        runs.push(ReadRun { key, lineage: RunLineage::default(), facts });
    }
    Ok(runs)
}

/// All of a page but its runs.
struct PageDraft {
    title: String,
    stored: StoredRequest,
    commits: Vec<CommitData>,
    history: Vec<HistoryData>,
    notes: Vec<String>,
    cut: LeftOutParts,
    limits: Limits,
}

impl PageDraft {
    fn make(self, runs: Vec<ReadRun>) -> MadeReport {
        let missing: Vec<MissingRun> = runs
            .iter()
            .filter_map(|ReadRun { key, facts, .. }| {
                let command = facts.missing.as_ref()?.command.clone();
                Some(MissingRun { run: key.clone(), is_absent: facts.is_absent, command })
            })
            .collect();
        let is_cut_off = |run: &&ReadRun| run.lineage.version.is_some() && run.lineage.commit.is_none();
        let cut_off = runs.iter().filter(is_cut_off).count();
        let count = runs.len();
        let data = self.lay_out(runs, missing.len(), cut_off);
        let page = render_page(&data.title, &data);
        MadeReport { page, runs: count, missing, is_cut_off: cut_off > 0, lists_missing: 0 }
    }

    fn lay_out(self, mut runs: Vec<ReadRun>, missing: usize, cut_off: usize) -> ReportData {
        let target = target_size(runs.len());
        let configs: Vec<_> = runs.iter_mut().map(|run| run.facts.config.take()).collect();
        // A sixth of the page for each of the two: what is left is for episodes, curves and paths.
        let config = lay_out_config(&configs, &self.limits, target / 6);
        let mut left_out = self.cut;
        runs.iter().for_each(|run| left_out.add(run.facts.left_out));
        left_out.add(config.cut);
        left_out.config_keys += config.left_out;
        let ConfigData { common, columns: config_columns, rest, .. } = config;
        let names = runs.iter().map(|run| run.key.to_string()).collect();
        let groups = number_groups(&runs);
        let mut facts = Vec::with_capacity(runs.len());
        let mut details = Vec::with_capacity(runs.len());
        let mut rows = Vec::with_capacity(runs.len());
        for (run, config) in runs.into_iter().zip(rest) {
            let ReadRun { key, lineage, facts: mut own } = run;
            let (commit, tag, version) = (lineage.commit, lineage.tag.clone(), lineage.version.clone());
            details.push(make_detail(&key, lineage, &mut own, config));
            // Only curves and paths are left to be fitted.
            let (curves, paths) = (std::mem::take(&mut own.curves), own.paths.take());
            facts.push(RunFacts { curves, paths, ..RunFacts::default() });
            rows.push(TableRun { facts: own, commit, tag, version });
        }
        let mut columns = list_columns(&rows, &mut left_out);
        columns.extend(config_columns);
        let mut data = ReportData {
            format: FORMAT,
            title: self.title,
            generator: concat!("capture-hook ", env!("CARGO_PKG_VERSION")).to_owned(),
            request: self.stored,
            notes: self.notes,
            runs: RunsData { names, groups, columns },
            common_config: common,
            commits: self.commits,
            history: self.history,
            details,
        };
        let room = target.saturating_sub(empty_page_size() + data_size(&data));
        let fitted = fit_into(&mut facts, room, &self.limits, left_out);
        for (detail, facts) in data.details.iter_mut().zip(facts) {
            (detail.curves, detail.paths) = (facts.curves, facts.paths);
        }
        data.notes.splice(0..0, list_notes(&left_out, &self.limits, missing, cut_off).into_iter().chain(fitted));
        data
    }
}

/// The number of each run's group, in the order of the first run of each; -1 if its configuration is not known.
fn number_groups(runs: &[ReadRun]) -> Vec<i64> {
    let mut numbers: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut groups = Vec::with_capacity(runs.len());
    for run in runs {
        let next = i64::try_from(numbers.len()).unwrap_or(-1);
        let number =
            run.facts.group.as_deref().map(|group| *numbers.entry((run.key.experiment(), group)).or_insert(next));
        groups.push(number.unwrap_or(-1));
    }
    groups
}

/// What the reader must know that the page does not show, each a sentence.
fn list_notes(left_out: &LeftOutParts, limits: &Limits, missing: usize, cut_off: usize) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |is_so: bool, text: String| notes.extend(is_so.then_some(text));
    let runs = |count: usize| format_plural(count as u64, "run");
    note(missing > 0, format!("The data of {} was missing when this report was made.", runs(missing)));
    note(cut_off > 0, format!("The commit of {} is not known: the history was cut off.", runs(cut_off)));
    note(left_out.episodes, format!("The first {} episodes of each run are listed.", limits.episodes));
    note(left_out.texts, format!("Texts of more than {} characters are cut: they end with …", limits.text));
    note(left_out.metrics, "Not every metric has a column: there are too many.".to_owned());
    let values = format_plural(left_out.config_keys as u64, "value");
    note(left_out.config_keys > 0, format!("{values} of the configuration of runs are left out."));
    notes
}

fn make_detail(key: &RunKey, lineage: RunLineage, facts: &mut RunFacts, config: Vec<(String, String)>) -> DetailData {
    DetailData {
        quoted: shell_quote(key.to_string()),
        missing: facts.missing.take(),
        curves: Vec::new(),
        paths: None,
        episodes: facts.episode_list.take(),
        validation: facts.verdict.take().map(make_verdict),
        provenance: ProvenanceData {
            commit: lineage.commit,
            version: lineage.version,
            tags: lineage.tags,
            simulator: facts.simulator.name.take(),
            simulator_version: facts.simulator.version.take(),
            code_version: facts.code_version.take(),
            schema_version: facts.schema_version.take(),
            config_hash: facts.config_hash.take(),
            manifest: facts.manifest.take(),
            files: facts.files,
            bytes: facts.bytes,
        },
        config,
    }
}

fn make_verdict(verdict: ValidationVerdict) -> ValidationData {
    // A manifest is a stranger's: it can name any number of codes, of any length.
    const MOST: usize = 100;
    let codes = |codes: Vec<String>| -> Vec<String> {
        codes.into_iter().take(MOST).map(|code| LeftOutParts::default().cut_text(&code, MOST)).collect()
    };
    let ignored = verdict.ignored.into_iter().map(|one| format!("{} ({})", one.code, format_plural(one.count, "time")));
    ValidationData {
        ok: verdict.ok,
        errors: codes(verdict.errors),
        warnings: codes(verdict.warnings),
        ignored: codes(ignored.collect()),
    }
}

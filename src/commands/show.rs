//! `capture-hook show`: everything about one run.

mod render;

use render::render_text;

use super::complete;
use super::lone_run::{FoundRuns, LoneRun, find_named_run};
use crate::app::{App, CommandOutcome};
use crate::dataset::location::RunLocation;
use crate::error::Error;
use crate::formats::json::JsonValue;
use crate::history::DatasetCommit;
use crate::history::catalog::{self, Catalog, RunTarget};
use crate::history::commit_facts;
use crate::history::erased::FoundRecord;
use crate::history::listed_runs::{ListedRun, ListedState, list_runs};
use crate::history::new_runs::{self, ScanLimit};
use crate::history::removal::RunRemoval;
use crate::history::summary::{RunSummary, SummaryDepth};
use crate::output::human;
use crate::output::json::{
    ErasedJson, RemovedJson, SeedsJson, ShowColumnsJson, ShowFileJson, ShowHistoryJson, ShowJson, ShowValidationJson,
};
use crate::project::{Project, ProjectError};
use crate::support::progress::Progress;
use crate::support::text::shell_quote;
use crate::validate::SeedSummary;

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook show                         the selected run, else the newest
  capture-hook show latest                  the run that started last
  capture-hook show nav/r1
  capture-hook show capture/nav/r1@v2       a tag: the data as that commit has it
  capture-hook show results/nav/r1          a directory; outside of a project too
  capture-hook show latest:nav --json | jq .figures")]
pub struct Args {
    /// The run or its tag [default: the selected run, else the newest].
    #[arg(value_name = "RUN|TAG", add = complete::run_and_tag_candidates())]
    run: Option<String>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project = match find_named_run(app, args.run.as_deref())? {
        FoundRuns::InProject(project) => *project,
        FoundRuns::Lone(run) => return show_lone_run(app, &run),
    };
    let catalog = catalog::load_catalog(&project)?;
    let target = catalog::resolve_or_default(&project, &catalog, &app.cwd, args.run.as_deref())?;
    let erased = catalog::find_erased_run(&project, &catalog, &target)?;
    let location = match (catalog::locate_run(&project, &catalog, &target), &erased) {
        // What history knows is shown even so.
        (Err(ProjectError::RunErased { .. }), Some((_, location))) => Some(location.clone()),
        (Err(ProjectError::RunNotHere { .. }), _) => None,
        (location, _) => Some(location?),
    };
    let erased = erased.map(|(found, _)| found);
    let bar = app.ui.progress("reading the run", None);
    let summary = match &location {
        Some(location) => new_runs::summarize_noted_run(&project, location, depth(app), &bar)?,
        None => commit_facts::summarize_from_git(&project, &catalog, &target),
    };
    let mut shown = show_json(&project, &catalog, &target, location.as_ref(), &summary);
    let state = match find_state(&project, &catalog, &target, location.is_some(), &bar)? {
        // Files that were just written are not noted.
        ListedState::New if summary.verdict.as_ref().is_some_and(|verdict| !verdict.ok) => ListedState::Invalid,
        state => state,
    };
    shown.state = Some(state.as_str());
    drop(bar);
    if let Some(found) = erased {
        shown.erased = Some(erased_json(&found));
        if matches!(location, Some(RunLocation::Cache { .. })) {
            shown.source = "erased";
        }
    }
    if app.ui.json() {
        app.ui.print_json(&shown);
    } else {
        let pager = project.repo.config_value("core.pager")?;
        app.ui.page_text(&render_text(&shown, &summary, app.ui.table_width()), &app.env, pager.as_deref());
        if let Some(fetch) = shown.fetch.as_ref().filter(|_| location.is_none()) {
            hint_at_remote(app, &project, fetch);
        } else if state == ListedState::Invalid {
            app.ui.hint(&format!("see what is wrong with `capture-hook validate {}`", shell_quote(&shown.run)));
        }
    }
    Ok(CommandOutcome::Done)
}

/// How far a run is, as `runs` lists it; of older data that a tag names, whether that is in this clone.
fn find_state(
    project: &Project,
    catalog: &Catalog,
    target: &RunTarget,
    is_here: bool,
    progress: &dyn Progress,
) -> Result<ListedState, Error> {
    let runs: Vec<_> = catalog.get(&target.key).into_iter().collect();
    let listed = list_runs(project, catalog, &runs, ScanLimit::NotedOnly, progress)?;
    let newest = catalog.history.latest_commit(&target.key).map(|change| &change.commit.id);
    let is_older = target.commit.is_some() && target.commit.as_ref() != newest;
    Ok(match listed.first().map(ListedRun::state) {
        Some(state) if !is_older => state,
        _ if is_here => ListedState::Committed,
        _ => ListedState::Remote,
    })
}

/// Says how to get data that is not in this clone.
fn hint_at_remote(app: &App, project: &Project, fetch: &str) {
    // Settings that cannot be read are `doctor`'s to report.
    if project.dvc_settings().is_ok_and(|settings| settings.default_remote().is_none()) {
        app.ui.warn("no DVC remote is set, so that no data can be fetched");
        app.ui.hint("set the one that has the data: `capture-hook init --remote URL`");
    } else {
        app.ui.hint(&format!("fetch its data with `{fetch}`"));
    }
}

/// How much is read. JSON has no curves, and so the rows need not be read for them.
fn depth(app: &App) -> SummaryDepth {
    if app.ui.json() { SummaryDepth::Metrics } else { SummaryDepth::PlotData }
}

/// Shows a run's directory without a project around it.
fn show_lone_run(app: &App, run: &LoneRun) -> Result<CommandOutcome, Error> {
    let summary = run.summarize(app, depth(app))?;
    let (experiment, run_id) = run.name.split_once('/').unwrap_or(("", &run.name));
    let shown = ShowJson {
        run: run.name.clone(),
        experiment: experiment.into(),
        run_id: run_id.into(),
        source: "directory",
        path: Some(run.dir().to_string_lossy().into_owned()),
        ..summary_json(&summary)
    };
    if app.ui.json() {
        app.ui.print_json(&shown);
    } else {
        app.ui.page_text(&render_text(&shown, &summary, app.ui.table_width()), &app.env, None);
    }
    Ok(CommandOutcome::Done)
}

fn show_json(
    project: &Project,
    catalog: &Catalog,
    target: &RunTarget,
    location: Option<&RunLocation>,
    summary: &RunSummary,
) -> ShowJson {
    let change = match &target.commit {
        Some(commit) => catalog.history.dataset_commits.iter().find(|change| change.commit.id == *commit),
        None => catalog.history.latest_commit(&target.key),
    };
    ShowJson {
        run: target.key.to_string(),
        experiment: target.key.experiment().into(),
        run_id: target.key.run_id().into(),
        source: location.map_or(REMOTE, RunLocation::label),
        // A directory outside of the project keeps its absolute path.
        path: location
            .and_then(RunLocation::dir)
            .map(|dir| dir.strip_prefix(&project.root).unwrap_or(dir).to_string_lossy().into_owned()),
        fetch: fetch_command(catalog, target, location.is_some(), summary),
        history: change.map(|change| history_json(catalog, target, change)),
        removed: catalog.history.removal_of(&target.key).map(removed_json),
        ..summary_json(summary)
    }
}

/// The command that fetches what this clone lacks of a run's data.
fn fetch_command(catalog: &Catalog, target: &RunTarget, is_here: bool, summary: &RunSummary) -> Option<String> {
    let is_whole = is_here && summary.files.iter().all(|(_, bytes)| bytes.is_some());
    let history = &catalog.history;
    let tag = target.commit.as_ref().and_then(|commit| {
        history.tags_of(&target.key).into_iter().find(|tag| tag.tag.commit.as_ref() == Some(commit))
    });
    match tag {
        _ if is_whole => None,
        // The run's newest data may be another one.
        Some(tag) => Some(format!("capture-hook get {}", shell_quote(&tag.tag.name))),
        None => history.fetch_command(&target.key),
    }
}

/// What a run's files say of it.
fn summary_json(summary: &RunSummary) -> ShowJson {
    let meta = summary.meta.as_ref();
    let strict = |key: &str| meta.and_then(|m| m.raw.get(key)).filter(|v| !v.is_null()).map(JsonValue::to_strict);
    ShowJson {
        run: String::new(),
        experiment: String::new(),
        run_id: String::new(),
        state: None,
        source: "",
        path: None,
        bytes: summary.bytes.or_else(|| total_bytes(&summary.files)),
        fetch: None,
        history: None,
        removed: None,
        erased: None,
        start_time: meta.map(|m| m.start_time.clone()),
        schema_version: meta.map(|m| m.schema_version.clone()),
        columns: summary.schema.as_ref().filter(|schema| !schema.is_plume()).map(|schema| ShowColumnsJson {
            steps: schema.steps.columns.len() as u64,
            episodes: schema.episodes.columns.len() as u64,
            derived: summary.is_derived,
        }),
        package_version: meta.and_then(|m| m.package_version.clone()),
        git_sha: meta.and_then(|m| m.git_sha.clone()),
        base_seed: meta.and_then(|m| m.base_seed),
        seeds: summary.seeds.map(seeds_json),
        config_hash: summary.config_hash.clone(),
        env_config: meta.map(|m| m.env_config.to_strict()),
        system: strict("system"),
        validation: summary.verdict.as_ref().map(|verdict| ShowValidationJson {
            ok: verdict.ok,
            errors: verdict.errors.clone(),
            warnings: verdict.warnings.clone(),
            ignored: verdict.ignored.clone(),
        }),
        metrics: summary.metrics.clone(),
        files: summary.files.iter().map(|(path, bytes)| ShowFileJson { path: path.clone(), bytes: *bytes }).collect(),
    }
}

fn history_json(catalog: &Catalog, target: &RunTarget, change: &DatasetCommit) -> ShowHistoryJson {
    ShowHistoryJson {
        commit: change.commit.id.to_string(),
        committed_at: human::format_iso(change.commit.time),
        author: change.commit.author.clone(),
        subject: change.commit.subject(),
        data_version: change.record.version.to_string(),
        tags: list_tags(catalog, target, change),
    }
}

fn removed_json(removal: RunRemoval<'_>) -> RemovedJson {
    let commit = &removal.change.commit;
    RemovedJson {
        commit: commit.id.to_string(),
        committed_at: human::format_iso(commit.time),
        author: commit.author.clone(),
        reason: removal.reason,
    }
}

fn erased_json(found: &FoundRecord) -> ErasedJson {
    ErasedJson {
        record: found.record.path(),
        on_head: found.in_head,
        reason: found.record.reason.clone(),
        files: found.record.files.len(),
        bytes: found.record.files.iter().filter_map(|file| file.bytes).sum(),
    }
}

/// The run's own tags, and the one that stands for all runs of its commit.
fn list_tags(catalog: &Catalog, target: &RunTarget, change: &DatasetCommit) -> Vec<String> {
    let own = catalog.history.tags_of(&target.key).into_iter().map(|tag| &tag.tag.name);
    let of_all = catalog.history.version_tag_at(&change.commit.id).map(|tag| &tag.tag.name);
    own.chain(of_all).cloned().collect()
}

fn seeds_json(seeds: SeedSummary) -> SeedsJson {
    SeedsJson { unique_count: seeds.unique_count, min: seeds.min, max: seeds.max }
}

/// The size of all files; `None` if that of one is not known.
fn total_bytes(files: &[(String, Option<u64>)]) -> Option<u64> {
    files.iter().map(|(_, bytes)| *bytes).sum::<Option<u64>>().filter(|_| !files.is_empty())
}

/// What is read of a run whose data is not in this clone.
const REMOTE: &str = "remote";

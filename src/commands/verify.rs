//! `capture-hook verify`: data against manifests and `dvc.lock`, byte by byte; or an export.

mod attestation;
mod export;
mod lone;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};

use super::complete;
use super::lone_run::{FoundRuns, find_named_runs};
use crate::app::{App, CommandOutcome};
use crate::dataset::runs::entries_of_run;
use crate::dataset::verify::{
    VerifyFinding, VerifyProblem, VerifyReport, VerifyRequest, VerifySource, WHOLE_DATASET, verify_data,
};
use crate::error::{Error, ExitKind};
use crate::export::layout::is_export;
use crate::history::catalog;
use crate::history::erased::{ErasedRuns, FoundRecord, erased_error, split_erased};
use crate::output::StyledText;
use crate::output::json::{VerifyFindingJson, VerifyJson};
use crate::project::{DatasetRecord, GitTree, Project, ProjectError};
use crate::run::RunKey;
use crate::support::process::shell_quote;
use crate::support::text::{format_bytes, format_plural};

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook verify                        the workspace's dataset against dvc.lock and every manifest
  capture-hook verify nav/r1 nav/r2          only these runs
  capture-hook verify --rev v1.0             the cached data of a revision, without touching the workspace
  capture-hook verify DIR                    an export: every file, every statement, nothing left over;
                                             a run outside of a project: its files against its manifest
  capture-hook verify --attestation nav/r1   who signed the run's statement, and that every byte is as it says

Every byte is read. The exit code is 1 if a file is missing, extra or changed, if a manifest disagrees, or if a parquet file
has other rows than the JSON lines; it is 3 if none of the data is in this clone.")]
pub struct Args {
    /// The runs to verify; without any, all. Or the directory of an export, or of runs outside of a project.
    #[arg(value_name = "RUN|TAG|DIR", add = complete::run_and_tag_candidates())]
    runs: Vec<String>,
    /// Verify the data of this revision in DVC's cache instead of the workspace.
    #[arg(long, value_name = "REV", add = complete::tag_candidates())]
    rev: Option<String>,
    /// Of an export, accept that this file was left out of its runs; can be given several times.
    #[arg(long, value_name = "FILE", requires = "runs")]
    without: Vec<String>,
    /// Verify the signed statement of this run, and the run's files against it.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["runs", "rev"], add = complete::run_and_tag_candidates())]
    attestation: Option<String>,
    /// Who may sign with an SSH key [default: the file that git's gpg.ssh.allowedSignersFile names].
    #[arg(long, value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    if let Some(query) = &args.attestation {
        return attestation::verify_attestation(app, query, args.allowed_signers.as_deref());
    }
    if let ([dir], None) = (args.runs.as_slice(), &args.rev)
        && (is_export(&app.cwd.join(dir)) || !args.without.is_empty())
    {
        return export::verify_dir(app, dir, &args.without, args.allowed_signers.as_deref());
    }
    if args.allowed_signers.is_some() {
        return Err(Error::new(ExitKind::Usage, "usage", "--allowed-signers is for an attestation or an export")
            .hint("verify who signed a run: `capture-hook verify --attestation RUN --allowed-signers FILE`"));
    }
    let project = match if args.rev.is_some() { None } else { Some(find_named_runs(app, &args.runs)?) } {
        None => app.open_project()?,
        Some(FoundRuns::InProject(project)) => *project,
        Some(FoundRuns::Lone(runs)) => return lone::verify_lone_runs(app, &runs),
    };
    let commit = args.rev.as_deref().map(|rev| project.repo.resolve_commit(rev)).transpose()?;
    let tree = commit.clone().map_or(GitTree::WorkTree, GitTree::Commit);
    let dataset_record = project.dataset_record(&tree)?;
    if dataset_record.is_none() && commit.is_some() {
        // There is a revision: `commit` was resolved from it.
        let rev = args.rev.as_deref().unwrap_or_default();
        let message = format!("`{rev}` holds no data version");
        return Err(Error::new(ExitKind::Setup, "no_data_version", message)
            .hint("see the commits that hold one: `capture-hook log`"));
    }
    let file_list = dataset_record
        .as_ref()
        .map(|dataset_record| project.open_cache()?.read_file_list(dataset_record.version).map_err(ProjectError::from))
        .transpose()?
        .flatten();
    // In the workspace, the manifests can still be verified without a list; in the cache, nothing can.
    if file_list.is_none() && commit.is_some() {
        // There is a record: a commit without one was refused above.
        let version = dataset_record.as_ref().map(|l| l.version.to_string()).unwrap_or_default();
        return Err(data_not_in_clone(args, &version));
    }
    let (file_list, erased) = match file_list {
        Some(file_list) => {
            let (file_list, erased) = split_erased(&project, &project.open_cache()?, file_list)?;
            (Some(file_list), erased)
        }
        None => (None, Vec::new()),
    };
    let only = selected_runs(app, &project, args)?;
    let is_asked = |found: &&FoundRecord| only.as_ref().is_none_or(|only| only.contains(&found.record.run));
    let erased: Vec<&FoundRecord> = erased.iter().filter(is_asked).collect();
    let out_dir = dataset_record
        .as_ref()
        .map_or_else(|| catalog::find_dataset_dir(&project), |dataset_record| Ok(dataset_record.out_dir.clone()))?;
    let (dir, cache) = (project.root.join(&out_dir), project.open_cache()?);
    let verify_source = if commit.is_some() { VerifySource::Cache(&cache) } else { VerifySource::Workspace(&dir) };
    let request = VerifyRequest {
        source: verify_source,
        file_list: file_list.as_ref(),
        version: dataset_record.as_ref().map(|dataset_record| dataset_record.version),
        only: only.as_ref(),
    };
    // `dvc.lock` has the size of the whole dataset, not that of single runs.
    let bar = app.ui.progress("verifying", dataset_record.as_ref().filter(|_| only.is_none()).and_then(|l| l.size));
    let report = verify_data(&request, &bar);
    drop(bar);
    // What was erased is not missing, and there may be nothing else.
    if report.found_nothing() && (erased.is_empty() || !report.findings.is_empty()) {
        let unknown =
            |run: &&RunKey| file_list.as_ref().is_some_and(|file_list| entries_of_run(file_list, run).is_empty());
        return Err(match &dataset_record {
            Some(dataset_record) => match only.iter().flatten().find(unknown) {
                Some(run) => match ErasedRuns::load(&project)?.of_run(run).next() {
                    Some(found) => erased_error(found).into(),
                    None => run_not_in_version(run, &dataset_record.version.to_string()),
                },
                None => data_not_in_clone(args, &dataset_record.version.to_string()),
            },
            None => Error::new(ExitKind::Setup, "no_dataset", "no dataset yet: nothing was verified")
                .hint("record a run, then `capture-hook select RUN` and commit"),
        });
    }
    let result = VerifyJson {
        ok: report.findings.is_empty(),
        source: if commit.is_some() { "cache" } else { "workspace" },
        data_version: dataset_record.as_ref().map(|dataset_record| dataset_record.version.to_string()),
        commit: commit.map(|commit| commit.to_string()),
        runs: report.runs,
        files: report.files,
        bytes: report.bytes,
        erased: erased.iter().map(|found| found.record.run.to_string()).collect(),
        findings: report.findings.iter().map(finding_json).collect(),
        unknown: Vec::new(),
    };
    if app.ui.json() {
        app.ui.print_json(&result);
    } else {
        for found in erased {
            app.ui.status(&format!("{} was erased on purpose: {}", found.record.run, found.describe()));
        }
        print_report(app, &report, dataset_record.as_ref(), &result, args.rev.as_deref());
    }
    Ok(if result.ok { CommandOutcome::Done } else { CommandOutcome::CheckFailed })
}

fn finding_json(finding: &VerifyFinding) -> VerifyFindingJson {
    VerifyFindingJson {
        run: finding.run().map(|run| run.to_string()),
        file: finding.file.clone(),
        problem: finding.problem.name(),
        message: finding.message.clone(),
    }
}

/// The error if nothing of what was asked for is in this clone.
fn data_not_in_clone(args: &Args, version: &str) -> Error {
    let named = if args.runs.is_empty() {
        format!("data version {version}")
    } else {
        format!("{} of data version {version}", args.runs.join(", "))
    };
    let error =
        Error::new(ExitKind::Setup, "data_not_here", format!("{named} is not in this clone: nothing was verified"));
    match &args.rev {
        None => {
            let typed: String = args.runs.iter().map(|run| format!(" {}", shell_quote(run))).collect();
            error.hint(format!("run `capture-hook pull{typed}`"))
        }
        Some(rev) => {
            let run = args.runs.first().map_or("RUN".to_owned(), shell_quote);
            error.hint(format!("get one of its runs, verified: `capture-hook get {run} --rev {}`", shell_quote(rev)))
        }
    }
}

fn run_not_in_version(run: &RunKey, version: &str) -> Error {
    let message = format!("data version {version} does not hold {run}: nothing was verified");
    let hint = format!("see the commits that hold it: `capture-hook log {}`", shell_quote(run.to_string()));
    Error::new(ExitKind::Setup, "no_such_run", message).hint(hint)
}

fn selected_runs(app: &App, project: &Project, args: &Args) -> Result<Option<BTreeSet<RunKey>>, Error> {
    if args.runs.is_empty() {
        return Ok(None);
    }
    let catalog = catalog::load_catalog(project)?;
    let mut only = BTreeSet::new();
    for query in &args.runs {
        only.insert(catalog::resolve_query(project, &catalog, &app.cwd, query)?.key);
    }
    Ok(Some(only))
}

fn print_report(
    app: &App,
    report: &VerifyReport,
    dataset_record: Option<&DatasetRecord>,
    result: &VerifyJson,
    rev: Option<&str>,
) {
    let basis = match dataset_record {
        Some(dataset_record) => format!("data version {}", dataset_record.version),
        None => "no data version yet: verified against manifests only".into(),
    };
    app.ui.print_sentences(&render_result(result, &basis));
    if !result.ok {
        match rev {
            None => app.ui.hint(&workspace_hint(report)),
            Some(rev) => cache_hints(report, rev).iter().for_each(|hint| app.ui.hint(hint)),
        }
    }
}

/// The findings, the totals, and what the bytes were compared with.
fn render_result(result: &VerifyJson, basis: &str) -> StyledText {
    const BAD: Style = AnsiColor::Red.on_default();
    const GOOD: Style = AnsiColor::Green.on_default();
    let mut text = StyledText::new();
    for finding in &result.findings {
        let problem = format!("{:<10}", finding.problem);
        text.push_styled(BAD, problem).push_str(format!(" {}: {}", finding.file, finding.message)).end_line();
    }
    let totals = format!(
        "{}, {}, {}",
        format_plural(result.runs, "run"),
        format_plural(result.files, "file"),
        format_bytes(result.bytes)
    );
    if result.ok {
        text.push_styled(GOOD, "all as recorded").push_str(format!(": {totals}")).end_line();
    } else {
        let runs: BTreeSet<_> = result.findings.iter().filter_map(|finding| finding.run.as_deref()).collect();
        let n = format_plural(result.findings.len() as u64, "finding");
        let runs = format_plural(runs.len() as u64, "run");
        text.push_styled(BAD, n).push_str(format!(" in {runs}; read: {totals}")).end_line();
    }
    text.push_str(basis).end_line();
    text
}

/// What to type about findings in the cache.
fn cache_hints(report: &VerifyReport, rev: &str) -> Vec<String> {
    // Five paths make a command that can still be checked by eye before it removes files.
    const SHOWN: usize = 5;
    let mut hints = Vec::new();
    if !report.damaged.is_empty() {
        let objects: Vec<String> = report.damaged.iter().take(SHOWN).map(shell_quote).collect();
        let more = if report.damaged.len() > SHOWN { ", and the same for the others" } else { "" };
        hints.push(format!("remove the damaged object from the cache: `rm -f {}`{more}", objects.join(" ")));
    }
    // A file that contradicts its manifest was committed like this: fetching it again changes nothing.
    if let Some(run) =
        report.findings.iter().find(|finding| finding.problem != VerifyProblem::Manifest).and_then(VerifyFinding::run)
    {
        let run = shell_quote(run.to_string());
        hints.push(format!("fetch what the cache lacks of a run: `capture-hook get {run} --rev {}`", shell_quote(rev)));
    }
    hints
}

/// What to type about findings in the workspace.
fn workspace_hint(report: &VerifyReport) -> String {
    let has_problem = |problem| report.findings.iter().any(|finding| finding.problem == problem);
    match report.findings.iter().find_map(VerifyFinding::run) {
        // First: if every file is as it was committed, no `pull` can change it.
        Some(run) if report.not_committed == 0 => {
            let run = shell_quote(run.to_string());
            format!("the files were committed like this; see the commits: `capture-hook log {run}`")
        }
        _ if report.findings.iter().any(|finding| finding.file == WHOLE_DATASET) => {
            "fetch the file list, and see which files differ: `capture-hook pull`".into()
        }
        // Before the last arm: a plain `pull` keeps local changes.
        _ if [VerifyProblem::Changed, VerifyProblem::Extra, VerifyProblem::Unreadable].into_iter().any(has_problem) => {
            "replace changed files by the committed ones: `capture-hook pull --force`".into()
        }
        _ => "fetch what is missing: `capture-hook pull`".into(),
    }
}

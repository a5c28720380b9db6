//! `capture-hook erase`: removes the bytes of runs for good.

use std::collections::BTreeSet;

use crate::app::{App, CommandOutcome};
use crate::commit::erase::{ErasePlan, RunErasure, erase_runs, plan_erasure};
use crate::error::{Error, ExitKind};
use crate::history::catalog;
use crate::output::json::{EraseJson, ErasedRunJson, SharedObjectJson};
use crate::output::{Confirmation, confirm};
use crate::project::Project;
use crate::run::RunKey;
use crate::support::process::shell_quote;
use crate::support::text::format_plural;
use crate::support::visible::escape_control;

/// Arguments of `erase`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
For data that must not exist any more, such as a person's. Removes every version of the runs' files from the workspace, DVC's cache
and the remote; it cannot be undone. The plan is shown first; then you are asked on the terminal, unless --yes says so already.
Without a terminal nothing is done without --yes.

One commit takes the runs out of the dataset and adds a record of each in capture-erased/: which files, their MD5s and sizes, and the
reason. History stays readable: where data is missing, commands say that it was erased. Push that commit, so that others know.

Not reached, and for you to do: the recorders' directories in results/; other clones' workspaces and caches (`capture-hook pull` names
what is still there, and the same command erases it there); exports, reports, backups; metrics and names of runs in git's history.
Files that another run, output or sister project (see `capture-hook gc --help`) has with the same bytes stay, and are named. This
clone, and those of the sister projects, must have all that their git remotes have.

To free space here and keep the run: `capture-hook forget`. To take a run out of the dataset and keep it: `capture-hook remove`.

Examples:
  capture-hook erase demo/r1 --everywhere --dry-run                      the plan
  capture-hook erase demo/r1 --everywhere --yes --reason 'by letter'")]
pub struct Args {
    /// Committed runs.
    #[arg(value_name = "RUN", required = true, add = super::complete::run_candidates())]
    pub runs: Vec<String>,
    /// In this clone and on the remote: required, because there is no other.
    #[arg(long)]
    pub everywhere: bool,
    /// Show what would be erased where, and do nothing.
    #[arg(short = 'n', long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Do it without asking.
    #[arg(long)]
    pub yes: bool,
    /// Why, for everybody who looks for the run later.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The commit message.
    #[arg(short, long, value_name = "MSG")]
    pub message: Option<String>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    if !args.everywhere {
        let message = "erase removes runs from this clone and from the remote for good, so it needs `--everywhere`";
        return Err(Error::new(ExitKind::Usage, "not_everywhere", message)
            .hint("to drop the copies of this clone alone: `capture-hook forget RUN`")
            .hint("to see what would be erased where: `capture-hook erase RUN --everywhere --dry-run`"));
    }
    let mut project = app.open_project()?;
    let catalog = catalog::load_catalog(&project)?;
    let mut runs: BTreeSet<RunKey> = BTreeSet::new();
    for query in &args.runs {
        runs.insert(catalog::resolve_query(&project, &catalog, &app.cwd, query)?.key);
    }
    // An empty reason says nothing.
    let reason = args.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    let plan = plan_erasure(&project, &catalog, &runs, reason, &app.ui)?;
    // It holds file lists open.
    drop(catalog);
    if !app.ui.json() {
        show_plan(app, &project, &plan)?;
    }
    if plan.is_done() || args.dry_run {
        if app.ui.json() {
            app.ui.print_json(&plan_json(&plan, false, None));
        } else if plan.is_done() {
            app.ui.status("nothing is left to erase");
        } else {
            app.ui.status("nothing was erased yet");
            app.ui.hint(&format!("it cannot be undone; to do it: {}", command(&plan)));
        }
        return Ok(CommandOutcome::Done);
    }
    if !args.yes && !confirm_erasure(app, &plan)? {
        app.ui.status("nothing was erased");
        return Ok(CommandOutcome::CheckFailed);
    }
    let outcome = erase_runs(&mut project, &plan, reason, args.message.as_deref(), &app.ui)?;
    let commit = if outcome.is_committed { Some(project.repo.resolve_commit("HEAD")?) } else { None };
    if app.ui.json() {
        app.ui.print_json(&plan_json(&plan, true, commit.map(|commit| commit.to_string())));
        return Ok(CommandOutcome::Done);
    }
    let cache = format_plural(outcome.from_cache as u64, "object");
    let place = match &plan.remote {
        Some(remote) => format!("{} on the remote `{remote}`", format_plural(outcome.from_remote as u64, "object")),
        None => "no remote is set".to_owned(),
    };
    app.ui.status(&format!("erased: {cache} of the cache; {place}"));
    if let Some(commit) = commit {
        app.ui.status(&format!("recorded in commit {}", commit.short()));
        app.ui.hint("push it, so that other clones know: `git push`");
    }
    for run in &plan.runs {
        app.ui.print_value(run.run.to_string());
    }
    Ok(CommandOutcome::Done)
}

/// The command that does what a plan shows, without asking.
fn command(plan: &ErasePlan) -> String {
    let runs: Vec<String> = plan.runs.iter().map(|run| shell_quote(run.run.to_string())).collect();
    format!("`capture-hook erase {} --everywhere --yes`", runs.join(" "))
}

/// Asks on the terminal. Without a terminal it is an error: a script must say `--yes`.
fn confirm_erasure(app: &App, plan: &ErasePlan) -> Result<bool, Error> {
    let what = match plan.runs.as_slice() {
        [run] => escape_control(&run.run),
        runs => format_plural(runs.len() as u64, "run"),
    };
    // What is read by a program is not read by a person who could answer.
    let answer = if app.ui.json() { Confirmation::NoTerminal } else { confirm(&format!("Erase {what} for good?")) };
    match answer {
        Confirmation::Yes => Ok(true),
        Confirmation::No => Ok(false),
        Confirmation::NoTerminal => {
            let message = "nothing was erased: it cannot be undone, and there is no terminal to ask on";
            Err(Error::new(ExitKind::Usage, "not_confirmed", message).hint(format!("to do it: {}", command(plan))))
        }
    }
}

/// Says what would be erased where, and what would not be reached.
fn show_plan(app: &App, project: &Project, plan: &ErasePlan) -> Result<(), Error> {
    for run in &plan.runs {
        let versions = format_plural(run.records.len() as u64, "version");
        let objects = format_plural(run.objects.len() as u64, "object");
        let removed = if run.in_dataset { "; it is taken out of the dataset first" } else { "" };
        app.ui.status(&format!("{}: {objects} of {versions} of its files{removed}", run.run));
        for (md5, used_by) in &run.shared {
            app.ui.status(&format!("  stays, for {} has it, too: {md5}", escape_control(used_by)));
        }
    }
    let cache = project.open_cache()?;
    let (in_cache, folders) = (plan.in_cache.len() as u64, plan.folders() as u64);
    app.ui.status(&format!(
        "in this clone: {} of the cache, {}",
        format_plural(in_cache, "object"),
        format_plural(folders, "folder")
    ));
    if plan.is_shared_cache {
        app.ui.warn(&format!("other clones may use the cache {}: the objects go for them, too", cache.dir().display()));
    }
    match &plan.remote {
        Some(remote) => app
            .ui
            .status(&format!("on the remote `{remote}`: {}", format_plural(plan.on_remote.len() as u64, "object"))),
        None => app.ui.status("no remote is set: nothing is erased but in this clone"),
    }
    for (sister, count) in &plan.kept_for_sisters {
        let objects = format_plural(*count as u64, "object");
        app.ui.warn(&format!("the sister project {} needs {objects} of these runs, which stay", sister.display()));
        app.ui.hint("to erase them, too, erase the runs that need them in that project first");
    }
    for run in &plan.runs {
        if let Some(dir) = &run.recorded {
            let dir = shell_quote(dir);
            app.ui.hint(&format!("the recorder's directory is evidence and stays; to remove it: `rm -r {dir}`"));
        }
    }
    app.ui.status("not reached: other clones, exports, reports, backups, and what git's history says of the runs");
    Ok(())
}

fn plan_json(plan: &ErasePlan, done: bool, commit: Option<String>) -> EraseJson {
    EraseJson {
        done,
        commit,
        runs: plan.runs.iter().map(run_json).collect(),
        in_cache: plan.in_cache.len(),
        remote: plan.remote.clone(),
        on_remote: plan.on_remote.len(),
        folders: plan.folders(),
    }
}

fn run_json(run: &RunErasure) -> ErasedRunJson {
    let mut sizes: std::collections::BTreeMap<_, u64> = std::collections::BTreeMap::new();
    for file in run.records.iter().flat_map(|record| &record.files).filter(|file| !file.kept) {
        sizes.insert(file.md5, file.bytes.unwrap_or(0));
    }
    ErasedRunJson {
        run: run.run.to_string(),
        in_dataset: run.in_dataset,
        records: run.records.iter().map(crate::history::erased::ErasedRecord::path).collect(),
        objects: run.objects.len(),
        bytes: sizes.values().sum(),
        shared: run
            .shared
            .iter()
            .map(|(md5, used_by)| SharedObjectJson { md5: md5.to_string(), used_by: used_by.clone() })
            .collect(),
        recorded: run.recorded.clone(),
    }
}

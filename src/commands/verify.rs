//! `capture-hook verify`: data against manifests and `dvc.lock`, byte by byte.

use std::collections::BTreeSet;

use anstyle::{AnsiColor, Style};

use super::complete;
use crate::app::{App, Outcome};
use crate::dataset::verify::{Finding, Problem, Store, Subject, Verified, WHOLE, verify};
use crate::error::{Error, ExitKind};
use crate::output::json::{Verify, VerifyFinding};
use crate::output::{Text, human};
use crate::project::{Locked, Project, Source};
use crate::run::RunKey;
use crate::support::process::quoted;

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook verify                        the workspace's dataset against dvc.lock and every manifest
  capture-hook verify nav/r1 nav/r2          these runs alone
  capture-hook verify --rev v1.0             the cached data of a revision, without touching the workspace

Every byte is read. Exit code 1 where something is missing, extra or changed, where a manifest disagrees, or where a
parquet file has other rows than the JSON lines; 3 where nothing of it is in this clone.")]
pub struct Args {
    /// The runs to prove; all where none is named.
    #[arg(value_name = "RUN|TAG", add = complete::runs_and_tags())]
    runs: Vec<String>,
    /// Prove the data of this revision in DVC's cache instead of the workspace.
    #[arg(long, value_name = "REV", add = complete::tags())]
    rev: Option<String>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let project = app.project()?;
    let commit = args.rev.as_deref().map(|rev| project.repo.resolve(rev)).transpose()?;
    let source = commit.clone().map_or(Source::WorkTree, Source::Commit);
    let locked = project.locked(&source)?;
    if locked.is_none() && commit.is_some() {
        let rev = args.rev.as_deref().unwrap_or_default();
        let message = format!("`{rev}` holds no data version");
        return Err(Error::new(ExitKind::Setup, "no_data_version", message)
            .hint("`capture-hook log` lists the commits that do"));
    }
    let listing = locked.as_ref().map(|locked| project.listing(locked.version)).transpose()?.flatten();
    if listing.is_none() && commit.is_some() {
        let version = locked.as_ref().map(|l| l.version.to_string()).unwrap_or_default();
        return Err(not_here(args, &version));
    }
    let only = only(app, &project, args)?;
    let out_dir = locked.as_ref().map_or_else(|| project.dataset_dir(), |locked| Ok(locked.out_dir.clone()))?;
    let (dir, cache) = (project.root.join(&out_dir), project.cache()?);
    let store = if commit.is_some() { Store::Cache(&cache) } else { Store::Workspace(&dir) };
    let subject = Subject {
        store,
        listing: listing.as_ref(),
        version: locked.as_ref().map(|locked| locked.version),
        only: only.as_ref(),
    };
    let bar = app.ui.progress("verifying", locked.as_ref().filter(|_| only.is_none()).and_then(|l| l.size));
    let verified = verify(&subject, &bar);
    drop(bar);
    if verified.nothing_here() {
        let unknown = |run: &&RunKey| listing.as_ref().is_some_and(|listing| listing.run(run).is_empty());
        return Err(match &locked {
            Some(locked) => match only.iter().flatten().find(unknown) {
                Some(run) => not_held(run, &locked.version.to_string()),
                None => not_here(args, &locked.version.to_string()),
            },
            None => Error::new(ExitKind::Setup, "no_dataset", "there is no dataset yet: nothing was verified")
                .hint("record a run, then `capture-hook select RUN` and commit"),
        });
    }
    let result = Verify {
        ok: verified.findings.is_empty(),
        source: if commit.is_some() { "cache" } else { "workspace" },
        data_version: locked.as_ref().map(|locked| locked.version.to_string()),
        commit: commit.map(|commit| commit.to_string()),
        runs: verified.runs,
        files: verified.files,
        bytes: verified.bytes,
        findings: verified
            .findings
            .iter()
            .map(|finding| VerifyFinding {
                run: finding.run().map(|run| run.to_string()),
                file: finding.file.clone(),
                problem: finding.problem.name(),
                message: finding.message.clone(),
            })
            .collect(),
    };
    if app.ui.json() {
        app.ui.data_json(&result);
    } else {
        tell(app, &verified, locked.as_ref(), &result, args.rev.as_deref());
    }
    Ok(if result.ok { Outcome::Done } else { Outcome::CheckFailed })
}

/// The error where nothing of what was asked for is in this clone.
fn not_here(args: &Args, version: &str) -> Error {
    let runs: Vec<String> = args.runs.iter().map(quoted).collect();
    let (named, typed) = if runs.is_empty() {
        (format!("data version {version}"), String::new())
    } else {
        (format!("{} of data version {version}", args.runs.join(", ")), format!(" {}", runs.join(" ")))
    };
    let error =
        Error::new(ExitKind::Setup, "data_not_here", format!("{named} is not in this clone: nothing was verified"));
    match &args.rev {
        None => error.hint(format!("`capture-hook pull{typed}` brings it")),
        Some(rev) => {
            let run = runs.first().map_or("RUN", String::as_str);
            error.hint(format!("`capture-hook get {run} --rev {}` gets a run of it, and verifies that", quoted(rev)))
        }
    }
}

fn not_held(run: &RunKey, version: &str) -> Error {
    let message = format!("data version {version} does not hold {run}: nothing was verified");
    let hint = format!("`capture-hook log {}` lists the commits that hold it", quoted(run.to_string()));
    Error::new(ExitKind::Setup, "no_such_run", message).hint(hint)
}

fn only(app: &App, project: &Project, args: &Args) -> Result<Option<BTreeSet<RunKey>>, Error> {
    if args.runs.is_empty() {
        return Ok(None);
    }
    let catalog = project.catalog()?;
    let mut only = BTreeSet::new();
    for query in &args.runs {
        only.insert(project.resolve_run(&catalog, &app.cwd, query)?.key);
    }
    Ok(Some(only))
}

fn tell(app: &App, verified: &Verified, locked: Option<&Locked>, result: &Verify, rev: Option<&str>) {
    const BAD: Style = AnsiColor::Red.on_default();
    const GOOD: Style = AnsiColor::Green.on_default();
    let mut text = Text::new();
    for finding in &verified.findings {
        let problem = format!("{:<10}", finding.problem.name());
        text.styled(BAD, problem).add(format!(" {}: {}", finding.file, finding.message)).end_line();
    }
    let read = format!(
        "{}, {}, {}",
        human::plural(verified.runs, "run"),
        human::plural(verified.files, "file"),
        human::bytes(verified.bytes)
    );
    let against = match locked {
        Some(locked) => format!("data version {}", locked.version),
        None => "no data version yet: manifests alone".into(),
    };
    if result.ok {
        text.styled(GOOD, "all as recorded").add(format!(": {read}")).end_line();
    } else {
        let runs: BTreeSet<_> = verified.findings.iter().filter_map(|f| f.run()).collect();
        let n = human::plural(verified.findings.len() as u64, "finding");
        let runs = human::plural(runs.len() as u64, "run");
        text.styled(BAD, n).add(format!(" in {runs}; read: {read}")).end_line();
    }
    text.add(against).end_line();
    app.ui.data(&text);
    if !result.ok {
        match rev {
            None => app.ui.hint(&way_back(verified)),
            Some(rev) => anew(verified, rev).iter().for_each(|hint| app.ui.hint(hint)),
        }
    }
}

/// What to type about findings in the cache.
fn anew(verified: &Verified, rev: &str) -> Vec<String> {
    const SHOWN: usize = 5;
    let mut hints = Vec::new();
    if !verified.damaged.is_empty() {
        let objects: Vec<String> = verified.damaged.iter().take(SHOWN).map(quoted).collect();
        let more = if verified.damaged.len() > SHOWN { ", and so with the others" } else { "" };
        hints.push(format!("take what is damaged out of the cache: `rm -f {}`{more}", objects.join(" ")));
    }
    if let Some(run) =
        verified.findings.iter().find(|finding| finding.problem != Problem::Manifest).and_then(Finding::run)
    {
        let run = quoted(run.to_string());
        hints.push(format!("`capture-hook get {run} --rev {}` fetches what the cache lacks of a run", quoted(rev)));
    }
    hints
}

/// What to type about findings in the workspace.
fn way_back(verified: &Verified) -> String {
    let of = |problem| verified.findings.iter().any(|finding| finding.problem == problem);
    match verified.findings.iter().find_map(Finding::run) {
        Some(run) if verified.not_committed == 0 => {
            let run = quoted(run.to_string());
            format!("the files are as they were committed: `capture-hook log {run}` lists the commits")
        }
        _ if verified.findings.iter().any(|finding| finding.file == WHOLE) => {
            "`capture-hook pull` fetches the list, and tells which files differ".into()
        }
        _ if [Problem::Changed, Problem::Extra, Problem::Unreadable].into_iter().any(of) => {
            "`capture-hook pull --force` puts the committed files in the place of others".into()
        }
        _ => "`capture-hook pull` brings what is missing".into(),
    }
}

//! `capture-hook verify`: data against manifests and `dvc.lock`, byte by byte.

use std::collections::BTreeSet;

use anstyle::{AnsiColor, Style};

use super::complete;
use crate::app::{App, Outcome};
use crate::error::{Error, Kind};
use crate::output::json::{Verify, VerifyFinding};
use crate::output::{Text, human};
use crate::project::verify::{Store, Subject, Verified, verify};
use crate::project::{Locked, Project, Source};
use crate::run::RunKey;

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook verify                        the workspace's dataset against dvc.lock and every manifest
  capture-hook verify nav/r1 nav/r2          these runs alone
  capture-hook verify --rev v1.0             the cached data of a revision, without touching the workspace

Every byte is read. Exit code 1 where something is missing, extra or changed, where a manifest disagrees, or where a
parquet file has other rows than the JSON lines.")]
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
        return Err(
            Error::new(Kind::Setup, "no_data_version", message).hint("`capture-hook log` lists the commits that do")
        );
    }
    let listing = locked.as_ref().map(|locked| project.listing(locked.version)).transpose()?.flatten();
    if listing.is_none() && commit.is_some() {
        let version = locked.as_ref().map(|l| l.version.to_string()).unwrap_or_default();
        let message = format!("data version {version} is not in this clone");
        return Err(Error::new(Kind::Setup, "data_not_here", message)
            .hint("check the commit out and `capture-hook pull`, or `capture-hook get RUN --rev REV`"));
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
        tell(app, &verified, locked.as_ref(), &result);
    }
    Ok(if result.ok { Outcome::Done } else { Outcome::Wanting })
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

fn tell(app: &App, verified: &Verified, locked: Option<&Locked>, result: &Verify) {
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
        text.styled(BAD, n).add(format!(" in {} of {read}", human::plural(runs.len() as u64, "run"))).end_line();
    }
    text.add(against).end_line();
    app.ui.data(&text);
    if !result.ok && result.source == "workspace" {
        app.ui.hint(
            "`dvc checkout --force` brings the committed data back from the cache, `capture-hook pull` from the remote",
        );
    }
}

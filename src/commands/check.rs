//! `capture-hook check`: what the hooks check, without hooks, for CI.

use anstyle::{AnsiColor, Style};

use crate::app::{App, Outcome};
use crate::error::{Error, ExitKind};
use crate::git::Range;
use crate::history::check::{Claim, Weight};
use crate::output::json::{Check, CheckFinding};
use crate::output::{Text, human};
use crate::project::Project;
use crate::support::process::quoted;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook check                              all of HEAD's history
  capture-hook check origin/main..HEAD            what a branch adds
  capture-hook check --remote                     and is all data on the DVC remote?

In every commit, params.yaml's selection must be ingested in its dvc.lock; trailers and run tags must say what is so. Exit
code 1 where one does not. Missing trailers, tags and runs that a commit drops are warnings (a server that squashes makes
such commits): `--strict` counts them.")]
pub struct Args {
    /// The commits: A..B, or all that A reaches.
    #[arg(value_name = "RANGE", default_value = "HEAD", add = super::complete::tags())]
    range: String,
    /// Ask whether every data version is on the DVC remote.
    #[arg(long)]
    remote: bool,
    /// Count warnings as errors.
    #[arg(long)]
    strict: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let project = app.project()?;
    let range = range(&project, &args.range)?;
    let proof = project.prove(&range, args.remote, &app.ui)?;
    let counts = |claim: &Claim| claim.weight == Weight::Error || args.strict;
    let result = Check {
        ok: !proof.claims.iter().any(counts),
        commits: proof.commits,
        tags: proof.tags,
        remote: proof.remote,
        findings: proof
            .claims
            .iter()
            .map(|claim| CheckFinding {
                severity: if claim.weight == Weight::Error { "error" } else { "warning" },
                code: claim.code,
                commit: claim.commit.as_ref().map(ToString::to_string),
                tag: claim.tag.clone(),
                run: claim.run.as_ref().map(ToString::to_string),
                message: claim.message.clone(),
            })
            .collect(),
    };
    if app.ui.json() {
        app.ui.data_json(&result);
    } else {
        app.ui.data(&text(&result));
        if result.findings.iter().any(|finding| finding.code == "data_missing" && finding.commit.is_some()) {
            let rev = if args.range == "HEAD" { String::new() } else { format!(" {}", quoted(&args.range)) };
            app.ui.hint(&format!("`capture-hook push --all{rev}` sends all of it that this clone has"));
        }
        for other in project.others()? {
            let dir = quoted(project.from_here(other));
            app.ui.hint(&format!("another project of this repository: `capture-hook -C {dir} check`"));
        }
    }
    Ok(if result.ok { Outcome::Done } else { Outcome::CheckFailed })
}

fn range(project: &Project, text: &str) -> Result<Range, Error> {
    if text.contains("...") {
        let message = format!("`{text}` is not a range that is understood");
        return Err(Error::new(ExitKind::Usage, "invalid_range", message).hint("name it A..B, or one revision"));
    }
    let end = |rev: &str| project.repo.resolve(if rev.is_empty() { "HEAD" } else { rev });
    Ok(match text.split_once("..") {
        Some((from, to)) => Range { include: vec![end(to)?], exclude: vec![end(from)?], ..Range::default() },
        None => Range { include: vec![end(text)?], ..Range::default() },
    })
}

fn text(result: &Check) -> Text {
    const BAD: Style = AnsiColor::Red.on_default().bold();
    const ODD: Style = AnsiColor::Yellow.on_default().bold();
    const GOOD: Style = AnsiColor::Green.on_default();
    let mut out = Text::new();
    for finding in &result.findings {
        let style = if finding.severity == "error" { BAD } else { ODD };
        let what = [finding.commit.as_ref().and_then(|c| c.get(..9)), finding.tag.as_deref(), finding.run.as_deref()];
        let what: Vec<&str> = what.into_iter().flatten().collect();
        let (what, code, message) = (what.join(" "), finding.code, &finding.message);
        out.styled(style, finding.severity).add(format!(" {code}: {what}: {message}")).end_line();
    }
    let looked = format!("{}, {}", human::plural(result.commits, "commit"), human::plural(result.tags, "run tag"));
    let remote = if result.remote { ", and the remote" } else { "" };
    if result.findings.is_empty() {
        out.styled(GOOD, "all true").add(format!(": {looked}{remote}")).end_line();
    } else {
        let findings = human::plural(result.findings.len() as u64, "finding");
        out.add(format!("{findings} in {looked}{remote}")).end_line();
    }
    out
}

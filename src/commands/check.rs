//! `capture-hook check`: what the hooks check, without hooks, for CI.

use anstyle::{AnsiColor, Style};

use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};
use crate::git::CommitRange;
use crate::inspect::check::{self, CheckFinding, CheckSeverity};
use crate::output::StyledText;
use crate::output::json::{CheckErasedJson, CheckFindingJson, CheckJson};
use crate::project::{self, Project};
use crate::support::process::shell_quote;
use crate::support::text::format_plural;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook check                              all of HEAD's history
  capture-hook check origin/main..HEAD            what a branch adds
  capture-hook check --remote                     also that all data is on the DVC remote

In every commit, the run that params.yaml selects must be in the dataset of its dvc.lock, and trailers and run tags must be
right; otherwise the exit code is 1. Missing trailers, missing tags and runs that a commit drops are warnings (a server that
squashes makes such commits); `--strict` counts them.")]
pub struct Args {
    /// The commits: A..B, or A and all its ancestors.
    #[arg(value_name = "RANGE", default_value = "HEAD", add = super::complete::tag_candidates())]
    range: String,
    /// Check that every data version is on the DVC remote.
    #[arg(long)]
    remote: bool,
    /// Count warnings as errors.
    #[arg(long)]
    strict: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project = app.open_project()?;
    let range = parse_range(&project, &args.range)?;
    let report = check::check_history(&project, &range, args.remote, &app.ui)?;
    let counts = |check_finding: &CheckFinding| check_finding.severity == CheckSeverity::Error || args.strict;
    let result = CheckJson {
        ok: !report.findings.iter().any(counts),
        commits: report.commits,
        tags: report.tags,
        remote: report.remote,
        findings: report
            .findings
            .iter()
            .map(|check_finding| CheckFindingJson {
                severity: if check_finding.severity == CheckSeverity::Error { "error" } else { "warning" },
                code: check_finding.code,
                commit: check_finding.commit.as_ref().map(ToString::to_string),
                tag: check_finding.tag.clone(),
                run: check_finding.run.as_ref().map(ToString::to_string),
                message: check_finding.message.clone(),
            })
            .collect(),
        erased: report
            .erased
            .iter()
            .map(|erased| CheckErasedJson {
                run: erased.run.to_string(),
                record: erased.record.clone(),
                message: erased.message.clone(),
            })
            .collect(),
    };
    if app.ui.json() {
        app.ui.print_json(&result);
    } else {
        app.ui.print_sentences(&render_text(&result));
        if result.findings.iter().any(|finding| finding.code == "data_missing" && finding.commit.is_some()) {
            let rev = if args.range == "HEAD" { String::new() } else { format!(" {}", shell_quote(&args.range)) };
            app.ui.hint(&format!("send what this clone has: `capture-hook push --all{rev}`"));
        }
        for other in project.other_prefixes()? {
            let dir = shell_quote(project::path_to_project(&project, other));
            app.ui.hint(&format!("to check another project of this repository: `capture-hook -C {dir} check`"));
        }
    }
    Ok(if result.ok { CommandOutcome::Done } else { CommandOutcome::CheckFailed })
}

fn parse_range(project: &Project, text: &str) -> Result<CommitRange, Error> {
    // Before `..`, which `...` contains: to git, A...B is the commits of either side alone.
    if text.contains("...") {
        let message = format!("`{text}` is not a range of commits");
        return Err(Error::new(ExitKind::Usage, "invalid_range", message).hint("write A..B, or one revision"));
    }
    // Git also takes an empty end of a range for HEAD.
    let end = |rev: &str| project.repo.resolve_commit(if rev.is_empty() { "HEAD" } else { rev });
    Ok(match text.split_once("..") {
        Some((from, to)) => {
            CommitRange { include: vec![end(to)?], exclude: vec![end(from)?], ..CommitRange::default() }
        }
        None => CommitRange { include: vec![end(text)?], ..CommitRange::default() },
    })
}

fn render_text(result: &CheckJson) -> StyledText {
    const BAD: Style = AnsiColor::Red.on_default().bold();
    const ODD: Style = AnsiColor::Yellow.on_default().bold();
    const GOOD: Style = AnsiColor::Green.on_default();
    let mut out = StyledText::new();
    for finding in &result.findings {
        let style = if finding.severity == "error" { BAD } else { ODD };
        // Nine digits of a commit, as in the table of `log`.
        let subject =
            [finding.commit.as_ref().and_then(|c| c.get(..9)), finding.tag.as_deref(), finding.run.as_deref()];
        let subject: Vec<&str> = subject.into_iter().flatten().collect();
        let (subject, code, message) = (subject.join(" "), finding.code, &finding.message);
        out.push_styled(style, finding.severity).push_str(format!(" {code}: {subject}: {message}")).end_line();
    }
    for erased in &result.erased {
        out.push_str(format!("erased: {}: {}", erased.run, erased.message)).end_line();
    }
    let summary = format!("{}, {}", format_plural(result.commits, "commit"), format_plural(result.tags, "run tag"));
    let remote = if result.remote { ", and the remote" } else { "" };
    if result.findings.is_empty() {
        out.push_styled(GOOD, "no problems").push_str(format!(": {summary}{remote}")).end_line();
    } else {
        let findings = format_plural(result.findings.len() as u64, "finding");
        out.push_str(format!("{findings} in {summary}{remote}")).end_line();
    }
    out
}

//! `capture-hook verify DIR`: an export, wherever it came from, without git and DVC.

use anstyle::{AnsiColor, Style};

use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::export::verify::{ExportReport, verify_export};
use crate::output::StyledText;
use crate::output::json::{ExportFindingJson, VerifyExportJson};
use crate::support::process::shell_quote;
use crate::support::text::{format_bytes, format_plural};

/// Verifies the export in a directory. `without` are names of files that may be missing in the runs' folders.
pub fn verify_dir(app: &App, dir: &str, without: &[String]) -> Result<CommandOutcome, Error> {
    let path = app.cwd.join(dir);
    let bar = app.ui.progress("verifying", None);
    let report = verify_export(&path, without, &bar)?;
    drop(bar);
    let ok = report.findings.is_empty();
    if app.ui.json() {
        app.ui.print_json(&VerifyExportJson {
            ok,
            runs: report.runs.iter().map(ToString::to_string).collect(),
            files: report.files,
            bytes: report.bytes,
            signed: report.signed.clone(),
            unsigned: report.unsigned.clone(),
            left_out: report.left_out.clone(),
            findings: report
                .findings
                .iter()
                .map(|finding| ExportFindingJson {
                    file: finding.file.clone(),
                    problem: finding.problem.name(),
                    message: finding.message.clone(),
                })
                .collect(),
        });
    } else {
        print_export_report(app, dir, &report);
    }
    Ok(if ok { CommandOutcome::Done } else { CommandOutcome::CheckFailed })
}

fn print_export_report(app: &App, dir: &str, report: &ExportReport) {
    const BAD: Style = AnsiColor::Red.on_default();
    const GOOD: Style = AnsiColor::Green.on_default();
    let mut text = StyledText::new();
    for finding in &report.findings {
        let problem = format!("{:<12}", finding.problem.name());
        text.push_styled(BAD, problem).push_str(format!(" {}: {}", finding.file, finding.message)).end_line();
    }
    let (runs, files) = (format_plural(report.runs.len() as u64, "run"), format_plural(report.files, "file"));
    let totals = format!("{runs}, {files}, {}", format_bytes(report.bytes));
    if report.findings.is_empty() {
        text.push_styled(GOOD, "whole, as it was exported").push_str(format!(": {totals}")).end_line();
    } else {
        let n = format_plural(report.findings.len() as u64, "finding");
        text.push_styled(BAD, n).push_str(format!("; read: {totals}")).end_line();
    }
    for file in &report.left_out {
        text.push_str(format!("left out: {file}, so its bytes were not verified")).end_line();
    }
    let statements = report.signed.len() + report.unsigned.len();
    if report.signed.is_empty() {
        text.push_str("who made it is unknown: no statement is signed").end_line();
    } else {
        let n = format_plural(statements as u64, "statement");
        let signed = if report.unsigned.is_empty() { n } else { format!("{} of {n}", report.signed.len()) };
        text.push_str(format!("{signed} with a signature, which is not verified: who made it is unknown")).end_line();
    }
    app.ui.print_text(&text);
    if let Some(command) = report.signed.first().and_then(|statement| command_to_verify(app, dir, statement)) {
        app.ui.hint(&format!("verify it: `{command}`"));
    }
}

/// What verifies the signature beside a statement; `None` if there is only an envelope.
fn command_to_verify(app: &App, dir: &str, statement: &str) -> Option<String> {
    let file = format!("{}/{statement}", dir.trim_end_matches('/'));
    let has = |suffix: &str| app.cwd.join(format!("{file}{suffix}")).is_file();
    let quoted = shell_quote(&file);
    if has(".sig") {
        Some(format!("ssh-keygen -Y verify -f ALLOWED_SIGNERS -I WHO -n git -s {quoted}.sig < {quoted}"))
    } else if has(".asc") {
        Some(format!("gpg --verify {quoted}.asc {quoted}"))
    } else {
        None
    }
}

//! `capture-hook verify DIR`: an export, wherever it came from, without git and DVC.

use std::collections::BTreeMap;
use std::path::Path;

use anstyle::{AnsiColor, Style};

use super::attestation::to_signature_json;
use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::export::attestation::{SignatureVerdict, SignatureVerifier};
use crate::export::verify::{ExportReport, ExportTrust, verify_export};
use crate::git::Repo;
use crate::output::StyledText;
use crate::output::json::{ExportFindingJson, VerifyExportJson};
use crate::support::process::shell_quote;
use crate::support::text::{format_bytes, format_plural};

/// Verifies the export in a directory. `without` are names of files that may be missing in the runs' folders; with
/// `allowed_signers`, every statement must be signed by one of them.
pub fn verify_dir(
    app: &App,
    dir: &str,
    without: &[String],
    allowed_signers: Option<&Path>,
) -> Result<CommandOutcome, Error> {
    let path = app.cwd.join(dir);
    let signers = allowed_signers.map(|file| app.cwd.join(file));
    // The reader's own settings, if this is in a repository; an export needs none.
    let repo = Repo::open(&app.cwd, &app.env).ok().filter(|repo| !is_within(repo, &path));
    let verifier = match repo {
        Some(repo) => SignatureVerifier::from_settings(&repo, signers)?,
        None => SignatureVerifier::without_settings(&app.env, signers),
    };
    let bar = app.ui.progress("verifying", None);
    let trust = ExportTrust { without, verifier: &verifier, must_be_signed: allowed_signers.is_some() };
    let report = verify_export(&path, &trust, &bar)?;
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
            signatures: report.signatures.iter().map(to_signature_json).collect(),
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
    for line in describe_signers(report) {
        text.push_str(line).end_line();
    }
    app.ui.print_sentences(&text);
    let is_ssh = |statement: &&String| app.cwd.join(dir).join(format!("{statement}.sig")).is_file();
    let mut unverified = report.signed.iter().filter(|statement| !is_verified(report, statement));
    if unverified.any(|statement| is_ssh(&statement)) {
        let dir = shell_quote(dir);
        app.ui.hint(&format!("name the keys that you trust: `capture-hook verify {dir} --allowed-signers FILE`"));
    }
}

/// Whether a repository came with the export: then its settings are the stranger's, and can name any program.
fn is_within(repo: &Repo, export: &Path) -> bool {
    let canonical = |path: &Path| path.canonicalize().ok();
    // A bare repository, or a path that cannot be resolved, does not count as the reader's own either.
    let top = repo.top().ok().and_then(canonical);
    top.zip(canonical(export)).is_none_or(|(top, export)| top.starts_with(export))
}

/// Whether a statement has a verified signature.
fn is_verified(report: &ExportReport, statement: &str) -> bool {
    let is_beside = |file: &str| file.rsplit_once('.').is_some_and(|(stem, _)| stem == statement);
    let mut beside = report.signatures.iter().filter(|signature| is_beside(&signature.file));
    beside.any(|signature| matches!(signature.verdict, SignatureVerdict::Verified { .. }))
}

/// Who signed how many statements, a line for each key.
fn describe_signers(report: &ExportReport) -> Vec<String> {
    let mut signers: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for signature in &report.signatures {
        if let SignatureVerdict::Verified { signer, key } = &signature.verdict {
            *signers.entry((signer, key)).or_default() += 1;
        }
    }
    let of_n = |n: u64| format_plural(n, "statement");
    let mut lines: Vec<String> =
        signers.iter().map(|((signer, key), n)| format!("{} signed by {signer} with {key}", of_n(*n))).collect();
    let unverified = report.signed.iter().filter(|statement| !is_verified(report, statement)).count() as u64;
    if unverified > 0 {
        lines.push(format!("{} with a signature that is not verified: who signed it is unknown", of_n(unverified)));
    }
    if !report.unsigned.is_empty() {
        lines
            .push(format!("{} without a signature: who vouches for it is unknown", of_n(report.unsigned.len() as u64)));
    }
    lines
}

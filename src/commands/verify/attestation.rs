//! `capture-hook verify --attestation RUN`: who signed the run's statement, and whether every byte is as it says.

use std::path::Path;

use anstyle::{AnsiColor, Style};

use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::export::attestation::{CheckedSignature, SignatureVerdict, SignatureVerifier};
use crate::export::attested_run::{AttestationReport, check_attested_run};
use crate::export::sign::SignatureScheme;
use crate::export::statement::AttestationProblem;
use crate::history::catalog;
use crate::output::StyledText;
use crate::output::json::{AttestationFindingJson, AttestationSignatureJson, VerifyAttestationJson};
use crate::support::path::to_slashes;
use crate::support::process::shell_quote;
use crate::support::text::{format_bytes, format_plural};

/// Verifies a run's attestation. `allowed_signers` is the file that was typed.
pub fn verify_attestation(app: &App, query: &str, allowed_signers: Option<&Path>) -> Result<CommandOutcome, Error> {
    let project = app.open_project()?;
    let catalog = catalog::load_catalog(&project)?;
    let run = catalog::resolve_query(&project, &catalog, &app.cwd, query)?.key;
    let allowed_signers = allowed_signers.map(|file| app.cwd.join(file));
    let verifier = SignatureVerifier::from_settings(&project.repo, allowed_signers)?;
    let bar = app.ui.progress("verifying", None);
    let report = check_attested_run(&project, &catalog, &run, &verifier, &bar)?;
    drop(bar);
    if app.ui.json() {
        app.ui.print_json(&to_json(&report));
    } else {
        print_report(app, &report);
    }
    Ok(if report.findings.is_empty() { CommandOutcome::Done } else { CommandOutcome::CheckFailed })
}

fn to_json(report: &AttestationReport) -> VerifyAttestationJson {
    let findings = report.findings.iter().map(|finding| AttestationFindingJson {
        file: finding.file.clone(),
        problem: finding.problem.name(),
        message: finding.message.clone(),
    });
    VerifyAttestationJson {
        ok: report.findings.is_empty(),
        run: report.run.to_string(),
        statement: to_slashes(&report.statement),
        signatures: report.signatures.iter().map(to_signature_json).collect(),
        envelope: report.envelope.as_deref().map(to_slashes),
        source: if report.from_cache { "cache" } else { "workspace" },
        files: report.files,
        bytes: report.bytes,
        findings: findings.collect(),
    }
}

/// What came of a signature, as `--json` prints it.
pub(super) fn to_signature_json(signature: &CheckedSignature) -> AttestationSignatureJson {
    let (signer, key) = match &signature.verdict {
        SignatureVerdict::Verified { signer, key } => (Some(signer.clone()), Some(key.clone())),
        SignatureVerdict::Refused { .. } => (None, None),
    };
    AttestationSignatureJson {
        file: signature.file.clone(),
        scheme: signature.scheme.name(),
        verified: signer.is_some(),
        signer,
        key,
    }
}

fn print_report(app: &App, report: &AttestationReport) {
    const BAD: Style = AnsiColor::Red.on_default();
    const GOOD: Style = AnsiColor::Green.on_default();
    let mut text = StyledText::new();
    for finding in &report.findings {
        let problem = format!("{:<15}", finding.problem.name());
        text.push_styled(BAD, problem).push_str(format!(" {}: {}", finding.file, finding.message)).end_line();
    }
    for signature in &report.signatures {
        if let SignatureVerdict::Verified { signer, key } = &signature.verdict {
            text.push_str(format!("signed by {signer} with {key}")).end_line();
        }
    }
    let totals = format!(
        "{}: {}, {}, read from the {}",
        report.run,
        format_plural(report.files, "file"),
        format_bytes(report.bytes),
        if report.from_cache { "cache" } else { "workspace" }
    );
    if report.findings.is_empty() {
        text.push_styled(GOOD, "all as attested").push_str(format!(": {totals}")).end_line();
    } else {
        let count = format_plural(report.findings.len() as u64, "finding");
        text.push_styled(BAD, count).push_str(format!(": {totals}")).end_line();
    }
    app.ui.print_sentences(&text);
    let is_ssh = |signature: &&CheckedSignature| {
        signature.scheme == SignatureScheme::Ssh && matches!(signature.verdict, SignatureVerdict::Verified { .. })
    };
    if report.signatures.iter().any(|signature| is_ssh(&signature)) {
        app.ui.status("an SSH signature holds no time: it does not show when it was made");
    }
    if let Some(envelope) = &report.envelope {
        app.ui.status(&format!("{}: its signature is not verified here: see docs/publish.md", envelope.display()));
    }
    let has_problem = |problem| report.findings.iter().any(|finding| finding.problem == problem);
    if has_problem(AttestationProblem::NotVerified) || has_problem(AttestationProblem::UnknownKey) {
        let run = shell_quote(report.run.to_string());
        app.ui.hint(&format!(
            "name the keys that you trust: `capture-hook verify --attestation {run} --allowed-signers FILE`"
        ));
    }
}

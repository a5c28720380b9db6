//! `capture-hook verify DIR`: runs outside of every project, against their manifests.

use super::super::lone_run::LoneRun;
use super::{finding_json, render_result};
use crate::app::{App, CommandOutcome};
use crate::dataset::verify::run_dir::verify_run_dir;
use crate::error::{Error, ExitKind};
use crate::output::json::VerifyJson;
use crate::support::process::shell_quote;
use crate::support::text::format_plural;

/// Verifies each run's files against its manifest.
pub fn verify_lone_runs(app: &App, runs: &[LoneRun]) -> Result<CommandOutcome, Error> {
    let bar = app.ui.progress("verifying", None);
    let mut result = VerifyJson {
        ok: true,
        source: "directory",
        data_version: None,
        commit: None,
        runs: 0,
        files: 0,
        bytes: 0,
        erased: Vec::new(),
        findings: Vec::new(),
        unknown: Vec::new(),
    };
    for run in runs {
        let (key, _) = run.named()?;
        let Some(verified) = verify_run_dir(&key, run.dir(), &bar) else {
            let message = format!("{} holds no manifest.json: it is unknown what its bytes were", run.dir().display());
            return Err(Error::new(ExitKind::Setup, "no_manifest", message)
                .hint(format!("see whether the run is valid: `capture-hook validate {}`", shell_quote(run.dir()))));
        };
        result.runs += 1;
        result.files += verified.report.files;
        result.bytes += verified.report.bytes;
        result.findings.extend(verified.report.findings.iter().map(finding_json));
        result.unknown.extend(verified.unknown.iter().map(|name| format!("{key}/{name}")));
    }
    drop(bar);
    result.ok = result.findings.is_empty();
    if app.ui.json() {
        app.ui.print_json(&result);
    } else {
        app.ui.print_text(&render_result(&result, "no project around it: verified against its manifest only"));
        if let Some(first) = result.unknown.first() {
            let files = format_plural(result.unknown.len() as u64, "file");
            let more = if result.unknown.len() > 1 { ", …" } else { "" };
            app.ui.status(&format!("{files} that no manifest names, so what they should be is unknown: {first}{more}"));
        }
    }
    Ok(if result.ok { CommandOutcome::Done } else { CommandOutcome::CheckFailed })
}

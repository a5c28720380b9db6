//! `capture-hook attest`: a signed statement of a run's files and origin, tracked by git.

use super::complete;
use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::export::attest::{AttestationPaths, FileChange, sign_statement, write_attestation};
use crate::export::gather::gather_run;
use crate::export::metadata::read_repository;
use crate::export::sign::Signer;
use crate::export::statement::build_statement;
use crate::history::catalog;
use crate::history::committed::find_current_run;
use crate::output::json::{AttestJson, AttestedFileJson};
use crate::support::path::to_slashes;
use crate::support::text::format_plural;

/// Arguments of `attest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook attest nav/r1            sign the newest committed data of a run
  capture-hook attest nav/r1 --dsse     and write an envelope for supply-chain verifiers

The statement (in-toto, SLSA provenance) names every file of the run with its SHA-256, and what is known of its origin.
Format, key and program are those of git's signed commits: gpg.format, user.signingKey. Commit what was written.")]
pub struct Args {
    /// The run or its tag; it must be committed.
    #[arg(value_name = "RUN|TAG", add = complete::run_and_tag_candidates())]
    run: String,
    /// Also write a DSSE envelope, signed by ssh-agent.
    #[arg(long)]
    dsse: bool,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project = app.open_project()?;
    // First: without a key there is nothing to read a run for.
    let signer = Signer::from_settings(&project.repo)?;
    let catalog = catalog::load_catalog(&project)?;
    let committed = find_current_run(&project, &catalog, &app.cwd, &args.run, None)?;
    let (run, provenance) = gather_run(&project, &catalog, &committed, &app.ui)?;
    let repository = read_repository(&project)?;
    let statement = build_statement(&run, &provenance.iter().collect::<Vec<_>>(), repository.as_deref());
    let signed = sign_statement(signer, project.repo.top()?, &statement, args.dsse, &app.ui)?;
    let paths = AttestationPaths::of_run(&run.key);
    let changes = write_attestation(&project.root, &paths, &statement, &signed)?;
    let scheme = signed.signature.scheme;
    if app.ui.json() {
        app.ui.print_json(&AttestJson {
            run: run.key.to_string(),
            commit: run.commit.id.to_string(),
            data_version: run.version.to_string(),
            statement: to_slashes(&paths.statement),
            signature: to_slashes(&paths.signature(scheme)),
            envelope: signed.envelope.as_ref().map(|_| to_slashes(&paths.envelope)),
            scheme: scheme.name(),
            key: signed.signature.fingerprint,
            subjects: run.files.len(),
            files: changes
                .iter()
                .map(|(path, change)| AttestedFileJson { path: to_slashes(path), change: change.name() })
                .collect(),
        });
        return Ok(CommandOutcome::Done);
    }
    app.ui.print_value(&paths.statement);
    let files = format_plural(run.files.len() as u64, "file");
    let key = &signed.signature.fingerprint;
    app.ui.status(&format!("{}: {files}, signed with the {} key {key}", run.key, scheme.name()));
    for (path, change) in &changes {
        match change {
            FileChange::New | FileChange::Unchanged => {}
            FileChange::Replaced => app.ui.status(&format!("replaced {}", path.display())),
            FileChange::Removed => app.ui.status(&format!("removed {}: it signed another statement", path.display())),
        }
    }
    app.ui.hint("commit it: `git add attestations && git commit`");
    Ok(CommandOutcome::Done)
}

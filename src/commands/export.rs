//! `capture-hook export`: runs as a tree, or a zip file, that readers of other standards accept.

use std::path::PathBuf;

use super::complete;
use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};
use crate::export::metadata::{MetadataFlags, read_dataset_metadata};
use crate::export::select::{VersionRuns, select_all, select_named};
use crate::export::tree::{ExportRequest, export_runs};
use crate::history::{self, catalog};
use crate::output::json::ExportJson;
use crate::support::text::{format_bytes, format_plural};

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook export nav/r1                       one run, into ./nav-r1-export
  capture-hook export --experiment nav -o nav      every run of an experiment
  capture-hook export --all --rev v1.0 --zip       the dataset of a revision, as capture-export.zip
  capture-hook export nav/r1 --without run.json    without a file that names the machine and its user

One tree has every format at once: RO-Crate, Croissant, a Hugging Face card, CITATION.cff, DataCite, an in-toto statement for
each run, and SHA256SUMS. The same commit gives the same bytes. Title, licence and creators are settings:
`capture-hook config set dataset.title 'My runs'`. Check an export with `capture-hook verify DIR`.")]
pub struct Args {
    /// The runs or their tags.
    #[arg(value_name = "RUN|TAG", add = complete::run_and_tag_candidates(), required_unless_present_any = ["experiment", "all"])]
    runs: Vec<String>,
    /// All runs of this experiment.
    #[arg(long, value_name = "E", conflicts_with_all = ["runs", "all"])]
    experiment: Option<String>,
    /// All runs.
    #[arg(long, conflicts_with = "runs")]
    all: bool,
    /// The commit, branch or tag whose data is exported.
    #[arg(long, value_name = "REV", add = complete::tag_candidates())]
    rev: Option<String>,
    /// The new directory, or with --zip the file [default: named after the runs].
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Make a zip file instead of a directory.
    #[arg(long)]
    zip: bool,
    /// Leave this file out of every run; can be given several times.
    #[arg(long, value_name = "FILE")]
    without: Vec<String>,
    /// Replace an earlier export.
    #[arg(long)]
    force: bool,
    /// The title, instead of `dataset.title`.
    #[arg(long, value_name = "TEXT", help_heading = "What the dataset is")]
    title: Option<String>,
    /// The description, instead of `dataset.description`.
    #[arg(long, value_name = "TEXT", help_heading = "What the dataset is")]
    description: Option<String>,
    /// The licence by its SPDX identifier, instead of `dataset.license`.
    #[arg(long, value_name = "ID", help_heading = "What the dataset is")]
    license: Option<String>,
    /// A creator, instead of `dataset.creators`; can be given several times.
    #[arg(long = "creator", value_name = "NAME", help_heading = "What the dataset is")]
    creators: Vec<String>,
    /// The version, instead of `dataset.version`.
    // With another name than clap's own `version`.
    #[arg(long = "dataset-version", value_name = "X.Y.Z", help_heading = "What the dataset is")]
    dataset_version: Option<String>,
    /// The date of publication, instead of the newest commit's.
    #[arg(long, value_name = "YYYY-MM-DD", help_heading = "What the dataset is")]
    date_published: Option<String>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project = app.open_project()?;
    let head = project.repo.head()?.ok_or_else(|| {
        Error::new(ExitKind::Setup, "no_data_version", "there is no commit yet: only committed runs are exported")
            .hint("commit a run first: `capture-hook publish RUN`")
    })?;
    // First of all: what is missing is named before anything is fetched.
    let metadata = read_dataset_metadata(&project, &metadata_flags(args))?;
    let rev = args.rev.as_deref();
    // A whole dataset is found without looking through what lies in results.
    let (selected, history) = if args.runs.is_empty() {
        (select_all(&project, args.experiment.as_deref(), rev)?, history::load_history(&project)?)
    } else {
        let catalog = catalog::load_catalog(&project)?;
        (select_named(&project, &catalog, &app.cwd, &args.runs, rev)?, catalog.history)
    };
    let has_publisher = metadata.metadata.publisher.is_some();
    let output = output_path(args, &selected);
    let to = app.cwd.join(&output);
    let request = ExportRequest {
        selected,
        metadata,
        without: &args.without,
        head,
        cwd: &app.cwd,
        to: &to,
        is_zip: args.zip,
        replace: args.force,
    };
    let outcome = export_runs(&project, &history, request, &app.ui)?;
    if app.ui.json() {
        app.ui.print_json(&ExportJson {
            path: output.to_string_lossy().into_owned(),
            runs: outcome.runs,
            files: outcome.files,
            bytes: outcome.bytes,
            signed: outcome.signed,
            fetched: outcome.fetched,
        });
    } else {
        app.ui.print_value(&output);
        let (runs, files) = (format_plural(outcome.runs, "run"), format_plural(outcome.files, "file"));
        let signed = match outcome.signed {
            0 => "no statement is signed".to_owned(),
            signed if signed == outcome.runs => format!("{} signed", format_plural(signed, "statement")),
            signed => format!("{signed} of {} signed", format_plural(outcome.runs, "statement")),
        };
        app.ui.status(&format!("{runs}, {files}, {}; {signed}", format_bytes(outcome.bytes)));
    }
    app.exclude_from_git(&project, &to, &output);
    for warning in &outcome.warnings {
        app.ui.warn(warning);
    }
    if !has_publisher {
        app.ui
            .hint("name who publishes it, as archives ask for: `capture-hook config set dataset.publisher.name NAME`");
    }
    if outcome.signed == 0 {
        app.ui.hint("sign a run's statement: `capture-hook attest RUN`, commit `attestations/`, then export again");
    }
    Ok(CommandOutcome::Done)
}

fn metadata_flags(args: &Args) -> MetadataFlags {
    MetadataFlags {
        title: args.title.clone(),
        description: args.description.clone(),
        license: args.license.clone(),
        creators: args.creators.clone(),
        version: args.dataset_version.clone(),
        date_published: args.date_published.clone(),
    }
}

/// Where the export goes: what the user typed, else a name made of the runs' in the current directory.
fn output_path(args: &Args, selected: &[VersionRuns]) -> PathBuf {
    let mut output = args.output.clone().unwrap_or_else(|| {
        let mut runs = selected.iter().flat_map(|version| &version.runs);
        match (&args.experiment, runs.next(), runs.next()) {
            (Some(experiment), ..) => format!("{experiment}-export").into(),
            (None, Some(only), None) => format!("{}-{}-export", only.key.experiment(), only.key.run_id()).into(),
            _ => "capture-export".into(),
        }
    });
    if args.zip && output.extension() != Some("zip".as_ref()) {
        output.as_mut_os_string().push(".zip");
    }
    // A slash at the end would make the parent of the directory the directory itself.
    output.components().collect()
}

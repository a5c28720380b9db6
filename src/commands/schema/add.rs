//! `capture-hook schema add`: puts a schema beside a run that has none. An existing one is never replaced.

use std::path::{Path, PathBuf};

use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};
use crate::formats::json;
use crate::formats::json::JsonValue;
use crate::history::named_schema::read_schema_file;
use crate::output::json::SchemaAddJson;
use crate::project::dir::ProjectDir;
use crate::run::layout::{DATASET_INDEX, RUN_JSON};
use crate::run::open::read_small_file;
use crate::run::schema::{SCHEMA_JSON, SchemaVersion};
use crate::support::beneath::RootDir;
use crate::support::process::shell_quote;

/// Arguments of `schema add`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
An existing schema.json is never replaced: to change it, edit it. A run in the dataset is committed
data and stays as it is.

Examples:
  capture-hook schema add results/cartpole/r1 schema.json
  capture-hook schema add latest schemas/cartpole.json")]
pub struct Args {
    /// The run.
    #[arg(value_name = "RUN", add = crate::commands::complete::run_candidates())]
    run: String,
    /// The schema's file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the command.
pub(super) fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project_dir = ProjectDir::find(&app.cwd)?;
    let dir = project_dir.resolve_run(&app.cwd, &args.run)?;
    let shown = project_dir.relative_display(&dir);
    let schema = read_schema_file(&app.cwd.join(&args.file), &args.file.to_string_lossy())?;
    if is_in_dataset(&project_dir, &dir) {
        let message = format!("{shown} is in the dataset, whose files only a commit changes");
        return Err(Error::new(ExitKind::Usage, "run_in_dataset", message)
            .hint("add the schema to the recorded run in results, then commit that again"));
    }
    // What was parsed is what is written: the file is read once.
    if !RootDir::new(&dir).write_new(SCHEMA_JSON, schema.text.as_bytes())? {
        let message = format!("{shown} already has a {SCHEMA_JSON}, which is never replaced");
        let diff = format!(
            "compare the two: `capture-hook schema diff {} {}`",
            shell_quote(format!("{shown}/{SCHEMA_JSON}")),
            shell_quote(&args.file)
        );
        return Err(Error::new(ExitKind::CheckFailed, "schema_exists", message).hint(diff));
    }
    let written = format!("{shown}/{SCHEMA_JSON}");
    if app.ui.json() {
        app.ui.print_json(&SchemaAddJson { schema: &written });
    } else {
        app.ui.print_value(&written);
    }
    if let Some(version) = other_version(&dir) {
        let declared = SchemaVersion::V2;
        app.ui.warn(&format!(
            "{RUN_JSON} of {shown} says {version}: its schema counts with \"schema_version\": \"{declared}\""
        ));
    }
    app.ui.hint(&format!("check the run: `capture-hook validate {}`", shell_quote(&shown)));
    Ok(CommandOutcome::Done)
}

/// Whether a directory is a run's folder in the dataset. Its files can share their bytes with DVC's cache.
fn is_in_dataset(project_dir: &ProjectDir, dir: &Path) -> bool {
    // Parameters that cannot be read name no dataset: then the file that ingest writes tells.
    let out_dir = project_dir.read_selection().ok().map(|selection| project_dir.root.join(selection.out_dir));
    let is_below = |out_dir: PathBuf| match (out_dir.canonicalize(), dir.canonicalize()) {
        (Ok(out_dir), Ok(dir)) => dir.starts_with(out_dir),
        _ => false,
    };
    std::fs::symlink_metadata(dir.join(DATASET_INDEX)).is_ok() || out_dir.is_some_and(is_below)
}

/// The schema version that `run.json` says, if a `schema.json` does not count with it.
fn other_version(dir: &Path) -> Option<String> {
    // A file that cannot be read is what `validate` reports.
    let raw = json::parse(&read_small_file(dir, RUN_JSON).ok()??).ok()?;
    let version = raw.get("schema_version").map(JsonValue::to_canonical);
    let declared = format!("\"{}\"", SchemaVersion::V2);
    (version.as_ref() != Some(&declared)).then(|| match version {
        Some(version) => format!("\"schema_version\": {version}"),
        None => "no `schema_version`".into(),
    })
}

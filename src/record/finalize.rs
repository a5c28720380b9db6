//! The end of a recording: manifest and parquet. Neither can fail the capture: a failure becomes a warning, and the
//! recorded files stay as they are.

use std::error::Error as _;
use std::path::{Path, PathBuf};

use crate::columnar::{ColumnarError, ParquetSink};
use crate::manifest::{ManifestEntry, RunManifest};
use crate::run::RunKey;
use crate::run::layout::{EPISODES_PARQUET, MANIFEST, STEPS_PARQUET};
use crate::support::aside::TEMP_PREFIX;
use crate::support::fs::{FsError, create_temp_dir, remove_all, rename, write_atomic};
use crate::support::progress::NoProgress;
use crate::validate;
use crate::validate::{NoSink, ScanError, ValidateOptions, ValidationReport};

/// The result of finalizing a recording.
#[derive(Debug, Default)]
pub struct FinalizeOutcome {
    /// The validation report; `None` if the run could not be read back.
    pub report: Option<ValidationReport>,
    /// The manifest, if it could be written.
    pub manifest: Option<PathBuf>,
    /// What failed after the capture, which is complete all the same.
    pub warnings: Vec<String>,
}

/// Why there is no manifest or no parquet.
#[derive(Debug, thiserror::Error)]
enum FinalizeError {
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error(transparent)]
    Columnar(#[from] ColumnarError),
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// Writes the manifest, and if asked the parquet, of a run whose files are closed.
pub(super) fn complete_run(root: &Path, key: &RunKey, export_parquet: bool) -> FinalizeOutcome {
    let mut done = FinalizeOutcome::default();
    if let Err(failure) = try_complete_run(root, key, export_parquet, &mut done) {
        let mut text = failure.to_string();
        // A warning is one text, so the causes are appended.
        let mut cause = failure.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        done.warnings.push(text);
    }
    done
}

fn try_complete_run(
    root: &Path,
    key: &RunKey,
    export_parquet: bool,
    done: &mut FinalizeOutcome,
) -> Result<(), FinalizeError> {
    let manifest_path = root.join(MANIFEST);
    // A continued run: an earlier recorder's manifest and parquet are outdated.
    for name in [MANIFEST, STEPS_PARQUET, EPISODES_PARQUET] {
        remove_all(&root.join(name))?;
    }
    let mut options = ValidateOptions::default();
    options.hash = true;
    let shown = display_path(root, key);
    // Beside the run, not in it, or the scan would find it there.
    let beside = root.parent().unwrap_or(root);
    let temp = create_temp_dir(beside, TEMP_PREFIX)?;
    let scan = if export_parquet {
        let mut sink = ParquetSink::new(temp.path(), false);
        let scan = validate::scan_run(root, &shown, &options, &mut sink, &NoProgress)?;
        sink.finish()?;
        scan
    } else {
        validate::scan_run(root, &shown, &options, &mut NoSink, &NoProgress)?
    };
    let mut parquet = Vec::new();
    for name in [STEPS_PARQUET, EPISODES_PARQUET] {
        let (from, to) = (temp.path().join(name), root.join(name));
        if from.exists() {
            parquet.push(ManifestEntry::of_file(temp.path(), name)?);
            rename(&from, &to)?;
        }
    }
    if let Some(mut manifest) = RunManifest::from_scan(&scan) {
        // Written last, because it lists the parquet files.
        manifest.files.extend(parquet);
        manifest.created_at = Some(super::start_time_now());
        write_atomic(&manifest_path, manifest.to_text().as_bytes())?;
        done.manifest = Some(manifest_path);
    } else {
        done.warnings.push(format!("no {MANIFEST}: run.json does not say which run {shown} is"));
    }
    done.report = Some(scan.report);
    Ok(())
}

/// Returns the run's directory for the manifest, not absolute.
fn display_path(root: &Path, key: &RunKey) -> String {
    match root.ancestors().nth(2).and_then(Path::file_name) {
        Some(results) => format!("{}/{key}", results.to_string_lossy()),
        None => key.to_string(),
    }
}

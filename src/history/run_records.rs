//! The records of all runs that a commit introduces, worked out from the data.

use crate::history::hashed_runs::RunHasher;
use crate::history::run_files::RunEntries;
use crate::history::{AllRunsTrailer, RunTrailers, introduced};
use crate::project::{DatasetRecord, Project, ProjectError, Reporter};
use crate::run::RunKey;
use crate::run::layout::{DATASET_INDEX, MANIFEST};

/// The records of some runs of a data version.
#[derive(Debug, Clone)]
pub struct RunRecords {
    /// A record for each run, in the order asked for.
    pub records: Vec<RunTrailers>,
    /// Whether what the records lack does not exist: nothing is missing in this clone.
    pub is_complete: bool,
}

impl RunRecords {
    /// The trailer that stands for all of them.
    #[must_use]
    pub fn all_runs_trailer(&self, dataset_record: &DatasetRecord) -> AllRunsTrailer {
        AllRunsTrailer::of_records(&self.records, dataset_record.version, self.is_complete)
    }
}

/// Reads what is known here of these runs of a data version.
pub fn read_run_records(
    project: &Project,
    dataset_record: &DatasetRecord,
    runs: &[RunKey],
    reporter: &dyn Reporter,
) -> Result<RunRecords, ProjectError> {
    let (version, out_dir) = (dataset_record.version, dataset_record.out_dir.as_str());
    let mut all_entries = Vec::new();
    for run in runs {
        // Without the file list, a record holds the data version alone.
        let entries = project.file_lists()?.run_entries(version, run).unwrap_or_default();
        all_entries.push(RunEntries { run: run.clone(), entries });
    }
    // All runs at once, so that every processor has work.
    let hashed = RunHasher::new(project, reporter).hash_runs(out_dir, &all_entries)?;
    let (mut records, mut is_complete) = (Vec::new(), true);
    for (run_entries, files) in all_entries.iter().zip(hashed) {
        let RunEntries { run, entries } = run_entries;
        let record = introduced::read_record_of_files(project, run, (version, Some(out_dir)), entries)?;
        is_complete &= files.is_some()
            && (record.manifest.is_some() || !run_entries.has_file(MANIFEST))
            && (record.config.is_some() || !run_entries.has_file(DATASET_INDEX));
        records.push(RunTrailers { files, ..record });
    }
    Ok(RunRecords { records, is_complete })
}

//! Whether what commits and tags say about all bytes of a run is so.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::dvc::file_list::FileEntry;
use crate::history::run_files::{self, RunEntries};
use crate::project::{Project, Reporter};
use crate::run::RunKey;

/// Compares runs' files with their `Capture-Files`. A commit and a tag say the same of most runs, so an answer is kept.
pub(super) struct FilesChecker<'a> {
    project: &'a Project,
    reporter: &'a dyn Reporter,
    /// By the hash of a run's listing and the `Capture-Files`.
    answers: RefCell<HashMap<(String, String), bool>>,
}

impl<'a> FilesChecker<'a> {
    /// A checker that has read nothing yet.
    pub(super) fn new(project: &'a Project, reporter: &'a dyn Reporter) -> Self {
        Self { project, reporter, answers: RefCell::default() }
    }

    /// Whether a `Capture-Files` is proven to be wrong. If not all bytes are in this clone, nothing is proven.
    pub(super) fn is_false(&self, run: &RunKey, entries: Vec<FileEntry>, files: &str) -> bool {
        let run = RunEntries { run: run.clone(), entries };
        let question = (run.listing_hash(), files.to_owned());
        if let Some(answer) = self.answers.borrow().get(&question) {
            return *answer;
        }
        let progress = self.reporter.start_progress(&format!("hashing the files of {}", run.run), None);
        // A cache that cannot be read contradicts nothing.
        let is_true = run_files::has_files_hash(self.project, &run, files, progress.as_ref()).ok().flatten();
        let answer = is_true == Some(false);
        self.answers.borrow_mut().insert(question, answer);
        answer
    }
}

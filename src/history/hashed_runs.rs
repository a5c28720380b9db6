//! The `Capture-Files` that this clone worked out: a note in `.git/capture-hook`.
//!
//! pre-commit reads each file of a new run once more after it was versioned, and hashes it then. prepare-commit-msg and
//! post-commit, which are processes of their own, need the result for the trailer and for the tag; so do later amends
//! and rebases. The tag does not take it from the commit's message, which the user can edit before the tag is made: the
//! note keeps a signed tag true without another reading. A line is the hash of a run's listing (names and MD5s) and its
//! `Capture-Files`. What a listing stands for never changes, so no line gets stale; one that is lost costs only time.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::dvc::hash::DvcHash;
use crate::history::run_files::{self, RunEntries};
use crate::project::{Project, ProjectError, Reporter};
use crate::support::text::format_plural;
use crate::support::{fs, limits};

/// The file in the state directory.
const HASHED_RUNS: &str = "hashed-runs";
/// The most lines that are kept, the last ones: a sweep of ten thousand runs, and those before it.
const MAX_LINES: usize = 30_000;

/// A line of the note: a run whose files were all read.
#[derive(Debug, Clone)]
pub struct HashedRun {
    /// The hash of its listing.
    listing: String,
    /// Its `Capture-Files`.
    files: String,
}

impl HashedRun {
    /// A run, by the SHA-256 of each of its objects; `None` if one is missing.
    #[must_use]
    pub fn by_objects(run: &RunEntries, sha256_of: &HashMap<DvcHash, String>) -> Option<Self> {
        Some(Self { listing: run.listing_hash(), files: run.files_hash(sha256_of)? })
    }

    fn parse(line: &str) -> Option<Self> {
        let (listing, files) = line.split_once(' ')?;
        // 32 bytes, as two digits each.
        let is_sha256 = |text: &str| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (is_sha256(listing) && is_sha256(files)).then(|| Self { listing: listing.to_owned(), files: files.to_owned() })
    }
}

/// Notes runs whose files were read.
pub fn note_runs(project: &Project, runs: Vec<HashedRun>) {
    let mut note = HashedRunsNote::read(project);
    let new: HashSet<&str> = runs.iter().map(|run| run.listing.as_str()).collect();
    // One line for each: a run that is ingested again moves to the end.
    note.lines.retain(|run| !new.contains(run.listing.as_str()));
    note.lines.extend(runs);
    note.write(project);
}

/// Finds the `Capture-Files` of runs: in the note, else by reading their files.
pub struct RunHasher<'a> {
    project: &'a Project,
    reporter: &'a dyn Reporter,
    /// `Capture-Files` by listing; `None` until the note is needed.
    known: Option<HashMap<String, String>>,
}

impl<'a> RunHasher<'a> {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(project: &'a Project, reporter: &'a dyn Reporter) -> Self {
        Self { project, reporter, known: None }
    }

    /// The `Capture-Files` of each run, in hex; `None` if it is not noted and not all of the bytes are in this clone.
    pub fn hash_runs(&mut self, out_dir: &str, runs: &[RunEntries]) -> Result<Vec<Option<String>>, ProjectError> {
        let known = self.known.get_or_insert_with(|| HashedRunsNote::read(self.project).by_listing());
        let listings: Vec<String> = runs.iter().map(RunEntries::listing_hash).collect();
        let with_listings = runs.iter().zip(&listings);
        let (new_runs, new_listings): (Vec<RunEntries>, Vec<String>) = with_listings
            .filter(|(_, listing)| !known.contains_key(*listing))
            .map(|(run, listing)| (run.clone(), listing.clone()))
            .unzip();
        if !new_runs.is_empty() {
            let what = format!("hashing the files of {}", format_plural(new_runs.len() as u64, "run"));
            let progress = self.reporter.start_progress(&what, None);
            let hashed = run_files::hash_runs(self.project, Some(out_dir), &new_runs, progress.as_ref())?;
            let hashed = new_listings.into_iter().zip(hashed);
            let hashed: Vec<HashedRun> =
                hashed.filter_map(|(listing, files)| Some(HashedRun { listing, files: files? })).collect();
            known.extend(hashed.iter().map(|run| (run.listing.clone(), run.files.clone())));
            if !hashed.is_empty() {
                note_runs(self.project, hashed);
            }
        }
        Ok(listings.iter().map(|listing| known.get(listing).cloned()).collect())
    }
}

/// The note, the oldest line first.
#[derive(Default)]
struct HashedRunsNote {
    lines: Vec<HashedRun>,
}

impl HashedRunsNote {
    fn path(project: &Project) -> PathBuf {
        project.state_dir().join(HASHED_RUNS)
    }

    fn read(project: &Project) -> Self {
        // A note that cannot be read counts as empty, and so does a line that is not whole.
        let bytes = fs::read_within(&Self::path(project), limits::TEXT).ok().flatten().unwrap_or_default();
        Self { lines: String::from_utf8_lossy(&bytes).lines().filter_map(HashedRun::parse).collect() }
    }

    fn by_listing(self) -> HashMap<String, String> {
        self.lines.into_iter().map(|run| (run.listing, run.files)).collect()
    }

    fn write(&self, project: &Project) {
        let kept = self.lines.iter().skip(self.lines.len().saturating_sub(MAX_LINES));
        let text: String = kept.map(|run| format!("{} {}\n", run.listing, run.files)).collect();
        // The commit is right whether this can be noted or not.
        let _ = fs::create_shared_dir(&project.state_dir());
        let _ = fs::write_shared(&Self::path(project), text.as_bytes());
    }
}

//! How the workspace's dataset differs from a data version, file by file.
//!
//! Nothing is changed. What is known to be right is not read again (see [`KnownFiles`]). A link into DVC's cache is held
//! against its name as any other file: the object may have been written through it.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use crate::dataset::known_files::{KnownFiles, Stat};
use crate::dataset::verify::{run_of, walk};
use crate::dvc::file_list::{Entry, Listing};
use crate::dvc::ignore;
use crate::dvc::link::hash;
use crate::project::{Project, ProjectError};
use crate::run::RunKey;
use crate::support::parallel;
use crate::support::progress::Progress;

/// Files that are known to be right, in the working tree's git directory.
const KNOWN: &str = "capture-hook-known-files";

/// What to compare.
pub struct Comparison<'a> {
    /// The dataset, relative to the project.
    pub out_dir: &'a str,
    /// What it should hold.
    pub listing: &'a Listing,
    /// Only this run.
    pub only: Option<&'a RunKey>,
    /// The files before a checkout: what differs from them was written by it, and is right.
    pub before: Option<&'a Before>,
    /// The most bytes to read.
    pub max_bytes: u64,
}

/// The files of a dataset at one moment.
pub struct Before(HashMap<String, Stat>);

/// How a workspace differs. Paths are relative to the dataset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Differences {
    /// Files with other bytes, or something else in their place.
    pub changed: Vec<String>,
    /// Files that are not there, or lead to no object of the cache, of runs that are.
    pub missing: Vec<String>,
    /// Files that the data version does not hold, in runs that it holds or in none.
    pub added: Vec<String>,
    /// Runs of which nothing is there.
    pub absent: Vec<RunKey>,
    /// How many files are there.
    pub here: usize,
    /// Bytes that were not read, for there are too many.
    pub unread: u64,
}

impl Differences {
    /// What is there and differs: local changes.
    pub fn local(&self) -> impl Iterator<Item = &String> {
        self.changed.iter().chain(&self.added)
    }
}

impl Project {
    /// The files of the workspace's dataset, as they are now.
    #[must_use]
    pub fn files_before(&self, out_dir: &str) -> Before {
        let (dataset, mut names) = (self.root.join(out_dir), Vec::new());
        walk(&dataset, "", &mut names);
        let stat = |name: String| Some((name.clone(), Stat::of(&std::fs::metadata(dataset.join(name)).ok()?)));
        Before(names.into_iter().filter_map(stat).collect())
    }

    /// Compares the workspace's dataset with a data version's files, those that no checkout takes left out. `progress`
    /// advances by bytes read.
    pub fn differences(
        &self,
        comparison: &Comparison<'_>,
        progress: &dyn Progress,
    ) -> Result<Differences, ProjectError> {
        let dataset = self.root.join(comparison.out_dir);
        let cache = self.cache()?;
        let mut known = KnownFiles::read(self.mark(KNOWN));
        let mut found = Differences::default();
        let entries = present_entries(comparison, &dataset, &mut found);
        let (mut to_read, mut bytes) = (Vec::new(), 0_u64);
        for entry in entries {
            let path = dataset.join(&entry.relpath);
            let Ok(meta) = std::fs::metadata(&path) else {
                let to = std::fs::read_link(&path);
                // DVC's own link to an object that is gone is no change.
                let missing =
                    std::fs::symlink_metadata(&path).is_err() || to.is_ok_and(|to| to == cache.path(entry.md5));
                if missing { &mut found.missing } else { &mut found.changed }.push(entry.relpath.clone());
                continue;
            };
            found.here += 1;
            let stat = Stat::of(&meta);
            let written = comparison.before.is_some_and(|before| before.0.get(&entry.relpath) != Some(&stat));
            if !meta.is_file() {
                found.changed.push(entry.relpath.clone());
            } else if written || known.holds(&entry.relpath, entry.md5, &stat) {
                // What was written is not noted: another program may have been at work as well.
            } else if bytes.saturating_add(stat.size) > comparison.max_bytes {
                found.unread = found.unread.saturating_add(stat.size);
            } else {
                bytes += stat.size;
                to_read.push((entry, stat));
            }
        }
        let right = parallel::map(&to_read, |(entry, stat)| {
            let md5 = hash(&dataset.join(&entry.relpath));
            progress.advance(stat.size);
            md5.is_ok_and(|(md5, _)| md5 == entry.md5)
        });
        for ((entry, stat), right) in to_read.into_iter().zip(right) {
            if right {
                known.note(&entry.relpath, entry.md5, stat);
            } else {
                found.changed.push(entry.relpath.clone());
            }
        }
        known.write(|file| comparison.only.is_some() || comparison.listing.get(file).is_some());
        found.added = self.added_files(comparison, &dataset)?;
        found.changed.sort();
        Ok(found)
    }

    /// Files of committed runs, or of none, that the data version does not hold. DVC alone tells which of them it ignores, so
    /// that none counts where there are such rules.
    fn added_files(&self, comparison: &Comparison<'_>, dataset: &Path) -> Result<Vec<String>, ProjectError> {
        if !ignore::rule_files(self.files(), comparison.out_dir)?.is_empty() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        match comparison.only {
            Some(run) => walk(&run.under(dataset), &run.to_string(), &mut names),
            None => walk(dataset, "", &mut names),
        }
        let runs: BTreeSet<RunKey> = comparison.listing.runs().map(|run| run.key).collect();
        names.retain(|name| {
            comparison.listing.get(name).is_none() && run_of(name).is_none_or(|run| runs.contains(&run))
        });
        names.sort();
        Ok(names)
    }
}

/// The files that should be there; runs whose folders are not are noted.
fn present_entries<'a>(comparison: &Comparison<'a>, dataset: &Path, found: &mut Differences) -> Vec<&'a Entry> {
    let mut entries = Vec::new();
    for run in comparison.listing.runs().filter(|run| comparison.only.is_none_or(|only| *only == run.key)) {
        if std::fs::symlink_metadata(run.key.under(dataset)).is_ok() {
            entries.extend(run.entries);
        } else {
            found.absent.push(run.key);
        }
    }
    if comparison.only.is_none() {
        entries.extend(comparison.listing.other());
    }
    entries
}

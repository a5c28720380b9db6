//! What lies in a run's directory: which file is which, shards in numeric order, what is missing and what is unknown.
//!
//! Reads names and file types only and opens no file. A link is followed only if it stays inside the run's directory;
//! one that leads out is reported and its target never touched. Whether the layout is valid is decided in `validate`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::run::beside::{ExtraFiles, is_file, leads_out};
use crate::run::include::IncludePatterns;
use crate::support::fs::{At, FsError};

pub use super::file_names::{
    DATASET_INDEX, EPISODES, EPISODES_PARQUET, MANIFEST, RUN_JSON, RunStream, STEPS, STEPS_PARQUET, Shard, ShardScheme,
    parse_shard_name,
};

/// The files of one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardSet {
    /// In reading order: by number; files that share one, by scheme and name.
    pub files: Vec<Shard>,
    /// Names of shards that are no readable file: a directory, a pipe, a dangling link.
    pub unreadable: Vec<String>,
}

impl ShardSet {
    /// Whether the base file exists.
    #[must_use]
    pub fn has_base(&self) -> bool {
        self.files.iter().any(|s| s.scheme == ShardScheme::Base)
    }

    /// Returns the ranges of missing numbers, ends included, up to the highest number that exists.
    #[must_use]
    pub fn missing_ranges(&self) -> Vec<(u64, u64)> {
        let mut out = Vec::new();
        let mut next = 0;
        for shard in &self.files {
            if shard.number > next {
                out.push((next, shard.number - 1));
            }
            next = shard.number.saturating_add(1);
        }
        out
    }

    /// Returns the pairs of files that share a number.
    pub fn duplicate_shards(&self) -> impl Iterator<Item = (&Shard, &Shard)> {
        self.files.windows(2).filter_map(|pair| match pair {
            [a, b] if a.number == b.number => Some((a, b)),
            _ => None,
        })
    }
}

/// What lies in a run's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLayout {
    /// The directory, as it was given.
    pub dir: PathBuf,
    /// Whether `run.json` is a file.
    pub run_json: bool,
    /// The steps' files.
    pub steps: ShardSet,
    /// The episodes' files.
    pub episodes: ShardSet,
    /// Whether `manifest.json` is a file.
    pub manifest: bool,
    /// The names of existing parquet files, sorted.
    pub parquet: Vec<String>,
    /// Whether `DATASET_INDEX.json` exists, which marks a run's folder in the dataset.
    pub dataset_index: bool,
    /// Links that lead out of the directory, as relative `/` paths, sorted. Their targets count as missing.
    pub escapes: Vec<String>,
    /// Files beside the recorder's that go into the dataset, as relative `/` paths, sorted.
    pub included: Vec<String>,
    /// Files that neither a recorder writes nor a pattern includes, sorted: relative `/` paths, a directory's with `/`
    /// at the end.
    pub unrecognized: Vec<String>,
}

impl RunLayout {
    /// Reads a run's directory. An error of kind `NotFound` or `NotADirectory` means that there is none.
    pub fn open(dir: &Path) -> Result<Self, FsError> {
        Self::open_with(dir, &IncludePatterns::default())
    }

    /// Reads a run's directory; `include` selects files beside the recorder's.
    pub fn open_with(dir: &Path, include: &IncludePatterns) -> Result<Self, FsError> {
        let mut layout = Self::absent(dir);
        let mut extra_files = ExtraFiles::default();
        let root = dir.canonicalize().at("look at", dir)?;
        let mut entries: Vec<fs::DirEntry> =
            fs::read_dir(dir).at("list", dir)?.collect::<io::Result<_>>().at("list", dir)?;
        // The order of `read_dir` differs between machines.
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let kind = entry.file_type().at("look at", &path)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if kind.is_symlink() && leads_out(&path, &root) {
                layout.escapes.push(name);
                continue;
            }
            // A recorder writes ASCII names only; the lossy form of another name can look like one.
            let utf8 = entry.file_name().to_str().is_some();
            if !(utf8 && layout.add_file(&name, is_file(&path, kind))) {
                extra_files.inspect_entry(&path, name, utf8, kind, &root, include);
            // A directory with the name of a shard: links in it count all the same.
            } else if kind.is_dir() {
                let mut extra_below = ExtraFiles::default();
                extra_below.inspect_dir(&path, &name, utf8, &root, include);
                layout.escapes.append(&mut extra_below.escapes);
            }
        }
        layout.escapes.append(&mut extra_files.escapes);
        (layout.included, layout.unrecognized) = (extra_files.included, extra_files.unrecognized);
        layout.steps.files.sort();
        layout.episodes.files.sort();
        layout.escapes.sort();
        layout.included.sort();
        layout.unrecognized.sort();
        Ok(layout)
    }

    /// Returns the layout of a directory that does not exist.
    #[must_use]
    pub fn absent(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
            run_json: false,
            steps: ShardSet::default(),
            episodes: ShardSet::default(),
            manifest: false,
            parquet: Vec::new(),
            dataset_index: false,
            escapes: Vec::new(),
            included: Vec::new(),
            unrecognized: Vec::new(),
        }
    }

    /// A stream's files.
    #[must_use]
    pub fn shards(&self, stream: RunStream) -> &ShardSet {
        match stream {
            RunStream::Steps => &self.steps,
            RunStream::Episodes => &self.episodes,
        }
    }

    /// Returns the names of the recorder's files, sorted: `run.json`, all shards, `manifest.json`, parquet.
    #[must_use]
    pub fn recorder_files(&self) -> Vec<String> {
        let mut out: BTreeSet<String> = self.parquet.iter().cloned().collect();
        out.extend(self.steps.files.iter().chain(&self.episodes.files).map(|s| s.name.clone()));
        out.extend(self.run_json.then(|| RUN_JSON.to_owned()));
        out.extend(self.manifest.then(|| MANIFEST.to_owned()));
        out.into_iter().collect()
    }

    /// Returns all files that go into the dataset unchanged, sorted: the recorder's and the included ones.
    #[must_use]
    pub fn dataset_files(&self) -> Vec<String> {
        let mut out = self.recorder_files();
        out.extend_from_slice(&self.included);
        out.sort();
        out
    }

    /// Files a name under its kind; false for one that no recorder writes.
    fn add_file(&mut self, name: &str, is_file: bool) -> bool {
        if let Some((stream, shard)) = parse_shard_name(name) {
            let shards = if stream == RunStream::Steps { &mut self.steps } else { &mut self.episodes };
            if is_file {
                shards.files.push(shard);
            } else {
                shards.unreadable.push(shard.name);
            }
            return true;
        }
        match name {
            RUN_JSON => self.run_json = is_file,
            // A directory of such a name is an unknown entry.
            MANIFEST if is_file => self.manifest = true,
            DATASET_INDEX if is_file => self.dataset_index = true,
            STEPS_PARQUET | EPISODES_PARQUET if is_file => self.parquet.push(name.into()),
            _ => return false,
        }
        true
    }
}

/// Returns a hint for a path with backslashes, as typed on Windows.
#[must_use]
pub fn slash_hint(run_dir: &str) -> Option<String> {
    run_dir.contains('\\').then(|| format!("write it with `/`: {}", run_dir.replace('\\', "/")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn dir_of(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(dir.path().join(name), "").unwrap();
        }
        dir
    }

    fn steps_of(names: &[&str]) -> ShardSet {
        RunLayout::open(dir_of(names).path()).unwrap().steps
    }

    #[test]
    fn shards_come_in_numeric_order_whatever_their_names() {
        let shards =
            steps_of(&["steps.part10.jsonl.gz", "steps.jsonl.part2.gz", "steps.part0001.jsonl.gz", "steps.jsonl.gz"]);
        let numbers: Vec<u64> = shards.files.iter().map(|s| s.number).collect();
        assert_eq!(numbers, [0, 1, 2, 10]);
        assert_eq!(shards.missing_ranges(), [(3, 9)]);
        assert_eq!(shards.duplicate_shards().count(), 0);
    }

    #[test]
    fn a_number_in_both_schemes_is_seen_and_both_files_are_read() {
        let shards = steps_of(&["steps.jsonl.gz", "steps.jsonl.part1.gz", "steps.part0001.jsonl.gz"]);
        let names: Vec<&str> = shards.files.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["steps.jsonl.gz", "steps.part0001.jsonl.gz", "steps.jsonl.part1.gz"]);
        assert_eq!((shards.duplicate_shards().count(), shards.missing_ranges()), (1, vec![]));
    }

    #[test]
    fn a_number_beyond_64_bits_is_a_shard_after_a_gap() {
        let shards = steps_of(&["steps.jsonl.gz", "steps.part99999999999999999999999.jsonl.gz"]);
        assert_eq!(shards.missing_ranges(), [(1, u64::MAX - 1)]);
    }

    #[test]
    fn what_no_recorder_writes_is_unrecognized() {
        let dir = dir_of(&[
            "run.json",
            "steps.jsonl.gz",
            "steps.jsonl",
            "steps.part.jsonl.gz",
            "steps.part1x.jsonl.gz",
            "notes.txt",
            "episodes.parquet",
            "DATASET_INDEX.json",
            "stepsx.jsonl.gz",
        ]);
        fs::create_dir(dir.path().join("more")).unwrap();
        let layout = RunLayout::open(dir.path()).unwrap();
        let odd =
            ["more/", "notes.txt", "steps.jsonl", "steps.part.jsonl.gz", "steps.part1x.jsonl.gz", "stepsx.jsonl.gz"];
        assert_eq!(layout.unrecognized, odd);
        assert_eq!(layout.recorder_files(), ["episodes.parquet", "run.json", "steps.jsonl.gz"]);
        assert!(layout.dataset_index && layout.run_json && !layout.manifest);
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_out_are_escapes_and_not_read() {
        use std::os::unix::fs::symlink;
        let outside = dir_of(&["steps.jsonl.gz"]);
        let dir = dir_of(&["run.json", "real.gz"]);
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("more/deep")).unwrap();
        symlink(outside.path().join("steps.jsonl.gz"), at("steps.jsonl.gz")).unwrap();
        symlink(outside.path(), at("out")).unwrap();
        symlink("../../../nowhere", at("more/deep/up")).unwrap();
        symlink("/nowhere/at/all", at("manifest.json")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("real.gz", at("episodes.jsonl.gz")).unwrap();
        symlink("not-there", at("episodes.jsonl.part1.gz")).unwrap();
        symlink("../run.json", at("more/fine")).unwrap();
        let layout = RunLayout::open(dir.path()).unwrap();
        assert_eq!(layout.escapes, ["loop", "manifest.json", "more/deep/up", "out", "steps.jsonl.gz"]);
        assert!(layout.steps.files.is_empty() && !layout.manifest);
        assert!(layout.episodes.has_base());
        assert_eq!(layout.episodes.unreadable, ["episodes.jsonl.part1.gz"]);
    }
}

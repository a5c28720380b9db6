//! Lists the run directories on disk, each once, with the name that `run.json` gives the run, and finds runs that share
//! a name.
//!
//! A link to a directory that is listed already is no run of its own. Two directories with one name and equal files are
//! one run; if their files differ, neither is used unless a path names it ([`DuplicateRuns`]). Runs are not validated
//! here.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Component, Path, PathBuf};
use std::{fmt, fs, io};

use super::{RunKey, StartTime, open};
use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::run::include::IncludePatterns;
use crate::run::layout::{EPISODES, RUN_JSON, RunLayout, STEPS};
use crate::run::meta::RunMeta;
use crate::support::fs::{At, FsError, has_same_bytes};
use crate::support::notes::{NoteKey, Notes};
use crate::support::packed::{Packer, Unpacker};
use crate::support::parallel;
use crate::support::stamp::FileStamp;

/// A run's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    /// The directory.
    pub dir: PathBuf,
    /// The run's name: what `run.json` says, else the directories' names. `None` if that is not safe.
    pub key: Option<RunKey>,
    /// When the run began.
    pub start: StartTime,
}

impl RunDir {
    /// Reads which run a directory holds. A `run.json` that cannot be read leaves the directories' names.
    #[must_use]
    pub fn read(dir: &Path) -> Self {
        Self::of_naming(dir, read_naming(dir))
    }

    fn of_naming(dir: &Path, naming: Option<RunNaming>) -> Self {
        let (mut experiment, mut run_id) = directory_names(dir);
        let mut start = StartTime::default();
        if let Some(naming) = naming {
            experiment = naming.experiment.unwrap_or(experiment);
            run_id = naming.run_id;
            start = StartTime::new(&naming.start_time);
        }
        Self { dir: dir.to_path_buf(), key: RunKey::new(&experiment, &run_id).ok(), start }
    }

    /// Returns the run's name, or its directories' names if it has none.
    #[must_use]
    pub fn name(&self) -> String {
        self.key.as_ref().map_or_else(|| joined_names(&self.dir), ToString::to_string)
    }
}

/// A run directory that is left out of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The directory.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

impl fmt::Display for LeftOut {
    /// The path is escaped: it can hold bytes that a terminal obeys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "left out: {}: {}", self.path.as_os_str().as_encoded_bytes().escape_ascii(), self.why)
    }
}

/// The runs under a results directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiscoveredRuns {
    /// The runs, valid or not, sorted by directory.
    pub runs: Vec<RunDir>,
    /// What is left out, sorted. Callers must report it.
    pub left_out: Vec<LeftOut>,
}

/// Returns all runs `<results_dir>/<experiment>/<run_id>/`; none if the results directory does not exist.
pub fn discover_runs(results_dir: &Path) -> Result<DiscoveredRuns, FsError> {
    discover_with(results_dir, RunDir::read)
}

/// The same; a `run.json` of which is noted what it says is not read again until it changes.
pub fn discover_noted_runs(results_dir: &Path, notes: &Notes) -> Result<DiscoveredRuns, FsError> {
    discover_with(results_dir, |dir| RunDir::of_naming(dir, read_noted_naming(dir, notes)))
}

/// Returns the runs in a directory and in the directories in it: an export, results, or an experiment of them.
pub fn runs_below(dir: &Path) -> Result<DiscoveredRuns, FsError> {
    let mut found = discover_runs(dir)?;
    let direct = list_subdirectories(dir)?.into_iter().filter(|(dir, is_link)| !is_link && is_run_dir(dir));
    found.runs.extend(direct.map(|(dir, _)| RunDir::read(&dir)));
    found.runs.sort_by(|a, b| a.dir.cmp(&b.dir));
    Ok(found)
}

fn discover_with(results_dir: &Path, read: impl Fn(&Path) -> RunDir + Sync) -> Result<DiscoveredRuns, FsError> {
    let (dirs, unreadable) = run_directories(results_dir)?;
    let cannot_list = |error: FsError| LeftOut { why: format!("cannot list it: {}", error.source), path: error.path };
    let mut found = DiscoveredRuns { runs: Vec::new(), left_out: unreadable.into_iter().map(cannot_list).collect() };
    let mut named = Vec::with_capacity(dirs.len());
    for dir in dirs {
        if dir.strip_prefix(results_dir).is_ok_and(|name| name.to_str().is_none()) {
            let why = "its name is not UTF-8, so no file can name it; give the directory another name".into();
            found.left_out.push(LeftOut { path: dir, why });
        } else {
            named.push(dir);
        }
    }
    found.runs = parallel::map(&named, |dir| read(dir));
    Ok(found)
}

/// Returns the directories of all runs under a results directory, each once, sorted; and the errors for experiments
/// that cannot be listed.
pub fn run_directories(results_dir: &Path) -> Result<(Vec<PathBuf>, Vec<FsError>), FsError> {
    let (mut dirs_found, mut links, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    for (experiment, linked) in list_subdirectories(results_dir)? {
        let dirs = match list_subdirectories(&experiment) {
            Ok(dirs) => dirs,
            Err(error) => {
                unreadable.push(error);
                continue;
            }
        };
        for (dir, is_link) in dirs {
            if is_run_dir(&dir) {
                if linked || is_link {
                    links.push((linked, dir));
                } else {
                    dirs_found.push(dir);
                }
            }
        }
    }
    if !links.is_empty() {
        let mut seen: HashSet<PathBuf> = dirs_found.iter().filter_map(|dir| dir.canonicalize().ok()).collect();
        // Several links to one directory: the first wins, links to a run before runs in a linked experiment.
        links.sort();
        let links = links.into_iter().map(|(_, dir)| dir);
        // A link that cannot be resolved is no run.
        dirs_found.extend(links.filter(|dir| dir.canonicalize().is_ok_and(|real| seen.insert(real))));
    }
    dirs_found.sort();
    Ok((dirs_found, unreadable))
}

/// Whether a directory looks like a run's, complete or not.
#[must_use]
pub fn is_run_dir(dir: &Path) -> bool {
    [RUN_JSON, STEPS, EPISODES].iter().any(|name| fs::symlink_metadata(dir.join(name)).is_ok())
}

/// Returns the directories in a directory, and whether each is a link; none if it does not exist.
fn list_subdirectories(dir: &Path) -> Result<Vec<(PathBuf, bool)>, FsError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error).at("list", dir),
    };
    let mut out = Vec::new();
    for entry in entries {
        let entry = entry.at("list", dir)?;
        let kind = entry.file_type().at("look at", &entry.path())?;
        // Links count: results can be spread over several disks.
        if kind.is_dir() || kind.is_symlink() && entry.path().is_dir() {
            out.push((entry.path(), kind.is_symlink()));
        }
    }
    Ok(out)
}

/// Returns the names of a run's directories: the experiment's and the run's, lossily. A path with `..` is resolved
/// first.
#[must_use]
pub fn directory_names(dir: &Path) -> (String, String) {
    let full = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
    // `a/..` has no useful last name, and behind a link it is not even the parent by text.
    let has_no_parent_dir = full.components().all(|part| part != Component::ParentDir);
    let full = if has_no_parent_dir { full } else { full.canonicalize().unwrap_or(full) };
    let name = |path: Option<&Path>| {
        path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    (name(full.parent()), name(Some(&full)))
}

/// Returns the directories' names, joined by `/`.
pub(super) fn joined_names(dir: &Path) -> String {
    let (experiment, run_id) = directory_names(dir);
    format!("{experiment}/{run_id}")
}

/// What a `run.json` says of a run's name and of its place among the others.
struct RunNaming {
    experiment: Option<String>,
    run_id: String,
    start_time: String,
}

/// Returns what `run.json` says; `None` if it cannot be read (`validate` reports why).
fn read_naming(dir: &Path) -> Option<RunNaming> {
    let meta = RunMeta::parse(&open::read_small_file(dir, RUN_JSON).ok()??).ok()?;
    Some(RunNaming { experiment: meta.experiment, run_id: meta.run_id, start_time: meta.start_time })
}

/// The same, from a note if there is one of the file as it is now.
fn read_noted_naming(dir: &Path, notes: &Notes) -> Option<RunNaming> {
    // Of a link, what it leads to and whether it may be followed can change without it.
    let facts = fs::symlink_metadata(dir.join(RUN_JSON)).ok().filter(fs::Metadata::is_file);
    // Before the file is read, so that a write in the meantime is noticed.
    let key = facts.and_then(|facts| NoteKey::of_stamps("run name", &[Some(FileStamp::new(&facts))]));
    let Some(key) = key else { return read_naming(dir) };
    if let Some(noted) = notes.get(&key).and_then(unpack_naming) {
        return Some(noted);
    }
    let naming = read_naming(dir)?;
    let mut packer = Packer::default();
    packer.add_optional(naming.experiment.as_deref(), Packer::add_text);
    packer.add_text(&naming.run_id);
    packer.add_text(&naming.start_time);
    notes.add(key, packer.into_bytes());
    Some(naming)
}

fn unpack_naming(bytes: &[u8]) -> Option<RunNaming> {
    let mut unpacker = Unpacker::new(bytes);
    let experiment = unpacker.optional(Unpacker::text)?.map(str::to_owned);
    let (run_id, start_time) = (unpacker.text()?.to_owned(), unpacker.text()?.to_owned());
    unpacker.is_done().then_some(RunNaming { experiment, run_id, start_time })
}

/// Runs that share a name and have different files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", describe_duplicates(.0))]
pub struct DuplicateRuns(
    /// Each name, and all directories that have it, as messages name them.
    pub BTreeMap<RunKey, Vec<String>>,
);

impl DuplicateRuns {
    /// Returns the part of the error for one name, if it has one.
    #[must_use]
    pub fn for_key(&self, key: &RunKey) -> Option<Self> {
        self.0.get_key_value(key).map(|(key, dirs)| Self(BTreeMap::from([(key.clone(), dirs.clone())])))
    }
}

fn describe_duplicates(groups: &BTreeMap<RunKey, Vec<String>>) -> String {
    let texts = groups.iter().map(|(key, dirs)| {
        let dirs: Vec<String> = dirs.iter().map(|dir| dir.escape_debug().to_string()).collect();
        format!("several runs are called {}, and they differ: {}", key.to_string().escape_debug(), dirs.join(", "))
    });
    texts.collect::<Vec<_>>().join("; ")
}

impl Explain for DuplicateRuns {
    fn explain(&self) -> Explanation {
        Setup
            .code("duplicate_run")
            .hint("remove all but one of them, or record the others again, each with its own run_id")
            .hint("name one of them by its path, to use that one alone")
    }
}

/// Returns each run once: of several directories with one name and equal files, the first. `show` names a directory in
/// the error.
pub fn distinct_runs(
    runs: Vec<RunDir>,
    include: &IncludePatterns,
    show: impl Fn(&Path) -> String,
) -> Result<Vec<RunDir>, DuplicateRuns> {
    let duplicates = duplicate_runs(&runs, include, show);
    if !duplicates.0.is_empty() {
        return Err(duplicates);
    }
    let mut seen = BTreeSet::new();
    Ok(runs.into_iter().filter(|run| run.key.as_ref().is_none_or(|key| seen.insert(key.clone()))).collect())
}

/// Finds the names that several runs with different files share.
pub fn duplicate_runs(runs: &[RunDir], include: &IncludePatterns, show: impl Fn(&Path) -> String) -> DuplicateRuns {
    let mut groups: BTreeMap<&RunKey, Vec<&Path>> = BTreeMap::new();
    for run in runs {
        if let Some(key) = &run.key {
            groups.entry(key).or_default().push(&run.dir);
        }
    }
    let differ = |dirs: &[&Path]| dirs.windows(2).any(|pair| !matches!(pair, [a, b] if is_same_run(a, b, include)));
    let groups = groups.into_iter().filter(|(_, dirs)| differ(dirs));
    DuplicateRuns(groups.map(|(key, dirs)| (key.clone(), dirs.into_iter().map(&show).collect())).collect())
}

/// Whether two directories give the dataset the same files, byte for byte. A file that cannot be read counts as different.
#[must_use]
pub fn is_same_run(a: &Path, b: &Path, include: &IncludePatterns) -> bool {
    let files = |dir: &Path| RunLayout::open_declared(dir, include).map(|layout| layout.dataset_files());
    let (Ok(files_a), Ok(files_b)) = (files(a), files(b)) else { return false };
    // Names first: comparing all bytes is the expensive part.
    a == b
        || files_a == files_b
            && files_a.iter().all(|name| has_same_bytes(&a.join(name), &b.join(name)).unwrap_or(false))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn write_run(results: &Path, dir: &str, run_id: &str) {
        let dir = results.join(dir);
        fs::create_dir_all(&dir).unwrap();
        let text = format!(r#"{{"schema_version":"0.1","run_id":"{run_id}","start_time":"t","env_config":{{}}}}"#);
        fs::write(dir.join(RUN_JSON), text).unwrap();
    }

    fn run_names(found: &DiscoveredRuns) -> Vec<String> {
        found.runs.iter().map(|run| format!("{} {}", joined_names(&run.dir), run.name())).collect()
    }

    #[test]
    fn a_run_is_named_by_its_metadata() {
        let dir = tempfile::tempdir().unwrap();
        write_run(dir.path(), "demo/r1", "r1");
        write_run(dir.path(), "demo/again", "r2");
        write_run(dir.path(), "demo/bad", "../x");
        fs::create_dir_all(dir.path().join("demo/empty")).unwrap();
        fs::create_dir_all(dir.path().join("demo/broken")).unwrap();
        fs::write(dir.path().join("demo/broken").join(STEPS), "").unwrap();
        let found = discover_runs(dir.path()).unwrap();
        let expected = ["demo/again demo/r2", "demo/bad demo/bad", "demo/broken demo/broken", "demo/r1 demo/r1"];
        assert_eq!(run_names(&found), expected);
        assert_eq!(found.runs[1].key, None);
        assert_eq!(discover_runs(&dir.path().join("nothing")).unwrap(), DiscoveredRuns::default());
    }

    /// R2: A link to a run among the runs is no second run; a link to one elsewhere is a run.
    #[cfg(unix)]
    #[test]
    fn links_to_found_runs_are_skipped_and_one_link_stands_for_a_run_elsewhere() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let (results, elsewhere) = (dir.path().join("results"), dir.path().join("elsewhere"));
        write_run(&results, "demo/r1", "r1");
        write_run(&elsewhere, "far/r9", "r9");
        symlink("r1", results.join("demo/latest")).unwrap();
        symlink("demo", results.join("again")).unwrap();
        symlink(elsewhere.join("far/r9"), results.join("demo/x")).unwrap();
        symlink("x", results.join("demo/y")).unwrap();
        let found = discover_runs(&results).unwrap();
        assert_eq!(run_names(&found), ["demo/r1 demo/r1", "demo/x demo/r9"]);
    }

    #[test]
    fn what_is_noted_of_a_run_is_what_its_file_says_now() {
        use std::time::{Duration, SystemTime};

        use crate::support::notes::NoteFormat;
        const FORMAT: NoteFormat = NoteFormat { file: "notes", version: 1, most_bytes: 1 << 20 };
        let dir = tempfile::tempdir().unwrap();
        let results = dir.path().join("results");
        write_run(&results, "demo/a", "r1");
        write_run(&results, "demo/bad", "../x");
        fs::create_dir_all(results.join("demo/broken")).unwrap();
        fs::write(results.join("demo/broken").join(RUN_JSON), "{").unwrap();
        let check = || {
            let notes = Notes::load(dir.path(), FORMAT);
            let found = discover_noted_runs(&results, &notes).unwrap();
            assert_eq!(found, discover_runs(&results).unwrap());
            notes.save();
            (run_names(&found), dir.path().join(FORMAT.file).exists())
        };
        let names = vec!["demo/a demo/r1".to_owned(), "demo/bad demo/bad".into(), "demo/broken demo/broken".into()];
        assert_eq!(check(), (names.clone(), false), "the files were just written");
        std::thread::sleep(Duration::from_millis(2100));
        assert_eq!(check(), (names.clone(), true));
        assert_eq!(check(), (names, true));
        // As long as before, and as old as a program can make it.
        let path = results.join("demo/a").join(RUN_JSON);
        let times = fs::metadata(&path).unwrap().modified().unwrap();
        write_run(&results, "demo/a", "r2");
        fs::File::options().write(true).open(&path).unwrap().set_modified(times).unwrap();
        assert_eq!(check().0.first().unwrap(), "demo/a demo/r2");
        assert!(times < SystemTime::now());
        fs::remove_file(&path).unwrap();
        fs::write(results.join("demo/a").join(STEPS), "").unwrap();
        assert_eq!(check().0.first().unwrap(), "demo/a demo/a");
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_utf8_is_left_out_and_shown_escaped() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        write_run(dir.path(), "demo/r1", "r1");
        write_run(dir.path(), "demo/odd", "odd");
        let odd = std::ffi::OsStr::from_bytes(b"caf\xe9\x1b");
        fs::rename(dir.path().join("demo/odd"), dir.path().join("demo").join(odd)).unwrap();
        let found = discover_runs(dir.path()).unwrap();
        assert_eq!(run_names(&found), ["demo/r1 demo/r1"]);
        let text = found.left_out[0].to_string();
        assert!(text.contains("caf\\xe9\\x1b") && text.is_ascii(), "{text}");
    }

    #[test]
    fn one_name_counts_once_if_the_files_are_the_same_and_is_refused_if_they_differ() {
        let dir = tempfile::tempdir().unwrap();
        write_run(dir.path(), "demo/r1", "r1");
        write_run(dir.path(), "demo/r1-copy", "r1");
        write_run(dir.path(), "demo/r2", "r2");
        let distinct =
            || distinct_runs(discover_runs(dir.path()).unwrap().runs, &IncludePatterns::default(), joined_names);
        let dirs: Vec<String> = distinct().unwrap().iter().map(|run| joined_names(&run.dir)).collect();
        assert_eq!(dirs, ["demo/r1", "demo/r2"]);
        fs::write(dir.path().join("demo/r1-copy").join(STEPS), "x").unwrap();
        let error = distinct().unwrap_err();
        assert_eq!(error.to_string(), "several runs are called demo/r1, and they differ: demo/r1, demo/r1-copy");
    }
}

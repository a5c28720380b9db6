//! Which objects data versions need, which of them the cache and the remote lack, and uploads to a directory remote.
//!
//! Each version costs one question, for its file list: DVC uploads the list last, after every file, and relies on
//! that itself. Files are looked up only if the list is missing, or if the caller asks for all files. A directory
//! remote has the layout of a cache and is read and written natively; any other remote is asked through `dvc status
//! --cloud`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use crate::dvc::cache::{Cache, CacheError};
use crate::dvc::file_list::{FileEntry, FileList};
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::present::PresentObjects;
use crate::dvc::program::ProgramError;
use crate::dvc::project::DvcProject;
use crate::dvc::settings::SettingsError;
use crate::dvc::temp_project::TempDvcProject;
use crate::error::ExitKind::{Program, Setup};
use crate::error::{Explain, Explanation};
use crate::support::fs;
use crate::support::fs::FsError;
use crate::support::parallel;

/// What is lacking of one data version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MissingObjects {
    /// The file list itself does not exist.
    pub file_list: bool,
    /// Files that do not exist, by path in the dataset. Empty if the list is not known here either.
    pub files: Vec<String>,
}

impl MissingObjects {
    /// Whether some of it is not in the other place either.
    #[must_use]
    pub fn is_missing_in(&self, other: Option<&Self>) -> bool {
        other.is_some_and(|other| {
            let files: HashSet<&String> = other.files.iter().collect();
            (self.file_list && other.file_list) || self.files.iter().any(|file| files.contains(file))
        })
    }
}

/// What a remote that is a directory holds of one data version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRemoteDir {
    /// Everything.
    All,
    /// Not everything.
    Incomplete {
        /// Whether the cache holds what it lacks.
        rest_is_here: bool,
    },
}

/// How thoroughly to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckDepth {
    /// A list that is there vouches for its files.
    ListsOnly,
    /// Every file is looked up (a directory only; DVC itself never looks so).
    AllFiles,
}

/// Objects that could not be looked up or sent.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// No remote is set.
    #[error("no DVC remote is set")]
    NoRemote,
    /// DVC was asked and failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// DVC's answer is not understood.
    #[error("cannot parse the output of `dvc status --cloud`: {0}")]
    UnexpectedAnswer(String),
    /// The cache or the remote's directory.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// DVC's settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Input or output.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for RemoteError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoRemote => Setup.code("no_dvc_remote").hint(ADD_REMOTE_HINT),
            Self::Program(error) => match error.explain() {
                explanation if explanation.hints.is_empty() => explanation.hint(CHECK_REMOTE_HINT),
                explanation => explanation,
            },
            Self::UnexpectedAnswer(_) => Program.code("dvc_answer_not_understood").hint(CHECK_REMOTE_HINT),
            Self::Cache(error) => error.explain(),
            Self::Settings(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// What to type if there is no remote.
pub const ADD_REMOTE_HINT: &str = "add one: `capture-hook init --remote URL` (a directory, s3://…, ssh://…)";

/// What to type if nothing more is known.
const CHECK_REMOTE_HINT: &str =
    "check the remote's address with `dvc remote list`, and DVC's access with `dvc status --cloud -v`";

impl DvcProject<'_> {
    /// What the cache lacks of each of these versions; those that lack nothing are left out.
    pub fn missing_in_cache(
        &self,
        versions: &[DataVersion],
    ) -> Result<BTreeMap<DataVersion, MissingObjects>, RemoteError> {
        missing_in_store(&self.cache(), &self.cache(), versions, CheckDepth::AllFiles)
    }

    /// Whether the default remote, which is a directory, holds a data version; if not, whether the rest is in the cache.
    /// The version's list is read once for both.
    pub fn find_on_remote_dir(&self, dir: &Path, version: DataVersion) -> Result<OnRemoteDir, RemoteError> {
        let (remote, cache) = (Cache::in_dir(dir), self.cache());
        let lacks_list = !remote.has_file_list(version);
        let lister = if lacks_list { &cache } else { &remote };
        let Some(file_list) = lister.read_file_list(version)? else {
            return Ok(OnRemoteDir::Incomplete { rest_is_here: false });
        };
        let entries = file_list.entries();
        let (sent, here) =
            (PresentObjects::for_many(&remote, entries.len()), PresentObjects::for_many(&cache, entries.len()));
        let chunks: Vec<&[FileEntry]> = entries.chunks(CHUNK).collect();
        let looked_at = parallel::map(&chunks, |entries| {
            let mut not_sent = entries.iter().filter(|entry| !sent.has_object(entry.md5)).peekable();
            (not_sent.peek().is_some(), not_sent.all(|entry| here.has_object(entry.md5)))
        });
        if !lacks_list && looked_at.iter().all(|(lacks_some, _)| !lacks_some) {
            return Ok(OnRemoteDir::All);
        }
        Ok(OnRemoteDir::Incomplete { rest_is_here: looked_at.iter().all(|(_, rest_is_here)| *rest_is_here) })
    }

    /// How many bytes these objects have on the default remote; `None` unless that is a directory.
    #[must_use]
    pub fn size_on_remote(&self, entries: &[FileEntry]) -> Option<u64> {
        let remote_cache = Cache::in_dir(self.settings().default_remote()?.dir.as_ref()?);
        Some(entries.iter().filter_map(|entry| remote_cache.object_size(entry.md5)).sum())
    }

    /// What the default remote lacks of each of these versions; those that lack nothing are left out. DVC is called
    /// only if the remote is no directory.
    pub fn missing_on_remote(
        &self,
        versions: &[DataVersion],
        depth: CheckDepth,
    ) -> Result<BTreeMap<DataVersion, MissingObjects>, RemoteError> {
        let remote = self.settings().default_remote().ok_or(RemoteError::NoRemote)?;
        match &remote.dir {
            Some(dir) => missing_in_store(&Cache::in_dir(dir), &self.cache(), versions, depth),
            None => ask_dvc_status(self, versions),
        }
    }
}

/// How many objects a thread looks at before it takes the next ones.
const CHUNK: usize = 256;

fn missing_in_store(
    store: &Cache,
    local_cache: &Cache,
    versions: &[DataVersion],
    depth: CheckDepth,
) -> Result<BTreeMap<DataVersion, MissingObjects>, RemoteError> {
    let mut out = BTreeMap::new();
    let mut present: HashSet<DvcHash> = HashSet::new();
    for version in versions {
        let lacks_list = !store.has_file_list(*version);
        if !lacks_list && depth == CheckDepth::ListsOnly {
            continue;
        }
        let file_list =
            if lacks_list { local_cache.read_file_list(*version)? } else { store.read_file_list(*version)? };
        let entries = file_list.as_ref().map(FileList::entries).unwrap_or_default();
        let asked: Vec<&FileEntry> = entries.iter().filter(|entry| !present.contains(&entry.md5)).collect();
        let objects = PresentObjects::for_many(store, asked.len());
        let chunks: Vec<&[&FileEntry]> = asked.chunks(CHUNK).collect();
        let looked_at = parallel::map(&chunks, |entries| {
            entries.iter().map(|entry| objects.has_object(entry.md5)).collect::<Vec<_>>()
        });
        let mut files = Vec::new();
        for (entry, is_there) in asked.iter().zip(looked_at.into_iter().flatten()) {
            if is_there {
                present.insert(entry.md5);
            } else {
                files.push(entry.relpath.clone());
            }
        }
        if lacks_list || !files.is_empty() {
            out.insert(*version, MissingObjects { file_list: lacks_list, files });
        }
    }
    Ok(out)
}

/// Asks DVC what its remote has, in a temporary project that tracks these versions.
fn ask_dvc_status(
    project: &DvcProject<'_>,
    versions: &[DataVersion],
) -> Result<BTreeMap<DataVersion, MissingObjects>, RemoteError> {
    let dvc = project.find_program()?;
    let mut out = BTreeMap::new();
    if versions.is_empty() {
        return Ok(out);
    }
    let temp_project = TempDvcProject::new(project.root(), project.settings())?;
    let mut names = BTreeMap::new();
    for version in versions {
        names.insert(temp_project.add_version(*version)?, *version);
    }
    let cache = project.cache();
    if !versions.iter().all(|version| cache.has_file_list(*version)) {
        // DVC fetches such a list, and a failure stops nothing; without a list it asks the remote for nothing more. This
        // file it asks for, so that a remote that cannot be reached is an error.
        temp_project.add_file("reachable", DvcHash::of_bytes(b""))?;
    }
    let stdout = dvc.in_project(temp_project.root()).run_command(["status", "--cloud", "--json"])?.stdout_text();
    // Warnings can come before the JSON, which is the last line.
    let answer: BTreeMap<String, String> = serde_json::from_str(stdout.lines().last().unwrap_or("{}"))
        .map_err(|error| RemoteError::UnexpectedAnswer(format!("{error}: {stdout}")))?;
    for (path, state) in answer {
        // `new`: here, not there. `missing`: neither. `deleted`: there, not here.
        if state == "deleted" {
            continue;
        }
        let (name, relpath) = path.split_once('/').unwrap_or((&path, ""));
        if let Some(version) = names.get(name) {
            let missing: &mut MissingObjects = out.entry(*version).or_default();
            if relpath.is_empty() {
                missing.file_list = true;
            } else {
                missing.files.push(relpath.to_owned());
            }
        }
    }
    // DVC's answer leaves these out. It has just tried to fetch them.
    for version in versions.iter().filter(|version| !cache.has_file_list(**version)) {
        out.entry(*version).or_insert(MissingObjects { file_list: true, files: Vec::new() });
    }
    Ok(out)
}

/// The outcome of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UploadOutcome {
    /// How many objects were sent.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What is neither here nor there, by version. The other versions are on the remote whole.
    pub missing: BTreeMap<DataVersion, MissingObjects>,
}

/// Files of data versions, by path, that are neither sent nor missed.
pub type SkippedPaths = HashMap<DataVersion, HashSet<String>>;

/// Sends what a directory remote lacks of these versions: every file first, then the list that vouches for them.
pub fn upload_versions(
    local_cache: &Cache,
    remote: &Path,
    versions: &[DataVersion],
    depth: CheckDepth,
    skipped: &SkippedPaths,
) -> Result<UploadOutcome, RemoteError> {
    let remote_cache = Cache::in_dir(remote);
    let mut outcome = UploadOutcome::default();
    let mut present: HashSet<DvcHash> = HashSet::new();
    for version in versions {
        let has_list = remote_cache.has_file_list(*version);
        // DVC uploads the list last, so its presence means that the files are there, too.
        if has_list && depth == CheckDepth::ListsOnly {
            continue;
        }
        let file_list = match local_cache.read_file_list(*version)? {
            // This clone lacks the list, but the remote can still lack single files that we have.
            None if has_list => remote_cache.read_file_list(*version)?,
            file_list => file_list,
        };
        let Some(file_list) = file_list else {
            outcome.missing.insert(*version, MissingObjects { file_list: true, files: Vec::new() });
            continue;
        };
        let mut missing = MissingObjects::default();
        let is_skipped = |path: &str| skipped.get(version).is_some_and(|paths| paths.contains(path));
        for entry in file_list.entries().iter().filter(|entry| !is_skipped(&entry.relpath)) {
            if present.contains(&entry.md5) || remote_cache.has_object(entry.md5) {
                present.insert(entry.md5);
                continue;
            }
            match local_cache.object_size(entry.md5) {
                Some(size) => {
                    fs::copy_read_only(&local_cache.object_path(entry.md5), &remote_cache.object_path(entry.md5))?;
                    present.insert(entry.md5);
                    outcome.objects += 1;
                    outcome.bytes += size;
                }
                None => missing.files.push(entry.relpath.clone()),
            }
        }
        // The list is not sent without its files: its presence would claim that they are there.
        if !missing.files.is_empty() {
            missing.file_list = !has_list;
            outcome.missing.insert(*version, missing);
        } else if !has_list {
            let bytes = file_list.to_bytes();
            remote_cache.insert_verified_list(*version, &bytes)?;
            outcome.objects += 1;
            outcome.bytes += bytes.len() as u64;
        }
    }
    Ok(outcome)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dvc::program::Dvc;
    use crate::dvc::project::FindDvc;
    use crate::dvc::settings::DvcSettings;
    use crate::support::env::Env;

    struct NoProgram;

    impl FindDvc for NoProgram {
        fn find_dvc(&self) -> Result<Dvc, ProgramError> {
            Err(ProgramError::NotFound)
        }
    }

    struct RemoteFixture {
        dir: tempfile::TempDir,
        settings: DvcSettings,
    }

    impl RemoteFixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let env = Env::from_vars([("HOME", "/nonexistent"), ("DVC_SYSTEM_CONFIG_DIR", "/nonexistent")]);
            std::fs::create_dir(dir.path().join(".dvc")).unwrap();
            std::fs::write(dir.path().join(".dvc/config"), "[core]\nremote = s\n['remote \"s\"']\nurl = ../remote\n")
                .unwrap();
            let settings = DvcSettings::read(dir.path(), &env).unwrap();
            Self { dir, settings }
        }

        fn project(&self) -> DvcProject<'_> {
            DvcProject::new(self.dir.path(), &self.settings, &NoProgram)
        }

        fn cache(&self) -> Cache {
            Cache::from_settings(&self.settings)
        }

        fn store_version(&self, files: &[(&str, &str)]) -> DataVersion {
            let cache = self.cache();
            let entries = files.iter().map(|(path, text)| {
                let md5 = DvcHash::of_bytes(text.as_bytes());
                std::fs::create_dir_all(cache.object_path(md5).parent().unwrap()).unwrap();
                std::fs::write(cache.object_path(md5), text).unwrap();
                FileEntry { relpath: (*path).to_owned(), md5 }
            });
            cache.insert_file_list(&FileList::new(entries.collect()).unwrap()).unwrap()
        }

        fn missing_on_remote(
            &self,
            versions: &[DataVersion],
            depth: CheckDepth,
        ) -> BTreeMap<DataVersion, MissingObjects> {
            self.project().missing_on_remote(versions, depth).unwrap()
        }
    }

    /// W3: Only missing objects are uploaded, and those that the remote lost are uploaded again.
    #[test]
    fn uploaded_objects_are_on_the_remote_and_not_sent_again() {
        let fixture = RemoteFixture::new();
        let remote = fixture.dir.path().join("remote");
        let (a, b) =
            (fixture.store_version(&[("e/a/f", "1")]), fixture.store_version(&[("e/a/f", "1"), ("e/b/f", "2")]));
        assert_eq!(fixture.missing_on_remote(&[a, b], CheckDepth::ListsOnly).len(), 2);
        assert_eq!(
            upload_versions(&fixture.cache(), &remote, &[a, b], CheckDepth::ListsOnly, &SkippedPaths::new())
                .unwrap()
                .objects,
            4
        );
        assert_eq!(
            upload_versions(&fixture.cache(), &remote, &[a, b], CheckDepth::AllFiles, &SkippedPaths::new()).unwrap(),
            UploadOutcome::default()
        );
        for depth in [CheckDepth::ListsOnly, CheckDepth::AllFiles] {
            assert_eq!(fixture.missing_on_remote(&[a, b], depth), BTreeMap::new());
        }
        std::fs::remove_file(Cache::in_dir(&remote).object_path(DvcHash::of_bytes(b"2"))).unwrap();
        assert_eq!(fixture.missing_on_remote(&[a, b], CheckDepth::ListsOnly), BTreeMap::new());
        let missing = MissingObjects { file_list: false, files: vec!["e/b/f".into()] };
        assert_eq!(fixture.missing_on_remote(&[a, b], CheckDepth::AllFiles), BTreeMap::from([(b, missing)]));
        // What was lost there is sent again by a check of the files.
        assert_eq!(
            upload_versions(&fixture.cache(), &remote, &[a, b], CheckDepth::ListsOnly, &SkippedPaths::new()).unwrap(),
            UploadOutcome::default()
        );
        assert_eq!(
            upload_versions(&fixture.cache(), &remote, &[a, b], CheckDepth::AllFiles, &SkippedPaths::new())
                .unwrap()
                .objects,
            1
        );
        assert_eq!(fixture.missing_on_remote(&[a, b], CheckDepth::AllFiles), BTreeMap::new());
    }

    #[test]
    fn an_incomplete_version_gets_no_file_list_on_the_remote() {
        let fixture = RemoteFixture::new();
        let remote = fixture.dir.path().join("remote");
        let version = fixture.store_version(&[("e/a/f", "1"), ("e/b/f", "2")]);
        std::fs::remove_file(fixture.cache().object_path(DvcHash::of_bytes(b"2"))).unwrap();
        let missing = MissingObjects { file_list: true, files: vec!["e/b/f".into()] };
        assert_eq!(
            upload_versions(&fixture.cache(), &remote, &[version], CheckDepth::ListsOnly, &SkippedPaths::new())
                .unwrap()
                .missing,
            BTreeMap::from([(version, missing)])
        );
        assert!(!Cache::in_dir(&remote).has_file_list(version));
        let on_remote = |version| fixture.project().find_on_remote_dir(&remote, version).unwrap();
        assert_eq!(on_remote(version), OnRemoteDir::Incomplete { rest_is_here: false });
        fixture.store_version(&[("e/a/f", "1"), ("e/b/f", "2")]);
        assert_eq!(on_remote(version), OnRemoteDir::Incomplete { rest_is_here: true });
        let skipped = SkippedPaths::new();
        upload_versions(&fixture.cache(), &remote, &[version], CheckDepth::AllFiles, &skipped).unwrap();
        assert_eq!(on_remote(version), OnRemoteDir::All);
        // A list that is there vouches for no file.
        for (store, rest_is_here) in [(Cache::in_dir(&remote), true), (fixture.cache(), false)] {
            std::fs::remove_file(store.object_path(DvcHash::of_bytes(b"2"))).unwrap();
            assert_eq!(on_remote(version), OnRemoteDir::Incomplete { rest_is_here });
        }
        assert_eq!(fixture.project().missing_in_cache(&[version]).unwrap()[&version].files, ["e/b/f"]);
        let unknown = DataVersion::new(DvcHash::of_bytes(b"?"));
        assert_eq!(on_remote(unknown), OnRemoteDir::Incomplete { rest_is_here: false });
        assert!(fixture.project().missing_in_cache(&[unknown]).unwrap()[&unknown].file_list);
    }
}

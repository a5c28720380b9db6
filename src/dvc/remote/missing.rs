//! Which objects data versions need, what the cache and the remote lack of them, and sending that to a directory remote.
//!
//! A remote is asked once for each version, for its list of files: DVC sends the list last, once every file is there, and
//! trusts it itself. Only where the list is not there, or where the caller wants every file asked for, are files looked up. A
//! directory remote has the layout of a cache and is read and written natively; of any other, DVC tells (`status --cloud`).

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use crate::dvc::cache::{Cache, CacheError};
use crate::dvc::file_list::Listing;
use crate::dvc::hash::{DataVersion, Oid};
use crate::dvc::program::{Dvc, ProgramError};
use crate::dvc::settings::{Settings, SettingsError};
use crate::dvc::temp_project::Scratch;
use crate::error::ExitKind::{Program, Setup};
use crate::error::{Explain, Explanation};
use crate::support::fs;
use crate::support::fs::FsError;

/// What is lacking of one data version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lack {
    /// The list of files itself is not there.
    pub list: bool,
    /// Files that are not there, by path in the dataset. Empty where the list is not known here either.
    pub files: Vec<String>,
}

impl Lack {
    /// Whether some of it is not in the other place either.
    #[must_use]
    pub fn is_nowhere(&self, there: Option<&Self>) -> bool {
        there.is_some_and(|there| {
            let files: HashSet<&String> = there.files.iter().collect();
            (self.list && there.list) || self.files.iter().any(|file| files.contains(file))
        })
    }
}

/// How thoroughly to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A list that is there vouches for its files.
    AtLists,
    /// Every file is looked up (a directory only; DVC itself never looks so).
    AtFiles,
}

/// Objects that could not be looked up or sent.
#[derive(Debug, thiserror::Error)]
pub enum ClosureError {
    /// No remote is set.
    #[error("no DVC remote is set")]
    NoRemote,
    /// DVC was asked and failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// DVC's answer is not understood.
    #[error("`dvc status --cloud` said what is not understood: {0}")]
    Answer(String),
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

impl Explain for ClosureError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoRemote => Setup
                .code("no_dvc_remote")
                .hint("name one: `dvc remote add -d storage URL` (a directory, s3://…, ssh://…)"),
            Self::Program(error) => match error.explain() {
                explanation if explanation.hints.is_empty() => explanation.hint(LOOK_AT_REMOTE),
                explanation => explanation,
            },
            Self::Answer(_) => Program.code("dvc_answer_not_understood").hint(LOOK_AT_REMOTE),
            Self::Cache(error) => error.explain(),
            Self::Settings(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// What to type where nothing more is known.
const LOOK_AT_REMOTE: &str =
    "`dvc remote list` shows the remote's address, `dvc status --cloud -v` what DVC meets there";

/// What the cache lacks of each of these versions; those that lack nothing are left out.
pub fn lacking_here(
    settings: &Settings,
    versions: &[DataVersion],
) -> Result<BTreeMap<DataVersion, Lack>, ClosureError> {
    let cache = Cache::of(settings);
    lacking_in(&cache, &cache, versions, Look::AtFiles)
}

/// What the default remote lacks of each of these versions; those that lack nothing are left out. `dvc` is asked for only
/// where the remote is no directory.
pub fn lacking_there(
    root: &Path,
    settings: &Settings,
    versions: &[DataVersion],
    look: Look,
    dvc: impl FnOnce() -> Result<Dvc, ProgramError>,
) -> Result<BTreeMap<DataVersion, Lack>, ClosureError> {
    let remote = settings.remote().ok_or(ClosureError::NoRemote)?;
    match &remote.dir {
        Some(dir) => lacking_in(&Cache::at(dir), &Cache::of(settings), versions, look),
        None => ask(root, settings, versions, &dvc()?),
    }
}

fn lacking_in(
    place: &Cache,
    here: &Cache,
    versions: &[DataVersion],
    look: Look,
) -> Result<BTreeMap<DataVersion, Lack>, ClosureError> {
    let mut out = BTreeMap::new();
    let mut there: HashSet<Oid> = HashSet::new();
    for version in versions {
        let list = !place.has_listing(*version);
        if !list && look == Look::AtLists {
            continue;
        }
        let listing = if list { here.listing(*version)? } else { place.listing(*version)? };
        let mut files = Vec::new();
        for entry in listing.as_ref().map(Listing::entries).unwrap_or_default() {
            if there.contains(&entry.md5) {
                continue;
            }
            if place.has(entry.md5) {
                there.insert(entry.md5);
            } else {
                files.push(entry.relpath.clone());
            }
        }
        if list || !files.is_empty() {
            out.insert(*version, Lack { list, files });
        }
    }
    Ok(out)
}

/// Asks DVC what its remote has, in a passing project that tracks these versions.
fn ask(
    root: &Path,
    settings: &Settings,
    versions: &[DataVersion],
    dvc: &Dvc,
) -> Result<BTreeMap<DataVersion, Lack>, ClosureError> {
    let mut out = BTreeMap::new();
    if versions.is_empty() {
        return Ok(out);
    }
    let scratch = Scratch::new(root, settings)?;
    let mut names = BTreeMap::new();
    for version in versions {
        names.insert(scratch.add(*version)?, *version);
    }
    let said = dvc.clone().in_project(scratch.root()).call(["status", "--cloud", "--json"])?.text();
    let answer: BTreeMap<String, String> = serde_json::from_str(said.lines().last().unwrap_or("{}"))
        .map_err(|error| ClosureError::Answer(format!("{error}: {said}")))?;
    for (path, state) in answer {
        // `new`: here, not there. `missing`: neither. `deleted`: there, not here.
        if state == "deleted" {
            continue;
        }
        let (name, inside) = path.split_once('/').unwrap_or((&path, ""));
        if let Some(version) = names.get(name) {
            let lack: &mut Lack = out.entry(*version).or_default();
            if inside.is_empty() {
                lack.list = true;
            } else {
                lack.files.push(inside.to_owned());
            }
        }
    }
    Ok(out)
}

/// What became of sending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sent {
    /// How many objects went.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What is neither here nor there, by version. The other versions are on the remote whole.
    pub missing: BTreeMap<DataVersion, Lack>,
}

/// Sends what a directory remote lacks of these versions: every file first, then the list that vouches for them.
pub fn send(settings: &Settings, remote: &Path, versions: &[DataVersion], look: Look) -> Result<Sent, ClosureError> {
    let (here, there) = (Cache::of(settings), Cache::at(remote));
    let mut sent = Sent::default();
    let mut known: HashSet<Oid> = HashSet::new();
    for version in versions {
        let has_list = there.has_listing(*version);
        if has_list && look == Look::AtLists {
            continue;
        }
        let listing = match here.listing(*version)? {
            None if has_list => there.listing(*version)?,
            listing => listing,
        };
        let Some(listing) = listing else {
            sent.missing.insert(*version, Lack { list: true, files: Vec::new() });
            continue;
        };
        let mut lack = Lack::default();
        for entry in listing.entries() {
            if known.contains(&entry.md5) || there.has(entry.md5) {
                known.insert(entry.md5);
                continue;
            }
            match here.size(entry.md5) {
                Some(size) => {
                    fs::copy_read_only(&here.path(entry.md5), &there.path(entry.md5))?;
                    known.insert(entry.md5);
                    sent.objects += 1;
                    sent.bytes += size;
                }
                None => lack.files.push(entry.relpath.clone()),
            }
        }
        if !lack.files.is_empty() {
            lack.list = !has_list;
            sent.missing.insert(*version, lack);
        } else if !has_list {
            let bytes = listing.to_bytes();
            there.put_listing_bytes(*version, &bytes)?;
            sent.objects += 1;
            sent.bytes += bytes.len() as u64;
        }
    }
    Ok(sent)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dvc::file_list::Entry;
    use crate::support::env::Env;

    struct Place {
        dir: tempfile::TempDir,
        settings: Settings,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let env = Env::from_vars([("HOME", "/nonexistent"), ("DVC_SYSTEM_CONFIG_DIR", "/nonexistent")]);
            std::fs::create_dir(dir.path().join(".dvc")).unwrap();
            std::fs::write(dir.path().join(".dvc/config"), "[core]\nremote = s\n['remote \"s\"']\nurl = ../remote\n")
                .unwrap();
            let settings = Settings::read(dir.path(), &env).unwrap();
            Self { dir, settings }
        }

        fn version(&self, files: &[(&str, &str)]) -> DataVersion {
            let cache = Cache::of(&self.settings);
            let entries = files.iter().map(|(path, text)| {
                let md5 = Oid::of(text.as_bytes());
                std::fs::create_dir_all(cache.path(md5).parent().unwrap()).unwrap();
                std::fs::write(cache.path(md5), text).unwrap();
                Entry { relpath: (*path).to_owned(), md5 }
            });
            cache.put_listing(&Listing::new(entries.collect()).unwrap()).unwrap()
        }

        fn lacking(&self, versions: &[DataVersion], look: Look) -> BTreeMap<DataVersion, Lack> {
            lacking_there(self.dir.path(), &self.settings, versions, look, || Err(ProgramError::NotFound)).unwrap()
        }
    }

    /// W3: Only missing objects are uploaded, and those that the remote lost are uploaded again.
    #[test]
    fn what_is_sent_is_there_and_a_second_time_nothing_goes() {
        let place = Place::new();
        let remote = place.dir.path().join("remote");
        let (a, b) = (place.version(&[("e/a/f", "1")]), place.version(&[("e/a/f", "1"), ("e/b/f", "2")]));
        assert_eq!(place.lacking(&[a, b], Look::AtLists).len(), 2);
        assert_eq!(send(&place.settings, &remote, &[a, b], Look::AtLists).unwrap().objects, 4);
        assert_eq!(send(&place.settings, &remote, &[a, b], Look::AtFiles).unwrap(), Sent::default());
        for look in [Look::AtLists, Look::AtFiles] {
            assert_eq!(place.lacking(&[a, b], look), BTreeMap::new());
        }
        std::fs::remove_file(Cache::at(&remote).path(Oid::of(b"2"))).unwrap();
        assert_eq!(place.lacking(&[a, b], Look::AtLists), BTreeMap::new());
        let lack = Lack { list: false, files: vec!["e/b/f".into()] };
        assert_eq!(place.lacking(&[a, b], Look::AtFiles), BTreeMap::from([(b, lack)]));
        // What was lost there is sent again by whoever looks at the files.
        assert_eq!(send(&place.settings, &remote, &[a, b], Look::AtLists).unwrap(), Sent::default());
        assert_eq!(send(&place.settings, &remote, &[a, b], Look::AtFiles).unwrap().objects, 1);
        assert_eq!(place.lacking(&[a, b], Look::AtFiles), BTreeMap::new());
    }

    #[test]
    fn a_version_that_is_not_whole_here_gets_no_list_there() {
        let place = Place::new();
        let remote = place.dir.path().join("remote");
        let version = place.version(&[("e/a/f", "1"), ("e/b/f", "2")]);
        std::fs::remove_file(Cache::of(&place.settings).path(Oid::of(b"2"))).unwrap();
        let lack = Lack { list: true, files: vec!["e/b/f".into()] };
        assert_eq!(
            send(&place.settings, &remote, &[version], Look::AtLists).unwrap().missing,
            BTreeMap::from([(version, lack)])
        );
        assert!(!Cache::at(&remote).has_listing(version));
        assert_eq!(lacking_here(&place.settings, &[version]).unwrap()[&version].files, ["e/b/f"]);
        let unknown = DataVersion::new(Oid::of(b"?"));
        assert!(lacking_here(&place.settings, &[unknown]).unwrap()[&unknown].list);
    }
}

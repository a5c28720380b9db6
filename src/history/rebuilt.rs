//! File lists that are missing from the cache, derived from a neighbouring data version's.
//!
//! `dvc gc -w` keeps the files of older versions, which the workspace's version has too, but not their lists. A
//! dataset grows by runs, so an older list is a newer one without the runs that were added in between. The commits
//! name them; the list's name, its MD5, verifies the result. A list that does not match is not written.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::dataset::runs::run_of_path;
use crate::dvc::file_list::{FileEntry, FileList};
use crate::dvc::hash::DataVersion;
use crate::dvc::project::DvcProject;
use crate::dvc::remote::fetch::FetchError;
use crate::git::{CommitRange, Oid};
use crate::history;
use crate::project::{Project, ProjectError, Reporter, state};
use crate::run::RunKey;

/// How many lists to try for one that is gone.
// Each try walks history twice and writes out the list up to three times.
const MAX_TRIED: usize = 8;

/// The data versions of history and the runs that its commits name.
struct VersionNeighbours {
    /// Each data version with the newest commit that has it, the newest first.
    versions: Vec<(DataVersion, Oid)>,
    /// The runs that a commit names: in its trailers, and as its selection.
    named: HashMap<Oid, Vec<RunKey>>,
}

/// Makes the file lists that are gone from the cache again, as far as it can be verified what was in them.
pub fn rebuild_file_lists(
    project: &Project,
    versions: impl IntoIterator<Item = DataVersion>,
    reporter: Option<&dyn Reporter>,
) -> Result<(), ProjectError> {
    let cache = project.open_cache()?;
    let missing: HashSet<DataVersion> = versions.into_iter().filter(|version| !cache.has_file_list(*version)).collect();
    // A clone without a cache has nothing to make one from.
    if missing.is_empty() || !cache.dir().is_dir() {
        return Ok(());
    }
    let neighbours = load_neighbours(project)?;
    let mut present: Vec<(DataVersion, Oid)> =
        neighbours.versions.iter().filter(|(version, _)| cache.has_file_list(*version)).cloned().collect();
    for (version, commit) in neighbours.versions.iter().filter(|(version, _)| missing.contains(version)) {
        for (neighbour, at) in present.iter().take(MAX_TRIED) {
            // A neighbour that cannot be read is passed over: another one may do.
            let Some(file_list) = cache.read_file_list(*neighbour).ok().flatten() else { continue };
            let Some(bytes) = rebuild_list_bytes(project, &neighbours, &file_list, (*version, commit), at)? else {
                continue;
            };
            cache.insert_verified_list(*version, &bytes)?;
            if let Some(reporter) = reporter {
                reporter.show_status(&format!("derived the missing file list of {version} from {neighbour}"));
            }
            // The next missing version is older and nearest to this one, so this one is tried first.
            present.insert(0, (*version, commit.clone()));
            break;
        }
    }
    Ok(())
}

/// Sees to it that this clone has the file list of a data version: it is in the cache, on the remote, or can be made
/// again.
pub fn ensure_file_list(project: &Project, dvc: &DvcProject<'_>, version: DataVersion) -> Result<(), FetchError> {
    let fetched = dvc.fetch_file_list(version);
    // Fetched first, for the other costs a walk over history. If both fail, the error of the fetch is returned.
    if fetched.is_err() && rebuild_file_lists(project, [version], None).is_ok() && dvc.cache().has_file_list(version) {
        return Ok(());
    }
    fetched
}

/// The file list of a data version, from the cache or the remote, or made again.
pub fn read_file_list(project: &Project, dvc: &DvcProject<'_>, version: DataVersion) -> Result<FileList, FetchError> {
    ensure_file_list(project, dvc, version)?;
    dvc.read_file_list(version)
}

/// The data versions in history, with the runs that commits name.
fn load_neighbours(project: &Project) -> Result<VersionNeighbours, ProjectError> {
    let mut neighbours = VersionNeighbours { versions: Vec::new(), named: HashMap::new() };
    let mut seen = HashSet::new();
    for id in project.repo.walk_commits(&CommitRange { include: project.repo.ref_tips()?, ..CommitRange::default() })? {
        if !state::knows_lockfile(project, &id) {
            continue;
        }
        let Some(dataset_record) = history::read_readable_record(project, &id)? else { continue };
        if seen.insert(dataset_record.version) {
            neighbours.versions.push((dataset_record.version, id.clone()));
        }
        let runs_in_trailers =
            history::parse_trailers(&project.repo.read_commit(&id)?.message).into_iter().map(|record| record.run);
        let selected = dataset_record.run_dir.as_deref().and_then(run_key_of_dir);
        neighbours.named.insert(id, runs_in_trailers.chain(selected).collect());
    }
    Ok(neighbours)
}

/// The bytes of a list that is gone, made from one that is here; `None` if they cannot be verified.
fn rebuild_list_bytes(
    project: &Project,
    neighbours: &VersionNeighbours,
    file_list: &FileList,
    (version, commit): (DataVersion, &Oid),
    at: &Oid,
) -> Result<Option<Vec<u8>>, ProjectError> {
    let named = |include: &Oid, exclude: &[Oid]| -> Result<BTreeSet<RunKey>, ProjectError> {
        let range = CommitRange { include: vec![include.clone()], exclude: exclude.to_vec(), ..CommitRange::default() };
        let commits = project.repo.walk_commits(&range)?;
        Ok(commits.iter().filter_map(|id| neighbours.named.get(id)).flatten().cloned().collect())
    };
    let (runs_before, runs_since) = (named(commit, &[])?, named(at, std::slice::from_ref(commit))?);
    let only = |keeps: &dyn Fn(&RunKey) -> bool| -> Option<Vec<u8>> {
        let is_kept = |entry: &&FileEntry| run_of_path(&entry.relpath).is_none_or(|run| keeps(&run));
        let bytes = FileList::new(file_list.entries().iter().filter(is_kept).cloned().collect()).ok()?.to_bytes();
        (DataVersion::of_list(&bytes) == version).then_some(bytes)
    };
    // Guesses, the likeliest first. Only a list with the MD5 of the version is taken, so a wrong guess costs only time.
    Ok(only(&|run| !runs_since.contains(run) || runs_before.contains(run))
        .or_else(|| only(&|run| runs_before.contains(run)))
        .or_else(|| only(&|run| !runs_since.contains(run))))
}

/// The run that a selection names by its path.
fn run_key_of_dir(run_dir: &str) -> Option<RunKey> {
    let mut parts = run_dir.trim_end_matches('/').rsplit('/');
    let (run_id, experiment) = (parts.next()?, parts.next()?);
    // A directory that no run can be named after adds nothing to what the trailers name.
    RunKey::new(experiment, run_id).ok()
}

//! Data going to the DVC remote: every data version that commits need, before git pushes them.
//!
//! What counts are all commits of a range, not the tip alone. A version that a commit just outside the range has
//! already needs nothing: it was sent with that commit. The upload is DVC's own, idempotent, in a temporary project
//! (`dvc::temp_project`), so that the workspace's state does not matter.

use std::collections::{BTreeMap, HashSet};

use crate::dvc::absent::AbsentRemote;
use crate::dvc::hash::DataVersion;
use crate::dvc::program::ProgramError;
use crate::dvc::remote::missing;
pub use crate::dvc::remote::missing::CheckDepth;
use crate::dvc::remote::missing::{ADD_REMOTE_HINT, MissingObjects, RemoteError};
use crate::error::ExitKind::{CheckFailed, Program, Setup};
use crate::error::{Explain, Explanation};
use crate::git::{CommitRange, Oid};
use crate::history::{foreign, rebuilt};
use crate::project::{GitTree, Project, ProjectError, Reporter, state};
use crate::run::RunKey;
use crate::setup::remote;
use crate::support::process::{ProcessOutput, shell_quote};
use crate::support::progress::NoProgress;
use crate::support::text::{format_bytes, format_plural};
use crate::sync::not_sent::NotSent;
use crate::sync::sent;

/// A data version that is to be on the remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredVersion {
    /// The data version.
    pub version: DataVersion,
    /// A commit that has it.
    pub commit: Oid,
    /// The run that was selected there.
    pub run_dir: Option<String>,
    /// The dataset's size in bytes.
    pub size: Option<u64>,
}

/// Why data could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// There is no remote.
    #[error("no DVC remote is set for the data of {}", list_commits(required))]
    NoRemote {
        /// What was to be sent there.
        required: Vec<RequiredVersion>,
    },
    /// The remote's directory does not exist any more, or is empty.
    #[error(transparent)]
    Absent(AbsentRemote),
    /// Data that is neither here nor there.
    #[error("data of {} is neither in this clone nor on the DVC remote: {}", list_commits(required), list_few(what))]
    Missing {
        /// The versions in question.
        required: Vec<RequiredVersion>,
        /// What is missing, in words: file lists, and files.
        what: Vec<String>,
    },
    /// DVC would send the bytes of a run that was erased.
    #[error("DVC would send {run} again, which was erased: the cache of this clone still has it")]
    ErasedHere {
        /// The run.
        run: RunKey,
    },
    /// The upload failed.
    #[error("cannot send data of {} to the DVC remote", list_commits(required))]
    Upload {
        /// What was to be sent there.
        required: Vec<RequiredVersion>,
        /// Why not.
        source: UploadCause,
    },
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// DVC could not be called.
    #[error(transparent)]
    Dvc(#[from] ProgramError),
}

/// Why it could not be found out what the remote has.
#[derive(Debug, thiserror::Error)]
pub enum RemoteDataError {
    /// The remote's directory does not exist any more, or is empty.
    #[error(transparent)]
    Absent(AbsentRemote),
    /// The remote or the cache.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

impl Explain for RemoteDataError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Absent(absent) => Setup.code("remote_absent").hints(absent.hints()),
            Self::Remote(error) => error.explain(),
            Self::Project(error) => error.explain(),
        }
    }
}

/// What failed with an upload.
#[derive(Debug, thiserror::Error)]
pub enum UploadCause {
    /// DVC failed.
    #[error(transparent)]
    Dvc(#[from] ProgramError),
    /// The remote, or the cache, could not be read or written.
    #[error(transparent)]
    Closure(#[from] RemoteError),
}

fn list_commits(required: &[RequiredVersion]) -> String {
    let one = |n: &RequiredVersion| match &n.run_dir {
        Some(run) => format!("commit {} ({})", n.commit.short(), run.escape_debug()),
        None => format!("commit {}", n.commit.short()),
    };
    let mut names: Vec<String> = required.iter().take(5).map(one).collect();
    if required.len() > 5 {
        names.push(format!("{} more", required.len() - 5));
    }
    names.join(", ")
}

/// The first few of what is missing.
fn list_few(what: &[String]) -> String {
    const SHOWN: usize = 3;
    let names: Vec<String> = what.iter().take(SHOWN).map(|one| one.escape_debug().to_string()).collect();
    match what.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

impl Explain for UploadCause {
    fn explain(&self) -> Explanation {
        match self {
            Self::Dvc(error) => error.explain(),
            Self::Closure(error) => error.explain(),
        }
    }
}

impl Explain for UploadError {
    fn explain(&self) -> Explanation {
        let anyway = || format!("to push the commits anyway: {NO_VERIFY}");
        match self {
            Self::NoRemote { .. } => Setup.code("no_dvc_remote").hint(ADD_REMOTE_HINT),
            Self::Absent(absent) => Setup.code("remote_absent").hints(absent.hints()).hint(anyway()),
            Self::Missing { .. } => CheckFailed
                .code("data_missing")
                .hint("send it from a clone in which `dvc gc` removed nothing: `capture-hook push --all`")
                .hint(anyway()),
            Self::ErasedHere { run } => CheckFailed.code("erased").hint(format!(
                "erase it here, too: `capture-hook erase {} --everywhere`",
                shell_quote(run.to_string())
            )),
            Self::Upload { source, .. } => explain_upload(source)
                .hint("send the data first and watch its progress: `capture-hook push`")
                .hint(anyway()),
            Self::Project(error) => error.explain(),
            Self::Dvc(error) => error.explain(),
        }
    }
}

/// A program that failed is a failed upload. What kept it from starting, or a disk that failed, keeps its own code.
fn explain_upload(cause: &UploadCause) -> Explanation {
    let explanation = cause.explain();
    match explanation.exit {
        Program => Program.code("upload_failed").hints(explanation.hints),
        _ => explanation,
    }
}

/// How to push without the hook.
const NO_VERIFY: &str = "`git push --no-verify`";

/// The outcome of an upload.
#[derive(Debug)]
pub struct PushOutcome {
    /// In words.
    pub message: String,
    /// The data versions of which the remote lacked something.
    pub uploaded: Vec<DataVersion>,
}

impl PushOutcome {
    fn without_upload(message: &str) -> Self {
        Self { message: message.into(), uploaded: Vec::new() }
    }
}

/// What the DVC remote lacks of these versions, every file looked up; `None` if no remote is set.
pub fn find_missing_on_remote(
    project: &Project,
    versions: &[DataVersion],
) -> Result<Option<BTreeMap<DataVersion, MissingObjects>>, RemoteDataError> {
    let settings = project.dvc_settings()?;
    if settings.default_remote().is_none() {
        return Ok(None);
    }
    if let Some(absent) = sent::find_absent_remote(project)? {
        return Err(RemoteDataError::Absent(absent));
    }
    Ok(Some(project.dvc()?.missing_on_remote(versions, CheckDepth::AllFiles)?))
}

/// The data versions that the commits of a range need.
pub fn list_all_required_versions(
    project: &Project,
    range: &CommitRange,
) -> Result<Vec<RequiredVersion>, ProjectError> {
    let mut found: BTreeMap<DataVersion, RequiredVersion> = BTreeMap::new();
    for id in &project.repo.walk_commits(range)? {
        if let Some(required) = find_required_version(project, id)? {
            found.entry(required.version).or_insert(required);
        }
    }
    Ok(found.into_values().collect())
}

/// The data versions that the commits of a range need and that no commit just outside it has.
pub fn list_required_versions(project: &Project, range: &CommitRange) -> Result<Vec<RequiredVersion>, ProjectError> {
    let commits = project.repo.walk_commits(range)?;
    let inside: HashSet<&Oid> = commits.iter().collect();
    let mut found: BTreeMap<DataVersion, RequiredVersion> = BTreeMap::new();
    let mut outside: HashSet<Oid> = HashSet::new();
    for id in &commits {
        if let Some(required) = find_required_version(project, id)? {
            found.entry(required.version).or_insert(required);
        }
        outside.extend(project.repo.read_commit(id)?.parents.into_iter().filter(|p| !inside.contains(p)));
    }
    if !found.is_empty() {
        // A parent that a shallow or partial clone lacks is skipped.
        for id in outside.iter().filter(|id| state::knows_lockfile(project, id)) {
            if let Some(version) = project.data_version_at(id)? {
                found.remove(&version);
            }
        }
    }
    Ok(found.into_values().collect())
}

/// The data version that one commit needs.
pub fn find_required_version(project: &Project, commit: &Oid) -> Result<Option<RequiredVersion>, ProjectError> {
    let dataset_record = match project.dataset_record(&GitTree::Commit(commit.clone())) {
        // A commit with a broken `dvc.lock` names no data, and must not stop later pushes.
        Err(ProjectError::Lockfile(_)) => None,
        other => other?,
    };
    Ok(dataset_record.map(|dataset_record| RequiredVersion {
        version: dataset_record.version,
        commit: commit.clone(),
        run_dir: dataset_record.run_dir,
        size: dataset_record.size,
    }))
}

/// Sends what the remote lacks of these versions. A directory is asked for file lists, or for every file.
pub fn upload_versions(
    project: &Project,
    required: &[RequiredVersion],
    look: CheckDepth,
    reporter: &dyn Reporter,
) -> Result<PushOutcome, UploadError> {
    let settings = project.dvc_settings()?;
    if required.is_empty() {
        return Ok(PushOutcome::without_upload("nothing to send"));
    }
    let Some(remote) = settings.default_remote() else {
        let required = drop_foreign_versions(project, required.to_vec(), reporter)?;
        if required.is_empty() {
            return Ok(PushOutcome::without_upload("nothing to send"));
        }
        return Err(UploadError::NoRemote { required });
    };
    if let Some(absent) = sent::find_absent_remote(project)? {
        return Err(UploadError::Absent(absent));
    }
    let failed = |source: RemoteError| UploadError::Upload { required: required.to_vec(), source: source.into() };
    let mut versions: Vec<DataVersion> = required.iter().map(|n| n.version).collect();
    let dvc = project.dvc()?;
    let mut missing = dvc.missing_on_remote(&versions, look).map_err(failed)?;
    let not_sent = NotSent::find(project, missing.keys().copied())?;
    not_sent.drop_from(&mut missing);
    report_not_sent(&not_sent, reporter);
    let incomplete: Vec<RequiredVersion> =
        required.iter().filter(|n| missing.contains_key(&n.version)).cloned().collect();
    rebuilt::rebuild_file_lists(project, incomplete.iter().map(|n| n.version), Some(reporter))?;
    let mut uploaded: Vec<DataVersion> = incomplete.iter().map(|n| n.version).collect();
    let message = if incomplete.is_empty() {
        "the DVC remote has all data".to_owned()
    } else {
        let commits = match incomplete.len() {
            0..=2 => list_commits(&incomplete),
            many => format!("{many} commits"),
        };
        reporter.show_status(&format!("sending data of {commits} to the DVC remote"));
        let (message, foreign) = match &remote.dir {
            Some(dir) => {
                let upload = missing::upload_versions(&dvc.cache(), dir, &uploaded, look, &not_sent.paths);
                let upload = upload.map_err(failed)?;
                let foreign = check_missing(project, &incomplete, &upload.missing, reporter)?;
                let objects = format_plural(upload.objects as u64, "object");
                (format!("sent {objects}, {}", format_bytes(upload.bytes)), foreign)
            }
            None => upload_by_dvc(project, &incomplete, &not_sent, reporter)?,
        };
        for versions in [&mut uploaded, &mut versions] {
            versions.retain(|version| !foreign.contains(version));
        }
        message
    };
    // Last: a version whose upload failed must not be noted.
    sent::note_uploaded(project, remote, &versions);
    if let Some(why) = remote::find_uncommitted_remote(project)? {
        reporter.show_warning(&why.to_string());
        reporter.show_hint(&why.hint());
    }
    Ok(PushOutcome { message, uploaded })
}

/// Says which runs are not sent although this clone has their bytes.
fn report_not_sent(not_sent: &NotSent, reporter: &dyn Reporter) {
    for run in &not_sent.still_here {
        reporter.show_warning(&format!("{run} is not sent: it was erased, but the cache of this clone still has it"));
        let typed = shell_quote(run.to_string());
        reporter.show_hint(&format!("erase it here, too: `capture-hook erase {typed} --everywhere`"));
    }
}

/// Sends data by DVC. Gives the result, in words, and what was left out as another project's.
fn upload_by_dvc(
    project: &Project,
    required: &[RequiredVersion],
    not_sent: &NotSent,
    reporter: &dyn Reporter,
) -> Result<(String, HashSet<DataVersion>), UploadError> {
    // DVC sends whatever the cache has of a version.
    if let Some(run) = not_sent.still_here.first() {
        return Err(UploadError::ErasedHere { run: run.clone() });
    }
    let dvc = project.dvc()?;
    let versions: Vec<DataVersion> = required.iter().map(|n| n.version).collect();
    let failed = |source: UploadCause| UploadError::Upload { required: required.to_vec(), source };
    // A progress bar hides the lines in which DVC names what is missing, so it is shown only if nothing is.
    let mut missing = dvc.missing_in_cache(&versions).map_err(|e| failed(e.into()))?;
    not_sent.drop_from(&mut missing);
    let progress = if missing.is_empty() { reporter.start_progress("sending", None) } else { Box::new(NoProgress) };
    // Of a version without its list nothing can be sent, and DVC must read no list that was not checked here: it sends the
    // files that a list names, whatever their paths.
    let (unlisted, listed): (Vec<DataVersion>, Vec<DataVersion>) =
        versions.iter().partition(|version| missing.get(version).is_some_and(|missing| missing.file_list));
    let output = match listed.is_empty() {
        true => None,
        false => match dvc.push_objects(&listed, progress.as_ref()) {
            Ok(output) => Some(output),
            Err(error @ ProgramError::Process(_)) => return Err(failed(error.into())),
            Err(error) => return Err(error.into()),
        },
    };
    let lacks = |output: &ProcessOutput| String::from_utf8_lossy(&output.stderr).contains(MISSING);
    let foreign = if !unlisted.is_empty() || output.as_ref().is_some_and(lacks) {
        check_missing(project, required, &missing, reporter)?
    } else {
        HashSet::new()
    };
    let message = output.and_then(|output| output.stdout_text().lines().last().map(str::to_owned));
    Ok((message.unwrap_or_else(|| "sent".into()), foreign))
}

/// The versions that are neither here nor there and another project's; an error if one is this project's own.
fn check_missing(
    project: &Project,
    required: &[RequiredVersion],
    missing: &BTreeMap<DataVersion, MissingObjects>,
    reporter: &dyn Reporter,
) -> Result<HashSet<DataVersion>, UploadError> {
    let ours = required.iter().filter(|n| missing.contains_key(&n.version)).cloned().collect();
    let ours = drop_foreign_versions(project, ours, reporter)?;
    let missing_of_ours = ours.iter().filter_map(|n| Some((n.version, missing.get(&n.version)?)));
    let mut what: Vec<String> = missing_of_ours
        .flat_map(|(version, missing_objects)| match missing_objects.files.as_slice() {
            [] => vec![format!("the file list of {version}")],
            files => files.to_vec(),
        })
        .collect();
    // A file that several versions lack is named once.
    let mut named = HashSet::new();
    what.retain(|one| named.insert(one.clone()));
    if ours.is_empty() {
        Ok(missing.keys().copied().collect())
    } else {
        Err(UploadError::Missing { required: ours, what })
    }
}

/// Leaves out what another project's history needs, that was merged in: its data is not on this project's remote.
fn drop_foreign_versions(
    project: &Project,
    required: Vec<RequiredVersion>,
    reporter: &dyn Reporter,
) -> Result<Vec<RequiredVersion>, UploadError> {
    let foreign = if required.is_empty() { HashSet::new() } else { foreign::find_foreign_versions(project)? };
    let (foreign, ours): (Vec<RequiredVersion>, Vec<RequiredVersion>) =
        required.into_iter().partition(|n| foreign.contains(&n.version));
    if !foreign.is_empty() {
        reporter.show_status(&format!(
            "not sent: data of another project's history that was merged in: {}",
            list_commits(&foreign)
        ));
    }
    Ok(ours)
}

/// What DVC says, with exit code 0, about objects that are neither here nor there.
const MISSING: &str = "do not exist neither locally nor on remote";

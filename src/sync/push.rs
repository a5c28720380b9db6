//! Data going to the DVC remote: every data version that commits need, before git pushes them.
//!
//! What counts are all commits of a range, not the tip alone. A version that a commit just outside the range has already
//! needs nothing: it went with that commit. The upload is DVC's own, idempotent, in a passing project (`dvc::temp_project`), so
//! that the workspace's state does not matter.

use std::collections::{BTreeMap, HashSet};

use super::size;
use crate::dataset::get::RetrieveError;
use crate::dvc::absent::AbsentRemote;
use crate::dvc::hash::DataVersion;
use crate::dvc::program::ProgramError;
use crate::dvc::remote::missing;
use crate::dvc::remote::missing::{ClosureError, Lack, Look};
use crate::dvc::temp_project::Scratch;
use crate::error::ExitKind::{CheckFailed, Setup};
use crate::error::{Explain, Explanation};
use crate::git::{Oid, Range};
use crate::project::{Hear, Project, ProjectError, Source};
use crate::support::progress::Silent;

/// A data version that is to be on the remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
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
pub enum TransferError {
    /// There is no remote.
    #[error("no DVC remote is set up to take the data of {}", list(needed))]
    NoRemote {
        /// What was to go there.
        needed: Vec<Needed>,
    },
    /// The remote's directory is not where it was.
    #[error(transparent)]
    Absent(AbsentRemote),
    /// Data that is neither here nor there.
    #[error("data of {} is neither in this clone nor on the DVC remote: {}", list(needed), few(what))]
    Missing {
        /// The versions in question.
        needed: Vec<Needed>,
        /// What is missing, in words: lists of files, and files.
        what: Vec<String>,
    },
    /// The upload failed.
    #[error("data of {} did not get to the DVC remote", list(needed))]
    Upload {
        /// What was to go there.
        needed: Vec<Needed>,
        /// Why not.
        source: Cause,
    },
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// DVC could not be called.
    #[error(transparent)]
    Dvc(#[from] ProgramError),
}

/// What went wrong with an upload.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// DVC failed.
    #[error(transparent)]
    Dvc(#[from] ProgramError),
    /// The remote, or the cache, could not be read or written.
    #[error(transparent)]
    Closure(#[from] ClosureError),
}

fn list(needed: &[Needed]) -> String {
    let one = |n: &Needed| match &n.run_dir {
        Some(run) => format!("commit {} ({})", n.commit.short(), run.escape_debug()),
        None => format!("commit {}", n.commit.short()),
    };
    let mut names: Vec<String> = needed.iter().take(5).map(one).collect();
    if needed.len() > 5 {
        names.push(format!("{} more", needed.len() - 5));
    }
    names.join(", ")
}

/// The first few of what is missing.
fn few(what: &[String]) -> String {
    const SHOWN: usize = 3;
    let names: Vec<String> = what.iter().take(SHOWN).map(|one| one.escape_debug().to_string()).collect();
    match what.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

impl Explain for Cause {
    fn explain(&self) -> Explanation {
        match self {
            Self::Dvc(error) => error.explain(),
            Self::Closure(error) => error.explain(),
        }
    }
}

impl Explain for TransferError {
    fn explain(&self) -> Explanation {
        let anyway = || format!("to push git all the same, once: {NO_VERIFY}");
        match self {
            Self::NoRemote { .. } => Setup
                .code("no_dvc_remote")
                .hint("name one: `dvc remote add -d storage URL` (a directory, s3://…, ssh://…)"),
            Self::Absent(absent) => Setup.code("remote_absent").hints(absent.hints()).hint(anyway()),
            Self::Missing { .. } => CheckFailed
                .code("data_missing")
                .hint(
                    "a clone that has it, where `dvc gc` removed nothing, can send it: `capture-hook push --all` there",
                )
                .hint(anyway()),
            Self::Upload { source, .. } => Explanation { code: "upload_failed", ..source.explain() }
                .hint("send the data by itself first, with its progress shown: `capture-hook push`")
                .hint(anyway()),
            Self::Project(error) => error.explain(),
            Self::Dvc(error) => error.explain(),
        }
    }
}

/// How to push without the hook.
const NO_VERIFY: &str = "`git push --no-verify`";

/// What became of an upload.
#[derive(Debug)]
pub struct Uploaded {
    /// In words.
    pub said: String,
    /// The data versions of which the remote lacked something.
    pub sent: Vec<DataVersion>,
}

impl Uploaded {
    fn nothing(said: &str) -> Self {
        Self { said: said.into(), sent: Vec::new() }
    }
}

impl Project {
    /// What the DVC remote lacks of these versions, every file looked up; `None` where no remote is set.
    pub fn remote_lacks(&self, versions: &[DataVersion]) -> Result<Option<BTreeMap<DataVersion, Lack>>, RetrieveError> {
        let settings = self.dvc_settings()?;
        if settings.remote().is_none() {
            return Ok(None);
        }
        if let Some(absent) = self.absent_remote()? {
            return Err(RetrieveError::Absent(absent));
        }
        Ok(Some(missing::lacking_there(&self.root, settings, versions, Look::AtFiles, || self.dvc())?))
    }

    /// The data versions that the commits of a range need.
    pub fn all_needed(&self, range: &Range) -> Result<Vec<Needed>, ProjectError> {
        let mut found: BTreeMap<DataVersion, Needed> = BTreeMap::new();
        for id in &self.repo.walk(range)? {
            if let Some(needed) = self.needed_by(id)? {
                found.entry(needed.version).or_insert(needed);
            }
        }
        Ok(found.into_values().collect())
    }

    /// The data versions that the commits of a range need and that no commit just outside it has.
    pub fn needed(&self, range: &Range) -> Result<Vec<Needed>, ProjectError> {
        let commits = self.repo.walk(range)?;
        let inside: HashSet<&Oid> = commits.iter().collect();
        let mut found: BTreeMap<DataVersion, Needed> = BTreeMap::new();
        let mut outside: HashSet<Oid> = HashSet::new();
        for id in &commits {
            if let Some(needed) = self.needed_by(id)? {
                found.entry(needed.version).or_insert(needed);
            }
            outside.extend(self.repo.commit(id)?.parents.into_iter().filter(|p| !inside.contains(p)));
        }
        if !found.is_empty() {
            // A parent that a shallow or partial clone does not have tells nothing.
            for id in outside.iter().filter(|id| self.knows(id)) {
                if let Some(version) = self.version_at(id)? {
                    found.remove(&version);
                }
            }
        }
        Ok(found.into_values().collect())
    }

    /// The data version that one commit needs.
    pub fn needed_by(&self, commit: &Oid) -> Result<Option<Needed>, ProjectError> {
        let locked = match self.locked(&Source::Commit(commit.clone())) {
            Err(ProjectError::Lock(_)) => None,
            other => other?,
        };
        Ok(locked.map(|locked| Needed {
            version: locked.version,
            commit: commit.clone(),
            run_dir: locked.run_dir,
            size: locked.size,
        }))
    }

    /// Sends what the remote lacks of these versions. A directory is asked for lists of files, or for every file.
    pub fn upload(&self, needed: &[Needed], look: Look, hear: &dyn Hear) -> Result<Uploaded, TransferError> {
        let settings = self.dvc_settings()?;
        if needed.is_empty() {
            return Ok(Uploaded::nothing("nothing to send"));
        }
        let Some(remote) = settings.remote() else {
            let needed = self.without_theirs(needed.to_vec(), hear)?;
            if needed.is_empty() {
                return Ok(Uploaded::nothing("nothing to send"));
            }
            return Err(TransferError::NoRemote { needed });
        };
        if let Some(absent) = self.absent_remote()? {
            return Err(TransferError::Absent(absent));
        }
        let failed = |source: ClosureError| TransferError::Upload { needed: needed.to_vec(), source: source.into() };
        let mut versions: Vec<DataVersion> = needed.iter().map(|n| n.version).collect();
        let dvc = || self.dvc();
        let lacks = missing::lacking_there(&self.root, settings, &versions, look, dvc).map_err(failed)?;
        let lacking: Vec<Needed> = needed.iter().filter(|n| lacks.contains_key(&n.version)).cloned().collect();
        self.rebuild_lists(lacking.iter().map(|n| n.version), Some(hear))?;
        let mut sent: Vec<DataVersion> = lacking.iter().map(|n| n.version).collect();
        let said = if lacking.is_empty() {
            "the DVC remote has everything".to_owned()
        } else {
            hear.status(&format!("sending data of {} to the DVC remote", list(&lacking)));
            let (said, theirs) = match &remote.dir {
                Some(dir) => {
                    let done = missing::send(settings, dir, &sent, look).map_err(failed)?;
                    let theirs = self.others_missing(&lacking, &done.missing, hear)?;
                    (format!("sent {} objects, {}", done.objects, size(done.bytes)), theirs)
                }
                None => self.upload_by_dvc(&lacking, hear)?,
            };
            for versions in [&mut sent, &mut versions] {
                versions.retain(|version| !theirs.contains(version));
            }
            said
        };
        self.note_sent(remote, &versions);
        if let Some(why) = self.uncommitted_remote()? {
            hear.warn(&why.to_string());
            hear.hint(&why.hint());
        }
        Ok(Uploaded { said, sent })
    }

    /// Has DVC send data. Says how it went, in words, and what was left out as another project's.
    fn upload_by_dvc(
        &self,
        needed: &[Needed],
        hear: &dyn Hear,
    ) -> Result<(String, HashSet<DataVersion>), TransferError> {
        let settings = self.dvc_settings()?;
        let scratch = Scratch::new(&self.root, settings).map_err(ProjectError::from)?;
        for one in needed {
            scratch.add(one.version).map_err(ProjectError::from)?;
        }
        let versions: Vec<DataVersion> = needed.iter().map(|n| n.version).collect();
        let failed = |source: Cause| TransferError::Upload { needed: needed.to_vec(), source };
        // A progress bar is for people, and takes the words in which DVC tells what is missing: only where all is here.
        let lacks = missing::lacking_here(settings, &versions).map_err(|e| failed(e.into()))?;
        let progress = if lacks.is_empty() { hear.progress("sending", None) } else { Box::new(Silent) };
        let output = match self.dvc()?.in_project(scratch.root()).push(&[], progress.as_ref()) {
            Ok(output) => output,
            Err(error @ ProgramError::Process(_)) => return Err(failed(error.into())),
            Err(error) => return Err(error.into()),
        };
        let theirs = if String::from_utf8_lossy(&output.stderr).contains(MISSING) {
            self.others_missing(needed, &lacks, hear)?
        } else {
            HashSet::new()
        };
        Ok((output.text().lines().last().unwrap_or("sent").to_owned(), theirs))
    }

    /// The versions that are neither here nor there and another project's; an error where one is this project's own.
    fn others_missing(
        &self,
        needed: &[Needed],
        missing: &BTreeMap<DataVersion, Lack>,
        hear: &dyn Hear,
    ) -> Result<HashSet<DataVersion>, TransferError> {
        let ours = needed.iter().filter(|n| missing.contains_key(&n.version)).cloned().collect();
        let ours = self.without_theirs(ours, hear)?;
        let lacks = ours.iter().filter_map(|n| Some((n.version, missing.get(&n.version)?)));
        let what: Vec<String> = lacks
            .flat_map(|(version, lack)| match lack.files.as_slice() {
                [] => vec![format!("the list of files of {version}")],
                files => files.to_vec(),
            })
            .collect();
        if ours.is_empty() {
            Ok(missing.keys().copied().collect())
        } else {
            Err(TransferError::Missing { needed: ours, what })
        }
    }

    /// Without what another project's history needs, that was merged in: its data is its own affair.
    fn without_theirs(&self, needed: Vec<Needed>, hear: &dyn Hear) -> Result<Vec<Needed>, TransferError> {
        let theirs = if needed.is_empty() { HashSet::new() } else { self.foreign_versions()? };
        let (theirs, ours): (Vec<Needed>, Vec<Needed>) = needed.into_iter().partition(|n| theirs.contains(&n.version));
        if !theirs.is_empty() {
            hear.status(&format!("not sent: data of another project's history, merged in: {}", list(&theirs)));
        }
        Ok(ours)
    }
}

/// What DVC says, with exit code 0, about objects that are neither here nor there.
const MISSING: &str = "do not exist neither locally nor on remote";

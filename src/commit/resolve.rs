//! Settles a run that both sides of a merge changed (`capture-hook resolve`), and unites all others.
//!
//! The sides are read from git's index, so that it does not matter who made the conflict: a merge, a rebase, a stash. Where
//! several runs are disputed, what was decided of each is noted until the last one is; `dvc.lock` is written and staged then.

use std::collections::BTreeMap;
use std::path::Path;

use crate::dataset::merge::lockfile::{Choice, Clash, Decided, Merged, Prefer, Sides};
use crate::dataset::metrics_files;
use crate::dvc::lockfile;
use crate::dvc::lockfile::Lock;
use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::git::{Entry, GitError};
use crate::project::{Hear, Locked, Project, ProjectError, Source};
use crate::run::discover::RunDir;
use crate::run::layout::STEPS_PARQUET;
use crate::run::resolve::{ResolveError, ResolvedRun, RunQuery, resolve};
use crate::run::{RunKey, StartTime};
use crate::support::fs::{FsError, Refused};
use crate::support::process::quoted;
use crate::support::{fs, limits};
use crate::sync::{Reach, SyncError, Synced};

/// The decisions so far, in the working tree's git directory: the two sides' blobs, then a line a run.
const NOTE: &str = "capture-hook-resolved";

/// A run that cannot be settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// There is nothing to settle.
    #[error("{} is in no conflict", lockfile::FILE)]
    NoConflict {
        /// Whether it was in one, which git can bring back.
        undone: bool,
    },
    /// The run is none of those that both sides changed.
    #[error("{}", not_disputed(query, disputed, others))]
    NotDisputed {
        /// As typed.
        query: String,
        /// Those that are.
        disputed: Vec<RunKey>,
        /// What else is in conflict.
        others: Vec<Clash>,
    },
    /// The name that was typed means no run, or several.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The sides cannot be merged.
    #[error("{} cannot be merged: {why}", lockfile::FILE)]
    NotMerged {
        /// Why not.
        why: String,
    },
    /// The workspace.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

impl From<GitError> for SettleError {
    fn from(error: GitError) -> Self {
        Self::Project(error.into())
    }
}

impl From<FsError> for SettleError {
    fn from(error: FsError) -> Self {
        Self::Project(error.into())
    }
}

fn not_disputed(query: &str, disputed: &[RunKey], others: &[Clash]) -> String {
    let query = query.escape_debug();
    let names: Vec<String> = disputed.iter().map(|run| run.to_string().escape_debug().to_string()).collect();
    match others.first().filter(|_| names.is_empty()) {
        Some(clash) => format!("no run is disputed in {}, but {clash}", lockfile::FILE),
        None => format!("`{query}` is not disputed in {}; disputed: {}", lockfile::FILE, names.join(", ")),
    }
}

impl Explain for SettleError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoConflict { undone: true } => Setup
                .code("no_conflict")
                .hint("it was, and was settled: `git checkout -m -- dvc.lock` brings the conflict back"),
            Self::NoConflict { undone: false } => {
                Setup.code("no_conflict").hint("`capture-hook status` says what is to do")
            }
            Self::NotDisputed { disputed, .. } => Setup.code("run_not_disputed").hint(match disputed.first() {
                Some(run) => how_to_settle(run),
                None => format!("edit {0}, then `git add {0}`", lockfile::FILE),
            }),
            Self::NotMerged { .. } => Setup
                .code("not_merged")
                .hint("`capture-hook check MERGE_HEAD` fetches lists of files that are not here; then again"),
            Self::Resolve(error) => error.explain(),
            Self::Sync(error) => error.explain(),
            Self::Project(error) => error.explain(),
        }
    }
}

/// What to type to settle a run.
#[must_use]
pub fn how_to_settle(run: &RunKey) -> String {
    format!("`capture-hook resolve {} --ours`, `--theirs` or `--both` settles it", quoted(run.to_string()))
}

/// What became of a conflict.
#[derive(Debug)]
pub struct Settled {
    /// The run that was settled.
    pub run: RunKey,
    /// The name that the other side's files of it have, where both are kept.
    pub kept_as: Option<RunKey>,
    /// The runs that are disputed still.
    pub disputed: Vec<RunKey>,
    /// What else in `dvc.lock` both sides changed.
    pub others: Vec<Clash>,
    /// What the merged `dvc.lock` says; `None` while it is in conflict.
    pub locked: Option<Locked>,
}

/// The three sides of `dvc.lock` in conflict, and what was decided of them.
struct Conflict {
    sides: [Vec<u8>; 3],
    /// The blobs of the current side and the other, which tell one conflict from another.
    name: String,
}

impl Project {
    /// Settles one run of a `dvc.lock` in conflict. The last one writes and stages the file, and brings the workspace along.
    pub fn settle(&mut self, cwd: &Path, query: &str, choice: Choice, hear: &dyn Hear) -> Result<Settled, SettleError> {
        let conflict = self.conflict()?;
        let run = self.disputed_run(cwd, query, &conflict)?;
        let mut runs = self.decided(&conflict)?;
        runs.insert(run.clone(), choice);
        let merged = self.merge_sides(&conflict, runs.clone())?;
        let kept = merged.kept.iter().find(|(of, _)| *of == run).map(|(_, name)| name.clone());
        let (disputed, others) = disputed(&merged.clashes);
        let mut settled = Settled { run, kept_as: kept, disputed, others, locked: None };
        if !merged.clashes.is_empty() {
            self.note(&conflict, &runs)?;
            return Ok(settled);
        }
        let before = self.file(&Source::WorkTree, lockfile::FILE)?;
        self.files().write_atomic(lockfile::FILE, &merged.bytes)?;
        if let Err(error) = self.repo.stage(&[self.git_path(lockfile::FILE)], &|line| hear.status(line)) {
            if let Some(before) = before {
                self.files().write_atomic(lockfile::FILE, &before)?;
            }
            return Err(error.into());
        }
        fs::remove_all(&self.mark(NOTE))?;
        settled.locked = self.locked(&Source::WorkTree)?;
        self.bring_along(&settled, hear)?;
        Ok(settled)
    }

    fn conflict(&self) -> Result<Conflict, SettleError> {
        let path = self.git_path(lockfile::FILE);
        let of_lock = |undone| -> Result<Vec<(u8, Entry)>, GitError> {
            let all = self.repo.conflicts(undone)?.into_iter();
            Ok(all.filter(|(file, ..)| file == Path::new(&path)).map(|(_, stage, entry)| (stage, entry)).collect())
        };
        let stages = of_lock(false)?;
        if stages.is_empty() {
            return Err(SettleError::NoConflict { undone: !of_lock(true)?.is_empty() });
        }
        let entry = |wanted: u8| stages.iter().find(|(stage, _)| *stage == wanted).map(|(_, entry)| entry);
        let bytes = |wanted: u8| -> Result<Vec<u8>, SettleError> {
            let Some(entry) = entry(wanted) else { return Ok(Vec::new()) };
            let refused = match self.repo.blob_size(&entry.id)? {
                _ if !entry.is_file() => Refused::Link(path.clone().into()),
                size if size > limits::LOCK => Refused::TooLarge(limits::LOCK),
                _ => return Ok(self.repo.blob(&entry.id)?),
            };
            Err(FsError { action: "read", path: path.clone().into(), source: refused.into() }.into())
        };
        let id = |stage: u8| entry(stage).map_or("-", |entry| entry.id.as_str());
        Ok(Conflict { name: format!("{} {}", id(2), id(3)), sides: [bytes(1)?, bytes(2)?, bytes(3)?] })
    }

    /// Merges the sides with these decisions.
    fn merge_sides(&self, conflict: &Conflict, runs: BTreeMap<RunKey, Choice>) -> Result<Merged, SettleError> {
        const MARKER: usize = 7;
        let [base, ours, theirs] = &conflict.sides;
        let selected = self.wanted(&Source::WorkTree).ok().flatten().and_then(|wanted| wanted.run_dir);
        let selects =
            |side: &[u8]| selected.is_some() && Lock::parse(side).is_ok_and(|l| l.run_dir() == selected.as_deref());
        let prefer = if selects(theirs) && !selects(ours) { Prefer::Theirs } else { Prefer::Ours };
        let decided = Decided { runs, ..Decided::default() };
        let (ours_name, theirs_name) = ("ours", "theirs");
        let sides = Sides { base, ours, theirs, ours_name, theirs_name, marker: MARKER, prefer, decided: &decided };
        self.unite(&sides).map_err(|why| SettleError::NotMerged { why })
    }

    /// The run that a name means among those that both sides changed.
    fn disputed_run(&self, cwd: &Path, query: &str, conflict: &Conflict) -> Result<RunKey, SettleError> {
        let (disputed, others) = disputed(&self.merge_sides(conflict, BTreeMap::new())?.clashes);
        let found = match resolve(RunQuery { text: query, cwd }, &disputed, |_| false, |_| StartTime::default()) {
            Ok(ResolvedRun::Run(run) | ResolvedRun::RunAt(run)) => Some(run.clone()),
            Ok(ResolvedRun::Dir(dir)) => RunDir::read(&dir).key.filter(|run| disputed.contains(run)),
            Ok(ResolvedRun::Tag(_)) | Err(ResolveError::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        found.ok_or_else(|| SettleError::NotDisputed { query: query.to_owned(), disputed, others })
    }

    /// What was decided of this conflict before.
    fn decided(&self, conflict: &Conflict) -> Result<BTreeMap<RunKey, Choice>, SettleError> {
        let bytes = fs::read_optional(&self.mark(NOTE))?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        if lines.next() != Some(conflict.name.as_str()) {
            return Ok(BTreeMap::new());
        }
        let decision = |line: &str| {
            let (choice, run) = line.split_once(' ')?;
            let choice = CHOICES.iter().find(|(_, name)| *name == choice)?.0;
            Some((run.parse().ok()?, choice))
        };
        Ok(lines.filter_map(decision).collect())
    }

    fn note(&self, conflict: &Conflict, runs: &BTreeMap<RunKey, Choice>) -> Result<(), SettleError> {
        let line = |(run, choice): (&RunKey, &Choice)| format!("{} {run}\n", name(*choice));
        let text = format!("{}\n{}", conflict.name, runs.iter().map(line).collect::<String>());
        Ok(fs::write_atomic(&self.mark(NOTE), text.as_bytes())?)
    }

    /// The workspace follows, so that DVC's views show the selected run as it was settled.
    fn bring_along(&mut self, settled: &Settled, hear: &dyn Hear) -> Result<(), SettleError> {
        let Some(locked) = &settled.locked else { return Ok(()) };
        match self.sync(Reach::Limited, hear)? {
            Synced::Left { what: why } | Synced::Missing { why } => {
                hear.warn(&format!("the merged dataset is not in the workspace: {why}"));
                hear.hint("`capture-hook pull` brings it");
            }
            Synced::Unsaved { kept } => {
                hear.warn(&format!("left as they are, with edits that DVC has not saved: {}", kept.join(", ")));
            }
            Synced::Nothing | Synced::Done { .. } | Synced::Partly { .. } | Synced::Refused { .. } => {}
        }
        let listing = self.listing(locked.version)?;
        let shown = self.selected_run(locked, listing.as_ref()).filter(|run| *run == settled.run);
        let out_dir = self.root.join(&locked.out_dir);
        if let Some(run) = shown.filter(|run| run.under(&out_dir).join(STEPS_PARQUET).is_file())
            && self.workspace_is_at(Some(locked.version))?
        {
            metrics_files::write(&self.root, &out_dir, &run)?;
            let paths = self.views_to_stage()?;
            self.repo.stage(&paths, &|line| hear.status(line))?;
        }
        Ok(())
    }
}

const CHOICES: [(Choice, &str); 3] = [(Choice::Ours, "ours"), (Choice::Theirs, "theirs"), (Choice::Both, "both")];

/// How a choice is written.
#[must_use]
pub fn name(choice: Choice) -> &'static str {
    CHOICES.iter().find(|(known, _)| *known == choice).map_or("ours", |(_, name)| name)
}

/// The runs among what clashed, and the rest.
fn disputed(clashes: &[Clash]) -> (Vec<RunKey>, Vec<Clash>) {
    let (mut runs, mut others) = (Vec::new(), Vec::new());
    for clash in clashes {
        match clash {
            Clash::Run(run) => runs.push(run.clone()),
            other => others.push(other.clone()),
        }
    }
    (runs, others)
}

//! Why a commit stops, in words, and what to type next.

use super::{ALLOW_LOSS, TRUST_SETTING};
use crate::dvc::engine::EngineError;
use crate::dvc::fetch::FetchError;
use crate::dvc::listing::Refusal;
use crate::dvc::program::ProgramError;
use crate::dvc::stage::Unversioned;
use crate::error::{ExitKind, Explain};
use crate::git::{GitError, HidingFlag};
use crate::ingest;
use crate::project::ProjectError;
use crate::project::retrieve::RetrieveError;
use crate::project::sync::SyncError;
use crate::run::RunKey;
use crate::run::layout::slash_hint;
use crate::support::fs::FsError;
use crate::support::process::quoted;
use crate::validate::{self, OptionsError, Report, ScanError};

/// Why a commit stops.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The working tree and the index disagree about the selection.
    #[error("params.yaml selects {} in the working tree, but what is staged selects {}", said(work), said(staged))]
    Selection {
        /// Staged.
        staged: Option<String>,
        /// In the working tree.
        work: Option<String>,
    },
    /// The working tree and the index disagree about the stage.
    #[error("the stage `capture_ingest` in the working tree is not the staged one")]
    Stage,
    /// The working tree's settings and the staged ones disagree about what goes into the dataset.
    #[error("ingest.include of capture-hook.toml in the working tree is not the staged one")]
    Include,
    /// The stage depends on a setting that is nowhere.
    #[error("dvc.yaml depends on ingest.include, and capture-hook.toml does not hold it: DVC refuses to run")]
    IncludeMissing,
    /// The working tree's `dvc.lock` holds changes of other stages that are not staged.
    #[error("dvc.lock holds changes of other stages that are not staged")]
    OtherStages,
    /// The stage's settings keep DVC from versioning anything.
    #[error(transparent)]
    Unversioned(#[from] Unversioned),
    /// No run is selected.
    #[error("no run is selected")]
    NothingSelected,
    /// The selected run is not there.
    #[error("the selected run {run_dir} is not there")]
    NoRun {
        /// As `params.yaml` names it.
        run_dir: String,
    },
    /// The selected run is invalid.
    #[error("the selected run {} is invalid{}", report.run_dir, findings(report))]
    Invalid {
        /// What is wrong.
        report: Box<Report>,
    },
    /// The stage runs a command that nobody has trusted here.
    #[error("the stage `capture_ingest` runs `{cmd}`, which is not `capture-hook ingest`")]
    Untrusted {
        /// The command.
        cmd: String,
    },
    /// The commit would drop runs from the dataset.
    #[error("the dataset would lose {}", list(runs))]
    Lost {
        /// Which.
        runs: Vec<RunKey>,
    },
    /// The merge would drop runs that a merged branch, or HEAD, holds.
    #[error("the merge would lose {}", list(runs))]
    LostInMerge {
        /// Which.
        runs: Vec<RunKey>,
        /// Whether `dvc.lock` was in conflict and was settled, which git can undo.
        was_in_conflict: bool,
    },
    /// The commit would change other runs.
    #[error("the dataset in the workspace differs from the committed one in {}", list(runs))]
    Changed {
        /// Which.
        runs: Vec<RunKey>,
    },
    /// What HEAD's data version holds is not known here.
    #[error("this clone does not have the committed data version {version}, so runs could get lost")]
    Unknown {
        /// The data version.
        version: String,
    },
    /// What a side of the merge holds is not known here.
    #[error("this clone does not have data version {version} of a side of the merge, so runs could get lost")]
    UnknownInMerge {
        /// The data version.
        version: String,
    },
    /// The committed runs cannot all be brought into the workspace.
    #[error("not every committed run can be brought into the workspace, so runs could get lost: {why}")]
    NotHere {
        /// Why not.
        why: String,
        /// What to do.
        advice: String,
    },
    /// The commit would bring something to the dataset that no clone checks out.
    #[error("the dataset would hold what no clone checks out: {refusal}")]
    Refused {
        /// What.
        refusal: Refusal,
    },
    /// Git tracks the dataset's files as well.
    #[error("{out_dir} is tracked by git too, and DVC versions only what git does not")]
    TrackedByGit {
        /// The dataset, relative to the top of the working tree.
        out_dir: String,
    },
    /// DVC did its work, but `dvc.lock` does not hold the run.
    #[error("`dvc repro` went well, but dvc.lock does not hold {run_dir}")]
    NotLocked {
        /// As `params.yaml` names it.
        run_dir: String,
    },
    /// A committed run's files, which it keeps, cannot be had.
    #[error("{run} is committed already, and its committed files cannot be had")]
    Committed {
        /// The run.
        run: RunKey,
        /// Why not.
        source: Box<RetrieveError>,
    },
    /// The data version lacks files that ingest wrote.
    #[error("the data version would lack {} of {run}: DVC ignores {}{}", few(files), if files.len() == 1 { "it" } else { "them" }, by(rules))]
    LeftOut {
        /// The run.
        run: RunKey,
        /// The files, relative to the project.
        files: Vec<String>,
        /// The rules that leave them out: `.dvcignore:3:*.gz`.
        rules: Vec<String>,
    },
    /// A rule keeps a file out of git that the commit needs.
    #[error("git ignores {file} ({rule}), so {}", if *tracked { "DVC refuses to work with it" } else { "no commit can hold it" })]
    Ignored {
        /// Relative to the top of the working tree.
        file: String,
        /// The rule: `.gitignore:3:*.lock`.
        rule: String,
        /// Whether git tracks it all the same.
        tracked: bool,
    },
    /// A flag of the index hides a file that the commit needs.
    #[error("{file} has the flag {} in git's index, so git does not see how it differs", flag.name())]
    Hidden {
        /// Relative to the top of the working tree.
        file: String,
        /// Which.
        flag: HidingFlag,
        /// Whether the working tree is a sparse one, where git sets the flag by itself.
        sparse: bool,
    },
    /// DVC.
    #[error(transparent)]
    Dvc(#[from] ProgramError),
    /// The native engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Ingest, in the native engine.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    /// The list of files of the committed data version.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The committed runs could not be brought into the workspace.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// Validation could not be done.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// Settings of validation.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

impl From<GitError> for Stop {
    fn from(error: GitError) -> Self {
        Self::Project(error.into())
    }
}

impl From<FsError> for Stop {
    fn from(error: FsError) -> Self {
        Self::Project(error.into())
    }
}

fn said(selection: &Option<String>) -> String {
    selection.as_ref().map_or_else(|| "no run".into(), |dir| dir.escape_debug().to_string())
}

fn list(runs: &[RunKey]) -> String {
    const SHOWN: usize = 5;
    let names: Vec<String> = runs.iter().take(SHOWN).map(|key| key.to_string().escape_debug().to_string()).collect();
    let more = runs.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} {}{more}", if runs.len() == 1 { "the run" } else { "the runs" }, names.join(", "))
}

/// The first few of a list.
fn few(files: &[String]) -> String {
    const SHOWN: usize = 3;
    let names: Vec<String> = files.iter().take(SHOWN).map(|file| file.escape_debug().to_string()).collect();
    match files.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

fn by(rules: &[String]) -> String {
    if rules.is_empty() { String::new() } else { format!(" ({})", few(rules)) }
}

/// The errors of a report, a line each: file, line, code and reason.
fn findings(report: &Report) -> String {
    let mut text = String::new();
    for finding in report.findings.iter().filter(|f| f.severity == validate::Severity::Error) {
        let file = finding.file.as_deref().unwrap_or("run");
        let line = finding.line.map(|n| format!(":{n}")).unwrap_or_default();
        text.push_str(&format!("\n    {file}{line}: {}: {}", finding.code.as_str(), finding.message));
        if finding.count > 1 {
            text.push_str(&format!(" (1 of {})", finding.count));
        }
    }
    text
}

impl Explain for Stop {
    fn kind(&self) -> ExitKind {
        match self {
            Self::Invalid { .. }
            | Self::Lost { .. }
            | Self::LostInMerge { .. }
            | Self::Changed { .. }
            | Self::Unknown { .. }
            | Self::UnknownInMerge { .. }
            | Self::NotHere { .. }
            | Self::Refused { .. } => ExitKind::CheckFailed,
            Self::Selection { .. }
            | Self::Stage
            | Self::Include
            | Self::IncludeMissing
            | Self::OtherStages
            | Self::NothingSelected
            | Self::NoRun { .. } => ExitKind::Setup,
            Self::Untrusted { .. } | Self::TrackedByGit { .. } | Self::LeftOut { .. } => ExitKind::Setup,
            Self::Ignored { .. } | Self::Hidden { .. } => ExitKind::Setup,
            Self::NotLocked { .. } => ExitKind::Program,
            Self::Committed { source, .. } => source.kind(),
            Self::Unversioned(error) => error.kind(),
            Self::Dvc(error) => error.kind(),
            Self::Engine(error) => error.kind(),
            Self::Ingest(error) => error.kind(),
            Self::Fetch(error) => error.kind(),
            Self::Sync(error) => error.kind(),
            Self::Scan(error) => error.kind(),
            Self::Options(error) => error.kind(),
            Self::Project(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Selection { .. } => "selection_differs",
            Self::Stage => "stage_differs",
            Self::Include => "settings_differ",
            Self::IncludeMissing => "setting_missing",
            Self::OtherStages => "lock_differs",
            Self::NothingSelected => "no_run_selected",
            Self::NoRun { .. } => "no_such_run",
            Self::Invalid { .. } => "invalid_run",
            Self::Untrusted { .. } => "untrusted_stage",
            Self::Lost { .. } | Self::LostInMerge { .. } => "runs_lost",
            Self::Changed { .. } => "runs_changed",
            Self::Unknown { .. } | Self::UnknownInMerge { .. } => "data_version_unknown",
            Self::NotHere { .. } => "runs_not_here",
            Self::Refused { .. } => "unsafe_path",
            Self::TrackedByGit { .. } => "tracked_by_git",
            Self::NotLocked { .. } => "not_locked",
            Self::Committed { source, .. } => source.code(),
            Self::LeftOut { .. } => "ignored_by_dvc",
            Self::Ignored { .. } => "ignored_by_git",
            Self::Hidden { .. } => "hidden_from_git",
            Self::Unversioned(error) => error.code(),
            Self::Dvc(error) => error.code(),
            Self::Engine(error) => error.code(),
            Self::Ingest(error) => error.code(),
            Self::Fetch(error) => error.code(),
            Self::Sync(error) => error.code(),
            Self::Scan(error) => error.code(),
            Self::Options(error) => error.code(),
            Self::Project(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Selection { .. } => vec![
                "to commit the working tree's selection: `git add params.yaml`".into(),
                "to commit the staged one: `git restore params.yaml`".into(),
            ],
            Self::Stage => vec!["stage it with `git add dvc.yaml`, or put it back with `git restore dvc.yaml`".into()],
            Self::Include => vec![
                "stage it with `git add capture-hook.toml`, or put it back with `git restore capture-hook.toml`".into(),
            ],
            Self::IncludeMissing => {
                vec!["set it: `capture-hook config set ingest.include ''` takes no files beside the recorder's".into()]
            }
            Self::OtherStages => {
                vec!["stage them with `git add dvc.lock`, or put it back with `git restore dvc.lock`".into()]
            }
            Self::NoRun { run_dir } if run_dir.contains('\\') => slash_hint(run_dir).into_iter().collect(),
            Self::NothingSelected | Self::NoRun { .. } => vec![
                "select a run that is there: `capture-hook runs` lists them, `capture-hook select RUN` selects".into(),
            ],
            Self::Invalid { report } => vec![
                format!("`capture-hook validate {}` shows everything", quoted(&report.run_dir)),
                "select another run: `capture-hook select RUN`; nothing was changed".into(),
            ],
            Self::Untrusted { cmd } => vec![
                "hooks run no other command of a repository unasked".into(),
                format!("if you trust it here: `git config {TRUST_SETTING} {}`", quoted(cmd)),
            ],
            Self::Lost { .. } => vec![
                "bring them back: `git restore --source=HEAD --staged --worktree dvc.lock`, then `capture-hook pull`"
                    .into(),
                format!("to drop them on purpose: `git -c {ALLOW_LOSS}=true commit`"),
            ],
            Self::LostInMerge { was_in_conflict, .. } => vec![
                if *was_in_conflict {
                    "bring the conflict back: `git checkout -m -- dvc.lock`; then `capture-hook resolve RUN --ours` (or \
                     `--theirs`, `--both`) settles the run that both sides changed, and keeps every other"
                        .into()
                } else {
                    "merge again, without `-s ours`: `git merge --abort` ends this merge first".into()
                },
                format!("to drop them on purpose: `git -c {ALLOW_LOSS}=true commit`"),
            ],
            Self::Changed { .. } => vec![
                "to put them back, remove their folders from the dataset, then `capture-hook pull`".into(),
                "or give the changed run another id and record it anew".into(),
                format!("to commit the change on purpose: `dvc commit`, then `git -c {ALLOW_LOSS}=true commit`"),
            ],
            Self::Unknown { .. } => vec!["bring it here: `capture-hook pull`, then run the same command again".into()],
            Self::UnknownInMerge { .. } => vec![
                "fetch the lists of files: `capture-hook check MERGE_HEAD`; then run the same command again".into(),
                format!("to go on without knowing: `git -c {ALLOW_LOSS}=true commit`"),
            ],
            Self::NotHere { advice, .. } => vec![advice.clone()],
            Self::Refused { .. } => {
                vec!["give it another name, or take it out of the dataset's directory, then `dvc commit` and commit again".into()]
            }
            Self::TrackedByGit { out_dir } => vec![
                format!("take it out of git, the files stay: `git rm -r --cached {}`", quoted(out_dir)),
                "then commit again; it stays out, for init has it ignored".into(),
            ],
            Self::NotLocked { .. } => vec!["`dvc repro -s capture_ingest` shows what DVC makes of the stage".into()],
            Self::Committed { run, source } => {
                let run = quoted(run.to_string());
                let anew = format!("to have them written anew instead: `capture-hook publish --force {run}`");
                source.hints().into_iter().chain([anew]).collect()
            }
            Self::LeftOut { rules, .. } => {
                let file = rules.first().and_then(|rule| rule.split_once(':')).map_or(".dvcignore", |(file, _)| file);
                vec![format!(
                    "take the rule out of {}, or add a line that excepts the run's files; nothing was changed",
                    quoted(file)
                )]
            }
            Self::Ignored { file, rule, .. } => {
                let (name, by) = (file.rsplit('/').next().unwrap_or(file), rule.split(':').next().unwrap_or_default());
                let dir = file.strip_suffix(name).unwrap_or_default();
                vec![format!(
                    "add the line `!/{name}` to {} (`capture-hook init` does), or take the rule out of {}; nothing was changed",
                    quoted(format!("{dir}.gitignore")),
                    quoted(by)
                )]
            }
            Self::Hidden { file, sparse: true, .. } => {
                let dir = file.rsplit_once('/').map_or(file.as_str(), |(dir, _)| dir);
                vec![format!("check it out: `git sparse-checkout add {}`", quoted(dir))]
            }
            Self::Hidden { file, flag, .. } => {
                vec![format!("take it away: `git update-index --no-{} {}`", flag.name(), quoted(file))]
            }
            Self::Unversioned(error) => error.hints(),
            Self::Dvc(error) => error.hints(),
            Self::Engine(error) => error.hints(),
            Self::Ingest(error) => error.hints(),
            Self::Fetch(error) => error.hints(),
            Self::Sync(error) => error.hints(),
            Self::Scan(error) => error.hints(),
            Self::Options(error) => error.hints(),
            Self::Project(error) => error.hints(),
        }
    }
}

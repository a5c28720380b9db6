//! Why a commit is refused, and what to do then.

use super::{ALLOW_LOSS, TRUST_SETTING};
use crate::dataset::agreement::{ALLOW_SCHEMA_CHANGE, RunDisagreement};
use crate::dataset::get::GetError;
use crate::dataset::native::NativeError;
use crate::dataset::runs::RefusedPath;
use crate::dataset::stage::UnversionedDataset;
use crate::dvc::program::ProgramError;
use crate::dvc::remote::fetch::FetchError;
use crate::error::ExitKind::{CheckFailed, Program, Setup};
use crate::error::{Explain, Explanation};
use crate::git::{GitError, HidingFlag};
use crate::project::ProjectError;
use crate::run::RunKey;
use crate::run::infer::infer_hints;
use crate::run::layout::slash_hint;
use crate::support::fs::FsError;
use crate::support::process::shell_quote;
use crate::sync::SyncError;
use crate::validate::{OptionsError, ScanError, ValidationReport};
use crate::{ingest, validate};

/// Why a commit stops.
#[derive(Debug, thiserror::Error)]
pub enum CommitRefused {
    /// The working tree and the index disagree about the selection.
    #[error(
        "params.yaml selects {} in the working tree, but {} in the index",
        describe_selection(work),
        describe_selection(staged)
    )]
    Selection {
        /// Staged.
        staged: Option<String>,
        /// In the working tree.
        work: Option<String>,
    },
    /// The working tree and the index disagree about the stage.
    #[error("the stage `capture_ingest` in the working tree differs from the staged one")]
    Stage,
    /// The working tree's settings and the staged ones differ in what is put into the dataset.
    #[error("ingest.include in capture-hook.toml in the working tree differs from the staged one")]
    Include,
    /// The stage depends on a setting that is nowhere.
    #[error("dvc.yaml depends on ingest.include, but capture-hook.toml lacks it, so DVC refuses to run")]
    IncludeMissing,
    /// The working tree's `dvc.lock` holds changes of other stages that are not staged.
    #[error("dvc.lock has unstaged changes of other stages")]
    OtherStages,
    /// The stage's settings keep DVC from versioning anything.
    #[error(transparent)]
    Unversioned(#[from] UnversionedDataset),
    /// No run is selected.
    #[error("no run is selected")]
    NothingSelected,
    /// The selected run does not exist.
    #[error("the selected run {run_dir} does not exist")]
    NoSuchRun {
        /// As `params.yaml` names it.
        run_dir: String,
    },
    /// The selected run is invalid.
    #[error("the selected run {} is invalid{}", report.run_dir, report.list_errors())]
    Invalid {
        /// What is wrong.
        report: Box<ValidationReport>,
    },
    /// The stage runs a command that the user has not trusted here.
    #[error("the stage `capture_ingest` runs `{cmd}`, which is not `capture-hook ingest`")]
    Untrusted {
        /// The command.
        cmd: String,
    },
    /// The commit would drop runs from the dataset.
    #[error("the dataset would lose {}", list_runs(runs))]
    Lost {
        /// Which.
        runs: Vec<RunKey>,
    },
    /// The merge would drop runs that a merged branch, or HEAD, holds.
    #[error("the merge would lose {}", list_runs(runs))]
    LostInMerge {
        /// Which.
        runs: Vec<RunKey>,
        /// Whether `dvc.lock` was in conflict and was settled, which git can undo.
        was_in_conflict: bool,
    },
    /// The commit would change other runs.
    #[error("the dataset in the workspace differs from the committed one in {}", list_runs(runs))]
    Changed {
        /// Which.
        runs: Vec<RunKey>,
    },
    /// The commit would unite runs of one experiment that do not agree about their columns.
    #[error("{}", describe_schema_conflicts(conflicts))]
    SchemaConflict {
        /// Each two runs that do not agree; not empty.
        conflicts: Vec<RunDisagreement>,
    },
    /// What HEAD's data version holds is not known here.
    #[error("this clone lacks the committed data version {version}, so a lost run cannot be noticed")]
    Unknown {
        /// The data version.
        version: String,
    },
    /// What a side of the merge holds is not known here.
    #[error("this clone lacks data version {version} of a side of the merge, so a lost run cannot be noticed")]
    UnknownInMerge {
        /// The data version.
        version: String,
    },
    /// The committed runs cannot all be checked out.
    #[error("cannot check out all committed runs, so the commit would lose runs: {why}")]
    NotInWorkspace {
        /// Why not.
        why: String,
        /// What to do.
        advice: String,
    },
    /// The commit would add something to the dataset that no clone checks out.
    #[error("the dataset would hold a path that cannot be checked out: {refusal}")]
    Refused {
        /// What.
        refusal: RefusedPath,
    },
    /// Git tracks the dataset's files as well.
    #[error("{out_dir} is tracked by git too; DVC cannot version files that git tracks")]
    TrackedByGit {
        /// The dataset, relative to the top of the working tree.
        out_dir: String,
    },
    /// DVC did its work, but `dvc.lock` does not hold the run.
    #[error("`dvc repro` succeeded, but dvc.lock does not hold {run_dir}")]
    NotInLockfile {
        /// As `params.yaml` names it.
        run_dir: String,
    },
    /// A committed run's files, which it keeps, cannot be fetched.
    #[error("{run} is already committed, but its committed files cannot be fetched")]
    Committed {
        /// The run.
        run: RunKey,
        /// Why not.
        source: Box<GetError>,
    },
    /// The data version lacks files that ingest wrote.
    #[error("the data version would lack {} of {run}: DVC ignores {}{}", list_few(files), if files.len() == 1 { "it" } else { "them" }, describe_rules(rules))]
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
        /// Whether git tracks it although it is ignored.
        tracked: bool,
    },
    /// A flag of the index hides a file that the commit needs.
    #[error("{file} has the flag {} in git's index, so git does not see how it differs", flag.name())]
    Hidden {
        /// Relative to the top of the working tree.
        file: String,
        /// Which.
        flag: HidingFlag,
        /// Whether the working tree is a sparse one, in which git sets the flag by itself.
        sparse: bool,
    },
    /// DVC.
    #[error(transparent)]
    Dvc(#[from] ProgramError),
    /// The native engine.
    #[error(transparent)]
    Engine(#[from] NativeError),
    /// Ingest, in the native engine.
    #[error(transparent)]
    Ingest(#[from] ingest::IngestError),
    /// The file list of the committed data version.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The committed runs could not be checked out.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

impl From<GitError> for CommitRefused {
    fn from(error: GitError) -> Self {
        Self::Project(error.into())
    }
}

impl From<ScanError> for CommitRefused {
    fn from(error: ScanError) -> Self {
        Self::Project(error.into())
    }
}

impl From<OptionsError> for CommitRefused {
    fn from(error: OptionsError) -> Self {
        Self::Project(error.into())
    }
}

impl From<FsError> for CommitRefused {
    fn from(error: FsError) -> Self {
        Self::Project(error.into())
    }
}

fn describe_selection(selection: &Option<String>) -> String {
    selection.as_ref().map_or_else(|| "no run".into(), |dir| dir.escape_debug().to_string())
}

fn list_runs(runs: &[RunKey]) -> String {
    const SHOWN: usize = 5;
    let names: Vec<String> = runs.iter().take(SHOWN).map(|key| key.to_string().escape_debug().to_string()).collect();
    let more = runs.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} {}{more}", if runs.len() == 1 { "the run" } else { "the runs" }, names.join(", "))
}

fn describe_schema_conflicts(conflicts: &[RunDisagreement]) -> String {
    let first = conflicts.first().map(ToString::to_string).unwrap_or_default();
    match conflicts.len().saturating_sub(1) {
        0 => first,
        more => format!("{first}; nor do {more} more pairs of runs"),
    }
}

/// The first few of a list.
fn list_few(files: &[String]) -> String {
    const SHOWN: usize = 3;
    let names: Vec<String> = files.iter().take(SHOWN).map(|file| file.escape_debug().to_string()).collect();
    match files.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

fn describe_rules(rules: &[String]) -> String {
    if rules.is_empty() { String::new() } else { format!(" ({})", list_few(rules)) }
}

impl Explain for CommitRefused {
    /// Over 80 lines, because every refusal with its code and its ways out is one table.
    fn explain(&self) -> Explanation {
        match self {
            Self::Selection { .. } => Setup
                .code("selection_differs")
                .hint("to commit the working tree's selection: `git add params.yaml`")
                .hint("to commit the staged one: `git restore params.yaml`"),
            Self::Stage => Setup
                .code("stage_differs")
                .hint("stage it with `git add dvc.yaml`, or restore it with `git restore dvc.yaml`"),
            Self::Include => Setup
                .code("settings_differ")
                .hint("stage it with `git add capture-hook.toml`, or restore it with `git restore capture-hook.toml`"),
            Self::IncludeMissing => {
                Setup.code("setting_missing").hint("set it (to no files): `capture-hook config set ingest.include ''`")
            }
            Self::OtherStages => Setup
                .code("lock_differs")
                .hint("stage them with `git add dvc.lock`, or restore it with `git restore dvc.lock`"),
            Self::NothingSelected => Setup.code("no_run_selected").hint(SELECT_A_RUN),
            Self::NoSuchRun { run_dir } => {
                Setup.code("no_such_run").hint(slash_hint(run_dir).unwrap_or_else(|| SELECT_A_RUN.into()))
            }
            Self::Invalid { report } if report.errors.contains(&validate::Code::MissingSchema) => {
                CheckFailed.code("invalid_run").hints(infer_hints(&report.run_dir))
            }
            Self::Invalid { report } => CheckFailed
                .code("invalid_run")
                .hint(format!("see all findings: `capture-hook validate {}`", shell_quote(&report.run_dir)))
                .hint("or select another run: `capture-hook select RUN`; nothing was changed")
                .hint(
                    "to commit the rest without it: `git restore --staged --worktree params.yaml`, then commit again",
                ),
            Self::Untrusted { cmd } => Setup
                .code("untrusted_stage")
                .hint("hooks run no other command from a repository unless you trust it")
                .hint(format!("if you trust it here: `git config {TRUST_SETTING} {}`", shell_quote(cmd))),
            Self::Lost { runs } => CheckFailed
                .code("runs_lost")
                .hint(
                    "restore them: `git restore --source=HEAD --staged --worktree dvc.lock`, then `capture-hook \
                     pull`",
                )
                .hint(remove_on_purpose(runs)),
            Self::LostInMerge { was_in_conflict, .. } => lost_in_merge(*was_in_conflict),
            Self::Changed { .. } => CheckFailed
                .code("runs_changed")
                .hint("restore them: remove their folders from the dataset, then run `capture-hook pull`")
                .hint("or record the changed run again under another id")
                .hint(format!("to commit the change on purpose: `dvc commit`, then `git -c {ALLOW_LOSS}=true commit`")),
            Self::SchemaConflict { .. } => CheckFailed
                .code("schema_conflict")
                .hint("record the new run as another experiment, or give the column another name")
                .hint(format!("to commit the change on purpose: `git -c {ALLOW_SCHEMA_CHANGE}=true commit`")),
            Self::Unknown { .. } => CheckFailed
                .code("data_version_unknown")
                .hint("run `capture-hook pull`, then run the same command again"),
            Self::UnknownInMerge { .. } => CheckFailed
                .code("data_version_unknown")
                .hint("fetch the file lists with `capture-hook check MERGE_HEAD`, then run the same command again")
                .hint(format!("to commit anyway: `git -c {ALLOW_LOSS}=true commit`")),
            Self::NotInWorkspace { advice, .. } => CheckFailed.code("runs_not_here").hint(advice),
            Self::Refused { .. } => CheckFailed
                .code("unsafe_path")
                .hint("rename it, or move it out of the dataset's directory, then run `dvc commit` and commit again"),
            Self::TrackedByGit { out_dir } => Setup
                .code("tracked_by_git")
                .hint(format!("remove it from git, but keep the files: `git rm -r --cached {}`", shell_quote(out_dir)))
                .hint("then commit again; git ignores it from then on"),
            Self::NotInLockfile { .. } => {
                Program.code("not_locked").hint("see how DVC runs the stage: `dvc repro -s capture_ingest`")
            }
            Self::Committed { run, source } => {
                let run = shell_quote(run.to_string());
                source.explain().hint(format!("to ingest it again instead: `capture-hook publish --force {run}`"))
            }
            Self::LeftOut { rules, .. } => Setup.code("ignored_by_dvc").hint(except_from_dvcignore(rules)),
            Self::Ignored { file, rule, .. } => Setup.code("ignored_by_git").hint(except_from_gitignore(file, rule)),
            Self::Hidden { file, flag, sparse } => {
                Setup.code("hidden_from_git").hint(show_to_git(file, *flag, *sparse))
            }
            Self::Unversioned(error) => error.explain(),
            Self::Dvc(error) => error.explain(),
            Self::Engine(error) => error.explain(),
            Self::Ingest(error) => error.explain(),
            Self::Fetch(error) => error.explain(),
            Self::Sync(error) => error.explain(),
            Self::Project(error) => error.explain(),
        }
    }
}

const SELECT_A_RUN: &str = "select an existing run: `capture-hook select RUN` (`capture-hook runs` lists them)";

fn lost_in_merge(was_in_conflict: bool) -> Explanation {
    let lost = CheckFailed.code("runs_lost");
    let lost = if was_in_conflict {
        lost.hint(
            "restore the conflict with `git checkout -m -- dvc.lock`, then run `capture-hook resolve RUN --ours` (or `--theirs`, \
             `--both`)",
        )
    } else {
        lost.hint("end this merge with `git merge --abort`, then merge again without `-s ours`")
    };
    lost.hint(drop_on_purpose())
}

fn remove_on_purpose(runs: &[RunKey]) -> String {
    // More names would hide the rest of the message.
    const MOST: usize = 3;
    let names: Vec<String> = match runs.len() {
        1..=MOST => runs.iter().map(|run| shell_quote(run.to_string())).collect(),
        _ => vec!["RUN…".into()],
    };
    format!("to remove them on purpose, after that: `capture-hook remove {}`", names.join(" "))
}

fn drop_on_purpose() -> String {
    format!("to drop them on purpose: `git -c {ALLOW_LOSS}=true commit`")
}

fn except_from_dvcignore(rules: &[String]) -> String {
    let file = rules.first().and_then(|rule| rule.split_once(':')).map_or(".dvcignore", |(file, _)| file);
    format!("remove the rule from {}, or add an exception for the run's files; nothing was changed", shell_quote(file))
}

fn except_from_gitignore(file: &str, rule: &str) -> String {
    let (name, by) = (file.rsplit('/').next().unwrap_or(file), rule.split(':').next().unwrap_or_default());
    let dir = file.strip_suffix(name).unwrap_or_default();
    format!(
        "add the line `!/{name}` to {} (`capture-hook init` does that), or remove the rule from {}; nothing was changed",
        shell_quote(format!("{dir}.gitignore")),
        shell_quote(by)
    )
}

fn show_to_git(file: &str, flag: HidingFlag, sparse: bool) -> String {
    if sparse {
        let dir = file.rsplit_once('/').map_or(file, |(dir, _)| dir);
        format!("check it out: `git sparse-checkout add {}`", shell_quote(dir))
    } else {
        format!("remove it: `git update-index --no-{} {}`", flag.name(), shell_quote(file))
    }
}

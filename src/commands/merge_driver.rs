//! `capture-hook merge-driver`: called by git to merge `dvc.lock`, `params.yaml` and the metrics files.
//!
//! Git's settings `merge.capture-lock.driver`, `….capture-params.…` and `….capture-views.…`, written by `init` and
//! `install`, name it; `.gitattributes` names those for their files. It runs at the top of the working tree. It exits
//! with 0 for a clean merge and 1 for a conflict; git would abort on an exit code over 128.

use std::path::{Path, PathBuf};

use crate::app::{App, CommandOutcome};
use crate::commit::ALLOW_SCHEMA_CHANGE;
use crate::commit::merge::{merge_and_store_lists, preferred_side};
use crate::dataset::merge;
use crate::dataset::merge::lockfile::MergeSide;
use crate::dataset::merge::{MergeInput, MergeOutcome, RemadeMerge};
use crate::error::Error;
use crate::git::{FavoredSide, GitCall, GitEntry, Oid, Repo};
use crate::project::{self, Project};
use crate::support::limits;

/// Which file is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum MergeTarget {
    /// `dvc.lock`
    #[value(name = "lock")]
    Lockfile,
    /// `params.yaml`
    Params,
    /// `metrics/capture.json` and the files beside it
    #[value(name = "views")]
    MetricsFiles,
}

/// Arguments of `merge-driver`: git's placeholders, in this order.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which file is merged.
    pub what: MergeTarget,
    /// %O, the common ancestor's version.
    pub base: PathBuf,
    /// %A, the current version; the result goes here.
    pub ours: PathBuf,
    /// %B, the other version.
    pub theirs: PathBuf,
    /// %L, the size of conflict markers.
    #[arg(allow_hyphen_values = true)]
    pub marker: Option<String>,
    /// %P, the path in the repository.
    #[arg(allow_hyphen_values = true)]
    pub path: Option<String>,
    /// %S %X %Y, how git calls the three versions (git 2.44 and newer).
    #[arg(allow_hyphen_values = true, num_args = 0..)]
    pub labels: Vec<String>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let outcome = match merge_files(app, args) {
        Ok(outcome) => outcome,
        Err(error) => {
            // The file is as git left it, "ours"; it stays a conflict.
            app.ui.error(&error);
            MergeOutcome { clean: false, notes: Vec::new() }
        }
    };
    for note in &outcome.notes {
        app.ui.status(&format!("capture-hook: {note}"));
    }
    Ok(if outcome.clean { CommandOutcome::Done } else { CommandOutcome::CheckFailed })
}

fn merge_files(app: &App, args: &Args) -> Result<MergeOutcome, Error> {
    // Git leaves a placeholder that it does not know as it is.
    let path = args.path.clone().filter(|p| !p.starts_with('%')).unwrap_or_else(|| match args.what {
        MergeTarget::Lockfile => project::LOCKFILE.to_owned(),
        MergeTarget::Params => project::PARAMS_FILE.to_owned(),
        MergeTarget::MetricsFiles => crate::dataset::metrics_files::METRICS.to_owned(),
    });
    let label = |at: usize, other: &str| {
        // Before 2.44, git passes `%S`, `%X` and `%Y` on literally.
        let given = args.labels.get(at).filter(|l| !l.is_empty() && !l.starts_with('%'));
        given.cloned().unwrap_or_else(|| other.to_owned())
    };
    let labels = [label(0, "base"), label(1, "ours"), label(2, "theirs")];
    let repo = Repo::open(&app.cwd, &app.env)?;
    let caller = repo.find_caller();
    let favored = favored_side(&repo, caller.as_ref());
    let preferred = preferred_side(&labels, &app.env, caller.as_ref(), repo.is_rebasing());
    // A stash that is put back at the end of a rebase is no part of its last merge.
    let is_stash = labels[0] == "Stash base" || caller.as_ref().is_some_and(|call| call.command == "stash");
    let remade = match repo.remade_merge().filter(|_| !is_stash) {
        Some(original) => Some(read_remade(&repo, &original, &path)?),
        None => None,
    };
    let files = MergeInput {
        base: app.cwd.join(&args.base),
        ours: app.cwd.join(&args.ours),
        theirs: app.cwd.join(&args.theirs),
        marker_size: args
            .marker
            .as_deref()
            // 7 is git's default (`conflict-marker-size` in gitattributes(5)); a size over 1000 is a mistake there,
            // and would write markers of any length.
            .and_then(|n| n.parse().ok())
            .filter(|n| (1..=1000).contains(n))
            .unwrap_or(7),
        is_replay: preferred == MergeSide::Theirs,
        preferred: favored.unwrap_or(preferred),
        favored,
        allows_schema_change: repo.config_bool(ALLOW_SCHEMA_CHANGE)? == Some(true),
        remade,
        path,
        labels: labels.map(display_label),
    };
    let outcome = match args.what {
        MergeTarget::Params => merge::merge_params_file(&files, &app.env)?,
        MergeTarget::MetricsFiles => merge::merge_metrics_file(&files)?,
        MergeTarget::Lockfile => {
            // Git runs the driver at the top of the working tree; the project may be in a subdirectory.
            let root = app.cwd.join(Path::new(&files.path).parent().unwrap_or(Path::new("")));
            let project = Project::at(repo, root, &app.env);
            merge::merge_lockfile(&files, &app.env, |sides| merge_and_store_lists(&project, sides))?
        }
    };
    // The virtual ancestor of a criss-cross merge gets into no commit: notes about it would mislead.
    Ok(if files.makes_virtual_ancestor() { MergeOutcome { notes: Vec::new(), ..outcome } } else { outcome })
}

/// The side that git takes of whatever both changed, by an option of the command that called the driver, or of the
/// command that began the current rebase.
fn favored_side(repo: &Repo, caller: Option<&GitCall>) -> Option<MergeSide> {
    let call = caller?;
    let rebase_option =
        || repo.rebase_options().iter().filter_map(|option| FavoredSide::from_option(option)).next_back();
    // An option of the command itself comes first. `rebase --continue` gets none: git keeps those of the start.
    let favored = call.favored_side().or_else(|| if call.command == "rebase" { rebase_option() } else { None });
    favored.map(|side| match side {
        FavoredSide::Ours => MergeSide::Ours,
        FavoredSide::Theirs => MergeSide::Theirs,
    })
}

/// A file in the merge that a rebase makes again, and in that merge's parents.
fn read_remade(repo: &Repo, merge: &Oid, path: &str) -> Result<RemadeMerge, Error> {
    let file = |commit: Option<&Oid>| -> Result<Vec<u8>, Error> {
        let entry = match commit {
            Some(commit) => repo.entry_at(commit, path)?,
            None => None,
        };
        match entry.filter(GitEntry::is_file) {
            Some(entry) if repo.blob_size(&entry.id)? <= limits::LOCKFILE => Ok(repo.read_blob(&entry.id)?),
            // As git does if a side has no file. One over the limit is not read into memory.
            _ => Ok(Vec::new()),
        }
    };
    let parents = repo.read_commit(merge)?.parents;
    Ok(RemadeMerge { merge: file(Some(merge))?, parents: [file(parents.first())?, file(parents.get(1))?] })
}

/// What a side is called, as its user knows it: a rebase keeps the branches of the merges that it makes again under
/// names of its own, and if git knows no name, it gives a commit's id.
fn display_label(label: String) -> String {
    match (label.strip_prefix("refs/rewritten/"), Oid::parse(&label)) {
        (Some(name), _) => name.to_owned(),
        (None, Some(id)) => id.short().to_owned(),
        (None, None) => label,
    }
}

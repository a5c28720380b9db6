//! `capture-hook merge-driver`: what git calls to merge `dvc.lock`, `params.yaml` and the files of DVC's views.
//!
//! Git's settings `merge.capture-lock.driver`, `….capture-params.…` and `….capture-views.…`, written by `init` and
//! `install`, name it; `.gitattributes` names those for their files. It runs at the top of the working tree. Exit 0 is a
//! clean merge, 1 a conflict; anything over 128 would stop git, and does not happen.

use std::path::{Path, PathBuf};

use crate::app::{App, Outcome};
use crate::dataset::merge;
use crate::dataset::merge::lockfile::Prefer;
use crate::dataset::merge::{Ended, Files, Remade};
use crate::error::Error;
use crate::git::{Entry, Favored, GitCall, Oid, Repo};
use crate::project::Project;
use crate::support::limits;

/// Which file is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// `dvc.lock`
    Lock,
    /// `params.yaml`
    Params,
    /// `metrics/capture.json` and the files beside it
    Views,
}

/// Arguments of `merge-driver`: git's placeholders, in this order.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which file is merged.
    pub what: What,
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
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let ended = match merge(app, args) {
        Ok(ended) => ended,
        Err(error) => {
            // The file is as git left it, "ours"; it stays a conflict.
            app.ui.error(&error);
            Ended { clean: false, notes: Vec::new() }
        }
    };
    for note in &ended.notes {
        app.ui.status(&format!("capture-hook: {note}"));
    }
    Ok(if ended.clean { Outcome::Done } else { Outcome::CheckFailed })
}

fn merge(app: &App, args: &Args) -> Result<Ended, Error> {
    let path = args.path.clone().filter(|p| !p.starts_with('%')).unwrap_or_else(|| match args.what {
        What::Lock => crate::dvc::lockfile::FILE.to_owned(),
        What::Params => crate::dvc::stage::PARAMS_FILE.to_owned(),
        What::Views => crate::dataset::metrics_files::METRICS.to_owned(),
    });
    let label = |at: usize, other: &str| {
        let given = args.labels.get(at).filter(|l| !l.is_empty() && !l.starts_with('%'));
        given.cloned().unwrap_or_else(|| other.to_owned())
    };
    let labels = [label(0, "base"), label(1, "ours"), label(2, "theirs")];
    let repo = Repo::open(&app.cwd, &app.env)?;
    let caller = repo.caller();
    let favored = favored(&repo, caller.as_ref());
    let prefer = merge::prefer(&labels, &app.env, caller.as_ref(), repo.rebasing());
    // A stash that is put back at the end of a rebase is no part of its last merge.
    let stash = labels[0] == "Stash base" || caller.as_ref().is_some_and(|call| call.command == "stash");
    let remade = match repo.remaking().filter(|_| !stash) {
        Some(original) => Some(remade(&repo, &original, &path)?),
        None => None,
    };
    let files = Files {
        base: app.cwd.join(&args.base),
        ours: app.cwd.join(&args.ours),
        theirs: app.cwd.join(&args.theirs),
        marker: args.marker.as_deref().and_then(|n| n.parse().ok()).filter(|n| (1..=1000).contains(n)).unwrap_or(7),
        prefer: favored.unwrap_or(prefer),
        favored,
        remade,
        path,
        labels: labels.map(shown),
    };
    let ended = match args.what {
        What::Params => merge::params(&files, &app.env)?,
        What::Views => merge::views(&files)?,
        What::Lock => {
            let root = app.cwd.join(Path::new(&files.path).parent().unwrap_or(Path::new("")));
            let project = Project::at(repo, root, &app.env);
            merge::lock(&files, &project)?
        }
    };
    Ok(if files.makes_ancestor() { Ended { notes: Vec::new(), ..ended } } else { ended })
}

/// The side that git was told to take of whatever both changed: by the command that called us, or when the rebase that goes
/// on now was begun.
fn favored(repo: &Repo, caller: Option<&GitCall>) -> Option<Prefer> {
    let call = caller?;
    let kept = || repo.rebase_options().iter().filter_map(|option| Favored::named(option)).next_back();
    let favored = call.favors().or_else(|| if call.command == "rebase" { kept() } else { None });
    favored.map(|side| match side {
        Favored::Ours => Prefer::Ours,
        Favored::Theirs => Prefer::Theirs,
    })
}

/// A file in the merge that a rebase makes again, and in that merge's parents.
fn remade(repo: &Repo, merge: &Oid, path: &str) -> Result<Remade, Error> {
    let file = |commit: Option<&Oid>| -> Result<Vec<u8>, Error> {
        let entry = match commit {
            Some(commit) => repo.entry_at(commit, path)?,
            None => None,
        };
        match entry.filter(Entry::is_file) {
            Some(entry) if repo.blob_size(&entry.id)? <= limits::LOCK => Ok(repo.blob(&entry.id)?),
            _ => Ok(Vec::new()),
        }
    };
    let parents = repo.commit(merge)?.parents;
    Ok(Remade { merge: file(Some(merge))?, parents: [file(parents.first())?, file(parents.get(1))?] })
}

/// What a side is called, as its user knows it: a rebase keeps the branches of the merges that it makes again under names of
/// its own, and where git knows no name, it gives a commit's id.
fn shown(label: String) -> String {
    match (label.strip_prefix("refs/rewritten/"), Oid::parse(&label)) {
        (Some(name), _) => name.to_owned(),
        (None, Some(id)) => id.short().to_owned(),
        (None, None) => label,
    }
}

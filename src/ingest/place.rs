//! Putting a finished folder in its place, whole; and the places where nothing may be put.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::{Error, Request};
use crate::run::RunKey;
use crate::support::beneath::{FileKind, Root};
use crate::support::fs::{At, FsError, Refused, same_bytes};

/// Puts the finished folder where it belongs, unless the same is there. Gives the place, and whether anything changed.
pub(super) fn place(folder: &Path, key: &RunKey, request: &Request) -> Result<(PathBuf, bool), Error> {
    const TRIES: usize = 10;
    let inner = inner(request)?;
    let (root, target) = (Root::at(&request.root), key.under(inner));
    let destination = key.under(&request.out_dir);
    // Once more, now that everything on the way is made: it may have come in between.
    root.create_dir_all(inner.join(key.experiment())).map_err(linked)?;
    if root.kind(&target).map_err(linked)? == FileKind::Directory && same_content(folder, &destination) {
        return Ok((destination, false));
    }
    for attempt in 1.. {
        match root.replace_dir(folder, &target) {
            Ok(()) => break,
            // Another process put the same run there, or was about to, at this very moment.
            Err(error)
                if attempt < TRIES
                    && folder.exists()
                    && matches!(
                        error.source.kind(),
                        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound
                    ) => {}
            Err(error) => return Err(linked(error)),
        }
    }
    Ok((destination, true))
}

/// Refuses a dataset outside the project or behind a link, and a run and a dataset that lie in each other.
pub(super) fn refuse_unsafe(request: &Request) -> Result<(), Error> {
    let outside = || Error::Outside { out_dir: request.out_dir.clone(), root: request.root.clone() };
    let root = request.root.canonicalize().at("look at", &request.root)?;
    let out_dir = real_path(&request.out_dir).ok_or_else(outside)?;
    if out_dir == root || !out_dir.starts_with(&root) {
        return Err(outside());
    }
    Root::at(&request.root).check_dir(inner(request)?).map_err(linked)?;
    let run = request.run_dir.canonicalize().at("look at", &request.run_dir)?;
    if run.starts_with(&out_dir) || out_dir.starts_with(&run) {
        return Err(Error::Nested { run: request.shown_as.clone(), out_dir: request.out_dir.clone() });
    }
    Ok(())
}

/// The dataset's directory relative to the root, by the names that lead there. The root may be named otherwise than the
/// dataset: through a link above both.
fn inner(request: &Request) -> Result<&Path, Error> {
    let root = request.root.canonicalize().at("look at", &request.root)?;
    let above: Vec<&Path> = request.out_dir.ancestors().collect();
    let found = above.into_iter().rev().find(|dir| dir.canonicalize().is_ok_and(|dir| dir == root));
    let inner = found.and_then(|dir| request.out_dir.strip_prefix(dir).ok());
    inner.ok_or_else(|| Error::Outside { out_dir: request.out_dir.clone(), root: request.root.clone() })
}

/// An error that names the link, or whatever else is in the way of a directory.
fn linked(error: FsError) -> Error {
    match error.refused() {
        Some(Refused::Link(path)) => Error::Linked(path.clone()),
        _ if error.source.kind() == io::ErrorKind::NotADirectory => Error::Linked(error.path),
        _ => Error::Fs(error),
    }
}

/// Where a path really leads: links followed as far as it exists, the rest by its names. `None` where the rest has a `..`
/// or stands behind a link to nothing.
fn real_path(path: &Path) -> Option<PathBuf> {
    let mut rest = Vec::new();
    let mut at = path;
    loop {
        if let Ok(real) = at.canonicalize() {
            return Some(rest.iter().rev().fold(real, |path, name| path.join(name)));
        }
        if fs::symlink_metadata(at).is_ok() {
            return None;
        }
        match at.components().next_back()? {
            Component::Normal(name) => rest.push(name.to_owned()),
            Component::CurDir => {}
            _ => return None,
        }
        at = at.parent()?;
    }
}

/// Whether two directories hold the same files with the same bytes, and nothing else.
fn same_content(a: &Path, b: &Path) -> bool {
    let names = |dir: &Path| -> Option<Vec<_>> {
        let mut names: Vec<_> =
            fs::read_dir(dir).ok()?.map(|e| e.ok().map(|e| e.file_name())).collect::<Option<_>>()?;
        names.sort();
        Some(names)
    };
    let (Some(ours), Some(theirs)) = (names(a), names(b)) else { return false };
    ours == theirs && ours.iter().all(|name| same_bytes(&a.join(name), &b.join(name)).unwrap_or(false))
}

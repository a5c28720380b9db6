//! Links files in the workspace to objects in the cache, by `cache.type`, as DVC does.
//!
//! Source: `dvc_objects/fs/generic.py` (the order of attempts), `dvc_data/hashfile/checkout.py` and `…/db/local.py`
//! (modes). Objects are read-only for everyone. A hard or symbolic link shares the object's file; a copy, with or
//! without shared blocks, has the mode of any new file. Every file appears complete: it is made elsewhere and renamed
//! to its path. No file can be executed, and no link written through, whatever mode the object has.

#![expect(clippy::disallowed_methods, reason = "objects of DVC's cache, and files made aside")]

use std::fs::{File, Metadata};
use std::io::Write;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use crate::dvc::cache::Cache;
use crate::dvc::hash::DvcHash;
use crate::dvc::settings::{DvcSettings, LinkType};
use crate::support::aside::{TEMP_PREFIX, temp_dir_for};
use crate::support::beneath::RootDir;
use crate::support::blocks::read_blocks;
use crate::support::fs;
use crate::support::fs::{At, FsError};

/// Moves files between workspace and cache.
#[derive(Debug, Clone)]
pub struct Linker {
    cache: Cache,
    link_types: Vec<LinkType>,
}

impl Linker {
    /// For the cache and link types of these settings.
    #[must_use]
    pub fn from_settings(settings: &DvcSettings) -> Self {
        Self { cache: Cache::from_settings(settings), link_types: settings.link_types.clone() }
    }

    #[cfg(test)]
    pub(super) fn new(cache: Cache, link_types: &[LinkType]) -> Self {
        Self { cache, link_types: link_types.to_vec() }
    }

    /// The cache.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Puts an object's bytes at a path of the project, whose directory is there; what was there is replaced.
    /// `false`: the cache does not have the object.
    pub fn link_object(&mut self, hash: DvcHash, files: RootDir<'_>, target: &Path) -> Result<bool, FsError> {
        let object = self.cache.object_path(hash);
        let Some(meta) = regular_metadata(&object)? else { return Ok(false) };
        let temp_path = self.make_link(&object, &meta, &files.path().join(target))?;
        files.rename_in(&temp_path, target)?;
        // A rename onto another name of the same file does nothing, and leaves both.
        if temp_path.symlink_metadata().is_ok() {
            fs::remove_all(&temp_path)?;
        }
        Ok(true)
    }

    /// The file beside its place, by the first link type that works; those that did not are not tried again.
    fn make_link(&mut self, object: &Path, meta: &Metadata, target: &Path) -> Result<PathBuf, FsError> {
        // Not in the dataset: what a killed process left there would be taken for a file of the run.
        let temp_path = unused_path(&temp_dir_for(parent_dir(target)))?;
        loop {
            let Some(&kind) = self.link_types.first() else {
                copy_file(object, &temp_path)?;
                return Ok(temp_path);
            };
            let linked = match kind {
                LinkType::Reflink => make_reflink(object, &temp_path),
                // DVC makes new empty files: many would use up the links that a file may have.
                LinkType::Hardlink if meta.len() == 0 => copy_file(object, &temp_path).map(|()| true),
                LinkType::Hardlink | LinkType::Symlink if is_executable(meta) => Err(executable_error(object)),
                LinkType::Hardlink => Ok(std::fs::hard_link(protect_object(object, meta), &temp_path).is_ok()),
                LinkType::Symlink => Ok(make_symlink(protect_object(object, meta), &temp_path)),
                LinkType::Copy => copy_file(object, &temp_path).map(|()| true),
            }?;
            if linked {
                return Ok(temp_path);
            }
            fs::remove_all(&temp_path)?;
            if self.link_types.len() == 1 {
                // An object that cannot be read explains the failure better than the link types do.
                std::fs::File::open(object).at("link", object)?;
                return Err(FsError {
                    action: "link",
                    path: target.to_path_buf(),
                    source: std::io::Error::other(
                        "no link type of cache.type works between the cache and this directory",
                    ),
                });
            }
            // What fails between these two file systems fails for every other file, too.
            self.link_types.remove(0);
        }
    }

    /// Ties a file of the project to its object, which the cache has, if the first link type shares files.
    pub(super) fn tie_file(&mut self, hash: DvcHash, files: RootDir<'_>, file: &Path) -> Result<(), FsError> {
        let links = self.link_types.first().is_some_and(|kind| matches!(kind, LinkType::Hardlink | LinkType::Symlink));
        if links && !self.is_linked(&self.cache.object_path(hash), &files.path().join(file))? {
            self.link_object(hash, files, file)?;
        }
        Ok(())
    }

    /// Whether files of the project are hard links to their objects.
    pub(super) fn uses_hard_links(&self) -> bool {
        self.link_types.first() == Some(&LinkType::Hardlink)
    }

    /// Whether a file is the object's own file under another name already.
    fn is_linked(&self, object: &Path, file: &Path) -> Result<bool, FsError> {
        let meta = std::fs::symlink_metadata(file).at("look at", file)?;
        Ok(match self.link_types.first() {
            Some(LinkType::Symlink) => meta.is_symlink() && std::fs::read_link(file).is_ok_and(|to| to == object),
            _ => same_file(&meta, &std::fs::metadata(object).at("look at", object)?),
        })
    }
}

/// The name of a file's bytes, and how many there are. Links are followed.
pub fn hash_file(path: &Path) -> Result<(DvcHash, u64), FsError> {
    hash_file_with(path, |_| ())
}

/// The same; `also` gets every block of the bytes, for another hash of the same reading.
pub fn hash_file_with(path: &Path, mut also: impl FnMut(&[u8])) -> Result<(DvcHash, u64), FsError> {
    let mut file = fs::open(path)?;
    let mut md5 = Md5::new();
    let read = read_blocks(&mut file, |block| {
        md5.update(block);
        also(block);
        Ok(())
    });
    let size = read.at("read", path)?;
    Ok((DvcHash::from_digest(md5.finalize().into()), size))
}

/// Whether two names are one file.
#[must_use]
pub fn same_file(a: &Metadata, b: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (a.dev(), a.ino()) == (b.dev(), b.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = (a, b);
        false
    }
}

pub(super) fn regular_metadata(path: &Path) -> Result<Option<Metadata>, FsError> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() => Ok(Some(meta)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at("look at", path),
    }
}

/// Whether an object can be executed. DVC's never are: it did not come by DVC or by us.
fn is_executable(meta: &Metadata) -> bool {
    file_mode(meta) & 0o111 != 0
}

fn executable_error(object: &Path) -> FsError {
    let why = "it is executable, and DVC's objects never are: remove it, then run `capture-hook pull`";
    FsError { action: "link", path: object.to_path_buf(), source: std::io::Error::other(why) }
}

/// The object, read-only: a link to it is not to be written through. As for DVC a failure is ignored, for a
/// shared cache holds files of others, and some file systems know no modes.
fn protect_object<'o>(object: &'o Path, meta: &Metadata) -> &'o Path {
    if file_mode(meta) & 0o222 != 0 {
        let _ = set_read_only(object);
    }
    object
}

#[cfg(unix)]
fn file_mode(meta: &Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(meta)
}

#[cfg(not(unix))]
fn file_mode(_: &Metadata) -> u32 {
    0
}

fn parent_dir(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// A name in a directory that nothing has.
fn unused_path(dir: &Path) -> Result<PathBuf, FsError> {
    let temp = fs::create_temp_file(dir, TEMP_PREFIX, "")?;
    let path = temp.path().to_path_buf();
    temp.close().at("remove", &path)?;
    Ok(path)
}

#[cfg(unix)]
fn make_symlink(object: &Path, link: &Path) -> bool {
    std::os::unix::fs::symlink(object, link).is_ok()
}

#[cfg(not(unix))]
fn make_symlink(_: &Path, _: &Path) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn make_reflink(from: &Path, to: &Path) -> Result<bool, FsError> {
    let source = fs::open(from)?;
    let file = create_file(to)?;
    // Any failure means that these two cannot share blocks: the caller tries something else.
    Ok(rustix::fs::ioctl_ficlone(&file, &source).is_ok())
}

#[cfg(not(target_os = "linux"))]
fn make_reflink(_: &Path, _: &Path) -> Result<bool, FsError> {
    Ok(false)
}

fn copy_file(from: &Path, to: &Path) -> Result<(), FsError> {
    let mut source = fs::open(from)?;
    let mut file = create_file(to)?;
    std::io::copy(&mut source, &mut file).at("copy to", to)?;
    file.flush().at("write", to)?;
    Ok(())
}

/// Opens a file of ours for writing; one that a failed try left is emptied.
fn create_file(path: &Path) -> Result<File, FsError> {
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).open(path).at("write", path)
}

#[cfg(unix)]
pub(super) fn set_read_only(path: &Path) -> Result<(), FsError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o444)).at("set the mode of", path)
}

#[cfg(not(unix))]
fn set_read_only(_: &Path) -> Result<(), FsError> {
    Ok(())
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn make_linker(dir: &Path, types: &[LinkType]) -> Linker {
        Linker::new(Cache::in_dir(&dir.join("cache")), types)
    }

    #[test]
    fn no_mode_of_an_object_reaches_the_workspace() {
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for kind in [LinkType::Copy, LinkType::Reflink, LinkType::Hardlink, LinkType::Symlink] {
            let dir = tempfile::tempdir().unwrap();
            let mut linker = make_linker(dir.path(), &[kind, LinkType::Copy]);
            let (files, target) = (RootDir::new(dir.path()), dir.path().join("x"));
            let object = linker.cache.object_path(DvcHash::of_bytes(b"x"));
            std::fs::create_dir_all(object.parent().unwrap()).unwrap();
            std::fs::write(&object, "x").unwrap();
            std::fs::set_permissions(&object, std::fs::Permissions::from_mode(0o777)).unwrap();
            let linked = matches!(kind, LinkType::Hardlink | LinkType::Symlink);
            assert_eq!(linker.link_object(DvcHash::of_bytes(b"x"), files, Path::new("x")).is_err(), linked, "{kind:?}");
            assert!(!target.exists() || mode(&target) & 0o111 == 0, "{kind:?}");
            std::fs::set_permissions(&object, std::fs::Permissions::from_mode(0o666)).unwrap();
            linker.link_object(DvcHash::of_bytes(b"x"), files, Path::new("x")).unwrap();
            assert_eq!(mode(&target) & 0o222 == 0, linked, "{kind:?}");
        }
    }

    #[test]
    fn linking_a_missing_object_returns_false() {
        let dir = tempfile::tempdir().unwrap();
        let mut linker = make_linker(dir.path(), &[LinkType::Copy]);
        assert!(!linker.link_object(DvcHash::of_bytes(b"x"), RootDir::new(dir.path()), Path::new("x")).unwrap());
        assert!(!dir.path().join("x").exists());
    }
}

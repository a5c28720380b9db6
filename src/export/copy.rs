//! Reads a run's files out of DVC's cache: each once, its bytes verified against the data version and hashed.

use std::io::Write;
use std::path::Path;

use md5::{Digest, Md5};
use sha2::Sha256;

use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::DvcHash;
use crate::export::error::ExportError;
use crate::export::set::ExportedFile;
use crate::support::blocks::read_blocks;
use crate::support::fs;
use crate::support::fs::At;
use crate::support::progress::Progress;
use crate::support::text::to_hex;

/// Passes a file's bytes on to `out`, which is at `to`, and returns its facts under the name `name`.
pub fn copy_object(
    cache: &Cache,
    entry: &FileEntry,
    name: &str,
    (out, to): (&mut dyn Write, &Path),
    progress: &dyn Progress,
) -> Result<ExportedFile, ExportError> {
    let object = cache.object_path(entry.md5);
    let mut file = fs::open(&object)?;
    let (mut md5, mut sha256, mut is_unwritable) = (Md5::new(), Sha256::new(), false);
    let copied = read_blocks(&mut file, |block| {
        md5.update(block);
        sha256.update(block);
        progress.advance_by(block.len() as u64);
        out.write_all(block).inspect_err(|_| is_unwritable = true)
    });
    let (what, path) = if is_unwritable { ("write", to) } else { ("read", object.as_path()) };
    let bytes = copied.at(what, path)?;
    let digest: [u8; 16] = md5.finalize().into();
    let found = DvcHash::from_digest(digest);
    if found != entry.md5 {
        let (file, found, expected) = (entry.relpath.clone(), found.to_string(), entry.md5.to_string());
        return Err(ExportError::Damaged { file, object, found, expected });
    }
    Ok(ExportedFile { name: name.to_owned(), bytes, sha256: to_hex(&sha256.finalize()) })
}

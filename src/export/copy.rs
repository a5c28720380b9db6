//! Reads a run's files out of DVC's cache: each once, its bytes verified against the data version and hashed.

use std::io::{Read, Write};

use md5::{Digest, Md5};
use sha2::Sha256;

use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::DvcHash;
use crate::export::error::ExportError;
use crate::export::set::ExportedFile;
use crate::support::fs;
use crate::support::fs::At;
use crate::support::progress::Progress;
use crate::support::text::to_hex;

/// Passes a file's bytes on to `out`, and returns its facts under the name `name`.
pub fn copy_object(
    cache: &Cache,
    entry: &FileEntry,
    name: &str,
    out: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<ExportedFile, ExportError> {
    let object = cache.object_path(entry.md5);
    let mut file = fs::open(&object)?;
    let (mut md5, mut sha256, mut bytes) = (Md5::new(), Sha256::new(), 0);
    // 256 KiB: few system calls, and most files of small runs in one.
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = file.read(&mut buffer).at("read", &object)?;
        if n == 0 {
            break;
        }
        // `Read` promises that `n` is within the buffer.
        let read = buffer.get(..n).unwrap_or_default();
        md5.update(read);
        sha256.update(read);
        out.write_all(read).at("copy", &object)?;
        bytes += n as u64;
        progress.advance_by(n as u64);
    }
    let digest: [u8; 16] = md5.finalize().into();
    let found = DvcHash::from_digest(digest);
    if found != entry.md5 {
        let (file, found, expected) = (entry.relpath.clone(), found.to_string(), entry.md5.to_string());
        return Err(ExportError::Damaged { file, object, found, expected });
    }
    Ok(ExportedFile { name: name.to_owned(), bytes, sha256: to_hex(&sha256.finalize()) })
}

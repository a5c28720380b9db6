//! A zip file of an export: the same tree gives the same bytes, whatever its dates, modes and order on disk.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::export::error::ExportError;
use crate::support::fs;
use crate::support::fs::At;

/// From this size on, a file needs the longer fields of ZIP64.
const LARGE_FILE: u64 = u32::MAX as u64;

/// Packs all files below `root` into a new file, in the order of their paths.
pub fn write_zip(root: &Path, to: &Path) -> Result<(), ExportError> {
    let failed = |error: zip::result::ZipError| ExportError::Zip { path: to.to_path_buf(), source: error.into() };
    let mut files = Vec::new();
    list_files(root, "", &mut files)?;
    files.sort();
    let mut writer = ZipWriter::new(io::BufWriter::new(fs::create_new(to)?));
    for (name, path) in files {
        let mut file = fs::open(&path)?;
        // Stored: nearly all bytes are in gzip and parquet files, which no packing makes smaller. The date is the
        // earliest that a zip file can hold.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644)
            .large_file(size_of(&file, &path)? >= LARGE_FILE);
        writer.start_file(name, options).map_err(failed)?;
        io::copy(&mut file, &mut writer).at("pack", &path)?;
    }
    let file = writer.finish().map_err(failed)?.into_inner().map_err(|error| error.into_error()).at("write", to)?;
    file.sync_all().at("write", to)?;
    Ok(())
}

fn size_of(file: &File, path: &Path) -> Result<u64, ExportError> {
    Ok(file.metadata().at("look at", path)?.len())
}

/// All files below a directory of ours, with their paths in it.
fn list_files(dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), ExportError> {
    for entry in std::fs::read_dir(dir).at("list", dir)? {
        let entry = entry.at("list", dir)?;
        // The tree was written from names in UTF-8.
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.file_type().at("look at", &entry.path())?.is_dir() {
            true => list_files(&entry.path(), &format!("{name}/"), files)?,
            false => files.push((name, entry.path())),
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn dates_modes_and_order_make_no_difference() {
        let temp = tempfile::tempdir().unwrap();
        let pack = |name: &str, files: &[&str], mode: u32| {
            let root = temp.path().join(name);
            for file in files {
                let path = root.join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, file).unwrap();
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            }
            let packed = temp.path().join(format!("{name}.zip"));
            write_zip(&root, &packed).unwrap();
            std::fs::read(packed).unwrap()
        };
        let files = ["a/r 1/run.json", "a/r-1/run.json", "README.md", "ü/é"];
        let mut reversed = files;
        reversed.reverse();
        let packed = pack("one", &files, 0o600);
        assert_eq!(packed, pack("two", &reversed, 0o644));
        assert_ne!(packed, pack("three", &files[1..], 0o644));
    }
}

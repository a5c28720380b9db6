//! What one reading of a file gives: its bytes, its hashes, and how many rows it holds.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use md5::{Digest, Md5};
use sha2::Sha256;

use crate::columnar;
use crate::dvc::hash::DvcHash;
use crate::run::layout::parse_shard_name;
use crate::support::fs;
use crate::support::progress::Progress;

/// What reading a file gave.
#[derive(Debug)]
pub(super) struct FileFacts {
    /// How many there are.
    pub bytes: u64,
    /// Their MD5.
    pub md5: DvcHash,
    /// Their SHA-256, in hex.
    pub sha256: String,
    /// Rows of a shard or of a parquet file; why not, if they cannot be counted.
    pub rows: Option<Result<u64, String>>,
}

/// Reads a file of a run once: its hashes, and the rows of a shard or of a parquet file.
pub(super) fn hash_file(path: &Path, file: &str, progress: &dyn Progress) -> io::Result<FileFacts> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let mut source = HashingReader {
        file: fs::open(path).map_err(|e| e.source)?,
        md5: Md5::new(),
        sha256: Sha256::new(),
        bytes: 0,
        progress,
    };
    let mut row_count = parse_shard_name(name).map(|_| count_lines(&mut source));
    // What follows the last line of a damaged shard counts for the hashes too.
    io::copy(&mut source, &mut io::sink())?;
    if name.ends_with(".parquet") {
        // Parquet is read from its end, so it is opened once more.
        row_count = Some(columnar::count_parquet_rows(path).map_err(|error| error.to_string()));
    }
    let md5: [u8; 16] = source.md5.finalize().into();
    Ok(FileFacts {
        bytes: source.bytes,
        md5: DvcHash::from_digest(md5),
        sha256: crate::support::text::to_hex(&source.sha256.finalize()),
        rows: row_count,
    })
}

/// Lines that hold more than blanks, in all gzip members.
fn count_lines(source: &mut HashingReader<'_>) -> Result<u64, String> {
    // 128 KiB on both sides of the decoder: few system calls for a large shard.
    let mut lines = BufReader::with_capacity(1 << 17, MultiGzDecoder::new(BufReader::with_capacity(1 << 17, source)));
    let (mut rows, mut blank) = (0, true);
    loop {
        let chunk = lines.fill_buf().map_err(|error| error.to_string())?;
        if chunk.is_empty() {
            // The last line can lack its line break.
            return Ok(rows + u64::from(!blank));
        }
        let mut rest = chunk;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(at);
            blank &= line.iter().all(u8::is_ascii_whitespace);
            rows += u64::from(!blank);
            blank = true;
            rest = after.get(1..).unwrap_or_default();
        }
        blank &= rest.iter().all(u8::is_ascii_whitespace);
        let read = chunk.len();
        lines.consume(read);
    }
}

struct HashingReader<'a> {
    file: File,
    md5: Md5,
    sha256: Sha256,
    bytes: u64,
    progress: &'a dyn Progress,
}

impl Read for HashingReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        // `Read` promises that `n` is within the buffer.
        let read = buffer.get(..n).unwrap_or_default();
        self.md5.update(read);
        self.sha256.update(read);
        self.bytes += n as u64;
        self.progress.advance_by(n as u64);
        Ok(n)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::support::progress::NoProgress;

    fn gzip_text(text: &str) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn lines_are_counted_over_members_and_blank_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("steps.jsonl.gz");
        std::fs::write(&path, [gzip_text("{}\n\n{}"), gzip_text("\r\n  \n{}\n")].concat()).unwrap();
        let facts = hash_file(&path, "a/b/steps.jsonl.gz", &NoProgress).unwrap();
        assert_eq!(facts.rows, Some(Ok(3)));
        assert_eq!(facts.bytes, std::fs::metadata(&path).unwrap().len());
    }
}

//! The shards of one stream: `steps.jsonl.gz`, then `steps.part0001.jsonl.gz`, …, each closed once it has grown to a
//! size.
//!
//! The padded numbers keep the right order in every loader, also in those that sort names. A recorder opened on a run
//! that has shards begins the next one: existing shards are never touched.

use std::path::{Path, PathBuf};

use crate::record::gzip::LiveGzip;
use crate::support::fs::FsError;

/// Bytes of rows between two checks of the size: a few rows.
const PIECE: usize = 4 << 10;

pub(super) struct ShardWriter {
    dir: PathBuf,
    stem: &'static str,
    number: u32,
    rotate_at: Option<u64>,
    /// `None` until the first row, if the file begins with it.
    current: Option<LiveGzip>,
    /// Whether the current shard holds a row.
    used: bool,
}

impl ShardWriter {
    /// Begins with a file, which is empty at first.
    pub(super) fn open(dir: &Path, stem: &'static str, rotate_at: Option<u64>) -> Result<Self, FsError> {
        let mut this = Self::without_file(dir, stem, rotate_at);
        this.create_first()?;
        Ok(this)
    }

    /// Begins without a file: the first row creates it.
    pub(super) fn without_file(dir: &Path, stem: &'static str, rotate_at: Option<u64>) -> Self {
        Self { dir: dir.to_path_buf(), stem, number: 0, rotate_at, current: None, used: false }
    }

    fn create_first(&mut self) -> Result<&mut LiveGzip, FsError> {
        let is_taken = |number| std::fs::symlink_metadata(shard_path(&self.dir, self.stem, number)).is_ok();
        // The first free number: shards of an earlier recorder are kept, even unfinished ones.
        while is_taken(self.number) {
            self.number += 1;
        }
        let first = LiveGzip::create(&shard_path(&self.dir, self.stem, self.number))?;
        Ok(self.current.insert(first))
    }

    /// Adds whole lines. Returns whether a shard was ended, so that its rows are in the file.
    pub(super) fn write(&mut self, mut lines: &[u8]) -> Result<bool, FsError> {
        let mut has_rotated = false;
        while !lines.is_empty() {
            // A shard holds one piece at least, or a tiny limit would rotate for ever.
            if let (true, Some(limit), Some(current)) = (self.used, self.rotate_at, &mut self.current)
                && current.reaches_size(limit)?
            {
                self.start_next()?;
                has_rotated = true;
            }
            // With rotation in small pieces, so that a shard exceeds its size by a few rows at most.
            let piece = match self.rotate_at {
                Some(_) => end_of_line(lines, PIECE),
                None => lines.len(),
            };
            let (now, later) = lines.split_at(piece);
            match &mut self.current {
                Some(current) => current.write(now)?,
                None => self.create_first()?.write(now)?,
            }
            self.used = true;
            lines = later;
        }
        Ok(has_rotated)
    }

    /// The number of compressed bytes that are not in the file yet.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.current.as_ref().map_or(0, LiveGzip::waiting_bytes)
    }

    /// Compresses what was written; see [`LiveGzip::compress_all`].
    pub(super) fn compress_all(&mut self) -> Result<(), FsError> {
        self.current.as_mut().map_or(Ok(()), LiveGzip::compress_all)
    }

    /// Writes the compressed bytes to the file; see [`LiveGzip::write_compressed`].
    pub(super) fn write_compressed(&mut self) -> Result<(), FsError> {
        self.current.as_mut().map_or(Ok(()), LiveGzip::write_compressed)
    }

    pub(super) fn finish(self) -> Result<(), FsError> {
        self.current.map_or(Ok(()), LiveGzip::finish)
    }

    fn start_next(&mut self) -> Result<(), FsError> {
        self.number += 1;
        let next = LiveGzip::create(&shard_path(&self.dir, self.stem, self.number))?;
        self.used = false;
        self.current.replace(next).map_or(Ok(()), LiveGzip::finish)
    }
}

/// Returns the path of a shard; number 0 is the base file.
fn shard_path(dir: &Path, stem: &str, number: u32) -> PathBuf {
    match number {
        0 => dir.join(format!("{stem}.jsonl.gz")),
        _ => dir.join(format!("{stem}.part{number:04}.jsonl.gz")),
    }
}

/// Returns the end of the line that contains byte `at`.
fn end_of_line(lines: &[u8], at: usize) -> usize {
    lines.get(at..).and_then(|rest| memchr::memchr(b'\n', rest)).map_or(lines.len(), |newline| at + newline + 1)
}

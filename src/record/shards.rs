//! One stem's shards: `steps.jsonl.gz`, then `steps.part0001.jsonl.gz`, …, each closed once it has grown to a size.
//!
//! The padded numbers read in the right order in every loader, those that sort names included. A recorder that is opened
//! on a run that has shards already begins the next one: what is there is never touched.

use std::path::{Path, PathBuf};

use crate::record::gzip::LiveGzip;
use crate::support::fs::FsError;

/// How much is compressed between two looks at the size: a few rows.
const PIECE: usize = 4 << 10;

pub(super) struct ShardWriter {
    dir: PathBuf,
    stem: &'static str,
    number: u32,
    rotate_at: Option<u64>,
    current: LiveGzip,
    /// Whether the current shard holds anything.
    used: bool,
}

impl ShardWriter {
    pub(super) fn open(dir: &Path, stem: &'static str, rotate_at: Option<u64>) -> Result<Self, FsError> {
        let mut number = 0;
        let is_taken = |number| std::fs::symlink_metadata(shard_path(dir, stem, number)).is_ok();
        while is_taken(number) {
            number += 1;
        }
        let current = LiveGzip::create(&shard_path(dir, stem, number))?;
        Ok(Self { dir: dir.to_path_buf(), stem, number, rotate_at, current, used: false })
    }

    /// Adds whole lines.
    pub(super) fn write(&mut self, mut lines: &[u8]) -> Result<(), FsError> {
        while !lines.is_empty() {
            if let (true, Some(limit)) = (self.used, self.rotate_at)
                && self.current.reaches_size(limit)?
            {
                self.start_next()?;
            }
            let piece = match self.rotate_at {
                Some(_) => end_of_line(lines, PIECE),
                None => lines.len(),
            };
            let (now, later) = lines.split_at(piece);
            self.current.write(now)?;
            self.used = true;
            lines = later;
        }
        Ok(())
    }

    /// Compresses what was written; see [`LiveGzip::compress_all`].
    pub(super) fn compress_all(&mut self) -> Result<(), FsError> {
        self.current.compress_all()
    }

    /// Puts into the file what was compressed; see [`LiveGzip::write_compressed`].
    pub(super) fn write_compressed(&mut self) -> Result<(), FsError> {
        self.current.write_compressed()
    }

    pub(super) fn finish(self) -> Result<(), FsError> {
        self.current.finish()
    }

    fn start_next(&mut self) -> Result<(), FsError> {
        self.number += 1;
        let next = LiveGzip::create(&shard_path(&self.dir, self.stem, self.number))?;
        self.used = false;
        std::mem::replace(&mut self.current, next).finish()
    }
}

/// The path of a shard.
fn shard_path(dir: &Path, stem: &str, number: u32) -> PathBuf {
    match number {
        0 => dir.join(format!("{stem}.jsonl.gz")),
        _ => dir.join(format!("{stem}.part{number:04}.jsonl.gz")),
    }
}

/// The end of the line that byte `at` is in.
fn end_of_line(lines: &[u8], at: usize) -> usize {
    lines.get(at..).and_then(|rest| memchr::memchr(b'\n', rest)).map_or(lines.len(), |newline| at + newline + 1)
}

//! A gzip file that is complete at every moment while it is written.
//!
//! Each sync writes, in one call, the new compressed bytes, an empty last block and the trailer, over the old trailer.
//! A killed process leaves a file that every gzip reader accepts, with all rows up to the last sync; nothing needs
//! repair. The compressor's window is kept, so the file is nearly as small as if written at once. After a power failure
//! the last syncs can be missing: only `finish` calls fsync.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use crate::support::fs::{At, FsError, create_new};

/// RFC 1952: magic, deflate, no flags, no time, no extra flags, unknown system. The same bytes on every machine.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// RFC 1951: an empty last block with fixed codes.
const LAST_BLOCK: [u8; 2] = [0x03, 0x00];
/// A gzip file being written.
pub(super) struct LiveGzip {
    path: PathBuf,
    file: File,
    deflate: Compress,
    crc: Crc,
    /// Compressed bytes that are not in the file yet.
    waiting: Vec<u8>,
    /// The offset for them: after the data of the last sync, over its trailer.
    end: u64,
    /// Whether anything was written since the last sync.
    dirty: bool,
    /// Bytes given to the compressor since its last flush.
    held_in_deflate: u64,
}

impl LiveGzip {
    /// Creates a file, which must not exist yet; it is an empty, valid gzip file at once.
    pub(super) fn create(path: &Path) -> Result<Self, FsError> {
        let file = create_new(path)?;
        let mut this = Self {
            path: path.to_path_buf(),
            file,
            // Level 6 is gzip's default; `false`: no zlib header.
            deflate: Compress::new(Compression::new(6), false),
            crc: Crc::new(),
            waiting: HEADER.to_vec(),
            end: 0,
            dirty: true,
            held_in_deflate: 0,
        };
        // A valid file from the first moment on.
        this.write_out(&LAST_BLOCK)?;
        Ok(this)
    }

    /// Adds bytes. They are in the file after the next sync: [`LiveGzip::compress_all`], then [`LiveGzip::write_compressed`].
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.crc.update(bytes);
        self.dirty = true;
        self.held_in_deflate += bytes.len() as u64;
        self.deflate_bytes(bytes, FlushCompress::None)
    }

    /// The number of compressed bytes that wait for a sync.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting.len()
    }

    /// Writes everything so far to the file.
    #[cfg(test)]
    fn sync_to_disk(&mut self) -> Result<(), FsError> {
        self.compress_all()?;
        self.write_compressed()
    }

    /// The first half of a sync: compresses everything so far.
    pub(super) fn compress_all(&mut self) -> Result<(), FsError> {
        if self.dirty { self.deflate_waiting() } else { Ok(()) }
    }

    /// The second half, a single write: puts the compressed bytes into the file.
    pub(super) fn write_compressed(&mut self) -> Result<(), FsError> {
        if self.dirty { self.write_out(&LAST_BLOCK) } else { Ok(()) }
    }

    /// Closes the file and syncs it to disk.
    pub(super) fn finish(mut self) -> Result<(), FsError> {
        self.deflate_bytes(&[], FlushCompress::Finish)?;
        self.write_out(&[])?;
        self.file.sync_all().at("write", &self.path)
    }

    /// Whether the file has grown to `limit` bytes. The compressor holds data back; if that could make the difference,
    /// it is flushed first.
    pub(super) fn reaches_size(&mut self, limit: u64) -> Result<bool, FsError> {
        /// Rows are hardly ever compressed to less than an eighth.
        const RATIO: u64 = 8;
        if self.size() < limit && self.size() + self.held_in_deflate / RATIO >= limit {
            self.deflate_waiting()?;
        }
        Ok(self.size() >= limit)
    }

    fn size(&self) -> u64 {
        HEADER.len() as u64 + self.deflate.total_out()
    }

    fn deflate_waiting(&mut self) -> Result<(), FsError> {
        self.held_in_deflate = 0;
        self.deflate_bytes(&[], FlushCompress::Sync)
    }

    fn deflate_bytes(&mut self, mut bytes: &[u8], flush: FlushCompress) -> Result<(), FsError> {
        loop {
            self.waiting.reserve(16 << 10);
            let before = self.deflate.total_in();
            let status = self
                .deflate
                .compress_vec(bytes, &mut self.waiting, flush)
                .map_err(io::Error::other)
                .at("compress", &self.path)?;
            let consumed = usize::try_from(self.deflate.total_in() - before).unwrap_or(bytes.len());
            bytes = bytes.get(consumed..).unwrap_or_default();
            // A full output buffer can have cut a flush short: go on.
            let room = self.waiting.len() < self.waiting.capacity();
            if status == Status::StreamEnd || (bytes.is_empty() && room && flush != FlushCompress::Finish) {
                return Ok(());
            }
        }
    }

    /// Writes the waiting bytes, `last` and the trailer over the old trailer.
    fn write_out(&mut self, last: &[u8]) -> Result<(), FsError> {
        let data = self.waiting.len();
        self.waiting.extend_from_slice(last);
        // RFC 1952: CRC-32 and length, little-endian.
        self.waiting.extend_from_slice(&self.crc.sum().to_le_bytes());
        self.waiting.extend_from_slice(&self.crc.amount().to_le_bytes());
        // One `write` for all: a kill between two writes would leave a file without a trailer.
        self.file.seek(SeekFrom::Start(self.end)).at("write", &self.path)?;
        self.file.write_all(&self.waiting).at("write", &self.path)?;
        self.end += data as u64;
        self.waiting.clear();
        self.dirty = false;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use super::*;

    fn inflate_file(path: &Path) -> Vec<u8> {
        let mut out = Vec::new();
        flate2::read::MultiGzDecoder::new(File::open(path).unwrap()).read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn the_file_is_whole_after_every_sync_and_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.gz");
        let mut gzip = LiveGzip::create(&path).unwrap();
        assert_eq!(inflate_file(&path), b"");
        let mut all = Vec::new();
        let mut state = 1u32;
        for round in 0..200u32 {
            let mut chunk = Vec::new();
            for _ in 0..round * 7 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                chunk.extend_from_slice(&state.to_le_bytes()[2..]);
            }
            gzip.write(&chunk).unwrap();
            all.extend_from_slice(&chunk);
            if round % 3 == 0 {
                gzip.sync_to_disk().unwrap();
                assert_eq!(inflate_file(&path), all, "after round {round}");
            }
        }
        gzip.finish().unwrap();
        assert_eq!(inflate_file(&path), all);
    }

    #[test]
    fn an_existing_file_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.gz");
        std::fs::write(&path, "x").unwrap();
        assert!(LiveGzip::create(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
    }
}

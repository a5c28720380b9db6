//! The lines of a stream of rows: all shards in order, inflated in blocks of whole lines.
//!
//! Memory is bounded: a block grows only for a line that does not fit, and a line over [`MAX_LINE`] is skipped without
//! keeping it. Blocks are made on the thread that calls [`LineSource::next`], so inflating and parsing can run side by
//! side. Lines are not parsed here, nor checked to be UTF-8.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use crate::run::gzip::{GzipDamage, GzipReader, Inflated};
use crate::run::open::FileStamp;
use crate::support::fs;
use crate::support::fs::{At, FsError};
use crate::support::progress::Progress;

/// The longest line that is read, without its line break: 16 MiB.
pub const MAX_LINE: usize = 16 << 20;

/// Bytes in a block, if no line is longer: 256 KiB.
const BLOCK: usize = 256 << 10;

/// A small file needs no block of that size: a thousand runs of a sweep would fill it with zeros a thousand times.
const MIN_BLOCK: usize = 4 << 10;

/// How many bytes of rows a byte of the file stands for, at most, as recorders write them.
const USUAL_RATIO: usize = 16;

/// The events of a stream of rows, in order.
#[derive(Debug)]
pub enum StreamEvent {
    /// The next file begins; its index among the stream's files.
    Begin(usize),
    /// Whole lines with their line breaks; only the file's last line can lack one.
    Lines(Vec<u8>),
    /// A line longer than [`MAX_LINE`], skipped.
    TooLong,
    /// The file cannot be read further. Comes after all lines before the damage.
    Damaged {
        /// What is wrong.
        damage: GzipDamage,
        /// The bytes between the last line break and the damage.
        tail: Vec<u8>,
    },
    /// The file has ended.
    End(FileEnd),
}

/// The facts about a file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEnd {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, if asked for.
    pub sha256: Option<String>,
    /// Its stamp when it was opened.
    pub stamp: FileStamp,
}

struct OpenFile {
    path: PathBuf,
    reader: GzipReader,
    stamp: FileStamp,
    reported: u64,
}

/// A stream of rows being read.
pub struct LineSource<'a> {
    files: VecDeque<(usize, PathBuf)>,
    hash: bool,
    progress: &'a dyn Progress,
    open: Option<OpenFile>,
    /// Bytes after the last line break of the block before.
    carry: Vec<u8>,
    /// Whether the current line is too long and being skipped.
    skipping: bool,
    /// Events to return first.
    pending: VecDeque<StreamEvent>,
}

impl<'a> LineSource<'a> {
    /// Makes a stream of these files in a directory. `hash` asks for their SHA-256.
    pub fn new<'n>(
        dir: &Path,
        names: impl IntoIterator<Item = &'n str>,
        hash: bool,
        progress: &'a dyn Progress,
    ) -> Self {
        Self {
            files: names.into_iter().map(|name| dir.join(name)).enumerate().collect(),
            hash,
            progress,
            open: None,
            carry: Vec::new(),
            skipping: false,
            pending: VecDeque::new(),
        }
    }

    /// Returns the next event; `None` after the last file. `spare` is a used block, whose memory is used again.
    pub fn next(&mut self, spare: Vec<u8>) -> Result<Option<StreamEvent>, FsError> {
        if let Some(event) = self.pending.pop_front() {
            return Ok(Some(event));
        }
        if self.open.is_some() {
            return self.fill_block(spare).map(Some);
        }
        let Some((number, path)) = self.files.pop_front() else { return Ok(None) };
        let file = fs::open(&path)?;
        let stamp = FileStamp::from_metadata(&file.metadata().at("look at", &path)?);
        let reader = GzipReader::with_size(file, self.hash, stamp.bytes);
        self.open = Some(OpenFile { reader, path, stamp, reported: 0 });
        Ok(Some(StreamEvent::Begin(number)))
    }

    /// Fills a block with whole lines.
    fn fill_block(&mut self, mut block: Vec<u8>) -> Result<StreamEvent, FsError> {
        let Some(open) = &mut self.open else { return Ok(StreamEvent::Lines(Vec::new())) };
        let mut filled = self.carry.len();
        // A block that grew for one long line gives its memory back.
        if block.capacity() > 2 * BLOCK && filled < BLOCK {
            block = Vec::new();
        }
        // Room for the carried bytes and half as much again.
        let room =
            usize::try_from(open.stamp.bytes).unwrap_or(BLOCK).saturating_mul(USUAL_RATIO).clamp(MIN_BLOCK, BLOCK);
        block.resize(room.max(filled + filled / 2), 0);
        block[..filled].copy_from_slice(&self.carry);
        self.carry.clear();
        if self.carry.capacity() > BLOCK {
            self.carry = Vec::new();
        }
        loop {
            let inflated = open.reader.read(&mut block[filled..]).at("read", &open.path)?;
            let position = open.reader.position();
            self.progress.advance_by(position - open.reported);
            open.reported = position;
            let ended = match inflated {
                Inflated::Bytes(n) => {
                    // The bytes before were searched already and hold no line break.
                    let mut fresh = filled..filled + n;
                    filled += n;
                    if self.skipping {
                        // The beginning of this line was dropped; only its end matters.
                        let Some(end) = memchr::memchr(b'\n', &block[..filled]) else {
                            filled = 0;
                            continue;
                        };
                        block.copy_within(end + 1..filled, 0);
                        filled -= end + 1;
                        fresh = 0..filled;
                        self.skipping = false;
                    }
                    if let Some(last) = memchr::memrchr(b'\n', &block[fresh.clone()]) {
                        let end = fresh.start + last + 1;
                        self.carry.extend_from_slice(&block[end..filled]);
                        block.truncate(end);
                        return Ok(StreamEvent::Lines(block));
                    }
                    // One byte more than the limit for a carriage return.
                    if filled > MAX_LINE + 1 {
                        self.skipping = true;
                        return Ok(StreamEvent::TooLong);
                    }
                    // Grows by half, so that a line of 16 MiB is copied a few times only.
                    if filled == block.len() {
                        block.resize((filled + filled / 2).min(MAX_LINE + BLOCK), 0);
                    }
                    continue;
                }
                Inflated::End => None,
                Inflated::Damaged(damage) => Some(damage),
            };
            self.skipping = false;
            block.truncate(filled);
            let Some(open) = self.open.take() else { return Ok(StreamEvent::Lines(block)) };
            // To the end of the file even after a damage: size and hash are of all bytes.
            let (bytes, sha256) = open.reader.finish().at("read", &open.path)?;
            let end = StreamEvent::End(FileEnd { bytes, sha256, stamp: open.stamp });
            let first = match ended {
                Some(damage) => StreamEvent::Damaged { damage, tail: block },
                None if block.is_empty() => return Ok(end),
                None => StreamEvent::Lines(block),
            };
            // The end of the file is reported after its last lines.
            self.pending.push_back(end);
            return Ok(first);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::support::progress::NoProgress;

    fn gzip_bytes(data: &[u8]) -> Vec<u8> {
        let mut writer = GzEncoder::new(Vec::new(), Compression::fast());
        writer.write_all(data).unwrap();
        writer.finish().unwrap()
    }

    /// The lengths of all lines read, and the names of what else came.
    fn read_lines(files: &[Vec<u8>]) -> (Vec<usize>, String) {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..files.len()).map(|i| format!("f{i}")).collect();
        for (name, bytes) in names.iter().zip(files) {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        let mut source = LineSource::new(dir.path(), names.iter().map(String::as_str), true, &NoProgress);
        let (mut lines, mut events, mut spare) = (Vec::new(), String::new(), Vec::new());
        while let Some(event) = source.next(std::mem::take(&mut spare)).unwrap() {
            match event {
                StreamEvent::Begin(i) => events += &format!("{i}"),
                StreamEvent::Lines(block) => {
                    assert!(!block.is_empty());
                    let mut rest = block.as_slice();
                    while !rest.is_empty() {
                        let n = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
                        lines.push(n);
                        rest = &rest[n..];
                    }
                    spare = block;
                }
                StreamEvent::TooLong => events += "L",
                StreamEvent::Damaged { tail, .. } => {
                    assert!(!tail.contains(&b'\n'));
                    events += &format!("D{}", tail.len());
                }
                StreamEvent::End(end) => {
                    assert_eq!((end.bytes, end.sha256.unwrap().len()), (end.stamp.bytes, 64));
                    events += "E";
                }
            }
        }
        (lines, events)
    }

    #[test]
    fn lines_of_all_sizes_come_whole() {
        let sizes = [0, 1, 5, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 0, 7, MAX_LINE, MAX_LINE, 3];
        let text: Vec<u8> = sizes.iter().flat_map(|n| [vec![b'x'; *n], vec![b'\n']].concat()).collect();
        let expected: Vec<usize> = sizes.iter().map(|n| n + 1).collect();
        assert_eq!(read_lines(&[gzip_bytes(&text)]), (expected, "0E".into()));
    }

    #[test]
    fn a_line_too_long_is_skipped_and_the_next_is_read() {
        let mut text = b"a\n".to_vec();
        for _ in 0..2 {
            text.extend(vec![b'x'; MAX_LINE + BLOCK * 2 + 5]);
            text.extend(b"\nbb\nccc\n");
        }
        text.extend(vec![b'y'; MAX_LINE * 2]);
        let (mut lines, events) = read_lines(&[gzip_bytes(&text), gzip_bytes(b"d\n")]);
        // One that ends in the block in which it grows too long is given whole.
        let whole = lines.iter().filter(|n| **n > MAX_LINE + 1).count();
        lines.retain(|n| *n <= MAX_LINE + 1);
        assert_eq!((lines, whole + events.matches('L').count()), (vec![2, 3, 4, 3, 4, 2], 3));
    }

    #[test]
    fn a_last_line_needs_no_break_and_files_do_not_run_into_each_other() {
        assert_eq!(
            read_lines(&[gzip_bytes(b"a\nbb"), gzip_bytes(b""), gzip_bytes(b"c\n")]),
            (vec![2, 2, 2], "0E1E2E".into())
        );
    }

    #[test]
    fn what_stood_before_a_damage_is_given() {
        let mut cut = gzip_bytes(b"a\nbb\ncc");
        cut.truncate(cut.len() - 3);
        assert_eq!(read_lines(&[cut, gzip_bytes(b"d\n")]), (vec![2, 3, 2], "0D2E1E".into()));
    }
}

//! Inflates a gzip file, member after member, and tells truncated from corrupt.
//!
//! Reads what RFC 1952 describes and Python's `gzip` reads: several members, zero bytes as padding after a member.
//! Header, deflate data, CRC and length of every member are checked. Data before a damage is returned first; nothing
//! after it is.

use std::fs::File;
use std::io::{self, Read};

use crate::support::text::to_hex;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use sha2::{Digest, Sha256};

/// The most bytes read from the file at a time: 128 KiB.
const CHUNK: usize = 128 << 10;

/// The fewest, if the file is said to be smaller: it may grow.
const MIN_CHUNK: usize = 512;

/// A damage of a gzip file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GzipDamage {
    /// The file ends inside a member.
    Truncated {
        /// The file's size.
        bytes: u64,
        /// The part in which it ends, for messages.
        inside: &'static str,
    },
    /// A member is not valid.
    Corrupt {
        /// The byte offset in the file, approximately.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// The result of a read.
#[derive(Debug, PartialEq, Eq)]
pub enum Inflated {
    /// This many bytes; more can follow.
    Bytes(usize),
    /// The file has been read to its end.
    End,
    /// Nothing more can be read, because of this damage.
    Damaged(GzipDamage),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReaderState {
    /// Before a member; `first` for the file's first.
    Start { first: bool },
    /// In a member's data.
    Data,
    /// At the end, or at a damage.
    Done,
}

/// A gzip file being read.
pub struct GzipReader<R = File> {
    source: R,
    chunk: Vec<u8>,
    at: usize,
    filled: usize,
    /// Bytes of the file in the chunks before this one.
    before: u64,
    state: ReaderState,
    damage: Option<GzipDamage>,
    inflate: Decompress,
    crc: Crc,
    hash: Option<Sha256>,
}

impl<R: Read> GzipReader<R> {
    /// Reads from the beginning of a file; `hash` asks for the SHA-256 of its bytes.
    pub fn new(source: R, hash: bool) -> Self {
        Self::with_size(source, hash, u64::MAX)
    }

    /// The same, if it is known about how many bytes there are: for a small file a small buffer is enough.
    pub fn with_size(source: R, hash: bool, bytes: u64) -> Self {
        // One byte more than the file has, so that its end is not taken for the end of a chunk.
        let chunk = usize::try_from(bytes).unwrap_or(CHUNK).saturating_add(1).clamp(MIN_CHUNK, CHUNK);
        Self {
            source,
            chunk: vec![0; chunk],
            at: 0,
            filled: 0,
            before: 0,
            state: ReaderState::Start { first: true },
            damage: None,
            // Raw deflate without a zlib header: header and trailer are checked here.
            inflate: Decompress::new(false),
            crc: Crc::new(),
            hash: hash.then(Sha256::new),
        }
    }

    /// Returns how many bytes of the file were used.
    pub fn position(&self) -> u64 {
        self.before + self.at as u64
    }

    /// Fills `out` from its beginning. A damage is reported once all data before it has been returned.
    pub fn read(&mut self, out: &mut [u8]) -> io::Result<Inflated> {
        let mut done = 0;
        while done < out.len() {
            match self.state {
                ReaderState::Done => break,
                ReaderState::Start { first } => match self.read_header(first)? {
                    Ok(true) => self.state = ReaderState::Data,
                    Ok(false) => self.state = ReaderState::Done,
                    Err(damage) => self.set_damage(damage),
                },
                ReaderState::Data => done += self.inflate_data(&mut out[done..])?,
            }
        }
        // Data first: a damage is returned by the next call, when nothing was read.
        Ok(match (done, &self.damage) {
            (0, _) if out.is_empty() => Inflated::Bytes(0),
            (0, Some(damage)) => Inflated::Damaged(damage.clone()),
            (0, None) => Inflated::End,
            (n, _) => Inflated::Bytes(n),
        })
    }

    /// Reads the file to its end; returns its size and, if asked for, its SHA-256.
    pub fn finish(mut self) -> io::Result<(u64, Option<String>)> {
        while self.refill_chunk()? {}
        let hash = self.hash.map(|hash| to_hex(&hash.finalize()));
        Ok((self.before + self.filled as u64, hash))
    }

    fn set_damage(&mut self, damage: GzipDamage) {
        self.damage = Some(damage);
        self.state = ReaderState::Done;
    }

    fn truncated_in(&self, inside: &'static str) -> GzipDamage {
        GzipDamage::Truncated { bytes: self.before + self.filled as u64, inside }
    }

    fn corrupt_here(&self, what: &'static str) -> GzipDamage {
        GzipDamage::Corrupt { offset: self.position(), what }
    }

    /// Reads the next chunk of the file; false at its end.
    fn refill_chunk(&mut self) -> io::Result<bool> {
        self.before += self.filled as u64;
        (self.at, self.filled) = (0, 0);
        loop {
            match self.source.read(&mut self.chunk) {
                Ok(n) => {
                    self.filled = n;
                    if let Some(hash) = &mut self.hash {
                        hash.update(&self.chunk[..n]);
                    }
                    return Ok(n > 0);
                }
                // {} => A signal interrupted the call: try again.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn next_byte(&mut self) -> io::Result<Option<u8>> {
        if self.at == self.filled && !self.refill_chunk()? {
            return Ok(None);
        }
        let byte = self.chunk.get(self.at).copied();
        self.at += 1;
        Ok(byte)
    }

    /// Reads a member's header; false at the end of the file.
    fn read_header(&mut self, first: bool) -> io::Result<Result<bool, GzipDamage>> {
        let mut byte = self.next_byte()?;
        // Zero bytes between members are padding, as in Python's `gzip`.
        while !first && byte == Some(0) {
            byte = self.next_byte()?;
        }
        let Some(byte) = byte else {
            return Ok(if first { Err(self.truncated_in("the header: it is empty")) } else { Ok(false) });
        };
        let mut header = HeaderReader { reader: self, crc: Crc::new() };
        // The first byte was taken before the header's own CRC began.
        header.crc.update(&[byte]);
        let result = header.read(byte, first)?;
        if result.is_ok() {
            // Each member has a window and a checksum of its own.
            self.inflate.reset(false);
            self.crc.reset();
        }
        Ok(result.map(|()| true))
    }

    /// Inflates into `out`; at the member's end checks its trailer.
    fn inflate_data(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.filled && !self.refill_chunk()? {
            let damage = self.truncated_in("the compressed data");
            self.set_damage(damage);
            return Ok(0);
        }
        let (in_before, out_before) = (self.inflate.total_in(), self.inflate.total_out());
        let input = &self.chunk[self.at..self.filled];
        let status = self.inflate.decompress(input, out, FlushDecompress::None);
        // Both conversions succeed: the numbers are at most the lengths of the slices.
        self.at += usize::try_from(self.inflate.total_in() - in_before).unwrap_or(0);
        let written = usize::try_from(self.inflate.total_out() - out_before).unwrap_or(0);
        self.crc.update(&out[..written]);
        match status {
            Ok(Status::StreamEnd) => match self.check_trailer()? {
                Ok(()) => self.state = ReaderState::Start { first: false },
                Err(damage) => self.set_damage(damage),
            },
            // No progress although there is input and room: never in a sound stream, and it must not loop for ever.
            Ok(_) if written == 0 && self.inflate.total_in() == in_before => {
                let damage = self.corrupt_here("bad compressed data");
                self.set_damage(damage);
            }
            Ok(_) => {}
            Err(_) => {
                let damage = self.corrupt_here("bad compressed data");
                self.set_damage(damage);
            }
        }
        Ok(written)
    }

    fn check_trailer(&mut self) -> io::Result<Result<(), GzipDamage>> {
        let mut words = [0_u32; 2];
        for word in &mut words {
            let mut bytes = [0; 4];
            for slot in &mut bytes {
                match self.next_byte()? {
                    Some(byte) => *slot = byte,
                    None => return Ok(Err(self.truncated_in("a checksum"))),
                }
            }
            *word = u32::from_le_bytes(bytes);
        }
        Ok(if words[0] != self.crc.sum() {
            Err(self.corrupt_here("the CRC is wrong"))
        } else if words[1] != self.crc.amount() {
            Err(self.corrupt_here("the length is wrong"))
        } else {
            Ok(())
        })
    }
}

/// A header being read, with its own CRC.
struct HeaderReader<'a, R> {
    reader: &'a mut GzipReader<R>,
    crc: Crc,
}

impl<R: Read> HeaderReader<'_, R> {
    fn next(&mut self) -> io::Result<Option<u8>> {
        let byte = self.reader.next_byte()?;
        self.crc.update(byte.as_slice());
        Ok(byte)
    }

    fn read(&mut self, magic: u8, first: bool) -> io::Result<Result<(), GzipDamage>> {
        let not_gzip = if first { "not a gzip file" } else { "not a gzip member after the first" };
        if magic != 0x1f {
            return Ok(Err(self.reader.corrupt_here(not_gzip)));
        }
        macro_rules! take {
            () => {
                match self.next()? {
                    Some(byte) => byte,
                    None => return Ok(Err(self.reader.truncated_in("a header"))),
                }
            };
        }
        if take!() != 0x8b {
            return Ok(Err(self.reader.corrupt_here(not_gzip)));
        }
        if take!() != 8 {
            return Ok(Err(self.reader.corrupt_here("unknown compression method")));
        }
        let flags = take!();
        // RFC 1952: reserved bits must be zero.
        if flags & 0xe0 != 0 {
            return Ok(Err(self.reader.corrupt_here("unknown flags in a header")));
        }
        // RFC 1952: modification time (4 bytes), extra flags and operating system are skipped.
        for _ in 0..6 {
            take!();
        }
        // FEXTRA: a length and that many bytes.
        if flags & 4 != 0 {
            let length = u16::from_le_bytes([take!(), take!()]);
            for _ in 0..length {
                take!();
            }
        }
        // FNAME and FCOMMENT: texts that end with a zero byte.
        for flag in [8, 16] {
            if flags & flag != 0 {
                while take!() != 0 {}
            }
        }
        // FHCRC: the low half of the header's CRC-32.
        if flags & 2 != 0 {
            let [low, high, ..] = self.crc.sum().to_le_bytes();
            if [take!(), take!()] != [low, high] {
                return Ok(Err(self.reader.corrupt_here("the CRC of a header is wrong")));
            }
        }
        Ok(Ok(()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, GzBuilder};

    use super::*;

    fn gzip_bytes(data: &[u8]) -> Vec<u8> {
        let mut writer = GzBuilder::new().filename("steps.jsonl").write(Vec::new(), Compression::default());
        writer.write_all(data).unwrap();
        writer.finish().unwrap()
    }

    /// Returns all data, and how it ended; `slow` reads one byte of input at a time.
    fn read_all(bytes: &[u8], slow: bool) -> (Vec<u8>, Option<GzipDamage>) {
        struct SlowReader<'a>(&'a [u8]);
        impl Read for SlowReader<'_> {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.0.read(buf.get_mut(..1).unwrap())
            }
        }
        fn all(mut reader: GzipReader<impl Read>) -> (Vec<u8>, Option<GzipDamage>) {
            let (mut out, mut buf) = (Vec::new(), [0; 100]);
            loop {
                match reader.read(&mut buf).unwrap() {
                    Inflated::Bytes(n) => out.extend_from_slice(&buf[..n]),
                    Inflated::End => return (out, None),
                    Inflated::Damaged(damage) => return (out, Some(damage)),
                }
            }
        }
        if slow { all(GzipReader::new(SlowReader(bytes), false)) } else { all(GzipReader::new(bytes, false)) }
    }

    fn sample_text() -> Vec<u8> {
        (0..250_u32).flat_map(|i| format!("line {} {}\n", i, i.wrapping_mul(2_654_435_761)).into_bytes()).collect()
    }

    #[test]
    fn members_and_padding_are_read() {
        let mut bytes = gzip_bytes(b"");
        for part in [gzip_bytes(&sample_text()), vec![0; 700], gzip_bytes(b"end"), vec![0; 3]] {
            bytes.extend(part);
        }
        let whole = [sample_text(), b"end".to_vec()].concat();
        assert_eq!(read_all(&bytes, false), (whole.clone(), None));
        assert_eq!(read_all(&bytes, true), (whole, None));
    }

    #[test]
    fn every_cut_is_a_truncation_and_what_came_before_is_given() {
        let bytes = gzip_bytes(&sample_text());
        let mut most = 0;
        for cut in 0..bytes.len() {
            let (out, damage) = read_all(&bytes[..cut], false);
            assert!(
                matches!(damage, Some(GzipDamage::Truncated { bytes, .. }) if bytes == cut as u64),
                "{cut}: {damage:?}"
            );
            assert!(sample_text().starts_with(&out));
            most = most.max(out.len());
        }
        assert_eq!(most, sample_text().len());
    }

    #[test]
    fn every_flipped_byte_that_matters_is_noticed() {
        let bytes = gzip_bytes(&sample_text());
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x55;
            let (out, damage) = read_all(&bad, false);
            // Time, level, system and name may be anything.
            let harmless = (4..10).contains(&at) || (10..22).contains(&at);
            if !harmless {
                assert!(damage.is_some(), "{at}");
            } else if damage.is_none() {
                assert_eq!(out, sample_text());
            }
        }
    }

    #[test]
    fn garbage_behind_a_member_is_corrupt_and_a_half_header_truncated() {
        let with = |tail: &[u8]| read_all(&[gzip_bytes(b"x"), tail.to_vec()].concat(), false).1;
        assert!(matches!(with(b"garbage"), Some(GzipDamage::Corrupt { .. })));
        assert!(matches!(with(b"\0\0garbage"), Some(GzipDamage::Corrupt { .. })));
        assert!(matches!(with(b"\x1f"), Some(GzipDamage::Truncated { .. })));
        assert!(matches!(read_all(b"\0\0\0", false).1, Some(GzipDamage::Corrupt { .. })));
    }

    #[test]
    fn size_and_hash_are_the_files_also_after_a_damage() {
        let bytes = [gzip_bytes(b"x"), b"garbage".repeat(100_000)].concat();
        let mut reader = GzipReader::new(bytes.as_slice(), true);
        while matches!(reader.read(&mut [0; 10]).unwrap(), Inflated::Bytes(_)) {}
        let (size, hash) = reader.finish().unwrap();
        assert_eq!((size, hash.unwrap()), (bytes.len() as u64, to_hex(&Sha256::digest(&bytes))));
    }
}

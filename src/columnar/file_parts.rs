//! The column chunks of a row group that are read, in memory: one call for chunks side by side, instead of several for each
//! page.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;

/// Parts of a file.
pub(super) struct FileParts {
    /// Where each part begins in the file, in order.
    parts: Vec<(u64, Bytes)>,
    file_bytes: u64,
}

impl FileParts {
    /// Reads the chunks of these columns; returns how many bytes they are when decompressed, too.
    pub(super) fn read(file: &File, group: &RowGroupMetaData, mask: &ProjectionMask) -> io::Result<(Self, u64)> {
        let read = group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf));
        let (mut ranges, mut decompressed) = (Vec::new(), 0u64);
        for (_, chunk) in read {
            let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
            // A footer can say anything, and the crate takes it for granted that these are no less than 0.
            let range = (u64::try_from(start), u64::try_from(chunk.compressed_size()));
            let (Ok(start), Ok(length)) = range else { return Err(io::ErrorKind::InvalidData.into()) };
            ranges.push((start, length));
            decompressed = decompressed.saturating_add(u64::try_from(chunk.uncompressed_size()).unwrap_or(0));
        }
        ranges.sort_unstable();
        let file_bytes = file.metadata()?.len();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for (start, length) in ranges {
            let end = start.checked_add(length).filter(|end| *end <= file_bytes).ok_or(io::ErrorKind::UnexpectedEof)?;
            match joined.last_mut() {
                Some((_, last)) if *last >= start => *last = end.max(*last),
                _ => joined.push((start, end)),
            }
        }
        let mut parts = Vec::with_capacity(joined.len());
        for (start, end) in joined {
            let mut bytes = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
            file.read_exact_at(&mut bytes, start)?;
            parts.push((start, Bytes::from(bytes)));
        }
        Ok((Self { parts, file_bytes }, decompressed))
    }

    /// How many bytes the whole file has.
    pub(super) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// The bytes from a place in the file to the end of its part.
    pub(super) fn bytes_from(&self, start: u64) -> Result<Bytes> {
        let outside = || ParquetError::EOF(format!("a page at byte {start} is outside of its column"));
        let at = self.parts.partition_point(|(from, _)| *from <= start).checked_sub(1).ok_or_else(outside)?;
        let (from, bytes) = self.parts.get(at).ok_or_else(outside)?;
        let skipped = usize::try_from(start - from).ok().filter(|skipped| *skipped <= bytes.len());
        Ok(bytes.slice(skipped.ok_or_else(outside)?..))
    }
}

//! Compresses pages, with one context for each thread.
//!
//! The `parquet` crate makes two contexts for each column, and each asks the processor what it can do. In a virtual machine
//! that question takes some 50 µs, more than all rows of a small run. So its writers get no compression, and their pages are
//! compressed here, in the same way and into the same bytes.

use std::cell::RefCell;

use bytes::Bytes;
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::page::{CompressedPage, Page};
use parquet::errors::{ParquetError, Result};
use zstd::bulk::Compressor;

/// The compression level of all pages, the fastest: a higher one would change the bytes of every run.
const ZSTD_LEVEL: i32 = 1;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// What the footer says of a column's compression.
pub(super) fn page_compression() -> Result<Compression> {
    Ok(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
}

/// Compresses a page as the `parquet` crate would.
pub(super) fn compress_page(page: &CompressedPage) -> Result<CompressedPage> {
    let buf = compress_bytes(page.data())?;
    let compressed = match page.compressed_page() {
        Page::DataPage { num_values, encoding, def_level_encoding, rep_level_encoding, statistics, .. } => {
            Page::DataPage {
                buf,
                num_values: *num_values,
                encoding: *encoding,
                def_level_encoding: *def_level_encoding,
                rep_level_encoding: *rep_level_encoding,
                statistics: statistics.clone(),
            }
        }
        Page::DictionaryPage { num_values, encoding, is_sorted, .. } => {
            Page::DictionaryPage { buf, num_values: *num_values, encoding: *encoding, is_sorted: *is_sorted }
        }
        // Version 1.0 has no other pages.
        Page::DataPageV2 { .. } => return Err(ParquetError::General("a page is of another version".into())),
    };
    Ok(CompressedPage::new(compressed, page.uncompressed_size()))
}

/// Compresses bytes as one frame that says how long they are.
pub(super) fn compress_bytes(bytes: &[u8]) -> Result<Bytes> {
    let failed = |error: std::io::Error| ParquetError::External(Box::new(error));
    COMPRESSOR.with_borrow_mut(|compressor| {
        let compressor = match compressor {
            Some(compressor) => compressor,
            None => compressor.insert(Compressor::new(ZSTD_LEVEL).map_err(failed)?),
        };
        compressor.compress(bytes).map(Bytes::from).map_err(failed)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bytes_do_not_depend_on_what_was_compressed_before() {
        let texts: Vec<Vec<u8>> =
            (0..300_u32).map(|n| (0..n * n).flat_map(|at| (at.wrapping_mul(n) >> 3).to_le_bytes()).collect()).collect();
        for text in texts.iter().chain(texts.iter().rev().step_by(7)) {
            assert_eq!(compress_bytes(text).unwrap(), zstd::bulk::compress(text, ZSTD_LEVEL).unwrap());
        }
    }
}

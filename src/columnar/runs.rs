//! A column whose value changes rarely: a dictionary and run lengths, without looking at each row.
//!
//! `run_id` is the same in every row, and `episode_id` in every row of an episode. Hashing them for a million rows
//! would take longer than all the rest of the file. So the two pages of such a column are written here: the distinct
//! values, plain, and their indices as runs (parquet's RLE / bit-packing hybrid, of which only runs are used). Other
//! columns are in `chunk`.

use std::collections::HashMap;
use std::io::Write;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use crate::columnar::compress::{compress_bytes, page_compression};

/// The longest text, in bytes, that goes into the statistics.
const MAX_STATISTIC: usize = 256;

/// A value of a run-length column.
pub(super) trait RunValue: Clone + Ord + std::hash::Hash {
    /// The type in which it is passed.
    type Ref: ?Sized;
    /// Whether it equals a passed value.
    fn equals(&self, value: &Self::Ref) -> bool;
    /// Makes an owned value.
    fn to_owned_value(value: &Self::Ref) -> Self;
    /// Appends it in parquet's plain encoding.
    fn write_plain(&self, out: &mut Vec<u8>);
    /// Returns the column's statistics from its smallest and largest value.
    fn to_statistics(min: Self, max: Self) -> Option<Statistics>;
}

impl RunValue for i64 {
    type Ref = Self;

    fn equals(&self, value: &Self) -> bool {
        self == value
    }

    fn to_owned_value(value: &Self) -> Self {
        *value
    }

    fn write_plain(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn to_statistics(min: Self, max: Self) -> Option<Statistics> {
        let statistics = ValueStatistics::new(Some(min), Some(max), None, Some(0), false);
        Some(Statistics::Int64(statistics.with_backwards_compatible_min_max(true)))
    }
}

impl RunValue for Box<str> {
    type Ref = str;

    fn equals(&self, value: &str) -> bool {
        **self == *value
    }

    fn to_owned_value(value: &str) -> Self {
        value.into()
    }

    fn write_plain(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u32::try_from(self.len()).unwrap_or_default().to_le_bytes());
        out.extend_from_slice(self.as_bytes());
    }

    fn to_statistics(min: Self, max: Self) -> Option<Statistics> {
        let value = |text: Self| ByteArray::from(text.as_bytes().to_vec());
        let fits = min.len() <= MAX_STATISTIC && max.len() <= MAX_STATISTIC;
        // Longer texts have no statistics: a truncated maximum would be too small.
        fits.then(|| {
            Statistics::ByteArray(ValueStatistics::new(Some(value(min)), Some(value(max)), None, Some(0), false))
        })
    }
}

/// The column in one row group.
pub(super) struct RunColumn<V> {
    column: ColumnDescPtr,
    positions: HashMap<V, u32>,
    dictionary: Vec<u8>,
    /// Index and length of each run.
    runs: Vec<(u32, u32)>,
    last: Option<V>,
    rows: u32,
}

impl<V: RunValue> RunColumn<V> {
    pub(super) fn new(column: ColumnDescPtr) -> Self {
        Self { column, positions: HashMap::new(), dictionary: Vec::new(), runs: Vec::new(), last: None, rows: 0 }
    }

    /// Adds `rows` rows with one value.
    pub(super) fn push(&mut self, value: &V::Ref, rows: usize) -> Result<()> {
        let rows = u32::try_from(rows).map_err(|_| too_many_rows())?;
        self.rows = self.rows.checked_add(rows).ok_or_else(too_many_rows)?;
        // For speed: the same value as in the row before needs no hash.
        if let (Some(last), Some(run)) = (&self.last, self.runs.last_mut())
            && last.equals(value)
        {
            run.1 += rows;
            return Ok(());
        }
        let value = V::to_owned_value(value);
        let next = u32::try_from(self.positions.len()).map_err(|_| too_many_rows())?;
        let dictionary = &mut self.dictionary;
        let index = *self.positions.entry(value.clone()).or_insert_with(|| {
            value.write_plain(dictionary);
            next
        });
        self.last = Some(value);
        self.runs.push((index, rows));
        Ok(())
    }

    /// Finishes the column and appends it to the row group.
    pub(super) fn append_to<W: Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        let distinct = u32::try_from(self.positions.len()).map_err(|_| too_many_rows())?;
        // The bits of the largest index; 0 for a single value.
        let width = u32::BITS - distinct.saturating_sub(1).leading_zeros();
        // The first byte of the page is the bit width of the indices.
        let mut indices = vec![u8::try_from(width).unwrap_or_default()];
        for (index, length) in self.runs {
            // A run of the hybrid: a varint of the length with the low bit 0, then the index in as few bytes as its bit
            // width needs.
            let mut header = u64::from(length) << 1;
            while header >= 0x80 {
                indices.push(u8::try_from(header & 0x7f).unwrap_or_default() | 0x80);
                header >>= 7;
            }
            indices.push(u8::try_from(header).unwrap_or_default());
            let bytes = index.to_le_bytes();
            indices.extend(bytes.iter().take(width.div_ceil(8) as usize));
        }
        let mut sink = TrackedWrite::new(Vec::new());
        let mut pages = SerializedPageWriter::new(&mut sink);
        let dictionary = pages.write_page(compress_page(&self.dictionary, |buf| Page::DictionaryPage {
            buf,
            num_values: distinct,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        })?)?;
        let data = pages.write_page(compress_page(&indices, |buf| Page::DataPage {
            buf,
            num_values: self.rows,
            encoding: Encoding::RLE_DICTIONARY,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })?)?;
        let size = |bytes: usize| i64::try_from(bytes).map_err(|_| too_many_rows());
        let offset = |offset: u64| i64::try_from(offset).map_err(|_| too_many_rows());
        let mut metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(page_compression()?)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_num_values(i64::from(self.rows))
            .set_total_uncompressed_size(size(dictionary.uncompressed_size + data.uncompressed_size)?)
            .set_total_compressed_size(size(dictionary.compressed_size + data.compressed_size)?)
            .set_dictionary_page_offset(Some(offset(dictionary.offset)?))
            .set_data_page_offset(offset(data.offset)?);
        let (min, max) = (self.positions.keys().min().cloned(), self.positions.keys().max().cloned());
        if let Some(statistics) = min.zip(max).and_then(|(min, max)| V::to_statistics(min, max)) {
            metadata = metadata.set_statistics(statistics);
        }
        let close = ColumnCloseResult {
            bytes_written: dictionary.bytes_written + data.bytes_written,
            rows_written: u64::from(self.rows),
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        group.append_column(&Bytes::from(sink.into_inner()?), close)
    }
}

fn compress_page(bytes: &[u8], page: impl FnOnce(Bytes) -> Page) -> Result<CompressedPage> {
    Ok(CompressedPage::new(page(compress_bytes(bytes)?), bytes.len()))
}

fn too_many_rows() -> ParquetError {
    ParquetError::General("too many rows in a row group".into())
}

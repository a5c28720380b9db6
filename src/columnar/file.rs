//! A parquet file that is open for reading: its footer, and batches of some of its columns.
//!
//! Listing thousands of small runs is reading thousands of small files. The parquet crate makes two zstd contexts for each
//! column that it opens, and a file handle for each page, which cost more than all the rest. So a small file is read at
//! once, and pages are decompressed here, with one context per thread.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Cursor, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::Compression;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy, RowGroupMetaData,
};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use zstd::bulk::Decompressor;

use crate::columnar::ColumnarError;
use crate::columnar::file_parts::FileParts;
use crate::support::fs;

/// Files up to this size, in bytes, are read at once.
const SMALL_FILE: u64 = 256 << 10;

/// 8192 rows, like the batches of the scan.
const BATCH_ROWS: usize = 8192;

/// An open file, or some row groups of it.
pub(super) struct ParquetFile {
    source: Arc<FileBytes>,
    metadata: Arc<ParquetMetaData>,
    groups: Range<usize>,
}

impl ParquetFile {
    /// Opens a file and reads its footer, without the statistics of its columns.
    pub(super) fn open(path: &Path) -> std::result::Result<Self, ColumnarError> {
        Self::open_with(path, ParquetStatisticsPolicy::SkipAll)
    }

    /// Opens a file and reads its footer, with the statistics of its columns.
    pub(super) fn open_with_statistics(path: &Path) -> std::result::Result<Self, ColumnarError> {
        Self::open_with(path, ParquetStatisticsPolicy::KeepAll)
    }

    fn open_with(path: &Path, statistics: ParquetStatisticsPolicy) -> std::result::Result<Self, ColumnarError> {
        let file = fs::open(path).map_err(|error| ColumnarError::Open { path: path.into(), source: error.source })?;
        Self::read_footer(file, statistics)
            .map_err(|error| ColumnarError::Unreadable { path: path.into(), message: error.to_string() })
    }

    fn read_footer(mut file: File, statistics: ParquetStatisticsPolicy) -> Result<Self> {
        let size = file.metadata()?.len();
        let source = if size <= SMALL_FILE {
            let mut bytes = Vec::with_capacity(usize::try_from(size + 1)?);
            // A file that grew meanwhile is not read without end.
            Read::by_ref(&mut file).take(SMALL_FILE).read_to_end(&mut bytes)?;
            FileBytes::Memory(bytes.into())
        } else {
            FileBytes::Disk(file)
        };
        Self::of_source(source, statistics)
    }

    /// Of thousands of small files, statistics that are not read are a good part of what their footers cost.
    fn of_source(source: FileBytes, statistics: ParquetStatisticsPolicy) -> Result<Self> {
        let options = ParquetMetaDataOptions::new()
            .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_column_stats_policy(statistics);
        let metadata = ParquetMetaDataReader::new().with_metadata_options(Some(options)).parse_and_finish(&source)?;
        let groups = 0..metadata.num_row_groups();
        Ok(Self { source: Arc::new(source), metadata: Arc::new(metadata), groups })
    }

    /// A file whose bytes are in memory.
    pub(super) fn of_bytes(bytes: Bytes) -> Result<Self> {
        Self::of_source(FileBytes::Memory(bytes), ParquetStatisticsPolicy::SkipAll)
    }

    /// One row group of a file with this footer, of which these parts are in memory.
    pub(super) fn of_group(parts: FileParts, metadata: Arc<ParquetMetaData>, group: usize) -> Self {
        Self { source: Arc::new(FileBytes::Parts(parts)), metadata, groups: group..group + 1 }
    }

    /// The footer.
    pub(super) fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }

    /// Reads these columns, no others; one that the file lacks is absent from the batches.
    pub(super) fn read_columns<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Result<ParquetRecordBatchReader> {
        let schema = self.metadata.file_metadata().schema_descr();
        let mask = ProjectionMask::columns(schema, names);
        let levels = parquet_to_arrow_field_levels(schema, mask, None)?;
        self.read_levels(&levels, BATCH_ROWS)
    }

    /// Reads the columns of these levels, in batches of so many rows.
    pub(super) fn read_levels(self, levels: &FieldLevels, batch_rows: usize) -> Result<ParquetRecordBatchReader> {
        ParquetRecordBatchReader::try_new_with_row_groups(levels, &self, batch_rows, None)
    }

    fn selected_groups(&self) -> &[RowGroupMetaData] {
        self.metadata.row_groups().get(self.groups.clone()).unwrap_or_default()
    }
}

impl RowGroups for ParquetFile {
    fn num_rows(&self) -> usize {
        let rows = self.selected_groups().iter().map(RowGroupMetaData::num_rows);
        // A footer that counts less than nothing has no rows; the pages say the same or are an error.
        rows.map(|rows| usize::try_from(rows).unwrap_or(0)).fold(0, usize::saturating_add)
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let (source, metadata) = (Arc::clone(&self.source), Arc::clone(&self.metadata));
        Ok(Box::new(ColumnPages { source, metadata, column, groups: self.groups.clone() }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.selected_groups().iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The pages of one column, row group by row group.
struct ColumnPages {
    source: Arc<FileBytes>,
    metadata: Arc<ParquetMetaData>,
    column: usize,
    groups: Range<usize>,
}

impl PageIterator for ColumnPages {}

impl Iterator for ColumnPages {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.metadata.row_groups().get(self.groups.next()?)?;
        Some(open_pages(&self.source, group, self.column))
    }
}

fn open_pages(source: &Arc<FileBytes>, group: &RowGroupMetaData, column: usize) -> Result<Box<dyn PageReader>> {
    let missing = || ParquetError::General(format!("a row group lacks column {column}"));
    let chunk = group.columns().get(column).ok_or_else(missing)?;
    let rows = usize::try_from(group.num_rows())?;
    if !matches!(chunk.compression(), Compression::ZSTD(_)) {
        return Ok(Box::new(SerializedPageReader::new(Arc::clone(source), chunk, rows, None)?));
    }
    // Without a compression, the crate hands out the pages as they are stored, and makes no contexts.
    let stored = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
    Ok(Box::new(ZstdPages { stored: SerializedPageReader::new(Arc::clone(source), &stored, rows, None)? }))
}

/// Pages that are decompressed here.
struct ZstdPages {
    stored: SerializedPageReader<FileBytes>,
}

impl Iterator for ZstdPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for ZstdPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(mut page) = self.stored.get_next_page()? else { return Ok(None) };
        match &mut page {
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => *buf = decompress(buf, 0)?,
            Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, is_compressed: true, .. } => {
                // The levels before the values are stored as they are.
                let levels = u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len);
                *buf = decompress(buf, usize::try_from(levels)?)?;
            }
            Page::DataPageV2 { .. } => {}
        }
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.stored.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.stored.skip_next_page()
    }
}

thread_local! {
    static ZSTD: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Returns a page with all behind its levels decompressed.
fn decompress(page: &Bytes, levels: usize) -> Result<Bytes> {
    let too_short = || ParquetError::EOF("a page is shorter than its levels".into());
    let (levels, packed) = page.split_at_checked(levels).ok_or_else(too_short)?;
    // A page of nothing but nulls.
    if packed.is_empty() {
        return Ok(page.clone());
    }
    // As large as the format allows a page to be.
    let most = usize::try_from(i32::MAX)?;
    let size = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten();
    let Some(size) = size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= most) else {
        // Another writer's frame need not say its size.
        let mut out = levels.to_vec();
        zstd::stream::read::Decoder::new(packed)?.take(most as u64).read_to_end(&mut out)?;
        return Ok(out.into());
    };
    let mut out = Vec::with_capacity(levels.len() + size);
    out.extend_from_slice(levels);
    let mut behind_levels = Cursor::new(&mut out);
    behind_levels.set_position(levels.len() as u64);
    ZSTD.with_borrow_mut(|zstd| match zstd {
        Some(zstd) => zstd.decompress_to_buffer(packed, &mut behind_levels),
        none => none.insert(Decompressor::new()?).decompress_to_buffer(packed, &mut behind_levels),
    })?;
    Ok(out.into())
}

/// A file's bytes: those of a small one are in memory, or the parts that are needed.
enum FileBytes {
    Memory(Bytes),
    Parts(FileParts),
    Disk(File),
}

impl Length for FileBytes {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Parts(parts) => parts.file_bytes(),
            Self::Disk(file) => Length::len(file),
        }
    }
}

impl ChunkReader for FileBytes {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        match self {
            Self::Memory(bytes) => Ok(Box::new(ChunkReader::get_read(bytes, start)?)),
            Self::Parts(parts) => Ok(Box::new(parts.bytes_from(start)?.reader())),
            Self::Disk(file) => Ok(Box::new(ChunkReader::get_read(file, start)?)),
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match self {
            Self::Memory(bytes) => {
                // The crate's own reader adds the two, which a footer can make overflow.
                let end = start.checked_add(length as u64).filter(|end| *end <= bytes.len() as u64);
                end.ok_or_else(|| ParquetError::EOF("the file ends within a page".into()))?;
                ChunkReader::get_bytes(bytes, start, length)
            }
            Self::Parts(parts) => {
                let part = parts.bytes_from(start)?;
                part.len().checked_sub(length).ok_or_else(|| ParquetError::EOF("a part ends within a page".into()))?;
                Ok(part.slice(..length))
            }
            Self::Disk(file) => ChunkReader::get_bytes(file, start, length),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::io::Write;

    use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::basic::ZstdLevel;
    use parquet::file::properties::{WriterProperties, WriterVersion};

    use super::*;

    fn batch(rows: i64) -> RecordBatch {
        let names = (0..rows).map(|row| (row % 3 > 0).then(|| format!("episode {}", row % 7)));
        let floats = (0..rows).map(|row| (row % 5 > 0).then_some(f64::from(u16::try_from(row % 9999).unwrap()).sin()));
        let columns: [(&str, ArrayRef); 5] = [
            ("step", Arc::new(Int64Array::from_iter_values(0..rows))),
            ("done", Arc::new((0..rows).map(|row| Some(row % 4 == 0)).collect::<BooleanArray>())),
            ("reward", Arc::new(floats.collect::<Float64Array>())),
            ("name", Arc::new(names.collect::<StringArray>())),
            ("nulls", Arc::new(Float64Array::new_null(usize::try_from(rows).unwrap()))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn write(batch: &RecordBatch, version: WriterVersion, compression: Compression) -> Vec<u8> {
        let properties = WriterProperties::builder()
            .set_writer_version(version)
            .set_compression(compression)
            .set_max_row_group_row_count(Some(20_000))
            .build();
        let mut out = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        out
    }

    #[test]
    fn columns_are_read_as_the_crate_itself_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.parquet");
        let zstd = Compression::ZSTD(ZstdLevel::try_new(3).unwrap());
        let (mut small, mut large) = (0, 0);
        for (rows, version, compression) in [
            (10, WriterVersion::PARQUET_1_0, zstd),
            (10, WriterVersion::PARQUET_2_0, zstd),
            (10, WriterVersion::PARQUET_2_0, Compression::UNCOMPRESSED),
            (50_000, WriterVersion::PARQUET_1_0, zstd),
            (50_000, WriterVersion::PARQUET_2_0, zstd),
            (0, WriterVersion::PARQUET_2_0, zstd),
        ] {
            let bytes = write(&batch(rows), version, compression);
            std::fs::write(&path, &bytes).unwrap();
            if bytes.len() as u64 > SMALL_FILE {
                large += 1
            } else {
                small += 1
            }
            let names = ["step", "reward", "name", "done", "nulls", "not in the file"];
            let ours = ParquetFile::open(&path).unwrap().read_columns(names).unwrap();
            let theirs = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
            let theirs = theirs.with_batch_size(BATCH_ROWS).build().unwrap();
            let all = |batches: ParquetRecordBatchReader| batches.collect::<std::result::Result<Vec<_>, _>>().unwrap();
            assert_eq!(all(ours), all(theirs), "{rows} {version:?} {compression:?}");
            let some = all(ParquetFile::open(&path).unwrap().read_columns(["reward", "step"]).unwrap());
            let columns: Vec<usize> = some.iter().map(RecordBatch::num_columns).collect();
            assert!(columns.iter().all(|columns| *columns == 2), "{columns:?}");
        }
        assert!(small >= 3 && large >= 2, "{small} {large}");
    }

    #[test]
    fn a_damaged_page_is_an_error_and_no_panic() {
        let packed = zstd::bulk::compress(&[7; 5000], 3).unwrap();
        let page = |levels: &[u8], packed: &[u8]| Bytes::from([levels, packed].concat());
        let whole = decompress(&page(b"ab", &packed), 2).unwrap();
        assert_eq!((&whole[..2], &whole[2..]), (&b"ab"[..], &[7; 5000][..]));
        // Only nulls: there is nothing behind the levels.
        assert_eq!(decompress(&page(b"ab", b""), 2).unwrap(), &b"ab"[..]);
        // A stream's frame does not say its size.
        let mut stream = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
        stream.write_all(&[7; 2500]).unwrap();
        stream.flush().unwrap();
        stream.write_all(&[7; 2500]).unwrap();
        let streamed = stream.finish().unwrap();
        assert_eq!(zstd::zstd_safe::get_frame_content_size(&streamed).unwrap(), None);
        assert_eq!(decompress(&page(b"ab", &streamed), 2).unwrap(), whole);
        for at in 0..packed.len() {
            assert!(decompress(&page(b"", &packed[..at.max(1)]), 0).is_err(), "cut at {at}");
            let mut flipped = packed.clone();
            flipped[at] ^= 0xff;
            // Some bytes may differ without being noticed; what counts is that the size holds.
            let _ = decompress(&page(b"", &flipped), 0);
        }
        assert!(decompress(&page(b"a", b""), 2).is_err());
    }
}

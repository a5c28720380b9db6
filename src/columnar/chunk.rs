//! One column of one row group, encoded into memory while rows come.
//!
//! The `parquet` crate's own writers encode; this file turns our batches into their values and levels without copying a
//! value that needs no packing. Columns of few distinct values are in `runs`.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::column::page::{CompressedPage, PageWriteSpec, PageWriter};
use parquet::column::writer::{ColumnWriter, get_column_writer, get_typed_column_writer_mut};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::footer;
use crate::run::rows::{ListColumn, NullableColumn, TextColumn, is_null_element};

type SharedBuffer = Arc<Mutex<TrackedWrite<Vec<u8>>>>;

/// Collects a column's pages in memory.
struct BufferPages(SharedBuffer);

impl PageWriter for BufferPages {
    fn write_page(&mut self, page: CompressedPage) -> Result<PageWriteSpec> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        SerializedPageWriter::new(&mut *buffer).write_page(page)
    }

    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Levels and packed values; the memory is used again for every batch.
#[derive(Default)]
pub(super) struct ChunkBuffer {
    definition: Vec<i16>,
    repetition: Vec<i16>,
    ints: Vec<i64>,
    floats: Vec<f64>,
    texts: Vec<ByteArray>,
}

pub(super) struct ColumnChunk {
    buffer: SharedBuffer,
    writer: ColumnWriter<'static>,
}

impl ColumnChunk {
    pub(super) fn new(column: ColumnDescPtr, properties: WriterPropertiesPtr) -> Self {
        let buffer: SharedBuffer = Arc::new(Mutex::new(TrackedWrite::new(Vec::new())));
        let writer = get_column_writer(column, properties, Box::new(BufferPages(Arc::clone(&buffer))));
        Self { buffer, writer }
    }

    fn write<T: DataType>(&mut self, values: &[T::T], levels: Option<&[i16]>, repeated: Option<&[i16]>) -> Result<()> {
        get_typed_column_writer_mut::<T>(&mut self.writer).write_batch(values, levels, repeated).map(|_| ())
    }

    pub(super) fn write_ints(&mut self, values: &[i64]) -> Result<()> {
        self.write::<Int64Type>(values, None, None)
    }

    pub(super) fn write_floats(&mut self, values: &[f64]) -> Result<()> {
        self.write::<DoubleType>(values, None, None)
    }

    pub(super) fn write_bools(&mut self, values: &[bool]) -> Result<()> {
        self.write::<BoolType>(values, None, None)
    }

    pub(super) fn write_optional_ints(&mut self, values: &NullableColumn<i64>, buffer: &mut ChunkBuffer) -> Result<()> {
        let packed = pack_values(values, &mut buffer.definition, &mut buffer.ints);
        self.write::<Int64Type>(packed, Some(&buffer.definition), None)
    }

    pub(super) fn write_optional_floats(
        &mut self,
        values: &NullableColumn<f64>,
        buffer: &mut ChunkBuffer,
    ) -> Result<()> {
        let packed = pack_values(values, &mut buffer.definition, &mut buffer.floats);
        self.write::<DoubleType>(packed, Some(&buffer.definition), None)
    }

    pub(super) fn write_texts(&mut self, values: &TextColumn, buffer: &mut ChunkBuffer) -> Result<()> {
        slice_texts(values, &mut buffer.texts, |_| true);
        let result = self.write::<ByteArrayType>(&buffer.texts, None, None);
        buffer.texts.clear();
        result
    }

    /// Writes texts; an empty one is a null.
    pub(super) fn write_optional_texts(&mut self, values: &TextColumn, buffer: &mut ChunkBuffer) -> Result<()> {
        buffer.definition.clear();
        // For speed: rows without unknown fields, which is nearly every run.
        if values.bytes.is_empty() {
            buffer.definition.resize(values.len(), 0);
        } else {
            slice_texts(values, &mut buffer.texts, |length| {
                buffer.definition.push(i16::from(length > 0));
                length > 0
            });
        }
        let result = self.write::<ByteArrayType>(&buffer.texts, Some(&buffer.definition), None);
        buffer.texts.clear();
        result
    }

    pub(super) fn write_lists(&mut self, column: &ListColumn, buffer: &mut ChunkBuffer) -> Result<()> {
        // Definition levels of an optional list of optional elements (parquet-format, LogicalTypes.md, "Lists").
        const NULL: i16 = 0;
        const EMPTY: i16 = 1;
        const NULL_ELEMENT: i16 = 2;
        const VALUE: i16 = 3;
        let (definition, repetition) = (&mut buffer.definition, &mut buffer.repetition);
        definition.clear();
        repetition.clear();
        let mut start = 0;
        for (&end, valid) in column.ends.iter().zip(&column.valid) {
            let list = column.values.get(start..end).unwrap_or_default();
            start = end;
            // A null or an empty list has one level and no value.
            if list.is_empty() {
                repetition.push(0);
                definition.push(if *valid { EMPTY } else { NULL });
            }
            for (i, element) in list.iter().enumerate() {
                // Repetition 0 begins a row, 1 continues its list.
                repetition.push(i16::from(i > 0));
                definition.push(if is_null_element(*element) { NULL_ELEMENT } else { VALUE });
            }
        }
        let mut values = column.values.as_slice();
        // Parquet stores no value for a null element, so the marks are taken out.
        if definition.contains(&NULL_ELEMENT) {
            buffer.floats.clear();
            buffer.floats.extend(values.iter().filter(|element| !is_null_element(**element)));
            values = &buffer.floats;
        }
        self.write::<DoubleType>(values, Some(&buffer.definition), Some(&buffer.repetition))
    }

    /// Finishes the column and appends it to the row group.
    pub(super) fn append_to<W: Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        let mut close = self.writer.close()?;
        // No page indexes: the columns of `runs` have none either.
        close.offset_index = None;
        close.column_index = None;
        close.metadata = footer::type_order_bounds(close.metadata)?;
        // `close` has dropped the page writer, so this is the only reference.
        let buffer = Arc::try_unwrap(self.buffer)
            .map_err(|_| ParquetError::General("a column is still being written".into()))?
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        group.append_column(&Bytes::from(buffer.into_inner()?), close)
    }
}

/// Returns the values without nulls, and fills `levels` with 1 for a value and 0 for a null.
fn pack_values<'a, T: Copy>(values: &'a NullableColumn<T>, levels: &mut Vec<i16>, packed: &'a mut Vec<T>) -> &'a [T] {
    levels.clear();
    levels.extend(values.valid.iter().map(|valid| i16::from(*valid)));
    // For speed: without nulls the values are used as they are.
    if values.valid.iter().all(|valid| *valid) {
        return &values.values;
    }
    packed.clear();
    packed.extend(values.values.iter().zip(&values.valid).filter(|(_, valid)| **valid).map(|(value, _)| *value));
    packed
}

/// Collects the texts for whose length `is_selected` is true, as slices of one shared copy.
fn slice_texts(texts: &TextColumn, out: &mut Vec<ByteArray>, mut is_selected: impl FnMut(usize) -> bool) {
    // One copy for all texts; each value is a slice of it.
    let all = Bytes::copy_from_slice(&texts.bytes);
    let mut start = 0;
    for &end in &texts.ends {
        if is_selected(end.saturating_sub(start)) {
            out.push(ByteArray::from(all.slice(start..end)));
        }
        start = end;
    }
}

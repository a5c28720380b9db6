//! One column of one row group, encoded into memory while rows come.
//!
//! The `parquet` crate's own writers encode; this file turns our batches into their values and levels without copying a
//! value that needs no packing. Columns of few distinct values are in `runs`.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::column::page::{CompressedPage, PageWriteSpec, PageWriter};
use parquet::column::writer::{ColumnWriter, get_column_writer, get_typed_column_writer_mut};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::compress::{compress_page, page_compression};
use super::footer;
use crate::run::rows::{ColumnValues, NullableColumn, TextColumn, Values, is_null_element};
use crate::run::schema::{Column, ColumnType};

type SharedBuffer = Arc<Mutex<TrackedWrite<Vec<u8>>>>;

/// Collects a column's pages in memory, compressed.
struct BufferPages(SharedBuffer);

impl PageWriter for BufferPages {
    fn write_page(&mut self, page: CompressedPage) -> Result<PageWriteSpec> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        SerializedPageWriter::new(&mut *buffer).write_page(compress_page(&page)?)
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
    small_ints: Vec<i32>,
    floats: Vec<f64>,
    singles: Vec<f32>,
    bools: Vec<bool>,
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

    pub(super) fn write_bools(&mut self, values: &[bool]) -> Result<()> {
        self.write::<BoolType>(values, None, None)
    }

    pub(super) fn write_optional_ints(&mut self, values: &NullableColumn<i64>, buffer: &mut ChunkBuffer) -> Result<()> {
        let packed = pack_values(values, &mut buffer.definition, &mut buffer.ints);
        self.write::<Int64Type>(packed, Some(&buffer.definition), None)
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

    /// Writes rows without a value.
    pub(super) fn write_nulls(&mut self, rows: usize, kind: ColumnType, buffer: &mut ChunkBuffer) -> Result<()> {
        buffer.definition.clear();
        buffer.definition.resize(rows, 0);
        if kind == ColumnType::Int64 {
            self.write::<Int64Type>(&[], Some(&buffer.definition), None)
        } else {
            self.write::<DoubleType>(&[], Some(&buffer.definition), None)
        }
    }

    /// Writes a declared column. If it is nullable, a row without a value is a null.
    pub(super) fn write_column(
        &mut self,
        column: &Column,
        is_nullable: bool,
        rows: usize,
        values: &ColumnValues,
        buffer: &mut ChunkBuffer,
    ) -> Result<()> {
        if let Some(ends) = &values.ends {
            fill_list_levels(column, is_nullable, values, ends, buffer);
            return self.write_elements(column, &values.values, buffer);
        }
        if let Values::Text(texts) = &values.values {
            if !is_nullable {
                return self.write_texts(texts, buffer);
            }
            fill_levels(rows, &values.valid, &mut buffer.definition);
            slice_valid_texts(texts, &values.valid, &mut buffer.texts);
            let result = self.write::<ByteArrayType>(&buffer.texts, Some(&buffer.definition), None);
            buffer.texts.clear();
            return result;
        }
        let ChunkBuffer { definition, ints, small_ints, floats, singles, bools, .. } = buffer;
        let levels = is_nullable.then(|| {
            fill_levels(rows, &values.valid, definition);
            definition.as_slice()
        });
        let valid = if is_nullable { values.valid.as_slice() } else { &[] };
        match (&values.values, column.kind) {
            (Values::Bool(all), _) => self.write::<BoolType>(pack_valid(all, valid, bools), levels, None),
            (Values::Int(all), ColumnType::Int64) => {
                self.write::<Int64Type>(pack_valid(all, valid, ints), levels, None)
            }
            (Values::Int(all), _) => {
                let packed = pack_valid(all, valid, ints);
                small_ints.clear();
                small_ints.extend(packed.iter().map(|int| low_bits(*int)));
                self.write::<Int32Type>(small_ints, levels, None)
            }
            (Values::Float(all), ColumnType::Float32) => {
                let packed = pack_valid(all, valid, floats);
                singles.clear();
                singles.extend(packed.iter().map(|float| to_single(*float)));
                self.write::<FloatType>(singles, levels, None)
            }
            (Values::Float(all), _) => self.write::<DoubleType>(pack_valid(all, valid, floats), levels, None),
            (Values::Text(_), _) => Ok(()),
        }
    }

    /// Writes the elements of lists, whose levels are in the buffer.
    fn write_elements(&mut self, column: &Column, values: &Values, buffer: &mut ChunkBuffer) -> Result<()> {
        let ChunkBuffer { definition, repetition, small_ints, floats, singles, texts, .. } = buffer;
        let (definition, repetition) = (Some(definition.as_slice()), Some(repetition.as_slice()));
        match (values, column.kind) {
            (Values::Bool(all), _) => self.write::<BoolType>(all, definition, repetition),
            (Values::Int(all), ColumnType::Int64) => self.write::<Int64Type>(all, definition, repetition),
            (Values::Int(all), _) => {
                small_ints.clear();
                small_ints.extend(all.iter().map(|int| low_bits(*int)));
                self.write::<Int32Type>(small_ints, definition, repetition)
            }
            (Values::Float(all), ColumnType::Float32) => {
                singles.clear();
                singles.extend(all.iter().map(|float| to_single(*float)));
                self.write::<FloatType>(singles, definition, repetition)
            }
            // Parquet stores no value for a null element, so the marks are taken out.
            (Values::Float(all), _)
                if column.has_null_elements() && all.iter().any(|element| is_null_element(*element)) =>
            {
                floats.clear();
                floats.extend(all.iter().filter(|element| !is_null_element(**element)));
                self.write::<DoubleType>(floats, definition, repetition)
            }
            (Values::Float(all), _) => self.write::<DoubleType>(all, definition, repetition),
            (Values::Text(all), _) => {
                slice_texts(all, texts, |_| true);
                let result = self.write::<ByteArrayType>(texts, definition, repetition);
                texts.clear();
                result
            }
        }
    }

    /// Finishes the column and appends it to the row group.
    pub(super) fn append_to<W: Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        let mut close = self.writer.close()?;
        // No page indexes: the columns of `runs` have none either.
        close.offset_index = None;
        close.column_index = None;
        let metadata = close.metadata.into_builder().set_compression(page_compression()?).build()?;
        close.metadata = footer::type_order_bounds(metadata)?;
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
    fill_levels(values.values.len(), &values.valid, levels);
    pack_valid(&values.values, &values.valid, packed)
}

/// Fills `levels` with 1 for a value and 0 for a null; without marks, every row has a value.
fn fill_levels(rows: usize, valid: &[bool], levels: &mut Vec<i16>) {
    levels.clear();
    if valid.is_empty() {
        levels.resize(rows, 1);
    } else {
        levels.extend(valid.iter().map(|valid| i16::from(*valid)));
    }
}

/// Returns the values that are no nulls.
fn pack_valid<'a, T: Copy>(values: &'a [T], valid: &[bool], packed: &'a mut Vec<T>) -> &'a [T] {
    // For speed: without nulls the values are used as they are.
    if valid.iter().all(|valid| *valid) {
        return values;
    }
    packed.clear();
    packed.extend(values.iter().zip(valid).filter(|(_, valid)| **valid).map(|(value, _)| *value));
    packed
}

/// Fills the levels of lists (parquet-format, LogicalTypes.md, "Lists").
fn fill_list_levels(
    column: &Column,
    is_nullable: bool,
    values: &ColumnValues,
    ends: &[usize],
    buffer: &mut ChunkBuffer,
) {
    // A level for the list if it can be null, one for an element to be there, and one for it not to be null.
    let empty = i16::from(is_nullable);
    let has_null_elements = column.has_null_elements();
    let value = empty + 1 + i16::from(has_null_elements);
    let floats = values.floats();
    let (definition, repetition) = (&mut buffer.definition, &mut buffer.repetition);
    definition.clear();
    repetition.clear();
    let mut start = 0;
    for (row, &end) in ends.iter().enumerate() {
        // A null or an empty list has one level and no value.
        if start == end {
            repetition.push(0);
            definition.push(if values.is_valid(row) { empty } else { 0 });
        }
        for at in start..end {
            // Repetition 0 begins a row, 1 continues its list.
            repetition.push(i16::from(at > start));
            let is_null = has_null_elements && floats.get(at).is_some_and(|element| is_null_element(*element));
            definition.push(value - i16::from(is_null));
        }
        start = end;
    }
}

/// The 32 bits that parquet holds of a narrow integer; an unsigned one keeps its bits.
#[allow(clippy::cast_possible_truncation)]
fn low_bits(int: i64) -> i32 {
    int as i32
}

/// A float that single precision holds exactly.
#[allow(clippy::cast_possible_truncation)]
fn to_single(float: f64) -> f32 {
    float as f32
}

/// Collects the texts of rows that have one.
fn slice_valid_texts(texts: &TextColumn, valid: &[bool], out: &mut Vec<ByteArray>) {
    let mut marks = valid.iter();
    slice_texts(texts, out, |_| valid.is_empty() || marks.next().copied().unwrap_or(true));
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

//! The declared order of float columns, so that every reader accepts the file.
//!
//! A file declares how each column's smallest and largest values were found. The crate's writer declares
//! `IEEE_754_TOTAL_ORDER` for floats and has no option for another order; readers that do not know it refuse the whole
//! file (Polars before 1.44) or ignore the statistics (pyarrow). [`TypeOrderWriter`] passes a file through and replaces
//! the list of orders at the end of the footer by the type-defined order, which has the same length. The statistics
//! follow that order ([`type_order_bounds`]). If a version of the crate writes another footer, writing fails; nothing
//! is guessed.

use std::io::{self, Write};

use parquet::basic::Type;
use parquet::data_type::{DataType, DoubleType, FloatType};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::schema::types::SchemaDescriptor;

/// The bytes after the orders: the footer's length (4) and `PAR1` (4).
const BEHIND: usize = 8;
/// `ColumnOrder.TYPE_ORDER`, in Thrift's compact protocol: field 1, an empty struct.
const BY_TYPE: [u8; 3] = [0x1c, 0, 0];
/// `ColumnOrder.IEEE_754_TOTAL_ORDER`: field 2.
const TOTAL: [u8; 3] = [0x2c, 0, 0];

/// Passes a parquet file through; [`TypeOrderWriter::finish`] completes it.
pub(super) struct TypeOrderWriter<W> {
    out: W,
    /// The last bytes so far, which can be the end of the file.
    held_back: Vec<u8>,
    /// The orders as the crate writes them.
    declared: Vec<u8>,
    /// The orders as they are replaced.
    expected: Vec<u8>,
}

impl<W: Write> TypeOrderWriter<W> {
    pub(super) fn new(out: W, schema: &SchemaDescriptor) -> Self {
        Self {
            out,
            held_back: Vec::new(),
            declared: column_orders(schema, TOTAL),
            expected: column_orders(schema, BY_TYPE),
        }
    }

    /// Writes the end of the file, with the orders replaced.
    pub(super) fn finish(mut self) -> Result<W> {
        let behind = self.held_back.strip_prefix(self.declared.as_slice());
        let behind = behind.ok_or_else(|| ParquetError::General("the footer does not end as expected".into()))?;
        self.out.write_all(&self.expected)?;
        self.out.write_all(behind)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for TypeOrderWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // As many bytes as the end of a file has are held back.
        let tail_bytes = self.declared.len() + BEHIND;
        let through = (self.held_back.len() + bytes.len()).saturating_sub(tail_bytes);
        let old = through.min(self.held_back.len());
        let (now, end) = bytes.split_at(through - old);
        // The bytes held back come before the new ones.
        self.out.write_all(self.held_back.get(..old).unwrap_or_default())?;
        self.out.write_all(now)?;
        self.held_back.drain(..old);
        self.held_back.extend_from_slice(end);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Returns the footer's last field, `7: list<ColumnOrder> column_orders`, with this order for floats, and the stop byte.
fn column_orders(schema: &SchemaDescriptor, of_floats: [u8; 3]) -> Vec<u8> {
    // Thrift compact protocol: field 7 is one after `created_by` (delta 1), type list (9). The list's element type is
    // struct (0xc); up to 14 elements are counted in the same byte.
    let mut bytes = vec![0x19];
    let mut count = schema.num_columns();
    if count < 15 {
        bytes.push(u8::try_from(count << 4).unwrap_or_default() | 0xc);
    } else {
        // From 15 on, the count follows as a varint.
        bytes.push(0xfc);
        while count >= 0x80 {
            bytes.push(u8::try_from(count & 0x7f).unwrap_or_default() | 0x80);
            count >>= 7;
        }
        bytes.push(u8::try_from(count).unwrap_or_default());
    }
    for column in schema.columns() {
        // Only floats have two possible orders.
        let float = matches!(column.physical_type(), Type::FLOAT | Type::DOUBLE);
        bytes.extend(if float { of_floats } else { BY_TYPE });
    }
    bytes.push(0);
    bytes
}

/// Returns a chunk's metadata with float bounds for the type-defined order. Of the two zeros, -0 is the lower bound and
/// +0 the upper one. A chunk with a NaN has no bounds: the order leaves NaN out, and readers that take NaN for the
/// largest number (DuckDB, Polars) would not look for it beyond the bounds.
pub(super) fn type_order_bounds(metadata: ColumnChunkMetaData) -> Result<ColumnChunkMetaData> {
    let statistics = match metadata.statistics() {
        Some(Statistics::Double(floats)) => {
            Statistics::Double(in_type_order::<DoubleType>(floats, -0.0, 0.0, |float| float.is_nan()))
        }
        Some(Statistics::Float(floats)) => {
            Statistics::Float(in_type_order::<FloatType>(floats, -0.0, 0.0, |float| float.is_nan()))
        }
        _ => return Ok(metadata),
    };
    metadata.into_builder().set_statistics(statistics).build()
}

fn in_type_order<D: DataType>(
    floats: &ValueStatistics<D::T>,
    low_zero: D::T,
    high_zero: D::T,
    is_nan: fn(&D::T) -> bool,
) -> ValueStatistics<D::T> {
    let nans = floats.nan_count_opt();
    let bound = |value: Option<&D::T>, zero: D::T| {
        let value = value.cloned().filter(|value| nans == Some(0) && !is_nan(value))?;
        Some(if value == zero { zero } else { value })
    };
    let (min, max) = (bound(floats.min_opt(), low_zero), bound(floats.max_opt(), high_zero));
    ValueStatistics::new(min, max, None, floats.null_count_opt(), false).with_nan_count(nans)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use parquet::basic::{ColumnOrder, SortOrder};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    /// Takes a few bytes at a time.
    struct ShortWriter<W>(W);

    impl<W: Write> Write for ShortWriter<W> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes.get(..7).unwrap_or(bytes))
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }

    /// F1: The footer declares an order for each column, for any number of columns.
    #[test]
    fn any_number_of_columns_is_declared_in_type_order() {
        for columns in [1, 14, 15, 127, 128, 300] {
            let fields: String = (0..columns).map(|i| format!("required double c{i}; ")).collect();
            let root = Arc::new(parse_message_type(&format!("message m {{ {fields}}}")).unwrap());
            let out = ShortWriter(TypeOrderWriter::new(Vec::new(), &SchemaDescriptor::new(Arc::clone(&root))));
            let mut writer = SerializedFileWriter::new(out, root, Arc::default()).unwrap();
            let mut group = writer.next_row_group().unwrap();
            while let Some(mut column) = group.next_column().unwrap() {
                column.typed::<DoubleType>().write_batch(&[0.5, -1.5], None, None).unwrap();
                column.close().unwrap();
            }
            group.close().unwrap();
            let file = writer.into_inner().unwrap().0.finish().unwrap();
            let reader = SerializedFileReader::new(Bytes::from(file)).unwrap();
            let orders = reader.metadata().file_metadata().column_orders().unwrap();
            assert_eq!(*orders, vec![ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::SIGNED); columns]);
            assert_eq!(
                reader.get_row_iter(None).unwrap().filter(|row| row.as_ref().unwrap().len() == columns).count(),
                2
            );
        }
    }

    #[test]
    fn what_does_not_end_as_expected_is_an_error() {
        let root = Arc::new(parse_message_type("message m { required double c; }").unwrap());
        let mut out = TypeOrderWriter::new(Vec::new(), &SchemaDescriptor::new(root));
        out.write_all(b"PAR1 and no footer at all PAR1").unwrap();
        assert!(out.finish().is_err());
    }

    /// F1: Minimum and maximum count both zeros, and are left out if a NaN is among the values.
    #[test]
    fn bounds_are_those_of_type_order() {
        let schema = SchemaDescriptor::new(Arc::new(parse_message_type("message m { required double c; }").unwrap()));
        let bits = |value: Option<&f64>| value.map(|value| value.to_bits());
        for (min, max, nans, expected) in [
            (-1.5, 2.5, Some(0), Some((-1.5, 2.5))),
            (0.0, 0.0, Some(0), Some((-0.0, 0.0))),
            (-2.0, -0.0, Some(0), Some((-2.0, 0.0))),
            (f64::NEG_INFINITY, f64::INFINITY, Some(0), Some((f64::NEG_INFINITY, f64::INFINITY))),
            (1.0, 2.0, Some(1), None),
            (f64::NAN, f64::NAN, Some(2), None),
        ] {
            let floats = ValueStatistics::new(Some(min), Some(max), None, Some(3), false).with_nan_count(nans);
            let chunk = ColumnChunkMetaData::builder(schema.column(0)).set_statistics(Statistics::Double(floats));
            let chunk = type_order_bounds(chunk.build().unwrap()).unwrap();
            let Some(Statistics::Double(made)) = chunk.statistics() else { panic!("no statistics") };
            assert_eq!(bits(made.min_opt()), expected.map(|(min, _): (f64, f64)| min.to_bits()));
            assert_eq!(bits(made.max_opt()), expected.map(|(_, max)| max.to_bits()));
            assert_eq!((made.null_count_opt(), made.nan_count_opt()), (Some(3), nans));
        }
    }
}

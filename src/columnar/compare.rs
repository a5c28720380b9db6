//! Whether a parquet file of an older version holds the same rows as a new one. Used to leave the old file alone; files
//! are only read.

use std::path::Path;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::FieldRef;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::run::strict::push_strict;
use crate::support::fs::open;

/// Whether two parquet files of a run hold the same rows: every column of the older one, value by value, a NaN equal to
/// itself. Unknown fields are compared as they are written today. A file that cannot be read is never the same.
#[must_use]
pub fn same_rows(old: &Path, new: &Path) -> bool {
    let (Some(mut old), Some(mut new)) = (open_batches(old), open_batches(new)) else { return false };
    loop {
        match (old.next(), new.next()) {
            (None, None) => return true,
            (Some(Ok(old)), Some(Ok(new))) if same_batch(&old, &new) => {}
            _ => return false,
        }
    }
}

fn open_batches(path: &Path) -> Option<ParquetRecordBatchReader> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(open(path).ok()?).ok()?;
    // Equal batch sizes on both sides, so that batches can be compared.
    builder.with_batch_size(8192).build().ok()
}

fn same_batch(old: &RecordBatch, new: &RecordBatch) -> bool {
    let schema = old.schema();
    let same = |(field, column): (&FieldRef, &ArrayRef)| {
        let now = new.column_by_name(field.name());
        // Older versions wrote `extra` as Python's JSON.
        now.is_some_and(|now| column == now || field.name() == "extra" && same_json(column, now))
    };
    old.num_rows() == new.num_rows() && schema.fields().iter().zip(old.columns()).all(same)
}

/// Whether two columns hold the same JSON; the older one can be JSON as Python writes it.
fn same_json(old: &ArrayRef, new: &ArrayRef) -> bool {
    let (Some(old), Some(new)) = (old.as_string_opt::<i32>(), new.as_string_opt::<i32>()) else { return false };
    let strict = |json: &str| {
        let mut out = String::new();
        push_strict(&mut out, json);
        out
    };
    old.iter().zip(new).all(|(old, new)| old.map(strict).as_deref() == new)
}

//! Columns of the library as an Arrow table.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListBuilder, RecordBatch, RecordBatchOptions, StringArray,
    StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use capture_hook::load::{RunColumn, RunValues};

/// Makes a table of these columns, which have `rows` values each.
pub fn table_of_columns(columns: Vec<RunColumn>, rows: usize) -> Result<RecordBatch, ArrowError> {
    let (mut fields, mut arrays) = (Vec::with_capacity(columns.len()), Vec::with_capacity(columns.len()));
    for column in columns {
        let array = array_of_values(column.values);
        let is_nullable = array.null_count() > 0 || !is_always_known(&column.name);
        fields.push(Field::new(column.name, array.data_type().clone(), is_nullable));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
}

/// Whether a column has a value in every row of every dataset.
fn is_always_known(name: &str) -> bool {
    matches!(name, "run" | "experiment" | "run_id" | "tags" | "data_version")
}

fn array_of_values(values: RunValues) -> ArrayRef {
    match values {
        RunValues::Bools(values) => Arc::new(BooleanArray::from(values)),
        RunValues::Ints(values) => Arc::new(Int64Array::from(values)),
        RunValues::Floats(values) => Arc::new(Float64Array::from(values)),
        RunValues::Texts(values) => Arc::new(StringArray::from(values)),
        RunValues::Times(values) => Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC")),
        RunValues::TextLists(lists) => {
            let mut builder = ListBuilder::new(StringBuilder::new()).with_field(Field::new(
                "item",
                arrow::datatypes::DataType::Utf8,
                false,
            ));
            for list in lists {
                list.iter().for_each(|text| builder.values().append_value(text));
                builder.append(true);
            }
            Arc::new(builder.finish())
        }
    }
}

//! The columns of `steps.parquet` and `episodes.parquet`, by the run's schema, and how they are encoded. A change here
//! changes the bytes of every run.

use std::sync::Arc;

use parquet::basic::{Compression, Encoding, LogicalType, Repetition, Type as PhysicalType};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::{ColumnPath, SchemaDescriptor, Type, TypePtr};

use crate::run::layout::RunStream;
use crate::run::schema::{Column, ColumnType, RunSchema, Storage, TableColumn, TableSource};

/// The `created_by` of every file. It does not hold capture-hook's version, because a run's parquet must not change
/// with it. The number grows when the bytes for the same rows change.
const CREATED_BY: &str = "capture-hook version 2.0.0 (build parquet)";

/// The key under which a file holds the declaration of its columns, as the run has it.
pub(super) const SCHEMA_KEY: &str = "capture_hook.schema";

/// A table to write: its columns, and how parquet holds them.
pub(super) struct TableLayout {
    pub columns: Vec<TableColumn>,
    pub descriptor: Arc<SchemaDescriptor>,
    pub properties: Arc<WriterProperties>,
}

impl TableLayout {
    pub fn new(schema: &RunSchema, stream: RunStream) -> Result<Self> {
        let columns = schema.table_columns(stream);
        let own = schema.stream(stream);
        let declared = |column: &TableColumn| match column.source {
            TableSource::Column(index) => own.column(index),
            _ => None,
        };
        let fields = columns.iter().map(|column| field_type(column, declared(column))).collect::<Result<Vec<_>>>()?;
        let root = Type::group_type_builder(stream.stem()).with_fields(fields).build()?;
        let descriptor = Arc::new(SchemaDescriptor::new(Arc::new(root)));
        let with_columns: Vec<_> = columns.iter().map(|column| (column, declared(column))).collect();
        Ok(Self { properties: writer_properties(schema, &with_columns)?, columns, descriptor })
    }
}

fn field_type(column: &TableColumn, declared: Option<&Column>) -> Result<TypePtr> {
    let repetition = if column.is_nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    let field = match (column.source, declared) {
        (TableSource::EpisodeIndex | TableSource::Count, _) => {
            scalar_type(&column.name, ColumnType::Int64, repetition)?
        }
        (TableSource::Terminated | TableSource::Truncated, _) => {
            scalar_type(&column.name, ColumnType::Bool, repetition)?
        }
        (TableSource::Undeclared(kind), _) => scalar_type(&column.name, kind, repetition)?,
        (_, Some(declared)) if declared.shape.is_some() => list_type(declared, repetition)?,
        (_, Some(declared)) => scalar_type(&column.name, declared.kind, repetition)?,
        _ => scalar_type(&column.name, ColumnType::String, repetition)?,
    };
    Ok(Arc::new(field))
}

fn scalar_type(name: &str, kind: ColumnType, repetition: Repetition) -> Result<Type> {
    let int = |bit_width, is_signed| (PhysicalType::INT32, Some(LogicalType::integer(bit_width, is_signed)));
    let (physical, logical) = match kind {
        ColumnType::Bool => (PhysicalType::BOOLEAN, None),
        ColumnType::Int8 => int(8, true),
        ColumnType::Int16 => int(16, true),
        ColumnType::Int32 => (PhysicalType::INT32, None),
        ColumnType::Int64 => (PhysicalType::INT64, None),
        ColumnType::UInt8 => int(8, false),
        ColumnType::UInt16 => int(16, false),
        ColumnType::UInt32 => int(32, false),
        ColumnType::Float32 => (PhysicalType::FLOAT, None),
        ColumnType::Float64 => (PhysicalType::DOUBLE, None),
        ColumnType::String | ColumnType::Json | ColumnType::File => {
            (PhysicalType::BYTE_ARRAY, Some(LogicalType::String))
        }
    };
    Type::primitive_type_builder(name, physical).with_repetition(repetition).with_logical_type(logical).build()
}

/// Returns a list of one level: the elements row by row, whatever the dimensions.
fn list_type(column: &Column, repetition: Repetition) -> Result<Type> {
    let of_element = if column.has_null_elements() { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    let element = Arc::new(scalar_type("element", column.kind, of_element)?);
    let list =
        Type::group_type_builder("list").with_repetition(Repetition::REPEATED).with_fields(vec![element]).build()?;
    Type::group_type_builder(&column.name)
        .with_repetition(repetition)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(list)])
        .build()
}

/// Returns how columns are encoded: only encodings that every reader in use supports, Spark's vectorised one included
/// (so no byte stream split); dictionaries for values that repeat.
fn writer_properties(schema: &RunSchema, columns: &[(&TableColumn, Option<&Column>)]) -> Result<Arc<WriterProperties>> {
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.into())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        // `compress` does it.
        .set_compression(Compression::UNCOMPRESSED)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        // `write` ends row groups itself.
        .set_max_row_group_row_count(None)
        // Steps grow by one, so their deltas take almost no space.
        .set_column_encoding(ColumnPath::from("step"), Encoding::DELTA_BINARY_PACKED);
    if !schema.is_plume() {
        let text = KeyValue::new(SCHEMA_KEY.to_owned(), schema.text.clone());
        properties = properties.set_key_value_metadata(Some(vec![text]));
    }
    for (column, declared) in columns {
        let path = match declared {
            Some(declared) if declared.shape.is_some() => {
                ColumnPath::new(vec![column.name.clone(), "list".into(), "element".into()])
            }
            _ => ColumnPath::from(column.name.as_str()),
        };
        if !repeats(schema, column, *declared) {
            properties = properties.set_column_dictionary_enabled(path, false);
        }
    }
    Ok(Arc::new(properties.build()))
}

/// Whether a column's values repeat, so that a dictionary is worth building.
fn repeats(schema: &RunSchema, column: &TableColumn, declared: Option<&Column>) -> bool {
    match (column.name.as_str(), declared) {
        ("step" | "ts" | "extra" | "total_reward" | "duration_ms" | "avg_step_time_ms", _) => false,
        (_, Some(declared)) if declared.storage() == Storage::Float => {
            let is_list = declared.shape.is_some();
            !is_list && (schema.is_plume() || declared.name == "reward")
        }
        _ => true,
    }
}

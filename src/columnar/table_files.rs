//! Parquet files of several runs as one table: which columns it has, and where the rows of each file are.
//!
//! Columns are united by name, in the order in which they are first seen. A column that a run lacks is null there; one that two
//! runs have of different types is an error. Only footers are read here; `table_reader` reads the rows.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::{ParquetMetaData, ParquetStatisticsPolicy};

use crate::columnar::ColumnarError;
use crate::error::ExitKind::{Io, Program, Usage};
use crate::error::{Explain, Explanation};
use crate::run::RunKey;
use crate::support::stamp::FileStamp;
use crate::support::text::find_near;
use crate::support::{fs, parallel};

/// The column that names the experiment of a row.
pub const EXPERIMENT_COLUMN: &str = "experiment";
/// The column that names the run of a row.
pub const RUN_ID_COLUMN: &str = "run_id";

/// A column that two runs have of different types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwoTypes {
    /// The column.
    pub column: String,
    /// The first run that has it, and its type there.
    pub a: (RunKey, String),
    /// A run that has it of another type, and that type.
    pub b: (RunKey, String),
}

/// Files that cannot be read as one table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A column has two types.
    #[error("the column {} is {} in {} and {} in {}", .0.column.escape_debug(), .0.a.1, .0.a.0, .0.b.1, .0.b.0)]
    Disagreement(Box<TwoTypes>),
    /// No run has the column.
    #[error("no run has a column {}", column.escape_debug())]
    NoColumn {
        /// The column.
        column: String,
        /// Names near it, best first.
        near: Vec<String>,
    },
    /// A file was written while it was read.
    #[error("{} of {run} changed while it was read", path.display())]
    Changed {
        /// The run.
        run: RunKey,
        /// The file.
        path: PathBuf,
    },
    /// Whoever reads it does not want it any more.
    #[error("interrupted")]
    Interrupted,
    /// A thread that reads ended before its work was done.
    #[error("a thread that reads the rows ended early")]
    Ended,
    /// The threads that read are another process's.
    #[error("the rows are being read in the process that this one was forked from")]
    Forked,
    /// A file.
    #[error(transparent)]
    Columnar(#[from] ColumnarError),
}

impl Explain for TableError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Disagreement(types) => Usage.code("columns_disagree").hint(format!(
                "name the runs, or the columns, that belong together; leave out {}",
                types.column.escape_debug()
            )),
            Self::NoColumn { near, .. } => {
                let names: Vec<String> = near.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
                Usage
                    .code("no_such_column")
                    .hints((!names.is_empty()).then(|| format!("did you mean {}?", names.join(" or "))))
            }
            Self::Changed { .. } => Io.code("run_changed").hint("read it again"),
            Self::Interrupted => Program.code("interrupted"),
            Self::Ended => Io.code("io"),
            Self::Forked => Usage.code("forked").hint("begin to read them in this process"),
            Self::Columnar(error) => error.explain(),
        }
    }
}

/// A parquet file of a run.
#[derive(Debug, Clone)]
pub struct TableFile {
    /// The run, whose rows it holds.
    pub run: RunKey,
    /// Where it is.
    pub path: PathBuf,
    /// Its stamp when its bytes were verified.
    pub stamp: FileStamp,
}

/// A file of a table, and how its columns become the table's.
#[derive(Debug)]
pub(super) struct PlannedFile {
    pub file: TableFile,
    /// How many row groups it has.
    pub groups: usize,
    pub layout: Arc<FileLayout>,
    /// `None` if the table has so many files that they are read once more instead.
    footer: Option<Arc<ParquetMetaData>>,
}

/// How texts are given out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TextLayout {
    /// As `Utf8`, which every reader knows.
    #[default]
    Plain,
    /// As `Utf8View`, for readers that keep texts so: theirs without a copy.
    Views,
}

/// What files with the same columns share.
#[derive(Debug)]
pub(super) struct FileLayout {
    /// The file's columns.
    schema: SchemaRef,
    /// Which of the file's columns are read, in the file's order.
    pub read: Vec<usize>,
    /// For each of the table's columns, its place among those that are read; `None` if the file lacks it.
    pub places: Vec<Option<usize>>,
}

/// Runs' rows as one table.
#[derive(Debug)]
pub struct RunTable {
    schema: SchemaRef,
    pub(super) files: Vec<PlannedFile>,
    rows: u64,
}

impl RunTable {
    /// Reads the footers of these files, in order. `columns` are the names of those that the table shall have, in order; all
    /// without them.
    pub fn open(files: Vec<TableFile>, columns: Option<&[String]>) -> Result<Self, TableError> {
        // Some 8 KiB each.
        const MOST_FOOTERS: usize = 8192;
        let footers = parallel::map(&files, read_footer);
        let mut layouts: Vec<(SchemaRef, RunKey)> = Vec::new();
        let mut drafts = Vec::with_capacity(files.len());
        let keep = files.len() <= MOST_FOOTERS;
        let mut rows = 0u64;
        for (file, footer) in files.into_iter().zip(footers) {
            let footer = footer?;
            let known = layouts.iter().position(|(schema, _)| schema.fields() == footer.schema().fields());
            let layout = known.unwrap_or_else(|| {
                layouts.push((Arc::clone(footer.schema()), file.run.clone()));
                layouts.len() - 1
            });
            rows = rows.saturating_add(u64::try_from(footer.metadata().file_metadata().num_rows()).unwrap_or(0));
            drafts.push((
                file,
                footer.metadata().num_row_groups(),
                layout,
                keep.then(|| Arc::clone(footer.metadata())),
            ));
        }
        let schema = unite_columns(&layouts, columns)?;
        let layouts: Vec<Arc<FileLayout>> =
            layouts.into_iter().map(|(own, _)| Arc::new(FileLayout::new(own, &schema))).collect();
        let files = drafts.into_iter().filter_map(|(file, groups, layout, footer)| {
            Some(PlannedFile { file, groups, layout: Arc::clone(layouts.get(layout)?), footer })
        });
        Ok(Self { files: files.collect(), schema, rows })
    }

    /// Its columns.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Its columns with texts in this layout.
    #[must_use]
    pub(super) fn schema_with(&self, texts: TextLayout) -> SchemaRef {
        lay_texts(&self.schema, texts)
    }

    /// How many rows it has, by the footers.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

impl FileLayout {
    /// The file's columns with texts in this layout.
    pub fn fields_with(&self, texts: TextLayout) -> Fields {
        lay_texts(&self.schema, texts).fields().clone()
    }

    fn new(schema: SchemaRef, table: &Schema) -> Self {
        // A name that a file has twice is the first column of that name.
        let wanted: Vec<Option<usize>> = table
            .fields()
            .iter()
            .map(|field| schema.fields().iter().position(|own| own.name() == field.name()))
            .collect();
        let mut read: Vec<usize> = wanted.iter().flatten().copied().collect();
        read.sort_unstable();
        read.dedup();
        let places = wanted.iter().map(|index| index.and_then(|index| read.binary_search(&index).ok())).collect();
        Self { schema, read, places }
    }
}

impl PlannedFile {
    /// Opens the file, which must be as it was when it was verified.
    pub fn open(&self) -> Result<File, TableError> {
        open_unchanged(&self.file)
    }

    /// An error if the file is not as it was when it was verified.
    pub fn check_unchanged(&self, file: &File) -> Result<(), TableError> {
        check_unchanged(&self.file, file)
    }

    /// The footer.
    pub fn footer(&self, file: &File) -> Result<Arc<ParquetMetaData>, TableError> {
        match &self.footer {
            Some(footer) => Ok(Arc::clone(footer)),
            None => Ok(Arc::clone(load_footer(&self.file, file)?.metadata())),
        }
    }
}

/// Columns with texts in a layout. Those inside of lists stay as they are.
fn lay_texts(schema: &SchemaRef, texts: TextLayout) -> SchemaRef {
    if texts == TextLayout::Plain {
        return Arc::clone(schema);
    }
    let lay = |field: &FieldRef| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new(schema.fields().iter().map(lay).collect::<Fields>()))
}

fn unreadable(file: &TableFile, error: impl std::fmt::Display) -> TableError {
    ColumnarError::Unreadable { path: file.path.clone(), message: error.to_string() }.into()
}

fn open_unchanged(file: &TableFile) -> Result<File, TableError> {
    let opened =
        fs::open(&file.path).map_err(|error| ColumnarError::Open { path: file.path.clone(), source: error.source })?;
    check_unchanged(file, &opened)?;
    Ok(opened)
}

fn check_unchanged(file: &TableFile, opened: &File) -> Result<(), TableError> {
    // A file that cannot be asked is not the verified one.
    match FileStamp::of_file(opened) {
        Ok(stamp) if stamp == file.stamp => Ok(()),
        _ => Err(TableError::Changed { run: file.run.clone(), path: file.path.clone() }),
    }
}

fn read_footer(file: &TableFile) -> Result<ArrowReaderMetadata, TableError> {
    load_footer(file, &open_unchanged(file)?)
}

fn load_footer(file: &TableFile, opened: &File) -> Result<ArrowReaderMetadata, TableError> {
    // Statistics are not needed to read everything.
    let options = ArrowReaderOptions::new()
        .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll);
    ArrowReaderMetadata::load(opened, options).map_err(|error| unreadable(file, error))
}

/// The columns of a table of files with these columns, each with the first run that has them.
fn unite_columns(layouts: &[(SchemaRef, RunKey)], columns: Option<&[String]>) -> Result<SchemaRef, TableError> {
    let mut united: Vec<(FieldRef, usize)> = Vec::new();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    let is_asked = |name: &str| columns.is_none_or(|columns| columns.iter().any(|column| column == name));
    for (at, (schema, run)) in layouts.iter().enumerate() {
        for field in schema.fields().iter().filter(|field| is_asked(field.name())) {
            let Some((known, first)) = by_name.get(field.name()).and_then(|at| united.get_mut(*at)) else {
                by_name.insert(field.name().clone(), united.len());
                united.push((Arc::clone(field), at));
                continue;
            };
            let merged = merge_types(known.data_type(), field.data_type()).ok_or_else(|| {
                let first = layouts.get(*first).map_or_else(|| run.clone(), |(_, run)| run.clone());
                TableError::Disagreement(Box::new(TwoTypes {
                    column: field.name().clone(),
                    a: (first, describe_type(known.data_type())),
                    b: (run.clone(), describe_type(field.data_type())),
                }))
            })?;
            *known = Arc::new(Field::new(field.name(), merged, known.is_nullable() || field.is_nullable()));
        }
    }
    for name in [EXPERIMENT_COLUMN, RUN_ID_COLUMN] {
        if is_asked(name) && !by_name.contains_key(name) {
            by_name.insert(name.to_owned(), united.len());
            united.push((Arc::new(Field::new(name, DataType::Utf8, false)), usize::MAX));
        }
    }
    let lacks = |name: &str| layouts.iter().any(|(schema, _)| schema.column_with_name(name).is_none());
    let mut fields: Vec<FieldRef> = Vec::with_capacity(united.len());
    for (field, _) in united {
        let is_named = matches!(field.name().as_str(), EXPERIMENT_COLUMN | RUN_ID_COLUMN);
        let is_nullable = field.is_nullable() || (!is_named && lacks(field.name()));
        fields.push(Arc::new(field.as_ref().clone().with_nullable(is_nullable)));
    }
    if let Some(columns) = columns {
        fields = order_columns(&fields, columns, layouts)?;
    }
    Ok(Arc::new(Schema::new(Fields::from(fields))))
}

/// The columns that were asked for, in the order of the question.
fn order_columns(
    fields: &[FieldRef],
    columns: &[String],
    layouts: &[(SchemaRef, RunKey)],
) -> Result<Vec<FieldRef>, TableError> {
    let mut ordered: Vec<FieldRef> = Vec::with_capacity(columns.len());
    for column in columns {
        let Some(field) = fields.iter().find(|field| field.name() == column) else {
            let all = layouts.iter().flat_map(|(schema, _)| schema.fields().iter());
            let names: Vec<&str> = all.map(|field| field.name().as_str()).collect();
            let near = find_near(column, names.iter().map(|name| (*name, *name)));
            return Err(TableError::NoColumn {
                column: column.clone(),
                near: near.into_iter().map(str::to_owned).collect(),
            });
        };
        // Asked for twice, a column is there once: readers refuse two of one name.
        if !ordered.iter().any(|known| known.name() == column) {
            ordered.push(Arc::clone(field));
        }
    }
    Ok(ordered)
}

/// The type of both; `None` if they differ in more than whether an element can be null.
fn merge_types(a: &DataType, b: &DataType) -> Option<DataType> {
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (DataType::List(a), DataType::List(b)) => {
            let element = merge_types(a.data_type(), b.data_type())?;
            let is_nullable = a.is_nullable() || b.is_nullable();
            Some(DataType::List(Arc::new(Field::new(a.name(), element, is_nullable))))
        }
        _ => None,
    }
}

/// A type as a schema names it: `float32`, `list of float64`.
fn describe_type(kind: &DataType) -> String {
    match kind {
        DataType::Boolean => "bool".into(),
        DataType::Utf8 => "string".into(),
        DataType::List(element) => format!("a list of {}", describe_type(element.data_type())),
        other => other.to_string().to_lowercase(),
    }
}

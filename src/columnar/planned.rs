//! Which declared columns metrics and plots read, each once, as numbers. They come from the rows of a scan or from parquet.

use crate::run::rows::{ColumnValues, Values};
use crate::run::schema::{Column, Storage, StreamSchema};

/// A declared column that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedColumn {
    /// Its index in the schema.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// The unit of its values.
    pub unit: Option<String>,
}

/// Collects the columns that are needed.
pub(super) struct PlannedColumns<'a> {
    stream: &'a StreamSchema,
    columns: Vec<PlannedColumn>,
}

impl<'a> PlannedColumns<'a> {
    pub fn new(stream: &'a StreamSchema) -> Self {
        Self { stream, columns: Vec::new() }
    }

    /// Returns the place of a column among those that are read; `None` if its values are no numbers.
    pub fn place(&mut self, index: usize) -> Option<usize> {
        let column = self.stream.column(index).filter(|column| is_numeric(column))?;
        let known = self.columns.iter().position(|planned| planned.index == index);
        Some(known.unwrap_or_else(|| {
            self.columns.push(PlannedColumn { index, name: column.name.clone(), unit: column.unit.clone() });
            self.columns.len() - 1
        }))
    }

    /// Returns the place of the column of this name, if there is one.
    pub fn place_named(&mut self, name: &str) -> Option<usize> {
        self.place(self.stream.find(name)?)
    }

    pub fn finish(self) -> Vec<PlannedColumn> {
        self.columns
    }
}

/// Whether each value is one number or bool.
fn is_numeric(column: &Column) -> bool {
    column.shape.is_none() && column.storage() != Storage::Text
}

/// Returns the values of the planned columns of a batch; a null is a NaN, a bool 0 or 1.
pub(super) fn read_numbers(planned: &[PlannedColumn], columns: &[ColumnValues]) -> Vec<Vec<f64>> {
    planned.iter().map(|planned| columns.get(planned.index).map(numbers_of).unwrap_or_default()).collect()
}

fn numbers_of(column: &ColumnValues) -> Vec<f64> {
    #[allow(clippy::cast_precision_loss)]
    let mut numbers: Vec<f64> = match &column.values {
        Values::Bool(bools) => bools.iter().map(|bool| f64::from(*bool)).collect(),
        Values::Int(ints) => ints.iter().map(|int| *int as f64).collect(),
        Values::Float(floats) => floats.clone(),
        Values::Text(_) => Vec::new(),
    };
    for (number, is_valid) in numbers.iter_mut().zip(&column.valid) {
        if !is_valid {
            *number = f64::NAN;
        }
    }
    numbers
}

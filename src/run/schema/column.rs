//! A column: the type of its values, their range, and where they stand in a row.

use super::path::ValuePath;

/// The type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// `true`, `false`.
    Bool,
    /// 8 bits, signed.
    Int8,
    /// 16 bits, signed.
    Int16,
    /// 32 bits, signed.
    Int32,
    /// 64 bits, signed.
    Int64,
    /// 8 bits, unsigned.
    UInt8,
    /// 16 bits, unsigned.
    UInt16,
    /// 32 bits, unsigned.
    UInt32,
    /// IEEE 754 single precision.
    Float32,
    /// IEEE 754 double precision.
    Float64,
    /// Text.
    String,
    /// Any value, kept as the text of its JSON.
    Json,
    /// The path of a file in the run's directory.
    File,
}

/// How values are kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// As bools.
    Bool,
    /// As 64-bit integers.
    Int,
    /// As doubles; a single-precision value is rounded to single precision first.
    Float,
    /// As text.
    Text,
}

impl ColumnType {
    /// All types.
    pub const ALL: [Self; 13] = [
        Self::Bool,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::UInt8,
        Self::UInt16,
        Self::UInt32,
        Self::Float32,
        Self::Float64,
        Self::String,
        Self::Json,
        Self::File,
    ];

    /// The type's name in a declaration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::UInt8 => "uint8",
            Self::UInt16 => "uint16",
            Self::UInt32 => "uint32",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::String => "string",
            Self::Json => "json",
            Self::File => "file",
        }
    }

    /// How its values are kept.
    #[must_use]
    pub fn storage(self) -> Storage {
        match self {
            Self::Bool => Storage::Bool,
            Self::Float32 | Self::Float64 => Storage::Float,
            Self::String | Self::Json | Self::File => Storage::Text,
            _ => Storage::Int,
        }
    }

    /// The smallest and the largest integer; `None` for other types.
    #[must_use]
    pub fn int_range(self) -> Option<(i64, i64)> {
        match self {
            Self::Int8 => Some((i8::MIN.into(), i8::MAX.into())),
            Self::Int16 => Some((i16::MIN.into(), i16::MAX.into())),
            Self::Int32 => Some((i32::MIN.into(), i32::MAX.into())),
            Self::Int64 => Some((i64::MIN, i64::MAX)),
            Self::UInt8 => Some((0, u8::MAX.into())),
            Self::UInt16 => Some((0, u16::MAX.into())),
            Self::UInt32 => Some((0, u32::MAX.into())),
            _ => None,
        }
    }

    /// What a value of this type is, for messages, with its article.
    pub(in crate::run) fn expected_text(self) -> &'static str {
        match self.storage() {
            Storage::Bool => "a bool",
            Storage::Int => "an int",
            Storage::Float => "a number",
            Storage::Text => "a text",
        }
    }
}

/// The range of a column's numbers, ends included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bounds {
    /// Of integers.
    Int {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// Of floats; infinite without a bound.
    Float {
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
    },
}

/// What a summary's value must equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Equals {
    /// How it follows from the steps.
    pub function: EqualsFunction,
    /// The index of the step column.
    pub column: usize,
}

/// How a summary's value follows from a column of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EqualsFunction {
    /// The sum of all values.
    Sum,
    /// Their mean.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The first.
    First,
    /// The last.
    Last,
    /// Whether any is true.
    Any,
}

impl EqualsFunction {
    /// All functions.
    pub const ALL: [Self; 7] = [Self::Sum, Self::Mean, Self::Min, Self::Max, Self::First, Self::Last, Self::Any];

    /// The function's name in a declaration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::First => "first",
            Self::Last => "last",
            Self::Any => "any",
        }
    }
}

/// A figure of an episode column that is shown for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricKind {
    /// The mean over episodes.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

impl MetricKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Mean, Self::Min, Self::Max];

    /// The kind's name in a declaration, and the beginning of the figure's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
        }
    }
}

/// A column of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The type of its values.
    pub kind: ColumnType,
    /// The dimensions of a list; `None` for a scalar. `[-1]`, a list of any length, is empty here.
    pub shape: Option<Vec<usize>>,
    /// Where it stands in a row.
    pub path: ValuePath,
    /// Whether it can be absent or null.
    pub nullable: bool,
    /// The range that the declaration gives; `None` for the type's own.
    pub bounds: Option<Bounds>,
    /// Whether `NaN` and infinities are faults.
    pub finite: bool,
    /// The allowed texts; empty for any.
    pub allowed: Vec<String>,
    /// The unit of its values.
    pub unit: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// What it must equal, in an episode's summary.
    pub equals: Option<Equals>,
    /// The figures of a run that are made from it.
    pub metrics: Vec<MetricKind>,
    /// Whether a negative value is a clock that was set back: a warning only.
    pub(in crate::run) is_elapsed: bool,
    /// Whether a list has no limit of elements, as in plume-nav-sim's runs.
    pub(in crate::run) is_unlimited: bool,
}

impl Column {
    /// Makes a column of scalars that every row has, at the field of its name.
    #[must_use]
    pub fn new(name: &str, kind: ColumnType) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            shape: None,
            path: ValuePath::of_name(name),
            nullable: false,
            bounds: None,
            finite: true,
            allowed: Vec::new(),
            unit: None,
            description: None,
            equals: None,
            metrics: Vec::new(),
            is_elapsed: false,
            is_unlimited: false,
        }
    }

    /// How its values, or the elements of its lists, are kept.
    #[must_use]
    pub fn storage(&self) -> Storage {
        self.kind.storage()
    }

    /// Whether each value is one number.
    #[must_use]
    pub fn is_number(&self) -> bool {
        self.shape.is_none() && matches!(self.storage(), Storage::Int | Storage::Float)
    }

    /// The least and greatest integer that a row can have, without a fault.
    #[must_use]
    pub fn int_bounds(&self) -> (i64, i64) {
        match self.bounds {
            Some(Bounds::Int { min, max }) => (min, max),
            _ => self.kind.int_range().unwrap_or((i64::MIN, i64::MAX)),
        }
    }

    /// The least and greatest float that a row can have, without a fault.
    #[must_use]
    pub fn float_bounds(&self) -> (f64, f64) {
        match self.bounds {
            Some(Bounds::Float { min, max }) => (min, max),
            _ => (f64::NEG_INFINITY, f64::INFINITY),
        }
    }

    /// Whether a null element of a list stays a null in parquet, as in plume-nav-sim's runs; else it is a `NaN`.
    #[must_use]
    pub fn has_null_elements(&self) -> bool {
        self.is_unlimited
    }

    /// The shape as a declaration writes it; `None` for a scalar.
    #[must_use]
    pub fn shape_text(&self) -> Option<String> {
        let shape = self.shape.as_ref()?;
        if shape.is_empty() {
            return Some("[-1]".into());
        }
        let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
        Some(format!("[{}]", sizes.join(", ")))
    }
}

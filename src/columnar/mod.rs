//! Rows to parquet: exact columns, one schema for every run, the same bytes for the same rows.
//!
//! A file holds nothing but the rows: no time, no host, no version of capture-hook. Values go from the scan's batches into
//! parquet's encoders as they are, without a copy and without work per row where a value only repeats.

use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

use crate::error::ExitKind::Io;
use crate::error::{Explain, Explanation};
use crate::support::fs::FsError;

mod chunk;
mod compare;
mod footer;
pub mod metrics;
pub mod metrics_collect;
pub mod metrics_rows;
pub mod read;
mod runs;
mod schema;
mod sink;
pub mod write;

pub use compare::same_rows;
pub use metrics::{EpisodeColumns, Grid, KeyCollector, KeyFigures};
pub use metrics_collect::{Band, Collector, Curve, Episode, Path as AgentPath, StepColumns, Trace, Visits};
pub use metrics_rows::RowFigures;
pub use read::{FiguresError, key_figures, parquet_rows, trace};
pub use sink::ParquetSink;
pub use write::{EpisodesFile, StepsFile};

/// Parquet that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The rows could not be encoded.
    #[error("cannot write {}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ParquetError,
    },
    /// The writing thread ended before its work was done.
    #[error("the thread that writes parquet ended early")]
    Ended,
}

impl Error {
    fn parquet(path: &Path, error: ParquetError) -> Self {
        match error {
            ParquetError::External(source) => match source.downcast::<std::io::Error>() {
                Ok(source) => FsError { action: "write", path: path.to_path_buf(), source: *source }.into(),
                Err(source) => Self::Parquet { path: path.to_path_buf(), source: ParquetError::External(source) },
            },
            source => Self::Parquet { path: path.to_path_buf(), source },
        }
    }
}

impl Explain for Error {
    fn explain(&self) -> Explanation {
        match self {
            Self::Fs(error) => Explanation { exit: Io, ..error.explain() },
            Self::Parquet { .. } | Self::Ended => Io.code("io"),
        }
    }
}

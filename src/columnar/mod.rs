//! Rows to parquet: exact columns, one schema for every run, the same bytes for the same rows.
//!
//! A file holds nothing but the rows: no time, no host, no version of capture-hook. Values go from the scan's batches into
//! parquet's encoders as they are, without a copy and without work per row where a value only repeats.

use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

use crate::error::ExitKind::{CheckFailed, Io};
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
pub use metrics::{EpisodeColumns, MetricsCollector, PlumeGrid, RunMetrics};
pub use metrics_collect::{
    AgentPath, BandCurve, CellVisits, PlotCollector, PlotData, PlotEpisode, QuartileBand, StepColumns,
};
pub use metrics_rows::MetricsSink;
pub use read::{count_parquet_rows, read_plot_data, read_run_metrics};
pub use sink::ParquetSink;
pub use write::{EpisodesFile, StepsFile};

/// A parquet file that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ColumnarError {
    /// The disk failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The rows could not be encoded.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ParquetError,
    },
    /// The writing thread ended before its work was done.
    #[error("the thread that writes parquet ended early")]
    Ended,
    /// A run's file cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A run's file is not the parquet that ingest writes.
    #[error("{} cannot be read: {message}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

impl ColumnarError {
    fn write(path: &Path, error: ParquetError) -> Self {
        match error {
            ParquetError::External(source) => match source.downcast::<std::io::Error>() {
                Ok(source) => FsError { action: "write", path: path.to_path_buf(), source: *source }.into(),
                Err(source) => Self::Write { path: path.to_path_buf(), source: ParquetError::External(source) },
            },
            source => Self::Write { path: path.to_path_buf(), source },
        }
    }
}

impl Explain for ColumnarError {
    fn explain(&self) -> Explanation {
        const VERIFY: &str = "`capture-hook verify` says which files of the dataset are damaged";
        match self {
            Self::Fs(error) => error.explain(),
            Self::Write { .. } | Self::Ended => Io.code("io"),
            Self::Open { .. } => Io.code("io").hint(VERIFY),
            Self::Unreadable { .. } => CheckFailed.code("unreadable_parquet").hint(VERIFY),
        }
    }
}

//! The one door to Arrow and parquet: rows to parquet, parquet to metrics and plot data.
//!
//! Every run has the same exact columns, and the same rows give the same bytes: no time, no host and no version of
//! capture-hook is in a file. Batches of the scan go into parquet's encoders without a copy, and without work per row
//! if a value only repeats. Rows are not validated here.

use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

use crate::error::ExitKind::{CheckFailed, Io};
use crate::error::{Explain, Explanation};
use crate::support::fs::FsError;

mod chunk;
mod compare;
mod compress;
mod file;
mod file_parts;
mod footer;
pub mod metrics;
pub mod metrics_rows;
mod packed_metrics;
mod planned;
mod plot_actions;
mod plot_curves;
pub mod plot_data;
mod plot_paths;
mod powers;
pub mod read;
mod runs;
mod schema;
mod sink;
mod table_files;
mod table_reader;
pub mod write;

pub use compare::same_rows;
pub use metrics::{DeclaredMetric, EpisodeColumns, FigureSet, MetricsCollector, PlumeGrid, RunMetrics, TOTAL_REWARD};
pub use metrics_rows::MetricsSink;
pub use planned::PlannedColumn;
pub use plot_actions::ActionShares;
pub use plot_curves::{BandCurve, LineCurve, QuartileBand};
pub use plot_data::{PlotCollector, PlotData, PlotEpisode, StepColumns};
pub use plot_paths::{AgentPath, CellVisits, PathAxis};
pub use read::{
    RunDetails, count_parquet_rows, read_latest_ts, read_metrics_of_bytes, read_plot_data, read_run_details,
    read_run_metrics,
};
pub use sink::ParquetSink;
pub use table_files::{RunTable, TableError, TableFile, TextLayout, TwoTypes};
pub use table_reader::{TableReader, read_numbers};
pub use write::{EpisodesFile, StepsFile};

/// A parquet file that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ColumnarError {
    /// The disk failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The rows cannot be encoded.
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
    #[error("cannot read {}: {message}", path.display())]
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
        const VERIFY: &str = "list the damaged files of the dataset with `capture-hook verify`";
        match self {
            Self::Fs(error) => error.explain(),
            Self::Write { .. } | Self::Ended => Io.code("io"),
            Self::Open { .. } => Io.code("io").hint(VERIFY),
            Self::Unreadable { .. } => CheckFailed.code("unreadable_parquet").hint(VERIFY),
        }
    }
}

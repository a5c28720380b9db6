//! What a run's rows say in numbers: key figures, and the curves, paths and lengths that its plots show.
//!
//! Rows come as columns, from parquet here or from JSON lines through whoever reads them; either way one pass, and memory
//! that does not grow with the number of steps. Numbers that JSON cannot hold (NaN, infinities) never reach a mean: they are left out.

mod collect;
mod key;
mod parquet;
mod rows;

pub use collect::{Band, Collector, Curve, Episode, Path, StepColumns, Trace, Visits};
pub use key::{EpisodeColumns, Grid, KeyCollector, KeyFigures};
pub use parquet::{FiguresError, key_figures, parquet_rows, trace};
pub use rows::RowFigures;

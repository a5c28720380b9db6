//! The native half of the Python package `capture_hook`; the other half is the `.py` files beside it.
//!
//! Thin on purpose: it converts Python objects for the library, and the library's answers into Python objects; no rule
//! is decided here. Long work runs with the GIL released, and no lock is held while Python code runs.

use pyo3::prelude::*;

mod columns;
mod dataset;
mod encode;
mod episodes;
mod errors;
mod ingest;
mod place;
mod recorder;
mod report;
mod run_facts;
mod tables;
mod waiting;

/// Keeps the memory of a table for the next one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The native half of capture_hook.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(report::validate_run_artifacts, module)?)?;
    recorder::register_functions(module)?;
    module.add_class::<episodes::EpisodeWriter>()?;
    module.add_class::<ingest::Ingested>()?;
    module.add_function(wrap_pyfunction!(ingest::ingest_run, module)?)?;
    module.add_function(wrap_pyfunction!(ingest::find_runs, module)?)?;
    module.add_class::<tables::ArrowTable>()?;
    module.add_function(wrap_pyfunction!(tables::load_steps, module)?)?;
    module.add_function(wrap_pyfunction!(tables::load_episodes, module)?)?;
    module.add_class::<dataset::DatasetVersion>()?;
    module.add_class::<dataset::RunRows>()?;
    waiting::note_main_thread(module.py())?;
    Ok(())
}

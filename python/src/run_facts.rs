//! What is known of a run and of columns, as Python's dicts.

use capture_hook::dataset::get::RunFiles;
use capture_hook::dvc::hash::DataVersion;
use capture_hook::load::{ExperimentColumn, FIGURES, RunFacts, RunSource};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A column of an experiment.
pub fn describe_column<'py>(py: Python<'py>, described: &ExperimentColumn) -> PyResult<Bound<'py, PyDict>> {
    let column = &described.column;
    let dict = PyDict::new(py);
    dict.set_item("name", &column.name)?;
    dict.set_item("dtype", column.kind.as_str())?;
    // A list of any length has no dimensions.
    let shape = column.shape.as_ref().map(|shape| match shape.as_slice() {
        [] => vec![-1],
        shape => shape.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect(),
    });
    dict.set_item("shape", shape)?;
    dict.set_item("unit", &column.unit)?;
    dict.set_item("description", &column.description)?;
    dict.set_item("nullable", column.nullable)?;
    dict.set_item("metrics", column.metrics.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())?;
    dict.set_item("runs", described.runs)?;
    Ok(dict)
}

/// A run: `config` (JSON text), `metrics`, `validation`, `provenance`.
pub fn describe_run<'py>(
    py: Python<'py>,
    run: &RunFiles,
    version: DataVersion,
    facts: &RunFacts,
    source: &RunSource,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("config", facts.env_config.as_ref().map(|config| config.to_canonical()))?;
    dict.set_item("metrics", describe_metrics(py, facts)?)?;
    dict.set_item("validation", describe_validation(py, facts)?)?;
    let provenance = PyDict::new(py);
    provenance.set_item("commit", source.commit.as_ref().map(|commit| commit.id.to_string()))?;
    provenance.set_item("committed_at", source.commit.as_ref().and_then(|commit| commit.time_text()))?;
    provenance.set_item("author", source.commit.as_ref().map(|commit| commit.author.as_str()))?;
    provenance.set_item("tags", &source.tags)?;
    provenance.set_item("data_version", version.to_string())?;
    provenance.set_item("config_hash", &facts.config_hash)?;
    provenance.set_item("started", &facts.start_time)?;
    provenance.set_item("base_seed", facts.base_seed)?;
    provenance.set_item("schema_version", &facts.schema_version)?;
    provenance.set_item("simulator", &facts.simulator)?;
    provenance.set_item("simulator_version", &facts.simulator_version)?;
    provenance.set_item("code_version", &facts.code_version)?;
    let files = PyDict::new(py);
    let prefix = run.key.to_string().len() + 1;
    for entry in &run.entries {
        files.set_item(entry.relpath.get(prefix..).unwrap_or_default(), entry.md5.to_string())?;
    }
    provenance.set_item("files", files)?;
    dict.set_item("provenance", provenance)?;
    Ok(dict)
}

fn describe_metrics<'py>(py: Python<'py>, facts: &RunFacts) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let metrics = facts.metrics.as_ref();
    dict.set_item("steps", facts.steps)?;
    dict.set_item("episodes", metrics.map(|metrics| metrics.episodes))?;
    for (name, figure) in FIGURES {
        dict.set_item(name, metrics.and_then(figure))?;
    }
    for metric in metrics.and_then(|metrics| metrics.declared.as_ref()).into_iter().flatten() {
        // A declared metric of such a name is the figure of that name: `mean_steps`.
        if !dict.contains(&metric.name)? {
            dict.set_item(&metric.name, metric.value)?;
        }
    }
    Ok(dict)
}

fn describe_validation<'py>(py: Python<'py>, facts: &RunFacts) -> PyResult<Option<Bound<'py, PyDict>>> {
    let Some(verdict) = &facts.verdict else { return Ok(None) };
    let dict = PyDict::new(py);
    dict.set_item("ok", verdict.ok)?;
    dict.set_item("errors", &verdict.errors)?;
    dict.set_item("warnings", &verdict.warnings)?;
    let mut ignored = Vec::with_capacity(verdict.ignored.len());
    for finding in &verdict.ignored {
        let one = PyDict::new(py);
        one.set_item("code", finding.code.as_str())?;
        one.set_item("count", finding.count)?;
        one.set_item("by", &finding.by)?;
        ignored.push(one);
    }
    dict.set_item("ignored", ignored)?;
    Ok(Some(dict))
}

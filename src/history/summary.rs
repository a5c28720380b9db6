//! The facts about one run, wherever its bytes are: metadata, validation, metrics, files.

use std::path::PathBuf;
use std::sync::Arc;

use crate::columnar::{MetricsSink, PlotData, RunMetrics};
use crate::dataset::location::RunLocation;
use crate::dataset::verify::walk_files;
use crate::formats::json::JsonValue;
use crate::project::ProjectError;
use crate::project::dir::ProjectDir;
use crate::run::include::IncludePatterns;
use crate::run::layout::{RunLayout, RunStream, parse_shard_name};
use crate::run::meta::RunMeta;
use crate::run::schema::RunSchema;
use crate::support::progress::Progress;
use crate::validate::{IgnoredFinding, SeedSummary, ValidationReport};
use crate::{manifest, validate};

/// The result of a run's validation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValidationVerdict {
    /// Whether it is valid.
    pub ok: bool,
    /// Error codes.
    pub errors: Vec<String>,
    /// Warning codes.
    pub warnings: Vec<String>,
    /// What was found and ignored.
    pub ignored: Vec<IgnoredFinding>,
}

/// A run's facts. What is not known is absent.
#[derive(Debug, Default)]
pub struct RunSummary {
    /// `run.json`, if it can be read.
    pub meta: Option<RunMeta>,
    /// The columns of its rows, if it can be read what they are.
    pub schema: Option<Arc<RunSchema>>,
    /// Whether the summaries of its episodes are made of the steps, because its recorder wrote none.
    pub is_derived: bool,
    /// The hash of the configuration.
    pub config_hash: Option<String>,
    /// The seeds of the steps.
    pub seeds: Option<SeedSummary>,
    /// The result of its validation.
    pub verdict: Option<ValidationVerdict>,
    /// Key figures.
    pub metrics: Option<RunMetrics>,
    /// What its plots show, if that was asked for.
    pub plot_data: Option<PlotData>,
    /// Its files with their sizes, sorted; no size if the file is not in this clone.
    pub files: Vec<(String, Option<u64>)>,
    /// The size of its data, if its files are not in this clone and commits say it.
    pub bytes: Option<u64>,
}

/// How much to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SummaryDepth {
    /// Metadata and files only.
    Facts,
    /// Key figures and the verdict too.
    Metrics,
    /// What plots show as well.
    PlotData,
}

/// A run's facts. From parquet if the dataset has it; a recorded run is scanned and validated.
pub fn summarize_run(
    project_dir: &ProjectDir,
    location: &RunLocation,
    depth: SummaryDepth,
    progress: &dyn Progress,
) -> Result<RunSummary, ProjectError> {
    let mut summary =
        RunSummary { files: list_files(location, &project_dir.config.ingest.include), ..RunSummary::default() };
    // A `run.json` that cannot be parsed leaves its facts absent; the rest is shown.
    summary.meta = location.read_bytes("run.json").and_then(|bytes| RunMeta::parse(&bytes).ok());
    summary.schema = location.read_schema();
    let is_declared = summary.schema.as_ref().is_some_and(|schema| !schema.is_plume());
    summary.is_derived = is_declared && !summary.files.iter().any(|(name, _)| is_episodes_file(name));
    let (manifest, index) = (location.read_manifest(), location.read_index());
    let text = |value: &Option<JsonValue>| {
        value.as_ref().and_then(|v| v.get("config_hash")).and_then(JsonValue::as_str).map(str::to_owned)
    };
    // Calculated from `run.json` first; if that is impossible, the values of the index and the manifest are used.
    summary.config_hash = summary.meta.as_ref().map(|meta| meta.env_config.config_hash()).or_else(|| text(&index));
    summary.config_hash = summary.config_hash.or_else(|| text(&manifest));
    summary.seeds = manifest.as_ref().and_then(|m| parse_seeds(m.get("seed_summary")?));
    if depth == SummaryDepth::Facts {
        return Ok(summary);
    }
    if let RunLocation::Recorded(dir) = location {
        return scan_recording(project_dir, summary, dir, depth, progress);
    }
    summary.verdict = read_verdict(manifest.as_ref(), index.as_ref());
    summary.metrics = location.read_metrics().transpose()?;
    if depth == SummaryDepth::PlotData {
        summary.plot_data = location.read_plot_data().transpose()?;
    }
    Ok(summary)
}

fn scan_recording(
    project_dir: &ProjectDir,
    mut summary: RunSummary,
    dir: &std::path::Path,
    depth: SummaryDepth,
    progress: &dyn Progress,
) -> Result<RunSummary, ProjectError> {
    let options = project_dir.validate_options()?;
    let mut sink = if depth == SummaryDepth::PlotData { MetricsSink::with_plot_data() } else { MetricsSink::default() };
    let scan = validate::scan_run(dir, &dir.display().to_string(), &options, &mut sink, progress)?;
    summary.verdict = Some(verdict_of_report(&scan.report));
    summary.seeds = scan.seeds;
    // A run of which not even the name can be read has none.
    if let Some((metrics, plot_data)) = sink.finish() {
        summary.metrics = Some(metrics);
        summary.plot_data = plot_data;
    }
    Ok(summary)
}

/// Whether a file of a run is its recorder's summaries of episodes, or a part of them.
fn is_episodes_file(name: &str) -> bool {
    parse_shard_name(name).is_some_and(|(stream, _)| stream == RunStream::Episodes)
}

pub(super) fn verdict_of_report(report: &ValidationReport) -> ValidationVerdict {
    let names = |codes: &[validate::Code]| codes.iter().map(|code| code.as_str().to_owned()).collect();
    ValidationVerdict {
        ok: report.ok,
        errors: names(&report.errors),
        warnings: names(&report.warnings),
        ignored: report.ignored.clone(),
    }
}

/// The verdict that the manifest and the index of a run in the dataset hold.
#[must_use]
pub fn read_verdict(manifest: Option<&JsonValue>, index: Option<&JsonValue>) -> Option<ValidationVerdict> {
    let mut verdict = parse_verdict(manifest?.get("validation")?)?;
    if let Some(index) = index {
        verdict.ignored = manifest::parse_ignored(index);
    }
    Some(verdict)
}

/// The verdict in a manifest: ours names codes, the first recorder's says only whether both streams are well.
pub(crate) fn parse_verdict(validation: &JsonValue) -> Option<ValidationVerdict> {
    let names = |field: &str| -> Vec<String> {
        // A manifest without the list, such as the first recorder's, names no codes.
        let items = validation.get(field).and_then(JsonValue::as_array).unwrap_or_default();
        items.iter().filter_map(JsonValue::as_str).map(str::to_owned).collect()
    };
    let ok = |value: &JsonValue| value.get("ok").and_then(JsonValue::as_bool);
    let streams = || Some(ok(validation.get("steps")?)? && ok(validation.get("episodes")?)?);
    let ok = ok(validation).or_else(streams)?;
    Some(ValidationVerdict {
        ok,
        errors: names("errors"),
        warnings: names("warnings"),
        ignored: manifest::parse_ignored(validation),
    })
}

/// The seeds in a manifest's `seed_summary`.
pub(crate) fn parse_seeds(value: &JsonValue) -> Option<SeedSummary> {
    let number = |field: &str| value.get(field).and_then(JsonValue::as_i64);
    Some(SeedSummary {
        unique_count: u64::try_from(number("unique_count")?).ok()?,
        min: number("min")?,
        max: number("max")?,
    })
}

fn list_files(location: &RunLocation, include: &IncludePatterns) -> Vec<(String, Option<u64>)> {
    // A file that cannot be looked at is listed without a size, like one that is not in this clone.
    let size = |path: PathBuf| std::fs::metadata(path).ok().filter(|m| m.is_file()).map(|m| m.len());
    match location {
        RunLocation::Recorded(dir) => {
            // A directory that cannot be listed shows no files; the other facts remain.
            let names = RunLayout::open_declared(dir, include).map(|layout| layout.dataset_files()).unwrap_or_default();
            names.into_iter().map(|name| (name.clone(), size(dir.join(name)))).collect()
        }
        RunLocation::Dataset(dir) => {
            let mut names = Vec::new();
            walk_files(dir, "", &mut names);
            names.sort();
            names.into_iter().map(|name| (name.clone(), size(dir.join(name)))).collect()
        }
        RunLocation::Cache { cache, entries, key } => {
            let prefix = format!("{key}/");
            entries
                .iter()
                .map(|entry| {
                    let name = entry.relpath.strip_prefix(&prefix).unwrap_or(&entry.relpath);
                    (name.to_owned(), size(cache.object_path(entry.md5)))
                })
                .collect()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::formats::json::parse;

    #[test]
    fn the_first_recorders_verdict_is_understood() {
        let old = parse(br#"{"steps": {"ok": true, "rows": 2}, "episodes": {"ok": false, "rows": 1}}"#).unwrap();
        assert_eq!(parse_verdict(&old), Some(ValidationVerdict::default()));
        let ours = parse(br#"{"ok": true, "errors": [], "warnings": ["time_goes_back"]}"#).unwrap();
        assert_eq!(parse_verdict(&ours).unwrap().warnings, ["time_goes_back"]);
        assert_eq!(parse_verdict(&parse(b"{}").unwrap()), None);
    }
}

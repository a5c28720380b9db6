//! One run's facts, wherever its bytes lie: metadata, what validation said, key figures, files.

use std::path::PathBuf;

use crate::columnar::{KeyFigures, RowFigures, Trace};
use crate::dataset::location::Place;
use crate::dataset::verify::walk;
use crate::formats::json::Value;
use crate::project::{Project, ProjectError};
use crate::run::include::Include;
use crate::run::layout::Layout;
use crate::run::meta::RunMeta;
use crate::support::progress::Progress;
use crate::validate::{Ignored, Report, SeedSummary};
use crate::{manifest, validate};

/// What validation said about a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is valid.
    pub ok: bool,
    /// Error codes.
    pub errors: Vec<String>,
    /// Warning codes.
    pub warnings: Vec<String>,
    /// What was found and ignored.
    pub ignored: Vec<Ignored>,
}

/// A run's facts. What is not known is absent.
#[derive(Debug, Default)]
pub struct Summary {
    /// `run.json`, where it can be read.
    pub meta: Option<RunMeta>,
    /// The hash of the configuration.
    pub config_hash: Option<String>,
    /// The seeds of the steps.
    pub seeds: Option<SeedSummary>,
    /// What validation said.
    pub verdict: Option<Verdict>,
    /// Key figures.
    pub figures: Option<KeyFigures>,
    /// What its plots show, where that was asked for.
    pub trace: Option<Trace>,
    /// Its files with their sizes, sorted; no size where the file is not in this clone.
    pub files: Vec<(String, Option<u64>)>,
}

/// How much to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Metadata and files only.
    Facts,
    /// Key figures and the verdict too.
    Figures,
    /// What plots show as well.
    Trace,
}

impl Project {
    /// A run's facts. From parquet where the dataset has it; a recorded run is scanned, and judged on the way.
    pub fn summary(&self, place: &Place, depth: Depth, progress: &dyn Progress) -> Result<Summary, ProjectError> {
        let mut summary = Summary { files: files(place, &self.config()?.ingest.include), ..Summary::default() };
        summary.meta = place.bytes("run.json").and_then(|bytes| RunMeta::parse(&bytes).ok());
        let (manifest, index) = (place.manifest(), place.index());
        let text = |value: &Option<Value>| {
            value.as_ref().and_then(|v| v.get("config_hash")).and_then(Value::as_str).map(str::to_owned)
        };
        summary.config_hash = summary.meta.as_ref().map(|meta| meta.env_config.config_hash()).or_else(|| text(&index));
        summary.config_hash = summary.config_hash.or_else(|| text(&manifest));
        summary.seeds = manifest.as_ref().and_then(|m| seeds(m.get("seed_summary")?));
        if depth == Depth::Facts {
            return Ok(summary);
        }
        if let Place::Recorded(dir) = place {
            return self.scanned(summary, dir, depth, progress);
        }
        summary.verdict = manifest.as_ref().and_then(|m| verdict(m.get("validation")?));
        if let (Some(verdict), Some(index)) = (&mut summary.verdict, &index) {
            verdict.ignored = manifest::ignored(index);
        }
        summary.figures = place.parquet_figures().transpose()?;
        if depth == Depth::Trace {
            summary.trace = place.parquet_trace().transpose()?;
        }
        Ok(summary)
    }

    fn scanned(
        &self,
        mut summary: Summary,
        dir: &std::path::Path,
        depth: Depth,
        progress: &dyn Progress,
    ) -> Result<Summary, ProjectError> {
        let options = self.validation()?;
        let mut sink = if depth == Depth::Trace { RowFigures::with_trace() } else { RowFigures::default() };
        let scan = validate::scan(dir, &dir.display().to_string(), &options, &mut sink, progress)?;
        let (figures, trace) = sink.finish();
        summary.verdict = Some(of_report(&scan.report));
        summary.seeds = scan.seeds;
        if scan.key.is_some() {
            summary.figures = Some(figures);
            summary.trace = trace;
        }
        Ok(summary)
    }
}

fn of_report(report: &Report) -> Verdict {
    let names = |codes: &[validate::Code]| codes.iter().map(|code| code.as_str().to_owned()).collect();
    Verdict {
        ok: report.ok,
        errors: names(&report.errors),
        warnings: names(&report.warnings),
        ignored: report.ignored.clone(),
    }
}

/// The verdict in a manifest: ours names codes, the first recorder's says only whether both streams are well.
fn verdict(validation: &Value) -> Option<Verdict> {
    let names = |field: &str| -> Vec<String> {
        let items = validation.get(field).and_then(Value::as_array).unwrap_or_default();
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let ok = |value: &Value| value.get("ok").and_then(Value::as_bool);
    let streams = || Some(ok(validation.get("steps")?)? && ok(validation.get("episodes")?)?);
    let ok = ok(validation).or_else(streams)?;
    Some(Verdict { ok, errors: names("errors"), warnings: names("warnings"), ignored: manifest::ignored(validation) })
}

fn seeds(value: &Value) -> Option<SeedSummary> {
    let number = |field: &str| value.get(field).and_then(Value::as_i64);
    Some(SeedSummary {
        unique_count: u64::try_from(number("unique_count")?).ok()?,
        min: number("min")?,
        max: number("max")?,
    })
}

fn files(place: &Place, include: &Include) -> Vec<(String, Option<u64>)> {
    let size = |path: PathBuf| std::fs::metadata(path).ok().filter(|m| m.is_file()).map(|m| m.len());
    match place {
        Place::Recorded(dir) => {
            let names = Layout::open_with(dir, include).map(|layout| layout.dataset_files()).unwrap_or_default();
            names.into_iter().map(|name| (name.clone(), size(dir.join(name)))).collect()
        }
        Place::Dataset(dir) => {
            let mut names = Vec::new();
            walk(dir, "", &mut names);
            names.sort();
            names.into_iter().map(|name| (name.clone(), size(dir.join(name)))).collect()
        }
        Place::Cache { cache, entries, key } => {
            let prefix = format!("{key}/");
            entries
                .iter()
                .map(|entry| {
                    let name = entry.relpath.strip_prefix(&prefix).unwrap_or(&entry.relpath);
                    (name.to_owned(), size(cache.path(entry.md5)))
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
        assert_eq!(verdict(&old), Some(Verdict::default()));
        let ours = parse(br#"{"ok": true, "errors": [], "warnings": ["time_goes_back"]}"#).unwrap();
        assert_eq!(verdict(&ours).unwrap().warnings, ["time_goes_back"]);
        assert_eq!(verdict(&parse(b"{}").unwrap()), None);
    }
}

//! Compares a recorder's manifest with the files.
//!
//! Manifests of recorders in use list only some files, and without hashes: what is there is compared, what is missing
//! is not reported. Our own manifest is made in `crate::manifest`.

use super::ScannedFile;
use crate::formats::json;
use crate::formats::json::JsonValue;
use crate::run::layout::{DATASET_INDEX, MANIFEST};
use crate::run::meta::RunMeta;
use crate::validate::code::Code;
use crate::validate::findings::{FileId, FindingCollector, LineRef};

/// A manifest that was in the run's directory.
pub(super) struct RecordedManifest {
    value: Option<JsonValue>,
}

/// The results of the scan to compare with.
pub(super) struct ScannedRun<'a> {
    pub meta: Option<&'a RunMeta>,
    pub files: &'a [ScannedFile],
    /// Files in the directory that do not belong to the run.
    pub left_out: &'a [String],
    /// Whether the directory has an index of the dataset, which is no file of the recorder's and is not read.
    pub has_index: bool,
    /// The rows of steps and episodes; `None` if not all could be read.
    pub rows: [Option<u64>; 2],
}

impl RecordedManifest {
    pub fn read(bytes: &[u8]) -> Self {
        Self { value: json::parse(bytes).ok().filter(|v| v.as_object().is_some()) }
    }

    fn entries(&self) -> impl Iterator<Item = &JsonValue> {
        self.value.as_ref().and_then(|v| v.get("files")).and_then(JsonValue::as_array).unwrap_or_default().iter()
    }

    /// Whether it has a hash for this file.
    pub fn has_hash(&self, name: &str) -> bool {
        self.entries().any(|e| e.get("path").and_then(JsonValue::as_str) == Some(name) && e.get("sha256").is_some())
    }

    /// Whether it has any hash.
    pub fn has_hashes(&self) -> bool {
        self.entries().any(|e| e.get("sha256").and_then(JsonValue::as_str).is_some())
    }

    /// Warns about each difference between the manifest and the files.
    pub fn compare_with(&self, file: FileId, found: &ScannedRun<'_>, findings: &mut FindingCollector<'_>) {
        let mut report = |message: String| {
            let line_ref = LineRef { file: Some(file), ..LineRef::default() };
            findings.add_finding(Code::ManifestMismatch, line_ref, || message);
        };
        let Some(value) = &self.value else { return report("the manifest is not a JSON object".into()) };
        for entry in self.entries() {
            let Some(path) = entry.get("path").and_then(JsonValue::as_str).filter(|p| *p != MANIFEST) else { continue };
            match found.files.iter().find(|f| f.path == path) {
                Some(file) => compare_file(entry, file, &mut report),
                None if path == DATASET_INDEX && found.has_index => {}
                None if found.left_out.iter().any(|name| name == path) => {
                    report(format!("`{path}` is listed, but does not go into the dataset"));
                }
                None => report(format!("`{path}` is listed, but does not exist")),
            }
        }
        if let Some(meta) = found.meta {
            let claims = [("run_id", Some(meta.run_id.as_str())), ("experiment", meta.experiment.as_deref())];
            for (name, actual) in claims {
                if let (Some(recorded), Some(actual)) = (value.get(name).and_then(JsonValue::as_str), actual)
                    && recorded != actual
                {
                    report(format!("{name} is `{recorded}`, but `{actual}` in run.json"));
                }
            }
            if let Some(recorded) = value.get("config_hash").and_then(JsonValue::as_str) {
                // The recorder's own hash of the configuration must be reproducible.
                let actual = meta.env_config.config_hash();
                if recorded != actual {
                    report(format!("config_hash is {recorded}, but {actual} for run.json's env_config"));
                }
            }
        }
        for (name, rows) in ["steps", "episodes"].into_iter().zip(found.rows) {
            let recorded = value.get("validation").and_then(|v| v.get(name)).and_then(|v| v.get("rows"));
            if let (Some(recorded), Some(rows)) = (recorded.and_then(JsonValue::as_i64), rows)
                && u64::try_from(recorded) != Ok(rows)
            {
                report(format!("validation counts {recorded} rows of {name}, but there are {rows}"));
            }
        }
    }
}

fn compare_file(entry: &JsonValue, file: &ScannedFile, report: &mut impl FnMut(String)) {
    let path = &file.path;
    let number = |name: &str| entry.get(name).and_then(JsonValue::as_i64);
    let equals = |recorded: i64, equals: u64| u64::try_from(recorded) == Ok(equals);
    // The first difference is enough: a file of another size has another hash, too.
    if let Some(recorded) = number("bytes").filter(|recorded| !equals(*recorded, file.bytes)) {
        report(format!("`{path}` is listed with {recorded} bytes, but has {}", file.bytes));
    } else if let Some(recorded) = entry.get("sha256").and_then(JsonValue::as_str)
        && !file.sha256.is_empty()
        && !recorded.eq_ignore_ascii_case(&file.sha256)
    {
        report(format!("`{path}` is listed with sha256 {recorded}, but has {}", file.sha256));
    } else if let (Some(recorded), Some(rows)) = (number("rows"), file.rows)
        && !equals(recorded, rows)
    {
        report(format!("`{path}` is listed with {recorded} rows, but has {rows}"));
    }
}

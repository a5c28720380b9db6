//! What a recorder's manifest claims, against the files.
//!
//! Manifests in the field list only some files, and without hashes: what is there is compared, what is absent is not.

use super::ScannedFile;
use crate::formats::json;
use crate::formats::json::Value;
use crate::run::layout::MANIFEST;
use crate::run::meta::RunMeta;
use crate::validate::code::Code;
use crate::validate::findings::{Collector, FileId, Place};

/// A manifest that was there before us.
pub(super) struct Manifest {
    value: Option<Value>,
}

/// What the scan found, to compare with.
pub(super) struct Found<'a> {
    pub meta: Option<&'a RunMeta>,
    pub files: &'a [ScannedFile],
    /// What lies in the directory and is no file of the run.
    pub left_out: &'a [String],
    /// Rows read of steps and episodes; none where not all could be read.
    pub rows: [Option<u64>; 2],
}

impl Manifest {
    pub fn read(bytes: &[u8]) -> Self {
        Self { value: json::parse(bytes).ok().filter(|v| v.as_object().is_some()) }
    }

    fn entries(&self) -> impl Iterator<Item = &Value> {
        self.value.as_ref().and_then(|v| v.get("files")).and_then(Value::as_array).unwrap_or_default().iter()
    }

    /// Whether it names a hash of this file.
    pub fn has_hash(&self, name: &str) -> bool {
        self.entries().any(|e| e.get("path").and_then(Value::as_str) == Some(name) && e.get("sha256").is_some())
    }

    /// Whether it names any hash.
    pub fn has_hashes(&self) -> bool {
        self.entries().any(|e| e.get("sha256").and_then(Value::as_str).is_some())
    }

    /// Warns wherever the manifest and the files disagree.
    pub fn compare(&self, file: FileId, found: &Found<'_>, findings: &mut Collector<'_>) {
        let mut tell = |message: String| {
            let place = Place { file: Some(file), ..Place::default() };
            findings.add(Code::ManifestMismatch, place, || message);
        };
        let Some(value) = &self.value else { return tell("the manifest is no JSON object".into()) };
        for entry in self.entries() {
            let Some(path) = entry.get("path").and_then(Value::as_str).filter(|p| *p != MANIFEST) else { continue };
            match found.files.iter().find(|f| f.path == path) {
                Some(file) => compare_file(entry, file, &mut tell),
                None if found.left_out.iter().any(|name| name == path) => {
                    tell(format!("`{path}` is listed, but is not put into the dataset"));
                }
                None => tell(format!("`{path}` is listed, but is not there")),
            }
        }
        if let Some(meta) = found.meta {
            let claims = [("run_id", Some(meta.run_id.as_str())), ("experiment", meta.experiment.as_deref())];
            for (name, is) in claims {
                if let (Some(said), Some(is)) = (value.get(name).and_then(Value::as_str), is)
                    && said != is
                {
                    tell(format!("{name} is `{said}`, but `{is}` in run.json"));
                }
            }
            if let Some(said) = value.get("config_hash").and_then(Value::as_str) {
                let is = meta.env_config.config_hash();
                if said != is {
                    tell(format!("config_hash is {said}, but {is} for run.json's env_config"));
                }
            }
        }
        for (name, rows) in ["steps", "episodes"].into_iter().zip(found.rows) {
            let said = value.get("validation").and_then(|v| v.get(name)).and_then(|v| v.get("rows"));
            if let (Some(said), Some(rows)) = (said.and_then(Value::as_i64), rows)
                && u64::try_from(said) != Ok(rows)
            {
                tell(format!("validation counts {said} rows of {name}, but there are {rows}"));
            }
        }
    }
}

fn compare_file(entry: &Value, file: &ScannedFile, tell: &mut impl FnMut(String)) {
    let path = &file.path;
    let number = |name: &str| entry.get(name).and_then(Value::as_i64);
    let is = |said: i64, is: u64| u64::try_from(said) == Ok(is);
    if let Some(said) = number("bytes").filter(|said| !is(*said, file.bytes)) {
        tell(format!("`{path}` is listed with {said} bytes, but has {}", file.bytes));
    } else if let Some(said) = entry.get("sha256").and_then(Value::as_str)
        && !file.sha256.is_empty()
        && !said.eq_ignore_ascii_case(&file.sha256)
    {
        tell(format!("`{path}` is listed with sha256 {said}, but has {}", file.sha256));
    } else if let (Some(said), Some(rows)) = (number("rows"), file.rows)
        && !is(said, rows)
    {
        tell(format!("`{path}` is listed with {said} rows, but has {rows}"));
    }
}

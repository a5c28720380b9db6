//! What recorded a run, as the recorder itself and the run's schema and manifest say. Nothing is guessed.

use crate::formats::json::JsonValue;
use crate::run::meta::RunMeta;
use crate::run::schema::RunSchema;

/// What recorded a run. What its recorder did not write is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunSimulator {
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The commit of its code: 40 hex digits.
    pub git_sha: Option<String>,
}

impl RunSimulator {
    /// What these files of a run say.
    #[must_use]
    pub fn read(meta: &RunMeta, schema: Option<&RunSchema>, manifest: Option<&JsonValue>) -> Self {
        let extra = meta.raw.get("extra").and_then(|extra| extra.get("simulation_metadata"));
        let of_extra = |name: &str| extra.and_then(|extra| extra.get(name)).and_then(JsonValue::as_str);
        let of_manifest = |name: &str| manifest.and_then(|manifest| manifest.get(name)).and_then(JsonValue::as_str);
        let text = |text: Option<&str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let version = meta.package_version.as_deref().or_else(|| of_manifest("package_version"));
        let is_commit = |sha: &&str| sha.len() == 40 && sha.bytes().all(|b| b.is_ascii_hexdigit());
        let git_sha = meta.git_sha.as_deref().or_else(|| of_manifest("git_sha")).filter(is_commit);
        Self {
            name: text(of_extra("software_name").or(schema.and_then(|schema| schema.name.as_deref()))),
            version: text(version.or_else(|| of_extra("software_version"))),
            git_sha: git_sha.map(str::to_ascii_lowercase),
        }
    }
}

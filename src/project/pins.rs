//! The schemas that `capture-hook.toml` pins: what a run of an experiment must declare at least.
//!
//! A pin is a check. Nothing that is put into the dataset is made from it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::config::{Config, FILE};
use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::run::schema::{MAX_SCHEMA_BYTES, RunSchema};
use crate::support::beneath::RootDir;
use crate::support::process::shell_quote;

/// A pinned schema that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{FILE}: {key} names {}, which {why}", file.escape_debug())]
pub struct PinError {
    /// The setting: `experiments.cartpole.schema`.
    pub key: String,
    /// The file that it names.
    pub file: String,
    /// What is wrong with that, to be read after it.
    pub why: String,
}

impl Explain for PinError {
    fn explain(&self) -> Explanation {
        let (key, file) = (shell_quote(&self.key), shell_quote(&self.file));
        Setup
            .code("invalid_config")
            .hint(format!("see what is wrong: `capture-hook schema check {file}`"))
            .hint(format!("or pin no schema: `capture-hook config set {key} ''`"))
    }
}

/// Reads the schemas that the settings pin, by experiment.
pub fn read_pinned_schemas(root: &Path, config: &Config) -> Result<BTreeMap<String, Arc<RunSchema>>, PinError> {
    let mut pins = BTreeMap::new();
    for (experiment, settings) in &config.experiments {
        let Some(file) = &settings.schema else { continue };
        let fail = |why: String| PinError { key: pin_key(experiment), file: file.to_string(), why };
        let bytes = RootDir::new(root)
            .read(file.as_str(), MAX_SCHEMA_BYTES as u64)
            .map_err(|error| fail(format!("cannot be read: {}", error.source)))?
            .ok_or_else(|| fail("does not exist".into()))?;
        let schema = RunSchema::parse(&bytes).map_err(|error| fail(format!("is not a valid schema: {error}")))?;
        pins.insert(experiment.clone(), Arc::new(schema));
    }
    Ok(pins)
}

/// The setting that pins an experiment's schema.
#[must_use]
pub fn pin_key(experiment: &str) -> String {
    format!("experiments.{experiment}.schema")
}

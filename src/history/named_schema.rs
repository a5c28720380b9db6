//! The schema that a user names: a file, or a run anywhere that runs are known: in results, the dataset, the cache.
//!
//! A path is enough without git and DVC; a run's name needs a project.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dataset::location::RunLocation;
use crate::error::ExitKind::{CheckFailed, Setup};
use crate::error::{Explain, Explanation};
use crate::formats::json::JsonValue;
use crate::history::catalog;
use crate::project::dir::ProjectDir;
use crate::project::{Project, ProjectError};
use crate::run::discover::is_run_dir;
use crate::run::infer::infer_hints;
use crate::run::layout::RUN_JSON;
use crate::run::schema::{MAX_SCHEMA_BYTES, RunSchema, SCHEMA_JSON, SchemaError, SchemaVersion};
use crate::support::env::Env;
use crate::support::fs;
use crate::support::fs::FsError;

/// A schema, and what it is of.
#[derive(Debug, Clone)]
pub struct NamedSchema {
    /// The file or the run, for people.
    pub name: String,
    /// Whether it is in a `schema.json`, and not built in.
    pub is_declared: bool,
    /// The schema.
    pub schema: Arc<RunSchema>,
}

/// A schema that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NamedSchemaError {
    /// There is no such file.
    #[error("there is no file {}", name.escape_debug())]
    NoFile {
        /// As typed.
        name: String,
    },
    /// The file is not a schema.
    #[error("{} is not a valid schema: {why}{}", name.escape_debug(), why.at().map(|at| format!(" ({at})")).unwrap_or_default())]
    Invalid {
        /// The file or the run.
        name: String,
        /// What is wrong.
        why: SchemaError,
    },
    /// The run must declare its columns, and does not.
    #[error("{} has no {SCHEMA_JSON}", name.escape_debug())]
    Missing {
        /// The run.
        name: String,
    },
    /// The run cannot be found.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The file cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for NamedSchemaError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoFile { .. } => {
                Setup.code("no_such_file").hint("make one out of a run's rows: `capture-hook schema infer RUN`")
            }
            Self::Invalid { .. } => CheckFailed
                .code("invalid_schema")
                .hint("docs/schema.md says what it holds; see a valid one: `capture-hook schema show RUN`"),
            Self::Missing { name } => CheckFailed.code("missing_schema").hints(infer_hints(name)),
            Self::Project(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// Reads the schema in a file. `shown_as` names it in messages.
pub fn read_schema_file(path: &Path, shown_as: &str) -> Result<RunSchema, NamedSchemaError> {
    let name = || shown_as.to_owned();
    // One byte more than a schema may have, so that the schema itself says that it is too large.
    let mut bytes = Vec::new();
    let file = fs::open_optional(path)?.ok_or_else(|| NamedSchemaError::NoFile { name: name() })?;
    read_start(file, &mut bytes).map_err(|source| FsError { action: "read", path: path.to_path_buf(), source })?;
    RunSchema::parse(&bytes).map_err(|why| NamedSchemaError::Invalid { name: name(), why })
}

fn read_start(file: std::fs::File, bytes: &mut Vec<u8>) -> std::io::Result<usize> {
    use std::io::Read;
    file.take(MAX_SCHEMA_BYTES as u64 + 1).read_to_end(bytes)
}

/// The schema that a user names: that of the file at a path, else that of a run.
pub fn find_schema(cwd: &Path, env: &Env, query: &str) -> Result<NamedSchema, NamedSchemaError> {
    let path = cwd.join(query);
    if path.is_file() {
        let schema = Arc::new(read_schema_file(&path, query)?);
        return Ok(NamedSchema { name: query.to_owned(), is_declared: true, schema });
    }
    if let Some(dir) = recorded_dir(&path, query) {
        return read_schema_of_run(&RunLocation::Recorded(dir), query);
    }
    let project = match Project::open(cwd, env) {
        Ok(project) => project,
        // Runs in results are known without git.
        Err(error) => match ProjectDir::find(cwd)?.resolve_run(cwd, query) {
            Ok(dir) => return read_schema_of_run(&RunLocation::Recorded(dir), query),
            Err(_) => return Err(error.into()),
        },
    };
    let catalog = catalog::load_catalog(&project)?;
    let target = catalog::resolve_query(&project, &catalog, cwd, query)?;
    let location = catalog::locate_run(&project, &catalog, &target)?;
    // A tag names one of several versions of a run.
    let name = if target.commit.is_some() { query.to_owned() } else { target.key.to_string() };
    read_schema_of_run(&location, &name)
}

/// The directory of a recorded run that is named by its path.
fn recorded_dir(path: &Path, query: &str) -> Option<PathBuf> {
    let is_path = query.contains('/') || query == ".";
    (is_path && (is_run_dir(path) || path.join(SCHEMA_JSON).is_file())).then(|| path.to_path_buf())
}

fn read_schema_of_run(location: &RunLocation, name: &str) -> Result<NamedSchema, NamedSchemaError> {
    if let RunLocation::Cache { cache, entries, key } = location {
        let names = [RUN_JSON, SCHEMA_JSON].map(|file| format!("{key}/{file}"));
        let mut needed = entries.iter().filter(|entry| names.contains(&entry.relpath));
        if needed.any(|entry| !cache.has_object(entry.md5)) {
            return Err(ProjectError::RunNotHere { run: key.to_string() }.into());
        }
    }
    let version = location.read_run_json().and_then(|raw| {
        let version = raw.get("schema_version").and_then(JsonValue::as_str)?;
        SchemaVersion::read(version.as_bytes())
    });
    // Of a run that is not of these versions, a schema.json is what its recorder meant.
    let is_built_in = version.is_some_and(|version| !version.is_declared());
    if is_built_in {
        return Ok(NamedSchema { name: name.to_owned(), is_declared: false, schema: RunSchema::plume() });
    }
    let Some(bytes) = location.read_bytes(SCHEMA_JSON) else {
        return Err(NamedSchemaError::Missing { name: name.to_owned() });
    };
    let invalid = |why| NamedSchemaError::Invalid { name: format!("{SCHEMA_JSON} of {name}"), why };
    let schema = Arc::new(RunSchema::parse(&bytes).map_err(invalid)?);
    Ok(NamedSchema { name: name.to_owned(), is_declared: true, schema })
}

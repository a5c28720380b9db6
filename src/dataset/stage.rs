//! The stage `capture_ingest` of `dvc.yaml`: its names, and its `${…}` resolved from a params file.
//!
//! Bytes in, values out: a hook hands in the index's blobs, a command the files. What is checked here is what DVC does:
//! a path that leads out of the project is an error, for DVC removes and replaces outputs wherever they are.
//! `tests/it/stranger_readers.rs` compares the two readers.

mod unversioned;

use crate::dvc::stage::interpolate::{InterpolateError, interpolate_text};
use crate::dvc::stage::{DvcYamlError, FILE, PARAMS_FILE, ParamsDep, Stage, StageOut};
use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::formats;
use crate::formats::{ParamsError, ParamsValue};
use crate::support::names;
use crate::support::names::{RefusedName, is_safe_path};
use crate::support::process::shell_quote;
pub use unversioned::UnversionedDataset;

/// The stage's name.
pub const STAGE: &str = "capture_ingest";
/// The section of the parameters that is ours.
const SECTION: &str = "ingest_capture";
/// The parameter that names the selected run.
pub const RUN_DIR: &str = "ingest_capture.run_dir";
/// The parameter that names the dataset.
pub const OUT_DIR: &str = "ingest_capture.out_dir";
/// The dataset if nothing names one.
pub const DEFAULT_OUT_DIR: &str = "data/captures";

/// The reference `dvc.yaml`.
pub const DVC_YAML: &str = include_str!("../../dvc.yaml");
/// The reference `params.yaml`.
pub const PARAMS_YAML: &str = include_str!("../../params.yaml");

/// A stage that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StageError {
    /// `dvc.yaml` itself, or more in the stage than is read here.
    #[error(transparent)]
    DvcYaml(#[from] DvcYamlError),
    /// The params file does not exist.
    #[error("{file} does not exist, but {FILE} takes the parameter {key} from it")]
    NoParamsFile {
        /// The file, relative to the project's root.
        file: String,
        /// The parameter.
        key: String,
    },
    /// A parameter that the stage is filled in from is not in the params file.
    #[error("{file} has no {key}, which the stage `{STAGE}` of {FILE} uses")]
    Unfilled {
        /// The file, relative to the project's root.
        file: String,
        /// The parameter.
        key: String,
    },
    /// The dataset would lie outside the project, or at a path that programs read.
    #[error("{OUT_DIR} `{}` cannot be the dataset: {why}", out_dir.escape_debug())]
    Misplaced {
        /// The parameter.
        out_dir: String,
        /// What is wrong with it.
        why: RefusedName,
    },
    /// The params file.
    #[error(transparent)]
    Params(#[from] ParamsError),
}

impl StageError {
    /// The error for a stage that is right for DVC, but more than is read here.
    #[must_use]
    pub fn unsupported(message: impl Into<String>) -> Self {
        DvcYamlError::Unsupported(message.into()).into()
    }
}

impl Explain for StageError {
    fn explain(&self) -> Explanation {
        match self {
            Self::DvcYaml(error @ DvcYamlError::Unsupported(_)) => error.explain().hint(format!(
                "to see a correct stage `{STAGE}`, run `capture-hook init` in an empty repository"
            )),
            Self::DvcYaml(error) => error.explain(),
            Self::NoParamsFile { file, .. } => Setup.code("no_params_file").hint(format!(
                "if it was removed: `git restore --source=HEAD --staged --worktree {}`; if it was moved: name it in {FILE}, \
                 under `vars` and under `params` of the stage `{STAGE}`; if git never had it: `capture-hook init`",
                shell_quote(file)
            )),
            Self::Unfilled { .. } => {
                Setup.code("invalid_params").hint(format!("add what {SECTION} lacks: `capture-hook init`"))
            }
            Self::Misplaced { .. } => Setup
                .code("dataset_misplaced")
                .hint(format!("set {OUT_DIR} to a directory in the project, such as {DEFAULT_OUT_DIR}"))
                .hint("if the branch is not yours, do not check out its data; inform its author"),
            Self::Params(error) => error.explain(),
        }
    }
}

/// The stage with every `${…}` resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedStage {
    /// The stage, resolved.
    pub stage: Stage,
    /// The dataset, relative to the project's root: safe to join to it.
    pub out_dir: String,
    /// The selected run's directory, relative to the project's root, `None` if none is selected. Not checked.
    pub run_dir: Option<String>,
    /// The params file's values.
    pub values: ParamsValue,
}

impl ResolvedStage {
    /// Resolves `${…}` from the bytes of [`params_file`] (`None`: there is no such file).
    pub fn resolve(stage: &Stage, params: Option<&[u8]>) -> Result<Self, StageError> {
        let values = match params {
            Some(bytes) => formats::load_params(params_file(stage), bytes)?,
            None => ParamsValue::Map(Vec::new()),
        };
        let stage = fill_in(stage, &values, params.is_some())?;
        // An empty value in YAML is null, and counts as not set.
        let text = |key: &str| values.at_path(key).filter(|v| **v != ParamsValue::Null);
        let out_dir = match text(OUT_DIR) {
            Some(ParamsValue::Str(dir)) => dir.trim_end_matches('/').to_owned(),
            Some(other) => return Err(StageError::unsupported(format!("{OUT_DIR} is {other}, not a path"))),
            None => DEFAULT_OUT_DIR.to_owned(),
        };
        // Refused for safety: `params.yaml` can come from another branch, and the dataset is written to this path.
        if let Some(why) = names::find_refused(&out_dir) {
            return Err(StageError::Misplaced { out_dir, why });
        }
        if !stage.outs.iter().any(|out| out.path.trim_end_matches('/') == out_dir) {
            return Err(StageError::unsupported(format!("the stage `{STAGE}` has no output `{out_dir}`")));
        }
        refuse_outside_paths(&stage)?;
        let run_dir = match text(RUN_DIR) {
            Some(ParamsValue::Str(dir)) => is_selection(dir).then(|| dir.clone()),
            Some(other) => return Err(StageError::unsupported(format!("{RUN_DIR} is {other}, not a path"))),
            None => None,
        };
        Ok(Self { stage, out_dir, run_dir, values })
    }
}

/// Reads the stage, `${…}` not resolved. `None` if `dvc.yaml` has no such stage.
pub fn parse_ingest_stage(dvc_yaml: &[u8]) -> Result<Option<Stage>, StageError> {
    let Some(stage) = Stage::parse(dvc_yaml, STAGE)? else { return Ok(None) };
    let file = params_file(&stage);
    // Refused for safety: no file outside the project is read.
    if !is_safe_path(file) || file.contains("${") {
        return Err(StageError::unsupported(format!("the params file `{file}` is outside the project")));
    }
    Ok(Some(stage))
}

/// The params file that names the selected run.
#[must_use]
pub fn params_file(stage: &Stage) -> &str {
    let named = stage.params.iter().find(|dep| dep.keys.iter().any(|key| key == RUN_DIR));
    named.map_or(PARAMS_FILE, |dep| &dep.file)
}

/// The stage with every `${…}` replaced by its value.
fn fill_in(stage: &Stage, values: &ParamsValue, file_exists: bool) -> Result<Stage, StageError> {
    let file = params_file(stage);
    // DVC fills in from `params.yaml` and from the files of `vars` only.
    let is_source = file == PARAMS_FILE || stage.vars.iter().any(|vars| vars == file);
    let fill = |text: &String| {
        if text.contains("${") && !is_source {
            let message = format!("`{text}` takes its value from {PARAMS_FILE}, not from {file}");
            return Err(StageError::unsupported(message));
        }
        interpolate_text(text, values).map_err(|error| unfilled_error(file, error, file_exists))
    };
    let fill_all = |texts: &[String]| texts.iter().map(fill).collect::<Result<Vec<_>, _>>();
    let params_dep = |dep: &ParamsDep| Ok(ParamsDep { keys: fill_all(&dep.keys)?, file: fill(&dep.file)? });
    let out = |out: &StageOut| Ok(StageOut { path: fill(&out.path)?, ..out.clone() });
    Ok(Stage {
        cmd: fill_all(&stage.cmd)?,
        cmd_is_list: stage.cmd_is_list,
        deps: fill_all(&stage.deps)?,
        params: stage.params.iter().map(params_dep).collect::<Result<_, StageError>>()?,
        outs: stage.outs.iter().map(out).collect::<Result<_, StageError>>()?,
        frozen: stage.frozen,
        vars: stage.vars.clone(),
    })
}

/// The error for a parameter that is not in the one file that is read here; another file of `vars` may hold it.
fn unfilled_error(file: &str, error: InterpolateError, file_exists: bool) -> StageError {
    let file = file.to_owned();
    match error {
        InterpolateError::Unsupported(message) => StageError::unsupported(message),
        InterpolateError::Undefined(key) if !file_exists => StageError::NoParamsFile { file, key },
        InterpolateError::Undefined(key) if key.starts_with(SECTION) => StageError::Unfilled { file, key },
        InterpolateError::Undefined(key) => StageError::unsupported(format!("`${{{key}}}` is not defined")),
    }
}

/// An error if the stage, resolved, names a path outside the project: DVC would remove an output there, and read
/// whatever a dependency is.
fn refuse_outside_paths(stage: &Stage) -> Result<(), StageError> {
    let paths = stage.deps.iter().chain(stage.outs.iter().map(|out| &out.path));
    let mut paths = paths.chain(stage.params.iter().map(|dep| &dep.file));
    let inside = |path: &&String| is_safe_path(path.strip_prefix("./").unwrap_or(path).trim_end_matches('/'));
    match paths.find(|path| !inside(path)) {
        Some(path) => Err(StageError::unsupported(format!(
            "the stage `{STAGE}` names `{path}`, which is not a path inside the project"
        ))),
        None => Ok(()),
    }
}

/// Whether a value of [`RUN_DIR`] selects a run: not empty, and not a placeholder such as
/// `results/<experiment>/<run_id>`.
#[must_use]
pub fn is_selection(run_dir: &str) -> bool {
    let placeholder = run_dir.find('<').is_some_and(|at| run_dir[at..].contains('>'));
    !run_dir.trim().is_empty() && !placeholder
}

#[cfg(test)]
mod tests;

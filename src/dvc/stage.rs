//! The stage `capture_ingest` in `dvc.yaml`, its `${…}` resolved from a params file.
//!
//! Bytes in, values out: a hook hands in the index's blobs, a command the files. Source of the format: `dvc/schema.py` and
//! `dvc/parsing/`. Only what one stage of a known shape uses is resolved; a stage that uses more (`foreach`, `matrix`,
//! `wdir`, variables of its own) is [`StageError::Unsupported`], and DVC decides.
//!
//! What is judged here is what DVC does: whatever its reader may take for something else (aliases, merges, tags, values that
//! are no text where text is meant) is an error, and so is a path that leads out of the project, for DVC removes and
//! replaces outputs wherever they are. `tests/it/stranger_readers.rs` compares the two readers.

mod interpolate;
mod unversioned;

use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::formats;
use crate::formats::yaml::{YamlError, YamlNode};
use crate::formats::{ParamsError, ParamsValue, yaml};
use crate::support::names;
use crate::support::names::{RefusedName, is_safe_path};
use crate::support::process::shell_quote;
use interpolate::{InterpolateError, interpolate_text};
pub use unversioned::UnversionedDataset;

/// The stage's name.
pub const STAGE: &str = "capture_ingest";
/// The pipeline's file, at the project's root.
pub const FILE: &str = "dvc.yaml";
/// The section of the parameters that is ours.
const SECTION: &str = "ingest_capture";
/// The parameter that names the selected run.
pub const RUN_DIR: &str = "ingest_capture.run_dir";
/// The parameter that names the dataset.
pub const OUT_DIR: &str = "ingest_capture.out_dir";
/// The params file that DVC reads where `dvc.yaml` names none.
pub const PARAMS_FILE: &str = "params.yaml";
/// The dataset where nothing names one.
pub const DEFAULT_OUT_DIR: &str = "data/captures";

/// A pipeline that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StageError {
    /// Git left conflict markers.
    #[error("{FILE}:{line}: a merge conflict is not resolved")]
    Conflict {
        /// Line from 1.
        line: usize,
    },
    /// Not YAML.
    #[error("{FILE}:{}: {}", .0.line, .0.message)]
    Yaml(YamlError),
    /// Not what a `dvc.yaml` looks like.
    #[error("{FILE}:{line}: {message}")]
    Shape {
        /// Line from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Right for DVC, but more than is read here.
    #[error("{FILE}: {0}")]
    Unsupported(String),
    /// The params file is not there.
    #[error("{file} is not there, and {FILE} takes the parameter {key} from it")]
    NoParamsFile {
        /// The file, relative to the project's root.
        file: String,
        /// What is wanted of it.
        key: String,
    },
    /// A parameter that the stage is filled in from is not in the params file.
    #[error("{file} has no {key}, which the stage `{STAGE}` of {FILE} is filled in from")]
    Unfilled {
        /// The file, relative to the project's root.
        file: String,
        /// What is wanted of it.
        key: String,
    },
    /// The dataset would lie outside the project, or where programs look.
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

impl Explain for StageError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Conflict { .. } => Setup.code("merge_conflict").hint(format!("resolve it, then `git add {FILE}`")),
            Self::Yaml(_) | Self::Shape { .. } => {
                Setup.code("invalid_dvc_yaml").hint("`dvc stage list` says what DVC makes of it")
            }
            Self::Unsupported(_) => Setup.code("stage_not_understood").hint(format!(
                "`capture-hook init` in a scratch repository shows the stage `{STAGE}` as it is meant"
            )),
            Self::NoParamsFile { file, .. } => Setup.code("no_params_file").hint(format!(
                "if it was removed: `git restore --source=HEAD --staged --worktree {}`; if it was moved: name it in {FILE}, \
                 under `vars` and under `params` of the stage `{STAGE}`; if git never had it: `capture-hook init`",
                shell_quote(file)
            )),
            Self::Unfilled { .. } => {
                Setup.code("invalid_params").hint(format!("`capture-hook init` adds what is missing of {SECTION}"))
            }
            Self::Misplaced { .. } => Setup
                .code("dataset_misplaced")
                .hint(format!("set {OUT_DIR} to a directory of the project, such as {DEFAULT_OUT_DIR}"))
                .hint("on a branch of somebody else's: do not check its data out, and tell who made it"),
            Self::Params(error) => error.explain(),
        }
    }
}

/// What kind of output one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutKind {
    /// Data.
    Data,
    /// Numbers for `dvc metrics`.
    Metrics,
    /// Series for `dvc plots`.
    Plots,
}

/// An output of the stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageOut {
    /// Its path, relative to the project's root.
    pub path: String,
    /// Under which key it stands.
    pub kind: OutKind,
    /// Whether DVC keeps it in its cache.
    pub cache: bool,
    /// Whether DVC leaves it in place before the stage runs.
    pub persist: bool,
    /// The remote it goes to, where that is not the default one.
    pub remote: Option<String>,
}

/// A params file that the stage depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamsDep {
    /// The file, relative to the project's root.
    pub file: String,
    /// The parameters, dotted; empty means the whole file.
    pub keys: Vec<String>,
}

/// The stage as `dvc.yaml` writes it, `${…}` not resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The command's lines.
    pub cmd: Vec<String>,
    /// Whether the command is written as a list, one of a single line included.
    pub cmd_is_list: bool,
    /// The files it depends on.
    pub deps: Vec<String>,
    /// The parameters it depends on.
    pub params: Vec<ParamsDep>,
    /// Its outputs.
    pub outs: Vec<StageOut>,
    /// Whether DVC is told to leave it alone.
    pub frozen: bool,
    /// The files beside `params.yaml` that the pipeline's `${…}` are filled in from: its `vars`.
    pub vars: Vec<String>,
}

/// The stage with every `${…}` resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedStage {
    /// The stage, resolved.
    pub stage: Stage,
    /// The dataset, relative to the project's root: safe to join to it.
    pub out_dir: String,
    /// The selected run's directory, relative to the project's root, `None` where none is selected. Not checked.
    pub run_dir: Option<String>,
    /// The params file's values.
    pub values: ParamsValue,
}

impl Stage {
    /// Reads the stage. `None`: the pipeline has none of this name.
    pub fn parse(dvc_yaml: &[u8]) -> Result<Option<Self>, StageError> {
        if let Some(line) = yaml::find_conflict_marker(dvc_yaml) {
            return Err(StageError::Conflict { line });
        }
        let Some(root) = yaml::parse_document(dvc_yaml).map_err(StageError::Yaml)? else { return Ok(None) };
        if root.is_null() {
            return Ok(None);
        }
        let shape = |node: &YamlNode, message: &str| StageError::Shape { line: node.line, message: message.to_owned() };
        if root.entries().is_none() {
            return Err(shape(&root, "not a mapping"));
        }
        if let Some((key, line)) = root.duplicate_key() {
            return Err(StageError::Shape { line, message: format!("`{key}` is written twice") });
        }
        refuse_unclear(&root, 0)?;
        let Some(stages) = root.get("stages").filter(|node| !node.is_null()) else { return Ok(None) };
        refuse_unclear(stages, 0)?;
        let Some(stage) = stages.get(STAGE) else { return Ok(None) };
        let Some(entries) = stage.entries() else { return Err(shape(stage, "the stage is not a mapping")) };
        refuse_unclear(stage, 0)?;
        for (key, value) in entries {
            match key.text().unwrap_or_default() {
                "cmd" | "deps" | "outs" | "metrics" | "plots" | "params" | "frozen" => {
                    refuse_unclear(value, usize::MAX)?
                }
                "always_changed" | "desc" | "meta" => {}
                other => return Err(StageError::Unsupported(format!("the stage `{STAGE}` uses `{other}`"))),
            }
        }
        let cmd = match stage.get("cmd").filter(|node| !node.is_null()) {
            Some(node) => node_texts(node).ok_or_else(|| shape(node, "`cmd` is neither text nor a list of texts"))?,
            None => return Err(shape(stage, "the stage has no `cmd`")),
        };
        let cmd_is_list = stage.get("cmd").is_some_and(|node| node.items().is_some());
        let items = |key: &str, message: &str| match stage.get(key).filter(|node| !node.is_null()) {
            Some(node) => node.items().ok_or_else(|| shape(node, message)),
            None => Ok(&[][..]),
        };
        let mut deps = Vec::new();
        for node in items("deps", "`deps` is not a list of paths")? {
            deps.push(node_text(node).ok_or_else(|| shape(node, "`deps` is not a list of paths"))?);
        }
        let mut outs = Vec::new();
        for (key, kind) in [("outs", OutKind::Data), ("metrics", OutKind::Metrics), ("plots", OutKind::Plots)] {
            for node in items(key, "outputs are not a list")? {
                outs.push(parse_out(node, kind).ok_or_else(|| shape(node, "an output is not understood"))?);
            }
        }
        let mut params: Vec<ParamsDep> = Vec::new();
        for node in items("params", "`params` is not a list")? {
            for dep in parse_params_deps(node).ok_or_else(|| shape(node, "a parameter is not understood"))? {
                match params.iter_mut().find(|known| known.file == dep.file) {
                    Some(known) => known.keys.extend(dep.keys),
                    None => params.push(dep),
                }
            }
        }
        let frozen = match stage.get("frozen").map(|node| (node, node.to_value())) {
            None => false,
            Some((_, Some(ParamsValue::Bool(frozen)))) => frozen,
            Some((node, _)) => return Err(shape(node, "`frozen` is neither true nor false")),
        };
        let vars =
            root.get("vars").and_then(YamlNode::items).unwrap_or_default().iter().filter_map(node_text).collect();
        let stage = Self { cmd, cmd_is_list, deps, params, outs, frozen, vars };
        let file = stage.params_file();
        if !is_safe_path(file) || file.contains("${") {
            return Err(StageError::Unsupported(format!("the params file `{file}` is outside the project")));
        }
        Ok(Some(stage))
    }

    /// The params file that names the selected run.
    #[must_use]
    pub fn params_file(&self) -> &str {
        let named = self.params.iter().find(|dep| dep.keys.iter().any(|key| key == RUN_DIR));
        named.map_or(PARAMS_FILE, |dep| &dep.file)
    }

    /// Whether DVC fills `${…}` in from this file.
    fn fills_in_from(&self, file: &str) -> bool {
        file == PARAMS_FILE || self.vars.iter().any(|vars| vars == file)
    }

    /// An error where the stage, resolved, names a path outside the project: DVC would remove an output there, and read
    /// whatever a dependency is.
    fn refuse_outside_paths(&self) -> Result<(), StageError> {
        let paths = self.deps.iter().chain(self.outs.iter().map(|out| &out.path));
        let mut paths = paths.chain(self.params.iter().map(|dep| &dep.file));
        let inside = |path: &&String| is_safe_path(path.strip_prefix("./").unwrap_or(path).trim_end_matches('/'));
        match paths.find(|path| !inside(path)) {
            Some(path) => Err(StageError::Unsupported(format!(
                "the stage `{STAGE}` names `{path}`, which is not a path inside the project"
            ))),
            None => Ok(()),
        }
    }

    /// The command as one text, the lines joined.
    #[must_use]
    pub fn command_text(&self) -> String {
        self.cmd.join("\n")
    }

    /// The error for a parameter that is not in the one file that is read here; another of `vars` may have it.
    fn unfilled_error(&self, error: InterpolateError, file_exists: bool) -> StageError {
        let file = self.params_file().to_owned();
        match error {
            InterpolateError::Unsupported(message) => StageError::Unsupported(message),
            InterpolateError::Undefined(key) if !file_exists => StageError::NoParamsFile { file, key },
            InterpolateError::Undefined(key) if key.starts_with(SECTION) => StageError::Unfilled { file, key },
            InterpolateError::Undefined(key) => StageError::Unsupported(format!("nothing defines `${{{key}}}`")),
        }
    }

    /// Resolves `${…}` from the bytes of [`Stage::params_file`] (`None`: there is no such file).
    pub fn resolve_with(&self, params_file: Option<&[u8]>) -> Result<ResolvedStage, StageError> {
        let values = match params_file {
            Some(bytes) => formats::load_params(self.params_file(), bytes)?,
            None => ParamsValue::Map(Vec::new()),
        };
        let fill = |text: &String| {
            if text.contains("${") && !self.fills_in_from(self.params_file()) {
                let file = self.params_file();
                return Err(StageError::Unsupported(format!(
                    "`{text}` is filled in from {PARAMS_FILE}, not from {file}"
                )));
            }
            interpolate_text(text, &values).map_err(|error| self.unfilled_error(error, params_file.is_some()))
        };
        let stage = Self {
            cmd: self.cmd.iter().map(fill).collect::<Result<_, _>>()?,
            cmd_is_list: self.cmd_is_list,
            deps: self.deps.iter().map(fill).collect::<Result<_, _>>()?,
            params: self
                .params
                .iter()
                .map(|dep| {
                    let keys = dep.keys.iter().map(fill).collect::<Result<_, _>>()?;
                    Ok(ParamsDep { file: fill(&dep.file)?, keys })
                })
                .collect::<Result<_, StageError>>()?,
            outs: self
                .outs
                .iter()
                .map(|out| Ok(StageOut { path: fill(&out.path)?, ..out.clone() }))
                .collect::<Result<_, StageError>>()?,
            frozen: self.frozen,
            vars: self.vars.clone(),
        };
        let text = |key: &str| values.at_path(key).filter(|v| **v != ParamsValue::Null);
        let out_dir = match text(OUT_DIR) {
            Some(ParamsValue::Str(dir)) => dir.trim_end_matches('/').to_owned(),
            Some(other) => return Err(StageError::Unsupported(format!("{OUT_DIR} is {other}, not a path"))),
            None => DEFAULT_OUT_DIR.to_owned(),
        };
        if let Some(why) = names::find_refused(&out_dir) {
            return Err(StageError::Misplaced { out_dir, why });
        }
        if !stage.outs.iter().any(|out| out.path.trim_end_matches('/') == out_dir) {
            return Err(StageError::Unsupported(format!("the stage `{STAGE}` has no output `{out_dir}`")));
        }
        stage.refuse_outside_paths()?;
        let run_dir = match text(RUN_DIR) {
            Some(ParamsValue::Str(dir)) => is_selection(dir).then(|| dir.clone()),
            Some(other) => return Err(StageError::Unsupported(format!("{RUN_DIR} is {other}, not a path"))),
            None => None,
        };
        Ok(ResolvedStage { stage, out_dir, run_dir, values })
    }
}

/// Whether a value of [`RUN_DIR`] selects a run: not empty, and not a placeholder such as `results/<experiment>/<run_id>`.
#[must_use]
pub fn is_selection(run_dir: &str) -> bool {
    let placeholder = run_dir.find('<').is_some_and(|at| run_dir[at..].contains('>'));
    !run_dir.trim().is_empty() && !placeholder
}

/// An error where a part of the pipeline does not stand there in so many words.
fn refuse_unclear(node: &YamlNode, depth: usize) -> Result<(), StageError> {
    match node.first_unclear(depth) {
        Some((line, message)) => Err(StageError::Shape { line, message: message.to_owned() }),
        None => Ok(()),
    }
}

/// A scalar that is text to DVC too: no number, no date.
fn node_text(node: &YamlNode) -> Option<String> {
    match node.to_value() {
        Some(ParamsValue::Str(text)) => Some(text),
        _ => None,
    }
}

fn node_texts(node: &YamlNode) -> Option<Vec<String>> {
    match node.items() {
        Some(items) => items.iter().map(node_text).collect(),
        None => Some(vec![node_text(node)?]),
    }
}

fn parse_out(node: &YamlNode, kind: OutKind) -> Option<StageOut> {
    let Some(entries) = node.entries() else {
        return Some(StageOut { path: node_text(node)?, kind, cache: true, persist: false, remote: None });
    };
    let [(path, flags)] = entries else { return None };
    flags.entries()?;
    let flag = |key: &str, default: bool| match flags.get(key).map(YamlNode::to_value) {
        None => Some(default),
        Some(Some(ParamsValue::Bool(value))) => Some(value),
        Some(_) => None,
    };
    let remote = match flags.get("remote") {
        None => None,
        Some(node) => Some(node_text(node)?.to_lowercase()),
    };
    Some(StageOut {
        path: node_text(path)?,
        kind,
        cache: flag("cache", true)?,
        persist: flag("persist", false)?,
        remote,
    })
}

fn parse_params_deps(node: &YamlNode) -> Option<Vec<ParamsDep>> {
    if let Some(key) = node_text(node) {
        return Some(vec![ParamsDep { file: PARAMS_FILE.to_owned(), keys: vec![key] }]);
    }
    let dep = |(file, keys): &(YamlNode, YamlNode)| {
        let keys = if keys.is_null() { Vec::new() } else { node_texts(keys)? };
        Some(ParamsDep { file: node_text(file)?, keys })
    };
    node.entries()?.iter().map(dep).collect()
}

#[cfg(test)]
mod tests;

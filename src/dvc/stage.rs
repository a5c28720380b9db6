//! One stage of `dvc.yaml`, as it stands there.
//!
//! Bytes in, values out: a hook hands in the index's blobs, a command the files. Source of the format: `dvc/schema.py`
//! and `dvc/parsing/`. Only a stage of a known shape is read; one that uses more (`foreach`, `matrix`, `wdir`,
//! variables of its own) is [`DvcYamlError::Unsupported`], and DVC decides.
//!
//! What DVC's reader may take for something else (aliases, merges, tags, values that are no text although text is
//! expected) is an error. `tests/it/stranger_readers.rs` compares the two readers.

pub(crate) mod interpolate;

use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::formats::conflict_markers::find_conflict_marker;
use crate::formats::yaml::{YamlError, YamlNode};
use crate::formats::{ParamsValue, yaml};

/// The pipeline's file, at the project's root.
pub const FILE: &str = "dvc.yaml";
/// The params file that DVC reads if `dvc.yaml` names none.
pub const PARAMS_FILE: &str = "params.yaml";

/// A pipeline that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DvcYamlError {
    /// Git left conflict markers.
    #[error("{FILE}:{line}: unresolved merge conflict")]
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
}

impl Explain for DvcYamlError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Conflict { .. } => Setup.code("merge_conflict").hint(format!("resolve it, then `git add {FILE}`")),
            Self::Yaml(_) | Self::Shape { .. } => {
                Setup.code("invalid_dvc_yaml").hint("see how DVC reads it: `dvc stage list`")
            }
            Self::Unsupported(_) => Setup
                .code("stage_not_understood")
                .hint("write the stage as `capture-hook init` does; see how DVC reads it: `dvc stage list`"),
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
    /// The remote it is sent to, if that is not the default one.
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
    /// Whether the file has DVC leave it alone.
    pub frozen: bool,
    /// The files beside `params.yaml` that the pipeline's `${…}` are filled in from: its `vars`.
    pub vars: Vec<String>,
}

impl Stage {
    /// Reads the stage of this name. `None`: the pipeline has none.
    pub fn parse(dvc_yaml: &[u8], name: &str) -> Result<Option<Self>, DvcYamlError> {
        if let Some(line) = find_conflict_marker(dvc_yaml) {
            return Err(DvcYamlError::Conflict { line });
        }
        let Some(root) = yaml::parse_document(dvc_yaml).map_err(DvcYamlError::Yaml)? else { return Ok(None) };
        if root.is_null() {
            return Ok(None);
        }
        let shape =
            |node: &YamlNode, message: &str| DvcYamlError::Shape { line: node.line, message: message.to_owned() };
        if root.entries().is_none() {
            return Err(shape(&root, "not a mapping"));
        }
        if let Some((key, line)) = root.duplicate_key() {
            return Err(DvcYamlError::Shape { line, message: format!("`{key}` is written twice") });
        }
        refuse_unclear(&root, 0)?;
        let Some(stages) = root.get("stages").filter(|node| !node.is_null()) else { return Ok(None) };
        refuse_unclear(stages, 0)?;
        let Some(stage) = stages.get(name) else { return Ok(None) };
        let Some(entries) = stage.entries() else { return Err(shape(stage, "the stage is not a mapping")) };
        refuse_unclear(stage, 0)?;
        for (key, value) in entries {
            match key.text().unwrap_or_default() {
                "cmd" | "deps" | "outs" | "metrics" | "plots" | "params" | "frozen" => {
                    refuse_unclear(value, usize::MAX)?
                }
                // These change when DVC runs the stage or how it is shown, not what it does.
                "always_changed" | "desc" | "meta" => {}
                other => return Err(DvcYamlError::Unsupported(format!("the stage `{name}` uses `{other}`"))),
            }
        }
        let cmd = match stage.get("cmd").filter(|node| !node.is_null()) {
            Some(node) => {
                node_texts(node).ok_or_else(|| shape(node, "`cmd` is neither a string nor a list of strings"))?
            }
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
                outs.push(parse_out(node, kind).ok_or_else(|| shape(node, "cannot parse an output"))?);
            }
        }
        let mut params: Vec<ParamsDep> = Vec::new();
        for node in items("params", "`params` is not a list")? {
            for dep in parse_params_deps(node).ok_or_else(|| shape(node, "cannot parse a parameter"))? {
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
        Ok(Some(Self { cmd, cmd_is_list, deps, params, outs, frozen, vars }))
    }

    /// The command as one text, the lines joined.
    #[must_use]
    pub fn command_text(&self) -> String {
        self.cmd.join("\n")
    }
}

/// An error if a part of the pipeline does not stand there in so many words.
fn refuse_unclear(node: &YamlNode, depth: usize) -> Result<(), DvcYamlError> {
    match node.first_unclear(depth) {
        Some((line, message)) => Err(DvcYamlError::Shape { line, message: message.to_owned() }),
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
        // DVC lower-cases the names of remotes.
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

//! The stage `capture_ingest` in `dvc.yaml`, its `${…}` resolved from a params file.
//!
//! Bytes in, values out: a hook hands in the index's blobs, a command the files. Source of the format: `dvc/schema.py` and
//! `dvc/parsing/interpolate.py`. Only what one stage of a known shape uses is resolved; a stage that uses more (`foreach`,
//! `matrix`, `wdir`, variables of its own) is [`StageError::BeyondUs`], and DVC decides.

use crate::error::{Explain, Kind};
use crate::params::yaml::{self, Node, YamlError};
use crate::params::{self, ParamsError, Value};

use super::listing::safe_path;

/// The stage's name.
pub const STAGE: &str = "capture_ingest";
/// The pipeline's file, at the project's root.
pub const FILE: &str = "dvc.yaml";
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
    BeyondUs(String),
    /// The params file.
    #[error(transparent)]
    Params(#[from] ParamsError),
}

impl Explain for StageError {
    fn kind(&self) -> Kind {
        Kind::Setup
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "merge_conflict",
            Self::Yaml(_) | Self::Shape { .. } => "invalid_dvc_yaml",
            Self::BeyondUs(_) => "stage_not_understood",
            Self::Params(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Conflict { .. } => vec![format!("resolve it, then `git add {FILE}`")],
            Self::Yaml(_) | Self::Shape { .. } => vec!["`dvc stage list` says what DVC makes of it".into()],
            Self::BeyondUs(_) => {
                vec![format!("`capture-hook init` in a scratch repository shows the stage `{STAGE}` as it is meant")]
            }
            Self::Params(error) => error.hints(),
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
pub struct Out {
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
    pub outs: Vec<Out>,
    /// Whether DVC is told to leave it alone.
    pub frozen: bool,
}

/// The stage with every `${…}` resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The stage, resolved.
    pub stage: Stage,
    /// The dataset, relative to the project's root: safe to join to it.
    pub out_dir: String,
    /// The selected run's directory, relative to the project's root, `None` where none is selected. Not checked.
    pub run_dir: Option<String>,
    /// The params file's values.
    pub values: Value,
}

impl Stage {
    /// Reads the stage. `None`: the pipeline has none of this name.
    pub fn parse(dvc_yaml: &[u8]) -> Result<Option<Self>, StageError> {
        if let Some(line) = yaml::conflict_marker(dvc_yaml) {
            return Err(StageError::Conflict { line });
        }
        let Some(root) = yaml::document(dvc_yaml).map_err(StageError::Yaml)? else { return Ok(None) };
        if root.is_null() {
            return Ok(None);
        }
        let shape = |node: &Node, message: &str| StageError::Shape { line: node.line, message: message.to_owned() };
        if root.entries().is_none() {
            return Err(shape(&root, "not a mapping"));
        }
        if let Some((key, line)) = root.duplicate_key() {
            return Err(StageError::Shape { line, message: format!("`{key}` is written twice") });
        }
        let Some(stage) = root.get("stages").and_then(|stages| stages.get(STAGE)) else { return Ok(None) };
        if stage.entries().is_none() {
            return Err(shape(stage, "the stage is not a mapping"));
        }
        for key in ["foreach", "matrix", "do", "wdir", "vars"] {
            if stage.get(key).is_some() {
                return Err(StageError::BeyondUs(format!("the stage `{STAGE}` uses `{key}`")));
            }
        }
        let cmd = match stage.get("cmd") {
            Some(node) => texts(node).ok_or_else(|| shape(node, "`cmd` is neither text nor a list of texts"))?,
            None => return Err(shape(stage, "the stage has no `cmd`")),
        };
        let cmd_is_list = stage.get("cmd").is_some_and(|node| node.items().is_some());
        let deps = match stage.get("deps") {
            Some(node) => texts(node).ok_or_else(|| shape(node, "`deps` is not a list of paths"))?,
            None => Vec::new(),
        };
        let mut outs = Vec::new();
        for (key, kind) in [("outs", OutKind::Data), ("metrics", OutKind::Metrics), ("plots", OutKind::Plots)] {
            for node in stage.get(key).map(|n| n.items().unwrap_or_default()).unwrap_or_default() {
                outs.push(out(node, kind).ok_or_else(|| shape(node, "an output is not understood"))?);
            }
        }
        let mut params: Vec<ParamsDep> = Vec::new();
        for node in stage.get("params").map(|n| n.items().unwrap_or_default()).unwrap_or_default() {
            for dep in params_deps(node).ok_or_else(|| shape(node, "a parameter is not understood"))? {
                match params.iter_mut().find(|have| have.file == dep.file) {
                    Some(have) => have.keys.extend(dep.keys),
                    None => params.push(dep),
                }
            }
        }
        let frozen = matches!(stage.get("frozen").and_then(Node::to_value), Some(Value::Bool(true)));
        Ok(Some(Self { cmd, cmd_is_list, deps, params, outs, frozen }))
    }

    /// The params file that names the selected run.
    #[must_use]
    pub fn params_file(&self) -> &str {
        let named = self.params.iter().find(|dep| dep.keys.iter().any(|key| key == RUN_DIR));
        named.map_or(PARAMS_FILE, |dep| &dep.file)
    }

    /// The command as one text, the lines joined.
    #[must_use]
    pub fn command(&self) -> String {
        self.cmd.join("\n")
    }

    /// Resolves `${…}` from the bytes of [`Stage::params_file`] (`None`: there is no such file).
    pub fn resolve(&self, params_file: Option<&[u8]>) -> Result<Resolved, StageError> {
        let values = match params_file {
            Some(bytes) => params::load(self.params_file(), bytes)?,
            None => Value::Map(Vec::new()),
        };
        let fill = |text: &String| interpolate(text, &values);
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
                .map(|out| Ok(Out { path: fill(&out.path)?, ..out.clone() }))
                .collect::<Result<_, StageError>>()?,
            frozen: self.frozen,
        };
        let text = |key: &str| values.at(key).filter(|v| **v != Value::Null);
        let out_dir = match text(OUT_DIR) {
            Some(Value::Str(dir)) => dir.trim_end_matches('/').to_owned(),
            Some(other) => return Err(StageError::BeyondUs(format!("{OUT_DIR} is {other}, not a path"))),
            None => DEFAULT_OUT_DIR.to_owned(),
        };
        if !safe_path(&out_dir) {
            return Err(StageError::BeyondUs(format!("{OUT_DIR} `{out_dir}` is not a path inside the project")));
        }
        if !stage.outs.iter().any(|out| out.path.trim_end_matches('/') == out_dir) {
            return Err(StageError::BeyondUs(format!("the stage `{STAGE}` has no output `{out_dir}`")));
        }
        let run_dir = match text(RUN_DIR) {
            Some(Value::Str(dir)) => is_selection(dir).then(|| dir.clone()),
            Some(other) => return Err(StageError::BeyondUs(format!("{RUN_DIR} is {other}, not a path"))),
            None => None,
        };
        Ok(Resolved { stage, out_dir, run_dir, values })
    }
}

/// Whether a value of [`RUN_DIR`] selects a run: not empty, and not a placeholder such as `results/<experiment>/<run_id>`.
#[must_use]
pub fn is_selection(run_dir: &str) -> bool {
    let placeholder = run_dir.find('<').is_some_and(|at| run_dir[at..].contains('>'));
    !run_dir.trim().is_empty() && !placeholder
}

fn texts(node: &Node) -> Option<Vec<String>> {
    match node.items() {
        Some(items) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
        None if node.is_null() => Some(Vec::new()),
        None => Some(vec![node.text()?.to_owned()]),
    }
}

fn out(node: &Node, kind: OutKind) -> Option<Out> {
    if let Some(path) = node.text() {
        return Some(Out { path: path.to_owned(), kind, cache: true, persist: false, remote: None });
    }
    let [(path, flags)] = node.entries()? else { return None };
    let flag = |key: &str| match flags.get(key).and_then(Node::to_value) {
        Some(Value::Bool(value)) => Some(value),
        _ => None,
    };
    Some(Out {
        path: path.text()?.to_owned(),
        kind,
        cache: flag("cache").unwrap_or(true),
        persist: flag("persist").unwrap_or(false),
        remote: flags.get("remote").and_then(Node::text).map(str::to_lowercase),
    })
}

fn params_deps(node: &Node) -> Option<Vec<ParamsDep>> {
    if let Some(key) = node.text() {
        return Some(vec![ParamsDep { file: PARAMS_FILE.to_owned(), keys: vec![key.to_owned()] }]);
    }
    let dep = |(file, keys): &(Node, Node)| Some(ParamsDep { file: file.text()?.to_owned(), keys: texts(keys)? });
    node.entries()?.iter().map(dep).collect()
}

/// `${a.b}` replaced by the value at `a.b`; `\${` stands for itself.
fn interpolate(text: &str, values: &Value) -> Result<String, StageError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        let inner = &after[2..];
        if let Some(before) = before.strip_suffix('\\') {
            out.push_str(before);
            out.push_str("${");
            rest = inner;
            continue;
        }
        let Some(end) = inner.find('}') else { break };
        let key = inner[..end].trim();
        let name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
        if !key.split('.').all(name) {
            return Err(StageError::BeyondUs(format!("`${{{key}}}` is not understood")));
        }
        out.push_str(before);
        match values.at(key) {
            Some(Value::Str(value)) => out.push_str(value),
            Some(Value::Int(value)) => out.push_str(&value.to_string()),
            Some(Value::Bool(value)) => out.push_str(if *value { "true" } else { "false" }),
            Some(value) => return Err(StageError::BeyondUs(format!("`${{{key}}}` is {value}"))),
            None => return Err(StageError::BeyondUs(format!("nothing defines `${{{key}}}`"))),
        }
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const REFERENCE: &str = "stages:\n  capture_ingest:\n    cmd: capture-hook ingest\n    params:\n    - ingest_capture.run_dir\n    - ingest_capture.out_dir\n    outs:\n    - ${ingest_capture.out_dir}:\n        persist: true\n";
    const PARAMS: &str = "ingest_capture:\n  run_dir: results/demo/r1\n  out_dir: data/captures\n";

    #[test]
    fn the_reference_stage_is_resolved() {
        let stage = Stage::parse(REFERENCE.as_bytes()).unwrap().unwrap();
        assert_eq!((stage.command().as_str(), stage.params_file()), ("capture-hook ingest", "params.yaml"));
        let resolved = stage.resolve(Some(PARAMS.as_bytes())).unwrap();
        assert_eq!(resolved.run_dir.as_deref(), Some("results/demo/r1"));
        assert_eq!(
            resolved.stage.outs,
            [Out { path: "data/captures".into(), kind: OutKind::Data, cache: true, persist: true, remote: None }]
        );
    }

    #[test]
    fn a_placeholder_selects_nothing() {
        let stage = Stage::parse(REFERENCE.as_bytes()).unwrap().unwrap();
        for value in ["results/<experiment>/<run_id>", "''", "~", ""] {
            let params = PARAMS.replace("results/demo/r1", value);
            assert_eq!(stage.resolve(Some(params.as_bytes())).unwrap().run_dir, None, "{value}");
        }
    }

    #[test]
    fn a_dataset_outside_the_project_is_refused() {
        let stage = Stage::parse(REFERENCE.as_bytes()).unwrap().unwrap();
        for value in ["../x", "/tmp/x", "a/../../x", "."] {
            let params = PARAMS.replace("data/captures", value);
            assert!(stage.resolve(Some(params.as_bytes())).is_err(), "{value}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let with = |from: &str, to: &str| Stage::parse(REFERENCE.replace(from, to).as_bytes());
        assert!(matches!(with("    cmd:", "    wdir: x\n    cmd:"), Err(StageError::BeyondUs(_))));
        assert!(matches!(with("    cmd:", "<<<<<<< ours\n    cmd:"), Err(StageError::Conflict { line: 3 })));
        assert_eq!(with("capture_ingest", "other").unwrap(), None);
        assert_eq!(Stage::parse(b"").unwrap(), None);
        let stage = with("out_dir}:", "nothing}:").unwrap().unwrap();
        assert!(stage.resolve(Some(PARAMS.as_bytes())).is_err());
    }

    #[test]
    fn an_escaped_brace_stands_for_itself() {
        let values = Value::Map(vec![("a".into(), Value::Int(1))]);
        assert_eq!(interpolate("x\\${a}${ a }$", &values).unwrap(), "x${a}1$");
    }

    #[test]
    fn another_params_file_is_named() {
        let text = REFERENCE.replace(
            "    - ingest_capture.run_dir\n    - ingest_capture.out_dir\n",
            "    - conf/p.toml:\n      - ingest_capture.run_dir\n      - ingest_capture.out_dir\n",
        );
        let stage = Stage::parse(text.as_bytes()).unwrap().unwrap();
        assert_eq!(stage.params_file(), "conf/p.toml");
        let toml = "[ingest_capture]\nrun_dir = 'results/demo/r1'\nout_dir = 'data/captures'\n";
        assert_eq!(stage.resolve(Some(toml.as_bytes())).unwrap().run_dir.as_deref(), Some("results/demo/r1"));
    }
}

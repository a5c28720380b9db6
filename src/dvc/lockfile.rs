//! `dvc.lock`, schema 2.0: what DVC recorded when it ran each stage.
//!
//! Source of the format: `dvc/schema.py`, `dvc/stage/serialize.py`. Takes bytes, because hooks read commits and the
//! index. What it does not support, or what DVC's reader could read differently, is an error with its line; then DVC
//! does the work.

use std::ops::Range;

use crate::dvc::hash::{DataVersion, DvcHash};
use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::formats::conflict_markers::find_conflict_marker;
use crate::formats::yaml::{YamlError, YamlNode};
use crate::formats::{ParamsValue, yaml};
use crate::support::limits;

/// The lock file, at the project's root.
pub const FILE: &str = "dvc.lock";

/// A `dvc.lock` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockfileError {
    /// Git left conflict markers.
    #[error("{FILE}:{line}: unresolved merge conflict")]
    Conflict {
        /// Line from 1.
        line: usize,
    },
    /// Not YAML.
    #[error("{FILE}:{}: {}", .0.line, .0.message)]
    Yaml(YamlError),
    /// YAML, but not what is understood.
    #[error("{FILE}:{line}: {message}")]
    Unsupported {
        /// Line from 1.
        line: usize,
        /// What is not understood.
        message: String,
    },
}

impl Explain for LockfileError {
    fn explain(&self) -> Explanation {
        let restore = || format!("restore the committed one: `git checkout HEAD -- {FILE}`");
        match self {
            Self::Conflict { .. } => Setup
                .code("merge_conflict")
                .hint("if both sides changed a run: `capture-hook resolve RUN --ours` (or `--theirs`, `--both`)")
                .hint(format!("otherwise edit it, then `git add {FILE}`")),
            Self::Yaml(_) => Setup.code("invalid_dvc_lock").hint(restore()),
            Self::Unsupported { .. } => Setup.code("dvc_lock_not_understood").hint(restore()),
        }
    }
}

/// A file or directory that a stage read or wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct LockfileItem {
    /// Its path, as written.
    pub path: String,
    /// The name of its object: 32 hex digits, with `.dir` for a directory. `None` if DVC recorded none.
    pub md5: Option<String>,
    /// Its bytes, a directory's summed.
    pub size: Option<u64>,
    /// How many files a directory holds.
    pub nfiles: Option<u64>,
    /// The hash's name: `md5`. `None`: an object of DVC 2, in the old layout.
    pub hash_name: Option<String>,
    /// Every key as written, for comparing and for keys not named above.
    pub value: ParamsValue,
}

impl LockfileItem {
    /// The data version, if this is a directory in the layout of DVC 3.
    #[must_use]
    pub fn data_version(&self) -> Option<DataVersion> {
        self.hash_name.as_deref().filter(|hash| *hash == "md5")?;
        self.md5.as_deref()?.parse().ok()
    }

    /// The object's name, if this is a file in the layout of DVC 3.
    #[must_use]
    pub fn file_hash(&self) -> Option<DvcHash> {
        self.hash_name.as_deref().filter(|hash| *hash == "md5")?;
        self.md5.as_deref()?.parse().ok()
    }
}

/// What DVC recorded of one stage.
#[derive(Debug, Clone, PartialEq)]
pub struct LockfileStage {
    /// The stage's name.
    pub name: String,
    /// The command.
    pub cmd: ParamsValue,
    /// What it read.
    pub deps: Vec<LockfileItem>,
    /// The parameters that held, by file.
    pub params: Vec<(String, ParamsValue)>,
    /// What it wrote.
    pub outs: Vec<LockfileItem>,
    /// The stage's bytes in the file: its whole lines.
    pub span: Range<usize>,
}

impl LockfileStage {
    /// The output at a path.
    #[must_use]
    pub fn out(&self, path: &str) -> Option<&LockfileItem> {
        self.outs.iter().find(|item| item.path.trim_end_matches('/') == path.trim_end_matches('/'))
    }

    /// Everything DVC recorded, as one value: equal if two stages are equivalent.
    #[must_use]
    pub fn to_value(&self) -> ParamsValue {
        let items = |items: &[LockfileItem]| ParamsValue::List(items.iter().map(|item| item.value.clone()).collect());
        let mut entries = vec![("cmd".to_owned(), self.cmd.clone())];
        if !self.deps.is_empty() {
            entries.push(("deps".into(), items(&self.deps)));
        }
        if !self.params.is_empty() {
            entries.push(("params".into(), ParamsValue::Map(self.params.clone())));
        }
        if !self.outs.is_empty() {
            entries.push(("outs".into(), items(&self.outs)));
        }
        ParamsValue::Map(entries)
    }

    /// The recorded value of a parameter. Its dotted name is one key in `dvc.lock`.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&ParamsValue> {
        self.params.iter().find_map(|(_, values)| values.get(name))
    }
}

/// A `dvc.lock`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lockfile {
    /// The stages, in the file's order.
    pub stages: Vec<LockfileStage>,
    /// Top-level keys beside `schema` and `stages`, with their values.
    pub other: Vec<(String, ParamsValue)>,
}

impl Lockfile {
    /// Reads a `dvc.lock`. An empty one has no stages.
    pub fn parse(bytes: &[u8]) -> Result<Self, LockfileError> {
        if let Some(line) = find_conflict_marker(bytes) {
            return Err(LockfileError::Conflict { line });
        }
        let root = yaml::parse_document_within(bytes, limits::LOCKFILE, limits::LOCKFILE_VALUES)
            .map_err(LockfileError::Yaml)?;
        let Some(root) = root.filter(|root| !root.is_null()) else { return Ok(Self::default()) };
        let unsupported = |node: &YamlNode, message: &str| LockfileError::Unsupported {
            line: node.line,
            message: message.to_owned(),
        };
        let Some(entries) = root.entries() else { return Err(unsupported(&root, "not a mapping")) };
        if let Some((key, line)) = root.duplicate_key() {
            return Err(LockfileError::Unsupported { line, message: format!("`{key}` is written twice") });
        }
        refuse_unclear(&root)?;
        match root.get("schema").map(|schema| (schema, schema.to_value())) {
            Some((_, Some(ParamsValue::Str(schema)))) if schema == "2.0" => {}
            Some((schema, _)) => {
                let found_schema = schema.text().unwrap_or_default();
                return Err(unsupported(schema, &format!("the schema is `{found_schema}`, not the string '2.0'")));
            }
            None => return Err(unsupported(&root, "the schema is missing; it must be '2.0'")),
        }
        let named =
            |key: &YamlNode| key.text().map(str::to_owned).filter(|k| !matches!(k.as_str(), "schema" | "stages"));
        let other = entries.iter().filter_map(|(key, value)| Some((named(key)?, value.to_partial_value()))).collect();
        let mut lockfile = Self { stages: Vec::new(), other };
        let Some(stages) = root.get("stages").filter(|node| !node.is_null()) else { return Ok(lockfile) };
        refuse_unclear(stages)?;
        let Some(stages) = stages.entries() else { return Err(unsupported(stages, "`stages` is not a mapping")) };
        for (key, node) in stages {
            lockfile.stages.push(parse_stage(key, node, bytes)?);
        }
        Ok(lockfile)
    }

    /// A stage by name.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<&LockfileStage> {
        self.stages.iter().find(|stage| stage.name == name)
    }
}

fn parse_stage(key: &YamlNode, node: &YamlNode, bytes: &[u8]) -> Result<LockfileStage, LockfileError> {
    let unsupported = |node: &YamlNode, message: String| LockfileError::Unsupported { line: node.line, message };
    let name = key.text().ok_or_else(|| unsupported(key, "the name of a stage is not text".into()))?.to_owned();
    if node.entries().is_none() {
        return Err(unsupported(node, format!("stage `{name}` is not a mapping")));
    }
    refuse_unclear(node)?;
    let cmd = node.get("cmd").ok_or_else(|| unsupported(node, format!("stage `{name}` has no cmd")))?;
    let items = |key: &str| -> Result<Vec<LockfileItem>, LockfileError> {
        let Some(list) = node.get(key).filter(|list| !list.is_null()) else { return Ok(Vec::new()) };
        let list = list.items().ok_or_else(|| unsupported(list, format!("`{key}` of stage `{name}` is not a list")))?;
        list.iter().map(parse_item).collect()
    };
    let mut params = Vec::new();
    if let Some(files) = node.get("params").filter(|files| !files.is_null()) {
        refuse_unclear(files)?;
        let files =
            files.entries().ok_or_else(|| unsupported(files, format!("`params` of `{name}` is not a mapping")))?;
        for (file, values) in files {
            let file = file.text().ok_or_else(|| unsupported(file, "the name of a params file is not text".into()))?;
            params.push((file.to_owned(), values.to_partial_value()));
        }
    }
    let start =
        bytes.get(..key.span.start).unwrap_or_default().iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let after = bytes.get(node.span.end..).unwrap_or_default();
    let end = node.span.end + after.iter().position(|b| *b == b'\n').map_or(after.len(), |at| at + 1);
    let (deps, outs) = (items("deps")?, items("outs")?);
    Ok(LockfileStage { name, cmd: cmd.to_partial_value(), deps, params, outs, span: start..end })
}

/// An error if a mapping's own keys do not stand there in so many words.
fn refuse_unclear(node: &YamlNode) -> Result<(), LockfileError> {
    match node.first_unclear(0) {
        Some((line, message)) => Err(LockfileError::Unsupported { line, message: message.to_owned() }),
        None => Ok(()),
    }
}

fn parse_item(node: &YamlNode) -> Result<LockfileItem, LockfileError> {
    refuse_unclear(node)?;
    let unsupported = |message: &str| LockfileError::Unsupported { line: node.line, message: message.to_owned() };
    let value = node.to_partial_value();
    // A number or a date without quotes is no text to DVC, which fails on it.
    let text = |key: &str| match node.get(key).map(YamlNode::to_value) {
        None | Some(Some(ParamsValue::Null)) => Ok(None),
        Some(Some(ParamsValue::Str(text))) => Ok(Some(text)),
        Some(_) => Err(unsupported(&format!("`{key}` is not text"))),
    };
    let number = |key: &str| match value.get(key) {
        None | Some(ParamsValue::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or_else(|| unsupported(&format!("`{key}` is not a number"))),
    };
    Ok(LockfileItem {
        path: text("path")?.ok_or_else(|| unsupported("an entry has no path"))?,
        md5: text("md5")?,
        size: number("size")?,
        nfiles: number("nfiles")?,
        hash_name: text("hash")?,
        value,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LOCKFILE: &str = "schema: '2.0'\nstages:\n  other:\n    cmd: echo\n  train:\n    cmd: python train.py\n    params:\n      params.yaml:\n        model.out_dir: data/captures\n        model.lr: '0.1'\n    outs:\n    - path: data/captures\n      hash: md5\n      md5: d41d8cd98f00b204e9800998ecf8427e.dir\n      size: 12\n      nfiles: 7\n";

    #[test]
    fn outputs_and_parameters_are_read() {
        let lockfile = Lockfile::parse(LOCKFILE.as_bytes()).unwrap();
        let stage = lockfile.stage("train").unwrap();
        let out = stage.out("data/captures/").unwrap();
        assert_eq!(out.data_version().unwrap().to_string(), "d41d8cd98f00b204e9800998ecf8427e.dir");
        assert_eq!((out.size, out.nfiles), (Some(12), Some(7)));
        assert_eq!(stage.param("model.lr").and_then(ParamsValue::as_str), Some("0.1"));
        assert!(LOCKFILE[lockfile.stages[0].span.clone()].ends_with("cmd: echo\n"));
        assert!(LOCKFILE[lockfile.stages[1].span.clone()].starts_with("  train:\n"));
        assert!(LOCKFILE[lockfile.stages[1].span.clone()].ends_with("nfiles: 7\n"));
    }

    #[test]
    fn objects_of_dvc_2_have_no_data_version() {
        let lockfile = Lockfile::parse(LOCKFILE.replace("      hash: md5\n", "").as_bytes()).unwrap();
        assert_eq!(lockfile.stage("train").unwrap().out("data/captures").unwrap().data_version(), None);
    }

    #[test]
    fn unsupported_lockfiles_are_refused_with_their_line() {
        let error = |text: &str| Lockfile::parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error("<<<<<<< HEAD\n"), "dvc.lock:1: unresolved merge conflict");
        assert!(error("schema: '3.0'\n").contains("3.0"));
        assert!(error("stages: {}\n").contains("the schema is missing"));
        assert!(error("schema: '2.0'\nstages:\n  a:\n    cmd: x\n  a:\n    cmd: y\n").starts_with("dvc.lock:5:"));
        assert!(error("schema: '2.0'\nstages:\n  a:\n    outs: []\n").contains("no cmd"));
        assert_eq!(Lockfile::parse(b"").unwrap(), Lockfile::default());
    }
}

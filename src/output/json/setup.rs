//! The JSON of commands about the repository and its settings.

use std::path::{Path, PathBuf};

use std::borrow::Cow;

use serde::Serialize;

/// `config list`, `config get`, `config set`
#[derive(Debug, Serialize)]
pub struct SettingsJson {
    /// The settings.
    pub settings: Vec<SettingJson>,
}

/// A setting.
#[derive(Debug, Serialize)]
pub struct SettingJson {
    /// Its key, dotted.
    pub key: String,
    /// The value in use.
    pub value: SettingValueJson,
    /// `capture-hook.toml` or `default`.
    pub source: &'static str,
    /// The default.
    pub default: SettingValueJson,
    /// What it is for, one sentence.
    pub about: &'static str,
}

/// A setting's value.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SettingValueJson {
    /// Words, or one of several names.
    Text(String),
    /// On or off.
    Flag(bool),
    /// A number of bytes.
    Bytes(u64),
    /// A number of things.
    Count(u64),
    /// A list of texts.
    List(Vec<String>),
}

/// `init`
#[derive(Debug, Serialize)]
pub struct InitJson<'a> {
    /// The DVC project's directory.
    pub root: String,
    /// Whether anything changed.
    pub changed: bool,
    /// Each step, in order.
    pub steps: Vec<InitStepJson<'a>>,
}

/// A step of `init`.
#[derive(Debug, Serialize)]
pub struct InitStepJson<'a> {
    /// The file, or the directory.
    pub what: &'a str,
    /// Whether it was written.
    pub changed: bool,
    /// One line for people.
    pub note: &'a str,
}

/// `install`
#[derive(Debug, Serialize)]
pub struct InstallJson<'a> {
    /// Where the hooks are.
    pub dir: &'a Path,
    /// Those that were written.
    pub written: &'a [&'static str],
    /// Those of others that were kept, and run before ours.
    pub chained: &'a [&'static str],
    /// Whether the merge drivers were named.
    pub merge_drivers: bool,
    /// The `dvc` to call, if it was named now.
    pub trusted_dvc: Option<PathBuf>,
}

/// `uninstall`
#[derive(Debug, Serialize)]
pub struct UninstallJson<'a> {
    /// The hooks that were removed.
    pub removed: &'a [&'static str],
    /// Those that are as they were before ours.
    pub restored: &'a [&'static str],
    /// Whether the merge drivers were removed.
    pub merge_drivers: bool,
}

/// `doctor`
#[derive(Debug, Serialize)]
pub struct DoctorJson<'a> {
    /// Whether nothing is missing.
    pub ok: bool,
    /// Each thing that was looked at.
    pub checks: &'a [DoctorCheckJson],
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct DoctorCheckJson {
    /// What it is.
    pub name: &'static str,
    /// How it is.
    pub state: CheckState,
    /// What was found, in words; borrowed if no path, name or value is in it.
    pub found: Cow<'static, str>,
    /// What to do about it; borrowed likewise.
    #[serde(rename = "mend")]
    pub fix: Option<Cow<'static, str>>,
    /// The code of the error that was found.
    #[serde(skip)]
    pub code: Option<&'static str>,
}

/// How a check of `doctor` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// As it should be.
    Ok,
    /// Works, but worth a look.
    Note,
    /// Does not work.
    Missing,
}

/// `demo`
#[derive(Debug, Serialize)]
pub struct DemoJson {
    /// Whether every command succeeded.
    pub ok: bool,
    /// The scratch directory.
    pub directory: String,
    /// Each command.
    pub steps: Vec<DemoStepJson>,
}

/// One command of the demo.
#[derive(Debug, Serialize)]
pub struct DemoStepJson {
    /// The heading that it stands under.
    pub title: String,
    /// As typed.
    pub command: String,
    /// What it printed.
    pub output: String,
}

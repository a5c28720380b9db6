//! Settings: `capture-hook.toml` in the project's root, tracked by git, and what overrides it.
//!
//! Order: flag, environment, file, default; every value knows its source. Unknown keys are refused, and no key names
//! a program: a cloned repository must not choose what we run.

pub mod creators;
pub mod dataset;
pub mod licenses;
pub mod values;

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::project::config::dataset::DatasetConfig;
use crate::run::include::{IncludePatterns, SETTING_FILE};
use crate::run::why_unsafe;
use crate::support::names::is_safe_path;
use crate::support::plain_text::too_much_to_read;
use crate::support::text::find_near;

/// The settings' file name, at the root of the DVC project.
pub const FILE: &str = SETTING_FILE;

const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// How `serde` begins the message about a key that no setting has.
const UNKNOWN_KEY: &str = "unknown field `";

/// Who versions the dataset at commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// `dvc repro -s capture_ingest`.
    #[default]
    Dvc,
    /// capture-hook itself, in DVC's formats: the cost does not grow with the dataset.
    Native,
}

/// What `pre-push` does about data that is not on the DVC remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushPolicy {
    /// Upload it, or stop the push.
    #[default]
    Strict,
    /// Upload it, or warn.
    Warn,
    /// Leave it.
    Off,
}

/// All settings, as they hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The oldest version of the program that the project can be used with.
    #[serde(deserialize_with = "values::read_version")]
    pub minimum_version: Option<String>,
    /// Who versions the dataset at commit.
    pub engine: Engine,
    /// Where recorders write runs, relative to the project's root.
    pub results_dir: String,
    /// `[ingest]`
    pub ingest: IngestConfig,
    /// `[pull]`
    pub pull: PullConfig,
    /// `[push]`
    pub push: PushConfig,
    /// `[tag]`
    pub tag: TagConfig,
    /// `[gc]`
    pub gc: GcConfig,
    /// `[validate]`
    pub validate: ValidateConfig,
    /// `[experiments.NAME]`
    pub experiments: BTreeMap<String, ExperimentConfig>,
    /// `[dataset]`
    pub dataset: DatasetConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            minimum_version: None,
            engine: Engine::default(),
            results_dir: "results".into(),
            ingest: IngestConfig::default(),
            pull: PullConfig::default(),
            push: PushConfig::default(),
            tag: TagConfig::default(),
            gc: GcConfig::default(),
            validate: ValidateConfig::default(),
            experiments: BTreeMap::new(),
            dataset: DatasetConfig::default(),
        }
    }
}

/// `[ingest]`: what of a run is put into the dataset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {
    /// Files beside the recorder's, by patterns relative to the run's directory.
    pub include: IncludePatterns,
}

/// `[pull]`: what checkout and merge fetch unasked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PullConfig {
    /// Follow the checked-out data version at all.
    pub auto: bool,
    /// The most bytes to fetch unasked.
    pub max_bytes: u64,
}

impl Default for PullConfig {
    fn default() -> Self {
        // 1 GiB.
        Self { auto: true, max_bytes: 1 << 30 }
    }
}

/// `[push]`: what `pre-push` does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PushConfig {
    /// Stop, warn or do nothing.
    pub policy: PushPolicy,
}

/// `[tag]`: how runs are tagged.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TagConfig {
    /// The most runs of a commit that get a tag each; one tag stands for more.
    pub max_runs: u64,
}

impl Default for TagConfig {
    fn default() -> Self {
        Self { max_runs: 100 }
    }
}

/// `[gc]`: what `gc` keeps.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GcConfig {
    /// For how many days objects and entries of reflogs are kept.
    pub keep: u64,
}

impl Default for GcConfig {
    fn default() -> Self {
        // As long as git keeps entries of reflogs (`gc.reflogExpire`).
        Self { keep: 90 }
    }
}

/// `[validate]`: which findings count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidateConfig {
    /// Codes that are dropped (structure and safety codes cannot be).
    pub ignore: Vec<String>,
    /// Warning codes that count as errors.
    pub deny: Vec<String>,
}

/// `[experiments.NAME]`: what holds for the runs of one experiment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExperimentConfig {
    /// The file of the schema that each run must satisfy; none without, and if it is empty.
    #[serde(deserialize_with = "read_schema_path")]
    pub schema: Option<String>,
}

/// Reads a path that stays in the project.
fn read_schema_path<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let path = String::deserialize(from)?;
    if !path.is_empty() && !is_safe_path(&path) {
        return Err(D::Error::custom(format!("the schema `{}` is outside the project", path.escape_debug())));
    }
    Ok(Some(path).filter(|path| !path.is_empty()))
}

/// A settings file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{FILE}{}: {message}", line.map(|l| format!(":{l}")).unwrap_or_default())]
pub struct ConfigError {
    /// Line from 1, if known.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What is to be done about it.
    pub remedy: ConfigRemedy,
}

/// What is to be done about a settings file that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigRemedy {
    /// The file is wrong.
    Correct,
    /// A key is wrong, or this program does not know it yet.
    CorrectOrUpdate,
    /// The project asks for a newer program.
    Update,
}

impl Explain for ConfigError {
    fn explain(&self) -> Explanation {
        const LIST: &str = "see every setting with its default: `capture-hook config list`";
        match self.remedy {
            ConfigRemedy::Correct => Setup.code("invalid_config").hint(LIST),
            ConfigRemedy::CorrectOrUpdate => Setup
                .code("invalid_config")
                .hint(LIST)
                .hint(format!("if a newer capture-hook wrote it, install that version; this is {OWN_VERSION}")),
            ConfigRemedy::Update => Setup.code("program_too_old").hint("install a newer capture-hook"),
        }
    }
}

impl Config {
    /// Reads settings from the text of a `capture-hook.toml`.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let refuse = |message, remedy| Err(ConfigError { line: None, message, remedy });
        if let Some(message) = too_much_to_read(text.as_bytes()) {
            return refuse(message, ConfigRemedy::Correct);
        }
        // Before all else: what a newer version has added is an error to this one.
        if let Some(needed) = newer_version_needed(text) {
            let message = format!("this project needs capture-hook {needed} or newer, and this is {OWN_VERSION}");
            return refuse(message, ConfigRemedy::Update);
        }
        let line_of = |span: Option<std::ops::Range<usize>>| {
            span.map(|s| text[..s.start.min(text.len())].bytes().filter(|b| *b == b'\n').count() + 1)
        };
        let config: Self = toml_edit::de::from_str(text).map_err(|error: toml_edit::de::Error| {
            let message = error.message().trim();
            let is_unknown = message.starts_with(UNKNOWN_KEY);
            let remedy = if is_unknown { ConfigRemedy::CorrectOrUpdate } else { ConfigRemedy::Correct };
            ConfigError { line: line_of(error.span()), message: with_suggestion(message), remedy }
        })?;
        // A run of such an experiment cannot exist, so that the setting would never do anything.
        let unsafe_name = config.experiments.keys().find_map(|name| Some((name, why_unsafe(name)?)));
        match unsafe_name {
            Some((name, why)) => {
                let message = format!("the experiment `{}` in [experiments] {why}", name.escape_debug());
                refuse(message, ConfigRemedy::Correct)
            }
            None => Ok(config),
        }
    }
}

/// The version of the program that the settings ask for, if it is newer than this one.
fn newer_version_needed(text: &str) -> Option<semver::Version> {
    let document: toml_edit::DocumentMut = text.parse().ok()?;
    // A value that is no version is an error of its own.
    let needed = semver::Version::parse(document.get("minimum_version")?.as_str()?.trim()).ok()?;
    let own = semver::Version::parse(OWN_VERSION).ok()?;
    (needed > own).then_some(needed)
}

/// Adds the key that was probably meant to the message about an unknown one.
fn with_suggestion(message: &str) -> String {
    // How `serde` words it: "unknown field `x`, expected one of `a`, `b`".
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next().filter(|_| message.starts_with(UNKNOWN_KEY));
    let near = unknown.and_then(|unknown| find_near(unknown, names.map(|name| (name, name))).first().copied());
    match near {
        Some(near) => format!("{message}; did you mean `{near}`?"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_defaults() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = Config::parse("engine = \"dvc\"\n[push]\ncommand = \"rm\"\n").unwrap_err();
        assert_eq!(error.line, Some(3), "{error}");
        assert!(error.message.contains("command"), "{error}");
    }

    #[test]
    fn a_project_that_needs_a_newer_program_says_so_and_nothing_else() {
        let error = Config::parse("new_key = 1\nminimum_version = \"99.1.0\"\n").unwrap_err();
        let needs = format!("this project needs capture-hook 99.1.0 or newer, and this is {OWN_VERSION}");
        assert_eq!((error.message.clone(), error.remedy), (needs, ConfigRemedy::Update));
        for older in [OWN_VERSION, "0.0.1", "0.1.0-rc.1"] {
            let config = Config::parse(&format!("minimum_version = \"{older}\"\n")).unwrap();
            assert_eq!(config.minimum_version.as_deref(), Some(older));
        }
        let error = Config::parse("minimum_version = \"1\"\n").unwrap_err();
        assert!(error.message.contains("did you mean `1.0.0`?"), "{error}");
        assert_eq!(Config::parse("new_key = 1\n").unwrap_err().remedy, ConfigRemedy::CorrectOrUpdate);
        assert_eq!(Config::parse("engine = 1\n").unwrap_err().remedy, ConfigRemedy::Correct);
    }

    #[test]
    fn a_pattern_that_leads_out_of_the_run_is_refused_with_its_line() {
        let error = Config::parse("[ingest]\ninclude = [\"*.mp4\", \"../x\"]\n").unwrap_err();
        assert_eq!(error.line, Some(2), "{error}");
        assert!(error.message.contains("`../x`"), "{error}");
    }

    #[test]
    fn an_experiment_pins_a_schema_in_the_project() {
        let config =
            Config::parse("[experiments.cartpole]\nschema = \"schemas/c.json\"\n[experiments.x]\nschema = \"\"\n");
        let experiments = config.unwrap().experiments;
        assert_eq!(experiments["cartpole"].schema.as_deref(), Some("schemas/c.json"));
        assert_eq!(experiments["x"].schema, None);
        for (text, line, why) in [
            ("[experiments.cartpole]\nschma = \"x\"\n", Some(2), "did you mean `schema`?"),
            ("[experimets.cartpole]\nschema = \"x\"\n", Some(1), "did you mean `experiments`?"),
            ("[experiments.c]\nschema = \"../x\"\n", Some(2), "`../x` is outside the project"),
            ("[experiments.c]\nschema = \"/x\"\n", Some(2), "`/x` is outside the project"),
            ("[experiments.c]\nschema = 1\n", Some(2), "expected a string"),
            ("[experiments.\"a/b\"]\nschema = \"x\"\n", None, "the experiment `a/b` in [experiments] "),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert!(error.line == line && error.message.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_value_of_the_dataset_is_refused_with_its_line() {
        for (line, text, why) in [
            (2, "titel = 'x'", "did you mean `title`?"),
            (2, "title = 1", "expected a string"),
            (2, "title = \"a\\nb\"", "holds a line break or a control character"),
            (2, "license = 'MIT OR ISC'", "`MIT OR ISC` is not the SPDX identifier of one licence"),
            (3, "title = 'x'\nlicense_url = 'x'", "`x` is not an address"),
            (2, "url = 'https://a:b@c.example/'", "`https://…@c.example/` holds a user name or a password"),
            (2, "repository = 'git@example.org:x.git'", "is not an address that begins with https://"),
            (2, "version = '1.0'", "did you mean `1.0.0`?"),
            (2, "keywords = 'x'", "expected a sequence"),
            (2, "keywords = ['x', \"\\u001b\"]", "control character"),
            (2, "publisher = {name = 'x', uri = 'x'}", "did you mean `url`?"),
            (3, "[dataset.publisher]\nror = '03f0f6042'", "check digits are wrong"),
            (2, "simulator = {command = 'rm'}", "unknown field `command`"),
            (
                4,
                "creators = [\n  {name = 'x'},\n  {name = 'Ada', orcid = '0000-0002-1825-0098'},\n]",
                "check digit is wrong",
            ),
            (3, "[[dataset.creators]]\nnam = 'Ada'", "did you mean `name`?"),
            (2, "creators = [{email = 'a@b'}]", "has an entry without a name"),
            (2, "creators = [{name = 'x', email = 'a'}]", "`a` is not an e-mail address"),
            (2, "creators = 'Ada'", "expected a sequence"),
            (2, "command = 'rm'", "unknown field `command`"),
        ] {
            let error = Config::parse(&format!("[dataset]\n{text}\n")).unwrap_err();
            assert!(error.line == Some(line) && error.message.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn values_of_the_dataset_are_read() {
        let text = "[dataset]\ntitle = ' Runs '\nlicense = 'cc-by-4.0'\nurl = ''\nkeywords = ['a', '']\n\
                    publisher = {name = 'X', ror = '03f0f6041'}\ncreators = [{given = 'Ada', family = 'Example'}]\n";
        let dataset = Config::parse(text).unwrap().dataset;
        assert_eq!((dataset.title.as_deref(), dataset.license.as_deref()), (Some("Runs"), Some("CC-BY-4.0")));
        assert_eq!((dataset.url, dataset.keywords), (None, vec!["a".to_owned()]));
        assert_eq!(dataset.publisher.ror.as_deref(), Some("https://ror.org/03f0f6041"));
        assert_eq!(dataset.creators[0].name, "Ada Example");
    }

    #[test]
    fn values_are_read() {
        let config = Config::parse("engine = \"native\"\n[pull]\nmax_bytes = 5\n[push]\npolicy = \"warn\"\n").unwrap();
        assert_eq!((config.engine, config.pull.max_bytes, config.push.policy), (Engine::Native, 5, PushPolicy::Warn));
    }
}

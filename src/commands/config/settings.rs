//! Every setting: its key, what it holds, its value, and the one that a mistyped key resembles.

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use toml_edit::{DocumentMut, Item};

use crate::error::{Error, ExitKind};
use crate::output::json::{SettingJson, SettingValueJson};
use crate::project::config::{Config, FILE};
use crate::project::pins::pin_key;
use crate::run::include;
use crate::support::text::find_near;

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SettingType {
    Text,
    Flag,
    Bytes,
    List,
}

/// A setting that exists.
pub(super) struct SettingSpec {
    pub(super) key: &'static str,
    pub(super) kind: SettingType,
    pub(super) about: &'static str,
    pub(super) value: fn(&Config) -> SettingValueJson,
}

pub(super) const SETTINGS: &[SettingSpec] = &[
    SettingSpec {
        key: "engine",
        kind: SettingType::Text,
        about: "who versions the dataset: dvc, native",
        // The name of the variant in lower case is the spelling in the file.
        value: |c| SettingValueJson::Text(format!("{:?}", c.engine).to_lowercase()),
    },
    SettingSpec {
        key: "results_dir",
        kind: SettingType::Text,
        about: "where recorders write runs",
        value: |c| SettingValueJson::Text(c.results_dir.clone()),
    },
    SettingSpec {
        key: include::SETTING_KEY,
        kind: SettingType::List,
        about: "other files that go into the dataset",
        value: |c| SettingValueJson::List(c.ingest.include.patterns().to_vec()),
    },
    SettingSpec {
        key: "pull.auto",
        kind: SettingType::Flag,
        about: "checkout and merge fetch data",
        value: |c| SettingValueJson::Flag(c.pull.auto),
    },
    SettingSpec {
        key: "pull.max_bytes",
        kind: SettingType::Bytes,
        about: "the most bytes that hooks fetch",
        value: |c| SettingValueJson::Bytes(c.pull.max_bytes),
    },
    SettingSpec {
        key: "push.policy",
        kind: SettingType::Text,
        about: "unsent data: strict, warn, off",
        value: |c| SettingValueJson::Text(format!("{:?}", c.push.policy).to_lowercase()),
    },
    SettingSpec {
        key: "validate.ignore",
        kind: SettingType::List,
        about: "finding codes that do not count",
        value: |c| SettingValueJson::List(c.validate.ignore.clone()),
    },
    SettingSpec {
        key: "validate.deny",
        kind: SettingType::List,
        about: "warning codes that count as errors",
        value: |c| SettingValueJson::List(c.validate.deny.clone()),
    },
];

/// A setting by its key.
#[derive(Clone, Copy)]
pub(super) enum Setting<'a> {
    /// One that always exists.
    Known(&'static SettingSpec),
    /// `experiments.NAME.schema`, by the experiment's name.
    ExperimentSchema(&'a str),
}

impl Setting<'_> {
    pub(super) fn key(&self) -> String {
        match self {
            Self::Known(spec) => spec.key.to_owned(),
            Self::ExperimentSchema(experiment) => pin_key(experiment),
        }
    }

    /// The keys in the file, outermost first. An experiment's name can have dots in it.
    pub(super) fn path(&self) -> Vec<&str> {
        match self {
            Self::Known(spec) => spec.key.split('.').collect(),
            Self::ExperimentSchema(experiment) => vec!["experiments", experiment, "schema"],
        }
    }

    pub(super) fn kind(&self) -> SettingType {
        match self {
            Self::Known(spec) => spec.kind,
            Self::ExperimentSchema(_) => SettingType::Text,
        }
    }

    pub(super) fn about(&self) -> &'static str {
        match self {
            Self::Known(spec) => spec.about,
            Self::ExperimentSchema(_) => "the schema that each run must satisfy",
        }
    }

    pub(super) fn value(&self, config: &Config) -> SettingValueJson {
        match self {
            Self::Known(spec) => (spec.value)(config),
            Self::ExperimentSchema(experiment) => {
                let schema = config.experiments.get(*experiment).and_then(|settings| settings.schema.clone());
                SettingValueJson::Text(schema.unwrap_or_default())
            }
        }
    }
}

/// Candidates for the name of a setting.
pub(super) fn setting_candidates() -> ArgValueCandidates {
    ArgValueCandidates::new(|| SETTINGS.iter().map(|spec| CompletionCandidate::new(spec.key)).collect())
}

pub(super) fn find_setting(key: &str) -> Result<Setting<'_>, Error> {
    if let Some(spec) = SETTINGS.iter().find(|spec| spec.key == key) {
        return Ok(Setting::Known(spec));
    }
    let of_experiment = key.strip_prefix("experiments.").and_then(|rest| rest.rsplit_once('.'));
    if let Some((experiment, "schema")) = of_experiment.filter(|(experiment, _)| !experiment.is_empty()) {
        return Ok(Setting::ExperimentSchema(experiment));
    }
    let spellings = SETTINGS.iter().flat_map(|spec| {
        // The last part alone is a likely way to type a setting: `max_bytes` for `pull.max_bytes`.
        let last = spec.key.rsplit('.').next().unwrap_or(spec.key);
        [(spec.key, spec.key), (last, spec.key)]
    });
    let mut error = Error::new(ExitKind::Usage, "unknown_setting", format!("there is no setting `{key}`"));
    if let Some((experiment, _)) = of_experiment {
        error = error.hint(format!("did you mean `{}`?", pin_key(experiment)));
    } else if let Some(near) = find_near(key, spellings).first() {
        error = error.hint(format!("did you mean `{near}`?"));
    }
    Err(error.hint("see every setting: `capture-hook config list`"))
}

pub(super) fn describe_setting(setting: &Setting<'_>, config: &Config, document: &DocumentMut) -> SettingJson {
    let mut item: Option<&Item> = Some(document.as_item());
    for part in setting.path() {
        item = item.and_then(|item| item.get(part));
    }
    SettingJson {
        key: setting.key(),
        value: setting.value(config),
        source: if item.is_some_and(|item| !item.is_none()) { FILE } else { "default" },
        default: setting.value(&Config::default()),
        about: setting.about(),
    }
}

pub(super) fn display_value(value: &SettingValueJson) -> String {
    match value {
        SettingValueJson::Text(text) if text.is_empty() => "(none)".into(),
        SettingValueJson::Text(text) => text.clone(),
        SettingValueJson::Flag(flag) => flag.to_string(),
        SettingValueJson::Bytes(bytes) => bytes.to_string(),
        SettingValueJson::List(items) if items.is_empty() => "(none)".into(),
        SettingValueJson::List(items) => items.join(","),
    }
}

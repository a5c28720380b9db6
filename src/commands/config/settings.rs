//! Every setting: its key, what it holds, its value, and the one that a mistyped key resembles.

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use toml_edit::{DocumentMut, Item};

use crate::error::{Error, ExitKind};
use crate::output::json::{SettingJson, SettingValueJson};
use crate::project::config::creators::CreatorConfig;
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
    Count,
    List,
    Creators,
}

/// A setting that exists.
pub(super) struct SettingSpec {
    pub(super) key: &'static str,
    pub(super) kind: SettingType,
    pub(super) about: &'static str,
    pub(super) value: fn(&Config) -> SettingValueJson,
}

const SETTINGS: &[SettingSpec] = &[
    SettingSpec {
        key: "minimum_version",
        kind: SettingType::Text,
        about: "the oldest capture-hook to use here",
        value: |c| text_value(&c.minimum_version),
    },
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
        key: "tag.max_runs",
        kind: SettingType::Count,
        about: "most runs of a commit tagged each",
        value: |c| SettingValueJson::Count(c.tag.max_runs),
    },
    SettingSpec {
        key: "gc.keep",
        kind: SettingType::Count,
        about: "days that `gc` keeps old data",
        value: |c| SettingValueJson::Count(c.gc.keep),
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

const DATASET_SETTINGS: &[SettingSpec] = &[
    SettingSpec {
        key: "dataset.title",
        kind: SettingType::Text,
        about: "the dataset's title",
        value: |c| text_value(&c.dataset.title),
    },
    SettingSpec {
        key: "dataset.description",
        kind: SettingType::Text,
        about: "what it is, in a sentence or more",
        value: |c| text_value(&c.dataset.description),
    },
    SettingSpec {
        key: "dataset.license",
        kind: SettingType::Text,
        about: "its licence, an SPDX identifier such as CC-BY-4.0",
        value: |c| text_value(&c.dataset.license),
    },
    SettingSpec {
        key: "dataset.license_url",
        kind: SettingType::Text,
        about: "the page of a licence that is not known here",
        value: |c| text_value(&c.dataset.license_url),
    },
    SettingSpec {
        key: "dataset.creators",
        kind: SettingType::Creators,
        about: "who made it: FAMILY, GIVEN (ORCID, INSTITUTE); …",
        value: |c| SettingValueJson::List(c.dataset.creators.iter().map(CreatorConfig::to_text).collect()),
    },
    SettingSpec {
        key: "dataset.version",
        kind: SettingType::Text,
        about: "its version, three numbers; 1.0.0 if not set",
        value: |c| text_value(&c.dataset.version),
    },
    SettingSpec {
        key: "dataset.url",
        kind: SettingType::Text,
        about: "its page",
        value: |c| text_value(&c.dataset.url),
    },
    SettingSpec {
        key: "dataset.repository",
        kind: SettingType::Text,
        about: "where others can clone its git repository",
        value: |c| text_value(&c.dataset.repository),
    },
    SettingSpec {
        key: "dataset.keywords",
        kind: SettingType::List,
        about: "words to find it by",
        value: |c| SettingValueJson::List(c.dataset.keywords.clone()),
    },
    SettingSpec {
        key: "dataset.publisher.name",
        kind: SettingType::Text,
        about: "the organisation that publishes it",
        value: |c| text_value(&c.dataset.publisher.name),
    },
    SettingSpec {
        key: "dataset.publisher.url",
        kind: SettingType::Text,
        about: "the organisation's page",
        value: |c| text_value(&c.dataset.publisher.url),
    },
    SettingSpec {
        key: "dataset.publisher.ror",
        kind: SettingType::Text,
        about: "the organisation's ROR identifier",
        value: |c| text_value(&c.dataset.publisher.ror),
    },
    SettingSpec {
        key: "dataset.simulator.name",
        kind: SettingType::Text,
        about: "what recorded the runs",
        value: |c| text_value(&c.dataset.simulator.name),
    },
    SettingSpec {
        key: "dataset.simulator.url",
        kind: SettingType::Text,
        about: "the simulator's page",
        value: |c| text_value(&c.dataset.simulator.url),
    },
];

/// Every setting that always exists.
pub(super) fn known_settings() -> impl Iterator<Item = &'static SettingSpec> {
    SETTINGS.iter().chain(DATASET_SETTINGS)
}

fn text_value(text: &Option<String>) -> SettingValueJson {
    SettingValueJson::Text(text.clone().unwrap_or_default())
}

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
    ArgValueCandidates::new(|| known_settings().map(|spec| CompletionCandidate::new(spec.key)).collect())
}

pub(super) fn find_setting(key: &str) -> Result<Setting<'_>, Error> {
    if let Some(spec) = known_settings().find(|spec| spec.key == key) {
        return Ok(Setting::Known(spec));
    }
    let of_experiment = key.strip_prefix("experiments.").and_then(|rest| rest.rsplit_once('.'));
    if let Some((experiment, "schema")) = of_experiment.filter(|(experiment, _)| !experiment.is_empty()) {
        return Ok(Setting::ExperimentSchema(experiment));
    }
    let spellings = known_settings().flat_map(|spec| {
        // The last part alone is a likely way to type a setting: `max_bytes` for `pull.max_bytes`.
        let last = spec.key.rsplit('.').next().unwrap_or(spec.key);
        let inner = spec.key.split_once('.').map_or(last, |(_, inner)| inner);
        [(spec.key, spec.key), (last, spec.key), (inner, spec.key)]
    });
    let mut error = Error::new(ExitKind::Usage, "unknown_setting", format!("there is no setting `{key}`"));
    if let Some((experiment, _)) = of_experiment {
        error = error.hint(format!("did you mean `{}`?", pin_key(experiment)));
    } else if key.starts_with("dataset.creators.") {
        error = error.hint("all creators are one setting: `capture-hook config get dataset.creators`");
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

/// A value as `config get` prints it, and `config set` takes it.
pub(super) fn display_value(value: &SettingValueJson, kind: SettingType) -> String {
    match value {
        SettingValueJson::Text(text) if text.is_empty() => "(none)".into(),
        SettingValueJson::Text(text) => text.clone(),
        SettingValueJson::Flag(flag) => flag.to_string(),
        SettingValueJson::Bytes(number) | SettingValueJson::Count(number) => number.to_string(),
        SettingValueJson::List(items) if items.is_empty() => "(none)".into(),
        SettingValueJson::List(items) if kind == SettingType::Creators => items.join("; "),
        SettingValueJson::List(items) => items.join(","),
    }
}

/// The same for a line of a table: no longer than leaves room for the rest.
pub(super) fn display_short(value: &SettingValueJson, kind: SettingType) -> String {
    const MOST: usize = 30;
    let text = display_value(value, kind);
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None if line.len() < text.len() => format!("{line}…"),
        None => text,
    }
}

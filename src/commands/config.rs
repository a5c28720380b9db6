//! `capture-hook config`: settings, read and changed, comments kept.

use std::path::PathBuf;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use toml_edit::{DocumentMut, Item, Table};

use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};
use crate::output::json::{SettingJson, SettingValueJson, SettingsJson};
use crate::output::table::{ColumnStyle, TextTable as Rows};
use crate::project::config::{Config, FILE};
use crate::project::pins::{pin_key, read_pinned_schemas};
use crate::project::{PIPELINE_FILE, Project};
use crate::run::include;
use crate::setup::include::add_include_dependency;
use crate::support::beneath::RootDir;
use crate::support::limits;
use crate::support::process::shell_quote;
use crate::support::text::find_near;
use crate::{setup, validate};

/// Arguments of `config`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook config list                         every setting, its value, where it comes from
  capture-hook config get push.policy
  capture-hook config set push.policy warn
  capture-hook config set pull.max_bytes 5GiB
  capture-hook config set validate.ignore unknown_field,time_goes_back
  capture-hook config set ingest.include '*.mp4,video/**'
  capture-hook config set experiments.cartpole.schema schemas/cartpole.json

Settings are in capture-hook.toml in the project's root. Commit it to share them with your team.
No setting there names a program to run; the dvc program is set by `git config capture-hook.dvc` or CAPTURE_HOOK_DVC.")]
pub struct Args {
    #[command(subcommand)]
    action: ConfigAction,
}

#[derive(Debug, clap::Subcommand)]
enum ConfigAction {
    /// Print a setting's value.
    Get {
        /// The setting, such as `push.policy`.
        #[arg(add = setting_candidates())]
        key: String,
    },
    /// Change a setting.
    Set {
        /// The setting, such as `push.policy`.
        #[arg(add = setting_candidates())]
        key: String,
        /// Its new value; commas between the items of a list.
        value: String,
    },
    /// Print every setting with its value and the source of the value.
    List,
}

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SettingType {
    Text,
    Flag,
    Bytes,
    List,
}

/// A setting that exists.
struct SettingSpec {
    key: &'static str,
    kind: SettingType,
    about: &'static str,
    value: fn(&Config) -> SettingValueJson,
}

const SETTINGS: &[SettingSpec] = &[
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
enum Setting<'a> {
    /// One that always exists.
    Known(&'static SettingSpec),
    /// `experiments.NAME.schema`, by the experiment's name.
    ExperimentSchema(&'a str),
}

impl Setting<'_> {
    fn key(&self) -> String {
        match self {
            Self::Known(spec) => spec.key.to_owned(),
            Self::ExperimentSchema(experiment) => pin_key(experiment),
        }
    }

    /// The keys in the file, outermost first. An experiment's name can have dots in it.
    fn path(&self) -> Vec<&str> {
        match self {
            Self::Known(spec) => spec.key.split('.').collect(),
            Self::ExperimentSchema(experiment) => vec!["experiments", experiment, "schema"],
        }
    }

    fn kind(&self) -> SettingType {
        match self {
            Self::Known(spec) => spec.kind,
            Self::ExperimentSchema(_) => SettingType::Text,
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Self::Known(spec) => spec.about,
            Self::ExperimentSchema(_) => "the schema that each run must satisfy",
        }
    }

    fn value(&self, config: &Config) -> SettingValueJson {
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
fn setting_candidates() -> ArgValueCandidates {
    ArgValueCandidates::new(|| SETTINGS.iter().map(|spec| CompletionCandidate::new(spec.key)).collect())
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let root = find_root(app)?;
    let files = RootDir::new(&root);
    // A file that does not exist is the same as an empty one: every setting has its default.
    let bytes = files.read(FILE, limits::TEXT)?.unwrap_or_default();
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::new(ExitKind::Setup, "invalid_config", format!("{FILE} is not UTF-8")))?;
    match &args.action {
        ConfigAction::List => list_settings(app, &text)?,
        ConfigAction::Get { key } => get_setting(app, &text, key)?,
        ConfigAction::Set { key, value } => set_setting(app, files, &text, key, value)?,
    }
    Ok(CommandOutcome::Done)
}

fn list_settings(app: &App, text: &str) -> Result<(), Error> {
    let (config, document) = parse_settings(text)?;
    let known = SETTINGS.iter().map(Setting::Known);
    let pinned = config.experiments.keys().map(|experiment| Setting::ExperimentSchema(experiment));
    let settings: Vec<SettingJson> =
        known.chain(pinned).map(|setting| describe_setting(&setting, &config, &document)).collect();
    if app.ui.json() {
        app.ui.print_json(&SettingsJson { settings });
        return Ok(());
    }
    let columns = [
        ColumnStyle::Left("SETTING"),
        ColumnStyle::Left("VALUE"),
        ColumnStyle::Left("FROM"),
        ColumnStyle::Shrink("WHAT FOR"),
    ];
    let mut rows = Rows::new(columns);
    for s in &settings {
        rows.push_row([s.key.as_str().into(), display_value(&s.value).into(), s.source.into(), s.about.into()]);
    }
    app.ui.print_text(&rows.render_text(app.ui.terminal_width()));
    Ok(())
}

fn get_setting(app: &App, text: &str, key: &str) -> Result<(), Error> {
    let setting = find_setting(key)?;
    let (config, document) = parse_settings(text)?;
    let setting = describe_setting(&setting, &config, &document);
    if app.ui.json() {
        app.ui.print_json(&SettingsJson { settings: vec![setting] });
    } else {
        app.ui.print_value(display_value(&setting.value));
    }
    Ok(())
}

fn set_setting(app: &App, files: RootDir<'_>, text: &str, key: &str, value: &str) -> Result<(), Error> {
    let setting = find_setting(key)?;
    let (before, mut document) = parse_settings(text)?;
    set_value(&mut document, &setting, value)?;
    let new = document.to_string();
    // Before the first write: a file that is not valid would fail in every command that reads it.
    let config = Config::parse(&new).map_err(|error| {
        let message = format!("`{value}` is not a valid value for {key}: {}", error.message);
        Error::new(ExitKind::Usage, "invalid_value", message).hint(format!("{key}: {}", setting.about()))
    })?;
    validate::ValidateOptions::new(&config.validate.ignore, &config.validate.deny, FILE)?;
    if matches!(setting, Setting::ExperimentSchema(_)) {
        read_pinned_schemas(files.path(), &config)?;
    }
    let dvc_yaml = match (key, Project::open(&app.cwd, &app.env)) {
        // The stage depends on it, so that DVC sees what changes it.
        (include::SETTING_KEY, Ok(project)) if !config.ingest.include.patterns().is_empty() => {
            add_include_dependency(&project)?
        }
        _ => None,
    };
    // Nothing is written before this line, so that a refusal changes no file.
    if new != text {
        files.write_atomic(FILE, new.as_bytes())?;
    }
    if let Some(bytes) = &dvc_yaml {
        files.write_atomic(PIPELINE_FILE, bytes)?;
    }
    let ignored = match (key, Project::open(&app.cwd, &app.env)) {
        ("results_dir", Ok(project)) => Some(setup::ignore_results(&project, &config.results_dir)?),
        _ => None,
    };
    let ignored = ignored.filter(|step| step.changed);
    if app.ui.json() {
        app.ui.print_json(&SettingsJson { settings: vec![describe_setting(&setting, &config, &document)] });
    } else {
        let (old, new) = (display_value(&setting.value(&before)), display_value(&setting.value(&config)));
        app.ui.print_line(&format!("{key}: {old} -> {new}"));
        if let Some(step) = &ignored {
            app.ui.status(&format!("{}: {}", step.what, step.note));
        }
        let also = dvc_yaml.map(|_| PIPELINE_FILE).into_iter().chain(ignored.as_ref().map(|step| step.what.as_str()));
        let pinned = Some(value).filter(|file| matches!(setting, Setting::ExperimentSchema(_)) && !file.is_empty());
        let changed = [FILE].into_iter().chain(also).chain(pinned).map(shell_quote).collect::<Vec<_>>().join(" ");
        app.ui.hint(&format!("share it with your team: `git add {changed}`, then commit"));
    }
    Ok(())
}

/// Where the settings lie: at the project's root, in a repository without DVC at its top.
fn find_root(app: &App) -> Result<PathBuf, Error> {
    Ok(match Project::open(&app.cwd, &app.env) {
        Ok(project) => project.root,
        // Before `init` there is no project, but settings can be made.
        Err(_) => crate::git::Repo::open(&app.cwd, &app.env)?.top()?.to_path_buf(),
    })
}

fn parse_settings(text: &str) -> Result<(Config, DocumentMut), Error> {
    let config = Config::parse(text)?;
    let document = text
        .parse::<DocumentMut>()
        .map_err(|error| Error::new(ExitKind::Setup, "invalid_config", format!("{FILE}: {}", error.message())))?;
    Ok((config, document))
}

fn find_setting(key: &str) -> Result<Setting<'_>, Error> {
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

fn describe_setting(setting: &Setting<'_>, config: &Config, document: &DocumentMut) -> SettingJson {
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

/// Puts a value into the document, in its old place or in its section. Comments are kept.
fn set_value(document: &mut DocumentMut, setting: &Setting<'_>, value: &str) -> Result<(), Error> {
    let invalid_value = |expected: &str| {
        Error::new(
            ExitKind::Usage,
            "invalid_value",
            format!("`{value}` is not a valid value for {}: {expected}", setting.key()),
        )
    };
    let new = match setting.kind() {
        SettingType::Text => toml_edit::Value::from(value),
        SettingType::Flag => match value {
            "true" | "yes" | "on" => true.into(),
            "false" | "no" | "off" => false.into(),
            _ => return Err(invalid_value("true or false")),
        },
        SettingType::Bytes => {
            parse_bytes(value).ok_or_else(|| invalid_value("bytes, such as 5000000, 500MB or 2GiB"))?.into()
        }
        SettingType::List => {
            let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
            toml_edit::Value::Array(items.collect())
        }
    };
    let path = setting.path();
    let Some((name, sections)) = path.split_last() else { return Ok(()) };
    let mut table = document.as_table_mut() as &mut dyn toml_edit::TableLike;
    for (depth, section) in sections.iter().enumerate() {
        let item = table.entry(section).or_insert_with(|| {
            let mut section = Table::new();
            // `[experiments.cartpole]` needs no `[experiments]` above it.
            section.set_implicit(depth + 1 < sections.len());
            Item::Table(section)
        });
        table = item.as_table_like_mut().ok_or_else(|| invalid_value("its section is not a table"))?;
    }
    match table.get_mut(name).and_then(Item::as_value_mut) {
        Some(old) => {
            // The decor is the spaces around the value and the comment after it.
            let decor = old.decor().clone();
            *old = new;
            *old.decor_mut() = decor;
        }
        None => {
            table.insert(name, Item::Value(new));
        }
    }
    Ok(())
}

/// `5000000`, `500MB`, `2GiB`; at most what TOML's integers hold.
fn parse_bytes(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: i64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        // One letter alone counts in steps of 1024, as in git's settings.
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    // Fails only if there are no digits or too many; for both, the caller explains what is expected.
    number.parse::<i64>().ok()?.checked_mul(factor)
}

fn display_value(value: &SettingValueJson) -> String {
    match value {
        SettingValueJson::Text(text) if text.is_empty() => "(none)".into(),
        SettingValueJson::Text(text) => text.clone(),
        SettingValueJson::Flag(flag) => flag.to_string(),
        SettingValueJson::Bytes(bytes) => bytes.to_string(),
        SettingValueJson::List(items) if items.is_empty() => "(none)".into(),
        SettingValueJson::List(items) => items.join(","),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text_after_set(text: &str, key: &str, value: &str) -> String {
        let (_, mut document) = parse_settings(text).unwrap();
        set_value(&mut document, &find_setting(key).unwrap(), value).unwrap();
        document.to_string()
    }

    #[test]
    fn comments_and_order_stay() {
        let text = "# ours\nengine = \"dvc\" # for now\n\n[push]\n# careful\npolicy = 'strict' # team rule\n";
        assert_eq!(
            text_after_set(text, "push.policy", "warn"),
            "# ours\nengine = \"dvc\" # for now\n\n[push]\n# careful\npolicy = \"warn\" # team rule\n"
        );
        assert_eq!(text_after_set("", "pull.max_bytes", "2GiB"), "[pull]\nmax_bytes = 2147483648\n");
        assert_eq!(text_after_set("push.policy = \"off\"\n", "push.policy", "warn"), "push.policy = \"warn\"\n");
    }

    #[test]
    fn a_pinned_schema_is_a_setting_of_its_experiment() {
        let text = "[push]\npolicy = \"warn\"\n";
        let pinned = text_after_set(text, "experiments.v1.0.schema", "schemas/c.json");
        assert_eq!(pinned, format!("{text}\n[experiments.\"v1.0\"]\nschema = \"schemas/c.json\"\n"));
        let unpinned = text_after_set(&pinned, "experiments.v1.0.schema", "");
        assert_eq!(unpinned, pinned.replace("schemas/c.json", ""));
        let (config, document) = parse_settings(&pinned).unwrap();
        let setting = describe_setting(&find_setting("experiments.v1.0.schema").unwrap(), &config, &document);
        assert_eq!((setting.key.as_str(), setting.source), ("experiments.v1.0.schema", FILE));
        let error = find_setting("experiments.v1.schma").err().unwrap();
        assert_eq!(error.hints()[0], "did you mean `experiments.v1.schema`?");
    }

    #[test]
    fn a_mistyped_setting_is_refused_with_a_suggestion() {
        let error = find_setting("push.polcy").err().unwrap();
        assert_eq!((error.exit_kind(), error.hints()[0].as_str()), (ExitKind::Usage, "did you mean `push.policy`?"));
        assert_eq!(find_setting("max_bites").err().unwrap().hints()[0], "did you mean `pull.max_bytes`?");
    }

    #[test]
    fn every_setting_is_known() {
        // Each key of the settings' own Debug form has an entry.
        let all = "engine = \"native\"\nresults_dir = \"r\"\n[pull]\nauto = false\nmax_bytes = 1\n[push]\npolicy = \"off\"\n\
                   [ingest]\ninclude = [\"*.mp4\"]\n[validate]\nignore = [\"unknown_field\"]\ndeny = [\"time_goes_back\"]\n";
        let (config, document) = parse_settings(all).unwrap();
        for spec in SETTINGS {
            let setting = describe_setting(&Setting::Known(spec), &config, &document);
            assert_eq!(setting.source, FILE, "{}", spec.key);
            assert_ne!(setting.value, setting.default, "{}", spec.key);
        }
    }
}

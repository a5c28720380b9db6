//! `capture-hook config`: settings, read and changed, comments kept.

use std::path::PathBuf;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use serde_json::{Value, json};
use toml_edit::{DocumentMut, Item, Table};

use crate::app::{App, Outcome};
use crate::dvc::stage;
use crate::error::{Error, ExitKind};
use crate::output::json::{Setting, Settings};
use crate::output::table::{Column, Table as Rows};
use crate::project::Project;
use crate::project::config::{Config, FILE};
use crate::run::include;
use crate::support::beneath::Root;
use crate::support::limits;
use crate::support::process::quoted;
use crate::validate;

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

Settings live in capture-hook.toml at the project's root, which is tracked: commit it, and the whole team has them.
No setting there names a program to run; the dvc program is named by `git config capture-hook.dvc` or CAPTURE_HOOK_DVC.")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print a setting's value.
    Get {
        /// The setting, such as `push.policy`.
        #[arg(add = keys())]
        key: String,
    },
    /// Change a setting.
    Set {
        /// The setting, such as `push.policy`.
        #[arg(add = keys())]
        key: String,
        /// Its new value; a list's items apart by commas.
        value: String,
    },
    /// Print every setting with its value and where that comes from.
    List,
}

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Flag,
    Bytes,
    List,
}

/// A setting that there is.
struct Known {
    key: &'static str,
    kind: Type,
    about: &'static str,
    of: fn(&Config) -> Value,
}

const KNOWN: &[Known] = &[
    Known {
        key: "engine",
        kind: Type::Text,
        about: "who versions the dataset: dvc, native",
        of: |c| json!(format!("{:?}", c.engine).to_lowercase()),
    },
    Known { key: "results_dir", kind: Type::Text, about: "where recorders write runs", of: |c| json!(c.results_dir) },
    Known {
        key: include::SETTING,
        kind: Type::List,
        about: "files beside the recorder's to take",
        of: |c| json!(c.ingest.include),
    },
    Known { key: "pull.auto", kind: Type::Flag, about: "checkout and merge bring data", of: |c| json!(c.pull.auto) },
    Known {
        key: "pull.max_bytes",
        kind: Type::Bytes,
        about: "the most bytes fetched unasked",
        of: |c| json!(c.pull.max_bytes),
    },
    Known {
        key: "push.policy",
        kind: Type::Text,
        about: "unsent data: strict, warn, off",
        of: |c| json!(format!("{:?}", c.push.policy).to_lowercase()),
    },
    Known {
        key: "validate.ignore",
        kind: Type::List,
        about: "finding codes that do not count",
        of: |c| json!(c.validate.ignore),
    },
    Known {
        key: "validate.deny",
        kind: Type::List,
        about: "warning codes that count as errors",
        of: |c| json!(c.validate.deny),
    },
];

/// What a shell may put where a setting's name belongs.
fn keys() -> ArgValueCandidates {
    ArgValueCandidates::new(|| KNOWN.iter().map(|known| CompletionCandidate::new(known.key)).collect())
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let root = root(app)?;
    let files = Root::at(&root);
    let bytes = files.read(FILE, limits::TEXT)?.unwrap_or_default();
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::new(ExitKind::Setup, "invalid_config", format!("{FILE} is not UTF-8 text")))?;
    match &args.action {
        Action::List => {
            let settings: Vec<Setting> = {
                let (config, document) = read(&text)?;
                KNOWN.iter().map(|known| setting(known, &config, &document)).collect()
            };
            if app.ui.json() {
                app.ui.data_json(&Settings { settings });
            } else {
                let columns =
                    [Column::Left("SETTING"), Column::Left("VALUE"), Column::Left("FROM"), Column::Shrink("WHAT FOR")];
                let mut rows = Rows::new(columns);
                for s in &settings {
                    rows.row([s.key.as_str().into(), shown(&s.value).into(), s.source.into(), s.about.into()]);
                }
                app.ui.data(&rows.render(app.ui.width()));
            }
        }
        Action::Get { key } => {
            let known = find(key)?;
            let (config, document) = read(&text)?;
            let setting = setting(known, &config, &document);
            if app.ui.json() {
                app.ui.data_json(&Settings { settings: vec![setting] });
            } else {
                app.ui.value(shown(&setting.value));
            }
        }
        Action::Set { key, value } => {
            let known = find(key)?;
            let (before, mut document) = read(&text)?;
            put(&mut document, known, value)?;
            let new = document.to_string();
            let config = Config::parse(&new).map_err(|error| {
                let message = format!("`{value}` is no value for {key}: {}", error.message);
                Error::new(ExitKind::Usage, "invalid_value", message).hint(format!("{key}: {}", known.about))
            })?;
            validate::Options::new(&config.validate.ignore, &config.validate.deny, FILE)?;
            let dvc_yaml = match (known.key, Project::open(&app.cwd, &app.env)) {
                // The stage depends on it, so that DVC sees what changes it.
                (include::SETTING, Ok(project)) if !config.ingest.include.patterns().is_empty() => {
                    project.with_include_dependency()?
                }
                _ => None,
            };
            if new != text {
                files.write_atomic(FILE, new.as_bytes())?;
            }
            if let Some(bytes) = &dvc_yaml {
                files.write_atomic(stage::FILE, bytes)?;
            }
            let ignored = match (known.key, Project::open(&app.cwd, &app.env)) {
                ("results_dir", Ok(project)) => Some(project.ignore_results(&config.results_dir)?),
                _ => None,
            };
            let ignored = ignored.filter(|step| step.changed);
            if app.ui.json() {
                app.ui.data_json(&Settings { settings: vec![setting(known, &config, &document)] });
            } else {
                let (old, new) = (shown(&(known.of)(&before)), shown(&(known.of)(&config)));
                app.ui.line(&format!("{key}: {old} -> {new}"));
                if let Some(step) = &ignored {
                    app.ui.status(&format!("{}: {}", step.what, step.note));
                }
                let also =
                    dvc_yaml.map(|_| stage::FILE).into_iter().chain(ignored.as_ref().map(|step| step.what.as_str()));
                let changed = [FILE].into_iter().chain(also).map(quoted).collect::<Vec<_>>().join(" ");
                app.ui.hint(&format!("`git add {changed}` and commit it, and the whole team has it"));
            }
        }
    }
    Ok(Outcome::Done)
}

/// Where the settings lie: at the project's root, in a repository without DVC at its top.
fn root(app: &App) -> Result<PathBuf, Error> {
    Ok(match Project::open(&app.cwd, &app.env) {
        Ok(project) => project.root,
        Err(_) => crate::git::Repo::open(&app.cwd, &app.env)?.top()?.to_path_buf(),
    })
}

fn read(text: &str) -> Result<(Config, DocumentMut), Error> {
    let config = Config::parse(text)?;
    let document = text
        .parse::<DocumentMut>()
        .map_err(|error| Error::new(ExitKind::Setup, "invalid_config", format!("{FILE}: {}", error.message())))?;
    Ok((config, document))
}

fn find(key: &str) -> Result<&'static Known, Error> {
    if let Some(known) = KNOWN.iter().find(|known| known.key == key) {
        return Ok(known);
    }
    let near = |known: &&Known| {
        let last = known.key.rsplit('.').next().unwrap_or(known.key);
        strsim::damerau_levenshtein(known.key, key).min(strsim::damerau_levenshtein(last, key))
    };
    let mut error = Error::new(ExitKind::Usage, "unknown_setting", format!("there is no setting `{key}`"));
    if let Some(known) = KNOWN.iter().min_by_key(near).filter(|known| near(known) <= 3) {
        error = error.hint(format!("did you mean `{}`?", known.key));
    }
    Err(error.hint("`capture-hook config list` shows every setting"))
}

fn setting(known: &Known, config: &Config, document: &DocumentMut) -> Setting {
    let mut item: Option<&Item> = Some(document.as_item());
    for part in known.key.split('.') {
        item = item.and_then(|item| item.get(part));
    }
    Setting {
        key: known.key.into(),
        value: (known.of)(config),
        source: if item.is_some_and(|item| !item.is_none()) { FILE } else { "default" },
        default: (known.of)(&Config::default()),
        about: known.about,
    }
}

/// Puts a value into the document, where it was or in its section, comments kept.
fn put(document: &mut DocumentMut, known: &Known, value: &str) -> Result<(), Error> {
    let wrong = |wanted: &str| {
        Error::new(ExitKind::Usage, "invalid_value", format!("`{value}` is no value for {}: {wanted}", known.key))
    };
    let new = match known.kind {
        Type::Text => toml_edit::Value::from(value),
        Type::Flag => match value {
            "true" | "yes" | "on" => true.into(),
            "false" | "no" | "off" => false.into(),
            _ => return Err(wrong("true or false")),
        },
        Type::Bytes => bytes(value).ok_or_else(|| wrong("bytes, as in 5000000, 500MB or 2GiB"))?.into(),
        Type::List => {
            let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
            toml_edit::Value::Array(items.collect())
        }
    };
    let (table, name) = match known.key.split_once('.') {
        None => (document.as_table_mut() as &mut dyn toml_edit::TableLike, known.key),
        Some((section, name)) => {
            let item = document.entry(section).or_insert_with(|| Item::Table(Table::new()));
            let table = item.as_table_like_mut().ok_or_else(|| wrong("its section is not a table"))?;
            (table, name)
        }
    };
    match table.get_mut(name).and_then(Item::as_value_mut) {
        Some(old) => {
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
fn bytes(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: i64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
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
    number.parse::<i64>().ok()?.checked_mul(factor)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            if items.is_empty() { "(none)".into() } else { items.join(",") }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn after(text: &str, key: &str, value: &str) -> String {
        let (_, mut document) = read(text).unwrap();
        put(&mut document, find(key).unwrap(), value).unwrap();
        document.to_string()
    }

    #[test]
    fn comments_and_order_stay() {
        let text = "# ours\nengine = \"dvc\" # for now\n\n[push]\n# careful\npolicy = 'strict' # team rule\n";
        assert_eq!(
            after(text, "push.policy", "warn"),
            "# ours\nengine = \"dvc\" # for now\n\n[push]\n# careful\npolicy = \"warn\" # team rule\n"
        );
        assert_eq!(after("", "pull.max_bytes", "2GiB"), "[pull]\nmax_bytes = 2147483648\n");
        assert_eq!(after("push.policy = \"off\"\n", "push.policy", "warn"), "push.policy = \"warn\"\n");
    }

    #[test]
    fn a_mistyped_setting_is_refused_with_the_one_meant() {
        let error = find("push.polcy").err().unwrap();
        assert_eq!((error.exit_kind(), error.hints()[0].as_str()), (ExitKind::Usage, "did you mean `push.policy`?"));
        assert_eq!(find("max_bites").err().unwrap().hints()[0], "did you mean `pull.max_bytes`?");
    }

    #[test]
    fn every_setting_is_known() {
        // Each key of the settings' own Debug form has an entry.
        let all = "engine = \"native\"\nresults_dir = \"r\"\n[pull]\nauto = false\nmax_bytes = 1\n[push]\npolicy = \"off\"\n\
                   [ingest]\ninclude = [\"*.mp4\"]\n[validate]\nignore = [\"unknown_field\"]\ndeny = [\"time_goes_back\"]\n";
        let (config, document) = read(all).unwrap();
        for known in KNOWN {
            let setting = setting(known, &config, &document);
            assert_eq!(setting.source, FILE, "{}", known.key);
            assert_ne!(setting.value, setting.default, "{}", known.key);
        }
    }
}

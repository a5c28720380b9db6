//! `capture-hook config`: settings, read and changed, comments kept.

mod edit;
mod settings;

use std::path::PathBuf;

use toml_edit::DocumentMut;

use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};
use crate::output::json::{SettingJson, SettingsJson};
use crate::output::table::{ColumnStyle, TextTable as Rows};
use crate::project::config::dataset::DatasetConfig;
use crate::project::config::licenses::{find_license, suggest_license};
use crate::project::config::{Config, FILE};
use crate::project::pins::read_pinned_schemas;
use crate::project::{PIPELINE_FILE, Project};
use crate::run::include;
use crate::setup::include::add_include_dependency;
use crate::support::beneath::RootDir;
use crate::support::limits;
use crate::support::process::shell_quote;
use crate::{setup, validate};
use edit::set_value;
use settings::{
    Setting, SettingType, describe_setting, display_short, display_value, find_setting, known_settings,
    setting_candidates,
};

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
  capture-hook config set experiments.nav.schema schemas/nav.json
  capture-hook config list dataset                 what exports say of the dataset
  capture-hook config set dataset.license CC-BY-4.0
  capture-hook config set dataset.creators 'Example, Ada; Sample, Bo'

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
    /// Print the settings with their values and the sources of the values.
    List {
        /// Only those that begin with this, unset ones too, such as `dataset`.
        section: Option<String>,
    },
}

/// What the keys begin with that say what the dataset is.
const DATASET_PREFIX: &str = "dataset.";
/// What to do about a settings file that cannot be read.
const SAVE_AS_TEXT: &str = "see what was changed in it: `git diff HEAD -- capture-hook.toml`; it is TOML, in UTF-8";

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let root = find_root(app)?;
    let files = RootDir::new(&root);
    // A file that does not exist is the same as an empty one: every setting has its default.
    let bytes = files.read(FILE, limits::TEXT)?.unwrap_or_default();
    let text = String::from_utf8(bytes).map_err(|_| {
        Error::new(ExitKind::Setup, "invalid_config", format!("{FILE} is not UTF-8")).hint(SAVE_AS_TEXT)
    })?;
    match &args.action {
        ConfigAction::List { section } => list_settings(app, &text, section.as_deref())?,
        ConfigAction::Get { key } => get_setting(app, &text, key)?,
        ConfigAction::Set { key, value } => set_setting(app, files, &text, key, value)?,
    }
    Ok(CommandOutcome::Done)
}

fn list_settings(app: &App, text: &str, section: Option<&str>) -> Result<(), Error> {
    let (config, document) = parse_settings(text)?;
    let known = known_settings().map(Setting::Known);
    let pinned = config.experiments.keys().map(|experiment| Setting::ExperimentSchema(experiment));
    let is_listed = |key: &str| match section.map(|section| section.trim_end_matches('.')) {
        Some(section) => key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
        None => true,
    };
    let settings: Vec<(SettingJson, SettingType)> = known
        .chain(pinned)
        .filter(|setting| is_listed(&setting.key()))
        .map(|setting| (describe_setting(&setting, &config, &document), setting.kind()))
        .collect();
    if let Some(section) = section.filter(|_| settings.is_empty()) {
        // Says which setting was probably meant.
        find_setting(section)?;
    }
    if app.ui.json() {
        app.ui.print_json(&SettingsJson { settings: settings.into_iter().map(|(setting, _)| setting).collect() });
        return Ok(());
    }
    let columns = [
        ColumnStyle::Left("SETTING"),
        ColumnStyle::Left("VALUE"),
        ColumnStyle::Left("FROM"),
        ColumnStyle::Spare("WHAT FOR"),
    ];
    let mut rows = Rows::new(columns);
    // Needed by exports alone: those that are not set would hide the others.
    let is_folded =
        |setting: &SettingJson| section.is_none() && setting.source != FILE && setting.key.starts_with(DATASET_PREFIX);
    for (s, kind) in settings.iter().filter(|(setting, _)| !is_folded(setting)) {
        rows.push_row([s.key.as_str().into(), display_short(&s.value, *kind).into(), s.source.into(), s.about.into()]);
    }
    let folded = settings.iter().filter(|(setting, _)| is_folded(setting)).count();
    if folded > 0 {
        let about = "what exports say of the dataset";
        rows.push_row(["dataset.…".into(), format!("({folded} not set)").into(), "default".into(), about.into()]);
    }
    app.ui.print_text(&rows.render_text(app.ui.table_width()));
    if folded > 0 {
        app.ui.hint("see those of exports: `capture-hook config list dataset`");
    }
    Ok(())
}

fn get_setting(app: &App, text: &str, key: &str) -> Result<(), Error> {
    let setting = find_setting(key)?;
    let kind = setting.kind();
    let (config, document) = parse_settings(text)?;
    let setting = describe_setting(&setting, &config, &document);
    if app.ui.json() {
        app.ui.print_json(&SettingsJson { settings: vec![setting] });
    } else {
        app.ui.print_value(display_value(&setting.value, kind));
    }
    Ok(())
}

fn set_setting(app: &App, files: RootDir<'_>, text: &str, key: &str, value: &str) -> Result<(), Error> {
    let setting = find_setting(key)?;
    let (before, mut document) = parse_settings(text)?;
    set_value(&mut document, &setting, value, &before.dataset.creators)?;
    let new = document.to_string();
    // Before the first write: a file that is not valid would fail in every command that reads it.
    let config = Config::parse(&new).map_err(|error| {
        if key.starts_with(DATASET_PREFIX) {
            // The reason names the value, without a password.
            return Error::new(ExitKind::Usage, "invalid_value", format!("{key}: {}", error.message))
                .hint(format!("{key}: {}", setting.about()));
        }
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
        let shown = |config: &Config| display_short(&setting.value(config), setting.kind());
        app.ui.print_line(&format!("{key}: {} -> {}", shown(&before), shown(&config)));
        if let Some(step) = &ignored {
            app.ui.status(&format!("{}: {}", step.what, step.note));
        }
        if let Some(hint) = license_hint(key, &config.dataset) {
            app.ui.hint(&hint);
        }
        let also = dvc_yaml.map(|_| PIPELINE_FILE).into_iter().chain(ignored.as_ref().map(|step| step.what.as_str()));
        let pinned = Some(value).filter(|file| matches!(setting, Setting::ExperimentSchema(_)) && !file.is_empty());
        let changed = [FILE].into_iter().chain(also).chain(pinned).map(shell_quote).collect::<Vec<_>>().join(" ");
        app.ui.hint(&format!("share it with your team: `git add {changed}`, then commit"));
    }
    Ok(())
}

/// What else a licence needs that is not known here.
fn license_hint(key: &str, dataset: &DatasetConfig) -> Option<String> {
    let id = dataset.license.as_deref().filter(|_| key == "dataset.license" && dataset.license_url.is_none())?;
    if find_license(id).is_some() {
        return None;
    }
    let near = suggest_license(id).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Some(format!("this licence is not known here: set dataset.license_url, too, to the page with its terms{near}"))
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
    let document = text.parse::<DocumentMut>().map_err(|error| {
        Error::new(ExitKind::Setup, "invalid_config", format!("{FILE}: {}", error.message())).hint(SAVE_AS_TEXT)
    })?;
    Ok((config, document))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text_after_set(text: &str, key: &str, value: &str) -> String {
        let (_, mut document) = parse_settings(text).unwrap();
        let creators = Config::parse(text).unwrap().dataset.creators;
        set_value(&mut document, &find_setting(key).unwrap(), value, &creators).unwrap();
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
    fn creators_stay_as_they_are_listed() {
        let ada = "Example, Ada (0000-0002-1825-0097)";
        let one = text_after_set("[dataset]\ntitle = 'x'\n", "dataset.creators", ada);
        let entry = "{ given = \"Ada\", family = \"Example\", orcid = \"https://orcid.org/0000-0002-1825-0097\" }";
        assert_eq!(one, format!("[dataset]\ntitle = 'x'\ncreators = [{entry}]\n"));
        let two = text_after_set("", "dataset.creators", &format!("{ada}; Bo"));
        assert_eq!(two, format!("[dataset]\ncreators = [\n    {entry},\n    {{ name = \"Bo\" }},\n]\n"));
        // An entry that says the same keeps its spelling and its comment.
        let own = "[dataset]\ncreators = [ # all\n  # first\n  {family='Example',given='Ada',orcid='0000-0002-1825-0097'},\n  {name='Bo'}, # second\n] # end\n";
        let added = text_after_set(own, "dataset.creators", &format!("{ada}; Cy"));
        assert_eq!(added, own.replace("{name='Bo'}, # second", "  { name = \"Cy\" }, # second"));
    }

    #[test]
    fn creators_in_tables_stay_in_tables() {
        let own = "[dataset]\n# ours\n[[dataset.creators]] # first\nname = 'Ada' # A\n[[dataset.creators]]\nname = 'Bo'\n[push]\npolicy = 'off'\n";
        let added = text_after_set(own, "dataset.creators", "Ada; Cy");
        assert_eq!(added, own.replace("[[dataset.creators]]\nname = 'Bo'", "\n[[dataset.creators]]\nname = \"Cy\""));
        let none = text_after_set(own, "dataset.creators", "");
        assert_eq!(none, "[dataset]\n[push]\npolicy = 'off'\n");
    }

    #[test]
    fn a_publisher_is_a_section_or_stays_in_its_line() {
        let new = text_after_set("[dataset]\ntitle = 'x'\n", "dataset.publisher.name", "X");
        assert_eq!(new, "[dataset]\ntitle = 'x'\n\n[dataset.publisher]\nname = \"X\"\n");
        let titled = text_after_set(&text_after_set("", "dataset.publisher.name", "X"), "dataset.title", "T");
        assert_eq!(parse_settings(&titled).unwrap().0.dataset.title.as_deref(), Some("T"), "{titled}");
        let inline = text_after_set("[dataset]\npublisher = {name = 'x'} # us\n", "dataset.publisher.url", "https://x");
        assert_eq!(inline, "[dataset]\npublisher = {name = 'x', url = \"https://x\" } # us\n");
    }

    #[test]
    fn a_mistyped_setting_is_refused_with_a_suggestion() {
        let error = find_setting("push.polcy").err().unwrap();
        assert_eq!((error.exit_kind(), error.hints()[0].as_str()), (ExitKind::Usage, "did you mean `push.policy`?"));
        for (typed, hint) in [
            ("max_bites", "did you mean `pull.max_bytes`?"),
            ("dataset.licence", "did you mean `dataset.license`?"),
            ("publisher.nam", "did you mean `dataset.publisher.name`?"),
            ("dataset.creators.1.orcid", "all creators are one setting: `capture-hook config get dataset.creators`"),
        ] {
            assert_eq!(find_setting(typed).err().unwrap().hints()[0], hint);
        }
    }

    #[test]
    fn every_setting_is_known() {
        // Each key of the settings' own Debug form has an entry.
        let all = "minimum_version = \"0.1.0\"\nengine = \"native\"\nresults_dir = \"r\"\n[pull]\nauto = false\nmax_bytes = 1\n[push]\npolicy = \"off\"\n[tag]\nmax_runs = 1\n[gc]\nkeep = 1\n\
                   [ingest]\ninclude = [\"*.mp4\"]\n[validate]\nignore = [\"unknown_field\"]\ndeny = [\"time_goes_back\"]\n\
                   [dataset]\ntitle = 'x'\ndescription = 'x'\nlicense = 'MIT'\nlicense_url = 'https://x'\nversion = '2.0.0'\n\
                   url = 'https://x'\nrepository = 'https://x'\nkeywords = ['x']\ncreators = [{name = 'x'}]\n\
                   publisher = {name = 'x', url = 'https://x', ror = '03f0f6041'}\nsimulator = {name = 'x', url = 'https://x'}\n";
        let (config, document) = parse_settings(all).unwrap();
        for spec in known_settings() {
            let setting = describe_setting(&Setting::Known(spec), &config, &document);
            assert_eq!(setting.source, FILE, "{}", spec.key);
            assert_ne!(setting.value, setting.default, "{}", spec.key);
        }
    }
}

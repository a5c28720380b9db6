//! `doctor --report`: what a bug report needs, and nothing that is private.
//!
//! Every text is one of the program's own words or the numbers of a version, by type: a value that somebody wrote (a path, a
//! name, an address, a setting) becomes a kind, a count or `set`. What cannot be found out is `null`, and is no error.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::git::{HooksDirSource, Repo};
use crate::history::catalog;
use crate::output::json::{
    DoctorCheckJson, DoctorReportJson, ReportedCache, ReportedCheck, ReportedHook, ReportedHooks, ReportedPrograms,
    ReportedProject, ReportedRepository, ReportedRuns, ReportedSetting, ReportedSystem,
};
use crate::project::config::{Config, Engine, PushPolicy};
use crate::project::{GitTree, Project};
use crate::setup::git_config;
use crate::setup::survey::{self, GitHook, HookState};
use crate::support::fs::write_atomic;
use crate::support::path::path_below;
use crate::support::platform;
use crate::support::process::Cmd;
use crate::validate::Code;

const FORMAT: u32 = 1;

/// Variables that change what git, DVC or this program do.
const VARIABLES: &[&str] = &[
    "CAPTURE_HOOK",
    "CAPTURE_HOOK_DVC",
    "CI",
    "DVC_GLOBAL_CONFIG_DIR",
    "DVC_SITE_CACHE_DIR",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_WORK_TREE",
    "NO_COLOR",
    "PRE_COMMIT",
    "VIRTUAL_ENV",
];

/// Settings of git that change how it calls hooks, or what it writes.
const GIT_SETTINGS: &[&str] = &[
    "core.autocrlf",
    "core.filemode",
    "core.fsmonitor",
    "core.hookspath",
    "core.ignorecase",
    "core.sharedrepository",
    "core.symlinks",
    "core.untrackedcache",
    "commit.gpgsign",
    "extensions.worktreeconfig",
    "feature.manyfiles",
    "gpg.format",
    "pull.octopus",
    "pull.rebase",
    "push.followtags",
    "rebase.autostash",
    "tag.gpgsign",
];

/// Values of git's settings that say nothing of a person.
const KNOWN_VALUES: &[&str] = &[
    "true",
    "false",
    "input",
    "0",
    "1",
    "all",
    "group",
    "umask",
    "world",
    "everybody",
    "merges",
    "interactive",
    "ssh",
    "openpgp",
    "x509",
    "capture-hook",
    "keep",
];

/// Makes the report, and writes it to a file or to standard output.
pub(super) fn write_report(
    app: &App,
    checks: &[DoctorCheckJson],
    output: Option<&Path>,
) -> Result<CommandOutcome, Error> {
    let report = make_report(app, checks);
    // Our own structs always serialise.
    let value = serde_json::to_value(&report).unwrap_or_default();
    let text = if app.ui.json() {
        format!("{:#}\n", value)
    } else {
        let mut lines = String::new();
        render_value(&value, 0, &mut lines);
        lines
    };
    match output.filter(|path| *path != Path::new("-")) {
        Some(path) => {
            write_atomic(&app.cwd.join(path), text.as_bytes())?;
            app.ui.print_value(path);
        }
        None => app.ui.print_bytes(text.as_bytes()),
    }
    app.ui.status("no paths, names, addresses or values of yours are in it; look it over before you publish it");
    Ok(CommandOutcome::Done)
}

/// A value as lines of `key: value`, nested ones indented, a list of plain values on one line.
fn render_value(value: &Value, depth: usize, lines: &mut String) {
    let Some(object) = value.as_object() else { return };
    // Most often nothing hides what is unknown.
    for (key, value) in object.iter().filter(|(key, value)| *key != "error" || !value.is_null()) {
        let indent = "  ".repeat(depth);
        match value {
            Value::Object(_) => {
                lines.push_str(&format!("{indent}{key}:\n"));
                render_value(value, depth + 1, lines);
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                lines.push_str(&format!("{indent}{key}:\n"));
                for item in items {
                    let fields: Vec<String> = item.as_object().into_iter().flatten().filter_map(named_field).collect();
                    lines.push_str(&format!("{indent}  - {}\n", fields.join(", ")));
                }
            }
            Value::Array(items) => {
                let items: Vec<Cow<'_, str>> = items.iter().map(plain_value).collect();
                let items = if items.is_empty() { "none".into() } else { items.join(", ") };
                lines.push_str(&format!("{indent}{key}: {items}\n"));
            }
            plain => lines.push_str(&format!("{indent}{key}: {}\n", plain_value(plain))),
        }
    }
}

/// A field of an item of a list; none if it says nothing.
fn named_field((key, value): (&String, &Value)) -> Option<String> {
    let is_known = !value.is_null() && *value != Value::Bool(false);
    is_known.then(|| format!("{key}: {}", plain_value(value)))
}

fn plain_value(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => text.into(),
        Value::Null => "unknown".into(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        other => other.to_string().into(),
    }
}

fn make_report(app: &App, checks: &[DoctorCheckJson]) -> DoctorReportJson {
    let repo = Repo::open(&app.cwd, &app.env).ok();
    let project = Project::open(&app.cwd, &app.env).ok();
    DoctorReportJson {
        format: FORMAT,
        programs: report_programs(app, project.as_ref()),
        system: report_system(app),
        repository: repo.as_ref().map(|repo| report_repository(app, repo)),
        hooks: repo.as_ref().and_then(|repo| report_hooks(app, repo)),
        project: project.as_ref().map(|project| report_project(app, project)),
        runs: project.as_ref().map(report_runs),
        checks: checks.iter().map(report_check).collect(),
    }
}

fn report_check(check: &DoctorCheckJson) -> ReportedCheck {
    let found = match &check.found {
        Cow::Borrowed(text) => Some(*text),
        // Put together from values.
        Cow::Owned(_) => None,
    };
    ReportedCheck { name: check.name, state: check.state, code: check.code, found }
}

fn report_programs(app: &App, project: Option<&Project>) -> ReportedPrograms {
    let version_of = |program: &str, before: &str| {
        let cmd = Cmd::new(app.env.find_program(program)?).arg("--version").timeout(Duration::from_secs(20));
        let stdout = cmd.run_checked(&app.env).ok()?.stdout_text();
        platform::leading_numbers(stdout.strip_prefix(before)?)
    };
    let dvc = project.and_then(|project| project.find_dvc().ok());
    // A DVC that cannot be run says nothing; `checks` has the reason.
    let (dvc_python, dvc_packages) = dvc.as_ref().and_then(|dvc| dvc.read_surroundings().ok()).unwrap_or_default();
    let release = dvc.as_ref().and_then(|dvc| dvc.read_supported_release().ok());
    ReportedPrograms {
        capture_hook: env!("CARGO_PKG_VERSION"),
        release_build: !cfg!(debug_assertions),
        git: version_of("git", "git version "),
        python: version_of("python3", "Python "),
        dvc: release.and_then(|release| platform::leading_numbers(&release)),
        dvc_found_by: dvc.map(|dvc| dvc.found_by().source_name()),
        dvc_python,
        dvc_packages,
    }
}

fn report_system(app: &App) -> ReportedSystem {
    let distribution = platform::distribution();
    ReportedSystem {
        os: platform::system_name(),
        kernel: platform::kernel_release(),
        distribution: distribution.as_ref().map(|(name, _)| *name),
        distribution_version: distribution.and_then(|(_, version)| version),
        architecture: platform::architecture(),
        cpus: platform::cpu_count(),
        variables: VARIABLES.iter().copied().filter(|name| app.env.get(name).is_some()).collect(),
    }
}

fn report_repository(app: &App, repo: &Repo) -> ReportedRepository {
    let ask =
        |args: &[&str]| repo.query_git(args.iter().copied()).ok().filter(|o| o.success()).map(|o| o.stdout_text());
    let count_lines = |args: &[&str]| ask(args).map(|text| text.lines().count() as u64);
    let is_set = |key: &str| repo.config_value(key).ok().flatten();
    let is_sha256 = ask(&["rev-parse", "--show-object-format"]).is_some_and(|format| format == "sha256");
    let settings = GIT_SETTINGS.iter().filter_map(|key| {
        let value = is_set(key)?;
        let known = KNOWN_VALUES.iter().find(|known| **known == value.to_ascii_lowercase());
        Some(ReportedSetting { key, value: (*known.unwrap_or(&"set")).to_owned() })
    });
    ReportedRepository {
        object_format: if is_sha256 { "sha256" } else { "sha1" },
        commits: ask(&["rev-list", "--count", "--all"]).and_then(|count| count.parse().ok()),
        branches: count_lines(&["for-each-ref", "--format=x", "refs/heads"]),
        tags: count_lines(&["for-each-ref", "--format=x", "refs/tags"]),
        working_trees: ask(&["worktree", "list", "--porcelain"])
            .map(|text| text.lines().filter(|line| line.starts_with("worktree ")).count() as u64),
        remotes: count_lines(&["remote"]),
        shallow: ask(&["rev-parse", "--is-shallow-repository"]).map(|answer| answer == "true"),
        partial: is_set("extensions.partialclone").is_some(),
        sparse: is_set("core.sparsecheckout").is_some_and(|value| value == "true"),
        dvc_projects: Project::open_all(&app.cwd, &app.env).ok().map(|projects| projects.len() as u64),
        file_system: repo.top().ok().and_then(platform::file_system_name),
        settings: settings.collect(),
    }
}

fn report_hooks(app: &App, repo: &Repo) -> Option<ReportedHooks> {
    let dir = repo.hooks_dir().ok()?;
    let binary = app.binary_path().ok()?;
    let report_hook = |hook: &GitHook| ReportedHook {
        event: hook.event,
        state: match hook.state {
            HookState::Nothing => "missing",
            HookState::Current => "current",
            HookState::Outdated => "outdated",
            HookState::Newer => "newer",
            HookState::Foreign => "foreign",
            HookState::Through(manager) => manager.name(),
            HookState::Loop(_) => "loop",
        },
        calls_another: hook.chained.is_some(),
    };
    Some(ReportedHooks {
        directory: match dir.source {
            _ if dir.disabled => "disabled",
            HooksDirSource::Default => "default",
            HooksDirSource::Repository => "repository",
            HooksDirSource::Outside => "outside",
        },
        events: survey::inspect_hooks(repo, &dir, &binary).ok()?.iter().map(report_hook).collect(),
        managers: repo.top().map(survey::find_managers).unwrap_or_default().into_iter().map(|m| m.name()).collect(),
        merge_drivers: git_config::are_drivers_set(repo, &binary).ok(),
    })
}

fn report_project(app: &App, project: &Project) -> ReportedProject {
    let config = project.read_config().ok();
    let settings = project.dvc_settings().ok();
    let default = settings.and_then(|settings| settings.default_remote());
    let others = settings.into_iter().flat_map(|settings| settings.remotes.values());
    let others = others.filter(|remote| default.is_none_or(|default| default.name != remote.name));
    let cache = settings.map(|settings| ReportedCache {
        location: if path_below(&project.root, &settings.cache_dir).is_some() {
            "repository"
        } else if app.env.get("HOME").is_some_and(|home| path_below(Path::new(home), &settings.cache_dir).is_some()) {
            "home"
        } else {
            "elsewhere"
        },
        file_system: platform::file_system_name(&settings.cache_dir),
        link_types: settings.link_types.iter().map(|link| link.name()).collect(),
        shared: settings.shared,
    });
    ReportedProject {
        at_top: project.prefix.is_empty(),
        engine: config.as_ref().map(|config| match config.engine {
            Engine::Dvc => "dvc",
            Engine::Native => "native",
        }),
        pinned_schemas: config.as_ref().map(|config| config.experiments.len() as u64),
        settings: config.map(|config| set_settings(&config)).unwrap_or_default(),
        cache,
        remotes: default.into_iter().chain(others).map(|remote| remote.kind()).collect(),
        default_remote: settings.map(|settings| settings.default_remote().is_some()),
        settings_for_dvc_alone: settings.map(|settings| settings.unsupported.len() as u64),
    }
}

/// The settings that differ from their defaults. Numbers, flags and the program's own words are shown, no other text.
fn set_settings(config: &Config) -> Vec<ReportedSetting> {
    // Every field, so that a new one is not forgotten. `ReportedProject` has the engine and the experiments.
    let Config {
        minimum_version,
        engine: _,
        results_dir,
        ingest,
        pull,
        push,
        tag,
        gc,
        validate,
        experiments: _,
        dataset,
    } = config;
    let default = Config::default();
    let mut found = Vec::new();
    let mut add = |key, differs: bool, value: String| {
        if differs {
            found.push(ReportedSetting { key, value });
        }
    };
    let policy = match push.policy {
        PushPolicy::Strict => "strict",
        PushPolicy::Warn => "warn",
        PushPolicy::Off => "off",
    };
    let version = minimum_version.as_deref().and_then(platform::leading_numbers);
    let set = || "set".to_owned();
    add("minimum_version", minimum_version.is_some(), version.unwrap_or_else(set));
    add("results_dir", *results_dir != default.results_dir, set());
    let patterns = ingest.include.patterns().len();
    add("ingest.include", patterns > 0, format!("patterns: {patterns}"));
    add("pull.auto", pull.auto != default.pull.auto, pull.auto.to_string());
    add("pull.max_bytes", pull.max_bytes != default.pull.max_bytes, pull.max_bytes.to_string());
    add("push.policy", push.policy != default.push.policy, policy.to_owned());
    add("tag.max_runs", tag.max_runs != default.tag.max_runs, tag.max_runs.to_string());
    add("gc.keep", gc.keep != default.gc.keep, gc.keep.to_string());
    add("validate.ignore", !validate.ignore.is_empty(), known_codes(&validate.ignore));
    add("validate.deny", !validate.deny.is_empty(), known_codes(&validate.deny));
    add("dataset", *dataset != default.dataset, set());
    found
}

/// The codes of findings among these texts, and how many others there are.
fn known_codes(texts: &[String]) -> String {
    let known: Vec<&str> = texts.iter().filter_map(|text| text.parse::<Code>().ok()).map(Code::as_str).collect();
    let others = texts.len() - known.len();
    let rest = (others > 0).then(|| format!("others: {others}"));
    known.into_iter().map(str::to_owned).chain(rest).collect::<Vec<_>>().join(", ")
}

fn report_runs(project: &Project) -> ReportedRuns {
    let catalog = catalog::load_catalog(project).map_err(Error::from);
    let state = project.dataset_state(&GitTree::WorkTree).ok();
    let record = state.as_ref().and_then(|state| state.record.as_ref());
    let mut runs = ReportedRuns {
        recorded: None,
        in_dataset: None,
        in_history: None,
        experiments: None,
        dataset_commits: None,
        run_tags: None,
        files: record.and_then(|record| record.nfiles),
        bytes: record.and_then(|record| record.size),
        selected: state.as_ref().map(|state| state.run_dir().is_some()),
        error: None,
    };
    match &catalog {
        Ok(catalog) => {
            let (mut recorded, mut in_dataset, mut in_history) = (0, 0, 0);
            let mut experiments = std::collections::BTreeSet::new();
            for run in catalog.runs() {
                recorded += u64::from(run.sources.recorded.is_some());
                in_dataset += u64::from(run.sources.in_dataset);
                in_history += u64::from(run.sources.in_history);
                experiments.insert(run.key.experiment().to_owned());
            }
            (runs.recorded, runs.in_dataset, runs.in_history) = (Some(recorded), Some(in_dataset), Some(in_history));
            runs.experiments = Some(experiments.len() as u64);
            runs.dataset_commits = Some(catalog.history.dataset_commits.len() as u64);
            runs.run_tags = Some(catalog.history.tags.len() as u64);
        }
        Err(error) => runs.error = Some(error.code()),
    }
    runs
}

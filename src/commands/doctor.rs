//! `capture-hook doctor`: what is set up, what is missing, how to fix it. Changes nothing.

mod report;
mod screen;

use std::borrow::Cow;
use std::path::PathBuf;

use crate::app::{App, CommandOutcome};
use crate::commit::{TRUST_SETTING, TRUSTED_CMD, ignored};
use crate::dataset::stage::STAGE;
use crate::error::Error;
use crate::git::{ConfiguredHook, HooksDirSource, Repo};
use crate::output::json::{CheckState, DoctorCheckJson, DoctorJson};
use crate::project::{GitTree, PIPELINE_FILE, Project, config, data_dir};
use crate::run::layout;
use crate::setup::git_config::OctopusStrategy;
use crate::setup::survey::{GitHook, HookState};
use crate::setup::{git_config, remote, survey, worktree};
use crate::support::address::without_secret;
use crate::support::process::shell_quote;
use crate::sync::sent;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exits with 1 if something is missing.

Examples:
  capture-hook doctor             after cloning, or when something does not work
  capture-hook doctor --json      for scripts
  capture-hook doctor --report    for a bug report: versions, kinds and counts")]
pub struct Args {
    /// Print what a bug report needs: versions, kinds and counts, without paths, names, addresses or secrets.
    #[arg(long)]
    report: bool,
    /// The file to write the report to; `-` is standard output [default: -].
    #[arg(short, long, value_name = "FILE", requires = "report")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let wait = app.ui.wait("looking at what is set up");
    let checks = run_checks(app);
    drop(wait);
    if args.report {
        return report::write_report(app, &checks, args.output.as_deref());
    }
    let ok = checks.iter().all(|check| check.state != CheckState::Missing);
    if app.ui.json() {
        app.ui.print_json(&DoctorJson { ok, checks: &checks });
    } else {
        app.ui.print_text(&screen::render_checks(&checks, app.ui.table_width()));
    }
    Ok(if ok { CommandOutcome::Done } else { CommandOutcome::CheckFailed })
}

/// A text of a check. One that is not borrowed can hold a path, a name or an address: a report leaves it out.
type Text = Cow<'static, str>;

fn check_ok(name: &'static str, found: impl Into<Text>) -> DoctorCheckJson {
    DoctorCheckJson { name, state: CheckState::Ok, found: found.into(), fix: None, code: None }
}

fn check_note(name: &'static str, found: impl Into<Text>, fix: impl Into<Text>) -> DoctorCheckJson {
    DoctorCheckJson { name, state: CheckState::Note, found: found.into(), fix: Some(fix.into()), code: None }
}

fn check_missing(name: &'static str, found: impl Into<Text>, fix: impl Into<Text>) -> DoctorCheckJson {
    DoctorCheckJson { name, state: CheckState::Missing, found: found.into(), fix: Some(fix.into()), code: None }
}

/// An error with its causes and its first hint, as a check that failed.
fn check_failed(name: &'static str, error: impl Into<Error>, fix: &'static str) -> DoctorCheckJson {
    let error = error.into();
    let text = std::iter::once(error.to_string()).chain(error.cause_messages()).collect::<Vec<_>>().join(": ");
    let fix = error.hints().first().map_or(Text::Borrowed(fix), |hint| Text::Owned(hint.clone()));
    DoctorCheckJson { code: Some(error.code()), ..check_missing(name, text, fix) }
}

fn run_checks(app: &App) -> Vec<DoctorCheckJson> {
    let mut checks = vec![check_ok("capture-hook", own_version(app))];
    let repo = match Repo::open(&app.cwd, &app.env) {
        Ok(repo) => repo,
        // Every other check needs a repository.
        Err(error) => {
            checks.push(check_failed("repository", error, "git init"));
            return checks;
        }
    };
    match repo.query_git(["--version"]) {
        Ok(output) => checks.push(check_ok("git", output.stdout_text().trim_start_matches("git version ").to_owned())),
        Err(error) => checks.push(check_failed("git", error, "install git")),
    }
    checks.push(match repo.top() {
        Ok(top) => check_ok("repository", top.display().to_string()),
        Err(error) => check_failed("repository", error, "git init"),
    });
    checks.extend(check_hooks(app, &repo));
    match Project::open(&app.cwd, &app.env) {
        Ok(project) => checks.extend(check_project(&project)),
        Err(error) => checks.push(check_failed("project", error, "capture-hook init")),
    }
    checks
}

fn own_version(app: &App) -> String {
    // The version is of use without the path too; `check_hooks` reports why there is no path.
    let location = app.binary_path().map(|path| format!(" at {}", path.display())).unwrap_or_default();
    format!("{}{location}", env!("CARGO_PKG_VERSION"))
}

/// For each event, what git will run.
fn check_hooks(app: &App, repo: &Repo) -> Vec<DoctorCheckJson> {
    let (dir, binary) = match (repo.hooks_dir().map_err(Error::from), app.binary_path()) {
        (Ok(dir), Ok(binary)) => (dir, binary),
        (Err(error), _) | (_, Err(error)) => return vec![check_failed("hooks", error, "capture-hook install")],
    };
    if dir.disabled {
        let fix = "remove it from the user's settings, or: git config --unset core.hooksPath";
        return vec![check_missing("hooks", "core.hooksPath is empty: git runs no hook at all", fix)];
    }
    let named = match dir.source {
        HooksDirSource::Default => "",
        HooksDirSource::Repository => " (core.hooksPath of this repository)",
        HooksDirSource::Outside => " (core.hooksPath of the user or the system)",
    };
    let mut checks = vec![check_ok("hooks", format!("{}{named}", dir.path.display()))];
    match survey::inspect_hooks(repo, &dir, &binary) {
        Ok(surveyed) => {
            // Git 2.54 and later also run hooks that its settings name. If these cannot be read, only scripts are
            // reported.
            let configured = repo.configured_hooks().unwrap_or_default();
            checks.extend(surveyed.iter().map(|one| check_hook(one, &configured)));
        }
        Err(error) => checks.push(check_failed("hooks", error, "capture-hook install")),
    }
    checks.push(match git_config::are_drivers_set(repo, &binary) {
        Ok(true) => check_ok("merge drivers", "named in .git/config"),
        Ok(false) => {
            check_missing("merge drivers", "not named in .git/config, or for another binary", "capture-hook install")
        }
        Err(error) => check_failed("merge drivers", error, "capture-hook install"),
    });
    match git_config::octopus_strategy(repo) {
        Ok(OctopusStrategy::Ours) => checks.push(check_ok("octopus merges", "pull.octopus = capture-hook: they use the merge drivers")),
        Ok(OctopusStrategy::Lost) => checks.push(check_missing(
            "octopus merges",
            "pull.octopus names capture-hook, but git-merge-capture-hook is not on PATH, so git refuses to merge several branches",
            "capture-hook install",
        )),
        // Git's own strategy or one that the user chose: nothing to report.
        Ok(OctopusStrategy::Other) => {}
        Err(error) => checks.push(check_failed("octopus merges", error, "capture-hook install")),
    }
    // If there is no top, the check `repository` reports it.
    if let Ok(top) = repo.top() {
        checks.extend(
            survey::find_managers(top)
                .iter()
                .map(|m| check_note("hook manager", "another hook manager is installed", m.advice())),
        );
    }
    checks
}

fn check_hook(hook: &GitHook, configured: &[ConfiguredHook]) -> DoctorCheckJson {
    let of_event = configured.iter().filter(|one| one.event == hook.event);
    let named = of_event.map(|one| format!("{} of git's settings (`{}`)", one.name, one.command));
    let before: Vec<String> = named.chain(hook.chained.iter().map(|path| path.display().to_string())).collect();
    let also: String = before.iter().map(|one| format!("{one}, then ")).collect();
    // Git's settings call us for this event, so the script in the hooks directory need not.
    if matches!(hook.state, HookState::Nothing | HookState::Foreign) && hook.reaches_us(configured) {
        return check_ok(hook.event, before.join(", then "));
    }
    // Before the state: a script that cannot start its program fails, whatever else it calls.
    if let Some(missing_program) = &hook.missing_program {
        let found =
            format!("a script starts {}, which does not exist: {}", missing_program.display(), what_fails(hook.event));
        let fix = match &hook.chained {
            Some(kept_hook) => format!("install it and its hooks again, or remove it: rm {}", shell_quote(kept_hook)),
            None => "install it and its hooks again".into(),
        };
        return check_missing(hook.event, found, fix);
    }
    match hook.state {
        HookState::Through(manager) => {
            check_ok(hook.event, format!("{}'s script, which calls capture-hook", manager.name()))
        }
        HookState::Loop(manager) => check_missing(
            hook.event,
            format!(
                "{}'s script and an older script of ours call each other: {}",
                manager.name(),
                what_fails(hook.event)
            ),
            "capture-hook install",
        ),
        HookState::Current => check_ok(hook.event, format!("{also}capture-hook")),
        HookState::Outdated => check_note(
            hook.event,
            format!("{also}capture-hook, written by another version or program"),
            "capture-hook install",
        ),
        HookState::Newer => check_note(
            hook.event,
            format!("{also}capture-hook, written by a newer version"),
            "install a newer capture-hook, or write the hooks of this one: capture-hook install",
        ),
        HookState::Foreign => check_missing(
            hook.event,
            "another hook, which does not call capture-hook",
            "keep it and add ours: capture-hook install",
        ),
        HookState::Nothing => check_missing(hook.event, "not installed", "capture-hook install"),
    }
}

/// What a hook that always fails stops.
fn what_fails(event: &str) -> &'static str {
    match event {
        "pre-commit" | "prepare-commit-msg" | "commit-msg" => "every commit fails now",
        "pre-push" => "every push fails now",
        _ => "it fails each time",
    }
}

fn check_project(project: &Project) -> Vec<DoctorCheckJson> {
    let mut checks = vec![check_ok("project", project.root.display().to_string())];
    match project.find_dvc() {
        Ok(dvc) => {
            checks.push(match dvc.read_supported_release() {
                Ok(version) => check_ok(
                    "DVC",
                    format!("{version} at {}, found by {}", dvc.path().display(), dvc.found_by().source_name()),
                ),
                Err(error) => check_failed("DVC", error, "install DVC again"),
            });
            for (path, why) in dvc.passed_over() {
                let fix = "remove it from PATH, or make its environment again outside of the repository";
                checks.push(check_note("another DVC", format!("cannot run {}: {why}", path.display()), fix));
            }
        }
        Err(error) => checks.push(check_failed("DVC", error, "pipx install dvc")),
    }
    checks.extend(check_pipeline(project));
    checks.extend(check_ignore_rules(project));
    checks.extend(check_storage(project));
    checks.push(match project.read_config() {
        Ok(config) if config == config::Config::default() => check_ok("settings", "all defaults"),
        Ok(_) => check_ok("settings", format!("{} (capture-hook config list)", config::FILE)),
        Err(error) => check_failed("settings", error, "capture-hook config list"),
    });
    checks
}

/// The stage, its parameters, and whether git holds the dataset too.
fn check_pipeline(project: &Project) -> Vec<DoctorCheckJson> {
    let state = match project.dataset_state(&GitTree::WorkTree) {
        Ok(state) => state,
        Err(error) => return vec![check_failed("stage", error, "capture-hook init")],
    };
    let Some(stage) = &state.stage else {
        return vec![check_missing("stage", format!("no {} in {}", STAGE, PIPELINE_FILE), "capture-hook init")];
    };
    let command = stage.stage.command_text();
    // Only this clone's own file counts, which no cloned repository can write. If it cannot be read, nothing is
    // trusted.
    let trusted = project.repo.local_config(TRUST_SETTING).ok().flatten();
    let mut checks = vec![if let Some(why) = stage.why_unversioned() {
        check_failed("stage", why, "dvc stage list")
    } else if command == TRUSTED_CMD || trusted.as_deref() == Some(command.as_str()) {
        check_ok("stage", format!("{} runs `{command}`", STAGE))
    } else {
        let fix = format!("if you trust it: git config {TRUST_SETTING} {}", shell_quote(&command));
        check_missing("stage", format!("runs `{command}`, which our hooks do not start"), fix)
    }];
    checks.push(match state.run_dir() {
        Some(run) => check_ok("selected run", run.to_owned()),
        None => check_note("selected run", "none", "capture-hook select latest"),
    });
    // An index that cannot be read is no proof that git tracks the dataset, so an error counts as `false` below.
    let is_tracked = project.repo.index_holds_below(&project.git_path(&stage.out_dir));
    checks.push(if let Err(error) = data_dir::check_dataset_dir(project, &stage.out_dir) {
        check_failed("dataset", error, "capture-hook config list")
    } else if is_tracked.unwrap_or(false) {
        let fix = format!("git rm -r --cached {}", shell_quote(&stage.out_dir));
        check_missing("dataset", format!("git tracks files in {} too, which DVC versions", stage.out_dir), fix)
    } else {
        match &state.record {
            Some(dataset_record) => {
                check_ok("dataset", format!("{}, version {}", dataset_record.out_dir, dataset_record.version))
            }
            None => {
                check_note("dataset", format!("{}, nothing ingested yet", stage.out_dir), "capture-hook publish RUN")
            }
        }
    });
    checks
}

/// Whether DVC's ignore rules would leave files of a run out of the dataset. DVC is asked only if there are rules.
fn check_ignore_rules(project: &Project) -> Option<DoctorCheckJson> {
    const NAME: &str = "ignore rules";
    const FILES: [&str; 7] = [
        layout::RUN_JSON,
        layout::STEPS,
        layout::EPISODES,
        layout::MANIFEST,
        layout::STEPS_PARQUET,
        layout::EPISODES_PARQUET,
        layout::DATASET_INDEX,
    ];
    // `check_pipeline` reports a stage that is missing or cannot be read.
    let stage = project.dataset_state(&GitTree::WorkTree).ok()?.stage?;
    // The experiment: the last directory but one of the selected run.
    let selected = stage.run_dir.as_deref().and_then(|dir| dir.trim_end_matches('/').rsplit('/').nth(1));
    let folder = format!("{}/{}", stage.out_dir, selected.unwrap_or("experiment"));
    let rule_files = match ignored::list_rule_files(project, &folder) {
        Ok(files) if files.is_empty() => return None,
        Ok(files) => files.join(", "),
        Err(error) => return Some(check_failed(NAME, error, "look at this path")),
    };
    let probes = FILES.map(|name| format!("{folder}/run/{name}"));
    Some(match ignored::ask_ignored(project, &probes) {
        Ok(ignored) => match ignored.first() {
            None => check_ok(NAME, format!("{rule_files}: no rule matches a run's files")),
            Some(first) => {
                let names: Vec<&str> = ignored.iter().filter_map(|one| one.path.rsplit('/').next()).collect();
                let found = format!("{} excludes {} of every run from the dataset", first.rule, names.join(", "));
                check_missing(NAME, found, "remove the rule, or add an exception for the dataset's files")
            }
        },
        Err(error) => check_failed(NAME, error, "dvc check-ignore"),
    })
}

/// The cache and the remote.
fn check_storage(project: &Project) -> Vec<DoctorCheckJson> {
    let settings = match project.dvc_settings() {
        Ok(settings) => settings,
        Err(error) => return vec![check_failed("cache", error, "dvc config --list")],
    };
    let types: Vec<&str> = settings.link_types.iter().map(|link| link.name()).collect();
    let cache = format!("{}, linked by {}", settings.cache_dir.display(), types.join(", "));
    let mut checks = vec![if settings.cache_is_tracked {
        let fix =
            "remove it from git with `git rm -r --cached DIR`, or take another one: dvc cache dir --local .dvc/cache";
        check_missing("cache", format!("{cache}; git tracks files of it, so hooks check out no data"), fix)
    } else {
        check_ok("cache", cache)
    }];
    if let Ok(Some(shared)) = worktree::find_shared_cache(project)
        && shared != settings.cache_dir
    {
        let found =
            format!("{} is this working tree's own; the clone's is {}", settings.cache_dir.display(), shared.display());
        let fix = "unless you named it in .dvc/config.local yourself: capture-hook install";
        checks.push(check_missing("shared cache", found, fix));
    }
    checks.extend(check_remote(project));
    checks
}

/// The default remote: whether it is there, whether DVC can reach it, whether others know of it.
fn check_remote(project: &Project) -> Vec<DoctorCheckJson> {
    const NAME: &str = "remote";
    // `check_storage` reports settings that cannot be read, and does not call this function then.
    let Some(remote) = project.dvc_settings().ok().and_then(|settings| settings.default_remote()) else {
        let fix = "capture-hook init --remote URL";
        return vec![check_missing(NAME, "no default remote: data stays on this machine", fix)];
    };
    let shown = format!("{}: {}", remote.name, without_secret(&remote.url));
    // If there is no DVC to ask, the check `DVC` reports it.
    let plugin = project.find_dvc().map_or(Ok(None), |dvc| dvc.missing_plugin(remote));
    let mut checks = vec![match plugin {
        Ok(Some(plugin)) => {
            check_missing(NAME, format!("{shown}, which DVC cannot reach without {}", plugin.package), plugin.install)
        }
        Ok(None) => match (sent::find_absent_remote(project), sent::find_missing_remote_dir(project)) {
            (Ok(Some(absent)), _) => check_note(NAME, absent.to_string(), absent.hints().join("; ")),
            (_, Ok(Some(_))) => check_note(NAME, format!("{shown} does not exist yet"), "make it: capture-hook push"),
            // An error is no proof that the remote is absent.
            _ => check_ok(NAME, shown),
        },
        Err(error) => check_failed(NAME, error, "dvc version"),
    }];
    if let Ok(Some(why)) = remote::find_uncommitted_remote(project) {
        checks.push(check_note(NAME, why.to_string(), why.command()));
    }
    checks
}

//! `capture-hook doctor`: what is set up, what is missing, how to mend it.
//!
//! Changes nothing. Each check says what it found; what is missing comes with the command that mends it.

use serde::Serialize;

use crate::app::{App, Outcome};
use crate::commit::{TRUST_SETTING, TRUSTED_CMD};
use crate::dvc::absent::AbsentRemote;
use crate::dvc::settings::Settings;
use crate::dvc::{ignore, stage};
use crate::error::Error;
use crate::git::{ConfiguredHook, HooksDirSource, Repo};
use crate::output::Text;
use crate::project::{Project, Source, config};
use crate::run::layout;
use crate::setup::hooks::Octopus;
use crate::setup::survey::{Hook, Standing};
use crate::setup::{hooks, survey};
use crate::support::address::without_secret;
use crate::support::process::quoted;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exits with 1 where something is missing.

Examples:
  capture-hook doctor             after cloning, or when something does not work
  capture-hook doctor --json      for scripts")]
pub struct Args {}

/// Runs the command.
pub fn run(app: &App, _args: &Args) -> Result<Outcome, Error> {
    let checks = examine(app);
    let ok = checks.iter().all(|check| check.state != State::Missing);
    if app.ui.json() {
        app.ui.data_json(&Told { ok, checks: &checks });
    } else {
        for check in &checks {
            app.ui.data(&text(check));
        }
    }
    Ok(if ok { Outcome::Done } else { Outcome::CheckFailed })
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// Works, but worth a look.
    Note,
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    found: String,
    mend: Option<String>,
}

#[derive(Serialize)]
struct Told<'a> {
    ok: bool,
    checks: &'a [Check],
}

fn ok(name: &'static str, found: impl Into<String>) -> Check {
    Check { name, state: State::Ok, found: found.into(), mend: None }
}

fn note(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Check {
    Check { name, state: State::Note, found: found.into(), mend: Some(mend.into()) }
}

fn missing(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Check {
    Check { name, state: State::Missing, found: found.into(), mend: Some(mend.into()) }
}

/// What an error says, as a check that failed.
fn failed(name: &'static str, error: impl Into<Error>, mend: &str) -> Check {
    let error = error.into();
    let text = std::iter::once(error.to_string()).chain(error.causes()).collect::<Vec<_>>().join(": ");
    missing(name, text, error.hints().first().map_or(mend, String::as_str))
}

fn text(check: &Check) -> Text {
    use anstyle::{AnsiColor, Style};
    let (mark, style) = match check.state {
        State::Ok => ("ok", AnsiColor::Green.on_default()),
        State::Note => ("note", AnsiColor::Yellow.on_default()),
        State::Missing => ("missing", AnsiColor::Red.on_default().bold()),
    };
    let dim = Style::new().dimmed();
    let mut out = Text::new();
    out.styled(style, format!("{mark:<8}")).add(format!("{:<19}{}", check.name, check.found)).end_line();
    if let Some(mend) = &check.mend {
        out.add(" ".repeat(27)).styled(dim, "mend:").add(format!(" {mend}")).end_line();
    }
    out
}

fn examine(app: &App) -> Vec<Check> {
    let mut checks = vec![ok("capture-hook", own_version(app))];
    let repo = match Repo::open(&app.cwd, &app.env) {
        Ok(repo) => repo,
        Err(error) => {
            checks.push(failed("repository", error, "git init"));
            return checks;
        }
    };
    match repo.query(["--version"]) {
        Ok(output) => checks.push(ok("git", output.text().trim_start_matches("git version ").to_owned())),
        Err(error) => checks.push(failed("git", error, "install git")),
    }
    checks.push(match repo.top() {
        Ok(top) => ok("repository", top.display().to_string()),
        Err(error) => failed("repository", error, "git init"),
    });
    checks.extend(hooks(app, &repo));
    match Project::open(&app.cwd, &app.env) {
        Ok(project) => checks.extend(project_checks(&project)),
        Err(error) => checks.push(failed("project", error, "capture-hook init")),
    }
    checks
}

fn own_version(app: &App) -> String {
    let place = app.binary().map(|path| format!(" at {}", path.display())).unwrap_or_default();
    format!("{}{place}", env!("CARGO_PKG_VERSION"))
}

/// For each event, what git will run.
fn hooks(app: &App, repo: &Repo) -> Vec<Check> {
    let (dir, binary) = match (repo.hooks_dir().map_err(Error::from), app.binary()) {
        (Ok(dir), Ok(binary)) => (dir, binary),
        (Err(error), _) | (_, Err(error)) => return vec![failed("hooks", error, "capture-hook install")],
    };
    if dir.disabled {
        let mend = "git config --unset core.hooksPath, or remove it from the user's settings";
        return vec![missing("hooks", "core.hooksPath is empty: git runs no hook at all", mend)];
    }
    let named = match dir.source {
        HooksDirSource::Default => "",
        HooksDirSource::Repository => " (core.hooksPath of this repository)",
        HooksDirSource::Outside => " (core.hooksPath of the user or the system)",
    };
    let mut checks = vec![ok("hooks", format!("{}{named}", dir.path.display()))];
    match survey::survey(repo, &dir, &binary) {
        Ok(found) => {
            let configured = repo.configured_hooks().unwrap_or_default();
            checks.extend(found.iter().map(|one| hook(one, &configured)));
        }
        Err(error) => checks.push(failed("hooks", error, "capture-hook install")),
    }
    checks.push(match hooks::drivers_set(repo, &binary) {
        Ok(true) => ok("merge drivers", "named in .git/config"),
        Ok(false) => {
            missing("merge drivers", "not named in .git/config, or for another binary", "capture-hook install")
        }
        Err(error) => failed("merge drivers", error, "capture-hook install"),
    });
    match hooks::octopus(repo) {
        Ok(Octopus::Ours) => checks.push(ok("octopus merges", "pull.octopus = capture-hook: they ask the merge drivers")),
        Ok(Octopus::Lost) => checks.push(missing(
            "octopus merges",
            "pull.octopus names capture-hook, and there is no git-merge-capture-hook on PATH: git refuses to merge several branches",
            "capture-hook install",
        )),
        Ok(Octopus::Other) => {}
        Err(error) => checks.push(failed("octopus merges", error, "capture-hook install")),
    }
    if let Ok(top) = repo.top() {
        checks.extend(survey::managers(top).iter().map(|m| note("hook manager", "there is another", m.advice())));
    }
    checks
}

fn hook(hook: &Hook, configured: &[ConfiguredHook]) -> Check {
    let here = configured.iter().filter(|one| one.event == hook.event);
    let named = here.map(|one| format!("{} of git's settings (`{}`)", one.name, one.command));
    let before: Vec<String> = named.chain(hook.chained.iter().map(|path| path.display().to_string())).collect();
    let also: String = before.iter().map(|one| format!("{one}, then ")).collect();
    if matches!(hook.standing, Standing::Nothing | Standing::Foreign) && hook.reaches_us(configured) {
        return ok(hook.event, before.join(", then "));
    }
    if let Some(gone) = &hook.gone {
        let found = format!("a script here starts {}, which is not there: {}", gone.display(), what_fails(hook.event));
        let mend = match &hook.chained {
            Some(kept) => format!("install it again, and its hooks; to do without: rm {}", quoted(kept)),
            None => "install it again, and its hooks".into(),
        };
        return missing(hook.event, found, mend);
    }
    match hook.standing {
        Standing::Through(manager) => ok(hook.event, format!("{}'s script, which calls capture-hook", manager.name())),
        Standing::Loop(manager) => missing(
            hook.event,
            format!(
                "{}'s script and an older shim of ours call each other: {}",
                manager.name(),
                what_fails(hook.event)
            ),
            "capture-hook install",
        ),
        Standing::Current => ok(hook.event, format!("{also}capture-hook")),
        Standing::Outdated => note(
            hook.event,
            format!("{also}capture-hook, written by another version or binary"),
            "capture-hook install",
        ),
        Standing::Foreign => missing(
            hook.event,
            "another hook, which does not call capture-hook",
            "capture-hook install keeps it and adds ours",
        ),
        Standing::Nothing => missing(hook.event, "nothing runs", "capture-hook install"),
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

fn project_checks(project: &Project) -> Vec<Check> {
    let mut checks = vec![ok("project", project.root.display().to_string())];
    match project.dvc() {
        Ok(dvc) => {
            checks.push(match dvc.version_text() {
                Ok(version) => {
                    ok("DVC", format!("{version} at {}, found by {}", dvc.path().display(), dvc.found_by().words()))
                }
                Err(error) => failed("DVC", error, "install DVC again"),
            });
            for (path, why) in dvc.passed_over() {
                let mend = "take it off PATH, or make its environment anew outside of what git has had to do with";
                checks.push(note("another DVC", format!("{} is not run: {why}", path.display()), mend));
            }
        }
        Err(error) => checks.push(failed("DVC", error, "pipx install dvc")),
    }
    checks.extend(pipeline(project));
    checks.extend(left_out(project));
    checks.extend(storage(project));
    checks.push(match project.config() {
        Ok(held) if held == config::Config::default() => ok("settings", "all defaults"),
        Ok(_) => ok("settings", format!("{} (capture-hook config list)", config::FILE)),
        Err(error) => failed("settings", error, "capture-hook config list"),
    });
    checks
}

/// The stage, its parameters, and whether git holds the dataset too.
fn pipeline(project: &Project) -> Vec<Check> {
    let state = match project.state(&Source::WorkTree) {
        Ok(state) => state,
        Err(error) => return vec![failed("stage", error, "capture-hook init")],
    };
    let Some(wanted) = &state.wanted else {
        return vec![missing("stage", format!("no {} in {}", stage::STAGE, stage::FILE), "capture-hook init")];
    };
    let command = wanted.stage.command();
    let trusted = project.repo.local_config(TRUST_SETTING).ok().flatten();
    let mut checks = vec![if let Some(why) = wanted.unversioned() {
        failed("stage", why, "dvc stage list")
    } else if command == TRUSTED_CMD || trusted.as_deref() == Some(command.as_str()) {
        ok("stage", format!("{} runs `{command}`", stage::STAGE))
    } else {
        let mend = format!("if you trust it: git config {TRUST_SETTING} {}", quoted(&command));
        missing("stage", format!("runs `{command}`, which our hooks do not start"), mend)
    }];
    checks.push(match state.run_dir() {
        Some(run) => ok("selected run", run.to_owned()),
        None => note("selected run", "none", "capture-hook select latest"),
    });
    let held = project.repo.index_holds_below(&project.git_path(&wanted.out_dir));
    checks.push(if let Err(error) = project.check_dataset_dir(&wanted.out_dir) {
        failed("dataset", error, "capture-hook config list")
    } else if held.unwrap_or(false) {
        let mend = format!("git rm -r --cached {}", quoted(&wanted.out_dir));
        missing("dataset", format!("git tracks files in {} too, which DVC versions", wanted.out_dir), mend)
    } else {
        match &state.locked {
            Some(locked) => ok("dataset", format!("{}, version {}", locked.out_dir, locked.version)),
            None => note("dataset", format!("{}, nothing ingested yet", wanted.out_dir), "capture-hook publish RUN"),
        }
    });
    checks
}

/// Whether DVC's ignore rules would leave files of a run out of the dataset. DVC is asked only where there are rules.
fn left_out(project: &Project) -> Option<Check> {
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
    let wanted = project.state(&Source::WorkTree).ok()?.wanted?;
    let selected = wanted.run_dir.as_deref().and_then(|dir| dir.trim_end_matches('/').rsplit('/').nth(1));
    let folder = format!("{}/{}", wanted.out_dir, selected.unwrap_or("experiment"));
    let rule_files = match ignore::rule_files(project.files(), &folder) {
        Ok(files) if files.is_empty() => return None,
        Ok(files) => files.join(", "),
        Err(error) => return Some(failed(NAME, error, "see what lies there")),
    };
    let probes = FILES.map(|name| format!("{folder}/run/{name}"));
    Some(match project.dvc().and_then(|dvc| ignore::ignored(&dvc, &probes)) {
        Ok(ignored) => match ignored.first() {
            None => ok(NAME, format!("{rule_files}: none meets a run's files")),
            Some(first) => {
                let names: Vec<&str> = ignored.iter().filter_map(|one| one.path.rsplit('/').next()).collect();
                let found = format!("{} leaves {} of every run out of the dataset", first.rule, names.join(", "));
                missing(NAME, found, "take the rule out, or add a line that excepts the dataset's files")
            }
        },
        Err(error) => failed(NAME, error, "dvc check-ignore"),
    })
}

/// The cache and the remote.
fn storage(project: &Project) -> Vec<Check> {
    let settings = match project.dvc_settings() {
        Ok(settings) => settings,
        Err(error) => return vec![failed("cache", error, "dvc config --list")],
    };
    let types: Vec<String> = settings.link_types.iter().map(|t| format!("{t:?}").to_lowercase()).collect();
    let cache = format!("{}, linked by {}", settings.cache_dir.display(), types.join(", "));
    let mut checks = vec![if settings.cache_is_tracked {
        let mend = "dvc cache dir --local .dvc/cache, or take it out of git: git rm -r --cached DIR";
        missing("cache", format!("{cache}; git tracks files of it, so no checkout brings data unasked"), mend)
    } else {
        ok("cache", cache)
    }];
    if let Ok(Some(shared)) = project.shared_cache()
        && shared != settings.cache_dir
    {
        let found =
            format!("{} is this working tree's own; the clone's is {}", settings.cache_dir.display(), shared.display());
        checks.push(missing(
            "shared cache",
            found,
            "capture-hook install, unless you named it in .dvc/config.local yourself",
        ));
    }
    checks.extend(remote(project, settings));
    checks
}

/// The default remote: whether it is there, whether DVC can reach it, whether others know of it.
fn remote(project: &Project, settings: &Settings) -> Vec<Check> {
    const NAME: &str = "remote";
    let Some(remote) = settings.remote() else {
        let mend = "capture-hook init --remote URL";
        return vec![missing(NAME, "no default remote: data stays on this machine", mend)];
    };
    let shown = format!("{}: {}", remote.name, without_secret(&remote.url));
    // That there is no DVC to ask is told elsewhere.
    let plugin = project.dvc().map_or(Ok(None), |dvc| dvc.missing_plugin(remote));
    let mut checks = vec![match plugin {
        Ok(Some(plugin)) => {
            missing(NAME, format!("{shown}, which DVC cannot reach without {}", plugin.package), plugin.install)
        }
        Ok(None) => match (project.absent_remote(), AbsentRemote::of(settings)) {
            (Ok(Some(absent)), _) => note(NAME, absent.to_string(), absent.hints().join("; ")),
            (_, Some(_)) => note(NAME, format!("{shown} is not there yet"), "capture-hook push makes it"),
            _ => ok(NAME, shown),
        },
        Err(error) => failed(NAME, error, "dvc version"),
    }];
    if let Ok(Some(why)) = project.uncommitted_remote() {
        checks.push(note(NAME, why.to_string(), why.command()));
    }
    checks
}

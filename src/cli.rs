//! The command line: arguments, dispatch to a command, printing its error, the exit code. No other logic; a command's
//! own arguments stand in its file.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::CompleteEnv;

use crate::app::{App, CommandOutcome};
use crate::commands;
use crate::dvc::guard;
use crate::dvc::guard::ShellCall;
use crate::error::{Error, ExitKind};
use crate::output::{ColorWhen, Ui, UiOptions, help};
use crate::support::apart;
use crate::support::call_log::CallLog;
use crate::support::env::Env;
use crate::support::prompts::PromptPolicy;
use crate::support::text::find_near;
use crate::support::this_process::working_dir;
use crate::support::visible::is_hidden;

/// Version, validate and find simulation runs, with git and DVC.
#[derive(Debug, Parser)]
#[command(
    name = "capture-hook",
    version,
    propagate_version = true,
    disable_help_flag = true,
    disable_version_flag = true
)]
pub struct Cli {
    /// Run as if started in DIR.
    // With an id of its own: clap would give it the value of a command's argument called `dir`.
    #[arg(id = "working_dir", short = 'C', value_name = "DIR", global = true, help_heading = help::GLOBAL)]
    pub dir: Option<PathBuf>,
    /// Print results and errors as JSON.
    #[arg(long, global = true, help_heading = help::GLOBAL)]
    pub json: bool,
    /// Print results and errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = help::GLOBAL)]
    pub quiet: bool,
    /// Also print each program that is called, its time and its exit code.
    #[arg(short, long, global = true, help_heading = help::GLOBAL)]
    pub verbose: bool,
    /// Use colours: auto, always or never.
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto", hide_possible_values = true,
          hide_default_value = true, help_heading = help::GLOBAL)]
    pub color: ColorWhen,
    /// Print help.
    #[arg(short, long, global = true, action = ArgAction::Help, help_heading = help::GLOBAL)]
    help: Option<bool>,
    /// Print the version.
    #[arg(short = 'V', long, global = true, action = ArgAction::Version, help_heading = help::GLOBAL)]
    version: Option<bool>,
    /// What to do.
    #[command(subcommand)]
    pub command: CliCommand,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Set up a repository: DVC, the stage, params.yaml, ignore rules, merge drivers, hooks.
    Init(commands::init::Args),
    /// Install the git hooks.
    Install(commands::install::Args),
    /// Remove the git hooks, and restore earlier ones.
    Uninstall(commands::uninstall::Args),
    /// Validate a run and select it in params.yaml.
    Select(commands::select::Args),
    /// Validate runs: every byte of every shard, every rule.
    Validate(commands::validate::Args),
    /// Write the manifest.json of a run that has none.
    Manifest(commands::manifest::Args),
    /// Infer, show, check, compare and add schemas: which columns a run has.
    Schema(commands::schema::Args),
    /// Put the selected run into the dataset (the stage's command).
    Ingest(commands::ingest::Args),
    /// Select, commit, and push runs: data first, then git.
    Publish(commands::publish::Args),
    /// Push the data of commits to the DVC remote.
    Push(commands::push::Args),
    /// Resolve a run that both sides of a merge changed, and merge all others.
    Resolve(commands::resolve::Args),
    /// Take runs out of the dataset, by one commit.
    Remove(commands::remove::Args),
    /// Put removed runs back into the dataset, by one commit.
    Restore(commands::restore::Args),
    /// Drop the local copies of runs that are on the remote.
    Forget(commands::forget::Args),
    /// Show what space of old data can be freed, and free it.
    Gc(commands::gc::Args),
    /// Remove the bytes of runs for good, here and on the remote.
    Erase(commands::erase::Args),
    /// Check that commits, trailers and tags are right, for CI.
    Check(commands::check::Args),
    /// Make missing run tags again from history.
    Tag(commands::tag::Args),
    /// Show how far the selected run is, and the next command.
    Status(commands::status::Args),
    /// List all known runs: recorded, in the dataset, in history.
    Runs(commands::runs::Args),
    /// List the data versions in history.
    Log(commands::log::Args),
    /// Show one run: metadata, provenance, metrics.
    Show(commands::show::Args),
    /// Compare two runs: configuration, seeds, metrics.
    Diff(commands::diff::Args),
    /// Fetch the dataset, or some runs of it, and check it out.
    Pull(commands::pull::Args),
    /// Copy one run, of any revision, into any directory.
    Get(commands::get::Args),
    /// Export runs for other tools and archives: RO-Crate, Croissant, Hugging Face, in-toto.
    Export(commands::export::Args),
    /// Verify data against manifests and dvc.lock, byte by byte.
    Verify(commands::verify::Args),
    /// Sign a statement of a run's files and origin, with the key that signs your commits.
    Attest(commands::attest::Args),
    /// Draw a run: trajectories, reward and distance.
    Plot(commands::plot::Args),
    /// Make one HTML file of all runs: tables, comparisons, curves, provenance.
    Report(commands::report::Args),
    /// Show what is set up, what is missing, and how to fix it.
    Doctor(commands::doctor::Args),
    /// Read and change settings.
    Config(commands::config::Args),
    /// Show the whole workflow in a temporary repository.
    Demo(commands::demo::Args),
    /// Print shell completions.
    Completions(commands::completions::Args),
    /// Print the manual page, or write all of them.
    Man(commands::man::Args),
    /// Run a git hook (called by the installed hooks).
    #[command(hide = true)]
    Hook(commands::hook::Args),
    /// Merge dvc.lock or params.yaml (called by git).
    #[command(hide = true)]
    MergeDriver(commands::merge_driver::Args),
}

/// The exit code of shells for a program that cannot be started.
const NOT_STARTED: u8 = 127;

/// Parses the command line, runs the command, prints its error, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(report_panic));
    // First of all: a hook starts programs that could prompt through this one (`support::prompts`).
    if let Some(error) = apart::exec_if_requested(std::env::args_os()) {
        Ui::new(UiOptions::default()).error(&error.into());
        return ExitCode::from(NOT_STARTED);
    }
    // A shell that asks for completions must get nothing else on stdout.
    let current_dir = working_dir().ok();
    let asked = CompleteEnv::with_factory(|| commands::complete::guard_paths(Cli::command()))
        .var(commands::completions::VARIABLE)
        .try_complete(std::env::args_os(), current_dir.as_deref());
    if let Ok(true) = asked {
        return ExitCode::SUCCESS;
    }
    if let Some(asked) = guard::parse_shell_call(&std::env::args_os().collect::<Vec<_>>(), &Env::snapshot()) {
        return run_as_shell(asked);
    }
    let cli = match parse_hook_call(std::env::args_os()).map_or_else(parse_command_line, Ok) {
        Ok(cli) => cli,
        Err(error) => return report_parse_error(&suggest_commands(error)),
    };
    let ui = Ui::new(UiOptions { json: cli.json, quiet: cli.quiet, verbose: cli.verbose, color: cli.color });
    match dispatch_command(cli, ui.clone()) {
        Ok(CommandOutcome::Done) => ExitCode::SUCCESS,
        Ok(CommandOutcome::CheckFailed) => ExitCode::from(ExitKind::CheckFailed.exit_code()),
        Err(error) => {
            ui.error(&error);
            ExitCode::from(error.exit_kind().exit_code())
        }
    }
}

fn parse_command_line() -> Result<Cli, clap::Error> {
    let mut command = help::arrange(Cli::command(), help::help_width(&Env::snapshot()));
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// The command line of a shim, `hook EVENT ARG…` without options, parsed here: to describe every command and option to
/// clap takes a fifth of the time of a hook that finds nothing to do. `None` for every other command line.
fn parse_hook_call(mut args: impl Iterator<Item = OsString>) -> Option<Cli> {
    args.by_ref().nth(1).filter(|command| command == "hook")?;
    let event = args.next()?.into_string().ok()?;
    let args: Vec<OsString> = args.collect();
    let is_option = |arg: &[u8]| arg.starts_with(b"-");
    if is_option(event.as_bytes()) || args.iter().any(|arg| is_option(arg.as_encoded_bytes())) {
        return None;
    }
    let command = CliCommand::Hook(commands::hook::Args { event, args });
    Some(Cli {
        dir: None,
        json: false,
        quiet: false,
        verbose: false,
        color: ColorWhen::default(),
        help: None,
        version: None,
        command,
    })
}

/// Runs as the shell of DVC: only the command that was checked before is run, for safety.
fn run_as_shell(request: ShellCall) -> ExitCode {
    let error = match request {
        ShellCall::Allowed(cmd, env) => Error::from(cmd.exec_program(&env)),
        ShellCall::Other { command, allowed: judged } => {
            let message = format!("DVC would run `{command}`, which is not the command that was checked: `{judged}`");
            Error::new(ExitKind::Setup, "stage_command_differs", message)
                .hint("see how DVC reads dvc.yaml with `dvc stage list`")
        }
    };
    Ui::new(UiOptions::default()).error(&error);
    ExitCode::from(error.exit_kind().exit_code())
}

/// Adds similar commands to the error for a mistyped one: clap's own measure counts swapped letters as very different.
fn suggest_commands(mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand).cloned() {
        let command = Cli::command();
        let names = command.get_subcommands().filter(|command| !command.is_hide_set()).map(clap::Command::get_name);
        let nearest: Vec<String> =
            find_near(&typed, names.map(|name| (name, name))).into_iter().map(str::to_owned).collect();
        if !nearest.is_empty() {
            error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(nearest));
        }
    }
    error
}

/// Prints help and version on stdout, a wrong command line on stderr; as JSON if `--json` was given.
fn report_parse_error(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A closed pipe is not an error.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    // The arguments could not be parsed, so `--json` is looked for by itself.
    let json = std::env::args_os().any(|arg| arg == "--json");
    if json || text.contains(|c| c != '\n' && is_hidden(c)) {
        let ui = Ui::new(UiOptions { json, ..UiOptions::default() });
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let hints: Vec<&str> = lines.collect();
        ui.error(&Error::new(ExitKind::Usage, "usage", message).hint(hints.join("\n")));
    } else {
        // By clap itself, with its colours; a closed pipe is not an error.
        let _ = error.print();
    }
    ExitCode::from(ExitKind::Usage.exit_code())
}

/// Prints a panic like every other error, because a hook's user meets it in the middle of a commit.
fn report_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let error = Error::new(ExitKind::Io, "panic", format!("capture-hook failed unexpectedly: {panic}"))
        .hint("report this bug of capture-hook, with the command that you typed");
    Ui::new(UiOptions::default()).error(&error);
}

fn dispatch_command(cli: Cli, ui: Ui) -> Result<CommandOutcome, Error> {
    let current_dir =
        working_dir().map_err(|e| Error::new(ExitKind::Io, "io", format!("cannot read the working directory: {e}")))?;
    let cwd = match cli.dir {
        Some(dir) => current_dir.join(dir),
        None => current_dir,
    };
    let prompts = match cli.command {
        CliCommand::Hook(_) | CliCommand::MergeDriver(_) => PromptPolicy::for_hook(),
        _ => PromptPolicy::OnTerminal,
    };
    let mut env = Env::snapshot().with_prompts(prompts);
    if cli.verbose {
        let ui = ui.clone();
        env = env.logging(CallLog::to(move |line| ui.detail(line)));
    }
    let app = App { cwd, env, ui, command: Cli::command };
    match cli.command {
        CliCommand::Init(args) => commands::init::run(&app, &args),
        CliCommand::Install(args) => commands::install::run(&app, &args),
        CliCommand::Uninstall(args) => commands::uninstall::run(&app, &args),
        CliCommand::Select(args) => commands::select::run(&app, &args),
        CliCommand::Validate(args) => commands::validate::run(&app, &args),
        CliCommand::Manifest(args) => commands::manifest::run(&app, &args),
        CliCommand::Schema(args) => commands::schema::run(&app, &args),
        CliCommand::Ingest(args) => commands::ingest::run(&app, &args),
        CliCommand::Publish(args) => commands::publish::run(&app, &args),
        CliCommand::Push(args) => commands::push::run(&app, &args),
        CliCommand::Resolve(args) => commands::resolve::run(&app, &args),
        CliCommand::Remove(args) => commands::remove::run(&app, &args),
        CliCommand::Restore(args) => commands::restore::run(&app, &args),
        CliCommand::Forget(args) => commands::forget::run(&app, &args),
        CliCommand::Gc(args) => commands::gc::run(&app, &args),
        CliCommand::Erase(args) => commands::erase::run(&app, &args),
        CliCommand::Check(args) => commands::check::run(&app, &args),
        CliCommand::Tag(args) => commands::tag::run(&app, &args),
        CliCommand::Status(args) => commands::status::run(&app, &args),
        CliCommand::Runs(args) => commands::runs::run(&app, &args),
        CliCommand::Log(args) => commands::log::run(&app, &args),
        CliCommand::Show(args) => commands::show::run(&app, &args),
        CliCommand::Diff(args) => commands::diff::run(&app, &args),
        CliCommand::Pull(args) => commands::pull::run(&app, &args),
        CliCommand::Get(args) => commands::get::run(&app, &args),
        CliCommand::Export(args) => commands::export::run(&app, &args),
        CliCommand::Verify(args) => commands::verify::run(&app, &args),
        CliCommand::Attest(args) => commands::attest::run(&app, &args),
        CliCommand::Plot(args) => commands::plot::run(&app, &args),
        CliCommand::Report(args) => commands::report::run(&app, &args),
        CliCommand::Doctor(args) => commands::doctor::run(&app, &args),
        CliCommand::Config(args) => commands::config::run(&app, &args),
        CliCommand::Demo(args) => commands::demo::run(&app, &args),
        CliCommand::Completions(args) => commands::completions::run(&app, &args),
        CliCommand::Man(args) => commands::man::run(&app, &args),
        CliCommand::Hook(args) => commands::hook::run(&app, &args),
        CliCommand::MergeDriver(args) => commands::merge_driver::run(&app, &args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shims_call_is_parsed_as_clap_parses_it() {
        let shims: [&[&str]; 5] = [
            &["pre-commit"],
            &["commit-msg", ".git/COMMIT_EDITMSG"],
            &["post-checkout", "a1", "b2", "1"],
            &["pre-push", "origin", "ssh://host/a b"],
            &["unknown", ""],
        ];
        for shim in shims {
            let line = || ["capture-hook", "hook"].iter().chain(shim).map(OsString::from);
            let parsed = parse_hook_call(line()).map(|cli| format!("{cli:?}"));
            assert_eq!(parsed, Cli::try_parse_from(line()).ok().map(|cli| format!("{cli:?}")), "{shim:?}");
            assert!(parsed.is_some());
        }
    }

    #[test]
    fn what_may_be_an_option_is_left_to_clap() {
        for line in
            [&["hook", "--help"][..], &["hook", "pre-commit", "-v"], &["hook"], &["-q", "hook", "pre-commit"], &[]]
        {
            let line = std::iter::once("capture-hook").chain(line.iter().copied()).map(OsString::from);
            assert!(parse_hook_call(line).is_none());
        }
    }

    #[test]
    fn every_command_is_in_one_group() {
        let root = Cli::command();
        let shown: Vec<&str> =
            root.get_subcommands().filter(|c| !c.is_hide_set()).map(clap::Command::get_name).collect();
        for name in shown {
            let groups = help::GROUPS.iter().filter(|(_, names)| names.contains(&name)).count();
            assert_eq!(groups, 1, "{name}");
        }
    }

    /// Every page, at several widths: no line is longer, and no example is broken at the usual one.
    #[test]
    fn no_line_of_help_is_wider_than_the_terminal() {
        fn pages(command: &clap::Command, path: &str, out: &mut Vec<(String, String)>) {
            if command.is_hide_set() {
                return;
            }
            out.push((path.to_owned(), command.clone().render_long_help().to_string()));
            out.push((path.to_owned(), command.clone().render_help().to_string()));
            for inner in command.get_subcommands() {
                pages(inner, &format!("{path} {}", inner.get_name()), out);
            }
        }
        let mut faults = Vec::new();
        for width in [60, 80, 100] {
            let mut root = help::arrange(Cli::command(), width);
            root.build();
            let mut all = Vec::new();
            pages(&root, "capture-hook", &mut all);
            assert!(all.len() > 60);
            for (path, page) in all {
                for line in page.lines() {
                    if line.chars().count() > width || width >= 80 && line.ends_with('\\') {
                        faults.push(format!("{path} at {width}: {line}"));
                    }
                }
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

//! `capture-hook completions`: what the shell reads to complete commands, options, runs, tags and experiments.

use std::ffi::OsStr;

use clap_complete::env::Shells;

use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bash   echo 'source <(capture-hook completions bash)' >> ~/.bashrc
  zsh    echo 'source <(capture-hook completions zsh)' >> ~/.zshrc
  fish   capture-hook completions fish > ~/.config/fish/completions/capture-hook.fish

It also completes runs, tags and experiments of the current repository.")]
pub struct Args {
    /// The shell: bash, elvish, fish, powershell, zsh.
    #[arg(value_name = "SHELL", value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
    shell: String,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let shells = Shells::builtins();
    // Clap accepts only the names above, so this fails only if clap_complete lacks one of them.
    let completer = shells.completer(&args.shell).ok_or_else(|| {
        Error::new(ExitKind::Usage, "unknown_shell", format!("there are no completions for `{}`", args.shell))
    })?;
    let name = (app.command)().get_name().to_owned();
    // Printed whole or not at all, because the shell executes what is printed.
    let mut out = Vec::new();
    completer
        .write_registration(VARIABLE, &name, &name, OsStr::new(&name).to_string_lossy().as_ref(), &mut out)
        .map_err(|e| Error::new(ExitKind::Io, "io", format!("cannot write the completions: {e}")))?;
    app.ui.print_bytes(&out);
    Ok(CommandOutcome::Done)
}

/// The variable by which the shell's script asks for completions.
pub const VARIABLE: &str = "COMPLETE";

//! `capture-hook man`: manual pages.

use std::path::{Path, PathBuf};

use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};
use crate::support::fs::{create_dir_all, write_atomic};

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook man | man -l -                        the manual page of capture-hook
  capture-hook man runs | man -l -                   the page of one command
  capture-hook man --dir ~/.local/share/man/man1     writes all pages there: `man capture-hook-runs`")]
pub struct Args {
    /// The command whose page to print.
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
    /// Write every page to this directory.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let mut root = (app.command)();
    // clap sets the display names of subcommands (`capture-hook-runs`) only when it builds.
    root.build();
    if let Some(dir) = &args.dir {
        let dir = app.cwd.join(dir);
        create_dir_all(&dir)?;
        let n = write_all(&root, &dir)?;
        app.ui.status(&format!("{n} manual pages in {}", dir.display()));
        return Ok(CommandOutcome::Done);
    }
    let command = match &args.command {
        None => root,
        Some(name) => root.find_subcommand(name).cloned().ok_or_else(|| {
            Error::new(ExitKind::Usage, "unknown_command", format!("no command `{name}`"))
                .hint("see all commands: `capture-hook --help`")
        })?,
    };
    app.ui.print_bytes(&render_page(command)?);
    Ok(CommandOutcome::Done)
}

/// The pages of the whole and of every command that is not hidden; how many there are.
fn write_all(root: &clap::Command, dir: &Path) -> Result<usize, Error> {
    // clap adds a command `help`, which prints what `--help` prints.
    let commands = root.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help");
    let mut n = 0;
    for command in std::iter::once(root).chain(commands) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        write_atomic(&dir.join(format!("{name}.1")), &render_page(command.clone())?)?;
        n += 1;
    }
    Ok(n)
}

fn render_page(command: clap::Command) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut out)
        .map_err(|e| Error::new(ExitKind::Io, "io", format!("cannot write the manual page: {e}")))?;
    Ok(out)
}

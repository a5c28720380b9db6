//! `capture-hook man`: manual pages.

use std::path::{Path, PathBuf};

use roff::{Roff, bold, roman};

use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};
use crate::output::help::{HelpPart, add_sentences, arrange, help_width, parse_parts};
use crate::support::fs::{create_dir_all, write_atomic};
use crate::support::interactive::{PageOutcome, show_manual_page};

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook man                 the manual page of capture-hook
  capture-hook man runs            the page of one command
  capture-hook man runs > runs.1   its source, if the output is no terminal
  capture-hook man --dir ~/.local/share/man/man1
                                   write all pages there, for `man capture-hook-runs`")]
pub struct Args {
    /// The command whose page to show.
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
    let page = render_page(command.clone())?;
    match show_manual_page(&page, &app.env) {
        PageOutcome::Shown => {}
        PageOutcome::NoTerminal => app.ui.print_bytes(&page),
        PageOutcome::NotShown => {
            // The source of a page is not for eyes.
            app.ui.warn("cannot show the page: `man` is missing or failed; this is what `--help` prints");
            let page = arrange(command, help_width(&app.env)).render_long_help().to_string();
            app.ui.print_bytes(page.as_bytes());
        }
    }
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

/// A page as `man` reads it: what clap knows, then sections made of the text behind the options.
fn render_page(command: clap::Command) -> Result<Vec<u8>, Error> {
    let mut text =
        command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string).unwrap_or_default();
    add_sentences(&command, &mut text);
    let has_commands = command.get_subcommands().any(|command| !command.is_hide_set());
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let (details, examples) = split_sections(&text);
    let page = clap_mangen::Man::new(command).manual("capture-hook");
    let mut out = Vec::new();
    let mut write = || -> std::io::Result<()> {
        page.render_title(&mut out)?;
        page.render_name_section(&mut out)?;
        page.render_synopsis_section(&mut out)?;
        page.render_description_section(&mut out)?;
        details.to_writer(&mut out)?;
        page.render_options_section(&mut out)?;
        if has_commands {
            page.render_subcommands_section(&mut out)?;
        }
        examples.to_writer(&mut out)?;
        common_sections(&name).to_writer(&mut out)
    };
    write().map_err(|e| Error::new(ExitKind::Io, "io", format!("cannot write the manual page: {e}")))?;
    Ok(out)
}

/// The words and other listings, for the description; and the examples.
fn split_sections(text: &str) -> (Roff, Roff) {
    let (mut details, mut examples) = (Roff::default(), Roff::default());
    let mut in_examples = false;
    for part in parse_parts(text) {
        match part {
            HelpPart::Heading(line) => {
                in_examples = line == "Examples:";
                if in_examples {
                    examples.control("SH", ["EXAMPLES"]);
                } else {
                    details.control("PP", []).text([roman(line)]);
                }
            }
            HelpPart::Paragraph(words) => {
                in_examples = false;
                details.control("PP", []).text([roman(words)]);
            }
            HelpPart::Examples(lines) => {
                let section = if in_examples { &mut examples } else { &mut details };
                for (typed, does) in lines {
                    section.control("TP", ["4"]).text([bold(typed)]);
                    if !does.is_empty() {
                        section.text([roman(does)]);
                    }
                }
            }
        }
    }
    (details, examples)
}

/// What is the same on every page.
fn common_sections(name: &str) -> Roff {
    const EXIT_STATUS: [(&str, &str); 6] = [
        ("0", "Done, and nothing was found to be wrong."),
        ("1", "What was checked is wrong: an invalid run, other bytes than recorded, something pending."),
        ("2", "The command line is wrong."),
        ("3", "Something is not set up: no repository, DVC project, stage or program, or no such run."),
        ("4", "A program that was called failed: git or DVC."),
        ("5", "A file cannot be read or written."),
    ];
    const FILES: [(&str, &str); 4] = [
        ("capture-hook.toml", "Settings of the project, tracked by git; see capture-hook-config(1)."),
        ("params.yaml", "ingest_capture.run_dir is the selected run."),
        ("dvc.yaml, dvc.lock", "The stage capture_ingest, and the data version of the dataset."),
        (".git/capture-hook", "What is remembered of history, and read again if it is not there."),
    ];
    let mut page = Roff::default();
    for (title, items) in [("EXIT STATUS", &EXIT_STATUS[..]), ("FILES", &FILES[..])] {
        page.control("SH", [title]);
        for (term, words) in items {
            page.control("TP", ["4"]).text([bold(*term)]).text([roman(*words)]);
        }
    }
    let own = if name == "capture-hook" { "" } else { "capture-hook(1), " };
    page.control("SH", ["SEE ALSO"]).text([roman(format!("{own}git(1), githooks(5), dvc(1)"))]);
    page
}

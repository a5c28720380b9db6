//! The terminal: the one place that prints, colours and shows progress.
//!
//! Results go to stdout, progress and diagnostics to stderr. A closed pipe is not an error. Colour follows `--color`,
//! `NO_COLOR`, `CLICOLOR` and whether the stream is a terminal. A progress bar appears on a terminal once the work has
//! taken half a second; without a terminal, long work on many runs or files prints a line from time to time. Messages are
//! wrapped on a terminal only, so that scripts and logs find each in one line.
//!
//! All text is escaped here (`support::visible`), not by the callers, because any of it can come from a repository.
//! Only two kinds of bytes are printed as they are: values for scripts if standard output is no terminal, and
//! documents.

#![expect(clippy::disallowed_methods, reason = "asks what standard error is")]

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::json;

use crate::error::Error;
use crate::output::lines::print_to_stderr;
use crate::output::progress::{CounterPlace, ItemCounter, ProgressBar, WaitLine};
use crate::output::text::StyledText;
use crate::output::wrap::wrap_message;
use crate::support::visible::{escape_control, escape_control_json, escape_control_lines};

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The options for output.
#[derive(Debug, Clone, Copy, Default)]
pub struct UiOptions {
    /// Results and errors as JSON.
    pub json: bool,
    /// Print errors and results only.
    pub quiet: bool,
    /// Print details (`-v`).
    pub verbose: bool,
    /// When to use colours.
    pub color: ColorWhen,
}

/// The output to the user.
#[derive(Debug, Clone)]
pub struct Ui {
    options: UiOptions,
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const DIM: Style = Style::new().dimmed();

impl Ui {
    /// Makes the output with these options. The colour choice holds for the whole process.
    #[must_use]
    pub fn new(options: UiOptions) -> Self {
        match options.color {
            ColorWhen::Auto => anstream::ColorChoice::Auto,
            ColorWhen::Always => anstream::ColorChoice::Always,
            ColorWhen::Never => anstream::ColorChoice::Never,
        }
        .write_global();
        Self { options }
    }

    /// Whether results are printed as JSON.
    #[must_use]
    pub fn json(&self) -> bool {
        self.options.json
    }

    /// Whether only errors and results are printed.
    #[must_use]
    pub fn quiet(&self) -> bool {
        self.options.quiet
    }

    /// Prints a result for people on stdout; without colour its styles are dropped.
    pub fn print_text(&self, text: &StyledText) {
        print_to_stdout(text.as_str());
    }

    /// Prints sentences for people on stdout; on a terminal, their lines break between words.
    pub fn print_sentences(&self, text: &StyledText) {
        match std::io::stdout().is_terminal() {
            true => print_to_stdout(&wrap_message(text.as_str(), self.terminal_width())),
            false => self.print_text(text),
        }
    }

    /// Prints a result of one line for people on stdout.
    pub fn print_line(&self, words: &str) {
        self.print_sentences(StyledText::from(words).end_line());
    }

    /// Prints a result for scripts, such as a path, as a line on stdout: unchanged into a pipe or file, escaped on a
    /// terminal.
    pub fn print_value(&self, value: impl AsRef<OsStr>) {
        let value = value.as_ref();
        let mut out = std::io::stdout().lock();
        // A closed pipe (`| head`) ends the output, not the command.
        let _ = match out.is_terminal() {
            true => out.write_all(escape_control(value.display()).as_bytes()),
            false => out.write_all(value.as_encoded_bytes()),
        }
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    }

    /// Prints a whole document on stdout: a picture, a manual page, a shell script. The writer of the document must
    /// escape names in it.
    pub fn print_bytes(&self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        // A closed pipe ends the output, not the command.
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    }

    /// Prints a result as JSON on stdout.
    pub fn print_json<T: Serialize>(&self, value: &T) {
        // Our own structs always serialise.
        if let Ok(text) = serde_json::to_string_pretty(value) {
            print_to_stdout(&format!("{}\n", escape_control_json(&text)));
        }
    }

    /// Prints what is being done, on stderr; not with `-q`.
    pub fn status(&self, line: &str) {
        if !self.options.quiet {
            print_to_stderr(&wrap_for_terminal(&escape_control_lines(line)));
        }
    }

    /// Prints a detail on stderr, only with `-v`.
    pub fn detail(&self, line: &str) {
        if self.options.verbose {
            print_to_stderr(&format!("{DIM}{}{DIM:#}", escape_control_lines(line)));
        }
    }

    /// Prints a warning on stderr, even with `-q`.
    pub fn warn(&self, line: &str) {
        print_labelled(WARNING, "warning:", line);
    }

    /// Prints a hint on stderr; not with `-q`.
    pub fn hint(&self, line: &str) {
        if !self.options.quiet {
            print_labelled(HINT, "hint:", line);
        }
    }

    /// Prints an error with its causes and hints on stderr: the one printer of errors.
    pub fn error(&self, error: &Error) {
        if self.options.json {
            let mut message = error.to_string();
            for cause in error.cause_messages() {
                message.push_str(": ");
                message.push_str(&cause);
            }
            let hint = if error.hints().is_empty() { None } else { Some(error.hints().join("\n")) };
            // One line, so that scripts can parse standard error line by line.
            let shown = json!({"error": {"code": error.code(), "message": message, "hint": hint}});
            print_to_stderr(&escape_control_json(&shown.to_string()));
            return;
        }
        print_labelled(ERROR, "error:", error);
        for cause in error.cause_messages() {
            print_labelled(ERROR, "caused by:", cause);
        }
        for hint in error.hints() {
            print_labelled(HINT, "hint:", hint);
        }
    }

    /// Prints a line of a called program on stderr.
    pub fn relay(&self, line: &str) {
        print_to_stderr(&escape_control_lines(line));
    }

    /// Makes a progress bar over `total` bytes of work; a spinner if the total is not known.
    #[must_use]
    pub fn progress(&self, what: &str, total: Option<u64>) -> ProgressBar {
        ProgressBar::new(escape_control(what), total, self.shows_progress())
    }

    /// Says on a terminal what is waited for, after half a second and until the result is dropped. Nothing may be printed
    /// meanwhile.
    #[must_use]
    pub fn wait(&self, what: &str) -> WaitLine {
        // The lines of called programs, with `-v`, would be mixed with it.
        WaitLine::new(escape_control(what), self.shows_progress() && !self.options.verbose)
    }

    /// Never into a pipe or file: a bar consists of escape sequences.
    fn shows_progress(&self) -> bool {
        !self.options.quiet && !self.options.json && std::io::stderr().is_terminal()
    }

    /// Makes the progress of work on this many runs or files: a bar on a terminal, else a line from time to time. `one` is the
    /// noun of a single one.
    #[must_use]
    pub fn progress_of_items(&self, what: &str, count: u64, one: &'static str) -> ItemCounter {
        let place = match std::io::stderr().is_terminal() {
            // Standard error has nothing but errors then.
            _ if self.options.quiet || self.options.json => CounterPlace::Nowhere,
            true => CounterPlace::Terminal,
            false => CounterPlace::Lines,
        };
        ItemCounter::new(escape_control(what), (count, one), place)
    }
}

/// Prints words after a label, escaped.
fn print_labelled(style: Style, label: &str, words: impl Display) {
    let wrapped = wrap_for_terminal(&format!("{label} {}", escape_control_lines(words)));
    // The label stays in front of the first line.
    let words = wrapped.strip_prefix(label).unwrap_or(&wrapped);
    print_to_stderr(&format!("{style}{label}{style:#}{words}"));
}

/// Breaks a message between its words if standard error is a terminal.
fn wrap_for_terminal(message: &str) -> String {
    let stderr = std::io::stderr();
    match terminal_size::terminal_size_of(&stderr).filter(|_| stderr.is_terminal()) {
        Some((width, _)) => wrap_message(message, usize::from(width.0).max(40)),
        None => message.to_owned(),
    }
}

/// Prints escaped text on stdout.
fn print_to_stdout(text: &str) {
    // A closed pipe (`| head`) ends the output, not the command.
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

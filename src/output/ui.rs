//! The terminal: one place that prints, colours and shows progress.
//!
//! Results go to stdout, progress and diagnostics to stderr. A closed pipe is not an error. Colour follows `--color`,
//! `NO_COLOR`, `CLICOLOR` and whether the stream is a terminal. A progress bar shows on a terminal once the work has
//! taken half a second.
//!
//! Whatever is handed in may hold a stranger's text: it is made visible here (`support::visible`), not by those who call.
//! The only bytes that go out as they are, are values for scripts where standard output is no terminal, and documents.

#![expect(clippy::disallowed_methods, reason = "asks what standard error is")]

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::json;

use crate::error::Error;
use crate::output::text::StyledText;
use crate::support::progress::Progress;
use crate::support::visible::{escape_control, escape_control_json, escape_control_lines};

/// When to colour.
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

/// How to talk.
#[derive(Debug, Clone, Copy, Default)]
pub struct UiOptions {
    /// Results and errors as JSON.
    pub json: bool,
    /// Errors and results only.
    pub quiet: bool,
    /// More of what is done.
    pub verbose: bool,
    /// When to colour.
    pub color: ColorWhen,
}

/// The way to the user.
#[derive(Debug, Clone)]
pub struct Ui {
    options: UiOptions,
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const DIM: Style = Style::new().dimmed();

impl Ui {
    /// The terminal with these options.
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

    /// Whether results are wanted as JSON.
    #[must_use]
    pub fn json(&self) -> bool {
        self.options.json
    }

    /// Whether only errors and results are wanted.
    #[must_use]
    pub fn quiet(&self) -> bool {
        self.options.quiet
    }

    /// Prints a result for people on stdout; its styles are dropped where they are not wanted.
    pub fn print_text(&self, text: &StyledText) {
        print_to_stdout(text.as_str());
    }

    /// Prints a result of one line for people on stdout.
    pub fn print_line(&self, words: &str) {
        self.print_text(StyledText::from(words).end_line());
    }

    /// Prints a result that a script may take, such as a path, as a line on stdout: as it is into a pipe or a file, made
    /// visible on a terminal.
    pub fn print_value(&self, value: impl AsRef<OsStr>) {
        let value = value.as_ref();
        let mut out = std::io::stdout().lock();
        let _ = match out.is_terminal() {
            true => out.write_all(escape_control(value.display()).as_bytes()),
            false => out.write_all(value.as_encoded_bytes()),
        }
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    }

    /// Prints a whole document on stdout: a picture, a manual page, a shell's script. Whoever writes it sees to it that no
    /// name in it can break out of its place.
    pub fn print_bytes(&self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    }

    /// Prints a result as JSON on stdout.
    pub fn print_json<T: Serialize>(&self, value: &T) {
        if let Ok(text) = serde_json::to_string_pretty(value) {
            print_to_stdout(&format!("{}\n", escape_control_json(&text)));
        }
    }

    /// Says what is being done, on stderr.
    pub fn status(&self, line: &str) {
        if !self.options.quiet {
            print_to_stderr(&escape_control_lines(line));
        }
    }

    /// Says a detail that only `-v` shows.
    pub fn detail(&self, line: &str) {
        if self.options.verbose {
            print_to_stderr(&format!("{DIM}{}{DIM:#}", escape_control_lines(line)));
        }
    }

    /// A warning.
    pub fn warn(&self, line: &str) {
        print_labelled(WARNING, "warning:", line);
    }

    /// What to do next.
    pub fn hint(&self, line: &str) {
        if !self.options.quiet {
            print_labelled(HINT, "hint:", line);
        }
    }

    /// An error with its causes and hints: the one printer.
    pub fn error(&self, error: &Error) {
        if self.options.json {
            let mut message = error.to_string();
            for cause in error.cause_messages() {
                message.push_str(": ");
                message.push_str(&cause);
            }
            let hint = if error.hints().is_empty() { None } else { Some(error.hints().join("\n")) };
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

    /// A line of a program that works for us, on stderr.
    pub fn relay(&self, line: &str) {
        print_to_stderr(&escape_control_lines(line));
    }

    /// A progress bar over `total` bytes of work (a spinner where the total is not known).
    #[must_use]
    pub fn progress(&self, what: &str, total: Option<u64>) -> ProgressBar {
        let shown = !self.options.quiet && !self.options.json && std::io::stderr().is_terminal();
        let what = escape_control(what);
        ProgressBar { what, total, shown, started: Instant::now(), done: AtomicU64::new(0), bar: OnceLock::new() }
    }
}

/// A line of words after a label of ours.
fn print_labelled(style: Style, label: &str, words: impl Display) {
    print_to_stderr(&format!("{style}{label}{style:#} {}", escape_control_lines(words)));
}

/// Puts a line that is fit to be shown on stderr.
fn print_to_stderr(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// Puts text that is fit to be shown on stdout.
fn print_to_stdout(text: &str) {
    // A closed pipe (`| head`) ends the output, not the command.
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A progress bar that waits half a second before it shows.
pub struct ProgressBar {
    what: String,
    total: Option<u64>,
    shown: bool,
    started: Instant,
    done: AtomicU64,
    bar: OnceLock<indicatif::ProgressBar>,
}

impl ProgressBar {
    /// The bar on the terminal, once the work has taken half a second.
    fn terminal_bar(&self) -> Option<&indicatif::ProgressBar> {
        if !self.shown || self.bar.get().is_none() && self.started.elapsed() <= Duration::from_millis(500) {
            return None;
        }
        Some(self.bar.get_or_init(|| {
            let (bar, template) = match self.total {
                Some(total) => {
                    (indicatif::ProgressBar::new(total), "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}")
                }
                None => (indicatif::ProgressBar::new_spinner(), "{spinner} {wide_msg}"),
            };
            let style = indicatif::ProgressStyle::with_template(template)
                .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("=> "));
            bar.set_message(self.what.clone());
            bar
        }))
    }
}

impl Progress for ProgressBar {
    fn advance_by(&self, n: u64) {
        let done = self.done.fetch_add(n, Ordering::Relaxed) + n;
        if let Some(bar) = self.terminal_bar() {
            bar.set_position(done);
        }
    }

    fn shows_notes(&self) -> bool {
        self.shown
    }

    fn show_note(&self, words: &str) {
        if let Some(bar) = self.terminal_bar() {
            bar.set_message(format!("{}: {}", self.what, escape_control(words)));
            bar.tick();
        }
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

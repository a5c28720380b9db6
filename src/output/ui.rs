//! The terminal: one place that prints, colours and shows progress.
//!
//! Results go to stdout, progress and diagnostics to stderr. A closed pipe is not an error. Colour follows `--color`,
//! `NO_COLOR`, `CLICOLOR` and whether the stream is a terminal. A progress bar shows on a terminal once the work has
//! taken half a second.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::json;

use crate::error::Error;
use crate::support::progress::Progress;

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

    /// Prints result text to stdout, as it is (may hold ANSI styles; they are dropped where not wanted).
    pub fn data(&self, text: &str) {
        // A closed pipe (`| head`) ends the output, not the command.
        let mut out = anstream::stdout().lock();
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
    }

    /// Prints a result as JSON on stdout.
    pub fn data_json<T: Serialize>(&self, value: &T) {
        if let Ok(text) = serde_json::to_string_pretty(value) {
            self.data(&format!("{text}\n"));
        }
    }

    /// Says what is being done, on stderr.
    pub fn status(&self, line: &str) {
        if !self.options.quiet {
            self.say(line);
        }
    }

    /// Says a detail that only `-v` shows.
    pub fn detail(&self, line: &str) {
        if self.options.verbose {
            self.say(&format!("{DIM}{line}{DIM:#}"));
        }
    }

    /// A warning.
    pub fn warn(&self, line: &str) {
        self.say(&format!("{WARNING}warning:{WARNING:#} {line}"));
    }

    /// What to do next.
    pub fn hint(&self, line: &str) {
        if !self.options.quiet {
            self.say(&format!("{HINT}hint:{HINT:#} {line}"));
        }
    }

    /// An error with its causes and hints: the one printer.
    pub fn error(&self, error: &Error) {
        if self.options.json {
            let mut message = error.to_string();
            for cause in error.causes() {
                message.push_str(": ");
                message.push_str(&cause);
            }
            let hint = if error.hints().is_empty() { None } else { Some(error.hints().join("\n")) };
            self.say(&json!({"error": {"code": error.code(), "message": message, "hint": hint}}).to_string());
            return;
        }
        self.say(&format!("{ERROR}error:{ERROR:#} {error}"));
        for cause in error.causes() {
            self.say(&format!("{ERROR}caused by:{ERROR:#} {cause}"));
        }
        for hint in error.hints() {
            self.say(&format!("{HINT}hint:{HINT:#} {hint}"));
        }
    }

    /// A progress bar over `total` bytes of work (a spinner where the total is not known).
    #[must_use]
    pub fn progress(&self, what: &str, total: Option<u64>) -> Bar {
        let shown = !self.options.quiet && !self.options.json && std::io::stderr().is_terminal();
        Bar { what: what.into(), total, shown, started: Instant::now(), done: AtomicU64::new(0), bar: OnceLock::new() }
    }

    fn say(&self, line: &str) {
        let mut err = anstream::stderr().lock();
        let _ = writeln!(err, "{line}");
    }
}

/// A progress bar that waits half a second before it shows.
pub struct Bar {
    what: String,
    total: Option<u64>,
    shown: bool,
    started: Instant,
    done: AtomicU64,
    bar: OnceLock<indicatif::ProgressBar>,
}

impl Progress for Bar {
    fn advance(&self, n: u64) {
        let done = self.done.fetch_add(n, Ordering::Relaxed) + n;
        if !self.shown {
            return;
        }
        if let Some(bar) = self.bar.get() {
            bar.set_position(done);
        } else if self.started.elapsed() > Duration::from_millis(500) {
            self.bar.get_or_init(|| {
                let template = "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}";
                let bar = match self.total {
                    Some(total) => {
                        let style = indicatif::ProgressStyle::with_template(template)
                            .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
                        indicatif::ProgressBar::new(total).with_style(style.progress_chars("=> "))
                    }
                    None => indicatif::ProgressBar::new_spinner(),
                };
                bar.set_message(self.what.clone());
                bar.set_position(done);
                bar
            });
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

//! The progress of long work on standard error: a bar of bytes, or a count of runs or files with their rate and the time left.
//!
//! Nothing appears before half a second of work, and nothing stays on a terminal. Without a terminal a count is a line from
//! time to time, for logs. What is printed is escaped by the caller.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::output::lines::print_to_stderr;
use crate::support::progress::Progress;
use crate::support::text::{format_count, format_plural};
use crate::support::visible::escape_control;

/// A bar for shorter work would only flicker.
const UNSHOWN: Duration = Duration::from_millis(500);
/// The time between two lines without a terminal; the first comes after half of it.
const BETWEEN_LINES: Duration = Duration::from_secs(10);
/// The time between two changes of the words on a terminal.
const BETWEEN_WORDS: Duration = Duration::from_millis(100);

/// A progress bar that appears after half a second of work.
pub struct ProgressBar {
    what: String,
    total: Option<u64>,
    shown: bool,
    started: Instant,
    done: AtomicU64,
    bar: OnceLock<indicatif::ProgressBar>,
}

impl ProgressBar {
    pub(super) fn new(what: String, total: Option<u64>, shown: bool) -> Self {
        Self { what, total, shown, started: Instant::now(), done: AtomicU64::new(0), bar: OnceLock::new() }
    }

    /// Returns the bar on the terminal; `None` before half a second of work has passed.
    fn terminal_bar(&self) -> Option<&indicatif::ProgressBar> {
        if !self.shown || self.bar.get().is_none() && self.started.elapsed() <= UNSHOWN {
            return None;
        }
        Some(self.bar.get_or_init(|| match self.total {
            Some(total) => {
                let bar = indicatif::ProgressBar::new(total);
                style_bar(bar, "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}", &self.what)
            }
            None => style_bar(indicatif::ProgressBar::new_spinner(), "{spinner} {wide_msg}", &self.what),
        }))
    }
}

fn style_bar(bar: indicatif::ProgressBar, template: &str, words: &str) -> indicatif::ProgressBar {
    let style =
        indicatif::ProgressStyle::with_template(template).unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> "));
    bar.set_message(words.to_owned());
    bar
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

/// A line for work that does not say how far it is, such as another program's. It appears after half a second, moves, and is gone
/// when this is dropped; nothing may be printed meanwhile.
pub struct WaitLine {
    // Dropped first: that ends the thread.
    ended: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl WaitLine {
    pub(super) fn new(what: String, shown: bool) -> Self {
        if !shown {
            return Self { ended: None, thread: None };
        }
        let (ended, end) = mpsc::channel();
        let thread = std::thread::Builder::new().spawn(move || {
            if end.recv_timeout(UNSHOWN) == Err(RecvTimeoutError::Timeout) {
                let bar = style_bar(indicatif::ProgressBar::new_spinner(), "{spinner} {wide_msg}", &what);
                while end.recv_timeout(BETWEEN_WORDS) == Err(RecvTimeoutError::Timeout) {
                    bar.tick();
                }
                bar.finish_and_clear();
            }
        });
        // Without a thread the work is done all the same.
        Self { ended: Some(ended), thread: thread.ok() }
    }
}

impl Drop for WaitLine {
    fn drop(&mut self) {
        drop(self.ended.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Where a count is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CounterPlace {
    Nowhere,
    Terminal,
    Lines,
}

/// Counts the runs, or files, that are done.
pub struct ItemCounter {
    what: String,
    count: u64,
    one: &'static str,
    place: CounterPlace,
    started: Instant,
    done: AtomicU64,
    drawn: Mutex<Drawn>,
}

/// What is shown of a count.
struct Drawn {
    /// When it is to be shown again, after the beginning.
    next: Duration,
    bar: Option<indicatif::ProgressBar>,
}

impl ItemCounter {
    pub(super) fn new(what: String, (count, one): (u64, &'static str), place: CounterPlace) -> Self {
        let next = if place == CounterPlace::Terminal { UNSHOWN } else { BETWEEN_LINES / 2 };
        let drawn = Mutex::new(Drawn { next, bar: None });
        Self { what, count, one, place, started: Instant::now(), done: AtomicU64::new(0), drawn }
    }

    fn draw(&self, drawn: &mut Drawn, done: u64, elapsed: Duration) {
        let words = describe_count(&self.what, done, (self.count, self.one), elapsed);
        if self.place == CounterPlace::Lines {
            drawn.next = elapsed + BETWEEN_LINES;
            // The end is shown by what follows.
            if done < self.count {
                print_to_stderr(&words);
            }
            return;
        }
        drawn.next = elapsed + BETWEEN_WORDS;
        // The words fit beside it on a terminal of 80 columns.
        let bar = drawn
            .bar
            .get_or_insert_with(|| style_bar(indicatif::ProgressBar::new(self.count), "[{bar:16}] {wide_msg}", ""));
        bar.set_message(words);
        bar.set_position(done);
    }
}

impl Progress for ItemCounter {
    fn advance_by(&self, _: u64) {}

    fn count_item(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.place == CounterPlace::Nowhere {
            return;
        }
        // If another thread is drawing, this number is shown with the next.
        let Ok(mut drawn) = self.drawn.try_lock() else { return };
        let elapsed = self.started.elapsed();
        if elapsed >= drawn.next {
            self.draw(&mut drawn, done, elapsed);
        }
    }
}

impl Drop for ItemCounter {
    fn drop(&mut self) {
        if let Some(bar) = &self.drawn.get_mut().unwrap_or_else(PoisonError::into_inner).bar {
            bar.finish_and_clear();
        }
    }
}

/// How far the work is: `ingesting: 1,200 of 3,000 runs, 400 a second, 5 s left`.
fn describe_count(what: &str, done: u64, (count, one): (u64, &str), elapsed: Duration) -> String {
    let so_far = format!("{what}: {} of {}", format_count(done), format_plural(count, one));
    // Whole milliseconds are enough, and never zero here.
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let left = count.saturating_sub(done).saturating_mul(millis) / done.max(1);
    let per_minute = done.saturating_mul(60_000) / millis;
    let rate = match per_minute / 60 {
        0 => format!("{} a minute", format_count(per_minute)),
        per_second => format!("{} a second", format_count(per_second)),
    };
    format!("{so_far}, {rate}, {} left", format_wait(left.div_ceil(1000)))
}

/// Seconds as people write them: `45 s`, `3 min`, `2 h 5 min`.
fn format_wait(seconds: u64) -> String {
    match (seconds / 3600, seconds.div_ceil(60)) {
        (0, _) if seconds < 100 => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, _) => format!("{hours} h {} min", seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_says_how_fast_and_how_long() {
        let words = |done, millis| describe_count("ingesting", done, (3000, "run"), Duration::from_millis(millis));
        assert_eq!(words(1200, 3000), "ingesting: 1,200 of 3,000 runs, 400 a second, 5 s left");
        assert_eq!(words(3, 60_000), "ingesting: 3 of 3,000 runs, 3 a minute, 16 h 39 min left");
        assert_eq!(words(3000, 9000), "ingesting: 3,000 of 3,000 runs, 333 a second, 0 s left");
        assert_eq!(
            (format_wait(99), format_wait(100), format_wait(3599)),
            ("99 s".into(), "2 min".into(), "60 min".into())
        );
    }
}

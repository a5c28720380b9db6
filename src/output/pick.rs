//! A list on the terminal to pick one line from: arrows move, a number jumps to its line, other text filters.
//!
//! Drawn on standard error, so that standard output holds results only. However it ends, the terminal is restored.
//! Without a terminal nothing is asked.

#![expect(clippy::disallowed_methods, reason = "asks what standard input is")]

use std::io::{self, IsTerminal};

use console::{Key, Term, truncate_str};

use crate::support::text::format_count;
use crate::support::visible::{escape_control, is_hidden};

/// The most lines shown at once.
const SHOWN: usize = 12;
/// Lines of the terminal that the list cannot use: the question, how many more there are, and the cursor's.
const AROUND: usize = 3;

/// How the list ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PickOutcome {
    /// This line was picked, from 0.
    Line(usize),
    /// None was picked: Esc, Ctrl-C or Ctrl-D.
    Cancelled,
    /// There is no terminal to ask on.
    NoTerminal,
}

/// Asks for one of these lines, below a heading; they are escaped here.
pub fn pick_line(question: &str, heading: Option<&str>, lines: &[String]) -> io::Result<PickOutcome> {
    let term = Term::stderr();
    if !io::stdin().is_terminal() || !term.is_term() {
        return Ok(PickOutcome::NoTerminal);
    }
    let lines: Vec<String> = lines.iter().map(escape_control).collect();
    let heading = heading.map(escape_control);
    let mut list = PickList { heading: heading.as_deref(), lines: &lines, typed: String::new(), cursor: 0 };
    term.hide_cursor()?;
    let picked = run_picker(&term, question, &mut list);
    term.show_cursor()?;
    picked
}

fn run_picker(term: &Term, question: &str, list: &mut PickList<'_>) -> io::Result<PickOutcome> {
    loop {
        let (height, width) = term.size();
        let drawn = list.draw_lines(question, usize::from(height), usize::from(width));
        for line in &drawn {
            term.write_line(line)?;
        }
        // Raw mode: Ctrl-C arrives as a key, so that the terminal can be restored before we end.
        let key = term.read_key_raw();
        // Before looking at the key: an error must leave a clean terminal, too.
        term.clear_last_lines(drawn.len())?;
        if let Some(choice) = list.handle_key(&key?) {
            return Ok(choice);
        }
    }
}

/// The list, the typed text, and the cursor.
struct PickList<'a> {
    heading: Option<&'a str>,
    lines: &'a [String],
    typed: String,
    /// An index into the matching lines.
    cursor: usize,
}

impl PickList<'_> {
    /// The typed number as an index, if it is one of the list's.
    fn typed_number(&self) -> Option<usize> {
        let number: usize = self.typed.trim().parse().ok()?;
        (1..=self.lines.len()).contains(&number).then(|| number.saturating_sub(1))
    }

    /// The lines that contain every typed word; all lines if a number was typed.
    fn matching_lines(&self) -> Vec<usize> {
        // A number jumps to its line and filters nothing.
        let words: Vec<String> = match self.typed_number() {
            Some(_) => Vec::new(),
            None => self.typed.split_whitespace().map(str::to_lowercase).collect(),
        };
        let holds = |line: &str| words.iter().all(|word| line.to_lowercase().contains(word.as_str()));
        self.lines.iter().enumerate().filter(|(_, line)| holds(line)).map(|(at, _)| at).collect()
    }

    fn handle_key(&mut self, key: &Key) -> Option<PickOutcome> {
        let last = self.matching_lines().len().saturating_sub(1);
        match key {
            Key::ArrowUp | Key::BackTab => self.cursor = self.cursor.checked_sub(1).unwrap_or(last),
            Key::ArrowDown | Key::Tab => {
                self.cursor = if self.cursor >= last { 0 } else { self.cursor.saturating_add(1) }
            }
            Key::PageUp => self.cursor = self.cursor.saturating_sub(SHOWN),
            Key::PageDown => self.cursor = self.cursor.saturating_add(SHOWN).min(last),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = last,
            Key::Enter => return self.matching_lines().get(self.cursor).map(|line| PickOutcome::Line(*line)),
            // Ctrl-D ends input, as in a shell.
            Key::Escape | Key::CtrlC | Key::Char('\u{3}' | '\u{4}') => return Some(PickOutcome::Cancelled),
            Key::Backspace => {
                self.typed.pop();
                self.cursor = self.typed_number().unwrap_or(0);
            }
            Key::Char(c) if !is_hidden(*c) => {
                self.typed.push(*c);
                self.cursor = self.typed_number().unwrap_or(0);
            }
            _ => {}
        }
        None
    }

    fn draw_lines(&self, question: &str, height: usize, width: usize) -> Vec<String> {
        let left = self.matching_lines();
        let around = AROUND + usize::from(self.heading.is_some());
        let room = height.saturating_sub(around).clamp(1, SHOWN);
        // The cursor is always visible: at the last row the list scrolls.
        let first = self.cursor.saturating_sub(room.saturating_sub(1));
        let digits = self.lines.len().to_string().len();
        let mut out = vec![format!("{question} {}", self.typed)];
        out.extend(self.heading.map(|heading| format!("  {:>digits$}  {heading}", "")));
        for (row, line) in left.iter().enumerate().skip(first).take(room) {
            let mark = if row == self.cursor { '>' } else { ' ' };
            let text = self.lines.get(*line).map(String::as_str).unwrap_or_default();
            // Numbers of equal width, so that the texts are aligned.
            out.push(format!("{mark} {:>digits$}  {text}", line.saturating_add(1)));
        }
        let above = first.min(left.len());
        let below = left.len().saturating_sub(first.saturating_add(room));
        match (left.len(), above, below) {
            (0, ..) => out.push("  no match".into()),
            (_, 0, 0) => {}
            (_, 0, below) => out.push(format!("  {} more below", format_count(below as u64))),
            (_, above, 0) => out.push(format!("  {} more above", format_count(above as u64))),
            (_, above, below) => {
                let (above, below) = (format_count(above as u64), format_count(below as u64));
                out.push(format!("  {above} more above, {below} more below"));
            }
        }
        // A line that wraps would not be cleared completely.
        out.iter().map(|line| truncate_str(line, width.saturating_sub(1), "…").into_owned()).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pick_with_keys(lines: &[String], keys: &[Key]) -> Option<PickOutcome> {
        let mut list = PickList { heading: None, lines, typed: String::new(), cursor: 0 };
        let mut ended = None;
        for key in keys {
            assert_eq!(ended, None, "keys after the end");
            list.draw_lines("?", 5, 20);
            ended = list.handle_key(key);
        }
        ended
    }

    #[test]
    fn keys_lead_to_a_line() {
        let lines: Vec<String> = (1..=30).map(|n| format!("exp{}/run-{n:04}", n % 3)).collect();
        let text = |text: &str| text.chars().map(Key::Char).chain([Key::Enter]).collect::<Vec<_>>();
        assert_eq!(pick_with_keys(&lines, &[Key::Enter]), Some(PickOutcome::Line(0)));
        assert_eq!(pick_with_keys(&lines, &[Key::ArrowDown, Key::ArrowDown, Key::Enter]), Some(PickOutcome::Line(2)));
        assert_eq!(pick_with_keys(&lines, &[Key::ArrowUp, Key::Enter]), Some(PickOutcome::Line(29)));
        // A number of the list goes to its line; any other text filters.
        assert_eq!(pick_with_keys(&lines, &text("12")), Some(PickOutcome::Line(11)));
        assert_eq!(pick_with_keys(&lines, &text("0017")), Some(PickOutcome::Line(16)));
        assert_eq!(pick_with_keys(&lines, &text("EXP2 30")), None);
        assert_eq!(pick_with_keys(&lines, &text("EXP0 30")), Some(PickOutcome::Line(29)));
        assert_eq!(
            pick_with_keys(&lines, &[Key::Char('x'), Key::Char('y'), Key::Backspace, Key::Enter]),
            Some(PickOutcome::Line(0))
        );
        assert_eq!(pick_with_keys(&lines, &[Key::Char('2'), Key::Escape]), Some(PickOutcome::Cancelled));
        assert_eq!(pick_with_keys(&lines, &[Key::CtrlC]), Some(PickOutcome::Cancelled));
        assert_eq!(pick_with_keys(&[], &[Key::ArrowDown, Key::Enter]), None);
    }

    #[test]
    fn the_line_under_the_cursor_is_always_shown_and_none_wraps() {
        let lines: Vec<String> = (1..=30).map(|n| format!("a very long name of an experiment/run-{n:04}")).collect();
        for at in 0..30 {
            let drawn = PickList { heading: None, lines: &lines, typed: String::new(), cursor: at }.draw_lines(
                "Which run?",
                7,
                40,
            );
            let more = drawn.last().unwrap();
            let expected = match (at.saturating_sub(3), 26_usize.saturating_sub(at.saturating_sub(3))) {
                (0, below) => format!("  {below} more below"),
                (above, 0) => format!("  {above} more above"),
                (above, below) => format!("  {above} more above, {below} more below"),
            };
            assert_eq!(*more, expected);
            let drawn = PickList { heading: None, lines: &lines, typed: String::new(), cursor: at }.draw_lines(
                "Which run?",
                7,
                30,
            );
            assert!(drawn.len() <= 6 && drawn.iter().all(|line| line.chars().count() < 30), "{drawn:?}");
            assert_eq!(
                drawn.iter().filter(|line| line.starts_with(&format!("> {:>2}", at + 1))).count(),
                1,
                "{drawn:?}"
            );
        }
    }
}

//! A list on the terminal to pick one line from: arrows move, a number goes to its line, other text filters.
//!
//! Drawn on standard error, so that standard output holds results alone; whatever ends it, the terminal is as before.

use std::io::{self, IsTerminal};

use console::{Key, Term, truncate_str};

use crate::support::visible::{is_hidden, visible};

/// How many lines are shown at once.
const SHOWN: usize = 12;
/// What the terminal needs beside the list: the question, and the line for the cursor.
const AROUND: usize = 2;

/// How a list was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// With this line, from 0.
    Line(usize),
    /// With none: Esc or Ctrl-C.
    Nothing,
    /// There is no terminal to ask on.
    NoTerminal,
}

/// Asks for one of these lines, which may hold a stranger's words.
pub fn pick(question: &str, lines: &[String]) -> io::Result<Choice> {
    let term = Term::stderr();
    if !io::stdin().is_terminal() || !term.is_term() {
        return Ok(Choice::NoTerminal);
    }
    let lines: Vec<String> = lines.iter().map(visible).collect();
    let mut list = List { lines: &lines, typed: String::new(), at: 0 };
    term.hide_cursor()?;
    let picked = ask(&term, question, &mut list);
    term.show_cursor()?;
    picked
}

fn ask(term: &Term, question: &str, list: &mut List<'_>) -> io::Result<Choice> {
    loop {
        let (height, width) = term.size();
        let drawn = list.draw(question, usize::from(height), usize::from(width));
        for line in &drawn {
            term.write_line(line)?;
        }
        // Raw: Ctrl-C comes as a key, and the terminal can be put right before we go.
        let key = term.read_key_raw();
        term.clear_last_lines(drawn.len())?;
        if let Some(choice) = list.take(&key?) {
            return Ok(choice);
        }
    }
}

/// The list, what was typed, and where the cursor is.
struct List<'a> {
    lines: &'a [String],
    typed: String,
    /// An index into what is left of the lines.
    at: usize,
}

impl List<'_> {
    /// The number that was typed, as an index, where it is one of the list's.
    fn number(&self) -> Option<usize> {
        let number: usize = self.typed.trim().parse().ok()?;
        (1..=self.lines.len()).contains(&number).then(|| number.saturating_sub(1))
    }

    /// The lines that hold every word typed; all of them where a line's number was.
    fn left(&self) -> Vec<usize> {
        let words: Vec<String> = match self.number() {
            Some(_) => Vec::new(),
            None => self.typed.split_whitespace().map(str::to_lowercase).collect(),
        };
        let holds = |line: &str| words.iter().all(|word| line.to_lowercase().contains(word.as_str()));
        self.lines.iter().enumerate().filter(|(_, line)| holds(line)).map(|(at, _)| at).collect()
    }

    fn take(&mut self, key: &Key) -> Option<Choice> {
        let last = self.left().len().saturating_sub(1);
        match key {
            Key::ArrowUp | Key::BackTab => self.at = self.at.checked_sub(1).unwrap_or(last),
            Key::ArrowDown | Key::Tab => self.at = if self.at >= last { 0 } else { self.at.saturating_add(1) },
            Key::PageUp => self.at = self.at.saturating_sub(SHOWN),
            Key::PageDown => self.at = self.at.saturating_add(SHOWN).min(last),
            Key::Home => self.at = 0,
            Key::End => self.at = last,
            Key::Enter => return self.left().get(self.at).map(|line| Choice::Line(*line)),
            // Ctrl-D is an end, as in a shell.
            Key::Escape | Key::CtrlC | Key::Char('\u{3}' | '\u{4}') => return Some(Choice::Nothing),
            Key::Backspace => {
                self.typed.pop();
                self.at = self.number().unwrap_or(0);
            }
            Key::Char(c) if !is_hidden(*c) => {
                self.typed.push(*c);
                self.at = self.number().unwrap_or(0);
            }
            _ => {}
        }
        None
    }

    fn draw(&self, question: &str, height: usize, width: usize) -> Vec<String> {
        let left = self.left();
        let room = height.saturating_sub(AROUND).clamp(1, SHOWN);
        let first = self.at.saturating_sub(room.saturating_sub(1));
        let digits = self.lines.len().to_string().len();
        let mut out = vec![format!("{question} {}", self.typed)];
        for (row, line) in left.iter().enumerate().skip(first).take(room) {
            let mark = if row == self.at { '>' } else { ' ' };
            let text = self.lines.get(*line).map(String::as_str).unwrap_or_default();
            out.push(format!("{mark} {:>digits$}  {text}", line.saturating_add(1)));
        }
        if left.is_empty() {
            out.push("  none is like that".into());
        }
        // A line that wraps would not be cleared whole.
        out.iter().map(|line| truncate_str(line, width.saturating_sub(1), "…").into_owned()).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn picked(lines: &[String], keys: &[Key]) -> Option<Choice> {
        let mut list = List { lines, typed: String::new(), at: 0 };
        let mut ended = None;
        for key in keys {
            assert_eq!(ended, None, "keys after the end");
            list.draw("?", 5, 20);
            ended = list.take(key);
        }
        ended
    }

    #[test]
    fn keys_lead_to_a_line() {
        let lines: Vec<String> = (1..=30).map(|n| format!("exp{}/run-{n:04}", n % 3)).collect();
        let text = |text: &str| text.chars().map(Key::Char).chain([Key::Enter]).collect::<Vec<_>>();
        assert_eq!(picked(&lines, &[Key::Enter]), Some(Choice::Line(0)));
        assert_eq!(picked(&lines, &[Key::ArrowDown, Key::ArrowDown, Key::Enter]), Some(Choice::Line(2)));
        assert_eq!(picked(&lines, &[Key::ArrowUp, Key::Enter]), Some(Choice::Line(29)));
        // A number of the list goes to its line; what is none filters.
        assert_eq!(picked(&lines, &text("12")), Some(Choice::Line(11)));
        assert_eq!(picked(&lines, &text("0017")), Some(Choice::Line(16)));
        assert_eq!(picked(&lines, &text("EXP2 30")), None);
        assert_eq!(picked(&lines, &text("EXP0 30")), Some(Choice::Line(29)));
        assert_eq!(
            picked(&lines, &[Key::Char('x'), Key::Char('y'), Key::Backspace, Key::Enter]),
            Some(Choice::Line(0))
        );
        assert_eq!(picked(&lines, &[Key::Char('2'), Key::Escape]), Some(Choice::Nothing));
        assert_eq!(picked(&lines, &[Key::CtrlC]), Some(Choice::Nothing));
        assert_eq!(picked(&[], &[Key::ArrowDown, Key::Enter]), None);
    }

    #[test]
    fn the_line_under_the_cursor_is_always_shown_and_none_wraps() {
        let lines: Vec<String> = (1..=30).map(|n| format!("a very long name of an experiment/run-{n:04}")).collect();
        for at in 0..30 {
            let drawn = List { lines: &lines, typed: String::new(), at }.draw("Which run?", 7, 30);
            assert!(drawn.len() <= 6 && drawn.iter().all(|line| line.chars().count() < 30), "{drawn:?}");
            assert_eq!(
                drawn.iter().filter(|line| line.starts_with(&format!("> {:>2}", at + 1))).count(),
                1,
                "{drawn:?}"
            );
        }
    }
}

//! Text with styles for the terminal, which cannot hold any escape sequence but ours.
//!
//! Words and styles are added separately: words are escaped when they are added, whatever their source, and styles are
//! values of this program. So a caller need not know where a name comes from. Nothing is printed here.

use std::fmt::Display;

use anstyle::Style;

use crate::output::wrap::wrap_hanging;
use crate::support::visible::escape_control;

/// Text for the terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StyledText(String);

impl StyledText {
    /// Makes an empty text.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds words, escaped; a line break in them is escaped, too.
    pub fn push_str(&mut self, words: impl Display) -> &mut Self {
        self.0.push_str(&escape_control(words));
        self
    }

    /// Adds words in a style.
    pub fn push_styled(&mut self, style: Style, words: impl Display) -> &mut Self {
        let words = escape_control(words);
        // No escape sequences around nothing.
        if !words.is_empty() {
            // The only place that puts escape sequences into a text: those of the style.
            self.0.push_str(&format!("{style}{words}{style:#}"));
        }
        self
    }

    /// Adds another text.
    pub fn push_text(&mut self, text: &Self) -> &mut Self {
        self.0.push_str(&text.0);
        self
    }

    /// Ends the line, and removes blanks at its end.
    pub fn end_line(&mut self) -> &mut Self {
        self.0.truncate(self.0.trim_end_matches(' ').len());
        self.0.push('\n');
        self
    }

    /// Adds a line: if it is wider than this, it is broken between words, and goes on behind `indent` blanks.
    pub fn push_wrapped(&mut self, line: &Self, width: usize, indent: usize) -> &mut Self {
        for part in wrap_hanging(&line.0, width, indent) {
            self.0.push_str(&part);
            self.end_line();
        }
        self
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text with the styles' escape sequences.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text without styles.
    #[must_use]
    pub fn to_plain(&self) -> String {
        anstream::adapter::strip_str(&self.0).to_string()
    }
}

impl<T: Display> From<T> for StyledText {
    fn from(words: T) -> Self {
        let mut text = Self::new();
        text.push_str(words);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_add_a_style_or_a_line() {
        let mut text = StyledText::new();
        text.push_styled(Style::new().bold(), "a\u{1b}[0mb").push_str(" \n\u{1b}]0;title\u{7}  ").end_line();
        assert_eq!(text.as_str(), "\u{1b}[1ma\\u{1b}[0mb\u{1b}[0m \\u{a}\\u{1b}]0;title\\u{7}\n");
        assert_eq!(text.to_plain(), "a\\u{1b}[0mb \\u{a}\\u{1b}]0;title\\u{7}\n");
    }
}

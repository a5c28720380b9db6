//! Makes text of unknown origin visible: what a terminal would obey, hide or reorder is written as `\u{1b}`.
//!
//! Names, messages and settings of a repository are untrusted. An escape sequence steers the terminal, a bidirectional
//! override makes a line read as another, and a name with a zero-width character looks like one without. All text for a
//! person goes through here, in `output` for the command and in the Python module for exceptions. Files and hashes are
//! never changed.

use std::fmt::{self, Display, Write};

/// Escapes text for one line of a terminal; line breaks and tabs are escaped, too. Doing it twice changes nothing.
#[must_use]
pub fn escape_control(text: impl Display) -> String {
    let mut out = ControlEscaper(String::new());
    // Writing to a string cannot fail; if the value's own `Display` fails, what it wrote so far is shown.
    let _ = write!(out, "{text}");
    out.0
}

/// Escapes text of several lines for a terminal; tabs become blanks. Lines after the first are indented, so that none
/// can pose as a line of ours, such as `hint: …`.
#[must_use]
pub fn escape_control_lines(text: impl Display) -> String {
    const INDENT: &str = "    ";
    let text = text.to_string().replace('\t', INDENT);
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.lines().enumerate() {
        if at > 0 {
            out.push('\n');
            out.push_str(if line.is_empty() || line.starts_with(INDENT) { "" } else { INDENT });
        }
        out.push_str(&escape_control(line));
    }
    out
}

/// Escapes JSON text: every hidden character becomes `\u001b`. The value stays the same, because outside of strings
/// JSON holds no hidden character except line breaks.
#[must_use]
pub fn escape_control_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) && c != '\n' {
            // JSON writes a character beyond U+FFFF as two escapes.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a terminal obeys a character, shows nothing for it, or shows others differently because of it: Unicode's
/// controls (Cc), formats (Cf: bidirectional, zero width, tags), line and paragraph separators, and all that Unicode
/// calls ignorable by default, such as variation selectors.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    if matches!(c, ' '..='~') {
        return false;
    }
    c.is_control()
        || matches!(c,
            // Ignorable by default.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
            // Line and paragraph separator.
            | '\u{2028}'..='\u{2029}'
            // Formats that are not ignorable: marks before Arabic and Kaithi numbers, annotations, Egyptian joiners.
            | '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}')
}

struct ControlEscaper(String);

impl Write for ControlEscaper {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if is_hidden(c) {
                write!(self.0, "{}", c.escape_unicode())?;
            } else {
                self.0.push(c);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S18, S19: Control characters, and those that are not seen, are written as escapes.
    #[test]
    fn what_steers_a_terminal_is_spelled_out() {
        let text = "a\u{1b}[2Jb\n\u{9b}31m\u{202e}x\u{200b}y\u{2028}\u{e0041}\u{fe0f}\u{7f}";
        let shown = escape_control(text);
        assert_eq!(shown, "a\\u{1b}[2Jb\\u{a}\\u{9b}31m\\u{202e}x\\u{200b}y\\u{2028}\\u{e0041}\\u{fe0f}\\u{7f}");
        assert_eq!(escape_control(&shown), shown);
        assert_eq!(escape_control("日本語 é e\u{301} ✨ \u{a0}"), "日本語 é e\u{301} ✨ \u{a0}");
    }

    /// S18: A line break in a value forges no hint or error line.
    #[test]
    fn a_line_break_in_a_message_makes_no_line_of_ours() {
        assert_eq!(
            escape_control_lines("no run\nhint: run it\n    already so\r\nend"),
            "no run\n    hint: run it\n    already so\n    end"
        );
        assert_eq!(escape_control_lines("a\tb\rc"), "a    b\\u{d}c");
    }

    #[test]
    fn json_keeps_its_value() {
        let value = serde_json::json!({"a\u{7f}": "\u{1b}\u{9b}\u{202e}\u{e0041}é\n", "b": [1]});
        let text = escape_control_json(&serde_json::to_string_pretty(&value).unwrap_or_default());
        assert!(text.contains("\\udb40\\udc41") && !text.contains(|c| c != '\n' && is_hidden(c)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).ok(), Some(value));
    }
}

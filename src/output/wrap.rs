//! Words in lines of a terminal's width. A word is never broken, nor is a command in backticks.

use unicode_width::UnicodeWidthStr;

/// Breaks a text into lines of at most `width` columns; all but the first begin with `indent` blanks. A text that fits is one
/// line. In one that does not, each command (words in backticks) has a line of its own. A word or a command that is wider
/// than a line stays whole. Escape sequences of colours have no width.
#[must_use]
pub fn wrap_hanging(text: &str, width: usize, indent: usize) -> Vec<String> {
    if shown_width(text) <= width {
        return vec![text.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    let mut used = 0;
    // Whether nothing follows in the last line.
    let mut is_closed = true;
    for (blanks, atom) in split_atoms(text) {
        let is_command = atom.contains('`') && atom.contains(' ');
        let needed = blanks + shown_width(atom);
        match lines.last_mut() {
            Some(line) if !is_closed && !is_command && used + needed <= width => {
                line.push_str(&format!("{:blanks$}{atom}", ""));
                used += needed;
            }
            Some(_) => {
                lines.push(format!("{:indent$}{atom}", ""));
                used = indent + shown_width(atom);
            }
            None => {
                lines.push(format!("{:blanks$}{atom}", ""));
                used = needed;
            }
        }
        is_closed = is_command;
    }
    lines
}

/// Breaks each line of a message by itself; what is indented stays so, and its further lines stand two columns deeper.
#[must_use]
pub fn wrap_message(message: &str, width: usize) -> String {
    let mut lines = Vec::new();
    for line in message.split('\n') {
        let words = line.trim_start_matches(' ');
        let margin = line.len() - words.len();
        // If nearly everything is margin, nothing can be laid out.
        if margin + 20 > width {
            lines.push(line.to_owned());
            continue;
        }
        let wrapped = wrap_hanging(words, width - margin, 2);
        lines.extend(wrapped.into_iter().map(|part| format!("{:margin$}{part}", "")));
    }
    lines.join("\n")
}

fn shown_width(text: &str) -> usize {
    if text.contains('\u{1b}') { anstream::adapter::strip_str(text).to_string().width() } else { text.width() }
}

/// The words of a text, each with the number of blanks before it; those within backticks are one, and so are a number and its
/// unit.
fn split_atoms(text: &str) -> Vec<(usize, &str)> {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut atoms: Vec<(usize, usize, usize)> = Vec::new();
    let (mut start, mut blanks, mut is_code) = (0, 0, false);
    let mut end_atom = |blanks: usize, start: usize, end: usize| {
        let word = |start: usize, end: usize| text.get(start..end).unwrap_or_default();
        let unit = word(start, end).trim_end_matches([',', ';', '.', ')', ':']);
        match atoms.last_mut() {
            Some(last) if UNITS.contains(&unit) && word(last.1, last.2).ends_with(|c: char| c.is_ascii_digit()) => {
                last.2 = end;
            }
            _ => atoms.push((blanks, start, end)),
        }
    };
    for (at, c) in text.char_indices() {
        match c {
            // A backtick without its other one is a character like any.
            '`' => is_code = !is_code && text.get(at + 1..).is_some_and(|rest| rest.contains('`')),
            ' ' if !is_code => {
                if start < at {
                    end_atom(blanks, start, at);
                    blanks = 0;
                }
                blanks += 1;
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < text.len() {
        end_atom(blanks, start, text.len());
    }
    atoms.into_iter().filter_map(|(blanks, start, end)| Some((blanks, text.get(start..end)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stay_whole_on_a_line_of_their_own() {
        let hint = "hint: to commit it again: `capture-hook publish demo/r1`, then push";
        assert_eq!(wrap_hanging(hint, 80, 2), [hint]);
        let lines = ["hint: to commit it again:", "  `capture-hook publish demo/r1`,", "  then push"];
        assert_eq!(wrap_hanging(hint, 40, 2), lines);
        // Words go on behind a command only if the text is one line.
        assert_eq!(wrap_hanging("a `b c` d e f", 10, 0), ["a", "`b c`", "d e f"]);
        assert_eq!(wrap_hanging("one ` two three", 10, 0), ["one ` two", "three"]);
        assert_eq!(wrap_hanging("read 12 files, 19.5 KiB of data", 21, 0), ["read 12 files,", "19.5 KiB of data"]);
        // Columns stay apart, and colours have no width.
        assert_eq!(wrap_hanging("changed   \u{1b}[1mx/y.json\u{1b}[0m: it is gone", 22, 2).len(), 2);
        assert_eq!(wrap_hanging("changed   x/y.json: it is gone", 22, 2), ["changed   x/y.json: it", "  is gone"]);
        assert_eq!(wrap_hanging("a-word-that-is-too-wide for it", 10, 1), ["a-word-that-is-too-wide", " for it"]);
    }

    #[test]
    fn each_line_of_a_message_keeps_its_margin() {
        let message = "error: one two three four five\n    step_gap: step 7 follows step 5";
        let wrapped = "error: one two three four\n  five\n    step_gap: step 7\n      follows step 5";
        assert_eq!(wrap_message(message, 25), wrapped);
    }
}

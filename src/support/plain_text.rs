//! Which characters a text file may hold so that every program reads the same lines in it, and how large it may be.
//!
//! capture-hook judges files that DVC then reads with other parsers (ruamel.yaml, configobj, tomlkit, Python's
//! `str.splitlines`). They break lines at characters that ours do not, so that a comment to one is a setting to the
//! other. Such characters are refused in every file; no text that a person writes holds them.
//! What the text says is not looked at here.

use std::fmt;

use super::limits;

/// A refused character and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddCharacter {
    /// The line, from 1, as an editor counts.
    pub line: usize,
    /// The character.
    pub character: char,
}

impl fmt::Display for OddCharacter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let description = match self.character {
            '\u{feff}' => "a byte order mark",
            '\r' => "a carriage return without a line feed",
            '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                "a line break for some readers"
            }
            _ => "a control character",
        };
        write!(
            f,
            "the character U+{:04X} ({description}), which programs read differently; remove it",
            u32::from(self.character)
        )
    }
}

/// Returns the first character that programs read differently: a control character other than tab and line break, a
/// Unicode line break, a byte order mark, a non-character.
#[must_use]
pub fn first_odd(text: &str) -> Option<OddCharacter> {
    let bytes = text.as_bytes();
    let is_odd = |(at, c): &(usize, char)| match c {
        '\t' | '\n' => false,
        '\r' => bytes.get(at + 1) != Some(&b'\n'),
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => true,
        c => c.is_control(),
    };
    let (at, character) = text.char_indices().find(is_odd)?;
    let line = bytes.iter().take(at).filter(|b| **b == b'\n').count() + 1;
    Some(OddCharacter { line, character })
}

/// Returns why a TOML or JSON text is too much to read: its size, or the number of values that its punctuation allows
/// for. Called before the parser, which builds all of it in memory.
#[must_use]
pub fn too_much_to_read(bytes: &[u8]) -> Option<String> {
    let values = || bytes.iter().filter(|b| b"=,:[{.".contains(b)).count();
    too_large(bytes, limits::TEXT).or_else(|| (values() > limits::VALUES).then(|| too_many(limits::VALUES)))
}

/// Returns the message if a text has more than `limit` bytes.
#[must_use]
pub fn too_large(bytes: &[u8], limit: u64) -> Option<String> {
    (bytes.len() as u64 > limit).then(|| format!("the file is larger than {} MiB", limit >> 20))
}

/// Returns the message for a text with more than `limit` values.
#[must_use]
pub fn too_many(limit: usize) -> String {
    format!("the file holds more than {limit} values")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_some_programs_take_for_a_line_break_is_odd() {
        for c in "\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{85}\u{2028}\u{2029}\0\u{7f}\u{9f}\u{feff}\u{ffff}\r".chars() {
            assert_eq!(first_odd(&format!("a\r\n\tü{c}b")), Some(OddCharacter { line: 2, character: c }));
        }
        assert_eq!(first_odd("a: ü\t# é 日本 🦀\r\nb\n"), None);
    }
}

//! What a text file of a stranger may hold so that every program reads the same lines in it, and how much of it there may
//! be.
//!
//! A file that capture-hook judges is used by DVC, whose readers are other programs (ruamel.yaml, configobj, tomlkit,
//! Python's `str.splitlines`). They break lines at characters where ours do not, so that what is a comment to one is a
//! setting to the other. Such characters are refused, whatever the file is; no text that a person wrote holds them.

use std::fmt;

use super::limits;

/// A character that is refused, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddCharacter {
    /// Its line, from 1, as an editor counts.
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
                "a line break to some readers"
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

/// The first character of a text that programs read differently: every control character but tab and line breaks as git
/// and editors know them, the Unicode line breaks, byte order marks and non-characters.
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

/// Why a text in TOML or JSON is too much to read, where it is: its size, or the number of values that its punctuation
/// allows for. Said before a parser sees it, for those build all of it in memory.
#[must_use]
pub fn too_much_to_read(bytes: &[u8]) -> Option<String> {
    let values = || bytes.iter().filter(|b| b"=,:[{.".contains(b)).count();
    too_large(bytes, limits::TEXT).or_else(|| (values() > limits::VALUES).then(|| too_many(limits::VALUES)))
}

/// Why a text is too large, where it is.
#[must_use]
pub fn too_large(bytes: &[u8], limit: u64) -> Option<String> {
    (bytes.len() as u64 > limit).then(|| format!("the file is larger than {} MiB", limit >> 20))
}

/// That a text holds too many values.
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

//! Writes a text as a YAML scalar that every reader reads as that text.
//!
//! PyYAML (YAML 1.1) and ruamel.yaml (DVC's, YAML 1.2) disagree on which plain scalars are numbers, dates, booleans or
//! null: `0042`, `1e5`, `13:45`, `yes`, `0o17`, `1_000`, `2026-01-01`, `~`. Whatever either could misread is quoted.
//! The rule here is narrower than both: a plain scalar has unsuspicious characters only, and is a word or number to
//! neither.

use crate::formats::yaml::QuoteStyle;

/// Writes a text in the given style if that is safe, else in the nearest safe one.
#[must_use]
pub fn render_scalar(text: &str, style: QuoteStyle) -> String {
    match style {
        QuoteStyle::Plain | QuoteStyle::Block if plain_is_safe(text) => text.to_owned(),
        QuoteStyle::Plain | QuoteStyle::Block | QuoteStyle::Single if single_is_safe(text) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        QuoteStyle::Plain | QuoteStyle::Block | QuoteStyle::Single | QuoteStyle::Double => double_quoted(text),
    }
}

/// Whether a plain scalar is read as this very text by every reader, in block and in flow context.
#[must_use]
pub fn plain_is_safe(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let is_safe_char = |c: char| c.is_ascii_alphanumeric() || "_./-+=@%".contains(c);
    if !text.chars().all(is_safe_char) {
        return false;
    }
    // No number, date, boolean or null of either version holds a slash.
    if text.contains('/') {
        return first.is_ascii_alphanumeric() || "_./".contains(first);
    }
    // The words that YAML 1.1 or 1.2 reads as a boolean, null or number.
    const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];
    first.is_ascii_alphabetic() && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

/// Whether single quotes keep the text: it is one line of printable characters.
fn single_is_safe(text: &str) -> bool {
    text.chars().all(is_printable)
}

/// Whether PyYAML and ruamel.yaml both allow a character unescaped, and no reader takes it for a line break.
fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\u{a0}'..='\u{d7ff}' => !matches!(c, '\u{2028}' | '\u{2029}'),
        '\u{e000}'..='\u{fffd}' => c != '\u{feff}',
        _ => c >= '\u{10000}',
    }
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c => {
                // The escapes of YAML 1.1 and 1.2, of two, four or eight digits.
                let code = u32::from(c);
                out.push_str(&if code <= 0xff {
                    format!("\\x{code:02x}")
                } else if code <= 0xffff {
                    format!("\\u{code:04x}")
                } else {
                    format!("\\U{code:08x}")
                });
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_would_misread_is_quoted() {
        let misread = [
            "0042",
            "1e5",
            "13:45",
            "yes",
            "No",
            "012",
            "0o17",
            "1_000",
            "2026-01-01",
            "a: b",
            "#x",
            "a #b",
            "~",
            "",
            " a",
            "a ",
            "null",
            "-",
            "- a",
            "? a",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "[a",
            "{a",
            "a,b",
            "|",
            ">",
            "'a",
            "\"a",
            "y",
            "Inf",
            ".inf",
            "0x1f",
            "+1",
            "=",
            "<<",
            "ü",
            "a\u{85}b",
            "a\nb",
            "---",
            "...",
            "1.5",
            ".5",
            "é/b",
        ];
        for text in misread {
            assert_ne!(render_scalar(text, QuoteStyle::Plain), text, "{text:?}");
        }
    }

    #[test]
    fn a_path_stays_plain() {
        for text in ["results/demo/r1", "results/2026-01-01/0042", "r1", "./r", "a-b_c.d", "0042/1e5"] {
            assert_eq!(render_scalar(text, QuoteStyle::Plain), text);
        }
    }

    #[test]
    fn a_safe_style_is_kept() {
        assert_eq!(render_scalar("a/b", QuoteStyle::Single), "'a/b'");
        assert_eq!(render_scalar("it's", QuoteStyle::Single), "'it''s'");
        assert_eq!(render_scalar("a/b", QuoteStyle::Double), "\"a/b\"");
        assert_eq!(render_scalar("a\tb", QuoteStyle::Single), "\"a\\tb\"");
    }
}

//! Text of strangers in Markdown: shown as it is, with no effect. A bare address can still become a link, which shows
//! where it leads.

use std::fmt::Write;

use crate::support::visible::is_hidden;

/// Escapes a text for a line of Markdown, also for a cell of a table. White space becomes single blanks, and what is
/// not visible is left out.
pub(super) fn escape_line(text: &str) -> String {
    let visible = text.chars().filter(|c| c.is_whitespace() || !is_hidden(*c)).collect::<String>();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = String::with_capacity(line.len());
    // At the beginning of a line these would make a list, a rule or an underlined title.
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let is_inner = |at: usize| {
        let (before, after) = (line.as_bytes().get(at.wrapping_sub(1)), line.as_bytes().get(at + 1));
        [before, after].iter().all(|byte| byte.is_some_and(u8::is_ascii_alphanumeric))
    };
    for (at, c) in line.char_indices() {
        match c {
            // Between letters it is no emphasis, and names of columns stay readable in the source.
            '_' if is_inner(at) => out.push(c),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Not `\\`: the Hub takes `\\(` for the beginning of a formula.
            '\\' => out.push_str("&#92;"),
            '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            '-' | '+' | '=' if at == 0 => {
                let _ = write!(out, "\\{c}");
            }
            '.' | ')' if at == digits && digits > 0 => {
                let _ = write!(out, "\\{c}");
            }
            _ => out.push(c),
        }
    }
    out
}

/// Escapes a text of several paragraphs, which blank lines separate.
pub(super) fn escape_paragraphs(text: &str) -> String {
    let mut paragraphs = vec![String::new()];
    for line in text.lines() {
        if line.trim().is_empty() {
            paragraphs.push(String::new());
        } else if let Some(paragraph) = paragraphs.last_mut() {
            paragraph.push_str(line);
            paragraph.push(' ');
        }
    }
    let paragraphs = paragraphs.iter().map(|paragraph| escape_line(paragraph)).filter(|text| !text.is_empty());
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_active() {
        let cases = [
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("a](b) ![x](y)", "a\\](b) \\!\\[x\\](y)"),
            ("`x` *y* __z__ ~~s~~ $f$", "\\`x\\` \\*y\\* \\_\\_z\\_\\_ \\~\\~s\\~\\~ \\$f\\$"),
            ("a\n# b\r\n| c |", "a \\# b \\| c \\|"),
            ("\\( \\[", "&#92;( &#92;\\["),
            ("- a - b", "\\- a - b"),
            ("---", "\\---"),
            ("12. a", "12\\. a"),
            ("1) a", "1\\) a"),
            ("1.5 m", "1\\.5 m"),
            ("&lt;", "&amp;lt;"),
            ("a\u{202e}b\u{200b}c", "abc"),
            ("  a \t b  ", "a b"),
            ("ü 🦀", "ü 🦀"),
            ("agent_x _a_ ü_b", "agent_x \\_a\\_ ü\\_b"),
        ];
        for (text, expected) in cases {
            assert_eq!(escape_line(text), expected);
        }
    }

    #[test]
    fn paragraphs_stay_apart() {
        assert_eq!(escape_paragraphs("a\nb\n \n\n# c\n"), "a b\n\n\\# c");
        assert_eq!(escape_paragraphs("\n\n"), "");
    }
}

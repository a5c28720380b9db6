//! Checks what stands between the scalars of a YAML text: punctuation, comments, anchors, aliases and tags, and nothing
//! else.
//!
//! A second opinion on where scalars end. Readers disagree on the name of an anchor, on blank lines and on the first
//! character of a plain scalar. If only plain punctuation is left between the scalars, they agree. The scalars
//! themselves are not looked at.

use std::ops::Range;

use super::YamlError;

/// Fails at the first thing between scalars, from byte `start` on, that readers take for different things. `scalars`
/// are the byte ranges in order.
pub(crate) fn check_outside_scalars(text: &str, start: usize, scalars: &[Range<usize>]) -> Result<(), YamlError> {
    let bytes = text.as_bytes();
    let fail = |at: usize, message: String| {
        let line = bytes.iter().take(at).filter(|b| **b == b'\n').count() + 1;
        Err(YamlError { line, message })
    };
    let mut scalars = scalars.iter().peekable();
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        while scalars.next_if(|span| span.end <= at).is_some() {}
        if let Some(span) = scalars.next_if(|span| span.start <= at) {
            at = span.end;
            continue;
        }
        // Nothing between scalars can reach into the next one.
        let next_scalar = scalars.peek().map_or(bytes.len(), |span| span.start);
        let word_at = |from: usize| {
            let rest = bytes.get(from..next_scalar).unwrap_or_default();
            let end = rest.iter().position(|b| b.is_ascii_whitespace() || b",[]{}".contains(b)).unwrap_or(rest.len());
            from..from + end
        };
        match byte {
            b':' if at < next_scalar
                && bytes.get(at + 1).is_some_and(|b| b",[]{}".contains(b))
                && !bytes.get(at.wrapping_sub(1)).is_some_and(|b| b"'\"".contains(b)) =>
            {
                return fail(at, "a colon between brackets needs a space after it".into());
            }
            b' ' | b'\n' | b'\r' | b'\t' | b'-' | b'?' | b':' | b',' | b'[' | b']' | b'{' | b'}' => at += 1,
            // The header of a block of text (`|+2`), and the end of a document (`...`).
            b'|' | b'>' | b'+' | b'.' | b'0'..=b'9' => at += 1,
            b'#' => {
                if at > start && !bytes.get(at - 1).is_some_and(u8::is_ascii_whitespace) {
                    return fail(at, "a comment needs a space before it".into());
                }
                let rest = bytes.get(at..).unwrap_or_default();
                at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            }
            b'&' | b'*' => {
                let name = word_at(at + 1);
                let name_is_plain = |b: &u8| b.is_ascii_alphanumeric() || b"_-".contains(b);
                if name.is_empty() || !bytes.get(name.clone()).unwrap_or_default().iter().all(name_is_plain) {
                    return fail(
                        at,
                        "the name of an anchor or alias holds other characters than letters, digits, `_` and `-`"
                            .into(),
                    );
                }
                at = name.end;
            }
            b'!' => at = word_at(at).end,
            _ => return fail(at, "it is not clear where a value begins here; put it in quotes".into()),
        }
    }
    Ok(())
}

//! Turns the parser's positions into byte ranges: `saphyr-parser` counts characters, and includes in a scalar's span
//! what does not belong to it (tags, indentation, what follows a quoted one). The text is only read.

use std::ops::Range;

use saphyr_parser::Span;

use super::QuoteStyle;

/// Turns the parser's character offsets into byte offsets.
pub(crate) struct ByteOffsets<'a> {
    text: &'a [u8],
    /// The byte offset of each character; `None` if the text is ASCII, and the two are equal.
    offsets: Option<Vec<u32>>,
    shift: usize,
}

impl<'a> ByteOffsets<'a> {
    pub(crate) fn new(text: &'a str, shift: usize) -> Self {
        let offsets = (!text.is_ascii())
            .then(|| text.char_indices().map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect());
        Self { text: text.as_bytes(), offsets, shift }
    }

    fn byte_offset(&self, index: usize) -> usize {
        let at = match &self.offsets {
            // index.min(self.text.len()), => For speed: in ASCII, characters are bytes.
            None => index.min(self.text.len()),
            Some(offsets) => offsets.get(index).map_or(self.text.len(), |at| *at as usize),
        };
        at + self.shift
    }

    pub(crate) fn byte_range(&self, span: Span) -> Range<usize> {
        let start = self.byte_offset(span.start.index());
        start..self.byte_offset(span.end.index()).max(start)
    }

    /// Returns a scalar's own bytes. The parser's span of a quoted scalar runs on over what follows it, comments
    /// included; that of a tagged scalar begins at the tag.
    pub(crate) fn scalar_range(&self, range: Range<usize>, style: QuoteStyle) -> Range<usize> {
        let mut start = range.start - self.shift;
        // Skip tags and anchors (`!!str`, `&a`) and the blanks after them.
        while style != QuoteStyle::Block
            && start < range.end - self.shift
            && self.text.get(start).is_some_and(|b| b"!&".contains(b))
        {
            let rest = self.text.get(start..).unwrap_or_default();
            let word = rest.iter().take_while(|b| !b.is_ascii_whitespace()).count();
            let space = rest.iter().skip(word).take_while(|b| b.is_ascii_whitespace()).count();
            start += word + space;
        }
        let range = (start + self.shift).min(range.end)..range.end;
        let quote = match style {
            QuoteStyle::Single => b'\'',
            QuoteStyle::Double => b'"',
            QuoteStyle::Plain => return range,
            QuoteStyle::Block => {
                // The parser's span of a block runs on into the next line's indentation.
                let text = self.text.get(range.start - self.shift..range.end - self.shift).unwrap_or_default();
                let spaces = text.iter().rev().take_while(|b| **b == b' ').count();
                let whole = text.len() == spaces || text.get(text.len() - spaces - 1) == Some(&b'\n');
                return range.start..if whole { range.end - spaces } else { range.end };
            }
        };
        let mut at = range.start - self.shift + 1;
        while let Some(byte) = self.text.get(at) {
            match byte {
                b'\\' if quote == b'"' => at += 1,
                b'\'' if quote == b'\'' && self.text.get(at + 1) == Some(&b'\'') => at += 1,
                b if *b == quote => return range.start..at + 1 + self.shift,
                _ => {}
            }
            at += 1;
        }
        range
    }
}

//! YAML as a tree whose every node knows its bytes in the text: what the params editor splices by, and what reads
//! `dvc.yaml`, `dvc.lock` and `params.yaml`.
//!
//! A thin layer over `saphyr-parser`'s events (YAML 1.2). It builds the tree without recursion and with caps on depth and
//! size, so that no text from a cloned repository can exhaust the stack; aliases stay aliases and are never expanded.
//! Plain scalars resolve as ruamel.yaml, which DVC reads with, resolves them under YAML 1.2.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::value::Value;

/// The largest text that is read, in bytes.
const MAX_BYTES: usize = 64 << 20;
/// The deepest nesting that is read.
const MAX_DEPTH: usize = 128;

/// A text that is not YAML, or that is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct YamlError {
    /// Line from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`
    Single,
    /// `"…"`
    Double,
    /// `|` or `>`
    Block,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A scalar, its text unescaped.
    Scalar {
        /// The unescaped text.
        text: String,
        /// How it is written.
        style: Style,
    },
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping, in the text's order, duplicate keys included.
    Mapping(Vec<(Node, Node)>),
    /// A reference to the node with this anchor.
    Alias(usize),
}

/// A node and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Its bytes in the text. A flow collection's include the brackets; a block collection's end where its last node
    /// ends. Anchors and tags are not included.
    pub span: Range<usize>,
    /// Its first line, from 1.
    pub line: usize,
    /// Its anchor, where it has one.
    pub anchor: Option<usize>,
    /// Its explicit tag (`tag:yaml.org,2002:str`), where it has one.
    pub tag: Option<String>,
    /// Whether a collection is written with brackets.
    pub flow: bool,
}

impl Node {
    /// The text of a scalar, whatever type it resolves to.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The entries of a mapping.
    #[must_use]
    pub fn entries(&self) -> Option<&[(Node, Node)]> {
        match &self.kind {
            Kind::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items of a sequence.
    #[must_use]
    pub fn items(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The value of a key of a mapping: the first, where the text has several.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|(k, _)| k.text() == Some(key)).map(|(_, v)| v)
    }

    /// Whether this is a scalar that stands for nothing: empty, `~`, `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.to_value(), Some(Value::Null))
    }

    /// The value, `None` where it holds an alias, a merge key, a tag of its own or a date, which are not resolved here.
    #[must_use]
    pub fn to_value(&self) -> Option<Value> {
        let core = self.tag.as_deref().map(|t| t.strip_prefix("tag:yaml.org,2002:"));
        match (&self.kind, core) {
            (_, Some(None)) | (Kind::Alias(_), _) => None,
            (Kind::Scalar { text, .. }, Some(Some("str"))) => Some(Value::Str(text.clone())),
            (Kind::Scalar { text, style: Style::Plain }, None) => Value::from_plain(text),
            (Kind::Scalar { text, .. }, None) => Some(Value::Str(text.clone())),
            (Kind::Scalar { text, .. }, Some(Some("null" | "bool" | "int" | "float"))) => Value::from_plain(text),
            (Kind::Scalar { .. }, Some(Some(_))) => None,
            (Kind::Sequence(items), None | Some(Some("seq"))) => {
                items.iter().map(Node::to_value).collect::<Option<_>>().map(Value::List)
            }
            (Kind::Mapping(entries), None | Some(Some("map"))) => entries
                .iter()
                .map(|(key, value)| match (&key.kind, key.to_value()?) {
                    (Kind::Scalar { text, style: Style::Plain }, _) if text == "<<" => None,
                    (Kind::Scalar { text, .. }, _) => Some((text.clone(), value.to_value()?)),
                    _ => None,
                })
                .collect::<Option<_>>()
                .map(Value::Map),
            (Kind::Sequence(_) | Kind::Mapping(_), Some(Some(_))) => None,
        }
    }

    /// The first key that a mapping in this tree has twice, and the line of its second writing.
    #[must_use]
    pub fn duplicate_key(&self) -> Option<(String, usize)> {
        let mut todo = vec![self];
        while let Some(node) = todo.pop() {
            match &node.kind {
                Kind::Sequence(items) => todo.extend(items.iter().rev()),
                Kind::Mapping(entries) => {
                    let mut seen = std::collections::HashSet::new();
                    for (key, value) in entries {
                        if let Some(text) = key.text()
                            && !seen.insert(text)
                        {
                            return Some((text.to_owned(), key.line));
                        }
                        todo.push(value);
                    }
                }
                Kind::Scalar { .. } | Kind::Alias(_) => {}
            }
        }
        None
    }
}

impl Drop for Node {
    /// Takes the tree apart without recursion.
    fn drop(&mut self) {
        fn children(node: &mut Node, into: &mut Vec<Node>) {
            match &mut node.kind {
                Kind::Sequence(items) => into.append(items),
                Kind::Mapping(entries) => into.extend(entries.drain(..).flat_map(|(k, v)| [k, v])),
                Kind::Scalar { .. } | Kind::Alias(_) => {}
            }
        }
        let mut todo = Vec::new();
        children(self, &mut todo);
        while let Some(mut node) = todo.pop() {
            children(&mut node, &mut todo);
        }
    }
}

/// The line, from 1, of the first conflict marker that git left in a text.
#[must_use]
pub fn conflict_marker(bytes: &[u8]) -> Option<usize> {
    let marker = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        [&b"<<<<<<<"[..], b"|||||||", b">>>>>>>"]
            .iter()
            .any(|m| line.strip_prefix(*m).is_some_and(|rest| rest.is_empty() || rest.starts_with(b" ")))
    };
    bytes.split(|b| *b == b'\n').position(marker).map(|at| at + 1)
}

/// The documents of a text. A byte order mark is skipped; an empty text has no document.
pub fn documents(bytes: &[u8]) -> Result<Vec<Node>, YamlError> {
    let fail = |line: usize, message: &str| YamlError { line, message: message.to_owned() };
    if bytes.len() > MAX_BYTES {
        return Err(fail(1, "the file is larger than 64 MiB"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        fail(before.iter().filter(|b| **b == b'\n').count() + 1, "not UTF-8")
    })?;
    let bom = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let body = &text[bom..];
    let place = Places::new(body, bom);
    let mut tree = Tree { place, open: Vec::new(), done: Vec::new() };
    for event in Parser::new_from_str(body) {
        let (event, span) = event.map_err(|e| fail(e.marker().line().max(1), e.info()))?;
        tree.event(event, span)?;
    }
    Ok(std::mem::take(&mut tree.done))
}

/// The one document of a text; `None` where the text is empty. Several documents are an error.
pub fn document(bytes: &[u8]) -> Result<Option<Node>, YamlError> {
    let mut documents = documents(bytes)?;
    if let Some(second) = documents.get(1) {
        return Err(YamlError { line: second.line, message: "a second document starts here".into() });
    }
    Ok(documents.pop())
}

/// Turns the parser's character offsets into byte offsets.
struct Places<'a> {
    text: &'a [u8],
    /// The byte offset of each character, where the text is not all ASCII.
    offsets: Option<Vec<u32>>,
    shift: usize,
}

impl<'a> Places<'a> {
    fn new(text: &'a str, shift: usize) -> Self {
        let offsets = (!text.is_ascii())
            .then(|| text.char_indices().map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect());
        Self { text: text.as_bytes(), offsets, shift }
    }

    fn byte(&self, index: usize) -> usize {
        let at = match &self.offsets {
            None => index.min(self.text.len()),
            Some(offsets) => offsets.get(index).map_or(self.text.len(), |at| *at as usize),
        };
        at + self.shift
    }

    fn range(&self, span: Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }

    /// A scalar's own bytes. The parser's span of a quoted one runs on over what follows it, comments included.
    /// That of a tagged one begins at the tag.
    fn scalar(&self, range: Range<usize>, style: Style) -> Range<usize> {
        let mut start = range.start - self.shift;
        while style != Style::Block
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
            Style::Single => b'\'',
            Style::Double => b'"',
            Style::Plain => return range,
            Style::Block => {
                // It runs on into the next line's indentation.
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

/// A collection that is still being read.
struct Open {
    node: Node,
    /// A mapping's key that waits for its value.
    key: Option<Node>,
}

struct Tree<'a> {
    place: Places<'a>,
    open: Vec<Open>,
    done: Vec<Node>,
}

impl Tree<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let range = self.place.range(span);
        let line = span.start.line().max(1);
        let anchor = |id: usize| (id > 0).then_some(id);
        let name =
            |tag: Option<std::borrow::Cow<'_, saphyr_parser::Tag>>| tag.map(|t| format!("{}{}", t.handle, t.suffix));
        match event {
            Event::Scalar(text, style, id, tag) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let span = self.place.scalar(range, style);
                let kind = Kind::Scalar { text: text.into_owned(), style };
                self.close(Node { kind, span, line, anchor: anchor(id), tag: name(tag), flow: false });
            }
            Event::Alias(id) => {
                let kind = Kind::Alias(id);
                self.close(Node { kind, span: range, line, anchor: None, tag: None, flow: false });
            }
            Event::SequenceStart(id, tag) => {
                self.start(Kind::Sequence(Vec::new()), range, line, (anchor(id), name(tag)))?;
            }
            Event::MappingStart(id, tag) => {
                self.start(Kind::Mapping(Vec::new()), range, line, (anchor(id), name(tag)))?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { mut node, .. }) = self.open.pop() {
                    let last = match &node.kind {
                        Kind::Sequence(items) => items.last().map(|n| n.span.end),
                        Kind::Mapping(entries) => entries.last().map(|(k, v)| v.span.end.max(k.span.end)),
                        Kind::Scalar { .. } | Kind::Alias(_) => None,
                    };
                    node.span.end = if node.flow { range.end } else { last.unwrap_or(node.span.end) };
                    self.close(node);
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn start(
        &mut self,
        kind: Kind,
        span: Range<usize>,
        line: usize,
        (anchor, tag): (Option<usize>, Option<String>),
    ) -> Result<(), YamlError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(YamlError { line, message: format!("nested deeper than {MAX_DEPTH} levels") });
        }
        // A flow collection's start event spans its bracket; a block collection's spans nothing.
        let flow = !span.is_empty();
        self.open.push(Open { node: Node { kind, span, line, anchor, tag, flow }, key: None });
        Ok(())
    }

    fn close(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.done.push(node);
            return;
        };
        match &mut open.node.kind {
            Kind::Sequence(items) => items.push(node),
            Kind::Mapping(entries) => match open.key.take() {
                Some(key) => entries.push((key, node)),
                None => open.key = Some(node),
            },
            Kind::Scalar { .. } | Kind::Alias(_) => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn spans(text: &str) -> Vec<String> {
        let mut out = Vec::new();
        let root = document(text.as_bytes()).unwrap().unwrap();
        let mut todo = vec![&root];
        while let Some(node) = todo.pop() {
            match &node.kind {
                Kind::Scalar { .. } | Kind::Alias(_) => out.push(text[node.span.clone()].to_owned()),
                Kind::Sequence(items) => {
                    if node.flow {
                        out.push(text[node.span.clone()].to_owned());
                    }
                    todo.extend(items.iter().rev());
                }
                Kind::Mapping(entries) => {
                    if node.flow {
                        out.push(text[node.span.clone()].to_owned());
                    }
                    todo.extend(entries.iter().rev().flat_map(|(k, v)| [v, k]));
                }
            }
        }
        out
    }

    #[test]
    fn every_node_knows_its_bytes() {
        let text = "\u{feff}# ünï\r\na: 'b ''ü'  # c\r\nm: {x: 1, y: [2, \"3\"]}\r\ns:\r\n  - p q \r\nz: k\r\n";
        assert_eq!(
            spans(text),
            [
                "a",
                "'b ''ü'",
                "m",
                "{x: 1, y: [2, \"3\"]}",
                "x",
                "1",
                "y",
                "[2, \"3\"]",
                "2",
                "\"3\"",
                "s",
                "p q",
                "z",
                "k"
            ]
        );
    }

    #[test]
    fn deep_nesting_is_refused_not_a_crash() {
        let text = "[".repeat(100_000);
        assert!(document(text.as_bytes()).is_err());
        let text = "- ".repeat(100_000);
        assert!(document(text.as_bytes()).is_err());
    }

    #[test]
    fn conflict_markers_are_found() {
        assert_eq!(conflict_marker(b"a: 1\r\n<<<<<<< HEAD\r\n"), Some(2));
        assert_eq!(conflict_marker(b"a: <<<<<<< b\n<<<<<<<<\n"), None);
    }

    #[test]
    fn a_second_document_is_an_error_with_its_line() {
        let error = document(b"a: 1\n---\nb: 2\n").unwrap_err();
        assert_eq!(error.line, 3, "{error}");
    }

    #[test]
    fn duplicate_keys_are_seen() {
        let root = document(b"a: 1\nb:\n  c: 1\n  c: 2\n").unwrap().unwrap();
        assert_eq!(root.duplicate_key(), Some(("c".into(), 4)));
    }
}

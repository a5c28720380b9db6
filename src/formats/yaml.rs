//! YAML as a tree whose nodes know their bytes in the text: for the params editor, and for reading `dvc.yaml`,
//! `dvc.lock` and `params.yaml`.
//!
//! A thin layer over `saphyr-parser`'s events (YAML 1.2). The tree is built without recursion, with limits on depth,
//! size and number of nodes, so that no text of a cloned repository can exhaust the stack or the memory. Aliases stay
//! aliases and are never expanded. Plain scalars resolve as in ruamel.yaml, DVC's reader. What the two readers take for
//! different things is refused with its line: in the whole text (characters, directives), or in the part that matters
//! ([`YamlNode::first_unclear`]); `tests/it/stranger_readers.rs` compares them.
//! No YAML is written here.

mod outside;
mod places;

use std::ops::Range;

use places::ByteOffsets;
use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::formats::value::{MERGE_KEY, ParamsValue};
use crate::support::limits;
use crate::support::plain_text::{first_odd, too_large, too_many};

/// The deepest nesting that is read, far more than real files have.
const MAX_DEPTH: usize = 128;

/// A text that is not YAML, or holds something that is not read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct YamlError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuoteStyle {
    /// Without quotes.
    Plain,
    /// `'…'`
    Single,
    /// `"…"`
    Double,
    /// `|` or `>`
    Block,
}

/// The kind of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A scalar, its text unescaped.
    Scalar {
        /// The unescaped text.
        text: String,
        /// How it is written.
        style: QuoteStyle,
    },
    /// A sequence.
    Sequence(Vec<YamlNode>),
    /// A mapping, in the text's order, duplicate keys included.
    Mapping(Vec<(YamlNode, YamlNode)>),
    /// A reference to the node with this anchor.
    Alias(usize),
}

/// A node and its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlNode {
    /// The kind, with the content.
    pub kind: NodeKind,
    /// Its bytes in the text. A flow collection's include the brackets; a block collection's end where its last node
    /// ends. Anchors and tags are not included.
    pub span: Range<usize>,
    /// Its first line, from 1.
    pub line: usize,
    /// Its anchor, if any.
    pub anchor: Option<usize>,
    /// Its explicit tag (`tag:yaml.org,2002:str`), if any.
    pub tag: Option<String>,
    /// Whether a collection is written with brackets.
    pub flow: bool,
}

impl YamlNode {
    /// The text of a scalar, whatever type it resolves to.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The entries of a mapping.
    #[must_use]
    pub fn entries(&self) -> Option<&[(YamlNode, YamlNode)]> {
        match &self.kind {
            NodeKind::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items of a sequence.
    #[must_use]
    pub fn items(&self) -> Option<&[YamlNode]> {
        match &self.kind {
            NodeKind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The value of a key of a mapping: the first if the key is there twice.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&YamlNode> {
        self.entries()?.iter().find(|(k, _)| k.text() == Some(key)).map(|(_, v)| v)
    }

    /// Whether this is a null scalar: empty, `~`, `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.to_value(), Some(ParamsValue::Null))
    }

    /// Returns the value; `None` if it holds what is not resolved here: an alias, a merge key, a tag other than
    /// `!!str`, a date.
    #[must_use]
    pub fn to_value(&self) -> Option<ParamsValue> {
        const STR: &str = "tag:yaml.org,2002:str";
        match (&self.kind, self.tag.as_deref()) {
            (NodeKind::Scalar { text, .. }, Some(STR)) => Some(ParamsValue::Str(text.clone())),
            // None, => Another tag (`!!int`, `!mine`) or an alias changes what the text means.
            (_, Some(_)) | (NodeKind::Alias(_), _) => None,
            (NodeKind::Scalar { text, style: QuoteStyle::Plain }, None) => ParamsValue::from_plain(text),
            (NodeKind::Scalar { text, .. }, None) => Some(ParamsValue::Str(text.clone())),
            (NodeKind::Sequence(items), None) => {
                items.iter().map(YamlNode::to_value).collect::<Option<_>>().map(ParamsValue::List)
            }
            (NodeKind::Mapping(entries), None) => entries
                .iter()
                .map(|(key, value)| Some((key.key_text()?.to_owned(), value.to_value()?)))
                .collect::<Option<_>>()
                .map(ParamsValue::Map),
        }
    }

    /// The value; what [`YamlNode::to_value`] does not resolve is [`ParamsValue::Unresolved`] in its place.
    #[must_use]
    pub fn to_partial_value(&self) -> ParamsValue {
        match &self.kind {
            NodeKind::Sequence(items) if self.tag.is_none() => {
                ParamsValue::List(items.iter().map(YamlNode::to_partial_value).collect())
            }
            NodeKind::Mapping(entries) if self.tag.is_none() => {
                let entry = |(key, value): &(YamlNode, YamlNode)| match key.key_text() {
                    Some(text) => (text.to_owned(), value.to_partial_value()),
                    None => (MERGE_KEY.to_owned(), ParamsValue::Unresolved),
                };
                ParamsValue::Map(entries.iter().map(entry).collect())
            }
            _ => self.to_value().unwrap_or(ParamsValue::Unresolved),
        }
    }

    /// Returns the text of a plain key; `None` for an alias, a collection, a tag or the merge key.
    pub(crate) fn key_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } if self.tag.is_none() && text != MERGE_KEY => Some(text),
            _ => None,
        }
    }

    /// Returns the line and a description of the first node, down to this depth, that refers to another place: an
    /// alias, a merge key, a tag. What is judged must be written out. Depth 0 looks at a mapping's keys alone.
    #[must_use]
    pub fn first_unclear(&self, depth: usize) -> Option<(usize, &'static str)> {
        let mut todo = vec![(self, depth)];
        while let Some((node, depth)) = todo.pop() {
            match &node.kind {
                NodeKind::Alias(_) => {
                    return Some((node.line, "an alias (`*…`) is not followed here; write its value out"));
                }
                _ if node.tag.is_some() => return Some((node.line, "a tag (`!…`) is not read here; remove it")),
                NodeKind::Mapping(entries) => {
                    if let Some((key, _)) = entries.iter().find(|(key, _)| key.key_text().is_none()) {
                        return Some((
                            key.line,
                            "a key that is not plain text (a merge `<<`, an alias, a tag) is not followed here",
                        ));
                    }
                    todo.extend(entries.iter().rev().filter(|_| depth > 0).map(|(_, value)| (value, depth - 1)));
                }
                NodeKind::Sequence(items) => {
                    todo.extend(items.iter().rev().filter(|_| depth > 0).map(|item| (item, depth - 1)));
                }
                NodeKind::Scalar { .. } => {}
            }
        }
        None
    }

    /// Returns the first key that some mapping in this tree has twice, and the line of the second one.
    #[must_use]
    pub fn duplicate_key(&self) -> Option<(String, usize)> {
        let mut todo = vec![self];
        while let Some(node) = todo.pop() {
            match &node.kind {
                NodeKind::Sequence(items) => todo.extend(items.iter().rev()),
                NodeKind::Mapping(entries) => {
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
                NodeKind::Scalar { .. } | NodeKind::Alias(_) => {}
            }
        }
        None
    }
}

impl Drop for YamlNode {
    /// Drops the tree without recursion: the compiler's own drop could overflow the stack on deep nesting.
    fn drop(&mut self) {
        fn children(node: &mut YamlNode, into: &mut Vec<YamlNode>) {
            match &mut node.kind {
                NodeKind::Sequence(items) => into.append(items),
                NodeKind::Mapping(entries) => into.extend(entries.drain(..).flat_map(|(k, v)| [k, v])),
                NodeKind::Scalar { .. } | NodeKind::Alias(_) => {}
            }
        }
        let mut todo = Vec::new();
        children(self, &mut todo);
        while let Some(mut node) = todo.pop() {
            children(&mut node, &mut todo);
        }
    }
}

/// Returns the one document of a text; `None` if the text is empty. A byte order mark at its start is skipped. Several
/// documents are an error, and so is whatever readers take for different things: odd characters, directives.
pub fn parse_document(bytes: &[u8]) -> Result<Option<YamlNode>, YamlError> {
    parse_document_within(bytes, limits::TEXT, limits::VALUES)
}

/// Reads like [`parse_document`], with these limits on bytes and values.
pub fn parse_document_within(bytes: &[u8], most_bytes: u64, most_values: usize) -> Result<Option<YamlNode>, YamlError> {
    let error_at = |line: usize, message: String| YamlError { line, message };
    // The size first: every check below takes time per byte.
    if let Some(why) = too_large(bytes, most_bytes) {
        return Err(error_at(1, why));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        error_at(before.iter().filter(|b| **b == b'\n').count() + 1, "not UTF-8".into())
    })?;
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(odd) = first_odd(body) {
        return Err(error_at(odd.line, odd.to_string()));
    }
    // Readers disagree on whether a tab in an empty line is text.
    if let Some(at) = body.lines().position(|line| line.contains('\t') && line.trim().is_empty()) {
        return Err(error_at(at + 1, "a tab in an empty line; remove it".into()));
    }
    // A directive changes what plain scalars and tags mean, and ruamel.yaml obeys it.
    if let Some(at) = body.lines().position(|line| line.starts_with('%')) {
        return Err(error_at(at + 1, "a line that begins with `%` (a YAML directive) is not read here".into()));
    }
    let offsets = ByteOffsets::new(body, text.len() - body.len());
    let mut tree = TreeBuilder {
        offsets,
        open: Vec::new(),
        done: None,
        nodes: 0,
        most_nodes: most_values,
        scalars: Vec::new(),
        ends_in_block: false,
    };
    for event in Parser::new_from_str(body) {
        let (event, span) = event.map_err(|e| error_at(e.marker().line().max(1), e.info().to_owned()))?;
        tree.handle_event(event, span)?;
    }
    // After the tree: the check needs the byte ranges of all scalars.
    outside::check_outside_scalars(text, text.len() - body.len(), &tree.scalars)?;
    // Readers disagree on whether the last line of such a block has a line break.
    if tree.ends_in_block && !body.ends_with('\n') {
        let message = "the file ends in a block of text without a line break; end its last line, then try again";
        return Err(error_at(body.matches('\n').count() + 1, message.into()));
    }
    Ok(tree.done)
}

/// A collection that is still being read.
struct OpenCollection {
    node: YamlNode,
    /// A mapping's key that waits for its value.
    key: Option<YamlNode>,
}

struct TreeBuilder<'a> {
    offsets: ByteOffsets<'a>,
    open: Vec<OpenCollection>,
    done: Option<YamlNode>,
    /// The number of nodes so far.
    nodes: usize,
    /// The limit on nodes.
    most_nodes: usize,
    /// The byte ranges of all scalars so far.
    scalars: Vec<Range<usize>>,
    /// Whether the last scalar is a block of text.
    ends_in_block: bool,
}

impl TreeBuilder<'_> {
    fn handle_event(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let range = self.offsets.byte_range(span);
        let line = span.start.line().max(1);
        if self.done.is_some() && matches!(event, Event::DocumentStart(_)) {
            return Err(YamlError { line, message: "a second document starts here".into() });
        }
        // Checked at each event, so that a hostile text fails before its tree fills the memory.
        self.nodes += 1;
        if self.nodes > self.most_nodes {
            return Err(YamlError { line, message: too_many(self.most_nodes) });
        }
        let anchor = |id: usize| (id > 0).then_some(id);
        let tag_name =
            |tag: Option<std::borrow::Cow<'_, saphyr_parser::Tag>>| tag.map(|t| format!("{}{}", t.handle, t.suffix));
        match event {
            Event::Scalar(text, style, id, tag) => {
                let style = match style {
                    ScalarStyle::Plain => QuoteStyle::Plain,
                    ScalarStyle::SingleQuoted => QuoteStyle::Single,
                    ScalarStyle::DoubleQuoted => QuoteStyle::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => QuoteStyle::Block,
                };
                let in_flow = self.open.last().is_some_and(|open| open.node.flow);
                // Readers disagree on plain text such as `[:a]` and `[?a]`.
                if style == QuoteStyle::Plain && in_flow && text.starts_with([':', '?']) {
                    let message = "a text between brackets that begins with `:` or `?`; put it in quotes";
                    return Err(YamlError { line, message: message.into() });
                }
                let span = self.offsets.scalar_range(range, style);
                self.scalars.push(span.clone());
                self.ends_in_block = style == QuoteStyle::Block;
                let kind = NodeKind::Scalar { text: text.into_owned(), style };
                self.close_node(YamlNode { kind, span, line, anchor: anchor(id), tag: tag_name(tag), flow: false });
            }
            // Kept as it is: expanding aliases can make a small text endless.
            Event::Alias(id) => {
                let kind = NodeKind::Alias(id);
                self.close_node(YamlNode { kind, span: range, line, anchor: None, tag: None, flow: false });
            }
            Event::SequenceStart(id, tag) => {
                self.start_collection(NodeKind::Sequence(Vec::new()), range, line, (anchor(id), tag_name(tag)))?;
            }
            Event::MappingStart(id, tag) => {
                self.start_collection(NodeKind::Mapping(Vec::new()), range, line, (anchor(id), tag_name(tag)))?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(OpenCollection { mut node, .. }) = self.open.pop() {
                    let last = match &node.kind {
                        NodeKind::Sequence(items) => items.last().map(|n| n.span.end),
                        NodeKind::Mapping(entries) => entries.last().map(|(k, v)| v.span.end.max(k.span.end)),
                        NodeKind::Scalar { .. } | NodeKind::Alias(_) => None,
                    };
                    // The parser ends a block collection at the next token; its last node is the true end.
                    node.span.end = if node.flow { range.end } else { last.unwrap_or(node.span.end) };
                    self.close_node(node);
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn start_collection(
        &mut self,
        kind: NodeKind,
        span: Range<usize>,
        line: usize,
        (anchor, tag): (Option<usize>, Option<String>),
    ) -> Result<(), YamlError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(YamlError { line, message: format!("nested deeper than {MAX_DEPTH} levels") });
        }
        // A flow collection's start event spans its bracket; a block collection's spans nothing.
        let flow = !span.is_empty();
        self.open.push(OpenCollection { node: YamlNode { kind, span, line, anchor, tag, flow }, key: None });
        Ok(())
    }

    fn close_node(&mut self, node: YamlNode) {
        let Some(open) = self.open.last_mut() else {
            self.done = Some(node);
            return;
        };
        match &mut open.node.kind {
            NodeKind::Sequence(items) => items.push(node),
            NodeKind::Mapping(entries) => match open.key.take() {
                Some(key) => entries.push((key, node)),
                None => open.key = Some(node),
            },
            NodeKind::Scalar { .. } | NodeKind::Alias(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;

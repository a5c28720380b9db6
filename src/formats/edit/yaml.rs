//! Sets one parameter of a YAML params file and changes no other byte.
//!
//! The tree gives the position of the value's bytes, and the raw text is spliced; then both texts are parsed and
//! compared, and any other difference is an error. No YAML library writes the file.

use super::splice::{EditedParams, ParamLeaf, Splice, line_break};
use crate::formats::yaml::{self, NodeKind, QuoteStyle, YamlNode};
use crate::formats::{ParamsError, ParamsValue, yaml_scalar};

pub(crate) fn set_yaml(leaf: ParamLeaf<'_>, bytes: &[u8], text: &str) -> Result<EditedParams, ParamsError> {
    let read = |bytes: &[u8]| yaml::parse_document(bytes).map_err(|e| leaf.refuse_edit(e.line, e.message));
    let root = read(bytes)?;
    // Readers disagree on which of two equal keys counts.
    if let Some((key, line)) = root.as_ref().and_then(YamlNode::duplicate_key) {
        return Err(leaf.refuse_edit(line, format!("`{key}` is written twice")));
    }
    if let Some(line) = tab_in_indent(bytes, root.as_ref()) {
        return Err(leaf.refuse_edit(line, "a tab in the indentation, which YAML does not allow"));
    }
    let splice = YamlEditor { leaf, bytes, text }.find_splice(root.as_ref())?;
    let new = splice.apply_to(bytes);
    // The check of the whole edit: parsed again, nothing but this parameter has changed.
    let after = read(&new)?;
    let proven = after.as_ref().is_some_and(|after| {
        let leaf_value = after.get(leaf.section).and_then(|s| s.get(leaf.key)).and_then(YamlNode::to_value);
        leaf_value == Some(ParamsValue::Str(text.to_owned()))
            && is_same_except(root.as_ref(), after, &[leaf.section, leaf.key])
    });
    if !proven {
        let line = bytes.get(..splice.at.start).unwrap_or_default().iter().filter(|b| **b == b'\n').count() + 1;
        return Err(
            leaf.refuse_edit(line, format!("`{}.{}` cannot be changed without changing more", leaf.section, leaf.key))
        );
    }
    let old = root.as_ref().and_then(|r| r.get(leaf.section)?.get(leaf.key)).filter(|n| !n.is_null());
    Ok(EditedParams { bytes: new, old: old.and_then(YamlNode::text).map(str::to_owned) })
}

/// Returns the first line whose indentation holds a tab, outside of scalars and comments.
fn tab_in_indent(bytes: &[u8], root: Option<&YamlNode>) -> Option<usize> {
    let mut scalars = Vec::new();
    let mut todo: Vec<&YamlNode> = root.into_iter().collect();
    while let Some(node) = todo.pop() {
        match &node.kind {
            NodeKind::Scalar { .. } => scalars.push(node.span.clone()),
            NodeKind::Sequence(items) => todo.extend(items),
            NodeKind::Mapping(entries) => todo.extend(entries.iter().flat_map(|(k, v)| [k, v])),
            NodeKind::Alias(_) => {}
        }
    }
    let mut start = 0;
    for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let indent = line.iter().take_while(|b| b" \t".contains(b)).count();
        let (lead, rest) = line.split_at(indent);
        let says_something = rest.first().is_some_and(|b| !b"#\r".contains(b));
        let inside = |at: usize| scalars.iter().any(|span| span.start < at && at < span.end);
        if says_something && lead.contains(&b'\t') && !inside(start) {
            return Some(index + 1);
        }
        start += line.len() + 1;
    }
    None
}

/// Finds the bytes to replace and their replacement.
struct YamlEditor<'a> {
    leaf: ParamLeaf<'a>,
    bytes: &'a [u8],
    text: &'a str,
}

impl YamlEditor<'_> {
    fn find_splice(&self, root: Option<&YamlNode>) -> Result<Splice, ParamsError> {
        let ParamLeaf { section, key, .. } = self.leaf;
        let entry = |indent: &str, nl: &str| format!("{indent}{key}: {}{nl}", self.plain_text());
        let whole = |indent: &str, nl: &str| format!("{indent}{section}:{nl}{}", entry(&format!("{indent}  "), nl));
        let Some(root) = root.filter(|root| !(root.is_null() && root.span.is_empty())) else {
            return self.append_lines(None, whole("", line_break(self.bytes)));
        };
        let Some(entries) = root.entries() else {
            return Err(self.leaf.refuse_edit(root.line, "not a mapping of parameters"));
        };
        // An edit of a mapping that an alias repeats would change every such place.
        self.refuse_aliased(root, root)?;
        let Some((section_key, section_node)) = entries.iter().find(|(k, _)| k.text() == Some(section)) else {
            if root.flow {
                return Ok(self.flow_entry(root, &format!("{section}: {{{key}: {}}}", self.plain_text())));
            }
            let indent = self.indent_of(entries.first().map_or(root, |(k, _)| k))?;
            return self.append_lines(Some(root), whole(&indent, line_break(self.bytes)));
        };
        self.refuse_aliased(section_node, root)?;
        let Some(entries) = section_node.entries() else {
            if section_node.is_null() && section_node.span.is_empty() && section_node.tag.is_none() && !root.flow {
                let indent = format!("{}  ", self.indent_of(section_key)?);
                self.offset_after_colon(section_key)?;
                return Ok(self.after_line(section_key.span.end, |nl| entry(&indent, nl)));
            }
            return Err(self.leaf.refuse_edit(section_node.line, format!("`{section}` is not a mapping")));
        };
        let Some((key_node, value)) = entries.iter().find(|(k, _)| k.text() == Some(key)) else {
            let Some((first, _)) = entries.first().filter(|_| !section_node.flow) else {
                return Ok(self.flow_entry(section_node, &format!("{key}: {}", self.plain_text())));
            };
            let indent = self.indent_of(first)?;
            self.refuse_open_block(Some(root))?;
            return Ok(self.after_line(section_node.span.end, |nl| entry(&indent, nl)));
        };
        self.refuse_aliased(value, root)?;
        self.replace_value(key_node, value)
    }

    fn plain_text(&self) -> String {
        yaml_scalar::render_scalar(self.text, QuoteStyle::Plain)
    }

    fn replace_value(&self, key: &YamlNode, value: &YamlNode) -> Result<Splice, ParamsError> {
        let name = format!("{}.{}", self.leaf.section, self.leaf.key);
        let NodeKind::Scalar { style, .. } = &value.kind else {
            let what = if matches!(value.kind, NodeKind::Alias(_)) {
                "an alias of another value"
            } else {
                "not a single value"
            };
            return Err(self.leaf.refuse_edit(value.line, format!("`{name}` is {what}")));
        };
        if value.tag.as_deref().is_some_and(|tag| tag != "tag:yaml.org,2002:str") {
            return Err(self.leaf.refuse_edit(value.line, format!("`{name}` has a tag")));
        }
        // `key:` without a value: the text is put after the colon.
        if value.span.is_empty() {
            if value.tag.is_some() || value.anchor.is_some() {
                return Err(self.leaf.refuse_edit(value.line, format!("`{name}` has an anchor or a tag and no value")));
            }
            let at = self.offset_after_colon(key)?;
            return Ok(Splice { at: at..at, text: format!(" {}", self.plain_text()) });
        }
        let mut text = yaml_scalar::render_scalar(self.text, *style);
        if *style != QuoteStyle::Block {
            return Ok(Splice { at: value.span.clone(), text });
        }
        // The parser's span of a block of text leaves its header (`|`, `>-`) out.
        let colon = self.offset_after_colon(key)?;
        let rest = self.bytes.get(colon..).unwrap_or_default();
        let start = colon + rest.iter().take_while(|b| **b == b' ').count();
        let written = self.bytes.get(start..value.span.end).unwrap_or_default();
        let header = written.split(|b| *b == b'\n').next().unwrap_or_default();
        if !header.first().is_some_and(|b| b"|>".contains(b)) || header.contains(&b'#') {
            return Err(self
                .leaf
                .refuse_edit(key.line, format!("`{name}` is a block of text with more than text to it")));
        }
        if written.ends_with(b"\n") {
            text.push_str(line_break(self.bytes));
        }
        Ok(Splice { at: start..value.span.end, text })
    }

    /// Returns the offset after the colon that follows a key.
    fn offset_after_colon(&self, key: &YamlNode) -> Result<usize, ParamsError> {
        let rest = self.bytes.get(key.span.end..).unwrap_or_default();
        let space = rest.iter().take_while(|b| **b == b' ').count();
        if rest.get(space) == Some(&b':') {
            Ok(key.span.end + space + 1)
        } else {
            Err(self.leaf.refuse_edit(key.line, format!("`{}` has no colon after it", key.text().unwrap_or_default())))
        }
    }

    /// Returns the spaces before a key; fails if the key does not begin its line.
    fn indent_of(&self, key: &YamlNode) -> Result<String, ParamsError> {
        let before = self.bytes.get(..key.span.start).unwrap_or_default();
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let lead = before.get(start..).unwrap_or_default();
        // A byte order mark is no indentation.
        let lead = if start == 0 { lead.strip_prefix("\u{feff}".as_bytes()).unwrap_or(lead) } else { lead };
        if lead.iter().all(|b| *b == b' ') {
            Ok(" ".repeat(lead.len()))
        } else {
            Err(self
                .leaf
                .refuse_edit(key.line, format!("`{}` does not begin its line", key.text().unwrap_or_default())))
        }
    }

    /// Fails if the file ends in a block of text without a line break: adding one would change that text.
    fn refuse_open_block(&self, root: Option<&YamlNode>) -> Result<(), ParamsError> {
        let mut last = root;
        while let Some(node) = last {
            last = match &node.kind {
                NodeKind::Sequence(items) => items.last(),
                NodeKind::Mapping(entries) => entries.last().map(|(_, v)| v),
                NodeKind::Scalar { style: QuoteStyle::Block, .. } if !self.bytes.ends_with(b"\n") => {
                    let message =
                        "the file ends in a block of text without a line break; end its last line, then try again";
                    return Err(self.leaf.refuse_edit(node.line, message));
                }
                NodeKind::Scalar { .. } | NodeKind::Alias(_) => None,
            };
        }
        Ok(())
    }

    /// Adds lines at the file's end; fails after an end marker (`...`), which nothing can follow.
    fn append_lines(&self, root: Option<&YamlNode>, text: String) -> Result<Splice, ParamsError> {
        self.refuse_open_block(root)?;
        let end_marker = |line: &[u8]| line == b"..." || line.starts_with(b"... ") || line.starts_with(b"...\r");
        if let Some(at) = self.bytes.split(|b| *b == b'\n').position(end_marker) {
            return Err(self.leaf.refuse_edit(at + 1, "the document ends here, and nothing can be added"));
        }
        let end = self.bytes.len();
        // New lines need a complete line before them.
        let complete = self.bytes.is_empty() || self.bytes.ends_with(b"\n") || self.bytes == "\u{feff}".as_bytes();
        let text = if complete { text } else { format!("{}{text}", line_break(self.bytes)) };
        Ok(Splice { at: end..end, text })
    }

    /// Adds lines after the line that contains an offset.
    fn after_line(&self, offset: usize, lines: impl Fn(&str) -> String) -> Splice {
        let nl = line_break(self.bytes);
        // The span of a block of text includes its last line break: the offset is the next line already.
        if offset > 0 && self.bytes.get(offset - 1) == Some(&b'\n') {
            return Splice { at: offset..offset, text: lines(nl) };
        }
        let rest = self.bytes.get(offset..).unwrap_or_default();
        match rest.iter().position(|b| *b == b'\n') {
            Some(at) => Splice { at: offset + at + 1..offset + at + 1, text: lines(nl) },
            None => {
                let end = self.bytes.len();
                let text = lines(nl);
                // The file keeps its missing line break at the end.
                let text = text.strip_suffix(nl).unwrap_or(&text);
                Splice { at: end..end, text: format!("{nl}{text}") }
            }
        }
    }

    /// Adds a first entry to a mapping in braces.
    fn flow_entry(&self, mapping: &YamlNode, entry: &str) -> Splice {
        let at = mapping.span.start + 1;
        let empty = mapping.entries().is_none_or(<[_]>::is_empty);
        Splice { at: at..at, text: if empty { entry.to_owned() } else { format!("{entry}, ") } }
    }

    /// Fails if an alias repeats the node: editing one place would change the other, too.
    fn refuse_aliased(&self, node: &YamlNode, root: &YamlNode) -> Result<(), ParamsError> {
        let Some(anchor) = node.anchor else { return Ok(()) };
        let mut todo = vec![root];
        while let Some(next) = todo.pop() {
            match &next.kind {
                NodeKind::Alias(id) if *id == anchor => {
                    return Err(self
                        .leaf
                        .refuse_edit(node.line, format!("line {} repeats this value by an alias", next.line)));
                }
                NodeKind::Sequence(items) => todo.extend(items),
                NodeKind::Mapping(entries) => todo.extend(entries.iter().flat_map(|(k, v)| [k, v])),
                NodeKind::Scalar { .. } | NodeKind::Alias(_) => {}
            }
        }
        Ok(())
    }
}

/// Whether two trees are equal except for the value at a path of keys.
fn is_same_except(before: Option<&YamlNode>, after: &YamlNode, path: &[&str]) -> bool {
    let Some((key, rest)) = path.split_first() else { return true };
    let empty = Vec::new();
    let old = match before {
        Some(node) => match node.entries() {
            Some(entries) => entries,
            None if node.is_null() => &empty,
            None => return false,
        },
        None => &empty,
    };
    let Some(new) = after.entries() else { return false };
    let is_key = |(k, _): &&(YamlNode, YamlNode)| k.text() == Some(*key);
    let other_shapes = |entries: &[(YamlNode, YamlNode)]| {
        entries.iter().filter(|e| !is_key(e)).map(|(k, v)| (tree_shape(k), tree_shape(v))).collect::<Vec<_>>()
    };
    // Anchor, tag and brackets of the mapping itself must stay, too.
    let is_kept =
        before.is_none_or(|b| b.is_null() || (b.anchor, &b.tag, b.flow) == (after.anchor, &after.tag, after.flow));
    let value = |entries: &[(YamlNode, YamlNode)]| entries.iter().find(is_key).map(|(_, v)| v.clone());
    let (old_value, new_value) = (value(old), value(new));
    is_kept
        && other_shapes(old) == other_shapes(new)
        && new_value.is_some_and(|new| is_same_except(old_value.as_ref(), &new, rest))
}

/// Returns a tree as text without byte ranges, for comparing; without recursion, like the parser.
fn tree_shape(node: &YamlNode) -> String {
    let mut out = String::new();
    let mut todo = vec![Ok(node)];
    while let Some(next) = todo.pop() {
        match next {
            Err(mark) => out.push(mark),
            Ok(node) => {
                out.push_str(&format!("{:?}{:?}{}", node.anchor, node.tag, node.flow));
                match &node.kind {
                    NodeKind::Scalar { text, style } => out.push_str(&format!("{text:?}{style:?}")),
                    NodeKind::Alias(id) => out.push_str(&format!("*{id}")),
                    NodeKind::Sequence(items) => {
                        out.push('[');
                        todo.push(Err(']'));
                        todo.extend(items.iter().rev().map(Ok));
                    }
                    NodeKind::Mapping(entries) => {
                        out.push('{');
                        todo.push(Err('}'));
                        todo.extend(entries.iter().rev().flat_map(|(k, v)| [Ok(v), Ok(k)]));
                    }
                }
            }
        }
    }
    out
}

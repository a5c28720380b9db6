#![allow(clippy::unwrap_used)]

use super::*;

fn span_texts(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let root = parse_document(text.as_bytes()).unwrap().unwrap();
    let mut todo = vec![&root];
    while let Some(node) = todo.pop() {
        match &node.kind {
            NodeKind::Scalar { .. } | NodeKind::Alias(_) => out.push(text[node.span.clone()].to_owned()),
            NodeKind::Sequence(items) => {
                if node.flow {
                    out.push(text[node.span.clone()].to_owned());
                }
                todo.extend(items.iter().rev());
            }
            NodeKind::Mapping(entries) => {
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
        span_texts(text),
        ["a", "'b ''ü'", "m", "{x: 1, y: [2, \"3\"]}", "x", "1", "y", "[2, \"3\"]", "2", "\"3\"", "s", "p q", "z", "k"]
    );
}

#[test]
fn deep_nesting_is_refused_not_a_crash() {
    let text = "[".repeat(100_000);
    assert!(parse_document(text.as_bytes()).is_err());
    let text = "- ".repeat(100_000);
    assert!(parse_document(text.as_bytes()).is_err());
}

#[test]
fn a_second_document_is_an_error_with_its_line() {
    let error = parse_document(b"a: 1\n---\nb: 2\n").unwrap_err();
    assert_eq!(error.line, 2, "{error}");
}

#[test]
fn duplicate_keys_are_seen() {
    let root = parse_document(b"a: 1\nb:\n  c: 1\n  c: 2\n").unwrap().unwrap();
    assert_eq!(root.duplicate_key(), Some(("c".into(), 4)));
}

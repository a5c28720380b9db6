//! Writes a stage of `dvc.lock` as DVC does, and puts it in its place among the others.
//!
//! DVC writes with ruamel.yaml: two spaces a level, lists not indented, plain scalars unless YAML 1.2 would misread them.
//! Only the lines of the stage in question are written anew; everything else in the file stays as it is.

use crate::dvc::lockfile::Lock;
use crate::formats::value::Value;
use crate::formats::yaml::Style;
use crate::formats::yaml_scalar;

/// What an empty `dvc.lock` begins with.
pub const HEAD: &str = "schema: '2.0'\nstages:\n";

/// A stage's lines. `None` where it holds a value that cannot be written (a date, an alias, a tag).
#[must_use]
pub fn stage(name: &str, value: &Value) -> Option<String> {
    let mut out = format!("  {}:\n", text(name));
    let Value::Map(entries) = value else { return None };
    mapping(&mut out, entries, 4)?;
    Some(out)
}

fn mapping(out: &mut String, entries: &[(String, Value)], indent: usize) -> Option<()> {
    for (key, value) in entries {
        out.push_str(&" ".repeat(indent));
        out.push_str(&text(key));
        out.push(':');
        below(out, value, indent)?;
    }
    Some(())
}

/// A value behind its key: on the same line, or on the lines below.
fn below(out: &mut String, value: &Value, indent: usize) -> Option<()> {
    match value {
        Value::Map(entries) if !entries.is_empty() => {
            out.push('\n');
            mapping(out, entries, indent + 2)
        }
        Value::List(items) if !items.is_empty() => {
            out.push('\n');
            list(out, items, indent)
        }
        other => {
            out.push(' ');
            out.push_str(&leaf(other)?);
            out.push('\n');
            Some(())
        }
    }
}

fn list(out: &mut String, items: &[Value], indent: usize) -> Option<()> {
    for item in items {
        out.push_str(&" ".repeat(indent));
        out.push('-');
        let mut inner = String::new();
        match item {
            Value::Map(entries) if !entries.is_empty() => mapping(&mut inner, entries, indent + 2)?,
            Value::List(items) if !items.is_empty() => list(&mut inner, items, indent + 2)?,
            other => inner = format!("{}{}\n", " ".repeat(indent + 2), leaf(other)?),
        }
        // The first line follows the dash.
        out.push(' ');
        out.push_str(inner.get(indent + 2..)?);
    }
    Some(())
}

fn leaf(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => "null".into(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Float(x) if x.is_nan() => ".nan".into(),
        Value::Float(x) if x.is_infinite() => if *x > 0.0 { ".inf" } else { "-.inf" }.into(),
        Value::Float(x) => {
            // YAML 1.2 needs a point or an exponent with a sign; Rust writes `1e-5`, which both readers take with a point.
            let text = format!("{x:?}");
            if text.contains('e') && !text.contains('.') { text.replacen('e', ".0e", 1) } else { text }
        }
        Value::Str(s) => text(s),
        Value::List(_) => "[]".into(),
        Value::Map(_) => "{}".into(),
        Value::Unread => return None,
    })
}

/// A text as DVC writes it: plain where YAML 1.2 reads a plain scalar as this text.
fn text(text: &str) -> String {
    let inside = |c: char| c.is_ascii_alphanumeric() || " _./+=@%-".contains(c);
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || "_./".contains(c));
    let plain = text.chars().all(inside) && ends(text.chars().next()) && text.ends_with(|c: char| c != ' ');
    match Value::from_plain(text) {
        Some(Value::Str(_)) if plain => text.to_owned(),
        _ => yaml_scalar::write(text, Style::Single),
    }
}

/// The file with one stage's lines replaced, or added at the end of the stages.
#[must_use]
pub fn with_stage(bytes: &[u8], lock: &Lock, name: &str, lines: &str) -> Option<Vec<u8>> {
    let (at, before) = match (lock.stage(name), lock.stages.last()) {
        (Some(stage), _) => (stage.span.clone(), ""),
        (None, Some(last)) => {
            let complete = bytes.get(..last.span.end)?.ends_with(b"\n");
            (last.span.end..last.span.end, if complete { "" } else { "\n" })
        }
        (None, None) if lock.other.is_empty() => return Some(format!("{HEAD}{lines}").into_bytes()),
        (None, None) => return None,
    };
    let mut out = bytes.get(..at.start)?.to_vec();
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(lines.as_bytes());
    out.extend_from_slice(bytes.get(at.end..)?);
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LOCK: &str = "schema: '2.0'\nstages:\n  other:\n    cmd: echo\n  capture_ingest:\n    cmd: capture-hook ingest\n    deps:\n    - path: a\n      hash: md5\n      md5: '12345678901234567890123456789012'\n      size: 1\n    params:\n      params.yaml:\n        ingest_capture.out_dir: data/captures\n        list:\n        - 1\n        - a: 0.5\n          b: []\n        ingest_capture.run_dir: '0042'\n    outs:\n    - path: data/captures\n      hash: md5\n      md5: d41d8cd98f00b204e9800998ecf8427e.dir\n      size: 12\n      nfiles: 7\n  last:\n    cmd: x\n";

    #[test]
    fn a_stage_is_written_as_it_was_read() {
        let lock = Lock::parse(LOCK.as_bytes()).unwrap();
        for locked in &lock.stages {
            assert_eq!(stage(&locked.name, &locked.to_value()).unwrap(), LOCK[locked.span.clone()]);
        }
    }

    #[test]
    fn only_the_stage_is_replaced() {
        let lock = Lock::parse(LOCK.as_bytes()).unwrap();
        let lines = "  capture_ingest:\n    cmd: new\n";
        let new = String::from_utf8(with_stage(LOCK.as_bytes(), &lock, "capture_ingest", lines).unwrap()).unwrap();
        assert!(
            new.contains("  other:\n    cmd: echo\n  capture_ingest:\n    cmd: new\n  last:\n    cmd: x\n"),
            "{new}"
        );
        let new = with_stage(LOCK.as_bytes(), &lock, "n", "  n:\n    cmd: y\n").unwrap();
        assert!(new.ends_with(b"cmd: x\n  n:\n    cmd: y\n"));
        let first = with_stage(b"", &Lock::default(), "n", "  n:\n    cmd: y\n").unwrap();
        assert_eq!(first, b"schema: '2.0'\nstages:\n  n:\n    cmd: y\n");
    }
}

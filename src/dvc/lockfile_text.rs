//! Writes a stage of `dvc.lock` as DVC does, at its place among the others.
//!
//! DVC writes with ruamel.yaml: two spaces per level, lists not indented, plain scalars unless YAML 1.2 would misread
//! them. Only the lines of this stage change; the rest of the file stays as it is.

use crate::dvc::lockfile::Lockfile;
use crate::formats::value::ParamsValue;
use crate::formats::yaml::QuoteStyle;
use crate::formats::yaml_scalar;

/// What an empty `dvc.lock` begins with.
pub const LOCKFILE_HEAD: &str = "schema: '2.0'\nstages:\n";

/// A stage's lines. `None` if it holds a value that cannot be written (a date, an alias, a tag).
#[must_use]
pub fn write_stage(name: &str, value: &ParamsValue) -> Option<String> {
    let mut out = format!("  {}:\n", format_text(name));
    let ParamsValue::Map(entries) = value else { return None };
    write_mapping(&mut out, entries, 4)?;
    Some(out)
}

fn write_mapping(out: &mut String, entries: &[(String, ParamsValue)], indent: usize) -> Option<()> {
    for (key, value) in entries {
        out.push_str(&" ".repeat(indent));
        out.push_str(&format_text(key));
        out.push(':');
        write_value(out, value, indent)?;
    }
    Some(())
}

/// A value behind its key: on the same line, or on the lines below.
fn write_value(out: &mut String, value: &ParamsValue, indent: usize) -> Option<()> {
    match value {
        ParamsValue::Map(entries) if !entries.is_empty() => {
            out.push('\n');
            write_mapping(out, entries, indent + 2)
        }
        ParamsValue::List(items) if !items.is_empty() => {
            out.push('\n');
            write_list(out, items, indent)
        }
        other => {
            out.push(' ');
            out.push_str(&format_leaf(other)?);
            out.push('\n');
            Some(())
        }
    }
}

fn write_list(out: &mut String, items: &[ParamsValue], indent: usize) -> Option<()> {
    for item in items {
        out.push_str(&" ".repeat(indent));
        out.push('-');
        let mut inner = String::new();
        match item {
            ParamsValue::Map(entries) if !entries.is_empty() => write_mapping(&mut inner, entries, indent + 2)?,
            ParamsValue::List(items) if !items.is_empty() => write_list(&mut inner, items, indent + 2)?,
            other => inner = format!("{}{}\n", " ".repeat(indent + 2), format_leaf(other)?),
        }
        // The first line follows the dash.
        out.push(' ');
        out.push_str(inner.get(indent + 2..)?);
    }
    Some(())
}

fn format_leaf(value: &ParamsValue) -> Option<String> {
    Some(match value {
        ParamsValue::Null => "null".into(),
        ParamsValue::Bool(b) => b.to_string(),
        ParamsValue::Int(n) => n.to_string(),
        ParamsValue::Float(x) if x.is_nan() => ".nan".into(),
        ParamsValue::Float(x) if x.is_infinite() => if *x > 0.0 { ".inf" } else { "-.inf" }.into(),
        ParamsValue::Float(x) => {
            // YAML 1.2 needs a point or an exponent with a sign; Rust writes `1e-5`, which both readers take with a
            // point.
            let text = format!("{x:?}");
            if text.contains('e') && !text.contains('.') { text.replacen('e', ".0e", 1) } else { text }
        }
        ParamsValue::Str(s) => format_text(s),
        ParamsValue::List(_) => "[]".into(),
        ParamsValue::Map(_) => "{}".into(),
        ParamsValue::Unresolved => return None,
    })
}

/// A text as DVC writes it: plain if YAML 1.2 reads a plain scalar as this text.
fn format_text(text: &str) -> String {
    // In a block, only `: ` and ` #` have a meaning after the first character; letters of any script are printed as they are.
    let inside = |c: char| c.is_alphanumeric() || (' '..='~').contains(&c);
    let is_first = |c: char| c.is_alphanumeric() || "_./".contains(c);
    let plain = text.chars().all(inside)
        && text.starts_with(is_first)
        && !text.ends_with([' ', ':'])
        && !text.starts_with("...")
        && ![": ", " #"].iter().any(|mark| text.contains(mark));
    match ParamsValue::from_plain(text) {
        Some(ParamsValue::Str(_)) if plain => text.to_owned(),
        _ => yaml_scalar::render_scalar(text, QuoteStyle::Single),
    }
}

/// The file with one stage's lines replaced, or added at the end of the stages.
#[must_use]
pub fn replace_stage(bytes: &[u8], lockfile: &Lockfile, name: &str, lines: &str) -> Option<Vec<u8>> {
    let (at, before) = match (lockfile.stage(name), lockfile.stages.last()) {
        (Some(stage), _) => (stage.span.clone(), ""),
        (None, Some(last)) => {
            let complete = bytes.get(..last.span.end)?.ends_with(b"\n");
            (last.span.end..last.span.end, if complete { "" } else { "\n" })
        }
        // The file is empty or has only a schema.
        (None, None) if lockfile.other.is_empty() => return Some(format!("{LOCKFILE_HEAD}{lines}").into_bytes()),
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

    const LOCKFILE: &str = "schema: '2.0'\nstages:\n  other:\n    cmd: echo\n  train:\n    cmd: python train.py\n    deps:\n    - path: a\n      hash: md5\n      md5: '12345678901234567890123456789012'\n      size: 1\n    params:\n      params.yaml:\n        model.out_dir: data/captures\n        list:\n        - 1\n        - a: 0.5\n          b: []\n        model.run_dir: '0042'\n    outs:\n    - path: data/captures\n      hash: md5\n      md5: d41d8cd98f00b204e9800998ecf8427e.dir\n      size: 12\n      nfiles: 7\n  last:\n    cmd: x\n";

    #[test]
    fn a_stage_is_written_as_it_was_read() {
        let lockfile = Lockfile::parse(LOCKFILE.as_bytes()).unwrap();
        for stage in &lockfile.stages {
            assert_eq!(write_stage(&stage.name, &stage.to_value()).unwrap(), LOCKFILE[stage.span.clone()]);
        }
    }

    /// What DVC 3.50 and 3.67 write for these texts.
    #[test]
    fn a_text_is_written_as_dvc_writes_it() {
        for text in ["results/<experiment>/<run_id>", "a/b,[c]{d}!&*|'\"%@`r", "a:b#c", "é/b", "./$x y (z)"] {
            assert_eq!(format_text(text), text);
        }
        for text in ["0042", "1e5", "a: b", "a #b", "a:", "a ", "#a", "[a", "*a", "- a", "<<", "...", ""] {
            assert_eq!(format_text(text), format!("'{text}'"));
        }
    }

    #[test]
    fn only_the_stage_is_replaced() {
        let lockfile = Lockfile::parse(LOCKFILE.as_bytes()).unwrap();
        let lines = "  train:\n    cmd: new\n";
        let new = String::from_utf8(replace_stage(LOCKFILE.as_bytes(), &lockfile, "train", lines).unwrap()).unwrap();
        assert!(new.contains("  other:\n    cmd: echo\n  train:\n    cmd: new\n  last:\n    cmd: x\n"), "{new}");
        let new = replace_stage(LOCKFILE.as_bytes(), &lockfile, "n", "  n:\n    cmd: y\n").unwrap();
        assert!(new.ends_with(b"cmd: x\n  n:\n    cmd: y\n"));
        let first = replace_stage(b"", &Lockfile::default(), "n", "  n:\n    cmd: y\n").unwrap();
        assert_eq!(first, b"schema: '2.0'\nstages:\n  n:\n    cmd: y\n");
    }
}

//! The syntax of DVC's config files, as far as DVC itself writes it.
//!
//! DVC reads them with `configobj`, which splits lines like Python's `str.splitlines`, and lower-cases every section
//! and key. What is read here means the same there (`tests/it/stranger_readers.rs` compares the two). Refused with its
//! line, so that DVC must be asked: what `configobj` knows beyond that (nested sections, text over several lines,
//! `%(…)s`), and a section or key that is there twice.

use std::collections::HashSet;

use crate::support::plain_text::{first_odd, too_much_to_read};

/// A line that cannot be read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct IniError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

/// One setting: `[section]`, `key = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IniSetting {
    /// The section's name, lower case, without quotes: `core`, `remote "storage"`.
    pub section: String,
    /// The key, lower case.
    pub key: String,
    /// The value; several if the line is a list.
    pub values: Vec<String>,
}

impl IniSetting {
    /// Returns the value as one text, a list joined by commas.
    #[must_use]
    pub fn joined_values(&self) -> String {
        self.values.join(",")
    }

    /// Returns the name of a section `kind "name"`.
    #[must_use]
    pub fn name_in_section(&self, kind: &str) -> Option<&str> {
        name_of(&self.section, kind)
    }
}

/// The kinds of sections that have names, in DVC's schema.
const NAMED_SECTIONS: [&str; 3] = ["remote", "machine", "db"];

fn name_of<'a>(section: &'a str, kind: &str) -> Option<&'a str> {
    section.trim().strip_prefix(kind)?.trim_start().strip_prefix('"')?.strip_suffix('"')
}

/// Returns the settings of a file, in its order. Fails on the first line that is not read here.
pub fn parse(bytes: &[u8]) -> Result<Vec<IniSetting>, IniError> {
    let at_line = |line: usize, message: String| IniError { line, message };
    if let Some(why) = too_much_to_read(bytes) {
        return Err(at_line(1, why));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.iter().take(error.valid_up_to()).filter(|b| **b == b'\n').count();
        at_line(before + 1, "not UTF-8".into())
    })?;
    // Before the lines: such characters break lines for `configobj` and not for us.
    if let Some(odd) = first_odd(text) {
        return Err(at_line(odd.line, odd.to_string()));
    }
    let mut out = Vec::new();
    let mut section = String::new();
    let (mut sections, mut keys) = (HashSet::new(), HashSet::new());
    for (index, raw) in text.lines().enumerate() {
        let fail = |message: &str| at_line(index + 1, message.to_owned());
        let line = raw.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            section = section_name(rest).ok_or_else(|| fail("a section's name is not understood"))?;
            if !sections.insert(section.clone()) {
                return Err(fail("a section that is there already"));
            }
            continue;
        }
        if section.is_empty() {
            return Err(fail("a setting outside any section"));
        }
        let (key, value) = split_key(line).ok_or_else(|| fail("neither a section nor a setting"))?;
        // DVC lower-cases keys when it loads the file.
        let key = key.to_lowercase();
        let values = parse_values(value).ok_or_else(|| fail("a value is not understood"))?;
        if !keys.insert((section.clone(), key.clone())) {
            return Err(fail("a setting that is there already"));
        }
        out.push(IniSetting { section: section.clone(), key, values });
    }
    Ok(out)
}

/// Writes settings as text that `configobj` reads back as the same settings.
#[must_use]
pub fn write_settings(settings: &[IniSetting]) -> String {
    let mut sections: Vec<&str> = Vec::new();
    for setting in settings {
        if !sections.contains(&setting.section.as_str()) {
            sections.push(&setting.section);
        }
    }
    let mut out = String::new();
    for section in sections {
        out.push_str(&format!("[{}]\n", quote_value(section)));
        for setting in settings.iter().filter(|s| s.section == section) {
            let values: Vec<String> = setting.values.iter().map(|v| quote_value(v)).collect();
            out.push_str(&format!("    {} = {}\n", quote_value(&setting.key), values.join(", ")));
        }
    }
    out
}

/// Whether a text fits in quotes of one kind or the other: `configobj` knows no escapes.
fn is_quotable(text: &str) -> bool {
    !(text.contains('"') && text.contains('\''))
}

/// Adds one setting (section, key, value) with a comment above it, and keeps every existing line.
#[must_use]
pub fn add_setting(text: &str, (section, key, value): (&str, &str, &str), comment: &str) -> String {
    let setting = format!("    {comment}\n    {key} = {}\n", quote_value(value));
    let is_header = |line: &str| {
        let name = line.trim().strip_prefix('[').and_then(section_name);
        name.is_some_and(|name| name == section)
    };
    let mut out = String::new();
    let mut added = false;
    for line in text.split_inclusive('\n') {
        out.push_str(line);
        // The last line of the file can lack its line break.
        if !line.ends_with('\n') {
            out.push('\n');
        }
        if !added && is_header(line) {
            out.push_str(&setting);
            added = true;
        }
    }
    if !added {
        out.push_str(&format!("[{section}]\n{setting}"));
    }
    out
}

/// Quotes a value for `configobj`.
fn quote_value(text: &str) -> String {
    if text.contains('"') { format!("'{text}'") } else { format!("\"{text}\"") }
}

fn section_name(rest: &str) -> Option<String> {
    let rest = rest.trim_start();
    let (name, after) = match rest.chars().next()? {
        '[' => return None,
        quote @ ('"' | '\'') => rest[1..].split_once(quote)?,
        _ => {
            let end = rest.find(']')?;
            (rest[..end].trim_end(), &rest[end..])
        }
    };
    let after = after.trim_start().strip_prefix(']')?.trim_start();
    if name.trim().is_empty() || !is_quotable(name) || !(after.is_empty() || after.starts_with('#')) {
        return None;
    }
    // DVC lower-cases section names when it loads the file.
    let name = name.to_lowercase();
    match NAMED_SECTIONS.iter().find(|kind| name.trim().starts_with(**kind)) {
        // DVC accepts any spaces around the kind; one spelling stands for all. A kind without a name is refused.
        Some(kind) => Some(format!("{kind} \"{}\"", name_of(&name, kind)?)),
        None => Some(name),
    }
}

fn split_key(line: &str) -> Option<(&str, &str)> {
    let (key, rest) = match line.chars().next()? {
        quote @ ('"' | '\'') => {
            let (key, rest) = line[1..].split_once(quote)?;
            (key, rest.trim_start().strip_prefix('=')?)
        }
        _ => {
            let (key, rest) = line.split_once('=')?;
            (key.trim_end(), rest)
        }
    };
    (!key.is_empty() && is_quotable(key)).then(|| (key, rest.trim()))
}

fn parse_values(text: &str) -> Option<Vec<String>> {
    // Triple quotes span lines, and `%(…)s` is interpolation: features of `configobj` that are not read here.
    if text.starts_with("'''") || text.starts_with("\"\"\"") || text.contains("%(") {
        return None;
    }
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        let (value, after) = match rest.chars().next() {
            // Nothing after a comma: `configobj` reads a list of one or none; refused.
            None | Some('#' | ',') if !out.is_empty() => return None,
            None | Some('#') => return Some(vec![String::new()]),
            Some(quote @ ('"' | '\'')) => rest[1..].split_once(quote)?,
            Some(_) => {
                let end = rest.find([',', '#']).unwrap_or(rest.len());
                (rest[..end].trim_end(), &rest[end..])
            }
        };
        let bare = !rest.starts_with(['"', '\'']);
        if bare && (value.is_empty() || value.contains(['"', '\''])) {
            return None;
        }
        out.push(value.to_owned());
        let after = after.trim_start();
        match after.chars().next() {
            None | Some('#') => return Some(out),
            Some(',') => rest = after[1..].trim_start(),
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn settings_written_by_dvc_are_read() {
        let text = "[core]\n    remote = Storage # mine\n    autostage = true\n['remote \"storage\"']\n    url = ../x\n\
                    [cache]\ntype = \"hardlink,symlink\"\nother = a, 'b # c'\nempty =\n";
        let settings = parse(text.as_bytes()).unwrap();
        let rows: Vec<_> = settings.iter().map(|s| (s.section.as_str(), s.key.as_str(), s.joined_values())).collect();
        assert_eq!(
            rows,
            [
                ("core", "remote", "Storage".to_owned()),
                ("core", "autostage", "true".to_owned()),
                ("remote \"storage\"", "url", "../x".to_owned()),
                ("cache", "type", "hardlink,symlink".to_owned()),
                ("cache", "other", "a,b # c".to_owned()),
                ("cache", "empty", String::new()),
            ]
        );
    }

    #[test]
    fn a_setting_is_added_to_its_section() {
        let with = |text: &str| add_setting(text, ("cache", "dir", "../a b"), "# why");
        let line = "    # why\n    dir = \"../a b\"\n";
        assert_eq!(with(""), format!("[cache]\n{line}"));
        assert_eq!(with("[core]\n    a = 1"), format!("[core]\n    a = 1\n[cache]\n{line}"));
        assert_eq!(with("[ 'cache' ] # x\ntype = copy\n"), format!("[ 'cache' ] # x\n{line}type = copy\n"));
        assert!(
            parse(with("[cache]\ntype = copy\n").as_bytes()).unwrap().iter().any(|s| s.joined_values() == "../a b")
        );
    }

    #[test]
    fn errors_name_their_line() {
        for (text, line) in [
            ("[a]\n[[x]]\n", 2),
            ("a = 1\n[x]\n", 1),
            ("[a]\nx\n", 2),
            ("[a]\na = '''b\n'''\n", 2),
            ("[a]\na = %(b)s\n", 2),
            ("[a]\na = 'b' c\n", 2),
            ("[core]\n[cache]\n[Core]\n", 3),
            ("[core]\na = 1\nA = 2\n", 3),
            ("[remote]\n", 1),
            ("['remote \"a\"']\n[ remote  \"a\" ]\n", 2),
            ("[a]\na = b,\n", 2),
            ("[a]\na = ,\n", 2),
            ("[a]\na = b\"c\n", 2),
            ("# \u{2028}configpath = x\n", 1),
            ("# x\rconfigpath = x\n", 1),
            ("\u{feff}[core]\n", 1),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().line, line, "{text}");
        }
    }
}

//! The syntax of DVC's config files, as far as DVC itself writes it.
//!
//! DVC reads them with `configobj` and lower-cases every section and key. What `configobj` knows beyond that (nested
//! sections, text over several lines, `%(…)s`) is refused with its line: then DVC must be asked.

/// A line that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct IniError {
    /// Line from 1.
    pub line: usize,
    /// What is wrong there, or not understood.
    pub message: String,
}

/// One setting: `[section]`, `key = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The section's name, lower case, without quotes: `core`, `remote "storage"`.
    pub section: String,
    /// The key, lower case.
    pub key: String,
    /// The value; several where the line is a list.
    pub values: Vec<String>,
}

impl Setting {
    /// The value as one text, a list joined by commas.
    #[must_use]
    pub fn text(&self) -> String {
        self.values.join(",")
    }
}

/// The settings of a file, in its order.
pub fn parse(text: &str) -> Result<Vec<Setting>, IniError> {
    let mut out = Vec::new();
    let mut section = String::new();
    for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let fail = |message: &str| IniError { line: index + 1, message: message.to_owned() };
        let line = raw.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            section = section_name(rest).ok_or_else(|| fail("a section's name is not understood"))?;
            continue;
        }
        let (key, value) = split_key(line).ok_or_else(|| fail("neither a section nor a setting"))?;
        let values = values(value).ok_or_else(|| fail("a value is not understood"))?;
        out.push(Setting { section: section.clone(), key: key.to_lowercase(), values });
    }
    Ok(out)
}

/// Settings as text that `configobj` reads back as the same settings.
#[must_use]
pub fn write(settings: &[Setting]) -> String {
    let quoted = |text: &str| if text.contains('"') { format!("'{text}'") } else { format!("\"{text}\"") };
    let mut sections: Vec<&str> = Vec::new();
    for setting in settings {
        if !sections.contains(&setting.section.as_str()) {
            sections.push(&setting.section);
        }
    }
    let mut out = String::new();
    for section in sections {
        if !section.is_empty() {
            out.push_str(&format!("[{}]\n", quoted(section)));
        }
        for setting in settings.iter().filter(|s| s.section == section) {
            let values: Vec<String> = setting.values.iter().map(|v| quoted(v)).collect();
            out.push_str(&format!("    {} = {}\n", setting.key, values.join(", ")));
        }
    }
    out
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
    (!name.is_empty() && (after.is_empty() || after.starts_with('#'))).then(|| name.to_lowercase())
}

fn split_key(line: &str) -> Option<(&str, &str)> {
    let (key, rest) = match line.chars().next()? {
        quote @ ('"' | '\'') => {
            let (key, rest) = line[1..].split_once(quote)?;
            (key, rest.trim_start().strip_prefix('=')?)
        }
        _ => line.split_once('=')?,
    };
    let key = key.trim();
    (!key.is_empty()).then(|| (key, rest.trim()))
}

fn values(text: &str) -> Option<Vec<String>> {
    if text.starts_with("'''") || text.starts_with("\"\"\"") || text.contains("%(") {
        return None;
    }
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        let (value, after) = match rest.chars().next() {
            None | Some('#') => break,
            Some(quote @ ('"' | '\'')) => rest[1..].split_once(quote)?,
            Some(_) => {
                let end = rest.find([',', '#']).unwrap_or(rest.len());
                (rest[..end].trim_end(), &rest[end..])
            }
        };
        out.push(value.to_owned());
        let after = after.trim_start();
        match after.chars().next() {
            None | Some('#') => break,
            Some(',') => rest = after[1..].trim_start(),
            Some(_) => return None,
        }
    }
    if out.is_empty() {
        out.push(String::new());
    }
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_dvc_writes_is_read() {
        let text = "[core]\n    remote = Storage # mine\n    autostage = true\n['remote \"storage\"']\n    url = ../x\n\
                    [cache]\ntype = \"hardlink,symlink\"\nother = a, 'b # c'\nempty =\n";
        let settings = parse(text).unwrap();
        let rows: Vec<_> = settings.iter().map(|s| (s.section.as_str(), s.key.as_str(), s.text())).collect();
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
    fn what_is_not_understood_says_where() {
        for (text, line) in
            [("a = 1\n[[x]]\n", 2), ("x\n", 1), ("\na = '''b\n'''\n", 2), ("a = %(b)s\n", 1), ("a = 'b' c\n", 1)]
        {
            assert_eq!(parse(text).unwrap_err().line, line, "{text}");
        }
    }
}

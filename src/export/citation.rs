//! `CITATION.cff`: what it says of the dataset, and who its authors are.
//!
//! The file usually cites the software. Only one of `type: dataset` speaks for the dataset; of any other, the authors
//! alone are taken. A value is looked at only when it is asked for, so that one that nothing needs fails nothing.
//! References, identifiers and preferred citations are not read.

use crate::formats::yaml::{NodeKind, YamlNode, parse_document};
use crate::project::config::creators::CreatorConfig;
use crate::project::config::values::{ValueError, check_email, check_line, check_orcid};

/// The file's name, at the project's root.
pub const FILE: &str = "CITATION.cff";

/// What of the file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{FILE}{}: {message}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct CitationError {
    /// From 1, if known.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl CitationError {
    fn at(node: &YamlNode, message: impl Into<String>) -> Self {
        Self { line: Some(node.line), message: message.into() }
    }
}

/// The file, parsed.
#[derive(Debug)]
pub struct CitationFile {
    root: YamlNode,
}

impl CitationFile {
    /// Parses the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, CitationError> {
        let fail = |line: usize, message: String| CitationError { line: Some(line), message };
        let root = parse_document(bytes).map_err(|error| fail(error.line, error.message))?;
        let root = root.filter(|root| root.entries().is_some());
        let root = root.ok_or_else(|| fail(1, "holds no keys".into()))?;
        if let Some((key, line)) = root.duplicate_key() {
            return Err(fail(line, format!("the key `{}` is there twice", key.escape_debug())));
        }
        match root.first_unclear(0) {
            Some((line, why)) => Err(fail(line, why.into())),
            None => Ok(Self { root }),
        }
    }

    /// Whether it says of itself that it cites a dataset.
    #[must_use]
    pub fn is_of_dataset(&self) -> bool {
        self.root.get("type").and_then(YamlNode::text) == Some("dataset")
    }

    /// A value of one line or more by its rule, if the file is a dataset's and has the key.
    pub fn dataset_value(
        &self,
        key: &str,
        check: fn(&str) -> Result<String, ValueError>,
    ) -> Result<Option<String>, CitationError> {
        if self.is_of_dataset() { checked_text(&self.root, key, check) } else { Ok(None) }
    }

    /// The identifiers of the licences that a dataset's file names. Several are a choice of the reader's.
    pub fn licenses(&self, check: fn(&str) -> Result<String, ValueError>) -> Result<Vec<String>, CitationError> {
        self.dataset_list("license", check)
    }

    /// The keywords of a dataset's file.
    pub fn keywords(&self) -> Result<Vec<String>, CitationError> {
        self.dataset_list("keywords", check_line)
    }

    fn dataset_list(
        &self,
        key: &str,
        check: fn(&str) -> Result<String, ValueError>,
    ) -> Result<Vec<String>, CitationError> {
        let Some(node) = self.root.get(key).filter(|node| self.is_of_dataset() && !node.is_null()) else {
            return Ok(Vec::new());
        };
        let items = if node.tag.is_none() { node.items() } else { None };
        let items: Vec<&YamlNode> = items.map_or_else(|| vec![node], |items| items.iter().collect());
        let texts = items.into_iter().map(|item| checked_node(item, key, check));
        Ok(texts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// Its authors: persons and groups.
    pub fn authors(&self) -> Result<Vec<CreatorConfig>, CitationError> {
        let Some(node) = self.root.get("authors").filter(|node| !node.is_null()) else { return Ok(Vec::new()) };
        match (&node.kind, &node.tag) {
            (NodeKind::Sequence(items), None) => items.iter().map(read_author).collect(),
            _ => Err(CitationError::at(node, "`authors` is not a list")),
        }
    }
}

fn read_author(author: &YamlNode) -> Result<CreatorConfig, CitationError> {
    if let Some((line, message)) = author.first_unclear(0) {
        return Err(CitationError { line: Some(line), message: message.into() });
    }
    if author.entries().is_none() {
        return Err(CitationError::at(author, "an author is not a mapping of keys such as `family-names`"));
    }
    let line = |key: &str| checked_text(author, key, check_line);
    let join = |parts: [Option<&str>; 3]| {
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        Some(parts.join(" ")).filter(|text| !text.is_empty())
    };
    let (given, suffix) = (line("given-names")?, line("name-suffix")?);
    let family = join([line("name-particle")?.as_deref(), line("family-names")?.as_deref(), None]);
    let person = join([given.as_deref(), family.as_deref(), suffix.as_deref()]);
    // A group has a name; a person without one can have an alias.
    let name = line("name")?.or(person).or(line("alias")?);
    let creator = CreatorConfig {
        name: name.unwrap_or_default(),
        given,
        family,
        orcid: checked_text(author, "orcid", check_orcid)?,
        affiliation: line("affiliation")?,
        ror: None,
        email: checked_text(author, "email", check_email)?,
    };
    creator.with_name().map_err(|_| CitationError::at(author, "an author has no name"))
}

fn checked_text(
    mapping: &YamlNode,
    key: &str,
    check: fn(&str) -> Result<String, ValueError>,
) -> Result<Option<String>, CitationError> {
    mapping.get(key).map_or(Ok(None), |node| checked_node(node, key, check))
}

/// A scalar's text by its rule, whatever type YAML gives it: `version: 1.0` is text. `None` if it is empty.
fn checked_node(
    node: &YamlNode,
    key: &str,
    check: fn(&str) -> Result<String, ValueError>,
) -> Result<Option<String>, CitationError> {
    if let Some((line, why)) = node.first_unclear(0) {
        return Err(CitationError { line: Some(line), message: format!("{key}: {why}") });
    }
    let Some(text) = node.text() else { return Err(CitationError::at(node, format!("{key} is not a text"))) };
    match text.trim() {
        _ if node.is_null() => Ok(None),
        "" => Ok(None),
        text => check(text).map(Some).map_err(|error| CitationError::at(node, format!("{key}: {error}"))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::project::config::licenses::check_license;
    use crate::project::config::values::{check_text, check_version};

    const AUTHORS: &str = "authors:\n- family-names: Example\n  given-names: Ada\n  orcid: https://orcid.org/0000-0002-1825-0097\n  \
                           affiliation: Example Institute\n  email: ada@example.org\n- name: Sample Consortium\n  website: https://example.org\n\
                           - given-names: An\n  name-particle: van\n  family-names: Dyk\n  name-suffix: Jr.\n- alias: bo\n";

    #[test]
    fn persons_and_groups_are_authors() {
        let authors = CitationFile::parse(AUTHORS.as_bytes()).unwrap().authors().unwrap();
        let texts: Vec<String> = authors.iter().map(CreatorConfig::to_text).collect();
        let ada = "Example, Ada (0000-0002-1825-0097, Example Institute, ada@example.org)";
        assert_eq!(texts, [ada, "Sample Consortium", "van Dyk, An", "bo"]);
        assert_eq!(authors[2].name, "An van Dyk Jr.");
    }

    #[test]
    fn only_a_file_of_a_dataset_speaks_for_it() {
        let text = "title: T\nabstract: |\n  a\n  b\nversion: 1.2.0\nlicense: cc-by-4.0\nkeywords: [a, b]\n";
        for kind in ["", "type: software\n"] {
            let software = CitationFile::parse(format!("{kind}{text}").as_bytes()).unwrap();
            assert_eq!(software.dataset_value("title", check_line).unwrap(), None);
            assert!(software.licenses(check_license).unwrap().is_empty() && software.keywords().unwrap().is_empty());
        }
        let dataset = CitationFile::parse(format!("type: dataset\n{text}").as_bytes()).unwrap();
        assert_eq!(dataset.dataset_value("abstract", check_text).unwrap().unwrap(), "a\nb");
        assert_eq!(dataset.dataset_value("version", check_version).unwrap().unwrap(), "1.2.0");
        assert_eq!(dataset.licenses(check_license).unwrap(), ["CC-BY-4.0"]);
        assert_eq!(dataset.keywords().unwrap(), ["a", "b"]);
        assert_eq!(dataset.dataset_value("url", check_line).unwrap(), None);
    }

    #[test]
    fn a_file_that_is_not_clear_is_refused_with_its_line() {
        for (text, line, why) in [
            ("", 1, "holds no keys"),
            ("- a\n", 1, "holds no keys"),
            ("title: a\ntitle: b\n", 2, "`title` is there twice"),
            ("a: [\n", 2, ""),
            ("<<: {title: x}\n", 1, "a merge `<<`"),
            ("a: 1\n---\nb: 1\n", 2, "second document"),
        ] {
            let error = CitationFile::parse(text.as_bytes()).unwrap_err();
            assert!(error.line == Some(line) && error.message.contains(why), "{text:?}: {error}");
        }
        for (depth, why) in [(200, "nested deeper than 128 levels"), (50_000, "recursion limit exceeded")] {
            let deep = format!("a: {}{}\n", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(CitationFile::parse(deep.as_bytes()).unwrap_err().message, why);
        }
    }

    #[test]
    fn a_value_that_breaks_its_rule_is_refused_with_its_line() {
        for (text, line, why) in [
            ("authors: Ada\n", 1, "`authors` is not a list"),
            ("authors:\n- Ada\n", 2, "is not a mapping of keys"),
            ("authors:\n- orcid: 0000-0002-1825-0097\n", 2, "has no name"),
            ("authors:\n- name: x\n  orcid: 0000-0002-1825-0098\n", 3, "orcid: `0000-0002-1825-0098` is not an ORCID"),
            ("authors:\n- name: [x]\n", 2, "name is not a text"),
            ("authors:\n- name: !!binary eA==\n", 2, "a tag"),
            ("x: &x {name: y}\nauthors:\n- *x\n", 3, "an alias"),
            ("authors:\n- name: \"\\e[2J\"\n", 2, "control character"),
        ] {
            let error = CitationFile::parse(text.as_bytes()).unwrap().authors().unwrap_err();
            assert!(error.line == Some(line) && error.message.contains(why), "{text:?}: {error}");
        }
        let file = CitationFile::parse(b"type: dataset\nversion: 2.0\n").unwrap();
        let error = file.dataset_value("version", check_version).unwrap_err().to_string();
        assert!(error.starts_with("CITATION.cff:2: version: `2.0` is not a version"), "{error}");
    }
}

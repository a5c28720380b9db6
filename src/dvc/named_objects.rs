//! Which objects a file of DVC's names: `dvc.lock`, a `.dvc` file, an entry of the run cache, of any release and schema.
//!
//! Every word of 32 hex digits counts, wherever it stands, because a reader that knows only some keys would let objects be
//! deleted that a newer or older DVC needs. So a file that cannot be parsed names its objects, too. Structure only says
//! which lists of directories must be readable: those of outputs.

use std::collections::{BTreeMap, BTreeSet};

use crate::dvc::hash::{DataVersion, DvcHash};
use crate::formats::ParamsValue;
use crate::formats::yaml::{self, YamlNode};
use crate::support::limits;

/// What the list of a directory is to the file that names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListUse {
    /// A dependency, or a mention: DVC need not have kept the list.
    Mentioned,
    /// An output: what it holds is known from its list alone. The path as written, empty if it is not known.
    Output(String),
}

/// The objects that a file names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamedObjects {
    /// The names of files, and of lists without their `.dir`.
    pub files: BTreeSet<DvcHash>,
    /// Those that outputs name: DVC stored them for this file. None of a file that cannot be parsed.
    pub stored: BTreeSet<DvcHash>,
    /// The lists of directories.
    pub lists: BTreeMap<DataVersion, ListUse>,
    /// Whether the file could be parsed.
    pub is_parsed: bool,
}

impl NamedObjects {
    /// Reads a file of DVC's.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let mut named = Self::default();
        let parsed = yaml::parse_document_within(bytes, limits::LOCKFILE, limits::LOCKFILE_VALUES);
        named.is_parsed = parsed.is_ok();
        let unparsed = if named.is_parsed { ListUse::Mentioned } else { ListUse::Output(String::new()) };
        named.add_words(bytes, &unparsed);
        if let Ok(Some(root)) = parsed {
            named.add_node(&root, &ListUse::Mentioned);
        }
        named
    }

    /// Adds what the scalars of a node hold: YAML can write a text in many forms.
    fn add_node(&mut self, node: &YamlNode, list_use: &ListUse) {
        if let Some(text) = node.text() {
            self.add_words(text.as_bytes(), list_use);
        }
        for item in node.items().into_iter().flatten() {
            self.add_node(item, list_use);
        }
        for (key, value) in node.entries().into_iter().flatten() {
            self.add_node(key, &ListUse::Mentioned);
            match (key.text(), value.items()) {
                (Some("outs"), Some(outs)) => outs.iter().for_each(|out| self.add_output(out)),
                (Some("deps"), _) => self.add_node(value, &ListUse::Mentioned),
                _ => self.add_node(value, list_use),
            }
        }
    }

    fn add_output(&mut self, out: &YamlNode) {
        // A cloud-versioned output lists its files in this file; of one with `cache: false` DVC keeps no list.
        let has_files = out.get("files").and_then(YamlNode::items).is_some();
        let uncached = matches!(out.get("cache").and_then(YamlNode::to_value), Some(ParamsValue::Bool(false)));
        let path = out.get("path").and_then(YamlNode::text).unwrap_or_default().to_owned();
        let list_use = if has_files || uncached { ListUse::Mentioned } else { ListUse::Output(path) };
        let mut named = Self::default();
        named.add_node(out, &list_use);
        if !uncached {
            self.stored.extend(&named.files);
        }
        self.files.extend(named.files);
        for (list, list_use) in named.lists {
            self.add_list(list, &list_use);
        }
    }

    fn add_list(&mut self, list: DataVersion, list_use: &ListUse) {
        let known = self.lists.entry(list).or_insert(ListUse::Mentioned);
        *known = known.clone().max(list_use.clone());
    }

    fn add_words(&mut self, text: &[u8], list_use: &ListUse) {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
        let mut rest = text;
        while let Some(start) = rest.iter().position(is_word) {
            let word = &rest[start..];
            let len = word.iter().position(|byte| !is_word(byte)).unwrap_or(word.len());
            let after = &word[len..];
            if let Some(hash) = DvcHash::from_hex(&word[..len].to_ascii_lowercase()) {
                self.files.insert(hash);
                let suffix = after.strip_prefix(b".dir").filter(|end| !end.first().is_some_and(is_word));
                if suffix.is_some() {
                    self.add_list(DataVersion::new(hash), list_use);
                }
            }
            rest = after;
        }
    }
}

/// Whether a path is one of a file by which DVC finds objects.
#[must_use]
pub fn names_objects(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name == b"dvc.lock" || name == b"Dvcfile" || name.ends_with(b".dvc") && name != b".dvc"
}

/// What [`names_objects`] looks for, as git's pathspecs.
pub const PATHSPECS: [&str; 3] = [":(top,glob)**/dvc.lock", ":(top,glob)**/Dvcfile", ":(top,glob)**/*.dvc"];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const A: &str = "d41d8cd98f00b204e9800998ecf8427e";
    const B: &str = "0123456789abcdef0123456789abcdef";

    fn uses(text: &str) -> Vec<(String, ListUse)> {
        NamedObjects::read(text.as_bytes()).lists.into_iter().map(|(list, u)| (list.to_string(), u)).collect()
    }

    #[test]
    fn every_form_of_a_name_is_found() {
        for text in [
            format!("outs:\n- md5: {A}\n  path: x\n"),
            format!("schema: '2.0'\nstages:\n  a:\n    cmd: x\n    outs:\n    - {{path: x, hash: md5, md5: '{A}'}}\n"),
            format!("outs:\n- path: x\n  files:\n  - relpath: a\n    md5: {A}\n    version_id: x\n"),
            format!("deps:\n- path: x\n  md5: {}\nfrozen: true\n", A.to_uppercase()),
            format!("<<<<<<< HEAD\nmd5: {A}\n=======\n"),
            format!("outs: [ {A}"),
            format!("outs:\n- md5: \"{}\\\n    {}\"\n", &A[..7], &A[7..]),
            format!("outs:\n- md5: \"\\x{:02x}{}\"\n", A.as_bytes()[0], &A[1..]),
        ] {
            assert!(NamedObjects::read(text.as_bytes()).files.contains(&A.parse().unwrap()), "{text}");
        }
        for text in [format!("x: {A}0"), format!("x: a{A}"), "md5: 12".into(), String::new()] {
            assert!(NamedObjects::read(text.as_bytes()).files.is_empty(), "{text}");
        }
    }

    #[test]
    fn only_lists_of_outputs_must_be_readable() {
        let output = |path: &str| ListUse::Output(path.into());
        let text = format!("deps:\n- path: d\n  md5: {A}.dir\nouts:\n- path: o\n  md5: {B}.dir\n");
        assert_eq!(uses(&text), [(format!("{B}.dir"), output("o")), (format!("{A}.dir"), ListUse::Mentioned)]);
        // Named twice: what asks for more counts.
        let text = format!("deps:\n- path: d\n  md5: {A}.dir\nouts:\n- path: o\n  md5: {A}.dir\n");
        assert_eq!(uses(&text), [(format!("{A}.dir"), output("o"))]);
        let text = format!("outs:\n- path: o\n  md5: {A}.dir\n  files:\n  - {{relpath: a, md5: {B}}}\n");
        assert_eq!(uses(&text), [(format!("{A}.dir"), ListUse::Mentioned)]);
        assert_eq!(uses(&text.replace("  files:", "  cache: false\n  x:")), uses(&text));
        assert_eq!(uses(&format!("[ {A}.dir")), [(format!("{A}.dir"), output(""))]);
        assert_eq!(uses(&format!("{A}.directory")), []);
    }

    #[test]
    fn only_what_outputs_name_was_stored() {
        let text = format!(
            "stages:\n  s:\n    deps:\n    - {{path: d, md5: {A}}}\n    outs:\n    - {{path: o, md5: {B}.dir}}\n"
        );
        let named = NamedObjects::read(text.as_bytes());
        assert_eq!(named.files, [A, B].map(|hash| hash.parse().unwrap()).into());
        assert_eq!(named.stored, [B.parse().unwrap()].into());
        let uncached = text.replace("{path: o,", "{path: o, cache: false,");
        for text in [uncached, text.replace("stages:", "<<<<<<<")] {
            assert!(NamedObjects::read(text.as_bytes()).stored.is_empty(), "{text}");
        }
    }

    #[test]
    fn files_are_known_by_their_names() {
        for path in ["dvc.lock", "a/dvc.lock", "x.dvc", "a/b/data.csv.dvc", "Dvcfile"] {
            assert!(names_objects(path.as_bytes()), "{path}");
        }
        for path in [".dvc", "a/.dvc", "dvc.yaml", ".dvc/config", "dvc.lock/x", ""] {
            assert!(!names_objects(path.as_bytes()), "{path}");
        }
    }
}

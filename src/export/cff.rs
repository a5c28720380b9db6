//! `CITATION.cff`: how to cite the dataset, in the Citation File Format 1.2.0. No address of e-mail is written.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::export::metadata::{Creator, License};
use crate::export::set::ExportSet;
use crate::formats::yaml::QuoteStyle;
use crate::formats::yaml_scalar::render_scalar;

/// The name of the file in an export.
pub const CITATION_CFF: &str = "CITATION.cff";

/// Licences of SPDX's list that are newer than the list of the format, which refuses every other identifier.
pub const NEWER_LICENSES: [&str; 3] = ["CDLA-Permissive-2.0", "DL-DE-BY-2.0", "DL-DE-ZERO-2.0"];

/// Builds `CITATION.cff`.
#[must_use]
pub fn build_cff(set: &ExportSet) -> Vec<u8> {
    let metadata = &set.metadata;
    let mut out = CffText(String::from("cff-version: 1.2.0\n"));
    out.add("message", "Cite this dataset as below.");
    out.add("type", "dataset");
    out.add("title", &metadata.title);
    out.add("abstract", metadata.description.trim());
    out.0.push_str("authors:\n");
    metadata.creators.iter().for_each(|creator| out.add_author(creator));
    if is_known(&metadata.license) && !NEWER_LICENSES.contains(&metadata.license.id.as_str()) {
        out.add("license", &metadata.license.id);
    } else {
        out.add_address("license-url", Some(&metadata.license.url));
    }
    out.add("version", &metadata.version);
    out.add("date-released", &set.published.strftime("%Y-%m-%d").to_string());
    out.add_address("url", metadata.url.as_deref());
    out.add_address("repository-code", metadata.repository.as_deref());
    let commit = set.latest_commit.id.to_string();
    out.add("commit", &commit);
    out.0.push_str("identifiers:\n");
    out.add_identifier("swh", &format!("swh:1:rev:{commit}"), "The commit that introduced the newest run");
    out.add_identifier("other", &format!("md5:{}", set.latest_version), "The DVC data version of that commit");
    let keywords: Vec<&str> = distinct(metadata.keywords.iter().map(String::as_str));
    if !keywords.is_empty() {
        out.0.push_str("keywords:\n");
        keywords.iter().for_each(|keyword| {
            let _ = writeln!(out.0, "- {}", scalar(keyword));
        });
    }
    out.0.into_bytes()
}

struct CffText(String);

impl CffText {
    fn add(&mut self, key: &str, text: &str) {
        // An empty text is refused. Writing to a string cannot fail, here and below.
        if !text.is_empty() {
            let _ = writeln!(self.0, "{key}: {}", scalar(text));
        }
    }

    fn add_address(&mut self, key: &str, address: Option<&str>) {
        if let Some(address) = address.filter(|address| is_web_address(address)) {
            self.add(key, address);
        }
    }

    fn add_author(&mut self, creator: &Creator) {
        let mut members: Vec<(&str, &str)> = Vec::new();
        members.extend(creator.family.as_deref().map(|family| ("family-names", family)));
        members.extend(creator.given.as_deref().map(|given| ("given-names", given)));
        if members.is_empty() {
            // Where a name is to be split, only its bearer can say.
            members.push(("name", &creator.name));
        }
        members.extend(creator.orcid.as_deref().map(|orcid| ("orcid", orcid)));
        let affiliation = creator.affiliation.as_ref().map(|organization| organization.name.as_str());
        // A person has an affiliation in this format, what has a name only is no person to it.
        members.extend(affiliation.filter(|_| has_parts(creator)).map(|name| ("affiliation", name)));
        for (index, (key, value)) in members.into_iter().filter(|(_, value)| !value.is_empty()).enumerate() {
            let _ = writeln!(self.0, "{} {key}: {}", if index == 0 { "-" } else { " " }, scalar(value));
        }
    }

    fn add_identifier(&mut self, kind: &str, value: &str, description: &str) {
        let _ = writeln!(self.0, "- type: {kind}\n  value: {}\n  description: {}", scalar(value), scalar(description));
    }
}

/// Whether the name is given in parts.
pub(super) fn has_parts(creator: &Creator) -> bool {
    creator.given.is_some() || creator.family.is_some()
}

fn scalar(text: &str) -> String {
    render_scalar(text, QuoteStyle::Plain)
}

/// Whether the licence's identifier is one of SPDX's that we know the name of.
pub(super) fn is_known(license: &License) -> bool {
    license.name != license.id
}

pub(super) fn is_web_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c.is_control()))
}

/// The texts without repetitions and without empty ones, in their order.
pub(super) fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    texts.map(str::trim).filter(|text| !text.is_empty() && seen.insert(*text)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;
    use crate::export::set::sample::{sample_metadata, sample_set};

    pub(in crate::export) fn odd_set() -> ExportSet {
        let mut set = sample_set(&["demo/r1", "demo/r2"]);
        let metadata = &mut set.metadata;
        metadata.title = "yes: \"no\"\n# 🦀".into();
        metadata.license = License { id: "My-1".into(), name: "My-1".into(), url: "https://example.org/l".into() };
        metadata.publisher = None;
        metadata.url = Some("ssh://example.org".into());
        metadata.repository = None;
        metadata.keywords = vec!["a".into(), " ".into(), "a".into()];
        let ada = sample_metadata().creators.remove(0);
        let bo = Creator { name: "Bo: the 1st".into(), given: None, family: None, orcid: None, ..ada };
        metadata.creators = vec![bo];
        set.runs[1].started = Some("2026-11-26T00:00:00Z".parse().unwrap());
        set
    }

    #[test]
    fn a_citation_file_has_the_commit_and_the_data_version() {
        insta::assert_snapshot!(String::from_utf8(build_cff(&sample_set(&["demo/r1"]))).unwrap(), @r###"
        cff-version: 1.2.0
        message: 'Cite this dataset as below.'
        type: dataset
        title: 'Plume navigation runs'
        abstract: 'Episodes of an agent that looks for the source of an odour plume on a grid.'
        authors:
        - family-names: Example
          given-names: Ada
          orcid: 'https://orcid.org/0000-0002-1825-0097'
          affiliation: 'Example Institute'
        license: CC-BY-4.0
        version: '1.0.0'
        date-released: '2026-11-27'
        url: 'https://example.org/plume-runs'
        repository-code: 'https://example.org/plume-runs.git'
        commit: '6666666666666666666666666666666666666666'
        identifiers:
        - type: swh
          value: 'swh:1:rev:6666666666666666666666666666666666666666'
          description: 'The commit that introduced the newest run'
        - type: other
          value: 'md5:a39899ca078c8e67c0326f71fa1ffdf6.dir'
          description: 'The DVC data version of that commit'
        keywords:
        - simulation
        "###);
        insta::assert_snapshot!(String::from_utf8(build_cff(&odd_set())).unwrap(), @r###"
        cff-version: 1.2.0
        message: 'Cite this dataset as below.'
        type: dataset
        title: "yes: \"no\"\n# 🦀"
        abstract: 'Episodes of an agent that looks for the source of an odour plume on a grid.'
        authors:
        - name: 'Bo: the 1st'
        license-url: 'https://example.org/l'
        version: '1.0.0'
        date-released: '2026-11-27'
        commit: '6666666666666666666666666666666666666666'
        identifiers:
        - type: swh
          value: 'swh:1:rev:6666666666666666666666666666666666666666'
          description: 'The commit that introduced the newest run'
        - type: other
          value: 'md5:a39899ca078c8e67c0326f71fa1ffdf6.dir'
          description: 'The DVC data version of that commit'
        keywords:
        - a
        "###);
    }

    #[test]
    fn a_licence_that_the_format_does_not_know_is_an_address() {
        let mut set = sample_set(&["demo/r1"]);
        let license = &mut set.metadata.license;
        (license.id, license.name) = ("CDLA-Permissive-2.0".into(), "Community Data License".into());
        let text = String::from_utf8(build_cff(&set)).unwrap();
        assert!(text.contains("license-url: 'https://") && !text.contains("license: "), "{text}");
    }

    #[test]
    fn no_address_of_email_is_written() {
        assert!(!String::from_utf8(build_cff(&sample_set(&["demo/r1"]))).unwrap().contains('@'));
    }
}

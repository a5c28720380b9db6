//! `datacite.json`: what a repository asks for at a deposit, in DataCite's schema 4.5.
//!
//! The DOI is given at the deposit, so the document has none. No address of e-mail is written.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::export::cff::{distinct, has_parts, is_known, is_web_address};
use crate::export::media::media_type_of;
use crate::export::metadata::{Creator, License, Organization};
use crate::export::set::ExportSet;

/// The name of the file in an export.
pub const DATACITE_JSON: &str = "datacite.json";

/// What DataCite writes for a publisher that is not known.
const UNAVAILABLE: &str = "(:unav)";

/// Builds `datacite.json`.
#[must_use]
pub fn build_datacite(set: &ExportSet) -> Vec<u8> {
    let metadata = &set.metadata;
    let creators: Vec<Value> = metadata.creators.iter().map(datacite_creator).collect();
    let mut out = Map::new();
    out.insert("types".into(), json!({ "resourceTypeGeneral": "Dataset", "resourceType": "Simulation runs" }));
    out.insert("creators".into(), creators.into());
    out.insert("titles".into(), json!([{ "title": metadata.title }]));
    out.insert("publisher".into(), datacite_publisher(metadata.publisher.as_ref()));
    out.insert("publicationYear".into(), set.published.strftime("%Y").to_string().into());
    let subjects: Vec<Value> = distinct(metadata.keywords.iter().map(String::as_str))
        .iter()
        .map(|keyword| json!({ "subject": keyword }))
        .collect();
    if !subjects.is_empty() {
        out.insert("subjects".into(), subjects.into());
    }
    if let Some(created) = creation_dates(set) {
        out.insert("dates".into(), json!([{ "date": created, "dateType": "Created" }]));
    }
    out.insert("alternateIdentifiers".into(), alternate_identifiers(set));
    let formats: BTreeSet<&str> =
        set.runs.iter().flat_map(|run| &run.files).map(|file| media_type_of(&file.name)).collect();
    out.insert("formats".into(), formats.into_iter().collect::<Vec<_>>().into());
    out.insert("version".into(), metadata.version.as_str().into());
    out.insert("rightsList".into(), json!([datacite_rights(&metadata.license)]));
    let description = json!([{ "description": metadata.description, "descriptionType": "Abstract" }]);
    out.insert("descriptions".into(), description);
    if let Some(url) = metadata.url.as_deref().filter(|url| is_web_address(url)) {
        out.insert("url".into(), url.into());
    }
    out.insert("schemaVersion".into(), "http://datacite.org/schema/kernel-4".into());
    let mut bytes = format!("{:#}", Value::Object(out)).into_bytes();
    bytes.push(b'\n');
    bytes
}

fn datacite_creator(creator: &Creator) -> Value {
    let name = match (&creator.family, &creator.given) {
        (Some(family), Some(given)) => format!("{family}, {given}"),
        _ => creator.name.clone(),
    };
    let mut out = Map::from_iter([("name".to_owned(), name.into())]);
    let parts = [("givenName", &creator.given), ("familyName", &creator.family)];
    out.extend(parts.into_iter().filter_map(|(key, part)| Some((key.to_owned(), part.as_deref()?.into()))));
    // A name in one piece can be a group's, unless the one who bears it has an ORCID.
    if creator.orcid.is_some() || has_parts(creator) {
        out.insert("nameType".into(), "Personal".into());
    }
    if let Some(orcid) = &creator.orcid {
        let identifier =
            json!([{ "nameIdentifier": orcid, "nameIdentifierScheme": "ORCID", "schemeUri": "https://orcid.org" }]);
        out.insert("nameIdentifiers".into(), identifier);
    }
    if let Some(organization) = &creator.affiliation {
        let mut affiliation = json!({ "name": organization.name });
        if let (Some(ror), Some(members)) = (&organization.ror, affiliation.as_object_mut()) {
            members.insert("affiliationIdentifier".into(), ror.as_str().into());
            members.insert("affiliationIdentifierScheme".into(), "ROR".into());
            members.insert("schemeUri".into(), "https://ror.org".into());
        }
        out.insert("affiliation".into(), json!([affiliation]));
    }
    Value::Object(out)
}

fn datacite_publisher(publisher: Option<&Organization>) -> Value {
    let Some(publisher) = publisher else { return json!({ "name": UNAVAILABLE }) };
    match &publisher.ror {
        Some(ror) => json!({
            "name": publisher.name,
            "publisherIdentifier": ror,
            "publisherIdentifierScheme": "ROR",
            "schemeUri": "https://ror.org",
        }),
        None => json!({ "name": publisher.name }),
    }
}

fn datacite_rights(license: &License) -> Value {
    let mut out = Map::from_iter([("rights".to_owned(), license.name.as_str().into())]);
    if is_web_address(&license.url) {
        out.insert("rightsUri".into(), license.url.as_str().into());
    }
    if is_known(license) {
        out.insert("rightsIdentifier".into(), license.id.as_str().into());
        out.insert("rightsIdentifierScheme".into(), "SPDX".into());
    }
    Value::Object(out)
}

/// The day on which the runs were recorded, or the first and the last one.
fn creation_dates(set: &ExportSet) -> Option<String> {
    let days = || set.runs.iter().filter_map(|run| run.started).map(|time| time.strftime("%Y-%m-%d").to_string());
    let (first, last) = (days().min()?, days().max()?);
    Some(if first == last { first } else { format!("{first}/{last}") })
}

fn alternate_identifiers(set: &ExportSet) -> Value {
    let identifier =
        |value: String, kind: &str| json!({ "alternateIdentifier": value, "alternateIdentifierType": kind });
    json!([
        identifier(format!("swh:1:rev:{}", set.latest_commit.id), "SWHID"),
        identifier(format!("md5:{}", set.latest_version), "DVC data version"),
    ])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::export::cff::tests::odd_set;
    use crate::export::set::sample::sample_set;

    #[test]
    fn datacite_has_what_was_given_and_no_doi() {
        insta::assert_snapshot!(String::from_utf8(build_datacite(&sample_set(&["demo/r1"]))).unwrap(), @r###"
        {
          "types": {
            "resourceTypeGeneral": "Dataset",
            "resourceType": "Simulation runs"
          },
          "creators": [
            {
              "name": "Example, Ada",
              "givenName": "Ada",
              "familyName": "Example",
              "nameType": "Personal",
              "nameIdentifiers": [
                {
                  "nameIdentifier": "https://orcid.org/0000-0002-1825-0097",
                  "nameIdentifierScheme": "ORCID",
                  "schemeUri": "https://orcid.org"
                }
              ],
              "affiliation": [
                {
                  "name": "Example Institute"
                }
              ]
            }
          ],
          "titles": [
            {
              "title": "Plume navigation runs"
            }
          ],
          "publisher": {
            "name": "Example Institute",
            "publisherIdentifier": "https://ror.org/03f0f6041",
            "publisherIdentifierScheme": "ROR",
            "schemeUri": "https://ror.org"
          },
          "publicationYear": "2026",
          "subjects": [
            {
              "subject": "simulation"
            }
          ],
          "dates": [
            {
              "date": "2026-11-24",
              "dateType": "Created"
            }
          ],
          "alternateIdentifiers": [
            {
              "alternateIdentifier": "swh:1:rev:6666666666666666666666666666666666666666",
              "alternateIdentifierType": "SWHID"
            },
            {
              "alternateIdentifier": "md5:a39899ca078c8e67c0326f71fa1ffdf6.dir",
              "alternateIdentifierType": "DVC data version"
            }
          ],
          "formats": [
            "application/gzip",
            "application/json",
            "application/vnd.apache.parquet"
          ],
          "version": "1.0.0",
          "rightsList": [
            {
              "rights": "Creative Commons Attribution 4.0 International",
              "rightsUri": "https://creativecommons.org/licenses/by/4.0/",
              "rightsIdentifier": "CC-BY-4.0",
              "rightsIdentifierScheme": "SPDX"
            }
          ],
          "descriptions": [
            {
              "description": "Episodes of an agent that looks for the source of an odour plume on a grid.",
              "descriptionType": "Abstract"
            }
          ],
          "url": "https://example.org/plume-runs",
          "schemaVersion": "http://datacite.org/schema/kernel-4"
        }
        "###);
        let odd: Value = serde_json::from_slice(&build_datacite(&odd_set())).unwrap();
        assert_eq!(odd["publisher"], json!({ "name": "(:unav)" }));
        assert_eq!(odd["rightsList"], json!([{ "rights": "My-1", "rightsUri": "https://example.org/l" }]));
        assert_eq!(odd["dates"][0]["date"], "2026-11-24/2026-11-26");
        assert_eq!(
            odd["creators"][0],
            json!({ "name": "Bo: the 1st", "affiliation": [{ "name": "Example Institute" }] })
        );
        assert_eq!((odd.get("url"), odd.get("doi")), (None, None));
    }

    #[test]
    fn no_address_of_email_is_written() {
        assert!(!String::from_utf8(build_datacite(&sample_set(&["demo/r1"]))).unwrap().contains('@'));
    }
}

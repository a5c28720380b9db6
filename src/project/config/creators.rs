//! Who made a dataset: the entries of `dataset.creators`, and the text in which commands take and print them.
//!
//! The text of one person is `Example, Ada (0000-0002-1825-0097, Example Institute)`. A name with a comma is the family
//! name and the given names, any other is taken whole. What stands in the brackets is told apart by its form: an ORCID,
//! an address at ror.org, an e-mail address; all else is where the person works. `;` stands between persons. A name that
//! holds `;` or ends in brackets can only be written in the file.

use serde::Deserialize;

use super::values::{
    ValueError, check_email, check_line, check_orcid, check_ror, looks_like_orcid, looks_like_ror, read_email,
    read_line, read_orcid, read_ror,
};

/// A person who made the dataset, each value as its rule returns it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "CreatorTable")]
pub struct CreatorConfig {
    /// The name in full.
    pub name: String,
    /// The given names.
    pub given: Option<String>,
    /// The family name.
    pub family: Option<String>,
    /// The ORCID, as an address.
    pub orcid: Option<String>,
    /// Where the person works.
    pub affiliation: Option<String>,
    /// The affiliation's ROR, as an address.
    pub ror: Option<String>,
    /// Compared with the author of a commit, and never exported.
    pub email: Option<String>,
}

/// An entry as the file has it. The fields are checked one by one, so that an error has its line.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CreatorTable {
    #[serde(deserialize_with = "read_line")]
    name: Option<String>,
    #[serde(deserialize_with = "read_line")]
    given: Option<String>,
    #[serde(deserialize_with = "read_line")]
    family: Option<String>,
    #[serde(deserialize_with = "read_orcid")]
    orcid: Option<String>,
    #[serde(deserialize_with = "read_line")]
    affiliation: Option<String>,
    #[serde(deserialize_with = "read_ror")]
    ror: Option<String>,
    #[serde(deserialize_with = "read_email")]
    email: Option<String>,
}

impl TryFrom<CreatorTable> for CreatorConfig {
    type Error = ValueError;

    fn try_from(table: CreatorTable) -> Result<Self, ValueError> {
        let CreatorTable { name, given, family, orcid, affiliation, ror, email } = table;
        Self { name: name.unwrap_or_default(), given, family, orcid, affiliation, ror, email }.with_name()
    }
}

impl CreatorConfig {
    /// The same with a name in full. Fails if there is none, and if an affiliation's ROR has no affiliation.
    pub fn with_name(mut self) -> Result<Self, ValueError> {
        if self.name.is_empty() {
            let parts = [self.given.as_deref(), self.family.as_deref()];
            self.name = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        }
        let refuse = |value: &str, why: &str| Err(ValueError { value: value.to_owned(), why: why.to_owned() });
        match (&self.name, &self.ror, &self.affiliation) {
            (name, ..) if name.is_empty() => refuse("creators", "has an entry without a name"),
            (_, Some(ror), None) => refuse(ror, "is the ROR of an affiliation; name the affiliation, too"),
            _ => Ok(self),
        }
    }

    /// Reads the text of one person.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let text = check_line(text.trim())?;
        let (name, details) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((name, details)) => (name.trim(), details),
            None => (text.as_str(), ""),
        };
        let mut creator = Self::default();
        match name.split_once(',') {
            Some((family, given)) if !family.trim().is_empty() && !given.trim().is_empty() => {
                creator.family = Some(family.trim().to_owned());
                creator.given = Some(given.trim().to_owned());
            }
            _ => creator.name = name.to_owned(),
        }
        let mut affiliation: Vec<&str> = Vec::new();
        for detail in details.split(',').map(str::trim).filter(|detail| !detail.is_empty()) {
            if looks_like_orcid(detail) {
                creator.orcid = Some(check_orcid(detail)?);
            } else if looks_like_ror(detail) {
                creator.ror = Some(check_ror(detail)?);
            } else if detail.contains('@') {
                creator.email = Some(check_email(detail)?);
            } else {
                // An affiliation can hold commas of its own.
                affiliation.push(detail);
            }
        }
        creator.affiliation = Some(affiliation.join(", ")).filter(|text| !text.is_empty());
        creator.with_name()
    }

    /// The text of one person, which [`CreatorConfig::parse`] reads.
    #[must_use]
    pub fn to_text(&self) -> String {
        let name = match (&self.family, &self.given) {
            (Some(family), Some(given)) => format!("{family}, {given}"),
            _ => self.name.clone(),
        };
        let orcid = self.orcid.as_deref().map(|address| address.trim_start_matches("https://orcid.org/"));
        let details = [orcid, self.affiliation.as_deref(), self.ror.as_deref(), self.email.as_deref()];
        let details: Vec<&str> = details.into_iter().flatten().collect();
        if details.is_empty() { name } else { format!("{name} ({})", details.join(", ")) }
    }
}

/// Reads the text of several persons.
pub fn parse_creators(text: &str) -> Result<Vec<CreatorConfig>, ValueError> {
    text.split(';').filter(|person| !person.trim().is_empty()).map(CreatorConfig::parse).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn details_are_told_apart_by_their_form() {
        let text = "Example, Ada (0000-0002-1825-0097, Example Institute, https://ror.org/03f0f6041, ada@example.org)";
        let ada = CreatorConfig::parse(text).unwrap();
        assert_eq!(ada.to_text(), text);
        assert_eq!(
            ada,
            CreatorConfig {
                name: "Ada Example".into(),
                given: Some("Ada".into()),
                family: Some("Example".into()),
                orcid: Some("https://orcid.org/0000-0002-1825-0097".into()),
                affiliation: Some("Example Institute".into()),
                ror: Some("https://ror.org/03f0f6041".into()),
                email: Some("ada@example.org".into()),
            }
        );
        let moved = "Example, Ada (ada@example.org, https://orcid.org/0000-0002-1825-0097, Example Institute, ror.org/03f0f6041)";
        assert_eq!(CreatorConfig::parse(moved).unwrap(), ada);
    }

    #[test]
    fn several_persons_are_read_and_written() {
        let text = "Bo Sample; van Dyk, An (Dept. of Physics, Sample University); Sample Consortium";
        let creators = parse_creators(&format!(" {text}; ")).unwrap();
        assert_eq!(creators.iter().map(CreatorConfig::to_text).collect::<Vec<_>>().join("; "), text);
        let names: Vec<&str> = creators.iter().map(|creator| creator.name.as_str()).collect();
        assert_eq!(names, ["Bo Sample", "An van Dyk", "Sample Consortium"]);
        assert_eq!(creators[1].affiliation.as_deref(), Some("Dept. of Physics, Sample University"));
        assert_eq!(creators[0].family, None, "a name is not taken apart by guessing");
        assert_eq!(parse_creators("").unwrap(), []);
    }

    #[test]
    fn a_detail_that_breaks_its_rule_is_refused() {
        for (text, why) in [
            ("Ada (0000-0002-1825-0098)", "check digit"),
            ("Ada (0000-0002-1825-009)", "is not an ORCID such as"),
            ("Ada (https://ror.org/03f0f6042, X)", "check digits"),
            ("Ada (https://ror.org/03f0f6041)", "name the affiliation"),
            ("Ada (a@b@c)", "is not an e-mail address"),
            ("(0000-0002-1825-0097)", "without a name"),
            ("Ada\u{1b}[2J", "control character"),
        ] {
            let error = parse_creators(text).unwrap_err();
            assert!(error.to_string().contains(why), "{text}: {error}");
        }
    }
}

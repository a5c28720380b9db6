//! Licences that datasets have, by their SPDX identifiers (<https://spdx.org/licenses/>).
//!
//! Names are SPDX's. The page is the one by which a licence's own steward names it (Creative Commons, Open Data Commons,
//! the Linux Foundation), else SPDX's. Which licence a dataset has is never guessed: a near miss is only suggested.

use super::values::ValueError;
use crate::support::text::find_near;

/// A licence that is known here.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownLicense {
    /// The SPDX identifier as SPDX spells it.
    pub id: &'static str,
    /// The name in full.
    pub name: &'static str,
    /// Its steward's page, if the steward names the licence by one.
    page: Option<&'static str>,
}

impl KnownLicense {
    /// The page with its terms.
    #[must_use]
    pub fn url(&self) -> String {
        self.page.map_or_else(|| format!("https://spdx.org/licenses/{}.html", self.id), str::to_owned)
    }
}

const fn with_page(id: &'static str, name: &'static str, page: &'static str) -> KnownLicense {
    KnownLicense { id, name, page: Some(page) }
}

const fn on_spdx(id: &'static str, name: &'static str) -> KnownLicense {
    KnownLicense { id, name, page: None }
}

/// Those for data first.
const LICENSES: &[KnownLicense] = &[
    with_page("CC0-1.0", "Creative Commons Zero v1.0 Universal", "https://creativecommons.org/publicdomain/zero/1.0/"),
    with_page(
        "CC-BY-4.0",
        "Creative Commons Attribution 4.0 International",
        "https://creativecommons.org/licenses/by/4.0/",
    ),
    with_page(
        "CC-BY-SA-4.0",
        "Creative Commons Attribution Share Alike 4.0 International",
        "https://creativecommons.org/licenses/by-sa/4.0/",
    ),
    with_page(
        "CC-BY-NC-4.0",
        "Creative Commons Attribution Non Commercial 4.0 International",
        "https://creativecommons.org/licenses/by-nc/4.0/",
    ),
    with_page(
        "CC-BY-ND-4.0",
        "Creative Commons Attribution No Derivatives 4.0 International",
        "https://creativecommons.org/licenses/by-nd/4.0/",
    ),
    with_page(
        "CC-BY-NC-SA-4.0",
        "Creative Commons Attribution Non Commercial Share Alike 4.0 International",
        "https://creativecommons.org/licenses/by-nc-sa/4.0/",
    ),
    with_page(
        "CC-BY-NC-ND-4.0",
        "Creative Commons Attribution Non Commercial No Derivatives 4.0 International",
        "https://creativecommons.org/licenses/by-nc-nd/4.0/",
    ),
    with_page("CC-BY-3.0", "Creative Commons Attribution 3.0 Unported", "https://creativecommons.org/licenses/by/3.0/"),
    with_page(
        "CC-BY-SA-3.0",
        "Creative Commons Attribution Share Alike 3.0 Unported",
        "https://creativecommons.org/licenses/by-sa/3.0/",
    ),
    with_page(
        "CC-BY-NC-3.0",
        "Creative Commons Attribution Non Commercial 3.0 Unported",
        "https://creativecommons.org/licenses/by-nc/3.0/",
    ),
    with_page(
        "CC-BY-ND-3.0",
        "Creative Commons Attribution No Derivatives 3.0 Unported",
        "https://creativecommons.org/licenses/by-nd/3.0/",
    ),
    with_page(
        "CC-BY-NC-SA-3.0",
        "Creative Commons Attribution Non Commercial Share Alike 3.0 Unported",
        "https://creativecommons.org/licenses/by-nc-sa/3.0/",
    ),
    with_page(
        "CC-BY-NC-ND-3.0",
        "Creative Commons Attribution Non Commercial No Derivatives 3.0 Unported",
        "https://creativecommons.org/licenses/by-nc-nd/3.0/",
    ),
    with_page(
        "PDDL-1.0",
        "Open Data Commons Public Domain Dedication & License 1.0",
        "https://opendatacommons.org/licenses/pddl/1.0/",
    ),
    with_page(
        "ODbL-1.0",
        "Open Data Commons Open Database License v1.0",
        "https://opendatacommons.org/licenses/odbl/1.0/",
    ),
    with_page(
        "ODC-By-1.0",
        "Open Data Commons Attribution License v1.0",
        "https://opendatacommons.org/licenses/by/1.0/",
    ),
    with_page(
        "CDLA-Permissive-1.0",
        "Community Data License Agreement Permissive 1.0",
        "https://cdla.io/permissive-1-0",
    ),
    with_page(
        "CDLA-Permissive-2.0",
        "Community Data License Agreement Permissive 2.0",
        "https://cdla.dev/permissive-2-0",
    ),
    with_page("CDLA-Sharing-1.0", "Community Data License Agreement Sharing 1.0", "https://cdla.io/sharing-1-0"),
    on_spdx("etalab-2.0", "Etalab Open License 2.0"),
    on_spdx("DL-DE-BY-2.0", "Data licence Germany – attribution – version 2.0"),
    on_spdx("DL-DE-ZERO-2.0", "Data licence Germany – zero – version 2.0"),
    on_spdx("OGL-UK-3.0", "Open Government Licence v3.0"),
    on_spdx("MIT", "MIT License"),
    on_spdx("MIT-0", "MIT No Attribution"),
    on_spdx("Apache-2.0", "Apache License 2.0"),
    on_spdx("BSD-2-Clause", "BSD 2-Clause \"Simplified\" License"),
    on_spdx("BSD-3-Clause", "BSD 3-Clause \"New\" or \"Revised\" License"),
    on_spdx("0BSD", "BSD Zero Clause License"),
    on_spdx("ISC", "ISC License"),
    on_spdx("Unlicense", "The Unlicense"),
    on_spdx("GPL-2.0-only", "GNU General Public License v2.0 only"),
    on_spdx("GPL-2.0-or-later", "GNU General Public License v2.0 or later"),
    on_spdx("GPL-3.0-only", "GNU General Public License v3.0 only"),
    on_spdx("GPL-3.0-or-later", "GNU General Public License v3.0 or later"),
    on_spdx("LGPL-2.1-only", "GNU Lesser General Public License v2.1 only"),
    on_spdx("LGPL-2.1-or-later", "GNU Lesser General Public License v2.1 or later"),
    on_spdx("LGPL-3.0-only", "GNU Lesser General Public License v3.0 only"),
    on_spdx("LGPL-3.0-or-later", "GNU Lesser General Public License v3.0 or later"),
    on_spdx("AGPL-3.0-only", "GNU Affero General Public License v3.0 only"),
    on_spdx("AGPL-3.0-or-later", "GNU Affero General Public License v3.0 or later"),
    on_spdx("MPL-2.0", "Mozilla Public License 2.0"),
    on_spdx("EUPL-1.2", "European Union Public License 1.2"),
    on_spdx("EPL-2.0", "Eclipse Public License 2.0"),
    on_spdx("BSL-1.0", "Boost Software License 1.0"),
];

/// The licence with this SPDX identifier, in any case.
#[must_use]
pub fn find_license(id: &str) -> Option<&'static KnownLicense> {
    LICENSES.iter().find(|license| license.id.eq_ignore_ascii_case(id))
}

/// The identifier of a known licence that an unknown one resembles.
#[must_use]
pub fn suggest_license(id: &str) -> Option<&'static str> {
    let upper = id.to_ascii_uppercase();
    let spellings: Vec<(String, &'static str)> = LICENSES
        .iter()
        .flat_map(|license| {
            let spelling = license.id.to_ascii_uppercase();
            // `GPL-3.0`, and `CC-BY` without a number, are what people write.
            let stem = spelling.strip_suffix("-ONLY").or_else(|| spelling.strip_suffix("-4.0")).map(str::to_owned);
            [Some(spelling), stem].into_iter().flatten().map(|spelling| (spelling, license.id))
        })
        .collect();
    let near = find_near(&upper, spellings.iter().map(|(spelling, id)| (spelling.as_str(), *id)));
    near.first().and_then(|id| find_license(id)).map(|license| license.id)
}

/// An SPDX identifier: of a known licence as SPDX spells it, else as it is.
pub fn check_license(text: &str) -> Result<String, ValueError> {
    if let Some(known) = find_license(text) {
        return Ok(known.id.to_owned());
    }
    let has_form = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.+".contains(&b));
    match has_form {
        true => Ok(text.to_owned()),
        false => Err(ValueError {
            value: text.to_owned(),
            why: "is not the SPDX identifier of one licence, such as CC-BY-4.0".into(),
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_known_license_is_found_in_any_case() {
        assert_eq!(check_license("cc-by-4.0").unwrap(), "CC-BY-4.0");
        assert_eq!(check_license("odbl-1.0").unwrap(), "ODbL-1.0");
        let known = find_license("cc-by-4.0").unwrap();
        assert_eq!(known.name, "Creative Commons Attribution 4.0 International");
        assert_eq!(known.url(), "https://creativecommons.org/licenses/by/4.0/");
        assert_eq!(find_license("MIT").unwrap().url(), "https://spdx.org/licenses/MIT.html");
    }

    #[test]
    fn each_license_is_listed_once_with_an_address() {
        let mut ids: Vec<String> = LICENSES.iter().map(|license| license.id.to_ascii_lowercase()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), LICENSES.len());
        for license in LICENSES {
            assert_eq!(crate::project::config::values::check_url(&license.url()).unwrap(), license.url());
            assert_eq!(check_license(license.id).unwrap(), license.id);
        }
    }

    #[test]
    fn another_identifier_stays_and_a_near_miss_is_suggested() {
        assert_eq!(check_license("LicenseRef-ours.1").unwrap(), "LicenseRef-ours.1");
        for (typed, near) in [
            ("CC-BY-4.O", Some("CC-BY-4.0")),
            ("cc-by", Some("CC-BY-4.0")),
            ("CC BY 4.0", Some("CC-BY-4.0")),
            ("GPL-3.0", Some("GPL-3.0-only")),
            ("apache-2", Some("Apache-2.0")),
            ("ours", None),
        ] {
            assert_eq!(suggest_license(typed), near, "{typed}");
        }
    }

    #[test]
    fn an_expression_is_no_identifier() {
        for text in ["MIT OR Apache-2.0", "CC BY 4.0", "", "https://example.org", "a\nb"] {
            assert!(check_license(text).unwrap_err().why.contains("of one licence"), "{text:?}");
        }
    }
}

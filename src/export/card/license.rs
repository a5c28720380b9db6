//! The licences that the Hugging Face Hub knows, by its own names (huggingface/hub-docs, repositories-licenses.md).

use crate::export::metadata::License;

/// The Hub's names that are SPDX identifiers in lower case.
const SAME_AS_SPDX: &[&str] = &[
    "afl-3.0",
    "agpl-3.0",
    "apache-2.0",
    "artistic-2.0",
    "bsd-2-clause",
    "bsd-3-clause",
    "bsd-3-clause-clear",
    "bsl-1.0",
    "cc-by-2.0",
    "cc-by-2.5",
    "cc-by-3.0",
    "cc-by-4.0",
    "cc-by-nc-2.0",
    "cc-by-nc-3.0",
    "cc-by-nc-4.0",
    "cc-by-nc-nd-3.0",
    "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-2.0",
    "cc-by-nc-sa-3.0",
    "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0",
    "cc-by-sa-3.0",
    "cc-by-sa-4.0",
    "cc0-1.0",
    "cdla-permissive-1.0",
    "cdla-permissive-2.0",
    "cdla-sharing-1.0",
    "ecl-2.0",
    "epl-1.0",
    "epl-2.0",
    "etalab-2.0",
    "eupl-1.1",
    "gpl-2.0",
    "gpl-3.0",
    "isc",
    "lgpl-2.1",
    "lgpl-3.0",
    "lppl-1.3c",
    "mit",
    "mpl-2.0",
    "ms-pl",
    "ncsa",
    "ofl-1.1",
    "osl-3.0",
    "postgresql",
    "unlicense",
    "wtfpl",
    "zlib",
];

/// SPDX identifiers, in lower case, for which the Hub has another name.
const RENAMED: &[(&str, &str)] =
    &[("c-uda-1.0", "c-uda"), ("odbl-1.0", "odbl"), ("odc-by-1.0", "odc-by"), ("pddl-1.0", "pddl")];

/// The Hub's name of a licence; `None` if it has none, and `other` is to be written.
pub(super) fn hub_license(license: &License) -> Option<&'static str> {
    let id = license.id.trim().to_ascii_lowercase();
    // The Hub does not tell `GPL-3.0-only` from `GPL-3.0-or-later`; CITATION.cff does.
    let id = ["-only", "-or-later"].iter().find_map(|suffix| id.strip_suffix(suffix)).unwrap_or(&id);
    if id.starts_with("gfdl-") {
        return Some("gfdl");
    }
    let renamed = RENAMED.iter().find(|(spdx, _)| *spdx == id).map(|(_, name)| *name);
    renamed.or_else(|| SAME_AS_SPDX.iter().find(|name| **name == id).copied())
}

/// A name for a licence that the Hub does not know: lower case, without blanks.
pub(super) fn own_name(license: &License) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c.to_ascii_lowercase() } else { '-' };
    let name: String = license.id.trim().chars().map(plain).collect();
    if name.is_empty() { "unnamed".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hub_has_its_own_names() {
        let license = |id: &str| License { id: id.into(), name: id.into(), url: "https://example.org/l".into() };
        let known = [
            ("CC-BY-4.0", "cc-by-4.0"),
            ("GPL-3.0-or-later", "gpl-3.0"),
            ("ODbL-1.0", "odbl"),
            ("GFDL-1.3-only", "gfdl"),
            ("MIT", "mit"),
        ];
        for (id, name) in known {
            assert_eq!(hub_license(&license(id)), Some(name));
        }
        for (id, name) in [("LicenseRef-My Data", "licenseref-my-data"), ("", "unnamed"), ("CC-BY-9.9", "cc-by-9.9")] {
            assert_eq!((hub_license(&license(id)), own_name(&license(id)).as_str()), (None, name));
        }
    }
}

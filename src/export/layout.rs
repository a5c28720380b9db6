//! What every export has at its top, and what shows that a directory is one.

use std::path::Path;

/// The list of all files of an export but itself and the signatures.
pub const CHECKSUMS: &str = "SHA256SUMS";

/// The files that a commit and an export have beside the runs.
pub const PROVENANCE: &str = "provenance";

/// The description of all files.
pub const RO_CRATE: &str = "ro-crate-metadata.json";

/// The files that every export has at its top, but for the list.
pub const TOP_FILES: [&str; 5] = ["CITATION.cff", "README.md", "croissant.json", "datacite.json", RO_CRATE];

/// Whether a name is taken at the top of every export: no experiment can have it. File systems of other systems make no
/// difference between upper and lower case.
#[must_use]
pub fn is_own_name(name: &str) -> bool {
    let name = name.to_lowercase();
    let mut own = TOP_FILES.iter().chain(&[CHECKSUMS, PROVENANCE, "attestations"]);
    own.any(|own| own.to_lowercase() == name)
}

/// Whether a directory looks like an export, even if its list is gone.
#[must_use]
pub fn is_export(dir: &Path) -> bool {
    // Links are not followed: an export has none, and it is reported if there is one.
    let has_file = |name| std::fs::symlink_metadata(dir.join(name)).is_ok();
    has_file(CHECKSUMS) || (has_file(RO_CRATE) && has_file(PROVENANCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_in_upper_and_lower_case() {
        for name in ["provenance", "README.md", "sha256sums", "Croissant.JSON", "RO-Crate-Metadata.json"] {
            assert!(is_own_name(name), "{name}");
        }
        assert!(!is_own_name("readme") && !is_own_name(""));
    }
}

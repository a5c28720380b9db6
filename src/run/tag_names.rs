//! The names of runs as tag names: `capture/<experiment>/<run_id>`, and `…@v2`, `…@v3` if the same run was committed
//! with other data.
//!
//! A run id can hold characters that a ref cannot (`git check-ref-format`), or that are not visible: they become `%`
//! and two hex digits per byte. So do `%` and `@`, so that every tag name means one run and one number. A name that is
//! too long for a file is shortened, with a hash of the whole name at its end; the tag's message then tells which run
//! it means. Tags are read and written in `git`.

use sha2::{Digest, Sha256};

use crate::run::RunKey;
use crate::support::percent::{percent_decode, percent_encode};
use crate::support::visible::is_hidden;

/// The prefix of all run tags.
pub const TAG_PREFIX: &str = "capture/";

/// The meaning of a run tag's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagName {
    /// The run.
    pub run: RunKey,
    /// 1 for the first data that was tagged under this name, 2 for `@v2`.
    pub version: u32,
}

/// The most bytes between two slashes: git makes a file of the name, and a lock file with `.lock` after it; file
/// systems allow 255.
const MAX_PART_LENGTH: usize = 250;
/// The mark between the beginning of a shortened name and its hash. No escaped name contains it.
const CUT_MARK: &str = "%-";

/// Returns the tag name of a run, without `refs/tags/`.
#[must_use]
pub fn tag_name(name: &TagName) -> String {
    let version = if name.version > 1 { format!("@v{}", name.version) } else { String::new() };
    let (experiment, run_id) = (shorten_part(name.run.experiment(), 0), shorten_part(name.run.run_id(), version.len()));
    format!("{}{experiment}/{run_id}{version}", TAG_PREFIX)
}

/// Parses a tag name; `None` if it is no run tag, or shortened.
#[must_use]
pub fn parse_tag_name(tag: &str) -> Option<TagName> {
    let (base, version) = split_version(tag)?;
    let (experiment, run_id) = base.split_once('/')?;
    let run = RunKey::new(&percent_decode(experiment)?, &percent_decode(run_id)?).ok()?;
    let name = TagName { run, version };
    (tag_name(&name) == tag).then_some(name)
}

/// Parses a tag name, even a shortened one, by the runs that the tag's message names.
pub fn find_tag_name(tag: &str, named_runs: impl IntoIterator<Item = RunKey>) -> Option<TagName> {
    parse_tag_name(tag).or_else(|| {
        let (_, version) = split_version(tag).filter(|(base, _)| base.contains(CUT_MARK))?;
        let mut names = named_runs.into_iter().map(|run| TagName { run, version });
        names.find(|name| tag_name(name) == tag)
    })
}

/// Whether this is a tag name of the run, of any number.
#[must_use]
pub fn is_tag_of(tag: &str, run: &RunKey) -> bool {
    split_version(tag).is_some_and(|(_, version)| tag_name(&TagName { run: run.clone(), version }) == tag)
}

/// Splits a tag name into its run and its number.
fn split_version(tag: &str) -> Option<(&str, u32)> {
    let rest = tag.strip_prefix(TAG_PREFIX)?;
    Some(match rest.split_once('@') {
        Some((base, version)) => (base, version.strip_prefix('v')?.parse().ok().filter(|v| *v > 1)?),
        None => (rest, 1),
    })
}

/// Returns one path component of a ref, `reserved` bytes shorter than the limit.
fn shorten_part(text: &str, reserved: usize) -> String {
    const DIGITS: usize = 16;
    let whole = escape_part(text);
    if whole.len() + reserved <= MAX_PART_LENGTH {
        return whole;
    }
    let hash: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = hash.get(..DIGITS).unwrap_or(&hash);
    let mut end = MAX_PART_LENGTH - reserved - CUT_MARK.len() - DIGITS;
    // Not in the middle of a character or of an escaped byte.
    let is_cut = |end: usize| !whole.is_char_boundary(end) || whole.get(..end).is_none_or(cuts_an_escape);
    while end > 0 && is_cut(end) {
        end -= 1;
    }
    format!("{}{CUT_MARK}{hash}", whole.get(..end).unwrap_or_default())
}

fn cuts_an_escape(text: &str) -> bool {
    text.rfind('%').is_some_and(|at| text.len() - at < 3)
}

/// Escapes one path component of a ref.
fn escape_part(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let lock_suffix_at = text.to_ascii_lowercase().ends_with(".lock").then(|| text.len() - ".lock".len());
    percent_encode(text, |at, c| {
        matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\' | '%' | '@')
            // Characters that a ref must not hold, and hidden ones, which git would print unchanged.
            || is_hidden(c)
            // A component must not begin or end with a dot, end with `.lock`, or contain two dots in a row.
            || (c == '.' && (at == 0 || at == last || Some(at) == lock_suffix_at || text[at + 1..].starts_with('.')))
            // A name with a hyphen at its beginning would be read as an option.
            || (c == '-' && at == 0)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn make_tag_name(run: &str, version: u32) -> TagName {
        TagName { run: run.parse().unwrap(), version }
    }

    #[test]
    fn plain_names_stay_plain() {
        assert_eq!(tag_name(&make_tag_name("demo/r1", 1)), "capture/demo/r1");
        assert_eq!(tag_name(&make_tag_name("demo/run-20261124-021550", 3)), "capture/demo/run-20261124-021550@v3");
    }

    #[test]
    fn what_a_ref_cannot_hold_is_escaped() {
        assert_eq!(
            tag_name(&make_tag_name("a b/r1; touch x $(touch y)", 1)),
            "capture/a%20b/r1;%20touch%20x%20$(touch%20y)"
        );
        assert_eq!(tag_name(&make_tag_name("demo/r@v2", 1)), "capture/demo/r%40v2");
        assert_eq!(tag_name(&make_tag_name("demo/x.lock", 1)), "capture/demo/x%2Elock");
        assert_eq!(tag_name(&make_tag_name("demo/r\u{202e}1", 1)), "capture/demo/r%E2%80%AE1");
    }

    #[test]
    fn other_tags_are_not_parsed() {
        for tag in
            ["v1.0", "capture/x", "capture/a/b/c", "capture/a/b@v1", "capture/a/b@2", "capture/a/%41", "capture/a/%zz"]
        {
            assert_eq!(parse_tag_name(tag), None, "{tag}");
        }
    }

    /// T2: A tag name that no file can have is shortened, and still found by its run.
    #[test]
    fn a_name_that_no_file_can_have_is_shortened() {
        let most = "demo/".to_owned() + &"r".repeat(250);
        assert_eq!(tag_name(&make_tag_name(&most, 1)), format!("capture/{most}"));
        // With a number behind it, it is too long, as is one that gets so by escaping.
        for (run, version) in
            [(most.clone(), 2), (format!("demo/{}", "?ä".repeat(80)), 1), (format!("{}/r", "~".repeat(84)), 3)]
        {
            let name = make_tag_name(&run, version);
            let tag = tag_name(&name);
            assert!(tag.split('/').all(|part| part.len() <= 250) && tag.contains("%-"), "{tag}");
            assert!(git2::Reference::is_valid_name(&format!("refs/tags/{tag}")), "{tag}");
            assert!(parse_tag_name(&tag).is_none() && is_tag_of(&tag, &name.run));
            assert_eq!(find_tag_name(&tag, [name.run.clone()]), Some(name));
            assert_eq!(find_tag_name(&tag, [format!("x{run}").parse().unwrap()]), None);
        }
        let (a, b) =
            (tag_name(&make_tag_name(&format!("{most}a"), 1)), tag_name(&make_tag_name(&format!("{most}b"), 1)));
        assert_ne!(a, b);
    }

    proptest! {
        #[test]
        fn every_run_name_comes_back_from_its_tag(experiment in "[^/\\\\\\p{C}]{1,20}", run in "[.@%~^:?* a-z-]{1,12}(\\.lock|\\.\\.)?", version in 1u32..9) {
            if let Ok(run) = RunKey::new(&experiment, &run) {
                let name = TagName { run, version };
                let tag = tag_name(&name);
                prop_assert!(git2::Reference::is_valid_name(&format!("refs/tags/{tag}")), "{tag}");
                prop_assert_eq!(parse_tag_name(&tag), Some(name));
            }
        }
    }
}

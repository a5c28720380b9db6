//! Run names as tag names.
//!
//! `capture/<experiment>/<run_id>`, and `…@v2`, `…@v3` where the same run was committed with other data. A run id may
//! hold what a ref may not (`git check-ref-format`), or nobody sees: those characters become `%` and two hex digits a byte,
//! `%` and `@` too, so that every tag name means one run and one number.

use super::escape::{self, unescape};
use crate::run::RunKey;
use crate::support::visible::is_hidden;

/// What a run tag's name means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagName {
    /// The run.
    pub run: RunKey,
    /// 1 for the first data that was tagged under this name, 2 for `@v2`.
    pub version: u32,
}

/// The tag name for a run, without `refs/tags/`.
#[must_use]
pub fn tag_name(name: &TagName) -> String {
    let base = format!("{}{}/{}", super::TAG_PREFIX, escape(name.run.experiment()), escape(name.run.run_id()));
    if name.version > 1 { format!("{base}@v{}", name.version) } else { base }
}

/// What a tag name means; `None` where it is no run tag.
#[must_use]
pub fn parse_tag_name(tag: &str) -> Option<TagName> {
    let rest = tag.strip_prefix(super::TAG_PREFIX)?;
    let (base, version) = match rest.split_once('@') {
        Some((base, version)) => (base, version.strip_prefix('v')?.parse().ok().filter(|v| *v > 1)?),
        None => (rest, 1),
    };
    let (experiment, run_id) = base.split_once('/')?;
    let run = RunKey::new(&unescape(experiment)?, &unescape(run_id)?).ok()?;
    let name = TagName { run, version };
    (tag_name(&name) == tag).then_some(name)
}

/// One path component of a ref.
fn escape(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let lock = text.to_ascii_lowercase().ends_with(".lock").then(|| text.len() - ".lock".len());
    escape::escape(text, |at, c| {
        matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\' | '%' | '@')
            // What a ref must not hold, and what git would print as it is.
            || is_hidden(c)
            // No component starts or ends with a dot, ends with `.lock`, or holds two dots in a row.
            || (c == '.' && (at == 0 || at == last || Some(at) == lock || text[at + 1..].starts_with('.')))
            // A name that starts so would be read as an option.
            || (c == '-' && at == 0)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(run: &str, version: u32) -> TagName {
        TagName { run: run.parse().unwrap(), version }
    }

    #[test]
    fn plain_names_stay_plain() {
        assert_eq!(tag_name(&name("demo/r1", 1)), "capture/demo/r1");
        assert_eq!(tag_name(&name("demo/run-20261124-021550", 3)), "capture/demo/run-20261124-021550@v3");
    }

    #[test]
    fn what_a_ref_cannot_hold_is_escaped() {
        assert_eq!(tag_name(&name("a b/r1; touch x $(touch y)", 1)), "capture/a%20b/r1;%20touch%20x%20$(touch%20y)");
        assert_eq!(tag_name(&name("demo/r@v2", 1)), "capture/demo/r%40v2");
        assert_eq!(tag_name(&name("demo/x.lock", 1)), "capture/demo/x%2Elock");
        assert_eq!(tag_name(&name("demo/r\u{202e}1", 1)), "capture/demo/r%E2%80%AE1");
    }

    #[test]
    fn other_tags_are_none_of_ours() {
        for tag in
            ["v1.0", "capture/x", "capture/a/b/c", "capture/a/b@v1", "capture/a/b@2", "capture/a/%41", "capture/a/%zz"]
        {
            assert_eq!(parse_tag_name(tag), None, "{tag}");
        }
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

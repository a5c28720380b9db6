//! The text of the hooks: short `sh` scripts that find the binary and call it.

use std::path::Path;

/// The events that capture-hook takes part in.
pub const EVENTS: &[&str] = &[
    "pre-commit",
    "prepare-commit-msg",
    "commit-msg",
    "post-commit",
    "post-rewrite",
    "post-checkout",
    "post-merge",
    "pre-push",
];

/// What a hook that we moved aside is called: its name, and this behind it.
pub const CHAINED_SUFFIX: &str = ".capture-hook-chained";

const TEMPLATE: &str = include_str!("../../hooks/shim.sh");
const SHIM_MARK: &str = "# capture-hook shim, version ";

/// The shim for an event, with the place that the binary was installed from.
#[must_use]
pub fn render_shim(event: &str, binary: &Path) -> String {
    // Inside single quotes, a single quote is the one character that means something.
    let binary = binary.to_string_lossy().replace('\'', r"'\''");
    TEMPLATE.replace("@HOOK@", event).replace("@BINARY@", &binary)
}

/// Whether a hook's bytes are one of our shims, of any version.
#[must_use]
pub fn is_ours(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(512)).unwrap_or_default();
    String::from_utf8_lossy(head).lines().nth(1).is_some_and(|line| line.starts_with(SHIM_MARK))
}

/// Whether the shim is of a newer version than those that this program writes.
#[must_use]
pub fn is_newer(shim: &[u8]) -> bool {
    read_version(shim) > read_version(TEMPLATE.as_bytes())
}

fn read_version(shim: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(shim.get(..shim.len().min(512)).unwrap_or_default()).into_owned();
    let digits = text.lines().nth(1)?.strip_prefix(SHIM_MARK)?.split('.').next()?;
    digits.parse().ok()
}

/// Whether a shim of ours sees that pre-commit or prek calls it, and does not call them back. Those before version 3
/// did not.
#[must_use]
pub fn knows_legacy_calls(shim: &[u8]) -> bool {
    String::from_utf8_lossy(shim).contains("PRE_COMMIT_RUNNING_LEGACY")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_shim_is_known_as_ours_and_others_are_not() {
        assert!(is_ours(render_shim("pre-commit", Path::new("/b")).as_bytes()));
        assert!(!is_ours(b"#!/bin/sh\necho '# capture-hook shim, version 1'\n"));
        assert!(!is_ours(&[0xff; 10]));
    }

    #[test]
    fn a_newer_shim_is_known() {
        let shim = render_shim("pre-commit", Path::new("/b"));
        let own = read_version(TEMPLATE.as_bytes()).unwrap();
        let of_version = |version: u64| shim.replace(&format!("version {own}."), &format!("version {version}."));
        assert!(is_newer(of_version(own + 1).as_bytes()));
        assert!(!is_newer(shim.as_bytes()) && !is_newer(of_version(own - 1).as_bytes()) && !is_newer(b"x\ny\n"));
    }

    #[test]
    fn a_quote_in_the_path_stays_in_the_path() {
        let text = render_shim("pre-push", Path::new("/it's/capture-hook"));
        assert!(text.contains(r"installed='/it'\''s/capture-hook'"), "{text}");
        assert!(text.contains("hook='pre-push'"), "{text}");
    }
}

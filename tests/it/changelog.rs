//! `CHANGELOG.md` has the form of Keep a Changelog 1.1.0, which release notes are cut from.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The headings of changes, in the order in which Keep a Changelog names them.
const KINDS: [&str; 6] = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];

/// What is wrong with a changelog.
fn faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut lines = text.lines();
    if lines.next() != Some("# Changelog") {
        faults.push("the first line is not `# Changelog`".into());
    }
    let (mut releases, mut kinds) = (Vec::new(), Vec::<&str>::new());
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        let mut fault = |what: &str| faults.push(format!("line {number}: {what}: {line}"));
        if line.chars().count() > 150 {
            fault("longer than 150 characters");
        }
        if let Some(release) = line.strip_prefix("## ") {
            if !is_release(release) {
                fault("neither `## [Unreleased]` nor `## [1.2.3] - 2026-01-02`");
            }
            releases.push(release);
            kinds.clear();
        } else if let Some(kind) = line.strip_prefix("### ") {
            match KINDS.iter().position(|known| *known == kind) {
                None => fault("no kind of change of Keep a Changelog"),
                Some(at) if kinds.iter().any(|before| KINDS.iter().position(|k| k == before) >= Some(at)) => {
                    fault("out of order, or a second time");
                }
                Some(_) => kinds.push(kind),
            }
        } else if line.starts_with('#') && number > 1 {
            fault("a heading that is neither a release nor a kind of change");
        } else if line.starts_with("- ") && kinds.is_empty() {
            fault("a change below no kind");
        } else if !kinds.is_empty() && !line.is_empty() && !line.starts_with("- ") && !line.starts_with("  ") {
            fault("below a kind, each line belongs to a list");
        }
    }
    if releases.first() != Some(&"[Unreleased]") {
        faults.push("the newest section is not `## [Unreleased]`".into());
    }
    let versions: Vec<release_heading::Version> =
        releases.iter().filter_map(|release| release_heading::parse(release)).collect();
    if !versions.is_sorted_by(|newer, older| newer > older) {
        faults.push("the releases are not in order, newest first".into());
    }
    for section in text.split("\n### ").skip(1) {
        if !section.lines().skip(1).any(|line| line.starts_with("- ")) {
            faults.push(format!("a section without a change: {}", section.lines().next().unwrap_or_default()));
        }
    }
    faults
}

fn is_release(heading: &str) -> bool {
    heading == "[Unreleased]" || release_heading::parse(heading).is_some()
}

/// The heading of a release: `[1.2.3] - 2026-01-02`, and behind it ` [YANKED]` if it was withdrawn.
mod release_heading {
    pub type Version = [u64; 3];

    pub fn parse(heading: &str) -> Option<Version> {
        let (version, rest) = heading.strip_prefix('[')?.split_once("] - ")?;
        let date = rest.strip_suffix(" [YANKED]").unwrap_or(rest);
        let numbers = |text: &str, separator: char, lengths: [usize; 3]| -> Option<Version> {
            let parts: Vec<&str> = text.split(separator).collect();
            let fits = |(part, length): (&&str, usize)| length == 0 || part.len() == length;
            let is_fit = parts.len() == 3 && parts.iter().zip(lengths).all(fits);
            let parse = |at: usize| parts.get(at)?.parse().ok();
            if is_fit { Some([parse(0)?, parse(1)?, parse(2)?]) } else { None }
        };
        let [_, month, day] = numbers(date, '-', [4, 2, 2])?;
        ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(())?;
        numbers(version, '.', [0, 0, 0])
    }
}

#[test]
fn the_changelog_has_the_form_of_keep_a_changelog() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("CHANGELOG.md")).unwrap();
    assert_eq!(faults(&text), Vec::<String>::new());
    let own = concat!("[", env!("CARGO_PKG_VERSION"), "] - ");
    let is_released = text.lines().any(|line| line.starts_with("## ") && line.contains(own));
    assert!(is_released || text.contains("\n## [Unreleased]\n"), "no section for this version");
    // Its links lead to files, and it names commands and settings that there are.
    for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
        assert!(target.contains("://") || root.join(target).exists(), "{target}");
    }
    let help = fs::read_to_string(root.join("tests/pins/help.txt")).unwrap();
    let commands: BTreeSet<&str> =
        help.lines().filter_map(|line| line.strip_prefix("$ capture-hook ")?.split(' ').next()).collect();
    let unnamed: Vec<&&str> = commands
        .iter()
        .filter(|name| !name.starts_with('-'))
        .filter(|name| {
            let is_word =
                |line: &str| line.split('`').skip(1).step_by(2).any(|code| code.split(' ').any(|word| word == **name));
            !text.lines().any(is_word)
        })
        .collect();
    assert_eq!(
        unnamed,
        ["completions", "help", "hook", "manifest", "merge-driver"]
            .iter()
            .filter(|name| commands.contains(*name))
            .collect::<Vec<_>>(),
        "commands that the changelog does not name"
    );
}

#[test]
fn a_changelog_of_another_form_is_found() {
    let good = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A.\n\n### Fixed\n\n- B\n  goes on.\n\n## [1.2.0] - 2026-01-02\n\n### Added\n\n- C.\n\n## [1.1.9] - 2025-12-31 [YANKED]\n\n### Removed\n\n- D.\n";
    assert_eq!(faults(good), Vec::<String>::new());
    for (from, to) in [
        ("# Changelog", "# Changes"),
        ("## [Unreleased]", "## Unreleased"),
        ("## [Unreleased]", "## [1.3.0] - 2026-02-01"),
        ("### Added", "### Data"),
        ("### Fixed", "### Added"),
        ("### Added\n\n- A.\n\n### Fixed", "### Security\n\n- A.\n\n### Added"),
        ("- A.", "Prose."),
        ("- A.\n", ""),
        ("[1.2.0] - 2026-01-02", "[1.2.0] - 2026-13-02"),
        ("[1.2.0] - 2026-01-02", "[1.2] - 2026-01-02"),
        ("[1.2.0] - 2026-01-02", "1.2.0 (2026-01-02)"),
        ("[1.2.0]", "[1.1.8]"),
        ("## [1.2.0] - 2026-01-02\n\n### Added", "## [1.2.0] - 2026-01-02"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert!(bad != good && !faults(&bad).is_empty(), "{from} -> {to}");
    }
}

//! Which files beside a recorder's go into the dataset: patterns relative to the run's directory.
//!
//! In a pattern `*` stands for any text within a name, `?` for one character, `**` for any number of directories; all
//! else stands for itself. A pattern that matches a directory includes all that is in it. Files that the recorder or
//! ingest writes, and files that no data version can hold, are never included by a pattern. Git's `.gitignore` syntax
//! does not work here.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::run::file_names::{DATASET_INDEX, EPISODES_PARQUET, MANIFEST, RUN_JSON, STEPS_PARQUET, parse_shard_name};
use crate::support::names;

/// The file with our settings, at the project's root.
pub const SETTING_FILE: &str = "capture-hook.toml";
/// The setting that holds the patterns.
pub const SETTING_KEY: &str = "ingest.include";

/// Patterns of the files that go into the dataset beside the recorder's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct IncludePatterns {
    patterns: Vec<String>,
    /// Files that a run's own declaration names.
    declared: BTreeSet<String>,
}

/// A pattern that cannot match anything in a run's directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern `{}` {why}", pattern.escape_debug())]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl TryFrom<Vec<String>> for IncludePatterns {
    type Error = PatternError;

    fn try_from(patterns: Vec<String>) -> Result<Self, PatternError> {
        for pattern in &patterns {
            if let Some(why) = pattern_fault(pattern) {
                return Err(PatternError { pattern: pattern.clone(), why });
            }
        }
        Ok(Self { patterns, declared: BTreeSet::new() })
    }
}

impl From<IncludePatterns> for Vec<String> {
    fn from(include: IncludePatterns) -> Self {
        include.patterns
    }
}

/// Returns what is wrong with a pattern, to be read after it.
fn pattern_fault(pattern: &str) -> Option<&'static str> {
    let names = || pattern.trim_end_matches('/').split('/');
    if pattern.starts_with('/') {
        Some("is absolute: patterns are relative to the run's directory")
    } else if names().any(|name| name.is_empty() || name == "." || name == "..") {
        Some("has an empty name, `.` or `..` in it: patterns are relative to the run's directory")
    } else if pattern.contains('\\') || pattern.chars().any(char::is_control) {
        Some("holds a backslash or a control character")
    } else {
        None
    }
}

impl IncludePatterns {
    /// The patterns as written.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// The same patterns, and these files of one run, which its declaration names.
    #[must_use]
    pub fn with_declared(&self, files: impl IntoIterator<Item = String>) -> Self {
        let mut all = self.clone();
        all.declared.extend(files);
        all
    }

    /// Whether a file goes into the dataset; its path uses `/` and is relative to the run's directory.
    #[must_use]
    pub fn matches_file(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        let is_matched = |pattern: &String| {
            let pattern: Vec<&str> = pattern.trim_end_matches('/').split('/').collect();
            // The pattern can match the file or one of its parent directories.
            (1..=names.len()).any(|depth| names.get(..depth).is_some_and(|names| matches_path(&pattern, names)))
        };
        (self.declared.contains(path) || self.patterns.iter().any(is_matched)) && may_be_included(path)
    }

    /// Returns the command that includes these files, too, or the first kinds of them; `names` are those of
    /// `RunLayout::unrecognized`. `None` if no pattern can include any.
    #[must_use]
    pub fn command_to_include<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
        // A command of more patterns is not readable in a hint.
        const MOST: usize = 12;
        let mut patterns = self.patterns.clone();
        for name in names {
            if patterns.len() >= self.patterns.len() + MOST {
                break;
            }
            let is_included = self.matches_file(name.trim_end_matches('/'));
            let Some(pattern) = pattern_for(name).filter(|_| !is_included) else { continue };
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
        }
        if patterns.len() == self.patterns.len() {
            return None;
        }
        // Always quoted: a shell would expand `*`.
        Some(format!("capture-hook config set {SETTING_KEY} '{}'", patterns.join(",").replace('\'', "?")))
    }
}

/// Whether a pattern can include a path: no file of the recorder or of ingest, and every clone can check it out.
#[must_use]
pub fn may_be_included(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    let is_own = matches!(first, RUN_JSON | MANIFEST | DATASET_INDEX | STEPS_PARQUET | EPISODES_PARQUET);
    // DVC ignores `.hg` directories wherever they are, so such a file would be lost.
    let is_saved = !path.split('/').any(|name| name.eq_ignore_ascii_case(".hg"));
    !is_own && parse_shard_name(first).is_none() && is_saved && names::is_safe_path(path)
}

/// Returns a pattern for a file or directory and its like in other runs: `*.png` for a picture.
fn pattern_for(name: &str) -> Option<String> {
    let path = name.trim_end_matches('/');
    if !may_be_included(path) {
        return None;
    }
    // A character with a meaning in a pattern, or in a comma-separated list, becomes `?`.
    let escape = |text: &str| {
        let odd = |c: char| "*?,'\\ ".contains(c) || c.is_control();
        text.chars().map(|c| if odd(c) { '?' } else { c }).collect::<String>()
    };
    let (dir, last) = path.rsplit_once('/').unwrap_or(("", path));
    let is_plain = |ext: &str| !ext.is_empty() && ext.bytes().all(|b| b.is_ascii_alphanumeric());
    let pattern = match last.rsplit_once('.') {
        // `frame-0001.png`: all files of this kind.
        Some((stem, ext)) if !stem.is_empty() && is_plain(ext) => format!("*.{ext}"),
        // The name ends with `/`: all of a directory.
        _ if path.len() < name.len() => format!("{}/**", escape(last)),
        _ => escape(last),
    };
    Some(if dir.is_empty() { pattern } else { format!("{}/{pattern}", escape(dir)) })
}

fn matches_path(pattern: &[&str], names: &[&str]) -> bool {
    matches_wildcards(pattern, names, |part| *part == "**", |part, name| matches_name(part, name))
}

fn matches_name(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    matches_wildcards(&pattern, &name, |c| *c == '*', |p, c| *p == '?' || p == c)
}

/// Whether a pattern matches the whole text: a star matches any number of parts, everything else one. Greedy with
/// backtracking to the last star only, so the time is at most the product of the lengths.
fn matches_wildcards<P, T>(
    pattern: &[P],
    text: &[T],
    is_star: impl Fn(&P) -> bool,
    matches_one: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut at, mut next) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(part) = text.get(next) {
        match pattern.get(at) {
            Some(pattern_part) if is_star(pattern_part) => {
                at += 1;
                star = Some((at, next));
            }
            Some(pattern_part) if matches_one(pattern_part, part) => {
                at += 1;
                next += 1;
            }
            _ => {
                let Some((after_star, consumed)) = star else { return false };
                (at, next) = (after_star, consumed + 1);
                star = Some((after_star, next));
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(is_star)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn patterns_of(patterns: &[&str]) -> IncludePatterns {
        patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>().try_into().unwrap()
    }

    #[test]
    fn a_pattern_matches_names_directories_and_what_is_below_them() {
        for (pattern, path, expected) in [
            ("*.mp4", "a.mp4", true),
            ("*.mp4", "video/a.mp4", false),
            ("*.mp4", "a.mp4x", false),
            ("**/*.mp4", "a.mp4", true),
            ("**/*.mp4", "x/y/a.mp4", true),
            ("video/**", "video/x/a.mp4", true),
            ("video/**", "videos/a.mp4", false),
            ("video", "video/x/a.mp4", true),
            ("video/", "video/a.mp4", true),
            ("*.zarr", "field.zarr/0/0.0", true),
            ("**/b/**/c", "a/b/x/y/c", true),
            ("**/b/**/c", "a/b/x/y/d", false),
            ("a?.npz", "ab.npz", true),
            ("a?.npz", "a.npz", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("[ab].npz", "a.npz", false),
        ] {
            assert_eq!(patterns_of(&[pattern]).matches_file(path), expected, "{pattern} {path}");
        }
        assert!(!patterns_of(&[]).matches_file("a.mp4"));
    }

    /// R8: No pattern takes the recorder's files, ingest's, or those of git and DVC.
    #[test]
    fn recorder_and_ingest_files_are_never_included() {
        let all = patterns_of(&["**", "*", "**/*"]);
        for path in [
            "run.json",
            "manifest.json",
            "steps.jsonl.gz",
            "episodes.part0001.jsonl.gz",
            "steps.parquet",
            "steps.parquet/x",
            "DATASET_INDEX.json",
            ".git/config",
            "x/.GIT/config",
            "x/.dvcignore",
            ".dvc/config",
            ".hg/hgrc",
            "a/../b",
        ] {
            assert!(!all.matches_file(path), "{path}");
        }
        assert!(all.matches_file("notes.txt") && all.matches_file("copy/run.json"));
    }

    #[test]
    fn a_pattern_that_leads_out_is_refused() {
        for pattern in ["", "/x", "../x", "a/../b", "./x", "a//b", "/", "a\\b", "a\nb", "**/.."] {
            assert!(IncludePatterns::try_from(vec![pattern.to_owned()]).is_err(), "{pattern:?}");
        }
    }

    #[test]
    fn the_suggested_command_adds_what_was_left_out() {
        let command =
            patterns_of(&["*.npz"]).command_to_include(["a.mp4", "b.mp4", "frames/", "x.zarr/", "no,te", "v/a b.txt"]);
        let patterns = "*.npz,*.mp4,frames/**,*.zarr,no?te,v/*.txt";
        assert_eq!(command.unwrap(), format!("capture-hook config set ingest.include '{patterns}'"));
        let include = patterns_of(&patterns.split(',').collect::<Vec<_>>());
        for path in ["a.mp4", "frames/x/1.png", "x.zarr/0", "no,te", "v/a b.txt"] {
            assert!(include.matches_file(path), "{path}");
        }
        // Nothing that a pattern could change.
        assert_eq!(patterns_of(&["pipe"]).command_to_include(["pipe", ".dvcignore", "run.json/"]), None);
    }
}

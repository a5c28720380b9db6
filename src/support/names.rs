//! Which names are safe for files and directories that a stranger named: a run's id, the dataset, a path in a file
//! list.
//!
//! Decided by text alone, so that every clone can check out what one of them commits, and no name leads to a place
//! whose files other programs obey. A name is judged as any file system could read it: without case, without the
//! characters that HFS+ ignores, by its short name on NTFS, up to a stream's colon, without dots and blanks at its end.
//! The answer distinguishes names that are refused everywhere from those that only Windows refuses. The disk is not
//! looked at: see `run::dataset_dir`.
//!
//! Sources: git's `verify_path` (`read-cache.c`), `is_ntfs_dotgit` (`path.c`), `next_hfs_char` (`utf8.c`) and
//! `is_valid_win32_path` (`compat/mingw.c`). Git's rules for links named `.gitmodules` and the like do not apply: git
//! tracks no file of a dataset.

use std::borrow::Cow;
use std::fmt;

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameFault {
    /// Why, to be read after the name: `is git's own directory`.
    pub why: &'static str,
    /// Whether only Windows refuses the name.
    pub windows_only: bool,
}

impl NameFault {
    /// Whether the fault counts on this system.
    #[must_use]
    pub fn applies_here(&self) -> bool {
        !self.windows_only || cfg!(windows)
    }
}

/// The name for which a path is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedName {
    /// The name.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for RefusedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.name.escape_debug(), self.why)
    }
}

/// Names of files and directories that programs obey, with the reason that a message gives.
const RESERVED: &[(&str, &str)] = &[
    (".git", "is git's own directory"),
    (".dvc", "is DVC's own directory"),
    (".dvcignore", "holds rules for DVC, which saves no dataset that contains such a file"),
    (".venv", PYTHON_REASON),
    ("pyvenv.cfg", PYTHON_REASON),
    ("conda-meta", PYTHON_REASON),
    ("site-packages", PYTHON_REASON),
    ("dist-packages", PYTHON_REASON),
    ("__pycache__", PYTHON_REASON),
    ("node_modules", "holds programs for Node.js"),
    (".husky", HOOKS_REASON),
    (".githooks", HOOKS_REASON),
];
const PYTHON_REASON: &str = "belongs to a Python environment";
const HOOKS_REASON: &str = "holds git hooks";

/// Programs that we start, by their names without an extension.
const PROGRAMS: &[&str] = &["dvc", "capture-hook"];

/// Returns what is wrong with a name, on this or another system; `None` if every system takes it.
#[must_use]
pub fn find_fault(name: &str) -> Option<NameFault> {
    let everywhere = fault_everywhere(name).map(|why| NameFault { why, windows_only: false });
    everywhere.or_else(|| windows_fault(name).map(|why| NameFault { why, windows_only: true }))
}

/// Returns what is wrong with a name on this system.
#[must_use]
pub fn find_fault_here(name: &str) -> Option<&'static str> {
    // Very many names are looked at, and what only Windows refuses takes most of the time.
    if cfg!(windows) { find_fault(name).map(|fault| fault.why) } else { fault_everywhere(name) }
}

fn fault_everywhere(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("is empty");
    }
    if name.bytes().any(|byte| matches!(byte, b'/' | b'\\')) {
        return Some("holds a path separator");
    }
    if name.bytes().any(|byte| byte == 0) {
        return Some("holds a null character");
    }
    if matches!(&*without_ignored(name), "" | "." | "..") {
        return Some("names a directory above or itself");
    }
    reserved_reason(&fold_name(name))
}

/// Returns the first name of a `/` path that is refused on this system.
#[must_use]
pub fn find_refused(path: &str) -> Option<RefusedName> {
    for name in path.split('/') {
        if let Some(why) = find_fault_here(name) {
            return Some(RefusedName { name: name.to_owned(), why });
        }
    }
    is_program(path).then(|| RefusedName { name: path.to_owned(), why: "is the path of a program" })
}

/// Whether a `/` path stays inside the directory that it is relative to, and holds no name that programs obey.
#[must_use]
pub fn is_safe_path(path: &str) -> bool {
    find_refused(path).is_none()
}

/// Judges one path after the other, as [`is_safe_path`] does; a directory that several of them share is judged once.
#[derive(Debug, Default)]
pub struct SafePaths<'a> {
    /// The directory of the last path that was safe.
    dir: Option<&'a str>,
}

impl<'a> SafePaths<'a> {
    /// Whether a path is safe.
    pub fn is_safe(&mut self, path: &'a str) -> bool {
        let dir_and_name = path.rsplit_once('/');
        if let Some((dir, name)) = dir_and_name
            && self.dir == Some(dir)
        {
            return find_fault_here(name).is_none() && !is_program(path);
        }
        let is_safe = is_safe_path(path);
        if is_safe {
            self.dir = dir_and_name.map(|(dir, _)| dir);
        }
        is_safe
    }
}

/// Whether some file system treats two names as one.
#[must_use]
pub fn is_same_name(a: &str, b: &str) -> bool {
    a == b || fold_name(a) == fold_name(b)
}

/// Whether a path ends like that of a program that we start: `bin/dvc`, `Scripts/dvc.exe`.
fn is_program(path: &str) -> bool {
    let mut names = path.rsplit('/');
    let (Some(name), Some(dir)) = (names.next(), names.next()) else { return false };
    let name = fold_name(name);
    let stem = name.split('.').next().unwrap_or_default();
    PROGRAMS.contains(&stem) && matches!(&*fold_name(dir), "bin" | "scripts")
}

/// Returns why a folded name is reserved, by its long name or its short one (`GIT~1`).
fn reserved_reason(name: &str) -> Option<&'static str> {
    let short_name = name.split_once('~').filter(|(_, n)| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()));
    let is_name = |long: &str| name == long || short_name.is_some_and(|(base, _)| base == short_base(long));
    RESERVED.iter().find(|(long, _)| is_name(long)).map(|(_, why)| *why)
}

/// Returns what stands before the `~1` in NTFS's short name: the first six characters without leading dots.
fn short_base(long: &str) -> &str {
    let base = long.trim_start_matches('.');
    base.get(..6).unwrap_or(base)
}

/// Returns a name as file systems compare it.
fn fold_name(name: &str) -> Cow<'_, str> {
    let is_folded = |b: u8| b.is_ascii_graphic() && !b.is_ascii_uppercase() && b != b':';
    // The common case costs no allocation: a list can hold two million names.
    if name.bytes().all(is_folded) && !name.ends_with('.') {
        return Cow::Borrowed(name);
    }
    let name = without_ignored(name);
    let name = name.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    // Upper case first: the long s (U+017F) is lower case itself, and meets `s` only that way.
    Cow::Owned(name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect())
}

/// Returns a name without the characters that HFS+ ignores in comparisons (git's `next_hfs_char`).
fn without_ignored(name: &str) -> Cow<'_, str> {
    let ignored =
        |c: char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    if !name.is_ascii() && name.contains(ignored) { Cow::Owned(name.replace(ignored, "")) } else { Cow::Borrowed(name) }
}

/// Returns why Windows refuses a name.
fn windows_fault(name: &str) -> Option<&'static str> {
    if name.ends_with(['.', ' ']) {
        Some("ends with a dot or a blank, which Windows drops")
    } else if name.contains(['<', '>', ':', '"', '|', '?', '*']) {
        Some("holds one of < > : \" | ? *, which Windows does not take")
    } else if name.contains(|c: char| c < ' ') {
        Some("holds a control character, which Windows does not take")
    } else if is_device(name) {
        Some("is a device's name on Windows")
    } else {
        None
    }
}

/// Whether Windows takes a name for a device: `CON`, `nul.txt`. What follows the first dot does not matter.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_uppercase();
    let port =
        // Windows reads superscript digits in COM¹ and LPT² as digits.
        |rest: &str| matches!(rest, "¹" | "²" | "³") || rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit());
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")).is_some_and(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S2, S17: Paths that lead out of the dataset, into `.git` or to programs are refused.
    #[test]
    fn a_safe_path_stays_inside_and_off_program_directories() {
        for safe in [
            "data/captures",
            "a/b.git",
            "x/.gitignore",
            "..a/b",
            "é/x",
            "bin/x",
            "demo/dvc/run.json",
            "git-1/x",
            "venv/x",
            "demo/a~1",
            "demo/.gitmodules/x",
        ] {
            assert_eq!(find_refused(safe), None, "{safe}");
        }
        for bad in [
            "",
            "/a",
            "a//b",
            "a/../b",
            ".",
            "a\\b",
            "a/.\u{200c}./b",
            ".git",
            "a/.GIT/config",
            ".g\u{200c}it/x",
            ".g\u{131}t/x",
            "git~1",
            "a/.git ",
            ".git./x",
            ".git::$INDEX_ALLOCATION/x",
            ".git. . :x",
            ".dvc/tmp",
            "DVC~1/tmp",
            "a/.dvcignore",
            ".venv/lib/x.pth",
            "VENV~1/x",
            "lib/python3.11/site-packages/zz.pth",
            "x/SITE-P~1/zz.pth",
            "x/\u{17f}ite-packages/zz.pth",
            "a/pyvenv.cfg",
            "node_modules/x",
            ".Hus\u{212a}y/pre-commit",
            "x/bin/dvc",
            "x/Scripts/DVC.exe",
        ] {
            assert!(find_refused(bad).is_some(), "{bad}");
            // The same whatever was judged before.
            for before in ["x/a", "a/b", "lib/python3.11/site-packages/y", "x/bin/x", "a"] {
                let mut paths = SafePaths::default();
                assert_eq!(paths.is_safe(before), is_safe_path(before));
                assert!(!paths.is_safe(bad), "{bad} after {before}");
                assert!(paths.is_safe("x/bin/b.txt"), "after {bad}");
                assert!(!paths.is_safe("x/bin/dvc"), "after {bad}");
            }
        }
    }

    /// S17: Names that Windows alone refuses are marked, unlike those that every system refuses.
    #[test]
    fn what_only_windows_refuses_is_marked_so() {
        for name in
            ["a:b", "x?", "a\"b", "<", "r1.", "r1 ", "...", "a\tb", "CON", "nul.txt", "Com1", "lpt\u{b2}.x", "aux "]
        {
            assert_eq!(find_fault(name).map(|fault| fault.windows_only), Some(true), "{name}");
        }
        for name in ["r1", "-n", "a b", "r1; touch x $(touch y)", "console", "com", "com10", "nul-1", "ünï 🦀", ".r1"]
        {
            assert_eq!(find_fault(name), None, "{name}");
        }
    }
}

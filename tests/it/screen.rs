//! What a program printed, as a text to compare as a whole: `assert_snapshot!(env.screen(&output), @"…")`.
//!
//! Placeholders stand for what differs from run to run and from machine to machine: `[env]`, `[bin]`, `[tools]` and
//! `[source]` for directories, `[commit]`, `[md5]` and `[sha256]` for ids, `[date]`, `[pid]` and `[gid]`, `[size]` for what an upload sent. A test that is
//! about one of these asserts it by itself.

use std::path::Path;

use crate::env::{BIN, CommandOutput, TestEnv};
use crate::tools;

impl TestEnv {
    /// Standard output, then standard error, with placeholders. A line parts them if there is something on both.
    pub fn screen(&self, output: &CommandOutput) -> String {
        let parting = if output.stdout.is_empty() || output.stderr.is_empty() { "" } else { "--- stderr\n" };
        self.mask(&format!("{}{parting}{}", output.stdout, output.stderr))
    }

    /// What the merge drivers printed, without git's lines around it, whose words change from release to release.
    pub fn driver_messages(&self, output: &CommandOutput) -> String {
        let both = output.both();
        let ours: Vec<&str> = both.lines().filter(|line| line.starts_with("capture-hook: ")).collect();
        self.mask(&ours.join("\n"))
    }

    /// A text with placeholders.
    pub fn mask(&self, text: &str) -> String {
        let root = self.path("");
        let tools = tools::dvc_bin();
        let dirs = [
            (root.canonicalize().unwrap(), "[env]"),
            (root, "[env]"),
            (Path::new(BIN).parent().unwrap().to_owned(), "[bin]"),
            (tools.ancestors().nth(2).unwrap().to_owned(), "[tools]"),
            (env!("CARGO_MANIFEST_DIR").into(), "[source]"),
        ];
        let mut text = text.to_owned();
        for (dir, placeholder) in dirs {
            text = text.replace(dir.to_str().unwrap().trim_end_matches('/'), placeholder);
        }
        let lines: Vec<String> = text.lines().map(|line| mask_line(line).trim_end().to_owned()).collect();
        lines.join("\n")
    }
}

/// What stands before a word that differs, and the word's placeholder.
const KNOWN_BY_WHAT_IS_BEFORE: [(&str, &str); 4] =
    [("process ", "[pid]"), ("ps -p ", "[pid]"), ("chgrp -R ", "[gid]"), ("waited ", "[seconds]")];

/// A line with placeholders for ids, dates of commits and numbers of processes and groups.
fn mask_line(line: &str) -> String {
    // What is sent holds times, whose digits differ in number.
    if let Some((sent, _)) =
        line.split_once(" objects, ").filter(|(sent, _)| sent.trim_start_matches("data: ").starts_with("sent "))
    {
        return format!("{sent} objects, [size]");
    }
    let mut masked = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let (between, from) = rest.split_at(start);
        masked.push_str(between);
        if masked.ends_with("(Ada, ") && from.get(4..5) == Some("-") && from.get(7..8) == Some("-") {
            masked.push_str("[date]");
            rest = &from[10..];
            continue;
        }
        let end = from.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        let is_number = word.chars().all(|c| c.is_ascii_digit());
        let known = KNOWN_BY_WHAT_IS_BEFORE.iter().find(|(before, _)| is_number && masked.ends_with(before));
        if let Some((_, placeholder)) = known {
            masked.push_str(placeholder);
        } else if word.len() == 30 && is_hex(word) && masked.ends_with('/') {
            // An object of DVC's cache: its name's first two digits are a directory.
            masked.truncate(masked.len() - "0e/".len());
            masked.push_str("[md5]");
        } else {
            masked.push_str(id_placeholder(word).unwrap_or(word));
        }
        rest = after;
    }
    masked + rest
}

/// What stands for an id of this length: git's in short and in full, DVC's, SHA-256.
fn id_placeholder(word: &str) -> Option<&'static str> {
    match word.len() {
        7 | 9 | 40 if is_hex(word) => Some("[commit]"),
        32 if is_hex(word) => Some("[md5]"),
        64 if is_hex(word) => Some("[sha256]"),
        _ => None,
    }
}

fn is_hex(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

#[test]
fn what_differs_has_placeholders_and_other_words_have_none() {
    let id = "0123456789abcdef0123456789abcdef01234567";
    for (line, masked) in [
        (format!("commit {id} ({}): {}.dir", &id[..9], &id[..32]), "commit [commit] ([commit]): [md5].dir"),
        (format!("rm cache/md5/0e/{}", &id[..30]), "rm cache/md5/[md5]"),
        ("Add x  (Ada, 2026-11-27)".to_owned(), "Add x  (Ada, [date])"),
        ("(`git commit`, process 22152): chgrp -R 0 x".to_owned(), "(`git commit`, process [pid]): chgrp -R [gid] x"),
        ("run-20261124-021550, 12345678 bytes".to_owned(), "run-20261124-021550, 12345678 bytes"),
    ] {
        assert_eq!(mask_line(&line), masked);
    }
}

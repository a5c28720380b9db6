//! Which room may import which (ARCHITECTURE.md), read from every `crate::` path outside comments.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

mod cycles;

/// Each room's floor: a room may import rooms of a lower floor alone.
const FLOORS: &[(&str, u8)] = &[
    ("error", 0),
    ("support", 1),
    ("formats", 2),
    ("run", 3),
    ("git", 3),
    ("dvc", 3),
    ("validate", 4),
    ("columnar", 5),
    ("manifest", 5),
    ("ingest", 6),
    ("record", 6),
    ("dataset", 6),
    ("output", 6),
    ("project", 7),
    ("history", 8),
    ("setup", 8),
    ("load", 9),
    ("sync", 9),
    ("inspect", 10),
    ("commit", 10),
    ("export", 10),
    ("report", 10),
    ("app", 11),
    ("hooks", 12),
    ("commands", 13),
    ("cli", 14),
    ("main", 15),
];

#[test]
fn every_import_goes_down() {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    let mut broken = Vec::new();
    let mut seen = 0;
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut |room, file, text| {
        if room == "lib" {
            return;
        }
        let Some(&floor) = floors.get(room) else {
            broken.push(format!("{file}: the room `{room}` has no floor in tests/it/layers.rs"));
            return;
        };
        for (number, line) in text.lines().enumerate() {
            for target in imports(line) {
                seen += 1;
                let lower = floors.get(target.as_str()).is_some_and(|&t| t < floor);
                if target != room && !lower {
                    broken.push(format!("{file}:{}: `{room}` may not import `{target}`", number + 1));
                }
            }
        }
    });
    assert!(seen > 10, "read only {seen} imports");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// DVC's files and program are the same in any project: what is ours begins in `dataset`.
#[test]
fn dvc_knows_neither_runs_nor_our_stage() {
    let (mut files, mut broken) = (0, Vec::new());
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut |room, file, text| {
        files += usize::from(room == "dvc");
        for (number, line) in text.lines().enumerate().filter(|_| room == "dvc") {
            for name in ["RunKey", "capture_ingest", "ingest_capture"].into_iter().filter(|name| line.contains(name)) {
                broken.push(format!("{file}:{}: `dvc` names {name}", number + 1));
            }
        }
    });
    assert!(files > 10, "read only {files} files");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The rooms that work on what a repository names.
const STRANGERS: &[&str] =
    &["ingest", "dvc", "dataset", "project", "sync", "history", "setup", "inspect", "commit", "hooks", "commands"];

#[test]
fn what_a_repository_names_goes_through_its_door() {
    let calls = ["read", "write_atomic", "create", "remove_all", "open", "rename", "replace_dir", "copy"];
    let mut broken = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut |room, file, text| {
        let code = if file.ends_with("tests.rs") { "" } else { text.split("#[cfg(test)]").next().unwrap_or_default() };
        for (number, line) in code.lines().enumerate().filter(|_| STRANGERS.contains(&room)) {
            let opens = calls.iter().any(|call| line.contains(&format!("fs::{call}")));
            if opens && line.contains("root.join(") {
                broken.push(format!("{file}:{}: use `support::beneath::RootDir`", number + 1));
            }
        }
    });
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The most methods that `Project` may have: it is a handle on a repository, what is done with it are functions of the rooms.
const MOST_PROJECT_METHODS: usize = 20;

#[test]
fn project_stays_a_handle() {
    let mut methods = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut |_, file, text| {
        let blocks = text.split("\nimpl Project {\n").skip(1).filter_map(|block| block.split("\n}\n").next());
        let lines = blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("    "));
        let names =
            lines.filter(|line| !line.starts_with([' ', '/', '#', '}'])).filter_map(|line| line.split_once("fn "));
        methods.extend(names.map(|(_, name)| format!("{file}: {}", ident(name))));
    });
    assert!(methods.len() > 5, "found only {methods:?}");
    assert!(methods.len() <= MOST_PROJECT_METHODS, "{} methods:\n{}", methods.len(), methods.join("\n"));
}

#[test]
fn events_and_commands_leave_dvc_to_the_rooms_below() {
    let mut broken = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut |room, file, text| {
        for (number, line) in text.lines().enumerate().filter(|_| ["hooks", "commands"].contains(&room)) {
            if imports(line).iter().any(|target| target == "dvc") {
                broken.push(format!("{file}:{}: `{room}` may not import `dvc`", number + 1));
            }
        }
    });
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The rooms that a line names as `crate::room`, but for what stands behind `//`: comments and links in them do not count.
fn imports(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices("crate::")
        .filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        .flat_map(|(at, found)| {
            let rest = &code[at + found.len()..];
            let names = match rest.strip_prefix('{') {
                Some(group) => group.split(',').map(str::trim).collect(),
                None => vec![rest],
            };
            names.into_iter().map(ident).collect::<Vec<_>>()
        })
        .filter(|name| !name.is_empty())
        .collect()
}

fn ident(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn visit(dir: &Path, room: &str, f: &mut impl FnMut(&str, &str, &str)) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let inner = if room.is_empty() { stem.as_str() } else { room };
        if path.is_dir() {
            visit(&path, inner, f);
        } else if path.extension().is_some_and(|e| e == "rs") {
            f(inner, &path.display().to_string(), &fs::read_to_string(&path).unwrap());
        }
    }
}

//! No file of a room imports another that imports it back, directly or by way of others. A module and the files that are a part
//! of it (`sync` and `sync::pull`) may know each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_files_of_a_room_import_each_other() {
    let mut sources = BTreeMap::new();
    read_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut Vec::new(), &mut sources);
    let imports = imports_within_rooms(&sources);
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 50, "read too few imports: {imports:?}");
    let cycles: Vec<String> = imports
        .iter()
        .flat_map(|(from, targets)| targets.iter().map(move |to| (from, to)))
        .filter(|(from, to)| reaches(&imports, to, from))
        .map(|(from, to)| format!("{from} imports {to}, which leads back to it"))
        .collect();
    assert!(cycles.is_empty(), "{}", cycles.join("\n"));
}

#[test]
fn paths_are_read_from_trees_and_from_code() {
    let text = "use super::{a::B, c::{self, D as E}};\nfn f() { crate::x::y::Z::new(); sub::g() }\nmod sub;";
    let paths: Vec<String> = paths_in(text).iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["super::a::B", "super::c::self", "super::c::D", "crate::x::y::Z::new", "self::sub::g"]);
}

/// Whether a file imports another, directly or by way of others.
fn reaches(imports: &Imports, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut todo = vec![from];
    while let Some(file) = todo.pop() {
        if file == to {
            return true;
        }
        if seen.insert(file) {
            todo.extend(imports.get(file).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

/// The code of every file without comments and tests, by the path of its module.
fn read_sources(dir: &Path, module: &mut Vec<String>, out: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_face = stem == "mod";
        if !is_face {
            module.push(stem.clone());
        }
        if path.is_dir() {
            read_sources(&path, module, out);
        } else if path.extension().is_some_and(|e| e == "rs") && stem != "tests" {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let code: Vec<&str> = code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
            out.insert(module.join("::"), code.join("\n"));
        }
        if !is_face {
            module.pop();
        }
    }
}

/// For each file the files of its room that it names, without the modules that it is a part of.
fn imports_within_rooms(sources: &BTreeMap<String, String>) -> Imports {
    let absolute = |module: &str, path: &[String]| -> Vec<String> {
        let mut base: Vec<String> = module.split("::").map(str::to_owned).collect();
        let mut rest = path;
        while let Some((first, after)) = rest.split_first() {
            match first.as_str() {
                "crate" => base.clear(),
                "super" => drop(base.pop()),
                "self" => {}
                _ => break,
            }
            rest = after;
        }
        base.extend(rest.iter().cloned());
        base
    };
    // What a module passes on: `run::RunKey` is in `run::ids`.
    let mut passed_on = BTreeMap::new();
    for (module, code) in sources {
        for statement in ["pub use ", "pub(crate) use "].into_iter().flat_map(|public| code.split(public).skip(1)) {
            let statement = statement.split(';').next().unwrap_or_default();
            let statement =
                if statement.starts_with("crate") { statement.into() } else { format!("self::{statement}") };
            for path in paths_in(&statement).iter().map(|path| absolute(module, path)) {
                if let Some(name) = path.last() {
                    passed_on.insert(format!("{module}::{name}"), path.clone());
                }
            }
        }
    }
    let file_of = |path: &[String]| {
        let whole = passed_on.get(&path.join("::")).map_or(path, Vec::as_slice);
        (1..=whole.len()).rev().map(|n| whole[..n].join("::")).find(|module| sources.contains_key(module))
    };
    let mut imports = Imports::new();
    for (module, code) in sources {
        let room = module.split("::").next();
        let paths = paths_in(code);
        let files = paths.iter().filter_map(|path| file_of(&absolute(module, path)));
        let is_other = |file: &String| *file != *module && !module.starts_with(&format!("{file}::"));
        let files = files.filter(|file| is_other(file) && file.split("::").next() == room).collect();
        imports.insert(module.clone(), files);
    }
    imports
}

/// Every path that begins with `crate`, `super`, `self` or the name of an own module.
fn paths_in(code: &str) -> Vec<Vec<String>> {
    let own_modules: Vec<&str> = code
        .match_indices("mod ")
        .filter_map(|(at, found)| code[at + found.len()..].split_once(';').map(|(name, _)| name))
        .filter(|name| !name.contains(|c: char| !c.is_alphanumeric() && c != '_'))
        .collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < code.len() {
        let word = word_at(code, at);
        let is_own = own_modules.contains(&word);
        let begins = is_own || ["crate", "super", "self"].contains(&word);
        if begins && code[at + word.len()..].starts_with("::") && !code[..at].ends_with("::") {
            let prefix = if is_own { vec!["self".to_owned()] } else { Vec::new() };
            at = read_tree(code, at, prefix, &mut out);
        } else {
            at += word.len().max(code[at..].chars().next().map_or(1, char::len_utf8));
        }
    }
    out
}

/// Reads a path, or a tree of them as in `a::{b, c::d}`. Returns where it ends.
fn read_tree(code: &str, mut at: usize, mut path: Vec<String>, out: &mut Vec<Vec<String>>) -> usize {
    loop {
        let word = word_at(code, at);
        path.push(word.to_owned());
        at += word.len();
        if !code[at..].starts_with("::") {
            out.push(path);
            return at;
        }
        at += 2;
        if code[at..].starts_with('{') {
            at += 1;
            while let Some(next) = code[at..].chars().next() {
                let word = word_at(code, at);
                if next == '}' {
                    return at + 1;
                } else if word == "as" {
                    at += word.len() + 1;
                    at += word_at(code, at).len();
                } else if !word.is_empty() {
                    at = read_tree(code, at, path.clone(), out);
                } else {
                    at += next.len_utf8();
                }
            }
            return at;
        }
        if word_at(code, at).is_empty() {
            out.push(path);
            return at;
        }
    }
}

fn word_at(code: &str, at: usize) -> &str {
    let rest = &code[at..];
    &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())]
}

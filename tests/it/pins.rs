//! What a change of the code's shape must leave alone, each in a file of `tests/pins/`: error codes, words, names that persist
//! outside of us, the bytes of ingested runs, JSON schemas and help. `PINS_WRITE=1` writes these files anew, for a person to look
//! at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use capture_hook::validate::{Code, Severity};
use clap::CommandFactory;
use sha2::{Digest, Sha256};

use crate::env::{TestEnv, run_command};
use crate::ingest::ingested_corpus;

mod codes;
mod hints;
mod sources;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a text with the file of this name, or writes that file.
#[track_caller]
pub fn pin(name: &str, is: &str) {
    let path = root().join("tests/pins").join(name);
    if std::env::var_os("PINS_WRITE").is_some() {
        fs::write(path, is).unwrap();
        return;
    }
    let was = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        was == is,
        "tests/pins/{name} is another (- pinned, + now):\n{}\nif this is meant: PINS_WRITE=1 cargo test --test it -- pins::",
        difference(&was, is)
    );
}

/// The lines of one text alone, with `-`, and those of the other alone, with `+`, numbered.
fn difference(was: &str, is: &str) -> String {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    was.lines().for_each(|line| *counts.entry(line).or_default() -= 1);
    is.lines().for_each(|line| *counts.entry(line).or_default() += 1);
    let mut out = Vec::new();
    for (mark, text, sign) in [('-', was, -1), ('+', is, 1)] {
        for (at, line) in text.lines().enumerate() {
            let left = counts.entry(line).or_default();
            if *left * sign > 0 {
                *left -= sign;
                out.push(format!("{mark} {:>4}: {line}", at + 1));
            }
        }
    }
    if out.is_empty() {
        out.push("the same lines in another order".into());
    }
    out.join("\n")
}

#[test]
fn every_error_keeps_its_code_and_exit_code() {
    let codes = codes::codes(&sources::read());
    let of_two_minds: Vec<&str> = codes.lines().filter(|line| line.split(' ').count() > 2).collect();
    assert!(of_two_minds.is_empty(), "codes with several exit codes:\n{}", of_two_minds.join("\n"));
    pin("codes.txt", &codes);
}

/// Codes that are made without a hint in some place, and why.
const WITHOUT_HINT: [(&str, &str); 20] = [
    ("data_missing", "`pull` adds who has the data, and `get` where else to look"),
    ("data_not_fetched", "`pull` adds the command that fetches it"),
    ("data_not_here", "`verify` adds the command that fetches it"),
    ("erased", "there is nothing to do: it was erased on purpose, and the message says when and why"),
    ("fetch_failed", "the program's own words say why; `pull` adds what to type then"),
    ("interrupted", "the user stopped it"),
    ("invalid_dvc_config", "its `explain` adds the hint to every one of its errors"),
    ("io", "the system's own words say why"),
    ("left_on_remote", "its `explain` adds the hint to both of its causes"),
    ("no_room", "the message says how much room there is and how much is needed"),
    ("permission_denied", "a hint is added if it is known how to get access"),
    ("program_failed", "the program's own words say why, and whoever called it adds what to type"),
    ("program_not_started", "whoever called the program adds what to type"),
    ("program_timed_out", "whoever called the program adds what to type"),
    ("program_wait_failed", "the system's own words say why"),
    ("python_package_missing", "a hint is added for each package that is missing"),
    ("runs_lost", "a hint is added for how they were lost"),
    ("unknown_setting", "a hint is added, by what was typed"),
    ("unknown_shell", "the command line names the shells before this is reached"),
    ("usage", "a hook that git calls has its arguments"),
];

#[test]
fn every_error_has_a_hint_or_a_reason_why_not() {
    let without = hints::without_hint(&sources::read());
    let reasons: BTreeSet<String> = WITHOUT_HINT.iter().map(|(code, _)| (*code).to_owned()).collect();
    assert!(without.len() > 10, "found only {without:?}");
    assert_eq!(without, reasons, "left: made without a hint; right: the reasons that are given");
}

#[test]
fn every_finding_keeps_its_code() {
    let kind = |code: &Code| match (code.severity(), code.is_ignorable()) {
        (Severity::Error, true) => "error",
        (Severity::Error, false) => "error that cannot be ignored",
        (Severity::Warning, _) => "warning",
    };
    let codes: BTreeSet<String> = Code::ALL.iter().map(|code| format!("{code} {}\n", kind(code))).collect();
    pin("findings.txt", &codes.into_iter().collect::<String>());
}

#[test]
fn every_message_keeps_its_words() {
    let texts = sources::read().iter().flat_map(sources::strings).collect::<Vec<_>>();
    let texts = texts.iter().map(|text| without_names(text)).filter(|text| is_prose(text));
    let mut texts: Vec<String> = texts.map(|text| one_line(&text)).collect();
    texts.sort();
    texts.dedup();
    assert!(texts.len() > 400, "found only {} texts", texts.len());
    pin("messages.txt", &(texts.join("\n") + "\n"));
}

/// Whether a text holds several words, and not only what is put in.
fn is_prose(text: &str) -> bool {
    let own: String = text.split('{').map(|part| part.split_once('}').map_or(part, |(_, after)| after)).collect();
    text.contains(' ') && own.chars().any(char::is_alphabetic)
}

/// A format string without the names of what is put in, which a change of names may change.
fn without_names(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let name: &str = &after[..after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len())];
        let ends = after[name.len()..].starts_with(['}', ':']);
        out.push_str(before);
        out.push('{');
        rest = if ends { &after[name.len()..] } else { after };
    }
    out + rest
}

/// A text on one line.
fn one_line(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Each line of `names.txt` is a name that others rely on: settings, files in `.git`, trailers, tags. It is written by hand, and
/// a whole string of the sources, or a part of a script.
#[test]
fn every_name_that_persists_is_still_there() {
    let texts: Vec<String> = sources::read().iter().flat_map(sources::strings).collect();
    let texts: BTreeSet<String> = texts.iter().map(|text| one_line(&without_names(text))).collect();
    let scripts =
        ["hooks/shim.sh", "hooks/git-merge-capture-hook"].map(|path| fs::read_to_string(root().join(path)).unwrap());
    let names = fs::read_to_string(root().join("tests/pins/names.txt")).unwrap();
    let names: Vec<&str> = names.lines().filter(|line| !line.is_empty() && !line.starts_with('[')).collect();
    assert!(names.len() > 80, "read only {} names", names.len());
    let is_there = |name: &str| texts.contains(name) || scripts.iter().any(|script| holds(script, name));
    let gone: Vec<&str> = names.into_iter().filter(|name| !is_there(name)).collect();
    assert!(
        gone.is_empty(),
        "no source holds these any more, and people's repositories do:\n{}\nif that is meant, take them out of \
         tests/pins/names.txt",
        gone.join("\n")
    );
}

/// Whether a text holds a name as a whole: no letter, digit, `_` or `-` goes on with it.
fn holds(text: &str, name: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let is_whole = |at: usize| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        !(name.starts_with(goes_on) && before.ends_with(goes_on)
            || name.ends_with(goes_on) && after.starts_with(goes_on))
    };
    text.match_indices(name).any(|(at, _)| is_whole(at))
}

#[test]
fn every_ingested_run_keeps_its_bytes() {
    let files = ingested_corpus().iter().flat_map(|(case, files)| files.iter().map(move |file| (case, file)));
    let sums = files.map(|(case, (name, bytes))| sum(bytes, &format!("{case}/{name}")));
    pin("corpus.sha256", &sums.collect::<String>());
}

/// `schemas.sha256`: what our JSON promises, and the scripts that are copied into people's repositories.
#[test]
fn every_schema_and_script_keeps_its_bytes() {
    let mut sums = Vec::new();
    for dir in ["docs/schemas", "hooks"] {
        for entry in fs::read_dir(root().join(dir)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            sums.push((name.clone(), sum(&fs::read(&path).unwrap(), &name)));
        }
    }
    sums.sort();
    assert!(sums.len() > 20, "found only {} files", sums.len());
    pin("schemas.sha256", &sums.into_iter().map(|(_, line)| line).collect::<String>());
}

/// A line as `sha256sum` prints it.
fn sum(bytes: &[u8], name: &str) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}  {name}\n")
}

/// `python.txt`: each public function, class and method of the Python module with its parameters.
#[test]
fn every_name_of_the_python_module_keeps_its_parameters() {
    let listing =
        run_command(Command::new("python3").arg(root().join("tests/it/python_names.py")).arg(root().join("python")));
    let names = listing.ok().stdout;
    assert!(names.lines().count() > 40, "{names}");
    pin("python.txt", &names);
}

#[test]
fn every_command_keeps_its_help() {
    let env = TestEnv::empty();
    let mut pages = Vec::new();
    let mut todo = vec![(capture_hook::cli::Cli::command(), Vec::new())];
    while let Some((command, words)) = todo.pop() {
        let typed: Vec<String> = words.iter().cloned().chain(["--help".into()]).collect();
        let page = env.hook_in(".", &typed).ok().stdout;
        pages.push(format!("$ capture-hook {}\n{page}\n", typed.join(" ")));
        for inner in command.get_subcommands() {
            let words = words.iter().cloned().chain([inner.get_name().to_owned()]).collect();
            todo.push((inner.clone(), words));
        }
    }
    pages.sort();
    assert!(pages.len() > 25, "found only {} commands", pages.len());
    pin("help.txt", &pages.concat());
}

//! The params editor against the readers that count: PyYAML (YAML 1.1) and ruamel.yaml (DVC's, YAML 1.2). Whatever is
//! written, both read the very text that was meant, and everything else as before.

use std::io::Write;
use std::process::{Command, Stdio};

use capture_hook::formats::edit::{ParamLeaf, set_param};
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};

use crate::tools;

const LEAF: ParamLeaf<'static> = ParamLeaf { file: "params.yaml", section: "ingest_capture", key: "run_dir" };

/// Reads pairs of texts from stdin as JSON `[[before, after, value], …]` and checks each pair with both readers.
const CHECK: &str = r#"
import io, json, sys
import yaml
from ruamel.yaml import YAML

def py(text):
    return yaml.safe_load(text)

def ru(text):
    return YAML(typ="safe", pure=True).load(text)

def rest(tree):
    tree = dict(tree or {})
    section = dict(tree.get("ingest_capture") or {})
    section.pop("run_dir", None)
    tree["ingest_capture"] = section
    return repr(tree)

bad = []
for before, after, value in json.load(sys.stdin):
    for name, read in [("PyYAML", py), ("ruamel", ru)]:
        try:
            old = read(before)
        except Exception as error:
            # A file that this reader never took is nobody's promise, unless there was none before.
            continue
        try:
            new = read(after)
            got = new["ingest_capture"]["run_dir"]
            if got != value or type(got) is not str:
                bad.append([name, "value", before, after, value, repr(got)])
            elif rest(old) != rest(new):
                bad.append([name, "rest", before, after, value, rest(old), rest(new)])
        except Exception as error:
            bad.append([name, "error", before, after, value, str(error)])
json.dump(bad, sys.stdout)
"#;

fn check(cases: &[(String, String, String)]) -> Vec<serde_json::Value> {
    let bin = tools::venv("yaml", &["pyyaml==6.0.2", "ruamel.yaml==0.18.10"]);
    let mut child = Command::new(bin.join("python"))
        .args(["-c", CHECK])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(cases).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn edit(before: &str, value: &str) -> Option<(String, String, String)> {
    let after = set_param(LEAF, before.as_bytes(), value).ok()?.bytes;
    Some((before.to_owned(), String::from_utf8(after).unwrap(), value.to_owned()))
}

/// C8: YAML 1.1 and 1.2 read what `select` writes as text.
#[test]
fn every_value_is_read_back_as_text_by_both_readers() {
    let values = [
        "0042",
        "1e5",
        "1e-3",
        "13:45",
        "1:2:3",
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "Y",
        "NO",
        "true",
        "True",
        "null",
        "Null",
        "~",
        "",
        " ",
        " a",
        "a ",
        "012",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "-1",
        "+1",
        "1.",
        ".5",
        "1.5e3",
        ".inf",
        "-.Inf",
        ".nan",
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "2026-1-1 1:1:1",
        "a: b",
        "a:",
        ":a",
        "#x",
        "a #b",
        "a#b",
        "- a",
        "-",
        "--",
        "---",
        "...",
        "? a",
        "?",
        "!a",
        "&a",
        "*a",
        "%a",
        "@a",
        "`a",
        "|",
        ">",
        ">-",
        "[a]",
        "{a}",
        "a,b",
        "a]",
        "'",
        "\"",
        "'a'",
        "\"a\"",
        "it's",
        "a\\b",
        "\\",
        "a\nb",
        "a\r\nb",
        "a\tb",
        "\ta",
        "é",
        "ü/é",
        "\u{1f600}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}a",
        "\u{7f}",
        "\u{1}",
        "\u{a0}",
        "\u{ad}",
        "=",
        "<<",
        "a=b",
        "results/demo/r1",
        "results/2026-01-01/0042",
        "0042/1e5",
        "./a",
        "/a",
        "~/a",
        "results/demo/r1; touch x $(touch y)",
        "${x}",
        "results/<experiment>/x",
        "a  b",
        "nan",
        "inf",
        "NaN",
        "e5",
        "1e5/x",
        "results/café/r1",
        "a\u{300}",
        "\u{fffd}",
        "\u{e000}",
        "\u{10ffff}",
    ];
    let homes = [
        "ingest_capture:\n  run_dir: old\n  out_dir: data\n",
        "ingest_capture:\n  run_dir: 'old'\n",
        "ingest_capture:\n  run_dir: \"old\"\n",
        "ingest_capture: {run_dir: old, out_dir: data}\n",
        "ingest_capture: {\"run_dir\": \"old\"}\n",
        "ingest_capture:\n  run_dir: >-\n    old\n    text\n  out_dir: data\n",
        "ingest_capture:\n  run_dir: # nothing\n  out_dir: data\n",
        "ingest_capture:\n  out_dir: data\n",
        "other: 1\n",
        "",
        "ingest_capture:\r\n  run_dir: old # c\r\n  out_dir: data\r\n",
    ];
    let cases: Vec<_> = homes
        .iter()
        .flat_map(|home| values.iter().map(move |v| edit(home, v).unwrap_or_else(|| panic!("{home:?} {v:?}"))))
        .collect();
    let bad = check(&cases);
    assert!(bad.is_empty(), "{} of {} cases; the first: {:#}", bad.len(), cases.len(), bad[0]);
}

/// Params files as people write them, with decoys.
fn file() -> impl Strategy<Value = String> {
    use proptest::prelude::*;
    let scalar = prop::sample::select(vec![
        "1",
        "1e-3",
        "yes",
        "'it''s'",
        "\"a \\\"b\\\" # c\"",
        "text with words",
        "2026-01-01",
        "0042",
        "~",
        "é ü",
        "[1, 'a, b', {c: d}]",
        "{x: 1, run_dir: decoy}",
        "|\n    run_dir: decoy\n    ingest_capture:\n      run_dir: decoy\n",
        ">-\n    folded\n\n    text\n",
        "",
        "&anchor value",
        "\"multi\n    line\"",
    ]);
    let key =
        prop::sample::select(vec!["lr", "run_dirs", "run_dir_", "model", "'quoted key'", "run dir", "日本", "x-y"]);
    let comment = prop::sample::select(vec!["", "  # run_dir: decoy", " # 'é\" {", "   "]);
    let line = (key, scalar, comment).prop_map(|(key, scalar, comment)| {
        if scalar.ends_with('\n') { format!("{key}: {scalar}") } else { format!("{key}: {scalar}{comment}\n") }
    });
    let value = prop::sample::select(vec![
        "old",
        "'old'",
        "\"old\"",
        "results/e/r",
        "",
        "~",
        ">-\n    block\n    text",
        "old text",
        "'o''ld'",
        "!!str old",
        "\"o\\\"ld\"",
        "'multi\n    line'",
    ]);
    let comment = prop::sample::select(vec!["", " # behind", "   #", " "]);
    let leaf = (value, comment).prop_map(|(value, comment)| {
        if value.starts_with('>') { format!("run_dir: {value}\n") } else { format!("run_dir: {value}{comment}\n") }
    });
    let indented = |lines: Vec<String>| {
        lines.concat().lines().map(|l| if l.is_empty() { "\n".into() } else { format!("  {l}\n") }).collect::<String>()
    };
    let unique = |lines: Vec<String>| {
        let mut seen = std::collections::HashSet::new();
        lines
            .into_iter()
            .filter(|l| seen.insert(l.split(':').next().unwrap_or_default().to_owned()))
            .collect::<Vec<_>>()
    };
    let block =
        (prop::collection::vec(line.clone(), 0..3), prop::option::of(leaf), prop::collection::vec(line.clone(), 0..3))
            .prop_map(move |(before, leaf, after)| {
                let lines: Vec<String> = before.into_iter().chain(after).collect();
                let mut lines = unique(lines);
                if let Some(leaf) = leaf {
                    let at = lines.len() / 2;
                    lines.insert(at, leaf);
                }
                format!("ingest_capture:\n{}", indented(lines))
            });
    let flow = prop::sample::select(vec![
        "ingest_capture: {run_dir: old, out_dir: x}\n",
        "ingest_capture: {}\n",
        "ingest_capture:\n",
        "ingest_capture: {out_dir: 'x'} # c\n",
        "ingest_capture: { 'run_dir' : \"old\" }\n",
    ])
    .prop_map(str::to_owned);
    let section = prop_oneof![4 => block, 1 => flow, 1 => Just(String::new())];
    (
        prop::sample::select(vec!["", "\u{feff}", "# head é\n", "---\n", "\n\n"]),
        prop::collection::vec(line.clone(), 0..4),
        section,
        prop::collection::vec(line, 0..3),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(move |(head, before, section, after, crlf, cut)| {
            let mut lines = unique(before.into_iter().chain(after).collect());
            let half = lines.len() / 2;
            lines.insert(half, section);
            let mut text = format!("{head}{}", lines.concat());
            if cut && text.ends_with('\n') {
                text.pop();
            }
            if crlf { text.replace('\n', "\r\n") } else { text }
        })
}

/// C9: In thousands of random files an edit changes one value and no other byte.
#[test]
fn only_this_leaf_changes_in_thousands_of_files() {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let values = ["results/e/r1", "0042", "a: b # c", "é", "it's \"so\""];
    let (mut cases, mut refused) = (Vec::new(), Vec::new());
    for index in 0..1500 {
        let text = file().new_tree(&mut runner).unwrap().current();
        match edit(&text, values[index % values.len()]) {
            Some(case) => cases.push(case),
            None => refused.push(text),
        }
    }
    // Refusing everything would pass too.
    assert!(
        refused.len() < 150,
        "{} refused; one: {:?} {:?}",
        refused.len(),
        refused[0],
        set_param(LEAF, refused[0].as_bytes(), "a")
    );
    for (before, after, _) in &cases {
        let (b, a) = (before.as_bytes(), after.as_bytes());
        let head = b.iter().zip(a).take_while(|(x, y)| x == y).count();
        let tail = b.iter().rev().zip(a.iter().rev()).take_while(|(x, y)| x == y).count();
        // One place changed, and what went was one value (none of these is longer), not a line of the file.
        let gone = b.len().saturating_sub(head + tail);
        assert!(gone <= 40, "{gone} bytes went\n{before:?}\n{after:?}");
    }
    let bad = check(&cases);
    assert!(bad.is_empty(), "{} of {} cases; the first: {:#}", bad.len(), cases.len(), bad[0]);
}

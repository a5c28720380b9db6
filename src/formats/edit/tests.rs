#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

const LEAF: ParamLeaf<'_> = ParamLeaf { file: "params.yaml", section: "ingest_capture", key: "run_dir" };

fn edit_text(source: &str, text: &str) -> String {
    let edited = set_param(LEAF, source.as_bytes(), text).unwrap_or_else(|e| panic!("{e}\n{source}"));
    String::from_utf8(edited.bytes).unwrap()
}

#[track_caller]
fn assert_refused(source: &str, line: usize) {
    let error = set_param(LEAF, source.as_bytes(), "a/b").unwrap_err().to_string();
    assert!(error.starts_with(&format!("params.yaml:{line}: ")), "{error}\n{source}");
}

#[test]
fn only_the_value_changes() {
    let sources = [
        "ingest_capture:\n  run_dir: OLD\n",
        "# run_dir: OLD_\ningest_capture:\n    run_dir:   OLD   # the run: 'OLD_'\n    out_dir: x\n",
        "\u{feff}a: &x {b: [1, 'run_dir: c']}\r\ningest_capture:\r\n  run_dir: OLD\r\nz: *x\r\n",
        "doc: |\n  ingest_capture:\n    run_dir: decoy\ningest_capture: {run_dir: OLD, out_dir: \"y\"} # c\n",
        "---\n# é\n\"ingest_capture\" :\n  'run_dir' : OLD\n",
        "a: 'é ü \u{1f600}'\ningest_capture:\n  run_dir: OLD\nb: >\n  folded\n\n  text\n",
        "{ingest_capture: {out_dir: y, run_dir: OLD}}",
        "ingest_capture:\n  run_dir: OLD",
        "ingest_capture:\n  run_dir: !!str OLD\n",
        "ingest_capture:\n  run_dir: &here OLD\n",
        "run_dir: decoy\nother:\n  run_dir: decoy\ningest_capture:\n  out_dir: run_dir\n  run_dir: OLD\n",
        "ingest_capture:\n  run_dir:\n    OLD\n",
    ];
    for source in sources {
        let before = source.replacen("OLD", "results/e/r", 1).replace("OLD_", "results");
        let expected = source.replacen("OLD", "results/e/s", 1);
        if source.contains("OLD_") {
            let actual = edit_text(&source.replace(" OLD  ", " old  "), "a/b");
            assert_eq!(actual, source.replace(" OLD  ", " a/b  "));
            continue;
        }
        assert_eq!(edit_text(&before, "results/e/s"), expected.replace("OLD", "results/e/s"), "{source}");
    }
}

#[test]
fn the_style_of_the_value_is_kept() {
    for (old, new, text) in [
        ("'a'", "'b/c'", "b/c"),
        ("\"a\"", "\"b/c\"", "b/c"),
        ("a", "'0042'", "0042"),
        ("'a'  # x", "'it''s'  # x", "it's"),
        ("a", "\"x\\ny\"", "x\ny"),
        ("|-\n    a\n", "b/c\n", "b/c"),
        ("'multi\n    line'", "'b'", "b"),
    ] {
        let source = |value: &str| format!("ingest_capture:\n  run_dir: {value}\n  out_dir: y\n").replace("\n\n", "\n");
        assert_eq!(edit_text(&source(old), text), source(new), "{old}");
    }
}

#[test]
fn an_empty_value_is_filled() {
    let cases = [
        ("ingest_capture:\n  run_dir:\n  out_dir: y\n", "ingest_capture:\n  run_dir: a/b\n  out_dir: y\n"),
        ("ingest_capture:\n  run_dir:   # none\n", "ingest_capture:\n  run_dir: a/b   # none\n"),
        ("ingest_capture:\n  run_dir: ~\n", "ingest_capture:\n  run_dir: a/b\n"),
        ("ingest_capture: {run_dir: , out_dir: y}\n", "ingest_capture: {run_dir: a/b , out_dir: y}\n"),
        ("ingest_capture:\n  run_dir: null # x\n", "ingest_capture:\n  run_dir: a/b # x\n"),
    ];
    for (source, expected) in cases {
        assert_eq!(edit_text(source, "a/b"), expected);
    }
}

#[test]
fn what_is_missing_is_added() {
    let cases = [
        ("", "ingest_capture:\n  run_dir: a/b\n"),
        ("# only a comment", "# only a comment\ningest_capture:\n  run_dir: a/b\n"),
        ("x: 1\r\n", "x: 1\r\ningest_capture:\r\n  run_dir: a/b\r\n"),
        ("x: 1", "x: 1\ningest_capture:\n  run_dir: a/b\n"),
        ("ingest_capture:\n  out_dir: y # c\nz: 1\n", "ingest_capture:\n  out_dir: y # c\n  run_dir: a/b\nz: 1\n"),
        ("ingest_capture:\n    out_dir: y", "ingest_capture:\n    out_dir: y\n    run_dir: a/b"),
        ("ingest_capture:\nz: 1\n", "ingest_capture:\n  run_dir: a/b\nz: 1\n"),
        ("ingest_capture: {}\n", "ingest_capture: {run_dir: a/b}\n"),
        ("ingest_capture: { out_dir: y}\n", "ingest_capture: {run_dir: a/b,  out_dir: y}\n"),
        ("{x: 1}\n", "{ingest_capture: {run_dir: a/b}, x: 1}\n"),
        ("ingest_capture:\n  doc: |\n    text\n\nz: 1\n", ""),
        ("ingest_capture:\n  list:\n  - a\n  - b\n", "ingest_capture:\n  list:\n  - a\n  - b\n  run_dir: a/b\n"),
    ];
    for (source, expected) in cases {
        let actual = edit_text(source, "a/b");
        if !expected.is_empty() {
            assert_eq!(actual, expected);
        }
    }
}

/// C9: Duplicate keys, several documents, anchors, tags and tabs are refused with their line.
#[test]
fn what_cannot_be_edited_so_is_refused_with_its_line() {
    assert_refused("ingest_capture:\n  run_dir: a\n  run_dir: b\n", 3);
    assert_refused("ingest_capture:\n  run_dir: a\ningest_capture:\n  x: b\n", 3);
    assert_refused("x: 1\n---\ningest_capture:\n  run_dir: a\n", 2);
    assert_refused("- a\n", 1);
    assert_refused("text\n", 1);
    assert_refused("x: 1\ningest_capture: text\n", 2);
    assert_refused("ingest_capture:\n- run_dir: a\n", 2);
    assert_refused("x: &x a\ningest_capture:\n  run_dir: *x\n", 3);
    assert_refused("ingest_capture:\n  run_dir: &x a\ny: *x\n", 2);
    assert_refused("ingest_capture: &x\n  run_dir: a\ny: *x\n", 1);
    assert_refused("ingest_capture:\n  run_dir: [a]\n", 2);
    assert_refused("ingest_capture:\n  run_dir: !x a\n", 2);
    assert_refused("ingest_capture:\n\trun_dir: a\n", 2);
    assert_refused("ingest_capture:\n  x: |\n    text", 3);
    assert_refused("ingest_capture:\n<<<<<<< HEAD\n  run_dir: a\n=======\n  run_dir: b\n>>>>>>> x\n", 2);
    assert_refused("%YAML 1.1\n---\ningest_capture:\n  run_dir: a\n", 1);
    assert_refused("ingest_capture:\n  # \u{2028} x\n  run_dir: a\n", 2);
    assert!(set_param(LEAF, b"ingest_capture:\n  run_dir: \xff\n", "a").is_err());
}

#[test]
fn the_old_value_is_returned() {
    let old = |source: &str| set_param(LEAF, source.as_bytes(), "a/b").unwrap().old;
    assert_eq!(old("ingest_capture:\n  run_dir: 'x y'\n").as_deref(), Some("x y"));
    assert_eq!(old("ingest_capture:\n  run_dir:\n"), None);
    assert_eq!(old(""), None);
}

/// YAML-like text: real fragments in any order, with any glue.
fn yaml_soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "ingest_capture:",
        "run_dir:",
        "run_dir",
        " ",
        "  ",
        "\n",
        "\n  ",
        "\r\n",
        "a: 1\n",
        "- x\n",
        "{",
        "}",
        "[",
        "]",
        ",",
        ": ",
        "'",
        "\"",
        "# c\n",
        "|\n",
        ">-\n",
        "&a ",
        "*a",
        "!!str ",
        "é",
        "\u{1f600}",
        "\t",
        "---\n",
        "...\n",
        "? ",
        "results/e/r",
        "~",
        "<<: *a\n",
        "%YAML 1.2\n",
        "\\",
        "\u{feff}",
        "\u{85}",
        "\0",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn an_edit_is_one_splice_that_reads_back_or_is_refused(source in yaml_soup(), text in "[a-z0-9/ #:'\"\\\\é\n-]{0,12}") {
        if let Ok(EditedParams { bytes, .. }) = set_param(LEAF, source.as_bytes(), &text) {
            let root = crate::formats::yaml::parse_document(&bytes).unwrap().unwrap();
            prop_assert_eq!(root.get("ingest_capture").unwrap().get("run_dir").unwrap().text(), Some(text.as_str()));
            let again = set_param(LEAF, &bytes, &text).unwrap();
            prop_assert_eq!(again.bytes, bytes);
        }
    }

    #[test]
    fn no_bytes_crash_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = crate::formats::yaml::parse_document(&bytes);
        let _ = set_param(LEAF, &bytes, "a");
    }
}

//! `docs/hard-cases.md` lists each hard case with its tests. It is made from the tests' doc comments and `tests/hard_cases.tsv`.
//!
//! A doc comment that begins with case numbers (`/// C2, E4: Sentence.`; in Python a docstring) lists its test under these
//! cases. The table has one line a case: the number, what has gone wrong and, if a part of it has no test, what and why. A
//! line in brackets begins a section. `CAPTURE_HOOK_DOCS_WRITE=1` writes the page.
//! What fails: a number without a line, a line without a test or a reason, a number on something that is no test, a page
//! that is out of date. Whether a test shows what its sentence says is for the reader to judge.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const TABLE: &str = "tests/hard_cases.tsv";
const PAGE: &str = "docs/hard-cases.md";

const HEAD: &str = "\
<!-- Written by tests/it/hard_cases.rs: edit tests/hard_cases.tsv and the tests' doc comments instead. -->

# Hard cases

What has gone wrong for somebody, here or in other tools, and the tests that keep it from going wrong again.
`cargo test NAME` runs a test; those in `python/tests` are pytest's.
";

/// A test that says which cases it covers.
#[derive(Debug, PartialEq)]
struct NumberedTest {
    file: String,
    name: String,
    numbers: Vec<String>,
    sentence: String,
}

#[test]
fn every_hard_case_has_a_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    let tests = numbered_tests(root, &mut wrong);
    assert!(tests.len() > 100, "only {} tests have numbers", tests.len());
    let page = page(&fs::read_to_string(root.join(TABLE)).unwrap(), &tests, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if std::env::var_os("CAPTURE_HOOK_DOCS_WRITE").is_some() {
        fs::write(root.join(PAGE), page).unwrap();
    } else if fs::read_to_string(root.join(PAGE)).unwrap_or_default() != page {
        panic!("{PAGE} is out of date: CAPTURE_HOOK_DOCS_WRITE=1 cargo test --test it hard_cases");
    }
}

/// The page that the table and the tests make; what is wrong with them goes into `wrong`.
fn page(table: &str, tests: &[NumberedTest], wrong: &mut Vec<String>) -> String {
    let mut by_number: BTreeMap<&str, Vec<&NumberedTest>> = BTreeMap::new();
    for test in tests {
        for number in &test.numbers {
            by_number.entry(number).or_default().push(test);
        }
    }
    let mut page = HEAD.to_owned();
    let mut numbers = BTreeSet::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            write!(page, "\n## {section}\n\n").unwrap();
            continue;
        }
        let fields: Vec<&str> = line.split('\t').collect();
        let (number, case, uncovered) = match fields[..] {
            [number, case] => (number, case, None),
            [number, case, uncovered] => (number, case, Some(uncovered)),
            _ => {
                wrong.push(format!("{TABLE}: two or three fields are needed: {line}"));
                continue;
            }
        };
        if !is_number(number) || !numbers.insert(number) {
            wrong.push(format!("{TABLE}: {number} is no number, or there twice"));
        }
        writeln!(page, "- **{number}** {case}").unwrap();
        let tests = by_number.remove(number).unwrap_or_default();
        if tests.is_empty() && uncovered.is_none() {
            wrong.push(format!("{TABLE}: {number} has no test, and no reason why"));
        }
        for test in tests {
            writeln!(page, "  - [`{}`](../{}): {}", test.name, test.file, test.sentence).unwrap();
        }
        if let Some(uncovered) = uncovered {
            writeln!(page, "  - Not covered: {uncovered}").unwrap();
        }
    }
    for test in by_number.values().flatten() {
        wrong.push(format!("{}: {} has a number that {TABLE} lacks: {:?}", test.file, test.name, test.numbers));
    }
    page
}

/// All tests with numbers, in the order of the page.
fn numbered_tests(root: &Path, wrong: &mut Vec<String>) -> Vec<NumberedTest> {
    let mut tests = Vec::new();
    for (dir, extension) in [("tests/it", "rs"), ("src", "rs"), ("python/tests", "py")] {
        for path in sources(&root.join(dir), extension) {
            let file = path.strip_prefix(root).unwrap().to_str().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            match extension {
                "rs" => rust_tests(file, &text, &mut tests, wrong),
                _ => python_tests(file, &text, &mut tests, wrong),
            }
        }
    }
    tests
}

fn sources(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = crate::env::files(dir);
    found.retain(|path| path.extension().is_some_and(|e| e == extension));
    found.sort();
    found
}

/// Whether a text is the number of a case: a capital letter and a number.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(|c: char| c.is_ascii_uppercase()).unwrap_or_default();
    !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
}

/// The numbers that a doc comment begins with, and its first paragraph.
fn numbered(doc: &[&str]) -> Option<(Vec<String>, String)> {
    let paragraph: Vec<&str> = doc.iter().map(|line| line.trim()).take_while(|line| !line.is_empty()).collect();
    let paragraph = paragraph.join(" ");
    let (numbers, sentence) = paragraph.split_once(": ")?;
    let numbers: Vec<String> = numbers.split(", ").map(str::to_owned).collect();
    numbers.iter().all(|number| is_number(number)).then(|| (numbers, sentence.to_owned()))
}

fn rust_tests(file: &str, text: &str, tests: &mut Vec<NumberedTest>, wrong: &mut Vec<String>) {
    let (mut doc, mut is_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        if let Some(more) = line.strip_prefix("///") {
            doc.push(more);
        } else if line.starts_with("#[") {
            is_test |= line == "#[test]";
        } else {
            if let Some((numbers, sentence)) = numbered(&doc) {
                let name = line.strip_prefix("fn ").and_then(|rest| rest.split('(').next()).filter(|_| is_test);
                match name {
                    Some(name) => tests.push(NumberedTest { file: file.into(), name: name.into(), numbers, sentence }),
                    None => wrong.push(format!("{file}: the number stands on no test: {line}")),
                }
            }
            (doc, is_test) = (Vec::new(), false);
        }
    }
}

fn python_tests(file: &str, text: &str, tests: &mut Vec<NumberedTest>, wrong: &mut Vec<String>) {
    let mut name = "";
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("def ") {
            name = rest.split('(').next().unwrap();
        }
        let Some(first) = line.strip_prefix("\"\"\"") else { continue };
        let mut doc = vec![first];
        while !doc.last().unwrap().ends_with("\"\"\"") {
            let Some(more) = lines.next() else { break };
            doc.push(more);
        }
        let last = doc.pop().unwrap();
        doc.push(last.strip_suffix("\"\"\"").unwrap_or(last));
        match numbered(&doc) {
            Some((numbers, sentence)) if name.starts_with("test_") => {
                tests.push(NumberedTest { file: file.into(), name: name.into(), numbers, sentence });
            }
            Some(_) => wrong.push(format!("{file}: the number stands on no test: {name}")),
            None => {}
        }
    }
}

#[test]
fn numbers_are_read_from_doc_comments() {
    let (mut tests, mut wrong) = (Vec::new(), Vec::new());
    let text = "/// A1, B22: A long\n/// sentence: here.\n///\n/// More.\n#[test]\n#[cfg(unix)]\nfn one() {\n";
    let text = format!("{text}    /// Note: no number.\n    fn x() {{}}\n}}\n/// C3: Not a test.\nfn two() {{}}\n");
    rust_tests("x.rs", &text, &mut tests, &mut wrong);
    python_tests("x.py", "def test_y(\n    a,\n):\n    \"\"\"A1: Two\n    lines.\"\"\"\n", &mut tests, &mut wrong);
    let found: Vec<(&str, String, &str)> =
        tests.iter().map(|test| (test.name.as_str(), test.numbers.join(" "), test.sentence.as_str())).collect();
    assert_eq!(
        found,
        [("one", "A1 B22".to_owned(), "A long sentence: here."), ("test_y", "A1".to_owned(), "Two lines.")]
    );
    assert_eq!(wrong, ["x.rs: the number stands on no test: fn two() {}"]);
}

#[test]
fn a_case_needs_a_test_or_a_reason_and_a_number_a_line() {
    let test = |number: &str| NumberedTest {
        file: "x.rs".into(),
        name: "one".into(),
        numbers: vec![number.into()],
        sentence: "It holds.".into(),
    };
    let mut wrong = Vec::new();
    let page =
        page("# x\n[Part]\nA1\tcase\nA2\tother\twhy\nA3\tbare\nA1\ttwice\n", &[test("A1"), test("A9")], &mut wrong);
    assert!(page.ends_with(
        "## Part\n\n- **A1** case\n  - [`one`](../x.rs): It holds.\n- **A2** other\n  - Not covered: why\n- **A3** bare\n- **A1** twice\n"
    ));
    let lacks = |number| format!("{TABLE}: {number} has no test, and no reason why");
    let expected = [
        lacks("A3"),
        format!("{TABLE}: A1 is no number, or there twice"),
        lacks("A1"),
        format!("x.rs: one has a number that {TABLE} lacks: [\"A9\"]"),
    ];
    assert_eq!(wrong, expected);
}

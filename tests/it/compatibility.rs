//! `docs/compatibility.md` promises nothing that no test holds.

use std::fs;
use std::path::Path;

/// The texts between backticks of a page.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn every_promise_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/compatibility.md")).unwrap();
    let mut named = 0;
    for (module, test) in code_spans(&page).filter_map(|span| span.split_once("::")) {
        let text = fs::read_to_string(root.join("tests/it").join(module).with_extension("rs")).unwrap_or_default();
        let (_, before) = text
            .split_once(&format!("\nfn {test}()"))
            .map(|(before, _)| before.rsplit_once('\n').unwrap_or_default())
            .unwrap_or_default();
        assert_eq!(before, "#[test]", "docs/compatibility.md names {module}::{test}, which is no test");
        named += 1;
    }
    assert!(named > 20, "{named}");
    // Each row of a table with the column `tests` names one.
    let mut rows = 0;
    let mut is_held = false;
    for line in page.lines() {
        if line.starts_with("| what |") || line.starts_with("| format |") {
            is_held = line.ends_with("| tests |");
        }
        is_held &= line.starts_with('|');
        if is_held && !line.starts_with("|---") && !line.ends_with("| tests |") {
            rows += 1;
            assert!(line.rsplit('|').nth(1).unwrap().contains("::"), "no test: {line}");
        }
    }
    assert!(rows > 18, "{rows}");
}

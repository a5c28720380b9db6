//! What pages of the guide say in tables is complete and right: the codes of findings, the columns of every parquet file, the
//! words.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use capture_hook::validate::{Code, Severity};

use crate::env::{FIRST, TestEnv};

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// The cells of each row of a page's tables, without headings.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = text.lines().collect();
    let is_heading = |at: usize| lines.get(at + 1).is_some_and(|next| next.starts_with("|---"));
    let rows = lines.iter().enumerate().filter(|(at, line)| line.starts_with("| ") && !is_heading(*at));
    rows.map(|(_, line)| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// The texts between backticks.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_code_of_a_finding_is_explained() {
    let text = page("validation.md");
    let mut explained = BTreeMap::new();
    for row in rows(&text).into_iter().filter(|row| row.len() == 5) {
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        let before = explained.insert(row[0].trim_matches('`').to_owned(), row[1].to_owned());
        assert_eq!(before, None, "{row:?}: twice");
    }
    let kind = |code: &Code| match (code.severity(), code.is_ignorable()) {
        (Severity::Warning, _) => "warning",
        (Severity::Error, true) => "error",
        (Severity::Error, false) => "error that cannot be ignored",
    };
    let codes: BTreeMap<String, String> =
        Code::ALL.iter().map(|code| (code.to_string(), kind(code).to_owned())).collect();
    assert_eq!(explained, codes);
}

/// A run of a simulator with one column of its own: all others of its parquet files are those of every run.
#[test]
fn every_column_that_all_parquet_files_have_is_explained() {
    let text = page("run-format.md");
    let (_, columns) = text.split_once("## Columns of the parquet files").unwrap();
    let (mut steps, mut episodes) = (Vec::new(), Vec::new());
    for row in rows(columns) {
        for name in code_spans(row[0]) {
            match row[1] {
                "steps" => steps.push(name.to_owned()),
                "episodes" => episodes.push(name.to_owned()),
                "both" => [&mut steps, &mut episodes].into_iter().for_each(|file| file.push(name.to_owned())),
                other => panic!("no file: {other}"),
            }
        }
    }
    let env = TestEnv::initialized();
    let schema = "{\"format\": 1, \"steps\": {\"own\": {\"dtype\": \"float64\"}}}";
    env.record_declared("demo/r1", Some(schema), &["\"own\": 1.0"]);
    env.hook(["ingest", "--all"]).ok();
    let script =
        "import pyarrow.parquet as pq, sys; [print(' '.join(pq.read_schema(file).names)) for file in sys.argv[1:]]";
    let files = ["steps", "episodes"].map(|name| format!("data/captures/demo/r1/{name}.parquet"));
    let python = crate::tools::newest_readers().join("python");
    let printed = env.run_in("repo", python.to_str().unwrap(), ["-c", script, &files[0], &files[1]]).ok().stdout;
    for (names, is) in [steps, episodes].iter().zip(printed.lines()) {
        let is: Vec<&str> = is.split(' ').filter(|name| *name != "own").collect();
        assert_eq!(
            names.iter().collect::<BTreeSet<_>>(),
            is.iter().map(|name| name.to_string()).collect::<Vec<_>>().iter().collect()
        );
        // `queries.md` has them in the files' order.
        let queries = page("queries.md");
        let listed = queries
            .lines()
            .find(|line| {
                line.contains(&format!("| `{}.parquet`", if is.contains(&"step") { "steps" } else { "episodes" }))
            })
            .unwrap();
        assert_eq!(code_spans(listed).skip(1).collect::<Vec<_>>(), is);
    }
}

#[test]
fn what_needs_no_dvc_works_without_it() {
    let mut env = TestEnv::committed_native();
    env.hook(["push"]).ok();
    let path = std::env::join_paths(env.search_path().filter(|dir| !dir.join("dvc").is_file())).unwrap();
    env.set("PATH", path.to_str().unwrap());
    let text = page("glossary.md");
    let without: Vec<&str> = rows(&text)
        .into_iter()
        .filter(|row| row.len() == 2 && row[1] == "no")
        .flat_map(|row| code_spans(row[0]))
        .collect();
    assert!(without.len() >= 13, "{without:?}");
    for command in without {
        let args: &[&str] = match command {
            "validate" | "show" | "get" => &[command, FIRST],
            "diff" => &["diff", FIRST, FIRST],
            "plot" => &["plot", FIRST, "-o", "../plot.svg"],
            "report" => &["report", "-o", "../report.html"],
            "export" => &[
                "export",
                FIRST,
                "-o",
                "../export",
                "--title",
                "T",
                "--description",
                "D",
                "--license",
                "CC0-1.0",
                "--creator",
                "Ada Example",
            ],
            "engine = \"native\"" => {
                env.commit_run(crate::env::SECOND);
                continue;
            }
            _ => &[command],
        };
        let output = env.hook(args);
        assert_eq!(output.code, 0, "{args:?} without DVC: {}", output.both());
    }
}

/// The words that the project's glossary retires, for plain ones.
#[test]
fn what_newcomers_read_has_plain_words() {
    const RETIRED: [&str; 20] = [
        "house",
        "journey",
        "way",
        "ways",
        "world",
        "wanting",
        "mend",
        "mends",
        "bring",
        "brings",
        "brought",
        "told",
        "said",
        "heard",
        "meant",
        "went",
        "concern",
        "concerns",
        "nobody",
        "beyond us",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["README.md", "docs/first-hour.md", "docs/review.md", "tests/pins/messages.txt"] {
        let text = fs::read_to_string(root.join(name)).unwrap();
        for (at, line) in text.lines().enumerate() {
            let words = line.to_lowercase().replace(|c: char| !c.is_alphanumeric() && c != '\'' && c != '_', " ");
            let words = format!(" {} ", words.split_whitespace().collect::<Vec<_>>().join(" "));
            let found = RETIRED.iter().find(|word| words.contains(&format!(" {word} ")));
            assert_eq!(found, None, "{name}:{}: {line}", at + 1);
        }
    }
}

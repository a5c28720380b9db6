//! The guide is true: every ```console block of `docs/*.md` is replayed, and must print what it shows.
//!
//! A block's lines that start with `$ ` are commands (a line ending in `\` goes on); the rest is their output, both streams
//! together. `[..]` stands for any text within a line, a line `...` for any lines. A file's blocks run one after the other
//! in one environment, in the directory of its repository; `<!-- start: NAME -->` says how that environment starts.
//! `CAPTURE_HOOK_DOCS_WRITE=1` writes what was printed into the files, for a person to look at.
//!
//! The queries of `queries.md` are run, and links from page to page must lead to a file. `readme.rs` replays the README.
//! Not checked: blocks behind `<!-- not run -->` (they need another program, or a conflict that takes many commands), what
//! pages show of files (YAML, JSON), what they say in words, links to headings and to other sites.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::env::TestEnv;

/// A command and what the page says it prints.
#[derive(Debug, Clone)]
pub struct Shown {
    pub line: usize,
    pub command: String,
    pub output: Vec<String>,
}

#[test]
fn every_shown_command_prints_what_is_shown() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> = fs::read_dir(root.join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    pages.sort();
    assert!(pages.len() >= 8, "{pages:?}");
    let threads: Vec<_> = pages.into_iter().map(|page| std::thread::spawn(move || replay(&page))).collect();
    let wrong: Vec<String> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn links_between_pages_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for dir in [root.to_owned(), root.join("docs")] {
        for page in fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()) {
            if page.extension().is_none_or(|e| e != "md") {
                continue;
            }
            let text = fs::read_to_string(&page).unwrap();
            for part in text.split("](").skip(1) {
                let target = part.split([')', '#']).next().unwrap();
                if !target.is_empty() && !target.contains("://") {
                    seen += 1;
                    assert!(dir.join(target).exists(), "{}: {target}", page.display());
                }
            }
        }
    }
    assert!(seen > 10);
}

fn replay(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let write = std::env::var_os("CAPTURE_HOOK_DOCS_WRITE").is_some();
    let shown = commands(&text);
    if shown.is_empty() {
        return Vec::new();
    }
    let env = start(&text);
    let mut dir = "repo".to_owned();
    let mut wrong = Vec::new();
    let mut printed = Vec::new();
    for one in &shown {
        let (_, is) = type_command(&env, &mut dir, &one.command);
        if !write && !matches(&one.output, &is) {
            let page = page.file_name().unwrap().to_string_lossy();
            wrong.push(format!(
                "{page}:{}: $ {}\n--- printed\n{}\n--- shown\n{}",
                one.line,
                one.command,
                is.join("\n"),
                one.output.join("\n")
            ));
        }
        printed.push(is);
    }
    if write {
        fs::write(page, rewritten(&text, &shown, &printed)).unwrap();
    }
    wrong
}

/// The environment that a page starts in.
fn start(text: &str) -> TestEnv {
    let name = text.lines().find_map(|l| l.strip_prefix("<!-- start: ")?.strip_suffix(" -->")).unwrap_or("project");
    let env = match name {
        "bare" => {
            let env = TestEnv::empty();
            fs::create_dir_all(env.path("dvc-remote")).unwrap();
            env.git_in(".", ["init", "-q", "repo"]).ok();
            env.add_origin();
            env
        }
        "project" => {
            let env = TestEnv::initialized();
            env.add_origin();
            env
        }
        "runs" => return TestEnv::two_runs(),
        "clone" => {
            let env = TestEnv::two_runs();
            env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
            fs::rename(env.repo(""), env.path("made-here")).unwrap();
            env.git_in(".", ["clone", "-q", "origin.git", "repo"]).ok();
            return env;
        }
        _ => panic!("no page starts in \"{name}\""),
    };
    for case in ["ok-head01", "ok-orig100", "ok-rotated-pypi010"] {
        env.record(case);
    }
    env
}

/// Types a command in a directory of the environment, which `cd` changes; its exit code and what it printed.
pub fn type_command(env: &TestEnv, dir: &mut String, command: &str) -> (i32, Vec<String>) {
    if let Some(to) = command.strip_prefix("cd ") {
        let joined = Path::new(dir.as_str()).join(to);
        let mut parts: Vec<String> = Vec::new();
        for part in joined.components() {
            match part.as_os_str().to_str().unwrap() {
                ".." => drop(parts.pop()),
                part => parts.push(part.to_owned()),
            }
        }
        *dir = parts.join("/");
        return (0, Vec::new());
    }
    let mut shell: Command = env.command("/bin/sh", dir.as_str());
    shell.args(["-c", &format!("exec 2>&1\n{command}")]).stdin(Stdio::null());
    let output = crate::env::run_command(&mut shell);
    let root = env.path("").to_string_lossy().trim_end_matches('/').to_owned();
    let text = output.stdout.replace(&root, "[..]");
    (output.code, text.trim_end().lines().map(|l| l.trim_end().to_owned()).collect())
}

/// The commands of a page's console blocks, in order.
pub fn commands(text: &str) -> Vec<Shown> {
    let mut out: Vec<Shown> = Vec::new();
    let (mut inside, mut skip) = (false, false);
    let mut goes_on = false;
    for (at, line) in text.lines().enumerate() {
        if line == "<!-- not run -->" {
            skip = true;
        } else if line.starts_with("```") {
            inside = !inside && line == "```console" && !skip;
            if line == "```" {
                skip = false;
            }
            goes_on = false;
        } else if inside {
            if let Some(command) = line.strip_prefix("$ ") {
                out.push(Shown { line: at + 1, command: command.to_owned(), output: Vec::new() });
                goes_on = command.ends_with('\\');
            } else if let Some(last) = out.last_mut() {
                if goes_on {
                    last.command.push('\n');
                    last.command.push_str(line.trim_start_matches("> "));
                    goes_on = line.ends_with('\\');
                } else {
                    last.output.push(line.trim_end().to_owned());
                }
            }
        }
    }
    for one in &mut out {
        while one.output.last().is_some_and(String::is_empty) {
            one.output.pop();
        }
    }
    out
}

pub fn matches(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "..." => (0..=printed.len()).any(|skip| matches(rest, &printed[skip..])),
        Some((first, rest)) => {
            printed.split_first().is_some_and(|(line, after)| line_matches(first, line) && matches(rest, after))
        }
    }
}

fn line_matches(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split("[..]");
    let Some(mut rest) = printed.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The page with what was printed, ids and hashes as wildcards; a block that cuts output short with `...` stays.
fn rewritten(text: &str, shown: &[Shown], printed: &[Vec<String>]) -> String {
    let mut out = String::new();
    let mut next = shown.iter().zip(printed).peekable();
    let mut dropping = false;
    for (at, line) in text.lines().enumerate() {
        if let Some((one, _)) = next.peek()
            && one.line == at + 1
        {
            let (one, is) = next.next().unwrap();
            out.push_str(&format!("$ {}\n", one.command));
            if one.output.iter().any(|l| l == "...") && matches(&one.output, is) {
                one.output.iter().for_each(|l| out.push_str(&format!("{l}\n")));
            } else {
                is.iter().for_each(|l| out.push_str(&format!("{}\n", wild(l))));
            }
            dropping = true;
            continue;
        }
        if line.starts_with("```") {
            dropping = false;
        }
        if !dropping {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Commit ids, data versions and days of commits as wildcards: they differ from environment to environment and release to release.
pub fn wild(line: &str) -> String {
    if let Some((name, _)) = line.split_once(": sha256:").filter(|(name, _)| *name == "Capture-Manifest") {
        return format!("{name}: sha256:[..]");
    }
    if let Some((before, _)) = line.split_once("\"committed_at\": ") {
        return format!("{before}\"committed_at\": \"[..]\",");
    }
    if let Some((before, _)) = line.split_once("(Ada, ") {
        return format!("{}(Ada, [..])", wild(before));
    }
    if line.get(9..11) == Some("  ") && line.get(11..13) == Some("20") && line.len() > 21 {
        return format!("[..]  [..]{}", &line[21..]);
    }
    let mut out = String::new();
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        let hex = word.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase());
        let id = hex && matches!(word.len(), 7 | 9 | 32 | 40) && word.chars().any(|c| c.is_ascii_digit());
        out.push_str(if id { "[..]" } else { word });
        word.clear();
    };
    for c in line.chars() {
        if c.is_alphanumeric() {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out
}

/// The queries of the guide, run as they stand over runs of all three recorders: three engines, one ranking.
#[test]
fn the_queries_rank_runs_the_same_in_duckdb_polars_and_pandas() {
    let env = TestEnv::initialized();
    for case in ["ok-head01", "ok-orig100", "ok-rotated-pypi010"] {
        let key = env.record(case);
        env.hook(["ingest", "--run-dir", &format!("results/{key}")]).ok();
    }
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/queries.md")).unwrap();
    let blocks = |language: &str| -> Vec<String> {
        let open = format!("```{language}\n");
        page.split(&open).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
    };
    let (sql, python) = (blocks("sql"), blocks("python"));
    assert_eq!((sql.len(), python.len()), (2, 2));
    let script = format!(
        "import duckdb\n\
         ranked = [(e, r) for e, r, *_ in duckdb.sql({:?}).fetchall()]\n\
         near = duckdb.sql({:?}).fetchall()\n\
         assert len(near) >= 1, near\n\
         {}\nassert list(zip(runs['experiment'], runs['run_id'])) == ranked, (runs, ranked)\n\
         {}\nassert list(runs.index) == ranked, (runs, ranked)\n\
         print(*('/'.join(run) for run in ranked), sep='\\n')\n",
        sql[0], sql[1], python[0], python[1]
    );
    let bin = crate::tools::newest_readers();
    let output = env.run_in("repo", bin.join("python").to_str().unwrap(), ["-c", &script]).ok();
    assert_eq!(output.stdout, "nav/run-20261124-021550\nplume/run-20261124-021546\nsweep/run-20260106-041\n");
    // And `runs` ranks as they do.
    let listed = env.hook(["runs", "--sort", "reward"]).ok().stdout;
    let names: Vec<&str> = listed.lines().skip(1).flat_map(str::split_whitespace).filter(|w| w.contains('/')).collect();
    assert_eq!(names.join("\n") + "\n", output.stdout);
}

#[test]
fn wildcards_match_and_nothing_else_does() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&lines("a [..] c\n...\nz"), &lines("a b c\nx\ny\nz")));
    assert!(matches(&lines("..."), &lines("")));
    assert!(!matches(&lines("a"), &lines("a\nb")));
    assert!(!matches(&lines("a [..] c"), &lines("a b d")));
}

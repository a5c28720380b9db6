//! The guide is true: every ```console block of `docs/*.md` is replayed, and must print what it shows.
//!
//! A block's lines that start with `$ ` are commands (a line ending in `\` goes on); the rest is their output, both streams
//! together. `[..]` stands for any text within a line, a line `...` for any lines. A file's blocks run one after the other
//! in one environment, in the directory of its repository; `<!-- start: NAME -->` says how that environment starts. A block
//! behind `<!-- file: NAME -->` is written to this file, in the directory of the next command.
//! `CAPTURE_HOOK_DOCS_WRITE=1` writes what was printed into the files, for a person to look at. `CAPTURE_HOOK_DOCS_PAGE=ci.md`
//! replays one page.
//!
//! Stand-ins: in the environment "python", `pip` installs nothing, and fails if what it is to install is not there.
//!
//! The queries of `queries.md` are run, and links from page to page must lead to a file. `readme.rs` replays the README.
//! Not checked: blocks behind `<!-- not run -->` (they need another program, or a conflict that takes many commands), what
//! pages show of files (YAML, JSON), what they say in words, links to headings and to other sites.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::env::{FIRST, PLUME, THIRD, TestEnv, schema_of};

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
    if let Ok(only) = std::env::var("CAPTURE_HOOK_DOCS_PAGE") {
        pages.retain(|page| page.ends_with(&only));
        assert_eq!(pages.len(), 1, "no page {only}");
    }
    let threads: Vec<_> = pages.into_iter().map(|page| std::thread::spawn(move || replay(&page))).collect();
    let wrong: Vec<String> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn links_between_pages_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for dir in [root.to_owned(), root.join("docs"), root.join("docs/run"), root.join("docs/workstation")] {
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
    let mut files = files_to_write(&text);
    for one in &shown {
        let later = files.iter().position(|file| file.line > one.line).unwrap_or(files.len());
        for file in files.drain(..later) {
            fs::write(env.path(&dir).join(file.name), file.text).unwrap();
        }
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
    assert!(files.is_empty(), "a file that no command uses");
    // One that a page has started would go on without the page's directory.
    if env.path("home/.gnupg").exists() {
        env.run_in(".", "gpgconf", ["--kill", "gpg-agent"]).ok();
    }
    if write {
        fs::write(page, rewritten(&text, &shown, &printed)).unwrap();
    }
    wrong
}

/// A file that a page shows.
struct ShownFile {
    line: usize,
    name: String,
    text: String,
}

fn files_to_write(text: &str) -> Vec<ShownFile> {
    let mut lines = text.lines().enumerate();
    let mut files = Vec::new();
    while let Some((at, line)) = lines.next() {
        let Some(name) = line.strip_prefix("<!-- file: ").and_then(|rest| rest.strip_suffix(" -->")) else { continue };
        let block = lines.by_ref().skip_while(|(_, line)| !line.starts_with("```")).skip(1);
        let body: String = block.take_while(|(_, line)| *line != "```").map(|(_, line)| format!("{line}\n")).collect();
        files.push(ShownFile { line: at + 1, name: name.to_owned(), text: body });
    }
    files
}

/// The environment that a page starts in.
fn start(text: &str) -> TestEnv {
    let name = text.lines().find_map(|l| l.strip_prefix("<!-- start: ")?.strip_suffix(" -->")).unwrap_or("project");
    let env = match name {
        "bare" => bare(),
        "python" => {
            let mut env = bare();
            crate::python::give_environments(&mut env);
            return env;
        }
        "project" => {
            let env = TestEnv::initialized();
            env.add_origin();
            env
        }
        "runs" => return TestEnv::two_runs(),
        "publish" => {
            let mut env = TestEnv::two_runs();
            // The Python that the page calls has what the page installs.
            let verifiers = crate::tools::attestation_verifiers();
            env.set("PATH", &format!("{}:{}", verifiers.display(), env.get("PATH")));
            fs::create_dir_all(env.path("home/.ssh")).unwrap();
            return env;
        }
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

/// A repository without a commit, a server for it and a directory for its data.
fn bare() -> TestEnv {
    let env = TestEnv::empty();
    fs::create_dir_all(env.path("dvc-remote")).unwrap();
    env.git_in(".", ["init", "-q", "repo"]).ok();
    env.add_origin();
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
    // What parquet says of its writer changes with each release, and with it the hashes of a run's files.
    if let Some((name, _)) = line.split_once(": sha256:").filter(|(name, _)| name.starts_with("Capture-"))
        && name != "Capture-Config"
    {
        return format!("{name}: sha256:[..]");
    }
    if line.ends_with("  -") && line.len() == 67 {
        return "[..]  -".into();
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

/// The queries of the guide, as they stand, over runs of plume-nav-sim's three recorders and of six other simulators, one of
/// which has got a column later: one answer in the oldest and the newest release of each reader.
#[test]
fn the_queries_have_one_answer_in_every_reader() {
    let env = TestEnv::initialized();
    for case in ["ok-head01", "ok-orig100", "ok-rotated-pypi010"] {
        env.record(case);
    }
    env.record_simulators();
    let schema = schema_of(&[
        ("reward", "\"dtype\": \"float64\""),
        ("x", "\"dtype\": \"float32\""),
        ("theta_dot", "\"dtype\": \"float32\""),
        ("wind", "\"dtype\": \"float64\""),
    ]);
    let steps = ["\"reward\": 1.0, \"x\": 0.5, \"theta_dot\": 0.25, \"wind\": 3.5"];
    env.record_declared("cartpole/r3", Some(&schema), &steps);
    env.hook(["ingest", "--all"]).ok();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (script, page) = (root.join("tests/it/queries.py"), root.join("docs/queries.md"));
    let answers = |bin: &Path| -> Vec<String> {
        let args = [script.to_str().unwrap(), page.to_str().unwrap()];
        let output = env.run_in("repo", bin.join("python").to_str().unwrap(), args).ok();
        output.stdout.lines().map(str::to_owned).collect()
    };
    let newest = answers(&crate::tools::newest_readers());
    let text = fs::read_to_string(&page).unwrap();
    let queries = text.lines().filter(|line| matches!(*line, "```sql" | "```python")).count();
    assert_eq!(newest[0], format!("{queries} queries"));
    let old = answers(&crate::tools::oldest_readers());
    assert_eq!((&newest[1..], newest.len()), (&old[1..], 7));
    // It has Polars alone, for which two parts of the page have a query less.
    let between = answers(&crate::tools::polars_between());
    assert!(between[1..].len() == 4 && between[1..].iter().all(|answer| newest.contains(answer)), "{between:?}");
    // And `runs` ranks as they do.
    let listed = env.hook(["runs", "--sort", "reward"]).ok().stdout;
    let keys = listed.lines().skip(1).flat_map(str::split_whitespace).filter(|word| word.contains('/'));
    let ranked = |key: &&str| ["nav/", "plume/", "sweep/"].iter().any(|experiment| key.starts_with(experiment));
    let keys: Vec<&str> = keys.filter(ranked).collect();
    assert_eq!(keys, [FIRST, PLUME, THIRD]);
    let at = |key: &&str| newest[1].find(&key.replace('/', "\", \"")).unwrap();
    assert!(keys.is_sorted_by_key(at), "{}", newest[1]);
}

#[test]
fn wildcards_match_and_nothing_else_does() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&lines("a [..] c\n...\nz"), &lines("a b c\nx\ny\nz")));
    assert!(matches(&lines("..."), &lines("")));
    assert!(!matches(&lines("a"), &lines("a\nb")));
    assert!(!matches(&lines("a [..] c"), &lines("a b d")));
}

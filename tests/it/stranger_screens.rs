//! What a person sees of a stranger's repository: nothing in it steers the terminal, hides, gets onto a command line as
//! more than a name, or is left out of a verdict in silence.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use capture_hook::support::visible::is_hidden;

use crate::env::{BIN, FIRST, SECOND, THIRD, TestEnv, files};

mod command_lines;

/// What a terminal obeys: a title, concealed text, C1's own clearing of the screen.
const STEER: &str = "\u{1b}]0;owned\u{7}\u{1b}[8mconcealed\u{9b}2J";
/// What it does not show, or shows in another order: no control character, so that refs and paths may hold it.
const HIDE: &str = "\u{202e}\u{200b}\u{2028}\u{e0041}\u{ad}\u{feff}";

/// The characters of both, as YAML, JSON and TOML write them in double quotes.
fn quoted() -> String {
    let mut out = String::new();
    for c in STEER.chars().chain(HIDE.chars()) {
        match u32::from(c) {
            0x20..0x7f => out.push(c),
            n @ 0..0x10000 => out += &format!("\\u{n:04x}"),
            // A pair for JSON, which is no escape in YAML or TOML: theirs have eight digits.
            n => out += &format!("\\U{n:08x}"),
        }
    }
    out
}

/// Runs each command line into pipes and on a terminal, checks that none lets through what no terminal should obey or
/// hide, and gives all that was shown.
#[track_caller]
fn screens(env: &TestEnv, lines: &[&[&str]]) -> String {
    let lines: Vec<Vec<&str>> =
        lines.iter().map(|line| if line[0] == "git" { line.to_vec() } else { [&[BIN], *line].concat() }).collect();
    let harness = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/on_screens.py");
    let mut python = env.command("python3", "repo");
    python.env("GIT_PAGER", "cat").env("TERM", "xterm-256color");
    let mut child = python.arg(harness).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(serde_json::to_string(&lines).unwrap().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let output: Vec<[String; 2]> = serde_json::from_slice(&output.stdout).unwrap();
    let mut all = String::new();
    for (line, [piped, shown]) in lines.iter().zip(output) {
        for (how, text) in [("into a pipe", piped), ("on a terminal", shown)] {
            let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
            let text = String::from_utf8(bytes).unwrap_or_else(|e| panic!("{line:?} {how}: {e}"));
            let raw = without_our_own(&text);
            let at = raw.find(is_hidden);
            assert!(at.is_none(), "{line:?} {how}: {:?}", raw.get(at.unwrap_or(0).saturating_sub(60)..));
            all += &text;
        }
    }
    all
}

/// Text without line ends, git's tabs, our colours and the moves of our progress bars.
fn without_our_own(text: &str) -> String {
    let mut out = text.replace(['\n', '\r'], "").replace("\t", "    ");
    for moves in ["\u{1b}[2K", "\u{1b}[K", "\u{1b}[1A", "\u{1b}[?25l", "\u{1b}[?25h"] {
        out = out.replace(moves, "");
    }
    for colours in ["", "0", "1", "2", "31", "32", "33", "36"] {
        out = out.replace(&format!("\u{1b}[{colours}m"), "");
    }
    out
}

/// The payload was shown, spelled out.
#[track_caller]
fn shown(output: &str, what: &str) {
    assert!(output.contains(what), "{what} is not shown:\n{output}");
}

/// An environment whose runs are versioned without a start of DVC.
fn native() -> TestEnv {
    let env = TestEnv::committed();
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    env.git(["add", "-A"]).ok();
    env.git(["commit", "-q", "-m", "settings"]).ok();
    env
}

/// Replaces text in a tracked file.
#[track_caller]
fn edit(env: &TestEnv, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(env.repo(file)).unwrap();
    assert!(text.contains(from), "{file}: {text}");
    fs::write(env.repo(file), text.replace(from, to)).unwrap();
}

/// The line of a file that begins so, blanks apart.
fn line_of(env: &TestEnv, file: &str, start: &str) -> String {
    let text = fs::read_to_string(env.repo(file)).unwrap();
    text.lines().find(|line| line.trim_start().trim_start_matches("- ").starts_with(start)).unwrap().to_owned()
}

const SPELLED: &str = "\\u{1b}]0;owned\\u{7}\\u{1b}[8mconcealed\\u{9b}2J";
const SPELLED_HIDE: &str = "\\u{202e}\\u{200b}\\u{2028}\\u{e0041}\\u{ad}\\u{feff}";

/// S18: Commit subjects, authors, trailers, tag names and messages.
#[test]
fn what_commits_and_tags_say_is_spelled_out() {
    let env = native();
    let text = format!("{STEER}{HIDE}");
    let message = format!("{text}\n\nCapture-Run: {FIRST}{HIDE}\nCapture-Data: md5:{STEER}\n");
    // The run's own commit, made again in the stranger's words.
    env.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    env.git(["tag", "-d", &format!("capture/{FIRST}")]).ok();
    let author = format!("--author=A{text} <a{HIDE}@b>");
    let no_hooks = ["-c", "core.hooksPath=/dev/null"];
    env.git([&no_hooks[..], &["commit", "-q", "--amend", "--cleanup=verbatim", &author, "-m", &message]].concat()).ok();
    env.git(["tag", "-a", "-m", &message, &format!("capture/nav/x{HIDE}")]).ok();
    env.git(["tag", &format!("v1{HIDE}\u{9b}")]).ok();
    let rev = format!("HEAD{STEER}");
    let range = format!("{rev}..HEAD");
    let output = screens(
        &env,
        &[
            &["log"],
            &["log", "--json"],
            &["show", FIRST],
            &["show", FIRST, "--json"],
            &["runs"],
            &["check"],
            &["check", "--json"],
            &["check", &range],
            &["status"],
            &["get", FIRST, "--rev", &rev],
            &["verify", "--rev", &rev],
            &["tag", "--all"],
        ],
    );
    shown(&output, &format!("{SPELLED}{SPELLED_HIDE}"));
    shown(
        &output,
        "\\u001b]0;owned\\u0007\\u001b[8mconcealed\\u009b2J\\u202e\\u200b\\u2028\\udb40\\udc41\\u00ad\\ufeff",
    );
}

/// Gives a recorded run a stranger's metadata, rows and files.
const POISON: &str = r#"
import gzip, json, pathlib, sys
root, text, hide = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
meta = json.loads((root / "run.json").read_text())
meta.update(package_version=text, git_sha=text, system={text: text}, start_time="2026-01-05T" + text)
meta["env_config"].update({text: text, "goal_radius": text})
(root / "run.json").write_text(json.dumps(meta))
(root / ("notes" + text)).write_text("x")
(root / "manifest.json").write_text(json.dumps({"config_hash": text, "run_id": text, "files": [{"path": "gone" + hide, "bytes": 1, "sha256": text}]}))
for path in root.glob("*.gz"):
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines() if line.strip()]
    for row in rows:
        row["episode_id"] += text
        row[text] = text
    if path.name.startswith("steps"):
        rows[3]["step"] += 7
        rows[5]["reward"] = text
    path.write_bytes(gzip.compress("".join(json.dumps(row) + chr(10) for row in rows).encode()))
"#;

/// S18: Run ids, experiments, metadata, configurations, episode ids, unknown fields, file names, manifests of runs; in
/// pictures too.
#[test]
fn what_runs_hold_is_spelled_out() {
    let env = native();
    let text = format!("{STEER}{HIDE}");
    let odd = format!("demo{HIDE}/r1{HIDE}");
    env.record_as("ok-pypi010", &odd);
    let poisoned = env.repo("results").join(&odd);
    let poison = |with: &str| env.run_in(".", "python3", ["-c", POISON, poisoned.to_str().unwrap(), with, HIDE]).ok();
    // A name that is no name for a run, in its metadata alone.
    env.record_as("ok-pypi010", "demo/unsafe");
    let meta = env.repo("results/demo/unsafe/run.json");
    let mut output: serde_json::Value = serde_json::from_slice(&fs::read(&meta).unwrap()).unwrap();
    for key in ["run_id", "experiment", "schema_version"] {
        output[key] = text.clone().into();
    }
    fs::write(&meta, output.to_string()).unwrap();
    let path = format!("results/{odd}");
    let picture = format!("../{HIDE}.svg");
    poison(&text);
    let seen = screens(
        &env,
        &[
            &["runs"],
            &["runs", "--json"],
            &["runs", "-e", &text],
            &["validate", "--all"],
            &["validate", "--all", "--json"],
            &["show", &path],
            &["show", &path, "--json"],
            &["diff", FIRST, &path],
            &["diff", FIRST, &path, "--json"],
            &["select", &path],
            &["select", "--force", &path],
            &["status"],
            &["doctor"],
            &["ingest", "--run-dir", &path],
            &["manifest", &path],
            &["publish", "--no-push"],
            &["git", "commit", "-q", "-am", "x"],
        ],
    );
    shown(&seen, &format!("{SPELLED}{SPELLED_HIDE}"));
    env.hook(["plot", &path, "-o", &picture]).ok();
    let svg = fs::read_to_string(env.repo(&picture)).unwrap();
    assert!(!svg.contains(|c| c != '\n' && is_hidden(c)) && svg.contains(SPELLED_HIDE), "{svg}");
    // What a script takes is as it is where nobody looks.
    env.git(["checkout", "-q", "params.yaml"]).ok();
    env.hook(["plot", FIRST, "-o", &picture]).ok();
    assert_eq!(env.hook(["plot", FIRST, "-o", &picture]).ok().stdout, format!("{picture}\n"));
}

/// Makes a project a stranger's.
type Put<'a> = &'a dyn Fn(&TestEnv);

/// S18: Parameters, stages, locks, settings and DVC's settings, in commands and in hooks.
#[test]
fn what_tracked_files_say_is_spelled_out() {
    let text = quoted();
    let everything: &[&[&str]] = &[
        &["status"],
        &["status", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["validate"],
        &["log"],
        &["check"],
        &["config", "list"],
        &["push"],
        &["init", "--no-hooks", "--remote", "/nowhere"],
        &["git", "commit", "-q", "-am", "x"],
        &["git", "push", "-q", "origin", "HEAD:refs/heads/x"],
        // The hooks of a checkout and of a merge read what is there.
        &["git", "checkout", "-q", "-f", "-"],
        &["git", "checkout", "-q", "-f", "-"],
    ];
    let env = native();
    // DVC's settings with a control character are refused.
    let odd = "\u{202e}\u{200b}\u{e0041}";
    let remote = format!("[core]\n    remote = x{odd}\n['remote \"x{odd}\"']\n    url = /nowhere/{odd}\n");
    let states: [(&str, Put<'_>); 9] = [
        ("run_dir", &|env| {
            let line = line_of(env, "params.yaml", "run_dir:");
            edit(env, "params.yaml", &line, &format!("  run_dir: \"results/{text}\""));
        }),
        ("out_dir", &|env| {
            let line = line_of(env, "params.yaml", "out_dir:");
            edit(env, "params.yaml", &line, &format!("  out_dir: \"../{text}\""));
        }),
        ("cmd", &|env| edit(env, "dvc.yaml", "cmd: capture-hook ingest", &format!("cmd: \"echo {text}\""))),
        ("lock, stage", &|env| edit(env, "dvc.lock", "stages:\n", &format!("stages:\n  \"{text}\":\n    x: 1\n"))),
        ("lock, run", &|env| {
            edit(env, "dvc.lock", &format!("results/{FIRST}"), &format!("\"results/demo/{text}\""));
        }),
        ("settings, code", &|env| {
            fs::write(env.repo("capture-hook.toml"), format!("[validate]\nignore = [\"{text}\"]\n")).unwrap();
        }),
        ("settings, key", &|env| fs::write(env.repo("capture-hook.toml"), format!("\"{text}\" = 1\n")).unwrap()),
        ("settings, value", &|env| fs::write(env.repo("capture-hook.toml"), format!("engine = \"{text}\"\n")).unwrap()),
        ("remote", &|env| {
            fs::write(env.repo(".dvc/config"), &remote).unwrap();
            fs::remove_file(env.repo(".dvc/config.local")).unwrap();
        }),
    ];
    for (what, put) in states {
        let env = env.copy();
        env.git(["checkout", "-q", "-b", "strange"]).ok();
        put(&env);
        env.git(["-c", "core.hooksPath=/dev/null", "commit", "-q", "-am", "strange"]).ok();
        env.git(["-c", "core.hooksPath=/dev/null", "checkout", "-q", "main"]).ok();
        env.git(["-c", "core.hooksPath=/dev/null", "checkout", "-q", "strange"]).ok();
        fs::write(env.repo("readme.txt"), what).unwrap();
        // Something for pre-commit to look at.
        fs::write(env.repo("params.yaml"), fs::read_to_string(env.repo("params.yaml")).unwrap() + "# x\n").unwrap();
        let output = screens(&env, everything);
        let spelled = if what == "remote" { "x\\u{202e}\\u{200b}\\u{e0041}" } else { "\\u{1b}]0;owned" };
        assert!(output.contains(spelled), "{what}: not shown\n{output}");
    }
}

/// S18: A data version's list of files, branch names, DVC's and git's own words, and what was typed.
#[test]
fn what_lists_branches_and_other_programs_say_is_spelled_out() {
    let mut env = native();
    // A list of files, and a lock that names it.
    let md5 = |bytes: &str| {
        fs::write(env.path("bytes"), bytes).unwrap();
        env.run_in(".", "md5sum", ["bytes"]).ok().stdout[..32].to_owned()
    };
    let path = |name: &str| serde_json::to_string(&format!("demo/r{HIDE}/{name}{STEER}{HIDE}")).unwrap();
    let none = "0".repeat(32);
    let list = format!(
        "[{{\"md5\": \"{none}\", \"relpath\": {}}}, {{\"md5\": \"{none}\", \"relpath\": {}}}]",
        path("a"),
        path("b")
    );
    let name = md5(&list);
    let cache = env.repo(".dvc/cache/files/md5").join(&name[..2]);
    fs::create_dir_all(&cache).unwrap();
    fs::write(cache.join(format!("{}.dir", &name[2..])), &list).unwrap();
    env.git(["checkout", "-q", "-b", &format!("b{HIDE}")]).ok();
    let old = line_of(&env, "dvc.lock", "md5:");
    edit(&env, "dvc.lock", old.trim().trim_start_matches("md5: "), &format!("{name}.dir"));
    let no_hooks = ["-c", "core.hooksPath=/dev/null"];
    env.git([&no_hooks[..], &["commit", "-q", "-am", "list"]].concat()).ok();
    let run = format!("demo/r{HIDE}");
    let typed = format!("x{STEER}{HIDE}");
    let gif = format!("{typed}.gif");
    let output = screens(
        &env,
        &[
            &["log"],
            &["runs"],
            &["show", &run],
            &["get", &run, "-o", "../got"],
            &["verify"],
            &["verify", "--rev", "HEAD"],
            &["status"],
            &["pull"],
            &["pull", &run],
            &["push"],
            &["git", "checkout", "-q", "main"],
            &["git", "checkout", "-q", "-"],
            // What is typed, or pasted.
            &["show", &typed],
            &[&typed],
            &["runs", "--sort", &typed],
            &["--json", "runs", "--sort", &typed],
            &["config", "get", &typed],
            &["config", "set", "push.policy", &typed],
            &["-C", &typed, "status"],
            &["man", &typed],
            &["plot", FIRST, "-o", &gif],
            &["init", "--remote", &format!("s3://u:p@{typed}")],
            &["hook", &typed],
        ],
    );
    shown(&output, SPELLED_HIDE);
    shown(&output, SPELLED);
    // A merge driver names both sides.
    env.git(["checkout", "-q", "-f", "main"]).ok();
    env.git(["checkout", "-q", "-b", &format!("other{HIDE}")]).ok();
    for (key, branch) in [(SECOND, ""), (THIRD, "main")] {
        if !branch.is_empty() {
            env.git(["checkout", "-q", branch]).ok();
        }
        env.select(key);
        env.git([&no_hooks[..], &["commit", "-q", "-am", key]].concat()).ok();
    }
    let merge = ["git", "merge", "-q", "--no-edit", &format!("other{HIDE}")];
    shown(&screens(&env, &[&merge[..]]), &format!("other{SPELLED_HIDE} selects"));
    let _ = env.git(["merge", "--abort"]);
    env.git(["reset", "-q", "--hard"]).ok();
    // So does the strategy for several branches at once; it is a script.
    for branch in ["one", "two"] {
        env.git(["checkout", "-q", "-b", &format!("{branch}{HIDE}$(touch${{IFS}}pwned)"), "main"]).ok();
        fs::write(env.repo("readme.txt"), branch).unwrap();
        env.git([&no_hooks[..], &["commit", "-q", "-am", branch]].concat()).ok();
    }
    env.git(["checkout", "-q", "main"]).ok();
    let [one, two] = ["one", "two"].map(|branch| format!("{branch}{HIDE}$(touch${{IFS}}pwned)"));
    let path = format!("{}/hooks:{}", env!("CARGO_MANIFEST_DIR"), env.get("PATH"));
    env.set("PATH", &path);
    let merge = ["git", "merge", "-q", "-s", "capture-hook", &one, &two];
    shown(&screens(&env, &[&merge[..]]), "merge the branches one at a time: `git merge ");
    // DVC's words on a stage that it does not understand, and the words of the other side of a push.
    env.script("origin.git/hooks/pre-receive", &format!("#!/bin/sh\nprintf '{STEER}{HIDE}\\n' >&2\nexit 1\n"));
    shown(&screens(&env, &[&["publish", SECOND]]), &format!("{SPELLED}{SPELLED_HIDE}"));
    fs::remove_file(env.repo("capture-hook.toml")).unwrap();
    let stage = format!("stages:\n  other:\n    cmd: \"{0}\"\n    \"{0}\": 1\n", quoted());
    edit(&env, "dvc.yaml", "stages:\n", &stage);
    env.select(THIRD);
    env.git(["add", "-A"]).ok();
    shown(&screens(&env, &[&["git", "commit", "-q", "-m", "x"]]), "dvc repro");
}

/// S19: Every character that Python's Unicode calls a control, a format or a separator of lines, and those that change
/// the character before them, in a name.
#[test]
fn no_character_that_is_not_seen_is_printed() {
    let env = native();
    let list = "import sys, unicodedata as u\n\
        odd = [c for c in map(chr, range(1, 0x110000)) if u.category(c) in ('Cc', 'Cf', 'Zl', 'Zp')]\n\
        odd += map(chr, [*range(0xfe00, 0xfe10), *range(0xe0100, 0xe01f0), 0x115f, 0x1160, 0x3164, 0xffa0, 0x34f, 0x17b4, 0x180b])\n\
        sys.stdout.buffer.write(''.join(c for c in odd if c not in '\\n\\r').encode())\n";
    let all = env.run_in(".", "python3", ["-c", list]).ok().stdout;
    assert!(all.chars().count() > 400 && all.contains('\u{e0041}'));
    fs::write(env.path("message"), format!("a{all}z\n")).unwrap();
    env.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    env.git(["tag", "-d", &format!("capture/{FIRST}")]).ok();
    env.git(["-c", "core.hooksPath=/dev/null", "commit", "-q", "--amend", "--cleanup=verbatim", "-F", "../message"])
        .ok();
    let output = screens(&env, &[&["show", FIRST], &["show", "--json", FIRST], &["log", "--json"]]);
    for c in all.chars() {
        assert!(!without_our_own(&output).contains(c), "{c:?}");
        assert!(output.contains(&c.escape_unicode().to_string()), "{c:?}");
    }
    // A sibling: two names that look alike are told apart.
    env.record_as("ok-pypi010", "demo/same\u{2060}");
    env.record_as("ok-pypi010", "demo/same");
    let runs = env.hook(["runs", "--new"]).ok().stdout;
    assert!(runs.contains("demo/same ") && runs.contains("demo/same\\u{2060} "), "{runs}");
    // What we write into git, which prints it as it is.
    env.hook(["select", "demo/same\u{2060}"]).ok();
    env.git(["commit", "-q", "-am", "x"]).ok();
    let output = env.git(["log", "-1", "--format=%B%d"]).ok().stdout;
    assert!(
        output.contains("Capture-Run: demo/same%E2%81%A0\n") && output.contains("capture/demo/same%E2%81%A0"),
        "{output}"
    );
    assert!(env.hook(["show", "capture/demo/same%E2%81%A0"]).ok().stdout.starts_with("demo/same\\u{2060}\n"));
}

/// Removes a step in the middle of a run.
const GAP: &str = "import gzip, pathlib, sys\n\
    path = pathlib.Path(sys.argv[1]) / 'steps.jsonl.gz'\n\
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)\n\
    path.write_bytes(gzip.compress(b''.join(lines[:10] + lines[11:])))\n";

/// S20: What a tracked `validate.ignore` drops is told by everything that tells a verdict, with the file that says so.
#[test]
fn every_verdict_tells_what_settings_ignore() {
    let env = native();
    let manifest = |key: &str| fs::read_to_string(env.repo("data/captures").join(key).join("manifest.json")).unwrap();
    assert!(!manifest(FIRST).contains("ignored"));
    // One run without a manifest of its recorder's, and one with: that one is never rewritten.
    let plume = env.record("ok-orig100");
    for key in [SECOND, plume.as_str()] {
        env.run_in("repo", "python3", ["-c", GAP, &format!("results/{key}")]).ok();
        env.hook(["validate", key]).fails(1);
    }
    let settings = "engine = \"native\"\n[validate]\nignore = [\"step_sequence\"]\n";
    fs::write(env.repo("capture-hook.toml"), settings).unwrap();
    env.git(["commit", "-q", "-am", "settings"]).ok();
    let told = |output: &str, what: &str| {
        assert!(output.contains("ignored step_sequence (once), as capture-hook.toml says"), "{what}:\n{output}");
    };
    for key in [SECOND, plume.as_str()] {
        told(&env.hook(["validate", key]).ok().stdout, "validate");
        let output: serde_json::Value =
            serde_json::from_str(&env.hook(["validate", "--json", key]).ok().stdout).unwrap();
        let first = serde_json::json!({"code": "step_sequence", "count": 1, "by": "capture-hook.toml"});
        assert_eq!(output["runs"][0]["ignored"][0], first, "{output}");
        assert_eq!(output["runs"][0]["ok"], true);
        let output = env.hook(["select", key]).ok().stderr;
        told(&output, "select");
        assert!(output.contains("warning: "), "{output}");
        told(&env.git(["commit", "-q", "-am", key]).ok().stderr, "the commit");
        let output = env.hook(["status"]).ok();
        assert!(output.stdout.contains("(ignored: step_sequence"), "{}", output.stdout);
        told(&output.stderr, "status");
        told(&env.hook(["show", key]).ok().stdout, "show");
        told(&env.hook(["ingest", "--run-dir", &format!("results/{key}")]).ok().stderr, "ingest");
        let output: serde_json::Value = serde_json::from_str(&env.hook(["show", "--json", key]).ok().stdout).unwrap();
        assert_eq!(output["validation"]["ignored"][0], first, "{output}");
        let index = env.repo("data/captures").join(key).join("DATASET_INDEX.json");
        assert!(fs::read_to_string(index).unwrap().contains("\"ignored\""), "{key}");
    }
    assert!(manifest(SECOND).contains("\"ignored\"") && !manifest(&plume).contains("\"ignored\""));
    // History tells it of every commit, as a warning: a team may mean it.
    let output = env.hook(["check"]).ok().stdout;
    told(&output, "check");
    assert_eq!(output.matches("findings_ignored").count(), 2, "{output}");
    env.hook(["check", "--strict"]).fails(1);
    // A clone that has the lists of files and not the files tells what may have been ignored.
    for object in files(&env.repo(".dvc/cache/files")) {
        if object.extension().is_none() {
            fs::remove_file(object).unwrap();
        }
    }
    fs::remove_dir_all(env.repo("data/captures")).unwrap();
    let output = env.hook(["check"]).ok().stdout;
    assert_eq!(
        output
            .matches("ignores step_sequence; this clone lacks the data to check whether the run has such findings")
            .count(),
        2,
        "{output}"
    );
    // A sibling: rows that say they are another run's are nobody's to ignore.
    fs::write(env.repo("capture-hook.toml"), "[validate]\nignore = [\"run_id_mismatch\"]\n").unwrap();
    let output = env.hook(["validate", SECOND]).fails(3).stderr;
    assert!(output.contains("`run_id_mismatch` cannot be ignored"), "{output}");
}

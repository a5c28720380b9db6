//! What a repository calls its runs and tags gets onto a command line as a name alone: in completion, and in the commands
//! of hints.

use std::fs;

use super::native;
use crate::env::{BIN, FIRST, TestEnv};

/// What an interactive shell shows when these lines are typed, a tab for completion in them.
fn typed(env: &TestEnv, shell: &str, lines: &[&str]) -> String {
    let harness = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/in_shells.py");
    let mut args = vec![harness, shell];
    args.extend(lines);
    env.run_in("repo", "python3", args).ok().stdout
}

/// S7: A tag, a run id, an experiment and a path that are shell code are not put onto a command line, in any shell;
/// others are.
#[test]
fn completion_puts_no_name_on_the_command_line_that_a_shell_would_run() {
    let env = TestEnv::committed();
    env.git(["tag", "-m", "x", "capture/odd/$(touch${IFS}one)"]).ok();
    env.git(["tag", "-m", "x", "capture/odder/`touch${IFS}two`"]).ok();
    for key in ["three/x;touch three", "four/$(touch four)", "five&touch five/x", "--force/x", "six/a b"] {
        env.record_as("ok-pypi010", key);
    }
    fs::create_dir_all(env.repo("seven$(touch seven)")).unwrap();
    // The rule, for every shell: what is offered is one plain word.
    let offered = |shell: &str, words: &[&str]| {
        let mut command = env.command(BIN, "repo");
        command.env("COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
        crate::env::run_command(command.arg("--").args(words)).ok().stdout
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        for words in [
            &["capture-hook", "show", ""][..],
            &["capture-hook", "check", ""],
            &["capture-hook", "select", ""],
            &["capture-hook", "runs", "--experiment", ""],
            &["capture-hook", "ingest", "--run-dir", ""],
            &["capture-hook", "-C", ""],
            &["capture-hook", "get", "x", "-o", ""],
        ] {
            let offered = offered(shell, words);
            for word in offered.lines().filter(|line| !line.starts_with('-')) {
                let word = word.split('\t').next().unwrap();
                let plain =
                    |c: char| c.is_ascii_alphanumeric() || "_./-@:".contains(c) || (shell == "zsh" && c == '\\');
                assert!(word.chars().all(plain), "{shell} {words:?}: {word}");
            }
            assert!(!offered.contains("touch") && !offered.contains("--force/"), "{shell} {words:?}: {offered}");
        }
        assert!(offered(shell, &["capture-hook", "show", "nav"]).contains(FIRST), "{shell}");
        assert!(offered(shell, &["capture-hook", "ingest", "--run-dir", "resul"]).contains("results/"), "{shell}");
    }
    // Real shells, ENTER and all.
    let there = |shell: &&str| env.run_in(".", "sh", ["-c", &format!("command -v {shell}")]).code == 0;
    for shell in ["bash", "zsh", "fish"] {
        if !there(&shell) {
            eprintln!("{shell} is not installed: its completion was judged by what it is given, not by what it does");
            continue;
        }
        let set_up = match shell {
            "bash" => "source <(capture-hook completions bash)",
            "zsh" => "autoload -U compinit; compinit -u -D; source <(capture-hook completions zsh)",
            _ => "capture-hook completions fish | source",
        };
        let lines = [
            set_up,
            "capture-hook show capture/odd/\t",
            "capture-hook show capture/odder/\t",
            "capture-hook select three\t",
            "capture-hook select four\t",
            "capture-hook runs --experiment five\t",
            "capture-hook ingest --run-dir seven\t",
            "capture-hook show nav\t",
            "capture-hook plot latest:na\t",
        ];
        let output = typed(&env, shell, &lines);
        for mark in ["one", "two", "three", "four", "five", "seven"] {
            assert!(!env.repo(mark).exists(), "{shell} ran what is called `{mark}`:\n{output}");
        }
        assert!(output.contains(&format!("show {FIRST}")), "{shell} completes nothing:\n{output}");
        // bash takes a colon for the end of a word.
        assert!(output.replace('\\', "").contains("plot latest:nav"), "{shell} completes no experiment:\n{output}");
    }
}

/// S7: A command in a hint does what it says when it is pasted, whatever a repository calls its runs.
#[test]
fn commands_in_hints_are_quoted() {
    let env = native();
    let key = "demo/$(touch pwned);touch${IFS}pwned `touch pwned` 'touch pwned' \"x\"";
    env.record_as("ok-pypi010", key);
    let run = format!("results/{key}");
    let rows = env.repo(&run).join("steps.jsonl.gz");
    fs::write(&rows, &fs::read(&rows).unwrap()[..100]).unwrap();
    let mut hints = 0;
    for line in [
        &["select", key][..],
        &["manifest", key],
        &["get", key],
        &["ingest", "--run-dir", &run],
        &["publish", key, "--no-push"],
        &["pull", key],
        &["plot", key],
        &["status"],
    ] {
        let output = env.hook(line).both();
        for command in output.split("`capture-hook ").skip(1).filter(|rest| rest.contains("touch")) {
            hints += 1;
            let command = quoted_command(command);
            let _ = env.run_in("repo", "sh", ["-c", &format!("capture-hook {command}")]);
            assert!(!env.repo("pwned").exists(), "{line:?}: `capture-hook {command}`\n{output}");
        }
    }
    assert!(hints >= 4, "{hints}");
}

/// What stands before the first backtick that no quote of a shell holds.
fn quoted_command(text: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if !quoted => escaped = true,
            '\'' => quoted = !quoted,
            '`' if !quoted => return &text[..at],
            _ => {}
        }
    }
    panic!("no backtick ends the command: {text}");
}

/// S7: Every command in a message that holds a value quotes it by the one helper.
#[test]
fn no_message_names_a_command_with_an_unquoted_value() {
    fn visit(dir: &std::path::Path, found: &mut Vec<String>, seen: &mut usize) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, found, seen);
                continue;
            }
            // The report's scripts get names quoted; a test runs their commands in a shell.
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            for (at, line) in lines.iter().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
                let spans = line.split('`').skip(1).step_by(2);
                let command = |span: &&str| {
                    let first = span.split(' ').next().unwrap_or_default();
                    ["capture-hook", "git", "dvc", "mv", "ls", "rm", "cp"].contains(&first) && span.contains(' ')
                };
                for span in spans.filter(command) {
                    // A constant of ours, a number, git's placeholder.
                    let value = span.split('{').skip(1).filter_map(|rest| rest.split('}').next()).any(|name| {
                        name.chars().any(|c| c.is_lowercase()) && !["pid"].contains(&name) || name.is_empty()
                    });
                    if value {
                        *seen += 1;
                        let around = &lines[at.saturating_sub(4)..lines.len().min(at + 5)];
                        if !around.iter().any(|line| line.contains("shell_quote(") || line.contains("(shell_quote)")) {
                            found.push(format!("{}:{}: `{span}`", path.display(), at + 1));
                        }
                    }
                }
            }
        }
    }
    let (mut found, mut seen) = (Vec::new(), 0);
    visit(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found, &mut seen);
    assert!(seen > 10 && found.is_empty(), "{seen} seen:\n{}", found.join("\n"));
}

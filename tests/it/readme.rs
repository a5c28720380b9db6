//! The README's commands, typed in its order as a new user types them, with the real programs.
//!
//! Each command must succeed, and print what the README shows, if it shows something (`...` stands for any lines). A
//! section's commands are typed where its reader stands: in a checkout of this repository, in a project with a recorded
//! run, beside a git repository of one's own.
//! Stand-ins: `simulate.py` copies a run that was recorded before; `install.sh` builds as `cargo test` does (`--dev`) and finds
//! DVC and the crates on this machine; the directory `/mnt/lab/captures` is one of the test's.
//! Not checked: `cargo test` (which runs this), installing without crates or DVC at hand (it needs a network), remotes of
//! other kinds, ids and sizes in the output, the tables of costs.

use std::fs;
use std::path::Path;

use crate::docs::{Shown, commands, matches, type_command, wild};
use crate::env::{TestEnv, files};
use crate::install::newcomer;

/// Where a section's commands are typed.
struct Place {
    env: TestEnv,
    dir: String,
}

#[test]
fn a_new_user_types_the_readmes_commands() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let mut typed = 0;
    for (section, shown) in sections(&text) {
        let mut place = place(&section);
        for (at, one) in shown.iter().enumerate() {
            let command = without_comment(&one.command);
            let shown_later = shown[at + 1..].iter().any(|later| later.command == command);
            if command == "cargo test" || one.output.is_empty() && shown_later {
                continue;
            }
            let lab = place.env.path("lab/captures");
            let command = command.replace("/mnt/lab/captures", lab.to_str().unwrap());
            let (code, printed) = type_command(&place.env, &mut place.dir, &command);
            let printed = printed.join("\n");
            assert_eq!(code, 0, "{section}: {command}\n{printed}");
            let expected: Vec<String> = one.output.iter().map(|line| any_size(&wild(line))).collect();
            let lines: Vec<String> = printed.lines().map(str::to_owned).collect();
            assert!(
                one.output.is_empty() || matches(&expected, &lines),
                "{section}: {command}\n--- printed\n{printed}\n--- shown\n{}",
                expected.join("\n")
            );
            typed += 1;
        }
        check_result(&section, &place);
    }
    assert!(typed >= 8, "the README has commands");
}

fn place(section: &str) -> Place {
    match section {
        "Try it" => {
            let env = newcomer();
            let installer = concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh");
            let dir = env.script("checkout/install.sh", &format!("#!/bin/sh\nexec '{installer}' --dev \"$@\"\n"));
            Place { dir: Path::new(&dir).parent().unwrap().to_str().unwrap().to_owned(), env }
        }
        "Six commands" => {
            let env = TestEnv::initialized();
            env.add_origin();
            env.git(["config", "push.followTags", "true"]).ok();
            env.git(["push", "-q", "-u", "origin", "main"]).ok();
            let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/ok-head01");
            let simulate = format!("import shutil\nshutil.copytree({recorded:?}, 'results', dirs_exist_ok=True)\n");
            fs::write(env.repo("simulate.py"), simulate).unwrap();
            Place { env, dir: "repo".into() }
        }
        "Test it" => Place { env: TestEnv::empty(), dir: ".".into() },
        "Set a repository up" => {
            let env = TestEnv::empty();
            fs::create_dir_all(env.path("lab/captures")).unwrap();
            env.git_in(".", ["init", "-q", "my-project"]).ok();
            Place { env, dir: ".".into() }
        }
        _ => panic!("say in tests/it/readme.rs where the commands of \"{section}\" are typed"),
    }
}

/// What the section says of its commands holds.
fn check_result(section: &str, place: &Place) {
    let env = &place.env;
    match section {
        "Six commands" => {
            assert_eq!(env.git_in("origin.git", ["log", "-1", "--format=%s"]).ok().stdout, "Slower agent\n");
            assert!(!files(&env.path("dvc-remote")).is_empty(), "the data went to the DVC remote");
            env.hook(["verify"]).ok();
            assert_eq!(env.id("HEAD"), env.id("main"), "the checkout of the tag is that commit");
        }
        "Set a repository up" => assert_eq!(env.git_in("my-project", ["status", "--porcelain"]).ok().stdout, ""),
        _ => {}
    }
}

/// Each section with the commands of its blocks.
fn sections(text: &str) -> Vec<(String, Vec<Shown>)> {
    let parts = text.trim_start_matches("# ").split("\n## ").map(|part| {
        let heading = part.lines().next().unwrap().to_owned();
        let blocks = part.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        (heading, blocks.flat_map(commands_of).collect())
    });
    parts.filter(|(_, commands): &(_, Vec<_>)| !commands.is_empty()).collect()
}

/// The commands of a block. One that cuts output short with `...` shows one command, whose output has commands in it.
fn commands_of(block: &str) -> Vec<Shown> {
    let mut lines = block.lines().map(str::to_owned);
    if block.lines().any(|line| line == "...") {
        let command = lines.next().unwrap().trim_start_matches("$ ").to_owned();
        return vec![Shown { line: 0, command, output: lines.collect() }];
    }
    commands(&format!("```console\n{block}```"))
}

/// A line with its sizes as wildcards: what the demo records holds the time of day.
fn any_size(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let is_unit = |at: usize| words.get(at).is_some_and(|word| word.ends_with("iB"));
    let words: Vec<&str> = (0..words.len()).map(|at| if is_unit(at + 1) { "[..]" } else { words[at] }).collect();
    words.join(" ")
}

fn without_comment(command: &str) -> &str {
    command.split(" #").next().unwrap().trim_end()
}

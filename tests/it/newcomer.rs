//! A newcomer who knows no command: begins with `capture-hook status`, and types only what the last screen names.
//!
//! A screen names a command after `next:`, or in a hint; `status` is the screen to come back to. What stands for a value of the
//! user's own (`URL`, `BRANCH`) is filled in. The README and the pages of the guide are typed in `readme` and `docs`.

use std::fs;

use insta::assert_snapshot;

use crate::docs::type_command;
use crate::env::{TestEnv, copy_dir, corpus_run};

const STATUS: &str = "capture-hook status";

/// What was typed, and the last screen.
struct Walk {
    typed: Vec<String>,
    last: String,
}

/// Types what the screens name, each command once, until `status` says that there is nothing to do.
fn follow(env: &TestEnv, dir: &str) -> Walk {
    const MOST: usize = 24;
    let mut dir = dir.to_owned();
    let mut typed: Vec<String> = Vec::new();
    let mut screen = look(env, &mut dir);
    while !screen.contains("nothing to do") {
        assert!(typed.len() < MOST, "no end after {typed:#?}\n{screen}");
        let named = named_commands(&screen);
        let Some(command) = named.into_iter().find(|command| !typed.contains(command)) else {
            let again = look(env, &mut dir);
            assert_ne!(again, screen, "a dead end after {typed:#?}");
            screen = again;
            continue;
        };
        let (code, printed) = type_command(env, &mut dir, &filled_in(env, &command));
        assert_eq!(code, 0, "`{command}` is named and fails, after {typed:#?}\n{screen}\n---\n{}", printed.join("\n"));
        typed.push(command);
        screen = printed.join("\n");
    }
    Walk { typed, last: screen }
}

/// The screen of `status`, which may be an error.
fn look(env: &TestEnv, dir: &mut String) -> String {
    type_command(env, dir, STATUS).1.join("\n")
}

/// The commands that a screen names, in its order.
fn named_commands(screen: &str) -> Vec<String> {
    let mut named = Vec::new();
    for line in screen.lines() {
        if let Some(command) = line.strip_prefix("next: ") {
            named.push(command.to_owned());
        } else if line.starts_with("hint: ") {
            named.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    named.retain(|command| ["capture-hook ", "git ", "dvc "].iter().any(|program| command.starts_with(program)));
    named
}

fn filled_in(env: &TestEnv, command: &str) -> String {
    let remote = env.path("dvc-remote");
    command.replace("URL", remote.to_str().unwrap()).replace("BRANCH", "mine").replace('…', "A run")
}

/// A repository of one's own, with a server, a place for data, code and recorded runs.
fn project_of_ones_own() -> TestEnv {
    let env = TestEnv::empty();
    fs::create_dir_all(env.path("dvc-remote")).unwrap();
    env.git_in(".", ["init", "-q", "repo"]).ok();
    env.add_origin();
    fs::write(env.repo("train.py"), "print('trained')\n").unwrap();
    env.git(["add", "train.py"]).ok();
    env.git(["commit", "-qm", "Train"]).ok();
    record(&env, "repo");
    env
}

fn record(env: &TestEnv, dir: &str) {
    for case in ["ok-head01", "ok-orig100"] {
        let (from, key) = corpus_run(case);
        copy_dir(&from, &env.path(dir).join("results").join(key));
    }
}

#[test]
fn status_leads_a_project_with_recorded_runs_to_the_end() {
    let env = project_of_ones_own();
    let walk = follow(&env, "repo");
    assert_snapshot!(walk.typed.join("\n"), @"
    capture-hook init
    git add .dvc .dvcignore .gitattributes .gitignore dvc.yaml params.yaml data/.gitignore && git commit -m 'Set up capture-hook'
    capture-hook select latest
    git commit params.yaml -m '…'
    capture-hook init --remote URL
    git add .dvc && git commit -m 'Set up capture-hook'
    git push --follow-tags -u origin HEAD
    ");
    assert!(walk.last.contains("pushed     yes  data: on the DVC remote; git: pushed"), "{}", walk.last);
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
}

#[test]
fn status_leads_a_project_that_has_dvc_already_to_the_end() {
    let env = project_of_ones_own();
    env.dvc(["init", "-q"]).ok();
    env.dvc(["remote", "add", "-q", "-d", "lab", env.path("dvc-remote").to_str().unwrap()]).ok();
    fs::create_dir(env.repo("data")).unwrap();
    fs::write(env.repo("data/map.csv"), "x,y\n1,2\n").unwrap();
    env.dvc(["add", "-q", "data/map.csv"]).ok();
    env.git(["add", "-A", ".dvc", ".dvcignore", "data"]).ok();
    env.git(["commit", "-qm", "Keep the map with DVC"]).ok();
    env.git(["push", "-q", "-u", "origin", "main"]).ok();
    let walk = follow(&env, "repo");
    assert_snapshot!(walk.typed.join("\n"), @"
    capture-hook init
    git add .gitattributes .gitignore dvc.yaml params.yaml data/.gitignore && git commit -m 'Set up capture-hook'
    capture-hook select latest
    git commit params.yaml -m '…'
    git push --follow-tags
    ");
    assert!(walk.last.contains("pushed     yes  data: on the DVC remote; git: pushed"), "{}", walk.last);
    // What DVC kept before is as it was.
    assert_eq!(fs::read_to_string(env.repo("data/map.csv")).unwrap(), "x,y\n1,2\n");
    env.dvc(["status", "-q"]).ok();
}

#[test]
fn status_leads_a_clone_to_its_data() {
    let env = TestEnv::two_runs();
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    env.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
    let walk = follow(&env, "clone");
    assert_snapshot!(walk.typed.join("\n"), @"
    capture-hook install
    capture-hook pull
    ");
    env.hook_in("clone", ["verify"]).ok();
}

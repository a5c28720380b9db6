//! What an erasure asks before it does anything: the user, and the projects that share the remote or the cache.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::env::{BIN, FIRST, SECOND, TestEnv};
use crate::forget::{object, objects_of};
use crate::gc::objects;
use crate::terminal_children::on_terminal;

const ERASE: [&str; 3] = ["erase", FIRST, "--everywhere"];

fn pushed() -> TestEnv {
    let env = TestEnv::two_versions("copy");
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    env
}

fn with<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&ERASE[..], args].concat()
}

/// All objects of the cache and of the remote, and HEAD.
fn state(env: &TestEnv) -> (BTreeSet<String>, BTreeSet<String>, String) {
    (objects(&env.repo(".dvc/cache")), objects(&env.path("dvc-remote")), env.id("HEAD"))
}

#[test]
fn a_script_says_yes_and_a_person_is_asked() {
    let env = pushed();
    let before = state(&env);
    for args in [&[][..], &["--json"], &["--reason", "by letter"]] {
        let refused = env.hook(with(args)).fails(2);
        let line = format!("`capture-hook erase {FIRST} --everywhere --yes`");
        assert!(
            refused.stderr.contains("no terminal to ask on") && refused.stderr.contains(&line),
            "{}",
            refused.both()
        );
        assert!(state(&env) == before);
    }
    let plan: Value = serde_json::from_str(&env.hook(with(&["--json", "-n"])).ok().stdout).unwrap();
    assert_eq!(plan["done"], false);
    env.hook(with(&["--dry-run", "--yes"])).fails(2);
    // On a terminal: anything but yes is no, and with --json nothing is asked.
    let question = format!("Erase {FIRST} for good? [y/N] ");
    for answer in ["n", "nay", " "] {
        let asked = on_terminal(&env, BIN, &ERASE, &format!("~{question}"), answer).fails(1);
        let (plan, rest) = asked.stdout.split_once(&question).unwrap();
        assert!(plan.contains("on the remote `storage`: ") && rest.contains("nothing was erased"), "{}", asked.stdout);
        assert!(state(&env) == before, "{answer}");
    }
    on_terminal(&env, BIN, &with(&["--json"]), "", "").fails(2);
    let dry = on_terminal(&env, BIN, &with(&["--dry-run"]), "", "").ok();
    assert!(!dry.stdout.contains(&question), "{}", dry.stdout);
    assert!(state(&env) == before);
    let run = objects_of(&env, "HEAD", FIRST);
    let asked = on_terminal(&env, BIN, &ERASE, &format!("~{question}"), "yes").ok();
    assert!(asked.stdout.contains("erased: "), "{}", asked.stdout);
    assert!(!run.iter().any(|md5| object(env.repo(".dvc/cache"), md5).exists()));
    // There is nothing to ask any more.
    env.hook(ERASE).ok();
}

/// A project of its own on the same remote, whose `.dvc` file names objects.
fn add_sister(env: &TestEnv, named: &[&String]) {
    env.git_in(".", ["init", "-q", "sister"]).ok();
    let to = env.path("sister/.dvc");
    fs::create_dir_all(&to).unwrap();
    for file in ["config", "config.local"] {
        let _ = fs::copy(env.repo(".dvc").join(file), to.join(file));
    }
    for md5 in named {
        let text = format!("outs:\n- md5: {md5}\n  hash: md5\n  path: one\n");
        fs::write(env.path(format!("sister/{md5}.dvc")), text).unwrap();
    }
    env.git_in("sister", ["add", "-A"]).ok();
    env.git_in("sister", ["commit", "-q", "-m", "theirs"]).ok();
    env.git(["config", "capture-hook.sister", env.path("sister").to_str().unwrap()]).ok();
}

#[test]
fn what_a_sister_project_needs_stays_and_is_named() {
    let env = pushed();
    let run = objects_of(&env, "HEAD", FIRST);
    let needed: Vec<&String> = run.iter().take(2).collect();
    add_sister(&env, &needed);
    // An older commit of theirs counts, too.
    env.git_in("sister", ["rm", "-q", &format!("{}.dvc", needed[1])]).ok();
    env.git_in("sister", ["commit", "-q", "-m", "one less"]).ok();
    let sister = env.path("sister").to_str().unwrap().to_owned();
    let erased = env.hook(with(&["--yes"])).ok();
    let line = format!("the sister project {sister} needs 2 objects of these runs, which stay");
    assert!(erased.stderr.contains(&line), "{}", erased.both());
    for md5 in &needed {
        assert!(
            erased.stderr.contains(&format!("stays, for the sister project {sister} has it, too: {md5}")),
            "{}",
            erased.both()
        );
    }
    for dir in ["repo/.dvc/cache", "dvc-remote"] {
        let left: Vec<&String> = run.iter().filter(|md5| object(env.path(dir), md5).exists()).collect();
        assert_eq!(left, needed, "{dir}");
    }
    env.hook(["push"]).ok();
    env.hook(["check", "--remote", "--strict"]).ok();
    // Without it, the same command removes the rest, and says so in the record.
    env.git(["config", "capture-hook.sister", "none"]).ok();
    env.hook(with(&["--yes"])).ok();
    env.hook(["check", "--remote", "--strict"]).ok();
    for dir in ["repo/.dvc/cache", "dvc-remote"] {
        assert!(!run.iter().any(|md5| object(env.path(dir), md5).exists()), "{dir}");
    }
}

/// Another clone that shares the cache is named as a sister for `gc`'s sake: the run itself does not keep itself there.
#[test]
fn a_clone_that_is_named_as_sister_keeps_other_runs_alone() {
    let env = pushed();
    env.git_in(".", ["clone", "-q", "origin.git", "sister"]).ok();
    env.git_in("sister", ["fetch", "-q", "--tags"]).ok();
    env.git(["config", "capture-hook.sister", env.path("sister").to_str().unwrap()]).ok();
    fs::copy(env.repo(".dvc/config.local"), env.path("sister/.dvc/config.local")).unwrap();
    // Only there, another output has one of its objects.
    let run = objects_of(&env, "HEAD", FIRST);
    let kept = run.first().unwrap();
    fs::write(env.path("sister/one.dvc"), format!("outs:\n- md5: {kept}\n  hash: md5\n  path: one\n")).unwrap();
    env.hook(with(&["--yes"])).ok();
    let left: Vec<&String> = run.iter().filter(|md5| object(env.path("dvc-remote"), md5).exists()).collect();
    assert_eq!(left, [kept]);
    assert!(objects_of(&env, "HEAD~1", SECOND).iter().all(|md5| object(env.path("dvc-remote"), md5).exists()));
}

#[test]
fn nothing_is_erased_while_it_is_not_known_what_others_need() {
    let env = pushed();
    add_sister(&env, &[]);
    let before = state(&env);
    let refused = |code: i32, parts: &[&str]| {
        let output = env.hook(with(&["--yes"])).fails(code);
        for part in parts {
            assert!(output.stderr.contains(part), "{part}: {}", output.both());
        }
        assert!(state(&env) == before, "{}", output.both());
    };
    let sister = env.path("sister").to_str().unwrap().to_owned();
    let leave_out = format!("git config --unset --fixed-value capture-hook.sister {sister}");
    // A list of theirs that is nowhere.
    let lost = "outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  hash: md5\n  path: models\n";
    fs::write(env.path("sister/models.dvc"), lost).unwrap();
    refused(1, &["it is not known what the sister project", "0123456789abcdef0123456789abcdef.dir", &leave_out]);
    fs::remove_file(env.path("sister/models.dvc")).unwrap();
    // What somebody has pushed to their git, and they have not fetched.
    env.git_in("sister", ["init", "-q", "--bare", "../theirs.git"]).ok();
    env.git_in("sister", ["push", "-q", "../theirs.git", "HEAD"]).ok();
    env.git_in(".", ["clone", "-q", "theirs.git", "colleague"]).ok();
    env.git_in("colleague", ["commit", "-q", "--allow-empty", "-m", "more"]).ok();
    env.git_in("colleague", ["push", "-q"]).ok();
    env.git_in("sister", ["remote", "add", "origin", "../theirs.git"]).ok();
    refused(1, &[&format!("git -C {sister} fetch --tags origin"), &leave_out]);
    env.git_in("sister", ["fetch", "-q"]).ok();
    // The same of our own.
    env.git_in(".", ["clone", "-q", "origin.git", "ours"]).ok();
    env.git_in("ours", ["-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty", "-m", "more"]).ok();
    env.git_in("ours", ["-c", "core.hooksPath=/dev/null", "push", "-q"]).ok();
    refused(1, &["this clone lacks what", "`git fetch --tags origin`"]);
    env.git(["fetch", "-q"]).ok();
    // A shallow clone does not know what its older commits need.
    fs::write(env.repo(".git/shallow"), format!("{}\n", env.id("HEAD~1"))).unwrap();
    refused(3, &["--unshallow"]);
    fs::remove_file(env.repo(".git/shallow")).unwrap();
    env.hook(with(&["--yes"])).ok();
}

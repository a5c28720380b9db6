//! Programs that manage hooks themselves, for real, from the package index: in either order of installing, and with
//! our hooks in their configuration.

use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;

use crate::env::{BIN, FIRST, SECOND, THIRD, TestEnv, files};
use crate::tools;

const EVENTS: [&str; 8] = [
    "pre-commit",
    "prepare-commit-msg",
    "commit-msg",
    "post-commit",
    "post-rewrite",
    "post-checkout",
    "post-merge",
    "pre-push",
];

fn pre_commit() -> PathBuf {
    tools::venv("pre-commit", &["pre-commit==4.3.0"])
}

fn prek() -> PathBuf {
    tools::venv("prek", &["prek==0.5.11"])
}

fn with(env: &mut TestEnv, bin: PathBuf) {
    let path = std::env::join_paths(std::iter::once(bin).chain(env.search_path())).unwrap();
    env.set("PATH", path.to_str().unwrap());
}

fn beside(env: &mut TestEnv, bin: PathBuf, program: &str) {
    with(env, bin);
    let config = "repos:\n- repo: local\n  hooks:\n  - {id: log, name: log, language: system, entry: sh -c 'echo ran >> .git/log', always_run: true, pass_filenames: false}\n";
    fs::write(env.repo(".pre-commit-config.yaml"), config).unwrap();
    env.git(["add", ".pre-commit-config.yaml"]).ok();
    let ran = |env: &TestEnv| fs::read_to_string(env.repo(".git/log")).unwrap_or_default().lines().count();
    env.run_in("repo", program, ["install"]).ok();
    env.commit_run(SECOND);
    assert_eq!((ran(env), env.tags().len()), (1, 2), "they wrote over ours, and call it");
    let output = env.hook(["install"]).ok();
    assert!(output.stderr.contains("pre-commit manages hooks here"), "{}", output.stderr);
    env.commit_run(THIRD);
    assert_eq!((ran(env), env.tags().len()), (2, 3), "ours calls theirs");
    env.assert_committed();
}

/// E11: pre-commit runs beside us, in either order of installing.
#[test]
fn pre_commit_runs_beside_us() {
    TestEnv::committed().case(|env| beside(env, pre_commit(), "pre-commit"));
}

/// E11: prek runs beside us, in either order of installing.
#[test]
fn prek_runs_beside_us() {
    TestEnv::committed().case(|env| beside(env, prek(), "prek"));
}

/// The hooks as this project publishes them, in a repository of their own, listed in a configuration.
fn listed(env: &mut TestEnv, bin: PathBuf, program: &str) {
    with(env, bin);
    env.hook(["uninstall"]).ok();
    env.git_in(".", ["init", "-q", "published"]).ok();
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml");
    fs::copy(published, env.path("published/.pre-commit-hooks.yaml")).unwrap();
    env.git_in("published", ["add", "-A"]).ok();
    env.git_in("published", ["commit", "-q", "-m", "x"]).ok();
    let rev = env.git_in("published", ["rev-parse", "HEAD"]).ok().stdout;
    let hooks: String = EVENTS.iter().map(|event| format!("  - id: capture-hook-{event}\n")).collect();
    let config =
        format!("repos:\n- repo: {}\n  rev: {}\n  hooks:\n{hooks}", env.path("published").display(), rev.trim());
    fs::write(env.repo(".pre-commit-config.yaml"), config).unwrap();
    let types: Vec<String> = EVENTS.iter().flat_map(|event| ["-t".to_owned(), (*event).to_owned()]).collect();
    env.run_in("repo", program, ["install".to_owned()].into_iter().chain(types)).ok();
    env.git(["add", ".pre-commit-config.yaml"]).ok();
    env.git(["commit", "-q", "-m", "their configuration"]).ok();
    all_events(env);
}

/// E11: Our hooks through pre-commit's configuration (.pre-commit-hooks.yaml).
#[test]
fn pre_commit_runs_our_published_hooks() {
    TestEnv::committed().case(|env| listed(env, pre_commit(), "pre-commit"));
}

/// E11: Our hooks through prek's configuration (.pre-commit-hooks.yaml).
#[test]
fn prek_runs_our_published_hooks() {
    TestEnv::committed().case(|env| listed(env, prek(), "prek"));
}

/// A commit, an amend, a checkout, a push: each does what it does with hooks of our own.
fn all_events(env: &TestEnv) {
    env.commit_run(SECOND);
    env.assert_committed();
    assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
    assert_eq!(env.tags().len(), 2);
    env.git(["commit", "-q", "--amend", "-m", "other words"]).ok();
    assert_eq!(env.id(&format!("capture/{SECOND}")), env.id("HEAD"));
    env.git(["checkout", "-q", "HEAD~1"]).ok();
    assert_eq!(env.runs_in("repo"), [FIRST]);
    env.git(["checkout", "-q", "main"]).ok();
    assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
    env.git(["push", "-q", "origin", "main"]).ok();
    assert!(env.ask_dvc(["status", "-c"]).ok().stdout.contains("in sync"));
}

fn lefthook(env: &mut TestEnv, config: &str) {
    with(env, tools::venv("lefthook", &["lefthook==2.2.2"]));
    fs::write(env.repo("lefthook.yml"), config).unwrap();
    env.git(["add", "lefthook.yml"]).ok();
    env.git(["commit", "-q", "-m", "lefthook"]).ok();
}

/// E11: lefthook runs beside us; if it was installed after us, `doctor` says so and `install` repairs it.
#[test]
fn lefthook_runs_beside_us() {
    TestEnv::committed().case(|env| {
        let job = |event: &str| format!("{event}:\n  commands:\n    log:\n      run: echo {event} >> .git/log\n");
        lefthook(env, &EVENTS.map(job).concat());
        let ran = |env: &TestEnv| fs::read_to_string(env.repo(".git/log")).unwrap_or_default();
        // It puts aside what it finds, and does not call it.
        env.run_in("repo", "lefthook", ["install"]).ok();
        let output = env.hook(["doctor"]).fails(1);
        assert!(output.both().contains("another hook, which does not call capture-hook"), "{}", output.both());
        let output = env.hook(["install"]).ok();
        assert_snapshot!(env.screen(&output), @"
        wrote to [env]/repo/.git/hooks: pre-commit, prepare-commit-msg, commit-msg, post-commit, post-rewrite, post-checkout, post-merge, pre-push
        kept the existing hooks, which still run: pre-commit, prepare-commit-msg, commit-msg, post-commit, post-rewrite, post-checkout, post-merge, pre-push
        hint: lefthook manages hooks here: run `capture-hook install` again after `lefthook install`, or list `capture-hook hook NAME {0}` in lefthook.yml
        ");
        all_events(env);
        for event in ["pre-commit", "prepare-commit-msg", "post-commit", "post-rewrite", "post-checkout", "pre-push"] {
            assert!(ran(env).contains(event), "{event}");
        }
        // Before us, it is chained as any other.
        env.hook(["uninstall"]).ok();
        fs::remove_file(env.repo(".git/log")).unwrap();
        env.run_in("repo", "lefthook", ["install", "--force"]).ok();
        env.hook(["install"]).ok();
        env.commit_run(THIRD);
        assert_eq!((ran(env).matches("pre-commit").count(), env.tags().len()), (1, 3));
    });
}

/// E11: Our hooks through lefthook's configuration, as the guide lists them.
#[test]
fn lefthook_runs_our_hooks_as_the_guide_lists_them() {
    TestEnv::committed().case(|env| {
        env.hook(["uninstall"]).ok();
        // As the guide has it.
        let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pre-commit.md")).unwrap();
        let (_, rest) = guide.split_once("# lefthook.yml\n").expect("the guide shows a lefthook.yml");
        lefthook(env, rest.split("```").next().unwrap());
        env.run_in("repo", "lefthook", ["install"]).ok();
        all_events(env);
    });
}

/// The stub that husky 9 writes for every event: it goes by the name it is called by.
const HUSKY: &str = "#!/usr/bin/env sh\n. \"$(dirname \"$0\")/h\"";

/// husky's own directory, as husky 9 writes it.
fn write_husky(env: &TestEnv) {
    let runner = "#!/usr/bin/env sh\nn=$(basename \"$0\")\ns=$(dirname \"$(dirname \"$0\")\")/$n\n\
                  [ ! -f \"$s\" ] && exit 0\nsh -e \"$s\" \"$@\"\nexit $?\n";
    env.script("repo/.husky/_/h", runner);
    for event in EVENTS {
        env.script(&format!("repo/.husky/_/{event}"), HUSKY);
    }
}

/// E11: husky's directory in `core.hooksPath`.
#[test]
fn husky_runs_beside_us() {
    TestEnv::committed().case(|env| {
        env.hook(["uninstall"]).ok();
        env.git(["config", "core.hooksPath", ".husky/_"]).ok();
        write_husky(env);
        env.script("repo/.husky/pre-commit", "echo ran >> log\n");
        env.script("repo/.husky/pre-push", "cat > pushed\n");
        let output = env.hook(["install"]).ok();
        assert_snapshot!(env.screen(&output), @r#"
        wrote to [env]/repo/.husky/_: pre-commit, prepare-commit-msg, commit-msg, post-commit, post-rewrite, post-checkout, post-merge, pre-push
        kept the existing hooks, which still run: pre-commit, prepare-commit-msg, commit-msg, post-commit, post-rewrite, post-checkout, post-merge, pre-push
        set up the merge drivers in .git/config
        hint: husky manages hooks here: run `capture-hook install` again after husky, or add `capture-hook hook NAME "$@"` to .husky/NAME
        "#);
        env.commit_run(SECOND);
        assert_eq!(fs::read_to_string(env.repo("log")).unwrap(), "ran\n");
        assert_eq!(env.tags().len(), 2);
        env.git_in(".", ["init", "-q", "--bare", "husky.git"]).ok();
        env.git(["push", "-q", "../husky.git", "HEAD"]).ok();
        assert!(fs::read_to_string(env.repo("pushed")).unwrap().contains("HEAD"));
        // husky writes its own again at each `npm install`; ours go back as often as need be.
        write_husky(env);
        env.hook(["install"]).ok();
        env.git(["commit", "-q", "--allow-empty", "-m", "again"]).ok();
        assert_eq!(fs::read_to_string(env.repo("log")).unwrap(), "ran\nran\n");
        env.hook(["uninstall"]).ok();
        assert_eq!(fs::read_to_string(env.repo(".husky/_/pre-commit")).unwrap(), HUSKY);
    });
}

/// A hook manager that a test installs.
trait Installs {
    /// Puts its program and its configuration, which logs each pre-commit in `.git/log`, into the environment.
    fn prepare(&self, env: &mut TestEnv);
    /// Installs its hooks, as its users do, however often.
    fn install(&self, env: &TestEnv);
    /// Whether it calls a hook of ours that it finds.
    fn calls_what_it_finds(&self) -> bool;
}

struct Framework {
    bin: fn() -> PathBuf,
    program: &'static str,
}

impl Installs for Framework {
    fn prepare(&self, env: &mut TestEnv) {
        with(env, (self.bin)());
        let hook = |event: &str| {
            format!(
                "  - {{id: {event}, name: {event}, language: system, stages: [{event}], entry: sh -c 'echo {event} >> .git/log', always_run: true, pass_filenames: false}}\n"
            )
        };
        let hooks = [hook("pre-commit"), hook("pre-push")].concat();
        fs::write(env.repo(".pre-commit-config.yaml"), format!("repos:\n- repo: local\n  hooks:\n{hooks}")).unwrap();
    }

    fn install(&self, env: &TestEnv) {
        env.run_in("repo", self.program, ["install", "-t", "pre-commit", "-t", "pre-push"]).ok();
    }

    fn calls_what_it_finds(&self) -> bool {
        true
    }
}

struct Lefthook;

impl Installs for Lefthook {
    fn prepare(&self, env: &mut TestEnv) {
        with(env, tools::venv("lefthook", &["lefthook==2.2.2"]));
        let job = |event: &str| format!("{event}:\n  commands: {{log: {{run: echo {event} >> .git/log}}}}\n");
        fs::write(env.repo("lefthook.yml"), ["pre-commit", "pre-push"].map(job).concat()).unwrap();
    }

    fn install(&self, env: &TestEnv) {
        env.run_in("repo", "lefthook", ["install"]).ok();
    }

    fn calls_what_it_finds(&self) -> bool {
        false
    }
}

struct Husky;

impl Installs for Husky {
    fn prepare(&self, env: &mut TestEnv) {
        for event in ["pre-commit", "pre-push"] {
            env.script(&format!("repo/.husky/{event}"), &format!("echo {event} >> .git/log\n"));
        }
    }

    fn install(&self, env: &TestEnv) {
        env.git(["config", "core.hooksPath", ".husky/_"]).ok();
        write_husky(env);
    }

    fn calls_what_it_finds(&self) -> bool {
        false
    }
}

/// All orders of three installations in which we are, and a longer one; `P` is the manager's, `C` ours.
const ORDERS: [&str; 8] = ["PPC", "PCP", "PCC", "CPP", "CPC", "CCP", "CPCP", "PCPC"];

fn in_every_order(env: &mut TestEnv, manager: &dyn Installs) {
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    manager.prepare(env);
    env.git(["add", "-A"]).ok();
    env.git(["commit", "-q", "-m", "a hook manager"]).ok();
    for (at, order) in ORDERS.iter().enumerate() {
        for dir in [".git/hooks", ".husky/_"] {
            let _ = fs::remove_dir_all(env.repo(dir));
        }
        let _ = env.git(["config", "--unset", "core.hooksPath"]);
        for step in order.chars() {
            match step {
                'P' => manager.install(env),
                _ => drop(env.hook(["install"]).ok()),
            }
        }
        if order.ends_with('P') && !manager.calls_what_it_finds() {
            let output = env.hook(["doctor"]).fails(1);
            assert!(output.stdout.contains("another hook, which does not call"), "{order}: {}", output.both());
            env.hook(["install"]).ok();
        }
        let output = env.hook(["doctor"]).ok();
        assert!(!output.stdout.contains("fix: capture-hook install"), "{order}: {}", output.both());
        once_each(env, order, &format!("order/r{at}"));
    }
}

/// E11, E13: pre-commit and capture-hook, installed in every order: everything runs once.
#[test]
fn pre_commit_in_every_order_runs_everything_once() {
    TestEnv::committed().case(|env| in_every_order(env, &Framework { bin: pre_commit, program: "pre-commit" }));
}

/// E11, E13: prek and capture-hook, installed in every order: everything runs once.
#[test]
fn prek_in_every_order_runs_everything_once() {
    TestEnv::committed().case(|env| in_every_order(env, &Framework { bin: prek, program: "prek" }));
}

/// E11, E13: lefthook and capture-hook, installed in every order: `doctor` says if it is in front, else everything runs
/// once.
#[test]
fn lefthook_in_every_order_runs_everything_once() {
    TestEnv::committed().case(|env| in_every_order(env, &Lefthook));
}

/// E11, E13: husky and capture-hook, installed in every order: `doctor` says if it is in front, else everything runs
/// once.
#[test]
fn husky_in_every_order_runs_everything_once() {
    TestEnv::committed().case(|env| in_every_order(env, &Husky));
}

/// A commit of a new run and a push: the run is ingested, named and tagged, its data sent, the manager's own hooks ran
/// once.
fn once_each(env: &TestEnv, order: &str, key: &str) {
    let log = env.repo(".git/log");
    let _ = fs::remove_file(&log);
    env.record_as("ok-pypi010", key);
    env.select(key);
    let output = env.git(["commit", "-q", "-am", key]);
    assert_eq!(output.code, 0, "{order}: {}", output.both());
    assert_eq!(env.trailer("HEAD", "Capture-Run"), [key], "{order}");
    assert_eq!(env.id(&format!("capture/{key}")), env.id("HEAD"), "{order}");
    let sent = || files(&env.path("dvc-remote")).len();
    let before = sent();
    let output = env.git(["push", "-q", "origin", "main"]);
    assert_eq!(output.code, 0, "{order}: {}", output.both());
    assert!(sent() > before, "{order}: no data was sent\n{}", output.both());
    assert_eq!(fs::read_to_string(&log).unwrap(), "pre-commit\npre-push\n", "{order}");
}

/// The shim as it was before it saw that pre-commit calls it.
fn made_older(shim: &Path) {
    let text = fs::read_to_string(shim).unwrap();
    fs::write(shim, text.replace("_RUNNING_LEGACY", "_NOTHING")).unwrap();
}

/// E11, E13: An older shim and pre-commit call each other: `doctor` says so, and `install` ends it.
#[test]
fn install_ends_the_loop_of_an_older_shim() {
    TestEnv::committed().case(|env| {
        let manager = Framework { bin: pre_commit, program: "pre-commit" };
        manager.prepare(env);
        fs::remove_dir_all(env.repo(".git/hooks")).unwrap();
        manager.install(env);
        env.hook(["install"]).ok();
        manager.install(env);
        for event in ["pre-commit", "pre-push"] {
            made_older(&env.repo(format!(".git/hooks/{event}.legacy")));
        }
        env.git(["add", ".pre-commit-config.yaml"]).ok();
        let output = env.git(["commit", "-q", "-m", "x"]).fails(1);
        assert!(output.stderr.contains("migration mode"), "{}", output.stderr);
        let output = env.hook(["doctor"]).fails(1);
        for words in ["every commit fails now", "every push fails now", "fix: capture-hook install"] {
            assert!(output.stdout.contains(words), "no {words:?} in\n{}", output.stdout);
        }
        env.hook(["install"]).ok();
        once_each(env, "PCP with an older shim, then C", "order/older");
    });
}

/// E11, E13: pre-commit and prek are gone, their scripts are not: `doctor` says what fails.
#[test]
fn doctor_names_scripts_whose_program_is_gone() {
    TestEnv::committed().case(|env| {
        let path = env.get("PATH");
        let pre_commit = Framework { bin: pre_commit, program: "pre-commit" };
        let prek = Framework { bin: prek, program: "prek" };
        for (manager, line) in [(pre_commit, "INSTALL_PYTHON="), (prek, "PREK=")] {
            let program = manager.program;
            fs::remove_dir_all(env.repo(".git/hooks")).unwrap();
            manager.prepare(env);
            manager.install(env);
            env.hook(["install"]).ok();
            assert!(!env.hook(["doctor"]).both().contains("fails now"), "{program}");
            let kept = env.repo(".git/hooks/pre-commit.capture-hook-chained");
            let text = fs::read_to_string(&kept).unwrap();
            let at = text.lines().find(|have| have.starts_with(line)).unwrap();
            fs::write(&kept, text.replace(at, &format!("{line}/gone/{program}"))).unwrap();
            // As long as there is one on PATH, it serves.
            assert!(!env.hook(["doctor"]).both().contains("fails now"), "{program}");
            env.set("PATH", &path);
            let output = env.hook(["doctor"]).fails(1);
            let words = format!("a script starts /gone/{program}, which does not exist: every commit fails now");
            assert!(output.stdout.contains(&words), "{}", output.stdout);
            assert_ne!(env.git(["commit", "-q", "--allow-empty", "-m", "x"]).code, 0, "{program}");
            fs::remove_file(&kept).unwrap();
            env.git(["commit", "-q", "--allow-empty", "-m", "x"]).ok();
        }
    });
}

/// E11, E13: A hook of one's own, capture-hook and pre-commit: `install` and `uninstall` keep all.
#[test]
fn install_and_uninstall_keep_a_hook_of_ones_own() {
    TestEnv::committed().case(|env| {
        let manager = Framework { bin: pre_commit, program: "pre-commit" };
        manager.prepare(env);
        fs::remove_dir_all(env.repo(".git/hooks")).unwrap();
        let own = env.script("repo/.git/hooks/pre-commit", "#!/bin/sh\necho own >> .git/own\n");
        env.hook(["install"]).ok();
        manager.install(env);
        once_each(env, "own, C, P", "order/one");
        env.hook(["install"]).ok();
        once_each(env, "own, C, P, C", "order/two");
        manager.install(env);
        once_each(env, "own, C, P, C, P", "order/three");
        assert_eq!(fs::read_to_string(env.repo(".git/own")).unwrap(), "own\n".repeat(3));
        env.hook(["uninstall"]).ok();
        let left: Vec<_> = files(&env.repo(".git/hooks"))
            .into_iter()
            .filter(|file| fs::read_to_string(file).unwrap().contains("capture-hook"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
        // What is left is pre-commit, and the hook of one's own as the one that it calls.
        assert!(fs::read_to_string(&own).unwrap().contains("generated by pre-commit"));
        env.git(["commit", "-q", "--allow-empty", "-m", "x"]).ok();
        assert_eq!(fs::read_to_string(env.repo(".git/own")).unwrap(), "own\n".repeat(4));
    });
}

/// E11, E13: `pre-commit install -f` drops our pre-commit hook, and the next commit says so.
#[test]
fn a_dropped_pre_commit_hook_is_reported() {
    TestEnv::committed().case(|env| {
        let manager = Framework { bin: pre_commit, program: "pre-commit" };
        manager.prepare(env);
        env.run_in("repo", "pre-commit", ["install", "-f"]).ok();
        env.select(SECOND);
        env.git(["add", ".pre-commit-config.yaml"]).ok();
        let output = env.git(["commit", "-q", "-am", "x"]).ok();
        assert_snapshot!(env.screen(&output), @"
        pre-commit...............................................................Passed
        warning: the commit selects results/demo/run-20260105-041 but does not hold its data: the pre-commit hook did not run
        hint: commit it: `capture-hook publish results/demo/run-20260105-041`
        hint: find out why: `capture-hook doctor`
        ");
        let output = env.git(["commit", "-q", "--allow-empty", "-m", "code"]).ok();
        assert_snapshot!(env.screen(&output), @"pre-commit...............................................................Passed");
        env.hook(["install"]).ok();
        env.hook(["publish", "--no-push", SECOND]).ok();
        assert_eq!(env.tags().len(), 2);
        env.assert_committed();
    });
}

/// E9, E11: Every event twice, as a hook of git's configuration and one of the directory, does everything once.
#[test]
fn every_event_twice_does_everything_once() {
    TestEnv::committed().case(|env| {
        // What git's own configuration runs comes before the directory's hook; a chained hook stands in for it here.
        for event in EVENTS {
            let path = format!("repo/.git/hooks/{event}.capture-hook-chained");
            env.script(&path, &format!("#!/bin/sh\nexec '{BIN}' hook {event} \"$@\"\n"));
        }
        all_events(env);
        let body = env.git(["log", "-1", "--format=%B"]).ok().stdout;
        assert_eq!(body.matches("Capture-Run:").count(), 1, "{body}");
        env.git(["checkout", "-q", "-b", "topic", "HEAD~1"]).ok();
        env.commit_run(THIRD);
        env.git(["merge", "-q", "--no-edit", "main"]).ok();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD]);
        env.git(["rebase", "-q", "main"]).ok();
        assert_eq!(env.tags().len(), 3);
        env.assert_committed();
    });
}

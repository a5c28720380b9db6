//! Programs that manage hooks themselves, for real, from the package index: in either order of installing, and with our hooks
//! in their configuration.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Case, FIRST, SECOND, THIRD, clean, commit_run, id, runs_in, script, tags, trailer};
use crate::hooks::select;
use crate::tools;
use crate::world::{BIN, World, files};

pub const CASES: &[Case] = &[
    Case {
        line: "pre-commit runs beside us, in either order of installing",
        run: |w| beside(w, pre_commit(), "pre-commit"),
    },
    Case { line: "prek runs beside us, in either order of installing", run: |w| beside(w, prek(), "prek") },
    Case {
        line: "our hooks through pre-commit's configuration (.pre-commit-hooks.yaml)",
        run: |w| listed(w, pre_commit(), "pre-commit"),
    },
    Case {
        line: "our hooks through prek's configuration (.pre-commit-hooks.yaml)",
        run: |w| listed(w, prek(), "prek"),
    },
    Case { line: "lefthook runs beside us; installed after us it is told, and mended", run: lefthook_beside },
    Case { line: "our hooks through lefthook's configuration", run: lefthook_listed },
    Case { line: "husky's directory in core.hooksPath", run: husky },
    Case {
        line: "pre-commit and us, installed in every order: everything once",
        run: |w| in_every_order(w, &Framework { bin: pre_commit, program: "pre-commit" }),
    },
    Case {
        line: "prek and us, installed in every order: everything once",
        run: |w| in_every_order(w, &Framework { bin: prek, program: "prek" }),
    },
    Case {
        line: "lefthook and us, installed in every order: told when it is in front, else everything once",
        run: |w| in_every_order(w, &Lefthook),
    },
    Case {
        line: "husky and us, installed in every order: told when it is in front, else everything once",
        run: |w| in_every_order(w, &Husky),
    },
    Case { line: "an older shim and pre-commit call each other: doctor says it, install mends it", run: older_loop },
    Case { line: "pre-commit and prek are gone, their scripts are not: doctor says what fails", run: gone },
    Case { line: "a hook of one's own, capture-hook, pre-commit: install and uninstall keep all", run: own_hook },
    Case { line: "pre-commit install -f drops our pre-commit hook: the commit tells", run: forced },
    Case {
        line: "every event twice, as hooks of git's configuration and of the directory: everything once",
        run: twice,
    },
];

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

fn with(world: &mut World, bin: PathBuf) {
    let path = std::env::join_paths(std::iter::once(bin).chain(world.search_path())).unwrap();
    world.set("PATH", path.to_str().unwrap());
}

fn beside(mut world: World, bin: PathBuf, program: &str) {
    with(&mut world, bin);
    let config = "repos:\n- repo: local\n  hooks:\n  - {id: log, name: log, language: system, entry: sh -c 'echo ran >> .git/log', always_run: true, pass_filenames: false}\n";
    fs::write(world.repo(".pre-commit-config.yaml"), config).unwrap();
    world.git(["add", ".pre-commit-config.yaml"]).ok();
    let ran = |world: &World| fs::read_to_string(world.repo(".git/log")).unwrap_or_default().lines().count();
    world.run_in("repo", program, ["install"]).ok();
    commit_run(&world, SECOND);
    assert_eq!((ran(&world), tags(&world).len()), (1, 2), "they wrote over ours, and call it");
    let said = world.hook(["install"]).ok();
    assert!(said.err.contains("pre-commit manages hooks here"), "{}", said.err);
    commit_run(&world, THIRD);
    assert_eq!((ran(&world), tags(&world).len()), (2, 3), "ours calls theirs");
    clean(&world);
}

/// The hooks as this project publishes them, in a repository of their own, listed in a configuration.
fn listed(mut world: World, bin: PathBuf, program: &str) {
    with(&mut world, bin);
    world.hook(["uninstall"]).ok();
    world.git_in(".", ["init", "-q", "published"]).ok();
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml");
    fs::copy(published, world.path("published/.pre-commit-hooks.yaml")).unwrap();
    world.git_in("published", ["add", "-A"]).ok();
    world.git_in("published", ["commit", "-q", "-m", "x"]).ok();
    let rev = world.git_in("published", ["rev-parse", "HEAD"]).ok().out;
    let hooks: String = EVENTS.iter().map(|event| format!("  - id: capture-hook-{event}\n")).collect();
    let config =
        format!("repos:\n- repo: {}\n  rev: {}\n  hooks:\n{hooks}", world.path("published").display(), rev.trim());
    fs::write(world.repo(".pre-commit-config.yaml"), config).unwrap();
    let types: Vec<String> = EVENTS.iter().flat_map(|event| ["-t".to_owned(), (*event).to_owned()]).collect();
    world.run_in("repo", program, ["install".to_owned()].into_iter().chain(types)).ok();
    world.git(["add", ".pre-commit-config.yaml"]).ok();
    world.git(["commit", "-q", "-m", "their configuration"]).ok();
    all_events(&world);
}

/// A commit, an amend, a checkout, a push: each does what it does with hooks of our own.
fn all_events(world: &World) {
    commit_run(world, SECOND);
    clean(world);
    assert_eq!(trailer(world, "HEAD", "Capture-Run"), [SECOND]);
    assert_eq!(tags(world).len(), 2);
    world.git(["commit", "-q", "--amend", "-m", "other words"]).ok();
    assert_eq!(id(world, &format!("capture/{SECOND}")), id(world, "HEAD"));
    world.git(["checkout", "-q", "HEAD~1"]).ok();
    assert_eq!(runs_in(world, "repo"), [FIRST]);
    world.git(["checkout", "-q", "main"]).ok();
    assert_eq!(runs_in(world, "repo"), [SECOND, FIRST]);
    world.git(["push", "-q", "origin", "main"]).ok();
    assert!(world.dvc(["status", "-c"]).ok().out.contains("in sync"));
}

fn lefthook(world: &mut World, config: &str) {
    with(world, tools::venv("lefthook", &["lefthook==2.2.2"]));
    fs::write(world.repo("lefthook.yml"), config).unwrap();
    world.git(["add", "lefthook.yml"]).ok();
    world.git(["commit", "-q", "-m", "lefthook"]).ok();
}

fn lefthook_beside(mut world: World) {
    let job = |event: &str| format!("{event}:\n  commands:\n    log:\n      run: echo {event} >> .git/log\n");
    lefthook(&mut world, &EVENTS.map(job).concat());
    let ran = |world: &World| fs::read_to_string(world.repo(".git/log")).unwrap_or_default();
    // It puts aside what it finds, and does not call it.
    world.run_in("repo", "lefthook", ["install"]).ok();
    let said = world.hook(["doctor"]).fails(1);
    assert!(said.all().contains("another hook, which does not call capture-hook"), "{}", said.all());
    let said = world.hook(["install"]).ok();
    assert!(said.err.contains("lefthook manages hooks here"), "{}", said.err);
    all_events(&world);
    for event in ["pre-commit", "prepare-commit-msg", "post-commit", "post-rewrite", "post-checkout", "pre-push"] {
        assert!(ran(&world).contains(event), "{event}");
    }
    // Before us, it is chained as any other.
    world.hook(["uninstall"]).ok();
    fs::remove_file(world.repo(".git/log")).unwrap();
    world.run_in("repo", "lefthook", ["install", "--force"]).ok();
    world.hook(["install"]).ok();
    commit_run(&world, THIRD);
    assert_eq!((ran(&world).matches("pre-commit").count(), tags(&world).len()), (1, 3));
}

fn lefthook_listed(mut world: World) {
    world.hook(["uninstall"]).ok();
    // As the guide has it.
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pre-commit.md")).unwrap();
    let (_, rest) = guide.split_once("# lefthook.yml\n").expect("the guide shows a lefthook.yml");
    lefthook(&mut world, rest.split("```").next().unwrap());
    world.run_in("repo", "lefthook", ["install"]).ok();
    all_events(&world);
}

/// The stub that husky 9 writes for every event: it goes by the name it is called by.
const HUSKY: &str = "#!/usr/bin/env sh\n. \"$(dirname \"$0\")/h\"";

/// husky's own directory, as husky 9 writes it.
fn write_husky(world: &World) {
    let runner = "#!/usr/bin/env sh\nn=$(basename \"$0\")\ns=$(dirname \"$(dirname \"$0\")\")/$n\n\
                  [ ! -f \"$s\" ] && exit 0\nsh -e \"$s\" \"$@\"\nexit $?\n";
    script(world, "repo/.husky/_/h", runner);
    for event in EVENTS {
        script(world, &format!("repo/.husky/_/{event}"), HUSKY);
    }
}

fn husky(world: World) {
    world.hook(["uninstall"]).ok();
    world.git(["config", "core.hooksPath", ".husky/_"]).ok();
    write_husky(&world);
    script(&world, "repo/.husky/pre-commit", "echo ran >> log\n");
    script(&world, "repo/.husky/pre-push", "cat > pushed\n");
    let said = world.hook(["install"]).ok();
    assert!(said.err.contains("husky"), "{}", said.err);
    commit_run(&world, SECOND);
    assert_eq!(fs::read_to_string(world.repo("log")).unwrap(), "ran\n");
    assert_eq!(tags(&world).len(), 2);
    world.git_in(".", ["init", "-q", "--bare", "husky.git"]).ok();
    world.git(["push", "-q", "../husky.git", "HEAD"]).ok();
    assert!(fs::read_to_string(world.repo("pushed")).unwrap().contains("HEAD"));
    // husky writes its own again at each `npm install`; ours go back as often as need be.
    write_husky(&world);
    world.hook(["install"]).ok();
    world.git(["commit", "-q", "--allow-empty", "-m", "again"]).ok();
    assert_eq!(fs::read_to_string(world.repo("log")).unwrap(), "ran\nran\n");
    world.hook(["uninstall"]).ok();
    assert_eq!(fs::read_to_string(world.repo(".husky/_/pre-commit")).unwrap(), HUSKY);
}

/// A hook manager that a test installs.
trait Installs {
    /// Puts its program and its configuration, which logs each pre-commit in `.git/log`, into the world.
    fn prepare(&self, world: &mut World);
    /// Installs its hooks, as its users do, however often.
    fn install(&self, world: &World);
    /// Whether it calls a hook of ours that it finds.
    fn calls_what_it_finds(&self) -> bool;
}

struct Framework {
    bin: fn() -> PathBuf,
    program: &'static str,
}

impl Installs for Framework {
    fn prepare(&self, world: &mut World) {
        with(world, (self.bin)());
        let hook = |event: &str| {
            format!(
                "  - {{id: {event}, name: {event}, language: system, stages: [{event}], entry: sh -c 'echo {event} >> .git/log', always_run: true, pass_filenames: false}}\n"
            )
        };
        let hooks = [hook("pre-commit"), hook("pre-push")].concat();
        fs::write(world.repo(".pre-commit-config.yaml"), format!("repos:\n- repo: local\n  hooks:\n{hooks}")).unwrap();
    }

    fn install(&self, world: &World) {
        world.run_in("repo", self.program, ["install", "-t", "pre-commit", "-t", "pre-push"]).ok();
    }

    fn calls_what_it_finds(&self) -> bool {
        true
    }
}

struct Lefthook;

impl Installs for Lefthook {
    fn prepare(&self, world: &mut World) {
        with(world, tools::venv("lefthook", &["lefthook==2.2.2"]));
        let job = |event: &str| format!("{event}:\n  commands: {{log: {{run: echo {event} >> .git/log}}}}\n");
        fs::write(world.repo("lefthook.yml"), ["pre-commit", "pre-push"].map(job).concat()).unwrap();
    }

    fn install(&self, world: &World) {
        world.run_in("repo", "lefthook", ["install"]).ok();
    }

    fn calls_what_it_finds(&self) -> bool {
        false
    }
}

struct Husky;

impl Installs for Husky {
    fn prepare(&self, world: &mut World) {
        for event in ["pre-commit", "pre-push"] {
            script(world, &format!("repo/.husky/{event}"), &format!("echo {event} >> .git/log\n"));
        }
    }

    fn install(&self, world: &World) {
        world.git(["config", "core.hooksPath", ".husky/_"]).ok();
        write_husky(world);
    }

    fn calls_what_it_finds(&self) -> bool {
        false
    }
}

/// All orders of three installations in which we are, and a longer one; `P` is the manager's, `C` ours.
const ORDERS: [&str; 8] = ["PPC", "PCP", "PCC", "CPP", "CPC", "CCP", "CPCP", "PCPC"];

fn in_every_order(mut world: World, manager: &dyn Installs) {
    fs::write(world.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    manager.prepare(&mut world);
    world.git(["add", "-A"]).ok();
    world.git(["commit", "-q", "-m", "a hook manager"]).ok();
    for (at, order) in ORDERS.iter().enumerate() {
        for dir in [".git/hooks", ".husky/_"] {
            let _ = fs::remove_dir_all(world.repo(dir));
        }
        let _ = world.git(["config", "--unset", "core.hooksPath"]);
        for step in order.chars() {
            match step {
                'P' => manager.install(&world),
                _ => drop(world.hook(["install"]).ok()),
            }
        }
        if order.ends_with('P') && !manager.calls_what_it_finds() {
            let said = world.hook(["doctor"]).fails(1);
            assert!(
                said.out.contains("pre-commit         another hook, which does not call"),
                "{order}: {}",
                said.all()
            );
            world.hook(["install"]).ok();
        }
        let said = world.hook(["doctor"]).ok();
        assert!(!said.out.contains("mend: capture-hook install"), "{order}: {}", said.all());
        once_each(&world, order, &format!("order/r{at}"));
    }
}

/// A commit of a new run and a push: the run is ingested, named and tagged, its data sent, the manager's own hooks ran once.
fn once_each(world: &World, order: &str, key: &str) {
    let log = world.repo(".git/log");
    let _ = fs::remove_file(&log);
    world.record_as("ok-pypi010", key);
    select(world, key);
    let said = world.git(["commit", "-q", "-am", key]);
    assert_eq!(said.code, 0, "{order}: {}", said.all());
    assert_eq!(trailer(world, "HEAD", "Capture-Run"), [key], "{order}");
    assert_eq!(id(world, &format!("capture/{key}")), id(world, "HEAD"), "{order}");
    let sent = || files(&world.path("dvc-remote")).len();
    let before = sent();
    let said = world.git(["push", "-q", "origin", "main"]);
    assert_eq!(said.code, 0, "{order}: {}", said.all());
    assert!(sent() > before, "{order}: no data was sent\n{}", said.all());
    assert_eq!(fs::read_to_string(&log).unwrap(), "pre-commit\npre-push\n", "{order}");
}

/// The shim as it was before it saw that pre-commit calls it.
fn made_older(shim: &Path) {
    let text = fs::read_to_string(shim).unwrap();
    fs::write(shim, text.replace("_RUNNING_LEGACY", "_NOTHING")).unwrap();
}

fn older_loop(mut world: World) {
    let manager = Framework { bin: pre_commit, program: "pre-commit" };
    manager.prepare(&mut world);
    fs::remove_dir_all(world.repo(".git/hooks")).unwrap();
    manager.install(&world);
    world.hook(["install"]).ok();
    manager.install(&world);
    for event in ["pre-commit", "pre-push"] {
        made_older(&world.repo(format!(".git/hooks/{event}.legacy")));
    }
    world.git(["add", ".pre-commit-config.yaml"]).ok();
    let said = world.git(["commit", "-q", "-m", "x"]).fails(1);
    assert!(said.err.contains("migration mode"), "{}", said.err);
    let said = world.hook(["doctor"]).fails(1);
    for words in ["every commit fails now", "every push fails now", "mend: capture-hook install"] {
        assert!(said.out.contains(words), "no {words:?} in\n{}", said.out);
    }
    world.hook(["install"]).ok();
    once_each(&world, "PCP with an older shim, then C", "order/older");
}

fn gone(mut world: World) {
    let path = world.get("PATH");
    let pre_commit = Framework { bin: pre_commit, program: "pre-commit" };
    let prek = Framework { bin: prek, program: "prek" };
    for (manager, line) in [(pre_commit, "INSTALL_PYTHON="), (prek, "PREK=")] {
        let program = manager.program;
        fs::remove_dir_all(world.repo(".git/hooks")).unwrap();
        manager.prepare(&mut world);
        manager.install(&world);
        world.hook(["install"]).ok();
        assert!(!world.hook(["doctor"]).all().contains("fails now"), "{program}");
        let kept = world.repo(".git/hooks/pre-commit.capture-hook-chained");
        let text = fs::read_to_string(&kept).unwrap();
        let at = text.lines().find(|have| have.starts_with(line)).unwrap();
        fs::write(&kept, text.replace(at, &format!("{line}/gone/{program}"))).unwrap();
        // As long as there is one on PATH, it serves.
        assert!(!world.hook(["doctor"]).all().contains("fails now"), "{program}");
        world.set("PATH", &path);
        let said = world.hook(["doctor"]).fails(1);
        let words = format!("a script here starts /gone/{program}, which is not there: every commit fails now");
        assert!(said.out.contains(&words), "{}", said.out);
        assert_ne!(world.git(["commit", "-q", "--allow-empty", "-m", "x"]).code, 0, "{program}");
        fs::remove_file(&kept).unwrap();
        world.git(["commit", "-q", "--allow-empty", "-m", "x"]).ok();
    }
}

fn own_hook(mut world: World) {
    let manager = Framework { bin: pre_commit, program: "pre-commit" };
    manager.prepare(&mut world);
    fs::remove_dir_all(world.repo(".git/hooks")).unwrap();
    let own = script(&world, "repo/.git/hooks/pre-commit", "#!/bin/sh\necho own >> .git/own\n");
    world.hook(["install"]).ok();
    manager.install(&world);
    once_each(&world, "own, C, P", "order/one");
    world.hook(["install"]).ok();
    once_each(&world, "own, C, P, C", "order/two");
    manager.install(&world);
    once_each(&world, "own, C, P, C, P", "order/three");
    assert_eq!(fs::read_to_string(world.repo(".git/own")).unwrap(), "own\n".repeat(3));
    world.hook(["uninstall"]).ok();
    let left: Vec<_> = files(&world.repo(".git/hooks"))
        .into_iter()
        .filter(|file| fs::read_to_string(file).unwrap().contains("capture-hook"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    // What is left is pre-commit, and the hook of one's own as the one that it calls.
    assert!(fs::read_to_string(&own).unwrap().contains("generated by pre-commit"));
    world.git(["commit", "-q", "--allow-empty", "-m", "x"]).ok();
    assert_eq!(fs::read_to_string(world.repo(".git/own")).unwrap(), "own\n".repeat(4));
}

fn forced(mut world: World) {
    let manager = Framework { bin: pre_commit, program: "pre-commit" };
    manager.prepare(&mut world);
    world.run_in("repo", "pre-commit", ["install", "-f"]).ok();
    select(&world, SECOND);
    world.git(["add", ".pre-commit-config.yaml"]).ok();
    let said = world.git(["commit", "-q", "-am", "x"]).ok();
    assert!(said.err.contains("does not hold its data: the pre-commit hook did not run"), "{}", said.err);
    let said = world.git(["commit", "-q", "--allow-empty", "-m", "code"]).ok();
    assert!(!said.err.contains("capture-hook") && !said.err.contains("did not run"), "once: {}", said.err);
    world.hook(["install"]).ok();
    world.hook(["publish", "--no-push", SECOND]).ok();
    assert_eq!(tags(&world).len(), 2);
    clean(&world);
}

fn twice(world: World) {
    // What git's own configuration runs comes before the directory's hook; a chained hook stands in for it here.
    for event in EVENTS {
        let path = format!("repo/.git/hooks/{event}.capture-hook-chained");
        script(&world, &path, &format!("#!/bin/sh\nexec '{BIN}' hook {event} \"$@\"\n"));
    }
    all_events(&world);
    let body = world.git(["log", "-1", "--format=%B"]).ok().out;
    assert_eq!(body.matches("Capture-Run:").count(), 1, "{body}");
    world.git(["checkout", "-q", "-b", "topic", "HEAD~1"]).ok();
    commit_run(&world, THIRD);
    world.git(["merge", "-q", "--no-edit", "main"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST, THIRD]);
    world.git(["rebase", "-q", "main"]).ok();
    assert_eq!(tags(&world).len(), 3);
    clean(&world);
}

//! Random histories on real git with the hooks installed, looked at by the real DVC after every step: the workspace is what
//! `dvc.lock` says, byte for byte what DVC itself writes of it, the dataset holds every run that its history put in, and in
//! the end every tag's data comes back from the remote. `CAPTURE_HOOK_TEST_STEPS` makes them longer, `CAPTURE_HOOK_TEST_SEED`
//! others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::tools;
use crate::world::World;

const CASES: [&str; 3] = ["ok-head01", "ok-orig100", "ok-pypi010"];

/// A small random generator: the same seed, the same history.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// DVC's command line in one process: see `dvc_many.py`.
struct Dvc {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Dvc {
    fn start(world: &World, bin: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/dvc_many.py");
        let mut python = world.command(bin.join("python"), "repo");
        let mut child = python.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (ask, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, ask, answers }
    }

    fn call(&mut self, dir: &Path, args: &[&str]) -> (i64, String) {
        writeln!(self.ask, "{}", serde_json::json!([dir, args])).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("dvc {args:?}: {error}: {line}"))
    }
}

impl Drop for Dvc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct History {
    world: World,
    dvc: Dvc,
    dice: Dice,
    /// The runs that each branch's tip must hold.
    branches: BTreeMap<String, BTreeSet<String>>,
    current: String,
    made: usize,
    clones: usize,
    done: Vec<String>,
}

impl History {
    fn new(engine: &str, dvc: &Path, seed: u64) -> Self {
        let world = World::with_dvc(dvc);
        fs::write(world.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        world.git(["add", "-A"]).ok();
        world.git(["commit", "-q", "-m", "settings"]).ok();
        world.git_in(".", ["init", "-q", "--bare", "origin.git"]).ok();
        world.git(["remote", "add", "origin", world.path("origin.git").to_str().unwrap()]).ok();
        let branches = BTreeMap::from([("main".to_owned(), BTreeSet::new())]);
        let dvc = Dvc::start(&world, dvc);
        let mut history = Self {
            world,
            dvc,
            dice: Dice(seed),
            branches,
            current: "main".into(),
            made: 0,
            clones: 0,
            done: Vec::new(),
        };
        history.commit_a_run();
        history
    }

    fn other(&mut self) -> Option<String> {
        let others: Vec<String> = self.branches.keys().filter(|name| **name != self.current).cloned().collect();
        if others.is_empty() { None } else { Some(others[self.dice.roll(others.len())].clone()) }
    }

    fn runs(&mut self) -> &mut BTreeSet<String> {
        self.branches.get_mut(&self.current).unwrap()
    }

    fn git(&mut self, args: &[&str]) {
        self.done.push(format!("git {}", args.join(" ")));
        let said = self.world.git(args);
        assert_eq!(said.code, 0, "{}\n{}", said.all(), self.done.join("\n"));
    }

    fn commit_a_run(&mut self) {
        self.made += 1;
        let key = format!("e{}/r{:03}", self.made % 2, self.made);
        self.world.record_as(CASES[self.made % CASES.len()], &key);
        self.world.hook(["select", &key]).ok();
        self.git(&["commit", "-q", "-a", "-m", &key]);
        self.runs().insert(key);
    }

    fn step(&mut self) {
        match (self.dice.roll(24) / 2, self.other()) {
            (0 | 1, _) if self.branches.len() < 5 => {
                let name = format!("b{}", self.done.len());
                let runs = self.runs().clone();
                self.git(&["checkout", "-q", "-b", &name]);
                self.branches.insert(name.clone(), runs);
                self.current = name;
            }
            (2 | 3, Some(other)) => {
                self.git(&["checkout", "-q", &other]);
                self.current = other;
            }
            (4, Some(other)) => {
                self.git(&["merge", "-q", "--no-edit", &other]);
                let theirs = self.branches[&other].clone();
                self.runs().extend(theirs);
            }
            (5, Some(other)) => {
                self.git(&["rebase", "-q", &other]);
                let theirs = self.branches[&other].clone();
                self.runs().extend(theirs);
            }
            (6, _) => self.git(&["commit", "-q", "--amend", "--allow-empty", "-m", "amended"]),
            (7, _) => self.git(&["push", "-q", "--force", "--follow-tags", "origin", "HEAD"]),
            // Half as often as the rest: it takes longest.
            (8, _) if self.dice.roll(2) == 0 => self.move_to_a_clone(),
            _ => self.commit_a_run(),
        }
    }

    fn clone_origin(&self) {
        self.world.git_in(".", ["clone", "-q", "--branch", &self.current, "origin.git", "clone"]).ok();
        // The data remote's address is this machine's own affair, where it is not tracked.
        let local = self.world.repo(".dvc/config.local");
        if local.exists() {
            fs::copy(local, self.world.path("clone/.dvc/config.local")).unwrap();
        }
    }

    /// Goes on in a clone of what was pushed, without the results that were recorded here.
    fn move_to_a_clone(&mut self) {
        self.git(&["push", "-q", "--force", "--all", "--follow-tags", "origin"]);
        self.clone_origin();
        self.clones += 1;
        let world = &self.world;
        fs::rename(world.repo(""), world.path(format!("left-{}", self.clones))).unwrap();
        fs::rename(world.path("clone"), world.path("repo")).unwrap();
        for name in self.branches.keys().filter(|name| **name != self.current) {
            world.git(["branch", "-q", name, &format!("origin/{name}")]).ok();
        }
        world.hook(["-q", "install"]).ok();
        world.hook(["-q", "pull"]).ok();
        self.done.push(format!("# clone {}", self.clones));
    }

    /// What must hold after every step.
    fn check(&mut self) {
        let story = self.done.join("\n");
        let repo = self.world.repo("");
        let (code, said) = self.dvc.call(&repo, &["status"]);
        assert!(code == 0 && said.contains("up to date"), "{said}\n{story}");
        // What DVC would write of this workspace is what is there: the list of files, sizes and numbers, every byte.
        let (code, said) = self.dvc.call(&repo, &["commit", "-f", "-q"]);
        assert_eq!(code, 0, "{said}\n{story}");
        assert_eq!(self.world.git(["status", "--porcelain"]).ok().out, "", "{story}");
        let mut there = BTreeSet::new();
        for experiment in fs::read_dir(self.world.repo("data/captures")).into_iter().flatten().flatten() {
            for run in fs::read_dir(experiment.path()).unwrap().flatten() {
                there.insert(format!("{}/{}", experiment.file_name().display(), run.file_name().display()));
            }
        }
        assert_eq!(&there, self.runs(), "{story}");
    }

    /// In a clone that has nothing: the data of every tag and of every branch.
    fn all_comes_back(&mut self) {
        self.git(&["push", "-q", "--force", "--all", "origin"]);
        self.git(&["push", "-q", "--tags", "origin"]);
        self.clone_origin();
        let world = &self.world;
        let tags = world.git_in("clone", ["tag", "--list", "capture/*"]).ok().out;
        assert!(tags.lines().count() >= self.made, "{} runs, and only these tags:\n{tags}", self.made);
        let branches: Vec<String> = self.branches.keys().map(|name| format!("origin/{name}")).collect();
        for rev in tags.lines().chain(branches.iter().map(String::as_str)) {
            world.git_in("clone", ["checkout", "-q", "--detach", rev]).ok();
            if !world.path("clone/dvc.lock").exists() {
                continue;
            }
            world.hook_in("clone", ["-q", "pull"]).ok();
            let (code, said) = self.dvc.call(&world.path("clone"), &["status"]);
            assert!(code == 0 && said.contains("up to date"), "{rev}: {said}\n{}", self.done.join("\n"));
            if let Some(run) = rev.strip_prefix("capture/") {
                let run = run.split('@').next().unwrap();
                assert!(world.path("clone/data/captures").join(run).join("steps.parquet").exists(), "{rev}");
            }
        }
    }
}

fn live(engine: &str, dvc: &Path, steps: usize) {
    let given = |name: &str| std::env::var(name).ok().and_then(|n| n.parse().ok());
    let steps = given("CAPTURE_HOOK_TEST_STEPS").unwrap_or(steps as u64);
    let mut history = History::new(engine, dvc, given("CAPTURE_HOOK_TEST_SEED").unwrap_or(1));
    for _ in 0..steps {
        history.step();
        history.check();
    }
    history.all_comes_back();
}

#[test]
fn a_random_history_with_the_native_engine() {
    live("native", &tools::dvc_bin(), 200);
}

#[test]
fn a_random_history_with_dvc() {
    live("dvc", &tools::dvc_bin(), 20);
}

#[test]
fn random_histories_with_an_older_dvc() {
    live("native", &tools::old_dvc_bin(), 30);
    live("dvc", &tools::old_dvc_bin(), 10);
}

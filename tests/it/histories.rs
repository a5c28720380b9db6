//! Random histories on real git with the hooks installed, looked at by the real DVC after every step: the workspace is what
//! `dvc.lock` says, the dataset holds every run that its history put in, and in the end every tag's data comes back from the
//! remote. `CAPTURE_HOOK_TEST_STEPS` makes them longer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

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

struct History {
    world: World,
    dice: Dice,
    /// The runs that each branch's tip must hold.
    branches: BTreeMap<String, BTreeSet<String>>,
    current: String,
    made: usize,
    done: Vec<String>,
}

impl History {
    fn new(engine: &str, seed: u64) -> Self {
        let world = World::with_project();
        fs::write(world.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        world.git(["add", "-A"]).ok();
        world.git(["commit", "-q", "-m", "settings"]).ok();
        world.git_in(".", ["init", "-q", "--bare", "origin.git"]).ok();
        world.git(["remote", "add", "origin", world.path("origin.git").to_str().unwrap()]).ok();
        let branches = BTreeMap::from([("main".to_owned(), BTreeSet::new())]);
        Self { world, dice: Dice(seed), branches, current: "main".into(), made: 0, done: Vec::new() }
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
        match (self.dice.roll(10), self.other()) {
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
            (6, _) if self.made > 0 => self.git(&["commit", "-q", "--amend", "--allow-empty", "-m", "amended"]),
            (7, _) => self.git(&["push", "-q", "--force", "--follow-tags", "origin", "HEAD"]),
            _ => self.commit_a_run(),
        }
    }

    /// What must hold after every step.
    fn check(&mut self) {
        let story = self.done.join("\n");
        let status = self.world.dvc(["status"]).ok();
        let fresh = self.made == 0;
        assert!(fresh || status.out.contains("up to date"), "{}\n{story}", status.all());
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
        let world = &self.world;
        world.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
        // The remote's address is this machine's own affair.
        let local = world.repo(".dvc/config.local");
        if local.exists() {
            fs::copy(local, world.path("clone/.dvc/config.local")).unwrap();
        }
        let tags = world.git_in("clone", ["tag", "--list", "capture/*"]).ok().out;
        assert!(tags.lines().count() >= self.made, "{} runs, and only these tags:\n{tags}", self.made);
        let branches: Vec<String> = self.branches.keys().map(|name| format!("origin/{name}")).collect();
        for rev in tags.lines().chain(branches.iter().map(String::as_str)) {
            world.git_in("clone", ["checkout", "-q", "--detach", rev]).ok();
            if !world.path("clone/dvc.lock").exists() {
                continue;
            }
            world.hook_in("clone", ["-q", "pull"]).ok();
            let status = world.dvc_in("clone", ["status"]).ok();
            assert!(status.out.contains("up to date"), "{rev}: {}\n{}", status.all(), self.done.join("\n"));
            if let Some(run) = rev.strip_prefix("capture/") {
                let run = run.split('@').next().unwrap();
                assert!(world.path("clone/data/captures").join(run).join("steps.parquet").exists(), "{rev}");
            }
        }
    }
}

fn live(engine: &str, seed: u64, steps: usize) {
    let steps = std::env::var("CAPTURE_HOOK_TEST_STEPS").ok().and_then(|n| n.parse().ok()).unwrap_or(steps);
    let mut history = History::new(engine, seed);
    for _ in 0..steps {
        history.step();
        history.check();
    }
    history.all_comes_back();
}

#[test]
fn a_random_history_with_the_native_engine() {
    live("native", 1, 40);
}

//! Repositories that older states of the program left behind (`tests/data/released`), under every command of today's.
//!
//! `make.py` there made each with a program of that state, and noted what it holds by git and DVC's cache alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde_json::Value;

use crate::env::{BIN, TestEnv, files, tree};

/// The states, as `make.py` names them.
const STATES: [&str; 4] = ["first", "schemas", "files-hash", "removals"];
/// The runs that a state holds, with their steps and episodes; the first state holds the first two.
const HELD: [(&str, u64, u64); 4] = [
    ("nav/run-20261124-021550", 151, 4),
    ("demo/run-20260105-041", 240, 4),
    ("minigrid/r1", 257, 3),
    ("spring/c1", 600, 3),
];
const NAV: &str = HELD[0].0;
const DEMO: &str = HELD[1].0;
/// A run that no state holds.
const NEW: &str = "walk/new";
/// A run that the last state has removed, out of 22 that one commit introduced.
const REMOVED: &str = "sweep/s03";

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/released")
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A repository of an older state, and what it holds.
struct Released {
    name: &'static str,
    env: TestEnv,
    facts: Value,
}

/// The files of a data version: each path with its MD5.
type Files = BTreeMap<String, String>;

impl Released {
    /// Unpacks it, as it is after the program was replaced by today's.
    fn unpack(name: &'static str) -> Self {
        let env = TestEnv::empty();
        // Not `tar`: it needs a program for xz. The filter leaves the modes as they are, with any Python.
        let script = "import sys, tarfile\n\
            archive = tarfile.open(sys.argv[1])\n\
            archive.extraction_filter = lambda member, path: member\n\
            archive.extractall()\n";
        let archive = data().join(format!("{name}.tar.xz"));
        env.run_in(".", "python3", ["-c", script, archive.to_str().unwrap()]).ok();
        let hooks = fs::read_dir(env.repo(".git/hooks")).unwrap().map(|entry| entry.unwrap().path());
        for path in hooks.chain([env.repo(".git/config")]) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains("/released/bin/capture-hook"), "{}", path.display());
            fs::write(&path, text.replace("/released/bin/capture-hook", BIN)).unwrap();
        }
        env.git(["update-index", "-q", "--refresh"]).ok();
        Self { name, env, facts: read_json(&data().join(format!("{name}.json"))) }
    }

    /// Whether it has a commit of many runs, and has removed one of them.
    fn has_sweep(&self) -> bool {
        self.name == "removals"
    }

    /// The runs that it holds, with their steps and episodes, but for a sweep.
    fn held(&self) -> &'static [(&'static str, u64, u64)] {
        let held = if self.name == "first" { &HELD[..2] } else { &HELD[..] };
        let (swept, noted): (BTreeSet<String>, BTreeSet<String>) =
            self.versions().values().flat_map(run_keys).partition(|run| run.starts_with("sweep/"));
        assert_eq!((swept.len(), swept.contains(REMOVED)), if self.has_sweep() { (22, true) } else { (0, false) });
        assert_eq!(noted, held.iter().map(|(run, ..)| (*run).to_owned()).collect(), "{}", self.name);
        held
    }

    /// Every data version and its files.
    fn versions(&self) -> BTreeMap<String, Files> {
        serde_json::from_value(self.facts["versions"].clone()).unwrap()
    }

    /// The commits with a data version, and that version, oldest first.
    fn commits(&self) -> Vec<(String, String)> {
        let commits = self.facts["commits"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        commits.filter_map(|one| Some((text(&one["commit"])?, text(&one["version"])?))).collect()
    }

    /// The files of the data version that `main` had.
    fn head(&self) -> Files {
        let id = self.env.id("origin/main");
        let (_, version) = self.commits().into_iter().find(|(commit, _)| *commit == id).unwrap();
        self.versions().remove(&version).unwrap()
    }

    fn tag_of(&self, run: &str) -> (String, String) {
        let tag = format!("capture/{run}");
        let noted = &self.facts["tags"][&tag];
        (tag, noted["commit"].as_str().unwrap().to_owned())
    }

    /// `--json` of a command that succeeds.
    fn json(&self, args: &[&str]) -> Value {
        let output = self.env.hook(args.iter().chain(&["--json"])).ok();
        serde_json::from_str(&output.stdout).unwrap()
    }

    fn check(&self) {
        let check = self.env.hook(["check", "--strict"]).ok();
        assert!(check.stdout.starts_with("no problems"), "{}: {}", self.name, check.both());
    }

    /// All that must stay as it is under a command that reads: refs, dataset, cache, remote, tracked files.
    fn snapshot(&self) -> (String, BTreeMap<String, Vec<u8>>, String) {
        let refs = self.env.git(["for-each-ref"]).ok().stdout;
        let status = self.env.git(["status", "--porcelain"]).ok().stdout;
        let mut held = BTreeMap::new();
        for dir in ["repo/data", "repo/.dvc/cache", "repo/results", "dvc-remote", "origin.git"] {
            held.extend(tree(&self.env.path(dir)).into_iter().map(|(name, bytes)| (format!("{dir}/{name}"), bytes)));
        }
        (refs, held, status)
    }

    /// Records the new run and commits it.
    fn commit_new(&self) {
        self.env.record_as("ok-orig100", NEW);
        self.env.hook(["select", NEW]).ok();
        self.env.git(["commit", "-q", "-am", "A new run"]).ok();
    }

    /// The runs of HEAD's data version are those of before, with the same files, and some new ones.
    fn assert_kept(&self, before: &Files) -> Files {
        let list = listed_files(&self.env, "HEAD");
        for (path, md5) in before {
            assert_eq!(list.get(path), Some(md5), "{}: {path}", self.name);
        }
        list
    }
}

fn run_keys(files: &Files) -> Vec<String> {
    files.keys().map(|path| path.rsplit_once('/').unwrap().0.to_owned()).collect()
}

/// The files of a revision's data version, by the lists in DVC's cache.
fn listed_files(env: &TestEnv, rev: &str) -> Files {
    let lock = env.git(["show", &format!("{rev}:dvc.lock")]).ok().stdout;
    let version = lock.split("md5: ").filter_map(|rest| rest.get(..36)).find(|md5| md5.ends_with(".dir")).unwrap();
    let path = env.repo(".dvc/cache/files/md5").join(&version[..2]).join(&version[2..]);
    let list: Vec<BTreeMap<String, String>> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    list.into_iter().map(|mut entry| (entry.remove("relpath").unwrap(), entry.remove("md5").unwrap())).collect()
}

/// The files below a directory, each with the MD5 of its bytes.
fn hashed(dir: &Path) -> Files {
    let hash = |bytes: &[u8]| Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut hashed: Files = tree(dir).iter().map(|(name, bytes)| (name.clone(), hash(bytes))).collect();
    hashed.remove(".gitignore");
    hashed
}

/// Runs a test on each state at once, and names those that it failed on.
fn on_each_state(test: impl Fn(&Released) + Sync) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let test = &test;
    let failed: Vec<&str> = std::thread::scope(|scope| {
        let threads = STATES.map(|state| {
            let thread = std::thread::Builder::new().name(format!("{name} ({state})"));
            (state, thread.spawn_scoped(scope, move || test(&Released::unpack(state))).unwrap())
        });
        threads.into_iter().filter_map(|(state, thread)| thread.join().is_err().then_some(state)).collect()
    });
    assert!(failed.is_empty(), "failed on these states: {failed:?}");
}

#[test]
fn what_older_programs_wrote_is_small_and_named_after_their_commits() {
    for state in STATES {
        let facts = read_json(&data().join(format!("{state}.json")));
        assert_eq!(facts["program"]["commit"].as_str().unwrap().len(), 40, "{state}");
        assert!(fs::metadata(data().join(format!("{state}.tar.xz"))).unwrap().len() < 200_000, "{state}");
    }
    let names: BTreeSet<String> =
        files(&data()).iter().map(|f| f.file_name().unwrap().to_str().unwrap().into()).collect();
    let expected = STATES.iter().flat_map(|state| [format!("{state}.json"), format!("{state}.tar.xz")]);
    assert_eq!(names, expected.chain(["make.py".to_owned()]).collect());
}

#[test]
fn commands_that_read_say_what_an_older_repository_holds_and_change_nothing() {
    on_each_state(|released| {
        let env = &released.env;
        let before = released.snapshot();
        assert_eq!(before.2, "");
        let status = env.hook(["status"]).ok();
        assert!(status.stdout.ends_with("nothing to do\n"), "{}", status.both());
        released.check();
        env.hook(["check", "--remote"]).ok();
        env.hook(["doctor"]).ok();

        let runs = released.json(&["runs"])["runs"].as_array().unwrap().clone();
        let swept = if released.has_sweep() { 22 } else { 0 };
        assert_eq!(runs.len(), released.held().len() + swept);
        if released.has_sweep() {
            let removed = &released.json(&["show", REMOVED])["removed"];
            assert_eq!(removed["reason"], "wrong seed", "{removed}");
            assert!(!released.head().keys().any(|path| path.starts_with(REMOVED)));
        }
        let log = released.json(&["log"])["versions"].as_array().unwrap().clone();
        for (run, steps, episodes) in released.held() {
            let (tag, commit) = released.tag_of(run);
            let listed = runs.iter().find(|one| one["run"] == *run).unwrap();
            assert_eq!((&listed["steps"], &listed["episodes"]), (&(*steps).into(), &(*episodes).into()), "{run}");
            assert_eq!((&listed["commit"], &listed["tags"]), (&commit.clone().into(), &vec![tag.clone()].into()));
            assert_eq!((&listed["here"], &listed["in_dataset"]), (&"all".into(), &true.into()));

            let shown = released.json(&["show", run]);
            assert_eq!(
                (&shown["history"]["commit"], &shown["validation"]["ok"]),
                (&commit.clone().into(), &true.into())
            );
            let trailer = env.trailer(&commit, "Capture-Config");
            assert_eq!(trailer, [format!("sha256:{}", shown["config_hash"].as_str().unwrap())]);

            let version = log.iter().find(|version| version["commit"] == *commit).unwrap();
            assert_eq!(version["runs"][0]["run"], *run);
            assert_eq!(version["runs"][0]["remote"], "all");

            env.hook(["validate", run]).ok();
            env.hook(["verify", run]).ok();
            env.hook(["get", run, "-q", "-o", &format!("../got/{run}")]).ok();
            env.hook(["plot", run, "-q", "-o", &format!("../{}.svg", run.replace('/', "-"))]).ok();
        }
        // What `get` copied is what the program of then had put in.
        let held: Files = released.head().into_iter().filter(|(path, _)| !path.starts_with("sweep/")).collect();
        assert_eq!(hashed(&env.path("got")), held);
        assert_eq!(hashed(&env.repo("data/captures")), released.head());
        env.hook(["verify"]).ok();
        let diff = env.hook(["diff", NAV, DEMO]).ok();
        assert!(diff.stdout.contains("\nconfig   goal_radius "), "{}", diff.both());

        env.hook(["report", "-q", "-o", "../report.html"]).ok();
        env.hook(["report", "-q", "--check", "-o", "../report.html"]).ok();
        assert!(released.snapshot() == before, "{}: something was changed", released.name);
    });
}

/// Every field of a JSON value, as `make.py` writes them: `runs[].run`.
fn add_fields(value: &Value, path: &str, fields: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                fields.insert(path.clone());
                add_fields(inner, &path, fields);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| add_fields(item, &format!("{path}[]"), fields)),
        _ => {}
    }
}

#[test]
fn json_has_every_field_that_it_had() {
    on_each_state(|released| {
        let noted: BTreeMap<String, BTreeSet<String>> = serde_json::from_value(released.facts["json"].clone()).unwrap();
        let mut gone = Vec::new();
        for (command, before) in &noted {
            let mut now = BTreeSet::new();
            add_fields(&released.json(&command.split(' ').collect::<Vec<_>>()), "", &mut now);
            gone.extend(before.difference(&now).map(|field| format!("{command}: {field}")));
        }
        assert!(noted.len() >= 9);
        assert_eq!(gone, Vec::<String>::new(), "{}", released.name);
    });
}

#[test]
fn a_fresh_clone_of_an_older_repository_gets_every_version() {
    on_each_state(|released| {
        let env = &released.env;
        env.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
        env.hook_in("clone", ["install"]).ok();
        env.hook_in("clone", ["pull"]).ok();
        assert_eq!(hashed(&env.path("clone/data/captures")), released.head());
        for (commit, version) in released.commits() {
            env.git_in("clone", ["checkout", "-q", &commit]).ok();
            let held = hashed(&env.path("clone/data/captures"));
            assert_eq!(held, released.versions()[&version], "{}: {commit}", released.name);
            env.hook_in("clone", ["verify"]).ok();
            assert_eq!(env.git_in("clone", ["status", "--porcelain"]).ok().stdout, "");
        }
        env.hook_in("clone", ["check", "--strict"]).ok();
    });
}

#[test]
fn a_new_run_leaves_the_runs_of_an_older_program_alone() {
    on_each_state(|released| {
        for engine in ["dvc", "native"] {
            let released = Released::unpack(released.name);
            let env = &released.env;
            let before = released.head();
            fs::write(env.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
            env.git(["add", "capture-hook.toml"]).ok();
            released.commit_new();
            let list = released.assert_kept(&before);
            assert_eq!(run_keys(&list).into_iter().filter(|run| run == NEW).count(), list.len() - before.len());
            assert_eq!(env.trailer("HEAD", "Capture-Run"), [NEW]);
            env.assert_committed();
            released.check();
            // Selected again, a run of then keeps its bytes, its data version and its tag.
            let tags = env.tags();
            env.hook(["select", NAV]).ok();
            env.git(["commit", "-q", "-am", "An older run again"]).ok();
            assert_eq!(listed_files(env, "HEAD"), list, "{} {engine}", released.name);
            assert_eq!(env.tags(), tags);
            env.assert_committed();
            env.hook(["verify"]).ok();
        }
    });
}

#[test]
fn runs_of_an_older_program_are_exported_and_signed() {
    on_each_state(|released| {
        let env = &released.env;
        for (key, value) in [
            ("title", "Walks"),
            ("description", "Walks of an agent."),
            ("license", "CC-BY-4.0"),
            ("creators", "Example, Ada"),
        ] {
            env.hook(["config", "set", &format!("dataset.{key}"), value]).ok();
        }
        env.git(["add", "capture-hook.toml"]).ok();
        env.git(["commit", "-q", "-m", "Describe the dataset"]).ok();
        let export = env.export("export", &["--all"]);
        env.hook(["verify", "../export"]).ok();
        let exported = hashed(&export);
        for (path, md5) in released.head() {
            assert_eq!(exported.get(&path), Some(&md5), "{}: {path}", released.name);
        }
        env.attested_by_ssh();
        env.hook(["verify", "--attestation", NAV]).ok();
    });
}

#[test]
fn an_older_repository_is_changed_by_every_command_that_changes_one() {
    on_each_state(|released| {
        let env = &released.env;
        let before = released.head();
        env.hook(["install"]).ok();
        // Amended, a commit of then keeps what its message says.
        env.git(["checkout", "-q", "topic"]).ok();
        let (data, manifest) = (env.trailer("HEAD", "Capture-Data"), env.trailer("HEAD", "Capture-Manifest"));
        env.git(["commit", "-q", "--amend", "-m", "The demo"]).ok();
        assert_eq!((env.trailer("HEAD", "Capture-Data"), env.trailer("HEAD", "Capture-Manifest")), (data, manifest));
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [DEMO]);
        env.git(["reset", "-q", "--hard", "origin/topic"]).ok();
        // A branch from a commit of then, with a new run, merges with today's.
        released.commit_new();
        env.git(["checkout", "-q", "main"]).ok();
        assert_eq!(hashed(&env.repo("data/captures")), before);
        env.git(["merge", "-q", "--no-edit", "topic"]).ok();
        let merged = released.assert_kept(&before);
        assert!(run_keys(&merged).contains(&NEW.to_owned()));
        released.check();
        // Removed and restored, a run of then has the same bytes.
        env.hook(["remove", NAV, "--reason", "a trial"]).ok();
        assert!(!run_keys(&listed_files(env, "HEAD")).contains(&NAV.to_owned()));
        released.check();
        env.hook(["restore", NAV]).ok();
        assert_eq!(listed_files(env, "HEAD"), merged);
        assert_eq!(hashed(&env.repo("data/captures")), merged);
        released.check();
        // A lost tag is made again, on the commit of then.
        let (tag, commit) = released.tag_of(DEMO);
        env.git(["tag", "-d", &tag]).ok();
        env.hook(["tag"]).ok();
        assert_eq!(env.id(&tag), commit);
        released.check();
        // Sent, another clone has it.
        env.hook(["push"]).ok();
        env.git(["push", "-q", "--follow-tags"]).ok();
        env.hook(["check", "--remote"]).ok();
        env.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
        env.hook_in("clone", ["pull"]).ok();
        assert_eq!(hashed(&env.path("clone/data/captures")), merged);
        // Written anew on purpose, the run has the bytes of today's program, and the others keep theirs.
        env.hook(["publish", "--force", NAV, "--no-push"]).ok();
        let others: Files = before.into_iter().filter(|(path, _)| !path.starts_with("nav/")).collect();
        released.assert_kept(&others);
        if released.has_sweep() {
            env.hook(["restore", REMOVED]).ok();
            assert!(run_keys(&listed_files(env, "HEAD")).contains(&REMOVED.to_owned()));
        }
        env.hook(["verify"]).ok();
        env.assert_committed();
        released.check();
    });
}

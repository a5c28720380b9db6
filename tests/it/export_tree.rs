//! The tree of an export: the same bytes everywhere, nothing of ours in it, whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use serde_json::Value;

use crate::env::{CommandOutput, EXPORTED, TestEnv, files, tree};

mod failures;

/// Another user's machine: a fresh clone, another home, git identity, time zone, locale and umask, and a folder in the
/// clone to work in.
struct OtherMachine {
    env: TestEnv,
}

impl OtherMachine {
    fn new(mut env: TestEnv) -> Self {
        let home = env.path("other-home");
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join(".gitconfig"), "[user]\n\tname = Bob\n\temail = bob@private.example\n").unwrap();
        env.set("HOME", home.to_str().unwrap());
        env.set("TZ", "Pacific/Auckland");
        env.set("LC_ALL", "tr_TR.UTF-8");
        env.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
        fs::create_dir_all(env.path("clone/a/b")).unwrap();
        Self { env }
    }

    /// Exports, with nothing in the clone's cache, to a new directory beside it.
    fn export(&self, to: &str, args: &[&str]) -> PathBuf {
        let _ = fs::remove_dir_all(self.env.path("clone/.dvc/cache"));
        let to = self.env.path(to);
        let line = "umask 077; exec capture-hook export \"$@\"";
        let args = [&["-c", line, "sh", "-q", "-o", to.to_str().unwrap()], args].concat();
        self.env.run_in("clone/a/b", "sh", args).ok();
        to
    }
}

#[track_caller]
fn assert_same_tree(a: &Path, b: &Path, what: &str) {
    let (a, b) = (tree(a), tree(b));
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let differ: Vec<_> = names.into_iter().filter(|name| a.get(*name) != b.get(*name)).collect();
    let first = differ.first().map(|name| {
        let text = |bytes: Option<&Vec<u8>>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        (text(a.get(*name)), text(b.get(*name)))
    });
    assert!(differ.is_empty(), "{what}: {differ:?} {first:#?}");
}

/// The statements of an export by run.
fn statements(out: &Path) -> BTreeMap<String, String> {
    let all =
        files(&out.join("provenance")).into_iter().filter(|file| file.to_str().unwrap().ends_with(".intoto.json"));
    all.map(|file| {
        let text = fs::read_to_string(file).unwrap();
        let statement: Value = serde_json::from_str(&text).unwrap();
        let run = statement["predicate"]["runDetails"]["metadata"]["invocationId"].as_str().unwrap();
        (run.to_owned(), text)
    })
    .collect()
}

fn commit_of(statement: &str) -> String {
    let statement: Value = serde_json::from_str(statement).unwrap();
    let dependencies = statement["predicate"]["buildDefinition"]["resolvedDependencies"].as_array().unwrap();
    let repository = dependencies.iter().find(|resource| resource["name"] == "repository").unwrap();
    repository["digest"]["gitCommit"].as_str().unwrap().to_owned()
}

/// Two clones, one of them fresh, give the same bytes in another time zone, locale, umask, home and folder: all runs, an
/// experiment, each run by its name, and an older revision whose file list the fresh clone lacks.
#[test]
fn two_clones_export_the_same_bytes() {
    let env = TestEnv::exported_history();
    let other = OtherMachine::new(env.copy());
    let all = env.export("all", &["--all"]);
    assert_same_tree(&all, &other.export("all", &["--all"]), "--all");
    env.run_in(".", "diff", ["-r", all.to_str().unwrap(), other.env.path("all").to_str().unwrap()]).ok();
    let of_all = statements(&all);
    assert_eq!(of_all.keys().collect::<Vec<_>>(), EXPORTED.iter().collect::<Vec<_>>());
    for (at, run) in EXPORTED.into_iter().enumerate() {
        let to = format!("one-{at}");
        let one = env.export(&to, &[run]);
        assert_same_tree(&one, &other.export(&to, &[run]), run);
        assert_eq!(statements(&one)[run], of_all[run], "{run} by its name");
    }
    let old = env.id("HEAD~5");
    for (to, args) in [
        ("experiment", &["--experiment", "sweep"][..]),
        ("several", &["nav/first", "sweep/merged", "nav/again"]),
        ("old", &["--all", "--rev", &old]),
        ("old-run", &["nav/first", "--rev", &old]),
        ("topic", &["--all", "--rev", "capture/sweep/merged"]),
    ] {
        let out = env.export(to, args);
        assert_same_tree(&out, &other.export(to, args), to);
        let versions = if to == "old" || to == "topic" { &["nav/again"][..] } else { &[] };
        for (run, statement) in statements(&out).iter().filter(|(run, _)| !versions.contains(&run.as_str())) {
            assert_eq!(*statement, of_all[run], "{run} in {to}");
        }
    }
}

/// Each statement names the commit that introduced the run, whatever became of the commit, its tag and its message.
#[test]
fn every_statement_names_the_commit_of_its_run() {
    let env = TestEnv::exported_history();
    let all = statements(&env.export("all", &["--all"]));
    let subject = |commit: &str| env.git(["log", "-1", "--format=%s", commit]).ok().stdout.trim().to_owned();
    let commits: Vec<String> = all.iter().map(|(run, text)| format!("{run}: {}", subject(&commit_of(text)))).collect();
    assert_snapshot!(commits.join("\n"), @r"
    nav/again: Record nav/again again
    nav/amended: Another message
    nav/bare: no word of the run
    nav/first: Run nav/first
    nav/tagged: no word of the run
    nav/untagged: Run nav/untagged
    sweep/merged: Run sweep/merged
    sweep/picked: Run sweep/picked
    ");
    for (run, text) in &all {
        if run == "nav/bare" || run == "nav/untagged" {
            continue;
        }
        let tag = if run == "nav/again" { "capture/nav/again@v2".to_owned() } else { format!("capture/{run}") };
        assert_eq!(commit_of(text), env.id(&tag), "{run}");
    }
    // Each version of a run that was replaced is exported by its tag, and has a statement of its own.
    let versions = ["capture/nav/again", "capture/nav/again@v2"];
    let [first, second] = versions.map(|tag| {
        let out = env.export(&tag.replace('/', "-"), &[tag]);
        let statement = statements(&out)["nav/again"].clone();
        assert_eq!(commit_of(&statement), env.id(tag));
        env.hook(["verify", out.to_str().unwrap()]).ok();
        statement
    });
    assert_ne!(first, second);
    assert_eq!(second, all["nav/again"]);
    let output = env.hook(["export", versions[0], versions[1], "-o", "../both"]).fails(2);
    assert!(output.stderr.contains("nav/again is asked for twice"), "{}", output.stderr);
    assert!(!env.path("both").exists());
}

/// A branch that is in one clone only makes no difference to what HEAD holds.
#[test]
fn a_private_branch_changes_nothing() {
    let env = TestEnv::exported_history();
    let before = env.export("before", &["--all"]);
    env.git(["checkout", "-q", "-b", "private", "HEAD~8"]).ok();
    for run in ["nav/untagged", "nav/bare"] {
        let mut early = env.command("git", "repo");
        early.env("GIT_COMMITTER_DATE", "2001-01-01T00:00:00Z");
        env.select(run);
        crate::env::run_command(early.args(["commit", "-q", "-am", "an earlier one"])).ok();
    }
    env.git(["checkout", "-q", "main"]).ok();
    for tag in env.git(["tag", "--points-at", "private"]).ok().stdout.lines() {
        env.git(["tag", "-d", tag]).ok();
    }
    assert_same_tree(&before, &env.export("after", &["--all"]), "with a private branch");
}

/// A run that is newer on another branch is exported as HEAD holds it, by its name as with all others.
#[test]
fn a_newer_version_on_a_branch_is_not_taken() {
    let env = TestEnv::exported_history();
    let before = env.export("before", &["nav/first"]);
    env.git(["checkout", "-q", "-b", "newer"]).ok();
    env.record_again("nav/first");
    env.git(["commit", "-q", "-am", "Record nav/first again"]).ok();
    let newer = env.export("newer", &["nav/first"]);
    assert_ne!(statements(&newer), statements(&before));
    env.git(["checkout", "-q", "main"]).ok();
    assert_same_tree(&before, &env.export("after", &["nav/first"]), "with a newer version elsewhere");
    assert_same_tree(&newer, &env.export("by-rev", &["nav/first", "--rev", "newer"]), "of the branch");
}

/// A shallow clone does not take its oldest commit for the one that introduced a run.
#[test]
fn a_shallow_clone_says_that_history_is_missing() {
    let env = TestEnv::exported_history();
    let url = format!("file://{}", env.path("origin.git").display());
    env.git_in(".", ["clone", "-q", "--depth", "1", &url, "clone"]).ok();
    let output = env.hook_in("clone", ["export", "nav/first", "-o", "../out"]).fails(3);
    assert_snapshot!(env.screen(&output), @r"
    error: this clone does not know which commit introduced nav/first
    hint: fetch the commits and tags of the repository: `git fetch --tags`, and with `--unshallow` in a shallow clone
    ");
    env.git_in("clone", ["fetch", "-q", "--unshallow", "--tags"]).ok();
    env.hook_in("clone", ["export", "nav/first", "-o", "../out"]).ok();
    assert_same_tree(&env.export("full", &["nav/first"]), &env.path("out"), "once history is there");
}

/// An attestation that HEAD holds is exported if it is of these bytes and of the commit whose pipeline is exported.
#[test]
fn an_attestation_is_taken_along_if_it_is_of_this_run() {
    let env = TestEnv::exported_history();
    env.sign_with_ssh(&env.make_ssh_key("key", "ed25519", ""));
    env.hook(["attest", "nav/first"]).ok();
    let exported = |to: &str, message: &str| -> CommandOutput {
        env.git(["add", "attestations"]).ok();
        env.git(["commit", "-qm", message]).ok();
        env.hook(["export", "nav/first", "-o", &format!("../{to}")]).ok()
    };
    let output = exported("signed", "Sign");
    assert!(output.stderr.contains("; 1 statement signed"), "{}", output.stderr);
    let statement = env.repo("attestations/nav/first.intoto.json");
    let own = fs::read_to_string(&statement).unwrap();
    for (suffix, name) in [("", "run.intoto.json"), (".sig", "run.intoto.json.sig")] {
        let tracked = fs::read(env.repo(format!("attestations/nav/first.intoto.json{suffix}"))).unwrap();
        assert_eq!(fs::read(env.path("signed/provenance").join(name)).unwrap(), tracked);
    }
    for (to, from, with, words) in [
        ("other-commit", commit_of(&own), "0".repeat(40), "nav/first is not taken along: it names 0000"),
        ("other-run", "nav/first\"".into(), "nav/again\"".into(), "it is the statement of `nav/again`"),
        ("none", own.clone(), "{}".into(), "it is not a statement of capture-hook"),
    ] {
        fs::write(&statement, own.replace(&from, &with)).unwrap();
        let output = exported(to, to);
        assert!(
            output.stderr.contains(words) && output.stderr.contains("; no statement is signed"),
            "{}",
            output.stderr
        );
        assert_eq!(statements(&env.path(to))["nav/first"], own);
        assert!(!env.path(to).join("provenance/run.intoto.json.sig").exists());
        env.hook(["verify", &format!("../{to}")]).ok();
    }
}

/// No file that an export writes itself holds an absolute path, the host's name, a user, an address of e-mail or of a
/// remote. What `run.json` gives away is said, and can be left out.
#[test]
fn nothing_of_the_exporter_gets_in() {
    let env = TestEnv::exported_history();
    let secrets = ["git-t0ken", "dvc-t0ken", "hub.private.example", "store.private.example"];
    env.git(["remote", "add", "hub", "https://ada:git-t0ken@hub.private.example/x.git"]).ok();
    env.git(["config", "user.email", "committer@private.example"]).ok();
    let remote = "['remote \"store\"']\n    url = https://ada:dvc-t0ken@store.private.example/x\n";
    fs::write(env.repo(".dvc/config.local"), remote).unwrap();
    let citation = "cff-version: 1.2.0\nmessage: x\ntype: dataset\ntitle: Runs\nauthors:\n- given-names: Bo\n  family-names: Sample\n  email: author@private.example\n";
    fs::write(env.repo("CITATION.cff"), citation).unwrap();
    env.git(["add", "CITATION.cff"]).ok();
    env.git(["commit", "-qm", "Cite", "--author", "Bo Sample <author@private.example>"]).ok();
    env.record_as("ok-pypi010", "nav/last");
    env.git(["config", "user.name", "person@private.example"]).ok();
    env.commit_run("nav/last");
    let said = env.hook(["export", "--all", "-o", "../all"]).ok().stderr;
    let told = "run.json of 9 runs names the machine or its user (system.hostname, system.pid)";
    assert!(said.contains(told), "{said}");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
    let user = env.run_in(".", "id", ["-un"]).ok().stdout.trim().to_owned();
    let root = env.path("");
    let paths = [root.to_str().unwrap(), "/home/", "/tmp/", "/root", "file://", "origin.git", "dvc-remote"];
    let mut searched = 0;
    for (name, bytes) in tree(&env.path("all")) {
        let is_of_run = EXPORTED.iter().chain(&["nav/last"]).any(|run| name.starts_with(&format!("{run}/")));
        let is_tracked = name.ends_with("dvc.lock") || name.ends_with(".yaml");
        if is_of_run || is_tracked {
            continue;
        }
        searched += 1;
        let text = String::from_utf8(bytes).unwrap();
        for private in paths.iter().chain(&secrets).chain(&["private.example", "@example.org", "ada@"]) {
            assert!(!text.contains(private), "{private} in {name}");
        }
        // As words: a short name is part of others.
        let words: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').collect();
        for private in [&host, &user] {
            assert!(!words.contains(private.as_str()), "{private} in {name}");
        }
    }
    assert_eq!(searched, EXPORTED.len() + 7);
}

/// A file that is left out is missed by `verify`, unless it is told of.
#[test]
fn a_file_can_be_left_out() {
    let env = TestEnv::exported_history();
    let output = env.hook(["export", "nav/first", "nav/again", "-o", "../out", "--without", "run.json"]).ok();
    assert!(!output.stderr.contains("names the machine"), "{}", output.stderr);
    assert!(!tree(&env.path("out")).keys().any(|name| name.ends_with("run.json")));
    let (list, whole) = (fs::read_to_string(env.path("out/SHA256SUMS")).unwrap(), env.export("whole", &["nav/first"]));
    assert!(!list.contains("run.json"), "{list}");
    assert_eq!(statements(&env.path("out"))["nav/first"], statements(&whole)["nav/first"]);
    let output = env.hook(["verify", "../out"]).fails(1);
    assert_snapshot!(env.screen(&output), @r"
    statement    nav/again/run.json: the statement names it, but it does not exist
    statement    nav/first/run.json: the statement names it, but it does not exist
    2 findings; read: 2 runs, 25 files, 79.4 KiB
    2 statements without a signature: who vouches for it is unknown
    ");
    let output = env.hook(["verify", "../out", "--without", "run.json"]).ok();
    assert_snapshot!(env.screen(&output), @r"
    whole, as it was exported: 2 runs, 25 files, 79.4 KiB
    left out: nav/again/run.json, so its bytes were not verified
    left out: nav/first/run.json, so its bytes were not verified
    2 statements without a signature: who vouches for it is unknown
    ");
    env.hook(["verify", "../out", "--without", "steps.parquet"]).fails(1);
    let output = env.hook(["export", "nav/first", "-o", "../none", "--without", "run.jsn"]).fails(3);
    assert_snapshot!(env.screen(&output), @r"
    error: no run of this export has a file run.jsn
    hint: see a run's files: `capture-hook show RUN`
    ");
    let output = env.hook(["export", "nav/first", "-o", "../none", "--without", "../first/run.json"]).fails(3);
    assert!(output.stderr.contains("no run of this export has a file ../first/run.json"), "{}", output.stderr);
    assert!(!env.path("none").exists());
}

/// A fresh clone fetches what it exports and nothing else, once.
#[test]
fn only_what_is_exported_is_fetched() {
    let env = TestEnv::exported_history();
    env.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
    let export = |args: &[&str]| -> Value {
        let output = env.hook_in("clone", [&["--json", "export"], args].concat()).ok();
        serde_json::from_str(&output.stdout).unwrap()
    };
    assert_eq!(export(&["nav/first", "-o", "../one"])["fetched"], true);
    let objects = files(&env.path("clone/.dvc/cache/files/md5"));
    let lists = objects.iter().filter(|object| object.extension().is_some()).count();
    let run = files(&env.path("one/nav/first"));
    assert_eq!((lists, objects.len() - lists), (1, run.len()), "{objects:?}");
    fs::rename(env.path("dvc-remote"), env.path("gone")).unwrap();
    assert_eq!(export(&["nav/first", "-o", "../again"])["fetched"], false);
    assert_same_tree(&env.path("one"), &env.path("again"), "from the cache");
    let output = env.hook_in("clone", ["export", "nav/again", "-o", "../none"]);
    assert!(output.code == 3 && output.stderr.contains("dvc-remote"), "{}", output.both());
    fs::rename(env.path("gone"), env.path("dvc-remote")).unwrap();
    assert_eq!(export(&["nav/again", "-o", "../none"])["fetched"], true);
}

/// Nothing that is tracked changes, and git ignores an export in the working tree.
#[test]
fn an_export_in_the_working_tree_is_ignored() {
    let env = TestEnv::exported_history();
    let screen = |output: CommandOutput| env.screen(&output);
    fs::create_dir(env.repo("docs")).unwrap();
    let output = env.hook_in("repo/docs", ["export", "nav/first"]).ok();
    assert_snapshot!(screen(output), @r"
    nav-first-export
    --- stderr
    1 run, 17 files, 54.8 KiB; no statement is signed
    git now ignores docs/nav-first-export/ in this clone (info/exclude)
    warning: run.json of 1 run names the machine or its user (system.hostname, system.pid); leave it out with `--without run.json`
    hint: sign a run's statement: `capture-hook attest RUN`, commit `attestations/`, then export again
    ");
    env.hook(["export", "--experiment", "sweep", "-o", "deep/er/out/"]).ok();
    env.assert_committed();
    assert!(env.repo("deep/er/out/SHA256SUMS").is_file() && env.repo("docs/nav-first-export/nav/first").is_dir());
}

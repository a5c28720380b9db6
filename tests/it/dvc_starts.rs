//! How often a command starts DVC: once at most for each push, pull, get and check, whatever it needs of an object store.
//!
//! The `dvc` here is a script as pip writes it. Its interpreter is a program that counts, and becomes the real one.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::env::{BIN, CommandOutput, TestEnv};
use crate::s3::{Store, dvc_with_s3};
use crate::tools;

/// A project with the native engine, and a count of DVC's starts.
struct CountedProject {
    env: TestEnv,
    store: Option<Store>,
}

/// The lines that DVC's installers write.
const SCRIPT: &str = "import sys\nfrom dvc.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n";

impl CountedProject {
    /// The project, with this many commits of a run each. Its data goes to an object store.
    fn with_versions(count: usize) -> Self {
        let mut project = Self::without_remote(&dvc_with_s3());
        let store = Store::start(&project.env);
        project.env.set("AWS_DEFAULT_REGION", "us-east-1");
        store.give_credentials(&project.env, None);
        project.set_up("s3://captures/data");
        project.env.dvc(["remote", "modify", "storage", "endpointurl", store.address()]).ok();
        project.env.git(["commit", "-q", "-am", "Where the data is"]).ok();
        project.store = Some(store);
        project.commit_runs(count);
        project
    }

    /// No project yet, and a DVC that counts around this one.
    fn without_remote(installed: &Path) -> Self {
        let mut env = TestEnv::empty_with(installed);
        let (real, log) = (installed.join("python"), env.path("starts"));
        let count_and_start =
            format!("#!/bin/sh\necho \"$$\" >> '{}'\nexec '{}' \"$@\"\n", log.display(), real.display());
        let python = env.script("counted/python", &count_and_start);
        // Some systems start no script as the interpreter of another; `env` does.
        env.script("counted/dvc", &format!("#!/usr/bin/env {python}\n{SCRIPT}"));
        let path = env.get("PATH").replace(installed.to_str().unwrap(), env.path("counted").to_str().unwrap());
        env.set("PATH", &path);
        Self { env, store: None }
    }

    /// A repository with a remote for its data.
    fn set_up(&self, remote: &str) {
        self.env.git_in(".", ["init", "-q", "repo"]).ok();
        self.env.hook(["init", "--remote", remote]).ok();
        let settings = fs::read_to_string(self.env.repo("capture-hook.toml")).unwrap_or_default();
        fs::write(self.env.repo("capture-hook.toml"), format!("engine = \"native\"\n{settings}")).unwrap();
        self.env.git(["add", "-A"]).ok();
        self.env.git(["commit", "-q", "-m", "Set up"]).ok();
        self.env.add_origin();
    }

    fn commit_runs(&self, count: usize) {
        for number in 1..=count {
            self.env.record_as("ok-orig100", &run(number));
            self.env.commit_run(&run(number));
        }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("an object store")
    }

    /// How often DVC was started since the last question.
    fn starts(&self) -> usize {
        let log = self.env.path("starts");
        let count = fs::read_to_string(&log).unwrap_or_default().lines().count();
        let _ = fs::remove_file(log);
        count
    }

    /// Runs a command of ours; as many starts of DVC as `-v` shows, and as there were.
    #[track_caller]
    fn counted(&self, dir: &str, args: &[&str], starts: usize) -> CommandOutput {
        self.starts();
        let output = self.env.hook_in(dir, [&["-v"], args].concat());
        assert_eq!(self.starts(), starts, "{args:?}: {}", output.both());
        let is_start = |line: &&str| line.contains("counted/dvc") && line.contains(" ms, exit ") && line.ends_with(')');
        assert_eq!(output.stderr.lines().filter(is_start).count(), starts, "{args:?}: {}", output.stderr);
        output
    }

    /// Runs git, whose hooks start DVC so often at the most.
    #[track_caller]
    fn counted_git(&self, dir: &str, args: &[&str], starts: usize) -> CommandOutput {
        self.starts();
        let output = self.env.git_in(dir, args);
        assert_eq!(self.starts(), starts, "{args:?}: {}", output.both());
        output
    }

    /// A clone without any data; its hooks are installed, and no checkout has fetched anything yet.
    fn clone_to(&self, dir: &str) {
        self.env.git_in(".", ["clone", "-q", "-c", "core.hooksPath=/dev/null", "origin.git", dir]).ok();
        self.env.git_in(dir, ["config", "--unset", "core.hooksPath"]).ok();
        self.env.hook_in(dir, ["install"]).ok();
    }

    /// The data version of a revision: the hash of its list.
    fn version(&self, rev: &str) -> String {
        let lock = self.env.git(["show", &format!("{rev}:dvc.lock")]).ok().stdout;
        let line = lock.lines().find(|line| line.ends_with(".dir")).unwrap();
        line.rsplit_once(' ').unwrap().1.to_owned()
    }

    /// Removes an object from the store.
    fn remove_object(&self, hash: &str) {
        let key = format!("data/files/md5/{}/{}", &hash[..2], &hash[2..]);
        self.store().run_client(
            &self.env,
            &format!(
                "s3.head_object(Bucket='captures', Key='{key}')\ns3.delete_object(Bucket='captures', Key='{key}')"
            ),
        );
    }

    /// Removes the data of a clone: its cache, and what lies in its workspace.
    fn remove_data(&self, dir: &str) {
        for part in [".dvc/cache", "data/captures"] {
            let _ = fs::remove_dir_all(self.env.path(dir).join(part));
        }
    }
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn run(number: usize) -> String {
    format!("sweep/r{number:02}")
}

fn assert_one_start_for_each_command(versions: usize) {
    let project = CountedProject::with_versions(versions);
    let newest = run(versions);
    // Everything is missing there; then nothing is.
    project.counted("repo", &["push", "--all"], 1).ok();
    let again = project.counted("repo", &["push", "--all"], 1).ok();
    assert!(again.stderr.contains("the DVC remote has all data"), "{}", again.stderr);
    project.counted_git("repo", &["push", "-q", "--follow-tags", "origin", "main"], 1).ok();
    project.counted("repo", &["check"], 0).ok();
    project.counted("repo", &["check", "--remote"], 1).ok();
    // Clones in which every list and every file is missing.
    project.clone_to("checked");
    project.counted("checked", &["check"], 1).ok();
    project.clone_to("asked");
    project.counted("asked", &["check", "--remote"], 1).ok();
    project.counted("asked", &["push", "--all"], 1).ok();
    project.clone_to("got");
    project.counted("got", &["get", &newest, "-o", "out"], 1).ok();
    project.counted("got", &["get", &newest, "-o", "again"], 0).ok();
    let (rev, starts) = (format!("HEAD~{}", versions - 1), usize::from(versions > 1));
    project.counted("got", &["get", &run(1), "--rev", &rev, "-o", "old"], starts).ok();
    project.clone_to("pulled");
    project.counted("pulled", &["pull"], 1).ok();
    assert_eq!(project.env.runs_in("pulled").len(), versions);
    project.counted("pulled", &["pull"], 0).ok();
    // Some runs, by names of which only the list knows some.
    project.clone_to("runs");
    let runs: Vec<String> = (1..=versions.min(3)).map(run).collect();
    project
        .counted("runs", &[&["pull"], runs.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat(), 1)
        .ok();
    assert_eq!(project.env.runs_in("runs"), runs);
}

#[test]
fn dvc_is_started_once_for_one_version() {
    assert_one_start_for_each_command(1);
}

#[test]
fn dvc_is_started_once_for_twelve_versions() {
    assert_one_start_for_each_command(12);
}

#[test]
fn dvc_is_started_once_by_each_hook() {
    let project = CountedProject::with_versions(3);
    project.env.git(["branch", "old", "HEAD~2"]).ok();
    // Three versions, everything missing.
    project.counted_git("repo", &["push", "-q", "origin", "main~1:refs/heads/main", "old"], 1).ok();
    project.clone_to("clone");
    project.counted_git("repo", &["push", "-q", "origin", "main"], 1).ok();
    project.counted("clone", &["pull"], 1).ok();
    // post-merge: the list of what came and its files.
    project.counted_git("clone", &["pull", "-q", "origin", "main"], 1).ok();
    assert_eq!(project.env.runs_in("clone"), [run(1), run(2), run(3)]);
    // post-checkout: also without the list of what the workspace holds.
    fs::remove_dir_all(project.env.path("clone/.dvc/cache")).unwrap();
    project.counted_git("clone", &["checkout", "-q", "-b", "older", "origin/old"], 1).ok();
    assert_eq!(project.env.runs_in("clone"), [run(1)]);
}

#[test]
fn what_is_gone_from_an_object_store_is_named_after_one_start() {
    let project = CountedProject::with_versions(2);
    project.counted("repo", &["push", "--all"], 1).ok();
    project.env.git(["push", "-q", "--no-verify", "--follow-tags", "origin", "main"]).ok();
    // A file of the newest run.
    let version = project.version("HEAD");
    let (shard, rest) = version.split_at(2);
    let list = fs::read_to_string(project.env.repo(format!(".dvc/cache/files/md5/{shard}/{rest}"))).unwrap();
    let entries: serde_json::Value = serde_json::from_str(&list).unwrap();
    let entry = entries
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["relpath"].as_str().unwrap() == format!("{}/manifest.json", run(2)));
    let hash = entry.unwrap()["md5"].as_str().unwrap().to_owned();
    project.remove_object(&hash);
    project.clone_to("clone");
    for args in [&["pull"][..], &["get", "sweep/r02", "-o", "out"]] {
        let output = project.counted("clone", args, 1).fails(4);
        assert!(output.stderr.contains(&format!("failed to transfer '{hash}'")), "{}", output.stderr);
    }
    assert!(!project.env.path("clone/out").exists());
    project.counted("clone", &["get", &run(1), "-o", "first"], 1).ok();
    // Its list, too: nothing vouches for the version, and nothing says that all is well.
    project.remove_object(&version);
    project.remove_data("clone");
    project.counted("clone", &["pull"], 1).fails(4);
    project.counted("clone", &["get", &run(2), "-o", "out"], 1).fails(4);
    let checked = project.counted("clone", &["check", "--remote"], 1).fails(1);
    assert!(checked.stdout.contains("its file list is not on the remote; nor in this clone"), "{}", checked.stdout);
    let pushed = project.counted("clone", &["push"], 1).fails(1);
    assert!(
        pushed.stderr.contains("neither in this clone nor on the DVC remote: the file list of"),
        "{}",
        pushed.stderr
    );
    // The first clone has both.
    project.counted("repo", &["check", "--remote"], 1).fails(1);
    project.counted("repo", &["push"], 1).ok();
    project.counted("repo", &["check", "--remote"], 1).ok();
    project.counted("clone", &["pull"], 1).ok();
}

#[test]
fn an_object_store_that_refuses_or_is_away_is_reported_after_one_start() {
    let project = CountedProject::with_versions(2);
    project.counted("repo", &["push", "--all"], 1).ok();
    project.env.git(["push", "-q", "--no-verify", "--follow-tags", "origin", "main"]).ok();
    project.clone_to("clone");
    let fails = |reason: &str, commands: &[&[&str]]| {
        for args in commands {
            let output = project.counted("clone", args, 1).fails(4);
            assert!(output.stderr.contains(reason), "{args:?}: {}", output.stderr);
        }
        let output = project.counted("repo", &["push"], 1).fails(4);
        assert!(output.stderr.contains(reason), "{}", output.stderr);
        let checked = project.counted("clone", &["check"], 1).ok();
        assert!(checked.stdout.contains("not_in_clone") && checked.stdout.contains(reason), "{}", checked.stdout);
    };
    project.store().give_credentials(&project.env, Some("wR0ngwR0ngwR0ngwR0ngwR0ngwR0ngwR0ngwR0ng"));
    fails("403", &[&["pull"], &["get", "sweep/r02", "-o", "out"], &["push"], &["check", "--remote"]]);
    project.store().give_credentials(&project.env, None);
    for dir in ["repo", "clone"] {
        project.env.dvc_in(dir, ["remote", "modify", "--local", "storage", "endpointurl", "http://127.0.0.1:9"]).ok();
    }
    // DVC's client tries each request for some seconds.
    fails("127.0.0.1:9", &[&["pull"], &["push"]]);
}

/// A list that was never checked here would make DVC write and send files at any path.
#[test]
fn dvc_gets_no_list_that_names_a_path_outside() {
    let project = CountedProject::with_versions(1);
    let list = format!("[{{\"md5\": \"{}outside\", \"relpath\": \"sweep/r01/x\"}}]", "../".repeat(8));
    let code = format!(
        "import hashlib\nlist = {list:?}.encode()\nname = hashlib.md5(list).hexdigest()\ns3.put_object(Bucket='captures', Key='data/files/md5/%s/%s.dir' % (name[:2], name[2:]), Body=list)\nprint(name)"
    );
    let name = project.store().run_client(&project.env, &code).stdout.trim().to_owned();
    let lock = fs::read_to_string(project.env.repo("dvc.lock")).unwrap();
    let own = project.version("HEAD");
    fs::write(project.env.repo("dvc.lock"), lock.replace(&own, &format!("{name}.dir"))).unwrap();
    for args in [&["pull"][..], &["pull", "sweep/r01"]] {
        let output = project.env.hook([&["-v"], args].concat());
        assert_ne!(output.code, 0, "{}", output.both());
        assert!(!output.stderr.contains("dvc fetch") && !output.stderr.contains("dvc pull"), "{}", output.stderr);
    }
}

/// Of an object store that anyone may read, by the oldest DVC and the newest.
#[test]
fn each_dvc_is_started_once_for_a_pull_over_http() {
    for installed in [tools::old_dvc_bin(), tools::dvc_bin()] {
        let project = CountedProject::without_remote(&installed);
        fs::create_dir_all(project.env.path("dvc-remote")).unwrap();
        project.set_up("../dvc-remote");
        project.commit_runs(2);
        project.counted("repo", &["push", "--all"], 0).ok();
        project.env.git(["push", "-q", "--no-verify", "--follow-tags", "origin", "main"]).ok();
        let server = "import functools, http.server\n\
            handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory='dvc-remote')\n\
            server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)\n\
            print(server.server_address[1], flush=True)\n\
            server.serve_forever()";
        let mut command = project.env.command("python3", ".");
        let command = command.args(["-c", server]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = command.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
        project.clone_to("clone");
        let address = format!("http://127.0.0.1:{}", port.trim());
        project.env.dvc_in("clone", ["remote", "modify", "--local", "storage", "url", &address]).ok();
        let pulled = project.counted("clone", &["pull"], 1);
        let got = project.counted("clone", &["get", &run(1), "--rev", "HEAD~1", "-o", "out"], 1);
        let checked = project.counted("clone", &["check", "--remote"], 1);
        server.kill().unwrap();
        server.wait().unwrap();
        assert_eq!((pulled.ok().code, got.ok().code, checked.ok().code), (0, 0, 0));
        assert_eq!(project.env.runs_in("clone"), [run(1), run(2)]);
    }
}

/// A program around DVC, or one that is no script: each step starts it, and all works as with one process.
#[test]
fn a_dvc_that_is_no_script_of_python_is_started_for_each_step() {
    let mut project = CountedProject::with_versions(1);
    let around = project
        .env
        .script("around/dvc", &format!("#!/bin/sh\nexec '{}' \"$@\"\n", project.env.path("counted/dvc").display()));
    project.env.set("CAPTURE_HOOK_DVC", &around);
    project.env.hook(["push", "--all"]).ok();
    project.env.git(["push", "-q", "--no-verify", "--follow-tags", "origin", "main"]).ok();
    project.clone_to("clone");
    project.starts();
    project.env.hook_in("clone", ["pull"]).ok();
    assert_eq!(project.starts(), 2);
    assert_eq!(project.env.runs_in("clone"), [run(1)]);
}

/// A DVC that waits for more to do keeps no signal from ending the command, and ends with it.
#[test]
fn a_signal_ends_a_command_whose_dvc_has_nothing_to_do() {
    let project = CountedProject::with_versions(1);
    project.counted("repo", &["push"], 1).ok();
    project.env.git(["push", "-q", "--no-verify", "--follow-tags", "origin", "main"]).ok();
    project.clone_to("clone");
    project.starts();
    // A pipe that is full: the command stops when it prints its result, after DVC has done all.
    let (_reader, mut writer) = std::io::pipe().unwrap();
    // As many bytes as Linux has for a pipe (pipe(7)).
    writer.write_all(&[0; 65536]).unwrap();
    let mut command = project.env.command(BIN, "clone");
    let mut child = command.args(["pull", "--json"]).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    drop(command);
    wait_until("the run to be checked out", || project.env.runs_in("clone") == [run(1)]);
    std::thread::sleep(Duration::from_secs(1));
    let dvc = fs::read_to_string(project.env.path("starts")).unwrap().trim().to_owned();
    assert!(Path::new("/proc").join(&dvc).exists(), "DVC waits");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    wait_until("the command to end", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    wait_until("DVC to end", || !Path::new("/proc").join(&dvc).exists());
}

//! Failures from outside: killed, no space, no permission, another process at work, no answer. After each: the old
//! state or the new one, the same command again works, no run is lost, nothing is left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, THIRD, TestEnv, VIEWS, copy_dir, each_cache_type, files, tree};
use crate::limits::Running;

/// Starts a program in a group of its own, so that it can be killed with all that it started.
pub fn start(env: &TestEnv, program: &str, args: &[&str]) -> Child {
    use std::os::unix::process::CommandExt;
    let mut command = env.command("/usr/bin/env", "repo");
    command.arg(program).args(args).process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Kills every process that works in this environment.
pub fn kill_all(env: &TestEnv, child: &mut Child) {
    // One that is being started while the list is read is in the next.
    let mut quiet = 0;
    while quiet < 2 {
        quiet = if Running::now().within(&env.path("")).kill() == 0 { quiet + 1 } else { 0 };
    }
    let _ = child.wait();
    // What a killed git leaves is for the user to remove, as git itself says.
    for lock in files(&env.repo(".git")).iter().filter(|path| path.extension().is_some_and(|e| e == "lock")) {
        if !lock.starts_with(env.repo(".git/capture-hook")) {
            fs::remove_file(lock).unwrap();
        }
    }
}

/// Moments from the start of a command to its end.
fn moments(whole: Duration) -> impl Iterator<Item = Duration> {
    (1..=6).map(move |n| whole * n / 7)
}

fn no_leftovers(env: &TestEnv) {
    let odd: Vec<_> = tree(&env.repo(""))
        .into_keys()
        .filter(|path| {
            let name = path.rsplit('/').next().unwrap();
            name.starts_with(".capture-hook-")
                || (path.contains("capture-hook-undo-") || path.contains("capture-hook-scratch-"))
        })
        .collect();
    assert!(odd.is_empty(), "{odd:?}");
}

/// No unfinished file lies in the dataset, where it would be taken for a run's.
fn nothing_in_the_dataset(env: &TestEnv) {
    let odd: Vec<_> = tree(&env.repo("data")).into_keys().filter(|path| path.contains(".capture-hook-")).collect();
    assert!(odd.is_empty(), "{odd:?}");
}

fn killed_commit(env: &TestEnv) {
    let whole = {
        let copy = env.copy();
        let started = Instant::now();
        copy.commit_run(SECOND);
        started.elapsed()
    };
    for moment in moments(whole) {
        let env = env.copy();
        let head = env.id("HEAD");
        env.select(SECOND);
        let mut child = start(&env, "git", &["commit", "-q", "-am", "x"]);
        std::thread::sleep(moment);
        kill_all(&env, &mut child);
        goes_on(&env, &head);
    }
}

/// E10: A commit with the native engine that is killed (-9) at many moments can be repeated.
#[test]
fn a_killed_native_commit_can_be_repeated() {
    TestEnv::committed_native().case(|env| killed_commit(env));
}

/// E10: A commit that is killed (-9) at many moments can be repeated.
#[test]
fn a_killed_commit_can_be_repeated() {
    each_cache_type(TestEnv::committed_with, |env| killed_commit(env));
}

/// After a commit of the second run was killed, the same command again, or what git itself advises, ends well.
#[track_caller]
fn goes_on(env: &TestEnv, head: &str) {
    if env.id("HEAD") == head {
        env.git(["commit", "-q", "-am", "x"]).ok();
    } else {
        // Git moves HEAD first and writes the index afterwards: killed in between, it leaves the old one. This is what
        // git says to type if it cannot write the index.
        env.git(["restore", "--staged", ":/"]).ok();
    }
    env.hook(["tag"]).ok();
    assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST]);
    assert_eq!(env.tags().len(), 2);
    for view in VIEWS.lines() {
        let shown = env.git(["show", &format!("HEAD:{view}")]).ok().stdout;
        assert!(shown.contains(SECOND), "{view} shows another run: {shown}");
    }
    env.assert_committed();
    nothing_in_the_dataset(env);
}

/// Kills a commit of the second run the moment a file is another than it was.
fn killed_when_changed(env: &TestEnv, file: &str) {
    let head = env.id("HEAD");
    let (path, before) = (env.repo(file), fs::read(env.repo(file)).unwrap());
    env.select(SECOND);
    let mut child = start(env, "git", &["commit", "-q", "-am", "x"]);
    while fs::read(&path).is_ok_and(|now| now == before) && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    // Git and its hook at once, then what they started.
    let _ =
        rustix::process::kill_process_group(rustix::process::Pid::from_child(&child), rustix::process::Signal::KILL);
    kill_all(env, &mut child);
    goes_on(env, &head);
}

/// E10: A commit with the native engine that is killed (-9) the moment dvc.lock names the run can be repeated.
#[test]
fn a_commit_killed_at_the_lock_can_be_repeated() {
    // The files of DVC's views were written afterwards: the commit that went on showed the run before.
    TestEnv::committed_native().case(|env| killed_when_changed(env, "dvc.lock"));
}

/// E10: A commit with the native engine that is killed (-9) the moment HEAD has moved can go on.
#[test]
fn a_commit_killed_at_head_can_go_on() {
    TestEnv::committed_native().case(|env| killed_when_changed(env, ".git/refs/heads/main"));
}

/// E10: What a killed DVC left unfinished in the dataset is no file of a run.
#[test]
fn leftovers_of_dvc_are_no_file_of_a_run() {
    each_cache_type(TestEnv::committed_with, |env| {
        // As DVC names the copy of a linked file that it is about to untie.
        let copy = env.repo("data/captures").join(FIRST).join(".Zk3_9-aBcDeFgHiJkLmNoP.tmp");
        fs::write(&copy, "half").unwrap();
        env.commit_run(SECOND);
        assert!(!copy.exists());
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST]);
        env.assert_committed();
    });
}

/// E10: A checkout that is killed (-9) at many moments can be repeated.
#[test]
fn a_killed_checkout_can_be_repeated() {
    each_cache_type(TestEnv::two_versions, |env| {
        env.hook(["push", "main", "old"]).ok();
        for n in 1..=6 {
            let env = env.copy();
            env.git(["checkout", "-q", "old"]).ok();
            fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
            let mut child = start(&env, "git", &["checkout", "-q", "main"]);
            std::thread::sleep(Duration::from_millis(250 * n));
            kill_all(&env, &mut child);
            if env.git(["rev-parse", "--abbrev-ref", "HEAD"]).ok().stdout.trim() != "main" {
                env.git(["checkout", "-q", "-f", "main"]).ok();
            }
            env.hook(["pull"]).ok();
            assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
            env.assert_committed_but_for_links();
            nothing_in_the_dataset(&env);
        }
    });
}

/// E10: A push that is killed (-9) at many moments can be repeated.
#[test]
fn a_killed_push_can_be_repeated() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        for n in 1..=5 {
            let env = env.copy();
            let mut child = start(&env, "git", &["push", "-q", "--follow-tags", "origin", "main"]);
            std::thread::sleep(Duration::from_millis(8 * n * n));
            kill_all(&env, &mut child);
            if !env.git_in("origin.git", ["branch"]).ok().stdout.is_empty() {
                // Git's commits are there: so is the data.
                assert!(env.ask_dvc(["status", "-c"]).ok().stdout.contains("in sync"));
            }
            env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
            assert!(env.ask_dvc(["status", "-c"]).ok().stdout.contains("in sync"));
        }
    });
}

/// A DVC that does its work and then goes on for a while, or fails.
fn slow_dvc(env: &mut TestEnv, after: &str) {
    let real = crate::tools::dvc_bin().join("dvc");
    let text = format!("#!/bin/sh\n\"{}\" \"$@\" || exit\n{after}\n", real.display());
    let program = env.script("bin/slow-dvc", &text);
    env.set("CAPTURE_HOOK_DVC", &program);
}

fn state(env: &TestEnv) -> (String, Vec<u8>, Vec<u8>, std::collections::BTreeMap<String, Vec<u8>>) {
    let read = |file: &str| fs::read(env.repo(file)).unwrap();
    let mut files = tree(&env.repo("data"));
    files.extend(tree(&env.repo("metrics")));
    (env.id("HEAD"), read("dvc.lock"), read("params.yaml"), files)
}

/// E10: Ctrl-C while DVC works restores the old state.
#[test]
fn ctrl_c_restores_the_old_state() {
    each_cache_type(TestEnv::committed_with, |env| {
        slow_dvc(env, "touch ../worked; sleep 30");
        env.select(SECOND);
        let before = state(env);
        let mut child = start(env, "git", &["commit", "-q", "-am", "x"]);
        while !env.path("worked").exists() {
            std::thread::sleep(Duration::from_millis(50));
        }
        let group = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process_group(group, rustix::process::Signal::INT).unwrap();
        let started = Instant::now();
        assert!(!child.wait().unwrap().success());
        // Git is gone at once; the hook restores the old state, and ends too.
        while !Running::now().within(&env.path("")).is_empty() {
            assert!(started.elapsed() < Duration::from_secs(60), "the hook does not end");
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(state(env) == before);
        env.unset("CAPTURE_HOOK_DVC");
        env.git(["commit", "-q", "-am", "x"]).ok();
        env.assert_committed();
        no_leftovers(env);
    });
}

/// X2: A DVC that fails in the middle restores the old state.
#[test]
fn a_failing_dvc_restores_the_old_state() {
    each_cache_type(TestEnv::committed_with, |env| {
        slow_dvc(env, "exit 1");
        env.select(SECOND);
        let before = state(env);
        let output = env.git(["commit", "-am", "x"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        dvc repro -s capture_ingest
        error: `[env]/bin/slow-dvc repro --single-item --no-run-cache -- capture_ingest` failed with exit code 1
            Running stage 'capture_ingest':
            > capture-hook ingest
            data/captures/demo/run-20260105-041
            Updating lock file 'dvc.lock'
            To track the changes with git, run:
                git add dvc.lock
            To enable auto staging, run:
                dvc config core.autostage true
            Use `dvc push` to send your updates to remote storage.
        ");
        assert!(state(env) == before);
        env.unset("CAPTURE_HOOK_DVC");
        env.git(["commit", "-q", "-am", "x"]).ok();
        env.assert_committed();
        no_leftovers(env);
    });
}

fn disk_full(env: &TestEnv) {
    // A file size limit stands in for a full disk: every write beyond it fails, whoever writes.
    env.select(THIRD);
    let before = state(env);
    let commit = "ulimit -f 8; trap '' XFSZ; exec git commit -q -am x";
    let output = env.run_in("repo", "/bin/sh", ["-c", commit]);
    assert_ne!(output.code, 0, "{}", output.both());
    assert!(state(env) == before, "{}", output.both());
    env.git(["commit", "-q", "-am", "x"]).ok();
    env.assert_committed();
    no_leftovers(env);
}

/// D6, X2: A full disk stops the commit, and nothing has changed.
#[test]
fn a_full_disk_changes_nothing() {
    TestEnv::committed().case(|env| disk_full(env));
}

/// D6, X2: A full disk stops a commit with the native engine, and nothing has changed.
#[test]
fn a_full_disk_changes_nothing_natively() {
    TestEnv::committed_native().case(|env| disk_full(env));
}

/// D4: A read-only cache stops the commit, and nothing has changed.
#[test]
fn a_read_only_cache_changes_nothing() {
    TestEnv::committed().case(|env| {
        // Root writes everywhere: a file in the place of the directory is as good.
        env.select(SECOND);
        let before = state(env);
        let local = env.repo(".dvc/config.local");
        let text = fs::read_to_string(&local).unwrap();
        let cache = env.path("cache");
        copy_dir(&env.repo(".dvc/cache"), &cache);
        fs::write(&local, format!("{text}    dir = {}\n", cache.display())).unwrap();
        for shard in fs::read_dir(cache.join("files/md5")).unwrap().flatten() {
            fs::set_permissions(shard.path(), fs::Permissions::from_mode(0o555)).unwrap();
        }
        let blocked = (0..256).map(|n| cache.join(format!("files/md5/{n:02x}"))).filter(|path| !path.exists());
        let blocked: Vec<_> = blocked.inspect(|path| fs::write(path, "").unwrap()).collect();
        env.git(["commit", "-q", "-am", "x"]).fails(1);
        assert!(state(env) == before);
        for path in blocked {
            fs::remove_file(path).unwrap();
        }
        env.git(["commit", "-q", "-am", "x"]).ok();
        env.assert_committed();
    });
}

/// Holds DVC's lock as DVC does, for so long.
pub fn hold_lock(env: &TestEnv, seconds: &str) -> Child {
    let python = crate::tools::dvc_bin().join("python");
    let code = "import sys, time, zc.lockfile\nlock = zc.lockfile.LockFile('.dvc/tmp/lock')\nprint('held', flush=True)\ntime.sleep(float(sys.argv[1]))\n";
    let mut command = env.command(python, "repo");
    let mut child = command.args(["-c", code, seconds]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
    child
}

/// D1: DVC's lock is waited for if it is held for a while, and stops the commit if for too long.
#[test]
fn a_lock_of_dvc_is_waited_for() {
    TestEnv::committed().case(|env| {
        env.select(SECOND);
        let mut holder = hold_lock(env, "8");
        env.git(["commit", "-q", "-am", "x"]).ok();
        holder.wait().unwrap();
        env.assert_committed();
        let before = (env.id("HEAD"), fs::read(env.repo("dvc.lock")).unwrap());
        env.select(THIRD);
        let mut holder = hold_lock(env, "300");
        let output = env.git(["commit", "-am", "y"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        dvc repro -s capture_ingest
        error: another DVC (process [pid]) is running in this project; waited [seconds] s for it
        hint: wait for it, or end it; see what it is: `ps -p [pid]`
        hint: then run the same command again
        ");
        assert!(output.stderr.contains(&format!("process {}", holder.id())), "{}", output.stderr);
        assert!(before == (env.id("HEAD"), fs::read(env.repo("dvc.lock")).unwrap()));
        holder.kill().unwrap();
        holder.wait().unwrap();
        env.git(["commit", "-q", "-am", "y"]).ok();
        env.assert_committed();
    });
}

fn two_at_once(env: &TestEnv) {
    env.git(["branch", "other"]).ok();
    env.git(["worktree", "add", "-q", "../tree", "other"]).ok();
    copy_dir(&env.repo("results"), &env.path("tree/results"));
    env.select(SECOND);
    env.select_in("tree", THIRD);
    std::thread::scope(|scope| {
        scope.spawn(|| env.git(["commit", "-q", "-am", "x"]).ok());
        scope.spawn(|| env.git_in("tree", ["commit", "-q", "-am", "y"]).ok());
    });
    assert_eq!(env.runs_at("main"), [SECOND, FIRST]);
    assert_eq!(env.runs_at("other"), [FIRST, THIRD]);
    env.assert_committed();
    assert_eq!(env.git_in("tree", ["status", "--porcelain"]).ok().stdout, "");
    assert_eq!(env.tags().len(), 3);
}

/// P8: Two commits with the native engine in two working trees at once.
#[test]
fn two_native_commits_at_once_do_no_harm() {
    TestEnv::committed_native().case(|env| two_at_once(env));
}

/// P8: Two commits in two working trees at once.
#[test]
fn two_commits_at_once_do_no_harm() {
    each_cache_type(TestEnv::committed_with, |env| two_at_once(env));
}

/// U5: A remote that is down stops a push; commit and checkout go on.
#[test]
fn a_remote_that_is_down_stops_the_push_alone() {
    TestEnv::committed().case(|env| {
        let local = env.repo(".dvc/config.local");
        let text = fs::read_to_string(&local).unwrap();
        let at = text.lines().find(|l| l.trim().starts_with("url")).unwrap();
        fs::write(&local, text.replace(at, "    url = http://127.0.0.1:9/data")).unwrap();
        env.git(["branch", "old"]).ok();
        env.commit_run(SECOND);
        env.git(["checkout", "-q", "old"]).ok();
        let output = env.git(["push", "origin", "main"]).fails(1);
        let screen = env.screen(&output);
        // DVC names each of its objects.
        let lines: Vec<&str> = screen.lines().filter(|line| !line.contains("failed to transfer")).collect();
        assert_snapshot!(lines.join("\n"), @"
        sending data of commit [commit] (results/nav/run-20261124-021550), commit [commit] (results/demo/run-20260105-041) to the DVC remote
        error: cannot send data of commit [commit] (results/nav/run-20261124-021550), commit [commit] (results/demo/run-20260105-041) to the DVC remote
        caused by: `[tools]/dvc/bin/dvc push --` failed with exit code 1
            ERROR: failed to push data to the cloud - 16 files failed to upload
        hint: send the data first and watch its progress: `capture-hook push`
        hint: to push the commits anyway: `git push --no-verify`
        error: failed to push some refs to '../origin.git'
        ");
        assert_eq!(env.git_in("origin.git", ["branch"]).ok().stdout, "");
        fs::write(&local, text).unwrap();
        env.git(["push", "-q", "origin", "main"]).ok();
        no_leftovers(env);
    });
}

/// A damaged object in the cache is named, and `pull` fetches it again.
#[test]
fn a_damaged_object_is_named() {
    TestEnv::two_versions("copy").case(|env| {
        let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
        let version = lock.lines().find_map(|l| l.trim().strip_prefix("md5: ")).unwrap().to_owned();
        env.hook(["push"]).ok();
        env.git(["checkout", "-q", "old"]).ok();
        let object = env.repo(".dvc/cache/files/md5").join(&version[..2]).join(&version[2..]);
        fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&object, "[]").unwrap();
        let output = env.git(["checkout", "main"]).ok();
        assert_snapshot!(env.screen(&output), @"
        Switched to branch 'main'
        warning: the dataset of this commit is not checked out: the cached object [env]/repo/.dvc/cache/files/md5/[md5].dir is damaged
        hint: run `capture-hook pull` when the DVC remote can be reached
        ");
        assert!(output.stderr.contains("damaged") && output.stderr.contains(&version[2..]), "{}", output.stderr);
        fs::remove_file(&object).unwrap();
        env.hook(["pull"]).ok();
        env.assert_committed();
    });
}

/// D1: DVC's own notes that a killed DVC left broken are repaired.
#[test]
fn broken_notes_of_dvc_are_repaired() {
    TestEnv::committed().case(|env| {
        // DVC empties this file, then writes it: a kill between the two stops every later DVC.
        fs::write(env.repo(".dvc/tmp/rwlock"), "").unwrap();
        assert!(env.dvc(["repro", "-f", "capture_ingest"]).fails(255).stderr.contains("RWLock-file"));
        env.commit_run(SECOND);
        env.assert_committed();
    });
}

/// Who waits for the mutex of a commit that fails gets it only when everything is as it was before.
#[test]
fn a_failed_commit_is_rolled_back_before_another_process_works() {
    for command in ["git commit -q -am x", "capture-hook publish --no-push demo/run-20260105-041"] {
        let env = TestEnv::committed();
        let pipeline = fs::read_to_string(env.repo("dvc.yaml")).unwrap();
        fs::write(env.repo("dvc.yaml"), pipeline.replace("cmd: capture-hook ingest", "cmd: 'true'")).unwrap();
        env.git(["config", "capture-hook.stageCmd", "true"]).ok();
        env.select(SECOND);
        let before = fs::read_to_string(env.repo("dvc.lock")).unwrap();
        let mutex = fs::File::open(env.repo(".git/capture-hook/lock")).unwrap();
        let mut commit = env.command("sh", "repo").args(["-c", command]).stderr(Stdio::null()).spawn().unwrap();
        while mutex.try_lock().is_ok() {
            mutex.unlock().unwrap();
            assert!(commit.try_wait().unwrap().is_none(), "`{command}` took no mutex");
            std::thread::sleep(Duration::from_millis(5));
        }
        mutex.lock().unwrap();
        let after = fs::read_to_string(env.repo("dvc.lock")).unwrap();
        mutex.unlock().unwrap();
        assert!(!commit.wait().unwrap().success(), "`{command}`");
        assert_eq!(after, before, "`{command}`");
    }
}

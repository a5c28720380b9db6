//! The worst days: killed, no space, no permission, somebody else at work, nobody answers. After each: the old state or the
//! new one, the same command again works, no run is lost, nothing is left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::{Case, FIRST, SECOND, THIRD, clean, commit_run, id, runs_at, runs_in, script, settled, tags};
use crate::hooks::{select, select_in};
use crate::limits::Running;
use crate::world::{VIEWS, World, copy_dir, files, tree};

pub const CASES: &[Case] = &[
    Case { line: "kill -9 at many moments of a push", run: killed_push },
    Case { line: "kill -9 at many moments of a commit, native engine", run: |w| killed_commit(native(w)) },
    Case { line: "kill -9 the moment dvc.lock names the run, native engine", run: killed_at_the_lock },
    Case { line: "kill -9 the moment HEAD has moved, native engine", run: killed_at_head },
    Case { line: "two commits in two worktrees at once, native engine", run: |w| two_at_once(native(w)) },
    Case { line: "disk full", run: disk_full },
    Case { line: "disk full, native engine", run: |w| disk_full(native(w)) },
    Case { line: "a read-only cache", run: read_only_cache },
    Case { line: "DVC's lock held for a while, and for too long", run: lock_held },
    Case { line: "a remote that is down: push stops, commit and checkout go on", run: remote_down },
    Case { line: "a damaged object in the cache", run: damaged },
    Case { line: "DVC's own notes, left broken by a DVC that was killed", run: broken_notes },
];

/// With each type of links to DVC's cache.
pub const DATA: &[Case] = &[
    Case { line: "kill -9 at many moments of a commit", run: killed_commit },
    Case { line: "kill -9 at many moments of a checkout", run: killed_checkout },
    Case { line: "what a killed DVC left unfinished in the dataset is no file of a run", run: unfinished },
    Case { line: "Ctrl-C while DVC works: the old state is back", run: interrupted },
    Case { line: "DVC fails in the middle: the old state is back", run: dvc_fails },
    Case { line: "two commits in two worktrees at once", run: two_at_once },
];

/// The same world, its runs versioned without DVC.
fn native(world: World) -> World {
    fs::write(world.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    world.git(["add", "capture-hook.toml"]).ok();
    world.git(["commit", "-q", "-m", "native"]).ok();
    world
}

/// Starts git in a group of its own, so that it can be killed with all that it started.
fn start(world: &World, args: &[&str]) -> Child {
    use std::os::unix::process::CommandExt;
    let mut command = world.command("/usr/bin/env", "repo");
    command.arg("git").args(args).process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Kills every process that works in this world.
fn kill_all(world: &World, child: &mut Child) {
    // One that is being started while the list is read is in the next.
    let mut quiet = 0;
    while quiet < 2 {
        quiet = if Running::now().within(&world.path("")).kill() == 0 { quiet + 1 } else { 0 };
    }
    let _ = child.wait();
    // What a killed git leaves is for the user to remove, as git itself says.
    for lock in files(&world.repo(".git")).iter().filter(|path| path.extension().is_some_and(|e| e == "lock")) {
        if !lock.starts_with(world.repo(".git/capture-hook")) {
            fs::remove_file(lock).unwrap();
        }
    }
}

/// Moments from the start of a command to its end.
fn moments(whole: Duration) -> impl Iterator<Item = Duration> {
    (1..=6).map(move |n| whole * n / 7)
}

fn no_leftovers(world: &World) {
    let odd: Vec<_> = tree(&world.repo(""))
        .into_keys()
        .filter(|path| {
            let name = path.rsplit('/').next().unwrap();
            name.starts_with(".capture-hook-")
                || (path.contains("capture-hook-undo-") || path.contains("capture-hook-scratch-"))
        })
        .collect();
    assert!(odd.is_empty(), "{odd:?}");
}

/// No file that was never finished lies where it would be taken for a run's.
fn nothing_in_the_dataset(world: &World) {
    let odd: Vec<_> = tree(&world.repo("data")).into_keys().filter(|path| path.contains(".capture-hook-")).collect();
    assert!(odd.is_empty(), "{odd:?}");
}

fn killed_commit(world: World) {
    let whole = {
        let twin = world.twin();
        let started = Instant::now();
        commit_run(&twin, SECOND);
        started.elapsed()
    };
    for moment in moments(whole) {
        let world = world.twin();
        let head = id(&world, "HEAD");
        select(&world, SECOND);
        let mut child = start(&world, &["commit", "-q", "-am", "x"]);
        std::thread::sleep(moment);
        kill_all(&world, &mut child);
        goes_on(&world, &head);
    }
}

/// After a commit of the second run was killed, the same command again, or what git itself advises, ends well.
#[track_caller]
fn goes_on(world: &World, head: &str) {
    if id(world, "HEAD") == head {
        world.git(["commit", "-q", "-am", "x"]).ok();
    } else {
        // Git moves HEAD first and writes the index afterwards: killed in between, it leaves the old one. This is what git
        // says to type where it cannot write the index.
        world.git(["restore", "--staged", ":/"]).ok();
    }
    world.hook(["tag"]).ok();
    assert_eq!(runs_at(world, "HEAD"), [SECOND, FIRST]);
    assert_eq!(tags(world).len(), 2);
    for view in VIEWS.lines() {
        let shown = world.git(["show", &format!("HEAD:{view}")]).ok().out;
        assert!(shown.contains(SECOND), "{view} shows another run: {shown}");
    }
    clean(world);
    nothing_in_the_dataset(world);
}

/// Kills a commit of the second run the moment a file is another than it was.
fn killed_when_changed(world: World, file: &str) {
    let world = native(world);
    let head = id(&world, "HEAD");
    let (path, before) = (world.repo(file), fs::read(world.repo(file)).unwrap());
    select(&world, SECOND);
    let mut child = start(&world, &["commit", "-q", "-am", "x"]);
    while fs::read(&path).is_ok_and(|now| now == before) && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    // Git and its hook at once, then what they started.
    let _ =
        rustix::process::kill_process_group(rustix::process::Pid::from_child(&child), rustix::process::Signal::KILL);
    kill_all(&world, &mut child);
    goes_on(&world, &head);
}

fn killed_at_the_lock(world: World) {
    // The files of DVC's views were written afterwards: the commit that went on showed the run before.
    killed_when_changed(world, "dvc.lock");
}

fn killed_at_head(world: World) {
    killed_when_changed(world, ".git/refs/heads/main");
}

fn unfinished(world: World) {
    // As DVC names the copy of a linked file that it is about to untie.
    let copy = world.repo("data/captures").join(FIRST).join(".Zk3_9-aBcDeFgHiJkLmNoP.tmp");
    fs::write(&copy, "half").unwrap();
    commit_run(&world, SECOND);
    assert!(!copy.exists());
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST]);
    clean(&world);
}

fn killed_checkout(world: World) {
    world.git(["branch", "old"]).ok();
    commit_run(&world, SECOND);
    world.hook(["push", "main", "old"]).ok();
    for n in 1..=6 {
        let world = world.twin();
        world.git(["checkout", "-q", "old"]).ok();
        fs::remove_dir_all(world.repo(".dvc/cache")).unwrap();
        let mut child = start(&world, &["checkout", "-q", "main"]);
        std::thread::sleep(Duration::from_millis(250 * n));
        kill_all(&world, &mut child);
        if world.git(["rev-parse", "--abbrev-ref", "HEAD"]).ok().out.trim() != "main" {
            world.git(["checkout", "-q", "-f", "main"]).ok();
        }
        world.hook(["pull"]).ok();
        assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
        settled(&world);
        nothing_in_the_dataset(&world);
    }
}

fn killed_push(world: World) {
    commit_run(&world, SECOND);
    for n in 1..=5 {
        let world = world.twin();
        let mut child = start(&world, &["push", "-q", "--follow-tags", "origin", "main"]);
        std::thread::sleep(Duration::from_millis(8 * n * n));
        kill_all(&world, &mut child);
        if !world.git_in("origin.git", ["branch"]).ok().out.is_empty() {
            // Git's commits are there: so is the data.
            assert!(world.dvc(["status", "-c"]).ok().out.contains("in sync"));
        }
        world.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
        assert!(world.dvc(["status", "-c"]).ok().out.contains("in sync"));
    }
}

/// A DVC that does its work and then goes on for a while, or fails.
fn slow_dvc(world: &mut World, after: &str) {
    let real = crate::tools::dvc_bin().join("dvc");
    let text = format!("#!/bin/sh\n\"{}\" \"$@\" || exit\n{after}\n", real.display());
    let program = script(world, "bin/slow-dvc", &text);
    world.set("CAPTURE_HOOK_DVC", &program);
}

fn state(world: &World) -> (String, Vec<u8>, Vec<u8>, std::collections::BTreeMap<String, Vec<u8>>) {
    let read = |file: &str| fs::read(world.repo(file)).unwrap();
    let mut files = tree(&world.repo("data"));
    files.extend(tree(&world.repo("metrics")));
    (id(world, "HEAD"), read("dvc.lock"), read("params.yaml"), files)
}

fn interrupted(mut world: World) {
    slow_dvc(&mut world, "touch ../worked; sleep 30");
    select(&world, SECOND);
    let before = state(&world);
    let mut child = start(&world, &["commit", "-q", "-am", "x"]);
    while !world.path("worked").exists() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let group = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process_group(group, rustix::process::Signal::INT).unwrap();
    let started = Instant::now();
    assert!(!child.wait().unwrap().success());
    // Git is gone at once; ours puts back what it had begun, and ends too.
    while state(&world) != before {
        assert!(started.elapsed() < Duration::from_secs(15), "the old state does not come back");
        std::thread::sleep(Duration::from_millis(100));
    }
    world.unset("CAPTURE_HOOK_DVC");
    world.git(["commit", "-q", "-am", "x"]).ok();
    clean(&world);
    no_leftovers(&world);
}

fn dvc_fails(mut world: World) {
    slow_dvc(&mut world, "exit 1");
    select(&world, SECOND);
    let before = state(&world);
    let said = world.git(["commit", "-am", "x"]).fails(1);
    assert!(said.err.contains("repro"), "{}", said.err);
    assert!(state(&world) == before);
    world.unset("CAPTURE_HOOK_DVC");
    world.git(["commit", "-q", "-am", "x"]).ok();
    clean(&world);
    no_leftovers(&world);
}

fn disk_full(world: World) {
    // A file size limit stands in for a full disk: every write beyond it fails, whoever writes.
    select(&world, THIRD);
    let before = state(&world);
    let commit = "ulimit -f 8; trap '' XFSZ; exec git commit -q -am x";
    let said = world.run_in("repo", "/bin/sh", ["-c", commit]);
    assert_ne!(said.code, 0, "{}", said.all());
    assert!(state(&world) == before, "{}", said.all());
    world.git(["commit", "-q", "-am", "x"]).ok();
    clean(&world);
    no_leftovers(&world);
}

fn read_only_cache(world: World) {
    // Root writes everywhere: a file in the place of the directory is as good.
    select(&world, SECOND);
    let before = state(&world);
    let local = world.repo(".dvc/config.local");
    let text = fs::read_to_string(&local).unwrap();
    let cache = world.path("cache");
    copy_dir(&world.repo(".dvc/cache"), &cache);
    fs::write(&local, format!("{text}    dir = {}\n", cache.display())).unwrap();
    for shard in fs::read_dir(cache.join("files/md5")).unwrap().flatten() {
        fs::set_permissions(shard.path(), fs::Permissions::from_mode(0o555)).unwrap();
    }
    let blocked = (0..256).map(|n| cache.join(format!("files/md5/{n:02x}"))).filter(|path| !path.exists());
    let blocked: Vec<_> = blocked.inspect(|path| fs::write(path, "").unwrap()).collect();
    world.git(["commit", "-q", "-am", "x"]).fails(1);
    assert!(state(&world) == before);
    for path in blocked {
        fs::remove_file(path).unwrap();
    }
    world.git(["commit", "-q", "-am", "x"]).ok();
    clean(&world);
}

/// Holds DVC's lock as DVC does, for so long.
fn hold_lock(world: &World, seconds: &str) -> Child {
    let python = crate::tools::dvc_bin().join("python");
    let code = "import sys, time, zc.lockfile\nlock = zc.lockfile.LockFile('.dvc/tmp/lock')\nprint('held', flush=True)\ntime.sleep(float(sys.argv[1]))\n";
    let mut command = world.command(python, "repo");
    let mut child = command.args(["-c", code, seconds]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
    child
}

fn lock_held(world: World) {
    select(&world, SECOND);
    let mut holder = hold_lock(&world, "8");
    world.git(["commit", "-q", "-am", "x"]).ok();
    holder.wait().unwrap();
    clean(&world);
    let before = (id(&world, "HEAD"), fs::read(world.repo("dvc.lock")).unwrap());
    select(&world, THIRD);
    let mut holder = hold_lock(&world, "300");
    let said = world.git(["commit", "-am", "y"]).fails(1);
    assert!(said.err.contains(&format!("process {}", holder.id())), "{}", said.err);
    assert!(before == (id(&world, "HEAD"), fs::read(world.repo("dvc.lock")).unwrap()));
    holder.kill().unwrap();
    holder.wait().unwrap();
    world.git(["commit", "-q", "-am", "y"]).ok();
    clean(&world);
}

fn two_at_once(world: World) {
    world.git(["branch", "other"]).ok();
    world.git(["worktree", "add", "-q", "../tree", "other"]).ok();
    copy_dir(&world.repo("results"), &world.path("tree/results"));
    select(&world, SECOND);
    select_in(&world, "tree", THIRD);
    std::thread::scope(|scope| {
        scope.spawn(|| world.git(["commit", "-q", "-am", "x"]).ok());
        scope.spawn(|| world.git_in("tree", ["commit", "-q", "-am", "y"]).ok());
    });
    assert_eq!(runs_at(&world, "main"), [SECOND, FIRST]);
    assert_eq!(runs_at(&world, "other"), [FIRST, THIRD]);
    clean(&world);
    assert_eq!(world.git_in("tree", ["status", "--porcelain"]).ok().out, "");
    assert_eq!(tags(&world).len(), 3);
}

fn remote_down(world: World) {
    let local = world.repo(".dvc/config.local");
    let text = fs::read_to_string(&local).unwrap();
    let at = text.lines().find(|l| l.trim().starts_with("url")).unwrap();
    fs::write(&local, text.replace(at, "    url = http://127.0.0.1:9/data")).unwrap();
    world.git(["branch", "old"]).ok();
    commit_run(&world, SECOND);
    world.git(["checkout", "-q", "old"]).ok();
    let said = world.git(["push", "origin", "main"]).fails(1);
    assert!(said.err.contains("error:") && said.err.contains("hint:"), "{}", said.err);
    assert_eq!(world.git_in("origin.git", ["branch"]).ok().out, "");
    fs::write(&local, text).unwrap();
    world.git(["push", "-q", "origin", "main"]).ok();
    no_leftovers(&world);
}

fn damaged(world: World) {
    world.git(["branch", "old"]).ok();
    commit_run(&world, SECOND);
    let lock = fs::read_to_string(world.repo("dvc.lock")).unwrap();
    let version = lock.lines().find_map(|l| l.trim().strip_prefix("md5: ")).unwrap().to_owned();
    world.hook(["push"]).ok();
    world.git(["checkout", "-q", "old"]).ok();
    let object = world.repo(".dvc/cache/files/md5").join(&version[..2]).join(&version[2..]);
    fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&object, "[]").unwrap();
    let said = world.git(["checkout", "main"]).ok();
    assert!(said.err.contains("damaged") && said.err.contains(&version[2..]), "{}", said.err);
    fs::remove_file(&object).unwrap();
    world.hook(["pull"]).ok();
    clean(&world);
}

fn broken_notes(world: World) {
    // DVC empties this file, then writes it: a kill between the two stops every later DVC.
    fs::write(world.repo(".dvc/tmp/rwlock"), "").unwrap();
    assert!(world.dvc(["repro", "-f", "capture_ingest"]).fails(255).err.contains("RWLock-file"));
    commit_run(&world, SECOND);
    clean(&world);
}

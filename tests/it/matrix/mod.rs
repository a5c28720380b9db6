//! The hard cases: real git, real DVC, one line a case, and a table of all of them.
//!
//! Each case gets a world of its own, copied from one that is made once. A case fails by panicking; the table says which
//! did. `cargo test --test it matrix:: -- --nocapture` prints it; `CAPTURE_HOOK_CASES=push` runs the lines that hold a word.

mod commit;
mod faults;
mod follow;
mod others;
mod push;
mod rewrite;
mod safety;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use crate::hooks::select;
use crate::world::{World, tree};

/// One line of the matrix.
pub struct Case {
    /// What is done, and what must come of it.
    pub line: &'static str,
    /// Does it.
    pub run: fn(World),
}

/// The key of the run that every world has committed.
pub const FIRST: &str = "nav/run-20261124-021550";
/// Runs that are recorded in every world, not yet committed.
pub const SECOND: &str = "demo/run-20260105-041";
/// Another one.
pub const THIRD: &str = "sweep/run-20260106-041";

/// A project with the first run committed and tagged, two more recorded, an empty git remote `origin`, and a directory
/// remote that DVC knows by local settings.
fn made(cache_type: &str) -> World {
    let world = World::new();
    fs::create_dir_all(world.path("dvc-remote")).unwrap();
    world.git_in(".", ["init", "-q", "repo"]).ok();
    world.git_in(".", ["init", "-q", "--bare", "origin.git"]).ok();
    world.hook(["init"]).ok();
    let local = format!(
        "[core]\n    remote = storage\n['remote \"storage\"']\n    url = {}\n[cache]\n    type = {cache_type}\n",
        world.path("dvc-remote").display()
    );
    fs::write(world.repo(".dvc/config.local"), local).unwrap();
    fs::write(world.repo("readme.txt"), "a\n").unwrap();
    world.git(["add", "-A"]).ok();
    world.git(["commit", "-q", "-m", "Set up"]).ok();
    world.git(["remote", "add", "origin", "../origin.git"]).ok();
    assert_eq!(world.record("ok-head01"), FIRST);
    assert_eq!(world.record("ok-pypi010"), SECOND);
    assert_eq!(world.record("ok-rotated-pypi010"), THIRD);
    select(&world, FIRST);
    world.git(["commit", "-q", "-am", "The first run"]).ok();
    world
}

fn template() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| made("copy"))
}

/// A world for a case, with this type of links to DVC's cache.
pub fn world_with(cache_type: &str) -> World {
    // Links point into the world they were made in: only copies can be copied.
    if cache_type == "copy" { template().twin() } else { made(cache_type) }
}

/// Selects a run and commits it.
pub fn commit_run(world: &World, key: &str) {
    select(world, key);
    world.git(["commit", "-q", "-am", &format!("Run {key}")]).ok();
}

/// The dataset's runs, as the workspace has them.
pub fn runs_in(world: &World, dir: &str) -> Vec<String> {
    let mut runs: Vec<String> = tree(&world.path(dir).join("data/captures"))
        .keys()
        .filter_map(|path| path.rsplit_once('/').map(|(run, _)| run.to_owned()))
        .collect();
    runs.dedup();
    runs
}

/// The dataset's runs, as a revision has them, by DVC's own word.
pub fn runs_at(world: &World, rev: &str) -> Vec<String> {
    let said = world.dvc(["ls", "-R", "--rev", rev, ".", "data/captures"]).ok().out;
    let mut runs: Vec<String> =
        said.lines().filter_map(|path| path.rsplit_once('/').map(|(run, _)| run.to_owned())).collect();
    runs.sort();
    runs.dedup();
    runs
}

/// The run tags.
pub fn tags(world: &World) -> Vec<String> {
    world.git(["tag", "-l", "capture/*"]).ok().out.lines().map(str::to_owned).collect()
}

/// What the trailers of a commit say about one key.
pub fn trailer(world: &World, rev: &str, key: &str) -> Vec<String> {
    let format = format!("--format=%(trailers:key={key},valueonly)");
    world.git(["log", "-1", &format, rev]).ok().out.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect()
}

/// A revision's id.
pub fn id(world: &World, rev: &str) -> String {
    world.git(["rev-parse", "--verify", &format!("{rev}^{{commit}}")]).ok().out.trim().to_owned()
}

/// Nothing is left to commit, and DVC says that all is well.
#[track_caller]
pub fn clean(world: &World) {
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
    let status = world.dvc(["status"]).ok().out;
    assert!(status.contains("up to date"), "{status}");
}

/// A program of the test's own, in a directory of the world.
pub fn script(world: &World, path: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = world.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn cases() -> Vec<(&'static str, &'static Case)> {
    let parts: [(&str, &[Case]); 7] = [
        ("commit", commit::CASES),
        ("rewrite", rewrite::CASES),
        ("follow", follow::CASES),
        ("push", push::CASES),
        ("others", others::CASES),
        ("faults", faults::CASES),
        ("safety", safety::CASES),
    ];
    let wanted = std::env::var("CAPTURE_HOOK_CASES").unwrap_or_default();
    parts
        .into_iter()
        .flat_map(|(part, cases)| cases.iter().map(move |case| (part, case)))
        .filter(|(part, case)| format!("{part} {}", case.line).contains(&wanted))
        .collect()
}

#[test]
fn every_line_holds() {
    let cases = cases();
    assert!(!cases.is_empty(), "no line holds the word in CAPTURE_HOOK_CASES");
    template();
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |n| n.get()).min(4) {
            scope.spawn(|| {
                while let Some((part, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let started = Instant::now();
                    let went = catch_unwind(AssertUnwindSafe(|| (case.run)(world_with("copy"))));
                    let row = (*part, case.line, went.is_ok(), started.elapsed().as_secs_f64());
                    results.lock().unwrap().push(row);
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(part, line, ..)| cases.iter().position(|(p, c)| (p, c.line) == (part, line)));
    for (part, line, ok, seconds) in &results {
        eprintln!("{:4}  {part:8} {seconds:6.1} s  {line}", if *ok { "ok" } else { "FAIL" });
    }
    let failed: Vec<_> = results.iter().filter(|row| !row.2).map(|row| row.1).collect();
    assert!(failed.is_empty(), "{} of {} lines do not hold:\n{}", failed.len(), results.len(), failed.join("\n"));
}

//! The hard cases: real git, real DVC, one line a case, and a table of all of them.
//!
//! Each case gets an environment of its own, copied from one that is made once. A case fails by panicking; the table says which
//! did. The lines that touch data (`DATA` of a part) run with DVC's cache as copies, hard links and symbolic links. `cargo test --test it matrix:: -- --nocapture` prints it; `CAPTURE_HOOK_CASES=push` runs the lines that hold a word.

mod commit;
mod faults;
mod follow;
mod managers;
mod odd;
mod others;
mod push;
mod rewrite;
mod s3;
mod safety;
mod share;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use md5::{Digest, Md5};

use crate::env::{TestEnv, files, tree};
use crate::hooks::select;

/// One line of the matrix.
pub struct Case {
    /// What is done, and what must come of it.
    pub line: &'static str,
    /// Does it.
    pub run: fn(TestEnv),
}

/// How a dataset's files can be tied to DVC's cache.
const CACHE_TYPES: [&str; 3] = ["copy", "hardlink", "symlink"];

/// The key of the run that every environment has committed.
pub const FIRST: &str = "nav/run-20261124-021550";
/// Runs that are recorded in every environment, not yet committed.
pub const SECOND: &str = "demo/run-20260105-041";
/// Another one.
pub const THIRD: &str = "sweep/run-20260106-041";

/// A project with the first run committed and tagged, two more recorded, an empty git remote `origin`, and a directory
/// remote that DVC knows by local settings.
fn made(cache_type: &str) -> TestEnv {
    let env = TestEnv::fixture();
    fs::create_dir_all(env.path("dvc-remote")).unwrap();
    env.git_in(".", ["init", "-q", "repo"]).ok();
    env.git_in(".", ["init", "-q", "--bare", "origin.git"]).ok();
    env.hook(["init"]).ok();
    let local = format!(
        "[core]\n    remote = storage\n['remote \"storage\"']\n    url = {}\n[cache]\n    type = {cache_type}\n",
        env.path("dvc-remote").display()
    );
    fs::write(env.repo(".dvc/config.local"), local).unwrap();
    fs::write(env.repo("readme.txt"), "a\n").unwrap();
    env.git(["add", "-A"]).ok();
    env.git(["commit", "-q", "-m", "Set up"]).ok();
    env.git(["remote", "add", "origin", "../origin.git"]).ok();
    assert_eq!(env.record("ok-head01"), FIRST);
    assert_eq!(env.record("ok-pypi010"), SECOND);
    assert_eq!(env.record("ok-rotated-pypi010"), THIRD);
    select(&env, FIRST);
    env.git(["commit", "-q", "-am", "The first run"]).ok();
    env
}

/// The environments that cases get copies of, one a type of links, made when first asked for.
type Envs = [OnceLock<TestEnv>; 3];

/// An environment for a case, with this type of links to DVC's cache.
fn env_with(envs: &Envs, cache_type: &'static str) -> TestEnv {
    let at = CACHE_TYPES.iter().position(|known| *known == cache_type).unwrap();
    envs[at].get_or_init(|| made(cache_type)).copy()
}

/// A copy of the project that `made` describes, its cache copied: for a test that stands outside the matrix.
pub fn committed() -> TestEnv {
    static MADE: OnceLock<TestEnv> = OnceLock::new();
    MADE.get_or_init(|| made("copy")).copy()
}

/// The same with the native engine, for a test that is not about how DVC versions a run.
pub fn committed_natively() -> TestEnv {
    let env = committed();
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    env.git(["commit", "-q", "-m", "The native engine"]).ok();
    env
}

/// Selects a run and commits it.
pub fn commit_run(env: &TestEnv, key: &str) {
    select(env, key);
    env.git(["commit", "-q", "-am", &format!("Run {key}")]).ok();
}

/// The dataset's runs, as the workspace has them.
pub fn runs_in(env: &TestEnv, dir: &str) -> Vec<String> {
    let mut runs: Vec<String> = tree(&env.path(dir).join("data/captures"))
        .keys()
        .filter_map(|path| path.rsplit_once('/').map(|(run, _)| run.to_owned()))
        .collect();
    runs.dedup();
    runs
}

/// The dataset's runs, as a revision has them, by DVC's own word.
pub fn runs_at(env: &TestEnv, rev: &str) -> Vec<String> {
    let output = env.dvc(["ls", "-R", "--rev", rev, ".", "data/captures"]).ok().stdout;
    let mut runs: Vec<String> =
        output.lines().filter_map(|path| path.rsplit_once('/').map(|(run, _)| run.to_owned())).collect();
    runs.sort();
    runs.dedup();
    runs
}

/// The run tags.
pub fn tags(env: &TestEnv) -> Vec<String> {
    env.git(["tag", "-l", "capture/*"]).ok().stdout.lines().map(str::to_owned).collect()
}

/// What the trailers of a commit say about one key.
pub fn trailer(env: &TestEnv, rev: &str, key: &str) -> Vec<String> {
    let format = format!("--format=%(trailers:key={key},valueonly)");
    env.git(["log", "-1", &format, rev]).ok().stdout.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect()
}

/// A revision's id.
pub fn id(env: &TestEnv, rev: &str) -> String {
    env.git(["rev-parse", "--verify", &format!("{rev}^{{commit}}")]).ok().stdout.trim().to_owned()
}

/// Nothing is left to commit, DVC says that all is well, and the dataset is tied to the cache as the settings want it.
#[track_caller]
pub fn clean(env: &TestEnv) {
    settled(env);
    let local = fs::read_to_string(env.repo(".dvc/config.local")).unwrap_or_default();
    let Some(wanted) = CACHE_TYPES.into_iter().find(|name| local.contains(&format!("type = {name}"))) else { return };
    for path in files(&env.repo("data/captures")) {
        assert_eq!(link_type(&path), wanted, "{}", path.display());
    }
}

/// The same but for the ties: a hard link whose object was removed from the cache is a file of its own from then on.
#[track_caller]
pub fn settled(env: &TestEnv) {
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
    let status = env.dvc(["status"]).ok().stdout;
    assert!(status.contains("up to date"), "{status}");
}

/// How a file of the dataset is tied to DVC's cache.
fn link_type(path: &Path) -> &'static str {
    let meta = fs::symlink_metadata(path).unwrap();
    match meta.is_symlink() {
        true => "symlink",
        false if std::os::unix::fs::MetadataExt::nlink(&meta) > 1 => "hardlink",
        false => "copy",
    }
}

/// Every object of DVC's cache is what its name says: nothing was written through a link.
fn cache_is_whole(root: &Path) {
    let cache = root.join("repo/.dvc/cache/files/md5");
    for path in files(&cache) {
        let name = path.strip_prefix(&cache).unwrap().to_str().unwrap().replace('/', "");
        let md5: String = Md5::digest(fs::read(&path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(name.trim_end_matches(".dir"), md5, "{} was changed", path.display());
    }
}

/// A program of the test's own, in a directory of the environment.
pub fn script(env: &TestEnv, path: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = env.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A line to run: its part of the matrix, how DVC's cache is linked, the case.
type Row = (&'static str, &'static str, &'static Case);

fn rows() -> Vec<Row> {
    let (copy, all) = (&CACHE_TYPES[..1], &CACHE_TYPES[..]);
    let parts: [(&str, &[&'static str], &[Case]); 17] = [
        ("commit", copy, commit::CASES),
        ("commit", all, commit::DATA),
        ("rewrite", copy, rewrite::CASES),
        ("rewrite", all, rewrite::DATA),
        ("follow", copy, follow::CASES),
        ("follow", all, follow::DATA),
        ("push", copy, push::CASES),
        ("push", all, push::DATA),
        ("share", copy, share::CASES),
        ("share", all, share::DATA),
        ("s3", copy, s3::CASES),
        ("odd", copy, odd::CASES),
        ("managers", copy, managers::CASES),
        ("others", copy, others::CASES),
        ("faults", copy, faults::CASES),
        ("faults", all, faults::DATA),
        ("safety", copy, safety::CASES),
    ];
    let wanted = std::env::var("CAPTURE_HOOK_CASES").unwrap_or_default();
    let rows = parts.into_iter().flat_map(|(part, types, cases)| {
        cases.iter().flat_map(move |case| types.iter().map(move |kind| (part, *kind, case)))
    });
    rows.filter(|(part, kind, case)| format!("{part} {kind} {part} {}", case.line).contains(&wanted)).collect()
}

#[test]
fn every_line_holds() {
    let rows = rows();
    assert!(!rows.is_empty(), "no line holds the word in CAPTURE_HOOK_CASES");
    let envs: Envs = [const { OnceLock::new() }; 3];
    let (next, results) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |n| n.get()).min(4) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((_, kind, case)) = rows.get(at) else { break };
                    let started = Instant::now();
                    // A thread of its own, so that whatever fails or takes too long is told under the line's name.
                    let line = std::thread::Builder::new().name(format!("{} ({kind})", case.line));
                    let went = line.spawn_scoped(scope, || {
                        let env = env_with(&envs, kind);
                        let root = env.keep();
                        (case.run)(env);
                        cache_is_whole(root.path());
                    });
                    let went = went.unwrap().join();
                    results.lock().unwrap().insert(at, (went.is_ok(), started.elapsed().as_secs_f64()));
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let mut failed = Vec::new();
    for (at, (ok, seconds)) in &results {
        let (part, kind, case) = rows[*at];
        eprintln!("{:4}  {part:8} {kind:8} {seconds:6.1} s  {}", if *ok { "ok" } else { "FAIL" }, case.line);
        if !ok {
            failed.push(format!("{} ({kind})", case.line));
        }
    }
    assert!(failed.is_empty(), "{} of {} lines do not hold:\n{}", failed.len(), results.len(), failed.join("\n"));
}

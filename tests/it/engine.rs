//! The native engine against the real DVC: the same runs through both, compared after every step.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use capture_hook::dataset::checkout::checkout_runs;
use capture_hook::dataset::native::{NativeJob, version_runs};
use capture_hook::dataset::record::DatasetRecord;
use capture_hook::dataset::stage::{ResolvedStage, parse_ingest_stage};
use capture_hook::dvc::DataVersion;
use capture_hook::dvc::cache::Cache;
use capture_hook::dvc::checkout::CheckoutRequest;
use capture_hook::dvc::lockfile::Lockfile;
use capture_hook::dvc::settings::DvcSettings;
use capture_hook::ingest::{IngestRequest, ingest_run};
use capture_hook::run::RunKey;
use capture_hook::support::env::Env;
use capture_hook::support::progress::NoProgress;
use capture_hook::validate::ValidateOptions;

use crate::env::TestEnv;
use crate::tools;

const CASES: [&str; 5] = ["ok-head01", "ok-orig100", "ok-pypi010", "ok-rotated-orig100", "ok-multi-member"];

/// A repository that versions with DVC and one, `native`, that versions with the engine.
struct Pair {
    env: TestEnv,
    dvc_env: Env,
}

impl Pair {
    fn new(cache_type: &str, dvc: &Path) -> Self {
        let mut env = TestEnv::initialized_with(dvc);
        env.set("CAPTURE_HOOK", "0");
        env.git_in(".", ["clone", "-q", "repo", "native"]).ok();
        for dir in ["repo", "native"] {
            env.dvc_in(dir, ["config", "--local", "cache.type", cache_type]).ok();
        }
        let dvc_env = Env::from_vars([("HOME", env.path("home").display().to_string())]);
        Self { env, dvc_env }
    }

    fn root(&self) -> PathBuf {
        self.env.path("native")
    }

    fn settings(&self) -> DvcSettings {
        DvcSettings::read(&self.root(), &self.dvc_env).unwrap()
    }

    fn select(&self, key: &str) {
        for dir in ["repo", "native"] {
            let path = self.env.path(dir).join("params.yaml");
            let text = fs::read_to_string(&path).unwrap();
            let line = text.lines().find(|l| l.trim_start().starts_with("run_dir:")).unwrap();
            fs::write(&path, text.replace(line, &format!("  run_dir: results/{key}"))).unwrap();
        }
    }

    /// Puts the run into both datasets and compares what came of it.
    fn add(&self, key: &str) {
        self.select(key);
        self.env.dvc(["repro", "-q", "-f", "-s", "capture_ingest"]).ok();
        let root = self.root();
        let from = self.env.repo("results").join(key);
        let request = IngestRequest {
            run_dir: from,
            shown_as: format!("results/{key}"),
            out_dir: root.join("data/captures"),
            root: root.clone(),
            off_limits: Vec::new(),
            options: ValidateOptions::default(),
            force: false,
        };
        // Where a run lies is told in its index: the native repository has it in the same place.
        let to = root.join("results").join(key);
        let _ = fs::remove_dir_all(&to);
        crate::env::copy_dir(&request.run_dir, &to);
        ingest_run(&IngestRequest { run_dir: to, ..request }, &NoProgress).unwrap();
        let read = |file: &str| fs::read(root.join(file)).unwrap();
        let stage = parse_ingest_stage(&read("dvc.yaml")).unwrap().unwrap();
        let stage = ResolvedStage::resolve(&stage, Some(&read("params.yaml"))).unwrap();
        let key: RunKey = key.parse().unwrap();
        let work = NativeJob {
            root: &root,
            settings: &self.settings(),
            stage: &stage,
            runs: std::slice::from_ref(&key),
            patience: Duration::from_secs(5),
            count_files: &|_| Box::new(NoProgress),
        };
        version_runs(&work).unwrap();
        self.same();
    }

    #[track_caller]
    fn same(&self) {
        let lock = |dir: &str| fs::read_to_string(self.env.path(dir).join("dvc.lock")).unwrap();
        assert_eq!(lock("native"), lock("repo"));
        let cache = Cache::from_settings(&self.settings());
        let version = recorded_version(lock("repo").as_bytes());
        let theirs = Cache::in_dir(&self.env.repo(".dvc/cache"));
        assert_eq!(fs::read(cache.file_list_path(version)).unwrap(), fs::read(theirs.file_list_path(version)).unwrap());
        assert_eq!(cached(cache.dir()), cached(theirs.dir()));
    }

    #[track_caller]
    fn clean(&self) {
        let status = self.env.ask_dvc_in("native", ["status"]).ok();
        assert!(status.stdout.contains("up to date"), "{}", status.stdout);
    }
}

/// The data version that a `dvc.lock` names.
fn recorded_version(lock: &[u8]) -> DataVersion {
    DatasetRecord::from_lockfile(&Lockfile::parse(lock).unwrap()).unwrap().version
}

/// Every object of a cache with its mode.
fn cached(dir: &Path) -> Vec<(String, u32)> {
    use std::os::unix::fs::PermissionsExt;
    let mut out = Vec::new();
    for shard in fs::read_dir(dir.join("files/md5")).unwrap() {
        for object in fs::read_dir(shard.unwrap().path()).unwrap() {
            let object = object.unwrap();
            let name = object.path().strip_prefix(dir).unwrap().display().to_string();
            out.push((name, object.metadata().unwrap().permissions().mode() & 0o777));
        }
    }
    out.sort();
    out
}

/// The real DVC takes what the engine wrote for its own: status, push, pull, checkout, gc, repro.
fn whole_way(cache_type: &str, dvc: &Path) {
    let pair = Pair::new(cache_type, dvc);
    let env = &pair.env;
    let (mut locks, mut keys) = (Vec::new(), Vec::new());
    // The same run twice, a run recorded anew under its name, and an old one selected again are in it.
    let history = [(0, "e/a"), (1, "e/b-1"), (2, "e/b"), (3, "d/a.x"), (4, "e/b"), (1, "e/b-1"), (0, "e/0042")];
    for (case, key) in history {
        env.record_as(CASES[case], key);
        pair.add(key);
        keys.push(key);
        locks.push(fs::read(env.path("native/dvc.lock")).unwrap());
    }
    pair.clean();
    let output = env.dvc_in("native", ["repro", "-s", "capture_ingest"]).ok();
    assert!(output.stdout.contains("didn't change"), "{}", output.both());

    // Native checkout goes through every pair of neighbours, and DVC sees nothing to do.
    let listing = |lock: &[u8]| {
        let version = recorded_version(lock);
        Cache::from_settings(&pair.settings()).read_file_list(version).unwrap().unwrap()
    };
    let root = pair.root();
    let params = fs::read_to_string(root.join("params.yaml")).unwrap();
    for (at, pairs) in locks.windows(2).enumerate().rev() {
        let (from, to) = (listing(&pairs[1]), listing(&pairs[0]));
        let change = CheckoutRequest {
            root: &root,
            settings: &pair.settings(),
            out_dir: "data/captures",
            from: &from,
            to: &to,
            max_files: usize::MAX,
            patience: Duration::from_secs(5),
            force: false,
        };
        let done = checkout_runs(&change).unwrap();
        assert!(done.local_changes.is_empty() && done.missing.is_empty(), "{done:?}");
        fs::write(root.join("dvc.lock"), &pairs[0]).unwrap();
        fs::write(root.join("params.yaml"), params.replace(keys.last().unwrap(), keys[at])).unwrap();
        if at % 3 == 0 {
            pair.clean();
        }
    }

    // Everything goes to the remote and comes back; gc keeps what the workspace names.
    fs::write(root.join("dvc.lock"), locks.last().unwrap()).unwrap();
    fs::write(root.join("params.yaml"), &params).unwrap();
    env.dvc_in("native", ["checkout", "-q"]).ok();
    env.dvc_in("native", ["push", "-q"]).ok();
    env.dvc_in("native", ["gc", "-q", "-w", "-f"]).ok();
    pair.clean();
    fs::remove_dir_all(root.join(".dvc/cache")).unwrap();
    fs::remove_dir_all(root.join("data/captures")).unwrap();
    env.dvc_in("native", ["pull", "-q"]).ok();
    pair.clean();
    let tree = |dir: &str| crate::env::tree(&env.path(dir).join("data/captures"));
    assert_eq!(tree("native"), tree("repo"));
}

#[test]
fn the_engine_makes_what_dvc_makes_with_copies() {
    whole_way("copy", &tools::dvc_bin());
}

/// D4: The native engine and DVC write the same files, with hard links to the cache.
#[test]
fn the_engine_makes_what_dvc_makes_with_hard_links() {
    whole_way("hardlink", &tools::dvc_bin());
}

/// D4: The native engine and DVC write the same files, with symbolic links to the cache.
#[test]
fn the_engine_makes_what_dvc_makes_with_symbolic_links() {
    whole_way("symlink", &tools::dvc_bin());
}

/// D2: The native engine and the oldest supported DVC write the same files.
#[test]
fn the_engine_makes_what_an_older_dvc_makes() {
    whole_way("copy", &tools::old_dvc_bin());
}

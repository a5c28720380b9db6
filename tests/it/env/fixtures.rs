//! What tests start from. A project is made once by the commands that users type, kept while the tests run, and copied.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::TestEnv;
use crate::tools;

/// How a dataset's files can be linked to DVC's cache.
pub const CACHE_TYPES: [&str; 3] = ["copy", "hardlink", "symlink"];

/// The run that the committed project holds.
pub const FIRST: &str = "nav/run-20261124-021550";
/// A run that is recorded there, not yet committed.
pub const SECOND: &str = "demo/run-20260105-041";
/// Another one.
pub const THIRD: &str = "sweep/run-20260106-041";

/// The second run of [`TestEnv::two_runs`].
pub const PLUME: &str = "plume/run-20261124-021546";

/// A project for each type of links to DVC's cache.
type ForCacheTypes = [OnceLock<TestEnv>; 3];

impl TestEnv {
    /// An empty environment: HOME with a git identity, PATH with our command, DVC and the system's programs.
    pub fn empty() -> Self {
        Self::empty_with(&tools::dvc_bin())
    }

    /// The same, with the DVC of this directory.
    pub fn empty_with(dvc: &Path) -> Self {
        Self::new_in(&std::env::temp_dir(), dvc).watched()
    }

    /// A repository `repo` that `capture-hook init` has set up, with a directory as DVC remote, all committed.
    pub fn initialized() -> Self {
        static MADE: OnceLock<TestEnv> = OnceLock::new();
        MADE.get_or_init(|| initialize(Self::new_in(&fixtures_dir(), &tools::dvc_bin()))).copy()
    }

    /// The same, with the DVC of this directory.
    pub fn initialized_with(dvc: &Path) -> Self {
        if dvc == tools::dvc_bin() { Self::initialized() } else { initialize(Self::empty_with(dvc)) }
    }

    /// [Initialized](Self::initialized), with [`FIRST`] and then [`PLUME`] committed, [`THIRD`] recorded, and an empty
    /// git remote `origin`.
    pub fn two_runs() -> Self {
        static MADE: OnceLock<TestEnv> = OnceLock::new();
        let make = || {
            let env = Self::initialized().kept();
            env.add_origin();
            for (case, key) in [("ok-head01", FIRST), ("ok-orig100", PLUME)] {
                assert_eq!(env.record(case), key);
                env.hook(["select", key]).ok();
                env.git(["commit", "-qam", &format!("Add {key}")]).ok();
            }
            assert_eq!(env.record("ok-rotated-pypi010"), THIRD);
            env
        };
        MADE.get_or_init(make).copy()
    }

    /// A project with [`FIRST`] committed and tagged, [`SECOND`] and [`THIRD`] recorded, an empty git remote `origin`,
    /// and a directory remote that DVC knows by local settings. DVC copies files from its cache.
    pub fn committed() -> Self {
        Self::committed_with("copy")
    }

    /// The same, with this type of links to DVC's cache.
    pub fn committed_with(cache_type: &str) -> Self {
        static MADE: ForCacheTypes = [const { OnceLock::new() }; 3];
        MADE[index(cache_type)].get_or_init(|| make_committed(cache_type)).copy()
    }

    /// The same with the native engine, for a test that is not about how DVC versions a run.
    pub fn committed_native() -> Self {
        static MADE: OnceLock<TestEnv> = OnceLock::new();
        let make = || {
            let env = Self::committed().kept();
            fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
            env.git(["add", "capture-hook.toml"]).ok();
            env.git(["commit", "-q", "-m", "The native engine"]).ok();
            env
        };
        MADE.get_or_init(make).copy()
    }

    /// [Committed](Self::committed_with), with two versions of the dataset: `old` holds the first run, `main` the
    /// second one, too.
    pub fn two_versions(cache_type: &str) -> Self {
        static MADE: ForCacheTypes = [const { OnceLock::new() }; 3];
        let make = || {
            let env = Self::committed_with(cache_type).kept();
            env.git(["branch", "old"]).ok();
            env.commit_run(SECOND);
            env
        };
        MADE[index(cache_type)].get_or_init(make).copy()
    }

    /// [Committed](Self::committed_with), with two branches that each add a run to the first: `topic` the second one,
    /// `main` the third.
    pub fn branches(cache_type: &str) -> Self {
        static MADE: ForCacheTypes = [const { OnceLock::new() }; 3];
        let make = || {
            let env = Self::committed_with(cache_type).kept();
            env.git(["checkout", "-q", "-b", "topic"]).ok();
            env.commit_run(SECOND);
            env.git(["checkout", "-q", "main"]).ok();
            env.commit_run(THIRD);
            env
        };
        MADE[index(cache_type)].get_or_init(make).copy()
    }

    /// Adds an empty git remote, `origin`.
    pub fn add_origin(&self) {
        self.git_in(".", ["init", "-q", "--bare", "origin.git"]).ok();
        self.git(["remote", "add", "origin", "../origin.git"]).ok();
    }

    /// A copy that lives as long as the process, and is not watched.
    pub fn kept(&self) -> Self {
        self.copy_to(&fixtures_dir())
    }

    /// Runs a test here, and checks afterwards that every object of DVC's cache is still what its name says.
    pub fn case(mut self, test: impl FnOnce(&mut Self)) {
        test(&mut self);
        self.assert_cache_is_whole();
    }
}

/// Runs a test on a project with each type of links to DVC's cache, and names those that it failed with.
pub fn each_cache_type(project: fn(&str) -> TestEnv, test: impl Fn(&mut TestEnv) + Sync) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let failed: Vec<&str> = CACHE_TYPES
        .into_iter()
        .filter(|cache_type| {
            // A thread of its own, so that what fails or takes too long is reported with the type.
            let thread = std::thread::Builder::new().name(format!("{name} ({cache_type})"));
            // Each type prints the same screens.
            let run = || insta::allow_duplicates! { project(cache_type).case(&test) };
            std::thread::scope(|scope| thread.spawn_scoped(scope, run).unwrap().join()).is_err()
        })
        .collect();
    assert!(failed.is_empty(), "failed with these types of links to DVC's cache: {failed:?}");
}

fn index(cache_type: &str) -> usize {
    CACHE_TYPES.iter().position(|known| *known == cache_type).unwrap()
}

/// The directory for this process's projects. Statics are never dropped, so each process removes what earlier ones
/// left.
pub fn fixtures_dir() -> PathBuf {
    let fixtures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixtures");
    let own = fixtures.join(std::process::id().to_string());
    for dir in fs::read_dir(&fixtures).into_iter().flatten().flatten() {
        let live = Path::new("/proc").join(dir.file_name()).exists();
        if Path::new("/proc/self").exists() && !live {
            let _ = fs::remove_dir_all(dir.path());
        }
    }
    fs::create_dir_all(&own).unwrap();
    own
}

fn initialize(env: TestEnv) -> TestEnv {
    fs::create_dir_all(env.path("dvc-remote")).unwrap();
    env.git_in(".", ["init", "-q", "repo"]).ok();
    // Relative, for the settings are tracked, and a copy of the project has a remote of its own.
    env.hook(["init", "--remote", "../dvc-remote"]).ok();
    env.git(["add", "-A"]).ok();
    env.git(["commit", "-q", "-m", "set up capture-hook"]).ok();
    env
}

fn make_committed(cache_type: &str) -> TestEnv {
    let env = TestEnv::new_in(&fixtures_dir(), &tools::dvc_bin());
    fs::create_dir_all(env.path("dvc-remote")).unwrap();
    env.git_in(".", ["init", "-q", "repo"]).ok();
    env.hook(["init"]).ok();
    let local = format!(
        "[core]\n    remote = storage\n['remote \"storage\"']\n    url = {}\n[cache]\n    type = {cache_type}\n",
        env.path("dvc-remote").display()
    );
    fs::write(env.repo(".dvc/config.local"), local).unwrap();
    fs::write(env.repo("readme.txt"), "a\n").unwrap();
    env.git(["add", "-A"]).ok();
    env.git(["commit", "-q", "-m", "Set up"]).ok();
    env.add_origin();
    assert_eq!(env.record("ok-head01"), FIRST);
    assert_eq!(env.record("ok-pypi010"), SECOND);
    assert_eq!(env.record("ok-rotated-pypi010"), THIRD);
    env.commit_run(FIRST);
    env
}

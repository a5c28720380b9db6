//! Projects that tests start from, each made once and copied.

use std::fs;
use std::sync::OnceLock;

use super::TestEnv;

/// How a dataset's files can be linked to DVC's cache.
pub const CACHE_TYPES: [&str; 3] = ["copy", "hardlink", "symlink"];

/// The run that the project has committed.
pub const FIRST: &str = "nav/run-20261124-021550";
/// A run that is recorded, not yet committed.
pub const SECOND: &str = "demo/run-20260105-041";
/// Another one.
pub const THIRD: &str = "sweep/run-20260106-041";

impl TestEnv {
    /// A project with [`FIRST`] committed and tagged, [`SECOND`] and [`THIRD`] recorded, an empty git remote `origin`,
    /// and a directory remote that DVC knows by local settings. DVC copies files from its cache.
    pub fn committed() -> Self {
        Self::committed_with("copy")
    }

    /// The same, with this type of links to DVC's cache.
    pub fn committed_with(cache_type: &str) -> Self {
        static MADE: [OnceLock<TestEnv>; 3] = [const { OnceLock::new() }; 3];
        let at = CACHE_TYPES.iter().position(|known| *known == cache_type).unwrap();
        MADE[at].get_or_init(|| make_committed(cache_type)).copy()
    }

    /// The same with the native engine, for a test that is not about how DVC versions a run.
    pub fn committed_native() -> Self {
        let env = Self::committed();
        fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
        env.git(["add", "capture-hook.toml"]).ok();
        env.git(["commit", "-q", "-m", "The native engine"]).ok();
        env
    }

    /// Runs a test here, and checks afterwards that every object of DVC's cache is still what its name says.
    pub fn case(mut self, test: impl FnOnce(&mut Self)) {
        test(&mut self);
        self.assert_cache_is_whole();
    }
}

/// Runs a test with the [committed](TestEnv::committed_with) project for each type of links to DVC's cache, and names
/// those that it failed with.
pub fn each_cache_type(test: impl Fn(&mut TestEnv) + Sync) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let failed: Vec<&str> = CACHE_TYPES
        .into_iter()
        .filter(|cache_type| {
            // A thread of its own, so that what fails or takes too long is reported with the type.
            let thread = std::thread::Builder::new().name(format!("{name} ({cache_type})"));
            let run = || TestEnv::committed_with(cache_type).case(&test);
            std::thread::scope(|scope| thread.spawn_scoped(scope, run).unwrap().join()).is_err()
        })
        .collect();
    assert!(failed.is_empty(), "failed with these types of links to DVC's cache: {failed:?}");
}

fn make_committed(cache_type: &str) -> TestEnv {
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
    env.select(FIRST);
    env.git(["commit", "-q", "-am", "The first run"]).ok();
    env
}

//! Clones that lack a part of their history: treeless, blobless and shallow ones. Hooks go by what is here and fetch nothing;
//! commands have git fetch what they need.

use std::fs;

use crate::env::{FIRST, SECOND, THIRD, TestEnv, copy_dir};

/// A project with two runs and a commit of code pushed, and a clone of it with the hooks and the recorder's files.
fn cloned(filter: &[&str]) -> TestEnv {
    let env = TestEnv::committed();
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    env.commit_run(SECOND);
    fs::write(env.repo("readme.txt"), "b\n").unwrap();
    env.git(["commit", "-q", "-am", "code"]).ok();
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    for key in ["uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"] {
        env.git_in("origin.git", ["config", key, "true"]).ok();
    }
    let url = format!("file://{}", env.path("origin.git").display());
    env.git_in(".", [&["clone", "-q"], filter, &[&url, "clone"]].concat()).ok();
    fs::copy(env.repo(".dvc/config.local"), env.path("clone/.dvc/config.local")).unwrap();
    env.hook_in("clone", ["install"]).ok();
    copy_dir(&env.repo("results"), &env.path("clone/results"));
    env
}

fn git(env: &TestEnv, args: &[&str]) -> String {
    env.git_in("clone", args).ok().stdout
}

/// What the trailers of the clone's HEAD say.
fn trailers(env: &TestEnv, key: &str) -> Vec<String> {
    let format = format!("--format=%(trailers:key={key},valueonly)");
    git(env, &["log", "-1", &format]).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Whether an object is in the clone, nothing fetched for the answer.
fn here(env: &TestEnv, object: &str) -> bool {
    env.run_in("clone", "env", ["GIT_NO_LAZY_FETCH=1", "git", "cat-file", "-e", object]).code == 0
}

/// G11: In clones without old trees, or without old files, a commit and an amended one get the right trailers, hooks
/// fetch nothing, and commands have git fetch what they read.
#[test]
fn partial_clones_get_right_trailers_and_commands_fetch() {
    for filter in ["--filter=tree:0", "--filter=blob:none"] {
        let env = cloned(&[filter]);
        let old_lock = env.git(["rev-parse", "HEAD~2:dvc.lock"]).ok().stdout.trim().to_owned();
        let old_tree = env.git(["rev-parse", "HEAD~2^{tree}"]).ok().stdout.trim().to_owned();
        assert!(!here(&env, &old_lock) && here(&env, &old_tree) == (filter != "--filter=tree:0"));
        let commit = |args: &[&str], runs: &[&str]| {
            let output = env.git_in("clone", [&["commit", "-q"], args].concat()).ok();
            assert!(!output.stderr.contains("cannot"), "{filter}: {}", output.stderr);
            assert_eq!(trailers(&env, "Capture-Run"), runs, "{filter} {args:?}: {}", output.stderr);
            assert_eq!(trailers(&env, "Capture-Config").len(), runs.len());
        };
        // An amended commit over a parent that is only known by name; code alone.
        commit(&["--amend", "--allow-empty", "-m", "other words"], &[]);
        env.select_in("clone", THIRD);
        commit(&["-am", "third"], &[THIRD]);
        commit(&["--amend", "-m", "other words"], &[THIRD]);
        assert_eq!(git(&env, &["tag", "--points-at", "HEAD"]), format!("capture/{THIRD}\n"));
        // Back at a commit that brought a run, whose parent's lock is not here.
        git(&env, &["checkout", "-q", "--detach", "HEAD~2"]);
        commit(&["--amend", "-m", "again"], &[SECOND]);
        env.select_in("clone", THIRD);
        commit(&["--amend", "-am", "and another"], &[SECOND, THIRD]);
        git(&env, &["checkout", "-q", "main"]);
        assert!(!here(&env, &old_lock), "{filter}: a hook has fetched");
        let pushed = env.git_in("clone", ["push", "-q", "--follow-tags", "--force", "origin", "main"]).ok();
        assert!(!pushed.stderr.contains("cannot"), "{}", pushed.stderr);
        for command in ["status", "runs", "check", "log"] {
            let output = env.hook_in("clone", [command]).ok();
            assert!(!output.stderr.contains("error"), "{filter} {command}: {}", output.both());
        }
        assert!(here(&env, &old_lock));
        let logged = env.hook_in("clone", ["log"]).ok().stdout;
        assert!([FIRST, SECOND, THIRD].iter().all(|run| logged.contains(run)), "{logged}");
        let checked = env.hook_in("clone", ["check", "origin/main"]).ok().stdout;
        assert!(checked.starts_with("no problems"), "{checked}");
    }
}

/// G11: A clone whose history ends right behind HEAD.
#[test]
fn an_amended_commit_of_a_shallow_clone_keeps_its_trailers() {
    let env = cloned(&[]);
    env.git(["branch", "second", "HEAD~1"]).ok();
    env.git(["push", "-q", "origin", "second"]).ok();
    fs::remove_dir_all(env.path("clone")).unwrap();
    let url = format!("file://{}", env.path("origin.git").display());
    env.git_in(".", ["clone", "-q", "--depth", "1", "--branch", "second", &url, "clone"]).ok();
    fs::copy(env.repo(".dvc/config.local"), env.path("clone/.dvc/config.local")).unwrap();
    env.hook_in("clone", ["install"]).ok();
    // Its data is not here: what it says of itself is what is known.
    env.git_in("clone", ["commit", "-q", "--amend", "-m", "other words"]).ok();
    assert_eq!(trailers(&env, "Capture-Run"), [SECOND]);
    assert_eq!(trailers(&env, "Capture-Config").len(), 1);
    // It has no parents any more, and with the data here it is seen to bring all.
    env.hook_in("clone", ["pull"]).ok();
    copy_dir(&env.repo("results"), &env.path("clone/results"));
    env.select_in("clone", THIRD);
    env.git_in("clone", ["commit", "-q", "--amend", "-am", "and another"]).ok();
    assert_eq!(trailers(&env, "Capture-Run"), [SECOND, FIRST, THIRD]);
}

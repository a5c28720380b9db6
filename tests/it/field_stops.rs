//! Commits that stop: whatever stopped them, nothing has changed, and what is said names the cause and the way on.

use std::collections::BTreeMap;
use std::fs;

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, THIRD, TestEnv, tree};

/// All that a stopped commit must leave as it was: HEAD, the index, files of the project, tags.
fn state(env: &TestEnv) -> (String, String, Vec<String>, BTreeMap<String, Vec<u8>>) {
    let mut files = tree(&env.repo("data"));
    for (name, bytes) in tree(&env.repo("metrics")) {
        files.insert(format!("metrics/{name}"), bytes);
    }
    for name in ["dvc.lock", "dvc.yaml", "params.yaml", ".gitignore"] {
        if let Ok(bytes) = fs::read(env.repo(name)) {
            files.insert(name.to_owned(), bytes);
        }
    }
    (env.id("HEAD"), env.git(["ls-files", "-s", "-t"]).ok().stdout, env.tags(), files)
}

/// Has a lock file be there from the time that a hook of the user's runs, before ours, for so many seconds.
fn lock_in_a_hook(env: &TestEnv, lock: &str, seconds: &str) {
    let hook = ".git/hooks/pre-commit.capture-hook-chained";
    let text = format!("#!/bin/sh\n: >{lock}\n(sleep {seconds}; rm -f {lock}) >/dev/null 2>&1 &\n");
    env.script(&format!("repo/{hook}"), &text);
}

/// A DVC that does its work, and has a lock file be there afterwards for so many seconds.
fn lock_after_dvc(env: &mut TestEnv, lock: &str, seconds: &str) {
    let real = crate::tools::dvc_bin().join("dvc");
    let text = format!(
        "#!/bin/sh\n\"{}\" \"$@\" || exit\n[ \"$1\" = repro ] || exit 0\n: >{lock}\n(sleep {seconds}; rm -f {lock}) >/dev/null 2>&1 &\n",
        real.display()
    );
    let program = env.script("bin/locking-dvc", &text);
    env.set("CAPTURE_HOOK_DVC", &program);
}

/// X1: Another git (an editor's) that holds the index for a moment is waited for.
#[test]
fn another_git_that_is_at_work_for_a_moment_is_waited_for() {
    let env = TestEnv::committed_native();
    env.select(SECOND);
    env.git(["add", "params.yaml"]).ok();
    lock_in_a_hook(&env, ".git/index.lock", "2.5");
    let output = env.git(["commit", "-q", "-m", "x"]).ok();
    assert_snapshot!(env.screen(&output), @"
    another git holds [env]/repo/.git/index.lock: waiting for it
    demo/run-20260105-041 is in data/captures, version [md5].dir
    tagged capture/demo/run-20260105-041
    ");
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
    assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
    // The sibling: a tag that cannot be made at once.
    fs::remove_file(env.repo(".git/hooks/pre-commit.capture-hook-chained")).unwrap();
    env.select(THIRD);
    let lock = format!(".git/refs/tags/capture/{THIRD}.lock");
    fs::create_dir_all(env.repo(&lock).parent().unwrap()).unwrap();
    lock_in_a_hook(&env, &lock, "1.5");
    env.git(["commit", "-q", "-am", "y"]).ok();
    assert!(env.tags().contains(&format!("capture/{THIRD}")));
}

/// X1: One that does not end stops the commit with nothing changed, and is named with its lock file.
#[test]
fn another_git_that_does_not_end_stops_the_commit_and_nothing_has_changed() {
    let env = TestEnv::committed_native();
    env.select(SECOND);
    env.git(["add", "params.yaml"]).ok();
    let before = state(&env);
    lock_in_a_hook(&env, ".git/index.lock", "60");
    let output = env.git(["commit", "-q", "-m", "x"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    another git holds [env]/repo/.git/index.lock: waiting for it
    error: another git holds [env]/repo/.git/index.lock
    hint: wait until it ends (an editor can have started it), then run the same command again
    hint: if no git runs here, a killed one left the lock: remove it with `rm [env]/repo/.git/index.lock`
    ");
    assert!(state(&env) == before);
    fs::remove_file(env.repo(".git/hooks/pre-commit.capture-hook-chained")).unwrap();
    let _ = fs::remove_file(env.repo(".git/index.lock"));
    env.git(["commit", "-q", "-m", "x"]).ok();
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
    // The sibling: a command of ours, while a commit of the user's waits for his editor elsewhere.
    let before = state(&env);
    let mut command = env.command(crate::env::which("git"), "repo");
    command.args(["commit", "--allow-empty", "-a"]).env("GIT_EDITOR", "sleep 60 #").env("CAPTURE_HOOK", "0");
    let mut waiting = command.spawn().unwrap();
    while !env.repo(".git/index.lock").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let output = env.hook(["publish", "--no-push", THIRD]).fails(4);
    let who = format!("another git (`git commit`, process {}) holds", waiting.id());
    assert_snapshot!(env.screen(&output), @"
    another git holds [env]/repo/.git/index.lock: waiting for it
    error: another git (`git commit`, process [pid]) holds [env]/repo/.git/index.lock
    hint: wait until it ends (an editor can have started it), then run the same command again
    hint: if no git runs here, a killed one left the lock: remove it with `rm [env]/repo/.git/index.lock`
    ");
    assert!(output.stderr.contains(&who) && output.stderr.contains("index.lock"), "{}", output.stderr);
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    let _ = fs::remove_file(env.repo(".git/index.lock"));
    assert!(state(&env) == before);
}

/// X1: What git takes after its hooks (HEAD, the branch) is looked at while the commit can still be undone.
#[test]
fn a_lock_on_head_or_its_branch_stops_the_commit_and_nothing_has_changed() {
    for lock in [".git/HEAD.lock", ".git/refs/heads/main.lock"] {
        let mut env = TestEnv::committed();
        env.select(SECOND);
        env.git(["add", "params.yaml"]).ok();
        let before = state(&env);
        lock_after_dvc(&mut env, lock, "60");
        let output = env.git(["commit", "-q", "-m", "x"]).fails(1);
        assert!(output.stderr.contains("another git holds") && output.stderr.contains(lock), "{}", output.stderr);
        assert!(state(&env) == before);
        // It is there from the beginning now: nothing is begun.
        env.unset("CAPTURE_HOOK_DVC");
        let output = env.git(["commit", "-q", "-m", "x"]).fails(1);
        assert!(output.stderr.contains(lock) && !output.stderr.contains("dvc repro"), "{}", output.stderr);
        assert!(state(&env) == before);
    }
}

/// X2: A tag that cannot be made stops no commit; what is missing is said with the command that makes it.
#[test]
fn a_tag_that_cannot_be_made_is_made_later() {
    let env = TestEnv::committed_native();
    env.git(["config", "tag.gpgSign", "true"]).ok();
    env.git(["config", "gpg.program", "/bin/false"]).ok();
    env.select(SECOND);
    let output = env.git(["commit", "-q", "-am", "x"]).ok();
    assert!(output.stderr.contains(&format!("cannot make the tag capture/{SECOND}: ")), "{}", output.stderr);
    assert!(output.stderr.contains("run `capture-hook tag`"), "{}", output.stderr);
    assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
    assert!(!env.repo(".git/TAG_EDITMSG").exists());
    let output = env.hook(["tag"]).fails(1);
    assert!(output.stderr.contains("cannot make the tag"), "{}", output.stderr);
    env.git(["config", "tag.gpgSign", "false"]).ok();
    assert_eq!(env.hook(["tag"]).ok().stdout, format!("capture/{SECOND}\n"));
}

/// X2: A hook of the user's that refuses what `publish` commits, and a second project that fails after the first one.
#[test]
fn whatever_stops_a_commit_all_of_it_is_undone() {
    let env = TestEnv::committed_native();
    let before = state(&env);
    env.script("repo/.git/hooks/commit-msg.capture-hook-chained", "#!/bin/sh\necho no ticket >&2\nexit 1\n");
    let output = env.hook(["publish", "--no-push", SECOND, THIRD]).fails(4);
    assert_snapshot!(env.screen(&output), @"
    no ticket
    error: `git --literal-pathspecs commit -q -m 'Capture 2 runs of demo, sweep' -- dvc.lock metrics/capture.json metrics/capture-steps.csv metrics/capture-episodes.csv params.yaml` failed with exit code 1
    ");
    assert!(state(&env) == before);
    fs::remove_file(env.repo(".git/hooks/commit-msg.capture-hook-chained")).unwrap();
    env.hook(["publish", "--no-push", SECOND, THIRD]).ok();

    let env = TestEnv::empty();
    env.git_in(".", ["init", "-q", "repo"]).ok();
    for (project, engine) in [("a", "native"), ("b", "dvc")] {
        let dir = env.repo(project);
        fs::create_dir_all(&dir).unwrap();
        env.hook_in(format!("repo/{project}"), ["init", "--subdir"]).ok();
        fs::write(dir.join("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        let (run, key) = crate::env::corpus_run("ok-pypi010");
        crate::env::copy_dir(&run, &dir.join("results").join(key));
    }
    env.git(["add", "-A"]).ok();
    env.git(["commit", "-q", "-m", "Set up"]).ok();
    env.select_in("repo/a", SECOND);
    env.select_in("repo/b", SECOND);
    env.git(["add", "-A"]).ok();
    let state = || {
        // What is not ignored, staged or not; the dataset is.
        let seen = env.git(["status", "--porcelain", "-uall"]).ok().stdout;
        (seen, env.git(["ls-files", "-s"]).ok().stdout, tree(&env.repo("a/data")), tree(&env.repo("b/data")))
    };
    let before = state();
    let program = env.script("bin/broken-dvc", "#!/bin/sh\necho \"ERROR: broken\" >&2\nexit 1\n");
    env.git(["config", "capture-hook.dvc", &program]).ok();
    env.git(["commit", "-q", "-m", "both"]).fails(1);
    assert!(state() == before);
}

/// X3: A rule that ignores what the commit needs is named before anything is written; `init` excepts the file.
#[test]
fn a_rule_that_ignores_dvc_lock_is_named_and_init_excepts_the_file() {
    for engine in ["native", "dvc"] {
        let env = TestEnv::initialized();
        fs::write(env.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        let key = env.record("ok-pypi010");
        let rules = env.path("home/ignore");
        fs::write(&rules, "# mine\n*.lock\n").unwrap();
        env.git(["config", "--global", "core.excludesFile", rules.to_str().unwrap()]).ok();
        env.select(&key);
        env.git(["add", "-A"]).ok();
        let before = state(&env);
        let output = env.git(["commit", "-q", "-m", "x"]).fails(1);
        let rule = format!("{}:2:*.lock", rules.display());
        assert!(output.stderr.contains(&format!("git ignores dvc.lock ({rule})")), "{}", output.stderr);
        assert!(output.stderr.contains("`!/dvc.lock` to .gitignore"), "{}", output.stderr);
        assert!(state(&env) == before);
        env.hook(["publish", "--no-push"]).fails(3);
        assert!(state(&env) == before);
        env.hook(["init"]).ok();
        let ignore = fs::read_to_string(env.repo(".gitignore")).unwrap();
        assert!(ignore.ends_with("!/dvc.lock\n"), "{ignore}");
        env.hook(["init"]).ok();
        assert_eq!(fs::read_to_string(env.repo(".gitignore")).unwrap(), ignore);
        env.git(["add", "-A"]).ok();
        env.git(["commit", "-q", "-m", "x"]).ok();
        assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
        assert_eq!(env.runs_in("repo"), [key]);
    }
    // A tracked file is in git whatever the rules say, and DVC looks at the rules all the same.
    for engine in ["native", "dvc"] {
        let env = TestEnv::committed_native();
        fs::write(env.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        fs::write(env.repo(".git/info/exclude"), "*.lock\n").unwrap();
        env.select(SECOND);
        if engine == "dvc" {
            let before = state(&env);
            let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
            assert_snapshot!(env.screen(&output), @"
            error: git ignores dvc.lock (.git/info/exclude:1:*.lock), so DVC refuses to work with it
            hint: add the line `!/dvc.lock` to .gitignore (`capture-hook init` does that), or remove the rule from .git/info/exclude; nothing was changed
            ");
            assert!(state(&env) == before);
            env.hook(["init"]).ok();
        }
        env.git(["commit", "-q", "-am", "x"]).ok();
    }
}

/// X3: A rule in the clone's own `info/exclude` over the params file; one over the directory of the dataset.
#[test]
fn rules_over_other_files_of_a_commit() {
    let env = TestEnv::empty();
    env.git_in(".", ["init", "-q", "repo"]).ok();
    fs::write(env.repo(".gitignore"), "/data/\n").unwrap();
    env.hook(["init"]).ok();
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    let key = env.record("ok-pypi010");
    fs::write(env.repo(".git/info/exclude"), "params.yaml\n").unwrap();
    env.git(["add", "-A"]).ok();
    env.run_in("repo", "env", ["CAPTURE_HOOK=0", "git", "commit", "-q", "-m", "Set up"]).ok();
    let before = state(&env);
    let output = env.hook(["publish", "--no-push", &key]).fails(3);
    assert_snapshot!(env.screen(&output), @"
    error: git ignores params.yaml (.git/info/exclude:1:params.yaml), so no commit can hold it
    hint: add the line `!/params.yaml` to .gitignore (`capture-hook init` does that), or remove the rule from .git/info/exclude; nothing was changed
    ");
    assert!(state(&env) == before);
    fs::write(env.repo(".git/info/exclude"), "").unwrap();
    env.hook(["publish", "--no-push", &key]).ok();
    assert_eq!(env.runs_in("repo"), [key]);
}

/// X4: A flag that hides a file from git is named with the command that takes it away, and nothing stays staged.
#[test]
fn a_flag_that_hides_a_file_is_named_and_nothing_is_staged() {
    let env = TestEnv::committed_native();
    env.git(["update-index", "--skip-worktree", "params.yaml"]).ok();
    let before = state(&env);
    let output = env.hook(["publish", "--no-push", SECOND]).fails(3);
    assert_snapshot!(env.screen(&output), @"
    error: params.yaml has the flag skip-worktree in git's index, so git does not see how it differs
    hint: remove it: `git update-index --no-skip-worktree params.yaml`
    ");
    assert!(state(&env) == before);
    fs::write(env.repo("readme.txt"), "code\n").unwrap();
    env.git(["commit", "-q", "-am", "code"]).ok();
    env.git(["update-index", "--no-skip-worktree", "params.yaml"]).ok();
    env.hook(["publish", "--no-push", SECOND]).ok();
    // The siblings: a selection that git would not see, a commit of the user's own, the other flag, other files.
    env.git(["update-index", "--assume-unchanged", "params.yaml"]).ok();
    let output = env.hook(["select", THIRD]).ok();
    assert_snapshot!(env.screen(&output), @"
    params.yaml: results/demo/run-20260105-041 -> results/sweep/run-20260106-041
    --- stderr
    warning: params.yaml has the flag assume-unchanged in git's index, so git does not see how it differs
    hint: remove it: `git update-index --no-assume-unchanged params.yaml`
    ");
    env.git(["update-index", "--no-assume-unchanged", "params.yaml"]).ok();
    env.git(["checkout", "-q", "params.yaml"]).ok();
    for (flag, file) in [("assume-unchanged", "dvc.lock"), ("skip-worktree", "metrics/capture.json")] {
        env.git(["update-index", &format!("--{flag}"), file]).ok();
        env.select(THIRD);
        env.git(["add", "params.yaml"]).ok();
        let before = state(&env);
        let output = env.git(["commit", "-q", "-m", "x"]).fails(1);
        assert!(output.stderr.contains(&format!("`git update-index --no-{flag} {file}`")), "{}", output.stderr);
        assert!(state(&env) == before);
        env.git(["update-index", &format!("--no-{flag}"), file]).ok();
    }
    env.git(["commit", "-q", "-m", "x"]).ok();
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
}

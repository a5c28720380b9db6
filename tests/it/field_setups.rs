//! Set-ups that people have: clones without our hooks, pipelines without a selection, detached heads, files that lie about,
//! links, dead environments. The tests of hook managers are in `managers.rs`.

use std::fs;

use crate::env::{BIN, CommandOutput, FIRST, SECOND, THIRD, TestEnv, run_command, tree};

const UNREACHED: &str = "warning: git calls no hook of capture-hook in this clone";
const INSTALL: &str = "hint: `capture-hook install` puts them in place";

/// An environment with a run committed and pushed, and a clone of it, `clone`, without hooks.
fn with_bare_clone() -> TestEnv {
    let env = TestEnv::committed_native();
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    env.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
    fs::copy(env.repo(".dvc/config.local"), env.path("clone/.dvc/config.local")).unwrap();
    crate::env::copy_dir(&env.repo("results"), &env.path("clone/results"));
    env
}

#[track_caller]
fn warns_of_hooks(output: CommandOutput) -> CommandOutput {
    assert!(output.stderr.contains(UNREACHED) && output.stderr.contains(INSTALL), "{}", output.both());
    output
}

/// H1: `pull`, `status`, `runs` and `select` warn that no hooks are installed.
#[test]
fn a_clone_without_hooks_is_told_so_by_each_command() {
    let env = with_bare_clone();
    let hook = |args: &[&str]| env.hook_in("clone", args);
    warns_of_hooks(hook(&["pull"]).ok());
    // As in CI, where they are not wanted.
    let mut quiet = env.command(BIN, "clone");
    let output = run_command(quiet.arg("pull").env("CAPTURE_HOOK", "0")).ok();
    assert!(!output.stderr.contains("hook"), "{}", output.stderr);
    let output = warns_of_hooks(hook(&["status"]).ok());
    assert!(output.stdout.contains("next: capture-hook install"), "{}", output.stdout);
    let json = hook(&["status", "--json"]).ok().stdout;
    assert!(json.contains("git calls no hook of capture-hook"), "{json}");
    warns_of_hooks(hook(&["runs"]).ok());
    let output = warns_of_hooks(hook(&["select", SECOND]).ok());
    assert!(
        output.stderr.find(INSTALL) < output.stderr.find("puts it into the dataset"),
        "in the order to type: {}",
        output.stderr
    );
    warns_of_hooks(hook(&["publish", "--no-push", THIRD]).ok());
    // What it says to type is all it takes.
    hook(&["install"]).ok();
    for args in [&["status"][..], &["runs"], &["pull"], &["select", SECOND]] {
        let output = hook(args).ok();
        assert!(!output.stderr.contains(UNREACHED) && !output.stderr.contains(INSTALL), "{args:?}: {}", output.stderr);
    }
    env.git_in("clone", ["commit", "-q", "-am", "with hooks"]).ok();
    let output = env.hook_in("clone", ["check", "HEAD~1..HEAD"]).ok();
    assert!(output.stdout.contains("all true"), "{}", output.stdout);
}

/// H1: Hooks that are missing or replaced are named one by one.
#[test]
fn hooks_that_are_missing_in_part_are_named() {
    let env = TestEnv::committed();
    fs::remove_file(env.repo(".git/hooks/pre-push")).unwrap();
    fs::write(env.repo(".git/hooks/pre-commit"), "#!/bin/sh\n").unwrap();
    let output = env.hook(["status"]).ok();
    let line = "warning: git does not call these hooks of capture-hook in this clone: pre-commit, pre-push\n";
    assert!(output.stderr.contains(line), "{}", output.stderr);
    env.git(["config", "core.hooksPath", ""]).ok();
    assert!(env.hook(["runs"]).ok().stderr.contains(UNREACHED));
}

/// H2: A commit without hooks is a warning in `check` once a later commit has ingested its run.
#[test]
fn a_selection_that_a_later_commit_ingested_is_a_warning_with_its_name() {
    let env = with_bare_clone();
    env.select_in("clone", SECOND);
    env.git_in("clone", ["commit", "-q", "-am", "no hook ran"]).ok();
    let output = env.hook_in("clone", ["check"]).fails(1);
    assert!(output.stdout.contains("error selection_not_ingested"), "{}", output.stdout);
    env.git_in("clone", ["commit", "-q", "--allow-empty", "-m", "something else"]).ok();
    env.hook_in("clone", ["install"]).ok();
    env.hook_in("clone", ["publish", "--no-push", SECOND]).ok();
    let later = env.git_in("clone", ["rev-parse", "HEAD"]).ok().stdout;
    let output = env.hook_in("clone", ["check"]).ok();
    let named = format!("{} ingested the run later", &later[..9]);
    assert!(
        output.stdout.contains("warning selection_not_ingested") && output.stdout.contains(&named),
        "{}",
        output.stdout
    );
    env.hook_in("clone", ["check", "--strict"]).fails(1);
}

/// H2: A commit without hooks is an error in `check` as long as no later commit has ingested its run.
#[test]
fn a_selection_that_no_later_commit_ingested_stays_an_error() {
    let env = with_bare_clone();
    env.select_in("clone", SECOND);
    env.git_in("clone", ["commit", "-q", "-am", "no hook ran"]).ok();
    env.hook_in("clone", ["install"]).ok();
    env.select_in("clone", THIRD);
    env.git_in("clone", ["commit", "-q", "-am", "another run"]).ok();
    let output = env.hook_in("clone", ["check"]).fails(1);
    assert!(
        output.stdout.contains("error selection_not_ingested") && !output.stdout.contains("later"),
        "{}",
        output.stdout
    );
    // One of several runs that a later commit brings closes it, too.
    env.hook_in("clone", ["publish", "--no-push", SECOND, THIRD]).ok();
    assert!(env.hook_in("clone", ["check"]).ok().stdout.contains("ingested the run later"));
}

/// Puts the placeholder back: no run is selected.
fn unselect(env: &TestEnv) {
    env.select("<experiment>/<run_id>");
}

/// H3: `dvc repro` succeeds before a run is selected, and the first run goes into that dataset.
#[test]
fn dvc_repro_goes_well_before_a_run_is_selected() {
    for engine in ["dvc", "native"] {
        let env = TestEnv::initialized();
        env.dvc(["repro"]).ok();
        let status = env.ask_dvc(["status"]).ok().stdout;
        assert!(status.contains("up to date"), "{engine}: {status}");
        env.hook(["config", "set", "engine", engine]).ok();
        env.git(["add", "-A"]).ok();
        env.git(["commit", "-q", "-m", "an empty dataset"]).ok();
        // The first run goes into it as ever.
        let key = env.record("ok-head01");
        env.select(&key);
        env.git(["commit", "-q", "-am", "A run"]).ok();
        assert_eq!(env.runs_in("repo"), [key.as_str()], "{engine}");
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [key], "{engine}");
        env.assert_committed_but_for_links();
        let output = env.hook(["check"]).ok();
        assert!(output.stdout.contains("all true"), "{engine}: {}", output.stdout);
        env.hook(["push"]).ok();
    }
}

/// H3: `dvc repro` without a selection keeps the dataset, and fails if it is incomplete.
#[test]
fn without_a_selection_dvc_repro_leaves_the_dataset_as_it_is() {
    let env = TestEnv::committed();
    let version = |env: &TestEnv| {
        let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
        lock.lines().find_map(|line| line.trim().strip_prefix("md5: ").map(str::to_owned)).unwrap()
    };
    let (before, held) = (version(&env), tree(&env.repo("data/captures")));
    unselect(&env);
    env.dvc(["repro"]).ok();
    assert_eq!((version(&env), tree(&env.repo("data/captures"))), (before.clone(), held));
    env.git(["commit", "-q", "-am", "no selection"]).ok();
    env.assert_committed_but_for_links();
    // A dataset that is here in part, or not at all, is not recorded as the whole.
    let lock = fs::read(env.repo("dvc.lock")).unwrap();
    fs::remove_file(env.repo("data/captures").join(FIRST).join("run.json")).unwrap();
    for part in ["run.json is missing", "is missing"] {
        let output = env.dvc(["repro", "-f"]).fails(255);
        assert!(
            output.stderr.contains(part) && output.stderr.contains("`capture-hook pull` brings it"),
            "{}",
            output.both()
        );
        assert_eq!(fs::read(env.repo("dvc.lock")).unwrap(), lock);
        let _ = fs::remove_dir_all(env.repo("data/captures"));
    }
    env.hook(["pull"]).ok();
    env.commit_run(SECOND);
    assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
}

/// The command in backticks of a hint, to be typed.
#[track_caller]
fn hinted(output: &CommandOutput, before: &str) -> String {
    let line = output.stderr.lines().find(|line| line.contains(before)).unwrap_or_else(|| panic!("{}", output.both()));
    line.split('`').nth(1).unwrap().to_owned()
}

/// Types a line into a shell.
#[track_caller]
fn typed(env: &TestEnv, dir: &str, line: &str) -> CommandOutput {
    env.run_in(dir, "sh", ["-c", line]).ok()
}

/// H4: The command that `init` names commits what `init` wrote and nothing else.
#[test]
fn the_first_commit_takes_what_init_wrote_and_nothing_else() {
    for (dir, args) in [("repo", vec!["init"]), ("repo/sub dir", vec!["init", "--subdir"])] {
        let env = TestEnv::empty();
        env.git_in(".", ["init", "-q", "repo"]).ok();
        fs::create_dir_all(env.path(dir)).unwrap();
        for file in [".venv/pyvenv.cfg", "wandb/run.log", "secret.env"] {
            fs::create_dir_all(env.repo(file).parent().unwrap()).unwrap();
            fs::write(env.repo(file), "x").unwrap();
        }
        let output = env.hook_in(dir, args.clone()).ok();
        let line = hinted(&output, "hint: commit it");
        // A second one says it again, for as long as it is not done.
        assert_eq!(hinted(&env.hook_in(dir, args.clone()).ok(), "hint: commit it"), line);
        typed(&env, dir, &line);
        let left = env.git(["status", "--porcelain"]).ok().stdout;
        assert_eq!(left, "?? .venv/\n?? secret.env\n?? wandb/\n", "{line}");
        assert!(!env.hook_in(dir, args).ok().stderr.contains("commit it"));
    }
}

/// H5: What `get` writes into the working tree is ignored by git, in this clone.
#[test]
fn a_run_that_was_got_gets_into_no_commit() {
    let env = TestEnv::committed();
    let (_, id) = FIRST.split_once('/').unwrap();
    let output = env.hook(["get", FIRST]).ok();
    assert!(output.stderr.contains(&format!("git ignores {id}/ in this clone")), "{}", output.stderr);
    let output = env.hook(["get", FIRST, "-o", "old [1]/*r"]).ok();
    assert!(output.stderr.contains("git ignores old [1]/*r/ in this clone"), "{}", output.stderr);
    // Where git ignores it, or does not look, there is nothing to say.
    for place in ["results/got/r1", "../got", id] {
        let output = env.hook(["get", FIRST, "--force", "-o", place]).ok();
        assert!(!output.stderr.contains("ignores"), "{place}: {}", output.stderr);
    }
    env.git(["add", "-A"]).ok();
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
    // The rules mean these directories alone.
    fs::create_dir_all(env.repo("old 1")).unwrap();
    fs::write(env.repo("old 1/r"), "mine").unwrap();
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "?? \"old 1/\"\n");
}

/// H5: A new `results_dir` gets its rule in `.gitignore`.
#[test]
fn another_results_dir_is_ignored_as_init_does_it() {
    let env = TestEnv::committed();
    let output = env.hook(["config", "set", "results_dir", "out/runs"]).ok();
    assert!(output.stderr.contains(".gitignore: out/runs/ is ignored by git"), "{}", output.stderr);
    let line = hinted(&output, "and the whole team has it");
    fs::create_dir_all(env.repo("out/runs/demo/r1")).unwrap();
    fs::write(env.repo("out/runs/demo/r1/run.json"), "{}").unwrap();
    typed(&env, "repo", &line);
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "M  .gitignore\nA  capture-hook.toml\n");
    // One that is ignored already, or lies elsewhere, needs no rule.
    for dir in ["results", "/scratch/runs", "../runs"] {
        let output = env.hook(["config", "set", "results_dir", dir]);
        assert!(!output.stderr.contains("ignored"), "{}", output.both());
    }
    let rules = fs::read_to_string(env.repo(".gitignore")).unwrap();
    assert_eq!(rules.matches("/out/runs").count(), 1, "{rules}");
}

/// H6: Git ignores `results` also if it is a link, or becomes one.
#[test]
fn results_that_is_a_link_is_ignored_too() {
    let env = TestEnv::empty();
    env.git_in(".", ["init", "-q", "repo"]).ok();
    fs::create_dir_all(env.path("scratch")).unwrap();
    std::os::unix::fs::symlink("../scratch", env.repo("results")).unwrap();
    let output = env.hook(["init"]).ok();
    assert!(output.stderr.contains(".gitignore: results is ignored by git"), "{}", output.stderr);
    typed(&env, "repo", &hinted(&output, "hint: commit it"));
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
    // A directory that becomes a link later; the rule of an older version meant directories alone.
    let rules = fs::read_to_string(env.repo(".gitignore")).unwrap();
    fs::write(env.repo(".gitignore"), rules.replace("/results\n", "/results/\n")).unwrap();
    assert!(env.git(["status", "--porcelain"]).ok().stdout.contains("?? results"));
    env.hook(["init"]).ok();
    assert!(!env.git(["status", "--porcelain"]).ok().stdout.contains("results"));
    // Runs are recorded and committed through it.
    let key = env.record("ok-head01");
    env.hook(["select", &key]).ok();
    env.git(["commit", "-q", "-am", "A run"]).ok();
    assert_eq!(env.trailer("HEAD", "Capture-Run"), [key]);
    // A results directory behind a link: git does not look there.
    let output = env.hook(["config", "set", "results_dir", "results/more"]).ok();
    assert!(!output.stderr.contains("ignored"), "{}", output.stderr);
}

/// H7: `publish` on a detached HEAD refuses to push; with `--no-push` it warns.
#[test]
fn publish_on_a_detached_head_says_so_before_or_after() {
    let env = TestEnv::committed();
    env.git(["checkout", "-q", "--detach"]).ok();
    let (head, lock) = (env.id("HEAD"), fs::read(env.repo("dvc.lock")).unwrap());
    let output = env.hook(["publish", SECOND]).fails(3);
    assert!(
        output.stderr.contains("HEAD is detached") && output.stderr.contains("git switch -c NAME"),
        "{}",
        output.stderr
    );
    assert_eq!((env.id("HEAD"), fs::read(env.repo("dvc.lock")).unwrap()), (head, lock));
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
    // Who wants the commit all the same is told where it is.
    let output = env.hook(["publish", "--no-push", SECOND]).ok();
    assert!(
        output.stderr.contains("is on no branch") && output.stderr.contains("git switch -c NAME"),
        "{}",
        output.stderr
    );
    env.git(["switch", "-q", "-c", "kept"]).ok();
    let output = env.hook(["publish", SECOND]).ok();
    assert!(!output.stderr.contains("detached"), "{}", output.stderr);
    assert!(env.git(["ls-remote", "origin"]).ok().stdout.contains("refs/heads/kept"));
    // Without a remote to push to, the commit is all that is wanted.
    env.git(["remote", "remove", "origin"]).ok();
    env.git(["checkout", "-q", "--detach"]).ok();
    assert!(env.hook(["publish", THIRD]).ok().stderr.contains("is on no branch"));
}

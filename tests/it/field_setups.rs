//! Set-ups that people have: clones without our hooks, pipelines without a selection, detached heads, files that lie about,
//! links, dead environments. The tests of hook managers are in `managers.rs`.

use std::fs;

use insta::assert_snapshot;

use crate::env::{BIN, CommandOutput, FIRST, SECOND, THIRD, TestEnv, run_command, tree};

const UNREACHED: &str = "warning: git calls no hook of capture-hook in this clone";
const INSTALL: &str = "hint: install them: `capture-hook install`";

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
    assert_snapshot!(env.screen(&output), @"the dataset matches dvc.lock");
    let output = warns_of_hooks(hook(&["status"]).ok());
    assert_snapshot!(env.screen(&output), @"
    nav/run-20261124-021550 is selected
      recorded   yes  results/nav/run-20261124-021550
      valid      yes  151 steps, 4 episodes
      ingested   yes  data version [md5].dir
      committed  yes  HEAD is at [commit]
      tagged     yes  capture/nav/run-20261124-021550
      pushed     yes  data: on the DVC remote; git: pushed
      workspace  yes  matches dvc.lock, files: 7
    next: capture-hook install
    --- stderr
    hint: 2 recorded runs are in no commit; to list them: `capture-hook runs --new`
    warning: git calls no hook of capture-hook in this clone, so commits ingest no run and pushes send no data
    hint: install them: `capture-hook install`
    ");
    let json = hook(&["status", "--json"]).ok().stdout;
    assert!(json.contains("git calls no hook of capture-hook"), "{json}");
    warns_of_hooks(hook(&["runs"]).ok());
    let output = warns_of_hooks(hook(&["select", SECOND]).ok());
    // In the order to type.
    assert_snapshot!(env.screen(&output), @"
    params.yaml: results/nav/run-20261124-021550 -> results/demo/run-20260105-041
    --- stderr
    warning: git calls no hook of capture-hook in this clone, so commits ingest no run and pushes send no data
    hint: install them: `capture-hook install`
    hint: commit it: `git commit params.yaml -m '…'`
    ");
    warns_of_hooks(hook(&["publish", "--no-push", THIRD]).ok());
    // What it says to type is all it takes.
    hook(&["install"]).ok();
    for args in [&["status"][..], &["runs"], &["pull"], &["select", SECOND]] {
        let output = hook(args).ok();
        assert!(!output.stderr.contains(UNREACHED) && !output.stderr.contains(INSTALL), "{args:?}: {}", output.stderr);
    }
    env.git_in("clone", ["commit", "-q", "-am", "with hooks"]).ok();
    let output = env.hook_in("clone", ["check", "HEAD~1..HEAD"]).ok();
    assert_snapshot!(env.screen(&output), @"no problems: 1 commit, 1 run tag");
}

/// H1: Hooks that are missing or replaced are named one by one.
#[test]
fn hooks_that_are_missing_in_part_are_named() {
    let env = TestEnv::committed();
    fs::remove_file(env.repo(".git/hooks/pre-push")).unwrap();
    fs::write(env.repo(".git/hooks/pre-commit"), "#!/bin/sh\n").unwrap();
    let output = env.hook(["status"]).ok();
    assert_snapshot!(env.screen(&output), @"
    nav/run-20261124-021550 is selected
      recorded   yes  results/nav/run-20261124-021550
      valid      yes  151 steps, 4 episodes
      ingested   yes  data version [md5].dir
      committed  yes  HEAD is at [commit]
      tagged     yes  capture/nav/run-20261124-021550
      pushed     no   data: not all on the DVC remote; git: not pushed
      workspace  yes  matches dvc.lock, files: 7
    next: capture-hook install
    --- stderr
    hint: 2 recorded runs are in no commit; to list them: `capture-hook runs --new`
    warning: git does not call these hooks of capture-hook in this clone: pre-commit, pre-push
    hint: install them: `capture-hook install`
    ");
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
    assert_snapshot!(env.screen(&output), @"
    error selection_not_ingested: [commit]: params.yaml selects results/demo/run-20260105-041, but dvc.lock was made from results/nav/run-20261124-021550
    1 finding in 4 commits, 1 run tag
    --- stderr
    fetching the file list of [md5].dir
    ");
    env.git_in("clone", ["commit", "-q", "--allow-empty", "-m", "something else"]).ok();
    env.hook_in("clone", ["install"]).ok();
    env.hook_in("clone", ["publish", "--no-push", SECOND]).ok();
    let later = env.git_in("clone", ["rev-parse", "HEAD"]).ok().stdout;
    let output = env.hook_in("clone", ["check"]).ok();
    let named = format!("{} ingested the run later", &later[..9]);
    assert_snapshot!(env.screen(&output), @"
    warning selection_not_ingested: [commit]: params.yaml selects results/demo/run-20260105-041, but dvc.lock was made from results/nav/run-20261124-021550; [commit] ingested the run later
    1 finding in 6 commits, 2 run tags
    ");
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
    assert_snapshot!(env.screen(&output), @"
    error selection_not_ingested: [commit]: params.yaml selects results/demo/run-20260105-041, but dvc.lock was made from results/nav/run-20261124-021550
    1 finding in 5 commits, 2 run tags
    ");
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
        assert!(output.stdout.contains("no problems"), "{engine}: {}", output.stdout);
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
        assert!(output.stderr.contains(part) && output.stderr.contains("run `capture-hook pull`"), "{}", output.both());
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
        let line = hinted(&output, "hint: commit the files");
        // A second one says it again, for as long as it is not done.
        assert_eq!(hinted(&env.hook_in(dir, args.clone()).ok(), "hint: commit the files"), line);
        typed(&env, dir, &line);
        let left = env.git(["status", "--porcelain"]).ok().stdout;
        assert_eq!(left, "?? .venv/\n?? secret.env\n?? wandb/\n", "{line}");
        assert!(!env.hook_in(dir, args).ok().stderr.contains("commit the files"));
    }
}

/// H5: What `get` writes into the working tree is ignored by git, in this clone.
#[test]
fn a_run_that_was_got_gets_into_no_commit() {
    let env = TestEnv::committed();
    let (_, id) = FIRST.split_once('/').unwrap();
    let output = env.hook(["get", FIRST]).ok();
    assert_snapshot!(env.screen(&output), @"
    run-20261124-021550
    --- stderr
    nav/run-20261124-021550: 7 files, 12.2 KiB, from the cache, verified against [md5].dir
    git now ignores run-20261124-021550/ in this clone (info/exclude)
    ");
    let output = env.hook(["get", FIRST, "-o", "old [1]/*r"]).ok();
    assert_snapshot!(env.screen(&output), @"
    old [1]/*r
    --- stderr
    nav/run-20261124-021550: 7 files, 12.2 KiB, from the cache, verified against [md5].dir
    git now ignores old [1]/*r/ in this clone (info/exclude)
    ");
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
    assert_snapshot!(env.screen(&output), @"
    results_dir: results -> out/runs
    --- stderr
    .gitignore: out/runs/ is ignored by git
    hint: share it with your team: `git add capture-hook.toml .gitignore`, then commit
    ");
    let line = hinted(&output, "share it with your team");
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
    assert_snapshot!(env.screen(&output), @"
    wrote  .dvc: dvc init
    wrote  dvc.yaml: the stage capture_ingest
    wrote  params.yaml: no run is selected yet
    wrote  .gitignore: results is ignored by git
    wrote  data/.gitignore: data/captures/ is ignored by git
    wrote  .gitattributes: added the merge drivers
    kept   DVC remote: none: data stays on this machine
    wrote  .git/hooks: pre-commit, prepare-commit-msg, commit-msg, post-commit, post-rewrite, post-checkout, post-merge, pre-push
    wrote  .git/config: the merge drivers
    hint: commit the files: `git add .dvc .dvcignore .gitattributes .gitignore dvc.yaml params.yaml data/.gitignore && git commit -m 'Set up capture-hook'`
    hint: set a remote to share the data: `capture-hook init --remote URL`
    hint: then record a run in results/, and commit it: `capture-hook select latest && git commit -am 'A run'`
    ");
    typed(&env, "repo", &hinted(&output, "hint: commit the files"));
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
    assert_snapshot!(env.screen(&output), @"
    results_dir: results -> results/more
    --- stderr
    hint: share it with your team: `git add capture-hook.toml`, then commit
    ");
}

/// H7: `publish` on a detached HEAD refuses to push; with `--no-push` it warns.
#[test]
fn publish_on_a_detached_head_says_so_before_or_after() {
    let env = TestEnv::committed();
    env.git(["checkout", "-q", "--detach"]).ok();
    let (head, lock) = (env.id("HEAD"), fs::read(env.repo("dvc.lock")).unwrap());
    let output = env.hook(["publish", SECOND]).fails(3);
    assert_snapshot!(env.screen(&output), @"
    error: HEAD is detached: a commit would be on no branch, and there is no branch to push
    hint: make a branch with `git switch -c NAME`, then run the same command again
    hint: or commit without pushing: `--no-push`
    ");
    assert_eq!((env.id("HEAD"), fs::read(env.repo("dvc.lock")).unwrap()), (head, lock));
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
    // Who wants the commit all the same is told where it is.
    let output = env.hook(["publish", "--no-push", SECOND]).ok();
    assert_snapshot!(env.screen(&output), @"
    demo/run-20260105-041
    --- stderr
    dvc repro -s capture_ingest
    tagged capture/demo/run-20260105-041
    committed demo/run-20260105-041 as [commit]
    warning: HEAD is detached: [commit] is on no branch
    hint: make a branch of it: `git switch -c NAME`
    ");
    env.git(["switch", "-q", "-c", "kept"]).ok();
    let output = env.hook(["publish", SECOND]).ok();
    assert_snapshot!(env.screen(&output), @"
    demo/run-20260105-041
    --- stderr
    dvc repro -s capture_ingest
    demo/run-20260105-041 is already committed
    sending data of commit [commit] (results/nav/run-20261124-021550), commit [commit] (results/demo/run-20260105-041) to the DVC remote
    data: sent 16 objects, [size]
    To ../origin.git
     * [new branch]      HEAD -> kept
     * [new tag]         capture/demo/run-20260105-041 -> capture/demo/run-20260105-041
     * [new tag]         capture/nav/run-20261124-021550 -> capture/nav/run-20261124-021550
    ");
    assert!(env.git(["ls-remote", "origin"]).ok().stdout.contains("refs/heads/kept"));
    // Without a remote to push to, the commit is all that is wanted.
    env.git(["remote", "remove", "origin"]).ok();
    env.git(["checkout", "-q", "--detach"]).ok();
    assert!(env.hook(["publish", THIRD]).ok().stderr.contains("is on no branch"));
}

//! Repositories as git lets people set them up: odd variables, sparse and bare clones, several projects, shared machines. A hook
//! acts or says why not, and no command takes a part for the whole.

use std::fs;

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, THIRD, TestEnv, copy_dir, files, tree};

/// A clone of the repository at `dir`, with the DVC remote known and the hooks installed. What it clones is pushed first.
fn clone(env: &TestEnv, dir: &str, options: &[&str]) {
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    for key in ["uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"] {
        env.git_in("origin.git", ["config", key, "true"]).ok();
    }
    let url = format!("file://{}", env.path("origin.git").display());
    env.git_in(".", [&["clone", "-q"], options, &[&url, dir]].concat()).ok();
    if env.path(dir).join(".dvc").exists() {
        fs::copy(env.repo(".dvc/config.local"), env.path(dir).join(".dvc/config.local")).unwrap();
        env.hook_in(dir, ["install"]).ok();
    }
}

/// G1: A rule of DVC's that meets a run's files stops the commit, with the files and the rule; nothing has changed.
#[test]
fn a_run_that_dvc_would_ignore_in_part_is_not_committed() {
    let env = TestEnv::committed_native();
    let doctor = |code: i32| env.hook(["doctor"]).fails(code).stdout;
    assert!(!doctor(0).contains("ignore rules"));
    // DVC does the work wherever there are rules; those in a directory above the dataset count, too.
    let mut refusals = Vec::new();
    for (file, rule) in [(".dvcignore", "# ours\n*.gz\n"), ("data/.dvcignore", "*.parquet\n")] {
        fs::create_dir_all(env.repo(file).parent().unwrap()).unwrap();
        fs::write(env.repo(file), rule).unwrap();
        env.select(SECOND);
        let (head, lock, data) =
            (env.id("HEAD"), fs::read(env.repo("dvc.lock")).unwrap(), tree(&env.repo("data/captures")));
        let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
        let line = rule.lines().count();
        let pattern = rule.lines().last().unwrap();
        refusals.push(env.screen(&output));
        assert_eq!(env.id("HEAD"), head);
        assert_eq!(fs::read(env.repo("dvc.lock")).unwrap(), lock);
        assert_eq!(tree(&env.repo("data/captures")), data);
        assert!(doctor(1).contains(&format!("{file}:{line}:{pattern} excludes")));
        fs::remove_file(env.repo(file)).unwrap();
    }
    assert_snapshot!(refusals.join("\n\n"), @r#"
    leaving this to DVC, although engine is "native": .dvcignore has rules
    dvc repro -s capture_ingest
    error: the data version would lack data/captures/demo/run-20260105-041/episodes.jsonl.gz, data/captures/demo/run-20260105-041/steps.jsonl.gz of demo/run-20260105-041: DVC ignores them (.dvcignore:2:*.gz)
    hint: remove the rule from .dvcignore, or add an exception for the run's files; nothing was changed

    leaving this to DVC, although engine is "native": data/.dvcignore has rules
    dvc repro -s capture_ingest
    error: the data version would lack data/captures/demo/run-20260105-041/episodes.parquet, data/captures/demo/run-20260105-041/steps.parquet of demo/run-20260105-041: DVC ignores them (data/.dvcignore:1:*.parquet)
    hint: remove the rule from data/.dvcignore, or add an exception for the run's files; nothing was changed
    "#);
    // A rule that meets no run is no reason, and one that excepts the dataset is a way out.
    fs::write(env.repo(".dvcignore"), "*.gz\n!/data/captures/**\n*.tmp\n").unwrap();
    assert!(doctor(0).contains("no rule matches a run's files"));
    env.git(["commit", "-q", "-am", "x"]).ok();
    assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST]);
    let listed = env.dvc(["ls", "-R", "--rev", "HEAD", ".", "data/captures"]).ok().stdout;
    assert!(
        listed.contains(&format!("{SECOND}/steps.jsonl.gz")) && listed.contains(&format!("{SECOND}/steps.parquet"))
    );
}

/// G2: A git directory elsewhere (`GIT_DIR` without `GIT_WORK_TREE`, as git tells its hooks of one): the working tree
/// is where git is, and `core.worktree` is heeded.
#[test]
fn a_git_directory_elsewhere_is_served_like_any_other() {
    let mut env = TestEnv::committed_native();
    fs::create_dir(env.path("gits")).unwrap();
    env.git(["init", "-q", "--separate-git-dir", "../gits/repo.git"]).ok();
    assert!(env.repo(".git").is_file());
    env.hook(["install"]).ok();
    env.select(SECOND);
    env.git(["commit", "-q", "-am", "x"]).ok();
    assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
    assert!(env.tags().contains(&format!("capture/{SECOND}")));
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
    // The sibling: the variable exported, by whoever keeps a working tree that has no `.git` at all.
    fs::remove_file(env.repo(".git")).unwrap();
    env.set("GIT_DIR", env.path("gits/repo.git").to_str().unwrap());
    env.select(THIRD);
    env.git(["commit", "-q", "-am", "y"]).ok();
    assert_eq!(env.trailer("HEAD", "Capture-Run"), [THIRD]);
    assert!(env.hook(["status"]).ok().stdout.starts_with(&format!("{THIRD} is selected")));
    assert!(env.hook(["doctor"]).ok().stdout.contains(env.repo("").to_str().unwrap().trim_end_matches('/')));
    env.git(["checkout", "-q", "HEAD~1"]).ok();
    assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
    env.git(["checkout", "-q", "main"]).ok();
    // From a directory that is no working tree of it, git takes that one for it: no hook is silent.
    fs::create_dir_all(env.path("elsewhere")).unwrap();
    fs::write(env.repo("params.yaml"), fs::read_to_string(env.repo("params.yaml")).unwrap().replace(THIRD, FIRST))
        .unwrap();
    env.git(["add", "params.yaml"]).ok();
    let output = env.git_in("elsewhere", ["commit", "-q", "-m", "z"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: the DVC project of the working tree [env]/elsewhere is not checked out: git tracks .dvc/config, but it is missing
    hint: with GIT_DIR alone, git takes this directory as the working tree: unset it, or set GIT_WORK_TREE too
    ");
    // Told so, it is the repository's own, from anywhere.
    env.git(["config", "core.worktree", env.repo("").to_str().unwrap()]).ok();
    env.git_in("elsewhere", ["commit", "-q", "-m", "z"]).ok();
    assert!(env.hook_in("elsewhere", ["status"]).ok().stdout.starts_with(&format!("{FIRST} is selected")));
}

/// G3: A cone of a sparse checkout that leaves `.dvc` out leaves a project all the same: hooks stop with the command
/// that brings it, `init` sets nothing up anew, commands say the same.
#[test]
fn a_project_that_is_not_checked_out_is_one_all_the_same() {
    let env = TestEnv::committed_native();
    let before = fs::read(env.repo(".dvc/config")).unwrap();
    // Git removes what it ignores below a directory that leaves the cone, DVC's cache with it.
    copy_dir(&env.repo(".dvc/cache"), &env.path("kept-cache"));
    env.git(["sparse-checkout", "set", "--cone", "src"]).ok();
    assert!(!env.repo(".dvc/config").exists());
    let add = "git sparse-checkout add .dvc data metrics";
    fs::write(env.repo("readme.txt"), "b\n").unwrap();
    assert_eq!(env.git(["commit", "-q", "-am", "words"]).ok().stderr, "");
    env.select(SECOND);
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: the DVC project of the working tree [env]/repo is not checked out: git tracks .dvc/config, but it is missing
    hint: run `git sparse-checkout add .dvc data metrics`
    ");
    env.git(["checkout", "-q", "params.yaml"]).ok();
    let output = env.git(["push", "-q", "origin", "main"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: the DVC project of the working tree [env]/repo is not checked out: git tracks .dvc/config, but it is missing
    hint: run `git sparse-checkout add .dvc data metrics`
    error: failed to push some refs to '../origin.git'
    ");
    insta::allow_duplicates! {
        for command in [&["status"][..], &["check"], &["verify"], &["init"], &["pull"]] {
            let output = env.hook(command).fails(3);
            assert_snapshot!(env.screen(&output), @"
            error: the DVC project of the working tree [env]/repo is not checked out: git tracks .dvc/config, but it is missing
            hint: run `git sparse-checkout add .dvc data metrics`
            ");
        }
    }
    assert!(env.hook(["doctor"]).fails(1).stdout.contains(add));
    assert!(!env.repo(".dvc/config").exists());
    env.git(add.split(' ').skip(1)).ok();
    assert_eq!(fs::read(env.repo(".dvc/config")).unwrap(), before);
    copy_dir(&env.path("kept-cache"), &env.repo(".dvc/cache"));
    fs::write(
        env.repo(".dvc/config.local"),
        format!("[core]\n    remote = s\n['remote \"s\"']\n    url = {}\n", env.path("dvc-remote").display()),
    )
    .unwrap();
    env.select(SECOND);
    env.git(["commit", "-q", "-am", "x"]).ok();
    assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
    env.git(["push", "-q", "origin", "main"]).ok();

    // The sibling: nothing at all is checked out, so that the index is empty, too.
    env.git_in(".", ["clone", "-q", "--no-checkout", "origin.git", "none"]).ok();
    let output = env.hook_in("none", ["init"]).fails(3);
    assert_snapshot!(env.screen(&output), @"
    error: the DVC project of the working tree [env]/none is not checked out: git tracks .dvc/config, but it is missing
    hint: run `git restore --source=HEAD --staged --worktree -- .dvc`
    ");
    assert_eq!(fs::read_dir(env.path("none")).unwrap().count(), 1);
}

/// G9: A shallow clone says that it is one, and what brings the rest, wherever its history's end matters.
#[test]
fn a_shallow_clone_is_called_one() {
    let env = TestEnv::committed_native();
    env.git(["branch", "old", "HEAD~1"]).ok();
    env.git(["push", "-q", "origin", "old"]).ok();
    clone(&env, "shallow", &["--depth", "1"]);
    let output = env.hook_in("shallow", ["check", "origin/old..HEAD"]).fails(3);
    assert_snapshot!(env.screen(&output), @"
    error: `origin/old` is not a commit
    hint: this clone is shallow; fetch the rest of its history and branches with `git fetch --unshallow` (`fetch-depth: 0` of actions/checkout)
    ");
    let output = env.hook_in("shallow", ["check"]).ok();
    assert_snapshot!(env.screen(&output), @"
    warning shallow: [commit]: the clone is shallow: commits before this one were not checked; `git fetch --unshallow` (`fetch-depth: 0` of actions/checkout)
    1 finding in 1 commit, 0 run tags
    --- stderr
    fetching the file list of [md5].dir
    ");
    env.hook_in("shallow", ["check", "--strict"]).fails(1);
    env.git_in("shallow", ["fetch", "-q", "--unshallow", "--tags"]).ok();
    assert!(env.hook_in("shallow", ["check", "--strict"]).ok().stdout.starts_with("no problems"));
}

/// G9: `check` in a fresh clone fetches the lists that it needs and nothing else, and names one that cannot be had.
#[test]
fn check_proves_a_fresh_clone() {
    let env = TestEnv::committed_native();
    for key in [SECOND, THIRD] {
        env.select(key);
        env.git(["commit", "-q", "-am", key]).ok();
    }
    clone(&env, "fresh", &[]);
    let output = env.hook_in("fresh", ["check", "HEAD~1..HEAD", "--strict", "--remote"]).ok();
    assert_snapshot!(env.screen(&output), @"
    no problems: 1 commit, 1 run tag, and the remote
    --- stderr
    fetching the file list of [md5].dir
    fetching the file list of [md5].dir
    ");
    let lists = || {
        let mut names: Vec<String> =
            files(&env.path("fresh/.dvc/cache")).iter().map(|f| f.display().to_string()).collect();
        names.sort();
        names
    };
    assert!(lists().len() == 2 && lists().iter().all(|name| name.ends_with(".dir")), "{:?}", lists());
    assert!(env.hook_in("fresh", ["check", "--strict"]).ok().stdout.starts_with("no problems"));
    // The sibling: a list that is nowhere is named, and no other. (An older one would be made again from a newer one's.)
    clone(&env, "other", &[]);
    let lock = env.git(["show", "HEAD:dvc.lock"]).ok().stdout;
    let version = lock.split_whitespace().find(|word| word.ends_with(".dir")).unwrap();
    let (shard, rest) = version.split_at(2);
    fs::remove_file(env.path("dvc-remote/files/md5").join(shard).join(rest)).unwrap();
    let output = env.hook_in("other", ["check", "HEAD~1..HEAD"]).ok();
    assert_snapshot!(env.screen(&output), @"
    warning not_in_clone: [commit]: cannot find out which runs the commit introduces without the file list of [md5].dir: the file list of data version [md5].dir is neither in the cache nor on the remote `storage`
    1 finding in 1 commit, 1 run tag
    --- stderr
    fetching the file list of [md5].dir
    fetching the file list of [md5].dir
    ");
    assert!(output.stdout.contains("not_in_clone") && output.stdout.contains(version), "{}", output.stdout);
    assert_eq!(output.stdout.matches(".dir").count(), output.stdout.matches(version).count(), "{}", output.stdout);
    env.hook_in("other", ["check", "HEAD~1..HEAD", "--strict"]).fails(1);
}

/// G10: A failure of DVC's is told by its own `ERROR:` line, never by its footer, with the setting and the way out.
#[test]
fn dvcs_failures_are_told_by_their_reason() {
    let env = TestEnv::empty();
    env.git_in(".", ["init", "-q", "--ref-format=reftable", "reftable"]).ok();
    assert_snapshot!(env.screen(&env.hook_in("reftable", ["init"]).fails(4)), @"
    error: `[tools]/dvc/bin/dvc init` failed with exit code 255
        ERROR: unexpected error - [env]/reftable/.git/: unsupported extension name extensions.refstorage
    hint: DVC cannot read git's reftable (extensions.refStorage): run `git refs migrate --ref-format=files`
    ");
    env.git_in(".", ["init", "-q", "--object-format=sha256", "sha256"]).ok();
    assert_snapshot!(env.screen(&env.hook_in("sha256", ["init"]).fails(4)), @"
    error: `[tools]/dvc/bin/dvc init` failed with exit code 255
        ERROR: unexpected error - [env]/sha256/.git/: unknown object format 'sha256'
    hint: DVC cannot read a SHA-256 repository (extensions.objectFormat): make a new one with `git init --object-format=sha1`
    ");
    // In a commit, by DVC's engine.
    let env = TestEnv::committed();
    env.select(SECOND);
    env.git(["update-index", "--split-index"]).ok();
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    dvc repro -s capture_ingest
    error: `[tools]/dvc/bin/dvc repro --single-item --no-run-cache -- capture_ingest` failed with exit code 255
        ERROR: failed to reproduce 'capture_ingest': Checksum mismatch: Expected [commit], got [commit]
    hint: DVC cannot read a split index (core.splitIndex): run `git config core.splitIndex false && git update-index --no-split-index`
    ");
    env.git(["update-index", "--no-split-index"]).ok();
    env.dvc(["config", "--local", "core.interactive", "true"]).ok();
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    dvc repro -s capture_ingest
    error: `[tools]/dvc/bin/dvc repro --single-item --no-run-cache -- capture_ingest` failed with exit code 255
        ERROR: failed to reproduce 'capture_ingest': reproduction aborted by the user
    hint: DVC is set to ask before each step (core.interactive): run `dvc config --local core.interactive false`
    ");
    env.dvc(["config", "--local", "core.interactive", "false"]).ok();
    env.git(["commit", "-q", "-am", "x"]).ok();
}

/// G4: Variables for the git commands that a user types change none of our own git calls.
#[test]
fn the_users_pathspec_variables_change_no_call_of_ours() {
    let mut env = TestEnv::empty();
    env.git_in(".", ["init", "-q", "repo"]).ok();
    fs::create_dir_all(env.repo("sim[1]")).unwrap();
    env.hook_in("repo/sim[1]", ["init", "--subdir"]).ok();
    fs::write(env.repo("sim[1]/capture-hook.toml"), "engine = \"native\"\n").unwrap();
    for case in ["ok-head01", "ok-pypi010", "ok-rotated-pypi010"] {
        let (run, key) = crate::env::corpus_run(case);
        copy_dir(&run, &env.repo("sim[1]/results").join(key));
    }
    env.git(["add", "-A"]).ok();
    env.git(["commit", "-q", "-m", "Set up"]).ok();
    // An index that only git reads, so that we ask it.
    env.git(["update-index", "--split-index"]).ok();
    let sisters = ["GIT_LITERAL_PATHSPECS", "GIT_ICASE_PATHSPECS", "GIT_NOGLOB_PATHSPECS"];
    for (name, key) in sisters.into_iter().zip([FIRST, SECOND, THIRD]) {
        env.set(name, "1");
        env.select_in("repo/sim[1]", key);
        env.git(["commit", "-q", "-am", name]).ok();
        env.unset(name);
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [key], "{name}");
    }
    env.set("GIT_EXTERNAL_DIFF", "false");
    env.set("GIT_GLOB_PATHSPECS", "1");
    env.git(["checkout", "-q", "HEAD~1"]).ok();
    assert_eq!(env.runs_in("repo/sim[1]"), [SECOND, FIRST]);
    assert!(env.hook_in("repo/sim[1]", ["check"]).ok().stdout.starts_with("no problems"));
}

/// G7: Two DVC projects in one repository: hooks serve both, whichever was set up last, each command the one it stands
/// in, and a run of one name in both has two tags.
#[test]
fn every_project_of_a_repository_is_served() {
    let env = TestEnv::empty();
    env.git_in(".", ["init", "-q", "repo"]).ok();
    env.add_origin();
    for project in ["a", "b"] {
        let (dir, remote) = (format!("repo/{project}"), env.path(format!("remote-{project}")));
        fs::create_dir_all(&remote).unwrap();
        fs::create_dir_all(env.path(&dir)).unwrap();
        env.hook_in(&dir, ["init", "--subdir", "--remote", remote.to_str().unwrap()]).ok();
        fs::write(env.path(&dir).join("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    }
    let record = |case: &str, project: &str, key: &str| {
        env.record_as(case, key);
        let to = env.repo(project).join("results").join(key);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(env.repo("results").join(key), to).unwrap();
    };
    record("ok-head01", "a", "demo/r1");
    record("ok-pypi010", "b", "demo/r1");
    record("ok-pypi010", "b", "demo/r2");
    record("ok-rotated-pypi010", "a", "demo/r2");
    env.git(["add", "-A"]).ok();
    env.git(["commit", "-q", "-m", "Set up"]).ok();
    let runs = |project: &str| env.runs_in(&format!("repo/{project}"));
    env.select_in("repo/a", "demo/r1");
    env.git(["commit", "-q", "-am", "a"]).ok();
    env.select_in("repo/b", "demo/r1");
    env.git(["commit", "-q", "-am", "b"]).ok();
    assert_eq!((runs("a"), runs("b")), (vec!["demo/r1".to_owned()], vec!["demo/r1".to_owned()]));
    assert_eq!(env.tags(), ["capture/demo/r1", "capture/demo/r1@v2"]);
    // One commit of both, each selection in its own dataset.
    env.select_in("repo/a", "demo/r2");
    env.select_in("repo/b", "demo/r2");
    env.git(["commit", "-q", "-am", "both"]).ok();
    assert_eq!(env.trailer("HEAD", "Capture-Run"), ["demo/r2", "demo/r2"]);
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
    assert_eq!(env.tags().len(), 4);
    for (project, other) in [("a", "b"), ("b", "a")] {
        let dir = format!("repo/{project}");
        let checked = env.hook_in(&dir, ["check", "--strict"]).ok();
        assert!(checked.stdout.starts_with("no problems"), "{}", checked.stdout);
        assert!(checked.stderr.contains(&format!("capture-hook -C ../{other} check")), "{}", checked.stderr);
        assert!(env.hook_in(&dir, ["status"]).ok().stdout.starts_with("demo/r2 is selected"));
    }
    let output = env.hook(["status"]).fails(3);
    assert_snapshot!(env.screen(&output), @"
    error: there are several DVC projects in this repository: a, b
    hint: run the command in the directory of one of them, or name it: `capture-hook -C a …`
    ");
    // Data of both goes with a push, and both follow a checkout.
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    for project in ["a", "b"] {
        assert!(!files(&env.path(format!("remote-{project}"))).is_empty(), "{project}");
        assert!(env.hook_in(format!("repo/{project}"), ["check", "--remote"]).ok().stdout.starts_with("no problems"));
    }
    env.git(["checkout", "-q", "HEAD~1"]).ok();
    assert_eq!((runs("a"), runs("b")), (vec!["demo/r1".to_owned()], vec!["demo/r1".to_owned()]));
    env.git(["checkout", "-q", "main"]).ok();
    assert_eq!(runs("a").len() + runs("b").len(), 4);
    // An amended commit keeps the trailers and the tags of both.
    env.git(["commit", "-q", "--amend", "-m", "other words"]).ok();
    assert_eq!(env.trailer("HEAD", "Capture-Run"), ["demo/r2", "demo/r2"]);

    // The sibling: where one of them would stop the commit, the other is not touched either.
    record("ok-head01", "a", "demo/r3");
    fs::create_dir_all(env.repo("b/results/demo/bad")).unwrap();
    fs::write(env.repo("b/results/demo/bad/run.json"), "{}").unwrap();
    env.select_in("repo/a", "demo/r3");
    let params = fs::read_to_string(env.repo("b/params.yaml")).unwrap();
    fs::write(env.repo("b/params.yaml"), params.replace("demo/r2", "demo/bad")).unwrap();
    let lock = fs::read(env.repo("a/dvc.lock")).unwrap();
    env.git(["commit", "-q", "-am", "stopped"]).fails(1);
    assert_eq!(fs::read(env.repo("a/dvc.lock")).unwrap(), lock);
    assert_eq!(runs("a").len(), 2);
}

//! Every kind of push: the data is on the remote before git's commits are, and a push without data is never stopped.

use std::fs;

use insta::assert_snapshot;

use crate::env::{SECOND, THIRD, TestEnv, each_cache_type};

/// Whether the DVC remote has what a revision's `dvc.lock` names, every object of it.
fn has_data(env: &TestEnv, rev: &str) -> bool {
    let lock = env.git(["show", &format!("{rev}:dvc.lock")]).ok().stdout;
    let version = lock.lines().find_map(|l| l.trim().strip_prefix("md5: ")).unwrap().to_owned();
    let object = |name: &str| env.path("dvc-remote/files/md5").join(&name[..2]).join(&name[2..]);
    let Ok(list) = fs::read_to_string(object(&version)) else { return false };
    let entries: serde_json::Value = serde_json::from_str(&list).unwrap();
    entries.as_array().unwrap().iter().all(|entry| object(entry["md5"].as_str().unwrap()).exists())
}

/// M8, U4: A push of several commits sends the data of each, not of the last alone.
#[test]
fn push_sends_the_data_of_each_commit() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        env.commit_run(THIRD);
        // The middle commit's data version is in no other commit.
        let output = env.git(["push", "--follow-tags", "origin", "main"]).ok();
        for rev in ["HEAD~2", "HEAD~1", "HEAD"] {
            assert!(has_data(env, rev), "{rev}: {}", output.stderr);
        }
        assert_eq!(env.git_in("origin.git", ["tag"]).ok().stdout.lines().count(), 3);
    });
}

/// An environment in which DVC must not be called.
fn without_dvc(env: &mut TestEnv) {
    let none = env.script("bin/no-dvc", "#!/bin/sh\necho called >&2\nexit 9\n");
    env.set("CAPTURE_HOOK_DVC", &none);
}

/// U1, U3: Deleting a branch, or a push that changes no data, starts no DVC and is never stopped.
#[test]
fn a_push_without_data_starts_no_dvc() {
    TestEnv::committed().case(|env| {
        env.git(["push", "-q", "origin", "main", "main:refs/heads/other"]).ok();
        without_dvc(env);
        fs::remove_dir_all(env.path("dvc-remote")).unwrap();
        fs::remove_file(env.repo(".dvc/config.local")).unwrap();
        let quiet = |args: &[&str]| {
            let output = env.git(args).ok();
            assert!(
                !output.stderr.contains("called") && !output.stderr.contains("warning"),
                "{args:?} {}",
                output.stderr
            );
        };
        quiet(&["push", "-q", "--delete", "origin", "other"]);
        quiet(&["push", "-q", "origin", "main"]);
        fs::write(env.repo("readme.txt"), "b\n").unwrap();
        env.git(["commit", "-q", "-am", "words"]).ok();
        quiet(&["push", "-q", "origin", "main"]);
        quiet(&["push", "-q", "origin", "main:refs/heads/new"]);
        env.git(["tag", "plain"]).ok();
        quiet(&["push", "-q", "origin", "plain"]);
        let blob = env.git(["hash-object", "-w", "readme.txt"]).ok().stdout;
        env.git(["tag", "-a", "-m", "x", "of-a-blob", blob.trim()]).ok();
        quiet(&["push", "-q", "origin", "of-a-blob"]);
    });
}

/// U2, U8: `--dry-run`, tags alone, a new branch and a force push send the data.
#[test]
fn every_kind_of_push_sends_the_data() {
    TestEnv::committed().case(|env| {
        env.git(["push", "-q", "--dry-run", "origin", "main"]).ok();
        assert!(has_data(env, "main"));
        assert_eq!(env.git_in("origin.git", ["branch"]).ok().stdout, "");
        env.commit_run(SECOND);
        env.git(["push", "-q", "origin", &format!("capture/{SECOND}")]).ok();
        assert!(has_data(env, "main"));
        env.git(["checkout", "-q", "-b", "topic"]).ok();
        env.commit_run(THIRD);
        env.git(["push", "-q", "-u", "origin", "topic"]).ok();
        assert!(has_data(env, "topic"));
        env.git(["reset", "-q", "--hard", "main"]).ok();
        env.hook(["pull"]).ok();
        env.record_as("ok-pypi010", "demo/another");
        env.commit_run("demo/another");
        env.git(["push", "-q", "--force", "origin", "topic"]).ok();
        assert!(has_data(env, "topic"));
    });
}

/// U3: A push to an address without a name, of `HEAD~1:REF`, `--all` and `--mirror` sends the data.
#[test]
fn a_push_to_an_address_sends_the_data() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        env.git(["push", "-q", "../origin.git", "HEAD~1:refs/heads/main"]).ok();
        assert!(has_data(env, "HEAD~1") && !has_data(env, "HEAD"));
        env.git(["push", "-q", "--all", "origin"]).ok();
        assert!(has_data(env, "HEAD"));
        env.commit_run(THIRD);
        env.git(["push", "-q", "--mirror", "origin"]).ok();
        assert!(has_data(env, "HEAD"));
    });
}

/// C5, U5: Data that is nowhere stops a strict push, which names the commit.
#[test]
fn data_that_is_nowhere_stops_a_strict_push() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        // An object of the first run's commit gets lost before anybody has it.
        fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
        let output = env.git(["push", "origin", "main"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        sending data of commit [commit] (results/nav/run-20261124-021550), commit [commit] (results/demo/run-20260105-041) to the DVC remote
        error: data of commit [commit] (results/nav/run-20261124-021550), commit [commit] (results/demo/run-20260105-041) is neither in this clone nor on the DVC remote: the file list of [md5].dir, the file list of [md5].dir
        hint: send it from a clone in which `dvc gc` removed nothing: `capture-hook push --all`
        hint: to push the commits anyway: `git push --no-verify`
        error: failed to push some refs to '../origin.git'
        ");
        assert!(output.stderr.contains(&env.id("HEAD")[..9]), "{}", output.stderr);
        assert_eq!(env.git_in("origin.git", ["branch"]).ok().stdout, "");
        env.git(["push", "-q", "--no-verify", "origin", "main"]).ok();
    });
}

/// U5: The policies `warn` and `off` let a push without its data go on.
#[test]
fn the_policy_lets_a_push_go_on() {
    TestEnv::committed().case(|env| {
        fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
        fs::write(env.repo("capture-hook.toml"), "[push]\npolicy = \"warn\"\n").unwrap();
        let output = env.git(["push", "origin", "main"]).ok();
        assert_snapshot!(env.screen(&output), @"
        sending data of commit [commit] (results/nav/run-20261124-021550) to the DVC remote
        warning: pre-push: data of commit [commit] (results/nav/run-20261124-021550) is neither in this clone nor on the DVC remote: the file list of [md5].dir
        hint: send it from a clone in which `dvc gc` removed nothing: `capture-hook push --all`
        hint: to push the commits anyway: `git push --no-verify`
        To ../origin.git
         * [new branch]      main -> main
        ");
        fs::write(env.repo("capture-hook.toml"), "[push]\npolicy = \"off\"\n").unwrap();
        let output = env.git(["push", "-q", "origin", "main:refs/heads/other"]).ok();
        assert_eq!(output.stderr, "");
    });
}

/// D3: Without a DVC remote the push stops, and says how to add one.
#[test]
fn without_a_dvc_remote_the_push_stops() {
    TestEnv::committed().case(|env| {
        fs::remove_file(env.repo(".dvc/config.local")).unwrap();
        let output = env.git(["push", "origin", "main"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        error: no DVC remote is set for the data of commit [commit] (results/nav/run-20261124-021550)
        hint: add one: `capture-hook init --remote URL` (a directory, s3://…, ssh://…)
        error: failed to push some refs to '../origin.git'
        ");
    });
}

/// U6: Git's refusal after the data was sent is harmless.
#[test]
fn a_refused_push_can_be_repeated() {
    TestEnv::committed().case(|env| {
        env.script("origin.git/hooks/pre-receive", "#!/bin/sh\nexit 1\n");
        env.git(["push", "-q", "origin", "main"]).fails(1);
        assert!(has_data(env, "main"));
        fs::remove_file(env.path("origin.git/hooks/pre-receive")).unwrap();
        env.git(["push", "-q", "origin", "main"]).ok();
    });
}

/// E11, U7: A chained pre-push gets git's lines, and its failure counts.
#[test]
fn a_chained_pre_push_gets_gits_lines() {
    TestEnv::committed().case(|env| {
        env.hook(["uninstall"]).ok();
        env.script("repo/.git/hooks/pre-push", "#!/bin/sh\necho \"$@\" > args\ncat > lines\ntest ! -e refuse\n");
        env.hook(["install"]).ok();
        fs::write(env.repo("refuse"), "").unwrap();
        env.git(["push", "-q", "origin", "main"]).fails(1);
        assert!(!has_data(env, "main"));
        fs::remove_file(env.repo("refuse")).unwrap();
        env.git(["push", "-q", "origin", "main"]).ok();
        assert!(has_data(env, "main"));
        assert_eq!(fs::read_to_string(env.repo("args")).unwrap(), "origin ../origin.git\n");
        let lines = fs::read_to_string(env.repo("lines")).unwrap();
        assert_eq!(lines, format!("refs/heads/main {0} refs/heads/main {1}\n", env.id("main"), "0".repeat(40)));
        // One that does not read what git sends does not break ours.
        env.script("repo/.git/hooks/pre-push.capture-hook-chained", "#!/bin/sh\nexit 0\n");
        env.commit_run(SECOND);
        env.git(["push", "-q", "origin", "main"]).ok();
        assert!(has_data(env, "main"));
    });
}

/// `capture-hook push` takes revisions, ranges, and by default what was not pushed.
#[test]
fn capture_hook_push_takes_revisions_and_ranges() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        env.commit_run(THIRD);
        env.hook(["push", "HEAD~1"]).ok();
        assert!(has_data(env, "HEAD~1") && !has_data(env, "HEAD") && !has_data(env, "HEAD~2"));
        env.hook(["push", "HEAD~3..HEAD~2"]).ok();
        assert!(has_data(env, "HEAD~2") && !has_data(env, "HEAD"));
        env.hook(["push"]).ok();
        assert!(has_data(env, "HEAD"));
        let output = env.hook(["push"]).ok();
        assert_snapshot!(env.screen(&output), @"the DVC remote has all data");
        env.hook(["push", "nothing"]).fails(3);
    });
}

/// C6, U2: A shallow clone pushes the data of its commit.
#[test]
fn a_shallow_clone_pushes_its_data() {
    each_cache_type(TestEnv::committed_with, |env| {
        env.commit_run(SECOND);
        env.git(["push", "-q", "origin", "main"]).ok();
        let url = format!("file://{}", env.path("origin.git").display());
        env.git_in(".", ["clone", "-q", "--depth", "1", &url, "clone"]).ok();
        fs::copy(env.repo(".dvc/config.local"), env.path("clone/.dvc/config.local")).unwrap();
        env.hook_in("clone", ["install"]).ok();
        env.hook_in("clone", ["pull"]).ok();
        crate::env::copy_dir(&env.repo("results"), &env.path("clone/results"));
        env.select_in("clone", THIRD);
        env.git_in("clone", ["commit", "-q", "-am", "x"]).ok();
        env.git_in("clone", ["push", "-q", "origin", "main"]).ok();
        env.git(["fetch", "-q"]).ok();
        assert!(has_data(env, "origin/main"));
    });
}

/// U3: A tag of a tag, and `--atomic`.
#[test]
fn tags_of_tags_and_atomic_pushes_send_the_data() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        env.git(["tag", "-a", "-m", "x", "outer", &format!("capture/{SECOND}")]).ok();
        env.git(["tag", "-a", "-m", "x", "outermost", "outer"]).ok();
        env.git(["push", "-q", "origin", "outermost"]).ok();
        assert!(has_data(env, "main"));
        env.git(["push", "-q", "origin", "main"]).ok();
        env.git(["checkout", "-q", "-b", "topic"]).ok();
        env.commit_run(THIRD);
        env.git(["checkout", "-q", "-b", "behind", "HEAD~2"]).ok();
        // One of two refs is refused: git pushes neither, and data that was sent early does no harm.
        env.git(["push", "-q", "--atomic", "origin", "topic", "behind:main"]).fails(1);
        assert!(!env.git_in("origin.git", ["branch"]).ok().stdout.contains("topic"));
        env.git(["push", "-q", "--atomic", "origin", "topic", "behind"]).ok();
        assert!(has_data(env, "topic") && has_data(env, "behind"));
    });
}

/// U2: A push over a commit that this clone does not have.
#[test]
fn a_push_over_an_unknown_commit_sends_the_data() {
    TestEnv::committed().case(|env| {
        env.git(["push", "-q", "origin", "main"]).ok();
        env.git_in(".", ["clone", "-q", "origin.git", "other"]).ok();
        env.git_in("other", ["commit", "-q", "--allow-empty", "-m", "not ours"]).ok();
        env.git_in("other", ["push", "-q", "origin", "main"]).ok();
        env.commit_run(SECOND);
        // Git sends the hook an id that no object here has.
        env.git(["push", "-q", "origin", "main"]).fails(1);
        env.git(["push", "-q", "--force", "origin", "main"]).ok();
        assert!(has_data(env, "main"));
    });
}

/// U3, U7: A push of many refs at once: standard input is read to its end.
#[test]
fn a_push_of_many_refs_is_read_to_its_end() {
    TestEnv::committed().case(|env| {
        let head = env.id("HEAD");
        let refs: String = (0..3000).map(|n| format!("create refs/tags/t{n} {head}\n")).collect();
        fs::write(env.repo("refs"), refs).unwrap();
        env.run_in("repo", "/bin/sh", ["-c", "git update-ref --stdin < refs"]).ok();
        env.git(["push", "-q", "--tags", "origin"]).ok();
        assert!(has_data(env, "main"));
    });
}

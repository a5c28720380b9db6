//! Run tags where history is rewritten behind the hooks' back, where names are too long for a file, and where the user has tags of
//! his own.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::env::{CommandOutput, FIRST, SECOND, THIRD, TestEnv, files};

fn tag(key: &str) -> String {
    format!("capture/{key}")
}

fn json(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", output.both()))
}

/// The tags that the git remote has.
fn tags_there(env: &TestEnv) -> String {
    env.git_in("origin.git", ["tag", "-l"]).ok().stdout
}

/// T1: A commit that is undone and made again takes its tag along, and the tag is pushed with it.
#[test]
fn a_commit_that_is_made_again_takes_its_tag_along() {
    let env = TestEnv::committed_native();
    env.commit_run(SECOND);
    let old = env.id("HEAD");
    env.git(["reset", "-q", "--soft", "HEAD~1"]).ok();
    let output = env.git(["commit", "-q", "-m", "again"]).ok();
    assert_snapshot!(env.screen(&output), @"moved the tag capture/demo/run-20260105-041 to the commit that introduces the same data; its old commit is on no branch");
    assert_ne!(env.id("HEAD"), old);
    assert_eq!(env.id(&tag(SECOND)), env.id("HEAD"));
    assert_eq!(env.tags(), [tag(SECOND), tag(FIRST)]);
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    assert!(tags_there(&env).contains(&tag(SECOND)));
    // A tag that others may have never moves.
    let pushed = env.id(&tag(SECOND));
    env.git(["reset", "-q", "--soft", "HEAD~1"]).ok();
    env.git(["commit", "-q", "-m", "once more"]).ok();
    env.hook(["tag", "--all"]).ok();
    env.git(["push", "-q", "--force", "--follow-tags", "origin", "main"]).ok();
    assert_eq!(env.id(&tag(SECOND)), pushed);
    assert_eq!(env.tags(), [tag(SECOND), tag(FIRST)]);
    assert!(env.hook(["status"]).ok().stdout.contains(&tag(SECOND)));
    // Nor does one that went without our hook.
    env.commit_run(THIRD);
    let pushed_so = env.id("HEAD");
    env.git(["push", "-q", "--no-verify", "--force", "--follow-tags", "origin", "main"]).ok();
    env.git(["reset", "-q", "--soft", "HEAD~1"]).ok();
    env.git(["commit", "-q", "-m", "third"]).ok();
    env.hook(["push"]).ok();
    env.git(["push", "-q", "--force", "origin", "main"]).ok();
    env.hook(["tag", "--all"]).ok();
    assert_eq!(env.id(&tag(THIRD)), pushed_so);
    // Nor in another clone, which nobody told that it was pushed.
    let url = format!("file://{}", env.path("origin.git").display());
    env.git_in(".", ["clone", "-q", &url, "clone"]).ok();
    fs::copy(env.repo(".dvc/config.local"), env.path("clone/.dvc/config.local")).unwrap();
    env.hook_in("clone", ["install"]).ok();
    env.git_in("clone", ["fetch", "-q", "--tags"]).ok();
    assert_eq!(json(&env.hook_in("clone", ["--json", "tag", "--all"]).ok())["moved"], serde_json::json!([]));
    assert_eq!(env.git_in("clone", ["rev-parse", &format!("{}^{{}}", tag(SECOND))]).ok().stdout.trim(), pushed);
}

/// T1: `git replay` and `git filter-branch` tell no hook: `status`, `check` and `tag` know the tag that was left
/// behind, and a push moves it.
#[test]
fn a_tag_that_a_rewrite_left_behind_is_known_and_moves() {
    let env = TestEnv::committed_native();
    env.git(["checkout", "-q", "-b", "topic"]).ok();
    env.commit_run(SECOND);
    env.git(["checkout", "-q", "main"]).ok();
    fs::write(env.repo("readme.txt"), "b\n").unwrap();
    env.git(["commit", "-q", "-am", "code"]).ok();
    let replay = |env: &TestEnv| {
        let commands = env.git(["replay", "--onto", "main", "main..topic"]).ok().stdout;
        fs::write(env.path("commands"), commands).unwrap();
        env.run_in("repo", "sh", ["-c", "git update-ref --stdin <../commands"]).ok();
        env.git(["checkout", "-q", "topic"]).ok();
    };
    replay(&env);
    let left = env.id(&tag(SECOND));
    assert_ne!(left, env.id("topic"));
    let status = env.hook(["status"]).ok();
    assert_snapshot!(env.screen(&status), @"
    demo/run-20260105-041 is selected
      recorded   yes  results/demo/run-20260105-041
      valid      yes  240 steps, 4 episodes
      ingested   yes  data version [md5].dir
      committed  yes  HEAD is at [commit]
      tagged     no   the commit of capture/demo/run-20260105-041 is on no branch
      pushed     no   data: not all on the DVC remote; git: not pushed
      workspace  yes  matches dvc.lock, files: 14
    next: capture-hook tag
    --- stderr
    hint: sweep/run-20260106-041 is recorded, but in no commit; to commit it: `capture-hook publish sweep/run-20260106-041`
    ");
    let checked = env.hook(["check", "main..topic"]).ok();
    assert_snapshot!(env.screen(&checked), @"
    warning tag_missing: [commit] demo/run-20260105-041: the commit of capture/demo/run-20260105-041 is on no branch; to move the tag: `capture-hook tag --all`
    1 finding in 1 commit, 0 run tags
    ");
    let other = env.copy();
    assert_eq!(json(&env.hook(["--json", "tag", "--all"]).ok())["moved"], serde_json::json!([tag(SECOND)]));
    assert_eq!(env.id(&tag(SECOND)), env.id("topic"));
    assert!(env.hook(["check", "--strict", "main..topic"]).ok().stdout.starts_with("no problems"));
    assert!(env.hook(["tag", "--all"]).ok().stderr.contains("no run tag is missing"));

    // A push moves it as well, and says how it gets there.
    let output = other.git(["push", "-q", "--follow-tags", "origin", "topic"]).ok();
    assert_snapshot!(env.screen(&output), @"
    moved the tag capture/demo/run-20260105-041 to the commit that introduces the same data; its old commit is on no branch
    hint: to push the tags too: `git push --follow-tags`
    sending data of commit [commit] (results/nav/run-20261124-021550), commit [commit] (results/demo/run-20260105-041) to the DVC remote
    ");
    other.git(["push", "-q", "--follow-tags", "origin", "topic"]).ok();
    assert!(tags_there(&other).contains(&tag(SECOND)));

    // The sibling: every commit gets another author, twice; git keeps the old states by refs of its own.
    for author in ["Grace", "Hedy"] {
        let filter = format!("GIT_AUTHOR_NAME={author}");
        let run = [
            "FILTER_BRANCH_SQUELCH_WARNING=1",
            "CAPTURE_HOOK=0",
            "git",
            "filter-branch",
            "-f",
            "--env-filter",
            &filter,
        ];
        env.run_in("repo", "env", [&run[..], &["main", "topic"]].concat()).ok();
        assert_ne!(env.id(&tag(SECOND)), env.id("topic"));
        let output = env.hook(["tag", "--all"]).ok();
        assert_eq!(output.stdout, format!("{}\n{}\n", tag(SECOND), tag(FIRST)), "{}", output.stderr);
        assert_eq!(env.id(&tag(SECOND)), env.id("topic"));
        assert!(env.hook(["check"]).ok().stdout.starts_with("no problems"));
    }
}

/// T1: What something of the user's holds stays: a tag of his own, a working tree that stands there.
#[test]
fn a_tag_on_a_commit_that_somebody_holds_stays() {
    let env = TestEnv::committed_native();
    for hold in [&["tag", "mine"][..], &["worktree", "add", "-q", "--detach", "../tree"]] {
        env.commit_run(SECOND);
        let held = env.id("HEAD");
        env.git(hold).ok();
        env.git(["reset", "-q", "--soft", "HEAD~1"]).ok();
        env.git(["commit", "-q", "-m", "again"]).ok();
        assert_eq!(env.id(&tag(SECOND)), held, "{hold:?}");
        env.git(["tag", "-d", &tag(SECOND)]).ok();
        env.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    }
}

/// T2: A run whose name is too long for a ref's file is tagged by a shortened name, and found by it.
#[test]
fn a_name_that_is_too_long_for_a_tag_is_shortened() {
    let env = TestEnv::committed_native();
    // By itself, and by what a ref cannot hold; of two that begin alike each has its own.
    let runs = ["r".repeat(251), "r".repeat(252), "a b".repeat(60)].map(|id| format!("demo/{id}"));
    for key in &runs {
        env.record_as("ok-pypi010", key);
        env.commit_run(key);
        let tag = env.git(["tag", "--points-at", "HEAD"]).ok().stdout.trim().to_owned();
        assert!(tag.starts_with("capture/demo/") && tag.contains("%-") && tag.len() < 270, "{tag}");
        let status = env.hook(["--json", "status"]).ok().stdout;
        assert!(status.contains(&tag) && !status.contains("capture-hook tag"), "{status}");
        for command in ["show", "log", "pull"] {
            let output = env.hook(["--json", command, &tag]).ok();
            assert!(output.stdout.contains(key.as_str()), "{command}: {}", output.both());
        }
        env.select(FIRST);
        env.hook(["select", &tag]).ok();
        assert!(fs::read_to_string(env.repo("params.yaml")).unwrap().contains(key.as_str()));
        env.git(["checkout", "-q", "params.yaml"]).ok();
    }
    assert!(env.hook(["tag", "--all"]).ok().stderr.contains("no run tag is missing (4 exist)"));
    assert!(env.hook(["check", "--strict"]).ok().stdout.starts_with("no problems"));
    // The sibling: other data of it, and an amended commit.
    let meta = env.repo("results").join(&runs[0]).join("run.json");
    let text = fs::read_to_string(&meta).unwrap();
    fs::write(&meta, text.replacen('{', "{\"extra\": {\"note\": \"again\"}, ", 1)).unwrap();
    env.hook(["publish", "--no-push", &runs[0]]).ok();
    let second = env.git(["tag", "--points-at", "HEAD"]).ok().stdout.trim().to_owned();
    assert!(second.ends_with("@v2"), "{second}");
    env.git(["commit", "-q", "--amend", "-m", "other words"]).ok();
    assert_eq!(env.git(["tag", "--points-at", "HEAD"]).ok().stdout.trim(), second);
}

/// T3: A tag of the user's that is in the way is named, with what gives it another name; nothing is left in git's
/// directory.
#[test]
fn a_tag_of_the_users_that_is_in_the_way_is_named() {
    for blocking in ["capture", "capture/demo", &format!("capture/{SECOND}/mine")] {
        let env = TestEnv::initialized();
        fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
        env.git(["add", "capture-hook.toml"]).ok();
        assert_eq!(env.record("ok-pypi010"), SECOND);
        env.git(["tag", "-a", "-m", "mine", blocking]).ok();
        let mine = env.git(["rev-parse", &format!("{blocking}^{{}}")]).ok().stdout;
        env.select(SECOND);
        let output = env.git(["commit", "-q", "-am", "x"]).ok();
        assert!(output.stderr.contains(&format!("the tag {blocking} blocks {}", tag(SECOND))), "{}", output.stderr);
        assert!(!env.repo(".git/TAG_EDITMSG").exists());
        let output = env.hook(["tag"]).fails(1);
        let command =
            output.stderr.lines().find_map(|line| line.split('`').nth(1).filter(|text| text.starts_with("git tag")));
        env.run_in("repo", "sh", ["-c", command.unwrap()]).ok();
        assert_eq!(env.hook(["tag"]).ok().stdout, format!("{}\n", tag(SECOND)));
        // His own is where it was, by its new name.
        let renamed = format!("{}-old", blocking.replace('/', "-"));
        assert_eq!(env.git(["rev-parse", &format!("{renamed}^{{}}")]).ok().stdout, mine);
    }
}

/// T3: Of several runs of a commit, one whose tag is blocked keeps no other from being tagged.
#[test]
fn a_blocked_tag_keeps_no_other_back() {
    let env = TestEnv::committed_native();
    env.git(["tag", "capture/demo"]).ok();
    let output = env.hook(["publish", "--no-push", SECOND, THIRD]).ok();
    assert_snapshot!(env.screen(&output), @"
    demo/run-20260105-041
    sweep/run-20260106-041
    --- stderr
    warning: cannot make the tag capture/demo/run-20260105-041: the tag capture/demo blocks capture/demo/run-20260105-041: git cannot use one name as the directory of the other
    tagged capture/sweep/run-20260106-041
    hint: rename the tag, for example to capture-demo-old: `git tag capture-demo-old capture/demo && git tag -d capture/demo`
    hint: run `capture-hook tag` to make the missing tags; the commit is made
    committed 2 runs as [commit]
    ");
    assert!(env.tags().contains(&tag(THIRD)));
}

/// A tag that moves to a commit with other data of its run takes nothing over from the data that it named before.
#[test]
fn a_tag_that_moves_to_other_data_forgets_the_old() {
    TestEnv::committed_native().case(|env| {
        env.commit_run(SECOND);
        let manifest = env.trailer("HEAD", "Capture-Manifest").remove(0);
        let cache = env.repo(".dvc/cache/files/md5");
        let known: Vec<_> = files(&cache);
        // A recording of the same name with other rows, on another branch.
        env.git(["checkout", "-q", "-b", "other"]).ok();
        fs::remove_dir_all(env.repo("results").join(SECOND)).unwrap();
        env.record_as("ok-rotated-pypi010", SECOND);
        env.hook(["publish", SECOND, "--no-push"]).ok();
        let data = env.trailer("HEAD", "Capture-Data").remove(0);
        assert!(!env.git(["show", "-s", "--format=%b"]).ok().stdout.contains(&manifest));
        env.git(["checkout", "-q", "main"]).ok();
        // This clone knows which files that data has, and not what is in them.
        for object in files(&cache) {
            if !known.contains(&object) && object.extension().is_none() {
                fs::remove_file(object).unwrap();
            }
        }
        env.git(["checkout", "-q", "other", "--", "dvc.lock"]).ok();
        env.git(["commit", "-q", "--amend", "--no-verify", "-m", "other data"]).ok();
        assert_eq!(env.id(&tag(SECOND)), env.id("HEAD"));
        let message = env.git(["cat-file", "tag", &tag(SECOND)]).ok().stdout;
        assert!(message.contains(&data) && !message.contains(&manifest), "{message}");
    });
}

/// T3: The tags of a commit of many runs are those that `git tag` would make, and heed the same settings; one that is
/// blocked keeps no other back.
#[test]
fn many_tags_are_as_if_made_one_by_one() {
    let mut env = TestEnv::committed_native();
    let runs = ["r1", "r2", "r3", "r4"].map(|run| format!("many/{run}"));
    let tags = runs.clone().map(|run| tag(&run));
    let delete = |env: &TestEnv, tags: &[String]| {
        env.git(["tag", "-d"].into_iter().chain(tags.iter().map(String::as_str))).ok();
    };
    let objects =
        |env: &TestEnv| tags.clone().map(|tag| env.git(["rev-parse", &format!("refs/tags/{tag}")]).ok().stdout);
    for run in &runs {
        env.record_as("ok-pypi010", run);
    }
    // An object's name depends on the moment.
    env.set("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z");
    env.git(["config", "core.logAllRefUpdates", "always"]).ok();
    let publish: Vec<&str> = ["publish", "--no-push"].into_iter().chain(runs.iter().map(String::as_str)).collect();
    let printed = env.hook(&publish).ok().stderr;
    assert!(tags.iter().all(|tag| printed.contains(&format!("tagged {tag}\n"))), "{printed}");
    let log = |tag: &str| fs::read_to_string(env.repo(".git/logs/refs/tags").join(tag)).unwrap();
    assert!(log(&tags[0]).contains("\ttag: tagging "), "{}", log(&tags[0]));
    let at_once = objects(&env);
    for some in tags.chunks(2) {
        delete(&env, some);
        assert_eq!(env.hook(["tag"]).ok().stdout.lines().collect::<Vec<_>>(), some);
    }
    assert_eq!(objects(&env), at_once);
    delete(&env, &tags);
    env.git(["config", "gpg.program", "/bin/false"]).ok();
    for key in ["tag.gpgSign", "tag.forceSignAnnotated"] {
        env.git(["config", key, "true"]).ok();
        let signed = key == "tag.gpgSign";
        assert_eq!(env.hook(["tag"]).stderr.contains("cannot make the tag"), signed);
        assert_eq!(env.tags().iter().filter(|tag| tags.contains(tag)).count(), if signed { 0 } else { 4 });
        env.git(["config", "--unset", key]).ok();
    }
    delete(&env, &tags);
    env.git(["tag", &format!("{}/mine", tags[1])]).ok();
    let output = env.hook(["tag"]).fails(1);
    assert!(output.stderr.contains(&format!("cannot make the tag {}: ", tags[1])), "{}", output.stderr);
    assert_eq!(output.stdout.lines().collect::<Vec<_>>(), [&tags[0], &tags[2], &tags[3]]);
}

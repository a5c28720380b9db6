//! Rewritten history: each trailer is true and there once, tags follow commits that were not pushed, no other commit
//! gets a tag.

use std::fs;

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, THIRD, TestEnv, each_cache_type};

/// M6: After a rebase the trailers are true, the tags point to the new commits, and the data of both sides is there.
#[test]
fn rebase_keeps_the_data_of_both_sides() {
    each_cache_type(TestEnv::branches, |env| {
        env.git(["checkout", "-q", "topic"]).ok();
        let output = env.git(["rebase", "main"]).ok();
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST, THIRD], "{}", output.both());
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD]);
        env.assert_committed();
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
        let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
        let data = env.trailer("HEAD", "Capture-Data");
        assert!(data.len() == 1 && lock.contains(data[0].strip_prefix("md5:").unwrap()), "{data:?} {lock}");
        assert!(lock.contains(SECOND), "{lock}");
        assert_eq!(env.id(&format!("capture/{SECOND}")), env.id("topic"));
        assert_eq!(env.id(&format!("capture/{THIRD}")), env.id("main"));
        let message = env.git(["cat-file", "tag", &format!("capture/{SECOND}")]).ok().stdout;
        assert!(message.contains(&data[0]), "{message}");
        assert_eq!(env.tags().len(), 3);
    });
}

/// A rebase that only goes forward checks out the runs of the new base.
#[test]
fn rebase_forward_checks_out_the_new_runs() {
    TestEnv::two_versions("copy").case(|env| {
        env.git(["checkout", "-q", "old"]).ok();
        assert_eq!(env.runs_in("repo"), [FIRST]);
        env.git(["rebase", "-q", "main"]).ok();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
        env.assert_committed();
    });
}

/// M6: A fixup and an autosquash of a commit with a run: one set of trailers, and the tag follows.
#[test]
fn autosquash_keeps_one_set_of_trailers() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        fs::write(env.repo("readme.txt"), "b\n").unwrap();
        env.git(["commit", "-q", "-a", "--fixup", "HEAD"]).ok();
        assert!(env.trailer("HEAD", "Capture-Run").is_empty());
        env.set("GIT_SEQUENCE_EDITOR", "true");
        env.git(["rebase", "-q", "-i", "--autosquash", "HEAD~2"]).ok();
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
        assert_eq!(env.id(&format!("capture/{SECOND}")), env.id("HEAD"));
        env.assert_committed();
    });
}

/// M6: The squash of two commits with a run names both, once each.
#[test]
fn squash_names_both_runs_once() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        env.commit_run(THIRD);
        env.set("GIT_SEQUENCE_EDITOR", "sed -i -e '2s/pick/squash/'");
        env.set("GIT_EDITOR", "true");
        env.git(["rebase", "-q", "-i", "HEAD~2"]).ok();
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND, THIRD]);
        assert_eq!(env.trailer("HEAD", "Capture-Data").len(), 2);
        let body = env.git(["log", "-1", "--format=%B"]).ok().stdout;
        assert_eq!(body.matches("Capture-Run:").count(), 2, "{body}");
        for key in [SECOND, THIRD] {
            assert_eq!(env.id(&format!("capture/{key}")), env.id("HEAD"));
        }
        env.assert_committed();
    });
}

/// M6: A reword in a rebase keeps the trailers and moves the tag along.
#[test]
fn reword_keeps_trailers_and_tag() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        env.set("GIT_SEQUENCE_EDITOR", "sed -i -e '1s/pick/reword/'");
        env.set("GIT_EDITOR", "sed -i -e '1s/.*/other words/'");
        env.git(["rebase", "-q", "-i", "HEAD~1"]).ok();
        assert_eq!(env.git(["log", "-1", "--format=%s"]).ok().stdout, "other words\n");
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
        assert_eq!(env.id(&format!("capture/{SECOND}")), env.id("HEAD"));
    });
}

/// M7: A tag that was pushed stays where it is, with a warning.
#[test]
fn a_pushed_tag_stays() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
        let before = env.id("HEAD");
        let output = env.git(["commit", "-q", "--amend", "-m", "other words"]).ok();
        assert_snapshot!(env.screen(&output), @"warning: the tag capture/demo/run-20260105-041 was already pushed, so it stays on the commit before the rewrite");
        assert_eq!(env.id(&format!("capture/{SECOND}")), before);
        assert_eq!(env.tags().len(), 2);
    });
}

/// M7: A tag that was pushed by itself, to an address, stays too.
#[test]
fn a_tag_pushed_by_itself_stays() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        let before = env.id("HEAD");
        env.git(["push", "-q", "../origin.git", &format!("capture/{SECOND}")]).ok();
        let output = env.git(["commit", "-q", "--amend", "-m", "other words"]).ok();
        assert_snapshot!(env.screen(&output), @"warning: the tag capture/demo/run-20260105-041 was already pushed, so it stays on the commit before the rewrite");
        assert_eq!(env.id(&format!("capture/{SECOND}")), before);
    });
}

/// M6: A cherry-pick moves no tag, writes the trailers once, and checks out the run.
#[test]
fn cherry_pick_moves_no_tag() {
    each_cache_type(TestEnv::branches, |env| {
        let output = env.git(["cherry-pick", "-x", "topic"]).ok();
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND], "{}", output.both());
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST, THIRD]);
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD]);
        env.assert_committed();
        assert_eq!(env.id(&format!("capture/{SECOND}")), env.id("topic"));
        assert_eq!(env.tags().len(), 3);
        // The replayed commit's selection counts.
        assert!(fs::read_to_string(env.repo("params.yaml")).unwrap().contains(SECOND));
    });
}

/// M11: A revert makes no tag and no trailer, and leaves the tag of the run.
#[test]
fn revert_leaves_the_tag_of_the_run() {
    each_cache_type(TestEnv::committed_with, |env| {
        env.commit_run(SECOND);
        let tagged = env.id(&format!("capture/{SECOND}"));
        env.git(["revert", "--no-edit", "HEAD"]).ok();
        env.assert_committed();
        assert_eq!(env.runs_in("repo"), [FIRST]);
        assert_eq!(env.id(&format!("capture/{SECOND}")), tagged);
        assert_eq!(env.tags().len(), 2);
        assert_eq!(env.tags().iter().filter(|t| env.id(t) == env.id("HEAD")).count(), 0);
    });
}

/// M11: `git revert --no-commit`, then a commit, takes the run out and leaves its tag.
#[test]
fn revert_without_commit_takes_the_run_out() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        env.git(["revert", "--no-commit", "HEAD"]).ok();
        env.git(["commit", "-q", "-m", "back"]).ok();
        assert_eq!(env.runs_at("HEAD"), [FIRST]);
        assert_eq!(env.tags().len(), 2);
        env.assert_committed();
    });
}

/// E6: `dvc exp run` and `dvc exp save` make commits of their own, which get no tag.
#[test]
fn dvc_experiments_get_no_tag() {
    TestEnv::committed().case(|env| {
        env.select(SECOND);
        env.dvc(["exp", "run", "-q", "capture_ingest"]).ok();
        assert_eq!(env.tags(), [format!("capture/{FIRST}")]);
        env.dvc(["exp", "save", "-q", "-f", "-n", "saved"]).ok();
        assert_eq!(env.tags(), [format!("capture/{FIRST}")]);
        env.git(["commit", "-q", "-am", "for good"]).ok();
        assert_eq!(env.tags().len(), 2);
    });
}

/// `capture-hook tag` makes missing tags again.
#[test]
fn tag_makes_missing_tags_again() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        let all = env.tags();
        env.git(["tag", "-d", &all[0], &all[1]]).ok();
        let output = env.hook(["tag"]).ok();
        assert_eq!(output.stdout.lines().count(), 2, "{}", output.both());
        assert_eq!(env.tags(), all);
        assert_eq!(env.id(&format!("capture/{SECOND}")), env.id("HEAD"));
        assert_eq!(env.hook(["tag", "--all"]).ok().stdout, "");
    });
}

/// M7: Tags are signed if the user signs tags; a key that fails loses nothing.
#[test]
fn tags_are_signed_if_the_user_signs_tags() {
    TestEnv::committed().case(|env| {
        let key = env.path("home/key");
        env.run_in(".", "ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]).ok();
        for (name, value) in
            [("gpg.format", "ssh"), ("user.signingKey", key.to_str().unwrap()), ("tag.gpgSign", "true")]
        {
            env.git(["config", name, value]).ok();
        }
        env.commit_run(SECOND);
        let message = env.git(["cat-file", "tag", &format!("capture/{SECOND}")]).ok().stdout;
        assert!(message.contains("BEGIN SSH SIGNATURE") && message.contains("Capture-Steps: "), "{message}");
        env.git(["config", "user.signingKey", "/nothing/key"]).ok();
        env.select(THIRD);
        let output = env.git(["commit", "-q", "-am", "x"]).ok();
        assert!(
            output.stderr.contains("cannot make the tag") && output.stderr.contains("capture-hook tag"),
            "{}",
            output.stderr
        );
        assert_eq!(env.tags().len(), 2);
        env.git(["config", "--unset", "tag.gpgSign"]).ok();
        env.hook(["tag"]).ok();
        assert_eq!(env.tags().len(), 3);
    });
}

/// `git rebase --abort` restores the workspace.
#[test]
fn rebase_abort_brings_the_workspace_back() {
    each_cache_type(TestEnv::branches, |env| {
        env.git(["checkout", "-q", "topic"]).ok();
        fs::write(env.repo("readme.txt"), "topic\n").unwrap();
        env.git(["commit", "-q", "-am", "words"]).ok();
        env.git(["checkout", "-q", "main"]).ok();
        fs::write(env.repo("readme.txt"), "main\n").unwrap();
        env.git(["commit", "-q", "-am", "words"]).ok();
        env.git(["checkout", "-q", "topic"]).ok();
        env.git(["rebase", "main"]).fails(1);
        env.git(["rebase", "--abort"]).ok();
        env.assert_committed();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
    });
}

//! History rewritten: trailers stay single and true, tags follow what was not pushed, nobody else gets a tag.

use std::fs;

use super::Case;
use crate::env::{FIRST, SECOND, THIRD, TestEnv};

pub const CASES: &[Case] = &[
    Case { line: "rebase that only goes forward: the workspace follows", run: rebase_forward },
    Case { line: "fixup and autosquash of a capture commit: one set of trailers, the tag follows", run: fixup },
    Case { line: "squash of two capture commits: both runs, once each", run: squash },
    Case { line: "reword in a rebase", run: reword },
    Case { line: "a tag that was pushed stays, with a warning", run: pushed },
    Case { line: "a tag that was pushed by itself stays too", run: pushed_tag },
    Case { line: "revert --no-commit, then commit", run: revert_no_commit },
    Case { line: "dvc exp run and exp save: no tag", run: experiments },
    Case { line: "capture-hook tag makes missing tags again", run: tag_again },
    Case { line: "a signed tag, where the user signs tags; a key that fails loses nothing", run: signed },
];

/// With each type of links to DVC's cache.
pub const DATA: &[Case] = &[
    Case { line: "rebase: trailers and tags follow, the data of both sides is kept", run: rebase },
    Case { line: "cherry-pick: no tag, trailers once, the workspace follows", run: cherry_pick },
    Case { line: "revert: no tag, no trailer, the tag of the run is untouched", run: revert },
    Case { line: "rebase --abort: the workspace is as before", run: abort },
];

/// `topic` with the second run, `main` with the third, both on top of the first.
fn two_branches(env: &TestEnv) {
    env.git(["checkout", "-q", "-b", "topic"]).ok();
    env.commit_run(SECOND);
    env.git(["checkout", "-q", "main"]).ok();
    env.commit_run(THIRD);
}

fn rebase(env: &mut TestEnv) {
    two_branches(env);
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
}

fn rebase_forward(env: &mut TestEnv) {
    env.git(["branch", "old"]).ok();
    env.commit_run(SECOND);
    env.git(["checkout", "-q", "old"]).ok();
    assert_eq!(env.runs_in("repo"), [FIRST]);
    env.git(["rebase", "-q", "main"]).ok();
    assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
    env.assert_committed();
}

fn fixup(env: &mut TestEnv) {
    env.commit_run(SECOND);
    fs::write(env.repo("readme.txt"), "b\n").unwrap();
    env.git(["commit", "-q", "-a", "--fixup", "HEAD"]).ok();
    assert!(env.trailer("HEAD", "Capture-Run").is_empty());
    env.set("GIT_SEQUENCE_EDITOR", "true");
    env.git(["rebase", "-q", "-i", "--autosquash", "HEAD~2"]).ok();
    assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
    assert_eq!(env.id(&format!("capture/{SECOND}")), env.id("HEAD"));
    env.assert_committed();
}

fn squash(env: &mut TestEnv) {
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
}

fn reword(env: &mut TestEnv) {
    env.commit_run(SECOND);
    env.set("GIT_SEQUENCE_EDITOR", "sed -i -e '1s/pick/reword/'");
    env.set("GIT_EDITOR", "sed -i -e '1s/.*/other words/'");
    env.git(["rebase", "-q", "-i", "HEAD~1"]).ok();
    assert_eq!(env.git(["log", "-1", "--format=%s"]).ok().stdout, "other words\n");
    assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
    assert_eq!(env.id(&format!("capture/{SECOND}")), env.id("HEAD"));
}

fn pushed(env: &mut TestEnv) {
    env.commit_run(SECOND);
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    let before = env.id("HEAD");
    let output = env.git(["commit", "-q", "--amend", "-m", "other words"]).ok();
    assert!(output.stderr.contains("was pushed already"), "{}", output.stderr);
    assert_eq!(env.id(&format!("capture/{SECOND}")), before);
    assert_eq!(env.tags().len(), 2);
}

fn pushed_tag(env: &mut TestEnv) {
    env.commit_run(SECOND);
    let before = env.id("HEAD");
    env.git(["push", "-q", "../origin.git", &format!("capture/{SECOND}")]).ok();
    let output = env.git(["commit", "-q", "--amend", "-m", "other words"]).ok();
    assert!(output.stderr.contains("was pushed already"), "{}", output.stderr);
    assert_eq!(env.id(&format!("capture/{SECOND}")), before);
}

fn cherry_pick(env: &mut TestEnv) {
    two_branches(env);
    let output = env.git(["cherry-pick", "-x", "topic"]).ok();
    assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND], "{}", output.both());
    assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST, THIRD]);
    assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD]);
    env.assert_committed();
    assert_eq!(env.id(&format!("capture/{SECOND}")), env.id("topic"));
    assert_eq!(env.tags().len(), 3);
    // The replayed commit's selection counts.
    assert!(fs::read_to_string(env.repo("params.yaml")).unwrap().contains(SECOND));
}

fn revert(env: &mut TestEnv) {
    env.commit_run(SECOND);
    let tagged = env.id(&format!("capture/{SECOND}"));
    env.git(["revert", "--no-edit", "HEAD"]).ok();
    env.assert_committed();
    assert_eq!(env.runs_in("repo"), [FIRST]);
    assert_eq!(env.id(&format!("capture/{SECOND}")), tagged);
    assert_eq!(env.tags().len(), 2);
    assert_eq!(env.tags().iter().filter(|t| env.id(t) == env.id("HEAD")).count(), 0);
}

fn revert_no_commit(env: &mut TestEnv) {
    env.commit_run(SECOND);
    env.git(["revert", "--no-commit", "HEAD"]).ok();
    env.git(["commit", "-q", "-m", "back"]).ok();
    assert_eq!(env.runs_at("HEAD"), [FIRST]);
    assert_eq!(env.tags().len(), 2);
    env.assert_committed();
}

fn experiments(env: &mut TestEnv) {
    env.select(SECOND);
    env.dvc(["exp", "run", "-q", "capture_ingest"]).ok();
    assert_eq!(env.tags(), [format!("capture/{FIRST}")]);
    env.dvc(["exp", "save", "-q", "-f", "-n", "saved"]).ok();
    assert_eq!(env.tags(), [format!("capture/{FIRST}")]);
    env.git(["commit", "-q", "-am", "for good"]).ok();
    assert_eq!(env.tags().len(), 2);
}

fn tag_again(env: &mut TestEnv) {
    env.commit_run(SECOND);
    let all = env.tags();
    env.git(["tag", "-d", &all[0], &all[1]]).ok();
    let output = env.hook(["tag"]).ok();
    assert_eq!(output.stdout.lines().count(), 2, "{}", output.both());
    assert_eq!(env.tags(), all);
    assert_eq!(env.id(&format!("capture/{SECOND}")), env.id("HEAD"));
    assert_eq!(env.hook(["tag", "--all"]).ok().stdout, "");
}

fn signed(env: &mut TestEnv) {
    let key = env.path("home/key");
    env.run_in(".", "ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]).ok();
    for (name, value) in [("gpg.format", "ssh"), ("user.signingKey", key.to_str().unwrap()), ("tag.gpgSign", "true")] {
        env.git(["config", name, value]).ok();
    }
    env.commit_run(SECOND);
    let message = env.git(["cat-file", "tag", &format!("capture/{SECOND}")]).ok().stdout;
    assert!(message.contains("BEGIN SSH SIGNATURE") && message.contains("Capture-Steps: "), "{message}");
    env.git(["config", "user.signingKey", "/nothing/key"]).ok();
    env.select(THIRD);
    let output = env.git(["commit", "-q", "-am", "x"]).ok();
    assert!(output.stderr.contains("is not made") && output.stderr.contains("capture-hook tag"), "{}", output.stderr);
    assert_eq!(env.tags().len(), 2);
    env.git(["config", "--unset", "tag.gpgSign"]).ok();
    env.hook(["tag"]).ok();
    assert_eq!(env.tags().len(), 3);
}

fn abort(env: &mut TestEnv) {
    two_branches(env);
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
}

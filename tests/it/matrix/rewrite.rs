//! History rewritten: trailers stay single and true, tags follow what was not pushed, nobody else gets a tag.

use std::fs;

use super::{Case, FIRST, SECOND, THIRD, clean, commit_run, id, runs_at, runs_in, tags, trailer};
use crate::env::TestEnv;
use crate::hooks::select;

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
    commit_run(env, SECOND);
    env.git(["checkout", "-q", "main"]).ok();
    commit_run(env, THIRD);
}

fn rebase(env: TestEnv) {
    two_branches(&env);
    env.git(["checkout", "-q", "topic"]).ok();
    let output = env.git(["rebase", "main"]).ok();
    assert_eq!(runs_at(&env, "HEAD"), [SECOND, FIRST, THIRD], "{}", output.both());
    assert_eq!(runs_in(&env, "repo"), [SECOND, FIRST, THIRD]);
    clean(&env);
    assert_eq!(trailer(&env, "HEAD", "Capture-Run"), [SECOND]);
    let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
    let data = trailer(&env, "HEAD", "Capture-Data");
    assert!(data.len() == 1 && lock.contains(data[0].strip_prefix("md5:").unwrap()), "{data:?} {lock}");
    assert!(lock.contains(SECOND), "{lock}");
    assert_eq!(id(&env, &format!("capture/{SECOND}")), id(&env, "topic"));
    assert_eq!(id(&env, &format!("capture/{THIRD}")), id(&env, "main"));
    let message = env.git(["cat-file", "tag", &format!("capture/{SECOND}")]).ok().stdout;
    assert!(message.contains(&data[0]), "{message}");
    assert_eq!(tags(&env).len(), 3);
}

fn rebase_forward(env: TestEnv) {
    env.git(["branch", "old"]).ok();
    commit_run(&env, SECOND);
    env.git(["checkout", "-q", "old"]).ok();
    assert_eq!(runs_in(&env, "repo"), [FIRST]);
    env.git(["rebase", "-q", "main"]).ok();
    assert_eq!(runs_in(&env, "repo"), [SECOND, FIRST]);
    clean(&env);
}

fn fixup(mut env: TestEnv) {
    commit_run(&env, SECOND);
    fs::write(env.repo("readme.txt"), "b\n").unwrap();
    env.git(["commit", "-q", "-a", "--fixup", "HEAD"]).ok();
    assert!(trailer(&env, "HEAD", "Capture-Run").is_empty());
    env.set("GIT_SEQUENCE_EDITOR", "true");
    env.git(["rebase", "-q", "-i", "--autosquash", "HEAD~2"]).ok();
    assert_eq!(trailer(&env, "HEAD", "Capture-Run"), [SECOND]);
    assert_eq!(id(&env, &format!("capture/{SECOND}")), id(&env, "HEAD"));
    clean(&env);
}

fn squash(mut env: TestEnv) {
    commit_run(&env, SECOND);
    commit_run(&env, THIRD);
    env.set("GIT_SEQUENCE_EDITOR", "sed -i -e '2s/pick/squash/'");
    env.set("GIT_EDITOR", "true");
    env.git(["rebase", "-q", "-i", "HEAD~2"]).ok();
    assert_eq!(trailer(&env, "HEAD", "Capture-Run"), [SECOND, THIRD]);
    assert_eq!(trailer(&env, "HEAD", "Capture-Data").len(), 2);
    let body = env.git(["log", "-1", "--format=%B"]).ok().stdout;
    assert_eq!(body.matches("Capture-Run:").count(), 2, "{body}");
    for key in [SECOND, THIRD] {
        assert_eq!(id(&env, &format!("capture/{key}")), id(&env, "HEAD"));
    }
    clean(&env);
}

fn reword(mut env: TestEnv) {
    commit_run(&env, SECOND);
    env.set("GIT_SEQUENCE_EDITOR", "sed -i -e '1s/pick/reword/'");
    env.set("GIT_EDITOR", "sed -i -e '1s/.*/other words/'");
    env.git(["rebase", "-q", "-i", "HEAD~1"]).ok();
    assert_eq!(env.git(["log", "-1", "--format=%s"]).ok().stdout, "other words\n");
    assert_eq!(trailer(&env, "HEAD", "Capture-Run"), [SECOND]);
    assert_eq!(id(&env, &format!("capture/{SECOND}")), id(&env, "HEAD"));
}

fn pushed(env: TestEnv) {
    commit_run(&env, SECOND);
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    let before = id(&env, "HEAD");
    let output = env.git(["commit", "-q", "--amend", "-m", "other words"]).ok();
    assert!(output.stderr.contains("was pushed already"), "{}", output.stderr);
    assert_eq!(id(&env, &format!("capture/{SECOND}")), before);
    assert_eq!(tags(&env).len(), 2);
}

fn pushed_tag(env: TestEnv) {
    commit_run(&env, SECOND);
    let before = id(&env, "HEAD");
    env.git(["push", "-q", "../origin.git", &format!("capture/{SECOND}")]).ok();
    let output = env.git(["commit", "-q", "--amend", "-m", "other words"]).ok();
    assert!(output.stderr.contains("was pushed already"), "{}", output.stderr);
    assert_eq!(id(&env, &format!("capture/{SECOND}")), before);
}

fn cherry_pick(env: TestEnv) {
    two_branches(&env);
    let output = env.git(["cherry-pick", "-x", "topic"]).ok();
    assert_eq!(trailer(&env, "HEAD", "Capture-Run"), [SECOND], "{}", output.both());
    assert_eq!(runs_at(&env, "HEAD"), [SECOND, FIRST, THIRD]);
    assert_eq!(runs_in(&env, "repo"), [SECOND, FIRST, THIRD]);
    clean(&env);
    assert_eq!(id(&env, &format!("capture/{SECOND}")), id(&env, "topic"));
    assert_eq!(tags(&env).len(), 3);
    // The replayed commit's selection counts.
    assert!(fs::read_to_string(env.repo("params.yaml")).unwrap().contains(SECOND));
}

fn revert(env: TestEnv) {
    commit_run(&env, SECOND);
    let tagged = id(&env, &format!("capture/{SECOND}"));
    env.git(["revert", "--no-edit", "HEAD"]).ok();
    clean(&env);
    assert_eq!(runs_in(&env, "repo"), [FIRST]);
    assert_eq!(id(&env, &format!("capture/{SECOND}")), tagged);
    assert_eq!(tags(&env).len(), 2);
    assert_eq!(tags(&env).iter().filter(|t| id(&env, t) == id(&env, "HEAD")).count(), 0);
}

fn revert_no_commit(env: TestEnv) {
    commit_run(&env, SECOND);
    env.git(["revert", "--no-commit", "HEAD"]).ok();
    env.git(["commit", "-q", "-m", "back"]).ok();
    assert_eq!(runs_at(&env, "HEAD"), [FIRST]);
    assert_eq!(tags(&env).len(), 2);
    clean(&env);
}

fn experiments(env: TestEnv) {
    select(&env, SECOND);
    env.dvc(["exp", "run", "-q", "capture_ingest"]).ok();
    assert_eq!(tags(&env), [format!("capture/{FIRST}")]);
    env.dvc(["exp", "save", "-q", "-f", "-n", "saved"]).ok();
    assert_eq!(tags(&env), [format!("capture/{FIRST}")]);
    env.git(["commit", "-q", "-am", "for good"]).ok();
    assert_eq!(tags(&env).len(), 2);
}

fn tag_again(env: TestEnv) {
    commit_run(&env, SECOND);
    let all = tags(&env);
    env.git(["tag", "-d", &all[0], &all[1]]).ok();
    let output = env.hook(["tag"]).ok();
    assert_eq!(output.stdout.lines().count(), 2, "{}", output.both());
    assert_eq!(tags(&env), all);
    assert_eq!(id(&env, &format!("capture/{SECOND}")), id(&env, "HEAD"));
    assert_eq!(env.hook(["tag", "--all"]).ok().stdout, "");
}

fn signed(env: TestEnv) {
    let key = env.path("home/key");
    env.run_in(".", "ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]).ok();
    for (name, value) in [("gpg.format", "ssh"), ("user.signingKey", key.to_str().unwrap()), ("tag.gpgSign", "true")] {
        env.git(["config", name, value]).ok();
    }
    commit_run(&env, SECOND);
    let message = env.git(["cat-file", "tag", &format!("capture/{SECOND}")]).ok().stdout;
    assert!(message.contains("BEGIN SSH SIGNATURE") && message.contains("Capture-Steps: "), "{message}");
    env.git(["config", "user.signingKey", "/nothing/key"]).ok();
    select(&env, THIRD);
    let output = env.git(["commit", "-q", "-am", "x"]).ok();
    assert!(output.stderr.contains("is not made") && output.stderr.contains("capture-hook tag"), "{}", output.stderr);
    assert_eq!(tags(&env).len(), 2);
    env.git(["config", "--unset", "tag.gpgSign"]).ok();
    env.hook(["tag"]).ok();
    assert_eq!(tags(&env).len(), 3);
}

fn abort(env: TestEnv) {
    two_branches(&env);
    env.git(["checkout", "-q", "topic"]).ok();
    fs::write(env.repo("readme.txt"), "topic\n").unwrap();
    env.git(["commit", "-q", "-am", "words"]).ok();
    env.git(["checkout", "-q", "main"]).ok();
    fs::write(env.repo("readme.txt"), "main\n").unwrap();
    env.git(["commit", "-q", "-am", "words"]).ok();
    env.git(["checkout", "-q", "topic"]).ok();
    env.git(["rebase", "main"]).fails(1);
    env.git(["rebase", "--abort"]).ok();
    clean(&env);
    assert_eq!(runs_in(&env, "repo"), [SECOND, FIRST]);
}

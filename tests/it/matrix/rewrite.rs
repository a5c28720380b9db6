//! History rewritten: trailers stay single and true, tags follow what was not pushed, nobody else gets a tag.

use std::fs;

use super::{Case, FIRST, SECOND, THIRD, clean, commit_run, id, runs_at, runs_in, tags, trailer};
use crate::hooks::select;
use crate::world::World;

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
fn two_branches(world: &World) {
    world.git(["checkout", "-q", "-b", "topic"]).ok();
    commit_run(world, SECOND);
    world.git(["checkout", "-q", "main"]).ok();
    commit_run(world, THIRD);
}

fn rebase(world: World) {
    two_branches(&world);
    world.git(["checkout", "-q", "topic"]).ok();
    let said = world.git(["rebase", "main"]).ok();
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST, THIRD], "{}", said.all());
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST, THIRD]);
    clean(&world);
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND]);
    let lock = fs::read_to_string(world.repo("dvc.lock")).unwrap();
    let data = trailer(&world, "HEAD", "Capture-Data");
    assert!(data.len() == 1 && lock.contains(data[0].strip_prefix("md5:").unwrap()), "{data:?} {lock}");
    assert!(lock.contains(SECOND), "{lock}");
    assert_eq!(id(&world, &format!("capture/{SECOND}")), id(&world, "topic"));
    assert_eq!(id(&world, &format!("capture/{THIRD}")), id(&world, "main"));
    let message = world.git(["cat-file", "tag", &format!("capture/{SECOND}")]).ok().out;
    assert!(message.contains(&data[0]), "{message}");
    assert_eq!(tags(&world).len(), 3);
}

fn rebase_forward(world: World) {
    world.git(["branch", "old"]).ok();
    commit_run(&world, SECOND);
    world.git(["checkout", "-q", "old"]).ok();
    assert_eq!(runs_in(&world, "repo"), [FIRST]);
    world.git(["rebase", "-q", "main"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    clean(&world);
}

fn fixup(mut world: World) {
    commit_run(&world, SECOND);
    fs::write(world.repo("readme.txt"), "b\n").unwrap();
    world.git(["commit", "-q", "-a", "--fixup", "HEAD"]).ok();
    assert!(trailer(&world, "HEAD", "Capture-Run").is_empty());
    world.set("GIT_SEQUENCE_EDITOR", "true");
    world.git(["rebase", "-q", "-i", "--autosquash", "HEAD~2"]).ok();
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND]);
    assert_eq!(id(&world, &format!("capture/{SECOND}")), id(&world, "HEAD"));
    clean(&world);
}

fn squash(mut world: World) {
    commit_run(&world, SECOND);
    commit_run(&world, THIRD);
    world.set("GIT_SEQUENCE_EDITOR", "sed -i -e '2s/pick/squash/'");
    world.set("GIT_EDITOR", "true");
    world.git(["rebase", "-q", "-i", "HEAD~2"]).ok();
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND, THIRD]);
    assert_eq!(trailer(&world, "HEAD", "Capture-Data").len(), 2);
    let body = world.git(["log", "-1", "--format=%B"]).ok().out;
    assert_eq!(body.matches("Capture-Run:").count(), 2, "{body}");
    for key in [SECOND, THIRD] {
        assert_eq!(id(&world, &format!("capture/{key}")), id(&world, "HEAD"));
    }
    clean(&world);
}

fn reword(mut world: World) {
    commit_run(&world, SECOND);
    world.set("GIT_SEQUENCE_EDITOR", "sed -i -e '1s/pick/reword/'");
    world.set("GIT_EDITOR", "sed -i -e '1s/.*/other words/'");
    world.git(["rebase", "-q", "-i", "HEAD~1"]).ok();
    assert_eq!(world.git(["log", "-1", "--format=%s"]).ok().out, "other words\n");
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND]);
    assert_eq!(id(&world, &format!("capture/{SECOND}")), id(&world, "HEAD"));
}

fn pushed(world: World) {
    commit_run(&world, SECOND);
    world.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    let before = id(&world, "HEAD");
    let said = world.git(["commit", "-q", "--amend", "-m", "other words"]).ok();
    assert!(said.err.contains("was pushed already"), "{}", said.err);
    assert_eq!(id(&world, &format!("capture/{SECOND}")), before);
    assert_eq!(tags(&world).len(), 2);
}

fn pushed_tag(world: World) {
    commit_run(&world, SECOND);
    let before = id(&world, "HEAD");
    world.git(["push", "-q", "../origin.git", &format!("capture/{SECOND}")]).ok();
    let said = world.git(["commit", "-q", "--amend", "-m", "other words"]).ok();
    assert!(said.err.contains("was pushed already"), "{}", said.err);
    assert_eq!(id(&world, &format!("capture/{SECOND}")), before);
}

fn cherry_pick(world: World) {
    two_branches(&world);
    let said = world.git(["cherry-pick", "-x", "topic"]).ok();
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND], "{}", said.all());
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST, THIRD]);
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST, THIRD]);
    clean(&world);
    assert_eq!(id(&world, &format!("capture/{SECOND}")), id(&world, "topic"));
    assert_eq!(tags(&world).len(), 3);
    // The replayed commit's selection counts.
    assert!(fs::read_to_string(world.repo("params.yaml")).unwrap().contains(SECOND));
}

fn revert(world: World) {
    commit_run(&world, SECOND);
    let tagged = id(&world, &format!("capture/{SECOND}"));
    world.git(["revert", "--no-edit", "HEAD"]).ok();
    clean(&world);
    assert_eq!(runs_in(&world, "repo"), [FIRST]);
    assert_eq!(id(&world, &format!("capture/{SECOND}")), tagged);
    assert_eq!(tags(&world).len(), 2);
    assert_eq!(tags(&world).iter().filter(|t| id(&world, t) == id(&world, "HEAD")).count(), 0);
}

fn revert_no_commit(world: World) {
    commit_run(&world, SECOND);
    world.git(["revert", "--no-commit", "HEAD"]).ok();
    world.git(["commit", "-q", "-m", "back"]).ok();
    assert_eq!(runs_at(&world, "HEAD"), [FIRST]);
    assert_eq!(tags(&world).len(), 2);
    clean(&world);
}

fn experiments(world: World) {
    select(&world, SECOND);
    world.dvc(["exp", "run", "-q", "capture_ingest"]).ok();
    assert_eq!(tags(&world), [format!("capture/{FIRST}")]);
    world.dvc(["exp", "save", "-q", "-f", "-n", "saved"]).ok();
    assert_eq!(tags(&world), [format!("capture/{FIRST}")]);
    world.git(["commit", "-q", "-am", "for good"]).ok();
    assert_eq!(tags(&world).len(), 2);
}

fn tag_again(world: World) {
    commit_run(&world, SECOND);
    let all = tags(&world);
    world.git(["tag", "-d", &all[0], &all[1]]).ok();
    let said = world.hook(["tag"]).ok();
    assert_eq!(said.out.lines().count(), 2, "{}", said.all());
    assert_eq!(tags(&world), all);
    assert_eq!(id(&world, &format!("capture/{SECOND}")), id(&world, "HEAD"));
    assert_eq!(world.hook(["tag", "--all"]).ok().out, "");
}

fn signed(world: World) {
    let key = world.path("home/key");
    world.run_in(".", "ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]).ok();
    for (name, value) in [("gpg.format", "ssh"), ("user.signingKey", key.to_str().unwrap()), ("tag.gpgSign", "true")] {
        world.git(["config", name, value]).ok();
    }
    commit_run(&world, SECOND);
    let message = world.git(["cat-file", "tag", &format!("capture/{SECOND}")]).ok().out;
    assert!(message.contains("BEGIN SSH SIGNATURE") && message.contains("Capture-Steps: "), "{message}");
    world.git(["config", "user.signingKey", "/nothing/key"]).ok();
    select(&world, THIRD);
    let said = world.git(["commit", "-q", "-am", "x"]).ok();
    assert!(said.err.contains("is not made") && said.err.contains("capture-hook tag"), "{}", said.err);
    assert_eq!(tags(&world).len(), 2);
    world.git(["config", "--unset", "tag.gpgSign"]).ok();
    world.hook(["tag"]).ok();
    assert_eq!(tags(&world).len(), 3);
}

fn abort(world: World) {
    two_branches(&world);
    world.git(["checkout", "-q", "topic"]).ok();
    fs::write(world.repo("readme.txt"), "topic\n").unwrap();
    world.git(["commit", "-q", "-am", "words"]).ok();
    world.git(["checkout", "-q", "main"]).ok();
    fs::write(world.repo("readme.txt"), "main\n").unwrap();
    world.git(["commit", "-q", "-am", "words"]).ok();
    world.git(["checkout", "-q", "topic"]).ok();
    world.git(["rebase", "main"]).fails(1);
    world.git(["rebase", "--abort"]).ok();
    clean(&world);
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
}

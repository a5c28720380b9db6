//! Run tags where history is rewritten behind the hooks' back, where names are too long for a file, and where the user has tags of
//! his own.

use std::fs;

use serde_json::Value;

use crate::hooks::select;
use crate::matrix::{FIRST, SECOND, THIRD, commit_run, committed_natively, id, tags};
use crate::world::{Said, World};

fn tag(key: &str) -> String {
    format!("capture/{key}")
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}", said.all()))
}

/// The tags that the git remote has.
fn tags_there(world: &World) -> String {
    world.git_in("origin.git", ["tag", "-l"]).ok().out
}

/// 12-F26: a commit that is undone and made again takes its tag along, and the tag is pushed with it.
#[test]
fn a_commit_that_is_made_again_takes_its_tag_along() {
    let world = committed_natively();
    commit_run(&world, SECOND);
    let old = id(&world, "HEAD");
    world.git(["reset", "-q", "--soft", "HEAD~1"]).ok();
    let said = world.git(["commit", "-q", "-m", "again"]).ok();
    assert!(said.err.contains(&format!("moved the tag {}", tag(SECOND))), "{}", said.err);
    assert_ne!(id(&world, "HEAD"), old);
    assert_eq!(id(&world, &tag(SECOND)), id(&world, "HEAD"));
    assert_eq!(tags(&world), [tag(SECOND), tag(FIRST)]);
    world.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    assert!(tags_there(&world).contains(&tag(SECOND)));
    // A tag that others may have never moves.
    let pushed = id(&world, &tag(SECOND));
    world.git(["reset", "-q", "--soft", "HEAD~1"]).ok();
    world.git(["commit", "-q", "-m", "once more"]).ok();
    world.hook(["tag", "--all"]).ok();
    world.git(["push", "-q", "--force", "--follow-tags", "origin", "main"]).ok();
    assert_eq!(id(&world, &tag(SECOND)), pushed);
    assert_eq!(tags(&world), [tag(SECOND), tag(FIRST)]);
    assert!(world.hook(["status"]).ok().out.contains(&tag(SECOND)));
    // Nor does one that went without our hook.
    commit_run(&world, THIRD);
    let pushed_so = id(&world, "HEAD");
    world.git(["push", "-q", "--no-verify", "--force", "--follow-tags", "origin", "main"]).ok();
    world.git(["reset", "-q", "--soft", "HEAD~1"]).ok();
    world.git(["commit", "-q", "-m", "third"]).ok();
    world.hook(["push"]).ok();
    world.git(["push", "-q", "--force", "origin", "main"]).ok();
    world.hook(["tag", "--all"]).ok();
    assert_eq!(id(&world, &tag(THIRD)), pushed_so);
    // Nor in another clone, which nobody told that it was pushed.
    let url = format!("file://{}", world.path("origin.git").display());
    world.git_in(".", ["clone", "-q", &url, "clone"]).ok();
    fs::copy(world.repo(".dvc/config.local"), world.path("clone/.dvc/config.local")).unwrap();
    world.hook_in("clone", ["install"]).ok();
    world.git_in("clone", ["fetch", "-q", "--tags"]).ok();
    assert_eq!(json(&world.hook_in("clone", ["--json", "tag", "--all"]).ok())["moved"], serde_json::json!([]));
    assert_eq!(world.git_in("clone", ["rev-parse", &format!("{}^{{}}", tag(SECOND))]).ok().out.trim(), pushed);
}

/// 12-F26: `git replay` and `git filter-branch` tell no hook: `status`, `check` and `tag` know the tag that was left behind, and
/// a push moves it.
#[test]
fn a_tag_that_a_rewrite_left_behind_is_known_and_moves() {
    let world = committed_natively();
    world.git(["checkout", "-q", "-b", "topic"]).ok();
    commit_run(&world, SECOND);
    world.git(["checkout", "-q", "main"]).ok();
    fs::write(world.repo("readme.txt"), "b\n").unwrap();
    world.git(["commit", "-q", "-am", "code"]).ok();
    let replay = |world: &World| {
        let commands = world.git(["replay", "--onto", "main", "main..topic"]).ok().out;
        fs::write(world.path("commands"), commands).unwrap();
        world.run_in("repo", "sh", ["-c", "git update-ref --stdin <../commands"]).ok();
        world.git(["checkout", "-q", "topic"]).ok();
    };
    replay(&world);
    let left = id(&world, &tag(SECOND));
    assert_ne!(left, id(&world, "topic"));
    let status = world.hook(["status"]).ok();
    assert!(status.out.contains("no branch holds the commit of capture/demo/"), "{}", status.out);
    assert!(status.out.contains("next: capture-hook tag\n"), "{}", status.out);
    let checked = world.hook(["check", "main..topic"]).ok();
    assert!(
        checked.out.contains("tag_missing") && checked.out.contains("`capture-hook tag --all` moves it"),
        "{}",
        checked.out
    );
    let other = world.twin();
    assert_eq!(json(&world.hook(["--json", "tag", "--all"]).ok())["moved"], serde_json::json!([tag(SECOND)]));
    assert_eq!(id(&world, &tag(SECOND)), id(&world, "topic"));
    assert!(world.hook(["check", "--strict", "main..topic"]).ok().out.starts_with("all true"));
    assert!(world.hook(["tag", "--all"]).ok().err.contains("no run tag is missing"));

    // A push moves it as well, and says how it gets there.
    let said = other.git(["push", "-q", "--follow-tags", "origin", "topic"]).ok();
    assert!(said.err.contains(&format!("moved the tag {}", tag(SECOND))), "{}", said.err);
    assert!(said.err.contains("`git push --follow-tags`"), "{}", said.err);
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
        world.run_in("repo", "env", [&run[..], &["main", "topic"]].concat()).ok();
        assert_ne!(id(&world, &tag(SECOND)), id(&world, "topic"));
        let said = world.hook(["tag", "--all"]).ok();
        assert_eq!(said.out, format!("{}\n{}\n", tag(SECOND), tag(FIRST)), "{}", said.err);
        assert_eq!(id(&world, &tag(SECOND)), id(&world, "topic"));
        assert!(world.hook(["check"]).ok().out.starts_with("all true"));
    }
}

/// 12-F26: what something of the user's holds stays: a tag of his own, a working tree that stands there.
#[test]
fn a_tag_on_a_commit_that_somebody_holds_stays() {
    let world = committed_natively();
    for hold in [&["tag", "mine"][..], &["worktree", "add", "-q", "--detach", "../tree"]] {
        commit_run(&world, SECOND);
        let held = id(&world, "HEAD");
        world.git(hold).ok();
        world.git(["reset", "-q", "--soft", "HEAD~1"]).ok();
        world.git(["commit", "-q", "-m", "again"]).ok();
        assert_eq!(id(&world, &tag(SECOND)), held, "{hold:?}");
        world.git(["tag", "-d", &tag(SECOND)]).ok();
        world.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    }
}

/// 12-F27: a run whose name is too long for a ref's file is tagged by a shortened name, and found by it.
#[test]
fn a_name_that_is_too_long_for_a_tag_is_shortened() {
    let world = committed_natively();
    // By itself, and by what a ref cannot hold; of two that begin alike each has its own.
    let runs = ["r".repeat(251), "r".repeat(252), "a b".repeat(60)].map(|id| format!("demo/{id}"));
    for key in &runs {
        world.record_as("ok-pypi010", key);
        commit_run(&world, key);
        let tag = world.git(["tag", "--points-at", "HEAD"]).ok().out.trim().to_owned();
        assert!(tag.starts_with("capture/demo/") && tag.contains("%-") && tag.len() < 270, "{tag}");
        let status = world.hook(["--json", "status"]).ok().out;
        assert!(status.contains(&tag) && !status.contains("capture-hook tag"), "{status}");
        for command in ["show", "log", "pull"] {
            let said = world.hook(["--json", command, &tag]).ok();
            assert!(said.out.contains(key.as_str()), "{command}: {}", said.all());
        }
        select(&world, FIRST);
        world.hook(["select", &tag]).ok();
        assert!(fs::read_to_string(world.repo("params.yaml")).unwrap().contains(key.as_str()));
        world.git(["checkout", "-q", "params.yaml"]).ok();
    }
    assert!(world.hook(["tag", "--all"]).ok().err.contains("no run tag is missing (4 there)"));
    assert!(world.hook(["check", "--strict"]).ok().out.starts_with("all true"));
    // The sibling: other data of it, and an amended commit.
    let meta = world.repo("results").join(&runs[0]).join("run.json");
    let text = fs::read_to_string(&meta).unwrap();
    fs::write(&meta, text.replacen('{', "{\"extra\": {\"note\": \"again\"}, ", 1)).unwrap();
    world.hook(["publish", "--no-push", &runs[0]]).ok();
    let second = world.git(["tag", "--points-at", "HEAD"]).ok().out.trim().to_owned();
    assert!(second.ends_with("@v2"), "{second}");
    world.git(["commit", "-q", "--amend", "-m", "other words"]).ok();
    assert_eq!(world.git(["tag", "--points-at", "HEAD"]).ok().out.trim(), second);
}

/// 12-F28: a tag of the user's that is in the way is named, with what gives it another name; nothing is left in git's directory.
#[test]
fn a_tag_of_the_users_that_is_in_the_way_is_named() {
    for blocking in ["capture", "capture/demo", &format!("capture/{SECOND}/mine")] {
        let world = World::with_project();
        fs::write(world.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
        world.git(["add", "capture-hook.toml"]).ok();
        assert_eq!(world.record("ok-pypi010"), SECOND);
        world.git(["tag", "-a", "-m", "mine", blocking]).ok();
        let mine = world.git(["rev-parse", &format!("{blocking}^{{}}")]).ok().out;
        select(&world, SECOND);
        let said = world.git(["commit", "-q", "-am", "x"]).ok();
        assert!(said.err.contains(&format!("the tag {blocking} is in the way of {}", tag(SECOND))), "{}", said.err);
        assert!(!world.repo(".git/TAG_EDITMSG").exists());
        let said = world.hook(["tag"]).fails(1);
        let command =
            said.err.lines().find_map(|line| line.split('`').nth(1).filter(|text| text.starts_with("git tag")));
        world.run_in("repo", "sh", ["-c", command.unwrap()]).ok();
        assert_eq!(world.hook(["tag"]).ok().out, format!("{}\n", tag(SECOND)));
        // His own is where it was, by its new name.
        let renamed = format!("{}-old", blocking.replace('/', "-"));
        assert_eq!(world.git(["rev-parse", &format!("{renamed}^{{}}")]).ok().out, mine);
    }
}

/// 12-F28: of several runs of a commit, one whose tag is blocked keeps no other from being tagged.
#[test]
fn a_blocked_tag_keeps_no_other_back() {
    let world = committed_natively();
    world.git(["tag", "capture/demo"]).ok();
    let said = world.hook(["publish", "--no-push", SECOND, THIRD]).ok();
    assert!(said.err.contains("the tag capture/demo is in the way"), "{}", said.err);
    assert!(tags(&world).contains(&tag(THIRD)));
}

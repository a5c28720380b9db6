//! History as other tools leave it: another project's merged into a subdirectory, older lists of files gone from the cache.

use std::fs;

use crate::hooks::{select, select_in};
use crate::matrix::{FIRST, SECOND, THIRD, commit_run, committed_natively, id, runs_in, tags};
use crate::world::{World, copy_dir, corpus_run, files};

/// Records a run in another repository and commits it there.
fn commit_in(world: &World, dir: &str, case: &str) {
    let (run, key) = corpus_run(case);
    copy_dir(&run, &world.path(dir).join("results").join(&key));
    select_in(world, dir, &key);
    world.git_in(dir, ["commit", "-q", "-am", &key]).ok();
}

/// Another project, a repository of its own with a run in it, whose data is on its own remote.
fn another_project(world: &World, tracked_remote: bool) {
    let remote = world.path("other-remote");
    fs::create_dir_all(&remote).unwrap();
    world.git_in(".", ["init", "-q", "other"]).ok();
    if tracked_remote {
        world.hook_in("other", ["init", "--remote", remote.to_str().unwrap()]).ok();
    } else {
        world.hook_in("other", ["init"]).ok();
        world.dvc_in("other", ["remote", "add", "--local", "-d", "storage", remote.to_str().unwrap()]).ok();
    }
    fs::write(world.path("other/capture-hook.toml"), "engine = \"native\"\n").unwrap();
    world.git_in("other", ["add", "-A"]).ok();
    world.git_in("other", ["commit", "-q", "-m", "Set up"]).ok();
    commit_in(world, "other", "ok-orig100");
    world.hook_in("other", ["push"]).ok();
    world.git(["remote", "add", "other", "../other"]).ok();
    world.git(["fetch", "-q", "other"]).ok();
}

/// What `git subtree add` does, with all of the history or with one commit for it.
fn add_subtree(world: &World, squash: bool) {
    let theirs = if squash {
        world.git(["commit-tree", "-m", "Squashed", "other/main^{tree}"]).ok().out.trim().to_owned()
    } else {
        "other/main".to_owned()
    };
    world.git(["merge", "-q", "-s", "ours", "--no-commit", "--allow-unrelated-histories", &theirs]).ok();
    world.git(["read-tree", "--prefix=vendor/other/", "-u", &theirs]).ok();
    world.git(["commit", "-q", "-m", "Merge the other project"]).ok();
}

/// 12-F29: another project's history that comes in by a subtree refuses no push, and is no history of this project's.
#[test]
fn another_projects_history_that_is_merged_in_refuses_no_push() {
    for (tracked_remote, squash) in [(true, false), (false, true)] {
        let world = committed_natively();
        let runs = world.hook(["runs"]).ok().out;
        another_project(&world, tracked_remote);
        add_subtree(&world, squash);
        commit_run(&world, SECOND);
        let said = world.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
        let pushed = id(&world, "origin/main");
        assert_eq!(pushed, id(&world, "main"));
        assert!(said.err.contains("not sent: data of another project's history"), "{}", said.err);
        let checked = world.hook(["check", "--strict", "--remote"]).ok();
        assert!(checked.out.starts_with("all true"), "{}", checked.out);
        assert!(checked.err.contains("left out: commits of another project's history"), "{}", checked.err);
        let made = world.hook(["tag", "--all"]).ok();
        assert!(made.err.contains("no run tag is missing"), "{}", made.all());
        let (_, theirs) = corpus_run("ok-orig100");
        let now = world.hook(["runs"]).ok().out;
        assert!(!now.contains(&theirs) && now.lines().count() == runs.lines().count(), "{now}");
        // Their own project, where it lies now: what `check` misses, `tag` makes.
        let dir = "repo/vendor/other";
        let missing = world.hook_in(dir, ["check"]).ok().out.matches("tag_missing").count();
        let made = world.hook_in(dir, ["tag", "--all"]).ok();
        assert_eq!(made.out.lines().count(), missing, "{}", made.all());
        assert!(!world.hook_in(dir, ["check"]).ok().out.contains("tag_missing"));

        // The sibling: they go on, and what they did comes in again.
        commit_in(&world, "other", "ok-rotated-orig100");
        world.hook_in("other", ["push"]).ok();
        world.git(["fetch", "-q", "other"]).ok();
        if !squash {
            world.git(["merge", "-q", "-Xsubtree=vendor/other", "-m", "Merge it again", "other/main"]).ok();
        }
        commit_run(&world, THIRD);
        world.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
        let checked = world.hook(["check", "--strict"]).ok();
        assert!(checked.out.starts_with("all true"), "{}", checked.out);
        assert!(world.hook(["tag", "--all"]).ok().err.contains("no run tag is missing"));
    }
}

/// 12-F29: data that this project's own history needs is missed all the same, beside another one's and in a branch that began
/// by itself.
#[test]
fn own_data_is_missed_beside_another_projects_history() {
    let world = committed_natively();
    another_project(&world, false);
    add_subtree(&world, false);
    commit_run(&world, SECOND);
    let lock = fs::read_to_string(world.repo("dvc.lock")).unwrap();
    let version = lock.split_whitespace().find(|word| word.ends_with(".dir")).unwrap();
    commit_run(&world, THIRD);
    let object = world.repo("data/captures").join(SECOND).join("steps.parquet");
    let md5 = world.run_in(".", "md5sum", [object.to_str().unwrap()]).ok().out[..32].to_owned();
    fs::remove_file(world.repo(".dvc/cache/files/md5").join(&md5[..2]).join(&md5[2..])).unwrap();
    let said = world.git(["push", "-q", "origin", "main"]).fails(1);
    assert!(said.err.contains(&format!("{SECOND}/steps.parquet")), "{}", said.err);
    assert!(!said.err.contains("vendor") && !version.is_empty(), "{}", said.err);
    // Merged at its own place, nothing is another project's: the dataset has the runs of both.
    let world = self::committed_natively();
    world.git(["checkout", "-q", "--orphan", "apart"]).ok();
    world.git(["commit", "-q", "-m", "from here on"]).ok();
    commit_run(&world, SECOND);
    world.git(["checkout", "-q", "main"]).ok();
    commit_run(&world, THIRD);
    world.git(["merge", "-q", "--no-edit", "--allow-unrelated-histories", "apart"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST, THIRD]);
    assert!(!world.hook(["check"]).ok().err.contains("left out"));
    world.git(["push", "-q", "origin", "main"]).ok();
    assert!(world.hook(["check", "--remote"]).ok().out.starts_with("all true"));
}

/// The lists of files in a cache, or on a remote.
fn lists(world: &World, dir: &str) -> usize {
    files(&world.path(dir)).iter().filter(|file| file.extension().is_some_and(|e| e == "dir")).count()
}

/// 12-F30: `dvc gc -w` before a push removes older lists of files; they are made again from the newest one, and proved.
#[test]
fn lists_that_gc_removed_are_made_again_for_a_push() {
    let world = committed_natively();
    // A branch and a merge among them, and a run that only one of the older versions lacks.
    world.git(["checkout", "-q", "-b", "side"]).ok();
    commit_run(&world, SECOND);
    world.git(["checkout", "-q", "main"]).ok();
    commit_run(&world, THIRD);
    world.git(["merge", "-q", "--no-edit", "side"]).ok();
    let cache = "repo/.dvc/cache";
    assert_eq!(lists(&world, cache), 4);
    world.dvc(["gc", "-w", "-f"]).ok();
    assert_eq!(lists(&world, cache), 1);
    let said = world.git(["push", "-q", "--follow-tags", "origin", "main", "side"]).ok();
    assert!(said.err.contains("made the list of files of"), "{}", said.err);
    assert_eq!((lists(&world, cache), lists(&world, "dvc-remote")), (4, 4));
    assert!(world.hook(["check", "--strict", "--remote"]).ok().out.starts_with("all true"));
    let url = format!("file://{}", world.path("origin.git").display());
    for (rev, runs) in [("side", vec![SECOND, FIRST]), ("main~1", vec![FIRST, THIRD])] {
        let rev = id(&world, rev);
        world.git_in(".", ["clone", "-q", &url, &rev]).ok();
        fs::copy(world.repo(".dvc/config.local"), world.path(&rev).join(".dvc/config.local")).unwrap();
        world.git_in(&rev, ["checkout", "-q", "--detach", &rev]).ok();
        world.hook_in(&rev, ["pull"]).ok();
        assert_eq!(runs_in(&world, &rev), runs);
    }
}

/// 12-F30, siblings: a checkout, a merge and a commit on an older state, with no remote at all.
#[test]
fn lists_that_gc_removed_are_made_again_for_other_work() {
    let world = committed_natively();
    let local = fs::read_to_string(world.repo(".dvc/config.local")).unwrap();
    fs::write(world.repo(".dvc/config.local"), local.replace("remote = storage", "")).unwrap();
    world.git(["branch", "old"]).ok();
    commit_run(&world, SECOND);
    world.dvc(["gc", "-w", "-f"]).ok();
    world.git(["checkout", "-q", "old"]).ok();
    assert_eq!(runs_in(&world, "repo"), [FIRST]);
    world.dvc(["gc", "-w", "-f", "--rev", "main", "--num", "1"]);
    commit_run(&world, THIRD);
    assert_eq!(runs_in(&world, "repo"), [FIRST, THIRD]);
    world.git(["merge", "-q", "--no-edit", "main"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST, THIRD]);
    assert!(world.hook(["check", "--strict"]).ok().out.starts_with("all true"));
    world.dvc(["gc", "-w", "-f"]).ok();
    assert!(world.hook(["check", "--strict"]).ok().out.starts_with("all true"));
    assert!(world.hook(["tag", "--all"]).ok().err.contains("no run tag is missing"));
}

/// 12-F30: what cannot be proved is not made; what is missing is named.
#[test]
fn a_list_that_cannot_be_proved_is_named() {
    let world = committed_natively();
    commit_run(&world, SECOND);
    let lock = fs::read_to_string(world.repo("dvc.lock")).unwrap();
    let version = lock.split_whitespace().find(|word| word.ends_with(".dir")).unwrap().to_owned();
    // Recorded anew: the older files are gone with the older list.
    let meta = world.repo("results").join(SECOND).join("run.json");
    let text = fs::read_to_string(&meta).unwrap();
    fs::write(&meta, text.replacen('{', "{\"extra\": {\"note\": \"again\"}, ", 1)).unwrap();
    world.hook(["publish", "--no-push", SECOND]).ok();
    assert_eq!(tags(&world).len(), 3);
    world.dvc(["gc", "-w", "-f"]).ok();
    let said = world.git(["push", "-q", "origin", "main"]).fails(1);
    assert!(said.err.contains(&format!("the list of files of {version}")), "{}", said.err);
    assert!(said.err.contains("dvc gc") && !said.err.contains("capture-hook pull"), "{}", said.err);
    select(&world, FIRST);
}

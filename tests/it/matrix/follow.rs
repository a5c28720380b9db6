//! The workspace follows git, and never gets in its way.

use std::fs;

use super::{Case, FIRST, SECOND, THIRD, clean, commit_run, runs_at, runs_in, script, settled};
use crate::world::{World, tree};

pub const CASES: &[Case] = &[
    Case { line: "checkout of files, checkout -b: nothing moves", run: nothing_to_do },
    Case { line: "bisect: each step has its data, from the remote too", run: bisect },
    Case { line: "in the middle of a rebase nothing is fetched", run: rebase_stops },
    Case { line: "a broken .dvc/config, dvc.lock or capture-hook.toml fails no checkout", run: broken },
    Case { line: "a branch without DVC", run: without_dvc },
];

/// With each type of links to DVC's cache.
pub const DATA: &[Case] = &[
    Case { line: "checkout of another data version, from the cache", run: checkout },
    Case { line: "checkout of a version that is only on the remote: pulled", run: pulled },
    Case { line: "checkout while the remote is away: git goes on, the message tells what to do", run: offline },
    Case { line: "unsaved changes in the dataset win", run: unsaved },
    Case { line: "a run that DVC does not know of is not removed", run: unknown_run },
    Case { line: "more than pull.max_bytes: the selected run, and the command for the rest", run: too_much },
    Case { line: "merge, fast-forward", run: forward },
    Case { line: "merge of two branches that each added a run: no conflict, both runs", run: both },
    Case { line: "merge --squash", run: squash },
    Case { line: "pull, and pull --rebase", run: git_pull },
    Case { line: "worktree add: shares the cache, has the data", run: worktree },
    Case { line: "clone with the hooks from a template: the selected run", run: clone },
    Case { line: "reset --hard and stash fire nothing: the next commit is right all the same", run: reset },
];

fn two_versions(world: &World) {
    world.git(["branch", "old"]).ok();
    commit_run(world, SECOND);
}

fn checkout(world: World) {
    let old = tree(&world.repo("data/captures"));
    two_versions(&world);
    let new = tree(&world.repo("data/captures"));
    world.git(["checkout", "-q", "old"]).ok();
    assert!(tree(&world.repo("data/captures")) == old);
    clean(&world);
    world.git(["switch", "-q", "main"]).ok();
    assert!(tree(&world.repo("data/captures")) == new);
    clean(&world);
}

fn pulled(world: World) {
    two_versions(&world);
    let new = tree(&world.repo("data/captures"));
    world.git(["checkout", "-q", "old"]).ok();
    only_remote_all(&world);
    world.git(["checkout", "-q", "main"]).ok();
    assert!(tree(&world.repo("data/captures")) == new);
    settled(&world);
}

/// Empties DVC's cache, having sent all data to the remote.
fn only_remote_all(world: &World) {
    world.hook(["push", "main", "old"]).ok();
    fs::remove_dir_all(world.repo(".dvc/cache")).unwrap();
}

fn offline(world: World) {
    two_versions(&world);
    world.git(["checkout", "-q", "old"]).ok();
    only_remote_all(&world);
    fs::rename(world.path("dvc-remote"), world.path("away")).unwrap();
    let said = world.git(["checkout", "main"]).ok();
    assert!(said.err.contains("capture-hook pull"), "{}", said.err);
    assert_eq!(world.git(["rev-parse", "--abbrev-ref", "HEAD"]).ok().out, "main\n");
    let last = fs::read_to_string(world.repo(".git/capture-hook/last.json")).unwrap();
    assert!(last.contains("\"event\""), "{last}");
    world.hook(["pull"]).fails(4);
    fs::rename(world.path("away"), world.path("dvc-remote")).unwrap();
    world.hook(["pull"]).ok();
    settled(&world);
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
}

fn unsaved(world: World) {
    two_versions(&world);
    let edited = world.repo("data/captures").join(SECOND).join("run.json");
    fs::remove_file(&edited).unwrap();
    fs::write(&edited, "{\"mine\": true}").unwrap();
    let said = world.git(["checkout", "old"]).ok();
    assert!(said.err.contains("not saved"), "{}", said.err);
    assert_eq!(fs::read_to_string(&edited).unwrap(), "{\"mine\": true}");
}

fn unknown_run(world: World) {
    two_versions(&world);
    let extra = world.repo("data/captures/mine/notes/x.txt");
    fs::create_dir_all(extra.parent().unwrap()).unwrap();
    fs::write(&extra, "x").unwrap();
    world.git(["checkout", "-q", "old"]).ok();
    assert_eq!(fs::read_to_string(&extra).unwrap(), "x");
}

fn nothing_to_do(mut world: World) {
    two_versions(&world);
    let none = script(&world, "bin/no-dvc", "#!/bin/sh\necho called >&2\nexit 9\n");
    world.set("CAPTURE_HOOK_DVC", &none);
    for args in
        [&["checkout", "-q", "-b", "new"][..], &["checkout", "old", "--", "readme.txt"], &["checkout", "-q", "main"]]
    {
        let said = world.git(args).ok();
        assert!(!said.err.contains("called") && !said.err.contains("warning"), "{args:?} {}", said.err);
    }
}

fn too_much(world: World) {
    fs::write(world.repo("capture-hook.toml"), "[pull]\nmax_bytes = 10\n").unwrap();
    world.git(["add", "capture-hook.toml"]).ok();
    world.git(["commit", "-q", "-m", "little"]).ok();
    two_versions(&world);
    only_remote_all(&world);
    world.git(["checkout", "-q", "old"]).ok();
    fs::remove_dir_all(world.repo("data/captures")).unwrap();
    fs::remove_dir_all(world.repo(".dvc/cache")).ok();
    let said = world.git(["checkout", "main"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND], "{}", said.err);
    assert!(said.err.contains("capture-hook pull"), "{}", said.err);
    world.hook(["pull"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    clean(&world);
}

fn forward(world: World) {
    two_versions(&world);
    world.git(["checkout", "-q", "old"]).ok();
    world.git(["merge", "-q", "main"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    clean(&world);
}

fn both(world: World) {
    world.git(["checkout", "-q", "-b", "topic"]).ok();
    commit_run(&world, SECOND);
    world.git(["checkout", "-q", "main"]).ok();
    commit_run(&world, THIRD);
    let said = world.git(["merge", "--no-edit", "topic"]).ok();
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST, THIRD], "{}", said.all());
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST, THIRD]);
    clean(&world);
    // In a merge the current branch's selection stays, and the output names the other.
    assert!(fs::read_to_string(world.repo("params.yaml")).unwrap().contains(THIRD));
    assert!(said.all().contains(SECOND), "{}", said.all());
}

fn squash(world: World) {
    two_versions(&world);
    world.git(["checkout", "-q", "old"]).ok();
    world.git(["merge", "-q", "--squash", "main"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    world.git(["commit", "-q", "-m", "squashed"]).ok();
    clean(&world);
    assert_eq!(super::trailer(&world, "HEAD", "Capture-Run"), [SECOND]);
}

fn git_pull(world: World) {
    world.git(["push", "-q", "-u", "origin", "main"]).ok();
    world.git(["branch", "-q", "here"]).ok();
    commit_run(&world, SECOND);
    world.git(["push", "-q", "origin", "main"]).ok();
    world.git(["checkout", "-q", "here"]).ok();
    world.git(["branch", "-q", "--set-upstream-to", "origin/main"]).ok();
    world.git(["pull", "-q"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    world.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    world.hook(["pull"]).ok();
    assert_eq!(runs_in(&world, "repo"), [FIRST]);
    commit_run(&world, THIRD);
    world.git(["pull", "-q", "--rebase"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST, THIRD]);
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST, THIRD]);
    clean(&world);
}

fn bisect(world: World) {
    let good = super::id(&world, "HEAD");
    commit_run(&world, SECOND);
    commit_run(&world, THIRD);
    world.git(["bisect", "start", "HEAD", &good]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    clean_but_untracked(&world);
    world.git(["bisect", "reset"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST, THIRD]);
    clean(&world);
    // A program that judges each step needs its data: it is fetched within pull.max_bytes, as in any checkout.
    world.hook(["push", &format!("{good}..HEAD")]).ok();
    world.git(["checkout", "-q", &good]).ok();
    fs::remove_dir_all(world.repo(".dvc/cache")).unwrap();
    world.git(["bisect", "start", "main", &good]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    let judge = format!("test ! -e data/captures/{THIRD}/run.json");
    let said = world.git(["bisect", "run", "sh", "-c", &judge]).ok();
    assert!(said.out.contains(&format!("{} is the first bad commit", super::id(&world, "main"))), "{}", said.out);
    world.git(["bisect", "reset"]).ok();
}

fn clean_but_untracked(world: &World) {
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
}

fn worktree(world: World) {
    two_versions(&world);
    world.git(["worktree", "add", "-q", "../tree", "old"]).ok();
    assert_eq!(runs_in(&world, "tree"), [FIRST]);
    // And a commit there works as in the main one.
    let run = world.path("tree/results").join(THIRD);
    crate::world::copy_dir(&world.repo("results").join(THIRD), &run);
    crate::hooks::select_in(&world, "tree", THIRD);
    world.git_in("tree", ["commit", "-q", "-am", "x"]).ok();
    assert_eq!(world.git_in("tree", ["status", "--porcelain"]).ok().out, "");
    assert_eq!(runs_at(&world, "old"), [FIRST, THIRD]);
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
}

fn clone(world: World) {
    commit_run(&world, SECOND);
    world.git(["config", "--local", "--unset", "core.hooksPath"]);
    let remote = world.path("dvc-remote");
    world.dvc(["remote", "add", "-q", "-d", "-f", "shared", remote.to_str().unwrap()]).ok();
    world.git(["commit", "-q", "-am", "a remote for all"]).ok();
    world.git(["push", "-q", "origin", "main"]).ok();
    let template = world.path("template/hooks");
    fs::create_dir_all(&template).unwrap();
    for hook in fs::read_dir(world.repo(".git/hooks")).unwrap() {
        let hook = hook.unwrap();
        if !hook.file_name().to_str().unwrap().ends_with(".sample") {
            fs::copy(hook.path(), template.join(hook.file_name())).unwrap();
        }
    }
    let template = format!("--template={}", world.path("template").display());
    world.git_in(".", ["clone", "-q", &template, "origin.git", "clone"]).ok();
    assert_eq!(runs_in(&world, "clone"), [SECOND]);
    // A clone that has one run of two loses none at its next commit.
    crate::world::copy_dir(&world.repo("results").join(THIRD), &world.path("clone/results").join(THIRD));
    crate::hooks::select_in(&world, "clone", THIRD);
    world.git_in("clone", ["commit", "-q", "-am", "x"]).ok();
    assert_eq!(runs_in(&world, "clone"), [SECOND, FIRST, THIRD]);
}

fn rebase_stops(mut world: World) {
    world.git(["checkout", "-q", "-b", "topic"]).ok();
    fs::write(world.repo("readme.txt"), "topic\n").unwrap();
    world.git(["commit", "-q", "-am", "words"]).ok();
    world.git(["checkout", "-q", "main"]).ok();
    fs::write(world.repo("readme.txt"), "main\n").unwrap();
    commit_run(&world, SECOND);
    world.git(["checkout", "-q", "topic"]).ok();
    let none = script(&world, "bin/no-dvc", "#!/bin/sh\necho called >&2\nexit 9\n");
    world.set("CAPTURE_HOOK_DVC", &none);
    let said = world.git(["rebase", "main"]).fails(1);
    assert!(!said.err.contains("called"), "{}", said.err);
    world.unset("CAPTURE_HOOK_DVC");
    fs::write(world.repo("readme.txt"), "both\n").unwrap();
    world.git(["add", "readme.txt"]).ok();
    world.set("GIT_EDITOR", "true");
    world.git(["rebase", "--continue"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    clean(&world);
}

fn reset(world: World) {
    two_versions(&world);
    world.git(["reset", "-q", "--hard", "old"]).ok();
    // The workspace still holds the second run; the commit of a third must neither lose nor smuggle.
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    commit_run(&world, THIRD);
    assert_eq!(runs_at(&world, "HEAD"), [FIRST, THIRD]);
    clean(&world);
}

fn broken(world: World) {
    two_versions(&world);
    world.git(["checkout", "-q", "old"]).ok();
    for (file, text) in [("capture-hook.toml", "[nothing]\n"), (".dvc/config", "]]]\n")] {
        let path = world.repo(file);
        let before = fs::read(&path).ok();
        fs::write(&path, text).unwrap();
        world.git(["checkout", "-q", "main"]).ok();
        world.git(["checkout", "-q", "old"]).ok();
        match before {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
    }
    world.git(["checkout", "-q", "-b", "bad", "main"]).ok();
    fs::write(world.repo("dvc.lock"), "]]]\n").unwrap();
    world.git(["commit", "-q", "--no-verify", "-am", "bad lock"]).ok();
    world.git(["checkout", "-q", "old"]).ok();
    world.git(["checkout", "-q", "bad"]).ok();
}

fn without_dvc(world: World) {
    world.git(["checkout", "-q", "--orphan", "empty"]).ok();
    world.git(["rm", "-rfq", "--cached", "."]).ok();
    fs::write(world.repo("only.txt"), "x").unwrap();
    world.git(["add", "only.txt"]).ok();
    world.git(["commit", "-q", "-m", "no DVC here"]).ok();
    world.git(["checkout", "-q", "-f", "main"]).ok();
    clean(&world);
}

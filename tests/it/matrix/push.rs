//! Every way to push: the data is there before git's commits are, and a push without data is never held up.

use std::fs;

use super::{Case, SECOND, THIRD, commit_run, id, script};
use crate::world::World;

pub const CASES: &[Case] = &[
    Case { line: "several commits: the data of each, not of the tip alone", run: several },
    Case { line: "deleting a branch, a push that changes no data: no DVC, never stopped", run: nothing_to_do },
    Case { line: "--dry-run, tags alone, a new branch, a force push", run: kinds },
    Case { line: "to an address without a name, HEAD~1:ref, --all, --mirror", run: addresses },
    Case { line: "strict: data that is nowhere stops the push and names the commit", run: strict },
    Case { line: "policy warn and off", run: policies },
    Case { line: "no DVC remote", run: no_remote },
    Case { line: "git's refusal after the data went is harmless", run: refused },
    Case { line: "a chained pre-push gets git's lines, and its failure counts", run: chained },
    Case { line: "capture-hook push: REV, ranges, the default", run: by_hand },
    Case { line: "a tag of a tag, --atomic", run: nested_and_atomic },
    Case { line: "over a commit that this clone does not have", run: unknown_remote_commit },
    Case { line: "a push of many refs at once: standard input is read to its end", run: many_refs },
];

/// With each type of links to DVC's cache.
pub const DATA: &[Case] = &[Case { line: "a shallow clone", run: shallow }];

/// Whether the DVC remote has what a revision's `dvc.lock` names, every object of it.
fn has_data(world: &World, rev: &str) -> bool {
    let lock = world.git(["show", &format!("{rev}:dvc.lock")]).ok().out;
    let version = lock.lines().find_map(|l| l.trim().strip_prefix("md5: ")).unwrap().to_owned();
    let object = |name: &str| world.path("dvc-remote/files/md5").join(&name[..2]).join(&name[2..]);
    let Ok(list) = fs::read_to_string(object(&version)) else { return false };
    let entries: serde_json::Value = serde_json::from_str(&list).unwrap();
    entries.as_array().unwrap().iter().all(|entry| object(entry["md5"].as_str().unwrap()).exists())
}

fn several(world: World) {
    commit_run(&world, SECOND);
    commit_run(&world, THIRD);
    // The middle commit's data version is in no other commit.
    let said = world.git(["push", "--follow-tags", "origin", "main"]).ok();
    for rev in ["HEAD~2", "HEAD~1", "HEAD"] {
        assert!(has_data(&world, rev), "{rev}: {}", said.err);
    }
    assert_eq!(world.git_in("origin.git", ["tag"]).ok().out.lines().count(), 3);
}

/// A world in which DVC must not be called.
fn without_dvc(world: &mut World) {
    let none = script(world, "bin/no-dvc", "#!/bin/sh\necho called >&2\nexit 9\n");
    world.set("CAPTURE_HOOK_DVC", &none);
}

fn nothing_to_do(mut world: World) {
    world.git(["push", "-q", "origin", "main", "main:refs/heads/other"]).ok();
    without_dvc(&mut world);
    fs::remove_dir_all(world.path("dvc-remote")).unwrap();
    fs::remove_file(world.repo(".dvc/config.local")).unwrap();
    let quiet = |args: &[&str]| {
        let said = world.git(args).ok();
        assert!(!said.err.contains("called") && !said.err.contains("warning"), "{args:?} {}", said.err);
    };
    quiet(&["push", "-q", "--delete", "origin", "other"]);
    quiet(&["push", "-q", "origin", "main"]);
    fs::write(world.repo("readme.txt"), "b\n").unwrap();
    world.git(["commit", "-q", "-am", "words"]).ok();
    quiet(&["push", "-q", "origin", "main"]);
    quiet(&["push", "-q", "origin", "main:refs/heads/new"]);
    world.git(["tag", "plain"]).ok();
    quiet(&["push", "-q", "origin", "plain"]);
    let blob = world.git(["hash-object", "-w", "readme.txt"]).ok().out;
    world.git(["tag", "-a", "-m", "x", "of-a-blob", blob.trim()]).ok();
    quiet(&["push", "-q", "origin", "of-a-blob"]);
}

fn kinds(world: World) {
    world.git(["push", "-q", "--dry-run", "origin", "main"]).ok();
    assert!(has_data(&world, "main"));
    assert_eq!(world.git_in("origin.git", ["branch"]).ok().out, "");
    commit_run(&world, SECOND);
    world.git(["push", "-q", "origin", &format!("capture/{SECOND}")]).ok();
    assert!(has_data(&world, "main"));
    world.git(["checkout", "-q", "-b", "topic"]).ok();
    commit_run(&world, THIRD);
    world.git(["push", "-q", "-u", "origin", "topic"]).ok();
    assert!(has_data(&world, "topic"));
    world.git(["reset", "-q", "--hard", "main"]).ok();
    world.hook(["pull"]).ok();
    world.record_as("ok-pypi010", "demo/another");
    commit_run(&world, "demo/another");
    world.git(["push", "-q", "--force", "origin", "topic"]).ok();
    assert!(has_data(&world, "topic"));
}

fn addresses(world: World) {
    commit_run(&world, SECOND);
    world.git(["push", "-q", "../origin.git", "HEAD~1:refs/heads/main"]).ok();
    assert!(has_data(&world, "HEAD~1") && !has_data(&world, "HEAD"));
    world.git(["push", "-q", "--all", "origin"]).ok();
    assert!(has_data(&world, "HEAD"));
    commit_run(&world, THIRD);
    world.git(["push", "-q", "--mirror", "origin"]).ok();
    assert!(has_data(&world, "HEAD"));
}

fn strict(world: World) {
    commit_run(&world, SECOND);
    // An object of the first run's commit gets lost before anybody has it.
    fs::remove_dir_all(world.repo(".dvc/cache")).unwrap();
    let said = world.git(["push", "origin", "main"]).fails(1);
    assert!(said.err.contains("neither in this clone nor on the DVC remote"), "{}", said.err);
    assert!(said.err.contains(&id(&world, "HEAD")[..9]), "{}", said.err);
    assert_eq!(world.git_in("origin.git", ["branch"]).ok().out, "");
    world.git(["push", "-q", "--no-verify", "origin", "main"]).ok();
}

fn policies(world: World) {
    fs::remove_dir_all(world.repo(".dvc/cache")).unwrap();
    fs::write(world.repo("capture-hook.toml"), "[push]\npolicy = \"warn\"\n").unwrap();
    let said = world.git(["push", "origin", "main"]).ok();
    assert!(said.err.contains("warning: pre-push: data of"), "{}", said.err);
    fs::write(world.repo("capture-hook.toml"), "[push]\npolicy = \"off\"\n").unwrap();
    let said = world.git(["push", "-q", "origin", "main:refs/heads/other"]).ok();
    assert_eq!(said.err, "");
}

fn no_remote(world: World) {
    fs::remove_file(world.repo(".dvc/config.local")).unwrap();
    let said = world.git(["push", "origin", "main"]).fails(1);
    assert!(said.err.contains("no DVC remote") && said.err.contains("dvc remote add -d"), "{}", said.err);
}

fn refused(world: World) {
    script(&world, "origin.git/hooks/pre-receive", "#!/bin/sh\nexit 1\n");
    world.git(["push", "-q", "origin", "main"]).fails(1);
    assert!(has_data(&world, "main"));
    fs::remove_file(world.path("origin.git/hooks/pre-receive")).unwrap();
    world.git(["push", "-q", "origin", "main"]).ok();
}

fn chained(world: World) {
    world.hook(["uninstall"]).ok();
    script(&world, "repo/.git/hooks/pre-push", "#!/bin/sh\necho \"$@\" > args\ncat > lines\ntest ! -e refuse\n");
    world.hook(["install"]).ok();
    fs::write(world.repo("refuse"), "").unwrap();
    world.git(["push", "-q", "origin", "main"]).fails(1);
    assert!(!has_data(&world, "main"));
    fs::remove_file(world.repo("refuse")).unwrap();
    world.git(["push", "-q", "origin", "main"]).ok();
    assert!(has_data(&world, "main"));
    assert_eq!(fs::read_to_string(world.repo("args")).unwrap(), "origin ../origin.git\n");
    let lines = fs::read_to_string(world.repo("lines")).unwrap();
    assert_eq!(lines, format!("refs/heads/main {0} refs/heads/main {1}\n", id(&world, "main"), "0".repeat(40)));
    // One that does not read what git sends does not break ours.
    script(&world, "repo/.git/hooks/pre-push.capture-hook-chained", "#!/bin/sh\nexit 0\n");
    commit_run(&world, SECOND);
    world.git(["push", "-q", "origin", "main"]).ok();
    assert!(has_data(&world, "main"));
}

fn by_hand(world: World) {
    commit_run(&world, SECOND);
    commit_run(&world, THIRD);
    world.hook(["push", "HEAD~1"]).ok();
    assert!(has_data(&world, "HEAD~1") && !has_data(&world, "HEAD") && !has_data(&world, "HEAD~2"));
    world.hook(["push", "HEAD~3..HEAD~2"]).ok();
    assert!(has_data(&world, "HEAD~2") && !has_data(&world, "HEAD"));
    world.hook(["push"]).ok();
    assert!(has_data(&world, "HEAD"));
    let said = world.hook(["push"]).ok();
    assert!(said.err.contains("has everything"), "{}", said.err);
    world.hook(["push", "nothing"]).fails(3);
}

fn shallow(world: World) {
    commit_run(&world, SECOND);
    world.git(["push", "-q", "origin", "main"]).ok();
    let url = format!("file://{}", world.path("origin.git").display());
    world.git_in(".", ["clone", "-q", "--depth", "1", &url, "clone"]).ok();
    fs::copy(world.repo(".dvc/config.local"), world.path("clone/.dvc/config.local")).unwrap();
    world.hook_in("clone", ["install"]).ok();
    world.hook_in("clone", ["pull"]).ok();
    crate::world::copy_dir(&world.repo("results"), &world.path("clone/results"));
    crate::hooks::select_in(&world, "clone", THIRD);
    world.git_in("clone", ["commit", "-q", "-am", "x"]).ok();
    world.git_in("clone", ["push", "-q", "origin", "main"]).ok();
    world.git(["fetch", "-q"]).ok();
    assert!(has_data(&world, "origin/main"));
}

fn nested_and_atomic(world: World) {
    commit_run(&world, SECOND);
    world.git(["tag", "-a", "-m", "x", "outer", &format!("capture/{SECOND}")]).ok();
    world.git(["tag", "-a", "-m", "x", "outermost", "outer"]).ok();
    world.git(["push", "-q", "origin", "outermost"]).ok();
    assert!(has_data(&world, "main"));
    world.git(["push", "-q", "origin", "main"]).ok();
    world.git(["checkout", "-q", "-b", "topic"]).ok();
    commit_run(&world, THIRD);
    world.git(["checkout", "-q", "-b", "behind", "HEAD~2"]).ok();
    // One of two refs is refused: git pushes neither, and data that went early is no harm.
    world.git(["push", "-q", "--atomic", "origin", "topic", "behind:main"]).fails(1);
    assert!(!world.git_in("origin.git", ["branch"]).ok().out.contains("topic"));
    world.git(["push", "-q", "--atomic", "origin", "topic", "behind"]).ok();
    assert!(has_data(&world, "topic") && has_data(&world, "behind"));
}

fn unknown_remote_commit(world: World) {
    world.git(["push", "-q", "origin", "main"]).ok();
    world.git_in(".", ["clone", "-q", "origin.git", "other"]).ok();
    world.git_in("other", ["commit", "-q", "--allow-empty", "-m", "not ours"]).ok();
    world.git_in("other", ["push", "-q", "origin", "main"]).ok();
    commit_run(&world, SECOND);
    // Git sends the hook an id that no object here has.
    world.git(["push", "-q", "origin", "main"]).fails(1);
    world.git(["push", "-q", "--force", "origin", "main"]).ok();
    assert!(has_data(&world, "main"));
}

fn many_refs(world: World) {
    let head = id(&world, "HEAD");
    let refs: String = (0..3000).map(|n| format!("create refs/tags/t{n} {head}\n")).collect();
    fs::write(world.repo("refs"), refs).unwrap();
    world.run_in("repo", "/bin/sh", ["-c", "git update-ref --stdin < refs"]).ok();
    world.git(["push", "-q", "--tags", "origin"]).ok();
    assert!(has_data(&world, "main"));
}

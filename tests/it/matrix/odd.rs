//! Odd surroundings, odd names, odd settings: what most repositories never meet, and some do.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::{Case, FIRST, SECOND, THIRD, clean, commit_run, id, runs_at, runs_in, script, tags, trailer};
use crate::hooks::{select, select_in};
use crate::world::{World, copy_dir, tree};

pub const CASES: &[Case] = &[
    Case { line: "what we and pre-commit call starts none of ours: the two guards", run: guards },
    Case { line: "GIT_DIR alone, from another directory", run: bare_git_dir },
    Case { line: "a bare repository: commands say so, hooks keep quiet", run: bare },
    Case { line: "intent-to-add, a rename, one of letter case, a name that is not UTF-8", run: names },
    Case { line: "a run that holds a file whose name is not UTF-8", run: run_with_odd_name },
    Case { line: "stash, stash pop: the selection comes back, and its commit is right", run: stash },
    Case { line: "am of a capture commit: the workspace is told to follow, nothing is lost", run: am },
    Case { line: "the dataset is tracked by git as well: told, with what to do", run: tracked_twice },
    Case { line: "a dataset that moves to another directory takes its runs along, or the commit stops", run: moved },
    Case { line: "core.no_scm", run: no_scm },
    Case { line: "a remote of the output's own", run: output_remote },
    Case { line: "more to pull than there is room for: told before anything is fetched", run: no_room },
];

fn guards(mut world: World) {
    world.git(["branch", "old"]).ok();
    commit_run(&world, SECOND);
    for guard in ["CAPTURE_HOOK_ACTIVE", "_PRE_COMMIT_SKIP_POST_CHECKOUT"] {
        world.set(guard, "1");
        assert_eq!(world.git(["checkout", "-q", "old"]).ok().err, "");
        assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST], "{guard}");
        world.git(["checkout", "-q", "main"]).ok();
        world.unset(guard);
    }
    world.set("CAPTURE_HOOK_ACTIVE", "1");
    select(&world, THIRD);
    assert_eq!(world.git(["commit", "-q", "-am", "x"]).ok().err, "");
    assert_eq!((tags(&world).len(), trailer(&world, "HEAD", "Capture-Run").len()), (2, 0));
    world.unset("CAPTURE_HOOK_ACTIVE");
    fs::write(
        world.repo("params.yaml"),
        format!("{}# touched\n", fs::read_to_string(world.repo("params.yaml")).unwrap()),
    )
    .unwrap();
    world.git(["commit", "-q", "-am", "y"]).ok();
    clean(&world);
    // What DVC calls in its stage finds the guard.
    let seen = script(
        &world,
        "bin/dvc-that-looks",
        &format!(
            "#!/bin/sh\necho \"$CAPTURE_HOOK_ACTIVE\" >> ../seen\nexec '{}' \"$@\"\n",
            crate::tools::dvc_bin().join("dvc").display()
        ),
    );
    world.set("CAPTURE_HOOK_DVC", &seen);
    commit_run(&world, FIRST);
    assert!(fs::read_to_string(world.path("seen")).unwrap().lines().all(|line| !line.is_empty()));
}

fn bare_git_dir(mut world: World) {
    let elsewhere = world.path("elsewhere/deep");
    fs::create_dir_all(&elsewhere).unwrap();
    fs::write(elsewhere.join("mine.txt"), "x").unwrap();
    select(&world, SECOND);
    world.git(["add", "params.yaml"]).ok();
    world.set("GIT_DIR", world.repo(".git").to_str().unwrap());
    // Git takes the directory it is in for the top of the working tree; the data is where the project is.
    world.git_in("elsewhere/deep", ["commit", "-q", "-m", "x"]).ok();
    world.unset("GIT_DIR");
    clean(&world);
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST]);
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND]);
    assert_eq!(tree(&world.path("elsewhere")).into_keys().collect::<Vec<_>>(), ["deep/mine.txt"]);
    // With both variables, as keepers of dotfiles have them; and relative, from inside.
    world.set("GIT_DIR", "../repo/.git");
    world.set("GIT_WORK_TREE", "../repo");
    select(&world, THIRD);
    world.git_in("elsewhere", ["commit", "-q", "-am", "x"]).ok();
    world.git_in("elsewhere", ["checkout", "-q", "HEAD~1"]).ok();
    world.unset("GIT_WORK_TREE");
    world.set("GIT_DIR", ".git");
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    world.git(["checkout", "-q", "main"]).ok();
    world.unset("GIT_DIR");
    clean(&world);
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST, THIRD]);
}

fn bare(world: World) {
    for command in [&["status"][..], &["install"], &["pull"], &["hook", "pre-commit"]] {
        let said = world.hook_in("origin.git", command).fails(3);
        assert!(said.err.contains("no working tree") && !said.err.contains("panicked"), "{command:?} {}", said.err);
    }
    for event in ["post-checkout", "post-merge", "post-rewrite", "post-commit"] {
        world.hook_in("origin.git", ["hook", event]).ok();
    }
    // A working tree of a bare repository is one like any other.
    world.git(["push", "-q", "origin", "main"]).ok();
    world.git_in("origin.git", ["worktree", "add", "-q", "../tree", "main"]).ok();
    fs::copy(world.repo(".dvc/config.local"), world.path("tree/.dvc/config.local")).unwrap();
    world.hook_in("tree", ["install"]).ok();
    copy_dir(&world.repo("results"), &world.path("tree/results"));
    select_in(&world, "tree", SECOND);
    world.git_in("tree", ["commit", "-q", "-am", "x"]).ok();
    assert_eq!(world.git_in("tree", ["status", "--porcelain"]).ok().out, "");
    assert_eq!(runs_in(&world, "tree"), [SECOND, FIRST]);
}

fn names(world: World) {
    let odd = OsStr::from_bytes(b"caf\xe9 \"x\"\n.txt");
    fs::write(world.repo(odd), "x").unwrap();
    world.git([OsStr::new("add"), odd]).ok();
    fs::write(world.repo("later.txt"), "x").unwrap();
    world.git(["add", "-N", "later.txt"]).ok();
    world.git(["mv", "readme.txt", "README.txt"]).ok();
    select(&world, SECOND);
    world.git(["add", "params.yaml"]).ok();
    world.git(["commit", "-q", "-m", "x"]).ok();
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, " A later.txt\n");
    let files = world.git(["show", "--format=", "--name-status", "-z", "-M"]).ok().out;
    assert!(files.contains("R100\0readme.txt\0README.txt") && files.contains("dvc.lock"), "{files:?}");
    // With paths: what was only announced stays so, in the index that git makes for the purpose too.
    select(&world, THIRD);
    world
        .git([
            OsStr::new("commit"),
            OsStr::new("-qm"),
            OsStr::new("y"),
            OsStr::new("--"),
            OsStr::new("params.yaml"),
            odd,
        ])
        .ok();
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, " A later.txt\n");
    world.git(["commit", "-q", "-am", "z"]).ok();
    clean(&world);
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST, THIRD]);
    world.git(["-c", "core.ignoreCase=true", "mv", "README.txt", "Readme.txt"]).ok();
    world.git(["-c", "core.ignoreCase=true", "commit", "-q", "-m", "case"]).ok();
    // The params file itself, away and back.
    world.git(["mv", "params.yaml", "Params.yaml"]).ok();
    let said = world.git(["commit", "-q", "-m", "away"]);
    assert!(!said.err.contains("panicked"), "{}", said.err);
}

fn run_with_odd_name(world: World) {
    fs::write(world.repo("results").join(SECOND).join(OsStr::from_bytes(b"caf\xe9.txt")), "x").unwrap();
    select(&world, SECOND);
    // No recorder writes such a file: it is told, and left out, as every file that no recorder writes.
    let said = world.hook(["validate", SECOND]).ok();
    assert!(said.all().contains("caf\u{fffd}.txt"), "{}", said.all());
    world.git(["commit", "-q", "-am", "x"]).ok();
    clean(&world);
    assert!(!tree(&world.repo("data/captures")).keys().any(|name| name.contains("caf")));
}

fn stash(world: World) {
    commit_run(&world, SECOND);
    select(&world, THIRD);
    world.hook(["ingest"]).ok();
    world.git(["stash", "-q"]).ok();
    fs::write(world.repo("readme.txt"), "b\n").unwrap();
    world.git(["commit", "-q", "-am", "words"]).ok();
    world.git(["stash", "pop", "-q"]).ok();
    world.git(["commit", "-q", "-am", "x"]).ok();
    clean(&world);
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST, THIRD]);
    // A lock that was stashed with its selection, popped on top of another run's commit, conflicts; nothing is lost.
    world.git(["checkout", "-q", "-b", "topic", "HEAD~2"]).ok();
    select(&world, THIRD);
    world.dvc(["repro", "-q", "-s", "capture_ingest"]).ok();
    world.git(["stash", "-q"]).ok();
    world.git(["checkout", "-q", "main"]).ok();
    world.git(["stash", "pop", "-q"]);
    world.git(["checkout", "-q", "-f", "HEAD", "--", "."]).ok();
    world.hook(["pull"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST, THIRD]);
}

fn am(world: World) {
    world.git(["checkout", "-q", "-b", "topic"]).ok();
    commit_run(&world, SECOND);
    let patch = world.git(["format-patch", "-1", "--stdout"]).ok().out;
    fs::write(world.repo(".git/patch"), patch).unwrap();
    world.git(["checkout", "-q", "main"]).ok();
    assert_eq!(runs_in(&world, "repo"), [FIRST]);
    world.git(["am", "-q", ".git/patch"]).ok();
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST]);
    // Git calls no hook that could follow; the next look says so, and the next commit is right.
    let said = world.hook(["status"]);
    assert!(said.all().contains("capture-hook pull"), "{}", said.all());
    commit_run(&world, THIRD);
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST, THIRD]);
    clean(&world);
}

fn tracked_twice(world: World) {
    world.git(["add", "-f", &format!("data/captures/{FIRST}/run.json")]).ok();
    world.git(["commit", "-q", "-m", "by mistake"]).ok();
    for engine in ["dvc", "native"] {
        fs::write(world.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        select(&world, SECOND);
        let before = (id(&world, "HEAD"), tree(&world.repo("data")));
        let said = world.git(["commit", "-am", "x"]).fails(1);
        assert!(said.err.contains("data/captures is tracked by git too"), "{engine} {}", said.err);
        assert!(said.err.contains("git rm -r --cached"), "{engine} {}", said.err);
        assert!(before == (id(&world, "HEAD"), tree(&world.repo("data"))));
    }
    fs::remove_file(world.repo("capture-hook.toml")).unwrap();
    let said = world.hook(["init"]);
    assert!(said.err.contains("is tracked by git too"), "{}", said.err);
    world.git(["rm", "-rq", "--cached", "data/captures"]).ok();
    world.git(["commit", "-q", "-am", "x"]).ok();
    clean(&world);
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST]);
}

fn moved(world: World) {
    commit_run(&world, SECOND);
    let path = world.repo("params.yaml");
    select(&world, THIRD);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("out_dir: data/captures", "out_dir: data/runs")).unwrap();
    let head = id(&world, "HEAD");
    let said = world.git(["commit", "-am", "x"]).fails(1);
    assert!(said.err.contains("data/captures") && said.err.contains("mv data/captures data/runs"), "{}", said.err);
    assert_eq!(id(&world, "HEAD"), head);
    fs::rename(world.repo("data/captures"), world.repo("data/runs")).unwrap();
    world.git(["commit", "-q", "-am", "x"]).ok();
    assert!(world.dvc(["status"]).ok().out.contains("up to date"));
    let moved = tree(&world.repo("data/runs"));
    for key in [FIRST, SECOND, THIRD] {
        assert!(moved.contains_key(&format!("{key}/run.json")), "{key}");
    }
}

fn no_scm(world: World) {
    let local = world.repo(".dvc/config.local");
    let text = fs::read_to_string(&local).unwrap();
    fs::write(&local, text.replace("[core]\n", "[core]\n    no_scm = true\n")).unwrap();
    commit_run(&world, SECOND);
    world.git(["push", "-q", "origin", "main"]).ok();
    world.git(["checkout", "-q", "HEAD~1"]).ok();
    fs::remove_dir_all(world.repo(".dvc/cache")).unwrap();
    world.git(["checkout", "-q", "main"]).ok();
    clean(&world);
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    assert_eq!(tags(&world).len(), 2);
}

fn output_remote(world: World) {
    let special = world.path("special");
    fs::create_dir_all(&special).unwrap();
    world.dvc(["remote", "add", "--local", "-q", "special", special.to_str().unwrap()]).ok();
    let path = world.repo("dvc.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let at = text.lines().position(|line| line.trim() == "persist: true").unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let line = lines[at].replace("persist: true", "remote: special");
    lines.insert(at, &line);
    fs::write(&path, format!("{}\n", lines.join("\n"))).unwrap();
    commit_run(&world, SECOND);
    clean(&world);
    world.git(["push", "-q", "origin", "main"]).ok();
    assert!(!tree(&world.path("special")).is_empty());
    let status = world.dvc(["status", "-c"]).ok().out;
    assert!(status.contains("in sync"), "{status}");
    world.git(["checkout", "-q", "HEAD~1"]).ok();
    fs::remove_dir_all(world.repo(".dvc/cache")).unwrap();
    world.git(["checkout", "-q", "main"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    clean(&world);
}

fn no_room(world: World) {
    world.git(["branch", "old"]).ok();
    commit_run(&world, SECOND);
    world.hook(["push", "main", "old"]).ok();
    world.git(["checkout", "-q", "old"]).ok();
    fs::remove_dir_all(world.repo(".dvc/cache")).unwrap();
    // One file of the second run says that it is larger than any disk; it takes no room itself.
    let meta = world.repo("results").join(SECOND).join("run.json");
    let md5 = world.run_in(".", "md5sum", [meta.to_str().unwrap()]).ok().out[..32].to_owned();
    let object = world.path("dvc-remote/files/md5").join(&md5[..2]).join(&md5[2..]);
    let bytes = fs::read(&object).unwrap();
    fs::remove_file(&object).unwrap();
    fs::File::create(&object).unwrap().set_len(1 << 43).unwrap();
    world.git(["checkout", "-q", "main"]).ok();
    for args in [&["pull"][..], &["pull", SECOND], &["get", SECOND, "-o", "out"]] {
        let said = world.hook(args);
        assert!(said.code != 0 && said.err.contains("8192.0 GiB to fetch"), "{args:?} {}", said.all());
        assert!(said.err.contains("are free"), "{args:?} {}", said.all());
    }
    assert_eq!(runs_in(&world, "repo"), [FIRST]);
    fs::write(&object, bytes).unwrap();
    world.hook(["pull"]).ok();
    clean(&world);
}

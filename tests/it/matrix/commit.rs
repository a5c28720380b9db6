//! Every way to commit.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use super::{Case, FIRST, SECOND, THIRD, clean, commit_run, id, runs_at, script, tags, trailer};
use crate::hooks::select;
use crate::world::{VIEWS, World, tree};

pub const CASES: &[Case] = &[
    Case { line: "commit of a staged selection", run: staged },
    Case { line: "commit -p: only the staged part of params.yaml counts", run: patch },
    Case { line: "commit -o / with paths: the real index is right afterwards", run: paths },
    Case { line: "commit --amend, with and without a message: trailers once, the tag follows", run: amend },
    Case { line: "commit --no-verify: no false trailer or tag, and the next commit mends it", run: no_verify },
    Case { line: "the root commit", run: root },
    Case { line: "from a subdirectory, in a path with blanks and quotes", run: odd_path },
    Case { line: "a selection in the working tree that is not the staged one stops it", run: differs },
    Case { line: "conflict markers in params.yaml and dvc.lock are named with their line", run: markers },
    Case { line: "an editor that is left without a word aborts the commit", run: empty_message },
    Case { line: "trailers go behind a sign-off and above comments and scissors", run: template },
    Case { line: "commit -C, -c, -F, -t: true trailers whatever message was taken over", run: taken_over },
    Case { line: "a lock staged by hand needs no second run of DVC", run: by_hand },
    Case { line: "GIT_INDEX_FILE: another index", run: other_index },
    Case { line: "dropping the placeholder's stage or nothing selected: nothing to do", run: nothing_selected },
    Case { line: "core.autostage on, under commit -a", run: autostage },
    Case { line: "an empty commit, and one before DVC was set up", run: empty },
    Case { line: "changes of other stages in dvc.lock are not swept in", run: other_stages },
];

/// With each type of links to DVC's cache.
pub const DATA: &[Case] = &[
    Case { line: "commit -a", run: all },
    Case { line: "commit --amend to another run keeps the one that was there", run: amend_other },
    Case { line: "a commit that concludes a merge with conflicts", run: merge_conflict },
    Case { line: "a run committed again with other data gets @v2", run: again },
];

fn staged(world: World) {
    select(&world, SECOND);
    world.git(["add", "params.yaml"]).ok();
    world.git(["commit", "-q", "-m", "x"]).ok();
    clean(&world);
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST]);
    assert_eq!(tags(&world), [format!("capture/{SECOND}"), format!("capture/{FIRST}")]);
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND]);
}

fn all(world: World) {
    fs::write(world.repo("readme.txt"), "b\n").unwrap();
    commit_run(&world, SECOND);
    clean(&world);
    let files = world.git(["show", "--format=", "--name-only"]).ok().out;
    assert_eq!(files, format!("dvc.lock\n{VIEWS}params.yaml\nreadme.txt\n"));
}

fn patch(world: World) {
    let path = world.repo("params.yaml");
    let text = fs::read_to_string(&path).unwrap();
    // Far enough apart for two hunks.
    fs::write(&path, format!("{text}{}lr: 1\n", "# -\n".repeat(12))).unwrap();
    world.git(["commit", "-q", "-am", "more parameters"]).ok();
    select(&world, SECOND);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("lr: 1", "lr: 2")).unwrap();
    let mut command = world.command("/usr/bin/env", "repo");
    let mut child = command
        .args(["git", "commit", "-q", "-p", "-m", "x"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"y\nn\n").unwrap();
    assert!(child.wait().unwrap().success());
    let committed = world.git(["show", "HEAD:params.yaml"]).ok().out;
    assert!(committed.contains(SECOND) && committed.contains("lr: 1"), "{committed}");
    assert!(fs::read_to_string(&path).unwrap().contains("lr: 2"));
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, " M params.yaml\n");
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST]);
}

fn paths(world: World) {
    for options in [&["-o", "params.yaml"][..], &["--", "params.yaml"]] {
        fs::write(world.repo("readme.txt"), options.concat()).unwrap();
        world.git(["add", "readme.txt"]).ok();
        let key = if options[0] == "-o" { SECOND } else { THIRD };
        select(&world, key);
        world.git(["commit", "-q", "-m", "x"].iter().chain(options)).ok();
        // What else was staged is staged still; nothing is half undone.
        assert_eq!(world.git(["status", "--porcelain"]).ok().out, "M  readme.txt\n");
        assert!(runs_at(&world, "HEAD").contains(&key.to_owned()));
        assert_eq!(world.git(["show", "--format=", "--name-only"]).ok().out, format!("dvc.lock\n{VIEWS}params.yaml\n"));
    }
    world.git(["commit", "-q", "-m", "y"]).ok();
    clean(&world);
}

fn amend(world: World) {
    let ways = [&["--no-edit"][..], &["-m", "new words"], &["-F", "readme.txt"], &["-C", "HEAD"]];
    for (number, args) in ways.iter().enumerate() {
        let before = id(&world, "HEAD");
        world
            .git(
                ["commit", "-q", "--amend", "--date", &format!("2026-01-01T00:00:{number:02}")]
                    .iter()
                    .copied()
                    .chain(args.iter().copied()),
            )
            .ok();
        assert_ne!(id(&world, "HEAD"), before, "{args:?}");
        for key in ["Capture-Run", "Capture-Config", "Capture-Data", "Capture-Manifest"] {
            assert_eq!(trailer(&world, "HEAD", key).len(), 1, "{args:?} {key}");
        }
        assert_eq!(id(&world, &format!("capture/{FIRST}")), id(&world, "HEAD"), "{args:?}");
        assert_eq!(tags(&world).len(), 1);
    }
    // A later commit that brings nothing is not taken for an amended one.
    fs::write(world.repo("readme.txt"), "b\n").unwrap();
    world.git(["commit", "-q", "-am", "words"]).ok();
    assert!(trailer(&world, "HEAD", "Capture-Run").is_empty());
}

fn amend_other(world: World) {
    select(&world, SECOND);
    world.git(["commit", "-q", "-a", "--amend", "--no-edit"]).ok();
    clean(&world);
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST]);
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND, FIRST]);
    for key in [FIRST, SECOND] {
        assert_eq!(id(&world, &format!("capture/{key}")), id(&world, "HEAD"));
    }
}

fn no_verify(world: World) {
    select(&world, SECOND);
    world.git(["commit", "-q", "--no-verify", "-am", "x"]).ok();
    assert!(trailer(&world, "HEAD", "Capture-Run").is_empty());
    assert_eq!(tags(&world).len(), 1);
    fs::write(
        world.repo("params.yaml"),
        format!("{}# touched\n", fs::read_to_string(world.repo("params.yaml")).unwrap()),
    )
    .unwrap();
    world.git(["commit", "-q", "-am", "y"]).ok();
    clean(&world);
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND]);
}

fn root(world: World) {
    fs::remove_dir_all(world.repo(".git")).unwrap();
    fs::remove_file(world.repo("dvc.lock")).unwrap();
    fs::remove_dir_all(world.repo("data")).unwrap();
    world.git(["init", "-q"]).ok();
    world.hook(["init"]).ok();
    world.git(["add", "-A"]).ok();
    world.git(["commit", "-q", "-m", "All at once"]).ok();
    clean(&world);
    assert_eq!(runs_at(&world, "HEAD"), [FIRST]);
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [FIRST]);
    assert_eq!(tags(&world), [format!("capture/{FIRST}")]);
}

fn merge_conflict(world: World) {
    world.git(["checkout", "-q", "-b", "topic", "HEAD"]).ok();
    fs::write(world.repo("readme.txt"), "topic\n").unwrap();
    commit_run(&world, SECOND);
    world.git(["checkout", "-q", "main"]).ok();
    fs::write(world.repo("readme.txt"), "main\n").unwrap();
    commit_run(&world, THIRD);
    world.git(["merge", "-q", "topic"]).fails(1);
    assert_eq!(world.git(["diff", "--name-only", "--diff-filter=U"]).ok().out, "readme.txt\n");
    fs::write(world.repo("readme.txt"), "both\n").unwrap();
    world.git(["commit", "-q", "-am", "merged"]).ok();
    clean(&world);
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST, THIRD]);
    assert!(trailer(&world, "HEAD", "Capture-Run").is_empty());
    assert_eq!(super::runs_in(&world, "repo"), [SECOND, FIRST, THIRD]);
}

fn odd_path(world: World) {
    let odd = "it's a \"repo\" $(touch x)";
    fs::rename(world.repo(""), world.path(odd)).unwrap();
    fs::create_dir_all(world.path(odd).join("sub dir")).unwrap();
    crate::hooks::select_in(&world, odd, SECOND);
    let sub = format!("{odd}/sub dir");
    world.git_in(&sub, ["commit", "-q", "-am", "x"]).ok();
    assert_eq!(world.git_in(odd, ["status", "--porcelain"]).ok().out, "");
    assert!(world.git_in(odd, ["tag"]).ok().out.contains(SECOND));
    assert!(!world.path(odd).join("x").exists());
}

fn differs(world: World) {
    select(&world, SECOND);
    world.git(["add", "params.yaml"]).ok();
    select(&world, THIRD);
    let before = (id(&world, "HEAD"), tree(&world.repo("data")));
    let said = world.git(["commit", "-m", "x"]).fails(1);
    assert!(said.err.contains("git add params.yaml") && said.err.contains("git restore params.yaml"), "{}", said.err);
    assert!(before == (id(&world, "HEAD"), tree(&world.repo("data"))));
    world.git(["restore", "params.yaml"]).ok();
    world.git(["commit", "-q", "-m", "x"]).ok();
    clean(&world);
}

fn markers(world: World) {
    for (file, code) in [("params.yaml", "params.yaml:"), ("dvc.lock", "dvc.lock:")] {
        let path = world.repo(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> topic\n")).unwrap();
        let said = world.git(["commit", "-am", "x"]).fails(1);
        let line = text.lines().count() + 1;
        assert!(said.err.contains(&format!("{code}{line}: a merge conflict")), "{}", said.err);
        fs::write(&path, text).unwrap();
        world.git(["add", file]).ok();
    }
}

fn empty_message(mut world: World) {
    select(&world, SECOND);
    world.set("GIT_EDITOR", "true");
    let said = world.git(["commit", "-a"]).fails(1);
    assert!(said.err.contains("empty commit message"), "{}", said.err);
    let editor =
        script(&world, "bin/editor", "#!/bin/sh\nprintf 'words' | cat - \"$1\" > \"$1.new\" && mv \"$1.new\" \"$1\"\n");
    world.set("GIT_EDITOR", &editor);
    world.git(["commit", "-q", "-a"]).ok();
    assert_eq!(world.git(["log", "-1", "--format=%s"]).ok().out, "words\n");
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND]);
}

fn template(mut world: World) {
    select(&world, SECOND);
    let editor = script(&world, "bin/editor", "#!/bin/sh\ncp \"$1\" \"$1.seen\"\n");
    world.set("GIT_EDITOR", &editor);
    world.git(["commit", "-q", "-a", "-v", "-s", "-e", "-m", "words"]).ok();
    let seen = fs::read_to_string(world.repo(".git/COMMIT_EDITMSG.seen")).unwrap();
    let at = |what: &str| seen.find(what).unwrap_or_else(|| panic!("{what} not in {seen}"));
    assert!(at("Signed-off-by") < at("Capture-Run") && at("Capture-Manifest") < at("# Please"), "{seen}");
    assert!(at("Capture-Manifest") < at(">8"));
    let body = world.git(["log", "-1", "--format=%B"]).ok().out;
    assert!(body.contains("Ada <ada@example.org>\nCapture-Run: "), "{body}");
}

fn taken_over(world: World) {
    fs::write(world.repo("readme.txt"), "b\n").unwrap();
    world.git(["commit", "-q", "-a", "-C", "HEAD"]).ok();
    assert!(trailer(&world, "HEAD", "Capture-Run").is_empty());
    fs::write(world.repo("template"), "words\n\nCapture-Run: nav/other\nCapture-Data: md5:d41d8cd98f00b204e9800998ecf8427e.dir\nReviewed-by: B <b@example.org>\n").unwrap();
    select(&world, SECOND);
    world.git(["commit", "-q", "-a", "-F", "template"]).ok();
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND]);
    assert_eq!(trailer(&world, "HEAD", "Capture-Data").len(), 1);
    assert_eq!(trailer(&world, "HEAD", "Reviewed-by").len(), 1);
}

fn by_hand(mut world: World) {
    select(&world, SECOND);
    world.dvc(["repro", "-q", "-s", "capture_ingest"]).ok();
    let none = script(&world, "bin/no-dvc", "#!/bin/sh\nexit 9\n");
    world.set("CAPTURE_HOOK_DVC", &none);
    world.git(["commit", "-q", "-am", "x"]).ok();
    world.unset("CAPTURE_HOOK_DVC");
    clean(&world);
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND]);
}

fn other_index(mut world: World) {
    let index = world.path("other.index");
    fs::copy(world.repo(".git/index"), &index).unwrap();
    select(&world, SECOND);
    world.set("GIT_INDEX_FILE", index.to_str().unwrap());
    world.git(["add", "params.yaml"]).ok();
    world.git(["commit", "-q", "-m", "x"]).ok();
    assert_eq!(world.git(["show", "--format=", "--name-only"]).ok().out, format!("dvc.lock\n{VIEWS}params.yaml\n"));
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
}

fn nothing_selected(world: World) {
    let path = world.repo("params.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(&format!("results/{FIRST}"), "results/<experiment>/<run_id>")).unwrap();
    world.git(["commit", "-q", "-am", "nothing selected"]).ok();
    assert!(trailer(&world, "HEAD", "Capture-Run").is_empty());
    assert_eq!(tags(&world).len(), 1);
}

fn autostage(world: World) {
    world.dvc(["config", "core.autostage", "true"]).ok();
    world.git(["commit", "-q", "-am", "autostage"]).ok();
    let local = fs::read(world.repo(".dvc/config.local")).unwrap();
    commit_run(&world, SECOND);
    clean(&world);
    assert_eq!(fs::read(world.repo(".dvc/config.local")).unwrap(), local);
}

fn empty(world: World) {
    world.git(["commit", "-q", "--allow-empty", "-m", "x"]).ok();
    assert!(trailer(&world, "HEAD", "Capture-Run").is_empty());
    world.git_in(".", ["init", "-q", "other"]).ok();
    world.hook_in("other", ["install"]).ok();
    let said = world.git_in("other", ["commit", "--allow-empty", "-m", "x"]).ok();
    assert_eq!(said.err, "");
}

fn other_stages(world: World) {
    let path = world.repo("dvc.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let other = "stages:\n  other:\n    cmd: echo 1 > other.txt\n    outs:\n    - other.txt\n";
    fs::write(&path, text.replace("stages:\n", other)).unwrap();
    world.dvc(["repro", "-q", "-s", "other"]).ok();
    world.git(["add", "dvc.yaml", ".gitignore"]).ok();
    select(&world, SECOND);
    let said = world.git(["commit", "-m", "x", "--", "params.yaml"]).fails(1);
    assert!(said.err.contains("git add dvc.lock"), "{}", said.err);
    world.git(["commit", "-q", "-am", "x"]).ok();
    clean(&world);
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST]);
}

fn again(world: World) {
    // The same run, recorded anew with another episode's worth of bytes.
    let run = world.repo("results").join(FIRST);
    let meta = fs::read_to_string(run.join("run.json")).unwrap();
    fs::write(run.join("run.json"), format!("{meta}\n")).unwrap();
    world.dvc(["repro", "-q", "-f", "-s", "capture_ingest"]).ok();
    world.git(["commit", "-q", "-am", "again"]).ok();
    assert_eq!(tags(&world), [format!("capture/{FIRST}"), format!("capture/{FIRST}@v2")]);
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [FIRST]);
}

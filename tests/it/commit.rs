//! Every kind of commit: what it holds, names and tags, and what it leaves as it was.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, THIRD, TestEnv, VIEWS, each_cache_type, tree};

/// C1: `git commit` of a staged selection ingests the run, names it in the trailers and tags it.
#[test]
fn a_staged_selection_is_ingested_and_tagged() {
    TestEnv::committed().case(|env| {
        env.select(SECOND);
        env.git(["add", "params.yaml"]).ok();
        env.git(["commit", "-q", "-m", "x"]).ok();
        env.assert_committed();
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST]);
        assert_eq!(env.tags(), [format!("capture/{SECOND}"), format!("capture/{FIRST}")]);
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
    });
}

/// `git commit -a` holds the run and whatever else has changed.
#[test]
fn commit_all_holds_the_run_and_the_rest() {
    each_cache_type(TestEnv::committed_with, |env| {
        fs::write(env.repo("readme.txt"), "b\n").unwrap();
        env.commit_run(SECOND);
        env.assert_committed();
        let files = env.git(["show", "--format=", "--name-only"]).ok().stdout;
        assert_eq!(files, format!("dvc.lock\n{VIEWS}params.yaml\nreadme.txt\n"));
    });
}

/// C3: `git commit -p` takes the staged part of params.yaml, and leaves the rest as it was.
#[test]
fn commit_patch_counts_the_staged_part_alone() {
    TestEnv::committed().case(|env| {
        let path = env.repo("params.yaml");
        let text = fs::read_to_string(&path).unwrap();
        // Far enough apart for two hunks.
        fs::write(&path, format!("{text}{}lr: 1\n", "# -\n".repeat(12))).unwrap();
        env.git(["commit", "-q", "-am", "more parameters"]).ok();
        env.select(SECOND);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("lr: 1", "lr: 2")).unwrap();
        let mut command = env.command("/usr/bin/env", "repo");
        let mut child = command
            .args(["git", "commit", "-q", "-p", "-m", "x"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"y\nn\n").unwrap();
        assert!(child.wait().unwrap().success());
        let committed = env.git(["show", "HEAD:params.yaml"]).ok().stdout;
        assert!(committed.contains(SECOND) && committed.contains("lr: 1"), "{committed}");
        assert!(fs::read_to_string(&path).unwrap().contains("lr: 2"));
        assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, " M params.yaml\n");
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST]);
    });
}

/// E2, C2: `git commit -o PATHS` leaves the real index right, with what else was staged.
#[test]
fn commit_only_keeps_the_rest_staged() {
    TestEnv::committed().case(|env| {
        for options in [&["-o", "params.yaml"][..], &["--", "params.yaml"]] {
            fs::write(env.repo("readme.txt"), options.concat()).unwrap();
            env.git(["add", "readme.txt"]).ok();
            let key = if options[0] == "-o" { SECOND } else { THIRD };
            env.select(key);
            env.git(["commit", "-q", "-m", "x"].iter().chain(options)).ok();
            // What else was staged is staged still; nothing is half undone.
            assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "M  readme.txt\n");
            assert!(env.runs_at("HEAD").contains(&key.to_owned()));
            assert_eq!(
                env.git(["show", "--format=", "--name-only"]).ok().stdout,
                format!("dvc.lock\n{VIEWS}params.yaml\n")
            );
        }
        env.git(["commit", "-q", "-m", "y"]).ok();
        env.assert_committed();
    });
}

/// C4, M7: `git commit --amend`, with and without a message, writes the trailers once and moves the tag along.
#[test]
fn amend_writes_trailers_once() {
    TestEnv::committed().case(|env| {
        let options = [&["--no-edit"][..], &["-m", "new words"], &["-F", "readme.txt"], &["-C", "HEAD"]];
        for (number, args) in options.iter().enumerate() {
            let before = env.id("HEAD");
            env.git(
                ["commit", "-q", "--amend", "--date", &format!("2026-01-01T00:00:{number:02}")]
                    .iter()
                    .copied()
                    .chain(args.iter().copied()),
            )
            .ok();
            assert_ne!(env.id("HEAD"), before, "{args:?}");
            for key in ["Capture-Run", "Capture-Config", "Capture-Data", "Capture-Manifest"] {
                assert_eq!(env.trailer("HEAD", key).len(), 1, "{args:?} {key}");
            }
            assert_eq!(env.id(&format!("capture/{FIRST}")), env.id("HEAD"), "{args:?}");
            assert_eq!(env.tags().len(), 1);
        }
        // A later commit without a run is not taken for an amended one.
        fs::write(env.repo("readme.txt"), "b\n").unwrap();
        env.git(["commit", "-q", "-am", "words"]).ok();
        assert!(env.trailer("HEAD", "Capture-Run").is_empty());
    });
}

/// `git commit --amend` to another run keeps the one that was there.
#[test]
fn amend_to_another_run_keeps_the_first() {
    each_cache_type(TestEnv::committed_with, |env| {
        env.select(SECOND);
        env.git(["commit", "-q", "-a", "--amend", "--no-edit"]).ok();
        env.assert_committed();
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST]);
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND, FIRST]);
        for key in [FIRST, SECOND] {
            assert_eq!(env.id(&format!("capture/{key}")), env.id("HEAD"));
        }
    });
}

/// C5: `git commit --no-verify` writes no false trailer or tag, and the next commit ingests the run.
#[test]
fn no_verify_writes_no_false_trailer() {
    TestEnv::committed().case(|env| {
        env.select(SECOND);
        env.git(["commit", "-q", "--no-verify", "-am", "x"]).ok();
        assert!(env.trailer("HEAD", "Capture-Run").is_empty());
        assert_eq!(env.tags().len(), 1);
        fs::write(
            env.repo("params.yaml"),
            format!("{}# touched\n", fs::read_to_string(env.repo("params.yaml")).unwrap()),
        )
        .unwrap();
        env.git(["commit", "-q", "-am", "y"]).ok();
        env.assert_committed();
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
    });
}

/// C6: The root commit can hold a run.
#[test]
fn a_root_commit_can_hold_a_run() {
    TestEnv::committed().case(|env| {
        fs::remove_dir_all(env.repo(".git")).unwrap();
        fs::remove_file(env.repo("dvc.lock")).unwrap();
        fs::remove_dir_all(env.repo("data")).unwrap();
        env.git(["init", "-q"]).ok();
        env.hook(["init"]).ok();
        env.git(["add", "-A"]).ok();
        env.git(["commit", "-q", "-m", "All at once"]).ok();
        env.assert_committed();
        assert_eq!(env.runs_at("HEAD"), [FIRST]);
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [FIRST]);
        assert_eq!(env.tags(), [format!("capture/{FIRST}")]);
    });
}

/// A commit that concludes a merge with conflicts holds the runs of both sides.
#[test]
fn a_commit_after_conflicts_holds_both_runs() {
    each_cache_type(TestEnv::committed_with, |env| {
        env.git(["checkout", "-q", "-b", "topic", "HEAD"]).ok();
        fs::write(env.repo("readme.txt"), "topic\n").unwrap();
        env.commit_run(SECOND);
        env.git(["checkout", "-q", "main"]).ok();
        fs::write(env.repo("readme.txt"), "main\n").unwrap();
        env.commit_run(THIRD);
        env.git(["merge", "-q", "topic"]).fails(1);
        assert_eq!(env.git(["diff", "--name-only", "--diff-filter=U"]).ok().stdout, "readme.txt\n");
        fs::write(env.repo("readme.txt"), "both\n").unwrap();
        env.git(["commit", "-q", "-am", "merged"]).ok();
        env.assert_committed();
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST, THIRD]);
        assert!(env.trailer("HEAD", "Capture-Run").is_empty());
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD]);
    });
}

/// E3, C7: A commit from a subdirectory, in a path with blanks, quotes and shell code.
#[test]
fn commit_works_in_a_path_with_blanks_and_quotes() {
    TestEnv::committed().case(|env| {
        let odd = "it's a \"repo\" $(touch x)";
        fs::rename(env.repo(""), env.path(odd)).unwrap();
        fs::create_dir_all(env.path(odd).join("sub dir")).unwrap();
        env.select_in(odd, SECOND);
        let sub = format!("{odd}/sub dir");
        env.git_in(&sub, ["commit", "-q", "-am", "x"]).ok();
        assert_eq!(env.git_in(odd, ["status", "--porcelain"]).ok().stdout, "");
        assert!(env.git_in(odd, ["tag"]).ok().stdout.contains(SECOND));
        assert!(!env.path(odd).join("x").exists());
    });
}

/// C1: A selection in the working tree that differs from the staged one stops the commit.
#[test]
fn an_unstaged_selection_stops_the_commit() {
    TestEnv::committed().case(|env| {
        env.select(SECOND);
        env.git(["add", "params.yaml"]).ok();
        env.select(THIRD);
        let before = (env.id("HEAD"), tree(&env.repo("data")));
        let output = env.git(["commit", "-m", "x"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        error: params.yaml selects results/sweep/run-20260106-041 in the working tree, but results/demo/run-20260105-041 in the index
        hint: to commit the working tree's selection: `git add params.yaml`
        hint: to commit the staged one: `git restore params.yaml`
        ");
        assert!(before == (env.id("HEAD"), tree(&env.repo("data"))));
        env.git(["restore", "params.yaml"]).ok();
        env.git(["commit", "-q", "-m", "x"]).ok();
        env.assert_committed();
    });
}

/// M3: Conflict markers in params.yaml and dvc.lock stop the commit, and are named with their line.
#[test]
fn conflict_markers_are_named_with_their_line() {
    TestEnv::committed().case(|env| {
        let mut refusals = Vec::new();
        for file in ["params.yaml", "dvc.lock"] {
            let path = env.repo(file);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, format!("{text}<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> topic\n")).unwrap();
            refusals.push(env.screen(&env.git(["commit", "-am", "x"]).fails(1)));
            fs::write(&path, text).unwrap();
            env.git(["add", file]).ok();
        }
        assert_snapshot!(refusals.join("\n\n"), @"
        error: params.yaml:7: unresolved merge conflict
        hint: resolve it, then `git add params.yaml`

        error: dvc.lock:15: unresolved merge conflict
        hint: if both sides changed a run: `capture-hook resolve RUN --ours` (or `--theirs`, `--both`)
        hint: otherwise edit it, then `git add dvc.lock`
        ");
    });
}

/// An editor that is left without a word aborts the commit; one with words gets the trailers.
#[test]
fn an_empty_message_aborts_the_commit() {
    TestEnv::committed().case(|env| {
        env.select(SECOND);
        env.set("GIT_EDITOR", "true");
        let output = env.git(["commit", "-a"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        dvc repro -s capture_ingest
        demo/run-20260105-041 is in data/captures, version [md5].dir
        Aborting commit due to empty commit message.
        ");
        let editor =
            env.script("bin/editor", "#!/bin/sh\nprintf 'words' | cat - \"$1\" > \"$1.new\" && mv \"$1.new\" \"$1\"\n");
        env.set("GIT_EDITOR", &editor);
        env.git(["commit", "-q", "-a"]).ok();
        assert_eq!(env.git(["log", "-1", "--format=%s"]).ok().stdout, "words\n");
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
    });
}

/// Trailers stand behind a sign-off, and above the comments and scissors of the editor.
#[test]
fn trailers_stand_behind_a_sign_off() {
    TestEnv::committed().case(|env| {
        env.select(SECOND);
        let editor = env.script("bin/editor", "#!/bin/sh\ncp \"$1\" \"$1.seen\"\n");
        env.set("GIT_EDITOR", &editor);
        env.git(["commit", "-q", "-a", "-v", "-s", "-e", "-m", "words"]).ok();
        let seen = fs::read_to_string(env.repo(".git/COMMIT_EDITMSG.seen")).unwrap();
        let at = |what: &str| seen.find(what).unwrap_or_else(|| panic!("{what} not in {seen}"));
        assert!(at("Signed-off-by") < at("Capture-Run") && at("Capture-Manifest") < at("# Please"), "{seen}");
        assert!(at("Capture-Manifest") < at(">8"));
        let body = env.git(["log", "-1", "--format=%B"]).ok().stdout;
        assert!(body.contains("Ada <ada@example.org>\nCapture-Run: "), "{body}");
    });
}

/// Whatever message `git commit -C` and `-F` take over, its trailers become true.
#[test]
fn a_message_that_is_taken_over_gets_true_trailers() {
    TestEnv::committed().case(|env| {
    fs::write(env.repo("readme.txt"), "b\n").unwrap();
    env.git(["commit", "-q", "-a", "-C", "HEAD"]).ok();
    assert!(env.trailer("HEAD", "Capture-Run").is_empty());
    fs::write(env.repo("template"), "words\n\nCapture-Run: nav/other\nCapture-Data: md5:d41d8cd98f00b204e9800998ecf8427e.dir\nReviewed-by: B <b@example.org>\n").unwrap();
    env.select(SECOND);
    env.git(["commit", "-q", "-a", "-F", "template"]).ok();
    assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
    assert_eq!(env.trailer("HEAD", "Capture-Data").len(), 1);
    assert_eq!(env.trailer("HEAD", "Reviewed-by").len(), 1);
    });
}

/// A dvc.lock that `dvc repro` made by hand needs no second run of DVC.
#[test]
fn a_lock_made_by_hand_needs_no_second_dvc() {
    TestEnv::committed().case(|env| {
        env.select(SECOND);
        env.dvc(["repro", "-q", "-s", "capture_ingest"]).ok();
        let none = env.script("bin/no-dvc", "#!/bin/sh\nexit 9\n");
        env.set("CAPTURE_HOOK_DVC", &none);
        env.git(["commit", "-q", "-am", "x"]).ok();
        env.unset("CAPTURE_HOOK_DVC");
        env.assert_committed();
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
    });
}

/// E2: `GIT_INDEX_FILE`: the run is committed through another index.
#[test]
fn another_index_file_gets_the_run() {
    TestEnv::committed().case(|env| {
        let index = env.path("other.index");
        fs::copy(env.repo(".git/index"), &index).unwrap();
        env.select(SECOND);
        env.set("GIT_INDEX_FILE", index.to_str().unwrap());
        env.git(["add", "params.yaml"]).ok();
        env.git(["commit", "-q", "-m", "x"]).ok();
        assert_eq!(
            env.git(["show", "--format=", "--name-only"]).ok().stdout,
            format!("dvc.lock\n{VIEWS}params.yaml\n")
        );
        assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
    });
}

/// A placeholder for the run selects nothing, so there is nothing to ingest.
#[test]
fn a_placeholder_selects_nothing() {
    TestEnv::committed().case(|env| {
        let path = env.repo("params.yaml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace(&format!("results/{FIRST}"), "results/<experiment>/<run_id>")).unwrap();
        env.git(["commit", "-q", "-am", "nothing selected"]).ok();
        assert!(env.trailer("HEAD", "Capture-Run").is_empty());
        assert_eq!(env.tags().len(), 1);
    });
}

/// D3: With `core.autostage` on, `git commit -a` ingests the run and leaves the setting as it was.
#[test]
fn autostage_is_as_before_after_a_commit() {
    TestEnv::committed().case(|env| {
        env.dvc(["config", "core.autostage", "true"]).ok();
        env.git(["commit", "-q", "-am", "autostage"]).ok();
        let local = fs::read(env.repo(".dvc/config.local")).unwrap();
        env.commit_run(SECOND);
        env.assert_committed();
        assert_eq!(fs::read(env.repo(".dvc/config.local")).unwrap(), local);
    });
}

/// C6: An empty commit gets no trailer, and one before DVC was set up no message.
#[test]
fn an_empty_commit_gets_no_trailer() {
    TestEnv::committed().case(|env| {
        env.git(["commit", "-q", "--allow-empty", "-m", "x"]).ok();
        assert!(env.trailer("HEAD", "Capture-Run").is_empty());
        env.git_in(".", ["init", "-q", "other"]).ok();
        env.hook_in("other", ["install"]).ok();
        let output = env.git_in("other", ["commit", "--allow-empty", "-m", "x"]).ok();
        assert_eq!(output.stderr, "");
    });
}

/// Changes of other stages in dvc.lock are not swept into a commit of params.yaml.
#[test]
fn other_stages_are_not_swept_in() {
    TestEnv::committed().case(|env| {
        let path = env.repo("dvc.yaml");
        let text = fs::read_to_string(&path).unwrap();
        let other = "stages:\n  other:\n    cmd: echo 1 > other.txt\n    outs:\n    - other.txt\n";
        fs::write(&path, text.replace("stages:\n", other)).unwrap();
        env.dvc(["repro", "-q", "-s", "other"]).ok();
        env.git(["add", "dvc.yaml", ".gitignore"]).ok();
        env.select(SECOND);
        let output = env.git(["commit", "-m", "x", "--", "params.yaml"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        error: dvc.lock has unstaged changes of other stages
        hint: stage them with `git add dvc.lock`, or restore it with `git restore dvc.lock`
        ");
        env.git(["commit", "-q", "-am", "x"]).ok();
        env.assert_committed();
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST]);
    });
}

/// A run that is committed again with other data gets a second tag, `@v2`.
#[test]
fn a_run_committed_anew_gets_a_second_tag() {
    each_cache_type(TestEnv::committed_with, |env| {
        // The same run, recorded anew with another episode's worth of bytes.
        let run = env.repo("results").join(FIRST);
        let meta = fs::read_to_string(run.join("run.json")).unwrap();
        fs::write(run.join("run.json"), format!("{meta}\n")).unwrap();
        env.dvc(["repro", "-q", "-f", "-s", "capture_ingest"]).ok();
        env.git(["commit", "-q", "-am", "again"]).ok();
        assert_eq!(env.tags(), [format!("capture/{FIRST}"), format!("capture/{FIRST}@v2")]);
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [FIRST]);
    });
}

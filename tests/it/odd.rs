//! Odd surroundings, odd names, odd settings: what most repositories never meet, and some do.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, THIRD, TestEnv, copy_dir, tree};

/// E9: What capture-hook and pre-commit call starts none of our hooks: the two guards.
#[test]
fn the_guards_keep_hooks_from_calling_hooks() {
    TestEnv::two_versions("copy").case(|env| {
        for guard in ["CAPTURE_HOOK_ACTIVE", "_PRE_COMMIT_SKIP_POST_CHECKOUT"] {
            env.set(guard, "1");
            assert_eq!(env.git(["checkout", "-q", "old"]).ok().stderr, "");
            assert_eq!(env.runs_in("repo"), [SECOND, FIRST], "{guard}");
            env.git(["checkout", "-q", "main"]).ok();
            env.unset(guard);
        }
        env.set("CAPTURE_HOOK_ACTIVE", "1");
        env.select(THIRD);
        assert_eq!(env.git(["commit", "-q", "-am", "x"]).ok().stderr, "");
        assert_eq!((env.tags().len(), env.trailer("HEAD", "Capture-Run").len()), (2, 0));
        env.unset("CAPTURE_HOOK_ACTIVE");
        fs::write(
            env.repo("params.yaml"),
            format!("{}# touched\n", fs::read_to_string(env.repo("params.yaml")).unwrap()),
        )
        .unwrap();
        env.git(["commit", "-q", "-am", "y"]).ok();
        env.assert_committed();
        // What DVC calls in its stage finds the guard.
        let seen = env.script(
            "bin/dvc-that-looks",
            &format!(
                "#!/bin/sh\necho \"$CAPTURE_HOOK_ACTIVE\" >> ../seen\nexec '{}' \"$@\"\n",
                crate::tools::dvc_bin().join("dvc").display()
            ),
        );
        env.set("CAPTURE_HOOK_DVC", &seen);
        env.commit_run(FIRST);
        assert!(fs::read_to_string(env.path("seen")).unwrap().lines().all(|line| !line.is_empty()));
    });
}

/// E3: `GIT_DIR` alone, from another directory.
#[test]
fn git_dir_from_another_directory_finds_the_project() {
    TestEnv::committed().case(|env| {
        let elsewhere = env.path("elsewhere/deep");
        fs::create_dir_all(&elsewhere).unwrap();
        fs::write(elsewhere.join("mine.txt"), "x").unwrap();
        env.select(SECOND);
        env.git(["add", "params.yaml"]).ok();
        env.set("GIT_DIR", env.repo(".git").to_str().unwrap());
        // Git takes the directory it is in for the top of the working tree; the data is where the project is.
        env.git_in("elsewhere/deep", ["commit", "-q", "-m", "x"]).ok();
        env.unset("GIT_DIR");
        env.assert_committed();
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST]);
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND]);
        assert_eq!(tree(&env.path("elsewhere")).into_keys().collect::<Vec<_>>(), ["deep/mine.txt"]);
        // With both variables, as keepers of dotfiles have them; and relative, from inside.
        env.set("GIT_DIR", "../repo/.git");
        env.set("GIT_WORK_TREE", "../repo");
        env.select(THIRD);
        env.git_in("elsewhere", ["commit", "-q", "-am", "x"]).ok();
        env.git_in("elsewhere", ["checkout", "-q", "HEAD~1"]).ok();
        env.unset("GIT_WORK_TREE");
        env.set("GIT_DIR", ".git");
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
        env.git(["checkout", "-q", "main"]).ok();
        env.unset("GIT_DIR");
        env.assert_committed();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD]);
    });
}

/// C6: In a bare repository commands say so, and hooks keep quiet.
#[test]
fn a_bare_repository_has_no_working_tree() {
    TestEnv::committed().case(|env| {
        let mut screens = Vec::new();
        for command in [&["status"][..], &["install"], &["pull"], &["hook", "pre-commit"]] {
            let output = env.hook_in("origin.git", command).fails(3);
            screens.push(env.screen(&output));
        }
        assert_snapshot!(screens.join("\n\n"), @"
        error: the git repository [env]/origin.git has no working tree
        hint: run the command in a clone with a working tree

        error: the git repository [env]/origin.git has no working tree
        hint: run the command in a clone with a working tree

        error: the git repository [env]/origin.git has no working tree
        hint: run the command in a clone with a working tree

        error: the git repository [env]/origin.git has no working tree
        hint: run the command in a clone with a working tree
        ");
        for event in ["post-checkout", "post-merge", "post-rewrite", "post-commit"] {
            env.hook_in("origin.git", ["hook", event]).ok();
        }
        // A working tree of a bare repository is one like any other.
        env.git(["push", "-q", "origin", "main"]).ok();
        env.git_in("origin.git", ["worktree", "add", "-q", "../tree", "main"]).ok();
        fs::copy(env.repo(".dvc/config.local"), env.path("tree/.dvc/config.local")).unwrap();
        env.hook_in("tree", ["install"]).ok();
        copy_dir(&env.repo("results"), &env.path("tree/results"));
        env.select_in("tree", SECOND);
        env.git_in("tree", ["commit", "-q", "-am", "x"]).ok();
        assert_eq!(env.git_in("tree", ["status", "--porcelain"]).ok().stdout, "");
        assert_eq!(env.runs_in("tree"), [SECOND, FIRST]);
    });
}

/// C7: Intent-to-add, a rename, one of letter case, a name that is not UTF-8.
#[test]
fn odd_names_in_the_index_are_kept() {
    TestEnv::committed().case(|env| {
        let odd = OsStr::from_bytes(b"caf\xe9 \"x\"\n.txt");
        fs::write(env.repo(odd), "x").unwrap();
        env.git([OsStr::new("add"), odd]).ok();
        fs::write(env.repo("later.txt"), "x").unwrap();
        env.git(["add", "-N", "later.txt"]).ok();
        env.git(["mv", "readme.txt", "README.txt"]).ok();
        env.select(SECOND);
        env.git(["add", "params.yaml"]).ok();
        env.git(["commit", "-q", "-m", "x"]).ok();
        assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, " A later.txt\n");
        let files = env.git(["show", "--format=", "--name-status", "-z", "-M"]).ok().stdout;
        assert!(files.contains("R100\0readme.txt\0README.txt") && files.contains("dvc.lock"), "{files:?}");
        // With paths: what was only announced stays so, in the index that git makes for the purpose too.
        env.select(THIRD);
        env.git([
            OsStr::new("commit"),
            OsStr::new("-qm"),
            OsStr::new("y"),
            OsStr::new("--"),
            OsStr::new("params.yaml"),
            odd,
        ])
        .ok();
        assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, " A later.txt\n");
        env.git(["commit", "-q", "-am", "z"]).ok();
        env.assert_committed();
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST, THIRD]);
        env.git(["-c", "core.ignoreCase=true", "mv", "README.txt", "Readme.txt"]).ok();
        env.git(["-c", "core.ignoreCase=true", "commit", "-q", "-m", "case"]).ok();
        // The params file itself, away and back.
        env.git(["mv", "params.yaml", "Params.yaml"]).ok();
        let output = env.git(["commit", "-q", "-m", "away"]);
        assert_snapshot!(env.screen(&output), @"
        error: params.yaml does not exist, but dvc.yaml takes the parameter ingest_capture.out_dir from it
        hint: if it was removed: `git restore --source=HEAD --staged --worktree params.yaml`; if it was moved: name it in dvc.yaml, under `vars` and under `params` of the stage `capture_ingest`; if git never had it: `capture-hook init`
        ");
    });
}

/// C7: A file of a run whose name is not UTF-8 is named, and left out.
#[test]
fn a_run_file_whose_name_is_not_utf8_is_left_out() {
    TestEnv::committed().case(|env| {
        fs::write(env.repo("results").join(SECOND).join(OsStr::from_bytes(b"caf\xe9.txt")), "x").unwrap();
        env.select(SECOND);
        // No recorder writes such a file: it is named, and left out, as every file that no recorder writes.
        let output = env.hook(["validate", SECOND]).ok();
        assert_snapshot!(env.screen(&output), @"
        ✓ results/demo/run-20260105-041 is valid: 240 steps, 4 episodes, 1 warning
          warning unrecognized_file: no recorder writes such a file: it does not go into
            the dataset unless `ingest.include` names it, in caf�.txt
        --- stderr
        hint: to include them: `capture-hook config set ingest.include '*.txt'`
        ");
        env.git(["commit", "-q", "-am", "x"]).ok();
        env.assert_committed();
        assert!(!tree(&env.repo("data/captures")).keys().any(|name| name.contains("caf")));
    });
}

/// P7: After `git stash` and `git stash pop` the selection is back, and its commit is right.
#[test]
fn a_stashed_selection_commits_right() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        env.select(THIRD);
        env.hook(["ingest"]).ok();
        env.git(["stash", "-q"]).ok();
        fs::write(env.repo("readme.txt"), "b\n").unwrap();
        env.git(["commit", "-q", "-am", "words"]).ok();
        env.git(["stash", "pop", "-q"]).ok();
        env.git(["commit", "-q", "-am", "x"]).ok();
        env.assert_committed();
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST, THIRD]);
        // A dvc.lock that was stashed with its selection is popped on top of another run's commit, and given up.
        env.git(["checkout", "-q", "-b", "topic", "HEAD~2"]).ok();
        env.select(THIRD);
        env.dvc(["repro", "-q", "-s", "capture_ingest"]).ok();
        env.git(["stash", "-q"]).ok();
        env.git(["checkout", "-q", "main"]).ok();
        env.git(["stash", "pop", "-q"]).ok();
        env.git(["checkout", "-q", "-f", "HEAD", "--", "."]).ok();
        env.hook(["pull"]).ok();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD]);
    });
}

/// P7: After `git am` of a commit with a run, `status` says what to do, and nothing is lost.
#[test]
fn am_loses_nothing_and_status_says_what_to_do() {
    TestEnv::committed().case(|env| {
        env.git(["checkout", "-q", "-b", "topic"]).ok();
        env.commit_run(SECOND);
        let patch = env.git(["format-patch", "-1", "--stdout"]).ok().stdout;
        fs::write(env.repo(".git/patch"), patch).unwrap();
        env.git(["checkout", "-q", "main"]).ok();
        assert_eq!(env.runs_in("repo"), [FIRST]);
        env.git(["am", "-q", ".git/patch"]).ok();
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST]);
        // Git calls no hook that could follow; the next look says so, and the next commit is right.
        let output = env.hook(["status"]);
        assert_snapshot!(env.screen(&output), @"
        demo/run-20260105-041 is selected
          recorded   yes  results/demo/run-20260105-041
          valid      yes  240 steps, 4 episodes
          ingested   yes  data version [md5].dir
          committed  yes  HEAD is at [commit]
          tagged     yes  capture/demo/run-20260105-041
          pushed     no   data: not all on the DVC remote; git: not pushed
          workspace  no   it holds another commit's data
        next: git push --follow-tags -u origin HEAD
        --- stderr
        hint: sweep/run-20260106-041 is recorded, but in no commit; to commit it: `capture-hook publish sweep/run-20260106-041`
        ");
        env.commit_run(THIRD);
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST, THIRD]);
        env.assert_committed();
    });
}

/// D7: A dataset that git tracks as well stops the commit, which says what to do.
#[test]
fn a_dataset_that_git_tracks_stops_the_commit() {
    TestEnv::committed().case(|env| {
        env.git(["add", "-f", &format!("data/captures/{FIRST}/run.json")]).ok();
        env.git(["commit", "-q", "-m", "by mistake"]).ok();
        let mut refusals = Vec::new();
        for engine in ["dvc", "native"] {
            fs::write(env.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
            env.select(SECOND);
            let before = (env.id("HEAD"), tree(&env.repo("data")));
            let output = env.git(["commit", "-am", "x"]).fails(1);
            refusals.push(env.screen(&output));
            assert!(before == (env.id("HEAD"), tree(&env.repo("data"))));
        }
        assert_snapshot!(refusals.join("\n\n"), @"
        error: data/captures is tracked by git too; DVC cannot version files that git tracks
        hint: remove it from git, but keep the files: `git rm -r --cached data/captures`
        hint: then commit again; git ignores it from then on

        error: data/captures is tracked by git too; DVC cannot version files that git tracks
        hint: remove it from git, but keep the files: `git rm -r --cached data/captures`
        hint: then commit again; git ignores it from then on
        ");
        fs::remove_file(env.repo("capture-hook.toml")).unwrap();
        let output = env.hook(["init"]);
        assert_snapshot!(env.screen(&output), @"
        kept   .dvc: this is a DVC project already
        kept   dvc.yaml: has the stage capture_ingest
        kept   params.yaml: has ingest_capture
        kept   .gitignore: results/ is ignored by git
        kept   data/.gitignore: data/captures/ is ignored by git
        kept   data/captures: is tracked by git too; to stop that: `git rm -r --cached data/captures`
        kept   .gitattributes: names the merge drivers
        kept   DVC remote: the default is storage
        kept   .git/hooks: the hooks are in place
        kept   .git/config: the merge drivers
        everything is set up: nothing was changed
        hint: commit the files: `git add params.yaml && git commit -m 'Set up capture-hook'`
        hint: then record a run in results/, and commit it: `capture-hook select latest && git commit -am 'A run'`
        ");
        env.git(["rm", "-rq", "--cached", "data/captures"]).ok();
        env.git(["commit", "-q", "-am", "x"]).ok();
        env.assert_committed();
        assert_eq!(env.runs_at("HEAD"), [SECOND, FIRST]);
    });
}

/// D8: A dataset that moves to another directory takes its runs along, or the commit stops.
#[test]
fn a_moved_dataset_takes_its_runs_along() {
    TestEnv::committed().case(|env| {
        env.commit_run(SECOND);
        let path = env.repo("params.yaml");
        env.select(THIRD);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("out_dir: data/captures", "out_dir: data/runs")).unwrap();
        let head = env.id("HEAD");
        let output = env.git(["commit", "-am", "x"]).fails(1);
        assert_snapshot!(env.screen(&output), @"
        error: cannot check out all committed runs, so the commit would lose runs: data/runs is the new dataset directory, but demo/run-20260105-041/DATASET_INDEX.json is not in it
        hint: move the dataset there: `mv data/captures data/runs`; to start with an empty one: `git -c capture-hook.allowLoss=true commit`
        ");
        assert_eq!(env.id("HEAD"), head);
        fs::rename(env.repo("data/captures"), env.repo("data/runs")).unwrap();
        env.git(["commit", "-q", "-am", "x"]).ok();
        assert!(env.ask_dvc(["status"]).ok().stdout.contains("up to date"));
        let moved = tree(&env.repo("data/runs"));
        for key in [FIRST, SECOND, THIRD] {
            assert!(moved.contains_key(&format!("{key}/run.json")), "{key}");
        }
    });
}

/// D3: With `core.no_scm` everything works as without.
#[test]
fn no_scm_changes_nothing() {
    TestEnv::committed().case(|env| {
        let local = env.repo(".dvc/config.local");
        let text = fs::read_to_string(&local).unwrap();
        fs::write(&local, text.replace("[core]\n", "[core]\n    no_scm = true\n")).unwrap();
        env.commit_run(SECOND);
        env.git(["push", "-q", "origin", "main"]).ok();
        env.git(["checkout", "-q", "HEAD~1"]).ok();
        fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
        env.git(["checkout", "-q", "main"]).ok();
        env.assert_committed();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
        assert_eq!(env.tags().len(), 2);
    });
}

/// D3: A remote of the output's own gets and gives its data.
#[test]
fn a_remote_of_the_output_gets_its_data() {
    TestEnv::committed().case(|env| {
        let special = env.path("special");
        fs::create_dir_all(&special).unwrap();
        env.dvc(["remote", "add", "--local", "-q", "special", special.to_str().unwrap()]).ok();
        let path = env.repo("dvc.yaml");
        let text = fs::read_to_string(&path).unwrap();
        let at = text.lines().position(|line| line.trim() == "persist: true").unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        let line = lines[at].replace("persist: true", "remote: special");
        lines.insert(at, &line);
        fs::write(&path, format!("{}\n", lines.join("\n"))).unwrap();
        env.commit_run(SECOND);
        env.assert_committed();
        env.git(["push", "-q", "origin", "main"]).ok();
        assert!(!tree(&env.path("special")).is_empty());
        let status = env.ask_dvc(["status", "-c"]).ok().stdout;
        assert!(status.contains("in sync"), "{status}");
        env.git(["checkout", "-q", "HEAD~1"]).ok();
        fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
        env.git(["checkout", "-q", "main"]).ok();
        assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
        env.assert_committed();
    });
}

/// D6: More to fetch than there is room for: an error before anything is fetched.
#[test]
fn too_little_room_fetches_nothing() {
    TestEnv::two_versions("copy").case(|env| {
        env.hook(["push", "main", "old"]).ok();
        env.git(["checkout", "-q", "old"]).ok();
        fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
        // One file of the second run says that it is larger than any disk; it takes no room itself.
        let meta = env.repo("results").join(SECOND).join("run.json");
        let md5 = env.run_in(".", "md5sum", [meta.to_str().unwrap()]).ok().stdout[..32].to_owned();
        let object = env.path("dvc-remote/files/md5").join(&md5[..2]).join(&md5[2..]);
        let bytes = fs::read(&object).unwrap();
        fs::remove_file(&object).unwrap();
        fs::File::create(&object).unwrap().set_len(1 << 43).unwrap();
        env.git(["checkout", "-q", "main"]).ok();
        for args in [&["pull"][..], &["pull", SECOND], &["get", SECOND, "-o", "out"]] {
            let output = env.hook(args);
            assert!(output.code != 0 && output.stderr.contains("8.0 TiB to fetch"), "{args:?} {}", output.both());
            assert!(output.stderr.contains("are free"), "{args:?} {}", output.both());
        }
        assert_eq!(env.runs_in("repo"), [FIRST]);
        fs::write(&object, bytes).unwrap();
        env.hook(["pull"]).ok();
        env.assert_committed();
    });
}

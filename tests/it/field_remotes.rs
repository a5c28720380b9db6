//! Remotes as people have them: that lost data, were replaced, are not mounted, that no commit names, that DVC cannot reach. A
//! screen says what is so, and the next command that it names is one that works.

use std::fs;

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, TestEnv, files};
use crate::field_data::{clone, do_next, next, pushed, some_object, status, step};
use crate::tools;

/// W3: What the DVC remote lost, or a new one lacks, is sent by the command that is named.
#[test]
fn a_remote_that_lost_data_gets_it_again_by_the_command_that_is_named() {
    let env = pushed("native");
    env.commit_run(SECOND);
    env.git(["push", "-q", "origin", "main"]).ok();
    assert_eq!(next(&env), None);
    fs::remove_file(some_object(&env, "dvc-remote")).unwrap();
    assert_eq!(step(&env, "repo", "pushed").0, "pending");
    do_next(&env);
    assert_eq!(next(&env), None);
    env.hook(["check", "--remote"]).ok();
    // The sibling: another remote in its place, and empty. The data of older commits is asked for by itself.
    fs::create_dir(env.path("another")).unwrap();
    env.dvc(["remote", "modify", "--local", "storage", "url", env.path("another").to_str().unwrap()]).ok();
    assert_eq!(next(&env).as_deref(), Some("capture-hook push"));
    let output = env.hook(["push"]).ok();
    assert_snapshot!(env.screen(&output), @"
    sending data of commit [commit] (results/demo/run-20260105-041) to the DVC remote
    sent 15 objects, [size]
    hint: to send older data that the remote lacks: `capture-hook push --all`
    ");
    assert_eq!(next(&env), None);
    let output = env.hook(["check", "--remote"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error data_missing: [commit]: data version [md5].dir: its file list is not on the remote; run `capture-hook push [commit]`
    1 finding in 4 commits, 2 run tags, and the remote
    --- stderr
    hint: send what this clone has: `capture-hook push --all`
    ");
    env.hook(["push", "--all"]).ok();
    env.hook(["check", "--remote"]).ok();
    // What this clone does not have either is not asked of it.
    let object = some_object(&env, "another");
    fs::remove_file(&object).unwrap();
    fs::remove_file(env.repo(".dvc/cache").join(object.strip_prefix(env.path("another")).unwrap())).unwrap();
    assert_eq!(next(&env), None);
    assert!(step(&env, "repo", "pushed").1.contains("nor in this clone"));
    let output = env.hook(["check", "--remote"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error data_missing: [commit]: data version [md5].dir: nav/run-20261124-021550/steps.jsonl.gz is not on the remote; nor in this clone: run `capture-hook push --all` in the clone that has it
    error data_missing: [commit]: data version [md5].dir: nav/run-20261124-021550/steps.jsonl.gz is not on the remote; nor in this clone: run `capture-hook push --all` in the clone that has it
    2 findings in 4 commits, 2 run tags, and the remote
    --- stderr
    hint: send what this clone has: `capture-hook push --all`
    ");
}

/// W4: A directory remote that is not mounted is called absent, and nothing is sent to where it was.
#[test]
fn a_remote_that_is_not_mounted_is_called_absent_and_not_made_anew() {
    let env = pushed("native");
    clone(&env, "fresh");
    let (remote, away) = (env.path("dvc-remote"), env.path("unplugged"));
    fs::rename(&remote, &away).unwrap();
    let absent = format!("{} of the DVC remote `storage` does not exist", remote.display());
    env.commit_run(SECOND);
    let stopped = |dir: &str, code: i32, args: &[&str]| {
        let output = env.run_in(dir, args[0], &args[1..]).fails(code);
        assert!(output.both().contains(&absent) && output.both().contains("mount it"), "{args:?}: {}", output.both());
        assert!(!remote.exists(), "{args:?}");
    };
    stopped("repo", 1, &["git", "push", "-q", "origin", "main"]);
    stopped("repo", 3, &["capture-hook", "push"]);
    stopped("repo", 1, &["capture-hook", "check", "--remote"]);
    stopped("fresh", 3, &["capture-hook", "pull"]);
    let (state, detail) = step(&env, "repo", "pushed");
    assert!(state == "pending" && detail.contains(&absent), "{detail}");
    assert_eq!(next(&env), None);
    assert!(!env.hook(["status"]).ok().stdout.contains("nothing to do"));
    // A clone that never saw it: git's remote has data, so that DVC's has, too.
    fs::write(env.path("fresh/words.txt"), "x").unwrap();
    env.hook_in("fresh", ["install"]).ok();
    stopped("fresh", 3, &["capture-hook", "push"]);
    // The sibling: the empty directory that a share is mounted on.
    fs::create_dir(&remote).unwrap();
    let output = env.git(["push", "-q", "origin", "main"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: the directory [env]/dvc-remote of the DVC remote `storage` is empty, but data was pushed to it before
    hint: mount it, or correct its address: `dvc remote modify storage url URL`
    hint: to start with an empty remote: `mkdir -p [env]/dvc-remote/files/md5 && capture-hook push --all`
    hint: to push the commits anyway: `git push --no-verify`
    error: failed to push some refs to '../origin.git'
    ");
    assert!(files(&remote).is_empty());
    fs::remove_dir(&remote).unwrap();
    fs::rename(&away, &remote).unwrap();
    env.git(["push", "-q", "origin", "main"]).ok();
    assert_eq!(next(&env), None);
    // Meant to begin anew, it does, by the command that was named.
    fs::remove_dir_all(&remote).unwrap();
    let status = status(&env, "repo");
    let notes: Vec<&str> = status["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    let hint = notes.iter().find(|note| note.contains("mkdir -p")).unwrap();
    let command = hint.split('`').nth(1).unwrap();
    env.run_in("repo", "sh", ["-c", command]).ok();
    env.hook(["check", "--remote"]).ok();
}

/// W4: The first push makes a new remote.
#[test]
fn a_new_remote_is_made_by_the_first_push() {
    let env = TestEnv::committed();
    fs::remove_dir_all(env.path("dvc-remote")).unwrap();
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    assert!(step(&env, "repo", "pushed").1.contains("data: on the DVC remote"));
}

/// W5: Data that did not go with a push is not said to have gone.
#[test]
fn data_of_a_stopped_push_is_not_said_to_be_pushed() {
    let env = pushed("native");
    env.dvc(["remote", "modify", "--local", "storage", "url", "http://127.0.0.1:9/data"]).ok();
    env.commit_run(SECOND);
    env.git(["push", "-q", "origin", "main"]).fails(1);
    let (state, detail) = step(&env, "repo", "pushed");
    assert_eq!((state.as_str(), detail.as_str()), ("pending", "data: will be sent with the push; git: not pushed"));
    // Nor is it an error without a command to type.
    let output = env.hook(["check", "--remote"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error data_missing: [commit]: data version [md5].dir: its file list is not on the remote; run `capture-hook push [commit]`
    error data_missing: [commit]: data version [md5].dir: demo/run-20260105-041/DATASET_INDEX.json and 13 more are not on the remote; run `capture-hook push [commit]`
    2 findings in 4 commits, 2 run tags, and the remote
    --- stderr
    hint: send what this clone has: `capture-hook push --all`
    ");
    // The sibling: git was pushed all the same.
    env.git(["push", "-q", "--no-verify", "origin", "main"]).ok();
    let (state, detail) = step(&env, "repo", "pushed");
    assert!(state == "unknown" && detail.contains("unknown whether it is on the DVC remote"), "{detail}");
}

/// W6: Data of unknown size is not reported as nothing.
#[test]
fn data_that_is_not_here_is_counted_or_its_size_unknown() {
    let env = pushed("native");
    env.commit_run(SECOND);
    env.git(["push", "-q", "origin", "main"]).ok();
    let away = env.path("away");
    fs::create_dir(&away).unwrap();
    // The remote holds the selected run alone, and the data version is as large as that.
    for file in files(&env.repo("data/captures").join(FIRST)) {
        let md5 = env.run_in(".", "md5sum", [file.to_str().unwrap()]).ok().stdout;
        let object = env.path("dvc-remote/files/md5").join(&md5[..2]).join(&md5[2..32]);
        fs::rename(&object, away.join(&md5[..32])).unwrap();
    }
    let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
    let line = lock.lines().find(|line| line.trim().starts_with("size: ")).unwrap();
    fs::write(env.repo("dvc.lock"), lock.replace(line.trim(), "size: 0")).unwrap();
    env.git(["commit", "-q", "--no-verify", "-am", "a size"]).ok();
    env.git(["push", "-q", "--no-verify", "origin", "main"]).ok();
    let template = env.path("template/hooks");
    fs::create_dir_all(&template).unwrap();
    fs::copy(env.repo(".git/hooks/post-checkout"), template.join("post-checkout")).unwrap();
    let settings = fs::read_to_string(env.repo(".dvc/config.local")).unwrap();
    fs::create_dir_all(env.path("home/.config/dvc")).unwrap();
    fs::write(env.path("home/.config/dvc/config"), settings).unwrap();
    let template = format!("--template={}", env.path("template").display());
    let output = env.git_in(".", ["clone", "-q", &template, "origin.git", "clone"]).ok();
    assert_snapshot!(env.screen(&output), @"
    fetching demo/run-20260105-041 of [md5].dir
    7 files of the dataset are missing (size unknown); run `capture-hook pull`
    ");
}

/// W7: A remote that stands in an uncommitted `.dvc/config` alone is told with every push of data, and by `status`,
/// with the command that mends it.
#[test]
fn a_remote_that_no_commit_names_is_told_with_every_push() {
    let env = TestEnv::committed();
    let remote = env.path("dvc-remote");
    fs::remove_file(env.repo(".dvc/config.local")).unwrap();
    let output = env.hook(["init"]).ok();
    assert_snapshot!(env.screen(&output), @"
    kept   .dvc: this is a DVC project already
    kept   dvc.yaml: has the stage capture_ingest
    kept   params.yaml: has ingest_capture
    kept   .gitignore: results/ is ignored by git
    kept   data/.gitignore: data/captures/ is ignored by git
    kept   .gitattributes: names the merge drivers
    kept   DVC remote: none: data stays on this machine
    kept   .git/hooks: the hooks are in place
    kept   .git/config: the merge drivers
    everything is set up: nothing was changed
    hint: set a remote to share the data: `capture-hook init --remote URL`
    hint: then record a run in results/, and commit it: `capture-hook select latest && git commit -am 'A run'`
    ");
    env.hook(["init", "--remote", remote.to_str().unwrap()]).ok();
    let told = |output: &str| {
        output.contains("other clones cannot find the data") && output.contains("git add .dvc/config && git commit")
    };
    let output = env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    assert!(told(&output.stderr), "{}", output.stderr);
    let output = env.hook(["status"]).ok();
    assert!(told(&output.stderr), "{}", output.stderr);
    assert!(env.hook(["doctor"]).ok().stdout.contains("other clones cannot find the data"));
    env.run_in("repo", "sh", ["-c", "git add .dvc/config && git commit -m 'Name the DVC remote' -- .dvc/config"]).ok();
    assert!(!told(&env.hook(["status"]).ok().stderr));
    env.commit_run(SECOND);
    let output = env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    assert!(!told(&output.stderr), "{}", output.stderr);
    // The sibling: another address than the commit's; and a remote of this clone's own is its user's affair.
    fs::create_dir(env.path("another")).unwrap();
    env.dvc(["remote", "modify", "storage", "url", env.path("another").to_str().unwrap()]).ok();
    assert!(told(&env.hook(["push"]).ok().stderr));
    env.git(["checkout", "-q", ".dvc/config"]).ok();
    env.dvc(["remote", "modify", "--local", "storage", "url", env.path("another").to_str().unwrap()]).ok();
    assert!(!told(&env.hook(["push"]).ok().stderr));
}

/// W8: Another remote than the default one is not ignored: `init` names the one that is set, and what changes it.
#[test]
fn init_with_another_remote_fails_and_names_the_one_that_is_set() {
    let env = TestEnv::initialized();
    let config = fs::read_to_string(env.repo(".dvc/config")).unwrap();
    fs::remove_file(env.repo(".gitattributes")).unwrap();
    let output = env.hook(["init", "--remote", "../new"]).fails(2);
    assert_snapshot!(env.screen(&output), @"
    error: the DVC remote is `storage` already, at ../../dvc-remote
    hint: change it: `dvc remote modify storage url ../new`; then send all data there: `capture-hook push --all`
    ");
    assert!(!env.repo(".gitattributes").exists(), "nothing was set up");
    let command = output.stderr.split('`').find(|part| part.starts_with("dvc remote modify")).unwrap().to_owned();
    assert_eq!(fs::read_to_string(env.repo(".dvc/config")).unwrap(), config);
    env.run_in("repo", "sh", ["-c", &command]).ok();
    assert!(fs::read_to_string(env.repo(".dvc/config")).unwrap().contains("url = ../../new"));
    // Then it is the one that is asked for; with a slash at its end, too.
    env.hook(["init", "--remote", "../new/"]).ok();
    // The sibling: one of this clone's own settings; one of the user's is no obstacle.
    env.dvc(["remote", "add", "-q", "--local", "-d", "mine", "../mine"]).ok();
    let output = env.hook(["init", "--remote", "../new"]).fails(2);
    assert_snapshot!(env.screen(&output), @"
    error: the DVC remote is `mine` already, at ../../mine
    hint: change it: `dvc remote modify --local mine url ../new`; then send all data there: `capture-hook push --all`
    ");
    fs::remove_file(env.repo(".dvc/config.local")).unwrap();
    fs::write(env.repo(".dvc/config"), "").unwrap();
    let global = env.path("home/.config/dvc/config");
    fs::create_dir_all(global.parent().unwrap()).unwrap();
    fs::write(&global, "[core]\n    remote = lab\n['remote \"lab\"']\n    url = /lab\n").unwrap();
    env.hook(["init", "--remote", "../new"]).ok();
    assert!(fs::read_to_string(env.repo(".dvc/config")).unwrap().contains("remote = storage"));
}

/// W9: A relative remote is written as DVC writes one, so that clones find it beside themselves.
#[test]
fn a_relative_remote_is_found_from_every_clone_beside_it() {
    let env = TestEnv::committed();
    fs::remove_file(env.repo(".dvc/config.local")).unwrap();
    fs::create_dir_all(env.repo("sub/deep")).unwrap();
    env.hook_in("repo/sub/deep", ["init", "--remote", "../../../store"]).ok();
    let config = fs::read_to_string(env.repo(".dvc/config")).unwrap();
    assert!(config.contains("url = ../../store\n"), "{config}");
    env.git(["commit", "-q", "-am", "A remote beside the clones"]).ok();
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    assert!(env.path("store/files/md5").is_dir());
    env.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
    env.hook_in("clone", ["pull"]).ok();
    assert_eq!(env.runs_in("clone"), [FIRST]);
    // The sibling: a linked worktree at another depth finds what the main working tree finds, DVC too.
    env.git(["worktree", "add", "-q", "-b", "other", "../trees/deep/one"]).ok();
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    fs::remove_dir_all(env.path("trees/deep/one/data/captures")).unwrap();
    env.hook_in("trees/deep/one", ["pull"]).ok();
    assert_eq!(env.runs_in("trees/deep/one"), [FIRST]);
    assert!(env.ask_dvc_in("trees/deep/one", ["status", "--cloud"]).ok().stdout.contains("in sync"));
    assert!(!env.path("trees/store").exists() && !env.path("trees/deep/store").exists());
}

/// W10: A kind of remote that DVC lacks the package for is told by `init` and `doctor`, with the command that installs
/// it.
#[test]
fn a_remote_that_dvc_cannot_reach_is_told_with_the_package_it_lacks() {
    let env = TestEnv::committed();
    let pip = tools::dvc_bin().canonicalize().unwrap().join("pip");
    fs::remove_file(env.repo(".dvc/config.local")).unwrap();
    let output = env.hook(["init", "--remote", "ssh://host/captures"]).ok();
    let command = format!("{} install dvc-ssh", pip.display());
    assert_snapshot!(env.screen(&output), @"
    kept   .dvc: this is a DVC project already
    kept   dvc.yaml: has the stage capture_ingest
    kept   params.yaml: has ingest_capture
    kept   .gitignore: results/ is ignored by git
    kept   data/.gitignore: data/captures/ is ignored by git
    kept   .gitattributes: names the merge drivers
    wrote  DVC remote: storage is the default: ssh://host/captures
    kept   .git/hooks: the hooks are in place
    kept   .git/config: the merge drivers
    hint: commit the files: `git add .dvc && git commit -m 'Set up capture-hook'`
    hint: then record a run in results/, and commit it: `capture-hook select latest && git commit -am 'A run'`
    warning: DVC lacks dvc-ssh, so it can neither push to storage nor fetch from it
    hint: install it: `[tools]/dvc/bin/pip install dvc-ssh`
    ");
    let output = env.hook(["doctor"]).fails(1);
    assert!(
        output.stdout.contains("cannot reach without dvc-ssh") && output.stdout.contains(&command),
        "{}",
        output.stdout
    );
    // The sibling: whoever pushes all the same is told, too; a kind that DVC brings along is no fault.
    let output = env.git(["push", "-q", "origin", "main"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: cannot send data of commit [commit] (results/nav/run-20261124-021550) to the DVC remote
    caused by: `[tools]/dvc/bin/dvc status --cloud --json` failed with exit code 255
        ERROR: unexpected error - ssh is supported, but requires 'dvc-ssh' to be installed: No module named 'dvc_ssh'
    hint: DVC lacks the package for this kind of remote: run `capture-hook doctor` for the command that installs it
    hint: send the data first and watch its progress: `capture-hook push`
    hint: to push the commits anyway: `git push --no-verify`
    error: failed to push some refs to '../origin.git'
    ");
    env.dvc(["remote", "modify", "storage", "url", "https://127.0.0.1:9/x"]).ok();
    assert!(!env.hook(["doctor"]).ok().stdout.contains("without dvc-"));
}

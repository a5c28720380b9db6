//! Pipelines and programs as people have them: a params file that cannot be read, a stage that DVC does not run, an environment
//! whose Python is gone. Each is named, with the way out.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use crate::env::{FIRST, SECOND, TestEnv, which};

/// Edits a file of the repository.
fn edit(env: &TestEnv, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(env.repo(file)).unwrap();
    assert!(text.contains(from), "no {from:?} in\n{text}");
    fs::write(env.repo(file), text.replace(from, to)).unwrap();
}

/// Every command that reads the parameters says this of them, and changes nothing.
#[track_caller]
fn named_by_all(env: &TestEnv, error: &str, hint: &str) {
    let before = env.git(["status", "--porcelain"]).ok().stdout;
    let commands: [&[&str]; 6] =
        [&["status"], &["select", SECOND], &["publish", SECOND], &["ingest"], &["validate"], &["init"]];
    for command in commands {
        let output = env.hook(command).fails(3);
        assert!(output.stderr.starts_with(&format!("error: {error}")), "{command:?}: {}", output.both());
        assert!(output.stderr.contains(hint), "{command:?}: {}", output.both());
    }
    let output = env.hook(["doctor"]).fails(1);
    assert!(output.stdout.contains(error) && output.stdout.contains(hint), "{}", output.stdout);
    assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, before);
}

/// H8: A params file that was removed or moved is named by every command, with the way back.
#[test]
fn a_params_file_that_is_not_there_is_named() {
    let env = TestEnv::committed();
    let missing = "params.yaml does not exist";
    fs::remove_file(env.repo("params.yaml")).unwrap();
    named_by_all(&env, missing, "git restore");
    let output = env.git(["commit", "-q", "-am", "without it"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: params.yaml does not exist, but dvc.yaml takes the parameter ingest_capture.out_dir from it
    hint: if it was removed: `git restore --source=HEAD --staged --worktree params.yaml`; if it was moved: name it in dvc.yaml, under `vars` and under `params` of the stage `capture_ingest`; if git never had it: `capture-hook init`
    ");
    let line =
        output.stderr.lines().find(|line| line.contains("git restore")).unwrap().split('`').nth(1).unwrap().to_owned();
    env.run_in("repo", "sh", ["-c", &line]).ok();
    env.assert_committed();
    // Moved: dvc.yaml is to name the new place, and then all goes on from there.
    fs::create_dir(env.repo("conf")).unwrap();
    env.git(["mv", "params.yaml", "conf/capture.yaml"]).ok();
    named_by_all(&env, missing, "name it in dvc.yaml");
    edit(&env, "dvc.yaml", "stages:", "vars:\n  - conf/capture.yaml\nstages:");
    edit(
        &env,
        "dvc.yaml",
        "      - ingest_capture.run_dir\n      - ingest_capture.out_dir\n",
        "      - conf/capture.yaml:\n          - ingest_capture.run_dir\n          - ingest_capture.out_dir\n",
    );
    env.hook(["select", SECOND]).ok();
    env.git(["add", "-A"]).ok();
    env.git(["commit", "-q", "-m", "moved"]).ok();
    assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
    env.assert_committed();
}

/// H8: An encrypted params file, in the working tree or in git alone, is named.
#[test]
fn an_encrypted_params_file_is_named() {
    let env = TestEnv::committed();
    fs::write(env.repo("params.yaml"), b"\0GITCRYPT\0\x17\x9c\xfe\x01\x80ingest").unwrap();
    named_by_all(&env, "params.yaml is not text", "encrypted file must be unlocked");
    let output = env.git(["commit", "-q", "-am", "encrypted"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: params.yaml is not text: it is encrypted, or in another encoding than UTF-8
    hint: an encrypted file must be unlocked here, and hooks read what git holds of it: keep `ingest_capture` in a file that is not encrypted, and name that one in dvc.yaml (`vars`, and `params` of the stage)
    ");
    // Encrypted in git alone, by a filter: the working tree's file can be read, and the commit says the same.
    env.git(["checkout", "-q", "HEAD", "params.yaml"]).ok();
    let locked = env.script("lock.sh", "#!/bin/sh\nprintf '\\000LOCKED\\000'; cat | tr a-z b-za\n");
    let unlocked = env.script("unlock.sh", "#!/bin/sh\ntail -c +9 | tr b-za a-z\n");
    env.git(["config", "filter.crypt.clean", &locked]).ok();
    env.git(["config", "filter.crypt.smudge", &unlocked]).ok();
    fs::write(env.repo(".git/info/attributes"), "params.yaml filter=crypt\n").unwrap();
    env.hook(["select", SECOND]).ok();
    let output = env.git(["commit", "-q", "-am", "locked in git"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: params.yaml is not text: it is encrypted, or in another encoding than UTF-8
    hint: an encrypted file must be unlocked here, and hooks read what git holds of it: keep `ingest_capture` in a file that is not encrypted, and name that one in dvc.yaml (`vars`, and `params` of the stage)
    ");
}

/// H8: A parameter that the stage needs is named with its file, and `init` adds it.
#[test]
fn a_parameter_that_the_stage_lacks_is_named_with_its_file() {
    let env = TestEnv::committed();
    edit(&env, "params.yaml", "  out_dir: data/captures", "  other: x");
    let output = env.hook(["status"]).fails(3);
    assert_snapshot!(env.screen(&output), @"
    error: params.yaml has no ingest_capture.out_dir, which the stage `capture_ingest` of dvc.yaml uses
    hint: add what ingest_capture lacks: `capture-hook init`
    ");
    env.hook(["init"]).ok();
    env.hook(["status"]).ok();
}

/// H9: `frozen: true` stops a commit and `publish`, with both engines.
#[test]
fn a_frozen_stage_is_named() {
    for engine in ["dvc", "native"] {
        let env = TestEnv::committed();
        fs::write(env.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        edit(&env, "dvc.yaml", "    cmd: capture-hook ingest\n", "    cmd: capture-hook ingest\n    frozen: true\n");
        env.git(["add", "capture-hook.toml", "dvc.yaml"]).ok();
        env.git(["commit", "-q", "-m", "frozen"]).ok();
        let before = fs::read(env.repo("dvc.lock")).unwrap();
        env.select(SECOND);
        for output in [env.git(["commit", "-q", "-am", "x"]).fails(1), env.hook(["publish", "--no-push"]).fails(3)] {
            let words = "the stage `capture_ingest` is frozen in dvc.yaml";
            assert!(
                output.stderr.contains(words) && output.stderr.contains("remove `frozen: true` from dvc.yaml"),
                "{}",
                output.stderr
            );
        }
        assert_eq!(fs::read(env.repo("dvc.lock")).unwrap(), before);
        assert!(env.hook(["status"]).ok().stdout.contains("is frozen in dvc.yaml"));
        assert!(env.hook(["doctor"]).fails(1).stdout.contains("is frozen in dvc.yaml"));
        edit(&env, "dvc.yaml", "    frozen: true\n", "");
        env.git(["commit", "-q", "-am", "thawed"]).ok();
        assert_eq!(env.trailer("HEAD", "Capture-Run"), [SECOND], "{engine}");
    }
}

/// H9: `cache: false` at the dataset stops a commit; `status` and `doctor` name it.
#[test]
fn a_dataset_that_dvc_does_not_keep_is_named() {
    let env = TestEnv::committed();
    edit(&env, "dvc.yaml", "persist: true", "persist: true\n          cache: false");
    env.select(SECOND);
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: `data/captures` has `cache: false` in dvc.yaml: DVC keeps no copy of it, so it can be neither pushed nor checked out
    hint: remove `cache: false` from dvc.yaml, `git add dvc.yaml`, then run the same command again
    ");
    assert!(env.hook(["doctor"]).fails(1).stdout.contains("cache: false"));
    let output = env.hook(["status"]).ok();
    assert_snapshot!(env.screen(&output), @"
    demo/run-20260105-041 is selected
      recorded   yes  results/demo/run-20260105-041
      valid      yes  240 steps, 4 episodes
      ingested   no   `data/captures` has `cache: false` in dvc.yaml: DVC keeps no copy of it, so it can be neither pushed nor checked out
      committed  no   no known commit holds it as it is recorded now
      tagged     no   it is tagged when it is committed
      pushed     no   not committed yet
      workspace  yes  matches dvc.lock, files: 7
    next: capture-hook doctor
    --- stderr
    hint: sweep/run-20260106-041 is recorded, but in no commit; to commit it: `capture-hook publish sweep/run-20260106-041`
    hint: remove `cache: false` from dvc.yaml, `git add dvc.yaml`, then run the same command again
    ");
    edit(&env, "dvc.yaml", "\n          cache: false", "");
    env.git(["add", "dvc.yaml"]).ok();
    env.git(["commit", "-q", "-am", "kept"]).ok();
    assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
    env.assert_committed();
}

/// A `.venv` in the repository whose `dvc` names this interpreter.
fn venv(env: &TestEnv, interpreter: &str) -> String {
    fs::create_dir_all(env.repo(".venv/bin")).unwrap();
    fs::write(env.repo(".venv/pyvenv.cfg"), "home = /gone\n").unwrap();
    fs::write(env.repo(".git/info/exclude"), ".venv/\n").unwrap();
    env.script("repo/.venv/bin/dvc", &format!("#!{interpreter}\nfrom dvc.cli import main\nmain()\n"))
}

/// H10: A virtual environment whose Python is gone is passed over, or named if it is the only one.
#[test]
fn an_environment_whose_python_is_gone_is_named() {
    let mut env = TestEnv::committed();
    let gone = env.path("gone/bin/python3").to_str().unwrap().to_owned();
    let dvc = venv(&env, &gone);
    // Nobody is led into it: init names no program that cannot start.
    env.hook(["init"]).ok();
    env.git(["config", "--get", "capture-hook.dvc"]).fails(1);
    // One on PATH is passed over for the next.
    let path = env.get("PATH");
    env.set("PATH", &format!("{}:{path}", env.repo(".venv/bin").display()));
    env.commit_run(SECOND);
    let output = env.hook(["doctor"]);
    assert!(output.stdout.contains("its interpreter does not exist"), "{}", output.stdout);
    // One that is named, or the only one, is an error with the way out.
    let words = format!("cannot start {dvc}: its interpreter {gone} does not exist");
    env.git(["config", "capture-hook.dvc", &dvc]).ok();
    let output = env.hook(["doctor"]).fails(1);
    assert!(
        output.stdout.contains(&words) && output.stdout.contains("make its environment again"),
        "{}",
        output.stdout
    );
    env.select(FIRST);
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    dvc repro -s capture_ingest
    error: cannot start [env]/repo/.venv/bin/dvc: its interpreter [env]/gone/bin/python3 does not exist
    hint: make its environment again: `python3 -m venv --clear [env]/repo/.venv`, then `[env]/repo/.venv/bin/pip install dvc` and its other packages
    hint: or set another one: `git config capture-hook.dvc /path/to/dvc`
    ");
    // As pip writes scripts whose path is long.
    let text = format!("#!/bin/sh\n'''exec' \"{gone}\" \"$0\" \"$@\"\n' '''\n");
    fs::write(&dvc, text).unwrap();
    fs::set_permissions(&dvc, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(env.git(["commit", "-q", "-am", "x"]).fails(1).stderr.contains(&words));
    env.git(["config", "--unset", "capture-hook.dvc"]).ok();
    env.git(["commit", "-q", "-am", "the first run again"]).ok();
}

/// H10: A DVC in a virtual environment of another Python is named.
#[test]
fn an_environment_of_another_python_is_named() {
    let env = TestEnv::committed();
    let dvc = venv(&env, which("python3").to_str().unwrap());
    env.git(["config", "capture-hook.dvc", &dvc]).ok();
    env.select(SECOND);
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    assert!(output.stderr.contains("was made for another Python"), "{}", output.stderr);
}

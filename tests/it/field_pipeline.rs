//! Pipelines and programs as people have them: a params file that cannot be read, a stage that DVC does not run, an environment
//! whose Python is gone. Each is named, with the way out.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::hooks::select;
use crate::matrix::{FIRST, SECOND, clean, commit_run, committed, runs_in, script, trailer};
use crate::world::{World, which};

/// Edits a file of the repository.
fn edit(world: &World, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(world.repo(file)).unwrap();
    assert!(text.contains(from), "no {from:?} in\n{text}");
    fs::write(world.repo(file), text.replace(from, to)).unwrap();
}

/// Every command that reads the parameters says this of them, and changes nothing.
#[track_caller]
fn named_by_all(world: &World, error: &str, hint: &str) {
    let before = world.git(["status", "--porcelain"]).ok().out;
    let commands: [&[&str]; 6] =
        [&["status"], &["select", SECOND], &["publish", SECOND], &["ingest"], &["validate"], &["init"]];
    for command in commands {
        let said = world.hook(command).fails(3);
        assert!(said.err.starts_with(&format!("error: {error}")), "{command:?}: {}", said.all());
        assert!(said.err.contains(hint), "{command:?}: {}", said.all());
    }
    let said = world.hook(["doctor"]).fails(1);
    assert!(said.out.contains(error) && said.out.contains(hint), "{}", said.out);
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, before);
}

#[test]
fn a_params_file_that_is_not_there_is_named() {
    let world = committed();
    let missing = "params.yaml is not there";
    fs::remove_file(world.repo("params.yaml")).unwrap();
    named_by_all(&world, missing, "git restore");
    let said = world.git(["commit", "-q", "-am", "without it"]).fails(1);
    assert!(said.err.contains(missing) && said.err.contains("git restore"), "{}", said.err);
    let line =
        said.err.lines().find(|line| line.contains("git restore")).unwrap().split('`').nth(1).unwrap().to_owned();
    world.run_in("repo", "sh", ["-c", &line]).ok();
    clean(&world);
    // Moved: dvc.yaml is to name the new place, and then all goes on from there.
    fs::create_dir(world.repo("conf")).unwrap();
    world.git(["mv", "params.yaml", "conf/capture.yaml"]).ok();
    named_by_all(&world, missing, "name it in dvc.yaml");
    edit(&world, "dvc.yaml", "stages:", "vars:\n  - conf/capture.yaml\nstages:");
    edit(
        &world,
        "dvc.yaml",
        "      - ingest_capture.run_dir\n      - ingest_capture.out_dir\n",
        "      - conf/capture.yaml:\n          - ingest_capture.run_dir\n          - ingest_capture.out_dir\n",
    );
    world.hook(["select", SECOND]).ok();
    world.git(["add", "-A"]).ok();
    world.git(["commit", "-q", "-m", "moved"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    clean(&world);
}

#[test]
fn an_encrypted_params_file_is_named() {
    let world = committed();
    fs::write(world.repo("params.yaml"), b"\0GITCRYPT\0\x17\x9c\xfe\x01\x80ingest").unwrap();
    named_by_all(&world, "params.yaml is not text", "encrypted file must be unlocked");
    let said = world.git(["commit", "-q", "-am", "encrypted"]).fails(1);
    assert!(said.err.contains("params.yaml is not text"), "{}", said.err);
    // Encrypted in git alone, by a filter: the working tree's file can be read, and the commit says the same.
    world.git(["checkout", "-q", "HEAD", "params.yaml"]).ok();
    let locked = script(&world, "lock.sh", "#!/bin/sh\nprintf '\\000LOCKED\\000'; cat | tr a-z b-za\n");
    let unlocked = script(&world, "unlock.sh", "#!/bin/sh\ntail -c +9 | tr b-za a-z\n");
    world.git(["config", "filter.crypt.clean", &locked]).ok();
    world.git(["config", "filter.crypt.smudge", &unlocked]).ok();
    fs::write(world.repo(".git/info/attributes"), "params.yaml filter=crypt\n").unwrap();
    world.hook(["select", SECOND]).ok();
    let said = world.git(["commit", "-q", "-am", "locked in git"]).fails(1);
    assert!(said.err.contains("params.yaml is not text") && said.err.contains("what git holds of it"), "{}", said.err);
}

#[test]
fn a_parameter_that_the_stage_lacks_is_named_with_its_file() {
    let world = committed();
    edit(&world, "params.yaml", "  out_dir: data/captures", "  other: x");
    let said = world.hook(["status"]).fails(3);
    assert!(said.err.starts_with("error: params.yaml has no ingest_capture.out_dir"), "{}", said.err);
    assert!(said.err.contains("`capture-hook init`"), "{}", said.err);
    world.hook(["init"]).ok();
    world.hook(["status"]).ok();
}

#[test]
fn a_frozen_stage_is_named() {
    for engine in ["dvc", "native"] {
        let world = committed();
        fs::write(world.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        edit(&world, "dvc.yaml", "    cmd: capture-hook ingest\n", "    cmd: capture-hook ingest\n    frozen: true\n");
        world.git(["add", "capture-hook.toml", "dvc.yaml"]).ok();
        world.git(["commit", "-q", "-m", "frozen"]).ok();
        let before = fs::read(world.repo("dvc.lock")).unwrap();
        select(&world, SECOND);
        for said in [world.git(["commit", "-q", "-am", "x"]).fails(1), world.hook(["publish", "--no-push"]).fails(3)] {
            let words = "the stage `capture_ingest` is frozen in dvc.yaml";
            assert!(
                said.err.contains(words) && said.err.contains("take `frozen: true` out of dvc.yaml"),
                "{}",
                said.err
            );
        }
        assert_eq!(fs::read(world.repo("dvc.lock")).unwrap(), before);
        assert!(world.hook(["status"]).ok().out.contains("is frozen in dvc.yaml"));
        assert!(world.hook(["doctor"]).fails(1).out.contains("is frozen in dvc.yaml"));
        edit(&world, "dvc.yaml", "    frozen: true\n", "");
        world.git(["commit", "-q", "-am", "thawed"]).ok();
        assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND], "{engine}");
    }
}

#[test]
fn a_dataset_that_dvc_does_not_keep_is_named() {
    let world = committed();
    edit(&world, "dvc.yaml", "persist: true", "persist: true\n          cache: false");
    select(&world, SECOND);
    let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
    assert!(said.err.contains("`data/captures` has `cache: false`"), "{}", said.err);
    assert!(said.err.contains("take `cache: false` out of dvc.yaml"), "{}", said.err);
    assert!(world.hook(["doctor"]).fails(1).out.contains("cache: false"));
    let said = world.hook(["status"]).ok();
    assert!(said.out.contains("cache: false") && said.err.contains("take `cache: false` out"), "{}", said.all());
    edit(&world, "dvc.yaml", "\n          cache: false", "");
    world.git(["add", "dvc.yaml"]).ok();
    world.git(["commit", "-q", "-am", "kept"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    clean(&world);
}

/// A `.venv` in the repository whose `dvc` names this interpreter.
fn venv(world: &World, interpreter: &str) -> String {
    fs::create_dir_all(world.repo(".venv/bin")).unwrap();
    fs::write(world.repo(".venv/pyvenv.cfg"), "home = /gone\n").unwrap();
    fs::write(world.repo(".git/info/exclude"), ".venv/\n").unwrap();
    script(world, "repo/.venv/bin/dvc", &format!("#!{interpreter}\nfrom dvc.cli import main\nmain()\n"))
}

#[test]
fn an_environment_whose_python_is_gone_is_named() {
    let mut world = committed();
    let gone = world.path("gone/bin/python3").to_str().unwrap().to_owned();
    let dvc = venv(&world, &gone);
    // Nobody is led into it: init names no program that cannot start.
    world.hook(["init"]).ok();
    world.git(["config", "--get", "capture-hook.dvc"]).fails(1);
    // One on PATH is passed over for the next.
    let path = world.get("PATH");
    world.set("PATH", &format!("{}:{path}", world.repo(".venv/bin").display()));
    commit_run(&world, SECOND);
    let said = world.hook(["doctor"]);
    assert!(said.out.contains("its interpreter is not there"), "{}", said.out);
    // One that is named, or the only one, is an error with the way out.
    let words = format!("{dvc} cannot be started: its interpreter {gone} is not there");
    world.git(["config", "capture-hook.dvc", &dvc]).ok();
    let said = world.hook(["doctor"]).fails(1);
    assert!(said.out.contains(&words) && said.out.contains("make its environment anew"), "{}", said.out);
    select(&world, FIRST);
    let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
    assert!(said.err.contains(&words) && said.err.contains("make its environment anew"), "{}", said.err);
    // As pip writes scripts whose path is long.
    let text = format!("#!/bin/sh\n'''exec' \"{gone}\" \"$0\" \"$@\"\n' '''\n");
    fs::write(&dvc, text).unwrap();
    fs::set_permissions(&dvc, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(world.git(["commit", "-q", "-am", "x"]).fails(1).err.contains(&words));
    world.git(["config", "--unset", "capture-hook.dvc"]).ok();
    world.git(["commit", "-q", "-am", "the first run again"]).ok();
}

#[test]
fn an_environment_of_another_python_is_named() {
    let world = committed();
    let dvc = venv(&world, which("python3").to_str().unwrap());
    world.git(["config", "capture-hook.dvc", &dvc]).ok();
    select(&world, SECOND);
    let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
    assert!(said.err.contains("was made for another Python"), "{}", said.err);
}

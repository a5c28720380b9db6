//! Remotes as people have them: that lost data, were replaced, are not mounted, that no commit names, that DVC cannot reach. A
//! screen says what is so, and the next command that it names is one that works.

use std::fs;

use crate::field_data::{clone, do_next, next, pushed, some_object, status, step};
use crate::matrix::{FIRST, SECOND, commit_run, committed, runs_in};
use crate::tools;
use crate::world::{World, files};

/// 12-54, 12-31: what the DVC remote lost, or a new one lacks, is sent by the command that is named.
#[test]
fn a_remote_that_lost_data_gets_it_again_by_the_command_that_is_named() {
    let world = pushed("native");
    commit_run(&world, SECOND);
    world.git(["push", "-q", "origin", "main"]).ok();
    assert_eq!(next(&world), None);
    fs::remove_file(some_object(&world, "dvc-remote")).unwrap();
    assert_eq!(step(&world, "repo", "pushed").0, "pending");
    do_next(&world);
    assert_eq!(next(&world), None);
    world.hook(["check", "--remote"]).ok();
    // The sibling: another remote in its place, and empty. The data of older commits is asked for by itself.
    fs::create_dir(world.path("another")).unwrap();
    world.dvc(["remote", "modify", "--local", "storage", "url", world.path("another").to_str().unwrap()]).ok();
    assert_eq!(next(&world).as_deref(), Some("capture-hook push"));
    let said = world.hook(["push"]).ok();
    assert!(said.err.contains("`capture-hook push --all`"), "{}", said.err);
    assert_eq!(next(&world), None);
    let said = world.hook(["check", "--remote"]).fails(1);
    assert!(
        said.out.contains("`capture-hook push ") && said.err.contains("`capture-hook push --all`"),
        "{}",
        said.all()
    );
    world.hook(["push", "--all"]).ok();
    world.hook(["check", "--remote"]).ok();
    // What this clone does not have either is not asked of it.
    let object = some_object(&world, "another");
    fs::remove_file(&object).unwrap();
    fs::remove_file(world.repo(".dvc/cache").join(object.strip_prefix(world.path("another")).unwrap())).unwrap();
    assert_eq!(next(&world), None);
    assert!(step(&world, "repo", "pushed").1.contains("nor in this clone"));
    let said = world.hook(["check", "--remote"]).fails(1);
    assert!(said.out.contains("nor in this clone: "), "{}", said.out);
}

/// 12-54: a directory remote that is not mounted is called absent, and nothing is sent to where it was.
#[test]
fn a_remote_that_is_not_mounted_is_called_absent_and_not_made_anew() {
    let world = pushed("native");
    clone(&world, "fresh");
    let (remote, away) = (world.path("dvc-remote"), world.path("unplugged"));
    fs::rename(&remote, &away).unwrap();
    let absent = format!("{} of the DVC remote `storage` is not there", remote.display());
    commit_run(&world, SECOND);
    let stopped = |dir: &str, code: i32, args: &[&str]| {
        let said = world.run_in(dir, args[0], &args[1..]).fails(code);
        assert!(said.all().contains(&absent) && said.all().contains("mount it"), "{args:?}: {}", said.all());
        assert!(!remote.exists(), "{args:?}");
    };
    stopped("repo", 1, &["git", "push", "-q", "origin", "main"]);
    stopped("repo", 3, &["capture-hook", "push"]);
    stopped("repo", 1, &["capture-hook", "check", "--remote"]);
    stopped("fresh", 4, &["capture-hook", "pull"]);
    let (state, detail) = step(&world, "repo", "pushed");
    assert!(state == "pending" && detail.contains(&absent), "{detail}");
    assert_eq!(next(&world), None);
    assert!(!world.hook(["status"]).ok().out.contains("nothing to do"));
    // A clone that never saw it: git's remote has data, so that DVC's has, too.
    fs::write(world.path("fresh/words.txt"), "x").unwrap();
    world.hook_in("fresh", ["install"]).ok();
    stopped("fresh", 3, &["capture-hook", "push"]);
    // The sibling: the empty directory that a share is mounted on.
    fs::create_dir(&remote).unwrap();
    let said = world.git(["push", "-q", "origin", "main"]).fails(1);
    assert!(said.err.contains("is empty, and data was in it before"), "{}", said.err);
    assert!(files(&remote).is_empty());
    fs::remove_dir(&remote).unwrap();
    fs::rename(&away, &remote).unwrap();
    world.git(["push", "-q", "origin", "main"]).ok();
    assert_eq!(next(&world), None);
    // Meant to begin anew, it does, by the command that was named.
    fs::remove_dir_all(&remote).unwrap();
    let status = status(&world, "repo");
    let notes: Vec<&str> = status["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    let hint = notes.iter().find(|note| note.contains("mkdir -p")).unwrap();
    let command = hint.split('`').nth(1).unwrap();
    world.run_in("repo", "sh", ["-c", command]).ok();
    world.hook(["check", "--remote"]).ok();
}

/// The sibling: a remote that nobody has sent anything to is made by the first push.
#[test]
fn a_new_remote_is_made_by_the_first_push() {
    let world = committed();
    fs::remove_dir_all(world.path("dvc-remote")).unwrap();
    world.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    assert!(step(&world, "repo", "pushed").1.contains("data: on the DVC remote"));
}

/// 12-60: data that did not go with a push is not said to have gone.
#[test]
fn data_of_a_stopped_push_is_not_said_to_be_pushed() {
    let world = pushed("native");
    world.dvc(["remote", "modify", "--local", "storage", "url", "http://127.0.0.1:9/data"]).ok();
    commit_run(&world, SECOND);
    world.git(["push", "-q", "origin", "main"]).fails(1);
    let (state, detail) = step(&world, "repo", "pushed");
    assert_eq!((state.as_str(), detail.as_str()), ("pending", "data: goes with the push; git: not pushed"));
    // Nor is it an error without a command to type.
    let said = world.hook(["check", "--remote"]).fails(1);
    assert!(said.err.contains("hint: `capture-hook push --all`"), "{}", said.err);
    // The sibling: git was pushed all the same.
    world.git(["push", "-q", "--no-verify", "origin", "main"]).ok();
    let (state, detail) = step(&world, "repo", "pushed");
    assert!(state == "unknown" && detail.contains("not known to be on the DVC remote"), "{detail}");
}

/// 12-48: data whose size nobody knows is not called nothing.
#[test]
fn data_that_is_not_here_is_counted_or_its_size_unknown() {
    let world = pushed("native");
    commit_run(&world, SECOND);
    world.git(["push", "-q", "origin", "main"]).ok();
    let away = world.path("away");
    fs::create_dir(&away).unwrap();
    // The remote holds the selected run alone, and the data version is as large as that.
    for file in files(&world.repo("data/captures").join(FIRST)) {
        let md5 = world.run_in(".", "md5sum", [file.to_str().unwrap()]).ok().out;
        let object = world.path("dvc-remote/files/md5").join(&md5[..2]).join(&md5[2..32]);
        fs::rename(&object, away.join(&md5[..32])).unwrap();
    }
    let lock = fs::read_to_string(world.repo("dvc.lock")).unwrap();
    let line = lock.lines().find(|line| line.trim().starts_with("size: ")).unwrap();
    fs::write(world.repo("dvc.lock"), lock.replace(line.trim(), "size: 0")).unwrap();
    world.git(["commit", "-q", "--no-verify", "-am", "a size"]).ok();
    world.git(["push", "-q", "--no-verify", "origin", "main"]).ok();
    let template = world.path("template/hooks");
    fs::create_dir_all(&template).unwrap();
    fs::copy(world.repo(".git/hooks/post-checkout"), template.join("post-checkout")).unwrap();
    let settings = fs::read_to_string(world.repo(".dvc/config.local")).unwrap();
    fs::create_dir_all(world.path("home/.config/dvc")).unwrap();
    fs::write(world.path("home/.config/dvc/config"), settings).unwrap();
    let template = format!("--template={}", world.path("template").display());
    let said = world.git_in(".", ["clone", "-q", &template, "origin.git", "clone"]).ok();
    assert!(said.err.contains("files (size unknown)") && !said.err.contains("0 bytes"), "{}", said.err);
}

/// 12-56: a remote that stands in an uncommitted `.dvc/config` alone is told with every push of data, and by `status`, with the
/// command that mends it.
#[test]
fn a_remote_that_no_commit_names_is_told_with_every_push() {
    let world = committed();
    let remote = world.path("dvc-remote");
    fs::remove_file(world.repo(".dvc/config.local")).unwrap();
    let said = world.hook(["init"]).ok();
    assert!(said.err.contains("data stays on this machine") && said.err.contains("init --remote URL"), "{}", said.err);
    world.hook(["init", "--remote", remote.to_str().unwrap()]).ok();
    let told =
        |said: &str| said.contains("nobody else finds the data") && said.contains("git add .dvc/config && git commit");
    let said = world.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    assert!(told(&said.err), "{}", said.err);
    let said = world.hook(["status"]).ok();
    assert!(told(&said.err), "{}", said.err);
    assert!(world.hook(["doctor"]).ok().out.contains("nobody else finds the data"));
    world
        .run_in("repo", "sh", ["-c", "git add .dvc/config && git commit -m 'Name the DVC remote' -- .dvc/config"])
        .ok();
    assert!(!told(&world.hook(["status"]).ok().err));
    commit_run(&world, SECOND);
    let said = world.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    assert!(!told(&said.err), "{}", said.err);
    // The sibling: another address than the commit's; and a remote of this clone's own is its user's affair.
    fs::create_dir(world.path("another")).unwrap();
    world.dvc(["remote", "modify", "storage", "url", world.path("another").to_str().unwrap()]).ok();
    assert!(told(&world.hook(["push"]).ok().err));
    world.git(["checkout", "-q", ".dvc/config"]).ok();
    world.dvc(["remote", "modify", "--local", "storage", "url", world.path("another").to_str().unwrap()]).ok();
    assert!(!told(&world.hook(["push"]).ok().err));
}

/// 12-59: another remote than the default one is not ignored: `init` names the one that is set, and what changes it.
#[test]
fn init_with_another_remote_fails_and_names_the_one_that_is_set() {
    let world = World::with_project();
    let config = fs::read_to_string(world.repo(".dvc/config")).unwrap();
    fs::remove_file(world.repo(".gitattributes")).unwrap();
    let said = world.hook(["init", "--remote", "../new"]).fails(2);
    let old = world.path("dvc-remote");
    assert!(said.err.contains(&format!("`storage` already, at {}", old.display())), "{}", said.err);
    assert!(!world.repo(".gitattributes").exists(), "nothing was set up");
    let command = said.err.split('`').find(|part| part.starts_with("dvc remote modify")).unwrap().to_owned();
    assert_eq!(fs::read_to_string(world.repo(".dvc/config")).unwrap(), config);
    world.run_in("repo", "sh", ["-c", &command]).ok();
    assert!(fs::read_to_string(world.repo(".dvc/config")).unwrap().contains("url = ../../new"));
    // Then it is the one that is asked for; with a slash at its end, too.
    world.hook(["init", "--remote", "../new/"]).ok();
    // The sibling: one of this clone's own settings; one of the user's is no obstacle.
    world.dvc(["remote", "add", "-q", "--local", "-d", "mine", "../mine"]).ok();
    let said = world.hook(["init", "--remote", "../new"]).fails(2);
    assert!(
        said.err.contains("`mine` already") && said.err.contains("dvc remote modify --local mine url"),
        "{}",
        said.err
    );
    fs::remove_file(world.repo(".dvc/config.local")).unwrap();
    fs::write(world.repo(".dvc/config"), "").unwrap();
    let global = world.path("home/.config/dvc/config");
    fs::create_dir_all(global.parent().unwrap()).unwrap();
    fs::write(&global, "[core]\n    remote = lab\n['remote \"lab\"']\n    url = /lab\n").unwrap();
    world.hook(["init", "--remote", "../new"]).ok();
    assert!(fs::read_to_string(world.repo(".dvc/config")).unwrap().contains("remote = storage"));
}

/// 12-33: a relative remote is written as DVC writes one, so that clones find it beside themselves.
#[test]
fn a_relative_remote_is_found_from_every_clone_beside_it() {
    let world = committed();
    fs::remove_file(world.repo(".dvc/config.local")).unwrap();
    fs::create_dir_all(world.repo("sub/deep")).unwrap();
    world.hook_in("repo/sub/deep", ["init", "--remote", "../../../store"]).ok();
    let config = fs::read_to_string(world.repo(".dvc/config")).unwrap();
    assert!(config.contains("url = ../../store\n"), "{config}");
    world.git(["commit", "-q", "-am", "A remote beside the clones"]).ok();
    world.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    assert!(world.path("store/files/md5").is_dir());
    world.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
    world.hook_in("clone", ["pull"]).ok();
    assert_eq!(runs_in(&world, "clone"), [FIRST]);
    // The sibling: a linked worktree at another depth finds what the main working tree finds, DVC too.
    world.git(["worktree", "add", "-q", "-b", "other", "../trees/deep/one"]).ok();
    fs::remove_dir_all(world.repo(".dvc/cache")).unwrap();
    fs::remove_dir_all(world.path("trees/deep/one/data/captures")).unwrap();
    world.hook_in("trees/deep/one", ["pull"]).ok();
    assert_eq!(runs_in(&world, "trees/deep/one"), [FIRST]);
    assert!(world.dvc_in("trees/deep/one", ["status", "--cloud"]).ok().out.contains("in sync"));
    assert!(!world.path("trees/store").exists() && !world.path("trees/deep/store").exists());
}

/// 12-45: a kind of remote that DVC lacks the package for is told by `init` and `doctor`, with the command that installs it.
#[test]
fn a_remote_that_dvc_cannot_reach_is_told_with_the_package_it_lacks() {
    let world = committed();
    let pip = tools::dvc_bin().canonicalize().unwrap().join("pip");
    fs::remove_file(world.repo(".dvc/config.local")).unwrap();
    let said = world.hook(["init", "--remote", "ssh://host/captures"]).ok();
    let command = format!("{} install dvc-ssh", pip.display());
    assert!(said.err.contains("DVC lacks dvc-ssh") && said.err.contains(&command), "{}", said.err);
    let said = world.hook(["doctor"]).fails(1);
    assert!(said.out.contains("cannot reach without dvc-ssh") && said.out.contains(&command), "{}", said.out);
    // The sibling: whoever pushes all the same is told, too; a kind that DVC brings along is no fault.
    let said = world.git(["push", "-q", "origin", "main"]).fails(1);
    assert!(said.err.contains("dvc-ssh"), "{}", said.err);
    world.dvc(["remote", "modify", "storage", "url", "https://127.0.0.1:9/x"]).ok();
    assert!(!world.hook(["doctor"]).ok().out.contains("without dvc-"));
}

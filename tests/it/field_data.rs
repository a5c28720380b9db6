//! Data and remotes as people have them: files of the dataset changed by hand, remotes that lost data, were replaced or are
//! not mounted, clones without data. A screen says what is so, and the next command that it names is one that works.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::matrix::{FIRST, SECOND, commit_run, committed, runs_in};
use crate::tools;
use crate::world::{World, files};

/// The prepared project, its data pushed. With the native engine, where the point is not what DVC does.
fn pushed(engine: &str) -> World {
    let world = committed();
    fs::write(world.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
    world.git(["add", "capture-hook.toml"]).ok();
    world.git(["commit", "-q", "-m", "An engine"]).ok();
    world.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    world
}

fn status(world: &World, dir: &str) -> Value {
    serde_json::from_str(&world.hook_in(dir, ["--json", "status"]).ok().out).unwrap()
}

/// A clone at `dir`, as a colleague makes one: the DVC remote is known, no data has come.
fn clone(world: &World, dir: &str) {
    world.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    world.git_in(".", ["clone", "-q", "origin.git", dir]).ok();
    let settings = fs::read_to_string(world.repo(".dvc/config.local")).unwrap();
    fs::write(world.path(dir).join(".dvc/config.local"), settings).unwrap();
}

/// How a step of `status` stands, and in which words.
fn step(world: &World, dir: &str, name: &str) -> (String, String) {
    let status = status(world, dir);
    let steps = status["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("no {name} in {status}"));
    (step["state"].as_str().unwrap().to_owned(), step["detail"].as_str().unwrap().to_owned())
}

/// What `status` says to type next.
fn next(world: &World) -> Option<String> {
    status(world, "repo")["next"].as_str().map(str::to_owned)
}

/// Gives a file other bytes, as a program does that writes it anew.
fn rewrite(file: &Path, bytes: &[u8]) {
    fs::remove_file(file).unwrap();
    fs::write(file, bytes).unwrap();
}

/// 12-53: a changed file of the dataset, of the same size or another, is told by `status`, `verify` and `pull`, and replaced
/// only by `pull --force`, with either engine.
#[test]
fn a_changed_file_of_the_dataset_is_told_and_replaced_on_request() {
    for engine in ["dvc", "native"] {
        let world = pushed(engine);
        assert_eq!(step(&world, "repo", "workspace").0, "done");
        let name = format!("{FIRST}/run.json");
        let file = world.repo("data/captures").join(&name);
        let was = fs::read(&file).unwrap();
        let mut same_size = was.clone();
        same_size[was.len() / 2] ^= 1;
        for other in [same_size.as_slice(), b"{}"] {
            rewrite(&file, other);
            assert_eq!(step(&world, "repo", "workspace"), ("pending".into(), format!("changed: {name}")));
            assert_eq!(next(&world).as_deref(), Some("capture-hook pull --force"));
            let said = world.hook(["verify"]).fails(1);
            assert!(said.err.contains("`capture-hook pull --force`"), "{}", said.err);
            for runs in [&[][..], &[FIRST]] {
                let said = world.hook([&["pull"], runs].concat()).fails(1);
                assert!(said.err.contains(&name) && said.err.contains("capture-hook pull --force"), "{}", said.err);
                assert!(!said.err.lines().any(|line| line.starts_with("the dataset is")), "{}", said.err);
                assert_eq!(fs::read(&file).unwrap(), other);
            }
            world.hook(["pull", "--force"]).ok();
            assert_eq!(fs::read(&file).unwrap(), was);
            world.hook(["verify"]).ok();
            assert_eq!(step(&world, "repo", "workspace").0, "done");
        }
        assert_eq!(next(&world), None);
    }
}

/// The sibling: a file written through its hard link into DVC's cache, one that was added to a run, and one that is gone. What
/// is committed comes back, from the remote too; a run that is in no commit stays.
#[test]
fn a_cache_that_was_written_through_is_mended_by_a_forced_pull() {
    let world = pushed("native");
    let local = fs::read_to_string(world.repo(".dvc/config.local")).unwrap();
    fs::write(world.repo(".dvc/config.local"), local.replace("type = copy", "type = hardlink")).unwrap();
    let data = world.repo("data/captures");
    let (file, gone, added) =
        (format!("{FIRST}/steps.jsonl.gz"), format!("{FIRST}/run.json"), format!("{FIRST}/x.txt"));
    let was = fs::read(data.join(&file)).unwrap();
    fs::remove_dir_all(data.join(FIRST)).unwrap();
    world.hook(["pull"]).ok();
    fs::set_permissions(data.join(&file), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(data.join(&file), "short").unwrap();
    fs::remove_file(data.join(&gone)).unwrap();
    fs::write(data.join(&added), "x").unwrap();
    fs::create_dir_all(data.join("mine/r1")).unwrap();
    fs::write(data.join("mine/r1/notes.txt"), "x").unwrap();
    assert_eq!(step(&world, "repo", "workspace").1, format!("changed: {file}; added: {added}; missing: {gone}"));
    let said = world.hook(["--json", "pull"]).fails(1);
    let pulled: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(pulled["pulled"][0]["unsaved"], serde_json::json!([file, added]));
    assert!(data.join(&gone).is_file() && data.join(&added).is_file());
    world.hook(["pull", "--force", FIRST]).ok();
    assert_eq!(fs::read(data.join(&file)).unwrap(), was);
    assert!(!data.join(&added).exists() && data.join("mine/r1/notes.txt").is_file());
    world.hook(["verify", FIRST]).ok();
    world.hook(["verify", "--rev", "HEAD"]).ok();
    assert_eq!(step(&world, "repo", "workspace").0, "done");
}

/// The sibling: links into a cache that was emptied, and that `pull` fills again.
#[test]
fn links_into_an_emptied_cache_are_missing_and_come_back() {
    let world = pushed("native");
    let local = fs::read_to_string(world.repo(".dvc/config.local")).unwrap();
    fs::write(world.repo(".dvc/config.local"), local.replace("type = copy", "type = symlink")).unwrap();
    fs::remove_dir_all(world.repo("data/captures").join(FIRST)).unwrap();
    world.hook(["pull"]).ok();
    fs::remove_dir_all(world.repo(".dvc/cache/files")).unwrap();
    world.hook(["pull"]).ok();
    world.hook(["verify"]).ok();
    for object in files(&world.repo(".dvc/cache/files")).iter().filter(|path| path.extension().is_none()) {
        fs::remove_file(object).unwrap();
    }
    let (_, detail) = step(&world, "repo", "workspace");
    assert!(detail.starts_with("missing: "), "{detail}");
    do_next(&world);
    world.hook(["verify"]).ok();
    assert_eq!(next(&world), None);
}

/// 12-55: `verify` in a clone without data says that nothing was verified, and never reads like damage.
#[test]
fn verify_in_a_fresh_clone_verifies_nothing_and_says_so() {
    let world = pushed("native");
    commit_run(&world, SECOND);
    clone(&world, "fresh");
    for (args, hint) in [
        (&["verify"][..], "`capture-hook pull`"),
        (&["verify", FIRST], &*format!("`capture-hook pull {FIRST}`")),
        (&["verify", "--rev", "HEAD"], "--rev HEAD`"),
    ] {
        let said = world.hook_in("fresh", args).fails(3);
        assert_eq!(said.out, "");
        assert!(
            said.err.contains("not in this clone: nothing was verified") && said.err.contains(hint),
            "{}",
            said.err
        );
    }
    assert_eq!(step(&world, "fresh", "workspace").0, "unknown");
    // With a part of it, the list of files among it: what is here is right, of the rest a line a run.
    world.hook_in("fresh", ["pull", SECOND]).ok();
    world.hook_in("fresh", ["verify", SECOND]).ok();
    world.hook_in("fresh", ["verify", FIRST]).fails(3);
    let said = world.hook_in("fresh", ["verify"]).fails(1);
    assert!(
        said.out.starts_with(&format!(
            "missing    {FIRST}/: nothing of the run is in the workspace\n1 finding in 1 run; read: 1 run, "
        )),
        "{}",
        said.out
    );
    assert!(said.err.contains("`capture-hook pull`") && !said.err.contains("--force"), "{}", said.err);
    assert!(step(&world, "fresh", "workspace").1.starts_with("1 of 2 runs"));
    world.hook_in("fresh", ["pull"]).ok();
    world.hook_in("fresh", ["verify"]).ok();
}

/// The sibling: what the cache holds of an older revision, and a dataset of which the list of files alone is gone.
#[test]
fn verify_tells_what_is_not_known_from_what_is_wrong() {
    let world = pushed("native");
    commit_run(&world, SECOND);
    let said = world.hook(["verify", "--rev", "HEAD~1", SECOND]).fails(3);
    assert!(said.err.contains(&format!("does not hold {SECOND}")), "{}", said.err);
    for list in files(&world.repo(".dvc/cache/files/md5")).iter().filter(|path| path.extension().is_some()) {
        fs::remove_file(list).unwrap();
    }
    world.hook(["verify"]).ok();
    fs::remove_dir_all(world.repo("data/captures").join(FIRST)).unwrap();
    let said = world.hook(["verify"]).fails(1);
    assert!(said.out.contains("list of files is not in this clone"), "{}", said.out);
    assert!(said.err.contains("`capture-hook pull` fetches the list"), "{}", said.err);
    // An object of the cache that is damaged is named, and mended by what is advised.
    let world = pushed("native");
    let object = some_object(&world, "repo/.dvc/cache");
    fs::remove_file(&object).unwrap();
    fs::write(&object, "rotten").unwrap();
    let said = world.hook(["verify", "--rev", "HEAD"]).fails(1);
    assert!(said.out.contains(object.to_str().unwrap()), "{}", said.out);
    let commands: Vec<&str> = said.err.split('`').skip(1).step_by(2).collect();
    assert!(commands.len() == 2 && commands[0].starts_with("rm -f "), "{}", said.err);
    world.run_in("repo", "sh", ["-c", commands[0]]).ok();
    world.run_in("repo", "sh", ["-c", &format!("{} -o ../got", commands[1])]).ok();
    world.hook(["verify", "--rev", "HEAD"]).ok();
    // What was committed wrongly is not mended by bringing it back.
    let world = pushed("native");
    let parquet = world.repo("data/captures").join(FIRST).join("steps.parquet");
    rewrite(&parquet, &fs::read(parquet.with_file_name("episodes.parquet")).unwrap());
    world.dvc(["commit", "-q", "-f", "capture_ingest"]).ok();
    let said = world.hook(["verify"]).fails(1);
    assert!(said.err.contains("as they were committed") && !said.err.contains("pull"), "{}", said.err);
}

/// Runs the command that `status` names, in a shell as a user does.
fn do_next(world: &World) {
    let next = next(world).unwrap();
    world.run_in("repo", "sh", ["-c", &next]).ok();
}

/// An object of the DVC remote at `dir` that is no list of files.
fn some_object(world: &World, dir: &str) -> std::path::PathBuf {
    let mut objects = files(&world.path(dir).join("files/md5"));
    objects.retain(|path| path.extension().is_none());
    objects.sort();
    objects.remove(0)
}

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

/// 12-62: a pipeline with metrics and plots of its own shows runs in `dvc metrics` and `dvc plots`, beside its own.
#[test]
fn metrics_of_ones_own_stand_beside_those_of_runs() {
    let world = World::new();
    world.git_in(".", ["init", "-q", "repo"]).ok();
    world.dvc(["init", "-q"]).ok();
    let own = "# mine\nmetrics:\n- m.json # keep\nplots:\n- p.csv:\n    x: a\n";
    fs::write(world.repo("dvc.yaml"), own).unwrap();
    fs::write(world.repo("m.json"), "{\"loss\": 1}").unwrap();
    fs::write(world.repo("p.csv"), "a,b\n1,2\n").unwrap();
    let said = world.hook(["init"]).ok();
    assert!(!said.err.contains("by hand") && !said.err.contains("add `- "), "{}", said.err);
    world.git(["add", "-A"]).ok();
    world.git(["commit", "-q", "-m", "set up"]).ok();
    let key = world.record("ok-head01");
    world.hook(["select", &key]).ok();
    world.git(["commit", "-q", "-am", "A run"]).ok();
    let metrics: Value = serde_json::from_str(&world.dvc(["metrics", "show", "--json"]).ok().out).unwrap();
    let data = &metrics[""]["data"];
    assert_eq!(data["m.json"]["data"]["loss"], 1, "{metrics}");
    assert_eq!(data["metrics/capture.json"]["data"]["run"], key.as_str(), "{metrics}");
    let plots = world.dvc(["plots", "diff", "--json"]).ok().out;
    assert!(plots.contains("p.csv") && plots.contains("Reward so far"), "{plots}");
}

/// The sibling: where nothing can be added without changing what is there, `init` says what to add; so too for a pipeline that
/// has the stage already. What it says, works.
#[test]
fn what_cannot_be_added_to_metrics_is_said() {
    let world = World::with_project();
    let text = fs::read_to_string(world.repo("dvc.yaml")).unwrap();
    let stage = &text[..text.find("metrics:\n").unwrap()];
    let words = "add `- metrics/capture.json` under `metrics:`";
    for (text, told) in [
        (format!("{stage}metrics:\n- m.json\n"), true),
        ("metrics:\n".to_owned(), true),
        (format!("{stage}metrics:\n- m.json\n- metrics/capture.json\n"), false),
    ] {
        fs::write(world.repo("dvc.yaml"), &text).unwrap();
        let said = world.hook(["init"]).ok();
        assert_eq!(said.err.contains(words), told, "{text}: {}", said.err);
    }
    let key = world.record("ok-head01");
    world.hook(["select", &key]).ok();
    fs::write(world.repo("m.json"), "{}").unwrap();
    world.git(["add", "m.json"]).ok();
    world.git(["commit", "-q", "-am", "A run"]).ok();
    assert!(world.dvc(["metrics", "show", "--json"]).ok().out.contains(&key));
}

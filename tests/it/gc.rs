//! `gc`: what nothing needs any more goes, by name, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use crate::env::{FIRST, SECOND, TestEnv, files};
use crate::forget::{object, objects_of};
use crate::s3;

/// The objects in a cache or a remote, as paths from its top.
pub fn objects(store: &Path) -> BTreeSet<String> {
    let inner = |path: &Path| path.strip_prefix(store).unwrap().to_str().unwrap().to_owned();
    files(store).iter().map(|path| inner(&store.join(path))).filter(|path| path.starts_with("files/md5/")).collect()
}

fn cached(env: &TestEnv) -> BTreeSet<String> {
    objects(&env.repo(".dvc/cache"))
}

pub fn plan(env: &TestEnv, args: &[&str]) -> Value {
    let output = env.hook([&["--json", "gc"], args].concat()).ok();
    serde_json::from_str(&output.stdout).unwrap()
}

fn runs(plan: &Value) -> Vec<&str> {
    plan["runs"].as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap()).collect()
}

/// Forgets the last commit, its tag and its data version, as a user does who starts over.
fn drop_last_commit(env: &TestEnv) {
    let tags = env.git(["tag", "--points-at", "HEAD"]).ok().stdout;
    for tag in tags.lines() {
        env.git(["tag", "-d", tag]).ok();
    }
    env.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    env.hook(["pull"]).ok();
}

#[test]
fn a_run_of_no_commit_goes_by_name_and_only_on_request() {
    let env = TestEnv::two_versions("copy");
    assert_eq!(runs(&plan(&env, &["--keep", "0"])), [""; 0], "all is needed");
    let before = cached(&env);
    drop_last_commit(&env);
    // The reflog still has it.
    let recent = plan(&env, &[]);
    assert_eq!((runs(&recent), recent["removed"]["objects"].as_u64()), (vec![], Some(0)));
    let planned = plan(&env, &["--keep", "0"]);
    assert_eq!(runs(&planned), [SECOND], "{planned:#}");
    assert_eq!(planned["runs"][0]["commits"].as_array().unwrap().len(), 1);
    assert_eq!(cached(&env), before, "a plan removes nothing");
    let text = env.hook(["gc", "--keep", "0"]).ok();
    assert!(text.stdout.contains(SECOND) && text.stderr.contains("--yes"), "{}", text.both());

    let done = plan(&env, &["--keep", "0", "--yes"]);
    assert_eq!((runs(&done), done["done"].as_bool()), (vec![SECOND], Some(true)));
    let gone = before.difference(&cached(&env)).count() as u64;
    assert_eq!(gone, done["removed"]["objects"].as_u64().unwrap());
    assert_eq!(env.hook(["verify"]).ok().code, 0);
    env.assert_committed();
    assert_eq!(plan(&env, &["--keep", "0"])["removed"]["objects"], 0);
}

#[test]
fn everything_that_git_keeps_keeps_data() {
    let env = TestEnv::two_versions("copy");
    let head = env.id("HEAD");
    let keep = |env: &TestEnv, what: &str| {
        assert_eq!(runs(&plan(env, &["--keep", "0"])), [""; 0], "{what}");
    };
    drop_last_commit(&env);
    env.git(["reflog", "expire", "--expire=all", "--all"]).ok();
    assert_eq!(runs(&plan(&env, &["--keep", "0"])), [SECOND]);
    for name in ["refs/heads/b", "refs/tags/t", "refs/remotes/origin/b", "refs/notes/n", "refs/odd/x"] {
        env.git(["update-ref", name, &head]).ok();
        keep(&env, name);
        env.git(["update-ref", "-d", name]).ok();
    }
    let tree = format!("{head}^{{tree}}");
    for object in [tree.as_str(), &format!("{head}:dvc.lock")] {
        env.git(["tag", "t", object]).ok();
        keep(&env, object);
        env.git(["tag", "-d", "t"]).ok();
    }
    for name in ["MERGE_HEAD", "CHERRY_PICK_HEAD", "rebase-merge/orig-head", "sequencer/todo"] {
        let path = env.repo(".git").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{head}\n")).unwrap();
        keep(&env, name);
        fs::remove_file(&path).unwrap();
    }
    let _ = fs::remove_dir_all(env.repo(".git/rebase-merge"));
    let lockfile = env.git(["show", &format!("{head}:dvc.lock")]).ok().stdout;
    let now = fs::read(env.repo("dvc.lock")).unwrap();
    // In the working tree, under any name and in any directory; not parsable; in the index; in a stash; in a linked tree.
    for (path, text) in [
        ("dvc.lock", lockfile.clone()),
        ("sub/dvc.lock", lockfile.clone()),
        ("old.dvc", lockfile.clone()),
        ("sub/half.dvc", format!("<<<<<<< x\n{lockfile}\n=======\n")),
    ] {
        fs::create_dir_all(env.repo("sub")).unwrap();
        fs::write(env.repo(path), text).unwrap();
        keep(&env, path);
        if path != "dvc.lock" {
            fs::remove_file(env.repo(path)).unwrap();
        }
    }
    env.git(["add", "dvc.lock"]).ok();
    fs::write(env.repo("dvc.lock"), &now).unwrap();
    keep(&env, "index");
    env.git(["stash", "-q"]).ok();
    keep(&env, "stash");
    fs::write(env.repo("note"), "x").unwrap();
    env.git(["add", "note"]).ok();
    env.git(["stash", "-q"]).ok();
    keep(&env, "an older stash");
    env.git(["stash", "clear"]).ok();
    assert_eq!(runs(&plan(&env, &["--keep", "0"])), [SECOND]);
    env.git(["worktree", "add", "-q", "--detach", "../linked", &head]).ok();
    keep(&env, "a linked working tree");
    // From there, too.
    let output = env.hook_in("linked", ["--json", "gc", "--keep", "0"]).ok();
    assert_eq!(runs(&serde_json::from_str(&output.stdout).unwrap()), [""; 0]);
    env.git_in("linked", ["checkout", "-q", "main~0"]).ok();
    assert_eq!(env.hook(["verify"]).ok().code, 0);
}

#[test]
fn what_cannot_be_known_is_refused() {
    let env = TestEnv::two_versions("copy");
    drop_last_commit(&env);
    // A list that is nowhere, of a commit.
    let copy = env.copy();
    let text = "outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  hash: md5\n  path: models\n";
    fs::write(copy.repo("models.dvc"), text).unwrap();
    copy.git(["add", "models.dvc"]).ok();
    copy.git(["commit", "-q", "-m", "models"]).ok();
    let before = cached(&copy);
    let refused = copy.hook(["gc", "--keep", "0", "--yes"]).fails(1);
    assert!(refused.stderr.contains("models.dvc") && refused.stderr.contains("--lost"), "{}", refused.both());
    assert_eq!(cached(&copy), before);
    copy.hook(["gc", "--keep", "0", "--yes", "--lost", "0123456789abcdef0123456789abcdef.dir"]).ok();
    assert_ne!(cached(&copy), before);

    // DVC keeps no list of an output with `cache: false`.
    let copy = env.copy();
    let text = "stages:\n  s:\n    cmd: x\n    plots:\n    - models:\n        cache: false\n";
    fs::create_dir(copy.repo("sub")).unwrap();
    fs::write(copy.repo("sub/dvc.yaml"), text).unwrap();
    let text = "schema: '2.0'\nstages:\n  s:\n    cmd: x\n    outs:\n    - path: models\n      hash: md5\n      md5: 0123456789abcdef0123456789abcdef.dir\n";
    fs::write(copy.repo("sub/dvc.lock"), text).unwrap();
    copy.git(["add", "sub"]).ok();
    copy.git(["commit", "-q", "-m", "plots"]).ok();
    copy.hook(["gc", "--keep", "0"]).ok();

    // A shallow clone.
    let copy = env.copy();
    let head = copy.id("HEAD");
    fs::write(copy.repo(".git/shallow"), format!("{head}\n")).unwrap();
    let refused = copy.hook(["gc", "--keep", "0", "--yes"]).fails(3);
    assert!(refused.stderr.contains("--unshallow"), "{}", refused.both());

    // A working tree that is gone.
    let copy = env.copy();
    copy.git(["worktree", "add", "-q", "--detach", "../linked"]).ok();
    fs::remove_dir_all(copy.path("linked")).unwrap();
    let refused = copy.hook(["gc", "--keep", "0", "--yes"]).fails(3);
    assert!(refused.stderr.contains("git worktree prune"), "{}", refused.both());

    // A ref to what is not there.
    let copy = env.copy();
    fs::write(copy.repo(".git/refs/heads/broken"), "1".repeat(40) + "\n").unwrap();
    let before = cached(&copy);
    assert_ne!(copy.hook(["gc", "--keep", "0", "--yes"]).code, 0);
    assert_eq!(cached(&copy), before);
}

#[test]
fn a_cache_that_others_can_use_is_theirs_too() {
    let env = TestEnv::two_versions("copy");
    drop_last_commit(&env);
    fs::rename(env.repo(".dvc/cache"), env.path("cache")).unwrap();
    fs::write(env.repo(".dvc/config.local"), "[cache]\n    dir = ../../cache\n").unwrap();
    let cache = env.path("cache");
    let before = objects(&cache);
    let refused = env.hook(["gc", "--keep", "0", "--yes"]).fails(3);
    assert!(refused.stderr.contains("capture-hook.sister"), "{}", refused.both());
    assert_eq!(objects(&cache), before);
    // An object of an unknown origin, and a sister that needs all.
    let theirs = "files/md5/ab/cdefabcdefabcdefabcdefabcdefab";
    fs::create_dir_all(cache.join(theirs).parent().unwrap()).unwrap();
    fs::write(cache.join(theirs), "theirs").unwrap();
    // What a stage of ours only depended on is theirs, too.
    let text = "schema: '2.0'\nstages:\n  s:\n    cmd: x\n    deps:\n    - path: in\n      md5: abcdefabcdefabcdefabcdefabcdefab\n";
    fs::create_dir(env.repo("sub")).unwrap();
    fs::write(env.repo("sub/dvc.lock"), text).unwrap();
    env.git(["add", "sub"]).ok();
    env.git(["commit", "-q", "-m", "a stage"]).ok();
    env.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    let sister = TestEnv::two_versions("copy");
    let sister_dir = sister.repo("");
    env.git(["config", "capture-hook.sister", sister_dir.to_str().unwrap()]).ok();
    let kept = plan(&env, &["--keep", "0", "--yes"]);
    assert_eq!((runs(&kept), &kept["sisters"][0]), (vec![], &Value::from(sister_dir.to_str().unwrap())));
    assert_eq!(kept["unknown_kept"]["objects"], 1);
    env.git(["config", "capture-hook.sister", "none"]).ok();
    // With borrowed objects, a commit that nothing reaches here may be another clone's.
    let alternates = env.repo(".git/objects/info/alternates");
    fs::write(&alternates, sister.repo(".git/objects").to_str().unwrap()).unwrap();
    assert_eq!(runs(&plan(&env, &["--keep", "0", "--yes"])), [""; 0]);
    fs::remove_file(&alternates).unwrap();
    assert_eq!(runs(&plan(&env, &["--keep", "0", "--yes"])), [SECOND]);
    assert!(objects(&cache).contains(theirs));
    plan(&env, &["--keep", "0", "--yes", "--unknown"]);
    assert!(!objects(&cache).contains(theirs));
    assert_eq!(env.hook(["verify"]).ok().code, 0);
    // A file of the working tree cannot say that there is no other.
    fs::write(env.repo("config"), "[capture-hook]\n    sister = none\n").unwrap();
    env.git(["config", "--unset", "capture-hook.sister"]).ok();
    env.git(["config", "include.path", "../config"]).ok();
    assert!(env.hook(["gc"]).fails(3).stderr.contains("capture-hook.sister"));
}

#[test]
fn a_remote_that_was_never_used_has_nothing_to_remove() {
    let env = TestEnv::committed();
    let remote = env.path("dvc-remote");
    let _ = fs::remove_dir_all(&remote);
    let refused = env.hook(["gc", "--remote"]).fails(3);
    assert!(refused.stderr.contains("does not exist"), "{}", refused.both());
    fs::create_dir(&remote).unwrap();
    assert_eq!(runs(&plan(&env, &["--remote", "--keep", "0"])), [""; 0]);
    // One that was emptied, or is not mounted, is another matter.
    env.hook(["push"]).ok();
    assert!(!objects(&remote).is_empty());
    fs::remove_dir_all(&remote).unwrap();
    fs::create_dir(&remote).unwrap();
    let refused = env.hook(["gc", "--remote"]).fails(3);
    assert!(refused.stderr.contains("is empty, but data was pushed to it before"), "{}", refused.both());
}

#[test]
fn a_remote_keeps_what_others_pushed() {
    let env = TestEnv::two_versions("copy");
    env.git(["push", "-q", "origin", "main"]).ok();
    let remote = env.path("dvc-remote");
    let before = objects(&remote);
    assert!(!before.is_empty(), "{}", remote.display());
    drop_last_commit(&env);
    // Git's remote still has the commit.
    assert_eq!(runs(&plan(&env, &["--remote", "--keep", "0"])), [""; 0]);
    env.git(["update-ref", "-d", "refs/remotes/origin/main"]).ok();
    assert_eq!(runs(&plan(&env, &["--remote", "--keep", "0"])), [""; 0]);
    env.git(["push", "-q", "-f", "origin", "main"]).ok();
    let origin = env.git(["remote", "get-url", "origin"]).ok().stdout.trim().to_owned();
    // Somebody pushes another commit.
    env.git(["clone", "-q", &origin, "../other"]).ok();
    env.git_in("other", ["-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty", "-m", "theirs"]).ok();
    env.git_in("other", ["-c", "core.hooksPath=/dev/null", "push", "-q", "origin", "main"]).ok();
    let refused = env.hook(["gc", "--remote", "--keep", "0", "--yes"]).fails(1);
    assert!(refused.stderr.contains("git fetch --tags origin"), "{}", refused.both());
    assert_eq!(objects(&remote), before);
    env.git(["fetch", "-q", "--tags", "origin"]).ok();
    assert_eq!(runs(&plan(&env, &["--remote", "--keep", "0"])), [SECOND]);
    assert_eq!(runs(&plan(&env, &["--remote"])), [""; 0], "too young");
    // What no commit here names may be another's.
    let theirs = "files/md5/ab/cdefabcdefabcdefabcdefabcdefab";
    fs::create_dir_all(remote.join(theirs).parent().unwrap()).unwrap();
    fs::write(remote.join(theirs), "theirs").unwrap();
    let done = plan(&env, &["--remote", "--keep", "0", "--yes"]);
    assert_eq!(done["unknown_kept"]["objects"], 1);
    assert!(objects(&remote).contains(theirs) && objects(&remote).len() < before.len());
    env.hook(["check", "--remote"]).ok();
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    fs::remove_dir_all(env.repo("data/captures")).unwrap();
    env.hook(["pull"]).ok();
    env.assert_committed();
    env.hook(["gc", "--remote", "nowhere"]).fails(3);
}

#[test]
fn links_of_the_workspace_keep_their_objects() {
    let env = TestEnv::two_versions("symlink");
    let tags = env.git(["tag", "--points-at", "HEAD"]).ok().stdout;
    for tag in tags.lines() {
        env.git(["tag", "-d", tag]).ok();
    }
    // The workspace does not follow.
    env.git(["reset", "-q", "--soft", "HEAD~1"]).ok();
    env.git(["-c", "core.hooksPath=/dev/null", "checkout", "-q", "-f", "HEAD"]).ok();
    env.git(["restore", "-S", "-W", ":/"]).ok();
    let planned = plan(&env, &["--keep", "0", "--yes"]);
    assert_eq!(runs(&planned), [""; 0], "{planned:#}");
    for file in files(&env.repo("data/captures").join(SECOND)) {
        assert!(env.repo("data/captures").join(SECOND).join(file).exists());
    }
}

#[test]
fn a_link_to_the_cache_by_another_path_keeps_its_object() {
    let env = TestEnv::two_versions("copy");
    let first = objects_of(&env, "HEAD", FIRST);
    let kept = objects_of(&env, "HEAD", SECOND).into_iter().find(|md5| !first.contains(md5)).unwrap();
    drop_last_commit(&env);
    symlink(env.repo(".dvc"), env.path("alias")).unwrap();
    symlink(object(env.path("alias/cache"), &kept), env.repo("mine")).unwrap();
    assert_eq!(runs(&plan(&env, &["--keep", "0", "--yes"])), [SECOND]);
    assert!(env.repo("mine").exists());
}

#[test]
fn every_user_of_the_cache_is_known() {
    let env = TestEnv::two_versions("copy");
    // Another stage's outputs, files and directories, of a commit that is not HEAD's; a `.dvc` file in a subproject.
    fs::create_dir_all(env.repo("models")).unwrap();
    fs::write(env.repo("models/a"), "a").unwrap();
    fs::write(env.repo("single"), "single").unwrap();
    env.dvc(["add", "-q", "models", "single"]).ok();
    env.git(["add", "models.dvc", "single.dvc", ".gitignore"]).ok();
    env.git(["commit", "-q", "-m", "models"]).ok();
    env.git(["tag", "keep"]).ok();
    env.git(["rm", "-q", "models.dvc", "single.dvc"]).ok();
    env.git(["commit", "-q", "-m", "no models"]).ok();
    let before = cached(&env);
    assert_eq!(plan(&env, &["--keep", "0", "--yes"])["removed"]["objects"], 0);
    assert_eq!(cached(&env), before);
    env.git(["tag", "-d", "keep"]).ok();
    env.git(["reset", "-q", "--hard", "HEAD~2"]).ok();
    let planned = plan(&env, &["--keep", "0", "--yes"]);
    let named: Vec<&str> = planned["others"].as_array().unwrap().iter().filter_map(|o| o["file"].as_str()).collect();
    assert_eq!(named, ["models.dvc", "single.dvc"], "{planned:#}");
    assert_eq!(planned["removed"]["objects"], 3);
    assert_eq!(runs(&planned), [""; 0]);
    // A run cache entry restores outputs.
    let hash = "0123456789abcdef0123456789abcdef";
    let object = env.repo(".dvc/cache/files/md5/01").join(&hash[2..]);
    fs::create_dir_all(object.parent().unwrap()).unwrap();
    fs::write(&object, "x").unwrap();
    fs::create_dir_all(env.repo(".dvc/cache/runs/ab/abc")).unwrap();
    fs::write(env.repo(".dvc/cache/runs/ab/abc/def"), format!("cmd: x\nouts:\n- path: o\n  md5: {hash}\n")).unwrap();
    plan(&env, &["--keep", "0", "--yes"]);
    assert!(object.exists());
}

/// U10: A remote that is no directory is listed, and its objects are removed, by DVC's own client.
#[test]
fn an_s3_remote_is_freed_through_dvc() {
    let (env, store) = s3::stored_project();
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    env.commit_run(SECOND);
    env.hook(["push"]).ok();
    let list = "print(*sorted(o['Key'] for o in s3.list_objects_v2(Bucket='captures')['Contents']), sep='\\n')";
    let keys = || store.run_client(&env, list).stdout.lines().map(str::to_owned).collect::<BTreeSet<String>>();
    let before = keys();
    // What another program keeps there is no object.
    store.run_client(&env, "s3.put_object(Bucket='captures', Key='data/files/md5/ab/README', Body=b'x')");
    drop_last_commit(&env);
    assert_eq!(runs(&plan(&env, &["--remote"])), [""; 0], "too young");
    let planned = plan(&env, &["--remote", "--keep", "0"]);
    assert_eq!(runs(&planned), [SECOND], "{planned:#}");
    assert_eq!(
        before.len() as u64,
        planned["needed"]["objects"].as_u64().unwrap() + planned["removed"]["objects"].as_u64().unwrap()
    );
    // Lists that only the remote has are fetched while DVC is kept out.
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    let done = plan(&env, &["--remote", "storage", "--keep", "0", "--yes"]);
    let left = keys();
    assert_eq!(left.len(), before.len() + 1 - usize::try_from(done["removed"]["objects"].as_u64().unwrap()).unwrap());
    assert!(left.contains("data/files/md5/ab/README"));
    fs::remove_dir_all(env.repo("data/captures")).unwrap();
    env.hook(["pull"]).ok();
    env.assert_committed();
    // What was removed can be sent again.
    env.commit_run(SECOND);
    env.hook(["push"]).ok();
    env.hook(["check", "--remote"]).ok();
    assert_eq!(keys().len(), before.len() + 1);
}

/// C6: A partial clone fetches the files of history that it lacks; without the network, nothing is removed.
#[test]
fn a_partial_clone_fetches_what_it_must_read() {
    let env = TestEnv::two_versions("copy");
    env.hook(["push", "--all"]).ok();
    let origin = format!("file://{}", env.repo("").display());
    env.git(["config", "uploadpack.allowFilter", "true"]).ok();
    env.git(["config", "uploadpack.allowAnySHA1InWant", "true"]).ok();
    env.git_in(".", ["clone", "-q", "--filter=blob:none", &origin, "partial"]).ok();
    fs::copy(env.repo(".dvc/config.local"), env.path("partial/.dvc/config.local")).unwrap();
    env.hook_in("partial", ["pull"]).ok();
    fs::rename(env.repo(""), env.path("away")).unwrap();
    let before = objects(&env.path("partial/.dvc/cache"));
    let refused = env.hook_in("partial", ["gc", "--keep", "0", "--yes"]);
    assert!(refused.code != 0, "{}", refused.both());
    assert_eq!(objects(&env.path("partial/.dvc/cache")), before);
    fs::rename(env.path("away"), env.repo("")).unwrap();
    env.hook_in("partial", ["gc", "--keep", "0", "--yes"]).ok();
    assert_eq!(objects(&env.path("partial/.dvc/cache")), before);
}

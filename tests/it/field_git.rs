//! Repositories as git lets people set them up: odd variables, sparse and bare clones, several projects, shared machines. A hook
//! acts or says why not, and no command takes a part for the whole.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::hooks::{select, select_in};
use crate::matrix::{FIRST, SECOND, THIRD, committed, committed_natively, id, runs_at, runs_in, script, tags, trailer};
use crate::world::{World, copy_dir, files, tree};

/// A clone of the repository at `dir`, with the DVC remote known and the hooks installed. What it clones is pushed first.
fn clone(world: &World, dir: &str, options: &[&str]) {
    world.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    for key in ["uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"] {
        world.git_in("origin.git", ["config", key, "true"]).ok();
    }
    let url = format!("file://{}", world.path("origin.git").display());
    world.git_in(".", [&["clone", "-q"], options, &[&url, dir]].concat()).ok();
    if world.path(dir).join(".dvc").exists() {
        fs::copy(world.repo(".dvc/config.local"), world.path(dir).join(".dvc/config.local")).unwrap();
        world.hook_in(dir, ["install"]).ok();
    }
}

/// 12-B5: a rule of DVC's that meets a run's files stops the commit, with the files and the rule; nothing has changed.
#[test]
fn a_run_that_dvc_would_ignore_in_part_is_not_committed() {
    let world = committed_natively();
    let doctor = |code: i32| world.hook(["doctor"]).fails(code).out;
    assert!(!doctor(0).contains("ignore rules"));
    // DVC does the work wherever there are rules; those in a directory above the dataset count, too.
    let rules =
        [(".dvcignore", "# ours\n*.gz\n", "steps.jsonl.gz"), ("data/.dvcignore", "*.parquet\n", "steps.parquet")];
    for (file, rule, left_out) in rules {
        fs::create_dir_all(world.repo(file).parent().unwrap()).unwrap();
        fs::write(world.repo(file), rule).unwrap();
        select(&world, SECOND);
        let (head, lock, data) =
            (id(&world, "HEAD"), fs::read(world.repo("dvc.lock")).unwrap(), tree(&world.repo("data/captures")));
        let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
        let line = rule.lines().count();
        let pattern = rule.lines().last().unwrap();
        for words in [left_out, SECOND, &format!("{file}:{line}:{pattern}"), "nothing was changed"] {
            assert!(said.err.contains(words), "{words}: {}", said.err);
        }
        assert_eq!(id(&world, "HEAD"), head);
        assert_eq!(fs::read(world.repo("dvc.lock")).unwrap(), lock);
        assert_eq!(tree(&world.repo("data/captures")), data);
        assert!(doctor(1).contains(&format!("{file}:{line}:{pattern} leaves")));
        fs::remove_file(world.repo(file)).unwrap();
    }
    // A rule that meets no run is no reason, and one that excepts the dataset is a way out.
    fs::write(world.repo(".dvcignore"), "*.gz\n!/data/captures/**\n*.tmp\n").unwrap();
    assert!(doctor(0).contains("none meets a run's files"));
    world.git(["commit", "-q", "-am", "x"]).ok();
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, FIRST]);
    let listed = world.dvc(["ls", "-R", "--rev", "HEAD", ".", "data/captures"]).ok().out;
    assert!(
        listed.contains(&format!("{SECOND}/steps.jsonl.gz")) && listed.contains(&format!("{SECOND}/steps.parquet"))
    );
}

/// 12-B7: a git directory elsewhere (`GIT_DIR` without `GIT_WORK_TREE`, as git tells its hooks of one): the working tree is
/// where git is, and `core.worktree` is heeded.
#[test]
fn a_git_directory_elsewhere_is_served_like_any_other() {
    let mut world = committed_natively();
    fs::create_dir(world.path("gits")).unwrap();
    world.git(["init", "-q", "--separate-git-dir", "../gits/repo.git"]).ok();
    assert!(world.repo(".git").is_file());
    world.hook(["install"]).ok();
    select(&world, SECOND);
    world.git(["commit", "-q", "-am", "x"]).ok();
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND]);
    assert!(tags(&world).contains(&format!("capture/{SECOND}")));
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
    // The sibling: the variable exported, by whoever keeps a working tree that has no `.git` at all.
    fs::remove_file(world.repo(".git")).unwrap();
    world.set("GIT_DIR", world.path("gits/repo.git").to_str().unwrap());
    select(&world, THIRD);
    world.git(["commit", "-q", "-am", "y"]).ok();
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [THIRD]);
    assert!(world.hook(["status"]).ok().out.starts_with(&format!("{THIRD} is selected")));
    assert!(world.hook(["doctor"]).ok().out.contains(world.repo("").to_str().unwrap().trim_end_matches('/')));
    world.git(["checkout", "-q", "HEAD~1"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    world.git(["checkout", "-q", "main"]).ok();
    // From a directory that is no working tree of it, git takes that one for it: no hook is silent.
    fs::create_dir_all(world.path("elsewhere")).unwrap();
    fs::write(world.repo("params.yaml"), fs::read_to_string(world.repo("params.yaml")).unwrap().replace(THIRD, FIRST))
        .unwrap();
    world.git(["add", "params.yaml"]).ok();
    let said = world.git_in("elsewhere", ["commit", "-q", "-m", "z"]).fails(1);
    assert!(said.err.contains("is not checked out") && said.err.contains("GIT_WORK_TREE"), "{}", said.err);
    // Told so, it is the repository's own, from anywhere.
    world.git(["config", "core.worktree", world.repo("").to_str().unwrap()]).ok();
    world.git_in("elsewhere", ["commit", "-q", "-m", "z"]).ok();
    assert!(world.hook_in("elsewhere", ["status"]).ok().out.starts_with(&format!("{FIRST} is selected")));
}

/// 12-B6: a cone of a sparse checkout that leaves `.dvc` out leaves a project all the same: hooks stop with the command that
/// brings it, `init` sets nothing up anew, commands say the same.
#[test]
fn a_project_that_is_not_checked_out_is_one_all_the_same() {
    let world = committed_natively();
    let before = fs::read(world.repo(".dvc/config")).unwrap();
    // Git removes what it ignores below a directory that leaves the cone, DVC's cache with it.
    copy_dir(&world.repo(".dvc/cache"), &world.path("kept-cache"));
    world.git(["sparse-checkout", "set", "--cone", "src"]).ok();
    assert!(!world.repo(".dvc/config").exists());
    let add = "git sparse-checkout add .dvc data metrics";
    fs::write(world.repo("readme.txt"), "b\n").unwrap();
    assert_eq!(world.git(["commit", "-q", "-am", "words"]).ok().err, "");
    select(&world, SECOND);
    let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
    assert!(said.err.contains("is not checked out") && said.err.contains(add), "{}", said.err);
    world.git(["checkout", "-q", "params.yaml"]).ok();
    let said = world.git(["push", "-q", "origin", "main"]).fails(1);
    assert!(said.err.contains(add), "{}", said.err);
    for command in [&["status"][..], &["check"], &["verify"], &["init"], &["pull"]] {
        let said = world.hook(command).fails(3);
        assert!(said.err.contains(add) && !said.err.contains("capture-hook init"), "{command:?}: {}", said.err);
    }
    assert!(world.hook(["doctor"]).fails(1).out.contains(add));
    assert!(!world.repo(".dvc/config").exists());
    world.git(add.split(' ').skip(1)).ok();
    assert_eq!(fs::read(world.repo(".dvc/config")).unwrap(), before);
    copy_dir(&world.path("kept-cache"), &world.repo(".dvc/cache"));
    fs::write(
        world.repo(".dvc/config.local"),
        format!("[core]\n    remote = s\n['remote \"s\"']\n    url = {}\n", world.path("dvc-remote").display()),
    )
    .unwrap();
    select(&world, SECOND);
    world.git(["commit", "-q", "-am", "x"]).ok();
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND]);
    world.git(["push", "-q", "origin", "main"]).ok();

    // The sibling: nothing at all is checked out, so that the index is empty, too.
    world.git_in(".", ["clone", "-q", "--no-checkout", "origin.git", "none"]).ok();
    let said = world.hook_in("none", ["init"]).fails(3);
    assert!(said.err.contains("git restore --source=HEAD --staged --worktree -- .dvc"), "{}", said.err);
    assert_eq!(fs::read_dir(world.path("none")).unwrap().count(), 1);
}

/// The mode of a file or directory.
fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// 12-B9: worktrees of a bare clone share one cache in its git directory, which no `git worktree remove` takes along.
#[test]
fn worktrees_of_a_bare_clone_share_one_cache() {
    let mut world = committed_natively();
    world.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    world.git_in(".", ["clone", "-q", "--bare", "origin.git", "team.git"]).ok();
    world.git_in("team.git", ["worktree", "add", "-q", "../one", "main"]).ok();
    fs::copy(world.repo(".dvc/config.local"), world.path("one/.dvc/config.local")).unwrap();
    assert!(world.hook_in("one", ["doctor"]).fails(1).out.contains("this working tree's own"));
    world.hook_in("one", ["install"]).ok();
    world.hook_in("one", ["pull"]).ok();
    assert!(!files(&world.path("team.git/capture-hook/cache")).is_empty());
    // Git's own hook of a new worktree does the same; a run of it is in nobody's cache but the shared one.
    world.git_in("team.git", ["worktree", "add", "-q", "-b", "other", "../two", "main"]).ok();
    copy_dir(&world.repo("results"), &world.path("two/results"));
    select_in(&world, "two", SECOND);
    world.git_in("two", ["commit", "-q", "-am", "x"]).ok();
    assert!(!world.path("two/.dvc/cache").exists());
    world.git_in("team.git", ["worktree", "remove", "../two"]).ok();
    world.git_in("one", ["merge", "-q", "other"]).ok();
    assert_eq!(runs_in(&world, "one"), [SECOND, FIRST]);
    // The sibling: one that has worked with a cache of its own brings it along.
    world.set("CAPTURE_HOOK", "0");
    world.git_in("team.git", ["worktree", "add", "-q", "-b", "third", "../three", "main"]).ok();
    world.unset("CAPTURE_HOOK");
    let own = Path::new("three/.dvc/cache");
    copy_dir(&world.path("team.git/capture-hook/cache"), &world.path(own));
    fs::remove_dir_all(world.path("team.git/capture-hook/cache")).unwrap();
    world.hook_in("three", ["install"]).ok();
    world.git_in("team.git", ["worktree", "remove", "../three"]).ok();
    fs::remove_dir_all(world.path("one/data/captures")).unwrap();
    world.hook_in("one", ["pull"]).ok();
    assert_eq!(runs_in(&world, "one"), [SECOND, FIRST]);
}

/// 12-E20: a linked worktree finds the clone's cache and its remotes, also after both were moved, and where the tracked
/// settings name a cache relative to the main one.
#[test]
fn a_linked_worktree_finds_cache_and_remotes_wherever_it_lies() {
    let world = committed_natively();
    world.git(["worktree", "add", "-q", "-b", "other", "../trees/deep/one"]).ok();
    let local = |tree: &str| fs::read_to_string(world.path(tree).join(".dvc/config.local")).unwrap();
    assert!(local("trees/deep/one").contains("dir = \"../../../../repo/.dvc/cache\""), "{}", local("trees/deep/one"));
    let doctor = world.hook_in("trees/deep/one", ["doctor"]).ok();
    assert!(doctor.out.contains("storage: "), "{}", doctor.out);
    fs::create_dir(world.path("moved")).unwrap();
    fs::rename(world.path("repo"), world.path("moved/repo")).unwrap();
    fs::rename(world.path("trees"), world.path("moved/trees")).unwrap();
    let tree = "moved/trees/deep/one";
    world.git_in("moved/repo", ["worktree", "repair", "../trees/deep/one"]).ok();
    let commit = |key: &str| {
        copy_dir(&world.path("moved/repo/results"), &world.path(tree).join("results"));
        select_in(&world, tree, key);
        world.git_in(tree, ["commit", "-q", "-am", key]).ok();
        assert!(!world.path(tree).join(".dvc/cache").exists());
    };
    commit(SECOND);
    // As an earlier release wrote it: the old place, absolute. It is named, and mended before anything is written there.
    let gone = world.path("repo/.dvc/cache");
    fs::write(world.path(tree).join(".dvc/config.local"), format!("[cache]\n    dir = {}\n", gone.display())).unwrap();
    let doctor = world.hook_in(tree, ["doctor"]).fails(1);
    assert!(
        doctor.out.contains(gone.to_str().unwrap()) && doctor.out.contains("capture-hook install"),
        "{}",
        doctor.out
    );
    commit(THIRD);
    assert!(!gone.exists());
    assert!(
        local(tree).contains("../../../../repo/.dvc/cache") && local(tree).contains("dvc-remote"),
        "{}",
        local(tree)
    );
    assert_eq!(runs_in(&world, tree).len(), 3);

    // The sibling: a tracked path relative to the main working tree, seen from another depth; a file that only its owner reads.
    fs::rename(world.path("moved/repo/.dvc/cache"), world.path("moved/shared")).unwrap();
    world.dvc_in("moved/repo", ["config", "cache.dir", "../shared"]).ok();
    world.git_in("moved/repo", ["commit", "-q", "-am", "A cache beside the clone"]).ok();
    let main_local = world.path("moved/repo/.dvc/config.local");
    fs::set_permissions(&main_local, fs::Permissions::from_mode(0o600)).unwrap();
    world.git_in("moved/repo", ["worktree", "add", "-q", "-b", "third", "../trees/two"]).ok();
    let two = world.hook_in("moved/trees/two", ["doctor"]).ok();
    assert!(two.out.contains(world.path("moved/shared").to_str().unwrap()), "{}", two.out);
    assert_eq!(runs_in(&world, "moved/trees/two"), [FIRST]);
    assert_eq!(mode(&world.path("moved/trees/two/.dvc/config.local")), 0o600);
    // A cache that the user named himself stays.
    let named = format!("[cache]\n    dir = {}\n", world.path("mine").display());
    fs::create_dir(world.path("mine")).unwrap();
    fs::write(world.path("moved/trees/two/.dvc/config.local"), &named).unwrap();
    world.hook_in("moved/trees/two", ["install"]).ok();
    assert_eq!(local("moved/trees/two"), named);
}

/// 12-E18: with `cache.shared = group`, every directory that comes to be in the cache is open to the group.
#[test]
fn a_shared_cache_stays_open_to_the_group() {
    let world = committed_natively();
    world.git(["push", "-q", "origin", "main"]).ok();
    let cache = world.path("fresh/deep/cache");
    world.dvc(["config", "--local", "cache.dir", cache.to_str().unwrap()]).ok();
    world.dvc(["config", "--local", "cache.shared", "group"]).ok();
    select(&world, SECOND);
    world.git(["commit", "-q", "-am", "x"]).ok();
    // One more, of a run that is fetched.
    world.hook(["get", FIRST, "-o", "../got"]).ok();
    let mut dirs = vec![world.path("fresh")];
    for file in files(&cache) {
        dirs.extend(file.ancestors().skip(1).take_while(|dir| *dir != world.path("")).map(Path::to_path_buf));
        assert_eq!(mode(&file), 0o444, "{}", file.display());
    }
    assert!(dirs.len() > 10);
    for dir in dirs {
        assert_eq!(mode(&dir), 0o2775, "{}", dir.display());
    }
}

/// 12-E19: what is kept in git's directory follows git's own modes; a lock that another user holds open to read serves; one
/// that is closed is told with the command that opens it; a note that cannot be written stops no push.
#[test]
fn users_who_share_a_repository_do_not_lock_each_other_out() {
    let world = committed_natively();
    world.git(["config", "core.sharedRepository", "group"]).ok();
    let state = world.repo(".git/capture-hook");
    fs::remove_dir_all(&state).unwrap();
    fs::set_permissions(world.repo(".git"), fs::Permissions::from_mode(0o2775)).unwrap();
    select(&world, SECOND);
    world.git(["commit", "-q", "-am", "x"]).ok();
    world.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    assert_eq!((mode(&state), mode(&state.join("tmp"))), (0o2775, 0o2775));
    for name in ["lock", "pushed-tags"] {
        assert_eq!(mode(&state.join(name)), 0o664, "{name}");
    }
    // As the first user's in a repository that is open to others: readable, not writable. Root heeds no mode, so the other
    // user is a real one there.
    let all = |path: &Path, mode: &str| world.run_in(".", "chmod", ["-R", mode, path.to_str().unwrap()]).ok();
    all(&world.path(""), "a+rwX");
    all(&state, "a-w,a+rX");
    let git = crate::world::which("git");
    let wrapped = script(
        &world,
        "bin/git",
        &format!(
            "#!/bin/sh\n[ \"$(id -u)\" = 0 ] || exec {0} \"$@\"\nexec setpriv --reuid=65534 --regid=65534 --clear-groups {0} \"$@\"\n",
            git.display()
        ),
    );
    world.git(["config", "--global", "safe.directory", "*"]).ok();
    let git = |args: &[&str]| world.run_in("repo", &wrapped, args);
    select(&world, THIRD);
    git(&["commit", "-q", "-am", "y"]).ok();
    let said = git(&["push", "-q", "--follow-tags", "origin", "main"]).ok();
    assert!(said.err.contains("warning: pre-push: cannot"), "{}", said.err);
    assert_eq!(id(&world, "origin/main"), id(&world, "HEAD"));
    select(&world, FIRST);
    all(&state.join("lock"), "a-rwx");
    let said = git(&["commit", "-q", "-am", "z"]).fails(1);
    assert!(said.err.contains("chmod -R g+rwX") && said.err.contains("core.sharedRepository"), "{}", said.err);
}

/// 12-E23: a shallow clone says that it is one, and what brings the rest, wherever its history's end matters.
#[test]
fn a_shallow_clone_is_called_one() {
    let world = committed_natively();
    world.git(["branch", "old", "HEAD~1"]).ok();
    world.git(["push", "-q", "origin", "old"]).ok();
    clone(&world, "shallow", &["--depth", "1"]);
    let said = world.hook_in("shallow", ["check", "origin/old..HEAD"]).fails(3);
    for words in ["names no commit", "shallow", "fetch-depth: 0", "git fetch --unshallow"] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    let said = world.hook_in("shallow", ["check"]).ok();
    assert!(said.out.contains("warning shallow: ") && said.out.contains("fetch-depth: 0"), "{}", said.out);
    assert!(!said.out.contains("all true") && !said.out.contains("trailer_missing"), "{}", said.out);
    world.hook_in("shallow", ["check", "--strict"]).fails(1);
    world.git_in("shallow", ["fetch", "-q", "--unshallow", "--tags"]).ok();
    assert!(world.hook_in("shallow", ["check", "--strict"]).ok().out.starts_with("all true"));
}

/// 12-E24: `check` in a fresh clone fetches the lists that it needs and nothing else, and names one that cannot be had.
#[test]
fn check_proves_a_fresh_clone() {
    let world = committed_natively();
    for key in [SECOND, THIRD] {
        select(&world, key);
        world.git(["commit", "-q", "-am", key]).ok();
    }
    clone(&world, "fresh", &[]);
    let said = world.hook_in("fresh", ["check", "HEAD~1..HEAD", "--strict", "--remote"]).ok();
    assert!(said.out.starts_with("all true: 1 commit, 1 run tag, and the remote"), "{}", said.out);
    let lists = || {
        let mut names: Vec<String> =
            files(&world.path("fresh/.dvc/cache")).iter().map(|f| f.display().to_string()).collect();
        names.sort();
        names
    };
    assert!(lists().len() == 2 && lists().iter().all(|name| name.ends_with(".dir")), "{:?}", lists());
    assert!(world.hook_in("fresh", ["check", "--strict"]).ok().out.starts_with("all true"));
    // The sibling: a list that is nowhere is named, and no other. (An older one would be made again from a newer one's.)
    clone(&world, "other", &[]);
    let lock = world.git(["show", "HEAD:dvc.lock"]).ok().out;
    let version = lock.split_whitespace().find(|word| word.ends_with(".dir")).unwrap();
    let (shard, rest) = version.split_at(2);
    fs::remove_file(world.path("dvc-remote/files/md5").join(shard).join(rest)).unwrap();
    let said = world.hook_in("other", ["check", "HEAD~1..HEAD"]).ok();
    assert!(said.out.contains("not_in_clone") && said.out.contains(version), "{}", said.out);
    assert!(said.out.contains("neither in the cache nor on the remote"), "{}", said.out);
    assert_eq!(said.out.matches(".dir").count(), said.out.matches(version).count(), "{}", said.out);
    world.hook_in("other", ["check", "HEAD~1..HEAD", "--strict"]).fails(1);
}

/// 12-E25: a failure of DVC's is told by its own `ERROR:` line, never by its footer, with the setting and the way out.
#[test]
fn dvcs_failures_are_told_by_their_reason() {
    let footer = "Having any troubles";
    let world = World::new();
    for (name, option, reason, way_out) in [
        ("reftable", "--ref-format=reftable", "extensions.refstorage", "git refs migrate --ref-format=files"),
        ("sha256", "--object-format=sha256", "unknown object format 'sha256'", "--object-format=sha1"),
    ] {
        world.git_in(".", ["init", "-q", option, name]).ok();
        let said = world.hook_in(name, ["init"]).fails(4);
        assert!(said.err.contains("ERROR: ") && said.err.contains(reason), "{}", said.err);
        assert!(said.err.contains(way_out) && !said.err.contains(footer), "{}", said.err);
    }
    // In a commit, by DVC's engine.
    let world = committed();
    select(&world, SECOND);
    world.git(["update-index", "--split-index"]).ok();
    let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
    assert!(said.err.contains("Checksum mismatch") && said.err.contains("core.splitIndex"), "{}", said.err);
    world.git(["update-index", "--no-split-index"]).ok();
    world.dvc(["config", "--local", "core.interactive", "true"]).ok();
    let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
    assert!(said.err.contains("aborted by the user") && said.err.contains("core.interactive"), "{}", said.err);
    assert!(!said.err.contains(footer), "{}", said.err);
    world.dvc(["config", "--local", "core.interactive", "false"]).ok();
    world.git(["commit", "-q", "-am", "x"]).ok();
}

/// 12-E21: variables for the git commands that a user types change none of our own git calls.
#[test]
fn the_users_pathspec_variables_change_no_call_of_ours() {
    let mut world = World::new();
    world.git_in(".", ["init", "-q", "repo"]).ok();
    fs::create_dir_all(world.repo("sim[1]")).unwrap();
    world.hook_in("repo/sim[1]", ["init", "--subdir"]).ok();
    fs::write(world.repo("sim[1]/capture-hook.toml"), "engine = \"native\"\n").unwrap();
    for case in ["ok-head01", "ok-pypi010", "ok-rotated-pypi010"] {
        let (run, key) = crate::world::corpus_run(case);
        copy_dir(&run, &world.repo("sim[1]/results").join(key));
    }
    world.git(["add", "-A"]).ok();
    world.git(["commit", "-q", "-m", "Set up"]).ok();
    // An index that only git reads, so that we ask it.
    world.git(["update-index", "--split-index"]).ok();
    let sisters = ["GIT_LITERAL_PATHSPECS", "GIT_ICASE_PATHSPECS", "GIT_NOGLOB_PATHSPECS"];
    for (name, key) in sisters.into_iter().zip([FIRST, SECOND, THIRD]) {
        world.set(name, "1");
        select_in(&world, "repo/sim[1]", key);
        world.git(["commit", "-q", "-am", name]).ok();
        world.unset(name);
        assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [key], "{name}");
    }
    world.set("GIT_EXTERNAL_DIFF", "false");
    world.set("GIT_GLOB_PATHSPECS", "1");
    world.git(["checkout", "-q", "HEAD~1"]).ok();
    assert_eq!(runs_in(&world, "repo/sim[1]"), [SECOND, FIRST]);
    assert!(world.hook_in("repo/sim[1]", ["check"]).ok().out.starts_with("all true"));
}

/// 12-B11: two DVC projects in one repository: hooks serve both, whichever was set up last, each command the one it stands in,
/// and a run of one name in both has two tags.
#[test]
fn every_project_of_a_repository_is_served() {
    let world = World::new();
    world.git_in(".", ["init", "-q", "repo"]).ok();
    world.git_in(".", ["init", "-q", "--bare", "origin.git"]).ok();
    world.git(["remote", "add", "origin", "../origin.git"]).ok();
    for project in ["a", "b"] {
        let (dir, remote) = (format!("repo/{project}"), world.path(format!("remote-{project}")));
        fs::create_dir_all(&remote).unwrap();
        fs::create_dir_all(world.path(&dir)).unwrap();
        world.hook_in(&dir, ["init", "--subdir", "--remote", remote.to_str().unwrap()]).ok();
        fs::write(world.path(&dir).join("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    }
    let record = |case: &str, project: &str, key: &str| {
        world.record_as(case, key);
        let to = world.repo(project).join("results").join(key);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(world.repo("results").join(key), to).unwrap();
    };
    record("ok-head01", "a", "demo/r1");
    record("ok-pypi010", "b", "demo/r1");
    record("ok-pypi010", "b", "demo/r2");
    record("ok-rotated-pypi010", "a", "demo/r2");
    world.git(["add", "-A"]).ok();
    world.git(["commit", "-q", "-m", "Set up"]).ok();
    let runs = |project: &str| runs_in(&world, &format!("repo/{project}"));
    select_in(&world, "repo/a", "demo/r1");
    world.git(["commit", "-q", "-am", "a"]).ok();
    select_in(&world, "repo/b", "demo/r1");
    world.git(["commit", "-q", "-am", "b"]).ok();
    assert_eq!((runs("a"), runs("b")), (vec!["demo/r1".to_owned()], vec!["demo/r1".to_owned()]));
    assert_eq!(tags(&world), ["capture/demo/r1", "capture/demo/r1@v2"]);
    // One commit of both, each selection in its own dataset.
    select_in(&world, "repo/a", "demo/r2");
    select_in(&world, "repo/b", "demo/r2");
    world.git(["commit", "-q", "-am", "both"]).ok();
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), ["demo/r2", "demo/r2"]);
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
    assert_eq!(tags(&world).len(), 4);
    for (project, other) in [("a", "b"), ("b", "a")] {
        let dir = format!("repo/{project}");
        let checked = world.hook_in(&dir, ["check", "--strict"]).ok();
        assert!(checked.out.starts_with("all true"), "{}", checked.out);
        assert!(checked.err.contains(&format!("capture-hook -C ../{other} check")), "{}", checked.err);
        assert!(world.hook_in(&dir, ["status"]).ok().out.starts_with("demo/r2 is selected"));
    }
    let said = world.hook(["status"]).fails(3);
    assert!(said.err.contains("several DVC projects in this repository: a, b"), "{}", said.err);
    // Data of both goes with a push, and both follow a checkout.
    world.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    for project in ["a", "b"] {
        assert!(!files(&world.path(format!("remote-{project}"))).is_empty(), "{project}");
        assert!(world.hook_in(format!("repo/{project}"), ["check", "--remote"]).ok().out.starts_with("all true"));
    }
    world.git(["checkout", "-q", "HEAD~1"]).ok();
    assert_eq!((runs("a"), runs("b")), (vec!["demo/r1".to_owned()], vec!["demo/r1".to_owned()]));
    world.git(["checkout", "-q", "main"]).ok();
    assert_eq!(runs("a").len() + runs("b").len(), 4);
    // An amended commit keeps the trailers and the tags of both.
    world.git(["commit", "-q", "--amend", "-m", "other words"]).ok();
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), ["demo/r2", "demo/r2"]);

    // The sibling: where one of them would stop the commit, the other is not touched either.
    record("ok-head01", "a", "demo/r3");
    fs::create_dir_all(world.repo("b/results/demo/bad")).unwrap();
    fs::write(world.repo("b/results/demo/bad/run.json"), "{}").unwrap();
    select_in(&world, "repo/a", "demo/r3");
    let params = fs::read_to_string(world.repo("b/params.yaml")).unwrap();
    fs::write(world.repo("b/params.yaml"), params.replace("demo/r2", "demo/bad")).unwrap();
    let lock = fs::read(world.repo("a/dvc.lock")).unwrap();
    world.git(["commit", "-q", "-am", "stopped"]).fails(1);
    assert_eq!(fs::read(world.repo("a/dvc.lock")).unwrap(), lock);
    assert_eq!(runs("a").len(), 2);
}

//! Commits that stop: whatever stopped them, nothing has changed, and what is said names the cause and the way on.

use std::collections::BTreeMap;
use std::fs;

use crate::hooks::select;
use crate::matrix::{FIRST, SECOND, THIRD, committed, committed_natively, id, runs_in, script, tags, trailer};
use crate::world::{World, tree};

/// All that a stopped commit must leave as it was: HEAD, the index, files of the project, tags.
fn state(world: &World) -> (String, String, Vec<String>, BTreeMap<String, Vec<u8>>) {
    let mut files = tree(&world.repo("data"));
    for (name, bytes) in tree(&world.repo("metrics")) {
        files.insert(format!("metrics/{name}"), bytes);
    }
    for name in ["dvc.lock", "dvc.yaml", "params.yaml", ".gitignore"] {
        if let Ok(bytes) = fs::read(world.repo(name)) {
            files.insert(name.to_owned(), bytes);
        }
    }
    (id(world, "HEAD"), world.git(["ls-files", "-s", "-t"]).ok().out, tags(world), files)
}

/// Has a lock file be there from the time that a hook of the user's runs, before ours, for so many seconds.
fn lock_in_a_hook(world: &World, lock: &str, seconds: &str) {
    let hook = ".git/hooks/pre-commit.capture-hook-chained";
    let text = format!("#!/bin/sh\n: >{lock}\n(sleep {seconds}; rm -f {lock}) >/dev/null 2>&1 &\n");
    script(world, &format!("repo/{hook}"), &text);
}

/// A DVC that does its work, and has a lock file be there afterwards for so many seconds.
fn lock_after_dvc(world: &mut World, lock: &str, seconds: &str) {
    let real = crate::tools::dvc_bin().join("dvc");
    let text = format!(
        "#!/bin/sh\n\"{}\" \"$@\" || exit\n[ \"$1\" = repro ] || exit 0\n: >{lock}\n(sleep {seconds}; rm -f {lock}) >/dev/null 2>&1 &\n",
        real.display()
    );
    let program = script(world, "bin/locking-dvc", &text);
    world.set("CAPTURE_HOOK_DVC", &program);
}

/// 12-D15: another git (an editor's) that holds the index for a moment is waited for.
#[test]
fn another_git_that_is_at_work_for_a_moment_is_waited_for() {
    let world = committed_natively();
    select(&world, SECOND);
    world.git(["add", "params.yaml"]).ok();
    lock_in_a_hook(&world, ".git/index.lock", "2.5");
    let said = world.git(["commit", "-q", "-m", "x"]).ok();
    assert!(said.err.contains("another git holds") && said.err.contains("index.lock"), "{}", said.err);
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST]);
    // The sibling: a tag that cannot be made at once.
    fs::remove_file(world.repo(".git/hooks/pre-commit.capture-hook-chained")).unwrap();
    select(&world, THIRD);
    let lock = format!(".git/refs/tags/capture/{THIRD}.lock");
    fs::create_dir_all(world.repo(&lock).parent().unwrap()).unwrap();
    lock_in_a_hook(&world, &lock, "1.5");
    world.git(["commit", "-q", "-am", "y"]).ok();
    assert!(tags(&world).contains(&format!("capture/{THIRD}")));
}

/// 12-D15: one that does not end stops the commit with nothing changed, and is named with its lock file.
#[test]
fn another_git_that_does_not_end_stops_the_commit_and_nothing_has_changed() {
    let world = committed_natively();
    select(&world, SECOND);
    world.git(["add", "params.yaml"]).ok();
    let before = state(&world);
    lock_in_a_hook(&world, ".git/index.lock", "60");
    let said = world.git(["commit", "-q", "-m", "x"]).fails(1);
    for words in ["another git holds", ".git/index.lock", "if no git is at work here", "rm "] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    assert!(state(&world) == before);
    fs::remove_file(world.repo(".git/hooks/pre-commit.capture-hook-chained")).unwrap();
    let _ = fs::remove_file(world.repo(".git/index.lock"));
    world.git(["commit", "-q", "-m", "x"]).ok();
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
    // The sibling: a command of ours, while a commit of the user's waits for his editor elsewhere.
    let before = state(&world);
    let mut command = world.command(crate::world::which("git"), "repo");
    command.args(["commit", "--allow-empty", "-a"]).env("GIT_EDITOR", "sleep 60 #").env("CAPTURE_HOOK", "0");
    let mut waiting = command.spawn().unwrap();
    while !world.repo(".git/index.lock").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let said = world.hook(["publish", "--no-push", THIRD]).fails(4);
    let who = format!("another git (`git commit`, process {}) holds", waiting.id());
    assert!(said.err.contains(&who) && said.err.contains("index.lock"), "{}", said.err);
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    let _ = fs::remove_file(world.repo(".git/index.lock"));
    assert!(state(&world) == before);
}

/// 12-D15: what git takes after its hooks (HEAD, the branch) is looked at while the commit can still be undone.
#[test]
fn a_lock_on_head_or_its_branch_stops_the_commit_and_nothing_has_changed() {
    for lock in [".git/HEAD.lock", ".git/refs/heads/main.lock"] {
        let mut world = committed();
        select(&world, SECOND);
        world.git(["add", "params.yaml"]).ok();
        let before = state(&world);
        lock_after_dvc(&mut world, lock, "60");
        let said = world.git(["commit", "-q", "-m", "x"]).fails(1);
        assert!(said.err.contains("another git holds") && said.err.contains(lock), "{}", said.err);
        assert!(state(&world) == before);
        // It is there from the beginning now: nothing is begun.
        world.unset("CAPTURE_HOOK_DVC");
        let said = world.git(["commit", "-q", "-m", "x"]).fails(1);
        assert!(said.err.contains(lock) && !said.err.contains("dvc repro"), "{}", said.err);
        assert!(state(&world) == before);
    }
}

/// 12-D15: a tag that cannot be made stops no commit; what is missing is said with the command that makes it.
#[test]
fn a_tag_that_cannot_be_made_is_made_later() {
    let world = committed_natively();
    world.git(["config", "tag.gpgSign", "true"]).ok();
    world.git(["config", "gpg.program", "/bin/false"]).ok();
    select(&world, SECOND);
    let said = world.git(["commit", "-q", "-am", "x"]).ok();
    assert!(said.err.contains(&format!("the tag capture/{SECOND} is not made")), "{}", said.err);
    assert!(said.err.contains("`capture-hook tag` makes the tags that are missing"), "{}", said.err);
    assert_eq!(trailer(&world, "HEAD", "Capture-Run"), [SECOND]);
    assert!(!world.repo(".git/TAG_EDITMSG").exists());
    let said = world.hook(["tag"]).fails(1);
    assert!(said.err.contains("is not made"), "{}", said.err);
    world.git(["config", "tag.gpgSign", "false"]).ok();
    assert_eq!(world.hook(["tag"]).ok().out, format!("capture/{SECOND}\n"));
}

/// 12-D15: a hook of the user's that refuses what `publish` commits, and a second project that fails after the first one.
#[test]
fn whatever_stops_a_commit_all_of_it_is_undone() {
    let world = committed_natively();
    let before = state(&world);
    script(&world, "repo/.git/hooks/commit-msg.capture-hook-chained", "#!/bin/sh\necho no ticket >&2\nexit 1\n");
    let said = world.hook(["publish", "--no-push", SECOND, THIRD]).fails(4);
    assert!(said.err.contains("no ticket"), "{}", said.err);
    assert!(state(&world) == before);
    fs::remove_file(world.repo(".git/hooks/commit-msg.capture-hook-chained")).unwrap();
    world.hook(["publish", "--no-push", SECOND, THIRD]).ok();

    let world = World::new();
    world.git_in(".", ["init", "-q", "repo"]).ok();
    for (project, engine) in [("a", "native"), ("b", "dvc")] {
        let dir = world.repo(project);
        fs::create_dir_all(&dir).unwrap();
        world.hook_in(format!("repo/{project}"), ["init", "--subdir"]).ok();
        fs::write(dir.join("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        let (run, key) = crate::world::corpus_run("ok-pypi010");
        crate::world::copy_dir(&run, &dir.join("results").join(key));
    }
    world.git(["add", "-A"]).ok();
    world.git(["commit", "-q", "-m", "Set up"]).ok();
    crate::hooks::select_in(&world, "repo/a", SECOND);
    crate::hooks::select_in(&world, "repo/b", SECOND);
    world.git(["add", "-A"]).ok();
    let state = || {
        // What is not ignored, staged or not; the dataset is.
        let seen = world.git(["status", "--porcelain", "-uall"]).ok().out;
        (seen, world.git(["ls-files", "-s"]).ok().out, tree(&world.repo("a/data")), tree(&world.repo("b/data")))
    };
    let before = state();
    let program = script(&world, "bin/broken-dvc", "#!/bin/sh\necho \"ERROR: broken\" >&2\nexit 1\n");
    world.git(["config", "capture-hook.dvc", &program]).ok();
    world.git(["commit", "-q", "-m", "both"]).fails(1);
    assert!(state() == before);
}

/// 12-D16: a rule that ignores what the commit needs is named before anything is written; `init` excepts the file.
#[test]
fn a_rule_that_ignores_dvc_lock_is_named_and_init_excepts_the_file() {
    for engine in ["native", "dvc"] {
        let world = World::with_project();
        fs::write(world.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        let key = world.record("ok-pypi010");
        let rules = world.path("home/ignore");
        fs::write(&rules, "# mine\n*.lock\n").unwrap();
        world.git(["config", "--global", "core.excludesFile", rules.to_str().unwrap()]).ok();
        select(&world, &key);
        world.git(["add", "-A"]).ok();
        let before = state(&world);
        let said = world.git(["commit", "-q", "-m", "x"]).fails(1);
        let rule = format!("{}:2:*.lock", rules.display());
        assert!(said.err.contains(&format!("git ignores dvc.lock ({rule})")), "{}", said.err);
        assert!(said.err.contains("`!/dvc.lock` to .gitignore"), "{}", said.err);
        assert!(state(&world) == before);
        world.hook(["publish", "--no-push"]).fails(3);
        assert!(state(&world) == before);
        world.hook(["init"]).ok();
        let ignore = fs::read_to_string(world.repo(".gitignore")).unwrap();
        assert!(ignore.ends_with("!/dvc.lock\n"), "{ignore}");
        world.hook(["init"]).ok();
        assert_eq!(fs::read_to_string(world.repo(".gitignore")).unwrap(), ignore);
        world.git(["add", "-A"]).ok();
        world.git(["commit", "-q", "-m", "x"]).ok();
        assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
        assert_eq!(runs_in(&world, "repo"), [key]);
    }
    // A tracked file is in git whatever the rules say, and DVC looks at the rules all the same.
    for engine in ["native", "dvc"] {
        let world = committed_natively();
        fs::write(world.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        fs::write(world.repo(".git/info/exclude"), "*.lock\n").unwrap();
        select(&world, SECOND);
        if engine == "dvc" {
            let before = state(&world);
            let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
            assert!(said.err.contains("git ignores dvc.lock (.git/info/exclude:1:*.lock)"), "{}", said.err);
            assert!(state(&world) == before);
            world.hook(["init"]).ok();
        }
        world.git(["commit", "-q", "-am", "x"]).ok();
    }
}

/// 12-D16, siblings: a rule in the clone's own `info/exclude` over the params file; one over the directory of the dataset.
#[test]
fn rules_over_other_files_of_a_commit() {
    let world = World::new();
    world.git_in(".", ["init", "-q", "repo"]).ok();
    fs::write(world.repo(".gitignore"), "/data/\n").unwrap();
    world.hook(["init"]).ok();
    fs::write(world.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    let key = world.record("ok-pypi010");
    fs::write(world.repo(".git/info/exclude"), "params.yaml\n").unwrap();
    world.git(["add", "-A"]).ok();
    world.run_in("repo", "env", ["CAPTURE_HOOK=0", "git", "commit", "-q", "-m", "Set up"]).ok();
    let before = state(&world);
    let said = world.hook(["publish", "--no-push", &key]).fails(3);
    assert!(said.err.contains("git ignores params.yaml (.git/info/exclude:1:params.yaml)"), "{}", said.err);
    assert!(state(&world) == before);
    fs::write(world.repo(".git/info/exclude"), "").unwrap();
    world.hook(["publish", "--no-push", &key]).ok();
    assert_eq!(runs_in(&world, "repo"), [key]);
}

/// 12-D17: a flag that hides a file from git is named with the command that takes it away, and nothing stays staged.
#[test]
fn a_flag_that_hides_a_file_is_named_and_nothing_is_staged() {
    let world = committed_natively();
    world.git(["update-index", "--skip-worktree", "params.yaml"]).ok();
    let before = state(&world);
    let said = world.hook(["publish", "--no-push", SECOND]).fails(3);
    assert!(said.err.contains("params.yaml has the flag skip-worktree"), "{}", said.err);
    assert!(said.err.contains("`git update-index --no-skip-worktree params.yaml`"), "{}", said.err);
    assert!(state(&world) == before);
    fs::write(world.repo("readme.txt"), "code\n").unwrap();
    world.git(["commit", "-q", "-am", "code"]).ok();
    world.git(["update-index", "--no-skip-worktree", "params.yaml"]).ok();
    world.hook(["publish", "--no-push", SECOND]).ok();
    // The siblings: a selection that git would not see, a commit of the user's own, the other flag, other files.
    world.git(["update-index", "--assume-unchanged", "params.yaml"]).ok();
    let said = world.hook(["select", THIRD]).ok();
    assert!(said.err.contains("`git update-index --no-assume-unchanged params.yaml`"), "{}", said.err);
    assert!(!said.err.contains("git commit"), "{}", said.err);
    world.git(["update-index", "--no-assume-unchanged", "params.yaml"]).ok();
    world.git(["checkout", "-q", "params.yaml"]).ok();
    for (flag, file) in [("assume-unchanged", "dvc.lock"), ("skip-worktree", "metrics/capture.json")] {
        world.git(["update-index", &format!("--{flag}"), file]).ok();
        select(&world, THIRD);
        world.git(["add", "params.yaml"]).ok();
        let before = state(&world);
        let said = world.git(["commit", "-q", "-m", "x"]).fails(1);
        assert!(said.err.contains(&format!("`git update-index --no-{flag} {file}`")), "{}", said.err);
        assert!(state(&world) == before);
        world.git(["update-index", &format!("--no-{flag}"), file]).ok();
    }
    world.git(["commit", "-q", "-m", "x"]).ok();
    assert_eq!(world.git(["status", "--porcelain"]).ok().out, "");
}

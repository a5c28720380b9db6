//! Whoever makes a repository runs no program on the machine of who clones it: not by what the dataset, git or a cache puts
//! where programs look, and not by names that some systems read as git's own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use md5::{Digest, Md5};

use crate::hooks::select;
use crate::matrix::{FIRST, SECOND, THIRD, commit_run, committed, runs_in, script};
use crate::world::{World, files, tree};

/// A script that leaves a mark, and does nothing else.
fn trap(world: &World) -> String {
    format!("#!/bin/sh\ntouch '{}'\nexit 0\n", world.path("sprung").display())
}

#[track_caller]
fn not_sprung(world: &World) {
    assert!(!world.path("sprung").exists(), "a program of the repository ran");
}

/// An object in a cache; its name.
pub fn object(cache: &Path, bytes: &str, dir: bool) -> String {
    let name: String = Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let name = if dir { format!("{name}.dir") } else { name };
    let path = cache.join("files/md5").join(&name[..2]).join(&name[2..]);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    name
}

/// The version of a dataset with these files beside those of HEAD if `more`; its objects are in the cache.
fn version(world: &World, cache: &str, more: bool, added: &[(&str, &str)]) -> String {
    let cache = world.repo(cache);
    let mut rows: Vec<(String, String)> = Vec::new();
    if more {
        let lock = fs::read_to_string(world.repo("dvc.lock")).unwrap();
        let old = lock.lines().find_map(|line| line.trim().strip_prefix("md5: ")).unwrap();
        let list = fs::read(cache.join("files/md5").join(&old[..2]).join(&old[2..])).unwrap();
        for row in serde_json::from_slice::<Vec<serde_json::Value>>(&list).unwrap() {
            rows.push((row["relpath"].as_str().unwrap().into(), row["md5"].as_str().unwrap().into()));
        }
    }
    rows.extend(added.iter().map(|(path, text)| ((*path).to_owned(), object(&cache, text, false))));
    rows.sort();
    let rows: Vec<String> = rows
        .iter()
        .map(|(path, md5)| format!("{{\"md5\": \"{md5}\", \"relpath\": {}}}", serde_json::json!(path)))
        .collect();
    object(&cache, &format!("[{}]", rows.join(", ")), true)
}

/// Has `dvc.lock` name this dataset, in this directory.
pub fn lock(world: &World, out_dir: &str, version: &str) {
    let lock = fs::read_to_string(world.repo("dvc.lock")).unwrap();
    let old = lock.lines().find_map(|line| line.trim().strip_prefix("md5: ")).unwrap().to_owned();
    let new = lock.replace(&old, version).replace("path: data/captures", &format!("path: {out_dir}"));
    fs::write(world.repo("dvc.lock"), new).unwrap();
}

/// A commit on the branch `evil`, which begins at main, of all that `make` did; main is checked out afterwards. No hook runs.
pub fn evil(world: &World, make: impl FnOnce()) {
    let git = |args: &[&str]| {
        let mut command = world.command("git", "repo");
        crate::world::said(command.env("CAPTURE_HOOK", "0").args(args)).ok();
    };
    git(&["checkout", "-q", "-B", "evil", "main"]);
    make();
    git(&["commit", "-q", "--allow-empty", "-am", "evil"]);
    git(&["checkout", "-q", "main"]);
}

/// 11-2: the dataset is, or holds, a place where programs look; by `git checkout`, `pull`, `ingest` and `git commit`.
#[test]
fn the_dataset_never_lies_where_programs_look() {
    let world = committed();
    fs::create_dir_all(world.repo("tools/env/lib")).unwrap();
    fs::write(world.repo("tools/env/pyvenv.cfg"), "home = /usr/bin\n").unwrap();
    fs::create_dir_all(world.repo("ci/hooks")).unwrap();
    let hooks = world.git(["rev-parse", "--git-path", "hooks"]).ok().out.trim().to_owned();
    for hook in fs::read_dir(world.repo(&hooks)).unwrap() {
        let hook = hook.unwrap();
        fs::copy(hook.path(), world.repo("ci/hooks").join(hook.file_name())).unwrap();
    }
    world.git(["config", "core.hooksPath", "ci/hooks"]).ok();
    for (out_dir, path) in [
        (".venv", "lib/python3.11/site-packages/zz.pth"),
        (".VENV", "x/y/z"),
        ("tools/env", "lib/zz.pth"),
        ("tools", "env/lib/zz.pth"),
        ("ci/hooks", "pre-rebase"),
        ("ci", "hooks/pre-rebase"),
        ("node_modules", "left/pad/index.js"),
    ] {
        let version = version(&world, ".dvc/cache", false, &[(path, "import os\n")]);
        evil(&world, || lock(&world, out_dir, &version));
        let said = world.git(["checkout", "-q", "evil"]).ok();
        let why = ["cannot be the dataset", "is not checked out"];
        assert!(why.iter().any(|why| said.err.contains(why)), "{out_dir}: {}", said.err);
        let said = world.hook(["pull"]);
        assert!(said.code != 0 && said.out.is_empty(), "{out_dir}: {}", said.all());
        assert!(!world.repo(out_dir).join(path).exists(), "{out_dir}/{path}");
        world.git(["checkout", "-q", "main"]).ok();
    }
    let params = fs::read_to_string(world.repo("params.yaml")).unwrap();
    for out_dir in [".venv", "tools/env/data", "ci/hooks", ".dvc/cache/files"] {
        let run = format!("results/{SECOND}");
        let said = world.hook(["ingest", "--run-dir", &run, "--out-dir", out_dir]).fails(2);
        assert!(said.err.contains("cannot be the dataset"), "{out_dir}: {}", said.err);
        select(&world, SECOND);
        let text = fs::read_to_string(world.repo("params.yaml")).unwrap();
        fs::write(world.repo("params.yaml"), text.replace("data/captures", out_dir)).unwrap();
        let said = world.git(["commit", "-am", "x"]);
        assert!(said.code == 1 && said.err.contains("cannot be the dataset"), "{out_dir}: {}", said.err);
        assert!(!world.repo(out_dir).join("demo").exists(), "{out_dir}");
        fs::write(world.repo("params.yaml"), &params).unwrap();
        world.git(["add", "params.yaml"]).ok();
    }
    assert_eq!(tree(&world.repo("tools")).len(), 1);
}

/// 11-2, its other half: one path of a list, in a dataset that lies where it should. The other runs come.
#[test]
fn no_path_of_a_dataset_leads_where_programs_look() {
    let world = committed();
    let bad = [
        "x/a/lib/python3.11/site-packages/zz.pth",
        ".venv/bin/python",
        "x/b/bin/dvc",
        "x/node_modules/z",
        "x/c/.git./z",
    ];
    let files: Vec<(&str, &str)> = bad.into_iter().chain(["good/run/data.txt"]).map(|path| (path, "x")).collect();
    let version = version(&world, ".dvc/cache", true, &files);
    evil(&world, || lock(&world, "data/captures", &version));
    let said = world.git(["checkout", "-q", "evil"]).ok();
    for name in
        ["x/a: `site-packages`", "x/b: ", "x/c: `.git.`", ".venv/bin", "x/node_modules", "tell who committed it"]
    {
        assert!(said.err.contains(name), "{name}: {}", said.err);
    }
    let mut runs = runs_in(&world, "repo");
    runs.retain(|run| run != "good/run");
    assert_eq!(runs, [FIRST], "{}", said.err);
    assert!(world.repo("data/captures/good/run/data.txt").exists(), "{}", said.err);
}

/// 11-3: a cache that git tracks: its objects have the mode that somebody gave them, and a hard link has it, too.
#[test]
fn a_cache_that_git_tracks_makes_no_program() {
    let world = committed();
    let local = fs::read_to_string(world.repo(".dvc/config.local")).unwrap();
    fs::write(world.repo(".dvc/config.local"), local.replace("type = copy", "type = hardlink")).unwrap();
    // By a setting, and in the default place.
    for cache in ["store", ".dvc/cache"] {
        let config = fs::read_to_string(world.repo(".dvc/config")).unwrap();
        evil(&world, || {
            let version = version(&world, cache, false, &[("bin/run/tool", &trap(&world))]);
            lock(&world, "data/captures", &version);
            if cache == "store" {
                fs::write(world.repo(".dvc/config"), format!("{config}[cache]\n    dir = ../store\n")).unwrap();
            }
            let object = object(&world.repo(cache), &trap(&world), false);
            let path = format!("{cache}/files/md5/{}/{}", &object[..2], &object[2..]);
            fs::set_permissions(world.repo(&path), fs::Permissions::from_mode(0o755)).unwrap();
            let list = format!("{cache}/files/md5/{}/{}", &version[..2], &version[2..]);
            world.git(["add", "-f", &path, &list]).ok();
        });
        let tool = world.repo("data/captures/bin/run/tool");
        let said = world.git(["checkout", "-q", "evil"]).ok();
        assert!(
            said.err.contains("git tracks files of DVC's cache") && said.err.contains("dvc cache dir --local"),
            "{}",
            said.err
        );
        assert!(!tool.exists(), "{cache}");
        let said = world.hook(["doctor"]).fails(1);
        assert!(said.out.contains("git tracks files of it"), "{}", said.out);
        // Who asks for it gets it, and it is no program.
        world.hook(["pull"]).ok();
        let meta = fs::metadata(&tool).unwrap();
        assert_eq!(
            (meta.permissions().mode() & 0o111, std::os::unix::fs::MetadataExt::nlink(&meta)),
            (0, 1),
            "{cache}"
        );
        fs::remove_dir_all(world.repo("data/captures/bin")).unwrap();
        world.git(["checkout", "-q", "-f", "main"]).ok();
    }
    not_sprung(&world);
}

/// An object that can be executed, of a cache that git does not track: no link shares it.
#[test]
fn no_executable_object_is_linked_to() {
    for kind in ["hardlink", "symlink"] {
        let world = committed();
        let local = fs::read_to_string(world.repo(".dvc/config.local")).unwrap();
        fs::write(world.repo(".dvc/config.local"), local.replace("type = copy", &format!("type = {kind}"))).unwrap();
        let version = version(&world, ".dvc/cache", true, &[("x/y/tool", "#!/bin/sh\n")]);
        let object = object(&world.repo(".dvc/cache"), "#!/bin/sh\n", false);
        let path = world.repo(".dvc/cache/files/md5").join(&object[..2]).join(&object[2..]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        evil(&world, || lock(&world, "data/captures", &version));
        let said = world.git(["checkout", "-q", "evil"]).ok();
        assert!(said.err.contains("it can be executed"), "{kind}: {}", said.err);
        assert!(!world.repo("data/captures/x/y/tool").exists(), "{kind}");
    }
}

/// 11-4: git leaves a submodule behind when it goes on to a commit without it; `bin/dvc` in it is not run, whoever names it.
#[test]
fn a_submodule_that_git_left_behind_is_not_run() {
    let mut world = committed();
    script(&world, "tool/bin/dvc", &trap(&world));
    for args in [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "x"]] {
        world.git_in("tool", args).ok();
    }
    evil(&world, || {
        world.git(["submodule", "add", "-q", "../tool", ".venv"]).ok();
    });
    let dvc = world.repo(".venv/bin/dvc");
    assert!(dvc.exists(), "git leaves it there");
    commit_run(&world, SECOND);
    not_sprung(&world);
    // An activated environment is first on PATH: the next one is taken, and doctor says why.
    let path = world.get("PATH");
    world.set("PATH", &format!("{}:{path}", world.repo(".venv/bin").display()));
    let said = world.hook(["doctor"]);
    assert!(said.out.contains("is not run: ") && said.out.contains("a repository of its own"), "{}", said.out);
    commit_run(&world, THIRD);
    // One that is named is not replaced in silence.
    world.git(["config", "capture-hook.dvc", dvc.to_str().unwrap()]).ok();
    select(&world, FIRST);
    let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
    assert!(said.err.contains("is not run: ") && said.err.contains("hint: "), "{}", said.err);
    not_sprung(&world);
}

/// 11-4, its siblings: tracked now, tracked at a commit that `git reset` left, a submodule among the packages, the dataset
/// around it, another working tree of the repository. And the owner's own, which is run once it is named.
#[test]
fn a_dvc_in_the_repository_is_run_only_where_its_owner_put_it() {
    let mut world = committed();
    let real = world.search_path().find(|dir| dir.join("dvc").is_file()).unwrap().join("dvc");
    let path = world.get("PATH");
    let rest: Vec<_> = world.search_path().filter(|dir| !dir.join("dvc").is_file()).collect();
    let rest = std::env::join_paths(rest).unwrap().into_string().unwrap();
    fs::write(world.repo(".git/info/exclude"), "/.venv\n/lib\n").unwrap();
    fs::create_dir_all(world.repo(".venv/lib/site-packages")).unwrap();
    fs::write(world.repo(".venv/pyvenv.cfg"), "").unwrap();
    let own = format!("#!/bin/sh\ntouch '{}'\nexec '{}' \"$@\"\n", world.path("own").display(), real.display());
    let own = script(&world, "repo/.venv/bin/dvc", &own);
    // As if all that HEAD's log tells were long ago.
    let forget = |world: &World| drop(fs::remove_file(world.repo(".git/logs/HEAD")));
    let was_run = |world: &World| fs::remove_file(world.path("own")).is_ok();
    // Nobody named it: it is told of, and not run.
    world.set("PATH", &rest);
    let said = world.hook(["doctor"]).fails(1);
    assert!(said.out.contains("nobody has said") && said.out.contains("git config capture-hook.dvc"), "{}", said.out);
    assert!(!was_run(&world));
    // The owner's own command names it.
    let said = world.hook(["install"]).ok();
    assert!(said.err.contains(&own), "{}", said.err);
    assert_eq!(world.git(["config", "--local", "capture-hook.dvc"]).ok().out.trim(), own);
    world.hook(["doctor"]).ok();
    assert!(was_run(&world));
    // An activated one is on PATH: that is as good.
    world.git(["config", "--unset", "capture-hook.dvc"]).ok();
    world.set("PATH", &format!("{}:{path}", world.repo(".venv/bin").display()));
    assert!(world.hook(["doctor"]).ok().out.contains(&own));
    // Somebody's branch puts a file among its packages.
    let check = |world: &World, why: &str| {
        let said = world.hook(["doctor"]);
        assert!(said.out.contains(&format!("{own} is not run: ")) && said.out.contains(why), "{why}: {}", said.out);
        assert!(!was_run(world), "{why}");
    };
    let pth = ".venv/lib/site-packages/zz.pth";
    world.git(["checkout", "-q", "-b", "evil"]).ok();
    fs::write(world.repo(pth), "import os\n").unwrap();
    world.git(["add", "-f", pth]).ok();
    check(&world, "git tracks");
    world.git(["commit", "-q", "-m", "x"]).ok();
    check(&world, "git tracks");
    world.git(["reset", "-q", "HEAD~1"]).ok();
    assert!(world.repo(pth).exists(), "git leaves it there");
    check(&world, "at another commit");
    // In a linked working tree the same program is judged by the one that it lies in.
    forget(&world);
    world.git(["add", "-f", pth]).ok();
    world.git(["worktree", "add", "-q", "../linked", "main"]).ok();
    let said = world.hook_in("linked", ["doctor"]);
    assert!(said.out.contains(&format!("{own} is not run: ")), "{}", said.out);
    // One that lies in the other is a working tree too, and its own environment is the owner's.
    world.git(["worktree", "add", "-q", "--detach", "inner"]).ok();
    let inner = script(&world, "repo/inner/env/bin/dvc", &fs::read_to_string(&own).unwrap());
    world.set("PATH", &format!("{}:{path}", world.repo("inner/env/bin").display()));
    assert!(world.hook_in("repo/inner", ["doctor"]).out.contains(&format!("at {inner}")));
    assert!(was_run(&world));
    world.git(["worktree", "remove", "--force", "inner"]).ok();
    world.set("PATH", &format!("{}:{path}", world.repo(".venv/bin").display()));
    world.git(["rm", "-q", "-f", "--cached", pth]).ok();
    fs::remove_file(world.repo(pth)).unwrap();
    forget(&world);
    assert!(world.hook(["doctor"]).ok().out.contains(&own), "nothing of somebody else's is left");
    was_run(&world);
    // A submodule among its packages, left behind.
    script(&world, "tool/entry_points.txt", "x");
    for args in [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "x"]] {
        world.git_in("tool", args).ok();
    }
    world.git(["submodule", "add", "-q", "-f", "../tool", ".venv/lib/site-packages/evil.dist-info"]).ok();
    world.git(["rm", "-q", "--cached", ".venv/lib/site-packages/evil.dist-info"]).ok();
    world.git(["reset", "-q", "--hard"]).ok();
    assert!(world.repo(".venv/lib/site-packages/evil.dist-info/.git").exists());
    check(&world, "submodule");
    fs::remove_dir_all(world.repo(".venv/lib/site-packages/evil.dist-info")).unwrap();
    fs::remove_dir_all(world.repo(".git/modules")).unwrap();
    forget(&world);
    // The dataset lies around a directory of the owner's that is on PATH.
    let own = script(&world, "repo/lib/dvc", &trap(&world));
    world.set("PATH", &format!("{}:{path}", world.repo("lib").display()));
    lock(&world, "lib", &version(&world, ".dvc/cache", false, &[("x/y/z", "x")]));
    let said = world.hook(["doctor"]);
    assert!(said.out.contains(&format!("{own} is not run: the dataset")), "{}", said.out);
    not_sprung(&world);
}

/// A `capture-hook` in the working tree, on PATH by an activated environment: hooks do not call it.
#[test]
fn hooks_call_no_capture_hook_that_git_put_there() {
    let mut world = committed();
    let trap = trap(&world);
    let path = world.get("PATH");
    world.set("PATH", &format!("{}:{path}", world.repo(".venv/bin").display()));
    evil(&world, || {
        script(&world, "repo/.venv/bin/capture-hook", &trap);
        world.git(["add", "-f", ".venv"]).ok();
    });
    world.git(["checkout", "-q", "evil"]).ok();
    world.git(["commit", "-q", "--allow-empty", "-m", "x"]).ok();
    not_sprung(&world);
    // Nor one that was installed from there, once git tracks it.
    world.git(["checkout", "-q", "main"]).ok();
    let own = script(&world, "repo/.venv/bin/capture-hook", "#!/bin/sh\nexit 0\n");
    let hook = world.repo(".git/hooks/post-checkout");
    let text = fs::read_to_string(&hook).unwrap();
    let installed = text.lines().find(|line| line.starts_with("installed=")).unwrap();
    fs::write(&hook, text.replace(installed, &format!("installed='{own}'"))).unwrap();
    fs::write(world.repo(".git/info/exclude"), "/.venv\n").unwrap();
    let said = world.git(["checkout", "-q", "evil"]).ok();
    assert!(said.err.contains("git tracks") && said.err.contains("not run"), "{}", said.err);
    not_sprung(&world);
}

/// 11-12: a link where the dataset lies, into git's own directory.
#[test]
fn ingest_follows_no_link_into_gits_directory() {
    let world = committed();
    let before = tree(&world.repo(".git"));
    fs::remove_dir_all(world.repo("data")).unwrap();
    for (link, out_dir) in [(".git", "data/captures"), (".git/hooks", "data"), ("../.git", "sub/data")] {
        let at = world.repo(if out_dir == "data/captures" { "data" } else { out_dir });
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(link, &at).unwrap();
        let said = world.hook(["ingest", "--run-dir", &format!("results/{SECOND}"), "--out-dir", out_dir]).fails(2);
        assert!(said.err.contains("is not a directory of its own"), "{out_dir}: {}", said.err);
        fs::remove_file(&at).unwrap();
    }
    assert_eq!(before, tree(&world.repo(".git")));
}

/// Names that git, Windows or macOS refuse, or read as another.
const UNSAFE: &[&str] = &[
    ".git ",
    ".GIT",
    "git~1",
    ".git::$INDEX_ALLOCATION",
    ".g\u{200c}it",
    ".dvc",
    "con",
    "nul.txt",
    "COM1",
    "a:b",
    "x?",
    "r1.",
    "r1 ",
    "a\"b",
    "a|b",
    "a<b",
    "...",
    ".venv",
    "node_modules",
    "a\u{7f}b",
];

/// 11-17: a name that a checkout on some system would refuse does not get in.
#[test]
fn a_name_that_some_system_refuses_is_refused_at_the_first_touch() {
    let world = committed();
    for name in UNSAFE {
        for key in [format!("demo/{name}"), format!("{name}/r1")] {
            world.record_as("ok-pypi010", &key);
            let run = format!("results/{key}");
            let said = world.hook(["--json", "validate", &run]).fails(1);
            let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
            assert_eq!(told["runs"][0]["errors"], serde_json::json!(["unsafe_run_id"]), "{key}");
            world.hook(["select", &run]).fails(1);
            world.hook(["ingest", "--run-dir", &run]).fails(1);
            fs::remove_dir_all(world.repo("results").join(key.split('/').next().unwrap())).unwrap();
        }
    }
    for key in ["demo/.git ", "git~1/r1", "demo/a:b"] {
        world.record_as("ok-pypi010", key);
        let params = fs::read_to_string(world.repo("params.yaml")).unwrap();
        let old = params.lines().find(|line| line.trim_start().starts_with("run_dir:")).unwrap();
        fs::write(world.repo("params.yaml"), params.replace(old, &format!("  run_dir: 'results/{key}'"))).unwrap();
        let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
        assert!(said.err.contains("unsafe_run_id"), "{key}: {}", said.err);
        world.git(["checkout", "-q", "params.yaml"]).ok();
    }
    assert_eq!(runs_in(&world, "repo"), [FIRST]);
}

/// 11-17, its other half: one bad run that was committed all the same keeps no other back, and one that only Windows cannot
/// have is there on every other system.
#[test]
fn one_bad_run_keeps_no_other_back() {
    let world = committed();
    let files = [
        ("demo/.git /run.json", "{}"),
        ("git~1/r1/run.json", "{}"),
        ("demo/a:b/run.json", "{}"),
        ("demo/x?/run.json", "{}"),
    ];
    let bad = version(&world, ".dvc/cache", true, &files);
    // It does not get in by `dvc` alone either.
    world.git(["checkout", "-q", "-b", "mine"]).ok();
    lock(&world, "data/captures", &bad);
    let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
    assert!(said.err.contains("no clone checks out") && said.err.contains("is git's own directory"), "{}", said.err);
    world.git(["checkout", "-q", "-f", "main"]).ok();
    // Where it is in already, everything else comes.
    evil(&world, || lock(&world, "data/captures", &bad));
    let said = world.git(["checkout", "-q", "evil"]).ok();
    assert_eq!(said.err.matches("not checked out: ").count(), 2, "{}", said.err);
    assert_eq!(runs_in(&world, "repo"), ["demo/a:b", "demo/x?", FIRST], "{}", said.err);
    let said = world.hook(["--json", "pull"]).fails(1);
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["pulled"][0]["refused"], serde_json::json!(["demo/.git ", "git~1/r1"]));
    assert_eq!((&told["complete"], &told["pulled"][0]["missing_bytes"]), (&false.into(), &0.into()));
    world.hook(["pull", "demo/a:b"]).ok();
    world.hook(["get", "demo/a:b", "-o", "got"]).ok();
    assert!(world.repo("got/run.json").exists());
    // The native engine carries what is in; DVC would lose it, so that must be said.
    select(&world, SECOND);
    let said = world.git(["commit", "-q", "-am", "x"]).fails(1);
    assert!(said.err.contains("no checkout takes demo/.git ") && said.err.contains("allowLoss"), "{}", said.err);
    fs::write(world.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    commit_run(&world, SECOND);
    fs::remove_file(world.repo("capture-hook.toml")).unwrap();
    select(&world, THIRD);
    world.git(["-c", "capture-hook.allowLoss=true", "commit", "-q", "-am", "x"]).ok();
    let said = world.git(["checkout", "-q", "-f", "main"]).ok();
    assert_eq!(said.err, "");
    let said = world.git(["checkout", "-q", "evil"]).ok();
    assert!(!said.err.contains("not checked out"), "{}", said.err);
    assert_eq!(runs_in(&world, "repo"), ["demo/a:b", SECOND, "demo/x?", FIRST, THIRD]);
    assert!(files_are_plain(&world));
}

/// No file of the dataset can be executed.
fn files_are_plain(world: &World) -> bool {
    files(&world.repo("data/captures")).iter().all(|path| fs::metadata(path).unwrap().permissions().mode() & 0o111 == 0)
}

//! Whoever makes a repository runs no program on the machine of who clones it: not by what the dataset, git or a cache puts
//! where programs look, and not by names that some systems read as git's own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use insta::assert_snapshot;
use md5::{Digest, Md5};

use crate::env::{FIRST, SECOND, THIRD, TestEnv, files, tree};

/// A script that leaves a mark, and does nothing else.
fn trap(env: &TestEnv) -> String {
    format!("#!/bin/sh\ntouch '{}'\nexit 0\n", env.path("sprung").display())
}

#[track_caller]
fn not_sprung(env: &TestEnv) {
    assert!(!env.path("sprung").exists(), "a program of the repository ran");
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
fn version(env: &TestEnv, cache: &str, more: bool, added: &[(&str, &str)]) -> String {
    let cache = env.repo(cache);
    let mut rows: Vec<(String, String)> = Vec::new();
    if more {
        let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
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
pub fn lock(env: &TestEnv, out_dir: &str, version: &str) {
    let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
    let old = lock.lines().find_map(|line| line.trim().strip_prefix("md5: ")).unwrap().to_owned();
    let new = lock.replace(&old, version).replace("path: data/captures", &format!("path: {out_dir}"));
    fs::write(env.repo("dvc.lock"), new).unwrap();
}

/// A commit on the branch `evil`, which begins at main, of all that `make` did; main is checked out afterwards. No hook runs.
pub fn evil(env: &TestEnv, make: impl FnOnce()) {
    let git = |args: &[&str]| {
        let mut command = env.command("git", "repo");
        crate::env::run_command(command.env("CAPTURE_HOOK", "0").args(args)).ok();
    };
    git(&["checkout", "-q", "-B", "evil", "main"]);
    make();
    git(&["commit", "-q", "--allow-empty", "-am", "evil"]);
    git(&["checkout", "-q", "main"]);
}

/// S2: The dataset is, or holds, a place where programs look; by `git checkout`, `pull`, `ingest` and `git commit`.
#[test]
fn the_dataset_never_lies_where_programs_look() {
    let env = TestEnv::committed();
    fs::create_dir_all(env.repo("tools/env/lib")).unwrap();
    fs::write(env.repo("tools/env/pyvenv.cfg"), "home = /usr/bin\n").unwrap();
    fs::create_dir_all(env.repo("ci/hooks")).unwrap();
    let hooks = env.git(["rev-parse", "--git-path", "hooks"]).ok().stdout.trim().to_owned();
    for hook in fs::read_dir(env.repo(&hooks)).unwrap() {
        let hook = hook.unwrap();
        fs::copy(hook.path(), env.repo("ci/hooks").join(hook.file_name())).unwrap();
    }
    env.git(["config", "core.hooksPath", "ci/hooks"]).ok();
    for (out_dir, path) in [
        (".venv", "lib/python3.11/site-packages/zz.pth"),
        (".VENV", "x/y/z"),
        ("tools/env", "lib/zz.pth"),
        ("tools", "env/lib/zz.pth"),
        ("ci/hooks", "pre-rebase"),
        ("ci", "hooks/pre-rebase"),
        ("node_modules", "left/pad/index.js"),
    ] {
        let version = version(&env, ".dvc/cache", false, &[(path, "import os\n")]);
        evil(&env, || lock(&env, out_dir, &version));
        let output = env.git(["checkout", "-q", "evil"]).ok();
        let why = ["cannot be the dataset", "cannot check out "];
        assert!(why.iter().any(|why| output.stderr.contains(why)), "{out_dir}: {}", output.stderr);
        let output = env.hook(["pull"]);
        assert!(output.code != 0 && output.stdout.is_empty(), "{out_dir}: {}", output.both());
        assert!(!env.repo(out_dir).join(path).exists(), "{out_dir}/{path}");
        env.git(["checkout", "-q", "main"]).ok();
    }
    let params = fs::read_to_string(env.repo("params.yaml")).unwrap();
    for out_dir in [".venv", "tools/env/data", "ci/hooks", ".dvc/cache/files"] {
        let run = format!("results/{SECOND}");
        let output = env.hook(["ingest", "--run-dir", &run, "--out-dir", out_dir]).fails(3);
        assert!(output.stderr.contains("cannot be the dataset"), "{out_dir}: {}", output.stderr);
        env.select(SECOND);
        let text = fs::read_to_string(env.repo("params.yaml")).unwrap();
        fs::write(env.repo("params.yaml"), text.replace("data/captures", out_dir)).unwrap();
        let output = env.git(["commit", "-am", "x"]);
        assert!(output.code == 1 && output.stderr.contains("cannot be the dataset"), "{out_dir}: {}", output.stderr);
        assert!(!env.repo(out_dir).join("demo").exists(), "{out_dir}");
        fs::write(env.repo("params.yaml"), &params).unwrap();
        env.git(["add", "params.yaml"]).ok();
    }
    assert_eq!(tree(&env.repo("tools")).len(), 1);
}

/// S2: One path of a list, in a dataset that lies where it should. The other runs come.
#[test]
fn no_path_of_a_dataset_leads_where_programs_look() {
    let env = TestEnv::committed();
    let bad = [
        "x/a/lib/python3.11/site-packages/zz.pth",
        ".venv/bin/python",
        "x/b/bin/dvc",
        "x/node_modules/z",
        "x/c/.git./z",
    ];
    let files: Vec<(&str, &str)> = bad.into_iter().chain(["good/run/data.txt"]).map(|path| (path, "x")).collect();
    let version = version(&env, ".dvc/cache", true, &files);
    evil(&env, || lock(&env, "data/captures", &version));
    let output = env.git(["checkout", "-q", "evil"]).ok();
    for name in
        ["x/a: `site-packages`", "x/b: ", "x/c: `.git.`", ".venv/bin", "x/node_modules", "inform who committed it"]
    {
        assert!(output.stderr.contains(name), "{name}: {}", output.stderr);
    }
    let mut runs = env.runs_in("repo");
    runs.retain(|run| run != "good/run");
    assert_eq!(runs, [FIRST], "{}", output.stderr);
    assert!(env.repo("data/captures/good/run/data.txt").exists(), "{}", output.stderr);
}

/// S3: A cache that git tracks: its objects have the mode that somebody gave them, and a hard link has it, too.
#[test]
fn a_cache_that_git_tracks_makes_no_program() {
    let env = TestEnv::committed();
    let local = fs::read_to_string(env.repo(".dvc/config.local")).unwrap();
    fs::write(env.repo(".dvc/config.local"), local.replace("type = copy", "type = hardlink")).unwrap();
    // By a setting, and in the default place.
    for cache in ["store", ".dvc/cache"] {
        let config = fs::read_to_string(env.repo(".dvc/config")).unwrap();
        evil(&env, || {
            let version = version(&env, cache, false, &[("bin/run/tool", &trap(&env))]);
            lock(&env, "data/captures", &version);
            if cache == "store" {
                fs::write(env.repo(".dvc/config"), format!("{config}[cache]\n    dir = ../store\n")).unwrap();
            }
            let object = object(&env.repo(cache), &trap(&env), false);
            let path = format!("{cache}/files/md5/{}/{}", &object[..2], &object[2..]);
            fs::set_permissions(env.repo(&path), fs::Permissions::from_mode(0o755)).unwrap();
            let list = format!("{cache}/files/md5/{}/{}", &version[..2], &version[2..]);
            env.git(["add", "-f", &path, &list]).ok();
        });
        let tool = env.repo("data/captures/bin/run/tool");
        let output = env.git(["checkout", "-q", "evil"]).ok();
        assert!(
            output.stderr.contains("git tracks files of DVC's cache")
                && output.stderr.contains("dvc cache dir --local"),
            "{}",
            output.stderr
        );
        assert!(!tool.exists(), "{cache}");
        let output = env.hook(["doctor"]).fails(1);
        assert!(output.stdout.contains("git tracks files of it"), "{}", output.stdout);
        // Who asks for it gets it, and it is no program.
        env.hook(["pull"]).ok();
        let meta = fs::metadata(&tool).unwrap();
        assert_eq!(
            (meta.permissions().mode() & 0o111, std::os::unix::fs::MetadataExt::nlink(&meta)),
            (0, 1),
            "{cache}"
        );
        fs::remove_dir_all(env.repo("data/captures/bin")).unwrap();
        env.git(["checkout", "-q", "-f", "main"]).ok();
    }
    not_sprung(&env);
}

/// S3: An object that can be executed, of a cache that git does not track: no link shares it.
#[test]
fn no_executable_object_is_linked_to() {
    for kind in ["hardlink", "symlink"] {
        let env = TestEnv::committed();
        let local = fs::read_to_string(env.repo(".dvc/config.local")).unwrap();
        fs::write(env.repo(".dvc/config.local"), local.replace("type = copy", &format!("type = {kind}"))).unwrap();
        let version = version(&env, ".dvc/cache", true, &[("x/y/tool", "#!/bin/sh\n")]);
        let object = object(&env.repo(".dvc/cache"), "#!/bin/sh\n", false);
        let path = env.repo(".dvc/cache/files/md5").join(&object[..2]).join(&object[2..]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        evil(&env, || lock(&env, "data/captures", &version));
        let output = env.git(["checkout", "-q", "evil"]).ok();
        assert!(output.stderr.contains("it is executable"), "{kind}: {}", output.stderr);
        assert!(!env.repo("data/captures/x/y/tool").exists(), "{kind}");
    }
}

/// S4: Git leaves a submodule behind when it goes on to a commit without it; `bin/dvc` in it is not run, whoever names
/// it.
#[test]
fn a_submodule_that_git_left_behind_is_not_run() {
    let mut env = TestEnv::committed();
    env.script("tool/bin/dvc", &trap(&env));
    for args in [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "x"]] {
        env.git_in("tool", args).ok();
    }
    evil(&env, || {
        env.git(["submodule", "add", "-q", "../tool", ".venv"]).ok();
    });
    let dvc = env.repo(".venv/bin/dvc");
    assert!(dvc.exists(), "git leaves it there");
    env.commit_run(SECOND);
    not_sprung(&env);
    // An activated environment is first on PATH: the next one is taken, and doctor says why.
    let path = env.get("PATH");
    env.set("PATH", &format!("{}:{path}", env.repo(".venv/bin").display()));
    let output = env.hook(["doctor"]);
    assert!(
        output.stdout.contains("cannot run ") && output.stdout.contains("a repository of its own"),
        "{}",
        output.stdout
    );
    env.commit_run(THIRD);
    // One that is named is not replaced in silence.
    env.git(["config", "capture-hook.dvc", dvc.to_str().unwrap()]).ok();
    env.select(FIRST);
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    dvc repro -s capture_ingest
    error: cannot run [env]/repo/.venv/bin/dvc: [env]/repo/.venv is a repository of its own, such as a submodule that git left behind
    hint: set a `dvc` outside of the repository: `git config capture-hook.dvc ~/.venvs/dvc/bin/dvc`
    ");
    not_sprung(&env);
}

/// S4: Tracked now, tracked at a commit that `git reset` left, a submodule among the packages, the dataset around it,
/// another working tree of the repository. And the owner's own, which is run once it is named.
#[test]
fn a_dvc_in_the_repository_is_run_only_where_its_owner_put_it() {
    let mut env = TestEnv::committed();
    let real = env.search_path().find(|dir| dir.join("dvc").is_file()).unwrap().join("dvc");
    let path = env.get("PATH");
    let rest: Vec<_> = env.search_path().filter(|dir| !dir.join("dvc").is_file()).collect();
    let rest = std::env::join_paths(rest).unwrap().into_string().unwrap();
    fs::write(env.repo(".git/info/exclude"), "/.venv\n/lib\n").unwrap();
    fs::create_dir_all(env.repo(".venv/lib/site-packages")).unwrap();
    fs::write(env.repo(".venv/pyvenv.cfg"), "").unwrap();
    let own = format!("#!/bin/sh\ntouch '{}'\nexec '{}' \"$@\"\n", env.path("own").display(), real.display());
    let own = env.script("repo/.venv/bin/dvc", &own);
    // As if all that HEAD's log tells were long ago.
    let forget = |env: &TestEnv| drop(fs::remove_file(env.repo(".git/logs/HEAD")));
    let was_run = |env: &TestEnv| fs::remove_file(env.path("own")).is_ok();
    // Nobody named it: it is told of, and not run.
    env.set("PATH", &rest);
    let output = env.hook(["doctor"]).fails(1);
    assert!(
        output.stdout.contains("which is not trusted") && output.stdout.contains("git config capture-hook.dvc"),
        "{}",
        output.stdout
    );
    assert!(!was_run(&env));
    // The owner's own command names it.
    let output = env.hook(["install"]).ok();
    assert!(output.stderr.contains(&own), "{}", output.stderr);
    assert_eq!(env.git(["config", "--local", "capture-hook.dvc"]).ok().stdout.trim(), own);
    env.hook(["doctor"]).ok();
    assert!(was_run(&env));
    // An activated one is on PATH: that is as good.
    env.git(["config", "--unset", "capture-hook.dvc"]).ok();
    env.set("PATH", &format!("{}:{path}", env.repo(".venv/bin").display()));
    assert!(env.hook(["doctor"]).ok().stdout.contains(&own));
    // Somebody's branch puts a file among its packages.
    let check = |env: &TestEnv, why: &str| {
        let output = env.hook(["doctor"]);
        assert!(
            output.stdout.contains(&format!("cannot run {own}: ")) && output.stdout.contains(why),
            "{why}: {}",
            output.stdout
        );
        assert!(!was_run(env), "{why}");
    };
    let pth = ".venv/lib/site-packages/zz.pth";
    env.git(["checkout", "-q", "-b", "evil"]).ok();
    fs::write(env.repo(pth), "import os\n").unwrap();
    env.git(["add", "-f", pth]).ok();
    check(&env, "git tracks");
    env.git(["commit", "-q", "-m", "x"]).ok();
    check(&env, "git tracks");
    env.git(["reset", "-q", "HEAD~1"]).ok();
    assert!(env.repo(pth).exists(), "git leaves it there");
    check(&env, "at another commit");
    // In a linked working tree the same program is judged by the one that it lies in.
    forget(&env);
    env.git(["add", "-f", pth]).ok();
    env.git(["worktree", "add", "-q", "../linked", "main"]).ok();
    let output = env.hook_in("linked", ["doctor"]);
    assert!(output.stdout.contains(&format!("cannot run {own}: ")), "{}", output.stdout);
    // One that lies in the other is a working tree too, and its own environment is the owner's.
    env.git(["worktree", "add", "-q", "--detach", "inner"]).ok();
    let inner = env.script("repo/inner/env/bin/dvc", &fs::read_to_string(&own).unwrap());
    env.set("PATH", &format!("{}:{path}", env.repo("inner/env/bin").display()));
    assert!(env.hook_in("repo/inner", ["doctor"]).stdout.contains(&format!("at {inner}")));
    assert!(was_run(&env));
    env.git(["worktree", "remove", "--force", "inner"]).ok();
    env.set("PATH", &format!("{}:{path}", env.repo(".venv/bin").display()));
    env.git(["rm", "-q", "-f", "--cached", pth]).ok();
    fs::remove_file(env.repo(pth)).unwrap();
    forget(&env);
    assert!(env.hook(["doctor"]).ok().stdout.contains(&own), "nothing of somebody else's is left");
    was_run(&env);
    // A submodule among its packages, left behind.
    env.script("tool/entry_points.txt", "x");
    for args in [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "x"]] {
        env.git_in("tool", args).ok();
    }
    env.git(["submodule", "add", "-q", "-f", "../tool", ".venv/lib/site-packages/evil.dist-info"]).ok();
    env.git(["rm", "-q", "--cached", ".venv/lib/site-packages/evil.dist-info"]).ok();
    env.git(["reset", "-q", "--hard"]).ok();
    assert!(env.repo(".venv/lib/site-packages/evil.dist-info/.git").exists());
    check(&env, "submodule");
    fs::remove_dir_all(env.repo(".venv/lib/site-packages/evil.dist-info")).unwrap();
    fs::remove_dir_all(env.repo(".git/modules")).unwrap();
    forget(&env);
    // The dataset lies around a directory of the owner's that is on PATH.
    let own = env.script("repo/lib/dvc", &trap(&env));
    env.set("PATH", &format!("{}:{path}", env.repo("lib").display()));
    lock(&env, "lib", &version(&env, ".dvc/cache", false, &[("x/y/z", "x")]));
    let output = env.hook(["doctor"]);
    assert!(output.stdout.contains(&format!("cannot run {own}: it is inside the dataset")), "{}", output.stdout);
    not_sprung(&env);
}

/// S4: A `capture-hook` in the working tree, on PATH by an activated environment: hooks do not call it.
#[test]
fn hooks_call_no_capture_hook_that_git_put_there() {
    let mut env = TestEnv::committed();
    let trap = trap(&env);
    let path = env.get("PATH");
    env.set("PATH", &format!("{}:{path}", env.repo(".venv/bin").display()));
    evil(&env, || {
        env.script("repo/.venv/bin/capture-hook", &trap);
        env.git(["add", "-f", ".venv"]).ok();
    });
    env.git(["checkout", "-q", "evil"]).ok();
    env.git(["commit", "-q", "--allow-empty", "-m", "x"]).ok();
    not_sprung(&env);
    // Nor one that was installed from there, once git tracks it.
    env.git(["checkout", "-q", "main"]).ok();
    let own = env.script("repo/.venv/bin/capture-hook", "#!/bin/sh\nexit 0\n");
    let hook = env.repo(".git/hooks/post-checkout");
    let text = fs::read_to_string(&hook).unwrap();
    let installed = text.lines().find(|line| line.starts_with("installed=")).unwrap();
    fs::write(&hook, text.replace(installed, &format!("installed='{own}'"))).unwrap();
    fs::write(env.repo(".git/info/exclude"), "/.venv\n").unwrap();
    let output = env.git(["checkout", "-q", "evil"]).ok();
    assert_snapshot!(env.screen(&output), @"warning: post-checkout: not run: git tracks the program [env]/repo/.venv/bin/capture-hook");
    not_sprung(&env);
}

/// S12: A link where the dataset lies, into git's own directory.
#[test]
fn ingest_follows_no_link_into_gits_directory() {
    let env = TestEnv::committed();
    let before = tree(&env.repo(".git"));
    fs::remove_dir_all(env.repo("data")).unwrap();
    for (link, out_dir) in [(".git", "data/captures"), (".git/hooks", "data"), ("../.git", "sub/data")] {
        let at = env.repo(if out_dir == "data/captures" { "data" } else { out_dir });
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(link, &at).unwrap();
        let output = env.hook(["ingest", "--run-dir", &format!("results/{SECOND}"), "--out-dir", out_dir]).fails(2);
        assert!(output.stderr.contains("is not a directory of its own"), "{out_dir}: {}", output.stderr);
        fs::remove_file(&at).unwrap();
    }
    assert_eq!(before, tree(&env.repo(".git")));
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

/// S17: A name that a checkout on some system would refuse does not get in.
#[test]
fn a_name_that_some_system_refuses_is_refused_at_the_first_touch() {
    let env = TestEnv::committed();
    for name in UNSAFE {
        for key in [format!("demo/{name}"), format!("{name}/r1")] {
            env.record_as("ok-pypi010", &key);
            let run = format!("results/{key}");
            let output = env.hook(["--json", "validate", &run]).fails(1);
            let told: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
            assert_eq!(told["runs"][0]["errors"], serde_json::json!(["unsafe_run_id"]), "{key}");
            env.hook(["select", &run]).fails(1);
            env.hook(["ingest", "--run-dir", &run]).fails(1);
            fs::remove_dir_all(env.repo("results").join(key.split('/').next().unwrap())).unwrap();
        }
    }
    for key in ["demo/.git ", "git~1/r1", "demo/a:b"] {
        env.record_as("ok-pypi010", key);
        let params = fs::read_to_string(env.repo("params.yaml")).unwrap();
        let old = params.lines().find(|line| line.trim_start().starts_with("run_dir:")).unwrap();
        fs::write(env.repo("params.yaml"), params.replace(old, &format!("  run_dir: 'results/{key}'"))).unwrap();
        let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
        assert!(output.stderr.contains("unsafe_run_id"), "{key}: {}", output.stderr);
        env.git(["checkout", "-q", "params.yaml"]).ok();
    }
    assert_eq!(env.runs_in("repo"), [FIRST]);
}

/// S17: One bad run that was committed all the same keeps no other back, and one that only Windows cannot have is there
/// on every other system.
#[test]
fn one_bad_run_keeps_no_other_back() {
    let env = TestEnv::committed();
    let files = [
        ("demo/.git /run.json", "{}"),
        ("git~1/r1/run.json", "{}"),
        ("demo/a:b/run.json", "{}"),
        ("demo/x?/run.json", "{}"),
    ];
    let bad = version(&env, ".dvc/cache", true, &files);
    // It does not get in by `dvc` alone either.
    env.git(["checkout", "-q", "-b", "mine"]).ok();
    lock(&env, "data/captures", &bad);
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: the dataset would hold a path that cannot be checked out: git~1/r1/run.json: `git~1` is git's own directory
    hint: rename it, or move it out of the dataset's directory, then run `dvc commit` and commit again
    ");
    env.git(["checkout", "-q", "-f", "main"]).ok();
    // Where it is in already, everything else comes.
    evil(&env, || lock(&env, "data/captures", &bad));
    let output = env.git(["checkout", "-q", "evil"]).ok();
    assert_eq!(output.stderr.matches("not checked out: ").count(), 2, "{}", output.stderr);
    assert_eq!(env.runs_in("repo"), ["demo/a:b", "demo/x?", FIRST], "{}", output.stderr);
    let output = env.hook(["--json", "pull"]).fails(1);
    let told: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(told["pulled"][0]["refused"], serde_json::json!(["demo/.git ", "git~1/r1"]));
    assert_eq!((&told["complete"], &told["pulled"][0]["missing_bytes"]), (&false.into(), &0.into()));
    env.hook(["pull", "demo/a:b"]).ok();
    env.hook(["get", "demo/a:b", "-o", "got"]).ok();
    assert!(env.repo("got/run.json").exists());
    // The native engine carries what is in; DVC would lose it, so that must be said.
    env.select(SECOND);
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: cannot check out all committed runs, so the commit would lose runs: cannot check out demo/.git : `.git ` is git's own directory
    hint: to drop it from the dataset: `git -c capture-hook.allowLoss=true commit`
    ");
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    env.commit_run(SECOND);
    fs::remove_file(env.repo("capture-hook.toml")).unwrap();
    env.select(THIRD);
    env.git(["-c", "capture-hook.allowLoss=true", "commit", "-q", "-am", "x"]).ok();
    let output = env.git(["checkout", "-q", "-f", "main"]).ok();
    assert_eq!(output.stderr, "");
    let output = env.git(["checkout", "-q", "evil"]).ok();
    assert_snapshot!(env.screen(&output), @"");
    assert_eq!(env.runs_in("repo"), ["demo/a:b", SECOND, "demo/x?", FIRST, THIRD]);
    assert!(files_are_plain(&env));
}

/// No file of the dataset can be executed.
fn files_are_plain(env: &TestEnv) -> bool {
    files(&env.repo("data/captures")).iter().all(|path| fs::metadata(path).unwrap().permissions().mode() & 0o111 == 0)
}

//! Data as people have it: files of the dataset changed by hand, clones without data, metrics of one's own. A screen says what
//! is so, and the next command that it names is one that works.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use insta::assert_snapshot;
use serde_json::Value;

use crate::env::{FIRST, SECOND, TestEnv, files};

/// The prepared project, its data pushed. With the native engine, where the point is not what DVC does.
pub fn pushed(engine: &str) -> TestEnv {
    let env = TestEnv::committed();
    fs::write(env.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    env.git(["commit", "-q", "-m", "An engine"]).ok();
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    env
}

pub fn status(env: &TestEnv, dir: &str) -> Value {
    serde_json::from_str(&env.hook_in(dir, ["--json", "status"]).ok().stdout).unwrap()
}

/// A clone at `dir`, as a colleague makes one: the DVC remote is known, no data has come.
pub fn clone(env: &TestEnv, dir: &str) {
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    env.git_in(".", ["clone", "-q", "origin.git", dir]).ok();
    let settings = fs::read_to_string(env.repo(".dvc/config.local")).unwrap();
    fs::write(env.path(dir).join(".dvc/config.local"), settings).unwrap();
}

/// How a step of `status` stands, and in which words.
pub fn step(env: &TestEnv, dir: &str, name: &str) -> (String, String) {
    let status = status(env, dir);
    let steps = status["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("no {name} in {status}"));
    (step["state"].as_str().unwrap().to_owned(), step["detail"].as_str().unwrap().to_owned())
}

/// What `status` says to type next.
pub fn next(env: &TestEnv) -> Option<String> {
    status(env, "repo")["next"].as_str().map(str::to_owned)
}

/// Gives a file other bytes, as a program does that writes it anew.
fn rewrite(file: &Path, bytes: &[u8]) {
    fs::remove_file(file).unwrap();
    fs::write(file, bytes).unwrap();
}

/// W1: A changed file of the dataset, of the same size or another, is told by `status`, `verify` and `pull`, and
/// replaced only by `pull --force`, with either engine.
#[test]
fn a_changed_file_of_the_dataset_is_told_and_replaced_on_request() {
    for engine in ["dvc", "native"] {
        let env = pushed(engine);
        assert_eq!(step(&env, "repo", "workspace").0, "done");
        let name = format!("{FIRST}/run.json");
        let file = env.repo("data/captures").join(&name);
        let was = fs::read(&file).unwrap();
        let mut same_size = was.clone();
        same_size[was.len() / 2] ^= 1;
        for other in [same_size.as_slice(), b"{}"] {
            rewrite(&file, other);
            assert_eq!(step(&env, "repo", "workspace"), ("pending".into(), format!("changed: {name}")));
            assert_eq!(next(&env).as_deref(), Some("capture-hook pull --force"));
            let output = env.hook(["verify"]).fails(1);
            assert!(output.stderr.contains("`capture-hook pull --force`"), "{}", output.stderr);
            for runs in [&[][..], &[FIRST]] {
                let output = env.hook([&["pull"], runs].concat()).fails(1);
                assert!(
                    output.stderr.contains(&name) && output.stderr.contains("capture-hook pull --force"),
                    "{}",
                    output.stderr
                );
                assert!(!output.stderr.lines().any(|line| line.starts_with("the dataset is")), "{}", output.stderr);
                assert_eq!(fs::read(&file).unwrap(), other);
            }
            env.hook(["pull", "--force"]).ok();
            assert_eq!(fs::read(&file).unwrap(), was);
            env.hook(["verify"]).ok();
            assert_eq!(step(&env, "repo", "workspace").0, "done");
        }
        assert_eq!(next(&env), None);
    }
}

/// W1: A file written through its hard link into DVC's cache, one that was added to a run, and one that is gone. What
/// is committed comes back, from the remote too; a run that is in no commit stays.
#[test]
fn a_cache_that_was_written_through_is_mended_by_a_forced_pull() {
    let env = pushed("native");
    let local = fs::read_to_string(env.repo(".dvc/config.local")).unwrap();
    fs::write(env.repo(".dvc/config.local"), local.replace("type = copy", "type = hardlink")).unwrap();
    let data = env.repo("data/captures");
    let (file, gone, added) =
        (format!("{FIRST}/steps.jsonl.gz"), format!("{FIRST}/run.json"), format!("{FIRST}/x.txt"));
    let was = fs::read(data.join(&file)).unwrap();
    fs::remove_dir_all(data.join(FIRST)).unwrap();
    env.hook(["pull"]).ok();
    fs::set_permissions(data.join(&file), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(data.join(&file), "short").unwrap();
    fs::remove_file(data.join(&gone)).unwrap();
    fs::write(data.join(&added), "x").unwrap();
    fs::create_dir_all(data.join("mine/r1")).unwrap();
    fs::write(data.join("mine/r1/notes.txt"), "x").unwrap();
    assert_eq!(step(&env, "repo", "workspace").1, format!("changed: {file}; added: {added}; missing: {gone}"));
    let output = env.hook(["--json", "pull"]).fails(1);
    let pulled: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(pulled["pulled"][0]["unsaved"], serde_json::json!([file, added]));
    assert!(data.join(&gone).is_file() && data.join(&added).is_file());
    env.hook(["pull", "--force", FIRST]).ok();
    assert_eq!(fs::read(data.join(&file)).unwrap(), was);
    assert!(!data.join(&added).exists() && data.join("mine/r1/notes.txt").is_file());
    env.hook(["verify", FIRST]).ok();
    env.hook(["verify", "--rev", "HEAD"]).ok();
    assert_eq!(step(&env, "repo", "workspace").0, "done");
}

/// W1: Links into a cache that was emptied, and that `pull` fills again.
#[test]
fn links_into_an_emptied_cache_are_missing_and_come_back() {
    let env = pushed("native");
    let local = fs::read_to_string(env.repo(".dvc/config.local")).unwrap();
    fs::write(env.repo(".dvc/config.local"), local.replace("type = copy", "type = symlink")).unwrap();
    fs::remove_dir_all(env.repo("data/captures").join(FIRST)).unwrap();
    env.hook(["pull"]).ok();
    fs::remove_dir_all(env.repo(".dvc/cache/files")).unwrap();
    env.hook(["pull"]).ok();
    env.hook(["verify"]).ok();
    for object in files(&env.repo(".dvc/cache/files")).iter().filter(|path| path.extension().is_none()) {
        fs::remove_file(object).unwrap();
    }
    let (_, detail) = step(&env, "repo", "workspace");
    assert!(detail.starts_with("missing: "), "{detail}");
    do_next(&env);
    env.hook(["verify"]).ok();
    assert_eq!(next(&env), None);
}

/// W2: `verify` in a clone without data says that nothing was verified, and never reads like damage.
#[test]
fn verify_in_a_fresh_clone_verifies_nothing_and_says_so() {
    let env = pushed("native");
    env.commit_run(SECOND);
    clone(&env, "fresh");
    for (args, hint) in [
        (&["verify"][..], "`capture-hook pull`"),
        (&["verify", FIRST], &*format!("`capture-hook pull {FIRST}`")),
        (&["verify", "--rev", "HEAD"], "--rev HEAD`"),
    ] {
        let output = env.hook_in("fresh", args).fails(3);
        assert_eq!(output.stdout, "");
        assert!(
            output.stderr.contains("not in this clone: nothing was verified") && output.stderr.contains(hint),
            "{}",
            output.stderr
        );
    }
    assert_eq!(step(&env, "fresh", "workspace").0, "unknown");
    // With a part of it, the list of files among it: what is here is right, of the rest a line a run.
    env.hook_in("fresh", ["pull", SECOND]).ok();
    env.hook_in("fresh", ["verify", SECOND]).ok();
    env.hook_in("fresh", ["verify", FIRST]).fails(3);
    let output = env.hook_in("fresh", ["verify"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    missing    nav/run-20261124-021550/: the whole run is missing from the workspace
    1 finding in 1 run; read: 1 run, 7 files, 13.3 KiB
    data version [md5].dir
    --- stderr
    hint: fetch what is missing: `capture-hook pull`
    ");
    assert!(step(&env, "fresh", "workspace").1.starts_with("1 of 2 runs"));
    env.hook_in("fresh", ["pull"]).ok();
    env.hook_in("fresh", ["verify"]).ok();
}

/// W2: What the cache holds of an older revision, and a dataset of which the list of files alone is gone.
#[test]
fn verify_tells_what_is_not_known_from_what_is_wrong() {
    let env = pushed("native");
    env.commit_run(SECOND);
    let output = env.hook(["verify", "--rev", "HEAD~1", SECOND]).fails(3);
    assert_snapshot!(env.screen(&output), @"
    error: data version [md5].dir does not hold demo/run-20260105-041: nothing was verified
    hint: see the commits that hold it: `capture-hook log demo/run-20260105-041`
    ");
    for list in files(&env.repo(".dvc/cache/files/md5")).iter().filter(|path| path.extension().is_some()) {
        fs::remove_file(list).unwrap();
    }
    env.hook(["verify"]).ok();
    fs::remove_dir_all(env.repo("data/captures").join(FIRST)).unwrap();
    let output = env.hook(["verify"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    changed    .: the files of the workspace differ from data version [md5].dir; its file list is not in this clone, so it is unknown which files differ
    1 finding in 0 runs; read: 1 run, 7 files, 13.3 KiB
    data version [md5].dir
    --- stderr
    hint: fetch the file list, and see which files differ: `capture-hook pull`
    ");
    // An object of the cache that is damaged is named, and mended by what is advised.
    let env = pushed("native");
    let object = some_object(&env, "repo/.dvc/cache");
    fs::remove_file(&object).unwrap();
    fs::write(&object, "rotten").unwrap();
    let output = env.hook(["verify", "--rev", "HEAD"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    changed    nav/run-20261124-021550/steps.jsonl.gz: the object [env]/repo/.dvc/cache/files/md5/[md5] is damaged: its MD5 is [md5]
    1 finding in 1 run; read: 1 run, 7 files, 9.9 KiB
    data version [md5].dir
    --- stderr
    hint: remove the damaged object from the cache: `rm -f [env]/repo/.dvc/cache/files/md5/[md5]`
    hint: fetch what the cache lacks of a run: `capture-hook get nav/run-20261124-021550 --rev HEAD`
    ");
    assert!(output.stdout.contains(object.to_str().unwrap()), "{}", output.stdout);
    let commands: Vec<&str> = output.stderr.split('`').skip(1).step_by(2).collect();
    assert!(commands.len() == 2 && commands[0].starts_with("rm -f "), "{}", output.stderr);
    env.run_in("repo", "sh", ["-c", commands[0]]).ok();
    env.run_in("repo", "sh", ["-c", &format!("{} -o ../got", commands[1])]).ok();
    env.hook(["verify", "--rev", "HEAD"]).ok();
    // What was committed wrongly is not mended by bringing it back.
    let env = pushed("native");
    let parquet = env.repo("data/captures").join(FIRST).join("steps.parquet");
    rewrite(&parquet, &fs::read(parquet.with_file_name("episodes.parquet")).unwrap());
    env.dvc(["commit", "-q", "-f", "capture_ingest"]).ok();
    let output = env.hook(["verify"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    rows       nav/run-20261124-021550/steps.parquet: it has 4 rows, the JSON lines of nav/run-20261124-021550 have 151
    1 finding in 1 run; read: 1 run, 7 files, 10.8 KiB
    data version [md5].dir
    --- stderr
    hint: the files were committed like this; see the commits: `capture-hook log nav/run-20261124-021550`
    ");
}

/// Runs the command that `status` names, in a shell as a user does.
pub fn do_next(env: &TestEnv) {
    let next = next(env).unwrap();
    env.run_in("repo", "sh", ["-c", &next]).ok();
}

/// An object of the DVC remote at `dir` that is no list of files.
pub fn some_object(env: &TestEnv, dir: &str) -> std::path::PathBuf {
    let mut objects = files(&env.path(dir).join("files/md5"));
    objects.retain(|path| path.extension().is_none());
    objects.sort();
    objects.remove(0)
}

/// W11: A pipeline with metrics and plots of its own shows runs in `dvc metrics` and `dvc plots`, beside its own.
#[test]
fn metrics_of_ones_own_stand_beside_those_of_runs() {
    let env = TestEnv::empty();
    env.git_in(".", ["init", "-q", "repo"]).ok();
    env.dvc(["init", "-q"]).ok();
    let own = "# mine\nmetrics:\n- m.json # keep\nplots:\n- p.csv:\n    x: a\n";
    fs::write(env.repo("dvc.yaml"), own).unwrap();
    fs::write(env.repo("m.json"), "{\"loss\": 1}").unwrap();
    fs::write(env.repo("p.csv"), "a,b\n1,2\n").unwrap();
    let output = env.hook(["init"]).ok();
    assert_snapshot!(env.screen(&output), @"
    kept   .dvc: this is a DVC project already
    wrote  dvc.yaml: added the stage capture_ingest
    wrote  params.yaml: no run is selected yet
    wrote  .gitignore: results/ is ignored by git
    wrote  data/.gitignore: data/captures/ is ignored by git
    wrote  .gitattributes: added the merge drivers
    kept   DVC remote: none: data stays on this machine
    wrote  .git/hooks: pre-commit, prepare-commit-msg, commit-msg, post-commit, post-rewrite, post-checkout, post-merge, pre-push
    wrote  .git/config: the merge drivers
    hint: commit the files: `git add .dvc .dvcignore .gitattributes .gitignore dvc.yaml params.yaml data/.gitignore && git commit -m 'Set up capture-hook'`
    hint: set a remote to share the data: `capture-hook init --remote URL`
    hint: then record a run in results/, and commit it: `capture-hook select latest && git commit -am 'A run'`
    ");
    env.git(["add", "-A"]).ok();
    env.git(["commit", "-q", "-m", "set up"]).ok();
    let key = env.record("ok-head01");
    env.hook(["select", &key]).ok();
    env.git(["commit", "-q", "-am", "A run"]).ok();
    let metrics: Value = serde_json::from_str(&env.dvc(["metrics", "show", "--json"]).ok().stdout).unwrap();
    let data = &metrics[""]["data"];
    assert_eq!(data["m.json"]["data"]["loss"], 1, "{metrics}");
    assert_eq!(data["metrics/capture.json"]["data"]["run"], key.as_str(), "{metrics}");
    let plots = env.dvc(["plots", "diff", "--json"]).ok().stdout;
    assert!(plots.contains("p.csv") && plots.contains("Reward so far"), "{plots}");
}

/// W11: Where nothing can be added without changing what is there, `init` says what to add; so too for a pipeline that
/// has the stage already. What it says, works.
#[test]
fn what_cannot_be_added_to_metrics_is_said() {
    let env = TestEnv::initialized();
    let text = fs::read_to_string(env.repo("dvc.yaml")).unwrap();
    let stage = &text[..text.find("metrics:\n").unwrap()];
    let words = "add `- metrics/capture.json` under `metrics:`";
    for (text, told) in [
        (format!("{stage}metrics:\n- m.json\n"), true),
        ("metrics:\n".to_owned(), true),
        (format!("{stage}metrics:\n- m.json\n- metrics/capture.json\n"), false),
    ] {
        fs::write(env.repo("dvc.yaml"), &text).unwrap();
        let output = env.hook(["init"]).ok();
        assert_eq!(output.stderr.contains(words), told, "{text}: {}", output.stderr);
    }
    let key = env.record("ok-head01");
    env.hook(["select", &key]).ok();
    fs::write(env.repo("m.json"), "{}").unwrap();
    env.git(["add", "m.json"]).ok();
    env.git(["commit", "-q", "-am", "A run"]).ok();
    assert!(env.dvc(["metrics", "show", "--json"]).ok().stdout.contains(&key));
}

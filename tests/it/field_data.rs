//! Data as people have it: files of the dataset changed by hand, clones without data, metrics of one's own. A screen says what
//! is so, and the next command that it names is one that works.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::matrix::{FIRST, SECOND, commit_run, committed};
use crate::world::{World, files};

/// The prepared project, its data pushed. With the native engine, where the point is not what DVC does.
pub fn pushed(engine: &str) -> World {
    let world = committed();
    fs::write(world.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
    world.git(["add", "capture-hook.toml"]).ok();
    world.git(["commit", "-q", "-m", "An engine"]).ok();
    world.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    world
}

pub fn status(world: &World, dir: &str) -> Value {
    serde_json::from_str(&world.hook_in(dir, ["--json", "status"]).ok().out).unwrap()
}

/// A clone at `dir`, as a colleague makes one: the DVC remote is known, no data has come.
pub fn clone(world: &World, dir: &str) {
    world.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    world.git_in(".", ["clone", "-q", "origin.git", dir]).ok();
    let settings = fs::read_to_string(world.repo(".dvc/config.local")).unwrap();
    fs::write(world.path(dir).join(".dvc/config.local"), settings).unwrap();
}

/// How a step of `status` stands, and in which words.
pub fn step(world: &World, dir: &str, name: &str) -> (String, String) {
    let status = status(world, dir);
    let steps = status["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("no {name} in {status}"));
    (step["state"].as_str().unwrap().to_owned(), step["detail"].as_str().unwrap().to_owned())
}

/// What `status` says to type next.
pub fn next(world: &World) -> Option<String> {
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
pub fn do_next(world: &World) {
    let next = next(world).unwrap();
    world.run_in("repo", "sh", ["-c", &next]).ok();
}

/// An object of the DVC remote at `dir` that is no list of files.
pub fn some_object(world: &World, dir: &str) -> std::path::PathBuf {
    let mut objects = files(&world.path(dir).join("files/md5"));
    objects.retain(|path| path.extension().is_none());
    objects.sort();
    objects.remove(0)
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

//! Data and remotes as people have them: files of the dataset changed by hand, remotes that lost data, were replaced or are
//! not mounted, clones without data. A screen says what is so, and the next command that it names is one that works.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::matrix::{FIRST, SECOND, commit_run, committed};
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
    // What was committed wrongly is not mended by bringing it back.
    let world = pushed("native");
    let parquet = world.repo("data/captures").join(FIRST).join("steps.parquet");
    rewrite(&parquet, &fs::read(parquet.with_file_name("episodes.parquet")).unwrap());
    world.dvc(["commit", "-q", "-f", "capture_ingest"]).ok();
    let said = world.hook(["verify"]).fails(1);
    assert!(said.err.contains("as they were committed") && !said.err.contains("pull"), "{}", said.err);
}

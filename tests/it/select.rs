//! `capture-hook select`, as a user meets it.

use std::fs;

use crate::world::World;

fn project() -> World {
    let world = World::with_project();
    world.record("ok-head01");
    world.record("ok-orig100");
    world
}

#[test]
fn it_changes_one_value_and_prints_old_and_new() {
    let world = project();
    let params = world.repo("params.yaml");
    let text = "\u{feff}# é\r\nlr: {a: [1, 'b']}\r\ningest_capture:\r\n    run_dir: \"old\" # which\r\n    out_dir: data/captures\r\n";
    fs::write(&params, text).unwrap();
    let key = world.record("ok-pypi010");
    let said = world.hook(["select", &key]).ok();
    assert_eq!(said.out, format!("params.yaml: old -> results/{key}\n"));
    assert_eq!(fs::read_to_string(&params).unwrap(), text.replace("old", &format!("results/{key}")));
    // From anywhere in the repository, by a path.
    let said = world.hook_in("repo/results/demo", ["select", key.rsplit('/').next().unwrap()]).ok();
    assert!(said.out.contains("already"), "{}", said.out);
}

#[test]
fn an_invalid_run_is_refused_unless_forced() {
    let world = project();
    let before = fs::read(world.repo("params.yaml")).unwrap();
    let key = world.record("bad-step-gap");
    let said = world.hook(["select", &key]).fails(1);
    assert!(said.err.contains("step_sequence") && said.err.contains("--force"), "{}", said.err);
    assert_eq!(fs::read(world.repo("params.yaml")).unwrap(), before);
    let said = world.hook(["--json", "select", "--force", &key]).ok();
    assert!(said.out.contains("\"valid\": false") && said.err.contains("invalid"), "{}", said.all());
    assert!(fs::read_to_string(world.repo("params.yaml")).unwrap().contains(&format!("run_dir: results/{key}")));
}

#[test]
fn what_cannot_be_edited_is_refused_untouched() {
    let world = project();
    let key = world.record("ok-head01");
    for text in ["ingest_capture:\n  run_dir: a\n  run_dir: b\n", "a: 1\n---\nb: 1\n", "- a\n", "<<<<<<< HEAD\na: 1\n"]
    {
        fs::write(world.repo("params.yaml"), text).unwrap();
        let said = world.hook(["select", &key]).fails(3);
        assert!(said.err.contains("params.yaml:"), "{}", said.err);
        assert_eq!(fs::read_to_string(world.repo("params.yaml")).unwrap(), text);
    }
}

#[test]
fn a_missing_file_is_made_and_other_formats_are_edited() {
    let world = project();
    let key = world.record("ok-head01");
    fs::remove_file(world.repo("params.yaml")).unwrap();
    world.hook(["select", &key]).ok();
    let text = fs::read_to_string(world.repo("params.yaml")).unwrap();
    assert!(text.contains(&format!("run_dir: results/{key}")) && text.contains("out_dir: data/captures"), "{text}");

    let stage = fs::read_to_string(world.repo("dvc.yaml")).unwrap();
    for (file, before, after) in [
        ("p.toml", "[ingest_capture]\nrun_dir = 'x' # c\nout_dir = 'data/captures'\n", "run_dir = 'results/KEY' # c"),
        (
            "p.json",
            "{\"ingest_capture\": {\"run_dir\": \"x\", \"out_dir\": \"data/captures\"}}",
            "{\"run_dir\": \"results/KEY\", ",
        ),
    ] {
        let named = stage.replace("- ingest_capture.run_dir", &format!("- {file}: [ingest_capture.run_dir]"));
        fs::write(world.repo("dvc.yaml"), named).unwrap();
        fs::write(world.repo(file), before).unwrap();
        world.hook(["select", &key]).ok();
        let text = fs::read_to_string(world.repo(file)).unwrap();
        assert!(text.contains(&after.replace("KEY", &key)), "{text}");
    }
}

#[test]
fn a_run_outside_the_project_and_no_run_at_all() {
    let world = project();
    let (outside, _) = crate::world::corpus_run("ok-head01");
    world.hook(["select", outside.to_str().unwrap()]).fails(2);
    world.hook(["select", "nothing/there"]).fails(3);
}

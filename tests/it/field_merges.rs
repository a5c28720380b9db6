//! Merges, rebases and stashes as people do them: what a side added is in the result or is said to be missing, and a selection
//! stays where the user put it.

use std::fs;

use serde_json::Value;

use crate::hooks::select;
use crate::matrix::{FIRST, SECOND, THIRD, clean, commit_run, committed_natively, id, runs_at, runs_in, tags};
use crate::world::{Said, World, tree};

/// A run that branches record differently.
const SAME: &str = "demo/same";
/// How the other side's files of it are called, once both are kept.
const BESIDE: &str = "demo/same-theirs";

/// Records a run anew, and commits it.
fn commit_anew(world: &World, case: &str, key: &str) {
    let _ = fs::remove_dir_all(world.repo("results").join(key));
    world.record_as(case, key);
    world.hook(["select", key]).ok();
    world.git(["commit", "-q", "-am", &format!("{key} of {case}")]).ok();
}

/// `feature` and `main` have both recorded these runs, and each has added one of its own.
fn disputed(keys: &[&str]) -> World {
    let world = committed_natively();
    world.git(["checkout", "-q", "-b", "feature"]).ok();
    commit_run(&world, SECOND);
    for key in keys {
        commit_anew(&world, "ok-pypi010", key);
    }
    world.git(["checkout", "-q", "main"]).ok();
    commit_run(&world, THIRD);
    for key in keys {
        commit_anew(&world, "ok-head01", key);
    }
    world
}

/// `feature` and `main` have each added a run to the first, and selected it.
fn two_sides() -> World {
    let world = committed_natively();
    world.git(["checkout", "-q", "-b", "feature"]).ok();
    commit_run(&world, SECOND);
    world.git(["checkout", "-q", "main"]).ok();
    commit_run(&world, THIRD);
    world
}

/// What `params.yaml`, `dvc.lock` and the files of DVC's views say is selected, which must be one run.
#[track_caller]
fn selected(world: &World) -> String {
    let text = fs::read_to_string(world.repo("params.yaml")).unwrap();
    let run = text.lines().find_map(|line| line.trim().strip_prefix("run_dir: results/")).unwrap().to_owned();
    let lock = fs::read_to_string(world.repo("dvc.lock")).unwrap();
    assert!(lock.contains(&format!("run_dir: results/{run}\n")), "{run}: {lock}");
    let shown = fs::read_to_string(world.repo("metrics/capture.json")).unwrap();
    assert!(shown.contains(&format!("\"run\": \"{run}\"")), "{run}: {shown}");
    run
}

fn files_of(world: &World, key: &str) -> std::collections::BTreeMap<String, Vec<u8>> {
    tree(&world.repo("data/captures").join(key))
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}", said.all()))
}

/// The codes of `check`'s findings, each with its run.
fn findings(world: &World) -> Vec<String> {
    let said = json(&world.hook(["--json", "check"]));
    let finding = |f: &Value| format!("{} {}", f["code"].as_str().unwrap(), f["run"].as_str().unwrap_or("-"));
    said["findings"].as_array().unwrap().iter().map(finding).collect()
}

/// 12-B4: a conflict in `dvc.lock` that is settled by one side's file would drop what the other side alone has added: the
/// commit stops and says how to keep it.
#[test]
fn one_sides_lock_loses_no_run_of_the_other() {
    let world = disputed(&[SAME]);
    world.git(["merge", "feature"]).fails(1);
    let (head, data) = (id(&world, "HEAD"), tree(&world.repo("data")));
    for side in ["--ours", "--theirs"] {
        world.git(["checkout", side, "dvc.lock"]).ok();
        world.git(["add", "dvc.lock"]).ok();
        let said = world.git(["commit", "-q", "--no-edit"]).fails(1);
        let lost = if side == "--ours" { SECOND } else { THIRD };
        assert!(said.err.contains(&format!("would lose the run {lost}")), "{side}: {}", said.err);
        for hint in ["`git checkout -m -- dvc.lock`", "capture-hook resolve RUN --ours", "capture-hook.allowLoss=true"]
        {
            assert!(said.err.contains(hint), "{side}: {}", said.err);
        }
        assert_eq!((id(&world, "HEAD"), tree(&world.repo("data"))), (head.clone(), data.clone()));
        // As the hint says, the conflict is back.
        world.git(["checkout", "-q", "-m", "--", "dvc.lock"]).ok();
    }
    world.hook(["resolve", SAME, "--ours"]).ok();
    world.git(["commit", "-q", "--no-edit"]).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, SAME, FIRST, THIRD]);
    clean(&world);
    assert_eq!(findings(&world), [] as [String; 0]);
}

/// 12-B4: what a merge drops on purpose, or without hooks, is in `check`'s findings, whichever parent held it.
#[test]
fn check_finds_a_run_that_a_merge_dropped() {
    let world = two_sides();
    let said = world.git(["merge", "-q", "-s", "ours", "--no-edit", "feature"]).fails(1);
    assert!(said.err.contains(&format!("the merge would lose the run {SECOND}")), "{}", said.err);
    assert!(said.err.contains("`git merge --abort`"), "{}", said.err);
    world.git(["-c", "capture-hook.allowLoss=true", "commit", "-q", "--no-edit"]).ok();
    assert_eq!(id(&world, "HEAD^2"), id(&world, "feature"));
    let lost = [format!("run_lost {SECOND}")];
    assert_eq!(findings(&world), lost);
    world.hook(["check", "--strict"]).fails(1);
    // A merge that goes on from there says nothing new, and neither does one that brings the other side's lock.
    world.git(["commit", "-q", "--allow-empty", "-m", "on"]).ok();
    world.git(["checkout", "-q", "-b", "later", "HEAD~1"]).ok();
    fs::write(world.repo("readme.txt"), "b\n").unwrap();
    world.git(["commit", "-q", "-am", "code"]).ok();
    world.git(["merge", "-q", "--no-edit", "main"]).ok();
    assert_eq!(findings(&world), lost);

    // The sibling: no hooks, several branches, and the lock of one of them.
    let world = two_sides();
    world.git(["-c", "core.hooksPath=/dev/null", "merge", "-q", "-s", "ours", "--no-edit", "feature", "HEAD~1"]).ok();
    assert_eq!(findings(&world), lost);
    world.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    let said = world.git(["merge", "-q", "-s", "ours", "--no-edit", "feature", "HEAD~1"]).fails(1);
    assert!(said.err.contains(&format!("would lose the run {SECOND}")), "{}", said.err);
}

/// 12-B4, a sibling: a run that one side removed on purpose is gone after a merge with a branch that still held it, and
/// nobody asks again.
#[test]
fn a_run_that_one_side_removed_on_purpose_is_no_loss() {
    let world = two_sides();
    fs::remove_dir_all(world.repo("data/captures").join(FIRST)).unwrap();
    world.dvc(["commit", "-q", "-f", "capture_ingest"]).ok();
    world.git(["commit", "-q", "-am", "Remove it"]).fails(1);
    world.git(["-c", "capture-hook.allowLoss=true", "commit", "-q", "-am", "Remove it"]).ok();
    let removed = findings(&world);
    assert_eq!(removed, [format!("run_lost {FIRST}")]);
    world.git(["branch", "removed"]).ok();
    world.git(["merge", "-q", "--no-edit", "feature"]).ok();
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, THIRD]);
    // From the other side, concluded by `git commit`.
    world.git(["checkout", "-q", "feature"]).ok();
    world.git(["merge", "-q", "--no-commit", "removed"]).ok();
    world.git(["commit", "-q", "--no-edit"]).ok();
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, THIRD]);
    assert_eq!(findings(&world), removed);
}

/// 12-B4: `resolve` settles a run and unites the others; with both kept, the other side's files stand beside it as they are.
#[test]
fn a_disputed_run_is_settled_as_the_user_says() {
    let theirs_are = |world: &World| {
        world.git(["checkout", "-q", "feature"]).ok();
        let files = files_of(world, SAME);
        world.git(["checkout", "-q", "main"]).ok();
        files
    };
    for (side, left) in
        [("--theirs", &[SECOND, SAME, FIRST, THIRD][..]), ("--both", &[SECOND, SAME, BESIDE, FIRST, THIRD])]
    {
        let world = disputed(&[SAME]);
        let (ours, theirs) = (files_of(&world, SAME), theirs_are(&world));
        assert_ne!(ours, theirs);
        let said = world.git(["merge", "feature"]).fails(1);
        assert!(
            said.all().contains(&format!("`capture-hook resolve {SAME} --ours` takes the files of HEAD")),
            "{}",
            said.all()
        );
        let said = json(&world.hook(["--json", "resolve", "same", side]).ok());
        assert_eq!((&said["run"], &said["settled"]), (&SAME.into(), &true.into()));
        assert_eq!(said["kept_as"], if side == "--both" { BESIDE.into() } else { Value::Null });
        world.git(["commit", "-q", "--no-edit"]).ok();
        clean(&world);
        assert_eq!(runs_at(&world, "HEAD"), left);
        assert_eq!(selected(&world), SAME);
        let (kept, beside) = (files_of(&world, SAME), files_of(&world, BESIDE));
        if side == "--both" {
            assert_eq!((kept, beside), (ours, theirs));
            assert!(tags(&world).contains(&format!("capture/{BESIDE}")), "{:?}", tags(&world));
            // The folder's name is the run's, here as anywhere in a dataset.
            for typed in [BESIDE, "data/captures/demo/same-theirs"] {
                let said = json(&world.hook(["--json", "show", typed]).ok());
                assert_eq!(said["run"], BESIDE, "{typed}");
            }
        } else {
            assert_eq!((kept, beside.len()), (theirs, 0));
            // DVC's views show what the run holds now.
            assert_eq!(world.git(["diff", "--stat", "feature", "--", "metrics"]).ok().out, "");
        }
        world.hook(["verify"]).ok();
        // Ours is what was recorded here.
        let anew = if side == "--theirs" { vec!["recorded_anew -"] } else { Vec::new() };
        assert_eq!(findings(&world), anew, "{side}");
    }
}

/// 12-B4, a sibling: of several disputed runs each is settled by itself, in a rebase and a stash as in a merge; what is in no
/// dispute is not settled.
#[test]
fn several_disputed_runs_are_settled_one_by_one() {
    let other = "demo/twice";
    let mut world = disputed(&[SAME, other]);
    let said = world.hook(["resolve", SAME, "--ours"]).fails(3);
    assert!(said.err.contains("dvc.lock is in no conflict"), "{}", said.err);
    world.git(["checkout", "-q", "-b", "replayed", "feature"]).ok();
    world.set("GIT_EDITOR", "true");
    world.git(["merge", "main"]).fails(1);
    for wrong in [FIRST, "nobody"] {
        let said = world.hook(["resolve", wrong, "--ours"]).fails(3);
        assert!(said.err.contains(&format!("`{wrong}` is not disputed")) && said.err.contains(other), "{}", said.err);
    }
    world.hook(["resolve", SAME]).fails(2);
    world.hook(["resolve", SAME, "--ours", "--theirs"]).fails(2);
    let said = world.hook(["resolve", other, "--theirs"]).ok();
    assert!(said.err.contains(&format!("{SAME} is disputed still")), "{}", said.all());
    assert_eq!(world.git(["diff", "--name-only", "--diff-filter=U"]).ok().out, "dvc.lock\n");
    // Another mind, before the last.
    world.hook(["resolve", "results/demo/twice", "--both"]).ok();
    let said = world.hook(["resolve", SAME, "--ours"]).ok();
    assert!(said.err.contains("`git commit` concludes it"), "{}", said.err);
    world.git(["commit", "-q", "--no-edit"]).ok();
    let all = [SECOND, SAME, other, "demo/twice-theirs", FIRST, THIRD];
    assert_eq!(runs_at(&world, "HEAD"), all);
    clean(&world);

    world.git(["checkout", "-q", "-b", "rebased", "feature"]).ok();
    world.git(["rebase", "-q", "main"]).fails(1);
    let said = world.hook(["resolve", SAME, "--theirs"]).ok();
    assert!(said.err.contains("`git rebase --continue` concludes it"), "{}", said.err);
    world.git(["rebase", "--continue"]).fails(1);
    world.hook(["resolve", other, "--ours"]).ok();
    world.git(["rebase", "--continue"]).ok();
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, SAME, other, FIRST, THIRD]);
    clean(&world);
}

/// 12-B4, a sibling: where branches have merged each other, and settled a run in different ways, that run alone is disputed
/// again; what git makes of the ancestors is not shown.
#[test]
fn a_criss_cross_disputes_no_more_than_it_must() {
    let other = "demo/other";
    let world = committed_natively();
    commit_anew(&world, "ok-pypi010", other);
    for (branch, case) in [("feature", "ok-pypi010"), ("main", "ok-head01")] {
        world.git(["checkout", "-q", "-B", branch, if branch == "main" { "main" } else { "HEAD" }]).ok();
        commit_anew(&world, case, SAME);
        world.git(["branch", &format!("{branch}-before")]).ok();
    }
    for (branch, merged) in [("main", "feature-before"), ("feature", "main-before")] {
        world.git(["checkout", "-q", branch]).ok();
        world.git(["merge", merged]).fails(1);
        world.hook(["resolve", SAME, "--ours"]).ok();
        world.git(["commit", "-q", "--no-edit"]).ok();
    }
    world.git(["checkout", "-q", "main"]).ok();
    commit_anew(&world, "ok-head01", other);
    let files = files_of(&world, other);
    world.git(["checkout", "-q", "feature"]).ok();
    commit_run(&world, SECOND);
    let said = world.git(["merge", "main"]).fails(1);
    assert!(!said.all().contains("Temporary merge branch"), "{}", said.all());
    let disputed = |key: &str| said.all().contains(&format!("other files in run {key}"));
    assert!(disputed(SAME) && !disputed(other), "{}", said.all());
    world.hook(["resolve", SAME, "--ours"]).ok();
    world.git(["commit", "-q", "--no-edit"]).ok();
    assert_eq!(runs_in(&world, "repo"), [other, SECOND, SAME, FIRST]);
    assert_eq!(files_of(&world, other), files);
    clean(&world);
}

/// 12-B10: a merge that a rebase makes again keeps what it selected, and nothing calls a branch by the rebase's own names.
#[test]
fn a_merge_that_is_made_again_keeps_what_it_selected() {
    for kept in [THIRD, SECOND] {
        let world = two_sides();
        world.git(["merge", "-q", "--no-edit", "feature"]).ok();
        if kept == SECOND {
            // The merge itself was given the other side's selection.
            world.hook(["select", SECOND]).ok();
            world.git(["commit", "-q", "--amend", "--no-edit", "-a"]).ok();
        }
        assert_eq!(selected(&world), kept);
        world.git(["branch", "old"]).ok();
        world.git(["checkout", "-q", "-b", "up", "HEAD~1^"]).ok();
        fs::write(world.repo("readme.txt"), "b\n").unwrap();
        world.git(["commit", "-q", "-am", "code"]).ok();
        for how in
            [&["--rebase-merges"][..], &["--rebase-merges", "-X", "patience"], &["-r", "-s", "ort", "-X", "theirs"]]
        {
            world.git(["checkout", "-q", "-B", "main", "old"]).ok();
            let said = world.git([&["rebase"], how, &["up"]].concat()).ok();
            assert!(!said.all().contains("rewritten/"), "{}", said.all());
            assert_eq!(world.git(["log", "-1", "--format=%p"]).ok().out.split_whitespace().count(), 2);
            assert_eq!(selected(&world), kept, "{how:?}: {}", said.all());
            assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST, THIRD], "{how:?}");
            clean(&world);
        }
    }
}

/// 12-B10, a sibling: a dispute in a merge that is made again names the branch as its user does, in words and in markers.
#[test]
fn a_dispute_in_a_merge_that_is_made_again_names_the_branch() {
    let mut world = disputed(&[SAME]);
    world.set("GIT_EDITOR", "true");
    world.git(["merge", "feature"]).fails(1);
    world.hook(["resolve", SAME, "--theirs"]).ok();
    world.git(["commit", "-q", "--no-edit"]).ok();
    world.git(["checkout", "-q", "-b", "up", "HEAD~2"]).ok();
    fs::write(world.repo("readme.txt"), "b\n").unwrap();
    world.git(["commit", "-q", "-am", "code"]).ok();
    world.git(["checkout", "-q", "main"]).ok();
    let said = world.git(["rebase", "-q", "-r", "up"]).fails(1);
    let lock = fs::read_to_string(world.repo("dvc.lock")).unwrap();
    let last = lock.lines().find(|line| line.starts_with(">>>>>>>")).unwrap();
    assert!(last.starts_with(">>>>>>> feature (data "), "{last}");
    assert!(said.err.contains("`--theirs` those of feature"), "{}", said.err);
    assert!(!said.all().contains("rewritten/"), "{}", said.all());
    world.hook(["resolve", SAME, "--theirs"]).ok();
    world.git(["rebase", "--continue"]).ok();
    assert_eq!(runs_at(&world, "HEAD"), [SECOND, SAME, FIRST, THIRD]);
    clean(&world);
    assert_eq!(findings(&world), ["recorded_anew -"]);
}

/// 12-B8: a selection that is not committed yet survives what git puts aside and back around a fast-forward or a merge.
#[test]
fn an_uncommitted_selection_survives_autostash() {
    let world = two_sides();
    let ours = "merge.capture-params.driver";
    let line = world.git(["config", ours]).ok().out.trim().to_owned();
    // Git before 2.44 tells drivers nothing of what they merge for.
    let unlabelled = line.replace(" %S %X %Y", "");
    assert_ne!(line, unlabelled);
    world.git(["checkout", "-q", "-b", "behind", "main~1"]).ok();
    for driver in [&line, &unlabelled] {
        world.git(["config", ours, driver]).ok();
        for how in [
            &["pull", "--rebase", "--autostash", ".", "main"][..],
            &["merge", "--autostash", "main"],
            &["pull", "--ff-only", "--autostash", ".", "main"],
            &["merge", "--autostash", "--no-ff", "--no-edit", "main"],
        ] {
            select(&world, SECOND);
            world.git(how).ok();
            let text = fs::read_to_string(world.repo("params.yaml")).unwrap();
            assert!(text.contains(&format!("run_dir: results/{SECOND}\n")), "{how:?}: {text}");
            assert_eq!(world.git(["status", "--porcelain"]).ok().out, " M params.yaml\n", "{how:?}");
            assert_eq!(world.git(["diff", "--stat", "main", "--", "dvc.lock"]).ok().out, "", "{how:?}");
            world.git(["reset", "-q", "--hard", "main~1"]).ok();
        }
    }
    // The sibling: a stash by hand, under a variable of a merge that is long over.
    select(&world, SECOND);
    world.git(["stash", "-q"]).ok();
    world.git(["merge", "-q", "main"]).ok();
    let mut git = world.command("git", "repo");
    git.args(["stash", "pop", "-q"]).env(format!("GITHEAD_{}", id(&world, "main")), "main");
    crate::world::said(&mut git).ok();
    world.git(["commit", "-q", "-am", "mine"]).ok();
    assert_eq!(selected(&world), SECOND);
    clean(&world);
}

/// 12-F32: `-X theirs` and `-X ours` mean the selection, too, and settle a run that both sides changed.
#[test]
fn a_favoured_side_is_taken_in_the_dataset_too() {
    let world = disputed(&[SAME]);
    world.git(["checkout", "-q", "feature"]).ok();
    let theirs = files_of(&world, SAME);
    commit_run(&world, SECOND);
    world.git(["checkout", "-q", "main"]).ok();
    let ours = files_of(&world, SAME);
    commit_run(&world, THIRD);
    world.git(["branch", "old"]).ok();
    for how in [
        &["merge", "--no-edit", "-X", "theirs", "feature"][..],
        &["merge", "--no-edit", "-Xours", "feature"],
        &["pull", "--no-rebase", "--no-edit", "--strategy-option=theirs", ".", "feature"],
    ] {
        world.git(["reset", "-q", "--hard", "old"]).ok();
        let said = world.git(how).ok();
        let (run, files) =
            if how.iter().any(|arg| arg.contains("theirs")) { (SECOND, &theirs) } else { (THIRD, &ours) };
        assert_eq!((selected(&world).as_str(), &files_of(&world, SAME)), (run, files), "{how:?}");
        assert_eq!(runs_in(&world, "repo"), [SECOND, SAME, FIRST, THIRD], "{how:?}");
        assert!(said.all().contains(&format!("other files in run {SAME}")), "{how:?}: {}", said.all());
        clean(&world);
    }
    // The sibling: a replay keeps the other side where git is told so.
    world.git(["checkout", "-q", "-b", "replayed", "feature"]).ok();
    world.git(["rebase", "-q", "-X", "ours", "old"]).ok();
    assert_eq!((selected(&world).as_str(), &files_of(&world, SAME)), (THIRD, &ours));
    clean(&world);
}

/// 12-I61: a clone in which git does not know the merge drivers is told the way that works.
#[test]
fn a_merge_without_the_drivers_says_how_to_get_them() {
    for how in [&["merge", "--no-edit", "origin/feature"][..], &["rebase", "origin/feature"]] {
        let world = two_sides();
        world.git(["push", "-q", "--all", "origin"]).ok();
        world.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
        fs::copy(world.repo(".dvc/config.local"), world.path("clone/.dvc/config.local")).unwrap();
        world.git_in("clone", how).fails(1);
        let hint = format!("`git {} --abort && capture-hook install`", how[0]);
        for command in [&["status"][..], &["pull"], &["--json", "status"]] {
            let said = world.hook_in("clone", command).fails(3);
            assert!(said.err.contains("a merge conflict is not resolved"), "{command:?}: {}", said.err);
            assert!(said.err.contains(&hint), "{command:?}: {}", said.err);
        }
        world.git_in("clone", [how[0], "--abort"]).ok();
        world.hook_in("clone", ["install"]).ok();
        world.git_in("clone", how).ok();
        world.hook_in("clone", ["pull"]).ok();
        assert_eq!(runs_in(&world, "clone"), [SECOND, FIRST, THIRD]);
        world.hook_in("clone", ["check"]).ok();
    }
}

/// 12-4, a sibling: git ends a rebase that has nothing to replay without a word to any hook; the next commit of a run brings
/// the workspace along.
#[test]
fn a_commit_behind_a_rebase_that_replayed_nothing_brings_the_workspace_along() {
    let world = committed_natively();
    world.git(["branch", "other"]).ok();
    commit_run(&world, SECOND);
    world.git(["checkout", "-q", "other"]).ok();
    world.git(["cherry-pick", "-x", "main"]).ok();
    commit_run(&world, THIRD);
    world.git(["checkout", "-q", "main"]).ok();
    world.git(["rebase", "-q", "other"]).ok();
    assert_eq!(id(&world, "main"), id(&world, "other"));
    world.record_as("ok-orig100", "demo/next");
    commit_run(&world, "demo/next");
    follows(&world, &[FIRST, SECOND, THIRD, "demo/next"]);
}

/// 12-4, another sibling: `git reset` tells nobody either.
#[test]
fn a_commit_behind_a_reset_takes_the_dropped_run_out_of_the_workspace() {
    let world = committed_natively();
    commit_run(&world, SECOND);
    world.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    commit_run(&world, THIRD);
    follows(&world, &[FIRST, THIRD]);
}

/// The workspace holds these runs and no others, as `dvc.lock` says.
#[track_caller]
fn follows(world: &World, runs: &[&str]) {
    let mut runs: Vec<&str> = runs.to_vec();
    runs.sort_unstable();
    assert_eq!(runs_in(world, "repo"), runs);
    clean(world);
}

//! The runs of an experiment agree about their columns: in commits, publish, merges, and `check`.

use std::fs;

use insta::assert_snapshot;

use crate::env::{SECOND, TestEnv, schema_of, tree};

const X32: (&str, &str) = ("x", "\"dtype\": \"float32\"");
const X64: (&str, &str) = ("x", "\"dtype\": \"float64\"");
const Y: (&str, &str) = ("y", "\"dtype\": \"int64\", \"nullable\": true");

impl TestEnv {
    /// Records a run with these columns, and commits it.
    fn commit_declared(&self, key: &str, columns: &[(&str, &str)]) {
        self.record_columns(key, columns);
        self.commit_run(key);
    }

    fn record_columns(&self, key: &str, columns: &[(&str, &str)]) {
        self.record_declared(key, Some(&schema_of(columns)), &["\"x\": 0.5", "\"x\": 1"]);
    }
}

/// A column of another type stops the commit; another experiment, an added column and the user's word do not.
#[test]
fn a_commit_unites_no_runs_that_disagree() {
    TestEnv::committed_native().case(|env| {
        env.commit_declared("mine/r1", &[X32]);
        env.record_columns("mine/r2", &[X64]);
        env.select("mine/r2");
        let (dataset, lockfile) = (tree(&env.repo("data/captures")), fs::read(env.repo("dvc.lock")).unwrap());
        let refused = env.git(["commit", "-qam", "x"]).fails(1);
        assert_snapshot!(env.screen(&refused), @"
        error: the schemas of mine/r2 and mine/r1 do not agree: x of steps is float64 in mine/r2 and float32 in mine/r1
        hint: record the new run as another experiment, or give the column another name
        hint: to commit the change on purpose: `git -c capture-hook.allowSchemaChange=true commit`
        ");
        assert_eq!((tree(&env.repo("data/captures")), fs::read(env.repo("dvc.lock")).unwrap()), (dataset, lockfile));
        // Fine: another experiment, a column more, the same run again.
        env.commit_declared("yours/r2", &[X64]);
        env.commit_declared("mine/r3", &[X32, Y]);
        // As it is meant; from then on, it is no news.
        env.select("mine/r2");
        env.git(["-c", "capture-hook.allowSchemaChange=true", "commit", "-qam", "x"]).ok();
        env.commit_declared("mine/r4", &[X64]);
        env.commit_declared("mine/r5", &[X32]);
        env.assert_committed();
        let check = env.hook(["check"]);
        assert_eq!(check.both().matches("schema_conflict").count(), 2, "{}", check.both());
        assert!(check.both().contains("the schemas of mine/r2 and mine/r1 do not agree"), "{}", check.both());
    });
}

/// A new run is refused before DVC begins, by `publish` too; of a run that is put in again, DVC's work is undone.
#[test]
fn what_dvc_versioned_is_undone() {
    TestEnv::committed().case(|env| {
        env.commit_declared("mine/r1", &[X32]);
        env.commit_declared("mine/r2", &[X32]);
        let lockfile = env.repo("dvc.lock");
        let before = (tree(&env.repo("data/captures")), fs::read(&lockfile).unwrap());
        let told = "x of steps is float64 in mine/r3 and float32 in mine/r1";
        env.record_columns("mine/r3", &[X64]);
        env.select("mine/r3");
        let refused = env.git(["commit", "-qam", "x"]).fails(1);
        assert!(refused.stderr.contains(told) && !refused.stderr.contains("dvc repro"), "{}", refused.stderr);
        env.select("mine/r2");
        let refused = env.hook(["--json", "publish", "--no-push", "mine/r3"]).fails(1);
        assert!(refused.stderr.contains("\"code\":\"schema_conflict\""), "{}", refused.stderr);
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
        env.record_columns("mine/r2", &[X64]);
        let refused = env.hook(["publish", "--no-push", "--force", "mine/r2"]).fails(1);
        assert!(
            refused.stderr.contains("x of steps is float64 in mine/r2 and float32 in mine/r1"),
            "{}",
            refused.stderr
        );
        assert_eq!((tree(&env.repo("data/captures")), fs::read(&lockfile).unwrap()), before);
        env.record_columns("mine/r2", &[X32]);
        env.assert_committed();
    });
}

/// Two runs that are published at once agree, too.
#[test]
fn runs_that_are_published_together_agree() {
    TestEnv::committed_native().case(|env| {
        env.record_columns("mine/r1", &[X32]);
        env.record_columns("mine/r2", &[X64]);
        let before = env.id("HEAD");
        let refused = env.hook(["publish", "--no-push", "mine/r1", "mine/r2"]).fails(1);
        assert!(refused.stderr.contains("the schemas of mine/r1 and mine/r2 do not agree"), "{}", refused.stderr);
        assert_eq!(env.id("HEAD"), before);
        env.record_columns("mine/r2", &[X32, Y]);
        env.hook(["publish", "--no-push", "mine/r1", "mine/r2"]).ok();
        env.assert_committed();
    });
}

/// Runs without a schema are no part of it, and equal schemas are not read.
#[test]
fn only_different_schemas_are_read() {
    TestEnv::committed_native().case(|env| {
        env.commit_declared("nav/r1", &[X32]);
        env.commit_run(SECOND);
        env.commit_declared("mine/r1", &[X32]);
        // Not in this clone any more, as after a pull of other runs.
        let md5 = env.run_in("repo", "md5sum", ["data/captures/mine/r1/schema.json"]).ok().stdout;
        let object = env.repo(".dvc/cache/files/md5").join(&md5[..2]).join(&md5[2..32]);
        let kept = fs::read(&object).unwrap();
        fs::remove_file(&object).unwrap();
        env.record_columns("mine/r2", &[X32]);
        env.select("mine/r2");
        let same = env.git(["commit", "-qam", "x"]).ok();
        assert!(!same.stderr.contains("schema"), "{}", same.stderr);
        // The object is in the cache again: the second run has the same bytes.
        fs::remove_file(&object).unwrap();
        env.record_columns("mine/r3", &[X64]);
        env.select("mine/r3");
        let unknown = env.git(["commit", "-qam", "x"]).ok();
        assert_snapshot!(env.screen(&unknown), @"
        warning: cannot compare the schema of mine/r1 with those of other runs: it is not in this clone
        mine/r3 is in data/captures, version [md5].dir
        tagged capture/mine/r3
        ");
        fs::write(&object, &kept).unwrap();
    });
}

/// Two branches may each add columns; the same column of two types is a conflict of `dvc.lock`.
#[test]
fn branches_merge_unless_their_runs_disagree() {
    TestEnv::committed_native().case(|env| {
        env.commit_declared("mine/r1", &[X32]);
        env.git(["checkout", "-q", "-b", "more"]).ok();
        env.commit_declared("mine/r2", &[X32, Y]);
        env.git(["checkout", "-q", "-b", "other", "main"]).ok();
        env.commit_declared("yours/r1", &[X32]);
        env.git(["checkout", "-q", "main"]).ok();
        env.commit_declared("mine/r3", &[X32, ("z", "\"dtype\": \"bool\", \"nullable\": true")]);
        env.commit_declared("yours/r2", &[X64]);
        env.git(["merge", "-q", "more"]).ok();
        assert!(env.runs_at("HEAD").len() >= 5);
        let conflict = env.git(["merge", "other"]).fails(1);
        assert_snapshot!(env.driver_messages(&conflict), @"
        capture-hook: HEAD's selection stays; other selects results/yours/r1 (to take it: `capture-hook select results/yours/r1`)
        capture-hook: conflict in dvc.lock: the schemas of yours/r1 and yours/r2 do not agree: x of steps is float32 in yours/r1 and float64 in yours/r2
        capture-hook: abort it, and record the runs of one side as another experiment; if the change is intended, do it again with `git -c capture-hook.allowSchemaChange=true`
        ");
        let lockfile = fs::read_to_string(env.repo("dvc.lock")).unwrap();
        assert!(lockfile.contains("<<<<<<< ") && lockfile.contains(">>>>>>> "), "{lockfile}");
        env.git(["merge", "--abort"]).ok();
        env.git(["-c", "capture-hook.allowSchemaChange=true", "merge", "-q", "other"]).ok();
        assert!(env.runs_at("HEAD").contains(&"yours/r1".to_owned()));
        env.assert_committed();
        let check = env.hook(["check"]);
        assert!(check.both().contains("the schemas of yours/r1 and yours/r2 do not agree"), "{}", check.both());
    });
}

/// A merge that git concludes without the driver's word is looked at by the hooks.
#[test]
fn a_conflict_that_is_resolved_by_hand_is_checked() {
    TestEnv::committed_native().case(|env| {
        env.git(["checkout", "-q", "-b", "other"]).ok();
        env.commit_declared("mine/r1", &[X32]);
        env.git(["checkout", "-q", "main"]).ok();
        env.commit_declared("mine/r2", &[X64]);
        // The lockfile that a merge with the user's word would make.
        env.git(["branch", "united"]).ok();
        env.git(["checkout", "-q", "united"]).ok();
        env.git(["-c", "capture-hook.allowSchemaChange=true", "merge", "-q", "other"]).ok();
        env.git(["checkout", "-q", "main"]).ok();
        env.git(["merge", "other"]).fails(1);
        env.git(["checkout", "united", "--", "dvc.lock"]).ok();
        let refused = env.git(["commit", "-q", "-m", "x"]).fails(1);
        assert!(refused.stderr.contains("do not agree: x of steps is"), "{}", refused.stderr);
        env.git(["-c", "capture-hook.allowSchemaChange=true", "commit", "-q", "-m", "x"]).ok();
    });
}

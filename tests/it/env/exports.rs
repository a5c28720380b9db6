//! A project whose runs came into history in every way that git has, described and pushed, to be exported.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::TestEnv;

/// What the settings say of the dataset; the addresses in it must not be published.
const DATASET: &str = r#"engine = "native"
[dataset]
title = "Plume runs"
description = "Episodes of an agent in an odour plume."
license = "CC-BY-4.0"
publisher = { name = "Example Institute" }
[[dataset.creators]]
given = "Ada"
family = "Example"
email = "creator@private.example"
"#;

/// The runs of main, and how each came there.
pub const EXPORTED: [&str; 8] =
    ["nav/again", "nav/amended", "nav/bare", "nav/first", "nav/tagged", "nav/untagged", "sweep/merged", "sweep/picked"];

/// Git's options for a commit that no hook sees.
const NO_HOOKS: [&str; 2] = ["-c", "core.hooksPath=/dev/null"];

impl TestEnv {
    /// A project with the runs of [`EXPORTED`], its branches, tags and data pushed.
    pub fn exported_history() -> Self {
        static MADE: OnceLock<TestEnv> = OnceLock::new();
        MADE.get_or_init(|| make_history(Self::initialized().kept())).copy()
    }

    /// Exports to a new directory beside the repository.
    pub fn export(&self, to: &str, args: &[&str]) -> PathBuf {
        self.hook([&["export", "-q", "-o", &format!("../{to}")], args].concat()).ok();
        self.path(to)
    }

    /// Records a run that is ingested already again, with other bytes, and ingests it.
    pub fn record_again(&self, run: &str) {
        let file = self.repo("results").join(run).join("run.json");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}\n")).unwrap();
        self.select(run);
        self.dvc(["repro", "-q", "-f", "-s", "capture_ingest"]).ok();
    }
}

fn make_history(env: TestEnv) -> TestEnv {
    env.add_origin();
    fs::write(env.repo("capture-hook.toml"), DATASET).unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    env.git(["commit", "-qm", "Describe the dataset"]).ok();
    for run in EXPORTED {
        env.record_as("ok-pypi010", run);
    }
    let untag = |run: &str| env.git(["tag", "-d", &format!("capture/{run}")]).ok();
    let commit_bare = |run: &str| {
        env.commit_run(run);
        env.git([&NO_HOOKS[..], &["commit", "-q", "--amend", "-m", "no word of the run"]].concat()).ok();
        untag(run);
    };
    commit_bare("nav/bare");
    for run in ["nav/first", "nav/again", "nav/untagged"] {
        env.commit_run(run);
    }
    untag("nav/untagged");
    commit_bare("nav/tagged");
    env.hook(["tag"]).ok();
    // Each of these branches is merged, or picked from, after main went on.
    env.git(["checkout", "-q", "-b", "topic"]).ok();
    env.commit_run("sweep/merged");
    env.git(["checkout", "-q", "-b", "side", "main"]).ok();
    env.commit_run("sweep/picked");
    env.git(["checkout", "-q", "main"]).ok();
    env.commit_run("nav/amended");
    env.git(["commit", "-q", "--amend", "-m", "Another message", "--date", "2026-01-02T03:04:05+06:00"]).ok();
    env.git(["merge", "-q", "--no-edit", "topic"]).ok();
    env.git(["cherry-pick", "side"]).ok();
    env.record_again("nav/again");
    env.git(["commit", "-q", "-am", "Record nav/again again"]).ok();
    fs::write(env.repo("notes.txt"), "a\n").unwrap();
    env.git(["add", "notes.txt"]).ok();
    env.git(["commit", "-qm", "No run"]).ok();
    assert_eq!(env.runs_at("HEAD"), EXPORTED);
    env.git(["push", "-q", "--tags", "origin", "main", "topic", "side"]).ok();
    env
}

//! What long work on many runs shows while it goes on.

use crate::env::{BIN, TestEnv};
use crate::terminal_children::on_terminal;

/// So many that it takes longer than the half second after which progress appears.
fn sweep() -> TestEnv {
    let mut env = TestEnv::committed_native();
    env.set("TERM", "xterm");
    std::fs::remove_dir_all(env.repo("results")).unwrap();
    let make_run = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/make_run.py");
    let args = [make_run.to_str().unwrap(), "results", "sweep", "1200", "2", "20"];
    env.run_in("repo", "python3", args).ok();
    env
}

#[test]
fn many_runs_show_how_fast_they_are_done_and_how_long_it_takes() {
    let env = sweep();
    let screen = on_terminal(&env, BIN, &["ingest", "--all"], "", "").ok().stdout;
    let mut shown = screen.split('\r').filter(|line| line.contains("ingesting: ") && line.contains(" of 1,200 runs, "));
    assert!(shown.any(|line| line.contains(" a second, ") && line.contains(" left")), "{screen}");

    // In a log, whole lines after some seconds; with `-q` nothing, on a terminal either.
    let output = env.hook(["ingest", "--all", "--force"]).ok();
    for line in output.stderr.lines().filter(|line| line.contains("ingesting")) {
        assert!(
            line.starts_with("ingesting: ") && line.contains(" of 1,200 runs, ") && line.ends_with(" left"),
            "{line}"
        );
    }
    let screen = on_terminal(&env, BIN, &["ingest", "-q", "--all", "--force"], "", "").ok().stdout;
    assert!(!screen.contains(" left"), "{screen}");
}

#[test]
fn what_waits_for_another_program_says_so() {
    let mut env = sweep();
    let dvc = env.script("slow/dvc", "#!/bin/sh\nsleep 1.5\necho 3.67.0\n");
    env.set("CAPTURE_HOOK_DVC", &dvc);
    let screen = on_terminal(&env, BIN, &["doctor"], "", "").stdout;
    assert!(screen.contains("looking at what is set up"), "{screen:?}");
    // It is gone when the result appears, and no pipe gets it.
    assert!(
        screen.lines().next().is_some_and(|line| line.rsplit('\r').next().unwrap().contains("capture-hook")),
        "{screen:?}"
    );
    assert!(!env.hook(["doctor"]).both().contains("looking at"));
    assert!(!on_terminal(&env, BIN, &["-q", "doctor"], "", "").stdout.contains("looking at"));
}

//! Screens on terminals of 60 and of 80 columns: no word and no command is broken, and no line is wider than the terminal,
//! except for one that holds a word or a command that is.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use insta::assert_snapshot;
use unicode_width::UnicodeWidthStr;

use crate::env::{BIN, CommandOutput, FIRST, PLUME, TestEnv, run_command};
use crate::terminal_children::on_terminal;

/// Runs a command on a terminal of so many columns.
fn at_width(env: &TestEnv, columns: usize, args: &[&str]) -> CommandOutput {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/at_width.py");
    let mut command = env.command("python3", "repo");
    command.env("TERM", "xterm-256color").arg(script).arg(columns.to_string()).arg(BIN).args(args);
    let output = run_command(&mut command);
    assert_ne!(output.code, 124, "{args:?} does not end:\n{}", output.both());
    output
}

/// The screen at a width, with placeholders; fails if a line is too wide, or if a command is broken.
#[track_caller]
pub fn screen(env: &TestEnv, columns: usize, args: &[&str]) -> String {
    let output = at_width(env, columns, args);
    for line in output.stdout.lines() {
        assert_eq!(line.matches('`').count() % 2, 0, "a command is broken: {line}\n{}", output.stdout);
        assert!(fits(line, columns), "{} columns: {line}\n{}", line.width(), output.stdout);
    }
    env.mask(output.stdout.trim_end())
}

/// Whether a line is no wider than this, or holds something that is and must not be broken.
fn fits(line: &str, columns: usize) -> bool {
    const NAME: usize = 27;
    let words = line.trim_start();
    let is_command = words.starts_with('`') || words.starts_with("git ") || words.starts_with("capture-hook ");
    let last = line.rsplit(' ').next().unwrap_or(line);
    line.width() <= columns || is_command || !words.contains(' ') || last.width() > columns - NAME
}

/// The table of `log` without the dates of today.
fn without_dates(screen: &str) -> String {
    let line = |line: &str| match line.split_once("[commit]  ") {
        Some((before, rest)) if rest.get(4..5) == Some("-") => {
            format!("{before}[commit]  [date]    {}", rest.get(10..).unwrap_or_default())
        }
        _ => line.to_owned(),
    };
    screen.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A project with two different runs, and a commit of six.
fn sweep() -> TestEnv {
    let env = TestEnv::two_runs();
    let text = fs::read_to_string(env.repo("capture-hook.toml")).unwrap_or_default();
    fs::write(env.repo("capture-hook.toml"), format!("engine = \"native\"\n{text}")).unwrap();
    env.git(["add", "-A"]).ok();
    env.git(["commit", "-q", "-m", "settings"]).ok();
    fs::remove_dir_all(env.repo("results")).unwrap();
    for number in 0..6 {
        env.record_as("ok-orig100", &format!("sweep/r{number}"));
    }
    env
}

#[test]
fn log_folds_many_runs_and_names_merges() {
    let mut env = sweep();
    let at = |env: &mut TestEnv, hour: u32| {
        for name in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
            env.set(name, &format!("2050-01-02T{hour:02}:00:00Z"));
        }
    };
    at(&mut env, 1);
    env.git(["checkout", "-q", "-b", "topic"]).ok();
    env.hook(["publish", "-q", "--all-new", "--no-push"]).ok();
    at(&mut env, 2);
    env.git(["checkout", "-q", "main"]).ok();
    env.record_as("ok-pypi010", "demo/one");
    env.hook(["publish", "-q", "demo/one", "--no-push"]).ok();
    at(&mut env, 3);
    env.git(["merge", "-q", "--no-edit", "topic"]).ok();
    assert_snapshot!(without_dates(&screen(&env, 60, &["log"])), @"
    COMMIT     DATE        RUN                        DATA
    [commit]  [date]      (merge)
    [commit]  [date]      6 runs of sweep            here
    [commit]  [date]      demo/one                   here
    [commit]  [date]      plume/run-20261124-021546  here
    [commit]  [date]      nav/run-20261124-021550    here
    hint: see each run: `capture-hook log --runs`
    ");
    assert_snapshot!(without_dates(&screen(&env, 80, &["log"])), @"
    COMMIT     DATE        RUN                        STEPS  TAG  DATA  CONFIG
    [commit]  [date]      (merge)
    [commit]  [date]      6 runs of sweep            1,248  v1   here  9c043945
    [commit]  [date]      demo/one                     240  v1   here  629dbe1a
    [commit]  [date]      plume/run-20261124-021546    208  v1   here  9c043945
    [commit]  [date]      nav/run-20261124-021550      151  v1   here  10482995
    hint: see each run: `capture-hook log --runs`
    ");
    // All columns into a pipe.
    assert_snapshot!(without_dates(&env.screen(&env.hook(["log"]).ok())), @"
    COMMIT     DATE        RUN                        STEPS  TAG  DATA  CONFIG
    [commit]  [date]      (merge)
    [commit]  [date]      6 runs of sweep            1,248  v1   here  9c043945
    [commit]  [date]      demo/one                     240  v1   here  629dbe1a
    [commit]  [date]      plume/run-20261124-021546    208  v1   here  9c043945
    [commit]  [date]      nav/run-20261124-021550      151  v1   here  10482995
    --- stderr
    hint: see each run: `capture-hook log --runs`
    ");
    let each = env.hook(["log", "--runs"]).ok();
    assert!((0..6).all(|number| each.stdout.contains(&format!("  sweep/r{number}  "))), "{}", each.stdout);
    assert!(each.stderr.is_empty(), "{}", each.stderr);
    env.hook(["remove", "-q", "sweep/r0", "sweep/r1", "sweep/r2", "sweep/r3", "sweep/r4", "sweep/r5"]).ok();
    let removed = env.hook(["log", "-n", "1"]).ok().stdout;
    assert!(removed.contains("6 runs of sweep") && removed.contains("removed"), "{removed}");
}

#[test]
fn diff_shows_changes_and_leaves_out_what_says_nothing() {
    let env = TestEnv::two_runs();
    assert_snapshot!(screen(&env, 60, &["diff", FIRST, PLUME]), @"
    A  nav/run-20261124-021550
    B  plume/run-20261124-021546

                            A             B               CHANGE
    config    goal_radius   5.0           1.[commit]…        -5
              grid_size     [20,20]       [24,24]
              max_steps     50            1000              +950
              …arams.sigma  20.0          12.0              -40%
              …ce_location  [19,19]       [12,12]
              …ce_location  [19,19]       [12,12]
    metadata  base_seed     41            null
              …age_version  0.1.0         null
              …ema_version  0.1           1.0.0
    seeds                   41 to 44 (4)  41 to 43 (3)
    metrics   episodes      4             3                 -25%
              steps         151           208               +38%
              success       25%           33%           +8.3 pts
              mean reward   -0.125        -0.357          -0.232
              best reward   1             0.33              -67%
              mean steps    37.75         69.33             +84%
              …al distance  13.94         6.414             -54%

    1 field left out as noise (system.pid): --all shows it
    ");
    assert_snapshot!(screen(&env, 80, &["diff", FIRST, PLUME]), @"
    A  nav/run-20261124-021550
    B  plume/run-20261124-021546

                                       A             B                        CHANGE
    config    goal_radius              5.0           1.1920928955078125e-7        -5
              grid_size                [20,20]       [24,24]
              max_steps                50            1000                       +950
              plume_params.sigma       20.0          12.0                       -40%
              …params.source_location  [19,19]       [12,12]
              source_location          [19,19]       [12,12]
    metadata  base_seed                41            null
              package_version          0.1.0         null
              schema_version           0.1           1.0.0
    seeds                              41 to 44 (4)  41 to 43 (3)
    metrics   episodes                 4             3                          -25%
              steps                    151           208                        +38%
              success                  25%           33%                    +8.3 pts
              mean reward              -0.125        -0.357                   -0.232
              best reward              1             0.33                       -67%
              mean steps               37.75         69.33                      +84%
              mean final distance      13.94         6.414                      -54%

    1 field left out as noise (system.pid): --all shows it
    ");
    let all = env.hook(["diff", FIRST, PLUME, "--all"]).ok().stdout;
    assert!(all.contains("system.pid") && !all.contains("left out"), "{all}");
    let json = env.hook(["--json", "diff", FIRST, PLUME]).ok().stdout;
    assert!(json.contains("\"system.pid\""), "{json}");
}

#[test]
fn doctor_names_a_command_once_and_ends_with_a_verdict() {
    let env = TestEnv::committed_native();
    for columns in [60, 80] {
        let set_up = screen(&env, columns, &["doctor"]);
        assert_eq!(set_up.matches("8 hooks").count(), 1, "{set_up}");
        assert!(set_up.lines().last().is_some_and(|line| line.starts_with("everything is set up")), "{set_up}");
    }
    env.hook(["uninstall"]).ok();
    for columns in [60, 80] {
        let missing = screen(&env, columns, &["doctor"]);
        assert_eq!(missing.matches("capture-hook install").count(), 1, "{missing}");
        assert!(missing.contains("missing 8 hooks            not installed"), "{missing}");
        assert!(missing.contains("1 thing to do: 8 hooks"), "{missing}");
    }
}

#[test]
fn publish_of_many_prints_five_lines() {
    let env = sweep();
    assert_snapshot!(screen(&env, 60, &["publish", "--all-new"]), @"
    committed 6 runs of sweep as [commit]: 1,248 steps,
      133.2 KiB
    sending data of 3 commits to the DVC remote
    pushed main and 8 tags; data: sent 59 objects, 106.0 KiB
    hint: see the runs: `capture-hook log -n 1 --runs`
    ");
    let tags = env.git_in("origin.git", ["tag"]).ok().stdout;
    assert_eq!(tags.lines().filter(|tag| tag.starts_with("capture/sweep/")).count(), 6);
    for number in 0..60 {
        env.record_as("ok-unknown-field", &format!("many/r{number:02}"));
    }
    env.hook(["config", "set", "validate.ignore", "unknown_field"]).ok();
    let output = env.hook(["publish", "--all-new"]).ok();
    assert!(output.both().lines().count() <= 5, "{}", output.both());
    assert_snapshot!(env.screen(&output), @"
    committed 60 runs of many as [commit]: 9,060 steps, 209.5 KiB
    --- stderr
    the validation of 60 runs ignored unknown_field (9060 times), as capture-hook.toml says
    sending data of commit [commit] (results/many/r59) to the DVC remote
    pushed main and 60 tags; data: sent 421 objects, 771.3 KiB
    hint: see the runs: `capture-hook log -n 1 --runs`
    ");
    // Without a push, what comes next sends everything.
    for number in 0..6 {
        env.record_as("ok-head01", &format!("more/r{number}"));
    }
    assert_snapshot!(screen(&env, 80, &["publish", "--all-new", "--no-push"]), @"
    committed 6 runs of more as [commit]: 906 steps, 20.1 KiB
    hint: send data, commit and tags: `git push --follow-tags`
    ");
    let names: Vec<String> = (0..6).map(|number| format!("more/r{number}")).collect();
    let again: Vec<&str> = ["publish", "--no-push"].into_iter().chain(names.iter().map(String::as_str)).collect();
    assert_snapshot!(env.screen(&env.hook(again).ok()), @"6 runs of more are already committed: 906 steps, 20.1 KiB");
}

#[test]
fn a_git_commit_of_many_runs_names_no_tag_one_by_one() {
    let env = sweep();
    env.hook(["publish", "-q", "--all-new", "--no-push"]).ok();
    let amended = env.git(["commit", "-q", "--amend", "-m", "Sweep again"]).ok();
    assert_snapshot!(env.screen(&amended), @"moved the tag capture/sweep/r0 to capture/sweep/r5 to the rewritten commit (6 tags)");
}

#[test]
fn validate_check_and_verify_break_between_words() {
    let env = TestEnv::two_runs();
    env.record_as("bad-step-gap", "demo/bad");
    assert_snapshot!(screen(&env, 60, &["validate", "demo/bad"]), @"
    ✗ results/demo/bad is invalid: 150 steps, 4 episodes, 1
      error
      error step_sequence: step 7 follows step 5, at
        steps.jsonl.gz:7 (ep-000002)
    ");
    assert_snapshot!(screen(&env, 80, &["validate", "demo/bad"]), @"
    ✗ results/demo/bad is invalid: 150 steps, 4 episodes, 1 error
      error step_sequence: step 7 follows step 5, at steps.jsonl.gz:7 (ep-000002)
    ");
    fs::remove_file(env.repo("data/captures").join(PLUME).join("steps.parquet")).unwrap();
    fs::write(env.repo("data/captures").join(PLUME).join("run.json"), "{}").unwrap();
    assert_snapshot!(screen(&env, 60, &["verify"]), @"
    changed    plume/run-20261124-021546/run.json: its MD5 is
      [md5], the committed one is
      [md5]
    missing    plume/run-20261124-021546/steps.parquet: it is
      missing from the workspace
    2 findings in 1 run; read: 2 runs, 13 files, 19.5 KiB
    data version [md5].dir
    hint: replace changed files by the committed ones:
      `capture-hook pull --force`
    ");
    assert_snapshot!(screen(&env, 80, &["verify"]), @"
    changed    plume/run-20261124-021546/run.json: its MD5 is
      [md5], the committed one is
      [md5]
    missing    plume/run-20261124-021546/steps.parquet: it is missing from the
      workspace
    2 findings in 1 run; read: 2 runs, 13 files, 19.5 KiB
    data version [md5].dir
    hint: replace changed files by the committed ones: `capture-hook pull --force`
    ");
    env.git(["tag", "-d", &format!("capture/{FIRST}")]).ok();
    assert_snapshot!(screen(&env, 60, &["check"]), @"
    warning tag_missing: [commit] nav/run-20261124-021550: no
      tag names this data of the run; to make one:
      `capture-hook tag --all`
    1 finding in 3 commits, 1 run tag
    ");
    assert_snapshot!(screen(&env, 80, &["check"]), @"
    warning tag_missing: [commit] nav/run-20261124-021550: no tag names this data
      of the run; to make one:
      `capture-hook tag --all`
    1 finding in 3 commits, 1 run tag
    ");
}

#[test]
fn plot_says_what_it_leaves_out_and_marks_what_is_not_whole() {
    let env = TestEnv::initialized();
    env.record_as("bad-step-gap", "demo/bad");
    env.record_as("ok-interrupted", "demo/cut");
    assert_snapshot!(screen(&env, 60, &["plot", "demo/bad", "-o", "bad.svg"]), @"
    warning: demo/bad: invalid: step_sequence; the picture shows
      what can be read of it
    hint: see what was found: `capture-hook validate demo/bad`
    bad.svg
    ");
    assert_snapshot!(screen(&env, 80, &["plot", "demo/cut", "-o", "cut.svg"]), @"
    warning: demo/cut: interrupted: it ended within an episode; the picture shows
      what can be read of it
    hint: see what was found: `capture-hook validate demo/cut`
    cut.svg
    ");
    for (file, mark) in
        [("bad.svg", ">invalid: step_sequence</text>"), ("cut.svg", ">interrupted: it ended within an episode</text>")]
    {
        let svg = fs::read_to_string(env.repo(file)).unwrap();
        assert!(svg.contains(mark), "{file}: {svg}");
    }
    env.record_as("ok-head01", "demo/whole");
    let output = env.hook(["plot", "demo/whole", "-o", "whole.svg"]).ok();
    assert!(!output.stderr.contains("warning"), "{}", output.stderr);
}

/// A directory, served read-only; gone when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// DVC's own progress bars never reach the terminal: what it fetches is shown in our words.
#[test]
fn bars_of_dvc_stay_out_of_our_screens() {
    let mut env = TestEnv::committed();
    env.set("TERM", "xterm");
    env.hook(["push", "--all"]).ok();
    // By HTTP it is DVC that fetches.
    let mut command = env.command("python3", "dvc-remote");
    command.args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = Server(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let port = line.split_whitespace().skip_while(|word| *word != "port").nth(1).unwrap();
    env.dvc(["remote", "modify", "--local", "storage", "url", &format!("http://127.0.0.1:{port}")]).ok();
    for dir in [".dvc/cache", "data/captures"] {
        fs::remove_dir_all(env.repo(dir)).unwrap();
    }
    let shown = on_terminal(&env, BIN, &["pull"], "", "").ok().stdout;
    assert!(shown.contains("fetching"), "{shown}");
    for mark in ["%|", "/s]", "\u{2588}", "[00:00", "|0.00"] {
        assert!(!shown.contains(mark), "{mark}: {shown:?}");
    }
}

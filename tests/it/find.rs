//! Finding, seeing, comparing, proving and getting back runs: every command as a user meets it, and a newcomer's way
//! from a bare clone to a run's data.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::env::{CommandOutput, FIRST, PLUME, THIRD, TestEnv, tree};
use crate::select::on_a_terminal;

fn json(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}\n{}", output.stdout, output.stderr))
}

#[test]
fn runs_are_listed_wherever_they_are() {
    let env = TestEnv::two_runs();
    let output = env.hook(["runs", "--sort", "reward"]).ok();
    assert_snapshot!(env.screen(&output), @"
       RUN                        STARTED      STEPS  EPISODES  SUCCESS  REWARD  STATE
       nav/run-20261124-021550    2026-11-24     151         4      25%  -0.125  committed
    *  plume/run-20261124-021546  2026-11-24     208         3      33%  -0.357  committed
       sweep/run-20260106-041     2026-11-24  10,536        60      18%  -1.571  new

    3 runs: 2 committed, 1 new
    ");
    let rows = json(&env.hook(["--json", "runs"]).ok());
    let rows = rows["runs"].as_array().unwrap();
    let nav = rows.iter().find(|row| row["run"] == FIRST).unwrap();
    assert_eq!(nav["steps"], 151);
    let reward = nav["figures"]["mean_reward"].as_f64().unwrap();
    assert!((reward + 0.125).abs() < 1e-12, "{reward}");
    assert_eq!(nav["tags"][0], format!("capture/{FIRST}"));
    assert_snapshot!(env.screen(&env.hook(["runs", "--new"]).ok()), @"
    RUN                     STARTED      STEPS  EPISODES  SUCCESS  REWARD  STATE
    sweep/run-20260106-041  2026-11-24  10,536        60      18%  -1.571  new

    1 run: 1 new
    ");
    let none = env.hook(["runs", "-e", "nova"]).ok();
    assert_snapshot!(env.screen(&none), @"
    experiment `nova` has no such run
    hint: experiments: nav, plume, sweep
    ");
}

/// M10: `log` and `runs` find runs of a squashed commit without trailers and tags.
#[test]
fn a_run_is_found_where_its_tag_is_lost_and_its_commit_was_squashed() {
    let env = TestEnv::two_runs();
    // As a server squashes: one commit, another message, no trailers, no tags.
    let tree = env.git(["rev-parse", "HEAD^{tree}"]).ok().stdout.trim().to_owned();
    let root = env.git(["rev-list", "--max-parents=0", "HEAD"]).ok().stdout.trim().to_owned();
    let squashed = env.git(["commit-tree", &tree, "-p", &root, "-m", "Squashed (#1)"]).ok().stdout.trim().to_owned();
    for tag in [FIRST, PLUME] {
        env.git(["tag", "-d", &format!("capture/{tag}")]).ok();
    }
    env.git(["reset", "-q", "--hard", &squashed]).ok();
    let log = json(&env.hook(["--json", "log"]).ok());
    let version = &log["versions"][0];
    assert_eq!(version["commit"], squashed);
    let runs: Vec<&str> = version["runs"].as_array().unwrap().iter().map(|r| r["run"].as_str().unwrap()).collect();
    assert_eq!(runs, [FIRST, PLUME]);
    assert!(version["runs"][0]["tag"].is_null());
    let shown = json(&env.hook(["--json", "show", FIRST]).ok());
    assert_eq!(shown["history"]["commit"], squashed);
    // `check` says what is missing, and `tag` makes it again.
    assert_snapshot!(env.screen(&env.hook(["check"]).ok()), @"
    warning trailer_missing: [commit] nav/run-20261124-021550: the commit introduces the run, but no trailer names it
    warning tag_missing: [commit] nav/run-20261124-021550: no tag names this data of the run; to make one: `capture-hook tag --all`
    warning trailer_missing: [commit] plume/run-20261124-021546: the commit introduces the run, but no trailer names it
    warning tag_missing: [commit] plume/run-20261124-021546: no tag names this data of the run; to make one: `capture-hook tag --all`
    4 findings in 2 commits, 0 run tags
    ");
    env.hook(["check", "--strict"]).fails(1);
    env.hook(["tag", "--all"]).ok();
    assert!(!env.hook(["check"]).ok().stdout.contains("tag_missing"));
}

#[test]
fn a_mistyped_name_gets_the_one_meant() {
    let env = TestEnv::two_runs();
    let output = env.hook(["show", "nav/run-20261124-021505"]).fails(3);
    assert_snapshot!(env.screen(&output), @"
    error: there is no run `nav/run-20261124-021505`
    hint: did you mean `nav/run-20261124-021550`?
    hint: list the runs with `capture-hook runs`
    ");
    let output = env.hook(["show", "run-2026"]).fails(3);
    assert_snapshot!(env.screen(&output), @"
    error: `run-2026` matches 3 runs: nav/run-20261124-021550, plume/run-20261124-021546, sweep/run-20260106-041
    hint: type more of the name, or experiment/run_id
    ");
    for (typed, meant) in [("shwo", "'show'"), ("lgo", "'log'"), ("stauts", "'status'"), ("rusn", "'runs'")] {
        let output = env.hook([typed]).fails(2);
        assert!(output.stderr.contains(meant) && !output.stderr.contains("'plot'"), "{}", output.stderr);
    }
    let output = env.hook(["config", "set", "push.polcy", "off"]).fails(2);
    assert_snapshot!(env.screen(&output), @"
    error: there is no setting `push.polcy`
    hint: did you mean `push.policy`?
    hint: see every setting: `capture-hook config list`
    ");
    assert!(!env.repo("capture-hook.toml").exists());
}

#[test]
fn what_people_read_fits_80_columns() {
    let env = TestEnv::two_runs();
    let both = [FIRST, PLUME];
    // `runs` has all columns in a pipe: see `screens_of_runs`.
    let views: [&[&str]; 11] = [
        &["log"],
        &["log", FIRST],
        &["show", FIRST],
        &["show", THIRD],
        &["diff", both[0], both[1]],
        &["status"],
        &["verify"],
        &["check"],
        &["check", "--remote"],
        &["config", "list"],
        &["validate", "--all"],
    ];
    for args in views {
        let output = env.hook(args);
        assert!(!output.stdout.is_empty(), "{args:?}: {}", output.stderr);
        for line in output.stdout.lines().filter(|line| !line.starts_with("error data_missing")) {
            assert!(line.chars().count() <= 80, "{args:?}: {line}");
        }
    }
}

#[test]
fn on_a_terminal_long_results_are_paged_and_no_color_is_heeded() {
    let mut env = TestEnv::two_runs();
    env.set("TERM", "xterm-256color");
    env.set("GIT_PAGER", "sed s/^/PAGED:/");
    let coloured = on_a_terminal(&env, &format!("show {FIRST}"), &[]);
    assert!(coloured.lines().next().unwrap().starts_with("PAGED:") && coloured.contains("\u{1b}["), "{coloured}");
    // What fits the screen is not paged.
    let short = on_a_terminal(&env, "runs", &[]);
    assert!(short.contains(FIRST) && short.contains("\u{1b}[") && !short.contains("PAGED:"), "{short}");
    let never = on_a_terminal(&env, "--color never runs", &[]);
    assert!(never.contains(FIRST) && !never.contains("\u{1b}["), "{never}");
    env.set("NO_COLOR", "1");
    for command in ["runs".to_owned(), format!("show {FIRST}"), "status".into()] {
        let output = on_a_terminal(&env, &command, &[]);
        assert!(output.contains("/run-2026") && !output.contains("\u{1b}["), "{command}: {output}");
    }
    // Quiet is about what is said beside the result.
    let output = env.hook(["-q", "select", "latest"]).ok();
    assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{}", output.both());
}

#[test]
fn settings_are_read_and_changed() {
    let env = TestEnv::two_runs();
    fs::write(env.repo("capture-hook.toml"), "# ours\n[push]\npolicy = \"off\" # for now\n").unwrap();
    assert_eq!(env.hook(["config", "get", "push.policy"]).ok().stdout, "off\n");
    env.hook(["config", "set", "push.policy", "warn"]).ok();
    env.hook(["config", "set", "pull.max_bytes", "2GiB"]).ok();
    let text = fs::read_to_string(env.repo("capture-hook.toml")).unwrap();
    assert_eq!(text, "# ours\n[push]\npolicy = \"warn\" # for now\n\n[pull]\nmax_bytes = 2147483648\n");
    let output = env.hook(["config", "set", "push.policy", "sometimes"]).fails(2);
    assert_snapshot!(env.screen(&output), @"
    error: `sometimes` is not a valid value for push.policy: unknown variant `sometimes`, expected one of `strict`, `warn`, `off`
    hint: push.policy: unsent data: strict, warn, off
    ");
    assert_eq!(fs::read_to_string(env.repo("capture-hook.toml")).unwrap(), text);
}

#[test]
fn status_leads_from_nothing_to_pushed() {
    let env = TestEnv::initialized();
    let next = || json(&env.hook(["--json", "status"]).ok())["next"].as_str().map(str::to_owned);
    env.add_origin();
    env.record("ok-head01");
    assert_eq!(next().unwrap(), "capture-hook select latest");
    env.hook(["status", "--check"]).ok();
    env.hook(["select", "latest"]).ok();
    assert_eq!(next().unwrap(), format!("capture-hook publish {FIRST}"));
    env.hook(["status", "--check"]).fails(1);
    env.git(["commit", "-qam", "A run"]).ok();
    assert_eq!(next().unwrap(), "git push --follow-tags -u origin HEAD");
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    assert_eq!(next(), None);
    let output = env.hook(["status", "--check"]).ok();
    assert!(output.stdout.ends_with("nothing to do\n"), "{}", output.stdout);
    env.git(["tag", "-d", &format!("capture/{FIRST}")]).ok();
    assert_eq!(next().unwrap(), "capture-hook tag");
    env.hook(["tag"]).ok();
    // A file of the same size, recorded anew, counts as another; what status says next leads on.
    let run_json = env.repo("results").join(FIRST).join("run.json");
    let text = fs::read_to_string(&run_json).unwrap();
    let other = text.replace("15489", "15490");
    assert!(other != text && other.len() == text.len());
    fs::write(&run_json, &other).unwrap();
    let output = env.hook(["status"]).ok();
    assert_snapshot!(env.screen(&output), @"
    nav/run-20261124-021550 is selected
      recorded   yes  results/nav/run-20261124-021550
      valid      yes  151 steps, 4 episodes
      ingested   no   run.json differs from the ingested one
      committed  no   no known commit holds it as it is recorded now
      tagged     no   it is tagged when it is committed
      pushed     no   not committed yet
      workspace  yes  matches dvc.lock, files: 7
    next: capture-hook publish nav/run-20261124-021550
    ");
    assert_eq!(next().unwrap(), format!("capture-hook publish {FIRST}"));
    // By DVC alone it goes too.
    env.dvc(["repro", "-q", "-f", "capture_ingest"]).ok();
    assert_eq!(next().unwrap(), format!("capture-hook publish {FIRST}"));
    env.hook(["publish", "--no-push", FIRST]).ok();
    assert_eq!(env.git(["tag", "--points-at", "HEAD"]).ok().stdout, format!("capture/{FIRST}@v2\n"));
    assert_eq!(fs::read_to_string(env.repo("data/captures").join(FIRST).join("run.json")).unwrap(), other);
    assert_eq!(next().unwrap(), "git push --follow-tags");
}

/// D4: `verify` names files that are missing, extra or changed.
#[test]
fn verify_names_what_is_missing_extra_and_changed() {
    let env = TestEnv::two_runs();
    env.hook(["verify"]).ok();
    let nav = env.repo("data/captures").join(FIRST);
    // Links into the cache are not written through: a new file takes the name.
    fs::remove_file(nav.join("run.json")).unwrap();
    fs::remove_file(nav.join("steps.jsonl.gz")).unwrap();
    fs::write(nav.join("steps.jsonl.gz"), b"other").unwrap();
    fs::write(nav.join("notes.txt"), b"x").unwrap();
    let output = env.hook(["--json", "verify"]).fails(1);
    let found = json(&output);
    let mut told: Vec<(&str, &str)> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["file"].as_str().unwrap().rsplit('/').next().unwrap(), f["problem"].as_str().unwrap()))
        .collect();
    told.sort_unstable();
    assert_eq!(told, [("notes.txt", "extra"), ("run.json", "missing"), ("steps.jsonl.gz", "changed")]);
    assert!(found["findings"].as_array().unwrap().iter().all(|f| f["run"] == FIRST), "{found}");
    env.hook(["verify", PLUME]).ok();
    env.hook(["verify", "--rev", "HEAD"]).ok();
    // A damaged object of the cache is found too.
    let oid = env.git(["show", "HEAD:dvc.lock"]).ok().stdout;
    let version = oid.lines().find_map(|l| l.trim().strip_prefix("md5: ")).unwrap().to_owned();
    let listing = env.repo(format!(".dvc/cache/files/md5/{}/{}", &version[..2], &version[2..]));
    let listing: Value = serde_json::from_str(&fs::read_to_string(listing).unwrap()).unwrap();
    let md5 = listing[0]["md5"].as_str().unwrap();
    let object = env.repo(format!(".dvc/cache/files/md5/{}/{}", &md5[..2], &md5[2..]));
    fs::remove_file(&object).unwrap();
    fs::write(&object, b"rotten").unwrap();
    let output = env.hook(["verify", "--rev", "HEAD"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    changed    nav/run-20261124-021550/DATASET_INDEX.json: the object [env]/repo/.dvc/cache/files/md5/[md5] is damaged: its MD5 is [md5]
    1 finding in 1 run; read: 2 runs, 14 files, 24.2 KiB
    data version [md5].dir
    --- stderr
    hint: remove the damaged object from the cache: `rm -f [env]/repo/.dvc/cache/files/md5/[md5]`
    hint: fetch what the cache lacks of a run: `capture-hook get nav/run-20261124-021550 --rev HEAD`
    ");
    // `get` does not hand out what is rotten.
    let run = listing[0]["relpath"].as_str().unwrap().rsplit_once('/').unwrap().0;
    env.hook(["get", run, "-o", "../rotten"]).fails(1);
    assert!(!env.path("rotten").exists());
}

#[test]
fn a_run_of_any_revision_is_got_from_cache_or_remote() {
    let env = TestEnv::two_runs();
    let dataset = env.repo("data/captures");
    let wanted = tree(&dataset.join(FIRST));
    // What is noted to save time is beside the point.
    let count_files = || tree(&env.repo(".")).keys().filter(|path| !path.starts_with(".git/capture-hook/")).count();
    let before = count_files();
    env.hook(["get", FIRST, "-o", "../a/b/nav"]).ok();
    assert_eq!(tree(&env.path("a/b/nav")), wanted);
    assert_eq!(count_files(), before);
    let output = env.hook(["get", FIRST, "-o", "../a/b/nav"]).fails(2);
    assert_snapshot!(env.screen(&output), @"
    error: [env]/repo/../a/b/nav already exists
    hint: name another directory with `-o DIR`, or replace it with `--force`
    ");
    env.hook(["get", FIRST, "-o", "../a/b/nav", "--force"]).ok();
    let output = env.hook(["get", PLUME, "--rev", "HEAD~1", "-o", "../plume"]).fails(3);
    assert_snapshot!(env.screen(&output), @"
    error: data version [md5].dir does not hold plume/run-20261124-021546
    hint: see which commits introduced it: `capture-hook log plume/run-20261124-021546`
    ");
    let output = env.hook(["get", THIRD]).fails(3);
    assert_snapshot!(env.screen(&output), @"
    error: no commit holds sweep/run-20260106-041
    hint: it is only in the workspace; commit it: `capture-hook publish sweep/run-20260106-041`
    ");
    // Pushed, and the cache gone: it comes from the remote, that run alone.
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    let got = json(&env.hook(["--json", "get", &format!("capture/{FIRST}"), "-o", "../again"]).ok());
    assert_eq!((got["fetched"].as_bool(), got["files"].as_u64()), (Some(true), Some(wanted.len() as u64)));
    assert_eq!(tree(&env.path("again")), wanted);
    // And neither here nor there: it says so, and leaves nothing.
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    fs::remove_dir_all(env.path("dvc-remote")).unwrap();
    let output = env.hook(["get", FIRST, "-o", "../never"]);
    assert!(output.code != 0 && output.stderr.contains("hint:"), "{}", output.both());
    assert!(!env.path("never").exists());
}

/// C1, C5: `check` finds a selection without its data, and a tag on the wrong commit.
#[test]
fn check_finds_a_selection_that_was_not_ingested_and_a_tag_that_lies() {
    let env = TestEnv::two_runs();
    env.hook(["check"]).ok();
    env.hook(["select", THIRD]).ok();
    env.git(["commit", "-qam", "by hand", "--no-verify"]).ok();
    env.git(["tag", "-a", "-m", "no", &format!("capture/{THIRD}")]).ok();
    let output = env.hook(["check"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error selection_not_ingested: [commit]: params.yaml selects results/sweep/run-20260106-041, but dvc.lock was made from results/plume/run-20261124-021546
    error tag_false: [commit] capture/sweep/run-20260106-041 sweep/run-20260106-041: data version [md5].dir of its commit does not hold the run
    2 findings in 4 commits, 3 run tags
    ");
    // What a branch adds, alone.
    env.hook(["check", "HEAD~2..HEAD~1"]).ok();
    env.hook(["check", "HEAD~1..HEAD"]).fails(1);
    env.hook(["check", "no-such"]).fails(3);
}

#[test]
fn pictures_are_the_same_every_time_and_say_what_they_show() {
    let env = TestEnv::two_runs();
    for name in ["a.svg", "b.svg", "a.png", "b.png"] {
        env.hook(["plot", THIRD, "-o", &format!("../{name}")]).ok();
    }
    let bytes = |name: &str| fs::read(env.path(name)).unwrap();
    assert_eq!(bytes("a.svg"), bytes("b.svg"));
    assert_eq!(bytes("a.png"), bytes("b.png"));
    assert!(bytes("a.png").starts_with(b"\x89PNG"));
    let svg = String::from_utf8(bytes("a.svg")).unwrap();
    for text in [THIRD, "60 episodes", "10,536 steps", "Distance to goal", "Reward so far", "Episode lengths"] {
        assert!(svg.contains(text), "{text}");
    }
    // The goal is where the configuration says it is, or nowhere.
    let why = "Not drawn: plume and goal (the recorded distances are not those to the configured source)";
    assert!(svg.contains(why) && svg.contains("y (cells)") && svg.contains("mean reward \u{2212}1.571"), "{svg}");
    // Visits have another colour than the plume, which is green.
    assert!(svg.contains("#b496c3") && !svg.contains("#009e73"), "{svg}");
    // Parquet and JSON lines give one picture.
    env.hook(["plot", FIRST, "-o", "../dataset.svg"]).ok();
    env.hook(["plot", &format!("results/{FIRST}"), "-o", "../results.svg"]).ok();
    assert_eq!(bytes("dataset.svg"), bytes("results.svg"));
    env.hook(["plot", FIRST, "-o", "../x.gif"]).fails(2);
}

#[test]
fn the_shell_completes_runs_tags_and_experiments() {
    let env = TestEnv::two_runs();
    let complete = |words: &[&str]| {
        let mut command = env.command(crate::env::BIN, "repo");
        command.env("COMPLETE", "fish").arg("--").args(words);
        crate::env::run_command(&mut command).ok().stdout
    };
    let found = complete(&["capture-hook", "show", "nav"]);
    assert!(found.contains(FIRST), "{found}");
    assert!(complete(&["capture-hook", "show", "capture/"]).contains(&format!("capture/{PLUME}")));
    assert!(complete(&["capture-hook", "runs", "--experiment", "sw"]).contains("sweep"));
    assert!(complete(&["capture-hook", "config", "set", "push."]).contains("push.policy"));
    for command in
        ["select", "publish", "pull", "log", "verify", "ingest", "validate", "manifest", "get", "plot", "diff"]
    {
        assert!(complete(&["capture-hook", command, "plu"]).contains(PLUME), "{command}");
    }
    for command in ["push", "check", "pull", "log", "verify", "get", "plot", "diff"] {
        let found = complete(&["capture-hook", command, "capture/p"]);
        assert!(found.contains(&format!("capture/{PLUME}")), "{command}: {found}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = env.hook(["completions", shell]).ok().stdout;
        assert!(script.contains("capture-hook") && script.contains("COMPLETE"), "{script}");
    }
    let page = env.hook(["man", "runs"]).ok().stdout;
    assert!(page.contains(".TH") && page.contains("capture\\-hook\\-runs"), "{page}");
    let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
    let expected = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "FILES", "SEE ALSO"];
    let quoted = |title: &&str| sections.iter().any(|section| section.trim_matches('"') == *title);
    assert!(expected.iter().all(quoted), "{sections:?}");
    // From the directory that it is started in, although `-C` takes a DIR, too.
    env.hook_in(".", ["man", "--dir", "man"]).ok();
    assert!(env.path("man/capture-hook.1").is_file() && env.path("man/capture-hook-verify.1").is_file());
}

/// A clone, and no knowledge: every command that this types was suggested by `--help` or by a command before it.
#[test]
fn a_newcomer_finds_the_best_run_sees_it_and_gets_its_data() {
    let mut env = TestEnv::two_runs();
    env.hook(["select", THIRD]).ok();
    env.git(["commit", "-qam", "The sweep"]).ok();
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    env.git_in(".", ["clone", "-q", "origin.git", "fresh"]).ok();
    let shows = |wanted: &[&str], args: &[&str]| {
        let output = env.hook_in("fresh", args).ok();
        for text in wanted {
            assert!(output.both().contains(text), "`{}` does not suggest `{text}`:\n{}", args.join(" "), output.both());
        }
        output
    };
    shows(&["runs", "status", "show", "get"], &["--help"]);
    // Nothing is here yet, and the list says how it comes.
    let listed = shows(&["remote"], &["runs"]);
    assert_snapshot!(env.screen(&listed), @"
       RUN                         STEPS  EPISODES  SUCCESS  REWARD  STATE
    *  sweep/run-20260106-041     10,536        60      18%  -1.571  remote
       plume/run-20261124-021546     208         3      33%  -0.357  remote
       nav/run-20261124-021550       151         4      25%  -0.125  remote

    3 runs: 3 remote (227.7 KiB)
    --- stderr
    hint: fetch the data of a remote run with `capture-hook pull RUN`, of all with `capture-hook pull`
    warning: git calls no hook of capture-hook in this clone, so commits ingest no run and pushes send no data
    hint: install them: `capture-hook install`
    ");
    shows(&["--sort reward", "pull RUN"], &["runs", "--help"]);
    shows(&[], &["pull"]);
    let best = shows(&[], &["runs", "--sort", "reward"]);
    let name = best.stdout.lines().nth(1).unwrap().split_whitespace().find(|w| w.contains('/')).unwrap().to_owned();
    assert_eq!(name, FIRST);
    // Who made it, with which code and configuration, and how it went.
    let seen = shows(&["commit", "configuration", "goal_radius", "recorder", "reward"], &["show", &name]);
    assert_snapshot!(env.screen(&seen), @"
    nav/run-20261124-021550
      started         2026-11-24T02:15:50Z
      recorder        package 0.1.0, schema 0.1
      location        data/captures/nav/run-20261124-021550
      validation      valid
      commit          [commit]  Add nav/run-20261124-021550  (Ada, [date])
      tags            capture/nav/run-20261124-021550
      data version    [md5].dir
      configuration   sha256:10482995e40081d9d17ef888421ea49cc68e9146d5907486…
                      grid_size = [20,20]
                      source_location = [19,19]
                      max_steps = 50
                      goal_radius = 5.0
                      enable_rendering = true
                      plume_params.sigma = 20.0
                      plume_params.source_location = [19,19]
      seeds           4 different, 41 to 44
      episodes        4 episodes, 151 steps, 37.75 an episode
      success         25% (1 of 4 reached the goal)
      reward          -0.125 mean, 1 best
      final distance  13.94 mean, 5 nearest
      distance        ▃▃▃▃▃▂▁▁▄▄▄▃▂▄▅▅▄▃▃▄▄▄▄▅▅▄▆▇██▆▅  14.42 → 15.25 (median)
      reward so far   ███▇▇▇▇▆▆▆▆▆▅▅▅▅▄▄▄▄▄▃▃▃▃▂▂▂▂▂▁▁  -0.01 → -0.5 (median)
      files           7, 12.2 KiB
    ");
    let got = shows(&[], &["get", &name]);
    let dir = env.path("fresh").join(got.stdout.trim());
    assert!(dir.join("steps.parquet").is_file());
    env.set("GIT_PAGER", "false");
    env.hook_in("fresh", ["plot", &name]).ok();
}

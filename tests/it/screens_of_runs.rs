//! `runs`, `show`, `status` and the list of `select` on terminals of 60, 80 and 120 columns, and in a pipe.

use std::fs;

use insta::assert_snapshot;

use crate::env::{FIRST, PLUME, THIRD, TestEnv};

/// Runs a command on a terminal of 50 lines and so many columns, types keys, and prints what it showed.
const ON_A_TERMINAL: &str = r#"
import fcntl, os, pty, select, struct, sys, termios, time
width, keys = int(sys.argv[1]), sys.argv[2].encode().decode("unicode_escape").encode()
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", int(sys.argv[3]), width, 0, 0))
    os.execv(sys.argv[4], sys.argv[4:])
shown = b""
try:
    while True:
        if keys and b"Which run?" in shown:
            while select.select([fd], [], [], 0.5)[0]:
                shown += os.read(fd, 65536)
            os.write(fd, keys)
            keys = b""
        chunk = os.read(fd, 65536)
        if not chunk:
            break
        shown += chunk
except OSError:
    pass
os.waitpid(pid, 0)
sys.stdout.buffer.write(shown.replace(b"\r\n", b"\n"))
"#;

/// What a command shows in a directory of the environment, on a terminal of this width.
fn shown_at(env: &TestEnv, dir: &str, width: usize, args: &[&str]) -> String {
    typed_at(env, dir, (width, 50), "", args)
}

fn typed_at(env: &TestEnv, dir: &str, (width, height): (usize, usize), keys: &str, args: &[&str]) -> String {
    let (width, height) = (width.to_string(), height.to_string());
    let head = ["-c", ON_A_TERMINAL, &width, keys, &height, crate::env::BIN, "--color", "never"];
    let output = env.run_in(dir, "python3", [&head, args].concat()).ok();
    env.mask(&output.stdout)
}

/// Two committed runs, one new and one invalid; and a clone with none of the data.
fn project() -> TestEnv {
    let mut env = TestEnv::two_runs();
    env.set("TERM", "xterm-256color");
    env.record_as("ok-head01", "bad/broken");
    fs::write(env.repo("results/bad/broken/steps.jsonl.gz"), "no gzip").unwrap();
    env.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    env.git_in(".", ["clone", "-q", "origin.git", "fresh"]).ok();
    env.hook_in("fresh", ["install"]).ok();
    env
}

/// No line is wider than the terminal, but for a name or a command that is not broken.
#[track_caller]
fn assert_fits(screen: &str, width: usize) {
    for line in screen.lines() {
        let has_long_word = line.split_whitespace().any(|word| word.chars().count() > width / 2);
        let is_command = line.trim_start().starts_with('`');
        assert!(line.chars().count() <= width || has_long_word || is_command, "{line}");
    }
}

#[test]
fn runs_leaves_out_columns_and_breaks_nothing() {
    let env = project();
    let piped = env.screen(&env.hook(["runs"]).ok());
    assert_snapshot!(piped, @"
       RUN                        STARTED      STEPS  EPISODES  SUCCESS  REWARD  STATE
       nav/run-20261124-021550    2026-11-24     151         4      25%  -0.125  committed
       bad/broken                 2026-11-24       -         -        -       -  invalid
    *  plume/run-20261124-021546  2026-11-24     208         3      33%  -0.357  committed
       sweep/run-20260106-041     2026-11-24  10,536        60      18%  -1.571  new

    4 runs: 2 committed, 1 new, 1 invalid
    ");
    let [narrow, usual, wide] = [60, 80, 120].map(|width| shown_at(&env, "repo", width, &["runs"]));
    assert_snapshot!(narrow, @"
       RUN                        SUCCESS  REWARD  STATE
       nav/run-20261124-021550        25%  -0.125  committed
       bad/broken                       -       -  invalid
    *  plume/run-20261124-021546      33%  -0.357  committed
       sweep/run-20260106-041         18%  -1.571  new

    4 runs: 2 committed, 1 new, 1 invalid
    no room for STARTED, EPISODES, STEPS: --json has all
    ");
    assert_snapshot!(usual, @"
       RUN                         STEPS  EPISODES  SUCCESS  REWARD  STATE
       nav/run-20261124-021550       151         4      25%  -0.125  committed
       bad/broken                      -         -        -       -  invalid
    *  plume/run-20261124-021546     208         3      33%  -0.357  committed
       sweep/run-20260106-041     10,536        60      18%  -1.571  new

    4 runs: 2 committed, 1 new, 1 invalid
    no room for STARTED: --json has all
    ");
    assert_snapshot!(wide, @"
       RUN                        STARTED      STEPS  EPISODES  SUCCESS  REWARD  STATE
       nav/run-20261124-021550    2026-11-24     151         4      25%  -0.125  committed
       bad/broken                 2026-11-24       -         -        -       -  invalid
    *  plume/run-20261124-021546  2026-11-24     208         3      33%  -0.357  committed
       sweep/run-20260106-041     2026-11-24  10,536        60      18%  -1.571  new

    4 runs: 2 committed, 1 new, 1 invalid
    ");
    for (screen, width) in [(&narrow, 60), (&usual, 80), (&wide, 120)] {
        assert_fits(screen, width);
        for run in [FIRST, PLUME, THIRD] {
            assert!(screen.lines().any(|line| line.split_whitespace().any(|word| word == run)), "{run}: {screen}");
        }
    }
}

#[test]
fn runs_of_a_clone_without_data_end_with_what_fetches_it() {
    let env = project();
    assert_snapshot!(env.screen(&env.hook_in("fresh", ["runs"]).ok()), @"
       RUN                        STEPS  EPISODES  SUCCESS  REWARD  STATE
    *  plume/run-20261124-021546    208         3      33%  -0.357  remote
       nav/run-20261124-021550      151         4      25%  -0.125  remote

    2 runs: 2 remote (24.4 KiB)
    --- stderr
    hint: fetch the data of a remote run with `capture-hook pull RUN`, of all with `capture-hook pull`
    ");
    assert_snapshot!(shown_at(&env, "fresh", 60, &["runs"]), @"
       RUN                        STEPS  SUCCESS  REWARD  STATE
    *  plume/run-20261124-021546    208      33%  -0.357  remote
       nav/run-20261124-021550      151      25%  -0.125  remote

    2 runs: 2 remote (24.4 KiB)
    no room for EPISODES: --json has all
    hint: fetch the data of a remote run with
      `capture-hook pull RUN`,
      of all with
      `capture-hook pull`
    ");
}

#[test]
fn show_fits_each_width() {
    let env = project();
    assert_snapshot!(env.screen(&env.hook_in("fresh", ["show", FIRST]).ok()), @"
    nav/run-20261124-021550
      location        remote: its data is not in this clone
      commit          [commit]  Add nav/run-20261124-021550  (Ada, [date])
      tags            capture/nav/run-20261124-021550
      data version    [md5].dir
      configuration   sha256:10482995e40081d9d17ef888421ea49cc68e9146d5907486…
      episodes        4 episodes, 151 steps, 37.75 an episode
      success         25% (1 reached the goal)
      reward          -0.125 mean, 1 best
      final distance  13.94 mean, 5 nearest
      size            12.2 KiB
      unknown         start, recorder, validation, keys of the configuration, seeds
    --- stderr
    hint: fetch its data with `capture-hook pull nav/run-20261124-021550`
    ");
    for width in [60, 80, 120] {
        assert_fits(&shown_at(&env, "fresh", width, &["show", FIRST]), width);
        assert_fits(&shown_at(&env, "repo", width, &["show", FIRST]), width);
        assert_fits(&shown_at(&env, "repo", width, &["show", "bad/broken"]), width);
    }
    assert_snapshot!(shown_at(&env, "repo", 60, &["show", FIRST]), @"
    nav/run-20261124-021550
      started         2026-11-24T02:15:50Z
      recorder        package 0.1.0, schema 0.1
      location        data/captures/nav/run-20261124-021550
      validation      valid
      commit          [commit]  Add nav/run-20261124-021550
                      (Ada, [date])
      tags            capture/nav/run-20261124-021550
      data version    [md5].dir
      configuration   sha256:10482995e40081d9d17ef888421ea49cc6…
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
      distance        ▃▃▃▃▃▂▁▁▄▄▄▃▂▄▅▅▄▃▃▄▄▄▄▅▅▄▆▇██▆▅  14.42 →
                      15.25 (median)
      reward so far   ███▇▇▇▇▆▆▆▆▆▅▅▅▅▄▄▄▄▄▃▃▃▃▂▂▂▂▂▁▁  -0.01 →
                      -0.5 (median)
      files           7, 12.2 KiB
    ");
    assert_snapshot!(shown_at(&env, "repo", 80, &["show", FIRST]), @"
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
    assert_snapshot!(shown_at(&env, "repo", 120, &["show", "bad/broken"]), @"
    bad/broken
      started         2026-11-24T02:15:50Z
      recorder        package 0.1.0, schema 0.1
      location        results/bad/broken
      validation      invalid: corrupt_gzip
      commit          none yet
      configuration   sha256:10482995e40081d9d17ef888421ea49cc68e9146d5907486…
                      grid_size = [20,20]
                      source_location = [19,19]
                      max_steps = 50
                      goal_radius = 5.0
                      enable_rendering = true
                      plume_params.sigma = 20.0
                      plume_params.source_location = [19,19]
      episodes        4 episodes, 0 steps, 37.75 an episode
      success         25% (1 of 4 reached the goal)
      reward          -0.125 mean, 1 best
      final distance  13.94 mean, 5 nearest
      files           3, 1.1 KiB
    hint: see what is wrong with `capture-hook validate bad/broken`
    ");
}

#[test]
fn status_fits_each_width() {
    let env = project();
    assert_snapshot!(env.screen(&env.hook(["status"]).ok()), @"
    plume/run-20261124-021546 is selected
      recorded   yes  results/plume/run-20261124-021546
      valid      yes  208 steps, 3 episodes (warnings: ambiguous_episode_id)
      ingested   yes  data version [md5].dir
      committed  yes  HEAD is at [commit]
      tagged     yes  capture/plume/run-20261124-021546
      pushed     yes  data: on the DVC remote; git: pushed
      workspace  yes  matches dvc.lock, files: 14
    nothing to do
    --- stderr
    hint: 2 recorded runs are in no commit; to list them: `capture-hook runs --new`
    ");
    assert_snapshot!(shown_at(&env, "repo", 60, &["status"]), @"
    plume/run-20261124-021546 is selected
      recorded   yes  results/plume/run-20261124-021546
      valid      yes  208 steps, 3 episodes (warnings:
                      ambiguous_episode_id)
      ingested   yes  data version
                      [md5].dir
      committed  yes  HEAD is at [commit]
      tagged     yes  capture/plume/run-20261124-021546
      pushed     yes  data: on the DVC remote; git: pushed
      workspace  yes  matches dvc.lock, files: 14
    nothing to do
    hint: 2 recorded runs are in no commit; to list them:
      `capture-hook runs --new`
    ");
    assert_snapshot!(shown_at(&env, "repo", 80, &["status"]), @"
    plume/run-20261124-021546 is selected
      recorded   yes  results/plume/run-20261124-021546
      valid      yes  208 steps, 3 episodes (warnings: ambiguous_episode_id)
      ingested   yes  data version [md5].dir
      committed  yes  HEAD is at [commit]
      tagged     yes  capture/plume/run-20261124-021546
      pushed     yes  data: on the DVC remote; git: pushed
      workspace  yes  matches dvc.lock, files: 14
    nothing to do
    hint: 2 recorded runs are in no commit; to list them: `capture-hook runs --new`
    ");
    assert_snapshot!(shown_at(&env, "fresh", 60, &["status"]), @"
    plume/run-20261124-021546 is selected
      recorded   -    results/plume/run-20261124-021546 is not
                      in this clone; its data is committed
      valid      -    no data to validate in this clone
      ingested   yes  data version
                      [md5].dir
      committed  yes  HEAD is at [commit]
      tagged     yes  capture/plume/run-20261124-021546
      pushed     yes  data: on the DVC remote; git: pushed
      workspace  -    the dataset is not in this clone:
                      24.4 KiB, 14 files
      figures         208 steps, 3 episodes, success 33%, reward
                      -0.357
      config          sha256:9c043945f41e
      size            12.2 KiB
      fetch
                      `capture-hook pull plume/run-20261124-021546`
    next: capture-hook pull
    ");
    assert_snapshot!(shown_at(&env, "fresh", 120, &["status"]), @"
    plume/run-20261124-021546 is selected
      recorded   -    results/plume/run-20261124-021546 is not in this clone; its data is committed
      valid      -    no data to validate in this clone
      ingested   yes  data version [md5].dir
      committed  yes  HEAD is at [commit]
      tagged     yes  capture/plume/run-20261124-021546
      pushed     yes  data: on the DVC remote; git: pushed
      workspace  -    the dataset is not in this clone: 24.4 KiB, 14 files
      figures         208 steps, 3 episodes, success 33%, reward -0.357
      config          sha256:9c043945f41e
      size            12.2 KiB
      fetch           `capture-hook pull plume/run-20261124-021546`
    next: capture-hook pull
    ");
    for width in [60, 80, 120] {
        assert_fits(&shown_at(&env, "repo", width, &["status"]), width);
        assert_fits(&shown_at(&env, "fresh", width, &["status"]), width);
    }
}

#[test]
fn the_list_to_choose_from_has_figures_states_and_how_many_more_there_are() {
    let env = project();
    let screen = |size: (usize, usize)| {
        let all = typed_at(&env, "repo", size, "\\x1b", &["select"]);
        let (first, _) = all.split_once("\u{1b}[").unwrap_or((&all, ""));
        let after = all.trim_start_matches("\u{1b}[?25l");
        after.split("\u{1b}[").next().map_or_else(|| first.to_owned(), str::to_owned)
    };
    assert_snapshot!(screen((80, 20)), @"
    Which run? (text filters, Enter selects, Esc leaves)
            RUN                         STEPS  EPISODES  SUCCESS  REWARD  STATE
    > 1     nav/run-20261124-021550       151         4      25%  -0.125  committed
      2     bad/broken                      -         -        -       -  invalid
      3  *  plume/run-20261124-021546     208         3      33%  -0.357  committed
      4     sweep/run-20260106-041     10,536        60      18%  -1.571  new
    ");
    assert_snapshot!(screen((60, 20)), @"
    Which run? (text filters, Enter selects, Esc leaves)
            RUN                        REWARD  STATE
    > 1     nav/run-20261124-021550    -0.125  committed
      2     bad/broken                      -  invalid
      3  *  plume/run-20261124-021546  -0.357  committed
      4     sweep/run-20260106-041     -1.571  new
    ");
    let short = screen((80, 6));
    assert!(short.contains("2 more below"), "{short}");
}

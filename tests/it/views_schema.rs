//! Views of runs that declare their columns: figures, curves, pictures and DVC's metrics show what a run has, and nothing
//! that it lacks. The numbers are compared with those that Python counts in the JSON lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::env::{FIRST, TestEnv, copy_dir};
use crate::schemas::fits;

const SIMULATORS: [&str; 7] =
    ["cartpole/r1", "cartpole/r2", "hopper/r1", "minigrid/r1", "pendulum/r1", "spread/r1", "spring/c1"];
/// Runs of four agents at once, made by `interleaved_run.py`.
const WALK: &str = "walk/w1";

fn source(file: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(file).to_str().unwrap().to_owned()
}

fn parse_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// A project in which the runs of all simulators, and one of four agents at once, are recorded.
fn simulators() -> TestEnv {
    let env = TestEnv::initialized();
    for run in SIMULATORS {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulators").join(run);
        copy_dir(&from, &env.repo("results").join(run));
    }
    record_walk(&env, WALK, 12);
    env
}

fn record_walk(env: &TestEnv, run: &str, episodes: u32) {
    let dir = env.repo("results").join(run);
    env.run_in(".", "python3", [&source("interleaved_run.py"), dir.to_str().unwrap(), &episodes.to_string()]).ok();
}

/// What Python counts in a run's JSON lines.
fn count_in_python(env: &TestEnv, run: &str) -> Value {
    let dir = env.repo("results").join(run);
    parse_json(&env.run_in(".", "python3", [source("figures.py").as_str(), dir.to_str().unwrap()]).ok().stdout)
}

fn figures(env: &TestEnv, run: &str) -> Value {
    parse_json(&env.hook(["--json", "show", run]).ok().stdout)["figures"].clone()
}

fn ingest(env: &TestEnv, run: &str) {
    env.hook(["select", run]).ok();
    env.hook(["ingest"]).ok();
}

/// Whether two values are equal, numbers up to the rounding of a sum.
fn is_close(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_close(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_close(a, b)))
        }
        _ => a == b,
    }
}

/// The texts of a picture, in order.
fn picture_texts(env: &TestEnv, run: &str) -> Vec<String> {
    let svg = env.hook(["plot", run, "-o", "-"]).ok().stdout;
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    let texts = svg.split("<text ").skip(1).filter_map(|text| text.split('>').nth(1)?.strip_suffix("</text"));
    texts.map(str::to_owned).collect()
}

fn titles(texts: &[String]) -> Vec<&str> {
    const NAMES: [&str; 9] = [
        "Trajectories",
        "Reward so far",
        "Distance to goal",
        "Episode lengths",
        "Actions",
        "x",
        "v",
        "heading",
        "theta",
    ];
    texts.iter().map(String::as_str).filter(|text| NAMES.contains(text)).collect()
}

#[test]
fn every_simulators_figures_are_those_that_python_counts() {
    let env = simulators();
    for run in SIMULATORS.into_iter().chain([WALK]) {
        let counted = count_in_python(&env, run)["figures"].clone();
        // From the recorder's files, and from parquet.
        let scanned = figures(&env, run);
        assert!(is_close(&scanned, &counted), "{run}: {scanned}\n{counted}");
        ingest(&env, run);
        assert_eq!(figures(&env, run), scanned, "{run}");
    }
    // Rows after a reset are no steps; nobody says that an episode succeeded, though all were terminated.
    let cartpole = figures(&env, "cartpole/r1");
    assert_eq!(
        (&cartpole["steps"], &cartpole["successes"], &cartpole["success_rate"]),
        (&json!(61), &Value::Null, &Value::Null)
    );
    let walk = figures(&env, WALK);
    assert_eq!((&walk["episodes"], walk["declared"].as_array().unwrap().len()), (&json!(11), 2));
    let rows = parse_json(&env.hook(["--json", "runs"]).ok().stdout);
    for row in rows["runs"].as_array().unwrap() {
        assert_eq!(row["figures"], figures(&env, row["run"].as_str().unwrap()));
        assert_eq!(row["steps"], row["figures"]["steps"]);
    }
}

#[test]
fn curves_in_metrics_files_are_those_that_python_counts() {
    let env = simulators();
    for run in ["cartpole/r2", "spread/r1", "spring/c1", WALK] {
        ingest(&env, run);
        let counted = count_in_python(&env, run);
        let text = fs::read_to_string(env.repo("metrics/capture-steps.csv")).unwrap();
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let header = lines.next().unwrap();
        let mut read: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
        for row in lines {
            assert_eq!((row.len(), row[0]), (header.len(), run));
            for (at, name) in header.iter().enumerate().skip(2).step_by(3).filter(|(at, _)| !row[*at].is_empty()) {
                let number = |at: usize| row[at].parse::<f64>().unwrap();
                let band = json!([number(at + 1), number(at), number(at + 2)]);
                read.entry(name).or_default().insert(row[1].to_owned(), band);
            }
        }
        let read = json!(read);
        assert!(is_close(&read, &counted["lines"]), "{run}: {read}\n{}", counted["lines"]);
        let text = fs::read_to_string(env.repo("metrics/capture-episodes.csv")).unwrap();
        let lengths: Vec<u64> =
            text.lines().skip(1).map(|row| row.split(',').nth(2).unwrap().parse().unwrap()).collect();
        assert_eq!(json!(lengths), counted["lengths"], "{run}");
        // `reached` is success, or nothing.
        let has_success = text.lines().skip(1).any(|row| !row.ends_with(','));
        assert_eq!(has_success, run == WALK, "{text}");
    }
}

#[test]
fn dvc_shows_declared_metrics_between_commits() {
    let env = simulators();
    for run in ["spring/c1", "cartpole/r1"] {
        env.hook(["select", run]).ok();
        env.git(["commit", "-qam", &format!("Add {run}")]).ok();
        assert_eq!(env.git(["status", "--porcelain"]).ok().stdout, "");
    }
    assert_snapshot!(env.git(["show", "HEAD~1:metrics/capture.json"]).ok().stdout, @r#"
    {
      "run": "spring/c1",
      "episodes": 3,
      "steps": 600,
      "mean_steps": 200.0,
      "max_peak_speed": 6.007270020301546
    }
    "#);
    let diff = parse_json(&env.dvc(["metrics", "diff", "--json", "HEAD~1"]).ok().stdout);
    let changes = diff["metrics/capture.json"].as_object().unwrap();
    let mut names: Vec<&str> = changes.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["max_peak_speed", "max_reward", "mean_reward", "mean_steps", "run", "steps"]);
    // The plots that `dvc.yaml` names for every run do not stop DVC if a run lacks the values.
    let plots = parse_json(&env.dvc(["plots", "diff", "--json", "HEAD~1"]).ok().stdout).to_string();
    for title in ["Distance to goal", "Reward so far", "Episode lengths"] {
        assert!(plots.contains(title), "{title} in {plots}");
    }
}

#[test]
fn a_run_is_shown_with_what_it_has() {
    let env = simulators();
    assert_snapshot!(env.screen(&env.hook(["show", "cartpole/r1"]).ok()), @r#"
    cartpole/r1
      started         2026-11-27T00:00:00Z
      recorder        schema 2
      columns         9 a step, 2 an episode
      location        results/cartpole/r1
      validation      valid
      commit          none yet
      configuration   sha256:4d925620318c8fc4b8d2db45b9bf57aa7ab98e09cd0d0332…
                      id = "CartPole-v1"
                      kwargs = {}
                      max_episode_steps = 500
      seeds           3 different, 0 to 2
      episodes        3 episodes, 61 steps, 20.33 an episode
      reward          20.33 mean, 29 best
      reward so far   ▁▁▂▂▃▃▃▄▄▅▅▆▆▆▇▇█████████████  1 → 18 (median)
      files           4, 3.3 KiB
    "#);
    assert_snapshot!(env.screen(&env.hook(["show", "spring/c1"]).ok()), @"
    spring/c1
      started         2026-11-27T00:00:00Z
      recorder        schema 2
      columns         5 a step, 2 an episode
      location        results/spring/c1
      validation      valid
      commit          none yet
      configuration   sha256:d47c9efe98830e984f7f7c9992a723bb98fab6da5c49f58d…
                      k = 4.0
      episodes        3 episodes, 600 steps, 200 an episode
      max_peak_speed  6.007 m/s
      x               █▆▄▂▁▁▂▅▇██▇▄▂▁▁▂▅▇██▇▅▂▁▁▂▄▇██▇  1.98 → 0.709 m (median)
      files           4, 20.6 KiB
    ");
    assert_snapshot!(env.screen(&env.hook(["show", WALK]).ok()), @"
    walk/w1
      started         2026-11-27T00:00:00Z
      recorder        schema 2
      columns         5 a step, 3 an episode
      location        results/walk/w1
      validation      valid (warnings: incomplete_episode)
      commit          none yet
      configuration   sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e83…
      episodes        11 episodes, 182 steps, 13.82 an episode
      success         45% (5 of 11 succeeded)
      reward          0.109 mean, 3.082 best
      mean_energy     7.326 J
      max_energy      17.93 J
      reward so far   ▄▄▃▄▃▄█▇▃▃▃▃▃▁▁▃▃▃▃▃▃▃▃▆▆▆▆▆▆▆▆  -0.307 → -0.024 (median)
      files           4, 8.4 KiB
    ");
    let spread = env.hook(["show", "spread/r1"]).ok().stdout;
    assert!(spread.contains("9 episodes (one for each agent), 225 steps"), "{spread}");
    // Summaries that the recorder did not write are made of the steps; the dataset still says so.
    fs::remove_file(env.repo("results/spring/c1/episodes.jsonl.gz")).unwrap();
    let derived = env.hook(["show", "spring/c1"]).ok().stdout;
    let says = "columns         5 a step, 2 an episode; the summaries are made of the steps\n";
    assert!(derived.contains(says), "{derived}");
    assert!(derived.contains("max_peak_speed  6.007 m/s") && derived.contains("3 episodes, 600 steps"), "{derived}");
    ingest(&env, "spring/c1");
    let ingested = env.hook(["show", "spring/c1"]).ok().stdout;
    assert!(ingested.contains(says) && ingested.contains("data/captures/spring/c1"), "{ingested}");
}

#[test]
fn a_list_of_runs_has_no_column_that_no_run_has() {
    let env = simulators();
    ingest(&env, "spring/c1");
    assert_snapshot!(env.screen(&env.hook(["runs", "-e", "spring"]).ok()), @"
       RUN        STARTED     STEPS  EPISODES  MAX_PEAK_SPEED  STATE
    *  spring/c1  2026-11-27    600         3           6.007  ingested

    1 run: 1 ingested
    ");
    ingest(&env, "cartpole/r1");
    assert_snapshot!(env.screen(&env.hook(["runs", "-e", "cartpole"]).ok()), @"
       RUN          STARTED     STEPS  EPISODES  REWARD  STATE
       cartpole/r2  2026-11-27     89         3   29.67  new
    *  cartpole/r1  2026-11-27     61         3   20.33  ingested

    2 runs: 1 ingested, 1 new
    ");
    assert_snapshot!(env.screen(&env.hook(["runs", "-e", "walk"]).ok()), @"
    RUN      STARTED     STEPS  EPISODES  SUCCESS  REWARD  MEAN_ENERGY  MAX_ENERGY  STATE
    walk/w1  2026-11-27    182        11      45%   0.109        7.326       17.93  new

    1 run: 1 new
    ");
    // With a run that has it, the column is there for all.
    ingest(&env, WALK);
    env.record("ok-head01");
    ingest(&env, FIRST);
    let all = env.hook(["runs", "--sort", "success"]).ok();
    // All columns into a pipe.
    assert_snapshot!(env.screen(&all), @"
       RUN                      STARTED     STEPS  EPISODES  SUCCESS    REWARD  MEAN_ENERGY  MAX_ENERGY  MAX_PEAK_SPEED  STATE
       walk/w1                  2026-11-27    182        11      45%     0.109        7.326       17.93               -  ingested
    *  nav/run-20261124-021550  2026-11-24    151         4      25%    -0.125            -           -               -  ingested
       cartpole/r1              2026-11-27     61         3        -    20.33             -           -               -  ingested
       cartpole/r2              2026-11-27     89         3        -    29.67             -           -               -  new
       hopper/r1                2026-11-27     53         3        -    12.97             -           -               -  new
       minigrid/r1              2026-11-27    257         3        -     0.162            -           -               -  new
       pendulum/r1              2026-11-27    600         3        -  -971.6              -           -               -  new
       spread/r1                2026-11-27    225         9        -   -25.86             -           -               -  new
       spring/c1                2026-11-27    600         3        -         -            -           -           6.007  ingested

    9 runs: 4 ingested, 5 new
    ");
}

#[test]
fn two_runs_are_compared_with_their_columns() {
    let env = simulators();
    assert_snapshot!(env.screen(&env.hook(["diff", "cartpole/r1", "cartpole/r2"]).ok()), @"
    A  cartpole/r1
    B  cartpole/r2

                          A                 B             CHANGE
    config                the same
    schema                the same columns
    seeds                 0 to 2 (3)        10 to 12 (3)
    metrics  episodes     3                 3
             steps        61                89              +46%
             mean reward  20.33             29.67           +46%
             best reward  29                36              +24%
             mean steps   20.33             29.67           +46%
    ");
    // The second recorder measures in another unit, drops a column, and adds one.
    let path = env.repo("results/spring/c1/schema.json");
    let run_json = env.repo("results/spring/c1/run.json");
    copy_dir(&env.repo("results/spring/c1"), &env.repo("results/spring/c2"));
    let schema = fs::read_to_string(&path).unwrap();
    let mut changed = parse_json(&schema);
    let steps = changed["steps"].as_object_mut().unwrap();
    steps.remove("phase").unwrap();
    steps["v"]["unit"] = json!("km/h");
    // Another range is not another type.
    steps["x"]["min"] = json!(-100);
    steps.insert("temperature".into(), json!({"dtype": "float32", "nullable": true, "unit": "K"}));
    fs::write(env.repo("results/spring/c2/schema.json"), changed.to_string()).unwrap();
    let meta = fs::read_to_string(&run_json).unwrap().replace("\"c1\"", "\"c2\"");
    fs::write(env.repo("results/spring/c2/run.json"), meta).unwrap();
    assert_snapshot!(env.screen(&env.hook(["diff", "spring/c1", "spring/c2"]).ok()), @"
    A  spring/c1
    B  spring/c2

                                A               B
    config                      the same
    schema   steps.v            float64 in m/s  float64 in km/h
             steps.phase        string          (none)
             steps.temperature  (none)          float32 in K
    seeds                       the same: -
    metrics  episodes           3               3
             steps              600             600
             mean steps         200             200
             max_peak_speed     6.007 m/s       6.007 m/s
    ");
    let diff = parse_json(&env.hook(["--json", "diff", "spring/c1", "spring/c2"]).ok().stdout);
    assert_eq!(
        diff["schema"],
        json!([
            {"stream": "steps", "column": "v", "a": "float64 in m/s", "b": "float64 in km/h"},
            {"stream": "steps", "column": "phase", "a": "string", "b": null},
            {"stream": "steps", "column": "temperature", "a": null, "b": "float32 in K"},
        ])
    );
}

#[test]
fn the_state_after_a_reset_is_counted_as_a_step_nowhere() {
    let env = simulators();
    let run = "cartpole/r1";
    let validated = env.hook(["validate", "results/cartpole/r1"]).ok();
    assert!(validated.both().contains("valid: 61 steps, 3 episodes"), "{}", validated.both());
    env.hook(["select", run]).ok();
    env.git(["commit", "-qam", "Add a run"]).ok();
    let status = parse_json(&env.hook(["--json", "status"]).ok().stdout);
    assert_eq!(status["steps"][1]["detail"], "61 steps, 3 episodes");
    let log = parse_json(&env.hook(["--json", "log"]).ok().stdout);
    assert_eq!(log["versions"][0]["runs"][0]["steps"], 61, "{log}");
    // The tag says the same to a clone without the data.
    let tag = env.git(["tag", "-l", "--format=%(contents)", "capture/cartpole/r1"]).ok().stdout;
    assert!(tag.starts_with("Capture cartpole/r1: 61 steps, 3 episodes\n"), "{tag}");
    // The rows of the files are all counted where rows are compared.
    let validation = parse_json(&env.hook(["--json", "validate", "results/cartpole/r1"]).ok().stdout);
    assert_eq!(validation["runs"][0]["steps"]["rows"], 64);
    env.hook(["verify"]).ok();
}

#[test]
fn json_of_declared_runs_fits_its_schema() {
    let env = simulators();
    ingest(&env, "spring/c1");
    ingest(&env, WALK);
    let ask = |schema: &'static str, args: &[&str]| (schema, env.hook([&["--json"], args].concat()).ok().stdout);
    let pairs = [
        ask("show", &["show", WALK]),
        ask("show", &["show", "cartpole/r1"]),
        ask("runs", &["runs"]),
        ask("diff", &["diff", "spring/c1", WALK]),
        ask("status", &["status"]),
        ask("plot", &["plot", WALK, "-o", "../walk.svg"]),
    ];
    fits(&env, &pairs);
    // A run that declares no columns has no key for them.
    env.record("ok-head01");
    let plume = parse_json(&env.hook(["--json", "show", FIRST]).ok().stdout);
    assert!(plume.get("columns").is_none() && plume["figures"].get("declared").is_none(), "{plume}");
}

#[test]
fn a_picture_has_a_chart_for_what_the_run_has_and_no_other() {
    let env = simulators();
    for (run, charts) in [
        ("cartpole/r1", &["Reward so far", "Episode lengths", "Actions"][..]),
        ("hopper/r1", &["Reward so far", "Episode lengths"]),
        ("minigrid/r1", &["Reward so far", "Episode lengths", "Actions"]),
        // Every episode of these is as long.
        ("pendulum/r1", &["Reward so far"]),
        ("spread/r1", &["Reward so far", "Actions"]),
        ("spring/c1", &["x", "v"]),
        (WALK, &["Trajectories", "Reward so far", "heading", "Episode lengths", "Actions"]),
    ] {
        let texts = picture_texts(&env, run);
        assert_eq!(titles(&texts), charts, "{run}");
        let all = texts.join("\n");
        assert!(run == WALK || !all.contains("succe"), "{all}");
        assert!(!all.contains("goal"), "{all}");
        // The dataset's parquet gives the same picture.
        ingest(&env, run);
        assert_eq!(picture_texts(&env, run), texts, "{run}");
    }
    assert_snapshot!(picture_texts(&env, "spring/c1").join(" | "), @"spring/c1 | 3 episodes  ·  600 steps  ·  2026-11-27T00:00:00Z | Not drawn: episode lengths (all 200 steps) | truncated (3) | x | median and quartiles over episodes | −4 | −2 | 0 | 2 | 4 | 50 | 100 | 150 | 200 | step | x (m) | v | median and quartiles over episodes | −10 | −5 | 0 | 5 | 10 | 50 | 100 | 150 | 200 | step | v (m/s)");
    assert_snapshot!(picture_texts(&env, WALK).join(" | "), @"walk/w1 | interrupted: it ended within an episode | 12 episodes  ·  182 steps  ·  45% succeeded  ·  mean reward 0.109  ·  2026-11-27T00:00:00Z | succeeded (5) | did not succeed (6) | unfinished (1) | Trajectories | ring: start | −20 | −15 | −10 | −5 | 0 | 5 | 10 | 15 | −20 | −10 | 0 | 10 | px (m) | py (m) | Reward so far | median and quartiles over episodes | −2 | −1 | 0 | 1 | 2 | 0 | 10 | 20 | 30 | step | reward | heading | median and quartiles over episodes | −2 | 0 | 2 | 0 | 10 | 20 | 30 | step | heading (rad) | Episode lengths |  | 0 | 10 | 20 | 30 | 40 | 2 | 4 | 6 | 8 | 10 | 12 | episode | steps | Actions |  | 0 | 50 | 100 | 0 | 10 | 20 | 30 | step | share (%) | −1 | 0 | 1");
    env.hook(["plot", WALK, "-o", "../walk.png"]).ok();
    assert!(fs::read(env.path("walk.png")).unwrap().starts_with(b"\x89PNG"));
    let told = parse_json(&env.hook(["--json", "plot", WALK, "-o", "../walk.svg"]).ok().stdout);
    let counted = count_in_python(&env, WALK);
    assert_eq!(told["steps"], counted["figures"]["steps"]);
    // Twelve episodes, of which one has no summary.
    assert_eq!((&told["episodes"], &counted["figures"]["episodes"]), (&json!(12), &json!(11)));
}

#[test]
fn paths_of_many_open_episodes_are_not_mixed_up() {
    let env = TestEnv::initialized();
    record_walk(&env, WALK, 80);
    let texts = picture_texts(&env, WALK);
    assert!(texts.contains(&"27 of 80 episodes; ring: start".to_owned()), "{texts:?}");
    let svg = env.hook(["plot", WALK, "-o", "-"]).ok().stdout;
    // Each step is one long: a line from one episode's agent to another's would be longer.
    let paths = svg.lines().filter(|line| line.contains("stroke-width=\"1.6\"") && line.starts_with("<path"));
    let mut lengths: Vec<f64> = Vec::new();
    for path in paths {
        let points = path.split('"').nth(1).unwrap().trim_start_matches('M').split('L');
        let points: Vec<Vec<f64>> =
            points.map(|point| point.split(' ').map(|number| number.parse().unwrap()).collect()).collect();
        lengths.extend(points.windows(2).map(|pair| (pair[0][0] - pair[1][0]).hypot(pair[0][1] - pair[1][1])));
    }
    let (shortest, longest) = lengths.iter().fold((f64::MAX, 0.0_f64), |(low, high), n| (low.min(*n), high.max(*n)));
    assert!(lengths.len() > 300 && longest - shortest < 0.05, "{} {shortest} {longest}", lengths.len());
}

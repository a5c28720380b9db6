//! Runs that are recorded and in no commit: their figures, read once and noted, and whether they are valid.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::env::{CommandOutput, FIRST, PLUME, THIRD, TestEnv, copy_dir, corpus_run};
use crate::select::on_a_terminal;

/// Long enough that what was written is noted.
fn settle() {
    std::thread::sleep(Duration::from_millis(2100));
}

fn json(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", output.both()))
}

fn row(listed: &Value, run: &str) -> Value {
    listed["runs"].as_array().unwrap().iter().find(|row| row["run"] == run).unwrap().clone()
}

fn list(env: &TestEnv, args: &[&str]) -> Value {
    json(&env.hook([&["runs", "--json"], args].concat()).ok())
}

/// A run that every rule but one holds for, under a name of its own, that began last.
fn record_invalid(env: &TestEnv, key: &str) {
    let (run, _) = corpus_run("ok-head01");
    let dir = env.repo("results").join(key);
    copy_dir(&run, &dir);
    env.record_as("ok-head01", key);
    let script = "import gzip, json, pathlib, sys\n\
        path = pathlib.Path(sys.argv[1]) / 'steps.jsonl.gz'\n\
        rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]\n\
        del rows[3]['reward']\n\
        path.write_bytes(gzip.compress(''.join(json.dumps(row) + chr(10) for row in rows).encode()))\n\
        meta = path.parent / 'run.json'\n\
        text = json.loads(meta.read_text())\n\
        text['start_time'] = '2099-01-01T00:00:00Z'\n\
        meta.write_text(json.dumps(text))\n";
    env.run_in(".", "python3", ["-c", script, dir.to_str().unwrap()]).ok();
}

/// More rows than are read unasked: each line is followed by blanks.
fn make_large(env: &TestEnv, key: &str) {
    let script = "import gzip, pathlib, sys\n\
        path = pathlib.Path(sys.argv[1]) / 'steps.jsonl.gz'\n\
        lines = gzip.decompress(path.read_bytes()).splitlines()\n\
        (path.parent / 'manifest.json').unlink(missing_ok=True)\n\
        text = b''.join(line + b' ' * 80000 + b'\\n' for line in lines)\n\
        path.write_bytes(gzip.compress(text, compresslevel=0))\n";
    env.run_in(".", "python3", ["-c", script, env.repo("results").join(key).to_str().unwrap()]).ok();
    assert!(fs::metadata(env.repo("results").join(key).join("steps.jsonl.gz")).unwrap().len() > 8 << 20);
}

#[test]
fn a_new_run_has_the_figures_that_it_has_when_it_is_committed() {
    let env = TestEnv::two_runs();
    let new = row(&list(&env, &[]), THIRD);
    assert_eq!((&new["state"], &new["steps"], &new["episodes"]), (&"new".into(), &10536.into(), &60.into()));
    let shown = json(&env.hook(["show", THIRD, "--json"]).ok());
    assert_eq!((&shown["figures"], &shown["state"]), (&new["figures"], &"new".into()));
    assert_eq!(list(&env, &["--where", "reward < -1 and state == new"])["runs"].as_array().unwrap().len(), 1);
    env.hook(["publish", "--no-push", THIRD]).ok();
    let committed = row(&list(&env, &[]), THIRD);
    assert_eq!((&committed["figures"], &committed["state"]), (&new["figures"], &"committed".into()));
}

/// A run that takes long is not read unasked: what is known of it later was noted, by `--figures` or by `show`.
#[test]
fn rows_are_read_once_and_again_when_they_change() {
    let env = TestEnv::two_runs();
    make_large(&env, THIRD);
    settle();
    let known = |listed: &Value| row(listed, THIRD)["figures"]["mean_reward"].as_f64();
    let first = list(&env, &[]);
    assert_eq!((known(&first), first["unread"].as_u64()), (None, Some(1)), "{first}");
    let screen = env.hook(["runs"]).ok();
    let expected = "no figures yet of 1 new run: to read it takes longer; all: `capture-hook runs --figures`";
    assert!(screen.stderr.contains(expected), "{}", screen.both());
    let line = screen.stdout.lines().find(|line| line.contains(THIRD)).unwrap();
    assert!(line.split_whitespace().filter(|word| *word == "-").count() >= 3, "{line}");
    let all = list(&env, &["--figures"]);
    assert_eq!((known(&all).is_some(), all["unread"].as_u64()), (true, Some(0)));
    assert_eq!(list(&env, &[]), all, "noted");
    assert!(!env.hook(["runs"]).ok().stderr.contains("no figures yet"));
    // Another file, the same size, a time that any program can set.
    let run = env.repo("results").join(THIRD);
    let path = run.join("steps.jsonl.gz");
    let times = fs::metadata(&path).unwrap().modified().unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(times).unwrap();
    assert_eq!(known(&list(&env, &[])), None);
    settle();
    // `show` reads them, and notes what it found.
    let shown = json(&env.hook(["show", THIRD, "--json"]).ok());
    assert_eq!(known(&list(&env, &[])), shown["figures"]["mean_reward"].as_f64());
    // A file that comes, and a setting of validation, change what is found.
    fs::write(run.join("steps.part0009.jsonl.gz"), "").unwrap();
    assert_eq!(known(&list(&env, &[])), None);
    fs::remove_file(run.join("steps.part0009.jsonl.gz")).unwrap();
    assert!(known(&list(&env, &[])).is_some());
    env.hook(["config", "set", "validate.deny", "ambiguous_episode_id"]).ok();
    assert_eq!(known(&list(&env, &[])), None);
}

#[test]
fn an_invalid_run_is_called_so_and_never_advised() {
    let mut env = TestEnv::two_runs();
    fs::remove_dir_all(env.repo("results").join(THIRD)).unwrap();
    let bad = "bad/r1";
    record_invalid(&env, bad);
    let listed = list(&env, &[]);
    let invalid = row(&listed, bad);
    assert_eq!(
        (&invalid["state"], &invalid["figures"], &invalid["steps"]),
        (&"invalid".into(), &Value::Null, &Value::Null)
    );
    assert_eq!(list(&env, &["--where", "state == invalid"])["runs"].as_array().unwrap().len(), 1);
    assert!(env.hook(["runs"]).ok().stdout.contains("1 invalid"));
    assert_eq!(json(&env.hook(["show", bad, "--json"]).ok())["state"], "invalid");
    // Whoever asks what to do with it is sent to `validate`, in every place.
    let validate = format!("`capture-hook validate {bad}`");
    for args in [&["show", bad][..], &["status"], &["get", bad, "-o", "../got"], &["forget", bad]] {
        let output = env.hook(args);
        assert!(output.both().contains(&validate), "{args:?}: {}", output.both());
        let is_advised = ["capture-hook publish", "capture-hook select"].iter().any(|it| output.both().contains(it));
        assert!(!is_advised, "{args:?}: {}", output.both());
    }
    let next = |env: &TestEnv| json(&env.hook(["status", "--json"]).ok())["next"].as_str().unwrap().to_owned();
    env.hook(["select", "--force", bad]).ok();
    assert_eq!(next(&env), format!("capture-hook validate results/{bad}"));
    let again = env.hook(["select", "--force", bad]).ok();
    assert!(again.stderr.contains("capture-hook validate") && !again.stderr.contains("commit it"), "{}", again.both());
    let params = fs::read_to_string(env.repo("params.yaml")).unwrap();
    fs::write(env.repo("params.yaml"), params.replace(&format!("results/{bad}"), "null")).unwrap();
    // Without a selection, the newest would be the one to select.
    let output = env.hook(["status"]).ok();
    assert!(output.stdout.contains(&format!("next: capture-hook validate results/{bad}")), "{}", output.both());
    fs::remove_dir_all(env.repo("results/bad")).unwrap();
    assert_eq!(next(&env), "capture-hook select latest");
    // In the list to choose from, too.
    record_invalid(&env, bad);
    env.set("TERM", "xterm-256color");
    let list = on_a_terminal(&env, "select", &[("Which run?", "\\x1b[B\\x1b")]);
    assert!(list.contains("invalid") && list.contains("committed"), "{list}");
}

#[test]
fn a_run_recorded_again_and_invalid_now_is_not_advised() {
    let env = TestEnv::two_runs();
    fs::remove_dir_all(env.repo("results").join(THIRD)).unwrap();
    let run = env.repo("results").join(PLUME);
    fs::write(run.join("steps.jsonl.gz"), "no gzip").unwrap();
    let output = env.hook(["check"]);
    assert!(output.both().contains("it is invalid; see why: `capture-hook validate"), "{}", output.both());
    assert!(!output.both().contains("publish"), "{}", output.both());
    let meta = env.repo("results").join(FIRST).join("run.json");
    let text = fs::read_to_string(&meta).unwrap();
    fs::write(&meta, text.replace("15489", "15490")).unwrap();
    fs::write(env.repo("results").join(FIRST).join("episodes.jsonl.gz"), "no gzip").unwrap();
    let output = env.hook(["publish", "--all-new", "--no-push"]);
    assert!(!output.both().contains(&format!("`capture-hook publish results/{FIRST}`")), "{}", output.both());
}

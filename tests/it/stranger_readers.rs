//! A file of a stranger is read the same way by us, who judge it, and by DVC, which uses it; and it costs little however
//! it is made.

#[path = "../../fuzz/bodies.rs"]
mod bodies;
mod readers;
mod soup;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use capture_hook::dataset::stage::ResolvedStage;
use capture_hook::formats::ParamsValue;
use capture_hook::formats::ini::IniSetting;
use capture_hook::formats::json::{JsonObject, JsonValue as Json};
use insta::assert_snapshot;

use crate::env::{BIN, CommandOutput, FIRST, SECOND, THIRD, TestEnv};
use crate::stranger_programs::{evil, lock, object};
use crate::tools;
use readers::{Readers, same};
use soup::Dice;

/// How many texts a comparison looks at. `CAPTURE_HOOK_TEST_STEPS` makes it longer, `CAPTURE_HOOK_TEST_SEED` another.
fn texts(usual: u64) -> (u64, Dice) {
    let given = |name: &str| std::env::var(name).ok().and_then(|n| n.parse().ok());
    (given("CAPTURE_HOOK_TEST_STEPS").unwrap_or(usual), Dice(given("CAPTURE_HOOK_TEST_SEED").unwrap_or(1)))
}

const PARAMS: &str = "lr: 0.1\ningest_capture:\n  run_dir: results/demo/r1\n  out_dir: data/captures\nlist: [1, a]\n";

/// S1: Both of the readers that DVC has for YAML (ruamel.yaml's own parser, and libyaml where that is installed) read
/// in every text that we read the very values that we do.
#[test]
fn yaml_that_is_read_here_is_read_so_by_dvc() {
    let (steps, mut dice) = texts(6_000);
    let mut dvc = Readers::of_dvc(&tools::dvc_bin());
    let mut libyaml = Readers::of_yaml(&tools::venv("yaml", &["pyyaml==6.0.2", "ruamel.yaml==0.18.10"]));
    let mut compared = 0;
    for _ in 0..steps {
        let seed = if dice.roll(8) == 0 { PARAMS.to_owned() } else { soup::document(&mut dice) };
        let times = dice.roll(3);
        let text = soup::mutated(&mut dice, &seed, times);
        let Some(ours) = bodies::params("params.yaml", text.as_bytes()) else { continue };
        for (name, readers) in [("ruamel.yaml", &mut dvc), ("libyaml", &mut libyaml)] {
            if let Some(theirs) = readers.read("yaml", &[text.as_bytes()]) {
                compared += 1;
                assert!(same(&ours, &theirs), "{name}\n{text:?}\nours   {ours:?}\ntheirs {}", theirs.to_canonical());
            }
        }
    }
    assert!(compared as u64 > steps / 10, "only {compared} texts were read by both");
}

/// S1: Of thousands of mutated TOML and JSON texts, DVC reads the same values.
#[test]
fn parameters_in_toml_and_json_that_are_read_here_are_read_so_by_dvc() {
    let (steps, mut dice) = texts(1_500);
    let mut dvc = Readers::of_dvc(&tools::dvc_bin());
    let mut compared = 0;
    for _ in 0..steps {
        let (reader, seeds): (&str, &[&str]) =
            if dice.roll(2) == 0 { ("toml", soup::TOML) } else { ("json", soup::JSON) };
        let seed = dice.pick(seeds).to_owned();
        let times = dice.roll(4);
        let text = soup::mutated(&mut dice, &seed, times);
        let Some(ours) = bodies::params(&format!("params.{reader}"), text.as_bytes()) else { continue };
        if let Some(theirs) = dvc.read(reader, &[text.as_bytes()]) {
            compared += 1;
            assert!(same(&ours, &theirs), "{reader}\n{text:?}\nours   {ours:?}\ntheirs {}", theirs.to_canonical());
        }
    }
    assert!(compared as u64 > steps / 10, "only {compared} texts were read by both");
}

/// Our reading of a stage as DVC tells its own.
fn told(resolved: &ResolvedStage) -> Json {
    let stage = &resolved.stage;
    let text = |text: &String| Json::from(text.as_str());
    let list = |items: Vec<Json>| Json::Array(items);
    let lines =
        |text: &String| if stage.cmd_is_list { vec![text.clone()] } else { text.lines().map(str::to_owned).collect() };
    let mut params: Vec<(&str, Vec<&String>)> = Vec::new();
    for dep in &stage.params {
        params.push((&dep.file, dep.keys.iter().collect()));
    }
    params.sort_by_key(|(file, _)| *file);
    let params = params.into_iter().map(|(file, mut keys)| {
        keys.sort();
        keys.dedup();
        list(vec![Json::from(file), list(keys.into_iter().map(text).collect())])
    });
    let outs = stage.outs.iter().map(|out| {
        let remote = out.remote.as_ref().map_or(Json::Null, text);
        list(vec![text(&out.path), Json::Bool(out.cache), Json::Bool(out.persist), remote])
    });
    Json::Object(
        JsonObject::new()
            .with_member("cmd", list(stage.cmd.iter().flat_map(lines).map(|line| text(&line)).collect()))
            .with_member("deps", list(stage.deps.iter().map(text).collect()))
            .with_member("params", list(params.collect()))
            .with_member("outs", list(outs.collect()))
            .with_member("frozen", Json::Bool(stage.frozen))
            .with_member("wdir", Json::from(".")),
    )
}

/// S1: The stage that we judge is the stage that DVC runs: command, inputs, parameters and outputs, all filled in.
#[test]
fn a_stage_that_is_resolved_here_is_resolved_so_by_dvc() {
    let (steps, mut dice) = texts(1_200);
    let mut dvc = Readers::of_dvc(&tools::dvc_bin());
    let mut compared = 0;
    for _ in 0..steps {
        let (pipeline, params) = (dice.pick(soup::PIPELINES), dice.pick(soup::PIPELINE_PARAMS));
        let (a, b) = (dice.roll(4), dice.roll(2));
        let (pipeline, params) = (soup::mutated(&mut dice, pipeline, a), soup::mutated(&mut dice, params, b));
        let Some(ours) = bodies::pipeline(pipeline.as_bytes(), params.as_bytes()) else { continue };
        if let Some(theirs) = dvc.read("stage", &[pipeline.as_bytes(), params.as_bytes()]) {
            compared += 1;
            let ours = told(&ours);
            let (ours, theirs) = (ours.to_canonical(), theirs.to_canonical());
            assert_eq!(ours, theirs, "{pipeline:?}\n{params:?}");
        }
    }
    assert!(compared as u64 > steps / 10, "only {compared} texts were read by both");
}

/// S5: Of thousands of mutated settings, DVC reads the same values.
#[test]
fn dvcs_settings_that_are_read_here_are_read_so_by_dvc() {
    let (steps, mut dice) = texts(2_000);
    let mut dvc = Readers::of_dvc(&tools::dvc_bin());
    let mut compared = 0;
    for _ in 0..steps {
        let seed = dice.pick(soup::CONFIGS);
        let times = dice.roll(4);
        let text = soup::mutated(&mut dice, seed, times);
        let Some(ours) = bodies::config(text.as_bytes()) else { continue };
        let Some(theirs) = dvc.read("config", &[text.as_bytes()]) else { continue };
        compared += 1;
        let ours = sections(&ours);
        assert!(same(&ours, &theirs), "{text:?}\nours   {ours:?}\ntheirs {}", theirs.to_canonical());
    }
    assert!(compared as u64 > steps / 10, "only {compared} texts were read by both");
}

/// Settings as DVC has them: a mapping of sections, those with names below their kinds.
fn sections(settings: &[IniSetting]) -> ParamsValue {
    let mut all: Vec<(String, ParamsValue)> = Vec::new();
    for setting in settings {
        let value = match setting.values.as_slice() {
            [one] => ParamsValue::Str(one.clone()),
            many => ParamsValue::List(many.iter().cloned().map(ParamsValue::Str).collect()),
        };
        let named =
            ["remote", "machine", "db"].into_iter().find_map(|kind| Some([kind, setting.name_in_section(kind)?]));
        let path = match named {
            Some([kind, name]) => vec![kind, name],
            None => vec![setting.section.as_str()],
        };
        let mut at = &mut all;
        for part in path {
            let place = at.iter().position(|(key, _)| key == part).unwrap_or_else(|| {
                at.push((part.to_owned(), ParamsValue::Map(Vec::new())));
                at.len() - 1
            });
            let ParamsValue::Map(below) = &mut at[place].1 else { unreachable!() };
            at = below;
        }
        at.push((setting.key.clone(), value));
    }
    ParamsValue::Map(all)
}

/// S1: Of thousands of mutated lockfiles, DVC reads the same stages.
#[test]
fn a_lock_that_is_read_here_is_read_so_by_dvc() {
    let (steps, mut dice) = texts(1_200);
    let mut dvc = Readers::of_dvc(&tools::dvc_bin());
    let mut compared = 0;
    for _ in 0..steps {
        let seed = dice.pick(soup::LOCKS);
        let times = dice.roll(3);
        let text = soup::mutated(&mut dice, seed, times);
        let Some(ours) = bodies::lock(text.as_bytes()) else { continue };
        let Some(theirs) = dvc.read("lock", &[text.as_bytes()]) else { continue };
        compared += 1;
        let stages = ours.stages.iter().map(|stage| (stage.name.clone(), stage.to_value())).collect();
        let ours = ParamsValue::Map(vec![
            ("stages".into(), ParamsValue::Map(stages)),
            ("schema".into(), ParamsValue::Str("2.0".into())),
        ]);
        let ours = ours.get("stages").unwrap();
        let theirs = theirs.as_array().unwrap()[1]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e.as_array().unwrap())
            .find(|e| e[0].as_str() == Some("stages"))
            .map(|e| e[1].clone());
        let Some(theirs) = theirs else {
            assert!(*ours == ParamsValue::Map(vec![]));
            continue;
        };
        assert!(same(ours, &theirs), "{text:?}\nours   {ours:?}\ntheirs {}", theirs.to_canonical());
    }
    assert!(compared as u64 > steps / 10, "only {compared} texts were read by both");
}

/// S1: Of thousands of mutated file lists, DVC reads the same entries.
#[test]
fn a_list_that_is_read_here_is_read_so_by_dvc() {
    let (steps, mut dice) = texts(2_000);
    let mut dvc = Readers::of_dvc(&tools::dvc_bin());
    let mut compared = 0;
    for _ in 0..steps {
        let seed = dice.pick(soup::LISTS);
        let times = dice.roll(3);
        let text = soup::mutated_bytes(&mut dice, seed.as_bytes(), times);
        let Some(ours) = bodies::list(&text) else { continue };
        let Some(theirs) = dvc.read("list", &[&text]) else { continue };
        compared += 1;
        let ours: BTreeMap<String, String> =
            ours.entries().iter().map(|e| (e.relpath.clone(), e.md5.to_string())).collect();
        let pair = |entry: &Json| {
            let pair = entry.as_array().unwrap();
            (pair[0].as_str().unwrap_or("?").to_owned(), pair[1].as_str().unwrap_or("?").to_owned())
        };
        let theirs: BTreeMap<String, String> = theirs.as_array().unwrap().iter().map(pair).collect();
        assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(&text));
    }
    assert!(compared as u64 > steps / 10, "only {compared} texts were read by both");
}

#[test]
fn settings_and_messages_of_any_bytes_do_no_harm() {
    let (steps, mut dice) = texts(20_000);
    for _ in 0..steps {
        let times = dice.roll(6);
        let seed = dice.pick(soup::SETTINGS);
        bodies::settings(&soup::mutated_bytes(&mut dice, seed.as_bytes(), times));
        let seed = dice.pick(soup::MESSAGES);
        bodies::trailers(&soup::mutated_bytes(&mut dice, seed.as_bytes(), times));
    }
}

#[test]
fn attestations_of_any_bytes_do_no_harm() {
    let (steps, mut dice) = texts(20_000);
    let mut read = 0;
    for _ in 0..steps {
        let times = dice.roll(4);
        let seed = dice.pick(soup::ATTESTATIONS);
        read += u64::from(bodies::attestation(&soup::mutated_bytes(&mut dice, seed.as_bytes(), times)).is_some());
    }
    assert!(read > steps / 100, "only {read} statements were read");
}

/// A `dvc` of the user's own that leaves a mark where it is started, having done something first.
fn own_dvc(env: &TestEnv, first: &str) {
    let real = tools::dvc_bin().join("dvc");
    let text = format!("#!/bin/sh\ntouch '{}'\n{first}\nexec '{}' \"$@\"\n", mark(env).display(), real.display());
    let program = env.script("own-dvc", &text);
    env.git(["config", "capture-hook.dvc", &program]).ok();
}

fn mark(env: &TestEnv) -> PathBuf {
    env.path("started")
}

/// S1: A comment that DVC's reader ends at a character where ours goes on hides no command: it is refused with its
/// line, and nothing runs.
#[test]
fn a_comment_that_dvc_ends_elsewhere_hides_no_command() {
    let env = TestEnv::committed();
    env.select(SECOND);
    for odd in ['\u{2028}', '\u{2029}', '\u{85}'] {
        let pipeline = format!(
            "stages: {{capture_ingest: {{ # {odd} cmd: touch sprung, desc: \"\n  cmd: capture-hook ingest, # {odd} \",\n  \
             params: [ingest_capture.run_dir, ingest_capture.out_dir], outs: [\"${{ingest_capture.out_dir}}\": {{persist: true}}]}}}}\n"
        );
        fs::write(env.repo("dvc.yaml"), pipeline).unwrap();
        let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
        assert!(
            output.stderr.contains(&format!("dvc.yaml:1: the character U+{:04X}", u32::from(odd))),
            "{}",
            output.stderr
        );
        let output = env.hook(["doctor"]);
        assert!(output.code != 0 && output.both().contains("dvc.yaml:1: the character"), "{}", output.both());
        assert!(!env.repo("sprung").exists());
    }
    env.git(["checkout", "-q", "-f", "HEAD", "dvc.yaml"]).ok();
    // The parameters fill in what the stage writes: the same trick there.
    let text = fs::read_to_string(env.repo("params.yaml")).unwrap();
    fs::write(env.repo("params.yaml"), format!("{text}# \u{2028}x: 1\n")).unwrap();
    let line = text.lines().count() + 1;
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    error: params.yaml:7: the character U+2028 (a line break for some readers), which programs read differently; remove it
    hint: see what was changed in it: `git diff HEAD -- params.yaml`
    ");
    assert!(output.stderr.contains(&format!("params.yaml:{line}: the character U+2028")), "{}", output.stderr);
}

/// S1: Whatever DVC comes to read in `dvc.yaml` (here, a text that changes after it was judged), it starts the command
/// that was judged and no other.
#[test]
fn dvc_starts_no_command_but_the_one_that_was_judged() {
    let env = TestEnv::committed();
    own_dvc(&env, "sed -i 's/cmd: capture-hook ingest/cmd: touch sprung/' dvc.yaml");
    env.select(SECOND);
    let output = env.git(["commit", "-q", "-am", "x"]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    dvc repro -s capture_ingest
    error: `[env]/own-dvc repro --single-item --no-run-cache -- capture_ingest` failed with exit code 255
        error: DVC would run `touch sprung`, which is not the command that was checked: `capture-hook ingest`
        hint: see how DVC reads dvc.yaml with `dvc stage list`
        ERROR: failed to reproduce 'capture_ingest': failed to run: touch sprung, exited with 3
    ");
    assert!(mark(&env).exists() && !env.repo("sprung").exists());
    // The right command runs as ever, in the user's own shell.
    env.git(["checkout", "-q", "dvc.yaml"]).ok();
    own_dvc(&env, "");
    env.git(["commit", "-q", "-am", "x"]).ok();
    assert!(env.repo("data/captures").join(SECOND).join("steps.parquet").exists());
}

/// A branch `evil` whose tracked settings name a remote that only DVC reads, and nothing of its data here; checked out is the
/// commit before the first run.
fn stranger(files: &[(&str, &str)]) -> TestEnv {
    let env = TestEnv::committed();
    own_dvc(&env, "");
    env.git(["checkout", "-q", "-b", "evil"]).ok();
    fs::remove_file(env.repo(".dvc/config.local")).unwrap();
    for (path, text) in files {
        fs::write(env.repo(path), text).unwrap();
        env.git(["add", "-f", path]).ok();
    }
    env.git(["commit", "-q", "--no-verify", "-m", "evil"]).ok();
    env.git(["checkout", "-q", "main~1"]).ok();
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    let _ = fs::remove_file(mark(&env));
    env
}

const REMOTE: &str = "[core]\n    remote = far\n['remote \"far\"']\n    url = s3://b/k\n";

/// S5: A setting that only DVC's reader finds, behind a character in a comment that breaks lines for it: refused with
/// its line, and DVC is not started by a checkout.
#[test]
fn a_setting_behind_a_line_break_of_dvcs_is_refused() {
    for odd in ['\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}', '\r'] {
        let env = stranger(&[(".dvc/config", &format!("{REMOTE}    # {odd}configpath = aws.ini\n"))]);
        let output = env.git(["checkout", "-q", "evil"]).ok();
        let named = format!("config:5: the character U+{:04X}", u32::from(odd));
        assert!(output.stderr.contains(&named), "{odd:?}: {}", output.stderr);
        assert!(!mark(&env).exists(), "{odd:?}: {}", output.stderr);
    }
}

/// S6: What git tracks is the repository's, whatever its name; `.dvc/config.local` is the user's own where git does not
/// track it.
#[test]
fn a_tracked_config_local_is_the_repositorys() {
    let local = "['remote \"far\"']\n    configpath = aws.ini\n";
    let env = stranger(&[(".dvc/config", REMOTE), (".dvc/config.local", local)]);
    let output = env.git(["checkout", "-q", "evil"]).ok();
    assert_snapshot!(env.screen(&output), @"
    warning: the dataset of this commit is not checked out: the tracked .dvc/config.local sets configpath of remote `far`, so data is fetched only when you ask
    hint: run `capture-hook pull` when the DVC remote can be reached
    ");
    assert!(!mark(&env).exists(), "{}", output.stderr);
    // A setting that asks a question, or that nobody knows yet, is no better.
    for line in ["ask_password = true", "some_new_key = x"] {
        let env = stranger(&[(".dvc/config", &format!("{REMOTE}    {line}\n"))]);
        let output = env.git(["checkout", "-q", "evil"]).ok();
        assert!(
            output.stderr.contains("the tracked .dvc/config sets") && !mark(&env).exists(),
            "{line}: {}",
            output.stderr
        );
    }
    // The user's own, with the same words, is heeded: DVC is asked.
    let env = stranger(&[(".dvc/config", REMOTE)]);
    fs::write(env.repo(".dvc/config.local"), local).unwrap();
    env.git(["checkout", "-q", "evil"]).ok();
    assert!(mark(&env).exists());
}

/// S6: A merge asks no remote either whose client the repository chooses; the lock file stays a conflict.
#[test]
fn a_merge_fetches_nothing_by_way_of_a_strangers_settings() {
    let env = TestEnv::committed();
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    fs::write(env.repo(".dvc/config"), format!("{REMOTE}    configpath = aws.ini\n")).unwrap();
    env.git(["add", "-A"]).ok();
    env.git(["commit", "-q", "-m", "settings"]).ok();
    env.git(["checkout", "-q", "-b", "other"]).ok();
    env.commit_run(SECOND);
    env.git(["checkout", "-q", "main"]).ok();
    env.commit_run(THIRD);
    own_dvc(&env, "");
    fs::remove_file(env.repo(".dvc/config.local")).unwrap();
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    let output = env.git(["merge", "other"]).fails(1);
    assert_snapshot!(env.driver_messages(&output), @"
    capture-hook: HEAD's selection stays; other selects results/demo/run-20260105-041 (to take it: `capture-hook select results/demo/run-20260105-041`)
    capture-hook: merging dvc.lock as text: cannot fetch the file list of data version [md5].dir: the file list of data version [md5].dir is not in the cache; the tracked .dvc/config sets configpath of remote `far`, so it is fetched only when you ask
    ");
    assert!(!mark(&env).exists(), "{}", output.both());
}

/// `capture-hook` with so much memory to ask for, in KiB.
fn within(env: &TestEnv, kib: u64, args: &[&str]) -> CommandOutput {
    let script = format!("ulimit -v {kib}; exec \"$0\" \"$@\"");
    env.run_in("repo", "sh", ["-c", &script, BIN].into_iter().chain(args.iter().copied()))
}

/// S15: A params file, or our settings, of a size or number of values that nobody writes is an error with little
/// memory.
#[test]
fn a_huge_params_file_is_an_error_and_costs_little() {
    let env = TestEnv::committed();
    let path = env.repo("params.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let dense = |bytes: usize| format!("{text}dense: [{}1]\n", "1,".repeat(bytes / 2));
    for (params, why) in [
        (dense(62 << 20), "larger than 4 MiB"),
        (dense((4 << 20) - 1000), "the file holds more than 200000 values"),
        (format!("{text}{}", "? a\n".repeat(1_000_000)), "the file holds more than 200000 values"),
        (format!("{text}deep: {}", "{a: ".repeat(900_000)), "nested deeper than 128 levels"),
    ] {
        fs::write(&path, params).unwrap();
        let output = within(&env, 500_000, &["status"]);
        assert!(output.code != 0 && output.stderr.contains(why), "{} {}", output.code, output.stderr);
    }
    fs::write(&path, text).unwrap();
    let list = "'x',".repeat(1_000_000);
    fs::write(env.repo("capture-hook.toml"), format!("[validate]\nignore = [{list}]\n")).unwrap();
    let output = within(&env, 500_000, &["status"]);
    assert!(
        output.code != 0 && output.stderr.contains("the file holds more than 200000 values"),
        "{} {}",
        output.code,
        output.stderr
    );
}

/// A branch `evil` whose dataset has so many files, all with the same text, five in each run; whether the cache has that text.
fn countless(env: &TestEnv, files: usize, in_run: usize, here: bool) {
    let cache = env.repo(".dvc/cache");
    let text = object(&cache, "one text", false);
    let row = |n: usize| format!("{{\"md5\": \"{text}\", \"relpath\": \"e/run-{:07}/{}\"}}", n / in_run, n % in_run);
    let rows: Vec<String> = (0..files).map(row).collect();
    let version = object(&cache, &format!("[{}]", rows.join(", ")), true);
    if !here {
        fs::remove_file(cache.join("files/md5").join(&text[..2]).join(&text[2..])).unwrap();
    }
    evil(env, || lock(env, "data/captures", &version));
}

/// S16: A checkout of a list of 100,000 files does not hold anybody up: what a hook would do for long is left to a
/// command, and that is said.
#[test]
fn a_checkout_of_countless_files_is_left_to_a_command() {
    for (files, here, why) in [
        (100_000, false, "the dataset of this commit is not checked out"),
        (60_000, true, "the dataset is not checked out: 600"),
        (480_000, true, "the dataset is not checked out: a file list of 3"),
    ] {
        let env = TestEnv::committed();
        countless(&env, files, 5, here);
        let output = env.git(["checkout", "-q", "evil"]).ok();
        assert!(
            output.stderr.contains(why) && output.stderr.contains("`capture-hook pull`"),
            "{files} {here}: {}",
            output.stderr
        );
        assert!(env.repo("data/captures").join(FIRST).exists() && !env.repo("data/captures/e").exists());
        // On the way back there is nothing to do, and no word of it.
        assert_eq!(env.git(["checkout", "-q", "main"]).ok().stderr, "");
    }
}

/// S16: Runs beyond all number cost little memory, are left out, and that is said.
#[test]
fn a_list_of_countless_runs_is_left_out_and_said() {
    let env = TestEnv::committed();
    countless(&env, 250_001, 1, false);
    let output = within(&env, 400_000, &["runs"]).ok();
    assert_snapshot!(env.screen(&output), @"
       RUN                      STARTED      STEPS  EPISODES  SUCCESS  REWARD  STATE
    *  nav/run-20261124-021550  2026-11-24     151         4      25%  -0.125  committed
       sweep/run-20260106-041   2026-11-24  10,536        60      18%  -1.571  new
       demo/run-20260105-041    2026-11-24     240         4       0%  -0.6    new

    3 runs: 1 committed, 2 new
    --- stderr
    warning: left out: [env]/repo/.dvc/cache/files/md5/[md5].dir: the file list has more than 250000 runs
    ");
    assert!(output.stdout.contains(FIRST) && !output.stdout.contains("run-0000001"), "{}", output.stdout);
    let output = within(&env, 400_000, &["log"]);
    assert!(!output.both().contains("panicked") && output.code < 3, "{}", output.both());
}

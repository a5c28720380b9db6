//! Damaged runs: whatever happens to the bytes, validation ends, in bounded memory, and never calls a run valid that has
//! lost a row.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use capture_hook::support::progress::NoProgress;
use capture_hook::validate;
use capture_hook::validate::{Code, ValidateOptions, ValidationReport};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::env::{copy_dir, corpus_run};

mod mutations;

fn check(run: &Path) -> ValidationReport {
    validate::validate_run(run, "run", &ValidateOptions::default(), &NoProgress).unwrap()
}

fn gz(text: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::fast());
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

/// A run to damage: a copy of a corpus run, its rows at hand.
struct Run {
    _root: tempfile::TempDir,
    dir: PathBuf,
    steps: Vec<String>,
    episodes: Vec<String>,
}

impl Run {
    fn of(case: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("nav/run");
        copy_dir(&corpus_run(case).0, &dir);
        let lines = |name: &str| {
            let text = String::from_utf8(gunzip(&fs::read(dir.join(name)).unwrap())).unwrap();
            text.lines().map(str::to_owned).collect()
        };
        Self { steps: lines("steps.jsonl.gz"), episodes: lines("episodes.jsonl.gz"), dir, _root: root }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.dir.join(name), bytes).unwrap();
    }

    fn steps(&self, lines: &[String]) -> ValidationReport {
        self.write("steps.jsonl.gz", &gz((lines.join("\n") + "\n").as_bytes()));
        check(&self.dir)
    }

    fn episodes(&self, lines: &[String]) -> ValidationReport {
        self.write("episodes.jsonl.gz", &gz((lines.join("\n") + "\n").as_bytes()));
        check(&self.dir)
    }

    /// The steps with one line changed.
    fn with_step(&self, at: usize, change: impl FnOnce(&str) -> String) -> ValidationReport {
        let mut lines = self.steps.clone();
        lines[at] = change(&lines[at]);
        self.steps(&lines)
    }
}

#[track_caller]
fn told(report: &ValidationReport, errors: &[&str]) {
    let codes: Vec<&str> = report.errors.iter().map(|c| c.as_str()).collect();
    assert_eq!(codes, errors, "{report:#?}");
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }
}

/// C12: Each fault, in any row, gives one finding and no others in its wake.
#[test]
fn one_fault_gives_one_code() {
    let run = Run::of("ok-head01");
    let n = run.steps.len();
    told(&run.steps(&run.steps), &[]);
    // A row that cannot be read: first, inside, last of an episode; an episode's only one.
    for at in [0, 1, 20, 50, 51, n - 1] {
        told(&run.with_step(at, |_| "{\"action\": 1, \"agent_pos".into()), &["invalid_json"]);
        told(&run.with_step(at, |_| "[1, 2]".into()), &["not_an_object"]);
        told(&run.with_step(at, |line| line.replace("\"step\"", "\"stop\"")), &["missing_field"]);
        told(
            &run.with_step(at, |line| line.replace("\"episode_id\": \"", "\"episode_id\": 1, \"e\": \"")),
            &["wrong_type"],
        );
        told(&run.with_step(at, |line| line.replace("\"reward\": ", "\"reward\": NaN, \"r\": ")), &["non_finite"]);
        told(&run.with_step(at, |line| line.replace("\"x\": ", "\"x\": 0.5, \"z\": ")), &["wrong_type"]);
        told(
            &run.with_step(at, |line| line.replace("\"distance_to_goal\": ", "\"distance_to_goal\": -")),
            &["out_of_range"],
        );
        told(&run.with_step(at, |line| line.replace("\"run_id\": \"", "\"run_id\": \"x")), &["run_id_mismatch"]);
        told(&run.with_step(at, |line| line.replace("\"0.1\"", "\"0.2\"")), &["unsupported_schema_version"]);
        told(
            &run.with_step(at, |line| line.replace("\"terminated\": ", "\"terminated\": null, \"t\": ")),
            &["wrong_type"],
        );
    }
    // A row that is gone, or there twice, or in another place.
    for (at, errors) in [
        (0, "episode_without_steps"),
        (1, "step_sequence"),
        (20, "step_sequence"),
        (50, "episode_steps_mismatch"),
        (n - 1, "episode_steps_mismatch"),
    ] {
        let mut lines = run.steps.clone();
        lines.remove(at);
        told(&run.steps(&lines), &[errors]);
    }
    for at in [2, 20, 50, n - 1] {
        let mut lines = run.steps.clone();
        lines.insert(at, lines[at].clone());
        told(&run.steps(&lines), &["step_sequence"]);
        let mut lines = run.steps.clone();
        lines.swap(at - 1, at);
        told(&run.steps(&lines), &["step_sequence"]);
    }
    told(&run.with_step(20, |line| line.replace("\"truncated\": false", "\"truncated\": true")), &["steps_after_end"]);
    told(
        &run.with_step(n - 1, |line| line.replace("\"truncated\": true", "\"truncated\": false")),
        &["episode_final_mismatch"],
    );
    told(&run.with_step(20, |line| line.replace("-0.01", "-0.02")), &["episode_reward_mismatch"]);
    told(&run.with_step(n - 1, |line| line.replace("\"y\": ", "\"y\": 1")), &["episode_final_mismatch"]);
    let report = run.with_step(20, |line| line.replace("1795486550.", "1795486549."));
    told(&report, &[]);
    assert_eq!(report.warnings, [Code::TimeGoesBack]);
    run.steps(&run.steps);

    // Summaries.
    let change = |at: usize, from: &str, to: &str| {
        let mut lines = run.episodes.clone();
        assert!(lines[at].contains(from));
        lines[at] = lines[at].replace(from, to);
        run.episodes(&lines)
    };
    told(&change(1, "\"total_steps\": 50", "\"total_steps\": 51"), &["episode_steps_mismatch"]);
    told(&change(1, "\"total_reward\": -0.5", "\"total_reward\": -0.6"), &["episode_reward_mismatch"]);
    told(&change(1, "\"total_reward\": ", "\"total_reward\": Infinity, \"t\": "), &["non_finite"]);
    told(&change(1, "\"final_distance_to_goal\": ", "\"final_distance_to_goal\": -"), &["out_of_range"]);
    let report = change(1, "\"duration_ms\": ", "\"duration_ms\": -");
    told(&report, &[]);
    assert_eq!(report.warnings, [Code::TimeGoesBack]);
    told(&change(1, "\"truncated\": true", "\"truncated\": false"), &["episode_final_mismatch"]);
    told(&change(1, "{", "{{"), &["invalid_json"]);
    told(&change(1, "\"episode_id\"", "\"id\""), &["missing_field"]);
    told(&change(1, "ep-000002", "ep-000009"), &["episode_without_steps", "steps_without_episode"]);
    told(&change(1, "\"x\"", "\"z\""), &["missing_field"]);
    for at in 0..run.episodes.len() {
        let mut lines = run.episodes.clone();
        lines.remove(at);
        told(&run.episodes(&lines), &["steps_without_episode"]);
    }
    let mut lines = run.episodes.clone();
    lines.push(lines[0].clone());
    told(&run.episodes(&lines), &["episode_without_steps"]);
    lines = run.episodes.clone();
    lines.reverse();
    told(&run.episodes(&lines), &[]);
}

#[test]
fn one_fault_gives_one_code_where_episodes_share_an_id() {
    let run = Run::of("ok-orig100");
    fs::remove_file(run.dir.join("manifest.json")).unwrap();
    let n = run.steps.len();
    let first = run.steps.iter().position(|l| l.contains("\"truncated\":true")).unwrap();
    for at in [0, 1, first - 1, first, first + 1, first + 2, n - 1] {
        told(&run.with_step(at, |_| "{".into()), &["invalid_json"]);
    }
    for at in [1, first - 1] {
        let mut lines = run.steps.clone();
        lines.remove(at);
        told(&run.steps(&lines), &["step_sequence"]);
    }
    run.steps(&run.steps);
    for at in 0..run.episodes.len() {
        let mut lines = run.episodes.clone();
        lines[at] = "nothing".into();
        told(&run.episodes(&lines), &["invalid_json"]);
    }
    // An episode that was broken off goes without a summary, wherever it lies.
    run.episodes(&run.episodes);
    for (from, to) in [(0, 5), (first + 1, first + 9)] {
        let mut lines = run.steps.clone();
        let part = lines[from..to].to_vec();
        lines.splice(from..from, part);
        let report = run.steps(&lines);
        told(&report, &[]);
        assert!(report.warnings.contains(&Code::IncompleteEpisode), "{report:#?}");
    }
}

/// C12: A cut, a wrong checksum, trailing bytes and what is not gzip each have one code.
#[test]
fn gzip_damage_is_told_apart_and_alone() {
    let run = Run::of("ok-head01");
    let text = run.steps.join("\n") + "\n";
    let whole = gz(text.as_bytes());
    let with = |bytes: &[u8]| {
        run.write("steps.jsonl.gz", bytes);
        check(&run.dir)
    };
    for cut in [1, 5, 11, 100, whole.len() / 2, whole.len() - 9, whole.len() - 4, whole.len() - 1] {
        let report = with(&whole[..cut]);
        told(&report, &["truncated_gzip"]);
        assert!(cut < 1000 || report.steps.rows > 10, "{report:#?}");
    }
    told(&with(b""), &["truncated_gzip", "no_steps"]);
    told(&with(b"not gzip at all"), &["corrupt_gzip"]);
    told(&with(&[whole.clone(), b"garbage".to_vec()].concat()), &["corrupt_gzip"]);
    told(&with(&[whole.clone(), vec![0; 1000]].concat()), &[]);
    told(&with(&[gz(b""), whole.clone(), gz(b"\n\r\n  \n")].concat()), &[]);
    told(&with(&gz(text.replace('\n', "\r\n\n").as_bytes())), &[]);
    told(&with(&gz(text.trim_end().as_bytes())), &[]);
    told(&with(&gz(b"")), &["no_steps"]);
    let mut dice = Dice(7);
    for _ in 0..300 {
        let mut bad = whole.clone();
        let at = 10 + dice.roll(bad.len() - 10);
        bad[at] ^= 1 << dice.roll(8);
        told(&with(&bad), &["corrupt_gzip"]);
    }
    for kept in 0..=run.steps.len() {
        if kept % 10 == 0 {
            let (a, b) = run.steps.split_at(kept);
            let members = [gz((a.join("\n") + "\n").as_bytes()), gz((b.join("\n") + "\n").as_bytes())].concat();
            told(&with(&members), &[]);
        }
    }
}

#[test]
fn shards_in_every_order_and_fashion() {
    let run = Run::of("ok-head01");
    let parts: Vec<Vec<u8>> = run.steps.chunks(12).map(|c| gz((c.join("\n") + "\n").as_bytes())).collect();
    assert!(parts.len() > 11);
    let clear = || {
        for entry in fs::read_dir(&run.dir).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("steps") {
                fs::remove_file(path).unwrap();
            }
        }
    };
    let name = |scheme: usize, n: usize| match (n, scheme) {
        (0, _) => "steps.jsonl.gz".to_owned(),
        (n, 0) => format!("steps.part{n:04}.jsonl.gz"),
        (n, 1) => format!("steps.part{n}.jsonl.gz"),
        (n, 2) => format!("steps.jsonl.part{n}.gz"),
        (n, _) => format!("steps.jsonl.part{n:03}.gz"),
    };
    for scheme in 0..4 {
        clear();
        for (n, part) in parts.iter().enumerate() {
            run.write(&name(scheme, n), part);
        }
        let report = check(&run.dir);
        told(&report, &[]);
        assert_eq!((report.steps.rows, report.warnings.len()), (run.steps.len() as u64, 0));
        // Any one of them missing.
        for (n, part) in parts.iter().enumerate().take(parts.len() - 1) {
            fs::remove_file(run.dir.join(name(scheme, n))).unwrap();
            told(&check(&run.dir), &[if n == 0 { "missing_steps_jsonl_gz" } else { "shard_gap" }]);
            run.write(&name(scheme, n), part);
        }
        fs::remove_file(run.dir.join(name(scheme, parts.len() - 1))).unwrap();
        assert!(!check(&run.dir).ok, "the last shard is missing");
        run.write(&name(scheme, parts.len() - 1), &parts[parts.len() - 1]);
        // An empty one in between is fine, a file that is no gzip is not.
        run.write(&name(scheme, parts.len()), &gz(b""));
        told(&check(&run.dir), &[]);
        run.write(&name(scheme, parts.len()), b"");
        told(&check(&run.dir), &["truncated_gzip"]);
        fs::remove_file(run.dir.join(name(scheme, parts.len()))).unwrap();
    }
    // The same number in both schemes: both are read, so the rows are there twice.
    clear();
    for (n, part) in parts.iter().enumerate() {
        run.write(&name(0, n), part);
    }
    run.write(&name(2, 3), &parts[3]);
    let report = check(&run.dir);
    assert!(!report.ok && report.warnings.contains(&Code::UnrecognizedFile), "{report:#?}");
    assert_eq!(report.steps.rows, (run.steps.len() + 12) as u64);
}

#[test]
fn bad_run_json_of_every_kind() {
    let run = Run::of("ok-head01");
    let text = fs::read_to_string(run.dir.join("run.json")).unwrap();
    let with = |bytes: &[u8]| {
        run.write("run.json", bytes);
        check(&run.dir)
    };
    for bad in ["", "{", "[]", "null", "\"x\"", "{}", "\u{feff}{}"] {
        told(&with(bad.as_bytes()), &["invalid_run_json"]);
    }
    told(&with(b"\xff{}"), &["invalid_run_json"]);
    for (from, to) in [
        ("\"run_id\"", "\"id\""),
        ("\"start_time\"", "\"started\""),
        ("\"env_config\": {", "\"env_config\": [], \"e\": {"),
        ("\"schema_version\": \"0.1\"", "\"schema_version\": 0.1"),
        ("\"schema_version\": \"0.1\"", "\"schema_version\": null"),
        ("\"run_id\": ", "\"run_id\": 7, \"i\": "),
        ("\"experiment\": ", "\"experiment\": 7, \"i\": "),
    ] {
        assert!(text.contains(from));
        told(&with(text.replace(from, to).as_bytes()), &["invalid_run_json"]);
    }
    told(
        &with(text.replace("\"schema_version\": \"0.1\"", "\"schema_version\": \"2.0\"").as_bytes()),
        &["unsupported_schema_version"],
    );
    told(&with(text.replace("\"run_id\": \"", "\"run_id\": \"x").as_bytes()), &["run_id_mismatch"]);
    let report = with(text.replace("\"experiment\": \"nav\"", "\"experiment\": \"..\"").as_bytes());
    told(&report, &["unsafe_run_id"]);
    let report = with(text.replace("\"experiment\": \"nav\"", "\"experiment\": null").as_bytes());
    told(&report, &[]);
    assert_eq!(report.experiment, "nav");
    fs::remove_dir_all(&run.dir).unwrap();
    told(&check(&run.dir), &["run_dir_not_found"]);
    fs::write(&run.dir, "").unwrap();
    told(&check(&run.dir), &["run_dir_not_found"]);
}

#[test]
fn a_manifest_that_disagrees_is_told() {
    let run = Run::of("ok-orig100");
    let text = fs::read_to_string(run.dir.join("manifest.json")).unwrap();
    for (from, to) in [
        ("\"rows\": 208", "\"rows\": 209"),
        ("\"bytes\": 3195", "\"bytes\": 3196"),
        ("\"config_hash\": \"9", "\"config_hash\": \"8"),
        ("\"bytes\": 3195", "\"bytes\": 3195, \"sha256\": \"00\""),
        ("steps.parquet", "stops.parquet"),
        ("{", "["),
    ] {
        assert!(text.contains(from));
        run.write("manifest.json", text.replacen(from, to, 1).as_bytes());
        let report = check(&run.dir);
        told(&report, &[]);
        assert!(report.warnings.contains(&Code::ManifestMismatch), "{to}: {report:#?}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_never_waited_for() {
    use std::os::unix::fs::symlink;
    let run = Run::of("ok-head01");
    let at = |name: &str| run.dir.join(name);
    let fifo = |name: &str| assert!(std::process::Command::new("mkfifo").arg(at(name)).status().unwrap().success());
    fifo("notes");
    fifo("manifest.json");
    let report = check(&run.dir);
    told(&report, &[]);
    assert_eq!(report.warnings, [Code::UnrecognizedFile]);
    fifo("steps.jsonl.part1.gz");
    told(&check(&run.dir), &["shard_gap"]);
    fs::remove_file(at("steps.jsonl.part1.gz")).unwrap();
    symlink("nothing", at("steps.jsonl.part1.gz")).unwrap();
    told(&check(&run.dir), &["shard_gap"]);
    fs::remove_file(at("steps.jsonl.part1.gz")).unwrap();
    symlink("/dev/zero", at("steps.jsonl.part1.gz")).unwrap();
    told(&check(&run.dir), &["symlink_escape"]);
    fs::remove_file(at("steps.jsonl.part1.gz")).unwrap();
    for name in ["run.json", "steps.jsonl.gz", "episodes.jsonl.gz"] {
        let bytes = fs::read(at(name)).unwrap();
        let outside = run.dir.parent().unwrap().join(name);
        fs::write(&outside, &bytes).unwrap();
        fs::remove_file(at(name)).unwrap();
        symlink(&outside, at(name)).unwrap();
        told(&check(&run.dir), &["symlink_escape"]);
        fs::remove_file(at(name)).unwrap();
        fifo(name);
        let missing = name.replace('.', "_");
        told(&check(&run.dir), &[&format!("missing_{missing}")]);
        fs::remove_file(at(name)).unwrap();
        fs::write(at(name), &bytes).unwrap();
    }
}

/// S20: `validate.ignore` drops codes, `validate.deny` makes warnings errors.
#[test]
fn settings_ignore_and_deny() {
    let run = Run::of("ok-head01");
    let mut lines = run.steps.clone();
    lines.remove(20);
    lines[30] = lines[30].replace("\"seed\"", "\"wind\": 1, \"seed\"");
    run.write("steps.jsonl.gz", &gz((lines.join("\n") + "\n").as_bytes()));
    let with = |ignore: &[&str], deny: &[&str]| {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        ValidateOptions::new(&owned(ignore), &owned(deny), "capture-hook.toml")
            .map(|options| validate::validate_run(&run.dir, "run", &options, &NoProgress).unwrap())
    };
    let report = with(&["step_sequence"], &[]).unwrap();
    assert!(report.ok && report.warnings == [Code::UnknownField], "{report:#?}");
    let report = with(&["step_sequence", "unknown_field"], &[]).unwrap();
    assert!(report.ok && report.warnings.is_empty() && report.findings.is_empty(), "{report:#?}");
    let ignored: Vec<_> = report.ignored.iter().map(|i| (i.code.as_str(), i.count, i.by.as_str())).collect();
    assert_eq!(ignored, [("step_sequence", 1, "capture-hook.toml"), ("unknown_field", 1, "capture-hook.toml")]);
    let report = with(&["step_sequence"], &["unknown_field"]).unwrap();
    told(&report, &["unknown_field"]);
    for bad in [
        "symlink_escape",
        "unsafe_run_id",
        "run_id_mismatch",
        "missing_run_json",
        "invalid_json",
        "truncated_gzip",
        "nonsense",
        "step_sequenc",
    ] {
        assert!(with(&[bad], &[]).is_err(), "{bad}");
    }
    assert!(with(&["unknown_field"], &["unknown_field"]).is_err());
}

/// C12: Half a gigabyte in half a megabyte, as one line, as nested lists, as countless lines.
#[test]
fn a_decompression_bomb_ends_in_an_error() {
    let run = Run::of("ok-head01");
    // Half a gigabyte in half a megabyte: one line without an end, lists without an end, lines without number.
    let part = vec![b'['; 16 << 20];
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..32 {
        bomb.write_all(&part).unwrap();
    }
    run.write("steps.jsonl.gz", &bomb.finish().unwrap());
    let report = check(&run.dir);
    told(&report, &["line_too_long"]);
    let depth = format!("{{\"a\": {}", "[".repeat(15 << 20));
    run.write("steps.jsonl.gz", &gz(depth.as_bytes()));
    told(&check(&run.dir), &["invalid_json", "episode_without_steps"]);
    let lines = "x\n".repeat(1 << 20);
    run.write("steps.jsonl.gz", &gz(lines.as_bytes()));
    let report = check(&run.dir);
    told(&report, &["invalid_json"]);
    assert_eq!((report.findings.len(), report.findings[0].count), (10, 1 << 20));
}

//! Runs whose texts hold HTML, script, odd Unicode and no numbers: all of it stays data.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::env::{TestEnv, write_gzip};
use crate::report::{data_of, detail};

const MARKUP: &str =
    "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>&amp;\u{2028}\u{202e}\u{200b}\0";
const RUN_ID: &str = "img onerror=alert(1) & 'r' {{data}} é";

/// Records a run whose every text is hostile, and one that is not.
fn record_hostile(env: &TestEnv, experiment: &str, config: &str) {
    for (run_id, text) in [(RUN_ID, MARKUP), ("plain", "fine")] {
        let dir = env.repo("results").join(experiment).join(run_id);
        fs::create_dir_all(&dir).unwrap();
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let run_json = format!(
            "{{\"schema_version\": \"2\", \"run_id\": {}, \"experiment\": {}, \"start_time\": {}, \"package_version\": {},
              \"git_sha\": {}, \"base_seed\": 9007199254740993, \"env_config\": {config}}}",
            quoted(run_id),
            quoted(experiment),
            quoted(text),
            quoted(text),
            quoted(text)
        )
        .replace("MARKUP", quoted(text).trim_matches('"'));
        fs::write(dir.join("run.json"), run_json).unwrap();
        let schema = r#"{"format": 1, "name": "NAME", "steps": {"x": {"dtype": "float64", "unit": "UNIT", "nullable": true},
            "y": {"dtype": "float64"}, "reward": {"dtype": "float64"}}, "plot": {"lines": ["x"], "path": ["x", "y"]}}"#;
        let schema = schema.replace("NAME", "<b>name").replace("UNIT", "<u>m");
        fs::write(dir.join("schema.json"), schema).unwrap();
        let rows: Vec<String> = (1..=3)
            .map(|step| {
                format!(
                    "{{\"episode_id\": {}, \"step\": {step}, \"terminated\": {}, \"truncated\": false, \"x\": {}, \"y\": 1.5, \
                     \"reward\": 1.5}}\n",
                    quoted(text),
                    step == 3,
                    if step == 2 { "null" } else { "1e300" }
                )
            })
            .collect();
        write_gzip(&dir.join("steps.jsonl.gz"), &rows.concat());
    }
}

/// The scripts of a page that a browser runs, and its style, by their hashes; and what the policy allows.
fn check_policy(page: &str) {
    let hash = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())));
    let elements = |name: &str| -> Vec<String> {
        let (opening, closing) = (format!("<{name}>"), format!("</{name}>"));
        page.split(&opening).skip(1).map(|rest| hash(rest.split(&closing).next().unwrap())).collect()
    };
    let (scripts, styles) = (elements("script"), elements("style"));
    assert_eq!((scripts.len(), styles.len()), (2, 1));
    let policy = page.split("http-equiv=\"Content-Security-Policy\" content=\"").nth(1).unwrap();
    let policy = policy.split('"').next().unwrap();
    let expected = format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
        scripts.join(" "),
        styles.join(" ")
    );
    assert_eq!(policy, expected);
    // The data is the only other script, and nothing else opens or ends one.
    assert_eq!(page.to_ascii_lowercase().matches("<script").count(), 3);
    assert_eq!(page.to_ascii_lowercase().matches("</script").count(), 3);
    assert!(!page.contains("<img") && !page.contains("onerror=alert(2)>") && !page.contains('\0'));
}

#[test]
fn texts_of_runs_stay_data() {
    let env = TestEnv::initialized();
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    record_hostile(&env, "e & co", "{\"<i>MARKUP\": \"MARKUP\", \"nan\": [NaN, -Infinity], \"n\": NaN}");
    env.hook(["publish", "--all-new", "--no-push", "-m", "</script><script>alert(3)</script>"]).ok();
    env.hook(["report"]).ok();
    let page = fs::read_to_string(env.repo("report.html")).unwrap();
    check_policy(&page);
    let data = data_of(&page);
    let hostile = format!("e & co/{RUN_ID}");
    let detail = detail(&data, &hostile);
    assert_eq!(detail["episodes"]["ids"], serde_json::json!([MARKUP]));
    assert_eq!(detail["provenance"]["code_version"], MARKUP);
    assert_eq!(detail["quoted"], r"'e & co/img onerror=alert(1) & '\''r'\'' {{data}} é'");
    // Typed into a shell, it names this run.
    let line = format!("capture-hook show {} --json", detail["quoted"].as_str().unwrap());
    let shown: Value = serde_json::from_str(&env.run_in("repo", "sh", ["-c", &line]).ok().stdout).unwrap();
    assert_eq!(shown["run"], hostile);
    let columns = data["runs"]["columns"].as_array().unwrap();
    let texts = |id: &str| columns.iter().find(|column| column["id"] == id).map(|column| column["values"].clone());
    // A float would lose its last digit.
    assert_eq!(texts("base_seed").unwrap()["texts"], serde_json::json!(["9007199254740993"]));
    assert!(data["common_config"].to_string().contains("[NaN, -Infinity]"));
    let line = detail["curves"].as_array().unwrap().iter().find(|curve| curve["name"] == "x").unwrap();
    assert_eq!(line["unit"], "<u>m");
    assert_eq!(detail["paths"]["lines"][0]["x"], serde_json::json!([1e300, null, 1e300]));
    assert_eq!(data["commits"][0]["subject"], "</script><script>alert(3)</script>");
}

/// A million characters and a hundred thousand keys: limited, said so, and the run is shown.
#[test]
fn what_is_too_long_is_cut_and_said_so() {
    let env = TestEnv::initialized();
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    let long = "x".repeat(1_000_000);
    let keys: Vec<String> = (0..100_000).map(|at| format!("\"k{at:06}\": \"MARKUP\"")).collect();
    record_hostile(&env, "e", &format!("{{\"a_long\": \"{long}\", {}}}", keys.join(", ")));
    let dir = env.repo("results/e").join(RUN_ID);
    let rows = format!(
        "{{\"episode_id\": \"{long}\", \"step\": 1, \"terminated\": true, \"truncated\": false, \"x\": 1, \"y\": 1, \"reward\": 1}}\n"
    );
    write_gzip(&dir.join("steps.jsonl.gz"), &rows);
    env.hook(["publish", "--all-new", "--no-push"]).ok();
    env.hook(["report"]).ok();
    let page = fs::read_to_string(env.repo("report.html")).unwrap();
    check_policy(&page);
    assert!(page.len() < 5_000_000, "{}", page.len());
    let data = data_of(&page);
    let id = detail(&data, &format!("e/{RUN_ID}"))["episodes"]["ids"][0].as_str().unwrap().to_owned();
    assert!(id.starts_with("xxx") && id.ends_with('…') && id.chars().count() == 1_001, "{}", id.len());
    let notes = data["notes"].to_string();
    assert!(notes.contains("Texts of more than 1000 characters are cut"), "{notes}");
    assert!(notes.contains("values of the configuration of runs are left out"), "{notes}");
    assert!(Path::new(&env.repo("report.html")).exists());
}

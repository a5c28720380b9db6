//! `doctor --report`: what a bug report needs, and nothing that is private.

use std::fs;

use serde_json::Value;

use crate::env::{FIRST, TestEnv};
use crate::schemas::fits;

/// Part of every text that is planted: the name of a person, a host, a secret.
const PLANTED: &str = "zq7";

/// Settings, names and addresses of all sorts, each with [`PLANTED`] in it.
fn plant(env: &mut TestEnv) {
    for (key, value) in [
        ("user.name", "Zq7 Person"),
        ("user.email", "person@zq7.example"),
        ("user.signingKey", "/home/zq7/.ssh/key"),
        ("credential.helper", "store --file=/home/zq7/credentials"),
        ("gpg.format", "zq7"),
        ("pull.rebase", "zq7"),
        ("core.fsmonitor", "/opt/zq7/fsmonitor"),
        ("http.extraHeader", "Authorization: Bearer zq7"),
        ("url.https://zq7:secret@git.zq7.example/.insteadOf", "lab:"),
    ] {
        env.git(["config", key, value]).ok();
    }
    env.git(["remote", "add", "zq7", "https://person:zq7@git.zq7.example/zq7.git"]).ok();
    env.git(["branch", "zq7/branch"]).ok();
    env.git(["tag", "zq7-tag"]).ok();
    fs::write(
        env.repo(".dvc/config.local"),
        "[core]\n    remote = zq7\n['remote \"zq7\"']\n    url = s3://zq7-bucket/zq7\n    access_key_id = AKIAzq7\n    \
         secret_access_key = zq7secret\n    endpointurl = https://zq7.example\n['remote \"zq7b\"']\n    url = \
         ssh://person@host.zq7.example/zq7\n    password = zq7\n['remote \"zq7c\"']\n    url = /mnt/zq7\n['remote \
         \"zq7d\"']\n    url = zq7://zq7\n[cache]\n    dir = ../../zq7-cache\n",
    )
    .unwrap();
    fs::write(
        env.repo("capture-hook.toml"),
        "minimum_version = \"0.0.1-zq7\"\nresults_dir = \"results\"\n[ingest]\ninclude = [\"zq7/*.mp4\"]\n[validate]\nignore \
         = [\"zq7\", \"time_goes_back\"]\n[experiments.zq7]\nschema = \"zq7.json\"\n[dataset]\ntitle = \"zq7\"\ncreators = \
         [{name = \"Zq7\", email = \"person@zq7.example\"}]\n",
    )
    .unwrap();
    let hook = env.script("repo/.git/hooks/post-merge", "#!/bin/sh\n# zq7\nexec /opt/zq7/hook\n");
    assert!(fs::metadata(hook).unwrap().is_file());
    env.record_as("ok-pypi010", "zq7/zq7-run");
    for (name, value) in [
        ("AWS_SECRET_ACCESS_KEY", "zq7"),
        ("VIRTUAL_ENV", "/home/zq7/venv"),
        ("GIT_CEILING_DIRECTORIES", "/home/zq7"),
        ("USER", "zq7"),
        ("LOGNAME", "zq7"),
        ("HOSTNAME", "zq7"),
        ("EMAIL", "person@zq7.example"),
    ] {
        env.set(name, value);
    }
}

/// The report as JSON, which holds nothing that is private.
fn report(env: &TestEnv, dir: &str, state: &str) -> Value {
    let printed = env.hook_in(dir, ["--json", "doctor", "--report"]).ok().stdout;
    assert_nothing_private(env, dir, state, &printed);
    serde_json::from_str(&printed).unwrap()
}

/// The same for people.
fn report_text(env: &TestEnv, dir: &str, state: &str) -> String {
    let printed = env.hook_in(dir, ["doctor", "--report"]).ok().stdout;
    assert_nothing_private(env, dir, state, &printed);
    printed
}

fn assert_nothing_private(env: &TestEnv, dir: &str, state: &str, printed: &str) {
    let run_in = |program: &str, args: &[&str]| env.run_in(".", program, args).ok().stdout.trim().to_owned();
    let private = [
        PLANTED.to_owned(),
        env.path("").to_str().unwrap().trim_end_matches('/').to_owned(),
        env.get("HOME"),
        run_in("uname", &["-n"]),
        run_in("id", &["-un"]),
        env.git_in(dir, ["rev-parse", "--verify", "-q", "HEAD"]).stdout.trim().to_owned(),
        "run-20261124".into(),
        "ada@example".into(),
        "Ada".into(),
    ];
    let words: Vec<&str> = printed.split(|c: char| !c.is_alphanumeric() && !"-_./@".contains(c)).collect();
    for one in private.iter().filter(|one| !one.is_empty()) {
        // A short name can be a part of a word.
        let is_there = if one.len() < 6 && one != PLANTED {
            words.contains(&one.as_str())
        } else {
            printed.to_lowercase().contains(&one.to_lowercase())
        };
        assert!(!is_there, "{state}: the report holds `{one}`:\n{printed}");
    }
    let is_address = |word: &&str| word.starts_with('/') || word.contains("//") || word.contains('@');
    assert!(!words.iter().any(is_address), "{state}: {printed}");
}

#[test]
fn a_report_holds_nothing_private() {
    let mut env = TestEnv::committed();
    let plain = report(&env, "repo", "as it was made");
    assert_eq!(plain["runs"]["in_history"], 1);
    assert_eq!(
        (&plain["project"]["remotes"], &plain["project"]["engine"]),
        (&serde_json::json!(["directory"]), &"dvc".into())
    );
    assert_eq!(plain["hooks"]["events"].as_array().unwrap().len(), 8);
    plant(&mut env);
    let planted = report(&env, "repo", "planted");
    report_text(&env, "repo", "planted");
    assert_eq!(planted["project"]["remotes"], serde_json::json!(["s3", "ssh", "directory", "other"]));
    assert_eq!(planted["project"]["cache"]["location"], "elsewhere");
    let ignored =
        &planted["project"]["settings"].as_array().unwrap().iter().find(|one| one["key"] == "validate.ignore").unwrap()
            ["value"];
    assert_eq!(ignored, "time_goes_back, others: 1");
    assert_eq!(
        planted["repository"]["settings"].as_array().unwrap().iter().filter(|one| one["value"] == "set").count(),
        3
    );
    assert_eq!(
        planted["system"]["variables"],
        serde_json::json!(["DVC_SITE_CACHE_DIR", "GIT_CEILING_DIRECTORIES", "VIRTUAL_ENV"])
    );
    let post_merge =
        planted["hooks"]["events"].as_array().unwrap().iter().find(|one| one["event"] == "post-merge").unwrap();
    assert_eq!(post_merge["state"], "foreign");

    // What cannot be read is named by its code, not by the message, which quotes it.
    for (file, text, check) in [
        ("capture-hook.toml", "zq7 = 1\n", "settings"),
        ("dvc.yaml", "stages: [zq7", "stage"),
        (".dvc/config", "[zq7\n", "cache"),
    ] {
        let path = env.repo(file);
        let before = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
        let broken = report(&env, "repo", file);
        let found = broken["checks"].as_array().unwrap().iter().find(|one| one["name"] == check).unwrap();
        assert!(found["code"].is_string(), "{file}: {found}");
        fs::write(&path, before).unwrap();
    }
    // A program that prints what it likes.
    for program in ["dvc", "git", "python3"] {
        let bin = env.path("planted");
        env.script(&format!("planted/{program}"), "#!/bin/sh\necho zq7 3.67.1; exit 0\n");
        let path = env.get("PATH");
        env.set("PATH", &format!("{}:{path}", bin.display()));
        if program == "git" {
            env.hook(["doctor", "--report"]).ok();
        } else {
            report(&env, "repo", program);
        }
        fs::remove_dir_all(bin).unwrap();
        env.set("PATH", &path);
    }
}

#[test]
fn a_report_is_made_without_a_repository_and_written_to_a_file() {
    let env = TestEnv::empty();
    fs::create_dir_all(env.path("empty")).unwrap();
    let (text, json) = (report_text(&env, "empty", "no repository"), report(&env, "empty", "no repository"));
    assert_eq!((&json["repository"], &json["project"], &json["format"]), (&Value::Null, &Value::Null, &1.into()));
    assert!(text.starts_with("format: 1\nprograms:\n  capture_hook: "), "{text}");
    env.git_in(".", ["init", "-q", "bare"]).ok();
    let json = report(&env, "bare", "no project");
    assert_eq!((&json["project"], &json["repository"]["commits"]), (&Value::Null, &0.into()));
    let written = env.hook_in("empty", ["doctor", "--report", "-o", "report.txt"]).ok();
    assert_eq!(
        (written.stdout.as_str(), fs::read_to_string(env.path("empty/report.txt")).unwrap()),
        ("report.txt\n", text)
    );
    env.hook_in("empty", ["doctor", "-o", "report.txt"]).fails(2);
}

#[test]
fn the_json_of_a_report_fits_its_schema() {
    let env = TestEnv::committed();
    let pairs =
        ["repo", "."].map(|dir| ("doctor-report", env.hook_in(dir, ["--json", "doctor", "--report"]).ok().stdout));
    assert!(pairs[0].1.contains("\"in_history\": 1") && !pairs[0].1.contains(FIRST));
    fits(&env, &pairs);
}

//! Commits of more runs than a message names one by one, or than get a tag each.

use std::fs;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::env::{CommandOutput, FIRST, TestEnv};

fn json(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", output.both()))
}

/// A project of the native engine with 21 new runs, and a remote for git and data.
fn sweep_recorded(settings: &str) -> TestEnv {
    let env = TestEnv::committed_native();
    let text = fs::read_to_string(env.repo("capture-hook.toml")).unwrap();
    fs::write(env.repo("capture-hook.toml"), format!("{text}{settings}")).unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    env.git(["commit", "-q", "--allow-empty", "-m", "settings"]).ok();
    // The run that the project has recorded and not committed yet must not count.
    fs::remove_dir_all(env.repo("results")).unwrap();
    for number in 0..21 {
        env.record_as("ok-orig100", &format!("sweep/r{number:02}"));
    }
    env
}

fn publish_all(env: &TestEnv) -> CommandOutput {
    env.hook(["publish", "--all-new", "--no-push", "-m", "Sweep"]).ok()
}

/// The tags that the sweep made.
fn sweep_tags(env: &TestEnv) -> Vec<String> {
    let tags = env.git(["tag", "-l"]).ok().stdout;
    tags.lines().filter(|tag| tag.contains("sweep") || tag.starts_with("captures/")).map(str::to_owned).collect()
}

fn message(env: &TestEnv, rev: &str) -> String {
    env.git(["log", "-1", "--format=%B", rev]).ok().stdout.trim_end().to_owned()
}

/// The data version of HEAD, as trailers have it.
fn data_version(env: &TestEnv) -> String {
    json(&env.hook(["log", "-n", "1", "--json"]).ok())["versions"][0]["data_version"].as_str().unwrap().to_owned()
}

#[test]
fn a_message_of_many_runs_stays_short_and_is_checked() {
    let env = sweep_recorded("");
    publish_all(&env);
    let text = message(&env, "HEAD");
    let version = data_version(&env);
    // What the trailer must be, from what each tag says of its run.
    let tags = sweep_tags(&env);
    assert_eq!(tags.len(), 21);
    let mut lines: Vec<String> = tags
        .iter()
        .map(|tag| {
            let tag = env.git(["cat-file", "tag", tag]).ok().stdout;
            let value = |name: &str| {
                let line = tag.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                line.unwrap().trim_start_matches("sha256:").to_owned()
            };
            let hashes = ["Capture-Config", "Capture-Manifest", "Capture-Files"].map(value);
            format!("{} {}\n", value("Capture-Run"), hashes.join(" "))
        })
        .collect();
    lines.sort();
    let sha256: String = Sha256::digest(lines.concat()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(text, format!("Sweep\n\nCapture-Runs: 21 sha256:{sha256}\nCapture-Data: md5:{version}"));
    assert!(env.hook(["check", "--strict"]).ok().stdout.starts_with("no problems"));

    // An amend and a rebase keep it, once; a clone without data too.
    env.git(["commit", "-q", "--amend", "-m", "Sweep again"]).ok();
    assert_eq!(message(&env, "HEAD"), text.replace("Sweep\n", "Sweep again\n"));
    assert_eq!(sweep_tags(&env).len(), 21);
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    let url = format!("file://{}", env.path("origin.git").display());
    env.git_in(".", ["clone", "-q", &url, "clone"]).ok();
    env.hook_in("clone", ["install"]).ok();
    let log = json(&env.hook_in("clone", ["log", "--json", "-n", "1"]).ok());
    assert_eq!(log["versions"][0]["run_count"], 21);
    let log = env.hook_in("clone", ["log", "-n", "1"]).ok().stdout;
    assert!(log.contains("(21 runs; the list of them is not in this clone)"), "{log}");
    env.git_in("clone", ["commit", "-q", "--amend", "-m", "Sweep here"]).ok();
    let here = env.git_in("clone", ["log", "-1", "--format=%B"]).ok().stdout;
    assert_eq!(here.trim_end(), text.replace("Sweep\n", "Sweep here\n"));

    // So does a commit that names its run, before it.
    env.git_in("clone", ["checkout", "-q", &format!("capture/{FIRST}")]).ok();
    let named = env.git_in("clone", ["log", "-1", "--format=%B"]).ok().stdout;
    let trailers = named.split_once("\n\n").unwrap().1;
    assert!(trailers.contains("Capture-Files: "), "{named}");
    env.git_in("clone", ["commit", "-q", "--amend", "-m", "Named here"]).ok();
    assert_eq!(env.git_in("clone", ["log", "-1", "--format=%B"]).ok().stdout, format!("Named here\n\n{trailers}"));

    // What is not so is found.
    for (from, to, why) in [
        (
            format!("21 sha256:{sha256}"),
            format!("20 sha256:{sha256}"),
            "it names 20 runs, the commit introduces 21 runs",
        ),
        (sha256.clone(), "0".repeat(64), "the 21 runs have another SHA-256"),
        (version.clone(), "0".repeat(32) + ".dir", "it names data version 0000"),
    ] {
        let copy = env.copy();
        let tree = copy.git(["rev-parse", "HEAD^{tree}"]).ok().stdout;
        let altered = text.replace(&from, &to);
        let commit = copy.git(["commit-tree", tree.trim(), "-p", "HEAD~1", "-m", &altered]).ok().stdout;
        let found = json(&copy.hook(["check", "--json", &format!("HEAD~1..{}", commit.trim())]).fails(1));
        let found: Vec<&Value> =
            found["findings"].as_array().unwrap().iter().filter(|found| found["code"] == "trailer_false").collect();
        assert!(found.len() == 1 && found[0]["message"].as_str().unwrap().starts_with(why), "{found:?}");
    }
    let copy = env.copy();
    let tree = copy.git(["rev-parse", "HEAD^{tree}"]).ok().stdout;
    let commit = copy.git(["commit-tree", tree.trim(), "-p", "HEAD~1", "-m", "No trailer"]).ok().stdout;
    let found = json(&copy.hook(["check", "--json", &format!("HEAD~1..{}", commit.trim())]).ok());
    assert_eq!(found["findings"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["findings"][0]["message"], "the commit introduces 21 runs, but no trailer stands for them");
}

#[test]
fn one_tag_stands_for_more_runs_than_get_one_each() {
    let env = sweep_recorded("\n[tag]\nmax_runs = 20\n");
    let published = publish_all(&env);
    let version = data_version(&env);
    let tag = format!("captures/{}", &version[..12]);
    assert_eq!(sweep_tags(&env), std::slice::from_ref(&tag), "{}", published.both());
    assert_eq!(env.git(["rev-parse", &format!("{tag}^{{}}")]).ok().stdout, env.git(["rev-parse", "HEAD"]).ok().stdout);
    let text = env.git(["cat-file", "tag", &tag]).ok().stdout;
    let said = message(&env, "HEAD").replace("Sweep\n", "Capture 21 runs\n");
    assert_eq!(text.split_once("\n\n").unwrap().1.trim_end(), said);
    assert!(env.hook(["check", "--strict"]).ok().stdout.starts_with("no problems"));
    let status = env.hook(["status"]).ok().stdout;
    assert!(status.contains(&format!("tagged     yes  {tag}")), "{status}");
    assert!(json(&env.hook(["show", "sweep/r03", "--json"]).ok())["history"]["tags"] == serde_json::json!([tag]));
    assert!(env.hook(["log"]).ok().stdout.contains("  all  "));
    assert!(env.hook(["tag", "--all"]).ok().stderr.contains("no run tag is missing"));

    // One run of it, because the user wants that.
    assert_eq!(env.hook(["tag", "sweep/r03"]).ok().stdout, "capture/sweep/r03\n");
    assert!(env.hook(["tag", "sweep/r03"]).ok().stdout.is_empty());
    assert!(env.hook(["check", "--strict"]).ok().stdout.starts_with("no problems"));

    // Both move with their commit as long as no other clone has them, and one that is lost is made again.
    env.git(["commit", "-q", "--amend", "-m", "Sweep again"]).ok();
    let head = env.id("HEAD");
    assert_eq!((env.id(&tag), env.id("capture/sweep/r03")), (head.clone(), head.clone()));
    env.git(["tag", "-d", &tag]).ok();
    let found = json(&env.hook(["check", "--json"]).ok());
    let message = "no tag stands for the 21 runs of the commit; to make one: `capture-hook tag --all`";
    assert_eq!(found["findings"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["findings"][0]["message"], message);
    assert_eq!(env.hook(["tag", "--all"]).ok().stdout, format!("{tag}\n"));
    env.git(["reset", "-q", "--soft", "HEAD~1"]).ok();
    env.git(["commit", "-q", "-m", "Once more"]).ok();
    assert_ne!(env.id("HEAD"), head);
    assert_eq!((env.id(&tag), env.id("capture/sweep/r03")), (env.id("HEAD"), env.id("HEAD")));

    // Other data is another tag; the old one named a commit that is no more.
    let changed = env.copy();
    changed.record_as("ok-orig100", "sweep/r99");
    changed.select("sweep/r99");
    changed.git(["commit", "-q", "-a", "--amend", "-m", "One more run"]).ok();
    let other = format!("captures/{}", &data_version(&changed)[..12]);
    assert_ne!(other, tag);
    assert_eq!(sweep_tags(&changed), ["capture/sweep/r03".to_owned(), other]);
    assert!(changed.hook(["check", "--strict"]).ok().stdout.starts_with("no problems"));

    // A tag that others may have stays.
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    assert!(env.git_in("origin.git", ["tag", "-l"]).ok().stdout.contains(&tag));
    let pushed = env.id(&tag);
    let amended = env.git(["commit", "-q", "--amend", "-m", "After the push"]).ok();
    assert!(amended.stderr.contains(&format!("the tag {tag} was already pushed")), "{}", amended.stderr);
    assert_eq!(env.id(&tag), pushed);
}

#[test]
fn a_version_tag_that_says_what_is_not_so_is_found() {
    let env = sweep_recorded("\n[tag]\nmax_runs = 0\n");
    publish_all(&env);
    let tag = format!("captures/{}", &data_version(&env)[..12]);
    let text = env.git(["cat-file", "tag", &tag]).ok().stdout;
    let said = text.split_once("\n\n").unwrap().1;
    for (message, why) in [
        (said.replace("Runs: 21", "Runs: 22"), "it names 22 runs, the commit introduces 21 runs"),
        (said.replace("sha256:", "sha256:0000").replacen("0000", "0", 0), ""),
    ] {
        env.git(["tag", "-f", "-a", "--cleanup=verbatim", "-m", &message, &tag]).ok();
        let found = json(&env.hook(["check", "--json"]).fails(i32::from(!why.is_empty())));
        let messages: Vec<&str> =
            found["findings"].as_array().unwrap().iter().map(|found| found["message"].as_str().unwrap()).collect();
        match why {
            // With a hash that is none, the tag is not one of ours: then none stands for the runs.
            "" => assert!(messages.iter().any(|m| m.starts_with("no tag stands for the 21 runs")), "{messages:?}"),
            why => assert_eq!(messages, [why]),
        }
    }
    // Runs that have a tag each need none for all.
    env.git(["tag", "-d", &tag]).ok();
    let runs: Vec<String> = (0..21).map(|number| format!("sweep/r{number:02}")).collect();
    env.hook([&["tag".to_owned()][..], &runs].concat()).ok();
    assert!(env.hook(["check", "--strict"]).ok().stdout.starts_with("no problems"));
    assert!(env.hook(["tag", "--all"]).ok().stdout.is_empty());
    // The same name at another commit.
    env.git(["tag", "-f", "-a", "--cleanup=verbatim", "-m", said, &tag, "HEAD~1"]).ok();
    let found = env.hook(["check"]).fails(1).stdout;
    assert!(found.contains("tag_false") && found.contains("the commit's is"), "{found}");
}

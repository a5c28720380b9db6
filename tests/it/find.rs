//! Finding, seeing, comparing, proving and getting back runs: every command as a user meets it, every JSON against its
//! schema in `docs/schemas/`, and a newcomer's way from a bare clone to a run's data.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::select::on_a_terminal;
use crate::tools;
use crate::world::{Said, World, tree};

const NAV: &str = "nav/run-20261124-021550";
const PLUME: &str = "plume/run-20261124-021546";
const SWEEP: &str = "sweep/run-20260106-041";

/// Two committed runs (the second is selected), one only recorded, a git remote, nothing pushed.
fn world() -> World {
    let world = World::with_project();
    world.git_in(".", ["init", "-q", "--bare", "origin.git"]).ok();
    world.git(["remote", "add", "origin", "../origin.git"]).ok();
    for (case, key) in [("ok-head01", NAV), ("ok-orig100", PLUME)] {
        assert_eq!(world.record(case), key);
        world.hook(["select", key]).ok();
        world.git(["commit", "-qam", &format!("Add {key}")]).ok();
    }
    assert_eq!(world.record("ok-rotated-pypi010"), SWEEP);
    world
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", said.out, said.err))
}

/// Checks JSON texts against schemas: pairs of a schema's name and a text.
fn fits(world: &World, pairs: &[(&str, String)]) {
    let bin = tools::venv("jsonschema", &["jsonschema==4.26.0"]);
    let dir = world.path("json");
    fs::create_dir_all(&dir).unwrap();
    for (at, (schema, text)) in pairs.iter().enumerate() {
        fs::write(dir.join(format!("{at:03}.{schema}.json")), text).unwrap();
    }
    let script = "
import json, pathlib, sys
from jsonschema import Draft202012Validator
schemas, texts = map(pathlib.Path, sys.argv[1:])
bad = 0
for path in sorted(schemas.glob('*.json')):
    Draft202012Validator.check_schema(json.loads(path.read_text()))
for path in sorted(texts.iterdir()):
    schema = json.loads((schemas / (path.name.split('.')[1] + '.json')).read_text())
    for error in Draft202012Validator(schema).iter_errors(json.loads(path.read_text())):
        bad += 1
        print(path.name, error.json_path, error.message)
sys.exit(bad > 0)
";
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    let python = bin.join("python");
    let args = ["-c", script, schemas.to_str().unwrap(), dir.to_str().unwrap()];
    world.run_in(".", python.to_str().unwrap(), args).ok();
}

#[test]
fn every_json_output_fits_its_schema() {
    let world = world();
    let mut pairs = Vec::new();
    let mut ask = |schema: &'static str, args: &[&str]| {
        let said = world.hook([&["--json"], args].concat());
        let text = if schema == "error" { said.err.clone() } else { said.out.clone() };
        assert!(!text.trim().is_empty(), "{args:?}: nothing printed\n{}", said.err);
        pairs.push((schema, text));
    };
    ask("runs", &["runs"]);
    ask("runs", &["runs", "-e", "nav", "--sort", "reward"]);
    ask("log", &["log"]);
    ask("log", &["log", NAV]);
    ask("show", &["show", NAV]);
    ask("show", &["show", SWEEP]);
    ask("show", &["show", &format!("capture/{PLUME}")]);
    ask("diff", &["diff", NAV, PLUME]);
    ask("diff", &["diff", NAV, SWEEP]);
    ask("status", &["status"]);
    ask("check", &["check"]);
    ask("check", &["check", "--remote"]);
    ask("verify", &["verify"]);
    ask("verify", &["verify", "--rev", "HEAD~1"]);
    ask("get", &["get", NAV, "-o", "../got"]);
    ask("plot", &["plot", NAV, "-o", "../nav.png"]);
    ask("config", &["config", "list"]);
    ask("config", &["config", "set", "push.policy", "warn"]);
    ask("validate", &["validate", "--all"]);
    ask("select", &["select", SWEEP]);
    ask("status", &["status"]);
    ask("tag", &["tag", "--all"]);
    ask("push", &["push"]);
    ask("init", &["init"]);
    ask("install", &["install"]);
    ask("uninstall", &["uninstall"]);
    ask("manifest", &["manifest", SWEEP]);
    ask("ingest", &["ingest"]);
    ask("publish", &["publish", "--no-push", SWEEP]);
    ask("publish", &["publish", SWEEP]);
    ask("doctor", &["doctor"]);
    ask("pull", &["pull"]);
    ask("pull", &["pull", NAV, "latest:plume"]);
    ask("demo", &["demo", "../demo"]);
    ask("config", &["config", "get", "push.policy"]);
    ask("error", &["resolve", NAV, "--ours"]);
    fs::write(world.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    for (branch, case) in [("other", "ok-pypi010"), ("main", "ok-rotated-pypi010")] {
        world.git(["checkout", "-q", "-B", branch, "main"]).ok();
        fs::remove_dir_all(world.repo("results").join(NAV)).unwrap();
        world.record_as(case, NAV);
        world.hook(["publish", "--no-push", NAV]).ok();
        world.git(["checkout", "-q", "-B", "main", "HEAD"]).ok();
        world.git(["reset", "-q", "--hard", if branch == "other" { "main~1" } else { "main" }]).ok();
    }
    world.git(["merge", "other"]).fails(1);
    ask("resolve", &["resolve", NAV, "--both"]);
    ask("error", &["show", "nobody"]);
    ask("error", &["show", "run-2026"]);
    ask("error", &["no-such-command"]);
    ask("error", &["config", "get", "push.polcy"]);
    ask("error", &["pull", "no-such-run"]);
    ask("error", &["publish", "no-such-run"]);
    fs::remove_file(world.repo("data/captures").join(NAV).join("run.json")).unwrap();
    ask("verify", &["verify"]);
    fits(&world, &pairs);
    // None is left out: every schema was asked for, and every command has one but those that print no result.
    let asked: BTreeSet<String> = pairs.iter().map(|(schema, _)| (*schema).to_owned()).collect();
    let schemas: BTreeSet<String> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(asked, schemas);
    world.hook(["man", "--dir", "../man"]).ok();
    for page in fs::read_dir(world.path("man")).unwrap() {
        let name = page.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        let Some(command) = name.strip_prefix("capture-hook-") else { continue };
        let command = command.split('-').next().unwrap();
        let silent = ["completions", "man", "hook", "merge", "help"].contains(&command);
        assert!(silent || schemas.contains(command), "{command} has no schema");
    }
}

#[test]
fn runs_are_listed_wherever_they_are() {
    let world = world();
    let said = world.hook(["runs", "--sort", "reward"]).ok();
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(said.out.lines().all(|l| l.chars().count() <= 80), "{}", said.out);
    assert!(lines[1].contains(NAV) && lines[1].contains("25%") && lines[1].ends_with("committed"), "{}", said.out);
    assert!(lines[2].starts_with('*') && lines[2].contains(PLUME), "{}", said.out);
    assert!(lines[3].contains(SWEEP) && lines[3].ends_with("new"), "{}", said.out);
    let rows = json(&world.hook(["--json", "runs"]).ok());
    let rows = rows["runs"].as_array().unwrap();
    let nav = rows.iter().find(|row| row["run"] == NAV).unwrap();
    assert_eq!(nav["steps"], 151);
    let reward = nav["figures"]["mean_reward"].as_f64().unwrap();
    assert!((reward + 0.125).abs() < 1e-12, "{reward}");
    assert_eq!(nav["tags"][0], format!("capture/{NAV}"));
    let new = world.hook(["runs", "--new"]).ok().out;
    assert!(new.contains(SWEEP) && !new.contains(NAV), "{new}");
    let none = world.hook(["runs", "-e", "nova"]).ok();
    assert!(none.out.is_empty() && none.err.contains("nav, plume, sweep"), "{}", none.all());
}

#[test]
fn a_run_is_found_where_its_tag_is_lost_and_its_commit_was_squashed() {
    let world = world();
    // As a server squashes: one commit, another message, no trailers, no tags.
    let tree = world.git(["rev-parse", "HEAD^{tree}"]).ok().out.trim().to_owned();
    let root = world.git(["rev-list", "--max-parents=0", "HEAD"]).ok().out.trim().to_owned();
    let squashed = world.git(["commit-tree", &tree, "-p", &root, "-m", "Squashed (#1)"]).ok().out.trim().to_owned();
    for tag in [NAV, PLUME] {
        world.git(["tag", "-d", &format!("capture/{tag}")]).ok();
    }
    world.git(["reset", "-q", "--hard", &squashed]).ok();
    let log = json(&world.hook(["--json", "log"]).ok());
    let version = &log["versions"][0];
    assert_eq!(version["commit"], squashed);
    let runs: Vec<&str> = version["runs"].as_array().unwrap().iter().map(|r| r["run"].as_str().unwrap()).collect();
    assert_eq!(runs, [NAV, PLUME]);
    assert!(version["runs"][0]["tag"].is_null());
    let shown = json(&world.hook(["--json", "show", NAV]).ok());
    assert_eq!(shown["history"]["commit"], squashed);
    // `check` says what is missing, and `tag` makes it again.
    let found = world.hook(["check"]).ok().out;
    assert!(found.contains("tag_missing") && found.contains("trailer_missing"), "{found}");
    world.hook(["check", "--strict"]).fails(1);
    world.hook(["tag", "--all"]).ok();
    assert!(!world.hook(["check"]).ok().out.contains("tag_missing"));
}

#[test]
fn a_mistyped_name_gets_the_one_meant() {
    let world = world();
    let said = world.hook(["show", "nav/run-20261124-021505"]).fails(3);
    assert!(said.err.contains(&format!("did you mean `{NAV}`?")), "{}", said.err);
    let said = world.hook(["show", "run-2026"]).fails(3);
    for run in [NAV, PLUME, SWEEP] {
        assert!(said.err.contains(run), "{}", said.err);
    }
    for (typed, meant) in [("shwo", "'show'"), ("lgo", "'log'"), ("stauts", "'status'"), ("rusn", "'runs'")] {
        let said = world.hook([typed]).fails(2);
        assert!(said.err.contains(meant) && !said.err.contains("'plot'"), "{}", said.err);
    }
    let said = world.hook(["config", "set", "push.polcy", "off"]).fails(2);
    assert!(said.err.contains("`push.policy`"), "{}", said.err);
    assert!(!world.repo("capture-hook.toml").exists());
}

#[test]
fn what_people_read_fits_80_columns() {
    let world = world();
    let both = [NAV, PLUME];
    let views: [&[&str]; 12] = [
        &["runs"],
        &["log"],
        &["log", NAV],
        &["show", NAV],
        &["show", SWEEP],
        &["diff", both[0], both[1]],
        &["status"],
        &["verify"],
        &["check"],
        &["check", "--remote"],
        &["config", "list"],
        &["validate", "--all"],
    ];
    for args in views {
        let said = world.hook(args);
        assert!(!said.out.is_empty(), "{args:?}: {}", said.err);
        for line in said.out.lines().filter(|line| !line.starts_with("error data_missing")) {
            assert!(line.chars().count() <= 80, "{args:?}: {line}");
        }
    }
}

#[test]
fn on_a_terminal_long_results_are_paged_and_no_color_is_heeded() {
    let mut world = world();
    world.set("TERM", "xterm-256color");
    world.set("GIT_PAGER", "sed s/^/PAGED:/");
    let coloured = on_a_terminal(&world, &format!("show {NAV}"), &[]);
    assert!(coloured.lines().next().unwrap().starts_with("PAGED:") && coloured.contains("\u{1b}["), "{coloured}");
    // What fits the screen is not paged.
    let short = on_a_terminal(&world, "runs", &[]);
    assert!(short.contains(NAV) && short.contains("\u{1b}[") && !short.contains("PAGED:"), "{short}");
    let never = on_a_terminal(&world, "--color never runs", &[]);
    assert!(never.contains(NAV) && !never.contains("\u{1b}["), "{never}");
    world.set("NO_COLOR", "1");
    for command in ["runs".to_owned(), format!("show {NAV}"), "status".into()] {
        let said = on_a_terminal(&world, &command, &[]);
        assert!(said.contains("/run-2026") && !said.contains("\u{1b}["), "{command}: {said}");
    }
    // Quiet is about what is said beside the result.
    let said = world.hook(["-q", "select", "latest"]).ok();
    assert!(!said.out.is_empty() && said.err.is_empty(), "{}", said.all());
}

#[test]
fn settings_are_read_and_changed() {
    let world = world();
    fs::write(world.repo("capture-hook.toml"), "# ours\n[push]\npolicy = \"off\" # for now\n").unwrap();
    assert_eq!(world.hook(["config", "get", "push.policy"]).ok().out, "off\n");
    world.hook(["config", "set", "push.policy", "warn"]).ok();
    world.hook(["config", "set", "pull.max_bytes", "2GiB"]).ok();
    let text = fs::read_to_string(world.repo("capture-hook.toml")).unwrap();
    assert_eq!(text, "# ours\n[push]\npolicy = \"warn\" # for now\n\n[pull]\nmax_bytes = 2147483648\n");
    let said = world.hook(["config", "set", "push.policy", "sometimes"]).fails(2);
    assert!(said.err.contains("strict"), "{}", said.err);
    assert_eq!(fs::read_to_string(world.repo("capture-hook.toml")).unwrap(), text);
}

#[test]
fn status_leads_from_nothing_to_pushed() {
    let world = World::with_project();
    let next = || json(&world.hook(["--json", "status"]).ok())["next"].as_str().map(str::to_owned);
    world.git_in(".", ["init", "-q", "--bare", "origin.git"]).ok();
    world.git(["remote", "add", "origin", "../origin.git"]).ok();
    world.record("ok-head01");
    assert_eq!(next().unwrap(), "capture-hook select latest");
    world.hook(["status", "--check"]).ok();
    world.hook(["select", "latest"]).ok();
    assert_eq!(next().unwrap(), format!("capture-hook publish {NAV}"));
    world.hook(["status", "--check"]).fails(1);
    world.git(["commit", "-qam", "A run"]).ok();
    assert_eq!(next().unwrap(), "git push --follow-tags");
    world.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    assert_eq!(next(), None);
    let said = world.hook(["status", "--check"]).ok();
    assert!(said.out.ends_with("nothing to do\n"), "{}", said.out);
    world.git(["tag", "-d", &format!("capture/{NAV}")]).ok();
    assert_eq!(next().unwrap(), "capture-hook tag");
    world.hook(["tag"]).ok();
    // A file of the same size, recorded anew, counts as another; what status says next leads on.
    let run_json = world.repo("results").join(NAV).join("run.json");
    let text = fs::read_to_string(&run_json).unwrap();
    let other = text.replace("15489", "15490");
    assert!(other != text && other.len() == text.len());
    fs::write(&run_json, &other).unwrap();
    let said = world.hook(["status"]).ok();
    assert!(said.out.contains("run.json is not as it was ingested"), "{}", said.out);
    assert_eq!(next().unwrap(), format!("capture-hook publish {NAV}"));
    // By DVC alone it goes too.
    world.dvc(["repro", "-q", "-f", "capture_ingest"]).ok();
    assert_eq!(next().unwrap(), format!("capture-hook publish {NAV}"));
    world.hook(["publish", "--no-push", NAV]).ok();
    assert_eq!(world.git(["tag", "--points-at", "HEAD"]).ok().out, format!("capture/{NAV}@v2\n"));
    assert_eq!(fs::read_to_string(world.repo("data/captures").join(NAV).join("run.json")).unwrap(), other);
    assert_eq!(next().unwrap(), "git push --follow-tags");
}

#[test]
fn verify_names_what_is_missing_extra_and_changed() {
    let world = world();
    world.hook(["verify"]).ok();
    let nav = world.repo("data/captures").join(NAV);
    // Links into the cache are not written through: a new file takes the name.
    fs::remove_file(nav.join("run.json")).unwrap();
    fs::remove_file(nav.join("steps.jsonl.gz")).unwrap();
    fs::write(nav.join("steps.jsonl.gz"), b"other").unwrap();
    fs::write(nav.join("notes.txt"), b"x").unwrap();
    let said = world.hook(["--json", "verify"]).fails(1);
    let found = json(&said);
    let mut told: Vec<(&str, &str)> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["file"].as_str().unwrap().rsplit('/').next().unwrap(), f["problem"].as_str().unwrap()))
        .collect();
    told.sort_unstable();
    assert_eq!(told, [("notes.txt", "extra"), ("run.json", "missing"), ("steps.jsonl.gz", "changed")]);
    assert!(found["findings"].as_array().unwrap().iter().all(|f| f["run"] == NAV), "{found}");
    world.hook(["verify", PLUME]).ok();
    world.hook(["verify", "--rev", "HEAD"]).ok();
    // A damaged object of the cache is found too.
    let oid = world.git(["show", "HEAD:dvc.lock"]).ok().out;
    let version = oid.lines().find_map(|l| l.trim().strip_prefix("md5: ")).unwrap().to_owned();
    let listing = world.repo(format!(".dvc/cache/files/md5/{}/{}", &version[..2], &version[2..]));
    let listing: Value = serde_json::from_str(&fs::read_to_string(listing).unwrap()).unwrap();
    let md5 = listing[0]["md5"].as_str().unwrap();
    let object = world.repo(format!(".dvc/cache/files/md5/{}/{}", &md5[..2], &md5[2..]));
    fs::remove_file(&object).unwrap();
    fs::write(&object, b"rotten").unwrap();
    let said = world.hook(["verify", "--rev", "HEAD"]).fails(1);
    assert!(said.out.contains("changed"), "{}", said.out);
    // `get` does not hand out what is rotten.
    let run = listing[0]["relpath"].as_str().unwrap().rsplit_once('/').unwrap().0;
    world.hook(["get", run, "-o", "../rotten"]).fails(1);
    assert!(!world.path("rotten").exists());
}

#[test]
fn a_run_of_any_revision_is_got_from_cache_or_remote() {
    let world = world();
    let dataset = world.repo("data/captures");
    let wanted = tree(&dataset.join(NAV));
    let before = tree(&world.repo("."));
    world.hook(["get", NAV, "-o", "../a/b/nav"]).ok();
    assert_eq!(tree(&world.path("a/b/nav")), wanted);
    assert_eq!(tree(&world.repo(".")).len(), before.len());
    let said = world.hook(["get", NAV, "-o", "../a/b/nav"]).fails(2);
    assert!(said.err.contains("--force"), "{}", said.err);
    world.hook(["get", NAV, "-o", "../a/b/nav", "--force"]).ok();
    let said = world.hook(["get", PLUME, "--rev", "HEAD~1", "-o", "../plume"]).fails(3);
    assert!(said.err.contains("does not hold"), "{}", said.err);
    let said = world.hook(["get", SWEEP]).fails(3);
    assert!(said.err.contains("capture-hook publish"), "{}", said.err);
    // Pushed, and the cache gone: it comes from the remote, that run alone.
    world.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    fs::remove_dir_all(world.repo(".dvc/cache")).unwrap();
    let got = json(&world.hook(["--json", "get", &format!("capture/{NAV}"), "-o", "../again"]).ok());
    assert_eq!((got["fetched"].as_bool(), got["files"].as_u64()), (Some(true), Some(wanted.len() as u64)));
    assert_eq!(tree(&world.path("again")), wanted);
    // And neither here nor there: it says so, and leaves nothing.
    fs::remove_dir_all(world.repo(".dvc/cache")).unwrap();
    fs::remove_dir_all(world.path("dvc-remote")).unwrap();
    let said = world.hook(["get", NAV, "-o", "../never"]);
    assert!(said.code != 0 && said.err.contains("hint:"), "{}", said.all());
    assert!(!world.path("never").exists());
}

#[test]
fn check_finds_a_selection_that_was_not_ingested_and_a_tag_that_lies() {
    let world = world();
    world.hook(["check"]).ok();
    world.hook(["select", SWEEP]).ok();
    world.git(["commit", "-qam", "by hand", "--no-verify"]).ok();
    world.git(["tag", "-a", "-m", "no", &format!("capture/{SWEEP}")]).ok();
    let said = world.hook(["check"]).fails(1);
    assert!(said.out.contains("selection_not_ingested") && said.out.contains("tag_false"), "{}", said.out);
    // What a branch adds, alone.
    world.hook(["check", "HEAD~2..HEAD~1"]).ok();
    world.hook(["check", "HEAD~1..HEAD"]).fails(1);
    world.hook(["check", "no-such"]).fails(3);
}

#[test]
fn pictures_are_the_same_every_time_and_say_what_they_show() {
    let world = world();
    for name in ["a.svg", "b.svg", "a.png", "b.png"] {
        world.hook(["plot", SWEEP, "-o", &format!("../{name}")]).ok();
    }
    let bytes = |name: &str| fs::read(world.path(name)).unwrap();
    assert_eq!(bytes("a.svg"), bytes("b.svg"));
    assert_eq!(bytes("a.png"), bytes("b.png"));
    assert!(bytes("a.png").starts_with(b"\x89PNG"));
    let svg = String::from_utf8(bytes("a.svg")).unwrap();
    for text in [SWEEP, "60 episodes", "10,536 steps", "Distance to goal", "Reward so far", "Episode lengths"] {
        assert!(svg.contains(text), "{text}");
    }
    // Parquet and JSON lines give one picture.
    world.hook(["plot", NAV, "-o", "../dataset.svg"]).ok();
    world.hook(["plot", &format!("results/{NAV}"), "-o", "../results.svg"]).ok();
    assert_eq!(bytes("dataset.svg"), bytes("results.svg"));
    world.hook(["plot", NAV, "-o", "../x.gif"]).fails(2);
}

#[test]
fn the_shell_completes_runs_tags_and_experiments() {
    let world = world();
    let complete = |words: &[&str]| {
        let mut command = world.command(crate::world::BIN, "repo");
        command.env("COMPLETE", "fish").arg("--").args(words);
        crate::world::said(&mut command).ok().out
    };
    let found = complete(&["capture-hook", "show", "nav"]);
    assert!(found.contains(NAV), "{found}");
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
        let script = world.hook(["completions", shell]).ok().out;
        assert!(script.contains("capture-hook") && script.contains("COMPLETE"), "{script}");
    }
    let page = world.hook(["man", "runs"]).ok().out;
    assert!(page.contains(".TH") && page.contains("capture\\-hook\\-runs"), "{page}");
    world.hook(["man", "--dir", "../man"]).ok();
    assert!(world.path("man/capture-hook.1").is_file() && world.path("man/capture-hook-verify.1").is_file());
}

/// A clone, and no knowledge: every command that this types was suggested by `--help` or by a command before it.
#[test]
fn a_newcomer_finds_the_best_run_sees_it_and_gets_its_data() {
    let mut world = world();
    world.hook(["select", SWEEP]).ok();
    world.git(["commit", "-qam", "The sweep"]).ok();
    world.git(["push", "-q", "--follow-tags", "-u", "origin", "main"]).ok();
    world.git_in(".", ["clone", "-q", "origin.git", "fresh"]).ok();
    let said = |wanted: &[&str], args: &[&str]| {
        let said = world.hook_in("fresh", args).ok();
        for text in wanted {
            assert!(said.all().contains(text), "`{}` does not suggest `{text}`:\n{}", args.join(" "), said.all());
        }
        said
    };
    said(&["runs", "status", "show", "get"], &["--help"]);
    // Nothing is here yet, and the list says how it comes.
    let listed = said(&["elsewhere"], &["runs"]);
    assert!(listed.out.contains(NAV));
    said(&["--sort reward", "pull RUN"], &["runs", "--help"]);
    said(&[], &["pull"]);
    let best = said(&[], &["runs", "--sort", "reward"]);
    let name = best.out.lines().nth(1).unwrap().split_whitespace().find(|w| w.contains('/')).unwrap().to_owned();
    assert_eq!(name, NAV);
    // Who made it, with which code and configuration, and how it went.
    let seen = said(&["commit", "configuration", "goal_radius", "recorder", "reward"], &["show", &name]);
    assert!(seen.out.contains("capture/nav/"), "{}", seen.out);
    let got = said(&[], &["get", &name]);
    let dir = world.path("fresh").join(got.out.trim());
    assert!(dir.join("steps.parquet").is_file());
    world.set("GIT_PAGER", "false");
    world.hook_in("fresh", ["plot", &name]).ok();
}

//! The report's data: which runs, in which version, the same bytes everywhere, and nothing that is not known. The page itself
//! is watched in a browser by `report_browser`.

use std::fs;

use serde_json::{Value, json};

use crate::env::{BIN, EXPORTED, FIRST, PLUME, SECOND, THIRD, TestEnv};

mod check;
mod hostile;

/// The data of a page.
pub fn data_of(page: &str) -> Value {
    let (_, after) = page.split_once("<script type=\"application/json\" id=\"report-data\">").unwrap();
    serde_json::from_str(after.split_once("</script>").unwrap().0).unwrap()
}

/// Makes a report beside the repository and reads its data.
fn report(env: &TestEnv, args: &[&str]) -> Value {
    env.hook([&["report", "-o", "../report.html"], args].concat()).ok();
    data_of(&fs::read_to_string(env.path("report.html")).unwrap())
}

fn names(data: &Value) -> Vec<&str> {
    let names = data["runs"]["names"].as_array().unwrap();
    names.iter().map(|name| name.as_str().unwrap()).collect()
}

fn place(data: &Value, run: &str) -> usize {
    names(data).iter().position(|name| *name == run).unwrap_or_else(|| panic!("{run}: {:?}", names(data)))
}

/// The details of a run.
pub fn detail<'a>(data: &'a Value, run: &str) -> &'a Value {
    &data["details"][place(data, run)]
}

/// A run's value in a column; null if there is no such column.
fn cell(data: &Value, run: &str, column: &str) -> Value {
    let columns = data["runs"]["columns"].as_array().unwrap();
    let Some(column) = columns.iter().find(|found| found["id"] == column) else { return Value::Null };
    let (values, at) = (&column["values"], place(data, run));
    match values["codes"][at].as_i64() {
        Some(code) => usize::try_from(code).map_or(Value::Null, |code| values["texts"][code].clone()),
        None => values["numbers"][at].clone(),
    }
}

/// The subject of a run's commit.
fn subject<'a>(data: &'a Value, run: &str) -> &'a str {
    let at = detail(data, run)["provenance"]["commit"].as_u64().unwrap_or_else(|| panic!("{run} has no commit"));
    data["commits"][usize::try_from(at).unwrap()]["subject"].as_str().unwrap()
}

/// A fresh clone of another user, in another time zone and locale, with its data.
fn other_clone(env: &TestEnv, with_data: bool) -> TestEnv {
    let mut other = env.copy();
    let home = other.path("other-home");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join(".gitconfig"), "[user]\n\tname = Bob\n\temail = bob@private.example\n").unwrap();
    other.set("HOME", home.to_str().unwrap());
    other.set("TZ", "Pacific/Auckland");
    other.set("LC_ALL", "tr_TR.UTF-8");
    other.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
    if with_data {
        other.hook_in("clone", ["pull", "-q"]).ok();
    }
    other
}

/// Two clones, one of them fresh and without the lists of older data versions, give the same bytes: all runs, an experiment,
/// some runs, an older revision.
#[test]
fn two_clones_make_the_same_bytes() {
    let env = TestEnv::exported_history();
    let other = other_clone(&env, true);
    for (at, args) in [&[][..], &["-e", "sweep"], &["nav/again", "sweep/merged"], &["latest:nav"], &["--rev", "HEAD~1"]]
        .into_iter()
        .enumerate()
    {
        let (a, b) = (format!("a{at}.html"), format!("b{at}.html"));
        env.hook([&["-q", "report", "-o", &format!("../{a}")], args].concat()).ok();
        other.run_in("clone", BIN, [&["-q", "report", "-o", &format!("../{b}")], args].concat()).ok();
        let (a, b) = (fs::read_to_string(env.path(&a)).unwrap(), fs::read_to_string(other.path(&b)).unwrap());
        assert_eq!(data_of(&a), data_of(&b), "{args:?}");
        assert!(a == b, "{args:?}");
        assert!(!a.contains("private.example") && !a.contains(env.path("").to_str().unwrap()));
    }
}

/// Every run in its newest version with the commit that introduced it, whatever became of its tag and message; merges and
/// picks among them. A branch beside it does not count.
#[test]
fn each_run_is_as_the_history_has_it() {
    let env = TestEnv::exported_history();
    let data = report(&env, &[]);
    let mut sorted = names(&data);
    sorted.sort_unstable();
    assert_eq!(sorted, EXPORTED);
    assert_eq!(data["title"], "Plume runs");
    assert_eq!(data["notes"], json!([]));
    // They are all of one configuration, and of two experiments.
    for (run, other) in [("nav/first", "nav/bare"), ("sweep/merged", "sweep/picked")] {
        assert_eq!(data["runs"]["groups"][place(&data, run)], data["runs"]["groups"][place(&data, other)]);
    }
    let groups: std::collections::BTreeSet<i64> =
        data["runs"]["groups"].as_array().unwrap().iter().map(|group| group.as_i64().unwrap()).collect();
    assert_eq!(groups.into_iter().collect::<Vec<_>>(), [0, 1]);
    for (run, expected) in [
        ("nav/again", "Record nav/again again"),
        ("nav/amended", "Another message"),
        ("nav/bare", "no word of the run"),
        ("sweep/merged", "Run sweep/merged"),
        ("sweep/picked", "Run sweep/picked"),
    ] {
        assert_eq!(subject(&data, run), expected, "{run}");
    }
    assert_eq!(cell(&data, "nav/again", "tag"), "capture/nav/again@v2");
    assert_eq!(detail(&data, "nav/again")["provenance"]["tags"], json!(["capture/nav/again", "capture/nav/again@v2"]));
    // The branch's own commit of the picked run is not in this history, and its tag names it.
    let history = data["history"].as_array().unwrap();
    let merge = history.iter().find(|entry| entry["is_merge"] == true).unwrap();
    assert_eq!((&merge["introduced"], &merge["introduced_count"]), (&json!([]), &json!(0)));
    assert!(history.iter().all(|entry| entry["removed_count"] == 0 && entry["introduced_count"].is_u64()));
    let of_topic = report(&env, &["--rev", "topic"]);
    assert!(names(&of_topic).contains(&"sweep/merged") && !names(&of_topic).contains(&"nav/amended"));
    // As the branch has it: the run was recorded again only later.
    assert_eq!(subject(&of_topic, "nav/again"), "Run nav/again");
}

/// The figures are those that other commands print.
#[test]
fn figures_are_those_of_show() {
    let env = TestEnv::two_runs();
    let data = report(&env, &[]);
    assert_eq!(data["title"], "Simulation runs");
    for run in [FIRST, PLUME] {
        let shown: Value = serde_json::from_str(&env.hook(["show", run, "--json"]).ok().stdout).unwrap();
        let figures = &shown["figures"];
        for (column, figure) in [
            ("steps", "steps"),
            ("episodes", "episodes"),
            ("success", "success_rate"),
            ("reward", "mean_reward"),
            ("final_distance", "mean_final_distance"),
        ] {
            assert_eq!(cell(&data, run, column).as_f64(), figures[figure].as_f64(), "{run} {figure}");
        }
        assert_eq!(cell(&data, run, "base_seed"), shown["base_seed"]);
        assert_eq!(cell(&data, run, "started"), shown["start_time"]);
        let detail = detail(&data, run);
        let provenance = &detail["provenance"];
        assert_eq!(provenance["config_hash"], shown["config_hash"]);
        assert_eq!(provenance["version"], shown["history"]["data_version"]);
        assert_eq!(provenance["files"], shown["files"].as_array().unwrap().len());
        let bytes: u64 = shown["files"].as_array().unwrap().iter().map(|file| file["bytes"].as_u64().unwrap()).sum();
        assert_eq!(provenance["bytes"], bytes);
        assert_eq!(provenance["manifest"].as_str().unwrap().len(), 64);
        assert_eq!((&detail["missing"], &detail["validation"]["ok"]), (&Value::Null, &shown["validation"]["ok"]));
        let curves: Vec<&str> =
            detail["curves"].as_array().unwrap().iter().map(|curve| curve["name"].as_str().unwrap()).collect();
        assert_eq!(curves, ["reward", "distance_to_goal"]);
        let curve = &detail["curves"][0];
        let lengths = ["low", "mid", "high"].map(|list| curve[list].as_array().unwrap().len());
        assert!(lengths[0] > 1 && lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
        let episodes = &detail["episodes"];
        let sum: u64 = episodes["steps"].as_array().unwrap().iter().map(|steps| steps.as_u64().unwrap()).sum();
        assert_eq!((sum, &episodes["of"]), (figures["steps"].as_u64().unwrap(), &figures["episodes"]));
        assert!(episodes["ids"][0].as_str().unwrap().starts_with("ep-"), "{episodes}");
        assert_eq!(detail["paths"]["x"]["name"], "agent_x");
    }
    // What differs is a column, what does not is said once.
    let keys: Vec<&str> =
        data["runs"]["columns"].as_array().unwrap().iter().map(|column| column["id"].as_str().unwrap()).collect();
    assert!(keys.iter().any(|key| key.starts_with("config:")), "{keys:?}");
    assert!(!data["common_config"].as_array().unwrap().is_empty());
}

/// What a run's schema declares is what it has, and no more.
#[test]
fn declared_runs_have_their_own_columns() {
    let env = TestEnv::initialized();
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    env.record_simulators();
    env.record("ok-head01");
    env.hook(["publish", "--all-new", "--no-push"]).ok();
    let data = report(&env, &[]);
    assert_eq!(names(&data).len(), 8);
    let columns = data["runs"]["columns"].as_array().unwrap();
    let ids: Vec<&str> = columns.iter().map(|column| column["id"].as_str().unwrap()).collect();
    assert!(ids.iter().any(|id| id.starts_with("metric:")), "{ids:?}");
    for run in names(&data) {
        let shown: Value = serde_json::from_str(&env.hook(["show", run, "--json"]).ok().stdout).unwrap();
        assert_eq!(cell(&data, run, "reward").as_f64(), shown["figures"]["mean_reward"].as_f64(), "{run}");
        assert_eq!(cell(&data, run, "success").as_f64(), shown["figures"]["success_rate"].as_f64(), "{run}");
        for metric in shown["figures"]["declared"].as_array().into_iter().flatten() {
            let id = format!("metric:{}", metric["name"].as_str().unwrap());
            let same = columns.iter().filter(|column| column["title"] == metric["name"]).collect::<Vec<_>>();
            let is_one = same.len() == 1;
            assert!(!is_one || cell(&data, run, &id).as_f64() == metric["value"].as_f64(), "{run} {id}");
        }
    }
}

#[test]
fn runs_and_experiments_narrow_it() {
    let env = TestEnv::two_runs();
    assert_eq!(names(&report(&env, &[PLUME])), [PLUME]);
    assert_eq!(names(&report(&env, &["-e", "nav"])), [FIRST]);
    let both = report(&env, &["latest:nav", &format!("capture/{PLUME}")]);
    assert_eq!(names(&both).len(), 2);
    assert_eq!(both["request"]["runs"], json!(["latest:nav", format!("capture/{PLUME}")]));
    // Only the versions that concern them.
    assert_eq!(report(&env, &[PLUME])["history"].as_array().unwrap().len(), 1);
    assert_eq!(names(&report(&env, &["--rev", "HEAD~1"])), [FIRST]);
    let error = env.hook(["report", "-e", "sweep", "-o", "../none.html"]).fails(3).stderr;
    assert!(error.contains("holds no run of the experiment sweep") && error.contains("nav, plume"), "{error}");
    env.hook(["report", FIRST, "-e", "nav"]).fails(2);
    let error = env.hook(["report", "--rev", "HEAD~2", "-o", "../none.html"]).fails(3).stderr;
    assert!(error.contains("capture-hook publish RUN"), "{error}");
    assert!(!env.path("none.html").exists());
}

/// A run that is recorded and not committed is shown if it is named, from its directory.
#[test]
fn a_recorded_run_can_be_named() {
    let env = TestEnv::two_runs();
    assert!(!names(&report(&env, &[])).contains(&THIRD));
    let data = report(&env, &[THIRD, FIRST]);
    let recorded = detail(&data, THIRD);
    assert_eq!(recorded["provenance"]["commit"], Value::Null);
    assert_eq!(recorded["provenance"]["version"], Value::Null);
    assert_eq!((&recorded["missing"], &recorded["validation"]["ok"]), (&Value::Null, &json!(true)));
    assert!(cell(&data, THIRD, "steps").as_u64().unwrap() > 0 && !recorded["curves"].as_array().unwrap().is_empty());
    assert_eq!(cell(&data, THIRD, "commit"), Value::Null);
    // Typed as a path, a committed run is the committed one.
    let by_path = report(&env, &[&format!("results/{FIRST}")]);
    assert!(detail(&by_path, FIRST)["provenance"]["commit"].is_u64());
    assert_eq!(by_path["request"]["runs"], json!([FIRST]));
}

/// A run that history held and no longer holds is shown as it was, with the command that gets it.
#[test]
fn a_removed_run_is_shown_as_it_was() {
    let env = TestEnv::two_versions("copy");
    env.git(["revert", "--no-edit", "HEAD"]).ok();
    let data = report(&env, &[]);
    assert_eq!(names(&data).len(), 2);
    let history = data["history"].as_array().unwrap();
    assert_eq!((&history[0]["removed"], &history[0]["removed_count"]), (&json!([SECOND]), &json!(1)));
    assert_eq!(history[1]["introduced"], json!([place(&data, SECOND)]));
    assert_eq!(detail(&data, SECOND)["missing"], Value::Null);
    // Its objects are gone: the page says what gets them.
    fs::remove_dir_all(env.repo(".dvc/cache/files")).unwrap();
    let data = report(&env, &[SECOND]);
    let missing = &detail(&data, SECOND)["missing"];
    assert_eq!(missing["command"], format!("capture-hook get capture/{SECOND}"), "{missing}");
}

/// Data of another version of a run is never read: not from the workspace, not from the cache.
#[test]
fn no_other_version_is_read() {
    let env = TestEnv::exported_history();
    let before = report(&env, &[]);
    // The workspace has the newest version, the cache nothing.
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    assert_eq!(report(&env, &["nav/first"])["details"], report_details(&before, "nav/first"));
    let old = report(&env, &["nav/again", "--rev", "topic"]);
    let missing = &detail(&old, "nav/again")["missing"];
    assert!(missing["reason"].as_str().unwrap().contains("not in this clone"), "{missing}");
    assert_eq!(cell(&old, "nav/again", "reward"), Value::Null);
    // What the tag says is known all the same.
    assert!(cell(&old, "nav/again", "steps").as_u64().unwrap() > 0);
    // One changed file in the workspace is enough.
    let file = env.repo("data/captures/nav/first/run.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    fs::write(&file, format!("{text} ")).unwrap();
    let data = report(&env, &["nav/first"]);
    assert!(detail(&data, "nav/first")["missing"].is_object());
}

fn report_details(data: &Value, run: &str) -> Value {
    let mut detail = detail(data, run).clone();
    // The commit is another place in a shorter list, and alone the run has no configuration that differs.
    detail["provenance"]["commit"] = json!(0);
    detail["provenance"]["bytes"] = Value::Null;
    json!([detail])
}

/// A clone without data says so, and what fetches it.
#[test]
fn missing_data_is_named() {
    let env = TestEnv::exported_history();
    let other = other_clone(&env, false);
    let output = other.hook_in("clone", ["report", "-o", "../report.html"]).ok();
    assert!(output.stderr.contains("warning: the data of 8 runs is not in this clone"), "{}", output.stderr);
    assert!(output.stderr.contains("`capture-hook pull`"), "{}", output.stderr);
    let data = data_of(&fs::read_to_string(other.path("report.html")).unwrap());
    assert_eq!(names(&data).len(), 8);
    assert!(data["notes"][0].as_str().unwrap().contains("The data of 8 runs was missing"), "{}", data["notes"]);
    let missing = &detail(&data, "nav/first")["missing"];
    assert_eq!(missing["command"], "capture-hook pull nav/first");
    assert_eq!(cell(&data, "nav/first", "reward"), Value::Null);
    assert!(cell(&data, "nav/first", "steps").as_u64().unwrap() > 0);
    assert_eq!(subject(&data, "nav/bare"), "no word of the run");
    let line = missing["command"].as_str().unwrap().replace("capture-hook", BIN);
    other.run_in("clone", "sh", ["-c", &line]).ok();
    other.hook_in("clone", ["-q", "report", "-o", "../report.html"]).ok();
    let data = data_of(&fs::read_to_string(other.path("report.html")).unwrap());
    assert_eq!(detail(&data, "nav/first")["missing"], Value::Null);
    assert!(detail(&data, "nav/bare")["missing"].is_object());
}

/// A damaged file of one run hides no other, and is not taken for data that is not here.
#[test]
fn a_damaged_run_hides_no_other() {
    let env = TestEnv::two_runs();
    let md5 = env.run_in("repo", "md5sum", [format!("data/captures/{FIRST}/steps.parquet")]).ok().stdout;
    let object = env.repo(format!(".dvc/cache/files/md5/{}/{}", &md5[..2], &md5[2..32]));
    fs::remove_file(&object).unwrap();
    fs::write(&object, "no parquet").unwrap();
    let output = env.hook(["report", "-o", "../report.html"]).ok();
    assert!(output.stderr.contains(&format!("the rows of {FIRST} cannot be read")), "{}", output.stderr);
    assert!(!output.stderr.contains("not in this clone"), "{}", output.stderr);
    let data = data_of(&fs::read_to_string(env.path("report.html")).unwrap());
    assert_eq!(detail(&data, FIRST)["missing"]["command"], "capture-hook verify");
    assert!(cell(&data, FIRST, "started").is_string() && cell(&data, FIRST, "reward").is_null());
    assert!(cell(&data, PLUME, "reward").is_number());
}

/// The end of a shallow clone's history introduced nothing that is known: no run is said to come from it.
#[test]
fn a_shallow_clone_claims_no_commit() {
    let env = TestEnv::exported_history();
    let origin = format!("file://{}", env.path("origin.git").display());
    env.git_in(".", ["clone", "-q", "--depth", "3", &origin, "shallow"]).ok();
    env.hook_in("shallow", ["pull", "-q"]).ok();
    let output = env.hook_in("shallow", ["report", "-o", "../report.html"]).ok();
    assert!(output.stderr.contains("git fetch --unshallow --tags"), "{}", output.stderr);
    let data = data_of(&fs::read_to_string(env.path("report.html")).unwrap());
    assert_eq!(detail(&data, "nav/first")["provenance"]["commit"], Value::Null);
    assert!(detail(&data, "nav/first")["provenance"]["version"].is_string());
    assert!(data["notes"].to_string().contains("cut off"), "{}", data["notes"]);
    assert_eq!(subject(&data, "nav/again"), "Record nav/again again");
}

/// A report replaces a report and nothing else, and leaves nothing beside it.
#[test]
fn only_a_report_is_replaced() {
    let env = TestEnv::two_runs();
    fs::write(env.path("mine.html"), "<html>mine</html>").unwrap();
    let error = env.hook(["report", "-o", "../mine.html"]).fails(2).stderr;
    assert!(error.contains("is not a report of capture-hook") && error.contains("--force"), "{error}");
    assert_eq!(fs::read_to_string(env.path("mine.html")).unwrap(), "<html>mine</html>");
    env.hook(["report", "-o", "../mine.html", "--force"]).ok();
    env.hook(["report", "-o", "../mine.html", FIRST]).ok();
    let page = fs::read_to_string(env.path("mine.html")).unwrap();
    assert_eq!(names(&data_of(&page)), [FIRST]);
    // A link is replaced, not what it leads to.
    fs::write(env.path("empty.html"), "").unwrap();
    std::os::unix::fs::symlink(env.path("mine.html"), env.path("link.html")).unwrap();
    env.hook(["report", "-o", "../link.html", PLUME]).ok();
    env.hook(["report", "-o", "../empty.html"]).ok();
    assert_eq!(fs::read_to_string(env.path("mine.html")).unwrap(), page);
    assert!(!env.path("link.html").is_symlink());
    env.hook(["report", "-o", "../no/such/dir.html"]).fails(5);
    env.hook(["report", "-o", "../repo"]).fails(3);
    let output = env.hook(["report", "-o", "-", FIRST]).ok();
    assert_eq!(output.stdout, page);
    env.hook(["report", "-o", "-", "--check"]).fails(2);
    let left: Vec<_> = fs::read_dir(env.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// `--open` says why nothing opens, and opens with the desktop's own program.
#[test]
fn the_desktop_opens_it() {
    let mut env = TestEnv::two_runs();
    env.unset("DISPLAY");
    env.unset("WAYLAND_DISPLAY");
    let output = env.hook(["report", "--open"]).ok();
    assert!(output.stderr.contains("there is no desktop here"), "{}", output.stderr);
    let opener = env.script("bin/xdg-open", "#!/bin/sh\nprintf '%s' \"$1\" > \"$HOME/opened\"\n");
    let bin = std::path::Path::new(&opener).parent().unwrap().to_str().unwrap().to_owned();
    env.set("PATH", &format!("{bin}:{}", env.get("PATH")));
    env.set("DISPLAY", ":99");
    let output = env.hook(["report", "--open"]).ok();
    assert!(!output.stderr.contains("warning"), "{}", output.stderr);
    let opened = fs::read_to_string(env.path("home/opened")).unwrap();
    assert_eq!(opened, env.repo("report.html").to_str().unwrap());
    env.script("bin/xdg-open", "#!/bin/sh\nexit 3\n");
    let output = env.hook(["report", "--open"]).ok();
    assert!(output.stderr.contains("`xdg-open` failed: exit status: 3"), "{}", output.stderr);
}

//! Runs of strangers: scripts, markup and odd characters in every text and name, a million characters in one, no number that is
//! one.

use std::fs;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{Report, record, run_check, script};
use crate::env::{TestEnv, run_command};
use crate::tools;

/// What commits, tags and settings say, besides the runs' own texts.
const SCRIPT: &str = "</script><script>window.ran=1</script><img src=x onerror=window.ran=1> \u{202e}gnp.exe\u{2028}";

fn hostile() -> Option<&'static Report> {
    static MADE: OnceLock<Report> = OnceLock::new();
    tools::chromium().map(|_| MADE.get_or_init(make_hostile))
}

/// A project whose runs, authors, subjects, tags and title are hostile.
fn make_hostile() -> Report {
    let env = TestEnv::initialized().kept();
    let quoted = serde_json::to_string(SCRIPT).unwrap();
    let settings = format!(
        "engine = \"native\"\n\n[dataset]\ntitle = {quoted}\ndescription = {quoted}\nlicense = \"CC0-1.0\"\ncreators = [{{name = \
         {quoted}}}]\n"
    );
    fs::write(env.repo("capture-hook.toml"), settings).unwrap();
    env.git(["config", "user.name", "A\"onmouseover=window.ran=1 \u{202e}b"]).ok();
    env.git(["add", "capture-hook.toml"]).ok();
    env.git(["commit", "-q", "-m", SCRIPT]).ok();
    let mut facts: Value = serde_json::from_str(&record(&env, "hostile_runs.py", &[])).unwrap();
    env.hook(["publish", "--all-new", "--no-push", "-m", SCRIPT]).ok();
    let named =
        env.command("python3", "repo").arg(script("hostile_names.py")).arg(env.repo("")).arg("script/hostile").output();
    for name in serde_json::from_slice::<Vec<String>>(&named.unwrap().stdout).unwrap() {
        facts["texts"][&name] = json!([name]);
        facts["typed"].as_array_mut().unwrap().push(name.into());
    }
    for tag in ["<img/src=x/onerror=window.ran=1>", "v1\u{202e}", "'\"&amp;</script>"] {
        env.git(["tag", tag]).ok();
        env.git(["tag", "-a", "-m", SCRIPT, &format!("annotated-{tag}")]).ok();
    }
    env.hook(["report", "-o", "../report.html"]).ok();
    facts["title"] = SCRIPT.into();
    Report { env, facts }
}

macro_rules! checks_of_hostile_runs {
    ($($test:ident: $check:literal,)*) => {$(
        #[test]
        fn $test() {
            if let Some(report) = hostile() {
                report.passes($check);
            }
        }
    )*};
}

checks_of_hostile_runs! {
    a_table_of_hostile_runs_runs_nothing: "hostile_table",
    each_hostile_run_can_be_read_and_runs_nothing: "hostile_runs",
    a_comparison_of_hostile_runs_runs_nothing: "hostile_comparison",
}

/// The commands that the page offers to copy do what they say for runs whose names a shell would obey, and nothing else.
#[test]
fn commands_to_copy_are_safe_in_a_shell() {
    let Some(report) = hostile() else { return };
    let printed = report.passes("hostile_commands");
    let commands: Vec<&str> = printed.lines().collect();
    let typed = report.facts["typed"].as_array().unwrap().len();
    assert!(commands.len() >= typed * 3, "{printed}");
    for (at, command) in commands.iter().enumerate() {
        // Where a copy goes is the user's to say.
        let command = ["get", "export"].iter().fold((*command).to_owned(), |command, word| {
            command.replacen(&format!("capture-hook {word} "), &format!("capture-hook {word} -o ../copy-{at} "), 1)
        });
        let mut shell = report.env.command("/bin/sh", "repo");
        run_command(shell.args(["-c", &command])).ok();
        assert!(!report.env.repo("ran").exists(), "{command}");
    }
}

/// The same page with one line of its script changed and no policy: what a run says runs, and is found.
#[test]
fn markup_that_is_not_escaped_is_found() {
    let Some(report) = hostile() else { return };
    let page = fs::read_to_string(report.path()).unwrap();
    let from = "isolated.textContent = shortText(text, CELL_TEXT);";
    assert!(page.contains(from));
    let altered = page
        .replace(from, "isolated.innerHTML = text.slice(0, 400);")
        .replace("http-equiv=\"Content-Security-Policy\"", "name=\"policy\"");
    let path = report.env.path("altered.html");
    fs::write(&path, altered).unwrap();
    let found = run_check("hostile_table", &path, &report.facts).fails(1);
    let faults = ["a run's script ran", "request: https://attacker.example", "the page was left"];
    assert!(faults.iter().any(|fault| found.stderr.contains(fault)), "{}", found.stderr);
}

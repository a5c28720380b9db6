//! What every command shows on a terminal of 60 and of 80 columns, in the order of a day's work, pinned in
//! `tests/pins/screens.txt`.

use std::collections::BTreeSet;
use std::fs;

use capture_hook::cli::Cli;
use clap::CommandFactory;

use crate::env::{FIRST, PLUME, THIRD, TestEnv};
use crate::pins::pin;
use crate::widths::screen;

/// What is typed, in this order.
fn typed() -> Vec<Vec<&'static str>> {
    let lines = [
        "init",
        "install",
        "config list",
        "config get push.policy",
        "config get no.such",
        "runs",
        "status",
        "validate {THIRD}",
        "select {THIRD}",
        "select no-such-run",
        "status",
        "publish --no-push",
        "show {THIRD}",
        "log",
        "diff {FIRST} {THIRD}",
        "tag",
        "push",
        "check --remote",
        "verify",
        "get {PLUME} -o ../got",
        "schema show {FIRST}",
        "manifest results/{THIRD}",
        "ingest results/{THIRD}",
        "plot {THIRD} -o ../plot.svg",
        "report -o ../report.html",
        "export {THIRD} -o ../export",
        "attest {THIRD}",
        "resolve {THIRD} --ours",
        "remove {PLUME} --reason superseded",
        "runs",
        "restore {PLUME}",
        "push",
        "forget {PLUME}",
        "status",
        "pull {PLUME}",
        "gc --keep 0",
        "erase {PLUME} --everywhere --dry-run",
        "erase {PLUME} --everywhere --yes",
        "uninstall",
    ];
    let name = |word: &'static str| match word {
        "{FIRST}" => FIRST,
        "{PLUME}" => PLUME,
        "{THIRD}" => THIRD,
        "results/{THIRD}" => RECORDED_THIRD,
        word => word,
    };
    lines.iter().map(|line| line.split(' ').map(name).collect()).collect()
}

const RECORDED_THIRD: &str = "results/sweep/run-20260106-041";

/// Commands that are not typed here, and why.
const ELSEWHERE: [(&str, &str); 8] = [
    ("complete", "a shell calls it"),
    ("completions", "it prints a script"),
    ("doctor", "its paths and versions differ by machine: `widths` has it"),
    ("demo", "it prints what other commands print"),
    ("help", "the widths of all help are measured in `cli`"),
    ("hook", "git calls it"),
    ("man", "a pager shows it"),
    ("merge-driver", "git calls it"),
];

#[test]
fn every_command_has_its_screens_at_60_and_80_columns() {
    let mut all = String::new();
    for columns in [60, 80] {
        let env = TestEnv::two_runs();
        fs::create_dir(env.path("dvc-remote")).unwrap_or_default();
        for line in typed() {
            let today = env.git(["log", "-1", "--format=%cs"]).ok().stdout;
            let shown = screen(&env, columns, &line).replace(today.trim(), "[date]    ");
            let shown =
                shown.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect::<String>();
            all.push_str(&format!("{columns}$ {}\n{shown}\n", line.join(" ")));
        }
    }
    pin("screens.txt", &all);
}

#[test]
fn every_command_is_typed_here_or_elsewhere() {
    let mut known: BTreeSet<String> = typed().into_iter().map(|line| line[0].to_owned()).collect();
    for (name, _) in ELSEWHERE {
        assert!(known.insert(name.to_owned()), "{name}: typed and not typed");
    }
    let commands: BTreeSet<String> =
        Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let missing: Vec<&String> = commands.difference(&known).collect();
    assert!(missing.is_empty(), "without a screen: {missing:?}");
}

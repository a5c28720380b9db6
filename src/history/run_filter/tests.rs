#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::syntax::MAX_LENGTH;
use super::*;
use crate::columnar::{DeclaredMetric, RunMetrics};
use crate::error::Explain;
use crate::formats::json::parse;
use crate::history::catalog::RunSources;
use crate::history::listed_runs::{CachedShare, ListedCommit};
use crate::validate::SeedSummary;

fn listed_run(key: &str, config: &str, reward: Option<f64>) -> ListedRun {
    let declared =
        vec![DeclaredMetric { name: "max_peak".into(), value: reward.map(|reward| reward * 10.0), unit: None }];
    ListedRun {
        key: key.parse().unwrap(),
        sources: RunSources { recorded: None, in_dataset: true, in_history: true },
        location: None,
        cached: CachedShare::All,
        is_selected: false,
        commit: Some(ListedCommit {
            id: crate::git::Oid::parse("1a2b3c4d5e6f70819203a4b5c6d7e8f901234567").unwrap(),
            time: 1_767_225_600,
            author: "Ada".into(),
        }),
        removal: None,
        is_erased: false,
        data_version: None,
        tags: vec![format!("capture/{key}"), format!("capture/{key}@v2")],
        start_time: Some("2026-01-05T23:30:00Z".into()),
        schema_version: Some("2.0".into()),
        package_version: None,
        git_sha: None,
        base_seed: Some(7),
        seeds: Some(SeedSummary { unique_count: 3, min: 7, max: 9 }),
        env_config: Some(parse(config.as_bytes()).unwrap()),
        config_hash: Some("8fb3f1263798".into()),
        steps: Some(1000),
        episodes: Some(10),
        metrics: reward.map(|reward| RunMetrics {
            mean_reward: Some(reward),
            declared: Some(declared),
            ..RunMetrics::default()
        }),
        figures: None,
        bytes: None,
        fetch: None,
        verdict: None,
        is_unread: false,
    }
}

fn runs() -> Vec<ListedRun> {
    vec![
        listed_run(
            "nav/a",
            r#"{"plume": {"sigma": 10}, "agent": "greedy", "grid": [32, 32], "render": true}"#,
            Some(0.5),
        ),
        listed_run("nav/b", r#"{"plume": {"sigma": 12.5}, "agent": "random", "grid": [64, 32], "a.b": 1}"#, Some(-2.0)),
        listed_run("nav/c", r#"{"plume": {"sigma": NaN}, "agent": null, "render": false, "wind speed": 3}"#, None),
        listed_run(
            "gym/5",
            r#"{"plume": {"sigma": "wide"}, "agent": 5, "noise": {"sigma": 1}, "empty": {}}"#,
            Some(3.0),
        ),
    ]
}

/// The names of the runs that match, and those of which it is unknown.
fn filter(text: &str) -> (String, String) {
    let found =
        RunFilter::parse(text).and_then(|filter| filter.apply(runs())).unwrap_or_else(|e| panic!("{text}: {e}"));
    let names = |keys: Vec<&RunKey>| keys.iter().map(|key| key.run_id()).collect::<Vec<_>>().join(" ");
    (names(found.runs.iter().map(|run| &run.key).collect()), names(found.left_out.iter().map(|run| &run.run).collect()))
}

fn error(text: &str) -> String {
    let error = RunFilter::parse(text).and_then(|filter| filter.apply(runs()).map(|_| ())).unwrap_err();
    format!("{error}\n{}", error.explain().hints.join("\n"))
}

#[test]
fn runs_are_picked_by_fields_metrics_and_configuration() {
    for (text, matching, unknown) in [
        ("reward > 0", "a 5", "c"),
        ("reward > 0 and experiment == nav", "a", "c"),
        ("reward>0 or reward<=-2", "a b 5", "c"),
        ("not reward > 0", "b", "c"),
        ("NOT (reward > 0) AND experiment = nav", "b", "c"),
        // A part that is known decides, whatever the others are.
        ("reward > 0 or agent == null", "a c 5", ""),
        ("reward > 0 and run_id == c", "", "c"),
        ("reward > 0 and run_id != c", "a 5", ""),
        ("max_peak >= 5", "a 5", "c"),
        ("env_config.plume.sigma > 10", "b", "5"),
        ("plume.sigma <= 10", "a", "5"),
        ("plume.sigma == NaN", "c", ""),
        ("plume.sigma != NaN", "a b 5", ""),
        ("plume.sigma >= nan", "", "5"),
        ("plume.sigma == wide", "5", "a b c"),
        ("plume.sigma == 1e1", "a", ""),
        ("agent == greedy", "a", "5"),
        ("agent != greedy", "b c", "5"),
        ("agent ~ 'and'", "b", "c 5"),
        ("agent < h", "a", "c 5"),
        ("agent == 5", "5", ""),
        ("agent == '5'", "", "5"),
        ("agent == null", "c", ""),
        ("render == true", "a", "b 5"),
        ("render != true", "c", "b 5"),
        ("grid == [64, 32]", "b", "c 5"),
        ("grid ~ 64", "b", "c 5"),
        ("grid == 64", "", "a b c 5"),
        ("\"a.b\" == 1", "b", "a c 5"),
        ("env_config.\"a.b\" == 1.0", "b", "a c 5"),
        ("'wind speed' < 4", "c", "a b 5"),
        ("empty == null", "", "a b c"),
        ("run == 'gym/5'", "5", ""),
        ("run_id == 5", "5", ""),
        ("run ~ gym/", "5", ""),
        ("state == committed", "a b c 5", ""),
        ("state != committed", "", ""),
        ("started == 2026-01-05", "a b c 5", ""),
        ("started > 2026-01-05", "", ""),
        ("started > 2026-01-05T23:29:59Z and started < 2026-01-06T00:00:00+00:00", "a b c 5", ""),
        ("started ~ T23", "a b c 5", ""),
        ("committed >= 2026-01-01", "a b c 5", ""),
        ("commit == 1A2B", "a b c 5", ""),
        ("commit != 1a2b3c5", "a b c 5", ""),
        ("commit == 1a2", "", ""),
        ("data_version == null", "", "a b c 5"),
        ("tag == capture/nav/a@v2", "a", ""),
        ("tag != capture/nav/a@v2", "b c 5", ""),
        ("tag ~ nav", "a b c", ""),
        ("tag == null", "", ""),
        ("seed == 7 and seeds == 3 and seed_max < 10", "a b c 5", ""),
        ("steps == 1000 and episodes == 10", "a b c 5", ""),
        ("config_hash == sha256:8fb3", "a b c 5", ""),
    ] {
        assert_eq!(filter(text), (matching.into(), unknown.into()), "{text}");
    }
}

#[test]
fn an_end_of_a_key_is_enough_if_only_one_key_has_it() {
    let one = vec![listed_run("nav/a", r#"{"plume": {"sigma": 10}, "deep": {"a": {"b": 1}}}"#, None)];
    for text in ["sigma == 10", "env_config.sigma == 10", "a.b == 1"] {
        let found = RunFilter::parse(text).unwrap().apply(one.clone()).unwrap();
        assert_eq!(found.runs.len(), 1, "{text}");
    }
    assert!(error("sigma == 10").contains("write one of `env_config.noise.sigma`, `env_config.plume.sigma`"));
}

#[test]
fn why_runs_are_left_out_is_known() {
    let found = RunFilter::parse("plume.sigma > 10 and reward > 0").unwrap().apply(runs()).unwrap();
    let reasons: Vec<_> = found.left_out.into_iter().map(|run| (run.run.to_string(), run.reasons)).collect();
    let key = "env_config.plume.sigma".to_owned();
    let with = "> 10".to_owned();
    // The reward of `nav/c` is unknown, too; but its sigma is not greater than 10.
    assert_eq!(
        reasons,
        [("gym/5".to_owned(), BTreeSet::from([UnknownReason::NotComparable { key, kind: "a text", with }]))]
    );
}

#[test]
fn errors_show_the_place_and_what_to_type() {
    for (text, message) in [
        ("", "expected a comparison\nwrite a comparison such as"),
        ("rewrad > 0", "no run has a key `rewrad`\n    rewrad > 0\n    ^^^^^^\ndid you mean `reward`"),
        (
            "reward > 0 and env_config.sgima > 1",
            "env_config.sgima > 1\n                   ^^^^^^^^^^^^^^^^\ndid you mean `env_config.",
        ),
        ("max_peek > 0", "did you mean `max_peak`?"),
        ("plume > 0", "no run has a key `plume`"),
        ("reward > and steps > 1", "expected a value after `>`\n    reward > and steps > 1\n             ^^^"),
        ("reward >", "expected a value after `>`\n    reward >\n            ^"),
        ("reward", "expected an operator after `reward`"),
        ("reward 5", "the operators are ==, !=, <, <=, >, >= and ~"),
        ("0 < reward", "no run has a key `0`"),
        ("reward > 0 < 1", "expected `and`, `or` or the end"),
        ("reward > 0 && steps > 1", "expected `and`, `or` or the end\n    reward > 0 && steps > 1\n               ^"),
        ("!reward > 0", "write `not`"),
        ("(reward > 0", "there is no `)` for this `(`\n    (reward > 0\n    ^"),
        ("reward > 0)", "there is no `(` for this `)`"),
        ("run == 'nav", "the text in quotes has no end\n    run == 'nav\n           ^"),
        (r#"run == "a\q""#, "unknown escape"),
        ("grid == [1, 2", "the list is not JSON: ends too early"),
        ("a..b == 1", "a part of the key is missing"),
        (
            "state == comitted",
            "there is no state `comitted`\n    state == comitted\n             ^^^^^^^^\ndid you mean `committed`?",
        ),
        ("state == x", "the states are new, invalid, ingested, committed, remote"),
        ("tag > 5", "`tag` has no order for `>`"),
        ("started > yesterday", "`started` is compared with a time"),
        ("commit == [1]", "`commit` is not compared with a list"),
    ] {
        let found = error(text);
        assert!(found.contains(message), "{text}:\n{found}");
    }
}

#[test]
fn length_and_depth_have_limits_and_a_long_filter_is_cut_in_messages() {
    assert!(error(&"x".repeat(MAX_LENGTH + 1)).contains("longer than 4096 bytes"));
    let nested = |depth: usize| format!("{}steps > 0{}", "(".repeat(depth), ")".repeat(depth));
    assert!(RunFilter::parse(&nested(syntax::MAX_DEPTH - 1)).is_ok());
    assert!(error(&nested(syntax::MAX_DEPTH)).contains("nested deeper than 50 levels"));
    assert!(error(&format!("{} steps > 0", "not ".repeat(60))).contains("nested deeper"));
    let many = vec!["steps > 0"; 100].join(" and ");
    assert!(RunFilter::parse(&many).is_ok());
    let long = error(&format!("{many} and rewrad > 0 and {many}"));
    assert!(long.lines().all(|line| line.chars().count() < 130) && long.contains("^^^^^^"), "{long}");
    // Escape sequences show as text, and the caret stays below the place.
    let hostile = error("\u{1b}[31m ! 5");
    assert!(hostile.contains("\\u{1b}[31m"), "{hostile:?}");
}

#[test]
fn numbers_of_any_size_are_compared_by_value() {
    let run = |value: &str| vec![listed_run("nav/a", &format!(r#"{{"n": {value}}}"#), None)];
    for (value, text, matches) in [
        ("9007199254740993", "n == 9007199254740992", false),
        ("9007199254740993", "n > 9007199254740992", true),
        ("99999999999999999999", "n == 99999999999999999999", true),
        ("99999999999999999999", "n > 1e19", true),
        ("Infinity", "n > 1e300", true),
        ("-Infinity", "n == -inf", true),
        ("0", "n == -0.0", true),
        ("0.5", "n == .5", true),
    ] {
        let found = RunFilter::parse(text).unwrap().apply(run(value)).unwrap();
        assert_eq!(!found.runs.is_empty(), matches, "{value} {text}");
        assert!(found.left_out.is_empty(), "{value} {text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// No text makes the parser, its messages or the comparison panic.
    #[test]
    fn any_text_is_a_filter_or_an_error(text in any::<String>()) {
        use_filter(&text);
    }

    #[test]
    fn any_row_of_tokens_is_a_filter_or_an_error(tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..20)) {
        use_filter(&tokens.concat());
        use_filter(&tokens.join(" "));
    }
}

const TOKENS: &[&str] = &[
    "reward",
    "env_config",
    ".",
    "plume.sigma",
    "state",
    "started",
    "tag",
    "commit",
    "grid",
    "agent",
    "and",
    "or",
    "not",
    "(",
    ")",
    "==",
    "=",
    "!",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "~",
    "10",
    "-1e3",
    "nan",
    "null",
    "true",
    "[1, 2]",
    "[",
    "\"",
    "'",
    "\\",
    "\"a.b\"",
    "'x'",
    "2026-01-05",
    "committed",
    "é",
    "\u{202e}",
    "\u{0}",
    "&&",
    "1a2b",
];

fn use_filter(text: &str) {
    match RunFilter::parse(text).and_then(|filter| filter.apply(runs())) {
        Ok(found) => assert!(found.runs.len() + found.left_out.len() <= 4),
        Err(error) => assert!([1, 3].contains(&error.to_string().lines().count()), "{error}"),
    }
}

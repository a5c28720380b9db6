//! `-v`: a line on standard error for each program that was called, its time and its exit code.

use crate::env::TestEnv;

/// The calls that a command told of: the line without the time, and the exit code.
fn calls(stderr: &str) -> Vec<(String, i32)> {
    let call = |line: &str| {
        let (line, end) = line.strip_suffix(')')?.rsplit_once(" (")?;
        let (ms, code) = end.split_once(" ms, exit ")?;
        ms.parse::<u64>().ok()?;
        Some((line.to_owned(), code.parse().ok()?))
    };
    stderr.lines().filter_map(call).collect()
}

#[test]
fn verbose_names_each_call_of_git_and_dvc_with_its_exit_code() {
    let env = TestEnv::initialized();
    let key = env.record("ok-head01");
    let published = env.hook(["-v", "publish", &key, "-m", "Add\u{1b}[31m\nit"]).ok();
    let told = calls(&published.stderr);
    let code = |words: &str| told.iter().find(|(line, _)| line.contains(words)).map(|(_, code)| *code);
    assert_eq!(code("git rev-parse --verify --quiet '@{upstream}'"), Some(1), "{}", published.stderr);
    assert_eq!(code("/dvc repro "), Some(0), "{}", published.stderr);
    // What a terminal would obey is spelled out, and a call stays on its line.
    assert_eq!(code(r"commit -q -m 'Add\u{1b}[31m\u{a}it' -- dvc.lock "), Some(0), "{}", published.stderr);
    assert!(!published.stderr.contains('\u{1b}'), "{}", published.stderr);
}

#[test]
fn what_scripts_read_is_the_same_when_verbose() {
    let env = TestEnv::initialized();
    let quiet = env.hook(["doctor", "--json"]);
    let verbose = env.hook(["-v", "doctor", "--json"]);
    assert_eq!((quiet.code, quiet.stdout), (verbose.code, verbose.stdout));
    assert_eq!(calls(&quiet.stderr), []);
    assert!(calls(&verbose.stderr).iter().any(|(line, _)| line.starts_with("git ")), "{}", verbose.stderr);
}

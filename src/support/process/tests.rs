use super::*;
use crate::support::call_log::CallLog;

fn shell_command(script: &str) -> Cmd {
    Cmd::new("/bin/sh").args(["-c", script])
}

#[test]
fn more_than_a_pipe_holds_on_both_streams_does_not_hang() {
    let script = "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2";
    let output = shell_command(script).run(&Env::snapshot()).unwrap();
    assert_eq!((output.stdout.len(), output.stderr.len()), (300_000, 300_000));
}

#[test]
fn a_timeout_ends_what_the_program_started_too() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let script = format!("(sleep 1.5; touch {}) & sleep 30", shell_quote(&mark));
    let error = shell_command(&script).timeout(Duration::from_millis(300)).run(&Env::snapshot()).unwrap_err();
    assert!(matches!(error, ProcessError::TimedOut { .. }), "{error}");
    std::thread::sleep(Duration::from_secs(2));
    assert!(!mark.exists());
}

/// E12: A program that the terminal stops counts as failed and is ended.
#[test]
fn a_program_that_is_stopped_counts_as_failed_and_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let script = format!("echo asking >&2; kill -STOP 0; touch {}", shell_quote(&mark));
    let error = shell_command(&script).run(&Env::snapshot()).unwrap_err();
    assert!(matches!(&error, ProcessError::Stopped { output, .. } if output == "asking"), "{error}");
    assert!(!mark.exists() && error.explain().hints[0].contains("ssh-add"));
}

#[test]
fn a_failure_holds_what_the_program_wrote() {
    let error = shell_command("echo why >&2; exit 3").run_checked(&Env::snapshot()).unwrap_err().to_string();
    assert!(error.contains("exit code 3") && error.contains("why"), "{error}");
}

#[test]
fn a_failure_shows_no_password() {
    let script = "echo \"cannot read '$1'\" >&2; exit 3";
    let call = shell_command(script).args(["sh", "https://me:secret@host/x"]);
    let error = call.run_checked(&Env::snapshot()).unwrap_err().to_string();
    assert!(error.contains("cannot read 'https://…@host/x'") && !error.contains("secret"), "{error}");
    let error = Cmd::new("/no/such/program").arg("s3://key:secret@bucket").run(&Env::snapshot()).unwrap_err();
    assert_eq!(error.to_string(), "cannot start `/no/such/program 's3://…@bucket'`");
}

#[test]
fn stderr_is_reported_at_once_and_kept() {
    let mut events = Vec::new();
    let script = "printf 'one\\n 10%%\\r 20%%\\r' >&2; head -c 300000 /dev/zero >&2; echo >&2; echo out; exit 3";
    let mut on_event = |one: StderrEvent<'_>| match one {
        StderrEvent::Line(line) => events.push(line.len().to_string()),
        StderrEvent::Progress(words) => events.push(words.to_owned()),
    };
    let output = shell_command(script).run_with_listener(&Env::snapshot(), &mut on_event).unwrap();
    assert_eq!((output.exit, output.stdout_text()), (Some(3), "out".into()));
    assert_eq!(events[..3], ["3", " 10%", " 20%"]);
    assert_eq!(output.stderr, b"one\n");
}

#[test]
fn what_a_shell_would_read_otherwise_is_quoted() {
    let unquoted = ["demo/r1", "HEAD~3", "-o", "a.b_c", "x=1", "user@host:path"];
    assert_eq!(unquoted.map(shell_quote), unquoted);
    let to_quote = ["", "a b", "$(x)", "a;b", "`x`", "{a,b}", "~x", "=x", "é", "a\nb", "!x", "*"];
    assert!(to_quote.iter().all(|text| shell_quote(text) == format!("'{text}'")));
    assert_eq!(shell_quote("it's"), r"'it'\''s'");
}

#[test]
fn the_environment_is_exactly_the_given_one() {
    let output = Cmd::new("/usr/bin/env").run(&Env::from_vars([("A", "1")])).unwrap();
    assert_eq!(output.stdout_text(), "A=1");
}

#[test]
fn the_log_has_a_line_for_each_call_with_its_time_and_end() {
    let lines = Arc::new(std::sync::Mutex::new(Vec::new()));
    let to = Arc::clone(&lines);
    let env = Env::snapshot().logging(CallLog::to(move |line| to.lock().unwrap().push(line.to_owned())));
    shell_command("exit 3").run(&env).unwrap();
    shell_command("exit 4").run_checked(&env).unwrap_err();
    shell_command("kill -9 $$").run(&env).unwrap();
    shell_command("sleep 30").timeout(Duration::from_millis(50)).run(&env).unwrap_err();
    shell_command("kill -STOP 0").run(&env).unwrap_err();
    shell_command("exit").run_with_listener(&env.clone().without_var("HOME"), &mut |_| ()).unwrap();
    Cmd::new("/no/such/program")
        .args(["a b", "\u{1b}[31m\nx\u{202e}", "--url=https://me:secret@host/x"])
        .run(&env)
        .unwrap_err();

    let lines = lines.lock().unwrap();
    let (calls, ends): (Vec<&str>, Vec<&str>) = lines.iter().map(|line| line.rsplit_once(" (").unwrap()).unzip();
    assert_eq!(calls[..3], ["/bin/sh -c 'exit 3'", "/bin/sh -c 'exit 4'", "/bin/sh -c 'kill -9 $$'"]);
    assert_eq!(calls[6], r"/no/such/program 'a b' '\u{1b}[31m\u{a}x\u{202e}' '--url=https://…@host/x'");
    let (times, ends): (Vec<&str>, Vec<&str>) = ends.iter().map(|end| end.split_once(" ms, ").unwrap()).unzip();
    assert_eq!(ends, ["exit 3)", "exit 4)", "ended by a signal)", "timed out)", "stopped)", "exit 0)", "not started)"]);
    assert!(times[3].parse::<u64>().unwrap() >= 50, "{times:?}");
}

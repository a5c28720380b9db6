//! `capture-hook select`, as a user meets it.

use std::fs;

use insta::assert_snapshot;

use crate::env::TestEnv;

fn project() -> TestEnv {
    let env = TestEnv::initialized();
    env.record("ok-head01");
    env.record("ok-orig100");
    env
}

#[test]
fn it_changes_one_value_and_prints_old_and_new() {
    let env = project();
    let params = env.repo("params.yaml");
    let text = "\u{feff}# é\r\nlr: {a: [1, 'b']}\r\ningest_capture:\r\n    run_dir: \"old\" # which\r\n    out_dir: data/captures\r\n";
    fs::write(&params, text).unwrap();
    let key = env.record("ok-pypi010");
    let output = env.hook(["select", &key]).ok();
    assert_eq!(output.stdout, format!("params.yaml: old -> results/{key}\n"));
    assert_eq!(fs::read_to_string(&params).unwrap(), text.replace("old", &format!("results/{key}")));
    // From anywhere in the repository, by a path.
    let output = env.hook_in("repo/results/demo", ["select", key.rsplit('/').next().unwrap()]).ok();
    assert_snapshot!(env.screen(&output), @"params.yaml: results/demo/run-20260105-041 is already selected");
}

#[test]
fn an_invalid_run_is_refused_unless_forced() {
    let env = project();
    let before = fs::read(env.repo("params.yaml")).unwrap();
    let key = env.record("bad-step-gap");
    let output = env.hook(["select", &key]).fails(1);
    assert_snapshot!(env.screen(&output), @"
    warning: results/nav/run-20261124-021550 is not a valid run
      error step_sequence: step 7 follows step 5, at steps.jsonl.gz:7 (ep-000002)
    hint: see the whole report with `capture-hook validate nav/run-20261124-021550`, or select the run anyway with `--force`; nothing was changed
    ");
    assert_eq!(fs::read(env.repo("params.yaml")).unwrap(), before);
    let output = env.hook(["--json", "select", "--force", &key]).ok();
    assert_snapshot!(env.screen(&output), @r#"
    {
      "file": "params.yaml",
      "old": "results/<experiment>/<run_id>",
      "new": "results/nav/run-20261124-021550",
      "changed": true,
      "valid": false,
      "recorded_anew": false
    }
    --- stderr
    warning: results/nav/run-20261124-021550 is not a valid run
      error step_sequence: step 7 follows step 5, at steps.jsonl.gz:7 (ep-000002)
    warning: results/nav/run-20261124-021550 is invalid, but selected; a commit will refuse it
    "#);
    assert!(fs::read_to_string(env.repo("params.yaml")).unwrap().contains(&format!("run_dir: results/{key}")));
}

/// C9: `select` refuses such a file and leaves it as it is.
#[test]
fn what_cannot_be_edited_is_refused_untouched() {
    let env = project();
    let key = env.record("ok-head01");
    for text in ["ingest_capture:\n  run_dir: a\n  run_dir: b\n", "a: 1\n---\nb: 1\n", "- a\n", "<<<<<<< HEAD\na: 1\n"]
    {
        fs::write(env.repo("params.yaml"), text).unwrap();
        let output = env.hook(["select", &key]).fails(3);
        assert!(output.stderr.contains("params.yaml:"), "{}", output.stderr);
        assert_eq!(fs::read_to_string(env.repo("params.yaml")).unwrap(), text);
    }
}

#[test]
fn a_missing_file_is_made_and_other_formats_are_edited() {
    let env = project();
    let key = env.record("ok-head01");
    let stage = fs::read_to_string(env.repo("dvc.yaml")).unwrap();
    // A pipeline wants the file that it has lost, not a new one.
    fs::remove_file(env.repo("params.yaml")).unwrap();
    fs::remove_file(env.repo("dvc.yaml")).unwrap();
    env.hook(["select", &key]).ok();
    let text = fs::read_to_string(env.repo("params.yaml")).unwrap();
    assert!(text.contains(&format!("run_dir: results/{key}")) && text.contains("out_dir: data/captures"), "{text}");

    for (file, before, after) in [
        ("p.toml", "[ingest_capture]\nrun_dir = 'x' # c\nout_dir = 'data/captures'\n", "run_dir = 'results/KEY' # c"),
        (
            "p.json",
            "{\"ingest_capture\": {\"run_dir\": \"x\", \"out_dir\": \"data/captures\"}}",
            "{\"run_dir\": \"results/KEY\", ",
        ),
    ] {
        let named = stage.replace("- ingest_capture.run_dir", &format!("- {file}: [ingest_capture.run_dir]"));
        fs::write(env.repo("dvc.yaml"), named).unwrap();
        fs::write(env.repo(file), before).unwrap();
        env.hook(["select", &key]).ok();
        let text = fs::read_to_string(env.repo(file)).unwrap();
        assert!(text.contains(&after.replace("KEY", &key)), "{text}");
    }
}

#[test]
fn a_run_outside_the_project_and_no_run_at_all() {
    let env = project();
    let (outside, _) = crate::env::corpus_run("ok-head01");
    env.hook(["select", outside.to_str().unwrap()]).fails(2);
    env.hook(["select", "nothing/there"]).fails(3);
}

/// Starts a command on a terminal of its own, of 10 lines and 80 columns, types keys (each once the text before it was shown), and prints what it said,
/// how it ended, and whether the terminal is as before.
const ON_A_TERMINAL: &str = r#"
import fcntl, os, pty, select, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 80, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:2] + sys.argv[2].split())
said = b""
for wanted, keys in zip(sys.argv[3::2], sys.argv[4::2]):
    end = time.monotonic() + 60
    while wanted.encode() not in said:
        assert time.monotonic() < end, said
        if select.select([fd], [], [], 1)[0]:
            said += os.read(fd, 65536)
    # What comes after it counts from here.
    said = said[said.index(wanted.encode()) + len(wanted):]
    time.sleep(0.2)
    os.write(fd, keys.encode().decode("unicode_escape").encode())
rest = b""
try:
    while chunk := os.read(fd, 65536):
        rest += chunk
except OSError:
    pass
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
shown = rest.rfind(b"\x1b[?25h") > rest.rfind(b"\x1b[?25l") or b"\x1b[?25l" not in rest
print(rest.decode(), "exit", code, "cursor", shown)
"#;

/// What a command says on a terminal, with what is typed there.
pub fn on_a_terminal(env: &TestEnv, command: &str, typed: &[(&str, &str)]) -> String {
    let mut args = vec!["-c", ON_A_TERMINAL, crate::env::BIN, command];
    args.extend(typed.iter().flat_map(|(wanted, keys)| [*wanted, *keys]));
    env.run_in("repo", "python3", args).ok().stdout
}

#[test]
fn without_a_run_one_is_picked_on_a_terminal() {
    let mut env = project();
    env.set("TERM", "xterm-256color");
    let (nav, plume) = ("nav/run-20261124-021550", "plume/run-20261124-021546");
    let params = || fs::read_to_string(env.repo("params.yaml")).unwrap();
    let before = params();
    // Esc and Ctrl-C leave everything as it is, the terminal too.
    for keys in ["\\x1b", "\\x03", "plume\\x03"] {
        let output = on_a_terminal(&env, "select", &[("Which run?", keys)]);
        assert!(output.contains("nothing was changed") && output.ends_with("exit 1 cursor True\n"), "{keys}: {output}");
        assert_eq!(params(), before);
    }
    // The newest is first; an arrow goes down, a number to its line, text filters.
    for (keys, run) in [("\\r", nav), ("\\x1b[B\\r", plume), ("1\\r", nav), ("2\\r", plume), ("NAV 0215\\r", nav)] {
        let output = on_a_terminal(&env, "select", &[(plume, keys)]);
        assert!(output.ends_with("exit 0 cursor True\n"), "{keys}: {output}");
        assert!(params().contains(&format!("run_dir: results/{run}")), "{keys}: {output}");
    }
    // Without a terminal nobody is asked.
    let output = env.hook(["select"]).fails(2);
    assert_snapshot!(env.screen(&output), @"
    error: RUN is missing, and there is no terminal to choose a run on
    hint: see all runs with `capture-hook runs`, and select one with `capture-hook select RUN`
    ");
    env.hook(["--json", "select"]).fails(2);
}

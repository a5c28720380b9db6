//! On a terminal: what wants to ask for a password or a passphrase fails at once in a hook, and says what to do; after a
//! command that somebody typed it asks, and is answered. No `git` command waits for ever.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::env::{BIN, CommandOutput, FIRST, SECOND, TestEnv, run_command};

/// What every hook tells whose program wanted to ask.
const ADVICE: &str = "a hook has no terminal to ask for a password or passphrase";

/// Runs a program on a terminal of its own; `answer` is typed each time the screen shows `question`.
pub fn on_terminal(env: &TestEnv, program: &str, args: &[&str], question: &str, answer: &str) -> CommandOutput {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/on_terminal.py");
    let mut command = env.command("python3", "repo");
    command.arg(script).args(["120", question, answer, program]).args(args);
    let output = run_command(&mut command);
    assert_ne!(output.code, 124, "{program} {args:?} does not end:\n{}", output.both());
    output
}

/// `git` on a terminal where nobody answers.
fn git(env: &TestEnv, args: &[&str]) -> CommandOutput {
    on_terminal(env, "git", args, "", "")
}

/// Commits a run on a terminal: its tag would be signed with a key that wants a passphrase.
fn commit_with_a_locked_key(env: &TestEnv, question: &str, signature: &str) {
    env.git(["config", "tag.gpgSign", "true"]).ok();
    env.select(SECOND);
    let output = git(env, &["commit", "-q", "-am", "x"]).ok();
    assert!(output.stdout.contains(ADVICE) && output.stdout.contains("`capture-hook tag`"), "{}", output.stdout);
    assert_eq!(env.tags().len(), 1);
    // Typed, it asks and is answered.
    let output = on_terminal(env, BIN, &["tag"], question, "secret").ok();
    assert!(output.stdout.contains(question), "{}", output.stdout);
    let tag = format!("capture/{SECOND}");
    assert!(env.git(["cat-file", "tag", &tag]).ok().stdout.contains(signature));
}

/// E12: An SSH key with a passphrase, no agent, `tag.gpgSign=true`: the commit is made, the tag is left to a command.
#[test]
fn a_commit_does_not_wait_for_the_passphrase_of_an_ssh_key() {
    let env = TestEnv::committed_native();
    let key = env.path("home/key").to_str().unwrap().to_owned();
    env.run_in(".", "ssh-keygen", ["-q", "-t", "ed25519", "-N", "secret", "-f", &key]).ok();
    env.git(["config", "gpg.format", "ssh"]).ok();
    env.git(["config", "user.signingKey", &key]).ok();
    commit_with_a_locked_key(&env, "Enter passphrase", "SSH SIGNATURE");
}

/// E12: A GnuPG key whose passphrase is asked for on the terminal.
#[test]
fn a_commit_does_not_wait_for_the_passphrase_of_a_gpg_key() {
    let env = TestEnv::committed_native();
    let home = env.path("home/.gnupg");
    fs::create_dir_all(&home).unwrap();
    fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let make =
        ["--batch", "--passphrase", "secret", "--pinentry-mode", "loopback", "--quick-gen-key", "ada@example.org"];
    env.run_in(".", "gpg", make).ok();
    // GnuPG itself asks, and its agent forgets what it was told.
    fs::write(home.join("gpg.conf"), "pinentry-mode loopback\n").unwrap();
    fs::write(home.join("gpg-agent.conf"), "max-cache-ttl 0\ndefault-cache-ttl 0\n").unwrap();
    env.run_in(".", "gpgconf", ["--kill", "gpg-agent"]).ok();
    env.git(["config", "user.signingKey", "ada@example.org"]).ok();
    commit_with_a_locked_key(&env, "Enter passphrase", "PGP SIGNATURE");
    env.run_in(".", "gpgconf", ["--kill", "gpg-agent"]).ok();
}

/// A DVC remote behind a password; gone when dropped.
struct Server(Child);

impl Server {
    /// Starts it, and makes it the remote; DVC is to ask for the password.
    fn start(env: &TestEnv) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/password_server.py");
        let mut command = env.command("python3", ".");
        command.arg(script).arg(env.path("served")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
        set_remote(env, port.trim(), "ask_password = true");
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn set_remote(env: &TestEnv, port: &str, password: &str) {
    let text = format!(
        "[core]\n    remote = storage\n['remote \"storage\"']\n    url = http://127.0.0.1:{port}/data\n    auth = basic\n    \
         user = ada\n    {password}\n"
    );
    fs::write(env.repo(".dvc/config.local"), text).unwrap();
}

/// E12: A DVC remote with `ask_password`: push, checkout, pull and commit end by themselves, and the commands ask.
#[test]
fn nothing_waits_for_the_password_of_a_remote() {
    let env = TestEnv::committed_native();
    let server = Server::start(&env);
    env.git(["branch", "first"]).ok();
    env.select(SECOND);
    env.git(["commit", "-q", "-am", "x"]).ok();

    let output = git(&env, &["push", "origin", "main"]).fails(1);
    assert!(output.stdout.contains(ADVICE) && output.stdout.contains("`capture-hook push`"), "{}", output.stdout);
    assert_eq!(env.git_in("origin.git", ["branch"]).ok().stdout, "");
    let question = "password for host";
    // Ctrl-C ends the command that asks, with DVC.
    let output = on_terminal(&env, BIN, &["push", "main"], question, "\u{3}").fails(4);
    assert!(output.stdout.contains("interrupted"), "{}", output.stdout);
    let output = on_terminal(&env, BIN, &["push", "main"], question, "secret").ok();
    assert!(output.stdout.contains(question), "{}", output.stdout);
    git(&env, &["push", "-q", "origin", "main"]).fails(1);
    env.git(["push", "-q", "--no-verify", "origin", "main"]).ok();

    // Checked out without its data, which is on the remote alone.
    env.git(["checkout", "-q", "first"]).ok();
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    let output = git(&env, &["checkout", "main"]).ok();
    assert!(output.stdout.contains(ADVICE) && output.stdout.contains("`capture-hook pull`"), "{}", output.stdout);
    env.git(["checkout", "-q", "first"]).ok();
    let output = git(&env, &["pull", "-q", "--no-rebase", "origin", "main"]).ok();
    assert!(output.stdout.contains(ADVICE) && output.stdout.contains("`capture-hook pull`"), "{}", output.stdout);

    // A commit needs the list of the committed runs.
    env.select(FIRST);
    let output = git(&env, &["commit", "-q", "-am", "y"]).fails(1);
    assert!(output.stdout.contains(ADVICE), "{}", output.stdout);
    env.git(["restore", "params.yaml"]).ok();

    let output = on_terminal(&env, BIN, &["pull"], question, "secret").ok();
    assert!(output.stdout.contains(question), "{}", output.stdout);
    assert_eq!(env.runs_in("repo"), [SECOND, FIRST]);
    drop(server);
}

/// E12: A terminal that stops what writes to it from the background does not stop DVC's progress bar.
#[test]
fn a_progress_bar_is_not_stopped_by_the_terminal() {
    let env = TestEnv::committed_native();
    let _server = Server::start(&env);
    let asking = fs::read_to_string(env.repo(".dvc/config.local")).unwrap();
    let saved = asking.replace("ask_password = true", "password = secret");
    fs::write(env.repo(".dvc/config.local"), saved).unwrap();
    git(&env, &["push", "-q", "origin", "main"]).ok();
    assert!(env.path("served/data").is_dir());
}

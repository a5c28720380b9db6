//! On a terminal: what wants to ask for a password or a passphrase fails at once in a hook, and says what to do; after a
//! command that somebody typed it asks, and is answered. No `git` command waits for ever.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::hooks::select;
use crate::matrix::{FIRST, SECOND, committed_natively, tags};
use crate::world::{BIN, Said, World, said};

/// What every hook tells whose program wanted to ask.
const ADVICE: &str = "a hook has no terminal to ask for a password or passphrase on";

/// Runs a program on a terminal of its own; `answer` is typed each time the screen shows `question`.
fn on_terminal(world: &World, program: &str, args: &[&str], question: &str, answer: &str) -> Said {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/on_terminal.py");
    let mut command = world.command("python3", "repo");
    command.arg(script).args(["120", question, answer, program]).args(args);
    let said = said(&mut command);
    assert_ne!(said.code, 124, "{program} {args:?} does not end:\n{}", said.all());
    said
}

/// `git` on a terminal where nobody answers.
fn git(world: &World, args: &[&str]) -> Said {
    on_terminal(world, "git", args, "", "")
}

/// Commits a run on a terminal: its tag would be signed with a key that wants a passphrase.
fn commit_with_a_locked_key(world: &World, question: &str, signature: &str) {
    world.git(["config", "tag.gpgSign", "true"]).ok();
    select(world, SECOND);
    let said = git(world, &["commit", "-q", "-am", "x"]).ok();
    assert!(said.out.contains(ADVICE) && said.out.contains("`capture-hook tag`"), "{}", said.out);
    assert_eq!(tags(world).len(), 1);
    // Typed, it asks and is answered.
    let said = on_terminal(world, BIN, &["tag"], question, "secret").ok();
    assert!(said.out.contains(question), "{}", said.out);
    let tag = format!("capture/{SECOND}");
    assert!(world.git(["cat-file", "tag", &tag]).ok().out.contains(signature));
}

/// 12-C13: an SSH key with a passphrase, no agent, `tag.gpgSign=true`: the commit is made, the tag is left to a command.
#[test]
fn a_commit_does_not_wait_for_the_passphrase_of_an_ssh_key() {
    let world = committed_natively();
    let key = world.path("home/key").to_str().unwrap().to_owned();
    world.run_in(".", "ssh-keygen", ["-q", "-t", "ed25519", "-N", "secret", "-f", &key]).ok();
    world.git(["config", "gpg.format", "ssh"]).ok();
    world.git(["config", "user.signingKey", &key]).ok();
    commit_with_a_locked_key(&world, "Enter passphrase", "SSH SIGNATURE");
}

/// 12-C13, sibling: a GnuPG key whose passphrase is asked for on the terminal.
#[test]
fn a_commit_does_not_wait_for_the_passphrase_of_a_gpg_key() {
    let world = committed_natively();
    let home = world.path("home/.gnupg");
    fs::create_dir_all(&home).unwrap();
    fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let make =
        ["--batch", "--passphrase", "secret", "--pinentry-mode", "loopback", "--quick-gen-key", "ada@example.org"];
    world.run_in(".", "gpg", make).ok();
    // GnuPG itself asks, and its agent forgets what it was told.
    fs::write(home.join("gpg.conf"), "pinentry-mode loopback\n").unwrap();
    fs::write(home.join("gpg-agent.conf"), "max-cache-ttl 0\ndefault-cache-ttl 0\n").unwrap();
    world.run_in(".", "gpgconf", ["--kill", "gpg-agent"]).ok();
    world.git(["config", "user.signingKey", "ada@example.org"]).ok();
    commit_with_a_locked_key(&world, "Enter passphrase", "PGP SIGNATURE");
    world.run_in(".", "gpgconf", ["--kill", "gpg-agent"]).ok();
}

/// A DVC remote behind a password; gone when dropped.
struct Server(Child);

impl Server {
    /// Starts it, and makes it the remote; DVC is to ask for the password.
    fn start(world: &World) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/password_server.py");
        let mut command = world.command("python3", ".");
        command.arg(script).arg(world.path("served")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
        set_remote(world, port.trim(), "ask_password = true");
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn set_remote(world: &World, port: &str, password: &str) {
    let text = format!(
        "[core]\n    remote = storage\n['remote \"storage\"']\n    url = http://127.0.0.1:{port}/data\n    auth = basic\n    \
         user = ada\n    {password}\n"
    );
    fs::write(world.repo(".dvc/config.local"), text).unwrap();
}

/// 12-C13: a DVC remote with `ask_password`: push, checkout, pull and commit end by themselves, and the commands ask.
#[test]
fn nothing_waits_for_the_password_of_a_remote() {
    let world = committed_natively();
    let server = Server::start(&world);
    world.git(["branch", "first"]).ok();
    select(&world, SECOND);
    world.git(["commit", "-q", "-am", "x"]).ok();

    let said = git(&world, &["push", "origin", "main"]).fails(1);
    assert!(said.out.contains(ADVICE) && said.out.contains("`capture-hook push`"), "{}", said.out);
    assert_eq!(world.git_in("origin.git", ["branch"]).ok().out, "");
    let question = "password for host";
    // Ctrl-C ends the command that asks, with DVC.
    let said = on_terminal(&world, BIN, &["push", "main"], question, "\u{3}").fails(4);
    assert!(said.out.contains("interrupted"), "{}", said.out);
    let said = on_terminal(&world, BIN, &["push", "main"], question, "secret").ok();
    assert!(said.out.contains(question), "{}", said.out);
    git(&world, &["push", "-q", "origin", "main"]).fails(1);
    world.git(["push", "-q", "--no-verify", "origin", "main"]).ok();

    // Checked out without its data, which is on the remote alone.
    world.git(["checkout", "-q", "first"]).ok();
    fs::remove_dir_all(world.repo(".dvc/cache")).unwrap();
    let said = git(&world, &["checkout", "main"]).ok();
    assert!(said.out.contains(ADVICE) && said.out.contains("`capture-hook pull`"), "{}", said.out);
    world.git(["checkout", "-q", "first"]).ok();
    let said = git(&world, &["pull", "-q", "--no-rebase", "origin", "main"]).ok();
    assert!(said.out.contains(ADVICE) && said.out.contains("`capture-hook pull`"), "{}", said.out);

    // A commit needs the list of the committed runs.
    select(&world, FIRST);
    let said = git(&world, &["commit", "-q", "-am", "y"]).fails(1);
    assert!(said.out.contains(ADVICE), "{}", said.out);
    world.git(["restore", "params.yaml"]).ok();

    let said = on_terminal(&world, BIN, &["pull"], question, "secret").ok();
    assert!(said.out.contains(question), "{}", said.out);
    assert_eq!(crate::matrix::runs_in(&world, "repo"), [SECOND, FIRST]);
    drop(server);
}

/// 12-C13, sibling: a terminal that stops what writes to it from the background does not stop DVC's progress bar.
#[test]
fn a_progress_bar_is_not_stopped_by_the_terminal() {
    let world = committed_natively();
    let _server = Server::start(&world);
    let asking = fs::read_to_string(world.repo(".dvc/config.local")).unwrap();
    let saved = asking.replace("ask_password = true", "password = secret");
    fs::write(world.repo(".dvc/config.local"), saved).unwrap();
    git(&world, &["push", "-q", "origin", "main"]).ok();
    assert!(world.path("served/data").is_dir());
}

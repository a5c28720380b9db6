//! `attest --dsse`: envelopes that verifiers of supply chains accept, with every kind of key, with an agent and without.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::PLACE;
use crate::env::{CommandOutput, FIRST, TestEnv, files, run_command};
use crate::tools;

/// The user's own agent, with one key; ended on drop.
pub struct TestAgent(Pid);

impl TestAgent {
    /// Starts it, gives it the key, and names it to all that follows.
    pub fn start(env: &mut TestEnv, key: &str, passphrase: &str) -> Self {
        let text = env.run_in(".", "ssh-agent", ["-s"]).ok().stdout;
        let value = |name: &str| {
            let rest = text.split([';', '\n']).find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            rest.unwrap().to_owned()
        };
        let agent = Self(Pid::from_raw(value("SSH_AGENT_PID").parse().unwrap()).unwrap());
        env.set("SSH_AUTH_SOCK", &value("SSH_AUTH_SOCK"));
        give_passphrase(env, passphrase);
        env.run_in(".", "ssh-add", ["-q", key]).ok();
        env.unset("SSH_ASKPASS");
        agent
    }
}

impl Drop for TestAgent {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::TERM);
    }
}

/// Answers OpenSSH's question for a passphrase, and counts the questions in `home/asked`.
fn give_passphrase(env: &mut TestEnv, passphrase: &str) {
    let program = env.path("home/askpass");
    let asked = env.path("home/asked");
    fs::write(&program, format!("#!/bin/sh\necho asked >> {}\necho '{passphrase}'\n", asked.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    env.set("SSH_ASKPASS", program.to_str().unwrap());
    env.set("SSH_ASKPASS_REQUIRE", "force");
}

/// What `verify_dsse.py` says of the envelope and a public key. It writes the key for `sigstore_says`.
#[must_use]
fn securesystemslib_says(env: &TestEnv, key: &str) -> CommandOutput {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/verify_dsse.py");
    let python = tools::attestation_verifiers().join("python");
    let (envelope, public, pem) = (format!("{PLACE}.dsse.json"), format!("{key}.pub"), format!("{key}.pem"));
    let args = [script.to_str().unwrap(), &envelope, &public, "data/captures", &pem];
    env.run_in("repo", python.to_str().unwrap(), args)
}

/// What sigstore's verifier says.
#[must_use]
fn sigstore_says(env: &TestEnv, key: &str) -> CommandOutput {
    let modules = tools::sigstore_modules();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/verify_dsse.js");
    let mut node = Command::new(tools::node_bin().join("node"));
    node.arg(script).arg(env.repo(format!("{PLACE}.dsse.json"))).arg(format!("{key}.pem")).env("NODE_PATH", modules);
    run_command(&mut node)
}

/// Both verifiers accept the envelope by this key, and neither by another.
fn is_accepted(env: &TestEnv, key: &str, other: &str) {
    securesystemslib_says(env, other).fails(1);
    sigstore_says(env, other).fails(1);
    securesystemslib_says(env, key).ok();
    assert!(sigstore_says(env, key).ok().stdout.starts_with("verified SHA256:"));
}

/// Every kind of key, without an agent: one is started for the call, and ended.
#[test]
fn envelopes_of_every_kind_of_key_are_accepted() {
    let mut env = TestEnv::two_runs();
    fs::create_dir(env.path("tmp")).unwrap();
    env.set("TMPDIR", env.path("tmp").to_str().unwrap());
    let other = env.make_ssh_key("other", "ed25519", "");
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let key = env.make_ssh_key(kind, kind, "");
        env.sign_with_ssh(&key);
        let output = env.hook(["attest", FIRST, "--dsse"]).ok();
        assert_eq!(output.stdout, format!("{PLACE}.intoto.json\n"));
        is_accepted(&env, &key, &other);
        // An ECDSA signature is another each time; each must be accepted, with a short number, too.
        for _ in 0..if kind == "ecdsa" { 8 } else { 0 } {
            env.hook(["attest", FIRST, "--dsse"]).ok();
            securesystemslib_says(&env, &key).ok();
        }
    }
    no_agent_is_left(&env);
}

/// An agent that was started for a call removes its socket when it ends.
fn no_agent_is_left(env: &TestEnv) {
    for _ in 0..100 {
        if files(&env.path("tmp")).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("an agent is left: {:?}", files(&env.path("tmp")));
}

/// A key with a passphrase: in the user's agent nothing is asked; without an agent it is asked for once.
#[test]
fn a_passphrase_is_asked_for_once() {
    let mut env = TestEnv::two_runs();
    fs::create_dir(env.path("tmp")).unwrap();
    env.set("TMPDIR", env.path("tmp").to_str().unwrap());
    let other = env.make_ssh_key("other", "ed25519", "");
    let key = env.make_ssh_key("key", "ed25519", "secret");
    env.sign_with_ssh(&key);
    give_passphrase(&mut env, "secret");
    env.hook(["attest", FIRST, "--dsse"]).ok();
    assert_eq!(fs::read_to_string(env.path("home/asked")).unwrap(), "asked\n");
    is_accepted(&env, &key, &other);
    no_agent_is_left(&env);
    // The user gives up: nothing is written, and no agent is left either.
    fs::remove_dir_all(env.repo("attestations")).unwrap();
    fs::write(env.path("home/askpass"), "#!/bin/sh\nexit 1\n").unwrap();
    env.hook(["attest", FIRST, "--dsse"]).fails(4);
    assert!(!env.repo("attestations").exists());
    no_agent_is_left(&env);
    let agent = TestAgent::start(&mut env, &key, "secret");
    fs::remove_file(env.path("home/asked")).unwrap();
    env.hook(["attest", FIRST, "--dsse"]).ok();
    assert!(!env.path("home/asked").exists());
    is_accepted(&env, &key, &other);
    drop(agent);
}

/// An agent that has other keys, or is gone, is no obstacle for a key in a file.
#[test]
fn an_agent_without_the_key_is_passed_over() {
    let mut env = TestEnv::two_runs();
    let other = env.make_ssh_key("other", "ed25519", "");
    let key = env.make_ssh_key("key", "ed25519", "");
    env.sign_with_ssh(&key);
    let agent = TestAgent::start(&mut env, &other, "");
    env.hook(["attest", FIRST, "--dsse"]).ok();
    is_accepted(&env, &key, &other);
    // The private key is nowhere.
    fs::rename(&key, env.path("home/moved")).unwrap();
    env.sign_with_ssh(&format!("{key}.pub"));
    env.hook(["attest", FIRST, "--dsse"]).fails(4);
    fs::rename(env.path("home/moved"), &key).unwrap();
    drop(agent);
    fs::write(env.path("home/socket"), "").unwrap();
    env.set("SSH_AUTH_SOCK", env.path("home/socket").to_str().unwrap());
    env.hook(["attest", FIRST, "--dsse"]).ok();
    is_accepted(&env, &key, &other);
}

/// Keys whose signature no verifier of envelopes takes, and OpenPGP keys.
#[test]
fn other_keys_sign_no_envelope() {
    let env = TestEnv::two_runs();
    let key = env.path("home/long").to_str().unwrap().to_owned();
    env.run_in(".", "ssh-keygen", ["-q", "-t", "ecdsa", "-b", "384", "-N", "", "-f", &key]).ok();
    env.sign_with_ssh(&key);
    let output = env.hook(["attest", FIRST, "--dsse"]).fails(3);
    assert!(output.stderr.contains("ecdsa-sha2-nistp384"), "{}", output.stderr);
    env.make_gpg_key("Ada <ada@example.org>");
    env.git(["config", "--global", "gpg.format", "openpgp"]).ok();
    env.git(["config", "--global", "user.signingKey", "ada@example.org"]).ok();
    let output = env.hook(["attest", FIRST, "--dsse"]).fails(3);
    assert!(output.stderr.contains("envelopes need an SSH key"), "{}", output.stderr);
    assert!(!env.repo("attestations").exists());
    env.stop_gpg_agent();
}

/// `verify` says that an envelope is not verified, and finds one of another statement.
#[test]
fn an_envelope_holds_the_statement_beside_it() {
    let env = TestEnv::two_runs();
    env.attested_by_ssh();
    env.hook(["attest", FIRST, "--dsse"]).ok();
    let output = env.verify_first().ok();
    let said = format!("{PLACE}.dsse.json: its signature is not verified here: see docs/publish.md");
    assert!(output.stderr.contains(&said), "{}", output.stderr);
    let envelope = env.repo(format!("{PLACE}.dsse.json"));
    let text = fs::read_to_string(&envelope).unwrap();
    fs::write(&envelope, text.replacen("\"payload\": \"ey", "\"payload\": \"eX", 1)).unwrap();
    let output = env.verify_first().fails(1);
    assert!(output.stdout.contains(&format!("other_envelope  {PLACE}.dsse.json: ")), "{}", output.stdout);
}

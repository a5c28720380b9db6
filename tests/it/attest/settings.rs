//! Which key and program `attest` uses: git's own settings, and nothing that a repository can set.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use super::PLACE;
use super::dsse::TestAgent;
use crate::env::{FIRST, TestEnv};

/// A user who never signed is told what to type.
#[test]
fn without_a_key_the_error_says_what_to_type() {
    let env = TestEnv::two_runs();
    assert_snapshot!(env.screen(&env.hook(["attest", FIRST]).fails(3)), @r"
    error: git has no signing key for the format openpgp
    hint: sign with an SSH key: `git config --global gpg.format ssh && git config --global user.signingKey ~/.ssh/id_[commit].pub`
    hint: or with an OpenPGP key of `gpg --list-secret-keys`: `git config --global user.signingKey KEY`
    ");
    env.git(["config", "--global", "gpg.format", "ssh"]).ok();
    assert_snapshot!(env.screen(&env.hook(["attest", FIRST]).fails(3)), @r"
    error: git has no signing key for the format ssh
    hint: name one: `git config --global user.signingKey ~/.ssh/id_[commit].pub`
    ");
    env.git(["config", "--global", "gpg.format", "x509"]).ok();
    assert_snapshot!(env.screen(&env.hook(["attest", FIRST]).fails(3)), @r"
    error: git's `gpg.format` is x509, which is not supported here
    hint: sign with an SSH key: `git config --global gpg.format ssh && git config --global user.signingKey ~/.ssh/id_[commit].pub`
    ");
    env.stop_gpg_agent();
}

/// A key itself in the settings, `key::LINE`, and `gpg.ssh.defaultKeyCommand`: the agent holds the private key.
#[test]
fn a_key_in_the_agent_is_named_as_git_names_it() {
    let mut env = TestEnv::two_runs();
    let key = env.make_ssh_key("key", "ed25519", "");
    let agent = TestAgent::start(&mut env, &key, "");
    let line = fs::read_to_string(format!("{key}.pub")).unwrap().trim().to_owned();
    fs::remove_file(&key).unwrap();
    env.sign_with_ssh(&format!("key::{line}"));
    env.hook(["attest", FIRST]).ok();
    let signature = fs::read(env.repo(format!("{PLACE}.intoto.json.sig"))).unwrap();
    let again = |env: &TestEnv| {
        fs::remove_dir_all(env.repo("attestations")).unwrap();
        env.hook(["attest", FIRST, "--dsse"]).ok();
        assert_eq!(fs::read(env.repo(format!("{PLACE}.intoto.json.sig"))).unwrap(), signature);
    };
    env.sign_with_ssh(&line);
    again(&env);
    env.git(["config", "--global", "--unset", "user.signingKey"]).ok();
    env.git(["config", "--global", "gpg.ssh.defaultKeyCommand", "ssh-add -L"]).ok();
    again(&env);
    env.git(["config", "--global", "gpg.ssh.defaultKeyCommand", "echo \"no key\""]).ok();
    env.hook(["attest", FIRST]).fails(3);
    drop(agent);
}

/// `~` in a path is the user's home, and the program is the one that git calls.
#[test]
fn paths_and_programs_are_those_of_git() {
    let env = TestEnv::two_runs();
    env.make_ssh_key("key", "ed25519", "");
    env.sign_with_ssh("~/key");
    let program = env.path("home/sign program");
    fs::write(&program, "#!/bin/sh\necho \"$@\" >> \"$HOME/calls\"\nexec ssh-keygen \"$@\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    env.git(["config", "--global", "gpg.ssh.program", "~/sign program"]).ok();
    env.hook(["attest", FIRST]).ok();
    let calls = fs::read_to_string(env.path("home/calls")).unwrap();
    let expected = format!("-Y sign -n git -f {} ", env.path("home/key").display());
    assert!(calls.starts_with(&expected), "{calls}");
}

/// Settings in a tracked file, which `include.path` reads, choose neither a key nor a program.
#[test]
fn a_tracked_file_chooses_no_program() {
    let env = TestEnv::two_runs();
    env.attested_by_ssh();
    let settings = "[gpg \"ssh\"]\n\tprogram = /bin/true\n\tallowedSignersFile = /dev/null\n";
    fs::write(env.repo(".gitsettings"), settings).unwrap();
    env.git(["config", "include.path", "../.gitsettings"]).ok();
    assert_snapshot!(env.screen(&env.hook(["attest", FIRST]).fails(3)), @r"
    error: .gitsettings sets git's `gpg.ssh.program`, and it is a file of this repository
    hint: remove the line, or the setting that reads the file: `git config --show-origin --get-all include.path`
    ");
    env.verify_first().fails(3);
    // What the user includes from elsewhere counts.
    fs::rename(env.repo(".gitsettings"), env.path("home/settings")).unwrap();
    fs::write(env.path("home/settings"), "[gpg \"ssh\"]\n\tprogram = ssh-keygen\n").unwrap();
    env.git(["config", "include.path", env.path("home/settings").to_str().unwrap()]).ok();
    env.hook(["attest", FIRST]).ok();
}

/// An allowed signers file of the repository proves nothing: it counts only if the user types it.
#[test]
fn a_repository_does_not_say_who_is_trusted() {
    let env = TestEnv::two_runs();
    let key = env.attested_by_ssh();
    let allowed = env.allow_signer("", &key);
    fs::copy(allowed, env.repo("allowed_signers")).unwrap();
    for file in [env.repo("allowed_signers").to_str().unwrap(), "allowed_signers"] {
        env.git(["config", "gpg.ssh.allowedSignersFile", file]).ok();
        let output = env.verify_first().fails(1);
        assert!(output.stdout.contains("not_verified"), "{}", output.stdout);
        assert!(output.stdout.contains("a file of this repository, which can name anybody"), "{}", output.stdout);
    }
    env.hook(["verify", "--attestation", FIRST, "--allowed-signers", "allowed_signers"]).ok();
}

//! Statements and signatures that are of something else, or by somebody else. What is wrong in itself is found always;
//! whether a key is trusted only if the reader says whom to trust.

use std::fs;
use std::path::Path;

use super::{TRUSTED, changed, edit, findings, received, relist, statement_of, verify};
use crate::env::{FIRST, PLUME, TestEnv};

/// Swaps two files.
fn swap(a: &Path, b: &Path) {
    let (first, second) = (fs::read(a).unwrap(), fs::read(b).unwrap());
    fs::write(a, second).unwrap();
    fs::write(b, first).unwrap();
}

/// Who may sign: one line, and its options.
fn allow(env: &TestEnv, options: &str, key: &str) {
    env.allow_signer(options, env.path("home").join(key).to_str().unwrap());
}

/// Signs a statement of the changed export anew.
fn sign(env: &TestEnv, statement: &str, key: &str) {
    let file = env.path("changed").join(statement);
    let key = env.path("home").join(key);
    let _ = fs::remove_file(file.with_extension("json.sig"));
    let args = ["-q", "-Y", "sign", "-n", "git", "-f", key.to_str().unwrap(), file.to_str().unwrap()];
    env.run_in(".", "ssh-keygen", args).ok();
}

/// Statements that were swapped between runs, with their signatures or without, are found whatever the list says.
#[test]
fn a_statement_of_another_run_is_found() {
    let env = received();
    let (first, second) = (statement_of(FIRST), statement_of(PLUME));
    for with_signatures in [false, true] {
        let dir = changed(&env, "both", |dir| {
            swap(&dir.join(&first), &dir.join(&second));
            for statement in [&first, &second] {
                relist(dir, statement);
            }
            if with_signatures {
                swap(&dir.join(format!("{first}.sig")), &dir.join(format!("{second}.sig")));
            }
        });
        for args in [&[][..], &TRUSTED] {
            let found = findings(&env, dir, args);
            for named in [&first, &second] {
                assert!(found.contains(&format!("statement {named}")), "{found:?}");
                let signature = format!("signature {named}.sig");
                assert_eq!(found.contains(&signature), !with_signatures, "{found:?}");
            }
            for run in [FIRST, PLUME] {
                assert!(found.contains(&format!("no_statement {run}/")), "{found:?}");
            }
        }
    }
    // The statement of the only run is another's.
    let dir = changed(&env, "one", |dir| {
        for suffix in ["", ".sig"] {
            let other = env.path("both").join(format!("{second}{suffix}"));
            fs::copy(other, dir.join(format!("provenance/run.intoto.json{suffix}"))).unwrap();
        }
        relist(dir, "provenance/run.intoto.json");
    });
    let found = findings(&env, dir, &TRUSTED);
    assert!(found.contains(&format!("no_statement {FIRST}/")), "{found:?}");
    assert!(found.contains(&format!("statement {PLUME}/steps.parquet")), "{found:?}");
}

/// A signature that is of another statement, or is none, is found with and without a word of whom to trust.
#[test]
fn a_signature_of_something_else_is_found() {
    let env = received();
    let (first, second) = (statement_of(FIRST), statement_of(PLUME));
    let expected = [format!("signature {first}.sig")];
    let of_other = changed(&env, "both", |dir| {
        fs::copy(dir.join(format!("{second}.sig")), dir.join(format!("{first}.sig"))).unwrap();
    });
    assert_eq!(findings(&env, of_other, &[]), expected);
    assert_eq!(findings(&env, of_other, &TRUSTED), expected);
    for garbage in ["", "x", "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n"] {
        let dir = changed(&env, "both", |dir| fs::write(dir.join(format!("{first}.sig")), garbage).unwrap());
        assert_eq!(findings(&env, dir, &[]), expected, "{garbage}");
        assert_eq!(findings(&env, dir, &TRUSTED), expected, "{garbage}");
    }
    let envelope = format!("provenance/{FIRST}.dsse.json");
    let dir = changed(&env, "both", |dir| fs::write(dir.join(&envelope), "{}").unwrap());
    assert_eq!(findings(&env, dir, &[]), [format!("signature {envelope}")]);
    // A statement is canonical, or two readers could see two.
    let dir = changed(&env, "both", |dir| {
        edit(&dir.join(&first), |text| format!("{text}\n"));
        relist(dir, &first);
    });
    let found = findings(&env, dir, &[]);
    assert!(found.contains(&format!("statement {first}")), "{found:?}");
}

/// Another key, an expired one, one that may not sign for git, no signature: findings once the reader says whom to trust,
/// and never taken for trusted.
#[test]
fn a_key_that_is_not_trusted_is_named() {
    let env = received();
    let statement = "provenance/run.intoto.json";
    let expected = [format!("signature {statement}.sig")];
    env.make_ssh_key("other", "ed25519", "");
    let dir = changed(&env, "one", |_| {});
    sign(&env, statement, "other");
    assert_eq!(findings(&env, dir, &[]), [""; 0]);
    let said = verify(&env, dir, &TRUSTED).fails(1).stdout;
    assert!(said.contains("the allowed signers do not have the ED25519 key SHA256:"), "{said}");
    assert_eq!(findings(&env, dir, &TRUSTED), expected);
    let dir = changed(&env, "one", |_| {});
    for (options, words) in [
        ("valid-before=\"20200101\"", "an SSH signature holds no time"),
        ("valid-after=\"20900101\"", "an SSH signature holds no time"),
        ("namespaces=\"file\"", "for git"),
    ] {
        allow(&env, options, "key");
        assert_eq!(findings(&env, dir, &[]), [""; 0]);
        assert_eq!(findings(&env, dir, &TRUSTED), expected, "{options}");
        let said = verify(&env, dir, &TRUSTED).fails(1).stdout;
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    allow(&env, "", "key");
    assert_eq!(findings(&env, dir, &TRUSTED), [""; 0]);
    assert_eq!(findings(&env, dir, &["--allowed-signers", "home/none"]), expected);
    fs::remove_file(env.path("changed").join(format!("{statement}.sig"))).unwrap();
    assert_eq!(findings(&env, dir, &[]), [""; 0]);
    assert_eq!(findings(&env, dir, &TRUSTED), [format!("signature {statement}")]);
}

/// In a repository, git's settings of the reader say whom to trust; a file of the repository does not count, nor do settings
/// that came with the export.
#[test]
fn a_repository_does_not_say_whom_to_trust() {
    let mut env = received();
    env.set("PATH", "/usr/bin:/bin");
    env.git_in(".", ["init", "-q", "clone"]).ok();
    fs::rename(env.path("both"), env.path("clone/both")).unwrap();
    fs::copy(env.path("home/allowed_signers"), env.path("clone/allowed_signers")).unwrap();
    let said = |dir: &str| env.run_in(dir, crate::env::BIN, ["verify", "both"]).ok().stdout;
    // `attested_by_ssh` set it.
    env.git_in("clone", ["config", "--global", "gpg.ssh.allowedSignersFile", "~/allowed_signers"]).ok();
    assert!(said("clone").contains("2 statements signed by ada@example.org"), "{}", said("clone"));
    for file in ["allowed_signers", env.path("clone/allowed_signers").to_str().unwrap()] {
        env.git_in("clone", ["config", "--global", "gpg.ssh.allowedSignersFile", file]).ok();
        assert!(said("clone").contains("2 statements with a signature that is not verified"), "{}", said("clone"));
    }
    // The reader's own settings say that the key has expired.
    allow(&env, "valid-before=\"20200101\"", "key");
    env.git_in("clone", ["config", "--global", "gpg.ssh.allowedSignersFile", "~/allowed_signers"]).ok();
    env.run_in("clone", crate::env::BIN, ["verify", "both"]).fails(1);
    // An archive can hold a `.git` whose settings name a program.
    let evil = env.script("evil", "#!/bin/sh\ntouch \"$HOME/called\"\n");
    let inside = "clone/both";
    env.git_in(inside, ["init", "-q"]).ok();
    env.git_in(inside, ["config", "gpg.ssh.program", &evil]).ok();
    let output = env.run_in(inside, crate::env::BIN, ["verify", "."]).fails(1);
    assert!(output.stdout.contains("extra        .git/config: SHA256SUMS does not name it"), "{}", output.both());
    assert!(!env.path("home/called").exists());
}

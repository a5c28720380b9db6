//! What `verify --attestation` finds: each change of a run, of a statement, of a signature or of a key is named.

use std::fs;

use super::PLACE;
use crate::env::{CommandOutput, FIRST, PLUME, TestEnv};

/// The findings that are printed: problem and file.
fn findings(output: CommandOutput) -> Vec<String> {
    let output = output.fails(1);
    assert!(!output.both().contains("all as attested"), "{}", output.both());
    let lines = output.stdout.lines().filter_map(|line| line.split_once(": ")?.0.split_once(' '));
    let is_finding = |problem: &str| problem.contains('_') || ["missing", "extra", "changed"].contains(&problem);
    lines
        .filter(|(problem, _)| is_finding(problem))
        .map(|(problem, file)| format!("{problem} {}", file.trim()))
        .collect()
}

fn data(name: &str) -> String {
    format!("data/captures/{FIRST}/{name}")
}

/// One byte changed, one file added, one removed: each is named, in the workspace and in the cache.
#[test]
fn every_changed_byte_is_found() {
    let env = TestEnv::two_runs();
    env.attested_by_ssh();
    let (run_json, steps) = (env.repo(data("run.json")), env.repo(data("steps.parquet")));
    let (old_json, mut bytes) = (fs::read(&run_json).unwrap(), fs::read(&steps).unwrap());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&steps).unwrap();
    fs::write(&steps, &bytes).unwrap();
    assert_eq!(findings(env.verify_first()), [format!("changed {FIRST}/steps.parquet")]);
    fs::remove_file(&run_json).unwrap();
    fs::write(env.repo(data("added")), "").unwrap();
    fs::create_dir(env.repo(data("folder"))).unwrap();
    fs::write(env.repo(data("folder/added")), "").unwrap();
    let expected = ["extra added", "extra folder/added", "missing run.json", "changed steps.parquet"];
    let expected = expected.map(|line| line.replacen(' ', &format!(" {FIRST}/"), 1));
    assert_eq!(findings(env.verify_first()), expected);
    bytes[middle] ^= 1;
    fs::write(&steps, bytes).unwrap();
    fs::write(&run_json, old_json).unwrap();
    fs::remove_file(env.repo(data("added"))).unwrap();
    fs::remove_dir_all(env.repo(data("folder"))).unwrap();
    env.verify_first().ok();
    // Without the workspace's files, the cache's.
    fs::remove_dir_all(env.repo("data/captures/nav")).unwrap();
    let output = env.verify_first().ok();
    assert!(output.stdout.contains("read from the cache"), "{}", output.stdout);
}

/// The cache's objects are read, and a changed or missing one is named.
#[test]
fn a_damaged_object_of_the_cache_is_found() {
    let env = TestEnv::two_runs();
    env.attested_by_ssh();
    let object_of = |name: &str| {
        let md5 = env.run_in("repo", "md5sum", [data(name)]).ok().stdout;
        env.repo(format!(".dvc/cache/files/md5/{}/{}", &md5[..2], &md5[2..32]))
    };
    let (changed, missing) = (object_of("run.json"), object_of("steps.jsonl.gz"));
    fs::remove_dir_all(env.repo("data/captures/nav")).unwrap();
    fs::remove_file(&missing).unwrap();
    fs::remove_file(&changed).unwrap();
    fs::write(&changed, "{}").unwrap();
    let expected = [format!("changed {FIRST}/run.json"), format!("missing {FIRST}/steps.jsonl.gz")];
    assert_eq!(findings(env.verify_first()), expected);
}

/// Statements or signatures that change places are found, though each is genuine.
#[test]
fn swapped_statements_and_signatures_are_found() {
    let env = TestEnv::two_runs();
    env.attested_by_ssh();
    env.hook(["attest", PLUME]).ok();
    let (statement, signature) = (format!("{PLACE}.intoto.json"), format!("{PLACE}.intoto.json.sig"));
    let other = format!("attestations/{PLUME}.intoto.json");
    let original = fs::read(env.repo(&statement)).unwrap();
    fs::copy(env.repo(format!("{other}.sig")), env.repo(&signature)).unwrap();
    assert_eq!(findings(env.verify_first()), [format!("bad_signature {signature}")]);
    fs::copy(env.repo(&other), env.repo(&statement)).unwrap();
    let output = env.verify_first();
    assert!(
        output.stdout.contains(&format!("it is the statement of `{PLUME}`, not of `{FIRST}`")),
        "{}",
        output.stdout
    );
    assert_eq!(findings(output), [format!("other_run {statement}")]);
    let edited = String::from_utf8(original).unwrap().replacen("capture_ingest", "capture_ingesT", 1);
    fs::write(env.repo(&statement), edited).unwrap();
    assert_eq!(findings(env.verify_first()), [format!("bad_signature {signature}")]);
    fs::write(env.repo(&statement), "{}").unwrap();
    let expected = [format!("not_a_statement {statement}"), format!("bad_signature {signature}")];
    assert_eq!(findings(env.verify_first()), expected);
}

/// Another key, an expired one, one that may not sign for git, no trusted key at all, no signature: never `ok`.
#[test]
fn only_a_trusted_key_verifies() {
    let env = TestEnv::two_runs();
    let key = env.attested_by_ssh();
    let signature = format!("{PLACE}.intoto.json.sig");
    env.verify_first().ok();
    let other = env.make_ssh_key("other", "ed25519", "");
    env.allow_signer("namespaces=\"git\"", &other);
    assert_eq!(findings(env.verify_first()), [format!("unknown_key {signature}")]);
    env.allow_signer("namespaces=\"file\"", &key);
    assert_eq!(findings(env.verify_first()), [format!("unknown_key {signature}")]);
    env.allow_signer("valid-before=\"20200101\"", &key);
    let output = env.verify_first();
    assert!(output.stdout.contains("key has expired") || output.stdout.contains("has expired"), "{}", output.stdout);
    assert!(output.stdout.contains("an SSH signature holds no time"), "{}", output.stdout);
    assert_eq!(findings(output), [format!("expired_key {signature}")]);
    env.allow_signer("valid-after=\"20900101\"", &key);
    assert_eq!(findings(env.verify_first()), [format!("expired_key {signature}")]);
    env.git(["config", "--global", "--unset", "gpg.ssh.allowedSignersFile"]).ok();
    let output = env.verify_first();
    assert!(output.stdout.contains("unsigned or not verified: no signer is trusted"), "{}", output.stdout);
    assert_eq!(findings(output), [format!("not_verified {signature}")]);
    env.allow_signer("", &key);
    env.hook(["verify", "--attestation", FIRST, "--allowed-signers", "../home/none"]).fails(1);
    env.hook(["verify", "--attestation", FIRST, "--allowed-signers", "../home/allowed_signers"]).ok();
    fs::remove_file(env.repo(&signature)).unwrap();
    let output = env.hook(["verify", "--attestation", FIRST, "--allowed-signers", "../home/allowed_signers"]);
    assert!(output.stdout.contains("unsigned or not verified: it has no signature"), "{}", output.stdout);
    assert_eq!(findings(output), [format!("not_verified {PLACE}.intoto.json")]);
}

/// An OpenPGP key that has expired or is revoked, and changed bytes.
#[test]
fn only_a_living_openpgp_key_verifies() {
    let env = TestEnv::two_runs();
    env.make_gpg_key("Ada <ada@example.org>");
    env.hook(["attest", FIRST]).ok();
    env.verify_first().ok();
    let (statement, signature) = (format!("{PLACE}.intoto.json"), format!("{PLACE}.intoto.json.asc"));
    let original = fs::read_to_string(env.repo(&statement)).unwrap();
    fs::write(env.repo(&statement), original.replacen("capture_ingest", "capture_ingesT", 1)).unwrap();
    assert_eq!(findings(env.verify_first()), [format!("bad_signature {signature}")]);
    fs::write(env.repo(&statement), original).unwrap();
    let keys = env.run_in(".", "gpg", ["--list-keys", "--with-colons"]).ok().stdout;
    let fingerprint = keys.lines().find_map(|line| line.strip_prefix("fpr:::::::::")?.strip_suffix(':')).unwrap();
    env.run_in(".", "gpg", ["--batch", "--quick-set-expire", fingerprint, "seconds=1"]).ok();
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert_eq!(findings(env.verify_first()), [format!("expired_key {signature}")]);
    fs::write(env.repo(&signature), "x").unwrap();
    assert_eq!(findings(env.verify_first()), [format!("bad_signature {signature}")]);
    env.stop_gpg_agent();
}

/// A signature by somebody unknown takes nothing from a verified one; one of other bytes does.
#[test]
fn a_second_signature_is_looked_at_too() {
    let env = TestEnv::two_runs();
    env.attested_by_ssh();
    env.make_gpg_key("Ada <ada@example.org>");
    env.git(["config", "--global", "gpg.format", "openpgp"]).ok();
    env.git(["config", "--global", "user.signingKey", "ada@example.org"]).ok();
    env.hook(["attest", FIRST]).ok();
    let output = env.verify_first().ok();
    assert_eq!(output.stdout.matches("signed by ").count(), 2, "{}", output.stdout);
    env.stop_gpg_agent();
    fs::rename(env.path("home/.gnupg"), env.path("home/hers")).unwrap();
    let output = env.verify_first().ok();
    assert_eq!(output.stdout.matches("signed by ").count(), 1, "{}", output.stdout);
    fs::write(env.repo(format!("{PLACE}.intoto.json.sig")), "x").unwrap();
    let expected = [format!("unknown_key {PLACE}.intoto.json.asc"), format!("bad_signature {PLACE}.intoto.json.sig")];
    assert_eq!(findings(env.verify_first()), expected);
    env.stop_gpg_agent();
}

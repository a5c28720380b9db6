//! `attest` and `verify --attestation` with real keys, and what other verifiers say of the same files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use serde_json::Value;

use crate::env::{CommandOutput, FIRST, PLUME, THIRD, TestEnv, files, schema_of};
use crate::tools;

mod dsse;
mod findings;
mod settings;

/// Where the first run's attestation is, but for what its file names end in.
const PLACE: &str = "attestations/nav/run-20261124-021550";

impl TestEnv {
    /// Makes an SSH key in HOME and returns its file.
    pub fn make_ssh_key(&self, name: &str, kind: &str, passphrase: &str) -> String {
        let file = self.path("home").join(name).to_str().unwrap().to_owned();
        self.run_in(".", "ssh-keygen", ["-q", "-t", kind, "-N", passphrase, "-C", name, "-f", &file]).ok();
        file
    }

    /// Sets git up to sign with an SSH key, in the user's own settings.
    pub fn sign_with_ssh(&self, key: &str) {
        self.git(["config", "--global", "gpg.format", "ssh"]).ok();
        self.git(["config", "--global", "user.signingKey", key]).ok();
    }

    /// Writes an allowed signers file with one line: who, options, key.
    pub fn allow_signer(&self, options: &str, key: &str) -> String {
        let public = fs::read_to_string(format!("{key}.pub")).unwrap();
        let file = self.path("home/allowed_signers");
        fs::write(&file, format!("ada@example.org {options} {public}")).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// An SSH key, its attestation of the first run, and an allowed signers file that git's settings name.
    pub fn attested_by_ssh(&self) -> String {
        let key = self.make_ssh_key("key", "ed25519", "");
        self.sign_with_ssh(&key);
        self.hook(["attest", FIRST]).ok();
        let allowed = self.allow_signer("namespaces=\"git\"", &key);
        self.git(["config", "--global", "gpg.ssh.allowedSignersFile", &allowed]).ok();
        key
    }

    /// Makes an OpenPGP key that signs.
    fn make_gpg_key(&self, name: &str) {
        let home = self.path("home/.gnupg");
        fs::create_dir_all(&home).unwrap();
        fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let make = ["--batch", "--quiet", "--passphrase", "", "--quick-gen-key", name, "ed25519", "sign", "never"];
        self.run_in(".", "gpg", make).ok();
    }

    fn stop_gpg_agent(&self) {
        self.run_in(".", "gpgconf", ["--kill", "gpg-agent"]).ok();
    }

    /// A command line as a reviewer types it, in the repository.
    #[must_use]
    fn shell(&self, line: &str) -> CommandOutput {
        self.run_in("repo", "sh", ["-c", line])
    }

    fn verify_first(&self) -> CommandOutput {
        self.hook(["verify", "--attestation", FIRST])
    }
}

/// What `verify_statement.py` says of statements in the repository.
#[must_use]
fn verify_statements(env: &TestEnv, statements: &[&str]) -> CommandOutput {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/verify_statement.py");
    let python = tools::attestation_verifiers().join("python");
    let args = [script.to_str().unwrap()].into_iter().chain(statements.iter().copied());
    env.run_in("repo", python.to_str().unwrap(), args)
}

/// A signed statement is accepted by ssh-keygen alone, by in-toto's own reader, and by `verify`.
#[test]
fn a_statement_signed_by_ssh_is_accepted_by_every_reader() {
    let env = TestEnv::two_runs();
    let key = env.make_ssh_key("key", "ed25519", "");
    env.sign_with_ssh(&format!("{key}.pub"));
    // Git takes the public key's file as well, and so does this.
    let output = env.hook(["attest", FIRST]).ok();
    assert_eq!(output.stdout, format!("{PLACE}.intoto.json\n"));
    let fingerprint = env.run_in(".", "ssh-keygen", ["-lf", &key]).ok().stdout;
    let fingerprint = fingerprint.split(' ').nth(1).unwrap();
    assert!(output.stderr.contains(&format!("signed with the ssh key {fingerprint}")), "{}", output.stderr);
    assert!(output.stderr.contains("git add attestations && git commit"), "{}", output.stderr);
    let said = verify_statements(&env, &[&format!("{PLACE}.intoto.json")]).ok().stdout;
    let subjects = files(&env.repo("data/captures").join(FIRST)).len();
    assert!(said.starts_with(&format!("{subjects} subjects, ")), "{said}");
    let allowed = env.allow_signer("namespaces=\"git\"", &key);
    let reviewer = format!(
        "ssh-keygen -Y verify -f {allowed} -I ada@example.org -n git -s {PLACE}.intoto.json.sig < {PLACE}.intoto.json"
    );
    assert!(env.shell(&reviewer).ok().stdout.starts_with("Good \"git\" signature for ada@example.org"));
    let output = env.hook(["verify", "--attestation", FIRST, "--allowed-signers", "../home/allowed_signers"]).ok();
    assert_snapshot!(env.screen(&output).replace(fingerprint, "[key]"), @r"
    signed by ada@example.org with ED25519 key [key]
    all as attested: nav/run-20261124-021550: 7 files, 12.2 KiB, read from the workspace
    --- stderr
    an SSH signature holds no time: it does not show when it was made
    ");
}

/// The same with an OpenPGP key.
#[test]
fn a_statement_signed_by_gpg_is_accepted_by_every_reader() {
    let env = TestEnv::two_runs();
    env.make_gpg_key("Ada <ada@example.org>");
    // The committer's key, for none is named.
    env.hook(["attest", FIRST]).ok();
    verify_statements(&env, &[&format!("{PLACE}.intoto.json")]).ok();
    env.shell(&format!("gpg --verify {PLACE}.intoto.json.asc {PLACE}.intoto.json")).ok();
    let output = env.verify_first().ok();
    assert!(output.stdout.contains("signed by Ada <ada@example.org> with OpenPGP key "), "{}", output.stdout);
    assert!(output.stdout.contains("all as attested: "), "{}", output.stdout);
    let keys = env.path("home/.gnupg");
    fs::rename(&keys, env.path("home/hers")).unwrap();
    env.stop_gpg_agent();
    env.make_gpg_key("Eve <eve@example.org>");
    let output = env.verify_first().fails(1);
    assert!(output.stdout.contains("unknown_key"), "{}", output.stdout);
    env.stop_gpg_agent();
}

/// A tag that is signed by the same key and settings is verified by git, too.
#[test]
fn gits_own_tags_are_verified_with_the_same_settings() {
    let env = TestEnv::two_runs();
    env.attested_by_ssh();
    env.git(["config", "tag.gpgSign", "true"]).ok();
    let tag = format!("capture/{FIRST}");
    env.git(["tag", "-d", &tag]).ok();
    env.hook(["tag"]).ok();
    env.git(["verify-tag", &tag]).ok();
    // The tag's object is made anew; the statement does not name it.
    assert!(env.hook(["attest", FIRST]).ok().stderr.lines().all(|line| !line.contains("replaced")));
    env.verify_first().ok();
}

/// Two clones make the same statement, in another time zone and locale.
#[test]
fn the_same_run_gives_the_same_statement() {
    let mut env = TestEnv::two_runs();
    env.attested_by_ssh();
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    env.git(["clone", "-q", env.path("origin.git").to_str().unwrap(), "../other"]).ok();
    env.set("TZ", "Pacific/Auckland");
    env.set("LC_ALL", "C");
    env.hook_in("other", ["attest", FIRST]).ok();
    for name in [format!("{PLACE}.intoto.json"), format!("{PLACE}.intoto.json.sig")] {
        assert_eq!(fs::read(env.repo(&name)).unwrap(), fs::read(env.path("other").join(&name)).unwrap(), "{name}");
    }
    let statement = fs::read_to_string(env.repo(format!("{PLACE}.intoto.json"))).unwrap();
    for private in ["ada@example.org", env.path("").to_str().unwrap(), "origin.git"] {
        assert!(!statement.contains(private), "{private}");
    }
}

/// What became of each file is said, and nothing is written that need not be.
#[test]
fn attesting_again_changes_nothing_unless_the_statement_is_another() {
    let env = TestEnv::two_runs();
    env.attested_by_ssh();
    let changes = |env: &TestEnv| -> String {
        let output = env.hook(["--json", "attest", FIRST]).ok();
        let json: Value = serde_json::from_str(&output.stdout).unwrap();
        let files = json["files"].as_array().unwrap().iter();
        files.map(|file| format!("{}\n", file["change"].as_str().unwrap())).collect()
    };
    assert_eq!(changes(&env), "unchanged\nunchanged\n");
    let statement = env.repo(format!("{PLACE}.intoto.json"));
    fs::write(&statement, "{}").unwrap();
    fs::write(env.repo(format!("{PLACE}.dsse.json")), "{}").unwrap();
    assert_eq!(changes(&env), "replaced\nunchanged\nremoved\n");
    env.verify_first().ok();
}

/// A run in results alone is not attested.
#[test]
fn a_run_that_is_not_committed_is_not_attested() {
    let env = TestEnv::two_runs();
    env.attested_by_ssh();
    let output = env.hook(["attest", THIRD]).fails(3);
    assert_snapshot!(env.screen(&output), @r"
    error: no commit holds sweep/run-20260106-041
    hint: it is only in the workspace; commit it: `capture-hook publish sweep/run-20260106-041`
    ");
    env.hook(["verify", "--attestation", PLUME]).fails(3);
    env.hook(["verify", "--attestation", "no-such-run"]).fails(3);
}

/// Runs of every recorder and schema, and names with blanks, `#`, `%` and letters that are not ASCII.
#[test]
fn runs_of_every_recorder_and_name_are_attested() {
    let env = TestEnv::two_runs();
    fs::write(env.repo("capture-hook.toml"), "engine = \"native\"\n").unwrap();
    let key = env.attested_by_ssh();
    let (odd, declared) = ("a b ü/r#1 50% &'x", "other/r1");
    env.record_as("ok-pypi010", odd);
    let schema = schema_of(&[("x", r#""dtype": "float64""#)]);
    env.record_declared(declared, Some(&schema), &["\"x\": 0.5", "\"x\": 1"]);
    env.hook(["publish", "--no-push", odd, declared]).ok();
    let mut statements = Vec::new();
    for run in [PLUME, odd, declared] {
        let output = env.hook(["attest", run, "--dsse"]).ok();
        let statement = format!("attestations/{run}.intoto.json");
        assert_eq!(output.stdout, format!("{statement}\n"));
        env.hook(["verify", "--attestation", run]).ok();
        let allowed = env.path("home/allowed_signers");
        let line = "ssh-keygen -Y verify -f \"$1\" -I ada@example.org -n git -s \"$2.sig\" < \"$2\"";
        env.run_in("repo", "sh", ["-c", line, "sh", allowed.to_str().unwrap(), &statement]).ok();
        statements.push(statement);
    }
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    assert_eq!(verify_statements(&env, &statements).ok().stdout.lines().count(), 3);
    // The address and the tag of a published repository, where the tag's name is escaped.
    let text = fs::read_to_string(env.repo(statements[1])).unwrap();
    assert!(text.contains("\"uri\":\"swh:1:rev:"), "{text}");
    let settings = "engine = \"native\"\n[dataset]\nrepository = \"https://example.org/runs.git\"\n";
    fs::write(env.repo("capture-hook.toml"), settings).unwrap();
    env.git(["add", "capture-hook.toml"]).ok();
    env.git(["commit", "-qm", "Say where the repository is"]).ok();
    env.sign_with_ssh(&key);
    let output = env.hook(["attest", odd]).ok();
    assert!(output.stderr.contains("replaced ") && output.stderr.contains("removed "), "{}", output.stderr);
    let text = fs::read_to_string(env.repo(statements[1])).unwrap();
    let tag = env.tags().into_iter().find(|tag| tag.starts_with("capture/a")).unwrap();
    assert!(text.contains(&format!("\"uri\":\"git+https://example.org/runs.git@refs/tags/{tag}\"")), "{text}");
    verify_statements(&env, &statements).ok();
}

/// If nothing signs, nothing is written.
#[test]
fn a_failed_signature_leaves_nothing() {
    let env = TestEnv::two_runs();
    let key = env.make_ssh_key("key", "ed25519", "");
    env.sign_with_ssh(&key);
    env.git(["config", "--global", "gpg.ssh.program", "/bin/false"]).ok();
    env.hook(["attest", FIRST]).fails(4);
    env.git(["config", "--global", "gpg.ssh.program", "/bin/true"]).ok();
    env.hook(["attest", FIRST]).fails(4);
    env.git(["config", "--global", "--unset", "gpg.ssh.program"]).ok();
    env.git(["config", "--global", "user.signingKey", "/nothing/key"]).ok();
    env.hook(["attest", FIRST]).fails(4);
    assert!(!env.repo("attestations").exists());
    // A link in the place of the folder leads nowhere.
    env.git(["config", "--global", "user.signingKey", &key]).ok();
    fs::create_dir(env.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(env.path("elsewhere"), env.repo("attestations")).unwrap();
    env.hook(["attest", FIRST]).fails(3);
    assert_eq!(files(&env.path("elsewhere")), Vec::<PathBuf>::new());
}

/// Every field of a real statement is explained on the page of its `buildType`, and no field that does not exist.
#[test]
fn every_field_of_a_statement_is_explained() {
    let env = TestEnv::two_runs();
    env.attested_by_ssh();
    fs::write(env.repo("uv.lock"), "version = 1\n").unwrap();
    let text = fs::read_to_string(env.repo(format!("{PLACE}.intoto.json"))).unwrap();
    let statement: Value = serde_json::from_str(&text).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page_of = |uri: &Value| {
        let uri = uri.as_str().unwrap();
        let path = uri.strip_prefix(capture_hook::export::statement::DOCS_URL).unwrap();
        let page = fs::read_to_string(root.join(format!("docs{path}.md"))).unwrap();
        assert!(page.contains(&format!("`{uri}`")), "the page does not name its address {uri}");
        page
    };
    let build = &statement["predicate"]["buildDefinition"];
    page_of(&statement["predicate"]["runDetails"]["builder"]["id"]);
    let page = page_of(&build["buildType"]);
    let mut fields = BTreeSet::new();
    collect_fields(&statement, "", &mut fields);
    for field in &fields {
        assert!(page.contains(&format!("\n| `{field}` | ")), "{field} is not explained");
    }
    // Those that this run lacks.
    let absent = ["predicate.buildDefinition.externalParameters.base_seed"];
    for row in page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | ")) {
        let is_field = row.0.starts_with("predicate.") || row.0.starts_with("subject");
        assert!(!is_field || fields.contains(row.0) || absent.contains(&row.0), "there is no field {}", row.0);
    }
    let by_products = &statement["predicate"]["runDetails"]["byproducts"];
    for resource in [&build["resolvedDependencies"], by_products].into_iter().flat_map(|list| list.as_array().unwrap())
    {
        let name = resource["name"].as_str().unwrap();
        let own_row = page.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let kind = if resource.get("annotations").is_some() { "the simulator's name" } else { "a file" };
        let row = own_row.or_else(|| page.lines().find(|line| line.starts_with(&format!("| {kind} |")))).unwrap();
        let mut fields = BTreeSet::new();
        collect_fields(resource, "", &mut fields);
        for field in fields.iter().filter(|field| *field != "name") {
            assert!(row.contains(&format!("`{field}`")), "{name}: {field} is not explained");
        }
    }
}

/// The paths of all values; lists of resources are explained by themselves.
fn collect_fields(value: &Value, path: &str, out: &mut BTreeSet<String>) {
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| collect_fields(value, &join(name), out)),
        Value::Array(items) if path.ends_with("subject") => {
            items.iter().for_each(|item| collect_fields(item, &format!("{path}[]"), out));
        }
        Value::Array(_) => drop(out.insert(format!("{path}[]"))),
        _ => drop(out.insert(path.to_owned())),
    }
}

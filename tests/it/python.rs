//! The Python package: built as `pip install ./python` builds it, installed, and tested from Python (`python/tests`) with
//! the real plume-nav-sim, Gymnasium, MiniGrid, MuJoCo, PettingZoo, Dask, pyarrow, Polars, pandas and DuckDB.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::env::{BIN, TestEnv, run_command, run_command_within};
use crate::tools;

/// How long one test in Python may take. Then every thread's stack is shown, and its file ends.
const TEST: &str = "faulthandler_timeout=300";
/// How long a file of them may take, and a build of the wheel.
const FILE: Duration = Duration::from_secs(30 * 60);

/// What the tests use, and what builds the wheel.
const PACKAGES: &[&str] = &[
    "distributed==2026.8.0",
    "duckdb==2.0.0",
    "gymnasium==1.4.0",
    "maturin==1.16.0",
    "mypy==2.4.1",
    "numpy==2.4.6",
    "pandas==3.1.1",
    "plume-nav-sim==0.1.0",
    "polars==2.1.0",
    "pyarrow==26.0.1",
    "pydantic==2.14.3",
    "pytest==9.2.0",
];

/// The environments that are recorded. They are apart, because the package must work without them.
const ENVIRONMENTS: &[&str] = &[
    "gymnasium==1.4.0",
    // Gymnasium's MuJoCo environments need it.
    "imageio==2.38.1",
    "minigrid==3.2.0",
    "mpe2==1.1.1",
    "mujoco==4.0.0",
    "numpy==2.4.6",
    "pettingzoo==1.27.0",
    "pyarrow==26.0.1",
    "pytest==9.2.0",
];

#[test]
fn gymnasium_environments_are_recorded_bit_by_bit() {
    pytest_with_environments("test_record.py");
}

#[test]
fn every_space_becomes_columns() {
    pytest_with_environments("test_record_spaces.py");
}

#[test]
fn vector_environments_are_recorded_in_every_autoreset_mode() {
    pytest_with_environments("test_record_vector.py");
}

#[test]
fn parallel_environments_are_recorded_by_agent() {
    pytest_with_environments("test_record_parallel.py");
}

#[test]
fn however_recording_ends_the_run_is_valid() {
    pytest_with_environments("test_record_ends.py");
}

/// Recorded, committed by the hooks with DVC, and compared with what the environments returned.
#[test]
fn recorded_environments_come_back_from_the_dataset_bit_by_bit() {
    let env = TestEnv::initialized();
    let script = |mode: &str, place: PathBuf| {
        let (_, site) = installed();
        let python = tools::venv("gym", ENVIRONMENTS).join("python");
        let mut command = env.command(python, "repo");
        command.arg(root().join("python/tests/record_real.py")).arg(mode).arg(place).arg(env.path("truth"));
        run_command(command.env("PYTHONPATH", site).env("PYTHONDONTWRITEBYTECODE", "1")).ok().stdout
    };
    script("record", env.repo("results"));
    env.git(["add", "-A"]).ok();
    let keys = ["cartpole/r1", "hopper/r1", "minigrid/r1", "spread/r1"];
    for key in keys {
        env.commit_run(key);
    }
    assert_eq!(env.runs_at("HEAD"), keys);
    env.assert_committed();
    let said = script("compare", env.repo("data/captures"));
    assert_eq!(said.lines().count(), keys.len(), "{said}");
}

#[test]
fn the_recorder_keeps_its_promises() {
    pytest("test_recorder.py");
}

#[test]
fn a_recorder_with_a_schema_checks_and_keeps_it() {
    pytest("test_recorder_schema.py");
}

#[test]
fn what_a_recorder_leaves_on_disk_is_whole() {
    pytest("test_recorder_files.py");
}

#[test]
fn plume_nav_sim_records_through_it_and_each_reads_the_other() {
    pytest("test_plume_nav_sim.py");
}

#[test]
fn reports_are_the_commands() {
    pytest("test_reports.py");
}

#[test]
fn tables_reach_arrow_libraries_without_a_copy() {
    pytest("test_tables.py");
}

#[test]
fn a_dataset_is_read_as_any_revision_has_it() {
    pytest_with_dvc("test_dataset.py");
}

#[test]
fn a_dataset_gives_out_the_committed_bytes_alone() {
    pytest_with_dvc("test_dataset_bytes.py");
}

#[test]
fn rows_of_a_dataset_reach_every_reader() {
    pytest_with_dvc("test_dataset_readers.py");
}

#[test]
fn the_page_about_notebooks_runs() {
    pytest_with_dvc("test_dataset_docs.py");
}

#[test]
fn ingest_gives_the_commands_bytes() {
    pytest("test_ingest.py");
}

#[test]
fn a_cluster_ingests_each_run_once_whoever_dies() {
    pytest("test_cluster.py");
}

#[test]
fn the_wheel_is_whole() {
    pytest("test_package.py");
}

/// `demo --env cartpole` with a Python that has the packages, and before that without one.
#[test]
fn the_demo_records_cartpole_or_says_what_to_install() {
    let mut env = TestEnv::empty();
    let demo = ["demo", "--env", "cartpole", "tour"];
    let refused = env.hook_in(".", demo).fails(3);
    for text in ["does not have gymnasium and capture_hook", "-m pip install gymnasium`", "-m pip install ./python`"] {
        assert!(refused.stderr.contains(text), "{}", refused.stderr);
    }
    assert!(!env.path("tour").exists());
    give_environments(&mut env);
    let shown = env.hook_in(".", demo).ok().stdout;
    let lines = [
        "/python record.py 1\n",
        "✓ results/cartpole/run-0001 is valid",
        "tagged capture/cartpole/run-0001",
        "$ capture-hook publish run-0002",
        "$ git checkout -q capture/cartpole/run-0001",
        "all as recorded: 2 runs",
    ];
    for line in lines {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let run = std::fs::read_to_string(env.path("tour/project/data/captures/cartpole/run-0002/run.json")).unwrap();
    assert!(run.contains("\"id\": \"CartPole-v1\""), "{run}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs one file of `python/tests` on the installed package.
fn pytest(file: &str) {
    let (python, site) = installed();
    run_pytest(python, site, file);
}

/// Runs one file of `python/tests` on the installed package, with DVC.
fn pytest_with_dvc(file: &str) {
    let (python, site) = installed();
    run_pytest_with(python, site, file, Some(&tools::dvc_bin()));
}

/// Gives a test a `python` that has this package, Gymnasium and PettingZoo, a `pip` that fails if what it is to install is not
/// there, and a checkout of the package beside the repository.
pub fn give_environments(env: &mut TestEnv) {
    let (_, site) = installed();
    let python = tools::venv("gym", ENVIRONMENTS).join("python");
    env.script("python/python", &format!("#!/bin/sh\nexec '{}' \"$@\"\n", python.display()));
    let pip = "#!/bin/sh\n\
        [ \"$1\" = install ] || exit 2\n\
        shift\n\
        for name in \"$@\"; do\n\
        \x20   case $name in\n\
        \x20   -q) ;;\n\
        \x20   */python) python -c 'import capture_hook' && grep -q '^name = \"capture-hook\"' \"$name/pyproject.toml\" ;;\n\
        \x20   dvc) dvc --version >/dev/null ;;\n\
        \x20   *) python -c 'import importlib.metadata, sys; importlib.metadata.version(sys.argv[1])' \"$name\" ;;\n\
        \x20   esac || exit 1\n\
        done\n";
    let programs = env.script("python/pip", pip);
    let programs = Path::new(&programs).parent().unwrap();
    let path = format!("{}:{}", programs.display(), env.get("PATH"));
    env.set("PATH", &path);
    env.set("PYTHONPATH", site.to_str().unwrap());
    env.set("PYTHONDONTWRITEBYTECODE", "1");
    std::os::unix::fs::symlink(root(), env.path("capture-hook")).unwrap();
}

/// Runs one file of `python/tests` with the environments.
fn pytest_with_environments(file: &str) {
    let (_, site) = installed();
    run_pytest(&tools::venv("gym", ENVIRONMENTS).join("python"), site, file);
}

fn run_pytest(python: &Path, site: &Path, file: &str) {
    run_pytest_with(python, site, file, None);
}

/// The same, with the programs of a directory before the others.
fn run_pytest_with(python: &Path, site: &Path, file: &str, programs: Option<&Path>) {
    let mut path: Vec<PathBuf> = programs.into_iter().map(Path::to_path_buf).collect();
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let temp = tempfile::Builder::new().prefix("capture-hook-py-").tempdir().unwrap();
    let mut command = Command::new(python);
    command
        .args(["-m", "pytest", "-v", "-p", "no:cacheprovider", "-o", TEST, "-o", "faulthandler_exit_on_timeout=true"])
        .arg("--basetemp")
        .arg(temp.path().join("t"))
        .arg(root().join("python/tests").join(file))
        .current_dir(temp.path())
        .env_clear()
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("HOME", temp.path())
        .env("LC_ALL", "C.UTF-8")
        .env("PYTHONPATH", site)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("CAPTURE_HOOK_SITE", site)
        .env("CAPTURE_HOOK_COMMAND", BIN)
        .env("CAPTURE_HOOK_CORPUS", root().join("tests/corpus"));
    let output = run_command_within(FILE, &mut command);
    assert_eq!(output.code, 0, "{}", output.both());
}

/// A Python that has all data the tests use, and the directory that the wheel is installed in.
fn installed() -> &'static (PathBuf, PathBuf) {
    static DONE: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    DONE.get_or_init(|| {
        let bin = tools::venv("python", PACKAGES);
        let site = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-site");
        let _ = std::fs::remove_dir_all(&site);
        let mut install = Command::new(bin.join("pip"));
        install
            .args(["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", "--target"])
            .arg(&site)
            .arg(wheel());
        run_command(&mut install).ok();
        (bin.join("python"), site)
    })
}

/// The wheel of this source.
pub fn wheel() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let bin = tools::venv("python", PACKAGES);
        let wheels = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wheels");
        let _ = std::fs::remove_dir_all(&wheels);
        std::fs::create_dir_all(&wheels).unwrap();
        // The build that `pip install ./python` does, but for the profile, the program that this test run has built
        // already, and the backend's own environment, which would be fetched anew.
        let mut path = vec![bin.clone()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let mut wheel = Command::new(bin.join("pip"));
        wheel
            .args([
                "wheel",
                "--quiet",
                "--no-deps",
                "--no-build-isolation",
                "--disable-pip-version-check",
                "--wheel-dir",
            ])
            .arg(&wheels)
            .arg(root().join("python"))
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("MATURIN_PEP517_ARGS", "--profile dev --strip false")
            .env("CAPTURE_HOOK_COMMAND", BIN);
        run_command_within(FILE, &mut wheel).ok();
        std::fs::read_dir(&wheels).unwrap().next().unwrap().unwrap().path()
    })
}

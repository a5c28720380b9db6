//! An environment for one test: an empty HOME, no variable from outside, a scratch repository, real git and real DVC.

mod declared_runs;
mod exports;
mod fixtures;
mod history_index;
mod project;
mod warm_dvc;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

pub use declared_runs::{schema_of, write_gzip};
pub use exports::EXPORTED;
pub use fixtures::{CACHE_TYPES, FIRST, PLUME, SECOND, THIRD, each_cache_type, fixtures_dir};
pub use history_index::NOTE_FILES;

use crate::limits::{self, Watch};

/// The built command.
pub const BIN: &str = env!("CARGO_BIN_EXE_capture-hook");

/// The files of DVC's views, as a commit of a run lists them.
pub const VIEWS: &str = "metrics/capture-episodes.csv\nmetrics/capture-steps.csv\nmetrics/capture.json\n";

/// The output of a program.
#[derive(Debug, Clone)]
pub struct CommandOutput {
    /// Exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    line: String,
}

impl CommandOutput {
    /// The same, having checked that it succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "`{}` failed\n--- stdout\n{}\n--- stderr\n{}", self.line, self.stdout, self.stderr);
        self
    }

    /// The same, having checked that it failed with this code.
    #[track_caller]
    pub fn fails(self, code: i32) -> Self {
        assert_eq!(self.code, code, "`{}`\n--- stdout\n{}\n--- stderr\n{}", self.line, self.stdout, self.stderr);
        self
    }

    /// Both streams.
    pub fn both(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The surroundings of one test.
pub struct TestEnv {
    // Before the directory: what still works there when a test fails is ended first.
    _watch: Option<Watch>,
    root: tempfile::TempDir,
    env: BTreeMap<String, String>,
}

impl TestEnv {
    /// An environment below `parent`: HOME with a git identity, PATH with our command, this DVC and the system's
    /// programs.
    fn new_in(parent: &Path, dvc: &Path) -> Self {
        let mut env = Self { _watch: None, env: BTreeMap::new(), root: new_root(parent) };
        let home = env.path("home");
        fs::create_dir_all(&home).unwrap();
        fs::write(
            home.join(".gitconfig"),
            "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n[protocol \"file\"]\n\tallow = always\n",
        )
        .unwrap();
        let bin = Path::new(BIN).parent().unwrap().to_path_buf();
        let git = which("git").parent().unwrap().to_path_buf();
        let path = std::env::join_paths([bin, dvc.to_path_buf(), git, "/usr/bin".into(), "/bin".into()]).unwrap();
        env.set("PATH", path.to_str().unwrap());
        env.set("HOME", home.to_str().unwrap());
        env.set("LC_ALL", "C.UTF-8");
        env.set("TMPDIR", std::env::temp_dir().to_str().unwrap());
        env.set("DVC_NO_ANALYTICS", "1");
        env.set("GIT_TERMINAL_PROMPT", "0");
        env.set("DVC_SITE_CACHE_DIR", env.path("dvc-site").to_str().unwrap());
        env
    }

    /// A copy of this environment: its variables, every file, the DVC remote's address and the links to DVC's cache.
    pub fn copy(&self) -> Self {
        self.copy_to(&std::env::temp_dir()).watched()
    }

    fn copy_to(&self, parent: &Path) -> Self {
        let root = new_root(parent);
        let (from, to) = (self.root.path().to_str().unwrap(), root.path().to_str().unwrap());
        run_command(Command::new("cp").arg("-a").arg(format!("{from}/.")).arg(to)).ok();
        let env = self.env.iter().map(|(name, value)| (name.clone(), value.replace(from, to))).collect();
        let copy = Self { _watch: None, env, root };
        let local = copy.repo(".dvc/config.local");
        if let Ok(text) = fs::read_to_string(&local) {
            fs::write(&local, text.replace(from, copy.root.path().to_str().unwrap())).unwrap();
        }
        for path in files(&copy.repo("data")) {
            let Ok(target) = fs::read_link(&path) else { continue };
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink(copy.path(target.strip_prefix(from).unwrap()), &path).unwrap();
        }
        if copy.repo(".git").exists() {
            // Its index holds the inodes of the files that were copied: git would take each file for a changed one.
            let _ = copy.git(["update-index", "-q", "--refresh"]);
        }
        copy
    }

    /// The same, with an end to what takes too long.
    fn watched(mut self) -> Self {
        self._watch = Some(Watch::over(self.root.path()));
        self
    }

    /// A path in this environment.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(relative)
    }

    /// A path in the repository.
    pub fn repo(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.path("repo").join(relative)
    }

    /// A variable of the environment.
    pub fn get(&self, name: &str) -> String {
        self.env[name].clone()
    }

    /// Sets an environment variable for everything that follows.
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.into(), value.into());
    }

    /// Removes an environment variable.
    pub fn unset(&mut self, name: &str) {
        self.env.remove(name);
    }

    /// A program with this environment's variables, ready to run in a directory of it.
    pub fn command(&self, program: impl AsRef<OsStr>, dir: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path(dir)).env_clear().envs(&self.env).stdin(Stdio::null());
        command
    }

    /// Runs a program in a directory of this environment.
    #[must_use]
    pub fn run_in<A: AsRef<OsStr>>(
        &self,
        dir: impl AsRef<Path>,
        program: &str,
        args: impl IntoIterator<Item = A>,
    ) -> CommandOutput {
        let program = self.find(program);
        let mut command = self.command(program, dir);
        command.args(args);
        run_command(&mut command)
    }

    /// `git` in the repository.
    #[must_use]
    pub fn git<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> CommandOutput {
        self.run_in("repo", "git", args)
    }

    /// `git` in a directory of this environment.
    #[must_use]
    pub fn git_in<A: AsRef<OsStr>>(&self, dir: impl AsRef<Path>, args: impl IntoIterator<Item = A>) -> CommandOutput {
        self.run_in(dir, "git", args)
    }

    /// `capture-hook` in the repository.
    #[must_use]
    pub fn hook<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> CommandOutput {
        self.run_in("repo", BIN, args)
    }

    /// `capture-hook` in a directory of this environment.
    #[must_use]
    pub fn hook_in<A: AsRef<OsStr>>(&self, dir: impl AsRef<Path>, args: impl IntoIterator<Item = A>) -> CommandOutput {
        self.run_in(dir, BIN, args)
    }

    /// The real `dvc` in the repository.
    #[must_use]
    pub fn dvc<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> CommandOutput {
        self.run_in("repo", "dvc", args)
    }

    /// The real `dvc` in a directory of this environment.
    #[must_use]
    pub fn dvc_in<A: AsRef<OsStr>>(&self, dir: impl AsRef<Path>, args: impl IntoIterator<Item = A>) -> CommandOutput {
        self.run_in(dir, "dvc", args)
    }

    /// Copies the run of a corpus case into `repo/results/` and gives its `<experiment>/<run_id>`.
    pub fn record(&self, case: &str) -> String {
        let (from, key) = corpus_run(case);
        copy_dir(&from, &self.repo("results").join(&key));
        key
    }

    /// Copies the run of a corpus case to `repo/results/<key>`, under this key in its metadata, too.
    pub fn record_as(&self, case: &str, key: &str) {
        let (from, _) = corpus_run(case);
        let to = self.repo("results").join(key);
        copy_dir(&from, &to);
        let (experiment, run_id) = key.split_once('/').unwrap();
        let script = "import gzip, json, pathlib, sys\n\
            root, experiment, run_id = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]\n\
            meta = root / 'run.json'\n\
            text = json.loads(meta.read_text())\n\
            text.update(run_id=run_id, experiment=experiment)\n\
            meta.write_text(json.dumps(text))\n\
            (root / 'manifest.json').unlink(missing_ok=True)\n\
            for path in root.glob('*.gz'):\n\
            \x20   rows = [json.loads(l) for l in gzip.decompress(path.read_bytes()).splitlines() if l.strip()]\n\
            \x20   for row in rows: row['run_id'] = run_id\n\
            \x20   path.write_bytes(gzip.compress(''.join(json.dumps(r) + chr(10) for r in rows).encode()))\n";
        self.run_in(".", "python3", ["-c", script, to.to_str().unwrap(), experiment, run_id]).ok();
    }

    /// The directories of this environment's PATH.
    pub fn search_path(&self) -> impl Iterator<Item = PathBuf> {
        std::env::split_paths(&self.env["PATH"]).collect::<Vec<_>>().into_iter()
    }

    fn find(&self, program: &str) -> PathBuf {
        if program.contains('/') {
            return program.into();
        }
        std::env::split_paths(&self.env["PATH"])
            .map(|dir| dir.join(program))
            .find(|p| p.is_file())
            .unwrap_or_else(|| panic!("no {program} on this environment's PATH"))
    }
}

fn new_root(parent: &Path) -> tempfile::TempDir {
    tempfile::Builder::new().prefix("capture-hook-it-").tempdir_in(parent).unwrap()
}

/// The directory of a corpus case's run, and its `<experiment>/<run_id>`.
pub fn corpus_run(case: &str) -> (PathBuf, String) {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(case);
    let only_dir = |dir: &Path| {
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).find(|p| p.is_dir()).expect("a directory in the case")
    };
    let experiment = only_dir(&case);
    let run = only_dir(&experiment);
    let key = run.strip_prefix(&case).unwrap().to_str().unwrap().to_owned();
    (run, key)
}

/// Copies a directory tree.
pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Every file below a directory, links to files too; links to directories are not entered.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            out.extend(files(&entry.path()));
        } else {
            out.push(entry.path());
        }
    }
    out
}

/// Every file below a directory with its bytes, by relative path.
pub fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, dir: &Path, out: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, out);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                out.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(dir, dir, &mut out);
    out
}

/// Runs a prepared command, without input, and keeps its output.
#[must_use]
#[track_caller]
pub fn run_command(command: &mut Command) -> CommandOutput {
    run_command_within(limits::PROGRAM, command)
}

/// The same with another limit of time.
#[must_use]
#[track_caller]
pub fn run_command_within(limit: Duration, command: &mut Command) -> CommandOutput {
    let line = format!("{command:?}");
    let output = limits::output(command, limit);
    CommandOutput {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        line,
    }
}

/// The path of a program on the tests' own PATH.
pub fn which(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|d| d.join(program)).find(|p| p.is_file()).unwrap()
}

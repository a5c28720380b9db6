//! DVC in processes that stay: what a test itself asks DVC is answered in a twentieth of the time that a start takes.
//! What a user or a hook would start is the real program, [`TestEnv::dvc`].

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;

use super::{CommandOutput, TestEnv};

/// The processes that are idle. There are no more of them than tests run at once; they end with the
/// tests.
static IDLE: Mutex<Vec<WarmDvc>> = Mutex::new(Vec::new());

/// A process of `warm_dvc.py`.
struct WarmDvc {
    /// The directory of the `dvc` program that it stands for.
    bin: PathBuf,
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl TestEnv {
    /// What `dvc` says in the repository, without a start of DVC.
    #[must_use]
    pub fn ask_dvc<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> CommandOutput {
        self.ask_dvc_in("repo", args)
    }

    /// What `dvc` says in a directory of this environment, without a start of DVC.
    #[must_use]
    pub fn ask_dvc_in<A: AsRef<OsStr>>(
        &self,
        dir: impl AsRef<Path>,
        args: impl IntoIterator<Item = A>,
    ) -> CommandOutput {
        let args: Vec<String> = args.into_iter().map(|arg| arg.as_ref().to_str().unwrap().to_owned()).collect();
        let bin = self.find("dvc").parent().unwrap().to_path_buf();
        let mut dvc = WarmDvc::take(&bin).unwrap_or_else(|| WarmDvc::start(self, bin));
        let (code, stdout, stderr) = dvc.call(self, dir.as_ref(), &args);
        // One that did not answer is not put back.
        IDLE.lock().unwrap().push(dvc);
        CommandOutput { code, stdout, stderr, line: format!("dvc {}", args.join(" ")) }
    }
}

impl WarmDvc {
    fn take(bin: &Path) -> Option<Self> {
        let mut idle = IDLE.lock().unwrap();
        let at = idle.iter().position(|dvc| dvc.bin == bin)?;
        Some(idle.swap_remove(at))
    }

    fn start(env: &TestEnv, bin: PathBuf) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/warm_dvc.py");
        let mut python = env.command(bin.join("python"), "");
        let mut child = python.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (requests, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { bin, child, requests, answers }
    }

    fn call(&mut self, env: &TestEnv, dir: &Path, args: &[String]) -> (i32, String, String) {
        writeln!(self.requests, "{}", serde_json::json!([env.path(dir), env.env, args])).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("dvc {args:?}: {error}: {line}"))
    }
}

impl Drop for WarmDvc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

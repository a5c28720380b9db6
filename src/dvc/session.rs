//! One process for all that a command asks of DVC.
//!
//! Starting DVC costs a second or more, and a pull asks it for a file list first and then for files: the list is checked
//! in between, because DVC writes and sends whatever path a list names. So the interpreter of the `dvc` script runs DVC's
//! command line several times, until the project is closed. Which programs are fit for this is read from the script; any
//! other `dvc` (a binary, a script around it) is started anew each time.

use std::io::{PipeWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::dvc::interpreter::{ScriptInterpreter, find_dvc_interpreter};
use crate::support::aside::project_temp_dir;
use crate::support::env::Env;
use crate::support::fs;
use crate::support::limits;
use crate::support::process::persistent::AwaitedCall;
use crate::support::process::{Cmd, ProcessError, ProcessOutput};
use crate::support::prompts::PromptPolicy;
use crate::support::stderr_events::StderrEvent;

/// What the interpreter runs.
const SCRIPT: &str = include_str!("session.py");
/// The script's name in its directory: it stands for DVC in a list of processes.
const SCRIPT_NAME: &str = "dvc";

/// The DVC process of one project; started when it is first needed, ended on drop.
#[derive(Default)]
pub struct DvcSession(Mutex<SessionState>);

#[derive(Default)]
enum SessionState {
    #[default]
    NotStarted,
    Running(RunningDvc),
    /// It could not be started, or ended: each call starts a program of its own from then on.
    Unusable,
}

/// One command of DVC.
pub(super) struct SessionCall<'a> {
    /// The `dvc` program.
    pub program: &'a Path,
    /// The DVC project to run it in.
    pub dir: &'a Path,
    /// The arguments.
    pub args: &'a [&'a str],
    /// The environment.
    pub env: &'a Env,
    /// Whether DVC draws progress bars.
    pub bars: bool,
    /// The same call as one that starts the program.
    pub cmd: &'a Cmd,
}

/// What the process reads.
#[derive(Serialize)]
struct Request<'a> {
    dir: &'a Path,
    args: &'a [&'a str],
    bars: bool,
    stdout: &'a Path,
    end: &'a str,
}

/// A piece of the process's standard error.
enum StderrPiece {
    Line(String),
    Progress(String),
}

struct RunningDvc {
    program: PathBuf,
    requests: Option<PipeWriter>,
    pieces: Receiver<StderrPiece>,
    thread: Option<JoinHandle<Result<ProcessOutput, ProcessError>>>,
    could_not_prompt: bool,
    dir: fs::TempDir,
    count: u64,
}

impl std::fmt::Debug for DvcSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DvcSession")
    }
}

impl DvcSession {
    /// Runs a command in the process, which is started if it is not there yet. `None` if this program cannot be run so, or
    /// the process could not be started: then nothing was done.
    pub(super) fn run_command(
        &self,
        call: &SessionCall<'_>,
        on_event: &mut dyn FnMut(StderrEvent<'_>),
    ) -> Option<Result<ProcessOutput, ProcessError>> {
        // In Python's process, or that of any other program: a signal that comes while DVC is idle is that program's.
        if *call.env.prompts() == PromptPolicy::Unspecified {
            return None;
        }
        // A thread that panicked in a call leaves a process whose state is not known.
        let mut state = self.0.lock().ok()?;
        let is_start = matches!(*state, SessionState::NotStarted);
        let _awaited = AwaitedCall::begin();
        let started = Instant::now();
        if is_start {
            *state = RunningDvc::start(call).map_or(SessionState::Unusable, SessionState::Running);
        }
        let SessionState::Running(running) = &mut *state else { return None };
        if running.program != call.program {
            return None;
        }
        let result = running.run_request(call, on_event);
        if running.requests.is_none() {
            *state = SessionState::Unusable;
        }
        let result = result?;
        call.cmd.log_request(call.env, started.elapsed(), &result, is_start);
        Some(result)
    }
}

impl RunningDvc {
    /// Starts the process. `None` if the program is not a script of Python's that calls DVC, or on a failure: the caller
    /// starts the program itself then, which tells why.
    fn start(call: &SessionCall<'_>) -> Option<Self> {
        let ScriptInterpreter { program: python, args } = find_dvc_interpreter(call.program)?;
        let dir = fs::create_temp_dir(&project_temp_dir(call.dir).ok()?, "capture-hook-dvc-").ok()?;
        let script = dir.path().join(SCRIPT_NAME);
        fs::write_atomic(&script, SCRIPT.as_bytes()).ok()?;
        let (reader, writer) = std::io::pipe().ok()?;
        let cmd = Cmd::new(python).args(args).arg(&script).arg(call.program).dir("/").may_prompt();
        let env = call.env.clone();
        let (sender, pieces) = channel();
        let thread = std::thread::spawn(move || {
            cmd.run_persistent(&env, reader, &mut |event| {
                // Without a receiver the session is over, and the rest is of no use.
                let _ = sender.send(match event {
                    StderrEvent::Line(line) => StderrPiece::Line(line.to_owned()),
                    StderrEvent::Progress(words) => StderrPiece::Progress(words.to_owned()),
                });
            })
        });
        Some(Self {
            program: call.program.to_path_buf(),
            requests: Some(writer),
            pieces,
            thread: Some(thread),
            could_not_prompt: matches!(call.env.prompts(), PromptPolicy::Nowhere { .. }),
            dir,
            count: 0,
        })
    }

    /// Sends a command and waits for its end. `None` if it could not be sent: then it was not run.
    fn run_request(
        &mut self,
        call: &SessionCall<'_>,
        on_event: &mut dyn FnMut(StderrEvent<'_>),
    ) -> Option<Result<ProcessOutput, ProcessError>> {
        self.count += 1;
        let number = self.count;
        let stdout = self.dir.path().join(format!("{number}.out"));
        let request_path = self.dir.path().join(format!("{number}.json"));
        // No line of DVC's begins like this: the directory's name is a random one.
        let end = format!("{} {number}", self.dir.path().display());
        let request = Request { dir: call.dir, args: call.args, bars: call.bars, stdout: &stdout, end: &end };
        let bytes = serde_json::to_vec(&request).ok()?;
        fs::write_atomic(&request_path, &bytes).ok()?;
        let mut line = serde_json::to_vec(&request_path).ok()?;
        line.push(b'\n');
        if self.requests.as_mut()?.write_all(&line).is_err() {
            self.requests = None;
            return None;
        }
        Some(self.wait_for_answer(&end, &stdout, on_event))
    }

    fn wait_for_answer(
        &mut self,
        end: &str,
        stdout: &Path,
        on_event: &mut dyn FnMut(StderrEvent<'_>),
    ) -> Result<ProcessOutput, ProcessError> {
        let mut stderr = Vec::new();
        loop {
            match self.pieces.recv_timeout(Duration::from_secs(60)) {
                Ok(StderrPiece::Progress(words)) => on_event(StderrEvent::Progress(&words)),
                Ok(StderrPiece::Line(line)) => {
                    if let Some(exit) = line.strip_prefix(end).and_then(|rest| rest.trim().parse().ok()) {
                        // What DVC prints is short, but for the names of files.
                        let stdout = fs::read_within(stdout, limits::FILE_LIST).ok().flatten().unwrap_or_default();
                        let (exit, could_not_prompt) = (Some(exit), self.could_not_prompt);
                        return Ok(ProcessOutput { exit, stdout, stderr, could_not_prompt });
                    }
                    on_event(StderrEvent::Line(&line));
                    stderr.extend_from_slice(line.as_bytes());
                    stderr.push(b'\n');
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.end_without_answer(stderr),
            }
        }
    }

    /// The process ended before its answer: a signal, or an environment that lacks DVC.
    fn end_without_answer(&mut self, stderr: Vec<u8>) -> Result<ProcessOutput, ProcessError> {
        self.requests = None;
        let ended = self.thread.take().and_then(|thread| thread.join().ok());
        let output = ended.unwrap_or_else(|| {
            let stdout = Vec::new();
            Ok(ProcessOutput { exit: None, stdout, stderr: Vec::new(), could_not_prompt: false })
        })?;
        // Whatever its exit code, the command is not done.
        Ok(ProcessOutput { exit: output.exit.filter(|exit| *exit != 0), stderr, ..output })
    }
}

impl Drop for RunningDvc {
    fn drop(&mut self) {
        // Its input ends, and so does the process.
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // What an idle process ended with is of no use.
            let _ = thread.join();
        }
    }
}

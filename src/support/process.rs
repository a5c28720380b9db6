//! The one door to other programs.
//!
//! A [`Cmd`] is an argument vector, never a shell line. Both pipes are drained at once (by duct's threads), a program
//! gets no terminal input, and it runs in a process group of its own: a timeout or Ctrl-C ends it with all that it
//! started. A program that may ask for a password shares the terminal of a command that was typed, and has none in a
//! hook ([`PromptPolicy`]). One that the system stops, because it asks from the background, counts as failed: it would
//! wait for ever. A failure names the command line, the exit status and the last lines of output. Every call is logged
//! under `-v`.
//!
//! Programs that need the terminal for themselves (a pager) are in [`super::interactive`]; one that stays and takes
//! requests is started by [`persistent`].

#![expect(clippy::disallowed_methods, reason = "the door to other programs")]

pub mod persistent;

use std::ffi::OsString;
use std::io::PipeReader;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGTERM};

use self::persistent::AwaitedCall;
use super::prompts;
use crate::error::ExitKind::Program;
use crate::error::{Explain, Explanation};
use crate::support::address::without_secrets;
use crate::support::env::Env;
use crate::support::prompts::PromptPolicy;
use crate::support::stderr_events::{StderrEvent, StderrListener};
pub use crate::support::text::shell_quote;
use crate::support::this_process::running_program;
use crate::support::visible::escape_control;

/// A program that could not be run, or failed.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no such program, or it is not executable.
    #[error("cannot start `{command}`")]
    Start {
        /// The command line.
        command: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It was started, but its end or its output could not be waited for.
    #[error("cannot wait for `{command}`")]
    Wait {
        /// The command line.
        command: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It ran and exited with something other than 0.
    #[error("`{command}` failed with {status}{}", indent_lines(output))]
    Failed {
        /// The command line.
        command: String,
        /// `exit status: 1`, `signal: 9`.
        status: String,
        /// The exit code; `None` if a signal ended it.
        exit: Option<i32>,
        /// The last lines of both streams.
        output: String,
        /// Whether its output looks like a prompt that had no terminal.
        tried_to_prompt: bool,
    },
    /// The system stopped it because it tried to use a terminal from the background. We ended it.
    #[error("`{command}` was stopped: it tried to use the terminal in the background{}", indent_lines(output))]
    Stopped {
        /// The command line.
        command: String,
        /// The last lines of both streams so far.
        output: String,
    },
    /// It did not end in time, and was ended.
    #[error("`{command}` did not finish within {} s and was stopped{}", limit.as_secs(), indent_lines(output))]
    TimedOut {
        /// The command line.
        command: String,
        /// The limit.
        limit: Duration,
        /// The last lines of both streams so far.
        output: String,
    },
    /// The user or the system asked us to stop while it ran; it was ended, too.
    #[error("interrupted while `{command}` ran")]
    Interrupted {
        /// The command line.
        command: String,
    },
}

impl Explain for ProcessError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Start { .. } => Program.code("program_not_started"),
            Self::Wait { .. } => Program.code("program_wait_failed"),
            Self::Failed { tried_to_prompt: true, .. } => Program.code("program_failed").hint(prompts::ADVICE),
            Self::Failed { .. } => Program.code("program_failed"),
            Self::Stopped { .. } => Program.code("program_stopped").hint(prompts::ADVICE),
            Self::TimedOut { .. } => Program.code("program_timed_out"),
            Self::Interrupted { .. } => Program.code("interrupted"),
        }
    }
}

/// The result of a finished program.
#[derive(Debug, Clone)]
pub struct ProcessOutput {
    /// The exit code; `None` if a signal ended it.
    pub exit: Option<i32>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error; without progress bars if a listener was given.
    pub stderr: Vec<u8>,
    /// Whether it was allowed to prompt but had no terminal.
    pub could_not_prompt: bool,
}

impl ProcessOutput {
    /// Whether it exited with 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.exit == Some(0)
    }

    /// Standard output as text, without the last line break.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end_matches(['\n', '\r']).to_owned()
    }
}

/// A program call.
#[derive(Debug, Clone)]
pub struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    dir: Option<PathBuf>,
    stdin: Option<Vec<u8>>,
    timeout: Option<Duration>,
    may_prompt: bool,
}

impl Cmd {
    /// A call of `program`: a name looked up on `PATH`, or a path.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self { program: program.into(), args: Vec::new(), dir: None, stdin: None, timeout: None, may_prompt: false }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Sets the bytes on standard input (default: none).
    #[must_use]
    pub fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = Some(bytes);
        self
    }

    /// Ends the program, with all that it started, after this time.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Lets the program ask for a password or passphrase, on the terminal of a command that was typed. In a hook it
    /// then fails instead of waiting.
    #[must_use]
    pub fn may_prompt(mut self) -> Self {
        self.may_prompt = true;
        self
    }

    /// Returns the command line for messages: quoted for a shell, without the passwords of addresses.
    #[must_use]
    pub fn command_line(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.args);
        let words: Vec<String> = words.map(|word| shell_quote(without_secrets(&word.to_string_lossy()))).collect();
        words.join(" ")
    }

    /// Runs the program in exactly this environment. Any exit code is `Ok`.
    pub fn run(&self, env: &Env) -> Result<ProcessOutput, ProcessError> {
        self.run_inner(env, None)
    }

    /// Runs the program like [`Self::run`], and passes its standard error on as it comes.
    pub fn run_with_listener(
        &self,
        env: &Env,
        on_event: &mut dyn FnMut(StderrEvent<'_>),
    ) -> Result<ProcessOutput, ProcessError> {
        self.run_inner(env, Some(on_event))
    }

    /// Runs the program and adds a line to the log of calls, failures included.
    fn run_inner(
        &self,
        env: &Env,
        on_event: Option<&mut dyn FnMut(StderrEvent<'_>)>,
    ) -> Result<ProcessOutput, ProcessError> {
        let started = Instant::now();
        let result = self.run_unlogged(env, on_event, None);
        env.calls().add(|| self.logged(started.elapsed(), &result));
        result
    }

    /// Returns the log's line: `git rev-parse @{upstream} (12 ms, exit 128)`.
    fn logged(&self, took: Duration, result: &Result<ProcessOutput, ProcessError>) -> String {
        let end = match result {
            Ok(ProcessOutput { exit: Some(code), .. }) => format!("exit {code}"),
            Ok(ProcessOutput { exit: None, .. }) => "ended by a signal".into(),
            Err(ProcessError::Start { .. }) => "not started".into(),
            Err(ProcessError::Wait { .. }) => "its end is not known".into(),
            Err(ProcessError::Failed { status, .. }) => status.clone(),
            Err(ProcessError::Stopped { .. }) => "stopped".into(),
            Err(ProcessError::TimedOut { .. }) => "timed out".into(),
            Err(ProcessError::Interrupted { .. }) => "interrupted".into(),
        };
        escape_control(format!("{} ({} ms, {end})", self.command_line(), took.as_millis()))
    }

    /// The call as duct makes it, but for what becomes of standard error. `requests` is its standard input, if given.
    fn duct_call(&self, env: &Env, shares_terminal: bool, requests: Option<PipeReader>) -> duct::Expression {
        let call = match env.prompts() {
            // It calls `setsid`, which fails for the leader of a group; so no group of its own here.
            PromptPolicy::Nowhere { launcher: through } if self.may_prompt => {
                duct::cmd(through, prompts::exec_args(&self.program, &self.args))
            }
            _ if shares_terminal => duct::cmd(&self.program, &self.args),
            _ => duct::cmd(&self.program, &self.args).before_spawn(|command| {
                set_own_group(command);
                Ok(())
            }),
        };
        // `unchecked`: any exit code is a result, not an error of duct.
        let call = call.full_env(env.iter()).stdout_capture().unchecked();
        let call = match (requests, &self.stdin) {
            (Some(requests), _) => call.stdin_file(requests),
            (None, Some(bytes)) => call.stdin_bytes(bytes.clone()),
            (None, None) => call.stdin_null(),
        };
        match &self.dir {
            Some(dir) => call.dir(dir),
            None => call,
        }
    }

    fn run_unlogged(
        &self,
        env: &Env,
        mut on_stderr: Option<&mut dyn FnMut(StderrEvent<'_>)>,
        requests: Option<PipeReader>,
    ) -> Result<ProcessOutput, ProcessError> {
        let not_started = |source| ProcessError::Start { command: self.command_line(), source };
        let shares_terminal = self.may_prompt && *env.prompts() == PromptPolicy::OnTerminal;
        let is_persistent = requests.is_some();
        let _awaited = (!is_persistent).then(AwaitedCall::begin);
        let mut call = self.duct_call(env, shares_terminal, requests);
        // 100 ms: how late a signal, a stop, progress or the deadline is noticed; of a persistent program also an answer. The
        // end of the program is noticed at once.
        let interval = Duration::from_millis(if is_persistent { 10 } else { 100 });
        let mut listener = None;
        call = if on_stderr.is_some() {
            let (new_listener, writer) = StderrListener::new().map_err(not_started)?;
            listener = Some(new_listener);
            call.stderr_file(writer)
        } else {
            call.stderr_capture()
        };
        // Before the start: a Ctrl-C in between must not be lost.
        let signals = SignalWatch::watch();
        let handle = call.start().map_err(not_started)?;
        // `call` holds our copy of the pipe's writing end; without this the reader never sees the end.
        drop(call);
        let deadline = self.timeout.map(|limit| Instant::now() + limit);
        loop {
            if let (Some(listener), Some(on_stderr)) = (&mut listener, &mut on_stderr) {
                listener.report_new(on_stderr);
            }
            let output = handle.wait_timeout(interval);
            let output = output.map_err(|source| ProcessError::Wait { command: self.command_line(), source })?;
            let mut take_stderr = || match (listener.take(), &mut on_stderr) {
                // Waits for the last bytes, so only after the program has ended.
                (Some(listener), Some(on_stderr)) => Some(listener.finish(on_stderr)),
                _ => None,
            };
            if let Some(output) = output {
                return Ok(ProcessOutput {
                    exit: output.status.code(),
                    stdout: output.stdout.clone(),
                    stderr: take_stderr().unwrap_or_else(|| output.stderr.clone()),
                    could_not_prompt: self.may_prompt && matches!(env.prompts(), PromptPolicy::Nowhere { .. }),
                });
            }
            if let Some(signal) = signals.caught_signal() {
                // The terminal sends Ctrl-C to all programs on it: a program that shares it gets the time to end by
                // itself.
                if !(shares_terminal && signal == SIGINT && has_ended(&handle)) {
                    terminate_process(&handle, signal);
                }
                if is_persistent {
                    persistent::end_unless_awaited(signal);
                }
                return Err(ProcessError::Interrupted { command: self.command_line() });
            }
            if !shares_terminal && is_stopped(&handle) {
                let (stdout, stderr) = terminate_process(&handle, SIGTERM);
                let last_output = last_lines(&[&take_stderr().unwrap_or(stderr), &stdout]);
                return Err(ProcessError::Stopped { command: self.command_line(), output: last_output });
            }
            if let (Some(deadline), Some(limit)) = (deadline, self.timeout)
                && Instant::now() >= deadline
            {
                let (stdout, stderr) = terminate_process(&handle, SIGTERM);
                let last_output = last_lines(&[&take_stderr().unwrap_or(stderr), &stdout]);
                return Err(ProcessError::TimedOut { command: self.command_line(), limit, output: last_output });
            }
        }
    }

    /// Runs the program; an exit code other than 0 is an error with its last lines of output.
    pub fn run_checked(&self, env: &Env) -> Result<ProcessOutput, ProcessError> {
        let output = self.run(env)?;
        if output.success() { Ok(output) } else { Err(self.to_error(&output)) }
    }

    /// Replaces this process by the program, with our terminal and streams. Returns only if that failed.
    #[must_use]
    pub fn exec_program(&self, env: &Env) -> ProcessError {
        use std::os::unix::process::CommandExt;
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.args).env_clear().envs(env.iter());
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        ProcessError::Start { command: self.command_line(), source: command.exec() }
    }

    /// Makes the error for a program that should have succeeded.
    #[must_use]
    pub fn to_error(&self, output: &ProcessOutput) -> ProcessError {
        let output_text = last_lines(&[&output.stderr, &output.stdout]);
        ProcessError::Failed {
            command: self.command_line(),
            status: match output.exit {
                Some(code) => format!("exit code {code}"),
                None => "a signal".into(),
            },
            exit: output.exit,
            tried_to_prompt: output.could_not_prompt && prompts::mentions_prompt(&output_text),
            output: output_text,
        }
    }
}

/// Returns the path of this program for other files to name: the entry on `PATH` if it is the same file (often a link
/// that outlives an upgrade), else the file itself.
#[must_use]
pub fn own_program_path(env: &Env) -> Option<PathBuf> {
    let own_path = running_program().ok()?;
    let on_path =
        env.find_program("capture-hook").filter(|found| found.canonicalize().is_ok_and(|real| real == own_path));
    Some(on_path.unwrap_or(own_path))
}

/// Returns the last lines of both streams, without the passwords of addresses.
fn last_lines(streams: &[&[u8]]) -> String {
    // Enough for DVC's error and its advice; a Python traceback ends with the error.
    const LINES: usize = 20;
    let text: Vec<String> = streams.iter().map(|s| String::from_utf8_lossy(s).trim().to_owned()).collect();
    let lines: Vec<&str> = text.iter().flat_map(|t| t.lines()).map(str::trim_end).filter(|l| !l.is_empty()).collect();
    without_secrets(&lines[lines.len().saturating_sub(LINES)..].join("\n"))
}

fn indent_lines(text: &str) -> String {
    text.lines().map(|line| format!("\n    {line}")).collect()
}

#[cfg(unix)]
fn set_own_group(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn set_own_group(_: &mut std::process::Command) {}

/// How long a program may take to end after a signal, before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// Sends a signal to the program, and to its group if it has one; after [`GRACE`] kills it. Returns its standard output
/// and standard error so far.
fn terminate_process(handle: &duct::Handle, signal: i32) -> (Vec<u8>, Vec<u8>) {
    let send = |signal: i32| {
        for pid in process_ids(handle) {
            use rustix::process::{Signal, kill_process, kill_process_group};
            if let Some(signal) = Signal::from_named_raw(signal) {
                // The program can have ended already: then there is nothing to signal.
                let _ = kill_process_group(pid, signal).or_else(|_| kill_process(pid, signal));
            }
        }
    };
    send(signal);
    // A stopped program handles the signal only once it is continued.
    send(SIGCONT);
    let mut finished = handle.wait_timeout(GRACE).ok().flatten();
    if finished.is_none() {
        send(SIGKILL);
        finished = handle.wait_timeout(GRACE).ok().flatten();
    }
    finished.map(|output| (output.stdout.clone(), output.stderr.clone())).unwrap_or_default()
}

/// Whether the program ends within [`GRACE`].
fn has_ended(handle: &duct::Handle) -> bool {
    matches!(handle.wait_timeout(GRACE), Ok(Some(_)))
}

/// Whether the system has stopped the program.
fn is_stopped(handle: &duct::Handle) -> bool {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    // NOWAIT: its end must stay for duct to collect.
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    process_ids(handle).any(|pid| matches!(waitid(WaitId::Pid(pid), options), Ok(Some(status)) if status.stopped()))
}

fn process_ids(handle: &duct::Handle) -> impl Iterator<Item = rustix::process::Pid> {
    handle.pids().into_iter().filter_map(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?))
}

/// Catches the signals that ask us to stop, because a program in its own group does not get the terminal's.
struct SignalWatch {
    caught: Arc<AtomicUsize>,
    ids: Vec<signal_hook::SigId>,
}

impl SignalWatch {
    fn watch() -> Self {
        let caught = Arc::new(AtomicUsize::new(0));
        let ids = [SIGINT, SIGTERM, SIGHUP].into_iter().filter_map(|signal| {
            let value = usize::try_from(signal).ok()?;
            signal_hook::flag::register_usize(signal, Arc::clone(&caught), value).ok()
        });
        // The caller may have started us with SIGCHLD ignored: then the system keeps no exit code for us until any
        // handler is set.
        let child = signal_hook::flag::register(SIGCHLD, Arc::default());
        Self { ids: ids.chain(child).collect(), caught }
    }

    fn caught_signal(&self) -> Option<i32> {
        match self.caught.load(Ordering::SeqCst) {
            0 => None,
            signal => i32::try_from(signal).ok(),
        }
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests;

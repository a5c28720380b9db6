//! The `dvc` program: which one, in which environment, and what to do while another DVC holds the project's lock.
//!
//! Search order: `CAPTURE_HOOK_DVC`, `git config capture-hook.dvc`, `PATH`, then the private environment that
//! `install.sh` makes. The caller checks a program before any part of it runs, because a cloned repository must not
//! choose what we run. A program that is named, but refused or broken, is an error; on `PATH` the next one is used.
//! It runs without git's variables for this repository, without analytics and background processes, never asks a
//! question, and finds this capture-hook first on its `PATH`.

mod error;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{bars, interpreter, mutex};
use crate::dvc::autostage::AutostageOff;
use crate::dvc::guard::guard_env;
use crate::dvc::reason::{says_busy, shorten_output};
use crate::dvc::session::{DvcSession, SessionCall};
use crate::support::env::Env;
use crate::support::fs;
use crate::support::process::{Cmd, ProcessError, ProcessOutput, own_program_path};
use crate::support::progress::{NoProgress, Progress};
use crate::support::stderr_events::StderrEvent;

pub use error::ProgramError;

/// The oldest release that keeps its objects where this crate reads them.
pub const OLDEST_RELEASE: DvcRelease = DvcRelease { major: 3, minor: 0 };

/// A release of DVC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DvcRelease {
    /// The major number.
    pub major: u32,
    /// The minor number.
    pub minor: u32,
}

/// How a program was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// `CAPTURE_HOOK_DVC`.
    Environment,
    /// `git config capture-hook.dvc`.
    GitConfig,
    /// `PATH`.
    Path,
    /// The private environment that `install.sh` made.
    PrivateVenv,
}

impl FoundBy {
    /// In words, as `doctor` shows it.
    #[must_use]
    pub fn source_name(self) -> &'static str {
        match self {
            Self::Environment => "CAPTURE_HOOK_DVC",
            Self::GitConfig => "git config capture-hook.dvc",
            Self::Path => "PATH",
            Self::PrivateVenv => "capture-hook's own environment",
        }
    }
}

/// Where to look, and for which project.
pub struct ProgramSearch<'a> {
    /// The project's root, absolute: the directory that holds `.dvc`.
    pub root: &'a Path,
    /// The environment.
    pub env: &'a Env,
    /// The value of `git config capture-hook.dvc`.
    pub git_config: Option<&'a str>,
    /// Why a program is not run: a cloned repository may have put it there.
    pub why_not: &'a dyn Fn(&Path) -> Option<String>,
    /// Programs in the repository that run only once the user has named them: mentioned if there is no other.
    pub unnamed: &'a [PathBuf],
    /// The directory of this capture-hook, for the stage's command to find.
    pub own_dir: Option<&'a Path>,
}

/// The `dvc` program, ready to be called in one project.
#[derive(Debug, Clone)]
pub struct Dvc {
    path: PathBuf,
    found_by: FoundBy,
    passed_over: Vec<(PathBuf, String)>,
    root: PathBuf,
    env: Env,
    user_cache_dir: Option<PathBuf>,
    patience: Duration,
    session: Option<Arc<DvcSession>>,
}

impl Dvc {
    /// Looks for the program. Nothing is started.
    pub fn find(search: &ProgramSearch<'_>) -> Result<Self, ProgramError> {
        let mut passed_over = Vec::new();
        let (path, found_by) = locate_program(search, &mut passed_over)?;
        let mut env = search
            .env
            .clone()
            .without_git()
            // Analytics and the daemon would outlive the hook and keep its pipes open.
            .with_var("DVC_NO_ANALYTICS", "1")
            .with_var("DVC_DAEMON", "1")
            // `reason.rs` recognizes messages by their English words.
            .with_var("LC_MESSAGES", "C")
            // Paths that are not UTF-8 must not make DVC's own messages fail.
            .with_var("PYTHONIOENCODING", "utf-8:surrogateescape")
            // It reads its settings in the locale's encoding, and some make a line break of a letter's second byte.
            .with_var("PYTHONUTF8", "1")
            // A git that DVC starts must fail instead of waiting for a password.
            .with_var("GIT_TERMINAL_PROMPT", "0");
        if let Some(dir) = search.own_dir {
            env = env.with_path_first(dir);
        }
        let cache_home = search
            .env
            .get("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .filter(|dir| dir.is_absolute())
            .or_else(|| Some(search.env.home_dir()?.join(".cache")));
        let patience = Duration::from_secs(60);
        let root = search.root.to_path_buf();
        Ok(Self { path, found_by, passed_over, root, env, user_cache_dir: cache_home, patience, session: None })
    }

    /// The same program with this much patience for another DVC at work (60 s by default).
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The same program, for another project (its scratch copy, a clone).
    #[must_use]
    pub fn in_project(mut self, root: &Path) -> Self {
        self.root = root.to_path_buf();
        self
    }

    /// The same program with one more variable in its environment.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env = self.env.with_var(name, value);
        self
    }

    /// The same program, whose commands that connect to a remote share a process with others. All get the environment of
    /// the first one.
    #[must_use]
    pub fn with_session(mut self, session: Arc<DvcSession>) -> Self {
        self.session = Some(session);
        self
    }

    /// Whether its commands can share a process, in which more than DVC's own commands can be run.
    #[must_use]
    pub fn has_session(&self) -> bool {
        self.session.is_some() && interpreter::find_dvc_interpreter(&self.path).is_some()
    }

    /// Where the program is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The environment that it runs in.
    pub(super) fn env(&self) -> &Env {
        &self.env
    }

    /// How it was found.
    #[must_use]
    pub fn found_by(&self) -> FoundBy {
        self.found_by
    }

    /// Those that came before it and are not run, with the reasons.
    #[must_use]
    pub fn passed_over(&self) -> &[(PathBuf, String)] {
        &self.passed_over
    }

    /// Its release as it prints it (`3.67.1`); remembered by path and time, so that Python starts once for it.
    fn read_release(&self) -> Result<String, ProgramError> {
        let cache_path = self.release_cache_path();
        let release_stamp = self.release_stamp();
        if let (Some(cache_path), Some(release_stamp)) = (&cache_path, &release_stamp)
            && let Ok(Some(bytes)) = fs::read_optional(cache_path)
            && let Ok(text) = String::from_utf8(bytes)
            && let Some(version) = text.lines().find_map(|line| line.strip_prefix(release_stamp.as_str()))
        {
            return Ok(version.trim().to_owned());
        }
        // On a slow disk, Python takes tens of seconds to start.
        let limit = Duration::from_secs(60);
        let output = Cmd::new(&self.path).arg("--version").dir(&self.root).timeout(limit).run_checked(&self.env)?;
        let version = output.stdout_text().lines().last().unwrap_or_default().trim().to_owned();
        if let (Some(cache_path), Some(release_stamp)) = (cache_path, release_stamp)
            && let Some(dir) = cache_path.parent()
        {
            // Only to be quicker next time.
            let _ = fs::create_dir_all(dir)
                .and_then(|()| fs::write_atomic(&cache_path, format!("{release_stamp}{version}\n").as_bytes()));
        }
        Ok(version)
    }

    /// Its release; one that is too old is an error. A text that is no release is passed on: it may name a newer one.
    pub fn read_supported_release(&self) -> Result<String, ProgramError> {
        let text = self.read_release()?;
        // A release can end in letters (`3.0a1`): only the digits of a part count.
        let mut numbers = text.split('.').map(|n| n.chars().take_while(char::is_ascii_digit).collect::<String>());
        let mut next = || numbers.next().and_then(|n| n.parse().ok());
        match (next(), next()) {
            (Some(major), Some(minor)) if (DvcRelease { major, minor }) < OLDEST_RELEASE => {
                Err(ProgramError::TooOld { version: text, path: self.path.clone() })
            }
            _ => Ok(text),
        }
    }

    fn release_cache_path(&self) -> Option<PathBuf> {
        Some(self.user_cache_dir.as_ref()?.join("capture-hook").join("dvc-version"))
    }

    fn release_stamp(&self) -> Option<String> {
        // Without a stamp the release is only asked for each time.
        let meta = std::fs::metadata(&self.path).ok()?;
        let time = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(format!("{}\t{}\t{}\t", self.path.to_str()?, time.as_nanos(), meta.len()))
    }

    /// Sets a project up, as `dvc init` does.
    pub fn init(&self, in_subdirectory: bool) -> Result<(), ProgramError> {
        let flag = in_subdirectory.then_some("--subdir");
        self.run_cmd(&self.build_cmd(std::iter::once("init").chain(flag)), None, &NoProgress).map(drop)
    }

    /// Adds a remote and makes it the default. The address may be relative to the project's root.
    pub fn remote_add(&self, name: &str, url: &str) -> Result<(), ProgramError> {
        self.run_local_command(["remote", "add", "-d", "--", name, url]).map(drop)
    }

    /// Runs one stage, no other, if its command, parameters or inputs changed; `force`: in any case. Whatever DVC reads
    /// in `dvc.yaml`, it starts these commands alone ([`super::guard`]); and it takes no output from its run cache,
    /// which a stranger may have filled.
    pub fn repro(&self, stage: &str, force: bool, commands: &[String]) -> Result<ProcessOutput, ProgramError> {
        let own = own_program_path(&self.env).ok_or_else(|| ProcessError::Start {
            command: "capture-hook".into(),
            source: std::io::Error::other("cannot find the path of this program"),
        })?;
        let guarded = Self { env: guard_env(self.env.clone(), &own, commands), ..self.clone() };
        let flag = force.then_some("--force");
        guarded.run_local_command(
            // `--single-item`: upstream stages are not ours to run.
            ["repro", "--single-item", "--no-run-cache"].into_iter().chain(flag).chain(["--", stage]),
        )
    }

    /// Sends the objects of these outputs or stages (all, if none is named) to the remote.
    pub fn push(&self, targets: &[&str], progress: &dyn Progress) -> Result<ProcessOutput, ProgramError> {
        self.run_command_with(["push", "--"].iter().chain(targets).copied(), progress)
    }

    /// Fetches objects of these outputs or stages into the cache.
    pub fn fetch(&self, targets: &[&str], progress: &dyn Progress) -> Result<ProcessOutput, ProgramError> {
        self.run_command_with(["fetch", "--"].iter().chain(targets).copied(), progress)
    }

    /// Fetches these outputs or stages into the cache and checks them out.
    pub fn pull(&self, targets: &[&str]) -> Result<ProcessOutput, ProgramError> {
        self.run_command(["pull", "--"].iter().chain(targets).copied())
    }

    /// Any other command, which may connect to the remote and ask for its password; every exit code but 0 is an error.
    pub fn run_command<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Result<ProcessOutput, ProgramError> {
        self.run_command_with(args, &NoProgress)
    }

    fn run_command_with<'a>(
        &self,
        args: impl IntoIterator<Item = &'a str>,
        progress: &dyn Progress,
    ) -> Result<ProcessOutput, ProgramError> {
        let _off = AutostageOff::for_project(&self.root, &self.env)?;
        let args: Vec<&str> = args.into_iter().collect();
        self.run_cmd(&self.build_cmd(args.iter().copied()).may_prompt(), Some(&args), progress)
    }

    /// A command that works on this machine alone.
    fn run_local_command<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Result<ProcessOutput, ProgramError> {
        let _off = AutostageOff::for_project(&self.root, &self.env)?;
        self.run_cmd(&self.build_cmd(args), None, &NoProgress)
    }

    fn build_cmd<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Cmd {
        Cmd::new(&self.path).args(args).dir(&self.root)
    }

    /// Runs a command once: in the process that others share, if it may (then `args` are its arguments), else in one of its
    /// own.
    fn run_once(
        &self,
        cmd: &Cmd,
        args: Option<&[&str]>,
        bars: bool,
        on_event: &mut dyn FnMut(StderrEvent<'_>),
    ) -> Result<ProcessOutput, ProcessError> {
        if let (Some(session), Some(args)) = (&self.session, args) {
            let call = SessionCall { program: &self.path, dir: &self.root, args, env: &self.env, bars, cmd };
            if let Some(result) = session.run_command(&call, on_event) {
                return result;
            }
        }
        // DVC draws no bars into a pipe unless this variable is set.
        let env = if bars { &self.env.clone().with_var("DVC_IGNORE_ISATTY", "1") } else { &self.env };
        cmd.run_with_listener(env, on_event)
    }

    /// Runs a command, and again if another DVC was at work.
    fn run_cmd(
        &self,
        cmd: &Cmd,
        args: Option<&[&str]>,
        progress: &dyn Progress,
    ) -> Result<ProcessOutput, ProgramError> {
        mutex::refuse_links(&self.root)?;
        let mut note = |chunk: StderrEvent<'_>| {
            if let StderrEvent::Progress(words) = chunk
                && let Some(words) = bars::describe_bar(words)
            {
                progress.show_note(&words);
            }
        };
        let started = Instant::now();
        loop {
            let output = self.run_once(cmd, args, progress.shows_notes(), &mut note)?;
            if output.success() {
                return Ok(output);
            }
            // Another DVC, such as an editor's, often holds the project only for a moment.
            let busy = says_busy(&output);
            if !busy && mutex::repair_rwlock(&self.root) {
                continue;
            }
            if !busy {
                return Err(cmd.to_error(&shorten_output(output)).into());
            }
            if started.elapsed() >= self.patience {
                return Err(ProgramError::Busy { holder: mutex::read_holder(&self.root), waited: started.elapsed() });
            }
            // DVC itself has waited three seconds by now.
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

/// The first that may be run. What is refused on `PATH` is noted.
fn locate_program(
    search: &ProgramSearch<'_>,
    passed_over: &mut Vec<(PathBuf, String)>,
) -> Result<(PathBuf, FoundBy), ProgramError> {
    let named_programs = [
        (search.env.get("CAPTURE_HOOK_DVC").map(PathBuf::from), FoundBy::Environment),
        (search.git_config.filter(|v| !v.trim().is_empty()).map(PathBuf::from), FoundBy::GitConfig),
    ];
    for (path, found_by) in named_programs {
        let Some(path) = path else { continue };
        let Some(program) = named_program(&path, search.env) else {
            return Err(ProgramError::NotAProgram { named_by: found_by.source_name(), path });
        };
        return match (search.why_not)(&program) {
            None => check_startable(program).map(|program| (program, found_by)),
            Some(why) => Err(ProgramError::Refused { path: program, why }),
        };
    }
    let mut start_error = None;
    let private_program =
        private_venv(search.env).map(|dir| dir.join("bin").join("dvc")).filter(|p| fs::is_executable(p));
    let on_path = search.env.find_programs("dvc").map(|program| (program, FoundBy::Path));
    for (program, found_by) in on_path.chain(private_program.map(|program| (program, FoundBy::PrivateVenv))) {
        match (search.why_not)(&program) {
            None => match check_startable(program.clone()) {
                Ok(program) => return Ok((program, found_by)),
                Err(error) => {
                    passed_over.push((program, "its interpreter does not exist".into()));
                    start_error = start_error.or(Some(error));
                }
            },
            Some(why) => passed_over.push((program, why)),
        }
    }
    if let Some(error) = start_error {
        return Err(error);
    }
    if let Some((path, why)) = passed_over.first().cloned() {
        return Err(ProgramError::Refused { path, why });
    }
    Err(match search.unnamed.first() {
        None => ProgramError::NotFound,
        Some(path) => match (search.why_not)(path) {
            None => match check_startable(path.clone()) {
                Ok(path) => ProgramError::Untrusted { path },
                Err(error) => error,
            },
            Some(why) => ProgramError::Refused { path: path.clone(), why },
        },
    })
}

/// The program, if the system can start it.
fn check_startable(path: PathBuf) -> Result<PathBuf, ProgramError> {
    match interpreter::missing_interpreter(&path) {
        None => Ok(path),
        Some(interpreter) => Err(ProgramError::NoInterpreter { path, interpreter }),
    }
}

/// The private environment that `install.sh` makes.
#[must_use]
pub fn private_venv(env: &Env) -> Option<PathBuf> {
    let data = env.get("XDG_DATA_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    Some(data.or_else(|| Some(env.home_dir()?.join(".local").join("share")))?.join("capture-hook").join("dvc"))
}

fn named_program(path: &Path, env: &Env) -> Option<PathBuf> {
    let path = match path.strip_prefix("~") {
        Ok(rest) => env.home_dir()?.join(rest),
        Err(_) => path.to_path_buf(),
    };
    if path.components().count() == 1 && !path.is_absolute() {
        return env.find_program(path.to_str()?);
    }
    // A relative path is refused: what it names would depend on the current directory.
    (path.is_absolute() && fs::is_executable(&path)).then_some(path)
}

#[cfg(test)]
mod tests;

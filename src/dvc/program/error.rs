//! Why DVC cannot be used, or failed, and what to do then.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::OLDEST_RELEASE;
use crate::dvc::reason::known_fix;
use crate::dvc::settings::SettingsError;
use crate::error::ExitKind::{Program, Setup};
use crate::error::{Explain, Explanation};
use crate::support::fs::FsError;
use crate::support::process::{ProcessError, shell_quote};

/// A DVC that cannot be used, or failed.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// No program was found.
    #[error("no `dvc` program found")]
    NotFound,
    /// What was named is not a program.
    #[error("{named_by} names `{}`, which is not an executable program", path.display())]
    NotAProgram {
        /// What named it.
        named_by: &'static str,
        /// The name.
        path: PathBuf,
    },
    /// A stranger may have put it there.
    #[error("cannot run {}: {why}", path.display())]
    Refused {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// There is one in the repository, which its owner has not named.
    #[error("the only `dvc` found is the repository's {}, which is not trusted", path.display())]
    Untrusted {
        /// Where it is.
        path: PathBuf,
    },
    /// A script whose interpreter is gone: its environment was moved, or its Python was.
    #[error("cannot start {}: its interpreter {} does not exist", path.display(), interpreter.display())]
    NoInterpreter {
        /// Where it is.
        path: PathBuf,
        /// What it names.
        interpreter: PathBuf,
    },
    /// An older release than this crate works with.
    #[error("DVC {version} at {} is too old; {}.{} or newer is needed", path.display(), OLDEST_RELEASE.major, OLDEST_RELEASE.minor)]
    TooOld {
        /// What it is.
        version: String,
        /// Where it is.
        path: PathBuf,
    },
    /// A program that cannot do what DVC's command line does not offer.
    #[error("{} is not a script of Python's, and only such a `dvc` can list and remove the objects of this remote", path.display())]
    NoSession {
        /// Where it is.
        path: PathBuf,
    },
    /// Another DVC worked in this project all the time.
    #[error("another DVC{} is running in this project; waited {} s for it", holder.map(|pid| format!(" (process {pid})")).unwrap_or_default(), waited.as_secs())]
    Busy {
        /// Its process id, if DVC's lock holds it.
        holder: Option<u32>,
        /// How long was waited.
        waited: Duration,
    },
    /// It failed, or could not be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// DVC's settings cannot be read.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A file of ours.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for ProgramError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NotFound => Setup.code("dvc_not_found").hints(how_to_install()),
            Self::NotAProgram { .. } => {
                Setup.code("dvc_not_a_program").hint("correct or unset it, then run `capture-hook doctor`")
            }
            Self::Refused { .. } => Setup
                .code("dvc_refused")
                .hint("set a `dvc` outside of the repository: `git config capture-hook.dvc ~/.venvs/dvc/bin/dvc`"),
            Self::Untrusted { path } => Setup
                .code("dvc_not_trusted")
                .hint(format!("if you trust it: `git config capture-hook.dvc {}`", shell_quote(path)))
                .hints(how_to_install()),
            Self::NoInterpreter { path, .. } => {
                let dir = path.parent().and_then(Path::parent).unwrap_or(path);
                let (dir, pip) = (shell_quote(dir), shell_quote(dir.join("bin").join("pip")));
                Setup
                    .code("dvc_without_interpreter")
                    .hint(format!(
                        "make its environment again: `python3 -m venv --clear {dir}`, then `{pip} install dvc` and its \
                         other packages"
                    ))
                    .hint("or set another one: `git config capture-hook.dvc /path/to/dvc`")
            }
            Self::TooOld { .. } => {
                Setup.code("dvc_too_old").hint("upgrade it in its environment: `pip install --upgrade dvc`")
            }
            Self::NoSession { .. } => Setup.code("dvc_is_no_script").hints(how_to_install()),
            Self::Busy { holder: Some(pid), .. } => Program
                .code("dvc_busy")
                .hint(format!("wait for it, or end it; see what it is: `ps -p {pid}`"))
                .hint("then run the same command again"),
            Self::Busy { holder: None, .. } => Program
                .code("dvc_busy")
                .hint("wait for it, then run the same command again")
                .hint("if locks get stuck on NFS: `dvc config core.hardlink_lock true`"),
            Self::Process(error @ ProcessError::Failed { .. }) => {
                Program.code("dvc_failed").hints(known_fix(error)).hints(error.explain().hints)
            }
            Self::Process(error) => error.explain(),
            Self::Settings(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

/// How to get one.
fn how_to_install() -> Vec<String> {
    vec![
        "install it: `pipx install dvc` (add `[s3]`, `[gs]`, `[ssh]`… for such a remote)".into(),
        "or set its path: `git config capture-hook.dvc /path/to/dvc`".into(),
    ]
}

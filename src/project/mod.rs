//! One repository as capture-hook sees it: git, DVC, settings and dataset together.
//!
//! [`Project`] is the git repository plus the DVC project in it (at its top or in a subdirectory). What hooks and commands
//! share lies here: what is selected and which data version holds ([`selection`]), what a commit says about runs
//! ([`records`], [`tags`]), putting a run into a commit ([`promote`]), the workspace following git ([`sync`]), and data
//! going to the remote ([`transfer`]).

pub mod catalog;
pub mod compare;
mod dataset_dir;
mod error;
pub mod held;
pub mod history;
pub mod include;
pub mod journey;
pub mod lists;
mod lock;
pub mod merging;
mod place;
pub mod programs;
pub mod promote;
pub mod proof;
pub mod publish;
pub mod records;
pub mod retrieve;
pub mod selecting;
pub mod selection;
pub mod setup;
pub mod summary;
pub mod sync;
pub mod tags;
pub mod transfer;
pub mod verify;
pub mod views;
pub mod workspace;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::dvc::cache::Cache;
use crate::dvc::program::{Dvc, ProgramError, Search};
use crate::dvc::settings::Settings;
use crate::git::{Oid, Repo};
use crate::support::beneath::{FileKind, Root};
use crate::support::env::Env;
use crate::support::fs::{At, FsError, Refused};
use crate::support::limits;
use crate::support::progress::Progress;
use crate::validate::{Ignored, Options, OptionsError, Report};

pub use error::ProjectError;
pub use place::Place;
pub use selection::{Locked, Source, State};

/// The setting that names the DVC project's directory, where it is not found by itself.
pub const ROOT_SETTING: &str = "capture-hook.root";
/// The setting that names the `dvc` program.
const DVC_SETTING: &str = "capture-hook.dvc";
/// Set for what we call: hooks that find it do nothing.
pub const ACTIVE: &str = "CAPTURE_HOOK_ACTIVE";

/// A git repository with a DVC project in it.
pub struct Project {
    /// The git repository.
    pub repo: Repo,
    /// The DVC project's directory, absolute.
    pub root: PathBuf,
    /// `root` relative to the top of the working tree: empty, or `dir/` with a slash at its end.
    pub prefix: String,
    /// The environment.
    pub env: Env,
    settings: OnceCell<Settings>,
    locked: RefCell<HashMap<Oid, Option<Locked>>>,
    lists: RefCell<Option<lists::Lists>>,
}

/// Who hears what a long piece of work says.
pub trait Hear: Sync {
    /// What is being done.
    fn status(&self, line: &str);
    /// Something that went wrong, and did not stop the work.
    fn warn(&self, line: &str);
    /// What to do next.
    fn hint(&self, line: &str);
    /// A line of a program that works for us, such as git.
    fn relay(&self, line: &str);
    /// A progress bar over `total` bytes.
    fn progress(&self, what: &str, total: Option<u64>) -> Box<dyn Progress>;
}

/// Tells what the validation of a run ignored: nothing is left out of a verdict in silence.
pub fn tell_ignored(report: &Report, hear: &dyn Hear) {
    let Some(ignored) = Ignored::words(&report.ignored) else { return };
    let line = format!("the validation of {} {ignored}", report.run_dir);
    if Ignored::hold_an_error(&report.ignored) { hear.warn(&line) } else { hear.status(&line) }
}

impl Project {
    /// The project around `cwd`; an error that says what is missing where there is none.
    pub fn open(cwd: &Path, env: &Env) -> Result<Self, ProjectError> {
        let repo = Repo::open(cwd, env)?;
        let top = repo.top()?.to_path_buf();
        Self::find(repo, cwd, env)?.ok_or(ProjectError::NoDvcProject { dir: top })
    }

    /// The project in a repository: the nearest `.dvc` at or above `cwd`, else the one that git's settings name, else the
    /// one that the index holds. `None` where there is none: a hook then has nothing to do.
    pub fn find(repo: Repo, cwd: &Path, env: &Env) -> Result<Option<Self>, ProjectError> {
        let top = repo.top()?.to_path_buf();
        let above = cwd.ancestors().take_while(|dir| dir.starts_with(&top)).find(|dir| is_dvc_root(dir));
        let root = match above {
            Some(dir) => Some(dir.to_path_buf()),
            None if is_dvc_root(&top) => Some(top.clone()),
            None => Self::named(&repo, &top)?,
        };
        Ok(root.map(|root| Self::at(repo, root, env)))
    }

    /// A project not at the top of the working tree.
    fn named(repo: &Repo, top: &Path) -> Result<Option<PathBuf>, ProjectError> {
        if let Some(dir) = repo.config(ROOT_SETTING)?.filter(|dir| crate::support::names::safe_path(dir)) {
            let dir = top.join(dir);
            return Ok(is_dvc_root(&dir).then_some(dir));
        }
        let mut dirs: Vec<PathBuf> = repo
            .index_paths_ending("/.dvc/config")?
            .iter()
            .filter_map(|path| path.strip_suffix("/.dvc/config"))
            .filter(|dir| crate::support::names::safe_path(dir))
            .map(|dir| top.join(dir))
            .filter(|dir| is_dvc_root(dir))
            .collect();
        dirs.sort();
        let ours = dirs.iter().position(|dir| names_the_stage(dir));
        Ok(ours.or(if dirs.is_empty() { None } else { Some(0) }).map(|at| dirs.swap_remove(at)))
    }

    /// The project in this directory of the repository.
    #[must_use]
    pub fn at(repo: Repo, root: PathBuf, env: &Env) -> Self {
        let inner = repo.top().ok().and_then(|top| root.strip_prefix(top).ok()).map(slashed).unwrap_or_default();
        let prefix = if inner.is_empty() { inner } else { format!("{inner}/") };
        Self {
            repo,
            root,
            prefix,
            env: env.clone(),
            settings: OnceCell::new(),
            locked: RefCell::new(HashMap::new()),
            lists: RefCell::new(None),
        }
    }

    /// A file of the project as git names it: relative to the top of the working tree.
    #[must_use]
    pub fn git_path(&self, file: &str) -> String {
        format!("{}{file}", self.prefix)
    }

    /// The settings in the working tree's `capture-hook.toml`.
    pub fn config(&self) -> Result<Config, ProjectError> {
        self.config_at(&Source::WorkTree)
    }

    /// The settings as a commit or the index has them.
    pub fn config_at(&self, source: &Source) -> Result<Config, ProjectError> {
        let Some(bytes) = self.file(source, crate::config::FILE)? else { return Ok(Config::default()) };
        Ok(Config::parse(&String::from_utf8_lossy(&bytes))?)
    }

    /// Which findings count, and which files belong to a run, by the working tree's settings.
    pub fn validation(&self) -> Result<Options, ProjectError> {
        Ok(validation(&self.config()?)?)
    }

    /// DVC's settings.
    pub fn dvc_settings(&self) -> Result<&Settings, ProjectError> {
        if self.settings.get().is_none() {
            let mut settings = self.read_dvc_settings()?;
            // An output's own remote goes before the default one.
            if let Ok(State { wanted: Some(wanted), .. }) = self.state(&Source::WorkTree)
                && let Some(own) = wanted.stage.outs.iter().find(|out| out.path.trim_end_matches('/') == wanted.out_dir)
                && own.remote.is_some()
            {
                settings.default_remote.clone_from(&own.remote);
            }
            let real = settings.cache_dir.canonicalize().unwrap_or_else(|_| settings.cache_dir.clone());
            if self.repo.tracks(&settings.cache_dir)? || self.repo.tracks(&real)? {
                settings.take_cache_for_strange();
            }
            let _ = self.settings.set(settings);
        }
        self.settings.get().ok_or_else(|| ProjectError::NoDvcProject { dir: self.root.clone() })
    }

    /// DVC's settings as the files say. A cache behind links is the user's own affair, unless git tracks them: a repository
    /// must not choose where objects are written.
    pub fn read_dvc_settings(&self) -> Result<Settings, ProjectError> {
        let settings = Settings::read_trusting(&self.root, &self.env, || self.local_settings_are_own())?;
        match self.repo.tracked_link(&settings.cache_dir)? {
            Some(link) => Err(Refused::Link(link.clone()).into()).at("use the cache behind", &link).map_err(Into::into),
            None => Ok(settings),
        }
    }

    /// The project's files, in the working tree.
    #[must_use]
    pub fn files(&self) -> Root<'_> {
        Root::at(&self.root)
    }

    /// Whether `.dvc/config.local` is the user's own: git tracks neither it nor a link on the way to it, and `.dvc` is no
    /// repository of another (a submodule stays there when its commit goes).
    #[must_use]
    pub fn local_settings_are_own(&self) -> bool {
        let another = std::fs::symlink_metadata(self.root.join(".dvc").join(".git")).is_ok();
        // What cannot be asked is not trusted.
        !another && matches!(self.repo.index_covers(&self.git_path(".dvc/config.local")), Ok(false))
    }

    /// DVC's cache.
    pub fn cache(&self) -> Result<Cache, ProjectError> {
        Ok(Cache::of(self.dvc_settings()?))
    }

    /// The `dvc` program, for this project. Its children know that one of us called, so that their own git calls start
    /// nothing of ours.
    pub fn dvc(&self) -> Result<Dvc, ProgramError> {
        let setting = self.repo.config(DVC_SETTING).ok().flatten();
        let own = crate::support::process::own_path(&self.env);
        let dvc = Dvc::find(&Search {
            root: &self.root,
            env: &self.env,
            git_config: setting.as_deref(),
            why_not: &|program| self.why_not_run(program),
            unnamed: &self.venv_programs(),
            own_dir: own.as_deref().and_then(Path::parent),
        })?;
        Ok(dvc.with_env(ACTIVE, "1"))
    }

    /// A new linked working tree would have a cache of its own, with nothing in it: where it has no settings of its own
    /// yet, it shares the main working tree's.
    pub fn share_cache(&self, hear: &dyn Hear) -> Result<(), ProjectError> {
        let linked = self.repo.git_dir() != self.repo.common_dir();
        let local = ".dvc/config.local";
        let Some(main) = self.repo.common_dir().parent().filter(|_| linked) else { return Ok(()) };
        let main = main.join(&self.prefix);
        let own = self.root.join(".dvc").join("cache");
        if !is_dvc_root(&main)
            || self.files().kind(local)? != FileKind::Absent
            || self.read_dvc_settings()?.cache_dir != own
        {
            return Ok(());
        }
        let env = self.env.clone().without_git();
        let shared = Self::at(Repo::open(&main, &env)?, main.clone(), &env).read_dvc_settings()?.cache_dir;
        let text = format!("[cache]\n    dir = {}\n", shared.display());
        self.files().write_atomic(local, text.as_bytes())?;
        hear.status(&format!("this working tree shares DVC's cache of {}", main.display()));
        Ok(())
    }

    /// A file's bytes as the index, a commit or the working tree has them.
    pub fn file(&self, source: &Source, file: &str) -> Result<Option<Vec<u8>>, ProjectError> {
        let limit = if file == crate::dvc::lock::FILE { limits::LOCK } else { limits::TEXT };
        let path = self.git_path(file);
        let entry = match source {
            Source::Index => self.repo.index_entry(&path)?,
            Source::Commit(id) => self.repo.entry_at(id, &path)?,
            Source::WorkTree => return Ok(self.files().read(file, limit)?),
        };
        let refused = |refused: Refused| FsError { action: "read", path: path.clone().into(), source: refused.into() };
        match entry {
            None => Ok(None),
            Some(entry) if !entry.is_file() => Err(refused(Refused::Link(path.clone().into())).into()),
            Some(entry) if self.repo.blob_size(&entry.id)? > limit => Err(refused(Refused::TooLarge(limit)).into()),
            Some(entry) => Ok(Some(self.repo.blob(&entry.id)?)),
        }
    }

    /// Where capture-hook keeps its own state of this repository.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.repo.state_dir()
    }
}

/// Which findings count, and which files belong to a run.
pub fn validation(config: &Config) -> Result<Options, OptionsError> {
    let mut options = Options::new(&config.validate.ignore, &config.validate.deny, crate::config::FILE)?;
    options.include = config.ingest.include.clone();
    Ok(options)
}

/// Whether DVC would take this directory for a project. Of what is no file there, whoever reads it complains.
fn is_dvc_root(dir: &Path) -> bool {
    std::fs::symlink_metadata(dir.join(".dvc").join("config")).is_ok_and(|meta| !meta.is_dir())
}

fn names_the_stage(dir: &Path) -> bool {
    let bytes = Root::at(dir).read(crate::dvc::stage::FILE, limits::TEXT).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).contains(crate::dvc::stage::STAGE)
}

/// A relative path with `/`.
fn slashed(path: &Path) -> String {
    path.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

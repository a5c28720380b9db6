//! One repository as capture-hook sees it: git, DVC, settings and dataset.
//!
//! [`Project`] is a git repository with a DVC project in it, at its top or in a subdirectory. A repository can have
//! several; a command works on the one that it is called in.

pub mod config;
pub mod data_dir;
pub mod dir;
mod error;
pub mod held;
pub mod include;
pub mod mutex;
pub mod pins;
pub mod programs;
pub(crate) mod removal_note;
pub mod select;
pub mod state;
pub mod workspace;

use std::cell::{OnceCell, RefCell, RefMut};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dataset::file_lists::FileListCache;
use crate::dataset::metrics_files;
use crate::dvc::cache::Cache;
use crate::dvc::program::{Dvc, ProgramError, ProgramSearch};
use crate::dvc::project::{DvcProject, FindDvc};
use crate::dvc::session::DvcSession;
use crate::dvc::settings::DvcSettings;
use crate::git::{Oid, Repo};
use crate::project::config::Config;
use crate::support::beneath::RootDir;
use crate::support::env::Env;
use crate::support::fs::{At, FsError, PathRefusal};
use crate::support::limits;
use crate::support::path::to_slashes;
use crate::support::process::shell_quote;
use crate::support::progress::{NoProgress, Progress};
use crate::validate::{IgnoredFinding, ValidateOptions, ValidationReport};

pub use crate::dataset::record::DatasetRecord;
pub use crate::dvc::lockfile::FILE as LOCKFILE;
pub use crate::dvc::stage::{FILE as PIPELINE_FILE, PARAMS_FILE};
pub use error::ProjectError;
pub use state::{DatasetState, GitTree};

/// The setting that names the DVC project for commands that are in none of several.
pub const ROOT_SETTING: &str = "capture-hook.root";
/// The setting that names the `dvc` program.
const DVC_SETTING: &str = "capture-hook.dvc";
/// Set for what we call: hooks that find it do nothing.
pub const ACTIVE_VAR: &str = "CAPTURE_HOOK_ACTIVE";

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
    pub(crate) settings: OnceCell<DvcSettings>,
    records: RefCell<HashMap<Oid, Option<DatasetRecord>>>,
    pub(crate) file_lists: RefCell<Option<FileListCache>>,
    other_prefixes: OnceCell<Vec<String>>,
    dvc_session: Arc<DvcSession>,
}

/// Receives the messages of a long piece of work.
pub trait Reporter: Sync {
    /// What is being done.
    fn show_status(&self, line: &str);
    /// Something that failed, and did not stop the work.
    fn show_warning(&self, line: &str);
    /// What to do next.
    fn show_hint(&self, line: &str);
    /// A line of a program that works for us, such as git.
    fn relay_line(&self, line: &str);
    /// A progress bar over `total` bytes.
    fn start_progress(&self, what: &str, total: Option<u64>) -> Box<dyn Progress>;
    /// The progress of work on this many runs or files; `one` is the noun of a single one. Default: nothing.
    fn start_counting(&self, _what: &str, _count: u64, _one: &'static str) -> Box<dyn Progress> {
        Box::new(NoProgress)
    }
}

/// Reports what the validation of a run ignored: nothing is left out of a verdict without a message.
pub fn report_ignored(report: &ValidationReport, reporter: &dyn Reporter) {
    let Some(ignored) = IgnoredFinding::describe_all(&report.ignored) else { return };
    let line = format!("the validation of {} {ignored}", report.run_dir);
    if IgnoredFinding::any_is_error(&report.ignored) {
        reporter.show_warning(&line)
    } else {
        reporter.show_status(&line)
    }
}

impl Project {
    /// The project that a command at `cwd` works on: the one that `cwd` is in, else the one that git's settings name,
    /// else the only one. Fails, and names what is missing, if there is none, if it is not checked out, or if
    /// there are several to choose from.
    pub fn open(cwd: &Path, env: &Env) -> Result<Self, ProjectError> {
        let repo = Repo::open(cwd, env)?;
        let top = repo.top()?.to_path_buf();
        let project = Self::find(repo, cwd, env)?.ok_or(ProjectError::NoDvcProject { dir: top })?;
        require_checked_out(&project)?;
        Ok(project)
    }

    /// The same; `None` if the repository holds no project. One that is not checked out is one, too.
    pub fn find(repo: Repo, cwd: &Path, env: &Env) -> Result<Option<Self>, ProjectError> {
        let top = repo.top()?.to_path_buf();
        let dir = dir::find_in_repo(&repo, cwd)?;
        Ok(dir.map(|dir| Self::at(repo, top.join(dir), env)))
    }

    /// Every project of the repository, those too that are not checked out. Hooks serve them in turn.
    pub fn open_all(cwd: &Path, env: &Env) -> Result<Vec<Self>, ProjectError> {
        let repo = Repo::open(cwd, env)?;
        let top = repo.top()?.to_path_buf();
        let dirs = dir::list_project_dirs(&repo, cwd)?;
        let mut first = Some(repo);
        let project = |dir: String| -> Result<Self, ProjectError> {
            let repo = match first.take() {
                Some(repo) => repo,
                None => Repo::open(cwd, env)?,
            };
            Ok(Self::at(repo, top.join(dir), env))
        };
        dirs.into_iter().map(project).collect()
    }

    /// The other projects of the repository: their directories as prefixes, like [`Project::prefix`].
    pub fn other_prefixes(&self) -> Result<&[String], ProjectError> {
        if self.other_prefixes.get().is_none() {
            let dirs = dir::list_project_dirs(&self.repo, self.repo.top()?)?;
            let prefixes = dirs.iter().map(|dir| dir::prefix_of(dir)).filter(|prefix| *prefix != self.prefix);
            // The cell was empty above, so this cannot fail.
            let _ = self.other_prefixes.set(prefixes.collect());
        }
        Ok(self.other_prefixes.get().map(Vec::as_slice).unwrap_or_default())
    }

    /// The project in this directory of the repository.
    #[must_use]
    pub fn at(repo: Repo, root: PathBuf, env: &Env) -> Self {
        let inner = repo.top().ok().and_then(|top| root.strip_prefix(top).ok()).map(to_slashes).unwrap_or_default();
        Self {
            repo,
            root,
            prefix: dir::prefix_of(&inner),
            env: env.clone(),
            settings: OnceCell::new(),
            records: RefCell::new(HashMap::new()),
            file_lists: RefCell::new(None),
            other_prefixes: OnceCell::new(),
            dvc_session: Arc::default(),
        }
    }

    /// A file of the project as git names it: relative to the top of the working tree.
    #[must_use]
    pub fn git_path(&self, file: &str) -> String {
        format!("{}{file}", self.prefix)
    }

    /// The settings in the working tree's `capture-hook.toml`.
    pub fn read_config(&self) -> Result<Config, ProjectError> {
        self.read_config_at(&GitTree::WorkTree)
    }

    /// The settings as a commit or the index has them.
    pub fn read_config_at(&self, source: &GitTree) -> Result<Config, ProjectError> {
        let Some(bytes) = self.read_file(source, crate::project::config::FILE)? else { return Ok(Config::default()) };
        Ok(Config::parse(&String::from_utf8_lossy(&bytes))?)
    }

    /// DVC's settings.
    pub fn dvc_settings(&self) -> Result<&DvcSettings, ProjectError> {
        if self.settings.get().is_none() {
            let mut settings = self.read_dvc_settings()?;
            // An output's own remote takes precedence over the default one.
            if let Ok(DatasetState { stage: Some(stage), .. }) = self.dataset_state(&GitTree::WorkTree)
                && let Some(own) = stage.stage.outs.iter().find(|out| out.path.trim_end_matches('/') == stage.out_dir)
                && own.remote.is_some()
            {
                settings.default_remote_name.clone_from(&own.remote);
            }
            // Before its first use there is no cache directory to resolve.
            let real = settings.cache_dir.canonicalize().unwrap_or_else(|_| settings.cache_dir.clone());
            if self.repo.is_tracked(&settings.cache_dir)? || self.repo.is_tracked(&real)? {
                settings.distrust_cache();
            }
            // If the cell was filled in the meantime, its settings are these.
            let _ = self.settings.set(settings);
        }
        self.settings.get().ok_or_else(|| ProjectError::NoDvcProject { dir: self.root.clone() })
    }

    /// DVC's settings as the files have them. The user may put the cache behind links, unless git tracks them: a
    /// repository must not choose where objects are written.
    pub fn read_dvc_settings(&self) -> Result<DvcSettings, ProjectError> {
        let settings = DvcSettings::read_trusting(&self.root, &self.env, || local_settings_are_own(self))?;
        match self.repo.tracked_link(&settings.cache_dir)? {
            Some(link) => {
                Err(PathRefusal::Link(link.clone()).into()).at("use the cache behind", &link).map_err(Into::into)
            }
            None => Ok(settings),
        }
    }

    /// The project's files, in the working tree.
    #[must_use]
    pub fn root_files(&self) -> RootDir<'_> {
        RootDir::new(&self.root)
    }

    /// DVC's cache.
    pub fn open_cache(&self) -> Result<Cache, ProjectError> {
        Ok(Cache::from_settings(self.dvc_settings()?))
    }

    /// The DVC project: its settings, its cache, and the program if only that can do something.
    pub fn dvc(&self) -> Result<DvcProject<'_>, ProjectError> {
        Ok(DvcProject::new(&self.root, self.dvc_settings()?, self))
    }

    /// The `dvc` program, for this project. Its children know that one of us called, so that their own git calls start
    /// nothing of ours.
    pub fn find_dvc(&self) -> Result<Dvc, ProgramError> {
        // A setting that cannot be read names no program.
        let setting = self.repo.config_value(DVC_SETTING).ok().flatten();
        let own = crate::support::process::own_program_path(&self.env);
        let dvc = Dvc::find(&ProgramSearch {
            root: &self.root,
            env: &self.env,
            git_config: setting.as_deref(),
            why_not: &|program| programs::why_not_run(self, program),
            unnamed: &programs::find_venv_programs(self),
            own_dir: own.as_deref().and_then(Path::parent),
        })?;
        Ok(dvc.with_env(ACTIVE_VAR, "1").with_session(Arc::clone(&self.dvc_session)))
    }

    /// A file's bytes as the index, a commit or the working tree has them.
    pub fn read_file(&self, source: &GitTree, file: &str) -> Result<Option<Vec<u8>>, ProjectError> {
        let limit = if file == crate::dvc::lockfile::FILE { limits::LOCKFILE } else { limits::TEXT };
        let path = self.git_path(file);
        let entry = match source {
            GitTree::Index => self.repo.index_entry(&path)?,
            GitTree::Commit(id) => self.repo.entry_at(id, &path)?,
            GitTree::WorkTree => return Ok(self.root_files().read(file, limit)?),
        };
        let refused =
            |refused: PathRefusal| FsError { action: "read", path: path.clone().into(), source: refused.into() };
        match entry {
            None => Ok(None),
            // The blob of a link is its target's path, not a file's content.
            Some(entry) if !entry.is_file() => Err(refused(PathRefusal::Link(path.clone().into())).into()),
            Some(entry) if self.repo.blob_size(&entry.id)? > limit => Err(refused(PathRefusal::TooLarge(limit)).into()),
            Some(entry) => Ok(Some(self.repo.read_blob(&entry.id)?)),
        }
    }

    /// The file lists in this clone.
    pub fn file_lists(&self) -> Result<RefMut<'_, FileListCache>, ProjectError> {
        let cache = self.open_cache()?;
        Ok(RefMut::map(self.file_lists.borrow_mut(), |file_lists| {
            file_lists.get_or_insert_with(|| FileListCache::new(cache))
        }))
    }

    /// Where capture-hook keeps its own state of this repository.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.repo.state_dir()
    }
}

impl FindDvc for Project {
    fn find_dvc(&self) -> Result<Dvc, ProgramError> {
        Self::find_dvc(self)
    }
}

/// An error if the repository holds the project and the working tree lacks it, with the command that checks it out.
pub fn require_checked_out(project: &Project) -> Result<(), ProjectError> {
    if dir::is_dvc_root(&project.root) {
        return Ok(());
    }
    let top = project.repo.top()?.to_path_buf();
    let sparse = project.repo.config_bool("core.sparseCheckout")? == Some(true);
    let command = if sparse {
        let dirs: Vec<String> = list_own_dirs(project)?.iter().map(shell_quote).collect();
        format!("git sparse-checkout add {}", dirs.join(" "))
    } else {
        format!("git restore --source=HEAD --staged --worktree -- {}", shell_quote(project.git_path(".dvc")))
    };
    // With `GIT_DIR` alone, git takes the current directory for the top of the working tree.
    let adrift = project.env.get("GIT_DIR").is_some() && project.env.get("GIT_WORK_TREE").is_none();
    Err(ProjectError::NotCheckedOut { file: project.git_path(dir::DVC_CONFIG), top, command, adrift })
}

/// A file of the working tree's git directory in which something about this project is noted.
pub(crate) fn mark_path(project: &Project, name: &str) -> PathBuf {
    // `%` first, or the escape of `/` would be escaped again. So no two projects share a name.
    let dir = project.prefix.trim_end_matches('/').replace('%', "%25").replace('/', "%2F");
    let end = if dir.is_empty() { dir } else { format!("-{dir}") };
    project.repo.git_dir().join(format!("{name}{end}"))
}

/// The tracked directories that the project's work needs, relative to the top of the working tree.
fn list_own_dirs(project: &Project) -> Result<Vec<String>, ProjectError> {
    if !project.prefix.is_empty() {
        return Ok(vec![project.prefix.trim_end_matches('/').to_owned()]);
    }
    // From the index, for the working tree lacks the files. A pipeline that cannot be read adds no directory.
    let stage = project.dataset_state(&GitTree::Index).ok().and_then(|state| state.stage);
    let above_data = stage.and_then(|stage| Some(stage.out_dir.rsplit_once('/')?.0.to_owned()));
    let mut dirs = vec![".dvc".to_owned()];
    for dir in above_data.into_iter().chain([metrics_files::DIR.to_owned()]) {
        if project.repo.index_holds_below(&dir)? {
            dirs.push(dir);
        }
    }
    Ok(dirs)
}

/// The directory of another project as it is typed in this one's.
#[must_use]
pub fn path_to_project(project: &Project, other: &str) -> String {
    let up = "../".repeat(project.prefix.matches('/').count());
    let path = format!("{up}{}", other.trim_end_matches('/'));
    path.trim_end_matches('/').to_owned()
}

/// Which findings count, and which files belong to a run, by the working tree's settings.
pub fn read_validation_options(project: &Project) -> Result<ValidateOptions, ProjectError> {
    validation_options(&project.root, &project.read_config()?)
}

/// Whether `.dvc/config.local` is the user's own: git tracks neither it nor a link on the path to it, and `.dvc` is no
/// repository of another (a submodule stays there after a checkout of a commit without it).
#[must_use]
pub fn local_settings_are_own(project: &Project) -> bool {
    let another = std::fs::symlink_metadata(project.root.join(".dvc").join(".git")).is_ok();
    // What cannot be asked is not trusted.
    !another && matches!(project.repo.index_covers(&project.git_path(".dvc/config.local")), Ok(false))
}

/// Which findings count, which files belong to a run, and which schemas are pinned, by these settings of a project.
pub fn validation_options(root: &Path, config: &Config) -> Result<ValidateOptions, ProjectError> {
    let mut options =
        ValidateOptions::new(&config.validate.ignore, &config.validate.deny, crate::project::config::FILE)?;
    options.include = config.ingest.include.clone();
    options.pins = pins::read_pinned_schemas(root, config)?;
    Ok(options)
}

//! Opens the repository, and calls the git program in it.
//!
//! Git exports `GIT_DIR`, `GIT_INDEX_FILE` and `GIT_WORK_TREE` to hooks, relative to the directory it starts them in.
//! They are used, and made absolute at once: our own git calls keep them, and run at the top of the working tree.
//! Variables that would change the meaning of our calls are removed ([`USER_CALL_VARS`]). Opening a repository writes
//! nothing and trusts nothing in its working tree.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::git::error::GitError;
use crate::support::env::Env;
use crate::support::process::{Cmd, ProcessError, ProcessOutput};

/// The tree of each commit that was asked for.
pub(super) type CommitTrees = RefCell<HashMap<git2::Oid, git2::Oid>>;

/// Variables that users set for the git commands they type, and that would change the meaning of ours: how a path is
/// matched, how a difference is shown.
const USER_CALL_VARS: &[&str] = &[
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
];

/// A git repository, with the index and working tree that its environment names.
pub struct Repo {
    pub(super) git_dir: PathBuf,
    pub(super) common_dir: PathBuf,
    pub(super) work_tree: Option<PathBuf>,
    pub(super) index_file: PathBuf,
    /// `None` if libgit2 refuses the repository.
    pub(super) lib: Option<git2::Repository>,
    pub(super) index: OnceCell<Option<git2::Index>>,
    pub(super) commit_trees: CommitTrees,
    env: Env,
}

impl Repo {
    /// Opens the repository that git's variables name, else the one that contains `cwd` (absolute).
    pub fn open(cwd: &Path, env: &Env) -> Result<Self, GitError> {
        let env = &USER_CALL_VARS.iter().fold(env.clone(), |env, name| env.without_var(name));
        let absolute = |name: &str| env.get(name).map(|value| clean_path(&cwd.join(value)));
        let (given_dir, given_tree) = (absolute("GIT_DIR"), absolute("GIT_WORK_TREE"));
        let opened = match &given_dir {
            Some(dir) => git2::Repository::open_ext(
                dir,
                git2::RepositoryOpenFlags::NO_SEARCH | git2::RepositoryOpenFlags::NO_DOTGIT,
                std::iter::empty::<&OsStr>(),
            ),
            None => {
                let ceilings = env.get("GIT_CEILING_DIRECTORIES").map(std::env::split_paths);
                git2::Repository::open_ext(
                    cwd,
                    git2::RepositoryOpenFlags::empty(),
                    ceilings.into_iter().flatten().filter(|dir| dir.is_absolute()),
                )
            }
        };
        let mut repo = match opened {
            Ok(lib) => {
                let work_tree = match (&given_tree, &given_dir) {
                    (Some(tree), _) => Some(tree.clone()),
                    (None, Some(_)) if !lib.is_bare() => Some(work_tree_of(&lib).unwrap_or_else(|| cwd.to_path_buf())),
                    _ => lib.workdir().map(clean_path),
                };
                Self {
                    git_dir: clean_path(lib.path()),
                    common_dir: clean_path(lib.commondir()),
                    index_file: clean_path(lib.path()).join("index"),
                    work_tree,
                    lib: Some(lib),
                    index: OnceCell::new(),
                    commit_trees: CommitTrees::default(),
                    env: Env::default(),
                }
            }
            Err(error) if error.code() == git2::ErrorCode::NotFound && given_dir.is_none() => {
                return Err(GitError::NotARepository { dir: cwd.to_path_buf() });
            }
            // A format that libgit2 does not know, or an owner that it does not trust: git itself decides.
            Err(_) => Self::open_by_program(cwd, env)?,
        };
        if let Some(index) = absolute("GIT_INDEX_FILE") {
            repo.index_file = index;
        }
        repo.env = env.clone();
        for (name, value) in [("GIT_DIR", given_dir), ("GIT_WORK_TREE", given_tree)] {
            if let Some(value) = value {
                repo.env = repo.env.with_var(name, value);
            }
        }
        for name in ["GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"] {
            if let Some(value) = absolute(name) {
                repo.env = repo.env.with_var(name, value);
            }
        }
        // Git sets it for aliases and hooks; our own calls run at the top, and paths are relative to it.
        repo.env = repo.env.without_var("GIT_PREFIX");
        Ok(repo)
    }

    /// Opens by `git rev-parse` a repository that libgit2 refuses.
    fn open_by_program(cwd: &Path, env: &Env) -> Result<Self, GitError> {
        let rev_parse = |args: &[&str]| Cmd::new("git").arg("rev-parse").args(args).dir(cwd).run(&read_only_env(env));
        let output = rev_parse(&["--absolute-git-dir", "--git-common-dir", "--is-bare-repository"]);
        let output = output.map_err(|error| match error {
            ProcessError::Start { .. } => GitError::NoProgram,
            error => error.into(),
        })?;
        if !output.success() {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            let dir = cwd.to_path_buf();
            // The words of git's `setup.c`, in the locale C (see `read_only_env`).
            return Err(if stderr.contains("dubious ownership") || stderr.contains("safe.directory") {
                GitError::Ownership { dir }
            } else {
                GitError::NotARepository { dir }
            });
        }
        let text = output.stdout_text();
        let mut lines = text.lines().map(|line| clean_path(&cwd.join(line)));
        let not_a_repository = || GitError::NotARepository { dir: cwd.to_path_buf() };
        let git_dir = lines.next().ok_or_else(not_a_repository)?;
        let common_dir = lines.next().ok_or_else(not_a_repository)?;
        let top = rev_parse(&["--show-toplevel"])?;
        let work_tree = (top.success() && !top.stdout_text().is_empty()).then(|| PathBuf::from(top.stdout_text()));
        let index_file = git_dir.join("index");
        Ok(Self {
            git_dir,
            common_dir,
            work_tree,
            index_file,
            lib: None,
            index: OnceCell::new(),
            commit_trees: CommitTrees::default(),
            env: Env::default(),
        })
    }

    /// The top of the working tree; fails in a bare repository.
    pub fn top(&self) -> Result<&Path, GitError> {
        self.work_tree.as_deref().ok_or_else(|| GitError::Bare { dir: self.git_dir.clone() })
    }

    /// This working tree's git directory (`.git`, or `.git/worktrees/x`).
    #[must_use]
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The git directory that all working trees share.
    #[must_use]
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// Returns the main working tree, to which linked ones belong; `None` if the clone is bare, or the tree is not known.
    #[must_use]
    pub fn main_tree(&self) -> Option<PathBuf> {
        let flags = git2::RepositoryOpenFlags::NO_SEARCH | git2::RepositoryOpenFlags::NO_DOTGIT;
        match git2::Repository::open_ext(&self.common_dir, flags, std::iter::empty::<&OsStr>()) {
            Ok(main) if main.is_bare() => None,
            Ok(main) => work_tree_of(&main),
            Err(_) => {
                let bare = self.config_bool("core.bare").ok().flatten() == Some(true);
                self.common_dir.parent().filter(|_| self.common_dir.ends_with(".git") && !bare).map(Path::to_path_buf)
            }
        }
    }

    /// The index in use: `GIT_INDEX_FILE`, else the working tree's own.
    #[must_use]
    pub fn index_file(&self) -> &Path {
        &self.index_file
    }

    /// The directory for our own state, shared by all working trees. It need not exist.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.common_dir.join("capture-hook")
    }

    /// The environment for our own git calls, git's variables made absolute.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// Runs git at the top of the working tree (in the git directory of a bare repository); an exit code other than 0
    /// is an error.
    pub fn run_git<A: Into<OsString>>(&self, args: impl IntoIterator<Item = A>) -> Result<ProcessOutput, GitError> {
        Ok(self.git_cmd(args).run_checked(&self.env)?)
    }

    /// Runs git like [`Self::run_git`], with these bytes on standard input.
    pub fn run_git_with<A: Into<OsString>>(
        &self,
        args: impl IntoIterator<Item = A>,
        stdin: Vec<u8>,
    ) -> Result<ProcessOutput, GitError> {
        Ok(self.git_cmd(args).stdin(stdin).run_checked(&self.env)?)
    }

    /// Runs git for reading only: no optional locks, no network, no prompt. Any exit code is `Ok`.
    pub fn query_git<A: Into<OsString>>(&self, args: impl IntoIterator<Item = A>) -> Result<ProcessOutput, GitError> {
        Ok(self.git_cmd(args).run(&read_only_env(&self.env))?)
    }

    /// Makes a git call that runs at the top of the working tree.
    pub fn git_cmd<A: Into<OsString>>(&self, args: impl IntoIterator<Item = A>) -> Cmd {
        Cmd::new("git").args(args).dir(self.work_tree.as_deref().unwrap_or(&self.git_dir))
    }
}

/// Returns the working tree of a repository that is known by `GIT_DIR` alone: the one that `core.worktree` names, or
/// the one whose `.git` it is. `None` if it is neither: git then uses the directory it is called in, whatever is beside
/// the git directory (`git init --separate-git-dir`).
fn work_tree_of(lib: &git2::Repository) -> Option<PathBuf> {
    let tree = lib.workdir().map(clean_path)?;
    let is_configured = lib.config().is_ok_and(|config| config.get_entry("core.worktree").is_ok());
    let repo_at_tree = || {
        let flags = git2::RepositoryOpenFlags::NO_SEARCH;
        git2::Repository::open_ext(&tree, flags, std::iter::empty::<&OsStr>())
    };
    (is_configured || repo_at_tree().is_ok_and(|found| found.path() == lib.path())).then_some(tree)
}

/// Returns the environment for a git call that only reads.
pub(super) fn read_only_env(env: &Env) -> Env {
    env.clone()
        // Git's words are parsed (`dubious ownership`), so they must not be translated. LC_MESSAGES would not do:
        // LC_ALL wins over it, and so does LANGUAGE except in the locale C. Paths stay UTF-8 whatever the locale.
        .with_var("LC_ALL", "C")
        .with_var("GIT_OPTIONAL_LOCKS", "0")
        .with_var("GIT_NO_LAZY_FETCH", "1")
        .with_var("GIT_TERMINAL_PROMPT", "0")
}

/// Returns the path without `.` and a last slash; links are not resolved.
fn clean_path(path: &Path) -> PathBuf {
    path.components().collect()
}

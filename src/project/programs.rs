//! Whether a `dvc` that is in the repository is run.
//!
//! The author of a repository can make git put files into every clone's working tree: tracked files, submodules, and
//! what git leaves behind of either; our own checkout adds the dataset. So a `dvc` in the repository is checked each
//! time before it is run, with the whole environment that it reads; SECURITY.md has the rule. A `.venv` is never
//! looked for unasked: its owner names it once, in this clone's own git configuration.

use std::collections::VecDeque;
use std::path::{Component, Path, PathBuf};

use super::{DVC_SETTING, GitTree, Project, ProjectError};
use crate::dvc::interpreter;
use crate::dvc::program::{Dvc, ProgramError, ProgramSearch};
use crate::git::{GitError, Repo};
use crate::support::env::Env;
use crate::support::fs;
use crate::support::off_limits::is_environment;

/// Why this program (absolute) is not run; `None` if neither git nor our own checkout can have written it, or what it
/// reads.
#[must_use]
pub fn why_not_run(project: &Project, program: &Path) -> Option<String> {
    let trees = list_work_trees(project);
    resolve_link_paths(program).iter().find_map(|path| {
        // One working tree may be in another.
        let around = trees.iter().filter(|tree| *path != tree.top && path.starts_with(&tree.top));
        // The innermost: its git knows which files it wrote there.
        let tree = around.max_by_key(|tree| tree.top.components().count())?;
        match why_not_run_at(project, tree, path) {
            Ok(why) => why,
            // Refused in doubt: without git's answer the file may be one that it wrote.
            Err(error) => Some(format!("cannot find out which files git wrote there: {error}")),
        }
    })
}

/// The directory of the `dvc` that a new project in `dir` calls. What `current`, the project that the user is in, does
/// not trust is passed over.
pub fn find_dvc_bin(
    dir: &Path,
    env: &Env,
    own_dir: Option<&Path>,
    current: Option<&Project>,
) -> Result<Option<PathBuf>, ProgramError> {
    let dvc = Dvc::find(&ProgramSearch {
        root: dir,
        env,
        git_config: None,
        why_not: &|program| why_not_run(current?, program),
        unnamed: &[],
        own_dir,
    })?;
    Ok(dvc.path().parent().map(Path::to_path_buf))
}

/// Names the `dvc` of the project's own `.venv` in this clone's git settings, if nothing names one yet and git
/// and our checkout cannot have written it. For commands that the owner types. Gives the program that is named now.
pub fn trust_own_venv(project: &Project) -> Result<Option<PathBuf>, ProjectError> {
    if project.repo.config_value(DVC_SETTING)?.is_some_and(|value| !value.trim().is_empty()) {
        return Ok(None);
    }
    let may_run = |program: &PathBuf| {
        interpreter::missing_interpreter(program).is_none() && why_not_run(project, program).is_none()
    };
    let Some(program) = find_venv_programs(project).into_iter().find(may_run) else { return Ok(None) };
    // In the settings of this clone, which no clone, fetch or pull can write.
    project.repo.set_local_config(DVC_SETTING, &program.to_string_lossy())?;
    Ok(Some(program))
}

/// The `dvc` of a `.venv` at the project's root or at the top of the working tree, if there is one.
#[must_use]
pub fn find_venv_programs(project: &Project) -> Vec<PathBuf> {
    let mut parents = vec![project.root.as_path()];
    parents.extend(project.repo.top().ok().filter(|top| *top != project.root));
    let programs = parents.into_iter().map(|dir| dir.join(".venv").join("bin").join("dvc"));
    programs.filter(|program| fs::is_executable(program)).collect()
}

fn why_not_run_at(project: &Project, tree: &RepoWorkTree, path: &Path) -> Result<Option<String>, GitError> {
    let repo = tree.repo.as_ref().unwrap_or(&project.repo);
    let below = |dir: &&Path| *dir != tree.top;
    if let Some(dir) = path.ancestors().take_while(below).find(|dir| dir.join(".git").symlink_metadata().is_ok()) {
        return Ok(Some(format!(
            "{} is a repository of its own, such as a submodule that git left behind",
            dir.display()
        )));
    }
    for dir in dirs_read_by(&tree.top, path) {
        if repo.is_tracked(&dir)? {
            return Ok(Some(format!("git tracks {}, or files in it", dir.display())));
        }
        // A checkout can leave files behind that another commit tracked.
        if repo.was_tracked(&dir)? {
            return Ok(Some(format!("git tracked {}, or files in it, at another commit", dir.display())));
        }
        let overlaps = |other: &Path| other.starts_with(&dir) || dir.starts_with(other);
        if let Some(module) = repo.submodule_dirs().iter().find(|module| overlaps(module)) {
            return Ok(Some(format!("git checked out the submodule {} there", module.display())));
        }
        let datasets =
            list_dataset_dirs(project).into_iter().map(|out_dir| tree.top.join(&project.prefix).join(out_dir));
        if let Some(dataset) = datasets.into_iter().find(|dataset| overlaps(dataset)) {
            return Ok(Some(format!("it is inside the dataset {}, or contains it", dataset.display())));
        }
    }
    Ok(None)
}

/// The directories that the working tree's files name as the dataset, relative to the root.
fn list_dataset_dirs(project: &Project) -> Vec<String> {
    let lockfile_dir =
        project.dataset_record(&GitTree::WorkTree).ok().flatten().map(|lockfile_dir| lockfile_dir.out_dir);
    let stage_dir =
        project.dataset_state(&GitTree::WorkTree).ok().and_then(|state| state.stage).map(|stage_dir| stage_dir.out_dir);
    lockfile_dir.into_iter().chain(stage_dir).collect()
}

/// Every working tree of the repository: all of them share its settings, and a program may be in another one.
fn list_work_trees(project: &Project) -> Vec<RepoWorkTree> {
    let own = project.repo.top().ok().and_then(|top| top.canonicalize().ok());
    let own = own.map(|top| RepoWorkTree { top, repo: None });
    let others = project.repo.other_work_trees().into_iter().filter_map(|top| {
        // `GIT_DIR` and the like name our repository. A tree that cannot be opened (removed, say) is passed over.
        let repo = Repo::open(&top, &project.env.clone().without_git()).ok()?;
        Some(RepoWorkTree { top, repo: Some(repo) })
    });
    own.into_iter().chain(others).collect()
}

/// A working tree of the repository.
struct RepoWorkTree {
    /// Its top, links resolved.
    top: PathBuf,
    /// `None`: the one that we work in.
    repo: Option<Repo>,
}

/// Where a file lies and by which links a path leads to it, each with its own directory's links resolved: whoever can
/// put something at one of these places chooses the file.
fn resolve_link_paths(path: &Path) -> Vec<PathBuf> {
    // As many as Linux follows in one path (path_resolution(7)).
    const MOST_LINKS: usize = 40;
    let (mut at, mut out, mut links) = (PathBuf::new(), Vec::new(), 0);
    let mut rest: VecDeque<PathBuf> = path_parts(path).collect();
    while let Some(part) = rest.pop_front() {
        match part.components().next() {
            Some(Component::ParentDir) => {
                at.pop();
            }
            Some(Component::Normal(_)) => {
                let link = at.join(&part);
                match std::fs::read_link(&link) {
                    Ok(target) if links < MOST_LINKS => {
                        links += 1;
                        out.push(link);
                        // From the end, so that the target's first part is the next one to be looked at.
                        for part in path_parts(&target).rev() {
                            rest.push_front(part);
                        }
                    }
                    // No link; or one too many, and then no program can be run by this path.
                    _ => at = link,
                }
            }
            // The root: an absolute link begins again.
            Some(_) => at = part,
            None => {}
        }
    }
    out.push(at);
    out
}

fn path_parts(path: &Path) -> impl DoubleEndedIterator<Item = PathBuf> {
    let parts: Vec<PathBuf> = path
        .components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| PathBuf::from(part.as_os_str()))
        .collect();
    parts.into_iter()
}

/// The directories, below the top of a working tree, whose files decide what a program does: its Python environment,
/// else the directory that it is in, for scripts look there for modules; a file at the top by itself.
fn dirs_read_by(top: &Path, path: &Path) -> Vec<PathBuf> {
    let below = |dir: &&Path| *dir != top;
    let dirs = || path.ancestors().skip(1).take_while(below);
    if let Some(env) = dirs().find(|dir| is_environment(dir)) {
        return vec![env.to_path_buf()];
    }
    // A file at the top counts by itself: its directory would be all of the working tree.
    let mut dirs_read = vec![dirs().next().unwrap_or(path).to_path_buf()];
    if is_environment(top) {
        // The directories in which Python's `venv` puts modules; `Lib` is that of Windows.
        dirs_read.extend(["lib", "lib64", "Lib"].map(|name| top.join(name)));
    }
    dirs_read
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// S4: Every link on the path to a program counts as a part of it.
    #[test]
    fn every_link_on_the_path_to_a_program_counts() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("envs/a/bin")).unwrap();
        std::fs::write(root.join("envs/a/bin/dvc-3"), "").unwrap();
        std::os::unix::fs::symlink("dvc-3", root.join("envs/a/bin/dvc")).unwrap();
        std::os::unix::fs::symlink(root.join("envs/../envs/a"), root.join(".venv")).unwrap();
        let found = resolve_link_paths(&root.join("x/../.venv/bin/dvc"));
        let expected = [".venv", "envs/a/bin/dvc", "envs/a/bin/dvc-3"].map(|name| root.join(name));
        assert_eq!(found, expected);
    }

    /// S4: A program's whole virtual environment counts as a part of it.
    #[test]
    fn a_program_reads_its_environment() {
        let temp = tempfile::tempdir().unwrap();
        let top = temp.path();
        std::fs::create_dir_all(top.join(".venv/bin")).unwrap();
        assert_eq!(dirs_read_by(top, &top.join(".venv/bin/dvc")), [top.join(".venv/bin")]);
        std::fs::write(top.join(".venv/pyvenv.cfg"), "").unwrap();
        assert_eq!(dirs_read_by(top, &top.join(".venv/bin/dvc")), [top.join(".venv")]);
        assert_eq!(dirs_read_by(top, &top.join(".venv")), [top.join(".venv")]);
        assert_eq!(dirs_read_by(top, &top.join("dvc")), [top.join("dvc")]);
        std::fs::write(top.join("pyvenv.cfg"), "").unwrap();
        assert!(dirs_read_by(top, &top.join("bin/dvc")).contains(&top.join("lib")));
    }
}

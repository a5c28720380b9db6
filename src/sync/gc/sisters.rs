//! Other projects that use the same cache or remote: clones that the user names in git's settings.
//!
//! Not in a tracked file: a repository must not choose which directories of its user are read, nor that there is no other
//! project.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::error::{GcError, SISTER_SETTING};
use crate::git::{Oid, Repo, RetainedObjects};
use crate::history::needed::{ListReader, NeedScope, NeededObjects, find_needed, find_project_roots};
use crate::project::{Project, ProjectError, Reporter};
use crate::support::env::Env;

/// The value that says that there is no other project.
const NO_SISTER: &str = "none";

/// The sister projects.
pub struct Sisters {
    /// Those that are named.
    pub projects: Vec<Sister>,
    /// Whether the user has named them all, or said that no other project exists.
    pub is_declared: bool,
}

/// A clone of another project.
pub struct Sister {
    /// Its directory, absolute.
    pub dir: PathBuf,
    /// Its repository.
    pub repo: Repo,
    env: Env,
}

impl Sisters {
    /// Reads the setting, and opens each project that it names.
    pub fn read(project: &Project) -> Result<Self, GcError> {
        let repo = &project.repo;
        // Fails if a file of the working tree sets it.
        let is_declared = repo.own_path_setting(SISTER_SETTING).map_err(ProjectError::from)?.is_some();
        let args = ["config", "-z", "--type=path", "--get-all", SISTER_SETTING];
        let output = repo.query_git(args).map_err(ProjectError::from)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let env = project.env.clone().without_git();
        let mut projects = Vec::new();
        for dir in text.split('\0').filter(|dir| !dir.is_empty() && *dir != NO_SISTER).map(PathBuf::from) {
            if !dir.is_absolute() {
                return Err(GcError::Sister { dir, why: "it is not an absolute path".into() });
            }
            let opened = Repo::open(&dir, &env);
            let repo = opened.map_err(|error| GcError::Sister { dir: dir.clone(), why: error.to_string() })?;
            projects.push(Sister { dir, repo, env: env.clone() });
        }
        Ok(Self { projects, is_declared })
    }
}

impl Sister {
    /// The roots of its DVC projects.
    pub fn find_roots(&self) -> Result<BTreeSet<PathBuf>, GcError> {
        Ok(find_project_roots(&self.repo).map_err(ProjectError::from)?)
    }

    /// Where its file lists are: in its caches, and on its remotes that are directories.
    pub fn lists(&self) -> Result<ListReader<'static>, GcError> {
        Ok(ListReader::of_projects(&self.find_roots()?, &self.env)?)
    }

    /// Whether it is a clone of this repository: they have a first commit in common.
    pub fn is_clone_of(&self, repo: &Repo) -> Result<bool, GcError> {
        let firsts = self.repo.query_git(["rev-list", "--max-parents=0", "--all"]).map_err(ProjectError::from)?;
        let ids: BTreeSet<Oid> = firsts.stdout_text().lines().filter_map(Oid::parse).collect();
        let mut found = RetainedObjects::default();
        repo.sort_by_type(&ids, &mut found).map_err(ProjectError::from)?;
        Ok(!found.commits.is_empty())
    }

    /// What it needs. Of a remote's objects, its clone must know all that git's remotes have.
    pub fn find_needed(
        &self,
        scope: &NeedScope,
        of_remote: bool,
        reporter: &dyn Reporter,
    ) -> Result<NeededObjects, GcError> {
        let also = if of_remote { self.refuse_unfetched(reporter)? } else { BTreeSet::new() };
        let lists = self.lists()?;
        let scope = NeedScope { since: scope.since, also, lost: scope.lost.clone() };
        Ok(find_needed(&self.repo, &scope, &lists, reporter)?)
    }

    fn refuse_unfetched(&self, reporter: &dyn Reporter) -> Result<BTreeSet<Oid>, GcError> {
        refuse_unfetched(&self.repo, reporter).map_err(|error| match error {
            GcError::NotFetched { remote, refs, first, .. } => {
                GcError::NotFetched { remote, refs, first, sister: Some(self.dir.clone()) }
            }
            other => other,
        })
    }
}

/// What the refs of git's remotes name now, if this clone has all of it: what others have pushed since would be unknown.
pub fn refuse_unfetched(repo: &Repo, reporter: &dyn Reporter) -> Result<BTreeSet<Oid>, GcError> {
    let mut commits = BTreeSet::new();
    for remote in repo.list_remotes().map_err(ProjectError::from)? {
        reporter.show_status(&format!("asking git's remote `{remote}` for its branches"));
        let refs = repo.list_remote_refs(&remote).map_err(ProjectError::from)?;
        let ids: BTreeSet<Oid> = refs.iter().map(|(id, _)| id.clone()).collect();
        let mut found = RetainedObjects::default();
        repo.sort_by_type(&ids, &mut found).map_err(ProjectError::from)?;
        let unknown: Vec<&(Oid, String)> = refs.iter().filter(|(id, _)| found.lost.contains(id)).collect();
        if let Some((_, first)) = unknown.iter().find(|(_, name)| name != "HEAD").or(unknown.first()) {
            let (refs, first) = (unknown.len() as u64, first.escape_debug().to_string());
            return Err(GcError::NotFetched { remote, refs, first, sister: None });
        }
        commits.extend(found.commits);
    }
    Ok(commits)
}

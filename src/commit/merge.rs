//! Merging with what only the repository knows: file lists that history can make again, and whose selection stands.

use std::cell::OnceCell;

use crate::dataset::agreement::read_cached_schema;
use crate::dataset::merge::lockfile::{LockfileSides, MergeObjects, MergeSide, MergedLockfile, merge_lockfiles};
use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileList;
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::project::DvcProject;
use crate::git::{GitCall, merged_branches};
use crate::history::erased::ErasedRuns;
use crate::history::rebuilt;
use crate::project::Project;
use crate::run::schema::RunSchema;
use crate::support::env::Env;

/// Merges two sides of `dvc.lock`; new file lists are put into the cache. The error says why that cannot be done. DVC
/// is called only if a list must be fetched from a remote that is no directory, and if the repository's settings do not
/// choose what that starts: the user did not ask to fetch.
pub fn merge_and_store_lists(project: &Project, sides: &LockfileSides<'_>) -> Result<MergedLockfile, String> {
    let settings = project.read_dvc_settings().map_err(|e| with_cause(&e))?;
    let dvc = DvcProject::new(&project.root, &settings, project);
    let cache = dvc.cache();
    let mut objects = ProjectObjects { project, dvc, cache: &cache, erased: OnceCell::new() };
    let merged = merge_lockfiles(sides, &mut objects).map_err(|e| e.to_string())?;
    // The file list first: a dvc.lock must never name one that does not exist.
    for file_list in &merged.new_lists {
        cache.insert_file_list(file_list).map_err(|e| e.to_string())?;
    }
    Ok(merged)
}

fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

struct ProjectObjects<'a> {
    project: &'a Project,
    dvc: DvcProject<'a>,
    cache: &'a Cache,
    erased: OnceCell<ErasedRuns>,
}

impl MergeObjects for ProjectObjects<'_> {
    fn read_file_list(&mut self, version: DataVersion) -> Result<FileList, String> {
        // A merge needs its base's list, too, which may be an older one.
        rebuilt::rebuild_file_lists(self.project, [version], None).map_err(|e| with_cause(&e))?;
        self.dvc.read_file_list_unasked(version).map_err(|e| with_cause(&e))
    }

    fn object_size(&mut self, hash: DvcHash) -> Option<u64> {
        // A clone need not have the files of a branch that it merges; in a directory their sizes are known.
        let remote = self.dvc.settings().default_remote().and_then(|remote| remote.dir.as_ref());
        let stored = self.cache.object_size(hash).or_else(|| Cache::in_dir(remote?).object_size(hash));
        // An older version that a rebase replays can hold an erased run. Without records, no size is known.
        let records = || ErasedRuns::load(self.project).unwrap_or_default();
        stored.or_else(|| self.erased.get_or_init(records).size_of(hash))
    }

    fn read_schema(&mut self, hash: DvcHash) -> Result<RunSchema, String> {
        // The same of the schemas of another branch's runs.
        let remote = self.dvc.settings().default_remote().and_then(|remote| remote.dir.as_ref());
        match remote.map(|remote| Cache::in_dir(remote)) {
            Some(remote) if !self.cache.has_object(hash) => read_cached_schema(&remote, hash),
            _ => read_cached_schema(self.cache, hash),
        }
    }
}

/// Whose selection stands: a merge keeps the current branch's, a replay (rebase, cherry-pick, stash) takes the replayed
/// one. Git's labels show this to a driver (from 2.44 on), else the command that called it. That a variable of `git
/// merge` is there proves nothing: a stash that a merge puts back (`--autostash`) inherits it.
#[must_use]
pub fn preferred_side(labels: &[String; 3], env: &Env, caller: Option<&GitCall>, rebasing: bool) -> MergeSide {
    let [base, _, theirs] = labels;
    let replayed = base.starts_with("parent of ") || base == "constructed merge base" || base == "Stash base";
    if replayed || matches!(theirs.as_str(), "local" | "Stashed changes") {
        return MergeSide::Theirs;
    }
    let merged = merged_branches(env).any(|(id, name)| theirs == id || theirs == name);
    if merged || theirs.starts_with("parent of ") {
        return MergeSide::Ours;
    }
    match caller.map(|call| call.command.as_str()) {
        Some("stash" | "cherry-pick" | "rebase" | "am" | "checkout" | "switch") => MergeSide::Theirs,
        Some("merge" | "pull" | "merge-tree" | "revert") => MergeSide::Ours,
        _ if rebasing => MergeSide::Theirs,
        _ => MergeSide::Ours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_differs_from_a_replay() {
        let labels = |base: &str, theirs: &str| [base.to_owned(), "HEAD".to_owned(), theirs.to_owned()];
        let side_for = |base, theirs, env: &Env, rebasing| preferred_side(&labels(base, theirs), env, None, rebasing);
        let merging = Env::from_vars([("GITHEAD_1234", "feature")]);
        let none = Env::default();
        assert_eq!(side_for("1234567", "feature", &merging, false), MergeSide::Ours);
        assert_eq!(side_for("1234567", "1234", &merging, true), MergeSide::Ours);
        assert_eq!(side_for("parent of 1234567 (x)", "1234567 (x)", &none, false), MergeSide::Theirs);
        assert_eq!(side_for("1234567 (x)", "parent of 1234567 (x)", &none, true), MergeSide::Ours);
        assert_eq!(side_for("base", "theirs", &none, true), MergeSide::Theirs);
        // A stash that a merge puts back inherits the merge's variables.
        assert_eq!(side_for("Stash base", "Stashed changes", &merging, false), MergeSide::Theirs);
    }

    /// M16: If git gives a driver no labels, its command line says whose selection stands.
    #[test]
    fn without_labels_the_git_command_decides() {
        let labels = ["base", "ours", "theirs"].map(str::to_owned);
        let merging = Env::from_vars([("GITHEAD_1234", "feature")]);
        for (line, side) in [
            ("merge feature", MergeSide::Ours),
            ("stash apply 1234", MergeSide::Theirs),
            ("cherry-pick feature", MergeSide::Theirs),
            ("revert HEAD", MergeSide::Ours),
        ] {
            let words: Vec<String> = format!("git {line}").split(' ').map(str::to_owned).collect();
            assert_eq!(preferred_side(&labels, &merging, GitCall::parse(&words).as_ref(), false), side, "{line}");
        }
    }
}

//! Whether the remote really has single objects: each is looked up, whatever a file list there says.
//!
//! DVC takes a file list on the remote for a proof that its files are there, too. Whoever is about to delete the last
//! other copy must know better. Another size than the cache's counts as missing, as far as the remote shows sizes.

use std::collections::{BTreeMap, BTreeSet};

use super::missing::RemoteError;
use crate::dvc::cache::Cache;
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::present::PresentObjects;
use crate::dvc::project::DvcProject;
use crate::dvc::temp_project::TempDvcProject;

/// Objects of a remote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectSet {
    /// Files.
    pub files: BTreeSet<DvcHash>,
    /// File lists.
    pub lists: BTreeSet<DataVersion>,
}

impl DvcProject<'_> {
    /// Those of some objects that the default remote lacks. DVC is called only if the remote is no directory.
    pub fn find_absent_on_remote(&self, objects: &ObjectSet) -> Result<ObjectSet, RemoteError> {
        let remote = self.settings().default_remote().ok_or(RemoteError::NoRemote)?;
        if objects.files.is_empty() && objects.lists.is_empty() {
            return Ok(ObjectSet::default());
        }
        match &remote.dir {
            Some(dir) => Ok(find_absent_in_dir(&Cache::in_dir(dir), &self.cache(), objects)),
            None => self.ask_for_objects(objects),
        }
    }

    /// Asks DVC: for the files first, in a project that tracks no list. From a list that is there it concludes that the
    /// files are there, too.
    fn ask_for_objects(&self, objects: &ObjectSet) -> Result<ObjectSet, RemoteError> {
        let mut absent = ObjectSet::default();
        let files = TempDvcProject::new(self.root(), self.settings())?;
        let mut names = BTreeMap::new();
        for hash in &objects.files {
            let name = format!("f-{hash}");
            files.add_file(&name, *hash)?;
            names.insert(name, *hash);
        }
        for path in self.ask_status(&files)? {
            absent.files.extend(names.get(&path));
        }
        let lists = TempDvcProject::new(self.root(), self.settings())?;
        let mut names = BTreeMap::new();
        for version in &objects.lists {
            names.insert(lists.add_version(*version)?, *version);
        }
        for path in self.ask_status(&lists)? {
            // A list that is not there is named itself, or by its files.
            absent.lists.extend(names.get(path.split_once('/').map_or(path.as_str(), |(name, _)| name)));
        }
        // DVC's answer leaves out a list that is neither here nor there.
        let cache = self.cache();
        absent.lists.extend(objects.lists.iter().filter(|version| !cache.has_file_list(**version)));
        Ok(absent)
    }

    /// The paths of a temporary project that the remote lacks.
    fn ask_status(&self, project: &TempDvcProject) -> Result<Vec<String>, RemoteError> {
        let dvc = self.find_program()?;
        let stdout = dvc.in_project(project.root()).run_command(["status", "--cloud", "--json"])?.stdout_text();
        // Warnings can come before the JSON, which is the last line.
        let answer: BTreeMap<String, String> = serde_json::from_str(stdout.lines().last().unwrap_or("{}"))
            .map_err(|error| RemoteError::UnexpectedAnswer(format!("{error}: {stdout}")))?;
        // `deleted`: there, not here.
        Ok(answer.into_iter().filter(|(_, state)| state != "deleted").map(|(path, _)| path).collect())
    }
}

fn find_absent_in_dir(remote: &Cache, local: &Cache, objects: &ObjectSet) -> ObjectSet {
    let present = PresentObjects::for_many(remote, objects.files.len());
    let is_absent = |hash: &&DvcHash| {
        if !present.has_object(**hash) {
            return true;
        }
        // A broken upload has the right name and another size.
        local.object_size(**hash).is_some_and(|size| remote.object_size(**hash) != Some(size))
    };
    ObjectSet {
        files: objects.files.iter().filter(is_absent).copied().collect(),
        lists: objects.lists.iter().filter(|version| !remote.has_file_list(**version)).copied().collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_list_on_the_remote_proves_nothing_about_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let (remote, local) = (Cache::in_dir(&dir.path().join("remote")), Cache::in_dir(&dir.path().join("local")));
        let put = |cache: &Cache, hash: DvcHash, text: &str| {
            let path = cache.object_path(hash);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let [whole, short, gone] = ["whole", "short", "gone"].map(|text| DvcHash::of_bytes(text.as_bytes()));
        put(&remote, whole, "whole");
        put(&remote, short, "sho");
        for (hash, text) in [(whole, "whole"), (short, "short"), (gone, "gone")] {
            put(&local, hash, text);
        }
        let list = remote.insert_list_bytes(b"[]").unwrap();
        let other = DataVersion::new(gone);
        let asked = ObjectSet { files: [whole, short, gone].into(), lists: [list, other].into() };
        let absent = find_absent_in_dir(&remote, &local, &asked);
        assert_eq!(absent, ObjectSet { files: [short, gone].into(), lists: [other].into() });
    }
}

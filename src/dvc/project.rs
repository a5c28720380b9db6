//! A DVC project: where it lies, DVC's settings there, and the program for what only DVC does.
//!
//! Which settings hold and which program may run is checked by the code that makes one of these. The program is looked
//! for, and judged, each time that it is needed: another may be in its place by then.

use std::path::Path;

use crate::dvc::cache::Cache;
use crate::dvc::hash::DataVersion;
use crate::dvc::program::{Dvc, ProgramError};
use crate::dvc::settings::DvcSettings;
use crate::dvc::temp_project::TempDvcProject;
use crate::support::process::ProcessOutput;
use crate::support::progress::Progress;

/// Finds the `dvc` that may be run.
pub trait FindDvc {
    /// The program, judged now.
    fn find_dvc(&self) -> Result<Dvc, ProgramError>;
}

/// A DVC project as its settings describe it.
#[derive(Clone, Copy)]
pub struct DvcProject<'p> {
    root: &'p Path,
    settings: &'p DvcSettings,
    programs: &'p dyn FindDvc,
}

impl<'p> DvcProject<'p> {
    /// The project at `root` (absolute), with the settings that hold there.
    #[must_use]
    pub fn new(root: &'p Path, settings: &'p DvcSettings, programs: &'p dyn FindDvc) -> Self {
        Self { root, settings, programs }
    }

    /// Its directory, absolute.
    #[must_use]
    pub fn root(&self) -> &'p Path {
        self.root
    }

    /// DVC's settings.
    #[must_use]
    pub fn settings(&self) -> &'p DvcSettings {
        self.settings
    }

    /// DVC's cache.
    #[must_use]
    pub fn cache(&self) -> Cache {
        Cache::from_settings(self.settings)
    }

    /// The program.
    pub fn find_program(&self) -> Result<Dvc, ProgramError> {
        self.programs.find_dvc()
    }

    /// Has DVC fetch the objects of a data version into the cache: those of these folders in it, or all if none is
    /// named. The workspace is not touched.
    pub fn fetch_objects(
        &self,
        version: DataVersion,
        folders: &[String],
        progress: &dyn Progress,
    ) -> Result<(), ProgramError> {
        let temp_project = TempDvcProject::new(self.root, self.settings)?;
        let name = temp_project.add_version(version)?;
        let mut targets: Vec<String> = folders.iter().map(|folder| format!("{name}/{folder}")).collect();
        if targets.is_empty() {
            targets.push(name);
        }
        let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
        self.find_program()?.in_project(temp_project.root()).fetch(&targets, progress).map(drop)
    }

    /// Has DVC push the objects of data versions to the default remote.
    pub fn push_objects(
        &self,
        versions: &[DataVersion],
        progress: &dyn Progress,
    ) -> Result<ProcessOutput, ProgramError> {
        let temp_project = TempDvcProject::new(self.root, self.settings)?;
        for version in versions {
            temp_project.add_version(*version)?;
        }
        self.find_program()?.in_project(temp_project.root()).push(&[], progress)
    }
}

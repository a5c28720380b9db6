//! Other files in a run's directory (`ingest.include`): which are left out, and the stage's dependency on the
//! setting, so that DVC sees when it changes.

use std::path::Path;

use super::{Project, ProjectError, Reporter, config};
use crate::dataset::stage::StageError;
use crate::dvc::stage::Stage;
use crate::formats;
use crate::run::include::{IncludePatterns, SETTING_KEY};
use crate::run::layout::RunLayout;
use crate::support::limits;
use crate::validate::{Code, ValidationReport};

/// What of valid runs is not put into the dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LooseFiles {
    runs: Vec<(String, Vec<String>)>,
}

impl LooseFiles {
    /// Adds what is in a valid run's directory and is no file of the run, unless the settings ignore it.
    pub fn add_run(&mut self, dir: &Path, report: &ValidationReport, include: &IncludePatterns) {
        if !report.warnings.contains(&Code::UnrecognizedFile) {
            return;
        }
        // Listed again, for a report holds the first few only. A directory that is gone by now adds nothing.
        let names = RunLayout::open_declared(dir, include).map(|layout| layout.unrecognized).unwrap_or_default();
        if !names.is_empty() {
            self.runs.push((report.run_dir.clone(), names));
        }
    }

    /// Reports them: a line for each of the first few runs, and the command that takes the files too.
    pub fn report_to(&self, include: &IncludePatterns, reporter: &dyn Reporter) {
        self.warning_lines().iter().for_each(|line| reporter.show_warning(line));
        if let Some(hint) = self.hint(include) {
            reporter.show_hint(&hint);
        }
    }

    /// A line for each run, for the first few.
    fn warning_lines(&self) -> Vec<String> {
        // Enough to see which files these are; a long list would hide other messages.
        const RUNS: usize = 5;
        const NAMES: usize = 5;
        let list = |names: &[String]| {
            let shown: Vec<String> = names.iter().take(NAMES).map(|name| name.escape_debug().to_string()).collect();
            let more = names.len().saturating_sub(NAMES);
            format!("{}{}", shown.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() })
        };
        let mut lines: Vec<String> = self
            .runs
            .iter()
            .take(RUNS)
            .map(|(run_dir, names)| format!("not put into the dataset: {} of {}", list(names), run_dir.escape_debug()))
            .collect();
        if self.runs.len() > RUNS {
            lines.push(format!("and files of {} other runs", self.runs.len() - RUNS));
        }
        lines
    }

    /// The command that takes the files too, if one can.
    #[must_use]
    pub fn hint(&self, include: &IncludePatterns) -> Option<String> {
        let names = self.runs.iter().flat_map(|(_, names)| names.iter().map(String::as_str));
        Some(format!("to include them: `{}`", include.command_to_include(names)?))
    }
}

/// Whether DVC sees a change of the setting.
#[must_use]
pub fn is_dependency(stage: &Stage) -> bool {
    let named = |key: &String| key == SETTING_KEY || SETTING_KEY.starts_with(&format!("{key}."));
    stage.params.iter().any(|dep| dep.file == config::FILE && (dep.keys.is_empty() || dep.keys.iter().any(named)))
}

/// Whether the working tree's stage depends on the setting, and no settings file holds it: DVC refuses to run then.
pub fn is_include_missing(project: &Project, stage: &Stage) -> Result<bool, ProjectError> {
    if !is_dependency(stage) {
        return Ok(false);
    }
    let bytes = project.root_files().read(config::FILE, limits::TEXT)?.unwrap_or_default();
    let values = formats::load_params(config::FILE, &bytes).map_err(StageError::from)?;
    Ok(values.at_path(SETTING_KEY).is_none())
}

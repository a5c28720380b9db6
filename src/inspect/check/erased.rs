//! Data that is missing on purpose: what records of erased runs explain, and what they claim that is not so.

use std::collections::{BTreeMap, BTreeSet};

use super::{CheckFinding, CheckReport, CheckSeverity};
use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::remote::look_up::ObjectSet;
use crate::dvc::remote::missing::MissingObjects;
use crate::history::History;
use crate::history::erased::{ErasedRuns, FoundRecord, Standing, StandingJudge};
use crate::project::{Project, ProjectError};
use crate::run::RunKey;
use crate::support::process::shell_quote;
use crate::sync::push::RemoteDataError;

/// A run whose data is missing on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedFinding {
    /// The run.
    pub run: RunKey,
    /// Its record, relative to the project's root.
    pub record: String,
    /// Why, and where the record is.
    pub message: String,
}

/// Takes out of what the remote lacks what was erased on purpose, and adds that to the report. Of a run that HEAD's
/// dataset holds, a record accepts nothing; one whose files are still on the remote is a finding.
pub(super) fn check_erased(
    project: &Project,
    history: &History,
    versions: &[DataVersion],
    missing: &mut BTreeMap<DataVersion, MissingObjects>,
    report: &mut CheckReport,
) -> Result<(), RemoteDataError> {
    let erased = ErasedRuns::load(project)?;
    erased.refuse_newer()?;
    let judge = StandingJudge::new(project)?;
    let is_gone = |hash: &DvcHash| erased.is_gone(*hash);
    let mut settled: Vec<(&FoundRecord, BTreeSet<DvcHash>)> = Vec::new();
    for found in erased.records() {
        let holding = find_versions(history, versions, found);
        if holding.is_empty() {
            continue;
        }
        let entries = found.record.entries();
        let gone: BTreeSet<&str> =
            entries.iter().filter(|entry| is_gone(&entry.md5)).map(|entry| entry.relpath.as_str()).collect();
        let standing = judge.judge(found)?;
        if standing.is_settled() {
            for version in holding {
                drop_files(missing, version, &gone);
            }
            settled.push((found, found.record.gone_objects().into_iter().filter(is_gone).collect()));
        } else if standing == Standing::Elsewhere
            && holding.iter().filter_map(|version| missing.get(version)).any(|objects| has_any(objects, &gone))
        {
            let message = format!(
                "a record says that it was erased, but HEAD's dataset holds it: {}; to agree: `capture-hook remove {}`",
                found.describe(),
                shell_quote(found.record.run.to_string())
            );
            report.findings.push(new_finding(found, "erased_elsewhere", message));
        }
    }
    if settled.is_empty() {
        return Ok(());
    }
    // Each object is looked up: a list on the remote proves nothing about files.
    let files = settled.iter().flat_map(|(_, objects)| objects).copied().collect();
    let absent = project.dvc()?.find_absent_on_remote(&ObjectSet { files, ..ObjectSet::default() })?;
    for (found, objects) in settled {
        let still = objects.difference(&absent.files).count();
        if still == 0 {
            let (run, record) = (found.record.run.clone(), found.record.path());
            report.erased.push(ErasedFinding { run, record, message: found.describe() });
            continue;
        }
        let message = format!(
            "its record says that it was erased, but the remote has {still} of {} objects: {}; to erase them: `capture-hook erase {} --everywhere`",
            objects.len(),
            found.describe(),
            shell_quote(found.record.run.to_string())
        );
        report.findings.push(new_finding(found, "not_erased", message));
    }
    Ok(())
}

/// The data versions that hold exactly the files of a record.
fn find_versions(history: &History, versions: &[DataVersion], found: &FoundRecord) -> Vec<DataVersion> {
    let holds = |version: &&DataVersion| {
        let entries = history.run_entries(**version, &found.record.run);
        entries.is_some_and(|entries| found.record.is_of(&entries))
    };
    versions.iter().filter(holds).copied().collect()
}

fn drop_files(missing: &mut BTreeMap<DataVersion, MissingObjects>, version: DataVersion, gone: &BTreeSet<&str>) {
    let Some(objects) = missing.get_mut(&version) else { return };
    objects.files.retain(|file| !gone.contains(file.as_str()));
    if objects.files.is_empty() && !objects.file_list {
        missing.remove(&version);
    }
}

fn has_any(objects: &MissingObjects, gone: &BTreeSet<&str>) -> bool {
    objects.files.iter().any(|file| gone.contains(file.as_str()))
}

fn new_finding(found: &FoundRecord, code: &'static str, message: String) -> CheckFinding {
    let run = Some(found.record.run.clone());
    CheckFinding { severity: CheckSeverity::Error, code, commit: None, tag: None, run, message }
}

/// Whether a run's data may be missing on purpose.
pub(super) fn was_erased(project: &Project, run: &RunKey) -> Result<bool, ProjectError> {
    Ok(ErasedRuns::load(project)?.of_run(run).next().is_some())
}

//! Whether a report's file is what would be made now. The file is a stranger's: it is limited, and nothing of it is trusted
//! but the request, which is made again.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::project::{Project, Reporter};
use crate::report::build::{MadeReport, make_report};
use crate::report::data::{FORMAT, StoredRequest};
use crate::report::error::ReportError;
use crate::report::missing::describe_absent;
use crate::report::page::{find_data, is_report};
use crate::report::select::ReportRequest;
use crate::support::fs;
use crate::support::process::shell_quote;
use crate::support::text::format_plural;

/// The largest file that is read: the largest page that is made, and room for more.
const MOST_BYTES: u64 = 64 << 20;

/// A page that was read.
struct StoredPage {
    text: String,
    data: StoredData,
}

/// What of a page's data says how it was made, and what differs.
#[derive(Deserialize)]
struct StoredData {
    format: u32,
    generator: String,
    request: StoredRequest,
    title: Value,
    runs: StoredRuns,
    commits: Value,
    history: Value,
    details: Vec<Value>,
}

#[derive(Deserialize)]
struct StoredRuns {
    names: Vec<String>,
    columns: Vec<StoredColumn>,
}

#[derive(Deserialize)]
struct StoredColumn {
    id: String,
    #[serde(default)]
    kind: String,
    values: StoredValues,
}

#[derive(Deserialize)]
struct StoredValues {
    #[serde(default)]
    numbers: Vec<Value>,
    #[serde(default)]
    texts: Vec<String>,
    #[serde(default)]
    codes: Vec<i64>,
}

/// Makes a report's page again and compares; an error if it is outdated, or if that cannot be known. `shown` names the file.
pub fn check_report(
    project: &Project,
    path: &Path,
    shown: &Path,
    reporter: &dyn Reporter,
) -> Result<MadeReport, ReportError> {
    let stored = read_page(path, shown)?;
    let StoredRequest { runs, experiment, rev, directories } = &stored.data.request;
    if *directories {
        return Err(ReportError::OfDirectories { path: shown.to_path_buf() });
    }
    let request = ReportRequest { runs, experiment: experiment.as_deref(), rev: rev.as_deref(), cwd: &project.root };
    let made = make_report(project, request, reporter)?;
    if made.page == stored.text {
        return Ok(made);
    }
    let fresh = find_data(&made.page).and_then(|data| serde_json::from_str(data).ok());
    let (differences, is_sure) = match &fresh {
        Some(fresh) => compare_data(&stored.data, fresh, &made),
        None => (Vec::new(), true),
    };
    let path = shown.to_path_buf();
    if !is_sure {
        let (why, command) = what_is_missing(&made);
        return Err(ReportError::Unknown { path, why, command });
    }
    Err(ReportError::Outdated { path, differences, command: command_of(&stored.data.request, shown) })
}

/// What this clone lacks to know whether a report is current, and what gets it.
fn what_is_missing(made: &MadeReport) -> (String, String) {
    if let Some(absent) = describe_absent(&made.missing) {
        return absent;
    }
    if made.is_cut_off {
        ("this clone does not hold all of the history".into(), "git fetch --unshallow --tags".into())
    } else if made.lists_missing > 0 {
        ("this clone lacks the lists of files of older data versions".into(), "capture-hook check".into())
    } else {
        ("the rows of a run cannot be read".into(), "capture-hook verify".into())
    }
}

fn read_page(path: &Path, shown: &Path) -> Result<StoredPage, ReportError> {
    let refuse = |why: String| ReportError::NotAReport { path: shown.to_path_buf(), why };
    let bytes = fs::read_within(path, MOST_BYTES)?;
    let bytes = bytes.ok_or_else(|| ReportError::NotThere { path: shown.to_path_buf() })?;
    if !is_report(&bytes) {
        return Err(refuse("it does not say that it is one".into()));
    }
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".into()))?;
    let data = find_data(&text).ok_or_else(|| refuse("it holds no data".into()))?;
    let data: StoredData =
        serde_json::from_str(data).map_err(|error| refuse(format!("its data is damaged: {error}")))?;
    if data.format > FORMAT {
        return Err(refuse(format!("its data is of format {}; a newer capture-hook can read it", data.format)));
    }
    if data.format != FORMAT {
        return Err(refuse(format!("its data is of format {}, not {FORMAT}", data.format)));
    }
    Ok(StoredPage { text, data })
}

/// What differs, in words, and whether that is sure: it is not if only runs differ whose data is missing in this clone.
fn compare_data(old: &StoredData, new: &StoredData, made: &MadeReport) -> (Vec<String>, bool) {
    let mut differences = Vec::new();
    if old.generator != new.generator {
        differences.push(format!("made by another version of capture-hook ({})", old.generator.escape_debug()));
    }
    let (old_runs, new_runs) = (rows_of(old), rows_of(new));
    let runs = |count: usize, what: &str| {
        let is = if count == 1 { "is" } else { "are" };
        format!("{} {is} {what}", format_plural(count as u64, "run"))
    };
    let added = new_runs.keys().filter(|name| !old_runs.contains_key(*name)).count();
    let gone = old_runs.keys().filter(|name| !new_runs.contains_key(*name)).count();
    differences.extend((added > 0).then(|| runs(added, "new since")));
    differences.extend((gone > 0).then(|| runs(gone, "not in it any more")));
    if old.title != new.title {
        differences.push("the title is another".into());
    }
    let is_same_history = old.history == new.history && old.commits == new.commits;
    // Beyond a cut in the history, what is not known differs from what is.
    let is_history_known = !made.is_cut_off && made.lists_missing == 0;
    if differences.is_empty() && !is_history_known && !is_same_history {
        return (differences, false);
    }
    let missing: Vec<String> = made.missing.iter().map(|missing| missing.run.to_string()).collect();
    let changed: Vec<&str> = new_runs
        .iter()
        .filter(|(name, row)| old_runs.get(*name).is_some_and(|old| old != *row))
        .map(|(name, _)| *name)
        .collect();
    let known = changed.iter().filter(|name| !missing.iter().any(|missing| missing == *name)).count();
    if differences.is_empty() && known == 0 && !changed.is_empty() {
        return (differences, false);
    }
    // One more or less of them changes how much is kept of each.
    if known > 0 && added == 0 && gone == 0 {
        differences.push(if known == 1 { "1 run has changed".into() } else { format!("{known} runs have changed") });
    }
    if differences.is_empty() {
        let what =
            if is_same_history { "the page is another, made or edited otherwise" } else { "the history has changed" };
        differences.push(what.into());
    }
    (differences, true)
}

/// Each run's row of the table and details, as text.
fn rows_of(data: &StoredData) -> BTreeMap<&str, String> {
    let rows = data.runs.names.iter().zip(&data.details).enumerate().map(|(at, (name, detail))| {
        let mut row = String::new();
        // Indexes into the list of commits change with it, and say nothing of the run.
        for column in data.runs.columns.iter().filter(|column| column.kind != "commit") {
            row.push_str(&format!("{:?}={},", column.id, value_of(&column.values, at)));
        }
        let mut detail = detail.clone();
        if let Some(commit) = detail.get_mut("provenance").and_then(|provenance| provenance.get_mut("commit")) {
            *commit =
                commit.as_u64().and_then(|at| data.commits.get(usize::try_from(at).ok()?)).cloned().unwrap_or_default();
        }
        row.push_str(&detail.to_string());
        (name.as_str(), row)
    });
    rows.collect()
}

fn value_of(values: &StoredValues, at: usize) -> String {
    if let Some(number) = values.numbers.get(at) {
        return number.to_string();
    }
    let text = values.codes.get(at).and_then(|code| values.texts.get(usize::try_from(*code).ok()?));
    text.map_or_else(|| "null".into(), |text| format!("{text:?}"))
}

/// The command line that makes a report again.
#[must_use]
pub fn command_of(request: &StoredRequest, shown: &Path) -> String {
    let mut command = "capture-hook report".to_owned();
    for run in &request.runs {
        command.push_str(&format!(" {}", shell_quote(run)));
    }
    if let Some(experiment) = &request.experiment {
        command.push_str(&format!(" -e {}", shell_quote(experiment)));
    }
    if let Some(rev) = &request.rev {
        command.push_str(&format!(" --rev {}", shell_quote(rev)));
    }
    if shown != Path::new(DEFAULT_FILE) {
        command.push_str(&format!(" -o {}", shell_quote(shown)));
    }
    command
}

/// The file that a report is written to if no other is named.
pub const DEFAULT_FILE: &str = "report.html";

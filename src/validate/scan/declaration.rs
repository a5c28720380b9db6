//! What a run of schema version 2 declares: its columns, and the files that go with it into the dataset.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lines::NamedFile;
use super::{FileStamps, small_file};
use crate::run::RunKey;
use crate::run::include::may_be_included;
use crate::run::layout::{EPISODES, RUN_JSON, RunLayout, RunStream};
use crate::run::schema::{RunSchema, SCHEMA_JSON, find_pin_faults};
use crate::support::fs::FsError;
use crate::validate::ValidateOptions;
use crate::validate::code::Code;
use crate::validate::findings::{FindingCollector, LineRef};
use crate::validate::rows::{line_ref, shorten_text};

/// Takes `schema.json` into the run's files, and reads it. `None` if it cannot be used, which is reported.
pub(super) fn take_declaration(
    layout: &mut RunLayout,
    stamps: &mut FileStamps,
    findings: &mut FindingCollector<'_>,
) -> Result<Option<Arc<RunSchema>>, FsError> {
    let include = stamps.include.with_declared([SCHEMA_JSON.to_owned()]);
    if layout.dir.is_dir() {
        *layout = RunLayout::open_with(&layout.dir, &include)?;
    }
    stamps.include = include;
    let line_ref = LineRef { file: Some(findings.new_file(SCHEMA_JSON)), hard: true, ..LineRef::default() };
    let Some(bytes) = small_file(layout, layout.has_included(SCHEMA_JSON), SCHEMA_JSON, stamps)? else {
        if !layout.escapes.iter().any(|escape| escape == SCHEMA_JSON) {
            let odd = std::fs::symlink_metadata(layout.dir.join(SCHEMA_JSON)).is_ok();
            let why = if odd { "exists, but is not a regular file" } else { "does not exist" };
            findings.add_finding(Code::MissingSchema, line_ref, || {
                format!("{SCHEMA_JSON} {why}: a run of schema version 2 declares its columns there")
            });
        }
        return Ok(None);
    };
    match RunSchema::parse(&bytes) {
        Ok(schema) => Ok(Some(Arc::new(schema))),
        Err(error) => {
            let line_ref = LineRef { line: error.at().map(|at| at.line), ..line_ref };
            findings.add_finding(Code::InvalidSchema, line_ref, || match error.at() {
                Some(at) => format!("{error} ({at})"),
                None => error.to_string(),
            });
            Ok(None)
        }
    }
}

/// Reports what keeps a run from satisfying the schema that the settings pin for its experiment.
pub(super) fn check_pin(
    key: &RunKey,
    schema: &RunSchema,
    options: &ValidateOptions,
    findings: &mut FindingCollector<'_>,
) {
    let Some(pin) = options.pins.get(key.experiment()) else { return };
    let name = if schema.is_plume() { RUN_JSON } else { SCHEMA_JSON };
    let line_ref = LineRef { file: Some(findings.register_file(name)), ..LineRef::default() };
    for fault in find_pin_faults(schema, pin) {
        findings.add_finding(Code::SchemaPin, line_ref, || {
            format!("{fault}; experiments.{}.schema pins it", key.experiment())
        });
    }
}

/// Whether the summaries are made of the steps: a declared run has no episodes, and every column of them follows from
/// the steps. A column that does not is reported.
pub(super) fn is_derived(layout: &RunLayout, schema: &RunSchema, findings: &mut FindingCollector<'_>) -> bool {
    let shards = layout.shards(RunStream::Episodes);
    let is_base = |name: &String| name == EPISODES;
    let is_absent = shards.files.is_empty() && shards.unreadable.is_empty() && !layout.escapes.iter().any(is_base);
    if schema.is_plume() || !is_absent || !layout.dir.is_dir() {
        return false;
    }
    let names: Vec<String> = schema.columns_of_summaries().map(|column| format!("`{}`", column.name)).collect();
    if names.is_empty() {
        return true;
    }
    let line_ref = LineRef { file: Some(findings.register_file(EPISODES)), hard: true, ..LineRef::default() };
    findings.add_finding(Code::MissingEpisodes, line_ref, || {
        format!("{EPISODES} does not exist, and {} cannot be made of the steps", names.join(", "))
    });
    // Reported here; without it, the missing file would be reported once more.
    true
}

/// Takes the files that the episodes name into the run's files. One that is not there is reported.
pub(super) fn take_named_files(
    named: BTreeMap<String, NamedFile>,
    schema: &RunSchema,
    layout: &mut RunLayout,
    stamps: &mut FileStamps,
    findings: &mut FindingCollector<'_>,
) -> Result<(), FsError> {
    if named.is_empty() {
        return Ok(());
    }
    stamps.include = stamps.include.with_declared(named.keys().cloned());
    *layout = RunLayout::open_with(&layout.dir, &stamps.include)?;
    for (path, at) in named {
        if layout.has_included(&path) {
            continue;
        }
        let name = schema.episodes.column(at.column).map_or("", |column| column.name.as_str());
        let location = LineRef { hard: true, ..line_ref(at.file, at.line) };
        findings.add_finding(Code::MissingFile, location, || {
            let shown = shorten_text(&path);
            if may_be_included(&path) {
                format!("`{name}` names `{shown}`, which is not a file in the run's directory")
            } else {
                format!("`{name}` is `{shown}`, which cannot be the path of a file in the dataset")
            }
        });
    }
    Ok(())
}

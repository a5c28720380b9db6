//! Findings for bad lines and faulty rows. Rules that need more than one row are in `steps`, `open_episodes` and
//! `episodes`; batches of rows are in `batch`.

use crate::formats::json::ParseReason;
use crate::run::reader::MAX_LINE;
use crate::run::row::{BadLine, FieldSlot, ParsedRow, RowFault};
use crate::run::schema::SchemaVersion;
use crate::validate::code::Code;
use crate::validate::findings::{FileId, FindingCollector, LineRef};

/// Whether a line is longer than [`MAX_LINE`] without its line break.
pub(super) fn too_long(line: &[u8]) -> bool {
    line.len() > MAX_LINE && {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line).len() > MAX_LINE
    }
}

/// Reports that a line is too long.
pub(super) fn report_too_long(line_ref: LineRef<'_>, findings: &mut FindingCollector<'_>) {
    let line_ref = LineRef { hard: true, ..line_ref };
    findings.add_finding(Code::LineTooLong, line_ref, || {
        format!("the line is longer than {} MiB and was not read", MAX_LINE >> 20)
    });
}

/// Reports why a line is not a row.
pub(super) fn report_bad_line(bad: &BadLine, line_ref: LineRef<'_>, findings: &mut FindingCollector<'_>) {
    let line_ref = LineRef { hard: true, ..line_ref };
    match bad {
        BadLine::Utf8(at) => {
            findings.add_finding(Code::InvalidUtf8, line_ref, || format!("not UTF-8 at byte {at} of the line"))
        }
        BadLine::Json(error) => findings.add_finding(Code::InvalidJson, line_ref, || match error.reason {
            ParseReason::End => "the line ends inside a value".into(),
            _ => format!("{} of the line", error),
        }),
        BadLine::NotAnObject(what) => {
            findings.add_finding(Code::NotAnObject, line_ref, || format!("the line is {what}"))
        }
    }
}

/// Reports a row's faults.
pub(super) fn report_faults(
    row: &ParsedRow,
    run_id: Option<&str>,
    known: &[SchemaVersion],
    line_ref: LineRef<'_>,
    findings: &mut FindingCollector<'_>,
) {
    let episode = row.is_good(FieldSlot::EPISODE_ID).then_some(row.episode_id.as_str());
    // Such a row is not placed or not complete, and other rules skip it: settings cannot ignore its faults.
    let hard = row.lossy || !row.is_good(FieldSlot::EPISODE_ID) || !row.is_good(FieldSlot::COUNT);
    let line_ref = LineRef { episode, hard, ..line_ref };
    for fault in &row.faults {
        match fault {
            RowFault::Missing(field) => {
                findings.add_finding(Code::MissingField, line_ref, || format!("`{field}` is missing"))
            }
            RowFault::WrongType(field, expected, found) => {
                findings
                    .add_finding(Code::WrongType, line_ref, || format!("`{field}` is {found} instead of {expected}"));
            }
            RowFault::WrongShape(field, expected, found) => {
                findings
                    .add_finding(Code::WrongShape, line_ref, || format!("`{field}` is {found} instead of {expected}"));
            }
            RowFault::OutOfRange(field, why) => {
                findings.add_finding(Code::OutOfRange, line_ref, || format!("`{field}` is {why}"))
            }
            RowFault::NonFinite(field, value) => {
                findings.add_finding(Code::NonFinite, line_ref, || format!("`{field}` is {value}"))
            }
            RowFault::Surrogate(field) => findings.add_finding(Code::InvalidUtf8, line_ref, || {
                format!("`{field}` holds a lone surrogate, which is not valid in UTF-8")
            }),
            RowFault::Schema(version) => findings.add_finding(Code::UnsupportedSchemaVersion, line_ref, || {
                format!("schema_version is {version}; {}", what_can_be_read(version.trim_matches('"'), known))
            }),
            RowFault::NegativeTime(field, value) => {
                findings.add_finding(Code::TimeGoesBack, LineRef { hard: false, ..line_ref }, || {
                    format!("`{field}` is {value}: the clock was set back")
                });
            }
            RowFault::Unknown(name) => {
                report_unknown(row.extra.get(name.clone()).unwrap_or_default(), line_ref, findings)
            }
            RowFault::UnknownInside(name) => report_unknown(name, line_ref, findings),
        }
    }
    if let Some(run_id) = run_id
        && row.is_good(FieldSlot::RUN_ID)
        && row.run_id != run_id
    {
        findings.add_finding(Code::RunIdMismatch, LineRef { hard: false, ..line_ref }, || {
            format!("run_id is `{}`, but `{run_id}` in run.json", shorten_text(&row.run_id))
        });
    }
}

fn report_unknown(name: &str, line_ref: LineRef<'_>, findings: &mut FindingCollector<'_>) {
    findings.add_finding(Code::UnknownField, LineRef { hard: false, ..line_ref }, || {
        format!("the field {name} is in no schema; it is kept")
    });
}

/// Returns the beginning of a text for a message, escaped: 60 characters at most.
pub(super) fn shorten_text(text: &str) -> String {
    let shown = text.escape_debug().to_string();
    match shown.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", shown.get(..end).unwrap_or_default()),
        None => shown,
    }
}

/// Says which versions can be read, `0.1 and 1.0.0 can be read`, or that this one is newer.
pub(super) fn what_can_be_read(version: &str, known: &[SchemaVersion]) -> String {
    if SchemaVersion::is_newer(version) {
        return "a newer capture-hook can read it".into();
    }
    let names: Vec<&str> = known.iter().map(|version| version.as_str()).collect();
    match names.as_slice() {
        [most @ .., last] if !most.is_empty() => format!("{} and {last} can be read", most.join(", ")),
        names => format!("{} can be read", names.concat()),
    }
}

/// The episode of a row, if it has a usable one.
pub(super) fn id_of(row: &ParsedRow) -> Option<&str> {
    row.is_good(FieldSlot::EPISODE_ID).then_some(row.episode_id.as_str())
}

/// Whether a row goes into the columns.
pub(super) fn is_whole_row(row: &ParsedRow) -> bool {
    !row.lossy && row.is_good(FieldSlot::EPISODE_ID) && row.is_good(FieldSlot::COUNT)
}

/// Makes the reference to a line.
pub(super) fn line_ref(file: FileId, line: u64) -> LineRef<'static> {
    LineRef { file: Some(file), line: Some(line), ..LineRef::default() }
}

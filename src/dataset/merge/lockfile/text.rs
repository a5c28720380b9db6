//! The text of the merged file, made of both sides' lines.

use super::MergeError;
use crate::dvc::lockfile::Lockfile;
use crate::dvc::lockfile_text;
use crate::formats::value::ParamsValue;

/// The frame's text with its stages replaced by these lines, one element a stage; further elements follow the last
/// stage.
pub(crate) fn assemble_lockfile(
    frame_bytes: &[u8],
    frame: &Lockfile,
    lines: &[Vec<u8>],
) -> Result<Vec<u8>, MergeError> {
    let (frame_lines, added_lines) = lines.split_at_checked(frame.stages.len()).unwrap_or((lines, &[]));
    if frame.stages.is_empty() {
        if !frame.other.is_empty() {
            return Err(MergeError::Unmergeable("there are no stages".into()));
        }
        return Ok([lockfile_text::LOCKFILE_HEAD.as_bytes(), &added_lines.concat()].concat());
    }
    let (mut out, mut at) = (Vec::new(), 0);
    for (stage, text) in frame.stages.iter().zip(frame_lines) {
        // The spans were found in this very text, in its order.
        out.extend_from_slice(frame_bytes.get(at..stage.span.start).unwrap_or_default());
        out.extend_from_slice(text);
        at = stage.span.end;
    }
    out.extend(added_lines.iter().flatten());
    out.extend_from_slice(frame_bytes.get(at..).unwrap_or_default());
    Ok(out)
}

/// The result must parse to the expected values: texts of two files were put together.
pub(crate) fn check_assembled(bytes: &[u8], expected: &[(String, ParamsValue)]) -> Result<(), MergeError> {
    let fail = || MergeError::Unmergeable("cannot merge the stages".to_owned());
    let lockfile = Lockfile::parse(bytes).map_err(|_| fail())?;
    let is_expected = |name: &String, value: &ParamsValue| {
        lockfile.stage(name).is_some_and(|stage| values_equal(&stage.to_value(), value))
    };
    if lockfile.stages.len() == expected.len() && expected.iter().all(|(name, value)| is_expected(name, value)) {
        Ok(())
    } else {
        Err(fail())
    }
}

/// Whether two values are equal, whatever the order of keys.
pub(crate) fn values_equal(a: &ParamsValue, b: &ParamsValue) -> bool {
    match (a, b) {
        (ParamsValue::Map(a), ParamsValue::Map(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.iter().any(|(l, w)| k == l && values_equal(v, w)))
        }
        (ParamsValue::List(a), ParamsValue::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(v, w)| values_equal(v, w))
        }
        // By bits, so that a NaN equals itself and `-0.0` differs from `0.0`.
        (ParamsValue::Float(a), ParamsValue::Float(b)) => a.to_bits() == b.to_bits(),
        // Values that were not read are never equal.
        (ParamsValue::Unresolved, _) | (_, ParamsValue::Unresolved) => false,
        _ => a == b,
    }
}

/// Lines, the last with its line break.
pub(crate) fn with_final_newline(lines: &[u8]) -> Vec<u8> {
    let mut lines = lines.to_vec();
    if !lines.is_empty() && !lines.ends_with(b"\n") {
        lines.push(b'\n');
    }
    lines
}

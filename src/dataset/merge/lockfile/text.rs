//! The merged file's text, put together from both sides' lines.

use super::MergeError;
use crate::dvc::lockfile::Lock;
use crate::dvc::lockfile_text;
use crate::formats::value::Value;

/// The frame's text with its stages replaced by these lines, one element a stage; further elements follow the last stage.
pub(crate) fn assemble(frame_bytes: &[u8], frame: &Lock, lines: &[Vec<u8>]) -> Result<Vec<u8>, MergeError> {
    let (kept, new) = lines.split_at_checked(frame.stages.len()).unwrap_or((lines, &[]));
    if frame.stages.is_empty() {
        if !frame.other.is_empty() {
            return Err(MergeError::Text("there are no stages to merge".into()));
        }
        return Ok([lockfile_text::HEAD.as_bytes(), &new.concat()].concat());
    }
    let (mut out, mut at) = (Vec::new(), 0);
    for (stage, text) in frame.stages.iter().zip(kept) {
        out.extend_from_slice(frame_bytes.get(at..stage.span.start).unwrap_or_default());
        out.extend_from_slice(text);
        at = stage.span.end;
    }
    out.extend(new.iter().flatten());
    out.extend_from_slice(frame_bytes.get(at..).unwrap_or_default());
    Ok(out)
}

/// The result must say what was meant: texts of two files were put together.
pub(crate) fn prove(bytes: &[u8], want: &[(String, Value)]) -> Result<(), MergeError> {
    let fail = || MergeError::Text("the stages cannot be put together".to_owned());
    let lock = Lock::parse(bytes).map_err(|_| fail())?;
    let is = |name: &String, value: &Value| lock.stage(name).is_some_and(|stage| same(&stage.to_value(), value));
    if lock.stages.len() == want.len() && want.iter().all(|(name, value)| is(name, value)) {
        Ok(())
    } else {
        Err(fail())
    }
}

/// Whether two values are equal, whatever the order of keys.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.iter().any(|(l, w)| k == l && same(v, w)))
        }
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(v, w)| same(v, w)),
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        // What is not read cannot be told to be equal.
        (Value::Unread, _) | (_, Value::Unread) => false,
        _ => a == b,
    }
}

/// Lines, the last with its line break.
pub(crate) fn complete(lines: &[u8]) -> Vec<u8> {
    let mut lines = lines.to_vec();
    if !lines.is_empty() && !lines.ends_with(b"\n") {
        lines.push(b'\n');
    }
    lines
}

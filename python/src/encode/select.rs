//! Which members of a field are written: what a recorded environment's columns hold, and nothing else.

use capture_hook::formats::json::write_str;
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyMapping, PyString};

use super::{JsonEncoder, RowPlace, write_separator};

/// Which members of a field are written.
pub enum FieldSelection {
    /// The field as it is.
    Whole,
    /// These members, sorted by name, of an object; those that it has.
    Members(Vec<SelectedMember>),
}

/// A member, and what is written of it.
pub struct SelectedMember {
    name: Py<PyString>,
    text: String,
    /// `"name": `
    key: Vec<u8>,
    inside: FieldSelection,
}

impl FieldSelection {
    /// Reads a selection as the Python half gives it: `None` is the whole field, `False` no field at all, a dict the members.
    pub fn of_python(given: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        if given.is_none() {
            return Ok(Some(Self::Whole));
        }
        if given.is_instance_of::<PyBool>() && !given.is_truthy()? {
            return Ok(None);
        }
        let Ok(members) = given.cast::<PyDict>() else {
            return Err(PyTypeError::new_err("a selection is None, False or a dict"));
        };
        let mut selected = Vec::with_capacity(members.len());
        for (name, inside) in members.iter() {
            let name = name.cast_into::<PyString>()?;
            let text = name.to_str()?.to_owned();
            let mut key = Vec::new();
            write_str(&mut key, &text);
            key.extend_from_slice(b": ");
            let inside = Self::of_python(&inside)?.unwrap_or(Self::Whole);
            selected.push(SelectedMember { name: name.unbind(), text, key, inside });
        }
        selected.sort_by(|a, b| a.text.cmp(&b.text));
        Ok(Some(Self::Members(selected)))
    }
}

impl JsonEncoder {
    /// Writes a value, or those of its members that are selected.
    pub(super) fn write_selected(
        &self,
        out: &mut Vec<u8>,
        value: &Bound<'_, PyAny>,
        selection: &FieldSelection,
        place: RowPlace<'_>,
    ) -> PyResult<()> {
        let FieldSelection::Members(members) = selection else { return self.write_value(out, value, place) };
        let mut first = true;
        out.push(b'{');
        for member in members {
            let Some(found) = find_member(value, member)? else { continue };
            // An absent object and one that is null or another value are the same: nothing in it is recorded.
            if matches!(member.inside, FieldSelection::Members(_)) && found.cast::<PyMapping>().is_err() {
                continue;
            }
            write_separator(out, &mut first);
            out.extend_from_slice(&member.key);
            self.write_selected(out, &found, &member.inside, place.in_member(&member.text))?;
        }
        out.push(b'}');
        Ok(())
    }
}

fn find_member<'py>(value: &Bound<'py, PyAny>, member: &SelectedMember) -> PyResult<Option<Bound<'py, PyAny>>> {
    let name = member.name.bind(value.py());
    if let Ok(dict) = value.cast::<PyDict>() {
        return dict.get_item(name);
    }
    match value.get_item(name) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_instance_of::<PyKeyError>(value.py()) => Ok(None),
        Err(error) => Err(error),
    }
}

//! Python records as lines of JSON, byte for byte what `json.dumps(asdict(record), sort_keys=True)` gives.
//!
//! A step is written between two steps of a simulation, so this is the module's hot path: a type's fields are looked up
//! once and kept as a [`ValueShape`] (names interned, keys already JSON), and values are read from the record without a
//! dict in between. Beyond what `json` accepts, NumPy scalars and arrays, enums and pydantic models are understood, and
//! a position can be a pair. No lock is held while Python code runs. Rules for rows are checked in the library, not
//! here.

mod array;
mod floats;
mod key;
mod select;
mod shape;

use std::sync::{Arc, Mutex, PoisonError};

use array::ElementTypes;
use capture_hook::formats::json::{write_f32, write_f64, write_str};
use floats::RowPlace;
pub use floats::{FloatTree, FloatWidth};
use key::{JsonKey, key_text};
use pyo3::exceptions::{PyTypeError, PyUnicodeEncodeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
pub use select::FieldSelection;
use shape::{POSITIONS, ShapeField, ValueShape, find_shape};

use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

/// A deeper record is refused as circular, as by `json`; the parser that reads it back has the same limit.
const MAX_DEPTH: usize = capture_hook::formats::json::MAX_DEPTH;

/// The most types that are remembered: a program that creates classes all the time must not fill the memory.
const MAX_SHAPES: usize = 64;

/// Members that a row gets if the record has none of that name, as JSON ready to write.
#[derive(Debug, Default)]
pub struct DefaultMembers {
    members: Vec<(&'static str, Vec<u8>)>,
}

impl DefaultMembers {
    /// Makes text members.
    pub fn new<const N: usize>(members: [(&'static str, &str); N]) -> Self {
        let json = |text: &str| {
            let mut out = Vec::new();
            write_str(&mut out, text);
            out
        };
        Self { members: members.iter().map(|(name, text)| (*name, json(text))).collect() }
    }
}

/// Writes records, and remembers the types that it has met.
pub struct JsonEncoder {
    sort_keys: bool,
    /// Members with the names of plume-nav-sim's positions can be pairs.
    has_positions: bool,
    shapes: Mutex<Vec<Arc<TypeLayout>>>,
    elements: ElementTypes,
}

/// A type, and how its values are written.
struct TypeLayout {
    kind: Py<PyType>,
    shape: ValueShape,
}

impl JsonEncoder {
    /// Makes an encoder like `json.dumps(…, sort_keys=True)`, for rows.
    pub fn with_sorted_keys() -> Self {
        Self { sort_keys: true, ..Self::with_unsorted_keys() }
    }

    /// Makes an encoder like `json.dumps(…)`, for text that people read.
    pub fn with_unsorted_keys() -> Self {
        Self { sort_keys: false, has_positions: false, shapes: Mutex::default(), elements: ElementTypes::default() }
    }

    /// Writes pairs as `x` and `y` if their member is named as a position of plume-nav-sim's.
    pub fn with_positions(self) -> Self {
        Self { has_positions: true, ..self }
    }

    /// Appends one record and a line break to `out`; on an error `out` is unchanged.
    pub fn write_line(
        &self,
        out: &mut Vec<u8>,
        record: &Bound<'_, PyAny>,
        defaults: &DefaultMembers,
        floats: FloatWidth<'_>,
    ) -> PyResult<()> {
        let start = out.len();
        let mut written = self.write_record(out, record, defaults, floats);
        if written.is_err() && record.hasattr(intern!(record.py(), "model_dump"))? {
            // A model can hold values that only pydantic can write: dates, paths, its own types.
            out.truncate(start);
            written =
                dump_model(record).and_then(|dict| self.write_dict(out, &dict, defaults, RowPlace::of_row(floats)));
        }
        match written {
            Ok(()) => out.push(b'\n'),
            Err(_) => out.truncate(start),
        }
        written
    }

    /// Appends one field of a row, the members that `selection` names.
    pub fn write_field(
        &self,
        out: &mut Vec<u8>,
        value: &Bound<'_, PyAny>,
        selection: &FieldSelection,
        floats: FloatWidth<'_>,
    ) -> PyResult<()> {
        self.write_selected(out, value, selection, RowPlace::of_row(floats).inside())
    }

    /// Appends a value, without a line break.
    pub fn write_document(&self, out: &mut Vec<u8>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.write_value(out, value, RowPlace::of_row(FloatWidth::Double))
    }

    fn write_record(
        &self,
        out: &mut Vec<u8>,
        record: &Bound<'_, PyAny>,
        defaults: &DefaultMembers,
        floats: FloatWidth<'_>,
    ) -> PyResult<()> {
        let place = RowPlace::of_row(floats);
        // For speed: a dict needs no look-up of its type.
        if let Ok(dict) = record.cast::<PyDict>() {
            return self.write_dict(out, dict, defaults, place);
        }
        let layout = self.find_layout(record)?;
        match &layout.shape {
            ValueShape::Fields(fields) => self.write_fields(out, record, fields, defaults, place),
            ValueShape::Dump => self.write_dict(out, &dump_model(record)?, defaults, place),
            ValueShape::Mapping => self.write_dict(out, &as_dict(record)?, defaults, place),
            _ if record.hasattr(intern!(record.py(), "to_dict"))? => {
                let made = record.call_method0(intern!(record.py(), "to_dict"))?;
                self.write_dict(out, made.cast::<PyDict>()?, defaults, place)
            }
            _ => Err(PyTypeError::new_err(format!(
                "a record is a dataclass, a pydantic model or a dict, not {}",
                record.get_type().fully_qualified_name()?
            ))),
        }
    }

    fn write_fields(
        &self,
        out: &mut Vec<u8>,
        record: &Bound<'_, PyAny>,
        fields: &[ShapeField],
        defaults: &DefaultMembers,
        place: RowPlace<'_>,
    ) -> PyResult<()> {
        let py = record.py();
        // For speed: fields are in the order of their keys already.
        let mut missing = MissingMembers::for_record(defaults, |name| fields.iter().any(|f| f.text == name));
        let mut first = true;
        out.push(b'{');
        for field in fields {
            missing.write_before(out, &field.text, &mut first);
            write_separator(out, &mut first);
            out.extend_from_slice(&field.key);
            let value = record.getattr(field.name.bind(py))?;
            let place = place.in_member(&field.text);
            if field.position && self.has_positions {
                self.write_position(out, &value, place)
            } else {
                self.write_value(out, &value, place)
            }?;
        }
        missing.write_rest(out, &mut first);
        out.push(b'}');
        Ok(())
    }

    fn write_dict(
        &self,
        out: &mut Vec<u8>,
        dict: &Bound<'_, PyDict>,
        defaults: &DefaultMembers,
        place: RowPlace<'_>,
    ) -> PyResult<()> {
        let mut members = Vec::with_capacity(dict.len());
        for (key, value) in dict.iter() {
            members.push((key_text(&key)?, value));
        }
        if self.sort_keys {
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        let mut missing =
            MissingMembers::for_record(defaults, |name| members.iter().any(|(key, _)| key.as_str() == name));
        let mut first = true;
        out.push(b'{');
        for (key, value) in members {
            if let JsonKey::Plain(text) = &key {
                missing.write_before(out, text, &mut first);
            }
            write_separator(out, &mut first);
            key.write(out);
            out.extend_from_slice(b": ");
            let place = place.in_member(key.as_str());
            if self.has_positions && POSITIONS.contains(&key.as_str()) {
                self.write_position(out, &value, place)?;
            } else {
                self.write_value(out, &value, place)?;
            }
        }
        missing.write_rest(out, &mut first);
        out.push(b'}');
        Ok(())
    }

    /// Writes a grid position: anything with `x` and `y`, or a pair.
    fn write_position(&self, out: &mut Vec<u8>, value: &Bound<'_, PyAny>, place: RowPlace<'_>) -> PyResult<()> {
        let py = value.py();
        if value.is_instance_of::<PyDict>() || value.is_none() {
            return self.write_value(out, value, place);
        }
        let layout = self.find_layout(value)?;
        let pair = match &layout.shape {
            ValueShape::Fields(fields) => return self.write_fields(out, value, fields, &NONE, place),
            ValueShape::Point => (value.getattr(intern!(py, "x"))?, value.getattr(intern!(py, "y"))?),
            ValueShape::ToList | ValueShape::Array => {
                return self.write_position(out, &call_tolist(value)?, place.inside());
            }
            ValueShape::Sequence if value.len()? == 2 => (value.get_item(0)?, value.get_item(1)?),
            _ => return self.write_value(out, value, place),
        };
        out.extend_from_slice(b"{\"x\": ");
        self.write_value(out, &pair.0, place.inside())?;
        out.extend_from_slice(b", \"y\": ");
        self.write_value(out, &pair.1, place.inside())?;
        out.push(b'}');
        Ok(())
    }

    fn write_value(&self, out: &mut Vec<u8>, value: &Bound<'_, PyAny>, place: RowPlace<'_>) -> PyResult<()> {
        if place.depth > MAX_DEPTH {
            return Err(PyValueError::new_err(format!("a record nested over {MAX_DEPTH} levels deep, or circular")));
        }
        // For speed: exact types first, which is all that a plain record holds.
        if value.is_exact_instance_of::<PyFloat>() {
            write_f64(out, value.cast::<PyFloat>()?.value());
            return Ok(());
        }
        if value.is_exact_instance_of::<PyInt>() {
            return write_integer(out, value);
        }
        if value.is_exact_instance_of::<PyString>() {
            return write_text(out, value.cast::<PyString>()?);
        }
        if let Ok(bool) = value.cast::<PyBool>() {
            out.extend_from_slice(if bool.is_true() { b"true" } else { b"false" });
            return Ok(());
        }
        if value.is_none() {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        if let Ok(list) = value.cast::<PyList>() {
            return self.write_items(out, list.iter(), place);
        }
        if let Ok(dict) = value.cast::<PyDict>() {
            return self.write_dict(out, dict, &NONE, place);
        }
        self.write_other(out, value, place)
    }

    fn write_other(&self, out: &mut Vec<u8>, value: &Bound<'_, PyAny>, place: RowPlace<'_>) -> PyResult<()> {
        let py = value.py();
        match &self.find_layout(value)?.shape {
            ValueShape::Fields(fields) => self.write_fields(out, value, fields, &NONE, place),
            ValueShape::Dump => self.write_dict(out, &dump_model(value)?, &NONE, place),
            ValueShape::Mapping => self.write_dict(out, &as_dict(value)?, &NONE, place),
            ValueShape::Int => {
                let plain = py.get_type::<PyInt>().call_method1(intern!(py, "__int__"), (value,))?;
                write_integer(out, &plain)
            }
            ValueShape::Float => {
                write_f64(out, value.cast::<PyFloat>()?.value());
                Ok(())
            }
            ValueShape::Str => write_text(out, value.cast::<PyString>()?),
            ValueShape::Sequence => match value.cast::<PyTuple>() {
                Ok(tuple) => self.write_items(out, tuple.iter(), place),
                Err(_) => self.write_items(out, value.cast::<PyList>()?.iter(), place),
            },
            ValueShape::Enum => self.write_value(out, &value.getattr(intern!(py, "value"))?, place.inside()),
            ValueShape::Single => {
                #[allow(clippy::cast_possible_truncation)]
                let float = value.extract::<f64>()? as f32;
                if place.floats.is_double() {
                    write_f64(out, f64::from(float))
                } else {
                    write_f32(out, float)
                }
                Ok(())
            }
            ValueShape::Array if self.elements.write_array(out, value, place.floats)? => Ok(()),
            ValueShape::Array | ValueShape::ToList => self.write_value(out, &call_tolist(value)?, place.inside()),
            ValueShape::Point | ValueShape::Unknown => Err(not_json(value)?),
        }
    }

    fn write_items<'py>(
        &self,
        out: &mut Vec<u8>,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        place: RowPlace<'_>,
    ) -> PyResult<()> {
        let mut first = true;
        out.push(b'[');
        for (i, item) in items.enumerate() {
            write_separator(out, &mut first);
            self.write_value(out, &item, place.in_item(i))?;
        }
        out.push(b']');
        Ok(())
    }

    /// Returns the layout of a value's type, computed once.
    fn find_layout(&self, value: &Bound<'_, PyAny>) -> PyResult<Arc<TypeLayout>> {
        let kind = value.get_type();
        let shapes = || self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shapes().iter().find(|known| kind.is(&known.kind)) {
            return Ok(Arc::clone(known));
        }
        // Without the lock: `find_shape` runs Python code, which could come back here.
        let made = Arc::new(TypeLayout { shape: find_shape(self.sort_keys, value, &kind)?, kind: kind.unbind() });
        let mut shapes = shapes();
        if shapes.len() < MAX_SHAPES {
            shapes.push(Arc::clone(&made));
        }
        Ok(made)
    }
}

static NONE: DefaultMembers = DefaultMembers { members: Vec::new() };

/// The defaults that a record lacks, written at their places among its sorted members.
struct MissingMembers<'a> {
    names: [Option<&'a (&'static str, Vec<u8>)>; 2],
    next: usize,
}

impl<'a> MissingMembers<'a> {
    fn for_record(defaults: &'a DefaultMembers, has: impl Fn(&str) -> bool) -> Self {
        let mut names = [None; 2];
        let missing = defaults.members.iter().filter(|(name, _)| !has(name));
        for (slot, member) in names.iter_mut().zip(missing) {
            *slot = Some(member);
        }
        Self { names, next: 0 }
    }

    fn write_before(&mut self, out: &mut Vec<u8>, name: &str, first: &mut bool) {
        while let Some(Some(member)) = self.names.get(self.next).filter(|m| m.is_some_and(|m| m.0 < name)) {
            write_member(out, member, first);
            self.next += 1;
        }
    }

    fn write_rest(&mut self, out: &mut Vec<u8>, first: &mut bool) {
        for member in self.names.iter().skip(self.next).flatten() {
            write_member(out, member, first);
        }
    }
}

fn write_member(out: &mut Vec<u8>, (name, json): &(&'static str, Vec<u8>), first: &mut bool) {
    write_separator(out, first);
    write_str(out, name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(json);
}

fn write_separator(out: &mut Vec<u8>, first: &mut bool) {
    if !std::mem::take(first) {
        out.extend_from_slice(b", ");
    }
}

/// Writes an int of any size.
fn write_integer(out: &mut Vec<u8>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    use std::io::Write;
    // For speed; larger numbers go through Python's `repr`.
    if let Ok(small) = value.extract::<i64>() {
        let _ = write!(out, "{small}");
    } else {
        let py = value.py();
        let digits = py.get_type::<PyInt>().call_method1(intern!(py, "__repr__"), (value,))?;
        out.extend_from_slice(digits.cast::<PyString>()?.to_str()?.as_bytes());
    }
    Ok(())
}

/// Writes text, escaped to ASCII; also lone surrogates, which UTF-8 cannot hold.
fn write_text(out: &mut Vec<u8>, value: &Bound<'_, PyString>) -> PyResult<()> {
    use std::io::Write;
    match value.to_str() {
        Ok(plain) => write_str(out, plain),
        Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(value.py()) => {
            let bytes: Vec<u8> = value.call_method1("encode", ("utf-16-le", "surrogatepass"))?.extract()?;
            let (units, _) = bytes.as_chunks::<2>();
            out.push(b'"');
            for part in char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit))) {
                match part {
                    Ok(char) => {
                        let mut quoted = Vec::new();
                        write_str(&mut quoted, char.encode_utf8(&mut [0; 4]));
                        out.extend_from_slice(quoted.get(1..quoted.len() - 1).unwrap_or_default());
                    }
                    Err(lone) => {
                        let _ = write!(out, "\\u{:04x}", lone.unpaired_surrogate());
                    }
                }
            }
            out.push(b'"');
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Calls `tolist`, which gives lists and Python's own numbers.
fn call_tolist<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    let made = value.call_method0(intern!(py, "tolist"))?;
    if !made.get_type().is(value.get_type()) {
        return Ok(made);
    }
    // NumPy's `longdouble.tolist()` returns itself; it is written as the nearest double.
    if !value.is_instance(&py.import("numbers")?.getattr("Real")?)? {
        return Err(not_json(value)?);
    }
    py.get_type::<PyFloat>().call1((value,))
}

fn not_json(value: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let name = value.get_type().fully_qualified_name()?;
    Ok(PyTypeError::new_err(format!("Object of type {name} is not JSON serializable")))
}

fn dump_model<'py>(model: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let arguments = PyDict::new(model.py());
    arguments.set_item("mode", "json")?;
    Ok(model.call_method("model_dump", (), Some(&arguments))?.cast_into::<PyDict>()?)
}

fn as_dict<'py>(mapping: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    Ok(mapping.py().get_type::<PyDict>().call1((mapping,))?.cast_into::<PyDict>()?)
}

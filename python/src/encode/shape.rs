//! How the values of a Python type are written, computed once from one of its values. It imports `enum` and
//! `dataclasses`, never NumPy or pydantic: those are recognized by their attributes.

use capture_hook::formats::json::write_str;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

/// The members that hold positions.
pub(super) const POSITIONS: [&str; 2] = ["agent_position", "final_position"];

/// How the values of a type are written.
pub(super) enum ValueShape {
    /// A dataclass or a plain pydantic model: these attributes, sorted by name if keys are sorted.
    Fields(Vec<ShapeField>),
    /// A pydantic model with its own way of serialising: `model_dump(mode="json")`.
    Dump,
    /// A mapping that is not a dict.
    Mapping,
    /// Subclasses of int, float and str: written as the base class prints them.
    Int,
    Float,
    Str,
    /// A subclass of list or tuple.
    Sequence,
    /// An enum member: its value.
    Enum,
    /// NumPy's single-precision scalar.
    Single,
    /// An array like NumPy's: its bytes, or `tolist`.
    Array,
    /// Another NumPy scalar, or anything else with `tolist`.
    ToList,
    /// Something with `x` and `y`, used as a position.
    Point,
    /// A value that JSON cannot hold.
    Unknown,
}

/// An attribute of a record.
pub(super) struct ShapeField {
    pub name: Py<PyString>,
    pub text: String,
    /// `"name": `
    pub key: Vec<u8>,
    pub position: bool,
}

/// Finds how the values of a type are written. Subclasses of Python types come first: `json` writes them like their base class.
pub(super) fn find_shape(sort_keys: bool, value: &Bound<'_, PyAny>, kind: &Bound<'_, PyType>) -> PyResult<ValueShape> {
    let py = value.py();
    let is_enum = || -> PyResult<bool> { kind.is_subclass(&py.import("enum")?.getattr("Enum")?) };
    // As in `json`, an IntEnum is an int.
    if kind.is_subclass_of::<PyInt>()? {
        return Ok(ValueShape::Int);
    }
    if kind.is_subclass_of::<PyFloat>()? {
        return Ok(ValueShape::Float);
    }
    // A `class E(str, Enum)` is written as its value.
    if kind.is_subclass_of::<PyString>()? && !is_enum()? {
        return Ok(ValueShape::Str);
    }
    if kind.is_subclass_of::<PyList>()? || kind.is_subclass_of::<PyTuple>()? {
        return Ok(ValueShape::Sequence);
    }
    if kind.is_subclass_of::<PyDict>()? || value.cast::<pyo3::types::PyMapping>().is_ok() {
        return Ok(ValueShape::Mapping);
    }
    if is_enum()? {
        return Ok(ValueShape::Enum);
    }
    if kind.hasattr("__dataclass_fields__")? {
        let listed = py.import("dataclasses")?.call_method1("fields", (kind,))?;
        let names = listed.try_iter()?.map(|f| f?.getattr("name")?.extract()).collect::<PyResult<Vec<String>>>()?;
        return Ok(ValueShape::Fields(fields_of(py, names, sort_keys)));
    }
    if let Ok(fields) = kind.getattr("model_fields") {
        if serialises_itself(kind)? {
            return Ok(ValueShape::Dump);
        }
        let names = fields.try_iter()?.map(|name| name?.extract()).collect::<PyResult<Vec<String>>>()?;
        return Ok(ValueShape::Fields(fields_of(py, names, sort_keys)));
    }
    if value.hasattr("tolist")? {
        return find_array_shape(value, kind);
    }
    if value.hasattr("x")? && value.hasattr("y")? {
        return Ok(ValueShape::Point);
    }
    Ok(ValueShape::Unknown)
}

/// Tells NumPy's scalars from its arrays, which have all of their attributes but can be changed.
fn find_array_shape(value: &Bound<'_, PyAny>, kind: &Bound<'_, PyType>) -> PyResult<ValueShape> {
    let is_numpy = kind.module()? == "numpy";
    if is_numpy && kind.name()? == "float32" {
        return Ok(ValueShape::Single);
    }
    for name in ["dtype", "shape", "tobytes", "__setitem__"] {
        if !value.hasattr(name)? {
            return Ok(ValueShape::ToList);
        }
    }
    Ok(ValueShape::Array)
}

/// Whether a pydantic model's JSON is not just its fields: serialisers, computed fields, excluded fields, extra members.
fn serialises_itself(kind: &Bound<'_, PyType>) -> PyResult<bool> {
    let decorators = kind.getattr("__pydantic_decorators__")?;
    for name in ["field_serializers", "model_serializers", "computed_fields"] {
        if decorators.getattr(name)?.len()? > 0 {
            return Ok(true);
        }
    }
    let config = kind.getattr("model_config")?;
    if config.call_method1("get", ("extra",))?.extract::<Option<String>>()?.as_deref() == Some("allow") {
        return Ok(true);
    }
    for field in kind.getattr("model_fields")?.call_method0("values")?.try_iter()? {
        if field?.getattr("exclude")?.is_truthy()? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn fields_of(py: Python<'_>, mut names: Vec<String>, sort_keys: bool) -> Vec<ShapeField> {
    if sort_keys {
        // Once per type, instead of sorting the keys of every row.
        names.sort();
    }
    let field = |text: String| {
        let mut key = Vec::new();
        write_str(&mut key, &text);
        key.extend_from_slice(b": ");
        let position = POSITIONS.contains(&text.as_str());
        ShapeField { name: PyString::intern(py, &text).unbind(), text, key, position }
    };
    names.into_iter().map(field).collect()
}

//! NumPy arrays as JSON lists, read from their bytes: no Python object for each element. Arrays of other types than
//! bools, integers and floats of the machine's own byte order are left to `tolist`.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use capture_hook::formats::json::{write_f32, write_f64};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::floats::FloatWidth;

/// The most types of elements that are remembered.
const MAX_TYPES: usize = 32;

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ElementType {
    Bool,
    Signed(usize),
    Unsigned(usize),
    Float32,
    Float64,
    /// For `tolist`.
    Other,
}

/// The types of elements met so far. NumPy has one `dtype` object for each of its own types.
#[derive(Default)]
pub struct ElementTypes(Mutex<Vec<(Py<PyAny>, ElementType)>>);

impl ElementTypes {
    /// Writes an array; `false`, and nothing written, if its elements are of another type.
    pub fn write_array(&self, out: &mut Vec<u8>, array: &Bound<'_, PyAny>, floats: FloatWidth<'_>) -> PyResult<bool> {
        let py = array.py();
        let element = self.find_type(&array.getattr(intern!(py, "dtype"))?)?;
        let size = match element {
            ElementType::Bool => 1,
            ElementType::Signed(size) | ElementType::Unsigned(size) => size,
            ElementType::Float32 => 4,
            ElementType::Float64 => 8,
            ElementType::Other => return Ok(false),
        };
        let shape: Vec<usize> = array.getattr(intern!(py, "shape"))?.extract()?;
        let bytes = array.call_method0(intern!(py, "tobytes"))?;
        let Ok(bytes) = bytes.cast::<PyBytes>() else { return Ok(false) };
        let elements = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        if elements.and_then(|n| n.checked_mul(size)) != Some(bytes.as_bytes().len()) {
            return Ok(false);
        }
        write_level(out, &mut bytes.as_bytes().chunks_exact(size), &shape, element, floats);
        Ok(true)
    }

    fn find_type(&self, dtype: &Bound<'_, PyAny>) -> PyResult<ElementType> {
        let types = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, element)) = types().iter().find(|(known, _)| dtype.is(known)) {
            return Ok(*element);
        }
        // Without the lock: this runs Python code.
        let py = dtype.py();
        let kind: String = dtype.getattr(intern!(py, "kind"))?.extract()?;
        let size: usize = dtype.getattr(intern!(py, "itemsize"))?.extract()?;
        let is_native = dtype.getattr(intern!(py, "isnative"))?.is_truthy()?;
        let element = match (kind.as_str(), size) {
            _ if !is_native => ElementType::Other,
            ("b", 1) => ElementType::Bool,
            ("i", 1 | 2 | 4 | 8) => ElementType::Signed(size),
            ("u", 1 | 2 | 4 | 8) => ElementType::Unsigned(size),
            ("f", 4) => ElementType::Float32,
            ("f", 8) => ElementType::Float64,
            _ => ElementType::Other,
        };
        let mut types = types();
        if types.len() < MAX_TYPES {
            types.push((dtype.clone().unbind(), element));
        }
        Ok(element)
    }
}

/// Writes one level of nested lists, and the levels inside.
fn write_level<'a>(
    out: &mut Vec<u8>,
    elements: &mut impl Iterator<Item = &'a [u8]>,
    shape: &[usize],
    element: ElementType,
    floats: FloatWidth<'_>,
) {
    let Some((size, inner)) = shape.split_first() else {
        write_element(out, elements.next().unwrap_or_default(), element, floats);
        return;
    };
    out.push(b'[');
    for i in 0..*size {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        write_level(out, elements, inner, element, floats.of_item(i));
    }
    out.push(b']');
}

fn write_element(out: &mut Vec<u8>, bytes: &[u8], element: ElementType, floats: FloatWidth<'_>) {
    // Writing to memory cannot fail.
    match element {
        ElementType::Bool => out.extend_from_slice(if bytes == [0] { b"false" } else { b"true" }),
        ElementType::Signed(_) => {
            let int = match bytes.len() {
                1 => i8::from_ne_bytes(fixed(bytes)).into(),
                2 => i16::from_ne_bytes(fixed(bytes)).into(),
                4 => i32::from_ne_bytes(fixed(bytes)).into(),
                _ => i64::from_ne_bytes(fixed(bytes)),
            };
            let _ = write!(out, "{int}");
        }
        ElementType::Unsigned(_) => {
            let int = match bytes.len() {
                1 => u8::from_ne_bytes(fixed(bytes)).into(),
                2 => u16::from_ne_bytes(fixed(bytes)).into(),
                4 => u32::from_ne_bytes(fixed(bytes)).into(),
                _ => u64::from_ne_bytes(fixed(bytes)),
            };
            let _ = write!(out, "{int}");
        }
        ElementType::Float32 => {
            let float = f32::from_ne_bytes(fixed(bytes));
            if floats.is_double() { write_f64(out, f64::from(float)) } else { write_f32(out, float) }
        }
        ElementType::Float64 | ElementType::Other => write_f64(out, f64::from_ne_bytes(fixed(bytes))),
    }
}

/// The bytes as an array; zeros if there are fewer.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

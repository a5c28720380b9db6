//! Columns as the types that we read them as: numbers of any width, texts in any layout, lists that differ in whether an
//! element can be null. Arrow's own cast knows every pair of types, which takes longer to compile than all else of Arrow
//! that is needed here.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, StringArray, StringViewArray};
use arrow_schema::{ArrowError, DataType};

/// Returns a column as this type. A number that the type cannot hold is a null.
///
/// # Errors
/// The column has a type of another kind, such as a list for a number.
pub fn cast_column(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == to {
        return Ok(Arc::clone(column));
    }
    let cast: Option<ArrayRef> = match to {
        DataType::Int64 => read_ints(column).map(|ints| Arc::new(ints) as ArrayRef),
        DataType::Float64 => read_floats(column).map(|floats| Arc::new(floats) as ArrayRef),
        DataType::Boolean => read_floats(column).map(|floats| Arc::new(are_not_zero(&floats)) as ArrayRef),
        DataType::Utf8 => read_texts(column).map(|texts| Arc::new(texts.collect::<StringArray>()) as ArrayRef),
        DataType::Utf8View => read_texts(column).map(|texts| Arc::new(texts.collect::<StringViewArray>()) as ArrayRef),
        DataType::List(element) => match column.as_list_opt::<i32>() {
            Some(list) => {
                let (_, offsets, values, nulls) = list.clone().into_parts();
                let values = cast_column(&values, element.data_type())?;
                Some(Arc::new(ListArray::try_new(Arc::clone(element), offsets, values, nulls)?))
            }
            None => None,
        },
        _ => None,
    };
    cast.ok_or_else(|| ArrowError::CastError(format!("{} cannot be read as {to}", column.data_type())))
}

fn are_not_zero(floats: &Float64Array) -> BooleanArray {
    floats.iter().map(|float| float.map(|float| float != 0.0)).collect()
}

fn read_floats(column: &dyn Array) -> Option<Float64Array> {
    Some(match column.data_type() {
        DataType::Boolean => column.as_boolean().iter().map(|flag| flag.map(f64::from)).collect(),
        DataType::Int8 => column.as_primitive::<Int8Type>().unary(f64::from),
        DataType::Int16 => column.as_primitive::<Int16Type>().unary(f64::from),
        DataType::Int32 => column.as_primitive::<Int32Type>().unary(f64::from),
        DataType::Int64 => column.as_primitive::<Int64Type>().unary(|int| int as f64),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().unary(f64::from),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().unary(f64::from),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().unary(f64::from),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().unary(|int| int as f64),
        DataType::Float16 => column.as_primitive::<Float16Type>().unary(f64::from),
        DataType::Float32 => column.as_primitive::<Float32Type>().unary(f64::from),
        DataType::Float64 => column.as_primitive::<Float64Type>().clone(),
        _ => return None,
    })
}

fn read_ints(column: &dyn Array) -> Option<Int64Array> {
    Some(match column.data_type() {
        DataType::Boolean => column.as_boolean().iter().map(|flag| flag.map(i64::from)).collect(),
        DataType::Int8 => column.as_primitive::<Int8Type>().unary(i64::from),
        DataType::Int16 => column.as_primitive::<Int16Type>().unary(i64::from),
        DataType::Int32 => column.as_primitive::<Int32Type>().unary(i64::from),
        DataType::Int64 => column.as_primitive::<Int64Type>().clone(),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().unary(i64::from),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().unary(i64::from),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().unary(i64::from),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().unary_opt(|int| i64::try_from(int).ok()),
        // 2^63, the first whole number that does not fit.
        _ => {
            read_floats(column)?.unary_opt(|float| (float.abs() < 9_223_372_036_854_775_808.0).then_some(float as i64))
        }
    })
}

fn read_texts(column: &dyn Array) -> Option<Box<dyn Iterator<Item = Option<&str>> + '_>> {
    Some(match column.data_type() {
        DataType::Utf8 => Box::new(column.as_string::<i32>().iter()),
        DataType::LargeUtf8 => Box::new(column.as_string::<i64>().iter()),
        DataType::Utf8View => Box::new(column.as_string_view().iter()),
        DataType::Dictionary(_, _) => {
            let dictionary = column.as_any_dictionary();
            let values: Vec<Option<&str>> = read_texts(dictionary.values())?.collect();
            // Arrow has no keys for an empty dictionary: every row is a null then.
            let keys = if values.is_empty() { Vec::new() } else { dictionary.normalized_keys() };
            Box::new((0..column.len()).map(move |row| {
                let key = keys.get(row).filter(|_| dictionary.is_valid(row))?;
                values.get(*key).copied().flatten()
            }))
        }
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::{DictionaryArray, Float32Array, Int32Array, LargeStringArray, UInt64Array};
    use arrow_schema::Field;

    use super::*;

    fn cast<A: Array + 'static>(column: A, to: &DataType) -> ArrayRef {
        cast_column(&(Arc::new(column) as ArrayRef), to).unwrap()
    }

    #[test]
    fn numbers_of_any_width_are_read_and_what_does_not_fit_is_null() {
        let ints = cast(Int32Array::from(vec![Some(-3), None]), &DataType::Int64);
        assert_eq!(ints.as_primitive::<Int64Type>(), &Int64Array::from(vec![Some(-3), None]));
        let ints = cast(UInt64Array::from(vec![7, u64::MAX]), &DataType::Int64);
        assert_eq!(ints.as_primitive::<Int64Type>(), &Int64Array::from(vec![Some(7), None]));
        let ints = cast(Float64Array::from(vec![2.9, -2.9, f64::NAN, 1e19, -1e19]), &DataType::Int64);
        assert_eq!(ints.as_primitive::<Int64Type>(), &Int64Array::from(vec![Some(2), Some(-2), None, None, None]));
        let floats = cast(Float32Array::from(vec![Some(0.5), None]), &DataType::Float64);
        assert_eq!(floats.as_primitive::<Float64Type>(), &Float64Array::from(vec![Some(0.5), None]));
        let floats = cast(BooleanArray::from(vec![Some(true), Some(false), None]), &DataType::Float64);
        assert_eq!(floats.as_primitive::<Float64Type>(), &Float64Array::from(vec![Some(1.0), Some(0.0), None]));
        let flags = cast(Int32Array::from(vec![Some(2), Some(0), None]), &DataType::Boolean);
        assert_eq!(flags.as_boolean(), &BooleanArray::from(vec![Some(true), Some(false), None]));
    }

    #[test]
    fn texts_of_every_layout_are_read() {
        let expected = StringArray::from(vec![Some("a"), None, Some("a")]);
        let rows = || vec![Some("a"), None, Some("a")];
        let large = cast(LargeStringArray::from(rows()), &DataType::Utf8);
        let views = cast(StringViewArray::from(rows()), &DataType::Utf8);
        let dictionary = cast(rows().into_iter().collect::<DictionaryArray<Int32Type>>(), &DataType::Utf8);
        for texts in [large, views, dictionary] {
            assert_eq!(texts.as_string::<i32>(), &expected);
        }
        let empty = cast([None::<&str>, None].into_iter().collect::<DictionaryArray<Int32Type>>(), &DataType::Utf8);
        assert_eq!(empty.as_string::<i32>(), &StringArray::from(vec![None::<&str>, None]));
        let views = cast(expected, &DataType::Utf8View);
        assert_eq!(views.as_string_view(), &StringViewArray::from(rows()));
    }

    #[test]
    fn lists_differ_in_their_elements_alone_and_other_pairs_are_refused() {
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), Some(2)]), None]);
        let to = |kind, is_nullable| DataType::List(Arc::new(Field::new("element", kind, is_nullable)));
        let wide = cast(list.clone(), &to(DataType::Int64, false));
        assert_eq!(wide.data_type(), &to(DataType::Int64, false));
        assert_eq!(wide.as_list::<i32>().value(0).as_primitive::<Int64Type>(), &Int64Array::from(vec![1, 2]));
        assert!(wide.is_null(1));
        let list: ArrayRef = Arc::new(list);
        for to in [DataType::Int64, DataType::Utf8, to(DataType::Utf8, true), DataType::Binary] {
            let error = cast_column(&list, &to).unwrap_err().to_string();
            assert!(error.contains("cannot be read as"), "{error}");
        }
    }
}

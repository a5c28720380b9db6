//! Sets one parameter of a params file and changes not one other byte.
//!
//! Locate the value's bytes, splice the raw text, read both texts again and compare: they must be equal but for this
//! leaf, else nothing is given back. A YAML library that writes never touches the file.

mod json;
mod splice;
mod toml;
mod yaml;

pub use splice::{EditedParams, ParamLeaf};

use super::{ParamsError, ParamsFormat};
use crate::formats::conflict_markers::find_conflict_marker;

/// Sets a parameter to a text. What is missing is added; an empty `bytes` is a new file. A file that cannot be edited so
/// is an error, with the line that is in the way.
pub fn set_param(leaf: ParamLeaf<'_>, bytes: &[u8], text: &str) -> Result<EditedParams, ParamsError> {
    super::refuse_binary(leaf.file, bytes)?;
    if let Some(line) = find_conflict_marker(bytes) {
        return Err(ParamsError::Conflict { file: leaf.file.to_owned(), line });
    }
    match ParamsFormat::from_file_name(leaf.file)? {
        ParamsFormat::Yaml => yaml::set_yaml(leaf, bytes, text),
        ParamsFormat::Toml => toml::set_toml(leaf, bytes, text),
        ParamsFormat::Json => json::set_json(leaf, bytes, text),
    }
}

#[cfg(test)]
mod tests;

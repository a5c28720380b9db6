//! Sets one parameter of a params file and changes no other byte.
//!
//! The value's bytes are located, the raw text is spliced, then both texts are parsed again and compared: they must be
//! equal except for this parameter, else the edit is an error. No library that writes YAML, JSON or TOML is used,
//! because each would reformat the file. Nothing is written to disk here.

mod json;
mod splice;
mod toml;
mod yaml;

pub use splice::{EditedParams, ParamLeaf};

use super::{ParamsError, ParamsFormat};
use crate::formats::conflict_markers::find_conflict_marker;

/// Sets a parameter to a text. A missing section or key is added; empty `bytes` make a new file. If the file cannot be
/// edited to the byte, the error names the line that prevents it.
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

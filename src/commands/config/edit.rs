//! Changes a setting in the text of `capture-hook.toml`: in its old place or in its section, comments kept.

use toml_edit::{DocumentMut, Item, Table};

use super::settings::{Setting, SettingType};
use crate::error::{Error, ExitKind};

/// Puts a value into the document, in its old place or in its section. Comments are kept.
pub(super) fn set_value(document: &mut DocumentMut, setting: &Setting<'_>, value: &str) -> Result<(), Error> {
    let invalid_value = |expected: &str| {
        Error::new(
            ExitKind::Usage,
            "invalid_value",
            format!("`{value}` is not a valid value for {}: {expected}", setting.key()),
        )
    };
    let new = match setting.kind() {
        SettingType::Text => toml_edit::Value::from(value),
        SettingType::Flag => match value {
            "true" | "yes" | "on" => true.into(),
            "false" | "no" | "off" => false.into(),
            _ => return Err(invalid_value("true or false")),
        },
        SettingType::Bytes => {
            parse_bytes(value).ok_or_else(|| invalid_value("bytes, such as 5000000, 500MB or 2GiB"))?.into()
        }
        SettingType::List => {
            let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
            toml_edit::Value::Array(items.collect())
        }
    };
    let path = setting.path();
    let Some((name, sections)) = path.split_last() else { return Ok(()) };
    let mut table = document.as_table_mut() as &mut dyn toml_edit::TableLike;
    for (depth, section) in sections.iter().enumerate() {
        let item = table.entry(section).or_insert_with(|| {
            let mut section = Table::new();
            // `[experiments.cartpole]` needs no `[experiments]` above it.
            section.set_implicit(depth + 1 < sections.len());
            Item::Table(section)
        });
        table = item.as_table_like_mut().ok_or_else(|| invalid_value("its section is not a table"))?;
    }
    match table.get_mut(name).and_then(Item::as_value_mut) {
        Some(old) => {
            // The decor is the spaces around the value and the comment after it.
            let decor = old.decor().clone();
            *old = new;
            *old.decor_mut() = decor;
        }
        None => {
            table.insert(name, Item::Value(new));
        }
    }
    Ok(())
}

/// `5000000`, `500MB`, `2GiB`; at most what TOML's integers hold.
fn parse_bytes(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: i64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        // One letter alone counts in steps of 1024, as in git's settings.
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    // Fails only if there are no digits or too many; for both, the caller explains what is expected.
    number.parse::<i64>().ok()?.checked_mul(factor)
}

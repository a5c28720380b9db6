//! Changes a setting in the text of `capture-hook.toml`: in its old place or in its section, comments kept.

use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::settings::{Setting, SettingType};
use crate::error::{Error, ExitKind};
use crate::project::config::creators::{CreatorConfig, parse_creators};

/// Puts a value into the document, in its old place or in its section. Comments are kept. `creators` are those that the
/// document has.
pub(super) fn set_value(
    document: &mut DocumentMut,
    setting: &Setting<'_>,
    value: &str,
    creators: &[CreatorConfig],
) -> Result<(), Error> {
    let invalid_value = |expected: &str| {
        Error::new(
            ExitKind::Usage,
            "invalid_value",
            format!("`{value}` is not a valid value for {}: {expected}", setting.key()),
        )
        .hint(format!("{}: {}", setting.key(), setting.about()))
    };
    let mut persons = Vec::new();
    let new =
        match setting.kind() {
            SettingType::Text => Value::from(value),
            SettingType::Flag => match value {
                "true" | "yes" | "on" => true.into(),
                "false" | "no" | "off" => false.into(),
                _ => return Err(invalid_value("true or false")),
            },
            SettingType::Bytes => {
                parse_bytes(value).ok_or_else(|| invalid_value("bytes, such as 5000000, 500MB or 2GiB"))?.into()
            }
            SettingType::Count => {
                // TOML has no larger integers.
                let count = value.parse::<i64>().ok().filter(|count| *count >= 0);
                count.ok_or_else(|| invalid_value("a number, such as 0 or 100"))?.into()
            }
            SettingType::List => {
                let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
                Value::Array(items.collect())
            }
            SettingType::Creators => {
                persons =
                    parse_creators(value).map_err(|error| {
                        Error::new(ExitKind::Usage, "invalid_value", format!("{}: {error}", setting.key()))
                            .hint(format!("{}: {}", setting.key(), setting.about()))
                    })?;
                Value::Array(Array::new())
            }
        };
    let path = setting.path();
    let Some((name, sections)) = path.split_last() else { return Ok(()) };
    let mut table = document.as_table_mut() as &mut dyn TableLike;
    for (depth, section) in sections.iter().enumerate() {
        let item = table.entry(section).or_insert_with(|| {
            let mut section = Table::new();
            // `[experiments.cartpole]` needs no `[experiments]` above it.
            section.set_implicit(depth + 1 < sections.len());
            Item::Table(section)
        });
        table = item.as_table_like_mut().ok_or_else(|| invalid_value("its section is not a table"))?;
    }
    if setting.kind() == SettingType::Creators {
        set_creators(table, name, creators, &persons);
        return Ok(());
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

/// Lists these persons in the way in which the file lists its own. An entry that says the same stays as it is, with its
/// comments.
fn set_creators(table: &mut dyn TableLike, name: &str, old: &[CreatorConfig], new: &[CreatorConfig]) {
    // By what they say: an entry can spell an ORCID or a name in another way.
    let same = |person: &CreatorConfig| old.iter().position(|old| old.to_text() == person.to_text());
    if let Some(tables) = table.get_mut(name).and_then(Item::as_array_of_tables_mut) {
        let entries = new.iter().map(|person| {
            let kept = same(person).and_then(|index| tables.get(index)).cloned();
            kept.unwrap_or_else(|| creator_entry(person).into_table())
        });
        let mut all = ArrayOfTables::new();
        entries.for_each(|entry| all.push(entry));
        *tables = all;
        return;
    }
    let before = table.get(name).and_then(Item::as_array).cloned().unwrap_or_default();
    // A list of several lines stays one; a new one of several persons becomes one.
    let is_long = if before.is_empty() { new.len() > 1 } else { before.to_string().contains('\n') };
    let mut all = Array::new();
    for (index, person) in new.iter().enumerate() {
        let kept = same(person).and_then(|index| before.get(index)).cloned();
        let indent = if is_long {
            "\n    "
        } else if index > 0 {
            " "
        } else {
            ""
        };
        all.push_formatted(kept.unwrap_or_else(|| Value::from(creator_entry(person)).decorated(indent, "")));
    }
    if is_long && !new.is_empty() {
        all.set_trailing_comma(true);
        let trailing = before.trailing().as_str().filter(|text| text.contains('\n')).unwrap_or("\n");
        all.set_trailing(trailing);
    }
    match table.get_mut(name).and_then(Item::as_value_mut) {
        Some(value) => {
            let decor = value.decor().clone();
            *value = Value::Array(all);
            *value.decor_mut() = decor;
        }
        None => drop(table.insert(name, Item::Value(Value::Array(all)))),
    }
}

fn creator_entry(person: &CreatorConfig) -> InlineTable {
    let has_parts = person.given.is_some() && person.family.is_some();
    let name = Some(&person.name).filter(|_| !has_parts);
    let values = [
        ("name", name),
        ("given", person.given.as_ref()),
        ("family", person.family.as_ref()),
        ("orcid", person.orcid.as_ref()),
        ("affiliation", person.affiliation.as_ref()),
        ("ror", person.ror.as_ref()),
        ("email", person.email.as_ref()),
    ];
    values.into_iter().filter_map(|(key, value)| Some((key, value?.as_str()))).collect()
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

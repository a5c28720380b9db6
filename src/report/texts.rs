//! Texts of a column, each kept once.

use std::collections::HashMap;

use crate::report::data::ColumnValues;

/// Texts by run.
#[derive(Debug, Default)]
pub struct Texts {
    texts: Vec<String>,
    codes: Vec<i64>,
    /// The place of each text, by what it is known by.
    places: HashMap<String, i64>,
}

impl Texts {
    /// The texts of runs.
    pub fn of_runs(texts: impl IntoIterator<Item = Option<String>>) -> Self {
        Self::by_key(texts.into_iter().map(|text| text.map(|text| (text.clone(), text))))
    }

    /// The texts of runs, each with a key: of equal keys the first text is kept for all.
    pub fn by_key(texts: impl IntoIterator<Item = Option<(String, String)>>) -> Self {
        let mut out = Self::default();
        for pair in texts {
            let code = pair.map_or(-1, |(key, text)| {
                *out.places.entry(key).or_insert_with(|| {
                    out.texts.push(text);
                    // As many as there are runs at most.
                    i64::try_from(out.texts.len() - 1).unwrap_or(-1)
                })
            });
            out.codes.push(code);
        }
        out
    }

    /// The values of a column.
    #[must_use]
    pub fn into_values(self) -> ColumnValues {
        ColumnValues::Texts(self.texts, self.codes)
    }
}

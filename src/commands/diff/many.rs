//! More than two runs side by side: a column for each, and a table for as many as the terminal is wide.

use std::ops::Range;

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::metric_rows::metric_rows;
use super::{
    BOLD, DIM, GREEN, comparable_metadata, env_config, has_metadata, push_noise_line, same_config_text, seeds_json,
    seeds_text, value_text,
};
use crate::formats::json::JsonValue;
use crate::history::compare::{ValuesDifference, compare_many, compare_many_schemas};
use crate::history::summary::RunSummary;
use crate::output::StyledText;
use crate::output::json::{DiffManyColumnJson, DiffManyJson, DiffManyKeyJson, DiffManySeedsJson};
use crate::output::table::{Cell, ColumnStyle, TextTable, shorten_text, styled_cell};
use crate::support::visible::escape_control;

/// The widest key, in columns; of more, the end is cut.
const KEY_WIDTH: usize = 32;

/// The fewest columns for a run's values: as narrow as tables make a column.
const VALUE_WIDTH: usize = 12;

/// The most columns of a schema that are shown: more are another simulator's.
const MOST_COLUMNS: usize = 24;

/// Compares runs by all that differs between any two of them.
pub(super) fn compare_runs(runs: &[(String, RunSummary)]) -> DiffManyJson {
    let summaries: Vec<&RunSummary> = runs.iter().map(|(_, summary)| summary).collect();
    let hashes: Option<Vec<&String>> = summaries.iter().map(|summary| summary.config_hash.as_ref()).collect();
    let compare = |of: fn(&RunSummary) -> Option<JsonValue>| -> Option<Vec<DiffManyKeyJson>> {
        let objects: Vec<JsonValue> = summaries.iter().map(|summary| of(summary)).collect::<Option<_>>()?;
        Some(compare_many(&objects).into_iter().map(key_json).collect())
    };
    let seeds: Vec<_> = summaries.iter().map(|summary| seeds_json(summary)).collect();
    let are_seeds_known = summaries.iter().all(|summary| has_metadata(summary));
    DiffManyJson {
        same_config: hashes.map(|hashes| all_equal(&hashes)),
        config: compare(env_config),
        seeds: DiffManySeedsJson { same: are_seeds_known.then(|| all_equal(&seeds)), values: seeds },
        metadata: compare(comparable_metadata),
        schema: differing_columns(&summaries),
        metrics: summaries.iter().map(|summary| summary.metrics.clone()).collect(),
        runs: runs.iter().map(|(name, _)| name.clone()).collect(),
    }
}

fn all_equal<T: PartialEq>(items: &[T]) -> bool {
    items.windows(2).all(|pair| matches!(pair, [a, b] if a == b))
}

fn key_json(ValuesDifference { key, values }: ValuesDifference) -> DiffManyKeyJson {
    let strict = |value: &Option<JsonValue>| value.as_ref().map_or(serde_json::Value::Null, JsonValue::to_strict);
    DiffManyKeyJson {
        key,
        present: values.iter().map(Option::is_some).collect(),
        values: values.iter().map(strict).collect(),
    }
}

/// The columns that differ; `None` if no run declares columns, or if it is not known which ones a run has.
fn differing_columns(summaries: &[&RunSummary]) -> Option<Vec<DiffManyColumnJson>> {
    let schemas: Vec<_> = summaries.iter().map(|summary| summary.schema.as_deref()).collect::<Option<_>>()?;
    if schemas.iter().all(|schema| schema.is_plume()) {
        return None;
    }
    let found = compare_many_schemas(&schemas).into_iter();
    Some(found.map(|(stream, column, types)| DiffManyColumnJson { stream: stream.stem(), column, types }).collect())
}

/// A line of the table: what it is about, and a cell for each run, or one text for all.
struct DiffRow {
    section: &'static str,
    key: String,
    values: RowValues,
}

enum RowValues {
    Each(Vec<(String, Style)>),
    Same(String),
}

impl RowValues {
    fn plain(texts: Vec<String>) -> Self {
        Self::Each(texts.into_iter().map(|text| (text, Style::new())).collect())
    }
}

/// The names of the runs, then a table for as many runs as fit, and so on.
pub(super) fn render_text(diff: &DiffManyJson, noise: &[String], width: usize) -> StyledText {
    let rows = diff_rows(diff, noise);
    let labels: Vec<String> = (0..diff.runs.len()).map(label).collect();
    let label_width = labels.iter().map(|label| label.width()).max().unwrap_or(0);
    let mut out = StyledText::new();
    for (label, run) in labels.iter().zip(&diff.runs) {
        out.push_str(format!("{label:<label_width$}  ")).push_styled(BOLD, run).end_line();
    }
    let section_width = rows.iter().map(|row| row.section.width()).max().unwrap_or(0);
    let key_width = rows.iter().map(|row| row.key.width()).max().unwrap_or(0);
    // Two blanks stand before each column but the first.
    let room = width.saturating_sub(section_width + 2 + key_width);
    let widest: Vec<usize> = (0..labels.len()).map(|at| column_width(&rows, at)).collect();
    let mut is_cut = rows.iter().any(|row| row.key.ends_with('…'));
    let mut first = 0;
    while first < labels.len() {
        let (mut least, mut full, mut end) = (0, 0, first);
        for natural in widest.iter().skip(first) {
            let narrow = VALUE_WIDTH.min(*natural) + 2;
            // One run is shown even if the terminal is too narrow for it.
            if end > first && least + narrow > room {
                break;
            }
            (least, full, end) = (least + narrow, full + natural + 2, end + 1);
        }
        is_cut |= full > room;
        out.end_line().push_text(&render_part(&rows, &labels, first..end, width));
        first = end;
    }
    if is_cut || !noise.is_empty() {
        out.end_line();
    }
    if is_cut {
        out.push_styled(DIM, "what ends in … is cut: --json has all of it").end_line();
    }
    push_noise_line(&mut out, noise, width);
    out
}

fn column_width(rows: &[DiffRow], at: usize) -> usize {
    let width = |row: &DiffRow| match &row.values {
        RowValues::Each(values) => values.get(at).map_or(0, |(text, _)| text.width()),
        // Stands in the first column of a table.
        RowValues::Same(text) => text.width(),
    };
    rows.iter().map(width).max().unwrap_or(0)
}

fn render_part(rows: &[DiffRow], labels: &[String], part: Range<usize>, width: usize) -> StyledText {
    let columns = labels.get(part.clone()).unwrap_or_default().iter().map(|label| ColumnStyle::Shrink(label));
    let mut table = TextTable::new([ColumnStyle::Left(""), ColumnStyle::Left("")].into_iter().chain(columns));
    let mut section = "";
    for row in rows {
        // A section is named once.
        let title = if row.section == section { "" } else { row.section };
        section = row.section;
        let cells: Vec<Cell> = match &row.values {
            RowValues::Same(text) => vec![styled_cell(text, GREEN)],
            RowValues::Each(values) => {
                let values = values.get(part.clone()).unwrap_or_default();
                values.iter().map(|(text, style)| styled_cell(text, *style)).collect()
            }
        };
        table.push_row([Cell::from(title), Cell::from(&row.key)].into_iter().chain(cells));
    }
    table.render_text(width)
}

fn diff_rows(diff: &DiffManyJson, noise: &[String]) -> Vec<DiffRow> {
    let mut rows = Vec::new();
    let mut push = |section: &'static str, key: &str, values: RowValues| {
        rows.push(DiffRow { section, key: shorten_text(&escape_control(key), KEY_WIDTH), values });
    };
    let present = |text: String| (escape_control(text), Style::new());
    let absent = || ("(none)".to_owned(), DIM);
    match &diff.config {
        Some(config) if config.is_empty() => push("config", "", RowValues::Same("the same".into())),
        Some(_) => {}
        None => push("config", "", RowValues::Same(same_config_text(diff.same_config).into())),
    }
    for (section, keys) in [("config", &diff.config), ("metadata", &diff.metadata)] {
        for key in keys.iter().flatten().filter(|key| section == "config" || !noise.contains(&key.key)) {
            let values = key.values.iter().zip(&key.present);
            let values = values.map(|(value, is_there)| if *is_there { present(value_text(value)) } else { absent() });
            push(section, &key.key, RowValues::Each(values.collect()));
        }
    }
    if let Some(columns) = &diff.schema {
        if columns.is_empty() {
            push("schema", "", RowValues::Same("the same".into()));
        }
        for DiffManyColumnJson { stream, column, types } in columns.iter().take(MOST_COLUMNS) {
            let values = types.iter().map(|kind| kind.clone().map_or_else(absent, present));
            push("schema", &format!("{stream}.{column}"), RowValues::Each(values.collect()));
        }
        let more = columns.len().saturating_sub(MOST_COLUMNS);
        if more > 0 {
            push("schema", &format!("{more} more: --json has all"), RowValues::Each(Vec::new()));
        }
    }
    let seeds: Vec<String> = diff.seeds.values.iter().map(|seeds| seeds_text(seeds.as_ref())).collect();
    push("seeds", "", RowValues::plain(seeds));
    let metrics: Vec<_> = diff.metrics.iter().map(Option::as_ref).collect();
    for row in metric_rows(&metrics) {
        push("metrics", &row.name, RowValues::plain(row.texts));
    }
    rows
}

/// `A` to `Z`, then `AA`, `AB` and so on.
fn label(at: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(at % 26).unwrap_or(0));
    match at.checked_sub(26) {
        None => letter.to_string(),
        Some(rest) => format!("{}{letter}", label(rest / 26)),
    }
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn labels_go_on_after_the_alphabet() {
        let labels = [0, 25, 26, 51, 52, 701, 702].map(label);
        assert_eq!(labels, ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
    }
}

//! The table of runs, with as many columns as there is room for, and the line that sums it up.

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::columnar::{DeclaredMetric, FigureSet, RunMetrics};
use crate::history::listed_runs::{ListedRun, ListedState};
use crate::output::table::{ColumnStyle, TextTable, styled_cell};
use crate::output::{StyledText, human};
use crate::support::text::format_count;
use crate::support::visible::escape_control;

const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();
const PLAIN: Style = Style::new();
const DIM: Style = Style::new().dimmed();

/// A column: its heading, and a text for each run; all empty if no run has it.
struct Column {
    heading: String,
    is_number: bool,
    /// `None` is always shown; the largest rank is left out first.
    rank: Option<usize>,
    cells: Vec<(String, Style)>,
}

impl Column {
    fn new(heading: &str, rank: Option<usize>, cells: impl IntoIterator<Item = String>) -> Self {
        let cells = cells.into_iter().map(|text| (text, PLAIN)).collect();
        Self { heading: heading.into(), is_number: false, rank, cells }
    }

    fn of_numbers(heading: &str, rank: usize, cells: impl IntoIterator<Item = String>) -> Self {
        Self { is_number: true, ..Self::new(heading, Some(rank), cells) }
    }

    fn width(&self) -> usize {
        let widest = self.cells.iter().map(|(text, _)| escape_control(text).width()).max().unwrap_or(0);
        if widest == 0 { 0 } else { widest.max(self.heading.width()) }
    }
}

/// The table, and the headings of the columns for which there is no room.
pub(in crate::commands) fn render_table(rows: &[ListedRun], width: usize) -> (StyledText, Vec<String>) {
    let mut columns = all_columns(rows);
    columns.retain(|column| column.width() > 0);
    let widths: Vec<usize> = columns.iter().map(Column::width).collect();
    let mut is_shown = vec![true; columns.len()];
    let needed = |is_shown: &[bool]| {
        let shown: Vec<usize> = widths.iter().zip(is_shown).filter(|(_, shown)| **shown).map(|(w, _)| *w).collect();
        shown.iter().sum::<usize>() + 2 * shown.len().saturating_sub(1)
    };
    let mut ranked: Vec<(usize, usize)> =
        columns.iter().enumerate().filter_map(|(at, column)| Some((column.rank?, at))).collect();
    ranked.sort_unstable();
    let mut dropped = Vec::new();
    while needed(&is_shown) > width
        && let Some((_, at)) = ranked.pop()
    {
        if let (Some(shown), Some(column)) = (is_shown.get_mut(at), columns.get(at)) {
            *shown = false;
            dropped.push(column.heading.clone());
        }
    }
    let shown: Vec<&Column> = columns.iter().zip(&is_shown).filter(|(_, shown)| **shown).map(|(c, _)| c).collect();
    let styles = shown.iter().map(|column| match column.is_number {
        true => ColumnStyle::Right(&column.heading),
        false => ColumnStyle::Left(&column.heading),
    });
    let mut table = TextTable::new(styles);
    for row in 0..rows.len() {
        let cells = shown.iter().filter_map(|column| column.cells.get(row));
        table.push_row(cells.map(|(text, style)| styled_cell(text, *style)));
    }
    (table.render_text(usize::MAX), dropped)
}

fn all_columns(rows: &[ListedRun]) -> Vec<Column> {
    let count = |of: fn(&ListedRun) -> Option<u64>| {
        rows.iter().map(move |row| of(row).map_or_else(|| "-".into(), format_count)).collect::<Vec<_>>()
    };
    let has_start = rows.iter().any(|row| row.start_time.is_some());
    let started = rows.iter().map(|row| match row.start_time.as_deref() {
        // The date of `2024-05-01T…`; a text that is shorter is shown whole.
        Some(start) => start.get(..10).unwrap_or(start).to_owned(),
        None => if has_start { "-" } else { "" }.to_owned(),
    });
    let metric = |is_shown: bool, of: fn(&RunMetrics) -> Option<f64>, format: fn(f64) -> String| {
        let text = move |row: &ListedRun| row.metrics.as_ref().and_then(of).map_or_else(|| "-".into(), format);
        // A column of empty cells is left out.
        rows.iter().map(|row| if is_shown { text(row) } else { String::new() }).collect::<Vec<String>>()
    };
    let success = metric(any_has(rows, |figures| figures.success), |f| f.success_rate, human::format_percent);
    let reward = metric(any_has(rows, |figures| figures.reward), |f| f.mean_reward, human::format_number);
    let mut mark = Column::new("", None, rows.iter().map(|row| if row.is_selected { "*" } else { "" }.to_owned()));
    mark.cells.iter_mut().for_each(|(_, style)| *style = GREEN.bold());
    let mut columns = vec![
        mark,
        Column::new("RUN", None, rows.iter().map(|row| row.key.to_string())),
        Column::new("STARTED", Some(4), started),
        Column::of_numbers("STEPS", 2, count(|row| row.steps)),
        Column::of_numbers("EPISODES", 3, count(|row| row.episodes)),
        Column::of_numbers("SUCCESS", 1, success),
        Column::of_numbers("REWARD", 0, align_decimals(reward)),
    ];
    for (at, name) in declared_names(rows).into_iter().enumerate() {
        let values = rows.iter().map(|row| {
            let metric = declared_metrics(row).find(|metric| metric.name == name);
            metric.and_then(|metric| metric.value).map_or_else(|| "-".into(), human::format_number)
        });
        columns.push(Column::of_numbers(&name.to_uppercase(), 5 + at, align_decimals(values.collect())));
    }
    let mut state = Column::new("STATE", None, rows.iter().map(|row| row.state().as_str().to_owned()));
    for ((_, style), row) in state.cells.iter_mut().zip(rows) {
        *style = match row.state() {
            ListedState::Committed => GREEN,
            ListedState::New | ListedState::Ingested => YELLOW,
            ListedState::Invalid => RED,
            ListedState::Remote | ListedState::Removed | ListedState::Erased => DIM,
        };
    }
    columns.push(state);
    columns
}

/// Fills numbers up with blanks, so that their points are below each other when they are aligned right.
fn align_decimals(texts: Vec<String>) -> Vec<String> {
    let fraction = |text: &str| text.find('.').map_or(0, |at| text.len() - at);
    let longest = texts.iter().map(|text| fraction(text)).max().unwrap_or(0);
    let is_number = |text: &str| text.ends_with(|c: char| c.is_ascii_digit());
    let fill = |text: String| match is_number(&text) {
        true => format!("{text}{}", " ".repeat(longest - fraction(&text))),
        false => text,
    };
    texts.into_iter().map(fill).collect()
}

fn declared_metrics(row: &ListedRun) -> impl Iterator<Item = &DeclaredMetric> {
    row.metrics.iter().flat_map(|metrics| metrics.declared.iter().flatten())
}

/// The metrics that the runs' schemas declare, in the order in which they come.
fn declared_names(rows: &[ListedRun]) -> Vec<&str> {
    let mut names = Vec::new();
    for metric in rows.iter().flat_map(declared_metrics) {
        if !names.contains(&metric.name.as_str()) {
            names.push(metric.name.as_str());
        }
    }
    names
}

/// Whether any run has such a figure. If it is known of no run which ones it has, it counts as yes.
fn any_has(rows: &[ListedRun], of: fn(FigureSet) -> bool) -> bool {
    let mut known = rows.iter().filter_map(|row| row.figures).peekable();
    known.peek().is_none() || known.any(of)
}

#[cfg(test)]
mod tests {
    use super::align_decimals;

    #[test]
    fn points_are_below_each_other() {
        let texts = ["-0.125", "1", "-", "12.5", "NaN", "1.000e-7"].map(str::to_owned).to_vec();
        assert_eq!(align_decimals(texts), ["-0.125   ", "1       ", "-", "12.5     ", "NaN", "1.000e-7"]);
    }
}

//! Plain aligned tables that fit the terminal: no boxes, a dim heading, two spaces between columns.
//!
//! Names that a user copies into the next command are never cut. Only columns marked for it (a subject line) are
//! shortened, and columns that can be left out go first. Cells are escaped before they are measured. If the rest is
//! still too wide, lines are longer than the terminal.

use std::fmt::Display;

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use crate::output::text::StyledText;
use crate::support::visible::escape_control;

/// The width without a terminal.
pub const WIDTH: usize = 80;

/// The width of a table in a pipe or a file: all columns, and no line without an end.
pub const PIPED_WIDTH: usize = 400;

/// The least width of a shortened column.
const NARROW: usize = 12;

const HEADING: Style = Style::new().dimmed();

/// How a column is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnStyle<'a> {
    /// Text, never cut.
    Left(&'a str),
    /// Numbers, never cut, aligned right.
    Right(&'a str),
    /// Text that is shortened if the line is too long.
    Shrink(&'a str),
    /// The same, but what is left is its end: of `plume.sigma` that tells more than its beginning.
    ShrinkStart(&'a str),
    /// Text that is left out if the line is too long.
    Spare(&'a str),
    /// Numbers, aligned right, that are left out if the line is too long.
    SpareRight(&'a str),
}

impl<'a> ColumnStyle<'a> {
    fn heading(self) -> &'a str {
        match self {
            Self::Left(t)
            | Self::Right(t)
            | Self::Shrink(t)
            | Self::ShrinkStart(t)
            | Self::Spare(t)
            | Self::SpareRight(t) => t,
        }
    }
}

/// A cell: text and its style.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl<T: Display> From<T> for Cell {
    fn from(text: T) -> Self {
        styled_cell(text, Style::new())
    }
}

/// Makes a cell with a style.
pub fn styled_cell(text: impl Display, style: Style) -> Cell {
    Cell { text: escape_control(text), style }
}

/// A table.
#[derive(Debug, Clone)]
pub struct TextTable<'a> {
    columns: Vec<ColumnStyle<'a>>,
    rows: Vec<Row>,
}

/// A line of a table.
#[derive(Debug, Clone)]
struct Row {
    cells: Vec<Cell>,
    /// The column whose text goes on to the end of the line.
    note: Option<usize>,
}

impl<'a> TextTable<'a> {
    /// Makes an empty table.
    #[must_use]
    pub fn new(columns: impl IntoIterator<Item = ColumnStyle<'a>>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty.
    pub fn push_row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut row: Vec<Cell> = cells.into_iter().collect();
        row.resize_with(self.columns.len(), Cell::default);
        self.rows.push(Row { cells: row, note: None });
    }

    /// Adds a row whose last cell goes on to the end of the line: it makes no column wider.
    pub fn push_note(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let cells: Vec<Cell> = cells.into_iter().collect();
        let note = cells.len().checked_sub(1);
        self.rows.push(Row { cells, note });
    }

    /// Renders the lines with their line breaks, at most `width` columns if possible. A column of empty cells is left out.
    #[must_use]
    pub fn render_text(&self, width: usize) -> StyledText {
        let mut widths: Vec<usize> = (0..self.columns.len()).map(|c| self.column_width(c)).collect();
        self.fit_widths(&mut widths, width);
        let mut out = StyledText::new();
        let titles = self.columns.iter().map(|c| styled_cell(c.heading(), HEADING)).collect::<Vec<_>>();
        // A list of facts has no headings.
        if self.columns.iter().any(|c| !c.heading().is_empty()) {
            self.write_line(&mut out, &titles, None, &widths);
        }
        for row in &self.rows {
            self.write_line(&mut out, &row.cells, row.note, &widths);
        }
        out
    }

    /// The places of the columns that have cells and are left out at this width, from 0.
    #[must_use]
    pub fn dropped_columns(&self, width: usize) -> Vec<usize> {
        let all: Vec<usize> = (0..self.columns.len()).map(|c| self.column_width(c)).collect();
        let mut shown = all.clone();
        self.fit_widths(&mut shown, width);
        let is_dropped = |(_, (all, shown)): &(usize, (&usize, &usize))| **all > 0 && **shown == 0;
        all.iter().zip(&shown).enumerate().filter(is_dropped).map(|(at, _)| at).collect()
    }

    /// Returns the width that a column needs; 0 leaves it out.
    fn column_width(&self, at: usize) -> usize {
        let cells = self.rows.iter().filter(|row| row.note != Some(at)).filter_map(|row| row.cells.get(at));
        let body = cells.map(|cell| cell.text.width()).max().unwrap_or(0);
        if body == 0 { 0 } else { body.max(self.columns.get(at).map_or(0, |c| c.heading().width())) }
    }

    fn fit_widths(&self, widths: &mut [usize], most: usize) {
        let total = |widths: &[usize]| -> usize {
            let shown = widths.iter().filter(|w| **w > 0).count();
            widths.iter().sum::<usize>() + 2 * shown.saturating_sub(1)
        };
        // The last spare column goes first.
        for (at, column) in self.columns.iter().enumerate().rev() {
            if total(widths) > most && matches!(column, ColumnStyle::Spare(_) | ColumnStyle::SpareRight(_)) {
                widths[at] = 0;
            }
        }
        // The widest column is shortened first, so that short texts stay complete.
        let mut over = total(widths).saturating_sub(most);
        while over > 0 {
            let shrinks = |at: &usize| {
                matches!(self.columns.get(*at), Some(ColumnStyle::Shrink(_) | ColumnStyle::ShrinkStart(_)))
            };
            let widest = (0..widths.len()).filter(shrinks).max_by_key(|at| widths.get(*at).copied());
            match widest.and_then(|at| widths.get_mut(at)).filter(|width| **width > NARROW) {
                Some(width) => *width -= 1,
                None => break,
            }
            over -= 1;
        }
    }

    fn write_line(&self, out: &mut StyledText, cells: &[Cell], note: Option<usize>, widths: &[usize]) {
        let all = self.columns.iter().zip(cells).zip(widths).enumerate();
        let shown = all.filter(|(at, (_, width))| **width > 0 || note == Some(*at));
        for (i, (at, ((column, cell), width))) in shown.enumerate() {
            if note == Some(at) {
                out.push_str(if i > 0 { "  " } else { "" }).push_styled(cell.style, &cell.text);
                continue;
            }
            let short = match column {
                ColumnStyle::ShrinkStart(_) => shorten_start(&cell.text, *width),
                _ => shorten_text(&cell.text, *width),
            };
            let pad = " ".repeat(width.saturating_sub(short.width()));
            if i > 0 {
                out.push_str("  ");
            }
            match column {
                // out.push_str(pad) => Numbers are aligned right.
                ColumnStyle::Right(_) | ColumnStyle::SpareRight(_) => out.push_str(pad).push_styled(cell.style, short),
                _ => out.push_styled(cell.style, short).push_str(pad),
            };
        }
        out.end_line();
    }
}

/// Cuts a text to a width, between words if they are words and no ids or paths; an ellipsis marks the cut.
#[must_use]
pub fn shorten_text(text: &str, width: usize) -> String {
    /// A longer word is an id or a path, of which the beginning is better than nothing.
    const LONGEST_WORD: usize = 16;
    if text.width() <= width {
        return text.to_owned();
    }
    let cut = cut_text(text, width);
    if text.get(cut.len()..).is_some_and(|rest| rest.starts_with(' ')) {
        return cut + "…";
    }
    let last = text.get(cut.rfind(' ').map_or(0, |at| at + 1)..).and_then(|rest| rest.split(' ').next());
    match (cut.rsplit_once(' '), last) {
        (Some((words, part)), Some(word)) if word.width() <= LONGEST_WORD && !part.is_empty() && !words.is_empty() => {
            format!("{words} …")
        }
        _ => cut + "…",
    }
}

/// As many characters as leave a column for an ellipsis.
fn cut_text(text: &str, width: usize) -> String {
    use unicode_width::UnicodeWidthChar;
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        // One column is for the ellipsis.
        if used + 1 > width {
            break;
        }
        out.push(c);
    }
    out
}

/// Cuts the beginning of a text off; an ellipsis marks the cut.
fn shorten_start(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let reversed: String = text.chars().rev().collect();
    format!("…{}", cut_text(&reversed, width).chars().rev().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_not_cut_and_ids_are() {
        for (width, shown) in [
            (22, "not all on the remote"),
            (21, "not all on the remote"),
            (20, "not all on the …"),
            (16, "not all on the …"),
            (15, "not all on the…"),
            (5, "not …"),
            (2, "n…"),
        ] {
            assert_eq!(shorten_text("not all on the remote", width), shown, "{width}");
        }
        assert_eq!(shorten_text("version 32da8a4be19bf743bf3bd6168ed08dd7", 20), "version 32da8a4be19…");
    }

    #[test]
    fn of_keys_the_end_is_left() {
        let mut table = TextTable::new([ColumnStyle::ShrinkStart(""), ColumnStyle::Left("A")]);
        table.push_row(["plume_params.sigma".into(), "12.0".into()]);
        assert_eq!(table.render_text(20).to_plain(), "                A\n…_params.sigma  12.0\n");
    }

    #[test]
    fn shrinking_columns_are_cut_and_names_are_not() {
        let mut table = TextTable::new([
            ColumnStyle::Left("RUN"),
            ColumnStyle::Right("STEPS"),
            ColumnStyle::Shrink("SUBJECT"),
            ColumnStyle::Spare("WHEN"),
        ]);
        table.push_row([
            "nav/run-20261124-021550".into(),
            "151".into(),
            "a very long subject line".into(),
            "now".into(),
        ]);
        table.push_row(["nav/r2".into(), "1,662".into(), "short".into(), "now".into()]);
        let text = table.render_text(48).to_plain();
        assert_eq!(
            text,
            "RUN                      STEPS  SUBJECT\nnav/run-20261124-021550    151  a very long …\nnav/r2                   1,662  short\n"
        );
        assert!(text.lines().all(|l| l.chars().count() <= 48));
    }

    #[test]
    fn a_column_of_nothing_is_left_out() {
        let mut table = TextTable::new([ColumnStyle::Left("A"), ColumnStyle::Left("B"), ColumnStyle::Left("C")]);
        table.push_row(["1".into(), "".into(), "3".into()]);
        assert_eq!(table.render_text(80).to_plain(), "A  C\n1  3\n");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(shorten_text("日本語テキスト", 7), "日本語…");
    }

    #[test]
    fn a_cell_is_one_line_of_what_is_seen() {
        let mut table = TextTable::new([ColumnStyle::Left("A"), ColumnStyle::Left("B")]);
        table.push_row(["a\u{1b}[2J\nb".into(), "1".into()]);
        table.push_row(["short".into(), "2".into()]);
        let lines = ["A                 B", "a\\u{1b}[2J\\u{a}b  1", "short             2"];
        assert_eq!(table.render_text(80).to_plain().lines().collect::<Vec<_>>(), lines);
    }
}

//! Long results on a terminal go through the user's pager, as git's do. Output into a pipe or file never does.

#![expect(clippy::disallowed_methods, reason = "asks what standard output is")]

use std::io::IsTerminal;

use super::{StyledText, Ui};
use crate::support::env::Env;
use crate::support::interactive;

impl Ui {
    /// Returns the width for tables: the terminal's, 40 to 200 columns; 80 without a terminal.
    #[must_use]
    pub fn terminal_width(&self) -> usize {
        match terminal_size::terminal_size() {
            Some((width, _)) if std::io::stdout().is_terminal() => usize::from(width.0).clamp(40, 200),
            _ => super::table::WIDTH,
        }
    }

    /// Returns the width for tables whose columns can be left out: without a terminal, so wide that none is.
    #[must_use]
    pub fn table_width(&self) -> usize {
        if std::io::stdout().is_terminal() { self.terminal_width() } else { super::table::PIPED_WIDTH }
    }

    /// Prints a result; on a terminal, a text of more lines than its height goes through the user's pager.
    pub fn page_text(&self, text: &StyledText, env: &Env, core_pager: Option<&str>) {
        let rows = match terminal_size::terminal_size() {
            Some((_, rows)) if std::io::stdout().is_terminal() => usize::from(rows.0),
            _ => usize::MAX,
        };
        // `>=`, because the shell's prompt needs a line, too.
        let long = text.as_str().lines().count() >= rows;
        let coloured = || match anstream::AutoStream::choice(&std::io::stdout()) {
            anstream::ColorChoice::Never => text.to_plain(),
            _ => text.as_str().to_owned(),
        };
        if !(long && interactive::show_in_pager(&interactive::choose_pager(env, core_pager), &coloured(), env)) {
            self.print_text(text);
        }
    }
}

//! Long results on a terminal: through the pager, git's way.

use std::io::IsTerminal;

use super::{Text, Ui};
use crate::support::env::Env;
use crate::support::interactive;

impl Ui {
    /// The columns that a table may take: the terminal's, 80 where there is none.
    #[must_use]
    pub fn width(&self) -> usize {
        match terminal_size::terminal_size() {
            Some((width, _)) if std::io::stdout().is_terminal() => usize::from(width.0).clamp(40, 200),
            _ => super::table::WIDTH,
        }
    }

    /// Prints result text; on a terminal, text of more lines than it has goes through the user's pager.
    pub fn page(&self, text: &Text, env: &Env, core_pager: Option<&str>) {
        let rows = match terminal_size::terminal_size() {
            Some((_, rows)) if std::io::stdout().is_terminal() => usize::from(rows.0),
            _ => usize::MAX,
        };
        let long = text.as_str().lines().count() >= rows;
        let coloured = || match anstream::AutoStream::choice(&std::io::stdout()) {
            anstream::ColorChoice::Never => text.plain(),
            _ => text.as_str().to_owned(),
        };
        if !(long && interactive::page(&interactive::pager(env, core_pager), &coloured(), env)) {
            self.data(text);
        }
    }
}

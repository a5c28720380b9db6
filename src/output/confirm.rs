//! A question on the terminal that is answered by yes or no, before something that cannot be undone.
//!
//! Asked on standard error, so that standard output holds results only. Only a typed `y` or `yes` is a yes. Without a terminal
//! nothing is asked.

#![expect(clippy::disallowed_methods, reason = "asks what standard input is")]

use std::io::{self, IsTerminal};

use console::Term;

/// How a question was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// Yes.
    Yes,
    /// No, or anything else.
    No,
    /// There is no terminal to ask on.
    NoTerminal,
}

/// Asks a question; what a repository can choose in it must be escaped.
#[must_use]
pub fn confirm(question: &str) -> Confirmation {
    let term = Term::stderr();
    if !io::stdin().is_terminal() || !term.is_term() {
        return Confirmation::NoTerminal;
    }
    // A terminal that fails gives no answer, which is no yes.
    let answer = term.write_str(&format!("{question} [y/N] ")).and_then(|()| term.read_line()).unwrap_or_default();
    if is_yes(&answer) { Confirmation::Yes } else { Confirmation::No }
}

fn is_yes(answer: &str) -> bool {
    let answer = answer.trim();
    answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y", "Y", "yes", " YES\r"].into_iter().all(is_yes));
        assert!(!["", "n", "no", "yes please", "ye", "j", "1", "\u{3}"].into_iter().any(is_yes));
    }
}

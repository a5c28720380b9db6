//! Every error code that is made somewhere without a hint, read from the sources.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::sources::{each_level, group, is_ident, is_punct, string};

const KINDS: [&str; 5] = ["CheckFailed", "Usage", "Setup", "Program", "Io"];

/// The codes that are made without a hint: no `.hint(…)` or `.hints(…)` follows in the same expression.
pub fn without_hint(sources: &[TokenStream]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources {
        each_level(source, &mut |level| {
            for (at, token) in level.iter().enumerate() {
                if let Some((code, end)) = made_at(level, at, token)
                    && !is_followed_by_hint(&level[end..])
                {
                    found.insert(code);
                }
            }
        });
    }
    found
}

/// The code of an error that is made at this place, `Setup.code("…")` or `new(ExitKind::Setup, "…", …)`, and where it ends.
fn made_at(level: &[TokenTree], at: usize, token: &TokenTree) -> Option<(String, usize)> {
    if KINDS.iter().any(|kind| is_ident(token, kind)) && is_ident(level.get(at + 2)?, "code") {
        let arguments = group(level.get(at + 3)?, Delimiter::Parenthesis)?;
        return Some((string(&arguments.into_iter().next()?)?, at + 4));
    }
    if !is_ident(token, "new") {
        return None;
    }
    let arguments: Vec<TokenTree> = group(level.get(at + 1)?, Delimiter::Parenthesis)?.into_iter().collect();
    let comma = arguments.iter().position(|token| is_punct(token, ','))?;
    let kind = arguments.get(comma.checked_sub(1)?)?;
    let code = arguments.get(comma + 1).and_then(string)?;
    KINDS.iter().any(|name| is_ident(kind, name)).then_some((code, at + 2))
}

/// Whether one of the methods that are called on the expression adds hints.
fn is_followed_by_hint(mut rest: &[TokenTree]) -> bool {
    while let [dot, name, arguments, after @ ..] = rest {
        if !is_punct(dot, '.') || group(arguments, Delimiter::Parenthesis).is_none() {
            return false;
        }
        if is_ident(name, "hint") || is_ident(name, "hints") {
            return true;
        }
        rest = after;
    }
    false
}

//! The Rust sources as tokens, for the pins: without comments, without test code, and of the attributes only `#[error]`.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// Every source file of the command, the library and the Python module.
pub fn read() -> Vec<TokenStream> {
    let mut out = Vec::new();
    for dir in ["src", "python/src"] {
        visit(&super::root().join(dir), &mut out);
    }
    assert!(out.len() > 200, "found only {} source files", out.len());
    out
}

fn visit(dir: &Path, out: &mut Vec<TokenStream>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            visit(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let tokens = TokenStream::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            out.push(without_tests(tokens));
        }
    }
}

/// The same without items under `#[cfg(test)]` and without attributes but `#[error]`.
fn without_tests(tokens: TokenStream) -> TokenStream {
    let mut out = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if !is_punct(&token, '#') {
            out.push(match token {
                TokenTree::Group(group) => Group::new(group.delimiter(), without_tests(group.stream())).into(),
                other => other,
            });
            continue;
        }
        let _inner = tokens.next_if(|next| is_punct(next, '!'));
        let Some(TokenTree::Group(attribute)) = tokens.next_if(|next| group(next, Delimiter::Bracket).is_some()) else {
            continue;
        };
        let text = attribute.stream().to_string().replace(' ', "");
        if text == "cfg(test)" {
            let is_use = tokens.peek().is_some_and(|next| is_ident(next, "use"));
            let ends = |token: &TokenTree| is_punct(token, ';') || !is_use && group(token, Delimiter::Brace).is_some();
            // An attribute, such as `#[path = "x.rs"]`, ends no item.
            tokens.by_ref().find(ends);
        } else if text.starts_with("error(") {
            out.push(attribute.into());
        }
    }
    out.into_iter().collect()
}

/// Whether the token is this character of punctuation.
pub fn is_punct(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == c)
}

/// Whether the token is this word.
pub fn is_ident(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

/// What stands in the token's brackets, if they are of this kind.
pub fn group(token: &TokenTree, delimiter: Delimiter) -> Option<TokenStream> {
    match token {
        TokenTree::Group(group) if group.delimiter() == delimiter => Some(group.stream()),
        _ => None,
    }
}

/// Every list of tokens in here: this one, and what stands in brackets, at any depth.
pub fn each_level(tokens: &TokenStream, f: &mut impl FnMut(&[TokenTree])) {
    let level: Vec<TokenTree> = tokens.clone().into_iter().collect();
    f(&level);
    for token in &level {
        if let TokenTree::Group(group) = token {
            each_level(&group.stream(), f);
        }
    }
}

/// The value of a string or byte string literal.
pub fn string(token: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else { return None };
    let text = literal.to_string();
    let text = text.strip_prefix('b').unwrap_or(&text);
    if let Some(raw) = text.strip_prefix('r') {
        let body = raw.trim_matches('#');
        return Some(body.strip_prefix('"')?.strip_suffix('"')?.to_owned());
    }
    Some(unescaped(text.strip_prefix('"')?.strip_suffix('"')?))
}

/// All string literals in here.
pub fn strings(tokens: &TokenStream) -> Vec<String> {
    let mut out = Vec::new();
    each_level(tokens, &mut |level| out.extend(level.iter().filter_map(string)));
    out
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next().unwrap() {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            '0' => out.push('\0'),
            'x' => out.push(code_point(&rest.by_ref().take(2).collect::<String>())),
            'u' => {
                let digits: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                out.push(code_point(&digits));
            }
            '\n' => while rest.next_if(|c| c.is_whitespace()).is_some() {},
            other => out.push(other),
        }
    }
    out
}

fn code_point(hex: &str) -> char {
    char::from_u32(u32::from_str_radix(&hex.replace('_', ""), 16).unwrap()).unwrap()
}

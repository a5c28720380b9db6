//! Every error code with its exit codes, read from the sources.
//!
//! A code stands beside its kind: `Setup.code("no_such_run")`, or `ExitKind::Setup, "no_such_run"` in a call of `new`. If an
//! `Explanation` takes its kind from the error inside, its code gets all kinds that this error can have, and the other way round.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::sources::{each_level, group, is_ident, is_punct, string};

/// Each code with its exit codes, a line each.
pub fn codes(sources: &[TokenStream]) -> String {
    let reader = Reader::new(sources);
    let mut found = Found::new();
    for source in sources {
        each_level(source, &mut |level| reader.beside_its_kind(level, &mut found));
    }
    for (name, body) in &reader.explains {
        reader.beside_an_inner_error(name, body, &mut found);
    }
    assert!(found.len() > 60, "found only {} codes", found.len());
    found
        .iter()
        .map(|(code, exits)| {
            let exits: Vec<String> = exits.iter().map(u8::to_string).collect();
            format!("{code} {}\n", exits.join(" "))
        })
        .collect()
}

type Found = BTreeMap<String, BTreeSet<u8>>;

/// A variant of an enum (or a struct, without a name), and every word in its fields.
type Variant = (String, Vec<String>);

struct Reader {
    /// The exit code of each kind, by the kind's name.
    exits: BTreeMap<String, u8>,
    /// The variants of each type. Types of one name count as one.
    types: BTreeMap<String, Vec<Variant>>,
    /// The body of `explain` of each type.
    explains: Vec<(String, TokenStream)>,
}

impl Reader {
    fn new(sources: &[TokenStream]) -> Self {
        let mut out = Self { exits: BTreeMap::new(), types: BTreeMap::new(), explains: Vec::new() };
        for source in sources {
            each_level(source, &mut |level| out.declarations(level));
        }
        assert_eq!(out.exits.len(), 5, "{:?}", out.exits);
        out
    }

    fn declarations(&mut self, level: &[TokenTree]) {
        for (at, token) in level.iter().enumerate() {
            let name = level.get(at + 1).map(ToString::to_string).unwrap_or_default();
            let body = level[at..].iter().find_map(|token| group(token, Delimiter::Brace));
            if is_ident(token, "enum") && name == "ExitKind" {
                self.exits.extend(exits(&body.unwrap()));
            } else if is_ident(token, "enum") {
                self.types.entry(name).or_default().extend(variants(&body.unwrap()));
            } else if is_ident(token, "Explain") && level.get(at + 1).is_some_and(|next| is_ident(next, "for")) {
                let name = level.get(at + 2).map(ToString::to_string).unwrap_or_default();
                self.explains.extend(method(&body.unwrap(), "explain").map(|body| (name, body)));
            }
        }
    }

    /// The exit code that a word stands for, if it is a kind.
    fn exit(&self, token: &TokenTree) -> Option<u8> {
        self.exits.get(&token.to_string()).copied()
    }

    /// All exit codes whose kinds are named in here.
    fn exits_in(&self, tokens: &TokenStream) -> BTreeSet<u8> {
        let mut out = BTreeSet::new();
        each_level(tokens, &mut |level| out.extend(level.iter().filter_map(|token| self.exit(token))));
        out
    }

    /// `new(ExitKind::Setup, "code"` and `Setup.code("code")`.
    fn beside_its_kind(&self, level: &[TokenTree], found: &mut Found) {
        for window in level.windows(2) {
            let [name, arguments] = window else { continue };
            let Some(arguments) = group(arguments, Delimiter::Parenthesis) else { continue };
            let arguments: Vec<TokenTree> = arguments.into_iter().collect();
            if is_ident(name, "new")
                && let Some(comma) = arguments.iter().position(|token| is_punct(token, ','))
                && let Some(exit) = comma.checked_sub(1).and_then(|last| self.exit(&arguments[last]))
                && let Some(code) = arguments.get(comma + 1).and_then(string)
            {
                found.entry(code).or_default().insert(exit);
            }
        }
        for window in level.windows(4) {
            if let Some(code) = called_code(&window[1..])
                && let Some(exit) = self.exit(&window[0])
            {
                found.entry(code).or_default().insert(exit);
            }
        }
    }

    /// What takes its kind or its code from the error inside: `Explanation { code: "…", ..error.explain() }`.
    fn beside_an_inner_error(&self, name: &str, explain: &TokenStream, found: &mut Found) {
        for (pattern, body) in arms(explain) {
            each_level(&body, &mut |level| {
                let made = level.windows(2).filter(|w| is_ident(&w[0], "Explanation"));
                for fields in made.filter_map(|w| group(&w[1], Delimiter::Brace)) {
                    let (code, exits) = (string_of_field(&fields, "code"), self.exits_in(&fields));
                    for variant in &pattern {
                        let inside = self.inside(name, variant);
                        match (&code, exits.is_empty()) {
                            (Some(code), true) => found.entry(code.clone()).or_default().extend(inside.exits),
                            (Some(code), false) => found.entry(code.clone()).or_default().extend(&exits),
                            (None, false) => {
                                inside.codes.into_iter().for_each(|c| found.entry(c).or_default().extend(&exits))
                            }
                            (None, true) => {}
                        }
                    }
                }
            });
        }
    }

    /// What the errors inside a variant can say.
    fn inside(&self, name: &str, variant: &str) -> Inside {
        let mut out = Inside::default();
        for (_, words) in self.types.get(name).into_iter().flatten().filter(|(of, _)| of == variant) {
            words.iter().for_each(|word| self.add_type(word, &mut out));
        }
        out
    }

    /// Adds what errors of this type can say.
    fn add_type(&self, name: &str, out: &mut Inside) {
        if !out.types.insert(name.to_owned()) {
            return;
        }
        for (_, body) in self.explains.iter().filter(|(of, _)| of == name) {
            for (_, body) in arms(body) {
                out.exits.extend(self.exits_in(&body));
            }
            each_level(body, &mut |level| out.codes.extend(level.windows(3).filter_map(called_code)));
        }
        for (_, words) in self.types.get(name).into_iter().flatten() {
            words.iter().for_each(|word| self.add_type(word, out));
        }
    }
}

/// What an error of some type can say.
#[derive(Default)]
struct Inside {
    exits: BTreeSet<u8>,
    codes: BTreeSet<String>,
    /// The types that were looked at.
    types: BTreeSet<String>,
}

/// The string that a field of a struct gets.
fn string_of_field(fields: &TokenStream, name: &str) -> Option<String> {
    let tokens: Vec<TokenTree> = fields.clone().into_iter().collect();
    tokens.windows(3).find(|w| is_ident(&w[0], name) && is_punct(&w[1], ':')).and_then(|w| string(&w[2]))
}

/// The body of a method.
fn method(body: &TokenStream, name: &str) -> Option<TokenStream> {
    let level: Vec<TokenTree> = body.clone().into_iter().collect();
    let at = level.windows(2).position(|w| is_ident(&w[0], "fn") && is_ident(&w[1], name))?;
    level[at..].iter().find_map(|token| group(token, Delimiter::Brace))
}

/// `.code("…")`.
fn called_code(tokens: &[TokenTree]) -> Option<String> {
    let [dot, name, arguments] = tokens else { return None };
    if !is_punct(dot, '.') || !is_ident(name, "code") {
        return None;
    }
    string(&group(arguments, Delimiter::Parenthesis)?.into_iter().next()?)
}

/// The variants of `enum ExitKind`, with their values.
fn exits(body: &TokenStream) -> Vec<(String, u8)> {
    let tokens: Vec<TokenTree> = body.clone().into_iter().collect();
    let values = tokens.windows(3).filter(|w| is_punct(&w[1], '='));
    values.filter_map(|w| Some((w[0].to_string(), w[2].to_string().parse().ok()?))).collect()
}

/// The variants of an enum.
fn variants(body: &TokenStream) -> Vec<Variant> {
    let tokens: Vec<TokenTree> = body.clone().into_iter().collect();
    let named = tokens.split(|token| is_punct(token, ','));
    named
        .filter_map(|variant| {
            let name = variant.iter().find(|token| matches!(token, TokenTree::Ident(_)))?.to_string();
            let mut words = Vec::new();
            for token in variant.iter().filter(|token| group(token, Delimiter::Bracket).is_none()) {
                if let TokenTree::Group(fields) = token {
                    each_level(&fields.stream(), &mut |level| words.extend(type_names(level)));
                }
            }
            Some((name, words))
        })
        .collect()
}

/// The words among tokens, without the standard library's `io::Error`.
fn type_names(tokens: &[TokenTree]) -> impl Iterator<Item = String> + '_ {
    let is_io = |at: usize| at > 2 && is_ident(&tokens[at - 3], "io") && is_punct(&tokens[at - 1], ':');
    let words = tokens.iter().enumerate().filter(|(_, token)| matches!(token, TokenTree::Ident(_)));
    words.filter(move |(at, _)| !is_io(*at)).map(|(_, token)| token.to_string())
}

/// The arms of every `match self` in here: the variants that each names, and what it gives. Without one, all of it is an arm
/// that names no run.
fn arms(body: &TokenStream) -> Vec<(Vec<String>, TokenStream)> {
    let mut out = Vec::new();
    each_level(body, &mut |level| {
        for window in level.windows(3) {
            if is_ident(&window[0], "match") && is_ident(&window[1], "self") {
                out.extend(group(&window[2], Delimiter::Brace).map(|arms| split_arms(&arms)).unwrap_or_default());
            }
        }
    });
    if out.is_empty() { vec![(Vec::new(), body.clone())] } else { out }
}

fn split_arms(arms: &TokenStream) -> Vec<(Vec<String>, TokenStream)> {
    let tokens: Vec<TokenTree> = arms.clone().into_iter().collect();
    let mut out = Vec::new();
    let mut rest = tokens.as_slice();
    while let Some(arrow) = rest.windows(2).position(|w| is_punct(&w[0], '=') && is_punct(&w[1], '>')) {
        let (pattern, after) = (&rest[..arrow], &rest[arrow + 2..]);
        let named = pattern.windows(4).filter(|w| is_ident(&w[0], "Self") && is_punct(&w[1], ':'));
        let block = after.first().is_some_and(|token| group(token, Delimiter::Brace).is_some());
        let end = match block {
            true => 1,
            false => after.iter().position(|token| is_punct(token, ',')).unwrap_or(after.len()),
        };
        out.push((named.map(|w| w[3].to_string()).collect(), after[..end].iter().cloned().collect()));
        let comma = after.get(end).is_some_and(|token| is_punct(token, ','));
        rest = &after[end + usize::from(comma)..];
    }
    out
}

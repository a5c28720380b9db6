//! The text of a filter and the tree that it means. What its keys stand for is decided in [`super`].
//!
//! ```text
//! filter     = and-part { "or" and-part }
//! and-part   = not-part { "and" not-part }
//! not-part   = "not" not-part | "(" filter ")" | comparison
//! comparison = key operator value
//! operator   = "==" | "=" | "!=" | "<" | "<=" | ">" | ">=" | "~"
//! ```
//!
//! A key is a word, such as `reward` or `env_config.sigma`; a part of it that is not plain is quoted: `env_config."a.b"`. A
//! value is a word, a text in quotes, or a list as JSON writes it. Words end at a space, a parenthesis or an operator.

use std::fmt;
use std::ops::Range;

use crate::error::ExitKind::Usage;
use crate::error::{Explain, Explanation};
use crate::formats::json::scanner::JsonCursor;
use crate::formats::json::{self, JsonValue};
use crate::support::visible::escape_control;

/// The longest filter, in bytes.
pub const MAX_LENGTH: usize = 4096;

/// The deepest nesting of parentheses and `not`.
pub const MAX_DEPTH: usize = 50;

/// A filter that cannot be used, and the place in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    text: String,
    at: Range<usize>,
    message: String,
    hints: Vec<String>,
}

impl FilterError {
    /// Makes an error about a part of a filter's text.
    #[must_use]
    pub fn new(text: &str, at: Range<usize>, message: impl Into<String>) -> Self {
        Self { text: text.to_owned(), at, message: message.into(), hints: Vec::new() }
    }

    /// Adds a hint after the others.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for FilterError {
    /// The message, the filter in a line of its own, and carets below the part that is wrong. Of no filter, the message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Columns before and behind the place that are shown of a long filter.
        const AROUND: usize = 50;
        let part = |range: Range<usize>| escape_control(self.text.get(range).unwrap_or_default());
        let before: Vec<char> = part(0..self.at.start).chars().collect();
        let marked: String = part(self.at.clone()).chars().take(AROUND).collect();
        let behind = part(self.at.end..self.text.len());
        let cut = before.len().saturating_sub(AROUND);
        let mut start: String = before.iter().skip(cut).collect();
        if cut > 0 {
            start.insert(0, '…');
        }
        let end: String = behind.chars().take(AROUND).collect();
        let more = if behind.chars().nth(AROUND).is_some() { "…" } else { "" };
        if self.text.is_empty() {
            return f.write_str(&self.message);
        }
        writeln!(f, "{}", self.message)?;
        writeln!(f, "    {start}{marked}{end}{more}")?;
        write!(f, "    {}{}", " ".repeat(start.chars().count()), "^".repeat(marked.chars().count().max(1)))
    }
}

impl std::error::Error for FilterError {}

impl Explain for FilterError {
    fn explain(&self) -> Explanation {
        Usage.code("run_filter").hints(self.hints.clone())
    }
}

/// What a filter means.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All of these.
    All(Vec<Condition>),
    /// At least one of these.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// A key compared with a value.
    Compare(Comparison),
}

/// A key compared with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The key, part by part.
    pub key: Vec<String>,
    /// The key's place in the filter's text.
    pub key_at: Range<usize>,
    /// How they are compared.
    pub operator: Operator,
    /// The value.
    pub value: FilterValue,
    /// The value's place in the filter's text.
    pub value_at: Range<usize>,
}

/// How a key and a value are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `==`, also `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `~`: a text or a list contains it.
    Contains,
}

impl Operator {
    /// Longest first, so that `<=` is not read as `<`.
    const SPELLINGS: [(&'static str, Self); 8] = [
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::Greater),
        ("~", Self::Contains),
    ];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::SPELLINGS.iter().find(|(_, operator)| *operator == self).map_or("", |(text, _)| text)
    }

    /// Whether it needs values that have an order.
    #[must_use]
    pub fn is_order(self) -> bool {
        matches!(self, Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual)
    }
}

/// A value in a filter.
#[derive(Debug, Clone, PartialEq)]
pub enum FilterValue {
    /// A word without quotes: a number, `true`, `null`, or text, as the key's own value is.
    Word(String),
    /// A text in quotes.
    Quoted(String),
    /// A list.
    List(JsonValue),
}

impl FilterValue {
    /// The text, as written between the quotes if there are any; `None` for a list.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Word(text) | Self::Quoted(text) => Some(text),
            Self::List(_) => None,
        }
    }

    /// The value that a word means in JSON, or that the list is; `None` if it is only text.
    #[must_use]
    pub fn json(&self) -> Option<JsonValue> {
        match self {
            Self::Quoted(_) => None,
            Self::List(list) => Some(list.clone()),
            Self::Word(word) => parse_word(word),
        }
    }
}

/// The number, bool or null that a word is; `None` for any other word.
fn parse_word(word: &str) -> Option<JsonValue> {
    match word {
        "null" => return Some(JsonValue::Null),
        "true" => return Some(JsonValue::Bool(true)),
        "false" => return Some(JsonValue::Bool(false)),
        _ => {}
    }
    // Whole numbers as JSON has them, beyond 64 bits too; the rest as people write them: `.5`, `+1e3`, `nan`, `-inf`.
    match json::parse(word.as_bytes()) {
        Ok(number @ (JsonValue::Int(_) | JsonValue::BigInt(_) | JsonValue::Float(_))) => Some(number),
        _ => word.parse::<f64>().ok().map(JsonValue::Float),
    }
}

/// Parses a filter's text.
pub fn parse_filter(text: &str) -> Result<Condition, FilterError> {
    if text.len() > MAX_LENGTH {
        let message = format!("the filter is longer than {MAX_LENGTH} bytes");
        return Err(FilterError::new("", 0..0, message).hint("use several calls, or filter `--json` with jq"));
    }
    let mut parser = Parser { text, at: 0, depth: 0 };
    let condition = parser.parse_any()?;
    match parser.peek_char() {
        None => Ok(condition),
        Some(')') => Err(parser.fail("there is no `(` for this `)`")),
        Some(_) => Err(parser.fail("expected `and`, `or` or the end").hint(AND_EXAMPLE)),
    }
}

const AND_EXAMPLE: &str = "join comparisons as in `reward > 0 and steps < 1000`";
const COMPARISON_EXAMPLE: &str = "write a comparison such as `reward > 0` or `env_config.sigma == 12`";

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character that is no space, not taken.
    fn peek_char(&mut self) -> Option<char> {
        self.at = self.text.len() - self.rest().trim_start().len();
        self.rest().chars().next()
    }

    /// An error at the next word or character.
    fn fail(&mut self, message: impl Into<String>) -> FilterError {
        let first = self.peek_char().map_or(0, char::len_utf8);
        let length = self.rest().find(ends_word).unwrap_or(self.rest().len()).max(first);
        FilterError::new(self.text, self.at..self.at + length, message)
    }

    fn parse_any(&mut self) -> Result<Condition, FilterError> {
        let mut parts = vec![self.parse_all()?];
        while self.take_keyword("or") {
            parts.push(self.parse_all()?);
        }
        Ok(unwrap_single(parts, Condition::Any))
    }

    fn parse_all(&mut self) -> Result<Condition, FilterError> {
        let mut parts = vec![self.parse_not()?];
        while self.take_keyword("and") {
            parts.push(self.parse_not()?);
        }
        Ok(unwrap_single(parts, Condition::All))
    }

    fn parse_not(&mut self) -> Result<Condition, FilterError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.fail(format!("the filter is nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let condition = if self.take_keyword("not") {
            Condition::Not(Box::new(self.parse_not()?))
        } else if self.peek_char() == Some('(') {
            let open = self.at;
            self.at += 1;
            let condition = self.parse_any()?;
            if self.peek_char() != Some(')') {
                return Err(match self.peek_char() {
                    None => FilterError::new(self.text, open..open + 1, "there is no `)` for this `(`"),
                    Some(_) => self.fail("expected `and`, `or` or `)`").hint(AND_EXAMPLE),
                });
            }
            self.at += 1;
            condition
        } else {
            self.parse_comparison()?
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn parse_comparison(&mut self) -> Result<Condition, FilterError> {
        match self.peek_char() {
            None => return Err(self.fail("expected a comparison").hint(COMPARISON_EXAMPLE)),
            Some('!') if !self.rest().starts_with("!=") => {
                return Err(self.fail("`!` is no operator").hint("write `not`: `not reward > 0`"));
            }
            Some('&' | '|') => return Err(self.fail("expected a comparison").hint("write `and` and `or`")),
            Some(_) => {}
        }
        let start = self.at;
        let key = self.take_key()?;
        let key_at = start..self.at;
        if key.is_empty() {
            return Err(self.fail("expected a key").hint(COMPARISON_EXAMPLE));
        }
        let operator = self.take_operator(&key_at)?;
        if self.peek_char().is_none_or(|c| c == ')') || self.peek_keyword().is_some() {
            let message = format!("expected a value after `{}`", operator.as_str());
            return Err(self.fail(message).hint("type one, such as `reward > 0`; a text that is a word of the filter stands in quotes: `experiment == 'and'`"));
        }
        let start = self.at;
        let value = self.take_value()?;
        Ok(Condition::Compare(Comparison { key, key_at, operator, value, value_at: start..self.at }))
    }

    fn take_operator(&mut self, key_at: &Range<usize>) -> Result<Operator, FilterError> {
        self.peek_char();
        let found = Operator::SPELLINGS.iter().find(|(spelling, _)| self.rest().starts_with(spelling));
        let Some((spelling, operator)) = found else {
            let key = self.text.get(key_at.clone()).unwrap_or_default();
            let message = format!("expected an operator after `{}`", escape_control(key));
            return Err(self.fail(message).hint("the operators are ==, !=, <, <=, >, >= and ~ (contains)"));
        };
        self.at += spelling.len();
        Ok(*operator)
    }

    /// `and`, `or` or `not`, if it is next; not taken.
    fn peek_keyword(&mut self) -> Option<&'static str> {
        self.peek_char();
        let word = self.rest().split(ends_word).next().unwrap_or_default();
        ["and", "or", "not"].into_iter().find(|keyword| keyword.eq_ignore_ascii_case(word))
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek_keyword() == Some(keyword);
        self.at += if found { keyword.len() } else { 0 };
        found
    }

    /// A key's parts: words and quoted texts, joined by dots.
    fn take_key(&mut self) -> Result<Vec<String>, FilterError> {
        let mut parts = Vec::new();
        loop {
            let start = self.at;
            let part = match self.rest().chars().next() {
                Some('"' | '\'') => self.take_quoted()?,
                _ => self.take_word(|c| ends_word(c) || c == '.'),
            };
            let is_quoted = self.text.get(start..self.at).is_some_and(|taken| taken.starts_with(['"', '\'']));
            let has_dot = self.rest().starts_with('.');
            if part.is_empty() && !is_quoted && (has_dot || !parts.is_empty()) {
                return Err(self.fail("a part of the key is missing").hint(COMPARISON_EXAMPLE));
            }
            if !part.is_empty() || is_quoted {
                parts.push(part);
            }
            if !has_dot {
                return Ok(parts);
            }
            self.at += 1;
        }
    }

    fn take_value(&mut self) -> Result<FilterValue, FilterError> {
        match self.rest().chars().next() {
            Some('"' | '\'') => self.take_quoted().map(FilterValue::Quoted),
            Some('[') => self.take_list(),
            _ => {
                let word = self.take_word(ends_word);
                // An operator, as in `reward > > 0`.
                if word.is_empty() { Err(self.fail("expected a value")) } else { Ok(FilterValue::Word(word)) }
            }
        }
    }

    fn take_word(&mut self, ends: fn(char) -> bool) -> String {
        let word = self.rest().split(ends).next().unwrap_or_default().to_owned();
        self.at += word.len();
        word
    }

    fn take_list(&mut self) -> Result<FilterValue, FilterError> {
        let mut cursor = JsonCursor::at_offset(self.text.as_bytes(), self.at);
        let taken = cursor.take_value(1).map(|_| cursor.offset());
        let list = taken.and_then(|end| json::parse(cursor.taken_from(self.at)).map(|list| (list, end)));
        let (list, end) = list.map_err(|error| {
            let message = format!("the list is not JSON: {}", error.reason);
            FilterError::new(self.text, self.at..self.text.len(), message).hint("write it as in `[1, 2.5, \"text\"]`")
        })?;
        self.at = end;
        Ok(FilterValue::List(list))
    }

    /// A text in quotes of either kind, with the escapes that our own output has for keys.
    fn take_quoted(&mut self) -> Result<String, FilterError> {
        let open = self.at;
        let mut chars = self.rest().char_indices();
        let quote = chars.next().map(|(_, quote)| quote);
        let mut out = String::new();
        let mut length = None;
        while let Some((at, c)) = chars.next() {
            if Some(c) == quote {
                length = Some(at + c.len_utf8());
                break;
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            let Some(escaped) = take_escape(&mut chars) else {
                let at = open + at;
                let end =
                    self.text.get(at..).map_or(at, |rest| at + rest.chars().take(2).map(char::len_utf8).sum::<usize>());
                let error = FilterError::new(self.text, at..end, "unknown escape");
                return Err(error.hint("write a backslash itself as `\\\\`"));
            };
            out.push(escaped);
        }
        match length {
            Some(length) => {
                self.at += length;
                Ok(out)
            }
            None => Err(FilterError::new(self.text, open..open + 1, "the text in quotes has no end")),
        }
    }
}

/// What follows a backslash: as Rust writes texts.
fn take_escape(chars: &mut std::str::CharIndices<'_>) -> Option<char> {
    match chars.next()?.1 {
        c @ ('"' | '\'' | '\\') => Some(c),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '0' => Some('\0'),
        'u' => {
            chars.next().filter(|(_, c)| *c == '{')?;
            let mut code = 0_u32;
            loop {
                match chars.next()?.1 {
                    '}' => return char::from_u32(code),
                    // Six digits are enough for every character: more would overflow.
                    digit if code < 0x10_0000 => code = code * 16 + digit.to_digit(16)?,
                    _ => return None,
                }
            }
        }
        _ => None,
    }
}

fn unwrap_single(mut parts: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    match parts.pop() {
        Some(single) if parts.is_empty() => single,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}

/// Whether a character ends a word.
fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '"' | '\'' | '=' | '!' | '<' | '>' | '~' | '&' | '|')
}

//! A filter of runs, as typed after `--where`: `env_config.sigma > 10 and reward > 0`. How it is written is in [`syntax`].
//!
//! Which values are compared, and how:
//!
//! - A key is a field of every run (`reward`, `tag`, `started`: see [`crate::history::run_fields`]), a metric that a run
//!   declares, or a key of the configuration. A key that no run has is an error.
//! - A word without quotes is a number, `true`, `false` or `null` for a value that is one, and text for a text; a text in
//!   quotes is always text. A time is compared as an instant, or by its day in UTC if only a date is given; a hash by its
//!   first digits, if there are four at least; a run has several tags, of which one is enough.
//! - Numbers are compared by value. `NaN` equals itself alone, and is neither less nor greater than anything. Texts are
//!   ordered by their characters. `null` is equal to itself, and to nothing else.
//! - Whether a run matches can be unknown: it lacks the key, the value is not in this clone, or values of two kinds, such as
//!   a text and a number, cannot be compared. Unknown parts decide nothing that known ones do not (`not` of unknown is
//!   unknown; `or` matches if another part does). A run of which it is unknown does not match, and is in
//!   [`FilteredRuns::left_out`] with the reasons.

pub mod syntax;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::formats::json::JsonValue;
use crate::history::compare::values_equal;
use crate::history::listed_runs::{ListedRun, ListedState};
use crate::history::run_fields::{FieldError, FieldKind, RunField};
use crate::run::{RunKey, StartTime};
use crate::support::text::find_near;
use crate::support::visible::escape_control;

pub use syntax::FilterError;
use syntax::{Comparison, Condition, FilterValue, Operator, parse_filter};

/// A filter of runs.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFilter {
    text: String,
    condition: Condition,
}

/// What a filter leaves.
#[derive(Debug, Clone)]
pub struct FilteredRuns {
    /// The runs that match, in the order given.
    pub runs: Vec<ListedRun>,
    /// The runs of which it is unknown whether they match.
    pub left_out: Vec<LeftOutRun>,
}

/// A run of which it is unknown whether it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOutRun {
    /// The run.
    pub run: RunKey,
    /// How far it is.
    pub state: ListedState,
    /// Why, one for each key.
    pub reasons: BTreeSet<UnknownReason>,
}

/// Why a comparison has no result.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnknownReason {
    /// The run has no such key, or its value is not in this clone.
    NotKnown {
        /// The key.
        key: String,
    },
    /// The values are of two kinds.
    NotComparable {
        /// The key.
        key: String,
        /// The kind of its value, such as `a text`.
        kind: &'static str,
        /// The comparison, such as `> 10`.
        with: String,
    },
}

impl RunFilter {
    /// Parses a filter.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Ok(Self { text: text.to_owned(), condition: parse_filter(text)? })
    }

    /// Splits runs into those that match, those that do not, and those of which it is unknown. Fails on a key that no run
    /// has, and on a value that a key cannot be compared with.
    pub fn apply(&self, runs: Vec<ListedRun>) -> Result<FilteredRuns, FilterError> {
        let mut filtered = FilteredRuns { runs: Vec::new(), left_out: Vec::new() };
        // Without runs, no key of a configuration can be looked up.
        if runs.is_empty() {
            return Ok(filtered);
        }
        let check = Binder { text: &self.text, runs: &runs }.bind(&self.condition)?;
        for run in runs {
            match check.test(&run) {
                Truth::Yes => filtered.runs.push(run),
                Truth::No => {}
                Truth::Unknown(reasons) => {
                    let state = run.state();
                    filtered.left_out.push(LeftOutRun { run: run.key, state, reasons });
                }
            }
        }
        Ok(filtered)
    }
}

/// Whether a run matches.
enum Truth {
    Yes,
    No,
    Unknown(BTreeSet<UnknownReason>),
}

impl From<bool> for Truth {
    fn from(is_true: bool) -> Self {
        if is_true { Self::Yes } else { Self::No }
    }
}

/// A condition whose keys are found.
enum Check {
    All(Vec<Check>),
    Any(Vec<Check>),
    Not(Box<Check>),
    Compare { field: RunField, name: String, operator: Operator, literal: Literal },
}

/// A value, as the kind of its field needs it.
enum Literal {
    Plain { value: FilterValue, json: Option<JsonValue> },
    Instant(jiff::Timestamp),
    Day(jiff::civil::Date),
    Hash(String),
    Name(String),
    Null,
}

struct Binder<'a> {
    text: &'a str,
    runs: &'a [ListedRun],
}

impl Binder<'_> {
    fn bind(&self, condition: &Condition) -> Result<Check, FilterError> {
        match condition {
            Condition::All(parts) => self.bind_all(parts).map(Check::All),
            Condition::Any(parts) => self.bind_all(parts).map(Check::Any),
            Condition::Not(part) => Ok(Check::Not(Box::new(self.bind(part)?))),
            Condition::Compare(comparison) => self.bind_comparison(comparison),
        }
    }

    fn bind_all(&self, parts: &[Condition]) -> Result<Vec<Check>, FilterError> {
        parts.iter().map(|part| self.bind(part)).collect()
    }

    fn bind_comparison(&self, comparison: &Comparison) -> Result<Check, FilterError> {
        let field = RunField::find(&comparison.key, self.runs).map_err(|error| self.key_error(comparison, error))?;
        let literal = self.bind_value(&field, comparison)?;
        Ok(Check::Compare { name: field.name(), field, operator: comparison.operator, literal })
    }

    fn key_error(&self, comparison: &Comparison, error: FieldError) -> FilterError {
        let typed = escape_control(self.text.get(comparison.key_at.clone()).unwrap_or_default());
        let quoted = |names: &[String]| {
            let names: Vec<String> = names.iter().map(|name| format!("`{}`", escape_control(name))).collect();
            names.join(", ")
        };
        let fail = |message: String| FilterError::new(self.text, comparison.key_at.clone(), message);
        match error {
            FieldError::Ambiguous(names) => fail(format!("`{typed}` is the end of several keys"))
                .hint(format!("write one of {}", quoted(names.get(..5).unwrap_or(&names)))),
            FieldError::Unknown(near) => {
                let error = fail(format!("no run has a key `{typed}`"));
                if !near.is_empty() {
                    return error.hint(format!("did you mean {}?", quoted(&near)));
                }
                let unread = self.runs.iter().filter(|run| run.env_config.is_none()).count();
                if unread > 0 {
                    return error.hint("fetch configurations that are not in this clone with `capture-hook pull RUN`");
                }
                error.hint("list a run's keys with `capture-hook show RUN`")
            }
        }
    }

    fn bind_value(&self, field: &RunField, comparison: &Comparison) -> Result<Literal, FilterError> {
        let Comparison { operator, value, value_at, .. } = comparison;
        let is_null = *value == FilterValue::Word("null".into());
        let fail = |at: &Range<usize>, message: String| FilterError::new(self.text, at.clone(), message);
        let kind = field.kind();
        if kind == FieldKind::Plain {
            return Ok(Literal::Plain { json: value.json(), value: value.clone() });
        }
        let name = field.name();
        let Some(text) = value.text() else {
            return Err(fail(value_at, format!("`{name}` is not compared with a list")));
        };
        if operator.is_order() && kind != FieldKind::Time {
            let message = format!("`{name}` has no order for `{}`", operator.as_str());
            return Err(fail(value_at, message).hint("compare it with ==, != or ~ (contains)"));
        }
        if is_null {
            return Ok(Literal::Null);
        }
        match kind {
            FieldKind::Time if *operator != Operator::Contains => parse_time(text).ok_or_else(|| {
                fail(value_at, format!("`{name}` is compared with a time"))
                    .hint("write a day, or a time in UTC: `2026-01-31` or `2026-01-31T14:30:00Z`")
            }),
            FieldKind::Hash => Ok(Literal::Hash(text.to_owned())),
            FieldKind::State => {
                let states = ListedState::ALL.map(ListedState::as_str);
                if *operator == Operator::Contains || states.contains(&text) {
                    return Ok(Literal::Name(text.to_owned()));
                }
                let near = find_near(text, states.map(|state| (state, state)));
                let hint = match near.first() {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the states are {}", states.join(", ")),
                };
                Err(fail(value_at, format!("there is no state `{}`", escape_control(text))).hint(hint))
            }
            _ => Ok(Literal::Name(text.to_owned())),
        }
    }
}

fn parse_time(text: &str) -> Option<Literal> {
    // `2026-01-31` is a day; everything longer is an instant.
    if text.len() == 10
        && let Ok(day) = text.parse()
    {
        return Some(Literal::Day(day));
    }
    StartTime::new(text).instant().map(Literal::Instant)
}

impl Check {
    fn test(&self, run: &ListedRun) -> Truth {
        match self {
            Self::All(parts) => join_parts(parts, run, false),
            Self::Any(parts) => join_parts(parts, run, true),
            Self::Not(part) => match part.test(run) {
                Truth::Yes => Truth::No,
                Truth::No => Truth::Yes,
                unknown @ Truth::Unknown(_) => unknown,
            },
            Self::Compare { field, name, operator, literal } => {
                let key = name.clone();
                let Some(value) = field.value_of(run) else {
                    return Truth::Unknown(BTreeSet::from([UnknownReason::NotKnown { key }]));
                };
                match compare_value(&value, *operator, literal) {
                    Some(is_true) => is_true.into(),
                    None => {
                        let with = format!("{} {}", operator.as_str(), literal.label());
                        let reason = UnknownReason::NotComparable { key, kind: value.kind(), with };
                        Truth::Unknown(BTreeSet::from([reason]))
                    }
                }
            }
        }
    }
}

/// All parts, or any of them: one that is `deciding` decides.
fn join_parts(parts: &[Check], run: &ListedRun, deciding: bool) -> Truth {
    let mut unknown = BTreeSet::new();
    for part in parts {
        match (part.test(run), deciding) {
            (Truth::Yes, true) => return Truth::Yes,
            (Truth::No, false) => return Truth::No,
            (Truth::Unknown(reasons), _) => unknown.extend(reasons),
            _ => {}
        }
    }
    if unknown.is_empty() { (!deciding).into() } else { Truth::Unknown(unknown) }
}

impl Literal {
    /// As it is shown to the user.
    fn label(&self) -> String {
        match self {
            Self::Plain { value: FilterValue::Quoted(text), .. } => format!("{text:?}"),
            Self::Plain { value: FilterValue::Word(text), .. } | Self::Hash(text) | Self::Name(text) => text.clone(),
            Self::Plain { value: FilterValue::List(list), .. } => list.to_canonical(),
            Self::Instant(instant) => instant.to_string(),
            Self::Day(day) => day.to_string(),
            Self::Null => "null".into(),
        }
    }
}

/// Whether a comparison holds; `None` if the values cannot be compared.
fn compare_value(value: &JsonValue, operator: Operator, literal: &Literal) -> Option<bool> {
    if let Literal::Plain { value: typed, json } = literal {
        return compare_plain(value, operator, typed, json.as_ref());
    }
    let is_equal = match (value, literal) {
        (JsonValue::Null, Literal::Null) => true,
        (JsonValue::Null, _) | (_, Literal::Null) if operator.is_order() || operator == Operator::Contains => {
            return None;
        }
        (JsonValue::Null, _) | (_, Literal::Null) => false,
        (value, Literal::Instant(instant)) => {
            return holds_for(operator, StartTime::new(value.as_str()?).instant()?.cmp(instant));
        }
        (value, Literal::Day(day)) => {
            let instant = StartTime::new(value.as_str()?).instant()?;
            return holds_for(operator, jiff::tz::Offset::UTC.to_datetime(instant).date().cmp(day));
        }
        (JsonValue::Array(names), Literal::Name(name)) => {
            let mut names = names.iter().filter_map(JsonValue::as_str);
            match operator {
                Operator::Contains => return Some(names.any(|own| own.contains(name.as_str()))),
                _ => names.any(|own| own == name),
            }
        }
        (value, Literal::Hash(text) | Literal::Name(text)) if operator == Operator::Contains => {
            return Some(value.as_str()?.contains(text.as_str()));
        }
        (value, Literal::Hash(text)) => has_hash(value.as_str()?, text),
        (value, Literal::Name(text)) => value.as_str()? == text,
        (_, Literal::Plain { .. }) => return None,
    };
    match operator {
        Operator::Equal => Some(is_equal),
        Operator::NotEqual => Some(!is_equal),
        _ => None,
    }
}

/// Whether a hash is the one that was typed, as a whole or by its first digits.
fn has_hash(hash: &str, typed: &str) -> bool {
    /// As few as git takes.
    const FEWEST: usize = 4;
    let typed = typed.strip_prefix("sha256:").unwrap_or(typed);
    hash == typed || (typed.len() >= FEWEST && hash.starts_with(&typed.to_ascii_lowercase()))
}

fn compare_plain(value: &JsonValue, operator: Operator, typed: &FilterValue, json: Option<&JsonValue>) -> Option<bool> {
    let equality = |is_equal: bool| match operator {
        Operator::Equal => Some(is_equal),
        Operator::NotEqual => Some(!is_equal),
        _ => None,
    };
    match (value, json) {
        (JsonValue::Text(text), _) => {
            let own = text.to_string();
            let typed = typed.text()?;
            match (operator, json) {
                (Operator::Contains, _) => Some(own.contains(typed)),
                // A word such as `10` is equal to the text `10`, but `text > 10` asks for a number.
                (_, Some(_)) => equality(own == typed),
                (_, None) => holds_for(operator, own.as_str().cmp(typed)),
            }
        }
        (JsonValue::Array(_), Some(list @ JsonValue::Array(_))) if operator != Operator::Contains => {
            equality(values_equal(value, list))
        }
        (JsonValue::Array(items), json) if operator == Operator::Contains => {
            let is_item = |item: &JsonValue| compare_plain(item, Operator::Equal, typed, json) == Some(true);
            Some(items.iter().any(is_item))
        }
        (value, Some(JsonValue::Null)) | (value @ JsonValue::Null, _) => {
            equality(value.is_null() && json.is_some_and(JsonValue::is_null))
        }
        (JsonValue::Bool(own), Some(JsonValue::Bool(typed))) => equality(own == typed),
        (own, Some(typed)) => compare_numbers(own, operator, typed),
        (_, None) => None,
    }
}

/// Compares two numbers; `None` if a value is no number.
fn compare_numbers(own: &JsonValue, operator: Operator, typed: &JsonValue) -> Option<bool> {
    let (a, b) = (own.as_f64()?, typed.as_f64()?);
    if a.is_nan() || b.is_nan() {
        return match operator {
            Operator::Equal => Some(a.is_nan() && b.is_nan()),
            Operator::NotEqual => Some(!(a.is_nan() && b.is_nan())),
            Operator::Contains => None,
            _ => Some(false),
        };
    }
    let order = match (own, typed) {
        // Beyond 53 bits, a double is not exact.
        (JsonValue::Int(a), JsonValue::Int(b)) => a.cmp(b),
        _ if values_equal(own, typed) => Ordering::Equal,
        // Unequal whole numbers of more than 64 bits can be the same double.
        _ => a.partial_cmp(&b).filter(|order| order.is_ne())?,
    };
    holds_for(operator, order)
}

fn holds_for(operator: Operator, order: Ordering) -> Option<bool> {
    match operator {
        Operator::Equal => Some(order.is_eq()),
        Operator::NotEqual => Some(order.is_ne()),
        Operator::Less => Some(order.is_lt()),
        Operator::LessOrEqual => Some(order.is_le()),
        Operator::Greater => Some(order.is_gt()),
        Operator::GreaterOrEqual => Some(order.is_ge()),
        Operator::Contains => None,
    }
}

#[cfg(test)]
mod tests;

//! What an episode's summary must equal, collected while its steps are read.

use std::sync::Arc;

use crate::run::row::{FieldSlot, ParsedRow};
use crate::run::schema::{CellPlace, Column, ColumnType, EqualsFunction, PathStep, RunSchema, Storage};
use crate::validate::code::Code;
use crate::validate::rows::shorten_text;

/// Relative tolerance for sums and distances: ten times what 32-bit floats can hold (1.2e-7).
const TOLERANCE: f64 = 1e-6;

/// A value to compare.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TotalValue {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(Box<str>),
}

impl TotalValue {
    /// The value for a message; one of single precision with as few digits as that needs.
    #[allow(clippy::cast_possible_truncation)]
    fn show(&self, kind: ColumnType) -> String {
        match self {
            Self::Int(int) => int.to_string(),
            Self::Float(float) if kind == ColumnType::Float32 => (*float as f32).to_string(),
            Self::Float(float) => float.to_string(),
            Self::Bool(bool) => bool.to_string(),
            Self::Text(text) => shorten_text(text),
        }
    }
}

/// One value of the summaries, and how it follows from the steps.
#[derive(Debug, Clone)]
pub(super) struct TotalRule {
    pub function: EqualsFunction,
    /// The summary's column.
    pub column: usize,
    /// Where the summary's value stands, for messages.
    name: String,
    /// The object around it, if several values of it are compared together.
    group: Option<String>,
    source: FieldSlot,
    source_place: CellPlace,
    source_storage: Storage,
    source_name: String,
    storage: Storage,
    kind: ColumnType,
}

/// All values of a schema's summaries that follow from the steps.
#[derive(Debug, Clone, Default)]
pub(super) struct TotalRules(Vec<TotalRule>);

impl TotalRules {
    pub fn of_schema(schema: &RunSchema) -> Arc<Self> {
        let rules: Vec<TotalRule> =
            schema.episodes.columns.iter().enumerate().filter_map(|(i, column)| rule_of(i, column, schema)).collect();
        // Last values of one object are one position, say: they are compared and reported together.
        let lasts = |rule: &TotalRule| if rule.function == EqualsFunction::Last { rule.group.clone() } else { None };
        let groups: Vec<Option<String>> = rules.iter().map(lasts).collect();
        let is_shared = |group: &Option<String>| groups.iter().filter(|other| *other == group).count() > 1;
        let rules = rules.into_iter().map(|rule| {
            let group = lasts(&rule).filter(|group| is_shared(&Some(group.clone())));
            TotalRule { group, ..rule }
        });
        Arc::new(Self(rules.collect()))
    }

    /// The totals of an episode without steps.
    pub fn start(&self) -> Totals {
        Totals(self.0.iter().map(Total::new).collect())
    }

    /// What a row of the episodes says.
    pub fn recorded(&self, schema: &RunSchema, row: &ParsedRow) -> Vec<Option<TotalValue>> {
        let value = |rule: &TotalRule| {
            let slot = FieldSlot::of_column(rule.column);
            row.is_good(slot).then(|| read_value(row, schema.episodes.place(rule.column)?, rule.storage)).flatten()
        };
        self.0.iter().map(value).collect()
    }

    /// Adds a step's row.
    #[inline]
    pub fn add_row(&self, totals: &mut Totals, row: &ParsedRow) {
        for (rule, total) in self.0.iter().zip(&mut totals.0) {
            if row.is_good(rule.source) {
                total.add_value(rule, row);
            } else if row.bad.contains(rule.source) {
                // Once a value cannot be read, what all values make is not known; the last one still can be.
                total.is_lost = true;
                total.state.clear_last();
            } else {
                total.state.clear_last();
            }
        }
    }

    /// Adds the row of a reset, which counts for no total.
    pub fn add_reset_row(&self, totals: &mut Totals, row: &ParsedRow) {
        for (rule, total) in self.0.iter().zip(&mut totals.0) {
            if rule.function != EqualsFunction::First {
                continue;
            }
            if row.is_good(rule.source) {
                total.add_value(rule, row);
            } else {
                total.is_lost |= row.bad.contains(rule.source);
            }
        }
    }
}

fn rule_of(index: usize, column: &Column, schema: &RunSchema) -> Option<TotalRule> {
    let equals = column.equals?;
    let source = schema.steps.column(equals.column)?;
    let group = match column.path.steps() {
        [around @ .., _] if !around.is_empty() => {
            let names: Vec<&str> =
                around.iter().map(|step| if let PathStep::Key(key) = step { key.as_str() } else { "" }).collect();
            Some(names.join("."))
        }
        _ => None,
    };
    Some(TotalRule {
        function: equals.function,
        column: index,
        name: column.path.to_string(),
        group,
        source: FieldSlot::of_column(equals.column),
        source_place: schema.steps.place(equals.column)?,
        source_storage: source.storage(),
        source_name: source.name.clone(),
        storage: column.storage(),
        kind: column.kind,
    })
}

fn read_value(row: &ParsedRow, place: CellPlace, storage: Storage) -> Option<TotalValue> {
    Some(match (place, storage) {
        (CellPlace::Scalar(at), Storage::Bool) => TotalValue::Bool(row.bool(at)),
        (CellPlace::Scalar(at), Storage::Int) => TotalValue::Int(row.int(at)),
        (CellPlace::Scalar(at), _) => TotalValue::Float(row.float(at)),
        (CellPlace::Text(at), _) => TotalValue::Text(row.texts.get(at)?.as_str().into()),
        (CellPlace::List(_), _) => return None,
    })
}

/// The sum of an episode's values.
#[derive(Debug, Clone, Copy, Default)]
struct FloatSum {
    sum: f64,
    /// The sum of the absolute values, for the rounding error.
    sizes: f64,
    /// The sum in 32-bit floats, in order, as a simulator computes it.
    single: f32,
    count: u64,
}

impl FloatSum {
    #[allow(clippy::cast_possible_truncation)]
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.sizes += value.abs();
        self.single += value as f32;
        self.count += 1;
    }

    /// Whether a recorded sum, or mean with the count as divisor, is as near as rounding allows.
    fn is_near(&self, recorded: f64, divisor: f64) -> bool {
        let (sum, single) = (self.sum / divisor, f64::from(self.single) / divisor);
        let near = |sum: f64, slack: f64| (recorded - sum).abs() <= TOLERANCE * recorded.abs().max(sum.abs()) + slack;
        // 1e-9 of the absolute sum: rewards that cancel each other leave a rounding error larger than the total.
        !sum.is_finite() || near(sum, 1e-9 * self.sizes / divisor) || single.is_finite() && near(single, 0.0)
    }
}

/// A value that is collected.
#[derive(Debug, Clone)]
enum TotalState {
    Sum(FloatSum),
    Mean(FloatSum),
    IntSum(Option<i128>),
    /// The smallest, the largest, the first, or whether any is true.
    Kept(Option<TotalValue>),
    /// The last; `None` if the last row has none.
    Last(Option<TotalValue>),
}

impl TotalState {
    fn clear_last(&mut self) {
        if let Self::Last(last) = self {
            *last = None;
        }
    }
}

#[derive(Debug, Clone)]
struct Total {
    state: TotalState,
    /// A value could not be read.
    is_lost: bool,
}

/// The totals of one episode so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Totals(Vec<Total>);

impl Totals {
    /// Whether a value could not be read.
    pub fn any_lost(&self) -> bool {
        self.0.iter().any(|total| total.is_lost)
    }
}

impl Total {
    fn new(rule: &TotalRule) -> Self {
        let state = match rule.function {
            EqualsFunction::Sum if rule.storage == Storage::Int => TotalState::IntSum(None),
            EqualsFunction::Sum => TotalState::Sum(FloatSum::default()),
            EqualsFunction::Mean => TotalState::Mean(FloatSum::default()),
            EqualsFunction::Last => TotalState::Last(None),
            _ => TotalState::Kept(None),
        };
        Self { state, is_lost: false }
    }

    #[inline]
    #[allow(clippy::cast_precision_loss)]
    fn add_value(&mut self, rule: &TotalRule, row: &ParsedRow) {
        let float = |at| match rule.source_storage {
            Storage::Int => row.int(at) as f64,
            _ => row.float(at),
        };
        match (&mut self.state, rule.source_place) {
            (TotalState::Sum(sum) | TotalState::Mean(sum), CellPlace::Scalar(at)) => sum.add(float(at)),
            (TotalState::IntSum(sum), CellPlace::Scalar(at)) => {
                *sum = Some(sum.unwrap_or_default() + i128::from(row.int(at)));
            }
            (TotalState::Last(Some(TotalValue::Float(last))), CellPlace::Scalar(at)) => *last = row.float(at),
            (TotalState::Last(Some(TotalValue::Int(last))), CellPlace::Scalar(at)) => *last = row.int(at),
            (TotalState::Last(Some(TotalValue::Text(last))), CellPlace::Text(at))
                if row.texts.get(at).is_some_and(|text| text.as_str() == &**last) => {}
            (TotalState::Last(last), place) => *last = read_value(row, place, rule.source_storage),
            (TotalState::Kept(kept), place) => {
                let Some(value) = read_value(row, place, rule.source_storage) else { return };
                match (&kept, &value) {
                    // Not a number: which is the smallest is not known.
                    (_, TotalValue::Float(float)) if float.is_nan() && rule.function != EqualsFunction::First => {
                        self.is_lost = true;
                    }
                    (None, _) => *kept = Some(value),
                    (Some(before), _) if replaces(rule.function, before, &value) => *kept = Some(value),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// What the steps make of it; `None` if that is not known.
    #[allow(clippy::cast_precision_loss)]
    fn value(&self) -> Option<TotalValue> {
        let is_last = matches!(self.state, TotalState::Last(_));
        if self.is_lost && !is_last {
            return None;
        }
        match &self.state {
            TotalState::Sum(sum) => Some(TotalValue::Float(sum.sum)),
            TotalState::Mean(sum) => (sum.count > 0).then(|| TotalValue::Float(sum.sum / sum.count as f64)),
            TotalState::IntSum(sum) => i64::try_from(sum.unwrap_or_default()).ok().map(TotalValue::Int),
            TotalState::Kept(value) | TotalState::Last(value) => value.clone(),
        }
    }

    /// Whether a recorded value is what the steps make of it; true if that is not known.
    #[allow(clippy::cast_precision_loss)]
    fn agrees_with(&self, recorded: &TotalValue) -> bool {
        match (&self.state, recorded) {
            _ if self.value().is_none() => true,
            (TotalState::Sum(sum), TotalValue::Float(recorded)) => sum.is_near(*recorded, 1.0),
            (TotalState::Mean(sum), TotalValue::Float(recorded)) => sum.is_near(*recorded, sum.count as f64),
            _ => self.value().is_none_or(|value| match (value, recorded) {
                (TotalValue::Float(value), TotalValue::Float(recorded)) => is_near_float(*recorded, value),
                (value, recorded) => value == *recorded,
            }),
        }
    }
}

fn is_near_float(recorded: f64, actual: f64) -> bool {
    // Relative, because distances are in units of any size. A difference that is not a number counts as none.
    let difference = (recorded - actual).abs();
    recorded == actual || difference.is_nan() || difference <= TOLERANCE * recorded.abs().max(actual.abs())
}

/// Whether a value takes the place of the one before.
fn replaces(function: EqualsFunction, before: &TotalValue, value: &TotalValue) -> bool {
    match (function, before, value) {
        (EqualsFunction::Min, TotalValue::Int(before), TotalValue::Int(value)) => value < before,
        (EqualsFunction::Min, TotalValue::Float(before), TotalValue::Float(value)) => value < before,
        (EqualsFunction::Max, TotalValue::Int(before), TotalValue::Int(value)) => value > before,
        (EqualsFunction::Max, TotalValue::Float(before), TotalValue::Float(value)) => value > before,
        (EqualsFunction::Any, TotalValue::Bool(before), TotalValue::Bool(value)) => *value && !before,
        _ => false,
    }
}

/// Which values of an episode can be compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comparable {
    /// Every row of the episode was read and placed.
    pub whole: bool,
    /// Its last row is known.
    pub last: bool,
}

/// A difference between a summary and the steps.
pub(super) struct TotalDifference {
    pub code: Code,
    pub message: String,
}

impl TotalRules {
    /// Compares what a summary says with what the steps make of it. Differences of last values are one finding.
    pub fn differences(
        &self,
        totals: &Totals,
        recorded: &[Option<TotalValue>],
        comparable: Comparable,
    ) -> (Vec<TotalDifference>, Vec<String>) {
        let (mut others, mut lasts) = (Vec::new(), Vec::new());
        let mut seen_groups: Vec<&str> = Vec::new();
        for (i, (rule, total)) in self.0.iter().zip(&totals.0).enumerate() {
            let is_last = rule.function == EqualsFunction::Last;
            let (Some(Some(recorded_value)), true) =
                (recorded.get(i), if is_last { comparable.last } else { comparable.whole })
            else {
                continue;
            };
            if let Some(group) = rule.group.as_deref().filter(|_| is_last) {
                if !seen_groups.contains(&group) {
                    seen_groups.push(group);
                    lasts.extend(self.group_difference(group, totals, recorded));
                }
                continue;
            }
            let (false, Some(actual)) = (total.agrees_with(recorded_value), total.value()) else { continue };
            if is_last {
                let (theirs, ours) = (recorded_value.show(rule.kind), actual.show(rule.kind));
                lasts.push(format!("{} is {theirs}, but the last step's is {ours}", rule.name));
            } else {
                others.push(rule.difference(total, recorded_value, &actual));
            }
        }
        (others, lasts)
    }

    /// The difference of values in one object, such as a position's: compared if all are known.
    fn group_difference(&self, group: &str, totals: &Totals, recorded: &[Option<TotalValue>]) -> Option<String> {
        let members = self.0.iter().zip(&totals.0).enumerate();
        let members = members
            .filter(|(_, (rule, _))| rule.function == EqualsFunction::Last && rule.group.as_deref() == Some(group));
        let (mut theirs, mut ours, mut differs) = (Vec::new(), Vec::new(), false);
        for (i, (rule, total)) in members {
            let (recorded, actual) = (recorded.get(i)?.as_ref()?, total.value()?);
            differs |= !total.agrees_with(recorded);
            theirs.push(recorded.show(rule.kind));
            ours.push(actual.show(rule.kind));
        }
        differs.then(|| format!("{group} is ({}), but the last step's is ({})", theirs.join(", "), ours.join(", ")))
    }

    /// Puts the values that follow from the steps into a row of the episodes. Fails with the name of a column whose value
    /// is not known and that cannot be null.
    pub fn fill_row(&self, totals: &Totals, schema: &RunSchema, row: &mut ParsedRow) -> Result<(), String> {
        for (rule, total) in self.0.iter().zip(&totals.0) {
            let (Some(column), Some(place)) = (schema.episodes.column(rule.column), schema.episodes.place(rule.column))
            else {
                continue;
            };
            let Some(value) = total.value() else {
                if column.nullable {
                    continue;
                }
                return Err(column.name.clone());
            };
            row.present.insert(FieldSlot::of_column(rule.column));
            row.put_total(place, column, &value);
        }
        Ok(())
    }
}

impl TotalRule {
    fn difference(&self, total: &Total, recorded: &TotalValue, actual: &TotalValue) -> TotalDifference {
        let is_reward =
            self.function == EqualsFunction::Sum && self.source_name == "reward" && self.name == "total_reward";
        if let (true, TotalState::Sum(sum)) = (is_reward, &total.state) {
            let message = format!(
                "total_reward is {}, but the steps' rewards add up to {} ({} in 32-bit floats)",
                recorded.show(self.kind),
                sum.sum,
                sum.single
            );
            return TotalDifference { code: Code::EpisodeRewardMismatch, message };
        }
        let (name, function, source) = (&self.name, self.function.as_str(), &self.source_name);
        TotalDifference {
            code: Code::EpisodeSummaryMismatch,
            message: format!(
                "{name} is {}, but {function}({source}) of the steps is {}",
                recorded.show(self.kind),
                actual.show(self.kind)
            ),
        }
    }
}

impl ParsedRow {
    /// Puts a value that follows from the steps into a column of the row.
    fn put_total(&mut self, place: CellPlace, column: &Column, value: &TotalValue) {
        match (place, value) {
            (CellPlace::Scalar(at), TotalValue::Bool(bool)) => self.set_scalar(at, (*bool).into()),
            (CellPlace::Scalar(at), TotalValue::Int(int)) => self.set_scalar(at, int.cast_unsigned()),
            (CellPlace::Scalar(at), TotalValue::Float(float)) => {
                #[allow(clippy::cast_possible_truncation)]
                let float = if column.kind == ColumnType::Float32 { f64::from(*float as f32) } else { *float };
                self.set_scalar(at, float.to_bits());
            }
            (CellPlace::Text(at), TotalValue::Text(text)) => {
                if let Some(target) = self.texts.get_mut(at) {
                    target.clear();
                    target.push_str(text);
                }
            }
            _ => {}
        }
    }
}

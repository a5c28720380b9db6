//! Where a value stands in a row: `state.x`, `observation[2]`.

use std::fmt;

use crate::formats::json::JsonValue;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathStep {
    /// A member of an object.
    Key(String),
    /// An element of an array, from 0.
    Index(usize),
}

/// Where a value stands in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuePath(Vec<PathStep>);

/// The most steps of a path.
const MAX_STEPS: usize = 16;

impl ValuePath {
    /// The path of a member of the row itself.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        Self(vec![PathStep::Key(name.to_owned())])
    }

    /// The path of a member of an object in the row.
    pub(super) fn of_names(names: &[&str]) -> Self {
        Self(names.iter().map(|name| PathStep::Key((*name).to_owned())).collect())
    }

    /// Reads the value of `path` in a declaration: a text, or a list of keys and indices.
    pub(super) fn from_json(value: &JsonValue) -> Result<Self, String> {
        let steps = match value {
            JsonValue::Text(text) => parse_dotted(text.as_str().unwrap_or_default())?,
            JsonValue::Array(items) => items.iter().map(step_of_item).collect::<Result<Vec<_>, _>>()?,
            other => return Err(format!("is {} instead of a text or a list of keys", other.kind())),
        };
        if !matches!(steps.first(), Some(PathStep::Key(_))) {
            return Err("must begin with the name of a field".into());
        }
        if steps.len() > MAX_STEPS {
            return Err(format!("has {} steps; {MAX_STEPS} are the most", steps.len()));
        }
        Ok(Self(steps))
    }

    /// The steps, outermost first; never empty.
    #[must_use]
    pub fn steps(&self) -> &[PathStep] {
        &self.0
    }

    /// The name of the row's field in which the value lies.
    #[must_use]
    pub fn field(&self) -> &str {
        match self.0.first() {
            Some(PathStep::Key(key)) => key,
            _ => "",
        }
    }
}

impl fmt::Display for ValuePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_steps(f, &self.0)
    }
}

/// Writes steps as messages show them: `observation.x[2]`.
pub(super) fn write_steps(f: &mut impl fmt::Write, steps: &[PathStep]) -> fmt::Result {
    for (i, step) in steps.iter().enumerate() {
        match step {
            PathStep::Key(key) if i == 0 => f.write_str(key)?,
            PathStep::Key(key) => write!(f, ".{key}")?,
            PathStep::Index(index) => write!(f, "[{index}]")?,
        }
    }
    Ok(())
}

fn parse_dotted(text: &str) -> Result<Vec<PathStep>, String> {
    let mut steps = Vec::new();
    for part in text.split('.') {
        let (key, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
        if key.contains(']') {
            return Err(format!("`{text}` has a `]` without a `[`"));
        }
        if key.is_empty() {
            return Err(format!("`{text}` has an empty name in it"));
        }
        steps.push(PathStep::Key(key.to_owned()));
        while !rest.is_empty() {
            let index = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let (digits, after) = index.ok_or_else(|| format!("`{text}` has a `[` without an index"))?;
            let is_index = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            let index = digits.parse().ok().filter(|_| is_index);
            steps.push(PathStep::Index(index.ok_or_else(|| format!("`{text}` has `[{digits}]`, which is no index"))?));
            rest = after;
        }
    }
    Ok(steps)
}

fn step_of_item(item: &JsonValue) -> Result<PathStep, String> {
    match item {
        JsonValue::Text(text) => match text.as_str() {
            Some(key) => Ok(PathStep::Key(key.to_owned())),
            None => Err("has a key with a lone surrogate".into()),
        },
        JsonValue::Int(index) if usize::try_from(*index).is_ok() => {
            Ok(PathStep::Index(usize::try_from(*index).unwrap_or_default()))
        }
        other => Err(format!("has {} in it instead of keys and indices", other.kind())),
    }
}

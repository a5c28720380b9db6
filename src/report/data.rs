//! The data of a page, as `page/report-data.d.ts` describes it. A change here is a change there.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// The version of the format.
pub const FORMAT: u32 = 1;

/// A number; one that is not finite is written as text, one that is not known as `null`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Num(pub Option<f64>);

impl Num {
    /// Not known.
    pub const UNKNOWN: Self = Self(None);

    /// A count.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn count(count: u64) -> Self {
        Self(Some(count as f64))
    }

    /// A number with five significant digits, which is more than a chart shows.
    #[must_use]
    pub fn rounded(value: f64) -> Self {
        Self::with_digits(value, 5)
    }

    /// A number with nine significant digits: sums end in digits that are noise.
    #[must_use]
    pub fn without_noise(value: f64) -> Self {
        Self::with_digits(value, 9)
    }

    fn with_digits(value: f64, digits: usize) -> Self {
        if !value.is_finite() {
            return Self(Some(value));
        }
        // Written out and read again, so that every machine gives the same digits.
        let text = format!("{value:.decimals$e}", decimals = digits.saturating_sub(1));
        Self(Some(text.parse().unwrap_or(value)))
    }
}

impl Serialize for Num {
    #[allow(clippy::cast_possible_truncation)]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // 2⁵³: up to it, every integer is a float.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self.0 {
            None => serializer.serialize_none(),
            Some(value) if value.is_nan() => serializer.serialize_str("NaN"),
            Some(value) if value.is_infinite() => {
                serializer.serialize_str(if value > 0.0 { "Infinity" } else { "-Infinity" })
            }
            // Shorter than with `.0`.
            Some(value) if value.trunc() == value && value.abs() < EXACT => serializer.serialize_i64(value as i64),
            Some(value) => serializer.serialize_f64(value),
        }
    }
}

/// All of a page.
#[derive(Debug, Serialize)]
pub struct ReportData {
    /// [`FORMAT`].
    pub format: u32,
    /// The title.
    pub title: String,
    /// What made it.
    pub generator: String,
    /// What was asked for.
    pub request: StoredRequest,
    /// What was left out.
    pub notes: Vec<String>,
    /// The table.
    pub runs: RunsData,
    /// What all runs have in common.
    pub common_config: Vec<(String, String)>,
    /// The commits that others refer to.
    pub commits: Vec<CommitData>,
    /// Data versions, newest first.
    pub history: Vec<HistoryData>,
    /// By run.
    pub details: Vec<DetailData>,
}

/// What a report was asked for, so that it can be made again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredRequest {
    /// Runs; all if there is none.
    pub runs: Vec<String>,
    /// Only this experiment's.
    pub experiment: Option<String>,
    /// The revision; HEAD without one.
    pub rev: Option<String>,
    /// Whether it shows directories that belong to no project, so that no other clone can make it again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub directories: bool,
}

/// The table of runs.
#[derive(Debug, Serialize)]
pub struct RunsData {
    /// Their names.
    pub names: Vec<String>,
    /// The number of each one's group; -1 if that is not known.
    pub groups: Vec<i64>,
    /// Its columns.
    pub columns: Vec<ColumnData>,
}

/// A column.
#[derive(Debug, Serialize)]
pub struct ColumnData {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What its values are.
    pub kind: &'static str,
    /// What it is about.
    pub group: &'static str,
    /// The unit of its values.
    pub unit: Option<String>,
    /// Whether it is shown at first.
    pub shown: bool,
    /// By run.
    pub values: ColumnValues,
}

/// A column's values.
#[derive(Debug)]
pub enum ColumnValues {
    /// Numbers.
    Numbers(Vec<Num>),
    /// Texts, each once, and which of them each run has; -1 if that is not known.
    Texts(Vec<String>, Vec<i64>),
}

impl Serialize for ColumnValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Numbers(numbers) => map.serialize_entry("numbers", numbers)?,
            Self::Texts(texts, codes) => {
                map.serialize_entry("texts", texts)?;
                map.serialize_entry("codes", codes)?;
            }
        }
        map.end()
    }
}

/// A commit.
#[derive(Debug, Serialize)]
pub struct CommitData {
    /// Its id.
    pub id: String,
    /// Its time.
    pub time: String,
    /// The author's name.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
}

/// A data version.
#[derive(Debug, Serialize)]
pub struct HistoryData {
    /// Its commit.
    pub commit: usize,
    /// The version.
    pub version: String,
    /// The report's runs that it introduced.
    pub introduced: Vec<usize>,
    /// How many it introduced in all.
    pub introduced_count: Option<usize>,
    /// Runs that it removed.
    pub removed: Vec<String>,
    /// How many it removed.
    pub removed_count: usize,
    /// Why it removed them, as its message says.
    pub removal_reason: Option<String>,
    /// Whether its commit is a merge.
    pub is_merge: bool,
    /// The tags of its commit.
    pub tags: Vec<String>,
}

/// A run.
#[derive(Debug, Serialize)]
pub struct DetailData {
    /// Its name for a shell.
    pub quoted: String,
    /// Why its data is missing.
    pub missing: Option<MissingData>,
    /// Curves.
    pub curves: Vec<CurveData>,
    /// Paths.
    pub paths: Option<PathsData>,
    /// Episodes.
    pub episodes: Option<EpisodesData>,
    /// The verdict.
    pub validation: Option<ValidationData>,
    /// Where it comes from.
    pub provenance: ProvenanceData,
    /// Configuration that is nowhere else.
    pub config: Vec<(String, String)>,
}

/// Why a run's data is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingData {
    /// Why.
    pub reason: String,
    /// What to type.
    pub command: Option<String>,
}

/// A quantity over steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurveData {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: Option<String>,
    /// The step of the first sample.
    pub first: u64,
    /// The steps between samples.
    pub stride: u64,
    /// The step of the last sample.
    pub last: u64,
    /// First quartiles.
    pub low: Vec<Num>,
    /// Medians.
    pub mid: Vec<Num>,
    /// Third quartiles.
    pub high: Vec<Num>,
}

/// A coordinate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AxisData {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: Option<String>,
}

/// Paths.
#[derive(Debug, Clone, Serialize)]
pub struct PathsData {
    /// The first coordinate.
    pub x: AxisData,
    /// The second one.
    pub y: AxisData,
    /// How many episodes there are.
    pub of: usize,
    /// Some of their paths.
    pub lines: Vec<PathData>,
}

/// The path of an episode.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathData {
    /// The episode's index.
    pub episode: i64,
    /// Whether it succeeded.
    pub succeeded: Option<bool>,
    /// First coordinates.
    pub x: Vec<Num>,
    /// Second coordinates.
    pub y: Vec<Num>,
}

/// Episodes.
#[derive(Debug, Serialize)]
pub struct EpisodesData {
    /// How many there are.
    pub of: usize,
    /// The names of the first.
    pub ids: Option<Vec<Option<String>>>,
    /// Their indexes.
    pub index: Vec<i64>,
    /// Their lengths.
    pub steps: Vec<u64>,
    /// Their rewards.
    pub reward: Vec<Num>,
    /// Whether each succeeded.
    pub success: Vec<Option<u8>>,
    /// How each ended.
    pub end: Vec<u8>,
}

/// A verdict.
#[derive(Debug, Serialize)]
pub struct ValidationData {
    /// Whether it is valid.
    pub ok: bool,
    /// Error codes.
    pub errors: Vec<String>,
    /// Warning codes.
    pub warnings: Vec<String>,
    /// What was ignored.
    pub ignored: Vec<String>,
}

/// Where a run comes from.
#[derive(Debug, Default, Serialize)]
pub struct ProvenanceData {
    /// Its commit.
    pub commit: Option<usize>,
    /// Its data version.
    pub version: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The simulator's name.
    pub simulator: Option<String>,
    /// The simulator's version.
    pub simulator_version: Option<String>,
    /// The simulator's commit.
    pub code_version: Option<String>,
    /// The schema's version.
    pub schema_version: Option<String>,
    /// The hash of its configuration.
    pub config_hash: Option<String>,
    /// The hash of its manifest.
    pub manifest: Option<String>,
    /// How many files it has.
    pub files: Option<usize>,
    /// Their size in bytes.
    pub bytes: Option<u64>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_nothing_is_lost() {
        let json = |values: &[Num]| serde_json::to_string(values).unwrap();
        let all = [0.1 + 0.2, 3.0, -0.5, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        let exact: Vec<Num> = all.iter().map(|value| Num(Some(*value))).collect();
        assert_eq!(json(&exact), r#"[0.30000000000000004,3,-0.5,1e+300,"NaN","Infinity","-Infinity"]"#);
        let rounded: Vec<Num> = all.iter().map(|value| Num::rounded(*value)).collect();
        assert_eq!(json(&rounded), r#"[0.3,3,-0.5,1e+300,"NaN","Infinity","-Infinity"]"#);
        assert_eq!(json(&[Num::rounded(123_456.7), Num::rounded(-1.000_04e-7)]), "[123460,-1e-7]");
        assert_eq!(json(&[Num::without_noise(-0.600_000_000_000_000_3)]), "[-0.6]");
        assert_eq!(json(&[Num::UNKNOWN, Num::count(7)]), "[null,7]");
    }
}

//! The start time of a run, and the one order of runs in time. Only parsing and comparing; no clock is read here.

/// The start time of a run as its recorder wrote it. Ordered by instant, then by text; a text that is no time, or a
/// missing one, comes first. Callers that order runs compare their keys last.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StartTime {
    instant: Option<jiff::Timestamp>,
    text: Option<String>,
}

impl StartTime {
    /// Parses a time as recorders write it: ISO 8601, in UTC if no offset is given.
    #[must_use]
    pub fn new(text: &str) -> Self {
        // A text that is no time keeps its place by text; `validate` reports it.
        let instant = text.parse::<jiff::Timestamp>().ok().or_else(|| {
            let civil: jiff::civil::DateTime = text.trim().parse().ok()?;
            // A time without an offset counts as UTC.
            jiff::tz::Offset::UTC.to_timestamp(civil).ok()
        });
        Self { instant, text: Some(text.to_owned()) }
    }

    /// The instant; `None` if the text is no time.
    #[must_use]
    pub fn instant(&self) -> Option<jiff::Timestamp> {
        self.instant
    }

    /// The text as written; `None` if it is not known.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R3: Times in any zone are ordered by instant; those that cannot be parsed come first.
    #[test]
    fn times_are_ordered_by_instant_then_by_text() {
        let order = [
            StartTime::default(),
            StartTime::new("nonsense"),
            StartTime::new("soon"),
            StartTime::new("2026-01-03T00:00:00+02:00"),
            StartTime::new("2026-01-02T23:00:00"),
            StartTime::new("2026-01-02T23:00:00Z"),
            StartTime::new("2026-01-02T23:00:00.000000001Z"),
            StartTime::new("2026-01-02T20:00:00-04:00"),
        ];
        assert!(order.is_sorted_by(|a, b| a < b), "{order:?}");
    }
}

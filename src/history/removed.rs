//! The trailers of runs that a commit removes from the dataset on purpose.
//!
//! `Capture-Removed` names one run, %-escaped as in `Capture-Run`. More than [`MOST_NAMED`] runs have one line, with their
//! number and a SHA-256 over their names: one name a line, sorted as bytes. `Capture-Reason` is what the user gave as the
//! reason, one for all of them, escaped alike.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::trailers::{MOST_NAMED, escape_value, parse_all_runs, split_trailer};
use crate::run::RunKey;
use crate::support::percent::percent_decode;
use crate::support::text::to_hex;

const REMOVED: &str = "Capture-Removed";
const REASON: &str = "Capture-Reason";

/// What a message says of removed runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemovedTrailers {
    /// The runs that it names.
    pub runs: BTreeSet<RunKey>,
    /// What stands for many runs: their number and the SHA-256 over their names, hex. A squashed message can have several.
    pub many: Vec<(u64, String)>,
    /// The reason.
    pub reason: Option<String>,
}

impl RemovedTrailers {
    /// What a message says.
    #[must_use]
    pub fn parse(message: &[u8]) -> Self {
        let mut parsed = Self::default();
        for (name, value) in String::from_utf8_lossy(message).lines().filter_map(split_trailer) {
            match name {
                // A value that cannot be parsed counts as absent: anybody can edit a message.
                REMOVED => match parse_removed(value) {
                    Some(Removed::Run(run)) => drop(parsed.runs.insert(run)),
                    Some(Removed::Many(count, sha256)) => parsed.many.push((count, sha256)),
                    None => {}
                },
                REASON => parsed.reason = percent_decode(value),
                _ => {}
            }
        }
        parsed
    }

    /// Those of these removed runs that the message stands for: it names them, or all of them together.
    #[must_use]
    pub fn find_named(&self, removed: &BTreeSet<RunKey>) -> BTreeSet<RunKey> {
        if !self.many.is_empty() {
            let own = (removed.len() as u64, digest_names(removed));
            if self.many.contains(&own) {
                return removed.clone();
            }
        }
        removed.intersection(&self.runs).cloned().collect()
    }
}

/// The trailers of a commit message for these removed runs; empty without runs.
#[must_use]
pub fn removed_trailer_lines(runs: &BTreeSet<RunKey>, reason: Option<&str>) -> Vec<String> {
    let mut lines: Vec<String> = match runs.len() {
        0 => return Vec::new(),
        count if count > MOST_NAMED => vec![format!("{REMOVED}: {count} sha256:{}", digest_names(runs))],
        _ => runs.iter().map(|run| format!("{REMOVED}: {}", escape_value(&run.to_string()))).collect(),
    };
    lines.extend(reason.map(|reason| format!("{REASON}: {}", escape_value(reason))));
    lines
}

/// Whether a line of a message is a trailer of a removed run, well formed.
#[must_use]
pub fn is_removed_trailer(line: &str) -> bool {
    match split_trailer(line) {
        Some((REMOVED, value)) => parse_removed(value).is_some(),
        Some((REASON, value)) => percent_decode(value).is_some_and(|reason| !reason.is_empty()),
        _ => false,
    }
}

enum Removed {
    Run(RunKey),
    Many(u64, String),
}

fn parse_removed(value: &str) -> Option<Removed> {
    // A run's name has a slash, a number and a hash have none.
    if value.contains('/') {
        return Some(Removed::Run(percent_decode(value)?.parse().ok()?));
    }
    let (count, sha256) = parse_all_runs(value)?;
    Some(Removed::Many(count, sha256?))
}

fn digest_names(runs: &BTreeSet<RunKey>) -> String {
    let mut lines: Vec<String> = runs.iter().map(|run| format!("{}\n", escape_value(&run.to_string()))).collect();
    lines.sort();
    to_hex(&Sha256::digest(lines.concat()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::history;

    fn runs(names: impl IntoIterator<Item = String>) -> BTreeSet<RunKey> {
        names.into_iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        for count in [1, 20, 21, 300] {
            let removed = runs((0..count).map(|n| format!("sweep/r{n} 100%")));
            let lines = removed_trailer_lines(&removed, Some("wrong seed: 7\nseen later"));
            assert!(lines.iter().all(|line| history::is_trailer(line) && !line.contains('\n')), "{lines:?}");
            let parsed = RemovedTrailers::parse(format!("Remove\n\n{}\n", lines.join("\n")).as_bytes());
            assert_eq!(parsed.reason.as_deref(), Some("wrong seed: 7\nseen later"));
            assert_eq!(parsed.find_named(&removed), removed);
            // Other runs are not covered: neither one more, nor, if all stand together, one less.
            let more: BTreeSet<RunKey> = removed.iter().cloned().chain(runs(["sweep/other".into()])).collect();
            assert!(!parsed.find_named(&more).contains(&"sweep/other".parse().unwrap()));
            assert_eq!(parsed.find_named(&more).is_empty(), count > MOST_NAMED);
        }
        assert!(removed_trailer_lines(&BTreeSet::new(), Some("no run")).is_empty());
    }

    #[test]
    fn malformed_lines_say_nothing() {
        for line in
            ["Capture-Removed: r1", "Capture-Removed: 30", "Capture-Removed: 30 sha256:12", "Capture-Reason: %zz"]
        {
            assert!(!history::is_trailer(line), "{line}");
            assert_eq!(RemovedTrailers::parse(line.as_bytes()), RemovedTrailers::default(), "{line}");
        }
    }
}

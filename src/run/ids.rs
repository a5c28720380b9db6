//! The name of a run, `<experiment>/<run_id>`, safe by construction.
//!
//! Both halves become directory names in the dataset and parts of tag names. A key that exists can be joined to a path
//! without leaving it, and does not lead to where programs look: `support::names` decides. A new run's name must work
//! on every system; the name of a run that somebody committed must work on this one. Whether the run exists is not
//! known here.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::ExitKind::Usage;
use crate::error::{Explain, Explanation};
use crate::support::names;

/// The longest file name of common file systems, in bytes.
const MAX_BYTES: usize = 255;

/// Returns why a text cannot be a new run's id or experiment, to be read after it. Any system counts, because the run
/// must be checked out on all of them.
#[must_use]
pub fn why_unsafe(text: &str) -> Option<&'static str> {
    why_unfit(text, |text| names::find_fault(text).map(|fault| fault.why))
}

fn why_unfit(text: &str, find_fault: impl Fn(&str) -> Option<&'static str>) -> Option<&'static str> {
    if text.len() > MAX_BYTES {
        Some("is longer than 255 bytes")
    } else if text.chars().any(char::is_control) {
        Some("holds a control character")
    } else {
        find_fault(text)
    }
}

/// A run's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RunKey {
    experiment: String,
    run_id: String,
}

/// A text that cannot be a run's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a run name: it {why}", text.escape_debug())]
pub struct UnsafeId {
    /// The text.
    pub text: String,
    /// What is wrong with it, to be read after it.
    pub why: &'static str,
}

impl Explain for UnsafeId {
    fn explain(&self) -> Explanation {
        Usage.code("unsafe_run_id").hint("name a run as <experiment>/<run_id>; `capture-hook runs` lists them")
    }
}

impl RunKey {
    /// Makes the name of an existing run. Fails on names that this system refuses.
    pub fn new(experiment: &str, run_id: &str) -> Result<Self, UnsafeId> {
        Self::new_checked(experiment, run_id, |text| why_unfit(text, names::find_fault_here))
    }

    /// Makes the name of a new run. Fails on names that any system refuses.
    pub fn of_new_run(experiment: &str, run_id: &str) -> Result<Self, UnsafeId> {
        Self::new_checked(experiment, run_id, why_unsafe)
    }

    fn new_checked(
        experiment: &str,
        run_id: &str,
        why: impl Fn(&str) -> Option<&'static str>,
    ) -> Result<Self, UnsafeId> {
        for text in [experiment, run_id] {
            if let Some(why) = why(text) {
                return Err(UnsafeId { text: text.into(), why });
            }
        }
        Ok(Self { experiment: experiment.into(), run_id: run_id.into() })
    }

    /// The experiment.
    #[must_use]
    pub fn experiment(&self) -> &str {
        &self.experiment
    }

    /// The run id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Returns `<root>/<experiment>/<run_id>`.
    #[must_use]
    pub fn dir_under(&self, root: &Path) -> PathBuf {
        root.join(&self.experiment).join(&self.run_id)
    }
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.experiment, self.run_id)
    }
}

impl FromStr for RunKey {
    type Err = UnsafeId;

    fn from_str(text: &str) -> Result<Self, UnsafeId> {
        match text.split_once('/') {
            Some((experiment, run_id)) => Self::new(experiment, run_id),
            None => Err(UnsafeId { text: text.into(), why: "has no `/` between experiment and run id" }),
        }
    }
}

impl From<RunKey> for String {
    fn from(key: RunKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for RunKey {
    type Error = UnsafeId;

    fn try_from(text: String) -> Result<Self, UnsafeId> {
        text.parse()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_leave_its_folder() {
        let long = "x".repeat(256);
        let bad =
            ["", ".", "..", "a/b", "a\\b", "a\0b", "a\nb", "a\u{7f}", "a\u{85}b", ".git ", "git~1", ".venv", &long];
        for bad in bad {
            assert!(RunKey::new("demo", bad).is_err(), "{bad:?}");
            assert!(RunKey::new(bad, "r1").is_err(), "{bad:?}");
        }
        for good in ["r1", "r1; touch x $(touch y)", "-n", "Ünïcode 🦀", &"x".repeat(255)] {
            let key = RunKey::of_new_run("demo", good).unwrap();
            assert!(key.dir_under(Path::new("/data")).starts_with("/data/demo"), "{good:?}");
            assert_eq!(key.to_string().parse::<RunKey>().unwrap(), key);
        }
        assert!("demo/r1/x".parse::<RunKey>().is_err());
        assert!("demo".parse::<RunKey>().is_err());
    }

    #[test]
    fn a_new_runs_name_must_suit_every_system() {
        for name in ["a:b", "x?", "...", "r1 ", "CON"] {
            assert!(RunKey::of_new_run("demo", name).is_err() && RunKey::of_new_run(name, "r1").is_err(), "{name}");
            // The name of an existing run must work on this system only.
            assert_eq!(RunKey::new("demo", name).is_ok(), !cfg!(windows), "{name}");
        }
    }
}

//! The schema versions that recorders write and we can read. Their fields are in `run::row`.

use std::fmt;

/// A schema version that can be read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaVersion {
    /// `0.1`: plume-nav-sim's recorder, on PyPI and current.
    V0_1,
    /// `1.0.0`: the first recorder.
    V1_0_0,
}

impl SchemaVersion {
    /// All versions.
    pub const ALL: [Self; 2] = [Self::V0_1, Self::V1_0_0];

    /// The version as recorders write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_1 => "0.1",
            Self::V1_0_0 => "1.0.0",
        }
    }

    /// Parses a version as written; `None` for an unknown one.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str().as_bytes() == text)
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

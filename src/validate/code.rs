//! The codes of findings: stable names that scripts and settings rely on.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Whether a finding makes a run invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does.
    Error,
    /// It does not, but is worth a look.
    Warning,
}

/// What settings may do with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CodeClass {
    /// Something could not be read, is not safe, or is another run's: never ignored.
    Fixed,
    /// An error that a user may choose to ignore.
    Error,
    /// A warning, which a user may ignore or deny.
    Warning,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $class:ident;)*) => {
        /// What a finding is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// All codes, in the order of the enum.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code's stable name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            fn class(self) -> CodeClass {
                match self { $(Self::$variant => CodeClass::$class,)* }
            }
        }
    };
}

codes! {
    /// There is no such directory.
    RunDirNotFound = "run_dir_not_found", Fixed;
    /// A link in the run's directory leads out of it.
    SymlinkEscape = "symlink_escape", Fixed;
    /// No `run.json`.
    MissingRunJson = "missing_run_json", Fixed;
    /// `run.json` is not JSON, no object, or lacks a required field of the right type.
    InvalidRunJson = "invalid_run_json", Fixed;
    /// The run id or the experiment is no name for a directory.
    UnsafeRunId = "unsafe_run_id", Fixed;
    /// The run's, or a row's, schema version is none that we can read.
    UnsupportedSchemaVersion = "unsupported_schema_version", Fixed;
    /// No `steps.jsonl.gz`.
    MissingSteps = "missing_steps_jsonl_gz", Fixed;
    /// No `episodes.jsonl.gz`.
    MissingEpisodes = "missing_episodes_jsonl_gz", Fixed;
    /// A shard number is missing.
    ShardGap = "shard_gap", Fixed;
    /// A file ends inside a gzip member.
    TruncatedGzip = "truncated_gzip", Fixed;
    /// A gzip member's header, data, CRC or length is wrong.
    CorruptGzip = "corrupt_gzip", Fixed;
    /// A line is longer than 16 MiB.
    LineTooLong = "line_too_long", Fixed;
    /// A line is not UTF-8.
    InvalidUtf8 = "invalid_utf8", Fixed;
    /// A line is not JSON.
    InvalidJson = "invalid_json", Fixed;
    /// A line is JSON, but no object.
    NotAnObject = "not_an_object", Fixed;
    /// A required field is not there.
    MissingField = "missing_field", Fixed;
    /// A field is of another type than it must be.
    WrongType = "wrong_type", Fixed;
    /// A number is too small or too large.
    OutOfRange = "out_of_range", Error;
    /// A number is `NaN` or infinite.
    NonFinite = "non_finite", Error;
    /// A row's run id is not the run's.
    RunIdMismatch = "run_id_mismatch", Fixed;
    /// There is no step.
    NoSteps = "no_steps", Error;
    /// There is no episode.
    NoEpisodes = "no_episodes", Error;
    /// An episode's steps are not 1, 2, 3, ….
    StepSequence = "step_sequence", Error;
    /// An episode goes on after its end.
    StepsAfterEnd = "steps_after_end", Error;
    /// A summary's number of steps is not that of the steps.
    EpisodeStepsMismatch = "episode_steps_mismatch", Error;
    /// A summary's reward is not the sum of the steps'.
    EpisodeRewardMismatch = "episode_reward_mismatch", Error;
    /// A summary's end is not the last step's.
    EpisodeFinalMismatch = "episode_final_mismatch", Error;
    /// A summary without steps.
    EpisodeWithoutSteps = "episode_without_steps", Error;
    /// A finished episode without a summary.
    StepsWithoutEpisode = "steps_without_episode", Error;
    /// Steps of an unfinished episode without a summary.
    IncompleteEpisode = "incomplete_episode", Warning;
    /// Several episodes share an id.
    AmbiguousEpisodeId = "ambiguous_episode_id", Warning;
    /// A field that the schema does not know.
    UnknownField = "unknown_field", Warning;
    /// A step is earlier than the one before it.
    TimeGoesBack = "time_goes_back", Warning;
    /// A file that no recorder writes.
    UnrecognizedFile = "unrecognized_file", Warning;
    /// The recorder's manifest disagrees with the files.
    ManifestMismatch = "manifest_mismatch", Warning;
}

impl Code {
    /// Whether it makes a run invalid, where settings do not say otherwise.
    #[must_use]
    pub fn severity(self) -> Severity {
        if self.class() == CodeClass::Warning { Severity::Warning } else { Severity::Error }
    }

    /// Whether settings may ignore it: not where something could not be read in full, is not safe, or is another run's.
    #[must_use]
    pub fn is_ignorable(self) -> bool {
        self.class() != CodeClass::Fixed
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

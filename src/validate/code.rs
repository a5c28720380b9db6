//! The codes of findings: stable names that scripts and settings rely on. A code is never renamed; what it means for a
//! run is decided here, what breaks it in the other files of this room.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Whether a finding makes a run invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does: the run is invalid.
    Error,
    /// It does not, but is worth a look.
    Warning,
}

/// What settings can do with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CodeClass {
    /// Cannot be ignored: something cannot be read, is not safe, or belongs to another run.
    Fixed,
    /// An error that settings can ignore.
    Error,
    /// A warning that settings can ignore, or deny (make an error).
    Warning,
}

// One table for the enum, the names and the classes, so that a new code cannot miss one.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $class:ident;)*) => {
        /// The code of a finding.
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
    /// The directory does not exist.
    RunDirNotFound = "run_dir_not_found", Fixed;
    /// A link in the run's directory leads out of it.
    SymlinkEscape = "symlink_escape", Fixed;
    /// No `run.json`.
    MissingRunJson = "missing_run_json", Fixed;
    /// `run.json` is not JSON, not an object, or lacks a required field of the right type.
    InvalidRunJson = "invalid_run_json", Fixed;
    /// The run id or the experiment is not a safe name for a directory.
    UnsafeRunId = "unsafe_run_id", Fixed;
    /// The schema version of the run or of a row is unknown.
    UnsupportedSchemaVersion = "unsupported_schema_version", Fixed;
    /// No `schema.json` in a run that must declare its columns.
    MissingSchema = "missing_schema", Fixed;
    /// `schema.json` is not JSON, or not a declaration.
    InvalidSchema = "invalid_schema", Fixed;
    /// The run does not declare what the experiment's pinned schema asks for.
    SchemaPin = "schema_pin", Error;
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
    /// A line is JSON, but not an object.
    NotAnObject = "not_an_object", Fixed;
    /// A required field is missing.
    MissingField = "missing_field", Fixed;
    /// A field has the wrong type.
    WrongType = "wrong_type", Fixed;
    /// A list has other dimensions than declared.
    WrongShape = "wrong_shape", Fixed;
    /// A file that an episode names is not in the run.
    MissingFile = "missing_file", Fixed;
    /// A number is too small or too large, or a text is none of those allowed.
    OutOfRange = "out_of_range", Error;
    /// A number is `NaN` or infinite.
    NonFinite = "non_finite", Error;
    /// A row has another run id than the run.
    RunIdMismatch = "run_id_mismatch", Fixed;
    /// The run has no step.
    NoSteps = "no_steps", Error;
    /// The run has no episode.
    NoEpisodes = "no_episodes", Error;
    /// An episode's steps are not 1, 2, 3, ….
    StepSequence = "step_sequence", Error;
    /// An episode goes on after its end.
    StepsAfterEnd = "steps_after_end", Error;
    /// A summary's number of steps differs from the steps.
    EpisodeStepsMismatch = "episode_steps_mismatch", Error;
    /// A summary's total reward differs from the sum of the steps' rewards.
    EpisodeRewardMismatch = "episode_reward_mismatch", Error;
    /// A summary's final state differs from the last step.
    EpisodeFinalMismatch = "episode_final_mismatch", Error;
    /// A summary's value differs from what the declaration makes of the steps.
    EpisodeSummaryMismatch = "episode_summary_mismatch", Error;
    /// Two episodes, or two summaries, of one id in a run that declares its columns.
    DuplicateEpisode = "duplicate_episode", Error;
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
    /// The severity if settings do not change it.
    #[must_use]
    pub fn severity(self) -> Severity {
        if self.class() == CodeClass::Warning { Severity::Warning } else { Severity::Error }
    }

    /// Whether settings can ignore it; see [`CodeClass`].
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

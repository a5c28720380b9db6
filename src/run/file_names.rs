//! The names of the files in a run's directory, and of the shards of its two streams in all schemes. Whether a file
//! exists is known in `run::layout`.

/// The run's metadata.
pub const RUN_JSON: &str = "run.json";
/// The run's provenance.
pub const MANIFEST: &str = "manifest.json";
/// The steps' base file.
pub const STEPS: &str = "steps.jsonl.gz";
/// The episodes' base file.
pub const EPISODES: &str = "episodes.jsonl.gz";
/// The steps as parquet.
pub const STEPS_PARQUET: &str = "steps.parquet";
/// The episodes as parquet.
pub const EPISODES_PARQUET: &str = "episodes.parquet";
/// The file that `ingest` adds to a run's folder in the dataset.
pub const DATASET_INDEX: &str = "DATASET_INDEX.json";

/// One of the two streams of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunStream {
    /// One row per step.
    Steps,
    /// One row per episode.
    Episodes,
}

impl RunStream {
    /// The stem of the stream's file names.
    #[must_use]
    pub fn stem(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Episodes => "episodes",
        }
    }

    /// The name of the stream's base file.
    #[must_use]
    pub fn base(self) -> &'static str {
        match self {
            Self::Steps => STEPS,
            Self::Episodes => EPISODES,
        }
    }
}

/// How a recorder names a file of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShardScheme {
    /// `steps.jsonl.gz`
    Base,
    /// `steps.part0001.jsonl.gz`
    PartFirst,
    /// `steps.jsonl.part1.gz`
    PartLast,
}

/// One file of a stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// Its number; the base file is 0. A number beyond 64 bits counts as the largest.
    pub number: u64,
    /// The scheme of its name.
    pub scheme: ShardScheme,
    /// Its name in the run's directory.
    pub name: String,
}

/// Parses a shard's name in any scheme; `None` for other names.
#[must_use]
pub fn parse_shard_name(name: &str) -> Option<(RunStream, Shard)> {
    let (stream, rest) = [RunStream::Steps, RunStream::Episodes]
        .into_iter()
        .find_map(|stream| Some((stream, name.strip_prefix(stream.stem())?)))?;
    let (scheme, number) = if rest == ".jsonl.gz" {
        (ShardScheme::Base, 0)
    } else if let Some(digits) = rest.strip_prefix(".part").and_then(|r| r.strip_suffix(".jsonl.gz")) {
        (ShardScheme::PartFirst, parse_shard_number(digits)?)
    } else {
        let digits = rest.strip_prefix(".jsonl.part").and_then(|r| r.strip_suffix(".gz"))?;
        (ShardScheme::PartLast, parse_shard_number(digits)?)
    };
    Some((stream, Shard { number, scheme, name: name.into() }))
}

fn parse_shard_number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    // Beyond 64 bits it is still a shard, with a gap before it.
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

//! What a run's own files say of it, by which runs are listed. Noted under the stamps of the files, so that a run is read again
//! only when one of them changes.

use std::path::Path;

use crate::columnar::{FigureSet, RunMetrics};
use crate::dataset::location::RunLocation;
use crate::formats::json::{self, JsonLayout, JsonValue};
use crate::history::summary::parse_seeds;
use crate::run::layout::{EPISODES_PARQUET, MANIFEST, RUN_JSON, STEPS_PARQUET};
use crate::run::schema::SCHEMA_JSON;
use crate::support::notes::{NoteFormat, NoteKey, Notes};
use crate::support::packed::{Packer, Unpacker};
use crate::support::stamp::FileStamp;
use crate::validate::SeedSummary;

/// Notes of files of runs. The version grows with the form, and with what is made of the files.
pub const LISTED_RUNS: NoteFormat = NoteFormat { file: "listed-runs", version: 1, most_bytes: 64 << 20 };
/// The most bytes of a run; one with a larger configuration is read each time.
const MOST_OF_RUN: usize = 64 << 10;
/// The order of members is kept.
const AS_WRITTEN: JsonLayout = JsonLayout { sort_keys: false, compact: true, indent: None };

/// What a run's files say. What is not known is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileFacts {
    /// Its start time, as its recorder wrote it.
    pub start_time: Option<String>,
    /// The schema version, as its recorder wrote it.
    pub schema_version: Option<String>,
    /// The simulator's version.
    pub package_version: Option<String>,
    /// The simulator's commit.
    pub git_sha: Option<String>,
    /// The first seed.
    pub base_seed: Option<i64>,
    /// Its configuration.
    pub env_config: Option<JsonValue>,
    /// The hash of its configuration.
    pub config_hash: Option<String>,
    /// The seeds of its steps, as its manifest has them.
    pub seeds: Option<SeedSummary>,
    /// Metrics, if its parquet is there.
    pub metrics: Option<RunMetrics>,
    /// Which metrics such a run has, if that is known.
    pub figures: Option<FigureSet>,
}

/// What a run's files say, from a note if there is one of the files as they are now.
pub fn read_noted_facts(location: &RunLocation, notes: &Notes) -> FileFacts {
    // Before the files are read, so that a write in the meantime is noticed.
    let Some(key) = facts_key(location) else { return read_facts(location) };
    if let Some(noted) = notes.get(&key).and_then(unpack_facts) {
        return noted;
    }
    let facts = read_facts(location);
    let bytes = pack_facts(&facts);
    if bytes.len() <= MOST_OF_RUN {
        notes.add(key, bytes);
    }
    facts
}

fn read_facts(location: &RunLocation) -> FileFacts {
    let mut facts = FileFacts::default();
    let run_json = location.read_run_json();
    if let Some(run_json) = &run_json {
        let text = |key: &str| run_json.get(key).and_then(JsonValue::as_str).map(str::to_owned);
        facts.start_time = text("start_time");
        facts.schema_version = text("schema_version");
        facts.package_version = text("package_version");
        facts.git_sha = text("git_sha");
        facts.base_seed = run_json.get("base_seed").and_then(JsonValue::as_i64);
        facts.env_config = run_json.get("env_config").cloned();
        facts.config_hash = facts.env_config.as_ref().map(JsonValue::config_hash);
    }
    facts.seeds = location.read_manifest().and_then(|manifest| parse_seeds(manifest.get("seed_summary")?));
    if let Some(Ok(metrics)) = location.read_metrics() {
        facts.figures = Some(metrics.figures);
        facts.metrics = Some(metrics);
    } else if let Some(run_json) = &run_json {
        facts.figures = location.read_schema_of(run_json).map(|schema| FigureSet::of_schema(&schema));
    }
    facts
}

/// What the facts are noted under: the stamps of all files that they come from. `None` if that is not certain.
fn facts_key(location: &RunLocation) -> Option<NoteKey> {
    const NAMES: [&str; 5] = [RUN_JSON, MANIFEST, SCHEMA_JSON, STEPS_PARQUET, EPISODES_PARQUET];
    let mut stamps = Vec::with_capacity(NAMES.len());
    for name in NAMES {
        stamps.push(match location {
            RunLocation::Recorded(dir) => match std::fs::symlink_metadata(dir.join(name)) {
                Ok(facts) if facts.is_file() => Some(FileStamp::new(&facts)),
                // Whether a link may be followed can change without what it leads to.
                Ok(_) => return None,
                Err(_) => None,
            },
            RunLocation::Dataset(dir) => stamp_of(&dir.join(name)),
            RunLocation::Cache { cache, entries, key } => {
                let relpath = format!("{key}/{name}");
                let entry = entries.iter().find(|entry| entry.relpath == relpath);
                entry.and_then(|entry| stamp_of(&cache.object_path(entry.md5)))
            }
        });
    }
    let kind = match location {
        RunLocation::Recorded(_) => "recorded run",
        RunLocation::Dataset(_) | RunLocation::Cache { .. } => "run",
    };
    NoteKey::of_stamps(kind, &stamps)
}

/// The stamp of what a path leads to, if that is a file.
pub(super) fn stamp_of(path: &Path) -> Option<FileStamp> {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|facts| FileStamp::new(&facts))
}

fn pack_facts(facts: &FileFacts) -> Vec<u8> {
    let mut packer = Packer::default();
    let texts = [&facts.start_time, &facts.schema_version, &facts.package_version, &facts.git_sha, &facts.config_hash];
    texts.into_iter().for_each(|text| packer.add_optional(text.as_deref(), Packer::add_text));
    packer.add_optional(facts.base_seed, Packer::add_signed);
    let config = facts.env_config.as_ref().map(|config| config.dump_with(AS_WRITTEN));
    packer.add_optional(config.as_deref(), Packer::add_text);
    packer.add_optional(facts.seeds.as_ref(), |packer, seeds| seeds.pack(packer));
    packer.add_optional(facts.metrics.as_ref(), |packer, metrics| metrics.pack(packer));
    packer.add_optional(facts.figures, |packer, figures| figures.pack(packer));
    packer.into_bytes()
}

fn unpack_facts(bytes: &[u8]) -> Option<FileFacts> {
    let text = |unpacker: &mut Unpacker<'_>| Some(unpacker.optional(Unpacker::text)?.map(str::to_owned));
    let mut unpacker = Unpacker::new(bytes);
    // In the order in which they are packed.
    let facts = FileFacts {
        start_time: text(&mut unpacker)?,
        schema_version: text(&mut unpacker)?,
        package_version: text(&mut unpacker)?,
        git_sha: text(&mut unpacker)?,
        config_hash: text(&mut unpacker)?,
        base_seed: unpacker.optional(Unpacker::signed)?,
        env_config: match unpacker.optional(Unpacker::text)? {
            Some(text) => Some(json::parse(text.as_bytes()).ok()?),
            None => None,
        },
        seeds: unpacker.optional(SeedSummary::unpack)?,
        metrics: unpacker.optional(RunMetrics::unpack)?,
        figures: unpacker.optional(FigureSet::unpack)?,
    };
    unpacker.is_done().then_some(facts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_comes_back_to_the_bit() {
        let config = br#"{"b": [1e-05, -Infinity, NaN], "a": {"z": 1, "y": 1.0}, "c": "\ud800"}"#;
        let facts = FileFacts {
            start_time: Some("2026-01-01T00:00:00Z".into()),
            git_sha: Some("a\u{202e}\n\"b\"".into()),
            base_seed: Some(-7),
            env_config: Some(json::parse(config).unwrap()),
            seeds: Some(SeedSummary { unique_count: 2, min: i64::MIN, max: i64::MAX }),
            metrics: Some(RunMetrics { episodes: 3, mean_reward: Some(0.1 + 0.2), ..RunMetrics::default() }),
            figures: Some(FigureSet { success: true, ..FigureSet::default() }),
            ..FileFacts::default()
        };
        let bytes = pack_facts(&facts);
        // Compared as text: `NaN` is not equal to itself.
        assert_eq!(format!("{:?}", unpack_facts(&bytes).unwrap()), format!("{facts:?}"));
        for end in 0..bytes.len() {
            assert!(unpack_facts(&bytes[..end]).is_none(), "{end}");
        }
    }
}

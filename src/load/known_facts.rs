//! The facts of runs that were read before, noted under the hashes of the files that they come from.

use std::collections::HashMap;
use std::path::Path;

use crate::columnar::RunMetrics;
use crate::dvc::hash::DvcHash;
use crate::formats::json;
use crate::formats::json::JsonValue;
use crate::history::summary::ValidationVerdict;
use crate::load::facts::RunFacts;
use crate::support::notes::{NoteFormat, NoteKey, Notes};
use crate::support::packed::{Packer, Unpacker};
use crate::validate::{IgnoredFinding, SeedSummary};

/// What is known of runs. Room for some 50,000; the version grows with the form, and with what is made of the files.
pub(crate) const KNOWN_RUNS: NoteFormat = NoteFormat { file: "known-runs", version: 2, most_bytes: 64 << 20 };
/// The most bytes of one run: one with a larger configuration is read each time.
const MOST_OF_RUN: usize = 256 << 10;

/// What is noted.
pub(super) struct KnownFacts(Notes);

impl KnownFacts {
    /// What is noted in this state directory.
    pub fn load(state_dir: &Path) -> Self {
        Self(Notes::load(state_dir, KNOWN_RUNS))
    }

    /// The facts that are noted under a key.
    pub fn get(&self, key: DvcHash) -> Option<RunFacts> {
        unpack_facts(self.0.get(&note_key(key))?)
    }

    /// Notes more. That it cannot be noted is no failure.
    pub fn save(&self, new: &HashMap<DvcHash, RunFacts>) {
        for (key, facts) in new {
            let bytes = pack_facts(facts);
            if bytes.len() <= MOST_OF_RUN {
                self.0.add(note_key(*key), bytes);
            }
        }
        self.0.save();
    }
}

fn note_key(key: DvcHash) -> NoteKey {
    NoteKey::of_parts([key.to_digest().as_slice()])
}

fn pack_facts(facts: &RunFacts) -> Vec<u8> {
    let mut packer = Packer::default();
    for text in [
        &facts.start_time,
        &facts.schema_version,
        &facts.simulator,
        &facts.simulator_version,
        &facts.code_version,
        &facts.config_hash,
        &facts.manifest_sha256,
    ] {
        packer.add_optional(text.as_deref(), Packer::add_text);
    }
    packer.add_optional(facts.base_seed, Packer::add_signed);
    packer.add_optional(facts.seeds.as_ref(), |packer, seeds| seeds.pack(packer));
    let config = facts.env_config.as_ref().map(JsonValue::to_canonical);
    packer.add_optional(config.as_deref(), Packer::add_text);
    packer.add_optional(facts.steps, Packer::add_number);
    packer.add_optional(facts.metrics.as_ref(), |packer, metrics| metrics.pack(packer));
    packer.add_optional(facts.verdict.as_ref(), |packer, verdict| {
        packer.add_flag(verdict.ok);
        for codes in [&verdict.errors, &verdict.warnings] {
            packer.add_list(codes.iter(), |packer, code| packer.add_text(code));
        }
        packer.add_list(verdict.ignored.iter(), |packer, ignored| {
            packer.add_text(&ignored.code);
            packer.add_number(ignored.count);
            packer.add_text(&ignored.by);
        });
    });
    packer.into_bytes()
}

fn unpack_facts(bytes: &[u8]) -> Option<RunFacts> {
    fn text(unpacker: &mut Unpacker<'_>) -> Option<Option<String>> {
        Some(unpacker.optional(Unpacker::text)?.map(str::to_owned))
    }
    let codes = |unpacker: &mut Unpacker<'_>| unpacker.list(|unpacker| unpacker.text().map(str::to_owned));
    let ignored = |unpacker: &mut Unpacker<'_>| {
        let code = unpacker.text()?.to_owned();
        Some(IgnoredFinding { code, count: unpacker.number()?, by: unpacker.text()?.to_owned() })
    };
    let verdict = |unpacker: &mut Unpacker<'_>| {
        let ok = unpacker.flag()?;
        let (errors, warnings) = (codes(unpacker)?, codes(unpacker)?);
        Some(ValidationVerdict { ok, errors, warnings, ignored: unpacker.list(ignored)? })
    };
    let mut unpacker = Unpacker::new(bytes);
    // In the order in which they are packed.
    let facts = RunFacts {
        start_time: text(&mut unpacker)?,
        schema_version: text(&mut unpacker)?,
        simulator: text(&mut unpacker)?,
        simulator_version: text(&mut unpacker)?,
        code_version: text(&mut unpacker)?,
        config_hash: text(&mut unpacker)?,
        manifest_sha256: text(&mut unpacker)?,
        base_seed: unpacker.optional(Unpacker::signed)?,
        seeds: unpacker.optional(SeedSummary::unpack)?,
        env_config: match unpacker.optional(Unpacker::text)? {
            Some(text) => Some(json::parse(text.as_bytes()).ok()?),
            None => None,
        },
        steps: unpacker.optional(Unpacker::number)?,
        metrics: unpacker.optional(RunMetrics::unpack)?,
        verdict: unpacker.optional(verdict)?,
    };
    unpacker.is_done().then_some(facts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::columnar::{DeclaredMetric, FigureSet};

    fn sample_facts() -> RunFacts {
        RunFacts {
            start_time: Some("2026-01-01T00:00:00Z".into()),
            simulator: Some("a\u{202e}\n\"b\"".into()),
            base_seed: Some(-7),
            seeds: Some(SeedSummary { unique_count: 2, min: i64::MIN, max: i64::MAX }),
            env_config: Some(json::parse(br#"{"a": NaN, "b": [1e-05, -Infinity], "c": "\ud800", "d": 1.0}"#).unwrap()),
            steps: Some(10),
            metrics: Some(RunMetrics {
                episodes: 3,
                mean_reward: Some(0.1 + 0.2),
                declared: Some(vec![DeclaredMetric { name: "mean_x".into(), value: None, unit: Some("m".into()) }]),
                figures: FigureSet { success: true, ..FigureSet::default() },
                ..RunMetrics::default()
            }),
            verdict: Some(ValidationVerdict {
                ok: true,
                warnings: vec!["w".into()],
                ignored: vec![IgnoredFinding { code: "c".into(), count: 3, by: "capture-hook.toml".into() }],
                ..ValidationVerdict::default()
            }),
            ..RunFacts::default()
        }
    }

    /// Compared as text: `NaN` is not equal to itself.
    fn text_of(facts: &RunFacts) -> String {
        format!("{facts:?}")
    }

    #[test]
    fn what_is_noted_comes_back_to_the_bit() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (DvcHash::of_bytes(b"a"), DvcHash::of_bytes(b"b"));
        KnownFacts::load(dir.path()).save(&HashMap::from([(a, sample_facts())]));
        KnownFacts::load(dir.path()).save(&HashMap::from([(b, RunFacts::default())]));
        let known = KnownFacts::load(dir.path());
        assert_eq!(text_of(&known.get(a).unwrap()), text_of(&sample_facts()));
        assert_eq!(text_of(&known.get(b).unwrap()), text_of(&RunFacts::default()));
        assert!(known.get(DvcHash::of_bytes(b"c")).is_none());
    }

    #[test]
    fn a_note_of_anything_else_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let key = DvcHash::of_bytes(b"a");
        let whole = pack_facts(&sample_facts());
        for end in 0..whole.len() {
            assert!(unpack_facts(&whole[..end]).is_none(), "{end}");
        }
        assert!(unpack_facts(&[whole, vec![0]].concat()).is_none());
        std::fs::write(dir.path().join(KNOWN_RUNS.file), "capture-hook known runs 1\n").unwrap();
        KnownFacts::load(dir.path()).save(&HashMap::from([(key, sample_facts())]));
        assert_eq!(text_of(&KnownFacts::load(dir.path()).get(key).unwrap()), text_of(&sample_facts()));
    }
}

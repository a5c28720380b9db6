//! Whether the runs of an experiment agree about their columns: of each column that two runs both have, one dtype, shape
//! and unit.
//!
//! A file list tells which runs have the same `schema.json`, so only different ones are read, each once, from DVC's
//! cache. Two schemas that one accepted data version holds already are not compared again: what was meant once is no
//! news. Runs without a `schema.json` are no part of it. What cannot be read is reported, never guessed.

use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem;

use crate::dataset::diff::{RunDiffError, is_dvc_format, parse_last_entry, parse_whole};
use crate::dataset::list_bytes::ListBytes;
use crate::dvc::cache::Cache;
use crate::dvc::file_list::{FileEntry, FileList};
use crate::dvc::hash::DvcHash;
use crate::run::RunKey;
use crate::run::schema::{ColumnDisagreement, MAX_SCHEMA_BYTES, RunSchema, SCHEMA_JSON, find_disagreements};
use crate::support::fs;

/// The one-off setting of git for a commit or merge that changes columns within an experiment on purpose.
pub const ALLOW_SCHEMA_CHANGE: &str = "capture-hook.allowSchemaChange";
/// The most different schemas of one experiment that are compared.
const MOST_SCHEMAS: usize = 256;
/// How much of a list is searched at once.
const BLOCK: usize = 1 << 20;
/// How far before its end an entry begins at most; no path is as long.
const ENTRY: usize = 1 << 15;

/// The different schemas of each experiment of a file list, each with the first run that has it.
pub type SchemaRuns = BTreeMap<String, BTreeMap<DvcHash, RunKey>>;

/// Two runs of one experiment whose schemas do not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDisagreement {
    /// A run, the newer one if that is known.
    pub a: RunKey,
    /// Another.
    pub b: RunKey,
    /// The columns that differ.
    pub columns: Vec<ColumnDisagreement>,
}

/// A run whose schema could not be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSchema {
    /// The run.
    pub run: RunKey,
    /// Why not.
    pub why: String,
}

/// What a comparison of schemas found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaAgreement {
    /// Runs that do not agree.
    pub conflicts: Vec<RunDisagreement>,
    /// Runs that were left out.
    pub unknown: Vec<UnknownSchema>,
}

impl std::fmt::Display for RunDisagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 4;
        let Self { a, b, columns } = self;
        let (a, b) = (a.to_string().escape_debug().to_string(), b.to_string().escape_debug().to_string());
        write!(f, "the schemas of {a} and {b} do not agree")?;
        for (at, column) in columns.iter().take(SHOWN).enumerate() {
            let told = column.describe(&a, &b).escape_debug().to_string();
            write!(f, "{} {told}", if at == 0 { ":" } else { ";" })?;
        }
        match columns.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more columns"),
        }
    }
}

impl std::fmt::Display for UnknownSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let run = self.run.to_string();
        write!(f, "cannot compare the schema of {} with those of other runs: {}", run.escape_debug(), self.why)
    }
}

/// The schemas that a file list holds, of the experiments asked for.
pub fn list_schemas(
    list: &(impl ListBytes + ?Sized),
    experiments: &BTreeSet<String>,
) -> Result<SchemaRuns, RunDiffError> {
    let mut found = SchemaRuns::new();
    if experiments.is_empty() || list.size() <= 2 {
        return Ok(found);
    }
    if !is_dvc_format(list)? {
        let list = parse_whole(list)?;
        let is_asked_for = |key: &RunKey| experiments.contains(key.experiment());
        list.entries().iter().for_each(|entry| add_schema(&mut found, entry, is_asked_for));
        return Ok(found);
    }
    // An entry of the list ends with its path.
    let needle = format!("/{SCHEMA_JSON}\"}}");
    let finder = memmem::Finder::new(&needle);
    let mut at = 0;
    while at < list.size() {
        // Each block begins a little before the last one's end, so that no entry is cut.
        let from = at.saturating_sub(ENTRY + needle.len());
        let block = list.read_part(from..(at + BLOCK).min(list.size()))?;
        for hit in finder.find_iter(&block) {
            let end = hit + needle.len();
            // Found in the last block already.
            if from + end <= at {
                continue;
            }
            if let Some(entry) = parse_last_entry(block.get(end.saturating_sub(ENTRY)..end).unwrap_or_default()) {
                add_schema(&mut found, &entry, |key| experiments.contains(key.experiment()));
            }
        }
        at += BLOCK;
    }
    Ok(found)
}

/// The schemas of all experiments of a list in memory.
#[must_use]
pub fn schemas_of(list: &FileList) -> SchemaRuns {
    let mut found = SchemaRuns::new();
    list.entries().iter().for_each(|entry| add_schema(&mut found, entry, |_| true));
    found
}

/// Adds an entry, if it is a run's schema and not a file deeper in its folder.
fn add_schema(found: &mut SchemaRuns, entry: &FileEntry, is_asked_for: impl Fn(&RunKey) -> bool) {
    let Some(key) = entry.relpath.strip_suffix(SCHEMA_JSON).and_then(|path| path.strip_suffix('/')) else { return };
    let Ok(key) = key.parse::<RunKey>() else { return };
    if is_asked_for(&key) {
        found.entry(key.experiment().to_owned()).or_default().entry(entry.md5).or_insert(key);
    }
}

/// Compares the schemas of each experiment with each other, but for two that are both in one of the accepted lists.
/// `read` returns a schema by its hash, or why it cannot.
pub fn compare_schemas(
    new: &SchemaRuns,
    accepted: &[SchemaRuns],
    read: &mut dyn FnMut(DvcHash) -> Result<RunSchema, String>,
) -> SchemaAgreement {
    let mut agreement = SchemaAgreement::default();
    for (experiment, schemas) in new {
        let known: Vec<&BTreeMap<DvcHash, RunKey>> = accepted.iter().filter_map(|runs| runs.get(experiment)).collect();
        compare_experiment(schemas, &known, read, &mut agreement);
    }
    agreement
}

fn compare_experiment(
    schemas: &BTreeMap<DvcHash, RunKey>,
    accepted: &[&BTreeMap<DvcHash, RunKey>],
    read: &mut dyn FnMut(DvcHash) -> Result<RunSchema, String>,
    agreement: &mut SchemaAgreement,
) {
    // Nothing is new: no hash is even looked at twice.
    if schemas.len() < 2 || accepted.iter().any(|known| schemas.keys().all(|hash| known.contains_key(hash))) {
        return;
    }
    let is_accepted =
        |a: &DvcHash, b: &DvcHash| accepted.iter().any(|known| known.contains_key(a) && known.contains_key(b));
    let is_news = |hash: &DvcHash| schemas.keys().any(|other| other != hash && !is_accepted(hash, other));
    // Those that no accepted list holds first: they are what is new, and named first.
    let mut sorted: Vec<(bool, &RunKey, &DvcHash)> =
        schemas.iter().map(|(hash, run)| (accepted.iter().any(|known| known.contains_key(hash)), run, hash)).collect();
    sorted.sort_unstable();
    if let Some((_, run, _)) = sorted.get(MOST_SCHEMAS) {
        let why = format!("its experiment has more than {MOST_SCHEMAS} different schemas");
        agreement.unknown.push(UnknownSchema { run: (*run).clone(), why });
        sorted.truncate(MOST_SCHEMAS);
    }
    let mut read_schemas: Vec<(&DvcHash, &RunKey, RunSchema)> = Vec::new();
    for (_, run, hash) in sorted.into_iter().filter(|(_, _, hash)| is_news(hash)) {
        let result = read(*hash);
        let schema = match result {
            Ok(schema) => schema,
            Err(why) => {
                agreement.unknown.push(UnknownSchema { run: run.clone(), why });
                continue;
            }
        };
        for (other_hash, other_run, other) in &read_schemas {
            let columns = if is_accepted(hash, other_hash) { Vec::new() } else { find_disagreements(other, &schema) };
            if !columns.is_empty() {
                agreement.conflicts.push(RunDisagreement { a: (*other_run).clone(), b: run.clone(), columns });
            }
        }
        read_schemas.push((hash, run, schema));
    }
}

/// Reads a schema from the cache. The error says why it cannot be compared.
pub fn read_cached_schema(cache: &Cache, hash: DvcHash) -> Result<RunSchema, String> {
    let bytes = match fs::read_within(&cache.object_path(hash), MAX_SCHEMA_BYTES as u64) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err("it is not in this clone".into()),
        Err(error) => return Err(format!("{error}: {}", error.source)),
    };
    // Whoever may write to a shared cache must not decide what agrees.
    if DvcHash::of_bytes(&bytes) != hash {
        return Err("its object in DVC's cache is damaged".into());
    }
    RunSchema::parse(&bytes).map_err(|error| format!("it is not a valid schema: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dvc::file_list::FileList;

    fn entry(relpath: &str, content: &str) -> FileEntry {
        FileEntry { relpath: relpath.into(), md5: DvcHash::of_bytes(content.as_bytes()) }
    }

    fn schema_text(dtype: &str) -> String {
        format!("{{\"format\": 1, \"steps\": {{\"x\": {{\"dtype\": \"{dtype}\"}}}}}}")
    }

    fn wanted(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn each_schema_is_found_once_in_a_list_of_any_length() {
        let mut entries = Vec::new();
        for n in 0..20_000 {
            entries.push(entry(&format!("e/r{n:05}/schema.json"), if n == 12_345 { "b" } else { "a" }));
            entries.push(entry(&format!("e/r{n:05}/deep/schema.json"), "c"));
            entries.push(entry(&format!("e/r{n:05}/steps.jsonl.gz"), &n.to_string()));
        }
        entries.push(entry("ü/r/schema.json", "a"));
        entries.push(entry("p/r/run.json", "a"));
        entries.push(entry("schema.json", "d"));
        let bytes = FileList::new(entries).unwrap().to_bytes();
        assert!(bytes.len() > 3 * BLOCK, "several blocks");
        let found = list_schemas(bytes.as_slice(), &wanted(&["e", "ü", "p"])).unwrap();
        let runs = |experiment: &str| found[experiment].values().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(runs("e"), ["e/r00000".to_owned(), "e/r12345".to_owned()].into());
        assert_eq!(runs("ü"), ["ü/r".to_owned()].into());
        assert_eq!(found.len(), 2);
        // The same of a list that DVC did not write.
        let loose = String::from_utf8(bytes.clone()).unwrap().replace("\": \"", "\":\"");
        assert_eq!(list_schemas(loose.as_bytes(), &wanted(&["e", "ü", "p"])).unwrap(), found);
        assert_eq!(list_schemas(bytes.as_slice(), &wanted(&["p"])).unwrap(), SchemaRuns::new());
        assert_eq!(list_schemas(&b"[]"[..], &wanted(&["e"])).unwrap(), SchemaRuns::new());
    }

    /// The schemas of runs of experiment `e`, each by its run's id and its column's type.
    fn runs_of(runs: &[(&str, &str)]) -> SchemaRuns {
        let entries =
            runs.iter().map(|(run, dtype)| entry(&format!("e/{run}/schema.json"), &schema_text(dtype))).collect();
        list_schemas(FileList::new(entries).unwrap().to_bytes().as_slice(), &wanted(&["e"])).unwrap()
    }

    fn read_by_hash(hash: DvcHash) -> Result<RunSchema, String> {
        let texts = ["float32", "float64", "int8"].map(schema_text);
        let text = texts.iter().find(|text| DvcHash::of_bytes(text.as_bytes()) == hash);
        text.map(|text| RunSchema::parse(text.as_bytes()).unwrap()).ok_or_else(|| "it is not in this clone".into())
    }

    fn told(new: &[(&str, &str)], accepted: &[&[(&str, &str)]]) -> Vec<String> {
        let accepted: Vec<SchemaRuns> = accepted.iter().map(|runs| runs_of(runs)).collect();
        let agreement = compare_schemas(&runs_of(new), &accepted, &mut read_by_hash);
        let conflicts = agreement.conflicts.iter().map(ToString::to_string);
        conflicts.chain(agreement.unknown.iter().map(ToString::to_string)).collect()
    }

    #[test]
    fn only_what_is_new_is_compared() {
        let conflict = "the schemas of e/r2 and e/r1 do not agree: x of steps is float64 in e/r2 and float32 in e/r1";
        assert_eq!(told(&[("r1", "float32"), ("r2", "float64")], &[&[("r1", "float32")]]), [conflict]);
        assert_eq!(told(&[("r1", "float32"), ("r2", "float32")], &[&[("r1", "float32")]]), [""; 0]);
        // Accepted before: neither the same commit again nor another run of the same schema is news.
        let both: &[(&str, &str)] = &[("r1", "float32"), ("r2", "float64")];
        assert_eq!(told(&[("r1", "float32"), ("r2", "float64"), ("r3", "float64")], &[both]), [""; 0]);
        // Two branches, each with a schema of its own.
        let branches: &[&[(&str, &str)]] = &[&[("r1", "float32")], &[("r2", "float64")]];
        assert_eq!(told(both, branches).len(), 1);
        assert_eq!(told(&[("r1", "float32"), ("r2", "float64"), ("r3", "int8")], &[both]).len(), 2);
        let unknown = "cannot compare the schema of e/r2 with those of other runs: it is not in this clone";
        assert_eq!(told(&[("r1", "float32"), ("r2", "bool")], &[]), [unknown]);
    }
}

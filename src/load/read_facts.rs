//! What the files of runs say of them: configuration, seeds, figures, the result of validation.
//!
//! Files are read whole and verified in the same reading. What they say is noted in the state directory under their hashes, so
//! that they are read once only, and are known later without them. What a file that cannot be understood would say is left
//! unknown: one run never hides the others.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use md5::{Digest, Md5};
use sha2::Sha256;

use crate::columnar;
use crate::dataset::get::RunFiles;
use crate::dvc::cache::Cache;
use crate::dvc::file_list::FileEntry;
use crate::dvc::hash::DvcHash;
use crate::formats::json;
use crate::history::summary::{parse_seeds, parse_verdict};
use crate::load::facts::{RunFacts, RunSource};
use crate::load::files::{NeededFile, find_entry};
use crate::load::known_facts::KnownFacts;
use crate::load::{LoadContext, LoadError, LoadedVersion};
use crate::manifest;
use crate::project::Project;
use crate::run::RunKey;
use crate::run::layout::{DATASET_INDEX, EPISODES_PARQUET, MANIFEST, RUN_JSON};
use crate::run::meta::RunMeta;
use crate::run::schema::{RunSchema, SCHEMA_JSON};
use crate::run::simulator::RunSimulator;
use crate::support::fs;
use crate::support::parallel;
use crate::support::progress::Progress;
use crate::support::text::to_hex;

/// The files that facts come from.
const FACT_FILES: [&str; 5] = [RUN_JSON, SCHEMA_JSON, MANIFEST, DATASET_INDEX, EPISODES_PARQUET];

impl LoadedVersion {
    /// The facts of a run, and where it comes from. What this clone lacks is fetched.
    pub fn describe_run(&self, run: &RunFiles, context: &LoadContext<'_>) -> Result<(RunFacts, RunSource), LoadError> {
        let project = self.open_project(context.env)?;
        // Its facts may still be noted here.
        self.refuse_erased(&project, [run])?;
        let mut facts = self.read_facts(&project, &[run], context)?;
        let mut sources = self.find_sources(&project, &[run], &facts)?;
        // One of each, as there is one run.
        Ok((facts.pop().unwrap_or_default(), sources.pop().unwrap_or_default()))
    }

    /// The facts of these runs, in order. What this clone lacks is fetched.
    pub(super) fn read_facts(
        &self,
        project: &Project,
        runs: &[&RunFiles],
        context: &LoadContext<'_>,
    ) -> Result<Vec<RunFacts>, LoadError> {
        let known = KnownFacts::load(&project.state_dir());
        let keys: Vec<DvcHash> = runs.iter().map(|run| facts_key(run)).collect();
        let noted = parallel::map(&keys, |key| known.get(*key));
        let unknown: Vec<&RunFiles> =
            runs.iter().zip(&noted).filter(|(_, noted)| noted.is_none()).map(|(run, _)| *run).collect();
        let read = self.read_unknown(project, &unknown, context)?;
        let mut read = read.into_iter();
        let mut all = Vec::with_capacity(runs.len());
        let mut new = HashMap::new();
        for (noted, key) in noted.into_iter().zip(keys) {
            // As many were read as were not noted.
            let facts = noted.unwrap_or_else(|| {
                let facts = read.next().unwrap_or_default();
                new.insert(key, facts.clone());
                facts
            });
            all.push(facts);
        }
        known.save(&new);
        Ok(all)
    }

    fn read_unknown(
        &self,
        project: &Project,
        runs: &[&RunFiles],
        context: &LoadContext<'_>,
    ) -> Result<Vec<RunFacts>, LoadError> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let cache = project.open_cache()?;
        let absent: Vec<NeededFile<'_>> = runs
            .iter()
            .flat_map(|run| fact_entries(run).map(|(_, entry)| NeededFile { run: &run.key, entry }))
            .filter(|file| !self.is_here(&cache, file.entry))
            .collect();
        if !absent.is_empty() {
            self.fetch_files(project, &absent, context)?;
        }
        let progress = context.reporter.start_progress("reading runs", None);
        let read = parallel::map(runs, |run| {
            context.check_cancelled()?;
            self.read_run_facts(&cache, run, progress.as_ref())
        });
        read.into_iter().collect()
    }

    fn read_run_facts(&self, cache: &Cache, run: &RunFiles, progress: &dyn Progress) -> Result<RunFacts, LoadError> {
        let mut files: HashMap<&str, Vec<u8>> = HashMap::new();
        for (name, entry) in fact_entries(run) {
            let bytes = self.read_verified(cache, &run.key, entry)?;
            progress.advance_by(bytes.len() as u64);
            files.insert(name, bytes);
        }
        Ok(collect_facts(&files))
    }

    /// A file's bytes, from the cache, else the workspace.
    pub(super) fn read_verified(&self, cache: &Cache, run: &RunKey, entry: &FileEntry) -> Result<Vec<u8>, LoadError> {
        let object = cache.object_path(entry.md5);
        if let Some(bytes) = fs::read_optional(&object)? {
            let found = DvcHash::of_bytes(&bytes);
            if found == entry.md5 {
                return Ok(bytes);
            }
            return Err(LoadError::Damaged {
                file: entry.relpath.clone(),
                path: object,
                found: found.to_string(),
                expected: entry.md5.to_string(),
            });
        }
        // A file of the workspace that cannot be read, or is another, is not the one.
        let own = self.workspace_path(entry).and_then(|path| fs::read_optional(&path).ok().flatten());
        own.filter(|bytes| DvcHash::of_bytes(bytes) == entry.md5)
            .ok_or_else(|| LoadError::NoFile { run: run.clone(), file: entry.relpath.clone() })
    }

    /// Where a file would be in the workspace; `None` for a name that no checkout takes.
    pub(super) fn workspace_path(&self, entry: &FileEntry) -> Option<PathBuf> {
        entry.is_safe().then(|| self.root.join(&self.out_dir).join(Path::new(&entry.relpath)))
    }
}

fn fact_entries(run: &RunFiles) -> impl Iterator<Item = (&'static str, &FileEntry)> {
    FACT_FILES.into_iter().filter_map(|name| Some((name, find_entry(run, name)?)))
}

/// What the facts of a run are noted under: equal only if all files are that they come from.
fn facts_key(run: &RunFiles) -> DvcHash {
    let mut hash = Md5::new();
    for (name, entry) in fact_entries(run) {
        hash.update(name.as_bytes());
        hash.update(entry.md5.to_digest());
    }
    DvcHash::from_digest(hash.finalize().into())
}

fn collect_facts(files: &HashMap<&str, Vec<u8>>) -> RunFacts {
    let parse = |name: &str| json::parse(files.get(name)?).ok();
    let (manifest, index) = (parse(MANIFEST), parse(DATASET_INDEX));
    let meta = files.get(RUN_JSON).and_then(|bytes| RunMeta::parse(bytes).ok());
    let count = |name: &str| u64::try_from(index.as_ref()?.get(name)?.as_i64()?).ok();
    let steps = count("steps");
    let episodes = files.get(EPISODES_PARQUET).map(|bytes| Bytes::from(bytes.clone()));
    let metrics = episodes.and_then(|bytes| columnar::read_metrics_of_bytes(bytes, steps.unwrap_or(0)).ok());
    let mut verdict = manifest.as_ref().and_then(|manifest| parse_verdict(manifest.get("validation")?));
    if let (Some(verdict), Some(index)) = (&mut verdict, &index) {
        verdict.ignored = manifest::parse_ignored(index);
    }
    let mut facts = RunFacts {
        seeds: manifest.as_ref().and_then(|manifest| parse_seeds(manifest.get("seed_summary")?)),
        manifest_sha256: files.get(MANIFEST).map(|bytes| to_hex(&Sha256::digest(bytes))),
        steps,
        metrics,
        verdict,
        ..RunFacts::default()
    };
    let Some(meta) = meta else { return facts };
    let schema = files.get(SCHEMA_JSON).and_then(|bytes| RunSchema::parse(bytes).ok());
    let simulator = RunSimulator::read(&meta, schema.as_ref(), manifest.as_ref());
    facts.simulator = simulator.name;
    facts.simulator_version = simulator.version;
    facts.code_version = simulator.git_sha;
    facts.config_hash = Some(meta.env_config.config_hash());
    facts.env_config = Some(meta.env_config);
    facts.start_time = Some(meta.start_time);
    facts.schema_version = Some(meta.schema_version);
    facts.base_seed = meta.base_seed;
    facts
}

//! The facts of a run, from its own files and from the commit that introduced it.
//!
//! What two files say of one thing must agree: a manifest's hash that is not the file's stops the export. Nothing is
//! guessed; what is not recorded is absent.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use crate::columnar;
use crate::dataset::get::{fetch_runs, find_files};
use crate::dataset::location::RunLocation;
use crate::dataset::stage::params_file;
use crate::dvc::hash::DataVersion;
use crate::dvc::lockfile;
use crate::export::copy::copy_object;
use crate::export::error::ExportError;
use crate::export::set::{ExportedCommit, ExportedFile, ExportedRun, ProvenanceFile};
use crate::formats::json::JsonValue;
use crate::git::Oid;
use crate::history::catalog::Catalog;
use crate::history::committed::CommittedRun;
use crate::history::erased::{erased_error, find_erasure};
use crate::history::origin::{OriginIndex, RunOrigin, RunProof};
use crate::history::rebuilt;
use crate::history::run_files::hash_lines;
use crate::manifest;
use crate::project::{GitTree, PARAMS_FILE, PIPELINE_FILE, Project, Reporter};
use crate::run::RunKey;
use crate::run::StartTime;
use crate::run::layout::{DATASET_INDEX, MANIFEST, RUN_JSON, STEPS_PARQUET};
use crate::run::meta::RunMeta;
use crate::run::schema::{RunSchema, SCHEMA_JSON};
use crate::run::simulator::RunSimulator;
use crate::support::parallel;

/// Files that pin the software of a project, if the commit has them at the repository's top.
const LOCK_FILES: [&str; 6] = ["Cargo.lock", "conda-lock.yml", "pdm.lock", "pixi.lock", "poetry.lock", "uv.lock"];

/// What a run's own files say.
#[derive(Debug)]
pub struct RunFacts {
    meta: RunMeta,
    schema: Arc<RunSchema>,
    simulator: RunSimulator,
    config_hash: String,
    ended: Option<Timestamp>,
    steps: u64,
    episodes: u64,
    generator: Option<String>,
    /// The fields of `run.json` that name the machine or its user, below `system`.
    pub private_fields: Vec<&'static str>,
}

/// Reads what a run's files say, and holds it against each other. `files` are all its files, hashed.
pub fn read_run_facts(run: &RunKey, location: &RunLocation, files: &[ExportedFile]) -> Result<RunFacts, ExportError> {
    let unreadable = |file: &str, why: &str| ExportError::Unreadable {
        run: run.clone(),
        file: file.to_owned(),
        why: why.to_owned(),
    };
    let bytes = location.read_bytes(RUN_JSON).ok_or_else(|| unreadable(RUN_JSON, "it is missing"))?;
    let meta = RunMeta::parse(&bytes).map_err(|error| unreadable(RUN_JSON, &error.to_string()))?;
    let schema = read_schema(&meta, location).map_err(|why| unreadable(SCHEMA_JSON, &why))?;
    let index = location.read_index().ok_or_else(|| unreadable(DATASET_INDEX, "it is missing, or not JSON"))?;
    let manifest = match location.find_file(MANIFEST) {
        Some(_) => Some(location.read_manifest().ok_or_else(|| unreadable(MANIFEST, "it is not JSON"))?),
        None => None,
    };
    if let Some(manifest) = &manifest {
        check_manifest(run, manifest, files)?;
    }
    let config_hash = meta.env_config.config_hash();
    for (name, value) in [(DATASET_INDEX, Some(&index)), (MANIFEST, manifest.as_ref())] {
        let said = value.and_then(|value| value.get("config_hash")).and_then(JsonValue::as_str);
        if let Some(said) = said.filter(|said| !said.eq_ignore_ascii_case(&config_hash)) {
            let why =
                format!("{name} says that its configuration hash is {}, and it is {config_hash}", said.escape_debug());
            return Err(ExportError::Contradiction { run: run.clone(), why });
        }
    }
    let count = |name: &str| {
        let value = index.get(name)?;
        u64::try_from(value.as_i64().or_else(|| value.get("rows")?.as_i64())?).ok()
    };
    let steps = count("steps").ok_or_else(|| unreadable(DATASET_INDEX, "it does not say how many steps there are"))?;
    let episodes =
        count("episodes").ok_or_else(|| unreadable(DATASET_INDEX, "it does not say how many episodes there are"))?;
    let ended = match location.find_file(STEPS_PARQUET) {
        Some(path) => columnar::read_latest_ts(&path)?.and_then(timestamp_of_seconds),
        None => None,
    };
    let simulator = RunSimulator::read(&meta, Some(&schema), manifest.as_ref());
    let generator = manifest.as_ref().and_then(|manifest| manifest.get("generator")).and_then(|generator| {
        let is_ours = generator.get("name").and_then(JsonValue::as_str) == Some(env!("CARGO_PKG_NAME"));
        generator.get("version").and_then(JsonValue::as_str).filter(|_| is_ours).map(str::to_owned)
    });
    let private_fields = list_private_fields(&meta);
    Ok(RunFacts { meta, schema, simulator, config_hash, ended, steps, episodes, generator, private_fields })
}

/// The columns of a run's rows, as its `run.json` says.
fn read_schema(meta: &RunMeta, location: &RunLocation) -> Result<Arc<RunSchema>, String> {
    let version =
        meta.schema().ok_or_else(|| format!("the schema version {} is unknown", meta.schema_version.escape_debug()))?;
    if !version.is_declared() {
        return Ok(RunSchema::plume());
    }
    let bytes = location.read_bytes(SCHEMA_JSON).ok_or("it is missing")?;
    RunSchema::parse(&bytes).map(Arc::new).map_err(|error| error.to_string())
}

/// What a recorder wrote into `run.json` about the machine and its user.
fn list_private_fields(meta: &RunMeta) -> Vec<&'static str> {
    let system = meta.raw.get("system");
    let is_said = |name: &&str| system.and_then(|system| system.get(name)).is_some_and(|value| !value.is_null());
    ["hostname", "user", "username", "pid"].into_iter().filter(is_said).collect()
}

/// A manifest that has a hash must have the file's.
fn check_manifest(run: &RunKey, manifest: &JsonValue, files: &[ExportedFile]) -> Result<(), ExportError> {
    let entries = manifest::entries_of(manifest).ok_or_else(|| ExportError::Unreadable {
        run: run.clone(),
        file: MANIFEST.into(),
        why: "it is not a manifest".into(),
    })?;
    // Parquet in the dataset is made again: a recorder's manifest is about another file of that name.
    for entry in entries.iter().filter(|entry| !entry.path.ends_with(".parquet")) {
        let Some(file) = files.iter().find(|file| file.name == entry.path) else { continue };
        let why = if file.bytes != entry.bytes {
            format!("{MANIFEST} says that {} has {} bytes, and it has {}", file.name, entry.bytes, file.bytes)
        } else if !entry.sha256.is_empty() && entry.sha256 != file.sha256 {
            format!("{MANIFEST} says that the SHA-256 of {} is {}, and it is {}", file.name, entry.sha256, file.sha256)
        } else {
            continue;
        };
        return Err(ExportError::Contradiction { run: run.clone(), why });
    }
    Ok(())
}

fn timestamp_of_seconds(seconds: f64) -> Option<Timestamp> {
    // Microseconds are what recorders measure; more digits of the float are rounding.
    #[allow(clippy::cast_possible_truncation)]
    Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok()
}

/// The SHA-256 of a container image that `run.json` names: `extra.container.digest`, or `extra.container_image` as
/// `name@sha256:…`.
fn read_container(meta: &RunMeta) -> Option<String> {
    let extra = meta.raw.get("extra")?;
    let named = extra.get("container").and_then(|container| container.get("digest"));
    let text = named.or_else(|| extra.get("container_image")).and_then(JsonValue::as_str)?;
    let hex = text.rsplit_once("sha256:")?.1;
    (hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))).then(|| hex.to_owned())
}

/// The commits of runs, each read once.
pub struct OriginReader<'a> {
    project: &'a Project,
    origins: OriginIndex<'a>,
    commits: BTreeMap<Oid, ExportedCommit>,
}

impl<'a> OriginReader<'a> {
    /// For the runs of a history.
    #[must_use]
    pub fn new(project: &'a Project, origins: OriginIndex<'a>) -> Self {
        Self { project, origins, commits: BTreeMap::new() }
    }

    /// Ties a run's facts to the commit that introduced it. `version` is a data version that holds these files.
    pub fn describe_run(
        &mut self,
        run: &RunKey,
        version: DataVersion,
        facts: RunFacts,
        files: Vec<ExportedFile>,
        reporter: &'a dyn Reporter,
    ) -> Result<ExportedRun, ExportError> {
        let manifest = files.iter().find(|file| file.name == MANIFEST).map(|file| file.sha256.as_str());
        let files_hash = hash_lines(files.iter().map(|file| (file.name.as_str(), file.sha256.clone())).collect());
        let proof = RunProof { run, version, manifest, files: &files_hash };
        let origin = self.origins.find_origin(proof, reporter)?;
        let RunOrigin { commit, version, tag } = origin.ok_or_else(|| ExportError::NoOrigin { run: run.clone() })?;
        let started = StartTime::new(&facts.meta.start_time).instant();
        // A clock that was set back, or a simulator whose `ts` is no time of day: then the end is not known.
        let ended = facts.ended.filter(|ended| started.is_some_and(|started| *ended >= started));
        Ok(ExportedRun {
            key: run.clone(),
            version,
            commit: self.read_commit(&commit)?,
            tag,
            files,
            schema: facts.schema,
            schema_version: facts.meta.schema_version.clone(),
            container_sha256: read_container(&facts.meta),
            base_seed: facts.meta.base_seed,
            env_config: facts.meta.env_config,
            config_hash: facts.config_hash,
            simulator: facts.simulator,
            started,
            ended,
            steps: facts.steps,
            episodes: facts.episodes,
            has_recorder_manifest: facts.generator.is_none(),
            checked_by: facts.generator.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
        })
    }

    fn read_commit(&mut self, id: &Oid) -> Result<ExportedCommit, ExportError> {
        if let Some(known) = self.commits.get(id) {
            return Ok(known.clone());
        }
        let commit = self.project.repo.read_commit(id)?;
        let read = ExportedCommit {
            id: id.clone(),
            // Some give git their address as their name. No address is published: then the name is not known.
            author: if commit.author.contains('@') { String::new() } else { commit.author },
            author_email: commit.author_email,
            // A date that no calendar has is not worth failing for: git shows it as the epoch, too.
            time: Timestamp::from_second(commit.time).unwrap_or(Timestamp::UNIX_EPOCH),
        };
        self.commits.insert(id.clone(), read.clone());
        Ok(read)
    }
}

/// The files of runs' commits that say how the data came about, sorted by path. Those of the project itself are
/// exported; of the repository's lock files, which can hold the addresses of private registries, only hashes are.
pub fn read_provenance<'a>(
    project: &Project,
    commits: impl IntoIterator<Item = &'a Oid>,
) -> Result<Vec<ProvenanceFile>, ExportError> {
    let commits: BTreeSet<&Oid> = commits.into_iter().collect();
    let is_single = commits.len() == 1;
    let mut files = Vec::new();
    for commit in commits {
        let tree = GitTree::Commit(commit.clone());
        // A pipeline that cannot be understood is still exported as it is.
        let stage = project.dataset_state(&tree).ok().and_then(|state| state.stage);
        let params = stage.as_ref().map_or(PARAMS_FILE, |stage| params_file(&stage.stage));
        for name in [lockfile::FILE, PIPELINE_FILE, params] {
            let Some(entry) = project.repo.entry_at(commit, &project.git_path(name))? else { continue };
            let Some(bytes) = project.read_file(&tree, name)? else { continue };
            let path = if is_single { format!("provenance/{name}") } else { format!("provenance/{commit}/{name}") };
            let (commit, name) = (commit.clone(), name.to_owned());
            files.push(ProvenanceFile { commit, name, path: Some(path), blob: entry.id, bytes });
        }
        for name in LOCK_FILES {
            let Some(entry) = project.repo.entry_at(commit, name)?.filter(|entry| entry.is_file()) else { continue };
            let bytes = project.repo.read_blob(&entry.id)?;
            files.push(ProvenanceFile {
                commit: commit.clone(),
                name: name.to_owned(),
                path: None,
                blob: entry.id,
                bytes,
            });
        }
    }
    Ok(files)
}

/// The facts of one committed run and of its commit's files, with nothing written: what it lacks is fetched into the
/// cache.
pub fn gather_run(
    project: &Project,
    catalog: &Catalog,
    committed: &CommittedRun,
    reporter: &dyn Reporter,
) -> Result<(ExportedRun, Vec<ProvenanceFile>), ExportError> {
    let dvc = project.dvc()?;
    let file_list = rebuilt::read_file_list(project, &dvc, committed.version)?;
    let run = find_files(&file_list, &committed.key, committed.version)?;
    if let Some(found) = find_erasure(project, &run.key, &run.entries)? {
        return Err(erased_error(&found).into());
    }
    let progress = reporter.start_progress("reading the run", None);
    fetch_runs(&dvc, committed.version, std::slice::from_ref(&run), progress.as_ref())?;
    let (cache, prefix) = (dvc.cache(), format!("{}/", run.key));
    let hashed = parallel::map(&run.entries, |entry| {
        let name = entry.relpath.strip_prefix(&prefix).unwrap_or(&entry.relpath);
        copy_object(&cache, entry, name, (&mut io::sink(), Path::new("")), progress.as_ref())
    });
    let files = hashed.into_iter().collect::<Result<Vec<_>, _>>()?;
    let location = RunLocation::Cache { cache, entries: run.entries, key: run.key.clone() };
    let facts = read_run_facts(&run.key, &location, &files)?;
    let mut origins = OriginReader::new(project, OriginIndex::new(project, &catalog.history));
    let described = origins.describe_run(&run.key, committed.version, facts, files, reporter)?;
    let provenance = read_provenance(project, [&described.commit.id])?;
    Ok((described, provenance))
}

//! The recorder: writes a run while the simulation runs, in the current recorder's format (schema `0.1`), or with
//! declared columns (schema `2`).
//!
//! [`RunRecorder`] makes `<root>/<experiment>/<run_id>/` with `run.json`, `steps.jsonl.gz` and `episodes.jsonl.gz`. With
//! declared columns, `schema.json` is written before them; if summaries can be made of the steps, `episodes.jsonl.gz`
//! begins with the first one. Rows are rotated by size into `….part0001.jsonl.gz` and so on. They are formatted on the
//! calling thread and compressed in a thread of their own; a recorder can be shared between threads. The files are
//! complete gzip files at every moment: a killed process leaves every row that was flushed, by default all but those of
//! the last second.
//!
//! A row or metadata that validation would call an error is refused at once, by the same rules. Rules about several
//! rows together are only checked at the end.
//!
//! [`RunRecorder::finalize_run`] closes the files, then writes `manifest.json` and, if asked, parquet. Failures of
//! those do not fail the capture: see [`FinalizeOutcome::warnings`].

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::ExitKind::{Io, Usage};
use crate::error::{Explain, Explanation};
use crate::formats::json::{JsonLayout, JsonObject, JsonValue};
use crate::run::layout::{RUN_JSON, RunStream};
use crate::run::meta::RunMeta;
use crate::run::schema::{RunSchema, SchemaError, SchemaVersion};
use crate::run::{RunKey, UnsafeId, why_unsafe};
use crate::support::env::Env;
use crate::support::fs;
use crate::support::fs::FsError;
use crate::validate;
use crate::validate::{BrokenRule, Code, RowChecker};

mod declaration;
mod finalize;
mod gzip;
mod row;
mod shards;
mod worker;

pub use declaration::SchemaConflict;
pub use finalize::FinalizeOutcome;
pub use row::{EpisodeRow, GridPosition, StepRow};
pub use worker::WaitMode;

use declaration::{parse_declaration, refuse_declared, write_declaration};
use row::CommonFields;
use shards::ShardWriter;
use worker::{RecordWorker, RowKind};

/// Why a run or a row is not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The name of the experiment or run cannot be a directory's name.
    #[error(transparent)]
    Unsafe(#[from] UnsafeId),
    /// A row or the metadata breaks a rule that makes the run invalid.
    #[error("{what} is not recorded: {rule}")]
    Refused {
        /// What is refused: `the step`, `run.json`.
        what: &'static str,
        /// The broken rule.
        rule: BrokenRule,
    },
    /// The declaration of the columns is not one.
    #[error("the schema cannot be used: {0}")]
    InvalidSchema(#[from] SchemaError),
    /// The run was recorded with other columns.
    #[error("cannot continue the run {run}: it {why}")]
    Schema {
        /// The run.
        run: RunKey,
        /// What differs.
        why: SchemaConflict,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The writing thread cannot be started.
    #[error("cannot start the recorder's thread")]
    Thread(#[source] std::io::Error),
    /// An earlier write failed, and was reported then.
    #[error("the recorder has failed before; the rows written until then are kept")]
    Failed,
    /// The run was finalized already.
    #[error("the run is finalized: no more rows can be added")]
    Closed,
}

impl Explain for RecordError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Unsafe(error) => error.explain(),
            Self::Refused { rule, .. } => {
                let code = rule.code;
                let hint =
                    format!("add \"{code}\" to `ignore` in [validate] of capture-hook.toml, to record it anyway");
                Usage.code(code.as_str()).hints(code.is_ignorable().then_some(hint))
            }
            Self::InvalidSchema(_) => Usage.code(Code::InvalidSchema.as_str()),
            Self::Schema { .. } => {
                let hint = "record into a new run: leave the run id out, or give another one".to_owned();
                Usage.code("schema_differs").hints([hint])
            }
            Self::Fs(error) => error.explain(),
            Self::Thread(_) => Io.code("io"),
            Self::Failed => {
                Io.code("recorder_failed").hint("the first error says why; record the run anew, under another run id")
            }
            Self::Closed => Usage.code("recorder_closed").hint("record into a new run"),
        }
    }
}

/// The options of a recording.
#[derive(Debug, Clone)]
pub struct RecordOptions {
    /// The directory that holds experiments: `results`.
    pub root: PathBuf,
    /// The experiment; `None` for `default`.
    pub experiment: Option<String>,
    /// The run's id. A given id is used as it is, and an existing run of that name is continued. `None` begins a new
    /// run, `run-<date>-<time>` in UTC, with `-2`, `-3`, … if that exists.
    pub run_id: Option<String>,
    /// The compressed size in bytes at which a new shard begins; `None` for never.
    pub rotate_size_bytes: Option<u64>,
    /// The longest time until a row is in the file.
    pub flush_every: Duration,
    /// The schema version to write, if no columns are declared.
    pub schema_version: SchemaVersion,
    /// The declaration of the columns, as in `schema.json`; `None` for plume-nav-sim's. A run that is continued must have
    /// the same.
    pub schema: Option<JsonObject>,
    /// The findings that count: a row with an error by them is refused.
    pub rules: validate::ValidateOptions,
}

impl RecordOptions {
    /// Makes default options for recording under this directory.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            experiment: None,
            run_id: None,
            rotate_size_bytes: None,
            flush_every: Duration::from_secs(1),
            schema_version: SchemaVersion::V0_1,
            schema: None,
            rules: validate::ValidateOptions::default(),
        }
    }
}

/// The content of `run.json`.
#[derive(Debug, Clone, Default)]
pub struct RecordMeta {
    /// The simulation's configuration; its hash is computed.
    pub env_config: JsonObject,
    /// The start time, RFC 3339; `None` for now.
    pub start_time: Option<String>,
    /// The first seed.
    pub base_seed: Option<i64>,
    /// One seed per episode.
    pub episode_seeds: Option<Vec<i64>>,
    /// Version of the simulation's package.
    pub package_version: Option<String>,
    /// The commit of the simulation's code.
    pub git_sha: Option<String>,
    /// The machine: see [`system_info`].
    pub system: Option<JsonObject>,
    /// Anything else.
    pub extra: Option<JsonObject>,
}

/// Records one run. Can be shared between threads; dropped without [`RunRecorder::finalize_run`] it still closes its files.
pub struct RunRecorder {
    key: RunKey,
    root: PathBuf,
    schema: Arc<RunSchema>,
    common: CommonFields,
    checker: Mutex<RowChecker>,
    worker: RecordWorker,
}

thread_local! {
    /// For speed: the memory of the line that a thread formats, used again for every row.
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl RunRecorder {
    /// Creates the run's directory and its files, which are empty. If the run has shards already, the next ones are begun.
    pub fn create(options: RecordOptions) -> Result<Self, RecordError> {
        let declared = options.schema.as_ref().map(parse_declaration).transpose()?;
        // The default of plume-nav-sim's recorder.
        let experiment = options.experiment.as_deref().unwrap_or("default");
        let (key, root) = match &options.run_id {
            Some(run_id) => {
                let key = RunKey::of_new_run(experiment, run_id)?;
                let root = key.dir_under(&options.root);
                fs::create_dir_all(&root)?;
                (key, root)
            }
            None => new_run(&options.root, experiment)?,
        };
        // Before the rows, so that a run never has rows of unknown columns.
        let (schema, version) = match declared {
            Some(declared) => {
                write_declaration(&root, &key, &declared)?;
                (Arc::new(declared), SchemaVersion::V2)
            }
            None => {
                refuse_declared(&root, &key)?;
                (RunSchema::plume(), options.schema_version)
            }
        };
        let steps = ShardWriter::open(&root, "steps", options.rotate_size_bytes)?;
        let episodes = if version.is_declared() && schema.columns_of_summaries().next().is_none() {
            // Without the file the summaries are made of the steps, so a program need not write any.
            ShardWriter::without_file(&root, "episodes", options.rotate_size_bytes)
        } else {
            ShardWriter::open(&root, "episodes", options.rotate_size_bytes)?
        };
        Ok(Self {
            common: CommonFields::new(key.run_id(), version.as_str()),
            checker: Mutex::new(RowChecker::new(key.run_id(), Arc::clone(&schema), options.rules)),
            schema,
            worker: RecordWorker::start_thread(steps, episodes, options.flush_every).map_err(RecordError::Thread)?,
            key,
            root,
        })
    }

    /// The run's name.
    #[must_use]
    pub fn key(&self) -> &RunKey {
        &self.key
    }

    /// The run's directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The declared columns; `None` for plume-nav-sim's.
    #[must_use]
    pub fn schema(&self) -> Option<&RunSchema> {
        Some(self.schema.as_ref()).filter(|schema| !schema.is_plume())
    }

    /// The schema version of the run.
    #[must_use]
    pub fn schema_version(&self) -> &str {
        &self.common.schema_version
    }

    /// Writes `run.json`.
    pub fn write_run_meta(&self, meta: &RecordMeta) -> Result<(), RecordError> {
        // The fields of plume-nav-sim's `RunMeta`, in its order.
        let config = JsonValue::Object(meta.env_config.clone());
        let object = JsonObject::new()
            .with_member("run_id", self.key.run_id())
            .with_member("experiment", self.key.experiment())
            .with_member("start_time", meta.start_time.clone().unwrap_or_else(start_time_now))
            .with_member("env_config", config.clone())
            .with_member("base_seed", meta.base_seed)
            .with_member("episode_seeds", meta.episode_seeds.clone())
            .with_member("package_version", meta.package_version.clone())
            .with_member("config_hash", config.config_hash())
            .with_member("git_sha", meta.git_sha.clone())
            .with_member("system", meta.system.clone())
            .with_member("extra", meta.extra.clone())
            .with_member("schema_version", self.common.schema_version.as_str());
        self.write_run_object(&object)
    }

    /// Writes `run.json` with any fields, in their order; a missing `run_id`, `experiment`, `start_time` or
    /// `schema_version` is added, and with declared columns a missing `env_config`.
    pub fn write_run_object(&self, meta: &JsonObject) -> Result<(), RecordError> {
        let mut meta = meta.clone();
        // The fields that the recorder knows by itself.
        let required_fields = [
            ("run_id", self.key.run_id()),
            ("experiment", self.key.experiment()),
            ("start_time", &start_time_now()),
            ("schema_version", &self.common.schema_version),
        ];
        for (key, value) in required_fields {
            if meta.get(key).is_none() {
                meta.insert(key, value);
            }
        }
        if self.schema().is_some() && meta.get("env_config").is_none() {
            meta.insert("env_config", JsonObject::new());
        }
        let text = JsonValue::Object(meta).dump_with(JsonLayout::PRETTY);
        self.check_meta(text.as_bytes()).map_err(|rule| RecordError::Refused { what: RUN_JSON, rule })?;
        Ok(fs::write_atomic(&self.root.join(RUN_JSON), text.as_bytes())?)
    }

    /// Checks the metadata by the rules of validation, and that its run id is this run's.
    fn check_meta(&self, text: &[u8]) -> Result<(), BrokenRule> {
        let broken = |code, message| Err(BrokenRule { code, message });
        let meta = match RunMeta::parse(text) {
            Ok(meta) => meta,
            Err(error) => return broken(Code::InvalidRunJson, error.to_string()),
        };
        let has_schema = self.schema().is_some();
        if meta.schema().is_none_or(|version| version.is_declared() != has_schema) {
            let message = match has_schema {
                true => format!("schema_version is `{}`; it is 2 in a run with a schema", meta.schema_version),
                false => format!("schema_version is `{}`; 0.1 and 1.0.0 can be read", meta.schema_version),
            };
            return broken(Code::UnsupportedSchemaVersion, message);
        }
        if let Some(why) = meta.experiment.as_deref().and_then(why_unsafe) {
            return broken(Code::UnsafeRunId, format!("experiment cannot name a directory: {why}"));
        }
        if meta.run_id != self.key.run_id() {
            let message = format!("run_id is `{}`, but the run is `{}`", meta.run_id, self.key.run_id());
            return broken(Code::RunIdMismatch, message);
        }
        Ok(())
    }

    /// Adds a step.
    pub fn append_step(&self, step: &StepRow<'_>) -> Result<(), RecordError> {
        let row = RowKind::Step { ends_episode: step.terminated || step.truncated };
        self.append_row(row, |out| self.common.write_step(out, step))
    }

    /// Adds an episode's summary, after its steps.
    pub fn append_episode(&self, episode: &EpisodeRow<'_>) -> Result<(), RecordError> {
        self.append_row(RowKind::Episode, |out| self.common.write_episode(out, episode))
    }

    /// Adds a step with any fields. Without declared columns a missing `run_id` or `schema_version` is added.
    pub fn append_step_object(&self, step: &JsonObject) -> Result<(), RecordError> {
        let ends = |key| step.get(key).and_then(JsonValue::as_bool).unwrap_or(false);
        let row = RowKind::Step { ends_episode: ends("terminated") || ends("truncated") };
        self.append_row(row, |out| self.write_object(out, step))
    }

    /// Adds an episode's summary with any fields. Without declared columns a missing `run_id` or `schema_version` is added.
    pub fn append_episode_object(&self, episode: &JsonObject) -> Result<(), RecordError> {
        self.append_row(RowKind::Episode, |out| self.write_object(out, episode))
    }

    /// Adds a formatted row: one JSON object on one line with its line break, with `run_id` and `schema_version`.
    /// Returns `false` if there is no room and `wait` says not to wait.
    pub fn append_line(&self, line: EncodedLine<'_>, wait: WaitMode) -> Result<bool, RecordError> {
        let (row, json) = match line {
            EncodedLine::Step { json, ends_episode } => (RowKind::Step { ends_episode }, json),
            EncodedLine::Episode { json } => (RowKind::Episode, json),
        };
        self.check_row(row, json)?;
        self.worker.append_if(wait, row, json)
    }

    fn write_object(&self, out: &mut Vec<u8>, row: &JsonObject) {
        if self.schema().is_none() {
            self.common.write_object(out, row);
        } else {
            // The run's own id and version hold.
            out.extend_from_slice(JsonValue::Object(row.clone()).dump_with(JsonLayout::LINE).as_bytes());
            out.push(b'\n');
        }
    }

    /// Formats a row as a line, checks it, and adds it.
    fn append_row(&self, row: RowKind, format: impl FnOnce(&mut Vec<u8>)) -> Result<(), RecordError> {
        let mut line = LINE.take();
        line.clear();
        format(&mut line);
        let added = self.check_row(row, &line).and_then(|()| self.worker.append_if(WaitMode::ForRoom, row, &line));
        LINE.set(line);
        added.map(drop)
    }

    fn check_row(&self, row: RowKind, line: &[u8]) -> Result<(), RecordError> {
        let (stream, what) = match row {
            RowKind::Step { .. } => (RunStream::Steps, "the step"),
            RowKind::Episode => (RunStream::Episodes, "the episode"),
        };
        let judged = self.checker.lock().unwrap_or_else(PoisonError::into_inner).check_line(stream, line);
        judged.map_err(|rule| RecordError::Refused { what, rule })
    }

    /// Waits until all rows so far are in the files.
    pub fn flush(&self) -> Result<(), RecordError> {
        self.worker.flush()
    }

    /// Closes the run's files, then reads the run back, writes its manifest and, if asked, its parquet. Fails only if
    /// rows could not be written.
    pub fn finalize_run(&self, export_parquet: bool) -> Result<FinalizeOutcome, RecordError> {
        self.worker.close_files()?;
        Ok(finalize::complete_run(&self.root, &self.key, export_parquet))
    }
}

/// A formatted row; see [`RunRecorder::append_line`].
#[derive(Debug, Clone, Copy)]
pub enum EncodedLine<'a> {
    /// A step.
    Step {
        /// The line, with its line break.
        json: &'a [u8],
        /// Whether the step is terminated or truncated.
        ends_episode: bool,
    },
    /// An episode's summary.
    Episode {
        /// The line, with its line break.
        json: &'a [u8],
    },
}

/// Creates a directory for a new run. `create_dir` decides between processes that begin runs in the same second.
fn new_run(root: &Path, experiment: &str) -> Result<(RunKey, PathBuf), RecordError> {
    let stamp = jiff::Timestamp::now().strftime("run-%Y%m%d-%H%M%S").to_string();
    for n in 1u32.. {
        let run_id = if n == 1 { stamp.clone() } else { format!("{stamp}-{n}") };
        let key = RunKey::of_new_run(experiment, &run_id)?;
        let dir = key.dir_under(root);
        // The experiment's directory can exist; the run's must not.
        fs::create_dir_all(&root.join(experiment))?;
        if fs::create_dir(&dir)? {
            return Ok((key, dir));
        }
    }
    Err(RecordError::Failed)
}

/// Returns the current time, as recorders write `start_time`.
fn start_time_now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Describes this machine, for [`RecordMeta::system`].
#[must_use]
pub fn system_info(env: &Env) -> JsonObject {
    let uname = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let platform = [uname.sysname(), uname.release(), uname.machine()].map(text).join("-");
    JsonObject::new()
        .with_member("hostname", text(uname.nodename()))
        .with_member("platform", platform)
        .with_member("pid", i64::from(std::process::id()))
        .with_member("user", env.get_str("USER").or_else(|| env.get_str("USERNAME")).map(str::to_owned))
}

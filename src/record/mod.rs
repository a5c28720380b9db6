//! The recorder: writes a run as the simulation goes, in the current recorder's format (schema `0.1`).
//!
//! [`RunRecorder`] makes `<root>/<experiment>/<run_id>/` with `run.json`, `steps.jsonl.gz` and `episodes.jsonl.gz`, rotated by
//! size into `….part0001.jsonl.gz` and so on. Rows are formatted where they are appended and compressed in a thread of
//! their own; it may be shared between threads. The files are whole gzip files at every moment: a process that is killed
//! leaves every row that was flushed, by default all but those of the last second.
//!
//! What validation would call an error of a row, or of `run.json`, later, is refused at once, and nothing else is: rows and
//! metadata are judged by its own rules.
//!
//! [`RunRecorder::finalize`] ends the files and then writes `manifest.json` and, if asked, parquet. Nothing that goes wrong
//! with those fails the capture: it is reported in [`Finalized::warnings`].

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::ExitKind::{Io, Usage};
use crate::error::{Explain, Explanation};
use crate::formats::json::{Layout, Object, Value};
use crate::run::layout::{RUN_JSON, Stream};
use crate::run::meta::RunMeta;
use crate::run::schema::SchemaVersion;
use crate::run::{RunKey, UnsafeId, why_unsafe};
use crate::support::env::Env;
use crate::support::fs;
use crate::support::fs::FsError;
use crate::validate;
use crate::validate::{BrokenRule, Code, RowJudge};

mod finalize;
mod gzip;
mod row;
mod shards;
mod worker;

pub use finalize::Finalized;
pub use row::{Episode, Position, Step};
pub use worker::Wait;

use row::Common;
use shards::Shards;
use worker::{Row, Worker};

/// A run that cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The experiment's or the run's name cannot be a directory's.
    #[error(transparent)]
    Unsafe(#[from] UnsafeId),
    /// A row, or the metadata, breaks a rule that the run would be invalid by.
    #[error("{what} is not recorded: {rule}")]
    Refused {
        /// Which file's.
        what: &'static str,
        /// Which rule.
        rule: BrokenRule,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The writing thread cannot be started.
    #[error("cannot start the recorder's thread")]
    Thread(#[source] std::io::Error),
    /// An earlier write failed, and was reported then.
    #[error("the recorder has failed before; what it had written until then is kept")]
    Failed,
    /// The run was finalized already.
    #[error("the run is finalized: no more rows can be added")]
    Closed,
}

impl Explain for Error {
    fn explain(&self) -> Explanation {
        match self {
            Self::Unsafe(error) => error.explain(),
            Self::Refused { rule, .. } => {
                let code = rule.code;
                let hint =
                    format!("to record it all the same, add \"{code}\" to [validate] ignore in capture-hook.toml");
                Usage.code(code.as_str()).hints(code.ignorable().then_some(hint))
            }
            Self::Fs(error) => Explanation { exit: Io, ..error.explain() },
            Self::Thread(_) => Io.code("io"),
            Self::Failed => Io.code("recorder_failed"),
            Self::Closed => Usage.code("recorder_closed"),
        }
    }
}

/// What to record, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory that holds experiments: `results`.
    pub root: PathBuf,
    /// The experiment; `default` where none is given.
    pub experiment: Option<String>,
    /// The run's id. One that is given is used as it is, and a run of that name goes on; without one a new run is begun,
    /// `run-<date>-<time>` in UTC, with `-2`, `-3`, … where that is taken.
    pub run_id: Option<String>,
    /// Begin a new shard once a file has grown to so many bytes (compressed); none: never.
    pub rotate_size_bytes: Option<u64>,
    /// How long a row may wait before it is in the file.
    pub flush_every: Duration,
    /// What `schema_version` says.
    pub schema_version: SchemaVersion,
    /// Which findings count: a row that would be an error by them is refused.
    pub rules: validate::Options,
}

impl Options {
    /// The defaults, under this directory.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            experiment: None,
            run_id: None,
            rotate_size_bytes: None,
            flush_every: Duration::from_secs(1),
            schema_version: SchemaVersion::V0_1,
            rules: validate::Options::default(),
        }
    }
}

/// What `run.json` says about a run.
#[derive(Debug, Clone, Default)]
pub struct Meta {
    /// The simulation's configuration; its hash is computed.
    pub env_config: Object,
    /// When the run began, RFC 3339; now where none is given.
    pub start_time: Option<String>,
    /// The first seed.
    pub base_seed: Option<i64>,
    /// A seed an episode.
    pub episode_seeds: Option<Vec<i64>>,
    /// Version of the simulation's package.
    pub package_version: Option<String>,
    /// The commit of the simulation's code.
    pub git_sha: Option<String>,
    /// The machine: see [`system`].
    pub system: Option<Object>,
    /// Anything else.
    pub extra: Option<Object>,
}

/// Records one run. May be shared between threads; dropped without [`RunRecorder::finalize`] it still ends its files.
pub struct RunRecorder {
    key: RunKey,
    root: PathBuf,
    common: Common,
    judge: Mutex<RowJudge>,
    worker: Worker,
}

thread_local! {
    /// The line that a thread formats, kept for its memory.
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl RunRecorder {
    /// Makes the run's directory and its empty files. Where the run has shards already, the next ones are begun.
    pub fn create(options: Options) -> Result<Self, Error> {
        let experiment = options.experiment.as_deref().unwrap_or("default");
        let (key, root) = match &options.run_id {
            Some(run_id) => {
                let key = RunKey::of_new_run(experiment, run_id)?;
                let root = key.under(&options.root);
                fs::create_dir_all(&root)?;
                (key, root)
            }
            None => new_run(&options.root, experiment)?,
        };
        let steps = Shards::open(&root, "steps", options.rotate_size_bytes)?;
        let episodes = Shards::open(&root, "episodes", options.rotate_size_bytes)?;
        Ok(Self {
            common: Common::new(key.run_id(), options.schema_version.as_str()),
            judge: Mutex::new(RowJudge::new(key.run_id(), options.rules)),
            worker: Worker::start(steps, episodes, options.flush_every).map_err(Error::Thread)?,
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

    /// Writes `run.json`.
    pub fn write_run_meta(&self, meta: &Meta) -> Result<(), Error> {
        let config = Value::Object(meta.env_config.clone());
        let object = Object::new()
            .with("run_id", self.key.run_id())
            .with("experiment", self.key.experiment())
            .with("start_time", meta.start_time.clone().unwrap_or_else(now))
            .with("env_config", config.clone())
            .with("base_seed", meta.base_seed)
            .with("episode_seeds", meta.episode_seeds.clone())
            .with("package_version", meta.package_version.clone())
            .with("config_hash", config.config_hash())
            .with("git_sha", meta.git_sha.clone())
            .with("system", meta.system.clone())
            .with("extra", meta.extra.clone())
            .with("schema_version", self.common.schema_version.as_str());
        self.write_run_object(&object)
    }

    /// Writes `run.json` with any fields, in their order; `run_id`, `experiment`, `start_time` and `schema_version` are added
    /// where they are missing.
    pub fn write_run_object(&self, meta: &Object) -> Result<(), Error> {
        let mut meta = meta.clone();
        let needed = [
            ("run_id", self.key.run_id()),
            ("experiment", self.key.experiment()),
            ("start_time", &now()),
            ("schema_version", &self.common.schema_version),
        ];
        for (key, value) in needed {
            if meta.get(key).is_none() {
                meta.insert(key, value);
            }
        }
        let text = Value::Object(meta).dump(Layout::PRETTY);
        self.judge_meta(text.as_bytes()).map_err(|rule| Error::Refused { what: RUN_JSON, rule })?;
        Ok(fs::write_atomic(&self.root.join(RUN_JSON), text.as_bytes())?)
    }

    /// The rules for metadata, and that it is this run's.
    fn judge_meta(&self, text: &[u8]) -> Result<(), BrokenRule> {
        let broken = |code, message| Err(BrokenRule { code, message });
        let meta = match RunMeta::parse(text) {
            Ok(meta) => meta,
            Err(error) => return broken(Code::InvalidRunJson, error.to_string()),
        };
        if meta.schema().is_none() {
            let message = format!("schema_version is `{}`; 0.1 and 1.0.0 can be read", meta.schema_version);
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
    pub fn append_step(&self, step: &Step<'_>) -> Result<(), Error> {
        let row = Row::Step { ends_episode: step.terminated || step.truncated };
        self.append(row, |out| self.common.step(out, step))
    }

    /// Adds an episode's summary, after its steps.
    pub fn append_episode(&self, episode: &Episode<'_>) -> Result<(), Error> {
        self.append(Row::Episode, |out| self.common.episode(out, episode))
    }

    /// Adds a step with any fields; `run_id` and `schema_version` are added where they are missing.
    pub fn append_step_object(&self, step: &Object) -> Result<(), Error> {
        let ends = |key| step.get(key).and_then(Value::as_bool).unwrap_or(false);
        let row = Row::Step { ends_episode: ends("terminated") || ends("truncated") };
        self.append(row, |out| self.common.object(out, step))
    }

    /// Adds an episode's summary with any fields; `run_id` and `schema_version` are added where they are missing.
    pub fn append_episode_object(&self, episode: &Object) -> Result<(), Error> {
        self.append(Row::Episode, |out| self.common.object(out, episode))
    }

    /// Adds a row that is formatted already: one JSON object, in one line with its end, with `run_id` and
    /// `schema_version`. `false` where there is no room and `wait` says not to wait for it.
    pub fn append_line(&self, line: Line<'_>, wait: Wait) -> Result<bool, Error> {
        let (row, json) = match line {
            Line::Step { json, ends_episode } => (Row::Step { ends_episode }, json),
            Line::Episode { json } => (Row::Episode, json),
        };
        self.judge(row, json)?;
        self.worker.append_if(wait, row, json)
    }

    /// Formats a row as a line, judges it, and adds it.
    fn append(&self, row: Row, format: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        let mut line = LINE.take();
        line.clear();
        format(&mut line);
        let added = self.judge(row, &line).and_then(|()| self.worker.append_if(Wait::ForRoom, row, &line));
        LINE.set(line);
        added.map(drop)
    }

    fn judge(&self, row: Row, line: &[u8]) -> Result<(), Error> {
        let (stream, what) = match row {
            Row::Step { .. } => (Stream::Steps, "the step"),
            Row::Episode => (Stream::Episodes, "the episode"),
        };
        let judged = self.judge.lock().unwrap_or_else(PoisonError::into_inner).judge(stream, line);
        judged.map_err(|rule| Error::Refused { what, rule })
    }

    /// Waits until every row so far is in the files.
    pub fn flush(&self) -> Result<(), Error> {
        self.worker.flush()
    }

    /// Ends the run's files, then reads the run back, writes its manifest and, if asked, its parquet. Fails only where rows
    /// could not be written.
    pub fn finalize(&self, export_parquet: bool) -> Result<Finalized, Error> {
        self.worker.close()?;
        Ok(finalize::complete(&self.root, &self.key, export_parquet))
    }
}

/// A row that is formatted already; see [`RunRecorder::append_line`].
#[derive(Debug, Clone, Copy)]
pub enum Line<'a> {
    /// A step.
    Step {
        /// The line, its end included.
        json: &'a [u8],
        /// Whether it is terminated or truncated.
        ends_episode: bool,
    },
    /// An episode's summary.
    Episode {
        /// The line, its end included.
        json: &'a [u8],
    },
}

/// A directory for a run that nobody has begun.
fn new_run(root: &Path, experiment: &str) -> Result<(RunKey, PathBuf), Error> {
    let stamp = jiff::Timestamp::now().strftime("run-%Y%m%d-%H%M%S").to_string();
    for n in 1u32.. {
        let run_id = if n == 1 { stamp.clone() } else { format!("{stamp}-{n}") };
        let key = RunKey::of_new_run(experiment, &run_id)?;
        let dir = key.under(root);
        fs::create_dir_all(&root.join(experiment))?;
        if fs::create_dir(&dir)? {
            return Ok((key, dir));
        }
    }
    Err(Error::Failed)
}

/// The time now, as recorders write `start_time`.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The machine that a run is recorded on, for [`Meta::system`].
#[must_use]
pub fn system(env: &Env) -> Object {
    let uname = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let platform = [uname.sysname(), uname.release(), uname.machine()].map(text).join("-");
    Object::new()
        .with("hostname", text(uname.nodename()))
        .with("platform", platform)
        .with("pid", i64::from(std::process::id()))
        .with("user", env.text("USER").or_else(|| env.text("USERNAME")).map(str::to_owned))
}

//! Finding runs: which there are under `results/`, and which one a user means by what was typed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::layout::{EPISODES, RUN_JSON, STEPS};
use super::meta::RunMeta;
use super::{RunKey, open};
use crate::error::{Explain, Kind};
use crate::support::fs::{At, FsError};

/// A run's directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundRun {
    /// The name of the directory above: the experiment, where `run.json` does not say otherwise.
    pub experiment: String,
    /// The directory's name: the run id, where `run.json` does not say otherwise.
    pub run_id: String,
    /// The directory.
    pub dir: PathBuf,
}

impl FoundRun {
    /// The run in a directory, named after it and the one above.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        let full = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
        let name = |path: Option<&Path>| {
            path.and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
        };
        Self { experiment: name(full.parent()), run_id: name(Some(&full)), dir: dir.to_path_buf() }
    }

    /// `<experiment>/<run_id>` by the directories' names.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.experiment, self.run_id)
    }

    /// The key that the directories' names make, if they are safe.
    #[must_use]
    pub fn key(&self) -> Option<RunKey> {
        RunKey::new(&self.experiment, &self.run_id).ok()
    }

    /// When the run began, as seconds since the epoch and as written; none where `run.json` does not say.
    #[must_use]
    pub fn start_time(&self) -> Option<(f64, String)> {
        let file = open::regular(&self.dir.join(RUN_JSON)).ok()?;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, super::meta::MAX_BYTES), &mut bytes).ok()?;
        let text = RunMeta::parse(&bytes).ok()?.start_time;
        Some((seconds(&text).unwrap_or(f64::NEG_INFINITY), text))
    }
}

/// A time as recorders write it (ISO 8601, UTC where no offset is named), as seconds since the epoch.
#[must_use]
pub fn seconds(text: &str) -> Option<f64> {
    let moment = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let civil: jiff::civil::DateTime = text.trim().parse().ok()?;
        jiff::tz::Offset::UTC.to_timestamp(civil).ok()
    })?;
    Some(moment.as_duration().as_secs_f64())
}

/// Why a RUN means nothing, or too much.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Nothing is called so.
    #[error("there is no run `{}`", query.escape_debug())]
    NotFound {
        /// What was typed.
        query: String,
        /// Runs with a name near it.
        near: Vec<String>,
    },
    /// Several runs are called so.
    #[error("`{}` could be any of {} runs", query.escape_debug(), candidates.len())]
    Ambiguous {
        /// What was typed.
        query: String,
        /// `<experiment>/<run_id>` of each, sorted.
        candidates: Vec<String>,
    },
    /// The results cannot be listed.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// How many names a hint lists.
const LISTED: usize = 10;

impl Explain for FindError {
    fn kind(&self) -> Kind {
        match self {
            Self::Fs(error) => error.kind(),
            _ => Kind::Setup,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "no_such_run",
            Self::Ambiguous { .. } => "ambiguous_run",
            Self::Fs(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotFound { near, .. } if near.is_empty() => {
                vec!["`capture-hook runs` lists the runs there are".into()]
            }
            Self::NotFound { near, .. } => vec![format!("did you mean {}?", near.join(" or "))],
            Self::Ambiguous { candidates, .. } => {
                let mut hint = "say which one:".to_owned();
                for name in candidates.iter().take(LISTED) {
                    hint += &format!("\n  {name}");
                }
                if candidates.len() > LISTED {
                    hint += &format!("\n  … and {} more", candidates.len() - LISTED);
                }
                vec![hint]
            }
            Self::Fs(error) => error.hints(),
        }
    }
}

/// All runs `<results_dir>/<experiment>/<run_id>/`, sorted by name. A results directory that is not there holds none.
pub fn find_runs(results_dir: &Path) -> Result<Vec<FoundRun>, FsError> {
    let mut runs = Vec::new();
    for experiment in directories(results_dir)? {
        for dir in directories(&experiment)? {
            if is_run(&dir) {
                runs.push(FoundRun::at(&dir));
            }
        }
    }
    runs.sort();
    Ok(runs)
}

/// Whether a directory looks like a run's, whole or not.
#[must_use]
pub fn is_run(dir: &Path) -> bool {
    [RUN_JSON, STEPS, EPISODES].iter().any(|name| fs::symlink_metadata(dir.join(name)).is_ok())
}

fn directories(dir: &Path) -> Result<Vec<PathBuf>, FsError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error).at("list", dir),
    };
    let mut out = Vec::new();
    for entry in entries {
        let entry = entry.at("list", dir)?;
        let kind = entry.file_type().at("look at", &entry.path())?;
        if kind.is_dir() || kind.is_symlink() && entry.path().is_dir() {
            out.push(entry.path());
        }
    }
    Ok(out)
}

/// The run that a user means: `<experiment>/<run_id>`, a run id, a path (relative to `cwd`), `latest` or
/// `latest:<experiment>`, or a unique beginning of a run id or of `<experiment>/<run_id>`.
pub fn resolve(query: &str, found: &[FoundRun], cwd: &Path) -> Result<FoundRun, FindError> {
    let named = |test: &dyn Fn(&FoundRun) -> bool| found.iter().filter(|run| test(run)).collect::<Vec<_>>();
    let dir = cwd.join(query);
    let path_like = query.contains('/') || query.starts_with('.');
    let by_key = named(&|run| run.name() == query);
    if let Some(run) = one(query, &by_key)? {
        return Ok(run);
    }
    if path_like && dir.is_dir() {
        return Ok(found_at(&dir, found));
    }
    if let Some(run) = one(query, &named(&|run| run.run_id == query))? {
        return Ok(run);
    }
    let latest = match query.strip_prefix("latest") {
        Some("") => Some(None),
        Some(rest) => rest.strip_prefix(':').map(Some),
        None => None,
    };
    if let Some(experiment) = latest {
        let among = named(&|run| experiment.is_none_or(|e| run.experiment == e));
        let newest = among.into_iter().max_by(|a, b| newer(a, b));
        return newest.cloned().ok_or_else(|| FindError::NotFound { query: query.into(), near: Vec::new() });
    }
    if !query.is_empty() && dir.is_dir() && is_run(&dir) {
        return Ok(found_at(&dir, found));
    }
    if !query.is_empty()
        && let Some(run) = one(query, &named(&|run| run.run_id.starts_with(query) || run.name().starts_with(query)))?
    {
        return Ok(run);
    }
    Err(FindError::NotFound { query: query.into(), near: near(query, found) })
}

fn newer(a: &FoundRun, b: &FoundRun) -> std::cmp::Ordering {
    let key = |run: &FoundRun| run.start_time().unwrap_or((f64::NEG_INFINITY, String::new()));
    let (a_time, b_time) = (key(a), key(b));
    a_time.0.total_cmp(&b_time.0).then_with(|| a_time.1.cmp(&b_time.1)).then_with(|| a.name().cmp(&b.name()))
}

/// The run in a directory, as it was found if it was.
fn found_at(dir: &Path, found: &[FoundRun]) -> FoundRun {
    let real = dir.canonicalize().ok();
    found
        .iter()
        .find(|run| run.dir == dir || real.is_some() && run.dir.canonicalize().ok() == real)
        .cloned()
        .unwrap_or_else(|| FoundRun::at(dir))
}

fn one(query: &str, runs: &[&FoundRun]) -> Result<Option<FoundRun>, FindError> {
    match runs {
        [] => Ok(None),
        [run] => Ok(Some((*run).clone())),
        several => {
            let candidates: BTreeSet<String> = several.iter().map(|run| run.name()).collect();
            Err(FindError::Ambiguous { query: query.into(), candidates: candidates.into_iter().collect() })
        }
    }
}

fn near(query: &str, found: &[FoundRun]) -> Vec<String> {
    let mut close: Vec<(usize, String)> = found
        .iter()
        .map(|run| {
            let name = run.name();
            let by_id = strsim::damerau_levenshtein(&run.run_id, query);
            (by_id.min(strsim::damerau_levenshtein(&name, query)), name)
        })
        .filter(|(distance, _)| *distance <= 2)
        .collect();
    close.sort();
    close.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn results(runs: &[(&str, &str)]) -> (tempfile::TempDir, Vec<FoundRun>) {
        let dir = tempfile::tempdir().unwrap();
        for (name, start) in runs {
            let run = dir.path().join("results").join(name);
            fs::create_dir_all(&run).unwrap();
            let meta = format!(r#"{{"schema_version":"0.1","run_id":"x","start_time":"{start}","env_config":{{}}}}"#);
            fs::write(run.join(RUN_JSON), meta).unwrap();
        }
        fs::create_dir_all(dir.path().join("results/demo/empty")).unwrap();
        let found = find_runs(&dir.path().join("results")).unwrap();
        (dir, found)
    }

    #[test]
    fn a_run_is_found_by_what_names_it() {
        let (dir, found) = results(&[
            ("demo/r1", "2026-01-01T00:00:00Z"),
            ("demo/r10", "2026-01-03T00:00:00+02:00"),
            ("nav/r1", "2026-01-02T23:00:00"),
            ("nav/x-one", "nonsense"),
        ]);
        let name = |query: &str| resolve(query, &found, dir.path()).map(|run| run.name());
        assert_eq!(found.len(), 4);
        for (query, expected) in [
            ("demo/r1", "demo/r1"),
            ("r10", "demo/r10"),
            ("x", "nav/x-one"),
            ("demo/r10", "demo/r10"),
            ("nav/x", "nav/x-one"),
            ("results/demo/r1", "demo/r1"),
            ("./results/demo/r1/", "demo/r1"),
            ("latest", "nav/r1"),
            ("latest:demo", "demo/r10"),
        ] {
            assert_eq!(name(query).unwrap(), expected, "{query}");
        }
        let Err(FindError::Ambiguous { candidates, .. }) = name("r1") else { panic!("not ambiguous") };
        assert_eq!(candidates, ["demo/r1", "nav/r1"]);
        for query in ["", "nope", "latest:nope", "demo/r2x9", "results/none"] {
            assert!(matches!(name(query), Err(FindError::NotFound { .. })), "{query}");
        }
        let Err(FindError::NotFound { near, .. }) = name("demo/r3") else { panic!("found") };
        assert_eq!(near, ["demo/r1", "demo/r10", "nav/x-one"].map(String::from)[..2]);
    }
}

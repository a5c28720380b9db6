//! Finds the run that a user means by the text typed for RUN: one order, and one rule for near misses, in every
//! command.
//!
//! The order: the path of a run, `experiment/run_id`, a run id, a tag, a unique beginning of either name, `latest` or
//! `latest:EXPERIMENT`. Commands differ only in the runs that they offer as candidates. Nothing is guessed: a near miss
//! is a hint, never the answer.

use std::path::{Path, PathBuf};

use super::{RunKey, StartTime};
use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::run::discover::{DuplicateRuns, RunDir, is_run_dir, joined_names, runs_below};
use crate::run::layout::slash_hint;
use crate::support::path::normalize_path;
use crate::support::text::{find_near, format_plural, shell_quote};

/// The text that was typed, and the current directory.
#[derive(Debug, Clone, Copy)]
pub struct RunQuery<'a> {
    /// The text.
    pub text: &'a str,
    /// The directory that a path in it is relative to.
    pub cwd: &'a Path,
}

/// A run that a query can resolve to.
pub trait RunCandidate {
    /// Its name; `None` for a recorded run whose name is not safe.
    fn key(&self) -> Option<&RunKey>;

    /// Its directory, whose name can be typed, too.
    fn dir(&self) -> Option<&Path> {
        None
    }
}

impl RunCandidate for RunKey {
    fn key(&self) -> Option<&RunKey> {
        Some(self)
    }
}

impl RunCandidate for RunDir {
    fn key(&self) -> Option<&RunKey> {
        self.key.as_ref()
    }

    fn dir(&self) -> Option<&Path> {
        Some(&self.dir)
    }
}

/// The result of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolvedRun<'a, C> {
    /// A directory that was given by its path; it need not hold a run.
    Dir(PathBuf),
    /// A candidate by its name; other candidates can share the name.
    Run(&'a C),
    /// Exactly this candidate, by its directory's name.
    RunAt(&'a C),
    /// A run's tag, by its name.
    Tag(String),
}

/// A query that matches no run, or several.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// No run has this name.
    #[error("there is no run `{}`", query.escape_debug())]
    NotFound {
        /// As typed.
        query: String,
        /// Names near it, best first.
        near: Vec<String>,
    },
    /// Several runs match the query.
    #[error("`{}` matches {} runs: {}", query.escape_debug(), candidates.len(), join_candidates(candidates))]
    Ambiguous {
        /// As typed.
        query: String,
        /// The name of each, sorted.
        candidates: Vec<String>,
    },
    /// The query names a directory that holds runs.
    #[error("`{}` is no run: the directory holds {}: {}", query.escape_debug(), format_plural(candidates.len() as u64, "run"), join_candidates(candidates))]
    DirOfRuns {
        /// As typed.
        query: String,
        /// The name of each, sorted.
        candidates: Vec<String>,
        /// Their experiment, if all are of one.
        experiment: Option<String>,
        /// A path that names one of them, if they are not of this project.
        elsewhere: Option<PathBuf>,
    },
    /// Several directories have the matched name, with different files.
    #[error(transparent)]
    Duplicate(#[from] DuplicateRuns),
}

fn join_candidates(candidates: &[String]) -> String {
    // More names would hide the rest of the message.
    const MOST: usize = 8;
    let mut text: Vec<String> = candidates.iter().take(MOST).map(|name| name.escape_debug().to_string()).collect();
    if candidates.len() > MOST {
        text.push(format!("and {} more", candidates.len() - MOST));
    }
    text.join(", ")
}

impl ResolveError {
    /// The error for a directory that holds several runs, which are not of this project.
    #[must_use]
    pub fn of_runs_elsewhere(query: &str, runs: &[RunDir]) -> Self {
        let mut candidates: Vec<String> = runs.iter().map(RunDir::name).collect();
        candidates.sort();
        let elsewhere = runs.first().map(|run| run.dir.clone());
        Self::DirOfRuns { query: query.into(), candidates, experiment: None, elsewhere }
    }
}

impl Explain for ResolveError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NotFound { query, near } => {
                let names: Vec<String> = near.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
                let suggestion = (!names.is_empty()).then(|| format!("did you mean {}?", names.join(" or ")));
                Setup
                    .code("no_such_run")
                    .hints(slash_hint(query))
                    .hints(suggestion)
                    .hint("list the runs with `capture-hook runs`")
            }
            Self::Ambiguous { .. } => Setup.code("ambiguous_run").hint("type more of the name, or experiment/run_id"),
            Self::DirOfRuns { elsewhere: Some(path), .. } => Setup
                .code("directory_of_runs")
                .hint(format!("name one of them by its path, such as {}", shell_quote(path))),
            Self::DirOfRuns { experiment, .. } => {
                let latest = experiment.as_ref().map_or(LATEST.into(), |experiment| format!("{LATEST}:{experiment}"));
                Setup
                    .code("directory_of_runs")
                    .hint(format!("name one of them, or the newest: {}", shell_quote(latest)))
            }
            Self::Duplicate(error) => error.explain(),
        }
    }
}

/// Resolves a query among these runs. `is_tag` tells whether a run's tag has this name, `start_time` when a run began.
pub fn resolve_run<'a, C: RunCandidate>(
    query: RunQuery<'_>,
    candidates: &'a [C],
    is_tag: impl Fn(&str) -> bool,
    start_time: impl Fn(&C) -> StartTime,
) -> Result<ResolvedRun<'a, C>, ResolveError> {
    let not_found = |near| ResolveError::NotFound { query: query.text.into(), near };
    if query.text.is_empty() {
        return Err(not_found(Vec::new()));
    }
    let dir = query.cwd.join(query.text);
    // A path first: only a path can name a run that is not among the candidates.
    if is_run_dir(&dir) {
        return Ok(ResolvedRun::Dir(dir));
    }
    let text = query.text.trim_end_matches('/');
    let names: Vec<RunName<'a, C>> = candidates.iter().flat_map(names_of).collect();
    // Exact names first, and the best kind of name before the others.
    for rank in ALL_RANKS {
        if let Some(run) = find_only(query, names.iter().filter(|name| name.rank == rank && name.typed == text))? {
            return Ok(run);
        }
    }
    let tag = text.strip_prefix("refs/tags/").unwrap_or(text);
    if is_tag(tag) {
        return Ok(ResolvedRun::Tag(tag.to_owned()));
    }
    let experiment = parse_latest(text);
    match find_only(query, names.iter().filter(|name| name.typed.starts_with(text))) {
        // `latest` is also the beginning of names such as `latest-2`: if of several, the keyword wins.
        Err(_) if experiment.is_some() => {}
        other => {
            if let Some(run) = other? {
                return Ok(run);
            }
        }
    }
    if let Some(experiment) = experiment {
        let is_in_experiment = |candidate: &&C| {
            candidate.key().is_some_and(|key| experiment.is_none_or(|experiment| key.experiment() == experiment))
        };
        let newest =
            // Equal start times: the key decides, so that the order of the candidates does not matter.
            candidates.iter().filter(is_in_experiment).max_by_key(|candidate| (start_time(candidate), candidate.key()));
        return newest.map(ResolvedRun::Run).ok_or_else(|| {
            let mut near: Vec<String> =
                candidates.iter().filter_map(|c| Some(format!("latest:{}", c.key()?.experiment()))).collect();
            near.sort();
            near.dedup();
            near.truncate(3);
            not_found(near)
        });
    }
    // A directory without a run, typed as a path: the command tells what is missing in it.
    if (text.contains('/') || text.starts_with('.')) && dir.is_dir() {
        return match known_runs_below(query, &dir, candidates) {
            Some(error) => Err(error),
            None => find_run_below(query, dir),
        };
    }
    let near = find_near(text, names.iter().map(|name| (&*name.typed, &*name.whole)));
    Err(not_found(near.into_iter().map(str::to_owned).collect()))
}

/// The only run of a directory in which no candidate is, such as an export; the directory itself if it holds none.
fn find_run_below<'a, C>(query: RunQuery<'_>, dir: PathBuf) -> Result<ResolvedRun<'a, C>, ResolveError> {
    // A directory that cannot be listed is what the command complains about.
    let below = runs_below(&dir).map(|found| found.runs).unwrap_or_default();
    match below.as_slice() {
        [] => Ok(ResolvedRun::Dir(dir)),
        [run] => Ok(ResolvedRun::Dir(run.dir.clone())),
        several => Err(ResolveError::of_runs_elsewhere(query.text, several)),
    }
}

/// The error for a directory that holds runs.
fn known_runs_below<C: RunCandidate>(query: RunQuery<'_>, dir: &Path, candidates: &[C]) -> Option<ResolveError> {
    let dir = normalize_path(dir);
    let below: Vec<&C> = candidates.iter().filter(|run| run.dir().is_some_and(|at| at.starts_with(&dir))).collect();
    let name = |run: &&C| run.key().map(ToString::to_string).or_else(|| run.dir().map(joined_names));
    let mut names: Vec<String> = below.iter().filter_map(name).collect();
    names.sort();
    let mut experiments: Vec<&str> = below.iter().filter_map(|run| Some(run.key()?.experiment())).collect();
    experiments.sort_unstable();
    experiments.dedup();
    let experiment = if let [only] = experiments.as_slice() { Some((*only).to_owned()) } else { None };
    let query = query.text.to_owned();
    (!names.is_empty()).then_some(ResolveError::DirOfRuns { query, candidates: names, experiment, elsewhere: None })
}

/// A name of a run that can be typed.
struct RunName<'a, C> {
    run: &'a C,
    /// The order: `experiment/run_id`, the run id, then the same of its directories.
    rank: usize,
    typed: String,
    /// The whole name, for messages.
    whole: String,
}

const ALL_RANKS: std::ops::Range<usize> = 0..4;
/// From this rank on, names are directories' names.
const BY_DIRECTORY: usize = 2;

fn names_of<C: RunCandidate>(run: &C) -> Vec<RunName<'_, C>> {
    let mut names = Vec::new();
    for (rank, whole) in [(0, run.key().map(ToString::to_string)), (BY_DIRECTORY, run.dir().map(joined_names))] {
        let Some(whole) = whole else { continue };
        let last = whole.split_once('/').map_or(&*whole, |(_, last)| last).to_owned();
        names.push(RunName { run, rank, typed: whole.clone(), whole: whole.clone() });
        names.push(RunName { run, rank: rank + 1, typed: last, whole });
    }
    names
}

/// The RUN that means the newest one of any experiment; `latest:EXPERIMENT` is the newest of that one.
pub const LATEST: &str = "latest";

/// Parses `latest` (of any experiment) and `latest:EXPERIMENT`; `None` for other text.
fn parse_latest(text: &str) -> Option<Option<&str>> {
    match text.strip_prefix(LATEST)? {
        "" => Some(None),
        rest => rest.strip_prefix(':').map(Some),
    }
}

/// Returns the one run that these names share; fails if they name several. Several directories of one run count as one.
fn find_only<'n, 'a: 'n, C: RunCandidate>(
    query: RunQuery<'_>,
    names: impl Iterator<Item = &'n RunName<'a, C>>,
) -> Result<Option<ResolvedRun<'a, C>>, ResolveError> {
    let mut found: Vec<&RunName<'a, C>> = names.collect();
    // The names of one run are adjacent, so `dedup` is enough.
    found.dedup_by(|a, b| std::ptr::eq(a.run, b.run));
    let Some((first, rest)) = found.split_first() else { return Ok(None) };
    let key = first.run.key();
    if rest.is_empty() && first.rank >= BY_DIRECTORY {
        return Ok(Some(ResolvedRun::RunAt(first.run)));
    }
    if rest.iter().all(|other| key.is_some() && other.run.key() == key) {
        return Ok(Some(ResolvedRun::Run(first.run)));
    }
    let mut candidates: Vec<String> = found.into_iter().map(|name| name.whole.clone()).collect();
    candidates.sort();
    candidates.dedup();
    Err(ResolveError::Ambiguous { query: query.text.into(), candidates })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use std::fs;

    fn write_runs(runs: &[(&str, &str, &str)]) -> (tempfile::TempDir, Vec<RunDir>) {
        let root = tempfile::tempdir().unwrap();
        for (dir, run_id, start) in runs {
            let run = root.path().join("results").join(dir);
            fs::create_dir_all(&run).unwrap();
            let meta =
                format!(r#"{{"schema_version":"0.1","run_id":"{run_id}","start_time":"{start}","env_config":{{}}}}"#);
            fs::write(run.join("run.json"), meta).unwrap();
        }
        let found = crate::run::discover::discover_runs(&root.path().join("results")).unwrap();
        (root, found.runs)
    }

    fn resolve_text(text: &str, cwd: &Path, runs: &[RunDir]) -> Result<String, ResolveError> {
        let is_tag = |name: &str| name == "capture/nav/x-one";
        match resolve_run(RunQuery { text, cwd }, runs, is_tag, |run| run.start.clone())? {
            ResolvedRun::Dir(dir) => Ok(format!("dir {}", dir.strip_prefix(cwd).unwrap().display())),
            ResolvedRun::Run(run) => Ok(run.name()),
            ResolvedRun::RunAt(run) => Ok(format!("at {}", run.name())),
            ResolvedRun::Tag(tag) => Ok(format!("tag {tag}")),
        }
    }

    #[test]
    fn a_run_is_found_by_each_of_its_names() {
        let (root, runs) = write_runs(&[
            ("demo/r1", "r1", "2026-01-01T00:00:00Z"),
            ("demo/r10", "r10", "2026-01-03T00:00:00+02:00"),
            ("nav/r1", "r1", "2026-01-02T23:00:00"),
            ("nav/x-one", "x-one", "nonsense"),
            ("nav/renamed", "r7", "nonsense"),
        ]);
        let resolve = |text: &str| resolve_text(text, root.path(), &runs);
        for (text, expected) in [
            ("results/demo/r1", "dir results/demo/r1"),
            ("./results/demo/r1/", "dir results/demo/r1"),
            ("demo/r1", "demo/r1"),
            ("demo/r10", "demo/r10"),
            ("r10", "demo/r10"),
            ("nav/renamed", "at nav/r7"),
            ("renamed", "at nav/r7"),
            ("capture/nav/x-one", "tag capture/nav/x-one"),
            ("refs/tags/capture/nav/x-one", "tag capture/nav/x-one"),
            ("x", "nav/x-one"),
            ("nav/x", "nav/x-one"),
            ("latest", "nav/r1"),
            ("latest:demo", "demo/r10"),
        ] {
            assert_eq!(resolve(text).unwrap(), expected, "{text}");
        }
        for (text, names) in
            [("results/demo", &["demo/r1", "demo/r10"][..]), ("results/nav/", &["nav/r1", "nav/r7", "nav/x-one"])]
        {
            let error = resolve(text).unwrap_err();
            let ResolveError::DirOfRuns { candidates, experiment, .. } = &error else { panic!("{error}") };
            assert_eq!(candidates, names, "{text}");
            assert_eq!(experiment.as_deref(), names[0].split('/').next(), "{text}");
        }
        let Err(ResolveError::DirOfRuns { experiment: None, .. }) = resolve("./results") else {
            panic!("one experiment")
        };
        let Err(ResolveError::Ambiguous { candidates, .. }) = resolve("r1") else { panic!("not ambiguous") };
        assert_eq!(candidates, ["demo/r1", "nav/r1"]);
        for text in ["", "nope", "demo/zzzzzzz", "results/none"] {
            assert!(matches!(resolve(text), Err(ResolveError::NotFound { .. })), "{text}");
        }
        for (text, expected) in
            [("demo/r3", &["demo/r1", "demo/r10"][..]), ("latest:dmo", &["latest:demo", "latest:nav"])]
        {
            let Err(ResolveError::NotFound { near, .. }) = resolve(text) else { panic!("{text} was found") };
            assert_eq!(near.get(..2).unwrap(), expected);
        }
    }

    /// R6: A path, `latest`, a key, an id and a prefix are tried in this order.
    #[test]
    fn each_kind_of_name_comes_before_the_next() {
        let (root, runs) = write_runs(&[
            ("a/x", "x", "2026-01-01T00:00:00Z"),
            ("x/a", "a", "2026-01-02T00:00:00Z"),
            ("b/latest", "latest", "2025-01-01T00:00:00Z"),
            ("b/capture", "capture", "2025-01-01T00:00:00Z"),
        ]);
        let resolve = |text: &str, cwd: &Path| resolve_text(text, cwd, &runs);
        // A run id before a beginning; in its experiment's directory, the path before all.
        assert_eq!(resolve("x", root.path()).unwrap(), "a/x");
        assert_eq!(resolve("a", root.path()).unwrap(), "x/a");
        assert_eq!(resolve("latest", root.path()).unwrap(), "b/latest");
        assert_eq!(resolve("latest:x", root.path()).unwrap(), "x/a");
        assert_eq!(resolve("a", &root.path().join("results/x")).unwrap(), "dir a");
        assert_eq!(resolve("b/c", root.path()).unwrap(), "b/capture");
    }
}

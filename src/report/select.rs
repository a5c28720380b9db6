//! Which runs a report shows: those of a revision's history, or those that the user names of it. A run that is recorded and
//! not committed is shown if it is named.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::history::catalog::{self, Catalog, CatalogRun, RunSources, RunTarget};
use crate::history::committed::CommittedRunError;
use crate::project::Project;
use crate::report::data::StoredRequest;
use crate::report::error::ReportError;
use crate::report::rev_history::{NewestVersion, RevHistory};
use crate::run::RunKey;
use crate::run::resolve::ResolveError;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct ReportRequest<'a> {
    /// Runs as typed; all of the history if there is none.
    pub runs: &'a [String],
    /// Only this experiment's.
    pub experiment: Option<&'a str>,
    /// The revision; HEAD without one.
    pub rev: Option<&'a str>,
    /// The directory that a path is relative to.
    pub cwd: &'a Path,
}

/// Which bytes of a run are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunVersion {
    /// Those of a data version.
    Committed(NewestVersion),
    /// Those of a directory.
    Recorded(PathBuf),
}

/// The runs of a report.
pub struct Selection {
    /// The history that they are of.
    pub rev_history: RevHistory,
    /// The runs.
    pub runs: BTreeMap<RunKey, RunVersion>,
    /// What was asked for, in words that mean the same later and elsewhere.
    pub stored: StoredRequest,
}

/// Finds the runs that are asked for; at least one.
pub fn select_runs(project: &Project, request: ReportRequest<'_>) -> Result<Selection, ReportError> {
    let rev_history = RevHistory::load(project, request.rev)?;
    let mut stored = StoredRequest {
        runs: Vec::new(),
        experiment: request.experiment.map(str::to_owned),
        rev: request.rev.map(str::to_owned),
        directories: false,
    };
    let known = rev_history.runs(project)?;
    let mut runs = BTreeMap::new();
    if request.runs.is_empty() {
        let is_asked = |run: &RunKey| request.experiment.is_none_or(|experiment| run.experiment() == experiment);
        let asked = known.iter().filter(|(run, _)| is_asked(run));
        runs.extend(asked.map(|(run, newest)| (run.clone(), RunVersion::Committed(*newest))));
    } else {
        let catalog = catalog::load_catalog(project)?;
        let finder = RunFinder { project, catalog: &catalog, rev_history: &rev_history, known: &known, request };
        let candidates = finder.list_candidates();
        for query in request.runs {
            let (run, version, name) = finder.find_run(query, &candidates)?;
            if runs.insert(run.clone(), version.clone()).is_some_and(|other| other != version) {
                return Err(ReportError::TwoVersions { run });
            }
            if !stored.runs.contains(&name) {
                stored.runs.push(name);
            }
        }
    }
    if runs.is_empty() && rev_history.count_missing_lists() > 0 {
        return Err(ReportError::ListsMissing { count: rev_history.count_missing_lists() });
    }
    if runs.is_empty() {
        return Err(no_runs(request, &known));
    }
    Ok(Selection { rev_history, runs, stored })
}

fn no_runs(request: ReportRequest<'_>, known: &BTreeMap<RunKey, NewestVersion>) -> ReportError {
    let history = match request.rev {
        Some(rev) => format!("the history of `{}`", rev.escape_debug()),
        None => "the history of HEAD".into(),
    };
    let mut experiments: Vec<&str> = known.keys().map(RunKey::experiment).collect();
    // Sorted by name, so that equal ones are neighbours.
    experiments.dedup();
    match request.experiment {
        Some(experiment) if !experiments.is_empty() => ReportError::NoRuns {
            what: format!("{history} holds no run of the experiment {}", experiment.escape_debug()),
            hint: format!("experiments: {}", experiments.join(", ")),
        },
        _ => ReportError::NoRuns {
            what: format!("{history} holds no run"),
            hint: "commit a run: `capture-hook publish RUN`, or name a recorded one: `capture-hook report RUN`".into(),
        },
    }
}

struct RunFinder<'a> {
    project: &'a Project,
    catalog: &'a Catalog,
    rev_history: &'a RevHistory,
    known: &'a BTreeMap<RunKey, NewestVersion>,
    request: ReportRequest<'a>,
}

impl RunFinder<'_> {
    /// The runs that a short name can mean: of the history, and recorded ones.
    fn list_candidates(&self) -> Vec<CatalogRun> {
        let mut candidates: BTreeMap<RunKey, RunSources> =
            self.known.keys().map(|key| (key.clone(), RunSources::default())).collect();
        for run in self.catalog.runs() {
            if self.known.contains_key(&run.key) || run.sources.recorded.is_some() {
                candidates.insert(run.key, run.sources);
            }
        }
        candidates.into_iter().map(|(key, sources)| CatalogRun { key, sources }).collect()
    }

    /// The run that the user means, and the name that it has everywhere.
    fn find_run(&self, query: &str, candidates: &[CatalogRun]) -> Result<(RunKey, RunVersion, String), ReportError> {
        let target = catalog::resolve_query_among(self.project, self.catalog, self.request.cwd, query, candidates)?;
        if let Some(commit) = &target.commit {
            let elsewhere = || ReportError::TagElsewhere {
                tag: query.to_owned(),
                rev: self.request.rev.unwrap_or("HEAD").to_owned(),
            };
            let tags = self.rev_history.tags_of(&target.key);
            let tag = tags.into_iter().find(|tag| tag.tag.commit.as_ref() == Some(commit)).ok_or_else(elsewhere)?;
            let version = self.rev_history.version_of_tag(self.project, tag)?.ok_or_else(elsewhere)?;
            return Ok((target.key, RunVersion::Committed(version), tag.tag.name.clone()));
        }
        // `latest` is another run later on, which a report that is made again shows.
        let is_latest = query == "latest" || query.starts_with("latest:");
        let name = if is_latest { query.to_owned() } else { target.key.to_string() };
        let version = match self.known.get(&target.key) {
            Some(newest) => RunVersion::Committed(*newest),
            None => RunVersion::Recorded(self.find_recording(&target)?),
        };
        Ok((target.key, version, name))
    }

    fn find_recording(&self, target: &RunTarget) -> Result<PathBuf, ReportError> {
        if let Some(dir) = &target.dir {
            let root = self.project.root.canonicalize().unwrap_or_else(|_| self.project.root.clone());
            let is_inside = dir.canonicalize().is_ok_and(|real| real.starts_with(root));
            return if is_inside { Ok(dir.clone()) } else { Err(ReportError::Outside { dir: dir.clone() }) };
        }
        if let Some(duplicates) = self.catalog.duplicates.for_key(&target.key) {
            return Err(ResolveError::from(duplicates).into());
        }
        let recorded = self.catalog.get(&target.key).and_then(|run| run.sources.recorded);
        let not_committed = || CommittedRunError::not_committed(self.project, self.catalog, target.key.clone());
        Ok(recorded.map(|dir| self.project.root.join(dir)).ok_or_else(not_committed)?)
    }
}

//! Whether what stands for all runs of a commit is so: `Capture-Runs` in its message, and its version tag.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::git::{Commit, Oid};
use crate::history::run_records::read_run_records;
use crate::history::trailers::{AllRunsTrailer, MOST_NAMED, ParsedTrailers};
use crate::history::{DatasetCommit, History, RunTrailers, VersionTag, tags};
use crate::project::{GitTree, Project, ProjectError, Reporter, state};
use crate::run::RunKey;
use crate::support::text::format_plural;

use super::{CheckFinding, CheckSeverity};

/// Checks what stands for many runs at once.
pub(super) struct AllRunsChecker<'a> {
    project: &'a Project,
    history: &'a History,
    reporter: &'a dyn Reporter,
    /// What is so, by commit: message and tag say the same.
    actual: RefCell<HashMap<Oid, Option<String>>>,
}

impl<'a> AllRunsChecker<'a> {
    /// A checker that has read nothing yet.
    pub(super) fn new(project: &'a Project, history: &'a History, reporter: &'a dyn Reporter) -> Self {
        Self { project, history, reporter, actual: RefCell::default() }
    }

    /// Compares what a message says of all runs with what the commit introduces.
    pub(super) fn check_trailers(
        &self,
        commit: &Commit,
        parsed: &ParsedTrailers,
        change: Option<&DatasetCommit>,
        findings: &mut Vec<CheckFinding>,
    ) -> Result<(), ProjectError> {
        let mut push_finding = |severity, code, message| {
            let commit = Some(commit.id.clone());
            findings.push(CheckFinding { severity, code, commit, tag: None, run: None, message });
        };
        // A repository can hold several projects: the trailer may be about another one's `dvc.lock`.
        let mut own = Vec::new();
        for trailer in &parsed.all_runs {
            let is_here = change.is_some_and(|change| change.record.version == trailer.data);
            if is_here || !state::is_of_other_project(self.project, trailer.data, &commit.id)? {
                own.push(trailer);
            }
        }
        let Some(first) = own.first() else { return Ok(()) };
        let Some(change) = change else {
            let message =
                format!("the message names {}, but the commit introduces none", format_plural(first.count, "run"));
            push_finding(CheckSeverity::Error, "trailer_false", message);
            return Ok(());
        };
        if own.len() > 1 || !parsed.runs.is_empty() {
            let message = "several trailers stand for the commit's runs, as after a squash: they were not compared";
            push_finding(CheckSeverity::Warning, "trailer_missing", message.into());
        } else if first.data != change.record.version {
            let message = format!("it names data version {}, the commit's is {}", first.data, change.record.version);
            push_finding(CheckSeverity::Error, "trailer_false", message);
        } else if let Some(why) = self.explain_false(first, change)? {
            push_finding(CheckSeverity::Error, "trailer_false", why);
        }
        Ok(())
    }

    /// Why a record of all runs of a commit is not true; `None` if it is, or if this clone cannot know.
    fn explain_false(&self, recorded: &AllRunsTrailer, change: &DatasetCommit) -> Result<Option<String>, ProjectError> {
        if change.partial {
            return Ok(None);
        }
        let count = change.introduced.len() as u64;
        if recorded.count != count {
            return Ok(Some(format!(
                "it names {}, the commit introduces {}",
                format_plural(recorded.count, "run"),
                format_plural(count, "run")
            )));
        }
        if recorded.sha256.is_none() {
            return Ok(None);
        }
        let actual = self.hash_runs(change)?;
        // Without all of the data nothing is proven.
        Ok((actual.is_some() && actual != recorded.sha256)
            .then(|| format!("the {} have another SHA-256", format_plural(count, "run"))))
    }

    /// The SHA-256 of all runs that a commit introduces; `None` if not all of their data is in this clone.
    fn hash_runs(&self, change: &DatasetCommit) -> Result<Option<String>, ProjectError> {
        if let Some(known) = self.actual.borrow().get(&change.commit.id) {
            return Ok(known.clone());
        }
        let records = read_run_records(self.project, &change.record, &change.introduced, self.reporter)?;
        let sha256 = records.all_runs_trailer(&change.record).sha256;
        self.actual.borrow_mut().insert(change.commit.id.clone(), sha256.clone());
        Ok(sha256)
    }

    /// Whether nothing more is to be said of runs that no trailer names: many get one finding.
    pub(super) fn check_named(
        &self,
        change: &DatasetCommit,
        records: &[RunTrailers],
        findings: &mut Vec<CheckFinding>,
    ) -> bool {
        if !records.is_empty() || change.introduced.len() <= MOST_NAMED {
            return false;
        }
        let runs = format_plural(change.introduced.len() as u64, "run");
        findings.push(CheckFinding {
            severity: CheckSeverity::Warning,
            code: "trailer_missing",
            commit: Some(change.commit.id.clone()),
            tag: None,
            run: None,
            message: format!("the commit introduces {runs}, but no trailer stands for them"),
        });
        true
    }

    /// Whether nothing more is to be said of the tags of a commit's runs: one stands for all, or the lack of it was noted.
    pub(super) fn check_tagged(
        &self,
        change: &DatasetCommit,
        has_own_tag: impl Fn(&RunKey) -> bool,
        findings: &mut Vec<CheckFinding>,
    ) -> Result<bool, ProjectError> {
        let id = &change.commit.id;
        let version = change.record.version;
        let tag = self.history.version_tags.iter().find(|tag| tag.record.data == version);
        let has_many = change.introduced.len() as u64 > self.project.read_config()?.tag.max_runs;
        let message = match tag {
            Some(tag) if tags::is_left_behind(self.project, &tag.tag, Some(id))? => {
                format!("the commit of {} is on no branch; to move the tag: `capture-hook tag --all`", tag.tag.name)
            }
            Some(_) => return Ok(true),
            None if has_many && !change.introduced.iter().all(has_own_tag) => {
                let runs = format_plural(change.introduced.len() as u64, "run");
                format!("no tag stands for the {runs} of the commit; to make one: `capture-hook tag --all`")
            }
            None => return Ok(false),
        };
        findings.push(CheckFinding {
            severity: CheckSeverity::Warning,
            code: "tag_missing",
            commit: Some(id.clone()),
            tag: None,
            run: None,
            message,
        });
        Ok(true)
    }

    /// Whether a version tag says what is so of its commit.
    pub(super) fn check_tag(&self, tag: &VersionTag) -> Result<Option<CheckFinding>, ProjectError> {
        let Some(commit) = &tag.tag.commit else { return Ok(None) };
        let version = self.project.dataset_record(&GitTree::Commit(commit.clone()))?.map(|record| record.version);
        let change = self.history.dataset_commits.iter().find(|change| change.commit.id == *commit);
        let why = match (version, change) {
            (None, _) => Some("its commit holds no data version".to_owned()),
            (Some(version), _) if version != tag.record.data => {
                Some(format!("it names data version {}, the commit's is {version}", tag.record.data))
            }
            (Some(_), Some(change)) => self.explain_false(&tag.record, change)?,
            (Some(_), None) => None,
        };
        Ok(why.map(|message| CheckFinding {
            severity: CheckSeverity::Error,
            code: "tag_false",
            commit: Some(commit.clone()),
            tag: Some(tag.tag.name.clone()),
            run: None,
            message,
        }))
    }
}

//! What the hooks check, without hooks: that commits, trailers and tags are true, and their data on the remote.

use std::collections::{HashMap, HashSet};

use super::{Change, History, Record};
use crate::commit::tags::RunTag;
use crate::dataset::file_lists::FetchedLists;
use crate::dataset::get::RetrieveError;
use crate::dvc::hash::DataVersion;
use crate::dvc::remote::missing;
use crate::dvc::{lockfile, stage};
use crate::git::{Commit, Oid, Range, UNSHALLOW};
use crate::history;
use crate::project::state::run_of;
use crate::project::{Hear, Project, ProjectError, Source, config};
use crate::run::RunKey;
use crate::support::process::quoted;
use crate::validate::Ignored;

/// The files that decide what a commit selects and holds.
const DECIDING: [&str; 4] = [lockfile::FILE, stage::FILE, stage::PARAMS_FILE, config::FILE];

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Something claims what is not so.
    Error,
    /// Worth a look.
    Warning,
}

/// Something that is claimed and is not so, or is worth a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// How bad it is.
    pub weight: Weight,
    /// What it is about, stable.
    pub code: &'static str,
    /// The commit.
    pub commit: Option<Oid>,
    /// The tag.
    pub tag: Option<String>,
    /// The run.
    pub run: Option<RunKey>,
    /// In words.
    pub message: String,
}

/// What was looked at and found.
#[derive(Debug, Default)]
pub struct Proof {
    /// Commits.
    pub commits: u64,
    /// Tags.
    pub tags: u64,
    /// Whether the remote was asked.
    pub remote: bool,
    /// Findings, oldest commit last.
    pub claims: Vec<Claim>,
}

impl Project {
    /// Proves the commits of a range and the run tags on them; with `remote`, that their data is on the DVC remote.
    pub fn prove(&self, range: &Range, remote: bool, hear: &dyn Hear) -> Result<Proof, RetrieveError> {
        let mut proof = Proof { remote, ..Proof::default() };
        let mut commits = self.repo.walk(range).map_err(ProjectError::from)?;
        let deciding = DECIDING.map(|file| self.git_path(file));
        self.repo.bring_files(&commits, &deciding).map_err(ProjectError::from)?;
        let foreign = self.foreign(&commits)?;
        if !foreign.is_empty() {
            hear.status(&format!("left out: commits of another project's history, merged in: {}", foreign.len()));
        }
        commits.retain(|id| !foreign.contains(id));
        let mut lists = FetchedLists::new(self, hear)?;
        for id in &commits {
            lists.fetch_for(id)?;
        }
        lists.rebuild()?;
        let history = self.history_of(range)?;
        for tag in &history.tags {
            if history.changes.iter().any(|change| change.brought.contains(&tag.name.run)) {
                lists.fetch_at(tag.tag.commit.as_ref())?;
            }
        }
        let ends = self.repo.shallow_ends().map_err(ProjectError::from)?;
        let changes: HashMap<&Oid, &Change> = history.changes.iter().map(|c| (&c.commit.id, c)).collect();
        let mut seen = HashSet::new();
        for id in &commits {
            proof.commits += 1;
            let commit = self.repo.commit(id).map_err(ProjectError::from)?;
            // What decides is in four files: the same four need no second look.
            if seen.insert(self.deciding(id)?) {
                proof.claims.extend(self.selection_claims(id, &history)?);
            }
            if ends.contains(id) {
                let message =
                    format!("the clone is shallow: what came before this commit was not looked at; {UNSHALLOW}");
                proof.claims.push(Claim {
                    weight: Weight::Warning,
                    code: "shallow",
                    commit: Some(id.clone()),
                    tag: None,
                    run: None,
                    message,
                });
                continue;
            }
            self.trailer_claims(&commit, changes.get(id).copied(), &history, &lists, &mut proof.claims)?;
            let change = changes.get(id).copied();
            self.loss_claims(&commit, change, &mut lists, &mut proof.claims)?;
            if let Some(change) = change {
                proof.claims.extend(self.ignored_claims(change, &history)?);
            }
        }
        for tag in history.tags.iter().filter(|tag| tag.tag.commit.as_ref().is_some_and(|c| commits.contains(c))) {
            proof.tags += 1;
            proof.claims.extend(self.tag_claim(tag, &history)?);
        }
        if let Some(head) = self.repo.head().map_err(ProjectError::from)?.filter(|head| commits.contains(head)) {
            proof.claims.extend(self.recorded_claim(&head)?);
        }
        if remote {
            self.remote_claims(&history, &mut proof.claims)?;
        }
        Ok(proof)
    }

    fn deciding(&self, commit: &Oid) -> Result<Vec<Option<Oid>>, ProjectError> {
        let entry = |file| Ok(self.repo.entry_at(commit, &self.git_path(file))?.map(|entry| entry.id));
        DECIDING.iter().map(|file| entry(file)).collect()
    }

    /// Whether `params.yaml` and `dvc.lock` of a commit agree.
    fn selection_claims(&self, commit: &Oid, history: &History) -> Result<Vec<Claim>, ProjectError> {
        let claim = |code, message: String| Claim {
            weight: Weight::Error,
            code,
            commit: Some(commit.clone()),
            tag: None,
            run: None,
            message,
        };
        let state = match self.state(&Source::Commit(commit.clone())) {
            Ok(state) => state,
            Err(error @ (ProjectError::Lock(_) | ProjectError::Stage(_) | ProjectError::Config(_))) => {
                return Ok(vec![claim("unreadable", error.to_string())]);
            }
            Err(ProjectError::Fs(error)) if error.refused().is_some() => {
                return Ok(vec![claim("unreadable", format!("{error}: {}", error.source))]);
            }
            Err(error) => return Err(error),
        };
        if state.agrees() {
            let message = "dvc.lock was made with other patterns than ingest.include of capture-hook.toml holds".into();
            let stale = Claim { weight: Weight::Warning, ..claim("include_not_ingested", message) };
            return Ok(if state.include_agrees() { Vec::new() } else { vec![stale] });
        }
        let wanted = state.run_dir().unwrap_or_default();
        let message = match &state.locked {
            None => format!("params.yaml selects {wanted}, and dvc.lock holds no data version"),
            Some(locked) if locked.run_dir.as_deref() != Some(wanted) => format!(
                "params.yaml selects {wanted}, dvc.lock was made from {}",
                locked.run_dir.as_deref().unwrap_or("no run")
            ),
            Some(_) => "dvc.lock was made by another command or for another directory than dvc.yaml names".into(),
        };
        let gap = claim("selection_not_ingested", message);
        Ok(vec![match self.ingested_later(commit, wanted, history)? {
            Some(later) => {
                let message = format!("{}; {} ingested the run later", gap.message, later.short());
                Claim { weight: Weight::Warning, message, ..gap }
            }
            None => gap,
        }])
    }

    /// The first commit after this one that holds the run of a directory which this one selects, and does not hold itself.
    fn ingested_later(&self, commit: &Oid, run_dir: &str, history: &History) -> Result<Option<Oid>, ProjectError> {
        let runs: Vec<RunKey> = history.all_runs().into_keys().collect();
        let run = run_of(run_dir, &runs);
        for change in history.changes.iter().rev().filter(|change| change.commit.id != *commit) {
            let locked = &change.locked;
            let selected = locked.run_dir.as_deref() == Some(run_dir);
            let holds = selected || run.as_ref().is_some_and(|run| history.holds(locked.version, run) == Some(true));
            if holds && self.repo.reaches(&change.commit.id, commit)? {
                return Ok(Some(change.commit.id.clone()));
            }
        }
        Ok(None)
    }

    /// Whether the run that HEAD selects was recorded anew, where this clone has its directory. Nothing that the commit says
    /// is false then, and the new recording is in no commit all the same.
    fn recorded_claim(&self, head: &Oid) -> Result<Option<Claim>, ProjectError> {
        let Ok(state) = self.state(&Source::Commit(head.clone())) else { return Ok(None) };
        let (Some(run_dir), Some(locked), true) = (state.run_dir(), &state.locked, state.agrees()) else {
            return Ok(None);
        };
        let held = self.held(locked.version, run_dir)?;
        Ok(held.lack().map(|lack| Claim {
            weight: Weight::Warning,
            code: "recorded_anew",
            commit: Some(head.clone()),
            tag: None,
            run: None,
            message: format!("{run_dir} was recorded anew: {lack}: `capture-hook publish {}`", quoted(run_dir)),
        }))
    }

    /// Whether a commit's trailers say what it brings, no more and no less.
    fn trailer_claims(
        &self,
        commit: &Commit,
        change: Option<&Change>,
        history: &History,
        lists: &FetchedLists<'_>,
        claims: &mut Vec<Claim>,
    ) -> Result<(), ProjectError> {
        let records = history::parse(&commit.message);
        let mut claim = |weight, code, run: &RunKey, message: String| {
            let (commit, run) = (Some(commit.id.clone()), Some(run.clone()));
            claims.push(Claim { weight, code, commit, tag: None, run, message });
        };
        let locked = match change {
            Some(change) => Some(change.locked.clone()),
            None => self.lenient(&commit.id)?,
        };
        for record in &records {
            if locked.as_ref().map(|locked| locked.version) != Some(record.data)
                && self.is_of_another(record.data, &commit.id)?
            {
                continue;
            }
            // A squashed commit carries the trailers of what went into it: older versions may still be named.
            let Some(why) = locked.as_ref().map_or_else(
                || Some("the commit holds no data version".to_owned()),
                |locked| self.why_false(record, locked.version, history),
            ) else {
                continue;
            };
            claim(Weight::Error, "trailer_false", &record.run, why);
        }
        let Some(change) = change else { return Ok(()) };
        if change.partial {
            for (version, why) in lists.missing_for(&commit.id)? {
                claims.push(Claim {
                    weight: Weight::Warning,
                    code: "not_in_clone",
                    commit: Some(commit.id.clone()),
                    tag: None,
                    run: None,
                    message: format!(
                        "what the commit brings is not known without the list of files of {version}: {why}"
                    ),
                });
            }
        }
        let mut claim = |weight, code, run: &RunKey, message: String| {
            let (commit, run) = (Some(commit.id.clone()), Some(run.clone()));
            claims.push(Claim { weight, code, commit, tag: None, run, message });
        };
        for run in &change.brought {
            if !records.iter().any(|record| record.run == *run) {
                let message = "the commit brings the run, and no trailer says so".into();
                claim(Weight::Warning, "trailer_missing", run, message);
            }
            let mut tags = history.tags_of(run);
            tags.retain(|tag| self.names_data(tag, change.locked.version, history));
            let mut left_behind = None;
            for tag in &tags {
                if !self.is_left_behind(tag, Some(&commit.id))? {
                    left_behind = None;
                    break;
                }
                left_behind = Some(&tag.tag.name);
            }
            if let Some(tag) = left_behind {
                let message = format!("no branch holds the commit of {tag}: `capture-hook tag --all` moves it");
                claim(Weight::Warning, "tag_missing", run, message);
            } else if tags.is_empty() {
                let message = "no tag names this data of the run: `capture-hook tag --all` makes it".into();
                claim(Weight::Warning, "tag_missing", run, message);
            }
        }
        Ok(())
    }

    /// The runs of a parent's dataset that a commit's does not hold: of a merge, whichever side they were on.
    fn loss_claims(
        &self,
        commit: &Commit,
        change: Option<&Change>,
        lists: &mut FetchedLists<'_>,
        claims: &mut Vec<Claim>,
    ) -> Result<(), ProjectError> {
        let mut warn = |code, run: Option<RunKey>, message: String| {
            let (commit, weight) = (Some(commit.id.clone()), Weight::Warning);
            claims.push(Claim { weight, code, commit, tag: None, run, message });
        };
        let gone = match change {
            _ if commit.parents.len() > 1 => {
                let source = Source::Commit(commit.id.clone());
                let loss = self.loss(&source, &commit.parents, &mut |version| lists.fetch(version))?;
                // Of a commit that changes the dataset, that was said.
                for version in loss.unknown.iter().filter(|_| change.is_none()) {
                    let why = lists.why_missing(*version).unwrap_or("it is not in this clone");
                    let message =
                        format!("what the merge drops is not known without the list of files of {version}: {why}");
                    warn("not_in_clone", None, message);
                }
                loss.runs.into_iter().collect()
            }
            Some(change) => change.gone.clone(),
            None => Vec::new(),
        };
        for run in gone {
            let message = "a parent of the commit holds the run, the commit does not".into();
            warn("run_lost", Some(run), message);
        }
        Ok(())
    }

    /// What validation ignored of the runs that a commit brings: by their own record, else, as far as the commit's settings
    /// tell, what it may have ignored.
    fn ignored_claims(&self, change: &Change, history: &History) -> Result<Vec<Claim>, ProjectError> {
        let commit = &change.commit.id;
        let mut claims = Vec::new();
        for run in &change.brought {
            let entries = history.entries(change.locked.version, run).unwrap_or_default();
            let message = match self.ignored_in(run, &change.locked, &entries)? {
                Some(ignored) => Ignored::words(&ignored).map(|ignored| format!("the run's validation {ignored}")),
                None => match self.config_at(&Source::Commit(commit.clone()))?.validate.ignore {
                    codes if codes.is_empty() => None,
                    codes => Some(format!(
                        "{} of the commit ignores {}; whether the run has such findings is not known in this clone",
                        config::FILE,
                        codes.join(", ")
                    )),
                },
            };
            claims.extend(message.map(|message| Claim {
                weight: Weight::Warning,
                code: "findings_ignored",
                commit: Some(commit.clone()),
                tag: None,
                run: Some(run.clone()),
                message,
            }));
        }
        Ok(claims)
    }

    /// Why a record is not true of a data version; `None` where it is, or cannot be told here.
    fn why_false(&self, record: &Record, version: DataVersion, history: &History) -> Option<String> {
        if record.data != version {
            if history.same(record.data, version, &record.run) {
                return None;
            }
            return Some(format!("it names data version {}, the commit's is {version}", record.data));
        }
        let entries = history.entries(version, &record.run)?;
        if entries.is_empty() {
            return Some(format!("data version {version} does not hold the run"));
        }
        let locked = crate::project::Locked {
            version,
            out_dir: String::new(),
            run_dir: None,
            size: None,
            nfiles: None,
            cmd: String::new(),
            include: None,
        };
        let is = self.record_of(&record.run, &locked, &entries).ok()?;
        let differs = |said: &Option<String>, is: &Option<String>| said.is_some() && is.is_some() && said != is;
        if differs(&record.manifest, &is.manifest) {
            return Some("the manifest's SHA-256 is another one".into());
        }
        if differs(&record.config, &is.config) {
            return Some("the configuration's hash is another one".into());
        }
        None
    }

    fn names_data(&self, tag: &RunTag, version: DataVersion, history: &History) -> bool {
        let at = tag.tag.commit.as_ref().and_then(|commit| self.version_at(commit).ok().flatten());
        let Some(at) = at.or_else(|| tag.record.as_ref().map(|record| record.data)) else { return false };
        history.same(at, version, &tag.name.run)
    }

    /// Whether a run's tag names a commit that holds the run, and says what is so.
    fn tag_claim(&self, tag: &RunTag, history: &History) -> Result<Option<Claim>, ProjectError> {
        let claim = |message: String| {
            Some(Claim {
                weight: Weight::Error,
                code: "tag_false",
                commit: tag.tag.commit.clone(),
                tag: Some(tag.tag.name.clone()),
                run: Some(tag.name.run.clone()),
                message,
            })
        };
        let Some(commit) = &tag.tag.commit else { return Ok(None) };
        let Some(version) = self.version_at(commit)? else {
            return Ok(claim("the commit that it names holds no data version".into()));
        };
        if history.holds(version, &tag.name.run) == Some(false) {
            return Ok(claim(format!("data version {version} of its commit does not hold the run")));
        }
        Ok(tag.record.as_ref().and_then(|record| self.why_false(record, version, history)).and_then(claim))
    }

    fn remote_claims(&self, history: &History, claims: &mut Vec<Claim>) -> Result<(), RetrieveError> {
        let mut commits: HashMap<DataVersion, &Oid> = HashMap::new();
        for change in &history.changes {
            commits.insert(change.locked.version, &change.commit.id);
        }
        let mut versions: Vec<DataVersion> = commits.keys().copied().collect();
        versions.sort();
        let claim = |code, commit: Option<Oid>, message: String| Claim {
            weight: Weight::Error,
            code,
            commit,
            tag: None,
            run: None,
            message,
        };
        let lacks = match self.remote_lacks(&versions) {
            Ok(Some(lacks)) => lacks,
            Ok(None) => {
                let message = "no DVC remote is set: `dvc remote add -d storage URL`".into();
                claims.push(claim("data_missing", None, message));
                return Ok(());
            }
            Err(RetrieveError::Absent(absent)) => {
                claims.push(claim("remote_absent", None, format!("{absent}: {}", absent.hints().join("; "))));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let lacking: Vec<DataVersion> = lacks.keys().copied().collect();
        let here = missing::lacking_here(self.dvc_settings()?, &lacking)?;
        for (version, lack) in lacks {
            let files = match lack.files.as_slice() {
                [] => "its list of files is not on the remote".to_owned(),
                [only] => format!("{only} is not on the remote"),
                [first, rest @ ..] => format!("{first} and {} more are not on the remote", rest.len()),
            };
            let commit = commits.get(&version).copied();
            let way_out = match commit {
                Some(commit) if !lack.is_nowhere(here.get(&version)) => {
                    format!("`capture-hook push {}` sends it", quoted(commit.short()))
                }
                _ => "nor in this clone: the one that has it can send it by `capture-hook push --all`".into(),
            };
            let message = format!("data version {version}: {files}; {way_out}");
            claims.push(claim("data_missing", commit.cloned(), message));
        }
        Ok(())
    }
}

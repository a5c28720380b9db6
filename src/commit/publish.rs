//! A commit of runs made from here, not by the user's own `git commit`, and the push behind it.

use std::path::PathBuf;

use super::{Recorded, Stop, Undo};
use crate::dvc::link::hash;
use crate::error::{Error, ExitKind};
use crate::git::{GitError, Range};
use crate::project::dir::Workspace;
use crate::project::{Hear, Locked, Project, ProjectError, Source};
use crate::run::RunKey;
use crate::run::layout::RUN_JSON;
use crate::support::heard::Said;
use crate::support::process::{Cmd, Output, quoted};
use crate::support::visible::visible;

/// What a commit of runs came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The runs.
    pub runs: Vec<RunKey>,
    /// What `dvc.lock` says now.
    pub locked: Locked,
    /// Whether a commit was made; none is where everything was committed already.
    pub committed: bool,
}

/// Recorded runs that are not committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRuns {
    /// Their directories, in the order in which they were recorded.
    pub runs: Vec<PathBuf>,
    /// What is left out, each in words.
    pub left_out: Vec<String>,
}

/// Where a branch is pushed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Git knows by itself.
    Upstream,
    /// To this remote, which becomes the branch's upstream.
    Remote(String),
    /// There is no remote.
    None,
}

impl Project {
    /// Puts these runs into the dataset and commits them through the user's hooks, all or none. With `force`, committed
    /// runs get derived files anew.
    pub fn publish(
        &mut self,
        place: &Workspace,
        runs: &[PathBuf],
        message: Option<&str>,
        force: bool,
        hear: &dyn Hear,
    ) -> Result<Published, Error> {
        let params = place.params_file()?;
        self.takes(&[crate::dvc::lockfile::FILE, &params])?;
        self.repo.await_head(&|line| hear.status(line)).map_err(ProjectError::from)?;
        self.share_cache(hear)?;
        let head = self.repo.head().map_err(ProjectError::from)?;
        let mut undo = Undo::new(self);
        undo.keep(&params)?;
        undo.keep(crate::dvc::lockfile::FILE)?;
        undo.keep_views()?;
        let done = self.put_and_commit(place, runs, (message, force), &mut undo, hear);
        // A commit that is made stays, whatever failed after it.
        if done.is_err() && self.repo.head().map_err(ProjectError::from)? == head {
            undo.undo(&mut self.repo, hear);
        }
        done
    }

    fn put_and_commit(
        &mut self,
        place: &Workspace,
        runs: &[PathBuf],
        (message, force): (Option<&str>, bool),
        undo: &mut Undo,
        hear: &dyn Hear,
    ) -> Result<Published, Error> {
        let before = self.locked(&Source::WorkTree)?.map(|before| before.version);
        let (runs, locked) = self.put_all(place, runs, force, undo, hear)?;
        let paths = self.stage_selection(undo, hear)?;
        let committed = self.commit(&paths, &runs, message, hear)?;
        self.note_runs_added(before, locked.version)?;
        Ok(Published { runs, locked, committed })
    }

    fn put_all(
        &self,
        place: &Workspace,
        runs: &[PathBuf],
        force: bool,
        undo: &mut Undo,
        hear: &dyn Hear,
    ) -> Result<(Vec<RunKey>, Locked), Error> {
        // All are judged before the first one changes anything.
        runs.iter().try_for_each(|run| place.run_dir(run).map(drop))?;
        let recorded = runs.iter().map(|run| self.recorded(&place.shown(run), hear));
        let recorded: Vec<Recorded> = recorded.collect::<Result<_, Stop>>()?;
        // All at once, however many: DVC looks at the whole dataset each time.
        let at_once = if self.puts_many()? { recorded.len().max(1) } else { 1 };
        let mut last = None;
        for (paths, runs) in runs.chunks(at_once).zip(recorded.chunks(at_once)) {
            if let Some(selected) = paths.last() {
                place.select(selected)?;
                last = Some(self.put(runs, force, undo, hear)?);
            }
        }
        Ok((recorded.into_iter().map(|run| run.key).collect(), last.ok_or(Stop::NothingSelected)?))
    }

    /// Commits these paths and nothing else that is staged.
    fn commit(&self, paths: &[String], runs: &[RunKey], message: Option<&str>, hear: &dyn Hear) -> Result<bool, Error> {
        let differs = ["--literal-pathspecs", "diff", "--cached", "--quiet", "HEAD", "--"].map(str::to_owned);
        let unborn = self.repo.head()?.is_none();
        if !unborn && self.repo.query(differs.into_iter().chain(paths.iter().cloned()))?.success() {
            return Ok(false);
        }
        let message = message.map_or_else(|| subject(runs), str::to_owned);
        let commit = ["--literal-pathspecs", "commit", "-q", "-m", &message, "--"].map(str::to_owned);
        self.relayed(self.repo.cmd(commit.into_iter().chain(paths.iter().cloned())), hear)?;
        Ok(true)
    }

    /// A call of git, what it and its hooks say told as they say it; a failure does not tell it again.
    fn relayed(&self, call: Cmd, hear: &dyn Hear) -> Result<(), GitError> {
        let mut relay = |said: Said<'_>| {
            if let Said::Line(line) = said {
                hear.relay(line);
            }
        };
        // A commit may be signed, and the remote may want a password.
        let call = call.may_ask();
        let output = call.heard(self.repo.env(), &mut relay)?;
        if output.success() { Ok(()) } else { Err(call.failed(&Output { stderr: Vec::new(), ..output }).into()) }
    }

    /// Where `git push` would send the checked-out branch.
    pub fn push_target(&self) -> Result<Target, ProjectError> {
        if self.repo.query(["rev-parse", "--verify", "--quiet", "@{upstream}"])?.success() {
            return Ok(Target::Upstream);
        }
        if let Some(remote) = self.repo.config("remote.pushDefault")? {
            return Ok(Target::Remote(remote));
        }
        let text = self.repo.query(["remote"])?.text();
        let remotes: Vec<&str> = text.lines().collect();
        let chosen =
            remotes.iter().find(|name| **name == "origin").or(if remotes.len() == 1 { remotes.first() } else { None });
        Ok(chosen.map_or(Target::None, |name| Target::Remote((*name).to_owned())))
    }

    /// Pushes the checked-out branch with the tags on it.
    pub fn git_push(&self, target: &Target, hear: &dyn Hear) -> Result<(), Error> {
        let mut args = vec!["push".to_owned(), "--follow-tags".into()];
        match target {
            Target::None => return Ok(()),
            Target::Upstream => {}
            Target::Remote(remote) => args.extend(["-u".into(), "--".into(), remote.clone(), "HEAD".into()]),
        }
        self.relayed(self.repo.cmd(args), hear).map_err(|error| {
            Error::from(error)
                .hint("commit and data are safe: when the cause is mended, `git push --follow-tags` does the rest")
        })
    }

    /// What the checked-out commit needs that no git remote has yet.
    pub fn unpushed(&self) -> Result<Range, ProjectError> {
        let include = self.repo.head()?.into_iter().collect();
        Ok(Range { include, exclude: Vec::new(), exclude_refs: vec!["refs/remotes/*".into()] })
    }
}

/// A commit's first line.
fn subject(runs: &[RunKey]) -> String {
    match runs {
        [run] => format!("Capture {}", visible(run)),
        runs => {
            let mut experiments: Vec<&str> = runs.iter().map(RunKey::experiment).collect();
            experiments.dedup();
            format!("Capture {} runs of {}", runs.len(), visible(experiments.join(", ")))
        }
    }
}

impl Project {
    /// The recorded runs that HEAD's data version does not hold.
    pub fn new_runs(&self, place: &Workspace) -> Result<NewRuns, Error> {
        let head = match self.repo.head()? {
            Some(id) => self.locked(&crate::project::Source::Commit(id))?,
            None => None,
        };
        let held = match &head {
            Some(head) => self.listing_fetched(head.version)?,
            None => crate::dvc::file_list::Listing::default(),
        };
        let found = place.discover()?;
        let mut new = NewRuns { runs: Vec::new(), left_out: found.left_out.iter().map(ToString::to_string).collect() };
        let mut runs = place.distinct(found.runs)?;
        runs.retain(|run| {
            let Some(key) = run.key.as_ref().filter(|key| !held.run(key).is_empty()) else { return true };
            // The recorder writes when a run began: its `run.json` tells one recording from another.
            let committed = held.get(&format!("{key}/{RUN_JSON}")).map(|entry| entry.md5);
            let recorded = hash(&run.dir.join(RUN_JSON)).ok().map(|(md5, _)| md5);
            if committed.is_some() && committed != recorded {
                let (dir, name) = (place.shown(&run.dir), key.to_string());
                new.left_out.push(format!(
                    "left out: {dir} is not the {name} that is committed; `capture-hook publish {}` replaces that one",
                    quoted(&dir)
                ));
            }
            false
        });
        runs.sort_by(|a, b| (&a.start, &a.key).cmp(&(&b.start, &b.key)));
        for run in runs {
            match place.run_dir(&run.dir) {
                Ok(_) => new.runs.push(run.dir),
                Err(error) => new.left_out.push(format!("left out: {error}")),
            }
        }
        Ok(new)
    }

    /// The error for a command that must not run in the middle of another operation.
    pub fn nothing_under_way(&self) -> Result<(), Error> {
        match self.repo.operation() {
            None | Some(crate::git::Operation::Bisect) => Ok(()),
            Some(operation) => {
                let what = format!("{operation:?}").to_lowercase();
                Err(Error::new(ExitKind::Setup, "operation_under_way", format!("git is in the middle of a {what}"))
                    .hint("finish or abort it first: `git status` says how"))
            }
        }
    }
}

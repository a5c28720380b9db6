//! The step of `status` that tells whether the commit is on git's remote and its data on DVC's.

use crate::dataset::get::RetrieveError;
use crate::dvc::absent::AbsentRemote;
use crate::dvc::hash::DataVersion;
use crate::dvc::remote::missing;
use crate::git::Oid;
use crate::history::status::{Journey, Standing};
use crate::project::{Project, ProjectError};

const STEP: &str = "pushed";

/// Where the data is, as far as can be told without the network.
enum Data {
    NoRemote,
    Absent(AbsentRemote),
    There,
    /// Not all of it is there; whether this clone has the rest.
    Lacks {
        here: bool,
    },
    /// This clone sent it, to a remote that only DVC can ask.
    Sent,
    Unknown,
}

/// Where the commit is.
#[derive(PartialEq, Eq)]
enum Commit {
    NoRemote,
    Pushed,
    NotPushed,
}

impl Project {
    /// Looks at the remotes of git and DVC.
    pub(crate) fn look_at_remotes(
        &self,
        way: &mut Journey,
        version: Option<DataVersion>,
        committed: Option<&Oid>,
    ) -> Result<(), RetrieveError> {
        if let Some(why) = self.uncommitted_remote()? {
            way.notes.push(format!("{why}: {}", why.hint()));
        }
        let (Some(head), Some(version)) = (committed, version) else {
            way.step(STEP, Standing::Pending, "not committed yet");
            return Ok(());
        };
        let data = self.where_data_is(version)?;
        let commit = if self.repo.query(["remote"]).map_err(ProjectError::from)?.text().is_empty() {
            Commit::NoRemote
        } else if self.repo.on_a_remote(head).map_err(ProjectError::from)? {
            Commit::Pushed
        } else {
            Commit::NotPushed
        };
        tell(way, &data, &commit);
        Ok(())
    }

    fn where_data_is(&self, version: DataVersion) -> Result<Data, RetrieveError> {
        let settings = self.dvc_settings()?;
        let Some(remote) = settings.remote() else { return Ok(Data::NoRemote) };
        if remote.dir.is_none() {
            return Ok(if self.was_sent(remote, version) { Data::Sent } else { Data::Unknown });
        }
        let lacks = match self.remote_lacks(&[version]) {
            Err(RetrieveError::Absent(absent)) => return Ok(Data::Absent(absent)),
            lacks => lacks?.unwrap_or_default(),
        };
        let Some(lack) = lacks.get(&version) else { return Ok(Data::There) };
        let here = missing::lacking_here(settings, &[version])?;
        Ok(Data::Lacks { here: !lack.is_nowhere(here.get(&version)) })
    }
}

fn tell(way: &mut Journey, data: &Data, commit: &Commit) {
    let not_pushed = *commit == Commit::NotPushed;
    let (of_data, mut standing) = match data {
        Data::NoRemote => {
            way.notes.push("no DVC remote is set, data stays on this machine: `capture-hook init --remote URL`".into());
            ("there is no DVC remote".into(), Standing::Unknown)
        }
        Data::Absent(absent) => {
            way.notes.extend(absent.hints());
            (absent.to_string(), Standing::Pending)
        }
        Data::There => ("on the DVC remote".into(), Standing::Done),
        Data::Sent => ("sent to the DVC remote".into(), Standing::Done),
        Data::Lacks { here: true } => ("not all on the DVC remote".into(), Standing::Pending),
        Data::Lacks { here: false } => {
            way.notes.push("the clone that has the data can send it: `capture-hook push --all` there".into());
            ("not all on the DVC remote, nor in this clone".into(), Standing::Pending)
        }
        Data::Unknown if not_pushed => ("goes with the push".into(), Standing::Pending),
        Data::Unknown => {
            ("not known to be on the DVC remote (`capture-hook check --remote` asks)".into(), Standing::Unknown)
        }
    };
    let of_git = match commit {
        Commit::NoRemote => "there is no remote",
        Commit::Pushed => "pushed",
        Commit::NotPushed => "not pushed",
    };
    if not_pushed {
        standing = Standing::Pending;
    } else if *commit == Commit::NoRemote && standing == Standing::Done {
        standing = Standing::Unknown;
    }
    match data {
        // Nothing that can be typed here sends it.
        Data::Absent(_) | Data::Lacks { here: false } => {}
        Data::Lacks { here: true } if !not_pushed => way.next("capture-hook push"),
        _ if not_pushed => way.next("git push --follow-tags"),
        _ => {}
    }
    way.step(STEP, standing, format!("data: {of_data}; git: {of_git}"));
}

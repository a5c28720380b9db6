//! The step of `status` that shows whether the commit is on git's remote and its data on DVC's.

use crate::dvc::absent::AbsentRemote;
use crate::dvc::hash::DataVersion;
use crate::dvc::remote::missing::OnRemoteDir;
use crate::git::Oid;
use crate::inspect::status::{RunStatus, StepState};
use crate::project::{Project, ProjectError};
use crate::setup::remote;
use crate::sync::push::RemoteDataError;
use crate::sync::push_target::push_target;
use crate::sync::sent;

const STEP: &str = "pushed";

/// Where the data is, as far as it is known without the network.
enum RemoteData {
    NoRemote,
    Absent(AbsentRemote),
    OnRemote,
    /// Not all of it is there; whether the rest is in this clone.
    Incomplete {
        rest_is_here: bool,
    },
    /// This clone sent it, to a remote that only DVC can ask.
    Uploaded,
    Unknown,
}

/// Where the commit is.
#[derive(PartialEq, Eq)]
enum CommitState {
    NoRemote,
    Pushed,
    NotPushed,
}

/// Looks at the remotes of git and DVC.
pub(super) fn check_pushed(
    project: &Project,
    status: &mut RunStatus,
    version: Option<DataVersion>,
    committed: Option<&Oid>,
) -> Result<(), RemoteDataError> {
    if let Some(uncommitted) = remote::find_uncommitted_remote(project)? {
        status.notes.push(format!("{uncommitted}: {}", uncommitted.hint()));
    }
    let (Some(head), Some(version)) = (committed, version) else {
        status.add_step(STEP, StepState::Pending, "not committed yet");
        return Ok(());
    };
    let data = find_remote_data(project, version)?;
    // Remotes first: without one, `NotPushed` would suggest a push that has no target.
    let commit = if project.repo.query_git(["remote"]).map_err(ProjectError::from)?.stdout_text().is_empty() {
        CommitState::NoRemote
    } else if project.repo.is_on_remote(head).map_err(ProjectError::from)? {
        CommitState::Pushed
    } else {
        CommitState::NotPushed
    };
    if let Some(command) = find_next_command(project, &data, &commit)? {
        status.suggest_next(command);
    }
    report_pushed(status, &data, &commit);
    Ok(())
}

fn find_remote_data(project: &Project, version: DataVersion) -> Result<RemoteData, RemoteDataError> {
    let settings = project.dvc_settings()?;
    let Some(remote) = settings.default_remote() else { return Ok(RemoteData::NoRemote) };
    // Asking such a remote would start DVC and use the network; `status` only looks at what this clone noted.
    let Some(dir) = &remote.dir else {
        return Ok(if sent::was_uploaded(project, remote, version) {
            RemoteData::Uploaded
        } else {
            RemoteData::Unknown
        });
    };
    if let Some(absent) = sent::find_absent_remote(project)? {
        return Ok(RemoteData::Absent(absent));
    }
    Ok(match project.dvc()?.find_on_remote_dir(dir, version)? {
        OnRemoteDir::All => RemoteData::OnRemote,
        OnRemoteDir::Incomplete { rest_is_here } => RemoteData::Incomplete { rest_is_here },
    })
}

/// The command that sends what is not sent yet.
fn find_next_command(
    project: &Project,
    data: &RemoteData,
    commit: &CommitState,
) -> Result<Option<String>, ProjectError> {
    let not_pushed = *commit == CommitState::NotPushed;
    Ok(match data {
        // Nothing that can be typed here sends it.
        RemoteData::Absent(_) | RemoteData::Incomplete { rest_is_here: false } => None,
        RemoteData::Incomplete { rest_is_here: true } if !not_pushed => Some("capture-hook push".into()),
        // A push is refused while its data can be sent nowhere.
        RemoteData::NoRemote if not_pushed => Some("capture-hook init --remote URL".into()),
        _ if not_pushed && project.repo.is_detached()? => Some("git switch -c BRANCH".into()),
        _ if not_pushed => push_target(project)?.command(),
        _ => None,
    })
}

fn report_pushed(status: &mut RunStatus, data: &RemoteData, commit: &CommitState) {
    let not_pushed = *commit == CommitState::NotPushed;
    let (data_text, mut state) = match data {
        RemoteData::NoRemote => {
            status.notes.push(
                "no DVC remote is set, so data stays on this machine; to set one: `capture-hook init --remote URL`"
                    .into(),
            );
            ("there is no DVC remote".into(), StepState::Unknown)
        }
        RemoteData::Absent(absent) => {
            status.notes.extend(absent.hints());
            (absent.to_string(), StepState::Pending)
        }
        RemoteData::OnRemote => ("on the DVC remote".into(), StepState::Done),
        RemoteData::Uploaded => ("sent to the DVC remote".into(), StepState::Done),
        RemoteData::Incomplete { rest_is_here: true } => ("not all on the DVC remote".into(), StepState::Pending),
        RemoteData::Incomplete { rest_is_here: false } => {
            status.notes.push("send the data from the clone that has it: `capture-hook push --all`".into());
            ("not all on the DVC remote, nor in this clone".into(), StepState::Pending)
        }
        RemoteData::Unknown if not_pushed => ("will be sent with the push".into(), StepState::Pending),
        RemoteData::Unknown => (
            "unknown whether it is on the DVC remote (to find out: `capture-hook check --remote`)".into(),
            StepState::Unknown,
        ),
    };
    let git_text = match commit {
        CommitState::NoRemote => "there is no remote",
        CommitState::Pushed => "pushed",
        CommitState::NotPushed => "not pushed",
    };
    // Sent data alone is not done: others need the commit to find it.
    if not_pushed {
        state = StepState::Pending;
    } else if *commit == CommitState::NoRemote && state == StepState::Done {
        state = StepState::Unknown;
    }
    status.add_step(STEP, state, format!("data: {data_text}; git: {git_text}"));
}

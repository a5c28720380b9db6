//! The last line of a list of runs: how many are in which state, and what is not in this clone.

use std::collections::{BTreeMap, HashMap};

use crate::app::App;
use crate::git::Oid;
use crate::history::History;
use crate::history::listed_runs::{ListedRun, ListedState};
use crate::support::text::{format_bytes, format_count, format_plural};

/// `12 runs: 8 committed, 3 new, 1 invalid`.
pub(super) fn sum_up(runs: &[ListedRun], history: &History) -> String {
    const ORDER: [ListedState; 7] = [
        ListedState::Committed,
        ListedState::Remote,
        ListedState::Ingested,
        ListedState::New,
        ListedState::Invalid,
        ListedState::Removed,
        ListedState::Erased,
    ];
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for run in runs {
        *counts.entry(run.state().as_str()).or_default() += 1;
    }
    let parts = ORDER.iter().filter_map(|state| {
        let count = counts.get(state.as_str())?;
        let size = if *state == ListedState::Remote { remote_size(runs, history) } else { String::new() };
        Some(format!("{} {}{size}", format_count(*count), state.as_str()))
    });
    format!("{}: {}", format_plural(runs.len() as u64, "run"), parts.collect::<Vec<_>>().join(", "))
}

/// How much data the remote runs have, in brackets, as far as `dvc.lock` says it.
fn remote_size(runs: &[ListedRun], history: &History) -> String {
    let mut by_commit: HashMap<&Oid, Vec<&ListedRun>> = HashMap::new();
    let (mut bytes, mut is_complete) = (0_u64, true);
    for run in runs.iter().filter(|run| run.state() == ListedState::Remote) {
        match (run.bytes, &run.commit) {
            (Some(own), _) => bytes = bytes.saturating_add(own),
            (None, Some(commit)) => by_commit.entry(&commit.id).or_default().push(run),
            (None, None) => is_complete = false,
        }
    }
    for (id, own) in by_commit {
        let change = own.first().and_then(|run| history.latest_commit(&run.key)).filter(|c| c.commit.id == *id);
        // All that the commit added is remote, so that its size is theirs.
        let added = change.filter(|change| change.introduced.len() == own.len());
        match added.and_then(|change| history.introduced_bytes(change)) {
            Some(added) => bytes = bytes.saturating_add(added),
            None => is_complete = false,
        }
    }
    match (bytes, is_complete) {
        (0, _) => " (size unknown)".into(),
        (bytes, true) => format!(" ({})", format_bytes(bytes)),
        (bytes, false) => format!(" ({} and more)", format_bytes(bytes)),
    }
}

/// Says how to get the data that is not in this clone.
pub(super) fn hint_at_fetch(app: &App, runs: &[ListedRun]) {
    let remote = runs.iter().filter(|run| run.state() == ListedState::Remote);
    let commands: Vec<&str> = remote.filter_map(|run| run.fetch.as_deref()).collect();
    let is_pull = |command: &&str| command.starts_with("capture-hook pull ");
    match commands.as_slice() {
        [] => {}
        [only] => app.ui.hint(&format!("fetch the data that is not in this clone with `{only}`")),
        all if all.iter().all(is_pull) => {
            app.ui.hint("fetch the data of a remote run with `capture-hook pull RUN`, of all with `capture-hook pull`");
        }
        all if all.iter().any(is_pull) => app.ui.hint(
            "fetch the data of a remote run with `capture-hook pull RUN`; of one that HEAD does not hold, with `capture-hook get RUN`",
        ),
        _ => app.ui.hint("fetch the data of a remote run with `capture-hook get RUN`"),
    }
}

//! What is not in the list: runs of which a filter cannot know whether they match, and those that this clone cannot name.

use std::collections::BTreeMap;

use crate::app::App;
use crate::history::listed_runs::ListedState;
use crate::history::new_runs::ScanLimit;
use crate::history::run_filter::{LeftOutRun, UnknownReason};
use crate::history::unlisted::UnlistedRuns;
use crate::output::json::{LeftOutReason, LeftOutRunJson};
use crate::support::text::{format_count, format_plural};

/// Says how many runs are left out, for each reason.
pub(super) fn report_left_out(app: &App, left_out: &[LeftOutRun]) {
    let mut counts: BTreeMap<&UnknownReason, u64> = BTreeMap::new();
    for reason in left_out.iter().flat_map(|run| &run.reasons) {
        *counts.entry(reason).or_default() += 1;
    }
    for (reason, count) in counts {
        let (runs, their) = if count == 1 {
            ("1 run is".into(), "its")
        } else {
            (format!("{} runs are", format_count(count)), "their")
        };
        app.ui.warn(&match reason {
            UnknownReason::NotKnown { key } => format!("{runs} left out: {their} `{key}` is not known"),
            UnknownReason::NotComparable { key, kind, with } => {
                format!("{runs} left out: {their} `{key}` is {kind}, not comparable with `{with}`")
            }
        });
    }
    let lacks = |state: ListedState| {
        let is_unknown = |reason: &UnknownReason| matches!(reason, UnknownReason::NotKnown { .. });
        left_out.iter().any(|run| run.state == state && run.reasons.iter().any(is_unknown))
    };
    if lacks(ListedState::Remote) || lacks(ListedState::Removed) {
        app.ui.hint("fetch data that is not in this clone with `capture-hook pull RUN`");
    }
    if lacks(ListedState::Invalid) {
        app.ui.hint("see what is wrong with an invalid run with `capture-hook validate RUN`");
    }
}

/// Says how many runs this clone cannot name.
pub(super) fn report_unlisted(app: &App, UnlistedRuns { commits, runs }: UnlistedRuns) {
    if commits == 0 {
        return;
    }
    let of_commits = format_plural(commits, "commit");
    let (which, list) = match runs {
        Some(1) => (format!("1 run of {of_commits} is"), "the file list that names it is"),
        Some(runs) => {
            (format!("{} of {of_commits} are", format_plural(runs, "run")), "the file lists that name them are")
        }
        None => (format!("runs of {of_commits} are"), "the file lists that name them are"),
    };
    app.ui.warn(&format!("{which} not listed: {list} not in this clone"));
    app.ui.hint("fetch the file lists, without the data, with `capture-hook check`");
}

/// Says of how many new runs the rows were not read.
pub(super) fn report_unread(app: &App, count: u64, limit: ScanLimit) {
    if count == 0 {
        return;
    }
    let runs = format_plural(count, "new run");
    if limit == ScanLimit::All {
        app.ui.warn(&format!("the rows of {runs} cannot be read"));
        app.ui.hint("see why with `capture-hook validate RUN`");
    } else {
        let them = if count == 1 { "it" } else { "them" };
        app.ui.status(&format!(
            "no figures yet of {runs}: to read {them} takes longer; all: `capture-hook runs --figures`"
        ));
    }
}

pub(super) fn left_out_json(left_out: &[LeftOutRun]) -> Vec<LeftOutRunJson> {
    let mut out = Vec::new();
    for run in left_out {
        for reason in &run.reasons {
            let (key, reason) = match reason {
                UnknownReason::NotKnown { key } => (key, LeftOutReason::NotKnown),
                UnknownReason::NotComparable { key, .. } => (key, LeftOutReason::NotComparable),
            };
            out.push(LeftOutRunJson { run: run.run.to_string(), key: key.clone(), reason });
        }
    }
    out
}

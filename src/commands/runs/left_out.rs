//! The runs of which a filter cannot know whether they match.

use std::collections::BTreeMap;

use crate::app::App;
use crate::history::listed_runs::ListedState;
use crate::history::run_filter::{LeftOutRun, UnknownReason};
use crate::output::json::{LeftOutReason, LeftOutRunJson};
use crate::support::text::format_count;

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
    if lacks(ListedState::New) {
        app.ui.hint("compute the figures of a run that is not ingested with `capture-hook show RUN`");
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

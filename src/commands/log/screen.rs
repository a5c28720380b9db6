//! The table of `log`: a line for each run, or one for a commit of many.

use std::collections::{BTreeMap, BTreeSet};

use anstyle::{AnsiColor, Style};

use crate::output::StyledText;
use crate::output::human::describe_runs;
use crate::output::json::{LogRunJson, LogVersionJson};
use crate::output::table::{Cell, ColumnStyle, TextTable, shorten_text, styled_cell};
use crate::support::text::{FEW, format_count, format_plural};
use crate::support::visible::escape_control;

/// The characters of a reason that a line has room for; `--json` has all of it.
const MOST_OF_A_REASON: usize = 60;

const YELLOW: Style = AnsiColor::Yellow.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default();
const DIM: Style = Style::new().dimmed();

/// How commits become rows.
pub(super) struct LogRows<'a> {
    /// The runs that were erased.
    pub erased: &'a BTreeSet<String>,
    /// Whether many runs of a commit are one row.
    pub folds: bool,
}

impl LogRows<'_> {
    /// Renders the commits, and says whether runs of any are one row. `merges` says of each whether it is a merge.
    pub(super) fn render_table(
        &self,
        versions: &[LogVersionJson],
        merges: &[bool],
        width: usize,
    ) -> (StyledText, bool) {
        let mut table = TextTable::new([
            ColumnStyle::Left("COMMIT"),
            ColumnStyle::Spare("DATE"),
            ColumnStyle::Left("RUN"),
            ColumnStyle::SpareRight("STEPS"),
            ColumnStyle::Spare("TAG"),
            ColumnStyle::Left("DATA"),
            ColumnStyle::Spare("CONFIG"),
        ]);
        let mut is_folded = false;
        for (version, is_merge) in versions.iter().zip(merges) {
            is_folded |= self.push_version(&mut table, version, *is_merge);
        }
        (table.render_text(width), is_folded)
    }

    fn push_version(&self, table: &mut TextTable<'_>, version: &LogVersionJson, is_merge: bool) -> bool {
        let commit = version.commit.get(..9).unwrap_or(&version.commit);
        // The date of a time in ISO 8601 (2026-11-24T02:15:50Z).
        let date = version.committed_at.get(..10).unwrap_or_default();
        let style = if version.on_head { YELLOW } else { DIM };
        let first_cells = || [styled_cell(commit, style), date.into()];
        let is_many = |count: usize| self.folds && count > FEW;
        if is_many(version.runs.len()) {
            table.push_row(first_cells().into_iter().chain(self.folded_cells(version)));
        } else {
            for run in &version.runs {
                table.push_row(first_cells().into_iter().chain(self.run_cells(version, run)));
            }
        }
        if is_many(version.removed.len()) {
            let runs = describe_runs(version.removed.iter().map(String::as_str));
            let notes = version.removed.iter().map(|run| self.removal_note(run).to_owned());
            table.push_row(first_cells().into_iter().chain([
                runs.into(),
                "".into(),
                "".into(),
                styled_cell(count_kinds(notes), RED),
            ]));
        } else {
            for run in &version.removed {
                let note = styled_cell(self.removal_note(run), RED);
                table.push_row(first_cells().into_iter().chain([run.into(), "".into(), "".into(), note]));
            }
        }
        if let Some(reason) = version.reason.as_ref().filter(|_| !version.removed.is_empty()) {
            let reason = format!("(reason: {})", shorten_text(&escape_control(reason), MOST_OF_A_REASON));
            table.push_note(first_cells().into_iter().chain([styled_cell(reason, DIM)]));
        }
        let is_empty = version.runs.is_empty() && version.removed.is_empty();
        let what = match (version.partial, version.run_count) {
            _ if !is_empty => is_merge.then(|| "(merge)".to_owned()),
            (true, Some(count)) => {
                Some(format!("({}; the list of them is not in this clone)", format_plural(count, "run")))
            }
            (true, None) if is_merge => Some("(merge; its data version is not in this clone)".into()),
            (true, None) => Some("(its data version is not in this clone)".into()),
            (false, _) if is_merge => Some("(merge)".into()),
            (false, _) => Some("(other files)".into()),
        };
        if let Some(what) = what {
            table.push_note(first_cells().into_iter().chain([styled_cell(what, DIM)]));
        }
        is_many(version.runs.len()) || is_many(version.removed.len())
    }

    fn run_cells(&self, version: &LogVersionJson, run: &LogRunJson) -> [Cell; 5] {
        let (data, style) = self.data_state(run);
        [
            (&run.run).into(),
            run.steps.map_or_else(|| "-".into(), format_count).into(),
            tag_number(version, run).into(),
            styled_cell(data, style),
            short_config(run).into(),
        ]
    }

    /// The cells of many runs: sums, and what is the same for all of them.
    fn folded_cells(&self, version: &LogVersionJson) -> [Cell; 5] {
        let runs = &version.runs;
        // The sum of all, or nothing: a sum of those that are known would look like it.
        let steps: Option<u64> = runs.iter().map(|run| run.steps).sum();
        let tags: BTreeSet<&str> = runs.iter().map(|run| tag_number(version, run)).collect();
        let untagged = runs.iter().filter(|run| tag_number(version, run) == "-").count();
        let tag = match tags.first() {
            Some(tag) if tags.len() == 1 => (*tag).to_owned(),
            _ if untagged > 0 => format!("{} of {}", runs.len() - untagged, runs.len()),
            _ => tags.into_iter().collect::<Vec<_>>().join(", "),
        };
        let style = runs.first().map(|run| self.data_state(run)).filter(|state| {
            // A mixture is worth a look.
            runs.iter().all(|run| self.data_state(run).0 == state.0)
        });
        let data = count_kinds(runs.iter().map(|run| self.data_state(run).0.to_owned()));
        let configs: BTreeSet<&str> = runs.iter().map(short_config).collect();
        let config = match configs.first() {
            Some(config) if configs.len() == 1 => (*config).to_owned(),
            _ => format!("{} kinds", configs.len()),
        };
        [
            describe_runs(runs.iter().map(|run| run.run.as_str())).into(),
            steps.map_or_else(|| "-".into(), format_count).into(),
            tag.into(),
            styled_cell(data, style.map_or(YELLOW, |(_, style)| style)),
            config.into(),
        ]
    }

    /// Where a run's data is. Data that is here is of use at once, data on the remote after a download.
    fn data_state(&self, run: &LogRunJson) -> (&'static str, Style) {
        match (run.cache, run.remote) {
            ("all", "all") => ("here, remote", GREEN),
            ("all", _) => ("here", GREEN),
            (_, "all") => ("remote", DIM),
            // Some objects can be left, because other runs have them, too.
            _ if self.erased.contains(&run.run) => ("erased", DIM),
            ("some", _) => ("in part", YELLOW),
            (_, "unknown") => ("not here", DIM),
            _ => ("nowhere", RED),
        }
    }

    fn removal_note(&self, run: &str) -> &'static str {
        if self.erased.contains(run) { "erased" } else { "removed" }
    }
}

fn tag_number<'a>(version: &LogVersionJson, run: &'a LogRunJson) -> &'a str {
    let number = run.tag.as_ref().map(|tag| tag.rsplit_once('@').map_or("v1", |(_, number)| number));
    number.unwrap_or(if version.tag.is_some() { "all" } else { "-" })
}

fn short_config(run: &LogRunJson) -> &str {
    run.config_hash.as_deref().and_then(|hash| hash.get(..8)).unwrap_or("-")
}

/// The only kind, or how many there are of each: `here 40, remote 20`.
fn count_kinds(kinds: impl Iterator<Item = String>) -> String {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for kind in kinds {
        *counts.entry(kind).or_default() += 1;
    }
    if counts.len() == 1 {
        return counts.into_keys().collect();
    }
    let counts: Vec<String> =
        counts.into_iter().map(|(kind, count)| format!("{}: {kind}", format_count(count))).collect();
    counts.join("; ")
}

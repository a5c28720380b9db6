//! Git's merge drivers: `dvc.lock` is merged by its meaning, `params.yaml` with the selection decided first, and
//! metrics files by the run that they show.
//!
//! A driver must never make git fail. What it cannot parse is merged as text, as git would do it, and the reason is
//! printed; a conflict has markers, like any other conflict.

pub mod lockfile;

use std::path::PathBuf;

use super::metrics_files;
use crate::dataset::agreement::ALLOW_SCHEMA_CHANGE;
use crate::dataset::merge::lockfile::{
    LockfileSides, MergeConflict, MergeDecisions, MergeSide, MergedLockfile, RunChoice,
};
use crate::dataset::record::selected_run_dir;
use crate::dataset::runs::split_refused;
use crate::dataset::stage::{RUN_DIR, is_selection};
use crate::dvc::lockfile::Lockfile;
use crate::formats;
use crate::formats::ParamsValue;
use crate::formats::conflict_markers::{ConflictSide, write_conflict};
use crate::formats::edit::{ParamLeaf, set_param};
use crate::support::env::Env;
use crate::support::fs;
use crate::support::fs::FsError;
use crate::support::process::{Cmd, shell_quote};

/// The three files that git hands to a driver, and what they are called.
pub struct MergeInput {
    /// The common ancestor's.
    pub base: PathBuf,
    /// The current side's; the result is written here.
    pub ours: PathBuf,
    /// The other side's.
    pub theirs: PathBuf,
    /// The path in the repository.
    pub path: String,
    /// How many characters a marker has.
    pub marker_size: usize,
    /// How git calls the ancestor, the current side and the other.
    pub labels: [String; 3],
    /// Whose selection stands if both sides selected another run.
    pub preferred: MergeSide,
    /// Whether a commit is replayed (rebase, cherry-pick, stash), so that no branch is merged.
    pub is_replay: bool,
    /// The side that git is to take of whatever both changed (`-X ours`, `-X theirs`).
    pub favored: Option<MergeSide>,
    /// Whether the schemas of one experiment's runs may differ (`capture-hook.allowSchemaChange`).
    pub allows_schema_change: bool,
    /// The merge that is made again, if a rebase does that: its selection stands.
    pub remade: Option<RemadeMerge>,
}

/// The same file in a merge that is made again, and in its parents.
pub struct RemadeMerge {
    /// In the merge.
    pub merge: Vec<u8>,
    /// In its first parent, and in its second.
    pub parents: [Vec<u8>; 2],
}

/// How a driver ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MergeOutcome {
    /// Whether the result has no conflict.
    pub clean: bool,
    /// Lines to print for the user.
    pub notes: Vec<String>,
}

impl MergeInput {
    fn read_sides(&self) -> Result<[Vec<u8>; 3], FsError> {
        // Git hands in an empty file for a side without the file.
        Ok([fs::read(&self.base)?, fs::read(&self.ours)?, fs::read(&self.theirs)?])
    }

    /// Whether git makes the common ancestor of a criss-cross merge, which is never shown.
    #[must_use]
    pub fn makes_virtual_ancestor(&self) -> bool {
        // The label that git gives a side when it merges two common ancestors.
        self.labels[1].starts_with("Temporary merge branch")
    }

    /// The other side's name, and the current one's.
    fn side_label(&self, side: MergeSide) -> &str {
        let [_, ours, theirs] = &self.labels;
        match side {
            MergeSide::Ours => ours,
            MergeSide::Theirs => theirs,
        }
    }

    /// Whose selection stands, given how a version of the file names its own: the side's that selects what the merge
    /// which is made again selected, or if neither does, the side's that it took.
    fn selection_side(&self, ours: &[u8], theirs: &[u8], selection: impl Fn(&[u8]) -> Option<String>) -> MergeSide {
        let Some(RemadeMerge { merge, parents: [first, second] }) = &self.remade else { return self.preferred };
        let merge_selection = selection(merge);
        if merge_selection == selection(ours) {
            MergeSide::Ours
        } else if merge_selection == selection(theirs)
            || (merge_selection == selection(second) && merge_selection != selection(first))
        {
            MergeSide::Theirs
        } else {
            MergeSide::Ours
        }
    }

    /// A line about a selection that did not stand.
    fn dropped_note(&self, run_dir: &str, side: MergeSide) -> String {
        let kept_label = self.side_label(match side {
            MergeSide::Ours => MergeSide::Theirs,
            MergeSide::Theirs => MergeSide::Ours,
        });
        let name = self.side_label(side);
        let typed = shell_quote(run_dir);
        format!("{kept_label}'s selection stays; {name} selects {run_dir} (to take it: `capture-hook select {typed}`)")
    }
}

/// Merges `dvc.lock` of a project by `merge`, which has the file lists and stores new ones; as text if it says why it
/// cannot.
pub fn merge_lockfile(
    files: &MergeInput,
    env: &Env,
    merge: impl FnOnce(&LockfileSides<'_>) -> Result<MergedLockfile, String>,
) -> Result<MergeOutcome, FsError> {
    let [base, ours, theirs] = files.read_sides()?;
    let [_, ours_name, theirs_name] = &files.labels;
    // A version that does not parse selects nothing.
    let selection = |bytes: &[u8]| selected_run_dir(&Lockfile::parse(bytes).ok()?).map(str::to_owned);
    let decisions = MergeDecisions {
        // As git, which favours no side of an ancestor: else the other side's change would be the only one.
        favored: files.favored.filter(|_| !files.makes_virtual_ancestor()),
        virtual_ancestor: files.makes_virtual_ancestor(),
        allows_schema_change: files.allows_schema_change,
        ..MergeDecisions::default()
    };
    let sides = LockfileSides {
        base: &base,
        ours: &ours,
        theirs: &theirs,
        ours_name,
        theirs_name,
        marker_size: files.marker_size,
        preferred: files.selection_side(&ours, &theirs, selection),
        decisions: &decisions,
    };
    match merge(&sides) {
        Ok(merged) => {
            fs::write_atomic(&files.ours, &merged.bytes)?;
            Ok(MergeOutcome { clean: merged.conflicts.is_empty(), notes: lockfile_notes(files, &merged) })
        }
        Err(why) => {
            let mut outcome = merge_as_text(files, None, env)?;
            outcome.notes.insert(0, format!("merging {} as text: {why}", files.path));
            // That the lines of two versions do not touch proves nothing about the runs in them.
            Ok(MergeOutcome { clean: false, ..outcome })
        }
    }
}

/// How many schemas that cannot be compared are named.
const UNKNOWN_SHOWN: usize = 3;

fn lockfile_notes(files: &MergeInput, merged: &MergedLockfile) -> Vec<String> {
    let mut notes: Vec<String> =
        merged.conflicts.iter().map(|conflict| format!("conflict in {}: {conflict}", files.path)).collect();
    for conflict in &merged.conflicts {
        if let MergeConflict::Run(run) = conflict {
            let resolve = format!("capture-hook resolve {}", shell_quote(run.to_string()));
            let [_, ours, theirs] = &files.labels;
            notes.push(format!(
                "resolve it: `{resolve} --ours` (the files of {ours}), `--theirs` (those of {theirs}) or `--both`"
            ));
            // Of what both sides hold, it would have been taken.
            if let Some(side) = files.favored {
                let option = if side == MergeSide::Ours { "--ours" } else { "--theirs" };
                notes.push(format!(
                    "-X leaves a run that one side removed to you; for the side that it names: `{resolve} {option}`, then `git commit`"
                ));
            }
        }
    }
    if merged.conflicts.iter().any(|conflict| matches!(conflict, MergeConflict::Schema(_))) {
        notes.push(format!(
            "abort it, and record the runs of one side as another experiment; if the change is intended, do it again with `git -c {ALLOW_SCHEMA_CHANGE}=true`"
        ));
    }
    notes.extend(merged.unknown_schemas.iter().take(UNKNOWN_SHOWN).map(|unknown| format!("{}: {unknown}", files.path)));
    for (run, choice) in merged.decided_runs.iter().filter(|_| merged.conflicts.is_empty()) {
        let kept_label =
            files.side_label(if *choice == RunChoice::Theirs { MergeSide::Theirs } else { MergeSide::Ours });
        notes.push(format!("{}: both sides changed run {run}; {kept_label}'s files stay, because of -X", files.path));
    }
    let kept_label = files.side_label(MergeSide::Ours);
    let same_recordings = merged.same_recordings.iter().filter(|_| merged.conflicts.is_empty());
    notes.extend(same_recordings.map(|run| {
        format!(
            "{}: both sides ingested {run} with different versions of capture-hook; {kept_label}'s files stay",
            files.path
        )
    }));
    if merged.conflicts.is_empty() && !files.is_replay {
        notes.extend(removed_notes(files, merged));
    }
    let (ours, theirs) = &merged.added;
    for refusal in merged.new_lists.iter().flat_map(|file_list| split_refused(file_list.clone()).1) {
        notes.push(format!("{}: the dataset holds a path that cannot be checked out: {refusal}", files.path));
    }
    if merged.conflicts.is_empty() && !merged.new_lists.is_empty() {
        let runs = |n: usize| if n == 1 { "1 run".to_owned() } else { format!("{n} runs") };
        notes.push(format!(
            "{}: merged the dataset: {} of {}, {} of {}",
            files.path,
            runs(ours.len()),
            files.side_label(MergeSide::Ours),
            runs(theirs.len()),
            files.side_label(MergeSide::Theirs)
        ));
    }
    notes
}

/// How many runs of a side that stay removed are named.
const REMOVED_SHOWN: usize = 5;

/// Lines about the runs that one side removed and the other still has.
fn removed_notes(files: &MergeInput, merged: &MergedLockfile) -> Vec<String> {
    let [_, ours_label, theirs_label] = &files.labels;
    let (ours, theirs) = &merged.removed;
    let mut notes = Vec::new();
    for (runs, what) in [
        (ours, format!("stays removed, though {theirs_label} has it")),
        (theirs, format!("is removed, as {theirs_label} removed it, though {ours_label} has it")),
    ] {
        notes.extend(runs.iter().take(REMOVED_SHOWN).map(|run| format!("{}: {run} {what}", files.path)));
        let more = runs.len().saturating_sub(REMOVED_SHOWN);
        if more > 0 {
            notes.push(format!("{}: the same of {more} more", files.path));
        }
    }
    notes
}

/// Merges a params file: the selection by the rule, everything else as text.
pub fn merge_params_file(files: &MergeInput, env: &Env) -> Result<MergeOutcome, FsError> {
    let [base, ours, theirs] = files.read_sides()?;
    let Some((run_dir, note)) = merge_selection(files, [&base, &ours, &theirs]) else {
        return merge_as_text(files, files.favored, env);
    };
    // With one and the same selection in all three, the text merge changes nothing about it.
    let aligned: Option<Vec<Vec<u8>>> = [&base, &ours, &theirs]
        .into_iter()
        .map(|bytes| {
            // Git hands in an empty file for a side without the file; it stays empty.
            if bytes.is_empty() {
                Some(Vec::new())
            } else {
                Some(set_param(run_dir_leaf(&files.path), bytes, &run_dir).ok()?.bytes)
            }
        })
        .collect();
    // A file in which the selection cannot be set is merged as plain text.
    let Some(aligned) = aligned else { return merge_as_text(files, files.favored, env) };
    // Git hands a driver temporary copies (gitattributes, `%O %A %B`), so all three may be overwritten.
    for (path, bytes) in [&files.base, &files.ours, &files.theirs].into_iter().zip(&aligned) {
        fs::write_atomic(path, bytes)?;
    }
    let mut outcome = merge_as_text(files, files.favored, env)?;
    outcome.notes.extend(note);
    Ok(outcome)
}

/// Merges a file that shows the selected run (`metrics/capture.json`): whole, the one whose run the merged
/// `params.yaml` selects.
pub fn merge_metrics_file(files: &MergeInput) -> Result<MergeOutcome, FsError> {
    let [base, ours, theirs] = files.read_sides()?;
    let (b, o, t) =
        (metrics_files::run_shown_in(&base), metrics_files::run_shown_in(&ours), metrics_files::run_shown_in(&theirs));
    let side = match files.selection_side(&ours, &theirs, metrics_files::run_shown_in) {
        // One selected another run: the figures are that one's, whatever became of the other's.
        _ if b == o && b != t => MergeSide::Theirs,
        _ if b == t && b != o => MergeSide::Ours,
        preferred => preferred,
    };
    let content = match side {
        MergeSide::Ours => &ours,
        MergeSide::Theirs => &theirs,
    };
    fs::write_atomic(&files.ours, content)?;
    Ok(MergeOutcome { clean: true, notes: Vec::new() })
}

fn run_dir_leaf(file: &str) -> ParamLeaf<'_> {
    ParamLeaf { file, section: "ingest_capture", key: "run_dir" }
}

/// The run that is selected in the end, and what to report about the other. `None`: leave it to the text.
fn merge_selection(files: &MergeInput, [base, ours, theirs]: [&[u8]; 3]) -> Option<(String, Option<String>)> {
    let selected = |bytes: &[u8]| -> Option<Option<String>> {
        let values = formats::load_params(&files.path, bytes).ok()?;
        match values.at_path(RUN_DIR) {
            None | Some(ParamsValue::Null) => Some(None),
            Some(ParamsValue::Str(run)) => Some(Some(run.clone())),
            Some(_) => None,
        }
    };
    // An ancestor that does not parse counts as one without a selection; a side that does not is left to the text.
    let (b, o, t) = (selected(base).unwrap_or_default(), selected(ours)?, selected(theirs)?);
    if o == t || b == t || b == o {
        let kept_run = if b == o { t } else { o };
        return Some((kept_run?, None));
    }
    let preferred = files.selection_side(ours, theirs, |bytes| selected(bytes).flatten());
    let (kept_run, dropped, side) = match preferred {
        MergeSide::Ours => (o, t, MergeSide::Theirs),
        MergeSide::Theirs => (t, o, MergeSide::Ours),
    };
    let note = dropped.filter(|run| is_selection(run)).map(|run| files.dropped_note(&run, side));
    Some((kept_run?, note))
}

/// Git's own text merge, its result written to `ours`. Of what both sides changed, the favoured side's is taken.
fn merge_as_text(files: &MergeInput, favored: Option<MergeSide>, env: &Env) -> Result<MergeOutcome, FsError> {
    let MergeInput { base, ours, theirs, .. } = files;
    let [base_name, ours_name, theirs_name] = &files.labels;
    let favor = favored.map(|side| if side == MergeSide::Ours { "--ours" } else { "--theirs" });
    let cmd = Cmd::new("git")
        .arg("merge-file")
        .args(favor)
        // `-p` prints the result, so that it is written atomically here and not by git.
        .args(["-q", "-p", &format!("--marker-size={}", files.marker_size)])
        .args(["-L", ours_name, "-L", base_name, "-L", theirs_name])
        .args([ours, base, theirs].map(|path| path.as_os_str()));
    match cmd.run(env) {
        // The exit code counts the conflicts; 255 is a failure.
        Ok(output) if output.exit.is_some_and(|code| (0..=127).contains(&code)) => {
            fs::write_atomic(&files.ours, &output.stdout)?;
            Ok(MergeOutcome { clean: output.success(), notes: Vec::new() })
        }
        // Git failed or could not start: both texts between markers, so that neither is lost.
        _ => {
            let (ours_text, theirs_text) = (fs::read(ours)?, fs::read(theirs)?);
            let ours_side = ConflictSide { name: ours_name, text: &ours_text };
            let theirs_side = ConflictSide { name: theirs_name, text: &theirs_text };
            let whole = write_conflict(files.marker_size, ours_side, theirs_side);
            fs::write_atomic(&files.ours, &whole)?;
            Ok(MergeOutcome { clean: false, notes: Vec::new() })
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct MergeCase {
        _dir: tempfile::TempDir,
        files: MergeInput,
        env: Env,
    }

    fn make_case(base: &str, ours: &str, theirs: &str, preferred: MergeSide) -> MergeCase {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let files = MergeInput {
            base: file("O", base),
            ours: file("A", ours),
            theirs: file("B", theirs),
            path: "params.yaml".into(),
            marker_size: 7,
            labels: ["1234567".into(), "HEAD".into(), "feature".into()],
            preferred,
            is_replay: false,
            favored: None,
            allows_schema_change: false,
            remade: None,
        };
        MergeCase { _dir: dir, files, env: Env::snapshot().without_git() }
    }

    fn merge_case(case: &MergeCase) -> (MergeOutcome, String) {
        let outcome = merge_params_file(&case.files, &case.env).unwrap();
        (outcome, std::fs::read_to_string(&case.files.ours).unwrap())
    }

    const BASE: &str = "lr: 1\n\n\n\ningest_capture:\n  run_dir: results/e/a  # which\n  out_dir: d\n";

    #[test]
    fn both_selected_another_run_and_one_changed_more() {
        let ours = BASE.replace("e/a", "e/b");
        let theirs = BASE.replace("e/a", "e/c").replace("lr: 1", "lr: 2");
        for (preferred, run, other) in [
            (MergeSide::Ours, "e/b", "feature selects results/e/c"),
            (MergeSide::Theirs, "e/c", "HEAD selects results/e/b"),
        ] {
            let case = make_case(BASE, &ours, &theirs, preferred);
            let (outcome, text) = merge_case(&case);
            assert_eq!(text, BASE.replace("e/a", run).replace("lr: 1", "lr: 2"));
            assert!(outcome.clean && outcome.notes[0].contains(other), "{outcome:?}");
        }
    }

    #[test]
    fn one_side_selected_a_run() {
        let theirs = BASE.replace("e/a", "e/c");
        let case = make_case(BASE, &BASE.replace("lr: 1", "lr: 3"), &theirs, MergeSide::Ours);
        let (outcome, text) = merge_case(&case);
        assert_eq!(text, theirs.replace("lr: 1", "lr: 3"));
        assert_eq!(outcome, MergeOutcome { clean: true, notes: vec![] });
    }

    #[test]
    fn a_real_contradiction_stays_a_conflict() {
        let ours = BASE.replace("e/a", "e/b").replace("lr: 1", "lr: 2");
        let theirs = BASE.replace("e/a", "e/c").replace("lr: 1", "lr: 3");
        let case = make_case(BASE, &ours, &theirs, MergeSide::Ours);
        let (outcome, text) = merge_case(&case);
        assert!(!outcome.clean);
        assert!(text.starts_with("<<<<<<< HEAD\nlr: 2\n=======\nlr: 3\n>>>>>>> feature\n"), "{text}");
        assert!(text.contains("run_dir: results/e/b  # which"), "{text}");
    }

    /// M1: What cannot be parsed is merged line by line, with conflict markers.
    #[test]
    fn other_files_are_merged_as_text() {
        let case = make_case("a\n", "b\n", "c\n", MergeSide::Ours);
        let (outcome, text) = merge_case(&case);
        assert!(!outcome.clean && text.contains("<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> feature\n"), "{text}");
    }

    #[test]
    fn both_sides_added_the_file() {
        let case = make_case("", &BASE.replace("e/a", "e/b"), BASE, MergeSide::Theirs);
        assert_eq!(merge_case(&case).1, BASE);
    }

    /// M15: A merge made again keeps its selection, unless the side that it came from has changed.
    #[test]
    fn a_merge_that_is_made_again_keeps_its_selection() {
        let select = |run: &str| BASE.replace("e/a", run);
        // What the merge selected, its parents; then the sides, and whose stands.
        for (merge, first, second, ours, theirs, kept_run) in [
            ("e/b", "e/b", "e/c", "e/b", "e/c", "e/b"),
            ("e/c", "e/b", "e/c", "e/b", "e/c", "e/c"),
            ("e/c", "e/a", "e/c", "e/x", "e/c", "e/c"),
            ("e/a", "e/a", "e/c", "e/x", "e/c", "e/x"),
            ("e/c", "e/b", "e/c", "e/b", "e/y", "e/y"),
        ] {
            let mut case = make_case(BASE, &select(ours), &select(theirs), MergeSide::Theirs);
            let bytes = |run| select(run).into_bytes();
            case.files.remade = Some(RemadeMerge { merge: bytes(merge), parents: [bytes(first), bytes(second)] });
            assert_eq!(merge_case(&case).1, select(kept_run), "{merge} of {first} and {second}: {ours}, {theirs}");
        }
    }

    #[test]
    fn a_favored_side_decides_other_values_too() {
        let ours = BASE.replace("e/a", "e/b").replace("lr: 1", "lr: 2");
        let theirs = BASE.replace("e/a", "e/c").replace("lr: 1", "lr: 3");
        let mut case = make_case(BASE, &ours, &theirs, MergeSide::Theirs);
        case.files.favored = Some(MergeSide::Theirs);
        let (outcome, text) = merge_case(&case);
        assert!(outcome.clean);
        assert_eq!(text, theirs);
    }
}

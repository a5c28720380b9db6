//! What git's merge drivers do: `dvc.lock` merged by its meaning, `params.yaml` with the selection settled first, the files
//! of DVC's views by the run that they show.
//!
//! A driver must never stop git itself. Whatever is not understood is merged as text, as git would have done it, and the
//! reason is said; a conflict has markers and is an ordinary conflict.

pub mod lockfile;

use std::path::PathBuf;

use super::metrics_files;
use crate::dataset::merge::lockfile::{Choice, Clash, Decided, Merged, Objects, Prefer, Sides};
use crate::dvc::cache::Cache;
use crate::dvc::file_list::Listing;
use crate::dvc::hash::{DataVersion, Oid};
use crate::dvc::lockfile::Lock;
use crate::dvc::remote::fetch;
use crate::dvc::settings::Settings;
use crate::dvc::stage::{RUN_DIR, is_selection};
use crate::formats;
use crate::formats::Value;
use crate::formats::edit::{Leaf, set};
use crate::git::{GitCall, merged_branches};
use crate::project::Project;
use crate::support::env::Env;
use crate::support::fs;
use crate::support::fs::FsError;
use crate::support::process::{Cmd, quoted};

/// The three files that git hands to a driver, and what they are called.
pub struct Files {
    /// The common ancestor's.
    pub base: PathBuf,
    /// The current side's; the result is written here.
    pub ours: PathBuf,
    /// The other side's.
    pub theirs: PathBuf,
    /// The path in the repository.
    pub path: String,
    /// How many characters a marker has.
    pub marker: usize,
    /// How git calls the ancestor, the current side and the other.
    pub labels: [String; 3],
    /// Whose selection stands where both sides selected another run.
    pub prefer: Prefer,
    /// The side that git was told to take of whatever both changed (`-X ours`, `-X theirs`).
    pub favored: Option<Prefer>,
    /// The merge that is made again, if a rebase does that: its selection stands.
    pub remade: Option<Remade>,
}

/// The same file in a merge that is made again, and in the parents that the merge had.
pub struct Remade {
    /// In the merge.
    pub merge: Vec<u8>,
    /// In its first parent, and in its second.
    pub parents: [Vec<u8>; 2],
}

/// How a driver ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ended {
    /// Whether the result has no conflict.
    pub clean: bool,
    /// What to tell the user.
    pub notes: Vec<String>,
}

impl Files {
    fn read(&self) -> Result<[Vec<u8>; 3], FsError> {
        // Git hands in an empty file where a side has none.
        Ok([fs::read(&self.base)?, fs::read(&self.ours)?, fs::read(&self.theirs)?])
    }

    /// Whether git makes the common ancestor of a criss-cross merge, which nobody sees.
    #[must_use]
    pub fn makes_ancestor(&self) -> bool {
        self.labels[1].starts_with("Temporary merge branch")
    }

    /// The other side's name, and the current one's.
    fn side(&self, side: Prefer) -> &str {
        let [_, ours, theirs] = &self.labels;
        match side {
            Prefer::Ours => ours,
            Prefer::Theirs => theirs,
        }
    }

    /// Whose selection stands, given how a version of the file names its own: the side's that selects what the merge which
    /// is made again selected, or where neither does, the side's that it took.
    fn preferred(&self, ours: &[u8], theirs: &[u8], selection: impl Fn(&[u8]) -> Option<String>) -> Prefer {
        let Some(Remade { merge, parents: [first, second] }) = &self.remade else { return self.prefer };
        let kept = selection(merge);
        if kept == selection(ours) {
            Prefer::Ours
        } else if kept == selection(theirs) || (kept == selection(second) && kept != selection(first)) {
            Prefer::Theirs
        } else {
            Prefer::Ours
        }
    }

    /// A line about a selection that did not stand.
    fn dropped(&self, run_dir: &str, side: Prefer) -> String {
        let kept = self.side(match side {
            Prefer::Ours => Prefer::Theirs,
            Prefer::Theirs => Prefer::Ours,
        });
        let name = self.side(side);
        let typed = quoted(run_dir);
        format!("{kept}'s selection stays; {name} had selected {run_dir} (`capture-hook select {typed}` takes it)")
    }
}

/// Whose selection stands: a merge keeps the current branch's, a replay (rebase, cherry-pick, stash) takes the replayed
/// one. Git's labels tell a driver so (from 2.44 on), else the command that called it. That a variable of `git merge` is there
/// tells nothing: a stash that a merge puts back (`--autostash`) inherits it.
#[must_use]
pub fn prefer(labels: &[String; 3], env: &Env, caller: Option<&GitCall>, rebasing: bool) -> Prefer {
    let [base, _, theirs] = labels;
    let replayed = base.starts_with("parent of ") || base == "constructed merge base" || base == "Stash base";
    if replayed || matches!(theirs.as_str(), "local" | "Stashed changes") {
        return Prefer::Theirs;
    }
    let merged = merged_branches(env).any(|(id, name)| theirs == id || theirs == name);
    if merged || theirs.starts_with("parent of ") {
        return Prefer::Ours;
    }
    match caller.map(|call| call.command.as_str()) {
        Some("stash" | "cherry-pick" | "rebase" | "am" | "checkout" | "switch") => Prefer::Theirs,
        Some("merge" | "pull" | "merge-tree" | "revert") => Prefer::Ours,
        _ if rebasing => Prefer::Theirs,
        _ => Prefer::Ours,
    }
}

/// Merges `dvc.lock` of a project. DVC is called only where a list of files must be fetched from a remote that is no
/// directory, and where the repository's settings do not choose what that starts: nobody asked to fetch.
pub fn lock(files: &Files, project: &Project) -> Result<Ended, FsError> {
    let [base, ours, theirs] = files.read()?;
    let [_, ours_name, theirs_name] = &files.labels;
    let selection = |bytes: &[u8]| Lock::parse(bytes).ok()?.run_dir().map(str::to_owned);
    let decided = Decided { favored: files.favored, ancestor: files.makes_ancestor(), ..Decided::default() };
    let sides = Sides {
        base: &base,
        ours: &ours,
        theirs: &theirs,
        ours_name,
        theirs_name,
        marker: files.marker,
        prefer: files.preferred(&ours, &theirs, selection),
        decided: &decided,
    };
    let tried = project.unite(&sides);
    match tried {
        Ok(merged) => {
            fs::write_atomic(&files.ours, &merged.bytes)?;
            Ok(Ended { clean: merged.clashes.is_empty(), notes: lock_notes(files, &merged) })
        }
        Err(why) => {
            let mut ended = text(files, None, &project.env)?;
            ended.notes.insert(0, format!("{} is merged as text: {why}", files.path));
            // Two versions whose lines happen not to touch say nothing about the runs in them.
            Ok(Ended { clean: false, ..ended })
        }
    }
}

fn lock_notes(files: &Files, merged: &Merged) -> Vec<String> {
    let mut notes: Vec<String> =
        merged.clashes.iter().map(|clash| format!("conflict in {}: {clash}", files.path)).collect();
    for clash in &merged.clashes {
        if let Clash::Run(run) = clash {
            let (run, [_, ours, theirs]) = (quoted(run.to_string()), &files.labels);
            notes.push(format!(
                "`capture-hook resolve {run} --ours` takes the files of {ours}, `--theirs` those of {theirs}, `--both` keeps both"
            ));
        }
    }
    for (run, choice) in merged.settled.iter().filter(|_| merged.clashes.is_empty()) {
        let kept = files.side(if *choice == Choice::Theirs { Prefer::Theirs } else { Prefer::Ours });
        notes.push(format!("{}: both sides have other files in run {run}; {kept}'s stay, as -X says", files.path));
    }
    let kept = files.side(Prefer::Ours);
    let alike = merged.alike.iter().filter(|_| merged.clashes.is_empty());
    notes.extend(alike.map(|run| {
        format!("{}: both sides ingested {run}, by different versions of capture-hook; {kept}'s files stay", files.path)
    }));
    let (ours, theirs) = &merged.added;
    for refusal in merged.listings.iter().flat_map(|listing| listing.clone().without_refused().1) {
        notes.push(format!("{}: the dataset holds what no checkout takes: {refusal}", files.path));
    }
    if merged.clashes.is_empty() && !merged.listings.is_empty() {
        let runs = |n: usize| if n == 1 { "1 run".to_owned() } else { format!("{n} runs") };
        notes.push(format!(
            "{}: united the dataset: {} of {}, {} of {}",
            files.path,
            runs(ours.len()),
            files.side(Prefer::Ours),
            runs(theirs.len()),
            files.side(Prefer::Theirs)
        ));
    }
    notes
}

impl Project {
    /// Merges two sides of `dvc.lock`; new lists of files are put into the cache. The error says why that cannot be done.
    pub(crate) fn unite(&self, sides: &Sides<'_>) -> Result<Merged, String> {
        let settings = self.read_dvc_settings().map_err(|e| with_cause(&e))?;
        let cache = Cache::of(&settings);
        let mut store = Store { project: self, settings: &settings, cache: &cache };
        let merged = lockfile::merge(sides, &mut store).map_err(|e| e.to_string())?;
        // The list of files first: a dvc.lock must never name one that is not there.
        for listing in &merged.listings {
            cache.put_listing(listing).map_err(|e| e.to_string())?;
        }
        Ok(merged)
    }
}

fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

struct Store<'a> {
    project: &'a Project,
    settings: &'a Settings,
    cache: &'a Cache,
}

impl Objects for Store<'_> {
    fn listing(&mut self, version: DataVersion) -> Result<Listing, String> {
        let dvc = || self.project.dvc();
        // A merge needs its base's list, too, which may be an older one.
        self.project.rebuild_lists([version], None).map_err(|e| with_cause(&e))?;
        fetch::listing_unasked(&self.project.root, self.settings, version, dvc).map_err(|e| with_cause(&e))
    }

    fn size(&mut self, oid: Oid) -> Option<u64> {
        // A clone need not have the files of a branch that it merges; a directory tells their sizes.
        let remote = self.settings.remote().and_then(|remote| remote.dir.as_ref());
        self.cache.size(oid).or_else(|| Cache::at(remote?).size(oid))
    }
}

/// Merges a params file: the selection by the rule, everything else as text.
pub fn params(files: &Files, env: &Env) -> Result<Ended, FsError> {
    let [base, ours, theirs] = files.read()?;
    let Some((run_dir, note)) = settle(files, [&base, &ours, &theirs]) else {
        return text(files, files.favored, env);
    };
    // With one and the same selection in all three, the text merge has nothing to say about it.
    let settled: Option<Vec<Vec<u8>>> = [&base, &ours, &theirs]
        .into_iter()
        .map(|bytes| {
            if bytes.is_empty() { Some(Vec::new()) } else { Some(set(leaf(&files.path), bytes, &run_dir).ok()?.bytes) }
        })
        .collect();
    let Some(settled) = settled else { return text(files, files.favored, env) };
    for (path, bytes) in [&files.base, &files.ours, &files.theirs].into_iter().zip(&settled) {
        fs::write_atomic(path, bytes)?;
    }
    let mut ended = text(files, files.favored, env)?;
    ended.notes.extend(note);
    Ok(ended)
}

/// Merges a file that shows the selected run (`metrics/capture.json`): whole, the one whose run the merged `params.yaml`
/// selects.
pub fn views(files: &Files) -> Result<Ended, FsError> {
    let [base, ours, theirs] = files.read()?;
    let (b, o, t) = (metrics_files::shows(&base), metrics_files::shows(&ours), metrics_files::shows(&theirs));
    let side = match files.preferred(&ours, &theirs, metrics_files::shows) {
        // One selected another run: the figures are that one's, whatever became of the other's.
        _ if b == o && b != t => Prefer::Theirs,
        _ if b == t && b != o => Prefer::Ours,
        prefer => prefer,
    };
    let taken = match side {
        Prefer::Ours => &ours,
        Prefer::Theirs => &theirs,
    };
    fs::write_atomic(&files.ours, taken)?;
    Ok(Ended { clean: true, notes: Vec::new() })
}

fn leaf(file: &str) -> Leaf<'_> {
    Leaf { file, section: "ingest_capture", key: "run_dir" }
}

/// The run that is selected in the end, and what to say about the other. `None`: leave it to the text.
fn settle(files: &Files, [base, ours, theirs]: [&[u8]; 3]) -> Option<(String, Option<String>)> {
    let selected = |bytes: &[u8]| -> Option<Option<String>> {
        let values = formats::load(&files.path, bytes).ok()?;
        match values.at(RUN_DIR) {
            None | Some(Value::Null) => Some(None),
            Some(Value::Str(run)) => Some(Some(run.clone())),
            Some(_) => None,
        }
    };
    let (b, o, t) = (selected(base).unwrap_or_default(), selected(ours)?, selected(theirs)?);
    if o == t || b == t || b == o {
        let kept = if b == o { t } else { o };
        return Some((kept?, None));
    }
    let prefer = files.preferred(ours, theirs, |bytes| selected(bytes).flatten());
    let (kept, dropped, side) = match prefer {
        Prefer::Ours => (o, t, Prefer::Theirs),
        Prefer::Theirs => (t, o, Prefer::Ours),
    };
    let note = dropped.filter(|run| is_selection(run)).map(|run| files.dropped(&run, side));
    Some((kept?, note))
}

/// Git's own text merge, its result written to `ours`. Of what both sides changed, the favoured side's is taken.
fn text(files: &Files, favored: Option<Prefer>, env: &Env) -> Result<Ended, FsError> {
    let Files { base, ours, theirs, .. } = files;
    let [base_name, ours_name, theirs_name] = &files.labels;
    let favor = favored.map(|side| if side == Prefer::Ours { "--ours" } else { "--theirs" });
    let cmd = Cmd::new("git")
        .arg("merge-file")
        .args(favor)
        .args(["-q", "-p", &format!("--marker-size={}", files.marker)])
        .args(["-L", ours_name, "-L", base_name, "-L", theirs_name])
        .args([ours, base, theirs].map(|path| path.as_os_str()));
    match cmd.run(env) {
        // The exit code counts the conflicts; 255 is a failure.
        Ok(output) if output.exit.is_some_and(|code| (0..=127).contains(&code)) => {
            fs::write_atomic(&files.ours, &output.stdout)?;
            Ok(Ended { clean: output.success(), notes: Vec::new() })
        }
        _ => {
            let marker = |c: char, name: &str| {
                format!("{} {name}", c.to_string().repeat(files.marker)).trim_end().to_owned() + "\n"
            };
            let (ours_text, theirs_text) = (fs::read(ours)?, fs::read(theirs)?);
            let whole = [
                marker('<', ours_name).as_bytes(),
                &ours_text,
                marker('=', "").as_bytes(),
                &theirs_text,
                marker('>', theirs_name).as_bytes(),
            ]
            .concat();
            fs::write_atomic(&files.ours, &whole)?;
            Ok(Ended { clean: false, notes: Vec::new() })
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Case {
        _dir: tempfile::TempDir,
        files: Files,
        env: Env,
    }

    fn case(base: &str, ours: &str, theirs: &str, prefer: Prefer) -> Case {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let files = Files {
            base: file("O", base),
            ours: file("A", ours),
            theirs: file("B", theirs),
            path: "params.yaml".into(),
            marker: 7,
            labels: ["1234567".into(), "HEAD".into(), "feature".into()],
            prefer,
            favored: None,
            remade: None,
        };
        Case { _dir: dir, files, env: Env::snapshot().without_git() }
    }

    fn merged(case: &Case) -> (Ended, String) {
        let ended = params(&case.files, &case.env).unwrap();
        (ended, std::fs::read_to_string(&case.files.ours).unwrap())
    }

    const BASE: &str = "lr: 1\n\n\n\ningest_capture:\n  run_dir: results/e/a  # which\n  out_dir: d\n";

    #[test]
    fn both_selected_another_run_and_one_changed_more() {
        let ours = BASE.replace("e/a", "e/b");
        let theirs = BASE.replace("e/a", "e/c").replace("lr: 1", "lr: 2");
        for (prefer, run, other) in [
            (Prefer::Ours, "e/b", "feature had selected results/e/c"),
            (Prefer::Theirs, "e/c", "HEAD had selected results/e/b"),
        ] {
            let case = case(BASE, &ours, &theirs, prefer);
            let (ended, text) = merged(&case);
            assert_eq!(text, BASE.replace("e/a", run).replace("lr: 1", "lr: 2"));
            assert!(ended.clean && ended.notes[0].contains(other), "{ended:?}");
        }
    }

    #[test]
    fn one_side_selected_a_run() {
        let theirs = BASE.replace("e/a", "e/c");
        let case = case(BASE, &BASE.replace("lr: 1", "lr: 3"), &theirs, Prefer::Ours);
        let (ended, text) = merged(&case);
        assert_eq!(text, theirs.replace("lr: 1", "lr: 3"));
        assert_eq!(ended, Ended { clean: true, notes: vec![] });
    }

    #[test]
    fn a_real_contradiction_stays_a_conflict() {
        let ours = BASE.replace("e/a", "e/b").replace("lr: 1", "lr: 2");
        let theirs = BASE.replace("e/a", "e/c").replace("lr: 1", "lr: 3");
        let case = case(BASE, &ours, &theirs, Prefer::Ours);
        let (ended, text) = merged(&case);
        assert!(!ended.clean);
        assert!(text.starts_with("<<<<<<< HEAD\nlr: 2\n=======\nlr: 3\n>>>>>>> feature\n"), "{text}");
        assert!(text.contains("run_dir: results/e/b  # which"), "{text}");
    }

    /// M1: What cannot be parsed is merged line by line, with conflict markers.
    #[test]
    fn what_is_no_params_file_is_merged_as_text() {
        let case = case("a\n", "b\n", "c\n", Prefer::Ours);
        let (ended, text) = merged(&case);
        assert!(!ended.clean && text.contains("<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> feature\n"), "{text}");
    }

    #[test]
    fn both_sides_added_the_file() {
        let case = case("", &BASE.replace("e/a", "e/b"), BASE, Prefer::Theirs);
        assert_eq!(merged(&case).1, BASE);
    }

    #[test]
    fn a_merge_is_told_from_a_replay() {
        let labels = |base: &str, theirs: &str| [base.to_owned(), "HEAD".to_owned(), theirs.to_owned()];
        let told = |base, theirs, env: &Env, rebasing| prefer(&labels(base, theirs), env, None, rebasing);
        let merging = Env::from_vars([("GITHEAD_1234", "feature")]);
        let none = Env::default();
        assert_eq!(told("1234567", "feature", &merging, false), Prefer::Ours);
        assert_eq!(told("1234567", "1234", &merging, true), Prefer::Ours);
        assert_eq!(told("parent of 1234567 (x)", "1234567 (x)", &none, false), Prefer::Theirs);
        assert_eq!(told("1234567 (x)", "parent of 1234567 (x)", &none, true), Prefer::Ours);
        assert_eq!(told("base", "theirs", &none, true), Prefer::Theirs);
        // A stash that a merge puts back inherits the merge's variables.
        assert_eq!(told("Stash base", "Stashed changes", &merging, false), Prefer::Theirs);
    }

    /// M16: If git gives a driver no labels, its command line says whose selection stands.
    #[test]
    fn without_gits_labels_the_command_tells() {
        let labels = ["base", "ours", "theirs"].map(str::to_owned);
        let merging = Env::from_vars([("GITHEAD_1234", "feature")]);
        for (line, side) in [
            ("merge feature", Prefer::Ours),
            ("stash apply 1234", Prefer::Theirs),
            ("cherry-pick feature", Prefer::Theirs),
            ("revert HEAD", Prefer::Ours),
        ] {
            let words: Vec<String> = format!("git {line}").split(' ').map(str::to_owned).collect();
            assert_eq!(prefer(&labels, &merging, GitCall::parse(&words).as_ref(), false), side, "{line}");
        }
    }

    /// M15: A merge made again keeps its selection, unless the side that it came from has changed.
    #[test]
    fn a_merge_that_is_made_again_keeps_its_selection() {
        let select = |run: &str| BASE.replace("e/a", run);
        // What the merge selected, its parents; then the sides, and whose stands.
        for (merge, first, second, ours, theirs, kept) in [
            ("e/b", "e/b", "e/c", "e/b", "e/c", "e/b"),
            ("e/c", "e/b", "e/c", "e/b", "e/c", "e/c"),
            ("e/c", "e/a", "e/c", "e/x", "e/c", "e/c"),
            ("e/a", "e/a", "e/c", "e/x", "e/c", "e/x"),
            ("e/c", "e/b", "e/c", "e/b", "e/y", "e/y"),
        ] {
            let mut case = case(BASE, &select(ours), &select(theirs), Prefer::Theirs);
            let bytes = |run| select(run).into_bytes();
            case.files.remade = Some(Remade { merge: bytes(merge), parents: [bytes(first), bytes(second)] });
            assert_eq!(merged(&case).1, select(kept), "{merge} of {first} and {second}: {ours}, {theirs}");
        }
    }

    #[test]
    fn a_favoured_side_settles_other_values_too() {
        let ours = BASE.replace("e/a", "e/b").replace("lr: 1", "lr: 2");
        let theirs = BASE.replace("e/a", "e/c").replace("lr: 1", "lr: 3");
        let mut case = case(BASE, &ours, &theirs, Prefer::Theirs);
        case.files.favored = Some(Prefer::Theirs);
        let (ended, text) = merged(&case);
        assert!(ended.clean);
        assert_eq!(text, theirs);
    }
}

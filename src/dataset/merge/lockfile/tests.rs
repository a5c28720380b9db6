//! The rules of the merge, and the law: what only one side has is in the result.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::dataset::record::ingest_stage;
use crate::dvc::hash::DvcHash;
use crate::run::schema::RunSchema;

/// The dataset's output in a lock.
fn recorded_out(lockfile: &Lockfile) -> &LockfileItem {
    ingest_stage(lockfile).unwrap().out("data/captures").unwrap()
}

#[derive(Default)]
struct MemoryObjects {
    file_lists: BTreeMap<DataVersion, FileList>,
}

impl MergeObjects for MemoryObjects {
    fn read_file_list(&mut self, version: DataVersion) -> Result<FileList, String> {
        self.file_lists.get(&version).cloned().ok_or_else(|| "not there".into())
    }

    fn object_size(&mut self, hash: DvcHash) -> Option<u64> {
        Some(u64::from(hash.to_hex()[0]))
    }

    fn read_schema(&mut self, hash: DvcHash) -> Result<RunSchema, String> {
        let text = ["float32", "float64"]
            .map(|dtype| format!("{{\"format\": 1, \"steps\": {{\"x\": {{\"dtype\": \"{dtype}\"}}}}}}"))
            .into_iter()
            .find(|text| DvcHash::of_bytes(text.as_bytes()) == hash)
            .ok_or("it is not in this clone")?;
        RunSchema::parse(text.as_bytes()).map_err(|error| error.to_string())
    }
}

impl MemoryObjects {
    /// A lock whose dataset holds these files, the first text the selection.
    fn add_lockfile(&mut self, run: &str, files: &[(&str, &str)]) -> String {
        let entries: Vec<FileEntry> = files
            .iter()
            .map(|(p, text)| FileEntry { relpath: (*p).into(), md5: DvcHash::of_bytes(text.as_bytes()) })
            .collect();
        let size: u64 = entries.iter().map(|e| self.object_size(e.md5).unwrap()).sum();
        let file_list = FileList::new(entries).unwrap();
        let (version, nfiles) = (file_list.data_version(), file_list.len());
        self.file_lists.insert(version, file_list);
        format!(
            "schema: '2.0'\nstages:\n  capture_ingest:\n    cmd: capture-hook ingest\n    params:\n      params.yaml:\n        \
             ingest_capture.out_dir: data/captures\n        ingest_capture.run_dir: results/{run}\n    outs:\n    - path: \
             data/captures\n      hash: md5\n      md5: {version}\n      size: {size}\n      nfiles: {nfiles}\n"
        )
    }

    fn merge_preferring(
        &mut self,
        base: &str,
        ours: &str,
        theirs: &str,
        preferred: MergeSide,
    ) -> Result<MergedLockfile, MergeError> {
        self.merge_as(&MergeDecisions::default(), [base, ours, theirs], preferred)
    }

    fn merge_as(
        &mut self,
        decisions: &MergeDecisions,
        [base, ours, theirs]: [&str; 3],
        preferred: MergeSide,
    ) -> Result<MergedLockfile, MergeError> {
        let sides = LockfileSides {
            base: base.as_bytes(),
            ours: ours.as_bytes(),
            theirs: theirs.as_bytes(),
            ours_name: "HEAD",
            theirs_name: "feature",
            marker_size: 7,
            preferred,
            decisions,
        };
        merge_lockfiles(&sides, self)
    }
}

#[test]
fn runs_of_two_sides_agree_about_their_columns() {
    let schema = |dtype: &str| format!("{{\"format\": 1, \"steps\": {{\"x\": {{\"dtype\": \"{dtype}\"}}}}}}");
    let mut store = MemoryObjects::default();
    let base = store.add_lockfile("e/a", &[("e/a/run.json", "a")]);
    let mut make_lockfile = |run: &str, experiment: &str, dtype: &str| {
        let (run_json, schema_json) =
            (format!("{experiment}/{run}/run.json"), format!("{experiment}/{run}/schema.json"));
        store.add_lockfile(
            &format!("{experiment}/{run}"),
            &[("e/a/run.json", "a"), (&run_json, run), (&schema_json, &schema(dtype))],
        )
    };
    let ours = make_lockfile("b", "f", "float32");
    let (same, other) = (make_lockfile("c", "f", "float32"), make_lockfile("c", "f", "float64"));
    let (apart, unknown) = (make_lockfile("c", "g", "float64"), make_lockfile("c", "f", "bool"));
    let mut merge = |theirs: &str, allows_schema_change: bool| {
        let decisions = MergeDecisions { allows_schema_change, ..MergeDecisions::default() };
        store.merge_as(&decisions, [&base, &ours, theirs], MergeSide::Ours).unwrap()
    };
    for theirs in [&same, &apart] {
        let merged = merge(theirs, false);
        assert_eq!((merged.conflicts, merged.unknown_schemas), (vec![], vec![]));
    }
    let merged = merge(&other, false);
    let told: Vec<String> = merged.conflicts.iter().map(ToString::to_string).collect();
    let text = "the schemas of f/b and f/c do not agree: x of steps is float32 in f/b and float64 in f/c";
    assert_eq!(told, [text]);
    assert!(merged_text(&merged).contains("<<<<<<< HEAD (data "), "{}", merged_text(&merged));
    // As it is meant: the same merge without a conflict.
    assert_eq!(merge(&other, true).conflicts, []);
    let merged = merge(&unknown, false);
    let told: Vec<String> = merged.unknown_schemas.iter().map(ToString::to_string).collect();
    assert_eq!(merged.conflicts, []);
    assert_eq!(told, ["cannot compare the schema of f/c with those of other runs: it is not in this clone"]);
}

fn merged_text(merged: &MergedLockfile) -> String {
    String::from_utf8(merged.bytes.clone()).unwrap()
}

/// F2: Two sides that differ only in derived files of one recording do not conflict.
#[test]
fn one_recording_that_two_versions_ingested_is_no_conflict() {
    let mut store = MemoryObjects::default();
    let run = |steps: &'static str, derived: &'static str| {
        let files = ["DATASET_INDEX.json", "manifest.json", "steps.jsonl.gz", "steps.parquet"];
        let bytes = move |name: &&str| if name.ends_with(".gz") { steps } else { derived };
        files.map(|name| (format!("e/a/{name}"), bytes(&name)))
    };
    let mut make_lockfile = |steps, derived| {
        let files = run(steps, derived);
        store.add_lockfile("e/a", &files.each_ref().map(|(path, bytes)| (path.as_str(), *bytes)))
    };
    let (none, ours, theirs, other) =
        (make_lockfile("", ""), make_lockfile("s", "old"), make_lockfile("s", "new"), make_lockfile("t", "new"));
    for base in ["", none.as_str()] {
        let merged = store.merge_preferring(base, &ours, &theirs, MergeSide::Theirs).unwrap();
        assert_eq!(
            (merged_text(&merged), merged.conflicts, merged.same_recordings),
            (ours.clone(), vec![], vec!["e/a".parse().unwrap()])
        );
        let merged = store.merge_preferring(base, &ours, &other, MergeSide::Theirs).unwrap();
        assert_eq!(merged.conflicts, [MergeConflict::Run("e/a".parse().unwrap())]);
    }
}

#[test]
fn two_branches_that_each_added_a_run_unite() {
    let mut store = MemoryObjects::default();
    let base = store.add_lockfile("e/a", &[("e/a/f", "a")]);
    let ours = store.add_lockfile("e/b", &[("e/a/f", "a"), ("e/b/f", "b"), ("e/b/g", "b")]);
    let theirs = store.add_lockfile("e/c", &[("e/a/f", "a"), ("e/c/f", "c")]);
    let all = [("e/a/f", "a"), ("e/b/f", "b"), ("e/b/g", "b"), ("e/c/f", "c")];
    for (preferred, run, other) in [(MergeSide::Ours, "e/b", "results/e/c"), (MergeSide::Theirs, "e/c", "results/e/b")]
    {
        let merged = store.merge_preferring(&base, &ours, &theirs, preferred).unwrap();
        assert_eq!(merged_text(&merged), store.add_lockfile(run, &all));
        assert_eq!(merged.new_lists.len(), 1);
        assert_eq!(merged.dropped_selection.as_ref().unwrap().0, other);
        assert_eq!(merged.added, (vec!["e/b".parse().unwrap()], vec!["e/c".parse().unwrap()]));
    }
    // Without a common ancestor too.
    let merged = store.merge_preferring("", &ours, &theirs, MergeSide::Ours).unwrap();
    assert_eq!(merged_text(&merged), store.add_lockfile("e/b", &all));
}

#[test]
fn a_run_deleted_on_one_side_stays_deleted() {
    let mut store = MemoryObjects::default();
    let base = store.add_lockfile("e/a", &[("e/a/f", "a"), ("e/x/f", "x")]);
    let ours = store.add_lockfile("e/b", &[("e/a/f", "a"), ("e/b/f", "b")]);
    let theirs = store.add_lockfile("e/c", &[("e/a/f", "a"), ("e/c/f", "c"), ("e/x/f", "x")]);
    let merged = store.merge_preferring(&base, &ours, &theirs, MergeSide::Ours).unwrap();
    assert_eq!(merged_text(&merged), store.add_lockfile("e/b", &[("e/a/f", "a"), ("e/b/f", "b"), ("e/c/f", "c")]));
}

#[test]
fn other_files_in_the_same_run_are_a_conflict_that_names_both_versions() {
    let mut store = MemoryObjects::default();
    let base = store.add_lockfile("e/a", &[("e/a/f", "a")]);
    let ours = store.add_lockfile("e/b", &[("e/a/f", "a"), ("e/b/f", "1")]);
    let theirs = store.add_lockfile("e/b", &[("e/a/f", "a"), ("e/b/f", "2")]);
    let merged = store.merge_preferring(&base, &ours, &theirs, MergeSide::Ours).unwrap();
    assert_eq!(merged.conflicts, [MergeConflict::Run("e/b".parse().unwrap())]);
    let version = |text: &str| recorded_out(&Lockfile::parse(text.as_bytes()).unwrap()).data_version().unwrap();
    let body = |text: &str| text["schema: '2.0'\nstages:\n".len()..].to_owned();
    assert_eq!(
        merged_text(&merged),
        format!(
            "schema: '2.0'\nstages:\n<<<<<<< HEAD (data {})\n{}=======\n{}>>>>>>> feature (data {})\n",
            version(&ours),
            body(&ours),
            body(&theirs),
            version(&theirs)
        )
    );
}

/// M14: One run in conflict becomes ours, theirs or both; all other runs are merged.
#[test]
fn a_decision_applies_to_one_run_and_all_others_unite() {
    let mut store = MemoryObjects::default();
    let base = store.add_lockfile("e/a", &[("e/a/f", "a")]);
    let ours = store.add_lockfile("e/b", &[("e/a/f", "a"), ("e/b/f", "1"), ("e/c/f", "c"), ("e/b-theirs/f", "x")]);
    let theirs = store.add_lockfile("e/b", &[("e/a/f", "a"), ("e/b/f", "2"), ("e/b/g", "2"), ("e/d/f", "d")]);
    let run: RunKey = "e/b".parse().unwrap();
    let common = [("e/a/f", "a"), ("e/c/f", "c"), ("e/d/f", "d"), ("e/b-theirs/f", "x")];
    let both = [("e/b/f", "1"), ("e/b-theirs2/f", "2"), ("e/b-theirs2/g", "2")];
    for (choice, files) in [
        (RunChoice::Ours, &[("e/b/f", "1")][..]),
        (RunChoice::Theirs, &[("e/b/f", "2"), ("e/b/g", "2")]),
        (RunChoice::Both, &both),
    ] {
        let decisions = MergeDecisions { runs: BTreeMap::from([(run.clone(), choice)]), ..MergeDecisions::default() };
        let merged = store.merge_as(&decisions, [&base, &ours, &theirs], MergeSide::Ours).unwrap();
        assert_eq!(merged_text(&merged), store.add_lockfile("e/b", &[&common, files].concat()), "{choice:?}");
        assert_eq!(merged.decided_runs, [(run.clone(), choice)]);
        assert_eq!(merged.renamed_runs.is_empty(), choice != RunChoice::Both);
    }
    // Another run that both sides changed stays a conflict, unless git favours a side.
    let decisions = MergeDecisions {
        runs: BTreeMap::from([("e/x".parse().unwrap(), RunChoice::Ours)]),
        ..MergeDecisions::default()
    };
    let merged = store.merge_as(&decisions, [&base, &ours, &theirs], MergeSide::Ours).unwrap();
    assert_eq!(merged.conflicts, [MergeConflict::Run(run)]);
    let favored = MergeDecisions { favored: Some(MergeSide::Theirs), ..MergeDecisions::default() };
    let merged = store.merge_as(&favored, [&base, &ours, &theirs], MergeSide::Ours).unwrap();
    assert_eq!(
        merged_text(&merged),
        store.add_lockfile("e/b", &[&common, &[("e/b/f", "2"), ("e/b/g", "2")][..]].concat())
    );
    // An ancestor of several holds what they agree on.
    let ancestor = MergeDecisions { virtual_ancestor: true, ..MergeDecisions::default() };
    let merged = store.merge_as(&ancestor, [&base, &ours, &theirs], MergeSide::Ours).unwrap();
    assert_eq!((merged_text(&merged), merged.conflicts), (store.add_lockfile("e/b", &common), vec![]));
    // What one side has removed, git leaves to the user.
    let removed = store.add_lockfile("e/c", &[("e/c/f", "c")]);
    let changed = store.add_lockfile("e/a", &[("e/a/f", "b")]);
    let merged = store.merge_as(&favored, [&base, &changed, &removed], MergeSide::Ours).unwrap();
    assert_eq!(merged.conflicts, [MergeConflict::Run("e/a".parse().unwrap())]);
}

#[test]
fn other_stages_merge_if_one_side_changed_them() {
    let mut store = MemoryObjects::default();
    let base = store.add_lockfile("e/a", &[("e/a/f", "a")]) + "  train:\n    cmd: t\n";
    let ours =
        store.add_lockfile("e/b", &[("e/a/f", "a"), ("e/b/f", "b")]) + "  train:\n    cmd: t\n  mine:\n    cmd: m\n";
    let theirs =
        store.add_lockfile("e/c", &[("e/a/f", "a"), ("e/c/f", "c")]) + "  new:\n    cmd: n\n  train:\n    cmd: t2\n";
    let merged = store.merge_preferring(&base, &ours, &theirs, MergeSide::Ours).unwrap();
    let all = store.add_lockfile("e/b", &[("e/a/f", "a"), ("e/b/f", "b"), ("e/c/f", "c")]);
    assert_eq!(merged_text(&merged), all + "  train:\n    cmd: t2\n  mine:\n    cmd: m\n  new:\n    cmd: n\n");

    let theirs = theirs.replace("t2", "t3") + "  mine:\n    cmd: other\n";
    let merged = store.merge_preferring(&base, &ours, &theirs, MergeSide::Ours).unwrap();
    assert_eq!(merged.conflicts, [MergeConflict::Stage { name: "mine".into(), what: "the record".into() }]);
    let marked = "<<<<<<< HEAD\n  mine:\n    cmd: m\n=======\n  mine:\n    cmd: other\n>>>>>>> feature\n  new:";
    assert!(merged_text(&merged).contains(marked), "{}", merged_text(&merged));
}

#[test]
fn a_base_with_markers_counts_as_none() {
    let mut store = MemoryObjects::default();
    let ours = store.add_lockfile("e/b", &[("e/b/f", "b")]);
    let theirs = store.add_lockfile("e/c", &[("e/c/f", "c")]);
    let merged = store.merge_preferring("<<<<<<< x\n", &ours, &theirs, MergeSide::Ours).unwrap();
    assert_eq!(merged_text(&merged), store.add_lockfile("e/b", &[("e/b/f", "b"), ("e/c/f", "c")]));
    assert!(store.merge_preferring(&ours, "<<<<<<< x\n", &theirs, MergeSide::Ours).is_err());
}

#[test]
fn a_file_where_the_other_side_has_a_run_is_a_conflict() {
    for beside in ["demo/r1-b/run.json", "demo/r2/run.json"] {
        let mut objects = MemoryObjects::default();
        let base = objects.add_lockfile("demo/r0", &[("demo/r0/run.json", "0")]);
        let files = [("demo/r0/run.json", "0"), ("demo/r1", "a file"), (beside, "1")];
        let ours = objects.add_lockfile("demo/r0", &files);
        let theirs = objects.add_lockfile("demo/r0", &[("demo/r0/run.json", "0"), ("demo/r1/run.json", "2")]);
        let merged = objects.merge_preferring(&base, &ours, &theirs, MergeSide::Ours).unwrap();
        assert_eq!(merged.conflicts, [MergeConflict::File("demo/r1".into())], "{beside}");
    }
}

#[test]
fn an_unavailable_file_list_is_an_error() {
    let mut store = MemoryObjects::default();
    let base = store.add_lockfile("e/a", &[]);
    let ours = store.add_lockfile("e/b", &[("e/b/f", "b")]);
    let theirs = store.add_lockfile("e/c", &[("e/c/f", "c")]);
    store.file_lists.clear();
    assert!(matches!(store.merge_preferring(&base, &ours, &theirs, MergeSide::Ours), Err(MergeError::FileList { .. })));
}

fn any_files() -> impl Strategy<Value = BTreeMap<String, String>> {
    let path = prop::sample::select(vec!["e/a/f", "e/a/g", "e/b/f", "d/a/f", "top", "e/a-1/f"]);
    prop::collection::btree_map(path.prop_map(str::to_owned), "[12]", 0..5)
}

fn files_of_run(path: &str, files: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let prefix = path.rsplit_once('/').map_or(path.to_owned(), |(p, _)| format!("{p}/"));
    files.iter().filter(|(p, _)| p.starts_with(&prefix)).map(|(p, t)| (p.clone(), t.clone())).collect()
}

proptest! {
    #[test]
    fn each_run_is_one_of_the_three(base in any_files(), ours in any_files(), theirs in any_files()) {
        let mut store = MemoryObjects::default();
        let lock = |store: &mut MemoryObjects, run: &str, files: &BTreeMap<String, String>| {
            store.add_lockfile(run, &files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect::<Vec<_>>())
        };
        let b = lock(&mut store, "e/a", &base);
        let o = lock(&mut store, "e/b", &ours);
        let t = lock(&mut store, "e/c", &theirs);
        let merged = store.merge_preferring(&b, &o, &t, MergeSide::Ours).unwrap();
        if merged.conflicts.is_empty() {
            let lock = Lockfile::parse(&merged.bytes).unwrap();
            let out = recorded_out(&lock);
            for listing in &merged.new_lists {
                store.file_lists.insert(listing.data_version(), listing.clone());
            }
            let result = store.read_file_list(out.data_version().unwrap()).unwrap();
            prop_assert_eq!(out.nfiles, Some(result.len() as u64));
            prop_assert_eq!(out.size, Some(result.entries().iter().map(|e| store.object_size(e.md5).unwrap()).sum()));
            // What only one side has, and no ancestor, is there.
            for (side, other) in [(&ours, &theirs), (&theirs, &ours)] {
                for (path, text) in side {
                    if files_of_run(path, other).is_empty() && files_of_run(path, &base).is_empty() {
                        prop_assert_eq!(result.get(path).map(|e| e.md5), Some(DvcHash::of_bytes(text.as_bytes())));
                    }
                }
            }
        }
    }
}

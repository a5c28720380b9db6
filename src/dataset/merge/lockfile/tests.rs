//! The rules of the merge, and the law: what only one side has is in the result.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

#[derive(Default)]
struct Store {
    listings: BTreeMap<DataVersion, Listing>,
}

impl Objects for Store {
    fn listing(&mut self, version: DataVersion) -> Result<Listing, String> {
        self.listings.get(&version).cloned().ok_or_else(|| "not there".into())
    }

    fn size(&mut self, oid: Oid) -> Option<u64> {
        Some(u64::from(oid.hex()[0]))
    }
}

impl Store {
    /// A lock whose dataset holds these files, the first text the selection.
    fn lock(&mut self, run: &str, files: &[(&str, &str)]) -> String {
        let entries: Vec<Entry> =
            files.iter().map(|(p, text)| Entry { relpath: (*p).into(), md5: Oid::of(text.as_bytes()) }).collect();
        let size: u64 = entries.iter().map(|e| self.size(e.md5).unwrap()).sum();
        let listing = Listing::new(entries).unwrap();
        let (version, nfiles) = (listing.version(), listing.len());
        self.listings.insert(version, listing);
        format!(
            "schema: '2.0'\nstages:\n  capture_ingest:\n    cmd: capture-hook ingest\n    params:\n      params.yaml:\n        \
             ingest_capture.out_dir: data/captures\n        ingest_capture.run_dir: results/{run}\n    outs:\n    - path: \
             data/captures\n      hash: md5\n      md5: {version}\n      size: {size}\n      nfiles: {nfiles}\n"
        )
    }

    fn merge(&mut self, base: &str, ours: &str, theirs: &str, prefer: Prefer) -> Result<Merged, MergeError> {
        self.merge_as(&Decided::default(), [base, ours, theirs], prefer)
    }

    fn merge_as(
        &mut self,
        decided: &Decided,
        [base, ours, theirs]: [&str; 3],
        prefer: Prefer,
    ) -> Result<Merged, MergeError> {
        let sides = Sides {
            base: base.as_bytes(),
            ours: ours.as_bytes(),
            theirs: theirs.as_bytes(),
            ours_name: "HEAD",
            theirs_name: "feature",
            marker: 7,
            prefer,
            decided,
        };
        merge(&sides, self)
    }
}

fn text(merged: &Merged) -> String {
    String::from_utf8(merged.bytes.clone()).unwrap()
}

/// F2: Two sides that differ only in derived files of one recording do not conflict.
#[test]
fn one_recording_that_two_versions_ingested_is_no_clash() {
    let mut store = Store::default();
    let run = |steps: &'static str, derived: &'static str| {
        let files = ["DATASET_INDEX.json", "manifest.json", "steps.jsonl.gz", "steps.parquet"];
        let bytes = move |name: &&str| if name.ends_with(".gz") { steps } else { derived };
        files.map(|name| (format!("e/a/{name}"), bytes(&name)))
    };
    let mut lock = |steps, derived| {
        let files = run(steps, derived);
        store.lock("e/a", &files.each_ref().map(|(path, bytes)| (path.as_str(), *bytes)))
    };
    let (none, ours, theirs, other) = (lock("", ""), lock("s", "old"), lock("s", "new"), lock("t", "new"));
    for base in ["", none.as_str()] {
        let merged = store.merge(base, &ours, &theirs, Prefer::Theirs).unwrap();
        assert_eq!((text(&merged), merged.clashes, merged.alike), (ours.clone(), vec![], vec!["e/a".parse().unwrap()]));
        let merged = store.merge(base, &ours, &other, Prefer::Theirs).unwrap();
        assert_eq!(merged.clashes, [Clash::Run("e/a".parse().unwrap())]);
    }
}

#[test]
fn two_branches_that_each_added_a_run_unite() {
    let mut store = Store::default();
    let base = store.lock("e/a", &[("e/a/f", "a")]);
    let ours = store.lock("e/b", &[("e/a/f", "a"), ("e/b/f", "b"), ("e/b/g", "b")]);
    let theirs = store.lock("e/c", &[("e/a/f", "a"), ("e/c/f", "c")]);
    let all = [("e/a/f", "a"), ("e/b/f", "b"), ("e/b/g", "b"), ("e/c/f", "c")];
    for (prefer, run, other) in [(Prefer::Ours, "e/b", "results/e/c"), (Prefer::Theirs, "e/c", "results/e/b")] {
        let merged = store.merge(&base, &ours, &theirs, prefer).unwrap();
        assert_eq!(text(&merged), store.lock(run, &all));
        assert_eq!(merged.listings.len(), 1);
        assert_eq!(merged.other_selection.as_ref().unwrap().0, other);
        assert_eq!(merged.added, (vec!["e/b".parse().unwrap()], vec!["e/c".parse().unwrap()]));
    }
    // Without a common ancestor too.
    let merged = store.merge("", &ours, &theirs, Prefer::Ours).unwrap();
    assert_eq!(text(&merged), store.lock("e/b", &all));
}

#[test]
fn a_run_deleted_on_one_side_stays_deleted() {
    let mut store = Store::default();
    let base = store.lock("e/a", &[("e/a/f", "a"), ("e/x/f", "x")]);
    let ours = store.lock("e/b", &[("e/a/f", "a"), ("e/b/f", "b")]);
    let theirs = store.lock("e/c", &[("e/a/f", "a"), ("e/c/f", "c"), ("e/x/f", "x")]);
    let merged = store.merge(&base, &ours, &theirs, Prefer::Ours).unwrap();
    assert_eq!(text(&merged), store.lock("e/b", &[("e/a/f", "a"), ("e/b/f", "b"), ("e/c/f", "c")]));
}

#[test]
fn other_files_in_the_same_run_are_a_conflict_that_names_both_versions() {
    let mut store = Store::default();
    let base = store.lock("e/a", &[("e/a/f", "a")]);
    let ours = store.lock("e/b", &[("e/a/f", "a"), ("e/b/f", "1")]);
    let theirs = store.lock("e/b", &[("e/a/f", "a"), ("e/b/f", "2")]);
    let merged = store.merge(&base, &ours, &theirs, Prefer::Ours).unwrap();
    assert_eq!(merged.clashes, [Clash::Run("e/b".parse().unwrap())]);
    let version = |text: &str| Lock::parse(text.as_bytes()).unwrap().data_version("data/captures").unwrap();
    let body = |text: &str| text["schema: '2.0'\nstages:\n".len()..].to_owned();
    assert_eq!(
        text(&merged),
        format!(
            "schema: '2.0'\nstages:\n<<<<<<< HEAD (data {})\n{}=======\n{}>>>>>>> feature (data {})\n",
            version(&ours),
            body(&ours),
            body(&theirs),
            version(&theirs)
        )
    );
}

/// M14: One disputed run becomes ours, theirs or both; all other runs are united.
#[test]
fn a_decision_settles_one_run_and_all_others_unite() {
    let mut store = Store::default();
    let base = store.lock("e/a", &[("e/a/f", "a")]);
    let ours = store.lock("e/b", &[("e/a/f", "a"), ("e/b/f", "1"), ("e/c/f", "c"), ("e/b-theirs/f", "x")]);
    let theirs = store.lock("e/b", &[("e/a/f", "a"), ("e/b/f", "2"), ("e/b/g", "2"), ("e/d/f", "d")]);
    let run: RunKey = "e/b".parse().unwrap();
    let common = [("e/a/f", "a"), ("e/c/f", "c"), ("e/d/f", "d"), ("e/b-theirs/f", "x")];
    let both = [("e/b/f", "1"), ("e/b-theirs2/f", "2"), ("e/b-theirs2/g", "2")];
    for (choice, files) in [
        (Choice::Ours, &[("e/b/f", "1")][..]),
        (Choice::Theirs, &[("e/b/f", "2"), ("e/b/g", "2")]),
        (Choice::Both, &both),
    ] {
        let decided = Decided { runs: BTreeMap::from([(run.clone(), choice)]), ..Decided::default() };
        let merged = store.merge_as(&decided, [&base, &ours, &theirs], Prefer::Ours).unwrap();
        assert_eq!(text(&merged), store.lock("e/b", &[&common, files].concat()), "{choice:?}");
        assert_eq!(merged.settled, [(run.clone(), choice)]);
        assert_eq!(merged.kept.is_empty(), choice != Choice::Both);
    }
    // Another run that both sides changed stays a conflict, unless git favours a side.
    let decided = Decided { runs: BTreeMap::from([("e/x".parse().unwrap(), Choice::Ours)]), ..Decided::default() };
    let merged = store.merge_as(&decided, [&base, &ours, &theirs], Prefer::Ours).unwrap();
    assert_eq!(merged.clashes, [Clash::Run(run)]);
    let favored = Decided { favored: Some(Prefer::Theirs), ..Decided::default() };
    let merged = store.merge_as(&favored, [&base, &ours, &theirs], Prefer::Ours).unwrap();
    assert_eq!(text(&merged), store.lock("e/b", &[&common, &[("e/b/f", "2"), ("e/b/g", "2")][..]].concat()));
    // An ancestor of several holds what they agree on.
    let ancestor = Decided { ancestor: true, ..Decided::default() };
    let merged = store.merge_as(&ancestor, [&base, &ours, &theirs], Prefer::Ours).unwrap();
    assert_eq!((text(&merged), merged.clashes), (store.lock("e/b", &common), vec![]));
    // What one side has removed, git leaves to the user.
    let removed = store.lock("e/c", &[("e/c/f", "c")]);
    let changed = store.lock("e/a", &[("e/a/f", "b")]);
    let merged = store.merge_as(&favored, [&base, &changed, &removed], Prefer::Ours).unwrap();
    assert_eq!(merged.clashes, [Clash::Run("e/a".parse().unwrap())]);
}

#[test]
fn other_stages_merge_where_one_side_changed_them() {
    let mut store = Store::default();
    let base = store.lock("e/a", &[("e/a/f", "a")]) + "  train:\n    cmd: t\n";
    let ours = store.lock("e/b", &[("e/a/f", "a"), ("e/b/f", "b")]) + "  train:\n    cmd: t\n  mine:\n    cmd: m\n";
    let theirs = store.lock("e/c", &[("e/a/f", "a"), ("e/c/f", "c")]) + "  new:\n    cmd: n\n  train:\n    cmd: t2\n";
    let merged = store.merge(&base, &ours, &theirs, Prefer::Ours).unwrap();
    let all = store.lock("e/b", &[("e/a/f", "a"), ("e/b/f", "b"), ("e/c/f", "c")]);
    assert_eq!(text(&merged), all + "  train:\n    cmd: t2\n  mine:\n    cmd: m\n  new:\n    cmd: n\n");

    let theirs = theirs.replace("t2", "t3") + "  mine:\n    cmd: other\n";
    let merged = store.merge(&base, &ours, &theirs, Prefer::Ours).unwrap();
    assert_eq!(merged.clashes, [Clash::Stage { name: "mine".into(), what: "the record".into() }]);
    let marked = "<<<<<<< HEAD\n  mine:\n    cmd: m\n=======\n  mine:\n    cmd: other\n>>>>>>> feature\n  new:";
    assert!(text(&merged).contains(marked), "{}", text(&merged));
}

#[test]
fn a_base_with_markers_counts_as_none() {
    let mut store = Store::default();
    let ours = store.lock("e/b", &[("e/b/f", "b")]);
    let theirs = store.lock("e/c", &[("e/c/f", "c")]);
    let merged = store.merge("<<<<<<< x\n", &ours, &theirs, Prefer::Ours).unwrap();
    assert_eq!(text(&merged), store.lock("e/b", &[("e/b/f", "b"), ("e/c/f", "c")]));
    assert!(store.merge(&ours, "<<<<<<< x\n", &theirs, Prefer::Ours).is_err());
}

#[test]
fn a_listing_that_is_not_to_be_had_is_an_error() {
    let mut store = Store::default();
    let base = store.lock("e/a", &[]);
    let ours = store.lock("e/b", &[("e/b/f", "b")]);
    let theirs = store.lock("e/c", &[("e/c/f", "c")]);
    store.listings.clear();
    assert!(matches!(store.merge(&base, &ours, &theirs, Prefer::Ours), Err(MergeError::Listing { .. })));
}

fn files() -> impl Strategy<Value = BTreeMap<String, String>> {
    let path = prop::sample::select(vec!["e/a/f", "e/a/g", "e/b/f", "d/a/f", "top", "e/a-1/f"]);
    prop::collection::btree_map(path.prop_map(str::to_owned), "[12]", 0..5)
}

fn run_of(path: &str, files: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let prefix = path.rsplit_once('/').map_or(path.to_owned(), |(p, _)| format!("{p}/"));
    files.iter().filter(|(p, _)| p.starts_with(&prefix)).map(|(p, t)| (p.clone(), t.clone())).collect()
}

proptest! {
    #[test]
    fn each_run_is_one_of_the_three(base in files(), ours in files(), theirs in files()) {
        let mut store = Store::default();
        let lock = |store: &mut Store, run: &str, files: &BTreeMap<String, String>| {
            store.lock(run, &files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect::<Vec<_>>())
        };
        let b = lock(&mut store, "e/a", &base);
        let o = lock(&mut store, "e/b", &ours);
        let t = lock(&mut store, "e/c", &theirs);
        let merged = store.merge(&b, &o, &t, Prefer::Ours).unwrap();
        if merged.clashes.is_empty() {
            let lock = Lock::parse(&merged.bytes).unwrap();
            let out = lock.capture().unwrap().out("data/captures").unwrap();
            for listing in &merged.listings {
                store.listings.insert(listing.version(), listing.clone());
            }
            let result = store.listing(out.version().unwrap()).unwrap();
            prop_assert_eq!(out.nfiles, Some(result.len() as u64));
            prop_assert_eq!(out.size, Some(result.entries().iter().map(|e| store.size(e.md5).unwrap()).sum()));
            // What only one side has, and no ancestor, is there.
            for (side, other) in [(&ours, &theirs), (&theirs, &ours)] {
                for (path, text) in side {
                    if run_of(path, other).is_empty() && run_of(path, &base).is_empty() {
                        prop_assert_eq!(result.get(path).map(|e| e.md5), Some(Oid::of(text.as_bytes())));
                    }
                }
            }
        }
    }
}

use super::*;
use crate::dataset::runs::group_by_run;
use proptest::prelude::*;

fn make_file_list(files: &[(&str, u8)]) -> FileList {
    let entry = |(path, byte): &(&str, u8)| FileEntry { relpath: (*path).into(), md5: DvcHash::of_bytes(&[*byte]) };
    FileList::new(files.iter().map(entry).collect()).unwrap()
}

fn parse_keys(names: &[&str]) -> BTreeSet<RunKey> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn added_changed_and_removed_runs_are_reported() {
    let old = make_file_list(&[("a/1/x", 1), ("a/2/x", 1), ("a/2/y", 1), ("a/3/x", 1), ("b/1/x", 1), ("loose", 1)]);
    let new =
        make_file_list(&[("a/1/x", 1), ("a/2/x", 1), ("a/3/x", 2), ("b/0/x", 1), ("b/2/ü\"}, {x", 1), ("loose", 2)]);
    let diff = diff_runs(&old.to_bytes()[..], &new.to_bytes()[..]).unwrap();
    assert_eq!((diff.introduced, diff.removed), (parse_keys(&["a/2", "a/3", "b/0", "b/2"]), parse_keys(&["b/1"])));
    assert_eq!(diff_runs(&b"[]"[..], &new.to_bytes()[..]).unwrap().introduced.len(), 5);
}

/// A list that must not be read whole.
struct PartwiseBytes(Vec<u8>);

impl ListBytes for PartwiseBytes {
    fn size(&self) -> usize {
        self.0.len()
    }

    fn read_part(&self, range: Range<usize>) -> Result<std::borrow::Cow<'_, [u8]>, FsError> {
        assert!(range.len() < 2 * WINDOW, "{range:?} of {}", self.size());
        self.0[..].read_part(range)
    }
}

#[test]
fn an_added_run_is_found_without_parsing_the_whole_list() {
    let names: Vec<String> = (0..4000).map(|n| format!("e/run-{n:04}/x")).collect();
    let files: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let new = PartwiseBytes(make_file_list(&files).to_bytes());
    // The second, one amid the others, and the last of all, as most new runs are.
    for at in [1, 2000, 3999] {
        let mut fewer = files.clone();
        let (path, _) = fewer.remove(at);
        let old = PartwiseBytes(make_file_list(&fewer).to_bytes());
        let run: RunKey = path.trim_end_matches("/x").parse().unwrap();
        let diff = diff_runs(&old, &new).unwrap();
        assert_eq!((diff.introduced, diff.removed.len()), (BTreeSet::from([run.clone()]), 0), "{path}");
        assert_eq!(diff_runs(&new, &old).unwrap().removed, BTreeSet::from([run]), "{path}");
    }
}

#[test]
fn one_run_is_replaced_and_the_others_kept() {
    let list = make_file_list(&[("e/a/x", 1), ("e/b/x", 1), ("e/b/y", 1), ("e/c/x", 1)]).to_bytes();
    let run = "e/b".parse().unwrap();
    let file = |path: &str, byte| FileEntry { relpath: path.into(), md5: DvcHash::of_bytes(&[byte]) };
    let new = replace_runs(&list, &[run], vec![file("e/b/z", 2)]).unwrap();
    assert_eq!(new, make_file_list(&[("e/a/x", 1), ("e/b/z", 2), ("e/c/x", 1)]).to_bytes());
    assert!(replace_runs(&list, &["e/b".parse().unwrap()], vec![file("e/b/../z", 2)]).is_err());
    let runs = ["e/c".parse().unwrap(), "d/a".parse().unwrap()];
    let new = replace_runs(&list, &runs, vec![file("e/c/y", 2), file("d/a/x", 3)]).unwrap();
    let all = [("d/a/x", 3), ("e/a/x", 1), ("e/b/x", 1), ("e/b/y", 1), ("e/c/y", 2)];
    assert_eq!(new, make_file_list(&all).to_bytes());
}

/// S16: A long file list is read in parts.
#[test]
fn the_runs_of_a_long_list_are_found_part_by_part() {
    let names: Vec<String> = (0..60_000).map(|n| format!("e/run-{:05}/{}", n / 4, n % 4)).collect();
    let all: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let list = make_file_list(&all);
    assert!(list.to_bytes().len() > 3 * STRIDE);
    let (runs, refused) = list_runs(&list.to_bytes()[..]).unwrap();
    assert_eq!((runs.len(), refused.len()), (15_000, 0));
    assert_eq!(runs, run_keys(&list).collect::<Vec<_>>());
    let swapped = [&list.to_bytes()[..], &make_file_list(&[("a/b/x", 1)]).to_bytes()].concat();
    let swapped = String::from_utf8(swapped).unwrap().replace("][", ", ");
    assert!(list_runs(swapped.as_bytes()).is_err(), "the last is not in its place");
}

#[test]
fn lists_in_another_format_are_parsed_whole() {
    let ours = make_file_list(&[("e/a/x", 1), ("e/b/x", 1), ("e/c/x", 1)]);
    let text = String::from_utf8(ours.to_bytes()).unwrap();
    let mut rows: Vec<&str> = text[1..text.len() - 1].split(", {").collect();
    let first = rows.remove(0);
    let shuffled = format!("[{{{}, {first}]", rows.join(", {"));
    let run: RunKey = "e/a".parse().unwrap();
    let file = || vec![FileEntry { relpath: "e/a/x".into(), md5: DvcHash::of_bytes(&[3]) }];
    assert!(replace_runs(shuffled.as_bytes(), std::slice::from_ref(&run), file()).is_err());
    for reformatted in [text.replace(", ", ","), format!(" {text}")] {
        let new = replace_runs(reformatted.as_bytes(), std::slice::from_ref(&run), file()).unwrap();
        let reparsed = FileList::parse(&new).unwrap();
        assert_eq!(reparsed, make_file_list(&[("e/a/x", 3), ("e/b/x", 1), ("e/c/x", 1)]), "{reformatted}");
    }
}

proptest! {
    #[test]
    fn the_short_way_finds_what_the_long_way_does(
        old in proptest::collection::btree_map("[ab]/[12ü\"]/[xy}{\\\\]{1,2}", 0..3u8, 0..12),
        new in proptest::collection::btree_map("[ab]/[12ü\"]/[xy}{\\\\]{1,2}", 0..3u8, 0..12),
    ) {
        let make = |files: &std::collections::BTreeMap<String, u8>| {
            make_file_list(&files.iter().map(|(path, byte)| (path.as_str(), *byte)).collect::<Vec<_>>())
        };
        let (old, new) = (make(&old), make(&new));
        let short = diff_runs(&old.to_bytes()[..], &new.to_bytes()[..]).unwrap();
        let long = diff_file_lists(&old, &new, |run| !entries_of_run(&new, run).is_empty());
        prop_assert_eq!(&short, &long);
        let text = new.to_bytes();
        let (runs, refused) = list_runs(&text[..]).unwrap();
        prop_assert_eq!(runs, run_keys(&new).collect::<Vec<_>>());
        prop_assert_eq!(refused, split_refused(new.clone()).1);
        for run in group_by_run(&old).chain(group_by_run(&new)) {
            prop_assert_eq!(run_entries(&text[..], &run.key).unwrap(), entries_of_run(&new, &run.key));
            if !run.entries.iter().all(FileEntry::is_safe) {
                continue;
            }
            let with = replace_runs(&text, std::slice::from_ref(&run.key), run.entries.to_vec()).unwrap();
            let others = new.entries().iter().filter(|entry| run_of_path(&entry.relpath).as_ref() != Some(&run.key));
            let whole = FileList::new(others.chain(run.entries).cloned().collect()).unwrap();
            prop_assert_eq!(with, whole.to_bytes());
        }
    }
}

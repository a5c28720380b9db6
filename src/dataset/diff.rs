//! Compares two `.dir` objects, and finds or replaces one run's entries in one, without parsing a whole object.
//!
//! A file list is sorted, so two versions of a dataset share almost all of their text. Equal text at both ends is
//! skipped as bytes and only the rest is parsed; a run's entries are found by bisection. This relies on how DVC
//! writes the object (see `dvc::file_list`); any other text is parsed whole. Bytes are not checked against the
//! object's name: the code that writes a version made from another, or returns data, does that.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use memchr::memmem;

use crate::dataset::list_bytes::ListBytes;
use crate::dataset::runs::{RefusedPath, entries_of_run, run_keys, run_of_path, split_refused};
use crate::dvc::file_list::{FileEntry, FileList, FileListError};
use crate::dvc::hash::DvcHash;
use crate::run::RunKey;
use crate::support::fs::FsError;
use crate::support::limits;

const ENTRY_START: &[u8] = b"{\"md5\"";
const ENTRY_BREAK: &[u8] = b"}, {\"md5\"";
/// How much text is looked at around a place; no entry is as long, for no path is.
const WINDOW: usize = 1 << 15;
/// How much of a list is parsed at once: with its entries some hundred MiB of memory.
const MAX_PARSED: usize = 32 << 20;
/// How much of a list is parsed at a time if only its runs are asked for.
const STRIDE: usize = 1 << 20;

/// A list that cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum RunDiffError {
    /// It is not a file list.
    #[error(transparent)]
    FileList(#[from] FileListError),
    /// It cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// It is of a size that no dataset has.
    #[error("the file list {0}")]
    TooLarge(String),
}

/// The runs whose files two lists hold differently.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunDiff {
    /// Runs of the new list whose files the old one does not hold so.
    pub introduced: BTreeSet<RunKey>,
    /// Runs of the old list that the new one does not hold at all.
    pub removed: BTreeSet<RunKey>,
    /// Paths that only the new list holds and that no checkout takes.
    pub refused: Vec<RefusedPath>,
}

/// What `new` holds differently from `old`.
pub fn diff_runs(old: &(impl ListBytes + ?Sized), new: &(impl ListBytes + ?Sized)) -> Result<RunDiff, RunDiffError> {
    let common = common_start(old, new)?;
    // Equal bytes hold equal runs: nothing is parsed.
    if common == old.size() && common == new.size() {
        return Ok(RunDiff::default());
    }
    if let Some((old_part, new_part)) = differing_middle(old, new, common)? {
        // The closure can only answer yes or no, so an error is kept and returned after it.
        let mut fault = None;
        let diff = diff_file_lists(&old_part, &new_part, |run| match run_entries(new, run) {
            Ok(entries) => !entries.is_empty(),
            Err(error) => {
                fault = Some(error);
                false
            }
        });
        check_run_limit(diff.introduced.len() + diff.removed.len())?;
        return fault.map_or(Ok(diff), Err);
    }
    let (old, new) = (parse_whole(old)?, parse_whole(new)?);
    let diff = diff_file_lists(&old, &new, |run| !entries_of_run(&new, run).is_empty());
    check_run_limit(diff.introduced.len() + diff.removed.len())?;
    Ok(diff)
}

/// The runs that a list holds, sorted, and what of it no checkout takes. It is read in parts: a long one costs its
/// runs' names in memory, and no more.
pub fn list_runs(list: &(impl ListBytes + ?Sized)) -> Result<(Vec<RunKey>, Vec<RefusedPath>), RunDiffError> {
    let mut collector = RunCollector::default();
    if !is_dvc_format(list)? {
        collector.add_part(parse_whole(list)?)?;
        return Ok((collector.runs, collector.refused));
    }
    let (mut at, end) = (1, list.size() - 1);
    while at < end {
        let block = list.read_part(at..end.min(at + STRIDE))?;
        let length = match at + block.len() < end {
            // Cut after the last whole entry of the block; the last block ends with the list.
            true => memmem::rfind(&block, ENTRY_BREAK).map_or(block.len(), |brace| brace + 1),
            false => block.len(),
        };
        let part = [b"[", block.get(..length).unwrap_or_default(), b"]"].concat();
        collector.add_part(FileList::parse(&part)?)?;
        at += length + COMMA.len();
    }
    Ok((collector.runs, collector.refused))
}

/// What [`list_runs`] found so far.
#[derive(Default)]
struct RunCollector {
    runs: Vec<RunKey>,
    refused: Vec<RefusedPath>,
    last_path: String,
}

impl RunCollector {
    /// Takes in the next part; a run may continue from the last one.
    fn add_part(&mut self, part: FileList) -> Result<(), RunDiffError> {
        let Some((first, last)) = part.entries().first().zip(part.entries().last()) else { return Ok(()) };
        // Only a sorted list holds each run in one piece, as `is_next` relies on.
        if first.relpath <= self.last_path {
            return Err(FileListError(format!("`{}` is not in the right order", first.relpath)).into());
        }
        self.last_path.clone_from(&last.relpath);
        let is_next = |run: &RunKey| self.runs.last() != Some(run);
        let runs: Vec<RunKey> = run_keys(&part).filter(is_next).collect();
        self.runs.extend(runs);
        let is_next = |refusal: &RefusedPath| self.refused.last().map(|last| &last.path) != Some(&refusal.path);
        let refused: Vec<RefusedPath> = split_refused(part).1.into_iter().filter(is_next).collect();
        self.refused.extend(refused);
        check_run_limit(self.runs.len().max(self.refused.len()))
    }
}

/// An error if there are more runs, or refused files, than any dataset has.
fn check_run_limit(count: usize) -> Result<(), RunDiffError> {
    if count <= limits::RUNS {
        return Ok(());
    }
    Err(RunDiffError::TooLarge(format!("has more than {} runs", limits::RUNS)))
}

/// A list that must be parsed at once.
pub(super) fn parse_whole(list: &(impl ListBytes + ?Sized)) -> Result<FileList, RunDiffError> {
    if list.size() > MAX_PARSED {
        return Err(RunDiffError::TooLarge(format!(
            "is larger than {} MiB, and not written as DVC writes it",
            MAX_PARSED >> 20
        )));
    }
    Ok(FileList::parse(&list.read_whole()?)?)
}

/// Whether a text begins and ends as DVC writes a list that is not empty.
pub(super) fn is_dvc_format(list: &(impl ListBytes + ?Sized)) -> Result<bool, FsError> {
    let len = list.size();
    // The second part is read only if the first ten bytes exist, so `len - 2` does not underflow.
    Ok(*list.read_part(0..10)? == *b"[{\"md5\": \"" && *list.read_part(len - 2..len)? == *b"}]")
}

fn diff_file_lists(old: &FileList, new: &FileList, mut is_in_new: impl FnMut(&RunKey) -> bool) -> RunDiff {
    let differing = |list: &FileList, base: &FileList| -> BTreeSet<RunKey> {
        let differs =
            |entry: &&FileEntry| base.get(&entry.relpath).map(|other_entry| other_entry.md5) != Some(entry.md5);
        list.entries().iter().filter(differs).filter_map(|entry| run_of_path(&entry.relpath)).collect()
    };
    let mut diff = RunDiff { introduced: differing(new, old), ..RunDiff::default() };
    for entry in new.entries().iter().filter(|entry| old.get(&entry.relpath).is_none()) {
        diff.refused.extend(RefusedPath::from_path(&entry.relpath));
    }
    // A run that lost some of its files is introduced in its new form; one that lost all is removed.
    for run in differing(old, new) {
        if is_in_new(&run) {
            diff.introduced.insert(run);
        } else {
            diff.removed.insert(run);
        }
    }
    diff
}

/// The differing parts of both, cut at whole entries, if they share `front` bytes at their start.
fn differing_middle(
    old: &(impl ListBytes + ?Sized),
    new: &(impl ListBytes + ?Sized),
    front: usize,
) -> Result<Option<(FileList, FileList)>, RunDiffError> {
    let back = common_end(old, new, front)?;
    // Back to the start of the entry in which they part.
    let from = front.saturating_sub(WINDOW);
    let Some(start) = memmem::rfind(&new.read_part(from..front)?, ENTRY_START).map(|at| from + at) else {
        return Ok(None);
    };
    // On to the end of the entry after which they are one again; its brace must be of the common end.
    let tail = new.size() - back;
    let after = new.read_part(tail..tail + back.min(WINDOW))?;
    // Runs added behind all others leave no whole entry there: then both continue to the bracket.
    let entry_end = memmem::find(&after, ENTRY_BREAK).or_else(|| memmem::find(&after, b"}]"));
    let rest = entry_end.map_or(1, |at| back - at - 1);
    let [old_end, new_end] = [old.size(), new.size()].map(|size| size.saturating_sub(rest));
    if old_end.max(new_end).saturating_sub(start) > MAX_PARSED {
        return Err(RunDiffError::TooLarge(format!("differs in more than {} MiB from another", MAX_PARSED >> 20)));
    }
    let (old_part, new_part) = (old.read_part(start..old_end)?, new.read_part(start..new_end)?);
    Ok(parse_part(&old_part).zip(parse_part(&new_part)))
}

/// How many bytes two texts share at their start.
fn common_start(a: &(impl ListBytes + ?Sized), b: &(impl ListBytes + ?Sized)) -> Result<usize, FsError> {
    let most = a.size().min(b.size());
    let mut at = 0;
    while at < most {
        let block = at..most.min(at + WINDOW);
        let (a, b) = (a.read_part(block.clone())?, b.read_part(block.clone())?);
        // Whole blocks are compared first, for speed; single bytes only in the block that differs.
        if a != b {
            return Ok(at + a.iter().zip(b.iter()).take_while(|(a, b)| a == b).count());
        }
        at = block.end;
    }
    Ok(most)
}

/// How many bytes two texts share at their end, without those that they are known to share at their start.
fn common_end(a: &(impl ListBytes + ?Sized), b: &(impl ListBytes + ?Sized), front: usize) -> Result<usize, FsError> {
    let most = a.size().min(b.size()) - front;
    let mut shared = 0;
    while shared < most {
        let next = most.min(shared + WINDOW);
        let (a, b) =
            (a.read_part(a.size() - next..a.size() - shared)?, b.read_part(b.size() - next..b.size() - shared)?);
        // As in `common_start`: single bytes only in the block that differs.
        if a != b {
            return Ok(shared + a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count());
        }
        shared = next;
    }
    Ok(most)
}

/// The last entry of a text that ends with an entry's brace, whatever stands before it.
pub(super) fn parse_last_entry(text: &[u8]) -> Option<FileEntry> {
    let start = memmem::rfind(text, ENTRY_START)?;
    parse_part(text.get(start..)?)?.entries().last().cloned()
}

/// Entries without the brackets around them.
fn parse_part(part: &[u8]) -> Option<FileList> {
    // Text that does not parse was not cut at an entry; the callers then parse the whole list.
    FileList::parse(&[b"[", part, b"]"].concat()).ok()
}

/// One run's entries in a list; empty if it holds no such run.
pub fn run_entries(list: &(impl ListBytes + ?Sized), run: &RunKey) -> Result<Vec<FileEntry>, RunDiffError> {
    if let Some(span) = find_run_span(list, run)?
        && let Some(part) = parse_part(&list.read_part(span)?)
    {
        return Ok(part.entries().to_vec());
    }
    Ok(entries_of_run(&parse_whole(list)?, run).to_vec())
}

/// The list with the files of some runs replaced by these. Of one run, nothing else is parsed.
pub fn replace_runs(list: &[u8], runs: &[RunKey], files: Vec<FileEntry>) -> Result<Vec<u8>, RunDiffError> {
    let new = FileList::new(files)?;
    // Refused for safety: no list with a path out of the dataset may be written.
    if let Some(entry) = new.entries().iter().find(|entry| !entry.is_safe()) {
        return Err(FileListError(format!("`{}` leaves the directory", entry.relpath)).into());
    }
    if let [run] = runs
        && let Some(span) = find_run_span(list, run)?
        && let Some(text) = splice_run(list, run, span, &new)
    {
        return Ok(text);
    }
    let old = FileList::parse(list)?;
    let replaced_runs: HashSet<&RunKey> = runs.iter().collect();
    let kept_entries = old
        .entries()
        .iter()
        .filter(|entry| run_of_path(&entry.relpath).is_none_or(|run| !replaced_runs.contains(&run)));
    Ok(FileList::new(kept_entries.chain(new.entries()).cloned().collect())?.to_bytes())
}

fn splice_run(list: &[u8], run: &RunKey, span: Range<usize>, new: &FileList) -> Option<Vec<u8>> {
    // Bisection trusts the order; a run whose entries lie elsewhere too would be in the new list twice.
    if memmem::find_iter(list, &run_path_needle(run)?).any(|at| !span.contains(&at)) {
        return None;
    }
    let before = list.get(1..span.start)?;
    let after = list.get(span.end..list.len() - 1)?;
    let new = new.to_bytes();
    let parts = [
        before.strip_suffix(b", ").unwrap_or(before),
        new.get(1..new.len() - 1)?,
        after.strip_prefix(b", ").unwrap_or(after),
    ];
    // At most two separators of two bytes more than both texts with their brackets.
    let mut text = Vec::with_capacity(list.len() + new.len() + 4);
    text.push(b'[');
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        if text.len() > 1 {
            text.extend_from_slice(b", ");
        }
        text.extend_from_slice(part);
    }
    text.push(b']');
    Some(text)
}

/// Where a run's entries are in the text, from the first's opening brace to the last's closing one; for a run
/// that it does not hold, the empty range where they would begin. `None` if the text has another form.
fn find_run_span(list: &(impl ListBytes + ?Sized), run: &RunKey) -> Result<Option<Range<usize>>, FsError> {
    let len = list.size();
    if *list.read_part(0..3)? == *b"[]" {
        return Ok(Some(1..1));
    }
    if !is_dvc_format(list)? {
        return Ok(None);
    }
    let prefix = format!("{run}/");
    let Some(start) = bisect_entries(list, |path| path >= prefix.as_str())? else { return Ok(None) };
    let (mut end, mut next) = (start, start);
    while next < len - 1 {
        let Some((entry, after)) = entry_at(list, next)? else { return Ok(None) };
        if !entry.relpath.starts_with(&prefix) {
            break;
        }
        (end, next) = (after, after + COMMA.len());
    }
    Ok(Some(start..end))
}

/// What stands between two entries.
const COMMA: &[u8] = b", ";

/// Where the first entry begins whose path passes the test, if all after it do too; else the closing bracket's place.
fn bisect_entries(
    list: &(impl ListBytes + ?Sized),
    is_at_or_after: impl Fn(&str) -> bool,
) -> Result<Option<usize>, FsError> {
    let last = list.size() - 1;
    let (mut low, mut high) = (1, last);
    while low < high {
        let middle = low + (high - low) / 2;
        // The last entry that begins at or before the middle.
        let from = low.max(middle.saturating_sub(WINDOW));
        let before = list.read_part(from..high.min(middle + ENTRY_START.len()))?;
        let Some(start) = memmem::rfind(&before, ENTRY_START).map(|at| from + at) else { return Ok(None) };
        let Some((entry, end)) = entry_at(list, start)? else { return Ok(None) };
        if is_at_or_after(&entry.relpath) {
            high = start;
        } else {
            // The last entry has no separator after it.
            low = (end + COMMA.len()).min(last);
        }
    }
    Ok(Some(low))
}

/// The entry that begins at a place, and where it ends.
fn entry_at(list: &(impl ListBytes + ?Sized), start: usize) -> Result<Option<(FileEntry, usize)>, FsError> {
    let window = list.read_part(start..start + WINDOW)?;
    // Less than a whole window means that the list ends here, with `}]`.
    let entry_length =
        memmem::find(&window, ENTRY_BREAK).or_else(|| window.len().checked_sub(2).filter(|_| window.len() < WINDOW));
    let part = entry_length.and_then(|length| parse_part(window.get(..=length)?));
    Ok(part.as_ref().and_then(|part| match (part.entries(), entry_length) {
        ([entry], Some(length)) => Some((entry.clone(), start + length + 1)),
        _ => None,
    }))
}

/// How an entry of the run looks in the text: `"relpath": "<run>/`, escaped as DVC does it.
fn run_path_needle(run: &RunKey) -> Option<Vec<u8>> {
    let one =
        FileList::new(vec![FileEntry { relpath: format!("{run}/"), md5: DvcHash::of_bytes(b"") }]).ok()?.to_bytes();
    let start = memmem::find(&one, b"\"relpath\": \"")?;
    one.get(start..)?.strip_suffix(b"\"}]").map(<[u8]>::to_vec)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

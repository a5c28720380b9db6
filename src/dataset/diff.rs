//! What differs between two `.dir` objects, one run's entries in one, and one with a run's entries replaced, without parsing
//! any whole.
//!
//! A list of files is sorted, so two versions of a dataset share almost all of their text: what is equal at both ends is
//! skipped as bytes, and only the rest is parsed; a run's entries are found by bisection. This relies on how DVC writes the
//! object (see `listing`); text of any other form is parsed whole. Bytes are not checked against the object's name: whoever
//! hands data out, or writes a version made from another, does that.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use memchr::memmem;

use crate::dataset::list_bytes::Text;
use crate::dvc::file_list::{Entry, Listing, ListingError, Refusal};
use crate::dvc::hash::Oid;
use crate::run::RunKey;
use crate::support::fs::FsError;
use crate::support::limits;

const OPEN: &[u8] = b"{\"md5\"";
const NEXT: &[u8] = b"}, {\"md5\"";
/// How much text is looked at around a place; no entry is as long, for no path is.
const WINDOW: usize = 1 << 15;
/// How much of a list is parsed at once: with its entries some hundred MiB of memory.
const PARSED: usize = 32 << 20;
/// How much of a list is parsed at a time where only its runs are asked for.
const STRIDE: usize = 1 << 20;

/// A list that cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    /// It is none.
    #[error(transparent)]
    Listing(#[from] ListingError),
    /// It cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// It is of a size that no dataset has.
    #[error("the list of files {0}")]
    TooMuch(String),
}

/// The runs whose files two lists hold differently.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// Runs of the new list whose files the old one does not hold so.
    pub brought: BTreeSet<RunKey>,
    /// Runs of the old list that the new one does not hold at all.
    pub gone: BTreeSet<RunKey>,
    /// What the new list brings that no checkout takes.
    pub refused: Vec<Refusal>,
}

/// What `new` holds differently from `old`.
pub fn between(old: &(impl Text + ?Sized), new: &(impl Text + ?Sized)) -> Result<Delta, DeltaError> {
    let front = common_start(old, new)?;
    if front == old.size() && front == new.size() {
        return Ok(Delta::default());
    }
    if let Some((old_part, new_part)) = middle(old, new, front)? {
        let mut fault = None;
        let delta = compare(&old_part, &new_part, |run| match entries(new, run) {
            Ok(entries) => !entries.is_empty(),
            Err(error) => {
                fault = Some(error);
                false
            }
        });
        within_limit(delta.brought.len() + delta.gone.len())?;
        return fault.map_or(Ok(delta), Err);
    }
    let (old, new) = (whole(old)?, whole(new)?);
    let delta = compare(&old, &new, |run| !new.run(run).is_empty());
    within_limit(delta.brought.len() + delta.gone.len())?;
    Ok(delta)
}

/// The runs that a list holds, sorted, and what of it no checkout takes. It is read in parts: a long one costs its runs'
/// names in memory, and no more.
pub fn runs_in(list: &(impl Text + ?Sized)) -> Result<(Vec<RunKey>, Vec<Refusal>), DeltaError> {
    let mut found = RunsIn::default();
    if !is_as_written(list)? {
        found.take(whole(list)?)?;
        return Ok((found.runs, found.refused));
    }
    let (mut at, end) = (1, list.size() - 1);
    while at < end {
        let block = list.part(at..end.min(at + STRIDE))?;
        let length = match at + block.len() < end {
            true => memmem::rfind(&block, NEXT).map_or(block.len(), |brace| brace + 1),
            false => block.len(),
        };
        let part = [b"[", block.get(..length).unwrap_or_default(), b"]"].concat();
        found.take(Listing::parse(&part)?)?;
        at += length + COMMA.len();
    }
    Ok((found.runs, found.refused))
}

/// What [`runs_in`] found so far.
#[derive(Default)]
struct RunsIn {
    runs: Vec<RunKey>,
    refused: Vec<Refusal>,
    last: String,
}

impl RunsIn {
    /// Takes in the next part; a run may go on from the last one.
    fn take(&mut self, part: Listing) -> Result<(), DeltaError> {
        let Some((first, last)) = part.entries().first().zip(part.entries().last()) else { return Ok(()) };
        if first.relpath <= self.last {
            return Err(ListingError(format!("`{}` is not in its place in the order", first.relpath)).into());
        }
        self.last.clone_from(&last.relpath);
        let is_next = |run: &RunKey| self.runs.last() != Some(run);
        let runs: Vec<RunKey> = part.runs().map(|run| run.key).filter(is_next).collect();
        self.runs.extend(runs);
        let is_next = |refusal: &Refusal| self.refused.last().map(|last| &last.path) != Some(&refusal.path);
        let refused: Vec<Refusal> = part.without_refused().1.into_iter().filter(is_next).collect();
        self.refused.extend(refused);
        within_limit(self.runs.len().max(self.refused.len()))
    }
}

/// An error where there are more runs, or refused files, than any dataset has.
fn within_limit(count: usize) -> Result<(), DeltaError> {
    if count <= limits::RUNS {
        return Ok(());
    }
    Err(DeltaError::TooMuch(format!("names more than {} runs", limits::RUNS)))
}

/// A list that must be parsed at once.
fn whole(list: &(impl Text + ?Sized)) -> Result<Listing, DeltaError> {
    if list.size() > PARSED {
        return Err(DeltaError::TooMuch(format!("is larger than {} MiB, and not as DVC writes it", PARSED >> 20)));
    }
    Ok(Listing::parse(&list.whole()?)?)
}

/// Whether a text begins and ends as DVC writes a list that is not empty.
fn is_as_written(list: &(impl Text + ?Sized)) -> Result<bool, FsError> {
    let len = list.size();
    Ok(*list.part(0..10)? == *b"[{\"md5\": \"" && *list.part(len - 2..len)? == *b"}]")
}

fn compare(old: &Listing, new: &Listing, mut new_holds: impl FnMut(&RunKey) -> bool) -> Delta {
    let differing = |of: &Listing, than: &Listing| -> BTreeSet<RunKey> {
        let other = |entry: &&Entry| than.get(&entry.relpath).map(|have| have.md5) != Some(entry.md5);
        of.entries().iter().filter(other).filter_map(Entry::run).collect()
    };
    let mut delta = Delta { brought: differing(new, old), ..Delta::default() };
    for entry in new.entries().iter().filter(|entry| old.get(&entry.relpath).is_none()) {
        delta.refused.extend(Refusal::of(&entry.relpath));
    }
    // A run that only lost files is brought anew; one that lost all is gone.
    for run in differing(old, new) {
        if new_holds(&run) {
            delta.brought.insert(run);
        } else {
            delta.gone.insert(run);
        }
    }
    delta
}

/// The differing parts of both, cut at whole entries, where they share `front` bytes at their start.
fn middle(
    old: &(impl Text + ?Sized),
    new: &(impl Text + ?Sized),
    front: usize,
) -> Result<Option<(Listing, Listing)>, DeltaError> {
    let back = common_end(old, new, front)?;
    // Back to the start of the entry in which they part.
    let from = front.saturating_sub(WINDOW);
    let Some(start) = memmem::rfind(&new.part(from..front)?, OPEN).map(|at| from + at) else { return Ok(None) };
    // On to the end of the entry after which they are one again; its brace must be of the common end.
    let tail = new.size() - back;
    let after = new.part(tail..tail + back.min(WINDOW))?;
    // Runs added behind all others leave no whole entry there: then both go on to the bracket.
    let entry_end = memmem::find(&after, NEXT).or_else(|| memmem::find(&after, b"}]"));
    let rest = entry_end.map_or(1, |at| back - at - 1);
    let [old_end, new_end] = [old.size(), new.size()].map(|size| size.saturating_sub(rest));
    if old_end.max(new_end).saturating_sub(start) > PARSED {
        return Err(DeltaError::TooMuch(format!("differs in more than {} MiB from another", PARSED >> 20)));
    }
    let (old_part, new_part) = (old.part(start..old_end)?, new.part(start..new_end)?);
    Ok(parsed(&old_part).zip(parsed(&new_part)))
}

/// How many bytes two texts share at their start.
fn common_start(a: &(impl Text + ?Sized), b: &(impl Text + ?Sized)) -> Result<usize, FsError> {
    let most = a.size().min(b.size());
    let mut at = 0;
    while at < most {
        let block = at..most.min(at + WINDOW);
        let (a, b) = (a.part(block.clone())?, b.part(block.clone())?);
        if a != b {
            return Ok(at + a.iter().zip(b.iter()).take_while(|(a, b)| a == b).count());
        }
        at = block.end;
    }
    Ok(most)
}

/// How many bytes two texts share at their end, without those that they are known to share at their start.
fn common_end(a: &(impl Text + ?Sized), b: &(impl Text + ?Sized), front: usize) -> Result<usize, FsError> {
    let most = a.size().min(b.size()) - front;
    let mut shared = 0;
    while shared < most {
        let next = most.min(shared + WINDOW);
        let (a, b) = (a.part(a.size() - next..a.size() - shared)?, b.part(b.size() - next..b.size() - shared)?);
        if a != b {
            return Ok(shared + a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count());
        }
        shared = next;
    }
    Ok(most)
}

/// Entries without the brackets around them.
fn parsed(part: &[u8]) -> Option<Listing> {
    Listing::parse(&[b"[", part, b"]"].concat()).ok()
}

/// One run's entries in a list; empty where it holds no such run.
pub fn entries(list: &(impl Text + ?Sized), run: &RunKey) -> Result<Vec<Entry>, DeltaError> {
    if let Some(span) = span(list, run)?
        && let Some(listing) = parsed(&list.part(span)?)
    {
        return Ok(listing.entries().to_vec());
    }
    Ok(whole(list)?.run(run).to_vec())
}

/// The list with the files of some runs replaced by these. Of one run, nothing else is parsed.
pub fn with_runs(list: &[u8], runs: &[RunKey], files: Vec<Entry>) -> Result<Vec<u8>, DeltaError> {
    let new = Listing::new(files)?;
    if let Some(entry) = new.entries().iter().find(|entry| !entry.is_safe()) {
        return Err(ListingError(format!("`{}` leaves the directory", entry.relpath)).into());
    }
    if let [run] = runs
        && let Some(span) = span(list, run)?
        && let Some(text) = spliced(list, run, span, &new)
    {
        return Ok(text);
    }
    let old = Listing::parse(list)?;
    let replaced: HashSet<&RunKey> = runs.iter().collect();
    let others = old.entries().iter().filter(|entry| entry.run().is_none_or(|run| !replaced.contains(&run)));
    Ok(Listing::new(others.chain(new.entries()).cloned().collect())?.to_bytes())
}

fn spliced(list: &[u8], run: &RunKey, span: Range<usize>, new: &Listing) -> Option<Vec<u8>> {
    // Bisection trusts the order; a run whose entries lie elsewhere too would be in the new list twice.
    if memmem::find_iter(list, &needle(run)?).any(|at| !span.contains(&at)) {
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

/// Where a run's entries lie in the text, from the first's opening brace to the last's closing one; empty, and where they
/// would begin, for a run that it does not hold. `None`: text of another form.
fn span(list: &(impl Text + ?Sized), run: &RunKey) -> Result<Option<Range<usize>>, FsError> {
    let len = list.size();
    if *list.part(0..3)? == *b"[]" {
        return Ok(Some(1..1));
    }
    if !is_as_written(list)? {
        return Ok(None);
    }
    let prefix = format!("{run}/");
    let Some(start) = first(list, |path| path >= prefix.as_str())? else { return Ok(None) };
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

/// Where the first entry begins whose path is so, when all after it are, too; the closing bracket's place where none is.
fn first(list: &(impl Text + ?Sized), is: impl Fn(&str) -> bool) -> Result<Option<usize>, FsError> {
    let last = list.size() - 1;
    let (mut low, mut high) = (1, last);
    while low < high {
        let middle = low + (high - low) / 2;
        let from = low.max(middle.saturating_sub(WINDOW));
        let before = list.part(from..high.min(middle + OPEN.len()))?;
        let Some(start) = memmem::rfind(&before, OPEN).map(|at| from + at) else { return Ok(None) };
        let Some((entry, end)) = entry_at(list, start)? else { return Ok(None) };
        if is(&entry.relpath) {
            high = start;
        } else {
            low = (end + COMMA.len()).min(last);
        }
    }
    Ok(Some(low))
}

/// The entry that begins at a place, and where it ends.
fn entry_at(list: &(impl Text + ?Sized), start: usize) -> Result<Option<(Entry, usize)>, FsError> {
    let rest = list.part(start..start + WINDOW)?;
    let found = memmem::find(&rest, NEXT).or_else(|| rest.len().checked_sub(2).filter(|_| rest.len() < WINDOW));
    let listing = found.and_then(|length| parsed(rest.get(..=length)?));
    Ok(listing.as_ref().and_then(|listing| match (listing.entries(), found) {
        ([entry], Some(length)) => Some((entry.clone(), start + length + 1)),
        _ => None,
    }))
}

/// How an entry of the run looks in the text: `"relpath": "<run>/`, escaped as DVC does it.
fn needle(run: &RunKey) -> Option<Vec<u8>> {
    let one = Listing::new(vec![Entry { relpath: format!("{run}/"), md5: Oid::of(b"") }]).ok()?.to_bytes();
    let start = memmem::find(&one, b"\"relpath\": \"")?;
    one.get(start..)?.strip_suffix(b"\"}]").map(<[u8]>::to_vec)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listing(files: &[(&str, u8)]) -> Listing {
        let entry = |(path, byte): &(&str, u8)| Entry { relpath: (*path).into(), md5: Oid::of(&[*byte]) };
        Listing::new(files.iter().map(entry).collect()).unwrap()
    }

    fn runs(names: &[&str]) -> BTreeSet<RunKey> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn runs_that_came_changed_and_went_are_told() {
        let old = listing(&[("a/1/x", 1), ("a/2/x", 1), ("a/2/y", 1), ("a/3/x", 1), ("b/1/x", 1), ("loose", 1)]);
        let new = listing(&[("a/1/x", 1), ("a/2/x", 1), ("a/3/x", 2), ("b/0/x", 1), ("b/2/ü\"}, {x", 1), ("loose", 2)]);
        let delta = between(&old.to_bytes()[..], &new.to_bytes()[..]).unwrap();
        assert_eq!((delta.brought, delta.gone), (runs(&["a/2", "a/3", "b/0", "b/2"]), runs(&["b/1"])));
        assert_eq!(between(&b"[]"[..], &new.to_bytes()[..]).unwrap().brought.len(), 5);
    }

    /// A list that must not be read whole.
    struct InParts(Vec<u8>);

    impl Text for InParts {
        fn size(&self) -> usize {
            self.0.len()
        }

        fn part(&self, range: Range<usize>) -> Result<std::borrow::Cow<'_, [u8]>, FsError> {
            assert!(range.len() < 2 * WINDOW, "{range:?} of {}", self.size());
            self.0[..].part(range)
        }
    }

    #[test]
    fn a_run_more_is_found_without_parsing_all() {
        let names: Vec<String> = (0..4000).map(|n| format!("e/run-{n:04}/x")).collect();
        let all: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let new = InParts(listing(&all).to_bytes());
        // The second, one amid the others, and the last of all, as most new runs are.
        for at in [1, 2000, 3999] {
            let mut fewer = all.clone();
            let (path, _) = fewer.remove(at);
            let old = InParts(listing(&fewer).to_bytes());
            let run: RunKey = path.trim_end_matches("/x").parse().unwrap();
            let delta = between(&old, &new).unwrap();
            assert_eq!((delta.brought, delta.gone.len()), (BTreeSet::from([run.clone()]), 0), "{path}");
            assert_eq!(between(&new, &old).unwrap().gone, BTreeSet::from([run]), "{path}");
        }
    }

    #[test]
    fn one_run_is_replaced_and_the_others_kept() {
        let list = listing(&[("e/a/x", 1), ("e/b/x", 1), ("e/b/y", 1), ("e/c/x", 1)]).to_bytes();
        let run = "e/b".parse().unwrap();
        let file = |path: &str, byte| Entry { relpath: path.into(), md5: Oid::of(&[byte]) };
        let new = with_runs(&list, &[run], vec![file("e/b/z", 2)]).unwrap();
        assert_eq!(new, listing(&[("e/a/x", 1), ("e/b/z", 2), ("e/c/x", 1)]).to_bytes());
        assert!(with_runs(&list, &["e/b".parse().unwrap()], vec![file("e/b/../z", 2)]).is_err());
        let runs = ["e/c".parse().unwrap(), "d/a".parse().unwrap()];
        let new = with_runs(&list, &runs, vec![file("e/c/y", 2), file("d/a/x", 3)]).unwrap();
        let all = [("d/a/x", 3), ("e/a/x", 1), ("e/b/x", 1), ("e/b/y", 1), ("e/c/y", 2)];
        assert_eq!(new, listing(&all).to_bytes());
    }

    /// S16: A long file list is read in parts.
    #[test]
    fn the_runs_of_a_long_list_are_found_part_by_part() {
        let names: Vec<String> = (0..60_000).map(|n| format!("e/run-{:05}/{}", n / 4, n % 4)).collect();
        let all: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let list = listing(&all);
        assert!(list.to_bytes().len() > 3 * STRIDE);
        let (runs, refused) = runs_in(&list.to_bytes()[..]).unwrap();
        assert_eq!((runs.len(), refused.len()), (15_000, 0));
        assert_eq!(runs, list.runs().map(|run| run.key).collect::<Vec<_>>());
        let swapped = [&list.to_bytes()[..], &listing(&[("a/b/x", 1)]).to_bytes()].concat();
        let swapped = String::from_utf8(swapped).unwrap().replace("][", ", ");
        assert!(runs_in(swapped.as_bytes()).is_err(), "the last is not in its place");
    }

    #[test]
    fn text_of_another_form_is_parsed_whole() {
        let ours = listing(&[("e/a/x", 1), ("e/b/x", 1), ("e/c/x", 1)]);
        let text = String::from_utf8(ours.to_bytes()).unwrap();
        let mut rows: Vec<&str> = text[1..text.len() - 1].split(", {").collect();
        let first = rows.remove(0);
        let shuffled = format!("[{{{}, {first}]", rows.join(", {"));
        let run: RunKey = "e/a".parse().unwrap();
        let file = || vec![Entry { relpath: "e/a/x".into(), md5: Oid::of(&[3]) }];
        assert!(with_runs(shuffled.as_bytes(), std::slice::from_ref(&run), file()).is_err());
        for other in [text.replace(", ", ","), format!(" {text}")] {
            let new = with_runs(other.as_bytes(), std::slice::from_ref(&run), file()).unwrap();
            let is = Listing::parse(&new).unwrap();
            assert_eq!(is, listing(&[("e/a/x", 3), ("e/b/x", 1), ("e/c/x", 1)]), "{other}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_finds_what_the_long_way_does(
            old in proptest::collection::btree_map("[ab]/[12ü\"]/[xy}{\\\\]{1,2}", 0..3u8, 0..12),
            new in proptest::collection::btree_map("[ab]/[12ü\"]/[xy}{\\\\]{1,2}", 0..3u8, 0..12),
        ) {
            let make = |files: &std::collections::BTreeMap<String, u8>| {
                listing(&files.iter().map(|(path, byte)| (path.as_str(), *byte)).collect::<Vec<_>>())
            };
            let (old, new) = (make(&old), make(&new));
            let short = between(&old.to_bytes()[..], &new.to_bytes()[..]).unwrap();
            let long = compare(&old, &new, |run| !new.run(run).is_empty());
            prop_assert_eq!(&short, &long);
            let text = new.to_bytes();
            let (runs, refused) = runs_in(&text[..]).unwrap();
            prop_assert_eq!(runs, new.runs().map(|run| run.key).collect::<Vec<_>>());
            prop_assert_eq!(refused, new.clone().without_refused().1);
            for run in old.runs().chain(new.runs()) {
                prop_assert_eq!(entries(&text[..], &run.key).unwrap(), new.run(&run.key));
                if !run.entries.iter().all(Entry::is_safe) {
                    continue;
                }
                let with = with_runs(&text, std::slice::from_ref(&run.key), run.entries.to_vec()).unwrap();
                let others = new.entries().iter().filter(|entry| entry.run().as_ref() != Some(&run.key));
                let whole = Listing::new(others.chain(run.entries).cloned().collect()).unwrap();
                prop_assert_eq!(with, whole.to_bytes());
            }
        }
    }
}

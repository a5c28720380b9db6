//! What differs between two `.dir` objects, and one run's entries in one, without reading either whole.
//!
//! A list of files is sorted, so two versions of a dataset share almost all of their text: what is equal at both ends is
//! skipped as bytes, and only the rest is parsed. This relies on how DVC writes the object (see `listing`); text of any
//! other form is parsed whole. Bytes are not checked against the object's name: whoever hands data out does that.

use std::collections::BTreeSet;

use memchr::memmem;

use super::listing::{Entry, Listing, ListingError};
use super::version::Oid;
use crate::run::RunKey;

const OPEN: &[u8] = b"{\"md5\"";
const NEXT: &[u8] = b"}, {\"md5\"";

/// The runs whose files two lists hold differently.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// Runs of the new list whose files the old one does not hold so.
    pub brought: BTreeSet<RunKey>,
    /// Runs of the old list that the new one does not hold at all.
    pub gone: BTreeSet<RunKey>,
}

/// What `new` holds differently from `old`.
pub fn between(old: &[u8], new: &[u8]) -> Result<Delta, ListingError> {
    if old == new {
        return Ok(Delta::default());
    }
    match middle(old, new).and_then(|(old, new)| Some((parsed(old)?, parsed(new)?))) {
        Some((old_part, new_part)) => {
            let holds = |run: &RunKey| !entries(new, run).unwrap_or_default().is_empty();
            Ok(compare(&old_part, &new_part, holds))
        }
        None => {
            let (old, new) = (Listing::parse(old)?, Listing::parse(new)?);
            Ok(compare(&old, &new, |run| !new.run(run).is_empty()))
        }
    }
}

fn compare(old: &Listing, new: &Listing, new_holds: impl Fn(&RunKey) -> bool) -> Delta {
    let differing = |of: &Listing, than: &Listing| -> BTreeSet<RunKey> {
        let other = |entry: &&Entry| than.get(&entry.relpath).map(|have| have.md5) != Some(entry.md5);
        of.entries().iter().filter(other).filter_map(Entry::run).collect()
    };
    let mut delta = Delta { brought: differing(new, old), gone: BTreeSet::new() };
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

/// The differing parts of both, cut at whole entries.
fn middle<'a>(old: &'a [u8], new: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let short = old.len().min(new.len());
    let front = common(old.iter(), new.iter(), short);
    let back = common(old.iter().rev(), new.iter().rev(), short - front);
    // Back to the start of the entry in which they part.
    let start = memmem::rfind(new.get(..front)?, OPEN)?;
    // On to the end of the entry after which they are one again; its brace must be of the common end.
    let end = |text: &[u8]| -> Option<usize> {
        let tail = text.get(text.len() - back..)?;
        let at = memmem::find(tail, NEXT).or_else(|| memmem::find(tail, b"}]"))?;
        Some(text.len() - back + at + 1)
    };
    Some((old.get(start..end(old)?)?, new.get(start..end(new)?)?))
}

fn common<'a>(a: impl Iterator<Item = &'a u8>, b: impl Iterator<Item = &'a u8>, most: usize) -> usize {
    a.zip(b).take(most).take_while(|(a, b)| a == b).count()
}

/// Entries without the brackets around them.
fn parsed(part: &[u8]) -> Option<Listing> {
    Listing::parse(&[b"[", part, b"]"].concat()).ok()
}

/// One run's entries in a list; empty where it holds no such run.
pub fn entries(list: &[u8], run: &RunKey) -> Result<Vec<Entry>, ListingError> {
    let whole = || Ok(Listing::parse(list)?.run(run).to_vec());
    let Some(needle) = needle(run) else { return whole() };
    if !list.starts_with(b"[{\"md5\": \"") {
        return whole();
    }
    let Some(first) = memmem::find(list, &needle) else { return Ok(Vec::new()) };
    let Some(start) = memmem::rfind(list.get(..first).unwrap_or_default(), OPEN) else { return whole() };
    let mut end = start;
    loop {
        let rest = list.get(end..).unwrap_or_default();
        let Some(length) = memmem::find(rest, NEXT).map_or_else(|| memmem::rfind(rest, b"}]"), Some) else {
            return whole();
        };
        let entry = rest.get(..length).unwrap_or_default();
        if memmem::find(entry, &needle).is_none() {
            break;
        }
        end += length + 1;
        // The comma and the blank before the next one.
        match list.get(end..end + 2) {
            Some(b", ") => end += 2,
            _ => break,
        }
    }
    let part = list.get(start..end).unwrap_or_default();
    let part = part.strip_suffix(b", ").unwrap_or(part);
    match parsed(part) {
        Some(listing) => Ok(listing.run(run).to_vec()),
        None => whole(),
    }
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
        let delta = between(&old.to_bytes(), &new.to_bytes()).unwrap();
        assert_eq!((delta.brought, delta.gone), (runs(&["a/2", "a/3", "b/0", "b/2"]), runs(&["b/1"])));
        assert_eq!(between(b"[]", &new.to_bytes()).unwrap().brought.len(), 5);
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
            let short = between(&old.to_bytes(), &new.to_bytes()).unwrap();
            let long = compare(&old, &new, |run| !new.run(run).is_empty());
            prop_assert_eq!(&short, &long);
            for run in old.runs().chain(new.runs()) {
                prop_assert_eq!(entries(&new.to_bytes(), &run.key).unwrap(), new.run(&run.key));
            }
        }
    }
}

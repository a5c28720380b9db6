//! A `.dir` object: what a directory holds, as DVC writes it.
//!
//! Source of the format: `dvc_data/hashfile/tree.py`, `Tree.as_bytes`: Python's `json.dumps` of a list of
//! `{"md5": …, "relpath": …}` sorted by `relpath`, in ASCII. The object's name is the MD5 of those bytes, `.dir` behind it.
//! Entries are grouped by run (the first two components of the path); what lies elsewhere is kept, and called `other`.

use std::fmt::{self, Write as _};
use std::ops::Range;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::dvc::hash::{DataVersion, Oid};
use crate::run::RunKey;
use crate::support::names;
use crate::support::names::Refused;

/// Bytes that are not a `.dir` object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a directory object of DVC: {0}")]
pub struct ListingError(pub String);

/// One file of the directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Path inside the directory, with `/`. Not checked: see [`Entry::is_safe`].
    pub relpath: String,
    /// The object with the file's bytes.
    pub md5: Oid,
}

impl Entry {
    /// Whether the path may be checked out: see `support::names`.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        names::safe_path(&self.relpath)
    }

    /// The run that the file belongs to.
    #[must_use]
    pub fn run(&self) -> Option<RunKey> {
        self.run_prefix().and_then(|prefix| prefix.parse().ok())
    }

    /// `<experiment>/<run_id>` of a path with at least three components.
    fn run_prefix(&self) -> Option<&str> {
        let first = self.relpath.find('/')?;
        let second = first + 1 + self.relpath[first + 1..].find('/')?;
        Some(&self.relpath[..second])
    }
}

/// What of a data version no checkout takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A run's folder, or a file that lies in none; relative to the dataset.
    pub path: String,
    /// Which name in it is refused, and why.
    pub why: Refused,
}

impl Refusal {
    /// Of a file's path, relative to the dataset.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        names::refused(path).map(|why| Self { path: path.to_owned(), why })
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.escape_debug(), self.why)
    }
}

/// The files of one run in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEntries<'a> {
    /// Which run.
    pub key: RunKey,
    /// Its files, sorted; `relpath` is relative to the dataset.
    pub entries: &'a [Entry],
}

/// A directory's files, sorted by path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    entries: Vec<Entry>,
}

impl Listing {
    /// A listing of these files. Two with one path are an error.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, ListingError> {
        // UTF-8 sorts by code point, as Python sorts text.
        if !entries.is_sorted_by(|a, b| a.relpath < b.relpath) {
            entries.sort_by(|a, b| a.relpath.cmp(&b.relpath));
            if let Some(pair) = entries.windows(2).find(|pair| pair[0].relpath == pair[1].relpath) {
                return Err(ListingError(format!("`{}` is in it twice", pair[0].relpath)));
            }
        }
        Ok(Self { entries })
    }

    /// Reads a `.dir` object. One that is not sorted is none of DVC's: what looks into a list without reading all of it (see
    /// `delta`) would not find what is in it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ListingError> {
        let entries = match parse_as_written(bytes) {
            Some(entries) => entries,
            None => serde_json::from_slice::<Rows>(bytes).map_err(|e| ListingError(e.to_string()))?.0,
        };
        match entries.windows(2).find(|pair| pair[0].relpath >= pair[1].relpath) {
            None => Ok(Self { entries }),
            Some([a, b]) if a.relpath == b.relpath => Err(ListingError(format!("`{}` is in it twice", a.relpath))),
            Some(pair) => Err(ListingError(format!("`{}` is not in its place in the order", pair[1].relpath))),
        }
    }

    /// The object's bytes, exactly as DVC would write them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = String::with_capacity(2 + self.entries.iter().map(|e| e.relpath.len() + 66).sum::<usize>());
        out.push('[');
        for (at, entry) in self.entries.iter().enumerate() {
            if at > 0 {
                out.push_str(", ");
            }
            out.push_str("{\"md5\": \"");
            out.push_str(std::str::from_utf8(&entry.md5.hex()).unwrap_or_default());
            out.push_str("\", \"relpath\": ");
            push_json(&mut out, &entry.relpath);
            out.push('}');
        }
        out.push(']');
        out.into_bytes()
    }

    /// The data version with exactly these files.
    #[must_use]
    pub fn version(&self) -> DataVersion {
        DataVersion::of(&self.to_bytes())
    }

    /// All files, sorted by path.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many files there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The file at a path.
    #[must_use]
    pub fn get(&self, relpath: &str) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|e| e.relpath.as_str().cmp(relpath)).ok()?;
        self.entries.get(at)
    }

    /// The runs, with their files, in the listing's order. Files that lie in no run's folder are left out.
    pub fn runs(&self) -> impl Iterator<Item = RunEntries<'_>> {
        // A sorted list holds what shares a prefix `<experiment>/<run_id>/` together.
        self.entries.chunk_by(|a, b| a.run_prefix() == b.run_prefix()).filter_map(|entries| {
            let key = entries.first()?.run()?;
            Some(RunEntries { key, entries })
        })
    }

    /// The listing without what no checkout takes, and that. A run goes whole: without one of its files it is none.
    #[must_use]
    pub fn without_refused(self) -> (Self, Vec<Refusal>) {
        if self.entries.iter().all(Entry::is_safe) {
            return (self, Vec::new());
        }
        let (mut kept, mut refused) = (Vec::with_capacity(self.entries.len()), Vec::new());
        for entries in self.entries.chunk_by(|a, b| a.run_prefix().is_some() && a.run_prefix() == b.run_prefix()) {
            match entries.iter().find_map(|entry| Refusal::of(&entry.relpath)) {
                None => kept.extend_from_slice(entries),
                Some(refusal) => {
                    let run = entries.first().and_then(Entry::run_prefix).map(str::to_owned);
                    refused.push(Refusal { path: run.unwrap_or(refusal.path), why: refusal.why });
                }
            }
        }
        (Self { entries: kept }, refused)
    }

    /// The files that lie in no run's folder.
    pub fn other(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.run().is_none())
    }

    /// One run's files; empty where the listing has no such run.
    #[must_use]
    pub fn run(&self, key: &RunKey) -> &[Entry] {
        self.entries.get(self.run_range(key)).unwrap_or_default()
    }

    fn run_range(&self, key: &RunKey) -> Range<usize> {
        let prefix = format!("{key}/");
        let start = self.entries.partition_point(|e| e.relpath < prefix);
        let len = self.entries.get(start..).unwrap_or_default().partition_point(|e| e.relpath.starts_with(&prefix));
        start..start + len
    }
}

/// The entries of any JSON that means a list of files, taken in one by one.
struct Rows(Vec<Entry>);

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Rows;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of files")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Rows, A::Error> {
                #[derive(Deserialize)]
                struct Row {
                    md5: String,
                    relpath: String,
                }
                let mut entries = Vec::new();
                while let Some(Row { md5, relpath }) = rows.next_element()? {
                    let md5 = md5.parse().map_err(|error| A::Error::custom(format!("{error} (of `{relpath}`)")))?;
                    entries.push(Entry { relpath, md5 });
                }
                Ok(Rows(entries))
            }
        }
        from.deserialize_seq(All)
    }
}

/// Reads the bytes that `Tree.as_bytes` writes, without escapes: the common case, and many times faster than a JSON
/// parser. `None`: something else, which the JSON parser shall judge.
fn parse_as_written(bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut rest = bytes.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let mut entries = Vec::with_capacity(bytes.len() / 96);
    while !rest.is_empty() {
        if !entries.is_empty() {
            rest = rest.strip_prefix(b", ")?;
        }
        rest = rest.strip_prefix(b"{\"md5\": \"")?;
        let (hex, after) = rest.split_at_checked(32)?;
        rest = after.strip_prefix(b"\", \"relpath\": \"")?;
        let end = memchr::memchr2(b'"', b'\\', rest)?;
        let (path, after) = rest.split_at_checked(end)?;
        rest = after.strip_prefix(b"\"}")?;
        if path.iter().any(|b| !(0x20..0x7f).contains(b)) {
            return None;
        }
        let relpath = String::from_utf8(path.to_vec()).ok()?;
        entries.push(Entry { relpath, md5: Oid::from_hex(hex)? });
    }
    Some(entries)
}

/// Text as Python's `json.dumps` writes it with `ensure_ascii`.
fn push_json(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entry(relpath: &str) -> Entry {
        Entry { relpath: relpath.into(), md5: Oid::of(relpath.as_bytes()) }
    }

    #[test]
    fn a_run_that_no_checkout_takes_keeps_no_other_back() {
        let paths =
            ["a/r1/x", "a/r1/y", "b/.git /x", "b/.git /y", "b/r2/x", "b/r2/site-packages/z", "loose", "../up", "../x"];
        let all = Listing::new(paths.map(entry).to_vec()).unwrap();
        let (kept, refused) = all.without_refused();
        assert_eq!(kept, Listing::new(["a/r1/x", "a/r1/y", "loose"].map(entry).to_vec()).unwrap());
        let refused: Vec<&str> = refused.iter().map(|refusal| refusal.path.as_str()).collect();
        assert_eq!(refused, ["../up", "../x", "b/.git ", "b/r2"]);
        assert_eq!(kept.clone().without_refused(), (kept, Vec::new()));
    }

    #[test]
    fn written_as_python_writes_it() {
        let listing = Listing::new(vec![entry("e/ü\u{1f600}\"/f"), entry("a")]).unwrap();
        let text = String::from_utf8(listing.to_bytes()).unwrap();
        assert_eq!(
            text,
            format!(
                "[{{\"md5\": \"{}\", \"relpath\": \"a\"}}, {{\"md5\": \"{}\", \"relpath\": \"e/\\u00fc\\ud83d\\ude00\\\"/f\"}}]",
                Oid::of(b"a"),
                Oid::of("e/ü\u{1f600}\"/f".as_bytes())
            )
        );
        assert_eq!(Listing::parse(text.as_bytes()).unwrap(), listing);
        assert_eq!(Listing::default().to_bytes(), b"[]");
    }

    #[test]
    fn both_readers_agree() {
        let listing = Listing::new((0..50).map(|n| entry(&format!("e/r{n}/f"))).collect()).unwrap();
        let bytes = listing.to_bytes();
        let loose = String::from_utf8(bytes.clone()).unwrap().replace(", ", ",");
        assert_eq!(parse_as_written(&bytes), Some(listing.entries.clone()));
        assert_eq!(Listing::parse(loose.as_bytes()).unwrap(), listing);
    }

    #[test]
    fn runs_stay_together_whatever_their_names() {
        let listing =
            Listing::new(["e/r/x", "e/r-1/x", "e/r/a/b", "e/r.1/x", "e/top", "e/r0/x"].map(entry).to_vec()).unwrap();
        let runs: Vec<_> = listing.runs().map(|r| (r.key.to_string(), r.entries.len())).collect();
        assert_eq!(runs, [("e/r-1".into(), 1), ("e/r.1".into(), 1), ("e/r".into(), 2), ("e/r0".into(), 1)]);
        assert_eq!(listing.other().map(|e| e.relpath.as_str()).collect::<Vec<_>>(), ["e/top"]);
        assert_eq!(listing.run(&"e/r".parse().unwrap()).len(), 2);
    }

    #[test]
    fn damage_is_an_error() {
        for bytes in
            [&b""[..], b"[", b"{}", b"[{\"md5\": \"x\", \"relpath\": \"a\"}]", b"[1]", b"[{\"relpath\": \"a\"}]"]
        {
            assert!(Listing::parse(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
        let twice = Listing::new(vec![entry("a"), entry("a")]);
        assert!(twice.is_err());
    }
}

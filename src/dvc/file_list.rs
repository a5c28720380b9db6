//! A `.dir` object: what a directory holds, as DVC writes it.
//!
//! Source of the format: `dvc_data/hashfile/tree.py`, `Tree.as_bytes`: Python's `json.dumps` of a list of
//! `{"md5": …, "relpath": …}` sorted by `relpath`, in ASCII. The object's name is the MD5 of those bytes and `.dir`.

use std::fmt::{self, Write as _};

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::dvc::hash::{DataVersion, DvcHash};
use crate::support::names;

/// Bytes that are not a `.dir` object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a directory object of DVC: {0}")]
pub struct FileListError(pub String);

/// One file of the directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileEntry {
    /// Path inside the directory, with `/`. Not checked: see [`FileEntry::is_safe`].
    pub relpath: String,
    /// The object with the file's bytes.
    pub md5: DvcHash,
}

impl FileEntry {
    /// Whether the path may be checked out: see `support::names`.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        names::is_safe_path(&self.relpath)
    }
}

/// A directory's files, sorted by path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileList {
    entries: Vec<FileEntry>,
}

impl FileList {
    /// A listing of these files. Two with one path are an error.
    pub fn new(mut entries: Vec<FileEntry>) -> Result<Self, FileListError> {
        // UTF-8 sorts by code point, as Python sorts text.
        // Sorted without duplicates is the common case, and found in one pass.
        if !entries.is_sorted_by(|a, b| a.relpath < b.relpath) {
            entries.sort_by(|a, b| a.relpath.cmp(&b.relpath));
            if let Some(pair) = entries.windows(2).find(|pair| pair[0].relpath == pair[1].relpath) {
                return Err(FileListError(format!("`{}` is listed twice", pair[0].relpath)));
            }
        }
        Ok(Self { entries })
    }

    /// Reads a `.dir` object. One that is not sorted was not written by DVC: what looks into a list without reading all
    /// of it (see `dataset::diff`) would not find what is in it.
    pub fn parse(bytes: &[u8]) -> Result<Self, FileListError> {
        let entries = match parse_dvc_format(bytes) {
            Some(entries) => entries,
            None => serde_json::from_slice::<FileListRows>(bytes).map_err(|e| FileListError(e.to_string()))?.0,
        };
        match entries.windows(2).find(|pair| pair[0].relpath >= pair[1].relpath) {
            None => Ok(Self { entries }),
            Some([a, b]) if a.relpath == b.relpath => Err(FileListError(format!("`{}` is listed twice", a.relpath))),
            Some(pair) => Err(FileListError(format!("`{}` is not in the right order", pair[1].relpath))),
        }
    }

    /// The object's bytes, exactly as DVC would write them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // An entry takes 60 bytes besides its path; the rest is room for escapes.
        let mut out = String::with_capacity(2 + self.entries.iter().map(|e| e.relpath.len() + 66).sum::<usize>());
        out.push('[');
        for (at, entry) in self.entries.iter().enumerate() {
            if at > 0 {
                out.push_str(", ");
            }
            out.push_str("{\"md5\": \"");
            // Hex digits are always UTF-8.
            out.push_str(std::str::from_utf8(&entry.md5.to_hex()).unwrap_or_default());
            out.push_str("\", \"relpath\": ");
            push_json_string(&mut out, &entry.relpath);
            out.push('}');
        }
        out.push(']');
        out.into_bytes()
    }

    /// The data version with exactly these files.
    #[must_use]
    pub fn data_version(&self) -> DataVersion {
        DataVersion::of_list(&self.to_bytes())
    }

    /// All files, sorted by path.
    #[must_use]
    pub fn entries(&self) -> &[FileEntry] {
        &self.entries
    }

    /// How many files there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The file at a path.
    #[must_use]
    pub fn get(&self, relpath: &str) -> Option<&FileEntry> {
        let at = self.entries.binary_search_by(|e| e.relpath.as_str().cmp(relpath)).ok()?;
        self.entries.get(at)
    }
}

/// The entries of any JSON that is a file list, taken in one by one.
struct FileListRows(Vec<FileEntry>);

impl<'de> Deserialize<'de> for FileListRows {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct RowsVisitor;
        impl<'de> Visitor<'de> for RowsVisitor {
            type Value = FileListRows;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a file list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<FileListRows, A::Error> {
                #[derive(Deserialize)]
                struct FileListRow {
                    md5: String,
                    relpath: String,
                }
                let mut entries = Vec::new();
                while let Some(FileListRow { md5, relpath }) = rows.next_element()? {
                    let md5 = md5.parse().map_err(|error| A::Error::custom(format!("{error} (of `{relpath}`)")))?;
                    entries.push(FileEntry { relpath, md5 });
                }
                Ok(FileListRows(entries))
            }
        }
        from.deserialize_seq(RowsVisitor)
    }
}

/// Reads the bytes that `Tree.as_bytes` writes, without escapes: the common case, and many times faster than a JSON
/// parser. `None`: something else, which the JSON parser shall judge.
fn parse_dvc_format(bytes: &[u8]) -> Option<Vec<FileEntry>> {
    let mut rest = bytes.strip_prefix(b"[")?.strip_suffix(b"]")?;
    // An entry takes 60 bytes and its path; a list of short paths only lets the vector grow once more.
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
        // `json.dumps` escapes all but these: other bytes are not from DVC.
        if !path.iter().all(|b| (0x20..0x7f).contains(b)) {
            return None;
        }
        let relpath = String::from_utf8(path.to_vec()).ok()?;
        entries.push(FileEntry { relpath, md5: DvcHash::from_hex(hex)? });
    }
    Some(entries)
}

/// Text as Python's `json.dumps` writes it with `ensure_ascii`.
fn push_json_string(out: &mut String, text: &str) {
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
                // Python writes a character above U+FFFF as two surrogates, each escaped.
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

    fn make_entry(relpath: &str) -> FileEntry {
        FileEntry { relpath: relpath.into(), md5: DvcHash::of_bytes(relpath.as_bytes()) }
    }

    #[test]
    fn written_as_python_writes_it() {
        let file_list = FileList::new(vec![make_entry("e/ü\u{1f600}\"/f"), make_entry("a")]).unwrap();
        let text = String::from_utf8(file_list.to_bytes()).unwrap();
        assert_eq!(
            text,
            format!(
                "[{{\"md5\": \"{}\", \"relpath\": \"a\"}}, {{\"md5\": \"{}\", \"relpath\": \"e/\\u00fc\\ud83d\\ude00\\\"/f\"}}]",
                DvcHash::of_bytes(b"a"),
                DvcHash::of_bytes("e/ü\u{1f600}\"/f".as_bytes())
            )
        );
        assert_eq!(FileList::parse(text.as_bytes()).unwrap(), file_list);
        assert_eq!(FileList::default().to_bytes(), b"[]");
    }

    #[test]
    fn both_readers_agree() {
        let file_list = FileList::new((0..50).map(|n| make_entry(&format!("e/r{n}/f"))).collect()).unwrap();
        let bytes = file_list.to_bytes();
        let loose = String::from_utf8(bytes.clone()).unwrap().replace(", ", ",");
        assert_eq!(parse_dvc_format(&bytes), Some(file_list.entries.clone()));
        assert_eq!(FileList::parse(loose.as_bytes()).unwrap(), file_list);
    }

    #[test]
    fn damage_is_an_error() {
        for bytes in
            [&b""[..], b"[", b"{}", b"[{\"md5\": \"x\", \"relpath\": \"a\"}]", b"[1]", b"[{\"relpath\": \"a\"}]"]
        {
            assert!(FileList::parse(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
        let twice = FileList::new(vec![make_entry("a"), make_entry("a")]);
        assert!(twice.is_err());
    }
}

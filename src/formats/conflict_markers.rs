//! The lines by which git marks a conflict in a text: found in what is read, written where a merge stops.

/// The line, from 1, of the first conflict marker that git left in a text.
#[must_use]
pub fn find_conflict_marker(bytes: &[u8]) -> Option<usize> {
    let is_marker = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        [&b"<<<<<<<"[..], b"|||||||", b">>>>>>>"]
            .iter()
            .any(|marker| line.strip_prefix(*marker).is_some_and(|rest| rest.is_empty() || rest.starts_with(b" ")))
    };
    bytes.split(|b| *b == b'\n').position(is_marker).map(|at| at + 1)
}

/// A side of a conflict: its name, and its text, which ends with a line break unless it is empty.
#[derive(Debug, Clone, Copy)]
pub struct ConflictSide<'a> {
    /// What stands behind the marker: `HEAD`.
    pub name: &'a str,
    /// The side's lines.
    pub text: &'a [u8],
}

/// Both sides' lines between markers of so many characters, as git writes them.
#[must_use]
pub fn write_conflict(size: usize, ours: ConflictSide<'_>, theirs: ConflictSide<'_>) -> Vec<u8> {
    let marker = |c: &str, name: &str| format!("{} {name}", c.repeat(size)).trim_end().to_owned() + "\n";
    [
        marker("<", ours.name).as_bytes(),
        ours.text,
        marker("=", "").as_bytes(),
        theirs.text,
        marker(">", theirs.name).as_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_and_nothing_like_it() {
        let [ours, theirs] = [("HEAD", &b"a\n"[..]), ("", b"")].map(|(name, text)| ConflictSide { name, text });
        let text = write_conflict(7, ours, theirs);
        assert_eq!(text, b"<<<<<<< HEAD\na\n=======\n>>>>>>>\n");
        assert_eq!(find_conflict_marker(&text), Some(1));
        assert_eq!(find_conflict_marker(b"a: 1\r\n<<<<<<< HEAD\r\n"), Some(2));
        assert_eq!(find_conflict_marker(b"a: <<<<<<< b\n<<<<<<<<\n"), None);
    }
}

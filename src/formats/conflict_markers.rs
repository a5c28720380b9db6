//! Git's conflict markers in a text: found in a text that is read, written by a merge that stops. Conflicts are not
//! resolved here.

/// Returns the line, from 1, of the first conflict marker of git in a text.
#[must_use]
pub fn find_conflict_marker(bytes: &[u8]) -> Option<usize> {
    // Seven characters, alone or before a blank: git's default size.
    let is_marker = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // Not `=======`, which a text can hold as a heading's underline.
        [&b"<<<<<<<"[..], b"|||||||", b">>>>>>>"]
            .iter()
            .any(|marker| line.strip_prefix(*marker).is_some_and(|rest| rest.is_empty() || rest.starts_with(b" ")))
    };
    bytes.split(|b| *b == b'\n').position(is_marker).map(|at| at + 1)
}

/// A side of a conflict: its name, and its text, empty or with a line break at its end.
#[derive(Debug, Clone, Copy)]
pub struct ConflictSide<'a> {
    /// The name after the marker: `HEAD`.
    pub name: &'a str,
    /// The side's lines.
    pub text: &'a [u8],
}

/// Writes both sides' lines between markers of `size` characters, as git does.
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

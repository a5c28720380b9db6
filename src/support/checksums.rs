//! Lists of checksums as GNU `sha256sum` prints them and `sha256sum -c` reads them.
//!
//! A line is `<64 hex digits>  <path>`. If the path holds a backslash or a line break, the line begins with a backslash
//! and the path has `\\`, `\n` and `\r` for them. Text only: nothing is opened here, and whether a path is safe or
//! listed twice is the caller's to decide.

/// A line that is not as `sha256sum` prints it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} {why}")]
pub struct InvalidChecksum {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong, to be read after the line's number: `names no file`.
    pub why: &'static str,
}

/// The line for one file, with its line break. The SHA-256 is in lower-case hex.
#[must_use]
pub fn checksum_line(sha256_hex: &str, path: &str) -> String {
    if !path.contains(['\\', '\n', '\r']) {
        return format!("{sha256_hex}  {path}\n");
    }
    let path = path.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    format!("\\{sha256_hex}  {path}\n")
}

/// The SHA-256 (in hex) and the path of each line, in order. Only lines as [`checksum_line`] writes them are taken.
pub fn parse_checksums(text: &[u8]) -> Result<Vec<(String, String)>, InvalidChecksum> {
    let mut files = Vec::new();
    for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        files.push(parse_line(line).map_err(|why| InvalidChecksum { line: at + 1, why })?);
    }
    Ok(files)
}

fn parse_line(line: &[u8]) -> Result<(String, String), &'static str> {
    let line = line.strip_suffix(b"\n").ok_or("does not end with a line break")?;
    let line = std::str::from_utf8(line).map_err(|_| "is not UTF-8")?;
    let (is_escaped, line) = line.strip_prefix('\\').map_or((false, line), |line| (true, line));
    let (sha256, path) = line.split_once("  ").ok_or("has no two blanks after the SHA-256")?;
    // 32 bytes, as two digits each.
    if sha256.len() != 64 || !sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err("does not begin with a SHA-256 in lower-case hex");
    }
    if path.is_empty() {
        return Err("names no file");
    }
    let is_plain = !path.contains(['\\', '\r']);
    if is_escaped == is_plain {
        return Err("does not escape its path as sha256sum does");
    }
    let path = if is_escaped { unescape_path(path)? } else { path.to_owned() };
    Ok((sha256.to_owned(), path))
}

fn unescape_path(path: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(path.len());
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('r') => '\r',
                _ => return Err("holds a backslash that escapes nothing"),
            },
            '\r' => return Err("does not escape its path as sha256sum does"),
            c => c,
        });
    }
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHA: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn lines_are_as_sha256sum_prints_them() {
        assert_eq!(checksum_line(SHA, "demo/r 1/run.json"), format!("{SHA}  demo/r 1/run.json\n"));
        assert_eq!(checksum_line(SHA, "a\nb\\c\rd"), format!("\\{SHA}  a\\nb\\\\c\\rd\n"));
    }

    #[test]
    fn a_wrong_line_is_named_with_its_number() {
        for (line, why) in [
            (format!("{SHA}  a"), "line 2 does not end with a line break"),
            (format!("{SHA} *a\n"), "line 2 has no two blanks after the SHA-256"),
            (format!("{}  a\n", SHA.to_uppercase()), "line 2 does not begin with a SHA-256 in lower-case hex"),
            (format!("{}  a\n", &SHA[1..]), "line 2 does not begin with a SHA-256 in lower-case hex"),
            (format!("{SHA}  \n"), "line 2 names no file"),
            (format!("{SHA}  a\\b\n"), "line 2 does not escape its path as sha256sum does"),
            (format!("\\{SHA}  a\n"), "line 2 does not escape its path as sha256sum does"),
            (format!("\\{SHA}  a\\\\\r\n"), "line 2 does not escape its path as sha256sum does"),
            (format!("{SHA}  a\r\n"), "line 2 does not escape its path as sha256sum does"),
            (format!("\\{SHA}  a\\t\n"), "line 2 holds a backslash that escapes nothing"),
            (format!("\\{SHA}  a\\\n"), "line 2 holds a backslash that escapes nothing"),
            ("\n".into(), "line 2 has no two blanks after the SHA-256"),
        ] {
            let text = format!("{SHA}  first\n{line}");
            assert_eq!(parse_checksums(text.as_bytes()).unwrap_err().to_string(), why, "{line:?}");
        }
        let text = [format!("{SHA}  ").as_bytes(), b"\xff\n"].concat();
        assert_eq!(parse_checksums(&text).unwrap_err().to_string(), "line 1 is not UTF-8");
        assert_eq!(parse_checksums(b""), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(paths in proptest::collection::vec("(?s)[a\\\\\n\r *\u{e9}/]{1,8}|.{1,8}", 0..4)) {
            let text: String = paths.iter().map(|path| checksum_line(SHA, path)).collect();
            let read = parse_checksums(text.as_bytes()).unwrap();
            prop_assert_eq!(read, paths.into_iter().map(|path| (SHA.to_owned(), path)).collect::<Vec<_>>());
        }
    }
}

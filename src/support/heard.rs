//! What a program says on standard error while it runs: lines, and the progress that it draws over and over.
//!
//! A program whose standard error is no terminal of its own cannot steer ours: its bytes come in here, are told line by
//! line, and whoever shows them makes them visible. Progress is what ends in a carriage return, and what stands in its
//! place afterwards; a line that follows a cleared one is a line again (`tqdm` writes so between its bars).

use std::io::{PipeReader, PipeWriter, Read};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// Something that a program said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    /// A line.
    Line(&'a str),
    /// How far it is, until it says more.
    Progress(&'a str),
}

/// Listens to a program's standard error.
pub(super) struct Ear {
    bytes: Receiver<Vec<u8>>,
    lines: Lines,
}

impl Ear {
    /// An ear, and what the program is to write to.
    pub fn new() -> std::io::Result<(Self, PipeWriter)> {
        let (reader, writer) = std::io::pipe()?;
        let (send, bytes) = sync_channel(16);
        std::thread::spawn(move || read_all(reader, &mut |piece| send.send(piece).is_ok()));
        Ok((Self { bytes, lines: Lines::default() }, writer))
    }

    /// Tells what was said since the last time.
    pub fn listen(&mut self, hear: &mut dyn FnMut(Said<'_>)) {
        while let Ok(piece) = self.bytes.try_recv() {
            self.lines.take(&piece, hear);
        }
    }

    /// Tells the rest of what an ended program said, and gives all its lines. What it started may hold the pipe open.
    pub fn finish(mut self, hear: &mut dyn FnMut(Said<'_>)) -> Vec<u8> {
        while let Ok(piece) = self.bytes.recv_timeout(Duration::from_secs(2)) {
            self.lines.take(&piece, hear);
        }
        self.lines.end(hear);
        self.lines.kept
    }
}

fn read_all(mut reader: PipeReader, send: &mut dyn FnMut(Vec<u8>) -> bool) {
    let mut piece = [0; 8192];
    while let Ok(n) = reader.read(&mut piece) {
        if n == 0 || !send(piece.get(..n).unwrap_or_default().to_vec()) {
            return;
        }
    }
}

/// Bytes as they come, cut into what they say.
#[derive(Default)]
struct Lines {
    /// What the current line holds, since its last carriage return.
    pending: Vec<u8>,
    /// What it held before that; `None` where it has none.
    drawn: Option<Vec<u8>>,
    /// All lines so far but blank ones, each ended.
    kept: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8], hear: &mut dyn FnMut(Said<'_>)) {
        for byte in bytes {
            match byte {
                b'\r' => {
                    let segment = std::mem::take(&mut self.pending);
                    if let Some(words) = text(&segment) {
                        hear(Said::Progress(&words));
                    }
                    self.drawn = Some(segment);
                }
                b'\n' => self.end(hear),
                _ => self.pending.push(*byte),
            }
        }
    }

    fn end(&mut self, hear: &mut dyn FnMut(Said<'_>)) {
        let segment = std::mem::take(&mut self.pending);
        let line = match self.drawn.take() {
            // A line break of two bytes.
            Some(before) if segment.is_empty() => before,
            Some(before) if before.is_empty() || !before.iter().all(|b| *b == b' ') => {
                if let Some(words) = text(&segment) {
                    hear(Said::Progress(&words));
                }
                return;
            }
            _ => segment,
        };
        if let Some(words) = text(&line) {
            hear(Said::Line(&words));
            self.kept.extend_from_slice(&line);
            self.kept.push(b'\n');
        }
    }
}

/// Bytes as text, unless they are blank.
fn text(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes.trim_ascii_end());
    if text.trim_start().is_empty() { None } else { Some(text.into_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(pieces: &[&str]) -> (Vec<String>, String) {
        let (mut lines, mut said) = (Lines::default(), Vec::new());
        let mut hear = |one: Said<'_>| said.push(format!("{one:?}"));
        for piece in pieces {
            lines.take(piece.as_bytes(), &mut hear);
        }
        lines.end(&mut hear);
        (said, String::from_utf8_lossy(&lines.kept).into_owned())
    }

    #[test]
    fn lines_are_lines_whatever_ends_them() {
        let (said, kept) = heard(&["one\ntw", "o\r\n", "\nthree"]);
        assert_eq!(said[..2], ["Line(\"one\")", "Progress(\"two\")"]);
        assert_eq!(said[2..], ["Line(\"two\")", "Line(\"three\")"]);
        assert_eq!(kept, "one\ntwo\nthree\n");
    }

    /// As DVC writes: bars over one another, and an error between them after the bars are cleared.
    #[test]
    fn a_line_between_bars_is_told_from_them() {
        let bars =
            "\r!\rFetching\n\r  3%|#   |Fetching 8/300\r        \r\n\r                 \rERROR: no such file\nmd5: 0\n";
        let (said, kept) = heard(&[bars]);
        assert_eq!(said[2], "Progress(\"  3%|#   |Fetching 8/300\")");
        assert_eq!(said[3..], ["Line(\"ERROR: no such file\")", "Line(\"md5: 0\")"]);
        assert_eq!(kept, "ERROR: no such file\nmd5: 0\n");
    }
}

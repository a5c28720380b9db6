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
pub enum StderrEvent<'a> {
    /// A line.
    Line(&'a str),
    /// How far it is, until it says more.
    Progress(&'a str),
}

/// Listens to a program's standard error.
pub(super) struct StderrListener {
    pieces: Receiver<Vec<u8>>,
    splitter: LineSplitter,
}

impl StderrListener {
    /// An ear, and what the program is to write to.
    pub fn new() -> std::io::Result<(Self, PipeWriter)> {
        let (reader, writer) = std::io::pipe()?;
        let (sender, pieces) = sync_channel(16);
        std::thread::spawn(move || read_all(reader, &mut |piece| sender.send(piece).is_ok()));
        Ok((Self { pieces, splitter: LineSplitter::default() }, writer))
    }

    /// Tells what was said since the last time.
    pub fn report_new(&mut self, on_event: &mut dyn FnMut(StderrEvent<'_>)) {
        while let Ok(piece) = self.pieces.try_recv() {
            self.splitter.push_bytes(&piece, on_event);
        }
    }

    /// Tells the rest of what an ended program said, and gives all its lines. What it started may hold the pipe open.
    pub fn finish(mut self, on_event: &mut dyn FnMut(StderrEvent<'_>)) -> Vec<u8> {
        while let Ok(piece) = self.pieces.recv_timeout(Duration::from_secs(2)) {
            self.splitter.push_bytes(&piece, on_event);
        }
        self.splitter.end_line(on_event);
        self.splitter.all_lines
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
struct LineSplitter {
    /// What the current line holds, since its last carriage return.
    pending: Vec<u8>,
    /// What it held before that; `None` where it has none.
    drawn: Option<Vec<u8>>,
    /// All lines so far but blank ones, each ended.
    all_lines: Vec<u8>,
}

impl LineSplitter {
    fn push_bytes(&mut self, bytes: &[u8], on_event: &mut dyn FnMut(StderrEvent<'_>)) {
        for byte in bytes {
            match byte {
                b'\r' => {
                    let segment = std::mem::take(&mut self.pending);
                    if let Some(words) = non_blank_text(&segment) {
                        on_event(StderrEvent::Progress(&words));
                    }
                    self.drawn = Some(segment);
                }
                b'\n' => self.end_line(on_event),
                _ => self.pending.push(*byte),
            }
        }
    }

    fn end_line(&mut self, on_event: &mut dyn FnMut(StderrEvent<'_>)) {
        let segment = std::mem::take(&mut self.pending);
        let line = match self.drawn.take() {
            // A line break of two bytes.
            Some(before) if segment.is_empty() => before,
            Some(before) if before.is_empty() || !before.iter().all(|b| *b == b' ') => {
                if let Some(words) = non_blank_text(&segment) {
                    on_event(StderrEvent::Progress(&words));
                }
                return;
            }
            _ => segment,
        };
        if let Some(words) = non_blank_text(&line) {
            on_event(StderrEvent::Line(&words));
            self.all_lines.extend_from_slice(&line);
            self.all_lines.push(b'\n');
        }
    }
}

/// Bytes as text, unless they are blank.
fn non_blank_text(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes.trim_ascii_end());
    if text.trim_start().is_empty() { None } else { Some(text.into_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_pieces(pieces: &[&str]) -> (Vec<String>, String) {
        let (mut splitter, mut events) = (LineSplitter::default(), Vec::new());
        let mut on_event = |one: StderrEvent<'_>| events.push(format!("{one:?}"));
        for piece in pieces {
            splitter.push_bytes(piece.as_bytes(), &mut on_event);
        }
        splitter.end_line(&mut on_event);
        (events, String::from_utf8_lossy(&splitter.all_lines).into_owned())
    }

    #[test]
    fn lines_are_lines_whatever_ends_them() {
        let (events, all_lines) = split_pieces(&["one\ntw", "o\r\n", "\nthree"]);
        assert_eq!(events[..2], ["Line(\"one\")", "Progress(\"two\")"]);
        assert_eq!(events[2..], ["Line(\"two\")", "Line(\"three\")"]);
        assert_eq!(all_lines, "one\ntwo\nthree\n");
    }

    /// As DVC writes: bars over one another, and an error between them after the bars are cleared.
    #[test]
    fn a_line_between_bars_is_not_taken_for_one() {
        let bars =
            "\r!\rFetching\n\r  3%|#   |Fetching 8/300\r        \r\n\r                 \rERROR: no such file\nmd5: 0\n";
        let (events, all_lines) = split_pieces(&[bars]);
        assert_eq!(events[2], "Progress(\"  3%|#   |Fetching 8/300\")");
        assert_eq!(events[3..], ["Line(\"ERROR: no such file\")", "Line(\"md5: 0\")"]);
        assert_eq!(all_lines, "ERROR: no such file\nmd5: 0\n");
    }
}

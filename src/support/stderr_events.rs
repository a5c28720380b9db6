//! Reads the standard error of a running program: lines, and the progress that it draws over and over.
//!
//! A program whose standard error is no terminal cannot steer ours: its bytes are read here and passed on line by line,
//! and the code that shows them escapes them. A text that ends in a carriage return is progress, and so is what
//! replaces it. A line that follows a cleared one is a line again: `tqdm`, which DVC draws its bars with, writes so
//! between two bars. Nothing is written to the terminal here.

use std::io::{PipeReader, PipeWriter, Read};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// A piece of a program's standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StderrEvent<'a> {
    /// A whole line.
    Line(&'a str),
    /// Progress, valid until the next event.
    Progress(&'a str),
}

/// Collects a program's standard error in a thread.
pub(super) struct StderrListener {
    pieces: Receiver<Vec<u8>>,
    splitter: LineSplitter,
}

impl StderrListener {
    /// Returns a listener, and the pipe end for the program.
    pub fn new() -> std::io::Result<(Self, PipeWriter)> {
        // Read in a thread, or a full pipe would block the program.
        let (reader, writer) = std::io::pipe()?;
        // 16 pieces of 8 KiB: a program that writes faster than we read waits, instead of filling our memory.
        let (sender, pieces) = sync_channel(16);
        std::thread::spawn(move || read_all(reader, &mut |piece| sender.send(piece).is_ok()));
        Ok((Self { pieces, splitter: LineSplitter::default() }, writer))
    }

    /// Passes on what came since the last call, without waiting.
    pub fn report_new(&mut self, on_event: &mut dyn FnMut(StderrEvent<'_>)) {
        while let Ok(piece) = self.pieces.try_recv() {
            self.splitter.push_bytes(&piece, on_event);
        }
    }

    /// Passes on the rest after the program has ended, and returns all its lines.
    pub fn finish(mut self, on_event: &mut dyn FnMut(StderrEvent<'_>)) -> Vec<u8> {
        // A child that outlives the program (a daemon) holds the pipe open: 2 s without a byte count as the end.
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

/// Splits bytes, as they come, into lines and progress.
#[derive(Default)]
struct LineSplitter {
    /// The current line since its last carriage return.
    pending: Vec<u8>,
    /// The current line before that carriage return; `None` without one.
    drawn: Option<Vec<u8>>,
    /// All lines so far except blank ones, each with its line break.
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
            // `\r\n` ends a line, as on Windows.
            Some(before) if segment.is_empty() => before,
            // After a carriage return and text the bar is still there; only blanks clear it.
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

/// Returns the bytes as text, without blanks at the end; `None` if they are all blank.
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

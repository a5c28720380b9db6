//! The trailers of runs: writing and parsing.
//!
//! In a commit message each run has its own trailers, `Capture-Run` first; what follows up to the next `Capture-Run`
//! belongs to it. A value is one line: `%`, control characters and outer blanks of a run's name are
//! %-escaped.
//!
//! A commit of more than [`MOST_NAMED`] runs names none of them: `Capture-Runs: 3000 sha256:…` stands for all, and the
//! data version's file list has their names. The SHA-256 is over one line for each run, sorted as bytes: its name as in
//! `Capture-Run`, then the hex digits of `Capture-Config`, `Capture-Manifest` and `Capture-Files`, with a blank between;
//! `-` stands for a hash of a file that the run does not have. It is left out if a hash is not known in this clone.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::dvc::hash::DataVersion;
use crate::run::RunKey;
use crate::support::percent::{percent_decode, percent_encode};
use crate::support::text::{format_plural, to_hex};
use crate::support::visible::{escape_control, is_hidden};

/// The most runs of a commit that its message names one by one.
pub const MOST_NAMED: usize = 20;

const RUN: &str = "Capture-Run";
const RUNS: &str = "Capture-Runs";
const CONFIG: &str = "Capture-Config";
const DATA: &str = "Capture-Data";
const MANIFEST: &str = "Capture-Manifest";
const FILES: &str = "Capture-Files";
const STEPS: &str = "Capture-Steps";
const EPISODES: &str = "Capture-Episodes";

/// What ties a commit to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunTrailers {
    /// The run.
    pub run: RunKey,
    /// The run's `config_hash`, hex.
    pub config: Option<String>,
    /// The data version that holds it.
    pub data: DataVersion,
    /// The SHA-256 of its manifest, hex.
    pub manifest: Option<String>,
    /// The SHA-256 of all its files, hex: see [`super::run_files`].
    pub files: Option<String>,
    /// How many steps it has. In tags only.
    pub steps: Option<u64>,
    /// How many episodes it has. In tags only.
    pub episodes: Option<u64>,
}

impl RunTrailers {
    /// The trailers of a run of which nothing but its data version is known.
    #[must_use]
    pub fn new(run: RunKey, data: DataVersion) -> Self {
        Self { run, config: None, data, manifest: None, files: None, steps: None, episodes: None }
    }

    /// Takes over what these trailers of the same run and the same data know and this one does not.
    pub fn fill_from(&mut self, known: &Self) {
        self.config = self.config.take().or_else(|| known.config.clone());
        self.manifest = self.manifest.take().or_else(|| known.manifest.clone());
        self.files = self.files.take().or_else(|| known.files.clone());
        self.steps = self.steps.or(known.steps);
        self.episodes = self.episodes.or(known.episodes);
    }

    /// The trailers of a commit message.
    #[must_use]
    pub fn trailer_lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{RUN}: {}", escape_value(&self.run.to_string()))];
        if let Some(config) = &self.config {
            lines.push(format!("{CONFIG}: sha256:{config}"));
        }
        lines.push(format!("{DATA}: md5:{}", self.data));
        if let Some(manifest) = &self.manifest {
            lines.push(format!("{MANIFEST}: sha256:{manifest}"));
        }
        if let Some(files) = &self.files {
            lines.push(format!("{FILES}: sha256:{files}"));
        }
        lines
    }

    /// The run's line under the SHA-256 of [`AllRunsTrailer`].
    fn digest_line(&self) -> String {
        let hash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
        let name = escape_value(&self.run.to_string());
        format!("{name} {} {} {}\n", hash(&self.config), hash(&self.manifest), hash(&self.files))
    }
}

impl fmt::Display for RunTrailers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.trailer_lines() {
            writeln!(f, "{line}")?;
        }
        for (name, count) in [(STEPS, self.steps), (EPISODES, self.episodes)] {
            if let Some(count) = count {
                writeln!(f, "{name}: {count}")?;
            }
        }
        Ok(())
    }
}

/// What ties a commit to all runs that it introduces, if they are too many to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllRunsTrailer {
    /// How many runs.
    pub count: u64,
    /// The SHA-256 over all of them, hex.
    pub sha256: Option<String>,
    /// The data version that holds them.
    pub data: DataVersion,
}

impl AllRunsTrailer {
    /// The trailer for these runs of a data version. `is_complete` says whether what the records lack does not exist.
    #[must_use]
    pub fn of_records(records: &[RunTrailers], data: DataVersion, is_complete: bool) -> Self {
        let mut lines: Vec<String> = records.iter().map(RunTrailers::digest_line).collect();
        lines.sort();
        let sha256 = is_complete.then(|| to_hex(&Sha256::digest(lines.concat())));
        Self { count: records.len() as u64, sha256, data }
    }

    /// The trailers of a commit message.
    #[must_use]
    pub fn trailer_lines(&self) -> Vec<String> {
        let sha256 = self.sha256.as_ref().map(|hex| format!(" sha256:{hex}")).unwrap_or_default();
        vec![format!("{RUNS}: {}{sha256}", self.count), format!("{DATA}: md5:{}", self.data)]
    }
}

/// The message of the tag of a commit with too many runs to tag each.
#[must_use]
pub fn version_tag_message(trailer: &AllRunsTrailer) -> String {
    format!("Capture {}\n\n{}\n", format_plural(trailer.count, "run"), trailer.trailer_lines().join("\n"))
}

/// The message of a run's tag: a line for people, and the record.
#[must_use]
pub fn tag_message(trailers: &RunTrailers) -> String {
    let rows = match (trailers.steps, trailers.episodes) {
        (Some(steps), Some(episodes)) => {
            format!(": {}, {}", format_plural(steps, "step"), format_plural(episodes, "episode"))
        }
        _ => String::new(),
    };
    format!("Capture {}{rows}\n\n{trailers}", escape_control(&trailers.run))
}

/// Whether a line of a message is a trailer of a run that is in the dataset, well formed.
#[must_use]
pub fn is_run_trailer(line: &str) -> bool {
    let Some((name, value)) = split_trailer(line) else { return false };
    match name {
        RUN => percent_decode(value).is_some_and(|text| text.parse::<RunKey>().is_ok()),
        RUNS => parse_all_runs(value).is_some(),
        CONFIG | MANIFEST | FILES => parse_sha256(value).is_some(),
        DATA => parse_data_version(value).is_some(),
        _ => false,
    }
}

/// What a message says of runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParsedTrailers {
    /// The runs that it names, in order. One without a data version is left out.
    pub runs: Vec<RunTrailers>,
    /// What stands for many runs, in order: a squashed message can have several.
    pub all_runs: Vec<AllRunsTrailer>,
}

/// The records in a commit's or a tag's message, in order. A record that names no data version is left out.
#[must_use]
pub fn parse_trailers(message: &[u8]) -> Vec<RunTrailers> {
    parse_all_trailers(message).runs
}

/// All that a message says of runs.
#[must_use]
pub fn parse_all_trailers(message: &[u8]) -> ParsedTrailers {
    #[derive(Default)]
    struct TrailersDraft {
        run: Option<RunKey>,
        all_runs: Option<(u64, Option<String>)>,
        config: Option<String>,
        data: Option<DataVersion>,
        manifest: Option<String>,
        files: Option<String>,
        steps: Option<u64>,
        episodes: Option<u64>,
    }
    let text = String::from_utf8_lossy(message);
    let mut parsed = ParsedTrailers::default();
    let mut draft = TrailersDraft::default();
    let mut finish = |draft: &mut TrailersDraft| {
        let TrailersDraft { run, all_runs, config, data, manifest, files, steps, episodes } = std::mem::take(draft);
        let Some(data) = data else { return };
        if let Some(run) = run {
            parsed.runs.push(RunTrailers { run, config, data, manifest, files, steps, episodes });
        } else if let Some((count, sha256)) = all_runs {
            parsed.all_runs.push(AllRunsTrailer { count, sha256, data });
        }
    };
    for line in text.lines() {
        let Some((name, value)) = split_trailer(line) else { continue };
        match name {
            RUN => {
                finish(&mut draft);
                // A value that cannot be parsed counts as absent, here and below: anybody can edit a message.
                draft.run = percent_decode(value).and_then(|text| text.parse().ok());
            }
            RUNS => {
                finish(&mut draft);
                draft.all_runs = parse_all_runs(value);
            }
            CONFIG => draft.config = parse_sha256(value),
            DATA => draft.data = parse_data_version(value),
            MANIFEST => draft.manifest = parse_sha256(value),
            FILES => draft.files = parse_sha256(value),
            STEPS => draft.steps = value.parse().ok(),
            EPISODES => draft.episodes = value.parse().ok(),
            _ => {}
        }
    }
    finish(&mut draft);
    parsed
}

/// A number of runs, and their SHA-256 if it is there.
pub(super) fn parse_all_runs(value: &str) -> Option<(u64, Option<String>)> {
    match value.split_once(' ') {
        Some((count, sha256)) => Some((count.parse().ok()?, Some(parse_sha256(sha256)?))),
        None => Some((value.parse().ok()?, None)),
    }
}

pub(super) fn split_trailer(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    name.starts_with("Capture-").then_some((name, value.trim()))
}

fn parse_sha256(value: &str) -> Option<String> {
    let hex = value.strip_prefix("sha256:")?;
    // 32 bytes, as two digits each.
    (hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))).then(|| hex.to_owned())
}

fn parse_data_version(value: &str) -> Option<DataVersion> {
    value.strip_prefix("md5:")?.parse().ok()
}

pub(super) fn escape_value(text: &str) -> String {
    let (first, last) = (text.len() - text.trim_start().len(), text.trim_end().len());
    percent_encode(text, |at, c| {
        // Line breaks that some readers know beside `\n` are no text either, and git prints a message as it is.
        c == '%' || is_hidden(c) || at < first || at >= last
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample_trailers(run: RunKey) -> RunTrailers {
        RunTrailers {
            run,
            config: Some("a".repeat(64)),
            data: "d41d8cd98f00b204e9800998ecf8427e.dir".parse().unwrap(),
            manifest: Some("0".repeat(64)),
            files: Some("f".repeat(64)),
            steps: Some(10),
            episodes: Some(1),
        }
    }

    #[test]
    fn a_tag_message_reads_well() {
        let text = tag_message(&sample_trailers("demo/r1".parse().unwrap()));
        insta::assert_snapshot!(text, @r"
        Capture demo/r1: 10 steps, 1 episode

        Capture-Run: demo/r1
        Capture-Config: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        Capture-Data: md5:d41d8cd98f00b204e9800998ecf8427e.dir
        Capture-Manifest: sha256:0000000000000000000000000000000000000000000000000000000000000000
        Capture-Files: sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff
        Capture-Steps: 10
        Capture-Episodes: 1
        ");
    }

    #[test]
    fn several_runs_of_a_commit_stay_apart() {
        let (a, b) = (sample_trailers("demo/r1".parse().unwrap()), sample_trailers("demo/r2".parse().unwrap()));
        let message = format!("subject\n\nCapture-Run: not a run\n\n{a}{b}");
        assert_eq!(parse_trailers(message.as_bytes()), [a, b]);
    }

    #[test]
    fn what_is_known_already_is_not_taken_from_elsewhere() {
        let run: RunKey = "demo/r1".parse().unwrap();
        let known = sample_trailers(run.clone());
        let mut filled = RunTrailers::new(run, known.data);
        filled.fill_from(&known);
        assert_eq!(filled, known);
        let other = RunTrailers { files: Some("1".repeat(64)), steps: Some(7), ..known.clone() };
        filled.fill_from(&other);
        assert_eq!(filled, known);
    }

    #[test]
    fn one_trailer_stands_for_many_runs() {
        let (a, b) = (sample_trailers("demo/r1".parse().unwrap()), sample_trailers("demo/r 2".parse().unwrap()));
        let bare = RunTrailers::new("a/%".parse().unwrap(), a.data);
        let all = AllRunsTrailer::of_records(&[a.clone(), b.clone(), bare.clone()], a.data, true);
        let (config, manifest, files) = ("a".repeat(64), "0".repeat(64), "f".repeat(64));
        let lines = format!("a/%25 - - -\ndemo/r 2 {config} {manifest} {files}\ndemo/r1 {config} {manifest} {files}\n");
        assert_eq!(all.sha256, Some(to_hex(&Sha256::digest(lines))));
        assert_eq!(AllRunsTrailer::of_records(&[bare, b, a.clone()], a.data, true), all);
        assert!(all.trailer_lines().iter().all(|line| is_run_trailer(line)));
        let unknown = AllRunsTrailer { sha256: None, ..all.clone() };
        let message = format!("{}{a}{}", version_tag_message(&all), unknown.trailer_lines().join("\n"));
        assert_eq!(
            parse_all_trailers(message.as_bytes()),
            ParsedTrailers { runs: vec![a], all_runs: vec![all, unknown] }
        );
    }

    #[test]
    fn only_well_formed_lines_are_trailers_of_ours() {
        assert!(is_run_trailer("Capture-Run: demo/r1"));
        for line in [
            "Capture-Runs: many",
            "Capture-Runs: 3 sha256:0",
            "Capture-Run: demo",
            "Capture-Config: sha256:xyz",
            "Capture-Files: sha256:0",
            " Capture-Run: a/b",
            "Capture-Other: 1",
            "text",
        ] {
            assert!(!is_run_trailer(line), "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(experiment in "[^/\\\\\\p{Cc}]{1,20}", run in "[^/\\\\\\p{Cc}]{1,20}") {
            if let Ok(run) = RunKey::new(&experiment, &run) {
                let record = sample_trailers(run);
                for line in record.trailer_lines() {
                    prop_assert!(is_run_trailer(&line), "{}", line);
                }
                prop_assert_eq!(parse_trailers(tag_message(&record).as_bytes()), vec![record]);
            }
        }
    }
}

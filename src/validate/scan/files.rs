//! The files of a run's directory, as findings: the files of each stream in order, what is missing, and what is
//! unknown. Names only; no file is opened here.

use crate::run::include::{IncludePatterns, SETTING_KEY, may_be_included};
use crate::run::layout::{RunLayout, RunStream, ShardScheme, ShardSet, parse_shard_name};
use crate::run::reader::FileEnd;
use crate::validate::code::Code;
use crate::validate::episodes::LineLoss;
use crate::validate::findings::{FileId, FindingCollector, LineRef};

/// The files of a stream, and the facts collected while reading them.
pub(super) struct StreamFiles {
    pub names: Vec<String>,
    pub ids: Vec<FileId>,
    /// All files that a finding about this stream can name.
    pub all: Vec<FileId>,
    pub gaps: Vec<bool>,
    pub ends: Vec<(FileEnd, u64)>,
    pub damaged: bool,
}

impl StreamFiles {
    pub fn for_stream(layout: &RunLayout, stream: RunStream, findings: &mut FindingCollector<'_>) -> Self {
        let shards = layout.shards(stream);
        // The base file is registered first, even if it is missing, because findings name it.
        let base = findings.new_file(stream.base());
        let ids: Vec<FileId> = shards
            .files
            .iter()
            .map(|s| if s.scheme == ShardScheme::Base { base } else { findings.new_file(&s.name) })
            .collect();
        let mut all = ids.clone();
        all.push(base);
        let odd = shards.unreadable.iter().chain(&layout.escapes);
        all.extend(
            odd.filter(|n| parse_shard_name(n).is_some_and(|(s, _)| s == stream)).map(|n| findings.register_file(n)),
        );
        Self {
            names: shards.files.iter().map(|s| s.name.clone()).collect(),
            ids,
            all,
            gaps: gaps_before(shards, layout, stream),
            ends: Vec::new(),
            damaged: false,
        }
    }

    pub fn id(&self, number: usize) -> FileId {
        self.ids.get(number).copied().unwrap_or_default()
    }
}

/// Reports links that lead out of the directory, and what is missing of the streams. A run whose summaries are made of the
/// steps needs no episodes.
pub(super) fn check_shards(
    layout: &RunLayout,
    is_derived: bool,
    losses: [(RunStream, &mut LineLoss); 2],
    findings: &mut FindingCollector<'_>,
) {
    for name in &layout.escapes {
        let file = findings.register_file(name);
        let line_ref = LineRef { file: Some(file), hard: true, ..LineRef::default() };
        findings.add_finding(Code::SymlinkEscape, line_ref, || {
            "the link leads out of the run's directory; it was not followed".into()
        });
    }
    for (stream, loss) in losses {
        if !(is_derived && stream == RunStream::Episodes) {
            check_stream(layout, stream, loss, findings);
        }
    }
}

/// Reports the files that do not belong to the run.
pub(super) fn check_others(layout: &RunLayout, include: &IncludePatterns, findings: &mut FindingCollector<'_>) {
    for name in &layout.unrecognized {
        let file = findings.register_file(name);
        let line_ref = LineRef { file: Some(file), ..LineRef::default() };
        findings.add_finding(Code::UnrecognizedFile, line_ref, || {
            let path = name.trim_end_matches('/');
            if !may_be_included(path) {
                "no recorder writes such a file, and a dataset cannot hold one".into()
            } else if include.matches_file(path) {
                format!("`{SETTING_KEY}` names it, but it is not a regular file: it does not go into the dataset")
            } else {
                format!(
                    "no recorder writes such a file: it does not go into the dataset unless `{SETTING_KEY}` names it"
                )
            }
        });
    }
}

fn check_stream(layout: &RunLayout, stream: RunStream, loss: &mut LineLoss, findings: &mut FindingCollector<'_>) {
    let shards = layout.shards(stream);
    let base = findings.register_file(stream.base());
    let escaped: Vec<u64> = layout
        .escapes
        .iter()
        .filter_map(|e| parse_shard_name(e))
        .filter(|(s, _)| *s == stream)
        .map(|(_, s)| s.number)
        .collect();
    let base_escaped = layout.escapes.iter().any(|e| e == stream.base());
    // A shard behind such a link is not read: an unknown number of rows is lost.
    loss.unbounded |= !escaped.is_empty();
    if !shards.has_base() && !base_escaped {
        let code = if stream == RunStream::Steps { Code::MissingSteps } else { Code::MissingEpisodes };
        let line_ref = LineRef { file: Some(base), hard: true, ..LineRef::default() };
        let odd = shards.unreadable.iter().any(|n| n == stream.base());
        findings.add_finding(code, line_ref, || {
            let why = if odd { "exists, but is not a regular file" } else { "does not exist" };
            format!("{} {why}", stream.base())
        });
        loss.unbounded = true;
    }
    let mut known = escaped;
    for name in shards.unreadable.iter().filter(|n| *n != stream.base()) {
        let file = findings.register_file(name);
        let line_ref = LineRef { file: Some(file), hard: true, ..LineRef::default() };
        findings.add_finding(Code::ShardGap, line_ref, || "the shard exists, but is not a regular file".into());
        known.extend(parse_shard_name(name).map(|(_, s)| s.number));
        loss.unbounded = true;
    }
    known.extend(shards.files.iter().map(|s| s.number));
    // Shard 0, the base file, has a code of its own if it is missing.
    known.push(0);
    known.sort_unstable();
    for pair in known.windows(2) {
        let (Some(before), Some(after)) = (pair.first(), pair.last()) else { continue };
        let missing = (after - before).saturating_sub(1);
        if missing == 0 {
            continue;
        }
        loss.unbounded = true;
        // Ten names at most; the last finding stands for all further ones.
        for n in 0..missing.min(10) {
            let name = missing_name(shards, stream, before + 1 + n, *after);
            let count = if n == 9 { missing - 9 } else { 1 };
            let line_ref = LineRef { file: Some(base), hard: true, ..LineRef::default() };
            findings.add_findings(Code::ShardGap, line_ref, count, || {
                format!("shard {} is missing: {name}", before + 1 + n)
            });
        }
    }
    // `part0001` and `part1` can both exist, from two recorders.
    for (first, second) in shards.duplicate_shards() {
        let file = findings.register_file(&second.name);
        let line_ref = LineRef { file: Some(file), ..LineRef::default() };
        findings.add_finding(Code::UnrecognizedFile, line_ref, || {
            format!("shard {} is there twice; this was read after {}", second.number, first.name)
        });
    }
}

/// Returns the name of a missing shard, in the scheme of the one after it.
fn missing_name(shards: &ShardSet, stream: RunStream, number: u64, after: u64) -> String {
    let model = shards.files.iter().find(|s| s.number == after);
    let stem = stream.stem();
    match model.map(|m| (m.scheme, m.name.bytes().filter(u8::is_ascii_digit).count())) {
        Some((ShardScheme::PartFirst, digits)) => format!("{stem}.part{number:0digits$}.jsonl.gz"),
        Some((_, digits)) => format!("{stem}.jsonl.part{number:0digits$}.gz"),
        None => format!("{stem} part {number}"),
    }
}

/// Tells for each file of a stream whether it follows a gap.
fn gaps_before(shards: &ShardSet, layout: &RunLayout, stream: RunStream) -> Vec<bool> {
    let lost: Vec<u64> = layout
        .escapes
        .iter()
        .chain(&shards.unreadable)
        .filter_map(|n| parse_shard_name(n))
        .filter(|(s, _)| *s == stream)
        .map(|(_, s)| s.number)
        .collect();
    let mut next = 0;
    shards
        .files
        .iter()
        .map(|shard| {
            let gap = shard.number > next || lost.contains(&shard.number) && shard.number > 0;
            next = shard.number.saturating_add(1);
            gap
        })
        .collect()
}

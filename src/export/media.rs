//! What a run's file is: its media type, by its extension, and a description, by its name.

use std::collections::BTreeMap;

use crate::export::set::{ExportedFile, ExportedRun};
use crate::run::layout::{
    DATASET_INDEX, EPISODES_PARQUET, MANIFEST, RUN_JSON, RunStream, STEPS_PARQUET, parse_shard_name,
};
use crate::run::schema::SCHEMA_JSON;

/// The media type of parquet.
pub const PARQUET: &str = "application/vnd.apache.parquet";
/// The media type of gzip.
pub const GZIP: &str = "application/gzip";
/// The media type of bytes of which nothing more is known.
const UNKNOWN: &str = "application/octet-stream";

/// Media types by extension, in lower case.
const BY_EXTENSION: &[(&str, &str)] = &[
    ("avi", "video/x-msvideo"),
    ("bz2", "application/x-bzip2"),
    ("csv", "text/csv"),
    ("gif", "image/gif"),
    ("gz", GZIP),
    ("h5", "application/x-hdf5"),
    ("hdf5", "application/x-hdf5"),
    ("html", "text/html"),
    ("ini", "text/plain"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("jsonl", "application/x-ndjson"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("mkv", "video/x-matroska"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("nc", "application/x-netcdf"),
    ("ndjson", "application/x-ndjson"),
    ("npy", "application/x-npy"),
    ("npz", "application/zip"),
    ("ogg", "audio/ogg"),
    ("parquet", PARQUET),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("py", "text/x-python"),
    ("rs", "text/x-rust"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("toml", "application/toml"),
    ("tsv", "text/tab-separated-values"),
    ("txt", "text/plain"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("xml", "application/xml"),
    ("xz", "application/x-xz"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

/// The media type of a file.
#[must_use]
pub fn media_type_of(name: &str) -> &'static str {
    let file_name = name.rsplit('/').next().unwrap_or(name);
    let extension = file_name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let found = extension.and_then(|extension| BY_EXTENSION.iter().find(|(known, _)| *known == extension));
    found.map_or(UNKNOWN, |(_, media_type)| media_type)
}

/// The files of a run, and what each is made from.
#[derive(Debug)]
pub struct RunFiles<'a> {
    run: &'a ExportedRun,
    /// The files of each stream, in reading order.
    steps: Vec<&'a str>,
    episodes: Vec<&'a str>,
    /// The place of each of them in its stream.
    places: BTreeMap<&'a str, usize>,
}

impl<'a> RunFiles<'a> {
    /// Sorts the files of a run.
    #[must_use]
    pub fn of_run(run: &'a ExportedRun) -> Self {
        let parse = |file: &'a ExportedFile| Some((parse_shard_name(&file.name)?, file.name.as_str()));
        let mut shards: Vec<_> = run.files.iter().filter_map(parse).collect();
        shards.sort();
        let names_of = |stream| shards.iter().filter(|((own, _), _)| *own == stream).map(|(_, name)| *name).collect();
        let (steps, episodes): (Vec<&str>, Vec<&str>) = (names_of(RunStream::Steps), names_of(RunStream::Episodes));
        let places = [&steps, &episodes].into_iter().flat_map(|names| names.iter().copied().zip(0..)).collect();
        Self { run, steps, episodes, places }
    }

    /// The files that a parquet file was made from, in reading order; none for another file.
    #[must_use]
    pub fn sources_of(&self, name: &str) -> &[&'a str] {
        match name {
            STEPS_PARQUET => &self.steps,
            // A run without summaries: its table of episodes follows from the steps.
            EPISODES_PARQUET if self.episodes.is_empty() => &self.steps,
            EPISODES_PARQUET => &self.episodes,
            _ => &[],
        }
    }

    /// Says what a file is, in a line.
    #[must_use]
    pub fn describe_file(&self, name: &str) -> String {
        if let Some((stream, _)) = parse_shard_name(name) {
            return self.describe_shard(stream, name);
        }
        match name {
            RUN_JSON => "Metadata of the run, as the recorder wrote it".into(),
            SCHEMA_JSON => "The columns of the run's rows, as the recorder declares them".into(),
            MANIFEST if self.run.has_recorder_manifest => "Manifest of the run, as the recorder wrote it".into(),
            MANIFEST => "Hashes and sizes of the run's files, its configuration and what validation found".into(),
            DATASET_INDEX => "Name, configuration hash and row counts of the run".into(),
            STEPS_PARQUET => self.describe_table(RunStream::Steps, name),
            EPISODES_PARQUET => self.describe_table(RunStream::Episodes, name),
            _ => describe_other_file(name).into(),
        }
    }

    fn describe_shard(&self, stream: RunStream, name: &str) -> String {
        let shards = if stream == RunStream::Steps { &self.steps } else { &self.episodes };
        let part = match self.places.get(name) {
            Some(index) if shards.len() > 1 => format!(", part {}", index + 1),
            _ => String::new(),
        };
        format!("{}{part}, one JSON object a line, as the recorder wrote them", describe_rows(stream))
    }

    fn describe_table(&self, stream: RunStream, name: &str) -> String {
        let rows = describe_rows(stream);
        match self.sources_of(name) {
            [] => format!("{rows} as columns"),
            [source] => format!("{rows} as columns, made from {source}"),
            [first, .., last] => format!("{rows} as columns, made from {first} to {last}"),
        }
    }
}

/// Whether capture-hook made a file of a run, not the recorder.
#[must_use]
pub fn is_made_here(run: &ExportedRun, name: &str) -> bool {
    let ours = [STEPS_PARQUET, EPISODES_PARQUET, DATASET_INDEX];
    ours.contains(&name) || name == MANIFEST && !run.has_recorder_manifest
}

fn describe_rows(stream: RunStream) -> &'static str {
    match stream {
        RunStream::Steps => "Steps",
        RunStream::Episodes => "Episode summaries",
    }
}

fn describe_other_file(name: &str) -> &'static str {
    match media_type_of(name).split('/').next() {
        Some("video") => "Video of the run, which the recorder put beside its rows",
        Some("image") => "Picture of the run, which the recorder put beside its rows",
        Some("audio") => "Sound of the run, which the recorder put beside its rows",
        _ => "File of the run, which the recorder put beside its rows",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::set::sample::sample_run;

    #[test]
    fn a_media_type_follows_from_the_extension() {
        let names = ["run.json", "steps.part0001.jsonl.gz", "videos/Episode 1.MP4", "a.b/notes", ".bashrc", "x."];
        let types = ["application/json", GZIP, "video/mp4", UNKNOWN, UNKNOWN, UNKNOWN];
        assert_eq!(names.map(media_type_of), types);
        assert!(BY_EXTENSION.is_sorted());
    }

    #[test]
    fn parts_of_a_stream_are_numbered_in_reading_order() {
        let mut run = sample_run("demo/r1");
        for name in ["steps.part10.jsonl.gz", "steps.part2.jsonl.gz"] {
            let base = run.files[0].clone();
            run.files.push(crate::export::set::ExportedFile { name: name.into(), ..base });
        }
        let files = RunFiles::of_run(&run);
        let described = files.describe_file("steps.part10.jsonl.gz");
        assert_eq!(described, "Steps, part 3, one JSON object a line, as the recorder wrote them");
        let sources = ["steps.jsonl.gz", "steps.part2.jsonl.gz", "steps.part10.jsonl.gz"];
        assert_eq!(files.sources_of("steps.parquet"), sources);
        let described = files.describe_file("steps.parquet");
        assert_eq!(described, "Steps as columns, made from steps.jsonl.gz to steps.part10.jsonl.gz");
        assert!(files.sources_of("run.json").is_empty());
    }

    #[test]
    fn a_table_of_episodes_without_summaries_is_made_from_the_steps() {
        let mut run = sample_run("demo/r1");
        run.files.retain(|file| !file.name.starts_with("episodes.jsonl"));
        assert_eq!(RunFiles::of_run(&run).sources_of("episodes.parquet"), ["steps.jsonl.gz"]);
    }
}

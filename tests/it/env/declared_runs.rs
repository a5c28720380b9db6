//! Runs that declare their columns, as a simulator of any kind writes them.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{TestEnv, copy_dir};

impl TestEnv {
    /// Copies the runs of six simulators to `repo/results`: seven runs of as many experiments as there are simulators.
    pub fn record_simulators(&self) {
        let simulators = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulators");
        for folder in fs::read_dir(simulators).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
        {
            copy_dir(&folder, &self.repo("results").join(folder.file_name().unwrap()));
        }
    }

    /// Records a run of one episode to `repo/results/<key>`: the given members are what each step has beside the format's own
    /// fields. Without a schema, none is written.
    pub fn record_declared(&self, key: &str, schema: Option<&str>, steps: &[&str]) {
        let (experiment, run_id) = key.split_once('/').unwrap();
        let dir = self.repo("results").join(key);
        fs::create_dir_all(&dir).unwrap();
        let run_json = format!(
            "{{\"schema_version\": \"2\", \"run_id\": \"{run_id}\", \"experiment\": \"{experiment}\", \"start_time\": \
             \"2026-11-27T00:00:00Z\"}}"
        );
        fs::write(dir.join("run.json"), run_json).unwrap();
        if let Some(schema) = schema {
            fs::write(dir.join("schema.json"), schema).unwrap();
        }
        let rows: Vec<String> = steps
            .iter()
            .enumerate()
            .map(|(at, members)| {
                let (step, last) = (at + 1, at + 1 == steps.len());
                format!("{{\"episode_id\": \"e0\", \"step\": {step}, \"terminated\": {last}, \"truncated\": false, {members}}}\n")
            })
            .collect();
        write_gzip(&dir.join("steps.jsonl.gz"), &rows.concat());
    }
}

/// Writes a text, compressed.
pub fn write_gzip(path: &Path, text: &str) {
    let mut gzip = GzEncoder::new(fs::File::create(path).unwrap(), Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap();
}

/// A schema with these columns of steps: pairs of a name and its declaration.
pub fn schema_of(columns: &[(&str, &str)]) -> String {
    let columns: Vec<String> = columns.iter().map(|(name, column)| format!("\"{name}\": {{{column}}}")).collect();
    format!("{{\"format\": 1, \"steps\": {{{}}}}}\n", columns.join(", "))
}

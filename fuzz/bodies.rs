//! What holds for any bytes that a stranger puts into a file, one function a kind of file: nothing panics, and what is read
//! is what is written again. `tests/it/stranger_readers.rs` runs these a fixed number of times and compares with DVC's own
//! readers; the targets in `fuzz_targets/` run them for as long as one likes.

use capture_hook::dataset::diff;
use capture_hook::dataset::runs::{entries_of_run, run_keys};
use capture_hook::dataset::stage::{RUN_DIR, ResolvedStage, parse_ingest_stage};
use capture_hook::dvc::file_list::FileList;
use capture_hook::dvc::lockfile::Lockfile;
use capture_hook::dvc::lockfile_text;
use capture_hook::export::statement::{ParsedStatement, check_statement, parse_statement};
use capture_hook::export::{dsse, ssh_format};
use capture_hook::formats::edit::{ParamLeaf, set_param};
use capture_hook::formats::{ParamsValue, ini};
use capture_hook::project::config::Config;
use capture_hook::{formats, history};

/// A params file, its kind told by its name. What the editor sets is read back, and it reads what the reader does.
pub fn params(file: &str, bytes: &[u8]) -> Option<ParamsValue> {
    let read = formats::load_params(file, bytes).ok();
    let leaf = ParamLeaf { file, section: "ingest_capture", key: "run_dir" };
    if let Ok(edited) = set_param(leaf, bytes, "results/e/0042") {
        let again = formats::load_params(file, &edited.bytes).expect("what was edited is read");
        assert_eq!(again.at_path(RUN_DIR), Some(&ParamsValue::Str("results/e/0042".into())));
    }
    read
}

/// A `dvc.yaml` and the `params.yaml` beside it, resolved: every path in it stays inside the project.
pub fn pipeline(dvc_yaml: &[u8], params: &[u8]) -> Option<ResolvedStage> {
    let resolved = ResolvedStage::resolve(&parse_ingest_stage(dvc_yaml).ok()??, Some(params)).ok()?;
    let paths = resolved.stage.outs.iter().map(|out| &out.path).chain(&resolved.stage.deps).chain([&resolved.out_dir]);
    for path in paths {
        assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".." || part == ".git"), "{path}");
    }
    Some(resolved)
}

/// A `dvc.lock`: a stage that is written again is the same stage.
pub fn lock(bytes: &[u8]) -> Option<Lockfile> {
    let lock = Lockfile::parse(bytes).ok()?;
    for stage in &lock.stages {
        let value = stage.to_value();
        let Some(lines) = lockfile_text::write_stage(&stage.name, &value) else { continue };
        let alone = Lockfile::parse(format!("{}{lines}", lockfile_text::LOCKFILE_HEAD).as_bytes())
            .expect("what is written is read");
        assert_eq!(alone.stages[0].to_value(), value, "{lines}");
        assert!(bytes.get(stage.span.clone()).is_some());
    }
    Some(lock)
}

/// A `.dvc/config`: settings that are written again are the same settings.
pub fn config(bytes: &[u8]) -> Option<Vec<ini::IniSetting>> {
    let settings = ini::parse(bytes).ok()?;
    let mut again = ini::parse(ini::write_settings(&settings).as_bytes()).expect("what is written is read");
    // Sections come together when they are written.
    let key = |s: &ini::IniSetting| (s.section.clone(), s.key.clone());
    let mut sorted = settings.clone();
    sorted.sort_by_key(key);
    again.sort_by_key(key);
    assert_eq!(again, sorted);
    Some(settings)
}

/// A list of files: written again it is the same list, and the ways that do not parse it whole agree with the one that does.
pub fn list(bytes: &[u8]) -> Option<FileList> {
    let listing = FileList::parse(bytes);
    let empty = diff::diff_runs(&b"[]"[..], bytes);
    let Ok(listing) = listing else { return None };
    let delta = empty.expect("what is parsed whole is compared");
    let runs: Vec<_> = run_keys(&listing).collect();
    assert_eq!(delta.introduced.into_iter().collect::<Vec<_>>(), {
        let mut runs = runs.clone();
        runs.sort();
        runs.dedup();
        runs
    });
    for run in &runs {
        assert_eq!(diff::run_entries(bytes, run).expect("a run is found"), entries_of_run(&listing, run));
    }
    assert_eq!(FileList::parse(&listing.to_bytes()).as_ref(), Ok(&listing));
    Some(listing)
}

/// A `capture-hook.toml`.
pub fn settings(bytes: &[u8]) -> Option<Config> {
    Config::parse(&String::from_utf8_lossy(bytes)).ok()
}

/// A commit's or tag's message: the records in it, written again, are the same records.
pub fn trailers(bytes: &[u8]) {
    let records = history::parse_trailers(bytes);
    let text: String = records.iter().map(ToString::to_string).collect();
    assert_eq!(history::parse_trailers(text.as_bytes()), records);
}

/// A file of an attestation: a statement, an envelope or a signature. A statement is one for its own bytes alone: of any run
/// but its own, something is found.
pub fn attestation(bytes: &[u8]) -> Option<ParsedStatement> {
    let _ = ssh_format::PublicKey::of_signature(bytes);
    let _ = dsse::why_other_payload(bytes, b"{}");
    let statement = parse_statement(bytes).ok()?;
    let run = "no-such-experiment/run".parse().expect("it is a run's name");
    assert!(!check_statement(&statement, "statement", &run, &Default::default()).is_empty());
    Some(statement)
}

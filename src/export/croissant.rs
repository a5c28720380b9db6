//! `croissant.json`: what a loader of datasets for machine learning must know, in Croissant 1.1.
//!
//! Each table of the export is a record set, with a field for each column of the runs' schema. The files of a run alone in
//! its table are checked by their SHA-256 when they are loaded; those of several runs are found by patterns, and mlcroissant
//! 1.1.1 loads these unchecked. Every file is listed with its SHA-256 all the same.

mod citation;
mod context;
mod fields;

use serde_json::{Map, Value, json};

use crate::export::metadata::{Creator, DatasetMetadata, Organization};
use crate::export::set::{ExportSet, ExportedRun};
use crate::export::tables::{STREAMS, TableGroup, group_tables, table_file};
use crate::run::layout::RunStream;
use crate::support::percent::percent_encode;

/// The only media type by which mlcroissant 1.1.1 knows parquet; it loads nothing of the registered one,
/// `application/vnd.apache.parquet`.
const PARQUET: &str = "application/x-parquet";

/// How many experiments a description names.
const MAX_NAMED: usize = 5;

/// Returns `croissant.json`.
#[must_use]
pub fn build_croissant(set: &ExportSet) -> Vec<u8> {
    let groups = group_tables(set);
    let mut document = Map::new();
    document.insert("@context".into(), context::standard_context());
    document.insert("@type".into(), json!("sc:Dataset"));
    document.insert("conformsTo".into(), json!("http://mlcommons.org/croissant/1.1"));
    describe_dataset(&mut document, set);
    document.insert("distribution".into(), Value::Array(list_files(set, &groups)));
    let tables = groups.iter().flat_map(|group| STREAMS.map(|stream| (group, stream)));
    let records: Vec<Value> = tables.map(|(group, stream)| record_set(group, stream)).collect();
    document.insert("recordSet".into(), Value::Array(records));
    insert_provenance(&mut document, set);
    let mut bytes = serde_json::to_vec_pretty(&Value::Object(document)).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn describe_dataset(document: &mut Map<String, Value>, set: &ExportSet) {
    let metadata = &set.metadata;
    document.insert("name".into(), json!(metadata.title));
    document.insert("description".into(), json!(metadata.description));
    document.insert("license".into(), json!(metadata.license.url));
    if let Some(url) = dataset_page(metadata) {
        document.insert("url".into(), json!(url));
    }
    document.insert("creator".into(), metadata.creators.iter().map(describe_creator).collect());
    if let Some(publisher) = &metadata.publisher {
        document.insert("publisher".into(), describe_organization(publisher));
    }
    if !metadata.keywords.is_empty() {
        document.insert("keywords".into(), json!(metadata.keywords));
    }
    let published = set.published.strftime("%Y-%m-%d").to_string();
    document.insert("datePublished".into(), json!(published));
    if let Some(first) = set.runs.iter().filter_map(|run| run.started).min() {
        document.insert("dateCreated".into(), json!(first.strftime("%Y-%m-%d").to_string()));
    }
    document.insert("version".into(), json!(version_text(set)));
    document.insert("citeAs".into(), json!(citation::bibtex_entry(set, dataset_page(metadata))));
    document.insert("isLiveDataset".into(), json!(false));
}

/// The dataset's page, which Croissant asks for; without one, the page of its repository.
fn dataset_page(metadata: &DatasetMetadata) -> Option<&str> {
    let is_page = |address: &&str| address.starts_with("https://") || address.starts_with("http://");
    metadata.url.as_deref().or_else(|| metadata.repository.as_deref().filter(is_page))
}

/// The dataset's version with the data version as what semver calls build metadata; the settings refuse another `+`.
fn version_text(set: &ExportSet) -> String {
    let hash = set.latest_version.hash().to_hex();
    format!("{}+{}", set.metadata.version, String::from_utf8_lossy(&hash))
}

fn describe_creator(creator: &Creator) -> Value {
    let mut person = Map::new();
    person.insert("@type".into(), json!("sc:Person"));
    person.insert("name".into(), json!(creator.name));
    let facts = [("givenName", &creator.given), ("familyName", &creator.family), ("url", &creator.orcid)];
    for (key, value) in facts {
        if let Some(value) = value {
            person.insert(key.into(), json!(value));
        }
    }
    if let Some(affiliation) = &creator.affiliation {
        person.insert("affiliation".into(), describe_organization(affiliation));
    }
    Value::Object(person)
}

fn describe_organization(organization: &Organization) -> Value {
    let mut entry = Map::new();
    entry.insert("@type".into(), json!("sc:Organization"));
    entry.insert("name".into(), json!(organization.name));
    if let Some(url) = organization.url.as_ref().or(organization.ror.as_ref()) {
        entry.insert("url".into(), json!(url));
    }
    if let (Some(_), Some(ror)) = (&organization.url, &organization.ror) {
        entry.insert("sameAs".into(), json!(ror));
    }
    Value::Object(entry)
}

/// Every table with its hash, then the sets of files that tables of several runs consist of.
fn list_files(set: &ExportSet, groups: &[TableGroup<'_>]) -> Vec<Value> {
    let tables = set.runs.iter().flat_map(|run| STREAMS.map(|stream| (run, stream)));
    let mut files: Vec<Value> = tables.filter_map(|(run, stream)| file_object(run, stream)).collect();
    for group in groups.iter().filter(|group| group.runs.len() > 1) {
        files.extend(STREAMS.map(|stream| file_set(group, stream)));
    }
    files
}

fn file_object(run: &ExportedRun, stream: RunStream) -> Option<Value> {
    let file = run.find_file(table_file(stream))?;
    let path = run.path_of(&file.name);
    Some(json!({
        "@type": "cr:FileObject",
        "@id": path_id(&path),
        "name": path,
        "contentUrl": path,
        "contentSize": format!("{} B", file.bytes),
        "encodingFormat": PARQUET,
        "sha256": file.sha256,
    }))
}

fn file_set(group: &TableGroup<'_>, stream: RunStream) -> Value {
    let name = file_set_id(group, stream);
    let patterns = group.file_patterns(stream);
    let includes = match patterns.as_slice() {
        [pattern] => json!(pattern),
        several => json!(several),
    };
    json!({
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": format!("The {} of {}", stream.stem(), name_runs(group)),
        "encodingFormat": PARQUET,
        "includes": includes,
    })
}

fn file_set_id(group: &TableGroup<'_>, stream: RunStream) -> String {
    format!("{}-files", group.table_name(stream))
}

/// Where the fields of a table come from: the file of its only run, or a set of files.
fn table_source(group: &TableGroup<'_>, stream: RunStream) -> Value {
    match group.runs.as_slice() {
        [run] => json!({"fileObject": {"@id": path_id(&run.path_of(table_file(stream)))}}),
        _ => json!({"fileSet": {"@id": file_set_id(group, stream)}}),
    }
}

fn record_set(group: &TableGroup<'_>, stream: RunStream) -> Value {
    let name = group.table_name(stream);
    let (row, count, key): (_, u64, &[&str]) = match stream {
        RunStream::Steps => {
            let steps = group.runs.iter().map(|run| run.steps).sum();
            ("step", steps, &["experiment", "run_id", "episode_index", "step"])
        }
        RunStream::Episodes => {
            let episodes = group.runs.iter().map(|run| run.episodes).sum();
            ("episode", episodes, &["experiment", "run_id", "episode_index"])
        }
    };
    let key: Vec<Value> = key.iter().map(|column| json!({"@id": format!("{name}/{column}")})).collect();
    json!({
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": format!("One record for each {row}: {count} of {}", name_runs(group)),
        "key": key,
        "field": fields::list_fields(group, stream, &table_source(group, stream)),
    })
}

/// Names the runs of a table: `2 runs of the experiment demo`.
fn name_runs(group: &TableGroup<'_>) -> String {
    let runs = match group.runs.as_slice() {
        [_] => "1 run".to_owned(),
        runs => format!("{} runs", runs.len()),
    };
    let experiments = group.experiments();
    let more = match experiments.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let word = if experiments.len() == 1 { "experiment" } else { "experiments" };
    let named: Vec<&str> = experiments.into_iter().take(MAX_NAMED).collect();
    format!("{runs} of the {word} {}{more}", named.join(", "))
}

/// Says which commits hold the runs, and when each run took place, in the terms of PROV.
fn insert_provenance(document: &mut Map<String, Value>, set: &ExportSet) {
    let mut commits: Vec<String> = set.runs.iter().map(|run| format!("swh:1:rev:{}", run.commit.id)).collect();
    commits.sort();
    commits.dedup();
    let commits: Vec<Value> = commits.into_iter().map(|commit| json!({"@id": commit})).collect();
    document.insert("prov:wasDerivedFrom".into(), Value::Array(commits));
    let activities: Vec<Value> = set.runs.iter().map(describe_activity).collect();
    document.insert("prov:wasGeneratedBy".into(), Value::Array(activities));
}

fn describe_activity(run: &ExportedRun) -> Value {
    let mut activity = Map::new();
    activity.insert("@type".into(), json!("prov:Activity"));
    activity.insert("@id".into(), json!(format!("urn:capture-hook:run:sha256:{}", run.identity())));
    activity.insert("prov:label".into(), json!(run.key.to_string()));
    for (key, time) in [("prov:startedAtTime", run.started), ("prov:endedAtTime", run.ended)] {
        if let Some(time) = time {
            activity.insert(key.into(), json!(time.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string()));
        }
    }
    Value::Object(activity)
}

/// A path as the id of its file: an IRI relative to the document.
fn path_id(path: &str) -> String {
    percent_encode(path, |_, c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '/')))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

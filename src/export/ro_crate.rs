//! `ro-crate-metadata.json`: RO-Crate 1.1 with the profile Process Run Crate 0.5.
//!
//! Each run is two actions: the simulation, which the recorder describes, and the ingest. Facts that are not given are left
//! out, even if a validator recommends them: a publisher, an affiliation. Nothing here names a path of this machine, a
//! host, a user or an address of e-mail.

mod entity;
mod people;
mod run;
mod software;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::export::set::{DocumentFile, ExportSet, ExportedRun};
use crate::support::parallel;
use crate::support::text::{format_plural, to_hex};

use self::entity::{Entity, EntityGraph, commit_id, encode_address, encode_path, format_time};
use self::people::People;
use self::run::{CrateContext, CrateRun};
use self::software::Programs;

/// The name of the file in an export.
pub const RO_CRATE_METADATA: &str = "ro-crate-metadata.json";

const RO_CRATE: &str = "https://w3id.org/ro/crate/1.1";
const RO_CRATE_CONTEXT: &str = "https://w3id.org/ro/crate/1.1/context";
const PROCESS_RUN_CRATE: &str = "https://w3id.org/ro/wfrun/process/0.5";

/// Beyond so many runs their files are no entities: a crate of thousands of them is of no use to a reader.
const MAX_RUNS_WITH_FILES: usize = 200;

/// Builds the document. `documents` are the files of the export that are not a run's, without this one and `SHA256SUMS`.
#[must_use]
pub fn build_ro_crate(set: &ExportSet, documents: &[DocumentFile]) -> Vec<u8> {
    let context = CrateContext {
        set,
        people: People::of_set(set),
        programs: Programs::of_set(set),
        lists_files: set.runs.len() <= MAX_RUNS_WITH_FILES,
    };
    let identities = identify_runs(set);
    let runs: Vec<CrateRun> =
        set.runs.iter().zip(&identities).map(|(run, identity)| CrateRun::new(&context, run, identity)).collect();
    let mut graph = EntityGraph::default();
    let identifiers = add_versions(set, &mut graph);
    context.people.add_entities(&mut graph);
    context.programs.add_entities(&mut graph);
    add_works(set, &mut graph);
    documents.iter().for_each(|document| graph.add(document_entity(document)));
    let of_runs = parallel::map(&runs, |run| {
        let mut graph = EntityGraph::default();
        run.add_entities(&mut graph);
        graph
    });
    of_runs.into_iter().for_each(|run| graph.extend(run));
    let descriptor =
        Entity::new(RO_CRATE_METADATA, "CreativeWork").with_refs("conformsTo", [RO_CRATE]).with_refs("about", ["./"]);
    let root = root_entity(&context, &runs, documents, &identifiers);
    let entities: Vec<Entity> = [descriptor, root].into_iter().chain(graph.into_entities()).collect();
    // 1.1 has no term for the hash. It stands here, so that a reader needs one context of the web only.
    let json_ld_context = json!([RO_CRATE_CONTEXT, { "sha256": "http://schema.org/sha256" }]);
    // Entity by entity, which takes all processors: a crate of many runs has megabytes. No text holds a line break of its
    // own in JSON, so each can be indented as a whole.
    let texts = parallel::map(&entities, |entity| entity.to_text().replace('\n', "\n    "));
    let json_ld_context = format!("{json_ld_context:#}").replace('\n', "\n  ");
    let graph = texts.join(",\n    ");
    format!("{{\n  \"@context\": {json_ld_context},\n  \"@graph\": [\n    {graph}\n  ]\n}}\n").into_bytes()
}

/// A text for each run that no other has. Runs without a manifest can have the same configuration, and copies of a run
/// the same manifest.
fn identify_runs(set: &ExportSet) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for run in &set.runs {
        *counts.entry(run.identity()).or_default() += 1;
    }
    let identify = |run: &ExportedRun| match counts.get(run.identity()) {
        Some(2..) => to_hex(&Sha256::digest(format!("{} {}", run.identity(), run.key))),
        _ => run.identity().to_owned(),
    };
    set.runs.iter().map(identify).collect()
}

fn root_entity(
    context: &CrateContext,
    runs: &[CrateRun],
    documents: &[DocumentFile],
    identifiers: &[String],
) -> Entity {
    let set = context.set;
    let metadata = &set.metadata;
    let name = match set.runs.as_slice() {
        [run] => format!("{}: {}", metadata.title, run.key),
        _ => metadata.title.clone(),
    };
    let commits: BTreeSet<String> = set.runs.iter().map(|run| commit_id(&run.commit.id.to_string())).collect();
    let mut parts: Vec<String> = documents.iter().map(|document| encode_path(&document.path)).collect();
    parts.extend(runs.iter().map(CrateRun::folder_id));
    parts.sort();
    let started = set.runs.iter().filter_map(|run| run.started).min();
    Entity::new("./", "Dataset")
        .with_refs("conformsTo", [PROCESS_RUN_CRATE])
        .with("name", name)
        .with("description", format!("{} {}", end_sentence(&metadata.description), describe_runs(set)))
        .with("datePublished", format_time(set.published))
        .with_some("dateCreated", started.map(format_time))
        .with_refs("license", [encode_address(&metadata.license.url)])
        .with_refs("author", context.people.creator_ids())
        .with_refs("publisher", context.people.publisher_id())
        .with_some("url", metadata.url.as_deref())
        .with_some("keywords", Some(metadata.keywords.join(", ")).filter(|keywords| !keywords.is_empty()))
        .with("version", format!("md5:{}", set.latest_version))
        .with_refs("identifier", identifiers)
        .with_refs("isBasedOn", commits)
        .with_refs("hasPart", parts)
        .with_refs("mentions", runs.iter().flat_map(CrateRun::action_ids))
}

fn end_sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?', '。']) { text.to_owned() } else { format!("{text}.") }
}

fn describe_runs(set: &ExportSet) -> String {
    let steps = format_plural(set.runs.iter().map(|run| run.steps).sum(), "step");
    let episodes = format_plural(set.runs.iter().map(|run| run.episodes).sum(), "episode");
    if let [run] = set.runs.as_slice() {
        let (experiment, run_id) = (run.key.experiment(), run.key.run_id());
        return format!("This is run {run_id} of experiment {experiment}: {steps} in {episodes}.");
    }
    let experiments: BTreeSet<&str> = set.runs.iter().map(|run| run.key.experiment()).collect();
    let runs = format_plural(u64::try_from(set.runs.len()).unwrap_or(u64::MAX), "run");
    let experiments = format_plural(u64::try_from(experiments.len()).unwrap_or(u64::MAX), "experiment");
    format!("These are {runs} of {experiments}: {steps} in {episodes}.")
}

fn document_entity(document: &DocumentFile) -> Entity {
    let name = document.path.rsplit('/').next().unwrap_or(&document.path);
    Entity::new(encode_path(&document.path), "File")
        .with("name", name)
        .with("description", document.description.as_str())
        .with("contentSize", document.bytes.len().to_string())
        .with("encodingFormat", document.media_type)
        .with("sha256", to_hex(&Sha256::digest(&document.bytes)))
}

/// Adds the data versions and commits of the runs, and returns the ids of what identifies them.
fn add_versions(set: &ExportSet, graph: &mut EntityGraph) -> Vec<String> {
    let versions: BTreeSet<String> = set.runs.iter().map(|run| run.version.to_string()).collect();
    let mut tags: BTreeMap<String, Vec<Option<&str>>> = BTreeMap::new();
    for run in &set.runs {
        tags.entry(run.commit.id.to_string()).or_default().push(run.tag.as_deref());
    }
    let id_of = |name: &str, value: &str, count: usize| match count {
        1 => format!("#{name}"),
        _ => format!("#{name}-{value}"),
    };
    let commit_count = tags.len();
    let mut identifiers = Vec::new();
    for version in &versions {
        let id = id_of("data-version", version, versions.len());
        let entity = Entity::new(id.as_str(), "PropertyValue")
            .with("name", "DVC data version")
            .with("description", "The MD5 of DVC's list of the dataset's files")
            .with("propertyID", "md5")
            .with("value", format!("md5:{version}"));
        graph.add(entity);
        identifiers.push(id);
    }
    for (commit, tags) in &tags {
        let id = id_of("git-commit", commit, commit_count);
        let entity = Entity::new(id.as_str(), "PropertyValue")
            .with("name", "git commit")
            .with("description", "The commit that introduced the run")
            .with("propertyID", "gitCommit")
            .with("value", commit.as_str());
        graph.add(entity);
        graph.add(commit_entity(set, commit, tags));
        identifiers.push(id);
    }
    identifiers
}

/// The commit itself. It is no `SoftwareSourceCode`: it need not hold the code of the simulator.
fn commit_entity(set: &ExportSet, commit: &str, tags: &[Option<&str>]) -> Entity {
    let tag = match tags {
        [Some(tag)] => format!(" git tag {tag}."),
        _ => String::new(),
    };
    let description = "It holds the run. Which code ran, only the simulator's entity can say.";
    Entity::new(commit_id(commit), "CreativeWork")
        .with("name", "The repository at the commit that introduced the run")
        .with("description", format!("{description}{tag}"))
        .with("version", commit)
        .with_some("url", set.metadata.repository.as_deref())
}

/// Adds the licence and the profile.
fn add_works(set: &ExportSet, graph: &mut EntityGraph) {
    let license = &set.metadata.license;
    let entity = Entity::new(encode_address(&license.url), "CreativeWork")
        .with("name", license.name.as_str())
        .with("description", format!("SPDX {}", license.id))
        .with("url", license.url.as_str());
    graph.add(entity);
    let profile = Entity::new(PROCESS_RUN_CRATE, "CreativeWork")
        .with("name", "Process Run Crate")
        .with("version", "0.5")
        .with("description", "Profile of RO-Crate for the execution of one or more tools");
    graph.add(profile);
}

//! One run of a crate: its folder, its files, what it came from, and the two actions that made it: the simulation and
//! the ingest.

use serde_json::Value;

use super::entity::{Entity, EntityGraph, encode_path, format_time};
use super::people::People;
use super::software::Programs;
use crate::export::media::{RunFiles, is_made_here, media_type_of};
use crate::export::set::{ExportSet, ExportedRun};
use crate::support::text::format_plural;

/// The action's status, as text: a reference to it fails the profile's recommendations.
const COMPLETED: &str = "http://schema.org/CompletedActionStatus";
/// Beyond it, readers of JSON that have only doubles lose digits.
const MAX_EXACT: u64 = 1 << 53;

/// The crate of which a run is a part.
pub(super) struct CrateContext<'a> {
    /// All that is exported.
    pub(super) set: &'a ExportSet,
    /// Its persons.
    pub(super) people: People<'a>,
    /// Its programs.
    pub(super) programs: Programs<'a>,
    /// Whether each file of a run is an entity.
    pub(super) lists_files: bool,
}

/// One run of a crate, and the ids of its entities.
pub(super) struct CrateRun<'a> {
    context: &'a CrateContext<'a>,
    run: &'a ExportedRun,
    /// What tells this run's entities from other runs'.
    identity: &'a str,
}

impl<'a> CrateRun<'a> {
    /// A run whose entities have this in their ids. No other run of the crate may have the same.
    pub(super) fn new(context: &'a CrateContext<'a>, run: &'a ExportedRun, identity: &'a str) -> Self {
        Self { context, run, identity }
    }

    /// The id of the run's folder.
    pub(super) fn folder_id(&self) -> String {
        encode_path(&format!("{}/", self.run.key))
    }

    /// The ids of the run's actions.
    pub(super) fn action_ids(&self) -> [String; 2] {
        [format!("#run-{}", self.identity), self.own_id("ingest")]
    }

    /// Adds the run's entities.
    pub(super) fn add_entities(&self, graph: &mut EntityGraph) {
        self.add_files(graph);
        let inputs = self.add_inputs(graph);
        graph.add(self.simulation(&inputs));
        graph.add(self.ingest());
    }

    fn own_id(&self, name: &str) -> String {
        if self.context.set.is_single() { format!("#{name}") } else { format!("#{name}-{}", self.identity) }
    }

    fn file_id(&self, name: &str) -> String {
        encode_path(&self.run.path_of(name))
    }

    fn add_files(&self, graph: &mut EntityGraph) {
        let run = self.run;
        let folder = Entity::new(self.folder_id(), "Dataset").with("name", run.key.to_string());
        if !self.context.lists_files {
            let description =
                format!("The files of run {}. Its manifest.json and SHA256SUMS list them with their hashes", run.key);
            graph.add(folder.with("description", description));
            return;
        }
        let parts = run.files.iter().map(|file| self.file_id(&file.name));
        graph.add(folder.with("description", format!("The files of run {}", run.key)).with_refs("hasPart", parts));
        let files = RunFiles::of_run(run);
        for file in &run.files {
            let sources = files.sources_of(&file.name).iter().map(|name| self.file_id(name));
            let entity = Entity::new(self.file_id(&file.name), "File")
                .with("name", file.name.as_str())
                .with("description", files.describe_file(&file.name))
                .with("contentSize", file.bytes.to_string())
                .with("encodingFormat", media_type_of(&file.name))
                .with("sha256", file.sha256.as_str())
                .with_refs("isBasedOn", sources);
            graph.add(entity);
        }
    }

    /// Adds what the simulation started from, and returns the ids.
    fn add_inputs(&self, graph: &mut EntityGraph) -> Vec<String> {
        let mut ids = Vec::new();
        let mut add = |name: &str, label: &str, description: &str, property: &str, value: Value| {
            let entity = Entity::new(self.own_id(name), "PropertyValue")
                .with("name", label)
                .with("description", description)
                .with("propertyID", property);
            graph.add(entity.with("value", value));
            ids.push(self.own_id(name));
        };
        let hash = format!("sha256:{}", self.run.config_hash);
        let description = "SHA-256 of the environment's configuration, which run.json holds";
        add("config", "env_config", description, "config_hash", hash.into());
        if let Some(seed) = self.run.base_seed {
            let exact = if seed.unsigned_abs() <= MAX_EXACT { seed.into() } else { seed.to_string().into() };
            add("seed", "base_seed", "The seed that the run's other seeds come from", "base_seed", exact);
        }
        if let Some(digest) = &self.run.container_sha256 {
            let description = "The container image in which the run was made, as the recorder names it";
            add("container", "container image", description, "sha256", format!("sha256:{digest}").into());
        }
        ids
    }

    fn simulation(&self, inputs: &[String]) -> Entity {
        let (run, [id, _]) = (self.run, self.action_ids());
        let name = self.context.programs.simulator_name(run);
        let simulator = match &run.simulator.version {
            Some(version) => format!("{name} {version}"),
            None => name.to_owned(),
        };
        let mut description = format!(
            "One run of {simulator} with configuration sha256:{}: {} in {}.",
            run.config_hash,
            format_plural(run.steps, "step"),
            format_plural(run.episodes, "episode")
        );
        // The profile recommends an end. What is not recorded has a latest moment: the run was committed by then.
        let end = run.ended.unwrap_or_else(|| {
            description.push_str(" Its end is not recorded: endTime is that of the commit, by which it had ended.");
            run.started.map_or(run.commit.time, |started| started.max(run.commit.time))
        });
        Entity::new(id, "CreateAction")
            .with("name", format!("Simulation {}", run.key))
            .with("description", description)
            .with_some("startTime", run.started.map(format_time))
            .with("endTime", format_time(end))
            .with_refs("instrument", [self.context.programs.simulator_id(run)])
            .with_refs("agent", [self.context.people.committer_id(&run.commit)])
            .with_refs("object", inputs)
            .with_refs("result", self.files_or_folder(|name| !is_made_here(run, name)))
            .with("actionStatus", COMPLETED)
    }

    fn ingest(&self) -> Entity {
        let (run, [_, id]) = (self.run, self.action_ids());
        Entity::new(id, "CreateAction")
            .with("name", format!("Ingest of {}", run.key))
            .with("description", "capture-hook ingest: the run was validated, and its rows written as columns")
            .with("endTime", format_time(run.commit.time))
            .with_refs("instrument", [self.context.programs.capture_hook_id(run)])
            .with_refs("agent", [self.context.people.committer_id(&run.commit)])
            .with_refs("object", self.files_or_folder(|name| !is_made_here(run, name)))
            .with_refs("result", self.files_or_folder(|name| is_made_here(run, name)))
            .with("actionStatus", COMPLETED)
    }

    /// The ids of some of the run's files. If files are no entities, or none is among these, the folder.
    fn files_or_folder(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let names = self.run.files.iter().map(|file| file.name.as_str()).filter(|name| is_wanted(name));
        let ids: Vec<String> = names.filter(|_| self.context.lists_files).map(|name| self.file_id(name)).collect();
        if ids.is_empty() { vec![self.folder_id()] } else { ids }
    }
}

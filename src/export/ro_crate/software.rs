//! Programs of a crate: the simulators that recorded its runs, and capture-hook, which ingested them.

use std::collections::{BTreeMap, BTreeSet};

use super::entity::{Entity, EntityGraph, commit_id, encode_address, encode_path};
use crate::export::set::{ExportSet, ExportedRun};

/// Where capture-hook is published.
const CAPTURE_HOOK: &str = "https://crates.io/crates/capture-hook";

/// What tells one simulator from another under the same address: its version and the commit of its code.
type Release = (Option<String>, Option<String>);

/// The programs of a crate.
pub(super) struct Programs<'a> {
    set: &'a ExportSet,
    /// The simulator of runs whose recorder does not name it.
    unnamed: Option<&'a str>,
    releases: BTreeMap<String, BTreeSet<Release>>,
    /// The versions of capture-hook.
    versions: BTreeSet<&'a str>,
}

impl<'a> Programs<'a> {
    /// Collects the programs of a set.
    pub(super) fn of_set(set: &'a ExportSet) -> Self {
        let versions = set.runs.iter().map(|run| run.checked_by.as_str()).collect();
        let mut programs = Self { set, unnamed: find_only_simulator(set), releases: BTreeMap::new(), versions };
        for run in &set.runs {
            programs.releases.entry(programs.simulator_address(run)).or_default().insert(release_of(run));
        }
        programs
    }

    /// The name of the simulator of a run.
    pub(super) fn simulator_name(&self, run: &'a ExportedRun) -> &'a str {
        run.simulator.name.as_deref().or(self.unnamed).unwrap_or("unknown simulator")
    }

    /// The id of the simulator of a run. Several releases of one simulator are entities of their own.
    pub(super) fn simulator_id(&self, run: &'a ExportedRun) -> String {
        let address = self.simulator_address(run);
        if self.releases.get(&address).is_none_or(|releases| releases.len() < 2) {
            return address;
        }
        let (version, git_sha) = release_of(run);
        let parts: Vec<String> = [version, git_sha].into_iter().flatten().collect();
        let release = if parts.is_empty() { "unknown".to_owned() } else { parts.join("-") };
        extend_address(&address, &encode_path(&release))
    }

    /// The id of the capture-hook that ingested a run.
    pub(super) fn capture_hook_id(&self, run: &ExportedRun) -> String {
        match self.versions.len() {
            ..=1 => CAPTURE_HOOK.into(),
            _ => format!("{CAPTURE_HOOK}/{}", encode_path(&run.checked_by)),
        }
    }

    /// Adds the programs.
    pub(super) fn add_entities(&self, graph: &mut EntityGraph) {
        for run in &self.set.runs {
            graph.add(self.simulator_entity(run));
            let id = self.capture_hook_id(run);
            let program = Entity::new(id.as_str(), "SoftwareApplication")
                .with("name", "capture-hook")
                .with("description", "What validated the run and put it into the dataset")
                .with("url", id)
                .with("version", run.checked_by.as_str());
            graph.add(program);
            if let Some(git_sha) = &run.simulator.git_sha {
                let source = Entity::new(commit_id(git_sha), "CreativeWork")
                    .with("name", "Code of the simulator")
                    .with("description", "The commit of the simulator's code, as the recorder names it")
                    .with("version", git_sha.as_str());
                graph.add(source);
            }
        }
    }

    fn simulator_entity(&self, run: &'a ExportedRun) -> Entity {
        let page = self.page_of_simulator(run);
        let description = match page {
            Some(_) => "What recorded the run".to_owned(),
            None => "What recorded the run. No page of it is known: its address leads to the dataset's".to_owned(),
        };
        let version = run.simulator.version.as_deref().or(run.simulator.git_sha.as_deref());
        Entity::new(self.simulator_id(run), "SoftwareApplication")
            .with("name", self.simulator_name(run))
            .with("description", description)
            .with("url", page.unwrap_or_else(|| page_of_dataset(self.set)))
            .with("version", version.unwrap_or("unknown"))
            .with_refs("isBasedOn", run.simulator.git_sha.as_deref().map(commit_id))
    }

    /// The simulator's page, if the settings give it for a simulator of this name.
    fn page_of_simulator(&self, run: &'a ExportedRun) -> Option<&'a str> {
        let simulator = self.set.metadata.simulator.as_ref()?;
        let is_same = self.simulator_name(run).eq_ignore_ascii_case(&simulator.name);
        simulator.url.as_deref().filter(|url| is_same && is_web_address(url))
    }

    /// The id of the simulator of a run, whatever its release. The profile recommends an id that begins with `http` and
    /// refuses a URN, so a simulator without a page gets one below the dataset's.
    fn simulator_address(&self, run: &'a ExportedRun) -> String {
        match self.page_of_simulator(run) {
            Some(page) => encode_address(page),
            None => {
                let name = encode_path(self.simulator_name(run));
                extend_address(&encode_address(page_of_dataset(self.set)), &format!("simulator-{name}"))
            }
        }
    }
}

fn release_of(run: &ExportedRun) -> Release {
    (run.simulator.version.clone(), run.simulator.git_sha.clone())
}

/// The simulator of the settings, if no run names another: then the dataset has only this one.
fn find_only_simulator(set: &ExportSet) -> Option<&str> {
    let name = set.metadata.simulator.as_ref()?.name.as_str();
    let mut named = set.runs.iter().filter_map(|run| run.simulator.name.as_deref());
    named.all(|other| other.eq_ignore_ascii_case(name)).then_some(name)
}

fn page_of_dataset(set: &ExportSet) -> &str {
    let pages = [set.metadata.url.as_deref(), set.metadata.repository.as_deref()];
    pages.into_iter().flatten().find(|page| is_web_address(page)).unwrap_or(CAPTURE_HOOK)
}

fn is_web_address(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// An address with a fragment; what has one already gets a longer one.
fn extend_address(address: &str, fragment: &str) -> String {
    let separator = if address.contains('#') { '-' } else { '#' };
    format!("{address}{separator}{fragment}")
}

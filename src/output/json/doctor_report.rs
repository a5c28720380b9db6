//! `doctor --report`: versions, kinds and counts. No field holds a path, a name or an address; each is a number, a flag, or
//! one of the program's own words.

use serde::Serialize;

use super::CheckState;

/// `doctor --report`
#[derive(Debug, Serialize)]
pub struct DoctorReportJson {
    /// The report's form; grows when a field gets another meaning.
    pub format: u32,
    /// The programs.
    pub programs: ReportedPrograms,
    /// The machine.
    pub system: ReportedSystem,
    /// The git repository; `None` outside of one.
    pub repository: Option<ReportedRepository>,
    /// The hooks; `None` outside of a repository.
    pub hooks: Option<ReportedHooks>,
    /// DVC's project; `None` without one.
    pub project: Option<ReportedProject>,
    /// The runs; `None` without a project.
    pub runs: Option<ReportedRuns>,
    /// What `doctor` found.
    pub checks: Vec<ReportedCheck>,
}

/// Versions of programs, their numbers alone; `None` for one that is missing or does not say.
#[derive(Debug, Serialize)]
pub struct ReportedPrograms {
    /// This program.
    pub capture_hook: &'static str,
    /// Whether it is a release build.
    pub release_build: bool,
    /// git
    pub git: Option<String>,
    /// The first `python3` on PATH.
    pub python: Option<String>,
    /// DVC
    pub dvc: Option<String>,
    /// By what DVC was found.
    pub dvc_found_by: Option<&'static str>,
    /// DVC's Python.
    pub dvc_python: Option<String>,
    /// DVC's packages for remotes.
    pub dvc_packages: Vec<&'static str>,
}

/// The machine.
#[derive(Debug, Serialize)]
pub struct ReportedSystem {
    /// `linux`, `macos`
    pub os: &'static str,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The distribution, if it is well known; else `other`.
    pub distribution: Option<&'static str>,
    /// Its version.
    pub distribution_version: Option<String>,
    /// `x86_64`
    pub architecture: &'static str,
    /// Processors that can be used.
    pub cpus: Option<u64>,
    /// Variables that are set, of those that change what the program does.
    pub variables: Vec<&'static str>,
}

/// The git repository.
#[derive(Debug, Serialize)]
pub struct ReportedRepository {
    /// `sha1`, `sha256`
    pub object_format: &'static str,
    /// Commits that a branch, tag or remote branch reaches.
    pub commits: Option<u64>,
    /// Branches.
    pub branches: Option<u64>,
    /// All tags.
    pub tags: Option<u64>,
    /// Working trees, the main one too.
    pub working_trees: Option<u64>,
    /// Git's remotes.
    pub remotes: Option<u64>,
    /// Whether history is cut off.
    pub shallow: Option<bool>,
    /// Whether objects are fetched when they are needed.
    pub partial: bool,
    /// Whether only a part is checked out.
    pub sparse: bool,
    /// DVC projects in it.
    pub dvc_projects: Option<u64>,
    /// The file system of the working tree.
    pub file_system: Option<&'static str>,
    /// Settings of git that matter: a value if it is a well-known word, else `set`.
    pub settings: Vec<ReportedSetting>,
}

/// A setting that differs from its default.
#[derive(Debug, Serialize)]
pub struct ReportedSetting {
    /// Its key.
    pub key: &'static str,
    /// Its value, or `set` if that could be any text.
    pub value: String,
}

/// The hooks.
#[derive(Debug, Serialize)]
pub struct ReportedHooks {
    /// Who chose their directory: `default`, `repository`, `outside`.
    pub directory: &'static str,
    /// Each event and what stands there.
    pub events: Vec<ReportedHook>,
    /// Other hook managers.
    pub managers: Vec<&'static str>,
    /// Whether the merge drivers are set up.
    pub merge_drivers: Option<bool>,
}

/// The hook of an event.
#[derive(Debug, Serialize)]
pub struct ReportedHook {
    /// The event.
    pub event: &'static str,
    /// `current`, `outdated`, `newer`, `foreign`, `missing`, or the hook manager that calls ours.
    pub state: &'static str,
    /// Whether ours calls another one first.
    pub calls_another: bool,
}

/// DVC's project.
#[derive(Debug, Serialize)]
pub struct ReportedProject {
    /// Whether it is the whole repository.
    pub at_top: bool,
    /// `dvc`, `native`
    pub engine: Option<&'static str>,
    /// Settings of `capture-hook.toml` that are set.
    pub settings: Vec<ReportedSetting>,
    /// How many experiments have a pinned schema.
    pub pinned_schemas: Option<u64>,
    /// The cache; `None` if DVC's settings cannot be read.
    pub cache: Option<ReportedCache>,
    /// The kinds of the remotes, the default one first.
    pub remotes: Vec<&'static str>,
    /// Whether there is a default remote.
    pub default_remote: Option<bool>,
    /// How many settings of DVC only DVC itself does right.
    pub settings_for_dvc_alone: Option<u64>,
}

/// DVC's cache.
#[derive(Debug, Serialize)]
pub struct ReportedCache {
    /// `repository`, `home`, `elsewhere`
    pub location: &'static str,
    /// Its file system.
    pub file_system: Option<&'static str>,
    /// The types of links that are tried, in order.
    pub link_types: Vec<&'static str>,
    /// Whether a group shares it.
    pub shared: bool,
}

/// How many runs there are, and how large.
#[derive(Debug, Serialize)]
pub struct ReportedRuns {
    /// Runs of which a directory is in results.
    pub recorded: Option<u64>,
    /// Runs in the workspace's dataset.
    pub in_dataset: Option<u64>,
    /// Runs in history.
    pub in_history: Option<u64>,
    /// Experiments.
    pub experiments: Option<u64>,
    /// Commits that changed the dataset.
    pub dataset_commits: Option<u64>,
    /// Run tags.
    pub run_tags: Option<u64>,
    /// Files in the dataset.
    pub files: Option<u64>,
    /// The dataset's size in bytes.
    pub bytes: Option<u64>,
    /// Whether a run is selected.
    pub selected: Option<bool>,
    /// The code of the error that hides what is unknown.
    pub error: Option<&'static str>,
}

/// A check of `doctor`.
#[derive(Debug, Serialize)]
pub struct ReportedCheck {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub state: CheckState,
    /// The code of the error that was found.
    pub code: Option<&'static str>,
    /// What was found, if no path, name or value is in it.
    pub found: Option<&'static str>,
}

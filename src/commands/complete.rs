//! What a shell may put where a run, a tag or an experiment belongs. Quiet: a shell waits, and nothing may be printed.

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

use crate::project::Project;
use crate::support::env::Env;

/// Candidates for a RUN.
pub fn runs() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names(|project| Some(project.catalog().ok()?.names())))
}

/// Candidates for a RUN or a run's tag.
pub fn runs_and_tags() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        names(|project| {
            let mut names = project.catalog().ok()?.names();
            names.extend(project.run_tags().ok()?.into_iter().map(|tag| tag.tag.name));
            Some(names)
        })
    })
}

/// Candidates for a revision: run tags.
pub fn tags() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        names(|project| Some(project.run_tags().ok()?.into_iter().map(|tag| tag.tag.name).collect()))
    })
}

/// Candidates for an experiment.
pub fn experiments() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        names(|project| {
            let catalog = project.catalog().ok()?;
            let mut names: Vec<String> = catalog.runs().map(|run| run.key.experiment().to_owned()).collect();
            names.dedup();
            Some(names)
        })
    })
}

fn names(of: impl Fn(&Project) -> Option<Vec<String>>) -> Vec<CompletionCandidate> {
    let project = std::env::current_dir().ok().and_then(|cwd| Project::open(&cwd, &Env::snapshot()).ok());
    project.and_then(|project| of(&project)).unwrap_or_default().into_iter().map(CompletionCandidate::new).collect()
}

//! The runs that commits introduced, each with its tag there, its size, and where its bytes are.

use std::collections::HashMap;

use crate::dvc::file_list::FileEntry;
use crate::history::index_facts::{IndexFacts, IndexReader};
use crate::history::stores::DataStores;
use crate::history::{DatasetCommit, History, RunTag};
use crate::project::{Project, ProjectError};
use crate::run::RunKey;
use crate::support::parallel;

/// A run that a commit introduced.
#[derive(Debug, Clone)]
pub struct LoggedRun {
    /// The run.
    pub key: RunKey,
    /// The name of its tag on that commit.
    pub tag: Option<String>,
    /// What its index says, else its tag.
    pub facts: IndexFacts,
    /// How many of its files the cache has: `all`, `some` or `none`.
    pub cache: &'static str,
    /// The same of the remote, or `unknown`.
    pub remote: &'static str,
}

/// A run whose files are known, before they are looked at.
struct IntroducedRun<'a> {
    run: &'a RunKey,
    out_dir: &'a str,
    entries: Option<Vec<FileEntry>>,
    tag: Option<&'a RunTag>,
}

/// The runs that each of these commits introduced, or the only one of them that is asked for.
pub fn list_logged_runs(
    project: &Project,
    history: &History,
    commits: &[&DatasetCommit],
    only: Option<&RunKey>,
) -> Result<Vec<Vec<LoggedRun>>, ProjectError> {
    let (mut introduced, mut counts) = (Vec::new(), Vec::new());
    for change in commits {
        let before = introduced.len();
        // Reversed, so that of several tags of a run the first one stays.
        let tags: HashMap<&RunKey, &RunTag> =
            history.tags_at(&change.commit.id).into_iter().rev().map(|tag| (&tag.name.run, tag)).collect();
        for run in change.introduced.iter().filter(|run| only.is_none_or(|only| only == *run)) {
            introduced.push(IntroducedRun {
                run,
                out_dir: &change.record.out_dir,
                // By one thread: the history's cache of file lists is not shared between threads.
                entries: history.run_entries(change.record.version, run),
                tag: tags.get(run).copied(),
            });
        }
        counts.push(introduced.len() - before);
    }
    history.save_notes();
    let files = introduced.iter().flat_map(|run| &run.entries).map(Vec::len).sum();
    let stores = DataStores::for_project(project, files)?;
    let reader = IndexReader::for_project(project)?;
    let logged = parallel::map(&introduced, |run| look_at_run(run, &reader, &stores));
    reader.save_notes();
    let mut logged = logged.into_iter();
    counts.into_iter().map(|count| logged.by_ref().take(count).collect()).collect()
}

fn look_at_run(
    IntroducedRun { run, out_dir, entries, tag }: &IntroducedRun<'_>,
    reader: &IndexReader<'_>,
    stores: &DataStores,
) -> Result<LoggedRun, ProjectError> {
    // If the file list is not in this clone, nothing is known of the run, and the tag's record stands in for it.
    let facts = reader.read_index(run, Some(out_dir), entries.as_deref().unwrap_or_default())?;
    let record = tag.and_then(|tag| tag.record.as_ref());
    Ok(LoggedRun {
        key: (*run).clone(),
        tag: tag.map(|tag| tag.tag.name.clone()),
        facts: IndexFacts {
            config: facts.config.or_else(|| record?.config.clone()),
            steps: facts.steps.or_else(|| record?.steps),
            episodes: facts.episodes.or_else(|| record?.episodes),
        },
        cache: entries.as_ref().map_or("none", |entries| stores.share_in_cache(entries)),
        remote: entries.as_ref().map_or("unknown", |entries| stores.share_on_remote(entries)),
    })
}

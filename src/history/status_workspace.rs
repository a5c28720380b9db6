//! The step of `status` that tells how the workspace's dataset stands to `dvc.lock`.

use crate::dataset::differences::{Comparison, Differences};
use crate::dvc::hash::DataVersion;
use crate::history::status::{Journey, Standing};
use crate::project::{Locked, Project, ProjectError, State};
use crate::support::progress::Progress;
use crate::sync::size;

/// The most bytes that are read of a dataset because of a `status`. What was read once is not read again.
const MAX_BYTES: u64 = 1 << 30;

const STEP: &str = "workspace";

impl Project {
    /// Looks whether the workspace's dataset is as `dvc.lock` says.
    pub(crate) fn look_at_workspace(
        &self,
        way: &mut Journey,
        state: &State,
        progress: &dyn Progress,
    ) -> Result<(), ProjectError> {
        let Some(locked) = &state.locked else { return Ok(()) };
        if self.sync_due() {
            way.step(STEP, Standing::Pending, "it is to follow a checkout still: `capture-hook pull`");
            way.next("capture-hook pull");
            return Ok(());
        }
        let Some(listing) = self.listing(locked.version)? else {
            let detail = format!("the list of files of {} is not in this clone", locked.version);
            way.step(STEP, Standing::Unknown, detail);
            return Ok(());
        };
        let (listing, _) = listing.without_refused();
        let comparison =
            Comparison { out_dir: &locked.out_dir, listing: &listing, only: None, before: None, max_bytes: MAX_BYTES };
        let found = self.differences(&comparison, progress)?;
        let old = self.workspace_version()?.filter(|at| *at != locked.version);
        if let Some(old) = old
            && self.is_behind(locked, old, &found)?
        {
            way.step(STEP, Standing::Pending, "its data is another commit's: `capture-hook pull`");
            way.next("capture-hook pull");
            return Ok(());
        }
        let runs = listing.runs().count();
        tell(way, &found, runs, listing.len());
        Ok(())
    }

    /// Whether the workspace, brought to an older version last, has not come to this one since: `git reset`, `stash` and `am`
    /// call no hook.
    fn is_behind(&self, locked: &Locked, old: DataVersion, found: &Differences) -> Result<bool, ProjectError> {
        if found.local().next().is_some() || !found.missing.is_empty() || !found.absent.is_empty() {
            return Ok(true);
        }
        // What only the old version holds lies in runs that the new one does not know.
        let (Some(old), Some(new)) = (self.listing(old)?, self.listing(locked.version)?) else { return Ok(true) };
        let dataset = self.root.join(&locked.out_dir);
        let mut stale = old.entries().iter().filter(|entry| new.get(&entry.relpath).is_none());
        Ok(stale.any(|entry| std::fs::symlink_metadata(dataset.join(&entry.relpath)).is_ok()))
    }
}

fn tell(way: &mut Journey, found: &Differences, runs: usize, files: usize) {
    if found.here == 0 && found.absent.len() == runs && found.local().next().is_none() {
        way.step(STEP, Standing::Unknown, "the dataset is not in this clone: `capture-hook pull` brings it");
    } else if found.local().next().is_some() {
        let lists = [("changed", &found.changed), ("added", &found.added), ("missing", &found.missing)];
        let lists = lists.iter().filter(|(_, files)| !files.is_empty());
        let words: Vec<String> = lists.map(|(what, files)| format!("{what}: {}", first_of(files))).collect();
        way.step(STEP, Standing::Pending, words.join("; "));
        way.next("capture-hook pull --force");
        way.notes.push(
            "`capture-hook pull --force` puts the committed files in the place of changed ones; `dvc commit` keeps the changes"
                .into(),
        );
    } else if !found.missing.is_empty() {
        way.step(
            STEP,
            Standing::Pending,
            format!("missing: {}; `capture-hook pull` brings it", first_of(&found.missing)),
        );
        way.next("capture-hook pull");
    } else if found.unread > 0 {
        let detail = format!("{} of it were not read: `capture-hook pull` compares them", size(found.unread));
        way.step(STEP, Standing::Unknown, detail);
    } else if !found.absent.is_empty() {
        let here = runs - found.absent.len();
        let detail = format!("{here} of {runs} runs are here, as dvc.lock says; `capture-hook pull` brings the rest");
        way.step(STEP, Standing::Done, detail);
    } else {
        way.step(STEP, Standing::Done, format!("as dvc.lock says, files: {files}"));
    }
}

/// The first of some files, and how many more there are.
fn first_of(files: &[String]) -> String {
    match files {
        [first, rest @ ..] if !rest.is_empty() => format!("{first} and {} more", rest.len()),
        files => files.join(""),
    }
}

//! Which runs of a data version a caller names: by their names, by a unique run id, or by their experiment.

use crate::dataset::get::RunFiles;
use crate::load::{LoadError, LoadedVersion};
use crate::support::text::find_near;

impl LoadedVersion {
    /// The runs that these names mean, in the order of the names, each once. A name is `experiment/run_id`, an experiment, whose
    /// runs come sorted, or a run id that only one run has.
    pub fn find_runs<'a>(&'a self, names: &[String]) -> Result<Vec<&'a RunFiles>, LoadError> {
        let mut is_taken = vec![false; self.runs.len()];
        let mut found = Vec::new();
        for name in names {
            for at in self.find_indices(name)? {
                let taken = is_taken.get_mut(at).filter(|taken| !**taken);
                if let (Some(taken), Some(run)) = (taken, self.runs.get(at)) {
                    *taken = true;
                    found.push(run);
                }
            }
        }
        Ok(found)
    }

    /// The one run that a name means.
    pub fn find_named_run(&self, name: &str) -> Result<&RunFiles, LoadError> {
        let runs: Vec<&RunFiles> = self.find_indices(name)?.into_iter().filter_map(|at| self.runs.get(at)).collect();
        match runs.as_slice() {
            [run] => Ok(run),
            runs => Err(self.ambiguous(name, runs)),
        }
    }

    fn find_indices(&self, name: &str) -> Result<Vec<usize>, LoadError> {
        let key = name.trim_end_matches('/');
        if let Some((experiment, run_id)) = key.split_once('/') {
            let found =
                self.runs.binary_search_by(|run| (run.key.experiment(), run.key.run_id()).cmp(&(experiment, run_id)));
            return found.map(|at| vec![at]).map_err(|_| self.unknown(name));
        }
        let first = self.runs.partition_point(|run| run.key.experiment() < key);
        let count = self.runs.get(first..).unwrap_or_default().partition_point(|run| run.key.experiment() == key);
        if count > 0 {
            return Ok((first..first + count).collect());
        }
        let by_id: Vec<usize> =
            (0..self.runs.len()).filter(|at| self.runs.get(*at).is_some_and(|run| run.key.run_id() == key)).collect();
        match by_id.as_slice() {
            [] => Err(self.unknown(name)),
            [_] => Ok(by_id),
            several => {
                let runs: Vec<&RunFiles> = several.iter().filter_map(|at| self.runs.get(*at)).collect();
                Err(self.ambiguous(name, &runs))
            }
        }
    }

    pub(super) fn unknown(&self, name: &str) -> LoadError {
        // Looking at each of very many names costs more than the hint is worth.
        const MOST_NAMES: usize = 20_000;
        let keys: Vec<String> = self.runs.iter().take(MOST_NAMES).map(|run| run.key.to_string()).collect();
        let spellings = self.runs.iter().zip(&keys).flat_map(|(run, key)| {
            let experiment = (run.key.experiment(), run.key.experiment());
            [(key.as_str(), key.as_str()), (run.key.run_id(), key.as_str()), experiment]
        });
        let near = find_near(name, spellings).into_iter().map(str::to_owned).collect();
        LoadError::NoSuchRun { name: name.to_owned(), rev: self.rev.clone(), near }
    }

    fn ambiguous(&self, name: &str, runs: &[&RunFiles]) -> LoadError {
        LoadError::Ambiguous { name: name.to_owned(), runs: runs.iter().map(|run| run.key.to_string()).collect() }
    }
}

//! The columns that the runs of an experiment declare.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dataset::get::RunFiles;
use crate::dvc::hash::DvcHash;
use crate::load::files::{NeededFile, find_entry};
use crate::load::{LoadContext, LoadError, LoadedVersion};
use crate::run::layout::RunStream;
use crate::run::schema::{Column, RunSchema, SCHEMA_JSON};

/// A column that runs of an experiment have.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentColumn {
    /// The column as the first of these runs declares it.
    pub column: Column,
    /// How many runs have it.
    pub runs: usize,
}

impl LoadedVersion {
    /// The declared columns of the steps and of the episodes of an experiment's runs, united by name.
    pub fn read_schemas(
        &self,
        experiment: &str,
        context: &LoadContext<'_>,
    ) -> Result<[Vec<ExperimentColumn>; 2], LoadError> {
        let runs: Vec<&RunFiles> = self.runs.iter().filter(|run| run.key.experiment() == experiment).collect();
        if runs.is_empty() {
            return Err(self.unknown(experiment));
        }
        let project = self.open_project(context.env)?;
        let cache = project.open_cache()?;
        // What an erased run declared is not known any more, unless another run declares the same.
        let erased = self.find_erased(&project, runs.iter().copied())?;
        let is_known = |run: &&RunFiles| {
            let schema = find_entry(run, SCHEMA_JSON);
            !erased.contains_key(&run.key) || schema.is_none_or(|entry| self.is_here(&cache, entry))
        };
        // Runs with the same declaration are counted, and it is read once.
        let mut by_hash: BTreeMap<Option<DvcHash>, (usize, &RunFiles, usize)> = BTreeMap::new();
        for (at, run) in runs.iter().copied().filter(is_known).enumerate() {
            let hash = find_entry(run, SCHEMA_JSON).map(|entry| entry.md5);
            by_hash.entry(hash).or_insert((at, run, 0)).2 += 1;
        }
        let mut groups: Vec<(usize, &RunFiles, usize)> = by_hash.into_values().collect();
        groups.sort_by_key(|(first, ..)| *first);
        let needed: Vec<NeededFile<'_>> = groups
            .iter()
            .filter_map(|(_, run, _)| Some(NeededFile { run: &run.key, entry: find_entry(run, SCHEMA_JSON)? }))
            .collect();
        self.find_files(&project, &needed, context)?;
        let mut united: [Vec<ExperimentColumn>; 2] = Default::default();
        for (_, run, count) in groups {
            let schema = match find_entry(run, SCHEMA_JSON) {
                Some(entry) => {
                    let bytes = self.read_verified(&cache, &run.key, entry)?;
                    Arc::new(RunSchema::parse(&bytes).map_err(|error| LoadError::Unreadable {
                        run: run.key.clone(),
                        file: SCHEMA_JSON.to_owned(),
                        why: error.to_string(),
                    })?)
                }
                None => RunSchema::plume(),
            };
            for (stream, columns) in [RunStream::Steps, RunStream::Episodes].into_iter().zip(&mut united) {
                for column in &schema.stream(stream).columns {
                    match columns.iter_mut().find(|known| known.column.name == column.name) {
                        Some(known) => known.runs += count,
                        None => columns.push(ExperimentColumn { column: column.clone(), runs: count }),
                    }
                }
            }
        }
        Ok(united)
    }
}

//! Persons and organisations of a crate: who made the dataset, who publishes it, who committed its runs.

use std::collections::BTreeSet;

use super::entity::{Entity, EntityGraph, encode_address, encode_path};
use crate::export::metadata::{Creator, Organization};
use crate::export::set::{ExportSet, ExportedCommit};

/// Said of a person who is known from a commit only. No recorder names who ran it.
const COMMITTER: &str =
    "Author of the commit that introduced the run, as git names them; the recorder does not say who ran it";

/// The persons of a crate.
pub(super) struct People<'a> {
    set: &'a ExportSet,
    /// The names of authors who are no creators, in the order of the runs.
    committers: Vec<&'a str>,
}

impl<'a> People<'a> {
    /// Collects the persons of a set.
    pub(super) fn of_set(set: &'a ExportSet) -> Self {
        let mut seen = BTreeSet::new();
        let committers = set
            .runs
            .iter()
            .filter(|run| find_creator(set, &run.commit).is_none())
            .map(|run| run.commit.author.as_str())
            .filter(|author| seen.insert(*author))
            .collect();
        Self { set, committers }
    }

    /// The ids of the creators.
    pub(super) fn creator_ids(&self) -> Vec<String> {
        let creators = self.set.metadata.creators.iter().enumerate();
        creators.map(|(index, creator)| creator_id(index, creator)).collect()
    }

    /// The id of the author of a commit: a creator of the same address or name, else a person of their own.
    pub(super) fn committer_id(&self, commit: &ExportedCommit) -> String {
        if let Some((index, creator)) = find_creator(self.set, commit) {
            return creator_id(index, creator);
        }
        match self.committers.iter().position(|author| *author == commit.author) {
            Some(index) if self.committers.len() > 1 => format!("#committer-{}", index + 1),
            _ => "#committer".into(),
        }
    }

    /// The id of the publisher.
    pub(super) fn publisher_id(&self) -> Option<String> {
        self.set.metadata.publisher.as_ref().map(organization_id)
    }

    /// Adds the persons and organisations.
    pub(super) fn add_entities(&self, graph: &mut EntityGraph) {
        if let Some(publisher) = &self.set.metadata.publisher {
            graph.add(organization_entity(publisher, "Publisher of the dataset"));
        }
        let authors: BTreeSet<usize> =
            self.set.runs.iter().filter_map(|run| Some(find_creator(self.set, &run.commit)?.0)).collect();
        for (index, creator) in self.set.metadata.creators.iter().enumerate() {
            let affiliation = creator.affiliation.as_ref().map(|organization| self.best_known(organization));
            if let Some(organization) = affiliation {
                graph.add(organization_entity(organization, "Affiliation of a creator"));
            }
            let description = if authors.contains(&index) {
                format!("Creator of the dataset. {COMMITTER}")
            } else {
                "Creator of the dataset".into()
            };
            let person = Entity::new(creator_id(index, creator), "Person")
                .with("name", creator.name.as_str())
                .with_some("givenName", creator.given.as_deref())
                .with_some("familyName", creator.family.as_deref())
                .with("description", description)
                .with_refs("affiliation", affiliation.map(organization_id));
            graph.add(person);
        }
        for run in &self.set.runs {
            let name = if run.commit.author.trim().is_empty() { "unknown" } else { run.commit.author.as_str() };
            let person = Entity::new(self.committer_id(&run.commit), "Person");
            graph.add(person.with("name", name).with("description", COMMITTER));
        }
    }

    /// The organisation of this name of which most is known: a creator's affiliation is often the publisher, given by
    /// its name only.
    fn best_known(&self, organization: &'a Organization) -> &'a Organization {
        let metadata = &self.set.metadata;
        let affiliations = metadata.creators.iter().filter_map(|creator| creator.affiliation.as_ref());
        let same = || metadata.publisher.iter().chain(affiliations.clone()).filter(|o| o.name == organization.name);
        if organization.ror.is_some() || organization.url.is_some() {
            return organization;
        }
        same().find(|o| o.ror.is_some()).or_else(|| same().find(|o| o.url.is_some())).unwrap_or(organization)
    }
}

/// The creator who is the author of a commit: by the address, else by the name.
fn find_creator<'a>(set: &'a ExportSet, commit: &ExportedCommit) -> Option<(usize, &'a Creator)> {
    let is_same = |a: &str, b: &str| !b.trim().is_empty() && a.trim().eq_ignore_ascii_case(b.trim());
    let creators = || set.metadata.creators.iter().enumerate();
    creators()
        .find(|(_, creator)| creator.email.as_ref().is_some_and(|email| is_same(email, &commit.author_email)))
        .or_else(|| creators().find(|(_, creator)| is_same(&creator.name, &commit.author)))
}

fn creator_id(index: usize, creator: &Creator) -> String {
    creator.orcid.as_ref().map_or_else(|| format!("#creator-{}", index + 1), |orcid| encode_address(orcid))
}

fn organization_id(organization: &Organization) -> String {
    match organization.ror.as_ref().or(organization.url.as_ref()) {
        Some(address) => encode_address(address),
        None => format!("#organization-{}", encode_path(&organization.name)),
    }
}

fn organization_entity(organization: &Organization, description: &str) -> Entity {
    // RO-Crate recommends a page. The register's page of the organisation is one.
    let url = organization.url.as_ref().or(organization.ror.as_ref());
    Entity::new(organization_id(organization), "Organization")
        .with("name", organization.name.as_str())
        .with("description", description)
        .with_some("url", url.map(String::as_str))
}

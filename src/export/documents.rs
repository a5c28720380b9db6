//! The documents of an export, in the order in which one describes another.

use crate::export::card::build_card;
use crate::export::cff::build_cff;
use crate::export::croissant::build_croissant;
use crate::export::datacite::build_datacite;
use crate::export::ro_crate::build_ro_crate;
use crate::export::set::{DocumentFile, ExportSet};

/// All files of the tree that are no run's, the list of checksums and signatures left out. `statements` are among them.
#[must_use]
pub fn build_documents(set: &ExportSet, statements: Vec<DocumentFile>) -> Vec<DocumentFile> {
    let mut documents = statements;
    for file in &set.provenance {
        let Some(path) = &file.path else { continue };
        documents.push(DocumentFile {
            path: path.clone(),
            description: format!("{} of commit {}", file.name, file.commit),
            media_type: "application/yaml",
            bytes: file.bytes.clone(),
        });
    }
    let document = |path: &str, description: &str, media_type, bytes| DocumentFile {
        path: path.to_owned(),
        description: description.to_owned(),
        media_type,
        bytes,
    };
    let card = "What this is, and the Hugging Face dataset card";
    documents.push(document("CITATION.cff", "How to cite", "application/yaml", build_cff(set)));
    documents.push(document("README.md", card, "text/markdown", build_card(set)));
    let croissant = "Croissant description of the parquet files";
    documents.push(document("croissant.json", croissant, "application/ld+json", build_croissant(set)));
    let datacite = "DataCite description, for a deposit with a DOI";
    documents.push(document("datacite.json", datacite, "application/json", build_datacite(set)));
    documents.sort_by(|a, b| a.path.cmp(&b.path));
    // Last, for it describes all others.
    let ro_crate = "RO-Crate description of all files";
    let described = build_ro_crate(set, &documents);
    documents.push(document("ro-crate-metadata.json", ro_crate, "application/ld+json", described));
    documents
}

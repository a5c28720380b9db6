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
    let (card, croissant) = std::thread::scope(|scope| {
        let croissant = scope.spawn(|| build_croissant(set));
        // A panic there is passed on, as if it were here.
        (build_card(set), croissant.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    documents.push(document("CITATION.cff", "How to cite", "application/yaml", build_cff(set)));
    documents.push(document("README.md", "What this is, and the Hugging Face dataset card", "text/markdown", card));
    let about = "Croissant description of the parquet files";
    documents.push(document("croissant.json", about, "application/ld+json", croissant));
    let about = "DataCite description, for a deposit with a DOI";
    documents.push(document("datacite.json", about, "application/json", build_datacite(set)));
    documents.sort_by(|a, b| a.path.cmp(&b.path));
    // Last, for it describes all others.
    let ro_crate = "RO-Crate description of all files";
    let described = build_ro_crate(set, &documents);
    documents.push(document("ro-crate-metadata.json", ro_crate, "application/ld+json", described));
    documents
}

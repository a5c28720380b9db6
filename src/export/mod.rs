//! Exports: runs as a tree that readers of other standards accept, and proofs of who vouches for a run.
//!
//! One tree has all formats side by side: the runs' files, RO-Crate, Croissant, a Hugging Face card, CITATION.cff,
//! DataCite, an in-toto statement for each run, and SHA256SUMS. The same data version, commit, settings and version of
//! capture-hook give the same bytes.

pub mod agent;
pub mod attest;
pub mod attestation;
pub mod attested;
pub mod attested_run;
pub mod card;
pub mod cff;
pub mod citation;
pub mod copy;
pub mod croissant;
pub mod datacite;
pub mod destination;
pub mod documents;
pub mod dsse;
pub mod error;
pub mod gather;
pub mod layout;
pub mod meanings;
pub mod media;
pub mod metadata;
pub mod ro_crate;
pub mod select;
pub mod set;
pub mod sign;
pub mod ssh_format;
pub mod statement;
pub mod tables;
pub mod tree;
pub mod verify;
pub mod zip;

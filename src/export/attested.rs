//! The attestations that a commit holds: the statement of a run, tracked by git, and the signatures beside it.
//!
//! They are in git and not in the dataset, whose bytes are the data version: a clone has them without DVC's remote.

use crate::export::error::ExportError;
use crate::export::sign::SignatureScheme;
use crate::git::Oid;
use crate::project::{GitTree, Project};
use crate::run::RunKey;

/// The directory of attestations, in the project's root.
pub const ATTESTATIONS: &str = "attestations";

/// What a statement's file ends with.
pub const STATEMENT_SUFFIX: &str = ".intoto.json";

/// What the file of a DSSE envelope ends with.
pub const ENVELOPE_SUFFIX: &str = ".dsse.json";

/// The path of a run's statement without its suffix, relative to the project: `attestations/demo/r1`.
#[must_use]
pub fn attestation_stem(run: &RunKey) -> String {
    format!("{ATTESTATIONS}/{run}")
}

/// A statement and what is beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// The statement.
    pub statement: Vec<u8>,
    /// Each signature and envelope, by its suffix after the stem: `.intoto.json.sig`, `.dsse.json`.
    pub signatures: Vec<(String, Vec<u8>)>,
}

/// Reads the attestations of one commit.
pub struct AttestationReader<'a> {
    project: &'a Project,
    /// `None` if the commit has none at all.
    tree: Option<GitTree>,
}

impl<'a> AttestationReader<'a> {
    /// Those of a commit.
    pub fn new(project: &'a Project, commit: &Oid) -> Result<Self, ExportError> {
        let has_any = project.repo.has_dir_at(commit, &project.git_path(ATTESTATIONS))?;
        Ok(Self { project, tree: has_any.then(|| GitTree::Commit(commit.clone())) })
    }

    /// A run's attestation; `None` if the commit holds none.
    pub fn read(&self, run: &RunKey) -> Result<Option<Attestation>, ExportError> {
        let Some(tree) = &self.tree else { return Ok(None) };
        let stem = attestation_stem(run);
        let read = |suffix: &str| self.project.read_file(tree, &format!("{stem}{suffix}"));
        let Some(statement) = read(STATEMENT_SUFFIX)? else { return Ok(None) };
        let mut signatures = Vec::new();
        let suffixes = SignatureScheme::ALL.map(|scheme| format!("{STATEMENT_SUFFIX}{}", scheme.extension()));
        for suffix in suffixes.into_iter().chain([ENVELOPE_SUFFIX.to_owned()]) {
            if let Some(bytes) = read(&suffix)? {
                signatures.push((suffix, bytes));
            }
        }
        Ok(Some(Attestation { statement, signatures }))
    }
}

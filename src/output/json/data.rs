//! The JSON of commands that move or verify data.

use serde::Serialize;

/// `get`
#[derive(Debug, Serialize)]
pub struct GetJson {
    /// The run.
    pub run: String,
    /// The data version it comes from.
    pub data_version: String,
    /// The commit of that data version; `null` if only a tag's message names it.
    pub commit: Option<String>,
    /// The directory that it was written to.
    pub path: String,
    /// The number of files.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Whether anything was fetched from the remote.
    pub fetched: bool,
}

/// `export`
#[derive(Debug, Serialize)]
pub struct ExportJson {
    /// The directory or file that was made.
    pub path: String,
    /// The number of runs.
    pub runs: u64,
    /// The number of files.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// The number of runs with a signed statement.
    pub signed: u64,
    /// Whether anything was fetched from the remote.
    pub fetched: bool,
}

/// `report`
#[derive(Debug, Serialize)]
pub struct ReportJson {
    /// The file.
    pub path: String,
    /// The number of runs.
    pub runs: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// The number of runs whose data is missing.
    pub missing: u64,
    /// Whether the file is current, if that was asked: an outdated one is an error.
    pub current: Option<bool>,
}

/// `verify`
#[derive(Debug, Serialize)]
pub struct VerifyJson {
    /// Whether there is no finding.
    pub ok: bool,
    /// What was verified: `workspace`, `cache`, or `directory` for runs outside of every project.
    pub source: &'static str,
    /// The data version it was compared with; `null` if none is committed.
    pub data_version: Option<String>,
    /// The commit of that data version, if a revision was asked for.
    pub commit: Option<String>,
    /// The number of runs verified.
    pub runs: u64,
    /// The number of files read.
    pub files: u64,
    /// The number of bytes read.
    pub bytes: u64,
    /// Runs that were erased on purpose, and are left out.
    pub erased: Vec<String>,
    /// The problems found.
    pub findings: Vec<VerifyFindingJson>,
    /// Of runs outside of every project, the files that no manifest names: what their bytes should be is unknown.
    pub unknown: Vec<String>,
}

/// A problem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct VerifyFindingJson {
    /// The run; `null` for a file outside of every run.
    pub run: Option<String>,
    /// The file, relative to the dataset; a run's folder with `/` at its end if all of the run is missing.
    pub file: String,
    /// `missing`, `extra`, `changed`, `unreadable`, `manifest`, `rows`.
    pub problem: &'static str,
    /// One line for people.
    pub message: String,
}

/// `verify` of an export
#[derive(Debug, Serialize)]
pub struct VerifyExportJson {
    /// Whether there is no finding.
    pub ok: bool,
    /// The runs that a statement names.
    pub runs: Vec<String>,
    /// The number of files read.
    pub files: u64,
    /// The number of bytes read.
    pub bytes: u64,
    /// The statements with a signature beside them.
    pub signed: Vec<String>,
    /// The statements without one.
    pub unsigned: Vec<String>,
    /// What came of each signature.
    pub signatures: Vec<AttestationSignatureJson>,
    /// Files that a statement names and that were left out, as `--without` says.
    pub left_out: Vec<String>,
    /// The problems found.
    pub findings: Vec<ExportFindingJson>,
}

/// A problem of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportFindingJson {
    /// The file, relative to the export; a run's folder with `/` at its end if all of the run is meant.
    pub file: String,
    /// `missing`, `extra`, `changed`, `unreadable`, `statement`, `no_statement`, `signature`.
    pub problem: &'static str,
    /// One line for people.
    pub message: String,
}

/// `verify --attestation`
#[derive(Debug, Serialize)]
pub struct VerifyAttestationJson {
    /// Whether there is no finding: a signature is verified, and every byte is as the statement says.
    pub ok: bool,
    /// The run.
    pub run: String,
    /// The statement's file.
    pub statement: String,
    /// The signatures beside it.
    pub signatures: Vec<AttestationSignatureJson>,
    /// The DSSE envelope beside it, whose signature is not verified; `null` without one.
    pub envelope: Option<String>,
    /// Where the run's files were read: `workspace` or `cache`.
    pub source: &'static str,
    /// How many files of the run were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is not as the attestation says.
    pub findings: Vec<AttestationFindingJson>,
}

/// A signature.
#[derive(Debug, Serialize)]
pub struct AttestationSignatureJson {
    /// Its file.
    pub file: String,
    /// `ssh` or `openpgp`.
    pub scheme: &'static str,
    /// Whether it is of the statement and by somebody who is trusted.
    pub verified: bool,
    /// Who signed; `null` if it is not verified.
    pub signer: Option<String>,
    /// The key in words; `null` if it is not verified.
    pub key: Option<String>,
}

/// Something that is not as an attestation says.
#[derive(Debug, Serialize)]
pub struct AttestationFindingJson {
    /// The file: one of the run, or of the attestation.
    pub file: String,
    /// The problem's stable name.
    pub problem: &'static str,
    /// One line for people.
    pub message: String,
}

/// `attest`
#[derive(Debug, Serialize)]
pub struct AttestJson {
    /// The run.
    pub run: String,
    /// The commit that introduced it.
    pub commit: String,
    /// The data version that holds it.
    pub data_version: String,
    /// The statement's file.
    pub statement: String,
    /// Its signature.
    pub signature: String,
    /// The DSSE envelope; `null` without `--dsse`.
    pub envelope: Option<String>,
    /// `ssh` or `openpgp`.
    pub scheme: &'static str,
    /// The fingerprint of the key that signed.
    pub key: String,
    /// How many files of the run the statement names.
    pub subjects: usize,
    /// What became of each file.
    pub files: Vec<AttestedFileJson>,
}

/// A file of an attestation.
#[derive(Debug, Serialize)]
pub struct AttestedFileJson {
    /// The file.
    pub path: String,
    /// `new`, `replaced`, `unchanged`, `removed`.
    pub change: &'static str,
}

/// `publish`
#[derive(Debug, Serialize)]
pub struct PublishJson {
    /// The runs.
    pub runs: Vec<String>,
    /// The commit that HEAD is now.
    pub commit: String,
    /// Whether it was made; not if everything was committed already.
    pub committed: bool,
    /// The data version.
    #[serde(rename = "data")]
    pub data_version: String,
    /// Whether git pushed.
    pub pushed: bool,
}

/// `remove`, `restore`
#[derive(Debug, Serialize)]
pub struct RunChangeJson {
    /// The runs.
    pub runs: Vec<String>,
    /// The commit.
    pub commit: String,
    /// The data version.
    #[serde(rename = "data")]
    pub data_version: String,
}

/// `forget`
#[derive(Debug, Serialize)]
pub struct ForgetJson {
    /// What was dropped, by run.
    pub runs: Vec<ForgottenRunJson>,
    /// Whether the cache was left alone, because other clones may use it.
    pub cache_kept: bool,
}

/// What was dropped of one run.
#[derive(Debug, Serialize)]
pub struct ForgottenRunJson {
    /// The run.
    pub run: String,
    /// How many folders were removed: one for each working tree that had the run checked out.
    pub folders: usize,
    /// How many objects were removed from the cache.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
    /// How many of its objects stay, for others use them.
    pub kept_objects: usize,
}

/// `erase`
#[derive(Debug, Serialize)]
pub struct EraseJson {
    /// Whether it was done; a plan otherwise.
    pub done: bool,
    /// The commit that was made; `null` if none was needed, or nothing was done.
    pub commit: Option<String>,
    /// Each run.
    pub runs: Vec<ErasedRunJson>,
    /// How many objects the cache has of them, or had.
    pub in_cache: usize,
    /// The remote's name; `null` if none is set.
    pub remote: Option<String>,
    /// How many objects the remote has of them, or had.
    pub on_remote: usize,
    /// How many folders of the workspace are removed: those of all working trees.
    pub folders: usize,
}

/// A run that is erased.
#[derive(Debug, Serialize)]
pub struct ErasedRunJson {
    /// The run.
    pub run: String,
    /// Whether HEAD's dataset holds it, so that it is removed by the same commit.
    pub in_dataset: bool,
    /// Its records in `capture-erased/`.
    pub records: Vec<String>,
    /// How many of its objects are erased.
    pub objects: usize,
    /// Their bytes, as far as they are known.
    pub bytes: u64,
    /// Objects that stay, for something else has the same bytes.
    pub shared: Vec<SharedObjectJson>,
    /// The recorder's directory, which stays; `null` without one.
    pub recorded: Option<String>,
}

/// An object that is not erased.
#[derive(Debug, Serialize)]
pub struct SharedObjectJson {
    /// Its MD5.
    pub md5: String,
    /// What has it, too.
    pub used_by: String,
}

/// `push`
#[derive(Debug, Serialize)]
pub struct PushJson<'a> {
    /// The data versions that the commits need.
    pub versions: Vec<PushedVersionJson<'a>>,
    /// What was sent, in words.
    #[serde(rename = "said")]
    pub message: &'a str,
}

/// A data version that a commit needs.
#[derive(Debug, Serialize)]
pub struct PushedVersionJson<'a> {
    /// The data version.
    pub version: String,
    /// A commit that needs it.
    pub commit: &'a str,
}

/// `pull`
#[derive(Debug, Serialize)]
pub struct PullJson {
    /// The checked-out data version.
    pub data_version: String,
    /// Whether all that was asked for is in the workspace.
    pub complete: bool,
    /// Each run, or the whole dataset.
    pub pulled: Vec<PulledJson>,
}

/// The result for a run, or for the whole dataset.
#[derive(Debug, Serialize)]
pub struct PulledJson {
    /// The run; `null` for the whole dataset.
    pub run: Option<String>,
    /// Where it is.
    pub path: String,
    /// Whether it is as `dvc.lock` says.
    pub complete: bool,
    /// How many files were changed in the workspace.
    pub changed: usize,
    /// How many bytes are missing still.
    pub missing_bytes: u64,
    /// Files with local changes, which stay.
    pub unsaved: Vec<String>,
    /// Files that no checkout takes.
    pub refused: Vec<String>,
    /// Runs that were erased on purpose, and are left out.
    pub erased: Vec<String>,
}

//! The in-toto statement of a run: which bytes it consists of, and what is known of where they come from.
//!
//! in-toto Statement v1 with SLSA provenance v1, as canonical JSON: sorted keys, no blanks, UTF-8, no line break at the
//! end. These very bytes are what a signature covers and what a DSSE envelope holds. Nothing in it is read from a clock,
//! a host or a user. What each field means, and what is not proven, is on the pages of [`BUILD_TYPE`] and
//! [`BUILDER_ID`].

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::dataset::stage::STAGE;
use crate::dvc::lockfile;
use crate::export::set::{ExportedRun, ProvenanceFile};
use crate::git::Oid;
use crate::run::RunKey;
use crate::support::text::to_hex;

/// Where the pages of `docs/` are served: every URI of ours in an attestation begins with it.
pub const DOCS_URL: &str = "https://capture-hook.example";

/// The page of a statement's fields, below [`DOCS_URL`] and in `docs/`.
pub const BUILD_TYPE: &str = "/run/v1";

/// The page about who made a run, below [`DOCS_URL`] and in `docs/`.
pub const BUILDER_ID: &str = "/workstation/v1";

/// The type of an in-toto statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// The type of its predicate.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";

/// Returns the statement of a run. `provenance` are the files of its commit, `repository` is the address that others
/// clone from.
#[must_use]
pub fn build_statement(run: &ExportedRun, provenance: &[&ProvenanceFile], repository: Option<&str>) -> Vec<u8> {
    let subjects: Vec<Value> = run
        .files
        .iter()
        .map(|file| json!({"name": run.path_of(&file.name), "digest": {"sha256": file.sha256}}))
        .collect();
    let mut parameters = Map::new();
    parameters.insert("run".into(), json!(run.key.to_string()));
    parameters.insert("config_hash".into(), json!(run.config_hash));
    if let Some(seed) = run.base_seed {
        // As text: readers by way of protobuf make a double of a number.
        parameters.insert("base_seed".into(), json!(seed.to_string()));
    }
    let mut metadata = Map::new();
    metadata.insert("invocationId".into(), json!(run.key.to_string()));
    for (name, time) in [("startedOn", run.started), ("finishedOn", run.ended)] {
        if let Some(time) = time.and_then(format_time) {
            metadata.insert(name.into(), json!(time));
        }
    }
    let mut statement = json!({
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": format!("{DOCS_URL}{BUILD_TYPE}"),
                "externalParameters": parameters,
                "internalParameters": {"schema_version": run.schema_version, "stage": STAGE},
                "resolvedDependencies": list_dependencies(run, provenance, repository),
            },
            "runDetails": {
                "builder": {
                    "id": format!("{DOCS_URL}{BUILDER_ID}"),
                    "version": {"capture-hook": run.checked_by},
                },
                "metadata": metadata,
                "byproducts": list_byproducts(run, provenance),
            },
        },
    });
    statement.sort_all_objects();
    statement.to_string().into_bytes()
}

/// What the run depended on, as far as it was recorded.
fn list_dependencies(run: &ExportedRun, provenance: &[&ProvenanceFile], repository: Option<&str>) -> Vec<Value> {
    let mut dependencies = vec![repository_resource(run, repository)];
    if let Some(commit) = &run.simulator.git_sha {
        dependencies.push(json!({"name": "simulator-source", "digest": {"gitCommit": commit}}));
    }
    let simulator = &run.simulator;
    if simulator.name.is_some() || simulator.version.is_some() {
        let mut resource = Map::new();
        resource.insert("name".into(), json!(simulator.name.as_deref().unwrap_or("simulator")));
        if let Some(version) = &simulator.version {
            resource.insert("annotations".into(), json!({"version": version}));
        }
        dependencies.push(resource.into());
    }
    let mut files: Vec<&ProvenanceFile> = provenance.iter().copied().filter(|file| !is_lockfile(file)).collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    dependencies.extend(files.into_iter().map(file_resource));
    dependencies.push(json!({
        "name": "env_config",
        "mediaType": "application/json",
        "digest": {"sha256": run.config_hash},
        "content": STANDARD.encode(run.env_config.to_canonical()),
    }));
    if let Some(image) = &run.container_sha256 {
        dependencies.push(json!({"name": "container", "digest": {"sha256": image}}));
    }
    dependencies
}

/// What the commit of the run recorded of the dataset: other runs are in that, too, so it is no subject.
fn list_byproducts(run: &ExportedRun, provenance: &[&ProvenanceFile]) -> Vec<Value> {
    let mut byproducts: Vec<Value> =
        provenance.iter().filter(|file| is_lockfile(file)).map(|file| file_resource(file)).collect();
    byproducts.push(json!({
        "name": "data version",
        "digest": {"md5": run.version.hash().to_string()},
        "annotations": {"dvc": run.version.to_string()},
    }));
    byproducts
}

/// The repository at the commit that introduced the run: by its tag where others can clone it, else by the commit.
fn repository_resource(run: &ExportedRun, repository: Option<&str>) -> Value {
    let commit = &run.commit.id;
    let mut resource = Map::new();
    resource.insert("name".into(), json!("repository"));
    resource.insert("digest".into(), json!({"gitCommit": commit.as_str()}));
    let uri = match (repository, &run.tag) {
        (Some(address), Some(tag)) => Some(format!("git+{address}@refs/tags/{tag}")),
        _ => swh_id(commit),
    };
    if let Some(uri) = uri {
        resource.insert("uri".into(), json!(uri));
    }
    resource.into()
}

/// The identifier of a commit in the Software Heritage archive; it has none for SHA-256 repositories.
fn swh_id(commit: &Oid) -> Option<String> {
    (commit.as_str().len() == 40).then(|| format!("swh:1:rev:{}", commit.as_str()))
}

/// A file of a commit, named by git's id of it and by its bytes.
fn file_resource(file: &ProvenanceFile) -> Value {
    let sha256 = to_hex(&Sha256::digest(&file.bytes));
    json!({"name": file.name, "digest": {"gitBlob": file.blob.as_str(), "sha256": sha256}})
}

/// Whether it is DVC's lockfile, which a commit of a run writes; every other file was there before.
fn is_lockfile(file: &ProvenanceFile) -> bool {
    file.name == lockfile::FILE
}

/// A time as RFC 3339, in milliseconds; `None` outside of the years that protobuf's readers take.
fn format_time(time: Timestamp) -> Option<String> {
    let text = format!("{time:.3}");
    // Years before 1 or after 9999 begin with a sign.
    (text.len() == "2026-11-24T02:15:57.123Z".len() && !text.starts_with("0000")).then_some(text)
}

/// What is checked of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedStatement {
    /// `_type`
    pub statement_type: String,
    /// `predicateType`
    pub predicate_type: String,
    /// `buildType`
    pub build_type: String,
    /// `builder.id`
    pub builder_id: String,
    /// `externalParameters.run`
    pub run: String,
    /// `invocationId`
    pub invocation_id: String,
    /// The commit that introduced the run, if it is named.
    pub commit: Option<String>,
    /// Each subject's name with its SHA-256, in hex.
    pub subjects: BTreeMap<String, String>,
    /// The files of the commit by their names, each with its SHA-256, in hex.
    pub commit_files: BTreeMap<String, String>,
}

/// Why bytes are not a statement of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not a statement of capture-hook: {0}")]
pub struct NotAStatement(String);

/// Reads a statement. Fails unless it is canonical JSON, names a run, and has distinct subjects with a SHA-256 each.
pub fn parse_statement(bytes: &[u8]) -> Result<ParsedStatement, NotAStatement> {
    let mut root: Value = serde_json::from_slice(bytes).map_err(|error| NotAStatement(error.to_string()))?;
    root.sort_all_objects();
    // Two readers of other JSON can see two statements: of a doubled key, one takes the first, another the last.
    if root.to_string().as_bytes() != bytes {
        return Err(NotAStatement("it is not canonical JSON".into()));
    }
    let text = |path: &str| {
        let value = root.pointer(path).and_then(Value::as_str).map(str::to_owned);
        value
            .ok_or_else(|| NotAStatement(format!("`{}` is not a text", path.trim_start_matches('/').replace('/', "."))))
    };
    Ok(ParsedStatement {
        statement_type: text("/_type")?,
        predicate_type: text("/predicateType")?,
        build_type: text("/predicate/buildDefinition/buildType")?,
        builder_id: text("/predicate/runDetails/builder/id")?,
        run: text("/predicate/buildDefinition/externalParameters/run")?,
        invocation_id: text("/predicate/runDetails/metadata/invocationId")?,
        commit: find_commit(&root),
        subjects: parse_subjects(&root)?,
        commit_files: list_commit_files(&root),
    })
}

/// The resources that a statement names: what the run depended on, and what its commit recorded of it.
fn list_resources(root: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["/predicate/buildDefinition/resolvedDependencies", "/predicate/runDetails/byproducts"];
    lists.into_iter().filter_map(|list| root.pointer(list)?.as_array()).flatten()
}

fn find_commit(root: &Value) -> Option<String> {
    let named = |resource: &&Value| resource.get("name").and_then(Value::as_str) == Some("repository");
    let commit = list_resources(root).find(named)?.pointer("/digest/gitCommit")?.as_str()?;
    Some(commit.to_owned())
}

fn list_commit_files(root: &Value) -> BTreeMap<String, String> {
    let file = |resource: &Value| {
        // What is no file of git's has no such id.
        resource.pointer("/digest/gitBlob")?;
        let sha256 = resource.pointer("/digest/sha256")?.as_str()?;
        Some((resource.get("name")?.as_str()?.to_owned(), sha256.to_owned()))
    };
    list_resources(root).filter_map(file).collect()
}

fn parse_subjects(root: &Value) -> Result<BTreeMap<String, String>, NotAStatement> {
    let items = root.get("subject").and_then(Value::as_array).filter(|items| !items.is_empty());
    let items = items.ok_or_else(|| NotAStatement("it has no subjects".into()))?;
    let mut subjects = BTreeMap::new();
    for item in items {
        let name = item.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| NotAStatement("a subject has no name".into()))?;
        let is_sha256 = |text: &&str| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let sha256 = item.pointer("/digest/sha256").and_then(Value::as_str).filter(is_sha256);
        let sha256 = sha256.ok_or_else(|| NotAStatement(format!("the subject `{name}` has no SHA-256")))?;
        if subjects.insert(name.to_owned(), sha256.to_owned()).is_some() {
            return Err(NotAStatement(format!("it has the subject `{name}` twice")));
        }
    }
    Ok(subjects)
}

/// What is wrong with an attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttestationProblem {
    /// The statement is not one of ours.
    NotAStatement,
    /// It is of another type, or its predicate is.
    OtherType,
    /// It is of another run.
    OtherRun,
    /// A subject does not exist.
    Missing,
    /// A file of the run is no subject.
    Extra,
    /// A file has other bytes than the subject.
    Changed,
    /// A file cannot be read.
    Unreadable,
    /// The signature is of other bytes.
    BadSignature,
    /// A key made the signature that the allowed signers or the keyring do not have.
    UnknownKey,
    /// The key that made the signature has expired.
    ExpiredKey,
    /// There is no signature, or nothing to verify it with.
    NotVerified,
    /// The DSSE envelope holds another statement.
    OtherEnvelope,
}

impl AttestationProblem {
    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAStatement => "not_a_statement",
            Self::OtherType => "other_type",
            Self::OtherRun => "other_run",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Changed => "changed",
            Self::Unreadable => "unreadable",
            Self::BadSignature => "bad_signature",
            Self::UnknownKey => "unknown_key",
            Self::ExpiredKey => "expired_key",
            Self::NotVerified => "not_verified",
            Self::OtherEnvelope => "other_envelope",
        }
    }
}

/// Something that is not as the attestation says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttestationFinding {
    /// The file: `E/R/file` of a run, or a file of the attestation.
    pub file: String,
    /// What is wrong.
    pub problem: AttestationProblem,
    /// In words.
    pub message: String,
}

/// Compares a statement with a run: its types, which run it is of, and every subject with the run's files. `files` are
/// those of the run's folder by their path in it, each with its SHA-256; `name` is the statement's own in the findings.
#[must_use]
pub fn check_statement(
    statement: &ParsedStatement,
    name: &str,
    run: &RunKey,
    files: &BTreeMap<String, String>,
) -> Vec<AttestationFinding> {
    let mut findings = Vec::new();
    let mut push = |file: &str, problem, message| {
        findings.push(AttestationFinding { file: file.to_owned(), problem, message });
    };
    let types = [
        ("_type", &statement.statement_type, STATEMENT_TYPE.to_owned()),
        ("predicateType", &statement.predicate_type, PREDICATE_TYPE.to_owned()),
        ("buildType", &statement.build_type, format!("{DOCS_URL}{BUILD_TYPE}")),
        ("builder.id", &statement.builder_id, format!("{DOCS_URL}{BUILDER_ID}")),
    ];
    for (field, found, expected) in types {
        if *found != expected {
            push(name, AttestationProblem::OtherType, format!("its `{field}` is `{found}`, not `{expected}`"));
        }
    }
    let key = run.to_string();
    if let Some(other) = [&statement.run, &statement.invocation_id].into_iter().find(|text| **text != key) {
        push(name, AttestationProblem::OtherRun, format!("it is the statement of `{other}`, not of `{key}`"));
        // Every subject would be missing and every file extra: one fault, one finding.
        return findings;
    }
    let paths: BTreeMap<String, &String> =
        files.iter().map(|(file, sha256)| (format!("{key}/{file}"), sha256)).collect();
    let all: BTreeSet<&String> = paths.keys().chain(statement.subjects.keys()).collect();
    for path in all {
        match (statement.subjects.get(path), paths.get(path)) {
            (Some(expected), Some(found)) if expected == *found => {}
            (Some(expected), Some(found)) => {
                let message = format!("its SHA-256 is {found}, the statement says {expected}");
                push(path, AttestationProblem::Changed, message);
            }
            (Some(_), None) => {
                push(path, AttestationProblem::Missing, "the statement names it, but it does not exist".into());
            }
            (None, _) => push(path, AttestationProblem::Extra, "the statement does not name it".into()),
        }
    }
    findings
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

//! Attests a run: its statement and signature, as files that git tracks, `attestations/<experiment>/<run_id>.*`.
//!
//! All of them are written, or none: they are signed first, in memory. They are not in the dataset, whose bytes are the
//! data version, so a clone has them without the DVC remote.

use std::path::{Path, PathBuf};

use crate::export::agent::{Agent, SOCKET_VARIABLE, TempAgent};
use crate::export::attested::{ENVELOPE_SUFFIX, STATEMENT_SUFFIX, attestation_stem};
use crate::export::dsse;
use crate::export::sign::{DetachedSignature, SignError, SignatureScheme, Signer, private_key_file};
use crate::export::ssh_format::PublicKey;
use crate::project::Reporter;
use crate::run::RunKey;
use crate::support::fs::FsError;
use crate::support::limits;
use crate::support::transaction::Transaction;

/// The files of one run's attestation. They need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestationPaths {
    /// The statement.
    pub statement: PathBuf,
    /// The envelope.
    pub envelope: PathBuf,
}

impl AttestationPaths {
    /// Those of a run, relative to the project.
    #[must_use]
    pub fn of_run(run: &RunKey) -> Self {
        let path = |suffix: &str| PathBuf::from(format!("{}{suffix}", attestation_stem(run)));
        Self { statement: path(STATEMENT_SUFFIX), envelope: path(ENVELOPE_SUFFIX) }
    }

    /// The signature beside the statement.
    #[must_use]
    pub fn signature(&self, scheme: SignatureScheme) -> PathBuf {
        let mut path = self.statement.clone().into_os_string();
        path.push(scheme.extension());
        path.into()
    }
}

/// A signed statement, not written yet.
#[derive(Debug)]
pub struct SignedStatement {
    /// The signature.
    pub signature: DetachedSignature,
    /// The envelope, if one was asked for.
    pub envelope: Option<Vec<u8>>,
}

/// Signs a statement as git signs. Writes nothing.
pub fn sign_statement(
    mut signer: Signer<'_>,
    top: &Path,
    statement: &[u8],
    with_envelope: bool,
    reporter: &dyn Reporter,
) -> Result<SignedStatement, SignError> {
    if !with_envelope {
        return Ok(SignedStatement { signature: signer.sign(statement, reporter)?, envelope: None });
    }
    let private_key = private_key_file(&signer.key, top);
    let mut temp_agent = None;
    // First, so that a passphrase is asked for once: `ssh-keygen` uses an agent that has the key.
    if Agent::connect(signer.env()).is_none()
        && let Some(file) = &private_key
    {
        let agent = TempAgent::start(file, signer.env())?;
        signer.set_env(agent.env().clone());
        temp_agent = Some(agent);
    }
    let signature = signer.sign(statement, reporter)?;
    let Some(key) = signature.ssh_key.clone() else {
        return Err(SignError::NoDsse {
            why: "git signs with an OpenPGP key here, and envelopes need an SSH key".into(),
        });
    };
    // Before the agent is asked for a key that it may hold and no verifier takes.
    if let Some(why) = dsse::why_unsupported(&key) {
        return Err(SignError::NoDsse { why });
    }
    let envelope = match connect_with_key(&signer, &key)? {
        Some(mut agent) => dsse::seal_envelope(&mut agent, &key, statement)?,
        None => {
            let file = private_key.filter(|_| temp_agent.is_none()).ok_or_else(|| SignError::Agent {
                why: format!("no agent in {SOCKET_VARIABLE} holds the key {}", key.fingerprint()),
            })?;
            // The user's own agent has other keys.
            let own = TempAgent::start(&file, signer.env())?;
            let connected = Agent::connect(own.env());
            let mut agent = connected.ok_or_else(|| SignError::Agent { why: "it does not answer".into() })?;
            dsse::seal_envelope(&mut agent, &key, statement)?
        }
    };
    drop(temp_agent);
    Ok(SignedStatement { signature, envelope: Some(envelope) })
}

/// The agent of the signer's environment, if it holds the key.
fn connect_with_key(signer: &Signer<'_>, key: &PublicKey) -> Result<Option<Agent>, SignError> {
    let Some(mut agent) = Agent::connect(signer.env()) else { return Ok(None) };
    Ok(agent.holds_key(key)?.then_some(agent))
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileChange {
    /// It is new.
    New,
    /// It had other bytes.
    Replaced,
    /// It had these bytes already.
    Unchanged,
    /// It was of an older statement.
    Removed,
}

impl FileChange {
    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
            Self::Removed => "removed",
        }
    }
}

/// Writes an attestation into the project at `root`. If the statement changes, what signed the old one is removed.
pub fn write_attestation(
    root: &Path,
    paths: &AttestationPaths,
    statement: &[u8],
    signed: &SignedStatement,
) -> Result<Vec<(PathBuf, FileChange)>, FsError> {
    let mut transaction = Transaction::new(root);
    let signature = paths.signature(signed.signature.scheme);
    let mut writes: Vec<(&PathBuf, &[u8])> = vec![(&paths.statement, statement), (&signature, &signed.signature.bytes)];
    writes.extend(signed.envelope.as_deref().map(|envelope| (&paths.envelope, envelope)));
    let is_same = read_attested(&transaction, &paths.statement)?.as_deref() == Some(statement);
    let others = SignatureScheme::ALL.map(|scheme| paths.signature(scheme)).into_iter().chain([paths.envelope.clone()]);
    let stale: Vec<PathBuf> =
        others.filter(|path| !is_same && writes.iter().all(|(written, _)| *written != path)).collect();
    for path in writes.iter().map(|(path, _)| *path).chain(&stale) {
        transaction.keep_file(path)?;
    }
    if let Some(dir) = paths.statement.parent() {
        transaction.root().create_dir_all(dir)?;
    }
    let mut changes = Vec::new();
    for (path, bytes) in writes {
        let change = match read_attested(&transaction, path)? {
            Some(old) if old == bytes => FileChange::Unchanged,
            Some(_) => FileChange::Replaced,
            None => FileChange::New,
        };
        if change != FileChange::Unchanged {
            transaction.root().write_atomic(path, bytes)?;
        }
        changes.push((path.clone(), change));
    }
    for path in stale {
        if read_attested(&transaction, &path)?.is_some() {
            transaction.root().remove_all(&path)?;
            changes.push((path, FileChange::Removed));
        }
    }
    transaction.finish();
    Ok(changes)
}

fn read_attested(transaction: &Transaction, path: &Path) -> Result<Option<Vec<u8>>, FsError> {
    transaction.root().read(path, limits::LOCKFILE)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn signed(scheme: SignatureScheme, bytes: &[u8], envelope: Option<&[u8]>) -> SignedStatement {
        let signature = DetachedSignature { scheme, bytes: bytes.to_vec(), fingerprint: String::new(), ssh_key: None };
        SignedStatement { signature, envelope: envelope.map(<[u8]>::to_vec) }
    }

    #[test]
    fn a_new_statement_takes_the_old_signatures_away() {
        let root = tempfile::tempdir().unwrap();
        let paths = AttestationPaths::of_run(&"e/r.1".parse().unwrap());
        let write = |statement: &[u8], signed: SignedStatement| -> Vec<String> {
            let changes = write_attestation(root.path(), &paths, statement, &signed).unwrap();
            changes.iter().map(|(path, change)| format!("{} {}", path.display(), change.name())).collect()
        };
        let first = write(b"one", signed(SignatureScheme::Ssh, b"s", Some(b"e")));
        let expected = ["e/r.1.intoto.json new", "e/r.1.intoto.json.sig new", "e/r.1.dsse.json new"];
        assert_eq!(first, expected.map(|line| format!("attestations/{line}")));
        let again = write(b"one", signed(SignatureScheme::OpenPgp, b"p", None));
        let expected = ["e/r.1.intoto.json unchanged", "e/r.1.intoto.json.asc new"];
        assert_eq!(again, expected.map(|line| format!("attestations/{line}")));
        let other = write(b"two", signed(SignatureScheme::OpenPgp, b"p", None));
        let expected = [
            "e/r.1.intoto.json replaced",
            "e/r.1.intoto.json.asc unchanged",
            "e/r.1.intoto.json.sig removed",
            "e/r.1.dsse.json removed",
        ];
        assert_eq!(other, expected.map(|line| format!("attestations/{line}")));
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_an_error_and_nothing_is_left() {
        let root = tempfile::tempdir().unwrap();
        let paths = AttestationPaths::of_run(&"e/r".parse().unwrap());
        std::fs::create_dir_all(root.path().join("attestations/e")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", root.path().join(&paths.envelope)).unwrap();
        write_attestation(root.path(), &paths, b"one", &signed(SignatureScheme::Ssh, b"s", Some(b"e"))).unwrap_err();
        assert!(!root.path().join(&paths.statement).exists());
    }
}

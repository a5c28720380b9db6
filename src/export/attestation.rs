//! Verifies an attestation: who signed the statement, and whether every file is still as it says.
//!
//! Signatures are verified by the programs that git calls for it. Who is trusted is the reader's to say: an allowed
//! signers file counts only from the reader's own git settings or command line, the keyring is gpg's own. A repository
//! names neither. A statement whose signature is not verified is a finding, whatever it says.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::export::sign::{NAMESPACE, SignError, SignatureScheme, find_named_program, find_program};
use crate::export::statement::{AttestationFinding, AttestationProblem};
use crate::git::Repo;
use crate::support::env::Env;
use crate::support::fs;
use crate::support::fs::TempDir;
use crate::support::process::{Cmd, ProcessOutput};

/// With what signatures are verified, and who is trusted.
#[derive(Debug, Clone)]
pub struct SignatureVerifier {
    env: Env,
    ssh_program: Option<OsString>,
    gpg_program: Option<OsString>,
    /// Who may sign with an SSH key; `None` without one.
    allowed_signers: Option<PathBuf>,
    /// Why a file that the settings name does not count.
    refused_signers: Option<String>,
}

/// What came of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureVerdict {
    /// It is of these bytes, by somebody who is trusted.
    Verified {
        /// Who: the principal of the allowed signers file, or the user id of the OpenPGP key.
        signer: String,
        /// The key, in words, with its fingerprint.
        key: String,
    },
    /// It is not, or it cannot be said.
    Refused {
        /// What is wrong.
        problem: AttestationProblem,
        /// In words.
        message: String,
    },
}

impl SignatureVerdict {
    fn refused(problem: AttestationProblem, message: impl Into<String>) -> Self {
        Self::Refused { problem, message: message.into() }
    }
}

impl SignatureVerifier {
    /// Verifies as git does in a repository. `allowed_signers` is a file that the user typed.
    pub fn from_settings(repo: &Repo, allowed_signers: Option<PathBuf>) -> Result<Self, SignError> {
        let mut verifier = Self::without_settings(repo.env(), allowed_signers);
        // Named or default; one that is not installed matters only if there is such a signature.
        verifier.ssh_program = find_program(repo, SignatureScheme::Ssh).map(Some).or_else(none_if_missing)?;
        verifier.gpg_program = find_program(repo, SignatureScheme::OpenPgp).map(Some).or_else(none_if_missing)?;
        if verifier.allowed_signers.is_none()
            && let Some(file) = repo.own_path_setting("gpg.ssh.allowedSignersFile")?.filter(|file| !file.is_empty())
        {
            let path = repo.top()?.join(&file);
            if repo.is_in_work_tree(&path) {
                // Whoever can swap the statement can swap this file, too.
                verifier.refused_signers = Some(format!(
                    "git's `gpg.ssh.allowedSignersFile` is {file}, a file of this repository, which can name anybody"
                ));
            } else {
                verifier.allowed_signers = Some(path);
            }
        }
        Ok(verifier)
    }

    /// Verifies outside of any repository, with the programs on `PATH`.
    #[must_use]
    pub fn without_settings(env: &Env, allowed_signers: Option<PathBuf>) -> Self {
        let find = |scheme: SignatureScheme| find_named_program(scheme.default_program(), env).ok();
        Self {
            env: env.clone(),
            ssh_program: find(SignatureScheme::Ssh),
            gpg_program: find(SignatureScheme::OpenPgp),
            allowed_signers,
            refused_signers: None,
        }
    }

    /// Verifies a detached signature of a statement.
    pub fn verify(
        &self,
        scheme: SignatureScheme,
        statement: &[u8],
        signature: &[u8],
    ) -> Result<SignatureVerdict, SignError> {
        // A copy: the programs would follow a link in a repository.
        let dir = fs::create_temp_dir(&fs::scratch_dir(), "capture-hook-verify-")?;
        let file = dir.path().join("signature");
        fs::write_atomic(&file, signature)?;
        let verdict = match scheme {
            SignatureScheme::Ssh => self.verify_by_ssh(&dir, &file, statement),
            SignatureScheme::OpenPgp => self.verify_by_gpg(&dir, &file, statement),
        };
        match verdict {
            // Bytes can be compared without it.
            Err(error @ SignError::NoProgram { .. }) => {
                let why = format!("unsigned or not verified: {error}");
                Ok(SignatureVerdict::refused(AttestationProblem::NotVerified, why))
            }
            verdict => verdict,
        }
    }

    fn verify_by_ssh(&self, dir: &TempDir, file: &Path, statement: &[u8]) -> Result<SignatureVerdict, SignError> {
        let program = self.ssh_program.as_ref().ok_or_else(|| no_program(SignatureScheme::Ssh))?;
        let call = |action: &str, args: &[&std::ffi::OsStr]| -> Result<ProcessOutput, SignError> {
            let cmd = Cmd::new(program).args(["-Y", action]).args(args).arg("-s").arg(file).dir(dir.path());
            Ok(cmd.stdin(statement.to_vec()).run(&self.env)?)
        };
        let namespace = ["-n".as_ref(), NAMESPACE.as_ref()];
        // First the signature alone, so that changed bytes and an unknown key are told apart.
        let output = call("check-novalidate", &namespace)?;
        if !output.success() {
            let why = format!("it is not a signature of this statement: {}", last_line(&output));
            return Ok(SignatureVerdict::refused(AttestationProblem::BadSignature, why));
        }
        let text = output.stdout_text();
        let key = text.rsplit_once(" with ").map_or("a key", |(_, key)| key).to_owned();
        let Some(allowed) = &self.allowed_signers else {
            let why = self.refused_signers.clone().unwrap_or_else(|| {
                "no signer is trusted: neither `--allowed-signers` nor git's `gpg.ssh.allowedSignersFile` names a file"
                    .into()
            });
            return Ok(SignatureVerdict::refused(
                AttestationProblem::NotVerified,
                format!("unsigned or not verified: {why}"),
            ));
        };
        if fs::open_optional(allowed)?.is_none() {
            let why = format!("unsigned or not verified: there is no allowed signers file {}", allowed.display());
            return Ok(SignatureVerdict::refused(AttestationProblem::NotVerified, why));
        }
        let found = call("find-principals", &["-f".as_ref(), allowed.as_os_str()])?;
        if !found.success() {
            return Ok(refuse_key(&key, &found));
        }
        let mut last = found.clone();
        for principal in found.stdout_text().lines() {
            let who = ["-f".as_ref(), allowed.as_os_str(), "-I".as_ref(), principal.as_ref()];
            last = call("verify", &[&who[..], &namespace[..]].concat())?;
            if last.success() {
                return Ok(SignatureVerdict::Verified { signer: principal.to_owned(), key });
            }
        }
        Ok(refuse_key(&key, &last))
    }

    fn verify_by_gpg(&self, dir: &TempDir, file: &Path, statement: &[u8]) -> Result<SignatureVerdict, SignError> {
        let program = self.gpg_program.as_ref().ok_or_else(|| no_program(SignatureScheme::OpenPgp))?;
        let cmd = Cmd::new(program).args(["--batch", "--no-tty", "--status-fd=1", "--verify"]).arg(file).arg("-");
        let output = cmd.dir(dir.path()).stdin(statement.to_vec()).run(&self.env)?;
        Ok(judge_status(&output))
    }
}

/// A key that the allowed signers file does not take: unknown, or known and expired.
fn refuse_key(key: &str, output: &ProcessOutput) -> SignatureVerdict {
    let stderr = String::from_utf8_lossy(&output.stderr);
    // The words of OpenSSH's `sshsig.c`; it is not translated.
    let expired = stderr.lines().find(|line| line.contains("key has expired") || line.contains("key is not yet valid"));
    match expired {
        Some(line) => {
            let line = line.rsplit_once(": key ").map_or(line, |(_, what)| what);
            let message =
                format!("the {key} {line}; an SSH signature holds no time, so nothing shows that it was made before");
            SignatureVerdict::refused(AttestationProblem::ExpiredKey, message)
        }
        None => {
            let message = format!("the allowed signers do not have the {key} for git: {}", last_line(output));
            SignatureVerdict::refused(AttestationProblem::UnknownKey, message)
        }
    }
}

/// Reads gpg's status lines, as git does: the signature must be the only one, and good.
fn judge_status(output: &ProcessOutput) -> SignatureVerdict {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ")).collect();
    let words_after =
        |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(str::to_owned);
    let verdicts = ["GOODSIG", "BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG"];
    let count = lines.iter().filter(|line| verdicts.iter().any(|name| line.starts_with(&format!("{name} ")))).count();
    let fingerprint = words_after("VALIDSIG").and_then(|words| words.split(' ').next().map(str::to_owned));
    let refused = |problem, message: String| SignatureVerdict::Refused { problem, message };
    if count > 1 {
        return refused(
            AttestationProblem::NotVerified,
            "unsigned or not verified: it holds several signatures".into(),
        );
    }
    if words_after("BADSIG").is_some() {
        return refused(AttestationProblem::BadSignature, "it is not a signature of this statement".into());
    }
    if let Some(words) = words_after("ERRSIG") {
        let key = words.split(' ').next_back().unwrap_or_default().to_owned();
        return refused(AttestationProblem::UnknownKey, format!("the keyring does not have the OpenPGP key {key}"));
    }
    if let Some(who) = words_after("EXPKEYSIG").or_else(|| words_after("EXPSIG")) {
        return refused(
            AttestationProblem::ExpiredKey,
            format!("the OpenPGP key {who} has expired, or the signature has"),
        );
    }
    if let Some(who) = words_after("REVKEYSIG") {
        return refused(AttestationProblem::UnknownKey, format!("the OpenPGP key {who} is revoked"));
    }
    match (words_after("GOODSIG"), fingerprint) {
        (Some(who), Some(fingerprint)) if output.success() => {
            let signer = who.split_once(' ').map_or(who.as_str(), |(_, name)| name).to_owned();
            if lines.iter().any(|line| line.starts_with("TRUST_NEVER")) {
                return refused(AttestationProblem::UnknownKey, format!("the keyring says not to trust {signer}"));
            }
            SignatureVerdict::Verified { signer, key: format!("OpenPGP key {fingerprint}") }
        }
        _ => refused(AttestationProblem::BadSignature, format!("it is not a signature: {}", last_line(output))),
    }
}

fn last_line(output: &ProcessOutput) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason is given").to_owned()
}

fn no_program(scheme: SignatureScheme) -> SignError {
    SignError::NoProgram { program: scheme.default_program().into() }
}

fn none_if_missing(error: SignError) -> Result<Option<OsString>, SignError> {
    match error {
        SignError::NoProgram { .. } => Ok(None),
        error => Err(error),
    }
}

/// A signature beside a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedSignature {
    /// Its file.
    pub file: String,
    /// Its kind.
    pub scheme: SignatureScheme,
    /// What came of it.
    pub verdict: SignatureVerdict,
}

/// Verifies all signatures beside a statement. `name` is the statement's file in the findings; each signature comes with
/// the name of its own.
pub fn check_signatures(
    verifier: &SignatureVerifier,
    name: &str,
    statement: &[u8],
    signatures: &[(SignatureScheme, String, Vec<u8>)],
) -> Result<(Vec<CheckedSignature>, Vec<AttestationFinding>), SignError> {
    let mut checked = Vec::new();
    for (scheme, file, bytes) in signatures {
        let verdict = verifier.verify(*scheme, statement, bytes)?;
        checked.push(CheckedSignature { file: file.clone(), scheme: *scheme, verdict });
    }
    let mut findings = Vec::new();
    if checked.is_empty() {
        let message = "unsigned or not verified: it has no signature".into();
        findings.push(AttestationFinding { file: name.to_owned(), problem: AttestationProblem::NotVerified, message });
    }
    let any_verified = checked.iter().any(|signature| matches!(signature.verdict, SignatureVerdict::Verified { .. }));
    for CheckedSignature { file, verdict, .. } in &checked {
        let SignatureVerdict::Refused { problem, message } = verdict else { continue };
        // A second signature by somebody unknown takes nothing from the first; one of other bytes does.
        if any_verified && matches!(problem, AttestationProblem::UnknownKey | AttestationProblem::NotVerified) {
            continue;
        }
        findings.push(AttestationFinding { file: file.clone(), problem: *problem, message: message.clone() });
    }
    Ok((checked, findings))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn judge(exit: i32, lines: &[&str]) -> String {
        let stdout: String = lines.iter().map(|line| format!("[GNUPG:] {line}\n")).collect();
        let output = ProcessOutput {
            exit: Some(exit),
            stdout: stdout.into_bytes(),
            stderr: b"gpg: why\n".to_vec(),
            could_not_prompt: false,
        };
        match judge_status(&output) {
            SignatureVerdict::Verified { signer, key } => format!("{signer}, {key}"),
            SignatureVerdict::Refused { problem, .. } => problem.name().into(),
        }
    }

    #[test]
    fn only_a_single_good_signature_counts() {
        let good = ["NEWSIG", "GOODSIG 12 Ada <ada@example.org>", "VALIDSIG F1 2026-11-28 1 0"];
        assert_eq!(judge(0, &good), "Ada <ada@example.org>, OpenPGP key F1");
        assert_eq!(judge(1, &good), "bad_signature");
        assert_eq!(judge(0, &[]), "bad_signature");
        assert_eq!(judge(0, &["GOODSIG 12 Ada"]), "bad_signature");
        assert_eq!(judge(0, &[&good[..], &["TRUST_NEVER 0 pgp"]].concat()), "unknown_key");
        assert_eq!(judge(0, &[&good[..], &["GOODSIG 13 Eve"]].concat()), "not_verified");
        assert_eq!(judge(0, &["EXPKEYSIG 12 Ada", "VALIDSIG F1 x"]), "expired_key");
        assert_eq!(judge(0, &["REVKEYSIG 12 Ada", "VALIDSIG F1 x"]), "unknown_key");
        assert_eq!(judge(1, &["BADSIG 12 Ada"]), "bad_signature");
        assert_eq!(judge(2, &["ERRSIG 12 22 8 00 1 9 F1", "NO_PUBKEY 12"]), "unknown_key");
    }
}

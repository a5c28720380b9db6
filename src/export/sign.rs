//! Signs bytes with the key that signs the user's commits, by the programs that git calls for it.
//!
//! Format, key and program are git's own settings: `gpg.format`, `user.signingKey`, `gpg.ssh.program`,
//! `gpg.ssh.defaultKeyCommand`, `gpg.program`, `gpg.openpgp.program`. None of them counts if a file of the working tree
//! sets it. No private key is read here, so hardware keys work as with git.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::ExitKind::{Program, Setup};
use crate::error::{Explain, Explanation};
use crate::export::ssh_format::PublicKey;
use crate::git::{GitError, Repo};
use crate::project::Reporter;
use crate::support::aside::project_temp_dir;
use crate::support::env::Env;
use crate::support::fs::FsError;
use crate::support::process::{Cmd, ProcessError};
use crate::support::stderr_events::StderrEvent;
use crate::support::{fs, limits};

/// What git's signatures are made for: `allowed_signers` names it, and no other program takes such a signature.
pub const NAMESPACE: &str = "git";

/// The kinds of signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureScheme {
    /// By an SSH key.
    Ssh,
    /// By an OpenPGP key.
    OpenPgp,
}

impl SignatureScheme {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Ssh, Self::OpenPgp];

    /// Its name, as git's `gpg.format` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::OpenPgp => "openpgp",
        }
    }

    /// What a signature's file name has after the statement's.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Ssh => ".sig",
            Self::OpenPgp => ".asc",
        }
    }

    /// The program that git calls for it by default.
    #[must_use]
    pub fn default_program(self) -> &'static str {
        match self {
            Self::Ssh => "ssh-keygen",
            Self::OpenPgp => "gpg",
        }
    }
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// No key is set.
    #[error("git has no signing key for the format {}", scheme.name())]
    NoKey {
        /// The format that git is set to.
        scheme: SignatureScheme,
    },
    /// A format that is not supported.
    #[error("git's `gpg.format` is {format}, which is not supported here")]
    OtherFormat {
        /// Its name.
        format: String,
    },
    /// `gpg.ssh.defaultKeyCommand` gave no key.
    #[error("git's `gpg.ssh.defaultKeyCommand` printed no key")]
    NoDefaultKey,
    /// The program does not exist.
    #[error("no `{program}` program found on PATH")]
    NoProgram {
        /// Its name.
        program: String,
    },
    /// It ended well and gave no signature.
    #[error("`{program}` made no signature")]
    NoSignature {
        /// Its name.
        program: String,
    },
    /// A key that cannot sign a DSSE envelope.
    #[error("cannot sign a DSSE envelope: {why}")]
    NoDsse {
        /// Why not.
        why: String,
    },
    /// ssh-agent did not sign.
    #[error("ssh-agent did not sign: {why}")]
    Agent {
        /// Why not.
        why: String,
    },
    /// A program failed.
    #[error(transparent)]
    Program(#[from] ProcessError),
    /// Git.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for SignError {
    fn explain(&self) -> Explanation {
        let set_ssh_key = "sign with an SSH key: `git config --global gpg.format ssh && git config --global user.signingKey ~/.ssh/id_ed25519.pub`";
        match self {
            Self::NoKey { scheme: SignatureScheme::Ssh } => Setup
                .code("no_signing_key")
                .hint("name one: `git config --global user.signingKey ~/.ssh/id_ed25519.pub`"),
            Self::NoKey { scheme: SignatureScheme::OpenPgp } => Setup
                .code("no_signing_key")
                .hint(set_ssh_key)
                .hint("or with an OpenPGP key of `gpg --list-secret-keys`: `git config --global user.signingKey KEY`"),
            Self::OtherFormat { .. } => Setup.code("signing_format").hint(set_ssh_key),
            Self::NoDefaultKey => Setup
                .code("no_signing_key")
                .hint("add a key to the agent with `ssh-add`, or name one: `git config --global user.signingKey ~/.ssh/id_ed25519.pub`"),
            Self::NoProgram { .. } => Setup.code("no_signing_program").hint("install OpenSSH or GnuPG, or put it on PATH"),
            Self::NoSignature { .. } => {
                Program.code("no_signature").hint("see what the program says: `git tag -s TAG` uses the same key")
            }
            Self::NoDsse { .. } => Setup.code("dsse_unsupported").hint("run the command without `--dsse`"),
            Self::Agent { .. } => Program.code("agent_failed").hint("see which keys it holds with `ssh-add -l`"),
            Self::Program(error) => error.explain(),
            Self::Git(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

impl From<io::Error> for SignError {
    fn from(error: io::Error) -> Self {
        Self::Agent { why: error.to_string() }
    }
}

/// The key to sign with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SigningKey {
    /// An SSH key's file: the private key, or the public one of a key that the agent holds.
    File(PathBuf),
    /// An SSH public key itself; the agent holds the private one.
    Literal(String),
    /// An OpenPGP key, as gpg finds it.
    OpenPgp(String),
}

/// Signs as git signs in a repository.
pub struct Signer<'a> {
    repo: &'a Repo,
    env: Env,
    program: OsString,
    /// With which key.
    pub key: SigningKey,
}

/// A signature, and what made it.
#[derive(Debug, Clone)]
pub struct DetachedSignature {
    /// Its kind.
    pub scheme: SignatureScheme,
    /// The armored text.
    pub bytes: Vec<u8>,
    /// The key's fingerprint.
    pub fingerprint: String,
    /// The public key of an SSH signature.
    pub ssh_key: Option<PublicKey>,
}

impl<'a> Signer<'a> {
    /// Reads git's settings.
    pub fn from_settings(repo: &'a Repo) -> Result<Self, SignError> {
        let scheme = match repo.own_path_setting("gpg.format")?.as_deref() {
            None | Some("openpgp") => SignatureScheme::OpenPgp,
            Some("ssh") => SignatureScheme::Ssh,
            Some(format) => return Err(SignError::OtherFormat { format: format.to_owned() }),
        };
        let named = repo.own_path_setting("user.signingKey")?.filter(|key| !key.is_empty());
        let key = match (scheme, named) {
            (SignatureScheme::Ssh, Some(key)) => parse_ssh_key(key),
            (SignatureScheme::Ssh, None) => find_default_key(repo)?,
            (SignatureScheme::OpenPgp, Some(key)) => SigningKey::OpenPgp(key),
            (SignatureScheme::OpenPgp, None) => SigningKey::OpenPgp(committer(repo)?),
        };
        Ok(Self { program: find_program(repo, scheme)?, env: repo.env().clone(), repo, key })
    }

    /// The environment in which it signs.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// Lets programs see another environment, such as that of an agent which holds the key.
    pub fn set_env(&mut self, env: Env) {
        self.env = env;
    }

    /// Makes a detached signature of bytes. What the program asks of the user (to touch a key) is passed on.
    pub fn sign(&self, bytes: &[u8], reporter: &dyn Reporter) -> Result<DetachedSignature, SignError> {
        match &self.key {
            SigningKey::OpenPgp(key) => self.sign_by_gpg(key, bytes),
            SigningKey::File(_) | SigningKey::Literal(_) => self.sign_by_ssh(bytes, reporter),
        }
    }

    fn sign_by_ssh(&self, bytes: &[u8], reporter: &dyn Reporter) -> Result<DetachedSignature, SignError> {
        let top = self.repo.top()?;
        // Files, as git has it: the programs of password managers that stand in for ssh-keygen know nothing else.
        let dir = fs::create_temp_dir(&project_temp_dir(top)?, "capture-hook-sign-")?;
        let (payload, key_file) = (dir.path().join("statement"), dir.path().join("key.pub"));
        fs::write_atomic(&payload, bytes)?;
        let mut cmd = Cmd::new(&self.program).args(["-Y", "sign", "-n", NAMESPACE, "-f"]).dir(top).may_prompt();
        cmd = match &self.key {
            SigningKey::Literal(line) => {
                fs::write_atomic(&key_file, format!("{line}\n").as_bytes())?;
                // The private key is in the agent.
                cmd.arg(&key_file).arg("-U")
            }
            SigningKey::File(path) => cmd.arg(path),
            SigningKey::OpenPgp(_) => return Err(self.no_signature()),
        };
        let cmd = cmd.arg(&payload);
        let output = cmd.run_with_listener(&self.env, &mut |event| {
            // All but what `ssh-keygen` says in any case, and what it says of a failure, which the error repeats.
            if let StderrEvent::Line(line) = event
                && line.contains("presence")
            {
                reporter.relay_line(line);
            }
        })?;
        if !output.success() {
            return Err(cmd.to_error(&output).into());
        }
        let signature = fs::read_within(&dir.path().join("statement.sig"), limits::TEXT)?;
        let signature = signature.ok_or_else(|| self.no_signature())?;
        let key = PublicKey::of_signature(&signature).ok_or_else(|| self.no_signature())?;
        Ok(DetachedSignature {
            scheme: SignatureScheme::Ssh,
            bytes: signature,
            fingerprint: key.fingerprint(),
            ssh_key: Some(key),
        })
    }

    fn sign_by_gpg(&self, key: &str, bytes: &[u8]) -> Result<DetachedSignature, SignError> {
        // As git calls it: `-bsau`, status on standard error.
        let cmd = Cmd::new(&self.program).args(["--status-fd=2", "-bsau", key]).dir(self.repo.top()?);
        let cmd = cmd.stdin(bytes.to_vec()).may_prompt();
        let output = cmd.run(&self.env)?;
        let status = String::from_utf8_lossy(&output.stderr).into_owned();
        let created = status.lines().find_map(|line| line.strip_prefix("[GNUPG:] SIG_CREATED "));
        match created.and_then(|words| words.split(' ').next_back()) {
            Some(fingerprint) if output.success() => Ok(DetachedSignature {
                scheme: SignatureScheme::OpenPgp,
                bytes: output.stdout,
                fingerprint: fingerprint.to_owned(),
                ssh_key: None,
            }),
            // Reason 9: there is no such secret key.
            _ if status.contains("[GNUPG:] INV_SGNR 9 ") => Err(SignError::NoKey { scheme: SignatureScheme::OpenPgp }),
            _ if output.success() => Err(self.no_signature()),
            _ => Err(cmd.to_error(&output).into()),
        }
    }

    fn no_signature(&self) -> SignError {
        SignError::NoSignature { program: self.program.to_string_lossy().into_owned() }
    }
}

/// The program that git calls for a kind of signature.
pub fn find_program(repo: &Repo, scheme: SignatureScheme) -> Result<OsString, SignError> {
    let settings: &[&str] = match scheme {
        SignatureScheme::Ssh => &["gpg.ssh.program"],
        SignatureScheme::OpenPgp => &["gpg.openpgp.program", "gpg.program"],
    };
    for setting in settings {
        if let Some(program) = repo.own_path_setting(setting)?.filter(|program| !program.is_empty()) {
            return find_named_program(&program, repo.env());
        }
    }
    find_named_program(scheme.default_program(), repo.env())
}

/// Returns a program by its name on `PATH`, without relative entries, or by its path.
pub fn find_named_program(program: &str, env: &Env) -> Result<OsString, SignError> {
    if program.contains('/') {
        return Ok(program.into());
    }
    let found = env.find_program(program).map(PathBuf::into_os_string);
    found.ok_or_else(|| SignError::NoProgram { program: program.to_owned() })
}

/// A key as git reads `user.signingKey`: `key::LINE`, a line that begins with `ssh-`, else a path.
fn parse_ssh_key(text: String) -> SigningKey {
    match text.strip_prefix("key::") {
        Some(line) => SigningKey::Literal(line.to_owned()),
        None if text.starts_with("ssh-") => SigningKey::Literal(text),
        None => SigningKey::File(text.into()),
    }
}

/// The key that `gpg.ssh.defaultKeyCommand` prints: the first line, which must be a key itself.
fn find_default_key(repo: &Repo) -> Result<SigningKey, SignError> {
    let no_key = SignError::NoKey { scheme: SignatureScheme::Ssh };
    let Some(command) = repo.own_path_setting("gpg.ssh.defaultKeyCommand")? else { return Err(no_key) };
    let words = split_command(&command);
    let Some((program, args)) = words.split_first() else { return Err(no_key) };
    let program = find_named_program(program, repo.env())?;
    let output = Cmd::new(program).args(args).dir(repo.top()?).may_prompt().run_checked(repo.env())?;
    let text = output.stdout_text();
    let line = text.lines().next().unwrap_or_default();
    match parse_ssh_key(line.to_owned()) {
        key @ SigningKey::Literal(_) => Ok(key),
        _ => Err(SignError::NoDefaultKey),
    }
}

/// Splits a command line into words as git's `split_cmdline` does: quotes hold words together, a backslash takes the next
/// character as it is, except in single quotes. No shell is involved.
fn split_command(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(characters.next()),
            (c, None) if c.is_ascii_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Who commits, `Name <address>`: git's default for an OpenPGP key.
fn committer(repo: &Repo) -> Result<String, SignError> {
    let output = repo.query_git(["var", "GIT_COMMITTER_IDENT"])?;
    let ident = output.stdout_text();
    // Without a name git knows no committer, and says so at the next commit.
    let who = ident.rsplit_once('>').map(|(who, _)| format!("{who}>"));
    who.filter(|_| output.success()).ok_or(SignError::NoKey { scheme: SignatureScheme::OpenPgp })
}

/// The file of a private SSH key, for `ssh-add`; `None` if only its public half is named.
#[must_use]
pub fn private_key_file(key: &SigningKey, top: &Path) -> Option<PathBuf> {
    let SigningKey::File(path) = key else { return None };
    let path = top.join(path);
    let private =
        if path.extension().is_some_and(|extension| extension == "pub") { path.with_extension("") } else { path };
    private.is_file().then_some(private)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_as_git_splits_it() {
        assert_eq!(split_command("  ssh-add  -L "), ["ssh-add", "-L"]);
        assert_eq!(
            split_command(r#"a "b c" 'd "e' f\ g "h\"i" '' j'k'"#),
            ["a", "b c", "d \"e", "f g", "h\"i", "", "jk"]
        );
        assert!(split_command(" ").is_empty());
    }

    #[test]
    fn a_key_is_a_line_or_a_path() {
        assert_eq!(
            parse_ssh_key("key::ecdsa-sha2-nistp256 AAAA".into()),
            SigningKey::Literal("ecdsa-sha2-nistp256 AAAA".into())
        );
        assert_eq!(parse_ssh_key("ssh-rsa AAAA".into()), SigningKey::Literal("ssh-rsa AAAA".into()));
        assert_eq!(parse_ssh_key("/home/ada/.ssh/id".into()), SigningKey::File("/home/ada/.ssh/id".into()));
    }
}

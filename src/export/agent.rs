//! Signs by ssh-agent: one request over its socket. The private key stays where it is.
//!
//! `ssh-keygen` wraps what it signs; verifiers of a DSSE envelope want the bare signature, which only the agent gives
//! for a key that has a passphrase. A key that the agent does not hold is lent to one of our own for this one call.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::export::sign::SignError;
use crate::export::ssh_format::{FieldReader, PublicKey, push_field};
use crate::support::env::Env;
use crate::support::process::Cmd;

/// The variable with the agent's socket.
pub const SOCKET_VARIABLE: &str = "SSH_AUTH_SOCK";

// Messages of draft-ietf-sshm-ssh-agent.
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// The flag of an RSA key: SHA-256 instead of SHA-1.
const RSA_SHA2_256: u32 = 2;

/// OpenSSH's own limit of a message, in bytes.
const MAX_MESSAGE: usize = 256 << 10;

/// A signature as the agent gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSignature {
    /// Its algorithm: `ssh-ed25519`, `rsa-sha2-256`.
    pub algorithm: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A connection to an agent.
pub struct Agent {
    stream: UnixStream,
}

impl Agent {
    /// Connects to the agent that the environment names; `None` if it names none that answers.
    #[must_use]
    pub fn connect(env: &Env) -> Option<Self> {
        let socket = env.get(SOCKET_VARIABLE).filter(|path| !path.is_empty())?;
        // A socket that an agent left behind is no agent: then one of our own is used.
        UnixStream::connect(Path::new(socket)).ok().map(|stream| Self { stream })
    }

    /// Whether the agent holds this key.
    pub fn holds_key(&mut self, key: &PublicKey) -> io::Result<bool> {
        let answer = self.ask(&[REQUEST_IDENTITIES], IDENTITIES_ANSWER)?;
        let mut reader = FieldReader::new(&answer);
        let count = reader.read_number().unwrap_or(0);
        for _ in 0..count {
            let Some(blob) = reader.read_field() else { break };
            if blob == key.blob {
                return Ok(true);
            }
            // The key's comment.
            if reader.read_field().is_none() {
                break;
            }
        }
        Ok(false)
    }

    /// Signs bytes with a key that the agent holds.
    pub fn sign(&mut self, key: &PublicKey, bytes: &[u8]) -> io::Result<AgentSignature> {
        let mut request = vec![SIGN_REQUEST];
        push_field(&mut request, &key.blob);
        push_field(&mut request, bytes);
        let flags = if key.algorithm() == Some("ssh-rsa") { RSA_SHA2_256 } else { 0 };
        request.extend_from_slice(&u32::to_be_bytes(flags));
        let answer = self.ask(&request, SIGN_RESPONSE)?;
        let signature = FieldReader::new(&answer).read_field().and_then(|signature| {
            let mut reader = FieldReader::new(signature);
            let algorithm = std::str::from_utf8(reader.read_field()?).ok()?.to_owned();
            Some(AgentSignature { algorithm, bytes: reader.read_field()?.to_vec() })
        });
        signature.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its signature cannot be read"))
    }

    /// Sends a message and returns the body of the answer, which must be of this kind.
    fn ask(&mut self, message: &[u8], kind: u8) -> io::Result<Vec<u8>> {
        if message.len() > MAX_MESSAGE {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the statement is too large for an agent"));
        }
        let mut framed = Vec::new();
        push_field(&mut framed, message);
        self.stream.write_all(&framed)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_MESSAGE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its answer is too long"));
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        match answer.split_first() {
            Some((found, body)) if *found == kind => Ok(body.to_vec()),
            // One answer for all: the user said no, the key is locked, the key cannot do it.
            _ => Err(io::Error::other("it refused")),
        }
    }
}

/// An agent that holds one key for a while. Ended on drop.
pub struct TempAgent {
    process: rustix::process::Pid,
    env: Env,
}

/// How long it keeps the key unless it is ended before, in seconds: the time to type a passphrase is not counted.
const LIFETIME: &str = "60";

impl TempAgent {
    /// Starts an agent and lends it the private key in a file. `ssh-add` asks for its passphrase.
    pub fn start(key_file: &Path, env: &Env) -> Result<Self, SignError> {
        let find = |name: &'static str| env.find_program(name).ok_or(SignError::NoProgram { program: name.into() });
        let (program, add) = (find("ssh-agent")?, find("ssh-add")?);
        let output = Cmd::new(program).args(["-s", "-t", LIFETIME]).run_checked(env)?;
        let text = output.stdout_text();
        let value = |name: &str| {
            let rest = text.split([';', '\n']).find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))?;
            Some(rest.to_owned())
        };
        // A number below 2 would mean a group of processes, or all of them.
        let process = value("SSH_AGENT_PID").and_then(|pid| pid.parse().ok()).filter(|pid| *pid > 1);
        let process = process.and_then(rustix::process::Pid::from_raw);
        let (Some(process), Some(socket)) = (process, value(SOCKET_VARIABLE)) else {
            return Err(SignError::Agent { why: "`ssh-agent -s` did not say where it is".into() });
        };
        let agent = Self { process, env: env.clone().with_var(SOCKET_VARIABLE, socket) };
        Cmd::new(add).arg("-q").arg(key_file).may_prompt().run_checked(&agent.env)?;
        Ok(agent)
    }

    /// The environment in which programs find it.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.env
    }
}

impl Drop for TempAgent {
    fn drop(&mut self) {
        // It ends by itself on this signal and removes its socket. One that is gone already is no failure.
        let _ = rustix::process::kill_process(self.process, rustix::process::Signal::TERM);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What an agent that answers with these bytes makes of a request to sign.
    fn sign_with(answer: Vec<u8>) -> io::Result<AgentSignature> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let agent = std::thread::spawn(move || {
            let mut request = [0; 64];
            let _ = theirs.read(&mut request);
            let _ = theirs.write_all(&answer);
        });
        let signed = Agent { stream: ours }.sign(&PublicKey { blob: vec![1] }, b"x");
        agent.join().unwrap();
        signed
    }

    #[test]
    fn no_answer_of_an_agent_does_harm() {
        let answers: [&[u8]; 7] = [
            b"",
            b"\xff\xff\xff\xff",
            b"\x00\x00\x00\x00",
            b"\x00\x00\x00\x01\x05",
            b"\x00\x00\x00\x01\x0e",
            b"\x00\x00\x00\x05\x0e\xff\xff\xff\xff",
            b"\x00\x00\x00\x09\x0e\x00\x00\x00\x04\x00\x00\x00\x09",
        ];
        for answer in answers {
            sign_with(answer.to_vec()).unwrap_err();
        }
        let mut signature = Vec::new();
        push_field(&mut signature, b"ssh-ed25519");
        push_field(&mut signature, b"bytes");
        let mut body = vec![SIGN_RESPONSE];
        push_field(&mut body, &signature);
        let mut answer = Vec::new();
        push_field(&mut answer, &body);
        let expected = AgentSignature { algorithm: "ssh-ed25519".into(), bytes: b"bytes".to_vec() };
        assert_eq!(sign_with(answer).unwrap(), expected);
    }
}

//! DSSE envelopes: a statement and its signature in one file, as supply-chain verifiers read them.
//!
//! The signature is a bare one over the pre-authentication encoding, made by ssh-agent. It is not verified here;
//! `docs/publish.md` names two verifiers. What is checked is that an envelope holds the very bytes of a statement.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::export::agent::{Agent, AgentSignature};
use crate::export::sign::SignError;
use crate::export::ssh_format::{PublicKey, ecdsa_to_der};

/// The type of what an envelope holds.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Returns the bytes that are signed: the pre-authentication encoding of DSSE v1.
fn encode_for_signing(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// Why a key cannot sign an envelope; `None` if it can.
#[must_use]
pub fn why_unsupported(key: &PublicKey) -> Option<String> {
    match key.algorithm() {
        Some("ssh-ed25519" | "ecdsa-sha2-nistp256" | "ssh-rsa") => None,
        Some(name) if name.starts_with("sk-") => {
            Some(format!("a FIDO key ({name}) signs more than the envelope, and no verifier knows how"))
        }
        Some(name) => {
            Some(format!("keys of the type {name} are not supported, only ed25519, ecdsa-sha2-nistp256 and rsa"))
        }
        None => Some("the type of the key is not known".into()),
    }
}

/// Signs a statement by the agent that holds the key, and returns the envelope.
pub fn seal_envelope(agent: &mut Agent, key: &PublicKey, payload: &[u8]) -> Result<Vec<u8>, SignError> {
    if let Some(why) = why_unsupported(key) {
        return Err(SignError::NoDsse { why });
    }
    let AgentSignature { algorithm, bytes } = agent.sign(key, &encode_for_signing(payload))?;
    let signature = match algorithm.as_str() {
        "ssh-ed25519" | "rsa-sha2-256" => Some(bytes),
        "ecdsa-sha2-nistp256" => ecdsa_to_der(&bytes),
        _ => None,
    };
    let Some(signature) = signature else {
        let why = format!("its signature is of the type {}", algorithm.escape_debug());
        return Err(SignError::Agent { why });
    };
    let envelope = json!({
        "payload": STANDARD.encode(payload),
        "payloadType": PAYLOAD_TYPE,
        // securesystemslib skips a signature whose `keyid` is not the key's.
        "signatures": [{"keyid": key.fingerprint(), "sig": STANDARD.encode(signature)}],
    });
    Ok(format!("{envelope:#}\n").into_bytes())
}

/// Why an envelope does not hold these bytes; `None` if it does.
#[must_use]
pub fn why_other_payload(envelope: &[u8], payload: &[u8]) -> Option<&'static str> {
    let Ok(envelope) = serde_json::from_slice::<Value>(envelope) else { return Some("it is not JSON") };
    let text = |name: &str| envelope.get(name).and_then(Value::as_str);
    if text("payloadType") != Some(PAYLOAD_TYPE) {
        return Some("its `payloadType` is not that of an in-toto statement");
    }
    let held = text("payload").and_then(|text| STANDARD.decode(text).ok());
    (held.as_deref() != Some(payload)).then_some("it holds another statement than the file beside it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_has_the_lengths_of_dsse() {
        assert_eq!(encode_for_signing(b"{}"), b"DSSEv1 28 application/vnd.in-toto+json 2 {}");
    }

    #[test]
    fn an_envelope_holds_the_statement_or_is_another() {
        let with = |kind: &str, payload: &[u8]| {
            let envelope = json!({"payloadType": kind, "payload": STANDARD.encode(payload), "signatures": []});
            why_other_payload(envelope.to_string().as_bytes(), b"{}")
        };
        assert_eq!(with(PAYLOAD_TYPE, b"{}"), None);
        assert!(with(PAYLOAD_TYPE, b"{ }").is_some() && with("text/plain", b"{}").is_some());
        assert!(why_other_payload(b"", b"{}").is_some() && why_other_payload(b"[]", b"{}").is_some());
    }
}

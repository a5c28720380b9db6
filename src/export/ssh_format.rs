//! The few structures of SSH that a signature is made of: length-prefixed texts, public keys, an armored signature.
//!
//! Bytes in, values out; no key is used and nothing is verified here. Text that ends too early is `None`, never a panic.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

/// A public key, as SSH sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Its bytes: the algorithm and the numbers.
    pub blob: Vec<u8>,
}

impl PublicKey {
    /// Reads a line of a `.pub` file: `ssh-ed25519 AAAA… comment`.
    #[must_use]
    pub fn parse_line(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (algorithm, base64) = (words.next()?, words.next()?);
        let key = Self { blob: STANDARD.decode(base64).ok()? };
        (key.algorithm()? == algorithm).then_some(key)
    }

    /// Reads the key out of an armored signature of `ssh-keygen -Y sign` (OpenSSH's `PROTOCOL.sshsig`).
    #[must_use]
    pub fn of_signature(armored: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(armored).ok()?.trim();
        let body = text.strip_prefix("-----BEGIN SSH SIGNATURE-----")?.strip_suffix("-----END SSH SIGNATURE-----")?;
        let body: String = body.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(body).ok()?;
        // The magic and the version, 1.
        let mut reader = FieldReader::new(bytes.strip_prefix(b"SSHSIG\x00\x00\x00\x01")?);
        Some(Self { blob: reader.read_field()?.to_vec() })
    }

    /// Its algorithm: `ssh-ed25519`.
    #[must_use]
    pub fn algorithm(&self) -> Option<&str> {
        std::str::from_utf8(FieldReader::new(&self.blob).read_field()?).ok()
    }

    /// Its fingerprint, as `ssh-keygen -l` prints it: `SHA256:…`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.blob)))
    }
}

/// Reads fields one after the other.
#[derive(Debug, Clone, Copy)]
pub struct FieldReader<'a> {
    rest: &'a [u8],
}

impl<'a> FieldReader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Reads a number of four bytes.
    pub fn read_number(&mut self) -> Option<u32> {
        let (number, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        Some(u32::from_be_bytes(*number))
    }

    /// Reads a field: its length, then its bytes.
    pub fn read_field(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.read_number()?).ok()?;
        let (field, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(field)
    }
}

/// Adds a field: its length, then its bytes. One that is too long for SSH is cut, and no agent takes it.
pub fn push_field(out: &mut Vec<u8>, field: &[u8]) {
    let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(field);
}

/// Returns an ECDSA signature in DER, from the two numbers that SSH has.
#[must_use]
pub fn ecdsa_to_der(signature: &[u8]) -> Option<Vec<u8>> {
    let mut reader = FieldReader::new(signature);
    let mut numbers = Vec::new();
    for _ in 0..2 {
        // SSH's numbers are those of DER: signed, big-endian, without a byte too many.
        let number = reader.read_field()?;
        numbers.extend([0x02, u8::try_from(number.len()).ok()?]);
        numbers.extend_from_slice(number);
    }
    // Lengths from 128 on have another form; two numbers of P-256 have at most 2 * (2 + 33) bytes.
    let length = u8::try_from(numbers.len()).ok().filter(|length| *length < 128)?;
    Some([vec![0x30, length], numbers].concat())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LINE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGsmSLFnnP2wDZX6aAD7BCVdZp2Qt8b4vHtWXSTzowzu ada";
    const SIGNATURE: &str = "-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgayZIsWec/bANlfpoAPsEJV1mnZ
C3xvi8e1ZdJPOjDO4AAAADZ2l0AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5
AAAAQKwsEuLVq8qQM5DpziK73lUOKoZPNO3m9oHEAXM977eY+w8h4pD5cswjst47HdMG3t
8lcp8qHHJ6ipNRMoFubww=
-----END SSH SIGNATURE-----
";

    #[test]
    fn a_key_is_read_from_its_line_and_from_a_signature() {
        let key = PublicKey::parse_line(LINE).unwrap();
        assert_eq!(key.algorithm(), Some("ssh-ed25519"));
        // As `ssh-keygen -lf` printed it.
        assert_eq!(key.fingerprint(), "SHA256:vMXRLcrKIV6ApqS7CRrTFmnALhGPbPDOfgfxZ+jfbsw");
        assert_eq!(PublicKey::of_signature(SIGNATURE.as_bytes()), Some(key));
    }

    #[test]
    fn what_ends_too_early_is_no_key() {
        for cut in 0..SIGNATURE.len() - 30 {
            assert_eq!(PublicKey::of_signature(&SIGNATURE.as_bytes()[..cut]), None);
        }
        for line in
            ["", "ssh-ed25519", "ssh-ed25519 x", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA", &LINE.replace("ed25519 ", "rsa ")]
        {
            assert_eq!(PublicKey::parse_line(line), None, "{line}");
        }
        assert_eq!(FieldReader::new(&[255, 255, 255, 255, 1]).read_field(), None);
    }

    #[test]
    fn two_numbers_become_der() {
        let mut signature = Vec::new();
        push_field(&mut signature, &[0, 0x80]);
        push_field(&mut signature, &[1]);
        assert_eq!(ecdsa_to_der(&signature).unwrap(), [0x30, 7, 2, 2, 0, 0x80, 2, 1, 1]);
        assert_eq!(ecdsa_to_der(&signature[..8]), None);
        let mut long = Vec::new();
        push_field(&mut long, &[1; 66]);
        push_field(&mut long, &[1; 66]);
        assert_eq!(ecdsa_to_der(&long), None);
    }
}

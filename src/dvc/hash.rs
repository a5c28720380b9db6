//! The name of a DVC object: an MD5 in hex, followed by `.dir` if the object lists a directory.

use std::fmt;
use std::str::FromStr;

use md5::{Digest, Md5};
use serde::{Serialize, Serializer};

/// The value of each lower-case hex digit; 0xff for any other byte.
const HEX_VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// The MD5 of a file's bytes: its name in the cache and on a remote.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DvcHash([u8; 16]);

/// Text that is no object name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a DVC object")]
pub struct NotADvcHash(pub String);

impl DvcHash {
    /// The name of these bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Md5::digest(bytes).into())
    }

    /// The name with this digest.
    #[must_use]
    pub fn from_digest(digest: [u8; 16]) -> Self {
        Self(digest)
    }

    /// The 16 bytes.
    #[must_use]
    pub fn to_digest(self) -> [u8; 16] {
        self.0
    }

    /// The name written in 32 lower-case hex digits.
    #[must_use]
    pub fn from_hex(hex: &[u8]) -> Option<Self> {
        let hex: &[u8; 32] = hex.try_into().ok()?;
        let mut out = [0; 16];
        // All digits before any is judged: lists hold very many names.
        let mut wrong = 0;
        for (to, [high, low]) in out.iter_mut().zip(hex.as_chunks().0) {
            let (high, low) = (HEX_VALUES[usize::from(*high)], HEX_VALUES[usize::from(*low)]);
            wrong |= high | low;
            *to = high << 4 | low & 15;
        }
        if wrong > 15 {
            return None;
        }
        Some(Self(out))
    }

    /// The name's 32 hex digits.
    #[must_use]
    pub fn to_hex(self) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut out = [0; 32];
        for (pair, byte) in out.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        out
    }
}

impl fmt::Display for DvcHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_hex()).unwrap_or_default())
    }
}

impl fmt::Debug for DvcHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DvcHash {
    type Err = NotADvcHash;

    fn from_str(text: &str) -> Result<Self, NotADvcHash> {
        Self::from_hex(text.as_bytes()).ok_or_else(|| NotADvcHash(text.to_owned()))
    }
}

impl Serialize for DvcHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The dataset as a whole at one moment: the MD5 of its `.dir` object. Shown as `<32 hex>.dir`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataVersion(DvcHash);

/// What DVC puts behind the name of an object that lists a directory.
const SUFFIX: &str = ".dir";

impl DataVersion {
    /// The version whose `.dir` object is named so.
    #[must_use]
    pub fn new(hash: DvcHash) -> Self {
        Self(hash)
    }

    /// The version whose `.dir` object has these bytes.
    #[must_use]
    pub fn of_list(list: &[u8]) -> Self {
        Self(DvcHash::of_bytes(list))
    }

    /// The name of the `.dir` object, without `.dir`.
    #[must_use]
    pub fn hash(self) -> DvcHash {
        self.0
    }
}

impl fmt::Display for DataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{SUFFIX}", self.0)
    }
}

impl fmt::Debug for DataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DataVersion {
    type Err = NotADvcHash;

    fn from_str(text: &str) -> Result<Self, NotADvcHash> {
        let hex = text.strip_suffix(SUFFIX).ok_or_else(|| NotADvcHash(text.to_owned()))?;
        hex.parse().map(Self).map_err(|_| NotADvcHash(text.to_owned()))
    }
}

impl Serialize for DataVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_dvc_writes_them() {
        assert_eq!(DvcHash::of_bytes(b"").to_string(), "d41d8cd98f00b204e9800998ecf8427e");
        let version: DataVersion = "d41d8cd98f00b204e9800998ecf8427e.dir".parse().unwrap();
        assert_eq!(version.to_string(), "d41d8cd98f00b204e9800998ecf8427e.dir");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in
            ["", "d41d8cd98f00b204e9800998ecf8427e", "../../x.dir", "D41D8CD98F00B204E9800998ECF8427E.dir", ".dir"]
        {
            assert!(text.parse::<DataVersion>().is_err(), "{text}");
        }
    }
}

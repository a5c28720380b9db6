//! Values as bytes, for files that only this program reads: numbers, texts and lists of them, one behind the other.
//!
//! Nothing is taken on trust when it is read back: bytes that do not fit give `None`, never a panic or a large allocation.

/// Values that are being packed.
#[derive(Debug, Default)]
pub struct Packer(Vec<u8>);

impl Packer {
    /// The bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Adds a number, in as few bytes as it needs.
    pub fn add_number(&mut self, mut number: u64) {
        while number >= 0x80 {
            // The low seven bits, with the mark that more follow.
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    /// Adds a number that can be negative.
    pub fn add_signed(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// Adds a float, to the bit.
    pub fn add_float(&mut self, float: f64) {
        self.0.extend_from_slice(&float.to_bits().to_le_bytes());
    }

    /// Adds a yes or no.
    pub fn add_flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    /// Adds bytes whose number the reader knows.
    pub fn add_raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Adds bytes with their length.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.add_number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Adds a text.
    pub fn add_text(&mut self, text: &str) {
        self.add_bytes(text.as_bytes());
    }

    /// Adds a value that can be missing.
    pub fn add_optional<T>(&mut self, value: Option<T>, add: impl FnOnce(&mut Self, T)) {
        self.add_flag(value.is_some());
        if let Some(value) = value {
            add(self, value);
        }
    }

    /// Adds a list with its length.
    pub fn add_list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut add: impl FnMut(&mut Self, T)) {
        self.add_number(items.len() as u64);
        items.for_each(|item| add(self, item));
    }
}

/// Bytes of a [`Packer`] that are being read.
#[derive(Debug)]
pub struct Unpacker<'a>(&'a [u8]);

impl<'a> Unpacker<'a> {
    /// Begins at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes so many bytes.
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// Takes a number.
    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take(1)? else { return None };
            let bits = u64::from(byte & 0x7f);
            number |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// Takes a number that can be negative.
    pub fn signed(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    /// Takes a float.
    pub fn float(&mut self) -> Option<f64> {
        Some(f64::from_bits(u64::from_le_bytes(self.take(8)?.try_into().ok()?)))
    }

    /// Takes a yes or no.
    pub fn flag(&mut self) -> Option<bool> {
        match self.take(1)? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    /// Takes bytes with their length.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// Takes a text.
    pub fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// Takes a value that can be missing.
    pub fn optional<T>(&mut self, take: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { take(self).map(Some) } else { Some(None) }
    }

    /// Takes a list.
    pub fn list<T>(&mut self, mut take: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.number()?;
        // Each item has a byte at least, so a length out of nowhere is found out before memory is taken for it.
        if length > self.0.len() as u64 {
            return None;
        }
        (0..length).map(|_| take(self)).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_read_back() {
        let mut packer = Packer::default();
        let numbers = [0, 1, 127, 128, 300, u64::MAX - 1, u64::MAX];
        packer.add_list(numbers.iter(), |packer, number| packer.add_number(*number));
        packer.add_signed(i64::MIN);
        packer.add_float(-0.0);
        packer.add_optional(Some("ä\n"), Packer::add_text);
        packer.add_optional(None::<&str>, Packer::add_text);
        packer.add_flag(true);
        let bytes = packer.into_bytes();
        let mut unpacker = Unpacker::new(&bytes);
        assert_eq!(unpacker.list(Unpacker::number).unwrap(), numbers);
        assert_eq!(unpacker.signed(), Some(i64::MIN));
        assert_eq!(unpacker.float().unwrap().to_bits(), (-0.0_f64).to_bits());
        assert_eq!(unpacker.optional(Unpacker::text), Some(Some("ä\n")));
        assert_eq!(unpacker.optional(Unpacker::text), Some(None));
        assert_eq!((unpacker.flag(), unpacker.is_done()), (Some(true), true));
        // Cut off anywhere, something is missing and nothing panics.
        for end in 0..bytes.len() {
            let mut cut = Unpacker::new(&bytes[..end]);
            let read = (|| {
                cut.list(Unpacker::number)?;
                cut.signed()?;
                cut.float()?;
                cut.optional(Unpacker::text)?;
                cut.optional(Unpacker::text)?;
                cut.flag()
            })();
            assert_eq!(read, None, "{end}");
        }
    }

    #[test]
    fn bytes_that_were_not_packed_are_refused() {
        // A number of more than 64 bits, one that never ends, a length that is not there, no flag, no text.
        assert_eq!(Unpacker::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).number(), None);
        assert_eq!(Unpacker::new(&[0x80; 20]).number(), None);
        assert_eq!(Unpacker::new(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1]).list(Unpacker::number), None);
        assert_eq!(Unpacker::new(&[0xff, 0xff, 0xff, 0xff, 0x0f]).bytes(), None);
        assert_eq!(Unpacker::new(&[2]).flag(), None);
        assert_eq!(Unpacker::new(&[1, 0xff]).text(), None);
    }
}

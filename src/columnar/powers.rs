//! A power of two to thin out by: every n-th row, every n-th episode. A shift in place of a division, which would be most of
//! the work for a row.

/// A power of two, at first 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PowerOfTwo {
    bits: u32,
}

impl PowerOfTwo {
    /// Whether a number is a multiple.
    #[inline]
    pub fn divides(self, number: u64) -> bool {
        number.trailing_zeros() >= self.bits
    }

    /// How many times it fits into a number.
    #[inline]
    pub fn quotient(self, number: u64) -> u64 {
        number >> self.bits
    }

    /// This many times itself.
    pub fn product(self, number: u64) -> u64 {
        number.saturating_mul(1 << self.bits)
    }

    /// Doubles it, up to 2⁶³.
    pub fn double(&mut self) {
        self.bits = (self.bits + 1).min(u64::BITS - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_divides_as_a_number_does() {
        let mut power = PowerOfTwo::default();
        for bits in 0..70_u32 {
            let value = 1_u128 << bits.min(63);
            for number in [0, 1, 2, 3, 512, 513, 1 << 40, u64::MAX - 1, u64::MAX] {
                assert_eq!(power.divides(number), u128::from(number) % value == 0, "{number} by {value}");
                assert_eq!(u128::from(power.quotient(number)), u128::from(number) / value);
            }
            power.double();
        }
        power = PowerOfTwo::default();
        power.double();
        assert_eq!((power.product(21), power.product(u64::MAX)), (42, u64::MAX));
    }
}

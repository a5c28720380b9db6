//! Reads a file from its start to its end, block by block: for hashing and copying.

use std::fs::File;
use std::io::{self, Read};

/// The most bytes of a block: few system calls for a large file, and still in the processor's cache.
const MAX_BLOCK: usize = 128 << 10;

/// Passes all bytes of a file on, in order; returns how many there were. A small file needs little memory.
pub fn read_blocks(file: &mut File, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
    // A file whose size is not known, or too large for this machine, gets the largest block.
    let size = file.metadata().map_or(MAX_BLOCK, |facts| usize::try_from(facts.len()).unwrap_or(MAX_BLOCK));
    let mut block = vec![0; size.clamp(1, MAX_BLOCK)];
    let mut total = 0;
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(total),
            Ok(n) => {
                // `Read` promises that `n` is within the block.
                each(block.get(..n).unwrap_or_default())?;
                total += n as u64;
            }
            // A signal interrupted the call.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    #[test]
    fn every_byte_is_passed_on_once() {
        for size in [0, 1, MAX_BLOCK - 1, MAX_BLOCK, MAX_BLOCK + 1, 3 * MAX_BLOCK + 7] {
            let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            file.rewind().unwrap();
            let mut passed = Vec::new();
            let total = read_blocks(&mut file, |block| {
                passed.extend_from_slice(block);
                Ok(())
            });
            assert_eq!((total.unwrap(), passed), (size as u64, bytes));
        }
    }
}

//! Counts different seeds exactly, in bounded memory.
//!
//! Seeds change once per episode, so a repeated last seed is skipped. The rest is kept in memory up to a limit; beyond
//! it, sorted runs go to an unnamed temporary file and are merged at the end. Only the count, the smallest and the
//! largest are known, not the seeds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::SeedSummary;
use crate::support::fs::create_scratch_file;

/// The number of values kept in memory: 2 MiB.
const LIMIT: usize = 1 << 18;

/// Counts different integers, and keeps the smallest and the largest.
pub(super) struct SeedCounter {
    last: Option<i64>,
    bounds: Option<(i64, i64)>,
    /// Not sorted, with duplicates.
    values: Vec<i64>,
    limit: usize,
    spilled: Option<File>,
    /// The number of values in each run of the file.
    runs: Vec<u64>,
}

impl SeedCounter {
    pub fn new() -> Self {
        Self::with_limit(LIMIT)
    }

    fn with_limit(limit: usize) -> Self {
        Self { last: None, bounds: None, values: Vec::new(), limit, spilled: None, runs: Vec::new() }
    }

    #[inline]
    pub fn add_seed(&mut self, seed: i64) -> io::Result<()> {
        // For speed: within an episode the seed is the same.
        if self.last == Some(seed) {
            return Ok(());
        }
        self.add_new_seed(seed)
    }

    fn add_new_seed(&mut self, seed: i64) -> io::Result<()> {
        self.last = Some(seed);
        let (min, max) = self.bounds.unwrap_or((seed, seed));
        self.bounds = Some((min.min(seed), max.max(seed)));
        self.values.push(seed);
        if self.values.len() < self.limit {
            return Ok(());
        }
        self.values.sort_unstable();
        self.values.dedup();
        // Sorted out to at most half: keep them in memory. Else write them out, or this sort would be repeated soon.
        if self.values.len() > self.limit / 2 { self.spill_to_disk() } else { Ok(()) }
    }

    fn spill_to_disk(&mut self) -> io::Result<()> {
        // Made only if needed: most runs have few seeds.
        let file = match &mut self.spilled {
            Some(file) => file,
            none => none.insert(create_scratch_file()?),
        };
        let bytes: Vec<u8> = self.values.iter().flat_map(|v| v.to_le_bytes()).collect();
        file.write_all(&bytes)?;
        self.runs.push(self.values.len() as u64);
        self.values.clear();
        Ok(())
    }

    /// Returns the number of different seeds, the smallest and the largest; `None` without a seed.
    pub fn finish(mut self) -> io::Result<Option<SeedSummary>> {
        let Some((min, max)) = self.bounds else { return Ok(None) };
        self.values.sort_unstable();
        self.values.dedup();
        let unique_count = match self.spilled.take() {
            None => self.values.len() as u64,
            Some(file) => self.count_merged(file)?,
        };
        Ok(Some(SeedSummary { unique_count, min, max }))
    }

    fn count_merged(&self, mut file: File) -> io::Result<u64> {
        // 4 MiB for all read buffers together, 64 to 8192 values each.
        let room = ((4 << 20) / 8 / self.runs.len().max(1)).clamp(64, 8192);
        let mut start = 0;
        let mut runs: Vec<SortedRun> = Vec::new();
        for length in &self.runs {
            runs.push(SortedRun { next: start * 8, left: *length, buffer: Vec::new(), at: 0 });
            start += length;
        }
        runs.push(SortedRun { next: 0, left: 0, buffer: self.values.clone(), at: 0 });
        // A merge of sorted runs: equal values come one after the other, so changes are counted.
        let mut heap = BinaryHeap::new();
        for (i, run) in runs.iter_mut().enumerate() {
            if let Some(value) = run.take_first(&mut file, room)? {
                heap.push(Reverse((value, i)));
            }
        }
        let (mut count, mut last) = (0, None);
        while let Some(Reverse((value, i))) = heap.pop() {
            count += u64::from(last != Some(value));
            last = Some(value);
            if let Some(run) = runs.get_mut(i)
                && let Some(next) = run.take_first(&mut file, room)?
            {
                heap.push(Reverse((next, i)));
            }
        }
        Ok(count)
    }
}

/// A sorted run in the file, read one buffer at a time.
struct SortedRun {
    next: u64,
    left: u64,
    buffer: Vec<i64>,
    at: usize,
}

impl SortedRun {
    fn take_first(&mut self, file: &mut File, room: usize) -> io::Result<Option<i64>> {
        if self.at == self.buffer.len() && self.left > 0 {
            let n = usize::try_from(self.left).unwrap_or(room).min(room);
            let mut bytes = vec![0; n * 8];
            file.seek(SeekFrom::Start(self.next))?;
            file.read_exact(&mut bytes)?;
            self.next += bytes.len() as u64;
            self.left -= n as u64;
            self.at = 0;
            self.buffer = bytes.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect();
        }
        let value = self.buffer.get(self.at).copied();
        self.at += 1;
        Ok(value)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_count_is_exact_however_many_there_are() {
        for (limit, n, modulus) in [(16, 0, 1), (16, 5, 100), (16, 1000, 7), (16, 1000, 500), (64, 5000, 100_000)] {
            let mut seeds = SeedCounter::with_limit(limit);
            let mut truth = BTreeSet::new();
            let mut x: u64 = 1;
            for _ in 0..n {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let value = i64::try_from((x >> 33) % modulus).unwrap() - 50;
                seeds.add_seed(value).unwrap();
                seeds.add_seed(value).unwrap();
                truth.insert(value);
            }
            let summary = seeds.finish().unwrap();
            let expected = truth.first().map(|min| SeedSummary {
                unique_count: truth.len() as u64,
                min: *min,
                max: *truth.last().unwrap(),
            });
            assert_eq!(summary, expected);
        }
    }
}

//! Discrete actions over steps: which share of the episodes took which, in bounded memory.

/// The most parts into which steps are divided.
const PARTS: usize = 120;

/// How often each action was taken, by parts of an episode.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionShares {
    /// The smallest action.
    pub first: i64,
    /// How many actions there are.
    pub actions: usize,
    /// The number of steps in a part; the first part begins at step 1.
    pub width: u64,
    /// For each part, how often each action was taken.
    pub parts: Vec<Vec<u64>>,
}

impl ActionShares {
    /// Makes an empty count of actions from `first` to `last`; at most 16.
    pub(super) fn new(first: i64, last: i64) -> Self {
        let actions = usize::try_from(last.saturating_sub(first)).unwrap_or(0).saturating_add(1);
        Self { first, actions, width: 1, parts: Vec::new() }
    }

    /// Counts the action of a step, from 1. One that is not known, or out of range, is left out.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
    pub(super) fn add_action(&mut self, step: u64, action: f64) {
        // A NaN is in no range.
        let action = action - self.first as f64;
        if !(0.0..self.actions as f64).contains(&action) {
            return;
        }
        let mut part = step.saturating_sub(1) / self.width;
        while part >= PARTS as u64 {
            self.widen();
            part = step.saturating_sub(1) / self.width;
        }
        let part = part as usize;
        if part >= self.parts.len() {
            self.parts.resize_with(part + 1, || vec![0; self.actions]);
        }
        if let Some(count) = self.parts.get_mut(part).and_then(|counts| counts.get_mut(action as usize)) {
            *count += 1;
        }
    }

    /// Joins parts, so that there are at most so many.
    #[must_use]
    pub fn in_parts(&self, most: usize) -> Self {
        let mut shares = self.clone();
        let joined = self.parts.len().div_ceil(most.max(1)).max(1);
        shares.join(joined);
        shares
    }

    fn widen(&mut self) {
        self.join(2);
    }

    fn join(&mut self, neighbours: usize) {
        let sum = |parts: &[Vec<u64>]| {
            (0..self.actions).map(|at| parts.iter().filter_map(|counts| counts.get(at)).sum()).collect()
        };
        self.parts = self.parts.chunks(neighbours).map(sum).collect();
        self.width = self.width.saturating_mul(neighbours as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_action_is_lost_however_long_the_episode() {
        let mut shares = ActionShares::new(-1, 1);
        for step in 1..=1_000_000 {
            shares.add_action(step, (step % 3) as f64 - 1.0);
        }
        for strange in [f64::NAN, 2.0, -2.0, f64::INFINITY] {
            shares.add_action(5, strange);
        }
        assert!(shares.parts.len() <= PARTS && shares.parts.len() > PARTS / 2 - 1);
        assert_eq!(shares.parts.iter().flatten().sum::<u64>(), 1_000_000);
        let few = shares.in_parts(10);
        assert!(few.parts.len() <= 10 && few.width >= 100_000);
        assert_eq!(few.parts.iter().flatten().sum::<u64>(), 1_000_000);
        assert_eq!(shares.in_parts(1000), shares);
    }
}

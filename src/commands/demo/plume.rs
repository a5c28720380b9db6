//! The run that `demo` records: an agent that looks for the source of a Gaussian plume by its smell.
//!
//! The agent compares what it smells on the four neighbouring cells, mostly steps where the plume is strongest, and now
//! and then wanders. Everything follows from the seed, so two demos record the same steps.

/// The plume and the rules of an episode. Lengths are grid cells.
#[derive(Debug, Clone, Copy)]
pub struct Plume {
    /// Cells in x and in y.
    pub grid: (i64, i64),
    /// Where the source is.
    pub source: (i64, i64),
    /// The plume's standard deviation.
    pub sigma: f64,
    /// An episode ends, terminated, this near the source.
    pub goal_radius: f64,
    /// An episode ends, truncated, after this many steps.
    pub max_steps: i64,
}

/// What one step did.
#[derive(Debug, Clone, Copy)]
pub struct PlumeStep {
    /// 0 up, 1 right, 2 down, 3 left.
    pub action: i64,
    /// Where the agent is after it.
    pub position: (i64, i64),
    /// The concentration there, 0 to 1.
    pub odor: f64,
    /// 1 at the source, a small cost elsewhere.
    pub reward: f64,
    /// Euclidean distance to the source.
    pub distance: f64,
    /// The source is reached.
    pub terminated: bool,
    /// The steps are used up.
    pub truncated: bool,
}

const MOVES: [(i64, i64); 4] = [(0, 1), (1, 0), (0, -1), (-1, 0)];

impl Plume {
    /// The concentration at a cell: a Gaussian around the source, 1 at its centre.
    #[must_use]
    pub fn odor_at(&self, at: (i64, i64)) -> f64 {
        (-self.distance_at(at).powi(2) / (2.0 * self.sigma.powi(2))).exp()
    }

    /// Euclidean distance of a cell to the source.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // a grid of some dozen cells
    pub fn distance_at(&self, at: (i64, i64)) -> f64 {
        ((at.0 - self.source.0) as f64).hypot((at.1 - self.source.1) as f64)
    }

    /// All steps of the episode that this seed gives.
    #[must_use]
    pub fn walk_episode(&self, seed: u64) -> Vec<PlumeStep> {
        let mut random = SplitMix64(seed);
        let mut at = (random.next_below(self.grid.0), random.next_below(self.grid.1));
        let mut steps = Vec::new();
        for number in 1..=self.max_steps {
            // Three steps in ten are random, so that no agent just walks straight to the source.
            let action = if random.next_below(10) < 3 { random.next_below(4) } else { self.choose_upwind(at) };
            // An action is 0 to 3, so the fallback is never used.
            let (dx, dy) = MOVES[usize::try_from(action).unwrap_or(0)];
            at = ((at.0 + dx).clamp(0, self.grid.0 - 1), (at.1 + dy).clamp(0, self.grid.1 - 1));
            let distance = self.distance_at(at);
            let terminated = distance <= self.goal_radius;
            let truncated = !terminated && number == self.max_steps;
            // The cost of each step makes a short episode better than a long one.
            let reward = if terminated { 1.0 } else { -0.01 };
            steps.push(PlumeStep {
                action,
                position: at,
                odor: self.odor_at(at),
                reward,
                distance,
                terminated,
                truncated,
            });
            if terminated {
                break;
            }
        }
        steps
    }

    /// The move to the neighbouring cell that smells most.
    fn choose_upwind(&self, at: (i64, i64)) -> i64 {
        let smell = |(dx, dy): (i64, i64)| self.odor_at((at.0 + dx, at.1 + dy));
        // Of cells that smell the same, `max_by` takes the last in the order of `MOVES`.
        let best = (0..MOVES.len()).max_by(|&a, &b| smell(MOVES[a]).total_cmp(&smell(MOVES[b])));
        best.and_then(|i| i64::try_from(i).ok()).unwrap_or(0)
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same everywhere.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        // The numbers of the reference implementation, splitmix64.c by Sebastiano Vigna (2015).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `n - 1`.
    fn next_below(&mut self, n: i64) -> i64 {
        let n = u64::try_from(n).unwrap_or(1).max(1);
        // The remainder favours small numbers by less than one in 2^57: `n` is at most 64.
        i64::try_from(self.next() % n).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLUME: Plume = Plume { grid: (64, 64), source: (48, 40), sigma: 14.0, goal_radius: 1.0, max_steps: 200 };

    #[test]
    fn most_agents_find_the_source_and_every_path_is_one_of_single_cells() {
        let episodes: Vec<Vec<PlumeStep>> = (0..20).map(|seed| PLUME.walk_episode(seed)).collect();
        let found = episodes.iter().filter(|e| e.last().is_some_and(|s| s.terminated)).count();
        assert!(found > 10, "{found} of 20");
        for pair in episodes.iter().flat_map(|e| e.windows(2)) {
            let (a, b) = (pair[0].position, pair[1].position);
            assert!((a.0 - b.0).abs() + (a.1 - b.1).abs() <= 1);
        }
    }

    #[test]
    fn a_seed_gives_the_same_episode_again() {
        let path = |seed| PLUME.walk_episode(seed).iter().map(|s| s.position).collect::<Vec<_>>();
        assert_eq!(path(7), path(7));
        assert_ne!(path(7), path(8));
    }
}

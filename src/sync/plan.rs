//! How a sync continues if the cache lacks files: decided from numbers alone, nothing is looked at.

use super::SyncScope;
use crate::run::RunKey;

/// What is known about the missing files. Sizes are about right, and `u64::MAX` if they are not known.
#[derive(Debug, Clone)]
pub(super) struct SyncFacts {
    /// How far the sync may go.
    pub scope: SyncScope,
    /// Whether anything may be fetched: the user asked, or `pull.auto` is on and the settings can be trusted.
    pub may_fetch: bool,
    /// The most bytes to fetch unasked: `pull.max_bytes`.
    pub max_bytes: u64,
    /// Bytes that the cache lacks.
    pub missing_bytes: u64,
    /// The selected run, if files of it are missing, and the bytes that the cache lacks of it.
    pub selected_run: Option<(RunKey, u64)>,
    /// Bytes that are free for the cache; `None` if that is not known.
    pub free_bytes: Option<u64>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SyncPlan {
    /// Fetch all that is missing, and check out everything.
    FetchAll,
    /// Fetch what is missing of one run, and check out the runs that the cache holds whole.
    FetchRun(RunKey),
    /// Fetch nothing, and check out the runs that the cache holds whole.
    CheckoutPart,
    /// Do nothing: the disk has no room.
    NoRoom {
        /// Bytes to fetch.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
}

/// Decides. A disk that is too full is refused, not filled with a part: a full disk stops other programs, too.
pub(super) fn plan_sync(facts: &SyncFacts) -> SyncPlan {
    if !facts.may_fetch {
        return SyncPlan::CheckoutPart;
    }
    let fetches_all = match facts.scope {
        SyncScope::All => true,
        SyncScope::Limited => facts.missing_bytes <= facts.max_bytes,
        SyncScope::SelectedRun => false,
    };
    if fetches_all {
        return find_no_room(facts, facts.missing_bytes).unwrap_or(SyncPlan::FetchAll);
    }
    let Some((run, run_bytes)) = &facts.selected_run else { return SyncPlan::CheckoutPart };
    if let Some(no_room) = find_no_room(facts, *run_bytes) {
        return no_room;
    }
    // Who moved to a commit works on its run: within a limited sync it comes whatever its size.
    if *run_bytes <= facts.max_bytes || facts.scope == SyncScope::Limited {
        SyncPlan::FetchRun(run.clone())
    } else {
        SyncPlan::CheckoutPart
    }
}

fn find_no_room(facts: &SyncFacts, needed: u64) -> Option<SyncPlan> {
    // An unknown size refuses nothing: it would stop every fetch from a remote that shows no sizes.
    let free = facts.free_bytes.filter(|free| *free < needed && needed != u64::MAX)?;
    Some(SyncPlan::NoRoom { needed, free })
}

/// The share that some of a number of files have of all their bytes, if all are of one size. Unknown stays unknown.
pub(super) fn share_of_bytes(bytes: u64, count: usize, total: usize) -> u64 {
    if bytes == u64::MAX {
        return bytes;
    }
    // The product can exceed 64 bits; `max(1)` keeps an empty list from a division by zero.
    let share = u128::from(bytes) * count as u128 / total.max(1) as u128;
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// W6: The estimated share of a small size is not zero.
    #[test]
    fn a_share_of_little_is_not_nothing() {
        assert_eq!(share_of_bytes(100, 7, 300), 2);
        assert_eq!(share_of_bytes(u64::MAX, 1, 2), u64::MAX);
        assert_eq!(share_of_bytes(5, 1, 0), 5);
    }

    #[test]
    fn the_plan_follows_scope_limit_and_room() {
        const UNKNOWN: u64 = u64::MAX;
        let run: RunKey = "nav/r1".parse().unwrap();
        let fetch_run = || SyncPlan::FetchRun("nav/r1".parse().unwrap());
        let no_room = |needed, free| SyncPlan::NoRoom { needed, free };
        // The limit is 100. Scope, whether to fetch; bytes missing, of them the selected run's, and free.
        let table = [
            (SyncScope::All, true, 5000, Some(50), None, SyncPlan::FetchAll),
            (SyncScope::All, true, UNKNOWN, None, Some(10), SyncPlan::FetchAll),
            (SyncScope::All, true, 5000, Some(50), Some(4999), no_room(5000, 4999)),
            (SyncScope::Limited, true, 100, Some(50), Some(100), SyncPlan::FetchAll),
            (SyncScope::Limited, true, 100, Some(50), Some(99), no_room(100, 99)),
            (SyncScope::Limited, true, 101, Some(50), Some(60), fetch_run()),
            (SyncScope::Limited, true, 101, Some(101), None, fetch_run()),
            (SyncScope::Limited, true, 5000, Some(101), Some(100), no_room(101, 100)),
            (SyncScope::Limited, true, UNKNOWN, Some(UNKNOWN), Some(1), fetch_run()),
            (SyncScope::Limited, true, 101, None, Some(1), SyncPlan::CheckoutPart),
            (SyncScope::SelectedRun, true, 60, Some(50), None, fetch_run()),
            (SyncScope::SelectedRun, true, 5000, Some(101), None, SyncPlan::CheckoutPart),
            (SyncScope::SelectedRun, true, UNKNOWN, Some(UNKNOWN), None, SyncPlan::CheckoutPart),
            (SyncScope::SelectedRun, true, 10, None, None, SyncPlan::CheckoutPart),
            (SyncScope::Limited, false, 10, Some(5), None, SyncPlan::CheckoutPart),
            (SyncScope::SelectedRun, false, 10, Some(5), Some(1), SyncPlan::CheckoutPart),
        ];
        for (scope, may_fetch, missing_bytes, run_bytes, free_bytes, expected) in table {
            let selected_run = run_bytes.map(|bytes| (run.clone(), bytes));
            let facts = SyncFacts { scope, may_fetch, max_bytes: 100, missing_bytes, selected_run, free_bytes };
            assert_eq!(plan_sync(&facts), expected, "{facts:?}");
        }
    }
}

//! Runs one function on many items, with as many threads as there are processors, or more if the work is to wait.
//!
//! Results come in the items' order. There is no way to stop early; a panic in one item's work is passed on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Threads for work that waits: a disk makes what several of them wait for durable in one go.
pub const WAITING_THREADS: usize = 16;

/// Returns what `work` makes of each item, in the items' order.
pub fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    map_in_threads(processors(), items, work)
}

/// How many threads this process may run at once; 1 if the system does not say.
#[must_use]
pub fn processors() -> usize {
    use std::sync::OnceLock;
    // Asked once: the answer is in files of the process's group.
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// The same, with so many threads.
pub fn map_with<T: Sync, R: Send>(threads: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    map_in_threads(threads, items, work)
}

/// Does work that waits for the disk on each item; returns the first error, in the items' order. After an error, no further
/// item is begun.
pub fn try_each_waiting<T: Sync, E: Send>(items: &[T], work: impl Fn(&T) -> Result<(), E> + Sync) -> Result<(), E> {
    try_each_with(WAITING_THREADS, items, work)
}

/// The same, with so many threads.
pub fn try_each_with<T: Sync, E: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let failed = AtomicBool::new(false);
    let results = map_in_threads(threads, items, |item| {
        if failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let result = work(item);
        failed.fetch_or(result.is_err(), Ordering::Relaxed);
        result
    });
    results.into_iter().collect()
}

fn map_in_threads<T: Sync, R: Send>(threads: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let run_worker = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { break };
            let result = work(item);
            // A poisoned lock only means that another worker panicked, which the scope passes on.
            results.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
        }
    };
    let threads = threads.min(items.len());
    std::thread::scope(|scope| {
        // The calling thread is one of the workers: one item starts no thread at all.
        for _ in 1..threads {
            scope.spawn(run_worker);
        }
        run_worker();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_done_once_and_the_order_is_kept() {
        let items: Vec<usize> = (0..100).collect();
        assert_eq!(map(&items, |item| item * 2), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert!(map(&[] as &[usize], |item| *item).is_empty());
    }

    #[test]
    fn nothing_is_begun_after_an_error() {
        let items: Vec<usize> = (0..1000).collect();
        assert_eq!(try_each_waiting(&items, |item| if *item == 20 { Err(*item) } else { Ok(()) }), Err(20));
        assert_eq!(try_each_waiting(&items, |_| Ok::<(), usize>(())), Ok(()));
        let begun = AtomicUsize::new(0);
        let fail = |item: &usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            Err(*item)
        };
        assert!(try_each_waiting(&items, fail).is_err());
        // One for each thread.
        assert!(begun.into_inner() <= 16);
    }
}

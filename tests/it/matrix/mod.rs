//! The hard cases: real git, real DVC, one line a case, and a table of all of them.
//!
//! Each case gets an environment of its own, copied from one that is made once. A case fails by panicking; the table says which
//! did. The lines that touch data (`DATA` of a part) run with DVC's cache as copies, hard links and symbolic links. `cargo test --test it matrix:: -- --nocapture` prints it; `CAPTURE_HOOK_CASES=push` runs the lines that hold a word.

mod commit;
mod faults;
mod follow;
mod managers;
mod odd;
mod others;
mod push;
mod rewrite;
mod s3;
mod safety;
mod share;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::env::{CACHE_TYPES, TestEnv};

/// One line of the matrix.
pub struct Case {
    /// What is done, and what must come of it.
    pub line: &'static str,
    /// Does it.
    pub run: fn(&mut TestEnv),
}

/// A line to run: its part of the matrix, how DVC's cache is linked, the case.
type Row = (&'static str, &'static str, &'static Case);

fn rows() -> Vec<Row> {
    let (copy, all) = (&CACHE_TYPES[..1], &CACHE_TYPES[..]);
    let parts: [(&str, &[&'static str], &[Case]); 17] = [
        ("commit", copy, commit::CASES),
        ("commit", all, commit::DATA),
        ("rewrite", copy, rewrite::CASES),
        ("rewrite", all, rewrite::DATA),
        ("follow", copy, follow::CASES),
        ("follow", all, follow::DATA),
        ("push", copy, push::CASES),
        ("push", all, push::DATA),
        ("share", copy, share::CASES),
        ("share", all, share::DATA),
        ("s3", copy, s3::CASES),
        ("odd", copy, odd::CASES),
        ("managers", copy, managers::CASES),
        ("others", copy, others::CASES),
        ("faults", copy, faults::CASES),
        ("faults", all, faults::DATA),
        ("safety", copy, safety::CASES),
    ];
    let wanted = std::env::var("CAPTURE_HOOK_CASES").unwrap_or_default();
    let rows = parts.into_iter().flat_map(|(part, types, cases)| {
        cases.iter().flat_map(move |case| types.iter().map(move |kind| (part, *kind, case)))
    });
    rows.filter(|(part, kind, case)| format!("{part} {kind} {part} {}", case.line).contains(&wanted)).collect()
}

#[test]
fn every_line_holds() {
    let rows = rows();
    assert!(!rows.is_empty(), "no line holds the word in CAPTURE_HOOK_CASES");
    let (next, results) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |n| n.get()).min(4) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((_, kind, case)) = rows.get(at) else { break };
                    let started = Instant::now();
                    // A thread of its own, so that whatever fails or takes too long is told under the line's name.
                    let line = std::thread::Builder::new().name(format!("{} ({kind})", case.line));
                    let went = line.spawn_scoped(scope, || {
                        TestEnv::committed_with(kind).case(case.run);
                    });
                    let went = went.unwrap().join();
                    results.lock().unwrap().insert(at, (went.is_ok(), started.elapsed().as_secs_f64()));
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let mut failed = Vec::new();
    for (at, (ok, seconds)) in &results {
        let (part, kind, case) = rows[*at];
        eprintln!("{:4}  {part:8} {kind:8} {seconds:6.1} s  {}", if *ok { "ok" } else { "FAIL" }, case.line);
        if !ok {
            failed.push(format!("{} ({kind})", case.line));
        }
    }
    assert!(failed.is_empty(), "{} of {} lines do not hold:\n{}", failed.len(), results.len(), failed.join("\n"));
}

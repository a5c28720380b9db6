//! Random damage: thousands of runs with changed rows or bytes each end in a report, and a row is never lost unseen.

use capture_hook::validate::{Code, ValidationReport};

use super::{Dice, Run, check, gz, told};

/// The lines with one damage, and whether it loses a row.
fn mutate(lines: &mut Vec<String>, dice: &mut Dice) -> bool {
    let at = dice.roll(lines.len());
    match dice.roll(7) {
        0 => {
            lines.remove(at);
            true
        }
        1 => {
            let line = lines[at].clone();
            lines.insert(dice.roll(lines.len()), line);
            false
        }
        2 => {
            let other = dice.roll(lines.len());
            lines.swap(at, other);
            false
        }
        3 => {
            let mut bytes = lines[at].clone().into_bytes();
            bytes.truncate(dice.roll(bytes.len()).max(1));
            lines[at] = String::from_utf8_lossy(&bytes).into_owned();
            true
        }
        4 => {
            let mut bytes = lines[at].clone().into_bytes();
            let place = dice.roll(bytes.len());
            bytes[place] = u8::try_from(32 + dice.roll(95)).unwrap();
            lines[at] = String::from_utf8_lossy(&bytes).into_owned();
            false
        }
        5 => {
            let values = [
                "null",
                "true",
                "NaN",
                "-Infinity",
                "1e999",
                "[]",
                "{}",
                "\"\"",
                "-1",
                "0",
                "1e400",
                "99999999999999999999",
                "0.5",
                "[[[[",
                "\"\\ud800\"",
            ];
            let places: Vec<usize> = lines[at].match_indices(": ").map(|(i, _)| i + 2).collect();
            if !places.is_empty() {
                let place = places[dice.roll(places.len())];
                let end = lines[at][place..].find([',', '}']).map_or(lines[at].len(), |n| place + n);
                lines[at].replace_range(place..end, values[dice.roll(values.len())]);
            }
            false
        }
        _ => {
            let (from, to) = (dice.roll(lines.len()), dice.roll(lines.len()));
            let (from, to) = (from.min(to), from.max(to));
            lines.drain(from..to);
            from < to
        }
    }
}

/// What the general rules cannot know: an unfinished episode may have had more steps.
fn may_lose_silently(report: &ValidationReport) -> bool {
    report.warnings.contains(&Code::IncompleteEpisode)
}

/// C12: Thousands of damaged runs each end in a report.
#[test]
fn thousands_of_mutated_runs() {
    mutated_runs(0x1234_5678_9abc_def1);
}

/// C12: The same with another seed.
#[test]
fn thousands_more_of_mutated_runs() {
    mutated_runs(0x0fed_cba9_8765_4321);
}

/// Five thousand.
fn mutated_runs(seed: u64) {
    let run = Run::of("ok-head01");
    // A short run: the cost of a check is what it reads.
    let kept: Vec<String> = run.steps.iter().take(51).cloned().collect();
    let summaries: Vec<String> = run.episodes.iter().take(2).cloned().collect();
    run.write("episodes.jsonl.gz", &gz((summaries.join("\n") + "\n").as_bytes()));
    told(&run.steps(&kept), &[]);
    let mut dice = Dice(seed);
    let mut verdicts = [0; 2];
    for round in 0..5_000 {
        let mut lines = kept.clone();
        let mut summaries = summaries.clone();
        let mut lost = false;
        match round % 4 {
            0 | 1 => {
                for _ in 0..=dice.roll(3) {
                    if !lines.is_empty() {
                        lost |= mutate(&mut lines, &mut dice);
                    }
                }
            }
            2 => lost |= mutate(&mut summaries, &mut dice),
            _ => {}
        }
        let mut steps = gz((lines.join("\n") + "\n").as_bytes());
        let mut episodes = gz((summaries.join("\n") + "\n").as_bytes());
        if round % 4 == 3 {
            let target = if dice.roll(4) > 0 { &mut steps } else { &mut episodes };
            let at = dice.roll(target.len());
            match dice.roll(3) {
                0 => target[at] ^= 1 << dice.roll(8),
                1 => target.truncate(at),
                _ => {
                    let piece = target[at..].to_vec();
                    target.extend(piece);
                }
            }
        }
        run.write("steps.jsonl.gz", &steps);
        run.write("episodes.jsonl.gz", &episodes);
        let report = check(&run.dir);
        verdicts[usize::from(report.ok)] += 1;
        if report.ok {
            let all = lines.len() as u64 == report.steps.rows && summaries.len() as u64 == report.episodes.rows;
            assert!(all, "rows were lost unseen in round {round}: {report:#?}");
            // A finished episode of which a row is gone is never valid; one that lost all its rows and its summary is no more.
            let whole = report.steps.rows >= 51 || may_lose_silently(&report);
            assert!(!lost || whole || lines.len() < 2, "round {round}: {report:#?}");
        } else {
            assert!(!report.errors.is_empty() && !report.findings.is_empty());
        }
    }
    assert!(verdicts[0] > 2500 && verdicts[1] > 150, "{verdicts:?}");
}

//! Which runs' data a report lacks, and what gets it.

use crate::run::RunKey;
use crate::support::text::format_plural;

/// A run whose data is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRun {
    /// The run.
    pub run: RunKey,
    /// Whether its data is not in this clone; else it is damaged, or holds no rows.
    pub is_absent: bool,
    /// What to type.
    pub command: Option<String>,
}

/// How many runs' data is not in this clone, and what fetches it; `None` if all is here.
#[must_use]
pub fn describe_absent(missing: &[MissingRun]) -> Option<(String, String)> {
    const PULL: &str = "capture-hook pull";
    let absent: Vec<&MissingRun> = missing.iter().filter(|run| run.is_absent).collect();
    let first = absent.first()?.command.as_deref().unwrap_or(PULL);
    let is_pulled = |run: &&MissingRun| run.command.as_ref().is_none_or(|command| command.starts_with(PULL));
    let command = match absent.as_slice() {
        [_] => first.to_owned(),
        all if all.iter().all(is_pulled) => PULL.to_owned(),
        // Those that HEAD does not hold are fetched one by one: each run's place in the page says how.
        all => {
            all.iter().find(|run| !is_pulled(run)).and_then(|run| run.command.clone()).unwrap_or_else(|| first.into())
        }
    };
    Some((format!("the data of {} is not in this clone", format_plural(absent.len() as u64, "run")), command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_command_fetches_what_a_checkout_holds() {
        let run = |name: &str, command: &str| {
            let run: RunKey = name.parse().unwrap_or_else(|_| panic!("{name}"));
            MissingRun { run, is_absent: command != "capture-hook verify", command: Some(command.to_owned()) }
        };
        let (a, b) = (run("e/a", "capture-hook pull e/a"), run("e/b", "capture-hook pull e/b"));
        let (gone, damaged) = (run("e/c", "capture-hook get e/c --rev 1"), run("e/d", "capture-hook verify"));
        let command = |missing: &[MissingRun]| describe_absent(missing).map(|(_, command)| command);
        assert_eq!(command(std::slice::from_ref(&a)).as_deref(), Some("capture-hook pull e/a"));
        assert_eq!(command(&[a.clone(), b, damaged.clone()]).as_deref(), Some("capture-hook pull"));
        assert_eq!(command(&[a, gone]).as_deref(), Some("capture-hook get e/c --rev 1"));
        assert_eq!(command(&[damaged]), None);
    }
}

//! What was done with tags, in words: a line for each, or one for many that fared alike.

use crate::app::App;
use crate::commit::tags::TagOutcome;
use crate::error::Explain;
use crate::support::text::{FEW, format_count};

/// How to make a tag later that could not be made.
pub(super) const RETAG_LATER: &str = "run `capture-hook tag` to make the missing tags; the commit is made";

/// How a line is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Status,
    Detail,
    Warning,
}

/// A sentence about tags: what stands before and behind the name of one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sentence {
    level: Level,
    before: &'static str,
    behind: &'static str,
}

/// Prints the results of making and moving tags.
pub fn report_tags(app: &App, tags: Vec<TagOutcome>) {
    let (mut has_new, mut hints) = (false, Vec::new());
    let mut sentences: Vec<(Sentence, Vec<String>)> = Vec::new();
    for outcome in tags {
        if let Some(failure) = outcome.failure_message() {
            app.ui.warn(&failure);
        }
        has_new |= matches!(outcome, TagOutcome::Made { .. });
        let Some(sentence) = Sentence::about(&outcome) else {
            if let TagOutcome::Failed { error, .. } = outcome {
                hints.extend(error.explain().hints);
                hints.push(RETAG_LATER.into());
            }
            continue;
        };
        let tag = outcome.into_tag();
        match sentences.iter_mut().find(|(other, _)| *other == sentence) {
            Some((_, tags)) => tags.push(tag),
            None => sentences.push((sentence, vec![tag])),
        }
    }
    for (sentence, tags) in sentences {
        for line in sentence.lines(&tags) {
            match sentence.level {
                Level::Status => app.ui.status(&line),
                Level::Detail => app.ui.detail(&line),
                Level::Warning => app.ui.warn(&line),
            }
        }
    }
    if has_new {
        app.ui.detail("send commit, tag and data: `git push --follow-tags`");
    }
    print_each_once(app, hints);
}

/// One cause can block several tags; its hint is printed once, and before what helps with all of them.
fn print_each_once(app: &App, hints: Vec<String>) {
    let mut printed: Vec<&String> = Vec::new();
    let (later, causes): (Vec<&String>, Vec<&String>) = hints.iter().partition(|hint| hint.as_str() == RETAG_LATER);
    for hint in causes.into_iter().chain(later) {
        if !printed.contains(&hint) {
            app.ui.hint(hint);
            printed.push(hint);
        }
    }
}

impl Sentence {
    /// What to say of an outcome; `None` for a failure, which has its own words.
    fn about(outcome: &TagOutcome) -> Option<Self> {
        use Level::{Detail, Status, Warning};
        let (level, before, behind) = match outcome {
            TagOutcome::Made { .. } => (Status, "tagged ", ""),
            TagOutcome::Moved { .. } => (Status, "moved the tag ", " to the rewritten commit"),
            TagOutcome::CaughtUp { .. } => (
                Status,
                "moved the tag ",
                " to the commit that introduces the same data; its old commit is on no branch",
            ),
            TagOutcome::Kept { .. } => (Detail, "", " already names this data"),
            TagOutcome::Replaced { .. } => {
                (Status, "removed the tag ", ": the rewritten commit has another data version")
            }
            TagOutcome::Left { .. } => {
                (Warning, "the tag ", " was already pushed, so it stays on the commit before the rewrite")
            }
            TagOutcome::Orphaned { .. } => {
                (Warning, "the tag ", " is not moved: the rewritten commit does not hold its run")
            }
            TagOutcome::Failed { .. } => return None,
        };
        Some(Self { level, before, behind })
    }

    fn lines(self, tags: &[String]) -> Vec<String> {
        match tags {
            // A detail was asked for.
            [first, .., last] if tags.len() > FEW && self.level != Level::Detail => {
                let count = format_count(tags.len() as u64);
                vec![format!("{}{first} to {last}{} ({count} tags)", self.before, self.behind)]
            }
            tags => tags.iter().map(|tag| format!("{}{tag}{}", self.before, self.behind)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_tags_that_fared_alike_are_one_line() {
        let tags: Vec<String> = (10..70).map(|n| format!("capture/sweep/r{n}")).collect();
        let made = Sentence::about(&TagOutcome::Made { tag: String::new() }).into_iter();
        assert_eq!(
            made.clone().flat_map(|made| made.lines(&tags)).collect::<Vec<_>>(),
            ["tagged capture/sweep/r10 to capture/sweep/r69 (60 tags)"]
        );
        assert_eq!(made.flat_map(|made| made.lines(&tags[..FEW])).count(), FEW);
    }
}

//! What git prints of a push, before it is shown: a line for each of many tags would hide what matters.

use std::cmp::Ordering;

use crate::support::text::{FEW, format_plural};

/// Git's table of the refs that it pushed, and what follows it.
#[derive(Debug, Default)]
pub(super) struct RefTable {
    lines: Vec<String>,
}

/// What to show of a push.
pub(super) struct ShownTable {
    /// Lines of git's.
    pub lines: Vec<String>,
    /// What was pushed, in words, if git's lines are too many.
    pub summary: Option<String>,
}

impl RefTable {
    /// Keeps a line of the table, or one behind it; `false` for any other line. The table begins with `To ADDRESS`.
    pub(super) fn take_line(&mut self, line: &str) -> bool {
        let is_part = !self.lines.is_empty() || line.starts_with("To ");
        if is_part {
            self.lines.push(line.to_owned());
        }
        is_part
    }

    /// What to show of it. Of a push that failed, some lines are always shown.
    pub(super) fn finish(self, succeeded: bool) -> ShownTable {
        let refs = self.lines.iter().filter(|line| is_ref(line)).count();
        if refs <= FEW {
            return ShownTable { lines: self.lines, summary: None };
        }
        if succeeded {
            let summary = Some(describe_refs(&self.lines));
            // The first line is the address.
            let lines = self.lines.into_iter().skip(1).filter(|line| !is_ref(line)).collect();
            return ShownTable { lines, summary };
        }
        let (mut shown, mut lines) = (0, Vec::new());
        for line in self.lines {
            shown += usize::from(is_ref(&line));
            match shown.cmp(&(FEW + 1)) {
                Ordering::Equal if is_ref(&line) => lines.push(format!("   … and {} more", refs - FEW)),
                Ordering::Greater if is_ref(&line) => {}
                _ => lines.push(line),
            }
        }
        ShownTable { lines, summary: None }
    }
}

fn is_ref(line: &str) -> bool {
    line.starts_with(' ') && line.contains(" -> ")
}

/// `main and 60 tags`, from lines such as ` * [new tag]  capture/a/b -> capture/a/b`. Their words depend on the language.
fn describe_refs(lines: &[String]) -> String {
    let names = lines.iter().filter(|line| is_ref(line)).filter_map(|line| line.split_once(" -> "));
    let names = names.filter_map(|(_, name)| name.split(' ').next());
    let (tags, branches): (Vec<&str>, Vec<&str>) =
        names.partition(|name| name.starts_with("capture/") || name.starts_with("captures/"));
    let tags = format_plural(tags.len() as u64, "tag");
    if branches.is_empty() { tags } else { format!("{} and {tags}", branches.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(tags: usize, mark: &str, why: &str) -> RefTable {
        let mut table = RefTable::default();
        assert!(!table.take_line("remote: hello") && table.take_line("To ../origin.git"));
        assert!(table.take_line(" * [new branch]      HEAD -> main"));
        for n in 0..tags {
            assert!(table.take_line(&format!(" {mark} capture/s/r{n} -> capture/s/r{n}{why}")));
        }
        table
    }

    #[test]
    fn many_refs_are_counted_and_few_are_shown() {
        let shown = table(60, "* [new tag]", "").finish(true);
        assert_eq!((shown.lines.len(), shown.summary.as_deref()), (0, Some("main and 60 tags")));
        let shown = table(4, "* [new tag]", "").finish(true);
        assert_eq!((shown.lines.len(), shown.summary), (6, None));
    }

    #[test]
    fn of_a_failure_some_lines_are_shown() {
        let mut table = table(60, "! [remote rejected]", " (hook declined)");
        assert!(table.take_line("error: failed to push some refs"));
        let shown = table.finish(false);
        assert_eq!(shown.lines.len(), 8);
        assert_eq!(shown.lines[6..], ["   … and 56 more", "error: failed to push some refs"]);
    }
}

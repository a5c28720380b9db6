//! What `doctor` found, for people: one line for all that one command repairs, and a verdict at the end.

use anstyle::{AnsiColor, Style};

use crate::output::json::{CheckState, DoctorCheckJson};
use crate::output::{StyledText, wrap_hanging};
use crate::setup::shim;
use crate::support::text::format_plural;
use crate::support::visible::escape_control;

/// The columns of the mark, and of the name behind it.
const MARK: usize = 8;
const NAME: usize = 19;
/// What commands in texts begin with.
const PROGRAMS: [&str; 8] = ["capture-hook", "git", "dvc", "pip", "pipx", "uv", "conda", "rm"];

const OK: Style = AnsiColor::Green.on_default();
const NOTE: Style = AnsiColor::Yellow.on_default();
const MISSING: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// Checks that one command repairs, or hooks that are all right in the same manner.
struct CheckGroup<'a> {
    /// The worst of them.
    state: CheckState,
    checks: Vec<&'a DoctorCheckJson>,
}

/// Renders what was found, in lines of this width.
pub(super) fn render_checks(checks: &[DoctorCheckJson], width: usize) -> StyledText {
    let groups = group_checks(checks);
    let mut out = StyledText::new();
    for group in &groups {
        group.render_to(&mut out, width);
    }
    let named = |state: CheckState| {
        let names: Vec<String> = groups.iter().filter(|group| group.state == state).map(CheckGroup::name).collect();
        (names.len() as u64, names.join(", "))
    };
    let ((missing, to_do), (notes, to_look_at)) = (named(CheckState::Missing), named(CheckState::Note));
    let (style, mut verdict) = match missing {
        0 => (OK.bold(), "everything is set up".to_owned()),
        _ => (MISSING, format!("{} to do: {to_do}", format_plural(missing, "thing"))),
    };
    if notes > 0 {
        verdict.push_str(&format!("; worth a look: {to_look_at}"));
    }
    for line in wrap_hanging(&verdict, width, 2) {
        out.push_styled(style, line).end_line();
    }
    out
}

fn group_checks(checks: &[DoctorCheckJson]) -> Vec<CheckGroup<'_>> {
    let mut groups: Vec<CheckGroup<'_>> = Vec::new();
    for check in checks {
        match groups.iter_mut().find(|group| group.takes(check)) {
            Some(group) => {
                group.checks.push(check);
                group.state = worse_state(group.state, check.state);
            }
            None => groups.push(CheckGroup { state: check.state, checks: vec![check] }),
        }
    }
    groups
}

fn worse_state(a: CheckState, b: CheckState) -> CheckState {
    match (a, b) {
        (CheckState::Missing, _) | (_, CheckState::Missing) => CheckState::Missing,
        (CheckState::Note, _) | (_, CheckState::Note) => CheckState::Note,
        _ => CheckState::Ok,
    }
}

fn is_hook(check: &DoctorCheckJson) -> bool {
    shim::EVENTS.contains(&check.name)
}

impl<'a> CheckGroup<'a> {
    fn takes(&self, check: &DoctorCheckJson) -> bool {
        self.checks.first().is_some_and(|first| match (&first.fix, &check.fix) {
            (Some(fix), Some(other)) => fix == other,
            (None, None) => is_hook(first) && is_hook(check) && first.found == check.found,
            _ => false,
        })
    }

    /// What was found, each with the checks of which it is true.
    fn findings(&self) -> Vec<(&'a str, Vec<&'a DoctorCheckJson>)> {
        let mut findings: Vec<(&str, Vec<&DoctorCheckJson>)> = Vec::new();
        for check in self.checks.iter().copied() {
            match findings.iter_mut().find(|(found, _)| *found == check.found) {
                Some((_, checks)) => checks.push(check),
                None => findings.push((check.found.as_ref(), vec![check])),
            }
        }
        findings
    }

    /// `8 hooks`, `pre-push`, `8 hooks and 1 more`.
    fn name(&self) -> String {
        let findings = self.findings();
        let first = findings.first().map(|(_, checks)| join_names(checks)).unwrap_or_default();
        match findings.len() {
            0 | 1 => first,
            more => format!("{first} and {} more", more - 1),
        }
    }

    /// What was found, in words.
    fn describe(&self) -> String {
        let findings = self.findings();
        let describe = |(at, (found, checks)): (usize, &(&str, Vec<&DoctorCheckJson>))| {
            // The name of the first one stands in a column of its own.
            let name = if at == 0 { String::new() } else { format!("{}: ", join_names(checks)) };
            let text = match checks.as_slice() {
                [_, _, ..] if self.state == CheckState::Ok => format!("each runs {found}"),
                [_, _, ..] if checks.len() < shim::EVENTS.len() => format!("{found} ({})", list_names(checks)),
                _ => (*found).to_owned(),
            };
            format!("{name}{text}")
        };
        findings.iter().enumerate().map(describe).collect::<Vec<_>>().join("; ")
    }

    fn render_to(&self, out: &mut StyledText, width: usize) {
        let (mark, style) = match self.state {
            CheckState::Ok => ("ok", OK),
            CheckState::Note => ("note", NOTE),
            CheckState::Missing => ("missing", MISSING),
        };
        let room = width.saturating_sub(MARK + NAME);
        let name = self.checks.first().map(|_| join_names(&self.findings().remove(0).1)).unwrap_or_default();
        let mut lines = wrap_hanging(&escape_control(self.describe()), room, 0).into_iter();
        out.push_styled(style, format!("{mark:<MARK$}")).push_str(format!("{name:<0$}", NAME - 1)).push_str(" ");
        out.push_str(lines.next().unwrap_or_default()).end_line();
        for line in lines {
            out.push_str(" ".repeat(MARK + NAME)).push_str(line).end_line();
        }
        if let Some(fix) = self.checks.first().and_then(|check| check.fix.as_deref()) {
            render_fix(out, fix, width);
        }
    }
}

/// A fix stands below what was found; further left if it holds a command that has no room there.
fn render_fix(out: &mut StyledText, fix: &str, width: usize) {
    const LABEL: &str = "fix:";
    let escaped = escape_control(fix);
    let fits = |margin: usize| margin + LABEL.len() + 1 + escaped.chars().count() <= width;
    let margin = if fits(MARK + NAME) { MARK + NAME } else { MARK };
    let lines = match split_command(&escaped).filter(|_| !fits(margin)) {
        Some((words, command)) if !words.is_empty() => {
            let mut lines = wrap_hanging(&format!("{LABEL} {words}"), width.saturating_sub(margin), 2);
            lines.push(format!("  {command}"));
            lines
        }
        Some((_, command)) => vec![format!("{LABEL} {command}")],
        None => wrap_hanging(&format!("{LABEL} {escaped}"), width.saturating_sub(margin), 2),
    };
    for line in lines {
        out.push_str(" ".repeat(margin));
        match line.strip_prefix(LABEL) {
            Some(rest) => out.push_styled(DIM, LABEL).push_str(rest).end_line(),
            None => out.push_str(line).end_line(),
        };
    }
}

/// The command at the end of a fix, and the words before it.
fn split_command(fix: &str) -> Option<(&str, &str)> {
    let is_command = |text: &str| text.split(' ').next().is_some_and(|word| PROGRAMS.contains(&word));
    match fix.split_once(": ") {
        Some((words, command)) if is_command(command) => fix.get(..words.len() + 1).map(|words| (words, command)),
        _ => is_command(fix).then_some(("", fix)),
    }
}

fn list_names(checks: &[&DoctorCheckJson]) -> String {
    checks.iter().map(|check| check.name).collect::<Vec<_>>().join(", ")
}

/// `8 hooks`, or the names.
fn join_names(checks: &[&DoctorCheckJson]) -> String {
    match checks {
        [_, _, ..] if checks.iter().all(|check| is_hook(check)) => format!("{} hooks", checks.len()),
        _ => list_names(checks),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn check(name: &'static str, state: CheckState, found: &'static str, fix: Option<&'static str>) -> DoctorCheckJson {
        DoctorCheckJson { name, state, found: found.into(), fix: fix.map(Into::into), code: None }
    }

    #[test]
    fn what_one_command_repairs_is_one_line() {
        let install = Some("capture-hook install");
        let mut checks = vec![check("git", CheckState::Ok, "2.43.0", None)];
        checks.extend(shim::EVENTS.iter().map(|event| check(event, CheckState::Missing, "not installed", install)));
        let unset = "not named in .git/config, or for another binary";
        checks.push(check("merge drivers", CheckState::Missing, unset, install));
        checks.push(check("selected run", CheckState::Note, "none", Some("capture-hook select latest")));
        let own = "runs `sh -c 'capture-hook ingest'`, which our hooks do not start";
        let trust = "if you trust it: git config capture-hook.stageCmd 'sh -c capture-hook ingest'";
        checks.push(check("stage", CheckState::Missing, own, Some(trust)));
        for width in [60, 80] {
            let text = render_checks(&checks, width).to_plain();
            let is_long = |line: &&str| line.chars().count() > width && !line.trim_start().starts_with("git config");
            assert_eq!(text.lines().find(is_long), None, "{text}");
        }
        assert_snapshot!(render_checks(&checks, 80).to_plain(), @"
        ok      git                2.43.0
        missing 8 hooks            not installed; merge drivers: not named in
                                   .git/config, or for another binary
                                   fix: capture-hook install
        note    selected run       none
                                   fix: capture-hook select latest
        missing stage              runs
                                   `sh -c 'capture-hook ingest'`,
                                   which our hooks do not start
                fix: if you trust it:
                  git config capture-hook.stageCmd 'sh -c capture-hook ingest'
        2 things to do: 8 hooks and 1 more, stage; worth a look: selected run
        ");
        assert_snapshot!(render_checks(&checks[..1], 80).to_plain(), @"
        ok      git                2.43.0
        everything is set up
        ");
    }

    #[test]
    fn some_hooks_are_named_and_all_are_counted() {
        let (mut checks, event) = (Vec::new(), |at: usize| shim::EVENTS[at]);
        checks.push(check(event(0), CheckState::Missing, "not installed", Some("capture-hook install")));
        checks.push(check(
            event(1),
            CheckState::Note,
            "capture-hook, written by another version",
            Some("capture-hook install"),
        ));
        checks.push(check(event(2), CheckState::Missing, "not installed", Some("capture-hook install")));
        checks.extend([3, 4].map(|at| check(event(at), CheckState::Ok, "capture-hook", None)));
        assert_snapshot!(render_checks(&checks, 80).to_plain(), @"
        missing 2 hooks            not installed (pre-commit, commit-msg);
                                   prepare-commit-msg: capture-hook, written by another
                                   version
                                   fix: capture-hook install
        ok      2 hooks            each runs capture-hook
        1 thing to do: 2 hooks and 1 more
        ");
    }
}

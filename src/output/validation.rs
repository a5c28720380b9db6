//! A validation report for people: one line per run, then its findings, in lines of the terminal's width. It changes no verdict and hides
//! no ignored finding.

use anstyle::{AnsiColor, Style};

use super::StyledText;
use crate::output::help::wrap_words;
use crate::support::text::format_plural;
use crate::support::visible::escape_control;
use crate::validate::{Code, FindingGroup, IgnoredFinding, Severity, ValidationFinding, ValidationReport};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();

const INDENT: &str = "    ";

/// Renders a run's report in lines of this width, with a line break at its end.
#[must_use]
pub fn render_report(report: &ValidationReport, width: usize) -> StyledText {
    let (style, mark, verdict) = if report.ok { (GOOD, "✓", "valid") } else { (BAD, "✗", "invalid") };
    // Without its schema no row of a run can be read, so how many there are is not known.
    let is_read = !report.errors.iter().any(|code| matches!(code, Code::MissingSchema | Code::InvalidSchema));
    let mut counts = match is_read {
        true => vec![format_plural(report.step_count(), "step"), format_plural(report.episodes.rows, "episode")],
        false => vec!["rows not read".to_owned()],
    };
    for (codes, one) in [(&report.errors, "error"), (&report.warnings, "warning")] {
        let total: u64 = codes.iter().filter_map(|code| first_finding(report, *code)).map(|f| f.count).sum();
        if total > 0 {
            counts.push(format_plural(total, one));
        }
    }
    let mut out = StyledText::new();
    out.push_styled(style, format!("{mark} {}", report.run_dir))
        .push_str(" ")
        .push_styled(DIM, "is")
        .push_str(" ")
        .push_styled(style, verdict);
    out.push_styled(DIM, format!(": {}", counts.join(", "))).end_line();
    for group in &report.groups {
        let (style, word) = severity_word(group);
        let mut lines = group_lines(group, width).into_iter();
        out.push_str("  ")
            .push_styled(style, word)
            .push_str(format!(" {}", lines.next().unwrap_or_default()))
            .end_line();
        for line in lines {
            out.push_str(&line).end_line();
        }
    }
    if let Some(ignored) = IgnoredFinding::describe_all(&report.ignored) {
        out.push_str("  ").push_styled(WARN, ignored).end_line();
    }
    out
}

fn first_finding(report: &ValidationReport, code: Code) -> Option<&ValidationFinding> {
    report.findings.iter().find(|f| f.code == code)
}

/// The findings of a report, a line or more of this width each, for a message on stderr.
#[must_use]
pub fn finding_lines(report: &ValidationReport, width: usize) -> Vec<String> {
    report
        .groups
        .iter()
        .map(|group| format!("  {} {}", severity_word(group).1, group_lines(group, width).join("\n")))
        .collect()
}

fn severity_word(group: &FindingGroup) -> (Style, &'static str) {
    match group.severity {
        Severity::Error => (BAD, "error"),
        Severity::Warning => (WARN, "warning"),
    }
}

/// A finding in lines; the severity stands before the first of them.
fn group_lines(group: &FindingGroup, width: usize) -> Vec<String> {
    const SEVERITY: usize = "  warning ".len();
    let mut lines = wrap_words(&escape_control(group), width - SEVERITY);
    lines.iter_mut().skip(1).for_each(|line| line.insert_str(0, INDENT));
    lines
}

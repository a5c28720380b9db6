//! A validation report for people: one line per run, then its findings, in 80 columns. It changes no verdict and hides
//! no ignored finding.

use anstyle::{AnsiColor, Style};

use super::StyledText;
use crate::support::text::{format_count, format_plural};
use crate::support::visible::escape_control;
use crate::validate::{Code, IgnoredFinding, Severity, ValidationFinding, ValidationReport};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();

const WIDTH: usize = 80;
const INDENT: &str = "    ";

/// Renders a run's report, with a line break at its end.
#[must_use]
pub fn render_report(report: &ValidationReport) -> StyledText {
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
    for code in report.errors.iter().chain(&report.warnings) {
        let of_code: Vec<&ValidationFinding> = report.findings.iter().filter(|f| f.code == *code).collect();
        let Some(head) = of_code.first() else { continue };
        let (style, word) = match head.severity {
            Severity::Error => (BAD, "error"),
            Severity::Warning => (WARN, "warning"),
        };
        out.push_str("  ").push_styled(style, word).push_str(format!(" {code}"));
        if head.count > 1 {
            out.push_str(" ").push_styled(DIM, format!("({} times)", format_count(head.count)));
        }
        out.end_line();
        for finding in &of_code {
            add_wrapped(&mut out, &escape_control(finding_location(finding)), &escape_control(&finding.message));
        }
        // The report keeps ten findings of a code; the count is of all.
        let shown = u64::try_from(of_code.len()).unwrap_or(u64::MAX);
        if head.count > shown {
            out.push_str(INDENT)
                .push_styled(DIM, format!("… and {} more", format_count(head.count - shown)))
                .end_line();
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

/// `steps.jsonl.gz:7 ep-000001`
fn finding_location(finding: &ValidationFinding) -> String {
    let mut out = finding.file.clone().unwrap_or_default();
    if let Some(line) = finding.line {
        out += &format!(":{line}");
    }
    if let Some(id) = &finding.episode_id {
        out += &format!(" {id}");
    }
    out
}

/// Adds place and message, on one line if they fit, else the message below, broken at words.
fn add_wrapped(out: &mut StyledText, location: &str, message: &str) {
    let gap = if location.is_empty() { "" } else { "  " };
    // Characters, not bytes: names can be in any language.
    if INDENT.len() + location.chars().count() + gap.len() + message.chars().count() <= WIDTH {
        out.push_str(INDENT).push_styled(DIM, location).push_str(gap).push_str(message).end_line();
        return;
    }
    if !location.is_empty() {
        out.push_str(INDENT).push_styled(DIM, location).end_line();
    }
    let inner = format!("{INDENT}  ");
    let mut line = String::new();
    for word in message.split(' ') {
        if !line.is_empty() && inner.len() + line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(&inner).push_str(&line).end_line();
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    out.push_str(&inner).push_str(&line).end_line();
}

//! A validation report for people: one line a run, then its findings, in 80 columns.

use anstyle::{AnsiColor, Style};

use super::{Text, human};
use crate::support::visible::visible;
use crate::validate::{Code, Finding, Ignored, Report, Severity};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();

const WIDTH: usize = 80;
const INDENT: &str = "    ";

/// A run's report as text, ending with a line break.
#[must_use]
pub fn report(report: &Report) -> Text {
    let (style, mark, verdict) = if report.ok { (GOOD, "✓", "valid") } else { (BAD, "✗", "invalid") };
    let mut counts = vec![human::plural(report.steps.rows, "step"), human::plural(report.episodes.rows, "episode")];
    for (codes, one) in [(&report.errors, "error"), (&report.warnings, "warning")] {
        let total: u64 = codes.iter().filter_map(|code| first(report, *code)).map(|f| f.count).sum();
        if total > 0 {
            counts.push(human::plural(total, one));
        }
    }
    let mut out = Text::new();
    out.styled(style, format!("{mark} {}", report.run_dir)).add(" ").styled(DIM, "is").add(" ").styled(style, verdict);
    out.styled(DIM, format!(": {}", counts.join(", "))).end_line();
    for code in report.errors.iter().chain(&report.warnings) {
        let of_code: Vec<&Finding> = report.findings.iter().filter(|f| f.code == *code).collect();
        let Some(head) = of_code.first() else { continue };
        let (style, word) = match head.severity {
            Severity::Error => (BAD, "error"),
            Severity::Warning => (WARN, "warning"),
        };
        out.add("  ").styled(style, word).add(format!(" {code}"));
        if head.count > 1 {
            out.add(" ").styled(DIM, format!("({} times)", human::count(head.count)));
        }
        out.end_line();
        for finding in &of_code {
            add_wrapped(&mut out, &visible(place(finding)), &visible(&finding.message));
        }
        let shown = u64::try_from(of_code.len()).unwrap_or(u64::MAX);
        if head.count > shown {
            out.add(INDENT).styled(DIM, format!("… and {} more", human::count(head.count - shown))).end_line();
        }
    }
    if let Some(ignored) = Ignored::words(&report.ignored) {
        out.add("  ").styled(WARN, ignored).end_line();
    }
    out
}

fn first(report: &Report, code: Code) -> Option<&Finding> {
    report.findings.iter().find(|f| f.code == code)
}

/// `steps.jsonl.gz:7 ep-000001`
fn place(finding: &Finding) -> String {
    let mut out = finding.file.clone().unwrap_or_default();
    if let Some(line) = finding.line {
        out += &format!(":{line}");
    }
    if let Some(id) = &finding.episode_id {
        out += &format!(" {id}");
    }
    out
}

/// Place and message on one line where they fit, else the message below, broken at words.
fn add_wrapped(out: &mut Text, place: &str, message: &str) {
    let gap = if place.is_empty() { "" } else { "  " };
    if INDENT.len() + place.chars().count() + gap.len() + message.chars().count() <= WIDTH {
        out.add(INDENT).styled(DIM, place).add(gap).add(message).end_line();
        return;
    }
    if !place.is_empty() {
        out.add(INDENT).styled(DIM, place).end_line();
    }
    let inner = format!("{INDENT}  ");
    let mut line = String::new();
    for word in message.split(' ') {
        if !line.is_empty() && inner.len() + line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.add(&inner).add(&line).end_line();
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    out.add(&inner).add(&line).end_line();
}

//! A validation report for people: one line a run, then its findings, in 80 columns.

use anstyle::{AnsiColor, Style};

use super::human;
use crate::validate::{Code, Finding, Report, Severity};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();

const WIDTH: usize = 80;
const INDENT: &str = "    ";

/// A run's report as text, ending with a line break.
#[must_use]
pub fn report(report: &Report) -> String {
    let (style, mark, verdict) = if report.ok { (GOOD, "✓", "valid") } else { (BAD, "✗", "invalid") };
    let mut counts = vec![human::plural(report.steps.rows, "step"), human::plural(report.episodes.rows, "episode")];
    for (codes, one) in [(&report.errors, "error"), (&report.warnings, "warning")] {
        let total: u64 = codes.iter().filter_map(|code| first(report, *code)).map(|f| f.count).sum();
        if total > 0 {
            counts.push(human::plural(total, one));
        }
    }
    let mut out = format!(
        "{style}{mark} {}{style:#} {DIM}is{DIM:#} {style}{verdict}{style:#}{DIM}: {}{DIM:#}\n",
        human::plain(&report.run_dir),
        counts.join(", "),
    );
    for code in report.errors.iter().chain(&report.warnings) {
        let of_code: Vec<&Finding> = report.findings.iter().filter(|f| f.code == *code).collect();
        let Some(head) = of_code.first() else { continue };
        let (style, word) = match head.severity {
            Severity::Error => (BAD, "error"),
            Severity::Warning => (WARN, "warning"),
        };
        let times =
            if head.count > 1 { format!(" {DIM}({} times){DIM:#}", human::count(head.count)) } else { String::new() };
        out += &format!("  {style}{word}{style:#} {code}{times}\n");
        for finding in &of_code {
            out += &wrapped(&place(finding), &human::plain(&finding.message));
        }
        let shown = u64::try_from(of_code.len()).unwrap_or(u64::MAX);
        if head.count > shown {
            out += &format!("{INDENT}{DIM}… and {} more{DIM:#}\n", human::count(head.count - shown));
        }
    }
    out
}

fn first(report: &Report, code: Code) -> Option<&Finding> {
    report.findings.iter().find(|f| f.code == code)
}

/// `steps.jsonl.gz:7 ep-000001`
fn place(finding: &Finding) -> String {
    let mut out = finding.file.as_deref().map(human::plain).unwrap_or_default().to_string();
    if let Some(line) = finding.line {
        out += &format!(":{line}");
    }
    if let Some(id) = &finding.episode_id {
        out += &format!(" {}", human::plain(id));
    }
    out
}

/// Place and message on one line where they fit, else the message below, broken at words.
fn wrapped(place: &str, message: &str) -> String {
    let gap = if place.is_empty() { "" } else { "  " };
    if INDENT.len() + place.chars().count() + gap.len() + message.chars().count() <= WIDTH {
        return format!("{INDENT}{DIM}{place}{DIM:#}{gap}{message}\n");
    }
    let mut out = if place.is_empty() { String::new() } else { format!("{INDENT}{DIM}{place}{DIM:#}\n") };
    let inner = format!("{INDENT}  ");
    let mut line = String::new();
    for word in message.split(' ') {
        if !line.is_empty() && inner.len() + line.chars().count() + 1 + word.chars().count() > WIDTH {
            out += &format!("{inner}{line}\n");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    out += &format!("{inner}{line}\n");
    out
}

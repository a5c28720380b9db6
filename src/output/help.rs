//! How help is laid out: commands in groups, a command's own options before those that all have, one sentence on what a
//! RUN is, and examples whose lines fit the terminal. What a page says stands in the commands' files.

use std::fmt::Write;

use clap::Command;

use crate::support::env::Env;

/// The commands as the first page shows them. Each that is not hidden is in one group (a test of `cli` holds this).
pub const GROUPS: [(&str, &[&str]); 6] = [
    ("Set up", &["init", "install", "uninstall", "config", "schema", "doctor", "demo"]),
    ("Every day", &["select", "validate", "status", "publish", "push", "pull", "resolve"]),
    ("Find and look", &["runs", "log", "show", "diff", "get", "plot", "report"]),
    ("Prove and hand on", &["verify", "check", "attest", "export"]),
    ("Remove, and free space", &["remove", "restore", "forget", "gc", "erase"]),
    ("Plumbing", &["ingest", "manifest", "tag", "completions", "man", "help"]),
];

/// What RUN stands for, the same for all commands.
const RUN_SENTENCE: &str =
    "RUN is a path, EXPERIMENT/RUN_ID, a run id, a unique beginning of one, `latest` or `latest:EXPERIMENT`.";
const TAG_SENTENCE: &str = "TAG is a tag of a run, such as capture/nav/r1@v2: the data as that commit has it.";

/// The heading of options that every command has.
pub const GLOBAL: &str = "Options of all commands";

/// The widest that help is.
const MOST_COLUMNS: usize = 100;
/// The columns of the names in a list of commands.
const NAME_COLUMNS: usize = 13;
/// The column at which the second line of an example stands.
const INDENT: usize = 6;

/// How wide help is: as the terminal, and no wider than can be read.
#[must_use]
pub fn help_width(env: &Env) -> usize {
    let columns = || env.get_str("COLUMNS")?.parse().ok();
    let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)).or_else(columns);
    width.unwrap_or(MOST_COLUMNS).clamp(40, MOST_COLUMNS)
}

/// Lays out the help of a command line, for so many columns.
#[must_use]
pub fn arrange(root: Command, width: usize) -> Command {
    let mut groups = String::new();
    for (title, names) in GROUPS {
        let _ = writeln!(groups, "{title}:");
        for name in names {
            let about = match root.find_subcommand(name).filter(|command| !command.is_hide_set()) {
                Some(command) => command.get_about().map(ToString::to_string).unwrap_or_default(),
                // clap adds this one when it parses.
                None if *name == "help" => "Print the help of a command".into(),
                None => continue,
            };
            let lines = wrap_words(&about, width.saturating_sub(NAME_COLUMNS + 2));
            let _ = writeln!(groups, "  {name:NAME_COLUMNS$}{}", lines.join(&format!("\n{:1$}", "", NAME_COLUMNS + 2)));
        }
        groups.push('\n');
    }
    let template = format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}{GLOBAL}:\n{{options}}");
    arrange_pages(root.help_template(template).term_width(width), width)
}

/// Every page but the first.
fn arrange_pages(command: Command, width: usize) -> Command {
    command.mut_subcommands(|command| {
        let mut text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        add_sentences(&command, &mut text);
        let long = command.get_after_long_help().map(|long| {
            let mut long = long.to_string();
            add_sentences(&command, &mut long);
            lay_out(&long, width)
        });
        let mut command = command.term_width(width);
        if !text.is_empty() {
            command = command.after_help(lay_out(&text, width));
        }
        if let Some(long) = long {
            command = command.after_long_help(long);
        }
        arrange_pages(command, width)
    })
}

/// Puts what RUN and TAG stand for in front of the text, if a page names them.
pub fn add_sentences(command: &Command, text: &mut String) {
    let names = |what: &str| {
        let names = command.get_arguments().filter_map(|arg| arg.get_value_names()).flatten();
        names.into_iter().any(|name| name.split('|').any(|name| name == what || matches!(name, "A" | "B")))
    };
    let mut sentences = Vec::new();
    if names("RUN") {
        sentences.push(RUN_SENTENCE);
    }
    if names("TAG") {
        sentences.push(TAG_SENTENCE);
    }
    if !sentences.is_empty() {
        *text = format!("{}\n\n{text}", sentences.join(" "));
    }
}

/// A part of the text behind the options.
#[derive(Debug, PartialEq, Eq)]
pub enum HelpPart {
    /// Words that are filled into lines.
    Paragraph(String),
    /// A line that ends with a colon and stands for itself.
    Heading(String),
    /// What can be typed, each with what it does.
    Examples(Vec<(String, String)>),
}

/// The parts of a text: in the sources, lines that belong together follow each other, and examples are indented, with two
/// blanks before what they do.
#[must_use]
pub fn parse_parts(text: &str) -> Vec<HelpPart> {
    let mut parts: Vec<HelpPart> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        if line.trim().is_empty() {
            goes_on = false;
        } else if let Some(example) = line.strip_prefix("  ") {
            let (typed, does) = example.trim_start().split_once("  ").unwrap_or((example.trim_start(), ""));
            let indent = example.len() - example.trim_start().len();
            let pair = (format!("{:indent$}{typed}", ""), does.trim().to_owned());
            match parts.last_mut() {
                Some(HelpPart::Examples(examples)) if goes_on => examples.push(pair),
                _ => parts.push(HelpPart::Examples(vec![pair])),
            }
            goes_on = true;
        } else {
            match parts.last_mut() {
                Some(HelpPart::Paragraph(words)) if goes_on => {
                    words.push(' ');
                    words.push_str(line.trim());
                }
                _ if line.ends_with(':') && line.len() < 40 => parts.push(HelpPart::Heading(line.to_owned())),
                _ => parts.push(HelpPart::Paragraph(line.trim().to_owned())),
            }
            goes_on = matches!(parts.last(), Some(HelpPart::Paragraph(_)));
        }
    }
    parts
}

fn lay_out(text: &str, width: usize) -> String {
    let mut out = String::new();
    for part in parse_parts(text) {
        match part {
            HelpPart::Heading(line) => {
                let _ = writeln!(out, "{line}");
            }
            HelpPart::Paragraph(words) => {
                let _ = writeln!(out, "{}\n", wrap_words(&words, width).join("\n"));
            }
            HelpPart::Examples(examples) => {
                lay_out_examples(&examples, width, &mut out);
                out.push('\n');
            }
        }
    }
    out.trim_end().to_owned()
}

/// In two columns if all of them fit, else what they do in a line below.
fn lay_out_examples(examples: &[(String, String)], width: usize, out: &mut String) {
    let columns = |text: &str| text.chars().count();
    let first =
        examples.iter().filter(|(_, does)| !does.is_empty()).map(|(typed, _)| columns(typed)).max().unwrap_or(0);
    let fits = examples.iter().all(|(_, does)| does.is_empty() || 2 + first + 2 + columns(does) <= width);
    for (typed, does) in examples {
        if fits && !does.is_empty() {
            let _ = writeln!(out, "  {typed:first$}  {does}");
            continue;
        }
        let indent = typed.len() - typed.trim_start().len();
        let lines = wrap_words(typed.trim_start(), width.saturating_sub(INDENT + 2));
        // What is typed in one line is shown in several with the shell's sign that the line continues.
        let broken = lines.join(&format!(" \\\n{:1$}", "", INDENT - 2));
        let _ = writeln!(out, "  {:indent$}{broken}", "");
        for line in wrap_words(does, width.saturating_sub(INDENT)) {
            let _ = writeln!(out, "{:INDENT$}{line}", "");
        }
    }
}

/// Words in lines of so many columns; a word that is longer has a line of its own.
#[must_use]
pub fn wrap_words(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_stand_beside_what_they_do_or_above_it() {
        let text = "Words of\none paragraph.\n\nExamples:\n  a b    does this\n  a      and that\n\nMore.";
        assert_eq!(
            lay_out(text, 40),
            "Words of one paragraph.\n\nExamples:\n  a b  does this\n  a    and that\n\nMore."
        );
        assert_eq!(
            lay_out(text, 15),
            "Words of one\nparagraph.\n\nExamples:\n  a b\n      does this\n  a\n      and that\n\nMore."
        );
        assert_eq!(lay_out("  one two three  x", 14), "  one \\\n    two \\\n    three\n      x");
    }
}

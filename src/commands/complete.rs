//! Shell completion of runs, tags, experiments and paths. Prints nothing else: a shell is waiting.
//!
//! bash puts a candidate on the command line unquoted, so a run named `$(…)` would be executed at ENTER. Shells quote
//! in different ways, so only names that need no quoting in any of them are offered. If nothing is offered, bash
//! completes files by itself, correctly quoted.

use std::ffi::OsStr;

use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};

use crate::history::catalog::Catalog;
use crate::history::{catalog, tags};
use crate::project::Project;
use crate::run::resolve::LATEST;
use crate::support::env::Env;
use crate::support::this_process::working_dir;
use crate::support::visible::is_hidden;

/// The command line with completions of paths by the same rule: clap's own would offer every file name as it is.
#[must_use]
pub fn guard_paths(command: clap::Command) -> clap::Command {
    let guard = |arg: clap::Arg| {
        // An argument with candidates of its own, and one that is no path, stays as it is.
        let named = arg.get::<ArgValueCandidates>().is_some() || arg.get::<ArgValueCompleter>().is_some();
        let is_plain = matches!(arg.get_value_hint(), clap::ValueHint::Unknown | clap::ValueHint::Other);
        if named || is_plain || !arg.get_possible_values().is_empty() {
            arg
        } else {
            arg.add(ArgValueCompleter::new(complete_paths))
        }
    };
    command.mut_args(guard).mut_subcommands(guard_paths)
}

/// Candidates for a path.
fn complete_paths(current: &OsStr) -> Vec<CompletionCandidate> {
    PathCompleter::any().complete(current).into_iter().filter(|path| needs_no_quoting(path.get_value())).collect()
}

/// Whether every shell takes it for one word that means nothing but itself, and no command takes it for an option.
fn needs_no_quoting(word: &OsStr) -> bool {
    let plain = |c: char| c.is_alphanumeric() && !is_hidden(c);
    // At the front a dash makes an option, zsh replaces `=x` by a program's path, and PowerShell reads `@x` as a
    // variable.
    let first = |c: char| plain(c) || "_./".contains(c);
    let inside = |c: char| first(c) || "-+:=@".contains(c);
    word.to_str().is_some_and(|word| word.starts_with(first) && word.chars().all(inside))
}

/// Candidates for a RUN.
pub fn run_candidates() -> ArgValueCandidates {
    ArgValueCandidates::new(|| name_candidates(|project| Some(run_queries(&catalog::load_catalog(project).ok()?))))
}

/// What can be typed for a run: every name, and `latest`, alone and with each experiment.
fn run_queries(catalog: &Catalog) -> Vec<String> {
    let mut queries = catalog.run_names();
    if !queries.is_empty() {
        queries.push(LATEST.into());
    }
    queries.extend(experiment_names(catalog).into_iter().map(|experiment| format!("{LATEST}:{experiment}")));
    queries
}

/// The experiments of all known runs, sorted.
fn experiment_names(catalog: &Catalog) -> Vec<String> {
    let mut names: Vec<String> = catalog.runs().map(|run| run.key.experiment().to_owned()).collect();
    // The catalog is sorted by name, so the runs of an experiment are neighbours.
    names.dedup();
    names
}

/// Candidates for a RUN or a run's tag.
pub fn run_and_tag_candidates() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        name_candidates(|project| {
            let mut names = run_queries(&catalog::load_catalog(project).ok()?);
            names.extend(tags::run_tags(project).ok()?.into_iter().map(|tag| tag.tag.name));
            Some(names)
        })
    })
}

/// Candidates for a revision: run tags.
pub fn tag_candidates() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        name_candidates(|project| Some(tags::run_tags(project).ok()?.into_iter().map(|tag| tag.tag.name).collect()))
    })
}

/// Candidates for an experiment.
pub fn experiment_candidates() -> ArgValueCandidates {
    ArgValueCandidates::new(|| name_candidates(|project| Some(experiment_names(&catalog::load_catalog(project).ok()?))))
}

fn name_candidates(of: impl Fn(&Project) -> Option<Vec<String>>) -> Vec<CompletionCandidate> {
    // Errors are dropped here and in the candidates above: a message would be printed into the line that is being
    // typed.
    // If there is no project, nothing is offered.
    let project = working_dir().ok().and_then(|cwd| Project::open(&cwd, &Env::snapshot()).ok());
    let names = project.and_then(|project| of(&project)).unwrap_or_default();
    names.into_iter().filter(|name| needs_no_quoting(name.as_ref())).map(CompletionCandidate::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_any_shell_would_read_otherwise_is_left_out() {
        let offered = ["demo/r1", "capture/demo/r1@v2", "latest:demo", "a=b", "größe-1", ".hidden", "/tmp/x"];
        assert!(offered.iter().all(|word| needs_no_quoting(word.as_ref())));
        let left_out = [
            "",
            "$(x)",
            "`x`",
            "a;b",
            "a b",
            "a'b",
            "a\"b",
            "a&b",
            "a|b",
            "a>b",
            "*",
            "a?",
            "[a]",
            "{a,b}",
            "~x",
            "=x",
            "-f",
            "@x",
            "%1",
            "!x",
            "#x",
            "a\\b",
            "a\nb",
            "a\u{b}b",
            // Characters that a terminal does not show, or that turn the direction of the text.
            "a\u{202e}b",
            "\u{3164}",
            // PowerShell takes typographic quotation marks for plain ones.
            "a\u{2019}b",
            "a\u{a0}b",
        ];
        for word in left_out {
            assert!(!needs_no_quoting(word.as_ref()), "{word:?}");
        }
    }
}

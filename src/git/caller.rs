//! Finds the git command that called this hook or merge driver, by its command line.
//!
//! Git lets `prepare-commit-msg` know that a commit is amended only if the message comes from the amended one; after
//! `--amend -m TEXT` only the caller's command line shows it. A merge driver learns neither what it merges for, before
//! git 2.44, nor the side that `-X` favours. The command line is read from `/proc`, else asked of `ps`; if
//! neither works, nothing is known, and callers must allow for that.

use std::path::Path;

use crate::git::repo::Repo;
#[cfg(target_os = "linux")]
use crate::support::process::shell_quote;

/// A git command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitCall {
    /// The command's name: `commit`.
    pub command: String,
    /// The arguments, up to `--`.
    args: Vec<String>,
}

/// The side that git takes if both changed the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FavoredSide {
    /// `-X ours`
    Ours,
    /// `-X theirs`
    Theirs,
}

/// How many parent processes to look at: a hook manager and its shells can be between git and us.
const DEPTH: usize = 6;

impl Repo {
    /// Returns the nearest git command above us; `None` if there is none, or it is not known.
    #[must_use]
    pub fn find_caller(&self) -> Option<GitCall> {
        let mut pid = u32::try_from(rustix::process::getppid()?.as_raw_nonzero().get()).ok()?;
        for _ in 0..DEPTH {
            let (parent, args) = read_process(self, pid)?;
            if is_git(&args) {
                return GitCall::parse(&args);
            }
            // Process 1 is the top.
            if parent <= 1 {
                return None;
            }
            pid = parent;
        }
        None
    }
}

#[cfg(target_os = "linux")]
impl Repo {
    /// Returns another git that runs in this repository, for a message; `None` if there is none, or it is not known.
    pub(super) fn other_git(&self) -> Option<String> {
        let mut ancestors = vec![std::process::id()];
        while let Some((parent, _)) =
            ancestors.last().and_then(|pid| read_process(self, *pid)).filter(|(parent, _)| *parent > 1)
        {
            ancestors.push(parent);
        }
        let dirs: Vec<&Path> = self.work_tree.as_deref().into_iter().chain([self.git_dir.as_path()]).collect();
        let pids =
            std::fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid: &u32| !ancestors.contains(pid)).find_map(|pid| {
            let cwd = std::fs::read_link(Path::new("/proc").join(pid.to_string()).join("cwd")).ok()?;
            dirs.iter().find(|dir| cwd.starts_with(dir))?;
            let (_, args) = read_process(self, pid)?;
            // Only the command's name: an address among its arguments can hold a password.
            let call = GitCall::parse(&args).filter(|_| is_git(&args))?;
            Some(format!("`git {}`, process {pid}", shell_quote(call.command)))
        })
    }
}

#[cfg(not(target_os = "linux"))]
impl Repo {
    pub(super) fn other_git(&self) -> Option<String> {
        None
    }
}

impl GitCall {
    /// Parses a git command line; `None` if it names no command.
    #[must_use]
    pub fn parse(args: &[String]) -> Option<Self> {
        let mut rest = args.iter().skip(1);
        // Git's own options, some with a value of their own, come before the command.
        while let Some(arg) = rest.next() {
            match arg.as_str() {
                "-c" | "-C" | "--git-dir" | "--work-tree" | "--namespace" | "--exec-path" | "--config-env" => {
                    rest.next();
                }
                option if option.starts_with('-') => {}
                command => {
                    let args = rest.take_while(|arg| *arg != "--").cloned().collect();
                    return Some(Self { command: command.to_owned(), args });
                }
            }
        }
        None
    }

    /// Whether it is a `git commit --amend`.
    #[must_use]
    pub fn is_amend(&self) -> bool {
        // Git accepts any unique abbreviation of a long option.
        self.command == "commit" && self.args.iter().any(|o| o.len() > 3 && "--amend".starts_with(o.as_str()))
    }

    /// Returns the side that the merge strategy favours (`-X ours`, `-X theirs`); the last option counts.
    #[must_use]
    pub fn favored_side(&self) -> Option<FavoredSide> {
        const WITH_STRATEGY: [&str; 5] = ["merge", "pull", "cherry-pick", "revert", "rebase"];
        if !WITH_STRATEGY.contains(&self.command.as_str()) {
            return None;
        }
        let mut favored = None;
        let mut rest = self.args.iter();
        while let Some(arg) = rest.next() {
            let value = match arg.split_once('=') {
                // A shorter abbreviation is `--strategy` to git.
                Some((name, value)) if name.len() > 10 && "--strategy-option".starts_with(name) => Some(value),
                _ if arg == "-X" || (arg.len() > 10 && "--strategy-option".starts_with(arg.as_str())) => {
                    rest.next().map(String::as_str)
                }
                // The value of these options is free text and can look like an option.
                _ if matches!(arg.as_str(), "-m" | "-F" | "-s") => {
                    rest.next();
                    None
                }
                _ => arg.strip_prefix("-X"),
            };
            favored = value.and_then(FavoredSide::from_option).or(favored);
        }
        favored
    }
}

impl FavoredSide {
    /// Parses an option of a strategy; `None` for any other option.
    #[must_use]
    pub fn from_option(option: &str) -> Option<Self> {
        match option {
            "ours" => Some(Self::Ours),
            "theirs" => Some(Self::Theirs),
            _ => None,
        }
    }
}

fn is_git(args: &[String]) -> bool {
    args.first().and_then(|arg| Path::new(arg).file_name()).is_some_and(|name| name == "git")
}

#[cfg(target_os = "linux")]
fn read_process(_: &Repo, pid: u32) -> Option<(u32, Vec<String>)> {
    let read = |name: &str| crate::support::fs::read(&Path::new("/proc").join(pid.to_string()).join(name)).ok();
    let stat = String::from_utf8_lossy(&read("stat")?).into_owned();
    // proc(5): the program's name is in parentheses and can hold some itself, so split at the last one.
    let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let args = read("cmdline")?;
    let args = args.split(|b| *b == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
    Some((parent, args))
}

#[cfg(not(target_os = "linux"))]
fn read_process(repo: &Repo, pid: u32) -> Option<(u32, Vec<String>)> {
    let output = crate::support::process::Cmd::new("ps")
        .args(["-o", "ppid=,args=", "-p", &pid.to_string()])
        .run(repo.env())
        .ok()?;
    let text = output.stdout_text();
    let mut words = text.split_ascii_whitespace();
    let parent = words.next()?.parse().ok()?;
    Some((parent, words.map(str::to_owned).collect()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse_call(line: &str) -> GitCall {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert!(is_git(&args), "{line}");
        GitCall::parse(&args).unwrap()
    }

    #[test]
    fn amend_is_recognized_in_any_spelling() {
        assert!(parse_call("git commit --amend -m x").is_amend());
        assert!(parse_call("/usr/bin/git -c a.b=c -C dir commit -m x --ame").is_amend());
        assert!(!parse_call("git commit -m x").is_amend());
        assert!(!parse_call("git commit -m x -- --amend").is_amend());
        assert!(!parse_call("git rebase -i --amend main").is_amend());
        assert!(!is_git(&["sh".into(), "commit".into()]));
    }

    /// M17: The last `-X ours` or `-X theirs` of a command counts, in every spelling.
    #[test]
    fn the_side_that_a_strategy_favours_is_the_last_one_named() {
        for (line, favored) in [
            ("git merge -X theirs b", Some(FavoredSide::Theirs)),
            ("git merge -Xours b", Some(FavoredSide::Ours)),
            ("git merge --strategy-option=theirs b", Some(FavoredSide::Theirs)),
            ("git rebase --strategy-opt ours -X theirs b", Some(FavoredSide::Theirs)),
            ("git merge -X theirs -X patience b", Some(FavoredSide::Theirs)),
            ("git merge -s ours b", None),
            ("git merge --strategy=ours b", None),
            ("git merge -m -Xtheirs b", None),
            ("git merge b -- -Xtheirs", None),
            ("git stash apply -Xtheirs", None),
        ] {
            assert_eq!(parse_call(line).favored_side(), favored, "{line}");
        }
    }
}

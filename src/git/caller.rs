//! Which git command called this hook, as its command line tells.
//!
//! Git tells `prepare-commit-msg` that a commit is amended only where the message comes from the amended one; after
//! `--amend -m TEXT` nothing but the caller's command line does. It is read from `/proc`, else asked of `ps`; where neither
//! is to be had, nothing is known.

use std::path::Path;

use super::repo::Repo;

/// A `git commit` that called us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitCall {
    /// Whether it replaces HEAD.
    pub amends: bool,
}

/// How many processes up to look: a hook manager may stand between git and us.
const DEPTH: usize = 6;

impl Repo {
    /// The `git commit` that called us; `None` where none did, or it cannot be told.
    #[must_use]
    pub fn calling_commit(&self) -> Option<CommitCall> {
        let mut pid = u32::try_from(rustix::process::getppid()?.as_raw_nonzero().get()).ok()?;
        for _ in 0..DEPTH {
            let (parent, args) = process(self, pid)?;
            if let Some(call) = commit_call(&args) {
                return Some(call);
            }
            if is_git(&args) || parent <= 1 {
                return None;
            }
            pid = parent;
        }
        None
    }
}

fn is_git(args: &[String]) -> bool {
    args.first().and_then(|arg| Path::new(arg).file_name()).is_some_and(|name| name == "git")
}

fn commit_call(args: &[String]) -> Option<CommitCall> {
    if !is_git(args) {
        return None;
    }
    let mut rest = args.iter().skip(1);
    // Git's own options, some with a value of their own, come before the command.
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "-c" | "-C" | "--git-dir" | "--work-tree" | "--namespace" | "--exec-path" | "--config-env" => {
                rest.next();
            }
            "commit" => {
                let mut options = rest.take_while(|arg| *arg != "--");
                // Git takes any abbreviation that means one option.
                return Some(CommitCall { amends: options.any(|o| o.len() > 3 && "--amend".starts_with(o.as_str())) });
            }
            option if option.starts_with('-') => {}
            _ => return None,
        }
    }
    None
}

#[cfg(target_os = "linux")]
fn process(_: &Repo, pid: u32) -> Option<(u32, Vec<String>)> {
    let read = |name: &str| crate::support::fs::read(&Path::new("/proc").join(pid.to_string()).join(name)).ok();
    let stat = String::from_utf8_lossy(&read("stat")?).into_owned();
    // The program's name stands in brackets, and may hold brackets.
    let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let args = read("cmdline")?;
    let args = args.split(|b| *b == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
    Some((parent, args))
}

#[cfg(not(target_os = "linux"))]
fn process(repo: &Repo, pid: u32) -> Option<(u32, Vec<String>)> {
    let output = crate::support::process::Cmd::new("ps")
        .args(["-o", "ppid=,args=", "-p", &pid.to_string()])
        .run(repo.env())
        .ok()?;
    let text = output.text();
    let mut words = text.split_ascii_whitespace();
    let parent = words.next()?.parse().ok()?;
    Some((parent, words.map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amends(line: &str) -> Option<bool> {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        commit_call(&args).map(|call| call.amends)
    }

    #[test]
    fn an_amending_commit_is_told_from_a_plain_one() {
        assert_eq!(amends("git commit --amend -m x"), Some(true));
        assert_eq!(amends("/usr/bin/git -c a.b=c -C dir commit -m x --ame"), Some(true));
        assert_eq!(amends("git commit -m x"), Some(false));
        assert_eq!(amends("git commit -m x -- --amend"), Some(false));
        assert_eq!(amends("git rebase -i main"), None);
        assert_eq!(amends("sh commit --amend"), None);
    }
}

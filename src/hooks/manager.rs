//! Hooks that are called by pre-commit or prek, not by git.
//!
//! The framework keeps git's arguments and standard input from its hooks and tells them in variables (its documentation,
//! "pre-commit for …"). Of a push it tells one ref; of a rewrite, the command alone.

use std::ffi::OsString;

use crate::git::{Oid, Repo};
use crate::support::env::Env;

/// What git would have passed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// The arguments.
    pub args: Vec<OsString>,
    /// Standard input.
    pub stdin: Vec<u8>,
}

/// Puts git's arguments and input together again from the framework's variables; `None` where it did not call us.
pub fn passed(event: &str, args: &[OsString], env: &Env, repo: impl FnOnce() -> Option<Repo>) -> Option<Passed> {
    let var = |name: &str| env.get(name).map(OsString::from);
    let text = |name: &str| env.text(name).map(str::to_owned);
    let mut passed = Passed { args: args.to_vec(), stdin: Vec::new() };
    match event {
        "post-checkout" if args.is_empty() => {
            passed.args =
                vec![var("PRE_COMMIT_FROM_REF")?, var("PRE_COMMIT_TO_REF")?, var("PRE_COMMIT_CHECKOUT_TYPE")?];
        }
        "post-merge" if args.is_empty() => passed.args = vec![var("PRE_COMMIT_IS_SQUASH_MERGE")?],
        "prepare-commit-msg" if args.len() == 1 => {
            passed.args.push(var("PRE_COMMIT_COMMIT_MSG_SOURCE")?);
            passed.args.extend(var("PRE_COMMIT_COMMIT_OBJECT_NAME"));
        }
        "pre-push" if args.is_empty() => {
            passed.args = vec![var("PRE_COMMIT_REMOTE_NAME")?, var("PRE_COMMIT_REMOTE_URL")?];
            let name = text("PRE_COMMIT_LOCAL_BRANCH")?;
            let rev = text("PRE_COMMIT_TO_REF").unwrap_or_else(|| name.clone());
            let local = repo()?.find_commit_id(&rev).ok()??;
            let remote = text("PRE_COMMIT_REMOTE_BRANCH").unwrap_or_else(|| name.clone());
            passed.stdin = format!("{name} {local} {remote} {}\n", "0".repeat(local.as_str().len())).into_bytes();
        }
        "post-rewrite" if args.is_empty() => {
            let command = text("PRE_COMMIT_REWRITE_COMMAND")?;
            if command == "amend" {
                let repo = repo()?;
                let (old, new): (Oid, Oid) = (repo.last_move()?.old, repo.head().ok()??);
                passed.stdin = format!("{old} {new}\n").into_bytes();
            }
            passed.args = vec![command.into()];
        }
        _ => return None,
    }
    Some(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_framework_tells_is_what_git_said() {
        let env = Env::from_vars([
            ("PRE_COMMIT_FROM_REF", "a"),
            ("PRE_COMMIT_TO_REF", "b"),
            ("PRE_COMMIT_CHECKOUT_TYPE", "1"),
        ]);
        let none = || None;
        let told = passed("post-checkout", &[], &env, none).map(|p| p.args);
        assert_eq!(told, Some(vec!["a".into(), "b".into(), "1".into()]));
        // Git's own arguments count where there are any.
        assert_eq!(passed("post-checkout", &["x".into(), "y".into(), "0".into()], &env, none), None);
        assert_eq!(passed("post-merge", &[], &env, none), None);
    }
}

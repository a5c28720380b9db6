//! Hooks that are called by pre-commit or prek instead of git.
//!
//! The framework does not pass git's arguments and standard input on to its hooks, but sets variables (its
//! documentation, "pre-commit for …"). Of a push it passes one ref; of a rewrite, only the command.

use std::ffi::OsString;

use crate::git::{Oid, Repo};
use crate::support::env::Env;

/// What git would have passed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct HookInput {
    /// The arguments.
    pub args: Vec<OsString>,
    /// Standard input.
    pub stdin: Vec<u8>,
}

/// Puts git's arguments and input together again from the framework's variables; `None` if it did not call us.
pub fn restore_hook_input(
    event: &str,
    args: &[OsString],
    env: &Env,
    repo: impl FnOnce() -> Option<Repo>,
) -> Option<HookInput> {
    let var = |name: &str| env.get(name).map(OsString::from);
    let text = |name: &str| env.get_str(name).map(str::to_owned);
    let mut input = HookInput { args: args.to_vec(), stdin: Vec::new() };
    match event {
        "post-checkout" if args.is_empty() => {
            input.args = vec![var("PRE_COMMIT_FROM_REF")?, var("PRE_COMMIT_TO_REF")?, var("PRE_COMMIT_CHECKOUT_TYPE")?];
        }
        "post-merge" if args.is_empty() => input.args = vec![var("PRE_COMMIT_IS_SQUASH_MERGE")?],
        "prepare-commit-msg" if args.len() == 1 => {
            input.args.push(var("PRE_COMMIT_COMMIT_MSG_SOURCE")?);
            input.args.extend(var("PRE_COMMIT_COMMIT_OBJECT_NAME"));
        }
        // The framework runs its hooks once per ref and gives no old id of the remote's ref, so it is written as
        // zeros: then the remote-tracking branches show what the remote has.
        "pre-push" if args.is_empty() => {
            input.args = vec![var("PRE_COMMIT_REMOTE_NAME")?, var("PRE_COMMIT_REMOTE_URL")?];
            let name = text("PRE_COMMIT_LOCAL_BRANCH")?;
            let rev = text("PRE_COMMIT_TO_REF").unwrap_or_else(|| name.clone());
            let local = repo()?.find_commit_id(&rev).ok()??;
            let remote = text("PRE_COMMIT_REMOTE_BRANCH").unwrap_or_else(|| name.clone());
            input.stdin = format!("{name} {local} {remote} {}\n", "0".repeat(local.as_str().len())).into_bytes();
        }
        "post-rewrite" if args.is_empty() => {
            let command = text("PRE_COMMIT_REWRITE_COMMAND")?;
            // A rebase's list of rewritten commits cannot be found out; an amend is the last move of HEAD.
            if command == "amend" {
                let repo = repo()?;
                let (old, new): (Oid, Oid) = (repo.last_head_move()?.old, repo.head().ok()??);
                input.stdin = format!("{old} {new}\n").into_bytes();
            }
            input.args = vec![command.into()];
        }
        _ => return None,
    }
    Some(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frameworks_variables_give_gits_arguments() {
        let env = Env::from_vars([
            ("PRE_COMMIT_FROM_REF", "a"),
            ("PRE_COMMIT_TO_REF", "b"),
            ("PRE_COMMIT_CHECKOUT_TYPE", "1"),
        ]);
        let no_repo = || None;
        let args = restore_hook_input("post-checkout", &[], &env, no_repo).map(|p| p.args);
        assert_eq!(args, Some(vec!["a".into(), "b".into(), "1".into()]));
        // Git's own arguments count if there are any.
        assert_eq!(restore_hook_input("post-checkout", &["x".into(), "y".into(), "0".into()], &env, no_repo), None);
        assert_eq!(restore_hook_input("post-merge", &[], &env, no_repo), None);
    }
}

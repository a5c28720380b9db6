//! Hooks in git's settings, from git 2.54 on: `hook.<name>.event`, `hook.<name>.command`. Git runs them in the order of
//! the settings, before the hook in the hooks directory. They are only read here, never written.

use crate::git::error::GitError;
use crate::git::repo::Repo;

/// One hook of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredHook {
    /// Its name in the settings.
    pub name: String,
    /// The event.
    pub event: String,
    /// The command that git runs.
    pub command: String,
}

impl Repo {
    /// Returns the hooks that git runs from its settings; none if git is too old.
    pub fn configured_hooks(&self) -> Result<Vec<ConfiguredHook>, GitError> {
        if !supports_config_hooks(&self.query_git(["--version"])?.stdout_text()) {
            return Ok(Vec::new());
        }
        let output = self.query_git(["config", "-z", "--get-regexp", r"^hook\..*\.(event|command|enabled)$"])?;
        Ok(parse_configured_hooks(&String::from_utf8_lossy(&output.stdout)))
    }
}

/// Whether this git (`git version 2.54.0`) runs hooks from its settings.
fn supports_config_hooks(version: &str) -> bool {
    let numbers = version.trim_start_matches("git version ").split('.');
    let mut numbers = numbers.map_while(|part| part.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (2, 54)
}

/// Parses the output of `git config -z`: key, line break, value, null byte.
fn parse_configured_hooks(output: &str) -> Vec<ConfiguredHook> {
    struct HookEntry<'a> {
        name: &'a str,
        events: Vec<&'a str>,
        command: &'a str,
        enabled: bool,
    }
    let mut entries: Vec<HookEntry<'_>> = Vec::new();
    for setting in output.split('\0') {
        let (key, value) = setting.split_once('\n').unwrap_or((setting, ""));
        let Some((name, setting_name)) = key.strip_prefix("hook.").and_then(|rest| rest.rsplit_once('.')) else {
            continue;
        };
        let at = entries.iter().position(|entry| entry.name == name).unwrap_or_else(|| {
            entries.push(HookEntry { name, events: Vec::new(), command: "", enabled: true });
            entries.len() - 1
        });
        match setting_name {
            // An empty value resets the list, as for git's other lists.
            "event" if value.is_empty() => entries[at].events.clear(),
            "event" => entries[at].events.push(value),
            "command" => entries[at].command = value,
            _ => entries[at].enabled = !matches!(value, "false" | "no" | "off" | "0"),
        }
    }
    let enabled = entries.into_iter().filter(|entry| entry.enabled && !entry.command.is_empty());
    enabled
        .flat_map(|entry| {
            let (name, command) = (entry.name.to_owned(), entry.command.to_owned());
            entry.events.into_iter().map(move |event| ConfiguredHook {
                name: name.clone(),
                event: event.to_owned(),
                command: command.clone(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E11: `hook.NAME.event` and `.command` are read by git 2.54's rules.
    #[test]
    fn settings_name_hooks_as_git_reads_them() {
        let output = "hook.a.b.event\npre-commit\0hook.a.b.command\nlint --all\0hook.a.b.event\npost-commit\0\
            hook.off.event\npre-push\0hook.off.command\nx\0hook.off.enabled\nfalse\0\
            hook.reset.event\npre-push\0hook.reset.event\n\0hook.reset.event\npost-merge\0hook.reset.command\ny\0\
            hook.no-command.event\npre-push\0";
        let found: Vec<String> = parse_configured_hooks(output)
            .into_iter()
            .map(|hook| format!("{} {} {}", hook.name, hook.event, hook.command))
            .collect();
        assert_eq!(found, ["a.b pre-commit lint --all", "a.b post-commit lint --all", "reset post-merge y"]);
    }

    #[test]
    fn only_a_new_git_supports_config_hooks() {
        assert!(
            supports_config_hooks("git version 2.54.0")
                && supports_config_hooks("git version 3.0")
                && supports_config_hooks("git version 2.60.1.windows.1")
        );
        assert!(
            !supports_config_hooks("git version 2.47.3")
                && !supports_config_hooks("git version 2.5")
                && !supports_config_hooks("")
        );
    }
}

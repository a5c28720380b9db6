//! `capture-hook completions`: what the shell reads to complete commands, options, runs, tags and experiments.

use std::ffi::OsStr;

use clap_complete::env::Shells;

use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bash   echo 'source <(capture-hook completions bash)' >> ~/.bashrc
  zsh    echo 'source <(capture-hook completions zsh)' >> ~/.zshrc
  fish   capture-hook completions fish > ~/.config/fish/completions/capture-hook.fish

It also completes runs, tags and experiments of the current repository.")]
pub struct Args {
    /// The shell: bash, elvish, fish, powershell, zsh.
    #[arg(value_name = "SHELL", value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
    shell: String,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let shells = Shells::builtins();
    // Clap accepts only the names above, so this fails only if clap_complete lacks one of them.
    let completer = shells.completer(&args.shell).ok_or_else(|| {
        Error::new(ExitKind::Usage, "unknown_shell", format!("there are no completions for `{}`", args.shell))
    })?;
    let name = (app.command)().get_name().to_owned();
    // Printed whole or not at all, because the shell executes what is printed.
    let mut out = Vec::new();
    completer
        .write_registration(VARIABLE, &name, &name, OsStr::new(&name).to_string_lossy().as_ref(), &mut out)
        .map_err(|e| Error::new(ExitKind::Io, "io", format!("cannot write the completions: {e}")))?;
    if args.shell == "bash" {
        out.extend_from_slice(BASH_COLONS.as_bytes());
    }
    app.ui.print_bytes(&out);
    Ok(CommandOutcome::Done)
}

/// bash takes a colon for the end of a word, so that `latest:nav` would be completed as three words: they are joined, and what
/// stands before the last colon is taken off what is offered, because bash keeps it.
const BASH_COLONS: &str = r#"
_capture_hook_colons() {
    local -a joined=()
    local i at=0 word
    for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
        word=${COMP_WORDS[i]}
        if ((i > 1)) && { [[ $word == :* ]] || [[ ${joined[${#joined[@]} - 1]} == *: ]]; }; then
            joined[${#joined[@]} - 1]+=$word
        else
            joined+=("$word")
        fi
        ((i == COMP_CWORD)) && at=$((${#joined[@]} - 1))
    done
    COMP_WORDS=("${joined[@]}")
    COMP_CWORD=$at
    word=${COMP_WORDS[at]}
    _clap_complete_capture_hook "$1" "$word" "${3-}"
    [[ $word == *:* ]] || return 0
    word=${word%"${word##*:}"}
    for i in "${!COMPREPLY[@]}"; do
        COMPREPLY[i]=${COMPREPLY[i]#"$word"}
    done
}
complete -o nospace -o bashdefault -F _capture_hook_colons capture-hook
"#;

/// The variable by which the shell's script asks for completions.
pub const VARIABLE: &str = "COMPLETE";

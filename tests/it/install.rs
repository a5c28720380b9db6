//! `install.sh`, as a newcomer runs it: an empty HOME, no root, whatever tools the machine has.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::env::{CommandOutput, TestEnv, run_command};

/// The surroundings of a first installation: an empty HOME, and the Rust toolchain that runs these tests.
fn installer(env: &TestEnv, path: &str, args: &[&str]) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = env.command(root.join("install.sh"), ".");
    command.args(args).env("PATH", path);
    for name in ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_TARGET_DIR", "PYENV_ROOT"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    // Where the toolchain and the crates' sources lie by default.
    let home = std::env::var_os("HOME").unwrap_or_default();
    for (name, default) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let default = Path::new(&home).join(default);
        if std::env::var_os(name).is_none() && default.is_dir() {
            command.env(name, default);
        }
    }
    command
}

fn install(env: &TestEnv, args: &[&str]) -> CommandOutput {
    // Whatever this machine has, and the DVC that these tests use.
    let here = std::env::var("PATH").unwrap();
    let path = format!("{}:{here}", crate::tools::dvc_bin().display());
    run_command(&mut installer(env, &path, args))
}

#[test]
fn install_twice_demo_and_uninstall() {
    let env = TestEnv::new();
    let prefix = env.path("prefix");
    let prefix = prefix.to_str().unwrap();

    let first = install(&env, &["--dev", "--prefix", prefix, "--demo"]).ok();
    for file in [
        "bin/capture-hook",
        "share/bash-completion/completions/capture-hook",
        "share/zsh/site-functions/_capture-hook",
        "share/fish/vendor_completions.d/capture-hook.fish",
        "share/man/man1/capture-hook.1",
        "share/man/man1/capture-hook-select.1",
    ] {
        assert!(Path::new(prefix).join(file).is_file(), "{file} is missing\n{}", first.stdout);
    }
    for line in ["found DVC", "Select it, and commit", "capture/demo/run-0001", "Check the first run's tag out"] {
        assert!(first.stdout.contains(line), "no {line:?} in\n{}", first.both());
    }

    let second = install(&env, &["--dev", "--prefix", prefix]).ok();
    assert!(second.stdout.contains("up to date"), "{}", second.stdout);

    install(&env, &["--uninstall", "--prefix", prefix]).ok();
    let left: Vec<_> = crate::env::tree(Path::new(prefix)).into_keys().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn what_is_missing_is_named_with_the_command_to_get_it() {
    let env = TestEnv::new();
    // A machine with the system's basic programs and nothing else.
    let bin = env.path("bin");
    fs::create_dir_all(&bin).unwrap();
    let link = |name: &str| {
        let from = ["/usr/bin", "/bin"].iter().map(|d| Path::new(d).join(name)).find(|p| p.exists()).unwrap();
        std::os::unix::fs::symlink(from, bin.join(name)).unwrap();
    };
    for name in ["sh", "dirname", "id", "cut", "cat"] {
        link(name);
    }
    let told = run_command(&mut installer(&env, bin.to_str().unwrap(), &[])).fails(3);
    assert!(told.stderr.contains("Rust is missing") && told.stderr.contains("hint:"), "{}", told.stderr);
}

#[test]
fn a_wrong_option_is_refused_with_the_usage() {
    let env = TestEnv::new();
    let told = install(&env, &["--prefx", "x"]).fails(2);
    assert!(told.stderr.contains("--prefx") && told.stderr.contains("usage:"), "{}", told.stderr);
}

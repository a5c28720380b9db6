//! `install.sh`, as a newcomer runs it: an empty HOME, no root, whatever tools the machine has.

use std::fs;
use std::path::Path;

use crate::env::{CommandOutput, TestEnv};

/// The surroundings of a first installation: an empty HOME, whatever programs this machine has, the DVC and the Rust
/// toolchain of these tests.
pub fn newcomer() -> TestEnv {
    let mut env = TestEnv::empty();
    // The demo leaves its repository there.
    let temp = env.path("tmp");
    fs::create_dir(&temp).unwrap();
    env.set("TMPDIR", temp.to_str().unwrap());
    let here = std::env::var("PATH").unwrap();
    env.set("PATH", &format!("{}:{here}", crate::tools::dvc_bin().display()));
    for name in ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_TARGET_DIR", "PYENV_ROOT"] {
        if let Ok(value) = std::env::var(name) {
            env.set(name, &value);
        }
    }
    // Where the toolchain and the crates' sources lie by default.
    let home = std::env::var_os("HOME").unwrap_or_default();
    for (name, default) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let default = Path::new(&home).join(default);
        if std::env::var_os(name).is_none() && default.is_dir() {
            env.set(name, default.to_str().unwrap());
        }
    }
    env
}

pub fn install(env: &TestEnv, args: &[&str]) -> CommandOutput {
    env.run_in(".", concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh"), args)
}

#[test]
fn install_twice_and_uninstall() {
    let env = newcomer();
    let prefix = env.path("prefix");
    let prefix = prefix.to_str().unwrap();

    let first = install(&env, &["--dev", "--prefix", prefix]).ok();
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
    assert!(first.stdout.contains("found DVC"), "{}", first.both());

    let second = install(&env, &["--dev", "--prefix", prefix]).ok();
    assert!(second.stdout.contains("up to date"), "{}", second.stdout);

    install(&env, &["--uninstall", "--prefix", prefix]).ok();
    assert!(!Path::new(prefix).exists(), "left: {:?}", crate::env::tree(Path::new(prefix)).keys());
}

#[test]
fn what_is_missing_is_named_with_the_command_to_get_it() {
    let mut env = newcomer();
    // A machine with the system's basic programs and nothing else.
    let bin = env.path("bin");
    fs::create_dir_all(&bin).unwrap();
    let link = |name: &str| {
        let from = ["/usr/bin", "/bin"].iter().map(|d| Path::new(d).join(name)).find(|p| p.exists()).unwrap();
        std::os::unix::fs::symlink(from, bin.join(name)).unwrap();
    };
    for name in ["sh", "dirname", "id", "cut", "cat", "mktemp", "rm"] {
        link(name);
    }
    env.set("PATH", bin.to_str().unwrap());
    let refused = install(&env, &["--build"]).fails(3);
    assert!(refused.stderr.contains("Rust is missing") && refused.stderr.contains("hint:"), "{}", refused.stderr);
}

#[test]
fn a_wrong_option_is_refused_with_the_usage() {
    let refused = install(&newcomer(), &["--prefx", "x"]).fails(2);
    assert!(refused.stderr.contains("--prefx") && refused.stderr.contains("usage:"), "{}", refused.stderr);
    for args in [&["--wheel", "a.whl", "--dev"][..], &["--releases", "http://localhost/"], &["--with", "s3;x"]] {
        let refused = install(&newcomer(), args).fails(3);
        assert!(refused.stderr.contains("error:") && refused.stderr.contains("hint:"), "{}", refused.stderr);
    }
}

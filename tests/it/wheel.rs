//! The wheel, as each installer of Python programs takes it and as `install.sh` does: no Rust, an empty HOME, the command
//! with all that belongs to it, and nothing left after it is removed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::env::{CommandOutput, TestEnv, tree};
use crate::install::{install, newcomer};
use crate::{python, tools};

/// What the wheel puts under the prefix of an installation, beside the module.
const FILES: &[&str] = &[
    "bin/capture-hook",
    "bin/git-merge-capture-hook",
    "share/bash-completion/completions/capture-hook",
    "share/fish/vendor_completions.d/capture-hook.fish",
    "share/man/man1/capture-hook-select.1",
    "share/man/man1/capture-hook.1",
    "share/zsh/site-functions/_capture-hook",
];

#[test]
fn pip_installs_the_command_and_what_belongs_to_it() {
    let env = without_rust();
    env.run_in(".", "python3", ["-m", "venv", "venv"]).ok();
    let pip = env.path("venv/bin/pip");
    let pip = |args: &[&str]| env.run_in(".", pip.to_str().unwrap(), args).ok();
    pip(&["install", "-q", "--no-index", "--no-deps", python::wheel().to_str().unwrap()]);
    for file in FILES {
        assert!(env.path("venv").join(file).is_file(), "{file} is missing");
    }
    let program = env.path("venv/bin/python");
    let module = |args: &[&str]| env.run_in(".", program.to_str().unwrap(), [&["-m", "capture_hook"], args].concat());
    assert_eq!(module(&["--version"]).ok().stdout, format!("capture-hook {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(module(&["show", "--no-such-option"]).fails(2).stdout, "");
    fs::remove_file(env.path("venv/bin/capture-hook")).unwrap();
    assert!(module(&["--version"]).fails(3).stderr.contains("install the wheel again"));
    pip(&["uninstall", "-q", "-y", "capture-hook"]);
    assert_eq!(files_of_ours(&env.path("venv")), [""; 0]);
}

#[test]
fn uv_installs_it_as_a_tool() {
    let env = without_rust();
    let uv = installer("uv");
    let uv = |args: &[&str]| env.run_in(".", &uv, args).ok();
    uv(&["tool", "install", "-q", "--no-cache", "--offline", python::wheel().to_str().unwrap()]);
    for file in ["capture-hook", "git-merge-capture-hook"] {
        assert!(env.path("home/.local/bin").join(file).is_file(), "{file} is missing");
    }
    runs_the_command(&env, "home/.local/bin/capture-hook");
    uv(&["tool", "uninstall", "-q", "capture-hook"]);
    assert_eq!(files_of_ours(&env.path("home")), [""; 0]);
}

#[test]
fn pipx_installs_it_with_its_manual() {
    let env = without_rust();
    let pipx = installer("pipx");
    let pipx = |args: &[&str]| env.run_in(".", &pipx, args).ok();
    pipx(&["install", "-q", python::wheel().to_str().unwrap()]);
    let installed = ["bin/capture-hook", "bin/git-merge-capture-hook", "share/man/man1/capture-hook.1"]
        .map(|file| env.path("home/.local").join(file));
    for file in &installed {
        assert!(file.is_file(), "{} is missing", file.display());
    }
    runs_the_command(&env, "home/.local/bin/capture-hook");
    pipx(&["uninstall", "capture-hook"]);
    assert!(!installed.iter().any(|file| file.is_file()));
}

#[test]
fn install_sh_takes_a_wheel_without_rust_and_shows_the_demo() {
    let env = without_rust();
    let prefix = env.path("home/.local");
    let (prefix, wheel) = (prefix.to_str().unwrap(), python::wheel().to_str().unwrap());
    let shown = install(&env, &["--wheel", wheel, "--demo"]).ok();
    assert!(shown.stdout.contains("all as recorded: 2 runs"), "{}", shown.both());
    assert!(!shown.stdout.contains("Building"), "{}", shown.stdout);
    for file in FILES {
        assert!(Path::new(prefix).join(file).is_file(), "{file} is missing");
    }
    runs_the_command(&env, "home/.local/bin/capture-hook");
    let again = install(&env, &["--wheel", wheel]).ok();
    assert!(again.stdout.contains("up to date"), "{}", again.stdout);
    install(&env, &["--uninstall"]).ok();
    assert!(!env.path("home/.local").exists(), "left: {:?}", tree(&env.path("home")).keys());
}

#[test]
fn a_damaged_wheel_installs_nothing() {
    let env = without_rust();
    let mut bytes = fs::read(python::wheel()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0);
    fs::write(env.path("damaged.whl"), &bytes).unwrap();
    fs::write(env.path("text.whl"), "a page that says 404").unwrap();
    for wheel in ["damaged.whl", "text.whl", "none.whl"] {
        let refused = install(&env, &["--wheel", env.path(wheel).to_str().unwrap()]).fails(3);
        assert!(refused.stderr.contains("error:") && refused.stderr.contains(wheel), "{}", refused.stderr);
        assert!(!env.path("home/.local").exists());
    }
}

/// A clone at the tag of a release takes the wheel of the release page, if it has the checksum that the page says; a clone
/// with other source builds.
#[test]
fn install_sh_takes_the_released_wheel_of_its_own_source_alone() {
    let env = without_rust();
    let page = env.path("releases/v9.9.9");
    fs::create_dir_all(&page).unwrap();
    let name = python::wheel().file_name().unwrap().to_str().unwrap().replace("-linux_", "-manylinux_2_17_");
    fs::copy(python::wheel(), page.join(&name)).unwrap();
    let sum = env.run_in(&page, "sha256sum", [&name]).ok().stdout;
    let other = "0".repeat(64);
    let wheels =
        format!("{other}  capture_hook-9.9.9-cp310-abi3-manylinux_2_17_riscv64.whl\n{sum}{other}  ../{name}\n");
    fs::write(page.join("SHA256SUMS"), &wheels).unwrap();

    fs::create_dir_all(env.path("clone/hooks")).unwrap();
    for file in ["install.sh", "hooks/git-merge-capture-hook"] {
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), env.path("clone").join(file)).unwrap();
    }
    env.git_in("clone", ["init", "-q"]).ok();
    env.git_in("clone", ["add", "-A"]).ok();
    env.git_in("clone", ["commit", "-q", "-m", "9.9.9"]).ok();
    let releases = format!("file://{}", env.path("releases").display());
    let run = |args: &[&str]| -> CommandOutput {
        let args = [&["--releases", &releases], args].concat();
        env.run_in("clone", env.path("clone/install.sh").to_str().unwrap(), args)
    };
    let no_rust = |output: CommandOutput| {
        let output = output.fails(3);
        assert!(
            output.stderr.contains("Rust is missing") && output.stderr.contains("--wheel FILE"),
            "{}",
            output.both()
        );
    };
    no_rust(run(&[]));
    env.git_in("clone", ["tag", "v9.9.9"]).ok();
    no_rust(run(&["--build"]));
    let taken = run(&[]).ok();
    assert!(taken.stdout.contains(&format!("Fetching {name} of release v9.9.9")), "{}", taken.stdout);
    runs_the_command(&env, "home/.local/bin/capture-hook");
    run(&["--uninstall"]).ok();

    fs::write(page.join("SHA256SUMS"), wheels.replace(&sum[..64], &other)).unwrap();
    let refused = run(&[]).fails(3);
    assert!(refused.stderr.contains("another checksum"), "{}", refused.stderr);
    fs::write(page.join("SHA256SUMS"), "").unwrap();
    no_rust(run(&[]));
    fs::write(page.join("SHA256SUMS"), &wheels).unwrap();
    fs::write(env.path("clone/hooks/git-merge-capture-hook"), "#!/bin/sh\n").unwrap();
    no_rust(run(&[]));
    assert!(!env.path("home/.local").exists());
}

/// The surroundings of a first installation on a machine without Rust.
fn without_rust() -> TestEnv {
    let mut env = newcomer();
    let mut dirs = Vec::new();
    for (at, dir) in std::env::split_paths(&env.get("PATH")).enumerate() {
        if !["cargo", "rustc", "rustup"].iter().any(|name| dir.join(name).exists()) {
            dirs.push(dir);
            continue;
        }
        // The other programs of such a directory stay.
        let links = env.path(format!("programs{at}"));
        fs::create_dir(&links).unwrap();
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if !["cargo", "rust"].iter().any(|start| name.to_string_lossy().starts_with(start)) {
                symlink(entry.path(), links.join(name)).unwrap();
            }
        }
        dirs.push(links);
    }
    env.set("PATH", std::env::join_paths(dirs).unwrap().to_str().unwrap());
    for name in ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
        env.unset(name);
    }
    assert!(!env.search_path().any(|dir| dir.join("cargo").exists()));
    env
}

#[track_caller]
fn runs_the_command(env: &TestEnv, path: &str) {
    let shown = env.run_in(".", env.path(path).to_str().unwrap(), ["--version"]).ok();
    assert_eq!(shown.stdout, format!("capture-hook {}\n", env!("CARGO_PKG_VERSION")));
}

/// The files below a directory that can only be of an installation of ours.
fn files_of_ours(dir: &Path) -> Vec<String> {
    let is_ours = |name: &String| name.contains("capture-hook") || name.contains("capture_hook");
    tree(dir).into_keys().filter(is_ours).collect()
}

/// The path of an installer of Python programs.
fn installer(name: &str) -> String {
    let bin: PathBuf = tools::venv("installers", &["pipx==1.18.4", "uv==0.13.9"]);
    bin.join(name).to_str().unwrap().to_owned()
}

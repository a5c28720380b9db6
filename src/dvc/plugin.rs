//! The packages that DVC needs for a kind of remote (`dvc-s3`, …), which are installed separately.
//!
//! Source: `dvc_objects/fs/__init__.py` and `dvc/info.py`.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::dvc::program::{Dvc, ProgramError};
use crate::dvc::settings::DvcRemote;
use crate::support::fs;
use crate::support::platform::leading_numbers;
use crate::support::process::{Cmd, shell_quote};

/// Kinds of addresses and the packages that reach them.
const PACKAGES: &[(&str, &str)] = &[
    ("azure", "dvc-azure"),
    ("gdrive", "dvc-gdrive"),
    ("gs", "dvc-gs"),
    ("hdfs", "dvc-hdfs"),
    ("http", "dvc-http"),
    ("https", "dvc-http"),
    ("oss", "dvc-oss"),
    ("s3", "dvc-s3"),
    ("ssh", "dvc-ssh"),
    ("webdav", "dvc-webdav"),
    ("webdavs", "dvc-webdav"),
    ("webhdfs", "dvc-webhdfs"),
];

/// A package that a remote needs and DVC does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingPlugin {
    /// The package.
    pub package: &'static str,
    /// The command that installs it.
    pub install: String,
}

impl Dvc {
    /// What DVC lacks to reach a remote. It is asked if the address is of a kind that needs a package.
    pub fn missing_plugin(&self, remote: &DvcRemote) -> Result<Option<MissingPlugin>, ProgramError> {
        let Some((scheme, _)) = remote.url.split_once("://") else { return Ok(None) };
        let Some((_, package)) = PACKAGES.iter().find(|(known, _)| *known == scheme) else { return Ok(None) };
        if self.supports_scheme(scheme)? {
            return Ok(None);
        }
        Ok(Some(MissingPlugin { package, install: install_command(self.path(), package) }))
    }

    /// What `dvc version` says of Python (`Platform: Python 3.11.7 on …`), and the packages that DVC has.
    pub fn read_surroundings(&self) -> Result<(Option<String>, Vec<&'static str>), ProgramError> {
        let stdout = self.print_version()?;
        let python = stdout.split_once("Platform: Python ").and_then(|(_, rest)| leading_numbers(rest));
        let mut packages = Vec::new();
        for (scheme, package) in PACKAGES {
            if is_supported(&stdout, scheme) && !packages.contains(package) {
                packages.push(*package);
            }
        }
        Ok((python, packages))
    }

    fn supports_scheme(&self, scheme: &str) -> Result<bool, ProgramError> {
        Ok(is_supported(&self.print_version()?, scheme))
    }

    fn print_version(&self) -> Result<String, ProgramError> {
        // In no project: there it would fail for the very package that is asked for.
        let cmd = Cmd::new(self.path()).arg("version").dir(Path::new("/")).timeout(Duration::from_secs(60));
        Ok(cmd.run_checked(self.env())?.stdout_text())
    }
}

/// Whether what `dvc version` prints names this kind of address.
fn is_supported(stdout: &str, scheme: &str) -> bool {
    // A DVC that prints no such list counts as one that supports nothing.
    let (_, supported) = stdout.split_once("Supports:").unwrap_or_default();
    supported.split([',', '\n']).any(|one| one.split_whitespace().next() == Some(scheme))
}

impl DvcRemote {
    /// The kind of its address: the scheme if DVC has a package for it, `directory` if it has none, else `other`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.url.split_once("://") {
            None => "directory",
            Some((scheme, _)) => {
                PACKAGES.iter().find(|(known, _)| *known == scheme).map_or("other", |(known, _)| known)
            }
        }
    }
}

/// The command that installs a package beside a `dvc` program, by the way that the program was installed.
fn install_command(program: &Path, package: &str) -> String {
    // pipx and uv put links on `PATH`; the package belongs beside the program that they lead to.
    let real = program.canonicalize().unwrap_or_else(|_| program.to_path_buf());
    let bin = script_interpreter(&real).and_then(|python| Some(python.parent()?.to_path_buf()));
    let bin = bin.or_else(|| Some(real.parent()?.to_path_buf())).unwrap_or_default();
    let parts: Vec<&str> = bin.components().filter_map(|part| part.as_os_str().to_str()).collect();
    let below = |above: [&str; 2]| {
        let at = parts.windows(2).position(|pair| pair == above)?;
        parts.get(at + 2).map(shell_quote)
    };
    if let Some(name) = below(["pipx", "venvs"]) {
        return format!("pipx inject {name} {package}");
    }
    if let Some(name) = below(["uv", "tools"]) {
        return format!("uv tool install --with {package} {name}");
    }
    let pip = bin.join("pip");
    if pip.is_file() {
        return format!("{} install {package}", shell_quote(pip));
    }
    match ["python", "python3"].map(|name| bin.join(name)).into_iter().find(|python| python.is_file()) {
        Some(python) => format!("uv pip install --python {} {package}", shell_quote(python)),
        None => format!("pip install {package}"),
    }
}

/// The interpreter that a script names.
fn script_interpreter(script: &Path) -> Option<PathBuf> {
    // 1 MiB: pip's scripts are far smaller, and a larger file is a binary without a `#!` line.
    const LINE: u64 = 1 << 20;
    let bytes = fs::read_within(script, LINE).ok()??;
    let line = bytes.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let path = PathBuf::from(std::str::from_utf8(line).ok()?.split_whitespace().next()?);
    // `env` looks for one on PATH.
    let is_python = path.file_name()?.to_str()?.starts_with("python");
    (is_python && path.components().next() == Some(Component::RootDir)).then_some(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// W10: The command that is named installs a package the way DVC was installed: pipx, uv, pip.
    #[test]
    fn a_plugin_is_installed_the_same_way_as_dvc() {
        let dir = tempfile::tempdir().unwrap();
        let command_in = |bin: &str, files: &[&str]| {
            let bin = dir.path().join(bin);
            std::fs::create_dir_all(&bin).unwrap();
            for file in files {
                std::fs::write(bin.join(file), "").unwrap();
            }
            install_command(&bin.join("dvc"), "dvc-s3")
        };
        assert_eq!(command_in("pipx/venvs/dvc/bin", &["dvc", "python"]), "pipx inject dvc dvc-s3");
        assert_eq!(command_in("uv/tools/dvc/bin", &["dvc", "python"]), "uv tool install --with dvc-s3 dvc");
        let pip = command_in("a b/bin", &["dvc", "python", "pip"]);
        assert!(pip.starts_with('\'') && pip.ends_with("/a b/bin/pip' install dvc-s3"), "{pip}");
        let uv = command_in("venv/bin", &["dvc", "python"]);
        assert!(uv.starts_with("uv pip install --python /") && uv.ends_with("/venv/bin/python dvc-s3"), "{uv}");
        assert_eq!(command_in("bin", &["dvc"]), "pip install dvc-s3");
        // A script elsewhere that names its interpreter.
        let script = dir.path().join("bin/dvc");
        std::fs::write(&script, format!("#!{}/venv/bin/python -E\n", dir.path().display())).unwrap();
        assert_eq!(install_command(&script, "dvc-s3"), uv);
    }
}

//! `core.autostage` switched off while we call DVC.
//!
//! With it on, DVC stages what it wrote at the end of every command; inside a hook git holds the index, and DVC dies on
//! `index.lock` with the work done and the exit code 255. DVC has no flag or variable for it: only `.dvc/config.local`
//! overrides the project's config. So where the setting is on, that file says `false` for the length of the call and
//! is put back byte for byte afterwards.

use std::path::{Path, PathBuf};

use super::ini::{self, Setting};
use super::settings::{Settings, SettingsError};
use crate::support::env::Env;
use crate::support::fs;

/// Puts `.dvc/config.local` back when dropped.
pub struct AutostageOff {
    put_back: Option<(PathBuf, Option<Vec<u8>>)>,
}

impl AutostageOff {
    /// Switches the setting off where it is on.
    pub fn for_project(root: &Path, env: &Env) -> Result<Self, SettingsError> {
        if !Settings::read(root, env)?.autostage {
            return Ok(Self { put_back: None });
        }
        let path = root.join(".dvc").join("config.local");
        let before = fs::read_optional(&path)?;
        let text = String::from_utf8_lossy(before.as_deref().unwrap_or_default()).into_owned();
        let mut settings = ini::parse(&text).map_err(|error| SettingsError::Syntax { path: path.clone(), error })?;
        settings.retain(|s| (s.section.as_str(), s.key.as_str()) != ("core", "autostage"));
        settings.push(Setting { section: "core".into(), key: "autostage".into(), values: vec!["false".into()] });
        fs::write_atomic(&path, ini::write(&settings).as_bytes())?;
        Ok(Self { put_back: Some((path, before)) })
    }
}

impl Drop for AutostageOff {
    fn drop(&mut self) {
        // Nothing better can be done about a failure here; the next call tries again from the file as it is.
        match self.put_back.take() {
            Some((path, Some(before))) => drop(fs::write_atomic(&path, &before)),
            Some((path, None)) => drop(fs::remove_all(&path)),
            None => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn off_for_the_call_and_then_as_before() {
        for local in [None, Some("# mine\n['remote \"s\"']\n    password = 'a\"#b'\n[core]\nautostage=true\n")] {
            let dir = tempfile::tempdir().unwrap();
            let env = Env::from_vars([("HOME", "/nonexistent"), ("DVC_SYSTEM_CONFIG_DIR", "/nonexistent")]);
            std::fs::create_dir(dir.path().join(".dvc")).unwrap();
            std::fs::write(dir.path().join(".dvc/config"), "[core]\n    autostage = true\n").unwrap();
            let path = dir.path().join(".dvc/config.local");
            if let Some(local) = local {
                std::fs::write(&path, local).unwrap();
            }
            let off = AutostageOff::for_project(dir.path(), &env).unwrap();
            assert!(!Settings::read(dir.path(), &env).unwrap().autostage);
            if local.is_some() {
                let now = std::fs::read_to_string(&path).unwrap();
                assert!(now.contains("a\"#b"), "{now}");
            }
            drop(off);
            assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), local);
        }
    }
}

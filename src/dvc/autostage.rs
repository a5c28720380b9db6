//! `core.autostage`, switched off while we call DVC.
//!
//! With autostage, DVC stages what it wrote at the end of every command. Inside a hook git holds the index, so DVC
//! would fail on `index.lock` after its work is done, with exit code 255. DVC has no flag or variable for it; only
//! `.dvc/config.local` overrides the project's config. So if the setting is on, that file says `false` during the
//! call, and is restored byte for byte afterwards, or by the next call if we were killed.

use std::io::Write;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use crate::dvc::settings::{DvcSettings, SettingsError};
use crate::formats::ini;
use crate::formats::ini::IniSetting;
use crate::support::aside::{TEMP_PREFIX, project_temp_dir};
use crate::support::beneath::RootDir;
use crate::support::env::Env;
use crate::support::fs::{At, FsError};
use crate::support::{fs, limits};

/// The file that overrides, relative to the project's root.
const LOCAL_CONFIG: &str = ".dvc/config.local";

/// Puts `.dvc/config.local` back when dropped.
pub struct AutostageOff {
    backup: Option<(PathBuf, PathBuf)>,
}

impl AutostageOff {
    /// Switches the setting off if it is on.
    pub fn for_project(root: &Path, env: &Env) -> Result<Self, SettingsError> {
        let (files, path) = (RootDir::new(root), root.join(LOCAL_CONFIG));
        let backup = backup_path(root)?;
        // Left by a call that was killed. The file is restored only if no one has changed it since.
        if let Some(before) = fs::read_within(&backup, limits::TEXT)? {
            if files.read(LOCAL_CONFIG, limits::TEXT)? == Some(switched_off(&path, &before)?) {
                restore_backup(files, &before)?;
            }
            fs::remove_all(&backup)?;
        }
        if !DvcSettings::read(root, env)?.autostage {
            return Ok(Self { backup: None });
        }
        let before = files.read(LOCAL_CONFIG, limits::TEXT)?.unwrap_or_default();
        let off = switched_off(&path, &before)?;
        // The backup must be on the disk before the file changes: after a crash the next call restores the file from
        // it.
        write_backup(&backup, &before)?;
        files.write_atomic(LOCAL_CONFIG, &off)?;
        Ok(Self { backup: Some((root.to_path_buf(), backup)) })
    }
}

/// Where the file's bytes are kept meanwhile. One directory may serve several projects.
fn backup_path(root: &Path) -> Result<PathBuf, FsError> {
    // One backup for each DVC project, because several of them can share a git directory.
    let digest = Md5::digest(root.as_os_str().as_encoded_bytes());
    let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(project_temp_dir(root)?.join(format!("config.local-{name}")))
}

/// The file's text with the setting off.
fn switched_off(path: &Path, text: &[u8]) -> Result<Vec<u8>, SettingsError> {
    let mut settings = ini::parse(text).map_err(|error| SettingsError::Syntax { path: path.to_path_buf(), error })?;
    settings.retain(|s| (s.section.as_str(), s.key.as_str()) != ("core", "autostage"));
    settings.push(IniSetting { section: "core".into(), key: "autostage".into(), values: vec!["false".into()] });
    Ok(ini::write_settings(&settings).into_bytes())
}

/// Keeps the file's bytes for the owner's eyes alone: there may be passwords in them.
fn write_backup(backup: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let dir = backup.parent().unwrap_or(Path::new("."));
    let mut temp = fs::create_temp_file(dir, TEMP_PREFIX, "")?;
    temp.write_all(bytes).at("write", backup)?;
    temp.persist(backup).map_err(|e| e.error).at("replace", backup)?;
    Ok(())
}

/// The file as it was; one that was empty says as much as none.
fn restore_backup(files: RootDir<'_>, before: &[u8]) -> Result<(), FsError> {
    // An empty backup stands for "there was no file".
    if before.is_empty() { files.remove_all(LOCAL_CONFIG) } else { files.write_atomic(LOCAL_CONFIG, before) }
}

impl Drop for AutostageOff {
    fn drop(&mut self) {
        // Nothing better can be done about a failure here; the next call tries again from the file as it is.
        if let Some((root, backup)) = self.backup.take()
            && let Ok(Some(before)) = fs::read_within(&backup, limits::TEXT)
            && restore_backup(RootDir::new(&root), &before).is_ok()
        {
            // A backup that stays is removed by the next call, which finds the file restored.
            let _ = fs::remove_all(&backup);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// E10: `core.autostage` is off during a call of DVC's, and `.dvc/config.local` is as before afterwards.
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
            let guard = AutostageOff::for_project(dir.path(), &env).unwrap();
            assert!(!DvcSettings::read(dir.path(), &env).unwrap().autostage);
            if local.is_some() {
                let now = std::fs::read_to_string(&path).unwrap();
                assert!(now.contains("a\"#b"), "{now}");
            }
            drop(guard);
            assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), local);
            // Killed, the next call puts it back.
            std::mem::forget(AutostageOff::for_project(dir.path(), &env).unwrap());
            assert!(!DvcSettings::read(dir.path(), &env).unwrap().autostage);
            drop(AutostageOff::for_project(dir.path(), &env).unwrap());
            assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), local);
            assert!(std::fs::read_dir(dir.path().join(".dvc/tmp")).unwrap().next().is_none());
        }
    }
}

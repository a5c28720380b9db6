//! A temporary DVC project for fetching and pushing data versions that are not checked out.
//!
//! DVC's `push` and `fetch` work on what the workspace's files name, but a push can need older commits, and a fetch
//! any version. So a project is made among our temporary files (`support::aside`) with the same settings (paths made
//! absolute: cache, remotes, key files), without git, and with one `.dvc` file per version. It is removed on drop.

use std::path::{Path, PathBuf};

use crate::dvc::hash::{DataVersion, DvcHash};
use crate::dvc::settings::{DvcSettings, SettingsError};
use crate::formats::ini;
use crate::formats::ini::IniSetting;
use crate::support::aside::{TEMP_PREFIX, project_temp_dir};
use crate::support::beneath::RootDir;
use crate::support::fs::FsError;
use crate::support::{fs, limits};

/// The settings that hold paths relative to the config file (source: `_map_dirs` in `dvc/config.py`).
const PATH_KEYS: &[&str] = &[
    "url",
    "gdrive_user_credentials_file",
    "gdrive_service_account_json_file_path",
    "credentialpath",
    "configpath",
    "keyfile",
    "cert_path",
    "key_path",
];

/// The temporary project.
#[derive(Debug)]
pub struct TempDvcProject {
    dir: fs::TempDir,
}

impl TempDvcProject {
    /// A project with the settings of the one at `root`: its cache, its remotes, the remote of its dataset.
    pub fn new(root: &Path, effective: &DvcSettings) -> Result<Self, SettingsError> {
        let parent = project_temp_dir(root)?;
        remove_stale(&parent);
        let dir = fs::create_temp_dir(&parent, PREFIX)?;
        let dvc_dir = dir.path().join(".dvc");
        fs::create_dir_all(&dvc_dir)?;
        for name in ["config", "config.local"] {
            let Some(mut settings) = read_anchored_settings(root, name)? else { continue };
            let is_overridden = |s: &IniSetting| {
                // Autostage has no git to act on here; the other three are set below.
                let is_overridden = [("core", "no_scm"), ("core", "autostage"), ("core", "remote"), ("cache", "dir")];
                is_overridden.contains(&(s.section.as_str(), s.key.as_str()))
            };
            settings.retain(|s| !is_overridden(s));
            fs::write_atomic(&dvc_dir.join(name), ini::write_settings(&settings).as_bytes())?;
        }
        let setting = |section: &str, key: &str, value: &str| IniSetting {
            section: section.into(),
            key: key.into(),
            values: vec![value.into()],
        };
        // Into this file, because DVC lets it override `config`.
        let local = dvc_dir.join("config.local");
        let text = fs::read_optional(&local)?.unwrap_or_default();
        let mut settings = ini::parse(&text).map_err(|error| SettingsError::Syntax { path: local.clone(), error })?;
        settings.push(setting("core", "no_scm", "true"));
        settings.push(setting("cache", "dir", &effective.cache_dir.to_string_lossy()));
        if let Some(remote) = &effective.default_remote_name {
            settings.push(setting("core", "remote", remote));
        }
        fs::write_atomic(&local, ini::write_settings(&settings).as_bytes())?;
        Ok(Self { dir })
    }

    /// The project's root.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Tracks a data version, as the directory of this name in the project.
    pub fn add_version(&self, version: DataVersion) -> Result<String, FsError> {
        let name = format!("v-{}", version.hash());
        self.add_output(&name, &version.to_string())?;
        Ok(name)
    }

    /// Tracks a file, under this name in the project.
    pub fn add_file(&self, name: &str, hash: DvcHash) -> Result<(), FsError> {
        self.add_output(name, &hash.to_string())
    }

    fn add_output(&self, name: &str, md5: &str) -> Result<(), FsError> {
        let text = format!("outs:\n- md5: {md5}\n  hash: md5\n  path: {name}\n");
        fs::write_atomic(&self.root().join(format!("{name}.dvc")), text.as_bytes())
    }
}

/// The settings of one of a project's files, `config` or `config.local`, the paths of its remotes made absolute; `None`
/// if there is no such file.
pub fn read_anchored_settings(root: &Path, name: &str) -> Result<Option<Vec<IniSetting>>, SettingsError> {
    let dir = root.join(".dvc");
    let Some(bytes) = RootDir::new(root).read(Path::new(".dvc").join(name), limits::TEXT)? else { return Ok(None) };
    let mut settings = ini::parse(&bytes).map_err(|error| SettingsError::Syntax { path: dir.join(name), error })?;
    for setting in &mut settings {
        if setting.name_in_section("remote").is_some() && PATH_KEYS.contains(&setting.key.as_str()) {
            for value in &mut setting.values {
                *value = absolute_value(&dir, value);
            }
        }
    }
    Ok(Some(settings))
}

const PREFIX: &str = "capture-hook-scratch-";

/// A value that DVC would read relative to the config's directory, made absolute. Addresses and `~` stay.
fn absolute_value(dir: &Path, value: &str) -> String {
    let address =
        value.find("://").is_some_and(|at| value[..at].chars().all(|c| c.is_alphanumeric() || "_+".contains(c)));
    if address || value.starts_with('~') || Path::new(value).is_absolute() {
        return value.to_owned();
    }
    dir.join(value).to_string_lossy().into_owned()
}

/// Removes what a killed process left behind more than a day ago.
fn remove_stale(parent: &Path) {
    // One day: a fetch or push that is still running is hardly older.
    let old = std::time::Duration::from_secs(24 * 60 * 60);
    let stale: Vec<PathBuf> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            [TEMP_PREFIX, "capture-hook-"].iter().any(|prefix| name.starts_with(prefix))
        })
        .filter(|entry| {
            let time = entry.metadata().and_then(|meta| meta.modified());
            // A time in the future (the clock was changed) says nothing about the age: the entry stays.
            time.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > old))
        })
        .map(|entry| entry.path())
        .collect();
    for path in stale {
        // Another process may have been quicker.
        let _ = fs::remove_all(&path);
    }
}

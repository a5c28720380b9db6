//! DVC's settings for one project: `.dvc/config`, and the files that it overrides or that override it.
//!
//! Source: `dvc/config.py` and `dvc/config_schema.py`. The later one wins: the system's file, the user's, the
//! project's `.dvc/config`, its `.dvc/config.local`. Paths are relative to the file that holds them. Settings that we
//! do not treat as DVC does are in [`DvcSettings::unsupported`]; then DVC must be called instead.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::ExitKind::Setup;
use crate::error::{Explain, Explanation};
use crate::formats::ini;
use crate::formats::ini::{IniError, IniSetting};
use crate::support::beneath::RootDir;
use crate::support::env::Env;
use crate::support::fs::FsError;
use crate::support::off_limits::OffLimits;
use crate::support::path::normalize_path;
use crate::support::{fs, limits};

/// How a file in the workspace is tied to its bytes in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// A copy that shares blocks, on file systems that can.
    Reflink,
    /// The same file under two names.
    Hardlink,
    /// A symbolic link into the cache.
    Symlink,
    /// A copy.
    Copy,
}

impl LinkType {
    /// Its name in DVC's settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reflink => "reflink",
            Self::Hardlink => "hardlink",
            Self::Symlink => "symlink",
            Self::Copy => "copy",
        }
    }
}

/// A DVC remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DvcRemote {
    /// Its name.
    pub name: String,
    /// Its address as written.
    pub url: String,
    /// The directory, if the remote is one on this machine and laid out as a cache is.
    pub dir: Option<PathBuf>,
}

/// DVC's settings, as they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DvcSettings {
    /// The cache's directory, absolute.
    pub cache_dir: PathBuf,
    /// The link types to try, in order.
    pub link_types: Vec<LinkType>,
    /// Whether the cache is shared by a group: its files are writable by the group.
    pub shared: bool,
    /// The remote that `dvc push` uses.
    pub default_remote_name: Option<String>,
    /// Every remote.
    pub remotes: BTreeMap<String, DvcRemote>,
    /// Whether DVC stages what it writes.
    pub autostage: bool,
    /// Whether DVC is to work without git (`core.no_scm`).
    pub no_scm: bool,
    /// Whether DVC locks by hard links.
    pub hardlink_lock: bool,
    /// Whether git tracks files of the cache: then others put its objects there, with modes of their choice.
    pub cache_is_tracked: bool,
    /// What is set that only DVC does right, in words.
    pub unsupported: Vec<String>,
    /// Settings of files that git tracks by which a remote's client may run a program, read a file or ask a question
    /// ([`TRUSTED_KEYS`] are the others): nothing is fetched unasked with such.
    pub untrusted: Vec<UntrustedSetting>,
}

/// A setting that comes from the repository, and with which nothing is fetched unless its user asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UntrustedSetting {
    /// The file, as the project names it: `.dvc/config`.
    pub file: &'static str,
    /// The setting: `configpath of remote "storage"`.
    pub setting: String,
}

impl std::fmt::Display for UntrustedSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the tracked {} sets {}", self.file, self.setting)
    }
}

/// The settings of a remote that are values and nothing more. Every other one names a program or a file (`configpath`,
/// whose file may hold a `credential_process`; `bearer_token_command`; `keyfile`; Google's `…_credentials_file`, from
/// which a Python class is made), asks a question (`ask_password`), or is not known here. Source:
/// `dvc/config_schema.py`.
const TRUSTED_KEYS: &[&str] = &[
    "access_key_id",
    "account_key",
    "account_name",
    "acl",
    "allow_agent",
    "allow_anonymous_login",
    "auth",
    "cache_regions",
    "checksum_jobs",
    "client_id",
    "client_secret",
    "connect_timeout",
    "connection_string",
    "connection_timeout",
    "custom_auth_header",
    "data_proxy_target",
    "endpointurl",
    "exclude_environment_credential",
    "exclude_managed_identity_credential",
    "exclude_shared_token_cache_credential",
    "exclude_visual_studio_code_credential",
    "gdrive_acknowledge_abuse",
    "gdrive_client_id",
    "gdrive_client_secret",
    "gdrive_service_account_user_email",
    "gdrive_trash_only",
    "gdrive_use_service_account",
    "grant_full_control",
    "grant_read",
    "grant_read_acp",
    "grant_write_acp",
    "gss_auth",
    "jobs",
    "kerberos",
    "kerberos_principal",
    "listobjects",
    "max_sessions",
    "method",
    "no_traverse",
    "oss_endpoint",
    "oss_key_id",
    "oss_key_secret",
    "passphrase",
    "password",
    "port",
    "profile",
    "projectname",
    "protected",
    "proxy_to",
    "read_timeout",
    "region",
    "replication",
    "sas_token",
    "secret_access_key",
    "session_token",
    "shared",
    "slow_link_warning",
    "sse",
    "sse_customer_algorithm",
    "sse_customer_key",
    "sse_kms_key_id",
    "tenant_id",
    "timeout",
    "token",
    "type",
    "url",
    "use_https",
    "use_ssl",
    "user",
    "verify",
    "version_aware",
    "worktree",
];
/// The settings of a remote that are a bool, and harmless so: `ssl_verify` may be a file's path instead, and the others
/// ask if they are true.
const TRUSTED_VALUES: &[(&str, &[&str])] =
    &[("ssl_verify", &["true", "false"]), ("ask_password", &["false"]), ("ask_passphrase", &["false"])];

/// Settings that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Input or output.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A line that is not understood.
    #[error("{}:{}: {}", path.display(), error.line, error.message)]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        error: IniError,
    },
}

impl Explain for SettingsError {
    fn explain(&self) -> Explanation {
        let explanation = match self {
            Self::Fs(error) => error.explain(),
            Self::Syntax { .. } => Setup.code("invalid_dvc_config"),
        };
        Explanation { hints: vec!["see which file sets it: `dvc config --list --show-origin`".into()], ..explanation }
    }
}

impl DvcSettings {
    /// Reads the settings of the project at `root` (the directory that holds `.dvc`), which must be absolute. Both of
    /// its files are taken for a stranger's.
    pub fn read(root: &Path, env: &Env) -> Result<Self, SettingsError> {
        Self::read_trusting(root, env, || false)
    }

    /// The same of `.dvc/config` alone, without the user's and the system's settings and `.dvc/config.local`.
    pub fn read_tracked(root: &Path, env: &Env) -> Result<Self, SettingsError> {
        let mut settings = Self::with_defaults(root);
        let path = root.join(".dvc/config");
        if let Some(bytes) = RootDir::new(root).read(".dvc/config", limits::TEXT)? {
            settings.apply_layer(&path, &read_lines(&path, &bytes)?, env);
        }
        Ok(settings)
    }

    fn with_defaults(root: &Path) -> Self {
        Self {
            cache_dir: root.join(".dvc/cache"),
            // DVC's default for `cache.type`.
            link_types: vec![LinkType::Reflink, LinkType::Copy],
            shared: false,
            default_remote_name: None,
            remotes: BTreeMap::new(),
            autostage: false,
            no_scm: false,
            hardlink_lock: false,
            cache_is_tracked: false,
            unsupported: Vec::new(),
            untrusted: Vec::new(),
        }
    }

    /// The same; `.dvc/config.local` is the user's own if `own_local` says so. It is asked only if that matters.
    pub fn read_trusting(root: &Path, env: &Env, own_local: impl Fn() -> bool) -> Result<Self, SettingsError> {
        let dvc_dir = root.join(".dvc");
        let mut settings = Self::with_defaults(root);
        for dir in [system_dir(env), global_dir(env)].into_iter().flatten() {
            let path = dir.join("config");
            if let Some(bytes) = fs::read_within(&path, limits::TEXT)? {
                settings.apply_layer(&path, &read_lines(&path, &bytes)?, env);
            }
        }
        for (name, file) in [("config", ".dvc/config"), ("config.local", ".dvc/config.local")] {
            let path = dvc_dir.join(name);
            if let Some(bytes) = RootDir::new(root).read(file, limits::TEXT)? {
                let lines = read_lines(&path, &bytes)?;
                settings.apply_layer(&path, &lines, env);
                let mut untrusted = lines.iter().filter_map(untrusted_setting).peekable();
                // `own_local` asks git whether it tracks the file, which costs time, so it is called last.
                let is_own = untrusted.peek().is_some() && name == "config.local" && own_local();
                if !is_own {
                    settings.untrusted.extend(untrusted.map(|setting| UntrustedSetting { file, setting }));
                }
            }
        }
        Ok(settings)
    }

    /// Git tracks files of the cache: its objects are copied, whatever the settings say, so that no file of the
    /// workspace is one that git put into the cache.
    pub fn distrust_cache(&mut self) {
        self.cache_is_tracked = true;
        // A link would let the workspace execute or change what a stranger committed to the cache.
        self.link_types = vec![LinkType::Copy];
    }

    /// The directories in which data would be taken for DVC's own objects.
    #[must_use]
    pub fn off_limits(&self) -> Vec<OffLimits> {
        let remotes = self.remotes.values().filter_map(|remote| remote.dir.clone());
        let mut found: Vec<OffLimits> = remotes.map(|dir| OffLimits { dir, what: "a remote of DVC's" }).collect();
        found.push(OffLimits { dir: self.cache_dir.clone(), what: "DVC's cache" });
        found
    }

    /// The default remote; without a setting, none (DVC does not guess either).
    #[must_use]
    pub fn default_remote(&self) -> Option<&DvcRemote> {
        self.remotes.get(self.default_remote_name.as_ref()?)
    }

    fn apply_layer(&mut self, path: &Path, lines: &[IniSetting], env: &Env) {
        let dir = path.parent().unwrap_or(Path::new("/"));
        for line in lines {
            let (value, is_true) = (line.joined_values(), line.joined_values().eq_ignore_ascii_case("true"));
            if let Some(name) = line.name_in_section("remote") {
                self.set_remote(name, &line.key, &value, |url| local_path(dir, url, env));
                continue;
            }
            match (line.section.as_str(), line.key.as_str()) {
                // DVC lower-cases the names of remotes.
                ("core", "remote") => self.default_remote_name = Some(value.to_lowercase()),
                ("core", "autostage") => self.autostage = is_true,
                ("core", "no_scm") => self.no_scm = is_true,
                ("core", "hardlink_lock") => self.hardlink_lock = is_true,
                ("cache", "dir") => match local_path(dir, &value, env) {
                    Some(path) => self.cache_dir = path,
                    None => self.unsupported.push(format!("cache.dir is `{value}`")),
                },
                ("cache", "type") => self.set_link_types(&value),
                ("cache", "shared") => self.shared = value.eq_ignore_ascii_case("group"),
                ("cache", "local") => self.unsupported.push("cache.local is set".into()),
                // Everything else is about transfers, Python or the terminal.
                _ => {}
            }
        }
    }

    fn set_link_types(&mut self, value: &str) {
        let mut types = Vec::new();
        for name in value.split(',').map(str::trim).filter(|n| !n.is_empty()) {
            match name {
                "reflink" => types.push(LinkType::Reflink),
                "hardlink" => types.push(LinkType::Hardlink),
                "symlink" => types.push(LinkType::Symlink),
                "copy" => types.push(LinkType::Copy),
                _ => self.unsupported.push(format!("cache.type holds `{name}`")),
            }
        }
        if !types.is_empty() {
            self.link_types = types;
        }
    }

    fn set_remote(&mut self, name: &str, key: &str, value: &str, path: impl Fn(&str) -> Option<PathBuf>) {
        let remote = self.remotes.entry(name.to_owned()).or_insert_with(|| DvcRemote {
            name: name.to_owned(),
            url: String::new(),
            dir: None,
        });
        match key {
            "url" => {
                remote.url = value.to_owned();
                remote.dir = path(value);
            }
            // Such a remote holds files under their own names.
            "worktree" | "version_aware" if value.eq_ignore_ascii_case("true") => {
                remote.dir = None;
                self.unsupported.push(format!("remote `{name}` has {key}"));
            }
            _ => {}
        }
    }
}

fn read_lines(path: &Path, bytes: &[u8]) -> Result<Vec<IniSetting>, SettingsError> {
    ini::parse(bytes).map_err(|error| SettingsError::Syntax { path: path.to_path_buf(), error })
}

/// A setting that is not harmless, in words.
fn untrusted_setting(line: &IniSetting) -> Option<String> {
    let key = line.key.as_str();
    if line.section == "core" && key == "site_cache_dir" {
        // DVC unpickles what it finds there.
        return Some("core.site_cache_dir".into());
    }
    let value = line.joined_values().to_lowercase();
    let of_another = |home: &str| !home.is_empty() && !home.starts_with('/');
    let address = || value.contains("://") || value.strip_prefix('~').is_some_and(of_another);
    if line.section == "cache" && key == "dir" && address() {
        // Only DVC knows where that is, so that git may track the objects in it.
        return Some("cache.dir to an address".into());
    }
    let remote = line.name_in_section("remote")?;
    let harmless = TRUSTED_KEYS.contains(&key)
        || TRUSTED_VALUES.iter().any(|(name, values)| *name == key && values.contains(&value.as_str()));
    // A key that is not on the list counts as dangerous, so a key of a newer DVC is safe, too.
    (!harmless).then(|| format!("{key} of remote `{remote}`"))
}

/// A path as DVC resolves it; `None` for a URL.
fn local_path(dir: &Path, value: &str, env: &Env) -> Option<PathBuf> {
    if let Some(at) = value.find("://")
        && at > 0
        && value[..at].chars().all(|c| c.is_alphanumeric() || c == '_')
    {
        return None;
    }
    let path = match value.strip_prefix('~') {
        Some("") => env.home_dir()?,
        Some(rest) if rest.starts_with('/') => env.home_dir()?.join(rest.trim_start_matches('/')),
        // Another user's home.
        Some(_) => return None,
        None => dir.join(value),
    };
    Some(normalize_path(&path))
}

fn system_dir(env: &Env) -> Option<PathBuf> {
    if let Some(dir) = env.get("DVC_SYSTEM_CONFIG_DIR") {
        return Some(dir.into());
    }
    if cfg!(target_os = "macos") {
        return Some("/Library/Application Support/dvc".into());
    }
    // platformdirs, which DVC uses, takes only the first of several directories.
    let dirs = env.get("XDG_CONFIG_DIRS").and_then(|dirs| std::env::split_paths(dirs).next());
    Some(dirs.unwrap_or_else(|| "/etc/xdg".into()).join("dvc"))
}

fn global_dir(env: &Env) -> Option<PathBuf> {
    if let Some(dir) = env.get("DVC_GLOBAL_CONFIG_DIR") {
        return Some(dir.into());
    }
    if cfg!(target_os = "macos") {
        return Some(env.home_dir()?.join("Library/Application Support/dvc"));
    }
    let dir = env.get("XDG_CONFIG_HOME").map(PathBuf::from).filter(|d| d.is_absolute());
    Some(dir.or_else(|| Some(env.home_dir()?.join(".config")))?.join("dvc"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

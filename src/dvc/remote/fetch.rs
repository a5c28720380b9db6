//! Fetches a data version's file list: from the cache, a directory remote, or a remote that only DVC can read.
//!
//! `dvc fetch` would fetch every file of the version. Here only the `.dir` object is fetched: copied from a directory
//! remote, else by `dvc get-url remote://…`, which uses the project's settings and credentials.

use crate::dvc::absent::AbsentRemote;
use crate::dvc::cache::{Cache, CacheError};
use crate::dvc::file_list::FileList;
use crate::dvc::hash::DataVersion;
use crate::dvc::program::ProgramError;
use crate::dvc::project::DvcProject;
use crate::dvc::reason::describe_failure;
use crate::dvc::remote::missing::ADD_REMOTE_HINT;
use crate::dvc::settings::UntrustedSetting;
use crate::error::ExitKind::{CheckFailed, Setup};
use crate::error::{Explain, Explanation};
use crate::support::aside::project_temp_dir;
use crate::support::fs::FsError;
use crate::support::{fs, limits};

/// A data version whose file list cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No place is known to look at.
    #[error("the file list of data version {0} is not in the cache, and no DVC remote is set")]
    NoRemote(DataVersion),
    /// It is not on the remote either.
    #[error("the file list of data version {version} is neither in the cache nor on the remote `{remote}`")]
    NotOnRemote {
        /// Which.
        version: DataVersion,
        /// The places that were searched.
        remote: String,
    },
    /// The remote's directory does not exist.
    #[error("the cache lacks files of data version {version}, and {absent}")]
    RemoteAbsent {
        /// Which.
        version: DataVersion,
        /// What does not exist.
        absent: AbsentRemote,
    },
    /// The user did not ask, and the repository's own settings choose how its remote is reached.
    #[error(
        "the file list of data version {version} is not in the cache; {untrusted}, so it is fetched only when you ask"
    )]
    Unconfirmed {
        /// Which.
        version: DataVersion,
        /// The setting.
        untrusted: UntrustedSetting,
    },
    /// DVC could not get it.
    #[error("the file list of data version {version} is not in the cache, and DVC did not fetch it")]
    Program {
        /// Which.
        version: DataVersion,
        /// DVC's message.
        source: ProgramError,
    },
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Input or output.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Explain for FetchError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoRemote(_) => Setup.code("no_dvc_remote").hint(ADD_REMOTE_HINT),
            Self::NotOnRemote { .. } => {
                CheckFailed.code("data_not_on_remote").hint("push it from the clone that has it: `capture-hook push`")
            }
            Self::RemoteAbsent { absent, .. } => Setup.code("remote_absent").hints(absent.hints().into_iter().take(1)),
            Self::Unconfirmed { .. } => {
                Setup.code("data_not_fetched").hint("review .dvc/config, then run `capture-hook pull`")
            }
            Self::Program { source, .. } => source.explain(),
            Self::Cache(error) => error.explain(),
            Self::Fs(error) => error.explain(),
        }
    }
}

impl FetchError {
    /// Why the list cannot be fetched, in a line, with DVC's own reason.
    #[must_use]
    pub fn describe_with_cause(&self) -> String {
        match self {
            Self::Program { source: ProgramError::Process(cause), .. } => {
                format!("{self}: {}", describe_failure(cause))
            }
            _ => self.to_string(),
        }
    }
}

impl DvcProject<'_> {
    /// The same as [`DvcProject::read_file_list`], for a caller that was not asked to fetch anything: DVC is not called
    /// if the repository's own settings choose what its remote's client does.
    pub fn read_file_list_unasked(&self, version: DataVersion) -> Result<FileList, FetchError> {
        let by_dvc = self.settings().default_remote().is_some_and(|remote| remote.dir.is_none());
        match self.settings().untrusted.first().filter(|_| by_dvc && !self.cache().has_file_list(version)) {
            Some(setting) => Err(FetchError::Unconfirmed { version, untrusted: setting.clone() }),
            None => self.read_file_list(version),
        }
    }

    /// The file list of a data version; what is fetched stays in the cache.
    pub fn read_file_list(&self, version: DataVersion) -> Result<FileList, FetchError> {
        self.fetch_file_list(version)?;
        match self.cache().read_file_list(version)? {
            Some(file_list) => Ok(file_list),
            // Taken away by another process, just now.
            None => Err(FetchError::NoRemote(version)),
        }
    }

    /// Sees to it that the cache has the file list of a data version; one that is there is not looked into. DVC is
    /// called only if the remote is no directory.
    pub fn fetch_file_list(&self, version: DataVersion) -> Result<(), FetchError> {
        let cache = self.cache();
        if cache.has_file_list(version) {
            return Ok(());
        }
        let remote = self.settings().default_remote().ok_or(FetchError::NoRemote(version))?;
        if let Some(absent) = AbsentRemote::from_settings(self.settings()) {
            return Err(FetchError::RemoteAbsent { version, absent });
        }
        let bytes = match &remote.dir {
            Some(dir) => fs::read_within(&Cache::in_dir(dir).file_list_path(version), limits::FILE_LIST)?
                .ok_or_else(|| FetchError::NotOnRemote { version, remote: remote.name.clone() })?,
            None => self.get_list_bytes(version, &remote.name)?,
        };
        Ok(cache.insert_verified_list(version, &bytes)?)
    }

    /// The bytes of a file list, which DVC gets from a remote.
    fn get_list_bytes(&self, version: DataVersion, remote: &str) -> Result<Vec<u8>, FetchError> {
        let program_error = |source| FetchError::Program { version, source };
        let tmp = project_temp_dir(self.root())?;
        let dir = fs::create_temp_dir(&tmp, "capture-hook-")?;
        let to = dir.path().join("listing");
        let hex = version.hash().to_string();
        let (shard, rest) = hex.split_at(2);
        let url = format!("remote://{remote}/files/md5/{shard}/{rest}.dir");
        let dvc = self.find_program().map_err(program_error)?;
        // Not `-q`: that leaves out why it failed.
        dvc.run_command(["get-url", "--", url.as_str(), &to.to_string_lossy()]).map_err(program_error)?;
        Ok(fs::read(&to)?)
    }
}

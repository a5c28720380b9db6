//! What a test does with a project and asks of it: which runs it holds, what commits and tags name, whether all is
//! committed.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use md5::{Digest, Md5};

use super::{CACHE_TYPES, TestEnv, files, tree};

impl TestEnv {
    /// Selects a run in `params.yaml`.
    pub fn select(&self, key: &str) {
        self.select_in("repo", key);
    }

    /// Selects a run in another clone.
    pub fn select_in(&self, dir: &str, key: &str) {
        let path = self.path(dir).join("params.yaml");
        let text = fs::read_to_string(&path).unwrap();
        let line = text.lines().find(|line| line.trim_start().starts_with("run_dir:")).unwrap();
        let indent = &line[..line.len() - line.trim_start().len()];
        fs::write(&path, text.replace(line, &format!("{indent}run_dir: results/{key}"))).unwrap();
    }

    /// Selects a run and commits it.
    pub fn commit_run(&self, key: &str) {
        self.select(key);
        self.git(["commit", "-q", "-am", &format!("Run {key}")]).ok();
    }

    /// The dataset's runs, as the workspace of a clone has them.
    pub fn runs_in(&self, dir: &str) -> Vec<String> {
        runs_of(tree(&self.path(dir).join("data/captures")).keys().map(String::as_str))
    }

    /// The dataset's runs, as a revision has them, by DVC's own word.
    pub fn runs_at(&self, rev: &str) -> Vec<String> {
        runs_of(self.ask_dvc(["ls", "-R", "--rev", rev, ".", "data/captures"]).ok().stdout.lines())
    }

    /// The run tags.
    pub fn tags(&self) -> Vec<String> {
        self.git(["tag", "-l", "capture/*"]).ok().stdout.lines().map(str::to_owned).collect()
    }

    /// The values of a commit's trailer.
    pub fn trailer(&self, rev: &str, key: &str) -> Vec<String> {
        let format = format!("--format=%(trailers:key={key},valueonly)");
        self.git(["log", "-1", &format, rev]).ok().stdout.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect()
    }

    /// The id of a revision's commit.
    pub fn id(&self, rev: &str) -> String {
        self.git(["rev-parse", "--verify", &format!("{rev}^{{commit}}")]).ok().stdout.trim().to_owned()
    }

    /// Writes a program of the test's own, and returns its path.
    pub fn script(&self, path: &str, text: &str) -> String {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Nothing is left to commit, DVC agrees, and the dataset is linked to the cache as the settings want it.
    #[track_caller]
    pub fn assert_committed(&self) {
        self.assert_committed_but_for_links();
        let local = fs::read_to_string(self.repo(".dvc/config.local")).unwrap_or_default();
        let Some(wanted) = CACHE_TYPES.into_iter().find(|name| local.contains(&format!("type = {name}"))) else {
            return;
        };
        for path in files(&self.repo("data/captures")) {
            assert_eq!(link_type(&path), wanted, "{}", path.display());
        }
    }

    /// The same but for the links: a hard link whose object was removed from the cache is a file of its own from then
    /// on.
    #[track_caller]
    pub fn assert_committed_but_for_links(&self) {
        assert_eq!(self.git(["status", "--porcelain"]).ok().stdout, "");
        let status = self.ask_dvc(["status"]).ok().stdout;
        assert!(status.contains("up to date"), "{status}");
    }

    /// Every object of DVC's cache is what its name says: nothing was written through a link.
    pub fn assert_cache_is_whole(&self) {
        let cache = self.repo(".dvc/cache/files/md5");
        for path in files(&cache) {
            let name = path.strip_prefix(&cache).unwrap().to_str().unwrap().replace('/', "");
            let md5: String = Md5::digest(fs::read(&path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(name.trim_end_matches(".dir"), md5, "{} was changed", path.display());
        }
    }
}

/// The runs that these files are in, sorted, each once.
fn runs_of<'a>(files: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut runs: Vec<String> = files.filter_map(|path| Some(path.rsplit_once('/')?.0.to_owned())).collect();
    runs.sort();
    runs.dedup();
    runs
}

/// How a file of the dataset is linked to DVC's cache.
fn link_type(path: &Path) -> &'static str {
    let meta = fs::symlink_metadata(path).unwrap();
    if meta.is_symlink() {
        "symlink"
    } else if meta.nlink() > 1 {
        "hardlink"
    } else {
        "copy"
    }
}

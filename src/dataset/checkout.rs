//! Checks out the dataset: a run whose folder is missing from the workspace is checked out whole.

use crate::dataset::runs::without_absent_runs;
use crate::dvc::checkout::{CheckoutError, CheckoutOutcome, CheckoutRequest, checkout};

/// Changes the dataset from one version to another; runs of the old one whose folders do not exist count as not held.
pub fn checkout_runs(request: &CheckoutRequest<'_>) -> Result<CheckoutOutcome, CheckoutError> {
    let from = without_absent_runs(request.from, &request.root.join(request.out_dir));
    checkout(&CheckoutRequest { from: &from, ..*request })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::dvc::cache::Cache;
    use crate::dvc::file_list::{FileEntry, FileList};
    use crate::dvc::hash::DvcHash;
    use crate::dvc::settings::DvcSettings;
    use crate::support::env::Env;

    #[test]
    fn a_missing_run_is_checked_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let env = Env::from_vars([("HOME", "/nonexistent"), ("DVC_SYSTEM_CONFIG_DIR", "/nonexistent")]);
        let settings = DvcSettings::read(root, &env).unwrap();
        let cache = Cache::from_settings(&settings);
        let entries = ["e/a/f", "e/b/f", "e/b/g", "top"].map(|path| {
            let md5 = DvcHash::of_bytes(path.as_bytes());
            std::fs::create_dir_all(cache.object_path(md5).parent().unwrap()).unwrap();
            std::fs::write(cache.object_path(md5), path).unwrap();
            FileEntry { relpath: path.to_owned(), md5 }
        });
        let (none, all) = (FileList::default(), FileList::new(entries.to_vec()).unwrap());
        let check_out = |from: &FileList| {
            checkout_runs(&CheckoutRequest {
                root,
                settings: &settings,
                out_dir: "data/captures",
                from,
                to: &all,
                max_files: usize::MAX,
                patience: Duration::ZERO,
                force: false,
            })
            .unwrap()
        };
        assert_eq!(check_out(&none).written, 4);
        let dataset = root.join(Path::new("data/captures"));
        std::fs::remove_dir_all(dataset.join("e/b")).unwrap();
        std::fs::remove_file(dataset.join("e/a/f")).unwrap();
        // A file that was removed from a run that is there stays away.
        assert_eq!(check_out(&all).written, 2);
        assert!(dataset.join("e/b/g").is_file() && !dataset.join("e/a/f").exists());
    }
}

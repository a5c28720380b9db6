use std::collections::BTreeMap;

use super::*;
use crate::dvc::cache::Cache;
use crate::dvc::settings::LinkType;
use crate::support::env::Env;

struct CheckoutFixture {
    dir: tempfile::TempDir,
    settings: DvcSettings,
}

impl CheckoutFixture {
    fn new(types: &[LinkType]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::from_vars([("HOME", "/nonexistent"), ("DVC_SYSTEM_CONFIG_DIR", "/nonexistent")]);
        let mut settings = DvcSettings::read(dir.path(), &env).unwrap();
        settings.link_types = types.to_vec();
        Self { dir, settings }
    }

    /// A listing of these files, its objects in the cache; the text is the path's unless given.
    fn file_list(&self, files: &[(&str, &str)]) -> FileList {
        let cache = Cache::from_settings(&self.settings);
        let entries = files.iter().map(|(path, text)| {
            let md5 = DvcHash::of_bytes(text.as_bytes());
            let object = cache.object_path(md5);
            std::fs::create_dir_all(object.parent().unwrap()).unwrap();
            std::fs::write(&object, text).unwrap();
            FileEntry { relpath: (*path).to_owned(), md5 }
        });
        FileList::new(entries.collect()).unwrap()
    }

    fn checkout(&self, from: &FileList, to: &FileList) -> Result<CheckoutOutcome, CheckoutError> {
        checkout(&CheckoutRequest {
            root: self.dir.path(),
            settings: &self.settings,
            out_dir: "data/captures",
            from,
            to,
            max_files: usize::MAX,
            patience: Duration::ZERO,
            force: false,
        })
    }

    fn dataset_path(&self, relative: &str) -> PathBuf {
        self.dir.path().join("data/captures").join(relative)
    }

    fn workspace_files(&self) -> BTreeMap<String, String> {
        let (mut out, mut pending) = (BTreeMap::new(), vec![self.dataset_path("")]);
        while let Some(dir) = pending.pop() {
            for entry in std::fs::read_dir(dir).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    pending.push(path);
                } else {
                    let name = path.strip_prefix(self.dataset_path("")).unwrap().to_str().unwrap().to_owned();
                    out.insert(name, std::fs::read_to_string(&path).unwrap());
                }
            }
        }
        out
    }
}

fn file_map(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

const A: &[(&str, &str)] = &[("e/a/f", "1"), ("e/b/f", "2"), ("e/b/g", "3")];
const B: &[(&str, &str)] = &[("e/a/f", "1"), ("e/b/g", "4"), ("e/c/f", "2"), ("d/a/f", "")];

#[test]
fn the_workspace_follows_with_every_link_type() {
    for types in [&[LinkType::Reflink, LinkType::Copy][..], &[LinkType::Hardlink], &[LinkType::Symlink]] {
        let fixture = CheckoutFixture::new(types);
        let (none, a, b) = (FileList::default(), fixture.file_list(A), fixture.file_list(B));
        assert_eq!(fixture.checkout(&none, &a).unwrap().written, 3);
        assert_eq!(fixture.workspace_files(), file_map(A));
        let outcome = fixture.checkout(&a, &b).unwrap();
        assert_eq!((outcome.written, outcome.removed), (3, 1), "{outcome:?}");
        assert_eq!(fixture.workspace_files(), file_map(B));
        fixture.checkout(&b, &a).unwrap();
        assert_eq!(fixture.workspace_files(), file_map(A));
        assert!(!fixture.dataset_path("e/c").exists() && !fixture.dataset_path("d").exists());
        assert_eq!(fixture.checkout(&a, &a).unwrap(), CheckoutOutcome::default());
    }
}

#[test]
fn local_changes_are_kept_and_listed() {
    let fixture = CheckoutFixture::new(&[LinkType::Copy]);
    let (none, a, b) = (FileList::default(), fixture.file_list(A), fixture.file_list(B));
    fixture.checkout(&none, &a).unwrap();
    std::fs::write(fixture.dataset_path("e/b/f"), "x").unwrap();
    std::fs::write(fixture.dataset_path("e/b/g"), "y").unwrap();
    std::fs::create_dir_all(fixture.dataset_path("e/c")).unwrap();
    std::fs::write(fixture.dataset_path("e/c/f"), "z").unwrap();
    std::fs::write(fixture.dataset_path("e/b/mine"), "m").unwrap();
    let outcome = fixture.checkout(&a, &b).unwrap();
    assert_eq!(outcome.local_changes, ["e/b/f", "e/b/g", "e/c/f"]);
    let files = fixture.workspace_files();
    let at = |path: &str| files[path].as_str();
    assert_eq!((at("e/b/f"), at("e/b/g"), at("e/c/f"), at("e/b/mine")), ("x", "y", "z", "m"));
}

#[test]
fn a_missing_object_leaves_the_workspace_unchanged() {
    let fixture = CheckoutFixture::new(&[LinkType::Copy]);
    let (none, a, b) = (FileList::default(), fixture.file_list(A), fixture.file_list(B));
    fixture.checkout(&none, &a).unwrap();
    std::fs::remove_file(Cache::from_settings(&fixture.settings).object_path(DvcHash::of_bytes(b"4"))).unwrap();
    let outcome = fixture.checkout(&a, &b).unwrap();
    assert_eq!(outcome.missing.iter().map(|e| e.relpath.as_str()).collect::<Vec<_>>(), ["e/b/g"]);
    assert_eq!(fixture.workspace_files(), file_map(A));
}

#[test]
fn paths_and_links_out_of_the_dataset_are_refused() {
    let fixture = CheckoutFixture::new(&[LinkType::Copy]);
    let none = FileList::default();
    for path in ["../x", "/tmp/x", "e/../../x", "e//x", "e\\..\\x", "./x"] {
        let bad = fixture.file_list(&[(path, "1")]);
        assert!(matches!(fixture.checkout(&none, &bad), Err(CheckoutError::Unsafe { .. })), "{path}");
    }
    let outside = fixture.dir.path().join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::create_dir_all(fixture.dataset_path("")).unwrap();
    std::os::unix::fs::symlink(&outside, fixture.dataset_path("e")).unwrap();
    let outcome = fixture.checkout(&none, &fixture.file_list(&[("e/a/f", "1")])).unwrap();
    assert_eq!((outcome.written, outcome.local_changes.len()), (0, 1));
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn a_python_environment_in_the_dataset_is_refused() {
    let fixture = CheckoutFixture::new(&[LinkType::Copy]);
    std::fs::create_dir_all(fixture.dataset_path("env")).unwrap();
    std::fs::write(fixture.dataset_path("env/pyvenv.cfg"), "").unwrap();
    let bad = fixture.file_list(&[("e/a/f", "1"), ("env/lib/x.pth", "2")]);
    let error = fixture.checkout(&FileList::default(), &bad).unwrap_err().to_string();
    assert!(error.contains("env/lib/x.pth") && error.contains("Python environment"), "{error}");
    assert!(!fixture.dataset_path("env/lib").exists() && !fixture.dataset_path("e").exists(), "nothing was touched");
}

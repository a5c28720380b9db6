use std::collections::BTreeMap;

use super::*;
use crate::dvc::cache::Cache;
use crate::dvc::settings::LinkType;
use crate::support::env::Env;

struct Place {
    dir: tempfile::TempDir,
    settings: Settings,
}

impl Place {
    fn new(types: &[LinkType]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::from_vars([("HOME", "/nonexistent"), ("DVC_SYSTEM_CONFIG_DIR", "/nonexistent")]);
        let mut settings = Settings::read(dir.path(), &env).unwrap();
        settings.link_types = types.to_vec();
        Self { dir, settings }
    }

    /// A listing of these files, its objects in the cache; the text is the path's unless given.
    fn listing(&self, files: &[(&str, &str)]) -> Listing {
        let cache = Cache::of(&self.settings);
        let entries = files.iter().map(|(path, text)| {
            let md5 = Oid::of(text.as_bytes());
            let object = cache.path(md5);
            std::fs::create_dir_all(object.parent().unwrap()).unwrap();
            std::fs::write(&object, text).unwrap();
            Entry { relpath: (*path).to_owned(), md5 }
        });
        Listing::new(entries.collect()).unwrap()
    }

    fn switch(&self, from: &Listing, to: &Listing) -> Result<Switched, CheckoutError> {
        switch(&Switch {
            root: self.dir.path(),
            settings: &self.settings,
            out_dir: "data/captures",
            from,
            to,
            most: usize::MAX,
            patience: Duration::ZERO,
            force: false,
        })
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join("data/captures").join(relative)
    }

    fn files(&self) -> BTreeMap<String, String> {
        let (mut out, mut todo) = (BTreeMap::new(), vec![self.path("")]);
        while let Some(dir) = todo.pop() {
            for entry in std::fs::read_dir(dir).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    todo.push(path);
                } else {
                    let name = path.strip_prefix(self.path("")).unwrap().to_str().unwrap().to_owned();
                    out.insert(name, std::fs::read_to_string(&path).unwrap());
                }
            }
        }
        out
    }
}

fn map(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

const A: &[(&str, &str)] = &[("e/a/f", "1"), ("e/b/f", "2"), ("e/b/g", "3")];
const B: &[(&str, &str)] = &[("e/a/f", "1"), ("e/b/g", "4"), ("e/c/f", "2"), ("d/a/f", "")];

#[test]
fn the_workspace_follows_with_every_link_type() {
    for types in [&[LinkType::Reflink, LinkType::Copy][..], &[LinkType::Hardlink], &[LinkType::Symlink]] {
        let place = Place::new(types);
        let (none, a, b) = (Listing::default(), place.listing(A), place.listing(B));
        assert_eq!(place.switch(&none, &a).unwrap().written, 3);
        assert_eq!(place.files(), map(A));
        let done = place.switch(&a, &b).unwrap();
        assert_eq!((done.written, done.removed), (3, 1), "{done:?}");
        assert_eq!(place.files(), map(B));
        place.switch(&b, &a).unwrap();
        assert_eq!(place.files(), map(A));
        assert!(!place.path("e/c").exists() && !place.path("d").exists());
        assert_eq!(place.switch(&a, &a).unwrap(), Switched::default());
    }
}

#[test]
fn unsaved_work_is_left_and_told() {
    let place = Place::new(&[LinkType::Copy]);
    let (none, a, b) = (Listing::default(), place.listing(A), place.listing(B));
    place.switch(&none, &a).unwrap();
    std::fs::write(place.path("e/b/f"), "x").unwrap();
    std::fs::write(place.path("e/b/g"), "y").unwrap();
    std::fs::create_dir_all(place.path("e/c")).unwrap();
    std::fs::write(place.path("e/c/f"), "z").unwrap();
    std::fs::write(place.path("e/b/mine"), "m").unwrap();
    let done = place.switch(&a, &b).unwrap();
    assert_eq!(done.kept, ["e/b/f", "e/b/g", "e/c/f"]);
    let files = place.files();
    let at = |path: &str| files[path].as_str();
    assert_eq!((at("e/b/f"), at("e/b/g"), at("e/c/f"), at("e/b/mine")), ("x", "y", "z", "m"));
}

#[test]
fn without_all_objects_nothing_is_touched() {
    let place = Place::new(&[LinkType::Copy]);
    let (none, a, b) = (Listing::default(), place.listing(A), place.listing(B));
    place.switch(&none, &a).unwrap();
    std::fs::remove_file(Cache::of(&place.settings).path(Oid::of(b"4"))).unwrap();
    let done = place.switch(&a, &b).unwrap();
    assert_eq!(done.missing.iter().map(|e| e.relpath.as_str()).collect::<Vec<_>>(), ["e/b/g"]);
    assert_eq!(place.files(), map(A));
}

#[test]
fn a_run_that_was_not_pulled_is_brought() {
    let place = Place::new(&[LinkType::Copy]);
    let (none, a) = (Listing::default(), place.listing(A));
    place.switch(&none, &a).unwrap();
    std::fs::remove_dir_all(place.path("e/b")).unwrap();
    assert_eq!(place.switch(&a, &a).unwrap().written, 2);
    assert_eq!(place.files(), map(A));
}

#[test]
fn no_path_and_no_link_leads_out() {
    let place = Place::new(&[LinkType::Copy]);
    let none = Listing::default();
    for path in ["../x", "/tmp/x", "e/../../x", "e//x", "e\\..\\x", "./x"] {
        let bad = place.listing(&[(path, "1")]);
        assert!(matches!(place.switch(&none, &bad), Err(CheckoutError::Unsafe { .. })), "{path}");
    }
    let outside = place.dir.path().join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::create_dir_all(place.path("")).unwrap();
    std::os::unix::fs::symlink(&outside, place.path("e")).unwrap();
    let done = place.switch(&none, &place.listing(&[("e/a/f", "1")])).unwrap();
    assert_eq!((done.written, done.kept.len()), (0, 1));
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn nothing_is_put_into_an_environment_in_the_dataset() {
    let place = Place::new(&[LinkType::Copy]);
    std::fs::create_dir_all(place.path("env")).unwrap();
    std::fs::write(place.path("env/pyvenv.cfg"), "").unwrap();
    let bad = place.listing(&[("e/a/f", "1"), ("env/lib/x.pth", "2")]);
    let error = place.switch(&Listing::default(), &bad).unwrap_err().to_string();
    assert!(error.contains("env/lib/x.pth") && error.contains("Python environment"), "{error}");
    assert!(!place.path("env/lib").exists() && !place.path("e").exists(), "nothing was touched");
}

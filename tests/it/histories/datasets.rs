//! What commits hold and merges must give, read from git and from DVC's file lists without our code: a run that one side
//! removed and the other did not change is removed, and nothing else is.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use crate::env::TestEnv;

/// Runs, each with what tells its files from those of other versions of it.
pub type Dataset = BTreeMap<String, String>;

/// The datasets of commits, each read once.
#[derive(Default)]
pub struct Datasets(RefCell<BTreeMap<String, Rc<Dataset>>>);

/// What a merge gives.
pub struct Merged {
    pub runs: Dataset,
    /// Runs that both sides changed, each otherwise; not in `runs`.
    pub disputed: BTreeSet<String>,
}

/// What a rebase may make of the runs.
pub struct Rebased {
    pub present: BTreeSet<String>,
    pub absent: BTreeSet<String>,
}

fn lines(env: &TestEnv, args: &[&str]) -> Vec<String> {
    env.git(args).ok().stdout.lines().map(str::to_owned).collect()
}

fn three_way(base: &Dataset, ours: &Dataset, theirs: &Dataset) -> Merged {
    let mut merged = Merged { runs: Dataset::new(), disputed: BTreeSet::new() };
    for key in ours.keys().chain(theirs.keys()) {
        let [b, o, t] = [base, ours, theirs].map(|side| side.get(key));
        let kept = if o == t || t == b {
            o
        } else if o == b {
            t
        } else {
            merged.disputed.insert(key.clone());
            continue;
        };
        merged.runs.extend(kept.map(|files| (key.clone(), files.clone())));
    }
    merged
}

impl Datasets {
    /// What a revision's dataset holds.
    pub fn at(&self, env: &TestEnv, rev: &str) -> Rc<Dataset> {
        let commit = env.id(rev);
        if let Some(known) = self.0.borrow().get(&commit) {
            return known.clone();
        }
        let lockfile = env.git(["show", &format!("{commit}:dvc.lock")]).stdout;
        let version = lockfile.lines().find_map(|line| line.trim().strip_prefix("md5: ")?.strip_suffix(".dir"));
        let read = Rc::new(version.map(|version| read_list(env, version)).unwrap_or_default());
        self.0.borrow_mut().insert(commit, read.clone());
        read
    }

    /// What a merge of two revisions must give.
    pub fn merge(&self, env: &TestEnv, ours: &str, theirs: &str) -> Merged {
        let base = self.base(env, &[ours.to_owned()], theirs);
        three_way(&base, &self.at(env, ours), &self.at(env, theirs))
    }

    /// The common ancestor of a revision and the merge of some others. If there are several, git merges them first; what
    /// is disputed among them, it knows of no ancestor.
    fn base(&self, env: &TestEnv, merged: &[String], theirs: &str) -> Dataset {
        let args = [&["merge-base".to_owned(), "--all".into(), theirs.into()], merged].concat();
        let mut bases = lines(env, &args.iter().map(String::as_str).collect::<Vec<_>>());
        bases.reverse();
        let Some((first, others)) = bases.split_first() else { return Dataset::new() };
        let (mut base, mut united) = (Dataset::clone(&self.at(env, first)), vec![first.clone()]);
        for other in others {
            base = three_way(&self.base(env, &united, other), &base, &self.at(env, other)).runs;
            united.push(other.clone());
        }
        base
    }

    /// What a rebase of HEAD onto a revision must keep, and must not have. A run that both sides touched, or one several
    /// times beside each other, depends on the order in which git replays the commits: it is in neither.
    pub fn rebase(&self, env: &TestEnv, onto: &str) -> Rebased {
        let (ours, theirs) = (self.at(env, "HEAD"), self.at(env, onto));
        let (by_us, by_them) = (self.touched(env, onto, "HEAD"), self.touched(env, "HEAD", onto));
        let has_merges = !lines(env, &["rev-list", "--merges", &format!("{onto}..HEAD")]).is_empty();
        let mut rebased = Rebased { present: BTreeSet::new(), absent: BTreeSet::new() };
        let known: BTreeSet<&String> = [&by_us, &by_them].into_iter().flat_map(BTreeMap::keys).collect();
        for key in ours.keys().chain(theirs.keys()).chain(known) {
            let (us, them) = (by_us.get(key).copied().unwrap_or(0), by_them.get(key).copied().unwrap_or(0));
            // Git replays the commits of merged branches one after another, and no merge, which may have decided.
            if has_merges && us > 1 {
                continue;
            }
            let is_there = match (ours.contains_key(key), theirs.contains_key(key)) {
                (ours, theirs) if ours == theirs => ours,
                _ if us > 0 && them > 0 => continue,
                // The side that touched it has its way.
                (ours, theirs) => {
                    if us > 0 {
                        ours
                    } else {
                        theirs
                    }
                }
            };
            if is_there { &mut rebased.present } else { &mut rebased.absent }.insert(key.clone());
        }
        rebased
    }

    /// How many commits of a range changed each run, over their first parents.
    fn touched(&self, env: &TestEnv, from: &str, to: &str) -> BTreeMap<String, usize> {
        let mut touched = BTreeMap::new();
        for line in lines(env, &["rev-list", "--parents", &format!("{from}..{to}")]) {
            let mut commits = line.split(' ');
            let new = self.at(env, commits.next().unwrap());
            let old = commits.next().map(|parent| self.at(env, parent)).unwrap_or_default();
            for key in new.keys().chain(old.keys().filter(|key| !new.contains_key(*key))) {
                if new.get(key) != old.get(key) {
                    *touched.entry(key.clone()).or_default() += 1;
                }
            }
        }
        touched
    }

    /// Every object of a run's files, in any commit.
    pub fn objects(&self, env: &TestEnv, run: &str) -> BTreeSet<String> {
        let versions = self.history(env, "--all").remove(run).unwrap_or_default();
        versions.iter().flat_map(|files| object_names(files)).collect()
    }

    /// Those of them that another run has, too, in these revisions: in a tip alone, or, with `--all`, anywhere in history.
    pub fn shared_objects(&self, env: &TestEnv, revs: &str, run: &str) -> BTreeSet<String> {
        let own = self.objects(env, run);
        let mut others: BTreeSet<String> = BTreeSet::new();
        if revs == "--all" {
            for (key, versions) in self.history(env, revs) {
                if key != run {
                    others.extend(versions.iter().flat_map(|files| object_names(files)));
                }
            }
        } else {
            let held = self.at(env, revs);
            let files = held.iter().filter(|(key, _)| *key != run).map(|(_, files)| files);
            others.extend(files.flat_map(|files| object_names(files)));
        }
        own.intersection(&others).cloned().collect()
    }

    /// Every version of every run that a commit of these revisions' history holds.
    pub fn history(&self, env: &TestEnv, revs: &str) -> BTreeMap<String, BTreeSet<String>> {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for commit in lines(env, &["rev-list", revs]) {
            for (key, files) in self.at(env, &commit).iter() {
                all.entry(key.clone()).or_default().insert(files.clone());
            }
        }
        all
    }
}

/// The MD5s of a run's files.
fn object_names(files: &str) -> Vec<String> {
    files.lines().filter_map(|line| Some(line.rsplit_once(' ')?.1.to_owned())).collect()
}

/// A file list, from whatever cache of the test has it.
fn read_list(env: &TestEnv, version: &str) -> Dataset {
    let (dir, name) = version.split_at(2);
    let object = PathBuf::from("files/md5").join(dir).join(format!("{name}.dir"));
    let roots = fs::read_dir(env.path("")).unwrap().map(|entry| entry.unwrap().path());
    let mut found = roots.flat_map(|root| [root.join(&object), root.join(".dvc/cache").join(&object)]);
    let path = found.find(|path| path.exists()).unwrap_or_else(|| panic!("nowhere: {version}"));
    let list: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut runs = Dataset::new();
    for entry in list.as_array().unwrap() {
        let (path, md5) = (entry["relpath"].as_str().unwrap(), entry["md5"].as_str().unwrap());
        let (run, file) = path.rsplit_once('/').unwrap();
        runs.entry(run.to_owned()).or_default().push_str(&format!("{file} {md5}\n"));
    }
    runs
}

//! Random histories on real git with the hooks installed, looked at by the real DVC after every step: the workspace is what
//! `dvc.lock` says, byte for byte what DVC itself writes of it, the dataset holds every run that its history put in, `check`
//! finds nothing, and in the end every tag's data comes back from the remote, but for what was erased. Runs are removed and
//! restored, forgotten and erased in between, and what merges and rebases make of that is compared with what [`Datasets`]
//! works out from the commits.
//! `CAPTURE_HOOK_TEST_STEPS` makes them longer, `CAPTURE_HOOK_TEST_SEED` others, `CAPTURE_HOOK_TEST_ENGINE` has another
//! engine make them.

mod datasets;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::env::{CommandOutput, TestEnv};
use crate::tools;
use datasets::Datasets;

const CASES: [&str; 3] = ["ok-head01", "ok-orig100", "ok-pypi010"];
/// How often git may stop at a dispute in one merge or rebase.
const MOST_DISPUTES: usize = 100;

/// Whether a run is the other side's of a disputed one, beside it.
fn is_beside(key: &str) -> bool {
    key.contains("-theirs")
}

/// A small random generator: the same seed, the same history.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

struct History {
    env: TestEnv,
    dice: Dice,
    /// The runs that each branch's tip must hold.
    branches: BTreeMap<String, BTreeSet<String>>,
    current: String,
    made: usize,
    clones: usize,
    datasets: Datasets,
    /// Runs that were erased, and their objects.
    erased: BTreeMap<String, BTreeSet<String>>,
    done: Vec<String>,
}

/// A run that both sides changed, and what was decided.
struct Decision {
    run: String,
    side: &'static str,
    /// The name beside it, if both sides' files were kept.
    kept_as: Option<String>,
}

impl History {
    fn new(engine: &str, dvc: &Path, seed: u64) -> Self {
        let mut env = TestEnv::initialized_with(dvc);
        env.set("GIT_EDITOR", "true");
        fs::write(env.repo("capture-hook.toml"), format!("engine = \"{engine}\"\n")).unwrap();
        env.git(["add", "-A"]).ok();
        env.git(["commit", "-q", "-m", "settings"]).ok();
        env.git_in(".", ["init", "-q", "--bare", "origin.git"]).ok();
        env.git(["remote", "add", "origin", env.path("origin.git").to_str().unwrap()]).ok();
        let branches = BTreeMap::from([("main".to_owned(), BTreeSet::new())]);
        let mut history = Self {
            env,
            dice: Dice(seed),
            branches,
            current: "main".into(),
            made: 0,
            clones: 0,
            datasets: Datasets::default(),
            erased: BTreeMap::new(),
            done: Vec::new(),
        };
        history.commit_a_run();
        history
    }

    fn other(&mut self) -> Option<String> {
        let others: Vec<String> = self.branches.keys().filter(|name| **name != self.current).cloned().collect();
        if others.is_empty() { None } else { Some(others[self.dice.roll(others.len())].clone()) }
    }

    fn runs(&mut self) -> &mut BTreeSet<String> {
        self.branches.get_mut(&self.current).unwrap()
    }

    fn git(&mut self, args: &[&str]) {
        let output = self.try_git("repo", args);
        assert_eq!(output.code, 0, "{}\n{}", output.both(), self.story());
    }

    fn try_git(&mut self, dir: &str, args: &[&str]) -> CommandOutput {
        self.done.push(format!("git -C {dir} {}", args.join(" ")));
        let output = self.env.git_in(dir, args);
        self.done.extend(output.both().lines().map(|line| format!("    # {line}")));
        output
    }

    fn hook(&mut self, dir: &str, args: &[&str]) -> CommandOutput {
        self.done.push(format!("capture-hook -C {dir} {}", args.join(" ")));
        let output = self.env.hook_in(dir, args);
        assert_eq!(output.code, 0, "{}\n{}", output.both(), self.story());
        output
    }

    fn story(&self) -> String {
        self.done.join("\n")
    }

    /// A name for a run that is nowhere yet.
    fn new_key(&mut self) -> String {
        self.made += 1;
        format!("e{}/r{:03}", self.made % 2, self.made)
    }

    /// Records a run, anew where it was recorded before, in the directory that is called as it is.
    fn record(&mut self, key: &str) {
        let case = CASES[self.dice.roll(CASES.len())];
        self.done.push(format!("# record {key} of {case}"));
        let _ = fs::remove_dir_all(self.env.repo("results").join(key));
        self.env.record_as(case, key);
    }

    fn commit_selected(&mut self, selected: &str, key: &str) {
        self.hook("repo", &["select", selected]);
        self.git(&["commit", "-q", "-a", "-m", key]);
        self.runs().insert(key.to_owned());
    }

    fn commit_a_run(&mut self) {
        let key = self.new_key();
        self.record(&key);
        self.commit_selected(&key, &key);
    }

    /// A run that is selected by a link to it, which led to another one before.
    fn commit_by_link(&mut self) {
        let key = self.new_key();
        self.record(&key);
        let link = self.env.repo("results/links/latest");
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&link);
        symlink(Path::new("../..").join("results").join(&key), &link).unwrap();
        self.commit_selected("results/links/latest", &key);
    }

    /// A run in a directory that held another one before.
    fn commit_from_a_used_directory(&mut self) {
        let key = self.new_key();
        self.record(&key);
        let dir = self.env.repo("results/out/again");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.parent().unwrap()).unwrap();
        fs::rename(self.env.repo("results").join(&key), &dir).unwrap();
        self.hook("repo", &["publish", "--no-push", "results/out/again"]);
        self.runs().insert(key);
    }

    /// A run that is in the dataset is recorded anew: another branch may hold it as it was, or do the same.
    fn record_anew(&mut self) {
        let all: Vec<String> = self.runs().iter().filter(|key| !is_beside(key)).cloned().collect();
        if all.is_empty() {
            return self.commit_a_run();
        }
        let key = all[self.dice.roll(all.len())].clone();
        self.record(&key);
        self.hook("repo", &["publish", "--no-push", &format!("results/{key}")]);
    }

    /// A run or two leave the dataset.
    fn remove(&mut self) {
        let mut args = vec!["remove".to_owned()];
        for _ in 0..=self.dice.roll(2) {
            let all: Vec<String> = self.runs().iter().cloned().collect();
            if all.is_empty() {
                break;
            }
            let key = all[self.dice.roll(all.len())].clone();
            self.runs().remove(&key);
            args.push(key);
        }
        if args.len() == 1 {
            return self.commit_a_run();
        }
        if self.dice.roll(2) == 0 {
            args.extend(["--reason".into(), "no use: 100% noise".into()]);
        }
        self.hook("repo", &args.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// A run comes back that this branch held once, as one of its commits holds it.
    fn restore(&mut self) {
        let held = self.datasets.history(&self.env, "HEAD");
        let gone: Vec<String> =
            held.keys().filter(|key| !self.branches[&self.current].contains(*key)).cloned().collect();
        let (gone, erased): (Vec<String>, Vec<String>) =
            gone.into_iter().partition(|key| !self.erased.contains_key(key));
        // A version of a run that another run has, too, is not erased: it can be restored.
        let is_gone = |key: &&String| {
            let objects = &self.erased[*key];
            held[*key].iter().all(|files| objects.iter().any(|md5| files.contains(md5)))
        };
        if let Some(key) = erased.iter().find(is_gone) {
            let refused = self.env.hook(["restore", key]);
            let is_refused = refused.code == 1 && refused.stderr.contains("was erased on purpose");
            assert!(is_refused, "{}\n{}", refused.both(), self.story());
        }
        if gone.is_empty() {
            return self.remove();
        }
        let key = gone[self.dice.roll(gone.len())].clone();
        self.hook("repo", &["restore", &key]);
        // The newest commit of any branch may hold another version.
        let versions = self.datasets.history(&self.env, "--all").remove(&key).unwrap();
        let restored = self.datasets.at(&self.env, "HEAD").get(&key).cloned();
        assert!(restored.is_some_and(|files| versions.contains(&files)), "{key}\n{}", self.story());
        self.runs().insert(key);
    }

    /// The objects in a directory that any commit of a ref needs, read from `dvc.lock` and from lists in the cache.
    fn needed_objects(&self, store: &str) -> BTreeSet<String> {
        let mut needed = BTreeSet::new();
        for commit in self.env.git(["rev-list", "--all"]).ok().stdout.lines() {
            let lockfile = self.env.git(["show", &format!("{commit}:dvc.lock")]).stdout;
            let lists = lockfile.lines().filter_map(|line| line.trim().strip_prefix("md5: ")?.strip_suffix(".dir"));
            for list in lists {
                let path = format!("files/md5/{}/{}.dir", &list[..2], &list[2..]);
                let Ok(bytes) = fs::read(self.env.repo(".dvc/cache").join(&path)) else { continue };
                let rows: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                let hashes = rows.as_array().unwrap().iter().map(|row| row["md5"].as_str().unwrap());
                needed.extend(hashes.map(|hash| format!("files/md5/{}/{}", &hash[..2], &hash[2..])));
                needed.insert(path);
            }
        }
        needed.retain(|path| self.env.path(store).join(path).exists());
        needed
    }

    /// What nothing needs any more goes from the cache or the remote, whatever its age; all else stays.
    fn collect(&mut self) {
        let of_remote = self.dice.roll(3) == 0;
        let store = if of_remote { "dvc-remote" } else { "repo/.dvc/cache" };
        let needed = self.needed_objects(store);
        let mut args = vec!["gc", "--keep", "0", "--yes"];
        if of_remote {
            args.extend(["--unknown", "--remote"]);
            self.git(&["fetch", "-q", "--tags", "--force", "origin"]);
        }
        self.hook("repo", &args);
        assert_eq!(self.needed_objects(store), needed, "{}", self.story());
        // Nothing is left for a second one.
        let again = self.hook("repo", &[&["--json"], &args[..]].concat());
        let again: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
        assert_eq!(again["removed"]["objects"], 0, "{}", self.story());
    }

    /// The local copies of a run are dropped, perhaps a run is committed without them, and a pull brings all back.
    fn forget(&mut self) {
        let all: Vec<String> = self.runs().iter().cloned().collect();
        if all.is_empty() {
            return self.commit_a_run();
        }
        let key = all[self.dice.roll(all.len())].clone();
        let tags = self.env.git(["tag", "--list", "capture/*"]).ok().stdout;
        let revs: Vec<&str> = self.branches.keys().map(String::as_str).chain(tags.lines()).collect();
        let args: Vec<String> = ["push", "--all"].into_iter().chain(revs).map(str::to_owned).collect();
        self.hook("repo", &args.iter().map(String::as_str).collect::<Vec<_>>());
        let objects = self.datasets.objects(&self.env, &key);
        self.hook("repo", &["forget", &key]);
        assert!(!self.there("repo").contains(&key), "{key}\n{}", self.story());
        let cached = self.present("repo/.dvc/cache", &objects);
        let shared = self.datasets.shared_objects(&self.env, "HEAD", &key);
        assert!(cached.is_subset(&shared), "{key}: {cached:?}\n{}", self.story());
        assert_eq!(self.present("dvc-remote", &objects), objects, "{key}\n{}", self.story());
        match self.dice.roll(3) {
            0 => self.commit_a_run(),
            1 => {
                // No hook fetches it.
                let here = self.current.clone();
                if let Some(other) = self.other() {
                    self.switch(&other);
                    self.switch(&here);
                    assert!(!self.there("repo").contains(&key), "{key}\n{}", self.story());
                }
            }
            _ => {}
        }
        self.hook("repo", &["pull"]);
    }

    /// A run that some commit holds is erased for good, after it was removed from every branch.
    fn erase(&mut self) {
        let held = self.datasets.history(&self.env, "--all");
        let keys: Vec<String> = held.keys().filter(|key| !self.erased.contains_key(*key)).cloned().collect();
        if keys.is_empty() {
            return self.commit_a_run();
        }
        let key = keys[self.dice.roll(keys.len())].clone();
        let here = self.current.clone();
        let holders: Vec<String> =
            self.branches.iter().filter(|(_, runs)| runs.contains(&key)).map(|(name, _)| name.clone()).collect();
        for branch in holders.iter().filter(|branch| **branch != here) {
            self.switch(branch);
            self.hook("repo", &["remove", &key]);
            self.runs().remove(&key);
        }
        if self.current != here {
            self.switch(&here);
        }
        let mut objects = self.datasets.objects(&self.env, &key);
        for shared in self.datasets.shared_objects(&self.env, "--all", &key) {
            objects.remove(&shared);
        }
        self.hook("repo", &["erase", &key, "--everywhere", "--yes", "--reason", "asked: 100%"]);
        self.runs().remove(&key);
        self.erased.insert(key, objects);
    }

    /// Those of some objects that are in a cache, or on a directory remote.
    fn present(&self, dir: &str, objects: &BTreeSet<String>) -> BTreeSet<String> {
        let is_there = |md5: &&String| crate::forget::object(self.env.path(dir), md5).exists();
        objects.iter().filter(is_there).cloned().collect()
    }

    /// Settles runs that both sides changed, one way or the other, until git is done.
    fn settle(&mut self, dir: &str, mut output: CommandOutput, conclude: &[&str]) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for _ in 0..MOST_DISPUTES {
            if output.code == 0 {
                return decisions;
            }
            let unmerged = self.env.git_in(dir, ["diff", "--name-only", "--diff-filter=U"]).ok().stdout;
            assert_eq!(unmerged, "dvc.lock\n", "{}\n{}", output.both(), self.story());
            const DISPUTED: &str = "both sides changed run ";
            let all = output.both();
            let keys: BTreeSet<&str> = all.lines().filter_map(|line| Some(line.split_once(DISPUTED)?.1)).collect();
            for key in keys {
                let side = ["--ours", "--theirs", "--both"][self.dice.roll(3)];
                let output = self.hook(dir, &["--json", "resolve", key, side]);
                let shown: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
                let kept_as = shown["kept_as"].as_str().map(str::to_owned);
                decisions.push(Decision { run: key.to_owned(), side, kept_as });
            }
            output = self.try_git(dir, conclude);
        }
        panic!("disputes without end: {}\n{}", output.both(), self.story());
    }

    /// Merges a branch in a working tree, and gives the runs that must be there then.
    fn merge_in(&mut self, dir: &str, ours: &str, theirs: &str, options: &[&str]) -> BTreeSet<String> {
        let merged = self.datasets.merge(&self.env, ours, theirs);
        let sides = [self.datasets.at(&self.env, ours), self.datasets.at(&self.env, theirs)];
        let output = self.try_git(dir, &[&["merge", "-q", "--no-edit"], options, &[theirs]].concat());
        let mut runs: BTreeSet<String> = merged.runs.into_keys().collect();
        for Decision { run, side, kept_as } in self.settle(dir, output, &["commit", "-q", "--no-edit"]) {
            assert!(merged.disputed.contains(&run), "{run}\n{}", self.story());
            let [ours, theirs] = sides.each_ref().map(|held| held.contains_key(&run));
            if (ours && side != "--theirs") || (theirs && side != "--ours") {
                runs.insert(run);
            }
            runs.extend(kept_as);
        }
        runs
    }

    fn merge(&mut self, other: &str, options: &[&str]) {
        let here = self.current.clone();
        *self.runs() = self.merge_in("repo", &here, other, options);
    }

    fn rebase(&mut self, other: &str, command: &[&str]) {
        let expected = self.datasets.rebase(&self.env, other);
        let output = self.try_git("repo", &[command, &[other]].concat());
        let decisions = self.settle("repo", output, &["rebase", "--continue"]);
        let there = self.there("repo");
        let is_open = |key: &String| is_beside(key) || decisions.iter().any(|decision| decision.run == *key);
        for (keys, is_there) in [(&expected.present, true), (&expected.absent, false)] {
            let wrong: Vec<&String> =
                keys.iter().filter(|key| there.contains(*key) != is_there && !is_open(key)).collect();
            assert!(wrong.is_empty(), "not {is_there}: {wrong:?}\n{}", self.story());
        }
        // What is open is checked as well: it must be what the commit says.
        let committed = self.datasets.at(&self.env, "HEAD");
        *self.runs() = committed.keys().cloned().collect();
    }

    /// A selection that is not committed, while something else goes on below it.
    fn autostash(&mut self, other: &str) {
        let key = self.new_key();
        self.record(&key);
        self.hook("repo", &["select", &key]);
        match self.dice.roll(3) {
            0 => self.merge(other, &["--autostash"]),
            1 => self.rebase(other, &["pull", "-q", "--rebase", "--autostash", "."]),
            _ => self.rebase(other, &["rebase", "-q", "--autostash", "--rebase-merges"]),
        }
        // The value keeps the quotes of the placeholder if a removal put it there.
        let params = fs::read_to_string(self.env.repo("params.yaml")).unwrap().replace('\'', "");
        assert!(params.contains(&format!("run_dir: results/{key}\n")), "{params}\n{}", self.story());
        self.commit_selected(&key, &key);
    }

    /// Both branches record one run, each otherwise.
    fn dispute(&mut self, other: &str) {
        let (key, here) = (self.new_key(), self.current.clone());
        for branch in [other, here.as_str()] {
            self.switch(branch);
            self.record(&key);
            self.commit_selected(&key, &key);
        }
        if self.dice.roll(2) == 0 {
            self.merge(other, &[]);
        }
    }

    fn switch(&mut self, branch: &str) {
        self.git(&["checkout", "-q", branch]);
        self.current = branch.to_owned();
    }

    /// A run is committed to another branch in a working tree of its own, perhaps after a merge there.
    fn in_a_worktree(&mut self, other: &str) {
        self.git(&["worktree", "add", "-q", "../side", other]);
        let here = self.current.clone();
        if self.dice.roll(2) == 0 {
            let merged = self.merge_in("side", other, &here, &[]);
            self.branches.insert(other.to_owned(), merged);
        }
        let key = self.new_key();
        self.record(&key);
        let to = self.env.path("side/results").join(&key);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(self.env.repo("results").join(&key), to).unwrap();
        self.hook("side", &["select", &key]);
        let output = self.try_git("side", &["commit", "-q", "-a", "-m", &key]);
        assert_eq!(output.code, 0, "{}\n{}", output.both(), self.story());
        self.branches.get_mut(other).unwrap().insert(key);
        // A new working tree gets the selected run, and what is in the cache.
        self.hook("side", &["-q", "pull"]);
        self.holds("side", &self.branches[other].clone());
        self.git(&["worktree", "remove", "--force", "../side"]);
    }

    fn step(&mut self) {
        match (self.dice.roll(24), self.other()) {
            (0, _) if self.branches.len() < 5 && !self.branches.contains_key(&format!("b{}", self.made)) => {
                let name = format!("b{}", self.made);
                let runs = self.runs().clone();
                self.git(&["checkout", "-q", "-b", &name]);
                self.branches.insert(name.clone(), runs);
                self.current = name;
            }
            (1 | 2, Some(other)) => self.switch(&other),
            (3, Some(other)) => self.merge(&other, &[]),
            (4, Some(other)) => self.rebase(&other, &["rebase", "-q"]),
            (5, Some(other)) => self.rebase(&other, &["rebase", "-q", "--rebase-merges"]),
            (6, _) => self.git(&["commit", "-q", "--amend", "--allow-empty", "-m", "amended"]),
            (7, _) => self.git(&["push", "-q", "--force", "--follow-tags", "origin", "HEAD"]),
            // Half as often as the rest: it takes longest.
            (8, _) if self.dice.roll(2) == 0 => self.move_to_a_clone(),
            (9, Some(other)) => self.autostash(&other),
            (10, Some(other)) => self.dispute(&other),
            (11, Some(other)) => self.in_a_worktree(&other),
            (12, _) => self.commit_by_link(),
            (13, _) => self.commit_from_a_used_directory(),
            (14, _) => self.record_anew(),
            (15 | 16, _) => self.remove(),
            (17, _) => self.restore(),
            (18, _) => self.collect(),
            (19, _) => self.forget(),
            (20, _) => self.erase(),
            _ => self.commit_a_run(),
        }
    }

    fn clone_origin(&self) {
        self.env.git_in(".", ["clone", "-q", "--branch", &self.current, "origin.git", "clone"]).ok();
        // The data remote's address is this machine's own affair, where it is not tracked.
        let local = self.env.repo(".dvc/config.local");
        if local.exists() {
            fs::copy(local, self.env.path("clone/.dvc/config.local")).unwrap();
        }
    }

    /// Goes on in a clone of what was pushed, without the results that were recorded here.
    fn move_to_a_clone(&mut self) {
        self.git(&["push", "-q", "--force", "--all", "--follow-tags", "origin"]);
        self.clone_origin();
        self.clones += 1;
        let env = &self.env;
        fs::rename(env.repo(""), env.path(format!("left-{}", self.clones))).unwrap();
        fs::rename(env.path("clone"), env.path("repo")).unwrap();
        for name in self.branches.keys().filter(|name| **name != self.current) {
            env.git(["branch", "-q", name, &format!("origin/{name}")]).ok();
        }
        env.hook(["-q", "install"]).ok();
        env.hook(["-q", "pull"]).ok();
        self.done.push(format!("# clone {}", self.clones));
    }

    /// What must hold after every step.
    fn check(&mut self) {
        let runs = self.runs().clone();
        self.holds("repo", &runs);
        let mut findings = self.findings();
        // A tag moves with its commit, away from another branch's copy of the same data: what `check` says makes it again.
        if findings.iter().any(|finding| finding["code"] == "tag_missing") {
            self.hook("repo", &["tag", "--all"]);
            findings = self.findings();
        }
        assert!(findings.is_empty(), "{findings:#?}\n{}", self.story());
        // Nothing that was erased comes back.
        for (key, objects) in &self.erased {
            for dir in ["repo/.dvc/cache", "dvc-remote"] {
                assert_eq!(self.present(dir, objects), BTreeSet::new(), "{key} in {dir}\n{}", self.story());
            }
        }
    }

    /// What `check` finds, but for what is so: a run's directory may hold another branch's recording.
    fn findings(&self) -> Vec<serde_json::Value> {
        let output = self.env.hook(["--json", "check"]).ok();
        let mut shown: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        let mut findings = shown["findings"].as_array_mut().unwrap().split_off(0);
        findings.retain(|finding| finding["code"] != "recorded_anew");
        findings
    }

    /// That a working tree holds these runs, and is as DVC would have it.
    fn holds(&mut self, dir: &str, runs: &BTreeSet<String>) {
        let story = self.story();
        let output = self.env.ask_dvc_in(dir, ["status"]);
        assert!(output.code == 0 && output.stdout.contains("up to date"), "{}\n{story}", output.both());
        // What DVC would write of this workspace is what is there: the list of files, sizes and numbers, every byte.
        let output = self.env.ask_dvc_in(dir, ["commit", "-f", "-q"]);
        assert_eq!(output.code, 0, "{}\n{story}", output.both());
        let changed = self.env.git_in(dir, ["status", "--porcelain"]).ok().stdout;
        assert_eq!(changed, "", "{}\n{story}", self.env.git_in(dir, ["diff"]).stdout);
        assert_eq!(&self.there(dir), runs, "{story}");
    }

    /// The runs in a working tree's dataset.
    fn there(&self, dir: &str) -> BTreeSet<String> {
        let mut there = BTreeSet::new();
        for experiment in fs::read_dir(self.env.path(dir).join("data/captures")).into_iter().flatten().flatten() {
            for run in fs::read_dir(experiment.path()).unwrap().flatten() {
                there.insert(format!("{}/{}", experiment.file_name().display(), run.file_name().display()));
            }
        }
        there
    }

    /// In a clone that has nothing: the data of every tag and of every branch.
    fn all_comes_back(&mut self) {
        self.git(&["push", "-q", "--force", "--all", "origin"]);
        self.git(&["push", "-q", "--tags", "origin"]);
        self.clone_origin();
        let env = &self.env;
        let tags = env.git_in("clone", ["tag", "--list", "capture/*"]).ok().stdout;
        assert!(tags.lines().count() >= self.made, "{} runs, and only these tags:\n{tags}", self.made);
        let branches: Vec<String> = self.branches.keys().map(|name| format!("origin/{name}")).collect();
        for rev in tags.lines().chain(branches.iter().map(String::as_str)) {
            env.git_in("clone", ["checkout", "-q", "--detach", rev]).ok();
            if !env.path("clone/dvc.lock").exists() {
                continue;
            }
            let pulled = env.hook_in("clone", ["pull"]).ok();
            let held = self.datasets.at(env, rev);
            // Of a run whose files another run has, too, nothing is gone.
            let is_gone = |key: &&String, files: &String| {
                let gone = self.erased.get(*key);
                gone.is_some_and(|gone| gone.iter().any(|md5| files.contains(md5)))
            };
            let erased: Vec<&String> =
                held.iter().filter(|(key, files)| is_gone(key, files)).map(|(key, _)| key).collect();
            if !erased.is_empty() {
                // Everything else is there, and the erased runs are named.
                let rest: BTreeSet<String> = held.keys().filter(|key| !erased.contains(key)).cloned().collect();
                assert_eq!(self.there("clone"), rest, "{rev}\n{}", self.story());
                assert!(pulled.stderr.contains("left out, for"), "{}\n{}", pulled.both(), self.story());
                continue;
            }
            let output = env.ask_dvc_in("clone", ["status"]);
            let is_there = output.code == 0 && output.stdout.contains("up to date");
            assert!(is_there, "{rev}: {}\n{}", output.both(), self.story());
            if let Some(run) = rev.strip_prefix("capture/") {
                let run = run.split('@').next().unwrap();
                assert!(env.path("clone/data/captures").join(run).join("steps.parquet").exists(), "{rev}");
            }
        }
    }
}

fn live(engine: &str, dvc: &Path, steps: usize) {
    let given = |name: &str| std::env::var(name).ok().and_then(|n| n.parse().ok());
    let steps = given("CAPTURE_HOOK_TEST_STEPS").unwrap_or(steps as u64);
    let other_engine = std::env::var("CAPTURE_HOOK_TEST_ENGINE").ok();
    let engine = other_engine.as_deref().unwrap_or(engine);
    let mut history = History::new(engine, dvc, given("CAPTURE_HOOK_TEST_SEED").unwrap_or(1));
    for step in 0..steps {
        history.step();
        history.check();
        if step % 15 == 0 {
            history.env.assert_notes_change_nothing("repo");
        }
    }
    history.all_comes_back();
}

/// M2: No run is ever lost, and every commit can be checked out again.
#[test]
fn a_random_history_with_the_native_engine() {
    live("native", &tools::dvc_bin(), 90);
}

/// M2: The same, with `dvc repro` in each commit.
#[test]
fn a_random_history_with_dvc() {
    live("dvc", &tools::dvc_bin(), 12);
}

/// M2, D2: The same with the oldest supported DVC.
#[test]
fn random_histories_with_an_older_dvc() {
    live("native", &tools::old_dvc_bin(), 15);
    live("dvc", &tools::old_dvc_bin(), 6);
}

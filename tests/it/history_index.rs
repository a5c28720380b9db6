//! The index of history and the other notes in git's directory: whatever happens to the repository, the cache or the notes, each
//! command answers as it does without them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use md5::{Digest, Md5};
use serde_json::Value;

use crate::env::{NOTE_FILES, TestEnv, copy_dir, corpus_run};

/// Long enough that what was written is noted.
fn settle() {
    std::thread::sleep(Duration::from_millis(2100));
}

/// A project of the native engine with a few commits of runs, and notes of all of them.
fn noted_project() -> TestEnv {
    let env = TestEnv::committed_native();
    for number in 0..3 {
        let key = format!("more/r{number}");
        env.record_as("ok-orig100", &key);
        env.commit_run(&key);
    }
    settle();
    env.hook(["log", "--json"]).ok();
    env.hook(["runs", "--json"]).ok();
    for name in NOTE_FILES {
        assert!(env.note_file("repo", name).is_file(), "{name}");
    }
    env
}

fn versions(env: &TestEnv, dir: &str) -> Vec<Value> {
    let log: Value = serde_json::from_str(&env.hook_in(dir, ["log", "--json"]).ok().stdout).unwrap();
    log["versions"].as_array().unwrap().clone()
}

/// The file list of the data version that a commit has.
fn file_list(env: &TestEnv, rev: &str) -> PathBuf {
    let lock = env.git(["show", &format!("{rev}:dvc.lock")]).ok().stdout;
    let name =
        lock.lines().find_map(|line| line.trim().strip_prefix("md5: ").filter(|md5| md5.ends_with(".dir"))).unwrap();
    env.repo(".dvc/cache/files/md5").join(&name[..2]).join(&name[2..])
}

#[test]
fn rewritten_history_is_read_as_it_is_now() {
    noted_project().case(|env| {
        env.assert_notes_change_nothing("repo");
        env.git(["commit", "-q", "--amend", "-m", "Another message"]).ok();
        env.assert_notes_change_nothing("repo");
        assert_eq!(versions(env, "repo")[0]["subject"], "Another message");
        env.git(["checkout", "-q", "-b", "side", "HEAD~1"]).ok();
        env.record_as("ok-head01", "side/r1");
        env.commit_run("side/r1");
        env.assert_notes_change_nothing("repo");
        env.git(["rebase", "-q", "main"]).ok();
        env.assert_notes_change_nothing("repo");
        env.git(["checkout", "-q", "main"]).ok();
        env.git(["merge", "-q", "--no-ff", "-m", "Merge side", "side"]).ok();
        env.assert_notes_change_nothing("repo");
        // Nothing but the notes knows these commits any more.
        env.git(["reset", "-q", "--hard", "HEAD~2"]).ok();
        env.git(["branch", "-q", "-D", "side"]).ok();
        let tags = env.tags();
        env.git(["tag", "-d"].into_iter().chain(tags.iter().map(String::as_str))).ok();
        env.git(["reflog", "expire", "--expire=now", "--all"]).ok();
        env.git(["gc", "-q", "--prune=now"]).ok();
        env.assert_notes_change_nothing("repo");
        assert!(!versions(env, "repo").iter().any(|version| version["subject"] == "Merge side"));
        // A tag of that name that is another object.
        env.git(["tag", "-a", "-m", "by hand", "capture/more/r0"]).ok();
        env.assert_notes_change_nothing("repo");
        env.git(["tag", "-f", "capture/more/r0", "HEAD~1"]).ok();
        env.git(["pack-refs", "--all"]).ok();
        env.assert_notes_change_nothing("repo");
    });
}

#[test]
fn notes_that_are_cut_damaged_newer_or_of_another_repository_change_nothing() {
    noted_project().case(|env| {
        let other = TestEnv::committed();
        other.hook(["log", "--json"]).ok();
        other.hook(["runs", "--json"]).ok();
        for name in NOTE_FILES {
            let path = env.note_file("repo", name);
            let whole = fs::read(&path).unwrap();
            let header = whole.iter().position(|byte| *byte == b'\n').unwrap();
            let mut flipped = whole.clone();
            flipped.iter_mut().skip(header).step_by(97).for_each(|byte| *byte ^= 0x10);
            let newer = [format!("capture-hook notes {name} 999\n").as_bytes(), &whole[header + 1..]].concat();
            let foreign = fs::read(other.note_file("repo", name)).unwrap_or_default();
            let cut = whole[..whole.len() * 2 / 3].to_vec();
            for bytes in [Vec::new(), b"no notes at all".to_vec(), cut, flipped, newer, foreign] {
                fs::write(&path, bytes).unwrap();
                env.assert_notes_change_nothing("repo");
            }
        }
    });
}

#[test]
fn notes_that_cannot_be_written_are_no_failure() {
    noted_project().case(|env| {
        let whole = versions(env, "repo");
        for name in NOTE_FILES {
            let path = env.note_file("repo", name);
            fs::remove_file(&path).unwrap();
            // Nothing can be written under the name of a directory that is not empty, whoever tries.
            fs::create_dir_all(path.join("full")).unwrap();
        }
        assert_eq!(versions(env, "repo"), whole);
        let output = env.hook(["runs", "--json"]).ok();
        assert!(output.stderr.is_empty(), "{}", output.stderr);
        env.hook(["status"]).ok();
        // In the worst case, the whole directory is not ours to write.
        let state = env.repo(".git/capture-hook");
        fs::remove_dir_all(&state).unwrap();
        fs::write(&state, "in the way").unwrap();
        assert_eq!(versions(env, "repo"), whole);
        env.hook(["runs", "--json"]).ok();
    });
}

#[test]
fn a_list_that_is_gone_comes_back_or_is_damaged_is_noticed() {
    noted_project().case(|env| {
        let before = versions(env, "repo");
        let list = file_list(env, "HEAD~1");
        let bytes = fs::read(&list).unwrap();
        fs::remove_file(&list).unwrap();
        assert!(versions(env, "repo").iter().any(|version| version["partial"] == true));
        env.assert_notes_change_nothing("repo");
        settle();
        env.assert_notes_change_nothing("repo");
        // What was not known is never noted as all there is.
        fs::write(&list, &bytes).unwrap();
        assert_eq!(versions(env, "repo"), before);
        env.assert_notes_change_nothing("repo");
        settle();
        env.assert_notes_change_nothing("repo");
        // As long as before, and of the same time.
        let times = fs::metadata(&list).unwrap().modified().unwrap();
        let damaged: Vec<u8> = bytes.iter().map(|byte| if *byte == b'}' { b'{' } else { *byte }).collect();
        fs::write(&list, damaged).unwrap();
        fs::File::options().write(true).open(&list).unwrap().set_modified(times).unwrap();
        env.assert_notes_change_nothing("repo");
        settle();
        env.assert_notes_change_nothing("repo");
        fs::write(&list, &bytes).unwrap();
        assert_eq!(versions(env, "repo"), before);
    });
}

#[test]
fn a_run_that_is_recorded_again_is_read_again() {
    noted_project().case(|env| {
        let results = env.repo("results");
        let run_json = results.join("more/r0/run.json");
        let text = fs::read_to_string(&run_json).unwrap();
        let times = fs::metadata(&run_json).unwrap().modified().unwrap();
        // As long as before, and of the same time.
        fs::write(&run_json, text.replace("\"r0\"", "\"r1\"")).unwrap();
        fs::File::options().write(true).open(&run_json).unwrap().set_modified(times).unwrap();
        env.assert_notes_change_nothing("repo");
        let shown = env.hook(["runs"]).both();
        assert!(shown.contains("several runs are called more/r1"), "{shown}");
        fs::rename(results.join("more/r2"), results.join("more/r9")).unwrap();
        env.assert_notes_change_nothing("repo");
        fs::remove_dir_all(results).unwrap();
        env.assert_notes_change_nothing("repo");
        // The dataset's files and the cache's objects, too.
        fs::remove_dir_all(env.repo("data/captures/more")).unwrap();
        env.assert_notes_change_nothing("repo");
    });
}

#[test]
fn a_shallow_clone_that_gets_the_rest_is_read_anew() {
    noted_project().case(|env| {
        let url = format!("file://{}", env.repo("").display());
        env.git_in(".", ["clone", "-q", "--depth=2", &url, "clone"]).ok();
        // The data is there, so that only git's history is short.
        fs::create_dir_all(env.path("clone/.dvc")).unwrap();
        let cache = format!("[cache]\n    dir = {}\n", env.repo(".dvc/cache").display());
        fs::write(env.path("clone/.dvc/config.local"), cache).unwrap();
        env.assert_notes_change_nothing("clone");
        let short = versions(env, "clone").len();
        env.git_in("clone", ["fetch", "-q", "--depth=3"]).ok();
        env.assert_notes_change_nothing("clone");
        env.git_in("clone", ["fetch", "-q", "--unshallow", "--tags"]).ok();
        env.assert_notes_change_nothing("clone");
        assert!(versions(env, "clone").len() > short);
    });
}

#[test]
fn projects_of_one_repository_share_the_file_and_no_answer() {
    TestEnv::empty().case(|env| {
        env.git_in(".", ["init", "-q", "repo"]).ok();
        // Two projects whose commits are one history.
        for (project, case) in [("one", "ok-orig100"), ("two", "ok-head01")] {
            let dir = format!("repo/{project}");
            fs::create_dir_all(env.path(&dir)).unwrap();
            env.hook_in(&dir, ["init", "--subdir"]).ok();
            fs::write(env.path(&dir).join("capture-hook.toml"), "engine = \"native\"\n").unwrap();
            env.git(["add", "-A"]).ok();
            env.git(["commit", "-q", "-m", project]).ok();
            let (run, key) = corpus_run(case);
            copy_dir(&run, &env.path(&dir).join("results").join(&key));
            env.hook_in(&dir, ["publish", "-q", "--no-push", &key]).ok();
        }
        settle();
        for _ in 0..2 {
            for dir in ["repo/one", "repo/two"] {
                env.assert_notes_change_nothing(dir);
                assert_eq!(versions(env, dir).len(), 1);
            }
        }
        assert_ne!(versions(env, "repo/one")[0]["data_version"], versions(env, "repo/two")[0]["data_version"]);
    });
}

#[test]
fn several_processes_may_note_at_once() {
    noted_project().case(|env| {
        let env = &*env;
        let expected = env.hook(["runs", "--json"]).ok().stdout;
        let log = env.hook(["log", "--json"]).ok().stdout;
        for _ in 0..3 {
            for name in NOTE_FILES {
                let _ = fs::remove_file(env.note_file("repo", name));
            }
            std::thread::scope(|scope| {
                for at in 0..6 {
                    let (expected, log) = (&expected, &log);
                    scope.spawn(move || match at % 2 {
                        0 => assert_eq!(&env.hook(["runs", "--json"]).ok().stdout, expected),
                        _ => assert_eq!(&env.hook(["log", "--json"]).ok().stdout, log),
                    });
                }
            });
            env.assert_notes_change_nothing("repo");
        }
        let left: Vec<_> = fs::read_dir(env.note_file("repo", "tmp")).into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    });
}

#[test]
fn a_hook_with_nothing_to_do_reads_and_writes_no_notes() {
    noted_project().case(|env| {
        for name in NOTE_FILES {
            let path = env.note_file("repo", name);
            fs::remove_file(&path).unwrap();
            // Reading a pipe would be an error, or wait for ever.
            env.run_in("repo", "mkfifo", [path]).ok();
        }
        fs::write(env.repo("code.txt"), "1").unwrap();
        env.git(["add", "code.txt"]).ok();
        let output = env.git(["commit", "-q", "-m", "code"]).ok();
        assert_eq!(output.both(), "");
        for name in NOTE_FILES {
            assert!(!env.note_file("repo", name).is_file(), "{name}");
        }
        // And a command takes such a file for no notes.
        env.hook(["log", "--json"]).ok();
    });
}

/// The program stands in for libgit2 where that refuses a repository: the answers are the same.
#[test]
fn a_repository_that_libgit2_refuses_is_noted_too() {
    noted_project().case(|env| {
        let by_lib = versions(env, "repo");
        env.git(["config", "core.repositoryFormatVersion", "1"]).ok();
        env.git(["config", "extensions.refStorage", "files"]).ok();
        env.assert_notes_change_nothing("repo");
        assert_eq!(versions(env, "repo"), by_lib);
    });
}

#[test]
fn notes_do_not_grow_while_nothing_changes() {
    TestEnv::committed_native().case(|env| {
        // A data version of more runs than are noted one by one, as its list has them.
        let md5 = |bytes: &[u8]| Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let entry = |at: usize| format!("{{\"md5\": \"{}\", \"relpath\": \"many/r{at:04}/run.json\"}}", md5(b"1"));
        let list = format!("[{}]", (0..700).map(entry).collect::<Vec<_>>().join(", "));
        let name = md5(list.as_bytes());
        let path = env.repo(".dvc/cache/files/md5").join(&name[..2]).join(format!("{}.dir", &name[2..]));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, list).unwrap();
        let old = file_list(env, "HEAD");
        let old_shard = old.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let old_name = format!("{old_shard}{}", old.file_name().unwrap().to_str().unwrap());
        let lock = fs::read_to_string(env.repo("dvc.lock")).unwrap();
        fs::write(env.repo("dvc.lock"), lock.replace(&old_name, &format!("{name}.dir"))).unwrap();
        env.git(["-c", "core.hooksPath=/dev/null", "commit", "-q", "-am", "Many runs"]).ok();
        assert_eq!(versions(env, "repo")[0]["run_count"], 700);
        settle();
        env.assert_notes_change_nothing("repo");
        let sizes = || NOTE_FILES.map(|name| fs::metadata(env.note_file("repo", name)).map(|facts| facts.len()).ok());
        let noted = sizes();
        env.assert_notes_change_nothing("repo");
        assert_eq!(sizes(), noted);
    });
}

//! `Capture-Files`: one line of a commit and of a tag that stands for every byte of a run. It is worked out again here
//! with `sha256sum` alone, as somebody without our command would do it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::env::{FIRST, PLUME, SECOND, THIRD, TestEnv, copy_dir, files as files_below};

/// What is to be hashed is listed by `find`; `sort` and `sha256sum` do the rest.
const BY_HAND: &str =
    "find -L . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum -- | sha256sum | cut -c1-64";

/// The value of the trailer, as a shell works it out for a run's folder.
fn files_by_hand(env: &TestEnv, key: &str) -> String {
    let dir = env.path("repo/data/captures").join(key);
    format!("sha256:{}", env.run_in(dir, "bash", ["-c", BY_HAND]).ok().stdout.trim())
}

/// What the tag's own message says.
fn files_in_tag(env: &TestEnv, tag: &str) -> Vec<String> {
    let message = env.git(["cat-file", "tag", tag]).ok().stdout;
    message.lines().filter_map(|line| line.strip_prefix("Capture-Files: ")).map(str::to_owned).collect()
}

/// Commit and tag of each run say what the files are, and `check` agrees.
#[track_caller]
fn assert_files_are_true(env: &TestEnv, rev: &str, keys: &[&str]) {
    let by_hand: Vec<String> = keys.iter().map(|key| files_by_hand(env, key)).collect();
    assert_eq!(env.trailer(rev, "Capture-Files"), by_hand);
    for (key, files) in keys.iter().zip(by_hand) {
        assert_eq!(files_in_tag(env, &format!("capture/{key}")), [files], "{key}");
    }
    env.hook(["check", "--strict"]).ok();
}

/// The object of a file in DVC's cache.
fn object_of(env: &TestEnv, file: &Path) -> PathBuf {
    let md5 = env.run_in(".", "md5sum", [file.to_str().unwrap()]).ok().stdout;
    env.repo(".dvc/cache/files/md5").join(&md5[..2]).join(&md5[2..32])
}

/// Another value of the same form.
fn other(files: &str) -> String {
    let (rest, last) = files.split_at(files.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

/// Commits HEAD again with another message, as somebody without hooks does.
fn reword(env: &mut TestEnv, change: impl Fn(&str) -> String) {
    let message = env.git(["log", "-1", "--format=%B"]).ok().stdout;
    env.set("CAPTURE_HOOK", "0");
    env.git(["commit", "-q", "--amend", "-m", &change(&message)]).ok();
    env.unset("CAPTURE_HOOK");
}

/// Makes a tag of HEAD anew with another message.
fn retag(env: &TestEnv, tag: &str, change: impl Fn(&str) -> String) {
    let object = env.git(["cat-file", "tag", tag]).ok().stdout;
    let message = change(object.split_once("\n\n").unwrap().1);
    env.git(["tag", "-f", "-a", "-m", &message, tag]).ok();
}

fn without_files(message: &str) -> String {
    message.lines().filter(|line| !line.starts_with("Capture-Files")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_commit_and_its_tag_stand_for_every_file_of_a_run() {
    for engine in ["dvc", "native"] {
        let env = TestEnv::initialized();
        let toml = format!("engine = \"{engine}\"\n[ingest]\ninclude = [\"video/**\"]\n");
        fs::write(env.repo("capture-hook.toml"), toml).unwrap();
        env.hook(["init"]).ok();
        env.git(["add", "-A"]).ok();
        env.git(["commit", "-q", "-m", "settings"]).ok();
        // The manifest of recorder 1.0.0 has no SHA-256, and knows no parquet.
        assert_eq!(env.record("ok-orig100"), PLUME);
        let manifest = fs::read_to_string(env.repo("results").join(PLUME).join("manifest.json")).unwrap();
        assert!(!manifest.contains("sha256"));
        let video = env.repo("results").join(PLUME).join("video/a b");
        fs::create_dir_all(&video).unwrap();
        for name in ["first.mp4", "Ünï #1.mp4", "two\nlines.mp4"] {
            fs::write(video.join(name), name).unwrap();
        }
        env.commit_run(PLUME);
        assert_eq!(files_below(&env.repo("data/captures").join(PLUME).join("video")).len(), 3);
        assert_files_are_true(&env, "HEAD", &[PLUME]);
        env.record_simulators();
        let declared = "minigrid/r1";
        env.commit_run(declared);
        assert_files_are_true(&env, "HEAD", &[declared]);
        assert_files_are_true(&env, "HEAD~1", &[PLUME]);
    }
}

#[test]
fn rewritten_commits_say_what_is_true() {
    TestEnv::branches("copy").case(|env| {
        env.git(["checkout", "-q", "topic"]).ok();
        env.git(["commit", "-q", "--amend", "-m", "other words"]).ok();
        assert_files_are_true(env, "HEAD", &[SECOND]);
        // Nothing depends on the note of what was hashed before.
        fs::write(env.repo(".git/capture-hook/hashed-runs"), "what is this\n").unwrap();
        env.git(["rebase", "-q", "main"]).ok();
        assert_files_are_true(env, "HEAD", &[SECOND]);
        assert_files_are_true(env, "HEAD~1", &[THIRD]);
        env.set("GIT_SEQUENCE_EDITOR", "sed -i -e '2s/pick/squash/'");
        env.set("GIT_EDITOR", "true");
        env.git(["rebase", "-q", "-i", "HEAD~2"]).ok();
        assert_files_are_true(env, "HEAD", &[SECOND, THIRD]);
        let body = env.git(["log", "-1", "--format=%B"]).ok().stdout;
        assert_eq!(body.matches("Capture-Files").count(), 2, "{body}");
    });
}

/// A clone without the data cannot work it out, and keeps what is said.
#[test]
fn a_clone_without_data_keeps_the_line() {
    let env = TestEnv::committed_native();
    env.commit_run(SECOND);
    let files = env.trailer("HEAD", "Capture-Files");
    env.git(["push", "-q", "--follow-tags", "origin", "main"]).ok();
    env.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
    fs::copy(env.repo(".dvc/config.local"), env.path("clone/.dvc/config.local")).unwrap();
    env.hook_in("clone", ["install"]).ok();
    let trailers = |key: &str| {
        let format = format!("--format=%(trailers:key={key},valueonly)");
        env.git_in("clone", ["log", "-1", &format]).ok().stdout.trim().to_owned()
    };
    env.git_in("clone", ["commit", "-q", "--amend", "--no-edit", "--date", "2026-01-01T00:00:00"]).ok();
    assert_eq!([trailers("Capture-Files")], files[..]);
    // All files but one are here, in the workspace alone: the line is still what was said.
    env.hook_in("clone", ["get", SECOND, "-o", "out"]).ok();
    copy_dir(&env.path("clone/out"), &env.path("clone/data/captures").join(SECOND));
    for object in files_below(&env.path("clone/.dvc/cache")) {
        if object.extension().is_none() {
            fs::remove_file(object).unwrap();
        }
    }
    fs::remove_file(env.path("clone/data/captures").join(SECOND).join("run.json")).unwrap();
    env.git_in("clone", ["commit", "-q", "--amend", "--no-edit", "--date", "2026-01-01T00:00:01"]).ok();
    assert_eq!([trailers("Capture-Files")], files[..]);
}

/// Commits and tags that were made before the line existed are as good as they were.
#[test]
fn older_commits_and_tags_without_the_line_are_right() {
    TestEnv::committed().case(|env| {
        let tag = format!("capture/{FIRST}");
        reword(env, without_files);
        retag(env, &tag, without_files);
        assert!(env.trailer("HEAD", "Capture-Files").is_empty() && files_in_tag(env, &tag).is_empty());
        env.hook(["check", "--strict"]).ok();
        let before = env.git(["rev-parse", &tag]).ok().stdout;
        env.hook(["tag", "--all"]).ok();
        assert_eq!(env.git(["rev-parse", &tag]).ok().stdout, before, "a tag that is right stays as it is");
    });
}

#[test]
fn check_finds_a_commit_and_a_tag_that_name_other_files() {
    TestEnv::committed().case(|env| {
        let tag = format!("capture/{FIRST}");
        let right = env.trailer("HEAD", "Capture-Files").remove(0);
        let wrong = other(&right);
        let file = env.repo("data/captures").join(FIRST).join("steps.parquet");
        let bytes = fs::read(&file).unwrap();
        let object = object_of(env, &file);
        assert_eq!(fs::read(&object).unwrap(), bytes);

        reword(env, |message| message.replace(&right, &wrong));
        retag(env, &tag, |message| message.replace(&wrong, &right));
        let output = env.hook(["check"]).fails(1);
        assert_eq!(output.stdout.matches("the run's files have another SHA-256").count(), 1, "{}", output.both());
        assert!(output.stdout.contains("trailer_false"), "{}", output.both());

        reword(env, |message| message.replace(&wrong, &right));
        retag(env, &tag, |message| message.replace(&right, &wrong));
        let output = env.hook(["check"]).fails(1);
        assert_eq!(output.stdout.matches("the run's files have another SHA-256").count(), 1, "{}", output.both());
        assert!(output.stdout.contains("tag_false"), "{}", output.both());

        // Bytes that are damaged or missing contradict nothing; `verify` is about them.
        fs::remove_file(&object).unwrap();
        fs::write(&object, &bytes[1..]).unwrap();
        env.hook(["check"]).ok();
        fs::remove_file(&object).unwrap();
        env.hook(["check"]).ok();
        fs::write(&object, &bytes).unwrap();
        env.hook(["check"]).fails(1);
    });
}

/// A message can be edited after our hook. What the tag says comes from the run, which is not read a second time.
#[test]
fn an_edited_message_gets_into_no_tag() {
    TestEnv::committed_native().case(|env| {
        let steps = env.repo("data/captures").join(SECOND).join("steps.parquet");
        let aside = env.path("steps.parquet");
        let script = format!(
            "#!/bin/sh\nset -e\nsed -i -e '1s/^/A run/' -e '/^Capture-Files/s/[0-9a-f]*$/{}/' \"$1\"\n\
             md5=$(md5sum < {steps} | cut -c1-32)\n\
             object=.dvc/cache/files/md5/$(echo $md5 | cut -c1-2)/$(echo $md5 | cut -c3-)\n\
             echo $PWD/$object > {root}/object\nmv $object {root}/moved-object\nmv {steps} {aside}\n",
            "0".repeat(64),
            steps = steps.display(),
            aside = aside.display(),
            root = env.path("").display(),
        );
        let editor = env.script("editor", &script);
        env.set("GIT_EDITOR", &editor);
        env.select(SECOND);
        env.git(["commit", "-q", "-a"]).ok();
        assert_eq!(env.trailer("HEAD", "Capture-Files"), [format!("sha256:{}", "0".repeat(64))]);
        fs::rename(&aside, &steps).unwrap();
        let object = fs::read_to_string(env.path("object")).unwrap();
        fs::rename(env.path("moved-object"), object.trim()).unwrap();
        assert_eq!(files_in_tag(env, &format!("capture/{SECOND}")), [files_by_hand(env, SECOND)]);
        let output = env.hook(["check"]).fails(1);
        assert!(output.stdout.contains("trailer_false") && !output.stdout.contains("tag_false"), "{}", output.both());
    });
}

/// What the clone has not noted is read again: in the cache, else in the workspace; only if the bytes are the committed
/// ones. Then there is no line, or the commit's.
#[test]
fn what_was_not_noted_is_read_in_cache_or_workspace() {
    TestEnv::committed_native().case(|env| {
        env.commit_run(SECOND);
        let (tag, right) = (format!("capture/{SECOND}"), [files_by_hand(env, SECOND)]);
        let file = env.repo("data/captures").join(SECOND).join("steps.parquet");
        let bytes = fs::read(&file).unwrap();
        let object = object_of(env, &file);
        let note = env.repo(".git/capture-hook/hashed-runs");
        let again = |env: &TestEnv| {
            fs::remove_file(&note).unwrap_or_default();
            env.git(["tag", "-d", &tag]).ok();
            env.hook(["tag"]).ok();
            files_in_tag(env, &tag)
        };
        assert_eq!(again(env), right);
        fs::remove_file(&note).unwrap();
        env.git(["commit", "-q", "--amend", "-m", "no line to copy"]).ok();
        assert_eq!(env.trailer("HEAD", "Capture-Files"), right);
        reword(env, |_| "nothing is said".into());
        assert_eq!(again(env), right);
        let damaged: Vec<u8> = bytes.iter().rev().copied().collect();
        for cached in [Some(&damaged), None] {
            fs::remove_file(&object).unwrap();
            if let Some(cached) = cached {
                fs::write(&object, cached).unwrap();
            }
            assert_eq!(again(env), right);
            fs::write(&file, &damaged).unwrap();
            assert_eq!(again(env), [] as [String; 0]);
            fs::write(&file, &bytes).unwrap();
            fs::write(&object, &bytes).unwrap();
        }
    });
}

/// Nothing but git, ssh-keygen and sha256sum proves a run of a recorder that writes no hashes itself.
#[test]
fn a_signed_tag_proves_every_byte_of_a_run() {
    let env = TestEnv::initialized();
    let key = env.path("home/key");
    env.run_in(".", "ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]).ok();
    let public = fs::read_to_string(env.path("home/key.pub")).unwrap();
    fs::write(env.path("home/signers"), format!("ada@example.org {public}")).unwrap();
    for (name, value) in [
        ("gpg.format", "ssh"),
        ("user.signingKey", key.to_str().unwrap()),
        ("tag.gpgSign", "true"),
        ("gpg.ssh.allowedSignersFile", env.path("home/signers").to_str().unwrap()),
    ] {
        env.git(["config", name, value]).ok();
    }
    assert_eq!(env.record("ok-orig100"), PLUME);
    env.commit_run(PLUME);
    let tag = format!("capture/{PLUME}");
    env.git(["verify-tag", &tag]).ok();
    assert_eq!(files_in_tag(&env, &tag), [files_by_hand(&env, PLUME)]);

    let parquet = env.repo("data/captures").join(PLUME).join("steps.parquet");
    let mut bytes = fs::read(&parquet).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // A copy of the object, if it was linked to the cache.
    fs::remove_file(&parquet).unwrap();
    fs::write(&parquet, &bytes).unwrap();
    assert_ne!(files_in_tag(&env, &tag), [files_by_hand(&env, PLUME)]);

    // The value in the signed text cannot be changed to fit.
    let object = env.git(["cat-file", "tag", &tag]).ok().stdout;
    let files = files_in_tag(&env, &tag).remove(0);
    fs::write(env.path("forged"), object.replace(&files, &files_by_hand(&env, PLUME))).unwrap();
    let forged = env.git(["hash-object", "-t", "tag", "-w", env.path("forged").to_str().unwrap()]).ok().stdout;
    env.git(["update-ref", &format!("refs/tags/{tag}"), forged.trim()]).ok();
    env.git(["verify-tag", &tag]).fails(1);
}

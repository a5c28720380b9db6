//! A stranger's export: nothing outside is read, nothing blocks, and what is printed does nothing to the terminal.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use super::{changed, findings, received, relist, verify};
use crate::env::{BIN, FIRST, run_command_within};

/// Links, pipes and directories in the place of files and folders are named, and nothing is read through them.
#[test]
fn what_is_no_regular_file_is_named() {
    let env = received();
    let file = format!("{FIRST}/run.json");
    let secret = env.path("secret");
    fs::write(&secret, "secret\n").unwrap();
    for target in ["/etc/passwd", "nothing", "../../run.json", secret.to_str().unwrap(), "/dev/zero"] {
        let dir = changed(&env, "one", |dir| {
            fs::remove_file(dir.join(&file)).unwrap();
            symlink(target, dir.join(&file)).unwrap();
        });
        assert_eq!(findings(&env, dir, &[]), [format!("unreadable {file}")], "{target}");
    }
    let pipe = |path: &Path| {
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    };
    let dir = changed(&env, "one", |dir| {
        fs::remove_file(dir.join(&file)).unwrap();
        pipe(&dir.join(&file));
        pipe(&dir.join("provenance/pipe"));
    });
    assert_eq!(findings(&env, dir, &[]), [format!("unreadable {file}"), "unreadable provenance/pipe".to_owned()]);
    // The same bytes behind a link to a folder.
    let dir = changed(&env, "one", |dir| {
        fs::rename(dir.join("nav"), env.path("nav")).unwrap();
        symlink(env.path("nav"), dir.join("nav")).unwrap();
    });
    let found = findings(&env, dir, &[]);
    assert!(found.contains(&"unreadable nav".to_owned()), "{found:?}");
    assert!(found.contains(&format!("missing {file}")), "{found:?}");
    let dir = changed(&env, "one", |dir| {
        fs::remove_file(dir.join(&file)).unwrap();
        fs::create_dir(dir.join(&file)).unwrap();
    });
    assert_eq!(findings(&env, dir, &[]), [format!("missing {file}")]);
    let nothing: [&dyn Fn(&Path); 4] =
        [&|list| symlink("/etc/passwd", list).unwrap(), &|list| symlink("nothing", list).unwrap(), &pipe, &|list| {
            fs::create_dir(list).unwrap()
        }];
    for make in nothing {
        let dir = changed(&env, "one", |dir| {
            fs::remove_file(dir.join("SHA256SUMS")).unwrap();
            make(&dir.join("SHA256SUMS"));
        });
        let output = verify(&env, dir, &[]);
        assert!([1, 3].contains(&output.code) && output.stderr.contains("SHA256SUMS"), "{}", output.both());
        assert!(!output.both().contains("root:"), "{}", output.both());
    }
}

/// Names that are not UTF-8, escape sequences, marks that turn text around, names in another case.
#[test]
fn odd_names_are_named_harmlessly() {
    let env = received();
    let dir = changed(&env, "one", |dir| {
        fs::write(dir.join(OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
        fs::write(dir.join("\u{1b}]0;title\u{7}"), "x").unwrap();
        fs::write(dir.join("a\u{202e}nosj.b"), "x").unwrap();
        fs::write(dir.join("a\nb"), "x").unwrap();
        fs::write(dir.join("readme.MD"), "x").unwrap();
    });
    let output = verify(&env, dir, &[]).fails(1);
    assert!(!output.both().contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", output.both());
    for named in ["caf\u{fffd}: its name is not UTF-8", "]0;title", "nosj.b", "a\\u{a}b", "readme.MD"] {
        assert!(output.stdout.contains(named), "no `{named}` in {}", output.stdout);
    }
    assert_eq!(findings(&env, dir, &[]).len(), 5);
    // In the list, and in a statement.
    let dir = changed(&env, "one", |dir| {
        fs::write(dir.join("SHA256SUMS"), format!("{}  \u{1b}[31m\u{202e}x\n", "0".repeat(64))).unwrap();
        let statement = fs::read_to_string(dir.join("provenance/run.intoto.json")).unwrap();
        let hostile = statement.replace(&format!("\"{FIRST}\""), "\"\\u001b[31m\u{202e}\"");
        fs::write(dir.join("provenance/run.intoto.json"), hostile).unwrap();
        relist(dir, "provenance/run.intoto.json");
    });
    let output = verify(&env, dir, &[]).fails(1);
    assert!(!output.both().contains(['\u{1b}', '\u{202e}']), "{:?}", output.both());
    for list in ["\u{1b}[31m\u{202e}/../x", "../\u{1b}[31m\u{202e}"] {
        let dir = changed(&env, "one", |dir| {
            fs::write(dir.join("SHA256SUMS"), format!("{}  {list}\n", "0".repeat(64))).unwrap();
        });
        let output = verify(&env, dir, &[]).fails(1);
        assert!(!output.both().contains(['\u{1b}', '\u{202e}']), "{:?}", output.both());
    }
}

/// A list of countless files that do not exist, one that is too large, statements of many subjects, folders in folders.
#[test]
fn a_huge_export_takes_no_more_than_it_should() {
    let env = received();
    let bounded = |dir: &str| {
        let line = "ulimit -v 4000000; exec \"$@\"";
        let mut command = env.command("/bin/sh", ".");
        command.args(["-c", line, "sh", BIN, "--json", "verify", dir]);
        run_command_within(Duration::from_secs(30), &mut command)
    };
    let zeros = "0".repeat(64);
    let dir = changed(&env, "one", |dir| {
        let lines: String = (0..60_000).map(|n| format!("{zeros}  a/b/{n}\n")).collect();
        fs::write(dir.join("SHA256SUMS"), lines).unwrap();
    });
    let output = bounded(dir).fails(1);
    assert!(output.stdout.contains("a/b/59999"));
    let dir = changed(&env, "one", |dir| {
        let list = fs::File::create(dir.join("SHA256SUMS")).unwrap();
        list.set_len(1 << 40).unwrap();
    });
    let output = bounded(dir);
    assert!((1..=5).contains(&output.code) && output.stderr.contains("SHA256SUMS"), "{}", output.both());
    let dir = changed(&env, "one", |dir| {
        let subjects: Vec<String> = (0..60_000)
            .map(|n| format!("{{\"digest\":{{\"sha256\":\"{zeros}\"}},\"name\":\"{FIRST}/{n:06}\"}}"))
            .collect();
        let statement = fs::read_to_string(dir.join("provenance/run.intoto.json")).unwrap();
        let (before, after) = statement.split_once("\"subject\":[").unwrap();
        let many = format!(
            "{before}\"subject\":[{}{after}",
            subjects.iter().map(|subject| format!("{subject},")).collect::<String>()
        );
        fs::write(dir.join("provenance/run.intoto.json"), many).unwrap();
        relist(dir, "provenance/run.intoto.json");
    });
    assert!(bounded(dir).fails(1).stdout.contains("59999"));
    let deep = "d/".repeat(1500);
    let dir = changed(&env, "one", |dir| fs::create_dir_all(dir.join(&deep)).unwrap());
    bounded(dir).ok();
}

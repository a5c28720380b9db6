use super::*;

fn read_settings(files: &[(&str, &str)]) -> (tempfile::TempDir, DvcSettings) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let home = dir.path().join("home");
    let env =
        Env::from_vars([("HOME", home.as_os_str()), ("DVC_SYSTEM_CONFIG_DIR", dir.path().join("system").as_os_str())]);
    let settings = DvcSettings::read(&dir.path().join("repo"), &env).unwrap();
    (dir, settings)
}

#[test]
fn without_files_the_defaults_hold() {
    let (dir, settings) = read_settings(&[]);
    assert_eq!(settings.cache_dir, dir.path().join("repo/.dvc/cache"));
    assert_eq!(settings.link_types, [LinkType::Reflink, LinkType::Copy]);
    assert_eq!(settings.default_remote(), None);
}

#[test]
fn the_nearer_file_wins_and_paths_are_relative_to_their_file() {
    let (dir, settings) = read_settings(&[
        ("system/config", "[cache]\n    type = symlink\n[core]\n    autostage = true\n"),
        ("home/.config/dvc/config", "[cache]\n    dir = shared\n    type = \"hardlink,copy\"\n"),
        ("repo/.dvc/config", "[core]\n    remote = Storage\n['remote \"Storage\"']\n    url = ../../store\n"),
        ("repo/.dvc/config.local", "[core]\n    autostage = False\n['remote \"s3\"']\n    url = s3://b/k\n"),
    ]);
    assert_eq!(settings.cache_dir, dir.path().join("home/.config/dvc/shared"));
    assert_eq!(settings.link_types, [LinkType::Hardlink, LinkType::Copy]);
    assert_eq!(settings.default_remote().unwrap().dir, Some(dir.path().join("store")));
    assert!(!settings.autostage && settings.unsupported.is_empty());
    assert_eq!(settings.remotes["s3"].dir, None);
}

#[test]
fn unsupported_settings_are_listed() {
    let config = "[cache]\n    local = x\n['remote \"w\"']\n    url = /w\n    worktree = true\n";
    let (_dir, settings) = read_settings(&[("repo/.dvc/config", config)]);
    assert_eq!(settings.unsupported.len(), 2, "{:?}", settings.unsupported);
    assert_eq!(settings.remotes["w"].dir, None);
}

#[test]
fn settings_of_tracked_files_are_untrusted_and_the_users_own_are_not() {
    let config = "['remote \"s\"']\n    url = s3://b/k\n    configpath = aws.ini\n    profile = x\n";
    let (_dir, tracked) = read_settings(&[("repo/.dvc/config", config)]);
    assert_eq!(tracked.untrusted[0].to_string(), "the tracked .dvc/config sets configpath of remote `s`");
    assert_eq!(tracked.untrusted.len(), 1);
    let (dir, local) = read_settings(&[("repo/.dvc/config.local", config), ("home/.config/dvc/config", config)]);
    assert_eq!(local.untrusted[0].file, ".dvc/config.local");
    let env = Env::from_vars([("HOME", dir.path().join("home"))]);
    let own = DvcSettings::read_trusting(&dir.path().join("repo"), &env, || true).unwrap();
    assert!(own.untrusted.is_empty());
    for (line, harmless) in [
        ("ask_password = true", false),
        ("ask_password = False", true),
        ("ssl_verify = ca.pem", false),
        ("ssl_verify = false", true),
        ("some_new_key = x", false),
    ] {
        let text = format!("['remote \"s\"']\n    {line}\n");
        let (_dir, settings) = read_settings(&[("repo/.dvc/config", &text)]);
        assert_eq!(settings.untrusted.is_empty(), harmless, "{line}");
    }
    for (dir, harmless) in [("../store", true), ("~/store", true), ("~eve/store", false), ("file://store", false)] {
        let (_dir, settings) = read_settings(&[("repo/.dvc/config", &format!("[cache]\n    dir = {dir}\n"))]);
        assert_eq!(settings.untrusted.is_empty(), harmless, "{dir}");
    }
}

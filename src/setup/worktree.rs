//! One DVC cache for all working trees of a clone.
//!
//! A linked working tree would have a cache of its own, which `git worktree remove` deletes. So it shares the main
//! working tree's; in a bare clone, which has none, one in git's common directory. A line in the working tree's own
//! `.dvc/config.local` sets it, relative to that file, so that it stays right when all of them move together; it is
//! checked again before anything is written to the cache. A cache that the user set is kept. The same is done for a
//! remote with a relative path in the tracked settings: it is where the main working tree finds it. A working tree
//! without a `config.local` gets a copy of the main one's (remotes, credentials), if git ignores the file there.

use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::dvc::cache::Cache;
use crate::dvc::settings::DvcSettings;
use crate::dvc::temp_project;
use crate::formats::ini;
use crate::formats::ini::IniSetting;
use crate::git::Repo;
use crate::project::dir::is_dvc_root;
use crate::project::{Project, ProjectError, Reporter};
use crate::support::beneath::FileKind;
use crate::support::fs::At;
use crate::support::{fs, limits};

/// The working tree's own settings of DVC.
const LOCAL_CONFIG: &str = ".dvc/config.local";
/// What stands before our line in it.
const CACHE_MARK: &str = "# capture-hook: the cache that all working trees of this clone share";

/// What stands before our line about a remote.
const REMOTE_MARK: &str = "# capture-hook: where the main working tree finds the remote";

/// The main working tree's project.
struct MainWorkTree {
    root: PathBuf,
    settings: DvcSettings,
}

/// Sees to it that a linked working tree shares the clone's cache, and that the line that says so is right.
pub fn share_cache(project: &mut Project, reporter: &dyn Reporter) -> Result<(), ProjectError> {
    let Some(shared) = find_shared_cache(project)? else { return Ok(()) };
    // Settings that a repository tracks do not describe this machine.
    if project.repo.index_entry(&project.git_path(LOCAL_CONFIG))?.is_some() {
        return Ok(());
    }
    let own = project.read_dvc_settings()?;
    let bytes = project.root_files().read(LOCAL_CONFIG, limits::TEXT)?;
    let text = String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
    let own_text = without_our_lines(&text);
    let main = find_main_project(project)?;
    let remote = main.as_ref().map(|main| find_relative_remote(project, main, &own_text)).transpose()?.flatten();
    let remote_found = remote
        .as_ref()
        .is_none_or(|(name, dir)| own.remotes.get(name).is_some_and(|remote| remote.dir.as_ref() == Some(dir)));
    let cache_found = own.cache_dir == shared || names_cache(&own_text);
    if cache_found && remote_found {
        return Ok(());
    }
    let mut messages = Vec::new();
    if !cache_found {
        // The objects come along: other commits of this working tree can need them, and no remote has to have them
        // yet.
        Cache::in_dir(&shared).copy_objects_from(&Cache::in_dir(&own.cache_dir))?;
        messages.push(format!("this working tree shares DVC's cache {}", shared.display()));
    }
    let mut base = own_text.clone();
    if own_text.trim().is_empty()
        && let Some(main) = &main
        && let Some(settings) = read_inherited_settings(project, main)?
    {
        messages.push(format!("copied the settings of {}", main.root.join(LOCAL_CONFIG).display()));
        base = settings;
        copy_mode(project, &main.root.join(LOCAL_CONFIG))?;
    }
    let value = |dir: &Path| relative_path(&project.root.join(".dvc"), dir).display().to_string();
    if !names_cache(&base) {
        base = ini::add_setting(&base, ("cache", "dir", &value(&shared)), CACHE_MARK);
    }
    if let Some((name, dir)) = &remote {
        messages.push(format!("finds the DVC remote `{name}` at {}", dir.display()));
        base = ini::add_setting(&base, (&format!("remote \"{name}\""), "url", &value(dir)), REMOTE_MARK);
    }
    project.root_files().write_atomic(LOCAL_CONFIG, base.as_bytes())?;
    // Both were read with the old cache.
    project.settings.take();
    project.file_lists.take();
    reporter.show_status(&messages.join(", and "));
    Ok(())
}

/// The default remote and its directory, if the tracked settings name it relative to themselves, and the main working
/// tree finds it elsewhere than this one would. A remote that this one's own settings name is theirs.
fn find_relative_remote(
    project: &Project,
    main: &MainWorkTree,
    own_text: &str,
) -> Result<Option<(String, PathBuf)>, ProjectError> {
    let Some((main_remote, dir)) =
        main.settings.default_remote().and_then(|remote| Some((remote, remote.dir.as_ref()?)))
    else {
        return Ok(None);
    };
    let own = DvcSettings::read_tracked(&project.root, &project.env)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let moves = own
        .remotes
        .get(&main_remote.name)
        .is_some_and(|own| own.url == main_remote.url && own.dir.as_ref() != Some(dir));
    // Settings that cannot be parsed may name it, so they are left alone.
    let named = ini::parse(own_text.as_bytes()).map_or(true, |settings| {
        settings.iter().any(|s| s.name_in_section("remote") == Some(&main_remote.name) && s.key == "url")
    });
    let ours = moves && !named && main_remote.name.chars().all(is_plain);
    Ok(ours.then(|| (main_remote.name.clone(), dir.clone())))
}

/// The cache that a linked working tree is to share; `None` in the main one.
pub fn find_shared_cache(project: &Project) -> Result<Option<PathBuf>, ProjectError> {
    if project.repo.git_dir() == project.repo.common_dir() {
        return Ok(None);
    }
    Ok(match project.repo.main_tree() {
        Some(_) => find_main_project(project)?.map(|main| main.settings.cache_dir),
        None => Some(project.state_dir().join("cache")),
    })
}

/// The same project in the main working tree, if it is checked out there.
fn find_main_project(project: &Project) -> Result<Option<MainWorkTree>, ProjectError> {
    let Some(root) = project.repo.main_tree().map(|tree| tree.join(&project.prefix)) else { return Ok(None) };
    if !is_dvc_root(&root) {
        return Ok(None);
    }
    // A hook's `GIT_DIR` would name this working tree instead of the main one.
    let env = project.env.clone().without_git();
    // `join` with an empty prefix leaves a `/` at the end, which this removes.
    let root: PathBuf = root.components().collect();
    let settings = Project::at(Repo::open(&root, &env)?, root.clone(), &env).read_dvc_settings()?;
    Ok(Some(MainWorkTree { root, settings }))
}

/// The main working tree's own settings but its cache, as this one may hold them: `None` if there are none, or if
/// git would track the file.
fn read_inherited_settings(project: &Project, main: &MainWorkTree) -> Result<Option<String>, ProjectError> {
    let Some(settings) = temp_project::read_anchored_settings(&main.root, "config.local")? else { return Ok(None) };
    let cache_dir = |setting: &IniSetting| (setting.section.as_str(), setting.key.as_str()) == ("cache", "dir");
    let settings: Vec<IniSetting> = settings.into_iter().filter(|setting| !cache_dir(setting)).collect();
    let path = project.git_path(LOCAL_CONFIG);
    // The file can hold credentials, which must not get into a commit.
    let ignored = project.repo.query_git(["check-ignore", "-q", "--", &path])?.success();
    Ok((ignored && !settings.is_empty()).then(|| ini::write_settings(&settings)))
}

/// Makes our file readable to those alone who may read that one, before there is anything in it.
fn copy_mode(project: &Project, of: &Path) -> Result<(), ProjectError> {
    if project.root_files().file_kind(LOCAL_CONFIG)? == FileKind::Absent {
        project.root_files().write_atomic(LOCAL_CONFIG, b"")?;
    }
    let mode = std::fs::metadata(of).at("look at", of)?.permissions().mode();
    // `0o666`: a settings file is never executable.
    Ok(fs::set_file_mode(&project.root.join(LOCAL_CONFIG), mode & 0o666)?)
}

/// The text without our line: with its mark, or as the file was before there was a mark, if what it names is gone.
fn without_our_lines(text: &str) -> String {
    // The file as it was written before lines got marks.
    let first = |text: &str| Some(PathBuf::from(text.strip_prefix("[cache]\n    dir = ")?.strip_suffix('\n')?));
    if first(text).is_some_and(|dir| dir.is_absolute() && !dir.is_dir()) {
        return String::new();
    }
    let mut out = String::new();
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        if [CACHE_MARK, REMOTE_MARK].contains(&line.trim()) {
            // And the setting that it stands above.
            lines.next();
        } else {
            out.push_str(line);
        }
    }
    // The sections that we made for it.
    let is_header = |line: &str| line.trim().is_empty() || line.trim().starts_with('[');
    if out.lines().all(is_header) { String::new() } else { out }
}

/// Whether settings name a cache. Those that cannot be parsed name none.
fn names_cache(text: &str) -> bool {
    ini::parse(text.as_bytes()).is_ok_and(|settings| settings.iter().any(|s| s.section == "cache" && s.key == "dir"))
}

/// A path as it is named from a directory; both absolute and without `..`. What has nothing in common stays absolute.
fn relative_path(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    // Only the root in common: a relative path would be longer and would not move with anything.
    if common <= 1 { to.to_path_buf() } else { path_from(from, to) }
}

/// The same, relative in any case.
pub(crate) fn path_from(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_line_is_distinguished_from_the_users() {
        let ours = format!("[cache]\n    {CACHE_MARK}\n    dir = \"../x\"\n");
        assert_eq!(without_our_lines(&ours), "");
        assert_eq!(without_our_lines(&format!("{ours}    type = symlink\n")), "[cache]\n    type = symlink\n");
        let both = format!("{ours}[remote \"s\"]\n    {REMOTE_MARK}\n    url = \"../x\"\n");
        assert_eq!(without_our_lines(&both), "");
        assert_eq!(without_our_lines("[cache]\n    dir = /nowhere/at/all\n"), "");
        for users in ["[cache]\n    dir = /\n", "[cache]\n    dir = ../x\n", "[core]\n    remote = s\n"] {
            assert_eq!(without_our_lines(users), users);
        }
    }

    #[test]
    fn a_path_is_named_from_where_it_is_read() {
        let rel = |from: &str, to: &str| relative_path(Path::new(from), Path::new(to)).display().to_string();
        assert_eq!(rel("/w/trees/x/.dvc", "/w/repo/.dvc/cache"), "../../../repo/.dvc/cache");
        assert_eq!(rel("/w/x/.dvc", "/mnt/cache"), "/mnt/cache");
    }
}

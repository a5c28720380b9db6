#![allow(clippy::unwrap_used)]

use super::*;

fn program(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, script).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

struct Place {
    dir: tempfile::TempDir,
    env: Env,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        program(&root.join("path/dvc"), "#!/bin/sh\necho 3.67.1\n");
        program(&root.join("repo/.venv/bin/dvc"), "#!/bin/sh\necho 3.50.0\n");
        program(&root.join("home/.local/share/capture-hook/dvc/bin/dvc"), "#!/bin/sh\necho 2.9.0\n");
        let path = format!("{}:/usr/bin:/bin", root.join("path").display());
        let env = Env::from_vars([("HOME", root.join("home").display().to_string()), ("PATH", path)]);
        Self { dir, env }
    }

    fn find(&self, git_config: Option<&str>) -> Result<Dvc, ProgramError> {
        self.find_unless(git_config, &|_| false)
    }

    /// The same, where these programs are not to be run.
    fn find_unless(&self, git_config: Option<&str>, refused: &dyn Fn(&Path) -> bool) -> Result<Dvc, ProgramError> {
        let root = self.dir.path().join("repo");
        Dvc::find(&Search {
            root: &root,
            env: &self.env,
            git_config,
            why_not: &|path| refused(path).then(|| "git tracks it".into()),
            unnamed: &[root.join(".venv/bin/dvc")],
            own_dir: None,
        })
    }
}

/// D2: DVC is taken from the environment, then from git's configuration, then from PATH.
#[test]
fn the_order_holds() {
    let mut place = Place::new();
    assert_eq!(place.find(None).unwrap().found_by(), FoundBy::Path);
    assert_eq!(place.find(Some("dvc")).unwrap().found_by(), FoundBy::GitConfig);
    place.env = place.env.with("CAPTURE_HOOK_DVC", place.dir.path().join("path/dvc"));
    assert_eq!(place.find(Some("/nothing")).unwrap().found_by(), FoundBy::Environment);
}

/// S4: A `dvc` in the repository is run only if the user has named it.
#[test]
fn one_in_the_repository_runs_once_it_is_named() {
    let mut place = Place::new();
    let venv = place.dir.path().join("repo/.venv/bin/dvc");
    place.env = Env::from_vars([("PATH", "/usr/bin:/bin")]);
    assert!(matches!(place.find(None), Err(ProgramError::Untrusted { path }) if path == venv));
    assert!(matches!(place.find_unless(None, &|_| true), Err(ProgramError::Refused { .. })));
    assert_eq!(place.find(venv.to_str()).unwrap().path(), venv);
}

/// S4: A `dvc` that git put there is passed over, or an error if it was named.
#[test]
fn one_that_is_refused_is_not_run_and_told() {
    let mut place = Place::new();
    let own = |path: &Path| path.ends_with("path/dvc");
    let dvc = place.find_unless(None, &own).unwrap();
    assert_eq!((dvc.found_by(), dvc.passed_over().len()), (FoundBy::PrivateVenv, 1));
    // One that somebody named is not replaced by another in silence.
    place.env = place.env.with("CAPTURE_HOOK_DVC", place.dir.path().join("path/dvc"));
    assert!(matches!(place.find_unless(None, &own), Err(ProgramError::Refused { .. })));
}

#[test]
fn one_that_is_named_and_missing_is_an_error_not_a_guess() {
    let place = Place::new();
    assert!(matches!(place.find(Some("/nothing/dvc")), Err(ProgramError::NotAProgram { .. })));
    assert!(matches!(place.find(Some("bin/dvc")), Err(ProgramError::NotAProgram { .. })));
}

/// D2: A DVC that is too old is refused.
#[test]
fn an_old_release_is_refused() {
    let mut place = Place::new();
    place.env = place.env.with("PATH", "/usr/bin:/bin");
    let dvc = place.find(None).unwrap();
    assert_eq!(dvc.found_by(), FoundBy::PrivateVenv);
    assert!(matches!(dvc.version(), Err(ProgramError::TooOld { .. })));
}

/// D2: DVC's version is asked once, and again if the program changes.
#[test]
fn the_release_is_asked_once_until_the_program_changes() {
    let place = Place::new();
    let path = place.dir.path().join("path/dvc");
    program(&path, &format!("#!/bin/sh\necho x >> {}/asked\necho 3.50.1\n", place.dir.path().display()));
    for _ in 0..3 {
        assert_eq!(place.find(None).unwrap().version().unwrap(), Version { major: 3, minor: 50 });
    }
    assert_eq!(std::fs::read_to_string(place.dir.path().join("asked")).unwrap(), "x\n");
    program(&path, "#!/bin/sh\necho 3.67.1\n#\n");
    assert_eq!(place.find(None).unwrap().version().unwrap(), Version { major: 3, minor: 67 });
}

/// E1, D3: DVC gets none of git's variables, and sends no analytics.
#[test]
fn git_variables_do_not_reach_dvc() {
    let mut place = Place::new();
    place.env = place.env.with("GIT_INDEX_FILE", "x");
    program(&place.dir.path().join("path/dvc"), "#!/bin/sh\nenv\n");
    let said = place.find(None).unwrap().call(["x"]).unwrap().text();
    assert!(said.contains("DVC_NO_ANALYTICS=1") && !said.contains("GIT_INDEX_FILE"), "{said}");
}

#[test]
fn a_busy_project_is_waited_for_and_then_named() {
    let place = Place::new();
    let root = place.dir.path().join("repo");
    program(
        &place.dir.path().join("path/dvc"),
        "#!/bin/sh\necho 'ERROR: Unable to acquire lock. Most' >&2\nexit 255\n",
    );
    std::fs::create_dir_all(root.join(".dvc/tmp")).unwrap();
    std::fs::write(root.join(".dvc/tmp/lock"), " 4242\n").unwrap();
    let error = place.find(None).unwrap().patient(Duration::from_millis(400)).call(["push"]).unwrap_err();
    assert!(matches!(error, ProgramError::Busy { holder: Some(4242), .. }), "{error:?}");
}

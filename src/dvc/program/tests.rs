#![allow(clippy::unwrap_used)]

use super::*;

fn write_program(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, script).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

struct ProgramFixture {
    dir: tempfile::TempDir,
    env: Env,
}

impl ProgramFixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write_program(&root.join("path/dvc"), "#!/bin/sh\necho 3.67.1\n");
        write_program(&root.join("repo/.venv/bin/dvc"), "#!/bin/sh\necho 3.50.0\n");
        write_program(&root.join("home/.local/share/capture-hook/dvc/bin/dvc"), "#!/bin/sh\necho 2.9.0\n");
        let path = format!("{}:/usr/bin:/bin", root.join("path").display());
        let env = Env::from_vars([("HOME", root.join("home").display().to_string()), ("PATH", path)]);
        Self { dir, env }
    }

    fn find_dvc(&self, git_config: Option<&str>) -> Result<Dvc, ProgramError> {
        self.find_unless(git_config, &|_| false)
    }

    /// The same, if these programs are not to be run.
    fn find_unless(&self, git_config: Option<&str>, refused: &dyn Fn(&Path) -> bool) -> Result<Dvc, ProgramError> {
        let root = self.dir.path().join("repo");
        Dvc::find(&ProgramSearch {
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
fn programs_are_found_in_order() {
    let mut fixture = ProgramFixture::new();
    assert_eq!(fixture.find_dvc(None).unwrap().found_by(), FoundBy::Path);
    assert_eq!(fixture.find_dvc(Some("dvc")).unwrap().found_by(), FoundBy::GitConfig);
    fixture.env = fixture.env.with_var("CAPTURE_HOOK_DVC", fixture.dir.path().join("path/dvc"));
    assert_eq!(fixture.find_dvc(Some("/nothing")).unwrap().found_by(), FoundBy::Environment);
}

/// S4: A `dvc` in the repository is run only if the user has named it.
#[test]
fn a_program_in_the_repository_needs_a_setting() {
    let mut fixture = ProgramFixture::new();
    let venv = fixture.dir.path().join("repo/.venv/bin/dvc");
    fixture.env = Env::from_vars([("PATH", "/usr/bin:/bin")]);
    assert!(matches!(fixture.find_dvc(None), Err(ProgramError::Untrusted { path }) if path == venv));
    assert!(matches!(fixture.find_unless(None, &|_| true), Err(ProgramError::Refused { .. })));
    assert_eq!(fixture.find_dvc(venv.to_str()).unwrap().path(), venv);
}

/// S4: A `dvc` that git put there is passed over, or an error if it was named.
#[test]
fn a_refused_program_is_passed_over_and_listed() {
    let mut fixture = ProgramFixture::new();
    let own = |path: &Path| path.ends_with("path/dvc");
    let dvc = fixture.find_unless(None, &own).unwrap();
    assert_eq!((dvc.found_by(), dvc.passed_over().len()), (FoundBy::PrivateVenv, 1));
    // One that the user named is not replaced by another.
    fixture.env = fixture.env.with_var("CAPTURE_HOOK_DVC", fixture.dir.path().join("path/dvc"));
    assert!(matches!(fixture.find_unless(None, &own), Err(ProgramError::Refused { .. })));
}

#[test]
fn a_missing_named_program_is_an_error() {
    let fixture = ProgramFixture::new();
    assert!(matches!(fixture.find_dvc(Some("/nothing/dvc")), Err(ProgramError::NotAProgram { .. })));
    assert!(matches!(fixture.find_dvc(Some("bin/dvc")), Err(ProgramError::NotAProgram { .. })));
}

/// D2: A DVC that is too old is refused.
#[test]
fn an_old_release_is_refused() {
    let mut fixture = ProgramFixture::new();
    fixture.env = fixture.env.with_var("PATH", "/usr/bin:/bin");
    let dvc = fixture.find_dvc(None).unwrap();
    assert_eq!(dvc.found_by(), FoundBy::PrivateVenv);
    assert!(matches!(dvc.read_supported_release(), Err(ProgramError::TooOld { .. })));
    for release in ["3.0a1", "10.1", "unknown"] {
        write_program(dvc.path(), &format!("#!/bin/sh\necho {release}\n# {release}\n"));
        assert_eq!(dvc.read_supported_release().unwrap(), release);
    }
}

/// D2: DVC's version is asked once, and again if the program changes.
#[test]
fn the_release_is_asked_once_until_the_program_changes() {
    let fixture = ProgramFixture::new();
    let path = fixture.dir.path().join("path/dvc");
    write_program(&path, &format!("#!/bin/sh\necho x >> {}/asked\necho 3.50.1\n", fixture.dir.path().display()));
    for _ in 0..3 {
        assert_eq!(fixture.find_dvc(None).unwrap().read_supported_release().unwrap(), "3.50.1");
    }
    assert_eq!(std::fs::read_to_string(fixture.dir.path().join("asked")).unwrap(), "x\n");
    write_program(&path, "#!/bin/sh\necho 3.67.1\n#\n");
    assert_eq!(fixture.find_dvc(None).unwrap().read_supported_release().unwrap(), "3.67.1");
}

/// E1, D3: DVC gets none of git's variables, and sends no analytics.
#[test]
fn git_variables_do_not_reach_dvc() {
    let mut fixture = ProgramFixture::new();
    fixture.env = fixture.env.with_var("GIT_INDEX_FILE", "x");
    write_program(&fixture.dir.path().join("path/dvc"), "#!/bin/sh\nenv\n");
    let stdout = fixture.find_dvc(None).unwrap().run_command(["x"]).unwrap().stdout_text();
    assert!(stdout.contains("DVC_NO_ANALYTICS=1") && !stdout.contains("GIT_INDEX_FILE"), "{stdout}");
}

#[test]
fn a_busy_project_is_waited_for_and_then_named() {
    let fixture = ProgramFixture::new();
    let root = fixture.dir.path().join("repo");
    write_program(
        &fixture.dir.path().join("path/dvc"),
        "#!/bin/sh\necho 'ERROR: Unable to acquire lock. Most' >&2\nexit 255\n",
    );
    std::fs::create_dir_all(root.join(".dvc/tmp")).unwrap();
    std::fs::write(root.join(".dvc/tmp/lock"), " 4242\n").unwrap();
    let error =
        fixture.find_dvc(None).unwrap().with_patience(Duration::from_millis(400)).run_command(["push"]).unwrap_err();
    assert!(matches!(error, ProgramError::Busy { holder: Some(4242), .. }), "{error:?}");
}

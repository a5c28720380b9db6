//! Gymnasium's CartPole for `demo --env cartpole`: a script that records it with the Python package, as a user's own would,
//! and a Python that can run it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ExitKind};
use crate::support::env::Env;
use crate::support::fs::is_executable;
use crate::support::process::{Cmd, shell_quote};

/// The script's name in the demo's repository.
pub const SCRIPT: &str = "record.py";

/// Records a run of the seed that it is given.
pub const SCRIPT_TEXT: &str = r#"import sys

import capture_hook
import gymnasium as gym

seed = int(sys.argv[1])
env = capture_hook.record(
    gym.make("CartPole-v1"), "results", experiment="cartpole", run_id=f"run-{seed:04}",
    names={"observation": ["x", "x_dot", "theta", "theta_dot"]},
    success=lambda info, terminated: not terminated,
)
with env:
    for episode in range(12):
        observation, info = env.reset(seed=1000 * seed + episode)
        done = False
        while not done:
            # To the side to which the pole falls.
            action = int(observation[2] + observation[3] > 0)
            observation, reward, terminated, truncated, info = env.step(action)
            done = terminated or truncated
print(env.run_dir)
"#;

/// Prints which of the packages are missing.
const PROBE: &str =
    "import importlib.util as u; print(*[n for n in ('gymnasium', 'capture_hook') if not u.find_spec(n)], sep=' and ')";

/// Returns the first Python that has Gymnasium and this package: the one beside this program, which a wheel was installed
/// into, or one on `PATH`.
pub fn find_python(env: &Env, own_dir: Option<&Path>) -> Result<PathBuf, Error> {
    let beside = own_dir.map(|dir| dir.join("python3")).filter(|path| is_executable(path));
    let candidates = beside.into_iter().chain(env.find_programs("python3")).chain(env.find_programs("python"));
    let mut first: Option<(PathBuf, String)> = None;
    for python in candidates {
        // In the root directory, because Python imports what is in the current one, which can be a stranger's. On a slow disk
        // it takes tens of seconds to start.
        let probe = Cmd::new(&python).args(["-c", PROBE]).dir("/").timeout(Duration::from_secs(60));
        // One that does not work is passed over, as one without the packages is.
        let Ok(output) = probe.run_checked(env) else { continue };
        let missing = output.stdout_text().trim().to_owned();
        if missing.is_empty() {
            return Ok(python);
        }
        first.get_or_insert((python, missing));
    }
    let Some((python, missing)) = first else {
        return Err(Error::new(
            ExitKind::Setup,
            "python_missing",
            "cannot record CartPole: there is no python3 on PATH",
        )
        .hint("install Python 3.10 or newer, Gymnasium and this package's `./python`"));
    };
    let python = shell_quote(&python);
    let message = format!("cannot record CartPole: {python} does not have {missing}");
    let mut error = Error::new(ExitKind::Setup, "python_package_missing", message);
    if missing.contains("gymnasium") {
        error = error.hint(format!("install Gymnasium: `{python} -m pip install gymnasium`"));
    }
    if missing.contains("capture_hook") {
        error = error.hint(format!("install this package, in a clone of it: `{python} -m pip install ./python`"));
    }
    Err(error)
}

//! `capture-hook demo`: the whole way in a scratch repository, each step with the command that does it.
//!
//! Every command shown is run as shown, as a program of its own, with a git that knows no configuration but the scratch
//! repository's. Nothing outside the scratch directory is touched.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::app::{App, Outcome};
use crate::dvc::program::{Dvc, Search};
use crate::error::{Error, ExitKind};
use crate::output::Text;
use crate::support::env::Env;
use crate::support::fs::At;
use crate::support::process::{Cmd, quoted};

mod plume;
mod recording;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook demo                     in a new directory, which it names
  capture-hook demo ~/try-it            in a directory of your choice (new or empty)
  capture-hook demo --record results    only record a run, as the demo's second step does")]
pub struct Args {
    /// Where to build the scratch repository: a new or empty directory (default: one in the system's temporary directory).
    dir: Option<PathBuf>,
    /// Only record a run below ROOT: an agent that looks for the source of a plume.
    #[arg(long, value_name = "ROOT", conflicts_with = "dir")]
    record: Option<PathBuf>,
    /// The recorded run's seed, from which its id follows.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "record")]
    seed: u32,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    if let Some(root) = &args.record {
        let recorded = recording::record(&app.cwd.join(root), args.seed)?;
        app.ui.value(root.join(recorded));
        return Ok(Outcome::Done);
    }
    let dir = scratch(app, args.dir.as_deref())?;
    let mut tour = Tour::new(app, &dir)?;
    tour.walk()?;
    if app.ui.json() {
        app.ui.data_json(&Told { ok: true, directory: dir.display().to_string(), steps: tour.told });
    }
    Ok(Outcome::Done)
}

/// The directory to work in: new or empty, so that nothing of the user's is in it.
fn scratch(app: &App, dir: Option<&Path>) -> Result<PathBuf, Error> {
    let Some(dir) = dir else {
        let temp = app.env.get("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let made = tempfile::Builder::new().prefix("capture-hook-demo-").tempdir_in(&temp).at("write in", &temp)?;
        return Ok(made.keep());
    };
    let dir = app.cwd.join(dir);
    crate::support::fs::create_dir_all(&dir)?;
    if std::fs::read_dir(&dir).at("list", &dir)?.next().is_some() {
        return Err(Error::new(ExitKind::Usage, "directory_not_empty", format!("{} is not empty", dir.display()))
            .hint("name a new directory: capture-hook demo DIR"));
    }
    Ok(dir)
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Told {
    ok: bool,
    directory: String,
    steps: Vec<Step>,
}

/// One command of the tour.
#[derive(Debug, Serialize)]
struct Step {
    title: String,
    command: String,
    output: String,
}

/// The tour through the scratch repository.
struct Tour<'a> {
    app: &'a App,
    env: Env,
    dir: PathBuf,
    title: String,
    number: usize,
    told: Vec<Step>,
}

impl<'a> Tour<'a> {
    fn new(app: &'a App, dir: &Path) -> Result<Self, Error> {
        let exe = std::env::current_exe().at("find", Path::new("capture-hook"))?;
        let mut env = app
            .env
            .clone()
            .without_git()
            .with("GIT_CONFIG_GLOBAL", "/dev/null")
            .with("GIT_CONFIG_NOSYSTEM", "1")
            .with("GIT_PAGER", "cat")
            .with("DVC_NO_ANALYTICS", "1")
            .with("NO_COLOR", "1");
        // So that the commands shown are found as they are typed, DVC's own included.
        let here = app.project().ok();
        let dvc = Dvc::find(&Search {
            root: dir,
            env: &app.env,
            git_config: None,
            why_not: &|program| here.as_ref()?.why_not_run(program),
            unnamed: &[],
            own_dir: exe.parent(),
        })?;
        if let Some(bin) = dvc.path().parent() {
            env = env.with_path_first(bin);
        }
        if let Some(bin) = exe.parent() {
            env = env.with_path_first(bin);
        }
        Ok(Self { app, env, dir: dir.to_path_buf(), title: String::new(), number: 0, told: Vec::new() })
    }

    fn walk(&mut self) -> Result<(), Error> {
        let repo = self.dir.join("project");
        crate::support::fs::create_dir_all(&self.dir.join("dvc-remote"))?;
        self.say(Text::from(format!("The whole way, in {}", self.dir.display())).end_line());

        self.step("Set a repository up");
        let outside = self.dir.clone();
        self.run(&outside, &["git", "init", "-q", "-b", "main", "project"])?;
        self.run(&repo, &["git", "config", "user.name", "Demo"])?;
        self.run(&repo, &["git", "config", "user.email", "demo@example.org"])?;
        self.run(&repo, &["capture-hook", "init", "--remote", "../dvc-remote"])?;
        self.run(&repo, &["git", "add", "-A"])?;
        self.run(&repo, &["git", "commit", "-q", "-m", "Set capture-hook up"])?;

        self.step("Record a run: an agent looks for the source of a plume");
        self.run(&repo, &["capture-hook", "demo", "--record", "results"])?;
        self.run(&repo, &["capture-hook", "validate", "latest"])?;

        self.step("Select it, and commit: the hook validates, ingests and tags");
        self.run(&repo, &["capture-hook", "select", "latest"])?;
        self.run(&repo, &["git", "commit", "-q", "-a", "-m", "First walk"])?;
        self.run(&repo, &["git", "log", "-1", "--stat", "--format=%s%n%n%(trailers)"])?;
        self.run(&repo, &["git", "tag", "--list"])?;
        self.run(&repo, &["dvc", "status"])?;

        self.step("Push: the data goes first, then the commits");
        self.run(&repo, &["git", "init", "-q", "--bare", "../origin.git"])?;
        self.run(&repo, &["git", "remote", "add", "origin", "../origin.git"])?;
        self.run(&repo, &["git", "push", "-q", "--follow-tags", "-u", "origin", "main"])?;

        self.step("A second run, all of that in one command");
        self.run(&repo, &["capture-hook", "demo", "--record", "results", "--seed", "2"])?;
        self.run(&repo, &["capture-hook", "publish", "run-0002"])?;

        self.step("Lose everything: recordings, dataset, DVC's cache");
        self.run(&repo, &["rm", "-rf", "results", "data/captures", ".dvc/cache"])?;

        self.step("Check the first run's tag out: its data comes back");
        self.run(&repo, &["git", "checkout", "-q", "capture/demo/run-0001"])?;
        self.run(&repo, &["ls", "data/captures/demo"])?;
        self.run(&repo, &["capture-hook", "verify"])?;

        self.step("And the newest");
        self.run(&repo, &["git", "checkout", "-q", "main"])?;
        self.run(&repo, &["ls", "data/captures/demo"])?;
        self.run(&repo, &["capture-hook", "verify"])?;

        let (look, remove) = (quoted(&repo), quoted(&self.dir));
        let mut text = Text::new();
        text.end_line().add(format!("Done. Look around:  cd {look} && capture-hook log")).end_line();
        text.add(format!("Remove it all:      rm -rf {remove}")).end_line();
        self.say(&text);
        Ok(())
    }

    fn step(&mut self, title: &str) {
        self.number += 1;
        title.clone_into(&mut self.title);
        let mut text = Text::new();
        text.end_line().styled(anstyle::Style::new().bold(), format!("{}. {title}", self.number)).end_line();
        self.say(&text);
    }

    /// Shows a command, runs it, and shows what it said.
    fn run(&mut self, dir: &Path, words: &[&str]) -> Result<(), Error> {
        let cmd = Cmd::new(words[0]).args(&words[1..]).dir(dir).timeout(Duration::from_secs(600));
        let line = cmd.line();
        let mut text = Text::new();
        text.styled(anstyle::Style::new().dimmed(), "$").add(format!(" {line}")).end_line();
        self.say(&text);
        let output = cmd.checked(&self.env)?;
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        let said = said.trim_end().to_owned();
        for text in said.lines() {
            self.say(Text::from(format!("  {text}")).end_line());
        }
        self.told.push(Step { title: self.title.clone(), command: line, output: said });
        Ok(())
    }

    fn say(&self, text: &Text) {
        if !self.app.ui.json() {
            self.app.ui.data(text);
        }
    }
}

//! `capture-hook demo`: every step in a temporary repository, each with its command.
//!
//! Every command is run as shown, as a program of its own, with a git that knows only the temporary repository's
//! configuration. Nothing outside this directory is touched.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::app::{App, CommandOutcome};
use crate::error::{Error, ExitKind};
use crate::output::StyledText;
use crate::output::json::{DemoJson, DemoStepJson};
use crate::project::programs;
use crate::support::env::Env;
use crate::support::fs::{At, write_atomic};
use crate::support::process::{Cmd, shell_quote};
use crate::support::this_process::running_program;

mod cartpole;
mod plume;
mod recording;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook demo                     in a new directory, which is printed
  capture-hook demo ~/try-it            in a directory of your choice (new or empty)
  capture-hook demo --env cartpole      with Gymnasium's CartPole, in Python
  capture-hook demo --record results    only record a run, as the demo's second step does")]
pub struct Args {
    /// The directory of the repository: new or empty (default: one in the system's temporary directory).
    dir: Option<PathBuf>,
    /// What is recorded: an agent in a plume, or Gymnasium's CartPole by a Python that has Gymnasium and capture_hook.
    #[arg(long, value_enum, default_value_t, conflicts_with = "record")]
    env: DemoEnv,
    /// Only record a run in ROOT: an agent that looks for the source of a plume.
    #[arg(long, value_name = "ROOT", conflicts_with = "dir")]
    record: Option<PathBuf>,
    /// The seed of the recorded run; its id is derived from it.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "record")]
    seed: u32,
}

/// What the demo records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum DemoEnv {
    #[default]
    Plume,
    Cartpole,
}

impl DemoEnv {
    fn experiment(self) -> &'static str {
        match self {
            Self::Plume => "demo",
            Self::Cartpole => "cartpole",
        }
    }
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    if let Some(root) = &args.record {
        let recorded = recording::record_run(&app.cwd.join(root), args.seed)?;
        app.ui.print_value(root.join(recorded));
        return Ok(CommandOutcome::Done);
    }
    let exe = running_program().at("find", Path::new("capture-hook"))?;
    // Before anything is made, so that a Python without the packages leaves nothing behind.
    let python = match args.env {
        DemoEnv::Plume => None,
        DemoEnv::Cartpole => Some(cartpole::find_python(&app.env, exe.parent())?),
    };
    let dir = demo_dir(app, args.dir.as_deref())?;
    let mut tour = DemoTour::new(app, &exe, &dir)?;
    let python = python.map(|path| tour.typed_program(&path));
    tour.run_all(args.env, python.as_deref())?;
    if app.ui.json() {
        app.ui.print_json(&DemoJson { ok: true, directory: dir.display().to_string(), steps: tour.steps });
    }
    Ok(CommandOutcome::Done)
}

/// The directory to work in: new or empty, so that nothing of the user's is in it.
fn demo_dir(app: &App, dir: Option<&Path>) -> Result<PathBuf, Error> {
    let Some(dir) = dir else {
        let temp = app.env.get("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let temp_dir = crate::support::fs::create_temp_dir(&temp, "capture-hook-demo-")?;
        // Not removed at the end: the user may look around in it.
        return Ok(temp_dir.keep());
    };
    let dir = app.cwd.join(dir);
    crate::support::fs::create_dir_all(&dir)?;
    // Refused, because it may hold the user's work, and the demo ends with the advice to remove it all.
    if std::fs::read_dir(&dir).at("list", &dir)?.next().is_some() {
        return Err(Error::new(ExitKind::Usage, "directory_not_empty", format!("{} is not empty", dir.display()))
            .hint("name a new directory: `capture-hook demo DIR`"));
    }
    Ok(dir)
}

/// The tour through the scratch repository.
struct DemoTour<'a> {
    app: &'a App,
    env: Env,
    dir: PathBuf,
    title: String,
    number: usize,
    steps: Vec<DemoStepJson>,
}

impl<'a> DemoTour<'a> {
    fn new(app: &'a App, exe: &Path, dir: &Path) -> Result<Self, Error> {
        let mut env = app
            .env
            .clone()
            .without_git()
            // Git reads this one since 2.32. The user's own hooks or signing of commits would change what is shown.
            .with_var("GIT_CONFIG_GLOBAL", "/dev/null")
            .with_var("GIT_CONFIG_NOSYSTEM", "1")
            .with_var("GIT_PAGER", "cat")
            .with_var("DVC_NO_ANALYTICS", "1")
            .with_var("NO_COLOR", "1");
        // So that the commands shown are found as they are typed, DVC's own included.
        let current_project = app.open_project().ok();
        if let Some(bin) = programs::find_dvc_bin(dir, &app.env, exe.parent(), current_project.as_ref())? {
            env = env.with_path_first(&bin);
        }
        // After DVC's directory, so that it is in front of it on PATH: the demo runs this program and no other version
        // of it.
        if let Some(bin) = exe.parent() {
            env = env.with_path_first(bin);
        }
        Ok(Self { app, env, dir: dir.to_path_buf(), title: String::new(), number: 0, steps: Vec::new() })
    }

    fn run_all(&mut self, recorded: DemoEnv, python: Option<&str>) -> Result<(), Error> {
        let repo = self.dir.join("project");
        let dataset = format!("data/captures/{}", recorded.experiment());
        crate::support::fs::create_dir_all(&self.dir.join("dvc-remote"))?;
        self.print_text(StyledText::from(format!("From recording to checkout, in {}", self.dir.display())).end_line());

        self.start_step("Set a repository up");
        let outside = self.dir.clone();
        self.run_command(&outside, &["git", "init", "-q", "-b", "main", "project"])?;
        self.run_command(&repo, &["git", "config", "user.name", "Demo"])?;
        self.run_command(&repo, &["git", "config", "user.email", "demo@example.org"])?;
        self.run_command(&repo, &["capture-hook", "init", "--remote", "../dvc-remote"])?;
        self.run_command(&repo, &["git", "add", "-A"])?;
        self.run_command(&repo, &["git", "commit", "-q", "-m", "Set capture-hook up"])?;

        match python {
            Some(python) => self.record_cartpole(&repo, python)?,
            None => {
                self.start_step("Record a run: an agent looks for the source of a plume");
                self.run_command(&repo, &["capture-hook", "demo", "--record", "results"])?;
            }
        }
        self.run_command(&repo, &["capture-hook", "validate", "latest"])?;

        self.start_step("Select it, and commit: the hook validates, ingests and tags");
        self.run_command(&repo, &["capture-hook", "select", "latest"])?;
        let subject = if python.is_some() { "First run" } else { "First walk" };
        self.run_command(&repo, &["git", "commit", "-q", "-a", "-m", subject])?;
        self.run_command(&repo, &["git", "log", "-1", "--stat", "--format=%s%n%n%(trailers)"])?;
        self.run_command(&repo, &["git", "tag", "--list"])?;
        self.run_command(&repo, &["dvc", "status"])?;

        self.start_step("Push: the data goes first, then the commits");
        self.run_command(&repo, &["git", "init", "-q", "--bare", "../origin.git"])?;
        self.run_command(&repo, &["git", "remote", "add", "origin", "../origin.git"])?;
        self.run_command(&repo, &["git", "push", "-q", "--follow-tags", "-u", "origin", "main"])?;

        self.start_step("A second run, recorded and published with one command");
        match python {
            Some(python) => self.run_command(&repo, &[python, cartpole::SCRIPT, "2"])?,
            None => self.run_command(&repo, &["capture-hook", "demo", "--record", "results", "--seed", "2"])?,
        }
        self.run_command(&repo, &["capture-hook", "publish", "run-0002"])?;

        self.start_step("Lose everything: recordings, dataset, DVC's cache");
        // Relative to the repository that this demo made: nothing else can be removed.
        self.run_command(&repo, &["rm", "-rf", "results", "data/captures", ".dvc/cache"])?;

        self.start_step("Check the first run's tag out: its data comes back");
        let tag = format!("capture/{}/run-0001", recorded.experiment());
        self.run_command(&repo, &["git", "checkout", "-q", &tag])?;
        self.run_command(&repo, &["ls", &dataset])?;
        self.run_command(&repo, &["capture-hook", "verify"])?;

        self.start_step("The newest commit");
        self.run_command(&repo, &["git", "checkout", "-q", "main"])?;
        self.run_command(&repo, &["ls", &dataset])?;
        self.run_command(&repo, &["capture-hook", "verify"])?;

        let (look, remove) = (shell_quote(&repo), shell_quote(&self.dir));
        let mut text = StyledText::new();
        text.end_line().push_str(format!("Done. Look around:  cd {look} && capture-hook log")).end_line();
        text.push_str(format!("Remove it all:      rm -rf {remove}")).end_line();
        self.print_text(&text);
        Ok(())
    }

    fn record_cartpole(&mut self, repo: &Path, python: &str) -> Result<(), Error> {
        self.start_step("Record a run: Gymnasium's CartPole");
        write_atomic(&repo.join(cartpole::SCRIPT), cartpole::SCRIPT_TEXT.as_bytes())?;
        self.run_command(repo, &["cat", cartpole::SCRIPT])?;
        self.run_command(repo, &["git", "add", cartpole::SCRIPT])?;
        self.run_command(repo, &["git", "commit", "-q", "-m", "Record CartPole"])?;
        self.run_command(repo, &[python, cartpole::SCRIPT, "1"])
    }

    /// A program as it is typed in the demo: by its name if `PATH` leads to it.
    fn typed_program(&self, path: &Path) -> String {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let is_found = self.env.find_program(name).is_some_and(|found| found == path);
        if is_found { name.to_owned() } else { path.display().to_string() }
    }

    fn start_step(&mut self, title: &str) {
        self.number += 1;
        title.clone_into(&mut self.title);
        let mut text = StyledText::new();
        text.end_line().push_styled(anstyle::Style::new().bold(), format!("{}. {title}", self.number)).end_line();
        self.print_text(&text);
    }

    /// Shows a command, runs it, and shows its output.
    fn run_command(&mut self, dir: &Path, words: &[&str]) -> Result<(), Error> {
        // Ten minutes: no step takes nearly as long, so only a program that hangs is stopped.
        let cmd = Cmd::new(words[0]).args(&words[1..]).dir(dir).timeout(Duration::from_secs(600));
        let line = cmd.command_line();
        let mut text = StyledText::new();
        text.push_styled(anstyle::Style::new().dimmed(), "$").push_str(format!(" {line}")).end_line();
        self.print_text(&text);
        let output = cmd.run_checked(&self.env)?;
        let mut output_text = String::from_utf8_lossy(&output.stdout).into_owned();
        output_text.push_str(&String::from_utf8_lossy(&output.stderr));
        let output_text = output_text.trim_end().to_owned();
        for text in output_text.lines() {
            self.print_text(StyledText::from(format!("  {text}")).end_line());
        }
        self.steps.push(DemoStepJson { title: self.title.clone(), command: line, output: output_text });
        Ok(())
    }

    fn print_text(&self, text: &StyledText) {
        if !self.app.ui.json() {
            self.app.ui.print_text(text);
        }
    }
}

//! `capture-hook log`: data versions in history.

use anstyle::{AnsiColor, Style};

use super::complete;
use crate::app::{App, Outcome};
use crate::dvc::cache::Cache;
use crate::dvc::file_list::Entry;
use crate::error::Error;
use crate::history::{Change, History};
use crate::output::json::{Log, LogRun, LogVersion};
use crate::output::table::{Column, Table, styled};
use crate::output::{Text, human};
use crate::project::Project;
use crate::run::RunKey;

/// Arguments of `log`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  capture-hook log                 every commit that changed the dataset, newest first
  capture-hook log nav/r1          only those that brought this run
  capture-hook log -n 5 --json

TAG is the number of the run's tag on that commit: v1 is capture/<experiment>/<run_id>, v2 is …@v2; `-`: there is none
(`capture-hook tag` makes it again). DATA tells where the run's bytes are: here (DVC's cache), remote, or nowhere we can see.
History is read from commits and DVC's .dir objects, so a run shows up even where its tag was lost.")]
pub struct Args {
    /// Only what brought this run.
    #[arg(value_name = "RUN|TAG", add = complete::runs_and_tags())]
    run: Option<String>,
    /// At most so many data versions.
    #[arg(short = 'n', long, value_name = "N")]
    number: Option<usize>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<Outcome, Error> {
    let project = app.project()?;
    let catalog;
    let (history, only): (&History, Option<RunKey>) = match &args.run {
        Some(query) => {
            catalog = project.catalog()?;
            let target = project.resolve_run(&catalog, &app.cwd, query)?;
            (&catalog.history, Some(target.key))
        }
        None => (&project.history()?, None),
    };
    let changes: Vec<&Change> = history
        .changes
        .iter()
        .filter(|change| only.as_ref().is_none_or(|run| change.brought.contains(run)))
        .take(args.number.unwrap_or(usize::MAX))
        .collect();
    let stores = Stores::of(&project)?;
    let mut versions = Vec::new();
    for change in changes {
        versions.push(version(&project, history, change, only.as_ref(), &stores)?);
    }
    if app.ui.json() {
        app.ui.data_json(&Log { versions });
    } else if versions.is_empty() {
        match only {
            Some(run) => app.ui.status(&format!("no commit holds {run}")),
            None => app.ui.status("no commit holds a data version yet"),
        }
        app.ui.hint("`capture-hook status` says what to do next");
    } else {
        let pager = project.repo.config("core.pager")?;
        app.ui.page(&table(app, &versions), &app.env, pager.as_deref());
    }
    Ok(Outcome::Done)
}

/// Where a run's bytes can be looked for without asking DVC.
struct Stores {
    cache: Cache,
    remote: Option<Cache>,
    has_remote: bool,
}

impl Stores {
    fn of(project: &Project) -> Result<Self, Error> {
        let settings = project.dvc_settings()?;
        let remote = settings.remote().and_then(|remote| remote.dir.as_deref()).map(Cache::at);
        Ok(Self { cache: project.cache()?, remote, has_remote: settings.remote().is_some() })
    }

    fn remote(&self, entries: &[Entry]) -> &'static str {
        match (&self.remote, self.has_remote) {
            (Some(remote), _) => share(remote, entries),
            (None, true) => "unknown",
            (None, false) => "none",
        }
    }
}

fn share(store: &Cache, entries: &[Entry]) -> &'static str {
    match entries.iter().filter(|entry| store.has(entry.md5)).count() {
        0 => "none",
        n if n == entries.len() => "all",
        _ => "some",
    }
}

fn version(
    project: &Project,
    history: &History,
    change: &Change,
    only: Option<&RunKey>,
    stores: &Stores,
) -> Result<LogVersion, Error> {
    let locked = &change.locked;
    let tags = history.tags_at(&change.commit.id);
    let mut runs = Vec::new();
    for run in change.brought.iter().filter(|run| only.is_none_or(|only| only == *run)) {
        let entries = history.entries(locked.version, run);
        let record = project.record_of(run, locked, entries.as_deref().unwrap_or_default())?;
        let tag = tags.iter().find(|tag| tag.name.run == *run);
        let said = tag.and_then(|tag| tag.record.as_ref());
        runs.push(LogRun {
            run: run.to_string(),
            tag: tag.map(|tag| tag.tag.name.clone()),
            config_hash: record.config.or_else(|| said?.config.clone()),
            steps: record.steps.or_else(|| said?.steps),
            episodes: record.episodes.or_else(|| said?.episodes),
            cache: entries.as_ref().map_or("none", |entries| share(&stores.cache, entries)),
            remote: entries.as_ref().map_or("unknown", |entries| stores.remote(entries)),
        });
    }
    Ok(LogVersion {
        commit: change.commit.id.to_string(),
        committed_at: human::iso(change.commit.time),
        author: change.commit.author.clone(),
        subject: change.commit.subject(),
        on_head: change.on_head,
        data_version: locked.version.to_string(),
        size: locked.size,
        files: locked.nfiles,
        runs,
        gone: change.gone.iter().map(ToString::to_string).collect(),
        partial: change.partial,
    })
}

fn table(app: &App, versions: &[LogVersion]) -> Text {
    const YELLOW: Style = AnsiColor::Yellow.on_default();
    const GREEN: Style = AnsiColor::Green.on_default();
    const DIM: Style = Style::new().dimmed();
    let mut table = Table::new([
        Column::Left("COMMIT"),
        Column::Left("DATE"),
        Column::Left("RUN"),
        Column::Right("STEPS"),
        Column::Left("TAG"),
        Column::Left("DATA"),
        Column::Spare("CONFIG"),
    ]);
    for version in versions {
        let commit = version.commit.get(..9).unwrap_or(&version.commit);
        let date = version.committed_at.get(..10).unwrap_or_default();
        let style = if version.on_head { YELLOW } else { DIM };
        for run in &version.runs {
            let number = run.tag.as_ref().map(|tag| tag.rsplit_once('@').map_or("v1", |(_, v)| v));
            let data = match (run.cache, run.remote) {
                ("all", "all") => styled("here, remote", GREEN),
                ("all", _) => styled("here", GREEN),
                (_, "all") => styled("remote", DIM),
                ("some", _) => styled("in part", YELLOW),
                (_, "unknown") => styled("not here", DIM),
                _ => styled("nowhere", AnsiColor::Red.on_default()),
            };
            table.row([
                styled(commit, style),
                date.into(),
                (&run.run).into(),
                run.steps.map_or_else(|| "-".into(), human::count).into(),
                number.unwrap_or("-").into(),
                data,
                run.config_hash.as_deref().and_then(|hash| hash.get(..8)).unwrap_or("-").into(),
            ]);
        }
        for run in &version.gone {
            let note = styled("removed", AnsiColor::Red.on_default());
            table.row([styled(commit, style), date.into(), run.into(), "".into(), "".into(), note]);
        }
        if version.runs.is_empty() && version.gone.is_empty() {
            let what = if version.partial { "(its data version is not in this clone)" } else { "(other files)" };
            table.row([styled(commit, style), date.into(), styled(what, DIM)]);
        }
    }
    table.render(app.ui.width())
}

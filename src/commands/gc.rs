//! `capture-hook gc`: frees the space of data that nothing needs any more.

use std::collections::BTreeSet;

use crate::app::{App, CommandOutcome};
use crate::error::Error;
use crate::history::needed::explained::{ObjectOwner, OwnedObjects};
use crate::output::human::format_iso;
use crate::output::json::{GcJson, GcOtherJson, GcRunJson, ObjectSumJson};
use crate::output::table::{Cell, ColumnStyle, TextTable};
use crate::project::Project;
use crate::support::text::{format_bytes, format_count, format_plural};
use crate::sync::gc::{DataVersion, GcLocks, GcPlan, GcRemote, GcRequest, ObjectSum, make_plan};

/// Arguments of `gc`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints what can go; removes it only with --yes. Needed, and never removed, is what any version of dvc.lock or of a .dvc file
names, of every stage and DVC project of this repository: in all commits of branches, remote branches, tags, stashes and other
refs, in entries of reflogs within `gc.keep` days, in operations in progress, in the index and the files of every working tree.
So a run of a branch's history stays, removed or not. What goes is what was amended, reset or deleted long enough ago.

Objects that were put there within `gc.keep` days stay in any case. --keep 0 keeps nothing for its age.

Other projects can use the same cache or remote: name a clone of each in git's settings, and what they need stays, too:
`git config --add capture-hook.sister /path/to/clone`; `none` says that there is no other. Of a remote, and of a cache outside of
the repository, only objects go that a commit of this clone is known to have named; --unknown removes the others that nothing
needs. For a remote, this clone must have all that git's remotes have; what others have pushed to the DVC remote alone is not
known, so use it when they have pushed to git.

Examples:
  capture-hook gc                    what nothing needs any more in the cache, by runs
  capture-hook gc --yes              remove it
  capture-hook gc --remote           the same of the default remote
  capture-hook gc --remote archive --keep 365 --yes")]
pub struct Args {
    /// Of a DVC remote instead of the cache; without NAME, of the default one.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", require_equals = false)]
    pub remote: Option<String>,
    /// Remove it.
    #[arg(short, long)]
    pub yes: bool,
    /// For how many days old data is kept, instead of `gc.keep`.
    #[arg(long, value_name = "DAYS")]
    pub keep: Option<u64>,
    /// In a store that others can share, also objects whose origin is not known.
    #[arg(long)]
    pub unknown: bool,
    /// A data version whose file list no clone and no remote has any more: it keeps nothing.
    #[arg(long, value_name = "VERSION")]
    pub lost: Vec<DataVersion>,
}

/// Runs the command.
pub fn run(app: &App, args: &Args) -> Result<CommandOutcome, Error> {
    let project = app.open_project()?;
    let keep_days = args.keep.map_or_else(|| project.read_config().map(|config| config.gc.keep), Ok)?;
    let remote = args.remote.as_ref().map(|name| match name.as_str() {
        "" => GcRemote::Default,
        name => GcRemote::Named(name.to_owned()),
    });
    let lost: BTreeSet<DataVersion> = args.lost.iter().copied().collect();
    let request = GcRequest { keep_days, remote, with_unknown: args.unknown, lost };
    // What is removed is what was found under these locks.
    let locks = if args.yes { Some(GcLocks::acquire(&project)?) } else { None };
    let plan = make_plan(&project, &request, &app.ui)?;
    if let Some(locks) = &locks {
        plan.remove(&project, locks, &app.ui)?;
    }
    if app.ui.json() {
        app.ui.print_json(&plan_json(&plan, keep_days, args.yes));
        return Ok(CommandOutcome::Done);
    }
    print_plan(app, &project, &plan, args.yes)?;
    print_kept(app, &plan, keep_days);
    if !args.yes && (plan.removed_sum().objects > 0 || !plan.copies.is_empty()) {
        match &plan.shared_with {
            None => app.ui.hint("nothing was removed: add `--yes` to remove it"),
            Some(dir) => {
                let dir = dir.display();
                app.ui.warn(&format!("the cache {dir} is outside of this repository: other projects can use it, too"));
                app.ui.hint("name a clone of each, or `none`: `git config --add capture-hook.sister /path/to/clone`");
            }
        }
    }
    Ok(CommandOutcome::Done)
}

fn print_plan(app: &App, project: &Project, plan: &GcPlan<'_>, is_done: bool) -> Result<(), Error> {
    let place = plan.remote.as_ref().map_or_else(|| "the cache".to_owned(), |name| format!("the remote `{name}`"));
    let sum = plan.removed_sum();
    let copies = format_plural(plan.copies.len() as u64, "old copy of a run").replace("copys", "copies");
    if sum.objects == 0 {
        app.ui.print_line(&format!("{place} holds nothing that can go"));
    } else {
        let columns = [
            ColumnStyle::Left("RUN"),
            ColumnStyle::Right("OBJECTS"),
            ColumnStyle::Right("SIZE"),
            ColumnStyle::Left("COMMIT"),
            ColumnStyle::Left("DATE"),
            ColumnStyle::Spare("DATA VERSION"),
        ];
        let mut table = TextTable::new(columns);
        for (owner, owned) in &plan.removed {
            table.push_row(row(project, owner, owned)?);
        }
        app.ui.print_text(&table.render_text(app.ui.table_width()));
        let verb = if is_done { "freed" } else { "can be freed" };
        let objects = format_plural(sum.objects, "object");
        app.ui.print_line(&format!("{objects} of {place}, {}, {verb}", format_bytes(sum.bytes)));
    }
    if !plan.copies.is_empty() {
        let verb = if is_done { "removed" } else { "can go" };
        app.ui.print_line(&format!("{copies} in .git/capture-hook {verb}"));
    }
    Ok(())
}

fn row(project: &Project, owner: &ObjectOwner, owned: &OwnedObjects) -> Result<[Cell; 6], Error> {
    let name = match owner {
        ObjectOwner::Run(run) => run.to_string(),
        ObjectOwner::FileLists => "(file lists)".into(),
        ObjectOwner::File(path) => format!("({path})"),
        ObjectOwner::Interrupted => "(of an interrupted gc)".into(),
        ObjectOwner::Unknown => "(unknown)".into(),
    };
    let commits = owned.commits.iter().map(|id| project.repo.read_commit(id)).collect::<Result<Vec<_>, _>>()?;
    let newest = commits.iter().max_by_key(|commit| commit.time);
    let more = if commits.len() > 1 { format!(" +{}", commits.len() - 1) } else { String::new() };
    let commit = newest.map(|commit| format!("{}{more}", commit.id.short())).unwrap_or_default();
    let date = newest.map(|commit| format_iso(commit.time).chars().take(10).collect::<String>()).unwrap_or_default();
    let version = owned.versions.first().filter(|_| *owner != ObjectOwner::FileLists);
    Ok([
        name.into(),
        format_count(owned.objects.len() as u64).into(),
        format_bytes(owned.bytes()).into(),
        commit.into(),
        date.into(),
        version.map(ToString::to_string).unwrap_or_default().into(),
    ])
}

fn print_kept(app: &App, plan: &GcPlan<'_>, keep_days: u64) {
    let describe = |sum: ObjectSum| format!("{}, {}", format_plural(sum.objects, "object"), format_bytes(sum.bytes));
    let by = &plan.by;
    let named_by = format_plural(by.named_by as u64, "version");
    app.ui.status(&format!("kept: {}, needed by {named_by} of dvc.lock and .dvc files", describe(plan.needed)));
    if plan.recent.objects > 0 {
        let days = format_plural(keep_days, "day");
        app.ui.status(&format!("kept: {}, which nothing needs, younger than {days}", describe(plan.recent)));
    }
    if plan.unknown_kept.objects > 0 {
        app.ui.status(&format!("kept: {}, of unknown origin: maybe another project's", describe(plan.unknown_kept)));
        app.ui.hint("if no other project uses it, `--unknown` removes these, too");
    }
    if let Some(first) = by.unparsed.first() {
        let files = format_plural(by.unparsed.len() as u64, "file");
        app.ui.status(&format!("kept: whatever {files} mention that cannot be parsed ({first})"));
    }
    if by.lost_commits > 0 {
        let commits = format_plural(by.lost_commits as u64, "commit");
        app.ui.detail(&format!("reflogs name {commits} that git does not have any more"));
    }
    for sister in &plan.sisters {
        app.ui.status(&format!("kept: what {} needs", sister.display()));
    }
}

fn plan_json(plan: &GcPlan<'_>, keep_days: u64, done: bool) -> GcJson {
    let commits = |owned: &OwnedObjects| owned.commits.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (mut runs, mut others) = (Vec::new(), Vec::new());
    for (owner, owned) in &plan.removed {
        let (objects, bytes, commits) = (owned.objects.len() as u64, owned.bytes(), commits(owned));
        let (kind, file) = match owner {
            ObjectOwner::Run(run) => {
                let data_versions = owned.versions.iter().map(ToString::to_string).collect();
                runs.push(GcRunJson { run: run.to_string(), objects, bytes, data_versions, commits });
                continue;
            }
            ObjectOwner::FileLists => ("file_lists", None),
            ObjectOwner::File(path) => ("file", Some(path.clone())),
            ObjectOwner::Interrupted => ("interrupted", None),
            ObjectOwner::Unknown => ("unknown", None),
        };
        others.push(GcOtherJson { kind, file, objects, bytes, commits });
    }
    let sum = |sum: ObjectSum| ObjectSumJson { objects: sum.objects, bytes: sum.bytes };
    let path = |path: &std::path::PathBuf| path.display().to_string();
    GcJson {
        done,
        remote: plan.remote.clone(),
        keep_days,
        runs,
        others,
        removed: sum(plan.removed_sum()),
        needed: sum(plan.needed),
        recent: sum(plan.recent),
        unknown_kept: sum(plan.unknown_kept),
        copies: plan.copies.len() as u64,
        shared_cache: plan.shared_with.as_ref().map(path),
        unparsed: plan.by.unparsed.iter().cloned().collect(),
        sisters: plan.sisters.iter().map(path).collect(),
    }
}

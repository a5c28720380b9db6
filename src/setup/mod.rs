//! Sets up a repository: the stage, the parameters, ignore rules, attributes, the default remote.
//!
//! What exists is kept, to the byte: text is added where something is missing, and the result is parsed again before
//! it is written. A second run finds everything set up and writes nothing.

mod declare;
pub mod git_config;
pub mod hooks;
pub mod include;
pub mod init;
mod install_error;
pub mod remote;
pub mod shim;
pub mod survey;
pub mod worktree;

use crate::dataset::stage::{
    DEFAULT_OUT_DIR, DVC_YAML, OUT_DIR, PARAMS_YAML, RUN_DIR, STAGE, StageError, params_file, parse_ingest_stage,
};
use crate::dvc::stage::DvcYamlError;
use crate::dvc::{lockfile, stage};
use crate::formats;
use crate::formats::yaml::YamlNode;
use crate::formats::{ParamsValue, yaml};
use crate::project::{Project, ProjectError, config};
use crate::support::limits;
use crate::support::names::is_safe_path;
use crate::support::process::shell_quote;

/// What is in `run_dir` if no run is selected.
const PLACEHOLDER: &str = "results/<experiment>/<run_id>";

/// The outcome for one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupChange {
    /// The file, or what it is about.
    pub what: String,
    /// Whether something was written.
    pub changed: bool,
    /// In words.
    pub note: String,
}

impl SetupChange {
    /// Something was written.
    pub fn written(what: impl Into<String>, note: impl Into<String>) -> Self {
        Self { what: what.into(), changed: true, note: note.into() }
    }

    /// Everything was there.
    pub fn unchanged(what: impl Into<String>, note: impl Into<String>) -> Self {
        Self { what: what.into(), changed: false, note: note.into() }
    }
}

/// A file that cannot be added to without changing what is in it.
fn cannot_add(file: &str, message: &str) -> ProjectError {
    ProjectError::CannotAdd { file: file.to_owned(), message: message.to_owned() }
}

/// Puts everything but DVC itself, the remote and the hooks in place.
pub fn set_up_files(project: &Project) -> Result<Vec<SetupChange>, ProjectError> {
    let mut changes = vec![set_up_stage(project)?, set_up_params(project)?];
    let config = project.read_config()?;
    if !config.ingest.include.patterns().is_empty()
        && let Some(bytes) = include::add_include_dependency(project)?
    {
        project.root_files().write_atomic(stage::FILE, &bytes)?;
        changes.push(SetupChange::written(stage::FILE, "made the stage depend on ingest.include"));
    }
    let out_dir = project
        .dataset_state(&crate::project::GitTree::WorkTree)?
        .stage
        .map_or(DEFAULT_OUT_DIR.to_owned(), |w| w.out_dir);
    changes.push(ignore_results(project, &config.results_dir)?);
    let (parent, name) = out_dir.rsplit_once('/').unwrap_or(("", &out_dir));
    changes.push(ignore_in_git(project, parent, name, "")?);
    if project.repo.index_holds_below(&project.git_path(&out_dir))? {
        let note = format!("is tracked by git too; to stop that: `git rm -r --cached {}`", shell_quote(&out_dir));
        changes.push(SetupChange::unchanged(&*out_dir, note));
    }
    changes.extend(unignore_required_files(project)?);
    changes.push(set_up_attributes(project)?);
    Ok(changes)
}

/// Excepts the files that every commit of a run needs from rules that ignore them (`*.lock`, in a user's own settings).
fn unignore_required_files(project: &Project) -> Result<Vec<SetupChange>, ProjectError> {
    const FILE: &str = ".gitignore";
    let mut changes = Vec::new();
    for file in [lockfile::FILE, stage::FILE, stage::PARAMS_FILE] {
        let path = project.git_path(file);
        let Some(rule) = project.repo.ignoring_rule(&path)? else { continue };
        let mut bytes = project.root_files().read(FILE, limits::TEXT)?.unwrap_or_default();
        let except = format!("!/{file}");
        if String::from_utf8_lossy(&bytes).lines().any(|line| line == except) {
            // A directory is ignored whole, and of it nothing can be excepted.
            changes.push(SetupChange::unchanged(FILE, format!("git still ignores {file}: {rule}")));
            continue;
        }
        ensure_final_newline(&mut bytes);
        bytes.extend_from_slice(format!("# Every commit of a run needs it.\n{except}\n").as_bytes());
        project.root_files().write_atomic(FILE, &bytes)?;
        changes.push(SetupChange::written(FILE, format!("added an exception for {file} to {rule}")));
    }
    Ok(changes)
}

fn set_up_stage(project: &Project) -> Result<SetupChange, ProjectError> {
    let files = project.root_files();
    let Some(bytes) = files.read(stage::FILE, limits::TEXT)? else {
        files.write_atomic(stage::FILE, DVC_YAML.as_bytes())?;
        return Ok(SetupChange::written(stage::FILE, "the stage capture_ingest"));
    };
    if parse_ingest_stage(&bytes)?.is_some() {
        let advice = declare::by_hand_advice(declare::missing_keys(&bytes));
        return Ok(SetupChange::unchanged(stage::FILE, format!("has the stage capture_ingest{advice}")));
    }
    let (bytes, by_hand) = declare::with_metrics_files(&with_stage(&bytes)?);
    files.write_atomic(stage::FILE, &bytes)?;
    Ok(SetupChange::written(
        stage::FILE,
        format!("added the stage capture_ingest{}", declare::by_hand_advice(&by_hand)),
    ))
}

fn set_up_params(project: &Project) -> Result<SetupChange, ProjectError> {
    let files = project.root_files();
    let dvc_yaml = files.read(stage::FILE, limits::TEXT)?.unwrap_or_default();
    let stage = parse_ingest_stage(&dvc_yaml)?.ok_or(ProjectError::NoStage)?;
    let file = params_file(&stage).to_owned();
    let Some(bytes) = files.read(&file, limits::TEXT)? else {
        if project.repo.is_tracked(&project.root.join(&file))? {
            let key = RUN_DIR.to_owned();
            return Err(StageError::NoParamsFile { file, key }.into());
        }
        if file == stage::PARAMS_FILE {
            files.write_atomic(&file, PARAMS_YAML.as_bytes())?;
            return Ok(SetupChange::written(file, "no run is selected yet"));
        }
        return Err(cannot_add(&file, "the stage names it, but it does not exist"));
    };
    let values = formats::load_params(&file, &bytes).map_err(StageError::from)?;
    if values.at_path("ingest_capture").is_none_or(|v| *v == ParamsValue::Null) && file == stage::PARAMS_FILE {
        files.write_atomic(&file, &with_params(&bytes)?)?;
        return Ok(SetupChange::written(file, "added ingest_capture; no run is selected yet"));
    }
    let mut new = bytes.clone();
    for (key, value) in [(RUN_DIR, PLACEHOLDER), (OUT_DIR, DEFAULT_OUT_DIR)] {
        let Some((section, key)) = key.split_once('.') else { continue };
        if values.at_path(&format!("{section}.{key}")).is_none() {
            let leaf = formats::edit::ParamLeaf { file: &file, section, key };
            new = formats::edit::set_param(leaf, &new, value).map_err(StageError::from)?.bytes;
        }
    }
    if new == bytes {
        return Ok(SetupChange::unchanged(file, "has ingest_capture"));
    }
    files.write_atomic(&file, &new)?;
    Ok(SetupChange::written(file, "added what ingest_capture lacked"))
}

/// Sees to it that git ignores the directory where recorders write, relative to the project.
pub fn ignore_results(project: &Project, results: &str) -> Result<SetupChange, ProjectError> {
    let dir = results.trim_end_matches('/');
    if !is_safe_path(dir) {
        return Ok(SetupChange::unchanged(results, "is outside the project, so git does not see it"));
    }
    ignore_in_git(project, "", dir, "Recorded runs: DVC versions those that are in the dataset.")
}

/// The files and directories of a set-up that git has something to commit of, relative to the project.
pub fn list_files_to_commit(project: &Project) -> Result<Vec<String>, ProjectError> {
    let stage = project.dataset_state(&crate::project::GitTree::WorkTree)?.stage;
    let params = stage.as_ref().map_or(stage::PARAMS_FILE, |stage| params_file(&stage.stage));
    let out_dir = stage.as_ref().map_or(DEFAULT_OUT_DIR, |stage| &stage.out_dir);
    let ignore = out_dir.rsplit_once('/').map(|(parent, _)| format!("{parent}/.gitignore"));
    let written = [".dvc", ".dvcignore", ".gitattributes", ".gitignore", stage::FILE, params, config::FILE];
    let mut found = Vec::new();
    for file in written.map(str::to_owned).into_iter().chain(ignore) {
        let path = project.git_path(&file);
        let status = ["--literal-pathspecs", "status", "--porcelain", "--untracked-files=all", "--", &path];
        if !project.repo.run_git(status)?.stdout.is_empty() {
            found.push(file);
        }
    }
    Ok(found)
}

/// Sees to it that git ignores `name` in the project's directory `dir`.
fn ignore_in_git(project: &Project, dir: &str, name: &str, why: &str) -> Result<SetupChange, ProjectError> {
    let file = if dir.is_empty() { ".gitignore".to_owned() } else { format!("{dir}/.gitignore") };
    let full = if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
    // Git does not look behind a link, and fails on such a path; no rule may be written there either.
    project.root_files().check_dir(dir)?;
    // A link is no directory to git, whatever it leads to: a rule for directories does not mean it.
    let is_link = std::fs::symlink_metadata(project.root.join(&full)).is_ok_and(|meta| meta.is_symlink());
    let (probe, note) = match is_link {
        true => (full.clone(), format!("{full} is ignored by git")),
        false => (format!("{full}/x"), format!("{full}/ is ignored by git")),
    };
    match project.repo.is_ignored(&project.git_path(&probe))? {
        Some(true) => return Ok(SetupChange::unchanged(file, note)),
        Some(false) => {}
        None => return Ok(SetupChange::unchanged(file, format!("{full}/ is outside the files that git sees"))),
    }
    let files = project.root_files();
    let mut bytes = files.read(&file, limits::TEXT)?.unwrap_or_default();
    ensure_final_newline(&mut bytes);
    if !why.is_empty() {
        bytes.extend_from_slice(format!("# {why}\n").as_bytes());
    }
    // DVC writes its own rule in this form, and looks for it before it does.
    bytes.extend_from_slice(format!("/{name}\n").as_bytes());
    files.create_dir_all(dir)?;
    files.write_atomic(&file, &bytes)?;
    Ok(SetupChange::written(file, note))
}

fn set_up_attributes(project: &Project) -> Result<SetupChange, ProjectError> {
    const FILE: &str = ".gitattributes";
    let mut bytes = project.root_files().read(FILE, limits::TEXT)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let missing: Vec<&str> = git_config::attribute_lines()
        .filter(|line| {
            let wanted_words: Vec<&str> = line.split_ascii_whitespace().collect();
            // A rule that names another driver on purpose is kept; one for the file is enough.
            !text.lines().any(|existing| {
                let mut words = existing.split_ascii_whitespace();
                let name = words.next().unwrap_or_default();
                name.trim_start_matches('/') == wanted_words[0].trim_start_matches('/')
                    && words.any(|word| word.starts_with("merge="))
            })
        })
        .collect();
    if missing.is_empty() {
        return Ok(SetupChange::unchanged(FILE, "names the merge drivers"));
    }
    ensure_final_newline(&mut bytes);
    bytes.extend_from_slice(b"# capture-hook: branches that each added runs merge without a conflict.\n");
    for line in missing {
        bytes.extend_from_slice(format!("{line}\n").as_bytes());
    }
    project.root_files().write_atomic(FILE, &bytes)?;
    Ok(SetupChange::written(FILE, "added the merge drivers"))
}

fn ensure_final_newline(bytes: &mut Vec<u8>) {
    if !bytes.is_empty() && bytes.last() != Some(&b'\n') {
        bytes.push(b'\n');
    }
}

/// The text's own line break.
fn line_break(bytes: &[u8]) -> &'static str {
    let at = bytes.iter().position(|b| *b == b'\n');
    if at.is_some_and(|at| at > 0 && bytes.get(at - 1) == Some(&b'\r')) { "\r\n" } else { "\n" }
}

/// The stage of the reference file, each line indented by `indent` from where it stands under `stages`.
fn stage_block(indent: &str, newline: &str) -> String {
    let lines = DVC_YAML.lines().skip_while(|line| *line != "stages:").skip(1).take_while(|line| line.starts_with(' '));
    lines.map(|line| format!("{indent}{}{newline}", line.strip_prefix("  ").unwrap_or(line))).collect()
}

/// The end of a block whose last node ends here: behind its line, with the comment that may stand there.
fn after_line(bytes: &[u8], end: usize) -> usize {
    // A block's value may end behind its last line break.
    if end > 0 && bytes.get(end - 1) == Some(&b'\n') {
        return end;
    }
    let rest = bytes.get(end..).unwrap_or_default();
    rest.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| end + at + 1)
}

/// A `dvc.yaml` with the stage added, and every byte that was there kept.
fn with_stage(bytes: &[u8]) -> Result<Vec<u8>, ProjectError> {
    let newline = line_break(bytes);
    let read = |bytes: &[u8]| {
        yaml::parse_document(bytes).map_err(|e| ProjectError::from(StageError::from(DvcYamlError::Yaml(e))))
    };
    let root = read(bytes)?.filter(|root| !root.is_null());
    let mut out = bytes.to_vec();
    let stages = root.as_ref().and_then(|root| root.get("stages"));
    match (&root, stages) {
        (Some(root), _) if root.entries().is_none() => return Err(cannot_add(stage::FILE, "it is not a mapping")),
        (_, Some(stages)) if !stages.is_null() => {
            let last = stages.entries().and_then(|entries| entries.last());
            let Some((key, value)) = last else {
                return Err(cannot_add(stage::FILE, "`stages` is not written as a block"));
            };
            let start = bytes.get(..key.span.start).unwrap_or_default();
            let line = start.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let indent = String::from_utf8_lossy(start.get(line..).unwrap_or_default()).into_owned();
            if !indent.chars().all(|c| c == ' ') {
                return Err(cannot_add(stage::FILE, "`stages` is not written as a block"));
            }
            let at = after_line(bytes, value.span.end.max(key.span.end));
            let mut block = stage_block(&indent, newline);
            if at > 0 && bytes.get(at - 1) != Some(&b'\n') {
                block.insert_str(0, newline);
            }
            out.splice(at..at, block.into_bytes());
        }
        (_, Some(_)) => {
            return Err(cannot_add(stage::FILE, "`stages` is empty: remove the line, then run the command again"));
        }
        (_, None) => {
            if !out.is_empty() && out.last() != Some(&b'\n') {
                out.extend_from_slice(newline.as_bytes());
            }
            out.extend_from_slice(format!("stages:{newline}{}", stage_block("  ", newline)).as_bytes());
        }
    }
    // What was there must read as before.
    let new = read(&out)?;
    let value =
        |root: &Option<YamlNode>| root.as_ref().map_or(ParamsValue::Map(Vec::new()), YamlNode::to_partial_value);
    let is_kept = without_our_stage(value(&new)) == without_our_stage(value(&root));
    if !is_kept || parse_ingest_stage(&out)?.is_none() {
        return Err(cannot_add(stage::FILE, "adding the stage would change other lines"));
    }
    Ok(out)
}

/// The value without our stage, and without `stages` if nothing else is in it.
fn without_our_stage(value: ParamsValue) -> ParamsValue {
    let ParamsValue::Map(entries) = value else { return value };
    let entries = entries.into_iter().filter_map(|(key, value)| match value {
        ParamsValue::Map(stages) if key == "stages" => {
            let stages: Vec<_> = stages.into_iter().filter(|(name, _)| name != STAGE).collect();
            (!stages.is_empty()).then_some((key, ParamsValue::Map(stages)))
        }
        value => Some((key, value)),
    });
    ParamsValue::Map(entries.collect())
}

/// A `params.yaml` with `ingest_capture` added at its end, and every byte that was there kept.
fn with_params(bytes: &[u8]) -> Result<Vec<u8>, ProjectError> {
    let newline = line_break(bytes);
    let file = stage::PARAMS_FILE;
    let before = formats::load_params(file, bytes).map_err(StageError::from)?;
    if before.at_path("ingest_capture").is_some() {
        return Err(cannot_add(file, "`ingest_capture` is empty: remove the line, then run the command again"));
    }
    let mut out = bytes.to_vec();
    if !out.is_empty() && out.last() != Some(&b'\n') {
        out.extend_from_slice(newline.as_bytes());
    }
    let block = PARAMS_YAML.lines().skip_while(|line| line.starts_with('#'));
    out.extend(block.flat_map(|line| format!("{line}{newline}").into_bytes()));
    let after = formats::load_params(file, &out).map_err(StageError::from)?;
    let is_kept = match (before, after) {
        (ParamsValue::Map(before), ParamsValue::Map(after)) => {
            before == after.into_iter().filter(|(key, _)| key != "ingest_capture").collect::<Vec<_>>()
        }
        (before, ParamsValue::Map(after)) => before == ParamsValue::Null && after.len() == 1,
        _ => false,
    };
    if is_kept { Ok(out) } else { Err(cannot_add(file, "adding `ingest_capture` would change other lines")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text_with_stage(text: &str) -> String {
        String::from_utf8(with_stage(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn the_stage_is_appended_in_the_others_indentation() {
        for text in [
            "# mine\nstages:\n    train:   # keep\n        cmd: 'x'\n\n# end\nmetrics:\n  - m.json\n",
            "stages:\n  a:\n    cmd: x",
            "stages:\r\n  a:\r\n    cmd: x\r\n",
            "vars:\n- a: 1\n",
            "# only a comment\n",
            "stages:\n  a: {cmd: x}\n  b:\n    cmd: |\n      one\n      two\n",
        ] {
            let new = text_with_stage(text);
            let stage = parse_ingest_stage(new.as_bytes()).unwrap().unwrap();
            assert_eq!(stage.command_text(), "capture-hook ingest");
            // Every line that was there is there, in order.
            let mut lines = new.lines();
            for line in text.lines() {
                assert!(lines.any(|have| have == line), "{line:?} of {text:?} is gone in {new:?}");
            }
            assert_eq!(new.contains("\r\n"), text.contains("\r\n"));
        }
    }

    #[test]
    fn what_cannot_be_added_to_is_refused() {
        for text in ["stages: {a: {cmd: x}}\n", "- a\n", "stages: {}\n", "stages:\n"] {
            assert!(with_stage(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn params_file_keeps_its_text() {
        let text = "# mine\nlr: 0.1 # keep\nlist: [1, 2]";
        let new = String::from_utf8(with_params(text.as_bytes()).unwrap()).unwrap();
        assert!(new.starts_with(&format!("{text}\n")) && new.contains("\ningest_capture:\n"), "{new}");
        assert!(with_params(b"- a\n").is_err());
    }
}

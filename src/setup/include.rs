//! The stage's dependency on `ingest.include`, added to a `dvc.yaml`: DVC then sees that the setting changed.

use super::{line_break, without_our_stage};
use crate::dataset::stage::{STAGE, StageError, parse_ingest_stage};
use crate::dvc::stage;
use crate::dvc::stage::{DvcYamlError, Stage};
use crate::formats::yaml::YamlNode;
use crate::formats::{ParamsValue, yaml};
use crate::project::include::is_dependency;
use crate::project::{Project, ProjectError, config};
use crate::run::include::SETTING_KEY;
use crate::support::limits;

/// The `dvc.yaml` whose stage depends on the setting; `None` if it does already, or there is no stage.
pub fn add_include_dependency(project: &Project) -> Result<Option<Vec<u8>>, ProjectError> {
    let Some(bytes) = project.root_files().read(stage::FILE, limits::TEXT)? else { return Ok(None) };
    match parse_ingest_stage(&bytes)? {
        Some(stage) if !is_dependency(&stage) => Ok(Some(with_dependency(&bytes, &stage)?)),
        _ => Ok(None),
    }
}

/// Adds the dependency behind the stage's other parameters, every byte that was there kept.
fn with_dependency(bytes: &[u8], before: &Stage) -> Result<Vec<u8>, ProjectError> {
    let by_hand = || {
        let message = format!(
            "the parameters of the stage `{STAGE}` are not written as a block; add `- {}: [{SETTING_KEY}]` to them",
            config::FILE
        );
        ProjectError::CannotAdd { file: stage::FILE.to_owned(), message }
    };
    let read = |bytes: &[u8]| {
        yaml::parse_document(bytes).map_err(|error| ProjectError::from(StageError::from(DvcYamlError::Yaml(error))))
    };
    let root = read(bytes)?;
    let params = root.as_ref().and_then(|root| root.get("stages")?.get(STAGE)?.get("params")).filter(|node| !node.flow);
    let (Some(first), Some(last)) = (
        params.and_then(YamlNode::items).and_then(<[YamlNode]>::first),
        params.and_then(YamlNode::items).and_then(<[YamlNode]>::last),
    ) else {
        return Err(by_hand());
    };
    let start = bytes.get(..first.span.start).unwrap_or_default();
    let line = start.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let before_item = String::from_utf8_lossy(start.get(line..).unwrap_or_default()).into_owned();
    let indent =
        before_item.strip_suffix("- ").filter(|indent| indent.chars().all(|c| c == ' ')).ok_or_else(by_hand)?;
    let newline = line_break(bytes);
    let text = format!("{indent}- {}:{newline}{indent}    - {SETTING_KEY}{newline}", config::FILE);
    // Behind the line on which the last parameter ends, and behind the break that a block may end with.
    let end = last.span.end;
    let rest = bytes.get(end..).unwrap_or_default();
    let whole = end > 0 && bytes.get(end - 1) == Some(&b'\n');
    let at = if whole { end } else { rest.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| end + at + 1) };
    let mut out = bytes.to_vec();
    let lead = if at > 0 && bytes.get(at - 1) != Some(&b'\n') { newline } else { "" };
    out.splice(at..at, format!("{lead}{text}").into_bytes());
    // What was there must read as before.
    let after = parse_ingest_stage(&out)?;
    let same = after.as_ref().is_some_and(|after| {
        let mut params = after.params.clone();
        for dep in params.iter_mut().filter(|dep| dep.file == config::FILE) {
            dep.keys.retain(|key| key != SETTING_KEY);
        }
        params.retain(|dep| dep.file != config::FILE || before.params.contains(dep));
        is_dependency(after) && Stage { params, ..after.clone() } == *before
    });
    let others = |root: Option<YamlNode>| {
        let value = root.as_ref().map_or(ParamsValue::Map(Vec::new()), YamlNode::to_partial_value);
        without_our_stage(value)
    };
    if same && others(read(&out)?) == others(root) { Ok(out) } else { Err(by_hand()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dataset::stage::DVC_YAML;

    fn add_dependency(dvc_yaml: &str) -> Result<String, ProjectError> {
        let stage = parse_ingest_stage(dvc_yaml.as_bytes()).unwrap().unwrap();
        with_dependency(dvc_yaml.as_bytes(), &stage).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn the_dependency_is_added_after_the_other_parameters() {
        let new = add_dependency(DVC_YAML).unwrap();
        let lines =
            "      - ingest_capture.out_dir\n      - capture-hook.toml:\n          - ingest.include\n    outs:\n";
        assert!(new.contains(lines), "{new}");
        assert!(is_dependency(&parse_ingest_stage(new.as_bytes()).unwrap().unwrap()));
        let head = "stages:\n  capture_ingest:\n    cmd: capture-hook ingest\n    outs: [data/captures]\n    params:\n";
        for params in [
            "    - ingest_capture.run_dir # which\n    - train.yaml:\n      - lr\n# end\n",
            "      - ingest_capture.run_dir",
            "    - capture-hook.toml:\n        - engine\n    - ingest_capture.run_dir\n  other:\n    cmd: x\n",
        ] {
            let text = format!("{head}{params}");
            for text in [text.clone(), text.replace('\n', "\r\n")] {
                let new = add_dependency(&text).unwrap();
                let mut lines = new.lines();
                for line in text.lines() {
                    assert!(lines.any(|have| have == line), "{line:?} of {text:?} is gone in {new:?}");
                }
                assert!(is_dependency(&parse_ingest_stage(new.as_bytes()).unwrap().unwrap()), "{new}");
                assert_eq!(new.contains("\r\n"), text.contains("\r\n"));
            }
        }
        let error =
            add_dependency(&format!("{}    params: [ingest_capture.run_dir]\n", head.replace("    params:\n", "")));
        assert!(error.unwrap_err().to_string().contains("- capture-hook.toml: [ingest.include]"));
    }
}
